// The two halves of BuildProgram(), for build_program.cc alone.
#pragma once

#include "workloads/build_program.h"

namespace weft {

constexpr std::uint64_t kRowLimit = 20'000'000;   // some 50 bytes each
constexpr std::uint64_t kEdgeLimit = 20'000'000;  // of all patterns; some 60 bytes each

// Requires: every rank of `placement` is one GPU of its own.
Result<Workload> BuildCollective(const CollectiveSpec& spec, const SourceMap& sources,
                                 const Fabric& fabric, const Placement& placement,
                                 const BuildOptions& options);
Result<Workload> BuildTraffic(const TrafficSpec& spec, const SourceMap& sources,
                              const Fabric& fabric, const Placement& placement,
                              const BuildOptions& options);

}  // namespace weft
