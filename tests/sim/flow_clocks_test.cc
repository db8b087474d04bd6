#include "sim/flow/flow_clocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/random.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

// A flow as arithmetic has it: what is left, and the link whose level it goes at, or its own.
struct Plain {
  double left = 0;
  int link = -1;  // -1: none
  double own = 0;
};

class Clocks {
 public:
  explicit Clocks(Random& random)
      : random_(random), level_(1 + random.Below(5), 1e9), clocks_(links()) {}

  // One to four flows or links change.
  void Change() {
    for (std::uint32_t n = 1 + random_.Below(4); n > 0; --n) {
      const std::uint32_t id = random_.Below(30), what = random_.Below(6);
      if (what == 0) {
        const std::uint32_t link = random_.Below(links());
        clocks_.SetLevel(link, level_[link] = AnyLevel(), now_);
      } else if (what == 1 && flows_.erase(id) > 0) {
        clocks_.Remove(id);
      } else {
        Place(id, what < 4);
      }
    }
    clocks_.Settle(now_);
  }

  void Check() const {
    ASSERT_EQ(clocks_.empty(), flows_.empty());
    double least_s = 1e300;
    for (const auto& [id, flow] : flows_) {
      ASSERT_TRUE(clocks_.placed(id));
      ASSERT_NEAR(clocks_.Left(id, now_), std::max(0.0, flow.left), 1) << "flow " << id;
      least_s = std::min(least_s, std::max(0.0, flow.left) / LevelOf(flow));
    }
    if (flows_.empty()) return;
    ASSERT_NEAR(ToSeconds(clocks_.next() - now_), least_s, 1e-10);
    ASSERT_EQ(flows_.count(clocks_.next_flow()), 1u);
  }

  // Half the way to what ends next, or to it: what ends then has nothing left.
  void Pass() {
    if (flows_.empty()) return;
    if (random_.Below(3) == 0) return Advance(now_ + (clocks_.next() - now_) / 2);
    Advance(clocks_.next());
    std::vector<std::uint32_t> ended;
    clocks_.TakeEnded(ended, random_.Below(4) != 0);
    for (const std::uint32_t id : ended) {
      ASSERT_EQ(flows_.count(id), 1u);
      ASSERT_LT(flows_[id].left, 1e-8 * LevelOf(flows_[id]));
      flows_.erase(id);
    }
    clocks_.Settle(now_);
  }

 private:
  std::uint32_t links() const { return static_cast<std::uint32_t>(level_.size()); }
  double AnyLevel() { return 1e9 * (1 + random_.Below(800)); }
  double LevelOf(const Plain& flow) const {
    return flow.link < 0 ? flow.own : level_[static_cast<std::size_t>(flow.link)];
  }

  void Place(std::uint32_t id, bool shared) {
    const double left = flows_.count(id) > 0
                            ? clocks_.Left(id, now_)
                            : (random_.Below(2) == 0 ? 1e6 : 1e11) * (1 + random_.Below(10));
    if (shared) {
      const std::uint32_t link = random_.Below(links());
      clocks_.Place(id, LinkId{link}, left, level_[link], now_);
      flows_[id] = {left, static_cast<int>(link), 0};
    } else {
      const double own = AnyLevel();
      clocks_.PlaceAlone(id, left, own, now_);
      flows_[id] = {left, -1, own};
    }
  }

  void Advance(SimTime to) {
    for (auto& [id, flow] : flows_) flow.left -= ToSeconds(to - now_) * LevelOf(flow);
    now_ = to;
  }

  Random& random_;
  std::vector<double> level_;
  FlowClocks clocks_;
  std::map<std::uint32_t, Plain> flows_;
  SimTime now_{};
};

// Against arithmetic, flow by flow, also where a clock has read more than it keeps (2^35 bits).
// Times are whole picoseconds, at 800 Gb/s a bit each.
TEST(FlowClocks, AgreeWithArithmetic) {
  for (const std::uint64_t seed : TestSeeds(200)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    Clocks clocks(random);
    for (int step = 0; step < 400; ++step) {
      clocks.Change();
      clocks.Check();
      clocks.Pass();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace weft
