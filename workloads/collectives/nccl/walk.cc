#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "workloads/collectives/nccl/walk_internal.h"

namespace weft {
namespace {

using Kind = NcclVertex::Kind;
using Pattern = NcclGraph::Pattern;

constexpr std::uint32_t kAnyGpu = 0xffffffff;

bool IsInside(const NcclVertex& vertex) {
  return vertex.kind == Kind::kGpu || vertex.kind == Kind::kNvswitch;
}

bool IsIntel(HostSpec::Cpu cpu) {
  return cpu == HostSpec::CPU_INTEL_BROADWELL || cpu == HostSpec::CPU_INTEL_SKYLAKE ||
         cpu == HostSpec::CPU_INTEL_SAPPHIRE_RAPIDS || cpu == HostSpec::CPU_INTEL_EMERALD_RAPIDS;
}

bool IsTree(Pattern pattern) {
  return pattern == Pattern::kBalancedTree || pattern == Pattern::kTree ||
         pattern == Pattern::kSplitTree;
}

float ToThreeDecimals(float rate) { return std::round(rate * 1000) / 1000; }

}  // namespace

NcclWalk::NcclWalk(const NcclSystem& system, const NcclRules& rules)
    : system_(system), rules_(rules) {
  for (const NcclLink& link : system.links()) link_rate_.push_back(link.rate);
  net_rate_ = system.net_rate();
  used_.assign(system.gpus().size(), false);
}

int NcclWalk::Run(NcclTrial& trial, NcclTrial& best, int budget) {
  trial_ = &trial;
  best_ = &best;
  budget_ = budget;
  trial.gpus.clear();
  trial.nets.clear();
  Channel();
  return budget_;
}

std::size_t NcclWalk::TakeLinks(const NcclRoute& route, std::uint32_t from, std::size_t count,
                                float rate) {
  const Kind start = system_.vertices()[from].kind;
  float pcie = rate;  // Intel's root complex splits what GPUs send each other into small packets
  if (route.type == NcclPath::kCpu && start == Kind::kGpu && IsIntel(system_.cpu()))
    for (const std::uint32_t l : route.links)
      if (system_.vertices()[system_.links()[l].to].kind == Kind::kCpu) pcie = rate * 6 / 5;
  for (std::size_t i = 0; i < count; ++i) {
    const NcclLink& link = system_.links()[route.links[i]];
    const NcclVertex& to = system_.vertices()[link.to];
    const float forward = link.type == NcclPath::kPci ? pcie : rate;
    // Before Ampere a read's requests load the way back; POWER's NVLink to the CPU is shared.
    float backward = 0;
    if (to.kind == Kind::kGpu && system_.compute_capability() < 80 && start != Kind::kGpu)
      backward += forward / 8;
    if (to.kind == Kind::kCpu && system_.cpu() == HostSpec::CPU_POWER &&
        link.type == NcclPath::kNvlink)
      backward += forward;
    float* reverse = nullptr;
    if (backward != 0)
      for (const std::uint32_t r : to.links)
        if (system_.links()[r].to == link.from && system_.links()[r].type == link.type) {
          reverse = &link_rate_[r];
          break;
        }
    float& left = link_rate_[route.links[i]];
    if (left < forward || (reverse != nullptr && *reverse < backward)) return i;
    left = ToThreeDecimals(left - forward);
    if (reverse != nullptr) *reverse = ToThreeDecimals(*reverse - backward);
  }
  return count;
}

bool NcclWalk::Take(std::uint32_t from, std::uint32_t to, float times, float inter_share) {
  const bool inside = IsInside(system_.vertices()[from]) && IsInside(system_.vertices()[to]);
  const NcclRoute& route = system_.Route(from, to);
  const NcclPath farthest = inside ? trial_->type_intra : trial_->type_inter;
  if (route.type >= NcclPath::kNone) return false;
  if (times == 1 && route.type > farthest) return false;
  if (times == 1 && IsTree(trial_->pattern) && system_.Route(to, from).type > farthest)
    return false;
  const float rate = (inside ? trial_->rate_intra : trial_->rate_inter / inter_share) * times;
  const std::size_t taken = TakeLinks(route, from, route.links.size(), rate);
  if (taken < route.links.size()) {
    TakeLinks(route, from, taken, -rate);
    return false;
  }
  trial_->hops += static_cast<int>(times * static_cast<float>(route.links.size()));
  return true;
}

bool NcclWalk::Better() const {
  const std::uint32_t channels = trial_->channels(), others = best_->channels();
  const auto rate = [](std::uint32_t count, float each) {
    return static_cast<float>(count) * each;
  };
  if (channels < trial_->least) return false;
  if (trial_->pattern == Pattern::kNvls) {
    return (channels > others && channels <= system_.gpus().size()) ||
           rate(channels, trial_->rate_inter) > rate(others, best_->rate_inter);
  }
  const bool own_crosses = trial_->cross_nic != 0, other_crosses = best_->cross_nic != 0;
  const float gain = own_crosses == other_crosses ? 1
                     : own_crosses                ? 2 - rules_.cross_nic_gain
                                                  : rules_.cross_nic_gain;
  const float own = rate(channels, trial_->rate_intra);
  const float other = rate(others, best_->rate_intra) * gain;
  if (own != other) return own > other;
  return trial_->pattern == best_->pattern && trial_->cross_nic == best_->cross_nic &&
         trial_->hops < best_->hops;
}

// The channel is whole: keep what is better, and go on to the next channel.
void NcclWalk::Complete() {
  if (Better()) {
    *best_ = *trial_;
    if (trial_->channels() == trial_->most) budget_ = -1;
  }
  if (trial_->channels() < trial_->most) {
    std::vector<bool> used(used_.size(), false);
    used.swap(used_);
    Channel();
    used.swap(used_);
  }
}

void NcclWalk::Channel() {
  Plan plan;
  const auto last = static_cast<int>(system_.gpus().size()) - 1;
  const bool ring = trial_->pattern == Pattern::kRing;
  if (system_.several_nodes()) {
    plan.to_net = ring ? last : trial_->pattern == Pattern::kSplitTree ? 1 : 0;
    ChannelFromNet(plan);
  } else {
    if (ring) plan.to_first = last;
    ChannelOnNode(plan);
  }
}

void NcclWalk::ChannelOnNode(Plan plan) {
  const std::uint32_t channels = trial_->channels();
  trial_->gpus.emplace_back(system_.gpus().size());
  const auto with = [plan](Plan::Order order) {
    Plan out = plan;
    out.order = order;
    return out;
  };
  if (trial_->pattern == Pattern::kNvls) {
    TryGpu(plan, kNoNcclVertex, channels, 0);
  } else {
    // A first channel tries the GPUs by number, later ones the last channel again.
    if (channels == 0)
      TryGpu(with(Plan::Order::kByNumber), kNoNcclVertex, 0, 0);
    else
      TryGpu(with(Plan::Order::kAgain), kNoNcclVertex, trial_->gpus[channels - 1][0], 0);
    if (!trial_->same_channels || channels == 0)
      for (std::uint32_t g = 0; g < system_.gpus().size(); ++g) TryGpu(plan, kNoNcclVertex, g, 0);
  }
  trial_->gpus.pop_back();
}

void NcclWalk::ChannelFromNet(Plan plan) {
  const auto whole = static_cast<float>(static_cast<int>(trial_->rate_inter));
  const std::vector<std::uint32_t>& nets = Nets(kAnyGpu);
  const std::uint32_t channels = trial_->channels();
  const auto count = static_cast<std::uint32_t>(nets.size());
  bool head_found = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool heads =
        trial_->pattern == Pattern::kNvls || trial_->pattern == Pattern::kCollNetDirect;
    if (heads && head_found) break;
    const std::uint32_t net = nets[(channels + i) % count];
    if (net_rate_[net] < whole) continue;
    if (trial_->pattern == Pattern::kRing && trial_->cross_nic == 2 && channels % 2 == 1 &&
        net != trial_->nets[channels - 1][1])
      continue;
    trial_->gpus.emplace_back(system_.gpus().size());
    trial_->nets.push_back({net, net});
    net_rate_[net] -= whole;
    if (!heads) {
      TryNet(plan, net);
    } else if (channels < count) {
      TryHead(plan, net, head_found);
    }
    net_rate_[net] += whole;
    trial_->gpus.pop_back();
    trial_->nets.pop_back();
  }
}

void NcclWalk::TryHead(Plan plan, std::uint32_t net, bool& found) {
  const std::uint32_t gpu = system_.LocalGpu(net), channels = trial_->channels() - 1;
  if (gpu == kNoNcclVertex) return;
  for (std::uint32_t c = 0; c < channels; ++c)
    if (trial_->gpus[c][0] == gpu) return;
  TryGpu(plan, system_.nets()[net], gpu, 0);
  found = true;
}

void NcclWalk::TryNet(Plan plan, std::uint32_t net) {
  const std::uint32_t from = system_.nets()[net], channels = trial_->channels() - 1;
  if (channels > 0 && trial_->same_channels) {
    plan.order = Plan::Order::kAgain;
    TryGpu(plan, from, trial_->gpus[channels - 1][0], 0);
    return;
  }
  if (channels == 0 && (system_.nvswitch() == kNoNcclVertex || !rules_.neighbours_only)) {
    // The GPUs by number first, as a reference, on a budget of its own.
    Plan by_number = plan;
    by_number.order = Plan::Order::kByNumber;
    const int budget = std::exchange(budget_, 1 << 10);
    TryGpu(by_number, from, 0, 0);
    budget_ = budget_ == -1 ? -1 : budget;
  }
  const std::uint32_t local = system_.LocalGpu(net);
  if (local != kNoNcclVertex) TryGpu(plan, from, local, 0);
  for (const std::uint32_t gpu : system_.NearestGpus(net))
    if (gpu != local) TryGpu(plan, from, gpu, 0);
}

void NcclWalk::TryGpu(Plan plan, std::uint32_t from, std::uint32_t gpu, std::uint32_t step) {
  const std::uint32_t to = system_.gpus()[gpu];
  if (from != kNoNcclVertex && !Take(from, to, 1)) return;
  used_[gpu] = !used_[gpu];
  AtGpu(plan, gpu, step);
  used_[gpu] = !used_[gpu];
  if (from != kNoNcclVertex) Take(from, to, -1);
}

void NcclWalk::AtGpu(Plan plan, std::uint32_t gpu, std::uint32_t step) {
  if (budget_ <= 0) return;
  --budget_;
  const auto count = static_cast<std::uint32_t>(system_.gpus().size());
  if (step == count) {
    Complete();
    return;
  }
  trial_->gpus.back()[step] = gpu;
  const auto at = static_cast<int>(step);
  if (at == plan.to_net) {
    if (system_.several_nodes()) ToNet(plan, gpu, step);
  } else if (trial_->pattern == Pattern::kNvls) {
    Head(gpu);
  } else if (trial_->pattern == Pattern::kCollNetDirect) {
    DirectHead(gpu);
  } else if (step < count - 1) {
    ToNextGpus(plan, gpu, step);
  } else if (at == plan.to_first) {
    const std::uint32_t first = trial_->gpus.back()[0];
    if (!Take(system_.gpus()[gpu], system_.gpus()[first], 1)) return;
    plan.to_first = Plan::kNever;
    AtGpu(plan, first, step + 1);
    Take(system_.gpus()[gpu], system_.gpus()[first], -1);
  } else {
    plan.to_net = plan.to_first = Plan::kNever;
    AtGpu(plan, gpu, count);
  }
}

// Whether the channel under way may leave by `net`.
bool NcclWalk::MayLeave(std::uint32_t net, std::uint32_t step) const {
  const std::uint32_t channels = trial_->channels() - 1, start = trial_->nets.back()[0];
  if (trial_->pattern == Pattern::kTree && net != start) return false;
  if (trial_->pattern == Pattern::kRing && trial_->cross_nic == 2) {
    if (channels % 2 == 1 && net != trial_->nets[channels - 1][0]) return false;
  } else if (trial_->cross_nic == 0 && net != start) {
    return false;
  }
  return trial_->pattern != Pattern::kBalancedTree || step == 0 || net == trial_->nets.back()[1];
}

void NcclWalk::ToNet(Plan plan, std::uint32_t gpu, std::uint32_t step) {
  const bool balanced = trial_->pattern == Pattern::kBalancedTree;
  const float share = balanced ? 2 : 1;  // half on each of the first two GPUs
  const int after = balanced && step == 0 ? 1 : Plan::kNever;
  const std::uint32_t from = system_.gpus()[gpu];
  for (const std::uint32_t net : std::vector(Nets(gpu))) {
    if (!MayLeave(net, step)) continue;
    if (!Take(from, system_.nets()[net], 1, share)) continue;
    trial_->nets.back()[1] = net;
    plan.to_net = after;
    AtGpu(plan, gpu, step);
    Take(from, system_.nets()[net], -1, share);
  }
}

void NcclWalk::ToNextGpus(Plan plan, std::uint32_t gpu, std::uint32_t step) {
  std::vector<std::uint32_t> next;
  const auto at = static_cast<int>(step);
  switch (plan.order) {
    case Plan::Order::kByNumber:
      next = {step + 1};
      break;
    case Plan::Order::kAgain:
      next = {trial_->gpus[trial_->channels() - 2][step + 1]};
      break;
    case Plan::Order::kFree:
      next = NextGpus(gpu, plan.to_net == Plan::kNever ? 0 : plan.to_net == at + 1 ? 1 : -1);
      break;
  }
  for (const std::uint32_t other : next) TryGpu(plan, system_.gpus()[gpu], other, step + 1);
}

}  // namespace weft
