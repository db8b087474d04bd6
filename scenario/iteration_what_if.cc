// The same iteration with something better.
#include <algorithm>

#include "scenario/iteration_rows_internal.h"

namespace weft {
namespace {

using Kind = TrainingRow::Kind;
using Ps = std::int64_t;

// The workload with what its closed forms say of collectives over NICs of twice the rate.
std::shared_ptr<const Workload> WithFasterNics(const Workload& workload) {
  auto out = std::make_shared<Workload>(workload);
  const TrainingProgram& training = *workload.training;
  NetRates net = training.net;
  net.nic_bytes_per_s *= 2;
  TrainingProgram twice = training;
  twice.cost = PriceTraining(training.training, training.gpu, net);
  for (std::size_t row = 0; row < out->program.ops.size(); ++row) {
    const TrainingRow& is = training.rows[row];
    if (is.kind != Kind::kForward && is.kind != Kind::kBackward) continue;
    const auto total = [&](const TrainingProgram& t) {
      const ChunkCost& cost = CostOfRow(t, is);
      const PassCost& pass = is.kind == Kind::kForward ? cost.forward : cost.backward;
      double sum = pass.total_s();
      for (const Exchange* one : {&pass.tensor, &pass.context, &pass.expert})
        if (IsSimulated(t.training, *one)) sum -= one->exposed_s;
      return sum;
    };
    Op& op = out->program.ops[row];
    op.amount =
        std::max<Ps>(0, op.amount + static_cast<Ps>((total(twice) - total(training)) * 1e12));
  }
  return out;
}

}  // namespace

std::vector<WhatIf> WhatIfs(const PreparedScenario& scenario) {
  constexpr std::size_t kNetwork = static_cast<std::size_t>(LinkClass::kNetwork);
  constexpr std::size_t kPcie = static_cast<std::size_t>(LinkClass::kPcie);
  std::vector<WhatIf> out;
  WhatIf faster{"twice the network's rate", scenario};
  faster.scenario.physics.efficiency[kNetwork] *= 2;
  faster.scenario.physics.efficiency[kPcie] *= 2;
  faster.scenario.workload = WithFasterNics(*scenario.workload);
  out.push_back(std::move(faster));
  if (scenario.router->policy().policy == PathPolicy::kEcmp) {
    WhatIf sprayed{"no hash collisions (spray)", scenario};
    RoutingPolicy policy = scenario.router->policy();
    policy.policy = PathPolicy::kSpray;
    sprayed.scenario.router = std::make_shared<const Router>(*scenario.fabric, policy);
    out.push_back(std::move(sprayed));
  }
  // Nothing is sent, and no compute pays for what runs beside it.
  WhatIf hidden{"all communication hidden", scenario};
  auto workload = std::make_shared<Workload>(*scenario.workload);
  const TrainingProgram& training = *workload->training;
  for (std::size_t row = 0; row < workload->program.ops.size(); ++row) {
    Op& op = workload->program.ops[row];
    if (op.kind == Op::Kind::kPattern) {
      op.kind = Op::Kind::kDelay;
      op.subject = op.tuning = 0;
      op.amount = 0;
    }
    if (op.kind != Op::Kind::kCompute) continue;
    op.amount = ComputeWithin(training, training.rows[row], op.amount);
  }
  hidden.scenario.workload = std::move(workload);
  out.push_back(std::move(hidden));
  return out;
}

}  // namespace weft
