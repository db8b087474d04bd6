#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>

#include "cli/app.h"
#include "cli/output.h"
#include "report/purchase.h"

namespace weft::cli {
namespace {

struct DiffArgs {
  std::string a, b;
};

// The plan.json that `path` is, or that lies in the folder it is.
std::optional<std::string> ReadPlan(const std::string& path, std::ostream& err) {
  std::error_code failed;
  const bool folder = std::filesystem::is_directory(path, failed);
  const std::string file = folder ? path + "/plan.json" : path;
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.is_open() && IsPlanJson(text)) return text;
  err << fmt::format("{}: error: {} (what weft plan --json or --out writes)\n", file,
                     in.is_open() ? "this is no plan of schema weft.plan/1" : "cannot be read");
  return std::nullopt;
}

int RunDiff(const DiffArgs& args, std::ostream& out, std::ostream& err) {
  const std::optional<std::string> a = ReadPlan(args.a, err), b = ReadPlan(args.b, err);
  if (!a || !b) return kBadInput;
  const std::string text = PlanDifference(*a, *b, TerminalWidth());
  out << (text.empty() ? "no difference\n" : text);
  return text.empty() ? kOk : kUnmet;
}

}  // namespace

void AddDiff(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<DiffArgs>();
  CLI::App* command = app.add_subcommand(
      "diff", "What two plans decide differently; exit status 1 where they differ");
  command->add_option("a", args->a, "plan.json, or the folder of --out")->required();
  command->add_option("b", args->b, "the other one")->required();
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunDiff(*args, out, err); };
  });
}

}  // namespace weft::cli
