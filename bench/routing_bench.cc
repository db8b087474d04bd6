// The router by itself: next-hop tables, paths of many flows, the search for disjoint ones.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <map>

#include "base/check.h"
#include "base/random.h"
#include "hardware/parts.h"
#include "topology/build.h"
#include "topology/port_search.h"

namespace weft {
namespace {

const Fabric& HpnPods(std::int64_t pods, bool small) {
  static std::map<std::string, Fabric> built;
  const std::string text =
      fmt::format("{{ preset: hpn, pods: {}{} }}", pods, small ? ", segments: 2, hosts: 4" : "");
  if (const auto found = built.find(text); found != built.end()) return found->second;
  std::vector<Preset> presets = HardwarePresets();
  for (Preset& preset : TopologyPresets()) presets.push_back(std::move(preset));
  const PresetTable table(std::move(presets));
  const auto spec = ParseText<FabricSpec>(text, "bench", {&table, {}, nullptr});
  WEFT_CHECK(spec.has_value());
  Result<Fabric> fabric = BuildFabric(spec->message, nullptr, spec->sources);
  WEFT_CHECK(fabric.has_value());
  return built.emplace(text, *std::move(fabric)).first->second;
}

RoutingPolicy PolicyOf(HashKind hash) {
  RoutingPolicy policy;
  policy.hash = hash;
  policy.core_hash = CoreHash::kPerPort;
  return policy;
}

// 122,880 GPUs at pods: 8.
void BuildTables(benchmark::State& state) {
  const Fabric& fabric = HpnPods(state.range(0), state.range(1) != 0);
  std::uint64_t digest = 0;
  for (auto _ : state) {
    const Router router(fabric, {});
    for (std::uint32_t v = fabric.vertex_count() - 1;
         fabric.vertex(VertexId{v}).kind == VertexKind::kSwitch; --v)
      digest = Mix64(digest + router.NextHopCount(VertexId{v}, fabric.host(HostId{0}).first_nic));
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["gpus"] = fabric.gpu_count();
  state.counters["peak_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;
  state.counters["digest"] = static_cast<double>(digest >> 40);
}
BENCHMARK(BuildTables)
    ->ArgNames({"pods", "small"})
    ->Args({2, 1})
    ->Args({1, 0})
    ->Args({8, 0})
    ->Unit(benchmark::kMillisecond);

void RouteFlows(benchmark::State& state) {
  const Fabric& fabric = HpnPods(state.range(0), state.range(3) != 0);
  const Router router(fabric, PolicyOf(static_cast<HashKind>(state.range(2))));
  const LinkState all_up(fabric);
  Random random(1);
  std::vector<FlowKey> keys;
  while (keys.size() < static_cast<std::size_t>(state.range(1))) {
    FlowKey key{fabric.gpu(GpuId{random.Below(fabric.gpu_count())}),
                fabric.gpu(GpuId{random.Below(fabric.gpu_count())})};
    if (router.SourceNic(key.src, key.dst) == kNoVertex) continue;
    key.host_port = static_cast<std::uint8_t>(random.Below(2));
    key.entropy = static_cast<std::uint16_t>(random.Below(65536));
    keys.push_back(key);
  }
  std::vector<LinkId> path;
  std::uint64_t digest = 0;
  for (auto _ : state) {
    digest = 0;
    for (const FlowKey& key : keys) {
      if (!router.Path(key, HashSeed{1}, all_up, path)) state.SkipWithError("a flow has no path");
      digest = digest * 31 + Index(path[path.size() / 2]);
    }
  }
  state.counters["digest"] = static_cast<double>(Mix64(digest) >> 40);
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(RouteFlows)
    ->ArgNames({"pods", "flows", "hash", "small"})
    ->ArgsProduct({{2}, {1000}, {0, 2, 5}, {1}})
    ->ArgsProduct({{1, 8}, {1'000'000}, {0, 2, 5}, {0}})
    ->Unit(benchmark::kMillisecond);

// 16 QPs of each NIC of a host to one in another segment.
void SearchPorts(benchmark::State& state) {
  const Fabric& fabric = HpnPods(1, state.range(1) != 0);
  RoutingPolicy policy;
  policy.policy = PathPolicy::kDisjoint;
  const Router router(fabric, policy);
  const LinkState all_up(fabric);
  SearchWork work;
  std::vector<LinkId> path;
  for (auto _ : state) {
    PortSearch search(router);
    for (std::uint32_t g = 0; g < static_cast<std::uint32_t>(state.range(0)); ++g)
      for (std::uint32_t q = 0; q < 16; ++q) {
        FlowKey key =
            router.QpKey(fabric.gpu(GpuId{g}), fabric.gpu(GpuId{fabric.gpu_count() - 8 + g % 8}),
                         HashSeed{1}, q);
        if (!search.Place(key, HashSeed{1}, q, all_up, path)) state.SkipWithError("no path");
      }
    work = search.work();
  }
  state.counters["tried"] = static_cast<double>(work.tried);
  state.counters["shared"] = static_cast<double>(work.shared);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(work.qps));
}
BENCHMARK(SearchPorts)
    ->ArgNames({"nics", "small"})
    ->Args({8, 1})
    ->Args({1024, 0})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft
