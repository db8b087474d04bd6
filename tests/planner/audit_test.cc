#include "planner/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/random.h"
#include "tests/base/error_list.h"
#include "tests/planner/audits.h"

namespace weft {
namespace {

// The public price sheet's 768 switches of 64 ports for 16,384 GPUs [CTO-SHEET]: ports suffice
// for two tiers, but two tiers of 64 ports end at 2,048 endpoints.
TEST(Audit, FindsTwoTiersThatCannotReach) {
  const std::string bill = "part,quantity,role\nh100,16384,accelerator\n64x400G,768,switch\n";
  const std::string expected =
      "reach: 16384 endpoints a plane in 2 tiers, 768 switches; needs 1280 switches in three tiers "
      "| 1280 switches in three tiers | 8 planes of two tiers, 768 switches, a NIC of each host or "
      "a port of each NIC in each plane | at most 2048 endpoints a plane\n";
  EXPECT_EQ(Said(bill + "tiers,2,\n"), expected);
  EXPECT_EQ(Said(bill), expected);  // three tiers would take more than there are
  EXPECT_EQ(Rules(bill + "planes,8,\n"), "");
  EXPECT_EQ(Rules("h100,16384,accelerator\n64x400G,1280,switch\ntiers,3,\n"), "");
  EXPECT_EQ(Rules("h100,16384,accelerator\n64x400G,512,leaf\n64x400G,256,spine\n"), "reach");
  EXPECT_EQ(Rules("h100,16384,accelerator\n64x400G,1000,switch\ntiers,3,\n"), "switch_ports");
}

// Cables of one kind alone; a bill without any says nothing of them.
TEST(Audit, MissesCablesOfOneKind) {
  const std::string bill = "h100,1024,accelerator\n64x400G,32,leaf\n64x400G,16,spine\n";
  const std::string host = "AOC 400G,1024,host_cable\n", isl = "AOC 400G,1024,isl_cable\n";
  EXPECT_EQ(Rules(bill + host + isl), "");
  EXPECT_EQ(Rules(bill), "");
  EXPECT_EQ(
      Said(bill + host),
      "switch_cables: 16 spines and no cables to spines; needs 1024 cables between switches\n");
  EXPECT_EQ(
      Said(bill + isl),
      "host_cables: 1024 cables between switches, none to NIC ports; needs 1024 cables to NIC "
      "ports\n");
}

// What published designs buy: nothing to find.
TEST(Audit, FindsNothingInPublishedDesigns) {
  // A DGX SuperPOD of four units [NV-SPB200].
  EXPECT_EQ(Said("hgx-b200,128,host\nb200,1024,accelerator\nqm9700,32,leaf\nqm9700,16,spine\n"
                 "MPO fibre 400G,1024,host_cable\nMPO fibre 400G,1024,isl_cable\n"
                 "2x400G DR4 OSFP,2048,optic\n"),
            "");
  EXPECT_EQ(Said("b200,8192,accelerator\nqm9700,256,leaf\nqm9700,256,spine\nqm9700,128,core\n"),
            "");
  // An HPN pod [QXC+24 Fig. 7].
  EXPECT_EQ(Said("h800,15360,accelerator\n2x200G,15360,nic\n51.2T,240,leaf\n51.2T,120,spine\n"
                 "200G,136,down\n400G,60,up\nplanes,2,\n400G AOC,14400,isl_cable\n"
                 "200G AOC,30720,host_cable\n"),
            "");
  // [NV-SPB300E]: two planes of 400G.
  EXPECT_EQ(Said("b300,4096,accelerator\n2x400G,4096,nic\nsn5600,128,leaf\nsn5600,64,spine\n"
                 "planes,2,\n"),
            "");
}

TEST(Audit, FindsWhatDesignToolsGotWrong) {
  // 200 cables on 4 x 36 ports.
  EXPECT_EQ(Rules("h100,200,accelerator\n36x100G,12,leaf\n36x100G,4,spine\nfibre,200,isl_cable\n"
                  "100G,200,nic\nDAC 100G,200,host_cable\n100G-SR4,400,optic\n"),
            "spine_ports uneven_spines?");
  // 56 spines where 8 do.
  EXPECT_EQ(Rules("h100,512,accelerator\n64x400G,16,leaf\n64x400G,56,spine\n"),
            "uneven_spines? excess_spines?");
  // Optics of 400G for cages of QSFP28.
  EXPECT_EQ(Rules("h100,36,accelerator\n100G,36,nic\n36x100G/QSFP28,1,leaf\n"
                  "fibre,36,host_cable\n400G-DR4/QSFP-DD,72,optic\n"),
            "cages");
  // 2,048 GPUs in two racks, and servers of 6.5 kW.
  EXPECT_EQ(Rules("8xh100,256,host\n64x400G,96,switch\n42U,2,rack\nrack_power,40kW,\n"
                  "it_power,1.664MW,\n"),
            "rack_power rack_units it_power");
  // Three hosts of 10.2 kW a rack of 40: 86 racks.
  EXPECT_EQ(Rules("8xh100,256,host\n64x400G,96,switch\n42U,86,rack\nrack_power,40kW,\n"), "");
  EXPECT_EQ(Rules("8xh100,256,host\n64x400G,96,switch\n42U,85,rack\nrack_power,40kW,\n"),
            "rack_power");
  EXPECT_EQ(Rules("h100,2048,accelerator\n8xh100,128,host\n"), "gpus_per_host");
  // 136 x 200G + 64 x 400G are 52.8T.
  EXPECT_EQ(Rules("h800,15360,accelerator\n2x200G,15360,nic\n51.2T,240,leaf\n51.2T,120,spine\n"
                  "200G,136,down\n400G,64,up\nplanes,2,\n"),
            "uneven_spines? port_sum");
  EXPECT_EQ(Rules("h100,64,accelerator\n64x400G,4,leaf\n64x400G,2,spine\nfibre,64,host_cable\n"
                  "fibre,64,isl_cable\n400G-DR4,128,optic\n"),
            "optics");
}

struct ForeignBill {
  const char *rules, *text;  // "reach uneven_spines?"; "" of one that can be built
};

// Bills as others write them, in their words and parts: nothing is wrong with them.
TEST(Audit, FindsNothingInForeignBillsThatCanBeBuilt) {
  const char* bills[] = {
      // Twin-port optics, names with spaces.
      "NVIDIA H100 SXM,2048,accelerator\nDGX H100,256,host\nqm9700,64,leaf\nqm9700,32,spine\n"
      "MPO12 SMF 400G,2048,host_cable\nMPO12 SMF 400G,2048,isl_cable\n"
      "2x400G-DR4/OSFP,4096,optic\n",
      "h100,16384,accelerator\n64x400G,512,leaf\n64x400G,512,spine\n64x400G,256,core\n"
      "fibre,16384,host_cable\nfibre,32768,isl_cable\n400G-DR4,98304,optic\n",
      // Leaves of 3:1, copper to hosts.
      "h100,1536,accelerator\n64x400G,32,leaf\n64x400G,8,spine\noversubscription,3,\n400G,48,down\n"
      "400G,16,up\nfibre,512,isl_cable\n400G DAC,1536,host_cable\n400G-DR4,1024,optic\n",
      // Two HPN pods: 15:1 is the Aggs', the leaves say their own ports.
      "h800,30720,accelerator\n2x200G,30720,nic\n51.2T,480,leaf\n51.2T,240,spine\n51.2T,64,core\n"
      "200G,136,down\n400G,60,up\nplanes,2,\ntiers,3,\noversubscription,15,\n",
      // Supernodes, a rail a plane, spare ports for a fabric manager.
      "ascend-910c,6912,accelerator\ncm384,18,host\n51.2T,56,leaf\n51.2T,32,spine\n"
      "200G,6912,nic\nneed,5000PFLOPS,\nbasis,dense,\n",
      "h100,2048,accelerator\n64x400G,64,leaf\n64x400G,32,spine\nplanes,8,\n",
      "hgx-h100,31,host\nh100,248,accelerator\nqm9700,8,leaf\nqm9700,4,spine\n"
      "400G fibre,252,host_cable\n400G fibre,256,isl_cable\n2x400G DR4 OSFP,508,optic\n",
      "gb200-nvl72,64,host\ngb200,4608,accelerator\nqm9700,256,leaf\nqm9700,192,spine\n"
      "qm9700,72,core\ntiers,3,\n",
      // Uplinks of 800G in one DR8 an end, and DR8 split over two hosts.
      "h100,2048,accelerator\n51.2T,32,leaf\n51.2T,16,spine\n400G,64,down\n800G,32,up\n"
      "fibre 400G,2048,host_cable\nfibre 800G,1024,isl_cable\n400G-DR4/QSFP112,2048,optic\n"
      "800G-DR8/OSFP,3072,optic\n",
      // Two kinds of accelerators; a NIC of each host that faces users.
      "h800,4000,accelerator\nh20,1024,accelerator\nhgx-h800,500,host\nhgx-h20,128,host\n"
      "need,4107PFLOPS,\n",
      "h100,2048,accelerator\n400G,2048,nic\n200G,256,nic\nhgx-h100,256,host\n64x400G,64,leaf\n"
      "64x400G,32,spine\n",
      "8xh100/10.2kW,256,host\n64x400G,96,switch\n48U,64,rack\nrack_power,45kW,\nit_power,3MW,\n",
      "pcie-a100,600,host\nqm8700,40,leaf\nqm8700,20,spine\n200G,600,nic\n",
      // Excel's byte-order mark.
      "\xEF\xBB\xBFpart,quantity,role\nh100,2048,accelerator\n64x400G,64,leaf\n64x400G,32,spine\n",
      // A twin plug of eight lanes is two ends of 400G, in a box of 32 OSFP cages.
      "h100,512,accelerator\n64x400G/OSFP,16,leaf\n64x400G/OSFP,8,spine\nfibre,512,host_cable\n"
      "fibre,512,isl_cable\n400G-DR4/QSFP112,512,optic\n800G-DR8/OSFP,768,optic\n",
      // Twin-port plugs: a cable of 800G between ports of 400G is two links, at hosts too.
      "h100,512,accelerator\n64x400G,16,leaf\n64x400G,8,spine\n400G DAC 3m,512,host_cable\n"
      "800G AOC 30m,256,isl_cable\n",
      "h100,512,accelerator\n64x400G,16,leaf\n64x400G,8,spine\n800G DAC 2m,256,host_cable\n"
      "800G AOC 30m,256,isl_cable\n",
      "h100,512,accelerator\n400G,512,nic\nqm9700,16,leaf\nqm9700,8,spine\n"
      "800G 2x400G copper 2m,256,host_cable\n2x400G AOC 30m,256,isl_cable\n",
      "h100,512,accelerator\n64x400G/OSFP,16,leaf\n64x400G/OSFP,8,spine\n"
      "800G fibre,256,host_cable\n800G fibre,256,isl_cable\n800G-DR8/OSFP,768,optic\n"
      "400G-DR4/QSFP112,512,optic\n",
      // Two kinds of rack, the weaker one named first.
      "8xh100/10.2kW,64,host\n64x400G,24,switch\n48U/10kW,4,rack\n48U/45kW,20,rack\n",
  };
  for (const char* bill : bills) EXPECT_EQ(Said(bill), "") << bill;
}

// The rules that a bill breaks, each said in numbers.
void ExpectRules(const ForeignBill& bill) {
  const auto has_number = [](const std::string& text) {
    return text.find_first_of("0123456789") != std::string::npos;
  };
  EXPECT_EQ(Rules(bill.text), bill.rules) << bill.text << Said(bill.text);
  for (const Finding& one : Audit(bill.text)) {
    EXPECT_TRUE(has_number(one.said) && (has_number(one.needs) || one.rule == "optics"))
        << one.said << one.needs;
    EXPECT_GT(one.line, 0) << bill.text;
  }
}

// One fault each, of the kinds that design tools and people make; all said in numbers.
TEST(Audit, FindsTheFaultOfForeignBills) {
  const ForeignBill bills[] = {
      {"spine_ports uneven_spines?", "h100,2048,accelerator\n64x400G,64,leaf\n64x400G,14,spine\n"},
      {"cable_length",
       "h100,512,accelerator\n64x400G,16,leaf\n64x400G,8,spine\n"
       "400G DAC 10m,512,host_cable\n400G AOC 30m,512,isl_cable\n"},
      {"cable_length cable_length",
       "800G twinax 3.5 m,64,host_cable\n400G AEC 9m,64,isl_cable\n100G DAC 5m,64,cable\n"
       "400G DAC 3m,64,cable\n400G AEC 7m,64,cable\n"},
      {"optics?",
       "h100,512,accelerator\n64x400G,16,leaf\n64x400G,8,spine\n"
       "400G DAC,512,host_cable\n400G AOC,512,isl_cable\n400G-DR4,1024,optic\n"},
      {"optics",
       "h100,512,accelerator\n64x400G,16,leaf\n64x400G,8,spine\nfibre,512,host_cable\n"
       "fibre,512,isl_cable\n400G-DR4,1024,optic\n"},
      {"gpus_per_host", "h100,2048,accelerator\nhgx-h100,128,host\n64x400G,96,switch\n"},
      {"gpus_per_host", "h800,2048,accelerator\nhgx-h100,256,host\n"},
      {"gpus_per_host",
       "h800,4000,accelerator\nh20,1024,accelerator\nhgx-h800,500,host\n"
       "hgx-h20,100,host\n"},
      {"rack_power rack_units",
       "hgx-h100,256,host\n64x400G,96,switch\n42U,44,rack\nrack_power,40kW,\n"},
      {"rack_units", "8xh100,256,host\n64x400G,96,switch\nrack,2,rack\n"},
      {"host_power", "8xh100/6.5kW,256,host\n64x400G,96,switch\nit_power,1.8MW,\n"},
      {"rack_power", "hgx-b200,32,host\nrack_power,12kW,\n48U,40,rack\n"},
      {"leaf_ports", "h100,2048,accelerator\n64x400G,32,leaf\n64x400G,32,spine\n"},
      {"reach",
       "h100,98304,accelerator\n64x400G,3072,leaf\n64x400G,3072,spine\n64x400G,1536,core\n"},
      {"reach", "h100,16384,accelerator\n64x400G,512,leaf\n64x400G,256,spine\nplanes,4,\n"},
      {"reach", "h100,16384,accelerator\n128x400G,256,leaf\n128x400G,128,spine\ntiers,2,\n"},
      {"reach", "h100,128,accelerator\n64x400G,2,switch\ntiers,1,\n"},
      {"cages",
       "h100,512,accelerator\n64x400G/QSFP-DD,16,leaf\n64x400G/QSFP-DD,8,spine\n"
       "fibre,512,host_cable\nfibre,512,isl_cable\n400G-DR4/OSFP,2048,optic\n"},
      {"uneven_spines? excess_spines?",
       "h100,1024,accelerator\n64x400G,32,leaf\n64x400G,24,spine\n"},
      {"excess_spines?",
       "h100,16384,accelerator\n64x400G,512,leaf\n64x400G,1100,spine\n64x400G,256,core\n"},
      {"port_rate", "b300,512,accelerator\n800G,512,nic\n64x400G,16,leaf\n64x400G,8,spine\n"},
      {"switch_cables",
       "h100,2048,accelerator\n64x400G,64,leaf\n64x400G,32,spine\n"
       "fibre,2048,host_cable\nfibre,1024,isl_cable\noversubscription,1,\n"
       "400G-DR4,6144,optic\n"},
      // Three tiers whose spines have no port left for a core.
      {"spine_ports",
       "h100,16384,accelerator\n64x400G,512,leaf\n64x400G,256,spine\n64x400G,256,core\n"},
      {"core_ports",
       "h100,16384,accelerator\n64x400G,512,leaf\n64x400G,512,spine\n64x400G,128,core\n"},
      // Whatever the last row is, each accelerator brings its own rate.
      {"need", "h20,1000,accelerator\nh800,2000,accelerator\nneed,5000PFLOPS,\n"},
      {"basis", "h800,2000,accelerator\nh20,3000,accelerator\nneed,3500PFLOPS,\n"},
      {"dtype", "h800,5056,accelerator\nneed,5000POPS,\ndtype,bf16,\n"},
      {"basis", "ascend-910b2,6656,accelerator\nneed,5000PFLOPS,\nbasis,sparse,\n"},
  };
  for (const ForeignBill& bill : bills) ExpectRules(bill);
}

// Cables that are too long for what they are, or too many for the leaves.
TEST(Audit, FindsTheFaultOfCables) {
  const ForeignBill bills[] = {
      // Without a rate of its own a cable runs at that of the ports it joins.
      {"cable_length cable_length",
       "h100,512,accelerator\n64x400G,16,leaf\n64x400G,8,spine\n"
       "DAC 5M,512,host_cable\nAOC 130m,512,isl_cable\n"},
      {"cable_length cable_length",
       "400G ACC 6m,64,host_cable\n400G active DAC 6m,64,host_cable\n400G ACC 5m,64,cable\n"
       "400G active DAC 5m,64,cable\n"},
      // More ends than the leaves have ports, the spines' sufficing.
      {"leaf_ports",
       "h100,1024,accelerator\n64x400G,32,leaf\n64x400G,32,spine\n400G AOC 20m,1024,host_cable\n"
       "400G AOC 30m,1500,isl_cable\n"},
      {"leaf_ports uneven_spines?",
       "h100,128,accelerator\n64x400G,4,leaf\n64x400G,4,spine\n400G AOC 20m,128,host_cable\n"
       "400G AOC 30m,200,isl_cable\n"},
      {"leaf_ports",
       "h100,1024,accelerator\n64x400G,32,leaf\n64x400G,32,spine\n400G AOC 20m,1024,host_cable\n"
       "800G AOC 30m,750,isl_cable\n"},
  };
  for (const ForeignBill& bill : bills) ExpectRules(bill);
}

// What is at hand and what is needed, in numbers that add up.
TEST(Audit, CountsTheEndsOfCablesAtLeaves) {
  EXPECT_EQ(Said("h100,1024,accelerator\n64x400G,32,leaf\n64x400G,32,spine\n"
                 "400G AOC 20m,1024,host_cable\n400G AOC 30m,1500,isl_cable\n"),
            "leaf_ports: 32 leaves of 819.2 Tbps in all; needs 1009.6 Tbps, 40 leaves, for 1024 "
            "endpoints and 1500 cables between switches | at most 1024 cables between switches\n");
  EXPECT_EQ(Said("h100,1024,accelerator\n64x400G,32,leaf\n64x400G,16,spine\n"
                 "400G AOC 20m,1024,host_cable\n400G AOC 30m,1024,isl_cable\n"),
            "");
}

// Rates of lanes are not the cable's; cables of a NIC's ports say how many it has.
TEST(Audit, ReadsTheNamesOfAPlansOwnParts) {
  EXPECT_EQ(Said("h100,1024,accelerator\n64x400G,32,leaf\n64x400G,16,spine\n"
                 "AEC 100G lanes,1024,host_cable\nACC 100G lanes,500,isl_cable\n"
                 "aec-112g,524,isl_cable\n"),
            "");
  EXPECT_EQ(Rules("h100,1024,accelerator\n64x400G,32,leaf\n64x400G,16,spine\n"
                  "AEC 100G lanes,1023,host_cable\nAOC 100G-lanes,1024,isl_cable\n"),
            "host_cables");
}

// 44 leaves of 25 uplinks, cabled by split cables of which 12 legs lie unused: they ask for no port
// of a spine, now or grown. That 25 fall unevenly on six spines stays said.
TEST(Audit, AsksNoPortsForLegsThatLieUnused) {
  const std::string bill =
      "gh200,1070,accelerator\n4x50G,1070,nic\nqm9700,44,leaf\nqm9700,24,spine\n"
      "AEC 100G lanes,4280,host_cable\nplanes,4,\ngrowth,3000,\n";
  EXPECT_EQ(Rules(bill + "ACC 200G,1112,isl_cable\n"), "uneven_spines?");
  EXPECT_EQ(Rules(bill + "ACC 200G,1144,isl_cable\n"), "spine_ports uneven_spines?");
}

// Two cables of half a NIC's rate reach two ports of it.
TEST(Audit, CountsTheCablesOfANicsPorts) {
  const std::string bill = "h800,1024,accelerator\n200G,1024,nic\n25.6T,16,leaf\n25.6T,8,spine\n";
  const std::string between = "AOC 200G,1024,isl_cable\n";
  EXPECT_EQ(Said(bill + between + "AOC 100G,2048,host_cable\n"), "");
  EXPECT_EQ(Rules(bill + between + "AOC 100G,2047,host_cable\n"), "host_cables");
}

// A plan's bom.csv: more columns, in another order; spares and networks beside are not counted.
TEST(Audit, ReadsColumnsByTheirNames) {
  const std::string bom =
      "part,kind,role,use,quantity,usd_low,usd_source\n"
      "hgx-h800,host,host,\"host, with 8 NICs of 400Gbps\",512,280000,\"a, b\"\n"
      "switch-51t2,switch,switch,tor,64,33333,\n"
      "switch-51t2,switch,switch,agg,30,33333,\n"
      "AOC 100G lanes,cable,isl_cable,\"between switches, 400Gbps\",3840,250,\n"
      "AOC 100G lanes,cable,host_cable,\"to hosts, 200Gbps of 2 a cage\",4096,250,\n"
      "rack,rack,rack,racks,160,2500,\n"
      "switch-25t6,switch,switch,frontend,12,16666,\n"
      "48-port management switch,switch,switch,out of band,8,2000,\n"
      "switch-51t2,switch,switch,spare: tor,1,33333,\n"
      "400G NIC,nic,nic,comes off: of the host as it is priced,-4096,1000,\n";
  EXPECT_EQ(Said(bom), "");
  EXPECT_EQ(Said(bom + "planes,2,\n"), "");
  // Half the leaves: two ports a NIC have no room.
  std::string few = bom;
  few.replace(few.find("tor,64"), 6, "tor,32");
  EXPECT_EQ(Rules(few), "leaf_ports");
  std::string short_of_cables = bom;
  short_of_cables.replace(short_of_cables.find("4096,250"), 4, "4000");
  EXPECT_EQ(Rules(short_of_cables), "host_cables");
  EXPECT_EQ(Rules("role,quantity,vendor,part\naccelerator,16384,NVIDIA,h100\n"
                  "switch,768,,64x400G\ntiers,2,,\n"),
            "reach");
  EXPECT_EQ(Said("part,qty,role\nh100,1024,accelerator\n64x400G,32,tor\n64x400G,16,agg\n"), "");
  EXPECT_EQ(Rules("h100,1024,accelerator\n64x400G,31,tor\n64x400G,16,agg\n"), "leaf_ports");
}

// A plan of rails alone: every leaf joins one NIC of each host.
TEST(Audit, TakesLeavesAloneForRails) {
  const std::string head =
      "part,role,use,quantity\nhgx-h100,host,\"host, with 8 NICs of 400Gbps\",64\n";
  EXPECT_EQ(Said(head + "switch-25t6,switch,leaf,8\n"), "");
  EXPECT_NE(Rules(head + "switch-25t6,switch,leaf,7\n"), "");
}

// Eight rails of 24,576 GPUs with two ports of 200G each: 6,144 endpoints a rail on leaves of 128
// ports down and spines of 128 ports. As one network that is beyond two tiers.
TEST(Audit, TakesRailsAsNetworksOfTheirOwn) {
  const auto bill = [](const std::string& rails, int spines) {
    return fmt::format(
        "part,role,use,quantity\nhgx-h100,host,\"host, with 8 NICs of 400Gbps\",3072\n"
        "switch-51t2,switch,\"leaf{}\",384\nswitch-51t2,switch,\"spine{}\",{}\n"
        "AOC 100G lanes,host_cable,\"to hosts, 200Gbps\",49152\n"
        "AOC 100G lanes,isl_cable,\"between switches, 400Gbps\",24576\n",
        rails, rails, spines);
  };
  EXPECT_EQ(Rules(bill("", 256)), "reach");
  EXPECT_EQ(Said(bill(", 8 rails", 256)), "");
  EXPECT_EQ(Said(bill("", 256) + "rails,,,8\n"), "");
  EXPECT_EQ(Rules(bill(", 7 rails", 256)).substr(0, 5), "rails");
  EXPECT_EQ(Rules(bill(", 8 rails", 252)), "uneven_spines?");
  EXPECT_NE(Rules(bill(", 8 rails", 184)).find("spine_ports"), std::string::npos);
  const std::string far = bill(", 8 rails", 256) + "tiers,,,1\n";
  EXPECT_THAT(Said(far), testing::HasSubstr("endpoints a rail in 1 tier"));
  EXPECT_THAT(Said(far), testing::Not(testing::HasSubstr("planes of two tiers")));
}

// A dragonfly of 8 groups of 68 routers for 16,384 GPUs: 8 (68 · 67 + 68 · 28) / 2 cables between
// routers, and 16,384 + 2 · 25,840 ports of 544 · 128.
TEST(Audit, AsksPortsAloneOfRouters) {
  const auto bill = [](int routers, int cables) {
    return fmt::format(
        "part,role,use,quantity\nhgx-h100,host,\"host, with 8 NICs of 400Gbps\",2048\n"
        "switch-51t2,switch,router,{}\nAOC 100G lanes,host_cable,\"to hosts, 400Gbps\",{}\n"
        "AOC 100G lanes,isl_cable,\"between switches, 400Gbps\",25840\n",
        routers, cables);
  };
  EXPECT_EQ(Said(bill(544, 16'384)), "");
  EXPECT_EQ(Said(bill(532, 16'384)), "");
  EXPECT_EQ(Said(bill(531, 16'384)),
            "switch_ports: 531 routers of 27187.2 Tbps in all; needs 27225.6 Tbps, 532 routers, "
            "for 16384 endpoints and 25840 cables between routers\n");
  EXPECT_EQ(Rules(bill(544, 16'383)), "host_cables");
}

// A twin plug may be one end of its whole rate.
TEST(Audit, TakesATwinPlugForOneEndOfAFastUplink) {
  const std::string bill =
      "b300,2048,accelerator\n2x400G,2048,nic\nsn5600,64,leaf\nsn5600,32,spine\nplanes,2,\n"
      "400G,64,down\n800G,32,up\nMPO fibre,4096,host_cable\nMPO fibre 800G,2048,isl_cable\n"
      "400G-DR4,8192,optic\n";
  EXPECT_EQ(Said(bill + "2x400G DR4 OSFP,4096,optic\n"), "");
  EXPECT_EQ(Rules(bill + "2x400G DR4 OSFP,8192,optic\n"), "optics?");
  // Where no link is slower two ends take two plugs.
  const std::string fast =
      "b300,512,accelerator\n64x800G,16,leaf\n64x800G,8,spine\n800G,512,nic\n"
      "fibre 800G,512,host_cable\nfibre 800G,512,isl_cable\n";
  EXPECT_EQ(Rules(fast + "2x400G DR4 OSFP,1024,optic\n"), "optics");
  EXPECT_EQ(Said(fast + "2x400G DR4 OSFP,2048,optic\n"), "");
}

// Places without an accelerator are spare hosts, or may be; accelerators without a place are none.
TEST(Audit, TellsSpareHostsFromTooFew) {
  EXPECT_EQ(Rules("h100,1096,accelerator\nhgx-h100,146,host\n"), "gpus_per_host?");
  EXPECT_EQ(Rules("h100,1096,accelerator\nhgx-h100,137,host\nhgx-h100,9,spare_host\n"), "");
  EXPECT_EQ(Rules("h100,1168,accelerator\nhgx-h100,137,host\nhgx-h100,9,spare_host\n"),
            "gpus_per_host");
  EXPECT_EQ(Rules("h800,1000,accelerator\nh20,1000,accelerator\nhgx-h800,126,host\n"
                  "hgx-h20,125,host\n"),
            "gpus_per_host?");
}

// Spines that wait for more accelerators are said to; then these must be within reach, too.
TEST(Audit, HoldsSpinesAgainstGrowth) {
  // 28 leaves of 32 uplinks fill 14 spines; 16 spread them, and no number of spines that the growth
  // takes, of which there are more than uplinks of a leaf.
  EXPECT_EQ(Said("h100,896,accelerator\n64x400G,28,leaf\n64x400G,15,spine\n"),
            "uneven_spines: 32 uplinks of a leaf over 15 spines; needs 16 spines, 14 at least | 16 "
            "spines\n");
  EXPECT_THAT(
      Said("h100,2048,accelerator\n64x400G,64,leaf\n64x400G,80,spine\ngrowth,4352,\n"),
      testing::StartsWith(
          "uneven_spines: 32 uplinks of a leaf over 80 spines; needs 68 spines at least, and no "
          "fewer uplinks of a leaf\n"
          "excess_spines: 80 spines; needs 68 spines have the ports | growth,N where they wait for "
          "more than 2048 accelerators\n"));
  const std::string bill = "h100,2048,accelerator\n64x400G,64,leaf\n64x400G,64,spine\nplanes,2,\n";
  EXPECT_EQ(Rules(bill), "excess_spines?");
  EXPECT_EQ(Said(bill + "growth,4096,\n"), "");
  EXPECT_EQ(Rules(bill + "growth,8192,\n"), "spine_ports reach");
  EXPECT_EQ(Rules("h100,2048,accelerator\n64x400G,64,leaf\n64x400G,32,spine\ngrowth,4096,\n"),
            "spine_ports reach");
}

// 47 leaves for 3,000 have 8 ports free, which those to come take first: 8,192 need 64 spines.
TEST(Audit, FillsLeavesBeforeItAddsSome) {
  const std::string bill =
      "h100,3000,accelerator\n51.2T,47,leaf\n51.2T,64,spine\nAOC,3000,host_cable\n"
      "AOC,3008,isl_cable\n";
  EXPECT_EQ(Said(bill + "growth,8192,\n"), "");
  EXPECT_EQ(Rules(bill + "growth,8256,\n"), "spine_ports reach");
}

// 220 leaves of 112 down and 16 up, the last half full: 3,520 cables to spines, and 512 above.
TEST(Audit, CountsTheUplinksOfLeavesThatAreHalfFull) {
  const auto bill = [](int cores) {
    return fmt::format(
        "h100,24576,accelerator\n51.2T,220,leaf\n51.2T,32,spine\n51.2T,{},core\n"
        "AOC,24576,host_cable\nAOC,4032,isl_cable\noversubscription,7,\n",
        cores);
  };
  EXPECT_EQ(Said(bill(4)), "");
  EXPECT_EQ(Rules(bill(3)), "core_ports");
}

TEST(Audit, SpeaksOfOneInTheSingular) {
  EXPECT_EQ(Said("hgx-h100,16,host\n64x400G,4,leaf\n64x400G,1,spine\n"),
            "spine_ports: 1 spine with 64 ports; needs 128 ports, 2 spines\n");
  EXPECT_EQ(Said("hgx-h100,8,host\n64x400G,1,leaf\n64x400G,1,spine\n"),
            "leaf_ports: 1 leaf of 32 ports down; needs 2 leaves for 64 endpoints\n");
}

// A leaf of 60 uplinks has eight ports of 200 Gb/s left: 24 hosts take 48 such leaves, whose
// uplinks 60 spines spread evenly, and 12 hosts 24, for which 30 spines are enough.
TEST(Audit, FillsLeavesAsFarAsTheirUplinksLeavePorts) {
  const std::string bill =
      "hgx-h100,2,host\n2x200G,16,nic\n64x400G,16,leaf\n64x400G,60,spine\n200G AOC,32,host_cable\n"
      "400G AOC,960,isl_cable\nrail_optimized,8,\n";
  EXPECT_EQ(Said(bill + "growth,192,\n"), "");
  EXPECT_THAT(Said(bill + "growth,96,\n"),
              testing::StartsWith("excess_spines: 60 spines; needs 23 spines have the ports, 30 "
                                  "spines spread evenly | 30 spines | growth,N where they wait for "
                                  "more than 16 accelerators"));
}

// Ports that spare leaves have free are no cabled uplinks: a network cabled for 1:1 wants 1:1
// cores.
TEST(Audit, CountsNoUplinksOfSpareLeaves) {
  const auto bill = [](int cores) {
    return fmt::format(
        "8xh100,2048,host\nh100,16384,accelerator\n64x400G,600,leaf\n64x400G,512,spine\n"
        "64x400G,{},core\n400G AOC,16384,host_cable\n400G AOC,32768,isl_cable\ntiers,3,\n",
        cores);
  };
  EXPECT_EQ(Said(bill(200)),
            "core_ports: 200 cores with 12800 ports; needs 16384 ports, 256 cores | "
            "spine_oversubscription,1.28 where spines send less to cores than leaves to them\n");
  EXPECT_EQ(Said(bill(256)), "");
  // Who says 1:1 means it; who says that spines send less to cores is asked for less: with all
  // ports of leaves in use 13,568 cables are left, 212 cores' ports.
  const std::string said = "oversubscription,1,\n", less = said + "spine_oversubscription,1.25,\n";
  EXPECT_THAT(Said(bill(212) + said), testing::StartsWith("core_ports: 212 cores with 13568 ports; "
                                                          "needs 16384 ports, 256 cores"));
  EXPECT_EQ(Rules(bill(255) + said), "core_ports");
  EXPECT_EQ(Rules(bill(256) + said), "");
  EXPECT_EQ(Rules(bill(212) + less), "");
  EXPECT_EQ(Rules(bill(211) + less), "core_ports");
}

// Spines that send a seventh to the cores: of 1:1 leaves 16,384 uplinks and 2,341 above them.
TEST(Audit, TakesTheRatioOfSpinesWhereNoneOfLeavesIsSaid) {
  const auto bill = [](int leaves, const char* between) {
    return fmt::format(
        "hgx-h100,2048,host\n64x400G,{},leaf\n64x400G,293,spine\n64x400G,37,core\n"
        "400G AOC,16384,host_cable\ntiers,3,\nspine_oversubscription,7,\n{}",
        leaves, between);
  };
  EXPECT_EQ(Said(bill(512, "400G AOC,18725,isl_cable\n")), "");
  EXPECT_EQ(Said(bill(350, "400G AOC,18725,isl_cable\n")),
            "leaf_ports: 350 leaves of 32 ports down; needs 512 leaves for 16384 endpoints\n");
  EXPECT_EQ(Said(bill(512, "400G AOC,15000,isl_cable\n")),
            "oversubscription: 15000 cables between switches; needs 18725 cables for 1:1 | "
            "oversubscription,1.248\n");
  EXPECT_THAT(Said(bill(512, "")), testing::HasSubstr("needs 18725 cables between switches\n"));
}

// No two rails share a leaf: 152 hosts fill 4.75 leaves of each of eight rails, 38 in all, and take
// five of each. A network without rails does with 38.
TEST(Audit, CountsLeavesRailByRail) {
  const auto bill = [](int leaves, const char* key) {
    return fmt::format("hgx-h100,152,host\n64x400G,{},leaf\n64x400G,32,spine\n{}", leaves, key);
  };
  EXPECT_EQ(Said(bill(38, "")), "");
  for (const int leaves : {38, 39})
    EXPECT_EQ(Said(bill(leaves, "rail_optimized,8,\n")),
              fmt::format("leaf_ports: {} leaves of 32 ports down; needs 40 leaves for 1216 "
                          "endpoints of 8 rails\n",
                          leaves));
  EXPECT_EQ(Said(bill(40, "rail_optimized,8,\n")), "");
  EXPECT_EQ(Said(bill(42, "rail_optimized,8,\n")),
            "rails: 42 leaves over 8 rails; needs a multiple of 8: 40 or 48 leaves\n");
  EXPECT_EQ(Rules(bill(40, "rail_optimized,7,\n")), "leaf_ports rails");
  // Rails that nothing joins alike.
  EXPECT_EQ(Rules(bill(39, "rails,8,\n")), "leaf_ports");
  EXPECT_EQ(Rules(bill(40, "rails,8,\n")), "");
}

// 64:30 to three decimals asks for half a cable more than 1,920, and all spines' ports are taken.
TEST(Audit, TakesARatioOfAFewDigits) {
  const auto bill = [](int cables) {
    return fmt::format(
        "h100,4096,accelerator\n51.2T,64,leaf\n51.2T,15,spine\nAOC,4096,host_cable\n"
        "400G AOC,{},isl_cable\n400G,4096,nic\noversubscription,2.133,\n",
        cables);
  };
  EXPECT_EQ(Said(bill(1920)), "");
  EXPECT_EQ(Rules(bill(1800)), "spine_ports switch_cables");
}

// A preset has as many ports as its cages split into, whatever its rate would make of them.
TEST(Audit, KnowsHowManyPortsAPresetHas) {
  const auto bill = [](const char* chip, int gpus) {
    return fmt::format("h100,{},accelerator\n{},1,switch\n100G,{},nic\ndac,{},host_cable\n", gpus,
                       chip, gpus, gpus);
  };
  EXPECT_EQ(Rules(bill("sn5600", 512)), "switch_ports");
  EXPECT_EQ(Rules(bill("sn5600", 256)), "");
  EXPECT_EQ(Rules(bill("qm8700", 80)), "");
  // In two tiers half of them are a leaf's, and all of them a spine's.
  const std::string two = "h100,1024,accelerator\n100G,1024,nic\nsn5600,8,leaf\n";
  EXPECT_EQ(Rules(two + "sn5600,4,spine\n"), "");
  EXPECT_EQ(Rules(two + "sn5600,3,spine\n"), "spine_ports uneven_spines?");
}

// Spines, leaves and cables are advised for one ratio: who does as told is told nothing more.
TEST(Audit, AdvisesForOneRatio) {
  const auto bill = [](int leaves, int spines, int cables) {
    return fmt::format(
        "8xh100,256,host\n51.2T,{},leaf\n51.2T,{},spine\n400G,2048,host_cable\n"
        "400G,{},isl_cable\n",
        leaves, spines, cables);
  };
  const std::string few =
      "oversubscription: 1024 cables between switches; needs 2048 cables for 1:1";
  const std::string by_ratio = " | oversubscription,2\n";
  EXPECT_EQ(Said(bill(32, 16, 1024)), few + by_ratio);
  EXPECT_EQ(Said(bill(48, 16, 1024)), few + by_ratio);
  EXPECT_EQ(Said(bill(32, 8, 1024)), few + ", with 16 spines" + by_ratio);
  EXPECT_EQ(Said(bill(48, 12, 1024)),
            "uneven_spines: 42 uplinks of a leaf over 12 spines; needs 16 spines, 16 at least for "
            "1:1 | 16 spines\n" +
                few + ", with 16 spines" + by_ratio);
  EXPECT_THAT(Said(bill(32, 32, 1024)),
              testing::StartsWith("excess_spines: 32 spines; needs 16 spines have the ports for "
                                  "1:1, 16 spines spread evenly"));
  for (const int leaves : {32, 48}) EXPECT_EQ(Said(bill(leaves, 16, 2048)), "");
  // The other way out: the ratio of the cables, for all of them.
  EXPECT_EQ(Said(bill(32, 8, 1024) + "oversubscription,2,\n"), "");
  EXPECT_THAT(Said(bill(32, 16, 1024) + "oversubscription,2,\n"),
              testing::StartsWith("excess_spines: 16 spines; needs 8 spines have the ports, "));
}

// A ratio that only the cables say is no lack of leaves.
TEST(Audit, TakesARatioThatNobodySaysFromTheCables) {
  const std::string bill =
      "h100,2048,accelerator\n51.2T,24,leaf\n51.2T,8,spine\nAOC,2048,host_cable\n"
      "AOC,768,isl_cable\n";
  EXPECT_EQ(Said(bill),
            "oversubscription: 768 cables between switches; needs 2048 cables for 1:1, with 32 "
            "leaves and 16 spines | oversubscription,2.667\n");
  EXPECT_EQ(Said(bill + "oversubscription,2.667,\n"), "");
  // Of three tiers the cores' cables, too.
  EXPECT_EQ(Rules("h100,4096,accelerator\nqm9700,128,leaf\nqm9700,128,spine\nqm9700,64,core\n"
                  "AOC,4096,host_cable\nAOC,4096,isl_cable\n"),
            "oversubscription?");
  EXPECT_EQ(Rules("h100,2048,accelerator\n51.2T,16,leaf\n51.2T,6,spine\nAOC,2048,host_cable\n"
                  "AOC,768,isl_cable\n"),
            "leaf_ports oversubscription?");
}

// The feed of accelerators whose hosts are not listed.
TEST(Audit, HoldsAFeedAgainstAcceleratorsAlone) {
  EXPECT_EQ(Rules("h100,2048,accelerator\nit_power,1.3MW,\n"), "it_power");
  EXPECT_EQ(Rules("h100,2048,accelerator\nit_power,2.6MW,\n"), "");
  EXPECT_EQ(Rules("hgx-h100,256,host\nit_power,5.2MW,\n"), "it_power?");
  EXPECT_EQ(Rules("hgx-h100,256,host\nit_power,1.3MW,\n"), "it_power");
}

// The feed of servers at their maximum is said as such; where some have no figure, that too.
TEST(Audit, SaysWhatTheWattsAreOf) {
  EXPECT_EQ(Said("8xh100/10.2kW,100,host\nit_power,1MW,\n"),
            "it_power: 1000 kW; needs 1020 kW, the maximum of its hosts and switches, optics "
            "aside\n");
}

// 5,000 PFLOPS of 1.979 each is the sparse rate: dense it is half of that.
TEST(Audit, FindsASparseRateTakenForADenseOne) {
  const std::string bill = "h800,2528,accelerator\nneed,5000PFLOPS,\n";
  EXPECT_EQ(Said(bill),
            "basis: 2500.19 PFLOPS of 2528 dense at 989 T each; needs 5056 accelerators for 5000 "
            "PFLOPS | say basis sparse: 1979 T each holds only where 2 of 4 numbers are zero\n");
  EXPECT_EQ(Rules(bill + "basis,dense,\ndtype,bf16,\n"), "basis");
  EXPECT_EQ(Rules(bill + "basis,sparse,\n"), "");
  EXPECT_EQ(Rules("h800,5056,accelerator\nneed,5000PFLOPS,\n"), "");
  EXPECT_EQ(Rules("h800,4000,accelerator\nneed,5000PFLOPS,\nbasis,dense,\n"), "basis");
  EXPECT_EQ(Rules("h800,2000,accelerator\nneed,5000PFLOPS,\n"), "need");
  EXPECT_EQ(Rules("ascend-910b2,13304,accelerator\nneed,5000PFLOPS,\nbasis,sparse,\n"), "basis");
  EXPECT_EQ(Rules("h20,2703,accelerator\nneed,800POPS,\n"), "");
  EXPECT_EQ(Rules("h20,2702,accelerator\nneed,800POPS,\n"), "need");
}

TEST(Audit, RefusesWhatItCannotRead) {
  const auto said = [](const std::string& text) {
    const auto found = AuditText(text, "b.csv");
    return found ? std::string() : ErrorLines(found.error());
  };
  EXPECT_EQ(said("part,quantity,role\n64x400G,many,leaf\nqm970,1,spine\nx,1,leafs\n"),
            "b.csv:2:9: error: the quantity is 'many' (a whole number, such as 96)\n"
            "b.csv:3:1: error: 'qm970' is no switch that weft knows (did you mean 'qm9700'? a "
            "generic one is 64x400G or 51.2T)\n"
            "b.csv:4:5: error: there is no role 'leafs' (did you mean 'leaf'?)\n");
  // A column is where the text begins, blanks before it or not.
  EXPECT_EQ(said("  qm970, many ,spine\n"),
            "b.csv:1:10: error: the quantity is 'many' (a whole "
            "number, such as 96)\n");
  EXPECT_EQ(said("tiers,4,\n"), "b.csv:1:7: error: '4' is no number from 1 to 3 (2)\n");
  EXPECT_EQ(said("\"a,1,leaf\n"), "b.csv:1:1: error: a quote is not closed (\"a, b\")\n");
  EXPECT_EQ(said("part,quantity,role\n"),
            "b.csv:1:1: error: the bill has no rows (part,quantity,role: 64x400G,96,switch)\n");
  EXPECT_NE(said("need,lots,\n").find("'lots' is no need"), std::string::npos);
  EXPECT_EQ(said("tiers,2,\nh100,8,accelerator\nTiers,3,\n"),
            "b.csv:3:7: error: 'tiers' is said twice, first in line 1 (one of the two rows)\n");
  EXPECT_EQ(said("rails,8,\nh100,64,accelerator\nrail_optimized,8,\n"),
            "b.csv:3:16: error: 'rail_optimized' beside 'rails' of line 1 (rails where nothing "
            "joins them, rail_optimized where spines do)\n");
  EXPECT_THAT(said("rail_optimized,8,\nrails,8,\n"),
              testing::StartsWith("b.csv:2:7: error: 'rails' beside 'rail_optimized' of line 1"));
  EXPECT_EQ(said("scope,all,\n"), "b.csv:1:7: error: 'all' is no scope (part or whole)\n");
  EXPECT_EQ(said("basis,thick,\ndtype,fp64,\nspine_oversubscription,0,\n"),
            "b.csv:1:7: error: 'thick' is no basis (dense or sparse)\n"
            "b.csv:2:7: error: 'fp64' is no type of number (bf16, fp16, fp8 or int8)\n"
            "b.csv:3:24: error: '0' is no oversubscription (1.5 or 1.5:1)\n");
  EXPECT_EQ(said("0G,32,down\n"), "b.csv:1:1: error: '0G' is no rate of a port (400G)\n");
  for (const char* nothing :
       {"0x400G,1,leaf\n", "64x0G,1,leaf\n", "0G DAC,1,cable\n", "0x400G DAC,1,cable\n",
        "0x400G-DR4,1,optic\n", "0G-DR4,1,optic\n", "2x0G,1,nic\n", "99999999999999x400G,1,leaf\n"})
    EXPECT_NE(said(nothing), "") << nothing;
}

// The bill of a Clos that can be built: of random ports, tiers, planes and fill.
struct ClosBill {
  std::int64_t radix = 0, endpoints = 0, leaves = 0, spines = 0, cores = 0, uplinks = 0;
  int tiers = 2, planes = 1;
  std::string Bill() const {
    std::string out = fmt::format(
        "part,quantity,role\n8xh100,{},host\nh100,{},accelerator\n{}x400G/OSFP,{},leaf\n"
        "{}x400G/OSFP,{},spine\n",
        endpoints / 8, endpoints, radix, leaves, radix, spines);
    if (cores > 0) out += fmt::format("{}x400G/OSFP,{},core\n", radix, cores);
    return out + fmt::format(
                     "tiers,{},\nplanes,{},\nMPO fibre,{},host_cable\nMPO fibre,{},isl_cable\n"
                     "400G-DR4/OSFP,{},optic\n",
                     tiers, planes, endpoints, uplinks, 2 * (endpoints + uplinks));
  }
};

ClosBill RandomClos(Random& random) {
  ClosBill out;
  constexpr std::int64_t kRadix[] = {32, 64, 128};
  out.radix = kRadix[random.Below(3)];
  const std::int64_t half = out.radix / 2;
  out.tiers = 2 + static_cast<int>(random.Below(2));
  out.planes = out.tiers == 2 ? 1 << random.Below(4) : 1;
  if (out.tiers == 2) {
    // Spines of a plane: a divisor of a leaf's uplinks; leaves fill them.
    const std::int64_t each = 1 << random.Below(out.radix == 32 ? 5 : 6);
    const std::int64_t leaves = 2 * each;
    out.leaves = leaves * out.planes;
    out.spines = each * out.planes;
    out.endpoints = leaves * half * out.planes;
    out.uplinks = out.endpoints;
  } else {
    const std::int64_t pods = 2 + random.Below(7);
    out.leaves = pods * half;
    out.spines = out.leaves;
    out.cores = out.leaves / 2;
    out.endpoints = out.leaves * half;
    out.uplinks = 2 * out.endpoints;
  }
  return out;
}

TEST(Audit, FindsNothingInRandomBillsThatCanBeBuiltAndTheOneThingThatIsBroken) {
  const char* seed_text = std::getenv("WEFT_SEED");
  const std::uint64_t first = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 0;
  for (std::uint64_t seed = first; seed < first + (seed_text != nullptr ? 1 : 40); ++seed) {
    Random random(seed);
    const ClosBill good = RandomClos(random);
    SCOPED_TRACE(testing::Message() << "seed " << seed << '\n' << good.Bill());
    ASSERT_EQ(Said(good.Bill()), "");
    const auto broken = [&](auto change, const char* rule) {
      ClosBill bad = good;
      change(bad);
      EXPECT_NE((" " + Rules(bad.Bill()) + " ").find(fmt::format(" {} ", rule)), std::string::npos)
          << rule << ": " << Rules(bad.Bill()) << '\n'
          << bad.Bill();
    };
    broken([](ClosBill& bill) { --bill.leaves; }, "leaf_ports");
    broken([](ClosBill& bill) { bill.spines -= bill.planes; }, "spine_ports");
    broken([](ClosBill& bill) { bill.uplinks += bill.radix * bill.spines; }, "spine_ports");
    if (good.cores > 0) broken([](ClosBill& bill) { --bill.cores; }, "core_ports");
    if (good.tiers == 2 && good.endpoints > good.radix * good.radix / 2)
      broken([](ClosBill& bill) { bill.planes = 1; }, "reach");
    const std::string text = good.Bill();
    const auto swapped = [&](const std::string& from, const std::string& to) {
      std::string out = text;
      out.replace(out.find(from), from.size(), to);
      return Rules(out);
    };
    EXPECT_EQ(swapped("400G-DR4/OSFP,", "400G-DR4/QSFP28,"), "cages");
    EXPECT_EQ(swapped(fmt::format("fibre,{},host_cable", good.endpoints),
                      fmt::format("fibre,{},host_cable", good.endpoints - 1)),
              "host_cables");
    EXPECT_EQ(swapped("8xh100,", "4xh100,"), "gpus_per_host");
    EXPECT_EQ(Rules(text + fmt::format("need,{},\n", good.endpoints + 1)), "need");
  }
}

// Hosts that stand for their accelerators have the NICs that such hosts usually have: 400G, of
// which a QM9700 has 64 ports, not the 800G that its cage could carry in 32.
TEST(Audit, TakesTheUsualNicsOfHostsAlone) {
  EXPECT_EQ(Rules("8xh100,128,host\nqm9700,48,switch\n"), "");
  EXPECT_EQ(Rules("8xh100,128,host\nqm9700,32,leaf\nqm9700,16,spine\n"), "");
  EXPECT_EQ(Rules("8xh100,512,host\nqm9700,192,switch\ntiers,2,\n"), "reach");
}

// Three tiers whose leaves and spines are told apart, and no cores: said to be a part, nothing.
TEST(Audit, FindsThatThreeTiersHaveNoCores) {
  const std::string bill = "h100,8192,accelerator\n64x400G,256,leaf\n64x400G,256,spine\ntiers,3,\n";
  EXPECT_THAT(Said(bill),
              testing::HasSubstr("core_ports: 0 cores with 0 ports; needs 8192 ports, 128 cores"));
  EXPECT_EQ(Rules(bill + "scope,part,\n"), "");
  EXPECT_EQ(Rules(bill + "64x400G,128,core\n"), "");
  EXPECT_EQ(Rules("h100,8192,accelerator\n64x400G,640,switch\ntiers,3,\n"), "");
}

// Less than a host of empty places is no host to spare.
TEST(Audit, OffersNoHostsToSpareWhereThereAreNone) {
  EXPECT_THAT(Said("h100,1020,accelerator\n8xh100,128,host\n"),
              testing::Not(testing::HasSubstr("spare_host")));
  EXPECT_THAT(Said("h100,1008,accelerator\n8xh100,128,host\n"),
              testing::HasSubstr("2 of the hosts by the role spare_host"));
}

// As spreadsheets of other languages export: semicolons or tabs, decimal commas, grouped digits.
TEST(Audit, ReadsOtherSeparatorsAndGroupedDigits) {
  EXPECT_EQ(Rules("role;part;quantity\naccelerator;h100;1 024\nleaf;64x400G;32\nspine;64x400G;12\n"
                  "oversubscription;1,5;\n"),
            Rules("h100,1024,accelerator\n64x400G,32,leaf\n64x400G,12,spine\n"
                  "oversubscription,1.5,\n"));
  EXPECT_EQ(Rules("part\tquantity\trole\nh100\t1024\taccelerator\n64x400G\t31\tleaf\n"
                  "64x400G\t16\tspine\n"),
            "leaf_ports");
  EXPECT_EQ(Rules("h100,\"1,024\",accelerator\n64x400G,31,leaf\n64x400G,16,spine\n"), "leaf_ports");
  EXPECT_EQ(Rules("h100,1\xC2\xA0"
                  "024,accelerator\n64x400G,31,leaf\n64x400G,16,spine\n"),
            "leaf_ports");
  const auto comma = AuditText("h100;1,024;accelerator\n", "bill.csv");  // a decimal one
  ASSERT_FALSE(comma);
  EXPECT_EQ(
      ErrorLines(comma.error()),
      "bill.csv:1:6: error: the quantity is '1,024', and may be either (write 1024 or 1.024)\n");
  // Of tabs a comma is what the sheet shows: digits in groups, or part of a name.
  EXPECT_EQ(Said("h100\t1,024\taccelerator\n64x400G\t31\tleaf\n64x400G\t16\tspine\n"
                 "MPO, OM4\t1,024\thost_cable\nMPO\t1,024\tisl_cable\n"),
            Said("h100,1024,accelerator\n64x400G,31,leaf\n64x400G,16,spine\n"
                 "MPO,1024,host_cable\nMPO,1024,isl_cable\n"));
  EXPECT_EQ(Said("64x400G\t1,024\tswitch\n"), Said("64x400G,1024,switch\n"));
  const auto tabs = AuditText("tiers\t2\n64x400G\t1,5\tswitch\n", "bill.csv");
  ASSERT_FALSE(tabs);
  EXPECT_EQ(ErrorLines(tabs.error()),
            "bill.csv:2:9: error: the quantity is '1,5' (a whole number, such as 96)\n");
  // As many commas as semicolons: those are decimal.
  EXPECT_EQ(Said("need;1,5PFLOPS\nh100;8;accelerator\n"),
            Said("need,1.5PFLOPS\nh100,8,accelerator\n"));
  EXPECT_EQ(Said("need;1,5PFLOPS\nh100;1;accelerator\n"),
            Said("need,1.5PFLOPS\nh100,1,accelerator\n"));
  EXPECT_EQ(Rules("need;1,5PFLOPS\nh100;1;accelerator\n"), "basis");
  EXPECT_EQ(Rules("\"AOC, 3 m, OM4\";64;cable\n8xh100;8;host\n64x400G;1;switch\n"),
            Rules("\"AOC, 3 m, OM4\",64,cable\n8xh100,8,host\n64x400G,1,switch\n"));
}

std::string Refusal(const std::string& text) {
  const auto found = AuditText(text, "b.csv");
  return found ? "none\n" : ErrorLines(found.error());
}

// What sheets have above and below their table: a title, a date, blank rows, sums.
TEST(Audit, ReadsTheTableBetweenTitlesAndTotals) {
  const std::string table =
      "part,quantity,role\nh100,1024,accelerator\n64x400G,31,leaf\n64x400G,16,spine\n";
  EXPECT_EQ(Rules(table), "leaf_ports");
  EXPECT_EQ(Said("Bill of materials; draft,,\n\"Prepared for \"\"A\"\", phase 1\",,\n,,\n" + table),
            Said(table));
  EXPECT_EQ(Said(table + ",,\nSubtotal:,47,\nGrand total,1071,\n"), Said(table));
  EXPECT_EQ(Said("Stückliste\npart;quantity;role\nh100;1.024;accelerator\n64x400G;31;leaf\n"
                 "64x400G;16;spine\nSumme;1.071;\n"),
            Said(table));
  // Lines of the file are counted, titles too.
  EXPECT_EQ(Audit("Bill\n\n" + table)[0].line, Audit(table)[0].line + 2);
  // What may be a row or a key is none of a title.
  EXPECT_THAT(Refusal("h10,8,accelerator\n" + table), testing::StartsWith("b.csv:1:1: error"));
  EXPECT_EQ(Said("scope,whole,\nh100,8,accelerator\n"), Said("h100,8,accelerator\nscope,whole,\n"));
  EXPECT_EQ(
      Refusal("Phase 1,2026,\n" + table),
      "b.csv:1:9: error: '2026' stands above the names of the columns in line 2 (titles have no "
      "numbers in cells of their own, and rows stand below the names)\n");
  EXPECT_THAT(Refusal("Total,8,\n"), testing::HasSubstr("the bill has no rows"));
}

TEST(Audit, ReadsTheUsualNamesOfColumns) {
  const std::string rows = "8xh100;128;host\n64x400G;31;leaf\n64x400G;16;spine\n";
  const std::string expected = Said("part;quantity;role\n" + rows);
  EXPECT_THAT(expected, testing::HasSubstr("leaf_ports"));
  for (const char* names :
       {"Title\nTeil;Menge;Rolle", "Part;Qty;Type", "Name;Anzahl;Typ", "Artikel;STÜCK;Use",
        "Bezeichnung;Menge (Stk.);Rolle", "SKU;Count;Role:", "Description;Stück;Type"})
    EXPECT_EQ(Rules(std::string(names) + "\n" + rows), "leaf_ports") << names;
  std::string tabs = "Name;Menge;Rolle\n" + rows;
  std::replace(tabs.begin(), tabs.end(), ';', '\t');
  EXPECT_EQ(Said(tabs), expected);
  // Of two names the one that tells parts from numbers of an order.
  EXPECT_EQ(Rules("SKU;Description;Qty;Use\n17;8xh100;128;host\n18;64x400G;31;leaf, 8 rails\n"
                  "19;64x400G;16;spine\n"),
            "leaf_ports");
}

TEST(Audit, SaysWhereTheNamesOfColumnsAreUnknown) {
  EXPECT_EQ(Refusal("Cluster 3\nProdukt;Zahl;Rolle\n8xh100;128;host\n64x400G;31;leaf\n"),
            "b.csv:2:1: error: of the names of columns here none is the part's, or none the "
            "quantity's (parts: part, teil, name, bezeichnung, item, description, artikel or sku; "
            "quantities: quantity, qty, count, menge, anzahl, stück or stk; roles: role, rolle, "
            "type, typ or use)\n");
}

// Digits grouped by points, and decimal commas in quotes, where they can mean one thing.
TEST(Audit, ReadsGermanNumbers) {
  const std::string rest = "64x400G;31;leaf\n64x400G;16;spine\n";
  const std::string plain = "h100;1024;accelerator\n" + rest;
  EXPECT_EQ(Rules(plain), "leaf_ports");
  for (const char* number : {"1.024", "1.024,00", "\"1.024,0\"", "\"1,024.0\"", "1024,0"})
    EXPECT_EQ(Said(fmt::format("h100;{};accelerator\n", number) + rest), Said(plain)) << number;
  EXPECT_EQ(Said("h100,\"1.024,00\",accelerator\n64x400G,31,leaf\n64x400G,16,spine\n"),
            Said(plain));
  EXPECT_EQ(Said("MPO,1.234.567,cable\n8xh100,8,host\n"),
            Said("MPO,1234567,cable\n8xh100,8,host\n"));
  EXPECT_EQ(Said("need;\"1,5PFLOPS\"\nh100;1;accelerator\n"),
            Said("need,1.5PFLOPS\nh100,1,accelerator\n"));
  EXPECT_EQ(Said("need;1.234,50PFLOPS\nh100;1;accelerator\n"),
            Said("need,1234.50PFLOPS\nh100,1,accelerator\n"));
  EXPECT_EQ(Said("need,\"1,234.50PFLOPS\"\nh100,1,accelerator\n"),
            Said("need,1234.50PFLOPS\nh100,1,accelerator\n"));
  // A comma of a name is none of a number.
  EXPECT_EQ(Said("51,2T;8;switch\nh100;8;accelerator\n"),
            Said("51.2T,8,switch\nh100,8,accelerator\n"));
}

// What another number of the column, or else of the bill, decides is decided.
TEST(Audit, ReadsAPointAsTheOtherNumbersHaveIt) {
  const auto bill = [](const char* gpus, const char* cables, char separator = ';') {
    std::string out = fmt::format(
        "h100;{};accelerator\n64x400G;31;leaf\n64x400G;16;spine\n"
        "MPO;{};host_cable\n",
        gpus, cables);
    std::replace(out.begin(), out.end(), ';', separator);
    return out;
  };
  const std::string grouped = Said(bill("1000", "1024")), plain = Said(bill("1", "1024"));
  EXPECT_NE(grouped, plain);
  for (const char separator : {';', '\t'}) {
    EXPECT_EQ(Said(bill("1.000", "1.024", separator)), grouped);
    EXPECT_THAT(Refusal(bill("1.000", "1024", separator)),
                testing::EndsWith("may be either (write 1000 or 1)\n"));
  }
  // By the bill, where the column says nothing; a point in a part's name is its maker's.
  const std::string more = "need;1,5PFLOPS;\nbasis;dense;\n";
  EXPECT_EQ(Said(bill("1.000", "1024") + more), Said(bill("1000", "1024") + more));
  EXPECT_EQ(Said(bill("1.000", "1.024") + "growth;2.048;\n"),
            Said(bill("1000", "1024") + "growth;2048;\n"));
  EXPECT_THAT(Refusal(bill("1.000", "1024") + "25.6T;1;leaf\n"),
              testing::HasSubstr("may be either"));
  EXPECT_EQ(Said(bill("1.000", "1,024", '\t')), plain);
  EXPECT_EQ(Said(bill("1.000", "1024.0")), plain);
  EXPECT_THAT(Refusal(bill("1.000", "1,024", '\t') + "MPO\t1.024\tisl_cable\n"),
              testing::HasSubstr("'1.000', and may be either"));  // they contradict each other
  EXPECT_EQ(Said("h100\t1.024\taccelerator\n64x400G\t31\tleaf\n64x400G\t16\tspine\n"),
            Said("h100,1024,accelerator\n64x400G,31,leaf\n64x400G,16,spine\n"));
}

TEST(Audit, RefusesNumbersThatMayBeEither) {
  EXPECT_EQ(Refusal("h100,1.000,accelerator\n"),
            "b.csv:1:6: error: the quantity is '1.000', and may be either (write 1000 or 1)\n");
  EXPECT_EQ(Refusal("h100;2.000;accelerator\nneed;1.500PFLOPS;\n"),
            "b.csv:1:6: error: the quantity is '2.000', and may be either (write 2000 or 2)\n"
            "b.csv:2:6: error: '1.500PFLOPS' may be either (write 1500 or 1,500)\n");
  EXPECT_EQ(Refusal("h100,1.024,accelerator\n"),
            "b.csv:1:6: error: the quantity is '1.024' (a whole number, such as 96)\n");
  EXPECT_EQ(Refusal("h100;1.234,50;accelerator\n"),
            "b.csv:1:6: error: the quantity is '1.234,50' (a whole number, such as 96)\n");
}

// Spreadsheets shorten long numbers, and rows of what was not bought are left in.
TEST(Audit, SaysOfQuantitiesThatNobodyMeans) {
  EXPECT_EQ(
      Refusal("h100,1E+06,accelerator\n"),
      "b.csv:1:6: error: the quantity is '1E+06' (every digit: spreadsheets that write so may "
      "have dropped some)\n");
  EXPECT_EQ(Said("8xh100,8,host\n8xh200,0,host\n"),
            "quantity: 0 of 8xh200; needs how many, or no such row\n");
  EXPECT_EQ(Rules("8xh100,8,host\n8xh200,0,host\n"), "quantity?");
}

}  // namespace
}  // namespace weft
