#include <fmt/format.h>

#include <set>
#include <sstream>

#include "tests/topology/fabrics.h"
#include "topology/formats/against.h"
#include "topology/formats/format.h"
#include "topology/uneven.h"

namespace weft {
namespace {

using testing::HasSubstr;

std::uint64_t FirstSeed() {
  const char* given = std::getenv("WEFT_SEED");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

Wiring WiringOf(const std::string& text) {
  const Result<Located<FabricSpec>> spec = ReadAt<FabricSpec>("fabric", text);
  EXPECT_TRUE(spec) << text;
  return MakeWiring(MakeFabric(text), spec->message, nullptr);
}

// What stands below `fabric:` of a scenario that FormatScenario or its JSON wrote.
std::string FabricPart(const std::string& scenario) {
  if (scenario.starts_with("fabric:")) {
    std::string out;
    std::istringstream lines(scenario.substr(scenario.find('\n') + 1));
    for (std::string line; std::getline(lines, line);) out += line.substr(2) + '\n';
    return out;
  }
  const std::size_t open = scenario.find('{', 1);
  return scenario.substr(open, scenario.rfind('}') - open);
}

Fabric Rebuild(Wiring wiring) {
  MakeBuildable(wiring);
  return MakeFabric(FabricPart(FormatScenario(wiring)));
}

// Names, tiers, planes, places, and every link with its rate and latency.
void ExpectSame(const Fabric& a, const Fabric& b) {
  EXPECT_EQ(a.counts(), b.counts());
  ASSERT_EQ(a.vertex_count(), b.vertex_count());
  ASSERT_EQ(a.link_count(), b.link_count());
  for (std::uint32_t v = 0; v < a.vertex_count(); ++v) {
    const Vertex &x = a.vertex(VertexId{v}), &y = b.vertex(VertexId{v});
    ASSERT_EQ(a.Name(VertexId{v}), b.Name(VertexId{v}));
    ASSERT_EQ(std::tuple(x.kind, x.tier, x.plane, x.host),
              std::tuple(y.kind, y.tier, y.plane, y.host))
        << a.Name(VertexId{v});
  }
  for (std::uint32_t h = 0; h < a.host_count(); ++h) {
    ASSERT_EQ(a.host(HostId{h}).pod, b.host(HostId{h}).pod);
    ASSERT_EQ(a.host(HostId{h}).segment, b.host(HostId{h}).segment);
  }
  for (std::uint32_t l = 0; l < a.link_count(); ++l) {
    const Link &x = a.link(LinkId{l}), &y = b.link(LinkId{l});
    ASSERT_EQ(std::tuple(x.from, x.to, x.number, x.reverse, x.link_class, x.rate, x.latency),
              std::tuple(y.from, y.to, y.number, y.reverse, y.link_class, y.rate, y.latency))
        << a.PortName(LinkId{l});
  }
}

const std::vector<std::string>& SmallFabrics() {
  static const std::vector<std::string> texts = {
      "{ preset: hpn, segments: 2, hosts: 2, aggs_per_plane: 4 }",
      "{ preset: hpn, pods: 2, segments: 2, hosts: 2, aggs_per_plane: 4, core_oversubscription: 1 "
      "}",
      "{ preset: hpn, segments: 2, hosts: 2, tors: single, planes: 1, aggs_per_plane: 4 }",
      "{ preset: dcn_plus, pods: 2, segments: 2, hosts: 2, aggs: 2, agg_uplinks: 2, core_groups: 2 "
      "}",
      "{ family: leaf_spine, leaves: 3, spines: 2, hosts_per_leaf: 2, link: 100Gbps, "
      "links_per_pair: 2 }",
  };
  return texts;
}

TEST(Formats, CarryAFabricThroughAFile) {
  for (const std::string& text : SmallFabrics()) {
    const Fabric fabric = MakeFabric(text);
    const Wiring wiring = WiringOf(text);
    for (const char* name : {"csv", "graphml"}) {
      SCOPED_TRACE(text + ' ' + name);
      const FabricFormat* format = FindFormat(name);
      const std::string written = format->write(wiring);
      EXPECT_EQ(RecognizeFormat(written), format);
      const Result<Wiring> read = format->read({written, "file", {}});
      ASSERT_TRUE(read) << TextOf(read.error());
      ExpectSame(fabric, Rebuild(*read));
    }
    for (const char* name : {"json", "yaml"}) {
      SCOPED_TRACE(text + ' ' + name);
      ExpectSame(fabric, MakeFabric(FabricPart(FindFormat(name)->write(wiring))));
    }
  }
}

TEST(Formats, CarryRandomFabricsThroughAFile) {
  const std::uint64_t first = FirstSeed();
  for (std::uint64_t seed = first; seed < first + 90; ++seed) {
    const std::string text = RandomFabricText(seed);
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, text));
    const Wiring wiring = WiringOf(text);
    for (const char* name : {"csv", "graphml"}) {
      const Result<Wiring> read =
          FindFormat(name)->read({FindFormat(name)->write(wiring), "file", {}});
      ASSERT_TRUE(read) << name << '\n' << TextOf(read.error());
      ExpectSame(MakeFabric(text), Rebuild(*read));
    }
  }
}

// An export damaged at random: each cable that was touched is named with what happened to it,
// and nothing else is.
TEST(CompareWirings, FindsEveryDamageAndNothingElse) {
  using Kind = CableDifference::Kind;
  const std::uint64_t first = FirstSeed();
  for (std::uint64_t seed = first; seed < first + 200; ++seed) {
    Random random(StreamSeed(seed, {5}));
    const std::string& text = SmallFabrics()[random.Below(5)];
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, text));
    const Wiring plan = WiringOf(text);
    Wiring live = plan;
    std::set<std::tuple<Kind, std::string, std::string>> done;
    std::set<std::string> touched;  // ends and pairs: damages apart from each other
    const auto take = [&](const Wiring::Cable& cable) {
      const std::string a = EndName(plan, cable.a), b = EndName(plan, cable.b);
      if (touched.contains(a) || touched.contains(b)) return false;
      touched.insert({a, b});
      return true;
    };
    std::vector<std::size_t> removed;
    for (int damage = 0; damage < 6; ++damage) {
      const std::size_t c = random.Below(static_cast<std::uint32_t>(plan.cables.size()));
      const Wiring::Cable& cable = plan.cables[c];
      if (!take(cable)) continue;
      const std::string a = EndName(plan, cable.a), b = EndName(plan, cable.b);
      switch (random.Below(4)) {
        case 0:
          removed.push_back(c);
          done.emplace(Kind::kMissing, a, b);
          break;
        case 1:
          live.cables[c].rate = cable.rate * 0.5;
          done.emplace(Kind::kSlow, a, b);
          break;
        case 2:
          live.cables.push_back(cable);
          done.emplace(Kind::kExtra, a, b);
          break;
        default: {
          const std::size_t d = random.Below(static_cast<std::uint32_t>(plan.cables.size()));
          const Wiring::Cable& other = plan.cables[d];
          if (other.a.is_host != cable.a.is_host || other.rate != cable.rate || !take(other)) break;
          std::swap(live.cables[c].b, live.cables[d].b);
          done.emplace(Kind::kCrossed, a, b);
          break;
        }
      }
    }
    std::sort(removed.rbegin(), removed.rend());
    for (const std::size_t c : removed)
      live.cables.erase(live.cables.begin() + static_cast<std::ptrdiff_t>(c));
    std::set<std::tuple<Kind, std::string, std::string>> found;
    for (const CableDifference& one : CompareWirings(plan, live).list) {
      if (one.kind == Kind::kCrossed && done.contains({one.kind, one.second_a, one.second_b}))
        found.emplace(one.kind, one.second_a, one.second_b);
      else
        found.emplace(one.kind, one.a, one.b);
    }
    EXPECT_EQ(found, done);
  }
}

TEST(CompareWirings, SaysThatNothingHasTheSameName) {
  const Wiring a =
      WiringOf("{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 1, link: 1Gbps }");
  Wiring b = a;
  EXPECT_FALSE(CompareWirings(a, b).no_name_in_common);
  for (Wiring::Host& host : b.hosts) host.name = "x" + host.name;
  for (Wiring::Switch& one : b.switches) one.name = "x" + one.name;
  EXPECT_TRUE(CompareWirings(a, b).no_name_in_common);
  EXPECT_EQ(CompareWirings(a, b).list.size(), 4u);
}

TEST(ReadSimai, ReadsTwoServersOfTwoGpus) {
  const char* text =
      "8 2 2 2 9 H100\n4 5 6 7 \n0 4 2880Gbps 0.000025ms 0\n1 4 2880Gbps 0.000025ms 0\n"
      "2 5 2880Gbps 0.000025ms 0\n3 5 2880Gbps 0.000025ms 0\n0 6 200Gbps 0.0005ms 0\n"
      "1 6 200Gbps 0.0005ms 0\n2 6 200Gbps 0.0005ms 0\n3 6 200Gbps 0.0005ms 0\n"
      "6 7 400Gbps 0.001ms 0\n";
  const Result<Wiring> wiring = ReadSimai({text, "a.txt", {}});
  ASSERT_TRUE(wiring) << TextOf(wiring.error());
  const Fabric fabric = Rebuild(*wiring);
  EXPECT_EQ(fabric.gpu_count(), 4u);
  EXPECT_EQ(fabric.host_count(), 2u);
  const auto found = fabric.FindElement("switch6-switch7");
  ASSERT_TRUE(found);
  const Link& up = fabric.link(LinkId{found->id});
  EXPECT_EQ(up.rate, GigabitsPerSecond(400));
  EXPECT_EQ(up.latency, SimDuration(1'000'000));
}

TEST(ReadSimai, SaysWhereAFileIsWrong) {
  const auto errors = [](const std::string& text) {
    const Result<Wiring> wiring = ReadSimai({text, "a.txt", {}});
    return wiring ? "no error" : TextOf(wiring.error());
  };
  EXPECT_THAT(errors("8 2 2 2 9\n4 5 6 7\n"), HasSubstr("a.txt:1:1: error: the first line has 5"));
  EXPECT_THAT(errors("8 3 2 2 1 H100\n4 5 6 7\n"), HasSubstr("no whole servers of 3"));
  EXPECT_THAT(errors("8 2 2 2 1 H100\n4 5 6 6\n"),
              HasSubstr("a.txt:2:7: error: '6' is listed twice"));
  EXPECT_THAT(errors("8 2 2 2 1 H100\n4 5 6 7\n0 9 200Gbps 1us 0\n"),
              HasSubstr("a.txt:3:3: error: '9' is no node's id"));
  EXPECT_THAT(errors("8 2 2 2 1 H100\n4 5 6 7\n0 6 200 1us 0\n"), HasSubstr("a.txt:3:5: error"));
  EXPECT_THAT(errors("8 2 2 2 2 H100\n4 5 6 7\n0 6 200Gbps 1us 0\n"),
              HasSubstr("the first line says 2 links, and 1 follow"));
  EXPECT_THAT(errors("8 2 2 2 1 H100\n4 5 6 7\n0 1 200Gbps 1us 0\n"),
              HasSubstr("a.txt:3:1: error: 0 and 1 cannot be joined"));
}

std::string WithCrlf(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\r\n" : std::string(1, c);
  return out;
}

// HPCC's ns-3 reads words: ids go over lines, comments may stand after the last link; links of
// four words, blank lines and other line ends change nothing.
TEST(ReadNs3, TakesWhatNs3Takes) {
  const std::string plain =
      "5 2 4\n3 4\n0 3 100Gbps 1us 0\n1 3 100Gbps 1us 0\n2 4 100Gbps 1us 0\n"
      "3 4 400Gbps 0.002ms 0\n";
  const std::string odd =
      "# a rack\n  5   2 4  \n\n3\n4\n0 3 100Gbps 1us\n\t1 3 100Gbps 1us 0\n"
      "2 4 100Gbps 1us 0\n# up\n3 4 400Gbps 0.002ms 0.0\n\n"
      "First line: nodes switches links\nsrc dst rate delay error_rate\n";
  const Result<Wiring> one = ReadNs3({plain, "a.txt", {}});
  ASSERT_TRUE(one) << TextOf(one.error());
  for (const std::string& text : {odd, WithCrlf(plain), WithCrlf(odd)}) {
    EXPECT_EQ(RecognizeFormat(text), FindFormat("ns3"));
    const Result<Wiring> other = ReadNs3({text, "a.txt", {}});
    ASSERT_TRUE(other) << TextOf(other.error());
    EXPECT_EQ(FormatScenario(*one), FormatScenario(*other));
  }
  const auto errors = [](const std::string& text) {
    const Result<Wiring> wiring = ReadNs3({text, "a.txt", {}});
    return wiring ? "no error" : TextOf(wiring.error());
  };
  EXPECT_THAT(errors("5 2 4\n3\n0 3 100Gbps 1us 0\n"),
              HasSubstr("a.txt:3:3: error: more ids of switches than the 2"));
  EXPECT_THAT(errors("5 2 4\n3 4 2\n"), HasSubstr("a.txt:2:5: error: more ids of switches"));
  EXPECT_THAT(errors(plain.substr(0, plain.size() - 20)), HasSubstr("a.txt:6:1: error: a link of"));
  EXPECT_THAT(errors(plain.substr(0, plain.rfind("3 4 400"))), HasSubstr("was the file cut off?"));
}

constexpr const char* kIb =
    "vendid=0x2c9\nswitchguid=0x1(1)\n"
    "Switch\t65 \"S-01\"\t\t# \"MF0;leaf1:MQM9701/U1\" enhanced port 0 lid 1 lmc 0\n"
    "[1]\t\"H-0a\"[1](a) \t\t# \"n1 mlx5_0\" lid 5 4xNDR\n"
    "[2]\t\"H-0b\"[1](b) \t\t# \"n2 mlx5_0\" lid 6 4xHDR\n"
    "[3]\t\"H-0c\"[1](c) \t\t# \"MT4129 ConnectX7   Mellanox Technologies\" lid 6 4xNDR\n"
    "[33]\t\"S-02\"[1]\t\t# \"MF0;spine1:MQM9701/U1\" lid 2 4xNDR\n"
    "[34]\t\"S-02\"[2]\t\t# \"MF0;spine1:MQM9701/U1\" lid 2 4xNDR\n"
    "[65]\t\"H-0d\"[1](d) \t\t# \"Mellanox Technologies Aggregation Node\" lid 9 4xNDR\n\n"
    "Ca\t1 \"H-0a\"\t\t# \"n1 mlx5_0\"\n"
    "[1](a) \t\"S-01\"[1]\t\t# lid 5 lmc 0 \"MF0;leaf1:MQM9701/U1\" lid 1 4xNDR\n";

TEST(ReadIbnetdiscover, FindsHostsLeavesAndSpines) {
  const Result<Wiring> wiring = ReadIbnetdiscover({kIb, "ib", {}});
  ASSERT_TRUE(wiring) << TextOf(wiring.error());
  const Fabric fabric = Rebuild(*wiring);
  EXPECT_EQ(fabric.counts().tiers[0].switches, 1);
  EXPECT_EQ(fabric.counts().tiers[1].switches, 1);
  EXPECT_EQ(fabric.counts().tiers[0].links_up, 2);
  for (const char* name : {"n1", "n2", "H-0c", "leaf1", "spine1", "leaf1/spine1.1"})
    EXPECT_TRUE(fabric.FindElement(name)) << name;
  const auto slow = fabric.FindElement("n2/nic0/port0");
  ASSERT_TRUE(slow);
  EXPECT_EQ(fabric.link(LinkId{slow->id}).rate, GigabitsPerSecond(200));
  const Unevenness uneven = FindUnevenness(fabric);
  ASSERT_EQ(uneven.odd.size(), 1u);
  EXPECT_EQ(uneven.odd[0], "n2/nic0/port0 -> leaf1: 200G, others 400G");
}

// A fabric manager's host and NICs without a name come after the hosts, whatever their names.
TEST(ReadIbnetdiscover, PutsOtherHostsLast) {
  std::string text = "Switch\t65 \"S-01\"\t# \"MF0;leaf1:MQM9701/U1\" enhanced port 0\n";
  int port = 1;
  const auto add = [&](const std::string& name) {
    text += fmt::format("[{0}]\t\"H-{0:04x}\"[1]({0:04x}) \t# \"{1}\" lid {0} 4xNDR\n", port, name);
    ++port;
  };
  add("aaa-ufm mlx5_0");
  add("MT4129 ConnectX7   Mellanox Technologies");
  for (const char* host : {"node2", "node1"})
    for (int nic = 0; nic < 4; ++nic) add(fmt::format("{} mlx5_{}", host, nic));
  for (const std::string& one : {text, WithCrlf(text)}) {
    const Result<Wiring> wiring = ReadIbnetdiscover({one, "ib", {}});
    ASSERT_TRUE(wiring) << TextOf(wiring.error());
    std::vector<std::string> names;
    for (const Wiring::Host& host : wiring->hosts) names.push_back(host.name);
    EXPECT_EQ(names, (std::vector<std::string>{"node1", "node2", "aaa-ufm", "H-0002"}));
    EXPECT_THAT(wiring->notes, testing::Contains(HasSubstr("1 host has at most half as many")));
  }
}

TEST(ReadIbnetdiscover, SaysWhereAFileIsWrong) {
  const auto errors = [](const std::string& text) {
    const Result<Wiring> wiring = ReadIbnetdiscover({text, "ib", {}});
    return wiring ? "no error" : TextOf(wiring.error());
  };
  EXPECT_THAT(errors("[1] \"S-1\"[2] # \"x\" 4xNDR\n"), HasSubstr("ib:1:1: error: a port before"));
  EXPECT_THAT(errors("Switch 65 \"S-01\" # \"a\"\n[1] \"S-02\"[1] # \"b\" lid 2 4xABC\n"),
              HasSubstr("ib:2:27: error: '4xABC' is no rate of InfiniBand"));
  EXPECT_THAT(errors("Switch 65 \"S-01\" # \"a\"\n[1] S-02 4xNDR\n"),
              HasSubstr("ib:2:5: error: a port that leads nowhere"));
  EXPECT_THAT(errors("hello\n"), HasSubstr("ib:1:1: error: 'hello' begins no line"));
}

TEST(FindUnevenness, NamesAMissingUplink) {
  Wiring wiring = WiringOf(
      "{ family: leaf_spine, leaves: 4, spines: 3, hosts_per_leaf: 1, link: 100Gbps, "
      "links_per_pair: 2 }");
  const auto cable = std::find_if(wiring.cables.begin(), wiring.cables.end(), [&](const auto& one) {
    return EndName(wiring, one.a) == "leaf2" && EndName(wiring, one.b) == "spine1";
  });
  wiring.cables.erase(cable);
  const Unevenness uneven = FindUnevenness(Rebuild(wiring));
  EXPECT_EQ(uneven.missing, std::vector<std::string>{"leaf2 - spine1: 1 of 2 cables"});
  EXPECT_EQ(uneven.leaves[2].lacking, 1);
  EXPECT_EQ(uneven.leaves[2].up, 5);
}

// Switches of one plane and pod meet; those of two do not, and lack nothing for that.
TEST(FindUnevenness, LooksAtEachPlaneAndPod) {
  for (const char* text : {"{ preset: hpn, segments: 2, hosts: 2 }",
                           "{ preset: dcn_plus, pods: 2, segments: 2, hosts: 2 }"}) {
    SCOPED_TRACE(text);
    Wiring wiring = WiringOf(text);
    EXPECT_TRUE(FindUnevenness(Rebuild(wiring)).missing.empty());
    const auto between =
        std::find_if(wiring.cables.begin(), wiring.cables.end(), [&](const auto& one) {
          return EndName(wiring, one.a).find("/tor") != std::string::npos &&
                 EndName(wiring, one.b).find("/agg") != std::string::npos;
        });
    ASSERT_NE(between, wiring.cables.end());
    const std::string lacking = EndName(wiring, between->a) + " - " + EndName(wiring, between->b);
    wiring.cables.erase(between);
    const Unevenness uneven = FindUnevenness(Rebuild(wiring));
    ASSERT_EQ(uneven.missing.size(), 1u);
    EXPECT_THAT(uneven.missing[0], HasSubstr(lacking));
  }
}

TEST(ReadNcclTopology, ReadsADump) {
  const char* text =
      "<system version=\"1\"><cpu numaid=\"0\"><pci busid=\"0\" class=\"0x060400\" "
      "link_speed=\"32.0 "
      "GT/s PCIe\" link_width=\"16\">"
      "<pci busid=\"1\" class=\"0x030200\" link_speed=\"32.0 GT/s PCIe\" link_width=\"16\"><gpu "
      "dev=\"0\" sm=\"90\"><nvlink target=\"f\" count=\"18\"/></gpu></pci>"
      "<pci busid=\"2\" class=\"0x020700\" link_speed=\"32.0 GT/s PCIe\" "
      "link_width=\"16\"><nic><net "
      "name=\"mlx5_0\" speed=\"400000\"/></nic></pci></pci></cpu></system>";
  const Result<Wiring> wiring = ReadNcclTopology({text, "t.xml", {}});
  ASSERT_TRUE(wiring) << TextOf(wiring.error());
  const HostSpec& host = wiring->hosts.at(0).spec;
  EXPECT_EQ(host.gpus(), 1);
  EXPECT_EQ(host.nics(), 1);
  EXPECT_EQ(host.nic(), 400e9);
  EXPECT_EQ(host.transport(), HostSpec::IB);
  EXPECT_EQ(host.nvlink(), 450 * 8e9);  // 18 links of 25 GB/s
  EXPECT_NEAR(host.pcie(), 32e9 * 16 * 128 / 130, 1e6);
  const Result<Wiring> wrong = ReadNcclTopology({"<system>\n<cpu>\n", "t.xml", {}});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(TextOf(wrong.error()), HasSubstr("t.xml:"));
}

TEST(ReadHtsim, CablesAFatTreeAsHtsimDoes) {
  const char* text =
      "# 3 tiers\nNodes 16\nTiers 3\nPodsize 4\nTier 0\nDownlink_speed_Gbps 100\nRadix_Down 2\n"
      "Radix_Up 2\nDownlink_Latency_ns 1000\nSwitch_Latency_ns 10\nTier 1\nDownlink_speed_Gbps "
      "100\n"
      "Radix_Down 2\nRadix_Up 2\nDownlink_Latency_ns 1000\nSwitch_Latency_ns 30\nTier 2\n"
      "Downlink_speed_Gbps 100\nRadix_Down 4\nDownlink_Latency_ns 1000\n";
  const Result<Wiring> wiring = ReadHtsim({text, "f.topo", {}});
  ASSERT_TRUE(wiring) << TextOf(wiring.error());
  const Fabric fabric = Rebuild(*wiring);
  std::vector<std::int64_t> switches;
  for (const TierCount& tier : fabric.counts().tiers) switches.push_back(tier.switches);
  EXPECT_EQ(switches, (std::vector<std::int64_t>{8, 8, 4}));  // a 4-ary fat tree
  EXPECT_EQ(fabric.counts().tiers[1].links_up, 16);
  EXPECT_EQ(fabric.host(HostId{15}).pod, 3);
  const auto bad = ReadHtsim({"Nodes 16\nTiers 3\nPodsize 4\nTier 0\nRadix_Dwn 2\n", "f.topo", {}});
  ASSERT_FALSE(bad);
  EXPECT_THAT(TextOf(bad.error()), HasSubstr("f.topo:5:1: error: unknown key 'Radix_Dwn'"));
}

// htsim's other file, of what is sent: one error, and not one a connection.
TEST(ReadHtsim, KnowsAConnectionMatrix) {
  const auto matrix =
      ReadHtsim({"Nodes 128\nConnections 2\n104->33 start 0 size 2000000\n35->33 start 0\n",
                 "incast.cm",
                 {}});
  ASSERT_FALSE(matrix);
  ASSERT_EQ(matrix.error().size(), 1u);
  EXPECT_THAT(TextOf(matrix.error()),
              HasSubstr("incast.cm:2:1: error: this is a connection matrix (.cm)"));
}

// Comments after values, blanks, other line ends and the case of keys change nothing.
TEST(ReadHtsim, TakesOddSpacing) {
  const std::string plain =
      "Nodes 8\nTiers 2\nPodsize 8\nTier 0\nDownlink_speed_Gbps 100\nRadix_Down 2\nRadix_Up 2\n"
      "Downlink_Latency_ns 1000\nTier 1\nDownlink_speed_Gbps 100\nRadix_Down 4\n"
      "Downlink_Latency_ns 1000\n";
  std::string odd = "# two tiers\n";
  for (const char c : plain)
    odd += c == '\n' ? "  # so it is\n\n" : std::string(1, c == ' ' ? '\t' : c);
  const Result<Wiring> one = ReadHtsim({plain, "f.topo", {}});
  ASSERT_TRUE(one) << TextOf(one.error());
  for (const std::string& text : {odd, WithCrlf(plain)}) {
    const Result<Wiring> other = ReadHtsim({text, "f.topo", {}});
    ASSERT_TRUE(other) << TextOf(other.error());
    EXPECT_EQ(FormatScenario(*one), FormatScenario(*other));
  }
}

// Columns in another order, more of them, comments, blanks around cells, quotes, other line ends.
TEST(ReadCsv, TakesOtherColumnsAndSpacing) {
  const std::string plain = WriteCsv(
      WiringOf("{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 1Gbps }"));
  std::string odd = "# planned\n";
  std::istringstream lines(plain);
  for (std::string line; std::getline(lines, line);) {
    for (std::size_t at = 0; (at = line.find(',', at)) != std::string::npos; at += 3)
      line.replace(at, 1, " , ");
    odd += (odd.find("a_device") == std::string::npos ? "remark, " : "\"a, b\", ") + line + "\n\n";
  }
  const Result<Wiring> one = ReadCsv({plain, "c.csv", {}});
  ASSERT_TRUE(one) << TextOf(one.error());
  for (const std::string& text : {odd, WithCrlf(plain), WithCrlf(odd)}) {
    EXPECT_EQ(RecognizeFormat(text), FindFormat("csv"));
    const Result<Wiring> other = ReadCsv({text, "c.csv", {}});
    ASSERT_TRUE(other) << TextOf(other.error());
    EXPECT_EQ(FormatScenario(*one), FormatScenario(*other));
  }
}

TEST(ReadCsv, SaysWhereAFileIsWrong) {
  const auto errors = [](const std::string& row) {
    const Result<Wiring> wiring = ReadCsv(
        {"a_device,a_port,a_part,b_device,b_port,b_part,rate,lanes,breakout,medium,latency\n" + row,
         "c.csv",
         {}});
    return wiring ? "no error" : TextOf(wiring.error());
  };
  EXPECT_THAT(errors("a,b\n"), HasSubstr("c.csv:2:1: error: a row of 2 cells"));
  EXPECT_THAT(errors("s0,1,tier=1,s1,1,tier=2,400,,,,1us\n"), HasSubstr("c.csv:2:25: error"));
  EXPECT_THAT(errors("s0,1,teir=1,s1,1,tier=2,400Gbps,,,,1us\n"),
              HasSubstr("c.csv:2:6: error: unknown key 'teir'"));
  EXPECT_THAT(errors("h,nic0,gpus=1,s1,1,tier=1,400Gbps,,,,1us\n"),
              HasSubstr("c.csv:2:3: error: 'nic0' is no port of a host"));
}

TEST(WriteSlurm, GivesATreeOfSegments) {
  const std::string text = WriteSlurm(
      WiringOf("{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 3, link: 1Gbps }"));
  EXPECT_THAT(text, HasSubstr("SwitchName=leaf0 Nodes=host[0-2]\nSwitchName=leaf1 Nodes=host[3-5]\n"
                              "SwitchName=fabric Switches=leaf0,leaf1\n"));
}

// Names that weft makes up are nobody's; zones that no way joins have no common top.
TEST(WriteSlurm, TakesNoNameThatIsTakenAndJoinsNoZones) {
  Wiring wiring =
      WiringOf("{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 3, link: 1Gbps }");
  wiring.hosts[4].name = "fabric";
  EXPECT_THAT(WriteSlurm(wiring), HasSubstr("SwitchName=fabric_ Switches=leaf0,leaf1\n"));
  const std::string zones =
      WriteSlurm(WiringOf("{ family: fat_tree, endpoints: 32, zones: 2, radix: 8, link: 1Gbps }"));
  EXPECT_THAT(zones, testing::Not(HasSubstr("SwitchName=fabric")));
  EXPECT_THAT(zones, HasSubstr("2 parts that no way joins"));
  EXPECT_THAT(zones, testing::ContainsRegex("SwitchName=zone0 Switches=.*\nSwitchName=zone1 "));
}

}  // namespace
}  // namespace weft
