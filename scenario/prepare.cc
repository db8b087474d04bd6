#include "scenario/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "hardware/parts.h"
#include "scenario/calibration.h"
#include "scenario/faults.h"
#include "scenario/iteration_internal.h"
#include "scenario/jobs_internal.h"
#include "scenario/silent_keys.h"
#include "sim/simgrid/simgrid_simulation.h"
#include "topology/build.h"
#include "workloads/collectives/moe.h"
#include "workloads/collectives/nccl/comm.h"
#include "workloads/collectives/nccl/plan.h"
#include "workloads/collectives/nccl/rules.h"
#include "workloads/collectives/ring.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

Errors Join(Errors a, const Errors& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Coupling CouplingOf(const ScenarioSpec& spec) {
  switch (spec.coupling()) {
    case ScenarioSpec::COUPLING_TIGHT:
      return Coupling::kTight;
    case ScenarioSpec::COUPLING_LOOSE:
      return Coupling::kLoose;
    default:
      return Coupling::kAuto;
  }
}

// What the fabric is built from. Which of the host's and switch's keys were written counts too: a
// bare family has defaults of its own for the others.
std::string FabricKey(const Located<ScenarioSpec>& spec) {
  std::string key = spec.message.fabric().SerializeAsString() + '\n' +
                    (spec.message.has_host() ? spec.message.host().SerializeAsString() : "");
  for (const auto& [path, origin] : spec.sources.entries())
    if (origin.kind != Origin::Kind::kDefault &&
        (path.starts_with("host.") || path.starts_with("fabric.host.") ||
         path.starts_with("fabric.switch.")))
      key += fmt::format("\n{} {}", path, origin.kind == Origin::Kind::kPreset);
  return key;
}

std::string RouterKey(const Located<ScenarioSpec>& spec) {
  RoutingSpec policy = spec.message.routing();
  policy.clear_seed();
  policy.clear_seeds();
  return FabricKey(spec) + '\n' + policy.SerializeAsString();
}

// Keys below `prefix` that the user gave and that change nothing in this setting.
std::vector<Error> KeysWithoutEffect(const PreparedScenario& scenario, std::string_view prefix,
                                     std::vector<Error> warnings) {
  const Located<ScenarioSpec>& spec = scenario.spec;
  for (const SilentKey& key : SilentKeys())
    if (std::string_view(key.path).starts_with(prefix) && spec.sources.Given(key.path) &&
        key.silent(scenario))
      warnings.push_back({ErrorCode::kInconsistent,
                          spec.At(key.path),
                          fmt::format("'{}' has no effect: {}", key.path, key.why),
                          {}});
  SortByPosition(warnings);
  return warnings;
}

// Of hosts of several kinds one NVLink efficiency holds for all; empty where theirs are equal.
std::string NvlinksOfOneEfficiency(const PreparedScenario& scenario) {
  if (scenario.spec.message.physics().has_nvlink_efficiency()) return {};
  std::set<std::optional<double>> of_kinds;
  for (const CustomHosts& kind : scenario.spec.message.fabric().custom().hosts()) {
    const std::optional<GpuPart> gpu = FindGpu(kind.host().gpu());
    if (kind.has_host()) of_kinds.insert(gpu ? gpu->nvlink_efficiency : std::nullopt);
  }
  if (of_kinds.size() < 2) return {};
  return "the NVLink efficiency of each kind of host: that of the first holds for all";
}

// A kind of hosts that a custom fabric lists, by its row; else what all hosts are.
const HostSpec& HostOfKind(const ScenarioSpec& spec, std::uint32_t kind) {
  const auto& kinds = spec.fabric().custom().hosts();
  if (kind < static_cast<std::uint32_t>(kinds.size()) && kinds[static_cast<int>(kind)].has_host())
    return kinds[static_cast<int>(kind)].host();
  return spec.has_host() ? spec.host() : spec.fabric().host();
}

// Of the placement's hosts, each once.
std::set<std::uint32_t> KindsOfPlacement(const Fabric& fabric, const Placement& placement) {
  std::set<std::uint32_t> kinds;
  for (const GpuId gpu : placement.gpu_of_rank)
    kinds.insert(fabric.host_kind(fabric.vertex(fabric.gpu(gpu)).host));
  return kinds;
}

// The GPUs of the placement's hosts, each kind once.
std::set<std::string> GpusOfPlacement(const PreparedScenario& scenario) {
  std::set<std::string> out;
  for (const std::uint32_t kind : KindsOfPlacement(*scenario.fabric, scenario.placement))
    out.insert(HostOfKind(scenario.spec.message, kind).gpu());
  return out;
}

// That with the lowest dense peak: a synchronous step waits for it.
std::string SlowestOf(const std::set<std::string>& gpus) {
  std::string slowest;
  double lowest = 0;
  for (const std::string& name : gpus) {
    const std::optional<GpuPart> gpu = FindGpu(name);
    const double flops = gpu ? gpu->bf16_flops : 0;
    if (!slowest.empty() && flops >= lowest) continue;
    slowest = name;
    lowest = flops;
  }
  return slowest;
}

// Of GPUs of several kinds all compute alike; empty where they are of one.
std::string GpusAsTheSlowest(const PreparedScenario& scenario) {
  const std::set<std::string> gpus = GpusOfPlacement(scenario);
  if (gpus.size() < 2) return {};
  return fmt::format(
      "GPUs of several kinds ({}): all compute as {}, the slowest, for which a step waits, and "
      "have its memory; nothing gives a faster one more work",
      fmt::join(gpus, ", "), SlowestOf(gpus));
}

// ZeRO-3's parameters as they are simulated: a chunk at a time, and memory counts layers.
std::string GatheredChunks(const TrainingProgram& program) {
  const Training& training = program.training;
  const Parallel& p = training.parallel;
  if (p.zero < 3 || p.data * p.context < 2) return {};
  double most = 0;
  for (const ChunkCost& chunk : program.cost.chunks)
    most = std::max(most, chunk.parameters + chunk.expert_parameters);
  constexpr double kGiB = 1024.0 * 1024 * 1024, kBf16 = 2;
  return fmt::format(
      "gathers of single layers: a whole chunk is gathered at once, of which {} held would be "
      "{:.1f} "
      "GiB; memory counts a layer in use and the next one, as they are gathered in fact",
      ChunksGathered(training), ChunksGathered(training) * most * kBf16 / kGiB);
}

// What of a training iteration is priced in closed form, and what of that leaves the hosts: nothing
// takes its links from it, nor does it take theirs from others.
std::string PricedAlone(const TrainingProgram& program) {
  struct Kind {
    const char* name;
    Exchange PassCost::*of;
    double bytes = 0, network_bytes = 0;  // of a GPU and iteration
  };
  std::array<Kind, 3> kinds{{{"tensor", &PassCost::tensor},
                             {"context", &PassCost::context},
                             {"expert", &PassCost::expert}}};
  const Training& training = program.training;
  const double passes =
      static_cast<double>(training.micro_batches()) / training.parallel.pipeline / 1e9;
  std::string all, far;
  for (Kind& kind : kinds) {
    for (const ChunkCost& chunk : program.cost.chunks)
      for (const PassCost* pass : {&chunk.forward, &chunk.backward}) {
        kind.bytes += passes * (pass->*kind.of).bytes;
        kind.network_bytes += passes * (pass->*kind.of).network_bytes;
      }
    if (kind.bytes == 0 || (training.contention && kind.network_bytes > 0)) continue;  // simulated
    all += fmt::format("{}{}", all.empty() ? "" : " and ", kind.name);
    if (kind.network_bytes > 0)
      far += fmt::format("{}{:.3g} GB of {} collectives", far.empty() ? "" : " and ",
                         kind.network_bytes, kind.name);
  }
  if (all.empty()) return {};
  if (far.empty())
    return fmt::format("contention of {} collectives inside hosts: they have NVLink to themselves",
                       all);
  return fmt::format(
      "contention of {} collectives: they have their links to themselves, though {} a GPU and "
      "iteration cross the network, where others would slow them and be slowed",
      all, far);
}

// Exchanges of single layers, where they are simulated.
std::string LayersAtOnce(const TrainingProgram& program) {
  std::set<std::string> kinds;
  bool uneven = false;
  for (const ChunkCost& chunk : program.cost.chunks) {
    const PassCost& pass = chunk.forward;
    if (IsSimulated(program.training, pass.tensor)) kinds.insert("tensor");
    if (IsSimulated(program.training, pass.context)) kinds.insert("context");
    if (IsSimulated(program.training, pass.expert)) kinds.insert("expert");
    uneven = uneven || (kinds.count("expert") > 0 && program.training.imbalance > 1);
  }
  if (kinds.empty()) return {};
  return fmt::format(
      "{} collectives of single layers: those of all layers of a pass run at once, with the "
      "start-up of each{}",
      fmt::join(kinds, " and "),
      uneven ? "; every rank of experts sends and gets as much as the busiest" : "");
}

// Whether gradients are reduced, or parameters gathered, beside passes of the same GPUs, of which
// other collectives would take SMs.
bool ReducesBesidePasses(const TrainingProgram& program) {
  const Parallel& p = program.training.parallel;
  return program.training.overlap.data && p.data * p.context > 1 &&
         (p.virtual_stages > 1 || p.zero >= 2) && program.gpu.efficiency.communication_sms > 0;
}

std::vector<std::string> MissingTerms(const PreparedScenario& scenario) {
  std::vector<std::string> terms;
  const WorkloadSpec& workload = scenario.spec.message.workload();
  const auto& items = scenario.workload->items;
  if (workload.has_collective() && RingDoes(workload.collective().op()) &&
      std::any_of(items.begin(), items.end(),
                  [](const WorkloadItem& item) { return !item.nccl && item.ranks > 1; }))
    terms.push_back(
        "NVLS, trees and NCCL's choice of protocol: every collective is a ring here, in Simple's "
        "latencies");
  if (workload.has_training()) {
    if (std::string mixed = GpusAsTheSlowest(scenario); !mixed.empty())
      terms.push_back(std::move(mixed));
    if (std::string alone = PricedAlone(*scenario.workload->training); !alone.empty())
      terms.push_back(std::move(alone));
    if (std::string merged = LayersAtOnce(*scenario.workload->training); !merged.empty())
      terms.push_back(std::move(merged));
    if (ReducesBesidePasses(*scenario.workload->training))
      terms.push_back("SMs that reductions and gathers take from the passes they run beside");
    terms.push_back("trees, NVLS and protocols: reductions are rings");
  }
  const TrainingSpec& training = workload.training();
  const ParallelSpec& parallel = training.parallel();
  if (training.has_stage_times() &&
      (parallel.tensor() > 1 || parallel.context() > 1 || parallel.expert() > 1))
    terms.push_back(
        "what of stage_times is tensor, context and expert communication is not known: all of it "
        "counts as compute, and hides what leaves the hosts");
  if (parallel.schedule() == ParallelSpec::DUALPIPE)
    terms.push_back(
        "DualPipe's two copies of every stage, on ranks s and p - 1 - s: the sum of their "
        "gradients is not sent");
  if (workload.has_training())
    if (std::string gathers = GatheredChunks(*scenario.workload->training); !gathers.empty())
      terms.push_back(std::move(gathers));
  const HostSpec::Transport transport = HostOf(scenario.spec.message).transport();
  if (transport == HostSpec::EFA || transport == HostSpec::SLINGSHOT)
    terms.push_back(fmt::format("the framing of {}: RoCE's efficiency stands in for it",
                                transport == HostSpec::EFA ? "EFA" : "Slingshot"));
  if (const std::string kinds = NvlinksOfOneEfficiency(scenario); !kinds.empty())
    terms.push_back(kinds);
  terms.push_back("queues, PFC and congestion control: rates are max-min fair at every instant");
  return terms;
}

// By name: ENGINE_FLOW is "flow", as users write it.
EngineKind EngineOf(const ScenarioSpec& spec) {
  std::string name = ScenarioSpec::Engine_Name(spec.engine()).substr(sizeof("ENGINE_") - 1);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const std::optional<EngineKind> engine = FindEngine(name);
  WEFT_CHECK(engine.has_value());  // a test finds every value of the schema in the table
  return *engine;
}

Physics PhysicsOf(const ScenarioSpec& spec) {
  const HostSpec& host = HostOf(spec);
  std::optional<double> nvlink;
  if (!spec.physics().has_nvlink_efficiency() && !host.gpu().empty())
    if (const std::optional<GpuPart> gpu = FindGpu(host.gpu())) nvlink = gpu->nvlink_efficiency;
  Physics physics = MakePhysics(spec.physics(), spec.rdma(), host.transport(), nvlink);
  physics.coupling = CouplingOf(spec);
  return physics;
}

// Below this a link's rate is a mistake, and times leave SimTime's range.
constexpr double kSlowestBps = 1e5;

// The keys' ranges bound each factor of a link's rate; here it is their product that counts:
// a NIC's rate over its ports, times an efficiency, times what faults leave of it.
Errors RatesTooLow(const PreparedScenario& scenario) {
  Errors errors;
  const auto report = [&](const std::string& path, LinkId link, double bps) {
    errors.push_back(
        {ErrorCode::kOutOfRange, scenario.spec.At(path),
         fmt::format("{} -> {} would carry {:.4g} kbit/s", scenario.fabric->PortName(link),
                     scenario.fabric->Name(scenario.fabric->link(link).to), bps / 1e3),
         "every link carries at least 100 kbit/s after its efficiency and what faults leave"});
  };
  const auto bps = [&](LinkId link, double share) {
    return Capacity(scenario.fabric->link(link), scenario.physics, share).bits_per_second();
  };
  for (std::uint32_t l = 0; l < scenario.fabric->link_count() && errors.empty(); ++l)
    if (bps(LinkId{l}, 1) < kSlowestBps) report("fabric", LinkId{l}, bps(LinkId{l}, 1));
  LinkState state(*scenario.fabric);
  for (std::size_t e = 0; e < scenario.events.size() && errors.empty(); ++e) {
    const Event& event = scenario.events[e];
    for (const LinkId link : state.Apply(*scenario.fabric, event.element, event.state)) {
      if (!errors.empty() || !state.up(link) || bps(link, state.share(link)) >= kSlowestBps)
        continue;
      report(fmt::format("faults[{}].rate", scenario.fault_of_event[e]), link,
             bps(link, state.share(link)));
    }
  }
  return errors;
}

// One operation's latencies alone, all in a row, may take no more than a day: so no sum of
// launch, steps and paths leaves SimTime's range. Rough and above: 16 hops.
Errors StartupTooLong(const PreparedScenario& scenario) {
  constexpr double kDaySeconds = 86400;
  double hop = 0, step = 0, steps = 1;
  for (const Link& link : scenario.fabric->links())
    hop = std::max(
        hop, ToSeconds(link.latency) +
                 ToSeconds(TransferTime(scenario.physics.mtu, Capacity(link, scenario.physics))));
  for (const SimDuration one : scenario.physics.step) step = std::max(step, ToSeconds(one));
  for (const Pattern& pattern : scenario.workload->program.patterns)
    for (const Edge& edge : pattern.edges) steps = std::max(steps, static_cast<double>(edge.steps));
  const double seconds = ToSeconds(scenario.physics.launch) + steps * (step + 16 * hop);
  if (seconds <= kDaySeconds) return {};
  return {{ErrorCode::kOutOfRange, scenario.spec.At("workload"),
           fmt::format("{:.0f} steps of up to {:.4g} s each are more than a day of latency", steps,
                       step + 16 * hop),
           "smaller steps in physics:, or a smaller latency of the fabric"}};
}

// What `engine: simgrid` cannot express is refused, never approximated.
Errors WhatSimgridCannot(const PreparedScenario& scenario) {
  Errors errors;
  const Located<ScenarioSpec>& spec = scenario.spec;
  if (scenario.engine != EngineKind::kSimgrid) return errors;
  if (const auto why = SimgridMissing())
    errors.push_back({ErrorCode::kInconsistent, spec.At("engine"),
                      "'engine: simgrid' is not here: " + *why,
                      "libweft_simgrid.so beside the program, or engine flow"});
  if (!spec.message.faults().empty() && scenario.router->policy().policy == PathPolicy::kSpray)
    errors.push_back({ErrorCode::kInconsistent, spec.At("faults"),
                      "'engine: simgrid' cannot run faults under 'policy: spray': what is left of "
                      "a QP's paths carries no whole number of shares, and a SimGrid flow takes "
                      "whole ones",
                      "engine: flow, or policy: ecmp"});
  if (scenario.router->policy().policy == PathPolicy::kAdaptive)
    errors.push_back({ErrorCode::kInconsistent, spec.At("routing.policy"),
                      "'engine: simgrid' cannot run 'policy: adaptive': a SimGrid flow takes a "
                      "whole number of shares of a link",
                      "engine: flow, or policy: spray"});
  const bool both = spec.message.coupling() == ScenarioSpec::COUPLING_BOTH;
  const Coupling coupling = both ? Coupling::kTight : scenario.physics.coupling;
  if (const auto why = SimgridCannot(scenario.workload->program, coupling))
    errors.push_back({ErrorCode::kInconsistent, spec.At("coupling"),
                      "'engine: simgrid' cannot run this workload tight: " + *why,
                      "coupling: loose, or engine: flow"});
  return errors;
}

// A collective that leaves its algorithm open is NCCL's: of imported hosts its search would not
// know what it reads from the machine. One that says how its ring goes is a ring.
bool IsNcclByDefault(const Located<ScenarioSpec>& spec) {
  const WorkloadSpec& workload = spec.message.workload();
  const std::string& algorithm = workload.collective().algorithm();
  return !spec.message.fabric().has_custom() && workload.has_collective() &&
         (algorithm.empty() || algorithm == "auto") &&
         !spec.sources.Given("workload.collective.ring_order");
}

// What every host of a kind is, where NCCL knows such hosts. A bare family's host is one GPU that
// nobody named: nothing for NCCL.
Result<std::optional<HostPart>> NcclHostOf(const Located<ScenarioSpec>& spec, std::uint32_t kind) {
  const HostSpec& said = HostOfKind(spec.message, kind);
  if (said.gpu().empty() || said.gpus() < 1 || said.nics() < 1 || said.nic_ports() < 1)
    return std::optional<HostPart>();
  const std::string own = fmt::format("fabric.custom.hosts[{}].host", kind);
  Result<HostPart> host =
      MakeHostPart(said, spec.sources, spec.sources.Given(own) ? own : std::string("host"));
  if (!host && !spec.message.has_collectives()) return std::optional<HostPart>();
  if (!host) return tl::make_unexpected(std::move(host).error());
  return std::optional<HostPart>(*std::move(host));
}

std::string NameOfKind(const ScenarioSpec& spec, std::uint32_t kind,
                       const std::optional<HostPart>& part) {
  if (part && !part->part.empty()) return part->part;
  const std::string& gpu = HostOfKind(spec, kind).gpu();
  return gpu.empty() ? "hosts without a GPU's name" : "hosts of " + gpu;
}

Result<RankHosts> HostsOf(const Located<ScenarioSpec>& spec, const Fabric& fabric,
                          const Placement& placement) {
  RankHosts out;
  const auto host_of = [&](GpuId gpu) { return fabric.vertex(fabric.gpu(gpu)).host; };
  std::set<HostId> hosts;
  for (const GpuId gpu : placement.gpu_of_rank) hosts.insert(host_of(gpu));
  out.hosts = hosts.size();
  if (!placement.gpu_of_rank.empty())
    out.kind = fabric.host_kind(host_of(placement.gpu_of_rank.front()));
  WEFT_TRY(out.part, NcclHostOf(spec, out.kind));
  std::vector<std::string> names = {NameOfKind(spec.message, out.kind, out.part)};
  bool differ = false;
  for (const std::uint32_t kind : KindsOfPlacement(fabric, placement)) {
    if (kind == out.kind) continue;
    WEFT_TRY(const std::optional<HostPart> part, NcclHostOf(spec, kind));
    const bool alike =
        part.has_value() == out.part.has_value() && (!part || AlikeToNccl(*part, *out.part));
    if (alike) continue;
    if (!differ) out.other = kind;
    differ = true;
    std::string name = NameOfKind(spec.message, kind, part);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (differ) out.kinds = std::move(names);
  return out;
}

// The default of collectives.nccl: what a scenario without collectives: runs.
constexpr const char* kNcclByDefault = "2.28";

struct PreparedNccl {
  NcclBuild build;
  Calibration calibration;
};

// NCCL's choice on hosts that it tells apart is not known here: a ring runs, or nothing does.
Errors SayHostsDiffer(const Located<ScenarioSpec>& spec, const RankHosts& hosts,
                      std::vector<Error>& warnings) {
  const CollectiveSpec& collective = spec.message.workload().collective();
  const bool automatic = collective.algorithm().empty() || collective.algorithm() == "auto";
  if (!spec.message.workload().has_collective() || !automatic || MoeDoes(collective.op()))
    return {};  // never NCCL's
  const std::string kinds = SeveralKinds(hosts.kinds);
  if (!RingDoes(collective.op()))
    return {{ErrorCode::kInconsistent, spec.At(fmt::format("fabric.hosts[{}]", hosts.other)),
             fmt::format("{} is done by NCCL alone, whose choice is not modelled where its ranks "
                         "are on {}",
                         OpName(collective.op()), kinds),
             "ranks on hosts of one kind: fewer GPUs, or another placement"}};
  warnings.push_back({ErrorCode::kInconsistent,
                      spec.At("collectives"),
                      fmt::format("'collectives' has no effect: ranks are on {}, where a plain "
                                  "ring is timed, without NCCL's choice and its error band",
                                  kinds),
                      {}});
  return {};
}

// What NCCL would choose by; none where nobody asked, of several jobs, or where hosts are of
// several kinds.
Result<std::optional<PreparedNccl>> PrepareNccl(const PreparedScenario& scenario,
                                                bool beside_others, std::vector<Error>& warnings) {
  const Located<ScenarioSpec>& spec = scenario.spec;
  const bool asked = spec.message.has_collectives();
  if (!asked && (beside_others || !IsNcclByDefault(spec))) return std::optional<PreparedNccl>();
  const std::string version = asked ? spec.message.collectives().nccl() : kNcclByDefault;
  const std::optional<FoundNcclRules> found = FindNcclRules(version);
  if (!found)
    return Fail(ErrorCode::kOutOfRange, spec.At("collectives.nccl"),
                fmt::format("'{}' is no version of NCCL", version), "such as 2.28.9");
  WEFT_TRY(const Calibration calibration, ReadCalibration(spec.message.calibration(), nullptr));
  WEFT_TRY(const RankHosts hosts, HostsOf(spec, *scenario.fabric, scenario.placement));
  if (!hosts.kinds.empty()) {
    if (Errors errors = SayHostsDiffer(spec, hosts, warnings); !errors.empty())
      return tl::make_unexpected(std::move(errors));
    return std::optional<PreparedNccl>();
  }
  const std::optional<HostPart>& host = hosts.part;
  if (!host) return std::optional<PreparedNccl>();
  if (!found->exact)
    warnings.push_back(
        {ErrorCode::kInconsistent,
         spec.At("collectives.nccl"),
         fmt::format("NCCL {} is not known; 2.{} stands for it", version, found->rules->minor),
         {}});
  NcclForced forced;
  const CollectivesSpec& keys = spec.message.collectives();
  if (asked && keys.algorithm() != "auto" &&
      !(forced.algorithm = ParseNcclAlgorithm(keys.algorithm())))
    return Fail(ErrorCode::kOutOfRange, spec.At("collectives.algorithm"),
                fmt::format("NCCL has no algorithm '{}'", keys.algorithm()),
                "Ring, Tree, NVLS, NVLSTree, CollNetChain, CollNetDirect, PAT, auto");
  if (asked && keys.protocol() != "auto" && !(forced.protocol = ParseNcclProtocol(keys.protocol())))
    return Fail(ErrorCode::kOutOfRange, spec.At("collectives.protocol"),
                fmt::format("NCCL has no protocol '{}'", keys.protocol()),
                "LL, LL128, Simple, auto");
  if (std::string why = WarningOfForced(*host, forced); !why.empty())
    warnings.push_back(
        {ErrorCode::kInconsistent, spec.At("collectives.protocol"), std::move(why), {}});
  if (asked && keys.sharp() && host->transport != HostSpec::IB)
    return Fail(ErrorCode::kInconsistent, spec.At("collectives.sharp"),
                "'sharp' needs InfiniBand, and the hosts' transport is another",
                "host: { transport: ib }, or sharp: false");
  return std::optional<PreparedNccl>({{*host, found->rules, calibration.constants, calibration.name,
                                       calibration.digest, forced, asked && keys.sharp(), asked},
                                      calibration});
}

// What the calibration says of every item that NCCL's constants time. The tables are of one
// communicator alone: several beside each other, over more than a host each, are outside of them.
std::vector<StatedError> StateErrors(const Workload& workload, const PreparedNccl& nccl) {
  std::vector<StatedError> out(workload.items.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const WorkloadItem& item = workload.items[i];
    if (!item.nccl || item.ranks < 2) continue;
    out[i] = StatedErrorOf(nccl.calibration, nccl.build.host,
                           {item.op, item.bytes, item.ranks, item.hosts});
    if (item.hosts > 1 && item.rows_by_group.size() > 1) out[i].in_range = false;
  }
  return out;
}

// What the calibration says of an iteration's communication, and which calibration that is. None on
// hosts that NCCL does not know.
Result<std::vector<StatedError>> StateTraining(const Located<ScenarioSpec>& spec,
                                               const Fabric& fabric, const Placement& placement,
                                               Workload& workload) {
  const Result<RankHosts> hosts = HostsOf(spec, fabric, placement);
  WEFT_TRY(const Calibration calibration, ReadCalibration(spec.message.calibration(), nullptr));
  if (!hosts || !hosts->kinds.empty() || !hosts->part || hosts->part->compute_capability == 0 ||
      calibration.name.empty())
    return std::vector<StatedError>();
  workload.calibration = {calibration.name, calibration.digest};
  return StateErrorsOfTraining(workload, fabric, calibration, *hosts->part);
}

// One warning for all items that the calibration's tables do not cover.
void WarnOfRange(const PreparedScenario& scenario, const Calibration& calibration,
                 Workload& workload) {
  if (!calibration.spec.has_range()) return;  // nobody says what it covers
  const WorkloadItem* first = nullptr;
  const StatedError* stated = nullptr;
  std::size_t count = 0;
  for (std::size_t i = 0; i < workload.items.size(); ++i) {
    if (scenario.errors[i].in_range) continue;
    if (first == nullptr) {
      first = &workload.items[i];
      stated = &scenario.errors[i];
    }
    ++count;
  }
  if (first == nullptr) return;
  const std::size_t groups = first->rows_by_group.size();
  workload.warnings.push_back(
      {ErrorCode::kInconsistent,
       scenario.spec.At(first->source_path),
       fmt::format("'{}' was not fitted to {} of {} on {}{} ranks of {} host{}{}: {}",
                   calibration.name, first->op, FormatWhole(first->bytes.count(), Unit::BYTES),
                   groups > 1 ? fmt::format("{} at once of ", groups) : "", first->ranks,
                   first->hosts, first->hosts == 1 ? "" : "s",
                   count > 1 ? fmt::format(" (nor to {} more)", count - 1) : "",
                   !stated->band            ? "it states no error of it"
                   : stated->known_hardware ? "its error band is that of the nearest tables"
                                            : "its error band is that of hardware left out whole"),
       {}});
}

// As MakePlacement, but the first `per_host` GPUs of each host alone.
Result<Placement> FirstGpusOfHosts(const Located<ScenarioSpec>& spec, const Fabric& fabric,
                                   int per_host) {
  PlacementSpec whole = spec.message.placement();
  whole.clear_gpus();
  WEFT_TRY(const Placement all, MakePlacement(whole, spec.sources, fabric));
  Placement out;
  const auto want = static_cast<std::size_t>(spec.message.placement().gpus());
  for (const GpuId gpu : all.gpu_of_rank)
    if (fabric.vertex(fabric.gpu(gpu)).number < static_cast<std::uint32_t>(per_host) &&
        out.gpu_of_rank.size() < want)
      out.gpu_of_rank.push_back(gpu);
  if (out.gpu_of_rank.size() < want)
    return Fail(ErrorCode::kOutOfRange, spec.At("placement.gpus"),
                fmt::format("'gpus' is {}, and the fabric has {} at {} a host", want,
                            out.gpu_of_rank.size(), per_host),
                "fewer GPUs, or more of each host");
  return out;
}

// What is up before anything runs; none: all.
std::optional<LinkState> StateAtStart(const PreparedScenario& scenario) {
  std::optional<LinkState> state;
  for (const Event& event : scenario.events) {
    if (event.at != SimTime{}) continue;
    if (!state) state.emplace(*scenario.fabric);
    state->Apply(*scenario.fabric, event.element, event.state);
  }
  return state;
}

Result<std::shared_ptr<const Workload>> PrepareWorkload(PreparedScenario& scenario,
                                                        FabricCache& cache,
                                                        const std::function<bool()>& stop,
                                                        bool beside_others) {
  const Located<ScenarioSpec>& spec = scenario.spec;
  if (!spec.message.has_workload() ||
      spec.message.workload().what_case() == WorkloadSpec::WHAT_NOT_SET)
    return Fail(ErrorCode::kInconsistent, spec.At("workload"), "there is no workload to simulate",
                "workload: { collective: { op: all_reduce, bytes: 1GiB } }");
  BuildOptions options = MakeBuildOptions(spec.message.rdma(), scenario.physics);
  options.stop = stop;
  options.every_micro_batch = beside_others;
  if (spec.message.workload().has_training()) options.gpu = SlowestOf(GpusOfPlacement(scenario));
  const std::optional<LinkState> at_start = StateAtStart(scenario);
  options.at_start = at_start ? &*at_start : nullptr;
  std::vector<Error> warnings;
  WEFT_TRY(std::optional<PreparedNccl> nccl, PrepareNccl(scenario, beside_others, warnings));
  if (nccl) {
    nccl->build.comms = &cache.comms;
    const std::set<std::uint32_t> kinds = KindsOfPlacement(*scenario.fabric, scenario.placement);
    nccl->build.host_text =
        HostOfKind(spec.message, kinds.empty() ? 0 : *kinds.begin()).SerializeAsString();
    options.nccl = &nccl->build;
  }
  WEFT_TRY(Workload workload, BuildProgram(spec.message.workload(), spec.sources, *scenario.fabric,
                                           scenario.placement, options));
  workload.warnings.insert(workload.warnings.end(), warnings.begin(), warnings.end());
  const bool chosen = !workload.items.empty() && (!workload.items.front().protocol.empty() ||
                                                  workload.items.front().algorithm == "Sends");
  if (workload.training) {
    WEFT_TRY(scenario.errors, StateTraining(spec, *scenario.fabric, scenario.placement, workload));
  } else if (nccl && (nccl->build.asked || chosen)) {
    workload.calibration = {nccl->build.calibration, nccl->build.digest};
    scenario.errors = StateErrors(workload, *nccl);
    WarnOfRange(scenario, nccl->calibration, workload);
  } else {
    scenario.errors.resize(workload.items.size());
  }
  return std::make_shared<const Workload>(std::move(workload));
}

}  // namespace

bool AnyNicHasPorts(const Fabric& fabric) {
  const auto hosts = fabric.hosts();
  return std::any_of(hosts.begin(), hosts.end(), [&](const Host& host) {
    return host.nics > 0 && fabric.PortCount(host.first_nic) > 1;
  });
}

bool RoutingDraws(const PreparedScenario& scenario) {
  const RoutingPolicy& policy = scenario.router->policy();
  const bool hashed =
      policy.policy != PathPolicy::kStatic && policy.policy != PathPolicy::kAdaptive;
  return hashed || (policy.host_port == HostPortRule::kHash && AnyNicHasPorts(*scenario.fabric));
}

const HostSpec& HostOf(const ScenarioSpec& spec) {
  // Of several kinds the first: they speak one transport, which is what is asked for.
  return HostOfKind(spec, 0);
}

const HostSpec& HostOf(const ScenarioSpec& spec, const RankHosts& hosts) {
  return HostOfKind(spec, hosts.kind);
}

std::string SeveralKinds(const std::vector<std::string>& kinds) {
  if (kinds.size() < 2) return fmt::format("unlike hosts ({})", fmt::join(kinds, ", "));
  return fmt::format("hosts of several kinds ({})", fmt::join(kinds, ", "));
}

Result<std::shared_ptr<const Fabric>> PrepareFabric(const Located<ScenarioSpec>& spec,
                                                    FabricCache& cache) {
  std::shared_ptr<const Fabric>& kept = cache.fabrics[FabricKey(spec)];
  if (kept == nullptr) {
    const HostSpec* host = spec.message.has_host() ? &spec.message.host() : nullptr;
    WEFT_TRY(Fabric fabric, BuildFabric(spec.message.fabric(), host, spec.sources));
    kept = std::make_shared<const Fabric>(std::move(fabric));
  }
  return kept;
}

std::vector<Error> FabricKeysWithoutEffect(const Located<ScenarioSpec>& spec,
                                           std::shared_ptr<const Fabric> fabric) {
  PreparedScenario scenario;  // rows of fabric. look at these two alone (silent_keys.h)
  scenario.spec = spec;
  scenario.fabric = std::move(fabric);
  return KeysWithoutEffect(scenario, "fabric.", {});
}

Result<RankHosts> HostsOfRanks(const Located<ScenarioSpec>& spec, FabricCache& cache,
                               std::optional<int> per_host) {
  WEFT_TRY(const std::shared_ptr<const Fabric> fabric, PrepareFabric(spec, cache));
  if (!fabric->constructible()) return RankHosts{};
  WEFT_TRY(const Placement placement,
           per_host ? FirstGpusOfHosts(spec, *fabric, *per_host)
                    : MakePlacement(spec.message.placement(), spec.sources, *fabric));
  return HostsOf(spec, *fabric, placement);
}

Result<PreparedScenario> Prepare(Located<ScenarioSpec> spec, FabricCache& cache,
                                 const std::function<bool()>& stop, std::optional<int> per_host) {
  return spec.message.jobs().empty() ? PrepareOne(std::move(spec), cache, stop, false, per_host)
                                     : PrepareJobs(std::move(spec), cache, stop);
}

Result<PreparedScenario> PrepareOne(Located<ScenarioSpec> spec, FabricCache& cache,
                                    const std::function<bool()>& stop, bool beside_others,
                                    std::optional<int> per_host) {
  PreparedScenario out;
  out.spec = std::move(spec);
  const ScenarioSpec& message = out.spec.message;
  out.engine = EngineOf(message);
  WEFT_TRY(out.fabric, PrepareFabric(out.spec, cache));
  if (!out.fabric->constructible())
    return Fail(ErrorCode::kInconsistent, out.spec.At("fabric.counts_only"),
                "the fabric is counts alone (counts_only), and nothing can be simulated on it",
                "counts_only: false; weft topology prints the counts");
  out.stopped = stop && stop();
  if (out.stopped) return out;
  std::shared_ptr<const Router>& router = cache.routers[RouterKey(out.spec)];
  if (router == nullptr)
    router = std::make_shared<const Router>(*out.fabric,
                                            MakeRoutingPolicy(message.routing(), *out.fabric));
  out.router = router;
  out.physics = PhysicsOf(message);
  out.options = MakeSimOptions(message.sim().options());
  out.fault_policy = MakeFaultPolicy(message.fault_policy());
  out.first_seed = static_cast<std::uint64_t>(message.routing().seed());
  out.seeds = message.routing().seeds();

  // Placement and faults do not depend on each other: report both.
  Result<Placement> placement =
      per_host ? FirstGpusOfHosts(out.spec, *out.fabric, *per_host)
               : MakePlacement(message.placement(), out.spec.sources, *out.fabric);
  auto events = BindFaults(out.spec, *out.fabric);
  if (!placement || !events) {
    Errors errors =
        Join(placement ? Errors() : placement.error(), events ? Errors() : events.error());
    SortByPosition(errors);
    return tl::make_unexpected(std::move(errors));
  }
  out.placement = *std::move(placement);
  for (const auto& [event, row] : *events) {
    out.events.push_back(event);
    out.fault_of_event.push_back(row);
  }
  if (Errors errors = RatesTooLow(out); !errors.empty())
    return tl::make_unexpected(std::move(errors));
  WEFT_TRY(out.workload, PrepareWorkload(out, cache, stop, beside_others));
  out.stopped = out.workload->stopped;
  if (out.stopped) return out;
  if (Errors errors = Join(WhatSimgridCannot(out), StartupTooLong(out)); !errors.empty()) {
    SortByPosition(errors);
    return tl::make_unexpected(std::move(errors));
  }
  out.warnings = KeysWithoutEffect(out, "", out.workload->warnings);
  out.missing_terms = MissingTerms(out);
  return out;
}

}  // namespace weft
