#include "validate/acceptance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "validate/diagnosis.h"

namespace weft {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

AcceptanceQuestion TwoHosts() {
  AcceptanceQuestion question;
  question.host_text = "hgx-h100";
  question.host = *ReadHostText("hgx-h100", {"--host", 0, 0});
  question.gpus = 16;
  question.gpus_per_host = 8;
  return question;
}

// A calibration at the priors that promises times within -20 … +25 %.
Calibration Banded() {
  Calibration out;
  out.name = "test";
  for (const ErrorClass one : {ErrorClass::kOneHost, ErrorClass::kIbOrRoce}) {
    CalibrationErrorSpec& error = *out.spec.add_errors();
    error.set_what(NameOf(one));
    error.set_low(0.8);
    error.set_high(1.25);
  }
  return out;
}

TEST(Acceptance, PromisesTheSlowEndOfTheBandAndReadsItsOwnSheet) {
  const auto lines = MakeAcceptanceLines(TwoHosts(), Banded());
  ASSERT_TRUE(lines) << lines.error().front();
  ASSERT_THAT(*lines, SizeIs(2 * 4 * 7));  // one and two hosts, four operations, 1 MiB … 4 GiB
  for (const AcceptanceLine& line : *lines)
    EXPECT_NEAR(line.expected_GBps / line.least_GBps, 1.25, 1e-9);
  const std::string sheet = FormatAcceptanceSheet(TwoHosts(), *lines, Banded());
  EXPECT_THAT(sheet, HasSubstr("#   ./build/all_reduce_perf -b 1M -e 4G -f 4 -n 50 -w 10 -g 8\n"));
  EXPECT_THAT(sheet, HasSubstr("mpirun -np 16 --map-by ppr:8:node ./build/alltoall_perf"));
  const auto read = ParseAcceptanceSheet(sheet, "sheet.tsv");
  ASSERT_TRUE(read) << read.error().front();
  ASSERT_EQ(read->size(), lines->size());
  EXPECT_NEAR((*read)[30].least_GBps, (*lines)[30].least_GBps, 0.005);
}

TEST(Acceptance, WantsABand) {
  const auto lines = MakeAcceptanceLines(TwoHosts(), Calibration());
  ASSERT_FALSE(lines);
  EXPECT_THAT(lines.error().front().message, HasSubstr("states no error for one host"));
}

// 1 MiB over 8 ranks: busbw = size · 7/4 / time. 20 us are 91.75 GB/s, 40 us half of that.
TEST(Acceptance, JudgesByTheSlowestPointAndCountsWhatIsMissing) {
  TableEntry entry;
  entry.tables.resize(1);
  MeasuredTable& table = entry.tables[0];
  table.op = "all_reduce";
  table.ranks = 8;
  table.hosts = 1;
  table.points.push_back({MiB(1), SimDuration(20'000'000), std::nullopt, 1});
  const std::vector<AcceptanceLine> lines = {{"all_reduce", 8, 1, MiB(1), 100, 90},
                                             {"all_reduce", 8, 1, MiB(4), 100, 90}};
  std::vector<AcceptanceVerdict> got = JudgeAcceptance(lines, {entry});
  EXPECT_TRUE(got[0].pass());
  EXPECT_NEAR(*got[0].measured_GBps, 91.75, 0.01);
  EXPECT_FALSE(got[1].measured_GBps);
  EXPECT_FALSE(got[1].pass());
  table.points.push_back({MiB(1), SimDuration(40'000'000), std::nullopt, 2});
  EXPECT_FALSE(JudgeAcceptance(lines, {entry})[0].pass());
}

TEST(ParseAcceptanceSheet, NamesTheLineThatIsWrong) {
  EXPECT_EQ(ParseAcceptanceSheet("hello\n", "s.tsv").error().front().pos.line, 1);
  const auto got = ParseAcceptanceSheet(
      "# x\nop\tranks\thosts\tsize_bytes\texpected_GBps\tleast_GBps\nall_reduce\t8\tone\t1\t2\t3\n",
      "s.tsv");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().front().pos.line, 3);
}

// Four H100 hosts, whose NICs bound an all-reduce, 5 % noise on every point: what broke is named
// first.
TEST(Diagnose, NamesWhatBrokeInSimulatedTables) {
  TableEntry entry;
  entry.name = entry.file = "x";
  entry.op = "all_reduce";
  entry.host = "hgx-h100";
  MeasuredTable table;
  table.op = entry.op;
  table.ranks = 32;
  table.hosts = 4;
  for (std::int64_t bytes = 1 << 20; bytes <= std::int64_t{4} << 30; bytes *= 2)
    table.points.push_back({Bytes(bytes), SimDuration(1), std::nullopt, 1});
  entry.tables.push_back(table);
  auto cases = PrepareCases({entry});
  ASSERT_TRUE(cases) << cases.error().front();
  std::vector<MeasuredCase>& points = cases->tables[0].points;
  const auto set = [&](std::optional<Signature> broken) {
    double noise = 0.05;
    for (MeasuredCase& point : points) {
      NcclTimeCase which = point.which;
      if (broken)
        which = WithSignature(point.which, *broken, cases->tables[0].host).value_or(point.which);
      point.measured_us =
          cases->models[point.model].Time(which, CollectiveConstants()).us * (1 + noise);
      noise = -noise;
    }
  };
  set(std::nullopt);
  EXPECT_FALSE(Diagnose(*cases, 0, Banded()).degraded);
  for (const Signature broken :
       {Signature::kTcp, Signature::kNoP2p, Signature::kOneNic, Signature::kHalfPorts}) {
    set(broken);
    const Diagnosis got = Diagnose(*cases, 0, Banded());
    EXPECT_TRUE(got.degraded) << NameOf(broken);
    ASSERT_FALSE(got.signatures.empty());
    EXPECT_EQ(got.signatures.front().signature, broken) << NameOf(broken);
    EXPECT_TRUE(got.signatures.front().fits) << NameOf(broken);
  }
}

}  // namespace
}  // namespace weft
