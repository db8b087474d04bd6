// A Program: what has to be sent and computed, in what order. Data, never code.
//
// Rows are operations. An operation waits for the streams it stands in and for
// the rows it names, then runs a Pattern (one algorithm over one communicator:
// edges and which chunk waits for which), one send, a computation or a delay.
// The same edges and feeds drive every engine, and the test that executes a
// schedule on real arrays.
//
//   Ring all-reduce over ranks a b c, one channel: edges a→b, b→c, c→a; edge i
//   sends in step k slice (i − k) mod 3; it is fed by edge i−1 with lag 1: step
//   k waits for step k−1 there, and step 0 for nobody, so that the ring closes.
//   4 steps, the first 2 reduce at the receiver; wire bytes 4/3 of the operation.
//
// Shapes   Patterns, sends, tunings, ops, amounts, deps and blocks are rows of
//          plain vectors; `first_x, x_count` is a range of rows of x.
// Units    Bytes and SimDuration; ratios are exact integers.
// Errors   none: whoever builds a Program (workloads/) checks the user's input.
//          CheckProgram() holds the invariants below; a broken one is a bug.
// Cost     an engine keeps O(edges) for a pattern in flight; repeats (Block) cost
//          nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "topology/fabric.h"

namespace weft {

enum class RowId : std::uint32_t {};
enum class JobId : std::uint16_t {};
constexpr std::uint32_t Index(RowId id) { return static_cast<std::uint32_t>(id); }
constexpr std::uint32_t Index(JobId id) { return static_cast<std::uint32_t>(id); }
constexpr RowId kNoRow{0xffffffff};

// Chunk k of an edge waits until chunk k − lag of `edge` has arrived, of a shorter
// edge its last; below the lag it is free, so that a ring can close. A negative lag
// waits for a later chunk.
struct Feed {
  std::uint32_t edge = 0;  // row of Pattern::edges
  std::int32_t lag = 0;
};

struct Edge {
  VertexId from = kNoVertex, to = kNoVertex;  // any vertex: GPU, NVSwitch, switch
  // Wire bytes here for each byte of the operation, exact. Sum over channels
  // included: in a ring of n ranks on C channels, 2(n − 1) over n·C.
  std::uint32_t wire_num = 1, wire_den = 1;
  std::uint16_t channel = 0;  // edges of a channel advance together (Advance::kPipelined)
  std::uint16_t round = 0;    // Advance::kRounds: the sender's order
  std::uint8_t qps = 1;       // sub-flows with equal bytes, each with its own hash
  std::uint8_t edge_class = 0;
  std::uint16_t lane = 0;  // between switches, or a NIC and its leaf: which of parallel cables
  std::uint32_t first_feed = 0, feed_count = 0;
  // Which data each chunk is, and where it is reduced: step k carries slice
  // (first_slice + k·slice_stride) mod Pattern::slices of its channel; in steps
  // below reduce_steps the receiver adds it to its own, later it overwrites.
  std::uint32_t first_slice = 0;
  std::int32_t slice_stride = 0;
  std::uint32_t steps = 1, reduce_steps = 0;
};

// What a kind of edge costs beyond its links.
struct EdgeClass {
  SimDuration step{};  // each step: protocol, kernel, proxy
  BitRate cap;         // what a channel's copy engine moves; zero: no cap
};

struct Pattern {
  enum class Advance : std::uint8_t {
    kPipelined,    // ring, tree: a channel's edges move in step
    kIndependent,  // free flows: an edge moves by itself
    kRounds,       // ordered sends: `window` rounds in flight a sender
  };
  std::vector<VertexId> ranks;  // the communicator, rank order
  std::vector<Edge> edges;      // ascending by channel
  std::vector<Feed> feeds;
  std::vector<EdgeClass> classes;
  std::uint32_t slices = 1;                // a channel's share of the data, cut so many times
  std::vector<std::uint32_t> slice_owner;  // [channels·slices] rank whose block the slice is
  std::uint16_t channels = 1;
  Advance advance = Advance::kPipelined;
  std::uint32_t window = 1;
};

// What changes with size while the pattern stays.
struct Tuning {
  std::uint16_t channels = 1;
  Bytes chunk;           // what a step moves at a time; zero: the whole slice
  Bytes slack;           // how far a sender may be ahead of its receiver
  SimDuration launch{};  // once an operation
};

struct Send {
  VertexId from = kNoVertex, to = kNoVertex;
  std::uint8_t qps = 1;
  EdgeClass edge_class;
};

// Waits for `row`, `back` passes of its block ago; a pass before the first is done.
struct Dep {
  std::uint32_t row = 0;
  std::uint16_t back = 0;
};

struct Op {
  enum class Kind : std::uint8_t { kCompute, kPattern, kSend, kDelay };
  Kind kind = Kind::kDelay;
  std::uint8_t priority = 0, traffic_class = 0;
  JobId job{0};
  // Rows of Program::streams: the streams this operation stands in. Operations
  // of a stream run in row order; a collective stands in those of all its ranks.
  std::uint32_t first_stream = 0, stream_count = 0;
  // kPattern: row of patterns; kSend: row of sends; kCompute: rows back to that whose jitter it
  // has, being a part of the same computation.
  std::uint32_t subject = 0;
  std::uint32_t tuning = 0;  // kPattern: row of tunings
  std::int64_t amount = 0;   // bytes() of kPattern and kSend, duration() of the others
  // Unequal bytes by edge: rows of Program::amounts, the wire bytes of each edge in
  // edge order; 0: uniform (row 0 is unused).
  std::uint32_t first_amount = 0;
  std::uint32_t first_dep = 0, dep_count = 0;

  Bytes bytes() const { return Bytes(amount); }
  SimDuration duration() const { return SimDuration(amount); }
};

// Rows [first_row, first_row + rows) run `times` times. Blocks do not overlap and
// are sorted; a row outside every block runs once.
struct Block {
  std::uint32_t first_row = 0, rows = 0, times = 1;
};

// Computation times are multiplied by 1 + sigma·normal (not below 0), drawn by
// (host, row, pass) from each host's own stream; an operation takes its slowest host's.
struct Jitter {
  double sigma = 0;
  std::uint64_t seed = 0;
};

struct Program {
  std::vector<Pattern> patterns;
  std::vector<Send> sends;
  std::vector<Tuning> tunings;
  std::vector<std::uint32_t> streams;  // stream ids, 0 … stream_count − 1
  std::vector<Op> ops;
  std::vector<Bytes> amounts;
  std::vector<Dep> deps;
  std::vector<Block> blocks;
  std::vector<HostId> host_of_stream;  // [stream_count]: whose jitter a computation draws
  std::uint32_t stream_count = 0;
  Jitter jitter;
};

// Stops the program (WEFT_CHECK) where a row points outside its table, edges are
// not sorted by channel, a dependency points forward within a pass, or a block
// overlaps another. Cost O(size of the program).
void CheckProgram(const Program& program);

// A fault or a repair: from `at` on, `element` is in `state`. A sorted input.
struct Event {
  SimTime at{};
  ElementId element;
  ElementState state;
};

// Wire bytes of one edge for an operation of `bytes`: bytes·num/den, exact up to
// one rounding in double.
inline double WireBytes(const Edge& edge, Bytes bytes) {
  return static_cast<double>(bytes.count()) * edge.wire_num / edge.wire_den;
}

}  // namespace weft
