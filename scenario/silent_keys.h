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
  bool (*silent)(const PreparedScenario& scenario) = nullptr;
};

std::span<const SilentKey> SilentKeys();

}  // namespace weft
