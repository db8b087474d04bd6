// Exchanges within a pass that leave their hosts: tensor and context rings, dispatch and combine.
//
// All layers of a pass exchange at once: an operation carries the bytes of all and starts up as
// often as all of them. What may hide runs beside the last part of the pass, as much work of it as
// may hide them all, and no faster than to end with it: layer by layer it would be spread over the
// pass, too. What has no work of its own to hide behind comes behind. Alone, on links that nothing
// else crosses, a pass so takes what the closed form says:
//
//     [ compute before ][ compute beside     ]
//                       [ exchanges beside ]  [ serial tensor ][ context ][ expert ] join
//
// An exchange that outlasts the work it may hide behind is not cut in two where both parts would
// pay for the steps of a whole ring: it begins beside that work and ends behind it. Of several,
// each comes with its own work behind the one before, the first behind what is to end with the rest
// of it:
//
//     [ compute before ][ beside capped | beside context ]           [ beside expert ]
//                       [ capped        ][ context                  ][ expert               ] join
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/ring.h"
#include "workloads/training/builder_internal.h"

namespace weft {
namespace {

using RowKind = TrainingRow::Kind;

// In the order in which what is serial comes.
constexpr std::array<std::pair<RowKind, Exchange PassCost::*>, 3> kExchanges{
    {{RowKind::kTensor, &PassCost::tensor},
     {RowKind::kContext, &PassCost::context},
     {RowKind::kExpert, &PassCost::expert}}};

// Whether all of the work that may hide it is used up, and it is under way still.
bool Outlasts(const Exchange& exchange) {
  constexpr double kRounding = 1e-9;
  return exchange.cover_s > 0 &&
         exchange.alone_s - exchange.exposed_s >= exchange.cover_s * (1 - kRounding);
}

}  // namespace

TrainingBuilder::Parts TrainingBuilder::PartsOf(int s, const Task& task) const {
  Parts out;
  const auto add = [&](const PassCost& pass, bool forward) {
    bool any = false;
    for (const auto& [kind, of] : kExchanges) {
      const Exchange& exchange = pass.*of;
      if (!IsSimulated(training_, exchange)) continue;
      any = true;
      out.exposed_s += exchange.exposed_s;
      if (exchange.exposed_s >= exchange.alone_s) continue;
      out.cover_s += exchange.cover_s;
      if (Outlasts(exchange)) {
        out.whole_s += exchange.alone_s;
        out.cut_s += exchange.exposed_s + exchange.latency_s;
      } else {
        out.capped_s += exchange.cover_s;
      }
    }
    if (any) out.passes.emplace_back(&pass, forward);
  };
  if (task.has_forward()) add(CostOf(s, task.chunk).forward, true);
  if (task.has_backward()) {
    const int chunk = task.kind == Task::Kind::kTogether ? task.back_chunk : task.chunk;
    add(CostOf(s, chunk).backward, false);
  }
  return out;
}

// Measured times of passes do not say what of them may hide exchanges: all may.
double TrainingBuilder::BesideSeconds(int s, const Task& task, const Parts& parts,
                                      double factor) const {
  if (parts.passes.empty()) return 0;
  if (training_.stage_times) return Seconds(s, task, factor);
  double compute_s = 0;
  for (const auto& [pass, forward] : parts.passes) compute_s += pass->compute_s;
  return factor * std::min(compute_s, parts.cover_s);
}

// `first`: of the replicas' compute rows. Returns the first of the joins.
std::uint32_t TrainingBuilder::EmitExchanges(int s, const Task& task, const Parts& parts,
                                             std::uint32_t first, bool beside) {
  const auto stage = static_cast<std::uint16_t>(s), chunk = static_cast<std::uint16_t>(task.chunk);
  const auto all = static_cast<std::size_t>(replicas());
  Rows gate(all), after(all), done(all);
  for (std::uint32_t d = 0; d < all; ++d) gate[d] = {first + d};
  after = gate;
  const bool whole = beside && RunsWhole(s, task, parts);
  if (beside) EmitBeside(s, task, parts, whole, first, gate, after, done);
  for (std::size_t d = 0; d < all; ++d)
    after[d].insert(after[d].end(), done[d].begin(), done[d].end());
  for (const auto& [pass, forward] : parts.passes)
    for (const auto& [kind, of] : kExchanges) {
      const Exchange& exchange = pass->*of;
      // Without compute there is nothing to run beside.
      const double serial_s = beside ? exchange.exposed_s : exchange.alone_s;
      if (whole && exchange.exposed_s < exchange.alone_s && Outlasts(exchange)) continue;
      if (!IsSimulated(training_, exchange) || serial_s <= 0) continue;
      Rows behind(all);
      EmitExchange(kind, s, task.chunk, forward, exchange, serial_s / exchange.alone_s, 0, after,
                   behind);
      for (std::size_t d = 0; d < all; ++d)
        done[d].insert(done[d].end(), behind[d].begin(), behind[d].end());
      after = std::move(behind);
    }
  const std::uint32_t joins = next_row();
  for (int d = 0; d < replicas(); ++d) {
    Add(Op::Kind::kDelay, {Kind::kJoin, stage, chunk, static_cast<std::uint32_t>(d)}, 0,
        {ComputeStream(d, s)});
    for (const std::uint32_t row : done[static_cast<std::size_t>(d)]) Need(row);
  }
  return joins;
}

// Whether exchanges that outlast their work are better not cut: in two both parts pay for the steps
// of a whole ring; whole, each waits for the one before and all for what is to end with its work.
// Measured times of passes do not say what of them hides which.
bool TrainingBuilder::RunsWhole(int s, const Task& task, const Parts& parts) const {
  if (training_.stage_times || parts.whole_s == 0) return false;
  const double span_s = BesideSeconds(s, task, parts, 1);
  return std::min(span_s, parts.capped_s) + parts.whole_s <= (span_s + parts.cut_s) * (1 + 1e-9);
}

// What of a pass's compute may run beside exchanges, as rows `after`, and as `done` these: what is
// to end with it, and all of what outlasts it. Of several of these each has its own work beside it.
void TrainingBuilder::EmitBeside(int s, const Task& task, const Parts& parts, bool keep_whole,
                                 std::uint32_t first, Rows gate, Rows& after, Rows& done) {
  struct Hidden {
    Kind kind;
    bool forward;
    const Exchange* exchange;
  };
  std::vector<Hidden> capped, whole;
  double first_s = parts.cover_s;  // of the work beside what is capped and the first that is whole
  for (const auto& [pass, forward] : parts.passes)
    for (const auto& [kind, of] : kExchanges) {
      const Exchange& exchange = pass->*of;
      if (!IsSimulated(training_, exchange) || exchange.exposed_s >= exchange.alone_s) continue;
      const bool is_whole = keep_whole && Outlasts(exchange);
      if (is_whole && !whole.empty()) first_s -= exchange.cover_s;
      (is_whole ? whole : capped).push_back({kind, forward, &exchange});
    }
  const auto stage = static_cast<std::uint16_t>(s), chunk = static_cast<std::uint16_t>(task.chunk);
  const auto compute = [&](double cover_s, const Rows& needs) {
    const double part = parts.cover_s > 0 ? cover_s / parts.cover_s : 1;
    for (int d = 0; d < replicas(); ++d) {
      const double seconds = part * BesideSeconds(s, task, parts, factor_[ComputeStream(d, s)]);
      const std::uint32_t row = next_row();
      Add(Op::Kind::kCompute, {Kind::kBeside, stage, chunk, static_cast<std::uint32_t>(d)},
          FromSecondsUp(seconds).count(), {ComputeStream(d, s)})
          .subject = row - first - static_cast<std::uint32_t>(d);
      for (const std::uint32_t need : needs[static_cast<std::size_t>(d)]) Need(need);
      after[static_cast<std::size_t>(d)] = {row};
    }
  };
  const double span_s = BesideSeconds(s, task, parts, 1);
  const double capped_s = whole.empty() ? span_s : std::min(span_s, parts.capped_s);
  compute(first_s, Rows(gate.size()));
  for (const Hidden& one : capped)
    EmitExchange(one.kind, s, task.chunk, one.forward, *one.exchange,
                 1 - one.exchange->exposed_s / one.exchange->alone_s, capped_s, gate, done);
  if (!capped.empty()) gate = done;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (i > 0) compute(whole[i].exchange->cover_s, gate);
    Rows rows(gate.size());
    EmitExchange(whole[i].kind, s, task.chunk, whole[i].forward, *whole[i].exchange, 1, 0, gate,
                 rows);
    for (std::size_t d = 0; d < gate.size(); ++d)
      done[d].insert(done[d].end(), rows[d].begin(), rows[d].end());
    gate = std::move(rows);
  }
}

// A share of an exchange, one operation a group, behind the rows of `gate` of all its replicas; it
// is in no hurry to end before `span_s`.
void TrainingBuilder::EmitExchange(Kind kind, int s, int chunk, bool forward,
                                   const Exchange& exchange, double share, double span_s,
                                   const Rows& gate, Rows& done) {
  const double bytes = kind == Kind::kExpert ? exchange.network_bytes : exchange.bytes;
  const std::vector<Group>& groups =
      Groups(kind, s, bytes * share, span_s - exchange.latency_s * share);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    const auto [stream, added] =
        exchange_streams_.try_emplace({kind, s, forward, g}, program_->stream_count);
    if (added) ++program_->stream_count;
    const double launch_s = std::max(0.0, exchange.latency_s * share - group.latency_s);
    const std::uint32_t tuning =
        TuningOf(program_->patterns[group.pattern].channels, FromSecondsUp(launch_s));
    const std::uint32_t row = next_row();
    Op& op = Add(Op::Kind::kPattern,
                 {kind, static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(chunk),
                  static_cast<std::uint32_t>(group.first), kind == Kind::kExpert},
                 static_cast<std::int64_t>(bytes * share * group.amount), {stream->second});
    op.subject = group.pattern;
    op.tuning = tuning;
    std::set<std::uint32_t> needs;  // rows of several replicas: once
    for (int d = group.first; d < group.first + group.count; ++d) {
      for (const std::uint32_t need : gate[static_cast<std::size_t>(d)])
        if (needs.insert(need).second) Need(need);
      done[static_cast<std::size_t>(d)].push_back(row);
    }
  }
}

// Where `bytes` over the network are to take `span_s`, edges have a cap; else, and where that is no
// time, none.
const std::vector<TrainingBuilder::Group>& TrainingBuilder::Groups(Kind kind, int s, double bytes,
                                                                   double span_s) {
  const double rate = span_s > 0 ? bytes / span_s : 0;  // of a rank
  const auto [at, added] = groups_.try_emplace({kind, s, std::llround(rate)});
  std::vector<Group>& out = at->second;
  if (!added) return out;
  const auto capped = [&](Group group) {
    Pattern& pattern = program_->patterns[group.pattern];
    EdgeClass& network = pattern.classes[1];
    double most = 0;
    for (const Edge& edge : pattern.edges)
      if (edge.edge_class == 1) most = std::max(most, 1.0 * edge.wire_num / edge.wire_den);
    const BitRate cap = BitRate::BitsPerSecond(8 * rate * group.amount * most);
    if (rate > 0 && (network.cap == BitRate() || cap < network.cap)) network.cap = cap;
    out.push_back(group);
  };
  const Parallel& p = parallel();
  const NetRates& net = out_->net;
  if (kind == Kind::kExpert) {
    // Whole replicas: of several with few context ranks each, of one with more than its experts.
    const int replicas_each = std::lcm(p.expert, p.context) / p.context;
    for (int d = 0; d < p.data; d += replicas_each)
      capped({d, replicas_each, AddDispatch(s, d, replicas_each), net.network_step_s, 1});
    return out;
  }
  const bool tensor = kind == Kind::kTensor;
  const int ranks = tensor ? p.tensor : p.context, others = tensor ? p.context : p.tensor;
  for (int d = 0; d < p.data; ++d)
    for (int i = 0; i < others; ++i) {
      const Communicator ring = tensor ? ranks_.Tensor(i, d, s) : ranks_.Context(i, d, s);
      const int near = std::max(1, ranks / static_cast<int>(ring.hosts.size()));
      capped({d, 1, AddRing(ring), (ranks - 1) * RatesOfRing(near, net).step_s,
              ranks / (ranks - 1.0)});
    }
  return out;
}

// A gather and a scatter put the same on every link.
std::uint32_t TrainingBuilder::AddRing(const Communicator& ring) {
  program_->patterns.push_back(
      BuildRing(*fabric_, ring, CollectiveSpec::ALL_GATHER, RingChannels(ring), *options_));
  return static_cast<std::uint32_t>(program_->patterns.size() - 1);
}

// Dispatch and combine of the ranks of experts of some replicas on stage s, of all tensor ranks. A
// token goes to its like on another host, and from there over NVLink [DSV3 §3.2.2]: as many bytes
// to each other host, by the ranks that stand there. Of NVLink a rank's own link and its
// neighbour's are what counts: all goes to the next rank of its host.
std::uint32_t TrainingBuilder::AddDispatch(int s, int first, int replicas_each) {
  const Parallel& p = parallel();
  const DispatchRatio ratio = RatioOfDispatch(training_, out_->net);
  Pattern pattern;
  pattern.classes = {options_->nvlink, options_->network};
  pattern.advance = Pattern::Advance::kIndependent;
  const auto add = [&](VertexId from, VertexId to, std::uint64_t num, std::uint64_t den) {
    Edge edge;
    ConnectEdge(*fabric_, from, to, options_->qps, edge);
    const std::uint64_t common = std::gcd(num, den);
    edge.wire_num = static_cast<std::uint32_t>(num / common);
    edge.wire_den = static_cast<std::uint32_t>(den / common);
    edge.first_slice = static_cast<std::uint32_t>(pattern.edges.size());
    pattern.slice_owner.push_back(static_cast<std::uint32_t>(pattern.ranks.size()));
    pattern.ranks.push_back(from);
    pattern.ranks.push_back(to);
    pattern.edges.push_back(edge);
  };
  const int begin = first * p.context, end = begin + replicas_each * p.context;
  for (int t = 0; t < p.tensor; ++t)
    for (int i = begin; i < end; i += p.expert) {
      const Communicator group = ranks_.Replicas(t, s, i, 1, p.expert);
      const auto n = static_cast<std::uint32_t>(group.members.size());
      for (const Communicator::HostPart& host : group.hosts)
        for (std::uint32_t m = 0; m < host.count; ++m) {
          const VertexId from = group.members[host.first + m].gpu;
          for (const Communicator::HostPart& other : group.hosts)
            if (other.host != host.host)
              add(from, group.members[other.first + m % other.count].gpu, other.count,
                  n - host.count);
          if (host.count > 1 && out_->net.nvlink_bytes_per_s > 0 && ratio.num > 0)
            add(from, group.members[host.first + (m + 1) % host.count].gpu, ratio.num, ratio.den);
        }
    }
  pattern.slices = static_cast<std::uint32_t>(pattern.edges.size());
  program_->patterns.push_back(std::move(pattern));
  return static_cast<std::uint32_t>(program_->patterns.size() - 1);
}

}  // namespace weft
