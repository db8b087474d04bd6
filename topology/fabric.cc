#include "topology/fabric.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/check.h"

namespace weft {
namespace {

auto SortKey(const Link& link) { return std::tuple(link.from, link.to, link.number); }

// "tor7" with noun "tor" is 7; none for "tor", "tor07", "tors7".
std::optional<std::uint32_t> NumberAfter(std::string_view noun, std::string_view text) {
  if (!text.starts_with(noun)) return std::nullopt;
  text.remove_prefix(noun.size());
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view LastPart(std::string_view name) { return name.substr(name.rfind('/') + 1); }

// How many characters of leading parts, slashes included, two names share.
std::size_t SharedParts(std::string_view a, std::string_view b) {
  std::size_t shared = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()) && a[i] == b[i]; ++i)
    if (a[i] == '/') shared = i + 1;
  return shared;
}

ElementId VertexElement(VertexId id) { return {ElementId::Kind::kVertex, Index(id)}; }

std::optional<VertexId> FindInHost(const Fabric& fabric, const Host& host, std::string_view part) {
  if (part == "nvswitch")
    return host.nvswitch == kNoVertex ? std::nullopt : std::optional(host.nvswitch);
  if (const auto gpu = NumberAfter("gpu", part); gpu && *gpu < host.gpus)
    return fabric.gpu(GpuId{static_cast<std::uint32_t>(host.first_gpu_id) + *gpu});
  if (const auto nic = NumberAfter("nic", part); nic && *nic < host.nics)
    return VertexId{Index(host.first_nic) + *nic};
  return std::nullopt;
}

// GPUs, NVSwitches, NICs and switches; a host is no vertex.
std::optional<VertexId> FindVertex(const Fabric& fabric, std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash != std::string_view::npos)
    if (const auto host = fabric.FindHost(name.substr(0, slash)))
      return FindInHost(fabric, fabric.host(*host), name.substr(slash + 1));
  // Switches come last; few enough to look at each, and faults alone ask.
  for (std::uint32_t v = fabric.vertex_count(); v > 0; --v) {
    if (fabric.vertex(VertexId{v - 1}).kind != VertexKind::kSwitch) break;
    if (fabric.IsNamed(VertexId{v - 1}, name)) return VertexId{v - 1};
  }
  return std::nullopt;
}

// plane1 or pod0/plane1
std::optional<ElementId> FindPlane(const Fabric& fabric, std::string_view name) {
  std::uint32_t pod_code = 0;
  if (const std::size_t slash = name.find('/'); slash != std::string_view::npos) {
    const auto pod = NumberAfter("pod", name.substr(0, slash));
    const auto in_pod = [&](const Host& host) { return host.pod == *pod; };
    if (!pod || std::none_of(fabric.hosts().begin(), fabric.hosts().end(), in_pod))
      return std::nullopt;
    pod_code = (*pod + 1) << 8;
    name.remove_prefix(slash + 1);
  }
  const auto plane = NumberAfter("plane", name);
  if (!plane || *plane >= static_cast<std::uint32_t>(fabric.planes())) return std::nullopt;
  return ElementId{ElementId::Kind::kPlane, pod_code | *plane};
}

// PortName of some link: a vertex's name and a port of it.
std::optional<ElementId> FindPort(const Fabric& fabric, std::string_view name) {
  for (std::size_t slash = name.find('/'); slash != std::string_view::npos;
       slash = name.find('/', slash + 1)) {
    const auto vertex = FindVertex(fabric, name.substr(0, slash));
    if (!vertex) continue;
    const std::uint32_t first = Index(fabric.first_link_from(*vertex));
    for (std::uint32_t i = 0; i < fabric.links_from(*vertex).size(); ++i)
      if (fabric.PortName(LinkId{first + i}) == name)
        return ElementId{ElementId::Kind::kCable, first + i};
  }
  return std::nullopt;
}

bool Contains(const Fabric& fabric, ElementId element, VertexId id) {
  const Vertex& vertex = fabric.vertex(id);
  switch (element.kind) {
    case ElementId::Kind::kVertex:
      return Index(id) == element.id;
    case ElementId::Kind::kHost:
      return vertex.host != kNoHost && Index(vertex.host) == element.id;
    case ElementId::Kind::kPlane:
      // A pod's plane holds no core, though cores carry pod 0 and a plane.
      return vertex.kind == VertexKind::kSwitch && vertex.plane == (element.id & 0xff) &&
             (element.id < 256 ||
              (vertex.pod + 1u == element.id >> 8 && fabric.naming(vertex.tier).in_pod));
    case ElementId::Kind::kCable:
      return false;
  }
  return false;
}

std::vector<LinkId> UnionOf(const std::vector<LinkId>& a, const std::vector<LinkId>& b) {
  std::vector<LinkId> out;
  out.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

}  // namespace

std::span<const Link> Fabric::links_from(VertexId id) const {
  const std::uint32_t first = first_link_[Index(id)];
  return std::span(links_).subspan(first, first_link_[Index(id) + 1] - first);
}

VertexId Fabric::NicOf(VertexId gpu) const {
  const Vertex& vertex = vertices_[Index(gpu)];
  const Host& host = hosts_[Index(vertex.host)];
  WEFT_CHECK(vertex.kind == VertexKind::kGpu && host.nics > 0);
  return VertexId{Index(host.first_nic) + vertex.number * host.nics / host.gpus};
}

LinkId Fabric::PortLink(VertexId nic, std::uint8_t number) const {
  const std::uint32_t first = first_link_[Index(nic)], end = first_link_[Index(nic) + 1];
  for (std::uint32_t l = first; l < end; ++l)
    if (links_[l].link_class == LinkClass::kNetwork && links_[l].number == number) return LinkId{l};
  return kNoLink;
}

std::uint8_t Fabric::PortCount(VertexId nic) const {
  const auto links = links_from(nic);
  return static_cast<std::uint8_t>(std::count_if(links.begin(), links.end(), [](const Link& link) {
    return link.link_class == LinkClass::kNetwork;
  }));
}

LinkId Fabric::FindLink(VertexId from, VertexId to) const {
  const auto links = links_from(from);
  const auto found = std::lower_bound(links.begin(), links.end(), to,
                                      [](const Link& link, VertexId v) { return link.to < v; });
  if (found == links.end() || found->to != to) return kNoLink;
  return LinkId{first_link_[Index(from)] + static_cast<std::uint32_t>(found - links.begin())};
}

std::string Fabric::HostName(HostId id) const {
  return host_names_.empty() ? "host" + std::to_string(Index(id)) : host_names_[Index(id)];
}

std::optional<HostId> Fabric::FindHost(std::string_view name) const {
  if (host_names_.empty()) {
    const auto host = NumberAfter("host", name);
    return host && *host < host_count() ? std::optional(HostId{*host}) : std::nullopt;
  }
  const auto found = std::lower_bound(
      host_by_name_.begin(), host_by_name_.end(), name,
      [&](HostId row, std::string_view wanted) { return host_names_[Index(row)] < wanted; });
  if (found == host_by_name_.end() || host_names_[Index(*found)] != name) return std::nullopt;
  return *found;
}

bool Fabric::IsNamed(VertexId switch_id, std::string_view name) const {
  if (!switch_names_.empty())
    return switch_names_[switch_names_.size() - vertices_.size() + Index(switch_id)] == name;
  // Most are told apart by their number, before a name is formed.
  const std::string_view last = LastPart(name);
  const std::size_t digits = last.find_last_not_of("0123456789") + 1;
  std::uint32_t number = 0;
  std::from_chars(last.data() + digits, last.data() + last.size(), number);
  return vertices_[Index(switch_id)].number == number && Name(switch_id) == name;
}

std::string Fabric::Name(VertexId id) const {
  const Vertex& vertex = vertices_[Index(id)];
  switch (vertex.kind) {
    case VertexKind::kGpu:
      return HostName(vertex.host) + "/gpu" + std::to_string(vertex.number);
    case VertexKind::kNvswitch:
      return HostName(vertex.host) + "/nvswitch";
    case VertexKind::kNic:
      return HostName(vertex.host) + "/nic" + std::to_string(vertex.number);
    case VertexKind::kSwitch:
      break;
  }
  if (!switch_names_.empty())
    return switch_names_[switch_names_.size() - vertices_.size() + Index(id)];
  const TierNaming& tier = naming(vertex.tier);
  std::string out;
  if (tier.in_pod) out += "pod" + std::to_string(vertex.pod) + '/';
  if (tier.in_plane) out += "plane" + std::to_string(vertex.plane) + '/';
  if (tier.in_segment) out += "segment" + std::to_string(vertex.segment) + '/';
  return out + tier.noun + std::to_string(vertex.number);
}

std::string Fabric::PortName(LinkId id) const {
  const Link& out = link(id);
  const Vertex &from = vertex(out.from), &to = vertex(out.to);
  std::string name = Name(out.from);
  if (from.kind == VertexKind::kNic && out.link_class == LinkClass::kNetwork)
    return name + "/port" + std::to_string(out.number);
  // Upwards, and inside a host, a neighbour's own number tells it; downwards a pod's
  // switches repeat their numbers.
  const std::string to_name = Name(out.to);
  const bool last_part = from.host != kNoHost || to.tier > from.tier;
  const std::string_view towards =
      last_part ? LastPart(to_name) : std::string_view(to_name).substr(SharedParts(name, to_name));
  const std::uint32_t parallel = Index(id) - Index(FindLink(out.from, out.to));
  name += '/';
  name += towards;
  return parallel == 0 ? name : name + '.' + std::to_string(parallel);
}

std::optional<ElementId> Fabric::FindElement(std::string_view name) const {
  if (const auto host = FindHost(name)) return ElementId{ElementId::Kind::kHost, Index(*host)};
  if (const auto plane = FindPlane(*this, name)) return plane;
  if (const auto vertex = FindVertex(*this, name)) return VertexElement(*vertex);
  for (std::size_t dash = name.find('-'); dash != std::string_view::npos;
       dash = name.find('-', dash + 1)) {
    const auto from = FindVertex(*this, name.substr(0, dash));
    const auto to = from ? FindVertex(*this, name.substr(dash + 1)) : std::nullopt;
    const LinkId link = from && to ? FindLink(*from, *to) : kNoLink;
    if (link != kNoLink) return ElementId{ElementId::Kind::kCable, Index(link)};
  }
  return FindPort(*this, name);
}

std::vector<LinkId> Fabric::LinksOf(ElementId element, Direction direction) const {
  const bool forward = direction != Direction::kBackward;
  const bool backward = direction != Direction::kForward;
  std::vector<LinkId> out;
  if (element.kind == ElementId::Kind::kCable) {
    const LinkId id{element.id};
    if (forward) out.push_back(id);
    if (backward) out.push_back(link(id).reverse);
    std::sort(out.begin(), out.end());
    return out;
  }
  for (std::uint32_t v = 0; v < vertex_count(); ++v) {
    if (!Contains(*this, element, VertexId{v})) continue;
    for (std::uint32_t l = first_link_[v]; l < first_link_[v + 1]; ++l) {
      if (forward) out.push_back(LinkId{l});
      if (backward) out.push_back(links_[l].reverse);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<std::string> NameRanges(const Fabric& fabric) {
  std::vector<std::string> out;
  if (!fabric.constructible()) return out;
  const auto add = [&](const std::string& first, const std::string& last) {
    out.push_back(first == last ? first : first + " … " + last);
  };
  add(fabric.HostName(HostId{0}), fabric.HostName(HostId{fabric.host_count() - 1}));
  // The first port and the last: not every NIC need be cabled.
  VertexId first_nic = kNoVertex, last_nic = kNoVertex;
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
    if (fabric.vertex(VertexId{v}).kind != VertexKind::kNic || fabric.PortCount(VertexId{v}) == 0)
      continue;
    if (first_nic == kNoVertex) first_nic = VertexId{v};
    last_nic = VertexId{v};
  }
  if (first_nic != kNoVertex)
    add(fabric.Name(first_nic) + "/port0",
        fmt::format("{}/port{}", fabric.Name(last_nic), fabric.PortCount(last_nic) - 1));
  if (fabric.planes() > 1) add("plane0", fmt::format("plane{}", fabric.planes() - 1));
  const auto vertices = fabric.vertices();
  for (std::uint32_t v = 0, first = 0; v < vertices.size(); ++v) {
    if (vertices[v].kind != VertexKind::kSwitch) continue;
    if (v == 0 || vertices[v - 1].tier != vertices[v].tier) first = v;
    if (v + 1 == vertices.size() || vertices[v + 1].tier != vertices[v].tier)
      add(fabric.Name(VertexId{first}), fabric.Name(VertexId{v}));
  }
  return out;
}

void FabricBuilder::SetNames(std::vector<std::string> hosts, std::vector<std::string> switches) {
  host_names_ = std::move(hosts);
  switch_names_ = std::move(switches);
}

void FabricBuilder::SetKinds(std::vector<std::uint32_t> hosts,
                             std::vector<std::uint32_t> switches) {
  host_kinds_ = std::move(hosts);
  switch_kinds_ = std::move(switches);
}

HostId FabricBuilder::AddHost(const HostShape& shape, std::uint16_t pod, std::uint16_t segment) {
  WEFT_CHECK(vertices_.empty() || vertices_.back().kind != VertexKind::kSwitch);
  WEFT_CHECK(shape.gpus > 0);
  const HostId id{static_cast<std::uint32_t>(hosts_.size())};
  Host host;
  host.gpus = shape.gpus;
  host.nics = shape.nics;
  host.pod = pod;
  host.segment = segment;
  host.first_gpu_id = GpuId{static_cast<std::uint32_t>(gpus_.size())};
  const auto add = [&](VertexKind kind, std::uint32_t number) {
    const VertexId vertex{static_cast<std::uint32_t>(vertices_.size())};
    vertices_.push_back({kind, 0, 0, pod, segment, number, id});
    return vertex;
  };
  host.first_gpu = VertexId{static_cast<std::uint32_t>(vertices_.size())};
  for (std::uint16_t g = 0; g < shape.gpus; ++g) gpus_.push_back(add(VertexKind::kGpu, g));
  if (shape.gpus > 1 && shape.nvlink > BitRate()) host.nvswitch = add(VertexKind::kNvswitch, 0);
  host.first_nic = VertexId{static_cast<std::uint32_t>(vertices_.size())};
  for (std::uint16_t n = 0; n < shape.nics; ++n) add(VertexKind::kNic, n);
  hosts_.push_back(host);
  CableHost(shape, host);
  return id;
}

void FabricBuilder::CableHost(const HostShape& shape, const Host& host) {
  const auto gpu = [&](std::uint32_t g) { return VertexId{Index(host.first_gpu) + g}; };
  if (host.nvswitch != kNoVertex)
    for (std::uint32_t g = 0; g < shape.gpus; ++g)
      AddLinks(gpu(g), host.nvswitch,
               {kNoVertex, kNoVertex, kNoLink, LinkClass::kNvlink, 0, 1, shape.nvlink,
                shape.nvlink_latency});
  const auto add_pcie = [&](std::uint32_t g, std::uint32_t n) {
    AddLinks(
        gpu(g), VertexId{Index(host.first_nic) + n},
        {kNoVertex, kNoVertex, kNoLink, LinkClass::kPcie, 0, 1, shape.pcie, shape.pcie_latency});
  };
  if (shape.nics == 0) return;
  for (std::uint32_t g = 0; g < shape.gpus; ++g) add_pcie(g, g * shape.nics / shape.gpus);
  // More NICs than GPUs: the others hang from the GPU that shares their stretch of the row.
  for (std::uint32_t n = 0; n < shape.nics; ++n) {
    const std::uint32_t g = n * shape.gpus / shape.nics;
    if (shape.nics > shape.gpus && g * shape.nics / shape.gpus != n) add_pcie(g, n);
  }
}

VertexId FabricBuilder::AddSwitch(Vertex switch_vertex) {
  WEFT_CHECK(switch_vertex.tier >= 1);
  WEFT_CHECK(vertices_.empty() || vertices_.back().tier <= switch_vertex.tier);
  switch_vertex.kind = VertexKind::kSwitch;
  vertices_.push_back(switch_vertex);
  return VertexId{static_cast<std::uint32_t>(vertices_.size() - 1)};
}

void FabricBuilder::AddLinks(VertexId a, VertexId b, Link model) {
  WEFT_CHECK(model.rate > BitRate());
  model.from = a;
  model.to = b;
  links_.push_back(model);
  std::swap(model.from, model.to);
  links_.push_back(model);
}

void FabricBuilder::AddCable(VertexId lower, VertexId upper, BitRate rate, SimDuration latency,
                             std::uint8_t number, std::uint8_t cost) {
  AddLinks(lower, upper,
           {kNoVertex, kNoVertex, kNoLink, LinkClass::kNetwork, number, cost, rate, latency});
}

VertexId FabricBuilder::nic(HostId host, std::uint16_t number) const {
  const Host& row = hosts_[Index(host)];
  WEFT_CHECK(number < row.nics);
  return VertexId{Index(row.first_nic) + number};
}

namespace {

// Sorts by (from, to, number): from by counting, the short rest by comparison.
std::vector<std::uint32_t> SortLinks(std::size_t vertex_count, std::vector<Link>& links) {
  std::vector<std::uint32_t> first(vertex_count + 1, 0);
  for (const Link& link : links) ++first[Index(link.from) + 1];
  for (std::size_t v = 0; v < vertex_count; ++v) first[v + 1] += first[v];
  std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
  std::vector<Link> sorted(links.size());
  for (const Link& link : links) sorted[next[Index(link.from)]++] = link;
  links = std::move(sorted);
  const auto before = [](const Link& a, const Link& b) {
    return a.to != b.to ? a.to < b.to : a.number < b.number;
  };
  for (std::size_t v = 0; v < vertex_count; ++v) {
    const auto begin = links.begin() + first[v], end = links.begin() + first[v + 1];
    if (!std::is_sorted(begin, end, before)) std::sort(begin, end, before);
  }
  return first;
}

// Links arrive at a vertex in the order in which their reverses leave it.
void BindReverse(const std::vector<std::uint32_t>& first, std::vector<Link>& links) {
  std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
  for (std::uint32_t l = 0; l < links.size(); ++l) {
    Link& link = links[l];
    const std::uint32_t reverse = next[Index(link.to)]++;
    const Link& other = links[reverse];
    WEFT_CHECK(other.from == link.to && other.to == link.from && other.number == link.number);
    link.reverse = LinkId{reverse};
  }
}

Fabric::Graph MakeGraph(std::uint32_t vertex_count, const std::vector<Link>& links) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ends(links.size());
  std::transform(links.begin(), links.end(), ends.begin(),
                 [](const Link& link) { return std::pair(Index(link.from), Index(link.to)); });
  return Fabric::Graph(boost::edges_are_sorted, ends.begin(), ends.end(), vertex_count);
}

FabricCounts CountCabled(const Fabric& fabric, std::size_t tiers) {
  FabricCounts out;
  out.gpus = fabric.gpu_count();
  out.hosts = fabric.host_count();
  out.planes = fabric.planes();
  for (const Host& host : fabric.hosts()) out.nics += host.nics;
  out.tiers.resize(tiers);
  std::vector<double> down_bps(tiers), up_bps(tiers);
  for (std::size_t t = 0; t < tiers; ++t)
    out.tiers[t].name = fabric.naming(static_cast<std::uint8_t>(t + 1)).noun;
  for (const Vertex& vertex : fabric.vertices())
    if (vertex.kind == VertexKind::kSwitch) ++out.tiers[vertex.tier - 1u].switches;
  std::int64_t lateral = 0;
  for (const Link& link : fabric.links()) {
    const Vertex &from = fabric.vertex(link.from), &to = fabric.vertex(link.to);
    if (from.kind != VertexKind::kSwitch || link.link_class != LinkClass::kNetwork) continue;
    const std::size_t t = from.tier - 1u;
    if (to.tier == from.tier) {
      ++lateral;
    } else if (to.tier < from.tier) {
      ++out.tiers[t].links_down;
      down_bps[t] += link.rate.bits_per_second();
    } else {
      ++out.tiers[t].links_up;
      up_bps[t] += link.rate.bits_per_second();
    }
  }
  out.lateral_links = lateral / 2;
  for (std::size_t t = 0; t < tiers; ++t)
    if (up_bps[t] > 0) out.tiers[t].oversubscription = down_bps[t] / up_bps[t];
  return out;
}

}  // namespace

Fabric FabricBuilder::CountsOnly(FabricCounts counts, std::string note) {
  Fabric out;
  out.planes_ = counts.planes;
  out.first_link_.assign(1, 0);
  for (const TierCount& tier : counts.tiers) out.naming_.push_back({tier.name});
  out.provisioned_ = out.counts_ = std::move(counts);
  out.notes_.push_back(std::move(note));
  out.constructible_ = false;
  return out;
}

Fabric FabricBuilder::Build() {
  for (const Vertex& vertex : vertices_) WEFT_CHECK(vertex.tier <= naming_.size());
  Fabric out;
  out.planes_ = planes_;
  out.vertices_ = std::move(vertices_);
  out.links_ = std::move(links_);
  out.hosts_ = std::move(hosts_);
  out.gpus_ = std::move(gpus_);
  out.naming_ = std::move(naming_);
  out.host_names_ = std::move(host_names_);
  out.switch_names_ = std::move(switch_names_);
  out.host_kinds_ = std::move(host_kinds_);
  out.switch_kinds_ = std::move(switch_kinds_);
  WEFT_CHECK(out.host_kinds_.empty() || out.host_kinds_.size() == out.hosts_.size());
  WEFT_CHECK(out.switch_kinds_.size() <= out.vertices_.size());
  WEFT_CHECK(out.host_names_.empty() || out.host_names_.size() == out.hosts_.size());
  WEFT_CHECK(out.switch_names_.size() <= out.vertices_.size());
  for (std::uint32_t h = 0; h < out.host_names_.size(); ++h) out.host_by_name_.push_back(HostId{h});
  std::sort(out.host_by_name_.begin(), out.host_by_name_.end(), [&](HostId a, HostId b) {
    return out.host_names_[Index(a)] < out.host_names_[Index(b)];
  });
  out.limits_ = limits_;
  out.notes_ = std::move(notes_);
  out.cores_hash_by_port_ = cores_hash_by_port_;
  out.power_ = power_;
  out.spine_rule_ = std::move(spine_rule_);
  out.core_rule_ = std::move(core_rule_);
  out.first_link_ = SortLinks(out.vertices_.size(), out.links_);
  for (std::size_t l = 1; l < out.links_.size(); ++l)
    WEFT_CHECK(SortKey(out.links_[l - 1]) < SortKey(out.links_[l]));
  BindReverse(out.first_link_, out.links_);
  out.graph_ = MakeGraph(out.vertex_count(), out.links_);
  out.counts_ = CountCabled(out, out.naming_.size());
  out.provisioned_ = provisioned_.value_or(out.counts_);
  *this = FabricBuilder(planes_);
  return out;
}

double LinkState::ShareOf(LinkId id) const {
  double share = 1;
  for (const Faulty& fault : faulty_) {
    // A link inside a host or plane is on both sides of it: one fault, counted once.
    double worst = 1;
    for (const Side* side : {&fault.forward, &fault.backward})
      if (side->share < worst && std::binary_search(side->links.begin(), side->links.end(), id))
        worst = side->share;
    share *= worst;
  }
  return share;
}

std::vector<LinkId> LinkState::Apply(const Fabric& fabric, ElementId element, ElementState state) {
  WEFT_CHECK(share_.size() == fabric.link_count());
  WEFT_CHECK(state.rate_share > 0 && state.rate_share <= 1);
  if (element.kind == ElementId::Kind::kCable) {
    // One name for a cable: its lower link.
    const LinkId id{element.id}, reverse = fabric.link(id).reverse;
    if (reverse < id) {
      element.id = Index(reverse);
      if (state.direction != Direction::kBoth)
        state.direction =
            state.direction == Direction::kForward ? Direction::kBackward : Direction::kForward;
    }
  }
  const auto key = [](ElementId e) { return std::pair(e.kind, e.id); };
  auto at = std::lower_bound(
      faulty_.begin(), faulty_.end(), element,
      [&](const Faulty& fault, ElementId e) { return key(fault.element) < key(e); });
  if (at == faulty_.end() || at->element != element)
    at = faulty_.insert(at, {element,
                             {1, fabric.LinksOf(element, Direction::kForward)},
                             {1, fabric.LinksOf(element, Direction::kBackward)}});
  const double share = state.up ? state.rate_share : 0;
  if (state.direction != Direction::kBackward) at->forward.share = share;
  if (state.direction != Direction::kForward) at->backward.share = share;
  std::vector<LinkId> changed = UnionOf(at->forward.links, at->backward.links);
  if (at->forward.share == 1 && at->backward.share == 1) faulty_.erase(at);

  std::erase_if(changed, [&](LinkId id) {
    const double now = ShareOf(id);
    double& held = share_[Index(id)];
    if (now == held) return true;
    if (now == 0) ++down_count_;
    if (held == 0) --down_count_;
    held = now;
    return false;
  });
  return changed;
}

}  // namespace weft
