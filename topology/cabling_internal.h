// The steps of PlanCabling (topology/cabling.h): ports into cages, then plugs into cages.
#pragma once

#include "topology/cabling.h"

namespace weft {

// Fills plan.cages, plan.first_cage and the links and ends of plan.cables.
// Requires: plan.cages_of is set.
// Adds an error for a port that no cage carries and for a device with too few cages.
void PutPortsIntoCages(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan,
                       Errors& errors);

// Fills medium, part, draws of the cages and medium, assembly of the cables.
// Requires: plan.cables have their lengths.
void ChooseMedia(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan,
                 Errors& errors);

// The most that a plug may draw in `cage`, of all parts that fit it.
Watts MostThatFits(const CagePart& cage, const CablingParts& parts);

}  // namespace weft
