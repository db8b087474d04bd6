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
namespace {

// Where what is said of a key, or of one of its values, begins: after the label and the blanks that
// follow it. 0: the line has no label.
std::size_t AfterLabel(const std::string& line) {
  constexpr std::size_t kLabels = 12;  // columns, where labels are no longer
  const std::size_t label = line.find_first_not_of(' ');
  if (label == 0 || label == std::string::npos) return 0;
  if (label >= kLabels) return label;
  const std::size_t blanks = line.find("  ", label);
  const std::size_t end = blanks == std::string::npos ? line.find(' ', label) : blanks;
  const std::size_t said = line.find_first_not_of(' ', end);
  return said == std::string::npos ? 0 : said;
}

}  // namespace

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
      const int width = TerminalWidth();
      std::istringstream lines(*text);
      for (std::string line; std::getline(lines, line);) {
        const std::size_t said = DisplayWidth(line) > width ? AfterLabel(line) : 0;
        out << (said > 0 ? WrapAfter(line.substr(0, said), line.substr(said), width) : line)
            << '\n';
      }
      return kOk;
    };
  });
}

}  // namespace weft::cli
