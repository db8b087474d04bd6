#include "sim/simgrid/route_steps.h"

#include <set>
#include <tuple>

namespace weft {
namespace {

enum class Act : std::uint8_t { kEvent, kReroute, kMove };
using Due = std::tuple<SimTime, Act, std::uint32_t>;  // of an event

void AddFates(const std::vector<std::uint32_t>& qps, std::uint32_t FaultEffect::*field,
              const Routes& routes, RouteStep& step) {
  for (const std::uint32_t q : qps) step.fates.push_back({q, routes.broken_by(q), field});
}

// One instant is one step: SimGrid fires timers of one date in no stated order, and is not done
// with what the first of them cancels.
void Join(RouteStep&& step, RouteStep& last) {
  last.capacity_bps.insert(last.capacity_bps.end(), step.capacity_bps.begin(),
                           step.capacity_bps.end());
  last.fates.insert(last.fates.end(), step.fates.begin(), step.fates.end());
  last.ways = std::move(step.ways);
  last.broken = std::move(step.broken);
}

}  // namespace

std::vector<RouteStep> PlanRouteSteps(const SimulationInput& input, const Schedule& schedule,
                                      const PathTable& paths,
                                      const std::vector<std::uint8_t>& tight) {
  Routes routes(*input.fabric, paths, input.fault_policy.qps);
  routes.Grow(0);
  std::vector<RouteStep> out(1);
  out[0].ways = std::make_shared<Ways>(schedule, paths, tight);
  out[0].broken = std::make_shared<std::vector<RouteStep::Broken>>(paths.qps().size());
  std::set<Due> due;
  for (std::uint32_t e = 0; e < input.events.size(); ++e)
    due.emplace(input.events[e].at, Act::kEvent, e);
  while (!due.empty()) {
    const auto [at, act, event] = *due.begin();
    due.erase(due.begin());
    RouteStep step;
    step.at = at;
    const Routes::Change change = act == Act::kEvent     ? routes.Apply(input.events[event], event)
                                  : act == Act::kReroute ? routes.Reroute(event)
                                                         : routes.Move(event);
    for (const std::uint32_t q : change.touched)
      step.fates.push_back({q, event, &FaultEffect::crossing});
    AddFates(change.rerouted, &FaultEffect::rerouted, routes, step);
    AddFates(change.moved, &FaultEffect::moved, routes, step);
    AddFates(change.stalled, &FaultEffect::stalled, routes, step);
    for (const LinkId id : change.links) {
      const double share = routes.links().share(id);
      if (share > 0)
        step.capacity_bps.emplace_back(
            id, Capacity(input.fabric->link(id), input.physics, share).bits_per_second());
    }
    if (act == Act::kEvent && !change.broken.empty())
      due.emplace(at + input.fault_policy.detect, Act::kReroute, event);
    if (change.moving) due.emplace(at + input.fault_policy.move, Act::kMove, event);
    const bool other_ways = !change.broken.empty() || !change.rerouted.empty() ||
                            !change.moved.empty() || !change.restored.empty() ||
                            !change.stalled.empty();
    step.ways =
        other_ways ? std::make_shared<Ways>(schedule, paths, tight, &routes) : out.back().ways;
    if (other_ways) {
      std::vector<RouteStep::Broken> broken(paths.qps().size());
      for (std::uint32_t q = 0; q < broken.size(); ++q)
        if (!routes.up(q)) broken[q] = {routes.broken_by(q), routes.stalled(q)};
      step.broken = std::make_shared<std::vector<RouteStep::Broken>>(std::move(broken));
    } else {
      step.broken = out.back().broken;
    }
    if (out.size() > 1 && out.back().at == step.at)
      Join(std::move(step), out.back());
    else
      out.push_back(std::move(step));
  }
  return out;
}

}  // namespace weft
