#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "workloads/build_internal.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/moe.h"
#include "workloads/collectives/nccl/pattern.h"

namespace weft {
namespace {

constexpr const char* kPath = "workload.collective";

std::string At(const char* key) { return fmt::format("{}.{}", kPath, key); }

Errors CheckSpec(const CollectiveSpec& spec, const SourceMap& sources) {
  Errors errors;
  const auto add = [&](const std::string& path, std::string message, std::string hint) {
    errors.push_back(
        {ErrorCode::kOutOfRange, sources.At(path).pos, std::move(message), std::move(hint)});
  };
  if (spec.bytes().empty()) add(kPath, "the collective has no size", "bytes: 64MiB");
  for (int i = 0; i < spec.bytes_size(); ++i)
    if (spec.bytes(i) < 1)
      add(fmt::format("{}.bytes[{}]", kPath, i), fmt::format("'bytes' is {}", spec.bytes(i)),
          "want 1B or more");
  if (spec.repeat() < 1)
    add(At("repeat"), fmt::format("'repeat' is {}", spec.repeat()), "want 1 or more");
  if (spec.has_channels() && (spec.channels() < 1 || spec.channels() > 64))
    add(At("channels"), fmt::format("'channels' is {}", spec.channels()), "want 1..64");
  return errors;
}

Result<const CollectiveAlgorithm*> ChooseAlgorithm(const CollectiveSpec& spec,
                                                   const SourceMap& sources) {
  std::string able;
  const CollectiveAlgorithm* named = nullptr;
  const bool automatic = spec.algorithm().empty() || spec.algorithm() == "auto";
  for (const CollectiveAlgorithm& algorithm : CollectiveAlgorithms()) {
    if (algorithm.key == spec.algorithm()) named = &algorithm;
    if (!algorithm.does(spec.op())) continue;
    if (automatic || named == &algorithm) return &algorithm;
    able += fmt::format(", {}", algorithm.key);
  }
  const std::string hint = fmt::format("for {} there are: auto{}", OpName(spec.op()), able);
  const SourcePos pos = sources.At(At("algorithm")).pos;
  if (automatic)
    return Fail(
        ErrorCode::kInconsistent, pos,
        fmt::format("{} is done by NCCL alone, which does not choose here", OpName(spec.op())),
        "collectives: { nccl: \"2.28\" }, hosts with an NVIDIA gpu: and as many ranks each");
  if (named != nullptr)
    return Fail(ErrorCode::kInconsistent, pos,
                fmt::format("algorithm '{}' does not do {}", named->key, OpName(spec.op())), hint);
  return Fail(ErrorCode::kInconsistent, pos,
              fmt::format("no algorithm is called '{}'", spec.algorithm()), hint);
}

std::vector<Error> KeysWithoutEffect(const CollectiveSpec& spec, const SourceMap& sources,
                                     const Fabric& fabric,
                                     const std::vector<Communicator>& communicators) {
  std::vector<Error> warnings;
  const auto warn = [&](const char* key, const std::string& why) {
    if (sources.Given(At(key)))
      warnings.push_back({ErrorCode::kInconsistent,
                          sources.At(At(key)).pos,
                          fmt::format("'{}' has no effect: {}", At(key), why),
                          {}});
  };
  std::size_t most_hosts = 0;
  bool two_segments = false;
  for (const Communicator& communicator : communicators) {
    most_hosts = std::max(most_hosts, communicator.hosts.size());
    const Host& first = fabric.host(communicator.hosts.front().host);
    for (const Communicator::HostPart& part : communicator.hosts) {
      const Host& host = fabric.host(part.host);
      two_segments = two_segments || host.pod != first.pod || host.segment != first.segment;
    }
  }
  if (most_hosts < 2) {
    warn("ring_order", "every communicator is inside one host");
  } else if (spec.ring_order() == CollectiveSpec::ALTERNATING && !two_segments) {
    warn("ring_order", "all hosts are in one segment");
  }
  if (spec.ring_order() != CollectiveSpec::RANDOM) warn("seed", "only ring_order: random draws");
  if (!MoeDoes(spec.op())) warn("moe", "only moe_dispatch and moe_combine send tokens");
  if (spec.op() != CollectiveSpec::ALL_TO_ALL_V)
    warn("matrix", "only all_to_all_v sends by one");
  else if (!spec.matrix().has_skew())
    warn("matrix.seed", "only skew: draws");
  return warnings;
}

MoeRouting RoutingOf(const CollectiveSpec& spec) {
  if (!spec.has_moe()) return {};  // the keys' own defaults
  return {spec.moe().experts(), spec.moe().top_k(), spec.moe().hosts()};
}

// What of moe: does not fit the communicators; for the ops that have it.
Errors CheckMoe(const CollectiveSpec& spec, const SourceMap& sources,
                const std::vector<Communicator>& communicators) {
  Errors errors;
  const auto add = [&](const char* key, std::string message, std::string hint) {
    errors.push_back(
        {ErrorCode::kInconsistent, sources.At(At(key)).pos, std::move(message), std::move(hint)});
  };
  if (spec.has_channels() && spec.channels() != 1)
    add("channels", fmt::format("{} has one channel", OpName(spec.op())), "leave channels: out");
  const MoeRouting moe = RoutingOf(spec);
  for (const Communicator& one : communicators) {
    const auto ranks = static_cast<int>(one.job_rank.size());
    const auto hosts = static_cast<int>(one.hosts.size());
    const int limit = moe.hosts > 0 ? std::min(moe.hosts, hosts) : hosts;
    const int reached = moe.experts / hosts * limit;
    if (!IsRegular(one)) {
      add("group", "the hosts have unequally many ranks", "fill all hosts alike");
    } else if (moe.experts % ranks != 0) {
      add("moe.experts", fmt::format("{} experts do not divide among {} ranks", moe.experts, ranks),
          "a multiple of the ranks");
    } else if (moe.top_k > reached) {
      add("moe.top_k",
          fmt::format("a token has {} experts, and {} hosts have {}", moe.top_k, limit, reached),
          "fewer, or more hosts:");
    }
    if (!errors.empty()) break;
  }
  return errors;
}

// A row a communicator where the operation sends by a matrix. Sets `spec`'s size where the matrix
// alone says it.
Result<std::vector<SendMatrix>> MakeMatrices(const SourceMap& sources,
                                             const std::vector<Communicator>& communicators,
                                             CollectiveSpec& spec) {
  std::vector<SendMatrix> out;
  if (!SendsByMatrix(spec.op())) return out;
  const SourcePos given = sources.At(At(spec.matrix().has_file() ? "matrix.file" : "matrix")).pos;
  for (const Communicator& one : communicators) {
    const std::uint64_t ranks = one.job_rank.size();
    if (ranks * ranks > kEdgeLimit)
      return Fail(ErrorCode::kOutOfRange, given,
                  fmt::format("{} ranks have {} pairs", ranks, ranks * ranks),
                  fmt::format("at most {}: fewer ranks", kEdgeLimit));
    WEFT_TRY(SendMatrix matrix,
             MakeSendMatrix(spec.op(), spec.matrix(), static_cast<std::uint32_t>(ranks), given));
    if (spec.bytes().empty() && spec.matrix().has_file())
      spec.add_bytes(BusiestRank(matrix).count());
    out.push_back(std::move(matrix));
  }
  return out;
}

// The communicator's streams. A rank alone has nothing to send: its operation is the launch.
OperationOfGroup AddStreams(const Communicator& communicator, const BuildOptions& options,
                            Program& program) {
  OperationOfGroup group;
  group.ranks = communicator.job_rank.size();
  group.op.first_stream = static_cast<std::uint32_t>(program.streams.size());
  group.op.stream_count = static_cast<std::uint32_t>(group.ranks);
  program.streams.insert(program.streams.end(), communicator.job_rank.begin(),
                         communicator.job_rank.end());
  if (group.ranks < 2) group.op.amount = options.launch.count();
  return group;
}

// One pattern and tuning a communicator, for all sizes.
Result<std::vector<RunOfSize>> AddRun(const CollectiveSpec& spec, const SourceMap& sources,
                                      const Fabric& fabric,
                                      const std::vector<Communicator>& communicators,
                                      const CollectiveAlgorithm& algorithm,
                                      const std::vector<OperationOfGroup>& streams,
                                      const BuildOptions& options, Workload& workload) {
  std::uint64_t edges = 0;
  std::vector<std::uint16_t> channels;
  for (const Communicator& communicator : communicators) {
    channels.push_back(spec.has_channels() ? static_cast<std::uint16_t>(spec.channels())
                                           : algorithm.channels(communicator));
    edges += std::uint64_t{channels.back()} * communicator.job_rank.size();
  }
  if (edges > kEdgeLimit)
    return Fail(ErrorCode::kOutOfRange, sources.At(At("channels")).pos,
                fmt::format("the rings have {} edges together", edges),
                fmt::format("at most {}: fewer channels or ranks", kEdgeLimit));
  RunOfSize run{std::string(algorithm.name), {}, streams, 0, false};
  Program& program = workload.program;
  for (std::size_t g = 0; g < communicators.size(); ++g) {
    workload.stopped = options.stop && options.stop();
    if (workload.stopped) return std::vector<RunOfSize>();
    OperationOfGroup& group = run.groups[g];
    if (group.ranks < 2) continue;
    group.channels = channels[g];
    run.channels = std::max<int>(run.channels, channels[g]);
    group.op.kind = Op::Kind::kPattern;
    group.op.subject = static_cast<std::uint32_t>(program.patterns.size());
    group.op.tuning = static_cast<std::uint32_t>(program.tunings.size());
    program.patterns.push_back(
        algorithm.build(fabric, communicators[g], spec.op(), channels[g], options));
    const Bytes chunk = MoeDoes(spec.op()) ? kMoeChunk : Bytes();
    program.tunings.push_back({channels[g], chunk, Bytes(), options.launch});
  }
  return std::vector<RunOfSize>{std::move(run)};
}

// One item a size; rows repeat by repeat, all groups of a repeat beside each other.
void AddItems(const CollectiveSpec& spec, const std::vector<Communicator>& communicators,
              const std::vector<RunOfSize>& runs, bool nccl, Workload& workload) {
  WorkloadItem item;
  item.nccl = nccl;
  item.kind = WorkloadItem::Kind::kCollective;
  item.op = OpName(spec.op());
  item.fewest_ranks = static_cast<int>(runs.front().groups.front().ranks);
  for (const OperationOfGroup& group : runs.front().groups) {
    const auto ranks = static_cast<int>(group.ranks);
    item.ranks = std::max(item.ranks, ranks);
    item.fewest_ranks = std::min(item.fewest_ranks, ranks);
    item.busbw_factors.push_back(ranks < 2 ? 0 : BusbwFactor(spec.op(), group.ranks));
  }
  for (const Communicator& communicator : communicators) {
    item.group_names.push_back(communicator.name);
    item.hosts = std::max(item.hosts, static_cast<int>(communicator.hosts.size()));
  }
  for (int i = 0; i < spec.bytes_size(); ++i) {
    const RunOfSize& run = runs[std::min(static_cast<std::size_t>(i), runs.size() - 1)];
    item.algorithm = run.algorithm;
    item.protocol = run.protocol;
    item.choices_differ = run.choices_differ;
    item.channels = run.channels;
    item.bytes = Bytes(spec.bytes(i));
    item.source_path = fmt::format("{}.bytes[{}]", kPath, i);
    item.rows_by_group.assign(run.groups.size(), {});
    for (std::int64_t repeat = 0; repeat < spec.repeat(); ++repeat) {
      for (std::size_t g = 0; g < run.groups.size(); ++g) {
        Op op = run.groups[g].op;
        if (op.kind == Op::Kind::kPattern) op.amount = item.bytes.count();
        item.rows_by_group[g].push_back(
            RowId{static_cast<std::uint32_t>(workload.program.ops.size())});
        workload.program.ops.push_back(op);
      }
    }
    workload.items.push_back(item);
  }
}

}  // namespace

Result<Workload> BuildCollective(const CollectiveSpec& as_written, const SourceMap& sources,
                                 const Fabric& fabric, const Placement& placement,
                                 const BuildOptions& build_options) {
  BuildOptions options = build_options;
  CollectiveSpec spec = as_written;
  options.moe = RoutingOf(spec);
  Errors errors;
  const auto keep = [&errors](const auto& result) {
    if (!result) errors.insert(errors.end(), result.error().begin(), result.error().end());
  };
  const auto communicators = BuildCommunicators(spec, sources, fabric, placement);
  keep(communicators);
  const auto matrices = communicators ? MakeMatrices(sources, *communicators, spec)
                                      : Result<std::vector<SendMatrix>>(std::vector<SendMatrix>());
  keep(matrices);
  if (matrices) {
    const Errors found = CheckSpec(spec, sources);
    errors.insert(errors.begin(), found.begin(), found.end());
  }
  const bool nccl = communicators && TakesNccl(spec, *communicators, options);
  const auto algorithm =
      nccl ? Result<const CollectiveAlgorithm*>(nullptr) : ChooseAlgorithm(spec, sources);
  keep(algorithm);
  if (communicators && MoeDoes(spec.op())) {
    const Errors moe = CheckMoe(spec, sources, *communicators);
    errors.insert(errors.end(), moe.begin(), moe.end());
  }
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));

  const double rows = static_cast<double>(spec.repeat()) * spec.bytes_size() *
                      static_cast<double>(communicators->size());
  if (rows > static_cast<double>(kRowLimit))
    return Fail(ErrorCode::kOutOfRange, sources.At(At("repeat")).pos,
                fmt::format("{:.0f} operations: sizes times repeats times communicators", rows),
                fmt::format("at most {}", kRowLimit));

  Workload out;
  std::vector<OperationOfGroup> streams;
  for (const Communicator& communicator : *communicators)
    streams.push_back(AddStreams(communicator, options, out.program));
  WEFT_TRY(
      const std::vector<RunOfSize> runs,
      nccl ? AddNcclRuns(spec, sources, fabric, *communicators, *matrices, streams, options, out)
           : AddRun(spec, sources, fabric, *communicators, **algorithm, streams, options, out));
  if (out.stopped) return out;
  out.program.stream_count = static_cast<std::uint32_t>(placement.gpu_of_rank.size());
  for (const GpuId gpu : placement.gpu_of_rank)
    out.program.host_of_stream.push_back(fabric.vertex(fabric.gpu(gpu)).host);
  AddItems(spec, *communicators, runs, nccl, out);
  for (Error& warning : KeysWithoutEffect(spec, sources, fabric, *communicators))
    out.warnings.push_back(std::move(warning));
  return out;
}

}  // namespace weft
