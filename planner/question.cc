#include "planner/question.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "base/schema/wording.h"
#include "hardware/coolers.h"
#include "planner/sizing.h"
#include "scenario/calibration.h"
#include "scenario/prepare.h"
#include "workloads/collectives/collective.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

struct ComputeUnit {
  std::string_view name;
  double ops;
  bool integer;
};
constexpr std::array<ComputeUnit, 6> kComputeUnits{{{"EFLOPS", 1e18, false},
                                                    {"PFLOPS", 1e15, false},
                                                    {"TFLOPS", 1e12, false},
                                                    {"EOPS", 1e18, true},
                                                    {"POPS", 1e15, true},
                                                    {"TOPS", 1e12, true}}};

// Here, for SwitchSpec has no key that says it.
constexpr std::array<std::string_view, 3> kInfiniBand = {"qm8700", "qm9700", "q3400"};

// Accelerators that come in a host of another's preset, or bought by the supernode.
struct HostOf {
  std::string_view accelerator, host;
  int unit;
};
constexpr std::array<HostOf, 3> kHosts{{{"ascend-910b2", "ascend-910b", 8},
                                        {"ascend-910b3", "ascend-910b", 8},
                                        {"ascend-910c", "cm384", 384}}};
constexpr int kMostOfServer = 16;  // a host of more GPUs is a rack or a supernode of servers
constexpr std::int64_t kMostAccelerators = 1'000'000;
constexpr double kMostOps = 1e24;  // a thousand times what a million of the fastest would have
constexpr int kOfServer = 8;       // where nobody says how many stand in a tray

class Reader {
 public:
  explicit Reader(std::shared_ptr<const Located<PlanSpec>> spec) { out_.located = std::move(spec); }

  Result<Question> Read(SourceTexts* texts) {
    ReadNeed();
    ReadParts();
    ReadJobs();
    ReadRest(texts);
    if (errors_.empty()) CheckSizes();
    if (errors_.empty()) ReadTrainings();
    if (errors_.empty()) StateCommunication();
    if (errors_.empty()) return std::move(out_);
    SortByPosition(errors_);
    return tl::make_unexpected(std::move(errors_));
  }

 private:
  void Add(ErrorCode code, const std::string& path, std::string message, std::string hint) {
    errors_.push_back({code, out_.located->At(path), std::move(message), std::move(hint)});
  }
  void ReadNeed();
  struct Compute {
    double ops;
    bool integer;
  };
  std::optional<Compute> ReadCompute(const std::string& text, const std::string& path);
  template <class Items>
  void RefuseTwice(const Items& items, const char* path);
  void ReadParts();
  void ReadAccelerator(const std::string& name, const std::string& path);
  void ReadSwitch(const std::string& name, const std::string& path);
  void CheckNicRates();
  void ReadJobs();
  void CheckJobSizes(const std::vector<SizingRow>& sizing);
  void ReadRest(SourceTexts* texts);
  void ReadCalibrated(SourceTexts* texts);
  void StateCommunication();
  std::vector<TimedCollective> WaitedFor(const JobChoice& job, std::size_t a) const;
  void CheckSizes();
  void ReadTrainings();
  TrainingChoice ReadTraining(int job, const AcceleratorChoice& choice, std::int64_t gpus);
  std::string Beside(const std::string& file, const std::string& key) const;
  bool IsThere(const std::string& file, const std::string& key);

  Question out_;
  Calibration calibration_;  // that the plan names
  PresetTable presets_ = AllPresets();
  Errors errors_;
};

std::optional<Reader::Compute> Reader::ReadCompute(const std::string& text,
                                                   const std::string& path) {
  const auto* unit =
      std::find_if(kComputeUnits.begin(), kComputeUnits.end(), [&](const ComputeUnit& one) {
        return text.ends_with(one.name) && one.integer == !text.ends_with("FLOPS");
      });
  const bool nominal = text.ends_with("P") || text.ends_with("E");
  if (unit == kComputeUnits.end()) {
    Add(ErrorCode::kSyntax, path,
        fmt::format("'compute' is '{}' (want a peak with its unit, such as 5000PFLOPS)", text),
        nominal ? "P alone does not say of what: PFLOPS of bf16, or POPS of int8"
                : "units: EFLOPS PFLOPS TFLOPS, of int8 EOPS POPS TOPS");
    return std::nullopt;
  }
  std::string_view number(text);
  number.remove_suffix(unit->name.size());
  while (number.ends_with(' ')) number.remove_suffix(1);
  const auto value = ScanQuantity(number, Unit::NONE);
  if (value && *value * unit->ops > kMostOps) {
    Add(ErrorCode::kOutOfRange, path, fmt::format("'compute' is '{}'", text),
        "want at most 1e6 EFLOPS, or EOPS");
    return std::nullopt;
  }
  if (value && *value > 0) return Compute{*value * unit->ops, unit->integer};
  Add(ErrorCode::kSyntax, path,
      fmt::format("'compute' is '{}' (want a positive number with its unit)", text), "5000PFLOPS");
  return std::nullopt;
}

void Reader::ReadNeed() {
  const NeedSpec& need = out_.spec().need();
  out_.type = need.dtype() == NeedSpec::INT8  ? NumberType::kInt8
              : need.dtype() == NeedSpec::FP8 ? NumberType::kFp8
                                              : NumberType::kBf16;
  out_.basis_given = need.has_basis();
  if (!need.has_basis())
    out_.bases = {Basis::kDense, Basis::kSparse};
  else
    out_.bases = {need.basis() == NeedSpec::SPARSE ? Basis::kSparse : Basis::kDense};
  if (need.compute().empty() == !need.has_gpus())
    return Add(ErrorCode::kInconsistent, "need",
               need.has_gpus() ? "both 'compute' and 'gpus' are asked for"
                               : "neither 'compute' nor 'gpus' is asked for",
               "one of them: { compute: 5000PFLOPS }, or { gpus: 2048 }");
  if (need.has_gpus()) {
    out_.gpus = need.gpus();
    out_.bases.resize(1);
  } else {
    const std::string& text = need.compute();
    const std::optional<Compute> compute = ReadCompute(text, "need.compute");
    if (compute && compute->integer != out_.integer())
      Add(ErrorCode::kInconsistent, "need.compute",
          fmt::format("'{}' counts {} operations, and dtype is {}int8", text,
                      compute->integer ? "integer" : "floating-point",
                      compute->integer ? "not " : ""),
          compute->integer ? "dtype: int8" : "POPS, or dtype: bf16");
    if (compute) out_.ops = compute->ops;
  }
}

void Reader::ReadAccelerator(const std::string& name, const std::string& path) {
  AcceleratorChoice choice;
  choice.name = name;
  choice.at = path;
  const Result<GpuPart> gpu = NeedGpu(name, out_.located->At(path));
  if (!gpu) {
    errors_.insert(errors_.end(), gpu.error().begin(), gpu.error().end());
    return;
  }
  choice.gpu = *gpu;
  const auto* special = std::find_if(kHosts.begin(), kHosts.end(),
                                     [&](const HostOf& one) { return one.accelerator == name; });
  std::string preset = special != kHosts.end() ? std::string(special->host) : "";
  // The first host of the GPU by name, HGX boards before others.
  for (const char* prefix : {"hgx-", "dgx-", ""})
    for (const std::string& host : presets_.Names("host")) {
      if (!preset.empty() || !host.starts_with(prefix)) continue;
      const auto spec = ParseText<HostSpec>(fmt::format("preset: {}", host), host,
                                            ReadOptions{&presets_, {}, nullptr});
      if (spec && spec->message.gpu() == name) preset = host;
    }
  if (preset.empty() || presets_.Find("host", preset) == nullptr)
    return Add(ErrorCode::kUnknownKey, path,
               fmt::format("there is no host for accelerator '{}'", name), "");
  choice.host = preset;
  const auto spec = ParseText<HostSpec>(fmt::format("preset: {}\ngpu: {}", preset, name), preset,
                                        ReadOptions{&presets_, {}, nullptr});
  WEFT_CHECK(spec.has_value());  // both are presets
  const Result<HostPart> part = MakeHostPart(spec->message, spec->sources, "");
  WEFT_CHECK(part.has_value());
  choice.part = *part;
  choice.usual = FindHost(part->part);
  const bool supernode = choice.part.gpus > kMostOfServer;
  choice.unit = special != kHosts.end() ? special->unit : choice.part.gpus;
  const int of_server = choice.part.gpus_per_tray > 1 ? choice.part.gpus_per_tray : kOfServer;
  choice.gpus_of_host = supernode ? of_server : choice.part.gpus;
  choice.nics_of_host =
      supernode ? choice.part.nics * of_server / choice.part.gpus : choice.part.nics;
  out_.accelerators.push_back(std::move(choice));
}

// A preset, or the rate of a chip: the preset that is named after it.
void Reader::ReadSwitch(const std::string& name, const std::string& path) {
  std::string preset = name;
  if (name.ends_with('T')) {
    std::string digits = name.substr(0, name.size() - 1);
    std::replace(digits.begin(), digits.end(), '.', 't');
    preset = "switch-" + digits;
  }
  if (presets_.Find("switch", preset) == nullptr) {
    const std::string near = Nearest(name, presets_.Names("switch"));
    return Add(ErrorCode::kUnknownKey, path, fmt::format("there is no switch '{}'", name),
               near.empty() ? "51.2T, 25.6T, or a preset: " + JoinOr(presets_.Names("switch"))
                            : "did you mean '" + near + "'?");
  }
  const auto spec = ParseText<SwitchSpec>(fmt::format("preset: {}", preset), preset,
                                          ReadOptions{&presets_, {}, nullptr});
  WEFT_CHECK(spec.has_value());
  if (std::any_of(out_.switches.begin(), out_.switches.end(),
                  [&](const SwitchChoice& one) { return one.preset == preset; }))
    return Add(ErrorCode::kInconsistent, path, fmt::format("{} is named twice", preset),
               "each once");
  const Result<SwitchPart> part = MakeSwitchPart(spec->message, spec->sources, "");
  const bool infiniband =
      std::find(kInfiniBand.begin(), kInfiniBand.end(), preset) != kInfiniBand.end();
  if (part)
    out_.switches.push_back({preset, *part, CoolerPower(part->cooler), infiniband});
  else
    Add(ErrorCode::kInconsistent, path, part.error()[0].message, part.error()[0].hint);
}

// What is named twice would be planned against itself.
template <class Items>
void Reader::RefuseTwice(const Items& items, const char* path) {
  for (int i = 0; i < items.size(); ++i)
    if (std::find(items.begin(), items.begin() + i, items.Get(i)) != items.begin() + i)
      Add(ErrorCode::kInconsistent, fmt::format("{}[{}]", path, i),
          fmt::format("{} is named twice", items.Get(i)), "each once");
}

void Reader::ReadParts() {
  const PartsSpec& parts = out_.spec().parts();
  RefuseTwice(parts.accelerators(), "parts.accelerators");
  RefuseTwice(parts.nic(), "parts.nic");
  RefuseTwice(parts.nic_ports(), "parts.nic_ports");
  RefuseTwice(parts.oversubscription(), "parts.oversubscription");
  RefuseTwice(parts.families(), "parts.families");
  CheckNicRates();
  for (int i = 0; i < parts.accelerators_size(); ++i)
    ReadAccelerator(parts.accelerators(i), fmt::format("parts.accelerators[{}]", i));
  if (parts.switches().empty())
    for (const char* name : {"51.2T", "25.6T"}) ReadSwitch(name, "parts");
  for (int i = 0; i < parts.switches_size(); ++i)
    ReadSwitch(parts.switches(i), fmt::format("parts.switches[{}]", i));
  for (int i = 0; i < parts.families_size(); ++i) {
    const auto* family =
        std::find_if(std::begin(kDesignFamilies), std::end(kDesignFamilies),
                     [&](DesignFamily one) { return NameOf(one) == parts.families(i); });
    std::vector<std::string> names;
    for (const DesignFamily one : kDesignFamilies) names.emplace_back(NameOf(one));
    const auto* unsearched =
        std::find_if(std::begin(kUnsearched), std::end(kUnsearched),
                     [&](const UnsearchedFamily& one) { return one.name == parts.families(i); });
    if (unsearched != std::end(kUnsearched))
      Add(ErrorCode::kInconsistent, fmt::format("parts.families[{}]", i),
          fmt::format("the planner does not search '{}': {}", parts.families(i), unsearched->why),
          JoinOr(names));
    else if (family == std::end(kDesignFamilies))
      Add(ErrorCode::kUnknownKey, fmt::format("parts.families[{}]", i),
          fmt::format("the planner counts no family '{}'", parts.families(i)), JoinOr(names));
    else
      out_.families.push_back(*family);
  }
  if (parts.families().empty())
    out_.families.assign(std::begin(kDesignFamilies), std::end(kDesignFamilies));
}

// A rate is one that a NIC of the catalogue has, alone or in a host.
void Reader::CheckNicRates() {
  const auto& asked = out_.spec().parts().nic();
  if (asked.empty()) return;
  std::set<double> rates;
  for (const NicPart& nic : PresetNics()) rates.insert(nic.rate.bits_per_second());
  for (const std::string& host : presets_.Names("host")) {
    const auto spec =
        ParseText<HostSpec>("preset: " + host, host, ReadOptions{&presets_, {}, nullptr});
    WEFT_CHECK(spec.has_value());
    rates.insert(spec->message.nic());
  }
  std::vector<std::string> names;
  for (const double rate : rates) names.push_back(FormatQuantity(rate, Unit::BIT_RATE));
  for (int i = 0; i < asked.size(); ++i)
    if (std::none_of(rates.begin(), rates.end(),
                     [&](double rate) { return std::abs(rate / asked.Get(i) - 1) < 1e-9; }))
      Add(ErrorCode::kOutOfRange, fmt::format("parts.nic[{}]", i),
          fmt::format("no NIC of the catalogue runs at {}",
                      FormatQuantity(asked.Get(i), Unit::BIT_RATE)),
          JoinOr(names));
}

void Reader::ReadJobs() {
  double sum = 0;
  for (int i = 0; i < out_.spec().jobs_size(); ++i) {
    const PlanJobSpec& spec = out_.spec().jobs(i);
    JobChoice job;
    job.share = spec.share();
    job.exposed = spec.exposed();
    job.spec = &spec;
    if (spec.has_gpus()) job.gpus = spec.gpus();
    sum += job.share;
    std::string what;
    if (spec.has_training() && out_.located->sources.Given(fmt::format("jobs[{}].exposed", i)))
      Add(ErrorCode::kInconsistent, fmt::format("jobs[{}].exposed", i),
          "'exposed' is given beside 'training', of which what waits is simulated", "leave it out");
    const CollectiveSpec::Op op = spec.collective().op();
    const std::string at = fmt::format("jobs[{}].collective", i);
    if (op == CollectiveSpec::ALL_TO_ALL_V || op == CollectiveSpec::GATHER ||
        op == CollectiveSpec::SCATTER)
      Add(ErrorCode::kInconsistent, at + ".op", "a plan bounds no sends by a matrix",
          "op: all_to_all, or weft simulate");
    else if (spec.has_collective() && spec.collective().bytes().empty())
      Add(ErrorCode::kInconsistent, at, "the collective has no size", "bytes: 64MiB");
    if (spec.has_collective())
      what = CollectiveSpec::Op_Name(spec.collective().op());
    else if (spec.has_traffic())
      what = TrafficSpec::Pattern_Name(spec.traffic().pattern());
    else if (spec.has_training())
      what = "training " +
             (spec.training().model().empty() ? "its own model" : spec.training().model());
    else
      Add(ErrorCode::kInconsistent, fmt::format("jobs[{}]", i), "this job has no workload",
          "collective: { op: all_reduce, bytes: 1GiB }");
    std::transform(what.begin(), what.end(), what.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    job.name = job.gpus ? fmt::format("{} on {} GPUs", what, *job.gpus) : what + " on all GPUs";
    out_.jobs.push_back(std::move(job));
  }
  if (!out_.jobs.empty() && std::abs(sum - 1) > 1e-6)
    Add(ErrorCode::kInconsistent, "jobs",
        fmt::format("the jobs' shares add up to {:.6g} %", sum * 100), "100 % of the GPU-hours");
}

void Reader::ReadRest(SourceTexts* texts) {
  const PlanSpec& spec = out_.spec();
  const std::string& spines = spec.policy().spines();
  if (spines != "even" && spines != "minimum" && spines != "both")
    Add(ErrorCode::kSyntax, "policy.spines", fmt::format("'spines' is '{}'", spines),
        "even, minimum or both");
  for (int i = 0; i < spec.targets_size(); ++i) {
    const PlanTargetSpec& target = spec.targets(i);
    const std::optional<Compute> compute =
        ReadCompute(target.compute(), fmt::format("targets[{}].compute", i));
    if (compute)
      out_.targets.push_back({target.name(), target.said(), compute->ops, compute->integer});
  }
  std::vector<std::string> files;
  for (int i = 0; i < spec.catalogue_size(); ++i) {
    const std::string key = fmt::format("catalogue[{}]", i);
    const std::string file = Beside(spec.catalogue(i), key);
    if (IsThere(file, key)) files.push_back(file);
  }
  out_.files = files;
  for (const auto& [path, origin] : out_.located->sources.entries())
    if (origin.kind == Origin::Kind::kFile && origin.pos.file != out_.located->At("").file &&
        std::find(out_.files.begin(), out_.files.end(), origin.pos.file) == out_.files.end())
      out_.files.push_back(origin.pos.file);
  Result<Catalogue> catalogue = ReadCatalogue(files, texts);
  if (catalogue)
    out_.catalogue = *std::move(catalogue);
  else
    errors_.insert(errors_.end(), catalogue.error().begin(), catalogue.error().end());
  ReadCalibrated(texts);
  Result<FailureRates> rates = FindFailureRates("default", out_.located->At("reliability"));
  if (rates) {
    out_.rates = *std::move(rates);
    out_.rates.stopping_flaps = spec.reliability().stopping_flaps();
    for (const AcceleratorChoice& accelerator : out_.accelerators)
      for (const SwitchChoice& chip : out_.switches)
        out_.rates_of.push_back(WithParts(out_.rates, out_.catalogue, accelerator.name,
                                          accelerator.part.part, chip.part.part, chip.part.part));
  } else {
    errors_.insert(errors_.end(), rates.error().begin(), rates.error().end());
  }
}

// Files stand beside the one that names them.
std::string Reader::Beside(const std::string& file, const std::string& key) const {
  const std::filesystem::path path(file);
  if (path.is_absolute()) return path.string();
  return (std::filesystem::path(out_.located->At(key).file).parent_path() / path).string();
}

bool Reader::IsThere(const std::string& file, const std::string& key) {
  std::error_code failed;
  if (std::filesystem::is_regular_file(file, failed)) return true;
  Add(ErrorCode::kIo, key, fmt::format("there is no file '{}'", file),
      "a file beside the one that names it; a plan.json is run where its question was");
  return false;
}

void Reader::ReadCalibrated(SourceTexts* texts) {
  const std::string& named = out_.spec().calibration();
  if (named.empty()) return;
  const bool preset = named == "none" || presets_.Find("calibration", named) != nullptr;
  if (!preset && !IsThere(Beside(named, "calibration"), "calibration")) return;
  if (!preset) out_.files.push_back(Beside(named, "calibration"));
  out_.calibration = preset ? named : Beside(named, "calibration");
  Result<Calibration> calibration = ReadCalibration(out_.calibration, texts);
  if (calibration)
    calibration_ = *std::move(calibration);
  else
    errors_.insert(errors_.end(), calibration.error().begin(), calibration.error().end());
}

// The widest of what the calibration says of the jobs on every accelerator's hosts.
void Reader::StateCommunication() {
  double widest = 0;
  for (std::size_t a = 0; a < out_.accelerators.size(); ++a)
    for (const JobChoice& job : out_.jobs)
      for (const TimedCollective& asked : WaitedFor(job, a)) {
        const HostPart& host = out_.accelerators[a].part;
        if (host.compute_capability == 0) continue;
        if (const auto band = StatedErrorOf(calibration_, host, asked).band)
          widest = std::max({widest, band->high, 1 / band->low});
      }
  if (widest <= 1) return;
  out_.communication = widest;
  out_.communication_source = "held-out tables of " + out_.spec().calibration();
  out_.communication_held_out = true;
}

// What a job waits for on accelerator `a`: its collectives, or the reduction of its gradients.
std::vector<TimedCollective> Reader::WaitedFor(const JobChoice& job, std::size_t a) const {
  const int per_host = std::max(1, out_.accelerators[a].gpus_of_host);
  const auto hosts = [per_host](std::int64_t gpus) {
    return static_cast<int>(std::max<std::int64_t>(1, (gpus + per_host - 1) / per_host));
  };
  std::vector<TimedCollective> out;
  if (job.spec->has_collective()) {
    const std::int64_t gpus = job.gpus.value_or(std::max<std::int64_t>(out_.gpus, per_host));
    for (const std::int64_t bytes : job.spec->collective().bytes())
      out.push_back(
          {OpName(job.spec->collective().op()), Bytes(bytes), static_cast<int>(gpus), hosts(gpus)});
    return out;
  }
  if (!job.trains() || !job.training[a].infeasible.empty()) return out;
  const Training& training = job.training[a].training;
  const Parallel& p = training.parallel;
  const int ranks = p.data * p.context;
  const double bytes =
      SizeOf(training.model).total / (p.tensor * p.pipeline) * training.gradient_bytes;
  if (ranks > 1)
    out.push_back({"reduce_scatter", Bytes(static_cast<std::int64_t>(bytes)), ranks,
                   hosts(static_cast<std::int64_t>(ranks) * p.tensor)});
  return out;
}

// A need so large that nothing of it could be built, or would take for ever to count; a growth to
// less than is there.
void Reader::CheckSizes() {
  if (out_.spec().has_growth() && out_.spec().growth() < out_.gpus)
    Add(ErrorCode::kInconsistent, "growth",
        fmt::format("'growth' is {}, and {} GPUs are needed now", out_.spec().growth(), out_.gpus),
        "GPUs that must be reachable later, the first ones among them");
  const std::vector<SizingRow> sizing = SizeAccelerators(out_);
  CheckJobSizes(sizing);
  for (const SizingRow& row : sizing)
    if (row.basis == out_.bases[0] && row.accelerators && *row.accelerators > kMostAccelerators)
      return Add(ErrorCode::kOutOfRange,
                 out_.spec().need().has_gpus() ? "need.gpus" : "need.compute",
                 fmt::format("it takes {} {}", *row.accelerators, row.name),
                 fmt::format("weft plans for at most {} accelerators", kMostAccelerators));
}

// A job that is larger than the cluster, whichever accelerator it is of; where some are enough, the
// others' plans break a rule.
void Reader::CheckJobSizes(const std::vector<SizingRow>& sizing) {
  std::int64_t most = 0;
  std::string of;
  for (const SizingRow& row : sizing)
    if (row.basis == out_.bases[0] && row.accelerators.value_or(0) > most) {
      most = *row.accelerators;
      of = row.name;
    }
  if (most == 0) return;
  for (std::size_t j = 0; j < out_.jobs.size(); ++j)
    if (out_.jobs[j].gpus.value_or(0) > most)
      Add(ErrorCode::kOutOfRange, fmt::format("jobs[{}].gpus", j),
          fmt::format("'gpus' is {}, and the cluster has {} {}", *out_.jobs[j].gpus, most, of),
          fmt::format("at most {}, or a larger need", most));
}

TrainingChoice Reader::ReadTraining(int job, const AcceleratorChoice& choice, std::int64_t gpus) {
  const TrainingSpec& spec = out_.spec().jobs(job).training();
  // What is wrong is said where the plan says it.
  const std::string from = fmt::format("jobs[{}].training", job), to = "workload.training";
  SourceMap sources;
  for (const auto& [path, origin] : out_.located->sources.entries())
    if (path.starts_with(from)) sources.Add(to + path.substr(from.size()), origin);
  TrainingChoice out;
  out.gpus = gpus;
  const Result<Training> training = MakeTraining(spec, sources, gpus);
  const Result<GpuRates> gpu = MakeGpuRates(spec.efficiency(), sources, choice.name);
  if (!training) {
    // Where the plan does not say on how many GPUs, another accelerator's number may do.
    if (out_.jobs[static_cast<std::size_t>(job)].gpus || training.error().size() > 1 ||
        out_.accelerators.size() == 1)
      errors_.insert(errors_.end(), training.error().begin(), training.error().end());
    out.infeasible = training.error()[0].message;
  } else if (!gpu) {
    out.infeasible = fmt::format("{} (training.efficiency gives it)", gpu.error()[0].message);
  } else {
    out.training = *training;
    out.gpu = *gpu;
    out.nvlink_bytes_per_s = choice.part.nvlink.bits_per_second() / 8;
    out.infeasible = CheckTraining(*training, *gpu);
    out.flops = FlopsPerToken(training->model, training->sequence) *
                static_cast<double>(training->global_batch * training->sequence);
  }
  return out;
}

void Reader::ReadTrainings() {
  const std::vector<SizingRow> sizing = SizeAccelerators(out_);
  for (std::size_t j = 0; j < out_.jobs.size(); ++j) {
    JobChoice& job = out_.jobs[j];
    if (!job.spec->has_training()) continue;
    job.exposed = 0;  // of each plan its own, as simulated
    for (std::size_t a = 0; a < out_.accelerators.size(); ++a) {
      std::int64_t gpus = job.gpus.value_or(0);
      for (const SizingRow& row : sizing)
        if (gpus == 0 && row.accelerator == a && row.basis == out_.bases[0])
          gpus = row.accelerators.value_or(0);
      if (gpus > 0) {
        job.training.push_back(ReadTraining(static_cast<int>(j), out_.accelerators[a], gpus));
        // The same mistake once, however many accelerators meet it.
        if (!errors_.empty()) return;
      } else {
        job.training.emplace_back();
        job.training.back().infeasible = "it is not planned for";
      }
    }
  }
}

Result<Question> Finish(Result<Located<PlanSpec>> spec, SourceTexts* texts) {
  if (!spec) return tl::make_unexpected(spec.error());
  return Reader(std::make_shared<const Located<PlanSpec>>(*std::move(spec))).Read(texts);
}

}  // namespace

TrainingChoice WithTraining(const TrainingChoice& as, const TrainingSpec& spec) {
  TrainingChoice out = as;
  const Result<Training> training = MakeTraining(spec, SourceMap{}, as.gpus);
  if (!training) {
    out.infeasible = training.error()[0].message;
    return out;
  }
  out.training = *training;
  out.infeasible = CheckTraining(*training, out.gpu);
  out.flops = FlopsPerToken(training->model, training->sequence) *
              static_cast<double>(training->global_batch * training->sequence);
  return out;
}

Result<Question> ReadQuestion(const std::string& path, const std::vector<std::string>& sets,
                              SourceTexts* texts) {
  const PresetTable presets = AllPresets();
  return Finish(ReadFile<PlanSpec>(path, ReadOptions{&presets, sets, texts}), texts);
}

Result<Question> ParseQuestion(std::string_view text, const std::string& file_name,
                               const std::vector<std::string>& sets, SourceTexts* texts) {
  const PresetTable presets = AllPresets();
  return Finish(ParseText<PlanSpec>(text, file_name, ReadOptions{&presets, sets, texts}), texts);
}

bool Question::trains() const {
  return std::any_of(jobs.begin(), jobs.end(), [](const JobChoice& job) { return job.trains(); });
}

std::string ComputeText(double ops, bool integer) {
  return fmt::format("{:.6g} {}", ops / 1e15, integer ? "POPS" : "PFLOPS");
}

std::optional<Checkpoints> CheckpointsOf(const PlanReliabilitySpec& spec,
                                         const MonthlyFailures& failures) {
  if (failures.stops.mid <= 0) return std::nullopt;
  const Seconds checkpoint = FromPicoseconds(spec.checkpoint()),
                restart = FromPicoseconds(spec.restart());
  Checkpoints out;
  out.between = failures.MeanTimeBetweenStops();
  out.interval = std::max(YoungInterval(checkpoint, out.between), Seconds(1e-3));
  out.ettr = Ettr(checkpoint, restart, out.between, out.interval);
  out.exact = ExactEttr(checkpoint, restart, out.between, out.interval);
  return out;
}

}  // namespace weft
