// What an uneven fabric lacks, in words: of an import, what to look at on site.
#pragma once

#include <string>

#include "topology/uneven.h"

namespace weft {

// Missing and odd cables, a line each; empty where there are none.
std::string UnevenText(const Unevenness& uneven, int width);

}  // namespace weft
