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
// Method   Every link has a share: the level at which it is full, given what its
//          variables can get elsewhere (infinite: it never fills). Shares that
//          agree with each other are the max-min allocation: a variable's level
//          is its least share or its cap, and that link is its bottleneck. After a
//          change only links whose share can differ are looked at again, lowest
//          share first. Where much changes at once, or the list does not settle
//          soon, the component that the change can reach is filled anew by
//          weighted progressive filling [BG92 §6.5.2].
// Shapes   L links, V variables, P terms in all variables together.
// Units    bits per second; weights and coefficients are plain numbers > 0.
// Errors   none. What the caller adds is checked: WEFT_CHECK.
// Cost     Resolve O(terms of the variables on links that are looked at), or
//          O(p log l) for a component of p terms and l links; nothing is allocated
//          once the tables have grown to their size.
// Repeats  a link's load is summed from its members in id order, so rates do not
//          depend on the order in which they came, but for kSettled.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/units.h"
#include "topology/fabric.h"

namespace weft {

// A share or rate that moves by less, relatively, has not moved.
inline constexpr double kSettled = 1e-12;

struct Term {
  std::uint32_t link = 0;
  double coefficient = 1;
};

// Rows of a MaxMinSystem's terms.
struct TermRange {
  std::uint32_t first = 0, count = 0;
};

class MaxMinSystem {
 public:
  explicit MaxMinSystem(std::vector<double> capacity_bps);

  // Stores terms for later use by any number of variables. Requires: no link twice.
  TermRange AddTerms(std::span<const Term> terms);
  std::span<const Term> terms(TermRange range) const {
    return std::span(terms_).subspan(range.first, range.count);
  }

  // A new variable takes the lowest id that is free. `cap_bps` 0: no cap.
  // Requires: weight > 0, and a term or a cap.
  std::uint32_t Add(TermRange terms, double weight, double cap_bps);
  // The same, paused from the start: Resume() gives it terms.
  std::uint32_t AddPaused(double weight);
  void Remove(std::uint32_t id);
  // Off its links at rate 0, its id kept, until Resume() with the terms it has then.
  void Pause(std::uint32_t id);
  void Resume(std::uint32_t id, TermRange terms, double cap_bps);
  void SetCapacity(std::uint32_t link, double bps);

  // Brings all rates up to date; returns the variables whose rate changed, ascending.
  // Requires: every link with a variable on it has a capacity > 0.
  std::span<const std::uint32_t> Resolve();

  // The same by filling alone: the reference that Resolve() is tested against.
  std::span<const std::uint32_t> ResolveByFilling();

  double rate_bps(std::uint32_t id) const { return variables_[id].rate_bps; }
  // The full link that holds the variable back; kNoLink: its cap does.
  LinkId bottleneck(std::uint32_t id) const { return variables_[id].bottleneck; }
  double capacity_bps(std::uint32_t link) const { return capacity_bps_[link]; }

  // A copy of what is solved, for MaxMinResidual(). Cost O(L + P).
  struct Snapshot {
    std::vector<double> capacity_bps;               // [L]
    std::vector<double> weight, cap_bps, rate_bps;  // [V]
    std::vector<std::vector<Term>> terms;           // [V]
  };
  Snapshot Snap() const;

 private:
  struct Variable {
    TermRange terms;
    double weight = 1, cap_bps = 0, rate_bps = 0;
    LinkId bottleneck = kNoLink;
    std::uint32_t stamp = 0;  // of its living members; older ones are dead
    bool live = false, paused = false;
  };
  struct Member {
    std::uint32_t variable = 0, stamp = 0;
    double coefficient = 1;
  };
  struct Share {
    double level = 0;
    std::uint32_t link = 0;
    bool operator>(const Share& other) const {
      return level != other.level ? level > other.level : link > other.link;
    }
  };

  std::uint32_t TakeId(double weight);
  void Enter(std::uint32_t id);
  void Leave(std::uint32_t id);
  void Touch(std::uint32_t link);
  void Tidy(std::uint32_t link);
  void Collect();
  void Fill();
  bool Settle();
  void Queue(std::uint32_t link);
  void QueueNeighbours(std::uint32_t link, double before);
  double ShareOf(std::uint32_t link);
  double LevelElsewhere(std::uint32_t id, std::uint32_t link) const;
  void Update(std::uint32_t id);
  void UpdateMembers();
  std::span<const std::uint32_t> Changed();
  double ExactShare(std::uint32_t link) const;
  void Fix(std::uint32_t id, double rate_bps, LinkId bottleneck);

  std::vector<double> capacity_bps_;          // [L]
  std::vector<double> share_bps_;             // [L] infinite: never full
  std::vector<std::vector<Member>> members_;  // [L], ascending by variable once tidy
  std::vector<Term> terms_;
  std::vector<Variable> variables_;
  std::vector<std::uint32_t> free_;  // heap, lowest id on top
  std::vector<std::uint32_t> touched_;
  std::vector<std::uint32_t> entered_;  // variables that came or went on

  // Scratch of one Resolve().
  std::uint32_t epoch_ = 0;
  std::vector<std::uint32_t> link_epoch_, variable_epoch_, fixed_epoch_;
  std::vector<std::uint32_t> links_, component_, changed_;
  std::vector<double> spare_bps_, open_weight_;  // [L]
  std::vector<std::uint32_t> open_count_;        // [L]
  std::vector<Share> heap_, caps_;
  std::vector<std::uint8_t> queued_, moved_;  // [L] in the work list; share has moved
  std::vector<std::uint32_t> moved_links_;
  std::vector<double> elsewhere_;
};

// Largest relative violation of the conditions above: of a capacity, of a cap,
// or of a variable without a bottleneck; 0 where the rates are exact. The oracle
// of the tests: it shares no code with MaxMinSystem. Cost O(P).
double MaxMinResidual(const MaxMinSystem::Snapshot& system);

}  // namespace weft
