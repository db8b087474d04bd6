#include "hardware/cabling_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "hardware/parts.h"

namespace weft {
namespace {

template <typename Spec>
std::vector<CageSpec::Form> FormsOf(const Spec& spec) {
  std::vector<CageSpec::Form> out;
  for (const int form : spec.forms()) out.push_back(static_cast<CageSpec::Form>(form));
  return out;
}

OpticPart MakeOptic(const OpticSpec& spec) {
  OpticPart out;
  out.part = spec.part();
  out.forms = FormsOf(spec);
  out.lanes = spec.lanes();
  out.lane = BitRate::BitsPerSecond(spec.lane());
  out.ports = spec.ports();
  out.fibre = spec.fibre() == OpticSpec::MULTIMODE ? Medium::kMultimode : Medium::kSingleMode;
  out.standard = spec.standard();
  out.reach = Metres(spec.reach());
  out.power = Watts(spec.power());
  out.half_power = spec.has_half_power() ? Watts(spec.half_power()) : out.power;
  return out;
}

CablePart MakeCable(const CableSpec& spec) {
  CablePart out;
  out.part = spec.part();
  out.medium = MediumOf(spec.medium());
  out.forms = FormsOf(spec);
  out.lane = BitRate::BitsPerSecond(spec.lane());
  out.legs = spec.legs();
  out.reach = Metres(spec.reach());
  out.lane_power = Watts(spec.lane_power());
  return out;
}

// The presets of one kind as messages, by name.
template <typename Spec>
std::vector<Spec> ReadPresets(std::string_view kind) {
  const PresetTable presets(HardwarePresets());
  std::vector<Spec> out;
  for (const std::string& name : presets.Names(kind)) {
    const Preset& preset = *presets.Find(kind, name);
    auto read = ParseText<Spec>(preset.text, preset.file, {&presets, {}, nullptr});
    WEFT_CHECK(read.has_value());  // compiled in, and tests read each
    out.push_back(std::move(read->message));
  }
  return out;
}

}  // namespace

std::string_view NameOf(Medium medium) {
  switch (medium) {
    case Medium::kDac:
      return "dac";
    case Medium::kAec:
      return "aec";
    case Medium::kAoc:
      return "aoc";
    case Medium::kMultimode:
      return "multimode";
    default:
      return "single_mode";
  }
}

Medium MediumOf(CableSpec::Medium medium) {
  switch (medium) {
    case CableSpec::DAC:
      return Medium::kDac;
    case CableSpec::AEC:
      return Medium::kAec;
    case CableSpec::AOC:
      return Medium::kAoc;
    case CableSpec::MULTIMODE:
      return Medium::kMultimode;
    default:
      return Medium::kSingleMode;
  }
}

std::string_view NameOf(CageSpec::Form form) {
  switch (form) {
    case CageSpec::QSFP28:
      return "qsfp28";
    case CageSpec::QSFP56:
      return "qsfp56";
    case CageSpec::QSFP112:
      return "qsfp112";
    case CageSpec::QSFP_DD:
      return "qsfp_dd";
    case CageSpec::QSFP56_DD:
      return "qsfp56_dd";
    case CageSpec::OSFP:
      return "osfp";
    default:
      return "osfp1600";
  }
}

CagePart MakeCagePart(const CageSpec& spec, int ports) {
  CagePart out;
  out.form = spec.form();
  out.lanes = spec.lanes();
  out.lane = BitRate::BitsPerSecond(spec.lane());
  out.ports = spec.has_ports() ? spec.ports() : ports;
  if (spec.has_power()) out.power = Watts(spec.power());
  return out;
}

CagePart CageOfNic(CagePart cage, int nic_ports) {
  const bool eight = cage.form == CageSpec::QSFP_DD || cage.form == CageSpec::OSFP ||
                     cage.form == CageSpec::OSFP1600;
  const int contacts = eight ? 8 : 4;
  if (cage.lanes >= contacts) return cage;
  cage.ports = std::min(cage.ports, nic_ports);
  if (cage.ports == 1) return cage;
  cage.lane = cage.lane * (static_cast<double>(cage.lanes) / contacts);
  cage.lanes = contacts;
  return cage;
}

CagePart CageOfLane(BitRate lane) {
  CagePart out;
  out.lane = lane;
  if (lane > GigabitsPerSecond(100)) {
    out.form = CageSpec::OSFP1600;
    out.lanes = 8;
  } else {
    out.form = lane > GigabitsPerSecond(50)   ? CageSpec::QSFP112
               : lane > GigabitsPerSecond(25) ? CageSpec::QSFP56
                                              : CageSpec::QSFP28;
  }
  out.ports = out.lanes;
  return out;
}

CagePart CageOfPort(BitRate rate) {
  CagePart out;
  if (rate <= GigabitsPerSecond(400)) return out;
  out.lanes = 8;
  out.form = rate <= GigabitsPerSecond(800) ? CageSpec::OSFP : CageSpec::OSFP1600;
  if (out.form == CageSpec::OSFP1600) out.lane = GigabitsPerSecond(200);
  return out;
}

Result<std::vector<OpticPart>> MakeOptics(
    const google::protobuf::RepeatedPtrField<OpticSpec>& specs, const SourceMap& sources,
    std::string_view path) {
  std::vector<OpticPart> out;
  Errors errors;
  for (int i = 0; i < specs.size(); ++i) {
    const OpticSpec& spec = specs[i];
    if (spec.lanes() % spec.ports() != 0)
      errors.push_back(
          {ErrorCode::kInconsistent, sources.At(fmt::format("{}[{}].ports", path, i)).pos,
           fmt::format("{} lanes do not split into {} equal ports", spec.lanes(), spec.ports()),
           "ports: a divisor of lanes"});
    if (spec.half_power() > spec.power())
      errors.push_back({ErrorCode::kInconsistent,
                        sources.At(fmt::format("{}[{}].half_power", path, i)).pos,
                        "an optic draws more with half of its lanes than with all",
                        "half_power: at most power"});
    out.push_back(MakeOptic(spec));
  }
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return out;
}

Result<std::vector<CablePart>> MakeCables(
    const google::protobuf::RepeatedPtrField<CableSpec>& specs, const SourceMap& sources,
    std::string_view path) {
  std::vector<CablePart> out;
  Errors errors;
  for (int i = 0; i < specs.size(); ++i) {
    out.push_back(MakeCable(specs[i]));
    if (HasOptics(out.back().medium))
      errors.push_back({ErrorCode::kInconsistent,
                        sources.At(fmt::format("{}[{}].medium", path, i)).pos,
                        "a cable with plugs is not bare fibre",
                        "medium: dac, aec or aoc; fibre comes with its optics"});
  }
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return out;
}

RackPart MakeRackPart(const RackSpec& spec) {
  return {spec.units(), Watts(spec.power()), Metres(spec.width())};
}

// Compiled in, so they are read once: a planner cables dozens of fabrics.
const std::vector<OpticPart>& PresetOptics() {
  static const std::vector<OpticPart> parts = [] {
    std::vector<OpticPart> out;
    for (const OpticSpec& spec : ReadPresets<OpticSpec>("optic")) out.push_back(MakeOptic(spec));
    return out;
  }();
  return parts;
}

const std::vector<CablePart>& PresetCables() {
  static const std::vector<CablePart> parts = [] {
    std::vector<CablePart> out;
    for (const CableSpec& spec : ReadPresets<CableSpec>("cable")) out.push_back(MakeCable(spec));
    return out;
  }();
  return parts;
}

}  // namespace weft
