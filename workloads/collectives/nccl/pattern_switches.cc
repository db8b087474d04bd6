#include <map>

#include "base/check.h"
#include "workloads/collectives/nccl/pattern_internal.h"
#include "workloads/collectives/nccl/shape.h"
#include "workloads/collectives/nccl/switch_tree.h"

namespace weft {
namespace {

using Kind = NcclTimeCase::Kind;

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
  SwitchCrossing(PatternMaker& maker, const NcclPatternPlan& plan, const std::vector<int>& heads,
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

  PatternMaker& maker_;
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
void PushOwners(const SwitchCrossing& crossing, PatternMaker& maker) {
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

// One head of every node on one tree. Edges in order: every node's GPUs to its switch; switch to
// head; up the tree; down the tree; head to switch; switch to GPUs.
class HeadChannel {
 public:
  HeadChannel(const NcclPatternPlan& plan, PatternMaker& maker, int channel, int head, bool second)
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
  PatternMaker& maker_;
  int channel_, head_;
  std::vector<NcclTreeRow> tree_;               // [nodes]
  std::vector<std::uint32_t> sum_, up_, down_;  // [nodes] edges
};

}  // namespace

int SwitchChannels(const NcclPatternPlan& plan, const Fabric& fabric,
                   const Communicator& communicator) {
  const auto algorithm = plan.which.choice->algorithm;
  const auto heads = static_cast<int>(plan.comm->GraphOf(algorithm).channels());
  const int channels =
      algorithm == NcclAlgorithm::kCollNetChain ? plan.which.choice->channels : heads;
  const std::uint32_t ports = SwitchPorts(fabric, communicator.members.front().gpu);
  return std::max(channels, heads * static_cast<int>(std::max(1U, ports)));
}

// Per channel a chain into each node's head, the switches, and the chain back.
void MakeCollNetChain(const NcclPatternPlan& plan, int channels, PatternMaker& maker) {
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
void MakeCollNetDirect(const NcclPatternPlan& plan, int channels, PatternMaker& maker) {
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

void MakeNvls(const NcclPatternPlan& plan, int channels, PatternMaker& maker) {
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

}  // namespace weft
