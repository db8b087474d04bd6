// The JSON of weft's results: stable keys, `schema` first, `run` last.
//
// Times in seconds, rates in bytes a second unless the key says otherwise.
// `digest` hashes everything but `run`. docs/formats/result.md lists the keys.
//
// Repeats  all but `run` is the same bytes for the same binary, input and seeds.
#pragma once

#include <string>

#include "hardware/catalogue.h"
#include "scenario/compare.h"
#include "scenario/run_report.h"
#include "topology/cabling_summary.h"
#include "topology/fabric.h"

namespace weft {

// What a topology report has beside the fabric's own counts.
struct TopologyFigures {
  std::optional<BitRate> bisection;
  std::string bisection_cut;  // which halves, in words
  // Hosts and switches, and what cables them where there is a cabling; sums over what has a
  // figure, and what has none. No range: nothing has one.
  std::optional<Range<Watts>> power;
  std::optional<Range<Dollars>> price;
  std::vector<std::string> unpowered, unpriced;
  double unverified_share = 0;  // of the price's middle
  std::optional<CablingSummary> cabling;
  std::string no_cabling;  // why there is none
};

std::string RunReportJson(const RunReport& report);
std::string ComparisonJson(const Comparison& comparison);
std::string TopologyJson(const std::string& name, const Fabric& fabric,
                         const TopologyFigures& figures);

}  // namespace weft
