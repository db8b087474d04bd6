#include "validate/probe/plan.h"

#include <algorithm>
#include <set>

namespace weft::probe {
namespace {

constexpr std::int64_t kKiB = 1024, kMiB = kKiB * 1024;

std::string Member(const char* key, const std::string& value) {
  return std::string("\"") + key + "\": \"" + value + "\", ";
}
std::string Member(const char* key, std::int64_t value) {
  return std::string("\"") + key + "\": " + std::to_string(value) + ", ";
}

bool Wanted(const Options& options, const std::string& kind) {
  return options.only.empty() ||
         std::find(options.only.begin(), options.only.end(), kind) != options.only.end();
}

// Squares, and the layers of a transformer of hidden size 4,096 and 8,192 at 4,096 tokens.
void AddGemms(const Options& options, std::vector<Step>& steps) {
  struct Shape {
    int m, n, k;
  };
  const Shape all[] = {{512, 512, 512},     {1024, 1024, 1024},  {2048, 2048, 2048},
                       {4096, 4096, 4096},  {8192, 8192, 8192},  {16384, 16384, 16384},
                       {4096, 12288, 4096}, {4096, 16384, 4096}, {4096, 4096, 16384},
                       {4096, 28672, 8192}, {4096, 8192, 28672}, {256, 8192, 8192},
                       {16, 8192, 8192},    {1, 8192, 8192}};
  for (const char* type : {"half", "bfloat16", "tf32"}) {
    for (const Shape& shape : all) {
      if (options.quick && shape.m != 4096 && shape.m != 8192) continue;
      Step step;
      step.kind = "gemm";
      step.type = type;
      step.m = shape.m;
      step.n = shape.n;
      step.k = shape.k;
      steps.push_back(step);
    }
  }
}

void AddCopies(const Options& options, std::vector<Step>& steps) {
  const std::int64_t factor = options.quick ? 64 : 8;
  const auto add = [&](const char* op, int from, int to) {
    for (std::int64_t bytes = 64 * kKiB; bytes <= 256 * kMiB; bytes *= factor) {
      Step step;
      step.kind = "copy";
      step.op = op;
      step.bytes = bytes;
      step.from = from;
      step.to = to;
      steps.push_back(step);
    }
  };
  for (int gpu = 0; gpu < options.gpus; ++gpu) {
    add("hbm", gpu, gpu);
    add("host_to_device", gpu, gpu);
    add("device_to_host", gpu, gpu);
  }
  for (int from = 0; from < options.gpus; ++from)
    for (int to = 0; to < options.gpus; ++to)
      if (from != to) add("peer", from, to);
}

// Whether each rank has a block of its own of the bytes.
bool Splits(const std::string& op) {
  return op == "all_gather" || op == "reduce_scatter" || op == "all_to_all";
}

Group Collectives(const Options& options, const std::string& algorithm, const std::string& protocol,
                  const std::vector<std::string>& ops, const std::vector<int>& ranks) {
  Group group{"collectives " + algorithm + "/" + protocol, algorithm, protocol, {}};
  const bool own = algorithm == "auto";
  const std::int64_t factor = options.quick ? 16 : own ? 2 : 4;
  for (const int count : ranks) {
    for (const std::string& op : ops) {
      for (std::int64_t bytes = kKiB; bytes <= options.max_bytes; bytes *= factor) {
        constexpr std::int64_t kFloat = 4;
        if (Splits(op) && bytes < kFloat * count) continue;  // not a float for every rank
        Step step;
        step.kind = "collective";
        step.op = op;
        step.type = "float";
        step.bytes = bytes;
        step.ranks = count;
        step.algorithm = algorithm;
        step.protocol = protocol;
        group.steps.push_back(step);
      }
    }
  }
  return group;
}

void AddCollectives(const Options& options, std::vector<Group>& plan) {
  const std::vector<std::string> all = {"all_reduce", "all_gather", "reduce_scatter", "broadcast",
                                        "reduce",     "all_to_all", "send_recv"};
  std::set<int> counts{options.ranks};
  if (options.hosts == 1)  // over hosts one launch is one set of ranks
    for (int count = 2; count < options.ranks; count *= 2) counts.insert(count);
  if (*counts.rbegin() < 2) return;  // one GPU alone has nobody to talk to
  counts.erase(1);
  plan.push_back(Collectives(options, "auto", "auto", all, {counts.begin(), counts.end()}));
  if (options.quick || !options.forced) return;
  const std::vector<std::string> rings(all.begin(), all.begin() + 5);
  for (const char* protocol : {"LL", "LL128", "Simple"}) {
    plan.push_back(Collectives(options, "Ring", protocol, rings, {options.ranks}));
    plan.push_back(Collectives(options, "Tree", protocol, {"all_reduce"}, {options.ranks}));
  }
  plan.push_back(Collectives(options, "NVLS", "Simple",
                             {"all_reduce", "all_gather", "reduce_scatter"}, {options.ranks}));
  if (options.hosts == 1) return;
  plan.push_back(Collectives(options, "NVLSTree", "Simple", {"all_reduce"}, {options.ranks}));
  plan.push_back(
      Collectives(options, "PAT", "Simple", {"all_gather", "reduce_scatter"}, {options.ranks}));
}

}  // namespace

const std::vector<std::string>& Kinds() {
  static const std::vector<std::string> kinds = {"launch", "gemm", "copy", "nccl_call",
                                                 "collective"};
  return kinds;
}

std::string FormatBytes(std::int64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + " " + units[unit];
}

std::string Step::Key() const {
  std::string key = kind;
  const auto add = [&](const std::string& part) { key += '/' + part; };
  if (!op.empty()) add(op);
  if (!type.empty()) add(type);
  if (kind == "gemm") add(std::to_string(m) + 'x' + std::to_string(n) + 'x' + std::to_string(k));
  if (kind == "copy") add(std::to_string(from) + '-' + std::to_string(to));
  if (kind == "collective") add(std::to_string(ranks) + '/' + algorithm + '/' + protocol);
  if (bytes > 0) add(std::to_string(bytes));
  return key;
}

std::string Step::Fields() const {
  std::string out = Member("kind", kind);
  if (!op.empty()) out += Member("op", op);
  if (!type.empty()) out += Member("type", type);
  if (kind == "gemm") out += Member("m", m) + Member("n", n) + Member("k", k);
  if (kind == "copy") out += Member("from", from) + Member("to", to);
  if (kind == "collective")
    out += Member("ranks", ranks) + Member("algorithm", algorithm) + Member("protocol", protocol);
  if (bytes > 0) out += Member("bytes", bytes);
  out.resize(out.size() - 2);
  return out;
}

std::string Step::Describe() const {
  std::string out = kind;
  if (!op.empty()) out += ' ' + op;
  if (!type.empty()) out += ' ' + type;
  if (kind == "gemm")
    out += ' ' + std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k);
  if (kind == "copy") out += " GPU " + std::to_string(from) + " to " + std::to_string(to);
  if (kind == "collective")
    out += ", " + std::to_string(ranks) + " ranks, " + algorithm + '/' + protocol;
  if (bytes > 0) out += ", " + FormatBytes(bytes);
  return out;
}

std::vector<Group> MakePlan(const Options& options) {
  std::vector<Group> plan;
  Group device{"GPU", "auto", "auto", {}};
  if (Wanted(options, "launch")) {
    Step step;
    step.kind = "launch";
    device.steps.push_back(step);
  }
  if (Wanted(options, "gemm")) AddGemms(options, device.steps);
  if (Wanted(options, "copy")) AddCopies(options, device.steps);
  if (!device.steps.empty()) plan.push_back(device);
  if (Wanted(options, "nccl_call") && options.ranks > 1) {
    Step step;
    step.kind = "nccl_call";
    step.ranks = options.ranks;
    plan.push_back({"NCCL calls", "auto", "auto", {step}});
  }
  if (Wanted(options, "collective")) AddCollectives(options, plan);
  return plan;
}

}  // namespace weft::probe
