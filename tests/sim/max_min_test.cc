#include "sim/flow/max_min.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/random.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

constexpr double k100G = 100e9;

// The header's picture. Link b is tightest (100G for 2), so variables 1 and 2
// stop at 50G there; variable 0 then takes what is left of link a.
TEST(MaxMinSystem, GivesTheLeftoverToTheOnlyVariableThatCanUseIt) {
  MaxMinSystem system({4 * k100G, k100G});
  const Term a{0, 1}, b{1, 1};
  const TermsId on_a = system.AddTerms(std::vector{a}), on_b = system.AddTerms(std::vector{b});
  const TermsId on_both = system.AddTerms(std::vector{a, b});
  system.Add(on_a, 1, 0);
  system.Add(on_both, 1, 0);
  system.Add(on_b, 1, 0);

  EXPECT_EQ(system.Resolve().variables.size(), 3u);

  EXPECT_EQ(system.rate_bps(0), 3.5 * k100G);
  EXPECT_EQ(system.rate_bps(1), 0.5 * k100G);
  EXPECT_EQ(system.rate_bps(2), 0.5 * k100G);
  EXPECT_EQ(system.bottleneck(0), LinkId{0});
  EXPECT_EQ(system.bottleneck(1), LinkId{1});
}

// An edge of 4 QPs, all over the link, beside an edge of 1: five QPs at 20G. With
// 2 of the 4 QPs elsewhere its coefficient is 2/4: 4x·(2/4) + x = 100G, x = 33.3G.
TEST(MaxMinSystem, SharesByQpNotByEdge) {
  MaxMinSystem system({k100G});
  const TermsId whole = system.AddTerms(std::vector{Term{0, 1}});
  const TermsId half = system.AddTerms(std::vector{Term{0, 0.5}});
  system.Add(whole, 1, 0);
  const std::uint32_t four = system.Add(whole, 4, 0);
  system.Resolve();
  EXPECT_DOUBLE_EQ(system.rate_bps(0), 20e9);
  EXPECT_DOUBLE_EQ(system.rate_bps(four), 80e9);

  system.Remove(four);
  const std::uint32_t spread = system.Add(half, 4, 0);
  system.Resolve();
  EXPECT_DOUBLE_EQ(system.rate_bps(0), k100G / 3);
  EXPECT_DOUBLE_EQ(system.rate_bps(spread), 4 * k100G / 3);
}

TEST(MaxMinSystem, StopsAVariableAtItsCapAndGivesTheRestAway) {
  MaxMinSystem system({k100G});
  const TermsId on = system.AddTerms(std::vector{Term{0, 1}});
  system.Add(on, 1, 10e9);
  system.Add(on, 1, 0);
  system.Resolve();
  EXPECT_EQ(system.rate_bps(0), 10e9);
  EXPECT_EQ(system.bottleneck(0), kNoLink);
  EXPECT_DOUBLE_EQ(system.rate_bps(1), 90e9);
  EXPECT_EQ(system.bottleneck(1), LinkId{0});
}

TEST(MaxMinSystem, PausesAndResumesOnAnotherLink) {
  MaxMinSystem system({k100G, k100G});
  const TermsId first = system.AddTerms(std::vector{Term{0, 1}});
  const TermsId second = system.AddTerms(std::vector{Term{1, 1}});
  system.Add(first, 1, 0);
  system.Add(first, 1, 0);
  system.Resolve();
  EXPECT_EQ(system.rate_bps(1), k100G / 2);
  system.Pause(1);
  system.Resolve();
  EXPECT_EQ(system.rate_bps(0), k100G);
  EXPECT_EQ(system.rate_bps(1), 0);
  system.Resume(1, second, 0);
  system.Resolve();
  EXPECT_EQ(system.rate_bps(0), k100G);
  EXPECT_EQ(system.rate_bps(1), k100G);
}

struct Churn {
  std::uint32_t links;
  MaxMinSystem system;
  std::vector<TermsId> ranges;
  std::size_t most = 0;  // live at a time
  std::vector<std::uint32_t> live, paused;
};

// In every other one some variables cross more than 64 links, which are solved otherwise; in every
// other one so few are live that most links are crossed by one alone, or none.
Churn RandomSystem(Random& random, const MaxMinOptions& options = {}) {
  const bool wide = random.Below(2) == 0;
  const std::size_t most = random.Below(2) == 0 ? 1 + random.Below(8) : 1000;
  const std::uint32_t links = wide ? 70 + random.Below(130) : 1 + random.Below(30);
  std::vector<double> capacity(links);
  for (double& c : capacity) c = 25e9 * (1 + random.Below(32));
  Churn churn{links, MaxMinSystem(capacity, options), {}, most, {}, {}};
  for (int i = 0; i < 60; ++i) {
    std::vector<Term> terms;
    const std::uint32_t start = random.Below(links);
    const bool is_wide = wide && random.Below(5) == 0;
    const std::uint32_t hops =
        is_wide ? 65 + random.Below(links - 64) : 1 + random.Below(std::min(links, 6u));
    for (std::uint32_t h = 0; h < hops; ++h)
      terms.push_back({(start + h) % links, (1 + random.Below(8)) / 4.0});
    churn.ranges.push_back(churn.system.AddTerms(terms));
  }
  return churn;
}

std::uint32_t TakeAny(std::vector<std::uint32_t>& from, Random& random) {
  const std::uint32_t i = random.Below(static_cast<std::uint32_t>(from.size()));
  const std::uint32_t id = from[i];
  from.erase(from.begin() + i);
  return id;
}

void Step(Churn& churn, Random& random) {
  const TermsId range = churn.ranges[random.Below(60)];
  const double cap = random.Below(4) == 0 ? 1e9 * (1 + random.Below(100)) : 0;
  switch (churn.live.size() < churn.most ? random.Below(8) : random.Below(3)) {
    case 0:
      if (!churn.live.empty()) churn.system.Remove(TakeAny(churn.live, random));
      break;
    case 1:
      churn.system.SetCapacity(churn.system.terms(range)[0].link, 10e9 * (1 + random.Below(60)));
      break;
    case 2:
      if (churn.live.empty()) break;
      churn.paused.push_back(TakeAny(churn.live, random));
      churn.system.Pause(churn.paused.back());
      break;
    case 3:
      if (churn.paused.empty()) break;
      churn.live.push_back(TakeAny(churn.paused, random));
      churn.system.Resume(churn.live.back(), range, cap);
      break;
    default:
      churn.live.push_back(churn.system.Add(range, 1 + random.Below(4), cap));
  }
}

// The conditions are sufficient for max-min fairness [BG92 §6.5.2], so random
// cases need no second solver. One to four changes an instant.
TEST(MaxMinSystem, MeetsTheFairnessConditionsAfterEveryChange) {
  for (std::uint64_t seed : TestSeeds(60)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    Churn churn = RandomSystem(random);
    for (int step = 0; step < 150; ++step) {
      for (std::uint32_t i = 1 + random.Below(4); i > 0; --i) Step(churn, random);
      churn.system.Resolve();
      ASSERT_LT(MaxMinResidual(churn.system.Snap()), 1e-10) << "step " << step;
    }
  }
}

// All to all over two spines: some forty variables a link, of which with each that leaves nearly
// all get another level, and some another bottleneck.
TEST(MaxMinSystem, ADenseExchangeStaysFairAsItEnds) {
  constexpr std::uint32_t kHosts = 16, kLeaves = 4, kSpines = 2, kUp = 2 * kHosts;
  for (std::uint64_t seed : TestSeeds(5)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    std::vector<double> capacity(kUp + 2 * kLeaves * kSpines, 4 * k100G);
    MaxMinSystem list(capacity), filling(capacity);
    std::vector<std::uint32_t> live;
    for (std::uint32_t from = 0; from < kHosts; ++from)
      for (std::uint32_t to = 0; to < kHosts; ++to) {
        if (from == to) continue;
        const std::uint32_t spine = random.Below(kSpines), a = from % kLeaves, b = to % kLeaves;
        std::vector<Term> terms{{from, 1}, {kHosts + to, 1}};
        if (a != b) terms.push_back({kUp + a * kSpines + spine, 1});
        if (a != b) terms.push_back({kUp + (kLeaves + b) * kSpines + spine, 1});
        const double weight = random.Below(4) == 0 ? 3 : 1;
        live.push_back(list.Add(list.AddTerms(terms), weight, 0));
        filling.Add(filling.AddTerms(terms), weight, 0);
      }
    ASSERT_EQ(list.Snap().capacity_bps, capacity);
    while (!live.empty()) {
      list.Resolve();
      filling.ResolveByFilling();
      ASSERT_LT(MaxMinResidual(list.Snap()), 1e-10) << live.size() << " left";
      for (const std::uint32_t id : live)
        ASSERT_NEAR(list.rate_bps(id) / filling.rate_bps(id), 1, 1e-10) << live.size() << " left";
      const std::uint32_t id = TakeAny(live, random);
      list.Remove(id);
      filling.Remove(id);
    }
  }
}

// The work list against the filling, which was used alone before it, and both against a list in
// which a variable that is alone on a link is a member of it like any other.
TEST(MaxMinSystem, TheWorkListAgreesWithFilling) {
  for (std::uint64_t seed : TestSeeds(60)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed), same(seed), again(seed);
    Churn list = RandomSystem(random), filling = RandomSystem(same);
    Churn members = RandomSystem(again, {.alone = false});
    for (int step = 0; step < 150; ++step) {
      Step(list, random);
      Step(filling, same);
      Step(members, again);
      list.system.Resolve();
      filling.system.ResolveByFilling();
      members.system.Resolve();
      for (std::uint32_t id : list.live) {
        const double rate = list.system.rate_bps(id);
        ASSERT_NEAR(rate / filling.system.rate_bps(id), 1, 1e-10) << "step " << step;
        ASSERT_NEAR(rate / members.system.rate_bps(id), 1, 1e-10) << "step " << step;
      }
    }
  }
}

// Each of a chain of links is full, of the flow to the link before and of that to the one after.
// The first link is left to one flow, or slows when it is: all others move, more of them than the
// work list looks at, so that the rest is filled anew from where the list was.
TEST(MaxMinSystem, ALinkLeftToOneMovesALongChain) {
  for (const std::uint32_t links : {500u, 1500u, 3000u})
    for (const double slower : {-4e-4, 4e-4}) {
      std::vector<double> share(links + 1), capacity(links + 1);
      for (std::uint32_t l = 0; l <= links; ++l) share[l] = 1e9 * (1 + l * 1e-3);
      capacity[0] = 2 * share[0];
      for (std::uint32_t l = 1; l <= links; ++l) capacity[l] = share[l] + share[l - 1];
      MaxMinSystem system(capacity);
      const std::uint32_t first = system.Add(system.AddTerms(std::vector{Term{0, 1}}), 1, 0);
      for (std::uint32_t l = 0; l < links; ++l)
        system.Add(system.AddTerms(std::vector{Term{l, 1}, Term{l + 1, 1}}), 1, 0);
      system.Add(system.AddTerms(std::vector{Term{links, 1}}), 1, 0);
      system.Resolve();
      system.Remove(first);
      system.SetCapacity(0, share[0] * (1 - slower));
      system.Resolve();
      EXPECT_LT(MaxMinResidual(system.Snap()), 1e-10) << links;
      system.SetCapacity(0, share[0] * (1 + slower));
      system.Resolve();
      EXPECT_LT(MaxMinResidual(system.Snap()), 1e-10) << links;
    }
}

// By hand: the second of two flows shares the first one's last link, and goes again.
TEST(MaxMinSystem, ALinkThatOneAloneCrossesIsItsCap) {
  MaxMinSystem system({k100G, 2 * k100G, k100G});
  const TermsId path = system.AddTerms(std::vector{Term{0, 1}, Term{1, 1}, Term{2, 1}});
  const TermsId last = system.AddTerms(std::vector{Term{2, 1}});
  const std::uint32_t a = system.Add(path, 1, 0);
  MaxMinSystem::Changes changes = system.Resolve();
  EXPECT_TRUE(system.by_itself(a));
  EXPECT_EQ(system.bottleneck(a), LinkId{2});  // of equal ones the last
  EXPECT_EQ(system.rate_bps(a), k100G);
  EXPECT_TRUE(changes.links.empty());

  const std::uint32_t b = system.Add(last, 1, 0);
  changes = system.Resolve();
  EXPECT_FALSE(system.by_itself(a));
  EXPECT_EQ(system.share_bps(2), k100G / 2);
  EXPECT_EQ(changes.variables.size(), 2u);

  system.Remove(b);
  changes = system.Resolve();
  EXPECT_TRUE(system.by_itself(a));
  EXPECT_EQ(system.rate_bps(a), k100G);
  EXPECT_EQ(std::vector(changes.variables.begin(), changes.variables.end()), std::vector{a});

  system.SetCapacity(1, k100G / 4);
  changes = system.Resolve();
  EXPECT_TRUE(system.by_itself(a));
  EXPECT_EQ(system.bottleneck(a), LinkId{1});
  EXPECT_EQ(system.rate_bps(a), k100G / 4);
  EXPECT_EQ(std::vector(changes.variables.begin(), changes.variables.end()), std::vector{a});
}

// What keeps time by shares and bottlenecks alone must learn of every one that changes.
TEST(MaxMinSystem, ReportsEveryShareAndBottleneckThatChanged) {
  for (std::uint64_t seed : TestSeeds(30)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    Churn churn = RandomSystem(random);
    std::vector<double> share(200, 0.0), level(400, 0.0);
    std::vector<LinkId> bottleneck(400, kNoLink);
    std::vector<std::uint8_t> known(400, 0);
    for (int step = 0; step < 150; ++step) {
      Step(churn, random);
      const MaxMinSystem::Changes changes = churn.system.Resolve();
      const std::set<std::uint32_t> links(changes.links.begin(), changes.links.end());
      const std::set<std::uint32_t> variables(changes.variables.begin(), changes.variables.end());
      std::vector<std::uint8_t> live(400, 0);
      for (std::uint32_t id : churn.live) {
        live[id] = 1;
        const LinkId now = churn.system.bottleneck(id);
        ASSERT_TRUE(variables.count(id) == 1 || (known[id] == 1 && bottleneck[id] == now))
            << "step " << step << " id " << id;
        bottleneck[id] = now;
        const bool same = variables.count(id) == 1 || level[id] == churn.system.level_bps(id);
        ASSERT_TRUE(!churn.system.by_itself(id) || same) << "step " << step << " id " << id;
        level[id] = churn.system.level_bps(id);
        if (now == kNoLink) continue;
        ASSERT_TRUE(links.count(Index(now)) == 1 || variables.count(id) == 1 ||
                    share[Index(now)] == churn.system.share_bps(Index(now)))
            << "step " << step << " link " << Index(now);
      }
      for (std::uint32_t link = 0; link < churn.links; ++link)
        share[link] = churn.system.share_bps(link);
      known = live;
    }
  }
}

// Replaced in the same instant: nothing is solved, and the answer is as if it had been.
TEST(MaxMinSystem, AVariableReplacedByItsLikeChangesNoShare) {
  MaxMinSystem system({k100G});
  const TermsId on = system.AddTerms(std::vector{Term{0, 1}});
  const std::uint32_t first = system.Add(on, 1, 0);
  system.Add(on, 1, 0);
  system.Resolve();
  system.Remove(first);
  const std::uint32_t second = system.Add(on, 1, 0);
  const MaxMinSystem::Changes changes = system.Resolve();
  EXPECT_TRUE(changes.links.empty());
  EXPECT_EQ(std::vector(changes.variables.begin(), changes.variables.end()), std::vector{second});
  EXPECT_EQ(system.rate_bps(second), k100G / 2);

  system.Remove(second);
  system.Add(on, 2, 0);  // another weight is another variable
  system.Resolve();
  EXPECT_DOUBLE_EQ(system.rate_bps(1), k100G / 3);
}

// Links as rings cross them: some of eight kinds, alike but for their width, where the same wide
// variables put the same; a few that narrow ones cross, too.
TEST(MaxMinSystem, WithoutTheTwinsOfLinksEveryLevelIsTheSame) {
  constexpr std::uint32_t kLinks = 200, kWide = 5, kKinds = 8, kShared = 12;
  for (std::uint64_t seed : TestSeeds(40)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    std::vector<double> capacity(kLinks);
    std::vector<std::uint32_t> kind(kLinks);
    for (std::uint32_t l = 0; l < kLinks; ++l) {
      capacity[l] = k100G * (1 + random.Below(4));
      kind[l] = random.Below(kKinds);
    }
    MaxMinSystem whole(capacity), fewer(capacity);
    std::vector<TermsId> rows;
    const auto add_row = [&](const std::vector<Term>& terms) {
      rows.push_back(whole.AddTerms(terms));
      ASSERT_EQ(fewer.AddTerms(terms), rows.back());
    };
    for (std::uint32_t r = 0; r < kWide; ++r) {
      std::vector<double> of_kind(kKinds);
      for (double& c : of_kind) c = random.Below(8) / 4.0;
      std::vector<Term> terms{{random.Below(kShared), 0.5}};
      for (std::uint32_t l = kShared; l < kLinks; ++l)
        if (of_kind[kind[l]] > 0) terms.push_back({l, of_kind[kind[l]]});
      add_row(terms);
    }
    for (std::uint32_t r = 0; r < 10; ++r) add_row({{r, 1}, {r + 1, 1}});
    fewer.SilenceTwins();
    std::size_t terms = 0, all_terms = 0;
    for (const TermsId row : rows) {
      terms += fewer.terms(row).size();
      all_terms += fewer.all_terms(row).size();
      ASSERT_EQ(fewer.all_terms(row).size(), whole.all_terms(row).size());
    }
    EXPECT_LT(4 * terms, all_terms);
    std::vector<std::uint32_t> live;
    for (int step = 0; step < 60; ++step) {
      if (step == 30) {  // a wide one that parts the kinds, while others are live
        for (MaxMinSystem* system : {&whole, &fewer}) {  // one that is replaced by its like
          const std::uint32_t id = system->Add(rows[0], 1, 0);
          system->Resolve();
          system->Remove(id);
          system->RestoreTwins();
          ASSERT_EQ(system->Add(rows[0], 1, 0), id);
          if (system == &fewer) live.push_back(id);
        }
        std::vector<Term> half;
        for (std::uint32_t l = 0; l < kLinks; l += 2) half.push_back({l, 1});
        add_row(half);
      }
      if (live.size() > 6 || (!live.empty() && random.Below(3) == 0)) {
        const std::uint32_t id = TakeAny(live, random);
        whole.Remove(id);
        fewer.Remove(id);
      } else {
        const TermsId row = rows[random.Below(static_cast<std::uint32_t>(rows.size()))];
        const double weight = 1 + random.Below(4);
        live.push_back(whole.Add(row, weight, 0));
        ASSERT_EQ(fewer.Add(row, weight, 0), live.back());
      }
      whole.Resolve();
      fewer.Resolve();
      ASSERT_LT(MaxMinResidual(fewer.Snap()), 1e-10) << "step " << step;
      for (const std::uint32_t id : live)
        ASSERT_NEAR(fewer.level_bps(id), whole.level_bps(id), 1e-10 * whole.level_bps(id))
            << "step " << step;
    }
  }
}

// Against a set.
TEST(FreeIds, GivesTheLowest) {
  for (std::uint64_t seed : TestSeeds(10)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    FreeIds ids;
    std::set<std::uint32_t> free;
    for (int step = 0; step < 5000; ++step) {
      const std::uint32_t id = random.Below(step % 100 == 0 ? 300'000 : 1 + random.Below(5000));
      if (random.Below(2) == 0 && free.insert(id).second) {
        ids.Give(id);
      } else if (!free.empty()) {
        ASSERT_EQ(ids.TakeLowest(), *free.begin());
        free.erase(free.begin());
      }
      ASSERT_EQ(ids.empty(), free.empty());
    }
  }
}

// The certificate must see every kind of wrong answer.
TEST(MaxMinResidual, SeesOverloadSlackAndUnfairness) {
  MaxMinSystem::Snapshot s{{k100G}, {1, 1}, {0, 0}, {50e9, 50e9}, {{{0, 1}}, {{0, 1}}}};
  EXPECT_EQ(MaxMinResidual(s), 0);
  s.rate_bps = {60e9, 60e9};
  EXPECT_NEAR(MaxMinResidual(s), 0.2, 1e-12);
  s.rate_bps = {40e9, 40e9};
  EXPECT_NEAR(MaxMinResidual(s), 0.2, 1e-12);
  s.rate_bps = {60e9, 40e9};
  EXPECT_NEAR(MaxMinResidual(s), 0.5, 1e-12);
  s.cap_bps = {0, 40e9};
  EXPECT_EQ(MaxMinResidual(s), 0);
}

}  // namespace
// Rows of 70 links, 66 in common, of which twins are silent first: then no lone link of them is,
// and all come back.
TEST(MaxMinSystem, TermsOfManyLinksComeBackWhole) {
  MaxMinSystem system(std::vector<double>(74, k100G));
  std::vector<Term> a, b;
  for (std::uint32_t l = 0; l < 70; ++l) {
    a.push_back({l, 1});
    b.push_back({l + 4, 1});
  }
  const std::vector<TermsId> rows = {system.AddTerms(a), system.AddTerms(b)};
  std::vector<std::uint8_t> lone(74, 0);
  for (const std::size_t l : {0u, 1u, 2u, 3u, 70u, 71u, 72u, 73u}) lone[l] = 1;
  system.SilenceTwins();
  system.SilenceLone(lone);
  EXPECT_LT(system.terms(rows[0]).size(), 10u);
  system.RestoreTwins();
  for (std::uint32_t r = 0; r < 2; ++r) {
    std::set<std::uint32_t> links;
    for (const Term& term : system.terms(rows[r])) links.insert(term.link);
    EXPECT_EQ(links.size(), 70u);
    EXPECT_EQ(*links.begin(), 4 * r);
    EXPECT_EQ(*links.rbegin(), 69 + 4 * r);
  }
}

}  // namespace weft
