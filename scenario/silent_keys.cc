#include "scenario/silent_keys.h"

#include <algorithm>

namespace weft {
namespace {

const ScenarioSpec& Spec(const PreparedScenario& scenario) { return scenario.spec.message; }

const CollectiveSpec& Collective(const PreparedScenario& scenario) {
  return Spec(scenario).workload().collective();  // empty where there is none
}

bool Always(const PreparedScenario&) { return true; }
bool NobodyAsksNccl(const PreparedScenario& s) {
  const auto& items = s.workload->items;
  return items.empty() || (items.front().protocol.empty() && items.front().algorithm != "Sends");
}
bool NothingIsCalibrated(const PreparedScenario& s) {
  return NobodyAsksNccl(s) && (!s.workload->training || s.errors.empty());
}
bool Trains(const PreparedScenario& s) { return Spec(s).workload().has_training(); }
bool CollectivesAskNobody(const PreparedScenario& s) { return !Trains(s) && NobodyAsksNccl(s); }
bool NoFault(const PreparedScenario& s) { return Spec(s).faults().empty(); }
bool IsAnalytic(const PreparedScenario& s) { return s.engine == EngineKind::kAnalytic; }
bool IsTraffic(const PreparedScenario& s) { return Spec(s).workload().has_traffic(); }
bool IsSendRecv(const PreparedScenario& s) {
  return Spec(s).workload().has_collective() && Collective(s).op() == CollectiveSpec::SEND_RECV;
}
bool ListsHosts(const PreparedScenario& s) { return !Spec(s).placement().hosts().empty(); }
bool ReadsHosts(const PreparedScenario& s) { return !Spec(s).placement().file().empty(); }
bool ListsHostsAsTheyAre(const PreparedScenario& s) {
  return ListsHosts(s) && Spec(s).placement().order() != PlacementSpec::SHUFFLED;
}
bool DrawsNoHosts(const PreparedScenario& s) {
  return !ListsHosts(s) && !ReadsHosts(s) &&
         Spec(s).placement().policy() != PlacementSpec::RANDOM &&
         Spec(s).placement().order() != PlacementSpec::SHUFFLED;
}

bool EveryHostHasNvswitch(const PreparedScenario& s) {
  const auto hosts = s.fabric->hosts();
  return std::all_of(hosts.begin(), hosts.end(),
                     [](const Host& host) { return host.nvswitch != kNoVertex; });
}
bool NoHostHasNvswitch(const PreparedScenario& s) {
  const auto hosts = s.fabric->hosts();
  return std::all_of(hosts.begin(), hosts.end(),
                     [](const Host& host) { return host.nvswitch == kNoVertex; });
}
bool StaysInHosts(const PreparedScenario& s) {
  return Spec(s).workload().has_collective() && Collective(s).group() == CollectiveSpec::PER_HOST &&
         EveryHostHasNvswitch(s);
}
bool OnePort(const PreparedScenario& s) { return !AnyNicHasPorts(*s.fabric); }

PathPolicy PolicyOf(const PreparedScenario& s) { return s.router->policy().policy; }
bool NoCores(const PreparedScenario& s) { return !s.router->has_cores(); }
bool SwitchesHashNothing(const PreparedScenario& s) {
  return PolicyOf(s) == PathPolicy::kStatic || PolicyOf(s) == PathPolicy::kAdaptive;
}
bool NobodyHashes(const PreparedScenario& s) { return !RoutingDraws(s); }
bool SpraysNot(const PreparedScenario& s) { return PolicyOf(s) != PathPolicy::kSpray; }

bool OneHpnPod(const PreparedScenario& s) {
  return Spec(s).fabric().has_hpn() && Spec(s).fabric().hpn().pods() == 1;
}
bool OneDcnPlusPod(const PreparedScenario& s) {
  return Spec(s).fabric().has_dcn_plus() && Spec(s).fabric().dcn_plus().pods() == 1;
}
bool IsClos(const PreparedScenario& s) {
  const FabricSpec& fabric = Spec(s).fabric();
  return fabric.has_fat_tree() || fabric.has_rail_optimized() || fabric.has_rail_only();
}
bool ClosWithoutCores(const PreparedScenario& s) {
  return IsClos(s) && s.fabric->counts().tiers.size() < 3;
}
bool ClosWithoutSpines(const PreparedScenario& s) {
  return IsClos(s) && s.fabric->counts().tiers.size() < 2;
}
bool CountsUplinks(const PreparedScenario& s) {
  return Spec(s).fabric().rail_optimized().has_uplinks();
}
bool CountsSpineUplinks(const PreparedScenario& s) {
  const FabricSpec& fabric = Spec(s).fabric();
  return fabric.fat_tree().has_spine_uplinks() || fabric.rail_optimized().has_spine_uplinks() ||
         fabric.rail_only().has_spine_uplinks();
}
bool OnePlane(const PreparedScenario& s) { return Spec(s).fabric().fat_tree().planes() == 1; }
bool IsInfiniband(const PreparedScenario& s) { return HostOf(Spec(s)).transport() == HostSpec::IB; }
bool IsNoInfiniband(const PreparedScenario& s) { return !IsInfiniband(s); }

bool EveryKindSaysItself(const PreparedScenario& s) {
  const auto& kinds = Spec(s).fabric().custom().hosts();
  return !kinds.empty() && std::all_of(kinds.begin(), kinds.end(),
                                       [](const CustomHosts& kind) { return kind.has_host(); });
}

constexpr const char* kNoHash = "under policy: static and adaptive switches hash nothing";
constexpr const char* kNobodyHashes =
    "under policy: static and adaptive only hosts hash, with host_port: hash and several ports";
constexpr const char* kTableSaysAll = "'placement.file' says which GPU each rank is";
constexpr const char* kForNccl = "only NCCL's choice depends on it: weft collective";
constexpr const char* kNoTier3 = "with one pod there are no cores";
constexpr const char* kTwoTiers = "two tiers suffice, and there are no cores";
constexpr const char* kOneTier = "one switch a rail suffices";
constexpr const char* kNoNvlink = "no host has an NVSwitch";

constexpr SilentKey kSilentKeys[] = {
    {"cabling", "racks and cables change no time: weft topology reads it", Always},
    {"host", "each of the fabric's hosts: says what it is", EveryKindSaysItself},
    {"fault_policy", "no fault is given", NoFault},
    {"coupling", "the analytic engine bounds the time from below without it", IsAnalytic},
    {"coupling", "single flows have nothing to couple", IsTraffic},
    {"coupling", "the edges of send_recv do not wait for each other", IsSendRecv},
    {"placement.policy", "'placement.hosts' lists the hosts in order", ListsHosts},
    {"placement.skip", "'placement.hosts' lists the hosts in order", ListsHosts},
    {"placement.seed", "'placement.hosts' lists the hosts in order", ListsHostsAsTheyAre},
    {"placement.seed", "only policy: random and order: shuffled draw", DrawsNoHosts},
    {"placement.policy", kTableSaysAll, ReadsHosts},
    {"placement.skip", kTableSaysAll, ReadsHosts},
    {"placement.seed", kTableSaysAll, ReadsHosts},
    {"placement.order", kTableSaysAll, ReadsHosts},
    {"rdma.qps", "no edge leaves its host", StaysInHosts},
    {"routing.host_port", "every NIC has one port", OnePort},
    {"routing.hash", kNobodyHashes, NobodyHashes},
    {"routing.udp_port", kNobodyHashes, NobodyHashes},
    {"routing.seed", kNobodyHashes, NobodyHashes},
    {"routing.seeds", kNobodyHashes, NobodyHashes},
    {"routing.seed_scope", kNoHash, SwitchesHashNothing},
    {"routing.core_hash", kNoHash, SwitchesHashNothing},
    {"routing.core_hash", "there is no tier of cores", NoCores},
    {"routing.spray_paths", "only policy: spray sprays", SpraysNot},
    {"fabric.core_groups_per_plane", kNoTier3, OneHpnPod},
    {"fabric.core_groups", kNoTier3, OneDcnPlusPod},
    {"fabric.core_groups", kTwoTiers, ClosWithoutCores},
    {"fabric.cores", kTwoTiers, ClosWithoutCores},
    {"fabric.core_switch", kTwoTiers, ClosWithoutCores},
    {"fabric.spine_oversubscription", kTwoTiers, ClosWithoutCores},
    {"fabric.spine_oversubscription", "'spine_uplinks' says it", CountsSpineUplinks},
    {"fabric.spine_uplinks", kTwoTiers, ClosWithoutCores},
    {"fabric.units_per_pod", kTwoTiers, ClosWithoutCores},
    {"fabric.leaves_per_pod", kTwoTiers, ClosWithoutCores},
    {"fabric.oversubscription", kOneTier, ClosWithoutSpines},
    {"fabric.oversubscription", "'uplinks' says it", CountsUplinks},
    {"fabric.spines", kOneTier, ClosWithoutSpines},
    {"fabric.spine_switch", kOneTier, ClosWithoutSpines},
    {"fabric.plane_by", "there is one plane", OnePlane},
    {"physics.roce_efficiency", "the hosts speak InfiniBand: ib_efficiency", IsInfiniband},
    {"physics.ib_efficiency", "the hosts do not speak InfiniBand", IsNoInfiniband},
    {"physics.nvlink_efficiency", kNoNvlink, NoHostHasNvswitch},
    {"physics.nvlink_step", kNoNvlink, NoHostHasNvswitch},
    {"collectives", "training runs rings, whoever chooses", Trains},
    {"collectives", "no collective with algorithm: auto runs on hosts that are NCCL's",
     CollectivesAskNobody},
    {"calibration",
     "only collectives that NCCL chooses depend on it (collectives:), and what training's "
     "communication is off",
     NothingIsCalibrated},
    {"host.cpu", kForNccl, NobodyAsksNccl},
    {"host.numa_nodes", kForNccl, NobodyAsksNccl},
    {"host.nvlink_shape", kForNccl, NobodyAsksNccl},
    {"host.gpus_per_pcie_switch", kForNccl, NobodyAsksNccl},
    {"host.gpus_per_tray", kForNccl, NobodyAsksNccl},
    {"host.c2c", kForNccl, NobodyAsksNccl},
};

}  // namespace

std::span<const SilentKey> SilentKeys() { return kSilentKeys; }

}  // namespace weft
