// The collective algorithms that weft has: one row each, in collective.cc.
//
// An algorithm turns a communicator into a Pattern: edges, which chunk waits for which, and
// which data each chunk is. A pattern is built once and serves every size.
//
// To add one: a file with its Build function, a line in the table, and a case of the test
// that executes schedules on real arrays.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sim/program.h"
#include "topology/fabric.h"
#include "workloads/build_program.h"
#include "workloads/collectives/communicator.h"
#include "workloads/collectives/send_matrix.h"

namespace weft {

struct CollectiveAlgorithm {
  std::string_view key;   // in a scenario: ring
  std::string_view name;  // as NCCL spells it: Ring
  bool (*does)(CollectiveSpec::Op op);
  // How many channels it takes where the user does not say.
  std::uint16_t (*channels)(const Communicator& communicator);
  // Requires: does(op), two ranks or more, channels >= 1.
  Pattern (*build)(const Fabric& fabric, const Communicator& communicator, CollectiveSpec::Op op,
                   std::uint16_t channels, const BuildOptions& options);
};

// `auto` takes the first that does the operation.
std::span<const CollectiveAlgorithm> CollectiveAlgorithms();

// all_reduce, as in a scenario.
std::string_view OpName(CollectiveSpec::Op op);

// busbw over algbw for n ranks, so that busbw is what the slowest link must carry whatever n
// is: all-reduce 2(n−1)/n, all-gather, reduce-scatter, all-to-all, gather and scatter (n−1)/n,
// the others 1 [NCT].
double BusbwFactor(CollectiveSpec::Op op, std::size_t ranks);

// Whether a matrix says who sends what: all_to_all_v, gather, scatter.
bool SendsByMatrix(CollectiveSpec::Op op);

// The matrix of one of these operations over `ranks`, of no size yet but where a file says it.
// `given`: where the key, or the option, stands; a file is sought beside it.
// Errors: the file's own; a file of other than `ranks` ranks, or that sends nothing.
Result<SendMatrix> MakeSendMatrix(CollectiveSpec::Op op, const SendMatrixSpec& spec,
                                  std::uint32_t ranks, const SourcePos& given);

// num/den in lowest terms. Requires: both fit in 32 bits then, den >= 1.
struct WireRatio {
  std::uint32_t num = 1, den = 1;
};
WireRatio ReducedRatio(std::uint64_t num, std::uint64_t den);

// Class 0 (NVLink, one QP) inside a host that has an NVSwitch, else class 1 (the network).
// Sets vertices, class and QPs of `edge`.
void ConnectEdge(const Fabric& fabric, VertexId from, VertexId to, std::uint8_t qps, Edge& edge);

}  // namespace weft
