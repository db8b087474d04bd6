// What weft-probe measures, as a list made before anything runs.
//
// The same list is what --dry-run prints, what a worker is given to do, and what a resumed run
// takes the finished steps out of.
//
// Plain C++17 and the standard library: this folder builds on a bare GPU node.
// Repeats  the same options and GPUs give the same steps in the same order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft::probe {

struct Options {
  int gpus = 0;   // of this host
  int ranks = 0;  // of the whole job; more than gpus with MPI
  int hosts = 1;
  std::int64_t max_bytes = std::int64_t{4} << 30;  // of a collective
  bool quick = false;                              // sizes by factors of 16, no forced algorithms
  std::vector<std::string> only;                   // kinds; empty: all
  bool forced = true;  // algorithms and protocols besides NCCL's own choice
};

struct Step {
  std::string kind;  // launch, gemm, copy, nccl_call, collective
  std::string op;    // of a collective; of a copy: hbm, peer, host_to_device, device_to_host
  std::string type;  // float; half, bfloat16, tf32 of a GEMM
  std::int64_t bytes = 0;
  int m = 0, n = 0, k = 0;                            // of a GEMM
  int from = 0, to = 0;                               // GPUs of a copy
  int ranks = 0;                                      // of a collective
  std::string algorithm = "auto", protocol = "auto";  // as NCCL_ALGO and NCCL_PROTO spell them

  std::string Key() const;       // unique in a plan, without blanks or tabs
  std::string Fields() const;    // as JSON members: "kind": "gemm", …
  std::string Describe() const;  // for people
};

// Steps of one process: CUDA and NCCL are initialised once in it, under one NCCL_ALGO and
// NCCL_PROTO, and what breaks in it breaks nothing else.
struct Group {
  std::string name;
  std::string algorithm = "auto", protocol = "auto";
  std::vector<Step> steps;
};

// Requires: gpus >= 1, ranks >= gpus.
std::vector<Group> MakePlan(const Options& options);

// The kinds that Options::only knows.
const std::vector<std::string>& Kinds();

std::string FormatBytes(std::int64_t bytes);  // 64 KiB

}  // namespace weft::probe
