#include "scenario/link_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace weft {
namespace {

constexpr std::size_t kHottest = 8, kUsersShown = 8;
constexpr double kFull = 0.999;     // busy for all of the makespan but rounding
constexpr double kCollision = 1.2;  // times the mean of the siblings
constexpr double kEven = 0.95;      // of this link's bytes on every sibling
constexpr double kTieWithin = 2;    // a tie further away than this factor says nothing

// The share of what `link` can carry that crossed it in the whole run.
double Utilisation(const PreparedScenario& scenario, const Outcome& outcome, LinkId link) {
  const double seconds = ToSeconds(outcome.end);
  if (seconds <= 0) return 0;
  const double capacity = Capacity(scenario.fabric->link(link), scenario.physics).bits_per_second();
  return static_cast<double>(outcome.link_bytes[Index(link)].count()) * 8 / capacity / seconds;
}

bool Enters(const Fabric& fabric, const Link& link) {
  const Vertex &from = fabric.vertex(link.from), &to = fabric.vertex(link.to);
  return from.kind == VertexKind::kSwitch &&
         (to.kind != VertexKind::kSwitch || to.tier < from.tier);
}

// The links a hash could have chosen in place of `link`; from a switch to one of its tier, as in a
// dragonfly, those to the same neighbour alone.
std::vector<LinkId> Siblings(const Fabric& fabric, LinkId id) {
  const Link& link = fabric.link(id);
  const bool down = Enters(fabric, link);
  const VertexId hub = down ? link.to : link.from;
  const VertexId far = down ? link.from : link.to;
  std::vector<LinkId> siblings;
  const auto first = Index(fabric.first_link_from(hub));
  const auto out = fabric.links_from(hub);
  for (std::uint32_t i = 0; i < out.size(); ++i) {
    const Vertex &other = fabric.vertex(out[i].to), &same = fabric.vertex(far);
    if (other.kind != same.kind || other.tier != same.tier) continue;
    if (fabric.vertex(hub).tier == same.tier && out[i].to != far) continue;
    siblings.push_back(down ? out[i].reverse : LinkId{first + i});
  }
  return siblings;
}

constexpr double kNoticed = 0.01;  // of what a link could carry, lost to faults

// The share of what `link` could have carried until the end that faults took.
double LostToFaults(const PreparedScenario& scenario, const Outcome& outcome, LinkId id) {
  LinkState state(*scenario.fabric);
  SimTime since{};
  double lost_s = 0;
  const auto pass = [&](SimTime until) {
    const SimTime now = std::min(until, outcome.end);
    if (now > since) lost_s += (1 - state.share(id)) * ToSeconds(now - since);
    since = std::max(since, now);
  };
  for (const Event& event : scenario.events) {
    pass(event.at);
    state.Apply(*scenario.fabric, event.element, event.state);
  }
  pass(outcome.end);
  return lost_s > 0 ? lost_s / ToSeconds(outcome.end) : 0;
}

// Whether anything broke or slowed down before the end.
bool SomethingBroke(const PreparedScenario& scenario, const Outcome& outcome) {
  return std::any_of(scenario.events.begin(), scenario.events.end(), [&](const Event& event) {
    return event.at < outcome.end && (!event.state.up || event.state.rate_share < 1);
  });
}

// Whether a hash chose among the siblings of `id`: not where the sender deals its QPs out over
// the ports of its NIC, and planes keep them apart up to the receiver's ports.
bool ChosenByHash(const PreparedScenario& scenario, LinkId id) {
  const Fabric& fabric = *scenario.fabric;
  const Link& link = fabric.link(id);
  const bool leaves_nic = fabric.vertex(link.from).kind == VertexKind::kNic;
  const bool enters_nic = fabric.vertex(link.to).kind == VertexKind::kNic;
  if (!leaves_nic && !(enters_nic && fabric.planes() > 1)) return true;
  return scenario.spec.message.routing().host_port() == RoutingSpec::HASH;
}

std::string Count(std::uint64_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string WhyNetwork(const PreparedScenario& scenario, const Outcome& outcome,
                       const std::vector<std::uint32_t>& qps, LinkId id) {
  const std::vector<LinkId> siblings = Siblings(*scenario.fabric, id);
  double bytes = 0, smallest = 1e300;
  std::uint64_t qp_sum = 0;
  for (const LinkId sibling : siblings) {
    const auto one = static_cast<double>(outcome.link_bytes[Index(sibling)].count());
    bytes += one;
    smallest = std::min(smallest, one);
    qp_sum += qps[Index(sibling)];
  }
  const auto own = static_cast<double>(outcome.link_bytes[Index(id)].count());
  const auto count = static_cast<double>(siblings.size());
  const std::uint32_t mine = qps[Index(id)];
  // As even as whole QPs can be is no collision: 2 of 3 over 2 links.
  const std::uint64_t even = (qp_sum + siblings.size() - 1) / siblings.size();
  const bool busier = siblings.size() > 1 && own > kCollision * bytes / count;
  if (busier && mine > even && ChosenByHash(scenario, id))
    return fmt::format(
        "hash collision: {} of the {} QPs that share {} links cross this one, {} would be even",
        mine, qp_sum, siblings.size(), even);
  if (busier && mine > 0 && mine <= even && qp_sum % siblings.size() != 0)
    return fmt::format("{} over {} links: {} on this one is as even as whole QPs can be",
                       Count(qp_sum, "QP"), siblings.size(), mine);
  if (busier && SomethingBroke(scenario, outcome))
    return fmt::format("fault: it carries what was moved off another of the {} links here",
                       siblings.size());
  if (siblings.size() > 1 && smallest > kEven * own)
    return fmt::format(
        "even load on all {} links here: {}", siblings.size(),
        Utilisation(scenario, outcome, id) > kFull ? "oversubscription" : "no collision");
  if (siblings.size() == 1) return fmt::format("the only link here, for {}", Count(mine, "QP"));
  return fmt::format("{} here, {:.1f} on average over {} links", Count(mine, "QP"),
                     static_cast<double>(qp_sum) / count, siblings.size());
}

std::string WhyLoaded(const PreparedScenario& scenario, const Outcome& outcome,
                      const std::vector<std::uint32_t>& qps, std::size_t users, LinkId id) {
  switch (scenario.fabric->link(id).link_class) {
    case LinkClass::kNvlink:
      return fmt::format("NVLink, for {} of the schedule", Count(users, "edge"));
    case LinkClass::kPcie:
      return fmt::format("PCIe of one GPU and its NIC, for {}", Count(users, "QP"));
    case LinkClass::kNetwork:
      return WhyNetwork(scenario, outcome, qps, id);
  }
  return {};
}

// What a fault took stands beside what put the load there.
std::string Why(const PreparedScenario& scenario, const Outcome& outcome,
                const std::vector<std::uint32_t>& qps, std::size_t users, LinkId id) {
  const std::string loaded = WhyLoaded(scenario, outcome, qps, users, id);
  const double lost = LostToFaults(scenario, outcome, id);
  if (lost < kNoticed) return loaded;
  return fmt::format("{}; faults took {:.1f} % of what it could carry", loaded, lost * 100);
}

LinkReport Describe(const PreparedScenario& scenario, const Simulation& simulation,
                    const Outcome& outcome, const std::vector<std::uint32_t>& qps, LinkId id,
                    const std::function<std::string(RowId, std::uint32_t)>& name) {
  const Link& link = scenario.fabric->link(id);
  LinkReport report;
  report.from = scenario.fabric->PortName(id);
  report.to = scenario.fabric->Name(link.to);
  report.utilisation = Utilisation(scenario, outcome, id);
  report.bytes = outcome.link_bytes[Index(id)];
  std::vector<LinkUser> users = simulation.UsersOf(id);
  // The QPs of an edge take one NVLink together: there, edges are counted.
  const bool nvlink = link.link_class == LinkClass::kNvlink;
  if (nvlink)
    users.erase(std::unique(users.begin(), users.end(),
                            [](const LinkUser& a, const LinkUser& b) {
                              return a.row == b.row && a.edge == b.edge;
                            }),
                users.end());
  report.why = Why(scenario, outcome, qps, users.size(), id);
  report.user_count = static_cast<std::int64_t>(users.size());
  for (std::size_t i = 0; i < users.size() && i < kUsersShown; ++i)
    report.users.push_back(name(users[i].row, users[i].edge) +
                           (nvlink ? "" : fmt::format(" qp {}", users[i].qp)));
  return report;
}

// The busiest link of each class, by utilisation then id.
std::optional<MarginReport> Margin(const PreparedScenario& scenario,
                                   const std::vector<double>& busy) {
  std::optional<LinkId> nvlink, network;
  for (std::uint32_t l = 0; l < busy.size(); ++l) {
    const LinkClass link_class = scenario.fabric->link(LinkId{l}).link_class;
    if (link_class == LinkClass::kPcie || busy[l] <= 0) continue;
    auto& best = link_class == LinkClass::kNvlink ? nvlink : network;
    if (!best || busy[l] > busy[Index(*best)]) best = LinkId{l};
  }
  if (!nvlink || !network) return std::nullopt;
  const bool nvlink_busier = busy[Index(*nvlink)] > busy[Index(*network)];
  const LinkId other = nvlink_busier ? *network : *nvlink;
  MarginReport margin;
  margin.busier = nvlink_busier ? "NVLink" : "the network";
  margin.busier_utilisation = busy[Index(nvlink_busier ? *nvlink : *network)];
  margin.other = scenario.fabric->PortName(other) + " -> " +
                 scenario.fabric->Name(scenario.fabric->link(other).to);
  margin.other_utilisation = busy[Index(other)];
  margin.nvlink_efficiency =
      scenario.physics.efficiency[static_cast<std::size_t>(LinkClass::kNvlink)];
  const double ratio = busy[Index(*nvlink)] / busy[Index(*network)];
  if (margin.nvlink_efficiency * ratio <= 1 && ratio <= kTieWithin && ratio >= 1 / kTieWithin)
    margin.nvlink_efficiency_at_tie = margin.nvlink_efficiency * ratio;
  return margin;
}

}  // namespace

LinksReport ReportLinks(const PreparedScenario& scenario, const Simulation& simulation,
                        const Outcome& outcome, std::uint64_t seed,
                        const std::function<std::string(RowId, std::uint32_t)>& name) {
  const std::uint32_t links = scenario.fabric->link_count();
  LinksReport report;
  report.seed = seed;
  std::vector<double> busy(links);
  for (std::uint32_t l = 0; l < links; ++l) busy[l] = Utilisation(scenario, outcome, LinkId{l});
  std::vector<std::uint32_t> order(links);
  std::iota(order.begin(), order.end(), 0);
  const std::size_t shown = std::min<std::size_t>(kHottest, links);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](std::uint32_t a, std::uint32_t b) {
                      return busy[a] != busy[b] ? busy[a] > busy[b] : a < b;
                    });
  const std::vector<std::uint32_t> qps = simulation.QpsByLink();
  for (std::size_t i = 0; i < shown; ++i)
    if (busy[order[i]] > 0)
      report.hottest.push_back(
          Describe(scenario, simulation, outcome, qps, LinkId{order[i]}, name));
  for (std::uint32_t l = 0; l < links; ++l)
    if (scenario.fabric->link(LinkId{l}).link_class == LinkClass::kNetwork && busy[l] > kFull)
      report.pfc_risk += qps[l];
  report.margin = Margin(scenario, busy);
  return report;
}

std::optional<PortShares> SharesOfPorts(const Fabric& fabric, const Outcome& outcome) {
  std::vector<double> hot;
  std::size_t three = 0;
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
    const VertexId nic{v};
    if (fabric.vertex(nic).kind != VertexKind::kNic) continue;
    const std::uint8_t ports = fabric.PortCount(nic);
    if (ports < 2) continue;
    double sum = 0, most = 0, least = 1e300;
    for (std::uint8_t p = 0; p < ports; ++p) {
      const LinkId in = fabric.link(fabric.PortLink(nic, p)).reverse;
      const auto bytes = static_cast<double>(outcome.link_bytes[Index(in)].count());
      sum += bytes;
      most = std::max(most, bytes);
      least = std::min(least, bytes);
    }
    if (sum <= 0) continue;
    hot.push_back(most / sum);
    // A byte of rounding a QP must not turn 3:1 into a little less.
    if (most >= 3 * least * (1 - 1e-6)) ++three;
  }
  if (hot.empty()) return std::nullopt;
  const auto nics = static_cast<double>(hot.size());
  return PortShares{IntervalOf(std::move(hot)).median, static_cast<double>(three) / nics};
}

}  // namespace weft
