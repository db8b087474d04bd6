// A cabling plan as CSV: one row a cable, RFC 4180, a header first.
//
//   cable                        number of the row, from 0
//   a_device, a_port             host3, host3/nic5/port0; the NIC or the lower tier
//   a_cage, a_breakout, a_lanes  cage of the device, 2x200Gbps, lanes in the cage: 0-1
//   a_rack, a_unit               rack by number, its lowest unit
//   b_…                          the same of the other end
//   rate, medium, part           200Gbps, dac; of a cable with plugs its name, else fibre
//   a_optic, b_optic             of an optical cable, its transceivers
//   assembly                     cables of one number are one piece: a breakout cable
//   bundle                       cables of one number go between the same two racks
//   plane                        of the fabric that it is in, from 0
//   rail                         of a host's cable: its NIC's number; empty between switches
//   length_m                     as bought
//   status                       planned
//
// ReadCabling (formats/format.h) reads it back: what is cabled to what, and how fast. What hosts
// are beside their NICs, and latencies, are not in it.
//
// Cost     some 200 bytes a cable.
// Repeats  same plan, same bytes.
#pragma once

#include <string>

#include "topology/cabling.h"
#include "topology/formats/wiring.h"

namespace weft {

// Lanes, breakout and medium of every cable of `wiring`, which is MakeWiring's of `fabric`.
void AddCabling(const Fabric& fabric, const CablingPlan& plan, Wiring& wiring);

std::string CablingCsv(const Fabric& fabric, const CablingParts& parts, const CablingPlan& plan);

}  // namespace weft
