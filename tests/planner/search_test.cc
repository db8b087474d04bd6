// Candidates, what bounds them, and that the search finds what simulating all of them finds.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "planner/bill.h"
#include "planner/decide.h"
#include "planner/evaluate.h"
#include "planner/plan.h"
#include "planner/store.h"
#include "tests/base/test_file.h"
#include "tests/planner/questions.h"

namespace weft {
namespace {

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

// Of two accelerators the one of which the need takes fewer may have too few for a job: 200 PFLOPS
// are 208 H100 or 1,352 H20.
TEST(CheckRules, RefuseAcceleratorsTooFewForAJob) {
  int few = 0, enough = 0;
  for (const Candidate& one :
       Screened(Ask("need: { compute: 200PFLOPS, basis: dense }\nparts: { accelerators: [h100, "
                    "h20], switches: [25.6T], nic_ports: [1], families: [fat_tree] }\n"
                    "jobs: [{ gpus: 512, collective: { op: all_reduce, bytes: 1MiB } }]\n"))) {
    if (one.counts.leaves == 0) continue;  // beyond its tiers' reach
    const bool h100 = one.id.starts_with("h100/");
    EXPECT_EQ(Broken(one, "largest job") != nullptr, h100) << one.id;
    (h100 ? few : enough) += 1;
  }
  EXPECT_GT(few, 0);
  EXPECT_GT(enough, 0);
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

// Of all accelerators, of what is compared and of changed jobs together it goes up alone, and it is
// not done before it ends.
TEST(Search, SaysHowFarItIs) {
  const Question question =
      Ask("need: { gpus: 64 }\n"
          "parts: { accelerators: [h100, h20], switches: [25.6T], nic_ports: [1], "
          "families: [rail_optimized] }\n"
          "policy: { min_spines: 2, spines: both }\n"
          "jobs: [ { exposed: 20%, collective: { op: all_reduce, bytes: 16MiB } } ]\n"
          "decide: { seeds: 2, finalists: 1, draws: 100, workload_runs: 2, compare: "
          "[ h100/rail_optimized/2-tier/400G/25.6T/1:1/even, "
          "h100/rail_optimized/2-tier/400G/25.6T/3:1/even ] }\n");
  std::vector<double> shares;
  std::set<std::string> told;
  PlanControl control;
  control.progress = [&](const std::string& what, double share) {
    shares.push_back(share);
    told.insert(what);
  };
  const auto report = MakePlan(question, control);
  ASSERT_TRUE(report);
  ASSERT_GT(shares.size(), 6u);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_LT(shares.front(), 0.2);
  EXPECT_LT(shares[shares.size() / 2], 1);
  EXPECT_LE(shares.back(), 1);
  EXPECT_EQ(told.count("h100/rail_optimized/2-tier/400G/25.6T/3:1/even"), 1u);
  EXPECT_TRUE(std::any_of(told.begin(), told.end(),
                          [](const std::string& one) { return one.rfind("h20/", 0) == 0; }));
}

// What was not built may win as what was not simulated may: a cap leaves no winner clear, and
// without one nothing is open.
TEST(Search, CallsNobodyClearWhileOthersCouldBeBuilt) {
  const auto plan = [](int finalists) {
    const Question question =
        Ask(fmt::format("need: {{ gpus: 2048 }}\nparts: {{ accelerators: [h100] }}\n"
                        "decide: {{ finalists: {}, confidence: 50% }}\n",
                        finalists));
    PlanControl control;
    control.screen_only = true;
    return *MakePlan(question, control);
  };
  const PlanReport capped = plan(2), whole = plan(1000);
  EXPECT_GT(capped.could_still_win, 0);
  EXPECT_FALSE(capped.clear);
  EXPECT_THAT(capped.sentence, testing::HasSubstr("that were not built could still win"));
  EXPECT_EQ(whole.could_still_win, 0);
  EXPECT_THAT(whole.sentence, testing::Not(testing::HasSubstr("yet")));
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

// A fabric by what its candidate is called but for the rule of its spines, and by its counts.
std::multiset<std::string> Fabrics(const std::string& spines, int growth) {
  std::multiset<std::string> out;
  for (const Candidate& one : Screened(Ask(fmt::format(
           "need: {{ gpus: 1536 }}\ngrowth: {}\nparts: {{ accelerators: [h100], switches: [51.2T, "
           "qm9700], nic_ports: [1, 2] }}\npolicy: {{ spines: {} }}\n",
           growth, spines)))) {
    const DesignCounts& counts = one.counts;
    if (counts.leaves == 0) continue;  // there is no such design
    Design design = one.design;
    design.even = true;
    out.insert(fmt::format("{} of {}: {} leaves, {} spines, {} of a pod, {} cores, {} + {} links",
                           DesignName(design), one.chip, counts.leaves, counts.spines,
                           counts.spines_of_pod, counts.cores, counts.leaf_links,
                           counts.spine_links));
  }
  return out;
}

// `spines: both` lists all that either rule does, and what both of them build once.
TEST(EnumerateCandidates, ListsAFabricOfBothRulesOnce) {
  for (const int growth : {1536, 3072, 6144}) {
    SCOPED_TRACE(growth);
    const auto even = Fabrics("even", growth), least = Fabrics("minimum", growth),
               both = Fabrics("both", growth);
    std::set<std::string> either(even.begin(), even.end());
    either.insert(least.begin(), least.end());
    EXPECT_THAT(both, testing::ElementsAreArray(either));
    EXPECT_GT(both.size(), even.size());
    EXPECT_LT(both.size(), even.size() + least.size());
  }
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

TEST(ResultStore, KeepsWholeResults) {
  const std::string path = TestFile("store.sqlite");
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
