#include "workloads/collectives/nccl/choice.h"

#include <algorithm>
#include <array>
#include <bit>

#include "workloads/collectives/nccl/shares_internal.h"

namespace weft {
namespace {

using Algorithm = NcclAlgorithm;
using Protocol = NcclProtocol;

// Trees at 64 B, 128 B … 512 MiB are slower than the model by this factor; the last is of 2.29+.
constexpr std::size_t kCorrections = 24;
constexpr std::array<std::array<double, kCorrections>, kNcclProtocols> kTreeCorrection = {
    {{1, 1, 1, 1, .9, .8, .7, .7, .7, .7, .6, .5, .4, .4, .5, .6, .7, .8, .9, 1, 1, 1, 1, 1},
     {1, 1, 1, 1, 1, .9, .8, .8, .8, .7, .6, .6, .6, .6, .6, .6, .8, .9, .9, .9, .9, 1, 1, 1},
     {.9, .9, .9, .9, .9, .9, .9, .8, .7, .6, .6, .5,
      .5, .5, .5, .6, .7, .8, .7, .7, .8, .9, .9, .9}}};

double Correction(const NcclComm& comm, Algorithm a, Protocol p, std::int64_t bytes) {
  const bool x86 = comm.cpu != HostSpec::CPU_ARM && comm.cpu != HostSpec::CPU_POWER;
  const bool nvls = a == Algorithm::kNvlsTree && comm.rules->nvls_tree_correction &&
                    comm.compute_capability >= 100 && x86;
  if ((a != Algorithm::kTree && !nvls) || bytes < 64) return 1;
  const auto row = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(bytes)) - 7);
  return row < (nvls ? kCorrections : kCorrections - 1)
             ? kTreeCorrection[static_cast<std::size_t>(p)][row]
             : 1;
}

double TimeUs(const NcclComm& comm, NcclOp op, Algorithm a, Protocol p, std::int64_t bytes) {
  const NcclCost& cost = comm.Cost(op, a, p);
  double latency = cost.latency_us;
  const bool plateau = a == Algorithm::kRing && p == Protocol::kSimple && comm.nodes > 1 &&
                       op == NcclOp::kAllReduce && bytes / (comm.channels * comm.ranks()) >= 64;
  if (plateau) latency *= comm.compute_capability < 80 ? 1.9 : 1.4;
  const double rate = cost.rate * (op == NcclOp::kAllReduce ? Correction(comm, a, p, bytes) : 1);
  return latency + static_cast<double>(bytes) / (1000 * rate);
}

void PutTunersFirst(const NcclComm& comm, NcclOp op, std::int64_t bytes,
                    std::vector<NcclCandidate>& candidates) {
  const auto found = [&](NcclPair pair) {
    return std::find_if(candidates.begin(), candidates.end(), [&](const NcclCandidate& one) {
      return one.algorithm == pair.algorithm && one.protocol == pair.protocol;
    });
  };
  const auto is_on = [&](NcclPair pair) { return found(pair) != candidates.end(); };
  if (const auto pair = EfaTunerChoice(comm.tuner, op, bytes, comm.ranks(), is_on))
    std::rotate(candidates.begin(), found(*pair), found(*pair) + 1);
}

}  // namespace

std::vector<NcclCandidate> NcclCandidates(const NcclComm& comm, NcclOp op, Bytes bytes,
                                          const NcclForced& forced) {
  std::vector<NcclCandidate> out;
  if (comm.ranks() < 2) return {{Algorithm::kRing, Protocol::kSimple, 0}};
  const std::int64_t whole = NcclWholeBytes(comm, op, bytes);
  for (std::size_t a = 0; a < kNcclAlgorithms; ++a) {
    for (std::size_t p = 0; p < kNcclProtocols; ++p) {
      const auto algorithm = static_cast<Algorithm>(a);
      const auto protocol = static_cast<Protocol>(p);
      if (comm.Cost(op, algorithm, protocol).rate <= 0) continue;
      if (forced.algorithm.value_or(algorithm) != algorithm) continue;
      if (forced.protocol.value_or(protocol) != protocol) continue;
      if (comm.two_sided && !forced.protocol && protocol != Protocol::kSimple) continue;
      out.push_back({algorithm, protocol, TimeUs(comm, op, algorithm, protocol, whole)});
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const NcclCandidate& a, const NcclCandidate& b) {
    return a.time_us < b.time_us;
  });
  if (!forced.algorithm && !forced.protocol) PutTunersFirst(comm, op, whole, out);
  return out;
}

std::optional<NcclChoice> ChooseNccl(const NcclComm& comm, NcclOp op, Bytes bytes,
                                     const NcclForced& forced) {
  const std::vector<NcclCandidate> candidates = NcclCandidates(comm, op, bytes, forced);
  if (candidates.empty()) return std::nullopt;
  NcclChoice choice;
  choice.algorithm = candidates.front().algorithm;
  choice.protocol = candidates.front().protocol;
  choice.predicted_us = candidates.front().time_us;
  SetNcclShares(comm, op, bytes, choice);
  return choice;
}

}  // namespace weft
