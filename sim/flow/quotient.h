// A Program's symmetric parts, each simulated once: replicas of a data-parallel job, rails.
//
// Rows, edges and links are parted into classes, finer and finer, until
//
//   rows    of a class are alike (kind, amount, tuning, job, block, coupling), run patterns of one
//           class, and wait for as many rows of each class, in streams and by dependency;
//   edges   of a class are alike (bytes, latency, cap, QPs, channel), belong to patterns of one
//           class, and put the same shares on as many links of each class;
//   links   of a class have one capacity, and carry the same sum of shares of each class of edges.
//
// Such a partition is equitable [GR01 §9.3]. Max-min rates are unique [BG92 §6.5.2], so edges of a
// class that are at work at the same time have the same rate: were two rates different, averaging
// over the class would be fair as well. By induction over time rows of a class start and end
// together. So one row of each class is run, over one link of each class, on which each edge puts
// what all edges of its class do there. Nothing of this is assumed of a family of fabrics or of a
// routing policy: it is read off the bound paths.
//
// Watched  Between switches paths of replicas differ as a rule, and the classes would be of one
//          each. But a link that is never full changes no rate. So those between switches may be
//          left out and watched: rates that are fair without them, and that none of them would
//          refuse, are fair with them. The classes are then as coarse as can be.
// Apart    Where one fills, links are told apart by what crosses them alone: rings on the one hand,
//          sends and all else on the other. A ring that is slow across a spine does not then tell
//          one replica's sends from another's, though both leave by one NIC. That holds as long
//          as no link is crossed by both at one time: each link that both cross is watched for it.
//
// Not folded: programs with jitter, ordered rounds, unequal amounts or unbound QPs; runs with
// events.
//
// Errors   classes are told apart by 128-bit hashes: two that differ are taken for one with odds
//          of 1e-26 for a million of each.
// Cost     O(hops + streams and dependencies of rows) a round, five or so rounds; it gives up as
//          soon as the partition is too fine to pay, or has cost a fifth of what a run does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/path_table.h"
#include "sim/schedule.h"

namespace weft {

// Flows that start (an edge, each time it is run) over those of the classes: folding pays beyond.
inline constexpr double kLeastFolding = 4;

// How links tell classes apart: see the top.
enum class Telling : std::uint8_t { kWatched, kApart, kTogether };

// The reason where links between switches are all that some traffic crosses; where two classes of
// links, of rings and of all else, have one link between them, which cannot be both.
inline constexpr const char* kNoEnds = "traffic starts and ends at switches";
inline constexpr const char* kNoLinkEach = "a link stands for two";

struct Quotient {
  Program program;                          // one row a class, in the order of first members
  std::vector<std::uint8_t> tight;          // [rows of program]
  std::vector<std::uint32_t> class_of_row;  // [rows of the whole]
  std::vector<std::uint32_t> first_member;  // [rows of program + 1] into members
  std::vector<std::uint32_t> members;       // rows of the whole, by class, ascending
  // [groups · L] the link simulated in its place; kNoLink: none. kApart has two groups, else one.
  std::vector<LinkId> link_of;
  std::vector<std::uint8_t> group_of;        // [subjects of the whole]
  std::vector<std::uint32_t> edge_of;        // [edges of the whole] of paths
  std::vector<std::uint32_t> whole_subject;  // [subjects of paths] of the whole's paths
  std::unique_ptr<PathTable> paths;          // of `program`

  // Links that must not be full, or not be crossed by both groups; those alike once: rows of
  // watched_terms.
  struct Watched {
    double capacity_bps = 0;  // 0: not by both
    std::uint32_t first_term = 0, term_count = 0;
    LinkId link = kNoLink;  // one of them
  };
  struct WatchedTerm {
    std::uint32_t edge = 0;  // of paths
    double coefficient = 0;
    std::uint8_t group = 0;
  };
  std::vector<Watched> watched;
  std::vector<WatchedTerm> watched_terms;
};

// What the flow engine knows of the whole program when it is to be folded.
struct QuotientInput {
  const Fabric* fabric = nullptr;
  Physics physics;
  const Schedule* schedule = nullptr;
  const PathTable* paths = nullptr;
  std::vector<std::uint8_t> tight;   // [rows]
  std::vector<std::uint8_t> silent;  // [L] MaxMinSystem's, never full
  bool memoise = false;
};

// What is worth trying first: kApart where rings alone would fill a link between switches, were
// each as fast as its hosts' links let it be, all rings at once; else kWatched. A guess, for what
// is tried and fails costs as much as what does not.
Telling FirstTelling(const QuotientInput& input);

// Null with a reason in `refused`, or with none where folding could not pay.
// Requires: one program was appended, nothing has run.
std::unique_ptr<Quotient> MakeQuotient(const QuotientInput& input, Telling how,
                                       std::string& refused);

}  // namespace weft
