// Parts: GPUs, hosts, switches and NICs, as data with sources. What cables them is in
// hardware/cabling_parts.h.
//
// A part is a message of hardware.proto; the ones weft brings are YAML files in
// hardware/presets/KIND/NAME.yaml, compiled in, every figure with its source. A
// figure nobody published is absent, never zero: HostPart::power and the like
// are optional.
//
// Units    NVLink and PCIe rates are of one direction: an "NVLink 900 GB/s" of a
//          data sheet counts both and is 450 GB/s here.
// Errors   NeedGpu: no such preset. MakeHostPart: a gpu preset that does not exist, a cube mesh of
//          more than eight GPUs, at its position. MakeSwitchPart: a cooler that does not exist or
//          allows less than the chip draws, with both figures.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "base/units.h"
#include "hardware/cabling_parts.h"
#include "hardware/hardware.pb.h"

namespace weft {

// What a peak is of: the numbers multiplied, and whether half of them may be zeros that are
// skipped (structured sparsity, 2 of 4), which data sheets like to print.
enum class NumberType : std::uint8_t { kBf16, kFp8, kInt8 };
enum class Basis : std::uint8_t { kDense, kSparse };

struct Peak {
  double per_second = 0;  // operations
  bool assumed = false;   // no source: marked so in every report
};

struct GpuPart {
  std::string name;
  std::string architecture;
  int compute_capability = 0;  // 80, 90
  double bf16_flops = 0;       // dense peak, operations a second
  std::optional<Peak> bf16_sparse, fp8, fp8_sparse, int8, int8_sparse;  // none: it has none
  Bytes memory;
  BitRate memory_rate, nvlink;
  int nvlinks = 0;                          // which share `nvlink` equally; 0: no figure
  std::optional<double> nvlink_efficiency;  // payload over line rate
  std::optional<Watts> power;

  // None where it has no such unit, or nobody published one.
  std::optional<Peak> PeakOf(NumberType type, Basis basis) const;
};

struct HostPart {
  std::string part;      // its row of the catalogue; may be empty
  std::string gpu_name;  // of a gpu preset; may be empty
  int gpus = 1, nics = 1, nic_ports = 1;
  BitRate nic_port;  // one port of a NIC
  HostSpec::Transport transport = HostSpec::ROCE;
  BitRate nvlink;  // zero: no NVSwitch
  BitRate pcie;
  SimDuration nvlink_latency{}, pcie_latency{};
  std::optional<Watts> power;
  std::optional<CagePart> nic_cage;  // none: nobody said; CageOfPort of the port's rate
  int units = 1;                     // of a rack
  bool own_rack = false;             // it is one: a rack's power does not bound it
  int racks = 1;                     // that it is, where it is one or several
  // What stands between GPUs, NICs and CPUs; NCCL searches it, the network does not see it.
  int compute_capability = 0, nvlinks = 0;  // of a GPU; 0: no figure
  HostSpec::Cpu cpu = HostSpec::CPU_INTEL_SAPPHIRE_RAPIDS;
  HostSpec::NvlinkShape nvlink_shape = HostSpec::NVLINK_SHAPE_SWITCH;
  int numa_nodes = 2, gpus_per_pcie_switch = 1;
  int gpus_per_tray = 1;  // of `gpus`, the last tray may have fewer
  BitRate c2c;            // zero: none

  BitRate nic() const { return nic_port * nic_ports; }
};

inline HostContents ContentsOf(const HostPart& host) {
  return {host.gpu_name, host.gpus, host.nics, host.nic()};
}

struct NicPart {
  std::string part;  // its preset, and its row of the catalogue
  BitRate rate;      // all ports together
};
// Every NIC of hardware/presets/, by name.
std::vector<NicPart> PresetNics();
// The host preset `name`; none where there is no such preset.
std::optional<HostPart> FindHost(std::string_view name);

struct SwitchPart {
  BitRate rate;
  int ports = 0;
  std::optional<Watts> chip_power, power;  // power: the box without the plugs in its cages
  CagePart cage{};
  int cages = 0;
  int units = 1;         // of a rack
  std::string cooler{};  // of a cooler preset; may be empty
  std::string part{};    // its row of the catalogue; may be empty
};

// Every file of hardware/presets/; its folder is its kind: "gpu", "cooler".
std::vector<Preset> HardwarePresets();

// The gpu preset `name`; none where there is no such preset.
std::optional<GpuPart> FindGpu(std::string_view name);
// The same; an error at `pos` with the nearest names.
Result<GpuPart> NeedGpu(std::string_view name, const SourcePos& pos);

// `path` is where `spec` stands in the file, for errors: "host", "fabric.host".
Result<HostPart> MakeHostPart(const HostSpec& spec, const SourceMap& sources,
                              std::string_view path);
Result<SwitchPart> MakeSwitchPart(const SwitchSpec& spec, const SourceMap& sources,
                                  std::string_view path);

}  // namespace weft
