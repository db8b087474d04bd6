#include "scenario/silent_keys.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/base/test_file.h"

namespace weft {
namespace {

constexpr const char* kLeafSpine =
    "fabric: { family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps }\n";
constexpr const char* kTraffic = "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n";
constexpr const char* kRing = "workload: { collective: { op: all_reduce, bytes: 1MiB } }\n";
constexpr const char* kTraining =
    "placement: { gpus: 16 }\nworkload: { training: { architecture: { layers: 4, hidden: 4096, "
    "heads: 32, vocabulary: 32000 }, parallel: { tensor: 8, data: 2 }, global_batch: 4, "
    "sequence: 2048 } }\n";
constexpr const char* kPod = "fabric: { preset: hpn, segments: 1, hosts: 2 }\n";

std::vector<std::string> WarningsOf(const std::string& text) {
  SourceTexts texts;
  FabricCache cache;
  auto spec = ParseScenario(text, "s.yaml", {}, &texts);
  EXPECT_TRUE(spec) << text << spec.error().front();
  if (!spec) return {};
  const auto prepared = Prepare(*std::move(spec), cache);
  EXPECT_TRUE(prepared) << text << prepared.error().front();
  if (!prepared) return {};
  std::vector<std::string> messages;
  for (const Error& warning : prepared->warnings)
    if (warning.message.find("was not fitted to") == std::string::npos)  // no key's
      messages.push_back(warning.message);
  return messages;
}

// A table of two ranks.
std::string RanksFile() {
  const std::string path = TestFile("silent_ranks.csv");
  std::ofstream(path) << "host1\nhost0\n";
  return path;
}

std::string RanksFrom(const char* key) {
  return kLeafSpine + std::string(kTraffic) + "placement: { " + key + ", file: " + RanksFile() +
         " }\n";
}

auto With(const std::string& keys) {
  return [keys](const std::string& key) {
    return "fabric: { " + keys + ", " + key + " }\n" + kTraffic;
  };
}

// A scenario for each row of the table, in its order, that warns of it and of nothing else.
std::vector<std::string> ScenarioOfEachRow() {
  const std::string leaf_spine = kLeafSpine, pod = kPod;
  const std::string host = ", host: { preset: hgx-h800, nic_ports: 1 }";
  const auto rails = With("family: rail_optimized, hosts_per_unit: 2" + host);
  const auto rail_only = With("family: rail_only, hosts: 2" + host);
  const auto tree = With("family: fat_tree, endpoints: 4, link: 100Gbps");
  return {
      leaf_spine + kTraffic + "cabling: { hosts_per_rack: 4 }\n",
      "fabric: { family: custom, hosts: [{ count: 2, host: { gpus: 1, nics: 1 } }], switches: "
      "[{ name: leaf0 }], cables: [{ from: 'host*/nic0', to: leaf0 }] }\nhost: { gpus: 1 }\n" +
          std::string(kTraffic),
      leaf_spine + kTraffic + "fault_policy: { qps: stay }\n",
      leaf_spine + kRing + "engine: analytic\ncoupling: loose\n",
      leaf_spine + kTraffic + "coupling: loose\n",
      leaf_spine + "workload: { collective: { op: send_recv, bytes: 1MiB } }\ncoupling: loose\n",
      leaf_spine + kTraffic + "placement: { hosts: [host1, host0], policy: random }\n",
      leaf_spine + kTraffic + "placement: { hosts: [host1, host0], skip: 1 }\n",
      leaf_spine + kTraffic + "placement: { hosts: [host1, host0], seed: 9 }\n",
      leaf_spine + kTraffic + "placement: { seed: 9 }\n",
      RanksFrom("policy: random"),
      RanksFrom("skip: 1"),
      RanksFrom("seed: 9"),
      RanksFrom("order: shuffled"),
      pod +
          "workload: { collective: { op: all_reduce, bytes: 1MiB, group: per_host } }\n"
          "rdma: { qps: 4 }\n",
      leaf_spine + kTraffic + "routing: { host_port: hash }\n",
      leaf_spine + kTraffic + "routing: { policy: static, hash: crc32 }\n",
      leaf_spine + kTraffic + "routing: { policy: adaptive, udp_port: sequential }\n",
      leaf_spine + kTraffic + "routing: { policy: static, seed: 9 }\n",
      leaf_spine + kTraffic + "routing: { policy: static, seeds: 2 }\n",
      leaf_spine + kTraffic + "routing: { policy: adaptive, seed_scope: same }\n",
      "fabric: { preset: hpn, pods: 2, segments: 1, hosts: 1 }\n" + std::string(kRing) +
          "routing: { policy: adaptive, core_hash: five_tuple }\n",
      pod + kRing + "routing: { core_hash: five_tuple }\n",
      leaf_spine + kTraffic + "routing: { spray_paths: 4 }\n",
      "fabric: { preset: hpn, segments: 1, hosts: 2, core_groups_per_plane: 2 }\n" +
          std::string(kRing),
      "fabric: { preset: dcn_plus, segments: 1, hosts: 2, core_groups: 1 }\n" + std::string(kRing),
      rails("core_groups: 1"),
      rails("cores: even"),
      rails("core_switch: { preset: qm9700 }"),
      rails("spine_oversubscription: 2"),
      rails("tiers: 3, spine_uplinks: 2, spine_oversubscription: 2"),
      rails("spine_uplinks: 2"),
      rails("units_per_pod: 1"),
      tree("leaves_per_pod: 2"),
      rail_only("oversubscription: 2"),
      rails("uplinks: 2, oversubscription: 2"),
      rail_only("spines: even"),
      rail_only("spine_switch: { preset: qm9700 }"),
      tree("plane_by: port"),
      leaf_spine + kTraffic +
          "host: { gpus: 1, nics: 1, transport: ib }\n"
          "physics: { roce_efficiency: 90% }\n",
      leaf_spine + kTraffic + "physics: { ib_efficiency: 90% }\n",
      leaf_spine + kTraffic + "physics: { nvlink_efficiency: 90% }\n",
      leaf_spine + kTraffic + "physics: { nvlink_step: 1us }\n",
      pod + kTraining + "collectives: { nccl: \"2.28\" }\n",
      leaf_spine + kTraffic + "collectives: { nccl: \"2.28\" }\n",
      leaf_spine + kTraffic + "calibration: none\n",
      leaf_spine + kTraffic + "host: { cpu: amd }\n",
      leaf_spine + kTraffic + "host: { numa_nodes: 1 }\n",
      leaf_spine + kTraffic + "host: { nvlink_shape: all_to_all }\n",
      leaf_spine + kTraffic + "host: { gpus_per_pcie_switch: 2 }\n",
      leaf_spine + kTraffic + "host: { gpus_per_tray: 4 }\n",
      leaf_spine + kTraffic + "host: { c2c: 450GBps }\n",
  };
}

TEST(SilentKeys, EachIsWarnedOfInItsSettingAlone) {
  const std::vector<std::string> scenarios = ScenarioOfEachRow();
  const auto rows = SilentKeys();
  ASSERT_EQ(scenarios.size(), rows.size()) << "a row of the table without a scenario here";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string want = std::string("'") + rows[i].path + "' has no effect: " + rows[i].why;
    EXPECT_EQ(WarningsOf(scenarios[i]), std::vector<std::string>{want}) << scenarios[i];
  }
}

TEST(SilentKeys, AreNotWarnedOfWhereTheyCount) {
  EXPECT_TRUE(WarningsOf(std::string(kLeafSpine) + kRing +
                         "coupling: loose\nplacement: { policy: random, seed: 9 }\n"
                         "rdma: { qps: 4 }\n")
                  .empty());
  EXPECT_TRUE(WarningsOf(std::string(kPod) +
                         "workload: { collective: { op: all_reduce, bytes: 1MiB, algorithm: ring "
                         "} }\n"
                         "routing: { host_port: hash, policy: static, hash: crc32, seeds: 3, "
                         "udp_port: sequential }\nphysics: { nvlink_step: 1us, "
                         "nvlink_efficiency: 90%, roce_efficiency: 90% }\n")
                  .empty());
  EXPECT_TRUE(WarningsOf("fabric: { preset: hpn, pods: 2, segments: 1, hosts: 1 }\n" +
                         std::string(kRing) +
                         "routing: { policy: spray, spray_paths: 4, core_hash: five_tuple }\n")
                  .empty());
  EXPECT_TRUE(
      WarningsOf(std::string(kPod) + kRing + "collectives: { nccl: \"2.27\" }\ncalibration: none\n")
          .empty());
}

}  // namespace
}  // namespace weft
