#include "scenario/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <ostream>
#include <set>

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

// What tells a case from the others before its file is read.
std::string ShortName(const Variant& variant, bool many_files) {
  if (variant.label.empty()) return variant.path;
  return many_files ? variant.path + ", " + variant.label : variant.label;
}

// Names that several files have say of which each is, and labels that are alike how often they came
// before: the same file twice.
void Label(const std::vector<Variant>& variants, bool many_files,
           std::vector<PreparedScenario>& cases) {
  const auto name_of = [&](std::size_t i) {
    const std::string& name = cases[i].spec.message.name();
    return name.empty() ? variants[i].path : name;
  };
  std::map<std::string, std::set<std::string>> paths;  // by name
  for (std::size_t i = 0; i < cases.size(); ++i) paths[name_of(i)].insert(variants[i].path);
  std::map<std::string, int> seen;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    std::string& label = cases[i].label;
    label = name_of(i);
    if (paths[label].size() > 1 && label != variants[i].path)
      label += fmt::format(" ({})", variants[i].path);
    cases[i].variant = variants[i].label;
    if (!variants[i].label.empty())
      label = many_files ? label + ": " + variants[i].label : variants[i].label;
    if (const int before = seen[label]++; before > 0) label += fmt::format(" (#{})", before + 1);
  }
}

// What cannot be run, with the case's name where not all say it, and its text to point into.
struct Refused {
  Error error;
  SourceTexts texts;
};

// Every case prepared, or what is wrong with the first few that cannot be: then `refused` has it.
// Ends with a case that is `stopped` where `stop` said so.
std::vector<PreparedScenario> PrepareAll(const std::vector<Variant>& variants,
                                         const CompareArgs& args, SourceTexts& texts,
                                         const std::function<bool()>& stop,
                                         std::vector<Refused>& refused) {
  constexpr std::size_t kMostFailures = 32;
  const bool many = std::any_of(variants.begin(), variants.end(), [&](const Variant& one) {
    return one.path != variants.front().path;
  });
  std::map<std::string, std::string> set_by = args.options.SetBy();
  for (const std::string& vary : args.varies) set_by[vary.substr(0, vary.find('='))] = "--vary";
  FabricCache cache;
  std::vector<PreparedScenario> cases;
  std::map<std::size_t, SourceTexts> failed;  // by case
  std::vector<std::pair<std::size_t, Error>> said;
  std::vector<std::string> names;
  for (const Variant& variant : variants) {
    names.push_back(ShortName(variant, many));
    Result<Located<ScenarioSpec>> spec =
        ReadScenarioFile(variant.path, variant.sets, texts, set_by);
    Result<PreparedScenario> prepared =
        spec ? Prepare(*std::move(spec), cache, stop) : tl::make_unexpected(spec.error());
    if (!prepared) {
      for (const Error& error : prepared.error()) said.emplace_back(names.size() - 1, error);
      failed[names.size() - 1] = texts;
      if (failed.size() == kMostFailures) break;
      continue;
    }
    cases.push_back(*std::move(prepared));
    if (cases.back().stopped) break;
  }
  for (auto& [index, error] : SaidOfCases(said, names))
    refused.push_back({std::move(error), failed[index]});
  if (refused.empty()) Label(variants, many, cases);
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
  std::vector<Refused> refused;
  const std::vector<PreparedScenario> cases =
      PrepareAll(*variants, args, texts, control.stop, refused);
  for (const Refused& one : refused) PrintErrors({one.error}, one.texts, err);
  if (!refused.empty()) return kBadInput;
  if (!CheckTargets(args.options, err)) return kBadInput;

  const Comparison comparison = CompareScenarios(cases, control);
  watch->ClearProgress();
  std::vector<std::pair<std::size_t, Error>> gave_up;
  for (std::size_t c = 0; c < comparison.cases.size(); ++c) {
    if (!comparison.cases[c].refused) continue;
    gave_up.emplace_back(c, *comparison.cases[c].refused);
    // Of keys that vary the texts hold the last case's value alone.
    if (!cases[c].variant.empty()) gave_up.back().second.pos.line = 0;
  }
  for (const auto& [index, error] : SaidOfCases(gave_up, comparison.labels))
    PrintErrors({error}, texts, err);
  if (!gave_up.empty()) return kBadInput;
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
  command->footer("Exit status 1: a requirement (require:) of a case is not met");
  AddRunOptions(*command, args->options);
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunCompare(*args, out, err); };
  });
}

}  // namespace weft::cli
