#include <algorithm>
#include <numeric>

#include "tests/topology/fabrics.h"

namespace weft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kTwoPlanes[] =
    "{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps }";
constexpr ElementState kDown{false, 1, Direction::kBoth}, kUp{};

// Links of the tiny fabric: leaf0 - spine1 is 15 and 22, see fabric_test.cc.
TEST(LinkState, MultipliesTheSharesOfElementsThatOverlap) {
  const Fabric fabric = MakeFabric(kTwoPlanes);
  LinkState state(fabric);
  EXPECT_TRUE(state.all_up());
  const ElementId cable{ElementId::Kind::kCable, 22}, spine{ElementId::Kind::kVertex, 11};

  EXPECT_THAT(state.Apply(fabric, cable, {true, 0.5, Direction::kBoth}),
              ElementsAre(LinkId{15}, LinkId{22}));
  state.Apply(fabric, spine, {true, 0.5, Direction::kBoth});
  EXPECT_EQ(state.share(LinkId{15}), 0.25);
  EXPECT_EQ(state.share(LinkId{19}), 0.5);
  EXPECT_TRUE(state.all_up());

  state.Apply(fabric, spine, kDown);
  EXPECT_FALSE(state.all_up());
  EXPECT_FALSE(state.up(LinkId{15}));
  EXPECT_THAT(state.Apply(fabric, cable, kUp), IsEmpty());  // still down with the spine
  state.Apply(fabric, spine, kUp);
  EXPECT_TRUE(state.all_up());
  EXPECT_EQ(state.share(LinkId{15}), 1);
}

TEST(LinkState, TakesOneDirectionOfACableByEitherName) {
  const Fabric fabric = MakeFabric(kTwoPlanes);
  const ElementState forward{false, 1, Direction::kForward};
  LinkState state(fabric);
  EXPECT_THAT(state.Apply(fabric, {ElementId::Kind::kCable, 15}, forward), ElementsAre(LinkId{15}));
  EXPECT_THAT(state.Apply(fabric, {ElementId::Kind::kCable, 22}, forward), ElementsAre(LinkId{22}));
  EXPECT_THAT(state.Apply(fabric, {ElementId::Kind::kCable, 15}, kUp),
              ElementsAre(LinkId{15}, LinkId{22}));
  EXPECT_TRUE(state.all_up());
}

// NVLinks and PCIe of a host belong to both its directions, and slow down once.
TEST(LinkState, CountsOneFaultOnceOnTheLinksInside) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 1, hosts: 1 }");
  LinkState state(fabric);
  state.Apply(fabric, {ElementId::Kind::kHost, 0}, {true, 0.5, Direction::kBoth});
  for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
    const Link& link = fabric.link(LinkId{l});
    const bool touched =
        fabric.vertex(link.from).host != kNoHost || fabric.vertex(link.to).host != kNoHost;
    EXPECT_EQ(state.share(LinkId{l}), touched ? 0.5 : 1.0) << fabric.PortName(LinkId{l});
  }
}

ElementId RandomElement(const Fabric& fabric, Random& random) {
  switch (random.Below(4)) {
    case 0:
      return {ElementId::Kind::kCable, random.Below(fabric.link_count())};
    case 1:
      return {ElementId::Kind::kVertex, random.Below(fabric.vertex_count())};
    case 2:
      return {ElementId::Kind::kHost, random.Below(fabric.host_count())};
    default:
      return {ElementId::Kind::kPlane, random.Below(static_cast<std::uint32_t>(fabric.planes()))};
  }
}

// After any faults, healed in any order: as if nothing had been; and in between, a link is
// down exactly where some fault that is not healed holds it.
TEST(LinkState, HealsOverlappingFaultsInAnyOrder) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << RandomFabricText(seed));
    const Fabric fabric = MakeFabric(RandomFabricText(seed));
    Random random(seed);
    LinkState state(fabric);
    std::vector<ElementId> faults;
    for (std::uint32_t i = 0; i < 6; ++i) {
      ElementId element = RandomElement(fabric, random);
      // A cable has two names.
      if (element.kind == ElementId::Kind::kCable)
        element.id = std::min(element.id, Index(fabric.link(LinkId{element.id}).reverse));
      if (std::find(faults.begin(), faults.end(), element) == faults.end())
        faults.push_back(element);
    }
    for (const ElementId element : faults) state.Apply(fabric, element, kDown);
    while (!faults.empty()) {
      std::vector<bool> down(fabric.link_count(), false);
      for (const ElementId element : faults)
        for (const LinkId link : fabric.LinksOf(element, Direction::kBoth))
          down[Index(link)] = true;
      for (std::uint32_t l = 0; l < fabric.link_count(); ++l)
        ASSERT_EQ(state.up(LinkId{l}), !down[l]) << fabric.PortName(LinkId{l});
      const std::uint32_t pick = random.Below(static_cast<std::uint32_t>(faults.size()));
      state.Apply(fabric, faults[pick], kUp);
      faults.erase(faults.begin() + pick);
    }
    EXPECT_TRUE(state.all_up());
    for (std::uint32_t l = 0; l < fabric.link_count(); ++l) ASSERT_EQ(state.share(LinkId{l}), 1);
  }
}

}  // namespace
}  // namespace weft
