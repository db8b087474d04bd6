#include "validate/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/random.h"
#include "validate/calibrate.h"
#include "validate/interval.h"

namespace weft {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

SimDuration Microseconds(double us) { return SimDuration(std::llround(us * 1e6)); }

TableEntry EntryOf(const std::string& op, int ranks, int hosts, const std::string& project) {
  TableEntry entry;
  entry.name = entry.file = project + "-" + op + "-" + std::to_string(ranks);
  entry.op = op;
  entry.source = project + "/tables x";
  entry.host = "{ preset: hgx-h100 }";
  entry.label = TableLabel::kHealthy;
  entry.nodes = hosts;
  MeasuredTable table;
  table.file = entry.file;
  table.op = op;
  table.type = "float";
  table.ranks = ranks;
  table.hosts = hosts;
  for (std::int64_t bytes = 16 << 10; bytes <= std::int64_t{4} << 30; bytes *= 4)
    table.points.push_back({Bytes(bytes), Microseconds(1), std::nullopt, 1});
  entry.tables.push_back(std::move(table));
  return entry;
}

// Tables whose times are the model's own under `truth`, times exp(noise).
MeasuredCases CasesUnder(const CollectiveConstants& truth, double noise = 0,
                         std::uint64_t seed = 1) {
  std::vector<TableEntry> entries;
  for (const char* op : {"all_reduce", "all_gather", "all_to_all"})
    for (const int ranks : {2, 4, 8})
      entries.push_back(EntryOf(op, ranks, 1, ranks == 4 ? "a" : "b"));
  Result<MeasuredCases> cases = PrepareCases(std::move(entries));
  WEFT_CHECK(cases.has_value());
  Random random(seed);
  for (CasesOfEntry& table : cases->tables)
    for (MeasuredCase& point : table.points)
      point.measured_us = cases->models[point.model].Time(point.which, truth).us *
                          std::exp(noise * random.Normal());
  return *std::move(cases);
}

std::vector<std::size_t> All(const MeasuredCases& cases) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < cases.tables.size(); ++i) out.push_back(i);
  return out;
}

std::size_t Row(const char* name) {
  const std::size_t row = FindCollectiveParameter(name);
  WEFT_CHECK(row < CollectiveParameters().size());
  return row;
}

CollectiveConstants Truth() {
  CollectiveConstants truth;
  truth.values[Row("hopper.launch")] *= 1.4;
  truth.values[Row("hopper.nvlink_efficiency")] *= 0.95;
  truth.values[Row("hopper.send_efficiency")] *= 0.9;
  truth.values[Row("hopper.nvls_efficiency")] *= 0.93;
  return truth;
}

// The oracle: tables made by the model under constants that are known give them back, as far as
// tables can tell them, and the times with them.
TEST(FitConstants, GivesBackTheConstantsThatMadeTheTables) {
  const CollectiveConstants truth = Truth();
  const MeasuredCases cases = CasesUnder(truth);
  const ConstantsFit fit = FitConstants(cases, All(cases));
  for (const char* name : {"hopper.launch", "hopper.nvlink_efficiency", "hopper.send_efficiency",
                           "hopper.nvls_efficiency"})
    EXPECT_NEAR(fit.constants.values[Row(name)] / truth.values[Row(name)], 1, 0.03) << name;
  for (const CasesOfEntry& table : cases.tables)
    for (const MeasuredCase& point : table.points)
      EXPECT_NEAR(cases.models[point.model].Time(point.which, fit.constants).us / point.measured_us,
                  1, 0.05);
}

// One host says nothing of networks, and no tree runs on it: those rows are not fitted or at their
// priors; what is fitted has an interval that holds it.
TEST(FitConstants, SaysWhatTheTablesCannotTell) {
  const MeasuredCases cases = CasesUnder(Truth(), 0.02);
  const ConstantsFit fit = FitConstants(cases, All(cases));
  std::size_t at_prior = 0;
  for (const FittedConstant& one : fit.rows) {
    const std::string& name = CollectiveParameters()[one.row].name;
    EXPECT_TRUE(name.starts_with("hopper.")) << name;
    EXPECT_LE(one.low, one.value * (1 + 1e-12)) << name;
    EXPECT_GE(one.high, one.value * (1 - 1e-12)) << name;
    at_prior += one.at_prior;
    if (!one.at_prior) continue;
    EXPECT_EQ(fit.constants.values[one.row], CollectiveParameters()[one.row].prior) << name;
    EXPECT_LT(one.told, 0.5) << name;
  }
  EXPECT_GT(at_prior, 0u);
  EXPECT_TRUE(std::any_of(fit.rows.begin(), fit.rows.end(), [](const FittedConstant& one) {
    return one.at_prior && CollectiveParameters()[one.row].name == "hopper.tree_efficiency";
  }));
}

// A twentieth of the rows ten times too slow moves no constant by more than some percent.
TEST(FitConstants, IsNotPulledByRowsThatDoNotFit) {
  const char* const text = std::getenv("WEFT_SEED");
  const std::uint64_t seed = text ? std::strtoull(text, nullptr, 10) : 3;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  MeasuredCases cases = CasesUnder(Truth(), 0.02, seed);
  const ConstantsFit clean = FitConstants(cases, All(cases));
  Random random(seed);
  for (CasesOfEntry& table : cases.tables)
    for (MeasuredCase& point : table.points)
      if (random.Below(20) == 0) point.measured_us *= 10;
  const ConstantsFit dirty = FitConstants(cases, All(cases));
  for (const char* name : {"hopper.nvlink_efficiency", "hopper.send_efficiency"})
    EXPECT_NEAR(dirty.constants.values[Row(name)] / clean.constants.values[Row(name)], 1, 0.04)
        << name;
}

TEST(Calibrate, WritesAFileThatIsReadBackAndDoesNotHangOnTheOrder) {
  MeasuredCases cases = CasesUnder(Truth(), 0.03);
  cases.entries[0].use = TableUse::kCheck;
  cases.entries[1].label = TableLabel::kDegraded;
  const Result<CalibrationResult> got = Calibrate(cases);
  ASSERT_TRUE(got) << got.error().front();
  EXPECT_THAT(got->fitted, SizeIs(7));
  EXPECT_THAT(got->left_out, SizeIs(2));
  EXPECT_EQ(got->folds, 2);  // the projects a and b
  const std::string text = FormatCalibration(*got);
  const auto spec = ParseText<CalibrationSpec>(text, "x.yaml", {});
  ASSERT_TRUE(spec) << spec.error().front();
  const Result<Calibration> read = MakeCalibration(*spec);
  ASSERT_TRUE(read) << read.error().front();
  for (std::size_t row = 0; row < CollectiveParameters().size(); ++row)
    EXPECT_NEAR(read->constants.values[row] / got->fit.constants.values[row], 1, 1e-3);
  const HostPart host = *ReadHostText("hgx-h100", {"--host", 0, 0});
  EXPECT_TRUE(read->Covers(host, {"all_reduce", MiB(1), 4, 1}));
  EXPECT_FALSE(read->Covers(host, {"all_reduce", MiB(1), 16, 2}));
  EXPECT_FALSE(read->KnowsHardware(*ReadHostText("dgx-a100", {"--host", 0, 0}), 1));
  const StatedError stated = StatedErrorOf(*read, host, {"all_reduce", MiB(64), 4, 1});
  EXPECT_TRUE(stated.in_range && stated.known_hardware && stated.band);
  // One class of hardware alone: nothing was left out whole, so nothing is said of another.
  EXPECT_FALSE(BandOf(*read, ErrorClass::kOneHost, MiB(64), false));
  const auto band = BandOf(*read, ErrorClass::kOneHost, MiB(64));
  ASSERT_TRUE(band);
  EXPECT_LT(band->low, band->high);
  EXPECT_FALSE(BandOf(*read, ErrorClass::kEfa, MiB(64)));

  MeasuredCases turned = cases;
  std::reverse(turned.tables.begin(), turned.tables.end());
  std::reverse(turned.entries.begin(), turned.entries.end());
  for (CasesOfEntry& table : turned.tables) table.entry = cases.entries.size() - 1 - table.entry;
  EXPECT_EQ(FormatCalibration(*Calibrate(turned)), text);
}

// Hopper and Ampere, two tables of one host each.
MeasuredCases CasesOfTwoGenerations() {
  std::vector<TableEntry> entries;
  for (const char* host : {"hgx-h100", "dgx-a100"})
    for (const int ranks : {4, 8}) {
      entries.push_back(EntryOf("all_gather", ranks, 1, host));
      entries.back().host = host;
    }
  return *PrepareCases(std::move(entries));
}

// Hosts of two generations whose tables the model makes under its priors: each, left out whole, is
// told by the other to the last digit, and what was left out is not in the fit.
TEST(Calibrate, LeavesAClassOfHardwareOutWhole) {
  MeasuredCases cases = CasesOfTwoGenerations();
  for (CasesOfEntry& table : cases.tables)
    for (MeasuredCase& point : table.points)
      point.measured_us = cases.models[point.model].Time(point.which, CollectiveConstants()).us;
  const Result<CalibrationResult> all = Calibrate(cases);
  ASSERT_TRUE(all) << all.error().front();
  ASSERT_THAT(all->left_out_classes, SizeIs(2));
  EXPECT_EQ(all->left_out_classes[0].hardware, "ampere");
  EXPECT_EQ(all->left_out_classes[1].hardware, "hopper");
  for (const HeldOutPoint& point : all->unseen) EXPECT_NEAR(point.ratio, 1, 1e-9);
  const auto band =
      BandOf(*MakeCalibration(*ParseText<CalibrationSpec>(FormatCalibration(*all), "x.yaml", {})),
             ErrorClass::kOneHost, MiB(64), false);
  ASSERT_TRUE(band);
  EXPECT_LE(band->low, 1);
  EXPECT_GE(band->high, 1);
  const Result<CalibrationResult> without = Calibrate(cases, {"ampere"});
  ASSERT_TRUE(without) << without.error().front();
  EXPECT_THAT(without->fitted, SizeIs(2));
  EXPECT_EQ(without->left_out_classes.front().hardware, "ampere");
  EXPECT_EQ(without->left_out_classes.front().figures.front().tables, 2u);
  EXPECT_EQ(without->spec.range().classes_size(), 1);
  const auto none = Calibrate(cases, {"volta"});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().front().message, HasSubstr("is of 'volta'"));
}

// Two generations whose hosts differ alike from table to table: told by each other they are wrong
// by a third, and told by another table of their own by more.
TEST(Calibrate, NeverSaysMoreOfUnknownHardwareThanOfKnown) {
  MeasuredCases cases = CasesOfTwoGenerations();
  for (CasesOfEntry& table : cases.tables)
    for (MeasuredCase& point : table.points)
      point.measured_us = cases.models[point.model].Time(point.which, CollectiveConstants()).us *
                          (point.which.ranks == 4 ? 1.3 : 1 / 1.3);
  const Result<CalibrationResult> got = Calibrate(cases);
  ASSERT_TRUE(got) << got.error().front();
  int compared = 0, widened = 0;
  for (const CalibrationBandSpec& unseen : got->spec.bands())
    for (const CalibrationBandSpec& seen : got->spec.bands()) {
      if (!unseen.unseen() || seen.unseen() || seen.at() != unseen.at()) continue;
      EXPECT_LE(unseen.low(), seen.low());
      EXPECT_GE(unseen.high(), seen.high());
      ++compared;
      widened += unseen.low() == seen.low() || unseen.high() == seen.high();
    }
  EXPECT_GT(compared, 2);
  EXPECT_GT(widened, 0);  // else this test says nothing
}

// One host of Ampere, several of Hopper: several of Ampere are none of them.
TEST(Calibrate, KnowsSeveralHostsByTheirClassesTogether) {
  std::vector<TableEntry> entries;
  for (const auto& [host, ranks, hosts] : std::initializer_list<std::tuple<const char*, int, int>>{
           {"{ preset: dgx-a100, transport: ib }", 8, 1},
           {"{ preset: hgx-h100, transport: ib }", 8, 1},
           {"{ preset: hgx-h100, transport: ib }", 16, 2}}) {
    entries.push_back(EntryOf("all_gather", ranks, hosts, std::to_string(entries.size())));
    entries.back().host = host;
  }
  const Result<CalibrationResult> got = Calibrate(*PrepareCases(std::move(entries)));
  ASSERT_TRUE(got) << got.error().front();
  const std::string text = FormatCalibration(*got);
  EXPECT_THAT(text, HasSubstr("classes: [ampere, hopper, ib]\n  combinations: [hopper+ib]\n"));
  Located<CalibrationSpec> spec = *ParseText<CalibrationSpec>(text, "x.yaml", {});
  const Calibration now = *MakeCalibration(spec);
  spec.message.mutable_range()->clear_combinations();  // as files without them
  const Calibration before = *MakeCalibration(spec);
  const auto host = [](const char* of) { return *ReadHostText(of, {"--host", 0, 0}); };
  const HostPart a100 = host("{ preset: dgx-a100, transport: ib }");
  const HostPart h100 = host("{ preset: hgx-h100, transport: ib }");
  EXPECT_TRUE(now.KnowsHardware(a100, 1) && now.KnowsHardware(h100, 2));
  EXPECT_FALSE(now.KnowsHardware(a100, 2));
  EXPECT_FALSE(now.Covers(a100, {"all_gather", MiB(1), 16, 2}));
  EXPECT_TRUE(before.KnowsHardware(a100, 2));
}

TEST(Calibrate, SaysWhyNothingCanBeFitted) {
  MeasuredCases cases = CasesUnder({});
  for (TableEntry& entry : cases.entries) entry.label = TableLabel::kDegraded;
  const auto got = Calibrate(cases);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().front().message, "the table cannot be fitted: it is degraded");
}

// Of tables [Student's t at 95 %]: 2.920 at 2 degrees, 2.015 at 5, 1.697 at 30, 1.645 beyond.
TEST(StudentQuantile95, IsThatOfTables) {
  EXPECT_NEAR(StudentQuantile95(2), 2.920, 0.01);
  EXPECT_NEAR(StudentQuantile95(5), 2.015, 0.001);
  EXPECT_NEAR(StudentQuantile95(30), 1.697, 0.001);
  EXPECT_NEAR(StudentQuantile95(1e9), 1.645, 0.001);
}

// By hand: sources with means 0.3 and -0.1, each a table of two points 0.1 to either side. Between
// is (0.09 + 0.01) / 2 = 0.05 of two degrees, within 0.01 of two; the sum 0.06 has
// 0.06² / (0.05² / 2 + 0.01² / 2) = 2.77 of them, whose t is 2.436.
TEST(ResidualSpread, OfOneClassIsItsOwn) {
  const ResidualSpread spread(
      {{0, 0, 1, 1, 0.4}, {0, 0, 1, 1, 0.2}, {0, 0, 2, 2, 0.0}, {0, 0, 2, 2, -0.2}});
  const auto half = spread.HalfWidth(0, 0);
  ASSERT_TRUE(half);
  EXPECT_NEAR(*half, 2.436 * std::sqrt(0.06), 0.002);
  EXPECT_FALSE(spread.HalfWidth(1, 0));  // nobody to learn from
  EXPECT_FALSE(spread.HalfWidth(0, 1));
}

// Two classes of one source each, 0.3 and -0.3 off: alike, and known by two sources together. So
// each part has two degrees, 0.09 and the least; without that bound t would be 1.645.
TEST(ResidualSpread, IsKnownNoBetterThanAllClassesTogether) {
  const ResidualSpread spread(
      {{0, 0, 1, 1, 0.3}, {0, 0, 1, 1, 0.3}, {1, 0, 2, 2, -0.3}, {1, 0, 2, 2, -0.3}});
  EXPECT_NEAR(*spread.HalfWidth(0, 0), 2.92 * 0.3, 0.01);
  EXPECT_NEAR(*spread.HalfWidth(1, 0), *spread.HalfWidth(0, 0), 1e-9);
  EXPECT_NEAR(*spread.HalfWidth(7, 0), *spread.HalfWidth(0, 0), 1e-6);  // nobody measured it
}

// Residuals of classes with the deviation of a source's mean and of its points.
struct SpreadClass {
  double between, within;
  std::size_t sources;
};

void DrawSource(const SpreadClass& of, std::size_t row, std::size_t source, Random& random,
                std::vector<Residual>& out) {
  const double mean = of.between * random.Normal();
  for (std::size_t i = 0; i < 8; ++i)
    out.push_back({row, 0, source, source, mean + of.within * random.Normal()});
}

// The oracle: of classes drawn with known deviations, some of two sources only, nine of ten points
// of a source that had no say are inside, and those of two sources are narrower than by themselves.
TEST(ResidualSpread, HoldsNineOfTenPointsOfNewSources) {
  const SpreadClass classes[] = {{0.1, 0.05, 8}, {0.12, 0.05, 3}, {0.1, 0.04, 2}, {0.08, 0.06, 2}};
  Random random(5);
  double inside[4] = {}, drawn = 0, pooled = 0, alone = 0;
  for (int again = 0; again < 400; ++again) {
    std::vector<Residual> residuals, own;
    for (std::size_t row = 0; row < 4; ++row)
      for (std::size_t s = 0; s < classes[row].sources; ++s)
        DrawSource(classes[row], row, 10 * row + s, random, residuals);
    for (const Residual& one : residuals)
      if (one.row == 2) own.push_back(one);
    const ResidualSpread spread(residuals);
    pooled += std::log(*spread.HalfWidth(2, 0));
    alone += std::log(*ResidualSpread(own).HalfWidth(2, 0));
    for (std::size_t row = 0; row < 4; ++row) {
      std::vector<Residual> fresh;
      for (std::size_t s = 0; s < 5; ++s) DrawSource(classes[row], row, s, random, fresh);
      for (const Residual& one : fresh)
        inside[row] += std::abs(one.value) <= *spread.HalfWidth(row, 0);
    }
    drawn += 40;
  }
  for (const double row : inside) {
    EXPECT_GT(row / drawn, 0.85);
    EXPECT_LT(row / drawn, 0.96);
  }
  EXPECT_LT(pooled, alone);
}

// Classes ten times apart, each told well: nobody is drawn to the others.
TEST(ResidualSpread, LeavesClassesThatDifferApart) {
  Random random(9);
  std::vector<Residual> residuals;
  for (std::size_t s = 0; s < 40; ++s) {
    DrawSource({0.3, 0.1, 0}, 0, s, random, residuals);
    DrawSource({0.03, 0.01, 0}, 1, s, random, residuals);
    DrawSource({0.1, 0.03, 0}, 2, s, random, residuals);
  }
  const ResidualSpread spread(residuals);
  EXPECT_NEAR(*spread.HalfWidth(0, 0), 1.68 * std::hypot(0.3, 0.1), 0.15);
  EXPECT_NEAR(*spread.HalfWidth(1, 0), 1.68 * std::hypot(0.03, 0.014), 0.015);
}

// Halfway between two sizes in logarithms an end is the geometric mean of theirs; nothing steps.
TEST(BandAt, GoesEvenlyFromSizeToSize) {
  const std::vector<std::pair<Bytes, RatioBand>> stated = {{MiB(1), {0.25, 4, 2}},
                                                           {MiB(64), {0.64, 1.5625, 5}}};
  EXPECT_FALSE(BandAt(stated, KiB(127)));
  EXPECT_EQ(BandAt(stated, KiB(128)), stated[0].second);
  EXPECT_NEAR(BandAt(stated, MiB(64))->high, 1.5625, 1e-12);
  EXPECT_EQ(BandAt(stated, MiB(4096)), stated[1].second);
  const auto middle = BandAt(stated, MiB(8));
  ASSERT_TRUE(middle);
  EXPECT_NEAR(middle->low, 0.4, 1e-12);
  EXPECT_NEAR(middle->high, 2.5, 1e-12);
  EXPECT_EQ(middle->sources, 2);
  double last = 4;
  for (std::int64_t bytes = MiB(1).count(); bytes < MiB(128).count(); bytes += bytes / 64) {
    const double high = BandAt(stated, Bytes(bytes))->high;
    EXPECT_LE(high, last * (1 + 1e-12));
    EXPECT_GT(high, last * 0.99);
    last = high;
  }
  EXPECT_FALSE(BandAt({}, MiB(1)));
  EXPECT_TRUE(BandAt({{kFirstBand, {0.5, 2, 0}}}, Bytes(8)));
}

// A file whose bands do not ascend or are none is refused at their place.
TEST(MakeCalibration, RefusesBandsThatAreNone) {
  const auto error = [](const std::string& bands) {
    const auto spec = ParseText<CalibrationSpec>(
        "constants: [{ name: hopper.launch, value: 4us }]\nbands:\n" + bands, "c.yaml", {});
    EXPECT_TRUE(spec) << spec.error().front();
    const auto got = MakeCalibration(*spec);
    return got ? std::string() : got.error().front().message;
  };
  const std::string one = "  - { what: one host, at: 1MiB, low: 90%, high: 120% }\n";
  EXPECT_EQ(error(one), "");
  EXPECT_EQ(error(one + one), "a class's sizes do not ascend");
  EXPECT_EQ(error("  - { what: one host, at: 1MiB, low: 130%, high: 120% }\n"),
            "low and high are no interval");
  EXPECT_EQ(error("  - { what: one host, at: 1MiB, low: 0%, high: 120% }\n"),
            "low and high are no interval");
}

// Two points 10 % and 30 % off, the third below 64 KiB: the median of two is 20 %, and their bias.
TEST(FiguresOf, CountsPointsFromASizeOn) {
  std::vector<ComparedPoint> points(3);
  const double off[] = {1.1, 1.3, 5};
  for (std::size_t i = 0; i < 3; ++i) {
    points[i].size = i < 2 ? KiB(64) : KiB(32);
    points[i].measured_us = 10;
    points[i].simulated_us = 10 * off[i];
  }
  const ErrorFigures figures = FiguresOf(points, KiB(64));
  EXPECT_EQ(figures.points, 2u);
  EXPECT_NEAR(figures.median, 0.2, 1e-12);
  EXPECT_NEAR(figures.bias, 0.2, 1e-12);
}

// Six tables of two classes, of which three are held out: two of one host, a third degraded without
// a label, which is in nobody's figures. One of four points of the held-out ones is outside.
TEST(FiguresOfHeldOut, CountsThemAloneByClassAndTogether) {
  std::vector<TableEntry> entries(6);
  std::vector<ComparedTable> tables(6);
  for (std::size_t t = 0; t < tables.size(); ++t) {
    tables[t].entry = t;
    entries[t].use = t < 3 ? TableUse::kCheck : TableUse::kFit;
    entries[t].label = t == 2 ? TableLabel::kUnknown : TableLabel::kHealthy;
    for (const int size : {64, 128}) {
      ComparedPoint& point = tables[t].points.emplace_back();
      point.size = MiB(size);
      point.measured_us = 10;
      point.simulated_us = 10 + static_cast<double>(t);
      const bool outside = t == 1 && size == 64;
      point.band = outside ? RatioBand{0.99, 1.01, 0} : RatioBand{0.5, 2, 0};
    }
  }
  tables[1].error_class = ErrorClass::kIbOrRoce;
  tables[2].degraded = true;
  const std::vector<ClassFigures> got = FiguresOfHeldOut(entries, tables);
  ASSERT_THAT(got, SizeIs(9));  // one host, several, all; from each of three sizes
  EXPECT_EQ(got[0].error_class, ErrorClass::kOneHost);
  EXPECT_EQ(got[3].error_class, ErrorClass::kIbOrRoce);
  EXPECT_EQ(got[6].error_class, std::nullopt);
  EXPECT_EQ(got[0].tables, 1u);
  EXPECT_EQ(got[6].tables, 2u);
  EXPECT_EQ(got[6].points, 4u);
  EXPECT_NEAR(got[6].median, 0.05, 1e-12);  // of 0 and 10 %
  EXPECT_EQ(got[0].in_band, 1);
  EXPECT_EQ(got[3].in_band, 0.5);
  EXPECT_EQ(got[6].in_band, 0.75);
  for (TableEntry& entry : entries) entry.use = TableUse::kCheck;
  EXPECT_THAT(FiguresOfHeldOut(entries, tables), SizeIs(0));  // then `classes` says it
}

TEST(PrepareCases, SaysWhyATableIsNotCompared) {
  std::vector<TableEntry> entries(6);
  for (TableEntry& entry : entries) entry = EntryOf("all_reduce", 8, 1, "a");
  entries[0].host.clear();
  entries[1].tables[0].ranks = 0;
  entries[2].tables[0].type = "int8";
  entries[3].tables[0].ranks = 16;
  entries[4].tables[0].op.clear();
  entries[5].tables[0].hosts = 0;
  entries[5].tables[0].hosts_unclear = true;
  const auto cases = PrepareCases(std::move(entries));
  ASSERT_TRUE(cases);
  EXPECT_EQ(cases->tables[0].why_not, "its host is not known: --host may say it");
  EXPECT_EQ(cases->tables[1].why_not, "nobody says how many ranks: --gpus may");
  EXPECT_THAT(cases->tables[2].why_not, HasSubstr("floating point"));
  EXPECT_EQ(cases->tables[3].why_not, "16 ranks a host, which has 8 GPUs");
  EXPECT_EQ(cases->tables[4].why_not,
            "nobody says the operation: a file's name may, such as x_all_reduce.log");
  // Beside a table that can be compared what cannot is kept with its line.
  TableEntry both = EntryOf("all_reduce", 8, 1, "a");
  both.tables.push_back(both.tables.front());
  both.tables.back().type = "int8";
  both.tables.back().line = 33;
  const auto mixed = PrepareCases({both});
  ASSERT_TRUE(mixed);
  EXPECT_EQ(mixed->tables[0].why_not, "");
  ASSERT_THAT(mixed->tables[0].left_out, SizeIs(1));
  EXPECT_EQ(mixed->tables[0].left_out[0].line, 33);
  EXPECT_EQ(cases->tables[5].why_not, "nobody says how many hosts: --gpus-per-host may");
}

}  // namespace
}  // namespace weft
