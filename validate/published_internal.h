// The parts of CheckPublished().
#pragma once

#include "validate/published.h"

namespace weft {

// Iterations of training; `quick`: without those whose engine run takes a second and more.
void AddTraining(bool quick, std::vector<PublishedClaim>& out);

}  // namespace weft
