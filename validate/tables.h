// Measured collectives, read from tables as people keep them.
//
// What is read, told apart by what stands in the text:
//
//   logs   nccl-tests and rccl-tests as printed, every version's columns [NCT src/common.cu]:
//          with and without root, redop and in-place; one table or several; behind prefixes of
//          mpirun ([1,0]<stdout>:), srun (0:), kubectl or a clock; with lines of anybody
//          else's between; coloured, quoted, in a Markdown table or a box; cut off at either end;
//          wrapped; two tables beside each other; with rows left out of the rank list
//   JSON   nccl-tests' own (-J), rccl-tests' (-Z json [RCT src/common.cu]), weft-probe's records
//   CSV    between commas, tabs, Markdown's bars, or semicolons (then with decimal commas): a
//          header that names a size (size_bytes, size, bytes) and a time (time, …_us, …_ms) or
//          rates (busbw…, algbw…; the unit of other columns from a comment), optionally op, dtype,
//          ranks, ranks_per_node, gpu, inplace; the header may be a comment and have its units in
//          a line below. Several columns of rates are several tables, oop_… and ip_… are halves
//
// A row that contradicts itself is worth less than none: where the printed algbw is not
// size / time, beyond what printing rounds, where a line is cut off, or where a rate is printed
// too coarsely to say 2 %, the row is left out and kept in `rejected` with its line and the reason;
// so is one whose busbw is of other ranks than the table's, while others' is not.
//
// Shapes   a table is one operation of one type over one set of ranks; its points are in the
//          order of the text.
// Errors   text without any row of a table, at its first line; a CSV or JSON that breaks its own
//          form, at line:column.
// Cost     linear in the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "validate/nccl_setup.h"

namespace weft {

struct MeasuredPoint {
  Bytes size;                           // as nccl-tests counts it
  SimDuration time{};                   // out of place; in place where the log has nothing else
  std::optional<SimDuration> in_place;  // where both are there
  int line = 0;
};

struct RejectedRow {
  int line = 0;
  std::string why;
};

struct MeasuredTable {
  std::string file;
  int line = 0;              // of the first row
  std::string op;            // all_reduce … send_recv, as weft spells it; empty: not said
  std::string type;          // float, half …; empty: not said
  std::string variant;       // the CSV column it came from, where there were several
  std::string gpu;           // the device's own name; empty: not said
  std::string nccl;          // "2.28.9"; empty: not said
  int ranks = 0, hosts = 0;  // 0: not said
  std::vector<std::string> host_names;  // that its list of devices has, sorted; empty: none
  bool hosts_unclear = false;           // devices are listed, and on how many hosts they are is not
  bool hosts_assumed = false;           // nobody says how many: as few as have so many GPUs
  std::string algorithm, protocol;      // that a probe forced; empty: NCCL's own choice
  NcclSetup setup;                      // by NCCL's own lines in the log
  std::vector<MeasuredPoint> points;
  std::vector<RejectedRow> rejected;
};

// What is known besides the text, from an index or the command line.
struct TableHints {
  std::string op, gpu;  // empty: unknown
  int ranks = 0, hosts = 0;
};

// Every table of `text`, which `file` names in errors. What the text says itself goes before
// `hints`; an operation that neither says is that of the one command typed above the table
// (…/all_reduce_perf -b 8), else taken from the file's name (…allreduce…), last from the columns,
// where they can be of one alone: busbw over algbw says all_reduce, reduce_scatter,
// all_gather or all_to_all of three ranks or more; where the two are alike nothing does.
Result<std::vector<MeasuredTable>> ParseTables(std::string_view text, const std::string& file,
                                               const TableHints& hints = {});
Result<std::vector<MeasuredTable>> ReadTables(const std::string& path,
                                              const TableHints& hints = {});

// Whether a name is that of a test of nccl-tests that no table of weft is of: hypercube_perf, and
// alltoallv_perf, whose log does not say the matrix.
bool NamesOtherTest(std::string_view text);

// weft's word for an operation: "alltoall", "AllReduce" and "all_reduce_perf" are known;
// empty where it is none.
std::string OperationNamed(std::string_view text);

// Whether NCCL sums the type in floating point, as models of sums assume; true where not said.
bool IsFloatingType(std::string_view type);

}  // namespace weft
