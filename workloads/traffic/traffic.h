// Traffic patterns: who sends to whom, flow by flow.
//
// Senders are the S GPUs of the placement whose host has a NIC, in rank order; flow f is
// sent by sender f mod S. A flow may stay inside a host: then it takes NVLink.
//
//   permutation  each round of S flows is a derangement: every GPU sends once and receives
//                once, none to itself; uniform, drawn by rejection, each round by its own stream
//   incast       every GPU but the lowest rank sends to that one
//   all_to_all   round d = 1 … S − 1: i sends to i + d mod S; then round 1 again
//   random       uniform over the other GPUs, drawn from the sending host's own stream, so
//                that a host more or less leaves the draws of the others as they are
//
// Errors   at the key: fewer than two senders, more than 20 million flows.
// Cost     O(flows); a derangement takes e rounds of shuffling on average.
// Repeats  the same seed, the same flows.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "topology/fabric.h"
#include "topology/placement.h"
#include "workloads/workload.pb.h"

namespace weft {

constexpr std::int64_t kFlowLimit = 20'000'000;

struct FlowPair {
  VertexId from = kNoVertex, to = kNoVertex;
  bool operator==(const FlowPair&) const = default;
};

struct FlowList {
  std::vector<FlowPair> flows;
  std::uint32_t senders = 0;
};

// permutation, as in a scenario.
std::string_view PatternName(TrafficSpec::Pattern pattern);

// Requires: every rank of `placement` is one GPU of its own.
Result<FlowList> BuildFlows(const TrafficSpec& spec, const SourceMap& sources, const Fabric& fabric,
                            const Placement& placement);

}  // namespace weft
