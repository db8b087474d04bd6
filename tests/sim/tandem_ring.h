// The oracle of coupling: a ring that moves chunk by chunk, with buffers of finite size.
//
// Every edge is a link of its own. An edge sends its chunks one by one, a chunk at the rate
// that the bursts leave its link; a chunk counts for others when all of it has arrived. With
// e(i, k) the time at which chunk k of edge i is there, and b(i, k) that at which it sets out,
//
//   b(i, k) = max( e(i, k − 1),          the edge sends one chunk at a time
//                  e(i − 1, k − lag),    what it sends has come in
//                  e(i + 1, k − slack) ) the next edge is not further behind than that
//
// and e(i, k) is the first time by which link i could carry one chunk from b(i, k); times of
// chunks below 0 are 0. This is the recursion of a timed event graph: a closed tandem of
// queues with finite buffers and blocking [BCOQ92 §2.5]. All terms on the right have a lower
// k, so nothing can deadlock. By the same recursion, whatever the bursts,
//
//   loose <= tandem <= tight:  every link has to carry its edge's chunks in any case; and by
//   induction chunk k is there once the slowest link at every moment could carry k + 1 chunks.
//
// Without a buffer's end (kNoSlack) a ring is not free either: edge i is at most lag chunks
// ahead of edge i − 1, which is so of edge i − 2, so that all of n − 1 edges round the ring
// keep it within lag · (n − 1) chunks of edge i + 1.
//
// Slack is what buffers hold: of what edge i has sent, edge i + 1 has sent on all but what lies
// in the receiver's buffer or, on its way out again, in the same rank's buffer as a sender. Of B
// chunks together, `lag` are always there (the first of edge i + 1 were its own): slack B − lag.
//
// A chunk is what moves at a time. NCCL's buffers have 8 slots, one at each end of a network
// edge (NCCL_STEPS) [NCCL 2.28.9 src/include/device.h]; its ring all-reduce with protocol Simple
// moves two slots at a time, and two of these are a step of the ring (ALLREDUCE_SLICESTEPS,
// ALLREDUCE_CHUNKSTEPS) [NCCL 2.28.9 src/include/collectives.h]: 4 + 4 chunks, lag 2, slack 6.
// LL and LL128 move single slots: 8 + 8 chunks, lag 1, slack 15.
//
// Units    SimTime at the border, picoseconds in double inside; ends are rounded up.
// Departs  no latency (sim/startup.h has it), and no time to reduce or copy a chunk.
// Cost     O(ranks · chunks + bursts).
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "sim/physics.h"

namespace weft {

constexpr std::uint32_t kNoSlack = 0xffffffff;  // buffers without end

struct TandemRing {
  std::uint32_t ranks = 2;
  std::uint32_t rounds = 1;        // all-reduces of `ranks` slices, one after the other
  std::uint32_t lag = 1;           // chunks of a slice: what a step of the ring sends
  std::uint32_t slack = kNoSlack;  // >= 1
  Bytes chunk{512 * 1024};
  BitRate rate = GigabitsPerSecond(400);

  // Of an edge: 2(ranks − 1) steps a round, `lag` chunks each.
  std::uint32_t chunks() const { return rounds * 2 * (ranks - 1) * lag; }
  SimDuration chunk_time() const { return TransferTime(chunk, rate); }
};

// From `from` to `until` the link of `edge` has `left` of its rate for the ring.
// Bursts of one edge do not overlap; 0 < left <= 1.
struct Burst {
  std::uint32_t edge = 0;
  SimTime from{}, until{};
  double left = 1;
};

// How long the ring takes, by the recursion above. Requires: `bursts` sorted by edge and time.
SimDuration RunTandemRing(const TandemRing& ring, const std::vector<Burst>& bursts);

// The same ring and bursts in the flow engine: an operation on a switch whose cables slow down
// by Events.
SimDuration RunFlowRing(const TandemRing& ring, const std::vector<Burst>& bursts,
                        Coupling coupling);

// A send that takes its fair part of the link of `edge` until its bytes are over: unlike a
// burst's, its rate depends on what the ring does.
struct Rival {
  std::uint32_t edge = 0;
  SimTime at{};
  Bytes size;
};

// The ring beside rivals, the links shared by processor sharing: the same rules as above, event
// by event instead of by recursion. Requires: `rivals` sorted by time.
SimDuration RunTandemRingBeside(const TandemRing& ring, const std::vector<Rival>& rivals);
SimDuration RunFlowRingBeside(const TandemRing& ring, const std::vector<Rival>& rivals,
                              Coupling coupling);

// Which bursts to draw: on `struck` edges taken at random, each of these slowed to `left` for a
// share `duty` of the time, in bursts of about `length` chunk times, at random.
struct BurstSpec {
  std::uint32_t struck = 1;
  double duty = 0.05;
  double length = 20;
  double left = 0.5;
};
std::vector<Burst> DrawBursts(const TandemRing& ring, const BurstSpec& spec, std::uint64_t seed);

}  // namespace weft
