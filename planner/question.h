// The planner's question, read: parts found, units checked, defaults filled.
//
// Units    Need::ops is operations a second; floating-point ones are FLOPS, int8 ones OPS.
// Errors   ReadQuestion: what the schema refuses; compute without its unit, in POPS of a
//          floating-point type or in PFLOPS of int8; a part that the catalogue does not have, with
//          the nearest; a NIC at a rate that none has; shares of jobs that do not add up to 100 %;
//          a job without a workload, of more GPUs than the cluster has, or a training that cannot
//          be cut as it asks; more than 1,000,000 accelerators of any kind.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "hardware/catalogue.h"
#include "hardware/parts.h"
#include "planner/design.h"
#include "planner/plan.pb.h"
#include "reliability/reliability.h"
#include "workloads/training/training.h"

namespace weft {

// An accelerator with the host it comes in.
struct AcceleratorChoice {
  std::string name, host;  // presets of kinds gpu and host
  GpuPart gpu;
  HostPart part;                  // the host
  std::optional<HostPart> usual;  // FindHost(part.part): as it is sold
  int unit = 8;                   // accelerators are bought in multiples of it
  // What the network sees as one host: a supernode's network ports are those of its servers.
  int gpus_of_host = 8, nics_of_host = 8;
  std::string at;  // "parts.accelerators[0]"
};

struct SwitchChoice {
  std::string preset;
  SwitchPart part;
  std::optional<Watts> cooler;  // what it allows the chip; none where no cooler is named
  // Its subnet manager routes adaptively unless it is told otherwise [NV-IBUP Adaptive Routing].
  bool infiniband = false;
};

// Families that weft simulates and the planner does not search, and why.
struct UnsearchedFamily {
  const char *name, *why;
};
inline constexpr UnsearchedFamily kUnsearched[] = {
    {"dcn_plus", "its counts are those of one published cluster, without parameters to search"},
    {"leaf_spine", "it is fat_tree of two tiers"},
    {"custom", "it is given, not searched"}};

// A training job on one accelerator, in plain values.
struct TrainingChoice {
  Training training;
  GpuRates gpu;
  double nvlink_bytes_per_s = 0;
  std::int64_t gpus = 0;
  double flops = 0;        // of an iteration: the model's own operations
  std::string infeasible;  // why it cannot run there; empty: it can
};

// `as` with another workload of the same GPUs.
TrainingChoice WithTraining(const TrainingChoice& as, const TrainingSpec& spec);

struct JobChoice {
  double share = 1;
  std::optional<std::int64_t> gpus;   // of one job; none: all
  double exposed = 0;                 // share of its time that waits, on the non-blocking fabric
  const PlanJobSpec* spec = nullptr;  // of Question::spec
  std::string name;                   // "all_to_all on 256 GPUs"
  std::vector<TrainingChoice> training = {};  // [accelerators]; of another job none

  bool trains() const { return !training.empty(); }
};

struct TargetChoice {
  std::string name, said;
  double ops = 0;
  bool integer = false;
};

struct Question {
  std::shared_ptr<const Located<PlanSpec>> located;
  Catalogue catalogue;
  FailureRates rates;
  std::vector<FailureRates> rates_of;  // [accelerators][switches]: with what the catalogue says
  std::optional<double> ops;           // of the need, a second; none: gpus are asked for
  std::int64_t gpus = 0;
  NumberType type = NumberType::kBf16;
  std::vector<Basis> bases;  // to size for; the first is planned for
  bool basis_given = false;
  std::vector<AcceleratorChoice> accelerators;
  std::vector<SwitchChoice> switches;
  std::vector<DesignFamily> families;
  std::vector<JobChoice> jobs;
  std::vector<TargetChoice> targets;
  std::string calibration;  // a file, or a preset; empty: none was named
  // How far communication time may be off, 5-95 %, as a ratio above 1; and who says so.
  double communication = 1.15;
  std::string communication_source = "an assumption";
  bool communication_held_out = false;  // a calibration says it

  const PlanSpec& spec() const { return located->message; }
  std::vector<std::string> files;  // that the question names: catalogues, a calibration, includes

  // Requires: rows of `accelerators` and `switches`.
  const FailureRates& RatesOf(std::uint32_t accelerator, std::uint32_t chip) const {
    return rates_of[accelerator * switches.size() + chip];
  }
  bool trains() const;  // any of its jobs
  bool integer() const { return type == NumberType::kInt8; }
};

Result<Question> ReadQuestion(const std::string& path, const std::vector<std::string>& sets,
                              SourceTexts* texts);
Result<Question> ParseQuestion(std::string_view text, const std::string& file_name,
                               const std::vector<std::string>& sets, SourceTexts* texts);

// "5000 PFLOPS", "800 POPS".
std::string ComputeText(double ops, bool integer);

inline Seconds FromPicoseconds(std::int64_t ps) { return Seconds(static_cast<double>(ps) * 1e-12); }

// A job's checkpoints at Young's interval, and what they leave of its time.
struct Checkpoints {
  Seconds between{}, interval{};  // stops, checkpoints
  double ettr = 1, exact = 1;     // to first order, exactly
};
// None: nothing stops it.
std::optional<Checkpoints> CheckpointsOf(const PlanReliabilitySpec& spec,
                                         const MonthlyFailures& failures);

}  // namespace weft
