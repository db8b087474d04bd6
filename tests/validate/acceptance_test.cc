#include "validate/acceptance.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <span>

#include "base/random.h"
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
  EXPECT_THAT(sheet, HasSubstr("# On each of 2 hosts, by itself, and keep all that is printed:\n"
                               "#   ./build/all_reduce_perf -b 1M -e 4G -f 4 -n 50 -w 10 -g 8\n"));
  EXPECT_THAT(sheet, HasSubstr("mpirun -np 16 -H host1:8,host2:8 --map-by ppr:8:node "
                               "./build/alltoall_perf"));
  EXPECT_THAT(sheet, HasSubstr("slower than expected still passes, by 20 to 20 %"));
  EXPECT_EQ(lines->front().runs, 2);
  EXPECT_EQ(lines->back().runs, 1);
  const auto read = ParseAcceptanceSheet(sheet, "sheet.tsv");
  ASSERT_TRUE(read) << read.error().front();
  ASSERT_EQ(read->size(), lines->size());
  EXPECT_NEAR((*read)[30].least_GBps, (*lines)[30].least_GBps, 0.005);
  EXPECT_EQ((*read)[0].runs, 2);
}

// A rack of 72 GPUs is 18 operating-system hosts, which mpirun fills and a log lists.
TEST(Acceptance, CountsTheTraysOfARack) {
  AcceptanceQuestion question;
  question.host_text = "gb200-nvl72";
  question.host = *ReadHostText("gb200-nvl72", {"--host", 0, 0});
  question.gpus = 144;
  question.gpus_per_host = 72;
  const auto lines = MakeAcceptanceLines(question, Banded());
  ASSERT_TRUE(lines) << lines.error().front();
  EXPECT_EQ(lines->front().hosts, 18);
  EXPECT_EQ(lines->back().hosts, 36);
  EXPECT_THAT(FormatAcceptanceSheet(question, *lines, Banded()),
              HasSubstr("On each of 2 NVLink domains, by itself, and keep all that is printed:\n"
                        "#   mpirun -np 72 --hostfile HOSTS --map-by ppr:4:node "
                        "./build/all_reduce_perf"));
  std::vector<TableEntry> entries(1);
  entries[0].host = "gb200-nvl72";
  entries[0].tables.resize(1);
  MeasuredTable& table = entries[0].tables[0];
  table.op = "all_reduce";
  table.ranks = 144;
  table.hosts = 36;
  table.points.push_back({MiB(64), SimDuration(1'000'000'000), std::nullopt, 1});
  const auto cases = PrepareCases(entries);
  ASSERT_TRUE(cases);
  ASSERT_THAT(cases->questions, SizeIs(1));
  EXPECT_EQ(cases->questions[0].gpus_per_host, 72);  // two domains, not 36
  // 1,024 GPUs of 256 trays fill no fifteen domains alike: sixteen of 64.
  table.ranks = 1024;
  table.hosts = 256;
  const auto sixteen = PrepareCases(entries);
  ASSERT_TRUE(sixteen);
  ASSERT_THAT(sixteen->questions, SizeIs(1));
  EXPECT_EQ(sixteen->questions[0].gpus_per_host, 64);
  // By trays the sheet is the same, and is judged by logs that count either.
  question.gpus = 72;
  question.gpus_per_host = 4;
  const auto by_trays = MakeAcceptanceLines(question, Banded());
  ASSERT_TRUE(by_trays);
  EXPECT_EQ(by_trays->front().expected_GBps, lines->front().expected_GBps);
  table.ranks = 72;
  for (const int hosts : {1, 18}) {
    table.hosts = hosts;
    table.points = {{lines->front().size, SimDuration(1'000'000'000), std::nullopt, 1}};
    EXPECT_TRUE(JudgeAcceptance(*by_trays, entries)[0].measured_GBps) << hosts;
  }
  table.hosts = 0;
  table.hosts_unclear = true;
  EXPECT_FALSE(JudgeAcceptance(*by_trays, entries)[0].measured_GBps);
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

// No table is dropped in silence: what it has and the sheet has not.
TEST(Acceptance, SaysWhyATableIsNotUsed) {
  const std::vector<AcceptanceLine> lines = {{"all_reduce", 8, 1, MiB(1), 100, 90},
                                             {"all_reduce", 16, 2, MiB(1), 100, 90}};
  const auto why = [&](const char* op, int ranks, int hosts, const char* type, Bytes size) {
    TableEntry entry;
    entry.name = "x.log";
    MeasuredTable& table = entry.tables.emplace_back();
    table.op = op;
    table.ranks = ranks;
    table.hosts = hosts;
    table.type = type;
    table.line = 7;
    table.points.push_back({size, SimDuration(20'000'000), std::nullopt, 7});
    const std::vector<TableNote> got = UnusedTables(lines, {entry});
    EXPECT_LE(got.size(), 1u);
    if (got.empty()) return std::string("used");
    EXPECT_EQ(got[0].line, 7);
    return got[0].why;
  };
  EXPECT_EQ(why("all_reduce", 8, 1, "float", MiB(1)), "used");
  EXPECT_EQ(why("all_reduce", 8, 1, "float", MiB(2)), "it has no size that a line is of");
  EXPECT_EQ(why("all_reduce", 8, 1, "int8", MiB(1)),
            "it is of int8: the sheet is of floating point");
  EXPECT_EQ(why("broadcast", 8, 1, "float", MiB(1)), "no line is of broadcast");
  EXPECT_EQ(why("all_reduce", 4, 1, "float", MiB(1)),
            "it is of 4 ranks, lines of all_reduce are of 8, 16");
  EXPECT_EQ(why("all_reduce", 16, 4, "float", MiB(1)),
            "it is on 4 hosts, lines of 16 ranks are on 2");
  EXPECT_EQ(why("all_reduce", 16, 0, "float", MiB(1)),
            "nobody says how many hosts: --gpus-per-host may");
  EXPECT_EQ(why("all_reduce", 0, 1, "float", MiB(1)), "nobody says how many ranks: --gpus may");
  EXPECT_THAT(why("", 8, 1, "float", MiB(1)), HasSubstr("nobody says the operation"));
}

// A table whose hosts nobody says passes a line, and is said to by an assumption.
TEST(Acceptance, SaysWhoseHostsAreAssumed) {
  TableEntry entry;
  entry.name = "x.log";
  MeasuredTable& table = entry.tables.emplace_back();
  table.op = "all_reduce";
  table.ranks = 16;
  table.hosts = 2;
  table.line = 7;
  table.points.push_back({MiB(1), SimDuration(20'000'000), std::nullopt, 7});
  const std::vector<AcceptanceLine> lines = {{"all_reduce", 16, 2, MiB(1), 95, 90}};
  EXPECT_TRUE(AssumedTables(lines, {entry}).empty());
  table.hosts_assumed = true;
  EXPECT_TRUE(JudgeAcceptance(lines, {entry})[0].pass());
  const std::vector<TableNote> got = AssumedTables(lines, {entry});
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_EQ(got[0].file, "x.log");
  EXPECT_EQ(got[0].line, 7);
  EXPECT_EQ(got[0].why,
            "nobody says on how many hosts its 16 ranks are, 2 are assumed: --gpus-per-host may");
  table.ranks = 32;  // no line has it
  EXPECT_TRUE(AssumedTables(lines, {entry}).empty());
}

// A line that every one of two hosts is to run: one host's log is of one, however often it is
// named, another file of the same host too; without hosts' names files are told apart.
TEST(Acceptance, WantsTheRunOfEveryHost) {
  const auto log = [](const char* file, std::vector<std::string> hosts) {
    TableEntry entry;
    entry.file = file;
    MeasuredTable& table = entry.tables.emplace_back();
    table.op = "all_reduce";
    table.ranks = 8;
    table.hosts = 1;
    table.host_names = std::move(hosts);
    table.points.push_back({MiB(1), SimDuration(20'000'000), std::nullopt, 1});
    return entry;
  };
  AcceptanceLine line{"all_reduce", 8, 1, MiB(1), 100, 90};
  line.runs = 2;
  const auto runs = [&](const std::vector<TableEntry>& entries) {
    const AcceptanceVerdict got = JudgeAcceptance({line}, entries)[0];
    EXPECT_TRUE(got.fast_enough());
    EXPECT_EQ(got.pass(), got.runs >= 2);
    return got.runs;
  };
  EXPECT_EQ(runs({log("a", {"n1"})}), 1);
  EXPECT_EQ(runs({log("a", {"n1"}), log("b", {"n1"})}), 1);
  EXPECT_EQ(runs({log("a", {"n1"}), log("b", {"n2"})}), 2);
  EXPECT_EQ(runs({log("a", {}), log("a", {})}), 1);
  EXPECT_EQ(runs({log("a", {}), log("b", {})}), 2);
}

TEST(ParseAcceptanceSheet, NamesTheLineThatIsWrong) {
  EXPECT_EQ(ParseAcceptanceSheet("hello\n", "s.tsv").error().front().pos.line, 1);
  const auto got = ParseAcceptanceSheet(
      "# x\nop\tranks\thosts\tsize_bytes\texpected_GBps\tleast_GBps\nall_reduce\t8\tone\t1\t2\t3\n",
      "s.tsv");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().front().pos.line, 3);
}

struct Machine {
  const char* host;
  int gpus_per_host, hosts;
};

// Collectives of machines, healthy; measured times are left to be filled in.
constexpr Machine kMachines[] = {{"hgx-h100", 8, 1}, {"hgx-h100", 8, 4},     {"hgx-h100", 8, 16},
                                 {"dgx-a100", 8, 2}, {"dgx-a100", 8, 8},     {"hgx-h200", 8, 4},
                                 {"hgx-b200", 8, 1}, {"polaris-a100", 4, 8}, {"alps-gh200", 4, 4}};

// Others, that nothing of the diagnosis was written against.
constexpr Machine kOtherMachines[] = {
    {"{ preset: dgx-a100, nics: 8, nic: 200Gbps, transport: ib }", 8, 2},
    {"{ preset: dgx-a100, nics: 8, nic: 200Gbps, transport: ib }", 8, 16},
    {"{ preset: hgx-h200, nics: 8, nic: 400Gbps, transport: roce }", 8, 1},
    {"{ preset: hgx-h200, nics: 8, nic: 400Gbps, transport: roce }", 8, 4},
    {"hgx-b200", 8, 2},
    {"hgx-b200", 8, 8},
    {"hgx-h100", 8, 2},
    {"hgx-h100", 8, 64},
    {"pcie-l40s", 8, 2},
    {"pcie-l40s", 8, 4}};

using Names = std::vector<const char*>;

MeasuredCases HealthyTables(std::span<const Machine> machines = kMachines,
                            const Names& ops = {"all_reduce", "all_gather", "all_to_all"}) {
  std::vector<TableEntry> entries;
  for (const Machine& machine : machines) {
    for (const char* const op : ops) {
      TableEntry entry;
      entry.name = std::string(machine.host) + " x" + std::to_string(machine.hosts);
      entry.file = entry.name + " " + op;
      entry.op = op;
      entry.host = machine.host;
      MeasuredTable table;
      table.op = op;
      table.type = "float";
      table.hosts = machine.hosts;
      table.ranks = machine.hosts * machine.gpus_per_host;
      for (std::int64_t bytes = 1 << 20; bytes <= std::int64_t{8} << 30; bytes *= 2)
        table.points.push_back({Bytes(bytes), SimDuration(1), std::nullopt, 1});
      entry.tables.push_back(std::move(table));
      entries.push_back(std::move(entry));
    }
  }
  Result<MeasuredCases> cases = PrepareCases(std::move(entries));
  WEFT_CHECK(cases.has_value());
  return *std::move(cases);
}

// Asked for where docs/calibration.md says so.
bool OnOtherHosts() { return std::getenv("WEFT_OTHER_HOSTS") != nullptr; }

MeasuredCases OtherTables() {
  return HealthyTables(kOtherMachines,
                       {"all_reduce", "all_gather", "reduce_scatter", "all_to_all"});
}

// What a cluster says that was calibrated when it was healthy: 5 % noise.
Calibration OwnCalibration() {
  Calibration out;
  out.name = "own";
  for (std::size_t c = 0; c < kErrorClasses; ++c) {
    CalibrationErrorSpec& error = *out.spec.add_errors();
    error.set_what(NameOf(static_cast<ErrorClass>(c)));
    error.set_low(0.92);
    error.set_high(1.09);
  }
  return out;
}

constexpr Signature kFaults[] = {Signature::kSlowNic, Signature::kMissingRail,
                                 Signature::kHalfPorts, Signature::kNoNvls, Signature::kTcp};

// The number of a fault that has one.
double DrawValue(Signature fault, Random& random) {
  if (fault == Signature::kSlowNic) return 0.15 + 0.7 * random.Unit();
  return fault == Signature::kTcp ? 1.5 + 2 * random.Unit() : 0;
}

// Fills in what the table's points take with the fault, and 5 % of noise: how many times as long as
// in health its large ones take.
double Degrade(const MeasuredCases& cases, CasesOfEntry& table, Signature fault, double value,
               BrokenTimes& broken, Random& random) {
  std::vector<double> slower;
  for (MeasuredCase& point : table.points) {
    const double healthy = cases.models[point.model].Time(point.which, CollectiveConstants()).us;
    const double us = broken.Time(point, table.host, fault, value).value_or(healthy);
    if (point.size >= MiB(128)) slower.push_back(us / healthy);
    point.measured_us = us * std::exp(0.05 * random.Normal());
  }
  std::sort(slower.begin(), slower.end());
  return slower[slower.size() / 2];
}

// Whether another fault without a number makes the same of the table, within 6 % everywhere: then
// nobody can tell them apart.
bool Alike(const MeasuredCases& cases, const CasesOfEntry& table, Signature fault, double value,
           BrokenTimes& broken) {
  const auto time = [&](const MeasuredCase& point, Signature one, double number) {
    return broken.Time(point, table.host, one, number)
        .value_or(cases.models[point.model].Time(point.which, CollectiveConstants()).us);
  };
  for (const Signature other :
       {Signature::kMissingRail, Signature::kHalfPorts, Signature::kNoNvls}) {
    const bool same =
        std::all_of(table.points.begin(), table.points.end(), [&](const MeasuredCase& point) {
          return point.size < MiB(128) ||
                 std::abs(std::log(time(point, fault, value) / time(point, other, 0))) < 0.06;
        });
    if (other != fault && same) return true;
  }
  return false;
}

struct Tally {
  int runs = 0, first = 0, flagged = 0;
  std::map<Signature, int> named;
};

// As many runs of each fault, each of a table that it makes `least` times as long or more; where it
// changes less another is drawn.
std::map<Signature, Tally> DiagnoseRuns(MeasuredCases cases, double least, int count,
                                        std::uint64_t seed, int& alike) {
  const Calibration calibration = OwnCalibration();
  BrokenTimes broken(cases, calibration.constants);
  Random random(seed);
  std::map<Signature, Tally> out;
  for (int run = 0; run < count; ++run) {
    const Signature fault = kFaults[static_cast<std::size_t>(run) % std::size(kFaults)];
    std::size_t t = 0;
    while (true) {
      t = random.Below(static_cast<std::uint32_t>(cases.tables.size()));
      const double value = DrawValue(fault, random);
      if (Degrade(cases, cases.tables[t], fault, value, broken, random) < least) continue;
      const bool told = fault == Signature::kSlowNic || fault == Signature::kTcp ||
                        !Alike(cases, cases.tables[t], fault, value, broken);
      if (told) break;
      ++alike;
    }
    Tally& tally = out[fault];
    ++tally.runs;
    const Diagnosis got = Diagnose(cases, t, calibration, broken);
    tally.flagged += got.degraded;
    if (got.signatures.empty()) continue;
    ++tally.named[got.signatures.front().signature];
    tally.first += got.signatures.front().signature == fault;
  }
  return out;
}

// Tables that the model itself makes, with something broken and noise: what broke is named first in
// nine of ten. 1.28 times as long is beyond a healthy table's band and its margin. WEFT_RUNS=1000
// prints the table of docs/calibration.md, and WEFT_OTHER_HOSTS=1 that of other hosts and more
// operations, from 1.1 times as long on.
TEST(Diagnose, NamesWhatBrokeInSimulatedTables) {
  const char* const runs = std::getenv("WEFT_RUNS");
  const char* const text = std::getenv("WEFT_SEED");
  const std::uint64_t seed = text ? std::strtoull(text, nullptr, 10) : 7;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  int all = 0, first = 0, alike = 0;
  std::string table = "| what broke | runs | called degraded | named first | else named |\n";
  const bool elsewhere = OnOtherHosts();
  MeasuredCases cases = elsewhere ? OtherTables() : HealthyTables();
  for (const auto& [signature, tally] : DiagnoseRuns(std::move(cases), elsewhere ? 1.1 : 1.28,
                                                     runs ? std::atoi(runs) : 100, seed, alike)) {
    all += tally.runs;
    first += tally.first;
    std::string others;
    for (const auto& [named, times] : tally.named)
      if (named != signature)
        others += (others.empty() ? "" : ", ") + std::to_string(times) + " " + NameOf(named);
    table += std::string("| ") + NameOf(signature) + " | " + std::to_string(tally.runs) + " | " +
             std::to_string(tally.flagged) + " | " + std::to_string(tally.first) + " | " + others +
             " |\n";
  }
  if (runs)
    std::printf("%s| all | %d | | %d | |\ndrawn anew, alike: %d\n", table.c_str(), all, first,
                alike);
  EXPECT_GE(first * 10, all * 9) << table;
}

// A host as somebody would describe it who knows what is broken: NCCL searches it anew.
CollectiveQuestion Described(CollectiveQuestion question, Signature fault, double value) {
  HostPart& host = question.host;
  switch (fault) {
    case Signature::kSlowNic:
      host.nic_port = host.nic_port * value;
      break;
    case Signature::kHalfPorts:
      host.nic_port = host.nic_port * 0.5;
      break;
    case Signature::kTcp:
      host.nic_port = BitRate::BitsPerSecond(value * 8e9 / host.nic_ports);
      break;
    case Signature::kMissingRail:
      --host.nics;
      break;
    default:
      break;
  }
  return question;
}

// Fills in what the table's points take: NCCL knows of the fault and searches anew, or the network
// alone has it; and 5 % of noise.
void Break(const MeasuredCases& cases, CasesOfEntry& table, Signature fault, double value,
           bool known, const Calibration& calibration, BrokenTimes& broken, Random& random) {
  const CollectiveQuestion& asked = cases.questions[table.points.front().model];
  const auto model = CollectiveModel::Build(Described(asked, fault, value));
  WEFT_CHECK(model.has_value());
  for (MeasuredCase& point : table.points) {
    const double healthy = cases.models[point.model].Time(point.which, calibration.constants).us;
    const double us = known ? model->Time(point.size, calibration.constants).us
                            : broken.Time(point, table.host, fault, value).value_or(healthy);
    point.measured_us = us * std::exp(0.05 * random.Normal());
  }
}

struct PublicTally {
  int runs = 0, degraded = 0, slow = 0, first = 0, together = 0, named = 0;
  std::map<Signature, int> others;

  std::string Row(const char* what) const {
    std::string rest;
    for (const auto& [one, times] : others)
      rest += fmt::format("{}{} {}", rest.empty() ? "" : ", ", times, NameOf(one));
    return fmt::format("| {} | {} | {} | {} | {} | {} | {:.1f} | {} |\n", what, runs, degraded,
                       slow, first, together, named / std::max(1.0, 1.0 * degraded), rest);
  }
};

// The share of tables that are called degraded under the public band at least: a missing rail of
// eight is mostly inside it.
double LeastDegraded(Signature fault) {
  if (fault == Signature::kHalfPorts || fault == Signature::kTcp) return 1;
  return fault == Signature::kMissingRail ? 0 : 0.6;
}

// Tables of hosts that are broken, under the public calibration, whose band is that of other
// clusters: of those that are called degraded, what broke is named first or as likely as the first
// in nine of ten, and few causes are. WEFT_RUNS prints the table of docs/calibration.md, of which
// each fault has a twentieth.
TEST(Diagnose, NamesWhatBrokeUnderThePublicBand) {
  const char* const runs = std::getenv("WEFT_RUNS");
  std::vector<Machine> machines;
  for (const char* const host : {"dgx-a100", "hgx-h100", "hgx-h200", "hgx-b200"})
    for (int hosts = 1; hosts <= (runs ? 4 : 2); ++hosts) machines.push_back({host, 8, hosts});
  MeasuredCases cases = HealthyTables(machines, {"all_reduce", "all_gather"});
  const Calibration calibration = *ReadCalibration("public", nullptr);
  BrokenTimes broken(cases, calibration.constants);
  Random random(5);
  const int each = std::max(6, runs ? std::atoi(runs) / 20 : 0);
  std::string text;
  PublicTally all;
  for (const Signature fault : kFaults) {
    PublicTally tally;
    for (; tally.runs < each; ++tally.runs) {
      std::size_t t = 0;
      do t = random.Below(static_cast<std::uint32_t>(cases.tables.size()));
      while (!broken.Time(cases.tables[t].points.back(), cases.tables[t].host, fault, 0.5));
      const bool told = fault == Signature::kMissingRail || fault == Signature::kNoNvls;
      Break(cases, cases.tables[t], fault, DrawValue(fault, random), !told && tally.runs % 2 == 0,
            calibration, broken, random);
      const Diagnosis got = Diagnose(cases, t, calibration, broken);
      tally.slow += got.verdict == Verdict::kSlow;
      if (!got.degraded) continue;
      ++tally.degraded;
      const auto& list = got.signatures;
      tally.first += list.front().signature == fault;
      if (list.front().signature != fault) ++tally.others[list.front().signature];
      for (const SignatureFit& fit : list) {
        const bool named = fit.alike || &fit == &list.front();
        tally.named += named;
        tally.together += named && fit.signature == fault;
      }
    }
    text += tally.Row(NameOf(fault));
    EXPECT_GE(tally.degraded, std::floor(LeastDegraded(fault) * tally.runs)) << text;
    all.degraded += tally.degraded;
    all.together += tally.together;
    all.named += tally.named;
  }
  if (runs) std::printf("%s", text.c_str());
  EXPECT_GE(all.together * 10, all.degraded * 9) << text;
  EXPECT_LE(all.named, all.degraded * 2) << text;
}

// With PXN off, wherever that makes a table longer and no other cause makes the same of it: where
// GPUs have no NIC of their own beside them, and by a sixth, which is less than the margin. It is
// likelier than health all the same, and than a slow NIC, which has a number to be fitted.
TEST(Diagnose, NamesPxnOff) {
  constexpr Machine kFewNics[] = {
      {"{ preset: hgx-h100, nics: 4, nic: 400Gbps, transport: ib }", 8, 4},
      {"{ preset: dgx-a100, nics: 4, nic: 200Gbps, transport: ib }", 8, 4},
      {"{ preset: hgx-h100, nics: 2, nic: 400Gbps, transport: ib }", 8, 2},
      {"polaris-a100", 4, 8}};
  MeasuredCases cases = HealthyTables(kFewNics);
  const Calibration calibration = OwnCalibration();
  BrokenTimes broken(cases, calibration.constants);
  Random random(13);
  int runs = 0, first = 0;
  std::string named;
  for (std::size_t t = 0; t < cases.tables.size(); ++t)
    for (int again = 0; again < 3; ++again) {
      const double slower = Degrade(cases, cases.tables[t], Signature::kNoPxn, 0, broken, random);
      const bool alike = Alike(cases, cases.tables[t], Signature::kNoPxn, 0, broken);
      named += cases.entries[t].name + " " + cases.entries[t].op + " " + std::to_string(slower);
      if (slower < 1.12 || alike) {
        named += alike ? " alike\n" : "\n";
        continue;
      }
      ++runs;
      const Diagnosis got = Diagnose(cases, t, calibration, broken);
      if (got.signatures.empty()) continue;
      first += got.signatures.front().signature == Signature::kNoPxn;
      named += std::string(": ") + NameOf(got.signatures.front().signature) + "\n";
    }
  EXPECT_GE(runs, 5) << named;
  EXPECT_GE(first * 10, runs * 9) << named;
}

// The same tables in health are called degraded in none.
TEST(Diagnose, LeavesHealthyTablesAlone) {
  MeasuredCases cases = OnOtherHosts() ? OtherTables() : HealthyTables();
  const Calibration calibration = OwnCalibration();
  Random random(11);
  for (std::size_t t = 0; t < cases.tables.size(); ++t) {
    for (MeasuredCase& point : cases.tables[t].points)
      point.measured_us = cases.models[point.model].Time(point.which, calibration.constants).us *
                          std::exp(0.05 * random.Normal());
    EXPECT_FALSE(Diagnose(cases, t, calibration).degraded) << cases.entries[t].name;
  }
}

// The same tables so many times as long as the model says, all points alike, under 0.92 to 1.09.
TEST(JudgeTables, HasAVerdictByTheBand) {
  const auto judged = [](std::vector<double> times, TableLabel label, bool banded) {
    std::vector<TableEntry> entries(times.size());
    for (std::size_t t = 0; t < times.size(); ++t) {
      entries[t].name = std::to_string(t);
      entries[t].host = "hgx-h100";
      entries[t].label = label;
      MeasuredTable& table = entries[t].tables.emplace_back();
      table.op = "all_gather";
      table.ranks = 8;
      table.hosts = 1;
      for (const int size : {256, 512, 1024})
        table.points.push_back({MiB(size), SimDuration(1), std::nullopt, size});
    }
    MeasuredCases cases = *PrepareCases(entries);
    for (std::size_t t = 0; t < times.size(); ++t)
      for (MeasuredCase& point : cases.tables[t].points)
        point.measured_us =
            times[t] * cases.models[point.model].Time(point.which, CollectiveConstants()).us;
    return JudgeTables(cases, banded ? OwnCalibration() : Calibration());
  };
  const JudgedTables got = judged({1.0, 1.11, 1.4, 0.7, 0.85}, TableLabel::kUnknown, true);
  EXPECT_EQ(got.diagnoses[0].verdict, Verdict::kHealthy);
  EXPECT_EQ(got.diagnoses[1].verdict, Verdict::kSlow);
  EXPECT_EQ(got.diagnoses[2].verdict, Verdict::kDegraded);
  EXPECT_EQ(got.diagnoses[3].verdict, Verdict::kNotJudged);
  EXPECT_THAT(got.diagnoses[3].why_not, HasSubstr("the host described has less"));
  EXPECT_EQ(got.diagnoses[4].verdict, Verdict::kHealthy);
  EXPECT_EQ(got.Overall(), Verdict::kDegraded);
  EXPECT_EQ(got.Count(Verdict::kHealthy), 2u);
  ASSERT_FALSE(got.comparison.classes.empty());
  EXPECT_EQ(got.comparison.classes.front().tables, 4u);  // without the degraded one
  // What is labelled healthy counts, whatever weft thinks of it.
  const JudgedTables labelled = judged({1.4}, TableLabel::kHealthy, true);
  EXPECT_EQ(labelled.Overall(), Verdict::kDegraded);
  EXPECT_EQ(labelled.comparison.classes.front().tables, 1u);
  const JudgedTables without = judged({1.0, 1.6}, TableLabel::kUnknown, false);
  EXPECT_EQ(without.diagnoses[0].verdict, Verdict::kNotJudged);
  EXPECT_THAT(without.diagnoses[0].why_not, HasSubstr("states no band"));
  EXPECT_EQ(without.diagnoses[1].verdict, Verdict::kDegraded);
}

// What NCCL's lines say goes before what is likelier, and what they deny is not named: half the
// ports and a slow NIC make the same table, and GPUDirect off nearly so.
TEST(Diagnose, BelievesNcclsOwnLines) {
  constexpr Machine kTwo[] = {{"hgx-h100", 8, 2}};
  MeasuredCases cases = HealthyTables(kTwo, {"all_gather"});
  const Calibration calibration = OwnCalibration();
  BrokenTimes broken(cases, calibration.constants);
  for (MeasuredCase& point : cases.tables[0].points)
    point.measured_us = *broken.Time(point, cases.tables[0].host, Signature::kHalfPorts);
  const auto diagnose = [&](std::vector<const char*> lines) {
    cases.entries[0].tables[0].setup = {};
    for (const char* const line : lines) cases.entries[0].tables[0].setup.AddLine(line);
    return Diagnose(cases, 0, calibration, broken);
  };
  const Diagnosis silent = diagnose({});
  EXPECT_EQ(silent.signatures[0].signature, Signature::kHalfPorts);
  EXPECT_EQ(silent.signatures[1].signature, Signature::kSlowNic);
  EXPECT_TRUE(silent.signatures[1].alike);
  EXPECT_TRUE(silent.stated.empty() && silent.ruled_out.empty());
  const char* const staged = "n1:5:9 [0] NCCL INFO Channel 00/0 : 7[7] -> 8[0] [send] via NET/IB/0";
  const Diagnosis said = diagnose({staged});
  EXPECT_EQ(said.signatures[0].signature, Signature::kNoGdr);
  EXPECT_TRUE(said.signatures[0].stated);
  EXPECT_FALSE(said.signatures[1].alike);
  EXPECT_THAT(said.stated, testing::ElementsAre(Signature::kNoGdr));
  EXPECT_THAT(said.ruled_out, testing::ElementsAre(Signature::kTcp));
  const Diagnosis denied =
      diagnose({"n1:5:9 [0] NCCL INFO Channel 00/0 : 7[7] -> 8[0] [send] via NET/IB/0/GDRDMA"});
  ASSERT_FALSE(denied.signatures.empty());
  for (const SignatureFit& fit : denied.signatures) {
    EXPECT_NE(fit.signature, Signature::kNoGdr);
    EXPECT_NE(fit.signature, Signature::kTcp);
  }
}

// Seven NICs of eight on one of two hosts, by NCCL's list of them: it is said of a table that is
// inside its band too. Of one host's list alone nothing is denied.
TEST(Diagnose, CountsTheNicsThatNcclFound) {
  constexpr Machine kTwo[] = {{"hgx-h100", 8, 2}};
  MeasuredCases cases = HealthyTables(kTwo, {"all_gather"});
  const Calibration calibration = OwnCalibration();
  for (MeasuredCase& point : cases.tables[0].points)
    point.measured_us = cases.models[point.model].Time(point.which, CollectiveConstants()).us;
  const auto diagnose = [&](std::vector<int> counts) {
    NcclSetup& setup = cases.entries[0].tables[0].setup = {};
    for (std::size_t h = 0; h < counts.size(); ++h) {
      std::string line = fmt::format("n{}:5:9 [0] NCCL INFO NET/IB : Using", h);
      for (int d = 0; d < counts[h]; ++d) line += fmt::format(" [{}]mlx5_{}:1/IB", d, d);
      setup.AddLine(line + " [RO]; OOB eth0:10.0.0.1<0>");
    }
    return Diagnose(cases, 0, calibration);
  };
  EXPECT_EQ(diagnose({8, 7}).verdict, Verdict::kHealthy);
  EXPECT_THAT(diagnose({8, 7}).stated, testing::ElementsAre(Signature::kMissingRail));
  EXPECT_THAT(diagnose({8, 4}).stated, testing::ElementsAre(Signature::kHalfPorts));
  EXPECT_THAT(diagnose({8, 1}).stated, testing::ElementsAre(Signature::kOneNic));
  EXPECT_THAT(diagnose({8, 8}).ruled_out,
              testing::ElementsAre(Signature::kOneNic, Signature::kMissingRail));
  EXPECT_TRUE(diagnose({8}).ruled_out.empty());
  EXPECT_NEAR(diagnose({}).least_loss(), 1 - 1 / 1.09, 1e-12);
}

// What NCCL would not take in health, and a network that one host has no use of, is no cause.
TEST(Diagnose, BlamesNothingThatHealthHasNoUseOf) {
  constexpr Machine kThree[] = {{"dgx-a100", 8, 2}, {"hgx-h100", 8, 2}, {"hgx-h100", 8, 1}};
  MeasuredCases cases = HealthyTables(kThree, {"all_reduce"});
  const Calibration calibration = OwnCalibration();
  std::vector<Diagnosis> got;
  for (std::size_t t = 0; t < cases.tables.size(); ++t) {
    for (MeasuredCase& point : cases.tables[t].points)
      point.measured_us = cases.models[point.model].Time(point.which, CollectiveConstants()).us;
    NcclSetup& setup = cases.entries[t].tables[0].setup;
    for (const char* const line :
         {"Using network Socket", "NCCL_PXN_DISABLE set by environment to 1",
          "NCCL_NET_GDR_LEVEL set by environment to LOC", "16 coll channels, 0 nvls channels, 32",
          "NET/IB : Using [0]mlx5_0:1/IB; OOB eth0:10.0.0.1<0>"})
      setup.AddLine(std::string("n1:5:9 [0] NCCL INFO ") + line);
    got.push_back(Diagnose(cases, t, calibration));
    EXPECT_TRUE(got[t].ruled_out.empty()) << t;
  }
  using testing::ElementsAre;
  EXPECT_THAT(got[0].stated, ElementsAre(Signature::kTcp, Signature::kNoGdr, Signature::kNoPxn,
                                         Signature::kOneNic));
  EXPECT_THAT(got[1].stated, ElementsAre(Signature::kTcp, Signature::kNoGdr, Signature::kNoNvls,
                                         Signature::kNoPxn, Signature::kOneNic));
  EXPECT_THAT(got[2].stated, ElementsAre(Signature::kNoNvls));
}

// Who says it: NCCL's own lines, or, where they do not, the command.
TEST(Diagnose, TellsNcclsLinesFromTheCommand) {
  constexpr Machine kTwo[] = {{"hgx-h100", 8, 2}};
  MeasuredCases cases = HealthyTables(kTwo, {"all_gather"});
  for (MeasuredCase& point : cases.tables[0].points)
    point.measured_us = cases.models[point.model].Time(point.which, CollectiveConstants()).us;
  NcclSetup& setup = cases.entries[0].tables[0].setup;
  setup.AddVariable("NCCL_P2P_DISABLE", "1");
  setup.AddVariable("NCCL_NET", "Socket");
  setup.AddLine("n1:5:9 [0] NCCL INFO Using network Socket");
  setup.AddLine("n1:5:9 [0] NCCL INFO NCCL_PXN_DISABLE set by environment to 1.");
  const Diagnosis got = Diagnose(cases, 0, OwnCalibration());
  using testing::ElementsAre;
  EXPECT_THAT(got.stated, ElementsAre(Signature::kTcp, Signature::kNoP2p, Signature::kNoPxn));
  EXPECT_THAT(got.by_command, ElementsAre(Signature::kNoP2p));
}

// A tray lists its own NICs, not the rack's.
TEST(Diagnose, CountsNoNicsOfTrays) {
  constexpr Machine kRacks[] = {{"gb200-nvl72", 72, 2}};
  MeasuredCases cases = HealthyTables(kRacks, {"all_gather"});
  for (MeasuredCase& point : cases.tables[0].points)
    point.measured_us = cases.models[point.model].Time(point.which, CollectiveConstants()).us;
  NcclSetup& setup = cases.entries[0].tables[0].setup;
  for (const char* const tray : {"n1", "n2"})
    setup.AddLine(std::string(tray) +
                  ":5:9 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB "
                  "[2]mlx5_2:1/IB [3]mlx5_3:1/IB; OOB eth0:10.0.0.1<0>");
  const Diagnosis got = Diagnose(cases, 0, OwnCalibration());
  EXPECT_TRUE(got.stated.empty());
  EXPECT_TRUE(got.ruled_out.empty());
}

// Two NICs of two ports: two devices are all NICs, or one of them; four are all, one is too few.
TEST(Diagnose, TellsPortsFromNics) {
  constexpr Machine kTwo[] = {
      {"{ preset: hgx-h100, nics: 2, nic: 400Gbps, nic_ports: 2, transport: ib }", 8, 2}};
  MeasuredCases cases = HealthyTables(kTwo, {"all_gather"});
  ASSERT_EQ(cases.tables[0].host.nic_ports, 2);
  for (MeasuredCase& point : cases.tables[0].points)
    point.measured_us = cases.models[point.model].Time(point.which, CollectiveConstants()).us;
  const auto diagnose = [&](int devices) {
    NcclSetup& setup = cases.entries[0].tables[0].setup = {};
    for (const char* const host : {"n1", "n2"}) {
      std::string line = std::string(host) + ":5:9 [0] NCCL INFO NET/IB : Using";
      for (int d = 0; d < devices; ++d) line += fmt::format(" [{}]mlx5_{}:1/IB", d, d);
      setup.AddLine(line);
    }
    return Diagnose(cases, 0, OwnCalibration());
  };
  EXPECT_TRUE(diagnose(2).stated.empty());
  EXPECT_TRUE(diagnose(2).ruled_out.empty());
  EXPECT_THAT(diagnose(4).ruled_out, testing::ElementsAre(Signature::kMissingRail));
  EXPECT_THAT(diagnose(1).stated, testing::ElementsAre(Signature::kMissingRail));
}

// A slow table of one point, 1.12 times as long: a missing rail that NCCL lists makes it a third
// longer, which is less likely than health. What is left is told apart by no more than chance, and
// is said to be.
TEST(Diagnose, MarksWhatIsAlikeOfTheCausesThatStay) {
  constexpr Machine kFour[] = {
      {"{ preset: hgx-h100, nics: 4, nic: 400Gbps, transport: ib }", 8, 4}};
  MeasuredCases cases = HealthyTables(kFour, {"all_gather"});
  std::vector<MeasuredCase>& points = cases.tables[0].points;
  points = {points.back()};
  points[0].measured_us =
      1.12 * cases.models[points[0].model].Time(points[0].which, CollectiveConstants()).us;
  cases.entries[0].tables[0].setup.AddLine(
      "n1:5:9 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [2]mlx5_2:1/IB");
  const Diagnosis got = Diagnose(cases, 0, OwnCalibration());
  EXPECT_EQ(got.verdict, Verdict::kSlow);
  EXPECT_THAT(got.stated, testing::ElementsAre(Signature::kMissingRail));
  ASSERT_GE(got.signatures.size(), 2u);
  for (const SignatureFit& fit : got.signatures) EXPECT_NE(fit.signature, Signature::kMissingRail);
  EXPECT_TRUE(got.signatures[1].alike);
}

// All-reduces over two hosts that take what is between half of the ports and NVLS off: the table is
// either's. The all-gather of the same run has no NVLS: where it is half as fast it is the NICs,
// where it is healthy it is not. That of another file says nothing.
TEST(Diagnose, OtherOperationsOfARunHaveTheirSay) {
  constexpr Machine kTwo[] = {{"hgx-h100", 8, 2}};
  MeasuredCases cases = HealthyTables(kTwo, {"all_reduce", "all_gather"});
  const Calibration calibration = *ReadCalibration("public", nullptr);
  BrokenTimes broken(cases, calibration.constants);
  const auto time = [&](const MeasuredCase& point, Signature fault) {
    return *broken.Time(point, cases.tables[0].host, fault);
  };
  for (CasesOfEntry& table : cases.tables)
    std::erase_if(table.points, [](const MeasuredCase& one) { return one.size < MiB(512); });
  for (MeasuredCase& point : cases.tables[0].points)
    point.measured_us =
        std::sqrt(time(point, Signature::kHalfPorts) * time(point, Signature::kNoNvls));
  for (MeasuredCase& point : cases.tables[1].points)
    point.measured_us = time(point, Signature::kHalfPorts);
  const auto named = [&] {
    std::vector<Signature> out;
    for (const SignatureFit& fit : Diagnose(cases, 0, calibration, broken).signatures)
      if (out.empty() || fit.alike) out.push_back(fit.signature);
    return out;
  };
  EXPECT_THAT(named(), testing::Contains(Signature::kHalfPorts));
  EXPECT_THAT(named(), testing::Contains(Signature::kNoNvls));
  cases.entries[1].file = cases.entries[0].file;
  EXPECT_THAT(named(), testing::ElementsAre(Signature::kHalfPorts, Signature::kSlowNic));
  for (MeasuredCase& point : cases.tables[1].points)
    point.measured_us = cases.models[point.model].Time(point.which, calibration.constants).us;
  EXPECT_THAT(named(), testing::ElementsAre(Signature::kNoNvls));
  // The healthy all-gather was over RDMA, this run over sockets: it is of another run.
  cases.entries[0].tables[0].setup.AddLine("n1:5:9 [0] NCCL INFO Using network Socket");
  EXPECT_THAT(named(), testing::Contains(Signature::kNoNvls));
  cases.entries[1].tables[0].setup.AddLine("n1:5:9 [0] NCCL INFO Using network IB");
  EXPECT_THAT(named(), testing::Contains(Signature::kHalfPorts));
}

// One of a file's two sizes of machine is slow: the file is.
TEST(Diagnose, JudgesEveryNumberOfRanksOfAFile) {
  std::vector<TableEntry> entries(1);
  entries[0].name = "a";
  entries[0].host = "hgx-h100";
  for (const int ranks : {4, 8}) {
    MeasuredTable& table = entries[0].tables.emplace_back();
    table.op = "all_gather";
    table.ranks = ranks;
    table.hosts = 1;
    for (int size = ranks == 4 ? 1 : 64; size <= 1024; size *= 2)
      table.points.push_back({MiB(size), SimDuration(1), std::nullopt, size});
  }
  MeasuredCases cases = *PrepareCases(entries);
  for (MeasuredCase& point : cases.tables[0].points)
    point.measured_us = (point.which.ranks == 8 ? 1.5 : 1) *
                        cases.models[point.model].Time(point.which, CollectiveConstants()).us;
  const Diagnosis got = Diagnose(cases, 0, OwnCalibration());
  EXPECT_EQ(got.verdict, Verdict::kDegraded);
  EXPECT_EQ(got.ranks, 8);
  EXPECT_EQ(got.from, MiB(64));
}

}  // namespace
}  // namespace weft
