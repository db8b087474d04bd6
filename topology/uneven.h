// Where a fabric is not as regular as it nearly is: what an engineer who imports one looks for.
//
// "Nearly" is the most common case: of the pairs of switches of neighbouring tiers that are
// cabled, how many cables most have; of a tier's cables, which rate most have. What falls short
// of that is named, so that one missing cable in two thousand shows.
//
// Cost     O(L log L).
#pragma once

#include <string>
#include <vector>

#include "topology/fabric.h"

namespace weft {

struct LeafRow {
  VertexId leaf = kNoVertex;
  std::int64_t down = 0, up = 0;  // cables to NICs, and to higher tiers
  BitRate down_rate, up_rate;
  std::int64_t lacking = 0;  // cables up that most leaves would have and it has not
};

struct Unevenness {
  std::vector<LeafRow> leaves;       // switches of tier 1, in order
  std::vector<std::string> missing;  // "leaf1 - spine2: 1 of 2 cables"
  std::vector<std::string> odd;  // "host3/nic1 has no cable", "leaf1 - spine2: 100G, others 400G"
};

Unevenness FindUnevenness(const Fabric& fabric);

}  // namespace weft
