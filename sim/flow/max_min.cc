#include "sim/flow/max_min.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace weft {
namespace {

constexpr std::uint32_t kFewMembers = 32;

bool Moved(double before, double after) {
  if (before == after) return false;
  if (std::isinf(before) || std::isinf(after)) return true;
  return std::abs(after - before) > kSettled * before;
}

double Largest(const std::vector<double>& capacity_bps) {
  const auto most = std::max_element(capacity_bps.begin(), capacity_bps.end());
  return most == capacity_bps.end() || *most <= 0 ? 1 : *most;
}

}  // namespace

MaxMinSystem::MaxMinSystem(std::vector<double> capacity_bps, const MaxMinOptions& options)
    : options_(options),
      links_(capacity_bps.size()),
      work_(Largest(capacity_bps)),
      link_epoch_(capacity_bps.size()) {
  for (std::size_t l = 0; l < links_.size(); ++l) links_[l].capacity_bps = capacity_bps[l];
}

void MaxMinSystem::Restart(std::span<const double> capacity_bps) {
  WEFT_CHECK(capacity_bps.size() == links_.size());
  links_.assign(links_.size(), {});
  for (std::size_t l = 0; l < links_.size(); ++l) links_[l].capacity_bps = capacity_bps[l];
  members_.Clear();
  crossings_.Clear();
  terms_.clear();
  rows_.clear();
  variables_.clear();
  wides_.clear();
  twins_.clear();
  free_.Clear();
  for (std::vector<std::uint32_t>* rows :
       {&free_wides_, &leaving_, &touched_, &noted_, &reported_, &moved_links_})
    rows->clear();
  own_caps_.clear();
  epoch_ = 0;
  link_epoch_.assign(links_.size(), 0);
  variable_epoch_.clear();
  fixed_epoch_.clear();
}

void MaxMinSystem::Reserve() {
  crossings_.Reserve(2 * terms_.size());  // chunks are powers of two
  members_.Reserve(2 * terms_.size());
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
    id = free_.TakeLowest();
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
    if (v.weight == weight && OwnCap(id) == cap_level) {  // its links need no look
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
    // One that was never resumed has no terms, and may be the only one there is.
    if (Index(v.terms) < rows_.size() && rows_[Index(v.terms)].leaving == id + 1)
      rows_[Index(v.terms)].leaving = 0;
    Leave(id);
    v.state = State::kFree;
    free_.Give(id);
  }
  leaving_.clear();
}

void MaxMinSystem::Pause(std::uint32_t id) {
  WEFT_CHECK(variables_[id].state == State::kLive);
  Leave(id);
  variables_[id].state = State::kPaused;
}

void MaxMinSystem::Resume(std::uint32_t id, TermsId terms, double cap_bps) {
  Variable& v = variables_[id];
  const TermsRow& row = rows_[Index(terms)];
  WEFT_CHECK(v.state == State::kPaused && cap_bps >= 0 && (row.count > 0 || cap_bps > 0));
  v.terms = terms;
  if (cap_bps > 0 && id >= own_caps_.size()) own_caps_.resize(id + std::size_t{1}, kInfinite);
  if (id < own_caps_.size()) own_caps_[id] = cap_bps > 0 ? cap_bps / v.weight : kInfinite;
  v.state = State::kLive;
  Enter(id);
}

void MaxMinSystem::SetCapacity(std::uint32_t link, double bps) {
  if (links_[link].capacity_bps == bps) return;
  if (links_[link].alone != kNoVariable) EndAlone(link);  // Resolve() sees to it
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
  const std::span<const Term> terms = this->terms(v.terms);
  if (v.crossings.room < terms.size()) {
    crossings_.Give(v.crossings);
    v.crossings = crossings_.Take(static_cast<std::uint32_t>(terms.size()));
  }
  v.count = static_cast<std::uint32_t>(terms.size());
  v.cap_level = OwnCap(id);
  v.cap_link = kNoLink;
  Crossing* c = crossings_.At(v.crossings.first);
  for (const Term& term : terms) {
    __builtin_prefetch(&links_[term.link], 1);
    *c++ = {term.link, 0, v.weight * term.coefficient};
  }
  for (std::uint32_t i = 0; i < v.count; ++i)
    if (!TakeAlone(terms[i].link, id, v.crossings.first + i)) Touch(terms[i].link);
  if (v.count > kFewLinks) EnterWide(v);
  Hold(v);
  Note(id);
  const Held held{v.level, v.elsewhere, v.bottleneck};
  const Crossing* const first = crossings_.At(v.crossings.first);
  for (std::uint32_t i = 0; i < v.count; ++i) {
    if (first[i].member == kNoMember) continue;
    LinkRow& link = links_[first[i].link];
    if (link.share_bps == kInfinite) link.load_bps += v.level * first[i].amount;
    const bool bound = v.wide == kNarrow && v.bottleneck == LinkId{first[i].link};
    AddMember(link, {Elsewhere(held, first[i].link), first[i].amount, id,
                     (v.crossings.first + i) & kCrossingBits, bound});
  }
}

// Whether the variable is alone on the link, which then is no more than a cap. One that was alone
// there until now is not any more.
bool MaxMinSystem::TakeAlone(std::uint32_t l, std::uint32_t id, std::uint32_t crossing) {
  LinkRow& link = links_[l];
  if (link.alone != kNoVariable) EndAlone(l);
  Variable& v = variables_[id];
  const bool empty = link.count == 0 && link.share_bps == kInfinite && link.capacity_bps > 0;
  if (!options_.alone || v.count > kFewLinks || !empty) return false;
  LeaveTo(link, id, crossing);
  CapByLink(v, crossings_[crossing]);
  return true;
}

// From now on the link, of which nothing is a member, has the variable alone.
void MaxMinSystem::LeaveTo(LinkRow& link, std::uint32_t id, std::uint32_t crossing) {
  members_.Give(link.members);
  link.members = {crossing, 0};
  link.alone = id;
  crossings_[crossing].member = kNoMember;
}

// A link on which the variable is alone, as a cap.
void MaxMinSystem::CapByLink(Variable& v, const Crossing& own) {
  const double level = links_[own.link].capacity_bps / own.amount;
  if (level > v.cap_level) return;
  v.cap_level = level;
  v.cap_link = LinkId{own.link};
}

// The cap of its own and of all links on which it is alone: of equal ones the last is named.
void MaxMinSystem::FindCap(std::uint32_t id) {
  Variable& v = variables_[id];
  v.cap_level = OwnCap(id);
  v.cap_link = kNoLink;
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
    if (crossings_[i].member == kNoMember) CapByLink(v, crossings_[i]);
}

// The variable that is alone on the link becomes its first member, held as it was.
void MaxMinSystem::EndAlone(std::uint32_t l) {
  LinkRow& link = links_[l];
  const std::uint32_t id = std::exchange(link.alone, kNoVariable);
  const std::uint32_t crossing = std::exchange(link.members, {}).first;
  Variable& v = variables_[id];
  const double amount = crossings_[crossing].amount;
  crossings_[crossing].member = 0;
  link.load_bps = v.level * amount;
  if (v.cap_link == LinkId{l}) {
    if (v.bottleneck == kNoLink) {
      link.share_bps = v.level;
      link.open_weight = amount;
      v.bottleneck = LinkId{l};
      Note(id);
    }
    FindCap(id);
    v.elsewhere = std::min(v.elsewhere, v.cap_level);
  }
  const bool bound = v.bottleneck == LinkId{l};
  AddMember(link, {bound ? v.elsewhere : v.level, amount, id, crossing & kCrossingBits, bound});
}

// The link's one member is alone on it from now on.
void MaxMinSystem::LeaveAlone(std::uint32_t l) {
  LinkRow& link = links_[l];
  const Member m = members_[link.members.first];
  link.count = 0;
  LeaveTo(link, m.variable, m.crossing);
  Empty(l);
  Variable& v = variables_[m.variable];
  const Held was{v.level, v.elsewhere, v.bottleneck};
  const LinkId cap_link = v.cap_link;
  v.cap_level == link.capacity_bps / m.amount ? FindCap(m.variable)
                                              : CapByLink(v, crossings_[m.crossing]);
  Hold(v);
  const bool other_level = v.level != was.level;
  const bool other_cap = v.bottleneck == kNoLink && (other_level || v.cap_link != cap_link);
  if (v.bottleneck != was.bottleneck || other_cap) Note(m.variable);
  if (other_level || v.bottleneck != was.bottleneck)
    TellOthers(v, l, was);
  else if (v.elsewhere != was.elsewhere)
    TellBottleneck(v);
}

void MaxMinSystem::Leave(std::uint32_t id) {
  Variable& v = variables_[id];
  if (v.wide != kNarrow) LeaveWide(v);
  for (std::uint32_t i = 0; i < v.count; ++i)
    __builtin_prefetch(&links_[crossings_[v.crossings.first + i].link], 1);
  for (std::uint32_t i = 0; i < v.count; ++i) {
    const Crossing& c = crossings_[v.crossings.first + i];
    LinkRow& link = links_[c.link];
    if (c.member == kNoMember) {
      link.alone = kNoVariable;
      link.members = {};
      continue;
    }
    if (link.share_bps == kInfinite) link.load_bps -= v.level * c.amount;
    DropMember(link, c.member);
    Touch(c.link);
  }
  v.count = 0;
  v.level = 0;
  v.bottleneck = v.cap_link = kNoLink;
}

void MaxMinSystem::Note(std::uint32_t id) {
  if (variables_[id].noted) return;
  variables_[id].noted = true;
  noted_.push_back(id);
}

void MaxMinSystem::Hold(Variable& v) const {
  if (v.wide != kNarrow) return HoldWide(v);
  double level = v.cap_level, elsewhere = kInfinite;
  LinkId bottleneck = kNoLink;
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i) {
    if (crossings_[i].member == kNoMember) continue;  // in cap_level
    const double share = links_[crossings_[i].link].share_bps;
    if (share < level) {
      elsewhere = level;
      level = share;
      bottleneck = LinkId{crossings_[i].link};
    } else if (share < elsewhere) {
      elsewhere = share;
    }
  }
  v.level = level;
  v.elsewhere = elsewhere;
  v.bottleneck = bottleneck;
}

void MaxMinSystem::Place(std::uint32_t at, const Member& member) {
  members_[at] = member;
  crossings_[member.crossing].member = at;
}

// Links of few members are kept in order at once, others when they are next solved.
void MaxMinSystem::AddMember(LinkRow& link, Member member) {
  if (link.count == link.members.room) {
    link.members = members_.Grow(link.members, link.count);
    for (std::uint32_t i = 0; i < link.count; ++i) {
      const std::uint32_t at = link.members.first + i;
      if (members_[at].variable != kNoVariable) Place(at, members_[at]);
    }
  }
  std::uint32_t at = link.members.first + link.count++;
  const bool last = at == link.members.first || member.variable > members_[at - 1].variable;
  if (!last && link.count > kFewMembers) link.untidy = true;
  if (!last && !link.untidy)
    for (; at > link.members.first && member.variable < members_[at - 1].variable; --at)
      Place(at, members_[at - 1]);
  Place(at, member);
}

void MaxMinSystem::DropMember(LinkRow& link, std::uint32_t at) {
  if (link.untidy || link.count > kFewMembers) {
    link.untidy = true;
    members_[at].variable = kNoVariable;
    return;
  }
  for (--link.count; at < link.members.first + link.count; ++at) Place(at, members_[at + 1]);
}

void MaxMinSystem::Tidy(LinkRow& link) {
  if (!link.untidy) return;
  link.untidy = false;
  const std::span<Member> members(members_.At(link.members.first), link.count);
  const auto end = std::remove_if(members.begin(), members.end(),
                                  [](const Member& m) { return m.variable == kNoVariable; });
  link.count = static_cast<std::uint32_t>(end - members.begin());
  const auto before = [](const Member& a, const Member& b) { return a.variable < b.variable; };
  if (!std::is_sorted(members.begin(), end, before)) std::sort(members.begin(), end, before);
  for (std::uint32_t i = 0; i < link.count; ++i) Place(link.members.first + i, members[i]);
}

// Whether the link is so far from full that what it carries need not be summed.
bool MaxMinSystem::IsSlack(const LinkRow& link) const {
  return link.share_bps == kInfinite && link.count > 0 &&
         link.load_bps < link.capacity_bps * (1 - kNearlyFull);
}

// A link that was not full holds nobody back: its members get their level elsewhere.
void MaxMinSystem::AskLevels(LinkRow& link) {
  Member* const first = members_.At(link.members.first);
  for (Member* m = first; m != first + link.count; ++m)
    m->elsewhere = variables_[m->variable].level;
}

// What those members whose lower bound is not above `share` can get indeed; whether that
// differs from the bounds.
bool MaxMinSystem::AskBounds(LinkRow& link, double share) {
  bool differs = false;
  Member* const first = members_.At(link.members.first);
  for (Member* m = first; m != first + link.count; ++m) {
    if (m->bound == 0 || m->elsewhere > share) continue;
    Variable& v = variables_[m->variable];
    double elsewhere = v.cap_level;
    for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
      if (i != m->crossing && crossings_[i].member != kNoMember)
        elsewhere = std::min(elsewhere, links_[crossings_[i].link].share_bps);
    differs = differs || elsewhere != m->elsewhere;
    v.elsewhere = m->elsewhere = elsewhere;
  }
  return differs;
}

// Whether the one member of the link leaves its share as it is: ShareOfOne() where nothing need be
// asked. It is wide, or no variable is taken to be alone.
bool MaxMinSystem::StaysAsOne(LinkRow& link) {
  Member& m = members_[link.members.first];
  const double alone = link.capacity_bps / m.amount;
  if (link.share_bps == kInfinite) {
    const double level = variables_[m.variable].level;
    if (level > alone) return false;
    m.elsewhere = level;
    link.load_bps = level * m.amount;
  } else if (link.share_bps != alone || link.wides > 0 || m.elsewhere <= alone) {
    return false;
  }
  link.open_weight = m.amount;
  return true;
}

double MaxMinSystem::ShareOfOne(LinkRow& link) {
  const Member& m = members_[link.members.first];
  const double alone = link.capacity_bps / m.amount;
  if (m.bound != 0 && m.elsewhere <= alone) AskBounds(link, alone);
  link.load_bps = m.elsewhere * m.amount;
  link.open_weight = m.amount;
  return m.elsewhere <= alone ? kInfinite : alone;
}

// The level at which the link is full: a root of Σ amount · min(level, elsewhere)
// = capacity, which is concave and rises piece by piece. Newton's method from the
// present share comes from below after one step at most and ends when the same
// members as before are held elsewhere.
double MaxMinSystem::ShareOf(LinkRow& link) {
  const double capacity = link.capacity_bps;
  WEFT_CHECK(capacity > 0);
  if (link.share_bps == kInfinite)
    AskLevels(link);
  else if (link.wides > 0)
    AskWides(link);
  if (link.count == 1) return ShareOfOne(link);
  link.load_bps = 0;
  const Member* const first = members_.At(link.members.first);
  const Member* const last = first + link.count;
  double share = link.share_bps == kInfinite ? 0 : link.share_bps;
  bool from_below = share == 0;
  while (true) {
    std::uint32_t held = 0, unsure = 0;
    double spare = capacity, open = 0;
    double most_held = 0, least_open = kInfinite;  // what they can get elsewhere
    for (const Member* m = first; m != last; ++m) {
      const double elsewhere = m->elsewhere;
      const bool is_held = elsewhere <= share;
      held += is_held ? 1 : 0;
      unsure += is_held ? m->bound : 0;
      spare -= is_held ? elsewhere * m->amount : 0;
      open += is_held ? 0 : m->amount;
      most_held = std::max(most_held, is_held ? elsewhere : 0);
      least_open = std::min(least_open, is_held ? kInfinite : elsewhere);
    }
    if (unsure > 0 && AskBounds(link, share)) continue;
    if (held == link.count) {
      link.load_bps = capacity - spare;
      if (spare >= 0 || from_below) return kInfinite;
      share = 0;  // past the root, where nothing rises
      from_below = true;
      continue;
    }
    const double next = std::max(0.0, spare) / open;
    link.open_weight = open;
    if (next == share || (from_below && next < share)) return share;
    if (next >= most_held && next < least_open) return next;  // held by the same as at `share`
    share = next;
    from_below = true;
  }
}

void MaxMinSystem::Queue(std::uint32_t l) {
  LinkRow& link = links_[l];
  if (link.queued != Queued::kNo) {
    link.queued = Queued::kStale;
    return;
  }
  const double share = ShareOf(link);
  if (!Moved(link.share_bps, share)) return;  // who changes that will queue it again
  link.queued = Queued::kExact;
  work_.Push({share, l});
}

// Of a link that has lost its last member nobody need be told.
void MaxMinSystem::Empty(std::uint32_t l) {
  LinkRow& link = links_[l];
  link.load_bps = 0;
  if (link.share_bps == kInfinite) return;
  link.share_bps = kInfinite;
  NoteMoved(l);
}

void MaxMinSystem::NoteMoved(std::uint32_t l) {
  if (!links_[l].moved) moved_links_.push_back(l);
  links_[l].moved = true;
}

// Of most members nothing has to be told: those that another link holds back, and that
// stay there, but for a lower bound that no longer is one.
void MaxMinSystem::SetShare(std::uint32_t l, double share) {
  LinkRow& link = links_[l];
  const double before = link.share_bps;
  link.share_bps = share;
  NoteMoved(l);
  for (std::uint32_t i = link.members.first; i < link.members.first + link.count; ++i) {
    Variable& v = variables_[members_[i].variable];
    if (v.wide != kNarrow) {
      SetShareOfWide(i, l, before, share);
    } else if (v.bottleneck == LinkId{l}) {
      if (share <= v.elsewhere)
        Raise(v, share);
      else
        Hold(v, l, members_[i]);
    } else if (share <= v.level) {
      Hold(v, l, members_[i]);
    } else if (share < v.elsewhere) {
      LowerBound(v, share);
    } else if (before <= v.elsewhere) {  // which was more than a bound
      TellBottleneck(v);
    }
  }
}

// Finds out anew what holds the variable back, and tells its other links. `own` is its
// member on `link`, whose share has moved.
void MaxMinSystem::Hold(Variable& v, std::uint32_t link, Member& own) {
  const Held was{v.level, v.elsewhere, v.bottleneck};
  Hold(v);
  own.elsewhere = Elsewhere({v.level, v.elsewhere, v.bottleneck}, link);
  own.bound = v.wide == kNarrow && v.bottleneck == LinkId{link};
  if (v.bottleneck != was.bottleneck) Note(own.variable);
  if (v.level == was.level && v.elsewhere == was.elsewhere && v.bottleneck == was.bottleneck)
    return;
  if (v.level == was.level && v.bottleneck == was.bottleneck)
    TellBottleneck(v);
  else
    TellOthers(v, link, was);
}

// Another of its links has come between the variable's level and what it could get
// elsewhere. Half the way is left: that link will go on moving.
void MaxMinSystem::LowerBound(Variable& v, double share) {
  v.elsewhere = v.level + (share - v.level) / 2;
  TellBottleneck(v);
}

// What the variable can get but for its bottleneck has moved, and is no less than what
// that gives: it matters only where the bottleneck's share is about to move.
void MaxMinSystem::TellBottleneck(const Variable& v) {
  if (v.bottleneck == kNoLink) return;  // its cap holds it, wherever else it could get more
  LinkRow& link = links_[Index(v.bottleneck)];
  if (v.wide == kNarrow) {
    const Crossing* c = crossings_.At(v.crossings.first);
    while (LinkId{c->link} != v.bottleneck) ++c;
    members_[c->member].elsewhere = v.elsewhere;
  }
  if (link.queued == Queued::kExact) link.queued = Queued::kStale;
}

// The variable's bottleneck stays and its level moves: TellOthers() in the case that
// is nearly all of them.
void MaxMinSystem::Raise(Variable& v, double level) {
  const std::uint32_t own = Index(v.bottleneck);
  const double more = level - v.level;
  v.level = level;
  const Crossing* c = crossings_.At(v.crossings.first);
  for (std::uint32_t i = 0; i < v.count; ++i)
    if (c[i].member != kNoMember) __builtin_prefetch(&links_[c[i].link], 1);
  for (const Crossing* const end = c + v.count; c != end; ++c) {
    if (c->link == own || c->member == kNoMember) continue;
    LinkRow& other = links_[c->link];
    if (other.share_bps < kInfinite) {
      members_[c->member].elsewhere = level;
      // Others will follow: its share is found when its turn comes.
      if (other.queued == Queued::kNo)
        work_.Push(
            {std::max(0.0, other.share_bps - more * c->amount / other.open_weight), c->link});
      other.queued = Queued::kStale;
    } else if (other.queued == Queued::kNo) {
      other.load_bps += more * c->amount;
      if (other.load_bps >= other.capacity_bps * (1 - kNearlyFull)) Queue(c->link);
    } else {
      other.queued = Queued::kStale;
    }
  }
}

// What the variable can get elsewhere matters to another of its links only where it
// is below that link's share, and to a link that is not full only where it fills it.
void MaxMinSystem::TellOthers(const Variable& v, std::uint32_t link, const Held& was) {
  if (v.wide != kNarrow) return TellOthersWide(v, link, was);
  const Held now{v.level, v.elsewhere, v.bottleneck};
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i) {
    const Crossing& c = crossings_[i];
    if (c.link == link || c.member == kNoMember) continue;
    Member& m = members_[c.member];
    m.bound = v.bottleneck == LinkId{c.link};
    const double before = Elsewhere(was, c.link), after = Elsewhere(now, c.link);
    if (before == after) continue;
    m.elsewhere = after;
    TellOther(c, before, after);
  }
}

void MaxMinSystem::TellOther(const Crossing& c, double before, double after) {
  LinkRow& other = links_[c.link];
  if (other.queued == Queued::kNo) {
    if (std::min(before, after) >= other.share_bps) return;
    if (other.share_bps == kInfinite) {
      other.load_bps += (after - before) * c.amount;
      if (other.load_bps < other.capacity_bps * (1 - kNearlyFull)) return;
    }
  }
  Queue(c.link);
}

// The work list. False where it does not settle within its budget; the shares
// are then of no use.
bool MaxMinSystem::Settle() {
  for (const std::uint32_t l : touched_) {
    LinkRow& link = links_[l];
    if (link.count == 0)
      Empty(l);
    else if (options_.alone && link.count == 1 && link.wides == 0 && link.capacity_bps > 0)
      LeaveAlone(l);
  }
  for (const std::uint32_t l : touched_) {
    LinkRow& link = links_[l];
    if (link.count > 0 && !IsSlack(link) && !(link.count == 1 && StaysAsOne(link))) Queue(l);
  }
  std::size_t budget = 1000 + 16 * touched_.size();
  while (!work_.empty() && budget-- > 0) {
    const WorkList::Item top = work_.Pop();
    LinkRow& link = links_[top.link];
    if (link.count == 0) {  // since it was put on the list all but one have left
      link.queued = Queued::kNo;
      continue;
    }
    const double share = link.queued == Queued::kExact ? top.level : ShareOf(link);
    if (!Moved(link.share_bps, share)) {
      link.queued = Queued::kNo;  // as in Queue()
    } else if (share > top.level && work_.AnyBelow(share)) {
      link.queued = Queued::kExact;
      work_.Push({share, top.link});  // others come first now
    } else {
      link.queued = Queued::kNo;
      SetShare(top.link, share);
    }
  }
  const bool settled = work_.empty();
  while (!work_.empty()) {  // filling starts there, too: a link that was left to one leads nowhere
    const std::uint32_t link = work_.Pop().link;
    links_[link].queued = Queued::kNo;
    Touch(link);
  }
  return settled;
}

MaxMinSystem::Changes MaxMinSystem::Resolve() {
  // Above this the list would look at most links several times; filling, at most twice.
  constexpr std::size_t kManyLinks = 8192;
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
  std::vector<std::uint32_t> twins(rows_.size(), 0);
  for (const Twins& t : twins_) twins[t.row] = t.count;
  for (const Variable& v : variables_) {
    if (v.state != State::kLive) continue;
    snapshot.weight.push_back(v.weight);
    const double cap_level = OwnCap(static_cast<std::uint32_t>(&v - variables_.data()));
    snapshot.cap_bps.push_back(std::isinf(cap_level) ? 0 : cap_level * v.weight);
    snapshot.rate_bps.push_back(v.level * v.weight);
    const std::size_t count = terms(v.terms).size() + twins[Index(v.terms)];
    const std::span<const Term> solved = all_terms(v.terms).first(count);
    snapshot.terms.emplace_back(solved.begin(), solved.end());
    snapshot.twins += twins[Index(v.terms)];
  }
  return snapshot;
}

}  // namespace weft
