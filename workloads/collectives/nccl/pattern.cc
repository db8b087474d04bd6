#include "workloads/collectives/nccl/pattern.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/nccl/shape.h"

namespace weft {
namespace {

using Kind = NcclTimeCase::Kind;

constexpr std::uint8_t kLink = 0, kNet = 1;  // rows of Pattern::classes
constexpr std::uint32_t kPeersAtOnce = 8;
constexpr int kMostPatRanks = 1024;  // an edge a block and rank: a million

// Wire bytes a byte of payload.
WireRatio ProtocolWire(NcclProtocol protocol) {
  if (protocol == NcclProtocol::kLl) return {2, 1};
  if (protocol == NcclProtocol::kLl128) return {16, 15};
  return {1, 1};
}

SimDuration Step(double us, int steps, SimDuration usual) {
  if (steps == 0 || us <= 0) return SimDuration{};
  return std::max(SimDuration{}, FromSecondsUp(us * 1e-6 / steps) - usual);
}

// An operation's rate, GB/s, as the cap of an edge that carries num/den of its bytes.
BitRate Cap(double rate, double share) {
  return rate > 0 ? BitRate::BitsPerSecond(rate * 8e9 * share) : BitRate();
}

// Fills a pattern edge by edge.
class Maker {
 public:
  Maker(const NcclPatternPlan& plan, const Fabric& fabric, const Communicator& communicator)
      : plan_(plan), fabric_(fabric), communicator_(communicator) {
    pattern_.ranks = communicator.gpu;
    pattern_.classes.resize(2);
  }

  std::uint32_t ranks() const { return static_cast<std::uint32_t>(communicator_.members.size()); }
  VertexId Gpu(int rank) const { return communicator_.members[static_cast<std::size_t>(rank)].gpu; }
  std::uint32_t RankOf(int rank) const {
    return communicator_.members[static_cast<std::size_t>(rank)].rank;
  }
  VertexId Switch(int rank) const {
    const VertexId nvswitch = fabric_.host(fabric_.vertex(Gpu(rank)).host).nvswitch;
    WEFT_CHECK(nvswitch != kNoVertex);
    return nvswitch;
  }

  // `share` of the operation's payload on every edge; `link_edges` and `net_edges` of the longest
  // way, over which the closed form's steps are dealt.
  void Set(WireRatio share, int channels, int link_edges, int net_edges) {
    const WireRatio protocol = ProtocolWire(plan_.which.protocol);
    const WireRatio wire = ReducedRatio(std::uint64_t{share.num} * protocol.num,
                                        std::uint64_t{share.den} * protocol.den);
    edge_.wire_num = wire.num;
    edge_.wire_den = wire.den;
    const double of_wire = static_cast<double>(wire.num) / wire.den;
    pattern_.channels = static_cast<std::uint16_t>(channels);
    pattern_.classes[kLink] = {Step(plan_.time.link_steps_us, link_edges, kUsualLink),
                               Cap(plan_.time.link_rate, of_wire)};
    pattern_.classes[kNet] = {Step(plan_.time.net_steps_us, net_edges, kUsualPath),
                              Cap(plan_.time.net_rate, of_wire)};
  }

  void Reserve(std::size_t edges, std::size_t feeds) {
    pattern_.edges.reserve(edges);
    pattern_.feeds.reserve(feeds);
  }

  Edge& Next() { return edge_; }
  Pattern& pattern() { return pattern_; }
  std::uint32_t edge_count() const { return static_cast<std::uint32_t>(pattern_.edges.size()); }

  void Feed(std::uint32_t edge, std::int32_t lag = 0) {
    pattern_.feeds.push_back({edge, lag});
    ++feeds_;
  }
  // With the feeds given since the last edge. Returns its row.
  std::uint32_t Add(VertexId from, VertexId to, int channel) {
    const bool inside = fabric_.vertex(from).host == fabric_.vertex(to).host;
    edge_.from = from;
    edge_.to = to;
    edge_.channel = static_cast<std::uint16_t>(channel);
    edge_.edge_class = inside ? kLink : kNet;
    edge_.qps = inside ? 1 : plan_.qps;
    edge_.feed_count = feeds_;
    edge_.first_feed = static_cast<std::uint32_t>(pattern_.feeds.size()) - feeds_;
    feeds_ = 0;
    pattern_.edges.push_back(edge_);
    return edge_count() - 1;
  }

 private:
  const NcclPatternPlan& plan_;
  const Fabric& fabric_;
  const Communicator& communicator_;
  Pattern pattern_;
  Edge edge_;
  std::uint32_t feeds_ = 0;
};

void MakeRing(const NcclPatternPlan& plan, Maker& maker) {
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
void MakeFlow(const NcclPatternPlan& plan, Maker& maker) {
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
// door. Reduce-scatter goes the same ways backwards. [NCCL 2.28.9 src/include/collectives.h]
void MakePat(const NcclPatternPlan& plan, Maker& maker) {
  const std::uint32_t n = maker.ranks();
  const bool gather = plan.op == CollectiveSpec::ALL_GATHER;
  Pattern& pattern = maker.pattern();
  pattern.slices = n;
  maker.Set({1, n}, 1, 1, plan.which.net_steps);
  maker.Reserve(std::size_t{n} * (n - 1), std::size_t{n} * (n - 1));
  maker.Next().reduce_steps = gather ? 0 : 1;
  for (std::uint32_t s = 0; s < n; ++s) {
    const std::uint32_t first = maker.edge_count() - 1;  // the edge of offset x is first + x
    const auto gpu = [&](std::uint32_t x) { return maker.Gpu(static_cast<int>((s + x) % n)); };
    pattern.slice_owner.push_back(maker.RankOf(static_cast<int>(s)));
    maker.Next().first_slice = s;
    for (std::uint32_t x = 1; x < n; ++x) {
      const std::uint32_t bit = x & (~x + 1), parent = x - bit;
      if (gather) {
        if (parent > 0) maker.Feed(first + parent);
        maker.Add(gpu(parent), gpu(x), 0);
      } else {
        for (std::uint32_t d = 1; d < bit && x + d < n; d *= 2) maker.Feed(first + x + d);
        maker.Add(gpu(x), gpu(parent), 0);
      }
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
void MakeTree(const NcclPatternPlan& plan, Maker& maker) {
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

// One head of every node on one tree. Edges in order: every node's GPUs to its switch; switch to
// head; up the tree; down the tree; head to switch; switch to GPUs.
class HeadChannel {
 public:
  HeadChannel(const NcclPatternPlan& plan, Maker& maker, int channel, int head, bool second)
      : comm_(*plan.comm), op_(plan.op), maker_(maker), channel_(channel), head_(head) {
    const auto nodes = static_cast<std::size_t>(comm_.nodes);
    for (std::size_t node = 0; node < nodes; ++node)
      tree_.push_back(NcclTreeOver(comm_.nodes, static_cast<int>(node), second));
    sum_.resize(nodes);
    up_.resize(nodes);
    down_.resize(nodes);
  }

  void Make() {
    if (op_ != CollectiveSpec::ALL_GATHER) Gather();
    if (comm_.nodes > 1) Cross();
    if (op_ != CollectiveSpec::REDUCE_SCATTER) Spread();
  }

 private:
  int Rank(int node, int gpu) const { return node * comm_.per_node + gpu; }
  int Head(int node) const { return Rank(node, head_); }
  std::size_t Row(int node) const { return static_cast<std::size_t>(node); }

  void Gather() {
    const std::uint32_t first = maker_.edge_count();
    maker_.Next().reduce_steps = 1;
    for (int node = 0; node < comm_.nodes; ++node)
      for (int gpu = 0; gpu < comm_.per_node; ++gpu)
        maker_.Add(maker_.Gpu(Rank(node, gpu)), maker_.Switch(Rank(node, gpu)), channel_);
    maker_.Next().reduce_steps = 0;
    for (int node = 0; node < comm_.nodes; ++node) {
      for (int gpu = 0; gpu < comm_.per_node; ++gpu)
        maker_.Feed(first + static_cast<std::uint32_t>(Rank(node, gpu)));
      sum_[Row(node)] = maker_.Add(maker_.Switch(Head(node)), maker_.Gpu(Head(node)), channel_);
    }
  }

  // A node's sum is there once its own is and its children's have come in. What a child sends may
  // only be added to the parent's own sum, which waits for neither.
  void FeedFromSums(int node) {
    maker_.Feed(sum_[Row(node)]);
    for (const int child : {tree_[Row(node)].first, tree_[Row(node)].second})
      if (child >= 0) maker_.Feed(up_[Row(child)]);
  }

  void Cross() {
    std::uint32_t row = maker_.edge_count();
    for (int node = 0; node < comm_.nodes; ++node)
      if (tree_[Row(node)].parent >= 0) up_[Row(node)] = row++;
    maker_.Next().reduce_steps = 1;
    for (int node = 0; node < comm_.nodes; ++node) {
      const int parent = tree_[Row(node)].parent;
      if (parent < 0) continue;
      FeedFromSums(node);
      maker_.Feed(sum_[Row(parent)]);
      maker_.Add(maker_.Gpu(Head(node)), maker_.Gpu(Head(parent)), channel_);
    }
    for (int node = 0; node < comm_.nodes; ++node)
      if (tree_[Row(node)].parent >= 0) down_[Row(node)] = row++;
    maker_.Next().reduce_steps = 0;
    for (int node = 0; node < comm_.nodes; ++node) {
      const int parent = tree_[Row(node)].parent;
      if (parent < 0) continue;
      FeedResult(parent);
      maker_.Add(maker_.Gpu(Head(parent)), maker_.Gpu(Head(node)), channel_);
    }
  }

  // The whole sum is at the node's head.
  void FeedResult(int node) {
    if (tree_[Row(node)].parent >= 0)
      maker_.Feed(down_[Row(node)]);
    else
      FeedFromSums(node);
  }

  void Spread() {
    const std::uint32_t first = maker_.edge_count();
    maker_.Next().reduce_steps = 0;
    for (int node = 0; node < comm_.nodes; ++node) {
      if (op_ != CollectiveSpec::ALL_GATHER) FeedResult(node);
      maker_.Add(maker_.Gpu(Head(node)), maker_.Switch(Head(node)), channel_);
    }
    for (int node = 0; node < comm_.nodes; ++node)
      for (int gpu = 0; gpu < comm_.per_node; ++gpu) {
        maker_.Feed(first + static_cast<std::uint32_t>(node));
        maker_.Add(maker_.Switch(Rank(node, gpu)), maker_.Gpu(Rank(node, gpu)), channel_);
      }
  }

  const NcclComm& comm_;
  CollectiveSpec::Op op_;
  Maker& maker_;
  int channel_, head_;
  std::vector<NcclTreeRow> tree_;               // [nodes]
  std::vector<std::uint32_t> sum_, up_, down_;  // [nodes] edges
};

void MakeNvls(const NcclPatternPlan& plan, Maker& maker) {
  const NcclComm& comm = *plan.comm;
  const int heads = static_cast<int>(comm.nvls.channels()), trees = comm.nodes > 1 ? 2 : 1;
  const int channels = heads * trees;
  const bool both = plan.op == CollectiveSpec::ALL_REDUCE;
  maker.Set(ReducedRatio(1, static_cast<std::uint64_t>(channels)), channels, both ? 4 : 2,
            plan.which.net_steps);
  const auto nodes = static_cast<std::size_t>(comm.nodes * channels);
  const auto per_node = static_cast<std::size_t>(comm.per_node);
  maker.Reserve(nodes * (2 * per_node + 4), nodes * (2 * per_node + 8));
  for (int c = 0; c < channels; ++c) {
    const int head = static_cast<int>(comm.nvls.gpus[static_cast<std::size_t>(c / trees)].front());
    maker.pattern().slice_owner.push_back(maker.RankOf(head));
    HeadChannel(plan, maker, c, head, c % trees == 1).Make();
  }
}

// A rank's rounds; in round k everyone sends to the k-th of its order.
void MakeAllToAll(const NcclPatternPlan& plan, Maker& maker) {
  const NcclComm& comm = *plan.comm;
  const std::uint32_t n = maker.ranks();
  Pattern& pattern = maker.pattern();
  pattern.advance = Pattern::Advance::kRounds;
  pattern.window = kPeersAtOnce;
  pattern.slices = n * n;
  for (std::uint32_t from = 0; from < n; ++from)
    pattern.slice_owner.insert(pattern.slice_owner.end(), n, maker.RankOf(static_cast<int>(from)));
  maker.Set({1, n}, 1, 1, plan.which.net_steps * static_cast<int>(plan.which.peers_at_once));
  // A step is one round; caps are those of all rounds in flight.
  pattern.classes[kNet].step =
      Step(plan.time.net_steps_us, static_cast<int>(plan.which.peers_at_once), kUsualPath);
  const auto at_once = [](int peers) { return std::min<double>(kPeersAtOnce, peers); };
  const double links = comm.per_node > 1 ? at_once(comm.per_node - 1) : 1;
  const double nets = comm.nodes > 1 ? at_once(comm.ranks() - comm.per_node) : 1;
  const double inside = static_cast<double>(comm.per_node - 1) / n;
  const double outside = static_cast<double>(comm.ranks() - comm.per_node) / n;
  pattern.classes[kLink].cap = Cap(plan.time.link_rate * inside, 1 / links);
  pattern.classes[kNet].cap = Cap(plan.time.net_rate * outside, 1 / nets);
  maker.Reserve(std::size_t{n} * (n - 1), 0);
  for (std::uint32_t from = 0; from < n; ++from) {
    const std::vector<int> order = NcclSendOrder(comm, static_cast<int>(from));
    for (std::uint32_t round = 1; round < n; ++round) {
      Edge& edge = maker.Next();
      edge.round = static_cast<std::uint16_t>(round - 1);
      edge.first_slice = from * n + static_cast<std::uint32_t>(order[round]);
      maker.Add(maker.Gpu(static_cast<int>(from)), maker.Gpu(order[round]), 0);
    }
  }
}

void MakeSendRecv(const NcclPatternPlan& plan, const Communicator& communicator, Maker& maker) {
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
      return true;
    case Kind::kPat:
      return plan.comm->ranks() <= kMostPatRanks;
    case Kind::kNvls:  // a head a block
      return plan.op == CollectiveSpec::ALL_REDUCE ||
             plan.comm->nvls.channels() == static_cast<std::uint32_t>(plan.comm->per_node);
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
  Maker maker(plan, fabric, communicator);
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
    case Kind::kNvls:
    case Kind::kNvlsTree:
      MakeNvls(plan, maker);
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
    case Kind::kNvls:
    case Kind::kNvlsTree:
      return (nodes > 1 ? 2 : 1) * heads * (2 * ranks + 4 * nodes);
    case Kind::kSends:
      return plan.op == CollectiveSpec::SEND_RECV ? channels * ranks : ranks * ranks;
    case Kind::kPat:
      return ranks * (ranks - 1);
    default:
      return channels * ranks;
  }
}

SimDuration NcclLaunch(const NcclPatternPlan& plan) {
  return FromSecondsUp(plan.time.once_us * 1e-6);
}

}  // namespace weft
