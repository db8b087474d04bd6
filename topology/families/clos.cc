#include "topology/families/clos.h"

#include <fmt/format.h>

#include <charconv>

#include "topology/families/clos_plan.h"

namespace weft {
namespace {

struct Switches {
  std::vector<VertexId> leaf;   // [segments · rails · ports]
  std::vector<VertexId> spine;  // [pods][networks · groups · spines of the pod]
  std::vector<VertexId> core;   // [networks · core groups · cores]
};

// Which segment NIC `n` of host `h` is cabled in; pods of two tiers have hosts of their own.
std::int64_t SegmentOf(const ClosPlan& plan, std::int64_t h, std::int64_t n) {
  const std::int64_t of_zone = plan.in.hosts / plan.in.zones;
  const std::int64_t zone = h / of_zone;
  const std::int64_t place = h % of_zone * plan.nics_of_rail + n / plan.in.rails;
  return zone * (plan.segments() / plan.in.zones) + place / plan.filled;
}

// Of a segment by its row: its pod and its number there.
struct Place {
  std::uint16_t pod = 0, segment = 0;
};
std::vector<Place> PlacesOf(const ClosPlan& plan) {
  std::vector<Place> out;
  for (std::size_t q = 0; q < plan.pods.size(); ++q)
    for (std::int64_t s = 0; s < plan.pods[q].segments; ++s)
      out.push_back({static_cast<std::uint16_t>(q), static_cast<std::uint16_t>(s)});
  return out;
}

Switches AddVertices(const ClosPlan& plan, FabricBuilder& builder) {
  Switches out;
  const std::vector<Place> places = PlacesOf(plan);
  for (std::int64_t h = 0; h < plan.in.hosts; ++h) {
    const Place& at = places[static_cast<std::size_t>(SegmentOf(plan, h, 0))];
    builder.AddHost(ShapeOf(plan.in.host), at.pod, at.segment);
  }
  const auto add = [&](std::uint8_t tier, std::int64_t network, Place at, std::int64_t number) {
    return builder.AddSwitch({VertexKind::kSwitch, tier, static_cast<std::uint8_t>(network), at.pod,
                              at.segment, static_cast<std::uint32_t>(number), kNoHost});
  };
  for (const Place& at : places)
    for (std::int64_t r = 0; r < plan.in.rails; ++r)
      for (std::int64_t p = 0; p < plan.ports; ++p) {
        const std::int64_t row =
            (plan.in.rails_isolated ? 0 : r) * (plan.in.planes_by_port ? 1 : plan.ports) +
            (plan.in.planes_by_port ? 0 : p);
        out.leaf.push_back(
            add(1, plan.NetworkOf(r, p), at, plan.leaves_of_network() > 1 ? row : at.segment));
      }
  for (std::size_t q = 0; q < plan.pods.size(); ++q)
    for (std::int64_t w = 0; w < plan.networks; ++w)
      for (std::int64_t s = 0; s < plan.groups * plan.pods[q].spines; ++s)
        out.spine.push_back(add(2, w, {static_cast<std::uint16_t>(q), 0}, s));
  for (std::int64_t w = 0; w < plan.networks; ++w)
    for (std::int64_t c = 0; c < plan.in.core_groups * plan.cores; ++c)
      out.core.push_back(add(3, w, {}, c));
  return out;
}

// A tier is a kind.
std::vector<std::uint32_t> KindsOf(const Switches& switches) {
  std::vector<std::uint32_t> out(switches.leaf.size(), 0);
  out.resize(out.size() + switches.spine.size(), 1);
  out.resize(out.size() + switches.core.size(), 2);
  return out;
}

VertexId At(const std::vector<VertexId>& ids, std::int64_t i) {
  return ids[static_cast<std::size_t>(i)];
}

void CableHosts(const ClosPlan& plan, const Switches& switches, FabricBuilder& builder) {
  for (std::int64_t h = 0; h < plan.in.hosts; ++h)
    for (std::int64_t n = 0; n < plan.in.host.nics; ++n)
      for (std::int64_t p = 0; p < plan.ports; ++p) {
        const std::int64_t leaf =
            (SegmentOf(plan, h, n) * plan.in.rails + n % plan.in.rails) * plan.ports + p;
        builder.AddCable(
            builder.nic(HostId{static_cast<std::uint32_t>(h)}, static_cast<std::uint16_t>(n)),
            At(switches.leaf, leaf), plan.in.host.nic_port, plan.in.latency,
            static_cast<std::uint8_t>(p));
      }
}

void CableLeaves(const ClosPlan& plan, const Switches& switches, FabricBuilder& builder) {
  std::int64_t first_segment = 0, first_spine = 0;
  for (const ClosPod& pod : plan.pods) {
    std::vector<std::int64_t> dealt(static_cast<std::size_t>(plan.networks * plan.groups), 0);
    for (std::int64_t s = first_segment; s < first_segment + pod.segments; ++s)
      for (std::int64_t r = 0; r < plan.in.rails; ++r)
        for (std::int64_t p = 0; p < plan.ports; ++p) {
          const std::int64_t group = plan.NetworkOf(r, p) * plan.groups + plan.GroupOf(r);
          std::int64_t& next = dealt[static_cast<std::size_t>(group)];
          for (std::int64_t j = 0; j < plan.uplinks; ++j, ++next)
            builder.AddCable(
                At(switches.leaf, (s * plan.in.rails + r) * plan.ports + p),
                At(switches.spine, first_spine + group * pod.spines + next % pod.spines),
                plan.in.link, plan.in.latency, static_cast<std::uint8_t>(j / pod.spines));
        }
    first_segment += pod.segments;
    first_spine += plan.networks * plan.groups * pod.spines;
  }
}

void CableSpines(const ClosPlan& plan, const Switches& switches, FabricBuilder& builder) {
  std::vector<std::int64_t> dealt(static_cast<std::size_t>(plan.networks * plan.in.core_groups), 0);
  std::int64_t spine = 0;
  for (const ClosPod& pod : plan.pods)
    for (std::int64_t w = 0; w < plan.networks; ++w)
      for (std::int64_t s = 0; s < plan.groups * pod.spines; ++s, ++spine) {
        const std::int64_t group =
            w * plan.in.core_groups + plan.CoreGroupOf(s % pod.spines, pod.spines);
        std::int64_t& next = dealt[static_cast<std::size_t>(group)];
        for (std::int64_t j = 0; j < pod.uplinks; ++j, ++next)
          builder.AddCable(At(switches.spine, spine),
                           At(switches.core, group * plan.cores + next % plan.cores), plan.in.link,
                           plan.in.latency, static_cast<std::uint8_t>(j / plan.cores));
      }
}

FabricCounts Provisioned(const ClosPlan& plan) {
  const ClosRequest& in = plan.in;
  FabricCounts out;
  out.planes = static_cast<int>(plan.networks);
  // Ports kept free on every leaf are kept for others than hosts with GPUs.
  const std::int64_t reserved = in.reserved_hosts * in.host.nics * plan.ports;
  out.hosts = in.hosts + (in.reserve_on_every_leaf ? 0 : in.reserved_hosts);
  out.gpus = out.hosts * in.host.gpus;
  out.nics = out.hosts * in.host.nics;
  TierCount leaf{
      "leaf",
      plan.leaves(),
      out.nics * plan.ports + in.service_ports + (in.reserve_on_every_leaf ? reserved : 0),
      plan.leaves() * plan.uplinks,
      {}};
  if (leaf.links_up > 0)
    leaf.oversubscription = static_cast<double>(leaf.links_down) *
                            in.host.nic_port.bits_per_second() /
                            (static_cast<double>(leaf.links_up) * in.link.bits_per_second());
  out.tiers = {leaf};
  if (plan.tiers == 1) return out;
  TierCount spine{"spine", plan.spines(), leaf.links_up, plan.spine_links_up(), {}};
  if (spine.links_up > 0)
    spine.oversubscription =
        static_cast<double>(spine.links_down) / static_cast<double>(spine.links_up);
  out.tiers.push_back(spine);
  if (plan.tiers == 3) out.tiers.push_back({"core", plan.all_cores(), spine.links_up, 0, {}});
  return out;
}

void SetFigures(const ClosPlan& plan, FabricBuilder& builder) {
  const ClosRequest& in = plan.in;
  const bool planar = plan.networks > 1, pods = plan.pods.size() > 1 || plan.tiers == 3;
  std::vector<TierNaming> naming = {{"leaf", pods, plan.leaves_of_network() > 1, planar}};
  if (plan.tiers > 1) naming.push_back({"spine", pods, false, planar});
  if (plan.tiers > 2) naming.push_back({"core", false, false, planar});
  builder.SetNaming(std::move(naming));
  if (in.reserved_hosts > 0 || in.service_ports > 0) builder.SetProvisioned(Provisioned(plan));

  FabricLimits limits;
  limits.tier1_gpus = plan.slots * in.rails * in.host.gpus / in.host.nics;
  if (plan.tiers > 1)
    limits.tier2_gpus = *limits.tier1_gpus * (Radix(in.spine, in.link) / plan.leaves_of_network());
  builder.SetLimits(limits);

  std::optional<SwitchRule> spines, cores;
  if (plan.tiers > 1) {
    spines = SwitchRule{0, 0, in.spines.text};
    for (const ClosPod& pod : plan.pods) {
      spines->minimum += pod.minimum * plan.groups * plan.networks;
      spines->even += pod.even * plan.groups * plan.networks;
    }
  }
  if (plan.tiers > 2)
    cores = SwitchRule{plan.cores_minimum * in.core_groups * plan.networks,
                       plan.cores_even * in.core_groups * plan.networks, in.cores.text};
  builder.SetRules(std::move(spines), std::move(cores));

  if (in.host.power && in.leaf.power && (plan.tiers < 2 || in.spine.power) &&
      (plan.tiers < 3 || in.core.power))
    builder.SetPower(*in.host.power * static_cast<double>(in.hosts) +
                     *in.leaf.power * static_cast<double>(plan.leaves()) +
                     in.spine.power.value_or(Watts()) * static_cast<double>(plan.spines()) +
                     in.core.power.value_or(Watts()) * static_cast<double>(plan.all_cores()));
}

}  // namespace

bool ClosFits(const ClosRequest& request, const FamilyInput& input) {
  Errors errors;
  PlanClos(request, input, errors);
  return errors.empty();
}

Result<Fabric> BuildClos(const ClosRequest& request, const FamilyInput& input) {
  Errors errors;
  const ClosPlan plan = PlanClos(request, input, errors);
  if (errors.empty()) {
    CheckSize(request.hosts, request.host, plan.leaves() + plan.spines() + plan.all_cores(),
              plan.leaves() * plan.uplinks + plan.spine_links_up(), input, errors);
    if (plan.networks > 256 || plan.segments() > 60000)
      AddError(input, request.size_key,
               fmt::format("the fabric has {} planes and {} sets of leaves", plan.networks,
                           plan.segments()),
               "at most 256 planes and 60,000 sets of leaves", errors);
  }
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  FabricBuilder builder(static_cast<int>(plan.networks));
  const Switches switches = AddVertices(plan, builder);
  builder.SetKinds({}, KindsOf(switches));
  CableHosts(plan, switches, builder);
  CableLeaves(plan, switches, builder);
  CableSpines(plan, switches, builder);
  SetFigures(plan, builder);
  return builder.Build();
}

bool PlanesByPort(const HostPart& host, int planes, const FamilyInput& input, Errors& errors) {
  if (planes == 1) return false;
  if (planes != 0 && planes != host.nic_ports)
    AddError(input, "planes",
             fmt::format("'planes' is {}, and the host's NICs have nic_ports: {}", planes,
                         host.nic_ports),
             fmt::format("planes: {} or 1", host.nic_ports), errors);
  return host.nic_ports > 1;
}

SwitchPolicy MakeSwitchPolicy(const std::string& text, std::string_view key,
                              const FamilyInput& input, Errors& errors) {
  SwitchPolicy out{SwitchPolicy::Kind::kEven, 0, text};
  if (text == "even") return out;
  out.kind = text == "minimum" ? SwitchPolicy::Kind::kMinimum : SwitchPolicy::Kind::kCount;
  if (text == "minimum") return out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.count);
  if (error != std::errc() || end != text.data() + text.size() || out.count < 1 ||
      out.count > 60000)
    AddError(input, key, fmt::format("'{}' is '{}'", key, text),
             "want even, minimum or a number up to 60000", errors);
  return out;
}

}  // namespace weft
