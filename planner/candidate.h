// A candidate: one accelerator, one network design, its bill of materials and what it breaks.
//
// Screening counts a design in closed form (planner/design.h), takes what its cables are made of
// from an estimate of their lengths (planner/link_kit.h), and prices and powers it by rows of the
// catalogue. Every rule that a plan must pass is a named check with its numbers; the first that a
// candidate breaks is its binding constraint.
//
//   lengths   of a cable of a segment: 6 m + 0.6 m a rack, in its own rack 3 m; of one between
//             tiers: to the hall's far corner from its middle, rows of 20 racks 3 m apart; both
//             10 % slack: as topology/racks.h places them, without placing them
//
// Units    as types say; a plan's watts are the middle of the catalogue's.
// Errors   none: a design that cannot be is a candidate with a binding constraint.
// Cost     some 30 us a candidate.
// Repeats  same question, same candidates in the same order with the same ids.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planner/bom.h"
#include "planner/design.h"
#include "planner/link_kit.h"
#include "planner/question.h"
#include "planner/sizing.h"
#include "reliability/reliability.h"

namespace weft {

class ScreenMemo;

struct RuleCheck {
  std::string rule;  // "leaf ports"
  bool ok = true;
  std::string said;  // "64 + 64 of 128"
};

struct Candidate {
  std::string id;                               // "h800/rail_optimized/2-tier/400G/51.2T/1:1/even"
  std::uint32_t accelerator = 0, chip = 0;      // rows of Question
  std::int64_t accelerators = 0;                // as sized
  std::int64_t populated = 0, provisioned = 0;  // hosts as the network sees them
  Design design;
  DesignCounts counts;
  std::array<std::optional<LinkKit>, 3> kits;  // NIC to leaf, leaf to spine, spine to core
  bool assumed_nic_cage = false;               // a QSFP112, for the NIC's own has slower lanes
  std::array<Metres, 3> lengths;
  std::int64_t racks = 0, own_racks = 0;  // own_racks: of them, hosts that are racks
  int hosts_of_rack = 1;                  // of a supernode's own rack, servers
  Bom bom;
  BomTotals totals, network;  // network: all but hosts and racks
  double host_watts = 0, site_watts = 0;
  ComponentCounts components;
  std::int64_t stopped_gpus = 0;  // by the worst single part
  std::string worst_part;
  std::vector<RuleCheck> broken;  // the rules that it breaks; the first is binding
  bool exact = false;             // bill and watts are those of the fabric that was built

  bool feasible() const { return broken.empty(); }
  double capex() const { return totals.price.mid.count(); }
  // Of one GPU: what its NIC sends at, and what is left where all leave their leaf at once; where
  // routers are joined, where each sends to all alike.
  BitRate gpu_rate() const;
  double oversubscription() const;
};

// What the question leaves open, one candidate each: distinct ids, in a fixed order.
std::vector<Candidate> EnumerateCandidates(const Question& question,
                                           const std::vector<SizingRow>& sizing);

// Fills everything below `design` and finds what it breaks.
void ScreenCandidate(const Question& question, const CableMarket& market, Candidate& candidate);
// The same of many: `memo` keeps what they have in common.
void ScreenCandidate(ScreenMemo& memo, Candidate& candidate);

// Every rule, in order, passed or not. Requires: screened.
std::vector<RuleCheck> CheckRules(const Question& question, const Candidate& candidate);
// Those of them that it breaks, at a third of the cost.
std::vector<RuleCheck> FindBrokenRules(const Question& question, const Candidate& candidate);

// The NIC and its leaf, or two switches: the ends of a tier's links. Requires: screened.
std::array<LinkEnd, 2> EndsOfLink(const Question& question, const Candidate& candidate,
                                  std::size_t tier);

// The scenario of a candidate without placement and workload: "fabric: { … }".
std::string ScenarioText(const Question& question, const Candidate& candidate);

}  // namespace weft
