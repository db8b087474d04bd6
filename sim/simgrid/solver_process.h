// A solver in a forked process, and the pipe on which it reports.
//
// A forked child has one thread, this one, and a copy of all memory: it may read
// what was prepared, allocate, and run SimGrid, whose state the parent never
// touches; it may not use OpenMP or locks that other threads held. Its standard
// output and error go to a file in memory that only a failure shows.
//
// Errors   a process that ends before its last record, or sends what is no
//          record, is a defect: what it said is printed, and the program stops.
//          It never outlives this object, and where its parent is killed it ends at
//          its next record.
// Cost     a fork: page tables of the parent's memory.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <vector>

#include "sim/simgrid/operations.h"

namespace weft {

class SolverProcess {
 public:
  using Record = std::function<void(const OperationRecord&)>;

  // `work` is run in the child; it records and returns, or ends the process.
  explicit SolverProcess(const std::function<void(const Record&)>& work);
  ~SolverProcess();
  SolverProcess(const SolverProcess&) = delete;
  SolverProcess& operator=(const SolverProcess&) = delete;

  // Appends what has come, having waited at most `patience` for anything.
  void Read(std::vector<OperationRecord>& records, std::chrono::milliseconds patience);

  pid_t pid() const { return pid_; }  // -1: it has ended

 private:
  [[noreturn]] void Work(const std::function<void(const Record&)>& work, int pipe,
                         pid_t parent) const;
  [[noreturn]] void Fail();
  void Unpack(std::vector<OperationRecord>& records);

  pid_t pid_ = -1;
  int pipe_ = -1, log_ = -1;
  bool finished_ = false;
  std::vector<char> bytes_;  // of a record that has not come whole
};

}  // namespace weft
