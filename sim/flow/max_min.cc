#include "sim/flow/max_min.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/check.h"

namespace weft {
namespace {

bool Moved(double before, double after) {
  if (before == after) return false;
  if (std::isinf(before) || std::isinf(after)) return true;
  return std::abs(after - before) > kSettled * before;
}

}  // namespace

MaxMinSystem::MaxMinSystem(std::vector<double> capacity_bps, const MaxMinOptions& options)
    : options_(options),
      capacity_bps_(std::move(capacity_bps)),
      share_bps_(capacity_bps_.size(), kInfinite),
      members_(capacity_bps_.size()),
      is_touched_(capacity_bps_.size()),
      moved_(capacity_bps_.size()),
      queued_(capacity_bps_.size()),
      link_epoch_(capacity_bps_.size()),
      spare_bps_(capacity_bps_.size()),
      open_weight_(capacity_bps_.size()),
      share_before_(capacity_bps_.size()),
      open_count_(capacity_bps_.size()) {}

TermsId MaxMinSystem::AddTerms(std::span<const Term> terms, std::span<const Term> silent) {
  rows_.push_back({static_cast<std::uint32_t>(terms_.size()),
                   static_cast<std::uint32_t>(terms.size()),
                   static_cast<std::uint32_t>(silent.size()), 0});
  for (const auto part : {terms, silent})
    for (const Term& term : part) {
      WEFT_CHECK(term.link < capacity_bps_.size() && term.coefficient > 0);
      terms_.push_back(term);
    }
  return TermsId{terms_count() - 1};
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
  return id;
}

std::uint32_t MaxMinSystem::Add(TermsId terms, double weight, double cap_bps) {
  const double cap_level = cap_bps > 0 ? cap_bps / weight : kInfinite;
  TermsRow& row = rows_[Index(terms)];
  if (options_.replace && row.leaving != 0) {
    const std::uint32_t id = row.leaving - 1;
    Variable& v = variables_[id];
    if (v.weight == weight && v.cap_level == cap_level) {  // its links need no look
      row.leaving = 0;
      v.state = State::kLive;
      Note(id);
      return id;
    }
  }
  const std::uint32_t id = AddPaused(weight);
  Resume(id, terms, cap_bps);
  return id;
}

std::uint32_t MaxMinSystem::AddPaused(double weight) {
  const std::uint32_t id = TakeId(weight);
  variables_[id].state = State::kPaused;
  return id;
}

void MaxMinSystem::Remove(std::uint32_t id) {
  Variable& v = variables_[id];
  WEFT_CHECK(v.state == State::kPaused || v.state == State::kLive);
  if (v.state == State::kLive) rows_[Index(v.terms)].leaving = id + 1;
  v.state = State::kLeaving;
  leaving_.push_back(id);
}

// What was removed and not replaced. Its members stay where they are until their
// links are tidied, which Resolve() does since they are touched here.
void MaxMinSystem::LeaveForGood() {
  for (const std::uint32_t id : leaving_) {
    Variable& v = variables_[id];
    if (v.state != State::kLeaving) continue;  // replaced
    TermsRow& row = rows_[Index(v.terms)];
    if (row.leaving == id + 1) row.leaving = 0;
    Leave(id);
    v.state = State::kFree;
    free_.push_back(id);
    std::push_heap(free_.begin(), free_.end(), std::greater<>());
  }
  leaving_.clear();
}

void MaxMinSystem::Pause(std::uint32_t id) {
  WEFT_CHECK(variables_[id].state == State::kLive);
  Leave(id);
  variables_[id].term_count = 0;
  variables_[id].state = State::kPaused;
}

void MaxMinSystem::Resume(std::uint32_t id, TermsId terms, double cap_bps) {
  Variable& v = variables_[id];
  const TermsRow& row = rows_[Index(terms)];
  WEFT_CHECK(v.state == State::kPaused && cap_bps >= 0 && (row.count > 0 || cap_bps > 0));
  v.terms = terms;
  v.first_term = row.first;
  v.term_count = row.count;
  v.cap_level = cap_bps > 0 ? cap_bps / v.weight : kInfinite;
  v.state = State::kLive;
  Enter(id);
}

void MaxMinSystem::SetCapacity(std::uint32_t link, double bps) {
  if (capacity_bps_[link] == bps) return;
  capacity_bps_[link] = bps;
  Touch(link);
}

void MaxMinSystem::Touch(std::uint32_t link) {
  if (is_touched_[link] != 0) return;
  is_touched_[link] = 1;
  touched_.push_back(link);
}

void MaxMinSystem::Enter(std::uint32_t id) {
  Variable& v = variables_[id];
  ++v.stamp;
  for (const Term& term : TermsOf(v)) {
    members_[term.link].push_back({id, v.stamp, v.weight * term.coefficient});
    Touch(term.link);
  }
  Hold(v);
  Note(id);
}

void MaxMinSystem::Leave(std::uint32_t id) {
  Variable& v = variables_[id];
  ++v.stamp;
  v.level = 0;
  v.bottleneck = kNoLink;
  for (const Term& term : TermsOf(v)) Touch(term.link);
}

void MaxMinSystem::Note(std::uint32_t id) {
  if (variables_[id].noted) return;
  variables_[id].noted = true;
  noted_.push_back(id);
}

void MaxMinSystem::Hold(Variable& v) const {
  v.level = v.cap_level;
  v.elsewhere = kInfinite;
  v.bottleneck = kNoLink;
  for (const Term& term : TermsOf(v)) {
    const double share = share_bps_[term.link];
    if (share < v.level) {
      v.elsewhere = v.level;
      v.level = share;
      v.bottleneck = LinkId{term.link};
    } else {
      v.elsewhere = std::min(v.elsewhere, share);
    }
  }
}

// Drops dead members and puts the new ones, which stand at the end, in place.
void MaxMinSystem::Tidy(std::uint32_t link) {
  std::vector<Member>& members = members_[link];
  std::erase_if(members, [&](const Member& m) { return variables_[m.variable].stamp != m.stamp; });
  const auto before = [](const Member& a, const Member& b) { return a.variable < b.variable; };
  const auto sorted = std::is_sorted_until(members.begin(), members.end(), before);
  if (members.end() - sorted > 16) {
    std::sort(members.begin(), members.end(), before);
    return;
  }
  for (auto i = sorted; i != members.end(); ++i)
    std::rotate(std::upper_bound(members.begin(), i, *i, before), i, i + 1);
}

// The level at which the link is full: a root of Σ amount · min(level, elsewhere)
// = capacity, which is concave and rises piece by piece. Newton's method from the
// present share comes from below after one step at most and ends when the same
// members as before are held elsewhere.
double MaxMinSystem::ShareOf(std::uint32_t link) const {
  const std::vector<Member>& members = members_[link];
  if (members.empty()) return kInfinite;
  const double capacity = capacity_bps_[link];
  WEFT_CHECK(capacity > 0);
  if (members.size() == 1) {
    const double share = capacity / members.front().amount;
    return Elsewhere(variables_[members.front().variable], link) <= share ? kInfinite : share;
  }
  double share = std::isinf(share_bps_[link]) ? 0 : share_bps_[link];
  bool from_below = share == 0;
  for (std::size_t before = members.size() + 1;;) {
    std::size_t held = 0;
    double spare = capacity, open = 0;
    for (const Member& m : members) {
      const double elsewhere = Elsewhere(variables_[m.variable], link);
      if (elsewhere <= share) {
        spare -= elsewhere * m.amount;
        ++held;
      } else {
        open += m.amount;
      }
    }
    if (held == before) return share;
    if (held == members.size()) {
      if (spare >= 0 || from_below) return kInfinite;
      share = 0;  // past the root, where nothing rises
      from_below = true;
      continue;
    }
    const double next = std::max(0.0, spare) / open;
    if (next == share) return share;
    share = from_below ? std::max(share, next) : next;
    from_below = true;
    before = held;
  }
}

void MaxMinSystem::Queue(std::uint32_t link) {
  if (queued_[link] != Queued::kNo) {
    queued_[link] = Queued::kStale;
    return;
  }
  queued_[link] = Queued::kExact;
  heap_.push_back({ShareOf(link), link});
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

void MaxMinSystem::SetShare(std::uint32_t link, double share) {
  const double lower = std::min(share_bps_[link], share);
  share_bps_[link] = share;
  if (moved_[link] == 0) moved_links_.push_back(link);
  moved_[link] = 1;
  for (const Member& m : members_[link]) Refresh(m.variable, link, lower);
}

// The share of `link` was or is `lower`. What the variable can get elsewhere matters
// to another of its links only where it is below that link's share.
void MaxMinSystem::Refresh(std::uint32_t id, std::uint32_t link, double lower) {
  Variable& v = variables_[id];
  if (v.bottleneck != LinkId{link} && lower > v.elsewhere) return;
  const double level = v.level, elsewhere = v.elsewhere;
  const LinkId bottleneck = v.bottleneck;
  Hold(v);
  if (v.bottleneck != bottleneck) Note(id);
  if (v.level == level && v.elsewhere == elsewhere && v.bottleneck == bottleneck) return;
  for (const Term& term : TermsOf(v)) {
    if (term.link == link) continue;
    const double before = bottleneck == LinkId{term.link} ? elsewhere : level;
    const double after = Elsewhere(v, term.link);
    if (before == after) continue;
    const double share = share_bps_[term.link];
    const bool above = std::min(before, after) >= share;
    const bool less = after < before && std::isinf(share);  // it does not fill by getting less
    if (queued_[term.link] != Queued::kNo || (!above && !less)) Queue(term.link);
  }
}

// The work list. False where it does not settle within its budget; the shares
// are then of no use.
bool MaxMinSystem::Settle() {
  heap_.clear();
  for (const std::uint32_t link : touched_) Queue(link);
  std::size_t budget = 1000 + 16 * touched_.size();
  while (!heap_.empty() && budget-- > 0) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const Share top = heap_.back();
    heap_.pop_back();
    const double share =
        queued_[top.link] == Queued::kExact ? top.level : ShareOf(top.link);
    if (share > top.level * (1 + kSettled) && !heap_.empty() && share > heap_.front().level) {
      heap_.push_back({share, top.link});  // others come first now
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
      queued_[top.link] = Queued::kExact;
      continue;
    }
    queued_[top.link] = Queued::kNo;
    if (Moved(share_bps_[top.link], share)) SetShare(top.link, share);
  }
  for (const Share& left : heap_) queued_[left.link] = Queued::kNo;
  return heap_.empty();
}

MaxMinSystem::Changes MaxMinSystem::Resolve() {
  // Above this the list would look at most links several times; filling, at most twice.
  constexpr std::size_t kManyLinks = 1024;
  Begin();
  const bool few = options_.work_list && touched_.size() <= kManyLinks;
  if (!few || !Settle()) FillComponent();
  return Report();
}

MaxMinSystem::Changes MaxMinSystem::ResolveByFilling() {
  Begin();
  FillComponent();
  return Report();
}

void MaxMinSystem::Begin() {
  for (const std::uint32_t link : moved_links_) moved_[link] = 0;
  moved_links_.clear();
  LeaveForGood();
  for (const std::uint32_t link : touched_) Tidy(link);
}

MaxMinSystem::Changes MaxMinSystem::Report() {
  for (const std::uint32_t link : touched_) is_touched_[link] = 0;
  touched_.clear();
  for (const std::uint32_t id : noted_) variables_[id].noted = false;
  std::erase_if(noted_, [&](std::uint32_t id) { return variables_[id].state != State::kLive; });
  std::swap(noted_, reported_);
  noted_.clear();
  return {moved_links_, reported_};
}

MaxMinSystem::Snapshot MaxMinSystem::Snap() const {
  Snapshot snapshot;
  snapshot.capacity_bps = capacity_bps_;
  for (const Variable& v : variables_) {
    if (v.state != State::kLive) continue;
    snapshot.weight.push_back(v.weight);
    snapshot.cap_bps.push_back(std::isinf(v.cap_level) ? 0 : v.cap_level * v.weight);
    snapshot.rate_bps.push_back(v.level * v.weight);
    snapshot.terms.emplace_back(TermsOf(v).begin(), TermsOf(v).end());
  }
  return snapshot;
}

}  // namespace weft
