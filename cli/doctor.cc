#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <cmath>
#include <ostream>

#include "base/units.h"
#include "base/version.h"
#include "cli/app.h"
#include "cli/output.h"
#include "scenario/prepare.h"
#include "scenario/run_scenario.h"
#include "sim/simgrid/simgrid_simulation.h"

namespace weft::cli {
namespace {

// Two hosts, one switch between them, one send each way of 100 MB over a 400 Gb/s link of
// efficiency 1 and no latency: 2 ms, and a packet stored and forwarded by the host's bus
// (800 Gb/s at 0.914), the NIC and the switch. Anything else is a broken build.
constexpr SimDuration kExpected = TransferTime(Bytes(100'000'000), GigabitsPerSecond(400)) +
                                  TransferTime(Bytes(4096), GigabitsPerSecond(800) * 0.914) +
                                  TransferTime(Bytes(4096), GigabitsPerSecond(400)) * 2;
constexpr const char* kSelfTest =
    R"(fabric:
  { family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 400Gbps, latency: 0s }
routing: { seeds: 1 }
physics: { roce_efficiency: 100%, network_step: 0s, launch: 0s }
workload: { traffic: { pattern: permutation, bytes: 100MB } }
)";

bool SelfTest(std::ostream& out) {
  SourceTexts texts;
  FabricCache cache;
  Result<Located<ScenarioSpec>> spec = ParseScenario(kSelfTest, "self-test", {}, &texts);
  if (!spec) {
    PrintErrors(spec.error(), texts, out);
    return false;
  }
  const Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  if (!prepared) {
    PrintErrors(prepared.error(), texts, out);
    return false;
  }
  RunControl control;
  control.stop = [] { return false; };
  control.clock_s = [] { return 0.0; };
  const double got = RunScenario(*prepared, control).makespan_s.median;
  const bool exact = std::abs(got - ToSeconds(kExpected)) < 1e-12;  // a picosecond
  out << fmt::format("self-test    100 MB at 400 Gb/s: {:.9f} ms, expected {:.9f} ms: {}\n",
                     got * 1e3, ToSeconds(kExpected) * 1e3, exact ? "ok" : "WRONG");
  return exact;
}

int RunDoctor(std::ostream& out) {
  const double gib = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                     static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 30);
  out << fmt::format("weft         {}\ncompiler     {}\ncores        {}\nmemory       {:.1f} GiB\n",
                     kWeftVersion, __VERSION__, omp_get_num_procs(), gib)
      << fmt::format("simgrid      {}\npresets      {}\n", SimgridVersion(),
                     AllPresets().list().size());
  return SelfTest(out) ? kOk : kDefect;
}

}  // namespace

void AddDoctor(CLI::App& app, Command& chosen) {
  CLI::App* command =
      app.add_subcommand("doctor", "Check this build and say what a report of a defect needs");
  command->callback(
      [&chosen] { chosen = [](std::ostream& out, std::ostream&) { return RunDoctor(out); }; });
}

}  // namespace weft::cli
