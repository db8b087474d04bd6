// weft-probe: measures a GPU host, or with MPI a cluster, and writes one record.
//
// The first process plans, keeps the journal and shows progress; a worker, the same program with
// --worker, does the GPU's work of one group under one NCCL_ALGO and NCCL_PROTO. A step that kills
// or hangs its worker is written down as failed, and a new worker goes on after it.
#include <fcntl.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "validate/probe/device.h"
#include "validate/probe/plan.h"
#include "validate/probe/record.h"

namespace weft::probe {
namespace {

constexpr const char* kUsage =
    R"(weft-probe [-o FILE] [options]: measures GPUs, copies and NCCL, writes one JSON record

  -o FILE          the record (weft-probe.json); FILE.part is its journal: a run that was cut off
                   goes on where it stopped
  --dry-run        say what would be measured, and measure nothing; needs no GPU
  --list           the same, every step on a line
  --only KIND,…    launch, gemm, copy, nccl_call, collective
  --gpus N         use N GPUs of this host (all); for --dry-run where there is none (8)
  --max-bytes B    largest collective, in bytes (4294967296)
  --no-forced      NCCL's own choices only, no NCCL_ALGO and NCCL_PROTO
  --quick          few sizes, no forced algorithms: minutes become seconds
  --fresh          forget the journal
Over several hosts: build with MPI (make MPI=1), start one process a GPU; NCCL_ALGO and NCCL_PROTO
are then taken from the environment, one run each.
)";

struct Args {
  Options options;
  std::string output = "weft-probe.json";
  bool dry_run = false, list = false, fresh = false;
  int worker = -1;  // the group to run
};

int Refuse(const std::string& message) {
  std::fprintf(stderr, "weft-probe: error: %s\n", message.c_str());
  return 2;
}

// The empty text where all is well.
std::string Parse(int argc, char** argv, Args& args) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
    const auto number = [&](long long low, long long high, long long& out) {
      const std::string text = value();
      char* end = nullptr;
      out = std::strtoll(text.c_str(), &end, 10);
      return !text.empty() && *end == 0 && out >= low && out <= high;
    };
    long long n = 0;
    if (word == "-o") {
      args.output = value();
      if (args.output.empty()) return "-o wants a file";
    } else if (word == "--dry-run") {
      args.dry_run = true;
    } else if (word == "--list") {
      args.list = args.dry_run = true;
    } else if (word == "--fresh") {
      args.fresh = true;
    } else if (word == "--quick") {
      args.options.quick = true;
    } else if (word == "--no-forced") {
      args.options.forced = false;
    } else if (word == "--gpus") {
      if (!number(1, 1024, n)) return "--gpus wants a number from 1";
      args.options.gpus = static_cast<int>(n);
    } else if (word == "--max-bytes") {
      if (!number(1024, 1LL << 40, n)) return "--max-bytes wants bytes, 1024 to 2^40";
      args.options.max_bytes = n;
    } else if (word == "--worker") {
      if (!number(0, 1000, n)) return "--worker is for weft-probe itself";
      args.worker = static_cast<int>(n);
    } else if (word == "--only") {
      std::istringstream kinds(value());
      for (std::string kind; std::getline(kinds, kind, ',');) {
        if (std::find(Kinds().begin(), Kinds().end(), kind) == Kinds().end())
          return "--only knows no '" + kind + "': launch, gemm, copy, nccl_call, collective";
        args.options.only.push_back(kind);
      }
    } else {
      return "there is no option '" + word + "'; --help lists them";
    }
  }
  return {};
}

std::string OutputOf(const char* command) {
  std::string out;
  FILE* const pipe = popen(command, "r");
  if (!pipe) return out;
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  pclose(pipe);
  return out;
}

std::string Now() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

// What tells one plan from another, so that a journal is continued only by its own.
std::string Fingerprint(const Options& options, const DeviceFacts& facts) {
  std::ostringstream out;
  out << facts.gpu << "; " << options.gpus << " GPUs, " << options.ranks << " ranks, "
      << options.hosts << " hosts; NCCL " << facts.nccl << ", driver " << facts.driver << "; up to "
      << options.max_bytes << (options.quick ? ", quick" : "") << (options.forced ? "" : ", own");
  for (const std::string& kind : options.only) out << ", " << kind;
  return out.str();
}

Provenance ProvenanceOf(const Options& options, const DeviceFacts& facts, int argc, char** argv,
                        const std::string& started) {
  Provenance out;
  out.Text("started", started);
  out.Text("finished", Now());
  utsname system{};
  if (uname(&system) == 0) {
    out.Text("host", system.nodename);
    out.Text("kernel", std::string(system.sysname) + " " + system.release + " " + system.machine);
  }
  out.Text("gpu", facts.gpu);
  out.Text("compute_capability", facts.compute_capability);
  out.Number("gpu_memory_bytes", facts.memory_bytes);
  out.Number("gpus", options.gpus);
  out.Number("ranks", options.ranks);
  out.Number("hosts", options.hosts);
  out.Text("cuda_runtime", facts.runtime);
  out.Text("cuda_driver", facts.driver);
  out.Text("nccl", facts.nccl);
  std::string arguments;
  for (int i = 1; i < argc; ++i) arguments += (i > 1 ? " " : "") + std::string(argv[i]);
  out.Text("arguments", arguments);
  std::string environment;  // NCCL's settings and no others: a record is shared
  for (char** one = environ; *one; ++one)
    if (std::strncmp(*one, "NCCL_", 5) == 0) environment += std::string(*one) + "\n";
  out.Text("nccl_environment", environment);
  out.Text("nvidia_smi",
           OutputOf("nvidia-smi --query-gpu=index,name,driver_version,pci.bus_id,memory.total,"
                    "clocks.max.sm,clocks.sm,power.limit,ecc.mode.current,pcie.link.gen.current,"
                    "pcie.link.width.current,mig.mode.current --format=csv 2>/dev/null"));
  out.Text("nvidia_smi_topo", OutputOf("nvidia-smi topo -m 2>/dev/null"));
  out.Text("nvlink", OutputOf("nvidia-smi nvlink --status 2>/dev/null"));
  return out;
}

void PrintPlan(const Args& args, const DeviceFacts& facts, const std::vector<Group>& plan) {
  std::size_t steps = 0;
  std::printf("weft-probe would measure, with NCCL %s, ", facts.nccl.c_str());
  if (facts.gpus > 0)
    std::printf("on %d of %d %s\n", args.options.gpus, facts.gpus, facts.gpu.c_str());
  else
    std::printf("as if on %d GPUs (there is none here: %s)\n", args.options.gpus,
                facts.why.c_str());
  for (const Group& group : plan) {
    steps += group.steps.size();
    std::printf("  %-28s %5zu steps", group.name.c_str(), group.steps.size());
    if (group.algorithm != "auto")
      std::printf("   NCCL_ALGO=%s NCCL_PROTO=%s", group.algorithm.c_str(), group.protocol.c_str());
    std::printf("\n");
    if (args.list)
      for (const Step& step : group.steps) std::printf("    %s\n", step.Describe().c_str());
  }
  std::printf("%zu steps, some %zu minutes; the record goes to %s\n", steps, 1 + steps * 15 / 600,
              args.output.c_str());
}

// Progress: one line that updates on a terminal, a line a group elsewhere.
class Progress {
 public:
  explicit Progress(std::size_t steps) : steps_(steps), terminal_(isatty(2)) {}
  void Skip() { --steps_; }
  void Group(const std::string& name) {
    if (!terminal_) std::fprintf(stderr, "weft-probe: %s\n", name.c_str());
  }
  void Done(const std::string& what) {
    ++done_;
    if (!terminal_) return;
    const double spent =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double left = spent / static_cast<double>(done_) * static_cast<double>(steps_ - done_);
    std::fprintf(stderr, "\r\033[K[%zu/%zu, %.0f s left] %.60s", done_, steps_, left, what.c_str());
    if (done_ == steps_) std::fprintf(stderr, "\n");
  }

 private:
  std::size_t steps_, done_ = 0;
  bool terminal_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string Failed(const Step& step, const std::string& why) {
  return "{" + step.Fields() + ", \"failed\": " + Quote(why) + "}";
}

// What a step measured, or why it could not, as a result of the record.
struct Measured {
  std::string json;
  bool failed = false;
};

Measured RunStep(const Step& step, Communicators& communicators) {
  try {
    const bool device = step.kind == "launch" || step.kind == "gemm" || step.kind == "copy";
    return {"{" + step.Fields() + ", " + (device ? RunDeviceStep(step) : communicators.Run(step)) +
            "}"};
  } catch (const std::exception& e) {
    return {Failed(step, e.what()), true};
  }
}

// A worker's life: the steps that FILE.todo names, a line before and after each.
int Work(const Args& args, const std::vector<Group>& plan) {
  if (static_cast<std::size_t>(args.worker) >= plan.size()) return Refuse("no such group");
  std::set<std::string> todo;
  std::istringstream lines(ReadAll(args.output + ".todo"));
  for (std::string key; std::getline(lines, key);) todo.insert(key);
  Communicators communicators(World{0, args.options.ranks, 1, 0, false});
  for (const Step& step : plan[static_cast<std::size_t>(args.worker)].steps) {
    if (todo.count(step.Key()) == 0) continue;
    alarm(300);  // a hang ends the worker, not the probe
    std::printf("WEFT-BEGIN\t%s\n", step.Key().c_str());
    std::fflush(stdout);
    const Measured measured = RunStep(step, communicators);
    std::printf("WEFT-DONE\t%s\t%s\n", step.Key().c_str(), measured.json.c_str());
    std::fflush(stdout);
    // CUDA's errors stick, and NCCL may be left within a group: what came after would be neither
    // measured nor refused. Another worker goes on, without the library's farewell.
    if (measured.failed) _exit(0);
  }
  alarm(30);
  return 0;
}

struct Child {
  pid_t pid = -1;
  FILE* out = nullptr;
};

Child Start(int argc, char** argv, const Group& group, std::size_t index, const std::string& topo) {
  int pipes[2];
  Child child;
  if (pipe(pipes) != 0) return child;
  child.pid = fork();
  if (child.pid == 0) {
    dup2(pipes[1], 1);
    close(pipes[0]);
    close(pipes[1]);
    if (group.algorithm != "auto") {
      setenv("NCCL_ALGO", group.algorithm.c_str(), 1);
      setenv("NCCL_PROTO", group.protocol.c_str(), 1);
    }
    setenv("NCCL_TOPO_DUMP_FILE", topo.c_str(), 1);
    std::vector<char*> arguments(argv, argv + argc);
    std::string worker = "--worker", number = std::to_string(index);
    for (std::string* word : {&worker, &number}) arguments.push_back(word->data());
    arguments.push_back(nullptr);
    execv("/proc/self/exe", arguments.data());
    _exit(127);
  }
  close(pipes[1]);
  if (child.pid < 0)
    close(pipes[0]);
  else
    child.out = fdopen(pipes[0], "r");
  return child;
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "no end within 300 s";
  if (WIFSIGNALED(status)) return std::string("ended by ") + strsignal(WTERMSIG(status));
  return "its process exited with status " + std::to_string(WEXITSTATUS(status));
}

// Runs a group in workers until every step of it is in the journal. The text of what went wrong
// with the journal; a step that fails is no such thing.
std::string RunGroup(const Args& args, int argc, char** argv, const Group& group, std::size_t index,
                     Journal& journal, Progress& progress) {
  while (true) {
    std::string todo;
    for (const Step& step : group.steps)
      if (!journal.Has(step.Key())) todo += step.Key() + "\n";
    if (todo.empty()) return {};
    if (std::string wrong = WriteWhole(args.output + ".todo", todo); !wrong.empty()) return wrong;
    Child child = Start(argc, argv, group, index, args.output + ".topo");
    if (!child.out) return "no process can be started";
    std::string begun, wrong;
    char* line = nullptr;
    std::size_t room = 0;
    for (ssize_t size; (size = getline(&line, &room, child.out)) > 0;) {
      std::string text(line, static_cast<std::size_t>(size) - (line[size - 1] == '\n'));
      if (text.rfind("WEFT-BEGIN\t", 0) == 0) begun = text.substr(11);
      if (text.rfind("WEFT-DONE\t", 0) != 0) continue;  // NCCL_DEBUG prints here too
      const std::size_t tab = text.find('\t', 10);
      if (tab == std::string::npos || text.back() != '}') continue;
      const std::string key = text.substr(10, tab - 10);
      if (wrong.empty()) wrong = journal.Add(key, text.substr(tab + 1));
      begun.clear();
      progress.Done(key);
    }
    std::free(line);
    std::fclose(child.out);
    int status = 0;
    waitpid(child.pid, &status, 0);
    if (!wrong.empty()) return wrong;
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (clean && begun.empty()) continue;
    for (const Step& step : group.steps) {  // what it was at; where it died at once, the next one
      if (begun.empty() ? journal.Has(step.Key()) : step.Key() != begun) continue;
      wrong = journal.Add(step.Key(), Failed(step, HowItEnded(status)));
      progress.Done(step.Key() + " failed");
      break;
    }
    if (!wrong.empty()) return wrong;
  }
}

// With MPI every process runs every step; rank 0 knows what is done and writes. A process that
// fails leaves the others waiting for it until the alarm ends them all: so a step that was begun
// twice and never ended is written down as failed, and the next run goes on after it.
std::string RunTogether(const World& world, const std::vector<Group>& plan, Journal& journal,
                        Progress& progress) {
  Communicators communicators(world);
  for (const Group& group : plan) {
    for (const Step& step : group.steps) {
      std::string wrong;
      char skip = 0, stop = 0;
      if (world.rank == 0) {
        if (journal.Begun(step.Key()) >= 2)
          wrong = journal.Add(step.Key(), Failed(step, "two runs ended in it"));
        skip = journal.Has(step.Key());
        if (wrong.empty() && !skip) wrong = journal.Begin(step.Key());
        stop = !wrong.empty();
      }
      ShareBytes(world, &stop, 1);
      if (stop) return wrong;
      ShareBytes(world, &skip, 1);
      if (skip) continue;
      alarm(300);
      const Measured measured = RunStep(step, communicators);
      if (world.rank != 0) continue;
      if (wrong = journal.Add(step.Key(), measured.json); !wrong.empty()) return wrong;
      progress.Done(step.Key());
    }
  }
  alarm(0);
  return {};
}

// Under MPI one run is what the environment says NCCL shall do.
std::vector<Group> PlanUnderMpi(const Options& options) {
  Options own = options;
  own.only = {"nccl_call", "collective"};
  own.forced = false;
  std::vector<Group> plan = MakePlan(own);
  const char *const algorithm = std::getenv("NCCL_ALGO"), *const protocol =
                                                              std::getenv("NCCL_PROTO");
  for (Group& group : plan) {
    for (Step& step : group.steps) {
      if (algorithm) step.algorithm = algorithm;
      if (protocol) step.protocol = protocol;
    }
  }
  return plan;
}

int Measure(const Args& args, const World& world, const DeviceFacts& facts, int argc, char** argv) {
  const std::vector<Group> plan = world.mpi ? PlanUnderMpi(args.options) : MakePlan(args.options);
  const std::string started = Now(), part = args.output + ".part", topo = args.output + ".topo";
  Journal journal;
  std::string wrong;
  if (world.rank == 0) wrong = journal.Open(part, Fingerprint(args.options, facts), args.fresh);
  char stop = !wrong.empty();
  ShareBytes(world, &stop, 1);
  if (stop) return world.rank == 0 ? Refuse(wrong) : 2;
  std::vector<std::string> keys;
  for (const Group& group : plan)
    for (const Step& step : group.steps) keys.push_back(step.Key());
  Progress progress(keys.size());
  for (const std::string& key : keys)
    if (journal.Has(key)) progress.Skip();
  if (world.mpi) {
    if (world.rank == 0) setenv("NCCL_TOPO_DUMP_FILE", topo.c_str(), 1);
    wrong = RunTogether(world, plan, journal, progress);
    if (world.rank != 0) return 0;
  }
  for (std::size_t i = 0; !world.mpi && wrong.empty() && i < plan.size(); ++i) {
    progress.Group(plan[i].name);
    wrong = RunGroup(args, argc, argv, plan[i], i, journal, progress);
  }
  if (!wrong.empty()) return Refuse(wrong);
  std::size_t failed = 0;
  for (const std::string& key : keys)
    failed += journal.done().at(key).find("\"failed\": ") != std::string::npos;
  wrong =
      WriteWhole(args.output, FormatRecord(ProvenanceOf(args.options, facts, argc, argv, started),
                                           ReadAll(topo), keys, journal));
  if (!wrong.empty()) return Refuse(wrong);
  for (const char* end : {".part", ".todo", ".topo"}) std::remove((args.output + end).c_str());
  std::printf("%zu steps measured, %zu could not be; the record is %s\n", keys.size() - failed,
              failed, args.output.c_str());
  return 0;
}

int Main(int argc, char** argv) {
  Args args;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--help" || std::string(argv[i]) == "-h") {
      std::fputs(kUsage, stdout);
      return 0;
    }
  }
  if (const std::string wrong = Parse(argc, argv, args); !wrong.empty()) return Refuse(wrong);
  const DeviceFacts facts = ReadDeviceFacts();
  if (facts.gpus > 0 && args.options.gpus > facts.gpus)
    return Refuse("--gpus is more than the " + std::to_string(facts.gpus) + " here");
  if (args.options.gpus == 0) args.options.gpus = facts.gpus > 0 ? facts.gpus : 8;
  args.options.ranks = args.options.gpus;
  if (args.dry_run) {
    PrintPlan(args, facts, MakePlan(args.options));
    return 0;
  }
  if (facts.gpus == 0)
    return Refuse("there is no GPU to measure: " + facts.why + " (--dry-run says the plan)");
  if (args.worker >= 0) return Work(args, MakePlan(args.options));
  const World world = JoinWorld(&argc, &argv);
  if (world.mpi) {
    args.options.ranks = world.ranks;
    args.options.hosts = world.hosts;
  }
  const int status = Measure(args, world, facts, argc, argv);
  LeaveWorld(world);
  return status;
}

}  // namespace
}  // namespace weft::probe

int main(int argc, char** argv) { return weft::probe::Main(argc, argv); }
