#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "base/check.h"
#include "base/schema/flatten.h"
#include "base/schema/quantity.h"
#include "base/schema/reader.h"
#include "topology/formats/wiring.h"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kColumns = 100;

// Whether YAML reads `text` as this text without quotes.
bool IsPlain(const std::string& text) {
  constexpr std::string_view kWords[] = {"true", "false", "null", "yes", "no",
                                         "on",   "off",   "y",    "n"};
  for (const std::string_view word : kWords)
    if (text == word) return false;
  if (text.empty() || text.starts_with("0x")) return false;
  const bool letter_first = std::isalpha(static_cast<unsigned char>(text.front())) != 0;
  const bool letter_last = std::isalpha(static_cast<unsigned char>(text.back())) != 0;
  const bool digit_first = std::isdigit(static_cast<unsigned char>(text.front())) != 0;
  if (!letter_first && !(digit_first && letter_last)) return false;
  return text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") ==
         std::string::npos;
}

std::string Flow(const Json& value) {
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    return IsPlain(text) ? text : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  if (value.is_object()) {
    std::string out;
    for (const auto& [key, item] : value.items())
      out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", key, Flow(item));
    return "{ " + out + " }";
  }
  return value.dump();
}

// "    - { from: leaf0, to: [a, b, …], rate: 400Gbps }", the list broken where it is long.
std::string FlowLine(const Json& item) {
  std::string out = "    - { ";
  bool first = true;
  for (const auto& [key, value] : item.items()) {
    out += fmt::format("{}{}: ", first ? "" : ", ", key);
    first = false;
    if (!value.is_array()) {
      out += Flow(value);
      continue;
    }
    std::size_t column = out.size();
    out += '[';
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string text = Flow(value[i]) + (i + 1 < value.size() ? "," : "");
      if (column + text.size() + 2 > kColumns) {
        out += "\n        ";
        column = 8;
      } else if (i > 0) {
        out += ' ';
      }
      out += text;
      column += text.size() + 1;
    }
    out += ']';
  }
  return out + " }\n";
}

// What only racks and NCCL's search read is left out where it is the default: a file that was
// imported does not say it.
bool Unsaid(const std::string& key, const std::string& value) {
  static const std::map<std::string, std::string> defaults = [] {
    const Result<Located<HostSpec>> none = ParseText<HostSpec>("{}", "default", {});
    WEFT_CHECK(none.has_value());
    return Flatten(none->message);
  }();
  static const std::set<std::string_view> unseen{
      "units",      "own_rack",     "racks",         "cpu",
      "numa_nodes", "nvlink_shape", "gpus_per_tray", "gpus_per_pcie_switch"};
  const auto found = defaults.find(key);
  return unseen.contains(key) && found != defaults.end() && found->second == value;
}

Json HostJson(const HostSpec& spec) {
  const std::map<std::string, std::string> texts = Flatten(spec);
  Json out = Json::object();
  const auto& type = *HostSpec::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const auto found = texts.find(type.field(i)->name());
    if (found == texts.end() || Unsaid(found->first, found->second)) continue;
    if (found->first == "nvlink_latency" && !spec.has_nvlink() && spec.gpu().empty()) continue;
    using Field = google::protobuf::FieldDescriptor;
    if (type.field(i)->cpp_type() == Field::CPPTYPE_INT32)
      out[found->first] = std::stoi(found->second);
    else if (type.field(i)->cpp_type() == Field::CPPTYPE_BOOL)
      out[found->first] = found->second == "true";
    else
      out[found->first] = found->second;
  }
  return out;
}

std::string Rate(BitRate rate) { return FormatQuantity(rate.bits_per_second(), BIT_RATE); }
std::string Time(SimDuration time) { return FormatWhole(time.count(), DURATION); }

// "leaf12" is {"leaf", 12}; none for a name that does not end in a number weft would write.
std::optional<std::pair<std::string, int>> Numbered(const std::string& name) {
  const std::size_t digits = name.find_last_not_of("0123456789") + 1;
  const std::size_t count = name.size() - digits;
  if (count == 0 || count > 8 || digits == 0 || (count > 1 && name[digits] == '0'))
    return std::nullopt;
  return std::pair(name.substr(0, digits), std::stoi(name.substr(digits)));
}

// Whether row `next` goes on where `count` rows from `first` end.
bool GoesOn(const std::string& first, std::size_t count, const std::string& next) {
  const auto a = Numbered(first), b = Numbered(next);
  return a && b && a->first == b->first && b->second == a->second + static_cast<int>(count);
}

// `name:`, and for several `count:` and `first:`.
Json NameKeys(const std::string& name, std::size_t count) {
  Json out = Json::object();
  const auto numbered = Numbered(name);
  if (count == 1 || !numbered) {
    out["name"] = name;
    return out;
  }
  out["name"] = numbered->first;
  out["count"] = count;
  if (numbered->second > 0) out["first"] = numbered->second;
  return out;
}

Json HostItem(const Wiring::Host& host, std::size_t count) {
  Json out = NameKeys(host.name, count);
  if (host.pod) out["pod"] = *host.pod;
  if (host.segment) out["segment"] = *host.segment;
  out["host"] = HostJson(host.spec);
  return out;
}

Json SwitchItem(const Wiring::Switch& one, std::size_t count) {
  Json out = NameKeys(one.name, count);
  if (one.tier > 0) out["tier"] = one.tier;
  if (one.plane) out["plane"] = *one.plane;
  if (one.pod) out["pod"] = *one.pod;
  if (one.segment) out["segment"] = *one.segment;
  return out;
}

// The host that most are, for `fabric.host`.
Json CommonHost(const Wiring& wiring) {
  std::map<std::string, std::size_t> times;
  for (const Wiring::Host& host : wiring.hosts) ++times[HostJson(host.spec).dump()];
  const auto most = std::max_element(
      times.begin(), times.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == times.end() ? Json::object() : Json::parse(most->first);
}

// Rows that differ in nothing but the number in their name become one.
template <typename Row, typename Item>
std::vector<Json> Condensed(const std::vector<Row>& rows, const Item& item) {
  std::vector<Json> out;
  for (std::size_t first = 0; first < rows.size();) {
    Json like = item(rows[first], 1);
    like.erase("name");
    std::size_t count = 1;
    for (; first + count < rows.size() && count < 60000; ++count) {
      if (!GoesOn(rows[first].name, count, rows[first + count].name)) break;
      Json other = item(rows[first + count], 1);
      other.erase("name");
      if (other != like) break;
    }
    out.push_back(item(rows[first], count));
    first += count;
  }
  return out;
}

std::vector<Json> CableItems(const Wiring& wiring) {
  std::vector<Json> out;
  for (const Wiring::Cable& cable : wiring.cables)
    out.push_back(Json{{"from", EndName(wiring, cable.a)},
                       {"to", EndName(wiring, cable.b)},
                       {"rate", Rate(cable.rate)},
                       {"latency", Time(cable.latency)}});
  return out;
}

// A switch's cables of one rate and latency together: those to NICs by their switch, those
// between switches by the first end.
std::vector<Json> CondensedCables(const Wiring& wiring) {
  std::vector<Json> out;
  std::map<std::pair<std::string, std::string>, std::size_t> row_of;
  for (const Wiring::Cable& cable : wiring.cables) {
    const Wiring::End &from = cable.a.is_host ? cable.b : cable.a,
                      &to = cable.a.is_host ? cable.a : cable.b;
    const std::string like =
        fmt::format("{} {} {}", cable.a.is_host ? 'h' : 's', Rate(cable.rate), Time(cable.latency));
    const auto [at, added] = row_of.try_emplace({EndName(wiring, from), like}, out.size());
    if (added)
      out.push_back(Json{{"from", EndName(wiring, from)},
                         {"rate", Rate(cable.rate)},
                         {"latency", Time(cable.latency)},
                         {"to", Json::array()}});
    out[at->second]["to"].push_back(EndName(wiring, to));
  }
  return out;
}

std::string Lines(const char* key, const std::vector<Json>& items) {
  std::string out = fmt::format("  {}:\n", key);
  for (const Json& item : items) out += FlowLine(item);
  return out;
}

std::string JsonLines(const char* key, const std::vector<Json>& items) {
  std::string out = fmt::format("  \"{}\": [", key);
  for (std::size_t i = 0; i < items.size(); ++i)
    out += (i == 0 ? "\n   " : ",\n   ") +
           items[i].dump(-1, ' ', false, Json::error_handler_t::replace);
  return out + "]";
}

std::vector<Json> Texts(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

}  // namespace

std::string FormatHostKeys(const HostSpec& spec) {
  std::string out;
  const Json keys = HostJson(spec);
  for (const auto& [key, value] : keys.items())
    out += fmt::format("{}{}={}", out.empty() ? "" : " ", key,
                       value.is_string() ? value.get<std::string>() : value.dump());
  return out;
}

std::string FormatScenario(const Wiring& wiring) {
  std::string notes;
  for (const std::string& note : wiring.notes) notes += "# " + note + '\n';
  if (wiring.switches.empty()) {
    std::string out = notes;
    for (const Wiring::Host& host : wiring.hosts)
      out += "host: " + Flow(HostJson(host.spec)) + '\n';
    return out;
  }
  std::string out = "fabric:\n  family: custom\n  check_ports: false\n";
  if (!wiring.notes.empty()) {
    out += "  origin:\n";
    for (const std::string& note : wiring.notes)
      out += "    - " + Json(note).dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  }
  if (!wiring.tiers.empty()) {
    out += "  tiers: [";
    for (std::size_t t = 0; t < wiring.tiers.size(); ++t)
      out += (t > 0 ? ", " : "") + Flow(Json(wiring.tiers[t]));
    out += "]\n";
  }
  const Json common = CommonHost(wiring);
  out += "  host: " + Flow(common) + '\n';
  const auto host_item = [&](const Wiring::Host& host, std::size_t count) {
    Json item = HostItem(host, count);
    if (item["host"] == common) item.erase("host");
    return item;
  };
  return out + Lines("hosts", Condensed(wiring.hosts, host_item)) +
         Lines("switches", Condensed(wiring.switches, SwitchItem)) +
         Lines("cables", CondensedCables(wiring));
}

std::string FormatScenarioJson(const Wiring& wiring) {
  std::vector<Json> hosts, switches;
  for (const Wiring::Host& host : wiring.hosts) hosts.push_back(HostItem(host, 1));
  for (const Wiring::Switch& one : wiring.switches) switches.push_back(SwitchItem(one, 1));
  std::string out = "{\n \"fabric\": {\n  \"family\": \"custom\",\n  \"check_ports\": false,\n";
  if (!wiring.notes.empty()) out += JsonLines("origin", Texts(wiring.notes)) + ",\n";
  if (!wiring.tiers.empty()) out += JsonLines("tiers", Texts(wiring.tiers)) + ",\n";
  return out + JsonLines("hosts", hosts) + ",\n" + JsonLines("switches", switches) + ",\n" +
         JsonLines("cables", CableItems(wiring)) + "\n }\n}\n";
}

}  // namespace weft
