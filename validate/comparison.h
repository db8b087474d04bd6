// Measured tables beside simulated times: the same points, and by how much weft is off.
//
//   MeasuredCases cases = PrepareCases(entries);           NCCL's search and choice, once
//   MeasuredComparison c = Compare(cases, calibration);            times under its constants
//
// An error is simulated / measured − 1; a table's figure is the median (and the 95th percentile)
// of its errors' sizes over its points, whatever their number; a class's figure is the median
// over its tables, so that a long table counts as one. Its band is the interval that the
// calibration states for its class and size.
//
// Left out   tables without a known host, types that NCCL does not sum in floating point (the
//            model is of those), points below `least`, hosts that the ranks do not divide over.
// Units      microseconds in double: they are compared, not added up.
// Repeats    the same input gives the same bits, for any number of threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scenario/calibration.h"
#include "scenario/collective_times.h"
#include "validate/entries.h"

namespace weft {

struct MeasuredCase {
  std::size_t model = 0;  // row of MeasuredCases::models
  NcclTimeCase which;
  Bytes size;
  double measured_us = 0;
  int line = 0;
  std::size_t table = 0;  // row of its entry's tables
  std::string file;       // for messages; the entry's
};

// A table of a file of which other tables are compared.
struct LeftOutTable {
  int line = 0;
  std::string why;
};

struct CasesOfEntry {
  std::size_t entry = 0;  // row of MeasuredCases::entries
  ErrorClass error_class = ErrorClass::kOneHost;
  std::string why_not;  // left out whole, and why; empty: compared
  HostPart host;        // where it is known
  std::vector<MeasuredCase> points;
  std::vector<LeftOutTable> left_out;  // beside points
};

struct MeasuredCases {
  std::vector<TableEntry> entries;
  std::vector<CasesOfEntry> tables;  // one an entry, in order
  std::vector<CollectiveModel> models;
  std::vector<CollectiveQuestion> questions;  // [models] what each answers
};

// Requires for the errors: positions are the entries'. Cost: NCCL's search for every set of hosts,
// ranks and version.
Result<MeasuredCases> PrepareCases(std::vector<TableEntry> entries, Bytes least = Bytes(0));

struct ComparedPoint {
  Bytes size;
  int ranks = 0, hosts = 0, line = 0;
  double measured_us = 0, simulated_us = 0;
  std::optional<RatioBand> band;

  double error() const { return simulated_us / measured_us - 1; }
};

struct ErrorFigures {
  std::size_t points = 0;
  double median = 0, p95 = 0;  // of |error|
  double bias = 0;             // median of error
};

struct ComparedTable {
  std::size_t entry = 0;
  ErrorClass error_class = ErrorClass::kOneHost;
  std::string why_not;
  std::vector<ComparedPoint> points;
  std::vector<LeftOutTable> left_out;  // beside points
  ErrorFigures all;
  bool degraded = false;  // by diagnosis: without a label it is in no class's figures
};

// A class at sizes from `from` on: medians over tables of the tables' medians, p95 over points.
struct ClassFigures {
  std::optional<ErrorClass> error_class;  // none: all of them together
  Bytes from;
  std::size_t tables = 0, points = 0;
  double median = 0, p95 = 0, bias = 0;
  std::optional<double> in_band;  // share of points inside their band; none: no band is stated
};

struct MeasuredComparison {
  std::vector<TableEntry> entries;
  std::vector<ComparedTable> tables;  // one an entry
  std::vector<ClassFigures> classes;  // of healthy and unlabelled tables, by class, then size
  // The same of held-out tables alone, then of all their classes together; none where every table
  // or no table is held out.
  std::vector<ClassFigures> held_out;
  Calibration calibration;
};

ErrorFigures FiguresOf(const std::vector<ComparedPoint>& points, Bytes from);

// Hosts of weft's, which are NVLink domains, that the ranks of `table` stand on: a log lists the
// operating system's, and an NVL72 is 18 of them. Domains are taken to be as few as can be alike.
int DomainsOf(const MeasuredTable& table, const HostPart& host);

// The sizes that classes are told apart by.
std::vector<Bytes> SizeBands();

MeasuredComparison Compare(const MeasuredCases& cases, const Calibration& calibration);
std::vector<ClassFigures> FiguresByClass(const std::vector<TableEntry>& entries,
                                         const std::vector<ComparedTable>& tables);
std::vector<ClassFigures> FiguresOfHeldOut(const std::vector<TableEntry>& entries,
                                           const std::vector<ComparedTable>& tables);

}  // namespace weft
