#include "sim/simgrid/ways.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sim/startup.h"

namespace weft {
namespace {

constexpr std::uint32_t kUnknown = 0xffffffff;

// How often an edge's paths stand in a tight channel's way.
double Times(double bytes, double largest_bytes, double qps, double most_qps) {
  return bytes / largest_bytes * (most_qps / qps);
}

bool Whole(double times) { return std::abs(times - std::round(times)) <= 1e-12 * times; }

}  // namespace

Ways::Ways(const Schedule& schedule, const PathTable& paths, const std::vector<std::uint8_t>& tight,
           const Routes* routes)
    : schedule_(&schedule),
      paths_(&paths),
      routes_(routes),
      of_edge_(paths.edges().size(), kUnknown),
      of_channel_(paths.channel_row_count(), kUnknown),
      unit_(paths.policy().splits() ? paths.policy().spray_paths : 1) {
  WEFT_CHECK(paths.policy().policy != PathPolicy::kAdaptive);
  WEFT_CHECK(routes == nullptr || !paths.policy().splits());
  for (std::uint32_t row = 0; row < schedule.row_count(); ++row) {
    const Op& op = schedule.op(row);
    if (op.kind != Op::Kind::kPattern && op.kind != Op::Kind::kSend) continue;
    const PathTable::Subject& subject = paths.subject(schedule.program_index(row), op);
    if (tight[row] == 0) {
      for (std::uint32_t e = 0; e < subject.edge_count; ++e) AddLoose(subject.first_edge + e);
      continue;
    }
    for (std::uint16_t c = 0; c < subject.channels; ++c) {
      const PathTable::Range edges = paths.channel_edges(subject, c);
      if (edges.count == 0) continue;
      std::uint32_t& known = op.first_amount == 0
                                 ? of_channel_[paths.edges()[edges.first].channel_row]
                                 : of_amounts_.try_emplace({row, c}, kUnknown).first->second;
      AddTight(row, edges, known);
    }
  }
  routes_ = nullptr;
}

double Ways::EdgeBytes(std::uint32_t row, std::uint32_t edge) const {
  const Op& op = schedule_->op(row);
  return EdgeWireBytes(schedule_->program(row), op,
                       paths_->subject(schedule_->program_index(row), op), edge);
}

double Ways::LargestBytes(std::uint32_t row, PathTable::Range edges) const {
  double largest = 0;
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e)
    largest = std::max(largest, EdgeBytes(row, e));
  return largest;
}

// The QP's links, each as often as paths of it cross it, `times` over.
void Ways::AddQp(std::uint32_t row, long times, Way& way) {
  const PathTable::Qp& qp = paths_->qps()[row];
  const bool up = routes_ == nullptr ? qp.bound : routes_->up(row);
  const auto hops = routes_ == nullptr || !up ? paths_->hops(qp) : routes_->hops(row);
  const auto shares = paths_->shares(qp);
  for (std::size_t h = 0; h < hops.size(); ++h) {
    const double crossings = unit_ * (shares.empty() ? 1 : shares[h]);
    WEFT_CHECK(Whole(crossings));
    links_.insert(links_.end(), static_cast<std::size_t>(times * std::lround(crossings)), hops[h]);
  }
  way.bound = way.bound && up;
}

void Ways::AddLoose(std::uint32_t edge) {
  if (of_edge_[edge] != kUnknown) return;
  of_edge_[edge] = static_cast<std::uint32_t>(ways_.size());
  const PathTable::Edge& e = paths_->edges()[edge];
  Way way;
  way.first_link = static_cast<std::uint32_t>(links_.size());
  way.parts = e.qps * unit_;
  way.cap_bps = e.cap_bps / way.parts;
  for (std::uint32_t q = e.first_qp; q < e.first_qp + e.qps; ++q) AddQp(q, 1, way);
  way.link_count = static_cast<std::uint32_t>(links_.size()) - way.first_link;
  ways_.push_back(way);
}

void Ways::AddTight(std::uint32_t row, PathTable::Range edges, std::uint32_t& known) {
  const double largest = LargestBytes(row, edges);
  if (known != kUnknown || largest == 0) return;
  known = static_cast<std::uint32_t>(ways_.size());
  Way way;
  way.first_link = static_cast<std::uint32_t>(links_.size());
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e)
    way.parts = std::max(way.parts, unit_ * paths_->edges()[e].qps);
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) {
    const PathTable::Edge& edge = paths_->edges()[e];
    const double bytes = EdgeBytes(row, e);
    if (bytes > 0 && edge.cap_bps > 0) {
      const double cap = edge.cap_bps * (largest / bytes) / way.parts;
      way.cap_bps = way.cap_bps == 0 ? cap : std::min(way.cap_bps, cap);
    }
    const double times = Times(bytes, largest, edge.qps, way.parts / unit_);
    WEFT_CHECK(Whole(times));
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q)
      AddQp(q, std::lround(times), way);
  }
  way.link_count = static_cast<std::uint32_t>(links_.size()) - way.first_link;
  ways_.push_back(way);
}

std::uint32_t Ways::RowOf(const Operations::Transfer& transfer) const {
  if (!transfer.tight) return of_edge_[transfer.edges.first];
  if (schedule_->op(transfer.row).first_amount != 0)
    return of_amounts_.at({transfer.row, transfer.channel});
  return of_channel_[paths_->edges()[transfer.edges.first].channel_row];
}

double Ways::Bytes(const Operations::Transfer& transfer) const {
  return LargestBytes(transfer.row, transfer.edges) / ways_[RowOf(transfer)].parts;
}

bool NeedsFractions(const Program& program, const Op& op) {
  if (op.kind != Op::Kind::kPattern) return false;
  const Pattern& pattern = program.patterns[op.subject];
  if (pattern.advance != Pattern::Advance::kPipelined) return false;
  std::vector<double> largest(pattern.channels, 0), most_qps(pattern.channels, 1);
  const auto bytes_of = [&](std::size_t e) {
    if (op.first_amount != 0)
      return static_cast<double>(program.amounts[op.first_amount + e].count());
    return WireBytes(pattern.edges[e], op.bytes());
  };
  for (std::size_t e = 0; e < pattern.edges.size(); ++e) {
    const Edge& edge = pattern.edges[e];
    largest[edge.channel] = std::max(largest[edge.channel], bytes_of(e));
    most_qps[edge.channel] = std::max(most_qps[edge.channel], static_cast<double>(edge.qps));
  }
  for (std::size_t e = 0; e < pattern.edges.size(); ++e) {
    const Edge& edge = pattern.edges[e];
    const double bytes = bytes_of(e);
    if (bytes > 0 && !Whole(Times(bytes, largest[edge.channel], edge.qps, most_qps[edge.channel])))
      return true;
  }
  return false;
}

}  // namespace weft
