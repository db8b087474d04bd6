// A bill as audit reads it: what each row says in numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hardware/parts.h"

namespace weft {

enum class SwitchRole : std::uint8_t { kAny, kLeaf, kSpine, kCore };

struct AcceleratorRow {
  std::int64_t count = 0;
  int line = 0;
  std::string gpu;      // name of its preset
  Watts usual_power{};  // its share of the host that it usually stands in; 0: none is known
  int of_host = 0;      // such accelerators in that host; 0: none is known
};

struct SwitchRow {
  SwitchRole role = SwitchRole::kAny;
  std::int64_t count = 0;
  int line = 0;
  std::string part;
  double chip_bps = 0;                 // sum of its ports
  double port_bps = 0;                 // the most of one port; 0: any breakout
  std::int64_t most_ports = 0;         // as its cages split; 0: as many as its rate has
  bool generic = false;                // "64x400G": its ports are what is asked for
  std::optional<CageSpec::Form> form;  // none: not said
  std::optional<Watts> power;
  int units = 0;  // of a rack; 0: not known
};

struct HostRow {
  std::int64_t count = 0;
  int line = 0;
  std::string part, gpu;
  int gpus = 0;
  std::optional<Watts> power;
  std::optional<Watts> usual_power;  // of the preset with as many such GPUs, its maximum
  double nic_bps = 0;                // of one NIC; 0: not said
  std::int64_t nics = 0;             // of one host, where the bill says so
  int units = 0;                     // of a rack; 0: not known, or it is a rack itself
};

struct NicRow {
  std::int64_t count = 0;
  int line = 0, ports = 1;
  double port_bps = 0;
  double bps() const { return static_cast<double>(count) * ports * port_bps; }
};

struct CableRow {
  enum class End : std::uint8_t { kAny, kHost, kSwitch };
  enum class Medium : std::uint8_t { kUnsaid, kFibre, kOwnPlugs };
  std::int64_t count = 0;  // of links: a split cable is several
  int line = 0;
  End end = End::kAny;
  Medium medium = Medium::kUnsaid;
  double rate_bps = 0;  // 0: not said
  std::string part;
  double length_m = 0;  // of one with plugs of its own, as it is said; 0: not said
};

struct OpticRow {
  std::int64_t count = 0;
  int line = 0, ports = 1;
  std::string part;
  double port_bps = 0;
  bool parallel = false;              // a lane of fibre each, as DR4 and SR8: it can be split
  bool twin = false;                  // of eight such lanes in an OSFP: two ends of half the rate
  std::vector<CageSpec::Form> forms;  // cages that it fits; none: not said
};

struct RackRow {
  std::int64_t count = 0;
  int line = 0;
  std::optional<int> units;
  std::optional<Watts> power;
};

struct PortRow {  // of one leaf: its ports down or up
  bool up = false;
  std::int64_t count = 0;
  int line = 0;
  double rate_bps = 0;
};

template <class T>
struct Key {
  T value{};
  int line = 0;
};

// Whatever the need is in: operations a second of a type, or GPUs.
struct Need {
  double per_second = 0;  // 0: gpus
  std::int64_t gpus = 0;
  bool integer = false;  // OPS, not FLOPS
};

struct AuditBill {
  std::vector<AcceleratorRow> accelerators;
  double usual_nic_bps = 0;  // of the host that the first usually has; 0: not known
  std::vector<HostRow> hosts;
  std::vector<NicRow> nics;
  std::vector<SwitchRow> switches;
  std::vector<CableRow> cables;
  std::vector<OpticRow> optics;
  std::vector<RackRow> racks;
  std::vector<PortRow> ports;
  std::optional<Key<std::int64_t>> tiers, planes, growth;  // growth: accelerators, later
  std::optional<Key<std::int64_t>>
      rails;  // networks that nothing joins, a NIC of each host in each
  std::optional<Key<std::int64_t>>
      rail_optimized;    // the same, as leaves of their own that spines join
  bool routers = false;  // its switches are cabled to one another: there are no tiers
  std::optional<Key<double>> oversubscription, spine_oversubscription;  // of leaves, of spines
  std::optional<Key<bool>> whole;  // whether it lists all of a cluster, or part of one
  std::optional<Key<Watts>> rack_power, it_power;
  std::optional<Key<Need>> need;
  std::optional<Key<NumberType>> dtype;
  std::optional<Key<Basis>> basis;
  std::vector<Key<std::string>> of_nothing;  // parts of which the bill has none
};

// Of copper and of active cables the longest that is made for such a rate; 0: not known. `part`:
// what the bill calls it; `rate_bps` of a link, 0 where nobody says.
double LongestCable(const std::string& part, double rate_bps);

Result<AuditBill> ReadAuditBill(std::string_view text, const std::string& file_name);

}  // namespace weft
