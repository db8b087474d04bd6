// A plan as text, JSON and CSV.
//
// The text is one screen of 80 columns: the sentence, what decides it, the table, what was not
// modelled. The JSON, schema weft.plan/1, has every figure; docs/planning.md lists the keys.
//
// Repeats  the same report gives the same bytes.
#pragma once

#include <string>

#include "planner/plan.h"

namespace weft {

// `explain`: every rejected candidate with the rule that binds it, and every rule of the best.
std::string PlanText(const PlanReport& report, int width, bool explain);
std::string PlanJson(const PlanReport& report);
std::string CandidatesCsv(const PlanReport& report);

// What the JSON of a plan says it was made of. Requires: IsPlanJson(text).
PlanInput PlanInputOf(const std::string& text);

// Two plans' JSON laid beside each other, changed decisions first; empty where nothing differs.
// Requires: both are JSON of schema weft.plan/1.
std::string PlanDifference(const std::string& a, const std::string& b, int width);
// Whether `text` is such JSON.
bool IsPlanJson(const std::string& text);

}  // namespace weft
