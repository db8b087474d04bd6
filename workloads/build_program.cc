#include "workloads/build_program.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "base/check.h"
#include "sim/physics.pb.h"
#include "workloads/build_internal.h"
#include "workloads/collectives/communicator.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

// Where a row stands in the item that reports it. An item's rows are consecutive, repeat by
// repeat and in each group by group; traffic has one group, and its flows are the repeats.
struct RowPlace {
  const WorkloadItem* item = nullptr;
  std::size_t group = 0, repeat = 0;
};

RowPlace PlaceOf(const Workload& workload, RowId row) {
  for (const WorkloadItem& item : workload.items) {
    const std::size_t first = Index(item.rows_by_group.front().front());
    const std::size_t groups = item.rows_by_group.size();
    const std::size_t rows = groups * item.rows_by_group.front().size();
    if (Index(row) < first || Index(row) >= first + rows) continue;
    return {&item, (Index(row) - first) % groups, (Index(row) - first) / groups};
  }
  WEFT_CHECK(false);
  return {};
}

// 67108864 -> "64 MiB", 2000000 -> "2 MB", 1000 -> "1000 B": the largest unit that is whole.
std::string SizeName(Bytes size) {
  struct Unit {
    std::int64_t bytes;
    const char* name;
  };
  constexpr Unit kUnits[] = {{1LL << 40, "TiB"}, {1LL << 30, "GiB"},        {1LL << 20, "MiB"},
                             {1LL << 10, "KiB"}, {1'000'000'000'000, "TB"}, {1'000'000'000, "GB"},
                             {1'000'000, "MB"}};
  for (const Unit& unit : kUnits)
    if (size.count() >= unit.bytes && size.count() % unit.bytes == 0)
      return fmt::format("{} {}", size.count() / unit.bytes, unit.name);
  return fmt::format("{} B", size.count());
}

std::string LowerCase(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

BuildOptions MakeBuildOptions(const RdmaSpec& rdma, const Physics& physics) {
  WEFT_CHECK(rdma.qps() >= 1 && rdma.qps() <= std::numeric_limits<std::uint8_t>::max());
  BuildOptions options;
  options.qps = static_cast<std::uint8_t>(rdma.qps());
  options.nvlink = {physics.step[static_cast<std::size_t>(LinkClass::kNvlink)],
                    physics.channel_cap};
  options.network = {physics.step[static_cast<std::size_t>(LinkClass::kNetwork)],
                     physics.channel_cap};
  options.launch = physics.launch;
  options.link_efficiency = physics.efficiency;
  return options;
}

Result<Workload> BuildProgram(const WorkloadSpec& spec, const SourceMap& sources,
                              const Fabric& fabric, const Placement& placement,
                              const BuildOptions& options) {
  if (spec.what_case() == WorkloadSpec::WHAT_NOT_SET)
    return Fail(ErrorCode::kInconsistent, sources.At("workload").pos, "the workload is empty",
                "collective: { op: all_reduce, bytes: 1GiB }");
  Errors errors = CheckPlacement(sources, fabric, placement);
  if (errors.empty()) {
    Result<Workload> built =
        spec.has_collective()
            ? BuildCollective(spec.collective(), sources, fabric, placement, options)
        : spec.has_training() ? BuildTraining(spec.training(), sources, fabric, placement, options)
                              : BuildTraffic(spec.traffic(), sources, fabric, placement, options);
    if (built) {
      if (!built->stopped) CheckProgram(built->program);
      return built;
    }
    errors = std::move(built).error();
  }
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

std::string RowName(const Workload& workload, RowId row) {
  if (workload.training) return TrainingRowName(*workload.training, row);
  const RowPlace place = PlaceOf(workload, row);
  if (place.item->kind == WorkloadItem::Kind::kTraffic)
    return fmt::format("{} flow {}", place.item->op, place.repeat);
  std::string name = fmt::format("{} {}", place.item->op, SizeName(place.item->bytes));
  const std::string& group = place.item->group_names[place.group];
  if (!group.empty()) name += ", " + group;
  if (place.item->rows_by_group.front().size() > 1)
    name += fmt::format(", repeat {}", place.repeat);
  return name;
}

std::string EdgeName(const Workload& workload, const Fabric& fabric, RowId row,
                     std::uint32_t edge) {
  if (workload.training) {
    const Op& row_op = workload.program.ops[Index(row)];
    WEFT_CHECK(row_op.kind == Op::Kind::kPattern);
    const Edge& hop = workload.program.patterns[row_op.subject].edges[edge];
    return fmt::format("{}: {} → {}", TrainingRowName(*workload.training, row),
                       fabric.Name(hop.from), fabric.Name(hop.to));
  }
  const RowPlace place = PlaceOf(workload, row);
  const Op& op = workload.program.ops[Index(row)];
  const auto hop = [&fabric](VertexId from, VertexId to) {
    return fmt::format("{} → {}", fabric.Name(from), fabric.Name(to));
  };
  if (op.kind == Op::Kind::kSend) {
    const Send& send = workload.program.sends[op.subject];
    return fmt::format("flow {}: {}", place.repeat, hop(send.from, send.to));
  }
  WEFT_CHECK(op.kind == Op::Kind::kPattern);
  const Pattern& pattern = workload.program.patterns[op.subject];
  WEFT_CHECK(edge < pattern.edges.size());
  std::string name = place.item->group_names[place.group];
  if (!name.empty()) name += ' ';
  name += LowerCase(place.item->algorithm);
  if (pattern.channels > 1) name += fmt::format(" channel {}", pattern.edges[edge].channel);
  return name + ": " + hop(pattern.edges[edge].from, pattern.edges[edge].to);
}

}  // namespace weft
