// Parts: GPUs, hosts, switches and NICs, as data with sources.
//
// A part is a message of hardware.proto; the ones weft brings are YAML files in
// hardware/presets/KIND/NAME.yaml, compiled in, every figure with its source. A
// figure nobody published is absent, never zero: HostPart::power and the like
// are optional.
//
// Units    NVLink and PCIe rates are of one direction: an "NVLink 900 GB/s" of a
//          data sheet counts both and is 450 GB/s here.
// Errors   MakeHostPart: a gpu preset that does not exist, a cube mesh of more than eight GPUs,
//          at its position.
#pragma once

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

struct GpuPart {
  std::string name;
  std::string architecture;
  int compute_capability = 0;  // 80, 90
  double bf16_flops = 0;       // dense peak, operations a second
  Bytes memory;
  BitRate memory_rate, nvlink;
  int nvlinks = 0;                          // which share `nvlink` equally; 0: no figure
  std::optional<double> nvlink_efficiency;  // payload over line rate
  std::optional<Watts> power;
};

struct HostPart {
  std::string gpu_name;  // of a gpu preset; may be empty
  int gpus = 1, nics = 1, nic_ports = 1;
  BitRate nic_port;  // one port of a NIC
  HostSpec::Transport transport = HostSpec::ROCE;
  BitRate nvlink;  // zero: no NVSwitch
  BitRate pcie;
  SimDuration nvlink_latency{}, pcie_latency{};
  std::optional<Watts> power;
  // What stands between GPUs, NICs and CPUs; NCCL searches it, the network does not see it.
  int compute_capability = 0, nvlinks = 0;  // of a GPU; 0: no figure
  HostSpec::Cpu cpu = HostSpec::CPU_INTEL_SAPPHIRE_RAPIDS;
  HostSpec::NvlinkShape nvlink_shape = HostSpec::NVLINK_SHAPE_SWITCH;
  int numa_nodes = 2, gpus_per_pcie_switch = 1;
  int gpus_per_tray = 1;  // of `gpus`, the last tray may have fewer
  BitRate c2c;            // zero: none

  BitRate nic() const { return nic_port * nic_ports; }
};

struct SwitchPart {
  BitRate rate;
  int ports = 0;
  std::optional<Watts> chip_power, power;
};

// Every file of hardware/presets/: kinds "gpu", "host", "switch", "nic".
std::vector<Preset> HardwarePresets();

// The gpu preset `name`; none where there is no such preset.
std::optional<GpuPart> FindGpu(std::string_view name);

// `path` is where `spec` stands in the file, for errors: "host", "fabric.host".
Result<HostPart> MakeHostPart(const HostSpec& spec, const SourceMap& sources,
                              std::string_view path);
SwitchPart MakeSwitchPart(const SwitchSpec& spec);

}  // namespace weft
