#include "topology/families/family.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace weft {
namespace {

constexpr std::int64_t kMaxVertices = 10'000'000, kMaxCables = 20'000'000;

struct Family {
  FabricSpec::FamilyCase tag;
  Result<Fabric> (*build)(const FabricSpec&, const FamilyInput&);
};

constexpr Family kFamilies[] = {
    {FabricSpec::kHpn, BuildHpn},
    {FabricSpec::kDcnPlus, BuildDcnPlus},
    {FabricSpec::kLeafSpine, BuildLeafSpine},
    {FabricSpec::kFatTree, BuildFatTree},
    {FabricSpec::kRailOptimized, BuildRailOptimized},
    {FabricSpec::kRailOnly, BuildRailOnly},
    {FabricSpec::kDragonfly, BuildDragonfly},
    {FabricSpec::kSlimFly, BuildSlimFly},
    {FabricSpec::kCustom, BuildCustom},
};

// 200G, 51.2T
std::string FormatRate(double bps) {
  return bps < 1e12 ? fmt::format("{:.6g}G", bps / 1e9) : fmt::format("{:.6g}T", bps / 1e12);
}

}  // namespace

Result<Fabric> BuildFamily(const FabricSpec& spec, const FamilyInput& input) {
  const auto family =
      std::find_if(std::begin(kFamilies), std::end(kFamilies),
                   [&](const Family& one) { return one.tag == spec.family_case(); });
  WEFT_CHECK(family != std::end(kFamilies));
  return family->build(spec, input);
}

HostShape ShapeOf(const HostPart& host) {
  return {static_cast<std::uint16_t>(host.gpus),
          static_cast<std::uint16_t>(host.nics),
          host.nvlink,
          host.pcie,
          host.nvlink_latency,
          host.pcie_latency};
}

HostPart HostOrBare(BitRate link, int nics, int nic_ports, const FamilyInput& input) {
  HostPart bare;
  bare.gpus = bare.nics = nics;
  bare.nic_ports = nic_ports;
  bare.nic_port = link;
  bare.pcie = link * (2 * nic_ports);
  if (nics > 1) bare.nvlink = bare.pcie;
  if (!input.host) return bare;
  HostPart host = *input.host;
  const auto& entries = input.sources->entries();
  const auto left_out = [&](const char* key) {
    const auto found = entries.find(input.host_path + '.' + key);
    return found == entries.end() || found->second.kind == Origin::Kind::kDefault;
  };
  for (const auto& [path, origin] : entries)
    if (path.starts_with(input.host_path + '.') && origin.kind == Origin::Kind::kPreset)
      return host;
  if (left_out("gpus")) host.gpus = bare.gpus;
  if (left_out("nics")) host.nics = bare.nics;
  const BitRate nic = left_out("nic") ? link * nic_ports : host.nic();
  if (left_out("nic_ports")) host.nic_ports = bare.nic_ports;
  host.nic_port = nic * (1.0 / host.nic_ports);
  if (left_out("pcie")) host.pcie = std::max(host.pcie, host.nic() * 2);
  if (left_out("nvlink") && left_out("gpu")) host.nvlink = bare.nvlink;
  return host;
}

void CheckRails(const HostPart& host, std::int64_t rails, std::string_view key,
                const FamilyInput& input, Errors& errors) {
  if (host.nics % rails == 0) return;
  AddError(input, key,
           fmt::format("a host's {} NICs do not fall evenly on {} {}", host.nics, rails, key),
           "a number that divides the host's nics", errors);
}

std::string FormatPortSum(const std::vector<PortUse>& uses) {
  std::string out;
  double sum_bps = 0;
  for (const PortUse& use : uses) {
    out += fmt::format("{}{} x {} {}", out.empty() ? "" : " + ", use.count,
                       FormatRate(use.rate.bits_per_second()), use.what);
    sum_bps += static_cast<double>(use.count) * use.rate.bits_per_second();
  }
  return out + " = " + FormatRate(sum_bps);
}

bool PortsFit(const SwitchPart& chip, const std::vector<PortUse>& uses) {
  double sum_bps = 0;
  std::int64_t ports = 0;
  for (const PortUse& use : uses) {
    sum_bps += static_cast<double>(use.count) * use.rate.bits_per_second();
    ports += use.count;
  }
  // Rates come from decimal text: an exact fit may be off by an ulp.
  return sum_bps <= chip.rate.bits_per_second() * (1 + 1e-9) && ports <= chip.ports;
}

std::int64_t Radix(const SwitchPart& chip, BitRate rate) {
  const double ports = std::floor(chip.rate / rate * (1 + 1e-9));
  return static_cast<std::int64_t>(std::min(ports, static_cast<double>(chip.ports)));
}

bool CheckTotals(std::int64_t vertices, std::int64_t cables, const std::string& what,
                 const FamilyInput& input, Errors& errors) {
  if (vertices <= kMaxVertices && cables <= kMaxCables) return true;
  errors.push_back({ErrorCode::kOutOfRange, input.sources->At("fabric").pos,
                    fmt::format("the fabric has {}: more than {} vertices or {} cables", what,
                                kMaxVertices, kMaxCables),
                    "fewer hosts, pods or switches"});
  return false;
}

void CheckSize(std::int64_t hosts, const HostPart& host, std::int64_t switches, std::int64_t cables,
               const FamilyInput& input, Errors& errors) {
  const __int128 vertices = static_cast<__int128>(hosts) * (host.gpus + host.nics + 1) + switches;
  const __int128 all_cables =
      static_cast<__int128>(hosts) * (2 * host.gpus + host.nics * (1 + host.nic_ports)) + cables;
  const auto clip = [](__int128 n) {
    return static_cast<std::int64_t>(std::min<__int128>(n, std::int64_t{1} << 62));
  };
  CheckTotals(
      clip(vertices), clip(all_cables),
      fmt::format("{} hosts, {} switches and {} cables between switches", hosts, switches, cables),
      input, errors);
}

void AddError(const FamilyInput& input, std::string_view key, std::string message, std::string hint,
              Errors& errors) {
  errors.push_back({ErrorCode::kInconsistent, input.At(key), std::move(message), std::move(hint)});
}

std::optional<Watts> PowerOf(std::int64_t hosts, const HostPart& host, std::int64_t switches,
                             const SwitchPart& chip) {
  if (!host.power || !chip.power) return std::nullopt;
  return *host.power * static_cast<double>(hosts) + *chip.power * static_cast<double>(switches);
}

SwitchPart OwnSwitch(bool given, const SwitchSpec& spec, std::string_view key,
                     const SwitchPart& absent, const FamilyInput& input, Errors& errors) {
  if (!given) return absent;
  Result<SwitchPart> part = MakeSwitchPart(spec, *input.sources, fmt::format("fabric.{}", key));
  if (part) return *std::move(part);
  errors.insert(errors.end(), part.error().begin(), part.error().end());
  return absent;
}

}  // namespace weft
