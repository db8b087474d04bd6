// The sheet a purchase is accepted by: what to run, and the least that must come out.
//
// Written before delivery from the simulated times of a healthy machine and the band that the
// calibration states; judged after, line by line, from the tables that its own command lines print.
//
// Format   tab-separated text: comments with the command lines, a header, then a line an operation,
//          number of ranks and size: op, ranks, hosts, runs, size_bytes, expected_GBps, least_GBps
//          (busbw), slower. Hosts are those that a log lists: an NVL72 is 18 of them; runs, on how
//          many such sets of hosts the command is to run, each by itself. The least is what a
//          machine at the slow end of the 90 % interval reaches; slower, for people, how far below
//          the expected that is. Sheets without runs and slower are read, as of one run a line.
// Errors   a calibration that states no band for such hosts: the sheet would promise a guess; a
//          sheet that is none, at its line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "validate/comparison.h"

namespace weft {

struct AcceptanceLine {
  std::string op;
  int ranks = 0, hosts = 0;
  Bytes size;
  double expected_GBps = 0, least_GBps = 0;  // busbw as nccl-tests has it
  bool covered = true;                       // by what the calibration was fitted to
  int runs = 1;                              // sets of such hosts, each of which runs it
  // How much slower than expected still passes.
  double slower() const { return 1 - least_GBps / expected_GBps; }
};

struct AcceptanceQuestion {
  std::string host_text;  // as --host has it
  HostPart host;
  int gpus = 0, gpus_per_host = 0;
  std::string nccl = "2.28";
};

Result<std::vector<AcceptanceLine>> MakeAcceptanceLines(const AcceptanceQuestion& question,
                                                        const Calibration& calibration);
std::string FormatAcceptanceSheet(const AcceptanceQuestion& question,
                                  const std::vector<AcceptanceLine>& lines,
                                  const Calibration& calibration);
// What the sheet says above its lines, in lines of at most 78 columns but for the commands.
std::string AcceptanceNotes(const AcceptanceQuestion& question,
                            const std::vector<AcceptanceLine>& lines,
                            const Calibration& calibration);
Result<std::vector<AcceptanceLine>> ParseAcceptanceSheet(std::string_view text,
                                                         const std::string& file);

struct AcceptanceVerdict {
  AcceptanceLine line;
  std::optional<double> measured_GBps;  // none: no table has the point
  int runs = 0;  // whose tables have it: told apart by the hosts' names, without them by the file
  bool fast_enough() const { return measured_GBps && *measured_GBps >= line.least_GBps; }
  bool pass() const { return fast_enough() && runs >= line.runs; }
};

// A point of a line is the slowest that any table has of its operation, ranks, hosts and size.
std::vector<AcceptanceVerdict> JudgeAcceptance(const std::vector<AcceptanceLine>& lines,
                                               const std::vector<TableEntry>& entries);

// A table of which something is to be known beside its verdict.
struct TableNote {
  std::string file;
  int line = 0;  // of its first row
  std::string why;
};
// Tables that no line of the sheet has a point of.
std::vector<TableNote> UnusedTables(const std::vector<AcceptanceLine>& lines,
                                    const std::vector<TableEntry>& entries);
// Tables that a line has a point of because nobody says on how many hosts they are.
std::vector<TableNote> AssumedTables(const std::vector<AcceptanceLine>& lines,
                                     const std::vector<TableEntry>& entries);

}  // namespace weft
