// What the names of a bill's parts say: weft's own presets, and generic ones in numbers.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <regex>

#include "base/check.h"
#include "base/schema/wording.h"
#include "planner/audit_reader.h"

namespace weft {
namespace {

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

constexpr double kMostPorts = 1e5;  // of one switch, far above any
bool IsRate(double bps) { return bps >= 1e6 && bps <= 1e16; }

// "64x400G", "400G", "51.2T": how many and what rate each; none where either is nothing.
struct Rates {
  double times = 1, each_bps = 0;
  bool counted = false;  // "64x" was there
};
std::optional<Rates> ParseRates(const std::string& text) {
  static const std::regex kPattern(
      R"(^(?:(\d+)\s*x\s*)?(\d+(?:\.\d+)?)\s*([gt])(?:bps|b/s|be|b)?$)", std::regex::icase);
  std::smatch found;
  if (!std::regex_match(text, found, kPattern)) return std::nullopt;
  Rates out;
  out.counted = found[1].matched;
  if (out.counted) out.times = std::stod(found[1].str());
  out.each_bps = std::stod(found[2].str()) * (Lower(found[3].str()) == "t" ? 1e12 : 1e9);
  if (out.times < 1 || out.times > kMostPorts || !IsRate(out.each_bps)) return std::nullopt;
  return out;
}

std::vector<std::string> Tokens(const std::string& part) {
  std::vector<std::string> out(1);
  for (const char c : part)
    if (c == '/')
      out.emplace_back();
    else
      out.back() += c;
  for (std::string& token : out) token = std::string(Trim(token));
  return out;
}

// "QSFP-DD", "qsfp112": the cage of that name.
std::optional<CageSpec::Form> ParseForm(const std::string& text) {
  std::string plain;
  for (const char c : Lower(text))
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) plain += c;
  static const std::map<std::string, CageSpec::Form> kForms = {
      {"qsfp28", CageSpec::QSFP28},     {"qsfp56", CageSpec::QSFP56},
      {"qsfp112", CageSpec::QSFP112},   {"qsfpdd", CageSpec::QSFP_DD},
      {"qsfpdd800", CageSpec::QSFP_DD}, {"qsfp56dd", CageSpec::QSFP56_DD},
      {"osfp", CageSpec::OSFP},         {"osfp1600", CageSpec::OSFP1600},
      {"osfprhs", CageSpec::OSFP},      {"osfpihs", CageSpec::OSFP}};
  const auto found = kForms.find(plain);
  return found == kForms.end() ? std::nullopt : std::optional(found->second);
}

// Cages that take a plug of one form: QSFP cages take older QSFP plugs.
std::vector<CageSpec::Form> CagesFor(CageSpec::Form form) {
  switch (form) {
    case CageSpec::QSFP28:
      return {form, CageSpec::QSFP56, CageSpec::QSFP112, CageSpec::QSFP_DD, CageSpec::QSFP56_DD};
    case CageSpec::QSFP56:
      return {form, CageSpec::QSFP112, CageSpec::QSFP_DD, CageSpec::QSFP56_DD};
    case CageSpec::QSFP112:
      return {form, CageSpec::QSFP_DD};
    // What people call QSFP-DD is both: the bill does not say which lanes.
    case CageSpec::QSFP_DD:
      return {form, CageSpec::QSFP56_DD};
    case CageSpec::OSFP:
      return {form, CageSpec::OSFP1600};
    default:
      return {form};
  }
}

double PresetReach(std::string_view name) {
  const PresetTable presets(HardwarePresets());
  const Preset* preset = presets.Find("cable", name);
  WEFT_CHECK(preset != nullptr);
  const auto spec = ParseText<CableSpec>(preset->text, preset->file, {&presets, {}, nullptr});
  WEFT_CHECK(spec.has_value());
  return spec->message.reach();
}

}  // namespace

void BillReader::ReadAccelerator(const CsvCell& part, std::int64_t count) {
  const std::string name = GpuName(part.text);
  if (name.empty()) return Unknown("accelerator", part, presets_.Names("gpu"), "h100");
  bill_.accelerators.push_back({count, line_, name, {}, 0});
  if (const Preset* preset = HostOf(name)) {
    const HostPart host = ReadHostPreset(*preset);
    bill_.accelerators.back().usual_power =
        host.power.value_or(Watts()) * (1.0 / std::max(1, host.gpus));
    bill_.accelerators.back().of_host = host.gpus;
  }
}

HostPart BillReader::ReadHostPreset(const Preset& preset) const {
  const auto spec = ParseText<HostSpec>(preset.text, preset.file, {&presets_, {}, nullptr});
  return *MakeHostPart(spec->message, spec->sources, "");
}

// The host that such GPUs usually stand in, HGX boards before others; null: none is known.
const Preset* BillReader::HostOf(const std::string& gpu) const {
  const Preset* found = presets_.Find("host", "hgx-" + gpu);
  for (const Preset& preset : presets_.list()) {
    if (found != nullptr) return found;
    if (preset.kind == "host" && ReadHostPreset(preset).gpu_name == gpu) found = &preset;
  }
  return found;
}

// "H100", "NVIDIA H100-SXM": the preset that is named; empty: none.
std::string BillReader::GpuName(const std::string& text) const {
  const std::string plain = Lower(text);
  if (presets_.Find("gpu", plain) != nullptr) return plain;
  std::string word, found;
  for (const char c : plain + ' ') {
    if (c != ' ' && c != '_' && c != '-') {
      word += c;
      continue;
    }
    if (presets_.Find("gpu", word) != nullptr) found = word;
    word.clear();
  }
  return found;
}

// `counts`: no spare one, of which nothing is asked but that weft knows it.
void BillReader::ReadHost(const CsvCell& part, std::int64_t count, bool counts) {
  HostRow out;
  out.count = count;
  out.line = line_;
  out.part = part.text;
  std::string name = Lower(part.text);
  std::replace(name.begin(), name.end(), ' ', '-');
  if (presets_.Find("host", name) == nullptr && name.starts_with("dgx-"))
    name = "hgx-" + name.substr(4);
  if (const Preset* preset = presets_.Find("host", name)) {
    const HostPart host = ReadHostPreset(*preset);
    out.gpus = host.gpus;
    out.gpu = host.gpu_name;
    out.power = host.power;
    out.nic_bps = host.nic().bits_per_second();
    out.units = host.own_rack ? 0 : host.units;
  } else if (!ReadGenericHost(part.text, out)) {
    return Unknown("host", part, presets_.Names("host"), "8xh100, or 8xh100/10.2kW");
  }
  // A plan's bom.csv: "host, with 8 NICs of 400Gbps".
  static const std::regex kNics(R"(with (\d{1,3}) nics? of (\S+))");
  std::smatch found;
  if (std::regex_search(use_, found, kNics)) {
    out.nics = std::stoi(found[1].str());
    if (const auto rates = ParseRates(found[2].str())) out.nic_bps = rates->each_bps;
  }
  if (counts) bill_.hosts.push_back(std::move(out));
}

// "8xh100/10.2kW"
bool BillReader::ReadGenericHost(const std::string& text, HostRow& out) {
  static const std::regex kPattern(R"(^(\d{1,4})\s*x\s*(.+)$)", std::regex::icase);
  for (const std::string& token : Tokens(text)) {
    std::smatch found;
    if (const auto power = ScanQuantity(token, Unit::POWER)) {
      out.power = Watts(*power);
    } else if (std::regex_match(token, found, kPattern) && !GpuName(found[2].str()).empty()) {
      out.gpus = std::stoi(found[1].str());
      out.gpu = GpuName(found[2].str());
    } else {
      return false;
    }
  }
  if (out.gpus == 0) return false;
  if (const Preset* preset = HostOf(out.gpu)) {
    const HostPart usual = ReadHostPreset(*preset);
    if (usual.gpus != out.gpus || usual.own_rack) return true;
    out.usual_power = usual.power;
    out.units = usual.units;
    if (!out.power) out.power = usual.power;
  }
  return true;
}

void BillReader::ReadRack(const CsvCell& part, std::int64_t count) {
  RackRow out;
  out.count = count;
  out.line = line_;
  if (const Preset* preset = presets_.Find("rack", Lower(part.text))) {
    const auto spec = ParseText<RackSpec>(preset->text, preset->file, {&presets_, {}, nullptr});
    out.units = spec->message.units();
    out.power = Watts(spec->message.power());
  } else {
    static const std::regex kUnits(R"(^(\d{1,3})\s*u$)", std::regex::icase);
    for (const std::string& token : Tokens(part.text)) {
      std::smatch found;
      if (const auto power = ScanQuantity(token, Unit::POWER)) out.power = Watts(*power);
      if (std::regex_match(token, found, kUnits)) out.units = std::stoi(found[1].str());
    }
  }
  bill_.racks.push_back(out);
}

void BillReader::ReadNic(const CsvCell& part, std::int64_t count) {
  NicRow out{count, line_, 1, 0};
  if (const Preset* preset = presets_.Find("nic", Lower(part.text))) {
    const auto spec = ParseText<NicSpec>(preset->text, preset->file, {&presets_, {}, nullptr});
    out.ports = spec->message.ports();
    out.port_bps = spec->message.rate() / out.ports;
  } else if (const auto rates = ParseRates(part.text)) {
    out.ports = static_cast<int>(rates->times);
    out.port_bps = rates->each_bps;
  } else {
    return Unknown("NIC", part, presets_.Names("nic"), "400G or 2x200G");
  }
  // A plan's bom.csv has a NIC at the rate that it runs at: "NIC of 100Gbps".
  static const std::regex kAsUsed(R"(^nic of (\S+)$)");
  std::smatch found;
  if (std::regex_match(use_, found, kAsUsed))
    if (const auto rates = ParseRates(found[1].str())) out.port_bps = rates->each_bps / out.ports;
  bill_.nics.push_back(out);
}

void BillReader::ReadSwitch(const std::string& role, const CsvCell& part, std::int64_t count) {
  SwitchRow out;
  out.role = role == "leaf"    ? SwitchRole::kLeaf
             : role == "spine" ? SwitchRole::kSpine
             : role == "core"  ? SwitchRole::kCore
                               : SwitchRole::kAny;
  out.count = count;
  out.line = line_;
  out.part = part.text;
  if (const Preset* preset = presets_.Find("switch", Lower(part.text))) {
    const auto spec = ParseText<SwitchSpec>(preset->text, preset->file, {&presets_, {}, nullptr});
    const auto made = MakeSwitchPart(spec->message, spec->sources, "");
    out.chip_bps = made->rate.bits_per_second();
    out.port_bps = made->cage.lane.bits_per_second() * made->cage.lanes;
    out.most_ports = made->cages > 0 ? std::int64_t{made->cages} * made->cage.ports : made->ports;
    out.form = made->cage.form;
    out.power = made->power;
    out.units = made->units;
  } else if (!ReadGenericSwitch(part.text, out)) {
    return Unknown("switch", part, presets_.Names("switch"), "64x400G or 51.2T");
  }
  bill_.switches.push_back(std::move(out));
  // A plan's bom.csv: "leaf, 8 rails".
  static const std::regex kRails(R"(^(?:leaf|spine|core), (\d{1,3}) rails$)");
  std::smatch found;
  if (!bill_.rails && std::regex_match(use_, found, kRails) && std::stoi(found[1].str()) > 0)
    bill_.rails = Key<std::int64_t>{std::stoi(found[1].str()), line_};
}

// "64x400G", "51.2T", "64x400G/QSFP-DD", "136x200G+60x400G"
bool BillReader::ReadGenericSwitch(const std::string& text, SwitchRow& out) {
  for (const std::string& token : Tokens(text)) {
    if (const auto form = ParseForm(token)) {
      out.form = form;
      continue;
    }
    if (const auto power = ScanQuantity(token, Unit::POWER)) {
      out.power = Watts(*power);
      continue;
    }
    std::string ports = token;
    for (std::size_t plus = 0; !ports.empty();) {
      plus = ports.find('+');
      const auto rates = ParseRates(std::string(Trim(ports.substr(0, plus))));
      if (!rates) return false;
      out.chip_bps += rates->times * rates->each_bps;
      if (rates->counted) out.port_bps = std::max(out.port_bps, rates->each_bps);
      ports = plus == std::string::npos ? "" : ports.substr(plus + 1);
    }
  }
  out.generic = true;
  return out.chip_bps > 0;
}

void BillReader::ReadPorts(const CsvCell& part, std::int64_t count, bool up) {
  const auto rates = ParseRates(part.text);
  if (!rates)
    return Complain(ErrorCode::kSyntax, part.column,
                    fmt::format("{} is no rate of a port", Quoted(part.text)), "400G");
  bill_.ports.push_back(
      {up, count * static_cast<std::int64_t>(rates->times), line_, rates->each_bps});
}

// By its preset's name, or by what a bill of materials calls it.
const Preset* BillReader::FindOptic(const std::string& text) const {
  for (const Preset& preset : presets_.list())
    if (preset.kind == "optic" &&
        (preset.name == Lower(text) ||
         preset.text.find("\npart: " + text + "\n") != std::string_view::npos))
      return &preset;
  return nullptr;
}

bool BillReader::IsTwin(const OpticRow& optic, bool eight_lanes) {
  const auto& forms = optic.forms;
  return eight_lanes && optic.parallel && optic.ports == 1 &&
         (forms.empty() || std::find(forms.begin(), forms.end(), CageSpec::OSFP) != forms.end());
}

void BillReader::ReadOptic(const CsvCell& part, std::int64_t count) {
  static const std::regex kParallel(R"([dsv]r\d)", std::regex::icase);
  OpticRow out;
  out.count = count;
  out.line = line_;
  out.part = part.text;
  if (const Preset* preset = FindOptic(part.text)) {
    const auto spec = ParseText<OpticSpec>(preset->text, preset->file, {&presets_, {}, nullptr});
    static const std::regex kTwin(R"(^(\d+)x)");
    std::smatch found;
    const std::string& name = spec->message.part();
    out.ports = std::regex_search(name, found, kTwin) ? std::stoi(found[1].str()) : 1;
    out.port_bps = spec->message.lane() * spec->message.lanes() / out.ports;
    out.parallel = std::regex_search(name, kParallel);
    for (const int form : spec->message.forms())
      out.forms.push_back(static_cast<CageSpec::Form>(form));
    out.twin = IsTwin(out, spec->message.lanes() == 8);
    bill_.optics.push_back(std::move(out));
    return;
  }
  static const std::regex kPattern(
      R"((?:(\d)\s*x\s*)?(\d+(?:\.\d+)?)\s*([gt])[-_ ]*(?:(\d)x)?([dsflevz]r\d*)?)",
      std::regex::icase);
  std::smatch found;
  const std::vector<std::string> tokens = Tokens(part.text);
  if (!std::regex_search(tokens.front(), found, kPattern))
    return Unknown("optic", part, presets_.Names("optic"), "400G-DR4/QSFP-DD");
  const double rate = std::stod(found[2].str()) * (Lower(found[3].str()) == "t" ? 1e12 : 1e9);
  if (found[1].matched) {
    out.ports = std::stoi(found[1].str());
    out.port_bps = rate;
  } else {
    if (found[4].matched) out.ports = std::stoi(found[4].str());  // 800G-2xDR4
    out.port_bps = rate / out.ports;
  }
  if (out.ports < 1 || !IsRate(out.port_bps))
    return Complain(ErrorCode::kOutOfRange, part.column,
                    fmt::format("{} carries no rate", Quoted(part.text)), "400G-DR4/QSFP-DD");
  out.parallel = std::regex_search(tokens.front(), kParallel);
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    const auto form = ParseForm(tokens[i]);
    if (!form)
      return Complain(ErrorCode::kUnknownKey, part.column,
                      fmt::format("{} is no form of a plug", Quoted(tokens[i])),
                      "qsfp28, qsfp56, qsfp112, qsfp-dd, osfp");
    out.forms = CagesFor(*form);
  }
  static const std::regex kEight(R"([dsv]r8)", std::regex::icase);
  out.twin = IsTwin(out, std::regex_search(tokens.front(), kEight));
  bill_.optics.push_back(std::move(out));
}

void BillReader::ReadCable(const std::string& role, const CsvCell& part, std::int64_t count) {
  CableRow out;
  out.line = line_;
  out.count = count;
  out.end = role == "host_cable"  ? CableRow::End::kHost
            : role == "isl_cable" ? CableRow::End::kSwitch
                                  : CableRow::End::kAny;
  const std::string text = Lower(part.text);
  static const std::regex kPlugs("dac|aoc|aec|acc|copper|twinax");
  static const std::regex kFibre("fib|mpo|smf|mmf|mode|om\\d|os2|[dsfl]r\\d");
  // "800G 2x400G": how it splits says more than its sum. "AEC 100G lanes" says no cable's rate.
  static const std::regex kSplit(
      R"((\d)\s*x\s*(\d+(?:\.\d+)?)\s*([gt])(?:bps|b/s|be|b)?(?![a-z]|[\s-]*lane))");
  static const std::regex kRate(
      R"(()(\d+(?:\.\d+)?)\s*([gt])(?:bps|b/s|be|b)?(?![a-z]|[\s-]*lane))");
  if (std::regex_search(text, kPlugs))
    out.medium = CableRow::Medium::kOwnPlugs;
  else if (std::regex_search(text, kFibre))
    out.medium = CableRow::Medium::kFibre;
  std::smatch found;
  if (FindPreset("cable", text) != nullptr) {  // "aec-112g" names its lanes
    ReadUseOfCable(out);
  } else if (std::regex_search(text, found, kSplit) || std::regex_search(text, found, kRate)) {
    out.rate_bps = std::stod(found[2].str()) * (found[3].str() == "t" ? 1e12 : 1e9);
    const int links = found[1].str().empty() ? 1 : std::stoi(found[1].str());
    out.count *= links;
    if (links == 0 || !IsRate(out.rate_bps))
      return Complain(ErrorCode::kOutOfRange, part.column,
                      fmt::format("{} carries no rate", Quoted(part.text)), "400G DAC 2m");
  } else {
    ReadUseOfCable(out);
  }
  static const std::regex kLength(R"((\d+(?:\.\d+)?)\s*m(?:eters?|etres?)?(?![a-z\d]))");
  if (out.medium == CableRow::Medium::kOwnPlugs && std::regex_search(text, found, kLength))
    out.length_m = std::stod(found[1].str());
  out.part = part.text;
  bill_.cables.push_back(out);
}

// A plan's bom.csv: "to hosts, 200Gbps of 2 a cage". Fibre is a row's piece for every link.
void BillReader::ReadUseOfCable(CableRow& out) const {
  static const std::regex kPattern(R"((\d+(?:\.\d+)?[gt]bps)(?: of ([1-8]) a cage)?)");
  std::smatch found;
  if (!std::regex_search(use_, found, kPattern)) return;
  if (const auto rates = ParseRates(found[1].str())) out.rate_bps = rates->each_bps;
  if (found[2].matched && out.medium == CableRow::Medium::kOwnPlugs)
    out.count *= std::stoi(found[2].str());
}

double LongestCable(const std::string& part, double rate_bps) {
  constexpr double kFast = 200e9;  // lanes of 50 and 100 Gb/s; slower copper reaches farther
  const std::string text = Lower(part);
  const auto has = [&](const char* word) { return text.find(word) != std::string::npos; };
  // The catalogue's AOC and DAC are what a plan counts on, of every shape; longer ones are sold.
  if (has("aoc")) return 100;  // [IEEE802.3 cl. 138]: as far as multimode optics reach
  if (rate_bps < kFast) return 0;
  const bool copper = has("dac") || has("copper") || has("twinax");
  if (has("acc") || (has("active") && copper)) return PresetReach("acc-112g");
  if (has("aec")) return PresetReach("aec-112g");
  return copper ? 3 : 0;  // [IEEE802.3 cl. 136], and split ones of faster lanes [NV-LINKX MCP7Y10]
}

}  // namespace weft
