// Coolers of switch chips: hardware/presets/cooler/*.yaml.
#pragma once

#include <optional>
#include <string_view>

#include "base/units.h"

namespace weft {

// What the cooler preset `name` allows its chip to draw; none where there is no such preset.
std::optional<Watts> CoolerPower(std::string_view name);

}  // namespace weft
