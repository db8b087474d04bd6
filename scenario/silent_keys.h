// Keys that a user can give and that change nothing in some setting: one row each.
//
// A knob that silently does nothing is a defect: Prepare() walks the table and warns of
// every row whose key was given and whose setting holds. Keys of a workload that only its
// builder can judge are with that builder (Workload::warnings).
#pragma once

#include <span>

#include "scenario/prepare.h"

namespace weft {

struct SilentKey {
  const char* path;  // of the key
  const char* why;   // it has no effect
  // Of a key below fabric: from the scenario's spec and fabric alone, which weft topology has.
  bool (*silent)(const PreparedScenario& scenario) = nullptr;
};

std::span<const SilentKey> SilentKeys();

// Keys below fabric: that were given and have no effect in it: what Prepare() warns of, for those
// who run nothing.
std::vector<Error> FabricKeysWithoutEffect(const Located<ScenarioSpec>& spec,
                                           std::shared_ptr<const Fabric> fabric);

}  // namespace weft
