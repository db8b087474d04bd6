#include "scenario/faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenario/prepare.h"

namespace weft {
namespace {

using testing::HasSubstr;

// The errors of a scenario with this `faults:` list, one a line; the list begins at 4:10.
std::string ErrorsOf(const std::string& faults, const std::vector<std::string>& sets = {}) {
  SourceTexts texts;
  FabricCache cache;
  std::ostringstream out;
  Result<Located<ScenarioSpec>> spec = ParseScenario(
      "fabric: { preset: hpn, segments: 1, hosts: 4 }\n"
      "workload: { collective: { op: all_reduce, algorithm: ring, bytes: 1MiB } }\n"
      "engine: flow\n"
      "faults: [" +
          faults + "]\n",
      "s.yaml", sets, &texts);
  if (!spec) {
    for (const Error& error : spec.error()) out << error << '\n';
    return out.str();
  }
  const Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  if (!prepared)
    for (const Error& error : prepared.error()) out << error << '\n';
  return out.str();
}

TEST(BindFaults, AcceptsOneElementOfEachKind) {
  for (const char* element :
       {"link: host3/nic5/port0", "link: host3/nic5-pod0/segment0/tor10", "nic: host3/nic5",
        "switch: pod0/segment0/tor0", "switch: host0/nvswitch", "host: host3", "plane: plane1",
        "plane: pod0/plane1", "link: host0/gpu0/nvswitch"})
    EXPECT_EQ(ErrorsOf(std::string("{ at: 1us, ") + element + " }"), "") << element;
}

TEST(BindFaults, RefusesASecondElementAtItsPlaceAndNamesTheFirsts) {
  EXPECT_THAT(ErrorsOf("{ at: 1us, switch: pod0/segment0/tor0, link: host3/nic5/port0 }"),
              HasSubstr("s.yaml:4:55: error: 'link' beside 'switch', which is at s.yaml:4:29"));
}

// What --vary adds is laid beside what the file says: both would be one fault.
TEST(BindFaults, RefusesAnElementThatAnOverrideAddsBesideTheFiles) {
  EXPECT_THAT(
      ErrorsOf("{ at: 1us, link: host3/nic5/port0 }", {"faults[0].switch=pod0/segment0/tor0"}),
      HasSubstr("--set faults[0].switch:1:18: error: 'switch' beside 'link', which is at "
                "s.yaml:4:27 (a fault is of one element"));
  EXPECT_EQ(ErrorsOf("{ at: 1us, link: host3/nic5/port0 }",
                     {"faults=[{ at: 1us, switch: pod0/segment0/tor0 }]"}),
            "");
}

// Down at 1, 4 and 7 us, repaired 1 us later each time.
TEST(BindFaults, RepeatsWhatFlaps) {
  FabricCache cache;
  Result<Located<ScenarioSpec>> spec = ParseScenario(
      "fabric: { preset: hpn, segments: 1, hosts: 4 }\n"
      "workload: { collective: { op: all_reduce, algorithm: ring, bytes: 1MiB } }\n"
      "faults: [{ at: 1us, until: 2us, every: 3us, times: 3, link: host3/nic5/port0 }]\n",
      "s.yaml", {}, nullptr);
  ASSERT_TRUE(spec);
  const Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  ASSERT_TRUE(prepared);
  std::vector<std::pair<std::int64_t, bool>> events;
  for (const Event& event : prepared->events)
    events.emplace_back(event.at.time_since_epoch().count() / 1'000'000, event.state.up);
  EXPECT_EQ(events, (std::vector<std::pair<std::int64_t, bool>>{
                        {1, false}, {2, true}, {4, false}, {5, true}, {7, false}, {8, true}}));
}

// time in us, up, share of the rate, direction: 0 both, 1 forward, 2 backward
using States = std::vector<std::tuple<std::int64_t, bool, double, int>>;
States StatesOf(const std::string& faults) {
  FabricCache cache;
  Result<Located<ScenarioSpec>> spec = ParseScenario(
      "fabric: { preset: hpn, segments: 1, hosts: 4 }\n"
      "workload: { collective: { op: all_reduce, algorithm: ring, bytes: 1MiB } }\n"
      "faults: [" +
          faults + "]\n",
      "s.yaml", {}, nullptr);
  if (!spec) return {};
  const Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  if (!prepared) return {};
  States out;
  for (const Event& event : prepared->events)
    out.emplace_back(event.at.time_since_epoch().count() / 1'000'000, event.state.up,
                     event.state.rate_share, static_cast<int>(event.state.direction));
  return out;
}

// The repair of one fault does not end another of the same element, in whatever order they stand.
TEST(BindFaults, TheWorstOfWhatOverlapsHolds) {
  const std::string a = "{ at: 2us, until: 5us, host: host1 }";
  const std::string b = "{ at: 5us, until: 7us, host: host1 }";
  const States meet = {{2, false, 1, 0}, {5, false, 1, 0}, {7, true, 1, 0}};
  EXPECT_EQ(StatesOf(a + ", " + b), meet);
  EXPECT_EQ(StatesOf(b + ", " + a), meet);

  const std::string slow = "{ at: 5us, until: 25us, link: host0/nic0/port0, rate: 50% }";
  const std::string down = "{ at: 8us, until: 10us, link: host0/nic0/port0 }";
  EXPECT_EQ(StatesOf(slow + ", " + down),
            (States{{5, true, 0.5, 0}, {8, false, 0.5, 0}, {10, true, 0.5, 0}, {25, true, 1, 0}}));

  // Named from its other end, forward is backward.
  const std::string forward = "{ at: 1us, until: 9us, link: host0/nic0/port0, direction: forward }";
  const std::string back =
      "{ at: 2us, until: 5us, link: pod0/segment0/tor0-host0/nic0, direction: backward }";
  EXPECT_EQ(StatesOf(forward + ", " + back),
            (States{{1, false, 1, 1}, {2, false, 1, 2}, {9, true, 1, 1}}));

  // Without an end one takes the place of the other, and a repair ends all.
  EXPECT_EQ(StatesOf("{ at: 1us, host: host1 }, { at: 2us, host: host1, rate: 50% }, "
                     "{ at: 3us, until: 9us, host: host1 }, { at: 4us, host: host1, state: up }"),
            (States{{1, false, 1, 0}, {2, true, 0.5, 0}, {3, false, 0.5, 0}, {4, true, 1, 0}}));
}

TEST(BindFaults, RefusesFlappingThatNeverComesBackOrOverlaps) {
  const std::string element = ", link: host3/nic5/port0 }";
  EXPECT_THAT(ErrorsOf("{ at: 1us, every: 3us, times: 2" + element), HasSubstr("no 'until'"));
  EXPECT_THAT(ErrorsOf("{ at: 1us, until: 5us, every: 3us, times: 2" + element),
              HasSubstr("not repaired before it happens again"));
  EXPECT_THAT(ErrorsOf("{ at: 1us, until: 2us, every: 3us" + element), HasSubstr("go together"));
  EXPECT_THAT(ErrorsOf("{ at: 1us, until: 2us, times: 3" + element), HasSubstr("go together"));
  EXPECT_THAT(ErrorsOf("{ at: 1us, until: 2us, every: 100d, times: 3" + element),
              HasSubstr("104 days"));
}

TEST(BindFaults, RefusesARateBesideAState) {
  EXPECT_THAT(ErrorsOf("{ at: 1us, host: host1, rate: 50%, state: down }"),
              HasSubstr("'state' beside 'rate', which is at"));
  EXPECT_EQ(ErrorsOf("{ at: 1us, host: host1, rate: 50% }"), "");
}

TEST(BindFaults, RefusesAnElementOfAnotherKindThanItsKey) {
  EXPECT_THAT(ErrorsOf("{ at: 1us, switch: host3/nic5 }"),
              HasSubstr("'host3/nic5' is a NIC, and 'switch' names a switch (nic: host3/nic5)"));
  EXPECT_THAT(ErrorsOf("{ at: 1us, link: pod0/segment0/tor0 }"),
              HasSubstr("'pod0/segment0/tor0' is a switch, and 'link' names a port or a cable"));
  EXPECT_THAT(ErrorsOf("{ at: 1us, host: host0/gpu1 }"), HasSubstr("'host0/gpu1' is a GPU"));
}

TEST(BindFaults, SaysThatTwoElementsAreNotNeighbours) {
  EXPECT_THAT(ErrorsOf("{ at: 1us, link: host0/nic0-pod0/segment0/tor9 }"),
              HasSubstr("no cable joins 'host0/nic0' and 'pod0/segment0/tor9'"));
}

TEST(BindFaults, ListsTheNamesThatThereAre) {
  EXPECT_THAT(ErrorsOf("{ at: 1us, switch: leaf7 }"),
              HasSubstr("nothing in this fabric is called 'leaf7' (there are host0 … host3, "
                        "host0/nic0/port0 … host3/nic7/port1, plane0 … plane1, "
                        "pod0/segment0/tor0 … pod0/segment0/tor15, "
                        "pod0/plane0/agg0 … pod0/plane1/agg59)"));
}

// A bound from below of a fabric where nothing breaks is no bound of one where something does.
TEST(BindFaults, RefusesFaultsUnderTheAnalyticEngine) {
  EXPECT_THAT(ErrorsOf("{ at: 1us, host: host1 }", {"engine=analytic"}),
              HasSubstr("--set engine:1:8: error: engine analytic does not model faults"));
  EXPECT_EQ(ErrorsOf("", {"engine=analytic"}), "");
}

}  // namespace
}  // namespace weft
