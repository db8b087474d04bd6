#include "planner/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/ceil_div.h"
#include "planner/bill.h"
#include "topology/cabling.h"
#include "topology/formats/cabling_csv.h"

namespace weft {
namespace {

constexpr double kHeaders = 4096.0 / (4096 + 26);  // the leanest transport: InfiniBand's headers

// Bytes that `job` sends out of each GPU's host, and out of a full segment for each GPU of it.
struct Leaving {
  double host = 0, segment = 0;
};

Leaving LeavingBytes(const Candidate& candidate, const JobChoice& job, std::int64_t gpus,
                     std::int64_t gpus_of_segment) {
  const auto of_host = static_cast<double>(candidate.design.gpus_of_host);
  const auto of_segment = static_cast<double>(gpus_of_segment);
  const auto n = static_cast<double>(gpus);
  Leaving out;
  if (job.spec->has_traffic()) {
    const TrafficSpec& traffic = job.spec->traffic();
    const auto bytes = static_cast<double>(traffic.bytes());
    if (traffic.pattern() == TrafficSpec::ALL_TO_ALL && !traffic.has_flows()) {
      out.host = bytes * std::max(n - of_host, 0.0);
      out.segment = bytes * std::max(n - of_segment, 0.0);
    } else if (traffic.pattern() == TrafficSpec::INCAST && !traffic.has_flows()) {
      out.host = bytes * std::max(n - of_host, 0.0) / candidate.design.nics_of_host;
    }
    return out;
  }
  const CollectiveSpec& collective = job.spec->collective();
  double bytes = 0;
  for (const std::int64_t size : collective.bytes()) bytes += static_cast<double>(size);
  bytes *= static_cast<double>(collective.repeat());
  const double hosts = std::max(n / of_host, 1.0);
  if (collective.op() == CollectiveSpec::ALL_TO_ALL) {  // a rank has a block for every other
    if (collective.group() == CollectiveSpec::ALL) {
      out.host = bytes * std::max(n - of_host, 0.0) / n;
      out.segment = bytes * std::max(n - of_segment, 0.0) / n;
    } else if (collective.group() == CollectiveSpec::PER_RAIL) {
      out.host = bytes * (hosts - 1) / hosts;
    }
    return out;
  }
  // What a host must send of its own, over all its NICs; a rail's own communicator over one.
  const double share = collective.group() == CollectiveSpec::ALL        ? 1.0 / of_host
                       : collective.group() == CollectiveSpec::PER_RAIL ? 1.0
                                                                        : 0.0;
  const double passes = collective.op() == CollectiveSpec::ALL_REDUCE       ? 2.0
                        : collective.op() == CollectiveSpec::ALL_GATHER     ? 1.0
                        : collective.op() == CollectiveSpec::REDUCE_SCATTER ? 1.0
                                                                            : 0.0;
  out.host = bytes * share * passes * (hosts - 1) / hosts;
  return out;
}

// A plan's rack, lengths and parts for the cabling.
std::string CablingText(const Question& question) {
  const PlanRackSpec& rack = question.spec().limits().rack();
  return fmt::format("cabling: {{ rack: {{ units: {}, power: {}W }} }}\n", rack.units(),
                     rack.power() * (1 - question.spec().policy().margin()));
}

std::string RacksCsv(const RackPlan& plan) {
  std::string out = "rack,row,column,hosts,reserved_hosts,switches,units,power_w\n";
  for (std::size_t r = 0; r < plan.racks.size(); ++r) {
    const Rack& rack = plan.racks[r];
    out += fmt::format("{},{},{},{},{},{},{},{}\n", r, rack.row, rack.column, rack.hosts,
                       rack.reserved_hosts, rack.switches, rack.units,
                       rack.power ? fmt::format("{:.1f}", rack.power->count()) : "");
  }
  return out;
}

std::string PortsCsv(const Fabric& fabric, const CablingParts& parts, const CablingPlan& plan) {
  std::string out = "device,rack,unit,cages,cages_used,ports_used\n";
  for (std::uint32_t d = 0; d < DeviceCount(fabric); ++d) {
    int ports = 0;
    for (std::uint32_t c = plan.first_cage[d]; c < plan.first_cage[d + 1]; ++c)
      ports += plan.cages[c].ports;
    const int all = plan.cages_of[parts.kind_of[d]].count;
    const std::uint32_t used = plan.first_cage[d + 1] - plan.first_cage[d];
    const Place& at = plan.racks.place[d];
    out += fmt::format("{},{},{},{},{},{}\n", DeviceName(fabric, DeviceId{d}), at.rack, at.unit,
                       all > 0 ? std::to_string(all) : "", used, ports);
  }
  return out;
}

void Break(Candidate& candidate, const Errors& errors) {
  candidate.broken.push_back({"cabling", false, errors.front().message});
}

// The network sees servers, and what is bought is many of them.
bool IsSupernode(const Question& question, const Candidate& candidate) {
  const AcceleratorChoice& choice = question.accelerators[candidate.accelerator];
  return choice.part.gpus != choice.gpus_of_host;
}

// In a bill of the fabric, whose hosts are servers, the supernodes that `screened` counts, and no
// racks but those of switches.
void BuySupernodes(const Candidate& screened, const RackPlan& plan, Bom& bom) {
  const auto is_host = [](const BomRow& row) {
    return row.role == BomRole::kHost || row.role == BomRole::kNic ||
           row.role == BomRole::kAccelerator;
  };
  std::erase_if(bom.rows, is_host);
  std::vector<BomRow> hosts;
  for (const BomRow& row : screened.bom.rows)
    if (is_host(row) && !row.counted) hosts.push_back(row);
  bom.rows.insert(bom.rows.begin(), hosts.begin(), hosts.end());
  for (BomRow& row : bom.rows)
    if (row.role == BomRole::kRack && !row.spare)
      row.quantity = std::count_if(plan.racks.begin(), plan.racks.end(),
                                   [](const Rack& rack) { return rack.hosts == 0; });
}

struct Built {
  std::shared_ptr<const Fabric> fabric;
  CablingParts parts;
  CablingPlan plan;
};

Result<Built> Build(const Question& question, const Candidate& candidate,
                    Located<ScenarioSpec>& spec, FabricCache& cache) {
  WEFT_TRY(spec, ParseScenario(ScenarioText(question, candidate) + CablingText(question),
                               candidate.id, {}, nullptr));
  Built out;
  WEFT_TRY(out.fabric, PrepareFabric(spec, cache));
  WEFT_TRY(out.parts, MakeCablingParts(*out.fabric, spec.message.fabric(), nullptr,
                                       spec.message.cabling(), spec.sources));
  out.parts.prices = PricesOf(question.catalogue, out.parts.optics, out.parts.cables);
  // Racks are filled by what hosts draw with the candidate's NICs and the reader's figures; those
  // of a supernode by its servers, with nothing beside them.
  CablingParts placed = out.parts;
  placed.kinds[0].power = Watts(candidate.host_watts);
  if (IsSupernode(question, candidate)) {
    DeviceKind& server = placed.kinds[0];
    const AcceleratorChoice& choice = question.accelerators[candidate.accelerator];
    server.power = Watts(candidate.host_watts * choice.gpus_of_host / choice.part.gpus);
    server.racks = 1;
    server.of_rack = candidate.hosts_of_rack;
  }
  WEFT_TRY(out.plan, PlanCabling(*out.fabric, placed));
  return out;
}

// What BoundSeconds() bounds: a collective that leaves its algorithm open is a plain ring here, but
// where a calibration asks for NCCL.
CollectiveSpec RingOf(const Question& question, CollectiveSpec spec) {
  const bool open = spec.algorithm().empty() || spec.algorithm() == "auto";
  if (open && question.calibration.empty() &&
      (spec.op() == CollectiveSpec::ALL_REDUCE || spec.op() == CollectiveSpec::ALL_GATHER ||
       spec.op() == CollectiveSpec::REDUCE_SCATTER))
    spec.set_algorithm("ring");
  return spec;
}

// The rounds of an all-to-all are NCCL's: they want a version; and so does a calibration.
std::string NcclText(const Question& question, const JobChoice& job) {
  if (!job.spec->has_collective()) return {};
  if (!question.calibration.empty())
    return fmt::format("collectives: {{ nccl: \"2.28\" }}\ncalibration: \"{}\"\n",
                       question.calibration);
  const bool rounds = job.spec->collective().op() == CollectiveSpec::ALL_TO_ALL;
  return rounds ? "collectives: { nccl: \"2.28\" }\n" : "";
}

// A rank's block for every other, of all sizes together.
TrafficSpec AllPairs(const CollectiveSpec& collective, std::int64_t gpus) {
  TrafficSpec out;
  out.set_pattern(TrafficSpec::ALL_TO_ALL);
  std::int64_t bytes = 0;
  for (const std::int64_t size : collective.bytes()) bytes += CeilDiv(size, gpus);
  out.set_bytes(bytes);
  return out;
}

std::string RoutingText(const Question& question, const Candidate& candidate, int seeds) {
  // The subnet manager's own engine routes trees so, no dragonfly [NV-IBUP Adaptive Routing].
  const bool adaptive =
      question.switches[candidate.chip].infiniband && !JoinsRouters(candidate.design.family);
  return fmt::format("routing: {{ seeds: {}{} }}\nrdma: {{ qps: {} }}\n", seeds,
                     adaptive ? ", policy: adaptive" : "", candidate.design.nic_ports);
}

WorkloadSpec WorkloadOf(const Question& question, const Candidate& candidate,
                        const JobChoice& job) {
  WorkloadSpec out;
  if (IsAllPairs(question.accelerators[candidate.accelerator], job)) {
    *out.mutable_traffic() =
        AllPairs(job.spec->collective(), job.gpus.value_or(candidate.accelerators));
  } else if (job.spec->has_traffic()) {
    *out.mutable_traffic() = job.spec->traffic();
  } else if (job.spec->has_training()) {
    *out.mutable_training() = job.spec->training();
    out.mutable_training()->set_what_if(false);
  } else {
    *out.mutable_collective() = RingOf(question, job.spec->collective());
    out.mutable_collective()->set_repeat(1);
  }
  return out;
}

NetRates LineRates(const Candidate& candidate, const TrainingChoice& choice) {
  NetRates out;
  out.gpus_per_host = candidate.design.gpus_of_host;
  out.nvlink_bytes_per_s = choice.nvlink_bytes_per_s;
  out.nic_bytes_per_s = candidate.gpu_rate().bits_per_second() / 8;
  return out;
}

// Reduce-scatters or all-gathers of a stage's tensor ranks side by side: a ring leaves each host
// that it meets once, and as many rings as a host has tensor ranks share its NICs.
double RingsBound(const Candidate& candidate, const Training& training, double bytes) {
  const Parallel& p = training.parallel;
  const int ranks = p.data * p.context, gpus = candidate.design.gpus_of_host;
  if (ranks <= 1 || p.tensor * ranks <= gpus) return 0;
  const double host_Bps = candidate.gpu_rate().bits_per_second() / 8 * gpus;
  return std::min(p.tensor, gpus) * bytes * (ranks - 1) / ranks / host_Bps;
}

// Each stage computes all its micro-batches; before, data are loaded, and the first one fills the
// stages above it, and waits for their parameters where these are gathered ahead; behind, its
// gradients are reduced at least once, and parameters gathered where that does not overlap.
double TrainingBound(const Candidate& candidate, const TrainingChoice& choice) {
  const Training& t = choice.training;
  const Parallel& p = t.parallel;
  const NetRates net = LineRates(candidate, choice);
  const TrainingCost cost = PriceTraining(t, choice.gpu, net);
  const auto micro = static_cast<double>(t.micro_batches());
  if (p.schedule == Parallel::Schedule::kDualpipe) {
    const StageTimes& times = *t.stage_times;
    const double both = times.forward_s + times.backward_s;
    return micro * std::min(both, times.together_s.value_or(both)) + t.loading_s + t.fixed_s;
  }
  constexpr double kParameter = 2;  // bytes, in bf16
  const auto gather = [&](int chunk) {
    const double parameters = cost.chunks[static_cast<std::size_t>(chunk)].parameters;
    return p.zero >= 1 ? RingsBound(candidate, t, parameters * kParameter) : 0;
  };
  // ZeRO-3 gathers behind the loading of data, others beside it.
  const double gathered = t.overlap.data ? gather(0) : 0;
  double longest = 0,
         filled = p.zero == 3 ? t.loading_s + gathered : std::max(t.loading_s, gathered);
  for (int s = 0; s < p.pipeline; ++s) {
    double passes = 0, behind = INFINITY;
    for (int c = s; c < p.chunks(); c += p.pipeline) {
      const ChunkCost& chunk = cost.chunks[static_cast<std::size_t>(c)];
      passes += chunk.forward.total_s() + chunk.backward.total_s();
      behind = std::min(behind, RingsBound(candidate, t, chunk.parameters * t.gradient_bytes) +
                                    (t.overlap.data ? 0 : gather(c)));
    }
    longest = std::max(
        longest, filled + micro * passes + behind + cost.optimiser_s[static_cast<std::size_t>(s)]);
    filled += cost.chunks[static_cast<std::size_t>(s)].forward.total_s();
  }
  return longest + t.fixed_s;
}

// What must leave a full router, and a full group of a dragonfly, of a packed job. Where a host's
// NICs straddle two of them it may leave by either, and nothing is said.
double RoutersBound(const Candidate& candidate, const JobChoice& job, std::int64_t gpus) {
  const Design& design = candidate.design;
  const RouterShape& shape = design.routers;
  double seconds = 0;
  const auto cut = [&](std::int64_t endpoints, std::int64_t uplinks) {
    if (uplinks == 0 || endpoints % design.nics_of_host != 0) return;
    const std::int64_t inside = endpoints / design.nics_of_host * design.gpus_of_host;
    if (gpus < inside) return;
    const double up_Bps =
        static_cast<double>(uplinks) * design.uplink.bits_per_second() / 8 * kHeaders;
    seconds = std::max(seconds, LeavingBytes(candidate, job, gpus, inside).segment *
                                    static_cast<double>(inside) / up_Bps);
  };
  cut(shape.p, shape.degree());
  cut(shape.a * shape.p, GroupUplinks(design));
  return seconds;
}

// What is kept of a scenario's run.
struct RunFigures {
  std::vector<double> values;  // none: it was stopped
  bool kept = false;           // the store had them
};

// From the store, or simulated and put there. `figures` takes what is kept from a report.
template <typename FiguresOf>
Result<RunFigures> RunOrFind(Located<ScenarioSpec> spec, const std::string& id,
                             const RunControl& control, ResultStore* store, FabricCache& cache,
                             const FiguresOf& figures) {
  const std::string key = spec.message.SerializeAsString();
  if (store != nullptr)
    if (auto kept = store->Find(key)) return RunFigures{*std::move(kept), true};
  RunControl run = control;
  if (!run.stop) run.stop = [] { return false; };
  if (!run.clock_s) run.clock_s = [] { return 0.0; };  // nothing here reads how long it took
  WEFT_TRY(const PreparedScenario prepared, Prepare(std::move(spec), cache, run.stop));
  if (prepared.stopped) return RunFigures{};
  const RunReport report = RunScenario(prepared, run);
  if (report.partial) return RunFigures{};
  if (!report.incomplete.empty())
    return Fail(ErrorCode::kInconsistent, {id, 1, 1}, report.incomplete.front());
  RunFigures out{figures(report), false};
  if (store != nullptr) store->Put(key, out.values);
  return out;
}

// The times of every seed; of training with what of the iteration waited.
SimulatedTimes TimesOf(const std::vector<double>& kept, bool trains) {
  SimulatedTimes out{kept, 0, true};
  if (trains && !kept.empty()) {
    out.exposed = kept.back();
    out.seconds.pop_back();
  }
  return out;
}

}  // namespace

bool IsAllPairs(const AcceleratorChoice& accelerator, const JobChoice& job) {
  return accelerator.gpu.compute_capability == 0 && job.spec->has_collective() &&
         job.spec->collective().op() == CollectiveSpec::ALL_TO_ALL &&
         job.spec->collective().group() == CollectiveSpec::ALL;
}

double MfuOf(const JobChoice& job, std::uint32_t accelerator, double seconds) {
  const TrainingChoice& choice = job.training[accelerator];
  return choice.flops / seconds / (choice.gpu.flops * static_cast<double>(choice.gpus));
}

std::int64_t RepeatsOf(const JobChoice& job) {
  return job.spec->has_collective() ? job.spec->collective().repeat() : 1;
}

SimulatedTimes EstimateJob(const Candidate& candidate, const JobChoice& job) {
  if (!job.trains()) return {{BoundSeconds(candidate, job)}, 0, false};
  const TrainingChoice& choice = job.training[candidate.accelerator];
  const NetRates net = LineRates(candidate, choice);
  const IterationEstimate estimate = EstimateIteration(
      choice.training, PriceTraining(choice.training, choice.gpu, net), choice.gpu, net);
  const double exposed = estimate.tensor_s + estimate.pipeline_s + estimate.data_s +
                         estimate.context_s + estimate.expert_s;
  return {{estimate.time_s}, exposed / estimate.time_s, false};
}

double BoundSeconds(const Candidate& candidate, const JobChoice& job) {
  if (job.trains()) return TrainingBound(candidate, job.training[candidate.accelerator]);
  const std::int64_t gpus = job.gpus.value_or(candidate.accelerators);
  const std::int64_t of_segment = candidate.counts.hosts_of_segment * candidate.design.gpus_of_host;
  const Leaving leaving = LeavingBytes(candidate, job, gpus, of_segment);
  const double gpu_Bps = candidate.gpu_rate().bits_per_second() / 8 * kHeaders;
  double seconds = leaving.host / gpu_Bps;
  if (JoinsRouters(candidate.design.family))
    return std::max(seconds, RoutersBound(candidate, job, gpus));
  if (leaving.segment > 0 && gpus >= of_segment && candidate.counts.leaf_uplinks > 0) {
    // A NIC port is its share of a NIC, a NIC its share of the host's GPUs.
    const double ports = static_cast<double>(candidate.counts.leaf_slots) *
                         candidate.design.gpus_of_host /
                         (candidate.design.nics_of_host * candidate.design.nic_ports);
    const double up_Bps = static_cast<double>(candidate.counts.leaf_uplinks) *
                          candidate.design.uplink.bits_per_second() / 8 * kHeaders;
    // hosts_of_segment may not fill the leaf's ports.
    const double filled = static_cast<double>(candidate.counts.hosts_of_segment) /
                          std::max<double>(1, static_cast<double>(candidate.counts.leaf_slots) /
                                                  (candidate.design.family == DesignFamily::kFatTree
                                                       ? candidate.design.nics_of_host
                                                       : 1));
    seconds = std::max(seconds, leaving.segment * ports * std::min(filled, 1.0) / up_Bps);
  }
  return seconds;
}

Result<SimulatedTimes> SimulateJob(const Question& question, const Candidate& candidate,
                                   const JobChoice& job, const RunControl& control,
                                   ResultStore* store, FabricCache& cache, int seeds) {
  const std::int64_t gpus = job.gpus.value_or(candidate.accelerators);
  const bool pairs = IsAllPairs(question.accelerators[candidate.accelerator], job);
  const std::string text =
      ScenarioText(question, candidate) + fmt::format("placement: {{ gpus: {} }}\n", gpus) +
      RoutingText(question, candidate, seeds > 0 ? seeds : question.spec().decide().seeds()) +
      (pairs ? "" : NcclText(question, job));
  WEFT_TRY(Located<ScenarioSpec> spec, ParseScenario(text, candidate.id, {}, nullptr));
  *spec.message.mutable_workload() = WorkloadOf(question, candidate, job);
  const auto figures = [](const RunReport& report) {
    std::vector<double> out = report.makespan_by_seed_s;
    if (report.iteration) {
      const IterationReport& it = *report.iteration;
      out.push_back((it.tensor_s + it.pipeline_s + it.data_s + it.context_s + it.expert_s) /
                    it.split_of_s);
    }
    return out;
  };
  WEFT_TRY(const RunFigures run,
           RunOrFind(std::move(spec), candidate.id, control, store, cache, figures));
  if (run.values.empty()) return SimulatedTimes{};
  SimulatedTimes out = TimesOf(run.values, job.trains());
  for (double& seconds : out.seconds) seconds *= static_cast<double>(RepeatsOf(job));
  out.kept = run.kept;
  return out;
}

Result<std::vector<std::vector<double>>> SimulateBeside(const Question& question,
                                                        const Candidate& candidate,
                                                        const RunControl& control,
                                                        ResultStore* store, FabricCache& cache) {
  const PlanDecideSpec& decide = question.spec().decide();
  const int seeds = std::min(decide.workload_seeds(), decide.seeds());
  std::string nccl;
  for (const JobChoice& job : question.jobs)
    if (nccl.empty() && !IsAllPairs(question.accelerators[candidate.accelerator], job))
      nccl = NcclText(question, job);
  const std::string text =
      ScenarioText(question, candidate) + RoutingText(question, candidate, seeds) + nccl;
  WEFT_TRY(Located<ScenarioSpec> spec, ParseScenario(text, candidate.id, {}, nullptr));
  std::int64_t hosts = 0;
  for (const JobChoice& job : question.jobs) {
    const std::int64_t gpus = job.gpus.value_or(candidate.accelerators);
    JobSpec& one = *spec.message.add_jobs();
    one.set_name(fmt::format("job{}", spec.message.jobs_size() - 1));
    one.mutable_placement()->set_gpus(static_cast<int>(gpus));
    one.mutable_placement()->set_skip(hosts);
    one.set_repeat(1);
    *one.mutable_workload() = WorkloadOf(question, candidate, job);
    hosts += CeilDiv(gpus, std::int64_t{candidate.design.gpus_of_host});
  }
  const auto slowdowns = [](const RunReport& report) {
    std::vector<double> out;
    for (const JobReport& job : report.jobs)
      out.insert(out.end(), job.slowdown_by_seed.begin(), job.slowdown_by_seed.end());
    return out;
  };
  WEFT_TRY(const RunFigures run,
           RunOrFind(std::move(spec), candidate.id, control, store, cache, slowdowns));
  if (run.values.empty()) return std::vector<std::vector<double>>{};
  std::vector<std::vector<double>> out;
  const std::size_t each = run.values.size() / question.jobs.size();
  for (std::size_t j = 0; j < question.jobs.size(); ++j)
    out.emplace_back(run.values.begin() + static_cast<std::ptrdiff_t>(j * each),
                     run.values.begin() + static_cast<std::ptrdiff_t>((j + 1) * each));
  return out;
}

void MakeExact(const Question& question, Candidate& candidate, ExactFiles* files,
               FabricCache* cache) {
  Located<ScenarioSpec> spec;
  FabricCache own;
  const Result<Built> built = Build(question, candidate, spec, cache != nullptr ? *cache : own);
  if (!built) return Break(candidate, built.error());
  BomOptions options;
  options.spares = question.spec().policy().spares();
  options.usual = question.accelerators[candidate.accelerator].usual;
  Bom bom = MakeBom(*built->fabric, built->parts, &built->plan, question.catalogue, options);
  for (BomRow& row : bom.rows)
    if (row.role == BomRole::kSwitch) row.use += RailsOf(candidate.design);
  std::int64_t own_racks = 0;
  if (IsSupernode(question, candidate)) {
    BuySupernodes(candidate, built->plan.racks, bom);
    own_racks = candidate.own_racks;
  }
  // The networks beside the backend are counted, not built.
  for (BomRow& row : candidate.bom.rows)
    if (row.counted) bom.rows.push_back(row);
  candidate.bom = std::move(bom);
  candidate.totals = SumBom(candidate.bom);
  candidate.network = SumBom(candidate.bom, BomScope::kNetwork);
  candidate.site_watts = candidate.totals.power.mid.count() * question.spec().limits().pue();
  candidate.racks = own_racks + std::count_if(built->plan.racks.racks.begin(),
                                              built->plan.racks.racks.end(), [&](const Rack& rack) {
                                                return own_racks == 0 || rack.hosts == 0;
                                              });
  candidate.exact = true;
  candidate.broken = FindBrokenRules(question, candidate);
  if (files == nullptr) return;
  files->links = CablingCsv(*built->fabric, built->parts, built->plan);
  files->ports = PortsCsv(*built->fabric, built->parts, built->plan);
  files->racks = RacksCsv(built->plan.racks);
}

}  // namespace weft
