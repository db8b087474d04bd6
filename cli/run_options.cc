#include "cli/run_options.h"

#include <fmt/format.h>
#include <omp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <ostream>

#include "base/schema/quantity.h"
#include "cli/app.h"
#include "sim/engines.h"

namespace weft::cli {
namespace {

volatile std::sig_atomic_t interrupts = 0;  // a signal handler can reach nothing else

extern "C" void OnInterrupt(int) {
  interrupts = interrupts + 1;
  if (interrupts > 1) _exit(130);
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool Interrupted() { return interrupts > 0; }

std::vector<std::string> RunOptions::AllSets() const {
  std::vector<std::string> all = sets;
  if (engine) all.push_back("engine=" + *engine);
  if (seeds) all.push_back(fmt::format("routing.seeds={}", *seeds));
  return all;
}

std::map<std::string, std::string> RunOptions::SetBy() const {
  std::map<std::string, std::string> by;
  if (engine) by["engine"] = "--engine";
  if (seeds) by["routing.seeds"] = "--seeds";
  return by;
}

void AddRunOptions(CLI::App& command, RunOptions& options) {
  command.add_option("--set", options.sets, "override a value: --set fabric.segments=4")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command.add_option("--engine", options.engine, EngineNames() + ": in place of the file's");
  command.add_option("--seeds", options.seeds, "hash seeds to run, in place of the file's")
      ->type_name("N")
      ->check(Whole());
  command.add_option("--threads", options.threads, "seeds run beside each other on N threads")
      ->type_name("N")
      ->check(Whole(1, 1024));
  command
      .add_option("--time-limit", options.time_limit,
                  "stop with a partial result after D, building included")
      ->type_name("D");
  command.add_option("--out", options.out_dir, "also write report.txt and report.json to DIR")
      ->type_name("DIR");
  command.add_option("--json", options.json, "write the result as JSON; -: to standard output")
      ->type_name("FILE|-");
  command.add_flag("--quiet", options.quiet, "no progress, no warnings");
}

Result<RunWatch> RunWatch::Start(const RunOptions& options, std::ostream& err) {
  RunWatch watch;
  watch.err_ = &err;
  watch.quiet_ = options.quiet;
  watch.draw_ = !options.quiet && isatty(STDERR_FILENO) != 0;
  watch.threads_ = options.threads > 0 ? options.threads : omp_get_num_procs();
  watch.start_ = watch.drawn_ = std::chrono::steady_clock::now();
  watch.deadline_ = std::chrono::steady_clock::time_point::max();
  if (!options.time_limit.empty()) {
    WEFT_TRY(const double ps,
             ParseQuantity(options.time_limit, Unit::DURATION, SourcePos{"--time-limit", 1, 1}));
    constexpr double kYear = 365 * 86400e12;
    if (!(ps > 0 && ps <= kYear))
      return Fail(
          ErrorCode::kOutOfRange, {"--time-limit", 1, 1},
          fmt::format("'--time-limit' is {} (want more than 0s, at most 365d)", options.time_limit),
          "--time-limit 10s");
    watch.deadline_ = watch.start_ + std::chrono::microseconds(static_cast<std::int64_t>(ps / 1e6));
  }
  return watch;
}

bool RunWatch::Stopped() const {
  return Interrupted() || std::chrono::steady_clock::now() >= deadline_;
}

RunControl RunWatch::Control() {
  RunControl control;
  control.threads = threads_;
  control.stop = [this] { return Stopped(); };
  control.clock_s = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  control.peak_memory = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return KiB(usage.ru_maxrss);
  };
  if (!draw_) return control;
  control.progress = [this](double share) {
    const auto now = std::chrono::steady_clock::now();
    if (now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    const std::string left = Left(share);
    *err_ << fmt::format("\r\x1b[K{:3.0f} %{}{}", share * 100, left.empty() ? "" : "  ", left)
          << std::flush;
  };
  return control;
}

double RunWatch::Spent() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

std::string RunWatch::Left(double share) const {
  if (share <= 0.01) return {};
  const double spent = Spent();
  return fmt::format("{:.0f} s left", spent / share - spent);
}

void RunWatch::SayProgress(const std::string& what, double share) {
  const auto now = std::chrono::steady_clock::now();
  if (quiet_ || now - drawn_ < std::chrono::seconds(10)) return;
  drawn_ = now;
  const std::string left = Left(share);
  *err_ << fmt::format("weft: {:.0f} s, {:.0f} %{}{}: {}", Spent(), share * 100,
                       left.empty() ? "" : ", some ", left, what)
        << std::endl;
}

void RunWatch::ClearProgress() {
  if (draw_) *err_ << "\r\x1b[K" << std::flush;
}

}  // namespace weft::cli
