#include "workloads/collectives/moe.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace weft {
namespace {

// That k of `all`, drawn without replacement, hit one of `part`.
double ChanceOfHit(int all, int part, int k) {
  double miss = 1;
  for (int i = 0; i < k; ++i)
    miss *= std::max(0.0, static_cast<double>(all - part - i)) / (all - i);
  return 1 - miss;
}

WireRatio RatioOf(double share) {
  constexpr double kParts = 1 << 24;
  return ReducedRatio(static_cast<std::uint64_t>(std::lround(std::max(1.0, share * kParts))),
                      static_cast<std::uint64_t>(kParts));
}

class MoeMaker {
 public:
  MoeMaker(const Fabric& fabric, const Communicator& communicator, CollectiveSpec::Op op,
           const BuildOptions& options)
      : fabric_(fabric),
        communicator_(communicator),
        options_(options),
        combine_(op == CollectiveSpec::MOE_COMBINE),
        hosts_(static_cast<std::uint32_t>(communicator.hosts.size())),
        per_host_(communicator.hosts.front().count) {
    pattern_.ranks = communicator.gpu;
    pattern_.classes = {options.nvlink, options.network};
    pattern_.slices = hosts_ * per_host_;
    for (const Communicator::Member& member : communicator.members)
      pattern_.slice_owner.push_back(member.rank);
    edge_.reduce_steps = combine_ ? 1 : 0;
    shares_ = SharesOfMoe(options.moe, static_cast<int>(hosts_), static_cast<int>(per_host_));
  }

  Pattern Hierarchical() {
    for (std::uint32_t host = 0; host < hosts_; ++host)
      for (std::uint32_t gpu = 0; gpu < per_host_; ++gpu)
        for (std::uint32_t other = 0; other < hosts_; ++other) AddTokens(host, gpu, other);
    return std::move(pattern_);
  }

  Pattern EveryExpert() {
    pattern_.advance = Pattern::Advance::kIndependent;
    const std::uint32_t ranks = hosts_ * per_host_;
    for (std::uint32_t from = 0; from < ranks; ++from)
      for (std::uint32_t i = 1; i < ranks; ++i) {
        const std::uint32_t to = (from + i) % ranks;
        edge_.first_slice = combine_ ? to : from;
        Add(from, to, static_cast<double>(options_.moe.top_k) / ranks);
      }
    return std::move(pattern_);
  }

 private:
  // The tokens of a host's GPU that go to `other`, or come back from there.
  void AddTokens(std::uint32_t host, std::uint32_t gpu, std::uint32_t other) {
    const std::uint32_t at = host * per_host_ + gpu, relay = other * per_host_ + gpu;
    edge_.first_slice = at;
    const auto first = static_cast<std::uint32_t>(pattern_.edges.size());
    if (!combine_ && host != other) Add(at, relay, shares_.host);
    for (std::uint32_t peer = 0; peer < per_host_; ++peer) {
      if (peer == gpu) continue;
      const std::uint32_t expert = other * per_host_ + peer;
      if (!combine_ && host != other) Feed(first);
      combine_ ? Add(expert, relay, shares_.gpu) : Add(relay, expert, shares_.gpu);
    }
    if (!combine_ || host == other) return;
    for (std::uint32_t i = 0; i + 1 < per_host_; ++i) Feed(first + i);
    Add(relay, at, shares_.host);
  }

  void Feed(std::uint32_t edge) {
    pattern_.feeds.push_back({edge, 0});
    ++edge_.feed_count;
  }

  void Add(std::uint32_t from, std::uint32_t to, double share) {
    const WireRatio ratio = RatioOf(share);
    edge_.wire_num = ratio.num;
    edge_.wire_den = ratio.den;
    edge_.first_feed = static_cast<std::uint32_t>(pattern_.feeds.size()) - edge_.feed_count;
    ConnectEdge(fabric_, communicator_.members[from].gpu, communicator_.members[to].gpu,
                options_.qps, edge_);
    pattern_.edges.push_back(edge_);
    edge_.feed_count = 0;
  }

  const Fabric& fabric_;
  const Communicator& communicator_;
  const BuildOptions& options_;
  bool combine_;
  std::uint32_t hosts_, per_host_;
  MoeShares shares_;
  Pattern pattern_;
  Edge edge_;
};

}  // namespace

MoeShares SharesOfMoe(const MoeRouting& routing, int hosts, int per_host) {
  const int limit = routing.hosts > 0 ? std::min(routing.hosts, hosts) : hosts;
  const int of_gpu = routing.experts / (hosts * per_host), of_host = of_gpu * per_host;
  WEFT_CHECK(of_gpu * hosts * per_host == routing.experts);
  WEFT_CHECK(routing.top_k >= 1 && routing.top_k <= of_host * limit);
  const double reached = static_cast<double>(limit) / hosts;
  return {reached * ChanceOfHit(of_host * limit, of_host, routing.top_k),
          reached * ChanceOfHit(of_host * limit, of_gpu, routing.top_k)};
}

bool MoeDoes(CollectiveSpec::Op op) {
  return op == CollectiveSpec::MOE_DISPATCH || op == CollectiveSpec::MOE_COMBINE;
}

std::uint16_t MoeChannels(const Communicator&) { return 1; }

Pattern BuildMoeHierarchical(const Fabric& fabric, const Communicator& communicator,
                             CollectiveSpec::Op op, std::uint16_t channels,
                             const BuildOptions& options) {
  WEFT_CHECK(channels == 1 && MoeDoes(op));
  return MoeMaker(fabric, communicator, op, options).Hierarchical();
}

Pattern BuildMoeEveryExpert(const Fabric& fabric, const Communicator& communicator,
                            CollectiveSpec::Op op, std::uint16_t channels,
                            const BuildOptions& options) {
  WEFT_CHECK(channels == 1 && MoeDoes(op));
  return MoeMaker(fabric, communicator, op, options).EveryExpert();
}

}  // namespace weft
