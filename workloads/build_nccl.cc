#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "workloads/build_internal.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/moe.h"
#include "workloads/collectives/nccl/pattern.h"
#include "workloads/collectives/nccl/plan.h"
#include "workloads/collectives/ring.h"

namespace weft {
namespace {

// Ranks times sizes; beyond, a collective that nobody gave NCCL stays a ring, whose pattern serves
// all sizes.
constexpr std::uint64_t kMostByDefault = kEdgeLimit / 64;

constexpr const char* kBytesPath = "workload.collective.bytes";

// Communicators of one shape share what NCCL finds for it.
const NcclComm& CommOf(const Communicator& communicator, const CollectiveSpec& spec,
                       const NcclBuild& nccl, NcclComms& comms) {
  const auto hosts = static_cast<int>(communicator.hosts.size());
  const auto per_host = static_cast<int>(communicator.hosts.front().count);
  NcclCommOptions options;
  if (spec.has_channels()) options.channels = spec.channels();
  options.sharp = nccl.sharp;
  const auto [at, added] = comms.found.try_emplace(
      NcclComms::Key(hosts, per_host, options, *nccl.rules, nccl.host_text));
  if (added) at->second = BuildNcclComm(nccl.host, hosts, per_host, *nccl.rules, options);
  return at->second;
}

// `matrix`: of the operation's size, by NCCL's ranks; null where it has none.
Result<NcclPatternPlan> PlanOf(const NcclComm& comm, const CollectiveSpec& spec,
                               const SourceMap& sources, Bytes bytes, const SendMatrix* matrix,
                               const BuildOptions& options) {
  const NcclBuild& nccl = *options.nccl;
  NcclTimeQuestion question;
  const std::string op(OpName(spec.op()));
  question.op = NcclOpOf(op);
  question.send_recv = spec.op() == CollectiveSpec::SEND_RECV;
  question.forced = nccl.forced;
  NcclPatternPlan plan;
  plan.comm = &comm;
  plan.op = spec.op();
  plan.qps = options.qps;
  plan.matrix = matrix;
  plan.at_start = options.at_start;
  if (matrix != nullptr) {
    plan.loads = NcclLoadsOf(comm, nccl.host, *matrix);
    question.loads = &plan.loads;
  }
  if (question.op) {
    auto choice = ChooseNcclOrSay(comm, op, *question.op, bytes, question.forced);
    if (!choice) {
      Errors errors = std::move(choice).error();
      for (Error& error : errors) error.pos = sources.At("collectives.algorithm").pos;
      return tl::make_unexpected(std::move(errors));
    }
  }
  plan.which = MakeNcclTimeCase(comm, nccl.host, question, bytes);
  if (question.op && !HasNcclPattern(plan)) {  // the ring always is on
    plan.wanted = plan.which.choice->algorithm;
    if (nccl.forced.algorithm)
      return Fail(ErrorCode::kInconsistent, sources.At("collectives.algorithm").pos,
                  fmt::format("there is no pattern of {} for {} on {} ranks, which the engines run",
                              NcclName(*plan.wanted), op, comm.ranks()),
                  "Ring, or auto: then a ring runs in its place; weft collective without "
                  "--fabric has its time");
    question.forced = {NcclAlgorithm::kRing, std::nullopt};
    plan.which = MakeNcclTimeCase(comm, nccl.host, question, bytes);
  }
  plan.time = NcclTime(plan.which, nccl.constants);
  return plan;
}

// The matrix at a size, a row a member; none where the operation has no matrix.
std::optional<SendMatrix> MatrixOfMembers(const std::vector<SendMatrix>& matrices,
                                          std::size_t group, const Communicator& communicator,
                                          Bytes bytes) {
  if (matrices.empty()) return std::nullopt;
  std::vector<std::uint32_t> order;
  for (const Communicator::Member& member : communicator.members) order.push_back(member.rank);
  return Reordered(ScaledTo(matrices[group], bytes), order);
}

// Keys that change nothing where NCCL chooses.
std::vector<Error> NcclKeysWithoutEffect(const SourceMap& sources, const BuildOptions& options,
                                         const std::vector<RunOfSize>& runs) {
  std::vector<Error> out;
  const auto warn = [&](const char* key, std::string why) {
    if (sources.Given(key))
      out.push_back({ErrorCode::kInconsistent,
                     sources.At(key).pos,
                     fmt::format("'{}' has no effect: {}", key, why),
                     {}});
  };
  for (const char* key : {"physics.launch", "physics.nvlink_step", "physics.network_step"})
    warn(key, "NCCL chooses here, and its times by protocol hold (docs/nccl.md)");
  const bool heads_alone = std::all_of(runs.begin(), runs.end(), [](const RunOfSize& run) {
    return run.algorithm == "NVLS" || run.algorithm == "NVLSTree";
  });
  if (heads_alone && !runs.empty())
    warn("workload.collective.channels", "NVLS has a number of channels of its own");
  const HostPart& host = options.nccl->host;
  const auto only_lowers = [&](const char* key, LinkClass link_class, std::size_t row) {
    const double own = options.nccl->constants.values[row];
    if (options.link_efficiency[static_cast<std::size_t>(link_class)] >= own)
      warn(key, fmt::format("it only lowers what the calibration says, '{}' at {:.4g} %",
                            CollectiveParameters()[row].name, own * 100));
  };
  if (host.nvlink.bits_per_second() > 0)
    only_lowers("physics.nvlink_efficiency", LinkClass::kNvlink,
                FirstRow(GenerationOf(DefaultNcclRules(), host.compute_capability)) +
                    static_cast<std::size_t>(GpuConstant::kNvlinkEfficiency));
  only_lowers(host.transport == HostSpec::IB ? "physics.ib_efficiency" : "physics.roce_efficiency",
              LinkClass::kNetwork,
              FirstRow(host.transport) + static_cast<std::size_t>(NetConstant::kEfficiency));
  return out;
}

// The choice that is reported: the largest group's.
void KeepChoice(const NcclPatternPlan& plan, std::size_t ranks, std::size_t& most, RunOfSize& run) {
  const std::string_view algorithm =
      plan.which.choice ? NcclName(plan.which.choice->algorithm) : "Sends";
  const std::string_view protocol = plan.which.choice ? NcclName(plan.which.protocol) : "";
  const int channels = static_cast<std::uint16_t>(plan.which.channels);
  if (most > 0 &&
      (algorithm != run.algorithm || protocol != run.protocol || channels != run.channels))
    run.choices_differ = true;
  if (ranks <= most) return;
  most = ranks;
  run.algorithm = algorithm;
  run.protocol = protocol;
  run.channels = channels;
}

}  // namespace

std::string NcclComms::Key(int hosts, int per_host, const NcclCommOptions& options,
                           const NcclRules& rules, const std::string& host_text) {
  return fmt::format("{} x {}, channels {}, {}{}NCCL 2.{}, {}", hosts, per_host,
                     options.channels.value_or(0), options.sharp ? "SHARP, " : "",
                     options.pxn ? "" : "no PXN, ", rules.minor, host_text);
}

bool TakesNccl(const CollectiveSpec& spec, const std::vector<Communicator>& communicators,
               const BuildOptions& options) {
  const bool automatic = spec.algorithm().empty() || spec.algorithm() == "auto";
  if (!automatic || options.nccl == nullptr || options.nccl->host.compute_capability == 0 ||
      MoeDoes(spec.op()))
    return false;
  std::uint64_t ranks = 0;
  for (const Communicator& one : communicators) ranks += one.job_rank.size();
  const auto sizes = static_cast<std::uint64_t>(spec.bytes_size());
  if (!options.nccl->asked && RingDoes(spec.op()) && ranks * sizes > kMostByDefault) return false;
  return std::all_of(communicators.begin(), communicators.end(), [&](const Communicator& one) {
    return IsRegular(one) &&
           one.hosts.front().count <= static_cast<std::uint32_t>(options.nccl->host.gpus);
  });
}

Result<std::vector<RunOfSize>> AddNcclRuns(const CollectiveSpec& spec, const SourceMap& sources,
                                           const Fabric& fabric,
                                           const std::vector<Communicator>& communicators,
                                           const std::vector<SendMatrix>& matrices,
                                           const std::vector<OperationOfGroup>& streams,
                                           const BuildOptions& options, Workload& workload) {
  NcclComms own;
  NcclComms& comms = options.nccl->comms != nullptr ? *options.nccl->comms : own;
  std::vector<RunOfSize> runs;
  std::uint64_t edges = 0;
  std::set<NcclAlgorithm> replaced;  // choices that no pattern runs
  Program& program = workload.program;
  for (int i = 0; i < spec.bytes_size(); ++i) {
    RunOfSize run{"-", {}, streams, 0, false};
    std::size_t most = 0;
    for (std::size_t g = 0; g < communicators.size(); ++g) {
      workload.stopped = options.stop && options.stop();
      if (workload.stopped) return std::vector<RunOfSize>();
      OperationOfGroup& group = run.groups[g];
      if (group.ranks < 2) continue;
      const NcclComm& comm = CommOf(communicators[g], spec, *options.nccl, comms);
      const std::optional<SendMatrix> matrix =
          MatrixOfMembers(matrices, g, communicators[g], Bytes(spec.bytes(i)));
      WEFT_TRY(const NcclPatternPlan plan, PlanOf(comm, spec, sources, Bytes(spec.bytes(i)),
                                                  matrix ? &*matrix : nullptr, options));
      if (plan.wanted) replaced.insert(*plan.wanted);
      edges += NcclPatternEdges(plan);
      if (edges > kEdgeLimit)
        return Fail(ErrorCode::kOutOfRange, sources.At(kBytesPath).pos,
                    fmt::format("the patterns of all sizes have more than {} edges", kEdgeLimit),
                    "fewer sizes or ranks");
      if (!HasSwitchTrees(plan, fabric, communicators[g]))
        return Fail(ErrorCode::kInconsistent, sources.At("collectives.sharp").pos,
                    "no switch stands above the NICs of all hosts, so the network cannot reduce",
                    "sharp: false, or a fabric with such switches");
      KeepChoice(plan, group.ranks, most, run);
      group.channels = static_cast<std::uint16_t>(plan.which.channels);
      group.op.kind = Op::Kind::kPattern;
      group.op.subject = static_cast<std::uint32_t>(program.patterns.size());
      group.op.tuning = static_cast<std::uint32_t>(program.tunings.size());
      program.patterns.push_back(BuildNcclPattern(plan, fabric, communicators[g]));
      program.tunings.push_back({group.channels, Bytes(1), Bytes(), NcclLaunch(plan)});
      if (!matrix) continue;
      if (program.amounts.empty()) program.amounts.emplace_back();  // row 0 is nobody's
      group.op.first_amount = static_cast<std::uint32_t>(program.amounts.size());
      const std::vector<Bytes> amounts = NcclSendAmounts(plan, program.patterns.back());
      program.amounts.insert(program.amounts.end(), amounts.begin(), amounts.end());
    }
    runs.push_back(std::move(run));
  }
  workload.warnings = NcclKeysWithoutEffect(sources, options, runs);
  for (const NcclAlgorithm one : replaced)
    workload.warnings.push_back(
        {ErrorCode::kInconsistent,
         sources.At(kBytesPath).pos,
         fmt::format("NCCL would run {} with {}, of which there is no pattern: a ring runs in its "
                     "place (docs/nccl.md)",
                     OpName(spec.op()), NcclName(one)),
         {}});
  return runs;
}

}  // namespace weft
