// The bill of a candidate that is counted, not built.
//
// Cages are counted device by device: no plug serves two. Of what is cabled (evaluate.h) the bill
// is that of the cages themselves, and may differ where lengths were estimated.
//
//   hosts with their NICs · switches by tier · plugs and fibre, or cables with plugs, tier by tier
//   frontend and storage: a port a host on the fewest tiers, 1:1 · out of band: 48 ports a switch
//   racks · spares of all but hosts and racks, each row's share rounded up
//
// Errors   none: what cannot be is a broken rule of the candidate.
// Cost     some 10 us.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "planner/candidate.h"
#include "planner/screen_memo.h"

namespace weft {

// Plugs of `ports` ports each at `links` links that `devices` devices share as evenly as they go.
std::int64_t EvenPlugs(std::int64_t links, std::int64_t devices, int ports);
// The same where devices are filled one after the other, `each` links a device.
std::int64_t PackedPlugs(std::int64_t links, std::int64_t each, int ports);

// ", 8 rails", as the use of a switch says where nothing joins them; else nothing.
std::string RailsOf(const Design& design);

// What the counts of its bill do not say: planes, spines that wait for growth, as HPN's do from the
// first day, and a ratio of leaves, of HPN's once full, where the network is not 1:1. Requires:
// counts.
std::vector<BomKey> KeysOf(const Question& question, const Candidate& candidate);

// Why a reader's figure says nothing of the plan; empty: it does, of a row of its bill or of what
// fails in it.
std::string LacksEffect(const Question& question, const Candidate& plan, const Override& given);

// No fabric of the design, however its racks fill and its cables run, costs or draws less: hosts,
// switches and the networks beside are as counted; each link by the cheapest parts that fit its
// cages, by short ones at most as many as have their ends near each other; the fewest racks.
// Requires: screened and feasible.
struct BillFloor {
  double usd = 0, watts = 0;  // at the middle prices; of equipment
};
// A way to make a link, up to a length.
struct LinkOption {
  Metres reach;
  double usd = 0, watts = 0;
};
// By the two cages and their rate, so that each is looked for once a question.
using LinkOptions = std::map<std::array<double, 9>, std::vector<LinkOption>>;
BillFloor LeastBill(const Question& question, const CableMarket& market, const Candidate& candidate,
                    LinkOptions& known);

// Fills bom, totals, network and site_watts. Requires: counts, kits and racks.
void BillCandidate(ScreenMemo& memo, Candidate& candidate);

}  // namespace weft
