// From measured tables to a calibration file: fit, hold out, report.
//
// Tables that say they are degraded, unclear or kept for checking are never fitted. The error that
// the file states is of tables held out by source: all tables of one project are left out, the
// rest is fitted, and the project's tables are compared; never row by row, for rows of one table
// are alike. What a class's tables of other projects cannot say about a project is in that error;
// a class that one project alone has measured is judged by leaving out one table at a time, for
// leaving out the project would judge the priors.
//
// Hardware that no table fitted is of is judged alike: each GPU generation and transport is left
// out whole, and its tables are compared under the fit to the rest. Its interval always contains
// that of known hardware.
//
// The interval of a time is [low, high] · simulated, by class and from a size on: of the residuals
// of tables that were held out, classes drawn towards each other (validate/interval.h); a source is
// a project, or, where one project alone measured all tables, a table. How often it holds for a
// source that had no say in it is stated beside it: `coverage`.
//
// Errors   no table that can be fitted, with why each was left out.
// Repeats  the same tables give the same text, in whatever order they are named.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scenario/calibration.pb.h"
#include "validate/fit.h"

namespace weft {

struct HeldOutPoint {
  std::size_t table = 0;  // row of MeasuredCases::tables
  Bytes size;
  double ratio = 1;       // measured over simulated
  std::size_t group = 0;  // the source; of hardware left out whole, the class of hardware
};

// Of a class from a size on, up to the next: how many sources it has, and the share of a source's
// points, on average over sources, inside the interval that all others state; none where there is
// no other.
struct CoverageBySource {
  ErrorClass which = ErrorClass::kOneHost;
  Bytes from;
  std::size_t sources = 0;
  std::optional<double> inside;
};

// A GPU generation or transport whose tables were all left out.
struct LeftOutClass {
  std::string hardware;               // "hopper"
  std::vector<ClassFigures> figures;  // in_band: of the interval that the others state
};

struct CalibrationResult {
  CalibrationSpec spec;
  ConstantsFit fit;
  std::vector<std::size_t> fitted;             // rows of MeasuredCases::tables
  std::vector<HeldOutPoint> held_out, unseen;  // by source; by hardware
  std::vector<CoverageBySource> coverage;
  std::vector<LeftOutClass> left_out_classes;
  std::vector<std::pair<std::string, std::string>> left_out;  // table, why
  int folds = 0;
};

struct CalibrateOptions {
  std::string leave_out;  // a class of hardware whose tables are not fitted but compared; or none
};

Result<CalibrationResult> Calibrate(const MeasuredCases& cases,
                                    const CalibrateOptions& options = {});

// The file: YAML as ReadCalibration reads it.
std::string FormatCalibration(const CalibrationResult& result);

}  // namespace weft
