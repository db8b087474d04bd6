#include "tests/sim/tandem_ring.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/check.h"
#include "base/random.h"
#include "sim/flow/flow_simulation.h"
#include "tests/sim/nets.h"

namespace weft {
namespace {

double Picoseconds(SimTime time) { return static_cast<double>(time.time_since_epoch().count()); }

// One link's rate over time, asked in the order of time.
class BurstyLink {
 public:
  void Add(const Burst& burst) {
    const double from_ps = Picoseconds(burst.from), until_ps = Picoseconds(burst.until);
    WEFT_CHECK(burst.left > 0 && burst.left <= 1 && from_ps <= until_ps);
    WEFT_CHECK(pieces_.empty() || pieces_.back().until_ps <= from_ps);
    pieces_.push_back({from_ps, until_ps, burst.left});
  }

  // When `work_ps`, what takes so long at full rate, is through if it sets out at `start_ps`.
  // Requires: not before the last answer.
  double EndOf(double start_ps, double work_ps) {
    double now_ps = start_ps;
    for (; next_ < pieces_.size(); ++next_) {
      const Piece& piece = pieces_[next_];
      if (piece.until_ps <= now_ps) continue;
      const double free_ps = std::max(0.0, piece.from_ps - now_ps);
      if (work_ps <= free_ps) break;
      work_ps -= free_ps;
      now_ps += free_ps;
      const double carried_ps = (piece.until_ps - now_ps) * piece.left;
      if (work_ps <= carried_ps) return now_ps + work_ps / piece.left;
      work_ps -= carried_ps;
      now_ps = piece.until_ps;
    }
    return now_ps + work_ps;
  }

 private:
  struct Piece {
    double from_ps = 0, until_ps = 0, left = 1;
  };
  std::vector<Piece> pieces_;
  std::size_t next_ = 0;
};

}  // namespace

SimDuration RunTandemRing(const TandemRing& ring, const std::vector<Burst>& bursts) {
  WEFT_CHECK(ring.ranks >= 2 && ring.lag >= 1 && ring.slack >= 1);
  std::vector<BurstyLink> links(ring.ranks);
  for (const Burst& burst : bursts) links[burst.edge].Add(burst);
  const auto work_ps = static_cast<double>(ring.chunk_time().count());
  const std::uint32_t n = ring.ranks;
  std::vector<double> end_ps(std::size_t{ring.chunks()} * n);
  const auto end_of = [&](std::uint32_t k, std::uint32_t back, std::uint32_t edge) {
    return k < back ? 0 : end_ps[std::size_t{k - back} * n + edge];
  };
  for (std::uint32_t k = 0; k < ring.chunks(); ++k)
    for (std::uint32_t i = 0; i < n; ++i) {
      const double start_ps = std::max({end_of(k, 1, i), end_of(k, ring.lag, (i + n - 1) % n),
                                        end_of(k, ring.slack, (i + 1) % n)});
      end_ps[std::size_t{k} * n + i] = links[i].EndOf(start_ps, work_ps);
    }
  const double last_ps = *std::max_element(end_ps.end() - n, end_ps.end());
  return SimDuration(static_cast<std::int64_t>(std::ceil(last_ps)));
}

namespace {

// The ring as a Program: edge i goes from NIC i by a switch to NIC i + 1, beside nobody.
struct FlowRing {
  Net net;
  Builder builder;

  explicit FlowRing(const TandemRing& ring)
      : net(Star(static_cast<int>(ring.ranks), ring.rate, SimDuration{})) {
    Pattern pattern = Ring(net.nic);
    for (Edge& edge : pattern.edges) edge.wire_num = edge.wire_den = 1;
    builder.AddPattern(std::move(pattern));
    builder.AddRun(0, ring.chunk.count() * ring.chunks());
  }

  SimDuration Run(Coupling coupling, std::vector<Event> events) const {
    SimulationInput input = net.Input();
    input.physics.coupling = coupling;
    input.events = std::move(events);
    FlowSimulation simulation(input);
    const std::vector<RowId> ring{simulation.Append(builder.program)};
    simulation.Watch(ring);
    WEFT_CHECK(simulation.Run(kForever, kNoBudget) == Simulation::Stop::kWatched);
    return simulation.completions().back().end - SimTime{};
  }
};

}  // namespace

SimDuration RunFlowRing(const TandemRing& ring, const std::vector<Burst>& bursts,
                        Coupling coupling) {
  const FlowRing flow(ring);
  std::vector<Event> events;
  for (const Burst& burst : bursts) {
    const ElementId cable = flow.net.Cable(flow.net.nic[burst.edge], flow.net.leaf[0]);
    events.push_back({burst.from, cable, {true, burst.left, Direction::kForward}});
    events.push_back({burst.until, cable, {true, 1, Direction::kForward}});
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.at < b.at; });
  return flow.Run(coupling, std::move(events));
}

SimDuration RunFlowRingBeside(const TandemRing& ring, const std::vector<Rival>& rivals,
                              Coupling coupling) {
  FlowRing flow(ring);
  for (const Rival& rival : rivals) {
    const std::uint32_t wait = flow.builder.AddCompute(rival.at - SimTime{}, {});
    flow.builder.AddSend(flow.net.nic[rival.edge], flow.net.nic[(rival.edge + 1) % ring.ranks],
                         rival.size.count(), {}, {{wait, 0}});
  }
  return flow.Run(coupling, {});
}

namespace {

// The ring and its rivals at one moment.
class SharedRing {
 public:
  SharedRing(const TandemRing& ring, const std::vector<Rival>& rivals)
      : ring_(ring), rivals_(rivals), edges_(ring.ranks) {
    chunk_ps_ = static_cast<double>(ring.chunk_time().count());
  }

  double Run() {
    while (SetOut()) Advance();
    return now_ps_;
  }

 private:
  struct Edge {
    std::uint32_t there = 0;  // chunks that have arrived
    bool sending = false;
    double left_ps = 0;               // of the chunk under way, at full rate
    std::vector<double> rivals_left;  // the same
  };

  bool Arrived(std::uint32_t edge, std::uint32_t chunk, std::uint32_t back) const {
    return chunk < back || edges_[edge].there > chunk - back;
  }

  // Starts every chunk that may set out; false where all have arrived.
  bool SetOut() {
    bool open = false;
    for (std::uint32_t i = 0; i < ring_.ranks; ++i) {
      Edge& edge = edges_[i];
      if (edge.there == ring_.chunks()) continue;
      open = true;
      if (edge.sending) continue;
      edge.sending = Arrived((i + ring_.ranks - 1) % ring_.ranks, edge.there, ring_.lag) &&
                     Arrived((i + 1) % ring_.ranks, edge.there, ring_.slack);
      edge.left_ps = chunk_ps_;
    }
    return open;
  }

  // To the next end of a chunk or rival, or the next rival.
  void Advance() {
    const bool waits = next_ < rivals_.size();
    double step_ps = waits ? Picoseconds(rivals_[next_].at) - now_ps_ : HUGE_VAL;
    for (const Edge& edge : edges_) {
      const auto users = static_cast<double>(edge.rivals_left.size() + (edge.sending ? 1 : 0));
      if (edge.sending) step_ps = std::min(step_ps, edge.left_ps * users);
      for (const double left_ps : edge.rivals_left) step_ps = std::min(step_ps, left_ps * users);
    }
    now_ps_ += step_ps;
    for (Edge& edge : edges_) {
      const auto users = static_cast<double>(edge.rivals_left.size() + (edge.sending ? 1 : 0));
      for (double& left_ps : edge.rivals_left) left_ps -= step_ps / users;
      std::erase_if(edge.rivals_left, [](double left_ps) { return left_ps <= kNothingPs; });
      if (!edge.sending) continue;
      edge.left_ps -= step_ps / users;
      if (edge.left_ps > kNothingPs) continue;
      edge.sending = false;
      ++edge.there;
    }
    while (next_ < rivals_.size() && Picoseconds(rivals_[next_].at) <= now_ps_) {
      const Rival& rival = rivals_[next_++];
      edges_[rival.edge].rivals_left.push_back(
          static_cast<double>(TransferTime(rival.size, ring_.rate).count()));
    }
  }

  static constexpr double kNothingPs = 1e-3;
  const TandemRing& ring_;
  const std::vector<Rival>& rivals_;
  std::vector<Edge> edges_;
  double chunk_ps_ = 0, now_ps_ = 0;
  std::size_t next_ = 0;
};

}  // namespace

SimDuration RunTandemRingBeside(const TandemRing& ring, const std::vector<Rival>& rivals) {
  return SimDuration(static_cast<std::int64_t>(std::ceil(SharedRing(ring, rivals).Run() - 0.5)));
}

// A link alternates between free and struck; gaps are exponential, bursts of half to one and a
// half times their mean, and the first is met at a random place.
std::vector<Burst> DrawBursts(const TandemRing& ring, const BurstSpec& spec, std::uint64_t seed) {
  WEFT_CHECK(spec.struck <= ring.ranks && spec.duty > 0 && spec.duty < 1);
  std::vector<std::uint32_t> edges(ring.ranks);
  Random choice(StreamSeed(seed, {0}));
  for (std::uint32_t i = 0; i < ring.ranks; ++i) edges[i] = i;
  for (std::uint32_t i = ring.ranks; i > 1; --i) std::swap(edges[i - 1], edges[choice.Below(i)]);
  edges.resize(spec.struck);
  std::sort(edges.begin(), edges.end());

  const auto chunk_ps = static_cast<double>(ring.chunk_time().count());
  const double mean_gap = spec.length * (1 - spec.duty) / spec.duty;
  // Tight takes longest: every chunk at the slowest that a burst leaves.
  const double horizon = ring.chunks() / spec.left;
  const auto at = [&](double chunks) {
    return SimTime(SimDuration(static_cast<std::int64_t>(chunks * chunk_ps)));
  };
  std::vector<Burst> bursts;
  for (const std::uint32_t edge : edges) {
    Random random(StreamSeed(seed, {1, edge}));
    double now = -10 * (spec.length + mean_gap) * random.Unit();
    while (now < horizon) {
      now -= mean_gap * std::log(1 - random.Unit());
      const double until = now + spec.length * (0.5 + random.Unit());
      if (until > 0) bursts.push_back({edge, at(std::max(now, 0.0)), at(until), spec.left});
      now = until;
    }
  }
  return bursts;
}

}  // namespace weft
