#include <algorithm>
#include <bit>

#include "workloads/collectives/nccl/shares_internal.h"

namespace weft {
namespace {

using Algorithm = NcclAlgorithm;
using Protocol = NcclProtocol;

bool IsGather(NcclOp op) { return op == NcclOp::kAllGather || op == NcclOp::kReduceScatter; }
bool IsNvls(Algorithm a) { return a == Algorithm::kNvls || a == Algorithm::kNvlsTree; }
std::int64_t CeilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
int Log2(int value) { return static_cast<int>(std::bit_width(static_cast<unsigned>(value))) - 1; }

// All-gather and broadcast run as bytes, what reduces as floats.
std::int64_t ElementBytes(NcclOp op) {
  return op == NcclOp::kAllGather || op == NcclOp::kBroadcast ? 1 : 4;
}

// Heads of NVLS: a GPU each.
int Heads(const NcclComm& comm) { return static_cast<int>(comm.nvls.channels()); }

int MostThreads(const NcclComm& comm, Algorithm a, Protocol p) {
  if (a == Algorithm::kRing || a == Algorithm::kTree) {
    if (p == Protocol::kLl128) return 640;
    const bool narrow = comm.ring.rate_intra * static_cast<float>(comm.ring.channels()) <= 12;
    return p == Protocol::kSimple && a == Algorithm::kRing && narrow ? 256 : 512;
  }
  return a == Algorithm::kPat ? 0 : 640;
}

// Bytes that make a thread worth its while.
std::int64_t BytesPerThread(const NcclComm& comm, Algorithm a, Protocol p) {
  if (p == Protocol::kLl) return a == Algorithm::kRing ? 8 * comm.ranks() : 8;
  if (p == Protocol::kLl128) return 8;
  return a == Algorithm::kCollNetDirect || a == Algorithm::kCollNetChain ? 512 : 64;
}

// CollNetDirect drops channels in stages, asking half of a thread at each.
int DirectChannels(const NcclComm& comm, std::int64_t bytes, int threads, std::int64_t each) {
  const auto heads = static_cast<std::int64_t>(comm.collnet_direct.channels());
  int channels = comm.channels;
  bool idle = true;
  for (int stage = 16; stage >= 1 && idle; stage /= 2) {
    while ((idle = bytes < channels * threads * heads * each) && channels > stage) {
      if (channels == stage + stage / 2) each /= 2;
      --channels;
    }
  }
  return channels;
}

void SetThreads(const NcclComm& comm, std::int64_t bytes, NcclChoice& choice) {
  const Algorithm a = choice.algorithm;
  const Protocol p = choice.protocol;
  const std::int64_t each = BytesPerThread(comm, a, p);
  int channels = comm.channels, threads = MostThreads(comm, a, p);
  if (a == Algorithm::kCollNetDirect) {
    channels = DirectChannels(comm, bytes, threads, each);
  } else if (IsNvls(a)) {
    channels = comm.nvls_channels;
    if (comm.nodes > 1 && a == Algorithm::kNvls) channels = std::min(channels, comm.channels);
  } else {
    while (channels > 1 && bytes < channels * threads * each) --channels;
    while (bytes < channels * threads * each && threads % 128 == 0) threads /= 2;
  }
  if (p == Protocol::kSimple && a == Algorithm::kRing) threads += 32;
  if (p == Protocol::kSimple && a == Algorithm::kTree) threads += 128;
  threads = std::max(threads, 96);
  if (a == Algorithm::kPat || (a == Algorithm::kTree && comm.rules->tree_threads_full))
    threads = 640;
  choice.most_channels = channels;
  choice.threads = threads;
}

// Bytes of an operation on the first, the middle and the last channel.
struct Shares {
  int channels = 1;
  std::int64_t first = 0, middle = 0, last = 0;  // of one rank's buffer; 0: no such channel
};

// Up to 2.21: equal parts.
Shares EqualShares(const NcclChoice& choice, std::int64_t buffer) {
  Shares out;
  out.channels = choice.most_channels;
  out.first = out.middle = out.last = CeilDivide(buffer, choice.most_channels);
  return out;
}

// From 2.22: cells of a least traffic, filled in channel by channel.
Shares SharesByTraffic(const NcclComm& comm, NcclOp op, const NcclChoice& choice,
                       std::int64_t buffer, std::int64_t element) {
  const std::int64_t least = comm.rules->least_traffic;
  const int limit = IsNvls(choice.algorithm) ? comm.nvls_channels : comm.channels;
  const std::int64_t weight = (op == NcclOp::kAllReduce ? 2
                               : IsGather(op)           ? comm.ranks()
                                                        : 1) *
                              (choice.protocol == Protocol::kLl ? 4 : 1);
  const std::int64_t per_channel =
      std::max(least, std::max(least, buffer * weight) / std::min(choice.most_channels, limit));
  const std::int64_t cell = CeilDivide(CeilDivide(least, weight), 16) * 16;
  const std::int64_t cells = std::max<std::int64_t>(1, CeilDivide(buffer, cell));
  std::int64_t each = std::min(cells, CeilDivide(per_channel, cell * weight));
  const std::int64_t first = limit == 1 ? cells : each;
  const std::int64_t rest = cells - first;
  std::int64_t middles = rest / each, last = rest % each;
  if (limit < 1 + middles + (last != 0 ? 1 : 0)) {
    middles = limit - 2;
    each = rest / (middles + 1);
    last = each + rest % (middles + 1);
  }
  if (last == 0 && middles != 0) {
    last = each;
    --middles;
  }
  const std::int64_t cell_bytes = cell / element * element;
  Shares out;
  out.channels = static_cast<int>(1 + middles + (last != 0 ? 1 : 0));
  out.first = first * cell_bytes;
  out.middle = middles != 0 ? each * cell_bytes : 0;
  out.last = last * cell_bytes;
  (last != 0 ? out.last : out.first) -= cells * cell_bytes - buffer;
  return out;
}

// Halves `chunk` while `bytes` fill fewer than `times` of it, down to `floor`.
void HalveBelow(std::int64_t bytes, double times, std::int64_t floor, std::int64_t& chunk) {
  while (chunk > floor && static_cast<double>(bytes / chunk) < times) chunk /= 2;
}

std::int64_t NvlsChunk(const NcclComm& comm, std::int64_t bytes) {
  std::int64_t chunk = 128 << 10;
  const double rate = comm.Cost(NcclOp::kAllReduce, Algorithm::kNvls, Protocol::kSimple).rate;
  if (comm.nodes > 1 && rate < 150) chunk = 32 << 10;
  const std::int64_t heads = Heads(comm);
  if (bytes < 64 * heads * chunk) chunk = std::min<std::int64_t>(chunk, 64 << 10);
  if (bytes < 8 * heads * chunk) chunk = std::min<std::int64_t>(chunk, 32 << 10);
  if (bytes < 2 * heads * chunk) chunk = std::min<std::int64_t>(chunk, 16 << 10);
  return chunk;
}

std::int64_t NvlsTreeChunk(const NcclComm& comm, std::int64_t bytes) {
  std::int64_t chunk = comm.rules->nvls_tree_chunk;
  if (comm.rules->nvls_tree_small_chunk && comm.nodes >= 4)
    chunk = std::min<std::int64_t>(chunk, 64 << 10);
  const std::int64_t heads = Heads(comm);
  constexpr std::array<std::array<std::int64_t, 2>, 4> kSteps = {
      {{32, 256 << 10}, {16, 128 << 10}, {4, 64 << 10}, {1, 32 << 10}}};
  for (const auto& [times, size] : kSteps)
    if (bytes < times * heads * chunk) chunk = std::min(chunk, size);
  return chunk;
}

// The chunk of a channel, or of all together, that moves `bytes`.
std::int64_t Chunk(const NcclComm& comm, NcclOp op, Algorithm a, Protocol p, std::int64_t bytes) {
  constexpr std::int64_t kKi = 1 << 10;
  const double depth = comm.per_node - 1 + Log2(comm.nodes);
  std::int64_t chunk = p == Protocol::kLl ? 32 * kKi : p == Protocol::kLl128 ? 576000 : 512 * kKi;
  const bool whole_steps = op != NcclOp::kBroadcast && op != NcclOp::kReduce;
  if (a == Algorithm::kRing && p == Protocol::kSimple && whole_steps) chunk *= 4;
  if (a == Algorithm::kTree && p == Protocol::kSimple && comm.rules->tree_chunk_shrinks) {
    HalveBelow(bytes, 8 * depth, 128 * kKi, chunk);
    HalveBelow(bytes, 4 * depth, 64 * kKi, chunk);
    HalveBelow(bytes, depth, 32 * kKi, chunk);
  }
  if (a == Algorithm::kTree && p == Protocol::kLl128) {
    const double steps = 1 + Log2(comm.nodes) + 0.1 * comm.per_node;
    HalveBelow(bytes, steps * 64 / comm.per_node, 128 * kKi, chunk);
    HalveBelow(bytes, steps * 16 / comm.per_node, 32 * kKi, chunk);
  }
  if (a == Algorithm::kNvls) chunk = NvlsChunk(comm, bytes);
  if (a == Algorithm::kNvlsTree) chunk = NvlsTreeChunk(comm, bytes);
  if (a == Algorithm::kCollNetDirect) {
    const auto heads = static_cast<std::int64_t>(comm.collnet_direct.channels());
    const double levels = comm.per_node > 1 ? 2 : 1;
    HalveBelow(bytes / heads, levels * 64, 128 * kKi, chunk);
    HalveBelow(bytes / heads, levels * 8, 32 * kKi, chunk);
  }
  if (a == Algorithm::kCollNetChain) {
    chunk = 256 * kKi;
    HalveBelow(bytes, 64.0 * comm.per_node, 128 * kKi, chunk);
    HalveBelow(bytes, 8.0 * comm.per_node, 64 * kKi, chunk);
    HalveBelow(bytes, comm.per_node, 32 * kKi, chunk);
  }
  if (a == Algorithm::kPat)
    while (chunk * (op == NcclOp::kAllGather ? 32 : 16) > bytes && chunk > 64 * kKi) chunk /= 2;
  const std::int64_t grain = p == Protocol::kLl ? 16 : p == Protocol::kLl128 ? 1920 : 512;
  return chunk / grain * grain;
}

}  // namespace

std::int64_t NcclWholeBytes(const NcclComm& comm, NcclOp op, Bytes bytes) {
  const std::int64_t unit = ElementBytes(op) * (IsGather(op) ? comm.ranks() : 1);
  return bytes.count() / unit * unit;
}

void SetNcclShares(const NcclComm& comm, NcclOp op, Bytes bytes, NcclChoice& choice) {
  const std::int64_t whole = NcclWholeBytes(comm, op, bytes);
  const Algorithm a = choice.algorithm;
  SetThreads(comm, whole, choice);
  const bool collnet = a == Algorithm::kCollNetDirect || a == Algorithm::kCollNetChain;
  const std::int64_t ranks = IsGather(op) ? comm.ranks() : 1;
  const std::int64_t buffer = whole / ranks;
  const Shares shares = comm.rules->split_by_traffic && !collnet
                            ? SharesByTraffic(comm, op, choice, buffer, ElementBytes(op))
                            : EqualShares(choice, buffer);
  choice.channels = shares.channels;
  const std::int64_t share = shares.middle != 0 ? shares.middle : shares.first;
  choice.chunk = Bytes(Chunk(comm, op, a, choice.protocol, share * ranks));
}

}  // namespace weft
