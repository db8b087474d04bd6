// Variables that cross many links, as a channel of a ring does: thousands, of which
// a handful are full. Their bottleneck is looked for among these; and what they can
// get elsewhere is not copied to every link whenever it moves, but asked for by a link
// that is looked at.
#include <algorithm>
#include <bit>
#include <tuple>

#include "base/check.h"
#include "base/random.h"
#include "sim/flow/max_min.h"

namespace weft {

// [L] The terms that put anything on a link that only wide ones cross, ascending.
struct MaxMinSystem::TermsOfLinks {
  struct Entry {
    std::uint32_t row = 0;
    double coefficient = 1;
    bool operator==(const Entry&) const = default;
  };
  std::span<const Entry> of(std::uint32_t link) const {
    return std::span(entries).subspan(first[link], first[link + 1] - first[link]);
  }
  std::vector<std::uint32_t> first;  // [L + 1]
  std::vector<Entry> entries;
};

MaxMinSystem::TermsOfLinks MaxMinSystem::WideTermsOfLinks() const {
  constexpr std::uint32_t kNone = 0xffffffff;
  TermsOfLinks all;
  all.first.assign(link_count_ + 1, 0);
  const auto for_each = [&](bool wide, const auto& visit) {
    for (std::uint32_t row = 0; row < rows_.size(); ++row)
      if ((rows_[row].count > kFewLinks) == wide)
        for (const Term& term : terms(TermsId{row})) visit(row, term);
  };
  for_each(true, [&](std::uint32_t, const Term& term) { ++all.first[term.link + 1]; });
  for_each(false, [&](std::uint32_t, const Term& term) { all.first[term.link + 1] = 0; });
  std::vector<std::uint32_t> at(link_count_, kNone);  // where its next entry goes
  for (std::uint32_t l = 0; l < link_count_; ++l) {
    if (all.first[l + 1] > 0) at[l] = all.first[l];
    all.first[l + 1] += all.first[l];
  }
  all.entries.resize(all.first.back());
  for_each(true, [&](std::uint32_t row, const Term& term) {
    if (at[term.link] != kNone) all.entries[at[term.link]++] = {row, term.coefficient};
  });
  return all;
}

void MaxMinSystem::SilenceTwins() {
  WEFT_CHECK(variables_.empty());
  const auto wide = [](const TermsRow& row) { return row.count > kFewLinks; };
  if (std::none_of(rows_.begin(), rows_.end(), wide)) return;
  const TermsOfLinks all = WideTermsOfLinks();
  struct Key {
    std::uint64_t hash = 0;
    double capacity_bps = 0;
    std::uint32_t link = 0;
  };
  std::vector<Key> keys;
  for (std::uint32_t l = 0; l < link_count_; ++l) {
    if (all.of(l).empty()) continue;
    Key key{0, links_[l].capacity_bps, l};
    for (const TermsOfLinks::Entry& entry : all.of(l))
      key.hash = Mix64(key.hash ^ entry.row ^ std::bit_cast<std::uint64_t>(entry.coefficient));
    keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
    return std::tie(a.hash, a.capacity_bps, a.link) < std::tie(b.hash, b.capacity_bps, b.link);
  });
  std::vector<std::uint8_t> silent(link_count_, 0);
  const auto same = [&](std::uint32_t a, std::uint32_t b) {
    const auto x = all.of(a), y = all.of(b);
    return std::equal(x.begin(), x.end(), y.begin(), y.end());
  };
  for (std::size_t k = 1, kept = 0; k < keys.size(); ++k) {
    const bool twin = keys[k].hash == keys[kept].hash && same(keys[k].link, keys[kept].link);
    silent[keys[k].link] = twin ? 1 : 0;
    if (!twin) kept = k;
  }
  SilenceOwn(all, silent);
  for (std::uint32_t r = 0; r < rows_.size(); ++r)
    if (wide(rows_[r])) SilenceTerms(r, [&](const Term& term) { return silent[term.link] != 0; });
}

// Terms of the row for which that holds go to its end, and are silent.
template <typename IsSilent>
void MaxMinSystem::SilenceTerms(std::uint32_t r, const IsSilent& is_silent) {
  TermsRow& row = rows_[r];
  Term* const first = &terms_[row.first];
  Term* const last = first + row.count;
  const auto count =
      static_cast<std::uint32_t>(last - std::stable_partition(first, last, [&](const Term& term) {
                                   return !is_silent(term);
                                 }));
  row.count -= count;
  row.silent += count;
  if (count > 0) twins_.push_back({r, count});
}

void MaxMinSystem::SilenceLone(std::span<const std::uint8_t> lone) {
  WEFT_CHECK(variables_.empty() && lone.size() == link_count_);
  const auto level = [&](const Term& term) {
    return links_[term.link].capacity_bps / term.coefficient;
  };
  std::vector<std::uint32_t> off;  // links
  const auto is_off = [&](const Term& term) {
    return std::find(off.begin(), off.end(), term.link) != off.end();
  };
  for (std::uint32_t r = 0; r < rows_.size(); ++r) {
    const std::span<const Term> terms = this->terms(TermsId{r});
    // Those of many links, whatever SilenceTwins() has left of them, keep the places that they
    // have.
    if (terms.size() + rows_[r].silent > kFewLinks) continue;
    off.clear();
    for (const Term& term : terms) {
      const auto holds = [&](const Term& other) {
        return other.link != term.link && level(other) <= level(term) && !is_off(other);
      };
      if (lone[term.link] != 0 && std::any_of(terms.begin(), terms.end(), holds))
        off.push_back(term.link);
    }
    if (off.empty()) continue;
    std::uint64_t places = 0;
    for (std::size_t i = 0; i < terms.size(); ++i)
      if (is_off(terms[i])) places |= std::uint64_t{1} << i;
    SilenceTerms(r, is_off);
    twins_.back().places = places;
  }
}

// Of the links that one row alone crosses only the tightest can hold it, and that only where none
// that it shares is tighter still.
void MaxMinSystem::SilenceOwn(const TermsOfLinks& all, std::vector<std::uint8_t>& silent) const {
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    if (rows_[row].count <= kFewLinks) continue;
    double least = kInfinite;
    for (const Term& term : terms(TermsId{row}))
      least = std::min(least, links_[term.link].capacity_bps / term.coefficient);
    for (const Term& term : terms(TermsId{row})) {
      const double level = links_[term.link].capacity_bps / term.coefficient;
      if (all.of(term.link).size() == 1 && level > least) silent[term.link] = 1;
    }
  }
}

// Terms that were silent go where they were among the others: of links that hold a variable as
// tightly the first is its bottleneck.
void MaxMinSystem::RestorePlaces(const Twins& twins) {
  const std::span<const Term> now = terms(TermsId{twins.row});
  WEFT_CHECK(now.size() <= kFewLinks);  // a place is a bit
  const std::vector<Term> before(now.begin(), now.end());
  auto other = before.begin(), silent = before.end() - twins.count;
  for (std::size_t i = 0; i < before.size(); ++i)
    terms_[rows_[twins.row].first + i] = (twins.places >> i & 1) != 0 ? *silent++ : *other++;
}

void MaxMinSystem::RestoreTwins() {
  if (twins_.empty()) return;
  std::vector<std::uint8_t> restored(rows_.size(), 0);
  for (const Twins& twins : twins_) {
    rows_[twins.row].count += twins.count;
    rows_[twins.row].silent -= twins.count;
    restored[twins.row] = 1;
    if (twins.places != 0) RestorePlaces(twins);
  }
  twins_.clear();
  for (std::uint32_t id = 0; id < variables_.size(); ++id) {
    const State state = variables_[id].state;
    const bool on_links = state == State::kLive || state == State::kLeaving;  // it may be replaced
    if (!on_links || restored[Index(variables_[id].terms)] == 0) continue;
    Leave(id);
    Enter(id);
  }
}

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

void MaxMinSystem::Wide::Put(std::uint32_t row, Full entry) {
  full[row] = entry;
  at[entry.crossing] = row;
}

// `entry` takes the place of what stands at `row`, or of nothing.
void MaxMinSystem::Wide::Replace(std::uint32_t row, Full entry) {
  for (; row > 0 && entry < full[(row - 1) / 2]; row = (row - 1) / 2) Put(row, full[(row - 1) / 2]);
  const auto size = static_cast<std::uint32_t>(full.size());
  for (std::uint32_t child = 2 * row + 1; child < size; child = 2 * row + 1) {
    if (child + 1 < size && full[child + 1] < full[child]) ++child;
    if (!(full[child] < entry)) break;
    Put(row, full[child]);
    row = child;
  }
  Put(row, entry);
}

void MaxMinSystem::Wide::Add(Full entry) {
  full.push_back(entry);
  Replace(static_cast<std::uint32_t>(full.size()) - 1, entry);
}

void MaxMinSystem::FindFull(const Variable& v) {
  Wide& wide = wides_[v.wide];
  wide.full.clear();
  wide.at.resize(v.count);
  for (std::uint32_t i = 0; i < v.count; ++i) {
    const double share = links_[crossings_[v.crossings.first + i].link].share_bps;
    if (share < kInfinite) wide.Add({share, i});
  }
}

void MaxMinSystem::TrackFull(const Variable& v, std::uint32_t crossing, double before,
                             double after) {
  Wide& wide = wides_[v.wide];
  const Wide::Full entry{after, crossing - v.crossings.first};
  if (before == kInfinite) {
    if (after == kInfinite) return;
    return wide.Add(entry);
  }
  const std::uint32_t row = wide.at[entry.crossing];
  WEFT_CHECK(row < wide.full.size() && wide.full[row].crossing == entry.crossing);
  if (after < kInfinite) return wide.Replace(row, entry);
  const Wide::Full last = wide.full.back();
  wide.full.pop_back();
  if (row < wide.full.size()) wide.Replace(row, last);
}

// As Hold(): of links with equal shares the first of its terms is the bottleneck.
void MaxMinSystem::HoldWide(Variable& v) const {
  const std::vector<Wide::Full>& full = wides_[v.wide].full;
  v.elsewhere = full.empty() ? kInfinite : full.front().share_bps;
  v.bottleneck = kNoLink;
  if (!(v.elsewhere < v.cap_level)) return;
  v.elsewhere = v.cap_level;
  for (std::size_t row = 1; row < std::min<std::size_t>(full.size(), 3); ++row)
    v.elsewhere = std::min(v.elsewhere, full[row].share_bps);
  v.bottleneck = LinkId{crossings_[v.crossings.first + full.front().crossing].link};
}

// SetShare() for one wide member: what it can get elsewhere is kept exactly.
void MaxMinSystem::SetShareOfWide(Member& own, std::uint32_t link, double before, double share) {
  Variable& v = variables_[own.variable];
  TrackFull(v, own.crossing, before, share);
  const bool holds = v.bottleneck == LinkId{link};
  if (holds && share <= v.elsewhere)
    return TellOthersWide(v, link, {before, v.elsewhere, v.bottleneck});
  if (!holds && std::min(before, share) > v.elsewhere) return;
  Rehold(own.variable, link, HeldBefore(v, link, before));
}

// TellOthers(), but for the links' copies: they ask. Of a link of its own that does not fill
// nothing more is asked.
void MaxMinSystem::TellOthersWide(const Variable& v, std::uint32_t link, const Held& was) {
  constexpr std::uint32_t kAhead = 8;
  const Held now = HeldNow(v);
  const Crossing* const first = crossings_.At(v.crossings.first);
  for (std::uint32_t i = 0; i < v.count; ++i) {
    if (i + kAhead < v.count) __builtin_prefetch(&links_[first[i + kAhead].link], 1);
    const Crossing& c = first[i];
    if (c.link == link) continue;
    const double before = Elsewhere(was, c.link), after = Elsewhere(now, c.link);
    if (before == after) continue;
    LinkRow& other = links_[c.link];
    if (std::min(before, after) >= other.share_bps) continue;
    other.slack_bps -= (after - before) * c.amount;
    if (other.slack_bps > 0) continue;
    const bool own = other.count == 1 && other.share_bps == kInfinite;
    if (own && after <= other.capacity_bps / c.amount && !other.told && !other.queued) {
      SetLoad(other, after * c.amount);  // as ShareOfOne()
      continue;
    }
    Tell(c.link);
  }
}

// Brings the link's copies of what its wide members can get elsewhere up to date.
void MaxMinSystem::AskWides(LinkRow& link) {
  for (std::uint32_t i = link.members.first; i < link.members.first + link.count; ++i) {
    Member& m = members_[i];
    const Variable& v = variables_[m.variable];
    if (v.wide == kNarrow) continue;
    m.elsewhere = Elsewhere(HeldNow(v), crossings_[m.crossing].link);
  }
}

}  // namespace weft
