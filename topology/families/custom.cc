#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/check.h"
#include "base/schema/wording.h"
#include "topology/families/custom_names_internal.h"
#include "topology/families/family.h"
#include "topology/row_sets.h"

namespace weft {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;

struct HostRow {
  HostPart part;
  std::optional<int> pod, segment;
  std::uint32_t kind = 0;  // of hosts:
};

struct SwitchRow {
  int tier = 0;  // 0: to be found
  std::optional<int> plane, pod, segment;
  SwitchPart chip;
  std::uint32_t kind = 0;  // of switches:
  SourcePos pos;
};

struct CableRow {
  CustomEnd a, b;  // a NIC's port comes first
  BitRate rate;
  SimDuration latency;
};

// What the message says, expanded: one row a host, a switch and a cable.
class CustomRows {
 public:
  CustomRows(const CustomSpec& spec, const FamilyInput& input) : spec_(spec), input_(input) {}

  Errors Read();
  Result<Fabric> Build();

 private:
  SourcePos At(const std::string& path) const { return input_.At(path); }
  void Report(const SourcePos& pos, std::string message, std::string hint) {
    errors_.push_back({ErrorCode::kInconsistent, pos, std::move(message), std::move(hint)});
  }
  template <typename Group>
  std::vector<std::string> NamesOf(const Group& group, const std::string& path);
  bool SizesFit();
  void ReadHosts();
  void ReadSwitches();
  void ReadCables(int item);
  std::vector<CustomEnd> EndsOf(const google::protobuf::RepeatedPtrField<std::string>& patterns,
                                const std::string& path);
  void AddCable(const CustomCables& item, CustomEnd a, CustomEnd b, const std::string& path);
  bool TakePort(CustomEnd& end, const std::string& path);
  BitRate RateOf(const CustomCables& item, const CustomEnd& a, const std::string& path);
  std::string NameOf(const CustomEnd& end) const;
  void CheckPortGaps();
  void FindTiers();
  void FindSegments();
  void FindPods(int tiers);
  void FindPlanes();
  void CheckTiers();
  void CheckPorts();
  void OrderSwitches();
  std::vector<TierNaming> Naming() const;
  void AddNotes(FabricBuilder& builder) const;
  std::optional<Watts> Power() const;

  const CustomSpec& spec_;
  const FamilyInput& input_;
  Errors errors_;
  CustomNames names_;
  std::vector<HostRow> hosts_;
  std::vector<SwitchRow> switches_;
  std::vector<CableRow> cables_;
  std::vector<std::vector<std::uint16_t>> taken_;  // [H][nic] ports in use, a bit each
  std::vector<std::uint32_t> order_;               // switches tier by tier
};

// Names that would be taken for something else: a pattern's signs, a host's parts.
bool IsName(const std::string& name, bool host) {
  const auto wrong = [&](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '*' || c == '[' || c == ']' ||
           (host && c == '/');
  };
  return !name.empty() && name.size() <= 200 && std::none_of(name.begin(), name.end(), wrong);
}

template <typename Group>
std::vector<std::string> CustomRows::NamesOf(const Group& group, const std::string& path) {
  constexpr bool is_host = std::is_same_v<Group, CustomHosts>;
  if (!IsName(group.name(), is_host)) {
    Report(At(path + ".name"), fmt::format("{} is no name", Quoted(group.name())),
           is_host ? "1 to 200 characters without blanks, *, [, ] and /"
                   : "1 to 200 characters without blanks, *, [ and ]");
    return {};
  }
  if (!group.has_count()) return {group.name()};
  std::vector<std::string> out;
  for (int i = 0; i < group.count(); ++i)
    out.push_back(fmt::format("{}{}", group.name(), group.first() + i));
  return out;
}

bool CustomRows::SizesFit() {
  std::int64_t hosts = 0, vertices = 0, cables = 0, switches = 0;
  for (const CustomHosts& group : spec_.hosts()) {
    const std::int64_t count = group.has_count() ? group.count() : 1;
    hosts += count;
    const std::int64_t gpus = group.has_host() ? group.host().gpus() : 8;
    const std::int64_t nics = group.has_host() ? group.host().nics() : 8;
    vertices += count * (gpus + nics + 1);
    cables += count * (2 * gpus + nics);
  }
  for (const CustomSwitches& group : spec_.switches())
    switches += group.has_count() ? group.count() : 1;
  return CheckTotals(vertices + switches, cables,
                     fmt::format("{} hosts and {} switches", hosts, switches), input_, errors_);
}

void CustomRows::ReadHosts() {
  for (int i = 0; i < spec_.hosts_size(); ++i) {
    const CustomHosts& group = spec_.hosts(i);
    const std::string path = fmt::format("hosts[{}]", i);
    HostRow row;
    row.kind = static_cast<std::uint32_t>(i);
    if (group.has_host()) {
      const auto part =
          MakeHostPart(group.host(), *input_.sources, fmt::format("fabric.{}.host", path));
      if (!part) {
        errors_.insert(errors_.end(), part.error().begin(), part.error().end());
        continue;
      }
      row.part = *part;
    } else if (input_.host) {
      row.part = *input_.host;
    } else {
      Report(At(path), "nothing says what these hosts are",
             "host: { preset: hgx-h100 }, here or for all hosts of the fabric");
      continue;
    }
    if (!hosts_.empty() && row.part.transport != hosts_.front().part.transport)
      Report(At(path), "these hosts speak another transport than the first",
             "one transport: for all hosts of a fabric");
    if (group.has_pod()) row.pod = group.pod();
    if (group.has_segment()) row.segment = group.segment();
    for (const std::string& name : NamesOf(group, path)) {
      if (names_.AddHost(name, {row.part.nics, row.part.nic_ports})) {
        hosts_.push_back(row);
        taken_.emplace_back(static_cast<std::size_t>(row.part.nics), std::uint16_t{0});
      } else {
        Report(At(path + ".name"), fmt::format("the name {} is taken", Quoted(name)),
               "a name of its own, or another first:");
      }
    }
  }
}

void CustomRows::ReadSwitches() {
  for (int i = 0; i < spec_.switches_size(); ++i) {
    const CustomSwitches& group = spec_.switches(i);
    const std::string path = fmt::format("switches[{}]", i);
    SwitchRow row;
    row.kind = static_cast<std::uint32_t>(i);
    row.tier = group.tier();
    if (group.has_plane()) row.plane = group.plane();
    if (group.has_pod()) row.pod = group.pod();
    if (group.has_segment()) row.segment = group.segment();
    row.chip = OwnSwitch(group.has_switch_(), group.switch_(), path + ".switch", input_.chip,
                         input_, errors_);
    row.pos = At(path);
    for (const std::string& name : NamesOf(group, path)) {
      if (names_.AddSwitch(name))
        switches_.push_back(row);
      else
        Report(At(path + ".name"), fmt::format("the name {} is taken", Quoted(name)),
               "a name of its own, or another first:");
    }
  }
}

std::vector<CustomEnd> CustomRows::EndsOf(
    const google::protobuf::RepeatedPtrField<std::string>& patterns, const std::string& path) {
  std::vector<CustomEnd> out;
  for (int i = 0; i < patterns.size(); ++i) {
    const std::vector<CustomEnd> found = names_.Find(patterns.Get(i));
    if (found.empty()) {
      const std::string nearest = names_.NearestTo(patterns.Get(i));
      Report(At(fmt::format("{}[{}]", path, i)),
             fmt::format("no end is called {}", Quoted(patterns.Get(i))),
             nearest.empty() || nearest == patterns.Get(i)
                 ? "a switch, or a NIC's port as in host3/nic5/port0"
                 : fmt::format("did you mean '{}'? a host's end is a NIC or a port: "
                               "host3/nic5/port0",
                               nearest));
    }
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

std::string CustomRows::NameOf(const CustomEnd& end) const {
  if (!end.is_host) return names_.switches()[end.row];
  const std::string nic = fmt::format("{}/nic{}", names_.hosts()[end.row], end.nic);
  return end.port < 0 ? nic : fmt::format("{}/port{}", nic, end.port);
}

void CustomRows::ReadCables(int index) {
  constexpr std::size_t kMostPairs = 20'000'000;
  const CustomCables& item = spec_.cables(index);
  const std::string path = fmt::format("cables[{}]", index);
  const std::size_t had = errors_.size();
  const std::vector<CustomEnd> from = EndsOf(item.from(), path + ".from");
  const std::vector<CustomEnd> to = EndsOf(item.to(), path + ".to");
  if (errors_.size() > had || from.empty() || to.empty()) return;
  const bool all = item.join() == CustomCables::ALL;
  const std::size_t pairs = all ? from.size() * to.size() : from.size();
  if (cables_.size() + pairs * static_cast<std::size_t>(item.count()) > kMostPairs)
    return Report(At(path), fmt::format("with these {} pairs there are too many cables", pairs),
                  fmt::format("at most {}", kMostPairs));
  if (item.join() == CustomCables::BLOCKS && from.size() % to.size() != 0)
    return Report(
        At(path),
        fmt::format("{} ends are no equal stretches for {} others", from.size(), to.size()),
        "a multiple, or join: in_turn");
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (all) {
      for (const CustomEnd& other : to) AddCable(item, from[i], other, path);
    } else {
      const std::size_t stretch = item.join() == CustomCables::BLOCKS ? from.size() / to.size() : 0;
      AddCable(item, from[i], to[stretch > 0 ? i / stretch : i % to.size()], path);
    }
    if (errors_.size() > had) return;  // the rest of this item goes wrong in the same way
  }
}

bool CustomRows::TakePort(CustomEnd& end, const std::string& path) {
  std::uint16_t& taken = taken_[end.row][static_cast<std::size_t>(end.nic)];
  const int ports = hosts_[end.row].part.nic_ports;
  if (end.port < 0) {
    end.port = 0;
    while (end.port < ports && (taken >> end.port & 1) != 0) ++end.port;
    if (end.port == ports) {
      end.port = -1;
      Report(At(path),
             fmt::format("{} has {} port{}, and more cables", NameOf(end), ports,
                         ports == 1 ? "" : "s"),
             "fewer cables, or a host: with more nic_ports");
      return false;
    }
  }
  if ((taken >> end.port & 1) != 0) {
    Report(At(path), fmt::format("{} has two cables", NameOf(end)), "one cable a port");
    return false;
  }
  taken = static_cast<std::uint16_t>(taken | 1u << end.port);
  return true;
}

BitRate CustomRows::RateOf(const CustomCables& item, const CustomEnd& a, const std::string& path) {
  if (item.has_rate()) return BitRate::BitsPerSecond(item.rate());
  if (a.is_host) return hosts_[a.row].part.nic_port;
  if (spec_.has_link()) return BitRate::BitsPerSecond(spec_.link());
  Report(At(path), "these cables between switches have no rate",
         "rate: 400Gbps here, or link: 400Gbps for all of them");
  return GigabitsPerSecond(1);
}

void CustomRows::AddCable(const CustomCables& item, CustomEnd a, CustomEnd b,
                          const std::string& path) {
  if (a.is_host && b.is_host)
    return Report(At(path), fmt::format("{} and {} are both NICs", NameOf(a), NameOf(b)),
                  "a cable joins a NIC and a switch, or two switches");
  if (a == b)
    return Report(At(path), fmt::format("{} is cabled to itself", NameOf(a)),
                  "leave it out of from or to");
  if (b.is_host) std::swap(a, b);
  const BitRate rate = RateOf(item, a, path);
  const SimDuration latency(item.has_latency() ? item.latency() : spec_.latency());
  for (int i = 0; i < item.count(); ++i) {
    CustomEnd end = a;
    if (end.is_host && !TakePort(end, path)) return;
    cables_.push_back({end, b, rate, latency});
  }
}

void CustomRows::CheckPortGaps() {
  for (std::uint32_t h = 0; h < hosts_.size(); ++h)
    for (std::size_t n = 0; n < taken_[h].size(); ++n) {
      const unsigned taken = taken_[h][n];
      if ((taken & (taken + 1)) == 0) continue;
      int free = 0;
      while ((taken >> free & 1) != 0) ++free;
      Report(At("cables"),
             fmt::format("{}/nic{} has no cable at port{}, and one at a later port",
                         names_.hosts()[h], n, free),
             "count the ports in use from 0");
    }
}

// Tiers nobody gave. 1 where NICs are, but for a switch of many switches with a few NICs that
// each of them has more of: a spine with a server on it. Then one above the lowest neighbour.
void CustomRows::FindTiers() {
  std::vector<std::vector<std::uint32_t>> near(switches_.size());
  std::vector<std::uint32_t> nics(switches_.size(), 0), queue;
  for (const CableRow& cable : cables_) {
    if (cable.a.is_host) {
      ++nics[cable.b.row];
    } else {
      near[cable.a.row].push_back(cable.b.row);
      near[cable.b.row].push_back(cable.a.row);
    }
  }
  for (std::uint32_t s = 0; s < switches_.size(); ++s) {
    const bool above = !near[s].empty() && nics[s] * 4 <= near[s].size() &&
                       std::all_of(near[s].begin(), near[s].end(), [&](std::uint32_t other) {
                         return nics[other] >= nics[s] && nics[other] > 0;
                       });
    const bool faces_hosts = nics[s] > 0 && !above;
    if (switches_[s].tier == 0 && faces_hosts) switches_[s].tier = 1;
    if (switches_[s].tier > 0) queue.push_back(s);
  }
  std::stable_sort(queue.begin(), queue.end(), [&](std::uint32_t a, std::uint32_t b) {
    return switches_[a].tier < switches_[b].tier;
  });
  for (std::size_t head = 0; head < queue.size(); ++head)
    for (const std::uint32_t other : near[queue[head]])
      if (switches_[other].tier == 0) {
        switches_[other].tier = switches_[queue[head]].tier + 1;
        queue.push_back(other);
      }
  for (std::uint32_t s = 0; s < switches_.size(); ++s)
    if (switches_[s].tier == 0)
      Report(switches_[s].pos,
             fmt::format("no cable leads from {} to a NIC, so its tier is unknown",
                         names_.switches()[s]),
             "tier: 1, or its cables");
}

// Pods nobody gave: with three tiers or more, what stays joined without the highest.
void CustomRows::FindPods(int tiers) {
  const auto host_count = static_cast<std::uint32_t>(hosts_.size());
  RowSets sets(hosts_.size() + switches_.size());
  for (const CableRow& cable : cables_) {
    const std::uint32_t a = cable.a.is_host ? cable.a.row : host_count + cable.a.row;
    const bool top = switches_[cable.b.row].tier == tiers ||
                     (!cable.a.is_host && switches_[cable.a.row].tier == tiers);
    if (!top) sets.Join(a, host_count + cable.b.row);
  }
  std::vector<std::uint32_t> number(host_count, kNone);
  std::uint32_t next = 0;
  for (std::uint32_t h = 0; h < host_count; ++h) {
    std::uint32_t& pod = number[sets.Of(h)];
    if (pod == kNone) pod = next++;
    if (!hosts_[h].pod) hosts_[h].pod = tiers > 2 ? static_cast<int>(std::min(pod, 65535u)) : 0;
  }
}

// Segments nobody gave: hosts of a pod that share a switch, counted in the pod.
void CustomRows::FindSegments() {
  const auto host_count = static_cast<std::uint32_t>(hosts_.size());
  RowSets sets(hosts_.size() + switches_.size());
  for (const CableRow& cable : cables_)
    if (cable.a.is_host && switches_[cable.b.row].tier == 1)
      sets.Join(cable.a.row, host_count + cable.b.row);
  std::vector<std::uint32_t> number(host_count, kNone), next;
  for (std::uint32_t h = 0; h < host_count; ++h) {
    const auto pod = static_cast<std::size_t>(*hosts_[h].pod);
    if (next.size() <= pod) next.resize(pod + 1, 0);
    std::uint32_t& segment = number[sets.Of(h)];
    if (segment == kNone) segment = next[pod]++;
    if (!hosts_[h].segment) hosts_[h].segment = static_cast<int>(segment);
  }
}

// Planes nobody gave: switches that stay joined without hosts are one, called by the lowest port
// of a NIC that leads there.
void CustomRows::FindPlanes() {
  RowSets sets(switches_.size());
  std::vector<int> lowest(switches_.size(), 64);
  for (const CableRow& cable : cables_)
    if (!cable.a.is_host) sets.Join(cable.a.row, cable.b.row);
  for (const CableRow& cable : cables_)
    if (cable.a.is_host) {
      int& port = lowest[sets.Of(cable.b.row)];
      port = std::min(port, cable.a.port);
    }
  for (std::uint32_t s = 0; s < switches_.size(); ++s)
    if (!switches_[s].plane) switches_[s].plane = lowest[sets.Of(s)] % 64;
}

void CustomRows::CheckTiers() {
  std::set<int> tiers;
  for (const SwitchRow& row : switches_) tiers.insert(row.tier);
  if (tiers.empty()) return;
  for (int t = 1; t <= *tiers.rbegin(); ++t)
    if (!tiers.contains(t))
      return Report(At("switches"),
                    fmt::format("no switch is of tier {}, and one of tier {}", t, *tiers.rbegin()),
                    "tiers from 1 without gaps");
  std::map<std::pair<std::uint32_t, std::uint32_t>, int> parallel;
  for (const CableRow& cable : cables_)
    if (!cable.a.is_host && ++parallel[std::minmax(cable.a.row, cable.b.row)] == 257)
      Report(At("cables"),
             fmt::format("more than 256 cables join {} and {}", NameOf(cable.a), NameOf(cable.b)),
             "fewer, faster cables");
}

void CustomRows::CheckPorts() {
  if (!spec_.check_ports()) return;
  std::vector<std::map<double, std::int64_t>> by_rate(switches_.size());
  for (const CableRow& cable : cables_) {
    ++by_rate[cable.b.row][cable.rate.bits_per_second()];
    if (!cable.a.is_host) ++by_rate[cable.a.row][cable.rate.bits_per_second()];
  }
  for (std::uint32_t s = 0; s < switches_.size(); ++s) {
    std::vector<PortUse> uses;
    for (const auto& [bps, count] : by_rate[s])
      uses.push_back({count, BitRate::BitsPerSecond(bps), "ports"});
    if (!PortsFit(switches_[s].chip, uses))
      Report(switches_[s].pos,
             fmt::format("{} has too few ports: {}", names_.switches()[s], FormatPortSum(uses)),
             "fewer cables, another switch:, or check_ports: false");
  }
}

void CustomRows::OrderSwitches() {
  order_.resize(switches_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::stable_sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return switches_[a].tier < switches_[b].tier;
  });
}

Errors CustomRows::Read() {
  if (!SizesFit()) return errors_;
  ReadHosts();
  ReadSwitches();
  if (!errors_.empty()) return errors_;  // else every cable of theirs is an error of its own
  for (int i = 0; i < spec_.cables_size(); ++i) ReadCables(i);
  if (!errors_.empty()) return errors_;
  CheckPortGaps();
  FindTiers();
  if (!errors_.empty()) return errors_;
  CheckTiers();
  CheckPorts();
  if (!errors_.empty()) return errors_;
  OrderSwitches();
  FindPods(switches_[order_.back()].tier);
  FindSegments();
  FindPlanes();
  return errors_;
}

std::vector<TierNaming> CustomRows::Naming() const {
  constexpr const char* kNouns[] = {"leaf", "spine", "core"};
  std::vector<TierNaming> out;
  const auto tiers = static_cast<std::size_t>(switches_[order_.back()].tier);
  for (std::size_t t = 0; t < tiers; ++t) {
    TierNaming naming;
    naming.noun = static_cast<int>(t) < spec_.tiers_size() ? spec_.tiers(static_cast<int>(t))
                  : t < std::size(kNouns)                  ? kNouns[t]
                                                           : fmt::format("tier{}", t + 1);
    naming.in_pod = naming.in_segment = true;
    for (const SwitchRow& row : switches_) {
      if (static_cast<std::size_t>(row.tier) != t + 1) continue;
      naming.in_pod = naming.in_pod && row.pod;
      naming.in_segment = naming.in_segment && row.segment;
    }
    out.push_back(std::move(naming));
  }
  return out;
}

void CustomRows::AddNotes(FabricBuilder& builder) const {
  for (const std::string& note : spec_.origin()) builder.AddNote(note);
  std::int64_t bare = 0;
  std::string first;
  for (std::uint32_t h = 0; h < hosts_.size(); ++h)
    for (std::size_t n = 0; n < taken_[h].size(); ++n)
      if (taken_[h][n] == 0 && ++bare == 1) first = fmt::format("{}/nic{}", names_.hosts()[h], n);
  if (bare == 1) builder.AddNote(fmt::format("{} has no cable", first));
  if (bare > 1) builder.AddNote(fmt::format("{} NICs have no cable: {} and others", bare, first));
}

std::optional<Watts> CustomRows::Power() const {
  Watts sum(0);
  for (const HostRow& row : hosts_) {
    if (!row.part.power) return std::nullopt;
    sum = sum + *row.part.power;
  }
  for (const SwitchRow& row : switches_) {
    if (!row.chip.power) return std::nullopt;
    sum = sum + *row.chip.power;
  }
  return sum;
}

Result<Fabric> CustomRows::Build() {
  int planes = 1;
  for (const SwitchRow& row : switches_) planes = std::max(planes, *row.plane + 1);
  FabricBuilder builder(planes);
  std::vector<std::uint32_t> host_kinds, switch_kinds;
  for (const HostRow& row : hosts_) {
    builder.AddHost(ShapeOf(row.part), static_cast<std::uint16_t>(*row.pod),
                    static_cast<std::uint16_t>(*row.segment));
    host_kinds.push_back(row.kind);
  }
  std::vector<VertexId> vertex(switches_.size());
  std::vector<std::string> names;
  for (const std::uint32_t s : order_) {
    const SwitchRow& row = switches_[s];
    vertex[s] = builder.AddSwitch({VertexKind::kSwitch, static_cast<std::uint8_t>(row.tier),
                                   static_cast<std::uint8_t>(*row.plane),
                                   static_cast<std::uint16_t>(row.pod.value_or(0)),
                                   static_cast<std::uint16_t>(row.segment.value_or(0)),
                                   static_cast<std::uint32_t>(names.size()), kNoHost});
    names.push_back(names_.switches()[s]);
    switch_kinds.push_back(row.kind);
  }
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint8_t> parallel;
  for (const CableRow& cable : cables_) {
    if (cable.a.is_host) {
      builder.AddCable(builder.nic(HostId{cable.a.row}, static_cast<std::uint16_t>(cable.a.nic)),
                       vertex[cable.b.row], cable.rate, cable.latency,
                       static_cast<std::uint8_t>(cable.a.port));
    } else {
      const auto ends = std::minmax(cable.a.row, cable.b.row);
      builder.AddCable(vertex[cable.a.row], vertex[cable.b.row], cable.rate, cable.latency,
                       parallel[ends]++);
    }
  }
  builder.SetNaming(Naming());
  builder.SetNames(names_.hosts(), std::move(names));
  builder.SetKinds(std::move(host_kinds), std::move(switch_kinds));
  builder.SetPower(Power());
  AddNotes(builder);
  return builder.Build();
}

}  // namespace

Result<Fabric> BuildCustom(const FabricSpec& spec, const FamilyInput& input) {
  CustomRows rows(spec.custom(), input);
  if (Errors errors = rows.Read(); !errors.empty()) return tl::make_unexpected(std::move(errors));
  return rows.Build();
}

}  // namespace weft
