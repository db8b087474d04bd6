#include "base/schema/explain.h"

#include <memory>
#include <ostream>
#include <sstream>

#include "cli/app.h"
#include "cli/output.h"
#include "planner/plan.pb.h"
#include "report/table.h"
#include "scenario/scenario.pb.h"

namespace weft::cli {

void AddExplain(CLI::App& app, Command& chosen) {
  const auto key = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("explain", "What a key of the scenario file means");
  command->add_option("key", *key, "a key or its path: seeds, fabric.segments")->required();
  command->callback([key, &chosen] {
    chosen = [key](std::ostream& out, std::ostream& err) {
      Result<std::string> text = ExplainKey(*ScenarioSpec::descriptor(), *key);
      // A key that scenarios do not have may be one of the plan file's.
      if (!text)
        if (Result<std::string> plan = ExplainKey(*PlanSpec::descriptor(), *key); plan)
          text = std::move(plan);
      if (!text) {
        Errors errors = text.error();
        for (Error& error : errors) error.pos.file = "weft";  // it is of no file
        PrintErrors(errors, SourceTexts(), err);
        return kBadInput;
      }
      constexpr int kLabels = 12;  // columns, before what is said of a key
      const int width = TerminalWidth();
      std::istringstream lines(*text);
      for (std::string line; std::getline(lines, line);)
        out << (DisplayWidth(line) > width && line.starts_with("  ")
                    ? WrapAfter(line.substr(0, kLabels), line.substr(kLabels), width)
                    : line)
            << '\n';
      return kOk;
    };
  });
}

}  // namespace weft::cli
