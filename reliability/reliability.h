// What breaks in a month, what of it stops a job, and what that costs, in closed form.
//
// A job of many parts meets failures at the sum of their rates [KKH+25]. What a failure does is
// decided by the fabric that was built: a NIC link with a twin on another switch degrades its
// job until it is repaired, one without stops it; a ToR that is some NIC's only way out stops,
// one of a pair degrades; a switch with equals beside it is masked but for the rate it carried.
// Both ends of a pair down at once stop the job: 2 N λ² τ a month for N pairs of rate λ that take
// τ to repair, τ as a share of the month.
//
// With a mean time M between stops, a checkpoint that costs C, a restart that costs R and a
// checkpoint every T, the share of time that is effective is
//
//   first order   ETTR = 1 - C/T - (T/2 + R)/M, best at T = √(2 C M)             [You74]
//   exact         ETTR = T / (M e^(R/M) (e^((T+C)/M) - 1)), failures exponential [Dal06]
//
// Units    Seconds, a double: months do not fit SimDuration. A month is 730 h, a year 8,760 h.
//          Rates are events of one element a month.
// Errors   none but those of ReadFailureRates.
// Cost     CountComponents is O(links); everything else is arithmetic.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hardware/catalogue.h"
#include "topology/fabric.h"

namespace weft {

using Seconds = std::chrono::duration<double>;
inline constexpr Seconds kMonth{730.0 * 3600};

// Whose failure it is: a part's follows the bill, a host's the chassis, software's the job.
enum class FailureScope : std::uint8_t { kPart, kHost, kSoftware };
// What a rate is counted over.
enum class FailureOf : std::uint8_t { kGpu, kHost, kNic, kNicLink, kFabricLink, kTor, kSwitch };
enum class FailureEffect : std::uint8_t { kStops, kDegrades, kMasked };
std::string_view NameOf(FailureScope scope);
std::string_view NameOf(FailureOf of);

// Share of the flaps of a NIC's only link that outlast what its job waits for; a single ToR's job
// halts for a flap, and comes back where the link does within a minute [QXC+24 §9.3]. Derived: of
// Llama 3's 35 stops by switches and cables on 16,384 NICs in 54 days [GDJ+24 Table 5], 0.0144 a
// NIC-year, HPN's link failures take 0.0068 and a ToR's share of 16 NICs 0.0004 [QXC+24 §2.3];
// the rest over Fire-Flyer's 0.108 flaps a port-year [ABC+24] is 0.067.
inline constexpr double kStoppingFlaps = 0.07;

// One failure class. Every class has one source; classes that count the same events twice (a
// link's rate, and a "switch and cable" row of somebody's tickets) are never in one set.
struct FailureClass {
  std::string name;  // "gpu", "nic link"
  FailureOf of = FailureOf::kGpu;
  FailureScope scope = FailureScope::kPart;
  bool flap = false;  // comes back by itself within seconds: a row of its own
  Figure<double> monthly;
};

struct FailureRates {
  std::string name;
  std::vector<FailureClass> classes;
  double stopping_flaps = kStoppingFlaps;  // share of the flaps of a single-homed link that stop
};

// A preset of kind "failures": "default", "meta-llama3", "rsc-1", "alibaba". Errors: no such
// preset, at `pos`, with the nearest names.
Result<FailureRates> FindFailureRates(std::string_view name, const SourcePos& pos);
// `rates` with what `catalogue` says of its parts: a row's failures replace the class of its kind
// (an accelerator's "gpu", a host's "host", a switch's "tor" and "switch"); software's and flaps
// are no part's. An empty name, and a part without a rate, change nothing.
FailureRates WithParts(FailureRates rates, const Catalogue& catalogue, std::string_view gpu,
                       std::string_view host, std::string_view tor, std::string_view upper_switch);

// How many elements of each kind there are, and how many have a twin that takes over.
struct ComponentCounts {
  std::int64_t gpus = 0, hosts = 0, nics = 0;
  std::int64_t single_links = 0;    // NIC links that are their NIC's only one
  std::int64_t paired_links = 0;    // NIC links with another of their NIC on another switch
  std::int64_t pairs = 0;           // NICs with such links
  std::int64_t single_tors = 0;     // tier-1 switches that are some NIC's only way
  std::int64_t paired_tors = 0;     // the other ones
  std::int64_t fabric_links = 0;    // between switches
  std::int64_t upper_switches = 0;  // tier 2 and above
  std::int64_t single_uppers = 0;   // of them, those without an equal: what they join falls apart
};

// Of `fabric` as populated.
ComponentCounts CountComponents(const Fabric& fabric);
// The same of a job of `gpus` of its GPUs: each count its share, rounded to whole elements.
ComponentCounts ShareOf(const ComponentCounts& all, std::int64_t gpus);

// Events a month.
struct FailureRow {
  std::string name;
  FailureScope scope = FailureScope::kPart;
  FailureEffect effect = FailureEffect::kStops;
  bool flap = false;
  std::int64_t elements = 0;
  Range<double> monthly;  // of all elements
};
struct MonthlyFailures {
  std::vector<FailureRow> rows;  // in the order of the classes, stops first
  Range<double> stops, degradations, masked;

  // Of `stops`, what flaps of single-homed links do: in proportion to FailureRates::stopping_flaps.
  Range<double> StopsOfFlaps() const;
  // As if that share were `share` in place of `now`. Requires: now > 0.
  MonthlyFailures WithStoppingFlaps(double share, double now) const;
  Seconds MeanTimeBetweenStops() const { return kMonth / stops.mid; }  // Requires: stops.mid > 0
};

// `repair`: how long a twin runs alone. A flap of a NIC's only link stops its job in the share
// that the rates say, and is masked else, as a paired link's always is.
MonthlyFailures ExpectedFailures(const ComponentCounts& counts, const FailureRates& rates,
                                 Seconds repair);

// Both of a pair down within `repair` of each other, a month: 2 N λ² τ.
double DoubleFailures(std::int64_t pairs, double monthly, Seconds repair);

// [You74]: √(2 C M).
Seconds YoungInterval(Seconds checkpoint, Seconds between_stops);
// First order; never below 0.
double Ettr(Seconds checkpoint, Seconds restart, Seconds between_stops, Seconds interval);
// [Dal06]: `interval` is the work between two checkpoints.
double ExactEttr(Seconds checkpoint, Seconds restart, Seconds between_stops, Seconds interval);

// The single part whose loss stops most GPUs: those of every host that has a NIC with no other way.
// A job needs each NIC of its hosts, so that a leaf of one rail stops all whose NICs it serves; a
// planner's limits.failure_domain is a share of the same count.
struct WorstPart {
  std::string name;          // "leaf0"; of several alike the first
  std::int64_t alike = 0;    // how many parts stop as many
  std::int64_t stopped = 0;  // GPUs
  double share = 0;          // of all GPUs
  std::string also;          // what else it takes: "half the rate of 128 GPUs"; may be empty
};
WorstPart FindWorstPart(const Fabric& fabric);

}  // namespace weft
