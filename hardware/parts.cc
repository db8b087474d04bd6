#include "hardware/parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "base/check.h"
#include "base/schema/wording.h"
#include "hardware/coolers.h"
#include "hardware/embedded.h"

namespace weft {
namespace {

template <typename Spec>
std::optional<Watts> PowerOf(const Spec& spec) {
  return spec.has_power() ? std::optional(Watts(spec.power())) : std::nullopt;
}

// "a, b, c"
std::string PresetNames(std::string_view kind) {
  std::string known;
  for (const std::string& name : PresetTable(HardwarePresets()).Names(kind))
    known += (known.empty() ? "" : ", ") + name;
  return known;
}

std::string Under(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

std::vector<Preset> HardwarePresets() {
  std::vector<Preset> out;
  // hardware/presets/KIND/NAME.yaml
  for (const EmbeddedFile& file : EmbeddedHardwareFiles()) {
    const std::size_t slash = file.path.rfind('/'), dot = file.path.rfind('.');
    const std::size_t above = file.path.rfind('/', slash - 1);
    out.push_back({std::string(file.path.substr(above + 1, slash - above - 1)),
                   std::string(file.path.substr(slash + 1, dot - slash - 1)),
                   std::string(file.path), file.text});
  }
  return out;
}

std::optional<Peak> GpuPart::PeakOf(NumberType type, Basis basis) const {
  const bool dense = basis == Basis::kDense;
  switch (type) {
    case NumberType::kBf16:
      if (!dense) return bf16_sparse;
      return bf16_flops > 0 ? std::optional(Peak{bf16_flops, false}) : std::nullopt;
    case NumberType::kFp8:
      return dense ? fp8 : fp8_sparse;
    case NumberType::kInt8:
      return dense ? int8 : int8_sparse;
  }
  WEFT_CHECK(false);
}

namespace {

std::optional<GpuPart> ReadGpu(std::string_view name) {
  const PresetTable presets(HardwarePresets());
  const Preset* preset = presets.Find("gpu", name);
  if (preset == nullptr) return std::nullopt;
  const auto read = ParseText<GpuSpec>(preset->text, preset->file, {&presets, {}, nullptr});
  WEFT_CHECK(read.has_value());  // presets are compiled in, and tests read each
  const GpuSpec& spec = read->message;
  GpuPart out;
  out.name = std::string(name);
  out.architecture = spec.architecture();
  out.compute_capability = spec.compute_capability();
  out.bf16_flops = spec.bf16_teraflops() * 1e12;
  const auto peak = [&](bool has, double tera, std::string_view key) {
    const bool assumed =
        std::find(spec.assumed().begin(), spec.assumed().end(), key) != spec.assumed().end();
    return has ? std::optional(Peak{tera * 1e12, assumed}) : std::nullopt;
  };
  out.bf16_sparse =
      peak(spec.has_bf16_sparse_teraflops(), spec.bf16_sparse_teraflops(), "bf16_sparse_teraflops");
  out.fp8 = peak(spec.has_fp8_teraflops(), spec.fp8_teraflops(), "fp8_teraflops");
  out.fp8_sparse =
      peak(spec.has_fp8_sparse_teraflops(), spec.fp8_sparse_teraflops(), "fp8_sparse_teraflops");
  out.int8 = peak(spec.has_int8_teraops(), spec.int8_teraops(), "int8_teraops");
  out.int8_sparse =
      peak(spec.has_int8_sparse_teraops(), spec.int8_sparse_teraops(), "int8_sparse_teraops");
  out.memory = Bytes(spec.memory());
  out.memory_rate = BitRate::BitsPerSecond(spec.memory_rate());
  out.nvlink = BitRate::BitsPerSecond(spec.nvlink());
  out.nvlinks = spec.nvlinks();
  if (spec.has_nvlink_efficiency()) out.nvlink_efficiency = spec.nvlink_efficiency();
  out.power = PowerOf(spec);
  return out;
}

}  // namespace

// Compiled in, so each is read once: a planner makes hosts of it dozens of times. What is no preset
// is not kept: names come from whoever asks, without end.
std::optional<GpuPart> FindGpu(std::string_view name) {
  static std::mutex guard;
  static std::map<std::string, GpuPart, std::less<>> known;
  const std::lock_guard lock(guard);
  if (const auto at = known.find(name); at != known.end()) return at->second;
  std::optional<GpuPart> part = ReadGpu(name);
  if (part) known.emplace(name, *part);
  return part;
}

Result<GpuPart> NeedGpu(std::string_view name, const SourcePos& pos) {
  if (std::optional<GpuPart> gpu = FindGpu(name)) return *std::move(gpu);
  const std::vector<std::string> names = PresetTable(HardwarePresets()).Names("gpu");
  const std::string nearest = Nearest(name, names);
  return Fail(ErrorCode::kUnknownKey, pos, fmt::format("there is no accelerator {}", Quoted(name)),
              nearest.empty() ? PresetNames("gpu") : fmt::format("did you mean '{}'?", nearest));
}

Result<HostPart> MakeHostPart(const HostSpec& spec, const SourceMap& sources,
                              std::string_view path) {
  HostPart out;
  out.part = spec.part();
  out.gpu_name = spec.gpu();
  out.gpus = spec.gpus();
  out.nics = spec.nics();
  out.nic_ports = spec.nic_ports();
  out.transport = spec.transport();
  out.pcie = BitRate::BitsPerSecond(spec.pcie());
  out.nvlink_latency = SimDuration(spec.nvlink_latency());
  out.pcie_latency = SimDuration(spec.pcie_latency());
  out.power = PowerOf(spec);
  if (spec.has_nic_cage()) out.nic_cage = MakeCagePart(spec.nic_cage(), 1);
  out.units = spec.units();
  out.own_rack = spec.own_rack();
  out.racks = std::max(spec.racks(), 1);
  if (!out.own_rack && out.racks > 1)
    return Fail(ErrorCode::kInconsistent, sources.At(Under(path, "racks")).pos,
                fmt::format("'racks' is {}, of a host that shares a rack", spec.racks()),
                "own_rack: true");
  out.cpu = spec.cpu();
  out.nvlink_shape = spec.nvlink_shape();
  out.numa_nodes = spec.numa_nodes();
  out.gpus_per_pcie_switch = spec.gpus_per_pcie_switch();
  out.gpus_per_tray = spec.gpus_per_tray() > 0 ? spec.gpus_per_tray() : spec.gpus();
  out.c2c = BitRate::BitsPerSecond(spec.c2c());
  WEFT_CHECK(out.gpus > 0 && out.nics > 0 && out.nic_ports > 0);  // the schema's ranges
  out.nic_port = BitRate::BitsPerSecond(spec.nic() / out.nic_ports);
  if (spec.has_nvlink()) out.nvlink = BitRate::BitsPerSecond(spec.nvlink());
  if (out.nvlink_shape == HostSpec::NVLINK_SHAPE_CUBE_MESH && out.gpus > 8)
    return Fail(ErrorCode::kInconsistent, sources.At(Under(path, "nvlink_shape")).pos,
                fmt::format("a cube mesh of {} GPUs", out.gpus), "it joins up to 8");
  if (out.gpu_name.empty()) return out;

  const std::optional<GpuPart> gpu = FindGpu(out.gpu_name);
  if (!gpu) {
    return Fail(ErrorCode::kUnknownKey, sources.At(Under(path, "gpu")).pos,
                fmt::format("there is no gpu preset '{}'", out.gpu_name), PresetNames("gpu"));
  }
  if (!spec.has_nvlink()) out.nvlink = gpu->nvlink;
  out.compute_capability = gpu->compute_capability;
  // A host may use fewer of a GPU's links, or slower ones: it keeps whole links.
  if (gpu->nvlinks > 0 && gpu->nvlink.bits_per_second() > 0)
    out.nvlinks = static_cast<int>(
        std::lround(gpu->nvlinks * (out.nvlink.bits_per_second() / gpu->nvlink.bits_per_second())));
  return out;
}

std::optional<Watts> CoolerPower(std::string_view name) {
  const PresetTable presets(HardwarePresets());
  const Preset* preset = presets.Find("cooler", name);
  if (preset == nullptr) return std::nullopt;
  const auto read = ParseText<CoolerSpec>(preset->text, preset->file, {&presets, {}, nullptr});
  WEFT_CHECK(read.has_value());  // presets are compiled in, and tests read each
  return Watts(read->message.allowed_power());
}

std::vector<NicPart> PresetNics() {
  const PresetTable presets(HardwarePresets());
  std::vector<NicPart> out;
  for (const std::string& name : presets.Names("nic")) {
    const Preset& preset = *presets.Find("nic", name);
    const auto spec = ParseText<NicSpec>(preset.text, preset.file, {&presets, {}, nullptr});
    WEFT_CHECK(spec.has_value());  // compiled in, and a test reads each
    out.push_back({name, BitRate::BitsPerSecond(spec->message.rate())});
  }
  return out;
}

std::optional<HostPart> FindHost(std::string_view name) {
  const PresetTable presets(HardwarePresets());
  const Preset* preset = presets.Find("host", name);
  if (preset == nullptr) return std::nullopt;
  const auto spec = ParseText<HostSpec>(preset->text, preset->file, {&presets, {}, nullptr});
  WEFT_CHECK(spec.has_value());
  auto part = MakeHostPart(spec->message, spec->sources, "");
  WEFT_CHECK(part.has_value());
  return *std::move(part);
}

Result<SwitchPart> MakeSwitchPart(const SwitchSpec& spec, const SourceMap& sources,
                                  std::string_view path) {
  SwitchPart out;
  out.part = spec.part();
  out.rate = BitRate::BitsPerSecond(spec.rate());
  out.ports = spec.ports();
  if (spec.has_chip_power()) out.chip_power = Watts(spec.chip_power());
  out.power = PowerOf(spec);
  out.cage = spec.has_cage() ? MakeCagePart(spec.cage(), spec.cage().lanes())
                             : CageOfLane(out.rate * (1.0 / out.ports));
  out.cages = spec.has_cages() ? spec.cages() : std::max(1, out.ports / out.cage.lanes);
  out.units = spec.units();
  out.cooler = spec.cooler();
  if (out.cooler.empty()) return out;

  const auto at = [&](const char* key) { return Under(path, key); };
  const SourcePos pos = sources.At(at("cooler")).pos;
  const std::optional<Watts> allowed = CoolerPower(out.cooler);
  if (!allowed)
    return Fail(ErrorCode::kUnknownKey, pos,
                fmt::format("there is no cooler preset '{}'", out.cooler), PresetNames("cooler"));
  if (!out.chip_power)
    return Fail(
        ErrorCode::kInconsistent, pos,
        fmt::format("'cooler' is {}, and the chip has no figure to hold it against", out.cooler),
        "chip_power: 750W");
  if (*out.chip_power > *allowed)
    // The cooler may be a preset's, and the chip the user's.
    return Fail(ErrorCode::kInconsistent,
                sources.Given(at("chip_power")) ? sources.At(at("chip_power")).pos : pos,
                fmt::format("the chip draws {:.6g} W, and its cooler, {}, allows {:.6g} W",
                            out.chip_power->count(), out.cooler, allowed->count()),
                "another cooler, or a chip that draws less");
  return out;
}

}  // namespace weft
