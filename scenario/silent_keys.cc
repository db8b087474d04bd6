#include "scenario/silent_keys.h"

#include <algorithm>

namespace weft {
namespace {

const ScenarioSpec& Spec(const PreparedScenario& scenario) { return scenario.spec.message; }

const CollectiveSpec& Collective(const PreparedScenario& scenario) {
  return Spec(scenario).workload().collective();  // empty where there is none
}

bool NoFault(const PreparedScenario& s) { return Spec(s).faults().empty(); }
bool IsAnalytic(const PreparedScenario& s) { return s.engine == EngineKind::kAnalytic; }
bool IsTraffic(const PreparedScenario& s) { return Spec(s).workload().has_traffic(); }
bool IsSendRecv(const PreparedScenario& s) {
  return Spec(s).workload().has_collective() && Collective(s).op() == CollectiveSpec::SEND_RECV;
}
bool ListsHosts(const PreparedScenario& s) { return !Spec(s).placement().hosts().empty(); }
bool DrawsNoHosts(const PreparedScenario& s) {
  return !ListsHosts(s) && Spec(s).placement().policy() != PlacementSpec::RANDOM;
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
bool OnePort(const PreparedScenario& s) {
  const auto hosts = s.fabric->hosts();
  return std::none_of(hosts.begin(), hosts.end(), [&](const Host& host) {
    return host.nics > 0 && s.fabric->PortCount(host.first_nic) > 1;
  });
}

bool OneHpnPod(const PreparedScenario& s) {
  return Spec(s).fabric().has_hpn() && Spec(s).fabric().hpn().pods() == 1;
}
bool OneDcnPlusPod(const PreparedScenario& s) {
  return Spec(s).fabric().has_dcn_plus() && Spec(s).fabric().dcn_plus().pods() == 1;
}
bool IsInfiniband(const PreparedScenario& s) { return HostOf(Spec(s)).transport() == HostSpec::IB; }
bool IsNoInfiniband(const PreparedScenario& s) { return !IsInfiniband(s); }

bool EveryKindSaysItself(const PreparedScenario& s) {
  const auto& kinds = Spec(s).fabric().custom().hosts();
  return !kinds.empty() && std::all_of(kinds.begin(), kinds.end(),
                                       [](const CustomHosts& kind) { return kind.has_host(); });
}

constexpr const char* kNoTier3 = "with one pod there are no cores";
constexpr const char* kNoNvlink = "no host has an NVSwitch";

constexpr SilentKey kSilentKeys[] = {
    {"host", "each of the fabric's hosts: says what it is", EveryKindSaysItself},
    {"fault_policy", "no fault is given", NoFault},
    {"coupling", "the analytic engine bounds the time from below without it", IsAnalytic},
    {"coupling", "single flows have nothing to couple", IsTraffic},
    {"coupling", "the edges of send_recv do not wait for each other", IsSendRecv},
    {"placement.policy", "'placement.hosts' lists the hosts in order", ListsHosts},
    {"placement.seed", "'placement.hosts' lists the hosts in order", ListsHosts},
    {"placement.seed", "only policy: random draws", DrawsNoHosts},
    {"rdma.qps", "no edge leaves its host", StaysInHosts},
    {"routing.host_port", "every NIC has one port", OnePort},
    {"fabric.core_groups_per_plane", kNoTier3, OneHpnPod},
    {"fabric.core_groups", kNoTier3, OneDcnPlusPod},
    {"physics.roce_efficiency", "the hosts speak InfiniBand: ib_efficiency", IsInfiniband},
    {"physics.ib_efficiency", "the hosts do not speak InfiniBand", IsNoInfiniband},
    {"physics.nvlink_efficiency", kNoNvlink, NoHostHasNvswitch},
    {"physics.nvlink_step", kNoNvlink, NoHostHasNvswitch},
};

}  // namespace

std::span<const SilentKey> SilentKeys() { return kSilentKeys; }

}  // namespace weft
