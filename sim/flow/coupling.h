// Coupling::kAuto: which operations may advance as one rate a channel.
//
// Tight where no other operation that may run at the same time crosses a link of
// this one. Two operations are ordered where they share a stream, or where
// streams and dependencies lead from one to the other. The paths are those bound
// at the start: what a fault moves is not looked at.
//
// Two operations of one repeated block that share no stream count as unordered,
// since one may lap the other; so does every pair without a common stream in a
// program of more than kMaxOrderedRows rows, where the table of who comes before
// whom would not be small.
//
// Cost     O(hops + rows + pairs of subjects on a common link · rows of each); of a pair without
//          a row that is tight, or with a stream in which all rows of both stand, O(1) in rows.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/path_table.h"
#include "sim/schedule.h"

namespace weft {

inline constexpr std::uint32_t kMaxOrderedRows = 8192;

// What a ring of chunks may take longer than loose says, of loose's time: in 95 of 100 cases in
// which others take half a link for up to 10 % of the time. docs/validation.md has the cases;
// the program that writes its tables fails where this is not what they say.
inline constexpr double kLooseTimeUpTo = 0.42;

// The streams in which every one of `rows` stands: rows that share one come one after the other.
std::vector<std::uint32_t> CommonStreams(const Schedule& schedule,
                                         const std::vector<std::uint32_t>& rows);

// [rows] 1: tight. Rows that are no pipelined pattern are 0.
std::vector<std::uint8_t> DecideCoupling(const Schedule& schedule, const PathTable& paths,
                                         std::uint32_t link_count);

// How many pipelined operations are not tight.
std::uint32_t CountLoose(const Schedule& schedule, const PathTable& paths,
                         const std::vector<std::uint8_t>& tight);

}  // namespace weft
