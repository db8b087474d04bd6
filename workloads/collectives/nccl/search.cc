#include "workloads/collectives/nccl/search.h"

#include <algorithm>

#include "base/check.h"
#include "workloads/collectives/nccl/walk_internal.h"

namespace weft {
namespace {

using Pattern = NcclGraph::Pattern;

constexpr int kAllSteps = 1 << 19, kSteps = 1 << 14, kStepsSameChannels = 1 << 8;

NcclPath Farther(NcclPath path) { return static_cast<NcclPath>(static_cast<int>(path) + 1); }

bool IsRing(Pattern pattern) { return pattern == Pattern::kRing; }

// One search: what it asks for now, the best found, and how to relax.
class Search {
 public:
  Search(const NcclSystem& system, const NcclRules& rules, Pattern pattern, NcclSearchBounds bounds,
         bool collnet);
  NcclGraph Find();

 private:
  void SetPaths();
  void SetBounds(NcclSearchBounds bounds);
  int Attempt();
  bool Enough(int left) const;
  bool Relax(int left);
  bool RelaxPaths();
  void SetRate(float rate) { trial_.rate_intra = trial_.rate_inter = rate; }
  std::size_t FirstAtMost(float rate) const;
  void DoubleWideChannels();
  void RaiseRates();
  void FallBack();

  const NcclSystem& system_;
  NcclWalk walk_;
  bool raise_nvls_ = true, far_nics_ = false;
  NcclRules::Speeds speeds_;
  NcclTrial trial_, best_;
  NcclPath nearest_intra_ = NcclPath::kLocal, farthest_intra_ = NcclPath::kSocket;
  NcclPath nearest_inter_ = NcclPath::kPci, farthest_inter_ = NcclPath::kSocket;
  bool try_same_ = true, may_cross_ = false;
  std::size_t speed_ = 0;
  std::int64_t steps_left_ = kAllSteps;
};

Search::Search(const NcclSystem& system, const NcclRules& rules, Pattern pattern,
               NcclSearchBounds bounds, bool collnet)
    : system_(system),
      walk_(system, rules),
      raise_nvls_(rules.raise_nvls),
      far_nics_(rules.far_nics_before_hopper && system.compute_capability() < 90),
      speeds_(SearchSpeeds(rules, system.compute_capability(), system.several_nodes())) {
  try_same_ = pattern != Pattern::kNvls;
  may_cross_ = system.nets().size() > 1 && (IsRing(pattern) || pattern == Pattern::kBalancedTree ||
                                            pattern == Pattern::kSplitTree);
  best_.pattern = pattern;
  best_.collnet = collnet;
  SetPaths();
  best_.type_intra = nearest_intra_;
  best_.type_inter = nearest_inter_;
  best_.same_channels = try_same_;
  SetBounds(bounds);
  if (system.gpus().size() == 1 && !IsRing(pattern)) best_.pattern = Pattern::kTree;
  trial_ = best_;
}

void Search::SetPaths() {
  const auto gpus = static_cast<std::uint32_t>(system_.gpus().size());
  if (gpus > 1) {
    nearest_intra_ = NcclPath::kSocket;
    farthest_intra_ = NcclPath::kLocal;
    for (std::uint32_t a = 0; a < gpus; ++a)
      for (std::uint32_t b = 0; b < gpus; ++b)
        if (a != b) {
          nearest_intra_ = std::min(nearest_intra_, system_.GpuToGpu(a, b).type);
          farthest_intra_ = std::max(farthest_intra_, system_.GpuToGpu(a, b).type);
        }
  }
  if (!system_.several_nodes()) return;
  nearest_inter_ = NcclPath::kSocket;
  farthest_inter_ = NcclPath::kLocal;
  for (std::uint32_t g = 0; g < gpus; ++g)
    for (std::uint32_t n = 0; n < system_.nets().size(); ++n) {
      nearest_inter_ = std::min(nearest_inter_, system_.GpuToNet(g, n).type);
      farthest_inter_ = std::max(farthest_inter_, system_.GpuToNet(g, n).type);
    }
  farthest_intra_ = farthest_inter_;
  if (far_nics_) farthest_inter_ = NcclPath::kSocket;
}

void Search::SetBounds(NcclSearchBounds bounds) {
  const auto gpus = static_cast<std::uint32_t>(system_.gpus().size());
  best_.least = bounds.least;
  best_.most = bounds.most;
  if (best_.pattern == Pattern::kNvls) best_.most = std::min(32U, gpus);
  if (best_.pattern == Pattern::kCollNetDirect) best_.most = std::min(8U, gpus);
  // NVLS on one node pulls evenly from all GPUs.
  if (!system_.several_nodes() && best_.pattern == Pattern::kNvls) best_.least = best_.most;
  // Trees do well over two NVLink islands but need two channels; rings must have as many.
  if (IsRing(best_.pattern) && best_.most >= 2 && best_.least == 1 && system_.split_nvlink())
    best_.least = 2;
}

std::size_t Search::FirstAtMost(float rate) const {
  std::size_t i = 0;
  while (i + 1 < speeds_.size() && speeds_[i] > rate) ++i;
  return i;
}

int Search::Attempt() {
  const int steps = trial_.same_channels ? kStepsSameChannels : kSteps;
  steps_left_ -= steps;
  return walk_.Run(trial_, best_, steps);
}

bool Search::Enough(int left) const {
  return left == -1 ||
         static_cast<float>(best_.channels()) * best_.rate_inter >= system_.widest_gpu();
}

// Farther paths, then farther NICs, as far as the best found does not have them already.
bool Search::RelaxPaths() {
  const bool none = best_.channels() == 0;
  const NcclPath most = system_.several_nodes() ? trial_.type_inter : farthest_intra_;
  if (trial_.type_intra < most && (none || trial_.type_intra < best_.type_intra)) {
    trial_.type_intra = Farther(trial_.type_intra);
    if (trial_.type_intra < NcclPath::kNone) return true;
  }
  trial_.type_intra = nearest_intra_;
  if (system_.several_nodes() && trial_.type_inter < farthest_inter_ &&
      (none || trial_.type_inter < best_.type_inter || trial_.type_inter < NcclPath::kGpuRelay)) {
    trial_.type_inter = Farther(trial_.type_inter);
    if (trial_.type_inter < NcclPath::kNone) return true;
  }
  trial_.type_inter = nearest_inter_;
  return false;
}

// Asks for less; false: there is no less, or no step is left. `left`: of the last attempt's.
bool Search::Relax(int left) {
  const bool over_amd =
      system_.cpu() == HostSpec::CPU_AMD && trial_.type_intra == NcclPath::kSocket;
  if (trial_.same_channels && !over_amd) {
    trial_.same_channels = false;
    return true;
  }
  trial_.same_channels = try_same_;
  steps_left_ += left;
  if (steps_left_ < 0 && best_.channels() > 0) return false;
  if (system_.compute_capability() >= 90 && trial_.pattern == Pattern::kBalancedTree) {
    trial_.pattern = Pattern::kTree;
    return true;
  }
  trial_.pattern = best_.pattern;
  if (RelaxPaths()) return true;
  if (may_cross_ && trial_.cross_nic == 0 &&
      (IsRing(best_.pattern) || best_.pattern == Pattern::kBalancedTree)) {
    trial_.cross_nic = 2;
    return true;
  }
  trial_.cross_nic = 0;
  if (speed_ + 1 < speeds_.size() &&
      (best_.channels() == 0 || speeds_[speed_ + 1] / best_.rate_inter > .49F)) {
    SetRate(speeds_[++speed_]);
    return true;
  }
  return false;
}

// Channels wide enough for two halves become two.
void Search::DoubleWideChannels() {
  const std::uint32_t channels = best_.channels();
  if (channels == 0 || best_.pattern == Pattern::kNvls || best_.rate_intra < 25) return;
  if (system_.compute_capability() > 80 && best_.rate_intra < 50 && channels > 4) return;
  const std::uint32_t doubled = std::min(channels * 2, best_.most);
  for (std::uint32_t c = channels; c < doubled; ++c) {
    best_.gpus.push_back(best_.gpus[c - channels]);
    if (!best_.nets.empty()) best_.nets.push_back(best_.nets[c - channels]);
  }
  const auto parts = static_cast<float>((doubled + channels - 1) / channels);
  best_.rate_intra /= parts;
  best_.rate_inter /= parts;
}

// With as many channels: a ring's rates, a tree's rate inside, NVLS's on the network.
void Search::RaiseRates() {
  trial_ = best_;
  speed_ = FirstAtMost(best_.rate_inter);
  SetRate(speeds_[speed_]);
  trial_.least = best_.channels();
  for (int left = -1; left != 0 && speed_ > 0;) {
    if (IsRing(best_.pattern)) {
      SetRate(speeds_[--speed_]);
    } else if (best_.pattern == Pattern::kNvls && !raise_nvls_) {
      return;
    } else if (best_.pattern == Pattern::kNvls && trial_.rate_inter == best_.rate_inter &&
               trial_.rate_inter < trial_.rate_intra * 2) {
      trial_.least = trial_.most = best_.channels();
      trial_.rate_inter = speeds_[--speed_];
    } else if (trial_.rate_intra == best_.rate_intra && trial_.rate_intra < trial_.rate_inter * 2) {
      trial_.rate_intra = speeds_[--speed_];
    } else {
      return;
    }
    left = Attempt();
  }
}

// GPUs by number, one channel that moves next to nothing.
void Search::FallBack() {
  std::vector<std::uint32_t> order(system_.gpus().size());
  for (std::uint32_t g = 0; g < order.size(); ++g) order[g] = g;
  best_.gpus = {order};
  best_.nets.clear();
  if (system_.several_nodes()) best_.nets.push_back({0, 0});
  best_.rate_intra = best_.rate_inter = 0.1F;
  best_.type_intra = best_.type_inter = NcclPath::kSocket;
}

NcclGraph Search::Find() {
  const auto gpus = static_cast<float>(system_.gpus().size());
  float most = system_.widest_gpu();
  if (gpus > 1 && !IsRing(best_.pattern)) most *= gpus / (gpus - 1);
  while (speed_ + 1 < speeds_.size() && (speeds_[speed_] > system_.widest_route() ||
                                         speeds_[speed_] * static_cast<float>(best_.least) > most))
    ++speed_;
  SetRate(speeds_[speed_]);
  for (;;) {
    const int left = Attempt();
    if (Enough(left) || !Relax(left)) break;
  }
  DoubleWideChannels();
  RaiseRates();
  const bool may_be_none = best_.collnet || best_.pattern == Pattern::kNvls;
  if (best_.channels() == 0 && !may_be_none) FallBack();
  return best_;
}

}  // namespace

NcclGraph SearchNcclGraph(const NcclSystem& system, const NcclRules& rules, Pattern pattern,
                          NcclSearchBounds bounds, bool collnet) {
  WEFT_CHECK(bounds.least <= bounds.most && bounds.least > 0);
  if (pattern == Pattern::kNvls &&
      (system.nvswitch() == kNoNcclVertex || system.compute_capability() < 90)) {
    NcclGraph none;
    none.pattern = pattern;
    return none;
  }
  return Search(system, rules, pattern, bounds, collnet).Find();
}

}  // namespace weft
