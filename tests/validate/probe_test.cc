#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/base/test_file.h"
#include "validate/probe/plan.h"
#include "validate/probe/record.h"
#include "validate/probe/statistics.h"
#include "validate/tables.h"

namespace weft::probe {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// 10 20 30 40 50: median 30; p5 lies a fifth of the way from the first to the second.
TEST(Summarise, InterpolatesPercentiles) {
  const Summary got = Summarise({50, 10, 40, 20, 30}, 7);
  EXPECT_DOUBLE_EQ(got.median_us, 30);
  EXPECT_DOUBLE_EQ(got.p5_us, 12);
  EXPECT_DOUBLE_EQ(got.p95_us, 48);
  EXPECT_DOUBLE_EQ(got.min_us, 10);
  EXPECT_DOUBLE_EQ(got.mean_us, 30);
  EXPECT_EQ(got.calls, 7);
}

// A call of 10 us: batches of 2,000 us are 200 calls and a fifth in reserve; equal batches settle
// at once, so the fewest are taken. The set-up of the first call is in no sample.
TEST(Measure, SizesItsBatchesByTheClockAndStopsWhenSettled) {
  int calls = 0;
  bool first = true;
  const Summary got = Measure([&](int n) {
    calls += n;
    const double set_up = first ? 5000 : 0;
    first = false;
    return set_up + 10.0 * n;
  });
  EXPECT_EQ(got.calls, 240);
  EXPECT_EQ(got.samples, 5);
  EXPECT_DOUBLE_EQ(got.median_us, 10);
  EXPECT_DOUBLE_EQ(got.p95_us, 10);
}

TEST(Measure, StopsAtTheMostBatchesWhereNothingSettles) {
  int batch = 0;
  const Summary got = Measure([&](int n) { return n * (++batch % 2 ? 10.0 : 30.0); });
  EXPECT_EQ(got.samples, 25);
}

// A GPU at work falls to the clock that its power allows: only then does a batch count.
TEST(Measure, CountsNothingBeforeItIsWarm) {
  double spent_us = 0;
  const auto batch = [&](int n) {
    const double us = n * (spent_us < 5e5 ? 10.0 : 13.0);
    spent_us += us;
    return us;
  };
  EXPECT_DOUBLE_EQ(Measure(batch).median_us, 10);
  Effort warm;
  warm.warm_us = 1e6;
  spent_us = 0;
  EXPECT_DOUBLE_EQ(Measure(batch, warm).median_us, 13);
}

TEST(MakePlan, HasNoStepTwiceAndNamesEachOnce) {
  Options options;
  options.gpus = options.ranks = 8;
  std::set<std::string> keys;
  std::size_t steps = 0;
  for (const Group& group : MakePlan(options)) {
    for (const Step& step : group.steps) {
      ++steps;
      keys.insert(step.Key());
      EXPECT_EQ(step.algorithm, group.algorithm);
      EXPECT_TRUE(nlohmann::json::accept("{" + step.Fields() + "}")) << step.Fields();
    }
  }
  EXPECT_EQ(keys.size(), steps);
  for (const char* key : {"collective/all_reduce/float/8/auto/auto/1073741824",
                          "collective/all_reduce/float/8/Ring/LL128/1048576",
                          "collective/all_gather/float/8/NVLS/Simple/1048576",
                          "collective/send_recv/float/2/auto/auto/1048576", "copy/peer/0-7/524288",
                          "gemm/bfloat16/8192x8192x8192", "launch"})
    EXPECT_TRUE(keys.count(key)) << key;
}

TEST(MakePlan, HoldsOnlyWhatIsAskedAndWhatTheGpusAllow) {
  Options options;
  options.gpus = options.ranks = 1;
  for (const Group& group : MakePlan(options))
    for (const Step& step : group.steps) EXPECT_NE(step.kind, "collective");
  options.gpus = options.ranks = 4;
  options.only = {"collective"};
  options.quick = true;
  const std::vector<Group> quick = MakePlan(options);
  ASSERT_THAT(quick, SizeIs(1));
  for (const Step& step : quick[0].steps) EXPECT_EQ(step.kind, "collective");
  // A block for every rank, and a float in each.
  options.ranks = 512;
  options.hosts = 64;
  std::map<std::string, std::int64_t> least;
  for (const Step& step : MakePlan(options)[0].steps)
    least[step.op] = std::min(least.try_emplace(step.op, step.bytes).first->second, step.bytes);
  EXPECT_EQ(least["all_reduce"], 1024);
  EXPECT_GE(least["all_gather"], 2048);
  EXPECT_GE(least["all_to_all"], 2048);
}

class JournalTest : public testing::Test {
 protected:
  ~JournalTest() override { std::remove(path_.c_str()); }
  std::string path_ = TestFile("probe.json.part");
};

TEST_F(JournalTest, GoesOnWhereItWasCutOff) {
  Journal first;
  ASSERT_EQ(first.Open(path_, "plan 1", true), "");
  ASSERT_EQ(first.Add("launch", R"({"kind": "launch"})"), "");
  ASSERT_EQ(first.Add("gemm/1", R"({"kind": "gemm"})"), "");
  std::ofstream(path_, std::ios::app) << "copy/2\t{\"kind\": \"co";  // the power went
  Journal again;
  ASSERT_EQ(again.Open(path_, "plan 1", false), "");
  EXPECT_TRUE(again.Has("launch"));
  EXPECT_TRUE(again.Has("gemm/1"));
  EXPECT_FALSE(again.Has("copy/2"));
  ASSERT_EQ(again.Add("copy/2", R"({"kind": "copy"})"), "");
  Journal last;
  ASSERT_EQ(last.Open(path_, "plan 1", false), "");
  EXPECT_THAT(last.done(), SizeIs(3));
}

TEST_F(JournalTest, CountsWhatWasBegunAndNeverEnded) {
  Journal journal;
  ASSERT_EQ(journal.Open(path_, "x", true), "");
  ASSERT_EQ(journal.Begin("all_reduce/8"), "");
  ASSERT_EQ(journal.Begin("launch"), "");
  ASSERT_EQ(journal.Add("launch", R"({"kind": "launch"})"), "");
  for (int run = 1; run <= 2; ++run) {  // each finds what those before left, and is cut off too
    Journal again;
    ASSERT_EQ(again.Open(path_, "x", false), "");
    EXPECT_EQ(again.Begun("all_reduce/8"), run);
    EXPECT_EQ(again.Begun("launch"), 0);
    EXPECT_FALSE(again.Has("all_reduce/8"));
    ASSERT_EQ(again.Begin("all_reduce/8"), "");
  }
}

TEST_F(JournalTest, RefusesAnotherPlansJournalUnlessFresh) {
  Journal journal;
  ASSERT_EQ(journal.Open(path_, "8 GPUs", true), "");
  EXPECT_THAT(journal.Open(path_, "4 GPUs", false), HasSubstr("another plan"));
  EXPECT_EQ(journal.Open(path_, "4 GPUs", true), "");
  EXPECT_THAT(journal.Open("/no/such/folder/x", "8 GPUs", true), HasSubstr("/no/such/folder"));
}

TEST_F(JournalTest, MakesARecordThatWeftReads) {
  Options options;
  options.gpus = options.ranks = 2;
  options.only = {"launch", "collective"};
  Journal journal;
  ASSERT_EQ(journal.Open(path_, "x", true), "");
  std::vector<std::string> keys;
  for (const Group& group : MakePlan(options)) {
    for (const Step& step : group.steps) {
      keys.push_back(step.Key());
      Summary summary = Summarise({5.0 + static_cast<double>(step.bytes) / 1e5}, 3);
      ASSERT_EQ(journal.Add(step.Key(), "{" + step.Fields() + ", " + summary.Fields() + "}"), "");
    }
  }
  Provenance provenance;
  provenance.Text("gpu", "NVIDIA \"H100\"\n\xff");
  provenance.Text("nccl", "2.28.9");
  provenance.Number("hosts", 1);
  const std::string record = FormatRecord(provenance, "<system/>", keys, journal);
  const auto json = nlohmann::json::parse(record);
  EXPECT_EQ(json["schema"], kSchema);
  EXPECT_EQ(json["provenance"]["gpu"], "NVIDIA \"H100\"\n\xEF\xBF\xBD");
  EXPECT_EQ(json["results"].size(), keys.size());
  const auto tables = ParseTables(record, "probe.json");
  ASSERT_TRUE(tables) << tables.error().front();
  EXPECT_EQ((*tables)[0].op, "all_reduce");
  EXPECT_EQ((*tables)[0].ranks, 2);
  EXPECT_EQ((*tables)[0].nccl, "2.28.9");
  EXPECT_THAT((*tables)[0].points, SizeIs(23));  // 1 KiB … 4 GiB
}

}  // namespace
}  // namespace weft::probe
