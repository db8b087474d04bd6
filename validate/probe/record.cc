#include "validate/probe/record.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

namespace weft::probe {
namespace {

// Bytes of the UTF-8 character that starts at `at`; 0 where there is none.
std::size_t CharacterAt(const std::string& text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t size = first < 0x80   ? 1
                           : first < 0xC2 ? 0
                           : first < 0xE0 ? 2
                           : first < 0xF0 ? 3
                           : first < 0xF5 ? 4
                                          : 0;
  if (size == 0 || at + size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
  return size;
}

constexpr const char* kBegun = "begun";

std::string Failure(const std::string& path) { return path + ": " + std::strerror(errno); }

}  // namespace

std::string Quote(const std::string& text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = CharacterAt(text, at);
    const char c = text[at];
    if (size == 0) {
      out += "\xEF\xBF\xBD";
    } else if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += c == '\n' ? "\\n" : c == '\t' ? "\\t" : escape;
    } else {
      out.append(text, at, size);
    }
    at += size == 0 ? 1 : size;
  }
  return out + '"';
}

std::string Journal::Open(const std::string& path, const std::string& fingerprint, bool fresh) {
  path_ = path;
  done_.clear();
  begun_.clear();
  std::string text;
  if (!fresh) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream all;
    if (in && in.peek() != std::ifstream::traits_type::eof()) all << in.rdbuf();
    text = all.str();
  }
  const std::string head = std::string(kSchema) + '\t' + fingerprint;
  std::size_t at = 0;
  std::string kept;
  for (std::size_t line = 0; at < text.size(); ++line) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) break;  // cut off: measured again
    const std::string one = text.substr(at, end - at);
    at = end + 1;
    if (line == 0 && one != head)
      return path + " is of another plan (other GPUs, options or NCCL); --fresh starts anew";
    const std::size_t tab = one.find('\t');
    if (line == 0 || tab == std::string::npos) continue;
    if (one.compare(tab + 1, std::string::npos, kBegun) == 0)
      ++begun_[one.substr(0, tab)];
    else if (one.size() > tab + 1 && one.back() == '}')
      done_[one.substr(0, tab)] = one.substr(tab + 1);
  }
  kept = head + '\n';
  for (const auto& [key, times] : begun_)
    for (int i = 0; i < Begun(key); ++i) kept += key + '\t' + kBegun + '\n';
  for (const auto& [key, json] : done_) kept += key + '\t' + json + '\n';
  return WriteWhole(path, kept);
}

std::string Journal::Append(const std::string& line) {
  std::ofstream out(path_, std::ios::binary | std::ios::app);
  out << line << '\n';
  out.flush();
  return out ? std::string() : Failure(path_);
}

std::string Journal::Add(const std::string& key, const std::string& json) {
  done_[key] = json;
  return Append(key + '\t' + json);
}

int Journal::Begun(const std::string& key) const {
  const auto found = begun_.find(key);
  return Has(key) || found == begun_.end() ? 0 : found->second;
}

std::string Journal::Begin(const std::string& key) {
  ++begun_[key];
  return Append(key + '\t' + kBegun);
}

std::string FormatRecord(const Provenance& provenance, const std::string& topology_xml,
                         const std::vector<std::string>& keys, const Journal& journal) {
  std::string out = std::string("{\n\"schema\": ") + Quote(kSchema) + ",\n\"provenance\": {";
  for (std::size_t i = 0; i < provenance.members.size(); ++i)
    out += (i ? ",\n  " : "\n  ") + Quote(provenance.members[i].first) + ": " +
           provenance.members[i].second;
  out += "\n},\n\"topology_xml\": " + Quote(topology_xml) + ",\n\"results\": [";
  bool first = true;
  for (const std::string& key : keys) {
    const auto found = journal.done().find(key);
    if (found == journal.done().end()) continue;
    out += (first ? "\n  " : ",\n  ") + found->second;
    first = false;
  }
  return out + "\n]\n}\n";
}

std::string WriteWhole(const std::string& path, const std::string& text) {
  const std::string beside = path + ".new";
  std::ofstream out(beside, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) {
    const std::string wrong = Failure(beside);
    std::remove(beside.c_str());  // half a file, on a disk that is full
    return wrong;
  }
  if (std::rename(beside.c_str(), path.c_str()) != 0) return Failure(path);
  return {};
}

}  // namespace weft::probe
