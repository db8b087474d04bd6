// The depth-first walk of NCCL's search: one attempt at given rates and path kinds.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "workloads/collectives/nccl/search.h"

namespace weft {

// A graph under way, with what it asks for.
struct NcclTrial : NcclGraph {
  std::uint32_t least = 1, most = 64;
  int hops = 0;  // links of all its channels
};

class NcclWalk {
 public:
  NcclWalk(const NcclSystem& system, const NcclRules& rules);

  // Extends `trial`, which has no channels, and copies it to `best` whenever it is better. Returns
  // what is left of `budget`: 0 out of steps, -1 nothing better is possible.
  int Run(NcclTrial& trial, NcclTrial& best, int budget);

 private:
  // What a channel under way still has to do.
  struct Plan {
    static constexpr int kNever = -1;
    int to_net = kNever;    // at this GPU go to the NIC
    int to_first = kNever;  // after this GPU close the ring
    enum class Order : std::uint8_t { kFree, kByNumber, kAgain } order = Order::kFree;
  };

  void Channel();
  void ChannelOnNode(Plan plan);
  void ChannelFromNet(Plan plan);
  void TryNet(Plan plan, std::uint32_t net);
  void TryHead(Plan plan, std::uint32_t net, bool& found);
  void TryGpu(Plan plan, std::uint32_t from, std::uint32_t gpu, std::uint32_t step);
  void AtGpu(Plan plan, std::uint32_t gpu, std::uint32_t step);
  void ToNet(Plan plan, std::uint32_t gpu, std::uint32_t step);
  void ToNextGpus(Plan plan, std::uint32_t gpu, std::uint32_t step);
  void Head(std::uint32_t gpu);
  void DirectHead(std::uint32_t gpu);
  void Complete();

  bool Better() const;
  bool MayLeave(std::uint32_t net, std::uint32_t step) const;
  std::vector<std::uint32_t> NextGpus(std::uint32_t gpu, int sort_by_net) const;
  std::vector<std::uint32_t> Neighbours(std::uint32_t gpu) const;
  const std::vector<std::uint32_t>& Nets(std::uint32_t gpu);
  int GpuPcieRate(std::uint32_t gpu) const;

  // Takes `times` the trial's rate from the links between two vertices; false, with nothing
  // taken, where it does not fit or the path is too far. Negative: gives it back.
  bool Take(std::uint32_t from, std::uint32_t to, float times, float inter_share = 1);
  std::size_t TakeLinks(const NcclRoute& route, std::uint32_t from, std::size_t count, float rate);

  const NcclSystem& system_;
  const NcclRules& rules_;
  NcclTrial* trial_ = nullptr;
  NcclTrial* best_ = nullptr;
  int budget_ = 0;
  std::vector<float> link_rate_, net_rate_;  // what is left
  std::vector<bool> used_;                   // GPUs of the channel under way
  std::map<std::pair<int, std::uint32_t>, std::vector<std::uint32_t>> nets_;  // by kind, GPU
};

}  // namespace weft
