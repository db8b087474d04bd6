// Send/recv as nccl-tests measures it: every rank sends to the next one at once.
//
// One edge a rank, from r to r + 1 mod n, each with the whole of the operation's bytes
// [NCT]; nothing waits for anything. `ring_order` other than natural
// goes host by host in that order, a host's GPUs by number.
//
// Channels     one; if more are asked for, each edge is split into as many equal parts.
// Wire bytes   1 / C of the operation's bytes on every edge.
// Slices       n; slice r is what rank r sends, and its owner is r. The receiver stores it.
#pragma once

#include "workloads/collectives/collective.h"

namespace weft {

bool SendRecvDoes(CollectiveSpec::Op op);
std::uint16_t SendRecvChannels(const Communicator& communicator);
Pattern BuildSendRecv(const Fabric& fabric, const Communicator& communicator, CollectiveSpec::Op op,
                      std::uint16_t channels, const BuildOptions& options);

}  // namespace weft
