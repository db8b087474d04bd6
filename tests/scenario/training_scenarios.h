// A scenario of training to start from, and what tests do with one.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scenario/run_scenario.h"

namespace weft {

inline RunControl Patient() {
  RunControl control;
  control.stop = [] { return false; };
  control.clock_s = [] { return 0.0; };
  return control;
}

inline Result<PreparedScenario> Try(const std::string& text, const std::vector<std::string>& sets) {
  SourceTexts texts;
  FabricCache cache;
  Result<Located<ScenarioSpec>> spec = ParseScenario(text, "s.yaml", sets, &texts);
  if (!spec) return tl::make_unexpected(spec.error());
  return Prepare(*std::move(spec), cache);
}

inline RunReport Simulate(const std::string& text, const std::vector<std::string>& sets = {}) {
  const Result<PreparedScenario> prepared = Try(text, sets);
  EXPECT_TRUE(prepared.has_value()) << (prepared ? "" : prepared.error().front().message);
  return RunScenario(*prepared, Patient());
}

// Four stages of eight GPUs, two replicas: eight hosts of one segment.
inline constexpr const char* kSmall = R"(
fabric: { preset: hpn, segments: 1, hosts: 8 }
placement: { gpus: 64 }
routing: { seeds: 1 }
rdma: { qps: 2 }
workload:
  training:
    architecture: { layers: 16, hidden: 4096, heads: 32, vocabulary: 32000 }
    parallel: { tensor: 8, pipeline: 4 }
    global_batch: 32
    sequence: 2048
    what_if: false
)";

inline std::string Set(const char* key, const std::string& value) {
  return fmt::format("workload.training.{}={}", key, value);
}

// The parts of an iteration's split.
inline double Sum(const IterationReport& i) {
  return i.compute_s + i.bubble_s + i.fixed_s + i.tensor_s + i.pipeline_s + i.data_s + i.context_s +
         i.expert_s;
}

}  // namespace weft
