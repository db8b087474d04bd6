#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/schema/wording.h"
#include "topology/families/custom_names_internal.h"

namespace weft {
namespace {

bool IsPattern(std::string_view text) { return text.find_first_of("*[") != std::string_view::npos; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Whether `number`, digits, is one of "0-3,8".
bool InRanges(std::string_view ranges, std::string_view number) {
  std::uint64_t wanted = 0;
  if (number.size() > 9 || (number.size() > 1 && number[0] == '0')) return false;
  std::from_chars(number.data(), number.data() + number.size(), wanted);
  while (!ranges.empty()) {
    const std::string_view part = ranges.substr(0, ranges.find(','));
    ranges.remove_prefix(std::min(ranges.size(), part.size() + 1));
    std::uint64_t low = 0, high = 0;
    const std::size_t dash = part.find('-');
    const std::string_view low_text = part.substr(0, dash);
    std::from_chars(low_text.data(), low_text.data() + low_text.size(), low);
    high = low;
    if (dash != std::string_view::npos)
      std::from_chars(part.data() + dash + 1, part.data() + part.size(), high);
    if (low <= wanted && wanted <= high) return true;
  }
  return false;
}

// "nic5" with noun "nic" and 8 of them: which of them `part` stands for.
std::vector<int> Numbers(std::string_view noun, std::string_view part, int count) {
  std::vector<int> out;
  for (int i = 0; i < count; ++i)
    if (MatchesPattern(part, fmt::format("{}{}", noun, i))) out.push_back(i);
  return out;
}

}  // namespace

bool MatchesPattern(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    if (pattern[0] == '*') {
      for (std::size_t taken = 0;; ++taken) {
        if (MatchesPattern(pattern.substr(1), name.substr(taken))) return true;
        if (taken == name.size() || name[taken] == '/') return false;
      }
    }
    if (pattern[0] == '[') {
      const std::size_t close = pattern.find(']');
      const auto digits = static_cast<std::size_t>(
          std::find_if_not(name.begin(), name.end(), IsDigit) - name.begin());
      if (close == std::string_view::npos || digits == 0 ||
          !InRanges(pattern.substr(1, close - 1), name.substr(0, digits)))
        return false;
      pattern.remove_prefix(close + 1);
      name.remove_prefix(digits);
      continue;
    }
    if (name.empty() || name[0] != pattern[0]) return false;
    pattern.remove_prefix(1);
    name.remove_prefix(1);
  }
  return name.empty();
}

bool CustomNames::AddHost(const std::string& name, HostPorts ports) {
  const auto row = static_cast<std::uint32_t>(host_names_.size());
  if (!rows_.try_emplace(name, CustomEnd{true, row, 0, -1}).second) return false;
  host_names_.push_back(name);
  ports_.push_back(ports);
  return true;
}

bool CustomNames::AddSwitch(const std::string& name) {
  const auto row = static_cast<std::uint32_t>(switch_names_.size());
  if (!rows_.try_emplace(name, CustomEnd{false, row, 0, -1}).second) return false;
  switch_names_.push_back(name);
  return true;
}

void CustomNames::FindInHosts(std::string_view pattern, std::vector<CustomEnd>& out) const {
  const std::size_t slash = pattern.find('/');
  if (slash == std::string_view::npos) return;
  const std::string_view host = pattern.substr(0, slash);
  std::string_view nic = pattern.substr(slash + 1), port;
  if (const std::size_t second = nic.find('/'); second != std::string_view::npos) {
    port = nic.substr(second + 1);
    nic = nic.substr(0, second);
  }
  const auto add = [&](std::uint32_t row) {
    for (const int n : Numbers("nic", nic, ports_[row].nics)) {
      if (port.empty()) out.push_back({true, row, n, -1});
      for (const int p : Numbers("port", port, port.empty() ? 0 : ports_[row].ports))
        out.push_back({true, row, n, p});
    }
  };
  if (!IsPattern(host)) {
    const auto found = rows_.find(host);
    if (found != rows_.end() && found->second.is_host) add(found->second.row);
    return;
  }
  for (std::uint32_t row = 0; row < host_names_.size(); ++row)
    if (MatchesPattern(host, host_names_[row])) add(row);
}

std::vector<CustomEnd> CustomNames::Find(std::string_view pattern) const {
  std::vector<CustomEnd> out;
  FindInHosts(pattern, out);
  if (!IsPattern(pattern)) {
    const auto found = rows_.find(pattern);
    if (found != rows_.end() && !found->second.is_host) out.push_back(found->second);
    return out;
  }
  for (std::uint32_t row = 0; row < switch_names_.size(); ++row)
    if (MatchesPattern(pattern, switch_names_[row])) out.push_back({false, row, 0, -1});
  return out;
}

std::string CustomNames::NearestTo(std::string_view pattern) const {
  constexpr std::size_t kMany = 5000;  // each costs |pattern| times |name|
  const bool in_host = pattern.find('/') != std::string_view::npos;
  const std::string_view device = in_host ? pattern.substr(0, pattern.find('/')) : pattern;
  std::vector<std::string> names = switch_names_;
  names.insert(names.end(), host_names_.begin(), host_names_.end());
  return names.size() > kMany ? std::string() : Nearest(device, names);
}

}  // namespace weft
