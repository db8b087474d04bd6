#include "report/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "planner/plan.h"
#include "planner/question.h"
#include "report/purchase.h"
#include "report/table.h"
#include "report/text.h"
#include "tests/base/test_file.h"

namespace weft {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

RunReport Example() {
  RunReport report;
  report.scenario = "example";
  report.engine = "flow";
  report.makespan_s = {2, 1, 3};
  CollectiveReport collective;
  collective.op = "all_reduce";
  collective.algorithm = "ring";
  collective.bytes = MiB(1);
  collective.busbw_bytes_per_s = {147e9, 140e9, 150e9};
  report.collectives.push_back(collective);
  return report;
}

TEST(RunReportJson, BeginsWithSchemaAndEndsWithRun) {
  const Json json = Json::parse(RunReportJson(Example()));
  EXPECT_EQ(json.begin().key(), "schema");
  EXPECT_EQ((--json.end()).key(), "run");
}

TEST(RunReportJson, GivesRatesInGigabytesASecond) {
  const Json json = Json::parse(RunReportJson(Example()));
  EXPECT_DOUBLE_EQ(json["collectives"][0]["busbw_GBps"]["median"], 147);
  EXPECT_EQ(json["collectives"][0]["bytes"], 1 << 20);
  EXPECT_TRUE(json["collectives"][0]["protocol"].is_null());
}

TEST(RunReportJson, DigestsEverythingButTheRun) {
  RunReport report = Example();
  const Json before = Json::parse(RunReportJson(report));
  report.run.wall_s = 9;
  report.run.threads = 2;
  EXPECT_EQ(Json::parse(RunReportJson(report))["digest"], before["digest"]);
  report.makespan_s.median = 2.5;
  EXPECT_NE(Json::parse(RunReportJson(report))["digest"], before["digest"]);
}

TEST(RunReportJson, SaysHowMuchLongerLooseMayTakeWhereItMatters) {
  RunReport report = Example();
  EXPECT_FALSE(Json::parse(RunReportJson(report)).contains("loose"));
  report.loose = LooseReport{8, 0.25};
  const Json loose = Json::parse(RunReportJson(report))["loose"];
  EXPECT_EQ(loose["operations"], 8);
  EXPECT_DOUBLE_EQ(loose["time_low"], 0);
  EXPECT_DOUBLE_EQ(loose["time_high"], 0.25);
  EXPECT_EQ(loose["basis"], "docs/validation.md");
}

TEST(RunReportJson, HoldsTheMarginAndLeavesOutATieThatSaysNothing) {
  RunReport report = Example();
  report.links.margin = MarginReport{"NVLink", 0.085, "host0/nic0/port0 -> leaf0", 0.07, 0.824, {}};
  const Json margin = Json::parse(RunReportJson(report))["links"]["margin"];
  EXPECT_EQ(margin["busier"], "NVLink");
  EXPECT_DOUBLE_EQ(margin["busier_utilisation"], 0.085);
  EXPECT_DOUBLE_EQ(margin["other_utilisation"], 0.07);
  EXPECT_TRUE(margin["nvlink_efficiency_at_tie"].is_null());
}

TEST(RunReportJson, HasNoTimeForWhatDidNotComplete) {
  RunReport report = Example();
  report.collectives[0].status = "failed";
  report.incomplete = {"all_reduce failed"};
  report.traffic.push_back({"incast", 7, 0, MiB(1), {}, {}, {}});
  const Json json = Json::parse(RunReportJson(report));
  EXPECT_TRUE(json["makespan_s"].is_null());
  EXPECT_TRUE(json["collectives"][0]["time_s"].is_null());
  EXPECT_TRUE(json["collectives"][0]["algbw_GBps"].is_null());
  EXPECT_TRUE(json["traffic"][0]["goodput_GBps"].is_null());
}

TEST(ComparisonJson, NamesTheBaseAndEveryCase) {
  Comparison comparison;
  comparison.labels = {"a", "b"};
  comparison.cases = {Example(), Example()};
  comparison.differences.push_back({"makespan_s", 1, 2, 1, {0.5, 0.4, 0.6}});
  const Json json = Json::parse(ComparisonJson(comparison));
  EXPECT_EQ(json["base"], "a");
  EXPECT_EQ(json["cases"].size(), 2u);
  EXPECT_DOUBLE_EQ(json["differences"][0]["ratio"]["median"], 0.5);
  EXPECT_EQ((--json.end()).key(), "run");
}

Comparison Pair() {
  Comparison pair;
  pair.cases = {Example(), Example()};
  pair.labels = {"one", "two"};
  pair.variants = {"", ""};
  pair.base_of = {0, 0};
  return pair;
}

TEST(ComparisonText, SaysThatNoShareMeetsThePublishedLoss) {
  Comparison pair = Pair();
  pair.curves.push_back({1, 1, {}, 0.0625, std::nullopt, "a test"});
  EXPECT_THAT(ComparisonText(pair, 160), HasSubstr("not met by any exposed share"));
  EXPECT_TRUE(Json::parse(ComparisonJson(pair))["curves"][0]["published_at_exposed"].is_null());
  pair.curves[0].published_at = 0.25;
  EXPECT_THAT(ComparisonText(pair, 160), HasSubstr("met where 25.0 % of the iteration"));
}

TEST(ComparisonText, NamesTheCasesOfANoteThatNotAllHave) {
  Comparison pair = Pair();
  pair.cases[0].missing_terms = {"queues"};
  pair.cases[1].missing_terms = {"queues", "framing"};
  pair.cases[1].unmet = {"makespan 2 s, required at most 1 s"};
  pair.cases[0].warnings =
      pair.cases[1].warnings = {{ErrorCode::kInconsistent, {"s.yaml", 1, 1}, "a key", {}}};
  pair.cases[1].warnings.push_back({ErrorCode::kInconsistent, {"s.yaml", 2, 1}, "another", {}});
  const std::string text = ComparisonText(pair, 160);
  EXPECT_THAT(text, HasSubstr("not modelled: queues\nnot modelled: case B: framing\n"));
  EXPECT_THAT(text, HasSubstr("NOT MET: case B: makespan 2 s"));
  const std::vector<Error> warnings = ComparisonWarnings(pair);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0].message, "a key");
  EXPECT_EQ(warnings[1].message, "case B (two): another");
}

// The JSON of a plan of 64 H100 with `quote` laid over the catalogue.
std::string PlanWith(const std::string& quote, const std::string& more) {
  const std::string path = TestFile("quotes.yaml");
  std::ofstream(path) << "rows: [{ part: qm9700, price: { mid: " << quote << " } }]\n";
  const std::string text =
      "need: { gpus: 64 }\nparts: { accelerators: [h100], switches: [qm9700], nic_ports: [1] }\n"
      "policy: { min_spines: 1 }\ncatalogue: [\"" +
      path + "\"]\n" + more;
  const auto question = ParseQuestion(text, "plan.yaml", {}, nullptr);
  EXPECT_TRUE(question);
  PlanControl control;
  control.screen_only = true;
  auto report = MakePlan(*question, control);
  EXPECT_TRUE(report && report->best);
  report->input.text = text;
  return PlanJson(*report);
}

// A price edited changes that row and the sums over it; a limit edited changes the decision, which
// comes first.
TEST(PlanDifference, LeadsWithDecisionsAndShowsOnlyWhatDependsOnAPrice) {
  const std::string plan = PlanWith("36kUSD", "");
  EXPECT_EQ(PlanDifference(plan, PlanWith("36kUSD", ""), 100), "");
  const std::string dearer = PlanDifference(plan, PlanWith("37kUSD", ""), 100);
  EXPECT_EQ(dearer.find("decisions"), std::string::npos) << dearer;
  EXPECT_NE(dearer.find("qm9700 (leaf), USD each: 36,000 -> 37,000 (+2.78 %)"), std::string::npos)
      << dearer;
  for (const char* untouched : {"quantity", "hosts", "switches", "hgx-h100", "power of", "useful,"})
    EXPECT_EQ(dearer.find(untouched), std::string::npos) << untouched << '\n' << dearer;
  EXPECT_NE(dearer.find("\nprice of the network: "), std::string::npos) << dearer;
  EXPECT_NE(dearer.find(" USD (+"), std::string::npos) << dearer;
  const std::string limited =
      PlanDifference(plan, PlanWith("36kUSD", "limits: { pue: 1.3 }\n"), 100);
  EXPECT_NE(limited.find("inputs\nquestion, after: limits: { pue: 1.3 }\n"), std::string::npos)
      << limited;
  // A limit that changes nothing was asked for all the same.
  const std::string same =
      PlanDifference(plan, PlanWith("36kUSD", "limits: { capex: 1000MUSD }\n"), 100);
  EXPECT_NE(same.find("capex: 1000MUSD"), std::string::npos) << same;
  const std::string larger = PlanDifference(plan, PlanWith("36kUSD", "growth: 1024\n"), 100);
  EXPECT_EQ(larger.rfind("decisions\nbest: ", 0), 0u) << larger;
}

// Words and units, as page one has them: no key of the JSON.
TEST(PlanDifference, CallsKeysByWordsWithUnits) {
  const Json plan = Json::parse(PlanWith("36kUSD", ""));
  Json other = plan;
  const std::string best = plan["answer"]["best"];
  for (Json& row : other["candidates"]) {
    if (row["id"] != best) continue;
    row["site_w"] = row["site_w"].get<double>() * 2;
    row["goodput"] = 0.5;
    row["stops_per_month"] = 1'234.5;
    row["capex_usd"]["mid"] = 21'000'000.0;
    row["usd_per_useful_pflop_day"]["mid"] = 50.0;
    row["parameters"]["nic_ports"] = "2";
    row["parameters"]["spine_oversubscription"] = "3";
  }
  const std::string text = PlanDifference(plan.dump(), other.dump(), 200);
  for (const char* line :
       {"\nports of a NIC: 1 -> 2", "\noversubscription of spines: ", " -> 21,000,000 USD (",
        " MW (+100.00 %)\n", " % -> 50 % (-", " points)\n", "\nstops a month: ", " -> 1,235 (",
        "\nUSD a useful PFLOP-day: "})
    EXPECT_THAT(text, HasSubstr(line)) << text;
  EXPECT_THAT(text, testing::Not(HasSubstr("_"))) << text;
}

// Plans in OPS cost a POP-day, and one of each is no mere change of a figure.
TEST(PlanDifference, NamesTheWorkThatACostIsOf) {
  PlanReport report;
  EXPECT_EQ(Json::parse(PlanJson(report))["answer"]["usd_per_useful"], "PFLOP-day");
  report.integer = true;
  EXPECT_EQ(Json::parse(PlanJson(report))["answer"]["usd_per_useful"], "POP-day");
  const Json plan = Json::parse(PlanWith("36kUSD", ""));
  const auto said = [&](const char* before, const char* after) {
    Json a = plan, b = plan;
    for (const auto& [side, work] : {std::pair(&a, before), {&b, after}})
      if (work != nullptr)
        (*side)["answer"]["usd_per_useful"] = work;
      else
        (*side)["answer"].erase("usd_per_useful");
    for (Json& row : b["candidates"])
      if (row["id"] == plan["answer"]["best"]) row["usd_per_useful_pflop_day"]["mid"] = 50.0;
    return PlanDifference(a.dump(), b.dump(), 200);
  };
  EXPECT_THAT(said("POP-day", "POP-day"), HasSubstr("\nUSD a useful POP-day: "));
  EXPECT_THAT(said("PFLOP-day", "POP-day"),
              HasSubstr("\nUSD a useful PFLOP-day, after: a POP-day: "));
  EXPECT_THAT(said(nullptr, nullptr), HasSubstr("\nUSD a useful PFLOP-day or POP-day: "));
}

// Lists break between their values, parameters are told key by key.
TEST(PlanDifference, FitsTheTerminal) {
  const std::string plan = PlanWith("36kUSD", "");
  Json tied = Json::parse(PlanWith("36kUSD", "growth: 1024\n"));
  for (const char* uplink : {"", "/up400G", "/up200G"})
    tied["answer"]["tie"].push_back(
        fmt::format("h100/rail_optimized/2-tier/400G/2-tor/51.2T{}/1:1/even", uplink));
  const std::string other = tied.dump();
  for (const int width : {80, 160}) {
    std::istringstream lines(PlanDifference(plan, other, width));
    std::string line, all;
    while (std::getline(lines, line)) {
      EXPECT_LE(DisplayWidth(line), width) << line;
      all += line + '\n';
    }
    EXPECT_THAT(all, testing::Not(HasSubstr("[\""))) << all;
    EXPECT_THAT(all, testing::Not(HasSubstr("{\""))) << all;
    EXPECT_THAT(all, HasSubstr("\ntie: none -> h100/rail_optimized/")) << all;
    EXPECT_THAT(all, HasSubstr("\nspine switches: 0 -> 16\n")) << all;
    EXPECT_THAT(all, HasSubstr("\ntiers: 1 -> 2\n")) << all;
  }
}

}  // namespace
}  // namespace weft
