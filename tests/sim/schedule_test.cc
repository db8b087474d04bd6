#include "sim/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/nets.h"

namespace weft {
namespace {

using testing::ElementsAre;
using Rows = std::vector<std::uint32_t>;

Rows Ready(Schedule& schedule) {
  Rows rows;
  schedule.TakeReady(rows);
  return rows;
}

TEST(Schedule, RunsAStreamInRowOrderAndJoinsStreams) {
  Builder b;
  b.AddCompute(1us, {0});
  b.AddCompute(1us, {1});
  b.AddCompute(1us, {0, 1});
  b.AddCompute(1us, {1});
  Schedule schedule;
  schedule.Append(b.program);
  EXPECT_THAT(Ready(schedule), ElementsAre(0, 1));
  schedule.Complete(1);
  EXPECT_THAT(Ready(schedule), ElementsAre());
  schedule.Complete(0);
  EXPECT_THAT(Ready(schedule), ElementsAre(2));
  schedule.Complete(2);
  EXPECT_THAT(Ready(schedule), ElementsAre(3));
  EXPECT_EQ(schedule.open_count(), 1u);
  schedule.Complete(3);
  EXPECT_EQ(schedule.open_count(), 0u);
}

// A block of two rows, three times, then a row that waits for all of it.
TEST(Schedule, RepeatsABlockPassByPass) {
  Builder b;
  b.AddCompute(1us, {0});
  b.AddCompute(1us, {0, 1});
  b.AddCompute(1us, {1});
  b.program.blocks.push_back({0, 2, 3});
  Schedule schedule;
  schedule.Append(b.program);
  for (std::uint32_t pass = 0; pass < 3; ++pass) {
    EXPECT_THAT(Ready(schedule), ElementsAre(0));
    EXPECT_EQ(schedule.pass(0), pass);
    schedule.Complete(0);
    EXPECT_THAT(Ready(schedule), ElementsAre(1));
    schedule.Complete(1);
  }
  EXPECT_THAT(Ready(schedule), ElementsAre(2));
}

// Row 1 of pass p waits for row 0 of pass p − 1: row 0 may be one pass ahead.
TEST(Schedule, ADependencyLooksBackAPass) {
  Builder b;
  b.AddCompute(1us, {0});
  b.AddCompute(1us, {1}, {{0, 1}});
  b.program.blocks.push_back({0, 2, 2});
  Schedule schedule;
  schedule.Append(b.program);
  EXPECT_THAT(Ready(schedule), ElementsAre(0, 1));  // before the first pass nothing is missing
  schedule.Complete(1);
  EXPECT_THAT(Ready(schedule), ElementsAre());
  schedule.Complete(0);
  EXPECT_THAT(Ready(schedule), ElementsAre(0, 1));
  EXPECT_EQ(schedule.pass(1), 1u);
}

TEST(Schedule, AStoppedRowHoldsItsStreamADroppedOneDoesNot) {
  Builder b;
  for (int i = 0; i < 2; ++i) {
    b.AddCompute(1us, {static_cast<std::uint32_t>(i)});
    b.AddCompute(1us, {static_cast<std::uint32_t>(i)});
  }
  Schedule schedule;
  schedule.Append(b.program);
  EXPECT_THAT(Ready(schedule), ElementsAre(0, 2));
  schedule.Stop(0);
  schedule.Drop(2);
  EXPECT_THAT(Ready(schedule), ElementsAre(3));
  schedule.Complete(3);
  const std::vector<Waiting> waiting = schedule.WaitingRows();
  ASSERT_EQ(waiting.size(), 1u);
  EXPECT_EQ(waiting[0].row, RowId{1});
  EXPECT_EQ(waiting[0].for_row, RowId{0});
}

TEST(Schedule, DroppedRowsAreSkippedInEveryPass) {
  Builder b;
  b.AddCompute(1us, {0});
  b.AddCompute(1us, {0});
  b.program.blocks.push_back({0, 2, 3});
  Schedule schedule;
  schedule.Append(b.program);
  EXPECT_THAT(Ready(schedule), ElementsAre(0));
  schedule.Drop(1);
  for (int pass = 0; pass < 3; ++pass) {
    schedule.Complete(0);
    EXPECT_THAT(Ready(schedule), pass < 2 ? Rows{0} : Rows{});
  }
  EXPECT_EQ(schedule.open_count(), 0u);
}

TEST(Schedule, ResetEqualsFresh) {
  Builder b;
  b.AddCompute(1us, {0});
  b.AddCompute(1us, {0, 1}, {{0, 0}});
  b.program.blocks.push_back({0, 2, 2});
  Schedule schedule;
  schedule.Append(b.program);
  for (int round = 0; round < 2; ++round) {
    Rows order, rows;
    while (schedule.open_count() > 0) {
      rows = Ready(schedule);
      for (const std::uint32_t row : rows) schedule.Complete(row);
      order.insert(order.end(), rows.begin(), rows.end());
    }
    EXPECT_THAT(order, ElementsAre(0, 1, 0, 1));
    schedule.Reset();
  }
}

// An operation takes its slowest host's draw; without jitter its duration as it is.
TEST(ComputeTime, TakesTheSlowestHostsDraw) {
  Builder b;
  b.AddCompute(1ms, {0});
  b.AddCompute(1ms, {1});
  b.AddCompute(1ms, {0, 1});
  Program& program = b.program;
  const auto time = [&](std::size_t op, std::uint32_t row) {
    return ComputeTime(program, program.ops[op], row, 0);
  };
  EXPECT_EQ(time(0, 9), SimDuration(1ms));
  program.jitter = {0.1, 3};
  program.host_of_stream = {HostId{5}, HostId{6}};
  EXPECT_NE(time(0, 9), time(1, 9));
  EXPECT_NE(time(0, 9), time(0, 10));
  EXPECT_EQ(time(2, 9), std::max(time(0, 9), time(1, 9)));
  program.host_of_stream[1] = HostId{5};
  EXPECT_EQ(time(1, 9), time(0, 9));
  program.ops[1].subject = 2;  // a part of what row 9 computes
  EXPECT_EQ(time(1, 11), time(0, 9));
}

}  // namespace
}  // namespace weft
