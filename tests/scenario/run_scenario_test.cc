#include "scenario/run_scenario.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "scenario/calibration.h"
#include "sim/flow/coupling.h"

namespace weft {
namespace {

using namespace std::string_literals;

RunControl Patient(int threads = 1) {
  RunControl control;
  control.threads = threads;
  control.stop = [] { return false; };
  control.clock_s = [] { return 0.0; };
  return control;
}

PreparedScenario Make(const std::string& text, const std::vector<std::string>& sets = {}) {
  SourceTexts texts;
  FabricCache cache;
  Result<Located<ScenarioSpec>> spec = ParseScenario(text, "s.yaml", sets, &texts);
  EXPECT_TRUE(spec) << spec.error().front();
  Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  EXPECT_TRUE(prepared) << prepared.error().front();
  return *std::move(prepared);
}

// Two segments of 4 hosts: a typical Clos, one ring a rail, every hop across.
constexpr const char* kClos = R"(
fabric: { preset: hpn, segments: 2, planes: 1, hosts: 4 }
placement: { gpus: 64, policy: spread }
routing: { seeds: 6 }
rdma: { qps: 4 }
workload: { collective: { op: all_reduce, bytes: 64MiB, group: per_rail, ring_order: alternating } }
)";

// 100 MB over the only switch of a leaf–spine, 400 Gb/s, no overheads: 2 ms.
TEST(RunScenario, GivesTheTimeWorkedByHand) {
  const RunReport report = RunScenario(
      Make("fabric: { family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 400Gbps, "
           "latency: 0s }\n"
           "physics: { roce_efficiency: 100%, network_step: 0s, launch: 0s }\n"
           "workload: { traffic: { pattern: permutation, bytes: 100MB } }\n"),
      Patient());
  EXPECT_NEAR(report.makespan_s.median, 2e-3, 2e-3 * 1e-3);  // the host's bus adds its latency
  ASSERT_EQ(report.traffic.size(), 1u);
  EXPECT_EQ(report.traffic[0].completed, 2);
}

TEST(RunScenario, IsTheSameForAnyNumberOfThreads) {
  const PreparedScenario scenario = Make(kClos);
  const RunReport one = RunScenario(scenario, Patient(1)), two = RunScenario(scenario, Patient(2));
  EXPECT_EQ(one.makespan_by_seed_s, two.makespan_by_seed_s);
  EXPECT_EQ(one.collectives[0].busbw_bytes_per_s, two.collectives[0].busbw_bytes_per_s);
  EXPECT_EQ(one.links.seed, two.links.seed);
}

// Adaptive routing and ports by QP draw nothing: any seed gives the same, and one is run for all.
TEST(RunScenario, RunsOneSeedWhereAllAreAlike) {
  const std::vector<std::string> adaptive{"routing.policy=adaptive"};
  const RunReport all = RunScenario(Make(kClos, adaptive), Patient());
  EXPECT_EQ(all.seeds, 6);
  EXPECT_EQ(all.makespan_by_seed_s, std::vector<double>(6, all.makespan_s.median));
  for (const char* seed : {"1", "4"}) {
    std::vector<std::string> sets = adaptive;
    sets.push_back(fmt::format("routing.seed={}", seed));
    sets.push_back("routing.seeds=1");
    const RunReport one = RunScenario(Make(kClos, sets), Patient());
    EXPECT_EQ(one.makespan_s.median, all.makespan_s.median);
    EXPECT_EQ(one.run.events, all.run.events);
  }
  const std::vector<std::string> hashed{"routing.policy=adaptive", "routing.host_port=hash"};
  EXPECT_EQ(RunScenario(Make(kClos, hashed), Patient()).makespan_by_seed_s.size(), 6u);
}

TEST(RunScenario, NamesACollisionWithItsFlows) {
  const RunReport report = RunScenario(Make(kClos), Patient());
  bool named = false;
  for (const LinkReport& link : report.links.hottest)
    named = named || (link.why.find("hash collision") == 0 && !link.users.empty());
  EXPECT_TRUE(named);
}

// Port 0 leads to plane 0 end to end and QPs alternate over the ports, so both
// ports of a receiver carry the same; in the Clos the Aggs choose by hash.
TEST(RunScenario, SplitsPortsEvenlyInTwoPlanesOnly) {
  const RunReport clos = RunScenario(Make(kClos), Patient());
  const RunReport planes = RunScenario(Make(kClos, {"fabric.planes=2"}), Patient());
  ASSERT_TRUE(clos.links.ports && planes.links.ports);
  EXPECT_DOUBLE_EQ(planes.links.ports->hot_share.median, 0.5);
  EXPECT_DOUBLE_EQ(planes.links.ports->share_3to1.median, 0);
  EXPECT_GT(clos.links.ports->share_3to1.median, 0.3);
}

// A band of -10 … +20 % from 1 MiB on, for hosts of H100 that were measured over InfiniBand.
Calibration Banded() {
  const auto spec = ParseText<CalibrationSpec>(
      "constants: [{ name: hopper.launch, value: 4.5us }]\n"
      "range: { ops: [all_reduce], smallest: 1KiB, largest: 1GiB, fewest_ranks: 2, most_ranks: 64, "
      "fewest_hosts: 1, most_hosts: 8, classes: [hopper, ib] }\n"
      "errors:\n"
      "  - { what: \"several hosts, ib or roce\", from: 1MiB, low: 90%, high: 120%, tables: 3 }\n"
      "  - { what: \"one host\", from: 1MiB, low: 50%, high: 300%, tables: 1, unseen: true }\n",
      "c.yaml", {});
  EXPECT_TRUE(spec) << spec.error().front();
  return *MakeCalibration(*spec);
}

TEST(StatedErrorOf, IsOfTheClassTheSizeAndTheHardware) {
  const Calibration calibration = Banded();
  const auto host = [](const char* preset) {
    const auto spec =
        ParseScenario(std::string("fabric: { preset: superpod_ndr }\nhost: { preset: ") + preset +
                          ", transport: ib }\n",
                      "h.yaml", {}, nullptr);
    EXPECT_TRUE(spec) << spec.error().front();
    return *MakeHostPart(spec->message.host(), spec->sources, "host");
  };
  const HostPart h100 = host("hgx-h100"), a100 = host("dgx-a100");
  const StatedError known = StatedErrorOf(calibration, h100, {"all_reduce", MiB(64), 16, 2});
  EXPECT_EQ(known.band, (RatioBand{0.9, 1.2}));
  EXPECT_TRUE(known.in_range && known.known_hardware);
  EXPECT_FALSE(StatedErrorOf(calibration, h100, {"all_reduce", KiB(1), 16, 2}).band);
  EXPECT_FALSE(StatedErrorOf(calibration, h100, {"all_gather", MiB(64), 16, 2}).in_range);
  EXPECT_FALSE(StatedErrorOf(calibration, h100, {"all_reduce", MiB(64), 128, 16}).in_range);
  const StatedError unseen = StatedErrorOf(calibration, a100, {"all_reduce", MiB(64), 8, 1});
  EXPECT_FALSE(unseen.known_hardware || unseen.in_range);
  EXPECT_EQ(unseen.band, (RatioBand{0.5, 3}));
  const StatedError none = StatedErrorOf(Calibration(), h100, {"all_reduce", MiB(64), 16, 2});
  EXPECT_TRUE(none.in_range && !none.band);  // the priors claim nothing
}

// What NCCL times has the band of the calibration; what it does not has none.
TEST(RunScenario, QuotesTheCalibrationsErrorOfWhatItTimes) {
  const std::string hosts =
      "fabric: { preset: superpod_ndr, units: 1 }\nhost: { preset: hgx-h100, transport: ib, "
      "nic_ports: 1 }\nplacement: { gpus: 16 }\n";
  const std::string nccl = hosts + "collectives: { nccl: \"2.28\" }\n";
  const auto run = [](const std::string& text) { return RunScenario(Make(text), Patient()); };
  const RunReport all =
      run(nccl + "workload: { collective: { op: all_reduce, bytes: [1MiB, 64MiB] } }\n");
  ASSERT_EQ(all.collectives.size(), 2u);
  EXPECT_EQ(all.error.basis, "held-out");
  EXPECT_LE(*all.error.low, *all.collectives[1].error.low);
  EXPECT_GE(*all.error.high, *all.collectives[1].error.high);
  EXPECT_EQ(all.calibration.in_range, true);
  const RunReport rails =
      run(nccl + "workload: { collective: { op: all_reduce, bytes: 64MiB, group: per_rail } }\n");
  EXPECT_EQ(rails.collectives[0].in_range, false);  // eight at once were never measured
  EXPECT_THAT(rails.warnings, testing::Contains(testing::Field(
                                  &Error::message, testing::HasSubstr("was not fitted to"))));
  const RunReport of_b200 =
      RunScenario(Make(nccl + "workload: { collective: { op: all_reduce, bytes: 64MiB } }\n",
                       {"host.preset=hgx-b200"}),
                  Patient());
  EXPECT_FALSE(of_b200.calibration.known_hardware);
  EXPECT_THAT(of_b200.warnings,
              testing::Contains(testing::Field(
                  &Error::message, testing::HasSubstr("that of hardware left out whole"))));
  EXPECT_LE(*of_b200.error.low, *all.collectives[1].error.low);
  EXPECT_GE(*of_b200.error.high, *all.collectives[1].error.high);
  const RunReport ring =
      run(nccl + "workload: { collective: { op: all_reduce, bytes: 64MiB, algorithm: ring } }\n");
  EXPECT_EQ(ring.error, ErrorBand());
  EXPECT_EQ(ring.calibration.in_range, std::nullopt);
  const RunReport none =
      run(nccl + "calibration: none\nworkload: { collective: { op: all_reduce, bytes: 64MiB } }\n");
  EXPECT_EQ(none.error, ErrorBand());
}

// A key at the preset's own value, written in either place, is the same machine: NCCL chooses.
TEST(RunScenario, LetsNcclChooseWhoeverWroteTheHostsKeys) {
  const auto run = [](const std::string& host) {
    return RunScenario(Make(host + "placement: { gpus: 8 }\n"
                                   "workload: { collective: { op: all_reduce, bytes: 64MiB } }\n"),
                       Patient())
        .collectives[0];
  };
  const std::string fabric = "fabric: { preset: superpod_ndr, units: 1";
  for (const auto& [as_preset, written] :
       std::initializer_list<std::pair<const char*, const char*>>{
           {" }\nhost: { preset: hgx-h100 }\n",
            " }\nhost: { preset: hgx-h100, nvlink: 450GBps }\n"},
           {" }\nhost: { preset: hgx-h100 }\n", " }\nhost: { preset: hgx-h100, gpu: h100 }\n"},
           {" }\n", ", host: { nvlink: 900GBps } }\n"}}) {
    const CollectiveReport preset = run(fabric + as_preset), own = run(fabric + written);
    EXPECT_EQ(preset.algorithm, "NVLS");
    EXPECT_EQ(own.algorithm, preset.algorithm) << written;
    EXPECT_EQ(own.time_s.median, preset.time_s.median) << written;
  }
}

TEST(RunScenario, SaysThatEveryCollectiveIsARingWhereOneIs) {
  const auto says = [](const std::string& what) {
    const RunReport report = RunScenario(
        Make("fabric: { preset: superpod_ndr, units: 1 }\nworkload: { collective: { bytes: 1MiB, " +
             what),
        Patient());
    return std::any_of(report.missing_terms.begin(), report.missing_terms.end(),
                       [](const std::string& term) {
                         return term.find("every collective is a ring") != std::string::npos;
                       });
  };
  EXPECT_TRUE(says("op: all_reduce, algorithm: ring } }\nplacement: { gpus: 8 }\n"));
  EXPECT_FALSE(says("op: all_reduce } }\nplacement: { gpus: 8 }\n"));
  EXPECT_FALSE(says("op: all_reduce, algorithm: ring } }\nplacement: { gpus: 1 }\n"));
  EXPECT_FALSE(says("op: all_to_all } }\nplacement: { gpus: 8 }\n"));
}

// Ten GPUs: a host of eight ranks and one of two.
TEST(RunScenario, ShowsTheChoiceOfTheLargestGroup) {
  const auto run = [](const char* gpus) {
    return RunScenario(Make("fabric: { preset: superpod_ndr, units: 1 }\n"
                            "workload: { collective: { op: all_reduce, bytes: 1GiB, group: "
                            "per_host } }\n",
                            {gpus}),
                       Patient())
        .collectives[0];
  };
  const CollectiveReport ten = run("placement.gpus=10"), eight = run("placement.gpus=8");
  EXPECT_EQ(ten.algorithm, eight.algorithm);
  EXPECT_EQ(ten.protocol, eight.protocol);
  EXPECT_EQ(ten.channels, eight.channels);
  EXPECT_TRUE(ten.choices_differ);
  EXPECT_FALSE(eight.choices_differ || run("placement.gpus=16").choices_differ);
}

TEST(RunScenario, NamesTheCalibrationOfJobs) {
  const RunReport report = RunScenario(
      Make("fabric: { preset: superpod_ndr, units: 1 }\ncollectives: { nccl: \"2.28\" }\n"
           "routing: { seeds: 1 }\njobs:\n"
           "  - { name: a, placement: { hosts: [host0] },\n"
           "      workload: { collective: { op: all_reduce, bytes: 64MiB } } }\n"
           "  - { name: b, placement: { hosts: [host1] },\n"
           "      workload: { collective: { op: all_reduce, bytes: 64MiB } } }\n"),
      Patient());
  EXPECT_EQ(report.calibration.name, "public");
  EXPECT_FALSE(report.calibration.digest.empty());
  EXPECT_FALSE(report.error.low);
}

// An efficiency above the calibration's own, and channels that NVLS has not.
TEST(RunScenario, NamesKeysThatNcclsTimesDoNotHangOn) {
  const auto warnings = [](const std::vector<std::string>& sets) {
    std::string out;
    for (const Error& one :
         Make("fabric: { preset: superpod_ndr, units: 1 }\nplacement: { gpus: 8 }\n"
              "workload: { collective: { op: all_reduce, bytes: 1GiB } }\n",
              sets)
             .warnings)
      out += one.message + "\n";
    return out;
  };
  const auto has = [](const char* key) {
    return testing::HasSubstr(fmt::format("'{}' has no effect", key));
  };
  EXPECT_THAT(warnings({"physics.nvlink_efficiency=95%"}), has("physics.nvlink_efficiency"));
  EXPECT_THAT(warnings({"physics.nvlink_efficiency=50%"}),
              testing::Not(has("physics.nvlink_efficiency")));
  EXPECT_THAT(warnings({"workload.collective.channels=4"}), has("workload.collective.channels"));
  EXPECT_THAT(warnings({"workload.collective.channels=4", "collectives.algorithm=Ring"}),
              testing::Not(has("workload.collective.channels")));
  EXPECT_THAT(warnings({"physics.launch=1us"}), has("physics.launch"));
}

// Nine GPUs of hosts of eight: rail 0 has two ranks, the other seven have one each, which send
// nothing. The mean over rails is that of the one that sends: 1 GiB each way, 2(n − 1)/n = 1.
TEST(RunScenario, MeansOverTheRailsThatSendEachByItsOwnRanks) {
  const auto run = [](const char* gpus) {
    return RunScenario(
        Make("fabric: { preset: hpn, segments: 1, hosts: 4 }\nrouting: { seeds: 1 }\n"
             "workload: { collective: { op: all_reduce, algorithm: ring, bytes: 1GiB, group: "
             "per_rail } }\n",
             {gpus}),
        Patient());
  };
  const CollectiveReport nine = run("placement.gpus=9").collectives[0];
  EXPECT_EQ(nine.fewest_ranks, 1);
  EXPECT_EQ(nine.ranks, 2);
  EXPECT_NEAR(nine.busbw_bytes_per_s.median, double(1 << 30) / nine.time_s.median, 1);
  EXPECT_NEAR(nine.busbw_mean_rail_bytes_per_s->median, nine.busbw_bytes_per_s.median, 1);
  EXPECT_NEAR(nine.time_mean_rail_s->median, nine.time_s.median, 1e-12);

  // Four rails of three ranks, four of two: no rail moves more than its two ports carry.
  const CollectiveReport twenty = run("placement.gpus=20").collectives[0];
  EXPECT_LT(twenty.busbw_mean_rail_bytes_per_s->median, 50e9);
  EXPECT_GE(twenty.busbw_mean_rail_bytes_per_s->median, twenty.busbw_bytes_per_s.median);
}

// Eight rings, one a rail, over the same ToRs; as one operation nobody else is there, and in a
// fabric of rails no link is common.
TEST(RunScenario, SaysHowMuchLongerLooseOperationsMayTake) {
  const std::string shared = "fabric.rail_optimized=false";
  const RunReport rails = RunScenario(Make(kClos, {shared}), Patient());
  ASSERT_TRUE(rails.loose);
  EXPECT_EQ(rails.loose->operations, 8);
  EXPECT_EQ(rails.loose->time_up_to, kLooseTimeUpTo);
  for (const char* other : {"workload.collective.group=all", "coupling=tight", "coupling=loose"})
    EXPECT_FALSE(RunScenario(Make(kClos, {shared, other}), Patient()).loose) << other;
  EXPECT_FALSE(RunScenario(Make(kClos), Patient()).loose);
}

// One QP over two links is on one of them: nothing collided.
TEST(RunScenario, CallsNoCollisionWhatIsAsEvenAsWholeQpsCanBe) {
  const RunReport one = RunScenario(Make(kClos, {"rdma.qps=1", "fabric.planes=2"}), Patient());
  const RunReport flows =
      RunScenario(Make("fabric: { preset: hpn, segments: 2, hosts: 4 }\nrouting: { seeds: 4 }\n"
                       "workload: { traffic: { pattern: permutation, bytes: 2MB, flows: 192 } }\n"),
                  Patient());
  for (const RunReport* report : {&one, &flows})
    for (const LinkReport& link : report->links.hottest) {
      EXPECT_THAT(link.why, testing::Not(testing::HasSubstr("1 of the 1"))) << link.from;
      // By QP in turn over the ports of a NIC, and planes keep them apart: no hash has a say.
      if (link.from.find("/port") != std::string::npos) {
        EXPECT_THAT(link.why, testing::Not(testing::StartsWith("hash"))) << link.from;
      }
    }
}

// The ring over two hosts of eight H100s crosses an NVLink with edges of the schedule; how many
// QPs an edge has changes nothing there.
TEST(RunScenario, CountsTheEdgesOfAnNvlinkNotTheirQps) {
  const auto nvlinks = [](const char* qps) {
    const RunReport report = RunScenario(
        Make("fabric: { family: leaf_spine, leaves: 2, spines: 4, hosts_per_leaf: 2, link: "
             "400Gbps }\nhost: { preset: hgx-h100 }\nrouting: { seeds: 1 }\n"
             "physics: { nvlink_efficiency: 1% }\n"
             "workload: { collective: { op: all_reduce, algorithm: ring, bytes: 64MiB } }\n",
             {qps}),
        Patient());
    std::vector<std::pair<std::string, std::int64_t>> counts;
    for (const LinkReport& link : report.links.hottest)
      counts.emplace_back(link.from + link.why, link.user_count);
    return counts;
  };
  const auto one = nvlinks("rdma.qps=1");
  ASSERT_FALSE(one.empty());
  EXPECT_THAT(one[0].first, testing::HasSubstr("NVLink, for "));
  EXPECT_EQ(one, nvlinks("rdma.qps=8"));
}

// A ring of one byte is all start-up, one of 1 GiB over four ranks hardly any.
TEST(RunScenario, SaysHowMuchOfATimeIsStartUp) {
  const RunReport report = RunScenario(
      Make("fabric: { family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps "
           "}\nrouting: { seeds: 1 }\n"
           "workload: { collective: { op: all_reduce, algorithm: ring, bytes: [1B, 1GiB] } }\n"),
      Patient());
  const CollectiveReport &small = report.collectives[0], &large = report.collectives[1];
  EXPECT_NEAR(*small.startup_s / small.time_s.median, 1, 1e-3);
  EXPECT_LT(*large.startup_s / large.time_s.median, 0.01);
  EXPECT_NEAR(*small.startup_s, *large.startup_s, 1e-9);
}

TEST(RunScenario, GivesTheLongestRepeatBesideTheMean) {
  const RunReport report =
      RunScenario(Make(kClos, {"workload.collective.repeat=20", "routing.seeds=1",
                               "faults=[{ at: 5ms, until: 30ms, link: host0/nic0/port0 }]",
                               "fault_policy={ detect: 1ms, move: 1ms }"}),
                  Patient());
  const CollectiveReport& one = report.collectives[0];
  EXPECT_EQ(one.repeats, 20);
  EXPECT_GT(one.worst_repeat_s.median, one.time_s.median * 1.2);
}

TEST(RunScenario, BlamesNoFaultThatCameAfterTheEnd) {
  const RunReport report =
      RunScenario(Make(kClos, {"faults=[{ at: 100s, plane: plane0 }]"}), Patient());
  for (const LinkReport& link : report.links.hottest)
    EXPECT_THAT(link.why, testing::Not(testing::StartsWith("fault"))) << link.from;
}

TEST(RunScenario, WarnsOfAFaultThatTouchesNothing) {
  const auto warnings = [](const char* faults) {
    std::string text;
    for (const Error& warning :
         RunScenario(Make(kClos, {"placement={ gpus: 32, policy: packed }", faults}), Patient())
             .warnings)
      if (warning.message.find("has no effect") == std::string::npos) text += warning.message;
    return text;
  };
  EXPECT_THAT(warnings("faults=[{ at: 100s, link: host0/nic0/port0 }]"),
              testing::StartsWith("'faults[0]' touches nothing: at 100 s nothing runs any more"));
  EXPECT_EQ(warnings("faults=[{ at: 1ms, link: host7/nic5/port0 }]"),
            "'faults[0]' touches nothing: no queue pair's path crosses host7/nic5/port0");
  EXPECT_EQ(warnings("faults=[{ at: 1ms, until: 100s, link: host0/nic0/port0 }]"), "");
}

// A pipeline of two hosts; where the only path of a seed breaks for good its iteration never ends.
constexpr const char* kPipeline = R"(
fabric:
  { family: leaf_spine, leaves: 2, spines: 8, hosts_per_leaf: 1, link: 400Gbps,
    host: { gpus: 1, nics: 1, gpu: h100 } }
workload:
  training:
    architecture: { layers: 4, hidden: 1024, heads: 16, vocabulary: 32000 }
    sequence: 2048
    global_batch: 16
    parallel: { tensor: 1, pipeline: 2 }
    what_if: false
routing: { seeds: 8 }
fault_policy: { detect: 1000s, retry_timeout: 1ms }
require: { iteration_time: 200ms, makespan: 200ms }
)";

TEST(RunScenario, AnIterationThatNeverEndsIsNoIteration) {
  const RunReport whole = RunScenario(Make(kPipeline), Patient());
  ASSERT_TRUE(whole.iteration);
  EXPECT_TRUE(whole.incomplete.empty() && whole.unmet.empty());
  const RunReport broken =
      RunScenario(Make(kPipeline, {"faults=[{ at: 5ms, switch: spine0 }]"}), Patient());
  EXPECT_FALSE(broken.iteration);
  ASSERT_GE(broken.incomplete.size(), 2u);
  EXPECT_THAT(broken.incomplete[0],
              testing::MatchesRegex("the iteration never ends in [1-7] of 8 seeds"));
  EXPECT_THAT(broken.incomplete[1], testing::HasSubstr("waits for what failed: send"));
  EXPECT_EQ(broken.unmet.size(), 2u);
  for (const Error& warning : broken.warnings)
    EXPECT_THAT(warning.message, testing::Not(testing::HasSubstr("touches nothing")));
}

TEST(RunScenario, MarksWhatWasStoppedAsPartial) {
  RunControl impatient = Patient();
  std::atomic<int> asked = 0;
  impatient.stop = [&] { return ++asked > 2; };
  const RunReport report = RunScenario(Make(kClos), impatient);
  EXPECT_TRUE(report.partial);
  EXPECT_LT(report.seeds, 6);
}

TEST(RunScenario, ReportsARequirementThatIsMissed) {
  const PreparedScenario scenario = Make(kClos, {"require={ makespan: 1us, busbw: 9TBps }"});
  EXPECT_EQ(RunScenario(scenario, Patient()).unmet.size(), 2u);
}

// A NIC that goes down for good, with nobody to move its QPs and no timeout.
TEST(RunScenario, CallsAStallAStall) {
  const std::string cut =
      "fabric: { family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 400Gbps }\n"
      "routing: { seeds: 2 }\n"
      "faults: [ { at: 1us, nic: host1/nic0 } ]\n"
      "fault_policy: { retry_timeout: 0s }\n"
      "require: { makespan: 1s }\n";
  const RunReport ring = RunScenario(
      Make(cut +
           "workload: { collective: { op: all_reduce, algorithm: ring, bytes: [100MB, 1MB] } }\n"),
      Patient());
  EXPECT_EQ(ring.collectives[0].status, "stalled");
  EXPECT_EQ(ring.collectives[1].status, "stalled");  // waits for it
  EXPECT_EQ(ring.unmet.size(), 1u);
  const RunReport flows = RunScenario(
      Make(cut + "workload: { traffic: { pattern: permutation, bytes: 100MB } }\n"), Patient());
  EXPECT_EQ(flows.traffic[0].status, "stalled");
  EXPECT_EQ(flows.unmet.size(), 1u);
}

// 1,000 TB over 1 Mb/s takes 258 years: nothing is cut, and it is not a stall.
TEST(RunScenario, TellsARunBeyondTheRangeOfTimeFromAStall) {
  for (const char* engine : {"engine=flow", "engine=analytic"}) {
    const RunReport report =
        RunScenario(Make("fabric: { family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, "
                         "link: 1Mbps }\nrouting: { seeds: 1 }\n"
                         "workload: { collective: { op: all_reduce, algorithm: ring, bytes: [1KiB, "
                         "1000TB, 1KiB] } }\n"
                         "require: { makespan: 1s }\n",
                         {engine}),
                    Patient());
    ASSERT_EQ(report.collectives.size(), 3u);
    EXPECT_EQ(report.collectives[0].status, "done") << engine;
    EXPECT_EQ(report.collectives[1].status, "beyond the range of time") << engine;
    EXPECT_EQ(report.collectives[2].status, "beyond the range of time") << engine;
    EXPECT_EQ(report.unmet.size(), 1u) << engine;
  }
}

// SimGrid's clock: a flow that ends after it, a repair after it that a flow waits for, and jobs.
TEST(RunScenario, RefusesWhatAnEngineCannotRunToItsEnd) {
  const std::string fabric =
      "fabric: { family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 4, link: 1Gbps }\n"
      "routing: { seeds: 2 }\nengine: simgrid\n";
  const std::string traffic = "workload: { traffic: { pattern: permutation, bytes: 1TB } }";
  for (const std::string& rest : {traffic,
                                  "workload: { traffic: { pattern: permutation, bytes: 1GB } }\n"
                                  "faults: [ { at: 1ms, until: 5000s, host: host0 } ]\n"
                                  "fault_policy: { retry_timeout: 0s }\n"s,
                                  "jobs:\n- { placement: { gpus: 2 }, " + traffic + " }\n" +
                                      "- { placement: { gpus: 2, skip: 2 }, " + traffic + " }\n"}) {
    const RunReport report = RunScenario(Make(fabric + rest), Patient());
    ASSERT_TRUE(report.refused) << rest;
    EXPECT_EQ(report.refused->pos.line, 3);
    EXPECT_THAT(report.refused->message,
                testing::HasSubstr("'engine: simgrid' cannot run this to its end: after 4096 s"));
    EXPECT_TRUE(report.partial);
  }
}

TEST(RunScenario, StopsWhilePathsAreBound) {
  RunControl impatient = Patient();
  int asked = 0;
  impatient.stop = [&] { return ++asked > 1; };
  const RunReport report = RunScenario(
      Make("fabric: { family: leaf_spine, leaves: 2, spines: 1, hosts_per_leaf: 4, link: 1Gbps }\n"
           "routing: { seeds: 1 }\n"
           "workload: { traffic: { pattern: random, bytes: 1MB, flows: 10000 } }\n"),
      impatient);
  EXPECT_TRUE(report.partial);
  EXPECT_TRUE(report.traffic.empty());  // no simulation was begun
  EXPECT_EQ(asked, 2);
}

TEST(RunScenario, DoesNotCallWhatWasStoppedStalled) {
  RunControl impatient = Patient();
  int asked = 0;
  impatient.stop = [&] { return ++asked > 1; };
  const RunReport report = RunScenario(Make(kClos, {"routing.seeds=1"}), impatient);
  EXPECT_TRUE(report.partial);
  ASSERT_EQ(report.collectives.size(), 1u);
  EXPECT_EQ(report.collectives[0].status, "stopped");
}

TEST(RunScenario, IsPartialAndEmptyWhereTheBuildingWasStopped) {
  SourceTexts texts;
  FabricCache cache;
  for (int patience = 0; patience < 2; ++patience) {
    int asked = 0;
    Result<PreparedScenario> prepared = Prepare(*ParseScenario(kClos, "s.yaml", {}, &texts), cache,
                                                [&] { return ++asked > patience; });
    ASSERT_TRUE(prepared);
    EXPECT_TRUE(prepared->stopped);
    const RunReport report = RunScenario(*prepared, Patient());
    EXPECT_TRUE(report.partial);
    EXPECT_EQ(report.seeds, 0);
  }
}

// Two rails, each slowed in one of two repeats: over the repeats both take the same, so
// busbw, mean over rails, is bytes over that time. Rails matched by who came first would
// pair the slow ones.
TEST(RunScenario, AveragesEachRailOverItsOwnRepeats) {
  const std::string text =
      "fabric: { family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 100Gbps, "
      "latency: 0s }\n"
      "host: { gpus: 2, nics: 2, nic: 100Gbps, nvlink: 900GBps, pcie: 1Tbps }\n"
      "physics: { network_step: 0s, nvlink_step: 0s, launch: 0s }\n"
      "fault_policy: { detect: 0s, move: 0s }\n"
      "routing: { seeds: 1 }\n"
      "workload: { collective: { op: all_reduce, algorithm: ring, bytes: 1GB, repeat: 2 } }\n";
  const auto slow = [](const std::string& nic, const std::string& at, const std::string& until) {
    return "{ at: " + at + ", " + until + "link: host0/" + nic + "/port0, rate: 50% }";
  };
  const RunReport once = RunScenario(
      Make(text, {"workload.collective.repeat=1", "faults=[ " + slow("nic0", "0s", "") + " ]"}),
      Patient());
  const std::string half = fmt::format("{:.0f}ns", once.makespan_s.median * 1e9);
  const RunReport report =
      RunScenario(Make(text, {"faults=[ " + slow("nic0", "0s", "until: " + half + ", ") + ", " +
                              slow("nic1", half, "") + " ]"}),
                  Patient());
  ASSERT_EQ(report.collectives.size(), 1u);
  const CollectiveReport& c = report.collectives[0];
  ASSERT_EQ(c.channels, 2);
  ASSERT_LT(c.time_mean_rail_s->median, c.time_s.median * 0.9);  // one rail is slower
  const double work = 1e9 * 2 * 3 / 4;
  EXPECT_NEAR(c.busbw_mean_rail_bytes_per_s->median * c.time_mean_rail_s->median, work,
              work * 1e-3);
}

// A fault that takes half of what a link carries in half of the time takes a quarter;
// what put the load there stands beside it.
TEST(RunScenario, WeighsAFaultByWhatItTook) {
  const std::string text =
      "fabric: { family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 400Gbps, "
      "latency: 0s }\n"
      "routing: { seeds: 1 }\n"
      "workload: { traffic: { pattern: permutation, bytes: 100MB } }\n";
  const auto why = [&](const std::string& fault) {
    const RunReport report = RunScenario(Make(text, {"faults=[ " + fault + " ]"}), Patient());
    for (const LinkReport& link : report.links.hottest)
      if (link.from == "host0/nic0/port0") return link.why;
    return std::string("not among the hottest");
  };
  const std::string port = "link: host0/nic0/port0, ";
  EXPECT_EQ(why("{ " + port + "at: 1s }"), "the only link here, for 1 QP");
  EXPECT_EQ(why("{ " + port + "at: 100us, until: 101us, rate: 50% }"),
            "the only link here, for 1 QP");
  EXPECT_THAT(why("{ " + port + "at: 0s, until: 1ms, rate: 50% }"),
              testing::MatchesRegex("the only link here, for 1 QP; faults took "
                                    "[0-9.]+ % of what it could carry"));
}

TEST(RunScenario, BracketsTheMakespanWhenBothCouplingsAreAskedFor) {
  const RunReport report = RunScenario(Make(kClos, {"coupling=both"}), Patient());
  ASSERT_TRUE(report.coupling);
  EXPECT_LE(report.coupling->loose_s.median, report.coupling->tight_s.median * (1 + 1e-9));
}

TEST(RunScenario, IsNeverFasterThanTheAnalyticBound) {
  const RunReport flow = RunScenario(Make(kClos), Patient());
  const RunReport bound = RunScenario(Make(kClos, {"engine=analytic"}), Patient());
  ASSERT_EQ(flow.makespan_by_seed_s.size(), bound.makespan_by_seed_s.size());
  for (std::size_t i = 0; i < flow.makespan_by_seed_s.size(); ++i)
    EXPECT_GE(flow.makespan_by_seed_s[i], bound.makespan_by_seed_s[i] * (1 - 1e-9));
}

}  // namespace
}  // namespace weft
