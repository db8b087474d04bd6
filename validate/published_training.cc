// Published iterations of training beside weft's, each run in an engine.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "scenario/prepare.h"
#include "scenario/run_scenario.h"
#include "validate/embedded.h"
#include "validate/published_internal.h"

namespace weft {
namespace {

using Sets = std::vector<std::string>;

std::string_view Embedded(std::string_view file) {
  std::string_view text;
  for (const EmbeddedFile& one : EmbeddedValidateFiles())
    if (std::string_view(one.path).ends_with(file)) text = one.text;
  WEFT_CHECK(!text.empty());
  return text;
}

// A scenario of examples/ with values laid over it.
IterationReport RunExample(const std::string& file, const Sets& sets) {
  Result<Located<ScenarioSpec>> spec = ParseScenario(Embedded(file), file, sets, nullptr);
  WEFT_CHECK(spec.has_value());
  FabricCache cache;
  const Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  WEFT_CHECK(prepared.has_value());
  RunControl control;
  control.stop = [] { return false; };
  control.clock_s = [] { return 0.0; };
  const RunReport report = RunScenario(*prepared, control);
  WEFT_CHECK(report.iteration.has_value());
  return *report.iteration;
}

struct Example {
  const char* file;
  Sets sets;
};

struct TrainingClaim {
  std::string claim;
  const char *source, *formula;
  double expected;
  const char* unit;
  double tolerance;
  const char* why;
  bool slow;  // takes a second and more
  std::vector<Example> runs;
  double (*figure)(const std::vector<IterationReport>&);
};

double Seconds(const std::vector<IterationReport>& runs) { return runs[0].time_s.median; }
double MfuPercent(const std::vector<IterationReport>& runs) { return runs[0].mfu.median * 100; }
double TflopsOfGpu(const std::vector<IterationReport>& runs) {
  return runs[0].flops_per_token * runs[0].tokens_per_s.median / 1e12 /
         static_cast<double>(runs[0].gpus);
}
double TimesRatio(const std::vector<IterationReport>& runs) {
  return runs[0].time_s.median / runs[1].time_s.median;
}

// A row of a column of Table 2. What `column` says of training, its fitted plateau among it, stands
// in its file, a key a line, and is laid over cluster.yaml as the file's include does.
Sets MegaScaleRow(const char* column, int gpus, int batch) {
  Sets out = {fmt::format("placement.gpus={}", gpus),
              fmt::format("workload.training.parallel.data={}", gpus / 64),
              fmt::format("workload.training.global_batch={}", batch)};
  constexpr std::string_view kOfTraining = "    ";
  std::string_view text = Embedded(column);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t colon = line.find(": ");
    if (!line.starts_with(kOfTraining) || line[4] == '#' || colon == line.npos) continue;
    out.push_back(
        fmt::format("workload.training.{}={}", line.substr(4, colon - 4), line.substr(colon + 2)));
  }
  WEFT_CHECK(out.size() > 3);
  return out;
}

std::vector<TrainingClaim> LargeClaims() {
  constexpr const char* kV2 = "examples/deepseek-v2/cluster.yaml";
  return {
      {"Llama 3 405B on 16,384 H100: 400 TFLOPS a GPU",
       "[GDJ+24 Table 4]",
       "flow engine, every token seen; plateau fitted to the row of 8,192 GPUs",
       400,
       "TFLOPS",
       0.06,
       "counting what causal attention needs alone is 4 % less",
       true,
       {{"examples/llama3/llama3.yaml",
         {"placement.gpus=16384", "workload.training.parallel.data=128"}}},
       TflopsOfGpu},
      {"DeepSeek-V3's step on 2,048 H800 takes 19.926 s",
       "[ZDR+25 Table 4]",
       "flow engine, the table's own times of passes; nothing is fitted",
       19.926,
       "s",
       0.05,
       "stages are taken to be alike: the table's bubble, a tenth of the step, is twice DualPipe's",
       true,
       {{"examples/deepseek-v3/step.yaml",
         {"fabric={ family: rail_only, hosts: 256, host: { preset: hgx-h800, nic: 400Gbps, "
          "nic_ports: 1, transport: ib } }"}}},
       Seconds},
      {"DeepSeek-V2 needs 0.575 of the GPU-hours of DeepSeek-67B",
       "[DSV2 §3.2.3]",
       "flow engine, iterations of as many tokens on as many GPUs; nothing is fitted",
       0.575,
       "",
       0.17,
       "'a portion' is recomputed, nobody says which: here all of it; with none the ratio is a "
       "quarter lower",
       true,
       {{kV2,
         {"workload.training.model=deepseek-v2",
          "workload.training.parallel={ pipeline: 16, data: 64, expert: 8 }",
          "workload.training.recompute=full",
          "workload.training.overlap={ shared_experts: true, pipeline: true, data: true }"}},
        {kV2,
         {"workload.training.model=deepseek-67b",
          "workload.training.parallel={ tensor: 8, pipeline: 8, virtual_stages: 2, data: 16 }",
          "workload.training.overlap={ tensor: true, pipeline: true, data: true }"}}},
       TimesRatio}};
}

// What of Tables 2 and 3 nothing was fitted to, but for what Megatron-LM takes longer to begin
// with, which rows of Table 3 give; rows of 12,288 GPUs take an engine too long.
void AddMegaScale(std::vector<TrainingClaim>& out) {
  const auto add = [&out](const char* claim, const char* source, double expected, bool seconds,
                          Sets sets) {
    out.push_back({claim,
                   source,
                   "flow engine",
                   expected,
                   seconds ? "s" : "%",
                   0.05,
                   "plateau and loading time are fitted to four other rows, the 202 ms of "
                   "Megatron-LM's column are from Table 3's; which hosts are slow is drawn",
                   seconds,
                   {{"examples/megascale/cluster.yaml", std::move(sets)}},
                   seconds ? Seconds : MfuPercent});
  };
  constexpr const char* kMegaScale = "examples/megascale/megascale.yaml";
  constexpr const char* kMegatronLm = "examples/megascale/megatron_lm.yaml";
  add("MegaScale, 175B on 3,072 A100, batch 6,144: 23.66 s", "[JLZ+24 Table 2]", 23.66, true,
      MegaScaleRow(kMegaScale, 3072, 6144));
  add("Megatron-LM, the same: 29.02 s", "[JLZ+24 Table 2]", 29.02, true,
      MegaScaleRow(kMegatronLm, 3072, 6144));
  add("MegaScale, 175B on 256 A100, batch 256: MFU 62.3 %", "[JLZ+24 Table 3]", 62.3, false,
      MegaScaleRow(kMegaScale, 256, 256));
  add("Megatron-LM, the same: MFU 47.7 %", "[JLZ+24 Table 3]", 47.7, false,
      MegaScaleRow(kMegatronLm, 256, 256));
}

struct SeleneModel {
  const char* name;
  int gpus, layers, hidden, heads, stages, chunks, batch, micro;
  double full_s, selective_s;
};

Sets Selene(const SeleneModel& m) {
  Sets out = {
      fmt::format("placement.gpus={}", m.gpus),
      fmt::format("workload.training.architecture={{ layers: {}, hidden: {}, heads: {}, "
                  "vocabulary: 51200, positions: 2048, tied: true, biases: true, dropout: true }}",
                  m.layers, m.hidden, m.heads),
      fmt::format(
          "workload.training.parallel={{ tensor: 8, pipeline: {}, virtual_stages: {}, zero: 0 }}",
          m.stages, m.chunks),
      fmt::format("workload.training.global_batch={}", m.batch),
      fmt::format("workload.training.micro_batch={}", m.micro)};
  if (m.stages > 1) out.push_back("workload.training.overlap={ pipeline: false }");
  return out;
}

// Eight iterations on Selene: everything computed again, and attention alone.
void AddSelene(std::vector<TrainingClaim>& out) {
  constexpr SeleneModel kModels[] = {{"22B", 8, 48, 6144, 64, 1, 1, 4, 4, 1.42, 1.10},
                                     {"175B", 64, 96, 12288, 96, 8, 3, 64, 1, 18.13, 13.75},
                                     {"530B", 280, 105, 20480, 128, 35, 3, 280, 1, 49.05, 37.83},
                                     {"1T", 512, 128, 25600, 160, 64, 1, 512, 1, 94.42, 71.49}};
  for (const SeleneModel& model : kModels)
    for (const bool full : {true, false}) {
      Sets sets = Selene(model);
      if (full) sets.push_back("workload.training.recompute=full");
      if (full) sets.push_back("workload.training.parallel.sequence=false");
      const double seconds = full ? model.full_s : model.selective_s;
      out.push_back({fmt::format("Selene, {} on {} GPUs, {} again: {} s", model.name, model.gpus,
                                 full ? "everything" : "attention", seconds),
                     "[KCL+22 Table 5]",
                     "flow engine; nothing is fitted",
                     seconds,
                     "s",
                     0.12,
                     "what a stack loses beside its kernels is in no constant: an aim, no bound",
                     false,
                     {{"examples/selene/cluster.yaml", std::move(sets)}},
                     Seconds});
    }
}

}  // namespace

void AddTraining(bool quick, std::vector<PublishedClaim>& out) {
  std::vector<TrainingClaim> claims = LargeClaims();
  AddMegaScale(claims);
  AddSelene(claims);
  if (quick) std::erase_if(claims, [](const TrainingClaim& one) { return one.slow; });
  const std::size_t first = out.size();
  out.resize(first + claims.size());
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const TrainingClaim& one = claims[i];
    std::vector<IterationReport> runs;
    for (const Example& example : one.runs) runs.push_back(RunExample(example.file, example.sets));
    out[first + i] = {one.claim, one.source,    one.formula, one.expected,
                      one.unit,  one.tolerance, one.why,     one.figure(runs)};
  }
}

}  // namespace weft
