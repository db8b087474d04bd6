// How long a collective takes on hosts that stand alike in a network that does not block.
//
// The pattern that NCCL would run (workloads/collectives/nccl/) is timed in closed form: launch,
// steps by link class and protocol, bytes over the narrowest of links, NICs and channels. Search
// and choice are made once for a question; a time under other constants then costs microseconds,
// so that a fit may ask a million times.
//
//     CollectiveQuestion question{.op = "all_reduce", .host = host, .gpus = 16, .gpus_per_host =
//     8}; WEFT_TRY(const CollectiveModel model, CollectiveModel::Build(question)); const
//     CollectiveTime t = model.Time(MiB(64), CollectiveConstants());
//
// Sizes    as nccl-tests counts them; times are out of place, as its left half.
// Units    microseconds; rates of 10^9 bytes a second.
// Errors   Build: an operation that is none, GPUs that do not divide into hosts, a host whose GPU
//          has no compute capability, a version that is none, an algorithm that is off here.
// Cost     Build: NCCL's search, 1 ms to 1 s. Case: microseconds. Time: below a microsecond.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/source_text.h"
#include "base/units.h"
#include "hardware/parts.h"
#include "scenario/run_report.h"
#include "workloads/collectives/nccl/constants.h"
#include "workloads/collectives/nccl/plan.h"
#include "workloads/collectives/nccl/time.h"

namespace weft {

// Whether every rank has a block of its own, so that a size counts all of them.
bool HasBlocks(std::string_view op);
// busbw over algbw of an operation over `ranks` [NCT doc/PERFORMANCE.md].
double BusFactor(std::string_view op, int ranks);
// busbw, 10^9 bytes a second, of what took `us` microseconds.
double BusbwGBps(std::string_view op, int ranks, Bytes size, double us);

// The size that nccl-tests runs and prints where `bytes` are asked for: floats, and where every
// rank has a block of its own, blocks rounded down to 16 bytes [NCT src/*.cu].
Bytes TestedSize(std::string_view op, int ranks, Bytes bytes);

struct CollectiveQuestion {
  std::string op = "all_reduce";  // of NcclPlanOps()
  HostPart host;
  int gpus = 8;
  std::optional<int> gpus_per_host;  // all of the host's where absent, at most `gpus`
  std::string nccl = "2.28";
  NcclForced forced{};
  std::optional<int> channels{};
  bool sharp = false;                  // the switches reduce
  bool pxn = true;                     // GPUs send over the GPU beside a NIC
  std::optional<SendMatrix> matrix{};  // of all_to_all_v; else as MakeSendMatrix makes it
  std::string matrix_text{};           // the same in YAML, for a fabric
};

class CollectiveModel {
 public:
  static Result<CollectiveModel> Build(const CollectiveQuestion& question);

  // What does not hang on constants: NCCL's choice for a size, steps, bytes by link class.
  NcclTimeCase Case(Bytes bytes) const { return Case(bytes, time_question_.forced); }
  // Of an algorithm and protocol that are on for the operation.
  NcclTimeCase Case(Bytes bytes, const NcclForced& forced) const;
  CollectiveTime Time(const NcclTimeCase& which, const CollectiveConstants& constants) const;
  CollectiveTime Time(Bytes bytes, const CollectiveConstants& constants) const {
    return Time(Case(bytes), constants);
  }

  // The rows of CollectiveParameters() that times of this question hang on.
  const std::vector<std::size_t>& parameters() const { return parameters_; }
  const NcclComm& comm() const { return *comm_; }
  bool nccl_version_known() const { return version_known_; }
  double busbw_factor() const { return busbw_factor_; }
  // What the matrix of the operation sends, where it has one.
  const SendMatrix* matrix() const { return matrix_.get(); }

 private:
  std::string op_;
  HostPart host_;
  NcclTimeQuestion time_question_;
  std::shared_ptr<const SendMatrix> matrix_;  // none: the operation sends by none
  SendLoads loads_;                           // of the matrix
  Bytes matrix_size_;
  std::shared_ptr<const NcclComm> comm_;
  std::vector<std::size_t> parameters_;
  bool version_known_ = true;
  double busbw_factor_ = 1;
};

// A network to run the pattern on.
struct FabricQuestion {
  std::string fabric;        // a preset's name, a file (of a fabric's keys, or a scenario), or YAML
  std::string host;          // likewise; empty: the fabric's own
  std::string engine;        // flow where empty
  std::string calibration;   // file, preset or none
  std::optional<int> seeds;  // the scenario's default where absent
  int threads = 1;
};

// A line of `weft collective`: median and 5–95 % over hash seeds; all three alike where nothing
// is drawn.
struct CollectiveTimeRow {
  double us = 0, p5_us = 0, p95_us = 0;
  double in_place_us = 0;
  std::optional<CollectiveTime::Bound> bound;  // none: of a plain ring, which no closed form times
  NcclProtocol send_protocol = NcclProtocol::kSimple;  // of sends: a message's
  int send_channels = 1;
  // Of a fabric, in an engine: what NCCL would run where weft has a pattern of it, else the ring.
  std::optional<NcclChoice> ran;
  ErrorBand error;               // of the time on a network that does not block
  std::optional<bool> in_range;  // of the calibration; none: there is none
};

// The hosts of a fabric that the question's ranks are on.
struct FabricHosts {
  HostPart host;          // rank 0's
  std::size_t hosts = 0;  // that ranks are on; 0: the fabric has one kind
  std::string unlike;     // what NCCL tells apart: "hosts of several kinds (…)"; empty: nothing
};
// Errors as in SimulateCollective. `question`'s host is not read.
Result<FabricHosts> HostsOfFabric(const FabricQuestion& fabric, const CollectiveQuestion& question,
                                  SourceTexts* texts);

struct FabricTimes {
  std::vector<CollectiveTimeRow> rows;  // a size each; in_place_us and bound are left
  int seeds = 1;
};

// The same question on a fabric, packed into hosts in order: an engine runs NCCL's pattern over
// hash seeds, or a plain ring where NCCL tells the ranks' hosts apart; then no row has a `ran`.
// Of a scenario's file fabric, host, rdma, routing and physics count. `texts` as in ReadScenario;
// it may be null. Errors   those of the fabric, the host and the scenario made of them.
Result<FabricTimes> SimulateCollective(const CollectiveModel& model,
                                       const CollectiveQuestion& question,
                                       const FabricQuestion& fabric,
                                       const std::vector<Bytes>& sizes, SourceTexts* texts);

}  // namespace weft
