#include "workloads/collectives/nccl/pattern.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/ceil_div.h"
#include "base/check.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/nccl/pattern_internal.h"
#include "workloads/collectives/nccl/shape.h"

namespace weft {
namespace {

using Kind = NcclTimeCase::Kind;

void MakeRing(const NcclPatternPlan& plan, PatternMaker& maker) {
  const std::uint32_t n = maker.ranks(), once = n - 1;
  const int channels = plan.which.choice->channels;
  const bool all_reduce = plan.op == CollectiveSpec::ALL_REDUCE;
  const std::uint32_t shift = plan.op == CollectiveSpec::REDUCE_SCATTER ? once : 0;  // −1 mod n
  Edge& edge = maker.Next();
  edge.steps = all_reduce ? 2 * once : once;
  edge.reduce_steps = plan.op == CollectiveSpec::ALL_GATHER ? 0 : once;
  edge.slice_stride = -1;
  Pattern& pattern = maker.pattern();
  pattern.slices = n;
  maker.Set(ReducedRatio(edge.steps, std::uint64_t{n} * static_cast<std::uint64_t>(channels)),
            channels, plan.which.steps - plan.which.net_steps, plan.which.net_steps);
  const std::size_t edges = std::size_t{n} * static_cast<std::size_t>(channels);
  maker.Reserve(edges, edges);
  pattern.slice_owner.reserve(edges);
  for (int c = 0; c < channels; ++c) {
    const std::vector<int> ring = NcclRing(*plan.comm, static_cast<std::size_t>(c));
    const std::uint32_t first = maker.edge_count();
    for (std::uint32_t i = 0; i < n; ++i) {
      edge.first_slice = (i + shift) % n;
      maker.Feed(first + (i + once) % n, 1);
      maker.Add(maker.Gpu(ring[i]), maker.Gpu(ring[(i + 1) % n]), c);
      pattern.slice_owner.push_back(maker.RankOf(ring[all_reduce ? (i + once) % n : i]));
    }
  }
}

// Broadcast and reduce: a ring cut at rank 0, which all chunks leave or end at
// [NCCL 2.28.9 src/device/broadcast.h, reduce.h].
void MakeFlow(const NcclPatternPlan& plan, PatternMaker& maker) {
  const NcclComm& comm = *plan.comm;
  const std::uint32_t n = maker.ranks();
  const int channels = plan.which.choice->channels;
  const std::uint32_t start = plan.op == CollectiveSpec::REDUCE ? 1 : 0;
  const int net_edges = comm.nodes - 1;
  maker.Next().reduce_steps = plan.op == CollectiveSpec::REDUCE ? 1 : 0;
  maker.Set(ReducedRatio(1, static_cast<std::uint64_t>(channels)), channels,
            static_cast<int>(n) - 1 - net_edges, net_edges);
  maker.Reserve(std::size_t{n - 1} * static_cast<std::size_t>(channels),
                std::size_t{n - 2} * static_cast<std::size_t>(channels));
  maker.pattern().slice_owner.assign(static_cast<std::size_t>(channels), maker.RankOf(0));
  for (int c = 0; c < channels; ++c) {
    const std::vector<int> ring = NcclRing(comm, static_cast<std::size_t>(c));
    for (std::uint32_t i = 0; i + 1 < n; ++i) {
      if (i > 0) maker.Feed(maker.edge_count() - 1);
      maker.Add(maker.Gpu(ring[i + start]), maker.Gpu(ring[(i + start + 1) % n]), c);
    }
  }
}

// PAT, one rank a node: block s goes down the binomial tree over s, s + 1, … s + R − 1 (mod R),
// in which the parent of s + x is s + x without x's lowest bit: few blocks go far, most go next
// door. So a rank has one edge for every bit, from the rank `bit` before it, with the blocks
// s = rank − x of x = bit, 3·bit, 5·bit … < R. Reduce-scatter goes the same ways backwards, the
// furthest blocks first. [NCCL 2.28.9 src/include/collectives.h]
void MakePat(const NcclPatternPlan& plan, PatternMaker& maker) {
  const std::uint32_t n = maker.ranks();
  const bool gather = plan.op == CollectiveSpec::ALL_GATHER;
  Pattern& pattern = maker.pattern();
  pattern.slices = n;
  maker.Set({1, 1}, 1, 1, plan.which.net_steps);
  for (std::uint32_t r = 0; r < n; ++r)
    pattern.slice_owner.push_back(maker.RankOf(static_cast<int>(r)));
  std::vector<std::uint32_t> bits;  // their edges stand in this order, a rank after the other
  for (std::uint32_t bit = 1; bit < n; bit *= 2) bits.push_back(bit);
  if (gather) std::reverse(bits.begin(), bits.end());
  maker.Reserve(std::size_t{n} * bits.size(), std::size_t{n} * bits.size() * bits.size() / 2);
  const EdgeClass all = pattern.classes[kNetRow];
  for (std::size_t level = 0; level < bits.size(); ++level) {
    const std::uint32_t bit = bits[level], blocks = (n - 1 - bit) / (2 * bit) + 1;
    const auto row = static_cast<std::uint8_t>(pattern.classes.size());
    pattern.classes.push_back({all.step, all.cap * (static_cast<double>(blocks) / n)});
    for (std::uint32_t rank = 0; rank < n; ++rank) {
      const std::uint32_t before = (rank + n - bit) % n;
      // Blocks of others come by the higher bits; sums by the lower ones, all before any goes on.
      for (std::uint32_t i = 0; i < level && (blocks > 1 || !gather); ++i)
        maker.Feed(i * n + (gather ? before : (rank + bits[i]) % n),
                   gather ? 0 : -static_cast<std::int32_t>(n));
      const std::uint32_t furthest = 2 * bit * (blocks - 1);
      maker.Carry(gather ? before : (before + n - furthest % n) % n, blocks, !gather);
      maker.Next().slice_stride = (gather ? -2 : 2) * static_cast<std::int32_t>(bit);
      const auto at = [&](std::uint32_t r) { return maker.Gpu(static_cast<int>(r)); };
      gather ? maker.Add(at(before), at(rank), 0) : maker.Add(at(rank), at(before), 0);
      pattern.edges.back().edge_class = row;
    }
  }
}

// Rows of children by parent: ranks [first[p], first[p + 1]) of `child`.
struct Children {
  std::vector<std::uint32_t> first, child;

  explicit Children(const std::vector<int>& parent) : first(parent.size() + 2) {
    for (const int p : parent)
      if (p >= 0) ++first[static_cast<std::size_t>(p) + 2];
    for (std::size_t i = 2; i < first.size(); ++i) first[i] += first[i - 1];
    child.resize(first.back());
    for (std::uint32_t rank = 0; rank < parent.size(); ++rank)
      if (parent[rank] >= 0) child[first[static_cast<std::size_t>(parent[rank]) + 1]++] = rank;
  }
};

// Up edge u(r) of every rank but the root, then down edge d(r).
void MakeTree(const NcclPatternPlan& plan, PatternMaker& maker) {
  const std::uint32_t n = maker.ranks();
  const int channels = plan.which.choice->channels;
  Edge& edge = maker.Next();
  maker.Set(ReducedRatio(1, static_cast<std::uint64_t>(channels)), channels,
            plan.which.steps - plan.which.net_steps, plan.which.net_steps);
  maker.Reserve(std::size_t{2} * n * static_cast<std::size_t>(channels),
                std::size_t{2} * n * static_cast<std::size_t>(channels));
  maker.pattern().slice_owner.assign(static_cast<std::size_t>(channels), 0);
  std::vector<std::uint32_t> up(n);  // edges are numbered before they are there: by rank
  for (int c = 0; c < channels; ++c) {
    const std::vector<int> parent = NcclTreeParents(*plan.comm, static_cast<std::size_t>(c));
    const Children children(parent);
    std::uint32_t row = maker.edge_count();
    for (std::uint32_t r = 0; r < n; ++r)
      if (parent[r] >= 0) up[r] = row++;
    const auto feed_from_children = [&](std::uint32_t rank) {
      for (std::uint32_t i = children.first[rank]; i < children.first[rank + 1]; ++i)
        maker.Feed(up[children.child[i]]);
    };
    edge.reduce_steps = 1;
    for (std::uint32_t r = 0; r < n; ++r) {
      if (parent[r] < 0) continue;
      feed_from_children(r);
      maker.Add(maker.Gpu(static_cast<int>(r)), maker.Gpu(parent[r]), c);
    }
    edge.reduce_steps = 0;
    for (std::uint32_t r = 0; r < n; ++r) {
      if (parent[r] < 0) continue;
      const auto from = static_cast<std::uint32_t>(parent[r]);
      if (parent[from] < 0)
        feed_from_children(from);
      else
        maker.Feed(up[from] + n - 1);  // the down edges follow in the same order
      maker.Add(maker.Gpu(parent[r]), maker.Gpu(static_cast<int>(r)), c);
    }
  }
}

// What an edge may move, so that all that are under way at the busiest place come to its `rate`; a
// heavy message takes no longer than the mean one would.
double SendCap(double rate, const SendLoads::Class& loads) {
  if (loads.at_once == 0) return 0;
  return std::min(rate, rate * loads.skew / loads.at_once);
}

// Caps of the classes: those of all rounds in flight.
void CapSends(const NcclPatternPlan& plan, Pattern& pattern) {
  const NcclComm& comm = *plan.comm;
  const NcclTimeCase& which = plan.which;
  const auto at_once = [&](int peers) { return std::min<double>(which.at_once, peers); };
  SendLoads::Class link{1, at_once(comm.per_node - 1)};
  SendLoads::Class net{1, at_once(comm.ranks() - comm.per_node) * comm.per_node / which.send_nics};
  if (plan.matrix != nullptr) {
    link = plan.loads.link_class;
    net = plan.loads.net_class;
  }
  const double link_rate = plan.time.link_rate * which.link_bytes / which.bytes;
  const double nic_rate = plan.time.net_rate * which.net_bytes / which.bytes / which.send_nics;
  double link_cap = SendCap(link_rate, link), net_cap = SendCap(nic_rate, net);
  if (plan.time.near_rate > 0) link_cap = std::min(link_cap, plan.time.near_rate);
  if (plan.time.peer_rate > 0) net_cap = std::min(net_cap, plan.time.peer_rate);
  const WireRatio protocol = ProtocolWire(which.protocol);
  const double of_wire = static_cast<double>(protocol.num) / protocol.den;
  pattern.classes[kLinkRow].cap = RateCap(link_cap, of_wire);
  pattern.classes[kNetRow].cap = RateCap(net_cap, of_wire);
}

// A rank's rounds; in round k everyone sends to the k-th of its order.
void MakeAllToAll(const NcclPatternPlan& plan, PatternMaker& maker) {
  const NcclComm& comm = *plan.comm;
  const std::uint32_t n = maker.ranks();
  Pattern& pattern = maker.pattern();
  pattern.advance = Pattern::Advance::kRounds;
  pattern.window = static_cast<std::uint32_t>(plan.which.at_once);
  pattern.slices = n * n;
  for (std::uint32_t from = 0; from < n; ++from)
    pattern.slice_owner.insert(pattern.slice_owner.end(), n, maker.RankOf(static_cast<int>(from)));
  // A message's step is all the steps of the batches that are under way with it.
  const int peers = plan.matrix != nullptr ? plan.loads.peers : static_cast<int>(n);
  maker.Set({1, n}, 1, 1, static_cast<int>(CeilDiv(std::max(1, peers), plan.which.at_once)));
  CapSends(plan, pattern);
  maker.Reserve(std::size_t{n} * (n - 1), 0);
  for (std::uint32_t from = 0; from < n; ++from) {
    const std::vector<int> order = NcclSendOrder(comm, static_cast<int>(from));
    std::uint16_t round = 0;
    for (std::uint32_t i = 1; i < n; ++i) {
      const auto to = static_cast<std::uint32_t>(order[i]);
      if (plan.matrix != nullptr && plan.matrix->At(from, to) == 0) continue;
      Edge& edge = maker.Next();
      edge.round = round++;
      edge.first_slice = from * n + to;
      maker.Add(maker.Gpu(static_cast<int>(from)), maker.Gpu(order[i]), 0);
    }
  }
}

void MakeSendRecv(const NcclPatternPlan& plan, const Communicator& communicator,
                  PatternMaker& maker) {
  const std::uint32_t n = maker.ranks();
  const auto channels = static_cast<int>(plan.which.channels);
  Pattern& pattern = maker.pattern();
  pattern.advance = Pattern::Advance::kIndependent;
  pattern.slices = n;
  maker.Set(ReducedRatio(1, static_cast<std::uint64_t>(channels)), channels, 1, 1);
  const std::vector<std::uint32_t>& sequence = communicator.sequence;
  for (int c = 0; c < channels; ++c) {
    for (std::uint32_t rank = 0; rank < n; ++rank) pattern.slice_owner.push_back(rank);
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t from = sequence[i], to = sequence[(i + 1) % n];
      maker.Next().first_slice = from;
      maker.Add(communicator.gpu[from], communicator.gpu[to], c);
    }
  }
}

}  // namespace

bool IsRegular(const Communicator& communicator) {
  const std::uint32_t count = communicator.hosts.front().count;
  return std::all_of(communicator.hosts.begin(), communicator.hosts.end(),
                     [&](const Communicator::HostPart& host) { return host.count == count; });
}

bool HasNcclPattern(const NcclPatternPlan& plan) {
  switch (plan.which.kind) {
    case Kind::kRing:
    case Kind::kTree:
    case Kind::kNvlsTree:
    case Kind::kFlow:
    case Kind::kPat:
      return true;
    case Kind::kNvls:
    case Kind::kCollNet:  // gathers have a head a rank of a node: NCCL has them so, or not at all
      return plan.op == CollectiveSpec::ALL_REDUCE ||
             plan.comm->GraphOf(plan.which.choice->algorithm).channels() ==
                 static_cast<std::uint32_t>(plan.comm->per_node);
    case Kind::kSends:
      return plan.comm->ranks() <= std::numeric_limits<std::uint16_t>::max();
    default:
      return false;
  }
}

Pattern BuildNcclPattern(const NcclPatternPlan& plan, const Fabric& fabric,
                         const Communicator& communicator) {
  WEFT_CHECK(HasNcclPattern(plan) && IsRegular(communicator));
  WEFT_CHECK(communicator.members.size() == static_cast<std::size_t>(plan.comm->ranks()));
  PatternMaker maker(plan, fabric, communicator);
  switch (plan.which.kind) {
    case Kind::kRing:
      MakeRing(plan, maker);
      break;
    case Kind::kFlow:
      MakeFlow(plan, maker);
      break;
    case Kind::kPat:
      MakePat(plan, maker);
      break;
    case Kind::kTree:
      MakeTree(plan, maker);
      break;
    case Kind::kCollNet:
      plan.which.choice->algorithm == NcclAlgorithm::kCollNetChain
          ? MakeCollNetChain(plan, SwitchChannels(plan, fabric, communicator), maker)
          : MakeCollNetDirect(plan, SwitchChannels(plan, fabric, communicator), maker);
      break;
    case Kind::kNvls:
      MakeNvls(plan,
               plan.comm->nodes > 1 ? SwitchChannels(plan, fabric, communicator)
                                    : static_cast<int>(plan.comm->nvls.channels()),
               maker);
      break;
    case Kind::kNvlsTree:
      MakeNvls(plan, 2 * static_cast<int>(plan.comm->nvls.channels()), maker);
      break;
    default:
      plan.op == CollectiveSpec::SEND_RECV ? MakeSendRecv(plan, communicator, maker)
                                           : MakeAllToAll(plan, maker);
  }
  return std::move(maker.pattern());
}

std::uint64_t NcclPatternEdges(const NcclPatternPlan& plan) {
  const auto ranks = static_cast<std::uint64_t>(plan.comm->ranks());
  const auto channels = static_cast<std::uint64_t>(plan.which.channels);
  const auto nodes = static_cast<std::uint64_t>(plan.comm->nodes);
  const std::uint64_t heads = plan.comm->nvls.channels();
  switch (plan.which.kind) {
    case Kind::kTree:
      return 2 * channels * ranks;
    case Kind::kCollNet:  // up to three switches a node, both ways; two ports a NIC
      return std::max<std::uint64_t>(
                 channels, 2 * plan.comm->GraphOf(plan.which.choice->algorithm).channels()) *
             (2 * ranks + 8 * nodes);
    case Kind::kNvls:
    case Kind::kNvlsTree:
      return (nodes > 1 ? 2 : 1) * heads * (2 * ranks + 4 * nodes);
    case Kind::kSends:
      return plan.op == CollectiveSpec::SEND_RECV ? channels * ranks : ranks * ranks;
    case Kind::kPat:
      return ranks * static_cast<std::uint64_t>(std::bit_width(ranks - 1));
    default:
      return channels * ranks;
  }
}

std::vector<Bytes> NcclSendAmounts(const NcclPatternPlan& plan, const Pattern& pattern) {
  WEFT_CHECK(plan.matrix != nullptr);
  const WireRatio wire = ProtocolWire(plan.which.protocol);
  std::vector<Bytes> out;
  out.reserve(pattern.edges.size());
  for (const Edge& edge : pattern.edges)
    out.push_back(Bytes(plan.matrix->bytes[edge.first_slice] * wire.num / wire.den));
  return out;
}

SimDuration NcclLaunch(const NcclPatternPlan& plan) {
  return FromSecondsUp(plan.time.once_us * 1e-6);
}

}  // namespace weft
