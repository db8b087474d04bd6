#include "sim/physics.h"

#include <gtest/gtest.h>

#include "sim/engines.h"
#include "sim/physics.pb.h"
#include "tests/sim/nets.h"

namespace weft {
namespace {

TEST(RoceEfficiency, Charges82BytesAPacket) {
  EXPECT_DOUBLE_EQ(RoceEfficiency(Bytes(4096)), 4096.0 / 4178);
  EXPECT_DOUBLE_EQ(RoceEfficiency(Bytes(1024)), 1024.0 / 1106);
}

TEST(MakePhysics, TakesTheMessageLiterallyAndRoceFromTheMtu) {
  PhysicsSpec spec;
  spec.set_nvlink_efficiency(0.824);
  spec.set_pcie_efficiency(0.9);
  spec.set_network_step(10'000'000);
  spec.set_launch(8'400'000);
  RdmaSpec rdma;
  rdma.set_mtu(4096);
  Physics physics = MakePhysics(spec, rdma);
  EXPECT_EQ(physics.efficiency, (std::array{0.824, 0.9, 4096.0 / 4178}));
  EXPECT_EQ(physics.step[2], SimDuration(10us));
  EXPECT_EQ(physics.launch, SimDuration(8400ns));
  EXPECT_EQ(physics.mtu, Bytes(4096));
  EXPECT_EQ(physics.channel_cap, BitRate());
  spec.set_roce_efficiency(0.5);
  spec.set_channel_cap(1e9);
  physics = MakePhysics(spec, rdma);
  EXPECT_EQ(physics.efficiency[2], 0.5);
  EXPECT_EQ(physics.channel_cap, GigabitsPerSecond(1));
}

TEST(MakePhysics, TakesWhatTheHostsBringWhereTheMessageIsSilent) {
  PhysicsSpec spec;
  RdmaSpec rdma;
  rdma.set_mtu(4096);
  EXPECT_DOUBLE_EQ(MakePhysics(spec, rdma).efficiency[0], 0.824);
  const Physics a100 = MakePhysics(spec, rdma, HostSpec::IB, 0.8);
  EXPECT_DOUBLE_EQ(a100.efficiency[0], 0.8);
  EXPECT_DOUBLE_EQ(a100.efficiency[2], 4096.0 / 4122);  // 8 + 12 + 4 + 2 bytes a packet
  spec.set_nvlink_efficiency(0.7);
  spec.set_roce_efficiency(0.5);
  spec.set_ib_efficiency(0.9);
  EXPECT_DOUBLE_EQ(MakePhysics(spec, rdma, HostSpec::IB, 0.8).efficiency[0], 0.7);
  EXPECT_DOUBLE_EQ(MakePhysics(spec, rdma, HostSpec::IB, 0.8).efficiency[2], 0.9);
  EXPECT_DOUBLE_EQ(MakePhysics(spec, rdma, HostSpec::ROCE).efficiency[2], 0.5);
}

TEST(MakeFaultPolicy, TakesTheMessageLiterally) {
  FaultPolicySpec spec;
  spec.set_detect(1);
  spec.set_move(2);
  spec.set_retry_timeout(3);
  spec.set_qps(FaultPolicySpec::STAY);
  const FaultPolicy policy = MakeFaultPolicy(spec);
  EXPECT_EQ(policy.detect, SimDuration(1));
  EXPECT_EQ(policy.move, SimDuration(2));
  EXPECT_EQ(policy.retry_timeout, SimDuration(3));
  EXPECT_EQ(policy.qps, FaultPolicy::Qps::kStay);
}

TEST(Engines, AreFoundByNameAndRun) {
  EXPECT_EQ(EngineNames(), "flow, analytic, simgrid");
  EXPECT_FALSE(FindEngine("packets").has_value());
  const Net net = Star(2, GigabitsPerSecond(100), 1us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], 1'000'000);
  for (const EngineInfo& engine : Engines()) {
    EXPECT_EQ(FindEngine(engine.name), engine.kind);
    EXPECT_EQ(EngineName(engine.kind), engine.name);
    const auto simulation = MakeSimulation(engine.kind, net.Input());
    simulation->Append(b.program);
    EXPECT_EQ(simulation->Run(kForever, kNoBudget), Simulation::Stop::kIdle);
    EXPECT_EQ(simulation->Finish().end, At(82us)) << engine.name;
  }
}

}  // namespace
}  // namespace weft
