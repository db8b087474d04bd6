// What `weft validate` and `weft calibrate` show: measured beside simulated, and how far apart.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/plot.h"
#include "validate/acceptance.h"
#include "validate/calibrate.h"
#include "validate/comparison.h"
#include "validate/diagnosis.h"
#include "validate/published.h"

namespace weft {

// A line a table, then the classes; plots of the tables where they are few. Held-out tables (use
// `check`) are marked *, tables left out are counted with the reason. Verdicts: a line for what is
// slow, and for what is degraded with what would explain it, of few tables for each; the last line
// counts them.
std::string ComparisonText(const JudgedTables& judged, int width);

// The keys of docs/formats/result.md: tables, overall.
std::string ComparisonJson(const JudgedTables& judged);

// busbw over size, measured and simulated; one a number of ranks. File name without folder, SVG.
std::vector<std::pair<std::string, std::string>> ComparisonPlots(
    const MeasuredComparison& comparison);

// The sheet as people read it: what to run, then by line what is expected, the least, and how much
// slower still passes.
std::string AcceptanceSheetText(const std::string& notes, const std::vector<AcceptanceLine>& lines,
                                int width);

// PASS, FAIL, PARTIAL (not run on all hosts) or MISSING by line, then the tables whose hosts are
// assumed, and those that no line is of.
std::string AcceptanceText(const std::vector<AcceptanceVerdict>& verdicts,
                           const std::vector<TableNote>& assumed,
                           const std::vector<TableNote>& unused, int width);
std::string AcceptanceJson(const std::vector<AcceptanceVerdict>& verdicts,
                           const std::vector<TableNote>& assumed,
                           const std::vector<TableNote>& unused);

// A published figure a line, as a table of Markdown.
std::string PublishedText(const std::vector<PublishedClaim>& claims);
std::string PublishedJson(const std::vector<PublishedClaim>& claims);

// What was fitted, to what, what the tables could not tell, and the error on held-out tables.
std::string CalibrationText(const CalibrationResult& result, const std::string& file, int width);

}  // namespace weft
