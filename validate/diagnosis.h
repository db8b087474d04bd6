// A first diagnosis: is a measured table far below what its hosts can do, and what would explain
// it?
//
// A table is degraded where its large sizes take longer than the upper end of their band, by a
// margin or with a cause that explains them decisively better than health does. Each signature is
// simulated: the same operation, with one thing broken.
//
//   tcp          sockets in place of RDMA: 1.3 to 3.6 GB/s a NIC, what fits
//                [ALCF-NCCL, setup 1: 2.2]
//   no_gdr       GPUs' data is staged in host memory: it crosses a NIC's PCIe lane twice
//   no_p2p       the same between GPUs of a host: over PCIe, twice
//   no_nvls      rings or trees where NCCL would let the NVSwitches reduce
//   no_pxn       GPUs reach far NICs over PCIe, not over the GPU beside them: NCCL's search anew
//   one_nic      one of a host's NICs carries everything
//   missing_rail one NIC fewer a host: NCCL's search anew, for it keeps to what all hosts have
//   half_ports   half of the NICs' ports, or of the planes, are gone
//   slow_nic     a NIC at a share of its rate, what fits: all channels wait for its own
//
// They are ranked by how likely the table is under each: the points' own noise, and beside it an
// error that the whole table shares, at each size as wide as the band there says; what has a number
// fitted pays for it [Sch78]. So half a rate is half the ports, and any other share a slow NIC. The
// first fits where its time is within a quarter. What changes nothing of a table cannot be told by
// it, and is not named. What explains the table as well as the first, by less than is "worth more
// than a bare mention" [KR95 §3.2] and before any price, is named together with it.
//
// NCCL may know of the rate that is left, as of a cable that came up at half its rate, and chooses
// by it, or not, as of one that loses packets: both are simulated, what fits counts. Other
// operations of the same file on the same ranks are one run, unless NCCL's lines say the opposite
// of them: a cause has to explain them too. What NCCL's own lines in the log say (nccl_setup.h),
// and where they say nothing the command that was typed, goes before all likelihood: what they deny
// is not named, what they say is named first if it fits. Of NVLS they count where NCCL would take
// it in health, of the network between hosts.
//
// Whatever it is, a table has one verdict, by its large sizes; of a file that holds several numbers
// of ranks or hosts, each is judged by itself and the worst of them is the file's:
//
//   healthy      inside the band, or faster by less than the margin
//   slow         longer than the band, and not degraded: one healthy table of twenty is, too
//   degraded     as above
//   not judged   left out, no large size, no band stated, or faster than the band by the margin:
//                then the host described is not the one that was measured
//
// Cost     some ten searches for an operation, hosts and ranks that a table above its band has, or
//          another table of its run, once for all tables of such; none for others.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "validate/comparison.h"

namespace weft {

enum class Signature : std::uint8_t {
  kTcp,
  kNoGdr,
  kNoP2p,
  kNoNvls,
  kNoPxn,
  kOneNic,
  kMissingRail,
  kHalfPorts,
  kSlowNic
};
inline constexpr std::size_t kSignatures = 9;
const char* NameOf(Signature signature);       // tcp
const char* Explanation(Signature signature);  // TCP sockets in place of RDMA

struct SignatureFit {
  Signature signature = Signature::kTcp;
  double ratio = 1;  // measured over simulated with the signature: 1 explains all
  bool fits = false;
  std::optional<double> value;  // what was fitted: GB/s a NIC of tcp, share of the rate of slow_nic
  double misfit = 0;            // -2 log of the likelihood
  double score = 0;             // the less, the likelier: the misfit, and the price
  bool stated = false;          // NCCL's own lines in the log, or the command, say that it is so
  bool alike = false;           // the table tells it from the first no better than by chance
};

enum class Verdict : std::uint8_t {
  kNotJudged,
  kHealthy,
  kSlow,
  kDegraded
};  // the worse, the later
inline constexpr std::size_t kVerdicts = 4;
const char* NameOf(Verdict verdict);  // "not judged", healthy …

struct Diagnosis {
  std::size_t table = 0;  // row of MeasuredCases::tables
  double slowdown = 1;    // measured over simulated, median over the large sizes
  double expected = 1;    // the upper end of its band, at least 1; 1.3 where none is stated
  double fastest = 0;     // the lower end; 0: none is stated
  bool degraded = false;
  // Nearest first, of a degraded table; of a slow one those that fit it and are likelier than
  // health.
  std::vector<SignatureFit> signatures;
  // By NCCL's own lines, or by what was typed, of any table: what is so, and what is not.
  std::vector<Signature> stated, ruled_out;
  std::vector<Signature> by_command;  // of `stated`, what was typed alone says
  int nics = 0;                       // of a host
  Verdict verdict = Verdict::kNotJudged;
  std::string why_not;       // it is not judged; else empty
  std::string beside;        // "; not judged on …": numbers of ranks beside those that are
  int ranks = 0, hosts = 0;  // of the points that were judged
  Bytes from, to;            // their sizes
  int sources = 0;           // of the band, the fewest; 0: not said
  bool in_range = true;      // whether the calibration covers them; else the band is the nearest

  // What must be lost of busbw for a table that is as simulated to be called slow: less than that
  // is inside the band, whatever costs it.
  double least_loss() const { return 1 - 1 / expected; }
};

// The times of a table's points with something broken, every model built once when it is asked for.
class BrokenTimes {
 public:
  explicit BrokenTimes(const MeasuredCases& cases, const CollectiveConstants& constants);

  // Microseconds; none where `signature` changes nothing of such a case. `value` as SignatureFit's.
  // `known`: NCCL sees the rate that is left and chooses by it; else it chooses as in health.
  // Requires where `known`: tcp, half_ports or slow_nic.
  std::optional<double> Time(const MeasuredCase& point, const HostPart& host, Signature signature,
                             double value = 0, bool known = false);

 private:
  const std::vector<CollectiveModel>& Models(std::size_t row, Signature signature,
                                             double share = 1);
  std::optional<double> TimeAsKnown(const MeasuredCase& point, const HostPart& host,
                                    Signature signature, double value);

  const MeasuredCases& cases_;
  const CollectiveConstants& constants_;
  std::map<std::tuple<std::size_t, Signature, double>, std::vector<CollectiveModel>> models_;
};

Diagnosis Diagnose(const MeasuredCases& cases, std::size_t table, const Calibration& calibration);
// The same with models that were built for other tables of `cases`.
Diagnosis Diagnose(const MeasuredCases& cases, std::size_t table, const Calibration& calibration,
                   BrokenTimes& broken);

struct JudgedTables {
  MeasuredComparison comparison;     // unlabelled tables that are degraded are not in its classes
  std::vector<Diagnosis> diagnoses;  // one a table, in order
  std::vector<Error> warnings;       // WarningsOfGpus()

  std::size_t Count(Verdict verdict) const;
  // The worst verdict of a table; not judged where none is judged.
  Verdict Overall() const;
};
JudgedTables JudgeTables(const MeasuredCases& cases, const Calibration& calibration);

}  // namespace weft
