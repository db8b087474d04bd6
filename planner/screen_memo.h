// What screening would find anew for candidate after candidate of one question: a host's rows of
// the bill, and what the cables between two cages are made of. Each is kept by all that it hangs
// on, so that a candidate gets what it would have got without.
//
// Errors   none.
// Cost     of what is known, a look into a map.
// Threads  one memo each.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "planner/bom.h"
#include "planner/link_kit.h"
#include "planner/question.h"

namespace weft {

class ScreenMemo {
 public:
  // Requires: both outlive the memo, unchanged.
  ScreenMemo(const Question& question, const CableMarket& market);

  const Question& question() const { return question_; }

  // A host as it is bought, of a supernode all of it: its rows with NICs of `nic`, and its draw.
  struct Chassis {
    Bom bom;  // of one
    Watts draws;
  };
  const Chassis& ChassisOf(std::uint32_t accelerator, BitRate nic);

  // FindLinkKit() of the market.
  const std::optional<LinkKit>& KitOf(const LinkEnd& a, const LinkEnd& b, Metres length);

  // Where a bill is made before it is as long as it is kept.
  std::vector<BomRow>& scratch() { return scratch_; }

 private:
  const Question& question_;
  const CableMarket& market_;
  std::vector<Metres> reaches_;  // of the market's parts, sorted: between two, lengths are alike
  std::map<std::pair<std::uint32_t, double>, Chassis> chassis_;
  std::vector<BomRow> scratch_;
  std::map<std::array<double, 13>, std::optional<LinkKit>> kits_;
};

}  // namespace weft
