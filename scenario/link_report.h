// Why a run took as long as it did: its hottest links, and what put the load there.
//
// A network link is compared with its siblings, the links that could have carried
// its traffic: those that leave the same switch upwards, or enter the same device
// from above. Much busier than their mean is a hash collision, named with its
// flows; all of them full is oversubscription; a degraded one is a fault.
#pragma once

#include <functional>

#include "scenario/prepare.h"
#include "scenario/run_report.h"
#include "sim/simulation.h"

namespace weft {

// What one seed's run says about the links. `name`: what an edge of a row is called.
LinksReport ReportLinks(const PreparedScenario& scenario, const Simulation& simulation,
                        const Outcome& outcome, std::uint64_t seed,
                        const std::function<std::string(RowId, std::uint32_t)>& name);

// Shares of the bytes that NICs with several ports received: the median NIC's
// busiest port, and the NICs with three times as much on one port as on another.
// None where no such NIC received anything.
struct PortShares {
  double hot_share = 0, share_3to1 = 0;
};
std::optional<PortShares> SharesOfPorts(const Fabric& fabric, const Outcome& outcome);

}  // namespace weft
