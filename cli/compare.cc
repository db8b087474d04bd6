#include "scenario/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/live_fabric.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "report/text.h"
#include "scenario/prepare.h"

namespace weft::cli {
namespace {

struct CompareArgs {
  std::vector<std::string> paths, varies;
  RunOptions options;
};

// One case: a file with some values laid over it.
struct Variant {
  std::string path, label;
  std::vector<std::string> sets;
};

// Splits at commas outside brackets and quotes: "[1MiB, 2MiB],4MiB" is two values.
std::vector<std::string> SplitValues(const std::string& text) {
  std::vector<std::string> values(1);
  int depth = 0;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    }
    if (c == ',' && depth == 0 && quote == 0)
      values.emplace_back();
    else
      values.back() += c;
  }
  return values;
}

// Every combination of the values of --vary; within each, every file.
Result<std::vector<Variant>> Variants(const CompareArgs& args) {
  std::vector<Variant> values{{"", "", args.options.AllSets()}};
  for (const std::string& vary : args.varies) {
    const std::size_t equals = vary.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == vary.size())
      return Fail(ErrorCode::kSyntax, {"--vary", 1, 1}, fmt::format("'{}' is no PATH=V1,V2", vary),
                  "--vary rdma.qps=1,4");
    const std::string path = vary.substr(0, equals);
    std::vector<Variant> next;
    for (const Variant& one : values) {
      for (const std::string& text : SplitValues(vary.substr(equals + 1))) {
        next.push_back(one);
        next.back().sets.push_back(path + '=' + text);
        next.back().label += (one.label.empty() ? "" : ", ") + path + '=' + text;
      }
    }
    if (next.size() * args.paths.size() > 100'000)
      return Fail(ErrorCode::kOutOfRange, {"--vary", 1, 1},
                  fmt::format("{} cases are too many", next.size() * args.paths.size()),
                  "at most 100,000 at once");
    values = std::move(next);
  }
  std::vector<Variant> variants;
  for (const Variant& one : values)
    for (const std::string& path : args.paths) variants.push_back({path, one.label, one.sets});
  return variants;
}

// Every case prepared, or the errors of the first that cannot be. Ends with a case that
// is `stopped` where `stop` said so.
Result<std::vector<PreparedScenario>> PrepareAll(const std::vector<Variant>& variants,
                                                 SourceTexts& texts,
                                                 const std::function<bool()>& stop) {
  FabricCache cache;
  std::vector<PreparedScenario> cases;
  for (const Variant& variant : variants) {
    WEFT_TRY(Located<ScenarioSpec> spec, ReadScenarioFile(variant.path, variant.sets, texts));
    WEFT_TRY(PreparedScenario prepared, Prepare(std::move(spec), cache, stop));
    const std::string& name = prepared.spec.message.name();
    const bool many = variants.front().path != variants.back().path;
    prepared.label = name.empty() ? variant.path : name;
    if (!variant.label.empty())
      prepared.label = many ? prepared.label + ": " + variant.label : variant.label;
    prepared.variant = variant.label;
    cases.push_back(std::move(prepared));
    if (cases.back().stopped) break;
  }
  return cases;
}

int RunCompare(const CompareArgs& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  const auto fail = [&](const Errors& errors) {
    PrintErrors(errors, texts, err);
    return kBadInput;
  };
  Result<RunWatch> watch = RunWatch::Start(args.options, err);
  if (!watch) return fail(watch.error());
  const Result<std::vector<Variant>> variants = Variants(args);
  if (!variants) return fail(variants.error());
  const RunControl control = watch->Control();
  const Result<std::vector<PreparedScenario>> cases = PrepareAll(*variants, texts, control.stop);
  if (!cases) return fail(cases.error());
  if (!CheckTargets(args.options, err)) return kBadInput;

  const Comparison comparison = CompareScenarios(*cases, control);
  watch->ClearProgress();
  Errors refused;
  for (std::size_t c = 0; c < comparison.cases.size(); ++c) {
    if (!comparison.cases[c].refused) continue;
    Error error = *comparison.cases[c].refused;
    error.message = (*cases)[c].label + ": " + error.message;
    // Of keys that vary the texts hold the last case's value alone.
    if (!(*cases)[c].variant.empty()) error.pos.line = 0;
    refused.push_back(std::move(error));
  }
  if (!refused.empty()) return fail(refused);
  bool met = true;
  for (const RunReport& report : comparison.cases) met = met && report.unmet.empty();
  if (!args.options.quiet && !comparison.cases.empty())
    PrintWarnings(ComparisonWarnings(comparison), err);
  if (!WriteResult(args.options, ComparisonText(comparison, TerminalWidth()),
                   ComparisonJson(comparison), out, err))
    return kBadInput;
  if (Interrupted()) return kInterrupted;
  return met ? kOk : kUnmet;
}

}  // namespace

void AddCompare(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<CompareArgs>();
  CLI::App* command =
      app.add_subcommand("compare", "Run several scenarios under the same seeds, and compare");
  command->add_option("files", args->paths, "scenarios; the first is the base")->required();
  command
      ->add_option("--vary", args->varies,
                   "a case for each value; several --vary give every combination")
      ->type_name("PATH=V1,V2")
      ->allow_extra_args(false);
  AddRunOptions(*command, args->options);
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunCompare(*args, out, err); };
  });
}

}  // namespace weft::cli
