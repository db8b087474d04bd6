// The parts of BuildProgram(), for build_*.cc alone.
#pragma once

#include <string>
#include <vector>

#include "workloads/build_program.h"
#include "workloads/collectives/communicator.h"
#include "workloads/collectives/send_matrix.h"

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

// One operation of a communicator, without its bytes.
struct OperationOfGroup {
  Op op;
  std::size_t ranks = 0;
  std::uint16_t channels = 0;
};

// What one size runs, a row a communicator; several sizes may share one.
struct RunOfSize {
  std::string algorithm, protocol;  // of the largest group, of equal ones the first
  std::vector<OperationOfGroup> groups;
  int channels = 0;             // of the same
  bool choices_differ = false;  // other groups have other ones
};

// Whether `auto` takes what NCCL would choose.
bool TakesNccl(const CollectiveSpec& spec, const std::vector<Communicator>& communicators,
               const BuildOptions& options);

// Patterns and tunings of every size. `matrices`: a row a communicator where the operation sends by
// one. `streams`: a row a communicator, whose streams are there.
// Empty, with `stopped`, where the caller waits no longer.
Result<std::vector<RunOfSize>> AddNcclRuns(const CollectiveSpec& spec, const SourceMap& sources,
                                           const Fabric& fabric,
                                           const std::vector<Communicator>& communicators,
                                           const std::vector<SendMatrix>& matrices,
                                           const std::vector<OperationOfGroup>& streams,
                                           const BuildOptions& options, Workload& workload);

}  // namespace weft
