// Faults in the flow engine, each time worked by hand. Ports are 100G.
#include <gtest/gtest.h>

#include "sim/flow/flow_simulation.h"
#include "tests/sim/nets.h"

namespace weft {
namespace {

constexpr BitRate k100G = GigabitsPerSecond(100);
constexpr std::int64_t kMB = 1'000'000;
using Stop = Simulation::Stop;

constexpr ElementState kDown{false, 1, Direction::kBoth}, kUp{};

struct Result {
  Stop stop{};
  std::vector<Completion> completions;
  Outcome outcome;
};

Result RunWith(const SimulationInput& input, const Program& program) {
  CheckProgram(program);
  FlowSimulation simulation(input);
  simulation.Append(program);
  Result result;
  result.stop = simulation.Run(kForever, kNoBudget);
  result.completions.assign(simulation.completions().begin(), simulation.completions().end());
  result.outcome = simulation.Finish();
  return result;
}

// 2 MB by 2 QPs, one a port: 200G, 80 us where nothing breaks. Port 0 of the
// sender is down from 20 us on, when 0.5 MB are through.
class DualPlane : public testing::Test {
 protected:
  DualPlane() {
    builder_.AddSend(net_.nic[0], net_.nic[1], 2 * kMB, {}, {}, 2);
    input_ = net_.Input();
    input_.fault_policy = {10us, 5us, {}, FaultPolicy::Qps::kMove};
    input_.events.push_back({At(20us), port_, kDown});
  }

  Net net_ = Star(2, k100G, 0us, 2);
  ElementId port_ = net_.Cable(net_.nic[0], net_.leaf[0]);
  Builder builder_;
  SimulationInput input_;
};

TEST_F(DualPlane, UsesBothPortsWhileAllIsUp) {
  input_.events.clear();
  EXPECT_EQ(RunWith(input_, builder_.program).outcome.end, At(80us));
}

// Halted until the repair; then 1.5 MB at 200G.
TEST_F(DualPlane, StayingQpsHaltTheirEdgeUntilRepair) {
  input_.fault_policy.qps = FaultPolicy::Qps::kStay;
  input_.events.push_back({At(1000us), port_, kUp});
  const Result result = RunWith(input_, builder_.program);
  EXPECT_EQ(result.stop, Stop::kIdle);
  EXPECT_EQ(result.outcome.end, At(1060us));
  EXPECT_EQ(result.outcome.faults[0].crossing, 1u);
  EXPECT_EQ(result.outcome.faults[0].stalled, 1u);
  EXPECT_EQ(result.outcome.faults[0].moved, 0u);
  EXPECT_EQ(result.outcome.faults[1].crossing, 1u);
}

// Moved at 20 + 10 + 5 us: both QPs on one port, 100G for 1.5 MB.
TEST_F(DualPlane, MovedQpsShareTheOtherPort) {
  const Result result = RunWith(input_, builder_.program);
  EXPECT_EQ(result.outcome.end, At(155us));
  EXPECT_EQ(result.outcome.faults[0].moved, 1u);
  EXPECT_EQ(result.outcome.faults[0].stalled, 0u);
  const auto bytes = [&](std::size_t plane) {
    return result.outcome.link_bytes[Index(net_.fabric->FindLink(net_.nic[0], net_.leaf[plane]))];
  };
  EXPECT_EQ(bytes(0), Bytes(kMB / 4));
  EXPECT_EQ(bytes(1), Bytes(kMB * 7 / 4));
}

// 40 us at 100G until the repair, then 1 MB at 200G.
TEST_F(DualPlane, MovedQpsComeBackAtRepair) {
  input_.events.push_back({At(75us), port_, kUp});
  EXPECT_EQ(RunWith(input_, builder_.program).outcome.end, At(115us));
}

// A repair before anybody has noticed: the QP goes on at once.
TEST_F(DualPlane, ARepairBeforeDetectionNeedsNoMove) {
  input_.events.push_back({At(25us), port_, kUp});
  const Result result = RunWith(input_, builder_.program);
  EXPECT_EQ(result.outcome.end, At(85us));
  EXPECT_EQ(result.outcome.faults[0].moved, 0u);
}

// Both ports down: nowhere to go. One comes back at 100 us: its own QP returns to
// it, the other is moved there. 1.5 MB at 100G.
TEST_F(DualPlane, AQpWithoutAnyPortMovesWhenOneIsRepaired) {
  const ElementId other = net_.Cable(net_.nic[0], net_.leaf[1]);
  input_.events.push_back({At(20us), other, kDown});
  input_.events.push_back({At(100us), other, kUp});
  const Result result = RunWith(input_, builder_.program);
  EXPECT_EQ(result.outcome.end, At(220us));
  EXPECT_EQ(result.outcome.faults[0].stalled + result.outcome.faults[1].stalled, 2u);
}

// A collective beside it, tight: a channel with one QP down halts whole.
TEST_F(DualPlane, AStayingQpHaltsItsCollective) {
  input_.fault_policy.qps = FaultPolicy::Qps::kStay;
  input_.events.push_back({At(1000us), port_, kUp});
  Builder b;
  b.AddPattern(Ring(net_.nic, 1, 2));
  b.AddRun(0, 2 * kMB);
  for (const Coupling coupling : {Coupling::kTight, Coupling::kLoose}) {
    input_.physics.coupling = coupling;
    EXPECT_EQ(RunWith(input_, b.program).outcome.end, At(1060us));
  }
}

// A leaf-spine gives another way after detection: 0.25 MB by 20 us, from 30 us on
// 0.75 MB at 100G.
TEST(Fault, TheNetworkReroutesInOnePlane) {
  const Net net = LeafSpine(2, 2, 1, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB);
  FlowSimulation probe(net.Input());
  probe.Append(b.program);
  const VertexId used = probe.UsersOf(net.fabric->FindLink(net.leaf[0], net.spine[0])).empty()
                            ? net.spine[1]
                            : net.spine[0];
  SimulationInput input = net.Input();
  input.fault_policy = {10us, 5us, 30us, FaultPolicy::Qps::kStay};
  input.events.push_back({At(20us), net.Cable(net.leaf[0], used), kDown});
  const Result result = RunWith(input, b.program);
  EXPECT_EQ(result.outcome.end, At(90us));
  EXPECT_EQ(result.outcome.faults[0].rerouted, 1u);
  EXPECT_EQ(result.outcome.faults[0].crossing, 1u);

  input.events[0].element = net.Cable(net.leaf[0], net.spine[used == net.spine[0] ? 1 : 0]);
  const Result other = RunWith(input, b.program);
  EXPECT_EQ(other.outcome.end, At(80us));
  EXPECT_EQ(other.outcome.faults[0].crossing, 0u);
}

// 0.25 MB by 20 us, the rest at 50G; healed at 60 us with 0.5 MB left.
TEST(Fault, ADegradedLinkKeepsItsShare) {
  const Net net = Star(2, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB);
  SimulationInput input = net.Input();
  const ElementId cable = net.Cable(net.nic[0], net.leaf[0]);
  input.events.push_back({At(20us), cable, {true, 0.5, Direction::kBoth}});
  EXPECT_EQ(RunWith(input, b.program).outcome.end, At(140us));
  input.events.push_back({At(60us), cable, kUp});
  const Result healed = RunWith(input, b.program);
  EXPECT_EQ(healed.outcome.end, At(100us));
  EXPECT_EQ(healed.outcome.faults[0].crossing, 1u);
  EXPECT_EQ(healed.outcome.faults[0].stalled, 0u);
}

TEST(Fault, AFlowWithoutAPathFailsAfterTheRetryTimeout) {
  const Net net = Star(3, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB, {0});
  b.AddCompute(1us, {0});
  b.AddCompute(1us, {1}, {{1, 0}});
  b.AddSend(net.nic[2], net.nic[1], kMB, {2});
  SimulationInput input = net.Input();
  input.fault_policy = {10us, 5us, 100us, FaultPolicy::Qps::kMove};
  input.events.push_back({At(20us), net.Cable(net.nic[0], net.leaf[0]), kDown});
  const Result result = RunWith(input, b.program);
  EXPECT_EQ(result.stop, Stop::kStarved);
  ASSERT_EQ(result.completions.size(), 2u);
  EXPECT_EQ(result.completions[0].row, RowId{3});
  EXPECT_EQ(result.completions[0].end, At(90us));  // 20 us at 50G, 0.875 MB alone
  EXPECT_EQ(result.completions[1].status, Completion::Status::kFailed);
  EXPECT_EQ(result.completions[1].end, At(120us));
  EXPECT_EQ(result.outcome.faults[0].failed, 1u);
  ASSERT_EQ(result.outcome.waiting.size(), 2u);
  EXPECT_EQ(result.outcome.waiting[0].row, RowId{1});
  EXPECT_EQ(result.outcome.waiting[0].for_row, RowId{0});
  EXPECT_EQ(result.outcome.waiting[1].row, RowId{2});
  EXPECT_EQ(result.outcome.waiting[1].for_row, RowId{1});
}

// A repair in between starts the count anew; without a timeout it waits for ever.
TEST(Fault, TheRetryTimeoutCountsFromTheLastStall) {
  const Net net = Star(2, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB);
  SimulationInput input = net.Input();
  input.fault_policy = {10us, 5us, 100us, FaultPolicy::Qps::kMove};
  const ElementId cable = net.Cable(net.nic[0], net.leaf[0]);
  input.events = {{At(20us), cable, kDown}, {At(110us), cable, kUp}, {At(120us), cable, kDown}};
  Result result = RunWith(input, b.program);
  ASSERT_EQ(result.completions.size(), 1u);
  EXPECT_EQ(result.completions[0].status, Completion::Status::kFailed);
  EXPECT_EQ(result.completions[0].end, At(220us));

  input.fault_policy.retry_timeout = {};
  result = RunWith(input, b.program);
  EXPECT_EQ(result.stop, Stop::kStarved);
  ASSERT_EQ(result.outcome.waiting.size(), 1u);
  EXPECT_EQ(result.outcome.waiting[0].for_row, kNoRow);
}

// What starts while its path is down goes through the same steps.
TEST(Fault, AFlowThatStartsOnADetourUsesIt) {
  const Net net = Star(2, k100G, 0us, 2);
  Builder b;
  b.AddCompute(50us, {0});
  b.AddSend(net.nic[0], net.nic[1], 2 * kMB, {0}, {}, 2);
  SimulationInput input = net.Input();
  input.fault_policy = {10us, 5us, {}, FaultPolicy::Qps::kMove};
  input.events.push_back({At(20us), net.Cable(net.nic[0], net.leaf[0]), kDown});
  const Result result = RunWith(input, b.program);
  EXPECT_EQ(result.outcome.end, At(50us + 160us));
  EXPECT_EQ(result.outcome.faults[0].crossing, 0u);  // nothing was in flight
  EXPECT_EQ(result.outcome.faults[0].moved, 0u);
}

// Nothing was in flight when the cable went; what begins after that waits for it all the same.
TEST(Fault, CountsWhatBeginsWithoutAPathAsHitAndStalled) {
  const Net net = Star(2, k100G, 0us);
  const ElementId cable = net.Cable(net.nic[0], net.leaf[0]);
  for (const SimDuration down : {0us, 20us, 45us}) {  // before the send begins at 50 us
    Builder b;
    b.AddCompute(50us, {0});
    b.AddSend(net.nic[0], net.nic[1], kMB, {0}, {}, 2);
    SimulationInput input = net.Input();
    input.fault_policy = {10us, 5us, {}, FaultPolicy::Qps::kMove};
    input.events = {{At(down), cable, kDown}, {At(100us), cable, kUp}};
    const Result result = RunWith(input, b.program);
    EXPECT_EQ(result.outcome.end, At(180us));
    EXPECT_EQ(result.outcome.faults[0].crossing, 2u);
    EXPECT_EQ(result.outcome.faults[0].stalled, 2u);
    EXPECT_EQ(result.outcome.faults[1].crossing, 2u);
  }
}

// More edges than are bound between two looks: the third look ends it.
TEST(Append, EndsWhereTheCallerWaitsNoLonger) {
  const Net net = Star(2, k100G, 0us);
  Builder b;
  for (int i = 0; i < 20'000; ++i) b.AddSend(net.nic[0], net.nic[1], kMB);
  SimulationInput input = net.Input();
  int asked = 0;
  input.stop = [&asked] { return ++asked == 3; };
  FlowSimulation simulation(input);
  simulation.Append(b.program);
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace weft
