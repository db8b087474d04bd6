// How long an operation takes as NCCL runs it, in closed form: a pipeline of chunks.
//
// NCCL's choice (choice.h) says algorithm, protocol, channels and chunk; the pattern says how
// many steps there are, how many of them cross between hosts, and how many bytes each link
// carries. A channel moves its chunks one after the other; a step adds its latency only where
// the chunk before does not hide it.
//
//     launch + start + bytes / min(links, NICs, channels)
//       + what steps add beyond the bytes + what the last chunk still has to cross
//       + the copy of a rank's own block
//
//   Ring      s = 2(R − 1) steps of an all-reduce, R − 1 of all-gather and reduce-scatter; s/R of
//             the bytes on every edge; of s consecutive edges ceil(s/P) cross between hosts.
//             Broadcast and reduce only flow one way: repeated operations overlap, so that a
//             step counts once.
//   Tree      2(P − 1 + ceil(log2 N)) steps; a GPU's link carries S to each
//             neighbour in the chain, less where it is an end, each
//             host's NICs what the double tree's busiest host sends: S for two hosts, 2S beyond.
//   NVLS      S(1 + 1/P) on each GPU's link; chunks cross reduction and broadcast in turn.
//   NVLSTree  the same inside, the double tree between equal heads.
//   CollNet   the network reduces: S on a host's NICs each way, in two steps. Chain: as a tree's
//             chain inside a host; Direct: a share of S to each head and back; NVLS over hosts the
//             same between its two halves.
//   PAT       ceil(log2 N) steps, (R − 1)/R of the bytes on a NIC.
//   sends     an all-to-all's R − P blocks a rank over the host's NICs, eight peers at a time on
//             a channel, one peer's by the channels that it gets; of a matrix what the busiest NIC
//             and the busiest GPU's link carry; send/recv over the channels that a peer gets.
//             Between hosts a channel fills a chunk of each of its peers before the NIC has any
//             and empties one of each at the end; steps take as long at least as the proxy's
//             thread is busy with all messages. Inside one host LL up to a size that goes by
//             NCCL's version; with Simple a chunk of 512 KiB is copied out when the next has come,
//             so the last is copied with nothing beside it.
//
// Protocols  LL carries 4 bytes of 8 and LL128 120 of 128 over the network [NCCL 2.28.9
//            src/include/device.h]; over NVLink the constants say.
// Units      microseconds; bytes as nccl-tests counts them; GB/s of 10^9 bytes.
// Errors     none: BuildNcclComm and ChooseNccl have checked.
// Cost       a case costs the choice, some microseconds; a time some tens of operations.
// Oracle     the flow engine running the same pattern (tests/scenario/collective_times_test.cc).
// Departs    the network does not block and rails are kept; hosts start together; a loaded
//            CPU and NUMA placement are unknown.
#pragma once

#include <cstdint>
#include <optional>

#include "hardware/parts.h"
#include "workloads/collectives/nccl/choice.h"
#include "workloads/collectives/nccl/constants.h"
#include "workloads/collectives/send_matrix.h"

namespace weft {

// A rate in GB/s, as cases and times have them.
inline double Gigabytes(BitRate rate) { return rate.bits_per_second() / 8e9; }

// An operation at one size with all that does not hang on constants.
struct NcclTimeCase {
  enum class Kind : std::uint8_t {
    kAlone,
    kRing,
    kFlow,
    kTree,
    kNvls,
    kNvlsTree,
    kPat,
    kSends,
    kCollNet
  };
  Kind kind = Kind::kAlone;
  std::optional<NcclChoice> choice;  // none: sends
  NcclProtocol protocol = NcclProtocol::kSimple;
  double bytes = 0;
  int ranks = 1, per_node = 1, nodes = 1;
  double channels = 1;
  double chunk = 0;  // bytes a channel moves in one step
  int steps = 0, net_steps = 0;
  double own_block = 0;      // bytes copied out of place; sends between hosts: beside the bytes
  double link_bytes = 0;     // on a GPU's NVLink or PCIe, one direction
  double net_bytes = 0;      // on all NICs of the busiest host, one direction
  double link_rate = 0;      // GB/s of line rate; a GPU's NVLinks that are used, or PCIe
  double net_rate = 0;       // GB/s of line rate; of all NICs used, by the busiest
  double peers_at_once = 0;  // sends: batches of at_once
  double send_channels = 0;  // sends: that a rank has for the network
  double peer_bytes = 0;     // sends: the heaviest message between hosts
  double near_bytes = 0;     // sends of a matrix in one host: the heaviest message
  double near_channels = 0;  // and the channels that it gets
  double link_channels = 0;  // sends in one host: that a GPU's messages keep busy; else 0
  double through_bytes = 0;  // sends of a matrix: on a GPU's link with what other GPUs' NICs take
  double far_bytes = 0;      // sends of a matrix: the most of a rank to or from other hosts
  int block_peers = 1;       // sends between hosts: that a channel serves beside each other
  double proxy = 0;          // sends: us of the CPU with all messages between hosts
  int send_nics = 1;         // sends: of a host
  int at_once = 1;           // sends: messages that a rank has under way
  double heads = 0;          // NVLS
  double ll128_channel = 0;  // GB/s that a channel's threads move at most with LL128
  bool nvlink = true;
  bool through_cpu = false;  // GPU and NIC meet in the CPU's host bridge, PCIe on both sides
  double flushes = 0;        // of a step between hosts with Simple
  bool two_sided = false;    // NICs send and do not write: EFA's before Hopper
  double hop_share = 1;      // of a hop and a flush of the transport's: EFA's by NIC
  double eager = 0;          // the longest message that goes between hosts at once; 0: all do
  std::uint16_t gpu_row = 0, net_row = 0;  // first rows of CollectiveParameters()
};

// The closed form, and what an engine needs to run the pattern at this size (pattern.h).
struct CollectiveTime {
  double us = 0;           // out of place: once + bytes + steps
  double in_place_us = 0;  // without the copy of a rank's own block
  double once_us = 0;      // launch, start, what each slice or round costs, copies
  double bytes_us = 0;     // the operation's bytes at the narrowest place
  double link_steps_us = 0, net_steps_us = 0;  // what steps inside and between hosts add
  // The operation's bytes a second, GB/s, as the GPUs' links and the NICs would have it alone; 0:
  // they carry none.
  double link_rate = 0, net_rate = 0;
  double near_rate = 0;  // sends of a matrix in one host: of the heaviest message; 0: none
  double peer_rate = 0;  // sends: what the channels of one peer move over the network; 0: none
  enum class Bound : std::uint8_t { kLatency, kNvlink, kPcie, kNic, kChannel, kNvls };
  Bound bound = Bound::kLatency;  // the narrowest place; kLatency: less than half is bytes
};

// `op` none: sends, by a matrix where `loads` says what it puts where, else send/recv or
// all-to-all.
struct NcclTimeQuestion {
  std::optional<NcclOp> op;
  bool send_recv = false;
  NcclForced forced{};
  const SendLoads* loads = nullptr;  // NcclLoadsOf, at the size asked for
};

// Messages that a rank has under way: eight on each of the channels, over which those of a peer are
// spread [NCCL 2.28.9 src/enqueue.cc addP2pToPlan]. So what stays in a host and what leaves it move
// beside each other, unless there are very many ranks.
int NcclSendsAtOnce(const NcclComm& comm);

// What a matrix of NCCL's ranks puts on GPUs and NICs.
SendLoads NcclLoadsOf(const NcclComm& comm, const HostPart& host, const SendMatrix& matrix);

// Requires: the choice exists (ChooseNccl with question.forced).
NcclTimeCase MakeNcclTimeCase(const NcclComm& comm, const HostPart& host,
                              const NcclTimeQuestion& question, Bytes bytes);
CollectiveTime NcclTime(const NcclTimeCase& which, const CollectiveConstants& constants);

// The rows that the times of a communicator may hang on, ascending.
std::vector<std::size_t> NcclTimeParameters(const NcclComm& comm, const HostPart& host);

}  // namespace weft
