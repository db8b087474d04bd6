// Which GPU each rank is.
//
// Ranks take whole hosts, all GPUs of a host in order; where the ranks do not
// fill the last host, its first GPUs. The policy says which hosts: packed, by
// segment; spread, dealt over the segments in turn, and numbered by segment again;
// random, drawn from the seed, and numbered as drawn; or the hosts listed. `skip` leaves the
// policy's first hosts to others. `order: shuffled` deals ranks over the hosts so chosen by chance.
// Or a table says it rank by rank: `host3,5` is GPU 5 of host3, `host3` all GPUs of it in order;
// `host[0-3,7] slots=4`, as Slurm and Open MPI have it, is the first four of each; what follows a #
// is a remark, and a first line `host,gpu` a header.
//
// Errors   more GPUs asked for than there are; a host listed that is none, or twice; of a table
//          with its own file, line and column.
// Repeats  same spec and fabric, same placement.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "topology/fabric.h"
#include "topology/fabric.pb.h"

namespace weft {

struct Placement {
  std::vector<GpuId> gpu_of_rank;  // [ranks]; no GPU twice
};

// `spec` stands at `placement` in the file.
Result<Placement> MakePlacement(const PlacementSpec& spec, const SourceMap& sources,
                                const Fabric& fabric);

}  // namespace weft
