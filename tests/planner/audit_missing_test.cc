// Kinds of parts that a bill lists nothing of.
#include "tests/planner/audits.h"

namespace weft {
namespace {

// A bill of part of a cluster is no worse for what it does not list.
TEST(AuditMissing, SaysNothingOfTheRestOfAPart) {
  const char* parts[] = {
      "h800,5056,accelerator\nneed,5000PFLOPS,\n",
      "hgx-h100,256,host\n48U/45kW,80,rack\nit_power,3MW,\n",
      "h100,2048,accelerator\n400G,2048,nic\n",
      "qm9700,64,leaf\nqm9700,32,spine\n",
      "qm9700,64,leaf\nqm9700,32,spine\n2x400G DR4 OSFP,4096,optic\n",
      "400G AOC 20m,2048,host_cable\n400G AOC 30m,2048,isl_cable\n",
      "h100,2048,accelerator\n64x400G,64,leaf\n64x400G,32,spine\n",
      "hgx-h100,256,host\n64x400G,64,leaf\n64x400G,32,spine\n400G AOC,2048,host_cable\n"
      "400G AOC,2048,isl_cable\n",
      // One host needs no network, whatever cables lie beside it.
      "hgx-h100,1,host\nh100,8,accelerator\n400G DAC,8,host_cable\n",
  };
  for (const char* part : parts) EXPECT_EQ(Said(part), "") << part;
}

// What is listed is of no use without what is not.
TEST(AuditMissing, FindsWhatIsImplied) {
  const std::string hosts = "hgx-h100,256,host\n";
  EXPECT_EQ(Said(hosts + "400G AOC,2048,host_cable\n"),
            "missing_switches: 2048 NIC ports, 0 switches; needs 96 switches of 64 ports of 400 "
            "Gbps, in 2 tiers\n");
  EXPECT_EQ(Said("h100,16384,accelerator\ntiers,3,\n"),
            "missing_switches: 16384 NIC ports, 0 switches; needs 1280 switches of 64 ports of 400 "
            "Gbps, in 3 tiers\n");
  EXPECT_EQ(Said("h800,1024,accelerator\n2x200G,1024,nic\nplanes,2,\n"),
            "missing_switches: 2048 NIC ports, 0 switches; needs 96 switches of 64 ports of 200 "
            "Gbps, in 2 tiers\n");
  EXPECT_EQ(Said("h100,2048,accelerator\n64x400G,32,spine\n"),
            "missing_leaves: 32 switches, none of them a leaf, for 2048 endpoints; needs "
            "64 leaves of "
            "such switches\n");
  // Leaves for 1:1, too few cables or not, unless another ratio is said.
  const std::string spines = "h100,1024,accelerator\n64x400G,16,spine\nAOC,1024,host_cable\n";
  for (const char* cables : {"", "400G AOC,512,isl_cable\n", "oversubscription,1,\n"})
    EXPECT_EQ(Said(spines + cables),
              "missing_leaves: 16 switches, none of them a leaf, for 1024 endpoints; needs "
              "32 leaves "
              "of such switches\n");
  EXPECT_THAT(Said(spines + "400G AOC,512,isl_cable\noversubscription,2,\n"),
              testing::HasSubstr("needs 25 leaves of such switches\n"));
  EXPECT_EQ(Said("h100,1024,accelerator\n64x400G,32,leaf\n64x400G,16,spine\n"
                 "400G-DR4,4096,optic\n"),
            "missing_cables: optics for 4096 ends of fibre, 0 cables; needs 2048 fibres, of two "
            "ends each\n");
  const std::string all =
      "h100,1024,accelerator\n64x400G,32,leaf\n64x400G,16,spine\nAOC,1024,host_cable\n"
      "AOC,1024,isl_cable\n48U,40,rack\n";
  EXPECT_EQ(Said(all), "missing_hosts: 1024 accelerators, 0 hosts; needs 128 hosts of 8 h100\n");
  EXPECT_EQ(Said(all + "scope,part,\n"), "");
  for (const Finding& one : Audit(all)) {
    EXPECT_EQ(one.severity, Finding::Severity::kWarning);
    EXPECT_EQ(one.line, 1);
  }
}

// Of spines that send a seventh to the cores no more cables are missing than that.
TEST(AuditMissing, CountsCablesAtTheRatioOfSpinesThatIsSaid) {
  EXPECT_THAT(Said("hgx-h100,2048,host\n64x400G,512,leaf\n64x400G,293,spine\n64x400G,37,core\n"
                   "tiers,3,\nspine_oversubscription,7,\nscope,whole,\n"),
              testing::HasSubstr("needs 16384 cables to NIC ports and 18725 between switches\n"));
}

// Accelerators of two kinds lie in two hosts, be they few enough for one.
TEST(AuditMissing, PutsEveryKindIntoHostsOfItsOwn) {
  EXPECT_EQ(Rules("h100,8,accelerator\n400G DAC,8,host_cable\n"), "");
  EXPECT_EQ(Rules("h100,4,accelerator\nh100,4,accelerator\n400G DAC,8,host_cable\n"), "");
  EXPECT_EQ(Rules("h20,0,accelerator\nh100,4,accelerator\n400G DAC,4,host_cable\n"), "quantity?");
  EXPECT_EQ(
      Said("h100,4,accelerator\nh20,4,accelerator\n400G DAC,8,host_cable\n"),
      "missing_switches: 8 NIC ports, 0 switches; needs 1 switch of 64 ports of 400 Gbps, in 1 "
      "tier\n");
}

// A bill that claims to be whole is held to it, kind by kind, until it is.
TEST(AuditMissing, HoldsABillToItsClaim) {
  std::string bill = "scope,whole,\n";
  EXPECT_EQ(Rules(bill), "missing_accelerators?");
  bill += "h100,1024,accelerator\nh20,8,accelerator\n";
  EXPECT_EQ(Said(bill),
            "missing_hosts: 1032 accelerators, 0 hosts; needs 128 hosts of 8 h100 and 1 host of 8 "
            "h20\nmissing_switches: 1032 NIC ports, 0 switches; needs 50 switches of 64 ports of "
            "400 Gbps, in 2 tiers\n");
  bill += "hgx-h100,128,host\nhgx-h20,1,host\n";
  EXPECT_EQ(Said(bill + "rack_power,45kW,\n"),
            "missing_switches: 1032 NIC ports, 0 switches; needs 50 switches of 64 ports of 400 "
            "Gbps, in 2 tiers\nmissing_racks: 1032 units of hosts and switches, 0 racks; needs 33 "
            "racks of 48 units and 45 kW\n");
  bill += "qm9700,33,leaf\nqm9700,32,spine\n";
  EXPECT_EQ(Rules(bill), "missing_cables? missing_racks?");
  EXPECT_THAT(Said(bill), testing::HasSubstr("missing_cables: 1032 NIC ports and 65 switches, 0 "
                                             "cables; needs 1032 cables to NIC ports and 1032 "
                                             "between switches"));
  bill += "400G,1032,host_cable\n400G,1056,isl_cable\n";
  EXPECT_THAT(Said(bill), testing::HasSubstr("missing_optics: 2088 cables that do not say of what "
                                             "they are, 0 optics; needs optics for 4176 ends"));
  bill += "400G-DR4/OSFP,4176,optic\n48U,30,rack\n";
  EXPECT_EQ(Said(bill), "");
}

}  // namespace
}  // namespace weft
