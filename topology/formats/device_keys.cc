#include "topology/formats/device_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/schema/reader.h"
#include "topology/formats/text_lines.h"

namespace weft {
namespace {

constexpr int kMostRows = 10'000'000;

struct KeyValue {
  std::string key, value;
};

Result<std::vector<KeyValue>> ParseKeys(std::string_view text, const SourcePos& pos) {
  std::vector<KeyValue> out;
  for (const TextLine& line : SplitLines(text))
    for (const TextWord& word : line.words) {
      const std::size_t equals = word.text.find('=');
      if (equals == std::string_view::npos || equals == 0)
        return Fail(ErrorCode::kSyntax, pos, fmt::format("'{}' is no key=value", word.text),
                    "gpus=8 nics=8 nic=400Gbps, or tier=1 plane=0");
      out.push_back(
          {std::string(word.text.substr(0, equals)), std::string(word.text.substr(equals + 1))});
    }
  return out;
}

Result<int> ParseNumber(const KeyValue& key, int least, int most, const SourcePos& pos) {
  const auto value = WholeNumber(key.value, most);
  if (!value || *value < least)
    return Fail(ErrorCode::kOutOfRange, pos, fmt::format("'{}' is {}", key.key, key.value),
                fmt::format("want {}..{}", least, most));
  return static_cast<int>(*value);
}

// Numbers in names by value: leaf2 before leaf10.
bool NaturalLess(std::string_view a, std::string_view b) {
  const auto digits = [](std::string_view text) {
    return std::min(text.find_first_not_of("0123456789"), text.size());
  };
  while (!a.empty() && !b.empty()) {
    const std::size_t m = digits(a), n = digits(b);
    if (m > 0 && n > 0) {
      const std::string_view x = a.substr(0, m), y = b.substr(0, n);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      a.remove_prefix(m);
      b.remove_prefix(n);
      continue;
    }
    if (a[0] != b[0]) return a[0] < b[0];
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() < b.size();
}

template <typename Row, typename Less>
std::vector<std::uint32_t> Sort(std::vector<Row>& rows, const Less& less) {
  std::vector<std::uint32_t> order(rows.size()), place(rows.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return less(rows[a], rows[b]); });
  std::vector<Row> sorted;
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    sorted.push_back(std::move(rows[order[i]]));
  }
  rows = std::move(sorted);
  return place;
}

// Those whose order is given first.
template <typename Row>
bool RowLess(const Row& a, const Row& b) {
  if (a.order && b.order) return *a.order < *b.order;
  return a.order || b.order ? a.order.has_value() : NaturalLess(a.name, b.name);
}

bool SwitchLess(const Wiring::Switch& a, const Wiring::Switch& b) {
  return a.tier != b.tier ? a.tier < b.tier : RowLess(a, b);
}

}  // namespace

void NoteOrder(Wiring& wiring) {
  for (Wiring::Host& host : wiring.hosts) host.order.reset();
  for (Wiring::Switch& one : wiring.switches) one.order.reset();
  const auto number = [](auto& rows) {
    for (std::size_t row = 0; row < rows.size(); ++row) rows[row].order = static_cast<int>(row);
  };
  if (!std::is_sorted(wiring.hosts.begin(), wiring.hosts.end(), RowLess<Wiring::Host>))
    number(wiring.hosts);
  if (!std::is_sorted(wiring.switches.begin(), wiring.switches.end(), SwitchLess))
    number(wiring.switches);
}

std::string FormatPart(const Wiring::Host& host) {
  std::string out = FormatHostKeys(host.spec);
  if (host.pod) out += fmt::format(" pod={}", *host.pod);
  if (host.segment) out += fmt::format(" segment={}", *host.segment);
  if (host.order) out += fmt::format(" order={}", *host.order);
  return out;
}

std::string FormatPart(const Wiring& wiring, const Wiring::Switch& one) {
  std::string out;
  if (one.tier > 0) out += fmt::format(" tier={}", one.tier);
  if (one.plane) out += fmt::format(" plane={}", *one.plane);
  if (one.pod) out += fmt::format(" pod={}", *one.pod);
  if (one.segment) out += fmt::format(" segment={}", *one.segment);
  if (one.order) out += fmt::format(" order={}", *one.order);
  if (one.tier > 0 && static_cast<std::size_t>(one.tier) <= wiring.tiers.size())
    out += " called=" + wiring.tiers[static_cast<std::size_t>(one.tier) - 1];
  return out.substr(out.empty() ? 0 : 1);
}

Result<Wiring::Host> ParseHostPart(std::string_view text, std::string name, const SourcePos& pos) {
  Wiring::Host out;
  out.name = std::move(name);
  WEFT_TRY(const std::vector<KeyValue> keys, ParseKeys(text, pos));
  std::string yaml;
  for (const KeyValue& key : keys) {
    if (key.key == "pod" || key.key == "segment") {
      WEFT_TRY(const int number, ParseNumber(key, 0, 60000, pos));
      (key.key == "pod" ? out.pod : out.segment) = number;
    } else if (key.key == "order") {
      WEFT_TRY(out.order, ParseNumber(key, 0, kMostRows, pos));
    } else {
      yaml += fmt::format("{}{}: {}", yaml.empty() ? "" : ", ", key.key, key.value);
    }
  }
  Result<Located<HostSpec>> spec = ParseText<HostSpec>("{ " + yaml + " }", pos.file, {});
  if (!spec) {
    for (Error& error : spec.error()) error.pos = pos;
    return tl::make_unexpected(std::move(spec.error()));
  }
  out.spec = std::move(spec->message);
  return out;
}

Result<Wiring::Switch> ParseSwitchPart(std::string_view text, std::string name,
                                       const SourcePos& pos, Wiring& wiring) {
  Wiring::Switch out;
  out.name = std::move(name);
  WEFT_TRY(const std::vector<KeyValue> keys, ParseKeys(text, pos));
  std::string called;
  for (const KeyValue& key : keys) {
    if (key.key == "called") {
      called = key.value;
    } else if (key.key == "tier") {
      WEFT_TRY(out.tier, ParseNumber(key, 1, 16, pos));
    } else if (key.key == "plane") {
      WEFT_TRY(out.plane, ParseNumber(key, 0, 63, pos));
    } else if (key.key == "pod" || key.key == "segment") {
      WEFT_TRY(const int number, ParseNumber(key, 0, 60000, pos));
      (key.key == "pod" ? out.pod : out.segment) = number;
    } else if (key.key == "order") {
      WEFT_TRY(out.order, ParseNumber(key, 0, kMostRows, pos));
    } else {
      return Fail(ErrorCode::kUnknownKey, pos, fmt::format("unknown key '{}'", key.key),
                  "tier, plane, pod, segment, order or called");
    }
  }
  if (out.tier > 0 && !called.empty()) {
    if (wiring.tiers.size() < static_cast<std::size_t>(out.tier))
      wiring.tiers.resize(static_cast<std::size_t>(out.tier));
    wiring.tiers[static_cast<std::size_t>(out.tier) - 1] = called;
  }
  return out;
}

Result<Wiring::End> ParseHostPort(std::string_view text, std::uint32_t row, const SourcePos& pos) {
  const std::size_t slash = text.find("/port");
  if (text.starts_with("nic") && slash != std::string_view::npos) {
    const auto nic = WholeNumber(text.substr(3, slash - 3), 254);
    const auto port = WholeNumber(text.substr(slash + 5), 7);
    if (nic && port) return Wiring::End{true, row, static_cast<int>(*nic), static_cast<int>(*port)};
  }
  return Fail(ErrorCode::kSyntax, pos, fmt::format("'{}' is no port of a host", text),
              "nic5/port0");
}

void SortDevices(Wiring& wiring) {
  const auto hosts = Sort(wiring.hosts, RowLess<Wiring::Host>);
  const auto switches = Sort(wiring.switches, SwitchLess);
  for (Wiring::Cable& cable : wiring.cables)
    for (Wiring::End* end : {&cable.a, &cable.b})
      end->row = end->is_host ? hosts[end->row] : switches[end->row];
}

}  // namespace weft
