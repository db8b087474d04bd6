// How much longer than weft says published iterations took, by kind of stack.
//
// The range of published time over weft's, of runs that nothing was fitted to: docs/training.md,
// the tables of Selene and of other public runs, which tools/training_tables.py holds this to. Of
// n runs that are left out in turn n - 2 lie within the range of the others.
#pragma once

#include <array>

namespace weft {

struct PublishedRuns {
  const char* kind;
  int runs;
  double low, high;
};
constexpr std::array<PublishedRuns, 3> kPublishedRuns{{
    {"Megatron", 18, 1.02, 1.18},
    {"sharded PyTorch", 11, 1.05, 1.63},
    {"stacks of 2021", 4, 1.31, 1.45},
}};

}  // namespace weft
