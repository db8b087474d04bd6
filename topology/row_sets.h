// Rows that are joined, as sets: each is called by its lowest row.
//
// Cost     nearly O(1) a call.
// Repeats  same calls, same sets, whatever their order.
#pragma once

#include <algorithm>
#include <boost/pending/disjoint_sets.hpp>
#include <boost/property_map/property_map.hpp>
#include <cstdint>
#include <numeric>
#include <vector>

namespace weft {

class RowSets {
 public:
  explicit RowSets(std::size_t rows)
      : rank_(rows, 0),
        parent_(rows),
        lowest_(rows),
        sets_(Map(rank_.begin()), Map(parent_.begin())) {
    std::iota(parent_.begin(), parent_.end(), 0u);
    std::iota(lowest_.begin(), lowest_.end(), 0u);
  }
  RowSets(const RowSets&) = delete;  // sets_ points into rank_ and parent_
  RowSets& operator=(const RowSets&) = delete;

  // The lowest row of the set that `row` is in.
  std::uint32_t Of(std::uint32_t row) { return lowest_[sets_.find_set(row)]; }
  void Join(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t low = std::min(Of(a), Of(b));
    sets_.union_set(a, b);
    lowest_[sets_.find_set(a)] = low;
  }

 private:
  using Map = boost::iterator_property_map<std::vector<std::uint32_t>::iterator,
                                           boost::typed_identity_property_map<std::uint32_t>>;
  std::vector<std::uint32_t> rank_, parent_;
  std::vector<std::uint32_t> lowest_;  // [rows], of a set's representative
  boost::disjoint_sets<Map, Map> sets_;
};

}  // namespace weft
