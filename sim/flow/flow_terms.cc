// What a flow puts on links, and how far it is.
#include <algorithm>

#include "sim/flow/flow_simulation.h"
#include "sim/startup.h"

namespace weft {

// A link that ends in a NIC is never full before the ports that everything on it
// leaves by, where these carry no more than it does together; the same backwards.
// Such links, a host's PCIe as a rule, are counted but not solved. Where an event
// slows links down, none is taken to be so.
void FlowSimulation::FindSilentLinks() {
  const Fabric& fabric = *input_.fabric;
  silent_.assign(fabric.link_count(), 0);
  if (!input_.options.silent_links) return;
  for (const Event& event : input_.events)
    if (event.state.up && event.state.rate_share < 1) return;
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
    if (fabric.vertex(VertexId{v}).kind != VertexKind::kNic) continue;
    const std::span<const Link> out = fabric.links_from(VertexId{v});
    const std::uint32_t first = Index(fabric.first_link_from(VertexId{v}));
    double out_bps = 0, in_bps = 0;
    for (std::uint32_t i = 0; i < out.size(); ++i) {
      out_bps += system_->capacity_bps(first + i);
      in_bps += system_->capacity_bps(Index(out[i].reverse));
    }
    for (std::uint32_t i = 0; i < out.size(); ++i) {
      if (out[i].link_class != LinkClass::kPcie) continue;
      const std::uint32_t to = first + i, from = Index(out[i].reverse);
      const double to_bps = system_->capacity_bps(to), from_bps = system_->capacity_bps(from);
      silent_[from] = from_bps >= out_bps - to_bps ? 1 : 0;
      silent_[to] = to_bps >= in_bps - from_bps ? 1 : 0;
    }
  }
}

// Whether what any flow of these programs will put on links is known, and none has begun:
// nothing moves, and no channel has amounts of its own.
bool FlowSimulation::TermsAreKnown() const {
  if (!input_.options.silent_links || !input_.events.empty() || instants_ > 0) return false;
  for (std::uint32_t row = 0; row < schedule_.row_count(); ++row)
    if (schedule_.op(row).first_amount != 0 && Tight(row)) return false;
  return true;
}

// By subject what the rows that run it have in common so that they never run together: a stream in
// which all stand, or that they are one row. 0: none runs it; kNoTurn: they may run together.
std::vector<std::uint64_t> FlowSimulation::TurnOfSubjects() const {
  std::vector<std::uint64_t> turns(paths_.subjects().size(), 0);
  for (std::uint32_t row = 0; row < schedule_.row_count(); ++row) {
    const Op& op = schedule_.op(row);
    if (op.kind != Op::Kind::kPattern && op.kind != Op::Kind::kSend) continue;
    std::uint64_t own = (std::uint64_t{1} << 32) + row;
    if (op.stream_count > 0)
      own = std::uint64_t{1} + schedule_.program(row).streams[op.first_stream];
    std::uint64_t& turn = turns[paths_.subject_row(schedule_.program_index(row), op)];
    turn = turn == 0 || turn == own ? own : kNoTurn;
  }
  return turns;
}

// [L] 1 where no more than one flow crosses the link at a time: all that do take turns, and of one
// operation it is one edge, or the rounds of one sender, which come one after the other.
std::vector<std::uint8_t> FlowSimulation::LoneLinks() {
  struct User {
    std::uint64_t turn = 0;
    std::uint32_t subject = 0, part = 0;  // the last: an edge or a sender
  };
  std::vector<User> users(input_.fabric->link_count());
  const std::vector<std::uint64_t> turns = TurnOfSubjects();
  for (std::uint32_t s = 0; s < turns.size(); ++s) {
    if (turns[s] == 0) continue;
    const PathTable::Subject& subject = paths_.subjects()[s];
    const Pattern* const pattern = subject.pattern;
    const bool by_sender = pattern != nullptr && pattern->advance == Pattern::Advance::kRounds &&
                           pattern->window == 1 &&
                           RoundsOf(s).sender_of_round.size() == subject.edge_count;
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e) {
      const User own{turns[s], s, by_sender ? Index(paths_.edges()[e].from) : e};
      paths_.ForEachHop(e, [&](LinkId link, double) {
        User& user = users[Index(link)];
        const bool together = user.subject == s && user.part != own.part;
        const bool in_turn = user.turn == 0 || (user.turn == own.turn && !together);
        user = in_turn ? own : User{kNoTurn, s, own.part};
      });
    }
  }
  std::vector<std::uint8_t> lone(users.size(), 0);
  for (std::size_t l = 0; l < lone.size(); ++l)
    lone[l] = users[l].turn != 0 && users[l].turn != kNoTurn ? 1 : 0;
  return lone;
}

// Adds `scale` times the edge's share of each link: what of its QPs crosses it over its QPs.
void FlowSimulation::AddEdgeToScratch(std::uint32_t edge, double scale) {
  const PathTable::Edge& e = paths_.edges()[edge];
  scratch_hops_.clear();
  for (std::uint32_t q = e.first_qp; q < e.first_qp + e.qps; ++q) {
    const auto hops = routes_->hops(q);
    const auto shares = routes_->shares(q);
    for (std::size_t h = 0; h < hops.size(); ++h) {
      double& crossing = crossings_[Index(hops[h])];
      if (crossing == 0) scratch_hops_.push_back(Index(hops[h]));
      crossing += shares.empty() ? 1 : shares[h];
    }
  }
  for (const std::uint32_t link : scratch_hops_) {
    if (coefficient_[link] == 0) scratch_links_.push_back(link);
    coefficient_[link] += scale * crossings_[link] / e.qps;
    crossings_[link] = 0;
  }
}

TermsId FlowSimulation::StoreScratch() {
  scratch_terms_.clear();
  scratch_silent_.clear();
  for (const std::uint32_t link : scratch_links_) {
    (silent_[link] != 0 ? scratch_silent_ : scratch_terms_).push_back({link, coefficient_[link]});
    coefficient_[link] = 0;
  }
  scratch_links_.clear();
  return StoreTerms();
}

TermsId FlowSimulation::StoreTerms() {
  const TermsId id = system_->AddTerms(scratch_terms_, scratch_silent_);
  sent_bits_.resize(system_->terms_count(), 0.0);
  return id;
}

TermsId FlowSimulation::EdgeTerms(std::uint32_t edge) {
  TermsId& terms = edge_terms_[edge];
  if (terms != kNoTerms) return terms;
  const PathTable::Edge& e = paths_.edges()[edge];
  if (e.qps > 1) {
    AddEdgeToScratch(edge, 1);
    return terms = StoreScratch();
  }
  scratch_terms_.clear();  // a QP's hops are each a link of their own
  scratch_silent_.clear();
  const auto hops = routes_->hops(e.first_qp);
  const auto shares = routes_->shares(e.first_qp);
  for (std::size_t h = 0; h < hops.size(); ++h)
    (silent_[Index(hops[h])] != 0 ? scratch_silent_ : scratch_terms_)
        .push_back({Index(hops[h]), shares.empty() ? 1 : shares[h]});
  return terms = StoreTerms();
}

double FlowSimulation::ReferenceBits(std::uint32_t row, PathTable::Range edges) const {
  const Program& program = schedule_.program(row);
  const Op& op = schedule_.op(row);
  const PathTable::Subject& subject = SubjectOf(row);
  double bits = 0;
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e)
    bits = std::max(bits, EdgeWireBytes(program, op, subject, e) * 8);
  return bits;
}

// A channel's variable is the rate of the edge with most bytes; the others run
// in proportion to theirs.
TermsId FlowSimulation::ChannelTerms(std::uint32_t row, PathTable::Range edges) {
  TermsId& known = channel_terms_[paths_.edges()[edges.first].channel_row];
  const bool uniform = schedule_.op(row).first_amount == 0;
  if (uniform && known != kNoTerms) return known;
  const double reference = ReferenceBits(row, edges);
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) {
    const double bits = EdgeBits(row, e);
    if (bits > 0) AddEdgeToScratch(e, bits / reference);
  }
  const TermsId terms = StoreScratch();
  if (uniform) known = terms;
  return terms;
}

TermsId FlowSimulation::TermsOf(const Flow& flow) {
  return flow.tight ? ChannelTerms(flow.row, flow.edges) : EdgeTerms(flow.edges.first);
}

double FlowSimulation::CapOf(const Flow& flow) const {
  if (!flow.tight) return paths_.edges()[flow.edges.first].cap_bps;
  if (!paths_.any_cap()) return 0;
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

// What a flow has left now.
double FlowSimulation::LeftBits(std::uint32_t id) const {
  return clocks_->placed(id) ? clocks_->Left(id, now_) * system_->weight(id) : flows_[id].left_bits;
}

// Books what was sent since it was last credited.
void FlowSimulation::Credit(Flow& flow, double left_bits) {
  if (flow.terms != kNoTerms) sent_bits_[Index(flow.terms)] += flow.left_bits - left_bits;
  flow.left_bits = left_bits;
}

// What is in flight stays in flight.
void FlowSimulation::CreditLive() {
  for (std::uint32_t id = 0; id < flows_.size(); ++id) {
    if (flows_[id].live) Credit(flows_[id], LeftBits(id));
  }
}

void FlowSimulation::EdgeRates(std::vector<double>& bps) const {
  bps.assign(paths_.edges().size(), 0.0);
  for (std::uint32_t id = 0; id < flows_.size(); ++id) {
    const Flow& flow = flows_[id];
    if (!flow.live || flow.stalled) continue;
    const double reference = flow.tight ? ReferenceBits(flow.row, flow.edges) : 0;
    for (std::uint32_t e = flow.edges.first; e < flow.edges.first + flow.edges.count; ++e)
      bps[e] += system_->rate_bps(id) * (flow.tight ? EdgeBits(flow.row, e) / reference : 1);
  }
}

std::vector<double> FlowSimulation::EdgeBitsSent() {
  CreditLive();
  std::vector<double> bits(paths_.edges().size(), 0.0);
  for (std::uint32_t e = 0; e < bits.size(); ++e)
    if (edge_terms_[e] != kNoTerms) bits[e] = sent_bits_[Index(edge_terms_[e])];
  for (const PathTable::Subject& subject : paths_.subjects()) {
    if (subject.pattern == nullptr || subject.first_row == kNoRow) continue;
    for (std::uint16_t c = 0; c < subject.channels; ++c) {
      const TermsId terms = channel_terms_[subject.first_channel + c];
      const PathTable::Range edges = paths_.channel_edges(subject, c);
      if (terms == kNoTerms || edges.count == 0) continue;
      const std::uint32_t row = Index(subject.first_row);
      const double reference = ReferenceBits(row, edges);
      for (std::uint32_t e = edges.first; e < edges.first + edges.count && reference > 0; ++e)
        bits[e] += sent_bits_[Index(terms)] * (EdgeBits(row, e) / reference);
    }
  }
  return bits;
}

}  // namespace weft
