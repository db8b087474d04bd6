#include "topology/formats/cabling_csv.h"

#include <sstream>

#include "tests/topology/cabling_plans.h"

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
            "b_breakout,b_lanes,b_rack,b_unit,rate,medium,part,a_optic,b_optic,assembly,length_m,"
            "status\n"
            "0,host0,host0/nic0/port0,0,1x400Gbps,0-3,0,1,leaf0,leaf0/host0/nic0,0,"
            "2x400Gbps,0-3,0,47,400Gbps,dac,DAC 100G lanes,,,0,1.5,planned\n"
            "1,host1,host1/nic0/port0,0,1x400Gbps,0-3,0,2,leaf0,leaf0/host1/nic0,0,"
            "2x400Gbps,4-7,0,47,400Gbps,dac,DAC 100G lanes,,,0,1.5,planned\n"
            "2,leaf0,leaf0/spine0,1,2x400Gbps,0-3,0,47,spine0,spine0/leaf0,0,2x400Gbps,0-3,1,47,"
            "400Gbps,multimode,,2x400G SR4 OSFP,2x400G SR4 OSFP,1,40,planned\n");
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

}  // namespace
}  // namespace weft
