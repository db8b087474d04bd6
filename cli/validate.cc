#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>

#include "base/text_file.h"
#include "cli/app.h"
#include "cli/file_kind.h"
#include "cli/output.h"
#include "cli/validation.h"
#include "report/validation.h"
#include "scenario/calibration.h"

namespace weft::cli {
namespace {

struct ValidateArgs {
  std::vector<std::string> tables;
  EntryOptions known;
  std::string calibration, accept, out, json;
  bool published = false, quick = false;
};

struct Sheet {
  std::string file, text;  // as written, as printed
};

// The sheet before delivery.
Result<Sheet> AcceptanceSheet(const ValidateArgs& args, SourceTexts& texts) {
  if (args.known.host.empty() || args.known.gpus < 2)
    return WrongArgument("--accept without a table writes the sheet: it wants --host and --gpus",
                         "or name the tables that are to be judged by the sheet");
  AcceptanceQuestion question;
  question.host_text = args.known.host;
  WEFT_TRY(question.host, ReadHostText(args.known.host, {"--host", 0, 0}));
  question.gpus = args.known.gpus;
  question.gpus_per_host = args.known.gpus_per_host > 0
                               ? args.known.gpus_per_host
                               : std::min(args.known.gpus, question.host.gpus);
  if (question.gpus_per_host > question.gpus)
    return WrongArgument(fmt::format("--gpus-per-host {} is more than --gpus {}",
                                     question.gpus_per_host, question.gpus));
  if (!args.known.nccl.empty()) question.nccl = args.known.nccl;
  WEFT_TRY(const Calibration calibration, OrForeign(ReadCalibration(args.calibration, &texts),
                                                    FileKind::kCalibration, args.calibration));
  WEFT_TRY(const std::vector<AcceptanceLine> lines, MakeAcceptanceLines(question, calibration));
  return Sheet{
      FormatAcceptanceSheet(question, lines, calibration),
      AcceptanceSheetText(AcceptanceNotes(question, lines, calibration), lines, TerminalWidth())};
}

struct Judgement {
  std::vector<Error> warnings;
  std::vector<AcceptanceVerdict> verdicts;
  std::vector<TableNote> assumed, unused;
};

Result<Judgement> Judge(const ValidateArgs& args, SourceTexts& texts) {
  WEFT_TRY(const std::string text, ReadTextFile(args.accept, {args.accept, 0, 0}));
  texts.Add(args.accept, text);
  WEFT_TRY(const std::vector<AcceptanceLine> lines,
           OrForeign(ParseAcceptanceSheet(text, args.accept), FileKind::kSheet, args.accept));
  WEFT_TRY(const std::vector<TableEntry> entries, ReadTableFiles(args.tables, args.known, texts));
  return Judgement{WarningsOfGpus(entries), JudgeAcceptance(lines, entries),
                   AssumedTables(lines, entries), UnusedTables(lines, entries)};
}

int Accept(const ValidateArgs& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  if (args.tables.empty()) {
    const Result<Sheet> sheet = AcceptanceSheet(args, texts);
    if (!sheet) {
      PrintErrors(sheet.error(), texts, err);
      return kBadInput;
    }
    if (!WriteFile(args.accept, sheet->file, err)) return kBadInput;
    out << sheet->text << "\n" << args.accept << " written\n";
    return kOk;
  }
  const Result<Judgement> got = Judge(args, texts);
  if (!got) {
    PrintErrors(got.error(), texts, err);
    return kBadInput;
  }
  PrintWarnings(got->warnings, err);
  RunOptions target;
  target.json = args.json;
  if (!WriteResult(target,
                   AcceptanceText(got->verdicts, got->assumed, got->unused, TerminalWidth()),
                   AcceptanceJson(got->verdicts, got->assumed, got->unused), out, err))
    return kBadInput;
  const bool all = std::all_of(got->verdicts.begin(), got->verdicts.end(),
                               [](const AcceptanceVerdict& one) { return one.pass(); });
  return all ? kOk : kUnmet;
}

// Where nothing can be held against anything, why of each table.
Errors WhyNothingCompares(const MeasuredCases& cases) {
  constexpr std::size_t kMost = 20;
  Errors out;
  for (const CasesOfEntry& one : cases.tables)
    if (out.size() < kMost)
      out.push_back({ErrorCode::kInconsistent, cases.entries[one.entry].pos,
                     "nothing can be compared: " + one.why_not,
                     "--host, --gpus, --gpus-per-host and --nccl say what a table does not"});
  SortByPosition(out);
  return out;
}

Result<JudgedTables> CompareTables(const ValidateArgs& args, SourceTexts& texts) {
  WEFT_TRY(std::vector<TableEntry> entries, ReadTableFiles(args.tables, args.known, texts));
  WEFT_TRY(const Calibration calibration, OrForeign(ReadCalibration(args.calibration, &texts),
                                                    FileKind::kCalibration, args.calibration));
  WEFT_TRY(const MeasuredCases cases, PrepareCases(std::move(entries)));
  if (std::all_of(cases.tables.begin(), cases.tables.end(),
                  [](const CasesOfEntry& one) { return one.points.empty(); }))
    return tl::make_unexpected(WhyNothingCompares(cases));
  return JudgeTables(cases, calibration);
}

int Published(const ValidateArgs& args, std::ostream& out, std::ostream& err) {
  const std::vector<PublishedClaim> claims = CheckPublished(args.quick);
  RunOptions target;
  target.json = args.json;
  if (!WriteResult(target, PublishedText(claims), PublishedJson(claims), out, err))
    return kBadInput;
  const bool all = std::all_of(claims.begin(), claims.end(),
                               [](const PublishedClaim& one) { return one.pass(); });
  return all ? kOk : kUnmet;
}

// Options that were given and change nothing of what is done.
void WarnOfNoEffect(const ValidateArgs& args, std::ostream& err) {
  const bool sheet = !args.accept.empty() && args.tables.empty();
  const bool judge = !args.accept.empty() && !args.tables.empty();
  const char* const why = args.published ? "--published checks what weft brings itself"
                          : sheet        ? "--accept without a table writes the sheet alone"
                                         : "the sheet says what is least";
  std::vector<Error> warnings;
  const auto say = [&](bool given, const char* option) {
    if (given)
      warnings.push_back({ErrorCode::kInconsistent,
                          {"weft", 0, 0},
                          fmt::format("{} has no effect: {}", option, why),
                          {}});
  };
  say(args.published && !args.tables.empty(), "a table");
  say((args.published || judge) && !args.calibration.empty(), "--calibration");
  say(args.published && !args.known.host.empty(), "--host");
  say(args.published && args.known.gpus_per_host > 0, "--gpus-per-host");
  say(args.published && !args.known.nccl.empty(), "--nccl");
  say(args.published && args.known.gpus > 0, "--gpus");
  say((sheet || judge) && !args.out.empty(), "--out");
  say(sheet && !args.json.empty(), "--json");
  PrintWarnings(warnings, err);
}

int RunValidate(const ValidateArgs& args, std::ostream& out, std::ostream& err) {
  WarnOfNoEffect(args, err);
  if (args.published) return Published(args, out, err);
  if (!args.accept.empty()) return Accept(args, out, err);
  SourceTexts texts;
  if (args.tables.empty()) {
    PrintErrors(Errors{{ErrorCode::kSyntax,
                        {"weft", 0, 0},
                        "validate wants a table",
                        "an nccl-tests log, or a list of tables"}},
                texts, err);
    return kBadInput;
  }
  RunOptions target;
  target.json = args.json;
  target.out_dir = args.out;
  if (!CheckTargets(target, err)) return kBadInput;
  const Result<JudgedTables> got = CompareTables(args, texts);
  if (!got) {
    PrintErrors(got.error(), texts, err);
    return kBadInput;
  }
  if (!args.out.empty())
    for (const auto& [name, svg] : ComparisonPlots(got->comparison))
      if (!WriteFile((std::filesystem::path(args.out) / name).string(), svg, err)) return kBadInput;
  if (!WriteResult(target, ComparisonText(*got, TerminalWidth()), ComparisonJson(*got), out, err))
    return kBadInput;
  return got->Overall() > Verdict::kHealthy ? kUnmet : kOk;
}

}  // namespace

Result<std::vector<TableEntry>> ReadTableFiles(const std::vector<std::string>& paths,
                                               const EntryOptions& known, SourceTexts& texts) {
  Result<std::vector<TableEntry>> entries = ReadEntries(paths, known, &texts);
  if (entries) return entries;
  Errors foreign;
  for (const std::string& path : paths)
    if (const std::optional<Error> one = ForeignTo(FileKind::kTable, path)) foreign.push_back(*one);
  return foreign.empty() ? std::move(entries) : tl::make_unexpected(std::move(foreign));
}

void AddKnownOfTables(CLI::App& command, EntryOptions& known) {
  command
      .add_option("--host", known.host,
                  "where a table does not say: a preset, a file, or YAML such as "
                  "'{ preset: hgx-h100, nics: 4 }'")
      ->type_name("HOST");
  command
      .add_option("--gpus", known.gpus,
                  "ranks, where a table does not say; of a sheet, the GPUs that it is for")
      ->type_name("N")
      ->check(Whole(2, 1000000));
  command
      .add_option("--gpus-per-host", known.gpus_per_host,
                  "ranks a host, where a table does not say")
      ->type_name("K")
      ->check(Whole(1, 1024));
  command.add_option("--nccl", known.nccl, "NCCL's version, where a table does not say")
      ->type_name("VERSION");
}

void AddValidate(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<ValidateArgs>();
  CLI::App* command =
      app.add_subcommand("validate", "Hold measured tables against simulated times");
  command->footer(
      "Exit status 1: a table is slow or degraded; with --accept and tables, a line of the sheet "
      "does not pass or lacks tables; with --published, a claim does not hold");
  command->add_option("tables", args->tables,
                      "nccl-tests logs or JSON, records of weft-probe, CSV, or lists of them (TSV "
                      "with a column 'file')");
  AddKnownOfTables(*command, args->known);
  command->add_option("--calibration", args->calibration, "fitted constants of the time model")
      ->type_name("FILE|none");
  CLI::Option* const accept =
      command
          ->add_option("--accept", args->accept,
                       "without a table: write the acceptance sheet of --gpus of --host; with "
                       "tables: judge them by it")
          ->type_name("FILE");
  CLI::Option* const folder =
      command->add_option("--out", args->out, "folder for the results and a plot a table, SVG")
          ->type_name("DIR");
  CLI::Option* const published = command->add_flag(
      "--published", args->published, "check the published figures that weft claims to reproduce");
  published->excludes(accept);
  published->excludes(folder);
  command
      ->add_flag("--quick", args->quick,
                 "with --published: without iterations that take an engine a second and more")
      ->needs(published);
  command->add_option("--json", args->json, "write JSON; -: to standard output")
      ->type_name("FILE|-");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunValidate(*args, out, err); };
  });
}

}  // namespace weft::cli
