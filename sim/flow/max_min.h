// Weighted max-min fair rates, kept up to date as flows come, go and move.
//
// A flow is a variable: on link l it puts coefficient·rate, and its level is
// rate / weight. Rates are max-min fair when no level can rise without lowering
// another that is no higher. They are unique, and exactly those in which every
// variable is at its own cap or has a bottleneck: a full link that it crosses,
// on which no other variable has a higher level. [BG92 §6.5.2]
//
//        link a, 400G       link b, 100G         variable 0 (a)     350G
//     o ============== o ================= o     variable 1 (a, b)   50G
//                                                variable 2 (b)      50G
//
// Method   Every link that several variables cross has a share: the level at which it is
//          full, given what its variables can get elsewhere (infinite: it never fills). Shares that
//          agree with each other are the max-min allocation: a variable's level
//          is its least share or its cap, and that link is its bottleneck. After a
//          change only links whose share can differ are looked at again, lowest
//          share first. Where much changes at once, or the list does not settle
//          soon, the component that the change can reach is filled anew by
//          weighted progressive filling [BG92 §6.5.2].
// Implicit A variable has no rate of its own: its level is its bottleneck's share, and another
//          link that it crosses reads it there. What a change costs is the links whose share moves,
//          their members and the variables that change bottleneck; of one that only gets another
//          level nothing is written but what is left of its other links.
// Alone    A link that one variable alone crosses is no more than a cap of its own: it has no
//          share, is in no list, and nothing is looked at when that variable moves or goes, nor
//          when it comes to a link that was empty before. Of few flows on many links most
//          crossings are such. Variables of many links are left out.
// Replaced A variable that leaves and comes back with the same terms, weight and
//          cap before the next Resolve() has not changed anything.
// Shapes   L links, V variables, P terms in all variables together.
// Units    bits per second; weights and coefficients are plain numbers > 0.
// Errors   none. What the caller adds is checked: WEFT_CHECK.
// Cost     Resolve O(terms of the variables on links that are looked at), or
//          O(p log l) for a component of p terms and l links; nothing is allocated
//          once the tables have grown to their size.
// Repeats  a link's load is summed from its members in id order, those of even and of odd places
//          each, so rates do not depend on the order in which they came, but for kSettled, nor on
//          the machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/table.h"
#include "base/units.h"
#include "sim/flow/chunk_pool.h"
#include "sim/flow/free_ids.h"
#include "sim/flow/work_list.h"
#include "topology/fabric.h"

namespace weft {

// A share that moves by less, relatively, has not moved.
inline constexpr double kSettled = 1e-12;
// A link that carries less than its capacity by this need not be summed: far above the drift of a
// load kept in passing.
inline constexpr double kNearlyFull = 1e-6;

struct Term {
  std::uint32_t link = 0;
  double coefficient = 1;
};

// What variables may put on links, stored once: a row of MaxMinSystem.
enum class TermsId : std::uint32_t {};
constexpr std::uint32_t Index(TermsId id) { return static_cast<std::uint32_t>(id); }

struct MaxMinOptions {
  bool work_list = true;  // look again only at what can change; else fill anew
  bool replace = true;    // a variable replaced by its like changes nothing
  bool alone = true;      // a link that one variable alone crosses is a cap of that variable
};

class MaxMinSystem {
 public:
  explicit MaxMinSystem(std::vector<double> capacity_bps, const MaxMinOptions& options = {});

  // As it was made, with other capacities; the memory stays. Requires: as many links.
  void Restart(std::span<const double> capacity_bps);

  // Room for a variable with each of the terms stored, at once.
  void Reserve();

  // Takes links off that can never matter, of those that only variables of many links cross: where
  // the same terms put the same on a link that is no wider (of equal ones the lowest id stays), or
  // where the one variable that crosses it is held more by another of its links.
  // They are silent until RestoreTwins(), which comes before any more terms. Requires: no variable
  // yet. Cost O(P), O(l log l) for the links of such variables.
  void SilenceTwins();
  // The same of links that never more than one variable crosses at a time (`lone` [L]): such a link
  // is no more than a cap, and matters to no variable of few links that another of them holds as
  // tightly. Cost O(P).
  void SilenceLone(std::span<const std::uint8_t> lone);
  void RestoreTwins();

  // Stores terms for later use by any number of variables. `silent` are links
  // that the caller knows can never hold a variable back: they are kept for
  // all_terms() alone. Requires: no link twice.
  TermsId AddTerms(std::span<const Term> terms, std::span<const Term> silent = {});
  std::span<const Term> terms(TermsId id) const {
    return std::span(terms_).subspan(rows_[Index(id)].first, rows_[Index(id)].count);
  }
  std::span<const Term> all_terms(TermsId id) const {
    const TermsRow& row = rows_[Index(id)];
    return std::span(terms_).subspan(row.first, row.count + row.silent);
  }
  std::uint32_t terms_count() const { return static_cast<std::uint32_t>(rows_.size()); }

  // A new variable takes the lowest id that is free. `cap_bps` 0: no cap.
  // Requires: weight > 0, and a term that is not silent or a cap.
  std::uint32_t Add(TermsId terms, double weight, double cap_bps);
  // The same, paused from the start: Resume() gives it terms.
  std::uint32_t AddPaused(double weight);
  // Takes effect, and frees the id, at the next Resolve().
  void Remove(std::uint32_t id);
  // Off its links at rate 0, its id kept, until Resume() with the terms it has then.
  void Pause(std::uint32_t id);
  void Resume(std::uint32_t id, TermsId terms, double cap_bps);
  void SetCapacity(std::uint32_t link, double bps);

  struct Changes {
    std::span<const std::uint32_t> links;  // whose share moved
    // That were added, resumed, or are held by something else; of those by themselves, each whose
    // level moved.
    std::span<const std::uint32_t> variables;
  };
  // Brings all shares up to date. The spans hold until the next call.
  // Requires: every link with a variable on it has a capacity > 0.
  Changes Resolve();

  // The same by filling alone: the reference that Resolve() is tested against.
  Changes ResolveByFilling();

  double level_bps(std::uint32_t id) const { return LevelOf(variables_[id]); }
  double weight(std::uint32_t id) const { return variables_[id].weight; }
  double rate_bps(std::uint32_t id) const { return level_bps(id) * weight(id); }
  // The full link that holds the variable back; kNoLink: its cap does.
  LinkId bottleneck(std::uint32_t id) const {
    return by_itself(id) ? variables_[id].cap_link : variables_[id].bottleneck;
  }
  // What holds it back is its own: its cap, or a link that nothing else crosses.
  bool by_itself(std::uint32_t id) const { return variables_[id].bottleneck == kNoLink; }
  // The level of what `link` holds back of variables that are not by themselves; infinite where it
  // holds none.
  double share_bps(std::uint32_t link) const { return links_[link].share_bps; }
  double capacity_bps(std::uint32_t link) const { return links_[link].capacity_bps; }

  // Calls visit(id) for every variable that `link` holds back and that is not by itself, ascending.
  template <typename Visit>
  void ForEachHeld(std::uint32_t link, Visit visit) const {
    const LinkRow& row = links_[link];
    for (std::uint32_t i = row.members.first; i < row.members.first + row.count; ++i) {
      const Member& m = members_[i];
      const bool is_wide = m.kind == Member::Kind::kWide;
      if (is_wide ? variables_[m.variable].bottleneck == LinkId{link} : m.held()) visit(m.variable);
    }
  }

  // Ask the memory for what Remove(id) and its links will read: first for the variable, then for
  // what that says.
  void Prefetch(std::uint32_t id) const { __builtin_prefetch(&variables_[id], 1); }
  void PrefetchCrossings(std::uint32_t id) const {
    __builtin_prefetch(crossings_.At(variables_[id].crossings.first));
  }
  void PrefetchLinks(std::uint32_t id) const {
    const Variable& v = variables_[id];
    if (v.wide != kNarrow) return;
    for (std::uint32_t i = v.crossings.first; i < v.crossings.first + v.count; ++i)
      __builtin_prefetch(&links_[crossings_[i].link], 1);
  }
  // The same of the terms stored after these, which Add() may be given next.
  void PrefetchRow(TermsId terms) const { __builtin_prefetch(&rows_[Index(terms)] + 1, 1); }
  void PrefetchTermsAfter(TermsId terms) const {
    const TermsRow& row = rows_[Index(terms)];
    const std::size_t next = row.first + row.count + row.silent, line = 64 / sizeof(Term);
    if (next + line >= terms_.size()) return;
    __builtin_prefetch(&terms_[next]);
    __builtin_prefetch(&terms_[next + line]);
  }

  // A copy of what is solved, twins that are silent included, for MaxMinResidual(). Cost O(L + P).
  struct Snapshot {
    std::vector<double> capacity_bps;               // [L]
    std::vector<double> weight, cap_bps, rate_bps;  // [V]
    std::vector<std::vector<Term>> terms;           // [V]
    std::size_t twins = 0;                          // of these terms, silent
  };
  Snapshot Snap() const;

 private:
  static constexpr double kInfinite = std::numeric_limits<double>::infinity();
  static constexpr std::uint32_t kNoVariable = 0xffffffff, kNarrow = 0xffffffff;
  static constexpr std::uint32_t kNoMember = 0xffffffff;
  static constexpr std::uint32_t kFewLinks = 64;  // more: a variable is wide
  enum class State : std::uint8_t { kFree, kPaused, kLive, kLeaving };
  struct TermsRow {
    std::uint32_t first = 0, count = 0, silent = 0;
    std::uint32_t leaving = 0;  // a variable with these terms that was removed, + 1
  };
  struct alignas(64) Variable {
    double elsewhere = kInfinite;  // the least of all but the bottleneck, or less (see Member)
    double weight = 1;
    double cap_level = 0;  // the least of its own and of links that it alone crosses
    Chunk crossings;
    std::uint32_t count = 0;  // of crossings
    TermsId terms{0};
    LinkId bottleneck = kNoLink;   // kNoLink: its cap_level holds it
    LinkId cap_link = kNoLink;     // whose level cap_level is; kNoLink: its own
    std::uint32_t wide = kNarrow;  // row of wides_
    State state = State::kFree;
    bool noted = false;  // it is in noted_
  };
  // More about a variable of many links: those that are full, as a heap, the least share first.
  struct Wide {
    struct Full {
      double share_bps = 0;
      std::uint32_t crossing = 0;  // of the variable's, from its first
      bool operator<(const Full& other) const {
        return share_bps != other.share_bps ? share_bps < other.share_bps
                                            : crossing < other.crossing;
      }
    };
    std::vector<Full> full;
    std::vector<std::uint32_t> at;  // [crossings of the variable] row of `full`, if it is there

    void Put(std::uint32_t row, Full entry);
    void Replace(std::uint32_t row, Full entry);
    void Add(Full entry);
  };
  // A variable on a link, as the variable sees it …
  struct Crossing {
    std::uint32_t link = 0;
    std::uint32_t member = 0;  // the link's that is this one; kNoMember: it is alone there
    double amount = 1;         // weight · coefficient
  };
  // … and as the link does. What the variable gets elsewhere is the share of the link that holds it
  // back, and is read there. Of a variable that this link holds back it is a lower bound only: that
  // the second of its links moved matters to nobody before the first has come up to it, and then
  // ShareOf() asks.
  struct Member {
    enum class Kind : std::uint8_t {
      kOfLink,  // this link or another holds it back
      kOfCap,   // its cap does
      kWide     // it has many links, and is asked
    };
    bool held() const { return std::signbit(elsewhere); }  // by this link
    double bound() const { return -elsewhere; }            // where it is held

    // What the variable gets elsewhere, as AskWides() or its cap says; of one that another link
    // holds back no less than Variable::elsewhere. Negative where this link does: a lower bound.
    double elsewhere = kInfinite;
    double amount = 1;
    std::uint32_t variable = 0;
    std::uint32_t crossing = 0;  // row of crossings_
    std::uint32_t link = 0;      // the other that holds it; where none does one that never fills
    // Of a variable that is not wide: of crossings, and which of them this one is.
    std::uint8_t count = 0, place = 0;
    Kind kind = Kind::kWide;
    std::uint8_t unused = 0;
  };
  static_assert(sizeof(Member) == 32);  // copied in two equal parts, the last byte too
  static_assert(kFewLinks <= 255);
  // Of members of a link, by their place there.
  struct Places {
    std::vector<std::uint32_t> at;
    std::uint32_t count = 0;
  };
  struct Share {
    double level = 0;
    std::uint32_t link = 0;
    bool operator>(const Share& other) const {
      return level != other.level ? level > other.level : link > other.link;
    }
  };
  // What holds a variable.
  struct Held {
    double level = 0, elsewhere = 0;
    LinkId bottleneck = kNoLink;
  };
  // What a step of the work list reads of a link, in one cache line.
  struct alignas(64) LinkRow {
    double capacity_bps = 0, share_bps = kInfinite;
    // Where the share is infinite: what its members, by what they get elsewhere, leave of the
    // capacity until it is nearly full, kept in passing and found anew with the share. -infinite
    // where that is not; and infinite while the link is told or queued, whatever its share. Where
    // what is got elsewhere was infinite it may be no number, and counts as nothing left.
    double slack_bps = 0;
    double open_weight = 1;             // of those it held back when ShareOf() last found its share
    Chunk members;                      // of a variable that is alone: `first` is its crossing
    std::uint32_t count = 0;            // of members, 0 where a variable is alone
    std::uint32_t wides = 0;            // of these wide
    std::uint32_t alone = kNoVariable;  // the one that crosses it and is no member
    bool told = false, queued = false;  // it is in told_, in work_
    bool touched = false, moved = false;
    bool untidy = false;  // members are dead or out of order
  };
  static_assert(sizeof(Variable) == 64 && sizeof(LinkRow) == 64);

  struct Twins {
    std::uint32_t row = 0, count = 0;  // of terms that are silent as twins
    std::uint64_t places = 0;          // by bit, where they were: of a row of few links
  };

  // A link while a component is filled: what its open members share.
  struct Filling {
    double spare_bps = 0, open_weight = 0, share_before = 0;
    std::uint32_t open_count = 0;
  };

  std::uint32_t TakeId(double weight);
  void Enter(std::uint32_t id);
  bool TakeAlone(std::uint32_t l, std::uint32_t id, std::uint32_t crossing);
  void LeaveAlone(std::uint32_t l);
  void LeaveTo(LinkRow& link, std::uint32_t id, std::uint32_t crossing);
  void EndAlone(std::uint32_t l);
  double LevelOf(const Variable& v) const {
    return v.bottleneck == kNoLink ? v.cap_level : links_[Index(v.bottleneck)].share_bps;
  }
  double OwnCap(std::uint32_t id) const {
    return id < own_caps_.size() ? own_caps_[id] : kInfinite;
  }
  void CapByLink(Variable& v, const Crossing& own);
  void FindCap(std::uint32_t id);
  void Leave(std::uint32_t id);
  void LeaveForGood();
  void Touch(std::uint32_t link);
  Member NewMember(std::uint32_t id, std::uint32_t crossing) const;
  void SetMember(const Variable& v, Member& m) const;
  void SetMembers(const Variable& v);
  void AddMember(LinkRow& link, const Member& member);
  void DropMember(LinkRow& link, std::uint32_t at);
  void Place(std::uint32_t at, const Member& member);
  void Note(std::uint32_t id);
  void Tidy(LinkRow& link);
  void Begin();
  Changes Report();

  // max_min_settle.cc: the work list
  bool Settle();
  void Queue(std::uint32_t link);
  void Empty(std::uint32_t link);
  void NoteMoved(std::uint32_t link);
  void SetShare(std::uint32_t link, double share);
  void SetShareOfWide(Member& own, std::uint32_t link, double before, double share);
  void SortOut(const LinkRow& link, double share, bool rises);
  void Raise(const LinkRow& link, double share, double more);
  [[gnu::noinline]] void TellRaised(const Crossing& c, double more);
  void SetShareOfOther(Member& m, std::uint32_t link, double before, double share);
  void Put(std::uint32_t link, double level, std::uint32_t moves);
  void LowerBound(Member& m, double share);
  void Rehold(std::uint32_t id, std::uint32_t link, const Held& was);
  void TellOthers(const Variable& v, std::uint32_t link, const Held& was);
  void TellOther(const Crossing& c, double before, double after);
  [[gnu::noinline]] void Tell(std::uint32_t link);
  void QueueTold();
  double ShareOf(LinkRow& link);
  double ShareOfOne(LinkRow& link);
  double ShareOfTwo(LinkRow& link);
  bool StaysAsOne(LinkRow& link);
  // Without a branch: which of the two it is is no pattern.
  double GetsElsewhere(const Member& m) const {
    const double share = links_[m.link].share_bps;
    const double elsewhere = std::abs(m.elsewhere);
    return share < elsewhere ? share : elsewhere;
  }
  bool AskBounds(LinkRow& link, double share);
  static void SetLoad(LinkRow& link, double bps) {
    link.slack_bps = link.capacity_bps * (1 - kNearlyFull) - bps;
  }
  static double Elsewhere(const Held& held, std::uint32_t link) {
    return held.bottleneck == LinkId{link} ? held.elsewhere : held.level;
  }
  Held HeldNow(const Variable& v) const { return {LevelOf(v), v.elsewhere, v.bottleneck}; }
  // Before `link` had another share than `share`.
  Held HeldBefore(const Variable& v, std::uint32_t link, double share) const {
    return {v.bottleneck == LinkId{link} ? share : LevelOf(v), v.elsewhere, v.bottleneck};
  }
  // Elsewhere and bottleneck from the shares.
  void Hold(Variable& v) const;

  // max_min_wide.cc: variables of many links
  struct TermsOfLinks;
  TermsOfLinks WideTermsOfLinks() const;
  template <typename IsSilent>
  void SilenceTerms(std::uint32_t row, const IsSilent& is_silent);
  void RestorePlaces(const Twins& twins);
  void SilenceOwn(const TermsOfLinks& all, std::vector<std::uint8_t>& silent) const;
  void EnterWide(Variable& v);
  void LeaveWide(Variable& v);
  void FindFull(const Variable& v);
  void TrackFull(const Variable& v, std::uint32_t crossing, double before, double after);
  void HoldWide(Variable& v) const;
  void TellOthersWide(const Variable& v, std::uint32_t link, const Held& was);
  void AskWides(LinkRow& link);

  // max_min_filling.cc
  void FillComponent();
  void Collect();
  void Fill();
  double ExactShare(std::uint32_t link) const;
  void Fix(std::uint32_t id, double level);

  MaxMinOptions options_;
  std::uint32_t link_count_ = 0;   // L
  Table<LinkRow> links_;           // [L + 1], the last one never fills
  ChunkPool<Member> members_;      // by link, ascending by variable once tidy
  ChunkPool<Crossing> crossings_;  // by variable, as its terms
  Table<Term> terms_;
  Table<TermsRow> rows_;
  Table<Variable> variables_;
  std::vector<Wide> wides_;
  std::vector<Twins> twins_;
  std::vector<std::uint32_t> free_wides_;
  FreeIds free_;
  std::vector<std::uint32_t> leaving_;  // removed since the last Resolve()
  std::vector<std::uint32_t> touched_;  // links whose members or capacity changed
  std::vector<std::uint32_t> noted_, reported_, moved_links_;
  std::vector<std::uint32_t> told_;  // links to look at once those now told of it have been
  std::vector<double> own_caps_;     // [V], as far as any has a cap

  // Scratch of one Resolve().
  WorkList work_;
  std::uint32_t moves_ = 1;  // of shares, and one; a share on the list is right while none moves
  Places held_, others_;     // of a link whose share moves: those it holds, and those to look at
  std::uint32_t epoch_ = 0;
  std::vector<std::uint32_t> link_epoch_, variable_epoch_, fixed_epoch_;
  std::vector<std::uint32_t> component_links_, component_;
  std::vector<Filling> filling_;      // [L], once anything is filled
  std::vector<double> filled_level_;  // [V], of those fixed
  std::size_t open_variables_ = 0;
  std::vector<Share> heap_, caps_;
};

// Largest relative violation of the conditions above: of a capacity, of a cap,
// or of a variable without a bottleneck; 0 where the rates are exact. The oracle
// of the tests: it shares no code with MaxMinSystem. Cost O(P).
double MaxMinResidual(const MaxMinSystem::Snapshot& system);

}  // namespace weft
