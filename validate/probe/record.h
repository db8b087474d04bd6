// The record of a probe: a journal while it runs, one JSON file when it is done.
//
// The journal (FILE.part) has a line a finished step, "KEY<tab>JSON", appended and flushed as soon
// as it is measured: a run that is cut off goes on where it stopped, and a line that was cut off
// is measured again. "KEY<tab>begun" stands before a step that may take the whole run with it: one
// that was begun twice and never ended is not to be tried a third time. The plan's own line comes
// first; a journal of another plan (other GPUs, other options, another NCCL) is not continued.
//
// Format   {"schema": "weft.probe/1", "provenance": {…}, "topology_xml": "…", "results": [{…}, …]};
//          the keys are listed in validate/probe/README.md.
// Errors   as text; empty where all went well.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace weft::probe {

inline constexpr const char* kSchema = "weft.probe/1";

// `text` as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD.
std::string Quote(const std::string& text);

class Journal {
 public:
  // Reads what `path` holds for the plan that `fingerprint` names. Starts anew where it holds
  // nothing or `fresh` is asked. Returns what went wrong: another plan's journal, no right to
  // write.
  std::string Open(const std::string& path, const std::string& fingerprint, bool fresh);

  bool Has(const std::string& key) const { return done_.count(key) > 0; }
  // Requires: no tab or newline in `key`, no newline in `json`.
  std::string Add(const std::string& key, const std::string& json);
  // How often it was begun, in this run and before, without an end.
  int Begun(const std::string& key) const;
  std::string Begin(const std::string& key);
  const std::map<std::string, std::string>& done() const { return done_; }

 private:
  std::string Append(const std::string& line);

  std::string path_;
  std::map<std::string, std::string> done_;
  std::map<std::string, int> begun_;
};

struct Provenance {
  std::vector<std::pair<std::string, std::string>> members;  // key, JSON value
  void Text(const std::string& key, const std::string& value) {
    members.emplace_back(key, Quote(value));
  }
  void Number(const std::string& key, long long value) {
    members.emplace_back(key, std::to_string(value));
  }
};

// The whole record; results in the order of `keys`, those that the journal lacks left out.
std::string FormatRecord(const Provenance& provenance, const std::string& topology_xml,
                         const std::vector<std::string>& keys, const Journal& journal);

// Writes a file beside and renames it, so that `path` is whole or as before.
std::string WriteWhole(const std::string& path, const std::string& text);

}  // namespace weft::probe
