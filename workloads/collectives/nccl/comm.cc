#include "workloads/collectives/nccl/comm.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/check.h"
#include "workloads/collectives/nccl/cost_internal.h"
#include "workloads/collectives/nccl/system.h"

namespace weft {
namespace {

using Pattern = NcclGraph::Pattern;

int PowerOfTwoUp(int value) {
  return static_cast<int>(std::bit_ceil(static_cast<unsigned>(value)));
}

int NvlsChannels(const NcclComm& comm) {
  const NcclRules& rules = *comm.rules;
  if (GenerationOf(rules, comm.compute_capability) != GpuGeneration::kBlackwell)
    return rules.nvls_channels_hopper;
  return comm.nodes == 1 ? rules.nvls_channels_blackwell_one : rules.nvls_channels_blackwell;
}

void Search(const NcclSystem& system, NcclComm& comm) {
  const NcclRules& rules = *comm.rules;
  const auto half = static_cast<std::uint32_t>(rules.max_channels / 2);
  comm.ring = SearchNcclGraph(system, rules, Pattern::kRing, {1, half});
  const std::uint32_t rings = comm.ring.channels();
  comm.tree = SearchNcclGraph(system, rules, Pattern::kBalancedTree, {rings, rings});
  if (comm.collnet_on) {
    comm.collnet_chain = SearchNcclGraph(system, rules, Pattern::kTree, {rings, rings}, true);
    comm.collnet_direct =
        SearchNcclGraph(system, rules, Pattern::kCollNetDirect,
                        {1, static_cast<std::uint32_t>(rules.max_channels)}, true);
  }
  if (comm.per_node >= 2)
    comm.nvls = SearchNcclGraph(system, rules, Pattern::kNvls,
                                {1, static_cast<std::uint32_t>(rules.max_nvls_channels)});
  comm.nvls_on = comm.nvls.channels() > 0;
}

// Every channel found runs as two, trees as a pair of complementary ones.
void CountChannels(const NcclCommOptions& options, NcclComm& comm) {
  const int most = comm.rules->max_channels;
  const auto found = static_cast<int>(std::min(comm.ring.channels(), comm.tree.channels()));
  int channels = std::min(most, 2 * found);
  if (comm.collnet_on && comm.collnet_chain.rate_intra > comm.collnet_chain.rate_inter &&
      comm.per_node > 1)
    channels = std::min(most, channels + channels / 2);
  if (comm.compute_capability >= 90 && comm.nodes > 1 && comm.ring.rate_intra > 45 && channels < 16)
    channels *= 2;
  comm.channels = options.channels ? std::clamp(*options.channels, 1, most) : channels;
  comm.nvls_channels = comm.nvls_on ? NvlsChannels(comm) : 0;
}

// NICs that it takes to fill a GPU's own link to its CPU; 0 behind a PCIe switch.
int NetsToFill(const NcclSystem& system, std::uint32_t gpu) {
  float link = 0, filled = 0;
  for (const std::uint32_t l : system.vertices()[system.gpus()[gpu]].links)
    if (system.vertices()[system.links()[l].to].kind == NcclVertex::Kind::kCpu)
      link = system.links()[l].rate;
  int count = 0;
  for (std::uint32_t n = 0; n < system.nets().size() && filled < link; ++n) {
    if (system.GpuToNet(gpu, n).type != system.GpuToNet(gpu, system.LocalNet(gpu, 0)).type)
      continue;
    filled += system.GpuToNet(gpu, n).rate;
    ++count;
  }
  return count;
}

// From 2.29: as many channels as move what the GPU's own NICs carry.
int ChannelsToFill(const NcclSystem& system, std::uint32_t gpu, int channel_rate) {
  float filled = 0;
  int count = 0;
  while (count < static_cast<int>(system.nets().size())) {
    const std::uint32_t net = system.LocalNet(gpu, count);
    if (count > 0 && net == system.LocalNet(gpu, 0)) break;
    filled += system.GpuToNet(gpu, net).rate;
    ++count;
    if (filled >= system.CpuRate(gpu)) break;
  }
  return std::max(count, (static_cast<int>(filled) + channel_rate - 1) / channel_rate);
}

// Channels of one message from a GPU to the GPU least well joined to it.
int ChannelsOfPeer(const NcclSystem& system, const NcclComm& comm, std::uint32_t gpu) {
  const NcclRules& rules = *comm.rules;
  int least = rules.max_channels;
  for (std::uint32_t p = 0; p < system.gpus().size(); ++p) {
    if (p == gpu) continue;
    const NcclRoute& route = system.GpuToGpu(p, gpu);
    const int links = static_cast<int>(route.rate / NvlinkRate(rules, comm.compute_capability));
    const bool nvlink = route.type == NcclPath::kNvlink ||
                        (rules.routes_by_type && route.type == NcclPath::kNvlinkRelay);
    least = std::min(least, nvlink ? 2 * std::max(1, links) : 2);
  }
  if (comm.nodes == 1) return least;
  if (rules.net_channel_rate > 0)
    return std::min(least, ChannelsToFill(system, gpu, rules.net_channel_rate));
  int remote = 2;
  if (rules.fewer_net_channels)
    while (remote > 1 && remote * comm.ranks() > comm.channels * 4) remote /= 2;
  return std::min(least, std::max(NetsToFill(system, gpu), remote));
}

// As the narrowest pair has, and fewer over the network where many peers fill them anyway.
void CountP2pChannels(const NcclSystem& system, NcclComm& comm) {
  const bool by_rate = comm.rules->net_channel_rate > 0;
  int least = by_rate ? comm.rules->max_channels : comm.channels;
  for (std::uint32_t g = 0; g < system.gpus().size(); ++g)
    least = std::min(least, ChannelsOfPeer(system, comm, g));
  comm.p2p_channels = PowerOfTwoUp(comm.channels);
  int per_peer = PowerOfTwoUp(std::max(1, least));
  if (by_rate && comm.nodes > 1) {
    const int batches = (comm.ranks() + 7) / 8;
    while (per_peer > 1 && per_peer * batches > comm.p2p_channels) per_peer /= 2;
  }
  comm.p2p_channels_per_peer = std::min(per_peer, comm.p2p_channels);
}

}  // namespace

const NcclGraph& NcclComm::GraphOf(NcclAlgorithm algorithm) const {
  switch (algorithm) {
    case NcclAlgorithm::kRing:
      return ring;
    case NcclAlgorithm::kNvls:
    case NcclAlgorithm::kNvlsTree:
      return nvls;
    case NcclAlgorithm::kCollNetDirect:
      return collnet_direct;
    case NcclAlgorithm::kCollNetChain:
      return collnet_chain;
    default:
      return tree;
  }
}

namespace {

// Of platforms with NICs of 100 Gb/s 75 us, of later ones 35 [AWS-OFI src/platform-aws.c].
constexpr double kEfaLatencyUs = 75, kLaterEfaLatencyUs = 35;

double NetLatency(const HostPart& host) {
  if (host.transport != HostSpec::EFA) return 0;
  return host.nic_port.bits_per_second() > 100e9 ? kLaterEfaLatencyUs : kEfaLatencyUs;
}

}  // namespace

// Platforms before Hopper have NICs that do not write: EFA's plugin sends over them, and then asks
// for Simple alone, for what is sent does not arrive in order, also inside a host; where NCCL_PROTO
// is set it leaves it and warns [AWS-OFI src/platform-aws.c default_protocol, configure_nccl_proto;
// NCCL's lines of a p4d: #715].
bool KeepsToSimple(const HostPart& host) {
  return host.transport == HostSpec::EFA && host.compute_capability < 90;
}

double EfaHopShare(const HostPart& host) {
  return host.transport == HostSpec::EFA ? NetLatency(host) / kEfaLatencyUs : 1;
}

HostPart AsNcclSees(const HostPart& host) {
  constexpr int kMostRails = 4;
  HostPart out = host;
  if (host.transport != HostSpec::EFA || host.gpus < 1 || host.nics <= host.gpus) return out;
  const int rails = std::min(kMostRails, host.nics / host.gpus);
  out.nics = host.gpus;
  out.nic_ports = host.nic_ports * rails;
  return out;
}

bool AlikeToNccl(const HostPart& a, const HostPart& b) {
  const auto read = [](const HostPart& host) {
    return std::tuple(host.gpus, host.nics, host.nic_ports, host.nic_port.bits_per_second(),
                      host.transport, host.nvlink.bits_per_second(), host.pcie.bits_per_second(),
                      host.compute_capability, host.nvlinks, host.cpu, host.nvlink_shape,
                      host.numa_nodes, host.gpus_per_pcie_switch, host.gpus_per_tray,
                      host.c2c.bits_per_second());
  };
  return read(a) == read(b);
}

NcclComm BuildNcclComm(const HostPart& host, int nodes, int per_node, const NcclRules& rules,
                       const NcclCommOptions& options) {
  WEFT_CHECK(nodes >= 1 && per_node >= 1 && per_node <= host.gpus && host.compute_capability > 0);
  const NcclSystem system(host, per_node, nodes > 1, rules, options.pxn);
  NcclComm comm;
  comm.rules = &rules;
  comm.nodes = nodes;
  comm.per_node = per_node;
  comm.compute_capability = host.compute_capability;
  comm.net_latency_us = NetLatency(host);
  comm.two_sided = KeepsToSimple(host);
  comm.tuner = EfaTunerOf(host, rules, nodes, per_node);
  comm.cpu = host.cpu;
  comm.nvswitch = system.nvswitch() != kNoNcclVertex;
  comm.all_nvlink = system.all_nvlink();
  comm.collnet_on = options.sharp && nodes > 1;
  Search(system, comm);
  CountChannels(options, comm);
  CountP2pChannels(system, comm);
  FillNcclCosts(comm);
  return comm;
}

}  // namespace weft
