// Dispatch and combine of a mixture of experts: every token to the GPUs of its experts and back.
//
// The experts are spread evenly over the ranks; a token has top_k of them, drawn evenly, all on
// at most `hosts` hosts where routing is limited to nodes [DSV3 §2.1.2]. What counts is how often
// a token goes to a given host or GPU:
//
//     h hosts drawn of N, then k of E·h/N experts without replacement; a host has e of these,
//     a GPU e/P:      share of a host = h/N · (1 − C(E·h/N − e, k) / C(E·h/N, k)), a GPU's alike
//
//     hierarchical   a token crosses to each other host once, to the GPU of its own number, which
//                    hands it to those GPUs of the host that have one of its experts; combine
//                    adds on the same way back [DEEPEP normal kernels].
//                        g ─nic─> g' ─nvlink─> each h' of that host       dispatch
//                        h' ─nvlink─> g' (adds) ─nic─> g (adds)           combine
//     every_expert   a copy for every expert, straight to its rank [DEEPEP low-latency kernels].
//
// Channels     one; the edges of hierarchical advance together (a token is handed on as it comes).
// Wire bytes   of `bytes`, a rank's tokens: hierarchical the shares above, every_expert top_k / R;
//              to 2^-24 of the bytes.
// Slices       R; slice s are rank s's tokens: dispatch ends like an all-gather of them, combine
//              like a reduce-scatter, for every edge is there, however little it carries.
// Cost         O(R·(R + N)) edges hierarchical, R(R − 1) every_expert.
#pragma once

#include "workloads/collectives/collective.h"

namespace weft {

// What is handed on at a time: some twenty tokens. An assumption; it is start-up alone.
inline constexpr Bytes kMoeChunk = KiB(128);

struct MoeShares {
  double host = 0;  // of a rank's tokens that go to a given host, once each
  double gpu = 0;   // to a given GPU
};

// Requires: experts divide among hosts·per_host ranks, 1 <= limit <= hosts, and
// 1 <= top_k <= the experts of `limit` hosts.
MoeShares SharesOfMoe(const MoeRouting& routing, int hosts, int per_host);

bool MoeDoes(CollectiveSpec::Op op);
std::uint16_t MoeChannels(const Communicator& communicator);
Pattern BuildMoeHierarchical(const Fabric& fabric, const Communicator& communicator,
                             CollectiveSpec::Op op, std::uint16_t channels,
                             const BuildOptions& options);
Pattern BuildMoeEveryExpert(const Fabric& fabric, const Communicator& communicator,
                            CollectiveSpec::Op op, std::uint16_t channels,
                            const BuildOptions& options);

}  // namespace weft
