// The few physical constants that a collective's time rests on, by hardware class.
//
// A GPU's generation says what a kernel, a step over NVLink and a channel cost; the network's
// transport says what a step between hosts costs and how much of a NIC's line rate is payload.
// Every constant has a prior: a value with its source, how far it may be off (log-sigma) and
// bounds. The priors are the uncalibrated model; a calibration file lays fitted values over them
// (scenario/calibration.h).
//
// Shapes   CollectiveParameters() has one row a constant and class, a class's rows together:
//          four generations, then PCIe, then four transports, of which the last two have one more.
//          CollectiveConstants holds a value a row, in the same order.
// Units    microseconds, GB/s of 10^9 bytes one way, plain ratios; a row says which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "hardware/parts.h"
#include "workloads/collectives/nccl/rules.h"

namespace weft {

// Of a GPU's generation, in the order of its rows.
enum class GpuConstant : std::uint8_t {
  kLaunch,            // us, an operation at its smallest, back to back
  kLlHop,             // us, a step over NVLink, by protocol
  kLl128Hop,          //
  kSimpleHop,         //
  kLl128Start,        // us, once an operation, more than with LL
  kSimpleStart,       //
  kSlice,             // us, each slice that a Simple channel passes on
  kNvlinkEfficiency,  // Simple's payload over NVLink's line rate
  kLlEfficiency,      // LL's and LL128's payload over Simple's
  kLl128Efficiency,   //
  kChannel,           // GB/s, what one channel moves alone with Simple
  kCopy,              // GB/s, the copy of a rank's own block, out of place
  kTreeEfficiency,    // a tree's rate over a ring's on the same links
  kNvlsEfficiency,    // NVLS: payload over NVLink's line rate
  kNvlsStart,         // us
  kNvlsLoop,          // us, each round over the heads
  kNvlsAcross,        // NVLSTree's rate over NVLS's
  kSendStart,         // us, a group of sends
  kSendSimpleStart,   // us, more than with LL
  kSendEfficiency,    // sends over NVLink: payload over line rate
  kSendLinkChannel,   // GB/s, what one channel of a send moves over NVLink, Simple
  kSendLl,            // GB/s, what a GPU's sends with LL move over NVLink
  kTreeSimpleHop,     // us, a tree's step over NVLink with Simple
};
inline constexpr std::size_t kGpuConstants = 23;

// What PCIe has in place of a generation's NVLink.
enum class PcieConstant : std::uint8_t { kLlHop, kLl128Hop, kSimpleHop, kEfficiency };
inline constexpr std::size_t kPcieConstants = 4;

// Of a transport.
enum class NetConstant : std::uint8_t {
  kLlHop,                 // us, a step between hosts, by protocol; of rings
  kLl128Hop,              //
  kSimpleHop,             //
  kTreeLlHop,             // us, the same of trees
  kTreeLl128Hop,          //
  kEfficiency,            // payload over the NICs' line rate
  kSendEfficiency,        // the same of all-to-all and send/recv
  kSendChannel,           // GB/s, what one channel of a send moves
  kThroughCpu,            // of both efficiencies, where GPU and NIC meet only in the CPU
  kFlush,                 // us, a Simple step's wait until what came is in the GPU's memory
  kEagerHop,              // us, a step whose message goes without a rendezvous; Slingshot alone
  kTwoSided = kEagerHop,  // of both efficiencies, where NICs send and do not write; EFA alone
};
inline constexpr std::size_t kNetConstants = 10;  // without the last

struct CollectiveParameter {
  enum class Unit : std::uint8_t { kMicroseconds, kGigabytesPerSecond, kRatio };
  std::string name;  // hopper.launch, ib.efficiency: class, then constant
  Unit unit = Unit::kRatio;
  double prior = 0;
  double log_sigma = 0;  // of a log-normal around the prior
  double low = 0, high = 0;
  std::string source;  // of the prior
  std::string doc;
};

const std::vector<CollectiveParameter>& CollectiveParameters();

// The first row of a class.
std::size_t FirstRow(GpuGeneration generation);
std::size_t FirstPcieRow();
std::size_t FirstRow(HostSpec::Transport transport);
std::size_t NetRows(HostSpec::Transport transport);

// The longest message that a transport sends at once, where it asks the receiver before it sends a
// longer one; 0: it never asks.
Bytes EagerLimit(HostSpec::Transport transport);

// The row called `name`; CollectiveParameters().size() where there is none.
std::size_t FindCollectiveParameter(std::string_view name);

struct CollectiveConstants {
  CollectiveConstants();       // the priors
  std::vector<double> values;  // [CollectiveParameters().size()]
};

}  // namespace weft
