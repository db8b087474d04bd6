// An iteration of training on one screen.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/numbers.h"
#include "report/table.h"
#include "report/text.h"

namespace weft {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

// What the model is and what a GPU holds, in numbers that a reader may check.
std::string SizeText(const IterationReport& i, int width) {
  constexpr double kBillion = 1e9;
  std::string model = fmt::format("{:.1f} billion parameters", i.parameters / kBillion);
  if (i.active_parameters < i.parameters)
    model += fmt::format(", of which a token meets {:.1f}", i.active_parameters / kBillion);
  std::string parts;
  const auto add = [&](const char* name, double bytes) {
    if (bytes > 0)
      parts += fmt::format("{}{} {:.1f}", parts.empty() ? "" : ", ", name, bytes / kGiB);
  };
  add("parameters", i.memory.parameters);
  add("gradients", i.memory.gradients);
  add("optimiser", i.memory.optimiser);
  add("activations", i.memory.activations);
  add("logits", i.memory.logits);
  return Wrap(fmt::format("{}; fullest GPU, of stage {}, {:.1f} of {:.1f} GiB: {}", model,
                          i.memory.stage, i.memory_bytes / kGiB, i.gpu_memory_bytes / kGiB, parts),
              width, 2) +
         '\n';
}

std::string SplitText(const IterationReport& i, int width) {
  Table table;
  table.AddColumn("where the time goes", Align::kLeft);
  table.AddColumn("time");
  table.AddColumn("share");
  const auto add = [&](const char* name, double seconds) {
    if (seconds > 0 || i.split_of_s == 0)
      table.AddRow({name, FormatSeconds(seconds), FormatPercent(seconds / i.split_of_s)});
  };
  add("compute", i.compute_s);
  add("bubble", i.bubble_s);
  add("tensor, exposed", i.tensor_s);
  add("pipeline, exposed", i.pipeline_s);
  add("data, exposed", i.data_s);
  add("context, exposed", i.context_s);
  add("expert, exposed", i.expert_s);
  add("fixed time", i.fixed_s);
  return '\n' + table.Format(width);
}

std::string BytesText(const IterationReport& i, int width) {
  if (i.bytes.empty()) return {};
  Table table;
  table.AddColumn("bytes sent by all ranks", Align::kLeft);
  table.AddColumn("NVLink GB");
  table.AddColumn("network GB");
  const bool segments = std::any_of(i.bytes.begin(), i.bytes.end(), [](const GroupBytes& one) {
    return one.between_segments.value_or(1) > 0;
  });
  if (segments) table.AddColumn("between segments");
  for (const GroupBytes& one : i.bytes) {
    std::vector<std::string> row{one.group + (one.simulated ? "" : ", in closed form"),
                                 fmt::format("{:.1f}", one.nvlink / 1e9),
                                 fmt::format("{:.1f}", one.network / 1e9)};
    if (segments)
      row.push_back(one.between_segments ? fmt::format("{:.1f}", *one.between_segments / 1e9)
                                         : "not known");
    table.AddRow(std::move(row));
  }
  return '\n' + table.Format(width);
}

// The longest kinds of steps, with how often they are on the path.
std::string PathText(const IterationReport& i, int width) {
  if (i.critical_path.empty()) return {};
  constexpr std::size_t kShown = 5;
  std::map<std::string, std::pair<double, std::int64_t>> by_name;
  for (const CriticalStep& step : i.critical_path) {
    auto& [seconds, rows] = by_name[step.what];
    seconds += step.end_s - step.start_s;
    rows += step.rows;
  }
  std::vector<std::pair<double, std::string>> longest;
  for (const auto& [name, sum] : by_name)
    longest.emplace_back(
        sum.first, fmt::format("{} ({}, {})", name, FormatSeconds(sum.first),
                               sum.second == 1 ? "once" : FormatCount(sum.second) + " times"));
  std::stable_sort(longest.begin(), longest.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (std::size_t k = 0; k < std::min(kShown, longest.size()); ++k)
    text += (k == 0 ? "" : "; ") + longest[k].second;
  if (longest.size() > kShown) text += fmt::format("; {} more", longest.size() - kShown);
  std::string of;
  if (i.repeats_skipped > 0)
    of = fmt::format(" of the {} simulated ({} repeats more, counted as the last ones, take {})",
                     FormatSeconds(i.split_of_s - i.skipped_s), FormatCount(i.repeats_skipped),
                     FormatSeconds(i.skipped_s));
  return '\n' + Wrap(fmt::format("critical path{}: {}", of, text), width, 2) + '\n';
}

std::string WhatIfText(const IterationReport& i, int width) {
  if (i.what_if.empty()) return {};
  Table table;
  table.AddColumn("what would help", Align::kLeft);
  table.AddColumn("iteration");
  table.AddColumn("change");
  for (const auto& [change, time_s] : i.what_if)
    table.AddRow({change, FormatSeconds(time_s), FormatSignedPercent(time_s / i.split_of_s - 1)});
  return '\n' + table.Format(width);
}

// What groups send from segment to segment, all together; none where nobody knows of one.
std::optional<double> BetweenSegments(const IterationReport& i) {
  double sum = 0;
  for (const GroupBytes& one : i.bytes) {
    if (!one.between_segments) return std::nullopt;
    sum += *one.between_segments;
  }
  return sum;
}

// What of the time of `is` is not that of `was`, and what it sends otherwise.
std::string CauseText(const IterationReport& was, const IterationReport& is) {
  constexpr double kWorthSaying = 1e-3;  // of the base's time
  std::string out;
  const auto add = [&](const std::string& what) { out += (out.empty() ? "" : "; ") + what; };
  const auto time = [&](const char* name, double IterationReport::*part) {
    if (std::abs(is.*part - was.*part) < kWorthSaying * was.split_of_s) return;
    add(fmt::format("{} {} -> {}", name, FormatSeconds(was.*part), FormatSeconds(is.*part)));
  };
  time("compute", &IterationReport::compute_s);
  time("bubble", &IterationReport::bubble_s);
  time("exposed tensor", &IterationReport::tensor_s);
  time("exposed pipeline", &IterationReport::pipeline_s);
  time("exposed data", &IterationReport::data_s);
  time("exposed context", &IterationReport::context_s);
  time("exposed expert", &IterationReport::expert_s);
  time("fixed time", &IterationReport::fixed_s);
  const std::optional<double> before = BetweenSegments(was), after = BetweenSegments(is);
  if (before && after && *before + *after > 0)
    add(fmt::format("bytes between segments {:.0f} -> {:.0f} GB{}", *before / 1e9, *after / 1e9,
                    *before > 0 ? " (" + FormatSignedPercent(*after / *before - 1) + ")" : ""));
  return out.empty() ? "no part of the iteration is 0.1 % longer or shorter" : out;
}

// What of an iteration takes longer beside the others, where it is worth a word.
std::string GrowthText(const JobReport& job, int width) {
  if (!job.iteration) return {};
  constexpr double kWorthSaying = 1e-3;  // of the time alone
  const TimeSplit &now = job.iteration->split, &was = job.iteration->alone;
  std::string grown;
  const auto add = [&](const char* name, double TimeSplit::*part) {
    if (now.*part - was.*part < kWorthSaying * job.alone_s.median) return;
    grown += fmt::format("{}{} {} -> {}", grown.empty() ? "" : ", ", name, FormatSeconds(was.*part),
                         FormatSeconds(now.*part));
  };
  add("bubble", &TimeSplit::bubble_s);
  add("exposed pipeline", &TimeSplit::pipeline_s);
  add("exposed data", &TimeSplit::data_s);
  std::string text =
      fmt::format("{}: {} tokens/s, MFU {}", job.name,
                  FormatCount(static_cast<std::int64_t>(job.iteration->tokens_per_s)),
                  FormatPercent(job.iteration->mfu));
  if (!grown.empty()) text += "; longer beside the others: " + grown;
  return Wrap(text, width, 2) + '\n';
}

}  // namespace

std::string IterationsOfCasesText(const Comparison& comparison, int width) {
  Table table;
  table.AddColumn("case", Align::kLeft);
  for (const char* column :
       {"iteration", "tokens/s", "MFU", "exposed", "network GB", "between segments"})
    table.AddColumn(column);
  std::string causes;
  for (std::size_t c = 0; c < comparison.cases.size(); ++c) {
    const RunReport& report = comparison.cases[c];
    if (!report.iteration) {
      table.AddRow({CaseName(c), MakespanText(report), "-", "-", "-", "-", "-"});
      continue;
    }
    const IterationReport& i = *report.iteration;
    double network = 0;
    for (const GroupBytes& one : i.bytes) network += one.network;
    const std::optional<double> between = BetweenSegments(i);
    table.AddRow({CaseName(c), FormatSecondsInterval(i.time_s),
                  FormatCount(static_cast<std::int64_t>(i.tokens_per_s.median)),
                  FormatPercent(i.mfu.median),
                  FormatSeconds(i.tensor_s + i.pipeline_s + i.data_s + i.context_s + i.expert_s),
                  fmt::format("{:.1f}", network / 1e9),
                  between ? fmt::format("{:.1f}", *between / 1e9) : "not known"});
    const std::size_t base = comparison.base_of[c];
    if (base != c && comparison.cases[base].iteration)
      causes += Wrap(fmt::format("{} against {}: {}", CaseName(c), CaseName(base),
                                 CauseText(*comparison.cases[base].iteration, i)),
                     width, 2) +
                '\n';
  }
  return '\n' + table.Format(width) + causes;
}

std::string JobsText(const RunReport& report, int width) {
  if (report.jobs.empty()) return {};
  Table table;
  table.AddColumn("job: work", Align::kLeft);
  for (const char* column : {"GPUs", "passes", "alone", "beside the others", "slowdown"})
    table.AddColumn(column);
  for (const JobReport& job : report.jobs)
    table.AddRow({job.name + ": " + job.work, FormatCount(job.gpus), FormatCount(job.passes),
                  FormatSecondsInterval(job.alone_s), FormatSecondsInterval(job.time_s),
                  FormatSignedPercentInterval(
                      {job.slowdown.median - 1, job.slowdown.p5 - 1, job.slowdown.p95 - 1})});
  std::string out = '\n' + table.Format(width);
  for (const JobReport& job : report.jobs) out += GrowthText(job, width);
  return out;
}

std::string IterationText(const RunReport& report, int width) {
  if (!report.iteration) return {};
  const IterationReport& i = *report.iteration;
  std::string out = '\n' +
                    Wrap(fmt::format("iteration {}: {} tokens/s, MFU {} ({} with causal attention)",
                                     FormatSecondsInterval(i.time_s),
                                     FormatCount(static_cast<std::int64_t>(i.tokens_per_s.median)),
                                     FormatPercent(i.mfu.median), FormatPercent(i.mfu_causal)),
                         width, 2) +
                    '\n';
  out += Wrap(fmt::format("{} GPUs, {} micro-batches a replica; in closed form {}{}",
                          FormatCount(i.gpus), FormatCount(i.micro_batches),
                          FormatSeconds(i.estimate_s),
                          i.slow_hosts > 0 ? fmt::format("; {} slow hosts", i.slow_hosts) : ""),
              width, 2) +
         '\n';
  out += SizeText(i, width) + SplitText(i, width);
  if (i.overlap_efficiency)
    out += Wrap(fmt::format("of all communication {} is hidden behind compute",
                            FormatPercent(*i.overlap_efficiency)),
                width, 2) +
           '\n';
  out += BytesText(i, width) + PathText(i, width) + WhatIfText(i, width);
  if (i.repeats_skipped > 0)
    out += Wrap(fmt::format("steady state: {} repeats simulated, {} more counted as the last ones",
                            i.repeats, FormatCount(i.repeats_skipped)),
                width, 2) +
           '\n';
  return out;
}

}  // namespace weft
