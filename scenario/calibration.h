// Reads a calibration: fitted constants of collectives' times over the priors.
//
// `none` is the priors themselves; nothing is the calibration that weft brings, fitted to public
// tables. A constant that a file does not name keeps its
// prior. weft calibrate writes such files; everybody else only reads them.
//
// Units    in the file every value carries its unit: 4.2us, 370GBps, 82%.
// Errors   at its position: a constant that is none, one named twice, a value in another unit or
//          out of the constant's bounds.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "base/schema/reader.h"
#include "scenario/calibration.pb.h"
#include "workloads/collectives/nccl/constants.h"

namespace weft {

struct Calibration {
  std::string name;    // of its file or preset; empty: the priors
  std::string digest;  // of what it says
  CalibrationSpec spec;
  CollectiveConstants constants;

  // Whether the tables it was fitted to cover the question, whose times hang on these rows of
  // CollectiveParameters(); true for the priors: they claim none.
  bool Covers(const std::string& op, Bytes bytes, int ranks, int hosts,
              std::span<const std::size_t> parameters) const;
};

// The preset that weft uses where none is named.
inline constexpr const char* kDefaultCalibration = "public";

// With its unit, as a calibration file says it: 4.2us, 370GBps, 82%.
std::string FormatConstant(double value, CollectiveParameter::Unit unit);

// `text`: a file's path, a preset's name, or "none". `texts` may be null.
Result<Calibration> ReadCalibration(const std::string& text, SourceTexts* texts);
// From a message as the reader leaves it.
Result<Calibration> MakeCalibration(const Located<CalibrationSpec>& spec);

}  // namespace weft
