// Published figures that weft claims to reproduce, each with what weft yields and how far it is
// off.
//
// None of them is fitted to: times are under the priors, whatever calibration is used elsewhere.
// Where a model of training needs a plateau, other rows of the same paper gave it, and its formula
// or tolerance says so.
//
// Cost     NCCL's search for some hosts and an HPN pod: a second or two; iterations of thousands of
//          GPUs some twenty seconds of one core, beside each other.
#pragma once

#include <string>
#include <vector>

namespace weft {

struct PublishedClaim {
  std::string claim, source;  // source: key and place, docs/references.md
  std::string formula;        // how weft comes to its figure
  double expected = 0;
  std::string unit;
  double tolerance = 0;  // relative
  std::string why;       // that tolerance
  double measured = 0;   // by weft
  double deviation() const { return measured / expected - 1; }
  bool pass() const { return deviation() <= tolerance && deviation() >= -tolerance; }
};

// `quick`: without what takes a second and more.
std::vector<PublishedClaim> CheckPublished(bool quick = false);

}  // namespace weft
