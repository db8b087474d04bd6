// The question, read and sized.
#include "planner/question.h"

#include <fmt/format.h>

#include "planner/sizing.h"
#include "tests/planner/questions.h"

namespace weft {
namespace {

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
  EXPECT_THAT(WrongWith("need: { gpus: 8 }\nlimits: { power: 12MW }\n" + parts),
              HasSubstr("unknown key 'power' (did you mean 'site_power'?)"));
  // Hours are meant of what lasts hours.
  EXPECT_THAT(
      WrongWith("need: { gpus: 8 }\nreliability: { repair: 4 }\n" + parts),
      HasSubstr("'repair' is 4 (want a time with its unit, such as 4h) (write the unit: 4h, "
                "4min or 4s)"));
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

// A rate that nobody sells is not planned; NICs of hosts count beside those sold alone.
TEST(ReadQuestion, RefusesANicRateThatNoneHas) {
  const auto with = [](const char* rates) {
    return WrongWith(std::string("need: { gpus: 64 }\nparts: { accelerators: [h100], nic: [") +
                     rates + "] }\n");
  };
  EXPECT_EQ(with("37Gbps"),
            "plan.yaml:2:38: error: no NIC of the catalogue runs at 37Gbps (100Gbps, 200Gbps, "
            "400Gbps or 800Gbps)\n");
  EXPECT_THAT(with("400Gbps, 1.6Tbps"), HasSubstr("plan.yaml:2:47: error: no NIC"));
  for (const char* good : {"100Gbps", "200Gbps, 400Gbps", "0.4Tbps", "800Gbps"})
    EXPECT_EQ(with(good), "nothing") << good;
}

// More GPUs than the cluster has, of whichever accelerator, is bad input; as many as hosts bring
// are there.
TEST(ReadQuestion, RefusesAJobLargerThanTheCluster) {
  const auto with = [](const char* need, int gpus) {
    return WrongWith(
        fmt::format("need: {{ {} }}\nparts: {{ accelerators: [h100, h20] }}\njobs: "
                    "[{{ gpus: {}, traffic: {{ pattern: permutation, bytes: 1MiB }} "
                    "}}]\n",
                    need, gpus));
  };
  EXPECT_EQ(with("gpus: 250", 257),
            "plan.yaml:3:16: error: 'gpus' is 257, and the cluster has 256 h100 (at most 256, or a "
            "larger need)\n");
  EXPECT_EQ(with("gpus: 250", 256), "nothing");
  // 100 PFLOPS are 104 H100, or 676 H20.
  EXPECT_EQ(with("compute: 100PFLOPS, basis: dense", 680), "nothing");
  EXPECT_THAT(with("compute: 100PFLOPS, basis: dense", 688), HasSubstr("the cluster has 680 h20"));
}

// What of training waits is simulated: a share that is given has no place beside it.
TEST(ReadQuestion, RefusesExposedBesideTraining) {
  EXPECT_EQ(WrongWith("need: { gpus: 64 }\nparts: { accelerators: [h100] }\njobs: [{ gpus: 64, "
                      "exposed: 30%, training: { model: llama-7b, parallel: { tensor: 8 }, "
                      "global_batch: 64, sequence: 2048 } }]\n"),
            "plan.yaml:3:29: error: 'exposed' is given beside 'training', of which what waits is "
            "simulated (leave it out)\n");
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

}  // namespace
}  // namespace weft
