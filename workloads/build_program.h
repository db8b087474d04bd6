// From what the user wants sent to a Program: a spec, a fabric and a placement in,
// rows, and what each row stands for, out.
//
// A collective becomes one Pattern a communicator, shared by all its sizes and
// repeats; stream r is rank r, so that operations of a communicator run one after
// the other and those of different communicators beside each other. A traffic
// pattern becomes one send a flow; with a concurrency of k, each host has k streams.
//
//     collective: { op: all_reduce, bytes: [1MiB, 1GiB], group: per_rail, repeat: 2 }
//     rows        size 0: rail 0, rail 1, …, rail 0, rail 1, …   size 1: …
//     items       one a size: rows_by_group[rail][repeat]
//
// Sizes and bus bandwidth follow nccl-tests [NCT]: `bytes` of an all-gather or
// reduce-scatter counts all ranks' blocks together, of an all-reduce the buffer of
// a rank, of a send/recv what a rank sends; busbw is bytes/time × busbw_factors[group].
// With several communicators, `bytes` is that of each.
//
// Units    Bytes; a busbw factor is a plain ratio.
// Errors   at the key in the user's file, all that are independent.
// Cost     O(ranks · channels) a communicator, O(flows) for traffic.
// Repeats  same input, same rows; what is drawn comes from the spec's own seed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "base/units.h"
#include "hardware/parts.h"
#include "sim/physics.h"
#include "sim/program.h"
#include "topology/fabric.h"
#include "topology/placement.h"
#include "workloads/collectives/nccl/choice.h"
#include "workloads/collectives/nccl/constants.h"
#include "workloads/workload.pb.h"

namespace weft {

class RdmaSpec;  // sim/physics.proto

// What NCCL's search found, by question: equal ones are not searched again (up to a second each).
struct NcclComms {
  // Of `hosts` hosts of `host_text` with `per_host` ranks each.
  static std::string Key(int hosts, int per_host, const NcclCommOptions& options,
                         const NcclRules& rules, const std::string& host_text);

  std::map<std::string, NcclComm> found;
};

// What NCCL's choice hangs on, for collectives with `algorithm: auto`.
struct NcclBuild {
  HostPart host;  // what every host is
  const NcclRules* rules = nullptr;
  CollectiveConstants constants;
  std::string calibration, digest;  // what the constants come from; empty: the priors
  NcclForced forced{};
  bool sharp = false;          // switches reduce, and NCCL may use them
  bool asked = true;           // false: nobody did; it is the default for hosts that NCCL knows
  NcclComms* comms = nullptr;  // kept over builds, by `host_text`; null: not kept
  std::string host_text = {};
};

// How tokens find experts [collectives/moe.h].
struct MoeRouting {
  int experts = 256, top_k = 8;
  int hosts = 0;  // that a token's experts may stand on; 0: all
};

// What the network's constants say about an edge.
struct BuildOptions {
  std::uint8_t qps = 1;       // of a connection between hosts; inside a host always 1
  EdgeClass nvlink, network;  // what a step costs and what a channel can copy
  SimDuration launch{};       // once an operation
  // Payload over line rate, by LinkClass; and the hosts' gpu preset: what training costs.
  std::array<double, kLinkClassCount> link_efficiency{1, 1, 1};
  std::string gpu = {};
  MoeRouting moe{};
  const NcclBuild* nccl = nullptr;      // none: auto is the first algorithm that does the op
  const LinkState* at_start = nullptr;  // what is up before anything runs; null: all
  bool every_micro_batch = false;       // of training; else many are counted like the last ones
  std::function<bool()> stop = {};      // true: give up, the workload is `stopped`; empty: never
};
BuildOptions MakeBuildOptions(const RdmaSpec& rdma, const Physics& physics);

// One figure to report: a collective at one size, or a traffic pattern.
struct WorkloadItem {
  enum class Kind : std::uint8_t { kCollective, kTraffic };
  Kind kind = Kind::kCollective;
  std::string op;               // all_reduce; of traffic its pattern: permutation
  std::string algorithm;        // as NCCL spells it: Ring; empty where there is none to choose
  std::string protocol;         // LL, LL128, Simple; empty: nobody chose
  Bytes bytes;                  // of one operation, nccl-tests' convention; of one flow
  int ranks = 0;                // of the largest communicator; of traffic its senders
  int fewest_ranks = 0;         // of the smallest one
  int hosts = 0;                // that the largest stands on; traffic: 0
  bool nccl = false;            // chosen and timed as NCCL does: a calibration's error is its own
  int channels = 0;             // of the largest; traffic: 0
  bool choices_differ = false;  // those of smaller groups are other ones
  std::vector<double> busbw_factors;     // [groups], each by its own ranks; 0: a rank alone
  std::string source_path;               // "workload.collective.bytes[1]"
  std::vector<std::string> group_names;  // [groups] "rail 3", "host4"; empty: "all", traffic
  std::vector<std::vector<RowId>> rows_by_group;  // [groups][repeats]; traffic: [1][flows]
};

struct TrainingProgram;  // workloads/training/build_training.h

struct Workload {
  Program program;
  std::shared_ptr<const TrainingProgram> training;  // null: the workload is another
  std::vector<WorkloadItem> items;
  std::vector<Error> warnings;  // keys that the user gave and that change nothing here
  // Name and digest of the calibration that NCCL's constants come from; empty: of none.
  std::pair<std::string, std::string> calibration;
  bool stopped = false;  // BuildOptions::stop said so: the rest is incomplete
};

Result<Workload> BuildProgram(const WorkloadSpec& spec, const SourceMap& sources,
                              const Fabric& fabric, const Placement& placement,
                              const BuildOptions& options);

// "all_reduce 64 MiB, rail 3, repeat 1"; "permutation flow 17".
// Requires: `row` is one of the workload's.
std::string RowName(const Workload& workload, RowId row);

// An edge of a row, or its only one (0) of a send:
// "rail 3 ring: host4/gpu3 → host5/gpu3", "ring channel 2: …", "flow 17: …".
std::string EdgeName(const Workload& workload, const Fabric& fabric, RowId row, std::uint32_t edge);

}  // namespace weft
