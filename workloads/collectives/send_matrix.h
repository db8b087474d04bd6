// How many bytes every rank sends to every other: what all_to_all_v, gather and scatter move.
//
//              to 0   to 1   to 2
//     rank 0    100    200    150      row i, column j: from rank i to rank j, its own block
//     rank 1     50    100     75      included; a size is what the busiest rank sends or
//     rank 2    300    150    200      receives [NCT src/alltoallv.cu]: here 650, of rank 2
//
// A matrix comes from a file, whose cells are bytes; or it is made, and only its shape counts
// until a size is asked for:
//
//     skew s     rank j's experts are as popular as 1/k^s, k its place in a draw; every rank
//                sends as much as any other (0: all alike)
//     spread p   as alltoallv_perf makes it: (1 − p)/R + p · (j − i mod R) / (R(R − 1)/2)
//     gather     every rank to rank 0; scatter: rank 0 to every rank
//
// Shapes   R·R cells, row by row.
// Units    bytes.
// Errors   ParseSendMatrix, ReadSendMatrix: at the cell, line by line; all in one run.
// Cost     O(R²). Repeats: a draw follows from its seed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace weft {

struct SendMatrix {
  std::uint32_t ranks = 0;
  std::vector<std::int64_t> bytes;  // [ranks·ranks]

  std::int64_t At(std::uint32_t from, std::uint32_t to) const {
    return bytes[std::size_t{from} * ranks + to];
  }
};

// Cells between commas, or between blanks as nccl-tests has them: digits alone are bytes, as are
// 1e6 and 1.5e+06 where they are whole; else a size with its unit. Lines that are empty or begin
// with # are skipped, as is UTF-8's mark.
Result<SendMatrix> ParseSendMatrix(std::string_view text, const std::string& file);
// `asked`: where the file was named.
Result<SendMatrix> ReadSendMatrix(const std::string& path, const SourcePos& asked);

SendMatrix SkewedMatrix(std::uint32_t ranks, double skew, std::uint64_t seed);
SendMatrix SpreadMatrix(std::uint32_t ranks, double spread);
SendMatrix RootMatrix(std::uint32_t ranks, bool gather);

// The most that a rank sends or receives.
Bytes BusiestRank(const SendMatrix& matrix);

// Every cell rounded down to a multiple of `unit`.
SendMatrix RoundedTo(const SendMatrix& matrix, Bytes unit);

// The same shape, the busiest rank at `busiest`; cells rounded down. Requires: it is above 0 now.
SendMatrix ScaledTo(const SendMatrix& matrix, Bytes busiest);

// Row i of the result is row order[i] of `matrix`, columns alike.
SendMatrix Reordered(const SendMatrix& matrix, const std::vector<std::uint32_t>& order);

// Cells that a matrix may have: 10,000 ranks, 0.8 GB.
inline constexpr std::uint64_t kMostCells = 100'000'000;

inline constexpr int kPeersAtOnce = 8;  // messages that a rank has under way on a channel

// What the messages of a matrix put on hosts of `per_host` ranks, rank r on host r / per_host.
struct SendLoads {
  double link = 0;           // the most that a rank sends to, or receives from, its own host
  double link_heaviest = 0;  // message inside a host
  int link_messages = 0;     // that `link` is the sum of
  double through = 0;        // the same, with what it hands to other ranks' NICs
  double nic = 0;            // the most that a NIC sends or receives
  double far = 0;            // the most that a rank sends to, or receives from, other hosts
  double own = 0;            // the largest block that stays
  double heaviest = 0;       // message between hosts
  struct Class {             // inside a host, by rank; between hosts, by NIC
    double skew = 1;         // the heaviest message over the mean of all
    double at_once = 0;      // messages under way at the busiest; 0: there are none
  } link_class, net_class;
  int peers = 0;      // that one rank sends to, itself included, at most
  int far_peers = 0;  // on other hosts, that one sends to or receives from, at most

  // Of the same shape, all messages `factor` times as large.
  SendLoads Times(double factor) const;
};
// `nics` of a host take part, shared by its ranks in order; `rails`: a message leaves by the NIC of
// its receiver's number (PXN), else by its sender's. A rank has `at_once` messages under way.
SendLoads LoadsOf(const SendMatrix& matrix, int per_host, int nics, bool rails, int at_once);

}  // namespace weft
