// Tensor, context and expert collectives that leave their hosts, and what may hide them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/scenario/training_scenarios.h"

namespace weft {
namespace {

// Eight hosts, each rail a switch of its own: exchanges leave their hosts and meet nothing there.
constexpr const char* kExchanges = R"(
fabric: { family: rail_only, hosts: 8, host: { preset: hgx-h800, nic: 400Gbps, nic_ports: 1 } }
placement: { gpus: 64 }
workload:
  training:
    architecture: { layers: 8, hidden: 4096, heads: 32, key_value_heads: 8, vocabulary: 32000 }
    overlap: { data: false }
    global_batch: 64
    sequence: 8192
    ignore_memory: true
    what_if: false
)";

struct ExchangeCase {
  std::string name, parallel, more;
  double IterationReport::*exposed;
  bool hidden = false;  // all of it, without contention
};

std::vector<ExchangeCase> ExchangeCases() {
  const auto experts = [](const char* more) {
    return "architecture.moe={ experts: 64, top_k: 6, ffn: 1536, shared: 2" + std::string(more) +
           " }";
  };
  using I = IterationReport;
  return {
      {"experts on all hosts", "{ expert: 64 }", experts(""), &I::expert_s},
      {"on two, in stages", "{ expert: 16, pipeline: 2 }", experts(""), &I::expert_s},
      {"hosts a token", "{ expert: 32 }", experts(", nodes_per_token: 2"), &I::expert_s},
      {"tensor ranks, too", "{ tensor: 4, expert: 8, zero: 2 }", experts(""), &I::expert_s},
      {"beside shared experts", "{ expert: 64 }", "overlap={ shared_experts: true, data: false }",
       &I::expert_s},
      {"beside a layer", "{ expert: 16 }", "overlap={ expert: true, data: false }", &I::expert_s,
       true},
      {"context ranks", "{ tensor: 8, context: 8 }", "recompute=full", &I::context_s},
      {"two of a host", "{ tensor: 4, context: 8 }", "recompute=none", &I::context_s},
      {"two covers", "{ context: 16, expert: 64 }",
       "overlap={ context: true, shared_experts: true, data: false }", &I::expert_s},
      {"context and experts", "{ tensor: 4, context: 4, expert: 16 }", experts(""), &I::context_s},
      {"more context than experts", "{ tensor: 2, context: 32, expert: 16 }", experts(""),
       &I::expert_s},
      {"tensor ranks of two hosts", "{ tensor: 16 }", "overlap={ tensor: true, data: false }",
       &I::tensor_s},
      {"with ZeRO-3, interleaved", "{ expert: 16, pipeline: 2, virtual_stages: 2, zero: 3 }",
       experts(""), &I::expert_s}};
}

RunReport SimulateExchange(const ExchangeCase& one, std::vector<std::string> more) {
  more.push_back(Set("parallel", one.parallel));
  if (one.parallel.find("expert") != std::string::npos && one.more.find("moe") == std::string::npos)
    more.push_back(Set("architecture.moe", "{ experts: 64, top_k: 6, ffn: 1536, shared: 2 }"));
  more.push_back("workload.training." + one.more);
  return Simulate(kExchanges, more);
}

double NetworkBytes(const IterationReport& i, const std::string& group) {
  double sum = 0;
  for (const GroupBytes& one : i.bytes)
    if (one.group == group) sum += one.network;
  return sum;
}

// Alone in the network exchanges take what the closed form says, and send as many bytes.
TEST(Training, ExchangesAloneTakeWhatTheClosedFormSays) {
  for (const ExchangeCase& one : ExchangeCases()) {
    SCOPED_TRACE(one.name);
    const RunReport priced = SimulateExchange(one, {Set("contention", "false")});
    const RunReport met = SimulateExchange(one, {});
    ASSERT_TRUE(priced.iteration && met.iteration);
    const IterationReport &a = *priced.iteration, &b = *met.iteration;
    EXPECT_NEAR(b.time_s.median / a.time_s.median, 1, 2e-3);
    EXPECT_NEAR(b.*one.exposed, a.*one.exposed, 4e-3 * a.time_s.median);
    EXPECT_EQ(a.*one.exposed == 0, one.hidden);
    EXPECT_NEAR(Sum(b) / b.time_s.median, 1, 1e-12);
    EXPECT_NEAR(b.conservation, 0, 1e-6);
    EXPECT_EQ(a.estimate_s, b.estimate_s);
    EXPECT_NEAR(*a.overlap_efficiency, *b.overlap_efficiency, 0.02);
    for (const char* group : {"tensor", "context", "expert", "pipeline", "data"})
      EXPECT_NEAR(NetworkBytes(b, group), NetworkBytes(a, group), 1e-6 * NetworkBytes(a, group));
    EXPECT_THAT(priced.missing_terms, testing::Contains(testing::HasSubstr("cross the network")));
    EXPECT_THAT(met.missing_terms, testing::Contains(testing::HasSubstr("of single layers")));
  }
}

// One layer, rings over hosts: where steps are most of what an exchange takes, and it outlasts by
// far the work it may hide behind, overlap costs nothing either, and the closed form still holds.
TEST(Training, OverlapOverHostsNeverCosts) {
  for (const char* parallel : {"{ tensor: 8, context: 8 }", "{ context: 16 }", "{ context: 64 }",
                               "{ tensor: 2, context: 8 }", "{ tensor: 16 }", "{ tensor: 32 }"})
    for (const char* sequence : {"512", "2048", "8192"}) {
      SCOPED_TRACE(testing::Message() << parallel << ", " << sequence << " tokens");
      const auto run = [&](const char* overlap) {
        return *Simulate(kExchanges, {Set("architecture.layers", "1"), Set("parallel", parallel),
                                      Set("sequence", sequence), Set("overlap", overlap)})
                    .iteration;
      };
      const bool tensor = std::string_view(parallel).find("context") == std::string_view::npos;
      const IterationReport none = run("{ data: false }");
      const IterationReport some =
          run(tensor ? "{ tensor: true, data: false }" : "{ context: true, data: false }");
      EXPECT_LE(some.time_s.median, none.time_s.median * (1 + 1e-6));
      if (tensor) continue;
      EXPECT_NEAR(some.time_s.median / none.time_s.median, some.estimate_s / none.estimate_s, 4e-3);
      EXPECT_LT(some.context_s, none.context_s);
    }
}

// Two exchanges, each longer than the work it may hide behind: one behind the other, neither pays
// for its steps twice, and both hide more than either.
TEST(Training, TwoOverlapsOverHostsCostNoMoreThanOne) {
  constexpr const char* kMoe = "{ experts: 64, top_k: 6, ffn: 1536, shared: 2 }";
  for (const auto& [parallel, other] : {std::pair{"{ context: 64, expert: 16 }", "expert"},
                                        {"{ tensor: 32, context: 2 }", "tensor"}}) {
    SCOPED_TRACE(parallel);
    const bool moe = std::string_view(other) == "expert";
    const auto run = [&, cut = parallel](const std::string& overlap) {
      std::vector<std::string> sets{Set("architecture.layers", "1"), Set("sequence", "512"),
                                    Set("parallel", cut),
                                    Set("overlap", "{ data: false" + overlap + " }")};
      if (moe) sets.push_back(Set("architecture.moe", kMoe));
      return *Simulate(kExchanges, sets).iteration;
    };
    const std::string second = fmt::format(", {}: true", other);
    const double context_s = run(", context: true").time_s.median;
    const double other_s = run(second).time_s.median;
    const IterationReport both = run(", context: true" + second);
    EXPECT_LT(std::max(context_s, other_s), run("").time_s.median * (1 + 1e-6));
    EXPECT_LT(both.time_s.median, std::min(context_s, other_s));
    if (!moe) continue;  // rings of several hosts: the closed form is rougher
    EXPECT_NEAR(both.time_s.median / both.estimate_s, 1, 5e-3);
  }
}

// One exchange that ends with the work it hides behind, beside one that outlasts its own: neither
// waits for the other, for what hides the first hides some of the second too.
TEST(Training, OverlapsOfShortAndLongExchangesCostNoMoreThanOne) {
  const auto run = [](const char* overlap) {
    return *Simulate(kExchanges,
                     {"fabric.host.nic=25Gbps", Set("architecture.layers", "1"),
                      Set("architecture.key_value_heads", "1"), Set("sequence", "131072"),
                      Set("architecture.moe", "{ experts: 64, top_k: 32, ffn: 64, shared: 2 }"),
                      Set("parallel", "{ context: 16, expert: 16 }"), Set("overlap", overlap)})
                .iteration;
  };
  const double expert_s = run("{ data: false, expert: true }").time_s.median;
  const IterationReport both = run("{ data: false, context: true, expert: true }");
  EXPECT_LT(both.time_s.median, expert_s * (1 + 1e-6));
  EXPECT_NEAR(both.time_s.median / both.estimate_s, 1, 5e-3);
}

// A wait for an exchange is exposed in every repeat, though the next one begins in the instant in
// which it ends: one stage never waits for another, and a path without gaps is all of the time.
TEST(Training, NamesTheWaitForAnExchangeInEveryRepeat) {
  for (const char* batch : {"8", "64"}) {
    SCOPED_TRACE(batch);
    const RunReport report = Simulate(
        kExchanges, {Set("parallel", "{ tensor: 16, expert: 4 }"), Set("global_batch", batch),
                     Set("architecture.moe", "{ experts: 64, top_k: 6, ffn: 1536, shared: 2 }"),
                     Set("overlap", "{ data: false, tensor: true, expert: true }")});
    const IterationReport& i = *report.iteration;
    EXPECT_LT(i.bubble_s, 1e-3 * i.time_s.median);
    EXPECT_GT(i.tensor_s, 0.7 * i.time_s.median);
    EXPECT_NEAR(Sum(i) / i.time_s.median, 1, 1e-12);
    double on_path = 0;
    for (const CriticalStep& step : i.critical_path) on_path += step.end_s - step.start_s;
    EXPECT_NEAR(on_path / (i.split_of_s - i.skipped_s), 1, 1e-3);
  }
}

// Two leaves whose uplinks carry a half, a third of what stands below them: what crosses takes so
// much longer, and nothing else does.
TEST(Training, ExchangesMeetAnOversubscribedFabric) {
  const auto run = [](int uplinks, const char* contention) {
    std::string text = kExchanges;
    text.replace(0, text.find("placement"),
                 fmt::format("fabric: {{ family: leaf_spine, leaves: 2, hosts_per_leaf: 4, spines: "
                             "{}, link: 400Gbps, check_ports: false, host: {{ preset: hgx-h800, "
                             "nic: 400Gbps, nic_ports: 1 }} }}\nrouting: {{ policy: spray }}\n",
                             uplinks));
    return Simulate(text, {Set("architecture.moe", "{ experts: 64, top_k: 6, ffn: 1536 }"),
                           Set("parallel", "{ expert: 64 }"), Set("contention", contention)});
  };
  const RunReport priced = run(32, "false"), full = run(32, "true"), third = run(6, "true");
  const double alone = priced.iteration->expert_s;
  EXPECT_NEAR(full.iteration->expert_s / alone, 1, 0.02);
  // Of seven other hosts four are across: 32 NICs of 400G, each 4/7, over `uplinks` of them.
  EXPECT_NEAR(third.iteration->expert_s / alone, 32 * 4 / 7.0 / 6, 0.1);
  EXPECT_NEAR(third.iteration->compute_s / priced.iteration->compute_s, 1, 1e-9);
  EXPECT_EQ(run(6, "false").iteration->expert_s, alone);
}

// A dispatch is of eight replicas, of which the slowest need not be the first: its trace has it.
TEST(Training, TracesTheSlowestReplicasDispatch) {
  const Result<PreparedScenario> prepared =
      Try(kExchanges, {Set("architecture.moe", "{ experts: 64, top_k: 6, ffn: 1536 }"),
                       Set("parallel", "{ expert: 16 }"), Set("jitter", "2%")});
  ASSERT_TRUE(prepared.has_value());
  RunControl control = Patient();
  control.trace = true;
  const RunReport report = RunScenario(*prepared, control);
  std::set<std::string> replicas, exchanging;
  for (const TraceEvent& event : report.iteration->trace) {
    const std::string of = event.track.substr(0, event.track.find(" stage"));
    if (of.rfind("replica", 0) == 0) replicas.insert(of);
    if (event.track.find(" exchanges") != std::string::npos) exchanging.insert(of);
  }
  EXPECT_EQ(replicas.size(), 2u);
  EXPECT_EQ(exchanging, replicas);
}

}  // namespace
}  // namespace weft
