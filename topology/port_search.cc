#include "topology/port_search.h"

#include <algorithm>

namespace weft {
namespace {

std::uint64_t At(VertexId nic, LinkId link) {
  return std::uint64_t{Index(nic)} << 32 | Index(link);
}

std::uint32_t Find(const std::unordered_map<std::uint64_t, std::uint32_t>& counts,
                   std::uint64_t key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

void PortSearch::Clear() {
  work_ = {};
  on_link_.clear();
  on_port_.clear();
}

bool BetweenSwitches(const Fabric& fabric, LinkId link) {
  return fabric.vertex(fabric.link(link).from).kind == VertexKind::kSwitch &&
         fabric.vertex(fabric.link(link).to).kind == VertexKind::kSwitch;
}

std::uint32_t PortSearch::Load(VertexId nic, const std::vector<LinkId>& path) const {
  std::uint32_t most = 0;
  for (const LinkId link : path)
    if (BetweenSwitches(router_->fabric(), link))
      most = std::max(most, Find(on_link_, At(nic, link)));
  return most;
}

bool PortSearch::Place(FlowKey& key, HashSeed seed, std::uint32_t qp_of_nic,
                       const LinkState& all_up, std::vector<LinkId>& path) {
  path.clear();
  const Fabric& fabric = router_->fabric();
  const VertexId nic = router_->SourceNic(key.src, key.dst);
  const VertexId dst_nic =
      fabric.vertex(key.dst).kind == VertexKind::kNic ? key.dst : fabric.NicOf(key.dst);
  const LinkId port = fabric.PortLink(nic, key.host_port);
  const std::size_t ways =
      std::max<std::size_t>(router_->NextHopCount(fabric.link(port).to, dst_nic), 1);
  std::uint32_t& placed = on_port_[At(nic, port)];
  const auto fewest = static_cast<std::uint32_t>(placed / ways);
  const std::size_t tries = ways == 1 ? 1 : kTriesPerWay * ways;
  std::uint32_t least = 0xffffffff;
  FlowKey trial = key;
  for (std::uint32_t t = 0; t < tries && least > fewest; ++t) {
    trial.entropy = router_->UdpPort(nic, dst_nic, seed, qp_of_nic, t);
    ++work_.tried;
    if (!router_->Path(trial, seed, all_up, trial_)) return false;
    const std::uint32_t load = Load(nic, trial_);
    if (load >= least) continue;
    least = load;
    key.entropy = trial.entropy;
    path = trial_;
  }
  ++work_.qps;
  if (least > fewest) ++work_.shared;
  ++placed;
  for (const LinkId link : path)
    if (BetweenSwitches(fabric, link)) ++on_link_[At(nic, link)];
  return true;
}

}  // namespace weft
