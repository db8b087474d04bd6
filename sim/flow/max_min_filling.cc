// Weighted progressive filling of what a change can reach [BG92 §6.5.2], and the
// certificate that tells whether rates are max-min fair.
#include <algorithm>
#include <functional>

#include "base/check.h"
#include "sim/flow/max_min.h"

namespace weft {

void MaxMinSystem::FillComponent() {
  Collect();
  Fill();
  for (const std::uint32_t id : component_) {
    Variable& v = variables_[id];
    const LinkId before = v.bottleneck;
    if (v.wide != kNarrow) FindFull(v);
    Hold(v);
    if (v.bottleneck != before) Note(id);
    if (v.wide == kNarrow) SetMembers(v);
  }
  for (const std::uint32_t l : component_links_) {
    LinkRow& link = links_[l];
    double load_bps = 0;
    for (std::uint32_t i = link.members.first; i < link.members.first + link.count; ++i)
      load_bps += LevelOf(variables_[members_[i].variable]) * members_[i].amount;
    SetLoad(link, load_bps);
    if (link.share_bps < kInfinite) link.slack_bps = -kInfinite;
    if (link.share_bps == filling_[l].share_before || link.moved) continue;
    link.moved = true;
    moved_links_.push_back(l);
  }
}

// The links and variables that the touched links are connected with.
void MaxMinSystem::Collect() {
  ++epoch_;
  component_links_.clear();
  component_.clear();
  for (const std::uint32_t link : touched_) {
    link_epoch_[link] = epoch_;
    component_links_.push_back(link);
  }
  for (std::size_t l = 0; l < component_links_.size(); ++l) {
    const LinkRow& link = links_[component_links_[l]];
    for (std::uint32_t i = link.members.first; i < link.members.first + link.count; ++i) {
      const std::uint32_t id = members_[i].variable;
      if (variable_epoch_[id] == epoch_) continue;
      variable_epoch_[id] = epoch_;
      component_.push_back(id);
      const Variable& v = variables_[id];
      for (std::uint32_t c = v.crossings.first; c < v.crossings.first + v.count; ++c) {
        if (crossings_[c].member == kNoMember) continue;
        if (link_epoch_[crossings_[c].link] == epoch_) continue;
        link_epoch_[crossings_[c].link] = epoch_;
        component_links_.push_back(crossings_[c].link);
      }
    }
  }
}

double MaxMinSystem::ExactShare(std::uint32_t l) const {
  const LinkRow& link = links_[l];
  double spare = link.capacity_bps, open = 0;
  for (std::uint32_t i = link.members.first; i < link.members.first + link.count; ++i) {
    const Member& m = members_[i];
    if (fixed_epoch_[m.variable] == epoch_)
      spare -= filled_level_[m.variable] * m.amount;
    else
      open += m.amount;
  }
  return std::max(0.0, spare) / open;
}

void MaxMinSystem::Fix(std::uint32_t id, double level) {
  const Variable& v = variables_[id];
  fixed_epoch_[id] = epoch_;
  --open_variables_;
  filled_level_[id] = level;
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i) {
    const Crossing& c = crossings_[i];
    if (c.member == kNoMember) continue;
    Filling& link = filling_[c.link];
    link.spare_bps -= level * c.amount;
    link.open_weight -= c.amount;
    --link.open_count;
  }
}

void MaxMinSystem::Fill() {
  filling_.resize(link_count_);
  filled_level_.resize(variables_.size());
  heap_.clear();
  caps_.clear();
  for (const std::uint32_t link : component_links_) {
    LinkRow& row = links_[link];
    double weight = 0;
    for (std::uint32_t i = row.members.first; i < row.members.first + row.count; ++i)
      weight += members_[i].amount;
    filling_[link] = {row.capacity_bps, weight, row.share_bps, row.count};
    row.share_bps = kInfinite;
    if (row.count == 0) continue;
    WEFT_CHECK(row.capacity_bps > 0);
    heap_.push_back({row.capacity_bps / weight, link});
  }
  for (const std::uint32_t id : component_)
    if (variables_[id].cap_level < kInfinite) caps_.push_back({variables_[id].cap_level, id});
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  std::make_heap(caps_.begin(), caps_.end(), std::greater<>());

  double level = 0;  // the level that every open variable has reached
  open_variables_ = component_.size();
  while (open_variables_ > 0 && !heap_.empty()) {
    if (!caps_.empty() && caps_.front().level <= heap_.front().level) {
      const std::uint32_t id = caps_.front().link;
      std::pop_heap(caps_.begin(), caps_.end(), std::greater<>());
      caps_.pop_back();
      if (fixed_epoch_[id] != epoch_) Fix(id, variables_[id].cap_level);
      continue;
    }
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const Share top = heap_.back();
    heap_.pop_back();
    const Filling& filling = filling_[top.link];
    if (filling.open_count == 0) continue;
    // Fixing a variable elsewhere can only raise a link's share, so an old key is
    // a lower bound: put the link back if it has risen, never search for it. The
    // margin is for the rounding of the running sums.
    double share = filling.spare_bps / filling.open_weight;
    if (share > top.level * (1 + 1e-12)) {
      heap_.push_back({share, top.link});
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
      continue;
    }
    share = ExactShare(top.link);
    level = std::max(level, share);
    links_[top.link].share_bps = level;
    const LinkRow& row = links_[top.link];
    for (std::uint32_t i = row.members.first; i < row.members.first + row.count; ++i)
      if (fixed_epoch_[members_[i].variable] != epoch_) Fix(members_[i].variable, level);
  }
}

double MaxMinResidual(const MaxMinSystem::Snapshot& system) {
  const std::size_t links = system.capacity_bps.size();
  std::vector<double> load(links, 0.0), highest(links, 0.0);
  double worst = 0;
  for (std::size_t v = 0; v < system.rate_bps.size(); ++v)
    for (const Term& term : system.terms[v]) {
      load[term.link] += term.coefficient * system.rate_bps[v];
      highest[term.link] = std::max(highest[term.link], system.rate_bps[v] / system.weight[v]);
    }
  for (std::size_t l = 0; l < links; ++l)
    if (load[l] > 0) worst = std::max(worst, load[l] / system.capacity_bps[l] - 1);
  for (std::size_t v = 0; v < system.rate_bps.size(); ++v) {
    // How far the variable is from being at its cap or having a bottleneck; the
    // least over all that could hold it.
    double missing = 1;
    if (system.cap_bps[v] > 0) {
      worst = std::max(worst, system.rate_bps[v] / system.cap_bps[v] - 1);
      missing = std::max(0.0, 1 - system.rate_bps[v] / system.cap_bps[v]);
    }
    const double level = system.rate_bps[v] / system.weight[v];
    for (const Term& term : system.terms[v]) {
      const double slack = std::max(0.0, 1 - load[term.link] / system.capacity_bps[term.link]);
      const double above = level > 0 ? std::max(0.0, highest[term.link] / level - 1) : 1;
      missing = std::min(missing, std::max(slack, above));
    }
    worst = std::max(worst, missing);
  }
  return worst;
}

}  // namespace weft
