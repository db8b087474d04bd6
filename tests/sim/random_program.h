// Random networks and fixed programs, for properties of the engines.
#pragma once

#include "base/random.h"
#include "tests/sim/nets.h"

namespace weft {

inline Net RandomNet(Random& random, double scale = 1, std::int64_t latency_ps = 1'000'000) {
  const BitRate rate = GigabitsPerSecond((25 << random.Below(3)) * scale);
  const SimDuration latency(latency_ps);
  const int hosts = 3 + static_cast<int>(random.Below(6));
  switch (random.Below(3)) {
    case 0:
      return Star(hosts, rate, latency);
    case 1:
      return Star(hosts, rate, latency, 2);
    default:
      return LeafSpine(2 + static_cast<int>(random.Below(2)), 1 + static_cast<int>(random.Below(3)),
                       1 + static_cast<int>(random.Below(3)), rate, latency);
  }
}

inline std::vector<VertexId> RandomRanks(const Net& net, Random& random) {
  std::vector<VertexId> ranks = net.nic;
  for (std::size_t i = ranks.size(); i > 1; --i)
    std::swap(ranks[i - 1], ranks[random.Below(static_cast<std::uint32_t>(i))]);
  if (ranks.size() > 2)
    ranks.resize(2 + random.Below(static_cast<std::uint32_t>(ranks.size() - 1)));
  return ranks;
}

inline Pattern RandomPattern(const Net& net, Random& random) {
  const auto qps = static_cast<std::uint8_t>(1 + random.Below(4));
  const std::vector<VertexId> ranks = RandomRanks(net, random);
  if (random.Below(2) == 0)
    return Ring(ranks, static_cast<std::uint16_t>(1 + random.Below(3)), qps, 500ns);
  std::vector<std::pair<VertexId, VertexId>> ends;
  for (const VertexId from : ranks)
    for (const VertexId to : ranks)
      if (from != to) ends.emplace_back(from, to);
  Pattern pattern = Edges(
      ends, random.Below(2) == 0 ? Pattern::Advance::kIndependent : Pattern::Advance::kRounds);
  for (std::size_t e = 0; e < pattern.edges.size(); ++e) {
    pattern.edges[e].qps = qps;
    pattern.edges[e].round = static_cast<std::uint16_t>(random.Below(4));
    pattern.edges[e].wire_den = 4;
  }
  pattern.window = 1 + random.Below(3);
  return pattern;
}

inline Builder RandomProgram(const Net& net, Random& random) {
  Builder b;
  b.program.tunings[0].launch = 2us;
  for (int i = 0; i < 3; ++i) b.AddPattern(RandomPattern(net, random));
  const std::uint32_t rows = 4 + random.Below(16);
  for (std::uint32_t row = 0; row < rows; ++row) {
    const std::uint32_t stream = random.Below(5);
    std::vector<std::uint32_t> streams{stream};
    if (random.Below(3) == 0) streams.push_back((stream + 1) % 5);
    std::vector<Dep> deps;
    if (row > 0 && random.Below(4) == 0) deps.push_back({random.Below(row), 0});
    const std::int64_t bytes = 1 + random.Below(2'000'000);
    const auto nics = static_cast<std::uint32_t>(net.nic.size());
    const std::uint32_t from = random.Below(nics);
    switch (random.Below(4)) {
      case 0:
        b.AddCompute(SimDuration(2 * random.Below(100'000'000)), streams, deps);
        break;
      case 1:
        b.AddRun(random.Below(3), bytes, streams, deps);
        break;
      default:
        b.AddSend(net.nic[from], net.nic[(from + 1 + random.Below(nics - 1)) % nics], bytes,
                  streams, deps, static_cast<std::uint8_t>(1 + random.Below(4)));
    }
  }
  b.program.stream_count = 5;
  if (random.Below(2) == 0) b.program.blocks.push_back({1, rows - 2, 1 + random.Below(3)});
  return b;
}

// Faults and repairs of random cables; everything is repaired in the end.
inline std::vector<Event> RandomEvents(const Net& net, Random& random) {
  std::vector<Event> events;
  for (std::uint32_t i = random.Below(6); i > 0; --i) {
    std::uint32_t link = random.Below(net.fabric->link_count());
    while (net.fabric->link(LinkId{link}).link_class != LinkClass::kNetwork)
      link = (link + 1) % net.fabric->link_count();
    const ElementId cable{ElementId::Kind::kCable, link};
    ElementState state;
    if (random.Below(2) == 0)
      state.up = false;
    else
      state.rate_share = (1 + random.Below(9)) / 10.0;
    const SimDuration at(random.Below(600'000'000));
    events.push_back({SimTime(at), cable, state});
    events.push_back({SimTime(at + SimDuration(1 + random.Below(400'000'000))), cable, {}});
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.at < b.at; });
  return events;
}

}  // namespace weft
