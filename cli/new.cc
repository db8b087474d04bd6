#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <ostream>
#include <string_view>

#include "base/schema/wording.h"
#include "cli/app.h"
#include "cli/output.h"
#include "hardware/parts.h"
#include "scenario/prepare.h"

namespace weft::cli {
namespace {

struct Kind {
  std::string_view name, text;  // {} in the text: the fabric
};

// A scenario to start from, one a kind of question. To add one: one line here.
constexpr std::array<Kind, 4> kKinds{{
    {"collective",
     R"(name: all-reduce, one ring a rail
fabric: {}
placement: {{ gpus: 512, policy: spread }}      # packed | spread | random
rdma: {{ qps: 4 }}                              # queue pairs a connection
routing: {{ seeds: 16 }}                        # every figure: median and 5-95 % over the seeds
workload:
  collective: {{ op: all_reduce, bytes: [64MiB, 1GiB], group: per_rail, ring_order: natural }}
)"},
    {"traffic",
     R"(name: random permutation
fabric: {}
placement: {{ gpus: 512 }}
workload:
  # permutation | incast | all_to_all | random
  traffic: {{ pattern: permutation, bytes: 2MB, seed: 1 }}
)"},
    {"training",
     R"(name: an iteration of training
fabric: {}
placement: {{ gpus: 512 }}                      # packed: the ranks of a replica next to each other
rdma: {{ qps: 4 }}                              # queue pairs a connection; one collides more
routing: {{ seeds: 4 }}
workload:
  training:
    model: gpt3-175b                          # weft presets model
    parallel: {{ tensor: 8, pipeline: 8 }}      # data: what is left of the GPUs
    global_batch: 512
    micro_batch: 1
    sequence: 2048
)"},
    {"fault",
     R"(name: one NIC port down for 10 s
fabric: {}
placement: {{ gpus: 256 }}
rdma: {{ qps: 4 }}
workload:
  collective: {{ op: all_reduce, algorithm: ring, bytes: 8GiB, group: per_rail, repeat: 60 }}
faults:
  - {{ at: 5s, until: 15s, link: host3/nic5/port0, state: down }}
fault_policy: {{ detect: 1s, move: 100ms, qps: move }}
)"},
}};

// A fabric to start from: a preset's name, or a family's with the keys it cannot do without.
struct FamilyKeys {
  std::string_view name, keys;
};
constexpr std::array<FamilyKeys, 6> kFamilies{{
    {"leaf_spine",
     "family: leaf_spine, leaves: 16, spines: 32, hosts_per_leaf: 4, link: 400Gbps, "
     "host: { preset: hgx-h100 }"},
    {"fat_tree",
     "family: fat_tree, tiers: 2, radix: 64, endpoints: 1024, link: 400Gbps, "
     "host: { preset: hgx-h100 }"},
    {"rail_optimized",
     "family: rail_optimized, units: 4, hosts_per_unit: 32, host: { preset: hgx-h100 }, "
     "switch: { preset: qm9700 }"},
    {"rail_only",
     "family: rail_only, hosts: 128, host: { preset: hgx-h100 }, switch: { preset: qm9700 }"},
    {"dragonfly",
     "family: dragonfly, p: 8, a: 8, h: 4, groups: 16, link: 400Gbps, host: { preset: hgx-h100 }"},
    {"slim_fly", "family: slim_fly, q: 5, p: 16, link: 400Gbps, host: { preset: hgx-h100 }"},
}};

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1))
    text.replace(at, from.size(), to);
}

constexpr std::string_view kCustom = R"(
  family: custom
  link: 400Gbps                 # between switches
  hosts:
    - { count: 40, host: { preset: hgx-h100 } }             # host0 … host39
    - { first: 40, count: 24, host: { preset: dgx-a100 } }  # host40 … host63
  switches:
    - { name: leaf, count: 8 }
    - { name: spine, count: 4 }
  cables:
    - { from: "host*/nic*", to: "leaf*", join: in_turn }  # NIC i to leaf i
    - { from: "leaf*", to: "spine*", count: 8 }
)";

constexpr std::string_view kPlan = R"(name: what to buy
need: {{ gpus: 2048 }}         # or {{ compute: 5000PFLOPS, dtype: bf16, basis: dense }}
parts:
  accelerators: [{}]
  switches: [51.2T, 25.6T]
jobs:                        # shares of GPU-hours; `exposed` waits for communication
  - share: 60%
    exposed: 10%
    collective: {{ op: all_reduce, bytes: 1GiB, group: per_rail }}
  - share: 40%
    gpus: 256
    exposed: 30%
    traffic: {{ pattern: all_to_all, bytes: 64KiB }}
  # - share: 40%             # training counts by its MFU, simulated iteration by iteration
  #   gpus: 256
  #   training:
  #     {{ model: llama3-70b, parallel: {{ tensor: 8, pipeline: 4 }}, global_batch: 256,
  #        sequence: 4096 }}
limits: {{ pue: 1.25, rack: {{ power: 50kW, units: 48 }} }}
policy: {{ spines: even, min_spines: 4, backup_hosts: 3%, spares: 2% }}
reliability: {{ checkpoint: 30s, restart: 10min, repair: 4h }}
decide: {{ horizon: 3y, energy: 0.12USD/kWh, support: 5%, confidence: 80% }}
# growth: 4096               # GPUs that must be reachable without cabling anew
# catalogue: [quotes.yaml]   # your own prices, watts and failure rates
)";

int RunNew(const std::string& kind, const std::string& name, std::ostream& out, std::ostream& err) {
  if (kind == "plan") {
    const std::string accelerator = name == "hpn" ? "h100" : name;
    if (const Result<GpuPart> part = NeedGpu(accelerator, {"weft", 0, 0}); !part) {
      PrintErrors(part.error(), SourceTexts(), err);
      return kBadInput;
    }
    out << fmt::format(fmt::runtime(kPlan), accelerator);
    return kOk;
  }
  std::vector<std::string> names = AllPresets().Names("fabric");
  std::string fabric =
      name == "hpn" ? "{ preset: hpn, segments: 4 }" : fmt::format("{{ preset: {} }}", name);
  names.emplace_back("custom");
  if (name == "custom") fabric = kCustom.substr(0, kCustom.size() - 1);
  for (const FamilyKeys& family : kFamilies) {
    names.emplace_back(family.name);
    if (family.name == name) fabric = fmt::format("{{ {} }}", family.keys);
  }
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    err << fmt::format(
        "weft: error: no fabric is called '{}' (want {}); weft explain fabric says more\n", name,
        JoinOr(names));
    return kBadInput;
  }
  for (const Kind& one : kKinds) {
    if (one.name != kind) continue;
    std::string text = fmt::format(fmt::runtime(one.text), fabric);
    if (name == "fire_flyer2") {  // no way from zone to zone, and one NIC a host
      ReplaceAll(text, "policy: spread", "policy: packed");
      ReplaceAll(text, "nic5", "nic0");
    }
    out << text;
    return kOk;
  }
  err << fmt::format(
      "weft: error: no kind of scenario is called '{}' (there are: {}, {}, {}, {}, plan)\n", kind,
      kKinds[0].name, kKinds[1].name, kKinds[2].name, kKinds[3].name);
  return kBadInput;
}

}  // namespace

void AddNew(CLI::App& app, Command& chosen) {
  struct NewArgs {
    std::string kind, fabric = "hpn";
  };
  const auto args = std::make_shared<NewArgs>();
  CLI::App* command = app.add_subcommand("new", "Print a scenario to start from");
  command->add_option("kind", args->kind, "collective, traffic, training, fault or plan")
      ->required();
  command->add_option("fabric", args->fabric,
                      "a fabric preset, or a family; hpn by default; of plan: an accelerator");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) {
      return RunNew(args->kind, args->fabric, out, err);
    };
  });
}

}  // namespace weft::cli
