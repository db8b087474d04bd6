#include "workloads/collectives/nccl/pattern.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>

#include "base/ceil_div.h"
#include "base/check.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/nccl/shape.h"
#include "workloads/collectives/nccl/switch_tree.h"

namespace weft {
namespace {

using Kind = NcclTimeCase::Kind;

constexpr std::uint8_t kLink = 0, kNet = 1, kSwitches = 2;  // rows of Pattern::classes

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

  const Fabric& fabric() const { return fabric_; }
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
    all_ = wire;
    edge_.wire_num = wire.num;
    edge_.wire_den = wire.den;
    const double of_wire = static_cast<double>(wire.num) / wire.den;
    pattern_.channels = static_cast<std::uint16_t>(channels);
    pattern_.classes[kLink] = {Step(plan_.time.link_steps_us, link_edges, kUsualLink),
                               Cap(plan_.time.link_rate, of_wire)};
    pattern_.classes[kNet] = {Step(plan_.time.net_steps_us, net_edges, kUsualPath),
                              Cap(plan_.time.net_rate, of_wire)};
  }

  // The edges that follow carry slices [first, first + count), a step each, of what Set dealt.
  void Carry(std::uint32_t first, std::uint32_t count, bool reduce) {
    const WireRatio wire =
        ReducedRatio(std::uint64_t{all_.num} * count, std::uint64_t{all_.den} * pattern_.slices);
    edge_.wire_num = wire.num;
    edge_.wire_den = wire.den;
    edge_.first_slice = first;
    edge_.slice_stride = 1;
    edge_.steps = count;
    edge_.reduce_steps = reduce ? count : 0;
  }
  void CarryAll(bool reduce) { Carry(0, pattern_.slices, reduce); }

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
    const HostId at = fabric_.vertex(from).host, then = fabric_.vertex(to).host;
    const bool between = at == kNoHost && then == kNoHost;
    const bool inside = at == then && !between;
    edge_.from = from;
    edge_.to = to;
    edge_.channel = static_cast<std::uint16_t>(channel);
    edge_.edge_class = between ? kSwitches : inside ? kLink : kNet;
    edge_.qps = inside || at == kNoHost || then == kNoHost ? 1 : plan_.qps;
    if (between) pattern_.classes.resize(kSwitches + 1);  // no step, no cap
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
  WireRatio all_;  // wire bytes of all slices of a channel
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
// door. So a rank has one edge for every bit, from the rank `bit` before it, with the blocks
// s = rank − x of x = bit, 3·bit, 5·bit … < R. Reduce-scatter goes the same ways backwards, the
// furthest blocks first. [NCCL 2.28.9 src/include/collectives.h]
void MakePat(const NcclPatternPlan& plan, Maker& maker) {
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
  const EdgeClass all = pattern.classes[kNet];
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

// Channels of a pattern that crosses switches: each of a head's ports carries its share, so there
// is one for every head and port at least, channel c by port c / heads.
int SwitchChannels(const NcclPatternPlan& plan, const Fabric& fabric,
                   const Communicator& communicator) {
  const auto algorithm = plan.which.choice->algorithm;
  const auto heads = static_cast<int>(plan.comm->GraphOf(algorithm).channels());
  const int channels =
      algorithm == NcclAlgorithm::kCollNetChain ? plan.which.choice->channels : heads;
  const std::uint32_t ports = SwitchPorts(fabric, communicator.members.front().gpu);
  return std::max(channels, heads * static_cast<int>(std::max(1U, ports)));
}

std::uint32_t PortOf(const NcclGraph& graph, int channel) {
  return static_cast<std::uint32_t>(channel) / graph.channels();
}

// The edges after which something is there, of each node.
using EdgesOfNode = std::vector<std::vector<std::uint32_t>>;

// From the heads of all nodes up a tree of switches, and back. Slices of a gather are the heads'
// blocks, numbered so that what stands below a switch is a range:
//
//     all-reduce       one slice: its sum goes up and comes down
//     all-gather       a head's own block goes up, all blocks come down
//     reduce-scatter   sums of all blocks go up, a head's own comes down
class SwitchCrossing {
 public:
  SwitchCrossing(Maker& maker, const NcclPatternPlan& plan, const std::vector<int>& heads,
                 int channel, std::uint32_t port)
      : maker_(maker), op_(plan.op), heads_(heads), channel_(channel), port_(port) {
    std::vector<VertexId> gpus;
    for (const int head : heads) gpus.push_back(maker.Gpu(head));
    auto tree = FindSwitchTree(maker.fabric(), gpus, static_cast<std::uint32_t>(channel), port,
                               plan.at_start);
    WEFT_CHECK(tree.has_value());
    tree_ = *std::move(tree);
    place_.resize(heads.size());
    Number(tree_.root);
  }

  // [slices] the heads whose blocks they are.
  const std::vector<int>& order() const { return order_; }

  // `sums`: the edges by which a head has its node's sum; none where its own is all. Returns the
  // edges by which the result comes back to it.
  EdgesOfNode Cross(const EdgesOfNode& sums) {
    Up(sums);
    return Down();
  }

 private:
  struct Range {
    std::uint32_t first = 0, count = 0;
  };
  bool ups_are_own() const { return op_ == CollectiveSpec::ALL_GATHER; }
  bool downs_are_own() const { return op_ == CollectiveSpec::REDUCE_SCATTER; }

  void Number(VertexId at) {
    Range& range = below_[at];
    range.first = static_cast<std::uint32_t>(order_.size());
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      if (tree_.leaf_of_head[i] != at) continue;
      place_[i] = static_cast<std::uint32_t>(order_.size());
      order_.push_back(heads_[i]);
    }
    for (const SwitchTree::Hop& hop : tree_.hops)
      if (hop.parent == at) Number(hop.child);
    range.count = static_cast<std::uint32_t>(order_.size()) - range.first;
  }

  std::uint32_t AddEdge(VertexId from, VertexId to, std::uint16_t lane) {
    maker_.Next().lane = lane;
    const std::uint32_t edge = maker_.Add(from, to, channel_);
    maker_.Next().lane = 0;
    return edge;
  }
  void Carry(bool own, Range range, bool reduce) {
    own ? maker_.Carry(range.first, range.count, reduce) : maker_.CarryAll(reduce);
  }

  void Up(const EdgesOfNode& sums) {
    const bool reduce = !ups_are_own();
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      Carry(ups_are_own(), {place_[i], 1}, reduce);
      for (const std::uint32_t edge : sums[i]) maker_.Feed(edge);
      const VertexId leaf = tree_.leaf_of_head[i];
      into_[leaf].push_back(
          AddEdge(maker_.Gpu(heads_[i]), leaf, static_cast<std::uint16_t>(port_)));
    }
    for (const SwitchTree::Hop& hop : tree_.hops) {
      Carry(ups_are_own(), below_.at(hop.child), reduce);
      for (const std::uint32_t edge : into_[hop.child]) maker_.Feed(edge);
      into_[hop.parent].push_back(AddEdge(hop.child, hop.parent, tree_.lane));
    }
  }

  // A slice `first` and those after it wait for theirs at `at`.
  void FeedResult(VertexId at, std::uint32_t first) {
    const bool root = at == tree_.root;
    const auto ahead = downs_are_own() ? first - (root ? 0 : below_.at(at).first) : 0;
    const auto feed = [&](std::uint32_t edge) {
      maker_.Feed(edge, -static_cast<std::int32_t>(ahead));
    };
    if (!root) return feed(down_.at(at));
    for (const std::uint32_t edge : into_[at]) feed(edge);
  }

  EdgesOfNode Down() {
    for (auto hop = tree_.hops.rbegin(); hop != tree_.hops.rend(); ++hop) {
      const Range& below = below_.at(hop->child);
      Carry(downs_are_own(), below, false);
      FeedResult(hop->parent, below.first);
      down_[hop->child] = AddEdge(hop->parent, hop->child, tree_.lane);
    }
    EdgesOfNode result;
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      Carry(downs_are_own(), {place_[i], 1}, false);
      FeedResult(tree_.leaf_of_head[i], place_[i]);
      result.push_back({AddEdge(tree_.leaf_of_head[i], maker_.Gpu(heads_[i]),
                                static_cast<std::uint16_t>(port_))});
    }
    return result;
  }

  Maker& maker_;
  CollectiveSpec::Op op_;
  std::vector<int> heads_;  // [nodes]
  int channel_;
  std::uint32_t port_;
  SwitchTree tree_;
  std::vector<int> order_;            // [nodes]
  std::vector<std::uint32_t> place_;  // [nodes] in `order_`
  std::map<VertexId, Range> below_;   // slices of the heads below a switch
  std::map<VertexId, std::vector<std::uint32_t>> into_;
  std::map<VertexId, std::uint32_t> down_;
};

// Who has or gets each slice of a channel: of an all-reduce nobody in particular.
void PushOwners(const SwitchCrossing& crossing, Maker& maker) {
  Pattern& pattern = maker.pattern();
  for (std::uint32_t s = 0; s < pattern.slices; ++s)
    pattern.slice_owner.push_back(maker.RankOf(crossing.order()[s]));
}

// The heads of a channel of CollNet or NVLS, a rank a node.
std::vector<int> HeadsOf(const NcclComm& comm, const NcclGraph& graph, std::size_t channel) {
  const auto head = static_cast<int>(graph.gpus[channel % graph.channels()].front());
  std::vector<int> out;
  for (int node = 0; node < comm.nodes; ++node) out.push_back(node * comm.per_node + head);
  return out;
}

// Per channel a chain into each node's head, the switches, and the chain back.
void MakeCollNetChain(const NcclPatternPlan& plan, int channels, Maker& maker) {
  const NcclComm& comm = *plan.comm;
  const auto length = static_cast<std::size_t>(comm.per_node);
  maker.Set(ReducedRatio(1, static_cast<std::uint64_t>(channels)), channels,
            plan.which.steps - plan.which.net_steps, plan.which.net_steps);
  maker.pattern().slice_owner.assign(static_cast<std::size_t>(channels), 0);
  for (int c = 0; c < channels; ++c) {
    const auto row = static_cast<std::size_t>(c);
    const auto& chain = comm.collnet_chain.gpus[row % comm.collnet_chain.channels()];
    const auto rank = [&](int node, std::size_t i) {
      return maker.Gpu(node * comm.per_node + static_cast<int>(chain[i]));
    };
    EdgesOfNode sums(static_cast<std::size_t>(comm.nodes));
    maker.Next().reduce_steps = 1;
    for (int node = 0; node < comm.nodes; ++node)
      for (std::size_t i = length - 1; i > 0; --i) {
        std::vector<std::uint32_t>& last = sums[static_cast<std::size_t>(node)];
        for (const std::uint32_t edge : last) maker.Feed(edge);
        last = {maker.Add(rank(node, i), rank(node, i - 1), c)};
      }
    const EdgesOfNode result = SwitchCrossing(maker, plan, HeadsOf(comm, comm.collnet_chain, row),
                                              c, PortOf(comm.collnet_chain, c))
                                   .Cross(sums);
    for (int node = 0; node < comm.nodes; ++node)
      for (std::uint32_t i = 1, last = result[static_cast<std::size_t>(node)].front(); i < length;
           ++i) {
        maker.Feed(last);
        last = maker.Add(rank(node, i - 1), rank(node, i), c);
      }
  }
}

// Per head and port the parts of all GPUs of its node, the switches, and the sum to all; of a
// gather the half that it has. [NCCL 2.28.9 src/device/all_reduce.h, all_gather.h,
// reduce_scatter.h]
void MakeCollNetDirect(const NcclPatternPlan& plan, int channels, Maker& maker) {
  const NcclComm& comm = *plan.comm;
  if (plan.op != CollectiveSpec::ALL_REDUCE)
    maker.pattern().slices = static_cast<std::uint32_t>(comm.nodes);
  maker.Set({1, static_cast<std::uint32_t>(channels)}, channels,
            plan.which.steps - plan.which.net_steps, plan.which.net_steps);
  const auto others = [&](int node, int head, const auto& add) {
    for (int rank = node * comm.per_node; rank < (node + 1) * comm.per_node; ++rank)
      if (rank != head) add(rank);
  };
  for (int c = 0; c < channels; ++c) {
    const std::vector<int> head_of =
        HeadsOf(comm, comm.collnet_direct, static_cast<std::size_t>(c));
    SwitchCrossing crossing(maker, plan, head_of, c, PortOf(comm.collnet_direct, c));
    PushOwners(crossing, maker);
    EdgesOfNode sums(head_of.size());
    maker.CarryAll(true);
    for (int node = 0; node < comm.nodes && plan.op != CollectiveSpec::ALL_GATHER; ++node) {
      const auto row = static_cast<std::size_t>(node);
      others(node, head_of[row], [&](int rank) {
        sums[row].push_back(maker.Add(maker.Gpu(rank), maker.Gpu(head_of[row]), c));
      });
    }
    const EdgesOfNode result = crossing.Cross(sums);
    maker.CarryAll(false);
    for (int node = 0; node < comm.nodes && plan.op != CollectiveSpec::REDUCE_SCATTER; ++node) {
      const auto row = static_cast<std::size_t>(node);
      others(node, head_of[row], [&](int rank) {
        maker.Feed(result[row].front());
        maker.Add(maker.Gpu(head_of[row]), maker.Gpu(rank), c);
      });
    }
  }
}

// One head of every node on one tree. Edges in order: every node's GPUs to its switch; switch to
// head; up the tree; down the tree; head to switch; switch to GPUs.
class HeadChannel {
 public:
  HeadChannel(const NcclPatternPlan& plan, Maker& maker, int channel, int head, bool second)
      : plan_(plan),
        comm_(*plan.comm),
        op_(plan.op),
        switched_(plan.which.kind == Kind::kNvls && plan.comm->nodes > 1),
        maker_(maker),
        channel_(channel),
        head_(head) {
    const auto nodes = static_cast<std::size_t>(comm_.nodes);
    for (std::size_t node = 0; node < nodes; ++node)
      tree_.push_back(NcclTreeOver(comm_.nodes, static_cast<int>(node), second));
    sum_.resize(nodes);
    up_.resize(nodes);
    down_.resize(nodes);
  }

  void Make() {
    if (op_ != CollectiveSpec::ALL_GATHER) Gather();
    if (switched_)
      CrossSwitches();
    else if (comm_.nodes > 1)
      Cross();
    if (op_ != CollectiveSpec::REDUCE_SCATTER) Spread();
  }

 private:
  int Rank(int node, int gpu) const { return node * comm_.per_node + gpu; }
  int Head(int node) const { return Rank(node, head_); }
  std::size_t Row(int node) const { return static_cast<std::size_t>(node); }

  void Gather() {
    const std::uint32_t first = maker_.edge_count();
    maker_.CarryAll(true);
    for (int node = 0; node < comm_.nodes; ++node)
      for (int gpu = 0; gpu < comm_.per_node; ++gpu)
        maker_.Add(maker_.Gpu(Rank(node, gpu)), maker_.Switch(Rank(node, gpu)), channel_);
    maker_.CarryAll(false);
    for (int node = 0; node < comm_.nodes; ++node) {
      for (int gpu = 0; gpu < comm_.per_node; ++gpu)
        maker_.Feed(first + static_cast<std::uint32_t>(Rank(node, gpu)));
      sum_[Row(node)] = maker_.Add(maker_.Switch(Head(node)), maker_.Gpu(Head(node)), channel_);
    }
  }

  void CrossSwitches() {
    SwitchCrossing crossing(maker_, plan_,
                            HeadsOf(comm_, comm_.nvls, static_cast<std::size_t>(channel_)),
                            channel_, PortOf(comm_.nvls, channel_));
    PushOwners(crossing, maker_);
    EdgesOfNode sums(static_cast<std::size_t>(comm_.nodes));
    if (op_ != CollectiveSpec::ALL_GATHER)
      for (std::size_t node = 0; node < sums.size(); ++node) sums[node] = {sum_[node]};
    const EdgesOfNode result = crossing.Cross(sums);
    for (std::size_t node = 0; node < sums.size(); ++node) down_[node] = result[node].front();
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
    if (switched_ || tree_[Row(node)].parent >= 0)
      maker_.Feed(down_[Row(node)]);
    else
      FeedFromSums(node);
  }

  void Spread() {
    const std::uint32_t first = maker_.edge_count();
    maker_.CarryAll(false);
    for (int node = 0; node < comm_.nodes; ++node) {
      if (switched_ || op_ != CollectiveSpec::ALL_GATHER) FeedResult(node);
      maker_.Add(maker_.Gpu(Head(node)), maker_.Switch(Head(node)), channel_);
    }
    for (int node = 0; node < comm_.nodes; ++node)
      for (int gpu = 0; gpu < comm_.per_node; ++gpu) {
        maker_.Feed(first + static_cast<std::uint32_t>(node));
        maker_.Add(maker_.Switch(Rank(node, gpu)), maker_.Gpu(Rank(node, gpu)), channel_);
      }
  }

  const NcclPatternPlan& plan_;
  const NcclComm& comm_;
  CollectiveSpec::Op op_;
  bool switched_;  // the network reduces
  Maker& maker_;
  int channel_, head_;
  std::vector<NcclTreeRow> tree_;               // [nodes]
  std::vector<std::uint32_t> sum_, up_, down_;  // [nodes] edges
};

void MakeNvls(const NcclPatternPlan& plan, int channels, Maker& maker) {
  const NcclComm& comm = *plan.comm;
  const std::uint32_t heads = comm.nvls.channels();
  const bool tree = plan.which.kind == Kind::kNvlsTree;
  const bool both = plan.op == CollectiveSpec::ALL_REDUCE;
  const bool switched = !tree && comm.nodes > 1;
  if (switched && !both) maker.pattern().slices = static_cast<std::uint32_t>(comm.nodes);
  maker.Set(ReducedRatio(1, static_cast<std::uint64_t>(channels)), channels, both ? 4 : 2,
            plan.which.net_steps);
  const auto nodes = static_cast<std::size_t>(comm.nodes * channels);
  const auto per_node = static_cast<std::size_t>(comm.per_node);
  maker.Reserve(nodes * (2 * per_node + 4), nodes * (2 * per_node + 8));
  for (int c = 0; c < channels; ++c) {
    const std::size_t row = static_cast<std::size_t>(c) / (tree ? 2 : 1) % heads;
    const auto head = static_cast<int>(comm.nvls.gpus[row].front());
    if (!switched) maker.pattern().slice_owner.push_back(maker.RankOf(head));
    HeadChannel(plan, maker, c, head, tree && c % 2 == 1).Make();
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
  double net_cap = SendCap(nic_rate, net);
  if (plan.time.peer_rate > 0) net_cap = std::min(net_cap, plan.time.peer_rate);
  pattern.classes[kLink].cap = Cap(SendCap(link_rate, link), 1);
  pattern.classes[kNet].cap = Cap(net_cap, 1);
}

// A rank's rounds; in round k everyone sends to the k-th of its order.
void MakeAllToAll(const NcclPatternPlan& plan, Maker& maker) {
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

bool HasSwitchTrees(const NcclPatternPlan& plan, const Fabric& fabric,
                    const Communicator& communicator) {
  const NcclComm& comm = *plan.comm;
  const bool nvls = plan.which.kind == Kind::kNvls && comm.nodes > 1;
  if (!nvls && plan.which.kind != Kind::kCollNet) return true;
  const NcclGraph& graph = comm.GraphOf(plan.which.choice->algorithm);
  const int channels = SwitchChannels(plan, fabric, communicator);
  for (int c = 0; c < channels; ++c) {
    std::vector<VertexId> heads;
    for (const int rank : HeadsOf(comm, graph, static_cast<std::size_t>(c)))
      heads.push_back(communicator.members[static_cast<std::size_t>(rank)].gpu);
    if (!FindSwitchTree(fabric, heads, static_cast<std::uint32_t>(c), PortOf(graph, c),
                        plan.at_start))
      return false;
  }
  return true;
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
  std::vector<Bytes> out;
  out.reserve(pattern.edges.size());
  for (const Edge& edge : pattern.edges) out.push_back(Bytes(plan.matrix->bytes[edge.first_slice]));
  return out;
}

SimDuration NcclLaunch(const NcclPatternPlan& plan) {
  return FromSecondsUp(plan.time.once_us * 1e-6);
}

}  // namespace weft
