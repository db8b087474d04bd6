#include "workloads/collectives/nccl/time.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "base/ceil_div.h"
#include "base/check.h"
#include "workloads/collectives/nccl/sends_internal.h"
#include "workloads/collectives/nccl/shape.h"
#include "workloads/collectives/nccl/shares_internal.h"

namespace weft {
namespace {

using Kind = NcclTimeCase::Kind;
using Bound = CollectiveTime::Bound;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

// A duration in us, a rate in GB/s.
double Us(double bytes, double rate) { return bytes / (1000 * rate); }

// All NICs that the graph's channels use, at the rate at which the busiest of them lets the whole
// go: a NIC that carries two of eight channels carries a quarter of the bytes.
double NicRate(const NcclGraph& graph, const HostPart& host) {
  std::map<std::uint32_t, int> in, out;
  int most = 1;
  for (const auto& [enter, leave] : graph.nets) {
    most = std::max(most, ++in[enter]);
    most = std::max(most, ++out[leave]);
  }
  const double channels = std::max<double>(1, static_cast<double>(graph.nets.size()));
  return Gigabytes(std::min(host.nic(), host.pcie)) * channels / most;
}

// A GPU's line rate to the others: NVLinks that lead to GPUs of the communicator, or PCIe.
double LinkRate(const NcclComm& comm, const HostPart& host, double rings) {
  if (host.nvlink.bits_per_second() <= 0) return Gigabytes(host.pcie);
  const double all = Gigabytes(host.nvlink);
  if (host.nvlink_shape == HostSpec::NVLINK_SHAPE_SWITCH || comm.per_node == host.gpus) return all;
  if (host.nvlink_shape == HostSpec::NVLINK_SHAPE_ALL_TO_ALL)
    return all * (comm.per_node - 1) / (host.gpus - 1);
  const double line = host.nvlinks > 0 ? all / host.nvlinks : all;
  const double assumed = static_cast<double>(NvlinkRate(*comm.rules, comm.compute_capability));
  return std::min(all, rings * line / assumed);
}

// Hops from the deepest host of a double tree, or of PAT's, to the root; NCCL's own estimate rounds
// log2 down.
int TreeDepth(int nodes) {
  return static_cast<int>(std::bit_width(static_cast<unsigned>(nodes) - 1));
}

// What the busiest host of a double tree sends to others, per byte of the operation.
double TreeHostBytes(int nodes) {
  double most = 0;
  for (int row = 0; row < nodes; ++row) {
    double sends = 0;
    for (const bool second : {false, true}) {
      const NcclTreeRow tree = NcclTreeOver(nodes, row, second);
      for (const int peer : {tree.parent, tree.first, tree.second}) sends += peer >= 0 ? 0.5 : 0;
    }
    most = std::max(most, sends);
  }
  return most;
}

// What the busiest GPU of the trees' chains sends to its neighbours, per byte of the operation: to
// both but at a chain's ends, which may change from channel to channel.
double ChainBytes(const NcclComm& comm, const NcclGraph& graph) {
  std::vector<int> sends(static_cast<std::size_t>(comm.per_node), 0);
  for (const auto& chain : graph.gpus)
    for (std::size_t i = 0; i < chain.size(); ++i)
      sends[chain[i]] += (i > 0 ? 1 : 0) + (i + 1 < chain.size() ? 1 : 0);
  return static_cast<double>(*std::max_element(sends.begin(), sends.end())) /
         std::max<double>(1, graph.channels());
}

// The share of a ring's edges that the busiest GPU has on NVLink: on the others it is the last of
// its host and sends by a NIC.
double RingLinkShare(const NcclComm& comm) {
  if (comm.nodes == 1 || comm.per_node == 1) return comm.per_node == 1 ? 0 : 1;
  std::vector<int> last(static_cast<std::size_t>(comm.per_node), 0);
  for (const auto& gpus : comm.ring.gpus) ++last[gpus.back()];
  return 1 -
         static_cast<double>(*std::min_element(last.begin(), last.end())) / comm.ring.channels();
}

void SetRing(const NcclComm& comm, NcclOp op, NcclTimeCase& out) {
  const int ranks = comm.ranks();
  if (op == NcclOp::kBroadcast || op == NcclOp::kReduce) {
    out.kind = Kind::kFlow;
    out.chunk = std::min(out.chunk, out.bytes / out.channels);
    out.steps = 1;
    out.net_steps = comm.nodes > 1 ? 1 : 0;
    out.link_bytes = out.bytes * RingLinkShare(comm);
    out.net_bytes = comm.nodes > 1 ? out.bytes : 0;
    return;
  }
  out.kind = Kind::kRing;
  out.steps = (op == NcclOp::kAllReduce ? 2 : 1) * (ranks - 1);
  out.net_steps = comm.nodes > 1 ? static_cast<int>(CeilDiv(out.steps, comm.per_node)) : 0;
  const double carried = out.bytes * out.steps / ranks;
  out.link_bytes = carried * RingLinkShare(comm);
  out.net_bytes = comm.nodes > 1 ? carried : 0;
  out.own_block = out.bytes / ranks;
  out.chunk = std::min(out.chunk, out.bytes / ranks / out.channels);
}

void SetTree(const NcclComm& comm, NcclTimeCase& out) {
  out.kind = Kind::kTree;
  out.net_steps = 2 * TreeDepth(comm.nodes);
  out.steps = 2 * (comm.per_node - 1) + out.net_steps;
  out.link_bytes = out.bytes * ChainBytes(comm, comm.tree);
  out.net_bytes = comm.nodes > 1 ? out.bytes * TreeHostBytes(comm.nodes) : 0;
  out.chunk = std::min(out.chunk, out.bytes / out.channels);
}

constexpr int kSwitchSteps = 2;         // to the switches, and back
constexpr double kSwitchFlushes = 0.5;  // what comes back

// Of a network that reduces, the busier way. A gather goes one way as a block a host and the
// other as all blocks, the host's own among them [NCCL 2.28.9 src/transport/coll_net.cc].
double SwitchBytes(const NcclComm& comm, double bytes) { return comm.nodes == 1 ? 0 : bytes; }

void SetNvls(const NcclComm& comm, NcclOp op, bool tree, NcclTimeCase& out) {
  out.kind = tree ? Kind::kNvlsTree : Kind::kNvls;
  out.heads = comm.nvls.channels();
  out.net_steps = tree ? 2 * TreeDepth(comm.nodes) : comm.nodes > 1 ? kSwitchSteps : 0;
  out.steps = out.net_steps + 1;
  if (!tree) out.flushes *= kSwitchFlushes;
  // An all-reduce reads the sum of 1/P and receives the sums of all.
  out.link_bytes = out.bytes * (op == NcclOp::kAllReduce ? 1 + 1.0 / comm.per_node : 1);
  out.net_bytes = tree ? out.bytes * TreeHostBytes(comm.nodes) : SwitchBytes(comm, out.bytes);
  out.chunk = std::min(out.chunk, out.bytes / out.heads / out.channels);
}

void SetCollNet(const NcclComm& comm, NcclOp op, NcclAlgorithm algorithm, NcclTimeCase& out) {
  out.kind = Kind::kCollNet;
  out.net_steps = kSwitchSteps;
  out.flushes *= kSwitchFlushes;
  out.net_bytes = SwitchBytes(comm, out.bytes);
  const double peers = comm.per_node - 1;
  if (algorithm == NcclAlgorithm::kCollNetChain) {
    out.steps = 2 * (comm.per_node - 1) + out.net_steps;
    out.link_bytes = out.bytes * ChainBytes(comm, comm.collnet_chain);
  } else {
    // A head sends its sum to all others, and its part of theirs to every other head.
    const double heads = comm.collnet_direct.channels();
    out.heads = heads;
    out.steps = (comm.per_node > 1 ? 2 : 0) + out.net_steps;
    const double sides = op == NcclOp::kAllReduce ? peers + heads - 1 : peers;
    out.link_bytes = comm.per_node > 1 ? out.bytes * sides / heads : 0;
  }
  out.chunk = std::min(out.chunk, out.bytes / out.channels);
}

void SetPat(const NcclComm& comm, NcclTimeCase& out) {
  out.kind = Kind::kPat;
  out.chunk = std::min(out.chunk, out.bytes / out.ranks / out.channels);
  out.steps = out.net_steps = std::max(1, TreeDepth(comm.nodes));
  out.net_bytes = out.bytes * (comm.ranks() - 1) / comm.ranks();
  out.own_block = out.bytes / comm.ranks();
}

// Whether a NIC must read back what it wrote into the GPU before that is told of it: always before
// Hopper [NCCL 2.28.9 src/graph/paths.cc ncclTopoNeedFlush].
bool NeedsFlush(const NcclComm& comm, const HostPart& host, const NcclGraph& graph) {
  // Where a GPU's way to its NIC is longer than a host bridge GPUDirect is off
  // [src/transport/net.cc]: the ring's way, for a tree may leave by a farther NIC on one side.
  if (comm.nodes == 1 || comm.ring.type_inter > NcclPath::kCpu) return false;
  if (comm.compute_capability < 90 || comm.rules->hopper_flushes) return true;
  return comm.rules->c2c_flushes && host.c2c.bits_per_second() > 0 &&
         graph.type_inter <= NcclPath::kPciMany;
}

// GB/s that the threads of a channel pass on at most with LL128, by NCCL's own model, where a found
// channel runs as two. Of rings what it says of one host, where no network is in it; of trees by
// how many hosts there are, for over more than two a block serves more peers, and all of them where
// one GPU has parent and children [NCCL 2.28.9 src/graph/tuning.cc perChMaxRingLL128Bws,
// perChMaxTreeLL128Bws].
double Ll128Channel(const NcclComm& comm, NcclAlgorithm algorithm) {
  constexpr double kOneGpuForAll = 0.85;
  const NcclRules& rules = *comm.rules;
  const auto generation = static_cast<std::size_t>(GenerationOf(rules, comm.compute_capability));
  if (algorithm != NcclAlgorithm::kTree) return rules.ring_ll128[generation][0] / 2;
  const auto by_size = static_cast<std::size_t>(std::clamp(comm.nodes, 1, 3) - 1);
  const bool plain = comm.tree.pattern == NcclGraph::Pattern::kTree;
  return rules.tree_ll128[generation][by_size] / 2 * (plain ? kOneGpuForAll : 1);
}

// The constants of one case, by name.
class Values {
 public:
  Values(const NcclTimeCase& which, const CollectiveConstants& constants)
      : gpu_(constants.values.data() + which.gpu_row),
        pcie_(constants.values.data() + FirstPcieRow()),
        net_(constants.values.data() + which.net_row),
        nvlink_(which.nvlink),
        through_cpu_(which.through_cpu),
        two_sided_(which.two_sided),
        flushes_(which.flushes),
        hop_share_(which.hop_share),
        protocol_(static_cast<std::size_t>(which.protocol)),
        eager_(which.eager > 0 && which.chunk <= which.eager * Wire()) {}

  double operator()(GpuConstant c) const { return gpu_[static_cast<std::size_t>(c)]; }
  double operator()(NetConstant c) const { return net_[static_cast<std::size_t>(c)]; }

  double LinkHop(bool tree = false) const {
    if (nvlink_ && tree && protocol_ == static_cast<std::size_t>(NcclProtocol::kSimple))
      return (*this)(GpuConstant::kTreeSimpleHop);
    constexpr std::array kNvlink = {GpuConstant::kLlHop, GpuConstant::kLl128Hop,
                                    GpuConstant::kSimpleHop};
    return nvlink_ ? (*this)(kNvlink[protocol_]) : pcie_[protocol_];
  }
  double NetHop(bool tree) const {
    if (eager_) return (*this)(NetConstant::kEagerHop) + Flush();
    constexpr std::array kRing = {NetConstant::kLlHop, NetConstant::kLl128Hop,
                                  NetConstant::kSimpleHop};
    constexpr std::array kTree = {NetConstant::kTreeLlHop, NetConstant::kTreeLl128Hop,
                                  NetConstant::kSimpleHop};
    return hop_share_ * (*this)((tree ? kTree : kRing)[protocol_]) + Flush();
  }
  double Flush() const { return hop_share_ * flushes_ * (*this)(NetConstant::kFlush); }
  double Start() const {
    const double more[] = {0, (*this)(GpuConstant::kLl128Start),
                           (*this)(GpuConstant::kSimpleStart)};
    return (*this)(GpuConstant::kLaunch) + more[protocol_];
  }
  double LinkEfficiency() const {
    const double share[] = {(*this)(GpuConstant::kLlEfficiency),
                            (*this)(GpuConstant::kLl128Efficiency), 1};
    const double simple = nvlink_ ? (*this)(GpuConstant::kNvlinkEfficiency)
                                  : pcie_[static_cast<std::size_t>(PcieConstant::kEfficiency)];
    return simple * share[protocol_];
  }
  // Payload of what goes over the network.
  double Wire() const {
    constexpr double kWire[] = {0.5, 120.0 / 128, 1};
    return kWire[protocol_];
  }
  double NetEfficiency() const { return (*this)(NetConstant::kEfficiency)*Wire() * NetShare(); }
  // Of both efficiencies.
  double NetShare() const {
    return (through_cpu_ ? (*this)(NetConstant::kThroughCpu) : 1) *
           (two_sided_ ? (*this)(NetConstant::kTwoSided) : 1);
  }
  double Channel() const {
    return (*this)(GpuConstant::kChannel)*LinkEfficiency() /
           (nvlink_ ? (*this)(GpuConstant::kNvlinkEfficiency)
                    : pcie_[static_cast<std::size_t>(PcieConstant::kEfficiency)]);
  }
  Bound LinkBound() const { return nvlink_ ? Bound::kNvlink : Bound::kPcie; }

 private:
  const double *gpu_, *pcie_, *net_;
  bool nvlink_, through_cpu_, two_sided_;
  double flushes_, hop_share_;
  std::size_t protocol_;
  bool eager_;
};

// Rates of the whole operation's bytes over all channels: links, NICs, channels. GB/s of payload
// that passes an edge of a ring, or of the operation where edges differ.
struct Rates {
  double link = kNoLimit, net = kNoLimit;  // of the bytes each carries
  double all = kNoLimit;                   // of the operation's bytes
  Bound bound = Bound::kLatency;
};

void Narrow(double rate, Bound bound, Rates& rates) {
  if (rate >= rates.all) return;
  rates.all = rate;
  rates.bound = bound;
}

// A channel's threads pass on what goes to a NIC as they do what goes over a link: all that crosses
// an edge of a ring counts, and of a tree what goes up and what comes down.
void NarrowByThreads(const NcclTimeCase& c, Rates& rates) {
  if (c.protocol != NcclProtocol::kLl128 || !(c.ll128_channel > 0) || !(c.bytes > 0)) return;
  const double edge = c.kind == Kind::kRing   ? c.bytes * c.steps / c.ranks
                      : c.kind == Kind::kTree ? 2 * c.bytes
                                              : c.bytes;
  const double all = c.channels * c.ll128_channel * c.bytes / edge;
  if (c.link_bytes > 0) rates.link = std::min(rates.link, all * c.link_bytes / c.bytes);
  if (c.net_bytes > 0) rates.net = std::min(rates.net, all * c.net_bytes / c.bytes);
  Narrow(all, Bound::kChannel, rates);
}

Rates RatesOf(const NcclTimeCase& c, const Values& v, double link_efficiency) {
  Rates rates;
  if (c.link_bytes > 0) {
    rates.link = c.link_rate * link_efficiency;
    Narrow(rates.link * c.bytes / c.link_bytes, v.LinkBound(), rates);
    if (c.kind == Kind::kRing || c.kind == Kind::kFlow || c.kind == Kind::kTree ||
        c.kind == Kind::kCollNet) {
      const double channels = c.channels * v.Channel();
      if (channels < rates.link) {
        rates.link = channels;
        Narrow(channels * c.bytes / c.link_bytes, Bound::kChannel, rates);
      }
    }
  }
  if (c.net_bytes > 0) {
    rates.net = c.net_rate * v.NetEfficiency();
    Narrow(rates.net * c.bytes / c.net_bytes, Bound::kNic, rates);
  }
  NarrowByThreads(c, rates);
  return rates;
}

// The copy that only an operation out of place makes.
double OwnBlock(const NcclTimeCase& c, const Values& v) {
  return Us(c.own_block, v(GpuConstant::kCopy));
}

// `steps` is shared out by the ways over links and NICs, `walk_link` and `walk_net`.
CollectiveTime Finish(const NcclTimeCase& c, const Values& v, const Rates& rates, double once,
                      double steps, double walk_link, double walk_net) {
  CollectiveTime t;
  t.once_us = once;
  t.bytes_us = rates.all < kNoLimit ? Us(c.bytes, rates.all) : 0;
  t.us = once + t.bytes_us + steps;
  t.in_place_us = t.us - OwnBlock(c, v);
  const double walk = walk_link + walk_net;
  if (walk > 0) t.link_steps_us = steps * walk_link / walk;
  if (walk > 0) t.net_steps_us = steps * walk_net / walk;
  if (c.link_bytes > 0) t.link_rate = rates.link * c.bytes / c.link_bytes;
  if (c.net_bytes > 0) t.net_rate = rates.net * c.bytes / c.net_bytes;
  t.bound = t.bytes_us * 2 < t.us ? Bound::kLatency : rates.bound;
  return t;
}

// Every rank moves a chunk a step, Simple in two slices. A rank is busy for the whole chunk; the
// step after at the next rank begins a slice and a hop later: the longer way counts.
CollectiveTime RingTime(const NcclTimeCase& c, const Values& v) {
  const Rates rates = RatesOf(c, v, v.LinkEfficiency());
  const double edge = c.bytes * c.steps / c.ranks;  // what all channels carry on an edge
  const double carried = edge / c.channels;
  const double link_rate =
      c.link_bytes > 0 ? rates.link * edge / c.link_bytes / c.channels : kNoLimit;
  const double net_rate = rates.net / c.channels;
  const double slowest = std::min(link_rate, net_rate);
  const double once = v.Start() + OwnBlock(c, v);
  const int link_steps = c.steps - c.net_steps;
  if (c.protocol != NcclProtocol::kSimple) {
    // With LL what all threads store at once waits for the step before, and the rest of a chunk
    // follows. With LL128 nothing of a step is seen to hide behind a chunk: 2 to 16 GPUs gather 1
    // to 32 MiB in the time of the steps and that of the bytes [AIC, ALCF-NCCL].
    constexpr double kAtOnce = 4096;
    const double hidden =
        c.protocol == NcclProtocol::kLl ? Us(std::max(0.0, c.chunk - kAtOnce), slowest) : 0;
    const double link = link_steps * std::max(0.0, v.LinkHop() - hidden);
    const double net = c.net_steps * std::max(0.0, v.NetHop(false) - hidden);
    return Finish(c, v, rates, once, link + net, link, net);
  }
  constexpr double kLeastSlice = 32 << 10;
  const double slice = std::max(c.chunk / 2, std::min(c.chunk, kLeastSlice));
  const double more = v(GpuConstant::kSlice);
  const double link = link_steps * (Us(slice, link_rate) + more + v.LinkHop());
  const double net =
      c.net_steps > 0 ? c.net_steps * (Us(slice, net_rate) + more + v.NetHop(false)) : 0;
  const double busy = c.steps * (c.chunk / slice) * (Us(slice, slowest) + more);
  const double slices = carried / slice * more;
  const double last = Us(slice * c.channels, v(GpuConstant::kCopy));
  return Finish(c, v, rates, once + last + slices, std::max(0.0, link + net - busy), link, net);
}

CollectiveTime FlowTime(const NcclTimeCase& c, const Values& v) {
  const Rates rates = RatesOf(c, v, v.LinkEfficiency());
  const double hop = c.net_steps > 0 ? v.NetHop(false) : v.LinkHop();
  return Finish(c, v, rates, v.Start(), hop, c.net_steps > 0 ? 0 : hop, c.net_steps > 0 ? hop : 0);
}

// A chunk crosses every step once; the others follow at the narrowest step's pace.
CollectiveTime TreeTime(const NcclTimeCase& c, const Values& v) {
  const double efficiency = v.LinkEfficiency() * v(GpuConstant::kTreeEfficiency);
  const Rates rates = RatesOf(c, v, efficiency);
  const double whole = c.chunk * c.channels;  // a chunk of every channel
  const double link =
      (c.steps - c.net_steps) *
      (v.LinkHop(true) + (c.link_bytes > 0 ? Us(whole, c.link_rate * v.LinkEfficiency()) : 0));
  const double net = c.net_steps > 0 ? c.net_steps * (v.NetHop(true) + Us(whole, rates.net)) : 0;
  const double chunks = c.bytes / whole;
  const double more = c.protocol == NcclProtocol::kSimple ? chunks * v(GpuConstant::kSlice) : 0;
  return Finish(c, v, rates, v.Start() + more, link + net, link, net);
}

CollectiveTime NvlsTime(const NcclTimeCase& c, const Values& v) {
  const double efficiency =
      v(GpuConstant::kNvlsEfficiency) * (c.nodes > 1 ? v(GpuConstant::kNvlsAcross) : 1);
  Rates rates = RatesOf(c, v, efficiency);
  if (rates.bound == Bound::kNvlink) rates.bound = Bound::kNvls;
  const double round = c.heads * c.channels * c.chunk;
  const double rounds = std::ceil(c.bytes / round - 1e-9);
  // Reduction and broadcast of a round follow each other, as do the tree's levels.
  const double link = Us(round, rates.all);
  const double net = c.net_steps > 0 ? c.net_steps * (v.NetHop(true) + Us(round, rates.all)) : 0;
  const double once =
      v(GpuConstant::kLaunch) + v(GpuConstant::kNvlsStart) + rounds * v(GpuConstant::kNvlsLoop);
  return Finish(c, v, rates, once, link + net, link, net);
}

CollectiveTime PatTime(const NcclTimeCase& c, const Values& v) {
  constexpr double kPat = 0.75;  // of a ring's rate [NCCL 2.28.9 src/graph/tuning.cc]
  Rates rates = RatesOf(c, v, v.LinkEfficiency());
  rates.net *= kPat;
  rates.all *= kPat;
  const double once = v.Start() + OwnBlock(c, v);
  const double net = c.net_steps * v.NetHop(false);
  return Finish(c, v, rates, once, net, 0, net);
}

CollectiveTime SendTime(const NcclTimeCase& c, const Values& v) {
  Rates rates;
  if (c.link_bytes > 0) {
    const double efficiency = c.nvlink ? v(GpuConstant::kSendEfficiency) : v.LinkEfficiency();
    rates.link = c.link_rate * efficiency;
    double channels = kNoLimit;  // that the messages inside one host have
    if (c.nvlink && c.link_channels > 0)
      channels = c.protocol == NcclProtocol::kLl
                     ? v(GpuConstant::kSendLl)
                     : c.link_channels * v(GpuConstant::kSendLinkChannel);
    const Bound bound = channels < rates.link ? Bound::kChannel : v.LinkBound();
    rates.link = std::min(rates.link, channels);
    Narrow(rates.link * c.bytes / c.link_bytes, bound, rates);
  }
  const double near = c.nvlink ? c.near_channels * v(GpuConstant::kSendLinkChannel) : 0;
  if (near > 0) Narrow(near * c.bytes / c.near_bytes, Bound::kChannel, rates);
  if (c.net_bytes > 0) {
    const double nics = c.net_rate * v(NetConstant::kSendEfficiency) * v.NetShare();
    const double channels = c.send_channels * v(NetConstant::kSendChannel);
    rates.net = std::min(nics, channels);
    Narrow(rates.net * c.bytes / c.net_bytes, channels < nics ? Bound::kChannel : Bound::kNic,
           rates);
  }
  const double peer = c.channels * v(NetConstant::kSendChannel);
  if (c.peer_bytes > 0) Narrow(peer * c.bytes / c.peer_bytes, Bound::kChannel, rates);
  if (c.far_bytes > 0) Narrow(peer * c.at_once * c.bytes / c.far_bytes, Bound::kChannel, rates);
  if (c.through_bytes > c.link_bytes)
    Narrow(c.link_rate * v(GpuConstant::kSendEfficiency) * c.bytes / c.through_bytes, v.LinkBound(),
           rates);
  // A rank's own block is copied beside what moves: only what is left then counts. The last chunk
  // of every message is still to be copied out when all has arrived.
  const double moving = rates.all < kNoLimit ? Us(c.bytes, rates.all) : 0;
  const double copy = std::max(0.0, OwnBlock(c, v) - moving);
  const bool ll = c.protocol == NcclProtocol::kLl;
  const double copies = c.net_steps > 0 ? 2 * c.block_peers : 1;
  const double last = ll ? 0 : copies * Us(c.chunk, v.Channel());
  const double once = v(GpuConstant::kLaunch) + v(GpuConstant::kSendStart) +
                      (ll ? 0 : v(GpuConstant::kSendSimpleStart)) + copy + last;
  const double net = std::max(c.proxy, c.net_steps * c.peers_at_once * v.NetHop(false));
  CollectiveTime t = Finish(c, v, rates, once, net, 0, net);
  // What a rank keeps counts in the size: where it is most of it, dropping its copy would leave a
  // bus bandwidth that nothing has.
  t.in_place_us = t.us - std::min(copy, t.bytes_us);
  t.near_rate = near;
  if (c.peer_bytes > 0) t.peer_rate = peer;
  return t;
}

}  // namespace

NcclTimeCase MakeNcclTimeCase(const NcclComm& comm, const HostPart& host,
                              const NcclTimeQuestion& question, Bytes bytes) {
  NcclTimeCase out;
  out.bytes = static_cast<double>(bytes.count());
  out.ranks = comm.ranks();
  out.per_node = comm.per_node;
  out.nodes = comm.nodes;
  out.nvlink = host.nvlink.bits_per_second() > 0;
  out.gpu_row = static_cast<std::uint16_t>(
      FirstRow(GenerationOf(DefaultNcclRules(), comm.compute_capability)));
  out.net_row = static_cast<std::uint16_t>(FirstRow(host.transport));
  const double rings = comm.ring.channels() * static_cast<double>(comm.ring.rate_intra);
  out.link_rate = LinkRate(comm, host, rings);
  if (out.ranks < 2) {
    out.own_block = out.bytes;
    return out;
  }
  // A GPU on NVLink-C2C does not cross PCIe to reach the CPU.
  const auto through_cpu = [&](const NcclGraph& graph) {
    return comm.nodes > 1 && host.c2c.bits_per_second() <= 0 && graph.type_inter >= NcclPath::kCpu;
  };
  out.eager = static_cast<double>(EagerLimit(host.transport).count());
  out.two_sided = comm.two_sided;
  out.hop_share = EfaHopShare(host);
  if (!question.op) {
    out.through_cpu = through_cpu(comm.ring);
    out.flushes = NeedsFlush(comm, host, comm.ring) ? 1 : 0;
    SetNcclSends(comm, host, question, out);
    return out;
  }
  out.choice = ChooseNccl(comm, *question.op, bytes, question.forced);
  WEFT_CHECK(out.choice.has_value());
  out.protocol = out.choice->protocol;
  out.channels = out.choice->channels;
  out.ll128_channel = Ll128Channel(comm, out.choice->algorithm);
  out.chunk = std::max(1.0, static_cast<double>(out.choice->chunk.count()));
  out.net_rate = NicRate(comm.GraphOf(out.choice->algorithm), host);
  const NcclGraph& graph = comm.GraphOf(out.choice->algorithm);
  out.through_cpu = through_cpu(graph);
  if (out.protocol == NcclProtocol::kSimple && NeedsFlush(comm, host, graph)) out.flushes = 1;
  switch (out.choice->algorithm) {
    case NcclAlgorithm::kRing:
      SetRing(comm, *question.op, out);
      break;
    case NcclAlgorithm::kNvls:
    case NcclAlgorithm::kNvlsTree:
      SetNvls(comm, *question.op, out.choice->algorithm == NcclAlgorithm::kNvlsTree, out);
      break;
    case NcclAlgorithm::kPat:
      SetPat(comm, out);
      break;
    case NcclAlgorithm::kCollNetDirect:
    case NcclAlgorithm::kCollNetChain:
      SetCollNet(comm, *question.op, out.choice->algorithm, out);
      break;
    default:
      SetTree(comm, out);
  }
  return out;
}

CollectiveTime NcclTime(const NcclTimeCase& which, const CollectiveConstants& constants) {
  const Values v(which, constants);
  switch (which.kind) {
    case Kind::kRing:
      return RingTime(which, v);
    case Kind::kFlow:
      return FlowTime(which, v);
    case Kind::kTree:
    case Kind::kCollNet:
      return TreeTime(which, v);
    case Kind::kNvls:
    case Kind::kNvlsTree:
      return NvlsTime(which, v);
    case Kind::kPat:
      return PatTime(which, v);
    case Kind::kSends:
      return SendTime(which, v);
    case Kind::kAlone:
      break;
  }
  return Finish(which, v, {}, v(GpuConstant::kLaunch) + OwnBlock(which, v), 0, 0, 0);
}

std::vector<std::size_t> NcclTimeParameters(const NcclComm& comm, const HostPart& host) {
  std::vector<std::size_t> rows;
  const auto add = [&rows](std::size_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) rows.push_back(first + i);
  };
  add(FirstRow(GenerationOf(DefaultNcclRules(), comm.compute_capability)), kGpuConstants);
  if (host.nvlink.bits_per_second() <= 0) add(FirstPcieRow(), kPcieConstants);
  if (comm.nodes > 1) add(FirstRow(host.transport), NetRows(host.transport));
  return rows;
}

}  // namespace weft
