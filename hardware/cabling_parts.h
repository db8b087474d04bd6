// The parts of a cabling plan: cages, optics, cables with plugs, racks.
//
// A cage has electrical lanes; a port takes some of them, and all ports of a cage take
// equally many: an OSFP of 8 lanes of 100 Gb/s is 1 x 800G, 2 x 400G or 4 x 200G.
// A plug is an optic or the end of a cable; it fits a cage by its form, its lanes and
// what it draws.
//
//     cage  lanes  0 1 2 3 | 4 5 6 7      2 x 400G: port 0 on lanes 0-3, port 1 on 4-7
//
// Units    a lane's rate is nominal: 100 Gb/s is what data sheets call 112G PAM4.
// Errors   MakeOptics, MakeCables: a part that contradicts itself, at its position.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "base/units.h"
#include "hardware/hardware.pb.h"

namespace weft {

enum class Medium : std::uint8_t { kDac, kAec, kAoc, kMultimode, kSingleMode };
inline constexpr std::array kMediums = {Medium::kDac, Medium::kAec, Medium::kAoc,
                                        Medium::kMultimode, Medium::kSingleMode};
constexpr bool HasOptics(Medium medium) { return medium >= Medium::kMultimode; }
std::string_view NameOf(Medium medium);  // "dac", "single_mode"
Medium MediumOf(CableSpec::Medium medium);

struct CagePart {
  CageSpec::Form form = CageSpec::QSFP112;
  int lanes = 4;
  BitRate lane = GigabitsPerSecond(100);
  int ports = 1;               // the most that it splits into
  std::optional<Watts> power;  // the most that a plug may draw
  bool operator==(const CagePart&) const = default;
};

std::string_view NameOf(CageSpec::Form form);  // "qsfp112"

struct OpticPart {
  std::string part;
  std::vector<CageSpec::Form> forms;
  int lanes = 4;
  BitRate lane;
  int ports = 1;
  Medium fibre = Medium::kMultimode;
  std::string standard;
  Metres reach;
  Watts power, half_power;

  // With `lanes_used` of its lanes in use.
  Watts Draws(int lanes_used) const { return lanes_used * 2 <= lanes ? half_power : power; }
};

struct CablePart {
  std::string part;
  Medium medium = Medium::kDac;
  std::vector<CageSpec::Form> forms;
  BitRate lane;
  int legs = 1;
  Metres reach;
  Watts lane_power;
};

// What stands in a host, as far as a bill counts it apart.
struct HostContents {
  std::string gpu;  // of a gpu preset; may be empty
  int gpus = 0, nics = 0;
  BitRate nic;  // of one, all ports together
};

struct RackPart {
  int units = 48;
  Watts power;
  Metres width;
};

inline constexpr Metres kRackUnit{0.04445};  // [EIA-310]

// `ports` is what a cage splits into where the spec does not say.
CagePart MakeCagePart(const CageSpec& spec, int ports);

// `cage` as a NIC of so many ports uses it. One whose lanes leave contacts of its form idle is that
// NIC's alone: one port has the lanes as they are, several share all contacts, each at the rate
// that is then left (four lanes of 200 Gb/s of an OSFP1600: 1 x 800G, or 2 x 400G in 8 of 100).
CagePart CageOfNic(CagePart cage, int nic_ports);

// A switch's cage of lanes of `lane`, one port a lane: a QSFP of four; an OSFP1600 above 100 Gb/s.
CagePart CageOfLane(BitRate lane);
// The smallest cage of lanes of 100 Gb/s at most that carries one port of `rate`; of 200 Gb/s
// where eight such lanes do not.
CagePart CageOfPort(BitRate rate);

// `path` is where the list stands: "cabling.optics"; an item is at path[i].
Result<std::vector<OpticPart>> MakeOptics(
    const google::protobuf::RepeatedPtrField<OpticSpec>& specs, const SourceMap& sources,
    std::string_view path);
Result<std::vector<CablePart>> MakeCables(
    const google::protobuf::RepeatedPtrField<CableSpec>& specs, const SourceMap& sources,
    std::string_view path);
RackPart MakeRackPart(const RackSpec& spec);

// Every optic and cable of hardware/presets/, by name.
const std::vector<OpticPart>& PresetOptics();
const std::vector<CablePart>& PresetCables();

}  // namespace weft
