// Small networks and programs for tests of the engines.
//
// Ends are NICs, so that PCIe and NVLink do not appear unless a test asks for GPUs.
#pragma once

#include <memory>
#include <vector>

#include "sim/program.h"
#include "sim/simulation.h"
#include "topology/fabric.h"
#include "topology/router.h"

namespace weft {

using namespace std::chrono_literals;

constexpr SimTime At(SimDuration since_start) { return SimTime(since_start); }

struct Net {
  std::unique_ptr<Fabric> fabric;
  std::unique_ptr<Router> router;
  std::vector<VertexId> nic;          // of host 0, 1, ...
  std::vector<VertexId> leaf, spine;  // leaf: of plane 0, 1, ... in a dual-port net

  SimulationInput Input() const {
    SimulationInput input;
    input.fabric = fabric.get();
    input.router = router.get();
    return input;
  }
  ElementId Cable(VertexId a, VertexId b) const {
    return {ElementId::Kind::kCable, Index(fabric->FindLink(a, b))};
  }
};

inline Net Finish(FabricBuilder& builder, int hosts, int leaves, int spines) {
  builder.SetNaming({{"leaf"}, {"spine"}});
  Net net;
  net.fabric = std::make_unique<Fabric>(builder.Build());
  net.router = std::make_unique<Router>(*net.fabric, RoutingPolicy{});
  for (int h = 0; h < hosts; ++h)
    net.nic.push_back(net.fabric->host(HostId{static_cast<std::uint32_t>(h)}).first_nic);
  const auto first = static_cast<std::uint32_t>(net.fabric->vertex_count()) -
                     static_cast<std::uint32_t>(leaves + spines);
  for (int i = 0; i < leaves; ++i)
    net.leaf.push_back(VertexId{first + static_cast<std::uint32_t>(i)});
  for (int i = 0; i < spines; ++i)
    net.spine.push_back(VertexId{first + static_cast<std::uint32_t>(leaves + i)});
  return net;
}

inline std::vector<HostId> AddHosts(FabricBuilder& builder, int count, BitRate pcie) {
  std::vector<HostId> hosts;
  HostShape shape;
  shape.pcie = pcie;
  for (int h = 0; h < count; ++h) hosts.push_back(builder.AddHost(shape, 0, 0));
  return hosts;
}

inline VertexId AddSwitch(FabricBuilder& builder, std::uint8_t tier, int number, int plane = 0) {
  Vertex vertex;
  vertex.kind = VertexKind::kSwitch;
  vertex.tier = tier;
  vertex.plane = static_cast<std::uint8_t>(plane);
  vertex.number = static_cast<std::uint32_t>(number);
  return builder.AddSwitch(vertex);
}

// One switch, `ports` of them with a NIC port each: port p of every host on switch p.
inline Net Star(int hosts, BitRate rate, SimDuration latency, int ports = 1) {
  FabricBuilder builder(ports);
  const std::vector<HostId> ids = AddHosts(builder, hosts, rate * 100);
  std::vector<VertexId> leaf;
  for (int p = 0; p < ports; ++p) leaf.push_back(AddSwitch(builder, 1, p, p));
  for (int p = 0; p < ports; ++p)
    for (const HostId host : ids)
      builder.AddCable(builder.nic(host, 0), leaf[static_cast<std::size_t>(p)], rate, latency,
                       static_cast<std::uint8_t>(p));
  return Finish(builder, hosts, ports, 0);
}

inline Net LeafSpine(int leaves, int spines, int hosts_per_leaf, BitRate rate,
                     SimDuration latency) {
  FabricBuilder builder(1);
  const std::vector<HostId> ids = AddHosts(builder, leaves * hosts_per_leaf, rate * 100);
  std::vector<VertexId> leaf, spine;
  for (int l = 0; l < leaves; ++l) leaf.push_back(AddSwitch(builder, 1, l));
  for (int s = 0; s < spines; ++s) spine.push_back(AddSwitch(builder, 2, s));
  for (std::size_t h = 0; h < ids.size(); ++h)
    builder.AddCable(builder.nic(ids[h], 0), leaf[h / static_cast<std::size_t>(hosts_per_leaf)],
                     rate, latency, 0);
  for (const VertexId l : leaf)
    for (const VertexId s : spine) builder.AddCable(l, s, rate, latency, 0);
  return Finish(builder, leaves * hosts_per_leaf, leaves, spines);
}

// Adds rows to a program one by one.
struct Builder {
  Program program;

  Builder() { program.tunings.emplace_back(); }

  std::uint32_t AddOp(Op op, const std::vector<std::uint32_t>& streams,
                      const std::vector<Dep>& deps = {}) {
    op.first_stream = static_cast<std::uint32_t>(program.streams.size());
    op.stream_count = static_cast<std::uint32_t>(streams.size());
    op.first_dep = static_cast<std::uint32_t>(program.deps.size());
    op.dep_count = static_cast<std::uint32_t>(deps.size());
    for (const std::uint32_t s : streams) {
      program.streams.push_back(s);
      program.stream_count = std::max(program.stream_count, s + 1);
    }
    program.deps.insert(program.deps.end(), deps.begin(), deps.end());
    program.ops.push_back(op);
    return static_cast<std::uint32_t>(program.ops.size() - 1);
  }

  std::uint32_t AddSend(VertexId from, VertexId to, std::int64_t bytes,
                        const std::vector<std::uint32_t>& streams = {},
                        const std::vector<Dep>& deps = {}, std::uint8_t qps = 1) {
    program.sends.push_back({from, to, qps, {}});
    Op op;
    op.kind = Op::Kind::kSend;
    op.subject = static_cast<std::uint32_t>(program.sends.size() - 1);
    op.amount = bytes;
    return AddOp(op, streams, deps);
  }

  std::uint32_t AddCompute(SimDuration duration, const std::vector<std::uint32_t>& streams,
                           const std::vector<Dep>& deps = {}) {
    Op op;
    op.kind = Op::Kind::kCompute;
    op.amount = duration.count();
    return AddOp(op, streams, deps);
  }

  std::uint32_t AddPattern(Pattern pattern) {
    program.patterns.push_back(std::move(pattern));
    return static_cast<std::uint32_t>(program.patterns.size() - 1);
  }

  std::uint32_t AddRun(std::uint32_t pattern, std::int64_t bytes,
                       const std::vector<std::uint32_t>& streams = {},
                       const std::vector<Dep>& deps = {}) {
    Op op;
    op.kind = Op::Kind::kPattern;
    op.subject = pattern;
    op.amount = bytes;
    return AddOp(op, streams, deps);
  }
};

// A ring all-reduce over `ranks`, the same on every channel [sim/program.h].
inline Pattern Ring(const std::vector<VertexId>& ranks, std::uint16_t channels = 1,
                    std::uint8_t qps = 1, SimDuration step = {}) {
  const auto n = static_cast<std::uint32_t>(ranks.size());
  Pattern pattern;
  pattern.ranks = ranks;
  pattern.channels = channels;
  pattern.slices = n;
  pattern.classes.push_back({step, {}});
  for (std::uint16_t c = 0; c < channels; ++c)
    for (std::uint32_t i = 0; i < n; ++i) {
      Edge edge;
      edge.from = ranks[i];
      edge.to = ranks[(i + 1) % n];
      edge.wire_num = 2 * (n - 1);
      edge.wire_den = n * channels;
      edge.channel = c;
      edge.qps = qps;
      edge.first_feed = static_cast<std::uint32_t>(pattern.feeds.size());
      edge.feed_count = 1;
      edge.first_slice = i;
      edge.slice_stride = -1;
      edge.steps = 2 * (n - 1);
      edge.reduce_steps = n - 1;
      pattern.feeds.push_back({c * n + (i + n - 1) % n, 1});
      pattern.edges.push_back(edge);
    }
  return pattern;
}

// Edges without feeds, one channel, each carrying the operation's bytes.
inline Pattern Edges(const std::vector<std::pair<VertexId, VertexId>>& ends,
                     Pattern::Advance advance) {
  Pattern pattern;
  pattern.classes.emplace_back();
  pattern.advance = advance;
  for (const auto& [from, to] : ends) {
    Edge edge;
    edge.from = from;
    edge.to = to;
    pattern.edges.push_back(edge);
  }
  return pattern;
}

}  // namespace weft
