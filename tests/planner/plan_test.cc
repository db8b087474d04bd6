#include "planner/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/random.h"
#include "planner/audit.h"
#include "planner/bill.h"
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
  // What is named twice is not planned against itself.
  EXPECT_EQ(WrongWith("need: { gpus: 8 }\nparts: { accelerators: [h100, h100] }\n")
                .substr(0, sizeof("plan.yaml:2:31: error: h100 is named twice") - 1),
            "plan.yaml:2:31: error: h100 is named twice");
  EXPECT_THAT(
      WrongWith("need: { gpus: 8 }\nparts: { accelerators: [h100], switches: [25.6T, "
                "switch-25t6], nic_ports: [2, 2] }\n"),
      testing::AllOf(HasSubstr("switch-25t6 is named twice"), HasSubstr("2 is named twice")));
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\nparts: { accelerators: [h1000] }\n"),
              HasSubstr("plan.yaml:2:25"));
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\nparts: { accelerators: [h100], switches: [52T] }\n"),
              HasSubstr("there is no switch '52T'"));
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\n" + parts + "jobs: [{ share: 50% }]\n"),
              HasSubstr("no workload"));
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\n" + parts +
                        "jobs: [{ share: 100%, training: { model: llama3-70b } }]\n"),
              HasSubstr("global_batch"));
}

constexpr char kSmall[] =
    "need: { gpus: 256 }\nparts: { accelerators: [h100], switches: [25.6T], nic_ports: [1, 2] }\n"
    "policy: { min_spines: 2, spines: both }\n";

std::vector<Candidate> Screened(const Question& question) {
  std::vector<Candidate> out = EnumerateCandidates(question, SizeAccelerators(question));
  const CableMarket market = AllCables(question.catalogue);
  for (Candidate& one : out) ScreenCandidate(question, market, one);
  return out;
}

TEST(EnumerateCandidates, NamesEachOnce) {
  const auto all = Screened(Ask(kSmall));
  std::set<std::string> ids;
  std::int64_t feasible = 0;
  for (const Candidate& one : all) {
    EXPECT_TRUE(ids.insert(one.id).second) << one.id;
    EXPECT_TRUE(one.design.tiers > 1 || one.design.port_planes) << one.id;
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
    FabricCache cache;
    const auto times = SimulateJob(question, one, question.jobs[0], control, nullptr, cache);
    ASSERT_TRUE(times) << one.id << ": " << times.error()[0];
    ++run;
    for (const double seconds : times->seconds)
      EXPECT_GE(seconds, BoundSeconds(one, question.jobs[0])) << one.id;
    EXPECT_GT(BoundSeconds(one, question.jobs[0]), 0) << one.id;
  }
  EXPECT_GT(run, 3);
}

// So it is of routers that are joined to one another, full ones and full groups of them.
TEST(BoundSeconds, IsBelowTheFlowEngineOnRouters) {
  const Question question =
      Ask("need: { gpus: 128 }\nparts: { accelerators: [h100], switches: [25.6T, 51.2T], families: "
          "[dragonfly, slim_fly], oversubscription: [1, 4] }\n"
          "jobs: [{ share: 50%, gpus: 128, traffic: { pattern: all_to_all, bytes: 8KiB } }, "
          "{ share: 50%, gpus: 64, collective: { op: all_reduce, bytes: 64MiB } }]\n"
          "decide: { seeds: 2 }\n");
  int run = 0, at = 0;
  double closest = 0;
  for (const Candidate& one : Screened(question)) {
    if (!one.feasible() || at++ % 3 != 0) continue;
    ++run;
    for (const JobChoice& job : question.jobs) {
      FabricCache cache;
      const auto times = SimulateJob(question, one, job, RunControl{}, nullptr, cache);
      ASSERT_TRUE(times) << one.id << ": " << times.error()[0];
      for (const double seconds : times->seconds) {
        EXPECT_GE(seconds, BoundSeconds(one, job)) << one.id << ' ' << job.name;
        closest = std::max(closest, BoundSeconds(one, job) / seconds);
      }
    }
  }
  EXPECT_GT(run, 5);
  EXPECT_GT(closest, 0.3);
}

// Every feasible candidate simulated and its bill made exact; `reference_s` [jobs] of `reference`.
struct BruteForce {
  std::vector<Candidate> all;
  std::vector<Contender> contenders;
  std::vector<std::vector<double>> reference_s;
};

void SimulateAll(const Question& question, const std::string& reference, BruteForce& out) {
  out.all = Screened(question);
  const CableMarket market = AllCables(question.catalogue);
  LinkOptions known;
  out.reference_s.assign(1, std::vector<double>(question.jobs.size()));
  const std::string& part = question.switches[0].part.part;
  const FailureRates rates = WithParts(question.rates, question.catalogue, "h100",
                                       question.accelerators[0].part.part, part, part);
  for (Candidate& one : out.all) {
    if (!one.feasible()) continue;
    const BillFloor least = LeastBill(question, market, one, known);
    MakeExact(question, one, nullptr);
    if (!one.feasible()) continue;
    EXPECT_LE(least.usd, one.capex() * (1 + 1e-9)) << one.id;
    Contender contender;
    contender.candidate = &one;
    contender.simulated = true;
    for (std::size_t j = 0; j < question.jobs.size(); ++j) {
      const JobChoice& job = question.jobs[j];
      FabricCache cache;
      auto times = SimulateJob(question, one, job, RunControl{}, nullptr, cache);
      ASSERT_TRUE(times) << one.id << ": " << times.error()[0];
      for (const double seconds : times->seconds)
        EXPECT_GE(seconds, BoundSeconds(one, job)) << one.id << ' ' << job.name;
      contender.seconds.push_back(times->seconds);
      contender.exposed.push_back(times->exposed);
      contender.failures.push_back(
          ExpectedFailures(ShareOf(one.components, *job.gpus), rates, Seconds(14'400)));
      std::sort(times->seconds.begin(), times->seconds.end());
      if (one.id == reference)
        out.reference_s[0][j] = times->seconds[(times->seconds.size() - 1) / 2];
    }
    out.contenders.push_back(std::move(contender));
  }
}

std::string RoleOf(const PlanReport& report, const std::string& role) {
  for (const PlanRow& row : report.rows)
    for (const std::string& roles : row.roles)
      if (roles.find(role) != std::string::npos) return row.id;
  return {};
}

// Searching in the order of the bound finds what simulating everything finds, whatever the jobs,
// and simulates less.
TEST(MakePlan, FindsWhatBruteForceFinds) {
  const std::string base =
      "need: { gpus: 64 }\n"
      "parts: { accelerators: [h100], switches: [25.6T], families: "
      "[rail_optimized, rail_only, fat_tree, dragonfly, slim_fly], oversubscription: [1, 3], "
      "nic_ports: [1] }\n"
      "policy: { min_spines: 1 }\ndecide: { seeds: 2, finalists: 1000, draws: 100 }\n";
  const std::string moe = "traffic: { pattern: all_to_all, bytes: 64KiB }",
                    reduce = "collective: { op: all_reduce, bytes: 256MiB, repeat: 3 }",
                    train =
                        "training: { model: llama-7b, parallel: { tensor: 8 }, global_batch: 64, "
                        "sequence: 2048 }";
  const std::string jobs[] = {"jobs: [{ gpus: 64, exposed: 30%, " + moe + " }]\n",
                              "jobs: [{ gpus: 64, exposed: 1%, " + moe + " }]\n",
                              "jobs: [{ gpus: 64, " + train + " }]\n",
                              "jobs: [{ share: 60%, gpus: 64, " + train +
                                  " }, { share: 40%, gpus: 32, exposed: 60%, " + reduce + " }]\n"};
  std::int64_t simulated = 0, all = 0;
  for (const std::string& one : jobs) {
    SCOPED_TRACE(one);
    const Question question = Ask(base + one);
    const auto report = MakePlan(question, {});
    ASSERT_TRUE(report) << report.error()[0];
    ASSERT_TRUE(report->best);
    BruteForce brute;
    SimulateAll(question, RoleOf(*report, "non-blocking"), brute);
    ASSERT_GT(brute.contenders.size(), 3u);
    ASSERT_GT(brute.reference_s[0][0], 0);
    const Decision decision(question, brute.contenders, brute.reference_s);
    EXPECT_EQ(decision.contenders()[decision.Best(0, Inputs{})].candidate->id, *report->best);
    EXPECT_EQ(report->could_still_win, 0);
    simulated += report->simulated;
    all += static_cast<std::int64_t>(brute.contenders.size());
  }
  EXPECT_LT(simulated, all);
}

// MPFT's eight rails of 2,048 ports: a quarter of the 32 spines of each would do for 2,048 GPUs,
// and all of them must be there for 16,384.
TEST(EnumerateCandidates, PutsUpTheSpinesThatGrowthNeeds) {
  std::set<std::string> feasible;
  for (const Candidate& one :
       Screened(Ask("need: { gpus: 2048 }\ngrowth: 16384\nparts: { accelerators: [h800], switches: "
                    "[qm9700], nic_ports: [1], families: [rail_only], oversubscription: [1] }\n")))
    if (one.feasible()) {
      feasible.insert(one.id);
      EXPECT_GE(one.counts.reach_gpus, 16'384);
      EXPECT_EQ(one.counts.spines_of_pod, 32);
    }
  EXPECT_EQ(feasible.count("h800/rail_only/2-tier/400G/25.6T/1:1/even/qm9700/32-spines"), 1u);
}

// Routers for today's hosts alone have no room for growth, those for its hosts do; and one row says
// why no router takes NICs of several ports.
TEST(EnumerateCandidates, ShapesRoutersForTheGrowth) {
  for (const char* family : {"dragonfly", "slim_fly"}) {
    std::size_t feasible = 0, small = 0, several_ports = 0;
    for (const Candidate& one : Screened(Ask(
             fmt::format("need: {{ gpus: 2048 }}\ngrowth: 8192\nparts: {{ accelerators: [h100], "
                         "switches: [51.2T], nic: [400Gbps], nic_ports: [1, 2, 4], "
                         "oversubscription: [1, 2], families: [{}] }}\n",
                         family)))) {
      several_ports += one.design.nic_ports > 1 ? 1u : 0u;
      if (one.feasible()) {
        ++feasible;
        EXPECT_GE(one.counts.reach_gpus, 8192) << one.id;
        EXPECT_EQ(one.counts.nic_links, 2048) << one.id;
      } else {
        small += one.broken[0].rule == "growth" ? 1u : 0u;
      }
    }
    EXPECT_GT(feasible, 0u) << family;
    EXPECT_GT(small, 0u) << family;
    EXPECT_EQ(several_ports, 1u) << family;
  }
}

constexpr char kTraining[] =
    "jobs: [{ gpus: 64, training: { model: llama-7b, parallel: { tensor: 2, pipeline: 4 }, "
    "global_batch: 64, sequence: 2048 } }]\ndecide: { seeds: 2, finalists: 2, draws: 100 }\n";

// MFU by hand: model FLOPs of an iteration over its time and the peak of its GPUs.
TEST(MakePlan, RanksTrainingByItsMfu) {
  const Question question =
      Ask("need: { gpus: 64 }\nparts: { accelerators: [h100], switches: "
          "[25.6T], nic_ports: [1] }\npolicy: { min_spines: 1 }\n" +
          std::string(kTraining));
  const auto report = MakePlan(question, {});
  ASSERT_TRUE(report) << report.error()[0];
  ASSERT_TRUE(report->best);
  const PlanRow& best = report->rows[0];
  ASSERT_TRUE(best.jobs[0].median_s);
  const double flops = FlopsPerToken(*FindModel("llama-7b"), 2048) * 64 * 2048;
  EXPECT_NEAR(*best.jobs[0].mfu, flops / *best.jobs[0].median_s / (64 * 989e12), 1e-3);
  EXPECT_NEAR(best.speed, *best.jobs[0].mfu, 1e-6);
  EXPECT_GT(*best.jobs[0].mfu, 0.2);
  EXPECT_LT(*best.jobs[0].mfu, 0.75);
  EXPECT_GT(best.jobs[0].exposed, 0);
  // Capex, support and energy over useful PFLOP-days, all from the report.
  const double days = 3 * 365,
               usd = best.capex_mid * (1 + 0.05 * 3) + best.site_w / 1e3 * 24 * days * 0.12;
  EXPECT_NEAR(best.metric, usd / (0.989 * 64 * best.speed * best.goodput * days),
              1e-3 * best.metric);
}

TEST(ReadQuestion, SaysWhatOfATrainingJobIsWrong) {
  const std::string head = "need: { gpus: 64 }\nparts: { accelerators: [h100] }\n";
  EXPECT_THAT(WrongWith(head + "jobs: [{ gpus: 64, training: { model: llama-7, global_batch: 64, "
                               "sequence: 2048 } }]\n"),
              HasSubstr("plan.yaml:3:39: error: no model is called 'llama-7'"));
  EXPECT_THAT(
      WrongWith(head + "jobs: [{ gpus: 60, training: { model: llama-7b, parallel: { tensor: "
                       "8 }, global_batch: 64, sequence: 2048 } }]\n"),
      HasSubstr("does not divide the placement's 60 GPUs"));
  EXPECT_THAT(WrongWith("need: { compute: 1e12PFLOPS }\nparts: { accelerators: [h100] }\n"),
              HasSubstr("plan.yaml:1:18"));
  EXPECT_THAT(WrongWith("need: { compute: 1e6PFLOPS }\nparts: { accelerators: [h100] }\n"),
              HasSubstr("at most 1000000 accelerators"));
  EXPECT_THAT(
      WrongWith("need: { gpus: 8 }\nparts: { accelerators: [h100], families: [dcn_plus] }\n"),
      HasSubstr("does not search 'dcn_plus'"));
  EXPECT_THAT(WrongWith(head + "calibration: nowhere.yaml\n"), HasSubstr("nowhere.yaml"));
  EXPECT_THAT(WrongWith(head + "network: none\n"), HasSubstr("plan.yaml:3:10"));
  EXPECT_EQ(Ask(head + "network: size\n").spec().network().storage(), PlanNetworkSpec::SIZE);
  EXPECT_EQ(Ask(head + "network: absent\n").spec().network().oob(), PlanNetworkSpec::ABSENT);
}

// What cannot hold the model is refused by name, and the other accelerator is planned.
TEST(MakePlan, RefusesAnAcceleratorThatCannotTrain) {
  const Question question =
      Ask("need: { gpus: 64 }\nparts: { accelerators: [h100, ascend-910b2], switches: [25.6T], "
          "nic_ports: [1], families: [fat_tree] }\npolicy: { min_spines: 1 }\n" +
          std::string(kTraining));
  const auto report = MakePlan(question, {});
  ASSERT_TRUE(report) << report.error()[0];
  EXPECT_THAT(*report->best, testing::StartsWith("h100/"));
  EXPECT_TRUE(std::any_of(report->rejected.begin(), report->rejected.end(),
                          [](const PlanRejected& one) { return one.rule == "training job"; }));
}

// A need that is sparse: Ascend has no such rate, and is neither planned nor ranked by another.
TEST(MakePlan, DoesNotRankWhatHasNoRateOfTheBasis) {
  for (const char* need :
       {"need: { compute: 100PFLOPS, basis: sparse }\n", "need: { gpus: 512, basis: sparse }\n",
        "need: { gpus: 512, dtype: fp8 }\n"}) {
    SCOPED_TRACE(need);
    const auto report =
        MakePlan(Ask(std::string(need) + "parts: { accelerators: [h800, ascend-910b2], nic_ports: "
                                         "[1], families: [fat_tree] }\n"),
                 {});
    ASSERT_TRUE(report);
    ASSERT_EQ(report->rankings.size(), 1u);
    EXPECT_EQ(report->rankings[0].accelerator, "h800");
    EXPECT_FALSE(report->sizing[1].accelerators);
    EXPECT_TRUE(
        std::any_of(report->notes.begin(), report->notes.end(), [](const std::string& note) {
          return note.find("ascend-910b2 is not planned") != std::string::npos;
        }));
  }
}

// Between fabrics compute efficiency cancels: their odds are the same with another accelerator
// beside them or none, while the accelerators' own odds hang on it.
TEST(MakePlan, KeepsTheTwoRankingsApart) {
  const auto plan = [](const char* accelerators) {
    return MakePlan(Ask(std::string("need: { compute: 500PFLOPS, basis: dense }\nparts: { "
                                    "accelerators: ") +
                        accelerators + ", switches: [51.2T] }\n"),
                    {});
  };
  const auto alone = plan("[h800]"), both = plan("[h800, h200]");
  ASSERT_TRUE(alone && both);
  ASSERT_EQ(both->rankings.size(), 2u);
  double sum = 0;
  for (const PlanRanking& one : both->rankings) {
    sum += one.p_accelerator;
    if (one.accelerator != "h800") continue;
    EXPECT_EQ(one.best, alone->rankings[0].best);
    EXPECT_DOUBLE_EQ(one.p_first, alone->rankings[0].p_first);
    EXPECT_NEAR(one.regret_usd, alone->rankings[0].regret_usd, 1e-6 * one.regret_usd);
  }
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_EQ(both->clear, both->rankings[0].clear && both->accelerator_clear);
  double of_h800 = 0;
  for (const PlanRow& row : both->rows)
    if (row.ranked && row.id.rfind("h800/", 0) == 0) of_h800 += row.p_first;
  EXPECT_NEAR(of_h800, 1, 1e-9);
}

// Fabrics whose bills are alike cost the same in every draw: neither is first, and no measurement
// would tell them apart.
TEST(MakePlan, SharesADrawAmongPlansThatCostTheSame) {
  const char* rails = "h100/rail_optimized/2-tier/400G/4-plane/25.6T/1:1/even/64-spines";
  const char* tree = "h100/fat_tree/2-tier/400G/4-plane/25.6T/1:1/even/64-spines";
  const auto report =
      MakePlan(Ask(fmt::format("need: {{ gpus: 2048 }}\ngrowth: 16384\nparts: {{ accelerators: "
                               "[h100], switches: [25.6T] }}\ndecide: {{ compare: [{}, {}] }}\n",
                               rails, tree)),
               {});
  ASSERT_TRUE(report);
  EXPECT_EQ(*report->best, rails);
  EXPECT_FALSE(report->clear);
  EXPECT_DOUBLE_EQ(report->p_first, 0.5);
  EXPECT_EQ(report->tie, (std::vector<std::string>{rails, tree}));
  EXPECT_EQ(report->measure, "nothing: they cost the same");
  ASSERT_EQ(report->pairs.size(), 1u);
  EXPECT_DOUBLE_EQ(report->pairs[0].p_a, 0.5);
  EXPECT_TRUE(report->flips.empty());
  EXPECT_THAT(report->sentence, HasSubstr("No clear winner among the fabrics"));
}

// What comes first in every draw has all of them, to the last digit.
TEST(MakePlan, CountsDrawsExactly) {
  const auto report = MakePlan(Ask("need: { gpus: 8 }\nparts: { accelerators: [h100] }\n"), {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->rankings[0].p_accelerator, 1.0);
  EXPECT_THAT(report->sentence, HasSubstr(": 0.3"));  // MUSD, of four digits
  for (const PlanRow& row : report->rows) {
    if (!row.roles.empty() && row.roles.back().find("dominated") != std::string::npos) {
      EXPECT_GE(row.metric, report->rows[0].metric) << row.id;
    }
  }
}

// Two jobs that meet on the uplinks of a leaf of 56 GPUs, 7:1, slow one another; on one switch for
// all of a rail nothing is shared.
TEST(MakePlan, RunsJobsBesideEachOther) {
  const auto slowest = [](const std::string& families) {
    const auto report = MakePlan(
        Ask("need: { gpus: 192 }\nparts: { accelerators: [h100], switches: [25.6T], nic_ports: "
            "[1], "
            "oversubscription: [7], families: [" +
            families +
            "] }\npolicy: { min_spines: 2 }\njobs: [{ share: 50%, gpus: 96, traffic: { pattern: "
            "all_to_all, bytes: 16KiB } }, { share: 50%, gpus: 96, traffic: { pattern: all_to_all, "
            "bytes: 16KiB } }]\ndecide: { seeds: 2, finalists: 2, draws: 100, workload_runs: 0 "
            "}\n"),
        {});
    double out = 0;
    const bool run = report && !report->beside.empty();
    EXPECT_TRUE(run) << families;
    if (!run) return out;
    EXPECT_EQ(report->beside[0].plan, *report->best);
    for (const PlanBesideJob& job : report->beside[0].jobs) {
      EXPECT_GE(job.slowdown, 1 - 1e-9);
      out = std::max(out, job.slowdown);
    }
    return out;
  };
  EXPECT_GT(slowest("fat_tree"), 1.05);
  const double alone = slowest("rail_only");
  EXPECT_NEAR(alone, 1, 1e-6);
  // A job that repeats is run once a pass, and its passes are what is counted.
  const auto repeated = MakePlan(
      Ask("need: { gpus: 64 }\nparts: { accelerators: [h100], switches: [25.6T], nic_ports: [1], "
          "families: [rail_only] }\njobs: [{ share: 50%, gpus: 32, collective: { op: all_reduce, "
          "bytes: 64MiB, group: per_rail } }, { share: 50%, gpus: 16, collective: { op: "
          "all_reduce, bytes: 64KiB, repeat: 2000, group: per_rail } }]\n"
          "decide: { seeds: 1, finalists: 1, draws: 100, workload_runs: 0, beside_passes: 20 }\n"),
      {});
  ASSERT_TRUE(repeated);
  EXPECT_TRUE(repeated->beside.empty());
  EXPECT_NE(repeated->beside_note.find("passes"), std::string::npos) << repeated->beside_note;
  // What does not fit is said, and not run.
  const auto report = MakePlan(
      Ask("need: { gpus: 64 }\nparts: { accelerators: [h100], switches: [25.6T], families: "
          "[rail_only] }\njobs: [{ share: 50%, gpus: 64, traffic: { pattern: permutation, bytes: "
          "64KiB } }, { share: 50%, gpus: 32, traffic: { pattern: permutation, bytes: 64KiB } }]\n"
          "decide: { seeds: 1, finalists: 1, draws: 100, workload_runs: 0 }\n"),
      {});
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->beside.empty());
  EXPECT_NE(report->beside_note.find("96 of 64"), std::string::npos) << report->beside_note;
}

// Without a job, rails alone are ranked by what a rail has.
TEST(MakePlan, RanksRailsAmongThemselves) {
  const auto report = MakePlan(
      Ask("need: { gpus: 1024 }\nparts: { accelerators: [h100], switches: [25.6T], nic_ports: [1], "
          "families: [rail_only], oversubscription: [1, 3] }\n"),
      {});
  ASSERT_TRUE(report && report->best);
  EXPECT_NEAR(report->rows[0].oversubscription, 1, 1e-9) << *report->best;
}

// An InfiniBand tree spreads what ECMP would hash: of equal designs all seeds take as long, and
// none longer than by ECMP. Its dragonflies are routed as others are.
TEST(SimulateJob, RoutesTreesAdaptivelyOnInfiniBand) {
  const auto seconds = [](const char* chip, const char* family, int tiers) {
    const Question question =
        Ask(fmt::format("need: {{ gpus: 128 }}\nparts: {{ accelerators: [h100], switches: [{}], "
                        "nic: [400Gbps], nic_ports: [1], families: [{}], oversubscription: "
                        "[1] }}\njobs: [{{ gpus: 128, collective: {{ op: all_reduce, bytes: 64MiB "
                        "}} }}]\ndecide: {{ seeds: 4 }}\n",
                        chip, family));
    for (const Candidate& one : Screened(question)) {
      if (!one.feasible() || one.design.tiers != tiers) continue;
      FabricCache cache;
      const auto times = SimulateJob(question, one, question.jobs[0], RunControl{}, nullptr, cache);
      EXPECT_TRUE(times) << one.id << ": " << times.error()[0];
      if (times) return times->seconds;
    }
    return std::vector<double>{};
  };
  const auto spread = [](const std::vector<double>& of) {
    EXPECT_EQ(of.size(), 4u);
    const auto [least, most] = std::minmax_element(of.begin(), of.end());
    return of.empty() ? std::pair(0.0, 0.0) : std::pair(*least, *most);
  };
  const auto tree = spread(seconds("qm9700", "fat_tree", 2));
  const auto hashed = spread(seconds("25.6T", "fat_tree", 2));
  EXPECT_DOUBLE_EQ(tree.first, tree.second);
  EXPECT_LT(hashed.first, hashed.second);
  EXPECT_LE(tree.second, hashed.first * (1 + 1e-9));
  const auto dragonfly = spread(seconds("qm9700", "dragonfly", 1));
  EXPECT_LT(dragonfly.first, dragonfly.second);
}

// Page one says how InfiniBand is routed, and at its best; a plan that is faster is not dominated.
TEST(MakePlan, CallsNothingDominatedThatRunsFaster) {
  const auto report = MakePlan(
      Ask("need: { gpus: 128 }\nlimits: { site_power: 216kW }\nparts: { accelerators: [h100], "
          "switches: [qm9700, 25.6T], nic: [400Gbps], nic_ports: [1], families: [fat_tree] }\n"
          "jobs: [{ gpus: 128, traffic: { pattern: all_to_all, bytes: 16KiB } }]\n"
          "decide: { seeds: 2, finalists: 2, draws: 100, workload_runs: 0 }\n"),
      {});
  ASSERT_TRUE(report && report->best);
  EXPECT_THAT(
      report->notes,
      testing::Contains("InfiniBand (qm9700) is routed adaptively, as by default, and at "
                        "its best: an even split over the shortest paths of trees; Ethernet "
                        "by ECMP, so part of what parts the two is routing."));
  const PlanJobRow& best = report->rows[0].jobs[0];
  ASSERT_TRUE(best.median_s);
  bool faster = false;
  for (const PlanRow& row : report->rows) {
    if (!row.feasible || !row.jobs[0].median_s || *row.jobs[0].median_s >= *best.median_s) continue;
    faster = true;
    for (const std::string& role : row.roles)
      EXPECT_EQ(role.find("dominated"), std::string::npos) << row.id;
  }
  EXPECT_TRUE(faster);
}

// What a plan says of itself that its counts do not (planes, growth, ratios) is in its bill.
TEST(MakePlan, LeavesNothingToFindInItsBill) {
  const std::pair<const char*, const char*> cases[] = {
      {"need: { gpus: 3000 }\ngrowth: 8192\n",
       "nic: [400Gbps], families: [fat_tree], nic_ports: [1]"},
      {"need: { gpus: 2176 }\ngrowth: 16384\n", "nic: [400Gbps], families: [hpn]"},
      {"need: { gpus: 2048 }\n", "nic: [400Gbps], families: [hpn]"},
      {"need: { gpus: 2048 }\n",
       "nic: [400Gbps], families: [rail_optimized], oversubscription: [3]"},
      {"need: { gpus: 6000 }\nlimits: { failure_domain: 100% }\n",
       "nic: [400Gbps], families: [fat_tree], switches: [25.6T], nic_ports: [1], oversubscription: "
       "[7]"},
      // Two planes, whose leaves are 32:15; HPN of three tiers.
      {"need: { gpus: 16384 }\n",
       "nic: [400Gbps], switches: [51.2T], nic_ports: [2], families: [hpn]"},
      {"need: { gpus: 24576 }\n",
       "nic: [400Gbps], switches: [51.2T], nic_ports: [2], families: [hpn]"},
      {"need: { gpus: 512 }\ngrowth: 1024\n",
       "nic: [400Gbps], switches: [25.6T], nic_ports: [2], families: [hpn]"},
      // 21 spines a rail reach what it grows to, where 14 do not.
      {"need: { gpus: 16384 }\ngrowth: 32768\n",
       "nic: [400Gbps], switches: [51.2T], nic_ports: [1], families: [rail_only], "
       "oversubscription: [2]"},
      // Seven spines a rail are the fewest from four on that divide 21 uplinks.
      {"need: { gpus: 1000 }\n",
       "nic: [400Gbps], switches: [qm9700], nic_ports: [1], families: [rail_only], "
       "oversubscription: [2]"},
      // Two split cables have legs unused; a switch of 256 ports at most.
      {"need: { gpus: 1000 }\nlimits: { failure_domain: 100% }\n",
       "nic: [200Gbps], switches: [qm9700], nic_ports: [1], families: [fat_tree], "
       "oversubscription: [1.5]"},
      {"need: { gpus: 3000 }\ngrowth: 6000\n",
       "nic: [200Gbps], switches: [sn5600], nic_ports: [2], families: [rail_optimized]"},
      // 84 ports down and 42 up are all of a leaf's, and not all of its rate; planes of one tier.
      {"need: { gpus: 1000 }\ngrowth: 2000\nlimits: { failure_domain: 100% }\n",
       "nic: [200Gbps], switches: [qm9700], nic_ports: [2], families: [rail_optimized]"},
      // Its leaves grow by eight, one a rail; an HPN whose pod has room for 46 times as many.
      {"need: { gpus: 1000 }\ngrowth: 2000\n",
       "nic: [200Gbps], switches: [sn5600], nic_ports: [1], families: [rail_optimized], "
       "oversubscription: [1.5]"},
      {"need: { gpus: 512 }\n",
       "nic: [200Gbps], switches: [sn5600], nic_ports: [2], families: [hpn]"},
      {"need: { gpus: 512 }\nlimits: { failure_domain: 100% }\n",
       "nic: [200Gbps], switches: [51.2T], nic_ports: [2], families: [fat_tree], "
       "oversubscription: [3]"},
      // NICs below the rate that theirs is sold at.
      {"need: { gpus: 256 }\n", "nic: [100Gbps], switches: [25.6T], nic_ports: [1]"},
      {"need: { gpus: 72 }\n",
       "nic: [100Gbps], switches: [q3400, sn5600], nic_ports: [1], families: [rail_only, "
       "fat_tree]"}};
  for (const auto& [need, parts] : cases) {
    SCOPED_TRACE(testing::Message() << need << parts);
    const auto report = MakePlan(Ask(fmt::format("{}parts: {{ accelerators: [h100], {} }}\n"
                                                 "decide: {{ finalists: 1, draws: 100 }}\n",
                                                 need, parts)),
                                 {});
    ASSERT_TRUE(report && report->best);
    const auto found = AuditText(report->bom_csv, "bom.csv");
    ASSERT_TRUE(found);
    for (const Finding& one : *found)
      ADD_FAILURE() << *report->best << ": " << one.rule << ": " << one.said << "; " << one.needs;
  }
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

// Planned anew with the job as the flip says, the other is first; 15 % nearer it is not yet.
TEST(MakePlan, FindsTheJobAtWhichAnotherIsFirst) {
  const auto ask = [](double bytes, int runs) {
    return Ask(fmt::format(
        "need: {{ gpus: 256 }}\nparts: {{ accelerators: [h100], switches: [25.6T], nic_ports: [1], "
        "oversubscription: [1, 7], families: [fat_tree, rail_optimized] }}\npolicy: {{ min_spines: "
        "2 }}\njobs: [{{ gpus: 64, collective: {{ op: all_to_all, bytes: {:.0f}B }}, exposed: 10% "
        "}}]\ndecide: {{ draws: 100, seeds: 1, finalists: 20, workload_runs: {} }}\n",
        bytes, runs));
  };
  constexpr double kMiB = 1 << 20, kNow = 8;
  const auto report = MakePlan(ask(kNow * kMiB, 20), {});
  ASSERT_TRUE(report && report->best);
  EXPECT_NE(report->workload_note, "");
  int tried = 0;
  for (const PlanFlip& flip : report->flips) {
    if (flip.source.rfind("the question, simulated again", 0) != 0) continue;
    ++tried;
    EXPECT_EQ(flip.input, "bytes of all_to_all on 64 GPUs");
    EXPECT_EQ(MakePlan(ask(flip.value * kMiB, 0), {})->best, flip.then);
    const double nearer = kNow + (flip.value - kNow) * 0.85;
    EXPECT_EQ(MakePlan(ask(nearer * kMiB, 0), {})->best, report->best) << nearer;
  }
  EXPECT_GE(tried, 1);
  EXPECT_EQ(MakePlan(ask(kNow * kMiB, 0), {})->workload_note, "");
}

// Between accelerators likewise: beyond the value the first is of another one.
TEST(FindAcceleratorFlips, ChangesTheAcceleratorAtItsValue) {
  const Question question =
      Ask("need: { compute: 200PFLOPS, basis: dense }\nparts: { accelerators: [h100, h800], "
          "switches: [51.2T], nic_ports: [1], families: [rail_optimized, fat_tree] }\n"
          "policy: { min_spines: 1 }\ndecide: { draws: 100 }\n");
  std::vector<Candidate> all = Screened(question);
  std::vector<Contender> contenders;
  for (const Candidate& one : all)
    if (one.feasible())
      contenders.push_back(
          {&one, {}, false, {ExpectedFailures(one.components, question.rates, Seconds(14'400))}});
  const Decision decision(question, contenders, {{}, {}});
  const auto accelerator = [&](const Inputs& inputs) {
    return decision.contenders()[decision.First(inputs)].candidate->accelerator;
  };
  const std::uint32_t now = accelerator(Inputs{});
  int tried = 0;
  for (const Decision::Flip& flip : decision.FindAcceleratorFlips()) {
    Inputs inputs;
    double* factor = &inputs.compute;
    if (flip.input.rfind("price of ", 0) == 0) {
      inputs.price_of = flip.input.substr(9);
      factor = &inputs.price;
    } else if (flip.input.rfind("compute of ", 0) == 0) {
      inputs.compute_of = flip.input.substr(11) == "h100" ? 0 : 1;
    } else {
      continue;
    }
    ++tried;
    *factor = flip.value / flip.now;
    EXPECT_NE(accelerator(inputs), now) << flip.input;
    *factor = std::pow(flip.value / flip.now, 0.98);
    EXPECT_EQ(accelerator(inputs), now) << flip.input;
  }
  EXPECT_GE(tried, 2);  // the compute of each at least
}

bool Notes(const PlanReport& report, const std::string& text) {
  return std::any_of(report.notes.begin(), report.notes.end(),
                     [&](const std::string& note) { return note.find(text) != std::string::npos; });
}

// Without NCCL an all-to-all is flows between all pairs: the accelerator is ranked, not dropped,
// and no seed beats the bound of what must leave a NIC.
TEST(MakePlan, RanksAnAllToAllWithoutNccl) {
  const Question question =
      Ask("need: { gpus: 64 }\nparts: { accelerators: [h100, ascend-910b2], switches: [25.6T], "
          "nic_ports: [1], families: [fat_tree], oversubscription: [1] }\npolicy: { min_spines: 1 }"
          "\njobs: [{ gpus: 32, collective: { op: all_to_all, bytes: 32MiB } }]\n"
          "decide: { seeds: 2, finalists: 2, draws: 100 }\n");
  const auto report = MakePlan(question, {});
  ASSERT_TRUE(report) << report.error()[0];
  EXPECT_EQ(report->rankings.size(), 2u);
  EXPECT_TRUE(Notes(*report, "all_to_all on 32 GPUs of ascend-910b2: single flows"));
  for (const PlanRow& row : report->rows)
    if (row.simulated) {
      EXPECT_GE(*row.jobs[0].p5_s, row.jobs[0].bound_s) << row.id;
    }
}

// What is ranked and what is shown has the bill of a fabric that was built, and its metric is
// that of its bill; one switch for all is among the plans.
TEST(MakePlan, ShowsTheBillsOfFabricsThatWereBuilt) {
  for (const int gpus : {64, 2048}) {
    SCOPED_TRACE(gpus);
    const auto report =
        MakePlan(Ask(fmt::format("need: {{ gpus: {} }}\nparts: {{ accelerators: [h100] }}\n"
                                 "decide: {{ draws: 100 }}\n",
                                 gpus)),
                 {});
    ASSERT_TRUE(report && report->best);
    double least = INFINITY;
    for (const PlanRow& row : report->rows) {
      if (!row.feasible) continue;
      EXPECT_TRUE(row.exact) << row.id;
      const double days = 3 * 365, usd = row.capex_mid * 1.15 + row.site_w / 1e3 * 24 * days * 0.12;
      EXPECT_NEAR(row.metric, usd / (0.989 * gpus * row.goodput * days), 1e-3 * row.metric)
          << row.id;
      if (row.ranked) least = std::min(least, row.metric);
    }
    EXPECT_DOUBLE_EQ(report->rows[0].metric, least);
    EXPECT_EQ(*report->best, report->rows[0].id);
    if (gpus == 64) {
      EXPECT_EQ(*report->best, "h100/fat_tree/1-tier/400G/25.6T");
    }
  }
}

// 128 routers of four endpoints for 64 hosts of eight: each host and both of its routers in a rack.
TEST(MakePlan, StandsRoutersWithTheirHosts) {
  const auto report = MakePlan(
      Ask("need: { gpus: 512 }\nparts: { accelerators: [h100], switches: [25.6T], nic: [400Gbps], "
          "oversubscription: [1], families: [slim_fly] }\ndecide: { finalists: 1, draws: 100 }\n"),
      {});
  ASSERT_TRUE(report && report->best);
  EXPECT_EQ(*report->best, "h100/slim_fly/q8-p4/400G/25.6T");
  EXPECT_EQ(report->rows[0].racks, 64);
}

// Sixteen NVL72 of 18 servers stand whole in 16 racks, wherever their servers' leaves are and
// however low the hall's racks: racks.csv has as many rows as the plan has racks.
TEST(MakePlan, StandsSupernodesWhole) {
  PlanControl control;
  control.files = true;
  for (const char* limits : {"", "limits: { rack: { units: 12 } }\n"}) {
    SCOPED_TRACE(limits);
    const auto report =
        MakePlan(Ask(std::string("need: { gpus: 1152 }\nparts: { accelerators: [gb200], nic: "
                                 "[400Gbps] }\ndecide: { draws: 100 }\n") +
                     limits),
                 control);
    ASSERT_TRUE(report && report->best);
    std::istringstream lines(report->racks_csv);
    std::string line;
    std::getline(lines, line);  // rack,row,column,hosts,…
    std::int64_t racks = 0, whole = 0;
    for (; std::getline(lines, line); ++racks) {
      int rack = 0, row = 0, column = 0, hosts = 0;
      char comma = 0;
      std::istringstream(line) >> rack >> comma >> row >> comma >> column >> comma >> hosts;
      EXPECT_TRUE(hosts == 0 || hosts == 18) << line;
      whole += hosts == 18 ? 1 : 0;
    }
    EXPECT_EQ(whole, 16);
    EXPECT_EQ(racks, report->rows[0].racks);
  }
}

// Nothing to buy: what comes nearest, with its rule; and a cluster that never gets past a
// checkpoint is not for sale.
TEST(MakePlan, ShowsWhatComesNearest) {
  const std::string ask = "need: { gpus: 1024 }\nparts: { accelerators: [h100] }\n";
  const auto dark = MakePlan(Ask(ask + "limits: { site_power: 100kW }\n"), {});
  ASSERT_TRUE(dark);
  EXPECT_FALSE(dark->best);
  ASSERT_EQ(dark->shown, 1u);
  EXPECT_EQ(dark->rows[0].rule, "site power");
  EXPECT_GT(dark->rows[0].site_w, 100e3);
  EXPECT_TRUE(Notes(*dark, "h100 is not ranked: none of its"));
  const auto slow = MakePlan(Ask("need: { gpus: 16384 }\nparts: { accelerators: [h100] }\n"
                                 "reliability: { checkpoint: 3h, restart: 10h }\n"),
                             {});
  ASSERT_TRUE(slow);
  EXPECT_FALSE(slow->best);
  EXPECT_EQ(slow->rows[0].rule, "goodput");
  EXPECT_TRUE(Notes(*slow, "no interval between checkpoints leaves useful time"));
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
