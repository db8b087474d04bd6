#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <ostream>

#include "base/schema/explain.h"
#include "cli/app.h"
#include "cli/output.h"
#include "planner/plan.pb.h"
#include "scenario/scenario.pb.h"

namespace weft::cli {
namespace {

// docs/cli.md: every subcommand's own help.
std::string CommandLineReference() {
  CLI::App app;
  app.name("weft");
  Command chosen;
  BuildApp(app, chosen);
  std::string out = "# The command line\n\nWritten by `./dev docs` from the program's own help.\n";
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->get_group().empty()) continue;
    out += fmt::format("\n## weft {}\n\n```\n{}```\n", command->get_name(), command->help("weft"));
  }
  out +=
      "\n## Exit status\n\n| status | meaning |\n| --- | --- |\n"
      "| 0 | done; a time limit that was reached, too: the result is marked partial |\n"
      "| 1 | done, and the answer is not what was asked for: a requirement that is not met, no "
      "clear "
      "winner, a finding, a difference, a table that is slow; of each command its help says what "
      "|\n"
      "| 2 | bad input, reported with file:line:col; or a result could not be written |\n"
      "| 3 | a defect of weft |\n"
      "| 130 | interrupted; the partial result is written |\n";
  return out;
}

int RunDocs(const std::string& folder, std::ostream& err) {
  std::error_code failed;
  std::filesystem::create_directories(folder + "/formats", failed);
  const bool ok =
      WriteFile(folder + "/cli.md", CommandLineReference(), err) &&
      WriteFile(folder + "/formats/scenario.md",
                "# The scenario file\n\nWritten by `./dev docs` from the schema's own words.\n\n" +
                    FormatReference(*ScenarioSpec::descriptor()),
                err) &&
      WriteFile(folder + "/formats/plan.md",
                "# The plan file\n\nWritten by `./dev docs` from the schema's own words.\n\n" +
                    FormatReference(*PlanSpec::descriptor()),
                err);
  return ok ? kOk : kBadInput;
}

}  // namespace

void AddDocs(CLI::App& app, Command& chosen) {
  const auto folder = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("docs", "Write docs/cli.md and docs/formats/");
  command->group("");  // for ./dev docs; not in the help
  command->add_option("folder", *folder, "where docs/ is")->required();
  command->callback([folder, &chosen] {
    chosen = [folder](std::ostream&, std::ostream& err) { return RunDocs(*folder, err); };
  });
}

}  // namespace weft::cli
