#include "planner/evaluate.h"

#include <fmt/format.h>

#include <algorithm>

#include "topology/cabling.h"
#include "topology/formats/cabling_csv.h"

namespace weft {
namespace {

constexpr double kHeaders = 4096.0 / (4096 + 26);  // the leanest transport: InfiniBand's headers

// Bytes that `job` sends out of each GPU's host, and out of a full leaf's segment for each GPU.
struct Leaving {
  double host = 0, segment = 0;
};

Leaving LeavingBytes(const Candidate& candidate, const JobChoice& job, std::int64_t gpus) {
  const auto of_host = static_cast<double>(candidate.design.gpus_of_host);
  const auto of_segment =
      static_cast<double>(candidate.counts.hosts_of_segment * candidate.design.gpus_of_host);
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

struct Built {
  std::shared_ptr<const Fabric> fabric;
  CablingParts parts;
  CablingPlan plan;
};

Result<Built> Build(const Question& question, const Candidate& candidate,
                    Located<ScenarioSpec>& spec) {
  WEFT_TRY(spec, ParseScenario(ScenarioText(question, candidate) + CablingText(question),
                               candidate.id, {}, nullptr));
  Built out;
  FabricCache cache;
  WEFT_TRY(out.fabric, PrepareFabric(spec, cache));
  WEFT_TRY(out.parts, MakeCablingParts(*out.fabric, spec.message.fabric(), nullptr,
                                       spec.message.cabling(), spec.sources));
  WEFT_TRY(out.plan, PlanCabling(*out.fabric, out.parts));
  return out;
}

// The rounds of an all-to-all are NCCL's: they want a version.
std::string NcclText(const JobChoice& job) {
  const bool rounds =
      job.spec->has_collective() && job.spec->collective().op() == CollectiveSpec::ALL_TO_ALL;
  return rounds ? "collectives: { nccl: \"2.28\" }\n" : "";
}

}  // namespace

double BoundSeconds(const Candidate& candidate, const JobChoice& job) {
  const std::int64_t gpus = job.gpus.value_or(candidate.accelerators);
  const Leaving leaving = LeavingBytes(candidate, job, gpus);
  const double gpu_Bps = candidate.gpu_rate().bits_per_second() / 8 * kHeaders;
  double seconds = leaving.host / gpu_Bps;
  const std::int64_t of_segment = candidate.counts.hosts_of_segment * candidate.design.gpus_of_host;
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
                                   ResultStore* store) {
  const std::int64_t gpus = job.gpus.value_or(candidate.accelerators);
  const std::string text = ScenarioText(question, candidate) +
                           fmt::format("placement: {{ gpus: {} }}\nrouting: {{ seeds: {} }}\n",
                                       gpus, question.spec().decide().seeds()) +
                           NcclText(job);
  WEFT_TRY(Located<ScenarioSpec> spec, ParseScenario(text, candidate.id, {}, nullptr));
  if (job.spec->has_traffic())
    *spec.message.mutable_workload()->mutable_traffic() = job.spec->traffic();
  else
    *spec.message.mutable_workload()->mutable_collective() = job.spec->collective();
  const std::string key = spec.message.SerializeAsString();
  if (store != nullptr)
    if (const auto kept = store->Find(key)) return SimulatedTimes{*kept, true};
  FabricCache cache;
  RunControl run = control;
  if (!run.stop) run.stop = [] { return false; };
  if (!run.clock_s) run.clock_s = [] { return 0.0; };  // nothing here reads how long it took
  WEFT_TRY(const PreparedScenario prepared, Prepare(std::move(spec), cache, run.stop));
  if (prepared.stopped) return SimulatedTimes{};
  const RunReport report = RunScenario(prepared, run);
  if (report.partial) return SimulatedTimes{};
  if (!report.incomplete.empty())
    return Fail(ErrorCode::kInconsistent, {candidate.id, 1, 1}, report.incomplete.front());
  if (store != nullptr) store->Put(key, report.makespan_by_seed_s);
  return SimulatedTimes{report.makespan_by_seed_s, false};
}

void MakeExact(const Question& question, Candidate& candidate, ExactFiles* files) {
  const AcceleratorChoice& choice = question.accelerators[candidate.accelerator];
  // A supernode is not the servers that the network sees.
  if (choice.part.gpus != choice.gpus_of_host) return;
  Located<ScenarioSpec> spec;
  const Result<Built> built = Build(question, candidate, spec);
  if (!built) return Break(candidate, built.error());
  BomOptions options;
  options.spares = question.spec().policy().spares();
  Bom bom = MakeBom(*built->fabric, built->parts, &built->plan, question.catalogue, options);
  // The networks beside the backend are counted, not built.
  for (BomRow& row : candidate.bom.rows)
    if (row.use == "frontend" || row.use == "storage" || row.use == "out of band")
      bom.rows.push_back(row);
  candidate.bom = std::move(bom);
  candidate.totals = SumBom(candidate.bom);
  candidate.network = SumBom(candidate.bom, BomScope::kNetwork);
  candidate.site_watts = candidate.totals.power.mid.count() * question.spec().limits().pue();
  candidate.racks = static_cast<std::int64_t>(built->plan.racks.racks.size());
  candidate.exact = true;
  candidate.broken.clear();
  for (RuleCheck& check : CheckRules(question, candidate))
    if (!check.ok) candidate.broken.push_back(std::move(check));
  if (files == nullptr) return;
  files->links = CablingCsv(*built->fabric, built->parts, built->plan);
  files->ports = PortsCsv(*built->fabric, built->parts, built->plan);
  files->racks = RacksCsv(built->plan.racks);
}

}  // namespace weft
