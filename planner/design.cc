#include "planner/design.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "base/ceil_div.h"
#include "base/check.h"
#include "base/schema/quantity.h"

namespace weft {
namespace {

using Counted = tl::expected<DesignCounts, Binding>;

constexpr std::int64_t kMostParallel = 255;  // cables of a pair of switches

// HPN's own numbers [QXC+24 Fig. 7].
constexpr std::int64_t kHpnAggs = 60, kHpnCoreGroups = 4, kHpnCoreOversubscription = 15;

tl::unexpected<Binding> Bound(std::string rule, std::string text) {
  return tl::make_unexpected(Binding{std::move(rule), std::move(text)});
}

std::int64_t Whole(double value) {
  const double nearest = std::round(value);
  return nearest >= 1 && std::abs(value - nearest) <= 1e-9 * nearest
             ? static_cast<std::int64_t>(nearest)
             : 0;
}

// The most uplinks with a whole number of NIC ports that the oversubscription asks for.
bool SplitLeaf(const Design& design, DesignCounts& out) {
  const double ports_an_uplink = design.oversubscription * (design.uplink / design.nic_port());
  const double by_rate = design.chip / design.uplink / (1 + design.oversubscription);
  const double by_ports = design.chip_ports / (1 + ports_an_uplink);
  auto up = static_cast<std::int64_t>(std::floor(std::min(by_rate, by_ports) * (1 + 1e-9)));
  for (; up > 0; --up) {
    const std::int64_t slots = Whole(static_cast<double>(up) * ports_an_uplink);
    if (slots == 0) continue;
    out.leaf_uplinks = up;
    out.leaf_slots = slots;
    return true;
  }
  return false;
}

struct Pod {
  std::int64_t segments = 0, spines = 0, uplinks = 0;
  std::int64_t minimum = 0, even = 0;  // even: 0 where leaves have too few uplinks
};

// What a Clos is made of, in one network.
struct Clos {
  std::int64_t leaves_of_segment = 1, radix = 0, down = 0;
  std::vector<Pod> pods;
};

Pod CountPod(const Design& design, const DesignCounts& counts, const Clos& clos,
             std::int64_t segments) {
  Pod pod;
  pod.segments = segments;
  const std::int64_t links = segments * clos.leaves_of_segment * counts.leaf_uplinks;
  pod.minimum = std::max(
      {CeilDiv(links, clos.down), CeilDiv(counts.leaf_uplinks, kMostParallel),
       std::min<std::int64_t>(design.tiers == 2 ? design.min_spines : 1, counts.leaf_uplinks)});
  for (std::int64_t d = pod.minimum; d <= counts.leaf_uplinks && pod.even == 0; ++d)
    if (counts.leaf_uplinks % d == 0) pod.even = d;
  pod.spines = design.even ? pod.even : pod.minimum;
  if (pod.spines > 0 && design.tiers == 3)
    pod.uplinks = static_cast<std::int64_t>(std::ceil(
        static_cast<double>(CeilDiv(links, pod.spines)) / design.spine_oversubscription - 1e-9));
  return pod;
}

// Cores of one network; false where not every core would meet every pod.
bool CountCores(const Design& design, const Clos& clos, DesignCounts& out) {
  std::int64_t links = 0, cap = clos.pods[0].spines * clos.pods[0].uplinks, up = 0;
  for (const Pod& pod : clos.pods) {
    links += pod.spines * pod.uplinks;
    cap = std::min(cap, pod.spines * pod.uplinks);
    up = std::max(up, pod.uplinks);
  }
  const std::int64_t minimum = std::max(CeilDiv(links, clos.radix), CeilDiv(up, kMostParallel));
  std::int64_t even = minimum;
  for (std::int64_t c = minimum; c <= cap; ++c) {
    if (up % c != 0 && c % up != 0) continue;
    const bool all = std::all_of(clos.pods.begin(), clos.pods.end(),
                                 [&](const Pod& pod) { return pod.spines * pod.uplinks % c == 0; });
    if (!all) continue;
    even = c;
    break;
  }
  out.minimum_cores = minimum * out.networks;
  out.even_cores = even * out.networks;
  out.cores_of_network = design.even ? even : minimum;
  return out.cores_of_network <= cap;
}

Binding TooManyLeaves(const Design& design, const DesignCounts& counts, const Clos& clos,
                      const Pod& pod) {
  const std::int64_t most =
      clos.down / clos.leaves_of_segment * counts.hosts_of_segment * design.gpus_of_host;
  return {"reach",
          fmt::format("{} leaves of {} uplinks need {} spines of {} ports down, more than a leaf "
                      "has uplinks: {} tiers reach about {} GPUs",
                      pod.segments * clos.leaves_of_segment, counts.leaf_uplinks, pod.minimum,
                      clos.down, design.tiers, most)};
}

// Pods of `full` segments, the last smaller; or, where `share`, all alike.
tl::expected<void, Binding> CountPods(const Design& design, const DesignCounts& counts,
                                      std::int64_t full, bool share, Clos& clos) {
  const std::int64_t pods = CeilDiv(counts.segments, full);
  clos.pods.clear();
  for (std::int64_t q = 0; q < pods; ++q) {
    const std::int64_t segments =
        share ? counts.segments / pods + (q < counts.segments % pods ? 1 : 0)
              : std::min(full, counts.segments - q * full);
    if (q > 0 && clos.pods.back().segments == segments)
      clos.pods.push_back(clos.pods.back());
    else
      clos.pods.push_back(CountPod(design, counts, clos, segments));
    if (clos.pods.back().even == 0)
      return tl::make_unexpected(TooManyLeaves(design, counts, clos, clos.pods.back()));
  }
  return {};
}

void SumPods(const Design& design, const Clos& clos, DesignCounts& out) {
  for (const Pod& pod : clos.pods) {
    out.spines += pod.spines * out.networks;
    out.minimum_spines += pod.minimum * out.networks;
    out.even_spines += pod.even * out.networks;
    out.spine_links += pod.spines * pod.uplinks * out.networks;
  }
  const Pod& first = clos.pods[0];
  out.pods = static_cast<std::int64_t>(clos.pods.size());
  out.spines_of_pod = first.spines;
  out.spine_uplinks = first.uplinks;
  out.cores = design.tiers == 3 ? out.cores_of_network * out.networks : 0;
  // What more the switches that stand could take.
  std::int64_t segments = out.segments;
  if (design.tiers == 2) {
    const std::int64_t leaves = first.spines == first.even
                                    ? clos.radix / (out.leaf_uplinks / first.spines)
                                    : first.spines * clos.radix / out.leaf_uplinks;
    segments = leaves / clos.leaves_of_segment;
  } else if (first.spines * first.uplinks > 0) {
    segments = out.cores_of_network * clos.radix / (first.spines * first.uplinks) * first.segments;
  }
  out.reach_gpus = std::max(segments, out.segments) * out.hosts_of_segment * design.gpus_of_host;
}

Counted CountClos(const Design& design) {
  DesignCounts out;
  const bool rails = design.family != DesignFamily::kFatTree;
  const bool isolated = design.family == DesignFamily::kRailOnly;
  const std::int64_t nics_of_leaf = rails ? 1 : design.nics_of_host;
  out.networks = (isolated ? design.nics_of_host : 1) * design.planes();
  Clos clos;
  clos.leaves_of_segment =
      (rails && !isolated ? design.nics_of_host : 1) * (design.port_planes ? 1 : design.nic_ports);
  if (design.tiers == 1) {
    out.leaf_slots = RadixOf(design, design.nic_port());
  } else if (!SplitLeaf(design, out)) {
    return Bound("ports", fmt::format("no whole number of a switch's ports is {:.6g}:1",
                                      design.oversubscription));
  }
  out.segments = CeilDiv(design.hosts * nics_of_leaf, out.leaf_slots);
  out.hosts_of_segment = out.leaf_slots / nics_of_leaf;
  if (out.hosts_of_segment == 0)
    return Bound("ports", fmt::format("a leaf has {} ports down, and a host brings {}",
                                      out.leaf_slots, nics_of_leaf));
  out.leaves = out.segments * clos.leaves_of_segment * out.networks;
  out.nic_links = design.hosts * design.nics_of_host * design.nic_ports;
  out.leaf_links = out.leaves * out.leaf_uplinks;
  out.leaf_gpus = std::min(out.hosts_of_segment, design.hosts) * design.gpus_of_host;
  if (design.tiers == 1) {
    if (out.segments > 1)
      return Bound("reach",
                   isolated ? fmt::format("one tier is one switch a rail, of {} ports, and a rail "
                                          "has {} hosts",
                                          out.leaf_slots, design.hosts)
                            : fmt::format("one tier is one switch, of {} ports, and there are {} "
                                          "NICs",
                                          out.leaf_slots, design.hosts * design.nics_of_host));
    out.reach_gpus = out.hosts_of_segment * design.gpus_of_host;
    return out;
  }
  clos.radix = clos.down = RadixOf(design, design.uplink);
  std::int64_t full = out.segments;
  if (design.tiers == 3) {
    const double up =
        std::floor(static_cast<double>(clos.radix) / (1 + design.spine_oversubscription) + 1e-9);
    clos.down = static_cast<std::int64_t>(std::floor(up * design.spine_oversubscription + 1e-9));
    if (clos.down < 1) return Bound("ports", "a spine has no ports left to face its leaves");
    full = std::min(std::max<std::int64_t>(clos.down / clos.leaves_of_segment, 1), out.segments);
  }
  for (const bool share : {false, true}) {
    if (const auto fits = CountPods(design, out, full, share, clos); !fits)
      return tl::make_unexpected(fits.error());
    if (design.tiers == 2 || CountCores(design, clos, out)) {
      SumPods(design, clos, out);
      return out;
    }
  }
  return Bound("reach", fmt::format("{} cores are needed, and not every pod has an uplink to each",
                                    out.cores_of_network));
}

// Segments of equal hosts, as few as the ToRs' ports allow, in pods of equal segments.
Counted CountHpn(const Design& design) {
  DesignCounts out;
  if (design.nic_ports != 2) return Bound("homing", "a NIC of hpn has two ports, one to each ToR");
  const std::int64_t radix = RadixOf(design, design.uplink);
  const auto half = static_cast<std::int64_t>(std::floor(
      std::min(design.chip * 0.5 / design.nic_port(), static_cast<double>(design.chip_ports)) *
      (1 + 1e-9)));
  const double left_bps = design.chip.bits_per_second() -
                          design.uplink.bits_per_second() * static_cast<double>(kHpnAggs);
  if (left_bps <= 0 || half < 1)
    return Bound("ports", fmt::format("a ToR of hpn has {} uplinks of {:.0f}G, which is all of its "
                                      "{:.1f}T or more",
                                      kHpnAggs, design.uplink.bits_per_second() / 1e9,
                                      design.chip.bits_per_second() / 1e12));
  const std::int64_t planes = design.planes(), sets = design.nics_of_host;
  const std::int64_t tors_of_plane = planes == 2 ? sets : sets * 2;
  const std::int64_t agg_up = radix / (kHpnCoreOversubscription + 1);
  const std::int64_t agg_down = agg_up * kHpnCoreOversubscription;
  const std::int64_t of_pod = agg_down / tors_of_plane;  // segments
  const auto room = static_cast<std::int64_t>(
      std::floor(left_bps / design.nic_port().bits_per_second() * (1 + 1e-9)));
  const std::int64_t most = std::min({half, room, design.chip_ports - kHpnAggs});
  if (of_pod < 1 || most < 1) return Bound("ports", "an Agg of hpn has too few ports");
  std::int64_t segments = CeilDiv(design.hosts, most), pods = 1;
  for (;; ++segments) {
    if (segments > design.hosts || segments > 60'000)
      return Bound("segments", fmt::format("{} hosts do not fall evenly on segments of at most {}",
                                           design.hosts, most));
    if (design.hosts % segments != 0) continue;
    pods = CeilDiv(segments, of_pod);
    if (segments % pods == 0) break;
  }
  const std::int64_t core_ports = CeilDiv(kHpnAggs, kHpnCoreGroups);
  if (pods * core_ports > radix)
    return Bound("reach", fmt::format("{} pods x {} Aggs of its group = {} ports of a core, which "
                                      "has {}",
                                      pods, core_ports, pods * core_ports, radix));
  if (design.tiers != (pods > 1 ? 3 : 2))
    return Bound("reach", fmt::format("hpn has {} tiers for {} pods", pods > 1 ? 3 : 2, pods));
  out.segments = segments;
  out.hosts_of_segment = design.hosts / segments;
  out.networks = planes;
  out.pods = pods;
  out.leaf_slots = out.hosts_of_segment;
  out.leaf_uplinks = kHpnAggs;
  out.leaves = segments * sets * 2;
  out.spines = out.minimum_spines = out.even_spines = pods * planes * kHpnAggs;
  out.spines_of_pod = kHpnAggs;
  out.cores_of_network = pods > 1 ? kHpnCoreGroups * agg_up : 0;
  out.cores = out.minimum_cores = out.even_cores = out.cores_of_network * planes;
  out.nic_links = design.hosts * design.nics_of_host * 2;
  out.leaf_links = out.leaves * kHpnAggs;
  out.spine_uplinks = pods > 1 ? agg_up : 0;
  out.spine_links = out.spines * out.spine_uplinks;
  out.leaf_gpus = out.hosts_of_segment * design.gpus_of_host;
  // The Aggs' ports to cores are there from the first day [QXC+24 §3].
  out.full_slots = most;
  out.pod_gpus = of_pod * most * design.gpus_of_host;
  out.reach_gpus = radix / core_ports * out.pod_gpus;
  return out;
}

// As "{:.6g}" has it; of small whole numbers, which most are, without its cost.
void AddSixDigits(double value, std::string& out) {
  const int whole = std::abs(value) < 1e6 ? static_cast<int>(value) : 0;
  if (whole == value && !(whole == 0 && std::signbit(value)))
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}"), whole);
  else
    fmt::format_to(std::back_inserter(out), "{:.6g}", value);
}

std::string RateText(BitRate rate) {
  return FormatQuantity(rate.bits_per_second(), Unit::BIT_RATE);
}

}  // namespace

std::string_view NameOf(DesignFamily family) {
  switch (family) {
    case DesignFamily::kRailOptimized:
      return "rail_optimized";
    case DesignFamily::kFatTree:
      return "fat_tree";
    case DesignFamily::kRailOnly:
      return "rail_only";
    case DesignFamily::kHpn:
      return "hpn";
    case DesignFamily::kDragonfly:
      return "dragonfly";
    case DesignFamily::kSlimFly:
      return "slim_fly";
  }
  WEFT_CHECK(false);
  return {};
}

std::int64_t RadixOf(const Design& design, BitRate rate) {
  const double ports = std::floor(design.chip / rate * (1 + 1e-9));
  return static_cast<std::int64_t>(std::min(ports, static_cast<double>(design.chip_ports)));
}

tl::expected<DesignCounts, Binding> CountDesign(const Design& design) {
  if (JoinsRouters(design.family)) return CountRouters(design);
  return design.family == DesignFamily::kHpn ? CountHpn(design) : CountClos(design);
}

std::string FabricText(const Design& design, const DesignCounts& counts, std::string_view host,
                       std::string_view chip) {
  const std::string parts =
      fmt::format("switch: {{ preset: {} }}, host: {{ preset: {}, nic: {}, nic_ports: {} }}", chip,
                  host, RateText(design.nic), design.nic_ports);
  if (JoinsRouters(design.family)) {
    const RouterShape& shape = design.routers;
    const std::int64_t room = shape.routers() * shape.p / design.nics_of_host;
    const std::string sizes = design.family == DesignFamily::kSlimFly
                                  ? fmt::format("q: {}, p: {}", shape.q, shape.p)
                                  : fmt::format("p: {}, a: {}, h: {}, groups: {}", shape.p, shape.a,
                                                shape.h, shape.groups);
    return fmt::format("{{ family: {}, {}, absent_hosts: {}, link: {}, {} }}",
                       NameOf(design.family), sizes, room - design.hosts, RateText(design.uplink),
                       parts);
  }
  if (design.family == DesignFamily::kHpn)
    return fmt::format(
        "{{ family: hpn, pods: {}, segments: {}, hosts: {}, reserved_hosts: 0, planes: {}, "
        "uplink: {}, {} }}",
        counts.pods, counts.segments / counts.pods, counts.hosts_of_segment, design.planes(),
        RateText(design.uplink), parts);
  std::string clos = fmt::format("tiers: {}, planes: {}, link: {}", design.tiers, design.planes(),
                                 RateText(design.uplink));
  if (design.tiers > 1)
    clos += fmt::format(", oversubscription: {}, spines: {}", design.oversubscription,
                        design.min_spines > 1 && design.tiers == 2
                            ? std::to_string(counts.spines_of_pod)
                        : design.even ? "even"
                                      : "minimum");
  if (design.tiers == 3)
    clos += fmt::format(", spine_oversubscription: {}, cores: {}", design.spine_oversubscription,
                        counts.cores_of_network);
  clos += ", " + parts;
  if (design.family == DesignFamily::kRailOnly)
    return fmt::format("{{ family: rail_only, hosts: {}, {} }}", design.hosts, clos);
  if (design.family == DesignFamily::kFatTree)
    return fmt::format("{{ family: fat_tree, endpoints: {}, plane_by: port, {} }}",
                       design.hosts * design.nics_of_host, clos);
  const std::int64_t unit = counts.hosts_of_segment;
  return fmt::format(
      "{{ family: rail_optimized, units: {}, hosts_per_unit: {}, absent_hosts: {}, {} }}",
      counts.segments, unit, counts.segments * unit - design.hosts, clos);
}

std::string DesignName(const Design& design) {
  std::string out;
  const auto add = [&](std::string_view before, double value, std::string_view after) {
    out += before;
    AddSixDigits(value, out);
    out += after;
  };
  const RouterShape& shape = design.routers;
  out += NameOf(design.family);
  if (!JoinsRouters(design.family)) {
    add("/", design.tiers, "-tier");
  } else if (shape.p == 0) {
    add("/", design.oversubscription, ":1");
  } else if (shape.q > 0) {
    out += fmt::format("/q{}-p{}", shape.q, shape.p);
  } else {
    out += fmt::format("/p{}-a{}-h{}-g{}", shape.p, shape.a, shape.h, shape.groups);
  }
  add("/", design.nic.bits_per_second() / 1e9, "G");
  if (design.nic_ports > 1) add("/", design.nic_ports, design.port_planes ? "-plane" : "-tor");
  add("/", design.chip.bits_per_second() / 1e12, "T");
  if (design.uplink != design.nic_port()) add("/up", design.uplink.bits_per_second() / 1e9, "G");
  if (design.family == DesignFamily::kHpn || JoinsRouters(design.family) || design.tiers == 1)
    return out;
  add("/", design.oversubscription, ":1");
  if (design.tiers == 3) add("/", design.spine_oversubscription, ":1");
  return out + (design.even ? "/even" : "/min");
}

}  // namespace weft
