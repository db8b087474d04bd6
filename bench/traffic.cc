#include "bench/traffic.h"

#include "base/random.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

VertexId AddSwitch(FabricBuilder& builder, std::uint8_t tier, std::uint8_t plane,
                   std::uint32_t number) {
  Vertex vertex;
  vertex.kind = VertexKind::kSwitch;
  vertex.tier = tier;
  vertex.plane = plane;
  vertex.number = number;
  return builder.AddSwitch(vertex);
}

BenchNet Finish(FabricBuilder& builder, std::vector<HostId> hosts) {
  builder.SetNaming({{"tor"}, {"agg"}});
  BenchNet net;
  net.fabric = std::make_unique<Fabric>(builder.Build());
  net.router = std::make_unique<Router>(*net.fabric, RoutingPolicy{});
  net.hosts = std::move(hosts);
  return net;
}

Op SendOp(std::uint32_t send, Bytes bytes) {
  Op op;
  op.kind = Op::Kind::kSend;
  op.subject = send;
  op.amount = bytes.count();
  return op;
}

Send SendBetween(const BenchNet& net, std::uint32_t from, std::uint32_t to) {
  return {net.fabric->host(net.hosts[from]).first_gpu,
          net.fabric->host(net.hosts[to]).first_gpu,
          1,
          {}};
}

}  // namespace

BenchNet LeafSpine(std::uint32_t leaves, std::uint32_t hosts_per_leaf,
                   std::uint32_t spines_per_host) {
  FabricBuilder builder(1);
  HostShape shape;
  shape.pcie = GigabitsPerSecond(1000);
  std::vector<HostId> hosts;
  for (std::uint32_t h = 0; h < leaves * hosts_per_leaf; ++h)
    hosts.push_back(builder.AddHost(shape, 0, 0));
  std::vector<VertexId> leaf, spine;
  for (std::uint32_t l = 0; l < leaves; ++l) leaf.push_back(AddSwitch(builder, 1, 0, l));
  for (std::uint32_t s = 0; s < hosts_per_leaf * spines_per_host; ++s)
    spine.push_back(AddSwitch(builder, 2, 0, s));
  const BitRate rate = GigabitsPerSecond(400);
  for (std::uint32_t h = 0; h < hosts.size(); ++h)
    builder.AddCable(builder.nic(hosts[h], 0), leaf[h / hosts_per_leaf], rate, 0us, 0);
  for (const VertexId l : leaf)
    for (const VertexId s : spine) builder.AddCable(l, s, rate, 0us, 0);
  return Finish(builder, std::move(hosts));
}

BenchNet DualPlanePod(std::uint16_t segments, std::uint32_t hosts_per_segment) {
  FabricBuilder builder(2);
  HostShape shape;
  shape.gpus = shape.nics = 8;
  shape.nvlink = GigabitsPerSecond(1600);
  shape.pcie = GigabitsPerSecond(500);
  std::vector<HostId> hosts;
  for (std::uint16_t s = 0; s < segments; ++s)
    for (std::uint32_t h = 0; h < hosts_per_segment; ++h)
      hosts.push_back(builder.AddHost(shape, 0, s));
  std::vector<VertexId> tor, agg;
  for (std::uint32_t t = 0; t < 16u * segments; ++t)
    tor.push_back(AddSwitch(builder, 1, static_cast<std::uint8_t>(t % 2), t));
  for (std::uint32_t a = 0; a < 120; ++a)
    agg.push_back(AddSwitch(builder, 2, static_cast<std::uint8_t>(a % 2), a));
  for (std::uint32_t h = 0; h < hosts.size(); ++h)
    for (std::uint16_t nic = 0; nic < 8; ++nic)
      for (std::uint8_t port = 0; port < 2; ++port)
        builder.AddCable(builder.nic(hosts[h], nic),
                         tor[h / hosts_per_segment * 16 + nic * 2u + port], GigabitsPerSecond(200),
                         1us, port);
  for (std::uint32_t t = 0; t < tor.size(); ++t)
    for (std::uint32_t a = t % 2; a < agg.size(); a += 2)
      builder.AddCable(tor[t], agg[a], GigabitsPerSecond(400), 1us, 0);
  return Finish(builder, std::move(hosts));
}

SimulationInput InputOf(const BenchNet& net, Coupling coupling) {
  SimulationInput input;
  input.fabric = net.fabric.get();
  input.router = net.router.get();
  input.physics.coupling = coupling;
  return input;
}

Program ClosedLoop(const BenchNet& net, std::uint32_t flows_per_host) {
  Random random(1);
  Program program;
  const auto hosts = static_cast<std::uint32_t>(net.hosts.size());
  program.stream_count = hosts;
  for (std::uint32_t i = 0; i < flows_per_host * hosts; ++i) {
    const std::uint32_t from = i / flows_per_host,
                        to = (from + 1 + random.Below(hosts - 1)) % hosts;
    program.sends.push_back({net.fabric->host(net.hosts[from]).first_gpu,
                             net.fabric->host(net.hosts[to]).first_gpu,
                             1,
                             {}});
    Op op;
    op.kind = Op::Kind::kSend;
    op.subject = op.first_stream = i;
    op.stream_count = 1;
    op.amount = 1'000'000 + random.Below(2'000'000);
    program.streams.push_back(from);
    program.ops.push_back(op);
  }
  return program;
}

Program RingSteps(const BenchNet& net) {
  const auto ranks = static_cast<std::uint32_t>(net.hosts.size());
  Program program;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    program.sends.push_back(SendBetween(net, i, (i + 1) % ranks));
    Op op = SendOp(i, Bytes(GiB(1).count() / ranks));
    op.first_dep = i;
    op.dep_count = 1;
    program.deps.push_back({(i + ranks - 1) % ranks, 1});
    program.ops.push_back(op);
  }
  program.blocks.push_back({0, ranks, 2 * (ranks - 1)});
  return program;
}

Program AllToAll(const BenchNet& net, double spread) {
  Random random(1);
  const auto ranks = static_cast<std::uint32_t>(net.hosts.size());
  Program program;
  for (std::uint32_t i = 0; i < ranks; ++i)
    for (std::uint32_t k = 1; k < ranks; ++k) {
      const double factor = 1 + spread * (2 * random.Unit() - 1);
      const auto send = static_cast<std::uint32_t>(program.sends.size());
      program.sends.push_back(SendBetween(net, i, (i + k) % ranks));
      program.ops.push_back(
          SendOp(send, Bytes(static_cast<std::int64_t>(factor * static_cast<double>(1 << 20)))));
    }
  return program;
}

Program Rounds(const BenchNet& net, std::uint32_t window) {
  Program program;
  program.tunings.emplace_back();
  Pattern pattern;
  pattern.advance = Pattern::Advance::kRounds;
  pattern.window = window;
  pattern.classes.resize(1);
  const std::uint32_t gpus = net.fabric->gpu_count();
  for (std::uint32_t i = 0; i < gpus; ++i)
    for (std::uint32_t r = 1; r < gpus; ++r) {
      Edge edge;
      edge.from = net.fabric->gpu(GpuId{i});
      edge.to = net.fabric->gpu(GpuId{(i + r) % gpus});
      edge.wire_den = gpus;
      edge.round = static_cast<std::uint16_t>(r - 1);
      pattern.edges.push_back(edge);
    }
  program.patterns.push_back(std::move(pattern));
  Op op;
  op.kind = Op::Kind::kPattern;
  op.amount = MiB(gpus).count();
  program.ops.push_back(op);
  return program;
}

Program PodRing(const BenchNet& net) {
  const auto hosts = static_cast<std::uint32_t>(net.hosts.size()), ranks = hosts * 8;
  Program program;
  program.tunings.emplace_back();
  Pattern pattern;
  pattern.channels = 8;
  pattern.classes.resize(2);
  for (std::uint16_t c = 0; c < 8; ++c)
    for (std::uint32_t i = 0; i < ranks; ++i) {
      const auto gpu = [&](std::uint32_t k) {
        const Host& host = net.fabric->host(net.hosts[k % ranks / 8]);
        return VertexId{Index(host.first_gpu) + (k + c) % 8};
      };
      Edge edge;
      edge.from = gpu(i);
      edge.to = gpu(i + 1);
      edge.wire_num = 2 * (ranks - 1);
      edge.wire_den = ranks * 8;
      edge.channel = c;
      edge.qps = i % 8 == 7 ? 4 : 1;
      edge.edge_class = i % 8 == 7 ? 1 : 0;
      edge.first_feed = static_cast<std::uint32_t>(pattern.feeds.size());
      edge.feed_count = 1;
      edge.steps = 2 * (ranks - 1);
      pattern.feeds.push_back({c * ranks + (i + ranks - 1) % ranks, 1});
      pattern.edges.push_back(edge);
    }
  program.patterns.push_back(std::move(pattern));
  Op op;
  op.kind = Op::Kind::kPattern;
  op.amount = GiB(1).count();
  program.ops.push_back(op);
  return program;
}

Program RingChannel(const BenchNet& net) {
  const auto ranks = static_cast<std::uint32_t>(net.hosts.size());
  Program program;
  program.tunings.emplace_back();
  Pattern pattern;
  pattern.classes.resize(1);
  for (std::uint32_t i = 0; i < ranks; ++i) {
    const Send send = SendBetween(net, i, (i + 1) % ranks);
    Edge edge;
    edge.from = send.from;
    edge.to = send.to;
    edge.wire_num = 2 * (ranks - 1);
    edge.wire_den = ranks;
    edge.first_feed = i;
    edge.feed_count = 1;
    edge.steps = 2 * (ranks - 1);
    pattern.feeds.push_back({(i + ranks - 1) % ranks, 1});
    pattern.edges.push_back(edge);
  }
  program.patterns.push_back(std::move(pattern));
  Op op;
  op.kind = Op::Kind::kPattern;
  op.amount = GiB(1).count();
  program.ops.push_back(op);
  return program;
}

namespace {

constexpr std::uint32_t kRails = 8;

// Host `d` of stage `s` computes in one stream; a stage's hosts of one rail form a ring.
class TrainingBuilder {
 public:
  TrainingBuilder(const BenchNet& net, std::uint32_t stages, std::uint32_t micro_batches)
      : net_(net),
        stages_(stages),
        batches_(micro_batches),
        replicas_(static_cast<std::uint32_t>(net.hosts.size()) / stages) {
    program_.tunings.emplace_back();
    program_.stream_count = stages * replicas_;
    program_.host_of_stream = net.hosts;
    program_.host_of_stream.resize(program_.stream_count);
    program_.jitter = {0.01, 1};
    for (std::uint32_t s = 0; s < stages_; ++s)
      for (std::uint32_t rail = 0; rail < kRails; ++rail)
        program_.patterns.push_back(Ring(s, rail));
    for (std::uint32_t s = 0; s + 1 < stages_; ++s)
      for (std::uint32_t d = 0; d < replicas_; ++d)
        for (std::uint32_t rail = 0; rail < kRails; ++rail) {
          program_.sends.push_back({Gpu(s, d, rail), Gpu(s + 1, d, rail), 1, {}});
          program_.sends.push_back({Gpu(s + 1, d, rail), Gpu(s, d, rail), 1, {}});
        }
  }

  // Stages in the order in which what they wait for is there: all forwards of a
  // micro-batch down the pipeline, backwards up; a stage's own rows in 1F1B order.
  Program Build() {
    forward_.assign(std::size_t{stages_} * batches_ * replicas_, Index(kNoRow));
    backward_ = forward_;
    const std::size_t sends = std::size_t{2} * (stages_ - 1) * batches_ * replicas_ * kRails;
    const std::size_t rings = std::size_t{stages_} * batches_ * kRails;
    program_.ops.reserve(2 * forward_.size() + sends + rings);
    program_.deps.reserve(2 * sends + std::size_t{stages_} * batches_ * replicas_);
    std::vector<std::uint32_t> at(stages_, 0);
    for (bool moved = true; moved;) {
      moved = false;
      for (std::uint32_t s = 0; s < stages_; ++s)
        while (at[s] < 2 * batches_ && Step(s, at[s])) {
          ++at[s];
          moved = true;
        }
    }
    return std::move(program_);
  }

 private:
  // Row `i` of the 1F1B order of stage `s` [NSC+21 §2.2]: warm-up forwards, then one
  // backward after each forward. False where what it waits for is not there yet.
  bool Step(std::uint32_t s, std::uint32_t i) {
    const std::uint32_t warmup = std::min(stages_ - 1 - s, batches_);
    const bool steady = i >= warmup && i < 2 * batches_ - warmup;
    const bool is_forward = i < warmup || (steady && (i - warmup) % 2 == 0);
    std::uint32_t batch = i;
    if (steady) batch = is_forward ? warmup + (i - warmup) / 2 : (i - warmup) / 2;
    if (i >= warmup && !steady) batch = i - batches_;
    if (is_forward && s > 0 && Row(forward_, s - 1, batch, 0) == Index(kNoRow)) return false;
    if (!is_forward && s + 1 < stages_ && Row(backward_, s + 1, batch, 0) == Index(kNoRow))
      return false;
    for (std::uint32_t d = 0; d < replicas_; ++d)
      is_forward ? Forward(s, batch, d) : Backward(s, batch, d);
    if (!is_forward) Rings(s, batch);
    return true;
  }

  void Forward(std::uint32_t s, std::uint32_t batch, std::uint32_t d) {
    Op op = Compute(s, d, SimDuration(10ms));
    if (s > 0) Await(op, Row(forward_, s - 1, batch, d) + 1);
    Row(forward_, s, batch, d) = Push(op);
    if (s + 1 < stages_) Sends(s, d, 0);
  }

  void Backward(std::uint32_t s, std::uint32_t batch, std::uint32_t d) {
    Op op = Compute(s, d, SimDuration(20ms));
    if (s + 1 < stages_) Await(op, Row(backward_, s + 1, batch, d) + 1);
    Row(backward_, s, batch, d) = Push(op);
    if (s > 0) Sends(s - 1, d, 1);
  }

  // A computation waits for the eight sends that follow the row before `first`.
  void Await(Op& op, std::uint32_t first) {
    op.first_dep = static_cast<std::uint32_t>(program_.deps.size());
    op.dep_count = kRails;
    for (std::uint32_t rail = 0; rail < kRails; ++rail) program_.deps.push_back({first + rail, 0});
  }

  // From the row just pushed, between stages `s` and s + 1.
  void Sends(std::uint32_t s, std::uint32_t d, std::uint32_t back) {
    const auto after = static_cast<std::uint32_t>(program_.ops.size()) - 1;
    for (std::uint32_t rail = 0; rail < kRails; ++rail) {
      Op op = SendOp(((s * replicas_ + d) * kRails + rail) * 2 + back, Bytes(6'000'000));
      op.first_dep = static_cast<std::uint32_t>(program_.deps.size());
      op.dep_count = 1;
      program_.deps.push_back({after, 0});
      Push(op);
    }
  }

  void Rings(std::uint32_t s, std::uint32_t batch) {
    const auto first = static_cast<std::uint32_t>(program_.deps.size());
    for (std::uint32_t d = 0; d < replicas_; ++d)
      program_.deps.push_back({Row(backward_, s, batch, d), 0});
    for (std::uint32_t rail = 0; rail < kRails; ++rail) {
      Op op;
      op.kind = Op::Kind::kPattern;
      op.subject = s * kRails + rail;
      op.amount = 685'000'000;
      op.first_dep = first;
      op.dep_count = replicas_;
      Push(op);
    }
  }

  Op Compute(std::uint32_t s, std::uint32_t d, SimDuration duration) {
    Op op;
    op.kind = Op::Kind::kCompute;
    op.amount = duration.count();
    op.first_stream = static_cast<std::uint32_t>(program_.streams.size());
    op.stream_count = 1;
    program_.streams.push_back(s * replicas_ + d);
    return op;
  }

  std::uint32_t Push(const Op& op) {
    program_.ops.push_back(op);
    return static_cast<std::uint32_t>(program_.ops.size()) - 1;
  }

  std::uint32_t& Row(std::vector<std::uint32_t>& rows, std::uint32_t s, std::uint32_t batch,
                     std::uint32_t d) const {
    return rows[(std::size_t{s} * batches_ + batch) * replicas_ + d];
  }

  VertexId Gpu(std::uint32_t s, std::uint32_t d, std::uint32_t rail) const {
    const Host& host = net_.fabric->host(net_.hosts[s * replicas_ + d]);
    return VertexId{Index(host.first_gpu) + rail};
  }

  Pattern Ring(std::uint32_t s, std::uint32_t rail) const {
    Pattern pattern;
    pattern.classes.resize(1);
    for (std::uint32_t d = 0; d < replicas_; ++d) {
      Edge edge;
      edge.from = Gpu(s, d, rail);
      edge.to = Gpu(s, (d + 1) % replicas_, rail);
      edge.wire_num = 2 * (replicas_ - 1);
      edge.wire_den = replicas_;
      edge.qps = 4;
      edge.first_feed = d;
      edge.feed_count = 1;
      edge.steps = 2 * (replicas_ - 1);
      pattern.feeds.push_back({(d + replicas_ - 1) % replicas_, 1});
      pattern.edges.push_back(edge);
    }
    return pattern;
  }

  const BenchNet& net_;
  std::uint32_t stages_, batches_, replicas_;
  Program program_;
  std::vector<std::uint32_t> forward_, backward_;  // [stages][batches][replicas] rows
};

}  // namespace

Program Training(const BenchNet& net, std::uint32_t stages, std::uint32_t micro_batches) {
  return TrainingBuilder(net, stages, micro_batches).Build();
}

}  // namespace weft
