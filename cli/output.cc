#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>

namespace weft::cli {
namespace {

// Where a result goes. A file is written beside itself and then renamed, so that nothing half
// written ever stands there; a device, a pipe or a socket is written to, never replaced.
struct Target {
  explicit Target(const std::string& given) : path(given) {
    std::error_code failed;
    const std::filesystem::file_status status = std::filesystem::status(given, failed);
    in_place = std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
    // Through links, also one that leads to a file that is not there yet.
    for (int hops = 0; hops < 40 && std::filesystem::is_symlink(path, failed); ++hops)
      path = path.parent_path() / std::filesystem::read_symlink(path, failed);
    partial = path.string() + ".partial";
  }

  std::filesystem::path path;
  std::string partial;
  bool in_place = false;
};

// False, for the caller to return. The reason is what the system said last, if anything.
bool CannotWrite(const std::string& what, std::ostream& err) {
  err << "weft: error: cannot write " << what;
  if (errno != 0) err << ": " << std::strerror(errno);
  err << '\n';
  return false;
}

}  // namespace

void PrintErrors(const Errors& errors, const SourceTexts& texts, std::ostream& err) {
  for (const Error& error : errors) err << FormatError(error, texts);
}

void PrintWarnings(const std::vector<Error>& warnings, std::ostream& err) {
  for (const Error& warning : warnings) {
    if (warning.pos.line > 0)
      err << warning.pos.file << ':' << warning.pos.line << ':' << warning.pos.column << ": ";
    err << "warning: " << warning.message << '\n';
  }
}

tl::unexpected<Errors> WrongArgument(std::string message, std::string hint) {
  return Fail(ErrorCode::kOutOfRange, {"weft", 0, 0}, std::move(message), std::move(hint));
}

int TerminalWidth() {
  winsize size{};
  int columns = 80;
  if (isatty(STDOUT_FILENO) != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    columns = size.ws_col;
  else if (const char* text = std::getenv("COLUMNS"))
    columns = std::atoi(text);
  return std::clamp(columns, 80, 160);
}

bool TerminalNarrowerThan(int columns) {
  return isatty(STDOUT_FILENO) != 0 && TerminalWidth() < columns;
}

bool CheckWritable(const std::string& path, std::ostream& err) {
  const Target target(path);
  errno = 0;
  if (!target.in_place) {
    const bool ok = std::ofstream(target.partial, std::ios::binary).is_open();
    if (!ok) return CannotWrite(path, err);
    std::error_code ignored;
    std::filesystem::remove(target.partial, ignored);
  } else if (std::filesystem::is_directory(path)) {
    errno = EISDIR;
    return CannotWrite(path, err);
  } else if (access(path.c_str(), W_OK) != 0) {
    return CannotWrite(path, err);
  }
  return true;
}

bool CheckTargets(const RunOptions& options, std::ostream& err) {
  bool ok = true;
  if (!options.json.empty() && !options.json_to_stdout()) ok = CheckWritable(options.json, err);
  if (options.out_dir.empty()) return ok;
  std::error_code failed;
  std::filesystem::create_directories(options.out_dir, failed);
  if (failed) {
    err << "weft: error: cannot make " << options.out_dir << ": " << failed.message() << '\n';
    return false;
  }
  for (const char* name : {"/report.txt", "/report.json"})
    ok = CheckWritable(options.out_dir + name, err) && ok;
  return ok;
}

bool WriteFile(const std::string& path, const std::string& text, std::ostream& err) {
  const Target target(path);
  errno = 0;
  std::error_code failed;
  {
    std::ofstream file(target.in_place ? path : target.partial, std::ios::binary);
    file << text;
    file.close();  // what a full disk refuses shows here at the latest
    if (!file) {
      const bool said = CannotWrite(path, err);
      if (!target.in_place) std::filesystem::remove(target.partial, failed);
      return said;
    }
  }
  if (target.in_place) return true;
  std::filesystem::rename(target.partial, target.path, failed);
  if (failed) {
    err << "weft: error: cannot write " << path << ": " << failed.message() << '\n';
    std::error_code ignored;
    std::filesystem::remove(target.partial, ignored);
  }
  return !failed;
}

bool Flush(std::ostream& out, std::ostream& err) {
  errno = 0;
  // A stream that has failed writes no more: clear it, so that the reason is asked for again.
  const bool failed_before = !out;
  out.clear();
  out.flush();
  if (out && !failed_before) return true;
  out.setstate(std::ios::badbit);
  return CannotWrite("to standard output", err);
}

bool WriteResult(const RunOptions& options, const std::string& text, const std::string& json,
                 std::ostream& out, std::ostream& err) {
  out << (options.json_to_stdout() ? json : text);
  bool ok = true;
  if (!options.json.empty() && !options.json_to_stdout())
    ok = WriteFile(options.json, json, err) && ok;
  if (!options.out_dir.empty()) {
    ok = WriteFile(options.out_dir + "/report.txt", text, err) && ok;
    ok = WriteFile(options.out_dir + "/report.json", json, err) && ok;
  }
  return ok;
}

}  // namespace weft::cli
