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

#include "planner/candidate.h"

namespace weft {

// Plugs of `ports` ports each at `links` links that `devices` devices share as evenly as they go.
std::int64_t EvenPlugs(std::int64_t links, std::int64_t devices, int ports);
// The same where devices are filled one after the other, `each` links a device.
std::int64_t PackedPlugs(std::int64_t links, std::int64_t each, int ports);

// What a host draws with the candidate's NICs; of a supernode all of it.
Watts DrawOfHost(const Question& question, const Candidate& candidate);

// Whether a reader's figure has a part in the plan: a row of its bill, or what fails in it.
bool HasEffect(const Question& question, const Candidate& plan, const Override& given);

// Fills bom, totals, network and site_watts. Requires: counts, kits and racks.
void BillCandidate(const Question& question, const CableMarket& market, Candidate& candidate);

}  // namespace weft
