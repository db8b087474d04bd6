#include "sim/flow/max_min.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace weft {
namespace {

constexpr std::uint32_t kFewMembers = 32;

double Largest(const std::vector<double>& capacity_bps) {
  const auto most = std::max_element(capacity_bps.begin(), capacity_bps.end());
  return most == capacity_bps.end() || *most <= 0 ? 1 : *most;
}

}  // namespace

MaxMinSystem::MaxMinSystem(std::vector<double> capacity_bps, const MaxMinOptions& options)
    : options_(options),
      link_count_(static_cast<std::uint32_t>(capacity_bps.size())),
      links_(capacity_bps.size() + 1),
      work_(Largest(capacity_bps)),
      link_epoch_(capacity_bps.size()) {
  for (std::uint32_t l = 0; l < link_count_; ++l) {
    links_[l].capacity_bps = capacity_bps[l];
    SetLoad(links_[l], 0);
  }
}

void MaxMinSystem::Restart(std::span<const double> capacity_bps) {
  WEFT_CHECK(capacity_bps.size() == link_count_);
  links_.assign(links_.size(), {});
  for (std::uint32_t l = 0; l < link_count_; ++l) {
    links_[l].capacity_bps = capacity_bps[l];
    SetLoad(links_[l], 0);
  }
  members_.Clear();
  crossings_.Clear();
  terms_.clear();
  rows_.clear();
  variables_.clear();
  wides_.clear();
  twins_.clear();
  free_.Clear();
  for (std::vector<std::uint32_t>* rows :
       {&free_wides_, &leaving_, &touched_, &noted_, &reported_, &moved_links_, &told_})
    rows->clear();
  own_caps_.clear();
  epoch_ = 0;
  link_epoch_.assign(link_count_, 0);
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
      WEFT_CHECK(term.link < link_count_ && term.coefficient > 0);
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
  links_[link].slack_bps += (bps - links_[link].capacity_bps) * (1 - kNearlyFull);
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
  Crossing* next = crossings_.At(v.crossings.first);
  for (const Term& term : terms) {
    __builtin_prefetch(&links_[term.link], 1);
    *next++ = {term.link, 0, v.weight * term.coefficient};
  }
  for (std::uint32_t i = 0; i < v.count; ++i)
    if (!TakeAlone(terms[i].link, id, v.crossings.first + i)) Touch(terms[i].link);
  if (v.count > kFewLinks) EnterWide(v);
  Hold(v);
  Note(id);
  const double level = LevelOf(v);
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i) {
    const Crossing& c = crossings_[i];
    if (c.member == kNoMember) continue;
    LinkRow& link = links_[c.link];
    link.slack_bps -= level * c.amount;
    AddMember(link, NewMember(id, i));
  }
}

MaxMinSystem::Member MaxMinSystem::NewMember(std::uint32_t id, std::uint32_t crossing) const {
  const Variable& v = variables_[id];
  Member m;
  m.amount = crossings_[crossing].amount;
  m.variable = id;
  m.crossing = crossing;
  if (v.wide == kNarrow) {
    m.count = static_cast<std::uint8_t>(v.count);
    m.place = static_cast<std::uint8_t>(crossing - v.crossings.first);
  }
  SetMember(v, m);
  return m;
}

// What a member says of its variable.
void MaxMinSystem::SetMember(const Variable& v, Member& m) const {
  const LinkId own{crossings_[m.crossing].link};
  m.kind = Member::Kind::kOfLink;
  m.elsewhere = v.elsewhere;
  m.link = link_count_;
  if (v.wide != kNarrow) {
    m.kind = Member::Kind::kWide;
    m.elsewhere = Elsewhere(HeldNow(v), Index(own));
  } else if (v.bottleneck == kNoLink) {
    m.kind = Member::Kind::kOfCap;
    m.elsewhere = v.cap_level;
  } else if (v.bottleneck != own) {
    m.link = Index(v.bottleneck);
  } else {
    m.elsewhere = -v.elsewhere;
  }
}

void MaxMinSystem::SetMembers(const Variable& v) {
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
    if (crossings_[i].member != kNoMember) SetMember(v, members_[crossings_[i].member]);
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
  const double level = LevelOf(v), amount = crossings_[crossing].amount;
  SetLoad(link, level * amount);
  if (v.cap_link == LinkId{l}) {
    const bool held = v.bottleneck == kNoLink;
    if (held) {
      link.share_bps = level;
      link.slack_bps = -kInfinite;
      link.open_weight = amount;
      v.bottleneck = LinkId{l};
      Note(id);
    }
    crossings_[crossing].member = 0;  // no cap any more
    FindCap(id);
    v.elsewhere = held ? level : std::min(v.elsewhere, v.cap_level);
    crossings_[crossing].member = kNoMember;
    if (held) SetMembers(v);
  }
  AddMember(link, NewMember(id, crossing));
}

// The link's one member is alone on it from now on.
void MaxMinSystem::LeaveAlone(std::uint32_t l) {
  LinkRow& link = links_[l];
  const Member m = members_[link.members.first];
  Variable& v = variables_[m.variable];
  const Held was = HeldNow(v);
  const LinkId cap_link = v.cap_link;
  link.count = 0;
  LeaveTo(link, m.variable, m.crossing);
  Empty(l);
  v.cap_level == link.capacity_bps / m.amount ? FindCap(m.variable)
                                              : CapByLink(v, crossings_[m.crossing]);
  Rehold(m.variable, l, was);
  const bool other_cap = LevelOf(v) != was.level || v.cap_link != cap_link;
  if (v.bottleneck == kNoLink && other_cap) Note(m.variable);
}

void MaxMinSystem::Leave(std::uint32_t id) {
  Variable& v = variables_[id];
  const double level = LevelOf(v);
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
    link.slack_bps += level * c.amount;
    DropMember(link, c.member);
    Touch(c.link);
  }
  v.count = 0;
  v.cap_level = 0;
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
  v.elsewhere = elsewhere;
  v.bottleneck = bottleneck;
}

void MaxMinSystem::Place(std::uint32_t at, const Member& member) {
  members_[at] = member;
  crossings_[member.crossing].member = at;
}

// Links of few members are kept in order at once, others when they are next solved.
void MaxMinSystem::AddMember(LinkRow& link, const Member& member) {
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
  for (std::uint32_t i = 0; i < link.count; ++i)
    crossings_[members[i].crossing].member = link.members.first + i;
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
  for (std::uint32_t l = 0; l < link_count_; ++l)
    snapshot.capacity_bps.push_back(links_[l].capacity_bps);
  std::vector<std::uint32_t> twins(rows_.size(), 0);
  for (const Twins& t : twins_) twins[t.row] = t.count;
  for (const Variable& v : variables_) {
    if (v.state != State::kLive) continue;
    snapshot.weight.push_back(v.weight);
    const double cap_level = OwnCap(static_cast<std::uint32_t>(&v - variables_.data()));
    snapshot.cap_bps.push_back(std::isinf(cap_level) ? 0 : cap_level * v.weight);
    snapshot.rate_bps.push_back(LevelOf(v) * v.weight);
    const std::size_t count = terms(v.terms).size() + twins[Index(v.terms)];
    const std::span<const Term> solved = all_terms(v.terms).first(count);
    snapshot.terms.emplace_back(solved.begin(), solved.end());
    snapshot.twins += twins[Index(v.terms)];
  }
  return snapshot;
}

}  // namespace weft
