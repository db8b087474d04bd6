// How many accelerators a need takes, by the rate that their makers print.
//
//   accelerators = ⌈⌈need / rate⌉ / unit⌉ · unit      unit: of a host, or of a supernode
//
// The rate is a peak of one type and basis: a part that is "1,979 TFLOPS" sparse is 989 dense,
// and a need that does not say which is twice as much of one as of the other.
//
// Units    watts of servers are what the catalogue gives as middle, without the network's.
// Errors   none: an accelerator without such a rate has a row without a count, and says so.
// Cost     nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planner/question.h"

namespace weft {

struct SizingRow {
  std::uint32_t accelerator = 0;  // row of Question::accelerators
  std::string name;
  Basis basis = Basis::kDense;
  std::optional<double> rate;  // operations a second; none: it has none of that type and basis
  bool rate_assumed = false;
  std::optional<std::int64_t> accelerators, hosts;    // hosts: of the catalogue, supernodes too
  std::optional<double> server_w, network_w, site_w;  // network_w: of the plan that is named
  std::string network;                                // that plan's id; empty: none was made
  std::string note;
};

std::string_view NameOf(Basis basis);

// ⌈⌈need / rate⌉ / unit⌉ · unit. Requires: need, rate > 0, unit >= 1.
std::int64_t AcceleratorsFor(double need, double rate, int unit);

// Accelerator by accelerator, basis by basis, in the question's order.
std::vector<SizingRow> SizeAccelerators(const Question& question);

}  // namespace weft
