#include "sim/physics.h"

#include "sim/physics.pb.h"

namespace weft {

double RoceEfficiency(Bytes mtu) {
  // What a packet carries beside its payload: Ethernet's preamble, header, frame
  // check and gap [IEEE802.3 §3.1], then IPv4, UDP, the base transport header and
  // the invariant checksum [IBTA-RoCEv2].
  constexpr int kPreamble = 8, kEthernet = 14 + 4, kGap = 12;
  constexpr int kIp = 20, kUdp = 8, kBth = 12, kIcrc = 4;
  constexpr int kHeaders = kPreamble + kEthernet + kGap + kIp + kUdp + kBth + kIcrc;
  static_assert(kHeaders == 82);
  const auto payload = static_cast<double>(mtu.count());
  return payload / (payload + kHeaders);
}

double InfinibandEfficiency(Bytes mtu) {
  // Local route header, base transport header, invariant and variant checksums
  // [IBTA-IB §5.2]; a link's rate is its data rate, after line coding.
  constexpr int kLrh = 8, kBth = 12, kIcrc = 4, kVcrc = 2;
  constexpr int kHeaders = kLrh + kBth + kIcrc + kVcrc;
  static_assert(kHeaders == 26);
  const auto payload = static_cast<double>(mtu.count());
  return payload / (payload + kHeaders);
}

Physics MakePhysics(const PhysicsSpec& spec, const RdmaSpec& rdma, HostSpec::Transport transport,
                    std::optional<double> gpu_nvlink_efficiency) {
  // NCCL's own model of NVLink 4; cited in physics.proto.
  constexpr double kNvlinkEfficiency = 0.824;
  Physics physics;
  physics.mtu = Bytes(rdma.mtu());
  const auto set = [&](LinkClass link_class, double efficiency, std::int64_t step) {
    physics.efficiency[static_cast<std::size_t>(link_class)] = efficiency;
    physics.step[static_cast<std::size_t>(link_class)] = SimDuration(step);
  };
  set(LinkClass::kNvlink,
      spec.has_nvlink_efficiency() ? spec.nvlink_efficiency()
                                   : gpu_nvlink_efficiency.value_or(kNvlinkEfficiency),
      spec.nvlink_step());
  set(LinkClass::kPcie, spec.pcie_efficiency(), 0);  // no edge ends at a PCIe link
  double network =
      spec.has_roce_efficiency() ? spec.roce_efficiency() : RoceEfficiency(physics.mtu);
  if (transport == HostSpec::IB)
    network = spec.has_ib_efficiency() ? spec.ib_efficiency() : InfinibandEfficiency(physics.mtu);
  set(LinkClass::kNetwork, network, spec.network_step());
  physics.launch = SimDuration(spec.launch());
  if (spec.has_channel_cap()) physics.channel_cap = BitRate::BitsPerSecond(spec.channel_cap());
  return physics;
}

FaultPolicy MakeFaultPolicy(const FaultPolicySpec& spec) {
  FaultPolicy policy;
  policy.detect = SimDuration(spec.detect());
  policy.move = SimDuration(spec.move());
  policy.retry_timeout = SimDuration(spec.retry_timeout());
  policy.qps =
      spec.qps() == FaultPolicySpec::STAY ? FaultPolicy::Qps::kStay : FaultPolicy::Qps::kMove;
  return policy;
}

}  // namespace weft
