#include "workloads/collectives/collective.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <thread>

#include "base/schema/quantity.h"
#include "base/schema/wording.h"
#include "base/text_file.h"
#include "cli/app.h"
#include "cli/live_fabric.h"
#include "cli/output.h"
#include "hardware/parts.h"
#include "report/plan.h"
#include "scenario/calibration.h"
#include "scenario/collective_times.h"
#include "scenario/prepare.h"
#include "workloads/collectives/nccl/comm.h"
#include "workloads/collectives/nccl/plan.h"

namespace weft::cli {
namespace {

constexpr const char* kSizes = "8:16GiB:2";

struct CollectiveArgs {
  std::string op, sizes, host, nccl = "2.28";
  std::string fabric, engine, calibration, algorithm, protocol, json, matrix;
  int gpus = 0;
  std::optional<int> gpus_per_host, channels, seeds;
  bool explain = false, sharp = false;
};

// Digits alone are bytes, as in nccl-tests.
Result<Bytes> ParseSize(std::string_view text) {
  std::int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc() && at == end && count > 0) return Bytes(count);
  if (const auto size = ScanWhole(text, Unit::BYTES); size && *size > 0) return Bytes(*size);
  const bool lone = at != end && at + 1 == end && at != text.data();
  return WrongArgument(
      fmt::format("--sizes: '{}' is no size above 0", text),
      lone ? fmt::format("'{0}' alone may mean 1000 or 1024: say {1}{0}iB or {1}{0}B", *at,
                         std::string_view(text.data(), text.size() - 1))
           : "such as 1MiB, or bytes alone");
}

std::vector<std::string_view> Split(std::string_view text, char mark) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(mark, at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// A,B,… or FIRST:LAST:FACTOR; the factor is 2 where none is said.
Result<std::vector<Bytes>> ParseSizes(std::string_view text) {
  std::vector<Bytes> out;
  const std::vector<std::string_view> range = Split(text, ':');
  if (range.size() == 1) {
    for (const std::string_view one : Split(text, ',')) {
      WEFT_TRY(const Bytes size, ParseSize(one));
      out.push_back(size);
    }
    return out;
  }
  if (range.size() > 3)
    return WrongArgument(fmt::format("--sizes: '{}' is no range", text), "FIRST:LAST:FACTOR");
  WEFT_TRY(const Bytes first, ParseSize(range[0]));
  WEFT_TRY(const Bytes last, ParseSize(range[1]));
  const std::string_view times = range.size() == 3 ? range[2] : "2";
  const auto factor = ScanQuantity(times, Unit::NONE);
  if (!factor || *factor < 1.01 || *factor > 1e6)
    return WrongArgument(fmt::format("--sizes: the factor is '{}'", times), "want 1.01 or more");
  if (last < first) return WrongArgument(fmt::format("--sizes: '{}' ends below its start", text));
  for (auto size = static_cast<double>(first.count()); size <= static_cast<double>(last.count());
       size *= *factor)
    out.push_back(Bytes(static_cast<std::int64_t>(size)));
  return out;
}

// A preset's name, a file, or a mapping in YAML.
Result<HostPart> ReadHost(const std::string& text, SourceTexts& texts) {
  const PresetTable presets = AllPresets();
  const ReadOptions options{&presets, {}, &texts};
  Located<HostSpec> spec;
  if (text.find('{') != std::string::npos || text.find(": ") != std::string::npos) {
    WEFT_TRY(spec, ParseText<HostSpec>(text, "--host", options));
  } else if (IsFile(text)) {
    WEFT_TRY(spec, OrForeign(ReadFile<HostSpec>(text, options), FileKind::kHost, text));
  } else {
    WEFT_TRY(spec, ParseText<HostSpec>(fmt::format("preset: {}", text), "--host", options));
  }
  WEFT_TRY(const HostPart host, MakeHostPart(spec.message, spec.sources, ""));
  if (host.compute_capability == 0)
    return WrongArgument(fmt::format("--host {}: its GPU has no compute capability", text),
                         "NCCL runs on NVIDIA's GPUs: `gpu:` must name one");
  return host;
}

Result<NcclForced> ReadForced(const CollectiveArgs& args) {
  NcclForced forced;
  if (!args.algorithm.empty() && args.algorithm != "auto") {
    forced.algorithm = ParseNcclAlgorithm(args.algorithm);
    if (!forced.algorithm)
      return WrongArgument(fmt::format("--algorithm: there is no '{}'", args.algorithm),
                           "Ring, Tree, NVLS, NVLSTree, CollNetDirect, CollNetChain, PAT, auto");
  }
  if (!args.protocol.empty() && args.protocol != "auto") {
    forced.protocol = ParseNcclProtocol(args.protocol);
    if (!forced.protocol)
      return WrongArgument(fmt::format("--protocol: there is no '{}'", args.protocol),
                           "LL, LL128, Simple, auto");
  }
  return forced;
}

std::string HostName(const CollectiveArgs& args) {
  if (!args.host.empty()) return args.host;
  return args.fabric.empty() ? "hgx-h100" : "the fabric's host";
}

FabricQuestion OnFabric(const CollectiveArgs& args) {
  FabricQuestion question;
  question.fabric = args.fabric;
  question.host = args.host;
  question.engine = args.engine;
  question.calibration = args.calibration;
  question.seeds = args.seeds;
  question.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return question;
}

// A matrix's keys in YAML, with braces around them or without.
std::string MatrixText(const std::string& text) {
  if (text.find('{') != std::string::npos) return text;
  if (text.find(": ") != std::string::npos && !std::filesystem::exists(text))
    return fmt::format("{{ {} }}", text);
  return fmt::format("{{ file: \"{}\" }}", text);
}

// --matrix: a file, or YAML such as '{ skew: 1 }'. Returns a file's own size.
Result<std::optional<Bytes>> ReadMatrix(const CollectiveArgs& args, SourceTexts& texts,
                                        CollectiveQuestion& question) {
  if (args.matrix.empty() || args.op != "all_to_all_v" || args.gpus < 1)
    return std::optional<Bytes>();
  question.matrix_text = MatrixText(args.matrix);
  WEFT_TRY(const Located<SendMatrixSpec> spec,
           ParseText<SendMatrixSpec>(question.matrix_text, "--matrix", {nullptr, {}, &texts}));
  WEFT_TRY(question.matrix,
           OrForeign(MakeSendMatrix(CollectiveSpec::ALL_TO_ALL_V, spec.message,
                                    static_cast<std::uint32_t>(args.gpus), {"--matrix", 0, 0}),
                     FileKind::kMatrix, args.matrix));
  if (spec.sources.Given("seed") && !spec.message.has_skew())
    return WrongArgument("--matrix: 'seed' draws the places of 'skew', which is not there",
                         "--matrix '{ skew: 1, seed: 3 }'");
  return spec.message.has_file() ? std::optional(BusiestRank(*question.matrix)) : std::nullopt;
}

struct Asked {
  CollectiveQuestion question;
  std::vector<Bytes> sizes;
  bool matrix_in_file = false;
  FabricHosts hosts;    // of the fabric; none: nothing
  std::string host_is;  // as the table says it
  Calibration calibration;
};

Result<Asked> ReadArgs(const CollectiveArgs& args, SourceTexts& texts,
                       const std::function<void(std::string)>& warn) {
  Asked out;
  out.question.op = args.op;
  out.question.gpus = args.gpus;
  out.question.gpus_per_host = args.gpus_per_host;
  out.question.nccl = args.nccl;
  out.question.channels = args.channels;
  out.question.sharp = args.sharp;
  WEFT_TRY(const std::optional<Bytes> own, ReadMatrix(args, texts, out.question));
  out.matrix_in_file = own.has_value();
  if (args.sizes.empty() && own) {
    out.sizes = {*own};
  } else {
    WEFT_TRY(out.sizes, ParseSizes(args.sizes.empty() ? kSizes : args.sizes));
  }
  out.host_is = HostName(args);
  if (!args.host.empty() || args.fabric.empty()) {
    WEFT_TRY(out.question.host, ReadHost(HostName(args), texts));
  }
  if (!args.fabric.empty()) {
    WEFT_TRY(out.hosts, OrForeign(HostsOfFabric(OnFabric(args), out.question, &texts),
                                  FileKind::kScenario, args.fabric));
    if (!args.host.empty() && !AlikeToNccl(out.question.host, out.hosts.host)) {
      warn("--host has no effect: the fabric says what its hosts are");
      out.host_is = "the fabric's host";
    }
    out.question.host = out.hosts.host;
  }
  WEFT_TRY(out.question.forced, ReadForced(args));
  WEFT_TRY(out.calibration, OrForeign(ReadCalibration(args.calibration, &texts),
                                      FileKind::kCalibration, args.calibration));
  return out;
}

// What an engine does not say: what bounds, what the copy of the own block costs, how sends go.
void SetClosedForm(const NcclTimeCase& which, const CollectiveTime& t, CollectiveTimeRow& row) {
  row.in_place_us = row.us - (t.us - t.in_place_us);
  row.bound = t.bound;
  row.send_protocol = which.protocol;
  row.send_channels = static_cast<int>(which.channels);
}

// On a network that does not block: the closed form.
std::vector<CollectiveTimeRow> ClosedForm(const CollectiveModel& model, const Asked& asked) {
  std::vector<CollectiveTimeRow> rows;
  for (const Bytes bytes : asked.sizes) {
    const NcclTimeCase which = model.Case(bytes);
    const CollectiveTime t = model.Time(which, asked.calibration.constants);
    CollectiveTimeRow row;
    row.us = row.p5_us = row.p95_us = t.us;
    SetClosedForm(which, t, row);
    rows.push_back(std::move(row));
  }
  return rows;
}

// What the calibration says of every row; true where its tables cover all.
bool StateErrors(const Asked& asked, const NcclComm& comm, std::vector<CollectiveTimeRow>& rows) {
  if (asked.calibration.name.empty() || !asked.hosts.unlike.empty()) return true;
  bool covered = true;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const StatedError stated =
        StatedErrorOf(asked.calibration, asked.question.host,
                      {asked.question.op, asked.sizes[i], comm.ranks(), comm.nodes});
    if (stated.band) rows[i].error = {stated.band->low - 1, stated.band->high - 1, "held-out"};
    rows[i].in_range = stated.in_range;
    covered = covered && stated.in_range;
  }
  return covered;
}

// On the fabric asked for, over hash seeds.
Result<std::vector<CollectiveTimeRow>> Simulated(const CollectiveArgs& args,
                                                 const CollectiveModel& model, const Asked& asked,
                                                 SourceTexts& texts, int& seeds) {
  WEFT_TRY(const FabricTimes times,
           OrForeign(SimulateCollective(model, asked.question, OnFabric(args), asked.sizes, &texts),
                     FileKind::kScenario, args.fabric));
  seeds = times.seeds;
  std::vector<CollectiveTimeRow> rows = times.rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!asked.hosts.unlike.empty()) {  // nothing of it is known in closed form
      rows[i].in_place_us = rows[i].us;
      continue;
    }
    const NcclTimeCase which =
        rows[i].ran ? model.Case(asked.sizes[i], {rows[i].ran->algorithm, rows[i].ran->protocol})
                    : model.Case(asked.sizes[i]);
    const CollectiveTime t = model.Time(which, asked.calibration.constants);
    SetClosedForm(which, t, rows[i]);
  }
  return rows;
}

// Where an engine ran something else than NCCL's choice, the table has what ran. Returns the
// choice, of the first such row; none where there is none.
std::optional<NcclAlgorithm> TakeWhatRan(CollectiveTable& table) {
  std::optional<NcclAlgorithm> wanted;
  for (std::size_t i = 0; i < table.times.size(); ++i) {
    std::optional<NcclChoice>& choice = table.plan.rows[i].choice;
    const std::optional<NcclChoice>& ran = table.times[i].ran;
    if (!choice || !ran || choice->algorithm == ran->algorithm) continue;
    if (!wanted) wanted = choice->algorithm;
    choice = ran;
  }
  return wanted;
}

// Ranks are on hosts that NCCL tells apart: the table has nothing of its choice, and says so.
void TakePlainRing(const CollectiveArgs& args, const FabricHosts& hosts, CollectiveTable& table,
                   const std::function<void(std::string)>& warn) {
  if (hosts.unlike.empty()) return;
  table.unlike = hosts.unlike;
  table.hosts = hosts.hosts;
  for (NcclPlanRow& row : table.plan.rows) {
    row.choice.reset();
    row.candidates.clear();
  }
  warn(
      fmt::format("ranks are on {}: a plain ring is timed, without NCCL's choice and its error "
                  "band (docs/nccl.md)",
                  hosts.unlike));
  for (const auto& [option, given] :
       {std::pair("--algorithm", !args.algorithm.empty() && args.algorithm != "auto"),
        std::pair("--protocol", !args.protocol.empty() && args.protocol != "auto"),
        std::pair("--calibration", !args.calibration.empty() && args.calibration != "none"),
        std::pair("--explain", args.explain)})
    if (given) warn(fmt::format("{} has no effect: NCCL does not choose here", option));
}

// What alltoallv_perf prints of a matrix in a file: the busiest rank's sum, cells rounded down to
// 16 bytes [NCT src/alltoallv.cu].
std::vector<Bytes> TestedSizes(const Asked& asked) {
  std::vector<Bytes> out;
  if (!asked.matrix_in_file) return out;
  for (const Bytes bytes : asked.sizes)
    out.push_back(BusiestRank(RoundedTo(ScaledTo(*asked.question.matrix, bytes), Bytes(16))));
  return out;
}

Result<CollectiveTable> MakeTable(const CollectiveArgs& args, SourceTexts& texts,
                                  std::vector<Error>& warnings) {
  const auto warn = [&](std::string message) {
    warnings.push_back({ErrorCode::kInconsistent, {"weft", 0, 0}, std::move(message), {}});
  };
  WEFT_TRY(const Asked asked, ReadArgs(args, texts, warn));
  WEFT_TRY(const CollectiveModel model, CollectiveModel::Build(asked.question));
  const NcclComm& comm = model.comm();
  if (!model.nccl_version_known())
    warn(fmt::format("NCCL {} is not known; 2.{} stands for it", args.nccl, comm.rules->minor));
  if (std::string why = WarningOfForced(asked.question.host, asked.question.forced); !why.empty())
    warn(std::move(why));
  CollectiveTable table;
  WEFT_TRY(table.plan, BuildNcclPlan(args.op, comm, asked.sizes, asked.question.forced));
  if (!args.matrix.empty() && args.op != "all_to_all_v")
    warn("--matrix has no effect: only all_to_all_v sends by one");
  table.tested = TestedSizes(asked);
  table.busbw_factor = model.busbw_factor();
  table.host = asked.host_is;
  table.fabric = args.fabric;
  table.calibration = asked.calibration.name;
  if (args.fabric.empty()) {
    table.times = ClosedForm(model, asked);
    for (const auto& [option, given] :
         {std::pair("--engine", !args.engine.empty() && args.engine != "analytic"),
          std::pair("--seeds", args.seeds.has_value())})
      if (given)
        warn(fmt::format("{} has no effect without --fabric: times are in closed form", option));
  } else {
    WEFT_TRY(table.times, Simulated(args, model, asked, texts, table.seeds));
    TakePlainRing(args, asked.hosts, table, warn);
    if (const auto wanted = TakeWhatRan(table))
      warn(
          fmt::format("NCCL would run {}, of which there is no pattern here: a ring ran in its "
                      "place (docs/nccl.md)",
                      NcclName(*wanted)));
  }
  table.known_hardware = asked.calibration.KnowsHardware(asked.question.host, comm.nodes);
  if (!StateErrors(asked, comm, table.times)) {
    const bool stated = std::any_of(table.times.begin(), table.times.end(),
                                    [](const CollectiveTimeRow& row) { return row.error.low; });
    warn(fmt::format("'{}' was not fitted to all of this: {} on {} ranks of {} host{}; {}",
                     asked.calibration.name, args.op, comm.ranks(), comm.nodes,
                     comm.nodes == 1 ? "" : "s",
                     !stated                ? "it states no error of it"
                     : table.known_hardware ? "the error is that of the nearest tables"
                                            : "the error is that of hardware left out whole"));
  }
  return table;
}

int RunCollective(const CollectiveArgs& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  std::vector<Error> warnings;
  const Result<CollectiveTable> table = MakeTable(args, texts, warnings);
  if (!table) {
    PrintErrors(table.error(), texts, err);
    return kBadInput;
  }
  PrintWarnings(warnings, err);
  RunOptions target;
  target.json = args.json;
  constexpr int kNcclTestsColumns = 160;  // with the choice and the error behind them
  const CollectiveRows shape =
      TerminalNarrowerThan(kNcclTestsColumns) ? CollectiveRows::kShort : CollectiveRows::kNcclTests;
  return WriteResult(target, CollectiveTableText(*table, args.explain, TerminalWidth(), shape),
                     CollectiveTableJson(*table, args.explain), out, err)
             ? kOk
             : kBadInput;
}

}  // namespace

void AddCollective(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<CollectiveArgs>();
  CLI::App* command = app.add_subcommand(
      "collective", "Time an operation as NCCL would run it, in nccl-tests' columns");
  command
      ->add_option("op", args->op,
                   "all_reduce, all_gather, reduce_scatter, broadcast, reduce, all_to_all, "
                   "all_to_all_v, gather, scatter or send_recv")
      ->required();
  const auto add = [&](const char* name, auto& value, const char* what, const char* type) {
    return command->add_option(name, value, what)->type_name(type);
  };
  add("--gpus", args->gpus, "ranks, one a GPU", "N")->required()->check(Whole(1));
  add("--sizes", args->sizes,
      "FIRST:LAST:FACTOR, or FIRST:LAST by 2, or S1,S2,…; bytes where no unit is said", "SIZES")
      ->default_str(std::string(kSizes) + ", of a matrix in a file its own");
  add("--matrix", args->matrix,
      "of all_to_all_v: a file of bytes from row to column, or YAML such as '{ skew: 1 }'",
      "MATRIX")
      ->default_str("as alltoallv_perf: '{ spread: 1 }'");
  add("--host", args->host,
      "host: a preset, a file, or YAML such as '{ preset: hgx-h100, nics: 4 }'", "HOST")
      ->default_str("the fabric's, else hgx-h100");
  add("--gpus-per-host", args->gpus_per_host, "ranks a host; all its GPUs by default", "K")
      ->check(Whole(1));
  add("--fabric", args->fabric,
      "the network: a preset, a file, what weft import wrote, or YAML; by default one that does "
      "not block",
      "FABRIC");
  add("--nccl", args->nccl, "NCCL's version, 2.18 to 2.30", "VERSION")->capture_default_str();
  add("--algorithm", args->algorithm, "as NCCL_ALGO: Ring, Tree, NVLS, NVLSTree, PAT …", "NAME");
  add("--protocol", args->protocol, "as NCCL_PROTO: LL, LL128, Simple", "NAME");
  add("--channels", args->channels, "channels of rings and trees, as NCCL_MAX_NCHANNELS", "N")
      ->check(Whole(1, 64));
  add("--calibration", args->calibration, "fitted constants of the time model", "FILE|none")
      ->default_str("public");
  add("--engine", args->engine, "what computes the times on a --fabric", "ENGINE");
  add("--seeds", args->seeds, "hash seeds on a --fabric", "N")->check(Whole(1));
  command->add_flag("--sharp", args->sharp,
                    "the switches reduce, as NCCL_COLLNET_ENABLE=1 with its plugin; InfiniBand");
  command->add_flag("--explain", args->explain, "the candidates, the search, rings and trees");
  add("--json", args->json, "write JSON; -: to standard output", "FILE|-");
  command->callback([args, &chosen] {
    if (const std::string op = NcclPlanOpCalled(args->op); !op.empty()) args->op = op;
    chosen = [args](std::ostream& out, std::ostream& err) {
      return RunCollective(*args, out, err);
    };
  });
}

}  // namespace weft::cli
