// The work list: after a change, the links whose share can differ, those of the lowest share first.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "sim/flow/max_min.h"

namespace weft {
namespace {

bool Moved(double before, double after) {
  if (before == after) return false;
  if (std::isinf(before) || std::isinf(after)) return true;
  return std::abs(after - before) > kSettled * before;
}

// Members of a link are worked on two at a time: those of even and of odd places, a lane each.
using Two [[gnu::vector_size(16)]] = double;
using Mask [[gnu::vector_size(16)]] = std::int64_t;  // all bits of a lane where something holds

Two Larger(Two a, Two b) { return a > b ? a : b; }
Two Smaller(Two a, Two b) { return a < b ? a : b; }
Two Absolute(Two a) {
  constexpr Mask kAllButSign = {0x7fffffffffffffff, 0x7fffffffffffffff};
  return std::bit_cast<Two>(std::bit_cast<Mask>(a) & kAllButSign);
}

// Of members of a link at a share: what those put on it that get no more elsewhere, the weight of
// the others, and between which shares they are the same.
struct Split {
  // `elsewhere` is Member::elsewhere, `level` that of the link that holds the member elsewhere.
  void Add(Two elsewhere, Two level, Two amount, Two share) {
    const Two gets = Smaller(level, Absolute(elsewhere));
    const Mask is_held = gets <= share;
    held += is_held ? gets * amount : kNone;
    open += is_held ? kNone : amount;
    most_held = Larger(most_held, is_held ? gets : kNone);
    least_open = Smaller(least_open, is_held ? kNever : gets);
    bounds |= is_held & std::bit_cast<Mask>(elsewhere);
  }
  double held_bps() const { return held[0] + held[1]; }
  double open_weight() const { return open[0] + open[1]; }
  bool IsSameAt(double share) const {
    return share >= most_held[0] && share >= most_held[1] && share < least_open[0] &&
           share < least_open[1];
  }
  // Whether that some get no more elsewhere hangs on their lower bounds, which are negative.
  bool IsUnsure() const { return (bounds[0] | bounds[1]) < 0; }

  static constexpr Two kNone = {0, 0};
  static constexpr Two kNever = {std::numeric_limits<double>::infinity(),
                                 std::numeric_limits<double>::infinity()};
  Two held = kNone, open = kNone, most_held = kNone, least_open = kNever;
  Mask bounds = {0, 0};  // of those held
};

}  // namespace

// What those members whose lower bound is not above `share` can get indeed; whether that
// differs from the bounds.
bool MaxMinSystem::AskBounds(LinkRow& link, double share) {
  bool differs = false;
  Member* const first = members_.At(link.members.first);
  for (Member* m = first; m != first + link.count; ++m) {
    if (!m->held() || m->bound() > share) continue;
    Variable& v = variables_[m->variable];
    double elsewhere = v.cap_level;
    for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
      if (i != m->crossing && crossings_[i].member != kNoMember)
        elsewhere = std::min(elsewhere, links_[crossings_[i].link].share_bps);
    if (elsewhere == m->bound()) continue;
    differs = true;
    v.elsewhere = elsewhere;
    SetMembers(v);
  }
  return differs;
}

// Whether the one member of the link leaves its share as it is: ShareOfOne() where nothing need be
// asked. It is wide, or no variable is taken to be alone.
bool MaxMinSystem::StaysAsOne(LinkRow& link) {
  const Member& m = members_[link.members.first];
  const double alone = link.capacity_bps / m.amount;
  if (link.share_bps == kInfinite) {
    const double level = LevelOf(variables_[m.variable]);
    if (level > alone) return false;
    SetLoad(link, level * m.amount);
  } else if (link.share_bps != alone || link.wides > 0 || GetsElsewhere(m) <= alone) {
    return false;
  }
  link.open_weight = m.amount;
  return true;
}

double MaxMinSystem::ShareOfOne(LinkRow& link) {
  const Member& m = members_[link.members.first];
  const double alone = link.capacity_bps / m.amount;
  if (m.held() && m.bound() <= alone) AskBounds(link, alone);
  const double elsewhere = GetsElsewhere(m);
  link.open_weight = m.amount;
  if (elsewhere > alone) {
    link.slack_bps = -kInfinite;
    return alone;
  }
  SetLoad(link, elsewhere * m.amount);
  return kInfinite;
}

// ShareOf() where both members, one or none of them share what the others leave.
double MaxMinSystem::ShareOfTwo(LinkRow& link) {
  const Member* low = members_.At(link.members.first);
  const Member* high = low + 1;
  while (true) {
    double low_gets = GetsElsewhere(*low), high_gets = GetsElsewhere(*high);
    if (high_gets < low_gets) {
      std::swap(low, high);
      std::swap(low_gets, high_gets);
    }
    link.slack_bps = -kInfinite;
    link.open_weight = low->amount + high->amount;
    const double together = link.capacity_bps / link.open_weight;
    if (together < low_gets) return together;
    const double spare = std::max(0.0, link.capacity_bps - low_gets * low->amount);
    const double alone = spare / high->amount, limit = alone < high_gets ? alone : kInfinite;
    const bool unsure = low->held() || (high->held() && limit == kInfinite);
    if (unsure && AskBounds(link, limit)) continue;
    link.open_weight = high->amount;
    if (limit == kInfinite) SetLoad(link, low_gets * low->amount + high_gets * high->amount);
    return limit;
  }
}

// The level at which the link is full: a root of Σ amount · min(level, elsewhere)
// = capacity, which is concave and rises piece by piece. Newton's method from the
// present share comes from below after one step at most and ends when the same
// members as before are held elsewhere.
double MaxMinSystem::ShareOf(LinkRow& link) {
  const double capacity = link.capacity_bps;
  WEFT_CHECK(capacity > 0);
  if (link.wides > 0) AskWides(link);
  if (link.count == 1) return ShareOfOne(link);
  if (link.count == 2) return ShareOfTwo(link);
  const Member* const first = members_.At(link.members.first);
  double share = link.share_bps == kInfinite ? 0 : link.share_bps;
  bool from_below = share == 0;
  while (true) {
    Split split;
    const Two share_of_two = {share, share};
    const auto level = [&](const Member& m) { return links_[m.link].share_bps; };
    const Member* m = first;
    for (; m + 1 < first + link.count; m += 2)
      split.Add(Two{m[0].elsewhere, m[1].elsewhere}, Two{level(m[0]), level(m[1])},
                Two{m[0].amount, m[1].amount}, share_of_two);
    if (m < first + link.count)
      split.Add(Two{m->elsewhere, kInfinite}, Two{level(*m), kInfinite}, Two{m->amount, 0},
                share_of_two);
    if (split.IsUnsure() && AskBounds(link, share)) continue;
    const double held_bps = split.held_bps(), open_weight = split.open_weight();
    if (open_weight == 0) {
      SetLoad(link, held_bps);
      if (held_bps <= capacity || from_below) return kInfinite;
      share = 0;  // past the root, where nothing rises
      from_below = true;
      continue;
    }
    const double next = std::max(0.0, capacity - held_bps) / open_weight;
    link.open_weight = open_weight;
    link.slack_bps = -kInfinite;
    if (next == share || (from_below && next < share)) return share;
    if (split.IsSameAt(next)) return next;  // the same are held elsewhere
    share = next;
    from_below = true;
  }
}

void MaxMinSystem::Queue(std::uint32_t l) {
  LinkRow& link = links_[l];
  if (link.queued) return;
  const double share = ShareOf(link);
  if (Moved(link.share_bps, share)) Put(l, share, moves_);  // else who changes that will tell it
}

// On the work list with a share, which is right until another has moved; `moves` 0: with a guess.
void MaxMinSystem::Put(std::uint32_t l, double level, std::uint32_t moves) {
  links_[l].queued = true;
  links_[l].slack_bps = kInfinite;
  work_.Push({level, l, moves});
}

// Of a link that has lost its last member nobody need be told.
void MaxMinSystem::Empty(std::uint32_t l) {
  LinkRow& link = links_[l];
  SetLoad(link, 0);
  if (link.share_bps == kInfinite) return;
  link.share_bps = kInfinite;
  NoteMoved(l);
}

void MaxMinSystem::NoteMoved(std::uint32_t l) {
  if (!links_[l].moved) moved_links_.push_back(l);
  links_[l].moved = true;
}

// Of most members nothing has to be told: those that another link holds back, and that stay there.
void MaxMinSystem::SetShare(std::uint32_t l, double share) {
  LinkRow& link = links_[l];
  const double before = link.share_bps;
  link.share_bps = share;
  NoteMoved(l);
  ++moves_;
  SortOut(link, share, share > before);
  Raise(link, share, share - before);
  Member* const first = members_.At(link.members.first);
  for (std::uint32_t i = 0; i < others_.count; ++i)
    SetShareOfOther(first[others_.at[i]], l, before, share);
  QueueTold();
}

// Which members the link holds, and of which others more has to be found out: without a branch,
// for there is no pattern in it.
void MaxMinSystem::SortOut(const LinkRow& link, double share, bool rises) {
  const std::uint32_t count = link.count;
  if (held_.at.size() < count)
    for (Places* places : {&held_, &others_}) places->at.resize(count);
  std::uint32_t *held = held_.at.data(), *others = others_.at.data();
  const Member* const first = members_.At(link.members.first);
  if (rises && link.wides == 0) {
    for (std::uint32_t i = 0; i < count; ++i) {
      *held = i;
      held += first[i].held();
    }
  } else {
    // It has not come below any that gets less elsewhere. Of wide ones all are looked at.
    const double least = link.wides > 0 ? 0 : share;
    for (std::uint32_t i = 0; i < count; ++i) {
      *held = *others = i;
      held += first[i].held();
      others += first[i].elsewhere >= least;  // not where it is held
    }
  }
  held_.count = static_cast<std::uint32_t>(held - held_.at.data());
  others_.count = static_cast<std::uint32_t>(others - others_.at.data());
}

// The variables that the link goes on holding back get `more`: TellOthers() in the case that is
// nearly all of them. Those that get no more elsewhere join the others.
void MaxMinSystem::Raise(const LinkRow& link, double share, double more) {
  constexpr std::uint32_t kAhead = 4;
  const Member* const first = members_.At(link.members.first);
  const std::uint32_t* const held = held_.at.data();
  for (std::uint32_t i = 0; i < held_.count; ++i) {
    if (i + kAhead < held_.count) {
      const Member& ahead = first[held[i + kAhead]];
      __builtin_prefetch(crossings_.At(ahead.crossing - ahead.place));
    }
    const Member& m = first[held[i]];
    if (share > m.bound()) {
      others_.at[others_.count++] = held[i];
      continue;
    }
    const Crossing* const own = crossings_.At(m.crossing);
    const Crossing* c = own - m.place;
    for (const Crossing* const end = c + m.count; c != end; ++c) {
      if (c == own || c->member == kNoMember) continue;
      LinkRow& other = links_[c->link];
      other.slack_bps -= more * c->amount;
      if (!(other.slack_bps > 0)) TellRaised(*c, more);
    }
  }
}

// A link that is full, or by now may be, and of which a variable gets `more` elsewhere.
void MaxMinSystem::TellRaised(const Crossing& c, double more) {
  LinkRow& link = links_[c.link];
  if (link.told || link.queued) return;
  if (link.share_bps == kInfinite) return Tell(c.link);
  // Others will follow: its share is found when its turn comes.
  Put(c.link, std::max(0.0, link.share_bps - more * c.amount / link.open_weight), 0);
}

// SetShare() for a member of which more has to be found out.
void MaxMinSystem::SetShareOfOther(Member& m, std::uint32_t link, double before, double share) {
  if (m.kind == Member::Kind::kWide) {
    SetShareOfWide(m, link, before, share);
  } else if (m.held() || share <= GetsElsewhere(m)) {
    Rehold(m.variable, link, HeldBefore(variables_[m.variable], link, before));
  } else if (m.kind == Member::Kind::kOfLink && share < m.elsewhere) {
    LowerBound(m, share);
  }
}

// Finds out anew what holds the variable back, which `was` until now, and tells its other links;
// `link` is the one that has changed.
void MaxMinSystem::Rehold(std::uint32_t id, std::uint32_t link, const Held& was) {
  Variable& v = variables_[id];
  Hold(v);
  const Held now = HeldNow(v);
  if (now.bottleneck != was.bottleneck) Note(id);
  const bool stays = now.level == was.level && now.bottleneck == was.bottleneck;
  if (stays && now.elsewhere == was.elsewhere) return;
  if (v.wide == kNarrow) SetMembers(v);
  if (!stays) TellOthers(v, link, was);
}

// The link of the member, which is not the variable's bottleneck, has come between its level and
// what it could get but for that. Half the way is left: the link will go on moving.
void MaxMinSystem::LowerBound(Member& m, double share) {
  Variable& v = variables_[m.variable];
  if (share < v.elsewhere) {
    const double level = LevelOf(v);
    v.elsewhere = level + (share - level) / 2;
    const Crossing* c = crossings_.At(v.crossings.first);
    while (LinkId{c->link} != v.bottleneck) ++c;
    members_[c->member].elsewhere = -v.elsewhere;
  }
  m.elsewhere = v.elsewhere;
}

// What the variable can get elsewhere matters to another of its links only where it
// is below that link's share, and to a link that is not full only where it fills it.
void MaxMinSystem::TellOthers(const Variable& v, std::uint32_t link, const Held& was) {
  if (v.wide != kNarrow) return TellOthersWide(v, link, was);
  const Held now = HeldNow(v);
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i) {
    const Crossing& c = crossings_[i];
    if (c.link == link || c.member == kNoMember) continue;
    const double before = Elsewhere(was, c.link), after = Elsewhere(now, c.link);
    if (before != after) TellOther(c, before, after);
  }
}

void MaxMinSystem::TellOther(const Crossing& c, double before, double after) {
  LinkRow& other = links_[c.link];
  if (std::min(before, after) >= other.share_bps) return;
  other.slack_bps -= (after - before) * c.amount;
  if (!(other.slack_bps > 0)) Tell(c.link);
}

// The link is to be looked at, once all that its members get elsewhere is known.
void MaxMinSystem::Tell(std::uint32_t l) {
  LinkRow& link = links_[l];
  if (link.told || link.queued) return;
  link.told = true;
  link.slack_bps = kInfinite;
  told_.push_back(l);
}

void MaxMinSystem::QueueTold() {
  for (const std::uint32_t l : told_) {
    links_[l].told = false;
    if (links_[l].count > 0) Queue(l);  // else all but one have left since
  }
  told_.clear();
}

// The work list. False where it does not settle within its budget; the shares
// are then of no use.
bool MaxMinSystem::Settle() {
  moves_ = 1;
  for (const std::uint32_t l : touched_) {
    LinkRow& link = links_[l];
    if (link.count == 0)
      Empty(l);
    else if (options_.alone && link.count == 1 && link.wides == 0 && link.capacity_bps > 0)
      LeaveAlone(l);
  }
  QueueTold();
  for (const std::uint32_t l : touched_) {
    LinkRow& link = links_[l];
    const bool is_slack = link.slack_bps > 0;  // it may be no number
    if (link.count > 0 && !is_slack && !(link.count == 1 && StaysAsOne(link))) Queue(l);
  }
  std::size_t budget = 1000 + 16 * touched_.size();
  while (!work_.empty() && budget-- > 0) {
    const WorkList::Item top = work_.Pop();
    LinkRow& link = links_[top.link];
    link.queued = false;
    const bool exact = top.stamp == moves_ && top.level < kInfinite;
    if (exact) link.slack_bps = -kInfinite;
    const double share = exact ? top.level : ShareOf(link);
    if (!Moved(link.share_bps, share)) continue;  // as in Queue()
    if (share > top.level && work_.AnyBelow(share))
      Put(top.link, share, moves_);  // others come first now
    else
      SetShare(top.link, share);
  }
  const bool settled = work_.empty();
  while (!work_.empty()) {  // filling starts there, too: a link that was left to one leads nowhere
    const std::uint32_t link = work_.Pop().link;
    links_[link].queued = false;
    Touch(link);
  }
  return settled;
}

}  // namespace weft
