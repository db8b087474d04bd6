// A fabric family: how one kind of network is built from its message.
//
// To add one: a file here with a Build function, its declaration below, a message
// in fabric.proto's oneof, one line in the table of family.cc.
//
// Errors   a family reports everything its message can say that cannot be
//          built, at the key's position; the schema has checked single values'
//          ranges. Sums are formed in 64 bits of factors below 60,001 each, three
//          at most, so that none overflows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "hardware/parts.h"
#include "topology/fabric.h"
#include "topology/fabric.pb.h"

namespace weft {

struct FamilyInput {
  std::optional<HostPart> host;  // none: nobody said what a host is
  std::string host_path;         // where it stands in the file
  SwitchPart chip;
  const SourceMap* sources = nullptr;

  // Of a key of the fabric; where a preset says it, of the user's `fabric`.
  SourcePos At(std::string_view key) const { return Written("fabric." + std::string(key)); }
  SourcePos Written(std::string_view path) const {
    const Origin origin = sources->At(path);
    return origin.kind == Origin::Kind::kPreset ? sources->At("fabric").pos : origin.pos;
  }
  // Of two keys that contradict each other, the one that the user wrote.
  std::string_view Given(std::string_view key, std::string_view other) const {
    return sources->Given("fabric." + std::string(key)) ? key : other;
  }
};

// The families. Requires: `spec` holds that family's message.
Result<Fabric> BuildHpn(const FabricSpec& spec, const FamilyInput& input);
Result<Fabric> BuildDcnPlus(const FabricSpec& spec, const FamilyInput& input);
Result<Fabric> BuildLeafSpine(const FabricSpec& spec, const FamilyInput& input);
Result<Fabric> BuildFatTree(const FabricSpec& spec, const FamilyInput& input);
Result<Fabric> BuildRailOptimized(const FabricSpec& spec, const FamilyInput& input);
Result<Fabric> BuildRailOnly(const FabricSpec& spec, const FamilyInput& input);
Result<Fabric> BuildDragonfly(const FabricSpec& spec, const FamilyInput& input);
Result<Fabric> BuildSlimFly(const FabricSpec& spec, const FamilyInput& input);
Result<Fabric> BuildCustom(const FabricSpec& spec, const FamilyInput& input);

// Builds the family that `spec` holds.
// Requires: it holds one; the reader refuses a fabric without.
Result<Fabric> BuildFamily(const FabricSpec& spec, const FamilyInput& input);

// What families share.

HostShape ShapeOf(const HostPart& host);

// What every host of a bare family is. Where nobody said: a GPU for each of `nics` NICs, whose
// `nic_ports` ports run at `link`, and nothing inside that bounds them. That stays so for what
// a `host:` without a preset does not say: one key about the NIC must not make eight GPUs of
// every host's one.
HostPart HostOrBare(BitRate link, int nics, int nic_ports, const FamilyInput& input);

// Adds an error unless the host's `nics` are a multiple of `rails`, the value of fabric.`key`.
void CheckRails(const HostPart& host, std::int64_t rails, std::string_view key,
                const FamilyInput& input, Errors& errors);

// Ports of one switch: `count` at `rate`, for `what`: {136, 200G, "down"}.
struct PortUse {
  std::int64_t count = 0;
  BitRate rate;
  std::string_view what;
};

// "136 x 200G down + 60 x 400G up = 51.2T"
std::string FormatPortSum(const std::vector<PortUse>& uses);
// Whether a switch has room for all of them: rates within its rate, ports within its ports.
bool PortsFit(const SwitchPart& chip, const std::vector<PortUse>& uses);

// How many ports of `rate` a switch can have.
std::int64_t Radix(const SwitchPart& chip, BitRate rate);

// Whether so many vertices and cables, of hosts too, are within what weft builds; adds an error,
// in which `what` is "1,920 hosts …", if not.
bool CheckTotals(std::int64_t vertices, std::int64_t cables, const std::string& what,
                 const FamilyInput& input, Errors& errors);

// The same for hosts of one kind, switches, and the cables between these.
void CheckSize(std::int64_t hosts, const HostPart& host, std::int64_t switches, std::int64_t cables,
               const FamilyInput& input, Errors& errors);

// Adds an error at fabric.`key`.
void AddError(const FamilyInput& input, std::string_view key, std::string message, std::string hint,
              Errors& errors);

// A tier's or a kind's own switch at fabric.`key`; `absent` where the user gave none.
SwitchPart OwnSwitch(bool given, const SwitchSpec& spec, std::string_view key,
                     const SwitchPart& absent, const FamilyInput& input, Errors& errors);

// The sum over parts; none where one has no figure.
std::optional<Watts> PowerOf(std::int64_t hosts, const HostPart& host, std::int64_t switches,
                             const SwitchPart& chip);

}  // namespace weft
