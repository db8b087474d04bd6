#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenario/prepare.h"

namespace weft {
namespace {

using testing::HasSubstr;

// The errors that reading and preparing `text` give, one a line.
std::string ErrorsOf(const std::string& text, const std::vector<std::string>& sets = {}) {
  SourceTexts texts;
  FabricCache cache;
  std::ostringstream out;
  Result<Located<ScenarioSpec>> spec = ParseScenario(text, "s.yaml", sets, &texts);
  if (!spec) {
    for (const Error& error : spec.error()) out << error << '\n';
    return out.str();
  }
  const Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  if (!prepared)
    for (const Error& error : prepared.error()) out << error << '\n';
  return out.str();
}

constexpr const char* kSmall =
    "fabric: { family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps, "
    "latency: "
    "1us }\n";

TEST(Prepare, AcceptsTheSmallestScenario) {
  EXPECT_EQ(ErrorsOf(std::string(kSmall) +
                     "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n"),
            "");
}

TEST(Prepare, SaysWhereAWorkloadIsMissing) {
  EXPECT_THAT(ErrorsOf(kSmall), HasSubstr("there is no workload to simulate"));
}

TEST(Prepare, NamesAnElementThatDoesNotExistAtItsPosition) {
  const std::string got = ErrorsOf(std::string(kSmall) +
                                   "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n"
                                   "faults:\n  - { at: 1us, link: host9/nic0/port0 }\n");
  EXPECT_THAT(got, HasSubstr("s.yaml:4:"));
  EXPECT_THAT(got, HasSubstr("nothing in this fabric is called 'host9/nic0/port0'"));
}

TEST(Prepare, RefusesARepairBeforeItsFault) {
  const std::string got =
      ErrorsOf(std::string(kSmall) +
               "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n"
               "faults:\n  - { at: 2us, until: 1us, link: host1/nic0/port0 }\n");
  EXPECT_THAT(got, HasSubstr("'until' is not after 'at'"));
}

TEST(Prepare, ReportsPlacementAndFaultsInOneRun) {
  const std::string got = ErrorsOf(std::string(kSmall) +
                                   "placement: { gpus: 100 }\n"
                                   "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n"
                                   "faults:\n  - { at: 1us, switch: leaf7 }\n");
  EXPECT_THAT(got, HasSubstr("s.yaml:2:"));
  EXPECT_THAT(got, HasSubstr("leaf7"));
}

TEST(ReadScenario, RefusesAnEngineOfALaterStepAndListsWhatExists) {
  const std::string got =
      ErrorsOf(std::string(kSmall) +
               "workload: { traffic: { pattern: permutation, bytes: 1MB } }\nengine: packet\n");
  EXPECT_THAT(got, HasSubstr("s.yaml:3:9"));
  EXPECT_THAT(got, HasSubstr("flow"));
  EXPECT_THAT(got, HasSubstr("analytic"));
}

TEST(ReadScenario, PlacesAnErrorOfAnOverrideInTheOverride) {
  const std::string got = ErrorsOf(
      std::string(kSmall) + "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n",
      {"seeds=3"});
  EXPECT_THAT(got, HasSubstr("--set"));
}

TEST(ReadScenario, RefusesRatesAndTimesNobodyMeans) {
  const std::string traffic = "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n";
  EXPECT_THAT(ErrorsOf(kSmall + traffic, {"fabric.link=1bps"}),
              HasSubstr("'link' is 1bps (want 1Mbps..1000Tbps)"));
  for (const char* set :
       {"physics.network_step=30d", "physics.launch=2s", "physics.nvlink_step=1h"})
    EXPECT_THAT(ErrorsOf(kSmall + traffic, {set}), HasSubstr("(want 0s..1s)")) << set;
}

// 1 Mb/s at an efficiency of 1 %, and 1 Gb/s of which a fault leaves a millionth.
TEST(Prepare, RefusesALinkThatCarriesAlmostNothing) {
  const std::string traffic = "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n";
  EXPECT_THAT(ErrorsOf(kSmall + traffic, {"fabric.link=1Mbps", "physics.roce_efficiency=1%"}),
              HasSubstr("would carry 10 kbit/s"));
  const std::string fault = "faults=[ { at: 1us, link: host1/nic0/port0, rate: 0.0001% } ]";
  EXPECT_THAT(ErrorsOf(kSmall + traffic, {"fabric.link=1Gbps", fault}),
              HasSubstr("--set faults:1:"));
  EXPECT_EQ(ErrorsOf(kSmall + traffic, {"fabric.link=1Mbps"}), "");
}

// 2·(50,000 − 1) steps of 1 s each.
TEST(Prepare, RefusesMoreThanADayOfLatency) {
  EXPECT_THAT(ErrorsOf("fabric: { family: leaf_spine, leaves: 25, spines: 1, hosts_per_leaf: 2000, "
                       "link: 400Gbps, check_ports: false }\nphysics: { network_step: 1s }\n"
                       "workload: { collective: { op: all_reduce, bytes: 1MiB } }\n"),
              HasSubstr("are more than a day of latency"));
}

// Every value of the schema's enum names an engine of the table.
TEST(Prepare, FindsEveryEngineOfTheSchema) {
  const auto& names = *ScenarioSpec::Engine_descriptor();
  EXPECT_EQ(static_cast<std::size_t>(names.value_count()), Engines().size());
  for (const EngineInfo& engine : Engines()) {
    SourceTexts texts;
    FabricCache cache;
    auto spec = ParseScenario(
        std::string(kSmall) + "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n",
        "s.yaml", {"engine=" + std::string(engine.name)}, &texts);
    ASSERT_TRUE(spec) << engine.name;
    EXPECT_EQ(Prepare(*std::move(spec), cache)->engine, engine.kind) << engine.name;
  }
}

TEST(Prepare, WarnsOfAKeyThatChangesNothing) {
  SourceTexts texts;
  FabricCache cache;
  Result<Located<ScenarioSpec>> spec =
      ParseScenario(std::string(kSmall) +
                        "workload: { traffic: { pattern: permutation, bytes: 1MB } "
                        "}\nfault_policy: { qps: stay }\n",
                    "s.yaml", {}, &texts);
  ASSERT_TRUE(spec);
  const Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  ASSERT_TRUE(prepared);
  ASSERT_EQ(prepared->warnings.size(), 1u);
  EXPECT_EQ(prepared->warnings[0].message, "'fault_policy' has no effect: no fault is given");
}

TEST(Prepare, SharesEqualFabrics) {
  SourceTexts texts;
  FabricCache cache;
  const std::string text =
      std::string(kSmall) + "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n";
  Result<PreparedScenario> a = Prepare(*ParseScenario(text, "a.yaml", {}, &texts), cache);
  Result<PreparedScenario> b =
      Prepare(*ParseScenario(text, "b.yaml", {"rdma.qps=4"}, &texts), cache);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->fabric, b->fabric);
  EXPECT_EQ(a->router, b->router);
}

// Eight GPUs a host by the schema's default and eight that were written are not the same host in
// a leaf-spine.
TEST(Prepare, KeepsApartHostsThatDifferInWhatWasWritten) {
  SourceTexts texts;
  FabricCache cache;
  const std::string text =
      std::string(kSmall) + "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n";
  Result<PreparedScenario> bare =
      Prepare(*ParseScenario(text, "a.yaml", {"host.nic=400Gbps"}, &texts), cache);
  Result<PreparedScenario> eight = Prepare(
      *ParseScenario(text, "b.yaml", {"host={ gpus: 8, nics: 8, nic: 400Gbps }"}, &texts), cache);
  ASSERT_TRUE(bare && eight);
  EXPECT_EQ(bare->fabric->gpu_count(), 4u);
  EXPECT_EQ(eight->fabric->gpu_count(), 32u);
}

}  // namespace
}  // namespace weft
