#include "topology/families/clos_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/ceil_div.h"

namespace weft {
namespace {

constexpr std::int64_t kMostParallel = 255;  // cables of a pair of switches: Link::number

// The whole number that `value` is, but for rounding of decimal text.
std::optional<std::int64_t> Whole(double value) {
  const double nearest = std::round(value);
  if (nearest < 1 || std::abs(value - nearest) > 1e-9 * nearest) return std::nullopt;
  return static_cast<std::int64_t>(nearest);
}

// The most uplinks with a whole number of NIC ports that `ratio` asks for.
void SplitLeaf(const ClosRequest& in, ClosPlan& plan) {
  const double ports_an_uplink = in.oversubscription * (in.link / in.host.nic_port);
  for (std::int64_t up = Radix(in.leaf, in.link); up > 0; --up) {
    const std::optional<std::int64_t> slots = Whole(static_cast<double>(up) * ports_an_uplink);
    if (!slots || !PortsFit(in.leaf, {{*slots, in.host.nic_port, ""}, {up, in.link, ""}})) continue;
    plan.slots = *slots;
    plan.uplinks = up;
    return;
  }
}

void PlanLeaf(const ClosRequest& in, const FamilyInput& input, ClosPlan& plan, Errors& errors) {
  plan.slots = in.slots;
  plan.uplinks = 0;
  if (plan.tiers == 1) {
    if (plan.slots == 0) plan.slots = Radix(in.leaf, in.host.nic_port);
  } else if (plan.slots == 0) {
    SplitLeaf(in, plan);
    if (plan.slots == 0)
      AddError(input, "oversubscription",
               fmt::format("no whole number of a switch's ports is {:.6g}:1", in.oversubscription),
               "another oversubscription", errors);
  } else if (in.uplinks) {
    plan.uplinks = *in.uplinks;
  } else {
    const double up =
        static_cast<double>(plan.slots) * (in.host.nic_port / in.link) / in.oversubscription;
    if (const auto whole = Whole(up))
      plan.uplinks = *whole;
    else
      AddError(input, "oversubscription",
               fmt::format("a leaf with {} ports down would need {:.4g} uplinks for {:.6g}:1",
                           plan.slots, up, in.oversubscription),
               "an oversubscription that divides evenly", errors);
  }
  const std::vector<PortUse> uses = {{plan.slots, in.host.nic_port, "down"},
                                     {plan.uplinks, in.link, "up"}};
  if (errors.empty() && !PortsFit(in.leaf, uses))
    AddError(input, in.slot_key, "a leaf has too few ports: " + FormatPortSum(uses),
             "fewer hosts a leaf, or a larger switch", errors);
}

// Ports down of a spine that has cores above it.
std::int64_t SpineDown(const ClosRequest& in) {
  const std::int64_t radix = Radix(in.spine, in.link);
  if (in.spine_uplinks) return radix - *in.spine_uplinks;
  const double up = std::floor(static_cast<double>(radix) / (1 + in.spine_oversubscription) + 1e-9);
  return static_cast<std::int64_t>(std::floor(up * in.spine_oversubscription + 1e-9));
}

// Spines for `leaves` of one group; even is 0 where so many leaves have too few uplinks.
void CountSpines(std::int64_t leaves, std::int64_t down, std::int64_t uplinks, ClosPod& pod) {
  pod.minimum = std::max(CeilDiv(leaves * uplinks, down), CeilDiv(uplinks, kMostParallel));
  pod.even = 0;
  for (std::int64_t d = pod.minimum; d <= uplinks && pod.even == 0; ++d)
    if (uplinks % d == 0) pod.even = d;
}

void PlanPod(const ClosRequest& in, const FamilyInput& input, std::int64_t segments, ClosPlan& plan,
             Errors& errors) {
  ClosPod pod;
  pod.segments = segments;
  const std::int64_t leaves = segments * plan.leaves_of_group;
  const std::int64_t down = plan.tiers == 3 ? SpineDown(in) : Radix(in.spine, in.link);
  if (down < 1)
    return AddError(input, "spine_oversubscription", "a spine has no ports left to face its leaves",
                    "fewer spine_uplinks, or another spine_oversubscription", errors);
  CountSpines(leaves, down, plan.uplinks, pod);
  plan.too_large = pod.even == 0;
  if (plan.too_large)
    return AddError(input, in.size_key,
                    fmt::format("{} leaves of {} uplinks need {} spines of {} ports down, more "
                                "than a leaf has uplinks",
                                leaves, plan.uplinks, pod.minimum, down),
                    fmt::format("at most {} leaves under one set of spines, or more tiers", down),
                    errors);
  pod.spines = in.spines.kind == SwitchPolicy::Kind::kMinimum ? pod.minimum : pod.even;
  if (in.spines.kind == SwitchPolicy::Kind::kCount) {
    pod.spines = in.spines.count;
    if (pod.spines < pod.minimum || pod.spines > plan.uplinks)
      return AddError(input, "spines",
                      fmt::format("'spines' is {}, and {} leaves of {} uplinks take {} to {}",
                                  pod.spines, leaves, plan.uplinks, pod.minimum, plan.uplinks),
                      fmt::format("even is {}", pod.even), errors);
  }
  if (plan.tiers == 3) {
    const auto most_down = static_cast<double>(CeilDiv(leaves * plan.uplinks, pod.spines));
    pod.uplinks = in.spine_uplinks.value_or(
        static_cast<std::int64_t>(std::ceil(most_down / in.spine_oversubscription - 1e-9)));
    if (in.core_groups > pod.spines)
      return AddError(
          input, "core_groups",
          fmt::format("'core_groups' is {}, and a pod has {} spines", in.core_groups, pod.spines),
          fmt::format("at most {}", pod.spines), errors);
  }
  plan.pods.push_back(pod);
}

// Uplinks of one spine group of `pod` to core group `group`.
std::int64_t LinksToCoreGroup(const ClosPlan& plan, const ClosPod& pod, std::int64_t group) {
  std::int64_t spines = 0;
  for (std::int64_t s = 0; s < pod.spines; ++s)
    if (plan.CoreGroupOf(s, pod.spines) == group) ++spines;
  return spines * pod.uplinks;
}

// Whether each core would have as many links to a pod as every other core.
bool EveryPodSpreadsOver(const ClosRequest& in, const ClosPlan& plan, std::int64_t cores) {
  for (std::int64_t group = 0; group < in.core_groups; ++group)
    for (const ClosPod& pod : plan.pods)
      if (LinksToCoreGroup(plan, pod, group) % cores != 0) return false;
  return true;
}

// False where the smallest pod has fewer uplinks than there are cores: then not every core
// would meet every pod.
bool PlanCores(const ClosRequest& in, ClosPlan& plan) {
  std::int64_t most = 0, cap = plan.pods[0].spines * plan.pods[0].uplinks, up = 0;
  for (std::int64_t group = 0; group < in.core_groups; ++group) {
    std::int64_t links = 0;
    for (const ClosPod& pod : plan.pods) {
      const std::int64_t of_pod = LinksToCoreGroup(plan, pod, group);
      links += of_pod * plan.groups;
      cap = std::min(cap, of_pod);
      up = std::max(up, pod.uplinks);
    }
    most = std::max(most, links);
  }
  plan.cores_minimum = std::max(CeilDiv(most, Radix(in.core, in.link)), CeilDiv(up, kMostParallel));
  plan.cores_even = plan.cores_minimum;
  for (std::int64_t c = plan.cores_minimum; c <= cap; ++c) {
    if ((up % c != 0 && c % up != 0) || !EveryPodSpreadsOver(in, plan, c)) continue;
    plan.cores_even = c;
    break;
  }
  plan.cores = in.cores.kind == SwitchPolicy::Kind::kEven      ? plan.cores_even
               : in.cores.kind == SwitchPolicy::Kind::kMinimum ? plan.cores_minimum
                                                               : in.cores.count;
  return plan.cores_minimum <= cap && plan.cores >= plan.cores_minimum && plan.cores <= cap;
}

void PlanPods(const ClosRequest& in, const FamilyInput& input, std::int64_t segments,
              ClosPlan& plan, Errors& errors) {
  plan.pods.clear();
  if (plan.tiers == 1) {
    plan.pods.push_back({segments, 0, 0, 0, 0});
    plan.too_large = segments > 1;
    if (plan.too_large)
      AddError(
          input, in.size_key,
          in.rails > 1
              ? fmt::format("one tier is one switch a rail, of {} ports, and the rail needs {}",
                            plan.slots, segments)
              : fmt::format("one tier is one switch, of {} ports, and this needs {}", plan.slots,
                            segments),
          "tiers: 2", errors);
    return;
  }
  if (plan.tiers == 2) {
    for (std::int64_t z = 0; z < in.zones && errors.empty(); ++z)
      PlanPod(in, input, segments, plan, errors);
    return;
  }
  const std::int64_t fit = std::max<std::int64_t>(SpineDown(in) / plan.leaves_of_group, 1);
  const std::int64_t full = std::min(in.segments_of_pod > 0 ? in.segments_of_pod : fit, segments);
  const std::int64_t pods = CeilDiv(segments, full);
  for (std::int64_t q = 0; q < pods && errors.empty(); ++q)
    PlanPod(in, input, std::min(full, segments - q * full), plan, errors);
  if (!errors.empty() || PlanCores(in, plan)) return;
  // A small last pod may have too few uplinks: share the segments out.
  plan.pods.clear();
  for (std::int64_t q = 0; q < pods && errors.empty(); ++q)
    PlanPod(in, input, segments / pods + (q < segments % pods ? 1 : 0), plan, errors);
  if (!errors.empty() || PlanCores(in, plan)) return;
  // Every core meets every pod, so there are at most as many pods as a core has ports: of equal
  // switches of radix k with k/2 uplinks k pods of (k/2)^2 NICs, k^3/4.
  const std::int64_t most_pods = Radix(in.core, in.link);
  const std::int64_t pod_ports = full * plan.leaves_of_group * plan.groups * plan.slots;
  const bool asked = in.cores.kind == SwitchPolicy::Kind::kCount && pods <= most_pods;
  AddError(input, asked ? "cores" : in.size_key,
           asked || pods <= most_pods
               ? fmt::format("{} cores are needed, and not every pod has an uplink to each of {}",
                             plan.cores_minimum, plan.cores)
               : fmt::format("{} pods of {} NIC ports are needed, and a core joins {}, one a port: "
                             "at most {} NIC ports of a plane",
                             pods, pod_ports, most_pods, most_pods * pod_ports),
           asked ? fmt::format("cores: {}", plan.cores_minimum) : "fewer, or a larger core_switch",
           errors);
}

}  // namespace

std::int64_t ClosPlan::segments() const {
  return std::accumulate(pods.begin(), pods.end(), std::int64_t{0},
                         [](std::int64_t sum, const ClosPod& pod) { return sum + pod.segments; });
}

std::int64_t ClosPlan::spines() const {
  std::int64_t sum = 0;
  for (const ClosPod& pod : pods) sum += pod.spines;
  return sum * groups * networks;
}

std::int64_t ClosPlan::spine_links_up() const {
  std::int64_t sum = 0;
  for (const ClosPod& pod : pods) sum += pod.spines * pod.uplinks;
  return sum * groups * networks;
}

ClosPlan PlanClos(const ClosRequest& in, const FamilyInput& input, Errors& errors) {
  ClosPlan plan;
  plan.in = in;
  plan.ports = in.host.nic_ports;
  plan.nics_of_rail = in.host.nics / in.rails;
  const std::int64_t ports_together = in.planes_by_port ? 1 : plan.ports;
  plan.networks = (in.rails_isolated ? in.rails : 1) * (in.planes_by_port ? plan.ports : 1);
  plan.groups = in.rail_groups && !in.rails_isolated ? in.rails : 1;
  plan.leaves_of_group = (in.rails_isolated ? 1 : in.rails) * ports_together / plan.groups;
  const int first = in.tiers > 0 ? in.tiers : in.fewest_tiers;
  const int last = in.tiers > 0 ? in.tiers : in.zones > 1 ? 2 : 3;
  // What fewer tiers cannot do is an error only of the last try.
  for (plan.tiers = first;; ++plan.tiers) {
    Errors found;
    PlanLeaf(in, input, plan, found);
    const std::int64_t populated = in.hosts / in.zones * plan.nics_of_rail;
    const std::int64_t places = populated + in.reserved_hosts / in.zones * plan.nics_of_rail;
    if (found.empty()) {
      const std::int64_t segments =
          in.segments > 0 ? in.segments : std::max<std::int64_t>(CeilDiv(places, plan.slots), 1);
      plan.filled = in.reserve_on_every_leaf ? CeilDiv(populated, segments) : plan.slots;
      PlanPods(in, input, segments, plan, found);
    }
    if (plan.too_large && plan.tiers < last) continue;
    errors.insert(errors.end(), found.begin(), found.end());
    return plan;
  }
}

}  // namespace weft
