#include "sim/flow/max_min.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "base/check.h"

namespace weft {
namespace {

constexpr std::uint32_t kFewMembers = 32;
constexpr double kNearlyFull = 1e-6;  // far above the drift of a load kept in passing

bool Moved(double before, double after) {
  if (before == after) return false;
  if (std::isinf(before) || std::isinf(after)) return true;
  return std::abs(after - before) > kSettled * before;
}

}  // namespace

MaxMinSystem::MaxMinSystem(std::vector<double> capacity_bps, const MaxMinOptions& options)
    : options_(options),
      links_(capacity_bps.size()),
      link_epoch_(capacity_bps.size()),
      spare_bps_(capacity_bps.size()),
      open_weight_(capacity_bps.size()),
      share_before_(capacity_bps.size()),
      open_count_(capacity_bps.size()) {
  for (std::size_t l = 0; l < links_.size(); ++l) links_[l].capacity_bps = capacity_bps[l];
}

TermsId MaxMinSystem::AddTerms(std::span<const Term> terms, std::span<const Term> silent) {
  rows_.push_back({static_cast<std::uint32_t>(terms_.size()),
                   static_cast<std::uint32_t>(terms.size()),
                   static_cast<std::uint32_t>(silent.size()), 0});
  for (const auto part : {terms, silent})
    for (const Term& term : part) {
      WEFT_CHECK(term.link < links_.size() && term.coefficient > 0);
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
  if (links_[link].capacity_bps == bps) return;
  links_[link].capacity_bps = bps;
  Touch(link);
}

void MaxMinSystem::Touch(std::uint32_t link) {
  if (links_[link].touched) return;
  links_[link].touched = true;
  touched_.push_back(link);
}

void MaxMinSystem::Enter(std::uint32_t id) {
  Variable& v = variables_[id];
  ++v.stamp;
  for (const Term& term : TermsOf(v)) {
    AddMember(links_[term.link], {id, v.stamp, v.weight * term.coefficient});
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
  for (const Term& term : TermsOf(v)) {
    DropMember(links_[term.link], id);
    Touch(term.link);
  }
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
    const double share = links_[term.link].share_bps;
    if (share < v.level) {
      v.elsewhere = v.level;
      v.level = share;
      v.bottleneck = LinkId{term.link};
    } else {
      v.elsewhere = std::min(v.elsewhere, share);
    }
  }
}

// Links of few members are kept in order at once, others when they are next solved.
void MaxMinSystem::AddMember(LinkRow& link, Member member) {
  if (link.count == link.room) MakeRoom(link);
  Member* const first = &members_[link.first];
  std::uint32_t at = link.count++;
  if (at > kFewMembers && member.variable < first[at - 1].variable) link.untidy = true;
  if (!link.untidy)
    for (; at > 0 && member.variable < first[at - 1].variable; --at) first[at] = first[at - 1];
  first[at] = member;
}

void MaxMinSystem::DropMember(LinkRow& link, std::uint32_t id) {
  if (link.untidy || link.count > kFewMembers) {
    link.untidy = true;
    return;
  }
  Member* const first = &members_[link.first];
  std::uint32_t at = 0;
  while (first[at].variable != id) ++at;
  for (--link.count; at < link.count; ++at) first[at] = first[at + 1];
}

// Chunks of 4, 8, 16 … rows; one that is left serves another link.
void MaxMinSystem::MakeRoom(LinkRow& link) {
  const std::uint32_t room = std::max(4u, 2 * link.room);
  const auto level = static_cast<std::size_t>(std::bit_width(room));
  if (free_chunks_.size() <= level) free_chunks_.resize(level + 1);
  std::uint32_t first = static_cast<std::uint32_t>(members_.size());
  if (free_chunks_[level].empty()) {
    members_.resize(members_.size() + room);
  } else {
    first = free_chunks_[level].back();
    free_chunks_[level].pop_back();
  }
  std::copy_n(members_.begin() + link.first, link.count, members_.begin() + first);
  if (link.room > 0)
    free_chunks_[static_cast<std::size_t>(std::bit_width(link.room))].push_back(link.first);
  link.first = first;
  link.room = room;
}

void MaxMinSystem::Tidy(LinkRow& link) {
  if (!link.untidy) return;
  link.untidy = false;
  const std::span<Member> members = MembersOf(link);
  const auto end = std::remove_if(members.begin(), members.end(), [&](const Member& m) {
    return variables_[m.variable].stamp != m.stamp;
  });
  link.count = static_cast<std::uint32_t>(end - members.begin());
  const auto before = [](const Member& a, const Member& b) { return a.variable < b.variable; };
  if (!std::is_sorted(members.begin(), end, before)) std::sort(members.begin(), end, before);
}

// The level at which the link is full: a root of Σ amount · min(level, elsewhere)
// = capacity, which is concave and rises piece by piece. Newton's method from the
// present share comes from below after one step at most and ends when the same
// members as before are held elsewhere.
double MaxMinSystem::ShareOf(std::uint32_t l) {
  LinkRow& link = links_[l];
  const std::span<const Member> members = MembersOf(link);
  link.load_bps = 0;
  if (members.empty()) return kInfinite;
  const double capacity = link.capacity_bps;
  WEFT_CHECK(capacity > 0);
  if (members.size() == 1) {
    const double alone = capacity / members.front().amount;
    const double elsewhere = Elsewhere(variables_[members.front().variable], l);
    link.load_bps = elsewhere * members.front().amount;
    return elsewhere <= alone ? kInfinite : alone;
  }
  double share = std::isinf(link.share_bps) ? 0 : link.share_bps;
  bool from_below = share == 0;
  for (std::size_t before = members.size() + 1;;) {
    std::size_t held = 0;
    double spare = capacity, open = 0;
    for (const Member& m : members) {
      const double elsewhere = Elsewhere(variables_[m.variable], l);
      if (elsewhere <= share) {
        spare -= elsewhere * m.amount;
        ++held;
      } else {
        open += m.amount;
      }
    }
    if (held == before) return share;
    if (held == members.size()) {
      link.load_bps = capacity - spare;
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

void MaxMinSystem::Queue(std::uint32_t l) {
  LinkRow& link = links_[l];
  if (link.queued != Queued::kNo) {
    link.queued = Queued::kStale;
    return;
  }
  const double share = ShareOf(l);
  if (!Moved(link.share_bps, share)) return;  // who changes that will queue it again
  link.queued = Queued::kExact;
  work_.Push({share, l});
}

void MaxMinSystem::SetShare(std::uint32_t l, double share) {
  LinkRow& link = links_[l];
  const double before = link.share_bps;
  link.share_bps = share;
  if (!link.moved) moved_links_.push_back(l);
  link.moved = true;
  for (const Member& m : MembersOf(link)) {
    Variable& v = variables_[m.variable];
    const double level = v.level, elsewhere = v.elsewhere;
    const LinkId bottleneck = v.bottleneck;
    if (bottleneck == LinkId{l}) {
      if (share <= elsewhere)
        v.level = share;  // and stays its bottleneck
      else
        Hold(v);
    } else {
      if (std::min(before, share) > elsewhere) continue;
      Hold(v);
    }
    if (v.bottleneck != bottleneck) Note(m.variable);
    if (v.level == level && v.elsewhere == elsewhere) continue;
    TellOthers(v, l, {level, elsewhere, bottleneck});
  }
}

// What the variable can get elsewhere matters to another of its links only where it
// is below that link's share, and to a link that is not full only where it fills it.
void MaxMinSystem::TellOthers(const Variable& v, std::uint32_t link, const Held& was) {
  for (const Term& term : TermsOf(v)) {
    if (term.link == link) continue;
    const double before = was.bottleneck == LinkId{term.link} ? was.elsewhere : was.level;
    const double after = Elsewhere(v, term.link);
    if (before == after) continue;
    LinkRow& other = links_[term.link];
    if (other.queued == Queued::kNo) {
      if (std::min(before, after) >= other.share_bps) continue;
      if (other.share_bps == kInfinite) {
        other.load_bps += (after - before) * v.weight * term.coefficient;
        if (other.load_bps < other.capacity_bps * (1 - kNearlyFull)) continue;
      }
    }
    Queue(term.link);
  }
}

// The work list. False where it does not settle within its budget; the shares
// are then of no use.
bool MaxMinSystem::Settle() {
  for (const std::uint32_t link : touched_) Queue(link);
  std::size_t budget = 1000 + 16 * touched_.size();
  while (!work_.empty() && budget-- > 0) {
    const Share top = work_.Pop();
    LinkRow& link = links_[top.link];
    const double share = link.queued == Queued::kExact ? top.level : ShareOf(top.link);
    if (share > top.level * (1 + kSettled) && !work_.empty() && share > work_.least()) {
      link.queued = Queued::kExact;
      work_.Push({share, top.link});  // others come first now
      continue;
    }
    link.queued = Queued::kNo;
    if (Moved(link.share_bps, share)) SetShare(top.link, share);
  }
  const bool settled = work_.empty();
  while (!work_.empty()) links_[work_.Pop().link].queued = Queued::kNo;
  return settled;
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
  for (const std::uint32_t link : moved_links_) links_[link].moved = false;
  moved_links_.clear();
  LeaveForGood();
  for (const std::uint32_t link : touched_) Tidy(links_[link]);
}

MaxMinSystem::Changes MaxMinSystem::Report() {
  for (const std::uint32_t link : touched_) links_[link].touched = false;
  touched_.clear();
  for (const std::uint32_t id : noted_) variables_[id].noted = false;
  std::erase_if(noted_, [&](std::uint32_t id) { return variables_[id].state != State::kLive; });
  std::swap(noted_, reported_);
  noted_.clear();
  return {moved_links_, reported_};
}

MaxMinSystem::Snapshot MaxMinSystem::Snap() const {
  Snapshot snapshot;
  for (const LinkRow& link : links_) snapshot.capacity_bps.push_back(link.capacity_bps);
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
