// How long a collective takes and what NCCL would do, as text and as JSON.
//
// The text is nccl-tests' table [NCT]: its columns, widths and conventions, so that it can be laid
// beside one; lines that begin with # are comments there as here. Behind its columns stand
// algorithm, protocol and channels.
//
// `explain` adds the candidates and the shapes: what the search found, rings, trees, NVLS heads,
// and the send order of an all-to-all.
#pragma once

#include <string>
#include <vector>

#include "scenario/collective_times.h"
#include "workloads/collectives/nccl/plan.h"

namespace weft {

struct CollectiveTable {
  std::vector<Bytes> tested;  // what nccl-tests prints for each size of a matrix; empty: by the op
  NcclPlan plan;
  std::vector<CollectiveTimeRow> times;  // a row of the plan each
  double busbw_factor = 1;
  std::string host;         // as asked
  std::string fabric;       // as asked; empty: one that does not block
  std::string calibration;  // empty: none
  // "hosts of several kinds (…)", that NCCL tells apart: a plain ring was timed. Empty: none.
  std::string unlike;
  std::size_t hosts = 0;       // of these
  bool known_hardware = true;  // to the calibration
  int seeds = 1;               // over which times were taken
};

enum class CollectiveRows { kNcclTests, kShort };

std::string CollectiveTableText(const CollectiveTable& table, bool explain, int width,
                                CollectiveRows shape);
std::string CollectiveTableJson(const CollectiveTable& table, bool explain);

}  // namespace weft
