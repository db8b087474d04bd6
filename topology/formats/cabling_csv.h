// A cabling plan as CSV: one row a cable, RFC 4180, a header first.
//
//   cable                        number of the row, from 0
//   a_device, a_port             host3, host3/nic5/port0; the NIC or the lower tier
//   a_cage, a_breakout, a_lanes  cage of the device, 2x200Gbps, lanes in the cage: 0-1
//   a_rack, a_unit               rack by number, its lowest unit
//   b_…                          the same of the other end
//   rate, medium, part           200Gbps, dac; of a cable with plugs its name
//   a_optic, b_optic             of an optical cable, its transceivers
//   assembly                     cables of one number are one piece: a breakout cable
//   length_m                     as bought
//   status                       planned
//
// Cost     some 200 bytes a cable.
// Repeats  same plan, same bytes.
#pragma once

#include <string>

#include "topology/cabling.h"

namespace weft {

std::string CablingCsv(const Fabric& fabric, const CablingParts& parts, const CablingPlan& plan);

}  // namespace weft
