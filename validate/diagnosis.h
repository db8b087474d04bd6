// A first diagnosis: is a measured table far below what its hosts can do, and what would explain
// it?
//
// A table is degraded where its large sizes take longer than the upper end of their band by a
// margin. Each signature is then simulated: the same operation, with one thing broken.
//
//   tcp         sockets in place of RDMA: some 2 GB/s of a NIC's line rate [ALCF-NCCL, setup 1]
//   no_gdr      GPUs' data is staged in host memory: it crosses a NIC's PCIe lane twice
//   no_p2p      the same between GPUs of a host: over PCIe, twice
//   no_nvls     rings or trees where NCCL would let the NVSwitches reduce
//   one_nic     one of a host's NICs carries everything
//   half_ports  half of the NICs' ports, or of the planes, are gone
//
// The one whose simulated time is nearest to the measured is named first; it fits where it is
// within a quarter. What the model has no term for is not named: PXN off changes nothing on a
// network that does not block.
//
// Cost     a few searches for a table that is degraded, none for others.
#pragma once

#include <string>
#include <vector>

#include "validate/comparison.h"

namespace weft {

enum class Signature : std::uint8_t { kTcp, kNoGdr, kNoP2p, kNoNvls, kOneNic, kHalfPorts };
inline constexpr std::size_t kSignatures = 6;
const char* NameOf(Signature signature);       // tcp
const char* Explanation(Signature signature);  // TCP sockets in place of RDMA

struct SignatureFit {
  Signature signature = Signature::kTcp;
  double ratio = 1;  // measured over simulated with the signature: 1 explains all
  bool fits = false;
};

struct Diagnosis {
  std::size_t table = 0;  // row of MeasuredCases::tables
  double slowdown = 1;    // measured over simulated, median over the large sizes
  double expected = 1;    // the upper end of its band
  bool degraded = false;
  std::vector<SignatureFit> signatures;  // nearest first; of a degraded table only
};

// The case as it would be with `signature`; none where that changes nothing of it, or where
// another choice of NCCL's is needed (kNoNvls).
std::optional<NcclTimeCase> WithSignature(const NcclTimeCase& healthy, Signature signature,
                                          const HostPart& host);

Diagnosis Diagnose(const MeasuredCases& cases, std::size_t table, const Calibration& calibration);

}  // namespace weft
