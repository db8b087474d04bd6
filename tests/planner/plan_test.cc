#include "planner/plan.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/random.h"
#include "planner/candidate.h"
#include "planner/decide.h"
#include "planner/evaluate.h"
#include "planner/question.h"
#include "planner/sizing.h"
#include "planner/store.h"

namespace weft {
namespace {

using testing::HasSubstr;

Question Ask(const std::string& text) {
  auto question = ParseQuestion(text, "plan.yaml", {}, nullptr);
  EXPECT_TRUE(question) << (question ? Error{} : question.error()[0]);
  return question ? *std::move(question) : Question{};
}

std::string WrongWith(const std::string& text) {
  const auto question = ParseQuestion(text, "plan.yaml", {}, nullptr);
  if (question) return "nothing";
  std::ostringstream out;
  for (const Error& error : question.error()) out << error << '\n';
  return out.str();
}

const SizingRow* RowOf(const std::vector<SizingRow>& rows, const std::string& name, Basis basis) {
  for (const SizingRow& row : rows)
    if (row.name == name && row.basis == basis) return &row;
  return nullptr;
}

constexpr char kAll[] =
    "parts: { accelerators: [h800, h20, ascend-910b2, ascend-910b3, ascend-910c] }\n";

// 5,000 P: 5,055.6 -> 5,056; 33,783.8 -> 33,784; 13,297.9 -> 13,298 -> 13,304;
// 15,974.4 -> 15,976; 6,648.9 -> 6,649 -> 18 supernodes of 384; sparse 2,526.5 -> 2,528.
TEST(SizeAccelerators, RoundsUpToAcceleratorsAndThenToUnits) {
  const auto rows = SizeAccelerators(Ask(std::string("need: { compute: 5000PFLOPS }\n") + kAll));
  const std::pair<const char*, std::int64_t> dense[] = {{"h800", 5056},
                                                        {"h20", 33'784},
                                                        {"ascend-910b2", 13'304},
                                                        {"ascend-910b3", 15'976},
                                                        {"ascend-910c", 6912}};
  for (const auto& [name, count] : dense) {
    const SizingRow* row = RowOf(rows, name, Basis::kDense);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(row->accelerators, count) << name;
  }
  EXPECT_EQ(RowOf(rows, "h800", Basis::kSparse)->accelerators, 2528);
  EXPECT_FALSE(RowOf(rows, "ascend-910b2", Basis::kSparse)->rate);
  EXPECT_FALSE(RowOf(rows, "ascend-910b2", Basis::kSparse)->accelerators);
  EXPECT_NE(RowOf(rows, "ascend-910b2", Basis::kSparse)->note, "");
  EXPECT_EQ(RowOf(rows, "ascend-910c", Basis::kDense)->hosts, 18);
}

// 800 POPS dense: 404.2 H800 at 1,979, so 408 with hosts of eight.
TEST(SizeAccelerators, CountsIntegerOperations) {
  const auto rows = SizeAccelerators(
      Ask(std::string("need: { compute: 800POPS, dtype: int8, basis: dense }\n") + kAll));
  EXPECT_EQ(RowOf(rows, "h800", Basis::kDense)->accelerators, 408);
  EXPECT_EQ(RowOf(rows, "ascend-910b2", Basis::kDense)->rate, 752e12);
  EXPECT_TRUE(RowOf(rows, "ascend-910b2", Basis::kDense)->rate_assumed);
}

TEST(ReadQuestion, RefusesWhatDoesNotSayWhatItCounts) {
  const std::string parts = "parts: { accelerators: [h100] }\n";
  EXPECT_THAT(WrongWith("need: { compute: 5000P }\n" + parts), HasSubstr("plan.yaml:1:18"));
  EXPECT_THAT(WrongWith("need: { compute: 800POPS }\n" + parts), HasSubstr("dtype is not int8"));
  EXPECT_THAT(WrongWith("need: { compute: 8PFLOPS, dtype: int8 }\n" + parts),
              HasSubstr("dtype is int8"));
  EXPECT_THAT(WrongWith("need: {}\n" + parts), HasSubstr("neither 'compute' nor 'gpus'"));
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\nparts: { accelerators: [h1000] }\n"),
              HasSubstr("plan.yaml:2:25"));
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\nparts: { accelerators: [h100], switches: [52T] }\n"),
              HasSubstr("there is no switch '52T'"));
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\n" + parts + "jobs: [{ share: 50% }]\n"),
              HasSubstr("no workload"));
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\n" + parts +
                        "jobs: [{ share: 100%, training: { model: llama3-70b } }]\n"),
              HasSubstr("training"));
}

constexpr char kSmall[] =
    "need: { gpus: 256 }\nparts: { accelerators: [h100], switches: [25.6T], nic_ports: [1, 2] }\n"
    "policy: { min_spines: 2, spines: both }\n";

std::vector<Candidate> Screened(const Question& question) {
  std::vector<Candidate> out = EnumerateCandidates(question, SizeAccelerators(question));
  const CableMarket market = AllCables();
  for (Candidate& one : out) ScreenCandidate(question, market, one);
  return out;
}

TEST(EnumerateCandidates, NamesEachOnce) {
  const auto all = Screened(Ask(kSmall));
  std::set<std::string> ids;
  std::int64_t feasible = 0;
  for (const Candidate& one : all) {
    EXPECT_TRUE(ids.insert(one.id).second) << one.id;
    feasible += one.feasible() ? 1 : 0;
    if (!one.feasible()) {
      EXPECT_NE(one.broken[0].said, "") << one.id;
    }
  }
  EXPECT_GT(all.size(), 100u);
  EXPECT_GT(feasible, 20);
}

const RuleCheck* Broken(const Candidate& one, const std::string& rule) {
  for (const RuleCheck& check : one.broken)
    if (check.rule == rule) return &check;
  return nullptr;
}

// Each limit, made impossible, binds; nothing else changes.
TEST(CheckRules, EveryLimitBinds) {
  const std::pair<const char*, const char*> limits[] = {
      {"limits: { capex: 1MUSD }\n", "capex"},
      {"limits: { site_power: 100kW }\n", "site power"},
      {"limits: { rack: { power: 9kW } }\n", "rack power"},
      {"limits: { reach: 1m }\n", "length in the hall"},
      {"growth: 1000000\n", "growth"},
      {"jobs: [{ gpus: 512, collective: { op: all_reduce, bytes: 1MiB } }]\n", "largest job"},
  };
  for (const auto& [text, rule] : limits) {
    int bound = 0;
    for (const Candidate& one : Screened(Ask(std::string(kSmall) + text)))
      bound += Broken(one, rule) != nullptr ? 1 : 0;
    EXPECT_GT(bound, 20) << rule;
  }
  // A leaf of 32 single-homed hosts of eight is 256 of 256 GPUs; two homes leave a host.
  for (const Candidate& one :
       Screened(Ask(std::string(kSmall) + "limits: { failure_domain: 10% }\n"))) {
    if (one.counts.leaves == 0) continue;
    EXPECT_EQ(Broken(one, "failure domain") != nullptr,
              one.design.nic_ports == 1 && one.stopped_gpus > 25)
        << one.id;
  }
}

TEST(CheckRules, HasThirtyNamesAndMore) {
  std::set<std::string> rules;
  const Question question = Ask(std::string(kSmall) + "growth: 256\n");
  for (const Candidate& one : Screened(question))
    if (one.counts.leaves > 0)
      for (const RuleCheck& check : CheckRules(question, one)) rules.insert(check.rule);
  EXPECT_GE(rules.size(), 30u);
}

constexpr char kJobs[] =
    "jobs: [{ gpus: 64, exposed: 30%, traffic: { pattern: all_to_all, bytes: 64KiB } }]\n"
    "decide: { seeds: 2, finalists: 1000, draws: 200 }\n";

// The bound is below every seed of the flow engine, whatever the fabric.
TEST(BoundSeconds, IsBelowTheFlowEngine) {
  const Question question = Ask(std::string(kSmall) + kJobs);
  RunControl control;
  int run = 0;
  std::size_t at = 0;
  for (const Candidate& one : Screened(question)) {
    if (!one.feasible() || ++at % 17 != 0 || run >= 8) continue;
    const auto times = SimulateJob(question, one, question.jobs[0], control, nullptr);
    ASSERT_TRUE(times) << one.id << ": " << times.error()[0];
    ++run;
    for (const double seconds : times->seconds)
      EXPECT_GE(seconds, BoundSeconds(one, question.jobs[0])) << one.id;
    EXPECT_GT(BoundSeconds(one, question.jobs[0]), 0) << one.id;
  }
  EXPECT_GT(run, 3);
}

// Searching in the order of the bound finds what simulating everything finds.
TEST(MakePlan, FindsWhatBruteForceFinds) {
  const std::string text =
      "need: { gpus: 64 }\n"
      "parts: { accelerators: [h100], switches: [25.6T], nic_ports: [1], families: "
      "[rail_optimized, rail_only], oversubscription: [1, 3] }\npolicy: { min_spines: 1 }\n" +
      std::string(kJobs);
  const Question question = Ask(text);
  PlanControl control;
  const auto report = MakePlan(question, control);
  ASSERT_TRUE(report) << report.error()[0];
  ASSERT_TRUE(report->best);
  // Every feasible candidate, simulated; the reference is the report's.
  std::string reference;
  for (const PlanRow& row : report->rows)
    for (const std::string& roles : row.roles)
      if (roles.find("non-blocking") != std::string::npos) reference = row.id;
  std::vector<Candidate> all = Screened(question);
  std::vector<Contender> contenders;
  std::vector<std::vector<double>> reference_s(1, std::vector<double>(1));
  for (Candidate& one : all) {
    if (!one.feasible()) continue;
    auto times = SimulateJob(question, one, question.jobs[0], RunControl{}, nullptr);
    ASSERT_TRUE(times);
    MakeExact(question, one, nullptr);
    if (!one.feasible()) continue;
    std::sort(times->seconds.begin(), times->seconds.end());
    if (one.id == reference) reference_s[0][0] = times->seconds[(times->seconds.size() - 1) / 2];
    const FailureRates rates =
        WithParts(question.rates, question.catalogue, "h100", question.switches[0].part.part,
                  question.switches[0].part.part);
    contenders.push_back({&one,
                          {times->seconds},
                          true,
                          {ExpectedFailures(ShareOf(one.components, 64), rates, Seconds(14'400))}});
  }
  ASSERT_GT(contenders.size(), 3u);
  ASSERT_GT(reference_s[0][0], 0);
  const Decision decision(question, contenders, reference_s);
  EXPECT_EQ(decision.contenders()[decision.Best(0, Inputs{})].candidate->id, *report->best);
}

TEST(MakePlan, AnswersAPlainQuestion) {
  const auto report = MakePlan(Ask("need: { gpus: 2048 }\nparts: { accelerators: [h100] }\n"), {});
  ASSERT_TRUE(report);
  ASSERT_TRUE(report->best);
  EXPECT_FALSE(report->rows.empty());
  EXPECT_THAT(report->sentence, HasSubstr("2,048 h100"));
  double usd = 0;
  for (const PlanBomRow& row : report->bom)
    if (row.usd_mid) usd += *row.usd_mid * static_cast<double>(row.quantity);
  EXPECT_NEAR(usd, report->rows[0].capex_mid, 1);
  for (const PlanRule& rule : report->rules) EXPECT_TRUE(rule.ok) << rule.rule << rule.said;
}

// A flip's value is where the first changes: just before it does not, just beyond it does.
TEST(FindFlips, ChangesTheFirstAtItsValue) {
  const Question question = Ask(std::string(kSmall) + "decide: { draws: 100 }\n");
  std::vector<Candidate> all = Screened(question);
  std::vector<Contender> contenders;
  for (const Candidate& one : all)
    if (one.feasible() && contenders.size() < 6)
      contenders.push_back(
          {&one, {}, false, {ExpectedFailures(one.components, question.rates, Seconds(14'400))}});
  const Decision decision(question, contenders, {{}});
  const std::size_t now = decision.Best(0, Inputs{});
  for (const Decision::Flip& flip : decision.FindFlips(0)) {
    if (flip.input.rfind("price of ", 0) != 0) continue;
    Inputs inputs;
    inputs.price_of = flip.input.substr(9);
    inputs.price = flip.value / flip.now;
    EXPECT_NE(decision.Best(0, inputs), now) << flip.input;
    inputs.price = std::pow(flip.value / flip.now, 0.99);
    EXPECT_EQ(decision.Best(0, inputs), now) << flip.input;
  }
}

TEST(ResultStore, KeepsWholeResults) {
  const std::string path = testing::TempDir() + "/weft_store_test.sqlite";
  std::filesystem::remove(path);
  {
    auto store = ResultStore::Open(path, false);
    ASSERT_TRUE(store);
    EXPECT_FALSE((*store)->Find("a"));
    EXPECT_TRUE((*store)->Put("a", {0.1, 1e-300}));
  }
  {
    auto store = ResultStore::Open(path, true);
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->Find("a"), (std::vector<double>{0.1, 1e-300}));
  }
  auto store = ResultStore::Open(path, false);
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->size(), 0);
}

}  // namespace
}  // namespace weft
