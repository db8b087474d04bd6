// At which value of an input another plan is first.
#include <fmt/format.h>

#include <cmath>

#include "planner/decide.h"
#include "planner/plan.h"
#include "tests/planner/questions.h"

namespace weft {
namespace {

// A flip's value is where the first changes: just before it does not, just beyond it does.
TEST(FindFlips, ChangesTheFirstAtItsValue) {
  const Question question = Ask(std::string(kSmall) + "decide: { draws: 100 }\n");
  std::vector<Candidate> all = Screened(question);
  std::vector<Contender> contenders;
  for (const Candidate& one : all)
    if (one.feasible() && contenders.size() < 6)
      contenders.push_back(
          {&one, {}, false, {ExpectedFailures(one.components, question.rates, Seconds(14'400))}});
  const Decision decision(question, contenders, {{}});
  const std::size_t now = decision.Best(0, Inputs{});
  for (const Decision::Flip& flip : decision.FindFlips(0)) {
    if (flip.input.rfind("price of ", 0) != 0) continue;
    Inputs inputs;
    inputs.price_of = flip.input.substr(9);
    inputs.price = flip.value / flip.now;
    EXPECT_NE(decision.Best(0, inputs), now) << flip.input;
    inputs.price = std::pow(flip.value / flip.now, 0.99);
    EXPECT_EQ(decision.Best(0, inputs), now) << flip.input;
  }
}

// Planned anew with the job as the flip says, the other is first; 15 % nearer it is not yet.
TEST(MakePlan, FindsTheJobAtWhichAnotherIsFirst) {
  const auto ask = [](double bytes, int runs) {
    return Ask(fmt::format(
        "need: {{ gpus: 256 }}\nparts: {{ accelerators: [h100], switches: [25.6T], nic_ports: [1], "
        "oversubscription: [1, 7], families: [fat_tree, rail_optimized] }}\npolicy: {{ min_spines: "
        "2 }}\njobs: [{{ gpus: 64, collective: {{ op: all_to_all, bytes: {:.0f}B }}, exposed: 10% "
        "}}]\ndecide: {{ draws: 100, seeds: 1, finalists: 20, workload_runs: {} }}\n",
        bytes, runs));
  };
  constexpr double kMiB = 1 << 20, kNow = 8;
  const auto report = MakePlan(ask(kNow * kMiB, 20), {});
  ASSERT_TRUE(report && report->best);
  EXPECT_NE(report->workload_note, "");
  int tried = 0;
  for (const PlanFlip& flip : report->flips) {
    if (flip.source.rfind("the question, simulated again", 0) != 0) continue;
    ++tried;
    EXPECT_EQ(flip.input, "bytes of all_to_all on 64 GPUs");
    EXPECT_EQ(MakePlan(ask(flip.value * kMiB, 0), {})->best, flip.then);
    const double nearer = kNow + (flip.value - kNow) * 0.85;
    EXPECT_EQ(MakePlan(ask(nearer * kMiB, 0), {})->best, report->best) << nearer;
  }
  EXPECT_GE(tried, 1);
  EXPECT_EQ(MakePlan(ask(kNow * kMiB, 0), {})->workload_note, "");
}

// Between accelerators likewise: beyond the value the first is of another one.
TEST(FindAcceleratorFlips, ChangesTheAcceleratorAtItsValue) {
  const Question question =
      Ask("need: { compute: 200PFLOPS, basis: dense }\nparts: { accelerators: [h100, h800], "
          "switches: [51.2T], nic_ports: [1], families: [rail_optimized, fat_tree] }\n"
          "policy: { min_spines: 1 }\ndecide: { draws: 100 }\n");
  std::vector<Candidate> all = Screened(question);
  std::vector<Contender> contenders;
  for (const Candidate& one : all)
    if (one.feasible())
      contenders.push_back(
          {&one, {}, false, {ExpectedFailures(one.components, question.rates, Seconds(14'400))}});
  const Decision decision(question, contenders, {{}, {}});
  const auto accelerator = [&](const Inputs& inputs) {
    return decision.contenders()[decision.First(inputs)].candidate->accelerator;
  };
  const std::uint32_t now = accelerator(Inputs{});
  int tried = 0;
  for (const Decision::Flip& flip : decision.FindAcceleratorFlips()) {
    Inputs inputs;
    double* factor = &inputs.compute;
    if (flip.input.rfind("price of ", 0) == 0) {
      inputs.price_of = flip.input.substr(9);
      factor = &inputs.price;
    } else if (flip.input.rfind("compute of ", 0) == 0) {
      inputs.compute_of = flip.input.substr(11) == "h100" ? 0 : 1;
    } else {
      continue;
    }
    ++tried;
    *factor = flip.value / flip.now;
    EXPECT_NE(accelerator(inputs), now) << flip.input;
    *factor = std::pow(flip.value / flip.now, 0.98);
    EXPECT_EQ(accelerator(inputs), now) << flip.input;
  }
  EXPECT_GE(tried, 2);  // the compute of each at least
}

}  // namespace
}  // namespace weft
