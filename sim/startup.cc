#include "sim/startup.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace weft {
namespace {

using Durations = std::vector<SimDuration>;

// Sums stop here, so that none wraps: a quarter of what SimTime can say.
constexpr SimDuration kLongest = SimDuration::max() / 4;

SimDuration Saturated(__int128 ps) {
  return ps < kLongest.count() ? SimDuration(static_cast<std::int64_t>(ps)) : kLongest;
}

SimDuration Sum(SimDuration a, SimDuration b) {
  return Saturated(static_cast<__int128>(a.count()) + b.count());
}

bool EveryEdgeHasOneFeedOfLagOne(const Pattern& pattern) {
  return std::all_of(pattern.edges.begin(), pattern.edges.end(), [&](const Edge& e) {
    return e.feed_count == 1 && pattern.feeds[e.first_feed].lag == 1;
  });
}

// The summed latency of `steps` consecutive edges that end in each edge of a
// cycle, which is listed against the direction of the data.
void AddCycle(const Pattern& pattern, const std::vector<std::uint32_t>& cycle,
              const Durations& latency, Durations& startup) {
  const std::size_t n = cycle.size();
  std::vector<__int128> before(2 * n + 1, 0);  // prefix sums, twice round
  for (std::size_t i = 0; i < 2 * n; ++i) before[i + 1] = before[i] + latency[cycle[i % n]].count();
  for (std::size_t i = 0; i < n; ++i) {
    const Edge& edge = pattern.edges[cycle[i]];
    const auto rounds = static_cast<__int128>(edge.steps / n);
    const std::size_t rest = edge.steps % n;
    const SimDuration sum = Saturated(rounds * before[n] + before[i + rest] - before[i]);
    startup[edge.channel] = std::max(startup[edge.channel], sum);
  }
}

// None where some feeds do not lie on a cycle.
std::optional<Durations> RingStartup(const Pattern& pattern, const Durations& latency) {
  if (!EveryEdgeHasOneFeedOfLagOne(pattern)) return std::nullopt;
  Durations startup(pattern.channels);
  std::vector<bool> seen(pattern.edges.size(), false);
  std::vector<std::uint32_t> cycle;
  for (std::uint32_t first = 0; first < pattern.edges.size(); ++first) {
    if (seen[first]) continue;
    cycle.clear();
    for (std::uint32_t e = first; !seen[e]; e = pattern.feeds[pattern.edges[e].first_feed].edge) {
      seen[e] = true;
      cycle.push_back(e);
    }
    if (pattern.feeds[pattern.edges[cycle.back()].first_feed].edge != first) return std::nullopt;
    AddCycle(pattern, cycle, latency, startup);
  }
  return startup;
}

// Edges in an order in which feeds without a lag come first.
std::vector<std::uint32_t> OrderByFeeds(const Pattern& pattern) {
  const auto edges = static_cast<std::uint32_t>(pattern.edges.size());
  std::vector<std::vector<std::uint32_t>> fed(edges);
  std::vector<std::uint32_t> missing(edges, 0), order;
  for (std::uint32_t e = 0; e < edges; ++e)
    for (std::uint32_t i = 0; i < pattern.edges[e].feed_count; ++i) {
      const Feed& feed = pattern.feeds[pattern.edges[e].first_feed + i];
      if (feed.lag > 0) continue;
      fed[feed.edge].push_back(e);
      ++missing[e];
    }
  for (std::uint32_t e = 0; e < edges; ++e)
    if (missing[e] == 0) order.push_back(e);
  for (std::size_t i = 0; i < order.size(); ++i)
    for (const std::uint32_t e : fed[order[i]])
      if (--missing[e] == 0) order.push_back(e);
  WEFT_CHECK(order.size() == edges);  // a cycle of lag 0 would wait for itself
  return order;
}

// longest[b % layers][e]: the longest walk that ends in e with lags of at most b.
Durations WalkStartup(const Pattern& pattern, const Durations& latency,
                      const Durations& chunk_time) {
  std::int32_t max_lag = 0;
  std::uint32_t max_steps = 1;
  for (const Feed& feed : pattern.feeds) max_lag = std::max(max_lag, feed.lag);
  for (const Edge& edge : pattern.edges) max_steps = std::max(max_steps, edge.steps);
  const auto layers = static_cast<std::uint32_t>(max_lag) + 1;
  if (max_lag == 0) max_steps = 1;

  Durations startup(pattern.channels);
  const std::vector<std::uint32_t> order = OrderByFeeds(pattern);
  std::vector<Durations> longest(layers, latency);
  for (std::uint32_t b = 0; b < max_steps; ++b) {
    Durations& now = longest[b % layers];
    for (const std::uint32_t e : order) {
      const Edge& edge = pattern.edges[e];
      SimDuration wait{};
      for (std::uint32_t i = 0; i < edge.feed_count; ++i) {
        const Feed& feed = pattern.feeds[edge.first_feed + i];
        const auto lag = static_cast<std::uint32_t>(std::max(0, feed.lag));
        if (lag > b) continue;
        const SimDuration chunk = lag == 0 ? chunk_time[feed.edge] : SimDuration{};
        wait = std::max(wait, Sum(longest[(b - lag) % layers][feed.edge], chunk));
      }
      now[e] = Sum(wait, latency[e]);
      if (b < edge.steps) startup[edge.channel] = std::max(startup[edge.channel], now[e]);
    }
  }
  return startup;
}

}  // namespace

bool StartsByChunks(const Pattern& pattern) {
  return std::any_of(pattern.feeds.begin(), pattern.feeds.end(),
                     [](const Feed& feed) { return feed.lag <= 0; });
}

std::vector<SimDuration> ChannelStartup(const Pattern& pattern,
                                        const std::vector<SimDuration>& latency,
                                        const std::vector<SimDuration>& chunk_time) {
  if (std::optional<Durations> ring = RingStartup(pattern, latency)) return *ring;
  return WalkStartup(pattern, latency, chunk_time);
}

std::vector<SimDuration> SubjectStartup(const PathTable& paths, const PathTable::Subject& subject,
                                        const Program& program, const Op& op) {
  std::vector<SimDuration> latency(subject.edge_count), chunk_time(subject.edge_count);
  const Tuning& tuning = program.tunings[op.tuning];
  for (std::uint32_t e = 0; e < subject.edge_count; ++e) {
    const PathTable::Edge& edge = paths.edges()[subject.first_edge + e];
    latency[e] = edge.latency;
    const double bytes = EdgeWireBytes(program, op, subject, subject.first_edge + e);
    double chunk = bytes / subject.pattern->edges[e].steps;
    if (tuning.chunk.count() > 0)
      chunk = std::min(bytes, static_cast<double>(tuning.chunk.count()));
    double bps = edge.path_bps;
    if (edge.cap_bps > 0) bps = bps == 0 ? edge.cap_bps : std::min(bps, edge.cap_bps);
    if (bps <= 0) continue;
    const double seconds = chunk * 8 / bps;
    chunk_time[e] = seconds < ToSeconds(kLongest) ? FromSecondsUp(seconds) : kLongest;
  }
  return ChannelStartup(*subject.pattern, latency, chunk_time);
}

double EdgeWireBytes(const Program& program, const Op& op, const PathTable::Subject& subject,
                     std::uint32_t edge) {
  if (subject.pattern == nullptr) return static_cast<double>(op.bytes().count());
  const std::uint32_t row = edge - subject.first_edge;
  if (op.first_amount != 0)
    return static_cast<double>(program.amounts[op.first_amount + row].count());
  return WireBytes(subject.pattern->edges[row], op.bytes());
}

}  // namespace weft
