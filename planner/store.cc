#include "planner/store.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstring>

#include "base/version.h"

namespace weft {
namespace {

constexpr char kSchema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS weft (version TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS results (scenario BLOB PRIMARY KEY, seconds BLOB NOT NULL);";

class Statement {
 public:
  Statement(sqlite3* database, const char* text) {
    sqlite3_prepare_v2(database, text, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void Bind(int at, const void* data, std::size_t size) {
    sqlite3_bind_blob64(statement_, at, data, size, SQLITE_TRANSIENT);
  }
  int Step() { return statement_ == nullptr ? SQLITE_ERROR : sqlite3_step(statement_); }
  sqlite3_stmt* get() { return statement_; }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

bool Execute(sqlite3* database, const std::string& text) {
  return sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
}

std::string VersionOf(sqlite3* database) {
  Statement query(database, "SELECT version FROM weft");
  if (query.Step() != SQLITE_ROW) return {};
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(query.get(), 0));
  return text == nullptr ? "" : text;
}

}  // namespace

Result<std::unique_ptr<ResultStore>> ResultStore::Open(const std::string& path, bool keep) {
  sqlite3* database = nullptr;
  const bool opened = sqlite3_open(path.c_str(), &database) == SQLITE_OK;
  std::unique_ptr<ResultStore> store(new ResultStore(database));
  if (opened) sqlite3_busy_timeout(database, 10'000);
  if (!opened || !Execute(database, kSchema))
    return Fail(ErrorCode::kIo, {path, 0, 0},
                fmt::format("cannot keep results here: {}", sqlite3_errmsg(database)),
                "a folder that can be written, and a file that is weft's own");
  if (!keep || VersionOf(database) != kWeftVersion)
    if (!Execute(database, fmt::format("BEGIN; DELETE FROM results; DELETE FROM weft; "
                                       "INSERT INTO weft VALUES ('{}'); COMMIT;",
                                       kWeftVersion)))
      return Fail(ErrorCode::kIo, {path, 0, 0},
                  fmt::format("cannot keep results here: {}", sqlite3_errmsg(database)),
                  "a file that no other weft is writing to");
  return store;
}

ResultStore::~ResultStore() { sqlite3_close(database_); }

std::optional<std::vector<double>> ResultStore::Find(const std::string& scenario) const {
  Statement query(database_, "SELECT seconds FROM results WHERE scenario = ?");
  query.Bind(1, scenario.data(), scenario.size());
  if (query.Step() != SQLITE_ROW) return std::nullopt;
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(query.get(), 0));
  std::vector<double> seconds(size / sizeof(double));
  if (size > 0) std::memcpy(seconds.data(), sqlite3_column_blob(query.get(), 0), size);
  return seconds;
}

bool ResultStore::Put(const std::string& scenario, const std::vector<double>& seconds) {
  Statement insert(database_, "INSERT OR REPLACE INTO results VALUES (?, ?)");
  insert.Bind(1, scenario.data(), scenario.size());
  insert.Bind(2, seconds.data(), seconds.size() * sizeof(double));
  return insert.Step() == SQLITE_DONE;
}

std::int64_t ResultStore::size() const {
  Statement query(database_, "SELECT count(*) FROM results");
  return query.Step() == SQLITE_ROW ? sqlite3_column_int64(query.get(), 0) : 0;
}

}  // namespace weft
