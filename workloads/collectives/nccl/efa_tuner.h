// What EFA's plugin has NCCL take: from 1.16 on it comes with choices of its own for three kinds
// of instance, measured there, which go before NCCL's own estimates [AWS-OFI RELEASENOTES.md,
// src/tuner/nccl_ofi_tuner.cpp].
//
// A choice is an area over bytes and ranks; the first one that has the point in it, or on its
// edge, and whose pair is on, is taken. None has it: NCCL's own estimate stands. So it does on two
// hosts and fewer, and where the user names an algorithm or a protocol.
//
// Assumes  beside NCCL 2.27 and later such a plugin, which is as old, and beside earlier ones none.
// Departs  the areas of v1.16.3: p5's have the same corners to v1.18, and from v1.19 on edges that
//          are straight in log2 of both axes; p5en's and p6-b200's moved. None for 1 or 2 a host.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/units.h"
#include "hardware/parts.h"
#include "workloads/collectives/nccl/rules.h"

namespace weft {

enum class NcclOp : std::uint8_t;

// Kinds of instance that the plugin knows, by their NICs.
enum class EfaTuner : std::uint8_t { kNone, kP5, kP5en, kP6B200 };

// kNone: not over EFA, of an instance that the plugin does not know, NCCL before 2.27, two hosts or
// fewer, or other than eight ranks a host.
EfaTuner EfaTunerOf(const HostPart& host, const NcclRules& rules, int nodes, int per_node);

struct NcclPair {
  NcclAlgorithm algorithm = NcclAlgorithm::kRing;
  NcclProtocol protocol = NcclProtocol::kSimple;
};

// None where no area has the point. `is_on` says whether NCCL has the pair at all.
std::optional<NcclPair> EfaTunerChoice(EfaTuner tuner, NcclOp op, std::int64_t bytes, int ranks,
                                       const std::function<bool(NcclPair)>& is_on);

}  // namespace weft
