// From measured tables to a calibration file: fit, hold out, report.
//
// Tables that say they are degraded, unclear or kept for checking are never fitted. The error that
// the file states is of tables held out by source: all tables of one project are left out, the
// rest is fitted, and the project's tables are compared; never row by row, for rows of one table
// are alike. What a class's tables of other projects cannot say about a project is in that error;
// a class that one project alone has measured is judged by leaving out one table at a time, for
// leaving out the project would judge the priors.
//
// The interval of a time is [low, high] · simulated: the 5th and 95th percentile of measured over
// simulated, of a class from a size on, tables counting alike.
//
// Errors   no table that can be fitted, with why each was left out.
// Repeats  the same tables give the same text, in whatever order they are named.
#pragma once

#include <string>
#include <vector>

#include "scenario/calibration.pb.h"
#include "validate/fit.h"

namespace weft {

struct HeldOutPoint {
  std::size_t table = 0;  // row of MeasuredCases::tables
  Bytes size;
  double ratio = 1;  // measured over simulated
};

struct CalibrationResult {
  CalibrationSpec spec;
  ConstantsFit fit;
  std::vector<std::size_t> fitted;  // rows of MeasuredCases::tables
  std::vector<HeldOutPoint> held_out;
  std::vector<std::pair<std::string, std::string>> left_out;  // table, why
  int folds = 0;
};

Result<CalibrationResult> Calibrate(const MeasuredCases& cases);

// The file: YAML as ReadCalibration reads it.
std::string FormatCalibration(const CalibrationResult& result);

}  // namespace weft
