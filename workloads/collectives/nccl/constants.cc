#include "workloads/collectives/nccl/constants.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace weft {
namespace {

using Unit = CollectiveParameter::Unit;

// A constant of every class of a kind. Sources: [NCCL] names a file of 2.28.9; [AIC] means read
// off these public tables of one host as a round figure for the whole generation, [OCI-NCCL] and
// [NCCL-ISSUES] likewise. None is fitted.
template <std::size_t kClasses>
struct Row {
  const char* constant;
  Unit unit;
  std::array<double, kClasses> prior;
  double log_sigma, low, high;
  const char* source;
  const char* doc;
};

constexpr auto kUs = Unit::kMicroseconds;
constexpr auto kRate = Unit::kGigabytesPerSecond;
constexpr auto kRatio = Unit::kRatio;

constexpr std::array<const char*, 4> kGenerations = {"volta", "ampere", "hopper", "blackwell"};
constexpr std::array<Row<4>, kGpuConstants> kGpuRows = {{
    {"launch",
     kUs,
     {6.6, 8, 4.5, 7},
     0.4,
     1,
     60,
     "all-gather of 512 B over two GPUs, less a step [AIC]; Volta: src/graph/tuning.cc [NCCL]",
     "an operation at its smallest, back to back"},
    {"ll_hop",
     kUs,
     {1, 1, 0.8, 1.35},
     0.3,
     0.2,
     10,
     "2, 4 and 8 GPUs at 512 B [AIC]; NCCL assumes 0.6",
     "a step over NVLink with LL"},
    {"ll128_hop",
     kUs,
     {2.5, 2.5, 2.2, 2.5},
     0.4,
     0.5,
     20,
     "src/graph/tuning.cc says 1.9 [NCCL]; 4 and 8 GPUs at 8 MiB [AIC]",
     "a step over NVLink with LL128"},
    {"simple_hop",
     kUs,
     {5, 7, 7, 7},
     0.4,
     1,
     40,
     "src/graph/tuning.cc says 3.4 [NCCL]; 2, 4 and 8 GPUs at 8 MiB [AIC]",
     "a step over NVLink with Simple"},
    {"ll128_start",
     kUs,
     {6, 6, 4, 7},
     0.5,
     0.5,
     40,
     "src/graph/tuning.cc says 7.4 [NCCL]; [AIC]",
     "once an operation, more than with LL"},
    {"simple_start",
     kUs,
     {8, 10, 8, 10},
     0.5,
     0.5,
     60,
     "all-gather of 8 MiB over two GPUs [AIC]; NCCL assumes 1.8",
     "once an operation, more than with LL"},
    {"slice",
     kUs,
     {1, 1, 1, 1},
     0.4,
     0.1,
     5,
     "all-gather of 32 MiB over 2 to 8 GPUs [AIC]",
     "each slice that a Simple channel passes on"},
    {"nvlink_efficiency",
     kRatio,
     {0.8, 0.8, 0.824, 0.802},
     0.05,
     0.5,
     0.98,
     "20, 20.6 and 40.1 GB/s a link, src/graph/topo.h [NCCL]",
     "payload of rings with Simple over NVLink's line rate"},
    {"ll_efficiency",
     kRatio,
     {0.5, 0.5, 0.45, 0.38},
     0.2,
     0.1,
     0.6,
     "0.5 on the wire; capped at 141 and 282 GB/s in src/graph/tuning.cc [NCCL]; [AIC]",
     "payload of LL over Simple's"},
    {"ll128_efficiency",
     kRatio,
     {0.92, 0.7, 0.9, 0.75},
     0.15,
     0.3,
     1,
     "0.92 in src/graph/tuning.cc [NCCL]; 8 GPUs at 8 MiB [AIC]",
     "payload of LL128 over Simple's"},
    {"channel",
     kRate,
     {20, 22, 34, 50},
     0.3,
     3,
     200,
     "assumption: twice a channel's share of NVLink",
     "what one channel moves alone with Simple"},
    {"copy",
     kRate,
     {240, 480, 930, 1280},
     0.3,
     50,
     8000,
     "all-gather over two GPUs against eight at 512 MiB [AIC]; Volta: as Ampere, by NVLink",
     "the copy of a rank's own block, out of place"},
    {"tree_efficiency",
     kRatio,
     {0.8, 0.8, 0.8, 0.8},
     0.15,
     0.3,
     1,
     "2 x 8 A100 with 16 NICs at 8 GiB [OCI-NCCL]; NCCL assumes 0.92",
     "a tree's rate over a ring's on the same links"},
    {"nvls_efficiency",
     kRatio,
     {0.685, 0.685, 0.685, 0.6},
     0.1,
     0.3,
     0.95,
     "busbw of 480 on eight H100 [NCCL-ISSUES nccl-tests#212]; B200 at 8 GiB [ML-ENG]",
     "payload of NVLS over NVLink's line rate"},
    {"nvls_start",
     kUs,
     {22, 22, 22, 28},
     0.4,
     3,
     200,
     "all-reduce of 2 MiB over eight GPUs [AIC]; NCCL assumes 25",
     "an operation by NVLS"},
    {"nvls_loop",
     kUs,
     {2, 2, 2, 2},
     0.5,
     0.1,
     20,
     "all-reduce of 16 MiB over eight GPUs [AIC]",
     "each round of NVLS over its heads"},
    {"nvls_across",
     kRatio,
     {0.92, 0.92, 0.92, 0.92},
     0.1,
     0.4,
     1,
     "250 of 275 GB/s on 2 x 8 H100 [NCCL-ISSUES nccl-tests#309]",
     "the rate of NVLSTree inside a host over that of NVLS"},
    {"send_start",
     kUs,
     {4, 4, 2, 3.5},
     0.5,
     0.3,
     60,
     "all-to-all of 2 KiB [AIC]",
     "a group of sends"},
    {"send_simple_start",
     kUs,
     {8, 8, 3, 3},
     0.5,
     0.3,
     60,
     "all-to-all of 64 KiB to 8 MiB over 2 to 8 GPUs, by the smallest with Simple [AIC]",
     "a group of sends, more than with LL"},
    {"send_efficiency",
     kRatio,
     {0.8, 0.7, 0.79, 0.66},
     0.1,
     0.3,
     0.98,
     "all-to-all of 512 MiB over eight GPUs [AIC]; Hopper: of 16 GiB, and send/recv [XXRJUN]; "
     "Volta: as rings",
     "payload of sends over NVLink's line rate"},
    {"send_link_channel",
     kRate,
     {10.6, 10.6, 19, 20},
     0.3,
     2,
     100,
     "all-to-all of 256 and 512 MiB over two GPUs, 16 channels [AIC]; Volta: as Ampere",
     "what one channel of a send moves over NVLink"},
    {"send_ll",
     kRate,
     {36, 72, 115, 130},
     0.3,
     5,
     400,
     "all-to-all of 1 to 4 MiB over eight GPUs [AIC]; Volta: as Ampere, by NVLink",
     "what all sends of a GPU move over NVLink with LL"},
    {"tree_simple_hop",
     kUs,
     {4, 4, 4, 4},
     0.4,
     0.5,
     40,
     "src/graph/tuning.cc [NCCL]",
     "a tree's step over NVLink with Simple"},
}};

constexpr std::array<Row<1>, kPcieConstants> kPcieRows = {{
    {"ll_hop", kUs, {1}, 0.5, 0.2, 20, "src/graph/tuning.cc [NCCL]", "a step over PCIe with LL"},
    {"ll128_hop",
     kUs,
     {2.5},
     0.5,
     0.5,
     40,
     "src/graph/tuning.cc [NCCL]",
     "a step over PCIe with LL128"},
    {"simple_hop",
     kUs,
     {5.7},
     0.5,
     1,
     80,
     "src/graph/tuning.cc [NCCL]",
     "a step over PCIe with Simple"},
    {"efficiency",
     kRatio,
     {0.762},
     0.15,
     0.2,
     0.98,
     "24 of 31.5 GB/s, src/graph/topo.h [NCCL]",
     "payload over PCIe's rate after line coding"},
}};

// EFA, NICs of 100 Gb/s. Two hosts of eight B200, of 400, take 51 to 55 us for 8 bytes: less launch
// and steps over NVLink 12.5 a step between hosts; the plugin has 35 us for these and 75 for the
// others.
constexpr double kEfaHop = 27;
constexpr std::array<const char*, 4> kTransports = {"roce", "ib", "efa", "slingshot"};
constexpr std::array<Row<4>, kNetConstants> kNetRows = {{
    {"ll_hop",
     kUs,
     {2.7, 2.7, kEfaHop, 20},
     0.5,
     0.5,
     400,
     "src/graph/tuning.cc [NCCL]; EFA: two hosts of eight B200 at 8 B [DSTACK #3961], by NIC as "
     "src/platform-aws.c has it [AWS-OFI]; Slingshot: assumption",
     "a ring's step between hosts with LL"},
    {"ll128_hop",
     kUs,
     {4, 4, kEfaHop, 20},
     0.5,
     0.5,
     400,
     "as ll_hop",
     "a ring's step between hosts with LL128"},
    {"simple_hop",
     kUs,
     {14, 14, kEfaHop, 40},
     0.5,
     1,
     400,
     "as ll_hop; EFA: with flush two hosts of eight A100 at 8 B [DSTACK #3865]",
     "a step between hosts, Simple"},
    {"tree_ll_hop",
     kUs,
     {5, 5, kEfaHop, 20},
     0.5,
     0.5,
     400,
     "as ll_hop",
     "a tree's step between hosts with LL"},
    {"tree_ll128_hop",
     kUs,
     {8.5, 8.5, kEfaHop, 20},
     0.5,
     0.5,
     400,
     "as ll_hop",
     "a tree's step between hosts with LL128"},
    {"efficiency",
     kRatio,
     {0.96, 0.96, 0.96, 0.9},
     0.07,
     0.2,
     0.995,
     "24 of 25 GB/s a NIC [NCCL-ISSUES nccl-tests#119, #290]; EFA: 94.8 by its own test and 97.4 "
     "Gb/s of 100, written from a GPU [CHEN24 parts 3, 7]; Slingshot: assumption",
     "payload over the NICs' line rate"},
    {"send_efficiency",
     kRatio,
     {0.9, 0.9, 0.9, 0.9},
     0.1,
     0.2,
     0.995,
     "assumption: 45 of 50 GB/s",
     "the same of all-to-all and send/recv"},
    {"send_channel",
     kRate,
     {13, 13, 13, 13},
     0.3,
     2,
     100,
     "assumption: a channel's 128 KiB chunks, one in flight, in 10 us",
     "what one channel of a send moves over the network"},
    {"through_cpu",
     kRatio,
     {0.85, 0.85, 0.85, 0.85},
     0.15,
     0.3,
     1,
     "assumption: peers behind one host bridge lose some of the rate",
     "of both efficiencies, where a GPU's way to its NIC goes through the CPU's host bridge"},
    {"flush",
     kUs,
     {2.7, 2.7, kEfaHop, 20},
     0.5,
     0.1,
     400,
     "as ll_hop, a way through the NIC; NCCL adds its plugin's latency once more, "
     "src/graph/tuning.cc [NCCL]",
     "a read back through the NIC, which a step with Simple waits for where the GPU needs it"},
}};
constexpr std::array<Row<1>, 1> kTwoSidedRows = {{
    {"two_sided",
     kRatio,
     {1},
     0.15,
     0.3,
     1,
     "assumption: a message that is sent loses nothing over one that is written",
     "of both efficiencies, where NICs do not write and the plugin sends"},
}};
constexpr std::array<Row<1>, 1> kEagerRows = {{
    {"eager_hop",
     kUs,
     {5},
     0.5,
     0.5,
     100,
     "a tree's LL over InfiniBand, which asks nobody either, src/graph/tuning.cc [NCCL]",
     "a step between hosts with a message of up to 4 KiB, which goes without a rendezvous"},
}};

template <std::size_t kClasses, std::size_t kRows>
void AddClass(const std::array<const char*, kClasses>& classes,
              const std::array<Row<kClasses>, kRows>& rows, std::size_t c,
              std::vector<CollectiveParameter>& out) {
  for (const Row<kClasses>& row : rows)
    out.push_back({std::string(classes[c]).append(".").append(row.constant), row.unit, row.prior[c],
                   row.log_sigma, row.low, row.high, row.source, row.doc});
}

std::vector<CollectiveParameter> MakeParameters() {
  std::vector<CollectiveParameter> out;
  for (std::size_t g = 0; g < kGenerations.size(); ++g) AddClass(kGenerations, kGpuRows, g, out);
  AddClass<1>({"pcie"}, kPcieRows, 0, out);
  for (std::size_t t = 0; t < kTransports.size(); ++t) {
    AddClass(kTransports, kNetRows, t, out);
    if (t == HostSpec::EFA) AddClass<1>({kTransports[t]}, kTwoSidedRows, 0, out);
    if (t == HostSpec::SLINGSHOT) AddClass<1>({kTransports[t]}, kEagerRows, 0, out);
  }
  for (const CollectiveParameter& row : out)
    WEFT_CHECK(row.low <= row.prior && row.prior <= row.high);
  return out;
}

}  // namespace

const std::vector<CollectiveParameter>& CollectiveParameters() {
  static const std::vector<CollectiveParameter> parameters = MakeParameters();
  return parameters;
}

std::size_t FirstRow(GpuGeneration generation) {
  return static_cast<std::size_t>(generation) * kGpuConstants;
}

std::size_t FirstPcieRow() { return kGpuGenerations * kGpuConstants; }

std::size_t FirstRow(HostSpec::Transport transport) {
  static_assert(HostSpec::ROCE == 0 && HostSpec::IB == 1 && HostSpec::EFA == 2 &&
                HostSpec::SLINGSHOT == 3);
  std::size_t row = FirstPcieRow() + kPcieConstants;
  for (int t = 0; t < transport; ++t) row += NetRows(static_cast<HostSpec::Transport>(t));
  return row;
}

std::size_t NetRows(HostSpec::Transport transport) {
  if (transport == HostSpec::EFA) return kNetConstants + kTwoSidedRows.size();
  return kNetConstants + (transport == HostSpec::SLINGSHOT ? kEagerRows.size() : 0);
}

Bytes EagerLimit(HostSpec::Transport transport) {
  // What goes with the header, and the least that a receiver fetches [LIBFABRIC-CXI].
  constexpr Bytes kThreshold{2048}, kLeastGet{2049};
  return transport == HostSpec::SLINGSHOT ? kThreshold + kLeastGet : Bytes{0};
}

std::size_t FindCollectiveParameter(std::string_view name) {
  const std::vector<CollectiveParameter>& all = CollectiveParameters();
  const auto at = std::find_if(all.begin(), all.end(),
                               [&](const CollectiveParameter& row) { return row.name == name; });
  return static_cast<std::size_t>(at - all.begin());
}

CollectiveConstants::CollectiveConstants() {
  values.reserve(CollectiveParameters().size());
  for (const CollectiveParameter& row : CollectiveParameters()) values.push_back(row.prior);
}

}  // namespace weft
