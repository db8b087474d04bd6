// Small fabrics for tests: hosts as asked for, every NIC on one switch, or host h on leaf h mod
// `leaves` below two spines.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/fabric.h"
#include "topology/placement.h"

namespace weft {

struct TestHost {
  std::uint16_t gpus = 1, nics = 1;
  std::uint16_t segment = 0;
  bool nvswitch = true;
};

inline Fabric MakeTestFabric(const std::vector<TestHost>& hosts, std::size_t leaves = 1) {
  FabricBuilder builder(1);
  std::vector<HostId> ids;
  for (const TestHost& host : hosts) {
    HostShape shape;
    shape.gpus = host.gpus;
    shape.nics = host.nics;
    if (host.nvswitch) shape.nvlink = GigabitsPerSecond(3600);
    shape.pcie = GigabitsPerSecond(512);
    ids.push_back(builder.AddHost(shape, 0, host.segment));
  }
  Vertex leaf;
  leaf.kind = VertexKind::kSwitch;
  leaf.tier = 1;
  std::vector<VertexId> bottom;
  for (std::size_t i = 0; i < leaves; ++i) bottom.push_back(builder.AddSwitch(leaf));
  for (std::size_t h = 0; h < hosts.size(); ++h)
    for (std::uint16_t nic = 0; nic < hosts[h].nics; ++nic)
      builder.AddCable(builder.nic(ids[h], nic), bottom[h % leaves], GigabitsPerSecond(400),
                       SimDuration(0), 0);
  builder.SetNaming({{"leaf"}});
  if (leaves < 2) return builder.Build();
  leaf.tier = 2;
  for (int i = 0; i < 2; ++i) {
    const VertexId spine = builder.AddSwitch(leaf);
    for (const VertexId below : bottom)
      builder.AddCable(below, spine, GigabitsPerSecond(400), SimDuration(0), 0);
  }
  builder.SetNaming({{"leaf"}, {"spine"}});
  return builder.Build();
}

// Rank r on GPU r.
inline Placement PlaceAll(const Fabric& fabric) {
  Placement placement;
  for (std::uint32_t gpu = 0; gpu < fabric.gpu_count(); ++gpu)
    placement.gpu_of_rank.push_back(GpuId{gpu});
  return placement;
}

}  // namespace weft
