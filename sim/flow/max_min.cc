#include "sim/flow/max_min.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/check.h"

namespace weft {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

bool Moved(double before, double after) {
  if (before == after) return false;
  if (std::isinf(before) || std::isinf(after)) return true;
  return std::abs(after - before) > kSettled * before;
}

}  // namespace

MaxMinSystem::MaxMinSystem(std::vector<double> capacity_bps)
    : capacity_bps_(std::move(capacity_bps)),
      share_bps_(capacity_bps_.size(), kInfinite),
      members_(capacity_bps_.size()),
      link_epoch_(capacity_bps_.size()),
      spare_bps_(capacity_bps_.size()),
      open_weight_(capacity_bps_.size()),
      open_count_(capacity_bps_.size()),
      queued_(capacity_bps_.size()),
      moved_(capacity_bps_.size()) {}

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
  entered_.push_back(id);
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
    share_bps_[link] = kInfinite;
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
    share_bps_[top.link] = level;
    for (const Member& m : members_[top.link])
      if (fixed_epoch_[m.variable] != epoch_)
        Fix(m.variable, level * variables_[m.variable].weight, LinkId{top.link});
  }
}

double MaxMinSystem::LevelElsewhere(std::uint32_t id, std::uint32_t link) const {
  const Variable& v = variables_[id];
  double level = v.cap_bps > 0 ? v.cap_bps / v.weight : kInfinite;
  for (const Term& term : terms(v.terms))
    if (term.link != link) level = std::min(level, share_bps_[term.link]);
  return level;
}

// The level at which the link is full: raised until whoever is held back elsewhere
// below it is counted with what it gets there.
double MaxMinSystem::ShareOf(std::uint32_t link) {
  const std::vector<Member>& members = members_[link];
  if (members.empty()) return kInfinite;
  WEFT_CHECK(capacity_bps_[link] > 0);
  elsewhere_.clear();
  for (const Member& m : members) elsewhere_.push_back(LevelElsewhere(m.variable, link));
  double share = 0;
  for (std::size_t before = members.size() + 1;;) {
    std::size_t held = 0;
    double spare = capacity_bps_[link], open = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const double amount = variables_[members[i].variable].weight * members[i].coefficient;
      if (elsewhere_[i] <= share) {
        spare -= elsewhere_[i] * amount;
        ++held;
      } else {
        open += amount;
      }
    }
    if (held == members.size()) return kInfinite;
    share = std::max(share, spare / open);
    if (held == before) return share;
    before = held;
  }
}

void MaxMinSystem::Queue(std::uint32_t link) {
  if (queued_[link] != 0) return;
  queued_[link] = 1;
  heap_.push_back({ShareOf(link), link});
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

// Links to look at again since the share of `link` was `before`. A variable tells
// another link of it only where this share was or is what holds it below that link's.
void MaxMinSystem::QueueNeighbours(std::uint32_t link, double before) {
  const double lower = std::min(before, share_bps_[link]);
  for (const Member& m : members_[link]) {
    const Variable& v = variables_[m.variable];
    for (const Term& term : terms(v.terms)) {
      if (term.link == link || queued_[term.link] != 0 || share_bps_[term.link] <= lower) continue;
      bool held_lower = v.cap_bps > 0 && v.cap_bps / v.weight <= lower;
      for (const Term& other : terms(v.terms))
        held_lower = held_lower || (other.link != link && other.link != term.link &&
                                    share_bps_[other.link] <= lower);
      if (!held_lower) Queue(term.link);
    }
  }
}

// The work list. False where it does not settle within its budget; the shares
// are then of no use.
bool MaxMinSystem::Settle() {
  heap_.clear();
  moved_links_.clear();
  for (const std::uint32_t link : touched_) Tidy(link);
  for (const std::uint32_t link : touched_) Queue(link);
  std::size_t budget = 1000 + 16 * touched_.size();
  while (!heap_.empty() && budget-- > 0) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const Share top = heap_.back();
    heap_.pop_back();
    const double share = ShareOf(top.link);
    if (share > top.level * (1 + kSettled) && !heap_.empty() && share > heap_.front().level) {
      heap_.push_back({share, top.link});  // others come first now
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
      continue;
    }
    queued_[top.link] = 0;
    const double before = share_bps_[top.link];
    if (!Moved(before, share)) continue;
    share_bps_[top.link] = share;
    if (moved_[top.link] == 0) moved_links_.push_back(top.link);
    moved_[top.link] = 1;
    QueueNeighbours(top.link, before);
  }
  for (const std::uint32_t link : moved_links_) moved_[link] = 0;
  for (const Share& left : heap_) queued_[left.link] = 0;
  return heap_.empty();
}

// Rate and bottleneck from the shares.
void MaxMinSystem::Update(std::uint32_t id) {
  Variable& v = variables_[id];
  double level = v.cap_bps > 0 ? v.cap_bps / v.weight : kInfinite;
  v.bottleneck = kNoLink;
  for (const Term& term : terms(v.terms))
    if (share_bps_[term.link] < level) {
      level = share_bps_[term.link];
      v.bottleneck = LinkId{term.link};
    }
  const double rate = v.bottleneck == kNoLink ? v.cap_bps : level * v.weight;
  if (!Moved(v.rate_bps, rate)) return;
  v.rate_bps = rate;
  changed_.push_back(id);
}

void MaxMinSystem::UpdateMembers() {
  ++epoch_;
  const auto update = [&](std::uint32_t id) {
    if (variable_epoch_[id] == epoch_) return;
    variable_epoch_[id] = epoch_;
    Update(id);
  };
  for (const std::uint32_t link : moved_links_)
    for (const Member& m : members_[link]) update(m.variable);
  for (const std::uint32_t id : entered_)
    if (variables_[id].live && !variables_[id].paused) update(id);
}

std::span<const std::uint32_t> MaxMinSystem::Resolve() {
  // Above this the list would look at most links several times; filling, at most twice.
  constexpr std::size_t kManyLinks = 1024;
  changed_.clear();
  if (touched_.size() > kManyLinks || !Settle()) return ResolveByFilling();
  UpdateMembers();
  return Changed();
}

std::span<const std::uint32_t> MaxMinSystem::ResolveByFilling() {
  changed_.clear();
  if (!touched_.empty()) {
    Collect();
    Fill();
  }
  for (const std::uint32_t id : entered_) {  // without a link there is nothing to share
    const Variable& v = variables_[id];
    if (v.live && !v.paused && v.terms.count == 0) Update(id);
  }
  return Changed();
}

std::span<const std::uint32_t> MaxMinSystem::Changed() {
  touched_.clear();
  entered_.clear();
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
