// What the files that fill NCCL's patterns share: the pattern being filled, edge by edge, and who
// fills what (pattern.h says what each is).
#pragma once

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/nccl/pattern.h"

namespace weft {

inline constexpr std::uint8_t kLinkRow = 0, kNetRow = 1,
                              kSwitchRow = 2;  // rows of Pattern::classes

// Wire bytes a byte of payload.
inline WireRatio ProtocolWire(NcclProtocol protocol) {
  if (protocol == NcclProtocol::kLl) return {2, 1};
  if (protocol == NcclProtocol::kLl128) return {16, 15};
  return {1, 1};
}

// What a step adds beyond a usual path.
inline SimDuration StepOver(double us, int steps, SimDuration usual) {
  if (steps == 0 || us <= 0) return SimDuration{};
  return std::max(SimDuration{}, FromSecondsUp(us * 1e-6 / steps) - usual);
}

// An operation's rate, GB/s, as the cap of an edge that carries num/den of its bytes.
inline BitRate RateCap(double rate, double share) {
  return rate > 0 ? BitRate::BitsPerSecond(rate * 8e9 * share) : BitRate();
}

// Fills a pattern edge by edge.
class PatternMaker {
 public:
  PatternMaker(const NcclPatternPlan& plan, const Fabric& fabric, const Communicator& communicator)
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
    pattern_.classes[kLinkRow] = {StepOver(plan_.time.link_steps_us, link_edges, kUsualLink),
                                  RateCap(plan_.time.link_rate, of_wire)};
    pattern_.classes[kNetRow] = {StepOver(plan_.time.net_steps_us, net_edges, kUsualPath),
                                 RateCap(plan_.time.net_rate, of_wire)};
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
    edge_.edge_class = between ? kSwitchRow : inside ? kLinkRow : kNetRow;
    edge_.qps = inside || at == kNoHost || then == kNoHost ? 1 : plan_.qps;
    if (between) pattern_.classes.resize(kSwitchRow + 1);  // no step, no cap
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

// Channels of a pattern that crosses switches: each of a head's ports carries its share, so there
// is one for every head and port at least, channel c by port c / heads.
int SwitchChannels(const NcclPatternPlan& plan, const Fabric& fabric,
                   const Communicator& communicator);

// pattern_switches.cc
void MakeCollNetChain(const NcclPatternPlan& plan, int channels, PatternMaker& maker);
void MakeCollNetDirect(const NcclPatternPlan& plan, int channels, PatternMaker& maker);
void MakeNvls(const NcclPatternPlan& plan, int channels, PatternMaker& maker);

}  // namespace weft
