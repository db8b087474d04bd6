// Executes a Pattern's schedule on real arrays: the oracle of every collective algorithm.
//
// Each vertex holds one word for every (channel, slice). A chunk is read at its sender when
// it is sent, and added to or stored over the receiver's word when it arrives. An edge sends
// its chunks in order; chunk k may be sent when all that feed it have arrived, and arrives
// any time later. Which of the possible sends and arrivals comes next is drawn, so many
// draws try many interleavings: a schedule that lacks a feed ends with wrong words.
//
// Cost   O(chunks · feeds).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "base/random.h"
#include "sim/program.h"

namespace weft {

using Words = std::map<VertexId, std::vector<std::uint64_t>>;  // [channels·slices] of each vertex

struct ScheduleRun {
  Words words;                         // at the end
  std::vector<std::uint32_t> arrived;  // [edges] chunks
  bool complete = false;               // every chunk of every edge arrived: no deadlock
};

class ScheduleInterpreter {
 public:
  ScheduleInterpreter(const Pattern& pattern, Words words, std::uint64_t seed)
      : pattern_(pattern),
        random_(seed),
        sent_(pattern.edges.size()),
        fed_by_(pattern.edges.size()),
        in_flight_(pattern.edges.size()),
        listed_(pattern.edges.size()) {
    run_.words = std::move(words);
    run_.arrived.resize(pattern.edges.size());
    for (std::uint32_t e = 0; e < pattern.edges.size(); ++e) {
      const Edge& edge = pattern.edges[e];
      for (std::uint32_t f = 0; f < edge.feed_count; ++f)
        fed_by_[pattern.feeds[edge.first_feed + f].edge].push_back(e);
      List(e);
    }
  }

  ScheduleRun Run() {
    while (!active_.empty()) {
      const std::uint32_t at = random_.Below(static_cast<std::uint32_t>(active_.size()));
      const std::uint32_t e = active_[at];
      const bool can_send = CanSend(e), can_arrive = !in_flight_[e].empty();
      if (can_send && (!can_arrive || random_.Below(2) == 0)) {
        Send(e);
      } else if (can_arrive) {
        Arrive(e);
      } else {
        listed_[e] = false;
        active_[at] = active_.back();
        active_.pop_back();
      }
    }
    run_.complete = true;
    for (std::uint32_t e = 0; e < pattern_.edges.size(); ++e)
      run_.complete = run_.complete && run_.arrived[e] == pattern_.edges[e].steps;
    return std::move(run_);
  }

 private:
  void List(std::uint32_t e) {
    if (!listed_[e]) active_.push_back(e);
    listed_[e] = true;
  }

  bool CanSend(std::uint32_t e) const {
    const Edge& edge = pattern_.edges[e];
    if (sent_[e] >= edge.steps) return false;
    for (std::uint32_t f = 0; f < edge.feed_count; ++f) {
      const Feed& feed = pattern_.feeds[edge.first_feed + f];
      const std::int64_t needed = std::min(std::int64_t{sent_[e]} - feed.lag,
                                           std::int64_t{pattern_.edges[feed.edge].steps} - 1);
      if (needed >= 0 && run_.arrived[feed.edge] <= needed) return false;
    }
    return true;
  }

  std::size_t WordOf(const Edge& edge, std::uint32_t step) const {
    const std::int64_t slices = pattern_.slices;
    std::int64_t slice = (edge.first_slice + std::int64_t{step} * edge.slice_stride) % slices;
    if (slice < 0) slice += slices;
    return std::size_t{edge.channel} * pattern_.slices + static_cast<std::size_t>(slice);
  }

  void Send(std::uint32_t e) {
    const Edge& edge = pattern_.edges[e];
    in_flight_[e].push_back(run_.words.at(edge.from)[WordOf(edge, sent_[e]++)]);
  }

  void Arrive(std::uint32_t e) {
    const Edge& edge = pattern_.edges[e];
    const std::uint32_t step = run_.arrived[e]++;
    std::uint64_t& word = run_.words.at(edge.to)[WordOf(edge, step)];
    word = step < edge.reduce_steps ? word + in_flight_[e].front() : in_flight_[e].front();
    in_flight_[e].pop_front();
    for (const std::uint32_t next : fed_by_[e]) List(next);
  }

  const Pattern& pattern_;
  Random random_;
  ScheduleRun run_;
  std::vector<std::uint32_t> sent_;                   // [edges] chunks
  std::vector<std::vector<std::uint32_t>> fed_by_;    // [edges] edges that wait for this one
  std::vector<std::deque<std::uint64_t>> in_flight_;  // [edges] what was read, in order
  std::vector<bool> listed_;                          // [edges] in active_
  std::vector<std::uint32_t> active_;                 // edges that may have something to do
};

inline ScheduleRun InterpretSchedule(const Pattern& pattern, Words words, std::uint64_t seed) {
  return ScheduleInterpreter(pattern, std::move(words), seed).Run();
}

// A different word everywhere: the input of a rank, or rubbish where it has none; a switch that
// sums begins with nothing.
inline Words RandomWords(const Pattern& pattern, std::uint64_t seed) {
  Random random(StreamSeed(seed, {1}));
  Words words;
  for (const VertexId rank : pattern.ranks) {
    std::vector<std::uint64_t>& own = words[rank];
    for (std::size_t w = 0; w < std::size_t{pattern.channels} * pattern.slices; ++w)
      own.push_back(random.Next());
  }
  for (const Edge& edge : pattern.edges)
    for (const VertexId end : {edge.from, edge.to})
      words.try_emplace(end, std::size_t{pattern.channels} * pattern.slices, 0);
  return words;
}

}  // namespace weft
