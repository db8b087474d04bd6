// Reads a calibration: fitted constants of collectives' times over the priors.
//
// `none` is the priors themselves; nothing is the calibration that weft brings, fitted to public
// tables. A constant that a file does not name keeps its
// prior. weft calibrate writes such files; everybody else only reads them.
//
// A calibration also says how far off it is: the 90 % interval of measured over simulated times of
// tables that were held out, by class of hosts and networks and by size. Whoever shows a time shows
// it: StatedErrorOf() is that interval, and whether the question is one that the tables cover.
//
// Units    in the file every value carries its unit: 4.2us, 370GBps, 82%.
// Errors   at its position: a constant that is none, one named twice, a value in another unit or
//          out of the constant's bounds.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "hardware/parts.h"
#include "scenario/calibration.pb.h"
#include "workloads/collectives/nccl/constants.h"

namespace weft {

// The hosts and networks that errors are told apart by.
enum class ErrorClass : std::uint8_t { kOneHost, kIbOrRoce, kEfa, kSlingshot };
inline constexpr std::size_t kErrorClasses = 4;
const char* NameOf(ErrorClass error_class);
// Of `hosts` such hosts.
ErrorClass ClassOf(const HostPart& host, int hosts);

// The classes of CollectiveParameters() that times on `hosts` such hosts hang on: "hopper", "ib".
std::vector<std::string> HardwareOf(const HostPart& host, int hosts);
// The same as one word, "hopper+ib": tables of one class and tables of the other tell less of both
// together.
std::string CombinationOf(const HostPart& host, int hosts);

struct RatioBand {
  double low = 1, high = 1;  // measured over simulated, 5th and 95th percentile
  int sources = 0;           // that say so, the fewest; 0: not said
  bool operator==(const RatioBand&) const = default;
};

// A collective that is timed: one communicator of `ranks` over `hosts`, alone.
struct TimedCollective {
  std::string_view op;
  Bytes bytes;
  int ranks = 0, hosts = 1;
};

struct StatedError {
  std::optional<RatioBand> band;  // none: the calibration says nothing of such a class
  bool known_hardware = true;     // else the band is that of classes left out whole
  bool in_range = true;           // of what was fitted to; false: the band is the nearest
};

struct Calibration {
  std::string name;    // of its file or preset; empty: the priors
  std::string digest;  // of what it says
  CalibrationSpec spec;
  CollectiveConstants constants;

  // Whether tables of such hardware are among those it was fitted to, over several hosts of its
  // classes together where the file says which; true for the priors, which claim none.
  bool KnowsHardware(const HostPart& host, int hosts) const;
  // Whether the tables it was fitted to cover the question; true for the priors.
  bool Covers(const HostPart& host, const TimedCollective& asked) const;
};

// A band that is stated at some sizes, ascending, at `size`: between two of them the logarithm of
// either end goes evenly over the size's, so that nothing steps; beyond the largest it is that of
// the largest, down to the smallest over kBandReach (to 0 where that is kFirstBand) that of the
// smallest. None below.
inline constexpr Bytes kFirstBand = KiB(1);
inline constexpr std::int64_t kBandReach = 8;  // of a stated size: tables from an eighth of it to
                                               // eight times it say its band
std::optional<RatioBand> BandAt(const std::vector<std::pair<Bytes, RatioBand>>& stated, Bytes size);

// What it says of the class at that size; `known_hardware` false: of hardware left out whole. None
// where it says nothing. Of a file without `bands` the ends are those of the range of sizes.
std::optional<RatioBand> BandOf(const Calibration& calibration, ErrorClass error_class, Bytes size,
                                bool known_hardware = true);
StatedError StatedErrorOf(const Calibration& calibration, const HostPart& host,
                          const TimedCollective& asked);

// The preset that weft uses where none is named.
inline constexpr const char* kDefaultCalibration = "public";

// With its unit, as a calibration file says it: 4.2us, 370GBps, 82%.
std::string FormatConstant(double value, CollectiveParameter::Unit unit);

// `text`: a file's path, a preset's name, or "none". `texts` may be null.
Result<Calibration> ReadCalibration(const std::string& text, SourceTexts* texts);
// From a message as the reader leaves it.
Result<Calibration> MakeCalibration(const Located<CalibrationSpec>& spec);

}  // namespace weft
