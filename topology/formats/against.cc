#include "topology/formats/against.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"

namespace weft {
namespace {

using Kind = CableDifference::Kind;
using Ends = std::pair<std::string, std::string>;  // sorted

struct Group {
  Ends ends;  // as the file orders them
  std::vector<double> bps;
};

// Cables by their ends, and the ends in the order in which they come.
struct CablesByEnds {
  std::map<Ends, Group> groups;
  std::vector<Ends> order;
};

CablesByEnds GroupCables(const Wiring& wiring) {
  CablesByEnds out;
  for (const Wiring::Cable& cable : wiring.cables) {
    const Ends named{EndName(wiring, cable.a), EndName(wiring, cable.b)};
    const Ends key = std::minmax(named.first, named.second);
    const auto [at, added] = out.groups.try_emplace(key, Group{named, {}});
    if (added) out.order.push_back(key);
    at->second.bps.push_back(cable.rate.bits_per_second());
  }
  for (auto& [key, group] : out.groups)
    std::sort(group.bps.begin(), group.bps.end(), std::greater<>());
  return out;
}

CableDifference Difference(Kind kind, const Ends& ends, double planned_bps, double live_bps) {
  CableDifference out;
  out.kind = kind;
  out.a = ends.first;
  out.b = ends.second;
  out.planned = BitRate::BitsPerSecond(planned_bps);
  out.live = BitRate::BitsPerSecond(live_bps);
  return out;
}

// Parallel cables: equal rates go together, then what is left by rate, then what has no other.
void CompareGroup(const Ends& ends, std::vector<double> plan, std::vector<double> live,
                  std::vector<CableDifference>& out) {
  std::vector<double> plan_left, live_left;
  std::set_difference(plan.begin(), plan.end(), live.begin(), live.end(),
                      std::back_inserter(plan_left), std::greater<>());
  std::set_difference(live.begin(), live.end(), plan.begin(), plan.end(),
                      std::back_inserter(live_left), std::greater<>());
  const std::size_t both = std::min(plan_left.size(), live_left.size());
  for (std::size_t i = 0; i < both; ++i)
    out.push_back(Difference(live_left[i] < plan_left[i] ? Kind::kSlow : Kind::kFast, ends,
                             plan_left[i], live_left[i]));
  for (std::size_t i = both; i < plan_left.size(); ++i)
    out.push_back(Difference(Kind::kMissing, ends, plan_left[i], 0));
  for (std::size_t i = both; i < live_left.size(); ++i)
    out.push_back(Difference(Kind::kExtra, ends, 0, live_left[i]));
}

// Finds crossed cables among those that differ.
class Crossings {
 public:
  explicit Crossings(std::vector<CableDifference>& list) : list_(list), used_(list.size(), false) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].kind != Kind::kMissing && list[i].kind != Kind::kExtra) continue;
      auto& at = list[i].kind == Kind::kMissing ? missing_at_ : extra_at_;
      at[list[i].a].push_back(i);
      at[list[i].b].push_back(i);
    }
  }

  std::vector<CableDifference> Find() {
    for (std::size_t i = 0; i < list_.size(); ++i)
      if (list_[i].kind == Kind::kMissing && !used_[i] && !Try(i, list_[i].a, list_[i].b))
        Try(i, list_[i].b, list_[i].a);
    std::vector<CableDifference> out;
    for (std::size_t i = 0; i < list_.size(); ++i)
      if (!used_[i]) out.push_back(list_[i]);
    for (CableDifference& one : found_) out.push_back(std::move(one));
    return out;
  }

 private:
  static std::string Other(const CableDifference& cable, const std::string& end) {
    return cable.a == end ? cable.b : cable.a;
  }

  // The planned cable `first` joins a and x. Is a cabled to some y instead, whose own planned
  // cable from b is missing, and b to x?
  bool Try(std::size_t first, const std::string& a, const std::string& x) {
    for (const std::size_t ay : extra_at_[a]) {
      if (used_[ay]) continue;
      const std::string y = Other(list_[ay], a);
      for (const std::size_t by : missing_at_[y]) {
        if (used_[by] || by == first) continue;
        const std::string b = Other(list_[by], y);
        for (const std::size_t bx : extra_at_[b]) {
          if (used_[bx] || bx == ay || Other(list_[bx], b) != x) continue;
          for (const std::size_t i : {first, ay, by, bx}) used_[i] = true;
          CableDifference out = Difference(Kind::kCrossed, {a, x}, 0, 0);
          out.planned = list_[first].planned;
          out.live = list_[ay].live;
          out.second_a = b;
          out.second_b = y;
          found_.push_back(std::move(out));
          return true;
        }
      }
    }
    return false;
  }

  std::vector<CableDifference>& list_;
  std::vector<bool> used_;
  std::map<std::string, std::vector<std::size_t>> missing_at_, extra_at_;  // by end
  std::vector<CableDifference> found_;
};

// Whether a row of `live` is called as one of `plan`.
template <typename Row>
bool ShareName(const std::vector<Row>& plan, const std::vector<Row>& live) {
  std::set<std::string> names;
  for (const Row& row : plan) names.insert(row.name);
  return std::any_of(live.begin(), live.end(),
                     [&](const Row& row) { return names.contains(row.name); });
}

}  // namespace

const char* DifferenceName(CableDifference::Kind kind) {
  switch (kind) {
    case Kind::kMissing:
      return "missing";
    case Kind::kExtra:
      return "extra";
    case Kind::kCrossed:
      return "crossed";
    case Kind::kSlow:
      return "slow";
    case Kind::kFast:
      return "fast";
  }
  WEFT_CHECK(false);
}

WiringDifferences CompareWirings(const Wiring& plan, const Wiring& live) {
  WiringDifferences out;
  out.planned = static_cast<std::int64_t>(plan.cables.size());
  out.live = static_cast<std::int64_t>(live.cables.size());
  const bool hosts = ShareName(plan.hosts, live.hosts),
             switches = ShareName(plan.switches, live.switches);
  out.no_name_in_common = !hosts && !switches;
  out.no_switch_in_common = hosts && !switches && !plan.switches.empty() && !live.switches.empty();
  const CablesByEnds plan_cables = GroupCables(plan), live_cables = GroupCables(live);
  std::vector<CableDifference> list;
  for (const Ends& key : plan_cables.order) {
    const Group& group = plan_cables.groups.at(key);
    const auto found = live_cables.groups.find(key);
    CompareGroup(group.ends, group.bps,
                 found == live_cables.groups.end() ? std::vector<double>() : found->second.bps,
                 list);
  }
  for (const Ends& key : live_cables.order)
    if (!plan_cables.groups.contains(key))
      CompareGroup(live_cables.groups.at(key).ends, {}, live_cables.groups.at(key).bps, list);
  out.list = Crossings(list).Find();
  return out;
}

}  // namespace weft
