#include <filesystem>
#include <memory>
#include <ostream>

#include "base/schema/source_text.h"
#include "base/text_file.h"
#include "cli/app.h"
#include "cli/file_kind.h"
#include "cli/output.h"
#include "report/purchase.h"

namespace weft::cli {
namespace {

struct DiffArgs {
  std::string a, b;
};

// The plan.json that `path` is, or that lies in the folder it is.
Result<std::string> ReadPlan(const std::string& path, SourceTexts& texts) {
  constexpr const char* kWant = "what weft plan --json or --out writes";
  std::error_code failed;
  const bool folder = std::filesystem::is_directory(path, failed);
  const std::string file = folder ? path + "/plan.json" : path;
  WEFT_TRY(std::string text, ReadTextFile(file, {file, 0, 0}, kWant));
  if (IsPlanJson(text)) return text;
  texts.Add(file, std::move(text));
  return OrForeign<std::string>(
      Fail(ErrorCode::kSyntax, {file, 1, 1}, "is no plan of schema weft.plan/1", kWant),
      FileKind::kPlan, file);
}

int RunDiff(const DiffArgs& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  const Result<std::string> a = ReadPlan(args.a, texts), b = ReadPlan(args.b, texts);
  for (const Result<std::string>* one : {&a, &b})
    if (!*one) PrintErrors(one->error(), texts, err);
  if (!a || !b) return kBadInput;
  const std::string text = PlanDifference(*a, *b, TerminalWidth());
  out << (text.empty() ? "no difference\n" : text);
  return text.empty() ? kOk : kUnmet;
}

}  // namespace

void AddDiff(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<DiffArgs>();
  CLI::App* command = app.add_subcommand("diff", "What two plans decide differently");
  command->footer("Exit status 1: they differ");
  command->add_option("a", args->a, "plan.json, or the folder of --out")->required();
  command->add_option("b", args->b, "the other one")->required();
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunDiff(*args, out, err); };
  });
}

}  // namespace weft::cli
