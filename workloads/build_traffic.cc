#include <fmt/format.h>

#include <utility>

#include "workloads/build_internal.h"
#include "workloads/traffic/traffic.h"

namespace weft {
namespace {

constexpr std::size_t kFlowsBetweenLooks = 4096;  // at the clock
constexpr const char* kPath = "workload.traffic";

std::string At(const char* key) { return fmt::format("{}.{}", kPath, key); }

Errors CheckSpec(const TrafficSpec& spec, const SourceMap& sources) {
  Errors errors;
  const auto add = [&](const char* key, std::int64_t value) {
    errors.push_back({ErrorCode::kOutOfRange, sources.At(At(key)).pos,
                      fmt::format("'{}' is {}", key, value), "want 1 or more"});
  };
  if (spec.bytes() < 1) add("bytes", spec.bytes());
  if (spec.has_concurrency() && spec.concurrency() < 1) add("concurrency", spec.concurrency());
  return errors;
}

std::vector<Error> KeysWithoutEffect(const TrafficSpec& spec, const SourceMap& sources) {
  const bool draws =
      spec.pattern() == TrafficSpec::PERMUTATION || spec.pattern() == TrafficSpec::RANDOM;
  if (draws || !sources.Given(At("seed"))) return {};
  return {
      {ErrorCode::kInconsistent,
       sources.At(At("seed")).pos,
       fmt::format("'{}' has no effect: {} draws nothing", At("seed"), PatternName(spec.pattern())),
       {}}};
}

// Deals each host's flows to its streams in turn: `width` of them are in flight at a time.
class HostStreams {
 public:
  HostStreams(const Fabric& fabric, std::uint32_t width)
      : width_(width), count_(fabric.host_count()), streams_(fabric.host_count()) {}

  // The stream of the next flow that `host` sends; made when first used.
  std::uint32_t Next(HostId host, Program& program) {
    std::vector<std::uint32_t>& streams = streams_[Index(host)];
    const std::uint32_t slot = count_[Index(host)]++ % width_;
    if (slot == streams.size()) {
      streams.push_back(program.stream_count++);
      program.host_of_stream.push_back(host);
    }
    return streams[slot];
  }

 private:
  std::uint32_t width_;
  std::vector<std::uint32_t> count_;                 // [H] flows dealt
  std::vector<std::vector<std::uint32_t>> streams_;  // [H]
};

// A flow that stays in a host with an NVSwitch takes it; any other is `qps` QPs.
Send MakeSend(const Fabric& fabric, FlowPair flow, const BuildOptions& options) {
  const HostId host = fabric.vertex(flow.from).host;
  const bool nvlink =
      host == fabric.vertex(flow.to).host && fabric.host(host).nvswitch != kNoVertex;
  return {flow.from, flow.to, nvlink ? std::uint8_t{1} : options.qps,
          nvlink ? options.nvlink : options.network};
}

}  // namespace

Result<Workload> BuildTraffic(const TrafficSpec& spec, const SourceMap& sources,
                              const Fabric& fabric, const Placement& placement,
                              const BuildOptions& options) {
  Errors errors = CheckSpec(spec, sources);
  auto list = BuildFlows(spec, sources, fabric, placement);
  if (!list) errors.insert(errors.end(), list.error().begin(), list.error().end());
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));

  Workload out;
  Program& program = out.program;
  program.tunings.push_back({1, Bytes(), Bytes(), options.launch});
  WorkloadItem item;
  item.kind = WorkloadItem::Kind::kTraffic;
  item.op = PatternName(spec.pattern());
  item.bytes = Bytes(spec.bytes());
  item.ranks = item.fewest_ranks = static_cast<int>(list->senders);
  item.busbw_factors = {1};
  item.source_path = At("bytes");
  item.group_names = {""};
  std::vector<RowId>& rows = item.rows_by_group.emplace_back();

  HostStreams streams(fabric,
                      spec.has_concurrency() ? static_cast<std::uint32_t>(spec.concurrency()) : 1);
  Op op;
  op.kind = Op::Kind::kSend;
  op.amount = spec.bytes();
  program.sends.reserve(list->flows.size());
  program.ops.reserve(list->flows.size());
  rows.reserve(list->flows.size());
  for (const FlowPair& flow : list->flows) {
    out.stopped = options.stop && program.sends.size() % kFlowsBetweenLooks == 0 && options.stop();
    if (out.stopped) return out;
    op.subject = static_cast<std::uint32_t>(program.sends.size());
    if (spec.has_concurrency()) {
      op.first_stream = static_cast<std::uint32_t>(program.streams.size());
      op.stream_count = 1;
      program.streams.push_back(streams.Next(fabric.vertex(flow.from).host, program));
    }
    program.sends.push_back(MakeSend(fabric, flow, options));
    rows.push_back(RowId{static_cast<std::uint32_t>(program.ops.size())});
    program.ops.push_back(op);
  }
  out.items.push_back(std::move(item));
  out.warnings = KeysWithoutEffect(spec, sources);
  return out;
}

}  // namespace weft
