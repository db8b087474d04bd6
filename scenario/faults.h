// From the faults of a scenario's file to the events that engines know.
//
// A fault names one element, by the key of its kind: link:, switch:, nic:, host: or plane:.
// It is in its state from `at` on, and whole again at `until`. Of faults of one element that
// overlap the worst holds: it is down while one says so, else as slow as the slowest, and whole
// when all have ended. Without `until` a fault takes the place of one that has none; `state: up`
// ends all.
//
// Errors   no element or several, one that the fabric does not have or that is of another
//          kind than its key says, a rate beside a state, a repair before its fault.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "scenario/scenario.pb.h"
#include "sim/program.h"
#include "topology/fabric.h"

namespace weft {

// The element a fault names, as the user wrote it.
std::string FaultElement(const FaultSpec& fault);

// Events sorted by time, each with the row of its fault.
Result<std::vector<std::pair<Event, std::uint32_t>>> BindFaults(const Located<ScenarioSpec>& spec,
                                                                const Fabric& fabric);

}  // namespace weft
