#include "cli/app.h"

#include <algorithm>
#include <new>
#include <ostream>

#include "base/version.h"

namespace weft::cli {

void BuildApp(CLI::App& app, Command& chosen) {
  app.description(
      "weft weaves, loads, breaks and prices the network fabric of an AI cluster before anyone "
      "buys it.");
  app.set_version_flag("--version", std::string("weft ") + kWeftVersion);
  app.require_subcommand(1);
  app.get_formatter()->label("OPTIONS", "options");
  for (const auto add :
       {AddSimulate, AddCompare, AddTopology, AddPresets, AddNew, AddExplain, AddDoctor, AddDocs})
    add(app, chosen);
  app.footer("Start with: weft new collective hpn > my.yaml && weft simulate my.yaml");
}

int RunApp(std::vector<std::string> args, std::ostream& out, std::ostream& err) {
  CLI::App app;
  app.name("weft");
  Command chosen;
  BuildApp(app, chosen);
  std::reverse(args.begin(), args.end());  // CLI11 takes them last first
  try {
    app.parse(args);
  } catch (const CLI::ParseError& e) {
    const bool asked = e.get_exit_code() == 0;  // --help, --version
    app.exit(e, out, err);
    return asked ? kOk : kBadInput;
  }
  try {
    return chosen(out, err);
  } catch (const std::bad_alloc&) {
    err << "weft: error: out of memory (a smaller fabric, or fewer --threads, needs less)\n";
    return kBadInput;
  }
}

}  // namespace weft::cli
