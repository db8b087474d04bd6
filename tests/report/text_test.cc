#include "report/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "report/audit_text.h"
#include "report/plan.h"
#include "report/purchase.h"
#include "report/table.h"
#include "report/validation.h"

namespace weft {
namespace {

using testing::HasSubstr;
using testing::Not;

PlanReport TwoAccelerators() {
  PlanReport out;
  out.sizing = {{"h100", "dense", "", "", {}, false, {}, {}, {}, {}},
                {"h20", "dense", "", "", {}, false, {}, {}, {}, {}}};
  out.best = "h100/x";
  out.rankings.resize(2);
  out.rankings[0].accelerator = "h100";
  out.rankings[0].best = "h100/x";
  out.rankings[1].accelerator = "h20";
  out.rankings[1].best = "h20/y";
  out.rankings[1].p_first = 0.81;
  for (const auto& [id, role] : {std::pair("h100/x", "best"), {"h20/y", "best of h20"}}) {
    PlanRow& row = out.rows.emplace_back();
    row.id = id;
    row.roles = {role};
    row.ranked = true;
    row.capex_mid = 20e6;
    row.stops_per_month = 1234.4;
    row.p_first = row.id == "h100/x" ? 0.65 : 0.81;
  }
  out.shown = 2;
  return out;
}

// P of two rankings never stands in one column, and every column is said.
TEST(PlanText, ShowsOneRankingsOddsAndSaysWhatEachColumnIs) {
  const std::string text = PlanText(TwoAccelerators(), 200, false);
  EXPECT_THAT(text, HasSubstr("1,234     0%  0.000  65%\n"));
  EXPECT_THAT(text, HasSubstr("1,234     0%  0.000    -\n"));
  EXPECT_THAT(text, HasSubstr("P(first) 81 %"));
  for (const char* column : {"MUSD to", "MW at", "G/GPU: ", "speed: ", "good: ", "stops: ",
                             "blast: ", "USD: ", "P: in what share"})
    EXPECT_THAT(text, HasSubstr(column));
  EXPECT_THAT(text, HasSubstr("first among the fabrics of h100 (the others'"));
}

// Nobody reads powers of ten.
TEST(PlanText, SaysWhereTheFirstChangesInWholeNumbers) {
  PlanReport report = TwoAccelerators();
  report.flips = {{"price of a", "USD", "h100/z", "quote", 28'090, 12'345.6, 0.00722}};
  EXPECT_THAT(PlanText(report, 200, false),
              HasSubstr("price of a: 28,090 USD now (quote); somewhere between 0.00722 and 12,346: "
                        "h100/z\n"));
}

// Where nothing can be bought there is no table to head.
TEST(PlanText, HasNoColumnsWithoutAPlanThatCanBeBought) {
  PlanReport report = TwoAccelerators();
  report.best.reset();
  for (PlanRow& row : report.rows) row.feasible = false;
  EXPECT_THAT(PlanText(report, 200, false), Not(HasSubstr("G/GPU")));
}

// What mends a finding is in the data whole; the text leaves out what `needs` says already.
TEST(AuditReport, HasEveryAlternativeAndSaysNoneTwice) {
  const std::vector<Finding> findings = {{"uneven_spines",
                                          Finding::Severity::kWarning,
                                          3,
                                          "32 uplinks of a leaf over 15 spines",
                                          "16 spines, 14 at least",
                                          {"16 spines", "6 spines", "growth,N"}}};
  EXPECT_EQ(
      AuditReportText("b.csv", findings, 200),
      "b.csv: 0 errors, 1 warning\n"
      "b.csv:3: warning: uneven_spines: 32 uplinks of a leaf over 15 spines; needs 16 spines, "
      "14 at least\n    or 6 spines\n    or growth,N\n");
  const auto json = nlohmann::json::parse(AuditReportJson("b.csv", findings));
  EXPECT_EQ(json["findings"][0]["alternatives"],
            (std::vector<std::string>{"16 spines", "6 spines", "growth,N"}));
}

// Two causes that NCCL's lines say, and one that is inferred.
TEST(ComparisonText, TellsWhatIsStatedFromWhatTimesSay) {
  JudgedTables judged;
  judged.comparison.entries.resize(1);
  judged.comparison.entries[0].name = "x.log";
  ComparedTable& table = judged.comparison.tables.emplace_back();
  table.points.push_back({MiB(64), 16, 2, 1, 20, 10, std::nullopt});
  Diagnosis& one = judged.diagnoses.emplace_back();
  one.verdict = Verdict::kDegraded;
  one.degraded = true;
  one.ranks = 16;
  one.hosts = 2;
  one.from = one.to = MiB(64);
  one.stated = {Signature::kNoGdr, Signature::kNoNvls};
  one.signatures = {{Signature::kNoGdr, 1.1, true, std::nullopt, 0, 0, true},
                    {Signature::kNoNvls, 1.2, true, std::nullopt, 0, 0, true},
                    {Signature::kHalfPorts, 1.0, true, std::nullopt, 0, 0, false}};
  EXPECT_THAT(ComparisonText(judged, 1000),
              HasSubstr("staged in host memory (1.10 times as long as simulated so) and NVLS off: "
                        "rings or trees in place of the NVSwitches' sums (1.20 times as long as "
                        "simulated so); by its times also half of the NICs' ports"));
  EXPECT_THAT(
      ComparisonText(judged, 1000),
      HasSubstr("; NCCL's own lines say: GPUDirect RDMA off: staged in host memory, NVLS off"));
  one.by_command = {Signature::kNoNvls};
  EXPECT_THAT(ComparisonText(judged, 1000), HasSubstr("; the command says: NVLS off"));
  EXPECT_THAT(
      ComparisonText(judged, 1000),
      Not(HasSubstr("NCCL's own lines say: GPUDirect RDMA off: staged in host memory, NVLS")));
  EXPECT_THAT(ComparisonJson(judged), HasSubstr("\"by_command\": [\n"));
}

// As every other warning: file, line and column, what is wrong, what mends it.
TEST(ComparisonText, PlacesWarningsAtTheirColumn) {
  JudgedTables judged;
  judged.warnings = {{ErrorCode::kInconsistent, {"x.log", 9, 3}, "other GPUs", "say --host"}};
  EXPECT_THAT(ComparisonText(judged, 1000),
              HasSubstr("\nwarning: x.log:9:3: other GPUs (say --host)\n"));
  const auto json = nlohmann::json::parse(ComparisonJson(judged));
  const nlohmann::json want = {{"file", "x.log"},
                               {"line", 9},
                               {"column", 3},
                               {"said", "other GPUs"},
                               {"hint", "say --host"}};
  EXPECT_EQ(json["warnings"], nlohmann::json::array({want}));
}

// What passes by an assumption is said to, beside what no line is of.
TEST(AcceptanceText, NamesTablesWhoseHostsAreAssumed) {
  const std::vector<TableNote> assumed = {{"x.log", 7, "2 are assumed"}};
  const std::vector<TableNote> unused = {{"y.log", 9, "no line is of broadcast"}};
  EXPECT_THAT(AcceptanceText({}, assumed, unused, 80),
              HasSubstr("assumed: x.log:7: 2 are assumed\nnot used: y.log:9: no line is of"));
  EXPECT_THAT(AcceptanceText({}, {}, unused, 80), Not(HasSubstr("assumed")));
  EXPECT_THAT(AcceptanceJson({}, assumed, {}),
              HasSubstr("\"assumed\": [\n    {\n      \"file\": \"x.log\",\n      \"line\": 7,"));
}

TEST(CalibrationText, SaysThatNothingWasHeldOut) {
  CalibrationResult alone;
  alone.folds = 1;
  const std::string text = CalibrationText(alone, "x.yaml", 80);
  EXPECT_THAT(text, HasSubstr("Nothing was held out"));
  EXPECT_THAT(text, Not(HasSubstr("Held out by source")));
}

CollectiveReport Collective(Bytes bytes, double busbw) {
  CollectiveReport one;
  one.op = "all_reduce";
  one.ranks = one.fewest_ranks = 64;
  one.groups = 8;
  one.bytes = bytes;
  one.time_s = {0.1234, 0.1011, 0.1543};
  one.busbw_bytes_per_s = {busbw, busbw * 0.8, busbw * 1.2};
  one.busbw_mean_rail_bytes_per_s = one.busbw_bytes_per_s;
  return one;
}

RunReport Report(const std::vector<Bytes>& sizes) {
  RunReport report;
  report.scenario = "example";
  report.engine = "flow";
  report.makespan_s = {2, 1, 3};
  for (const Bytes size : sizes) report.collectives.push_back(Collective(size, 40e9));
  return report;
}

void ExpectNarrow(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(DisplayWidth(line), 80) << line;
}

Comparison Compare(std::vector<RunReport> cases) {
  Comparison comparison;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    comparison.labels.push_back("rdma.qps=" + std::to_string(i));
    comparison.variants.push_back(comparison.labels.back());
    comparison.base_of.push_back(0);
    if (i == 0) continue;
    for (std::size_t c = 0; c < cases[i].collectives.size(); ++c)
      comparison.differences.push_back(
          {"collectives[" + std::to_string(c) + "].busbw_GBps", i, 40, 50, {1.25, 1.1, 1.4}});
  }
  comparison.cases = std::move(cases);
  return comparison;
}

TEST(RunReportText, FitsEightyColumns) {
  RunReport report = Report({MiB(64), MiB(1024)});
  report.faults.push_back({"pod0/segment12/tor10-pod0/plane0/agg49",
                           "repaired",
                           12.345,
                           12345,
                           12345,
                           123,
                           12,
                           1,
                           0,
                           {}});
  report.traffic.push_back(
      {"all_to_all", 1'000'000, 999'999, MiB(1), {1, 1, 1}, {2, 2, 2}, {40e9, 30e9, 50e9}});
  const std::string text = RunReportText(report, 80);
  ExpectNarrow(text);
  EXPECT_THAT(text, HasSubstr("pod0/segment12/tor10-pod0/plane0/agg49"));
}

TEST(RunReportText, NamesStartUpWhereItIsMoreThanATenth) {
  RunReport report = Report({MiB(64), MiB(1024)});
  report.collectives[0].startup_s = 0.9 * 0.1234;
  report.collectives[1].startup_s = 0.05 * 0.1234;
  EXPECT_THAT(RunReportText(report, 80), HasSubstr("are 90 % of the time of 64 MiB\n"));
}

TEST(RunReportText, SaysWhatATimeIsTheMeanOf) {
  RunReport report = Report({MiB(64)});
  EXPECT_THAT(RunReportText(report, 80), Not(HasSubstr("repeats")));
  report.collectives[0].repeats = 60;
  report.collectives[0].worst_repeat_s = {1.544, 1.544, 1.544};
  EXPECT_THAT(RunReportText(report, 80),
              HasSubstr("64 MiB: mean of 60 repeats, the longest 1.544 s"));
}

// One line of folding, though some operations were folded and others not.
TEST(RunReportText, SaysOnceWhatWasFoldedAndWhatNot) {
  RunReport report = Report({MiB(1)});
  report.run.not_folded = "paths differ";
  EXPECT_THAT(RunReportText(report, 160), HasSubstr("\nnot folded: paths differ\n"));
  report.run.folded = 7;
  const std::string both = RunReportText(report, 160);
  EXPECT_THAT(both, HasSubstr("\nfolded: 7 operations do as another one does, proved on their "
                              "paths; others alike are simulated each: paths differ\n"));
  EXPECT_THAT(both, Not(HasSubstr("not folded")));
}

// The path is of what was simulated, and a trace has a slice that says so.
TEST(RunReportText, SaysWhatTheCriticalPathLeavesOut) {
  RunReport report = Report({});
  report.iteration.emplace();
  IterationReport& i = *report.iteration;
  i.time_s = {10, 10, 10};
  i.split_of_s = 10;
  i.critical_path = {{"forward", 1, 0, 6}};
  i.trace = {{"replica 0 stage 0", "forward", 0, 6}};
  EXPECT_THAT(RunReportText(report, 160), HasSubstr("critical path: forward (6.000 s, once)"));
  EXPECT_THAT(TraceJson(report), Not(HasSubstr("not drawn")));
  i.repeats_skipped = 25;
  i.skipped_s = 4;
  EXPECT_THAT(RunReportText(report, 160),
              HasSubstr("critical path of the 6.000 s simulated (25 repeats more, counted as the "
                        "last ones, take 4.000 s): forward (6.000 s, once)"));
  EXPECT_THAT(TraceJson(report), HasSubstr("6.000 s of 10.00 s: 25 more repeats of the steady "
                                           "state, 4.000 s in all, are counted as the last ones "
                                           "and not drawn"));
}

// What published runs took is of one iteration's time in a run, and of none of several cases'.
TEST(ComparisonText, PutsNoCasesTimeBesidePublishedRuns) {
  RunReport report = Report({});
  report.iteration.emplace();
  report.iteration->time_s = {10, 10, 10};
  report.iteration->split_of_s = 10;
  EXPECT_THAT(RunReportText(report, 160), HasSubstr("; here "));
  const std::string both = ComparisonText(Compare({report, report}), 160);
  EXPECT_THAT(both, HasSubstr("took longer than weft says"));
  EXPECT_THAT(both, Not(HasSubstr("; here ")));
}

// Of a sweep of pairs a case is called as its row and its column are.
TEST(ComparisonText, NamesACaseOfASweepByFileAndValues) {
  Comparison sweep =
      Compare({Report({MiB(1)}), Report({MiB(1)}), Report({MiB(1)}), Report({MiB(1)})});
  sweep.variants = {"rdma.qps=1", "rdma.qps=1", "rdma.qps=4", "rdma.qps=4"};
  sweep.base_of = {0, 0, 2, 2};
  for (std::size_t i = 0; i < 4; ++i)
    sweep.labels[i] = std::string(i % 2 == 0 ? "one" : "two") + " (x.yaml): " + sweep.variants[i];
  sweep.cases[3].missing_terms = {"queues"};
  EXPECT_THAT(ComparisonText(sweep, 160), HasSubstr("\nA one (x.yaml)\nB two (x.yaml)\n"));
  EXPECT_THAT(ComparisonText(sweep, 160), HasSubstr("not modelled: case B 4: queues\n"));
}

TEST(RunReportText, NamesAlikeLinksOnce) {
  RunReport report = Report({MiB(64)});
  for (const char* from : {"leaf0/spine0", "leaf0/spine1", "leaf1/spine0"})
    report.links.hottest.push_back({from, "spine0", 0.5, MiB(1), "even", {}, 1});
  EXPECT_THAT(RunReportText(report, 80),
              HasSubstr("leaf0/spine0 -> spine0 and 2 or more like it: 50.0 % busy. even\n"));
}

TEST(MarginText, CallsNothingBindingAndLeavesOutATieThatIsNone) {
  LinksReport links;
  links.margin = MarginReport{"NVLink", 0.085, "host0/nic0/port0 -> leaf0", 0.07, 0.824, {}};
  EXPECT_EQ(MarginText(links, 80),
            "margin: NVLink is the busier, at 8.5 %; of the network host0/nic0/port0 -> leaf0\n"
            "  is at 7.0 %\n");
}

TEST(ComparisonText, HasATableForEachSizeAndNamesItWithEachChange) {
  const std::string text =
      ComparisonText(Compare({Report({MiB(64), MiB(1024)}), Report({MiB(64), MiB(1024)})}), 80);
  EXPECT_THAT(text, HasSubstr("\nall_reduce of 64 MiB\ncase"));
  EXPECT_THAT(text, HasSubstr("\nall_reduce of 1 GiB\ncase"));
  EXPECT_THAT(text, HasSubstr("slowest rail, 64 MiB     B  40.00  50.00"));
  EXPECT_THAT(text, Not(HasSubstr("CAUTION")));
  ExpectNarrow(text);
}

TEST(ComparisonText, CautionsAgainstUnlikeSizes) {
  const std::string text = ComparisonText(Compare({Report({MiB(4096)}), Report({MiB(1024)})}), 80);
  EXPECT_THAT(text, HasSubstr("CAUTION: not the same operation and size"));
  EXPECT_THAT(text, HasSubstr("4 GiB -> 1 GiB (!)"));
}

TEST(ComparisonText, SaysWhatItLeavesOut) {
  std::vector<RunReport> cases(9, Report({MiB(64)}));
  for (RunReport& report : cases)
    report.links.hottest.push_back({"leaf0/spine0", "spine0", 0.5, MiB(1), "even", {}, 1});
  Comparison comparison = Compare(std::move(cases));
  comparison.inputs.push_back({"rdma.qps", std::vector<std::string>(9, "1")});
  const std::string text = ComparisonText(comparison, 80);
  EXPECT_THAT(text, HasSubstr("what differs: rdma.qps; all values: --json"));
  EXPECT_THAT(text, HasSubstr("why of 5 more cases: --json FILE"));
}

TEST(RunReportText, ShowsTheModelsErrorBesideTheTime) {
  RunReport report = Report({MiB(64), MiB(1024)});
  report.calibration = {"public", "x", false};
  report.error = report.collectives[0].error = {-0.1, 0.2, "held-out"};
  report.collectives[0].in_range = false;
  const std::string text = RunReportText(report, 80);
  // Of the second nobody says any.
  EXPECT_THAT(text, HasSubstr("\nmodel error: 64 MiB -10 % .. +20 % !, 1 GiB unknown\n"));
  EXPECT_THAT(text, HasSubstr("none is like this"));
  ExpectNarrow(text);
  report.collectives[1].error = report.error;
  const std::string compared = ComparisonText(Compare({report, report}), 80);
  EXPECT_THAT(compared, HasSubstr("model error: -10 % .. +20 % !\n"));
  EXPECT_THAT(compared, HasSubstr("model error: -10 % .. +20 %\n"));
  report.calibration.known_hardware = false;
  EXPECT_THAT(RunReportText(report, 200), HasSubstr("hardware left out whole"));
  report.jobs.resize(1);
  report.error = {};
  EXPECT_THAT(RunReportText(report, 200), HasSubstr("states none of what runs here"));
}

// 140 columns do not fit: what a reader looks for does, and every line is no wider.
TEST(CollectiveTableText, ShortRowsFitEightyColumns) {
  CollectiveTable table;
  table.plan.op = "all_reduce";
  table.plan.comm.rules = &DefaultNcclRules();
  table.plan.comm.nodes = 16;
  table.plan.comm.per_node = 8;
  table.host = "hgx-h100";
  table.calibration = "public";
  table.known_hardware = false;
  table.busbw_factor = 2 * 127 / 128.0;
  table.seeds = 4;
  NcclPlanRow row;
  row.bytes = MiB(64);
  row.choice.emplace();
  row.choice->algorithm = NcclAlgorithm::kNvlsTree;
  row.choice->channels = 16;
  CollectiveTimeRow time;
  time.us = time.in_place_us = 2000;
  time.p5_us = 1990.5;
  time.p95_us = 12345;
  time.error.low = -0.25;
  time.error.high = 0.5;
  time.in_range = false;
  table.plan.rows = {row};
  table.times = {time};
  const std::string text = CollectiveTableText(table, false, 80, CollectiveRows::kShort);
  ExpectNarrow(text);
  EXPECT_THAT(text, HasSubstr("67108864     2000.0  1990 .. 12345  66.58"));
  EXPECT_THAT(text, HasSubstr("1500 .. 3000 !  NVLSTree Simple x16\n"));
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line) && line.find("(us)") == std::string::npos)
    EXPECT_EQ(line.front(), '#') << line;
  EXPECT_THAT(CollectiveTableText(table, false, 80, CollectiveRows::kNcclTests),
              HasSubstr("out-of-place"));
}

// The least estimate is not what runs where EFA's plugin has a say.
TEST(CollectiveTableText, SaysWhoChoosesBesideTheEstimates) {
  CollectiveTable table;
  table.plan.op = "all_reduce";
  table.plan.comm.rules = &DefaultNcclRules();
  table.plan.comm.nodes = 16;
  table.plan.comm.per_node = 8;
  NcclPlanRow row;
  row.bytes = MiB(64);
  row.choice.emplace();
  row.candidates.emplace_back();
  table.plan.rows = {row};
  table.times.resize(1);
  const char* const said = "\nEFA's plugin chooses before these estimates, where it has a choice\n";
  const auto text = [&] { return CollectiveTableText(table, true, 80, CollectiveRows::kShort); };
  EXPECT_THAT(text(), HasSubstr("candidates by NCCL's own estimate, us\n"));
  EXPECT_THAT(text(), Not(HasSubstr(said)));
  table.plan.comm.tuner = EfaTuner::kP5;
  EXPECT_THAT(text(), HasSubstr(said));
}

// Two files over the same values.
TEST(ComparisonText, EndsASweepOfPairsWithTheModelsErrorToo) {
  RunReport report = Report({MiB(64), MiB(1024)});
  report.missing_terms = {"queues"};
  Comparison comparison = Compare({report, report, report, report});
  comparison.base_of = {0, 0, 2, 2};
  const std::string text = ComparisonText(comparison, 80);
  EXPECT_THAT(text, HasSubstr("all_reduce of 64 MiB\nvalues"));
  EXPECT_THAT(text, HasSubstr("all_reduce of 1 GiB\nvalues"));
  EXPECT_THAT(text, HasSubstr("model error: unknown"));
  EXPECT_THAT(text, HasSubstr("not modelled: queues"));
}

}  // namespace
}  // namespace weft
