#include "sim/flow/max_min.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace weft {

MaxMinSystem::MaxMinSystem(std::vector<double> capacity_bps)
    : capacity_bps_(std::move(capacity_bps)),
      members_(capacity_bps_.size()),
      link_epoch_(capacity_bps_.size()),
      spare_bps_(capacity_bps_.size()),
      open_weight_(capacity_bps_.size()),
      open_count_(capacity_bps_.size()) {}

TermRange MaxMinSystem::AddTerms(std::span<const Term> terms) {
  const TermRange range{static_cast<std::uint32_t>(terms_.size()),
                        static_cast<std::uint32_t>(terms.size())};
  for (const Term& term : terms) {
    WEFT_CHECK(term.link < capacity_bps_.size() && term.coefficient > 0);
    terms_.push_back(term);
  }
  return range;
}

std::uint32_t MaxMinSystem::TakeId(double weight) {
  WEFT_CHECK(weight > 0);
  std::uint32_t id = static_cast<std::uint32_t>(variables_.size());
  if (free_.empty()) {
    variables_.emplace_back();
    variable_epoch_.push_back(0);
    fixed_epoch_.push_back(0);
  } else {
    std::pop_heap(free_.begin(), free_.end(), std::greater<>());
    id = free_.back();
    free_.pop_back();
  }
  variables_[id].weight = weight;
  variables_[id].live = true;
  return id;
}

std::uint32_t MaxMinSystem::Add(TermRange terms, double weight, double cap_bps) {
  const std::uint32_t id = AddPaused(weight);
  Resume(id, terms, cap_bps);
  return id;
}

std::uint32_t MaxMinSystem::AddPaused(double weight) {
  const std::uint32_t id = TakeId(weight);
  variables_[id].paused = true;
  return id;
}

void MaxMinSystem::Remove(std::uint32_t id) {
  WEFT_CHECK(variables_[id].live);
  if (!variables_[id].paused) Leave(id);
  variables_[id].live = false;
  free_.push_back(id);
  std::push_heap(free_.begin(), free_.end(), std::greater<>());
}

void MaxMinSystem::Pause(std::uint32_t id) {
  WEFT_CHECK(variables_[id].live && !variables_[id].paused);
  Leave(id);
  variables_[id].paused = true;
}

void MaxMinSystem::Resume(std::uint32_t id, TermRange terms, double cap_bps) {
  Variable& v = variables_[id];
  WEFT_CHECK(v.live && v.paused && cap_bps >= 0 && (terms.count > 0 || cap_bps > 0));
  v.terms = terms;
  v.cap_bps = cap_bps;
  v.paused = false;
  Enter(id);
}

void MaxMinSystem::SetCapacity(std::uint32_t link, double bps) {
  if (capacity_bps_[link] == bps) return;
  capacity_bps_[link] = bps;
  Touch(link);
}

void MaxMinSystem::Enter(std::uint32_t id) {
  Variable& v = variables_[id];
  ++v.stamp;
  if (v.terms.count == 0) loose_.push_back(id);
  for (const Term& term : terms(v.terms)) {
    members_[term.link].push_back({id, v.stamp, term.coefficient});
    Touch(term.link);
  }
}

// Its members stay where they are until their links are tidied, which the next
// Resolve() does since they are touched here.
void MaxMinSystem::Leave(std::uint32_t id) {
  Variable& v = variables_[id];
  ++v.stamp;
  v.rate_bps = 0;
  v.bottleneck = kNoLink;
  for (const Term& term : terms(v.terms)) Touch(term.link);
}

void MaxMinSystem::Touch(std::uint32_t link) { touched_.push_back(link); }

// Drops dead members and puts the new ones, which stand at the end, in place.
void MaxMinSystem::Tidy(std::uint32_t link) {
  std::vector<Member>& members = members_[link];
  std::erase_if(members, [&](const Member& m) { return variables_[m.variable].stamp != m.stamp; });
  const auto before = [](const Member& a, const Member& b) { return a.variable < b.variable; };
  const auto sorted = std::is_sorted_until(members.begin(), members.end(), before);
  if (members.end() - sorted > 16) {
    std::sort(sorted, members.end(), before);
    if (sorted != members.begin() && sorted != members.end() && before(*sorted, *(sorted - 1)))
      std::sort(members.begin(), members.end(), before);
    return;
  }
  for (auto i = sorted; i != members.end(); ++i)
    std::rotate(std::upper_bound(members.begin(), i, *i, before), i, i + 1);
}

void MaxMinSystem::Collect() {
  ++epoch_;
  links_.clear();
  component_.clear();
  for (const std::uint32_t link : touched_) {
    if (link_epoch_[link] == epoch_) continue;
    link_epoch_[link] = epoch_;
    links_.push_back(link);
  }
  for (std::size_t i = 0; i < links_.size(); ++i) {
    Tidy(links_[i]);
    for (const Member& member : members_[links_[i]]) {
      if (variable_epoch_[member.variable] == epoch_) continue;
      variable_epoch_[member.variable] = epoch_;
      component_.push_back(member.variable);
      for (const Term& term : terms(variables_[member.variable].terms)) {
        if (link_epoch_[term.link] == epoch_) continue;
        link_epoch_[term.link] = epoch_;
        links_.push_back(term.link);
      }
    }
  }
  touched_.clear();
}

double MaxMinSystem::ExactShare(std::uint32_t link) const {
  double spare = capacity_bps_[link], open = 0;
  for (const Member& m : members_[link]) {
    const Variable& v = variables_[m.variable];
    if (fixed_epoch_[m.variable] == epoch_)
      spare -= v.rate_bps * m.coefficient;
    else
      open += v.weight * m.coefficient;
  }
  return std::max(0.0, spare) / open;
}

void MaxMinSystem::Fix(std::uint32_t id, double rate_bps, LinkId bottleneck) {
  Variable& v = variables_[id];
  fixed_epoch_[id] = epoch_;
  if (v.rate_bps != rate_bps) changed_.push_back(id);
  v.rate_bps = rate_bps;
  v.bottleneck = bottleneck;
  for (const Term& term : terms(v.terms)) {
    spare_bps_[term.link] -= rate_bps * term.coefficient;
    open_weight_[term.link] -= v.weight * term.coefficient;
    --open_count_[term.link];
  }
}

void MaxMinSystem::Fill() {
  heap_.clear();
  caps_.clear();
  for (const std::uint32_t link : links_) {
    const std::vector<Member>& members = members_[link];
    spare_bps_[link] = capacity_bps_[link];
    open_count_[link] = static_cast<std::uint32_t>(members.size());
    open_weight_[link] = 0;
    if (members.empty()) continue;
    WEFT_CHECK(capacity_bps_[link] > 0);
    for (const Member& m : members)
      open_weight_[link] += variables_[m.variable].weight * m.coefficient;
    heap_.push_back({spare_bps_[link] / open_weight_[link], link});
  }
  for (const std::uint32_t id : component_) {
    const Variable& v = variables_[id];
    if (v.cap_bps > 0) caps_.push_back({v.cap_bps / v.weight, id});
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  std::make_heap(caps_.begin(), caps_.end(), std::greater<>());

  double level = 0;  // the level that every open variable has reached
  while (!heap_.empty()) {
    if (!caps_.empty() && caps_.front().level <= heap_.front().level) {
      const std::uint32_t id = caps_.front().link;
      std::pop_heap(caps_.begin(), caps_.end(), std::greater<>());
      caps_.pop_back();
      if (fixed_epoch_[id] != epoch_) Fix(id, variables_[id].cap_bps, kNoLink);
      continue;
    }
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const Share top = heap_.back();
    heap_.pop_back();
    if (open_count_[top.link] == 0) continue;
    // Fixing a variable elsewhere can only raise a link's share, so an old key is
    // a lower bound: put the link back if it has risen, never search for it. The
    // margin is for the rounding of the running sums.
    double share = spare_bps_[top.link] / open_weight_[top.link];
    if (share > top.level * (1 + 1e-12)) {
      heap_.push_back({share, top.link});
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
      continue;
    }
    share = ExactShare(top.link);
    level = std::max(level, share);
    for (const Member& m : members_[top.link])
      if (fixed_epoch_[m.variable] != epoch_)
        Fix(m.variable, level * variables_[m.variable].weight, LinkId{top.link});
  }
}

std::span<const std::uint32_t> MaxMinSystem::Resolve() {
  changed_.clear();
  for (const std::uint32_t id : loose_) {  // without a link there is nothing to share
    Variable& v = variables_[id];
    if (!v.live || v.paused || v.terms.count > 0 || v.rate_bps == v.cap_bps) continue;
    v.rate_bps = v.cap_bps;
    changed_.push_back(id);
  }
  loose_.clear();
  if (!touched_.empty()) {
    Collect();
    Fill();
  }
  std::sort(changed_.begin(), changed_.end());
  return changed_;
}

MaxMinSystem::Snapshot MaxMinSystem::Snap() const {
  Snapshot snapshot;
  snapshot.capacity_bps = capacity_bps_;
  for (const Variable& v : variables_) {
    if (!v.live || v.paused) continue;
    snapshot.weight.push_back(v.weight);
    snapshot.cap_bps.push_back(v.cap_bps);
    snapshot.rate_bps.push_back(v.rate_bps);
    snapshot.terms.emplace_back(terms(v.terms).begin(), terms(v.terms).end());
  }
  return snapshot;
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
