#include <algorithm>

#include "tests/topology/fabrics.h"

namespace weft {
namespace {

// Draws for RandomFabricText: texts of one family, or of a few, most of which can be built.
class FabricDraw {
 public:
  explicit FabricDraw(std::uint64_t seed) : random_(seed) {}

  std::string Text() {
    switch (random_.Below(9)) {
      case 0:
        return LeafSpine();
      case 1:
        return DcnPlus();
      case 2:
        return Hpn();
      case 3:
        return FatTree();
      case 4:
        return RailOptimized();
      case 5:
        return fmt::format("{{ family: rail_only, hosts: {}, {}, {} }}", OneTo(9), Clos(),
                           Host(OneTo(3)));
      case 6:
        return Dragonfly();
      case 7:
        return fmt::format("{{ family: slim_fly, q: {}, p: {}, link: 100Gbps }}",
                           3 + random_.Below(3), OneTo(2));
      default:
        return Custom();
    }
  }

 private:
  std::uint32_t OneTo(std::uint32_t most) { return 1 + random_.Below(most); }
  bool Coin() { return random_.Below(2) == 0; }
  const char* Pick(std::vector<const char*> of) {
    return of[random_.Below(static_cast<std::uint32_t>(of.size()))];
  }

  std::string Host() {
    const std::uint32_t gpus = OneTo(4);
    return fmt::format("host: {{ preset: hgx-h800, power: 4kW, gpus: {}, nics: {} }}", gpus,
                       Coin() ? gpus : OneTo(3));
  }
  std::string Host(std::uint32_t nics) {
    const std::uint32_t ports = OneTo(2);
    return fmt::format(
        "host: {{ preset: hgx-h800, power: 4kW, gpus: {}, nics: {}, nic: {}Gbps, nic_ports: {} }}",
        nics * OneTo(2), nics, ports * (random_.Below(3) == 0 ? 50 : 100), ports);
  }
  // What fat_tree, rail_optimized and rail_only share: switches so small that there are tiers.
  std::string Clos() {
    const std::uint32_t radix = 4 + 2 * random_.Below(3);
    return fmt::format(
        "oversubscription: {}, spine_oversubscription: {}, spines: {}, cores: {}, link: 100Gbps, "
        "switch: {{ rate: {}Gbps, ports: {} }}",
        Pick({"1", "2", "3", "0.5"}), Pick({"1", "2"}), Pick({"even", "minimum"}),
        Pick({"even", "minimum"}), 100 * radix, 2 * radix);
  }

  std::string LeafSpine() {
    return fmt::format(
        "{{ family: leaf_spine, leaves: {}, spines: {}, hosts_per_leaf: {}, link: 100Gbps, "
        "links_per_pair: {}{} }}",
        OneTo(4), OneTo(4), OneTo(3), OneTo(3), Coin() ? "" : ", " + Host());
  }
  std::string DcnPlus() {
    const std::uint32_t aggs = OneTo(4);
    return fmt::format(
        "{{ family: dcn_plus, pods: {}, segments: {}, hosts: {}, aggs: {}, links_per_agg: {}, "
        "agg_uplinks: {}, core_groups: {}, {} }}",
        OneTo(3), OneTo(3), OneTo(2), aggs, OneTo(2), OneTo(3), OneTo(aggs), Host());
  }
  std::string Hpn() {
    const std::uint32_t aggs = OneTo(4);
    return fmt::format(
        "{{ family: hpn, pods: {}, segments: {}, hosts: {}, reserved_hosts: 0, {}, "
        "rail_optimized: {}, aggs_per_plane: {}, core_groups_per_plane: {}, "
        "core_oversubscription: 40, {} }}",
        OneTo(3), OneTo(3), OneTo(2),
        Pick({"tors: dual, planes: 2", "tors: dual, planes: 1", "tors: single, planes: 1",
              "tors: dual_stacked, planes: 2"}),
        Coin() ? "true" : "false", aggs, OneTo(aggs), Host());
  }
  std::string FatTree() {
    const std::uint32_t nics = OneTo(3);
    return fmt::format("{{ family: fat_tree, endpoints: {}, {}, {} }}", nics * OneTo(9), Clos(),
                       Host(nics));
  }
  std::string RailOptimized() {
    return fmt::format(
        "{{ family: rail_optimized, units: {}, hosts_per_unit: {}, rail_groups: {}, {}{}, {} }}",
        OneTo(4), OneTo(3), random_.Below(4) == 0 ? "true" : "false",
        random_.Below(3) == 0 ? "planes: 1, " : "", Clos(), Host(OneTo(3)));
  }
  std::string Dragonfly() {
    const std::uint32_t a = OneTo(4), h = OneTo(3);
    return fmt::format("{{ family: dragonfly, p: {}, a: {}, h: {}, groups: {}, link: 100Gbps }}",
                       OneTo(2), a, h, 2 + random_.Below(std::min(a * h, 7u)));
  }
  // Two kinds of hosts on leaves of two planes or of one, leaves in a row or below spines, with
  // parallel cables and cables of another rate, some spines below a core.
  std::string Custom() {
    const std::uint32_t leaves = OneTo(3) + 1, spines = OneTo(3);
    const bool row = random_.Below(4) == 0, two_planes = !row && Coin();
    std::string out = fmt::format(
        "{{ family: custom, link: {}Gbps, hosts: [{{ name: old, count: {}, host: {{ preset: "
        "hgx-h800, power: 4kW, gpus: {}, nics: {}, nic: 200Gbps, nic_ports: 2 }} }}, "
        "{{ name: new, count: {}, "
        "host: {{ preset: hgx-h800, power: 4kW, gpus: 2, nics: {}, nic: {}Gbps, nic_ports: 2 }} "
        "}}], "
        "switches: ",
        Pick({"100", "200"}), OneTo(5), OneTo(3), OneTo(3), OneTo(4), OneTo(2),
        Pick({"200", "400"}));
    const std::string join = Pick({"in_turn", "blocks"});
    if (!two_planes) {
      out += fmt::format(
          "[{{ name: leaf, count: {} }}, {{ name: spine, count: {} }}, {{ name: core }}], cables: "
          "[{{ from: \"*/nic*/port[0-1]\", to: \"leaf*\", join: {} }}, ",
          leaves, spines, join);
      if (row)
        return out + fmt::format(
                         "{{ from: \"leaf[0-{}]\", to: \"leaf[1-{}]\", join: in_turn, count: {} "
                         "}}, {{ from: leaf0, to: [\"spine*\", core], rate: 50Gbps }}] }}",
                         leaves - 2, leaves - 1, OneTo(2));
      return out + fmt::format(
                       "{{ from: \"leaf*\", to: \"spine*\", count: {} }}, {{ from: leaf0, to: "
                       "spine0, rate: 50Gbps }}, {{ from: \"spine[0-{}]\", to: core }}] }}",
                       OneTo(2), random_.Below(spines));
    }
    for (const int plane : {0, 1})
      out += fmt::format("{}{{ name: l{}x, count: {} }}, {{ name: s{}x, count: {} }}",
                         plane == 0 ? "[" : ", ", plane, leaves, plane, spines);
    out += "], cables: ";
    for (const int plane : {0, 1})
      out += fmt::format(
          "{}{{ from: \"*/nic*/port{}\", to: \"l{}x*\", join: {} }}, {{ from: \"l{}x*\", to: "
          "\"s{}x*\" }}",
          plane == 0 ? "[" : ", ", plane, plane, join, plane, plane);
    return out + "] }";
  }

  Random random_;
};

}  // namespace

std::string RandomFabricText(std::uint64_t seed) {
  for (std::uint64_t draw = 0;; ++draw) {
    std::string text = FabricDraw(StreamSeed(seed, {77, draw})).Text();
    if (TryFabric(text)) return text;
  }
}

}  // namespace weft
