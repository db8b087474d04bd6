// The table of docs/validation.md on the flow engine and SimGrid: by how much the times of
// completions differ, by what a program is made of. What `./dev docs` writes and the test docs
// compares; it fails where a row is beyond what the page says.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>

#include "base/check.h"
#include "sim/flow/flow_simulation.h"
#include "sim/simgrid/simgrid_simulation.h"
#include "tests/sim/random_program.h"

namespace weft {
namespace {

struct Run {
  Net net;
  Program program;
  SimulationInput input;
};

struct Row {
  std::size_t programs = 0, completions = 0, beyond = 0;  // beyond 1e-6
  double largest = 0, of_mean = 0;                        // relative
  double latest_ps = 0;                                   // largest difference in time
};

// By row and pass: the end, in picoseconds.
std::map<std::pair<std::uint32_t, std::uint32_t>, double> Ends(Simulation& simulation,
                                                               const Program& program) {
  simulation.Append(program);
  simulation.Run(kForever, kNoBudget);
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> out;
  for (const Completion& c : simulation.completions())
    out[{Index(c.row), c.pass}] = static_cast<double>(c.end.time_since_epoch().count());
  return out;
}

using MakeSimulation = std::function<std::unique_ptr<Simulation>()>;

void Compare(const MakeSimulation& make_a, const MakeSimulation& make_b, const Program& program,
             Row& row) {
  CheckProgram(program);
  const auto a = Ends(*make_a(), program), b = Ends(*make_b(), program);
  WEFT_CHECK(a.size() == b.size());
  ++row.programs;
  double sum_a = 0, sum_b = 0;
  for (const auto& [key, end_ps] : a) {
    const double other_ps = b.at(key), apart_ps = std::abs(end_ps - other_ps);
    ++row.completions;
    sum_a += end_ps;
    sum_b += other_ps;
    row.latest_ps = std::max(row.latest_ps, apart_ps);
    const double relative = apart_ps == 0 ? 0 : apart_ps / std::max(end_ps, other_ps);
    row.largest = std::max(row.largest, relative);
    row.beyond += relative > 1e-6 ? 1u : 0u;
  }
  if (sum_a > 0) row.of_mean = std::max(row.of_mean, std::abs(sum_a - sum_b) / sum_a);
}

MakeSimulation Flow(const SimulationInput& input) {
  return [input] { return std::make_unique<FlowSimulation>(input); };
}
MakeSimulation Simgrid(const SimulationInput& input) {
  return [input] { return std::make_unique<SimgridSimulation>(input); };
}

// Every host sends one after the other to hosts drawn at random, each of the sizes that `bytes`
// draws.
Program Loop(const Net& net, std::uint32_t flows, Random& random,
             const std::function<std::int64_t(Random&)>& bytes) {
  Builder b;
  const auto nics = static_cast<std::uint32_t>(net.nic.size());
  for (std::uint32_t f = 0; f < flows; ++f)
    for (std::uint32_t from = 0; from < nics; ++from)
      b.AddSend(net.nic[from], net.nic[(from + 1 + random.Below(nics - 1)) % nics], bytes(random),
                {from});
  b.program.stream_count = nics;
  return b.program;
}

Row RandomPrograms(Coupling coupling, bool faults, bool cap) {
  Row row;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const Net net = RandomNet(random);
    const Builder b = RandomProgram(net, random);
    SimulationInput input = net.Input();
    input.seed = HashSeed{seed};
    input.physics.launch = 2us;
    input.physics.coupling = coupling;
    if (cap) input.physics.channel_cap = GigabitsPerSecond(20);
    if (faults) {
      input.events = RandomEvents(net, random);
      input.fault_policy = {20us, 5us, {}, FaultPolicy::Qps::kMove};
    }
    Compare(Flow(input), Simgrid(input), b.program, row);
  }
  return row;
}

// Against SimGrid, or against the flow engine itself with every flow's start 1 ps later.
enum class Other : std::uint8_t { kSimgrid, kLaterStarts };

Row Loops(std::uint32_t flows, std::int64_t least, std::uint32_t spread, Other other) {
  Row row;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Random random(seed);
    const Net net = LeafSpine(4, 4, 4, GigabitsPerSecond(100), 1us);
    SimulationInput input = net.Input();
    input.seed = HashSeed{seed};
    const Program program = Loop(net, flows, random, [&](Random& draw) {
      return least + (spread > 0 ? std::int64_t{draw.Below(spread)} : 0);
    });
    SimulationInput later = input;
    later.physics.launch += SimDuration(1);
    Compare(Flow(input), other == Other::kSimgrid ? Simgrid(input) : Flow(later), program, row);
  }
  return row;
}

// "0", "3e-9"
std::string Relative(double value) { return value == 0 ? "0" : fmt::format("{:.0e}", value); }

std::string Time(double ps) {
  if (ps < 1e4) return fmt::format("{:.0f} ps", ps);
  return ps < 1e8 ? fmt::format("{:.1f} us", ps * 1e-6) : fmt::format("{:.1f} ms", ps * 1e-9);
}

int Print() {
  struct Line {
    const char* what;
    Row row;
    double most;  // of `largest`
  };
  const Row chaotic = Loops(200, 1'000'000, 2'000'000, Other::kSimgrid);
  const Row itself = Loops(200, 1'000'000, 2'000'000, Other::kLaterStarts);
  const Line lines[] = {
      {"random programs, loose", RandomPrograms(Coupling::kLoose, false, false), 1e-6},
      {"the same, tight", RandomPrograms(Coupling::kTight, false, false), 1e-6},
      {"the same, auto, channels capped", RandomPrograms(Coupling::kAuto, false, true), 1e-6},
      {"the same, auto, with faults", RandomPrograms(Coupling::kAuto, true, false), 1e-6},
      {"loops of 20 flows a host, 1 to 64 bytes", Loops(20, 1, 64, Other::kSimgrid), 1e-6},
      {"loops of 20 flows a host, 1 to 3 MB", Loops(20, 1'000'000, 2'000'000, Other::kSimgrid),
       5e-3},
      {"loops of 20 flows a host, 2 MB each", Loops(20, 2'000'000, 0, Other::kSimgrid), 5e-3},
      {"loops of 200 flows a host, 1 to 3 MB", chaotic, 2 * itself.largest},
      {"the same, weft against itself, starts 1 ps later", itself, 1},
  };
  fmt::print(
      "| programs | how many | completions | largest difference, relative | in time | of the mean "
      "completion | beyond 1e-6 |\n| --- | --- | --- | --- | --- | --- | --- |\n");
  int wrong = 0;
  for (const Line& line : lines) {
    const Row& row = line.row;
    fmt::print("| {} | {} | {} | {} | {} | {} | {} |\n", line.what, row.programs, row.completions,
               Relative(row.largest), Time(row.latest_ps), Relative(row.of_mean), row.beyond);
    if (row.largest <= line.most) continue;
    fmt::print(stderr, "{}: {:.1e} is more than {:.0e}\n", line.what, row.largest, line.most);
    wrong = 1;
  }
  return wrong;
}

}  // namespace
}  // namespace weft

int main() { return weft::Print(); }
