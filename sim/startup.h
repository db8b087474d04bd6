// What a pipelined pattern pays before its bytes flow at full rate.
//
// Along a chain of feeds every edge adds its latency (path, step and
// store-and-forward); where a chunk waits for the same or a later one the edge
// before also adds chunk / rate. A walk is as long as the lags allow: chunk k of
// an edge waits for chunk k − lag, so the last of `steps` chunks looks back over
// lags that sum to at most steps − 1.
//
//   A ring of n with lag 1 and 2(n − 1) steps: any 2(n − 1) consecutive edges,
//   the worst of the n windows.
//
// Units    a sum beyond a quarter of SimTime's range is that quarter; Prepare() refuses
//          scenarios that come near it.
// Cost     O(edges) where every edge has one feed of lag 1 and these close into
//          cycles; O(edges + feeds) where no lag is above 0; O(steps · feeds) else.
#pragma once

#include <vector>

#include "base/units.h"
#include "sim/path_table.h"
#include "sim/program.h"

namespace weft {

// By channel; channels without edges have zero. `latency` and `chunk_time` by
// edge of the pattern.
std::vector<SimDuration> ChannelStartup(const Pattern& pattern,
                                        const std::vector<SimDuration>& latency,
                                        const std::vector<SimDuration>& chunk_time);

// Whether the start-up hangs on how large chunks are: an edge waits for a whole one.
bool StartsByChunks(const Pattern& pattern);

// The same for an operation on its bound paths. Requires: the subject is a pattern.
std::vector<SimDuration> SubjectStartup(const PathTable& paths, const PathTable::Subject& subject,
                                        const Program& program, const Op& op);

// Wire bytes of `edge`, a row of `paths`, for an operation: its amount, or WireBytes().
double EdgeWireBytes(const Program& program, const Op& op, const PathTable::Subject& subject,
                     std::uint32_t edge);

}  // namespace weft
