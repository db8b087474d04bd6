// The results as text for a terminal of `width` columns (80 at least).
//
// What matters first: the answer, then why, then what to be careful about.
#pragma once

#include <string>

#include "report/json.h"
#include "scenario/compare.h"
#include "scenario/run_report.h"
#include "topology/formats/against.h"
#include "topology/uneven.h"

namespace weft {

std::string RunReportText(const RunReport& report, int width);
// An iteration of training: split, bytes, critical path, what would help. Empty where none is.
std::string IterationText(const RunReport& report, int width);

// Iterations of cases side by side, and under them what of each differs from its base's.
std::string IterationsOfCasesText(const Comparison& comparison, int width);
// Several jobs: alone, beside the others, and what of an iteration grew. Empty where there are
// none.
std::string JobsText(const RunReport& report, int width);
std::string ComparisonText(const Comparison& comparison, int width);
std::string TopologyText(const std::string& name, const Fabric& fabric,
                         const TopologyFigures& figures, int width);

// What was read from a file of another tool: counts, leaf by leaf, what is missing and odd.
std::string ImportText(const std::string& name, const Fabric& fabric, const Unevenness& uneven,
                       int width);

// A plan against what stands there: what differs, a line each. JSON: schema weft.against/1.
std::string AgainstText(const std::string& plan, const std::string& live,
                        const WiringDifferences& differences, int width);
std::string AgainstJson(const std::string& plan, const std::string& live,
                        const WiringDifferences& differences);

// "A", "B", … as the comparison's text calls case `index`.
std::string CaseName(std::size_t index);
// The cases' warnings, each once; of what not all cases have, the message names those that do.
std::vector<Error> ComparisonWarnings(const Comparison& comparison);
// The same of what each of some cases says, `labels` being all cases'; with the first case that
// says it.
std::vector<std::pair<std::size_t, Error>> SaidOfCases(
    const std::vector<std::pair<std::size_t, Error>>& said, const std::vector<std::string>& labels);

// Parts that a run's and a comparison's text share.
std::string PublishedText(const std::vector<std::pair<std::string, PublishedRow>>& rows, int width);
// The published gains, one line each: of them no figure of ours is put beside.
std::string GainNotes(const std::vector<std::pair<std::string, PublishedRow>>& rows, int width);
std::string HottestText(const LinksReport& links, std::size_t count, int width);
std::string MakespanText(const RunReport& report);
std::string FaultsText(const RunReport& report, int width);
std::string MarginText(const LinksReport& links, int width);
// How far off loose coupling may be; `where` names the case. Empty where nothing ran loose.
std::string LooseText(const RunReport& report, const std::string& where, int width);
std::string NotesText(const RunReport& report, int width);
// "-11 % .. +18 %"; unknown where there is none.
std::string ErrorText(const ErrorBand& error, int digits = 0);

}  // namespace weft
