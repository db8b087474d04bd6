#include <algorithm>
#include <cmath>

#include "base/ceil_div.h"
#include "workloads/collectives/nccl/cost_internal.h"
#include "workloads/collectives/nccl/rules.h"
#include "workloads/collectives/nccl/sends_internal.h"

namespace weft {
namespace {

// Of the GPUs' own NICs, which sends use: those beside the receivers.
double SendNicRate(const NcclComm& comm, const HostPart& host) {
  const int nics = std::clamp(comm.per_node * host.nics / host.gpus, 1, std::max(1, host.nics));
  return Gigabytes(std::min(host.nic(), host.pcie)) * nics;
}

// NICs of a host that sends share, and whether they leave by the NIC of the receiver's number.
int SendNics(const NcclComm& comm, const HostPart& host) {
  return std::clamp(comm.per_node * host.nics / std::max(1, host.gpus), 1, comm.per_node);
}
bool SendsByRails(const HostPart& host) {
  return host.nvlink.bits_per_second() > 0 && host.nvlink_shape == HostSpec::NVLINK_SHAPE_SWITCH;
}

// How a message is cut: over fewer channels where there are many ranks or little of it, over more
// where parts would be long, and each part in chunks, which between hosts are shorter where there
// is little of it [NCCL v2.18.3 to v2.30.7 src/enqueue.cc addP2pToPlan, scheduleP2pTasksToPlan].
struct SendParts {
  int channels;
  double chunk;  // bytes of each
  bool ll;
};

// Bytes of a chunk between hosts [NCCL 2.28.9 src/init.cc]; EFA's plugin asks for more from 1.16 on
// [AWS-OFI src/platform-aws.cpp].
double NetStep(const HostPart& host) {
  return host.transport == HostSpec::EFA ? 512 << 10 : 128 << 10;
}

// Channels of a message: as few as the ranks leave it and as its least part has use for, doubled up
// to `most` where parts would be `longest` and more.
int ChannelsOf(const NcclComm& comm, double message, double least, double longest, int most) {
  int few = comm.p2p_channels_per_peer;
  while (few > 1 && few * comm.ranks() > comm.p2p_channels) few /= 2;
  const double parts = std::max(1.0, std::ceil(message / least));
  int channels = static_cast<int>(std::min<double>(few, parts));
  while (message / channels > longest && channels * 2 <= most) channels *= 2;
  return channels;
}

SendParts PartsBetweenHosts(const NcclComm& comm, const HostPart& host, double message) {
  const double step = NetStep(host);
  const double least = step / (comm.rules->send_channels_by_ranks ? 8 : 2);
  const int channels = ChannelsOf(comm, message, least, step, comm.p2p_channels_per_peer);
  // By the whole message; up to 2.21 by the part [src/proxy.cc ncclProxyComputeP2p].
  const bool by_part = comm.rules->send_ll == NcclRules::SendLl::kPart;
  const double counted = by_part ? message / channels : message;
  const double chunk = counted < step ? step / 4 : counted < 8 * step ? step / 2 : step;
  return {channels, std::min(chunk, message / channels), false};
}

SendParts PartsInHost(const NcclComm& comm, double message) {
  constexpr double kLlLimit = 16 << 10, kLlStep = 64 << 10;
  const NcclRules& rules = *comm.rules;
  const bool by_peer = rules.send_ll == NcclRules::SendLl::kPeerChannels;
  const bool peer_ll = by_peer && message <= kLlLimit * comm.p2p_channels_per_peer;
  const double step = peer_ll ? kLlStep : comm.all_nvlink ? 512 << 10 : 128 << 10;
  int most = comm.p2p_channels_per_peer;
  while (rules.send_channels_by_ranks && most > 1 && most * comm.ranks() > 4 * comm.p2p_channels)
    most /= 2;
  const int channels = ChannelsOf(comm, message, step / 8, 32 * step, most);
  const bool ll = by_peer ? peer_ll : message <= kLlLimit * channels;
  return {channels, std::min(step, message / channels), ll};
}

void CutInHost(const NcclComm& comm, double message, int messages, NcclTimeCase& out) {
  if (comm.nodes > 1 || message <= 0) return;
  const SendParts parts = PartsInHost(comm, message);
  out.link_channels = std::min(comm.p2p_channels, parts.channels * messages);
  out.channels = parts.channels;
  out.chunk = parts.chunk;
  if (parts.ll) out.protocol = NcclProtocol::kLl;
}

// Of messages between hosts: a channel fills a chunk of each of a host's peers, eight at most,
// before the NIC has any, and empties one of each after the last has come. A thread of the CPU's
// tells the NIC of all `far` messages, or of all that come.
void CutBetweenHosts(const NcclComm& comm, const HostPart& host, double message, int far,
                     NcclTimeCase& out) {
  if (comm.nodes == 1 || message <= 0 || far == 0) return;
  const SendParts parts = PartsBetweenHosts(comm, host, message);
  out.proxy = far * NcclNetOverhead(comm, NcclProtocol::kSimple);
  out.channels = parts.channels;
  out.chunk = parts.chunk;
  out.block_peers = std::min({far, comm.per_node, kPeersAtOnce});
  out.net_steps = 2;  // the receiver's credit, then the data
}

// What the ranks send to all others, alike or by a matrix.
void SetManySends(const NcclComm& comm, const HostPart& host, const SendLoads* loads,
                  NcclTimeCase& out) {
  const int ranks = comm.ranks(), per_node = comm.per_node;
  out.send_channels = std::min(comm.p2p_channels, comm.p2p_channels_per_peer * kPeersAtOnce) *
                      static_cast<double>(per_node);
  out.net_rate = SendNicRate(comm, host);
  out.send_nics = SendNics(comm, host);
  out.own_block = out.bytes / ranks;
  out.at_once = NcclSendsAtOnce(comm);
  out.peers_at_once = static_cast<double>(CeilDiv(ranks, out.at_once));
  if (loads == nullptr) {
    out.link_bytes = out.bytes * (per_node - 1) / ranks;
    out.net_bytes = comm.nodes > 1 ? out.bytes * (ranks - per_node) / ranks * per_node : 0;
    out.peer_bytes = comm.nodes > 1 ? out.bytes / ranks : 0;
    CutInHost(comm, out.bytes / ranks, ranks - 1, out);
    CutBetweenHosts(comm, host, out.bytes / ranks, ranks - per_node, out);
  } else {
    out.link_bytes = loads->link;
    out.net_bytes = loads->nic * out.send_nics;
    out.peer_bytes = loads->heaviest;
    out.through_bytes = loads->through;
    out.far_bytes = loads->far;
    out.own_block = loads->own;
    out.peers_at_once = std::max(1.0, static_cast<double>(CeilDiv(loads->peers, out.at_once)));
    const int messages = std::max(1, loads->link_messages);
    CutInHost(comm, loads->link / messages, messages, out);
    CutBetweenHosts(comm, host, loads->heaviest, loads->far_peers, out);
    if (comm.nodes == 1 && loads->link_heaviest > 0) {
      out.near_bytes = loads->link_heaviest;
      out.near_channels = PartsInHost(comm, out.near_bytes).channels;
    }
  }
}

}  // namespace

void SetNcclSends(const NcclComm& comm, const HostPart& host, const NcclTimeQuestion& question,
                  NcclTimeCase& out) {
  const int per_node = comm.per_node;
  out.kind = NcclTimeCase::Kind::kSends;
  out.steps = 1;
  out.channels = comm.p2p_channels_per_peer;
  if (question.send_recv) {
    // One rank a host sends to the next host, by the NICs beside its receiver.
    out.link_bytes = per_node > 1 ? out.bytes : 0;
    out.net_bytes = comm.nodes > 1 ? out.bytes : 0;
    out.send_channels = comm.p2p_channels_per_peer;
    const double nics = std::clamp<double>(host.nics / host.gpus, 1, out.send_channels);
    out.net_rate = Gigabytes(std::min(host.nic(), host.pcie)) * nics;
    out.peers_at_once = 1;
    // Where GPUs are joined pair by pair one pair's links carry it all: two channels a link.
    if (host.nvlink_shape != HostSpec::NVLINK_SHAPE_SWITCH && host.nvlinks > 0)
      out.link_rate = Gigabytes(host.nvlink) / host.nvlinks *
                      std::max(1, std::min(comm.p2p_channels_per_peer / 2, host.nvlinks));
    CutInHost(comm, out.bytes, 1, out);
    CutBetweenHosts(comm, host, out.bytes, 1, out);
  } else {
    SetManySends(comm, host, question.loads, out);
  }
  out.flushes /= 2;
}

int NcclSendsAtOnce(const NcclComm& comm) {
  return kPeersAtOnce * std::max(1, comm.p2p_channels / std::max(1, comm.p2p_channels_per_peer));
}

SendLoads NcclLoadsOf(const NcclComm& comm, const HostPart& host, const SendMatrix& matrix) {
  return LoadsOf(matrix, comm.per_node, SendNics(comm, host), SendsByRails(host),
                 NcclSendsAtOnce(comm));
}

}  // namespace weft
