// What was simulated, kept in an SQLite file: a run that is killed loses nothing that was done.
//
// A result is the makespans of one scenario, seed by seed, under the scenario itself: its message
// in protobuf's deterministic form and weft's version. Each is a transaction of its own in SQLite's
// write-ahead log, so that at any moment the file holds whole results and nothing else.
//
// Errors   OpenStore: no such folder, a file that is no store, one of another version of weft is
//          emptied. Put: the disk is full; the run goes on without.
// Repeats  seconds are kept as the doubles they are.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

struct sqlite3;

namespace weft {

class ResultStore {
 public:
  // At `path`; `keep`: what it already holds is used, else it starts empty.
  static Result<std::unique_ptr<ResultStore>> Open(const std::string& path, bool keep);
  ~ResultStore();
  ResultStore(const ResultStore&) = delete;
  ResultStore& operator=(const ResultStore&) = delete;

  std::optional<std::vector<double>> Find(const std::string& scenario) const;
  bool Put(const std::string& scenario, const std::vector<double>& seconds);
  std::int64_t size() const;

 private:
  explicit ResultStore(sqlite3* database) : database_(database) {}
  sqlite3* database_;
};

}  // namespace weft
