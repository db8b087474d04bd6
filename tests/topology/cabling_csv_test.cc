#include "topology/formats/cabling_csv.h"

#include <sstream>

#include "tests/topology/cabling_plans.h"
#include "topology/formats/against.h"
#include "topology/formats/format.h"

namespace weft {
namespace {

std::vector<std::vector<std::string>> Rows(const std::string& text) {
  std::vector<std::vector<std::string>> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line + ',');
    out.emplace_back();
    for (std::string cell; std::getline(cells, cell, ',');) out.back().push_back(cell);
  }
  return out;
}

TEST(CablingCsv, WritesOneRowACable) {
  const Planned p = MakePlan(
      "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 400Gbps, "
      "host: { preset: one-gpu }, switch: { preset: sn5600 } }",
      "{ host_length: 1.5m, switch_length: 40m }");
  EXPECT_EQ(CablingCsv(p.fabric, p.parts, p.plan),
            "cable,a_device,a_port,a_cage,a_breakout,a_lanes,a_rack,a_unit,b_device,b_port,b_cage,"
            "b_breakout,b_lanes,b_rack,b_unit,rate,medium,part,a_optic,b_optic,assembly,bundle,"
            "plane,rail,length_m,status\n"
            "0,host0,host0/nic0/port0,0,1x400Gbps,0-3,0,1,leaf0,leaf0/host0/nic0,0,"
            "2x400Gbps,0-3,0,47,400Gbps,dac,DAC 100G lanes,,,0,0,0,0,1.5,planned\n"
            "1,host1,host1/nic0/port0,0,1x400Gbps,0-3,0,2,leaf0,leaf0/host1/nic0,0,"
            "2x400Gbps,4-7,0,47,400Gbps,dac,DAC 100G lanes,,,0,0,0,0,1.5,planned\n"
            "2,leaf0,leaf0/spine0,1,2x400Gbps,0-3,0,47,spine0,spine0/leaf0,0,2x400Gbps,0-3,1,47,"
            "400Gbps,multimode,fibre,2x400G SR4 OSFP,2x400G SR4 OSFP,1,1,0,,40,planned\n");
}

// What is read back is the plan: names lead to the same links, lanes to the same ports.
TEST(CablingCsv, NamesEveryCableOfRandomFabrics) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    const Planned p = MakePlan(RandomFabricText(seed));
    const auto rows = Rows(CablingCsv(p.fabric, p.parts, p.plan));
    ASSERT_EQ(rows.size(), p.plan.cables.size() + 1);
    for (std::size_t c = 0; c < p.plan.cables.size(); ++c) {
      const std::vector<std::string>& row = rows[c + 1];
      ASSERT_EQ(row.size(), rows[0].size());
      const auto a = p.fabric.FindElement(row[2]), b = p.fabric.FindElement(row[9]);
      ASSERT_TRUE(a && b) << row[2] << ' ' << row[9];
      EXPECT_EQ(a->kind, ElementId::Kind::kCable);
      const Link& link = p.fabric.link(p.plan.cables[c].link);
      EXPECT_TRUE(a->id == Index(p.plan.cables[c].link) || a->id == Index(link.reverse));
      EXPECT_TRUE(b->id == Index(p.plan.cables[c].link) || b->id == Index(link.reverse));
    }
  }
}

// A plan written as CSV and read back is what was planned, cable for cable; a row taken out, or
// slowed, is found.
TEST(ReadCabling, ReadsBackWhatWasPlanned) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed << ' ' << RandomFabricText(seed));
    const Planned p = MakePlan(RandomFabricText(seed));
    const std::string text = CablingCsv(p.fabric, p.parts, p.plan);
    EXPECT_EQ(RecognizeFormat(text), FindFormat("cabling"));
    const Result<Wiring> read = ReadCabling({text, "cables.csv", {}});
    ASSERT_TRUE(read) << TextOf(read.error());
    const Wiring plan = MakeWiring(p.fabric, p.spec.message, nullptr);
    EXPECT_TRUE(CompareWirings(plan, *read).list.empty());
    Wiring fewer = *read;
    fewer.cables.pop_back();
    const WiringDifferences lost = CompareWirings(plan, fewer);
    ASSERT_EQ(lost.list.size(), 1u);
    EXPECT_EQ(lost.list[0].kind, CableDifference::Kind::kMissing);
  }
}

TEST(ReadCabling, SaysWhereAFileIsWrong) {
  const auto errors = [](const std::string& text) {
    const Result<Wiring> wiring = ReadCabling({text, "c.csv", {}});
    return wiring ? "no error" : TextOf(wiring.error());
  };
  const std::string header = "a_device,a_port,a_cage,b_device,b_port,rate,plane,status\n";
  EXPECT_THAT(errors("a_device,a_cage,rate\n"), testing::HasSubstr("no a_port, b_device, b_port"));
  EXPECT_THAT(errors(header), testing::HasSubstr("c.csv:1:1: error: no cable follows"));
  EXPECT_THAT(errors(header + "h0,h0/nic0/port0,0,l0\n"),
              testing::HasSubstr("c.csv:2:1: error: a row of 4 cells"));
  EXPECT_THAT(errors(header + "h0,h0/nicx,0,l0,l0/h0,400Gbps,0,planned\n"),
              testing::HasSubstr("c.csv:2:4: error: 'nicx' is no port of a host"));
  EXPECT_THAT(errors(header + "h0,h0/nic0/port0,0,l0,l0/h0,400,0,planned\n"),
              testing::HasSubstr("c.csv:2:29: error"));
  EXPECT_THAT(errors(header + "h0,h0/nic0/port0,0,l0,l0/h0,400Gbps,x,planned\n"),
              testing::HasSubstr("'x' is no plane"));
}

// Lanes, breakout and medium stand in the csv format where there is a plan.
TEST(AddCabling, FillsTheCsvOfAPlan) {
  const Planned p = MakePlan(
      "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 1, link: 400Gbps, "
      "host: { preset: one-gpu }, switch: { preset: sn5600 } }",
      "{ host_length: 1.5m, switch_length: 40m }");
  Wiring wiring = MakeWiring(p.fabric, p.spec.message, nullptr);
  AddCabling(p.fabric, p.plan, wiring);
  const std::string text = WriteCsv(wiring);
  EXPECT_THAT(text, testing::HasSubstr(",400Gbps,4,2x,dac,"));
  EXPECT_THAT(text, testing::HasSubstr(",400Gbps,4,2x,multimode,"));
  EXPECT_TRUE(ReadCsv({text, "c.csv", {}}));
}

}  // namespace
}  // namespace weft
