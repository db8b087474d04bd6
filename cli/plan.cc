#include "planner/plan.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>
#include <thread>

#include "base/digest.h"
#include "base/text_file.h"
#include "cli/app.h"
#include "cli/file_kind.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "planner/question.h"
#include "planner/store.h"
#include "report/purchase.h"

namespace weft::cli {
namespace {

struct PlanArgs {
  std::string path;
  RunOptions options;  // sets, out_dir, json, quiet, time_limit
  bool screen_only = false, explain = false, resume = false;
};

// The question of a file, or of a plan.json that an earlier run wrote: then what that was made of.
Result<Question> ReadAsked(const PlanArgs& args, PlanInput& input, SourceTexts& texts) {
  WEFT_TRY(std::string text, ReadTextFile(args.path, {args.path, 0, 0}));
  const bool again = !text.empty() && text[0] == '{' && IsPlanJson(text);
  if (again) input = PlanInputOf(text);
  const std::vector<std::pair<std::string, std::string>> before = input.files;
  input.files.clear();
  input.sets.insert(input.sets.end(), args.options.sets.begin(), args.options.sets.end());
  input.screen_only = input.screen_only || args.screen_only;
  Result<Question> question = again ? ParseQuestion(input.text, input.file, input.sets, &texts)
                                    : OrForeign(ReadQuestion(args.path, input.sets, &texts),
                                                FileKind::kQuestion, args.path);
  if (!question) return question;
  if (!again) {
    input.file = args.path;
    input.text = std::move(text);
  }
  Errors errors;
  for (const std::string& file : question->files) {
    const std::string* read = texts.Find(file);
    input.files.emplace_back(file, read != nullptr ? Digest(*read) : "");
    for (const auto& [name, digest] : before)
      if (name == file && digest != input.files.back().second)
        errors.push_back({ErrorCode::kInconsistent,
                          {file, 1, 1},
                          "this is not the file that the plan was made of",
                          "plan the question itself again: weft plan " + input.file});
  }
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return question;
}

bool WriteFolder(const PlanArgs& args, const PlanReport& report, std::ostream& err) {
  const std::string& folder = args.options.out_dir;
  if (folder.empty()) return true;
  const std::pair<const char*, std::string> files[] = {{"plan.json", PlanJson(report)},
                                                       {"candidates.csv", CandidatesCsv(report)},
                                                       {"bom.csv", report.bom_csv},
                                                       {"links.csv", report.links_csv},
                                                       {"ports.csv", report.ports_csv},
                                                       {"racks.csv", report.racks_csv},
                                                       {"plan.txt", PlanText(report, 80, true)}};
  for (const auto& [name, text] : files) {
    const std::string path = folder + "/" + name;
    // What this plan does not have is not left over from an earlier one.
    std::error_code failed;
    if (text.empty() && std::filesystem::remove(path, failed); failed) {
      err << "weft: error: " << path << " of an earlier plan cannot be removed\n";
      return false;
    }
    if (!text.empty() && !WriteFile(path, text, err)) return false;
  }
  return true;
}

// A plan builds fabric after fabric: what one of them freed is for the next, not for the system,
// which would hand it back page by page.
void KeepFreedMemory() {
  constexpr int kBlock = 32 << 20, kFree = 256 << 20;  // bytes: the largest kept, and all of it
  mallopt(M_MMAP_THRESHOLD, kBlock);
  mallopt(M_TRIM_THRESHOLD, kFree);
}

Result<std::unique_ptr<ResultStore>> OpenStore(const PlanArgs& args) {
  if (args.options.out_dir.empty()) return std::unique_ptr<ResultStore>();
  return ResultStore::Open(args.options.out_dir + "/results.sqlite", args.resume);
}

int RunPlan(const PlanArgs& args, std::ostream& out, std::ostream& err) {
  KeepFreedMemory();
  SourceTexts texts;
  const auto fail = [&](const Errors& errors) {
    PrintErrors(errors, texts, err);
    return kBadInput;
  };
  if (args.resume && args.options.out_dir.empty()) {
    err << "weft: error: plan: --resume goes on from what is in --out DIR\n";
    return kBadInput;
  }
  PlanInput input;
  const Result<Question> question = ReadAsked(args, input, texts);
  if (!question) return fail(question.error());
  if (!args.options.out_dir.empty()) {
    std::error_code failed;
    std::filesystem::create_directories(args.options.out_dir, failed);
  }
  const Result<std::unique_ptr<ResultStore>> store = OpenStore(args);
  if (!store) return fail(store.error());
  Result<RunWatch> watch = RunWatch::Start(args.options, err);
  if (!watch) return fail(watch.error());
  const RunControl run = watch->Control();
  PlanControl control;
  control.jobs = run.threads;
  control.screen_only = input.screen_only;
  control.files = !args.options.out_dir.empty();
  control.store = store->get();
  control.stop = run.stop;
  control.progress = [&](const std::string& what, double share) {
    run.progress ? run.progress(share) : watch->SayProgress(what, share);
  };
  Result<PlanReport> report = MakePlan(*question, control);
  watch->ClearProgress();
  if (!report) return fail(report.error());
  report->input = std::move(input);
  if (!WriteFolder(args, *report, err)) return kBadInput;
  RunOptions print = args.options;
  print.out_dir.clear();
  if (!WriteResult(print, PlanText(*report, TerminalWidth(), args.explain), PlanJson(*report), out,
                   err))
    return kBadInput;
  if (Interrupted()) return kInterrupted;
  return report->best && report->clear ? kOk : kUnmet;
}

}  // namespace

void AddPlan(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<PlanArgs>();
  CLI::App* command =
      app.add_subcommand("plan", "What to buy for so much work, and how sure it is");
  command->footer("Exit status 1: no clear winner, or no plan is feasible");
  command->add_option("file", args->path, "the question, YAML, or the plan.json of an earlier run")
      ->required();
  command->add_option("--set", args->options.sets, "override a value: --set need.gpus=4096")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--out", args->options.out_dir,
                   "write plan.json, plan.txt, bom.csv, links.csv, ports.csv, racks.csv, "
                   "candidates.csv, and results.sqlite for --resume")
      ->type_name("DIR");
  command->add_flag("--quiet", args->options.quiet, "no progress");
  command->add_option("--json", args->options.json, "write JSON; -: to standard output")
      ->type_name("FILE|-");
  command->add_option("--jobs", args->options.threads, "threads; absent: one a core")
      ->type_name("N")
      ->check(Whole(0, 1024));
  command->add_flag("--resume", args->resume, "use what an earlier run left in --out DIR");
  command->add_flag("--screen-only", args->screen_only, "simulate nothing");
  command->add_flag("--explain", args->explain, "every rejected candidate and the rule that binds");
  command
      ->add_option("--time-limit", args->options.time_limit, "stop after this, with what is done")
      ->type_name("DURATION");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunPlan(*args, out, err); };
  });
}

}  // namespace weft::cli
