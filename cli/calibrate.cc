#include <memory>
#include <ostream>

#include "cli/output.h"
#include "cli/validation.h"
#include "report/validation.h"

namespace weft::cli {
namespace {

struct CalibrateArgs {
  std::vector<std::string> tables;
  EntryOptions known;
  std::string output, leave_out, report;
};

Result<CalibrationResult> CalibrateTables(const CalibrateArgs& args, SourceTexts& texts,
                                          std::ostream& err) {
  WEFT_TRY(std::vector<TableEntry> entries, ReadTableFiles(args.tables, args.known, texts));
  PrintWarnings(WarningsOfGpus(entries), err);
  // A search is long, and the tables that are only for checking are never fitted.
  for (TableEntry& entry : entries)
    if (entry.use == TableUse::kCheck || entry.label == TableLabel::kDegraded ||
        entry.label == TableLabel::kUnclear)
      entry.tables.clear();
  WEFT_TRY(const MeasuredCases cases, PrepareCases(std::move(entries)));
  return Calibrate(cases, {args.leave_out});
}

int RunCalibrate(const CalibrateArgs& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  if (!CheckWritable(args.output, err)) return kBadInput;
  if (!args.report.empty() && !CheckWritable(args.report, err)) return kBadInput;
  const Result<CalibrationResult> result = CalibrateTables(args, texts, err);
  if (!result) {
    PrintErrors(result.error(), texts, err);
    return kBadInput;
  }
  if (!WriteFile(args.output, FormatCalibration(*result), err)) return kBadInput;
  if (!args.report.empty() &&
      !WriteFile(args.report, CalibrationText(*result, args.output, 120), err))
    return kBadInput;
  out << CalibrationText(*result, args.output, TerminalWidth());
  return kOk;
}

}  // namespace

void AddCalibrate(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<CalibrateArgs>();
  CLI::App* command =
      app.add_subcommand("calibrate", "Fit the time model's constants to measured tables");
  command
      ->add_option("tables", args->tables,
                   "as of weft validate; tables that a list marks degraded, unclear or check are "
                   "not fitted")
      ->required();
  AddKnownOfTables(*command, args->known);
  command->add_option("-o,--output", args->output, "the calibration file to write")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--leave-out", args->leave_out,
                   "a GPU generation or a transport (hopper, ib …): its tables are not fitted, and "
                   "compared")
      ->type_name("CLASS");
  command->add_option("--report", args->report, "write what is printed to a file too")
      ->type_name("FILE");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunCalibrate(*args, out, err); };
  });
}

}  // namespace weft::cli
