// An iteration of training: its split, its closed form, what is refused and what is warned of.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <set>

#include "base/random.h"
#include "scenario/compare.h"
#include "tests/base/test_file.h"
#include "tests/scenario/training_scenarios.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

TEST(Training, SplitsItsTimeWithoutRemainderAndLosesNoByte) {
  for (const std::vector<std::string>& sets :
       {std::vector<std::string>{},
        {Set("overlap.pipeline", "false"), Set("overlap.data", "false")},
        {Set("parallel.virtual_stages", "2")},
        {Set("parallel.virtual_stages", "4"), Set("overlap.tensor", "true"),
         Set("fixed_time", "10ms"), Set("loading_time", "5ms")},
        {Set("parallel.zero", "0")},
        {Set("parallel.order", "tensor_context_pipeline_data")},
        {Set("parallel.tensor", "2"), Set("parallel.context", "4"), Set("overlap.data", "false")},
        {Set("parallel.pipeline", "1"), Set("parallel.zero", "3"),
         Set("parallel.virtual_stages", "4")},
        {Set("parallel.pipeline", "1"), Set("parallel.zero", "2"), Set("overlap.data", "false")},
        {Set("parallel.zero", "2")},
        {Set("parallel.zero", "3"), Set("parallel.virtual_stages", "2")},
        {Set("parallel.zero", "3"), Set("overlap.data", "false"), Set("global_batch", "128")},
        {Set("architecture.tied", "true"), Set("overlap.weights", "true")},
        {Set("global_batch", "128")}}) {
    SCOPED_TRACE(sets.empty() ? "plain" : sets.front());
    const RunReport report = Simulate(kSmall, sets);
    ASSERT_TRUE(report.iteration.has_value());
    const IterationReport& i = *report.iteration;
    EXPECT_NEAR(Sum(i) / i.time_s.median, 1, 1e-12);
    EXPECT_NEAR(i.conservation, 0, 1e-6);
    EXPECT_GT(i.compute_s, 0);
    EXPECT_GE(i.bubble_s, 0);
    EXPECT_GT(i.mfu.median, 0.05);
    EXPECT_LT(i.mfu.median, 0.8);
    ASSERT_FALSE(i.critical_path.empty());
    EXPECT_LE(i.critical_path.back().end_s, i.time_s.median * (1 + 1e-9));
  }
}

// What a calibration says of collectives on such hosts, laid over what the iteration waits for: the
// tensor collectives stay in a host, the others leave it.
TEST(Training, QuotesTheCalibrationsErrorOfItsCommunication) {
  const std::string file = TestFile("bands.weftcal.yaml");
  std::ofstream(file)
      << "constants: [{ name: hopper.launch, value: 5us }]\nerrors:\n"
         "  - { what: one host, from: 0B, low: 90%, high: 120%, tables: 9 }\n"
         "  - { what: \"several hosts, ib or roce\", from: 0B, low: 80%, high: 150%, "
         "tables: 9 }\n";
  const RunReport report = Simulate(kSmall, {"calibration=" + file});
  ASSERT_TRUE(report.iteration.has_value());
  const IterationReport& i = *report.iteration;
  const double network = i.pipeline_s + i.data_s, all = i.tensor_s + network;
  ASSERT_GT(i.tensor_s, 0);
  ASSERT_GT(network, 0);
  ASSERT_TRUE(i.error.exposed.low && i.error.time.high);
  EXPECT_NEAR(*i.error.exposed.low, -(0.1 * i.tensor_s + 0.2 * network) / all, 1e-9);
  EXPECT_NEAR(*i.error.exposed.high, (0.2 * i.tensor_s + 0.5 * network) / all, 1e-9);
  EXPECT_NEAR(*i.error.time.high, (0.2 * i.tensor_s + 0.5 * network) / i.split_of_s, 1e-9);
  EXPECT_EQ(i.error.exposed.basis, "held-out");
  EXPECT_EQ(report.calibration.in_range, std::optional(false));
  EXPECT_FALSE(report.error.low.has_value());  // nothing is said of compute
  // One GPU waits for nothing: no band, and none of 0 %.
  const RunReport alone = Simulate(
      kSmall, {"calibration=" + file, "placement.gpus=1", Set("global_batch", "1"),
               Set("parallel", "{ tensor: 1, pipeline: 1 }"), Set("ignore_memory", "true")});
  EXPECT_TRUE(alone.iteration->error.nothing_waits);
  EXPECT_FALSE(alone.iteration->error.time.low.has_value());
  EXPECT_EQ(alone.iteration->error.time.basis, "none");
  EXPECT_FALSE(alone.iteration->overlap_efficiency.has_value());
  const RunReport none = Simulate(kSmall, {"calibration=none"});
  EXPECT_FALSE(none.iteration->error.time.low.has_value());
  EXPECT_EQ(none.iteration->error.time.basis, "none");
}

// Where little is sent at once, rings and sends have their links to themselves.
TEST(Training, TakesAboutAsLongAsTheClosedFormSays) {
  for (const std::vector<std::string>& sets :
       {std::vector<std::string>{Set("overlap.data", "false")},
        {Set("overlap.data", "false"), Set("overlap.pipeline", "false")},
        {Set("overlap.data", "false"), Set("parallel.virtual_stages", "2")},
        {Set("parallel.pipeline", "1"), Set("overlap.data", "false")},
        {Set("parallel.pipeline", "8"), Set("global_batch", "256")}}) {
    SCOPED_TRACE(sets.back());
    const RunReport report = Simulate(kSmall, sets);
    ASSERT_TRUE(report.iteration.has_value());
    const double ratio = report.iteration->estimate_s / report.iteration->time_s.median;
    EXPECT_NEAR(ratio, 1, 0.1) << report.iteration->time_s.median;
  }
}

// The same with experts, wherever parameters, gradients and the optimiser's state are shared.
// Nothing hidden, the two add up the same rings and passes: what is left is which stage ends last,
// and launches; and with ZeRO-2 and 3 on a pipeline, which rings wait for a stage's turn while it
// fills and drains. With overlap the closed form has all but a first gather and a last reduction
// behind passes, and the rings one after the other: the engine lets an expert ring, which the NICs
// bound, run beside a plain one, which NVLink may. Exchanges between hosts would meet the rings
// there, of which it knows nothing: with overlap they are priced.
TEST(Training, TakesAboutAsLongAsTheClosedFormSaysWithExperts) {
  constexpr std::uint64_t kSeed = 20250311;
  Random random(kSeed);
  const auto one_of = [&](std::initializer_list<int> values) {
    return values.begin()[random.Below(static_cast<std::uint32_t>(values.size()))];
  };
  std::array<double, 2> worst{};
  for (int trial = 0; trial < 60; ++trial) {
    const int tensor = one_of({1, 2, 4, 8}), zero = one_of({0, 1, 2, 3});
    const int pipeline = one_of({1, 2, 4}), replicas = 64 / (tensor * pipeline);
    const int context = replicas % 4 == 0 ? one_of({1, 1, 2}) : 1;
    const int expert = std::min(replicas, one_of({1, 2, 4, 8})), chunks = one_of({1, 2});
    const char* order = one_of({0, 1}) == 0 ? "data_pipeline" : "pipeline_data";
    const bool overlap = trial % 2 == 1;
    const std::string parallel = fmt::format(
        "{{ tensor: {}, context: {}, pipeline: {}, expert: {}, zero: {}, virtual_stages: {}, "
        "order: tensor_context_{} }}",
        tensor, context, pipeline, expert, zero, chunks, order);
    const RunReport report = Simulate(
        kSmall, {Set("parallel", parallel), Set("overlap.data", overlap ? "true" : "false"),
                 Set("architecture.moe", "{ experts: 16, top_k: 2, ffn: 2048 }"),
                 Set("global_batch", "256"), Set("ignore_memory", "true"),
                 Set("contention", overlap ? "false" : "true")});
    ASSERT_TRUE(report.iteration.has_value());
    const double ratio = report.iteration->estimate_s / report.iteration->time_s.median;
    worst[overlap] = std::max(worst[overlap], std::abs(ratio - 1));
    const double within = zero >= 2 && pipeline > 1 ? 0.03 : 0.011;  // the furthest is 1.003 %
    EXPECT_NEAR(ratio, 1, overlap ? 0.1 : within)
        << "seed " << kSeed << ", trial " << trial << ", " << parallel;
  }
  std::printf("seed %llu: furthest off %.2f %%, with overlap %.1f %%\n",
              static_cast<unsigned long long>(kSeed), 100 * worst[0], 100 * worst[1]);
}

// ZeRO-2 and 3 where few passes hide their rings.
TEST(Training, TakesAboutAsLongAsTheClosedFormSaysWithFewMicroBatches) {
  constexpr std::uint64_t kSeed = 20250617;
  Random random(kSeed);
  const auto one_of = [&](std::initializer_list<int> values) {
    return values.begin()[random.Below(static_cast<std::uint32_t>(values.size()))];
  };
  double worst = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const int zero = one_of({2, 3}), pipeline = one_of({1, 1, 2}), tensor = one_of({1, 2, 8});
    const int replicas = 64 / (tensor * pipeline), micro = one_of({1, 2}) * pipeline;
    const std::string parallel =
        fmt::format("{{ tensor: {}, pipeline: {}, zero: {}, virtual_stages: {} }}", tensor,
                    pipeline, zero, one_of({1, 2, 4}));
    const RunReport report =
        Simulate(kSmall, {Set("parallel", parallel), Set("ignore_memory", "true"),
                          Set("sequence", std::to_string(one_of({512, 2048, 8192}))),
                          Set("gradients", one_of({0, 1}) == 0 ? "bf16" : "fp32"),
                          Set("global_batch", std::to_string(micro * replicas))});
    ASSERT_TRUE(report.iteration.has_value());
    const double ratio = report.iteration->estimate_s / report.iteration->time_s.median;
    worst = std::max(worst, std::abs(ratio - 1));
    EXPECT_NEAR(ratio, 1, 0.11) << "seed " << kSeed << ", trial " << trial << ", " << micro
                                << " micro-batches, " << parallel;
  }
  std::printf("seed %llu: furthest off %.1f %%\n", static_cast<unsigned long long>(kSeed),
              100 * worst);
}

// Ranks dealt over the hosts in turn: a tensor group has eight hosts, and its bytes leave them.
TEST(Training, SendsTensorBytesOverTheNetworkWhereATableSpreadsThem) {
  const std::string file = TestFile("turns.csv");
  std::ofstream out(file);
  for (int rank = 0; rank < 64; ++rank) out << "host" << rank % 8 << ',' << rank / 8 << '\n';
  out.close();
  const auto tensor = [](const RunReport& report) { return report.iteration->bytes.front(); };
  const RunReport packed = Simulate(kSmall), turns = Simulate(kSmall, {"placement.file=" + file});
  ASSERT_EQ(tensor(packed).group, "tensor");
  EXPECT_EQ(tensor(packed).network, 0);
  EXPECT_NEAR(tensor(turns).network / tensor(packed).nvlink, 1, 1e-8);  // each row a whole byte
  EXPECT_EQ(tensor(turns).nvlink, 0);
  EXPECT_GT(turns.iteration->time_s.median, 1.2 * packed.iteration->time_s.median);
  // Six tensor ranks on hosts of eight GPUs: every third group stands on one host.
  const RunReport six = Simulate(
      kSmall, {"placement.gpus=48", Set("parallel.tensor", "6"),
               Set("architecture", "{ hidden: 3072, heads: 24 }"), Set("sequence", "1536")});
  EXPECT_GT(tensor(six).nvlink, 0);
  EXPECT_GT(tensor(six).network, 0);
}

// Twice the batch in less than twice the time: what counts is tokens a second.
TEST(Training, GainsThroughputByTokensNotByTime) {
  FabricCache cache;
  std::vector<PreparedScenario> cases;
  for (const char* batch : {"32", "64"}) {
    Result<Located<ScenarioSpec>> spec =
        ParseScenario(kSmall, "s.yaml",
                      {Set("global_batch", batch),
                       "published=[{ figure: throughput_gain, share: 5%, source: x }]"},
                      nullptr);
    ASSERT_TRUE(spec.has_value());
    cases.push_back(*Prepare(*std::move(spec), cache));
  }
  const Comparison comparison = CompareScenarios(cases, Patient());
  ASSERT_EQ(comparison.published.size(), 1u);
  const double was = comparison.cases[0].iteration->tokens_per_s.median,
               is = comparison.cases[1].iteration->tokens_per_s.median;
  ASSERT_GT(is, was);
  EXPECT_NEAR(comparison.published[0].second.ours->median, is / was - 1, 1e-9);
}

// A second segment that the job has no host in: nothing goes there.
TEST(Training, KnowsThatOneSegmentsJobSendsNothingBetweenSegments) {
  const std::string over = Set("parallel", "{ tensor: 16, pipeline: 4 }");
  const auto between = [](const RunReport& report) {
    EXPECT_GT(report.iteration->bytes.front().network, 0);
    return report.iteration->bytes.front().between_segments;
  };
  EXPECT_EQ(between(Simulate(kSmall, {"fabric.segments=2", over})), 0);
  // All hosts in one ring of tensor ranks.
  const std::vector<std::string> spread{"fabric.segments=2", "placement.policy=spread",
                                        Set("parallel", "{ tensor: 64, pipeline: 1 }"),
                                        Set("architecture.heads", "64")};
  EXPECT_GT(between(Simulate(kSmall, spread)), 0);
  // In closed form nobody knows who sends to whom.
  std::vector<std::string> priced = spread;
  priced.push_back(Set("contention", "false"));
  EXPECT_EQ(between(Simulate(kSmall, priced)), std::nullopt);
}

// Repeats that are counted take as long as those that are simulated.
TEST(Training, CountsMicroBatchesAsItSimulatesThem) {
  const auto time = [](int batch) {
    return Simulate(kSmall, {Set("global_batch", std::to_string(batch))}).iteration.value();
  };
  // 3 more than 32 repeats fill and drain four stages.
  const IterationReport a = time(2 * 34), b = time(2 * 35), all = time(2 * 200);
  EXPECT_EQ(a.repeats_skipped, 0);
  EXPECT_EQ(b.repeats_skipped, 0);
  EXPECT_EQ(all.repeats_skipped, 165);
  const double period = b.time_s.median - a.time_s.median;
  EXPECT_NEAR(all.time_s.median / (b.time_s.median + 165 * period), 1, 1e-6);
  EXPECT_LT(all.time_s.median / b.time_s.median, 200.0 / 35);  // filling and draining come once
}

// The steady state runs at its slowest stage; a small vocabulary, so that this is not the head's.
TEST(Training, WaitsForASlowHost) {
  const std::string small = Set("architecture.vocabulary", "1024");
  const double plain = Simulate(kSmall, {small}).iteration->time_s.median;
  const IterationReport slow =
      *Simulate(kSmall, {small, Set("stragglers.share", "10%"), Set("stragglers.slower", "10%")})
           .iteration;
  EXPECT_EQ(slow.slow_hosts, 1);
  EXPECT_GT(slow.time_s.median / plain, 1.01);
  EXPECT_LT(slow.time_s.median / plain, 1.1);
}

// A synchronous step waits for its slowest GPUs, whichever the file lists first.
TEST(Training, ComputesAsTheSlowestGpuOfThePlacement) {
  const auto mixed = [](const char* first, const char* second, const char* hosts) {
    return Simulate(fmt::format(R"(
fabric:
  family: custom
  hosts:
    - {{ name: a, count: 2, host: {{ preset: {} }} }}
    - {{ name: b, count: 2, host: {{ preset: {} }} }}
  switches: [{{ name: leaf }}]
  cables: [{{ from: ["a*/nic*", "b*/nic*"], to: leaf, rate: 200Gbps }}]
  check_ports: false
placement: {{ hosts: {} }}
routing: {{ seeds: 1 }}
workload:
  training:
    model: llama-7b
    parallel: {{ tensor: 8, data: 2 }}
    global_batch: 8
    sequence: 2048
    ignore_memory: true
    what_if: false
)",
                                first, second, hosts));
  };
  const auto compute_s = [](const RunReport& report) { return report.iteration->compute_s; };
  const RunReport fast = mixed("hgx-h100", "dgx-a100", "[a0, a1]");
  const RunReport slow = mixed("hgx-h100", "dgx-a100", "[b0, b1]");
  EXPECT_GT(compute_s(slow), 1.5 * compute_s(fast));
  for (const RunReport& both :
       {mixed("hgx-h100", "dgx-a100", "[a0, b0]"), mixed("dgx-a100", "hgx-h100", "[a0, b0]")}) {
    // Not equal: what communicates beside it takes SMs for longer or shorter.
    EXPECT_NEAR(compute_s(both), compute_s(slow), 0.01 * compute_s(slow));
    EXPECT_THAT(both.missing_terms, testing::Contains(testing::HasSubstr("all compute as a100")));
  }
  for (const RunReport& one : {fast, slow})
    EXPECT_THAT(one.missing_terms,
                testing::Not(testing::Contains(testing::HasSubstr("all compute as"))));
}

// All hosts a tenth slower: all compute is, the optimiser's too.
TEST(Training, SlowsAStragglersOptimiser) {
  const auto compute_s = [](const char* share) {
    return Simulate(kSmall, {Set("stragglers.share", share), Set("stragglers.slower", "10%"),
                             Set("global_batch", "2"), Set("parallel.zero", "0")})
        .iteration->compute_s;
  };
  EXPECT_NEAR(compute_s("100%") / compute_s("0%"), 1.1, 1e-9);
}

// What data take before the first passes adds to an iteration, but for the first gather of ZeRO-1
// and 2, which runs meanwhile where it overlaps; the closed form says the same.
TEST(Training, GathersParametersWhileDataAreLoaded) {
  struct Case {
    const char *zero, *overlap;
    bool hides;
  };
  for (const Case& c : {Case{"1", "true", true},
                        {"2", "true", true},
                        {"3", "true", false},
                        {"0", "true", false},
                        {"1", "false", false},
                        {"3", "false", false}}) {
    SCOPED_TRACE(testing::Message() << "zero " << c.zero << ", overlap " << c.overlap);
    const auto run = [&](const char* loading) {
      return *Simulate(kSmall, {Set("parallel.zero", c.zero), Set("overlap.data", c.overlap),
                                Set("parallel.virtual_stages", "4"), Set("loading_time", loading)})
                  .iteration;
    };
    const IterationReport none = run("0s"), some = run("20ms"), more = run("100ms");
    EXPECT_NEAR(Sum(more) / more.time_s.median, 1, 1e-12);
    EXPECT_NEAR(more.fixed_s, 0.1, 1e-9);
    EXPECT_NEAR(more.time_s.median - some.time_s.median, 0.08, 1e-9);
    const double added = more.time_s.median - none.time_s.median;
    if (!c.hides) {
      EXPECT_NEAR(added, 0.1, 1e-9);
      EXPECT_NEAR(more.estimate_s - none.estimate_s, 0.1, 1e-9);
      EXPECT_NEAR(more.data_s, none.data_s, 1e-9);
      continue;
    }
    // A chunk is a layer: 12 h² parameters and small ones, over eight tensor ranks, in bf16; half
    // of it comes from the other replica, over NICs of 400 Gb/s.
    const double gather_s = 12 * 4096.0 * 4096 / 8 * 2 / 2 / 50e9;
    EXPECT_LT(added, 0.1 - gather_s);
    EXPECT_GT(added, 0.1 - 3 * gather_s);  // the first stage's chunk has the embedding, too
    EXPECT_LT(more.data_s, none.data_s);
    EXPECT_NEAR(more.estimate_s - none.estimate_s, added, gather_s);
  }
}

TEST(Training, SaysWhatTheModelAndTheGpuHold) {
  const IterationReport i = *Simulate(kSmall).iteration;
  // 12 h² a layer with norms and biases' 13 h, embedding and head [NSC+21 eq. 2].
  EXPECT_NEAR(i.parameters / (16 * 12 * 4096.0 * 4096 + 2 * 32000 * 4096.0), 1, 1e-3);
  EXPECT_EQ(i.parameters, i.active_parameters);
  const auto& use = i.memory;
  EXPECT_GT(use.activations, 0);
  EXPECT_NEAR((use.parameters + use.gradients + use.optimiser + use.activations + use.logits) /
                  i.memory_bytes,
              1, 1e-12);
  EXPECT_NEAR(use.gradients / use.parameters, 2, 1e-9);  // 4 bytes for 2
}

// As many micro-batches as fit into 106 days of picoseconds are counted, not laid out; where each
// is simulated their number has a limit.
TEST(Training, CountsMillionsOfMicroBatches) {
  const std::string fast = Set("stage_times", "{ forward: 10ms, backward: 20ms }");
  const auto time = [&](const char* batch) {
    return Simulate(kSmall, {fast, Set("global_batch", batch)}).iteration.value();
  };
  const IterationReport a = time("62"), b = time("70"), all = time("50000000");
  EXPECT_EQ(all.repeats_skipped, 25'000'000 - 35);
  const double period = (b.time_s.median - a.time_s.median) / 4;  // four stages take turns
  EXPECT_NEAR(all.time_s.median / (b.time_s.median + 24'999'965 * period), 1, 1e-5);
  for (const auto& [sets, text] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{Set("global_batch", "1000000000")}, "days"},
           {{Set("global_batch", "50000000"), Set("parallel.zero", "3")}, "operations"},
           {{fast, Set("stage_times.weights", "5ms"), Set("global_batch", "50000000"),
             Set("parallel.schedule", "dualpipe")},
            "operations"}}) {
    const Result<PreparedScenario> prepared = Try(kSmall, sets);
    ASSERT_FALSE(prepared.has_value()) << text;
    EXPECT_THAT(prepared.error().front().message, testing::HasSubstr(text));
  }
}

TEST(Training, SaysWhatWouldHelp) {
  const RunReport report = Simulate(
      kSmall,
      {Set("what_if", "true"), Set("overlap.pipeline", "false"), Set("overlap.data", "false")});
  const IterationReport& i = *report.iteration;
  ASSERT_EQ(i.what_if.size(), 3u);
  for (const auto& [change, time_s] : i.what_if)
    EXPECT_LE(time_s, i.time_s.median * 1.001) << change;
  EXPECT_LT(i.what_if[2].second, i.time_s.median);  // all communication hidden
}

// At the key that is wrong, with what mends it.
TEST(Training, RefusesWhatCannotBe) {
  struct Case {
    std::string set;
    const char *text, *hint;
    bool at_set = true;  // else at a key of the file
  };
  for (const Case& c :
       {Case{Set("parallel.data", "3"), "the placement has 64 GPUs", "what the GPUs give"},
        {Set("parallel.tensor", "64"), "does not divide", "a product that does", false},
        {Set("global_batch", "33"), "is no multiple of", "global_batch: 32 or 34"},
        {Set("global_batch", "1"), "is no multiple of", "global_batch: 2"},
        {Set("architecture.layers", "2"), "do not fill 4 chunks", "of 2 or less", false},
        {Set("architecture.hidden", "65536"), "it has 74.5 GiB", "ignore_memory", false},
        {Set("parallel.expert", "2"), "without experts", "weft presets model"},
        {Set("sequence", "2047"), "do not cut a sequence", "a multiple of 8"},
        {Set("parallel.schedule", "dualpipe"), "needs stage_times", "stage_times: {"},
        {Set("architecture", "{ hidden: 3072, heads: 24, key_value_heads: 3 }"), "heads of keys",
         "tensor: 3", false},
        {"host={ gpus: 8, nic_ports: 2 }", "no figures of compute", "hgx-h100", false}}) {
    SCOPED_TRACE(c.set);
    const Result<PreparedScenario> prepared = Try(kSmall, {c.set});
    ASSERT_FALSE(prepared.has_value());
    const Error& error = prepared.error().front();
    EXPECT_THAT(error.message, testing::HasSubstr(c.text));
    EXPECT_THAT(error.hint, testing::HasSubstr(c.hint));
    EXPECT_GT(error.pos.line, 0);
    EXPECT_EQ(error.pos.file != "s.yaml", c.at_set) << error.pos.file;
  }
}

// Interleaved, and DualPipe's halves: batches that fit are said.
TEST(Training, SaysWhichBatchesFit) {
  const auto hint = [](std::vector<std::string> sets) {
    const Result<PreparedScenario> prepared = Try(kSmall, sets);
    return prepared ? std::string("none") : prepared.error().front().hint;
  };
  EXPECT_EQ(hint({Set("parallel.virtual_stages", "2"), Set("global_batch", "34")}),
            "global_batch: 32 or 40, or virtual_stages: 1");
  const std::string times = Set("stage_times", "{ forward: 1ms, backward: 2ms, weights: 1ms }");
  const std::string dualpipe = Set("parallel.schedule", "dualpipe");
  EXPECT_EQ(hint({dualpipe, times, Set("global_batch", "8")}), "global_batch: 16");
  EXPECT_EQ(hint({dualpipe, times, Set("global_batch", "18")}), "global_batch: 16 or 20");
  EXPECT_EQ(hint({dualpipe, times, Set("global_batch", "16")}), "none");
}

// Where chunks of a stage, or micro-batches, are reduced beside others: their SMs are missing.
TEST(Training, NamesTheSmsThatReductionsDoNotTake) {
  const auto missing = [](std::vector<std::string> sets) {
    return Simulate(kSmall, sets).missing_terms;
  };
  const auto sms = testing::Contains(testing::HasSubstr("SMs that reductions and gathers take"));
  EXPECT_THAT(missing({Set("parallel.virtual_stages", "2")}), sms);
  EXPECT_THAT(missing({Set("parallel.zero", "2")}), sms);
  EXPECT_THAT(missing({}), testing::Not(sms));  // one chunk: behind all passes
  EXPECT_THAT(missing({Set("parallel.virtual_stages", "2"), Set("overlap.data", "false")}),
              testing::Not(sms));
}

// Repeats that are counted are on no path and in no trace, and both say so.
TEST(Training, SaysHowMuchOfItThePathIs) {
  const std::vector<std::string> many{Set("global_batch", "256")};
  const Result<PreparedScenario> prepared = Try(kSmall, many);
  ASSERT_TRUE(prepared.has_value());
  RunControl control = Patient();
  control.trace = true;
  const RunReport report = RunScenario(*prepared, control);
  const IterationReport& i = *report.iteration;
  ASSERT_GT(i.repeats_skipped, 0);
  EXPECT_NEAR(i.critical_path.back().end_s, i.split_of_s - i.skipped_s, 1e-12);
  double last = 0;
  for (const TraceEvent& event : i.trace) last = std::max(last, event.start_s + event.duration_s);
  EXPECT_NEAR(last, i.split_of_s - i.skipped_s, 1e-9);
  EXPECT_EQ(Simulate(kSmall).iteration->skipped_s, 0);
}

// ZeRO-2 sends every gradient with every backward pass, ZeRO-3 every parameter before each pass:
// of 16 micro-batches and two replicas, a ring's half of it for each of the 64 ranks.
TEST(Training, ReducesAndGathersWithEveryMicroBatchOnAPipeline) {
  const auto data_gb = [](const char* zero, const char* stages) {
    const RunReport report =
        Simulate(kSmall, {Set("parallel.zero", zero), Set("parallel.virtual_stages", stages)});
    for (const GroupBytes& one : report.iteration->bytes)
      if (one.group == "data") return (one.nvlink + one.network) / 1e9;
    return 0.0;
  };
  const double reduced = data_gb("1", "1") * 4 / 6;  // of 4 bytes a gradient and 2 a parameter
  EXPECT_NEAR(data_gb("2", "1") / (reduced * (16 + 0.5)), 1, 1e-6);
  EXPECT_NEAR(data_gb("3", "1") / (reduced * (16 + 16)), 1, 1e-6);
  EXPECT_NEAR(data_gb("3", "2") / data_gb("3", "1"), 1, 1e-6);
}

// The first and the last stage sum the embedding's gradients: 4 bytes each of 32,000 x 4,096 over
// eight tensor ranks, there and back, in two replicas.
TEST(Training, SumsATiedEmbeddingsGradients) {
  const RunReport apart = Simulate(kSmall),
                  tied = Simulate(kSmall, {Set("architecture.tied", "true")});
  const auto sent = [](const RunReport& report) {
    return report.iteration->bytes.back().network;  // of the group "data"
  };
  EXPECT_NEAR((sent(tied) - sent(apart)) / (2 * 2 * 4.0 * 32000 * 4096), 1, 1e-6);
  EXPECT_GT(tied.iteration->time_s.median, apart.iteration->time_s.median);
}

TEST(Training, WarnsOfKeysThatChangeNothing) {
  for (const std::string& set :
       {Set("overlap.tensor_pieces", "8"), Set("imbalance", "1.5"), Set("jitter_seed", "2"),
        Set("stragglers.seed", "2"), Set("dispatch", "fp8"),
        Set("parallel", "{ tensor: 8, pipeline: 4, zero: 0 }"),
        Set("parallel", "{ tensor: 8, pipeline: 1, zero: 1 }")}) {
    std::vector<std::string> sets{set};
    if (set.find("zero") != std::string::npos) {
      sets.push_back(Set("overlap.data", "false"));
      sets.push_back(Set("ignore_memory", "true"));
    }
    const Result<PreparedScenario> prepared = Try(kSmall, sets);
    ASSERT_TRUE(prepared.has_value()) << set;
    ASSERT_EQ(prepared->warnings.size(), 1u) << set;
    EXPECT_THAT(prepared->warnings.front().message, testing::HasSubstr("has no effect"));
  }
}

// Times given: what is sent is what it is without them, and what cannot change a time says so.
TEST(Training, TakesGivenTimesButNotTheBytesFromThem) {
  const std::string times = Set("stage_times", "{ forward: 1s, backward: 2s }");
  const auto bytes = [](const RunReport& report) {
    std::vector<std::pair<std::string, double>> out;
    for (const GroupBytes& one : report.iteration->bytes)
      out.emplace_back(one.group, one.nvlink + one.network);
    return out;
  };
  const std::vector<std::string> cut{Set("parallel.tensor", "4"), Set("parallel.context", "2"),
                                     Set("parallel.pipeline", "2")};
  std::vector<std::string> given = cut;
  given.push_back(times);
  const RunReport report = Simulate(kSmall, given);
  EXPECT_EQ(bytes(report), bytes(Simulate(kSmall, cut)));
  EXPECT_EQ(bytes(report).size(), 4u);  // tensor, context, pipeline, data
  EXPECT_EQ(report.iteration->tensor_s + report.iteration->context_s, 0);
  EXPECT_THAT(report.missing_terms, testing::Contains(testing::StartsWith("what of stage_times")));
  const std::string dualpipe = Set("parallel.schedule", "dualpipe");
  for (const auto& [sets, text] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{times, Set("stage_times.weights", "1s")}, "'workload.training.stage_times.weights'"},
           {{dualpipe, times, Set("stage_times.weights", "1s"), Set("parallel.zero", "0"),
             Set("overlap.data", "true")},
            "nothing hides a reduction"},
           {{"fabric.hosts=8", times,
             Set("architecture.moe", "{ experts: 8, top_k: 2, ffn: 1024 }"),
             Set("parallel.expert", "2"), Set("imbalance", "2"), Set("contention", "false")},
            "'workload.training.imbalance' has no effect on times: stage_times"}}) {
    const Result<PreparedScenario> prepared = Try(kSmall, sets);
    ASSERT_TRUE(prepared.has_value()) << text << ": " << prepared.error().front().message;
    ASSERT_EQ(prepared->warnings.size(), 1u) << text;
    EXPECT_THAT(prepared->warnings.front().message, testing::HasSubstr(text));
  }
  const RunReport fast = Simulate(
      kSmall, {Set("stage_times", "{ forward: 1us, backward: 1us }"), Set("global_batch", "1024")});
  ASSERT_EQ(fast.warnings.size(), 1u);
  EXPECT_THAT(fast.warnings.front().message,
              testing::HasSubstr("shorter than the GPU's peak allows"));
  const auto no_weights = Try(kSmall, {dualpipe, times});
  ASSERT_FALSE(no_weights.has_value());
  EXPECT_THAT(no_weights.error().front().message, testing::HasSubstr("has no 'weights'"));
}

// 1F, 1B and 1W as inputs, nothing sent, on the engine: bubble (p/2 − 1)(F&B + B − 3W) [DualPipe
// README], less up to a forward pass where B − W > F (tests/workloads/pipeline_test.cc). The
// optimiser's time is the same in both runs of a pipeline.
TEST(Training, RunsDualPipe) {
  struct Case {
    double forward, backward, weights, saved;  // saved: of one p/2 − 1, at most a forward pass
  };
  for (const int stages : {2, 4, 8}) {
    const int micro = 32 * stages / 8;  // of a replica
    const auto hidden_s = [&](const Case& c) {
      const RunReport report = Simulate(
          kSmall, {Set("parallel.pipeline", std::to_string(stages)), Set("global_batch", "32"),
                   Set("parallel.schedule", "dualpipe"), Set("what_if", "true"),
                   Set("stage_times", fmt::format("{{ forward: {}s, backward: {}s, weights: {}s }}",
                                                  c.forward, c.backward, c.weights))});
      EXPECT_EQ(report.iteration->what_if.back().first, "all communication hidden");
      return report.iteration->what_if.back().second;
    };
    const auto formula_s = [&](const Case& c) {
      const double steps = stages / 2 - 1;
      return micro * (c.forward + c.backward) +
             steps * (c.forward + 2 * c.backward - 3 * c.weights) -
             std::min(c.forward, steps * c.saved);
    };
    const Case first{1, 2, 1, 0};
    const double optimiser_s = hidden_s(first) - formula_s(first);
    EXPECT_GT(optimiser_s, 0);
    EXPECT_LT(optimiser_s, 0.05);
    for (const Case& c : {Case{1.13, 1.61, 0.48, 0}, {1.13, 1.99, 0.48, 0.38}})
      EXPECT_NEAR((hidden_s(c) - optimiser_s) / formula_s(c), 1, 1e-9) << stages << " stages";
  }
}

}  // namespace
}  // namespace weft
