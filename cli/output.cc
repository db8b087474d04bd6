#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>

namespace weft::cli {

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

int TerminalWidth() {
  winsize size{};
  int columns = 80;
  if (isatty(STDOUT_FILENO) != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    columns = size.ws_col;
  else if (const char* text = std::getenv("COLUMNS"))
    columns = std::atoi(text);
  return std::clamp(columns, 80, 160);
}

bool WriteFile(const std::string& path, const std::string& text, std::ostream& err) {
  const std::string partial = path + ".partial";
  {
    std::ofstream file(partial, std::ios::binary);
    file << text;
    file.flush();
    if (!file) {
      err << path << ": error: cannot be written\n";
      std::error_code ignored;
      std::filesystem::remove(partial, ignored);
      return false;
    }
  }
  std::error_code failed;
  std::filesystem::rename(partial, path, failed);
  if (failed) err << path << ": error: cannot be written: " << failed.message() << '\n';
  return !failed;
}

bool WriteResult(const RunOptions& options, const std::string& text, const std::string& json,
                 std::ostream& out, std::ostream& err) {
  out << (options.json_to_stdout() ? json : text);
  bool ok = true;
  if (!options.json.empty() && !options.json_to_stdout())
    ok = WriteFile(options.json, json, err) && ok;
  if (!options.out_dir.empty()) {
    std::error_code failed;
    std::filesystem::create_directories(options.out_dir, failed);
    if (failed) {
      err << options.out_dir << ": error: cannot be made: " << failed.message() << '\n';
      return false;
    }
    ok = WriteFile(options.out_dir + "/report.txt", text, err) && ok;
    ok = WriteFile(options.out_dir + "/report.json", json, err) && ok;
  }
  return ok;
}

}  // namespace weft::cli
