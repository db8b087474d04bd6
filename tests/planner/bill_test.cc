// The bill of what is counted, the rules that it passes, and the reference designs when asked for.
#include "planner/bill.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>

#include "base/random.h"
#include "planner/evaluate.h"
#include "planner/question.h"
#include "planner/sizing.h"
#include "tests/base/error_list.h"
#include "tests/base/test_file.h"

namespace weft {
namespace {

Question QuestionOf(const std::string& text) {
  auto question = ParseQuestion(text, "plan.yaml", {}, nullptr);
  EXPECT_TRUE(question) << (question ? "" : ErrorLines(question.error()));
  return question ? *std::move(question) : Question{};
}

constexpr char kGood[] =
    "need: { gpus: 3072 }\n"
    "parts: { accelerators: [h800], switches: [51.2T], nic: [400Gbps], nic_ports: [2] }\n"
    "limits: { capex: 900MUSD, site_power: 90MW, failure_domain: 10%, reach: 100m }\n"
    "policy: { spares: 2%, backup_hosts: 5% }\nnetwork: { frontend: size, oob: count }\n"
    "growth: 3072\n"
    "jobs: [{ gpus: 1024, collective: { op: all_reduce, bytes: 1MiB } }]\n";

using RuleNames = std::set<std::string>;

RuleNames BrokenRules(const Question& question, const Candidate& one) {
  RuleNames out;
  for (const RuleCheck& check : CheckRules(question, one))
    if (!check.ok) out.insert(check.rule);
  return out;
}

// A plan that passes all, in as many tiers and planes as rules speak of.
Candidate PlanOf(const Question& question, const std::string& id) {
  std::vector<Candidate> all = EnumerateCandidates(question, SizeAccelerators(question));
  for (Candidate& one : all)
    if (one.id == id) {
      ScreenCandidate(question, AllCables(question.catalogue), one);
      EXPECT_TRUE(one.feasible()) << id << ": " << one.broken[0].rule << one.broken[0].said;
      return one;
    }
  ADD_FAILURE() << "no " << id;
  return {};
}

BomRow& BillRow(Candidate& plan, BomRole role) {
  for (BomRow& row : plan.bom.rows)
    if (row.role == role && !row.spare && !row.counted) return row;
  ADD_FAILURE();
  return plan.bom.rows[0];
}

struct BrokenPlan {
  const char* rule;
  std::function<void(Question&, Candidate&)> change;
  RuleNames also = {};  // what cannot but break with it
};

// Each rule, by the least change to a good plan that it is there to see. Where one cannot break
// alone, what breaks with it counts the same ports, or the same pieces.

// Ports, chips and cages: all switches are of one part.
std::vector<BrokenPlan> BrokenPorts() {
  return {

      {"leaf ports",
       [](Question& q, Candidate& c) {
         q.switches[0].part.ports =
             static_cast<int>(c.counts.leaf_slots + c.counts.leaf_uplinks - 1);
       }},
      {"leaf chip",
       [](Question& q, Candidate&) { q.switches[0].part.rate = q.switches[0].part.rate * 0.99; },
       {"spine chip", "core chip"}},
      {"leaf cages",
       [](Question& q, Candidate&) { q.switches[0].part.cages -= 1; },
       {"spine cages", "core cages"}},
      {"leaf ports for hosts",
       [](Question&, Candidate& c) { c.counts.leaf_slots /= 2; },
       {"oversubscription of leaves"}},
      {"spine ports",
       [](Question&, Candidate& c) { c.counts.spine_uplinks += 400; },
       {"spine chip", "spine cages"}},
      {"spine chip",
       [](Question&, Candidate& c) { c.counts.spine_uplinks += 100; },
       {"spine cages"}},
      {"spine cages",
       [](Question&, Candidate& c) { c.counts.spine_uplinks += 100; },
       {"spine chip"}},
      {"spine ports for leaves",
       [](Question&, Candidate& c) { c.counts.spines /= 8; },
       {"spine ports", "spine chip", "spine cages", "switches of the bill"}},
      {"links of leaves",
       [](Question&, Candidate& c) { c.counts.leaf_links -= 1; },
       {"cables are links"}},
      {"core ports",
       [](Question&, Candidate& c) { c.counts.cores = 2; },
       {"core chip", "core cages", "core ports for spines", "switches of the bill"}},
      {"core chip",
       [](Question&, Candidate& c) { c.counts.cores = 2; },
       {"core ports", "core cages", "core ports for spines", "switches of the bill"}},
      {"core cages",
       [](Question&, Candidate& c) { c.counts.cores = 2; },
       {"core ports", "core chip", "core ports for spines", "switches of the bill"}},
      {"core ports for spines",
       [](Question&, Candidate& c) { c.counts.cores = 2; },
       {"core ports", "core chip", "core cages", "switches of the bill"}}};
}

// Cables and what is at their ends.
std::vector<BrokenPlan> BrokenLinks() {
  return {
      {"reach",
       [](Question&, Candidate& c) { c.design.chip_ports = 4; },
       {"core ports for spines", "spine ports for leaves"}},
      {"every NIC port once", [](Question&, Candidate& c) { c.design.nics_of_host -= 1; }},
      {"cable fits", [](Question&, Candidate& c) { c.kits[1].reset(); }},
      {"equal rates", [](Question&, Candidate& c) { c.kits[0]->rate[1] = GigabitsPerSecond(100); }},
      {"plug fits its cage", [](Question&, Candidate& c) { c.kits[1]->forms[0] = 0; }},
      {"media interoperate", [](Question&, Candidate& c) { c.kits[1]->standard[1] = "fr4"; }},
      {"reach of the medium", [](Question&, Candidate& c) { c.kits[1]->reach = Metres(2); }},
      {"plug power", [](Question&, Candidate& c) { c.kits[1]->allowed[0] = Watts(0.01); }},
      {"length in the hall", [](Question& q, Candidate&) {
         const_cast<PlanSpec&>(q.spec()).mutable_limits()->set_reach(5);
       }}};
}

// Spines, planes, homes, growth.
std::vector<BrokenPlan> BrokenShapes() {
  return {
      {"spines",
       [](Question& q, Candidate&) {
         const_cast<PlanSpec&>(q.spec()).mutable_policy()->set_min_spines(1000);
       }},
      {"equal links to spines", [](Question&, Candidate& c) { c.counts.spines_of_pod -= 1; }},
      {"oversubscription of leaves",
       [](Question&, Candidate& c) { c.design.oversubscription = 2; }},
      {"oversubscription of spines",
       [](Question&, Candidate& c) { c.design.spine_oversubscription = 0.5; }},
      {"planes isolated", [](Question&, Candidate& c) { c.counts.networks = 3; }},
      {"connected",
       [](Question&, Candidate& c) {
         c.counts.pods = 2;
         c.counts.spine_uplinks = 0;
       }},
      {"one switch less", [](Question&, Candidate& c) { c.counts.cores_of_network = 1; }},
      {"dual homes apart", [](Question&, Candidate& c) { c.counts.segments = c.counts.leaves; }},
      {"failure domain", [](Question&, Candidate& c) { c.stopped_gpus = c.accelerators / 4; }},
      {"growth", [](Question&, Candidate& c) { c.counts.reach_gpus = 1000; }}};
}

// Racks, cooling, power, compute, jobs.
std::vector<BrokenPlan> BrokenHalls() {
  return {{"rack power", [](Question&, Candidate& c) { c.host_watts *= 1.4; }},
          {"rack units", [](Question& q, Candidate&) { q.accelerators[0].part.units = 20; }},
          {"switch in a rack", [](Question& q, Candidate&) { q.switches[0].part.units = 60; }},
          {"chip and cooler", [](Question& q, Candidate&) { q.switches[0].cooler = Watts(600); }},
          {"site power", [](Question&, Candidate& c) { c.site_watts = 91e6; }},
          {"accelerators of hosts", [](Question&, Candidate& c) { c.populated -= 1; }},
          {"compute", [](Question& q, Candidate&) { q.gpus += 8; }},
          {"largest job", [](Question& q, Candidate&) { q.jobs[0].gpus = 4000; }},
          {"goodput", [](Question& q, Candidate&) {
             const_cast<PlanSpec&>(q.spec()).mutable_reliability()->set_restart(
                 std::int64_t{1000} * 3600 * 1'000'000'000'000);
           }}};
}

// Pieces, money and watts.
std::vector<BrokenPlan> BrokenBills() {
  return {
      {"provisioned", [](Question&, Candidate& c) { c.provisioned -= 1; }, {"hosts of the bill"}},
      {"hosts of the bill",
       [](Question&, Candidate& c) {
         BillRow(c, BomRole::kHost).quantity -= 1;
         c.totals = SumBom(c.bom);
       }},
      {"switches of the bill",
       [](Question&, Candidate& c) {
         BillRow(c, BomRole::kSwitch).quantity -= 1;
         c.totals = SumBom(c.bom);
       }},
      {"cables are links",
       [](Question&, Candidate& c) { BillRow(c, BomRole::kHostCable).links -= 1; },
       {"optics are ends"}},
      {"optics are ends",
       [](Question&, Candidate& c) {
         BillRow(c, BomRole::kOptic).quantity /= 2;
         c.totals = SumBom(c.bom);
       }},
      {"sum of the bill",
       [](Question&, Candidate& c) { c.totals.price.mid = c.totals.price.mid * 0.99; }},
      {"watts of the bill",
       [](Question&, Candidate& c) { c.totals.power.mid = c.totals.power.mid * 0.99; }},
      {"every row from the catalogue",
       [](Question&, Candidate& c) { BillRow(c, BomRole::kRack).unit_price->date.clear(); }},
      {"capex", [](Question& q, Candidate&) {
         const_cast<PlanSpec&>(q.spec()).mutable_limits()->set_capex(1e6);
       }}};
}

// What is taken off the market leaves nothing cheaper behind; each reaches.
TEST(FindLinkKit, TakesTheCheapestThatReaches) {
  CableMarket market = AllCables(*ReadCatalogue({}, nullptr));
  const LinkEnd end{CageOfPort(GigabitsPerSecond(400)), GigabitsPerSecond(400)};
  for (const double metres : {1.0, 4.0, 20.0, 200.0}) {
    CableMarket rest = market;
    double before = 0;
    for (int taken = 0; taken < 3; ++taken) {
      const auto kit = FindLinkKit(rest, end, end, Metres(metres));
      ASSERT_TRUE(kit) << metres;
      EXPECT_GE(kit->usd, before) << metres;
      EXPECT_GE(kit->reach, Metres(metres));
      before = kit->usd;
      for (std::size_t i = 0; i < rest.cables.size(); ++i)
        if (rest.cables[i].part == kit->cable) rest.prices.lanes[i] = 1e9;
      for (std::size_t i = 0; i < rest.optics.size(); ++i)
        if (rest.optics[i].part == kit->optics[0]) rest.prices.optics[i] = 1e9;
    }
  }
}

TEST(CheckRules, EachSeesThePlanThatBreaksIt) {
  std::vector<BrokenPlan> breaks;
  for (const auto& some :
       {BrokenPorts(), BrokenLinks(), BrokenShapes(), BrokenHalls(), BrokenBills()})
    breaks.insert(breaks.end(), some.begin(), some.end());
  const std::string id = "h800/rail_optimized/3-tier/400G/2-plane/51.2T/up400G/1:1/1:1/even";
  RuleNames seen;
  Question good = QuestionOf(kGood);
  // Cables with plugs so dear that there are optics to break.
  for (CatalogueRow& row : good.catalogue.rows)
    if (row.part.starts_with("AOC")) row.price->range = row.price->range * 20;
  const Candidate good_plan = PlanOf(good, id);
  ASSERT_EQ(BrokenRules(good, good_plan), RuleNames{});
  for (const BrokenPlan& one : breaks) {
    Question question = good;
    question.located = std::make_shared<const Located<PlanSpec>>(*good.located);
    Candidate plan = good_plan;
    one.change(question, plan);
    RuleNames expected = one.also;
    expected.insert(one.rule);
    EXPECT_EQ(BrokenRules(question, plan), expected) << one.rule;
    seen.insert(one.rule);
  }
  EXPECT_GE(seen.size(), 30u);
  // None is left out.
  for (const RuleCheck& check : CheckRules(good, good_plan))
    EXPECT_EQ(seen.count(check.rule), 1u) << check.rule;
}

// A reason names what is lost, not the rule.
TEST(CheckRules, SayWhatTheLossOfASwitchParts) {
  const Question good = QuestionOf(kGood);
  Candidate plan =
      PlanOf(good, "h800/rail_optimized/3-tier/400G/2-plane/51.2T/up400G/1:1/1:1/even");
  const auto said = [&] {
    for (const RuleCheck& check : CheckRules(good, plan))
      if (check.rule == std::string("one switch less")) return check.said;
    return std::string();
  };
  plan.counts.spines_of_pod = 8;
  plan.counts.cores_of_network = 4;
  EXPECT_EQ(said(),
            "8 spines of a pod, 4 cores of a network: the leaves stay joined without any one of "
            "them");
  plan.counts.cores_of_network = 1;
  EXPECT_EQ(said(), "8 spines of a pod, 1 core of a network: the loss of that core parts the pods");
  plan.counts.spines_of_pod = 1;
  EXPECT_EQ(said(),
            "1 spine of a pod, 1 core of a network: the loss of that spine parts the leaves");
}

// The rules of routers, which no Clos has, each broken alone.
TEST(CheckRules, SeeRoutersThatBreakThem) {
  const Question good = QuestionOf(
      "need: { gpus: 512 }\nparts: { accelerators: [h100], switches: [51.2T], families: "
      "[dragonfly, slim_fly] }\n");
  const std::vector<BrokenPlan> breaks = {
      {"cables of routers",
       [](Question&, Candidate& c) { c.counts.leaf_links *= 2; },
       {"cables are links"}},
      {"load of routers", [](Question&, Candidate& c) { c.design.oversubscription = 0.1; }},
      {"connected",
       [](Question&, Candidate& c) { c.design.routers.groups += 1000; },
       {"cables of routers"}},
      {"one switch less",
       [](Question&, Candidate& c) { c.counts.leaf_uplinks = 1; },
       {"cables of routers"}}};
  int tried = 0;
  for (Candidate& plan : EnumerateCandidates(good, SizeAccelerators(good))) {
    ScreenCandidate(good, AllCables(good.catalogue), plan);
    if (!plan.feasible() || plan.design.family != DesignFamily::kDragonfly) continue;
    for (const BrokenPlan& one : breaks) {
      Question question = good;
      Candidate broken = plan;
      one.change(question, broken);
      const RuleNames names = BrokenRules(question, broken);
      EXPECT_EQ(names.count(one.rule), 1u) << plan.id << ": " << one.rule;
    }
    ++tried;
  }
  EXPECT_GT(tried, 3);
}

// Plugs of four ports at 10 links: two devices of five need two each, ten of one need one each;
// filled device by device of eight, eight are two plugs and the last two links one.
TEST(EvenPlugs, CountsDeviceByDevice) {
  EXPECT_EQ(EvenPlugs(10, 2, 4), 4);
  EXPECT_EQ(EvenPlugs(10, 10, 4), 10);
  EXPECT_EQ(EvenPlugs(10, 3, 2), 2 + 2 + 2);
  EXPECT_EQ(PackedPlugs(10, 8, 4), 3);
  EXPECT_EQ(PackedPlugs(16, 8, 4), 4);
  EXPECT_EQ(EvenPlugs(0, 0, 4), 0);
}

// A published design: what it has, when asked for by its parts and shape.
struct Reference {
  const char *parts, *id;
  std::int64_t gpus, leaves, spines, cores, nic_links, leaf_links, spine_links;
};

constexpr char kNdr[] = "accelerators: [b200], switches: [qm9700], nic_ports: [1]";
constexpr char kNdrTwo[] = "b200/rail_optimized/2-tier/400G/25.6T/1:1/even/qm9700";
constexpr char kNdrThree[] = "b200/rail_optimized/3-tier/400G/25.6T/1:1/1:1/even/qm9700";
constexpr char kEthernet[] = "accelerators: [b300], switches: [sn5600], nic_ports: [2]";
constexpr char kEthernetTwo[] = "b300/rail_optimized/2-tier/800G/2-plane/51.2T/1:1/even/sn5600";
constexpr char kXdr[] = "accelerators: [b300], switches: [q3400], nic_ports: [1]";
constexpr char kXdrTwo[] = "b300/rail_optimized/2-tier/800G/115.2T/1:1/even/q3400";
constexpr char kNdrH800[] = "accelerators: [h800], switches: [qm9700], nic: [400Gbps]";

constexpr Reference kReferences[] = {
    // DGX SuperPOD with NDR, two to 64 units [NV-SPB200], three of them [NV-SPH100].
    {kNdr, kNdrTwo, 512, 16, 8, 0, 512, 512, 0},
    {kNdr, kNdrTwo, 768, 24, 16, 0, 768, 768, 0},
    {kNdr, kNdrTwo, 1024, 32, 16, 0, 1024, 1024, 0},
    {kNdr, kNdrTwo, 2048, 64, 32, 0, 2048, 2048, 0},
    {kNdr, kNdrThree, 4096, 128, 128, 64, 4096, 4096, 4096},
    {kNdr, kNdrThree, 8192, 256, 256, 128, 8192, 8192, 8192},
    {kNdr, kNdrThree, 16384, 512, 512, 256, 16384, 16384, 16384},
    // Two planes of Ethernet [NV-SPB300E]: a cable of its table is a link of each plane.
    {kEthernet, kEthernetTwo, 512, 16, 8, 0, 1024, 1024, 0},
    {kEthernet, kEthernetTwo, 1024, 32, 16, 0, 2048, 2048, 0},
    {kEthernet, kEthernetTwo, 2048, 64, 32, 0, 4096, 4096, 0},
    {kEthernet, kEthernetTwo, 4096, 128, 64, 0, 8192, 8192, 0},
    {kEthernet, kEthernetTwo, 8192, 256, 128, 0, 16384, 16384, 0},
    // XDR [NV-SPB300X].
    {kXdr, kXdrTwo, 576, 8, 4, 0, 576, 576, 0},
    {kXdr, kXdrTwo, 1152, 16, 8, 0, 1152, 1152, 0},
    {kXdr, kXdrTwo, 2304, 32, 18, 0, 2304, 2304, 0},
    {kXdr, kXdrTwo, 4608, 64, 36, 0, 4608, 4608, 0},
    {kXdr, kXdrTwo, 10368, 144, 72, 0, 10368, 10368, 0},
    // [ZDR+25 Table 3]: MPFT, FT2, FT3.
    {kNdrH800, "h800/rail_only/2-tier/400G/25.6T/1:1/even/qm9700", 16384, 512, 256, 0, 16384, 16384,
     0},
    {kNdrH800, "h800/fat_tree/2-tier/400G/25.6T/1:1/even/qm9700", 2048, 64, 32, 0, 2048, 2048, 0},
    {kNdrH800, "h800/fat_tree/3-tier/400G/25.6T/1:1/1:1/even/qm9700", 65536, 2048, 2048, 1024,
     65536, 65536, 65536},
    // An HPN pod, its backup hosts aside [QXC+24 Fig. 7].
    {"accelerators: [h800], switches: [51.2T]", "h800/hpn/2-tier/400G/2-plane/51.2T/up400G", 15360,
     240, 120, 0, 30720, 14400, 0},
    // Juniper's medium stripe design [JVD].
    {"accelerators: [h100], switches: [51.2T]", "h100/rail_optimized/2-tier/400G/51.2T/1:1/even",
     8192, 128, 64, 0, 8192, 8192, 0},
};

// Counts, and a bill of as many hosts, switches, cables and plugs.
TEST(BillCandidate, HasWhatReferenceDesignsHave) {
  for (const Reference& want : kReferences) {
    SCOPED_TRACE(fmt::format("{} of {}", want.id, want.gpus));
    const Question question =
        QuestionOf(fmt::format("need: {{ gpus: {} }}\nparts: {{ {} }}\n", want.gpus, want.parts));
    const Candidate plan = PlanOf(question, want.id);
    EXPECT_EQ(plan.counts.leaves, want.leaves);
    EXPECT_EQ(plan.counts.spines, want.spines);
    EXPECT_EQ(plan.counts.cores, want.cores);
    EXPECT_EQ(plan.counts.nic_links, want.nic_links);
    EXPECT_EQ(plan.counts.leaf_links, want.leaf_links);
    EXPECT_EQ(plan.counts.spine_links, want.spine_links);
    std::int64_t hosts = 0, switches = 0, links[2] = {0, 0}, fibres = 0, ends = 0;
    for (const BomRow& row : plan.bom.rows) {
      if (row.role == BomRole::kHost) hosts += row.quantity;
      if (row.role == BomRole::kSwitch) switches += row.quantity;
      if (row.role == BomRole::kHostCable) links[0] += row.quantity;
      if (row.role == BomRole::kSwitchCable) links[1] += row.quantity;
      if (row.kind == PartKind::kFibre) fibres += row.quantity;
      if (row.role == BomRole::kOptic) ends += row.quantity * row.ports;
    }
    EXPECT_EQ(hosts, want.gpus / 8);
    EXPECT_EQ(switches, want.leaves + want.spines + want.cores);
    EXPECT_EQ(links[0], want.nic_links);
    EXPECT_EQ(links[1], want.leaf_links + want.spine_links);
    EXPECT_EQ(ends, 2 * fibres);  // all full, so that no plug has an end to spare
  }
}

// What is counted is what is cabled: hosts that do not fill their last leaves, with two NICs to a
// cage. Fibres and plugs are compared, medium by medium where lengths are estimated alike.
TEST(BillCandidate, CountsThePlugsOfTheFabricThatIsBuilt) {
  struct Pieces {
    std::int64_t hosts = 0, switches = 0, host_links = 0, switch_links = 0;
    bool operator==(const Pieces&) const = default;
  };
  const auto pieces = [](const Candidate& plan) {
    Pieces out;
    for (const BomRow& row : plan.bom.rows) {
      if (row.spare || row.counted) continue;
      if (row.role == BomRole::kHost) out.hosts += row.quantity;
      if (row.role == BomRole::kSwitch) out.switches += row.quantity;
      if (row.role == BomRole::kHostCable) out.host_links += row.links;
      if (row.role == BomRole::kSwitchCable) out.switch_links += row.links;
    }
    return out;
  };
  int built = 0;
  for (const int gpus : {232, 392}) {
    const Question question = QuestionOf(
        fmt::format("need: {{ gpus: {} }}\nparts: {{ accelerators: [h100], switches: [qm9700], "
                    "nic_ports: [1], oversubscription: [1, 3] }}\npolicy: {{ spares: 3% }}\n"
                    "network: {{ frontend: size, oob: count }}\n",
                    gpus));
    for (Candidate& plan : EnumerateCandidates(question, SizeAccelerators(question))) {
      ScreenCandidate(question, AllCables(question.catalogue), plan);
      if (!plan.feasible()) continue;
      const Pieces counted = pieces(plan);
      const auto beside = [&] {
        std::int64_t rows = 0;
        for (const BomRow& row : plan.bom.rows) rows += row.counted ? row.quantity : 0;
        return rows;
      };
      const std::int64_t of_sides = beside();
      MakeExact(question, plan, nullptr);
      ASSERT_TRUE(plan.feasible()) << plan.id << plan.broken[0].rule << plan.broken[0].said;
      EXPECT_TRUE(pieces(plan) == counted) << plan.id;
      EXPECT_EQ(beside(), of_sides) << plan.id;  // with their spares
      ++built;
    }
  }
  EXPECT_GT(built, 5);
}

// Of every kind of link and rack: the fabric that is built never costs or draws less than the least
// bill of its design, and that is worth something as a bound.
TEST(LeastBill, IsBelowTheBillOfTheFabricThatIsBuilt) {
  const char* questions[] = {
      "need: { gpus: 512 }\nparts: { accelerators: [h100] }\n",
      "need: { gpus: 1096 }\nparts: { accelerators: [h800], switches: [25.6T], nic: [200Gbps, "
      "400Gbps] }\npolicy: { spares: 3% }\nlimits: { rack: { power: 80kW } }\n",
      "need: { gpus: 300 }\nparts: { accelerators: [ascend-910b2, b300] }\nnetwork: { storage: "
      "size }\nlimits: { rack: { power: 140kW, units: 60 } }\n",
      "need: { gpus: 96 }\nparts: { accelerators: [b200], switches: [q3400, sn5600, qm9700] }\n"};
  const CableMarket market = AllCables(*ReadCatalogue({}, nullptr));
  int built = 0;
  double shares = 0;
  for (const char* text : questions) {
    const Question question = QuestionOf(text);
    LinkOptions known;
    int feasible = 0;
    for (Candidate& plan : EnumerateCandidates(question, SizeAccelerators(question))) {
      ScreenCandidate(question, market, plan);
      if (!plan.feasible() || feasible++ % 12 != 0) continue;
      const BillFloor least = LeastBill(question, market, plan, known);
      MakeExact(question, plan, nullptr);
      if (!plan.feasible()) continue;
      ASSERT_TRUE(plan.exact);
      EXPECT_LE(least.usd, plan.capex() * (1 + 1e-9)) << plan.id;
      EXPECT_LE(least.watts, plan.totals.power.mid.count() * (1 + 1e-9)) << plan.id;
      shares += least.usd / plan.capex();
      ++built;
    }
  }
  EXPECT_GT(built, 60);
  EXPECT_GT(shares / built, 0.97);
}

std::string SaidOf(const Candidate& plan) {
  std::string out;
  for (const RuleCheck& check : plan.broken) out += check.rule + ": " + check.said + '\n';
  return out;
}

// A ConnectX-8 has one cage: two ports of 400G share a plug, one of 800G has its own.
TEST(MakeExact, GivesANicOfTwoPortsOnePlug) {
  struct Want {
    const char* parts;
    int cages;
  };
  for (const Want& want : {Want{"accelerators: [b300], switches: [sn5600], nic_ports: [2]", 8},
                           Want{"accelerators: [b300], switches: [q3400], nic_ports: [1]", 8},
                           Want{"accelerators: [h100], switches: [sn5600], nic_ports: [2]", 8},
                           Want{"accelerators: [h100], switches: [sn5600], nic_ports: [1]", 4}}) {
    SCOPED_TRACE(want.parts);
    const Question question =
        QuestionOf(fmt::format("need: {{ gpus: 512 }}\nparts: {{ {} }}\n", want.parts));
    const CableMarket market = AllCables(question.catalogue);
    int built = 0;
    for (Candidate& plan : EnumerateCandidates(question, SizeAccelerators(question))) {
      ScreenCandidate(question, market, plan);
      if (!plan.feasible() || built == 3) continue;
      ExactFiles files;
      MakeExact(question, plan, &files);
      ASSERT_TRUE(plan.feasible()) << plan.id << SaidOf(plan);
      EXPECT_THAT(files.ports, testing::HasSubstr(fmt::format("\nhost0,0,1,{0},{0},", want.cages)))
          << plan.id << '\n'
          << files.ports.substr(0, 200);
      ++built;
    }
    EXPECT_EQ(built, 3);
  }
}

// Of every candidate: what it has in common with those before changes nothing.
TEST(ScreenMemo, GivesEachCandidateWhatItGetsAlone) {
  const char* questions[] = {
      "need: { gpus: 1096 }\n"
      "parts: { accelerators: [h800, ascend-910b2], nic: [200Gbps, 400Gbps] }\n"
      "policy: { spares: 3%, backup_hosts: 5% }\nnetwork: { storage: size, frontend: size }\n",
      "need: { gpus: 3000 }\n"
      "parts: { accelerators: [ascend-910c, b300], switches: [sn5600, q3400] }\n"
      "limits: { reach: 60m }\n"};
  for (const char* text : questions) {
    const Question question = QuestionOf(text);
    const CableMarket market = AllCables(question.catalogue);
    ScreenMemo memo(question, market);
    int feasible = 0, broken = 0;
    for (const Candidate& plan : EnumerateCandidates(question, SizeAccelerators(question))) {
      Candidate alone = plan, after = plan;
      ScreenCandidate(question, market, alone);
      ScreenCandidate(memo, after);
      ASSERT_EQ(BomCsv(after.bom), BomCsv(alone.bom)) << plan.id;
      ASSERT_EQ(SaidOf(after), SaidOf(alone)) << plan.id;
      ASSERT_EQ(after.capex(), alone.capex()) << plan.id;
      ASSERT_EQ(after.host_watts, alone.host_watts) << plan.id;
      ++(after.feasible() ? feasible : broken);
    }
    EXPECT_GT(feasible, 20);
    EXPECT_GT(broken, 20);
  }
}

// What is kept of a rule is what was said of it, words that are made when they are asked for, too.
TEST(FindBrokenRules, SaysOfARuleWhatCheckRulesSays) {
  const Question question = QuestionOf(
      "need: { gpus: 512 }\nparts: { accelerators: [h100] }\n"
      "limits: { site_power: 500kW, capex: 1MUSD, failure_domain: 1% }\n");
  int found = 0;
  const CableMarket market = AllCables(question.catalogue);
  for (Candidate& plan : EnumerateCandidates(question, SizeAccelerators(question))) {
    ScreenCandidate(question, market, plan);
    if (plan.counts.leaves == 0) continue;
    std::string said;
    for (const RuleCheck& check : CheckRules(question, plan))
      if (!check.ok) said += check.rule + ": " + check.said + '\n';
    std::string kept;
    for (const RuleCheck& check : FindBrokenRules(question, plan))
      kept += check.rule + ": " + check.said + '\n';
    EXPECT_EQ(kept, said) << plan.id;
    if (!said.empty()) ++found;
  }
  EXPECT_GT(found, 20);
}

std::string QuoteFile(const char* name, const std::string& rows) {
  const std::string path = TestFile(name);
  std::ofstream(path) << "rows: [" << rows << "]\n";
  return path;
}

// The bill of 2,048 H800 at `nic`, with `quotes` laid over the catalogue.
Candidate Quoted(const char* nic, const std::string& quotes) {
  const std::string catalogue =
      quotes.empty() ? "" : fmt::format("catalogue: [\"{}\"]\n", QuoteFile("quotes.yaml", quotes));
  const Question question = QuestionOf(
      fmt::format("need: {{ gpus: 2048 }}\nparts: {{ accelerators: [h800], switches: [51.2T], "
                  "nic: [{}], nic_ports: [1] }}\n{}",
                  nic, catalogue));
  return PlanOf(question, fmt::format("h800/rail_optimized/2-tier/{}/51.2T/1:1/even",
                                      std::string_view(nic).substr(0, 4)));
}

double HostsUsd(const Candidate& plan) {
  return SumBom(plan.bom, BomScope::kHosts).price.mid.count() -
         static_cast<double>(plan.racks) * 4000;
}

// A NIC of half the rate is another NIC: 900 for 1,500 dollars, 20 for 25 watts.
TEST(BillCandidate, PricesTheNicsThatHostsHave) {
  const Candidate fast = Quoted("400Gbps", ""), slow = Quoted("200Gbps", "");
  EXPECT_NEAR(HostsUsd(fast), 256 * 360e3, 1);
  EXPECT_NEAR(HostsUsd(fast) - HostsUsd(slow), 2048 * 600.0, 1);
  EXPECT_NEAR(fast.host_watts - slow.host_watts, 8 * 5.0, 1e-6);
}

// A reader's figure changes what depends on it by what it says, and nothing else.
TEST(BillCandidate, TakesEveryFigureThatAReaderGives) {
  const Candidate plain = Quoted("400Gbps", "");
  const auto more = [&](const std::string& quotes) {
    const Candidate quoted = Quoted("400Gbps", quotes);
    EXPECT_EQ(quoted.counts.switches(), plain.counts.switches());
    return quoted.totals.price.mid.count() - plain.totals.price.mid.count();
  };
  EXPECT_NEAR(more("{ part: connectx7, price: { mid: 2500USD } }"), 2048 * 1000.0, 1);
  EXPECT_NEAR(more("{ part: h800, price: { mid: 30kUSD } }"), 2048 * -2000.0, 1);
  EXPECT_NEAR(more("{ part: hgx-h800, price: { mid: 350kUSD } }"), 256 * -10e3, 1);
  // A price of the whole host is with whatever NICs and accelerators cost.
  EXPECT_NEAR(more("{ part: hgx-h800, price: { mid: 350kUSD } }, "
                   "{ part: connectx7, price: { mid: 2500USD } }"),
              256 * -10e3, 1);
  const Candidate cool =
      Quoted("400Gbps", "{ part: hgx-h800, power: { mid: 8kW, source: ours, mark: read } }");
  EXPECT_NEAR(cool.host_watts, 8000, 1e-6);
  EXPECT_NEAR(plain.totals.power.mid.count() - cool.totals.power.mid.count(), 256 * 2200.0, 1e-3);
  EXPECT_LT(cool.racks, plain.racks);
}

// Supernodes are bought, and kept in reserve, whole: 16 NVL72 of 18 trays of four, and one more;
// 18 CloudMatrix of 48 servers of eight, and two more.
TEST(BillCandidate, BuysWholeSupernodes) {
  const auto plan = [](const char* accelerator, int gpus, const char* nic) {
    const Question question = QuestionOf(
        fmt::format("need: {{ gpus: {} }}\nparts: {{ accelerators: [{}], switches: [51.2T], "
                    "nic_ports: [1] }}\npolicy: {{ backup_hosts: 6% }}\n",
                    gpus, accelerator));
    return PlanOf(question,
                  fmt::format("{}/rail_optimized/2-tier/{}/51.2T/1:1/even", accelerator, nic));
  };
  Candidate nvl = plan("gb200", 1152, "400G");
  EXPECT_EQ(nvl.design.gpus_of_host, 4);
  EXPECT_EQ(nvl.populated, 16 * 18);
  EXPECT_EQ(nvl.provisioned, 17 * 18);
  EXPECT_EQ(BillRow(nvl, BomRole::kHost).quantity, 17);
  Candidate cm = plan("ascend-910c", 6912, "200G");
  EXPECT_EQ(cm.provisioned, 20 * 48);
  EXPECT_EQ(BillRow(cm, BomRole::kHost).quantity, 20);
  // Sixteen racks each [CM384-SA], which come with it: only the switches' are ours.
  EXPECT_EQ(cm.own_racks, 20 * 16);
  EXPECT_EQ(BillRow(cm, BomRole::kRack).quantity, cm.racks - 320);
  EXPECT_EQ(nvl.own_racks, 17);
}

// Random questions of up to 4,096 endpoints: whatever design is counted, what it is made of agrees
// with it. Only limits, policies and parts that nobody makes may refuse it.
TEST(CheckRules, HoldOnRandomPlans) {
  const char* seed_text = std::getenv("WEFT_SEED");
  const char* plans_text = std::getenv("WEFT_PLANS");  // 100000 for all
  const std::uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 1;
  const std::int64_t most = plans_text != nullptr ? std::atoll(plans_text) : 3000;
  const RuleNames may = {
      "cable fits", "leaf cages",         "spine cages",  "core cages", "plug power",
      "spines",     "length in the hall", "rack power",   "rack units", "one switch less",
      "growth",     "leaf chip",          "side networks"};
  const char* accelerators[] = {"h100", "h800", "h20", "b200", "b300", "ascend-910b2"};
  const char* switches[] = {"51.2T", "25.6T", "qm9700", "sn5600", "q3400"};
  const char* nics[] = {"200Gbps", "400Gbps", "800Gbps"};
  const CableMarket market = AllCables(*ReadCatalogue({}, nullptr));
  Random random(seed);
  std::int64_t plans = 0, refused = 0;
  while (plans < most) {
    const std::int64_t gpus = 8 * (1 + static_cast<std::int64_t>(random.Below(512)));
    const std::string text = fmt::format(
        "need: {{ gpus: {} }}\nparts: {{ accelerators: [{}], switches: [{}], nic: [{}] }}\n"
        "policy: {{ spines: both, min_spines: {}, spares: {}%, backup_hosts: {}% }}\n"
        "network: {{ frontend: {}, oob: count }}\n",
        gpus, accelerators[random.Below(6)], switches[random.Below(5)], nics[random.Below(3)],
        1 + random.Below(4), random.Below(4), random.Below(8),
        random.Below(2) == 0 ? "size" : "absent");
    SCOPED_TRACE(testing::Message() << "seed " << seed << '\n' << text);
    const Question question = QuestionOf(text);
    for (Candidate& one : EnumerateCandidates(question, SizeAccelerators(question))) {
      if (plans == most) break;
      ScreenCandidate(question, market, one);
      if (one.counts.leaves == 0) continue;  // there is no such design
      ++plans;
      refused += one.feasible() ? 0 : 1;
      for (const RuleCheck& check : one.broken)
        ASSERT_EQ(may.count(check.rule), 1u) << one.id << ": " << check.rule << ": " << check.said;
    }
  }
  EXPECT_GT(refused, plans / 100);
  EXPECT_LT(refused, plans);
}

}  // namespace
}  // namespace weft
