// A fabric: what stands where and what is cabled to what.
//
// A directed graph in compressed sparse rows [Boost.Graph]. GPUs, NVSwitches,
// NICs and switches are vertices; a cable is two links, one each way. Ids are
// rows, fixed when the fabric is built: a table indexed by LinkId is a plain
// vector. Nothing in a Fabric changes after Build(); faults live in LinkState.
//
//     host 0                                         one rail of a dual-plane segment
//     gpu ──PCIe── nic ──port 0── tor (plane 0) ── agg ── …
//      │             └───port 1── tor (plane 1) ── agg ── …
//     NVLink
//      │
//     nvswitch ── the host's other GPUs
//
// Shapes   V vertices, L links, H hosts, G GPUs. A host's vertices are
//          contiguous: its GPUs, its NVSwitch if any, its NICs; hosts come in
//          order, then the switches tier by tier. Links are sorted by (from,
//          to, number), so that links_from(v) is one contiguous range.
// Units    BitRate is the line rate of one direction; latency is of one link,
//          the forwarding of the device it leaves included.
// Errors   none here: FabricBuilder is fed by families, which check the spec
//          and report with positions (topology/families/family.h).
// Cost     Build O(V + L log L) time, some 60 bytes a link.
// Repeats  same calls in the same order, same ids.
#pragma once

#include <boost/graph/compressed_sparse_row_graph.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"

namespace weft {

enum class VertexId : std::uint32_t {};
enum class LinkId : std::uint32_t {};
enum class GpuId : std::uint32_t {};
enum class HostId : std::uint32_t {};

constexpr std::uint32_t Index(VertexId id) { return static_cast<std::uint32_t>(id); }
constexpr std::uint32_t Index(LinkId id) { return static_cast<std::uint32_t>(id); }
constexpr std::uint32_t Index(GpuId id) { return static_cast<std::uint32_t>(id); }
constexpr std::uint32_t Index(HostId id) { return static_cast<std::uint32_t>(id); }
constexpr VertexId kNoVertex{0xffffffff};
constexpr LinkId kNoLink{0xffffffff};
constexpr HostId kNoHost{0xffffffff};

enum class VertexKind : std::uint8_t { kGpu, kNvswitch, kNic, kSwitch };
enum class LinkClass : std::uint8_t { kNvlink, kPcie, kNetwork };
inline constexpr std::size_t kLinkClassCount = 3;

struct Vertex {
  VertexKind kind = VertexKind::kGpu;
  std::uint8_t tier = 0;      // switches: 1 faces the hosts; 0 otherwise
  std::uint8_t plane = 0;     // switches of a planar fabric
  std::uint16_t pod = 0;      // of a switch above the pods: 0
  std::uint16_t segment = 0;  // in its pod
  std::uint32_t number = 0;   // what its name counts: GPU 3 of a host, ToR 7 of a segment
  HostId host = kNoHost;      // GPUs, NVSwitches, NICs
};

struct Link {
  VertexId from = kNoVertex, to = kNoVertex;
  LinkId reverse = kNoLink;  // the cable's other direction
  LinkClass link_class = LinkClass::kNetwork;
  std::uint8_t number = 0;  // NIC–ToR: the NIC's port; else which of parallel cables
  std::uint8_t cost = 1;    // what a shortest way counts it as; a dragonfly's global cables: 3
  BitRate rate;
  SimDuration latency{};
};

struct Host {
  VertexId first_gpu = kNoVertex, nvswitch = kNoVertex, first_nic = kNoVertex;
  GpuId first_gpu_id{0};
  std::uint16_t gpus = 0, nics = 0;
  std::uint16_t pod = 0, segment = 0;
};

// What a fault can hit, and how it is afterwards.
struct ElementId {
  enum class Kind : std::uint8_t { kCable, kVertex, kHost, kPlane };
  Kind kind = Kind::kCable;
  // kCable: either LinkId of the cable. kPlane: plane + 256 (pod + 1), no pod: every one.
  std::uint32_t id = 0;
  bool operator==(const ElementId&) const = default;
};
enum class Direction : std::uint8_t {
  kBoth,
  kForward,   // the cable's link that leaves the element named first: host3/nic5/port0 sends
  kBackward,  // the other one
};
struct ElementState {
  bool up = true;
  double rate_share = 1;  // of the line rate, in (0, 1]
  Direction direction = Direction::kBoth;
};

// What a switch of a tier is called: pod0/segment2/tor7, pod0/plane1/agg12, core4, leaf3.
struct TierNaming {
  std::string noun;
  bool in_pod = false, in_segment = false, in_plane = false;
};

struct TierCount {
  std::string name;
  std::int64_t switches = 0;
  std::int64_t links_down = 0;  // tier 1: NIC links
  std::int64_t links_up = 0;
  std::optional<double> oversubscription;  // rate down over rate up; none without uplinks
  bool operator==(const TierCount&) const = default;
};
struct FabricCounts {
  std::int64_t gpus = 0, hosts = 0, nics = 0;
  int planes = 1;
  std::vector<TierCount> tiers;  // tier 1 first
  std::int64_t lateral_links = 0;
  bool operator==(const FabricCounts&) const = default;
};
// How many switches of a tier the cabling below it needs: the fewest that have the ports, and
// the fewest over which every switch below spreads its uplinks evenly.
struct SwitchRule {
  std::int64_t minimum = 0, even = 0;
  std::string policy;  // which of them was built: "even", "minimum", or the number asked for
};
// What the ports allow; none where the family has no such limit or a figure is missing.
struct FabricLimits {
  std::optional<std::int64_t> tier1_gpus, tier2_gpus;
};

class Fabric {
 public:
  using Graph =
      boost::compressed_sparse_row_graph<boost::directedS, boost::no_property, boost::no_property,
                                         boost::no_property, std::uint32_t, std::uint32_t>;

  std::uint32_t vertex_count() const { return static_cast<std::uint32_t>(vertices_.size()); }
  std::uint32_t link_count() const { return static_cast<std::uint32_t>(links_.size()); }
  std::uint32_t gpu_count() const { return static_cast<std::uint32_t>(gpus_.size()); }
  std::uint32_t host_count() const { return static_cast<std::uint32_t>(hosts_.size()); }
  int planes() const { return planes_; }
  // How switches of `tier` are called; tier 1 faces the hosts.
  const TierNaming& naming(std::uint8_t tier) const { return naming_[tier - 1u]; }

  const Vertex& vertex(VertexId id) const { return vertices_[Index(id)]; }
  const Link& link(LinkId id) const { return links_[Index(id)]; }
  const Host& host(HostId id) const { return hosts_[Index(id)]; }
  VertexId gpu(GpuId id) const { return gpus_[Index(id)]; }
  std::span<const Vertex> vertices() const { return vertices_; }
  std::span<const Link> links() const { return links_; }
  std::span<const Host> hosts() const { return hosts_; }

  // The links that leave `id`; row i of the span is LinkId(first_link_from(id) + i).
  std::span<const Link> links_from(VertexId id) const;
  LinkId first_link_from(VertexId id) const { return LinkId{first_link_[Index(id)]}; }

  // The NIC that `gpu` is attached to by PCIe: NIC g·nics/gpus of its host.
  // Requires: the host has a NIC.
  VertexId NicOf(VertexId gpu) const;

  // The link that leaves `nic` by port `number`; kNoLink where it has no such port.
  LinkId PortLink(VertexId nic, std::uint8_t number) const;
  std::uint8_t PortCount(VertexId nic) const;

  // The first link from `from` to `to`; kNoLink where they are not neighbours.
  LinkId FindLink(VertexId from, VertexId to) const;

  // Names, counted from 0: host3/gpu2, host3/nvswitch, host3/nic5, pod0/segment2/tor7; or as the
  // file gives a host or switch its own.
  std::string Name(VertexId id) const;
  std::string HostName(HostId id) const;
  std::optional<HostId> FindHost(std::string_view name) const;
  // Whether Name(switch_id) is `name`. Requires: a switch.
  bool IsNamed(VertexId switch_id, std::string_view name) const;
  // Which of the kinds that its spec has a host or switch is: of a custom fabric the row of hosts:
  // or switches:, of a Clos a switch's tier less 1, else 0.
  std::uint32_t host_kind(HostId id) const {
    return host_kinds_.empty() ? 0 : host_kinds_[Index(id)];
  }
  // Requires: a switch.
  std::uint32_t switch_kind(VertexId id) const {
    return switch_kinds_.empty()
               ? 0
               : switch_kinds_[switch_kinds_.size() - vertices_.size() + Index(id)];
  }
  // The port that a link leaves by: host3/nic5/port0, pod0/segment2/tor7/agg12 (towards agg12),
  // pod0/plane1/agg12/segment2/tor7 downwards; the second of parallel cables ends in ".1".
  std::string PortName(LinkId id) const;

  // The element that `name` names: a host, GPU, NIC, switch, any PortName, plane (plane1, or
  // pod0/plane1 for that pod's switches), or the cable from A to B (A-B; the first where cables
  // are parallel). Names may have dashes of their own. None where nothing has that name.
  std::optional<ElementId> FindElement(std::string_view name) const;
  // Every link of `element` in `direction`, ascending: kForward are those that leave a vertex of
  // it, kBackward those that enter one; a link inside a host or plane is both.
  std::vector<LinkId> LinksOf(ElementId element, Direction direction) const;

  const Graph& graph() const { return graph_; }  // edge i is LinkId i

  const FabricCounts& counts() const { return counts_; }            // what is cabled and in use
  const FabricCounts& provisioned() const { return provisioned_; }  // with reserved hosts and ports
  const FabricLimits& limits() const { return limits_; }
  // What a reader of the counts should know: a published figure that the ports do not give.
  const std::vector<std::string>& notes() const { return notes_; }
  // Whether its cores are deployed with a hash by ingress port (topology/router.h).
  bool cores_hash_by_port() const { return cores_hash_by_port_; }
  // The sum over hosts and switches; none where a part has no figure.
  std::optional<Watts> power() const { return power_; }
  // Tier 2 and tier 3 of families that choose how many they have.
  const std::optional<SwitchRule>& spine_rule() const { return spine_rule_; }
  const std::optional<SwitchRule>& core_rule() const { return core_rule_; }
  // False where only counts() are known, since nothing with these counts can be cabled: then
  // there is no vertex.
  bool constructible() const { return constructible_; }

 private:
  friend class FabricBuilder;
  std::vector<Vertex> vertices_;                          // [V]
  std::vector<Link> links_;                               // [L]
  std::vector<std::uint32_t> first_link_;                 // [V+1]
  std::vector<Host> hosts_;                               // [H]
  std::vector<VertexId> gpus_;                            // [G]
  std::vector<TierNaming> naming_;                        // [tiers], tier 1 first
  std::vector<std::string> host_names_;                   // [H], or none: host3
  std::vector<std::string> switch_names_;                 // [switches], or none: by naming_
  std::vector<std::uint32_t> host_kinds_, switch_kinds_;  // [H], [switches], or none: 0
  std::vector<HostId> host_by_name_;                      // rows of host_names_, sorted by name
  int planes_ = 1;
  Graph graph_;
  FabricCounts counts_, provisioned_;
  FabricLimits limits_;
  std::vector<std::string> notes_;
  bool cores_hash_by_port_ = false;
  std::optional<Watts> power_;
  std::optional<SwitchRule> spine_rule_, core_rule_;
  bool constructible_ = true;
};

// What things are called in `fabric`, kind by kind, first and last: "host0 … host31".
std::vector<std::string> NameRanges(const Fabric& fabric);

// How a host looks to the fabric; from hardware's HostPart.
struct HostShape {
  std::uint16_t gpus = 1, nics = 1;
  BitRate nvlink;  // one GPU to its NVSwitch, one direction; zero: the host has none
  BitRate pcie;    // GPU to NIC, one direction
  SimDuration nvlink_latency{}, pcie_latency{};
};

// Builds a Fabric in one pass: hosts first, then switches tier by tier, then cables.
class FabricBuilder {
 public:
  explicit FabricBuilder(int planes) : planes_(planes) {}

  // Adds a host with its GPUs, NVSwitch and NICs and the links between them.
  // Requires: no switch was added yet.
  HostId AddHost(const HostShape& shape, std::uint16_t pod, std::uint16_t segment);
  // Requires: `tier` is 1 or more, not below that of the switch before, and has a naming by
  // Build().
  VertexId AddSwitch(Vertex switch_vertex);
  // Both directions; `number` is the NIC's port where one end is a NIC, else which parallel cable.
  void AddCable(VertexId lower, VertexId upper, BitRate rate, SimDuration latency,
                std::uint8_t number, std::uint8_t cost = 1);

  VertexId nic(HostId host, std::uint16_t number) const;
  void SetNaming(std::vector<TierNaming> naming) { naming_ = std::move(naming); }
  // Names of all hosts and all switches, in their order; empty: as they are counted.
  // Requires: no two are equal, nor equal to a name inside a host.
  void SetNames(std::vector<std::string> hosts, std::vector<std::string> switches);
  // The kinds of all hosts and all switches, in their order; empty: one kind.
  void SetKinds(std::vector<std::uint32_t> hosts, std::vector<std::uint32_t> switches);
  // What reserved hosts and ports add; by default nothing, provisioned equals populated.
  void SetProvisioned(FabricCounts provisioned) { provisioned_ = std::move(provisioned); }
  void SetLimits(FabricLimits limits) { limits_ = limits; }
  void SetCoresHashByPort() { cores_hash_by_port_ = true; }
  void AddNote(std::string note) { notes_.push_back(std::move(note)); }
  void SetPower(std::optional<Watts> power) { power_ = power; }
  void SetRules(std::optional<SwitchRule> spines, std::optional<SwitchRule> cores) {
    spine_rule_ = std::move(spines);
    core_rule_ = std::move(cores);
  }

  // A fabric of nothing but counts, for what a cost formula counts and nobody can cable.
  static Fabric CountsOnly(FabricCounts counts, std::string note);
  // A note about a fabric that stands already.
  static void AddNote(Fabric& fabric, std::string note) {
    fabric.notes_.push_back(std::move(note));
  }

  // Counts what was cabled, and fixes the ids. The builder is empty afterwards.
  Fabric Build();

 private:
  void CableHost(const HostShape& shape, const Host& host);
  void AddLinks(VertexId a, VertexId b, Link model);  // both directions; ends are a and b

  int planes_;
  std::vector<Vertex> vertices_;
  std::vector<Host> hosts_;
  std::vector<VertexId> gpus_;
  std::vector<Link> links_;
  std::vector<TierNaming> naming_;
  std::vector<std::string> host_names_, switch_names_;
  std::vector<std::uint32_t> host_kinds_, switch_kinds_;
  std::optional<FabricCounts> provisioned_;
  FabricLimits limits_;
  std::vector<std::string> notes_;
  bool cores_hash_by_port_ = false;
  std::optional<Watts> power_;
  std::optional<SwitchRule> spine_rule_, core_rule_;
};

// The state of every link under the faults applied so far. A link's share is
// the product over the faulty elements that contain it (its cable, its NIC,
// host, switches, plane), so faults of elements that overlap heal in any order.
// One element has one state a direction: the last one applied.
class LinkState {
 public:
  explicit LinkState(const Fabric& fabric) : share_(fabric.link_count(), 1.0) {}

  // Sets the state of `element`; returns the links whose share changed, ascending.
  std::vector<LinkId> Apply(const Fabric& fabric, ElementId element, ElementState state);

  double share(LinkId id) const { return share_[Index(id)]; }  // 0: down
  bool up(LinkId id) const { return share_[Index(id)] > 0; }
  bool all_up() const { return down_count_ == 0; }

 private:
  struct Side {
    double share = 1;
    std::vector<LinkId> links;  // ascending
  };
  struct Faulty {
    ElementId element;
    Side forward, backward;
  };
  double ShareOf(LinkId id) const;

  std::vector<double> share_;   // [L]
  std::vector<Faulty> faulty_;  // by element, so that products are formed in one order
  std::uint32_t down_count_ = 0;
};

}  // namespace weft
