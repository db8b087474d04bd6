#include "workloads/collectives/nccl/efa_tuner.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "workloads/collectives/nccl/comm.h"

namespace weft {
namespace {

using Algorithm = NcclAlgorithm;
using Protocol = NcclProtocol;

struct Point {
  double bytes = 0, ranks = 0;
};

struct Area {
  NcclPair pair;
  std::vector<Point> corners;
};

// The plugin's plane ends here.
constexpr Point kFarthest = {100.0 * (1LL << 30), 1 << 20};

// Where the line from a through b leaves the plane.
Point Beyond(Point a, Point b) {
  if (a.bytes == b.bytes) return {a.bytes, kFarthest.ranks};
  if (a.ranks == b.ranks) return {kFarthest.bytes, a.ranks};
  const double slope = (a.ranks - b.ranks) / (a.bytes - b.bytes);
  const double at_zero = b.ranks - slope * b.bytes;
  const double ranks = slope * kFarthest.bytes + at_zero;
  if (ranks < kFarthest.ranks) return {kFarthest.bytes, ranks};
  return {(kFarthest.ranks - at_zero) / slope, kFarthest.ranks};
}

constexpr NcclPair kTreeLl = {Algorithm::kTree, Protocol::kLl};
constexpr NcclPair kTreeLl128 = {Algorithm::kTree, Protocol::kLl128};
constexpr NcclPair kRingLl = {Algorithm::kRing, Protocol::kLl};
constexpr NcclPair kRingLl128 = {Algorithm::kRing, Protocol::kLl128};
constexpr NcclPair kRingSimple = {Algorithm::kRing, Protocol::kSimple};
constexpr NcclPair kNvlsTreeSimple = {Algorithm::kNvlsTree, Protocol::kSimple};

// All-reduce on p5 and p5e [AWS-OFI v1.16.3 src/tuner/nccl_ofi_regions.cpp].
std::vector<Area> P5AllReduce() {
  const Point tree = Beyond({402653184, 2048}, {402653184, 4096});
  const Point ring = Beyond({8053063680, 160}, {9663676416, 192});
  return {{kTreeLl128,
           {{0, 16},
            {31457280, 16},
            {37748736, 32},
            {117440512, 64},
            {301989888, 128},
            {301989888, 256},
            {335544320, 512},
            {536870912, 1024},
            {402653184, 2048},
            {402653184, 4096},
            tree,
            {0, tree.ranks}}},
          {kRingLl128,
           {{31457280, 17},
            {1073741824, 17},
            {2147483648, 64},
            {2147483648, 128},
            {1342177280, 160},
            {2147483648, 256},
            {1074790400, 256},
            {444596224, 160},
            {301989888, 128},
            {117440512, 64},
            {37748736, 32}}},
          {kNvlsTreeSimple,
           {{2147483648, 128},
            {6442450944, 128},
            {8053063680, 160},
            {9663676416, 192},
            ring,
            tree,
            {402653184, 4096},
            {402653184, 2048},
            {536870912, 1024},
            {335544320, 512},
            {301989888, 256},
            {310378496, 160},
            {444596224, 160},
            {1074790400, 256},
            {2684354560, 256},
            {2147483648, 224},
            {1342177280, 160}}},
          {kRingSimple,
           {{1073741824, 17},
            {ring.bytes, 17},
            ring,
            {9663676416, 192},
            {8053063680, 160},
            {2684354560, 64},
            {1610612736, 32}}}};
}

// All-reduce on p5en, likewise.
std::vector<Area> P5enAllReduce() {
  const Point ll = Beyond({262144, 192}, {262144, 1024});
  const Point ll128 = Beyond({150994944, 128}, {251658240, 1024});
  const Point nvls = Beyond({6442450944, 256}, {17179869184, 768});
  return {{kTreeLl, {{0, 16}, {262144, 16}, {262144, 1024}, ll}},
          {kTreeLl128,
           {ll,
            {262144, 1024},
            {262144, 16},
            {14680064, 16},
            {150994944, 128},
            {251658240, 1024},
            ll128}},
          {kRingLl128,
           {{150994944, 128}, {14680064, 16}, {33554432, 16}, {536870912, 32}, {536870912, 128}}},
          {kNvlsTreeSimple,
           {ll128,
            {251658240, 1024},
            {150994944, 128},
            {536870912, 128},
            {536870912, 32},
            {6442450944, 256},
            {17179869184, 768},
            nvls}},
          {kRingSimple,
           {nvls,
            {17179869184, 768},
            {6442450944, 256},
            {536870912, 32},
            {33554432, 16},
            {1073741824, 16},
            {kFarthest.bytes, 16}}}};
}

// All-gather and reduce-scatter on p5en, likewise.
std::vector<Area> P5enGather() {
  const Point ll = Beyond({8388608, 256}, {33554432, 1024});
  const Point ll128 = Beyond({8589934592, 512}, {17179869184, 1024});
  return {{kRingLl,
           {{0, 16},
            {131072, 16},
            {262144, 32},
            {8388608, 256},
            {33554432, 1024},
            ll,
            {0, kFarthest.ranks}}},
          {kRingLl128,
           {ll,
            {33554432, 1024},
            {8388608, 256},
            {262144, 32},
            {131072, 16},
            {268435456, 16},
            {2147483648, 128},
            {8589934592, 512},
            {17179869184, 1024},
            ll128}},
          {kRingSimple,
           {ll128,
            {17179869184, 1024},
            {8589934592, 512},
            {268435456, 16},
            {17179869184, 16},
            {kFarthest.bytes, 16}}}};
}

// All-reduce on p6-b200, likewise.
std::vector<Area> P6AllReduce() {
  const double far = kFarthest.bytes;
  return {{kTreeLl, {{0, 16}, {262144, 16}, {262144, 1024}, {262144, kFarthest.ranks}}},
          {kTreeLl128,
           {{262144, kFarthest.ranks},
            {262144, 1024},
            {262144, 16},
            {55574528, 16},
            {67108864, 32},
            {465567744, 128},
            {962592768, 256},
            {1610612736, 512},
            {2684354560, 1024},
            {far, 50944},
            {far, kFarthest.ranks}}},
          {kRingLl128,
           {{55574528, 16},
            {87031808, 16},
            {562036736, 32},
            {17179869184, 1024},
            {far, 6408.141},
            {far, 33962.667},
            {3758096384, 1024},
            {2147483648, 512},
            {1610612736, 512},
            {962592768, 256},
            {465567744, 128},
            {67108864, 32}}},
          {kNvlsTreeSimple,
           {{1610612736, 512},
            {2147483648, 512},
            {3758096384, 1024},
            {far, 33962.667},
            {far, 50944},
            {2684354560, 1024}}},
          {kRingSimple,
           {{562036736, 32}, {87031808, 16}, {far, 16}, {far, 6408.141}, {17179869184, 1024}}}};
}

// All-gather and reduce-scatter on p6-b200, likewise.
std::vector<Area> P6Gather() {
  const double far = kFarthest.bytes;
  return {{kRingLl,
           {{0, 16}, {1048576, 16}, {106954752, 1024}, {far, 1021978.297}, {0, kFarthest.ranks}}},
          {kRingLl128,
           {{1048576, 16},
            {268435456, 16},
            {21474836480, 1024},
            {far, 5107.038},
            {far, 1021978.297},
            {106954752, 1024}}},
          {kRingSimple, {{268435456, 16}, {far, 16}, {far, 5107.038}}}};
}

// Made once: a screening asks thousands of times.
const std::vector<Area>& Areas(EfaTuner tuner, NcclOp op) {
  static const std::vector<Area> kNone, kP5 = P5AllReduce(), kP5en = P5enAllReduce(),
                                        kP5enGather = P5enGather(), kP6 = P6AllReduce(),
                                        kP6Gather = P6Gather();
  const bool gathers = op == NcclOp::kAllGather || op == NcclOp::kReduceScatter;
  if (op == NcclOp::kAllReduce) {
    if (tuner == EfaTuner::kP5) return kP5;
    return tuner == EfaTuner::kP5en ? kP5en : kP6;
  }
  if (!gathers || tuner == EfaTuner::kP5) return kNone;
  return tuner == EfaTuner::kP5en ? kP5enGather : kP6Gather;
}

bool OnEdge(Point at, Point a, Point b) {
  const double cross =
      (b.bytes - a.bytes) * (at.ranks - a.ranks) - (b.ranks - a.ranks) * (at.bytes - a.bytes);
  // Coordinates are whole, or reach beyond what is asked for.
  if (std::abs(cross) > 1e-9 * kFarthest.bytes) return false;
  return std::min(a.bytes, b.bytes) <= at.bytes && at.bytes <= std::max(a.bytes, b.bytes) &&
         std::min(a.ranks, b.ranks) <= at.ranks && at.ranks <= std::max(a.ranks, b.ranks);
}

// A ray to larger sizes crosses the edges of what it starts in an odd number of times.
bool Holds(std::span<const Point> corners, Point at) {
  bool inside = false;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Point a = corners[i], b = corners[(i + 1) % corners.size()];
    if (OnEdge(at, a, b)) return true;
    if ((a.ranks > at.ranks) == (b.ranks > at.ranks)) continue;
    const double crossing =
        a.bytes + (at.ranks - a.ranks) / (b.ranks - a.ranks) * (b.bytes - a.bytes);
    if (at.bytes < crossing) inside = !inside;
  }
  return inside;
}

}  // namespace

EfaTuner EfaTunerOf(const HostPart& host, const NcclRules& rules, int nodes, int per_node) {
  constexpr int kRanks = 8, kFirstMinor = 27;
  if (host.transport != HostSpec::EFA || host.gpus != kRanks || per_node != kRanks || nodes <= 2 ||
      rules.minor < kFirstMinor)
    return EfaTuner::kNone;
  // NICs as they are or, of several beside a GPU, as the plugin shows them: ports of one.
  const int ports = host.nics * host.nic_ports;
  const auto gigabits = static_cast<int>(std::lround(host.nic_port.bits_per_second() / 1e9));
  const bool hopper = host.compute_capability == 90;
  if (hopper && ports == 32 && gigabits == 100) return EfaTuner::kP5;
  if (hopper && ports == 16 && gigabits == 200) return EfaTuner::kP5en;
  const bool b200 = host.compute_capability == 100 && ports == 8 && gigabits == 400;
  return b200 ? EfaTuner::kP6B200 : EfaTuner::kNone;
}

std::optional<NcclPair> EfaTunerChoice(EfaTuner tuner, NcclOp op, std::int64_t bytes, int ranks,
                                       const std::function<bool(NcclPair)>& is_on) {
  if (tuner == EfaTuner::kNone) return std::nullopt;
  const Point at = {static_cast<double>(bytes), static_cast<double>(ranks)};
  for (const Area& area : Areas(tuner, op))
    if (is_on(area.pair) && Holds(area.corners, at)) return area.pair;
  return std::nullopt;
}

}  // namespace weft
