// Variables that cross many links, as a channel of a ring does: thousands, of which
// a handful are full. Going through all of them whenever its level moves took a third
// of a training iteration with tight channels.
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
  double most = v.cap_level;  // by itself it fills a link at capacity / amount
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i) {
    LinkRow& link = links_[crossings_[i].link];
    ++link.wides;
    most = std::min(most, link.capacity_bps / crossings_[i].amount);
  }
  wides_[v.wide].most = most;
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
    if (crossings_[i].share < kInfinite) full.push_back(i);
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
    const double share = crossings_[i].share;
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

// TellOthers(): links that are not full counted it with the most it can get, so they
// need not know, unless that was too little (a capacity has risen since).
void MaxMinSystem::TellOthersWide(const Variable& v, std::uint32_t link, const Held& was) {
  const Held now{v.level, v.elsewhere, v.bottleneck};
  Wide& wide = wides_[v.wide];
  for (const std::uint32_t i : wide.full) {
    const Crossing& c = crossings_[i];
    if (c.link == link) continue;
    const double before = Elsewhere(was, c.link), after = Elsewhere(now, c.link);
    if (before != after) TellOther(c, before, after);
  }
  if (v.level <= wide.most || v.level == kInfinite) return;
  const double before = wide.most;
  wide.most = v.level;
  for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
    if (crossings_[i].share == kInfinite) TellOther(crossings_[i], before, v.level);
}

// Brings the link's copies up to date; returns by how much its wide members may yet
// put more on it than they do now.
double MaxMinSystem::AskWides(LinkRow& link) {
  double more = 0;
  for (std::uint32_t i = link.members.first; i < link.members.first + link.count; ++i) {
    Member& m = members_[i];
    const Variable& v = variables_[m.variable];
    if (v.wide == kNarrow) continue;
    const std::uint32_t l = crossings_[m.crossing].link;
    m.elsewhere = Elsewhere({v.level, v.elsewhere, v.bottleneck}, l);
    more += std::max(0.0, wides_[v.wide].most - m.elsewhere) * m.amount;
  }
  return more;
}

}  // namespace weft
