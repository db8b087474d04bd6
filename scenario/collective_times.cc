#include "scenario/collective_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/schema/wording.h"
#include "base/text_file.h"
#include "scenario/prepare.h"
#include "scenario/run_scenario.h"
#include "workloads/collectives/collective.h"

namespace weft {
namespace {

tl::unexpected<Errors> Wrong(std::string message, std::string hint = {}) {
  return Fail(ErrorCode::kOutOfRange, {"weft", 0, 0}, std::move(message), std::move(hint));
}

// A mapping of the scenario: YAML as it stands, a file, or a preset's name.
std::string Mapping(const std::string& text) {
  if (text.find('{') != std::string::npos || text.find(": ") != std::string::npos) return text;
  if (IsFile(text))
    return fmt::format("{{ include: \"{}\" }}", std::filesystem::absolute(text).string());
  return fmt::format("{{ preset: {} }}", text);
}

// Whether `path` is a file whose fabric stands under `fabric:`, as `weft import` writes one.
bool IsScenarioFile(const std::string& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t key = line.find_first_not_of(" \t{");  // of JSON, too
    if (line.starts_with("fabric:") ||
        (key != line.npos && line.compare(key, 9, "\"fabric\":") == 0))
      return true;
  }
  return false;
}

// `from`'s network and, where `host`, its hosts in the place of `into`'s.
void TakeFabric(const Located<ScenarioSpec>& from, bool host, Located<ScenarioSpec>& into) {
  *into.message.mutable_fabric() = from.message.fabric();
  if (host && from.message.has_host()) *into.message.mutable_host() = from.message.host();
  const bool seeds = into.sources.Given("routing.seeds");
  const std::int32_t asked_seeds = into.message.routing().seeds();
  *into.message.mutable_rdma() = from.message.rdma();
  *into.message.mutable_physics() = from.message.physics();
  *into.message.mutable_routing() = from.message.routing();
  if (seeds) into.message.mutable_routing()->set_seeds(asked_seeds);
  const auto is_taken = [&](const std::string& path) {
    if (path == "routing.seeds") return !seeds;
    for (const char* key : {"fabric", "rdma", "physics", "routing"})
      if (path.starts_with(key)) return true;
    return host && path.starts_with("host");
  };
  SourceMap sources;
  for (const auto& [path, origin] : into.sources.entries())
    if (!is_taken(path)) sources.Add(path, origin);
  for (const auto& [path, origin] : from.sources.entries())
    if (is_taken(path)) sources.Add(path, origin);
  into.sources = std::move(sources);
}

// The fabric and its hosts, with the lines `more` of a scenario.
Result<Located<ScenarioSpec>> ReadOnFabric(const FabricQuestion& fabric, const std::string& more,
                                           SourceTexts* texts) {
  std::string text;
  if (!fabric.host.empty()) text += fmt::format("host: {}\n", Mapping(fabric.host));
  text += more;
  const std::vector<std::string> families = FabricFamilies();
  if (!IsFile(fabric.fabric) &&
      std::find(families.begin(), families.end(), fabric.fabric) != families.end() &&
      AllPresets().Find("fabric", fabric.fabric) == nullptr)
    return Fail(ErrorCode::kUnknownKey, {"--fabric", 0, 0},
                fmt::format("{} is a family, which needs its keys: give a file, or YAML",
                            Quoted(fabric.fabric)),
                fmt::format("weft new collective {} prints one", fabric.fabric));
  if (!IsScenarioFile(fabric.fabric))
    return ParseScenario(fmt::format("fabric: {}\n{}", Mapping(fabric.fabric), text), "--fabric",
                         {}, texts);
  WEFT_TRY(const Located<ScenarioSpec> file, ReadScenario(fabric.fabric, {}, texts));
  // A scenario has a fabric: any will do until the file's takes its place.
  WEFT_TRY(Located<ScenarioSpec> spec,
           ParseScenario("fabric: { preset: hpn }\n" + text, "--fabric", {}, texts));
  TakeFabric(file, fabric.host.empty(), spec);
  return spec;
}

std::string WorkText(const CollectiveQuestion& question, const FabricQuestion& fabric,
                     const std::vector<Bytes>& sizes) {
  std::string bytes;
  for (const Bytes size : sizes)
    bytes += fmt::format("{}{}B", bytes.empty() ? "" : ", ", size.count());
  std::string out = fmt::format("placement: {{ gpus: {} }}\n", question.gpus);
  out += fmt::format("workload: {{ collective: {{ op: {}, bytes: [{}]", question.op, bytes);
  if (question.channels) out += fmt::format(", channels: {}", *question.channels);
  if (!question.matrix_text.empty()) out += fmt::format(", matrix: {}", question.matrix_text);
  out += " } }\n";
  out += fmt::format("collectives: {{ nccl: \"{}\"", question.nccl);
  if (question.forced.algorithm)
    out += fmt::format(", algorithm: {}", NcclName(*question.forced.algorithm));
  if (question.forced.protocol)
    out += fmt::format(", protocol: {}", NcclName(*question.forced.protocol));
  if (question.sharp) out += ", sharp: true";
  out += " }\n";
  if (!fabric.engine.empty()) out += fmt::format("engine: {}\n", fabric.engine);
  if (!fabric.calibration.empty()) out += fmt::format("calibration: \"{}\"\n", fabric.calibration);
  if (fabric.seeds) out += fmt::format("routing: {{ seeds: {} }}\n", *fabric.seeds);
  return out;
}

// The matrix of the operation, where it has one.
Result<std::shared_ptr<const SendMatrix>> MatrixOf(const CollectiveQuestion& question) {
  std::shared_ptr<const SendMatrix> none;
  const auto ranks = static_cast<std::uint32_t>(question.gpus);
  if (question.matrix) {
    if (question.matrix->ranks != ranks)
      return Wrong(fmt::format("the matrix is of {} ranks, and --gpus is {}",
                               question.matrix->ranks, ranks));
    return std::make_shared<const SendMatrix>(*question.matrix);
  }
  for (const auto op :
       {CollectiveSpec::ALL_TO_ALL_V, CollectiveSpec::GATHER, CollectiveSpec::SCATTER}) {
    if (question.op != OpName(op)) continue;
    WEFT_TRY(SendMatrix matrix, MakeSendMatrix(op, {}, ranks, {"--gpus", 0, 0}));
    return std::make_shared<const SendMatrix>(std::move(matrix));
  }
  return none;
}

// What the model's search found, for the scenario of the same question: NICs that a plugin makes
// one stand alone there, and then it is another.
void KeepSearch(const NcclComm& comm, const CollectiveQuestion& question, const HostSpec& host,
                FabricCache& cache) {
  if (AsNcclSees(question.host).nics != question.host.nics) return;
  const NcclCommOptions options{
      .sharp = question.sharp, .channels = question.channels, .pxn = question.pxn};
  cache.comms.found.emplace(
      NcclComms::Key(comm.nodes, comm.per_node, options, *comm.rules, host.SerializeAsString()),
      comm);
}

}  // namespace

bool HasBlocks(std::string_view op) {
  return op == "all_gather" || op == "reduce_scatter" || op == "gather" || op == "scatter" ||
         op.starts_with("all_to_all");
}

double BusFactor(std::string_view op, int ranks) {
  const double share = ranks > 1 ? (ranks - 1.0) / ranks : 1;
  if (op == "all_reduce") return ranks > 1 ? 2 * share : 1;
  return HasBlocks(op) ? share : 1;
}

double BusbwGBps(std::string_view op, int ranks, Bytes size, double us) {
  return static_cast<double>(size.count()) * BusFactor(op, ranks) / (us * 1e3);
}

Bytes TestedSize(std::string_view op, int ranks, Bytes bytes) {
  constexpr std::int64_t kFloat = 4, kAlign = 16;
  if (HasBlocks(op)) return Bytes(bytes.count() / ranks / kAlign * kAlign * ranks);
  return Bytes(bytes.count() / kFloat * kFloat);
}

Result<CollectiveModel> CollectiveModel::Build(const CollectiveQuestion& question) {
  const std::vector<std::string> ops = NcclPlanOps();
  if (std::find(ops.begin(), ops.end(), question.op) == ops.end())
    return Wrong(fmt::format("there is no operation '{}'", question.op), JoinOr(ops));
  const HostPart host = AsNcclSees(question.host);
  if (host.compute_capability == 0)
    return Wrong("the host's GPU has no compute capability",
                 "NCCL runs on NVIDIA's GPUs: `gpu:` must name one");
  const std::optional<FoundNcclRules> found = FindNcclRules(question.nccl);
  if (!found)
    return Wrong(fmt::format("--nccl: '{}' is no version", question.nccl), "such as 2.28.9");
  if (question.gpus < 1)
    return Wrong(fmt::format("--gpus is {}", question.gpus), "want a rank or more, one a GPU");
  const int per_host = question.gpus_per_host.value_or(std::min(question.gpus, host.gpus));
  if (per_host < 1 || per_host > host.gpus)
    return Wrong(fmt::format("--gpus-per-host is {}", per_host),
                 fmt::format("the host has {} GPUs", host.gpus));
  if (question.gpus % per_host != 0)
    return Wrong(fmt::format("--gpus is {}", question.gpus),
                 fmt::format("want a multiple of {} GPUs a host", per_host));
  const int hosts = question.gpus / per_host;
  if (question.sharp && host.transport != HostSpec::IB)
    return Wrong("--sharp needs InfiniBand, and the host's transport is another",
                 "--host '{ preset: hgx-h100, transport: ib }'");
  if (hosts > 1 && host.nics == 0)
    return Wrong("the host has no NIC, so its GPUs reach no other host", "fewer --gpus");

  CollectiveModel model;
  model.op_ = question.op;
  model.host_ = host;
  model.version_known_ = found->exact;
  // nccl-tests' factor (n - 1)/n is 0 of one rank; broadcast, reduce and send_recv have 1.
  const bool shares = question.op == "all_reduce" || HasBlocks(question.op);
  model.busbw_factor_ = question.gpus > 1 || !shares ? BusFactor(question.op, question.gpus) : 0;
  model.time_question_ = {NcclOpOf(question.op), question.op == "send_recv", question.forced};
  model.comm_ = std::make_shared<const NcclComm>(
      BuildNcclComm(host, hosts, per_host, *found->rules,
                    {.sharp = question.sharp, .channels = question.channels, .pxn = question.pxn}));
  model.parameters_ = NcclTimeParameters(*model.comm_, host);
  WEFT_TRY(model.matrix_, MatrixOf(question));
  if (model.matrix_ != nullptr) {
    model.loads_ = NcclLoadsOf(*model.comm_, host, *model.matrix_);
    model.matrix_size_ = BusiestRank(*model.matrix_);
  }
  if (const auto op = model.time_question_.op) {
    WEFT_TRY(const NcclChoice choice,
             ChooseNcclOrSay(*model.comm_, question.op, *op, Bytes(1 << 20), question.forced));
    static_cast<void>(choice);  // the pair is on at every size or at none
  }
  return model;
}

NcclTimeCase CollectiveModel::Case(Bytes bytes, const NcclForced& forced) const {
  NcclTimeQuestion question = time_question_;
  question.forced = forced;
  if (matrix_ == nullptr) return MakeNcclTimeCase(*comm_, host_, question, bytes);
  const SendLoads loads =
      loads_.Times(static_cast<double>(bytes.count()) / static_cast<double>(matrix_size_.count()));
  question.loads = &loads;
  return MakeNcclTimeCase(*comm_, host_, question, bytes);
}

CollectiveTime CollectiveModel::Time(const NcclTimeCase& which,
                                     const CollectiveConstants& constants) const {
  return NcclTime(which, constants);
}

Result<FabricHosts> HostsOfFabric(const FabricQuestion& fabric, const CollectiveQuestion& question,
                                  SourceTexts* texts) {
  WEFT_TRY(const Located<ScenarioSpec> spec,
           ReadOnFabric(fabric, fmt::format("placement: {{ gpus: {} }}\n", question.gpus), texts));
  FabricHosts out;
  RankHosts ranks;
  if (spec.message.fabric().custom().hosts_size() > 1) {
    FabricCache cache;
    WEFT_TRY(ranks, HostsOfRanks(spec, cache, question.gpus_per_host));
    out.hosts = ranks.hosts;
    if (!ranks.kinds.empty()) out.unlike = SeveralKinds(ranks.kinds);
  }
  const HostSpec& kind = HostOf(spec.message, ranks);
  if (kind.gpu().empty() || kind.gpus() < 1 || kind.nics() < 1 || kind.nic_ports() < 1)
    return Wrong("the fabric does not say what its hosts are", "--host, such as hgx-h100");
  WEFT_TRY(out.host, MakeHostPart(kind, spec.sources, "host"));
  return out;
}

Result<FabricTimes> SimulateCollective(const CollectiveModel& model,
                                       const CollectiveQuestion& question,
                                       const FabricQuestion& fabric,
                                       const std::vector<Bytes>& sizes, SourceTexts* texts) {
  const NcclComm& comm = model.comm();
  const std::optional<int> per_host =
      comm.per_node < question.host.gpus ? std::optional(comm.per_node) : std::nullopt;
  WEFT_TRY(Located<ScenarioSpec> spec,
           ReadOnFabric(fabric, WorkText(question, fabric, sizes), texts));
  FabricCache cache;
  if (spec.message.fabric().custom().hosts_size() < 2)  // else which kind is not known yet
    KeepSearch(comm, question, HostOf(spec.message), cache);
  WEFT_TRY(const PreparedScenario prepared, Prepare(std::move(spec), cache, {}, per_host));
  RunControl control;
  control.threads = fabric.threads;
  control.stop = [] { return false; };
  control.clock_s = [] { return 0.0; };  // how long the run takes is nobody's question here
  const RunReport report = RunScenario(prepared, control);
  FabricTimes out;
  out.seeds = static_cast<int>(report.seeds);
  for (const CollectiveReport& one : report.collectives) {
    if (!one.done())
      return Wrong(
          fmt::format("{} of {} B {} on this fabric", one.op, one.bytes.count(), one.status),
          "weft simulate says where");
    CollectiveTimeRow row;
    row.us = one.time_s.median * 1e6;
    row.p5_us = one.time_s.p5 * 1e6;
    row.p95_us = one.time_s.p95 * 1e6;
    const auto op = NcclOpOf(one.op);
    if (op && one.protocol && !one.protocol->empty())
      row.ran = ChooseNccl(comm, *op, one.bytes,
                           {ParseNcclAlgorithm(one.algorithm), ParseNcclProtocol(*one.protocol)});
    out.rows.push_back(std::move(row));
  }
  return out;
}

}  // namespace weft
