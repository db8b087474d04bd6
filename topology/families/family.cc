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

}  // namespace weft
