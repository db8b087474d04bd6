#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "workloads/build_internal.h"
#include "workloads/collectives/collective.h"

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
  return warnings;
}

// What every operation of one communicator shares.
struct Group {
  Op op;  // without its bytes
  std::size_t ranks = 0;
  std::uint16_t channels = 0;
};

// Appends the communicator's pattern, tuning and streams. A rank alone has nothing to send:
// its operation is the launch.
Group AddGroup(const Fabric& fabric, const Communicator& communicator,
               const CollectiveAlgorithm& algorithm, const CollectiveSpec& spec,
               std::uint16_t channels, const BuildOptions& options, Program& program) {
  Group group;
  group.ranks = communicator.job_rank.size();
  group.op.first_stream = static_cast<std::uint32_t>(program.streams.size());
  group.op.stream_count = static_cast<std::uint32_t>(group.ranks);
  program.streams.insert(program.streams.end(), communicator.job_rank.begin(),
                         communicator.job_rank.end());
  if (group.ranks < 2) {
    group.op.kind = Op::Kind::kDelay;
    group.op.amount = options.launch.count();
    return group;
  }
  group.channels = channels;
  group.op.kind = Op::Kind::kPattern;
  group.op.subject = static_cast<std::uint32_t>(program.patterns.size());
  group.op.tuning = static_cast<std::uint32_t>(program.tunings.size());
  program.patterns.push_back(algorithm.build(fabric, communicator, spec.op(), channels, options));
  program.tunings.push_back({channels, Bytes(), Bytes(), options.launch});
  return group;
}

// One item a size; rows repeat by repeat, all groups of a repeat beside each other.
void AddItems(const CollectiveSpec& spec, const CollectiveAlgorithm& algorithm,
              const std::vector<Communicator>& communicators, const std::vector<Group>& groups,
              Workload& workload) {
  WorkloadItem item;
  item.kind = WorkloadItem::Kind::kCollective;
  item.op = OpName(spec.op());
  item.algorithm = algorithm.name;
  item.fewest_ranks = static_cast<int>(groups.front().ranks);
  for (const Group& group : groups) {
    const auto ranks = static_cast<int>(group.ranks);
    item.ranks = std::max(item.ranks, ranks);
    item.fewest_ranks = std::min(item.fewest_ranks, ranks);
    item.channels = std::max<int>(item.channels, group.channels);
    item.busbw_factors.push_back(ranks < 2 ? 0 : BusbwFactor(spec.op(), group.ranks));
  }
  for (const Communicator& communicator : communicators)
    item.group_names.push_back(communicator.name);
  for (int i = 0; i < spec.bytes_size(); ++i) {
    item.bytes = Bytes(spec.bytes(i));
    item.source_path = fmt::format("{}.bytes[{}]", kPath, i);
    item.rows_by_group.assign(groups.size(), {});
    for (std::int64_t repeat = 0; repeat < spec.repeat(); ++repeat) {
      for (std::size_t g = 0; g < groups.size(); ++g) {
        Op op = groups[g].op;
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

Result<Workload> BuildCollective(const CollectiveSpec& spec, const SourceMap& sources,
                                 const Fabric& fabric, const Placement& placement,
                                 const BuildOptions& options) {
  Errors errors = CheckSpec(spec, sources);
  const auto keep = [&errors](const auto& result) {
    if (!result) errors.insert(errors.end(), result.error().begin(), result.error().end());
  };
  const auto algorithm = ChooseAlgorithm(spec, sources);
  keep(algorithm);
  const auto communicators = BuildCommunicators(spec, sources, fabric, placement);
  keep(communicators);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));

  std::uint64_t edges = 0;
  std::vector<std::uint16_t> channels;
  for (const Communicator& communicator : *communicators) {
    channels.push_back(spec.has_channels() ? static_cast<std::uint16_t>(spec.channels())
                                           : (*algorithm)->channels(communicator));
    edges += std::uint64_t{channels.back()} * communicator.job_rank.size();
  }
  if (edges > kEdgeLimit)
    return Fail(ErrorCode::kOutOfRange, sources.At(At("channels")).pos,
                fmt::format("the rings have {} edges together", edges),
                fmt::format("at most {}: fewer channels or ranks", kEdgeLimit));
  const double rows = static_cast<double>(spec.repeat()) * spec.bytes_size() *
                      static_cast<double>(communicators->size());
  if (rows > static_cast<double>(kRowLimit))
    return Fail(ErrorCode::kOutOfRange, sources.At(At("repeat")).pos,
                fmt::format("{:.0f} operations: sizes times repeats times communicators", rows),
                fmt::format("at most {}", kRowLimit));

  Workload out;
  std::vector<Group> groups;
  for (std::size_t g = 0; g < communicators->size(); ++g) {
    out.stopped = options.stop && options.stop();
    if (out.stopped) return out;
    groups.push_back(AddGroup(fabric, (*communicators)[g], **algorithm, spec, channels[g], options,
                              out.program));
  }
  out.program.stream_count = static_cast<std::uint32_t>(placement.gpu_of_rank.size());
  for (const GpuId gpu : placement.gpu_of_rank)
    out.program.host_of_stream.push_back(fabric.vertex(fabric.gpu(gpu)).host);
  AddItems(spec, **algorithm, *communicators, groups, out);
  out.warnings = KeysWithoutEffect(spec, sources, fabric, *communicators);
  return out;
}

}  // namespace weft
