// Variables that cross many links, as a channel of a ring does: thousands, of which
// a handful are full. Their bottleneck is looked for among these; and what they can
// get elsewhere is not copied to every link whenever it moves, but asked for by a link
// that is looked at.
#include <algorithm>

#include "base/check.h"
#include "sim/flow/max_min.h"

namespace weft {

void MaxMinSystem::EnterWide(Variable& v) {
  v.wide = static_cast<std::uint32_t>(wides_.size());
  if (free_wides_.empty()) {
    wides_.emplace_back();
  } else {
    v.wide = free_wides_.back();
    free_wides_.pop_back();
  }
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
    ++links_[crossings_[i].link].wides;
  FindFull(v);
}

void MaxMinSystem::LeaveWide(Variable& v) {
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
    --links_[crossings_[i].link].wides;
  free_wides_.push_back(v.wide);
  v.wide = kNarrow;
}

void MaxMinSystem::FindFull(const Variable& v) {
  std::vector<std::uint32_t>& full = wides_[v.wide].full;
  full.clear();
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
    if (links_[crossings_[i].link].share_bps < kInfinite) full.push_back(i);
}

void MaxMinSystem::TrackFull(const Variable& v, std::uint32_t crossing, double before,
                             double after) {
  std::vector<std::uint32_t>& full = wides_[v.wide].full;
  if (before == kInfinite && after < kInfinite) full.push_back(crossing);
  if (before == kInfinite || after < kInfinite) return;
  const auto found = std::find(full.begin(), full.end(), crossing);
  WEFT_CHECK(found != full.end());
  *found = full.back();
  full.pop_back();
}

// As Hold(): of links with equal shares the first of its terms is the bottleneck.
void MaxMinSystem::HoldWide(Variable& v) const {
  double level = v.cap_level, elsewhere = kInfinite;
  std::uint32_t at = kNoVariable;
  for (const std::uint32_t i : wides_[v.wide].full) {
    const double share = links_[crossings_[i].link].share_bps;
    if (share < level || (share == level && at != kNoVariable && i < at)) {
      elsewhere = level;
      level = share;
      at = i;
    } else if (share < elsewhere) {
      elsewhere = share;
    }
  }
  v.level = level;
  v.elsewhere = elsewhere;
  v.bottleneck = at == kNoVariable ? kNoLink : LinkId{crossings_[at].link};
}

// SetShare() for one wide member: what it can get elsewhere is kept exactly.
void MaxMinSystem::SetShareOfWide(std::uint32_t member, std::uint32_t link, double before,
                                  double share) {
  Member& own = members_[member];
  Variable& v = variables_[own.variable];
  TrackFull(v, own.crossing, before, share);
  const Held was{v.level, v.elsewhere, v.bottleneck};
  if (was.bottleneck == LinkId{link} && share <= was.elsewhere) {
    v.level = share;
    return TellOthersWide(v, link, was);
  }
  if (was.bottleneck != LinkId{link} && std::min(before, share) > was.elsewhere) return;
  Hold(v, link, own);
}

// TellOthers(), but for the links' copies: they ask.
void MaxMinSystem::TellOthersWide(const Variable& v, std::uint32_t link, const Held& was) {
  constexpr std::uint32_t kAhead = 8;
  const Held now{v.level, v.elsewhere, v.bottleneck};
  const Crossing* const first = &crossings_[v.crossings.first];
  for (std::uint32_t i = 0; i < v.count; ++i) {
    if (i + kAhead < v.count) __builtin_prefetch(&links_[first[i + kAhead].link], 1);
    const Crossing& c = first[i];
    if (c.link == link) continue;
    const double before = Elsewhere(was, c.link), after = Elsewhere(now, c.link);
    if (before != after) TellOther(c, before, after);
  }
}

// Brings the link's copies of what its wide members can get elsewhere up to date.
void MaxMinSystem::AskWides(LinkRow& link) {
  for (std::uint32_t i = link.members.first; i < link.members.first + link.count; ++i) {
    Member& m = members_[i];
    const Variable& v = variables_[m.variable];
    if (v.wide == kNarrow) continue;
    m.elsewhere = Elsewhere({v.level, v.elsewhere, v.bottleneck}, crossings_[m.crossing].link);
  }
}

}  // namespace weft
