// What a flow puts on links, and how far it is.
#include <algorithm>

#include "sim/flow/flow_simulation.h"

namespace weft {

// Adds `scale` times the edge's share of each link: the QPs that cross it over its QPs.
void FlowSimulation::AddEdgeToScratch(std::uint32_t edge, double scale) {
  const PathTable::Edge& e = paths_.edges()[edge];
  scratch_hops_.clear();
  for (std::uint32_t q = e.first_qp; q < e.first_qp + e.qps; ++q)
    for (const LinkId link : routes_->hops(q))
      if (crossings_[Index(link)]++ == 0) scratch_hops_.push_back(Index(link));
  for (const std::uint32_t link : scratch_hops_) {
    if (coefficient_[link] == 0) scratch_links_.push_back(link);
    coefficient_[link] += scale * crossings_[link] / e.qps;
    crossings_[link] = 0;
  }
}

TermRange FlowSimulation::StoreScratch() {
  std::sort(scratch_links_.begin(), scratch_links_.end());
  scratch_terms_.clear();
  for (const std::uint32_t link : scratch_links_) {
    scratch_terms_.push_back({link, coefficient_[link]});
    coefficient_[link] = 0;
  }
  scratch_links_.clear();
  return system_->AddTerms(scratch_terms_);
}

TermRange FlowSimulation::EdgeTerms(std::uint32_t edge) {
  Terms& terms = edge_terms_[edge];
  if (!terms.known) {
    AddEdgeToScratch(edge, 1);
    terms = {StoreScratch(), true};
  }
  return terms.range;
}

double FlowSimulation::ReferenceBits(std::uint32_t row, PathTable::Range edges) const {
  double bits = 0;
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e)
    bits = std::max(bits, EdgeBits(row, e));
  return bits;
}

// A channel's variable is the rate of the edge with most bytes; the others run
// in proportion to theirs.
TermRange FlowSimulation::ChannelTerms(const Flow& flow) {
  Terms& terms = channel_terms_[paths_.edges()[flow.edges.first].channel_row];
  const bool uniform = schedule_.op(flow.row).first_amount == 0;
  if (uniform && terms.known) return terms.range;
  const double reference = ReferenceBits(flow.row, flow.edges);
  for (std::uint32_t e = flow.edges.first; e < flow.edges.first + flow.edges.count; ++e) {
    const double bits = EdgeBits(flow.row, e);
    if (bits > 0) AddEdgeToScratch(e, bits / reference);
  }
  const TermRange range = StoreScratch();
  if (uniform) terms = {range, true};
  return range;
}

TermRange FlowSimulation::TermsOf(const Flow& flow) {
  return flow.tight ? ChannelTerms(flow) : EdgeTerms(flow.edges.first);
}

double FlowSimulation::CapOf(const Flow& flow) const {
  if (!flow.tight) return paths_.edges()[flow.edges.first].cap_bps;
  const double reference = ReferenceBits(flow.row, flow.edges);
  double cap = 0;
  for (std::uint32_t e = flow.edges.first; e < flow.edges.first + flow.edges.count; ++e) {
    const double bits = EdgeBits(flow.row, e);
    if (paths_.edges()[e].cap_bps == 0 || bits == 0) continue;
    const double own = paths_.edges()[e].cap_bps * (reference / bits);
    cap = cap == 0 ? own : std::min(cap, own);
  }
  return cap;
}

// Brings what is left up to now.
void FlowSimulation::Settle(Flow& flow) const {
  if (flow.rate_bps > 0)
    flow.remaining_bits =
        std::max(0.0, flow.remaining_bits - flow.rate_bps * ToSeconds(now_ - flow.since));
  flow.since = now_;
}

// Books what was sent since `terms` began on their links.
void FlowSimulation::Credit(Flow& flow, std::vector<double>& link_bits) const {
  const double sent = flow.segment_bits - flow.remaining_bits;
  for (const Term& term : system_->terms(flow.terms))
    link_bits[term.link] += term.coefficient * sent;
  flow.segment_bits = flow.remaining_bits;
}

}  // namespace weft
