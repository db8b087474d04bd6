#include "topology/port_search.h"

#include <map>

#include "tests/topology/fabrics.h"

namespace weft {
namespace {

// What `qps` QPs of GPU `src` to `dst` put on the links between switches, by link.
struct Placed {
  std::map<LinkId, int> load;
  SearchWork work;
  int most() const {
    int out = 0;
    for (const auto& [link, count] : load) out = std::max(out, count);
    return out;
  }
};

Placed PlaceQps(const Fabric& fabric, RoutingPolicy policy, std::uint32_t src,
                const std::vector<std::uint32_t>& dsts, std::uint32_t qps, HashSeed seed) {
  policy.policy = PathPolicy::kDisjoint;
  const Router router(fabric, policy);
  const LinkState state(fabric);
  PortSearch search(router);
  Placed out;
  std::vector<LinkId> path, again;
  for (std::uint32_t q = 0; q < qps; ++q) {
    const VertexId from = fabric.gpu(GpuId{src}), to = fabric.gpu(GpuId{dsts[q % dsts.size()]});
    FlowKey key = router.QpKey(from, to, seed, q);
    EXPECT_TRUE(search.Place(key, seed, q, state, path));
    EXPECT_TRUE(router.Path(key, seed, state, again));
    EXPECT_EQ(path, again);  // the port found does lead there
    for (const LinkId link : path)
      if (fabric.vertex(fabric.link(link).from).kind == VertexKind::kSwitch &&
          fabric.vertex(fabric.link(link).to).kind == VertexKind::kSwitch)
        ++out.load[link];
  }
  out.work = search.work();
  return out;
}

// 32 QPs of a NIC, 16 a plane, over 60 Aggs: no link twice, to one destination or to several.
TEST(PortSearch, KeepsQpsOfANicApartInAPod) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 3, hosts: 2 }");
  for (const HashKind hash : {HashKind::kMix, HashKind::kCrc32, HashKind::kToeplitz})
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      RoutingPolicy policy;
      policy.hash = hash;
      for (const std::vector<std::uint32_t>& dsts :
           {std::vector<std::uint32_t>{16}, std::vector<std::uint32_t>{16, 24, 32}}) {
        const Placed placed = PlaceQps(fabric, policy, 0, dsts, 32, HashSeed{seed});
        EXPECT_EQ(placed.most(), 1) << "seed " << seed;
        EXPECT_EQ(placed.work.qps, 32u);
        EXPECT_EQ(placed.work.shared, 0u);
      }
    }
}

// 8 spines: 20 QPs cannot be apart, and 3 on a link is as even as can be.
TEST(PortSearch, LoadsLinksEvenlyWhereQpsAreMoreThanWays) {
  const Fabric fabric =
      MakeFabric("{ family: leaf_spine, leaves: 2, spines: 8, hosts_per_leaf: 1, link: 400Gbps }");
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Placed placed = PlaceQps(fabric, {}, 0, {1}, 20, HashSeed{seed});
    EXPECT_EQ(placed.most(), 3) << "seed " << seed;
    EXPECT_EQ(placed.work.shared, 0u) << "seed " << seed;
  }
}

// To draw the k-th of n ways when k - 1 are taken costs n / (n - k + 1) tries on average: 8
// QPs of 60 ways 8.52, all 60 of them 280.8.
TEST(PortSearch, TakesAsManyTriesAsDrawsToAFreeWay) {
  const Fabric fabric =
      MakeFabric("{ family: leaf_spine, leaves: 2, spines: 60, hosts_per_leaf: 1, link: 400Gbps }");
  for (const std::uint32_t qps : {8u, 60u}) {
    double expected = 0, variance = 0, tried = 0;
    const int seeds = 400;
    for (std::uint32_t k = 0; k < qps; ++k) {
      const double p = (60.0 - k) / 60;
      expected += 1 / p;
      variance += (1 - p) / (p * p);
    }
    for (std::uint64_t seed = 1; seed <= seeds; ++seed)
      tried += static_cast<double>(PlaceQps(fabric, {}, 0, {1}, qps, HashSeed{seed}).work.tried);
    EXPECT_NEAR(tried / seeds, expected, 4 * std::sqrt(variance / seeds)) << "seeds 1 to 400";
  }
}

}  // namespace
}  // namespace weft
