// Which layers a chunk holds, and their parameters on one rank.
#pragma once

#include "workloads/training/training.h"

namespace weft {

struct ChunkLayers {
  int dense = 0, with_experts = 0;
  bool first = false, last = false;  // the embedding is in the first chunk, the head in the last
  int layers() const { return dense + with_experts; }
};

// Chunk `chunk` in the order of the layers. Where they are not a multiple of the chunks, the
// chunks at the ends have one less, the last one first: the head stands there [GDJ+24 §3.3.2].
ChunkLayers LayersOf(const Training& training, int chunk);

struct ChunkParameters {
  double plain = 0, expert = 0;
};
ChunkParameters ParametersOfChunk(const Training& training, const ChunkLayers& chunk);

}  // namespace weft
