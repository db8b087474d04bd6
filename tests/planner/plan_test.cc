#include "planner/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "planner/audit.h"
#include "tests/planner/questions.h"

namespace weft {
namespace {

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

// HPN's Aggs are there from the first day, for the ToRs of 192 GPUs: 4 of a ToR's 64 ports of
// 400 Gb/s are left to hosts, and none of the Aggs is one too many.
TEST(MakePlan, WritesABillOfASmallHpnInWhichAnAuditFindsNothing) {
  const auto report = MakePlan(Ask("need: { gpus: 16 }\nparts: { accelerators: [h100], switches: "
                                   "[25.6T], nic_ports: [2], families: [hpn] }\n"
                                   "decide: { draws: 100 }\n"),
                               {});
  ASSERT_TRUE(report && report->best);
  EXPECT_THAT(report->bom_csv, HasSubstr("\ngrowth,key,,,192,"));
  const auto found = AuditText(report->bom_csv, "bom.csv");
  ASSERT_TRUE(found);
  for (const Finding& one : *found) ADD_FAILURE() << one.rule << ": " << one.said;
}

// Rails that spines join take leaves of their own: a plan's bill says so, and one leaf less is
// found out, though 38 of its 40 have ports enough; and what spines send to cores is said too.
TEST(MakePlan, SaysInItsBillWhatRailsAndSpinesTake) {
  const auto bill = [](int gpus, const char* parts) {
    const auto report =
        MakePlan(Ask(fmt::format("need: {{ gpus: {} }}\nlimits: {{ failure_domain: 100% }}\nparts: "
                                 "{{ accelerators: [h100], nic: [400Gbps], switches: [25.6T], "
                                 "nic_ports: [1], {} }}\ndecide: {{ finalists: 1, draws: 100 }}\n",
                                 gpus, parts)),
                 {});
    EXPECT_TRUE(report && report->best);
    return report && report->best ? report->bom_csv : std::string();
  };
  const auto rules = [](const std::string& text) {
    std::string out;
    const auto found = AuditText(text, "bom.csv");
    EXPECT_TRUE(found);
    for (const Finding& one : *found) out += one.rule + ' ';
    return out;
  };
  std::string rails = bill(1216, "families: [rail_optimized], oversubscription: [1]");
  EXPECT_THAT(rails, HasSubstr("\nrail_optimized,key,,,8,"));
  EXPECT_EQ(rules(rails), "");
  const std::size_t at = rails.find(",leaf,40,");
  ASSERT_NE(at, std::string::npos);
  rails.replace(at, 9, ",leaf,38,");
  EXPECT_THAT(rules(rails), HasSubstr("leaf_ports"));
  const std::string three = bill(6000, "families: [fat_tree], oversubscription: [1, 3]");
  EXPECT_EQ(rules(three), "");
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

}  // namespace
}  // namespace weft
