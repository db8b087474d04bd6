#include "cli/app.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <ostream>

#include "base/schema/wording.h"
#include "base/version.h"
#include "cli/output.h"

namespace weft::cli {

CLI::Validator Whole(int least, int most) {
  return CLI::Validator(
      [least, most](const std::string& text) -> std::string {
        int value = 0;
        const char* const end = text.data() + text.size();
        const auto [at, error] = std::from_chars(text.data(), end, value);
        if (error == std::errc() && at == end && value >= least && value <= most) return {};
        std::string range;
        if (least > std::numeric_limits<int>::min()) range = fmt::format(" of {} or more", least);
        if (most < std::numeric_limits<int>::max())
          range = fmt::format(" from {} to {}", least, most);
        if (range.empty() && error == std::errc::result_out_of_range) range = " that fits";
        return fmt::format("{} is no whole number{}", Quoted(text), range);
      },
      "");
}

void BuildApp(CLI::App& app, Command& chosen) {
  app.description(
      "weft weaves, loads and breaks the network fabric of an AI cluster before anyone "
      "buys it.");
  app.set_version_flag("--version", std::string("weft ") + kWeftVersion);
  app.require_subcommand(1);
  app.get_formatter()->label("OPTIONS", "options");
  for (const auto add :
       {AddSimulate, AddCompare, AddTopology, AddPlan, AddDiff, AddAudit, AddCollective, AddFlows,
        AddValidate, AddCalibrate, AddImport, AddPresets, AddNew, AddExplain, AddDoctor, AddDocs})
    add(app, chosen);
  app.footer("Start with: weft new collective hpn > my.yaml && weft simulate my.yaml");
}

namespace {

// What CLI11 says as "--seeds: 1 required INT missing" or "--seeds: At Most 1 required but received
// 2", in weft's words.
std::string SayMismatch(const std::string& what) {
  const std::size_t colon = what.find(':');
  if (colon == std::string::npos) return what;
  const std::string option = what.substr(0, colon);
  if (what.find(": At Most ") == std::string::npos) return option + " wants a value";
  const std::string times = what.substr(what.rfind(' ') + 1);
  return option + " is given " + (times == "2" ? "twice" : times + " times");
}

// Says which command or option nobody knows, and which one was probably meant.
// `args` stand last first.
int Refuse(const CLI::App& app, const std::vector<std::string>& args, const CLI::ParseError& e,
           std::ostream& err) {
  std::vector<std::string> names;
  std::string list;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->get_group().empty()) continue;
    names.push_back(command->get_name());
    list += (list.empty() ? "" : ", ") + command->get_name();
  }
  const auto meant = [](const std::string& nearest) {
    return nearest.empty() ? std::string() : " (did you mean '" + nearest + "'?)";
  };
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  if (chosen.empty()) {
    const std::string word = args.empty() ? std::string() : args.back();
    err << "weft: error: "
        << (word.empty() ? "a command is missing"
                         : "there is no command '" + word + "'" + meant(Nearest(word, names)))
        << "\ncommands: " << list << "; weft COMMAND --help says more\n";
    return kBadInput;
  }
  std::vector<std::string> options;
  for (const CLI::Option* option : chosen.front()->get_options())
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  for (std::size_t i = args.size(); i-- > 0;) {
    const std::string word = args[i].substr(0, args[i].find('='));
    const bool known = std::find(options.begin(), options.end(), word) != options.end();
    if (!word.starts_with("--") || known) continue;
    err << "weft: error: " << chosen.front()->get_name() << " has no option '" << word << "'"
        << meant(Nearest(word, options)) << '\n';
    return kBadInput;
  }
  std::string what = e.what();
  for (const CLI::Option* option : chosen.front()->get_options())
    if (what == option->get_name() + " is required") what += " (" + option->get_description() + ')';
  if (e.get_name() == "ArgumentMismatch") what = SayMismatch(what);
  err << "weft: error: " << chosen.front()->get_name() << ": " << what << '\n';
  return kBadInput;
}

}  // namespace

int RunApp(std::vector<std::string> args, std::ostream& out, std::ostream& err) {
  CLI::App app;
  app.name("weft");
  Command chosen;
  BuildApp(app, chosen);
  std::reverse(args.begin(), args.end());  // CLI11 takes them last first
  try {
    app.parse(std::vector<std::string>(args));
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) return Refuse(app, args, e, err);
    app.exit(e, out, err);  // --help, --version
    return Flush(out, err) ? kOk : kBadInput;
  }
  try {
    const int status = chosen(out, err);
    const bool lost = !Flush(out, err) && (status == kOk || status == kUnmet);
    return lost ? kBadInput : status;
  } catch (const std::bad_alloc&) {
    err << "weft: error: out of memory (a smaller fabric, or fewer --threads, needs less)\n";
    return kBadInput;
  }
}

}  // namespace weft::cli
