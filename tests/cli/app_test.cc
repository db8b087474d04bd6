#include "cli/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/random.h"
#include "tests/base/test_file.h"

namespace weft::cli {
namespace {

using testing::HasSubstr;

struct Ran {
  int status;
  std::string out, err;
};

Ran Weft(const std::vector<std::string>& args) {
  std::ostringstream out, err;
  const int status = RunApp(args, out, err);
  return {status, out.str(), err.str()};
}

// A file of its own for each test, gone at its end.
class Scenario {
 public:
  explicit Scenario(const std::string& text)
      : path_(TestFile(testing::UnitTest::GetInstance()->current_test_info()->name() +
                       std::string(".yaml"))) {
    std::ofstream(path_) << text;
  }
  ~Scenario() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr const char* kSmall =
    "fabric: { family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps, "
    "latency: "
    "1us }\n"
    "workload: { traffic: { pattern: permutation, bytes: 1MB } }\n";

TEST(Weft, PrintsJsonAndNothingElseWhenAsked) {
  const Scenario scenario(kSmall);
  const Ran ran = Weft({"simulate", scenario.path(), "--json", "-", "--seeds", "2"});
  EXPECT_EQ(ran.status, kOk);
  const auto json = nlohmann::ordered_json::parse(ran.out);
  EXPECT_EQ(json["seeds"], 2);
  EXPECT_FALSE(json["partial"]);
}

// A matrix's keys need no braces; a seed that nothing draws by is refused; a file's matrix has the
// size that alltoallv_perf prints, cells rounded down to 16 bytes, and no count.
TEST(Weft, ReadsAMatrixFromKeysOrAFile) {
  const auto run = [](const std::string& matrix) {
    return Weft({"collective", "all_to_all_v", "--gpus", "2", "--matrix", matrix, "--sizes", "1MiB",
                 "--calibration", "none"});
  };
  const Ran plain = run("skew: 1");
  EXPECT_EQ(plain.status, kOk) << plain.err;
  EXPECT_EQ(plain.out, run("{ skew: 1 }").out);
  const Ran silent = run("{ seed: 3 }");
  EXPECT_EQ(silent.status, kBadInput);
  EXPECT_THAT(silent.err, HasSubstr("'seed' draws the places of 'skew'"));
  const Scenario file("0 1000\n40 1e6\n");  // read by its cells, whatever its name
  const Ran own = Weft({"collective", "all_to_all_v", "--gpus", "2", "--matrix", file.path(),
                        "--calibration", "none"});
  EXPECT_EQ(own.status, kOk) << own.err;
  EXPECT_THAT(own.out, HasSubstr("     1000992             0     float    none      -1"));
}

// Operations as nccl-tests and NCCL's functions are called, and sizes that double.
TEST(Weft, TakesNcclsOwnNamesOfOperations) {
  const auto table = [](const std::string& op, const std::string& sizes) {
    const Ran ran = Weft({"collective", op, "--gpus", "16", "--sizes", sizes});
    EXPECT_EQ(ran.status, 0) << op << ran.err;
    return ran.out;
  };
  const std::string own = table("all_to_all", "1MiB:4MiB:2");
  for (const std::string op : {"alltoall", "AllToAll", "alltoall_perf", "all_to_all"})
    EXPECT_EQ(table(op, "1MiB:4MiB"), own) << op;
  EXPECT_NE(Weft({"collective", "allto", "--gpus", "16"}).status, 0);
}

// No word of NCCL's choice and its band beside a plain ring's times; what only NCCL does is refused
// at the user's own file.
TEST(Weft, SaysThatAPlainRingIsTimedOnHostsOfSeveralKinds) {
  const Scenario fabric(
      "family: custom\nlink: 400Gbps\nhosts:\n"
      "  - { count: 4, host: { preset: hgx-h100 } }\n"
      "  - { first: 4, count: 4, host: { preset: dgx-a100 } }\n"
      "switches:\n  - { name: leaf, count: 8 }\n"
      "cables:\n  - { from: \"host*/nic*\", to: \"leaf*\", join: in_turn }\n");
  const auto run = [&](const char* op, const char* gpus, std::vector<std::string> more) {
    std::vector<std::string> args = {"collective", op,       "--gpus",   gpus,
                                     "--sizes",    "8,1MiB", "--fabric", fabric.path()};
    args.insert(args.end(), more.begin(), more.end());
    return Weft(args);
  };
  const Ran text = run("all_reduce", "64", {"--algorithm", "Tree"});
  EXPECT_EQ(text.status, kOk) << text.err;
  const std::string why =
      "ranks are on hosts of several kinds (hgx-h100, dgx-a100), where a plain ring is timed, "
      "without NCCL's choice and its band\n";
  EXPECT_THAT(text.out, HasSubstr("# error unknown: " + why));
  EXPECT_THAT(text.out, HasSubstr("8 hosts of several kinds (hgx-h100, dgx-a100)\n"));
  EXPECT_THAT(text.out, HasSubstr("  plain ring\n"));
  EXPECT_THAT(text.out, testing::Not(HasSubstr("90 %")));
  EXPECT_THAT(text.out, testing::Not(HasSubstr("Tree")));
  EXPECT_THAT(text.err, HasSubstr("a plain ring is timed"));
  EXPECT_THAT(text.err, HasSubstr("--algorithm has no effect: NCCL does not choose here"));
  const auto json =
      nlohmann::ordered_json::parse(run("all_reduce", "64", {"--json", "-", "--explain"}).out);
  EXPECT_EQ(json["plain_ring"], "ranks are on hosts of several kinds (hgx-h100, dgx-a100)");
  EXPECT_EQ(json["rows"][0]["algorithm"], "ring");
  for (const char* key : {"protocol", "channels", "predicted_us", "in_range", "bound"})
    EXPECT_TRUE(json["rows"][0][key].is_null()) << key;
  EXPECT_TRUE(json["rows"][0]["error"]["low"].is_null());
  EXPECT_FALSE(json.contains("graphs"));
  const Ran refused = run("all_to_all", "64", {});
  EXPECT_EQ(refused.status, kBadInput);
  EXPECT_THAT(refused.err, HasSubstr(fabric.path() + ":5:"));
  const Ran alike = run("all_to_all", "32", {});  // all on the first kind
  EXPECT_EQ(alike.status, kOk) << alike.err;
  EXPECT_EQ(alike.err, "");
  EXPECT_TRUE(
      nlohmann::ordered_json::parse(run("all_reduce", "32", {"--json", "-"}).out)["plain_ring"]
          .is_null());
}

// As EFA's plugin, which leaves what NCCL_PROTO says and warns.
TEST(Weft, WarnsOfAProtocolThatThePluginWouldNotTake) {
  const auto run = [](const char* protocol) {
    return Weft({"collective", "all_reduce", "--gpus", "16", "--sizes", "8KiB", "--host",
                 "{ preset: dgx-a100, transport: efa }", "--protocol", protocol});
  };
  const Ran ll = run("LL");
  EXPECT_EQ(ll.status, kOk) << ll.err;
  EXPECT_THAT(ll.err, HasSubstr("LL is forced where EFA's plugin has NCCL keep to Simple"));
  EXPECT_THAT(run("Simple").err, testing::Not(HasSubstr("is forced")));
}

// A table of other GPUs than the host's, and on hosts that nobody counts.
TEST(Weft, SaysWhatATableIsTakenFor) {
  const Scenario log(
      "# Rank  0 Group  0 Pid 9 on a device  0 [0x1b] AMD Instinct MI300X\n"
      "1073741824 268435456 float sum -1 10887.4 98.62 184.92 0 10867.5 98.80 185.26 0\n");
  const Ran other = Weft({"validate", log.path(), "--host", "hgx-h100", "--gpus", "8"});
  EXPECT_THAT(other.out, HasSubstr("MI300X'"));
  const Ran json =
      Weft({"validate", log.path(), "--host", "hgx-h100", "--gpus", "8", "--json", "-"});
  const auto warnings = nlohmann::json::parse(json.out)["warnings"];
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0]["file"], log.path());
  const std::string sheet = TestFile("sheet.tsv");
  std::ofstream(sheet) << "op\tranks\thosts\tsize_bytes\texpected_GBps\tleast_GBps\n"
                          "all_reduce\t16\t2\t1073741824\t190\t100\n";
  const Scenario row(
      "1073741824 268435456 float sum -1 10887.4 98.62 184.92 0 10867.5 98.80 185.26 0\n");
  const std::string file = TestFile("all_reduce.log");
  std::filesystem::copy_file(row.path(), file, std::filesystem::copy_options::overwrite_existing);
  const Ran judged =
      Weft({"validate", file, "--host", "hgx-h100", "--gpus", "16", "--accept", sheet});
  EXPECT_EQ(judged.status, kOk) << judged.out << judged.err;
  EXPECT_THAT(judged.out, HasSubstr("assumed: all_reduce.log:1: nobody says on how many hosts"));
  std::filesystem::remove(sheet);
  std::filesystem::remove(file);
}

// What ran stands in the table, not what NCCL would have run.
TEST(Weft, PrintsTheRingThatRanInPlaceOfAChoice) {
  const Ran ran = Weft({"collective", "all_gather", "--gpus", "32", "--sizes", "1MiB", "--sharp",
                        "--nccl", "2.21", "--seeds", "1", "--calibration", "none", "--host",
                        "{ preset: hgx-h100, nics: 4 }", "--fabric",
                        "{ family: leaf_spine, leaves: 2, spines: 8, hosts_per_leaf: 2, link: "
                        "400Gbps }"});
  EXPECT_EQ(ran.status, kOk) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("a ring ran in its place"));
  EXPECT_THAT(ran.out, HasSubstr("  Ring "));
}

TEST(Weft, ExitsWithTwoOnBadInputAndDrawsACaret) {
  const Scenario scenario(std::string(kSmall) + "segmnets: 3\n");
  const Ran ran = Weft({"simulate", scenario.path()});
  EXPECT_EQ(ran.status, kBadInput);
  EXPECT_THAT(ran.err, HasSubstr(".yaml:3:1: error: unknown key 'segmnets'"));
  EXPECT_THAT(ran.err, HasSubstr("| ^"));
  EXPECT_EQ(ran.out, "");
}

// What is no text is said to be where it is none; what is of no format, at its start.
TEST(Weft, SaysWhereAFileIsOfNoFormat) {
  const std::string path = TestFile("live.csv");
  std::ofstream(path) << std::string_view("device,port\nle\0af0,1\n", 21);
  EXPECT_THAT(Weft({"import", "csv", path, "-o", "-"}).err,
              testing::StartsWith(path + ":2:3: error: is no text: it has bytes of zero"));
  std::ofstream(path) << "nothing\n";
  const Scenario scenario(kSmall);
  EXPECT_THAT(Weft({"topology", scenario.path(), "--against", path}).err,
              testing::StartsWith(path + ":1:1: error: is of no format that weft recognises"));
}

// A file of another tool is called what it is.
TEST(Weft, KnowsFilesOfOtherTools) {
  const std::string path = TestFile("workload.txt");
  std::ofstream(path) << "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 8 ep: 1\n5\n";
  const Ran ran = Weft({"simulate", path});
  EXPECT_EQ(ran.status, kBadInput);
  EXPECT_THAT(ran.err,
              testing::StartsWith(path + ":1:1: error: is no scenario file: it looks like a "
                                         "workload of SimAI or AICB"));
  EXPECT_THAT(ran.err, HasSubstr("(weft new training prints a scenario"));
  std::filesystem::remove(path);
}

// A file of each kind that weft reads or writes: what it is called, and which command takes it.
struct KindOfFile {
  const char *name, *text, *what;
  std::vector<std::string> taken_by;
};

const std::vector<KindOfFile>& KindsOfFiles() {
  static const std::vector<KindOfFile> kinds = {
      {"scenario.yaml", kSmall, "it is a scenario (weft simulate ", {"simulate", "fabric"}},
      {"question.yaml",
       "need: { gpus: 64 }\nparts: { accelerators: [h100] }\n",
       "it is a question for the planner (weft plan ",
       {"plan"}},
      {"plan.json", "{\n  \"schema\": \"weft.plan/1\"\n}\n", "weft plan wrote it (", {"diff"}},
      {"run.json",
       "{\n  \"schema\": \"weft.run/1\"\n}\n",
       "it is what weft simulate --json writes (",
       {}},
      {"collective.json",
       "{\"schema\":\"weft.collective/1\"}\n",
       "it is what weft collective --json writes (",
       {}},
      {"record.json",
       "{\n\"schema\": \"weft.probe/1\"\n}\n",
       "it is a record of weft-probe (weft validate ",
       {"validate"}},
      {"fabric.csv",
       "a_device,a_port,a_part,b_device,b_port,b_part,rate,lanes,breakout,medium,latency\n",
       "it looks like cabling list, a row a cable (",
       {"import"}},
      {"tests.log",
       "#  size  count  type  redop  root  time  algbw  busbw  #wrong\nnone ran\n",
       "it is a log of nccl-tests (weft validate ",
       {"validate"}},
      {"fitted.yaml",
       "weft: \"0.1\"\nconstants: [{ name: hopper.launch, value: 4 }]\n",
       "it is a calibration (weft validate TABLE --calibration ",
       {"calibration"}},
      {"sheet.tsv",
       "op\tranks\thosts\tnone\n",
       "it is an acceptance sheet (weft validate TABLE --accept ",
       {"accept"}},
      {"bill.csv",
       "part,quantity,role\nh10,x,y\n",
       "it is a bill of materials (weft audit ",
       {"audit"}}};
  return kinds;
}

// Whatever file is handed to a command that does not take it, it is named in one error.
TEST(Weft, NamesAFileHandedToTheWrongCommand) {
  const std::string folder = TestFile("kinds/");
  std::filesystem::create_directories(folder);
  const Scenario good(kSmall);
  const std::vector<std::tuple<std::string, std::vector<std::string>, std::string>> commands = {
      {"simulate", {"simulate"}, "scenario file"},
      {"simulate", {"flows"}, "scenario file"},
      {"simulate", {"topology"}, "scenario file"},
      {"simulate", {"collective", "all_reduce", "--gpus", "8", "--fabric"}, "scenario file"},
      {"host", {"collective", "all_reduce", "--gpus", "8", "--host"}, "host"},
      {"plan", {"plan", "--screen-only", "--quiet"}, "question for the planner"},
      {"diff", {"diff", folder + "plan.json"}, "plan"},
      {"audit", {"audit"}, "bill"},
      {"validate", {"validate"}, "measured table"},
      {"validate", {"calibrate", "-o", "/dev/null"}, "measured table"},
      {"import", {"import", "csv", "-o", "-"}, "fabric of another tool"},
      {"calibration", {"collective", "all_reduce", "--gpus", "8", "--calibration"}, "calibration"},
      {"accept", {"validate", good.path(), "--accept"}, "acceptance sheet"},
      {"matrix", {"collective", "all_to_all_v", "--gpus", "8", "--matrix"}, "matrix"}};
  for (const KindOfFile& kind : KindsOfFiles()) std::ofstream(folder + kind.name) << kind.text;
  int tried = 0;
  for (const auto& [taker, words, wanted] : commands)
    for (const KindOfFile& kind : KindsOfFiles()) {
      const auto& takers = kind.taken_by;
      const bool again = words[0] == "plan" && std::string(kind.name) == "plan.json";
      if (again || std::count(takers.begin(), takers.end(), taker) > 0) continue;
      std::vector<std::string> args = words;
      args.push_back(folder + kind.name);
      const Ran ran = Weft(args);
      const std::string said =
          folder + kind.name + ":1:1: error: is no " + wanted + ": " + kind.what;
      EXPECT_EQ(ran.status, kBadInput) << args[0];
      EXPECT_THAT(ran.err, HasSubstr(said)) << args[0];
      if (words[0] != "diff") {  // whose first file is no plan either
        EXPECT_THAT(ran.err, testing::StartsWith(said)) << args[0];
        EXPECT_EQ(ran.err.find("error:"), ran.err.rfind("error:")) << ran.err;
      }
      ++tried;
    }
  EXPECT_GT(tried, 130);
  std::filesystem::remove_all(folder);
}

// Of a file that is not there every command says the same, and a folder is none.
TEST(Weft, SaysOfAMissingFileTheSameEverywhere) {
  const std::string plan = TestFile("empty_plan.json"), log = TestFile("there.log");
  std::ofstream(plan) << R"({"schema": "weft.plan/1", "answer": {}, "candidates": [], "bom": []})";
  std::ofstream(log) << "#  size  count  type  redop  root  time  algbw  busbw\n"
                        "1048576 262144 float sum -1 104.9 10.00 17.50 0 104.0 10.08 17.64 0\n";
  const std::vector<std::vector<std::string>> commands = {
      {"simulate"},
      {"compare"},
      {"topology"},
      {"flows"},
      {"plan"},
      {"diff", plan},
      {"audit"},
      {"validate"},
      {"validate", log, "--host", "hgx-h100", "--accept"},
      {"calibrate", "-o", "/dev/null"},
      {"import", "csv", "-o", "-"},
      {"topology", "hpn", "--against"},
      {"collective", "all_reduce", "--gpus", "8", "--host"},
      {"collective", "all_reduce", "--gpus", "8", "--fabric"}};
  const std::string folder = testing::TempDir();
  for (std::vector<std::string> args : commands) {
    args.push_back("no/such.yaml");
    const Ran missing = Weft(args);
    EXPECT_EQ(missing.status, kBadInput) << args[0];
    EXPECT_THAT(missing.err, HasSubstr("cannot be read: No such file or directory")) << args[0];
    EXPECT_THAT(missing.err, HasSubstr("no/such.yaml")) << args[0];  // not the file before it
    args.back() = folder;
    if (args[0] == "diff") continue;  // a plan's folder
    const Ran ran = Weft(args);
    EXPECT_EQ(ran.status, kBadInput) << args[0];
    EXPECT_THAT(ran.err, HasSubstr("cannot be read: Is a directory")) << args[0];
  }
}

// What 1 means is said by every command that ends with it.
TEST(Weft, SaysWhatExitStatusOneMeans) {
  for (const char* command :
       {"simulate", "compare", "topology", "plan", "diff", "audit", "validate"})
    EXPECT_THAT(Weft({command, "--help"}).out, HasSubstr("\nExit status 1: ")) << command;
  for (const char* command : {"collective", "flows", "import", "presets"})
    EXPECT_THAT(Weft({command, "--help"}).out, testing::Not(HasSubstr("Exit status"))) << command;
}

TEST(Weft, ExitsWithOneWhenARequirementIsMissed) {
  const Scenario scenario(std::string(kSmall) + "require: { makespan: 1ns }\n");
  EXPECT_EQ(Weft({"simulate", scenario.path(), "--seeds", "1"}).status, kUnmet);
}

TEST(Weft, ExitsWithTwoOnAnUnknownOption) {
  EXPECT_EQ(Weft({"simulate", "x.yaml", "--nonsense"}).status, kBadInput);
  EXPECT_EQ(Weft({"no-such-command"}).status, kBadInput);
  EXPECT_EQ(Weft({"simulate", "no/such/file.yaml"}).status, kBadInput);
}

TEST(Weft, ExplainsAKey) {
  const Ran policies = Weft({"explain", "routing.policy"});  // wraps, in 80 columns
  EXPECT_THAT(policies.out, HasSubstr("\n    disjoint     ECMP, and each host searches"));
  const Ran ran = Weft({"explain", "fabric.segments"});
  EXPECT_EQ(ran.status, kOk);
  EXPECT_THAT(ran.out, HasSubstr("segments"));
  EXPECT_EQ(Weft({"explain", "segmnets"}).status, kBadInput);
}

TEST(Weft, PrintsAPresetWithItsSources) {
  const Ran ran = Weft({"presets", "hpn"});
  EXPECT_EQ(ran.status, kOk);
  EXPECT_THAT(ran.out, HasSubstr("SIGCOMM"));
  EXPECT_EQ(Weft({"presets", "nothing-of-that-name"}).status, kBadInput);
  EXPECT_EQ(Weft({"presets", "superpod"}).err,
            "weft: error: no preset and no kind of preset is called 'superpod' (presets that begin "
            "so: superpod_b300_ethernet, superpod_b300_xdr, superpod_gb200, superpod_ndr or "
            "superpod_ndr_asbuilt)\n");
  EXPECT_THAT(Weft({"presets", "hgx-h101"}).err, HasSubstr("did you mean 'hgx-h100'?"));
  EXPECT_THAT(Weft({"presets", "dragonfly"}).err,
              HasSubstr("a family of fabrics: weft new collective dragonfly prints a file"));
}

// A line's cells; no line break stands inside one.
std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

// Bytes by port left, as the flows of `weft flows --paths` add up to them.
std::map<std::string, double> BytesOfPorts(const std::string& csv) {
  std::map<std::string, double> bytes;
  std::istringstream lines(csv);
  std::string line;
  std::getline(lines, line);
  const std::vector<std::string> header = Cells(line);
  const auto column = [&](const char* name) {
    return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
  };
  while (std::getline(lines, line)) {
    const std::vector<std::string> cells = Cells(line);
    std::istringstream links(cells.at(column("links")));
    for (std::string link; links >> link;) {
      const std::size_t star = link.find('*');
      const double share = star == std::string::npos ? 1 : std::stod(link.substr(star + 1));
      bytes[link.substr(0, star)] +=
          share * std::stod(cells.at(column("bytes"))) / std::stod(cells.at(column("qps")));
    }
  }
  return bytes;
}

// The flows' bytes, laid over their paths, are those that the engine saw on its busiest links.
TEST(Weft, ListsFlowsThatAddUpToTheBytesOfLinks) {
  const std::string hosts = "fabric: { preset: hpn, segments: 2, hosts: 2 }\n";
  for (const std::string workload :
       {"collective: { op: all_reduce, bytes: [1MiB, 3MB] }",
        "collective: { op: all_gather, bytes: 1MiB, group: per_rail, algorithm: ring }",
        "traffic: { pattern: all_to_all, bytes: 1MB, concurrency: 2 }"})
    for (const char* policy : {"routing.policy=ecmp", "routing.policy=spray"}) {
      SCOPED_TRACE(workload + ", " + policy);
      const Scenario scenario(hosts + "rdma: { qps: 2 }\nworkload: { " + workload + " }\n");
      const Ran flows = Weft({"flows", scenario.path(), "--paths", "--set", policy});
      const Ran ran =
          Weft({"simulate", scenario.path(), "--seeds", "1", "--json", "-", "--set", policy});
      ASSERT_EQ(flows.status, kOk) << flows.err;
      ASSERT_EQ(ran.status, kOk) << ran.err;
      const std::map<std::string, double> bytes = BytesOfPorts(flows.out);
      const auto json = nlohmann::ordered_json::parse(ran.out);
      ASSERT_FALSE(json["links"]["hottest"].empty());
      for (const auto& link : json["links"]["hottest"])
        EXPECT_NEAR(bytes.at(link["from"]) / link["bytes"].get<double>(), 1, 1e-3) << link["from"];
    }
}

TEST(Weft, CountsAPresetByName) {
  const Ran ran = Weft({"topology", "hpn", "--set", "fabric.segments=1", "--json", "-"});
  ASSERT_EQ(ran.status, kOk) << ran.err;
  EXPECT_EQ(nlohmann::ordered_json::parse(ran.out)["gpus"], 1024);
}

TEST(Weft, ComparesEveryValueOfAKey) {
  const Scenario scenario(kSmall);
  const Ran ran =
      Weft({"compare", scenario.path(), "--vary", "rdma.qps=1,2,4", "--seeds", "2", "--json", "-"});
  ASSERT_EQ(ran.status, kOk) << ran.err;
  EXPECT_EQ(nlohmann::ordered_json::parse(ran.out)["cases"].size(), 3u);
}

// What `weft new` prints must run as it is.
TEST(Weft, PrintsScenariosThatRun) {
  for (const char* kind : {"collective", "traffic", "fault"}) {
    const Ran made = Weft({"new", kind});
    ASSERT_EQ(made.status, kOk);
    const Scenario scenario(made.out);
    const Ran ran = Weft({"simulate", scenario.path(), "--seeds", "1", "--quiet"});
    EXPECT_EQ(ran.status, kOk) << kind << '\n' << ran.err;
  }
  EXPECT_EQ(Weft({"new", "nothing"}).status, kBadInput);
  EXPECT_EQ(Weft({"new", "plan", "b200"}).status, kOk);
  EXPECT_EQ(Weft({"new", "plan", "h101"}).err,
            "weft: error: there is no accelerator 'h101' (did you mean 'h100'?)\n");
}

TEST(Weft, StartsAScenarioOfAFamilyToo) {
  for (const char* fabric : {"leaf_spine", "dcn_plus", "fat_tree", "rail_optimized", "rail_only",
                             "dragonfly", "slim_fly", "fire_flyer2", "custom"})
    for (const char* kind : {"collective", "traffic", "fault"}) {
      const Ran made = Weft({"new", kind, fabric});
      ASSERT_EQ(made.status, kOk) << made.err;
      const Scenario scenario(made.out);
      const Ran ran = Weft({"simulate", scenario.path(), "--seeds", "1"});
      EXPECT_EQ(ran.status, kOk) << fabric << ' ' << kind;
      EXPECT_EQ(ran.err, "") << fabric << ' ' << kind;  // no warning either
    }
  EXPECT_THAT(Weft({"new", "collective", "clos"}).err,
              HasSubstr("no fabric is called 'clos' (want dcn_plus, deepseek_mpft, fire_flyer2"));
}

TEST(Weft, SaysThatAFamilyIsNoPresetAndThatNothingHasAName) {
  EXPECT_EQ(Weft({"topology", "leaf_spine"}).err,
            "weft: error: 'leaf_spine' is a family, which needs its keys: give a file (weft new "
            "collective leaf_spine prints one)\n");
  EXPECT_EQ(Weft({"collective", "all_reduce", "--gpus", "16", "--fabric", "dragonfly"}).err,
            "--fabric: error: 'dragonfly' is a family, which needs its keys: give a file, or YAML "
            "(weft new collective dragonfly prints one)\n");
  EXPECT_THAT(Weft({"topology", "foo"}).err,
              HasSubstr("there is no file and no fabric preset 'foo' (presets: dcn_plus, "));
}

TEST(Weft, NamesTheCommandOrOptionThatWasProbablyMeant) {
  EXPECT_THAT(Weft({"simulat", "x.yaml"}).err,
              HasSubstr("weft: error: there is no command 'simulat' (did you mean 'simulate'?)\n"
                        "commands: simulate, compare,"));
  EXPECT_THAT(Weft({}).err, HasSubstr("a command is missing\ncommands: simulate"));
  EXPECT_EQ(Weft({"simulate", "x.yaml", "--sed", "3"}).err,
            "weft: error: simulate has no option '--sed' (did you mean '--set'?)\n");
  EXPECT_THAT(Weft({"simulate", "x.yaml", "--seed", "3"}).err,
              HasSubstr("(did you mean '--seeds'?)"));
  EXPECT_THAT(Weft({"simulate"}).err, HasSubstr("weft: error: simulate: file is required"));
  EXPECT_THAT(Weft({"explain", "segmnets"}).err, HasSubstr("weft: error: there is no key"));
}

// A failed collective has no time: null, never 0.
TEST(Weft, GivesNoTimeForWhatDidNotComplete) {
  const Ran made = Weft({"new", "fault"});
  const Scenario scenario(made.out);
  const std::vector<std::string> args{
      "simulate", scenario.path(), "--seeds", "1", "--set", "faults=[{ at: 1s, host: host3 }]"};
  const Ran text = Weft(args);
  EXPECT_EQ(text.status, kOk);
  EXPECT_THAT(text.out, HasSubstr("FAILED"));
  EXPECT_THAT(text.out, HasSubstr("NOT COMPLETED: all_reduce of 8GiB failed in 1 of 1 seed"));
  EXPECT_THAT(text.err, HasSubstr("warning: all_reduce of 8GiB failed"));
  std::vector<std::string> with_json = args;
  with_json.insert(with_json.end(), {"--json", "-"});
  const auto json = nlohmann::ordered_json::parse(Weft(with_json).out);
  EXPECT_TRUE(json["makespan_s"].is_null());
  ASSERT_GE(json["incomplete"].size(), 2u);  // what failed, and who waits for it
  EXPECT_THAT(json["incomplete"][1].get<std::string>(),
              HasSubstr(" waits for what failed: all_reduce 8 GiB"));
  const auto& collective = json["collectives"][0];
  EXPECT_EQ(collective["status"], "failed");
  for (const char* key : {"time_s", "worst_repeat_s", "time_mean_rail_s", "startup_s", "algbw_GBps",
                          "busbw_GBps", "busbw_mean_rail_GBps"})
    EXPECT_TRUE(collective[key].is_null()) << key;
  std::vector<std::string> required = args;
  required.insert(required.end(), {"--set", "require.makespan=1h"});
  EXPECT_EQ(Weft(required).status, kUnmet);
}

TEST(Weft, ComparesWithTheWarningsOfEveryCaseEachOnce) {
  const Scenario scenario(std::string(kSmall) + "routing: { seeds: 1, host_port: hash }\n");
  const Ran ran = Weft(
      {"compare", scenario.path(), "--vary", "faults=[],[{ at: 100s, link: host0/nic0/port0 }]"});
  ASSERT_EQ(ran.status, kOk) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("'faults[0]' touches nothing"));
  const std::size_t first = ran.err.find("'routing.host_port' has no effect");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(ran.err.find("'routing.host_port' has no effect", first + 1), std::string::npos);
}

// What is wrong names the option that said it, and of several cases those that it is wrong with.
TEST(Weft, NamesTheCaseAndTheOptionOfAnError) {
  const Scenario scenario(kSmall);
  const auto compare = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"compare", scenario.path()});
    const Ran ran = Weft(more);
    EXPECT_EQ(ran.status, kBadInput);
    return ran.err;
  };
  EXPECT_EQ(compare({"--vary", "rdma.qps=1,many,few"}),
            "--vary rdma.qps:1:10: error: case B (rdma.qps=many): 'qps' is 'many' (want a whole "
            "number)\n  1 | rdma.qps=many\n    |          ^~~~\n"
            "--vary rdma.qps:1:10: error: case C (rdma.qps=few): 'qps' is 'few' (want a whole "
            "number)\n  1 | rdma.qps=few\n    |          ^~~\n");
  EXPECT_THAT(compare({"--vary", "placement.gpus=2,9"}),
              HasSubstr("error: case B (placement.gpus=9): 'gpus' is 9"));
  EXPECT_THAT(compare({"--vary", "rdma.qps=1,2", "--set", "placement.gpus=9"}),
              testing::StartsWith("--set placement.gpus:1:16: error: 'gpus' is 9"));
  EXPECT_THAT(Weft({"simulate", scenario.path(), "--seeds", "0"}).err,
              testing::StartsWith("--seeds routing.seeds:1:15: error: 'seeds' is 0"));
  EXPECT_THAT(Weft({"simulate", scenario.path(), "--engine", "quick"}).err,
              testing::StartsWith("--engine engine:1:8: error: 'engine' is 'quick'"));
}

// Files of one name by their paths, and a file that comes twice by its number.
TEST(Weft, TellsCasesApartThatHaveOneName) {
  const Scenario scenario("name: small\n" + std::string(kSmall));
  const std::string other = scenario.path() + ".other.yaml";
  std::filesystem::copy_file(scenario.path(), other,
                             std::filesystem::copy_options::overwrite_existing);
  const auto labels = [](const std::vector<std::string>& args) {
    std::vector<std::string> all{"compare"};
    all.insert(all.end(), args.begin(), args.end());
    all.insert(all.end(), {"--seeds", "1", "--json", "-"});
    std::vector<std::string> out;
    const Ran ran = Weft(all);
    EXPECT_EQ(ran.status, kOk) << ran.err;
    const auto json = nlohmann::json::parse(ran.out);
    for (const auto& one : json["cases"]) out.push_back(one["label"]);
    return out;
  };
  EXPECT_EQ(labels({scenario.path(), scenario.path()}),
            (std::vector<std::string>{"small", "small (#2)"}));
  EXPECT_EQ(
      labels({scenario.path(), other, "--vary", "rdma.qps=1,2"}),
      (std::vector<std::string>{
          "small (" + scenario.path() + "): rdma.qps=1", "small (" + other + "): rdma.qps=1",
          "small (" + scenario.path() + "): rdma.qps=2", "small (" + other + "): rdma.qps=2"}));
  const std::string first = "small (" + scenario.path() + "): rdma.qps=1";
  EXPECT_EQ(
      labels({scenario.path(), other, scenario.path(), "--vary", "rdma.qps=1"}),
      (std::vector<std::string>{first, "small (" + other + "): rdma.qps=1", first + " (#2)"}));
  std::filesystem::remove(other);
}

// Numbers on the command line: what they are, and what they may be.
TEST(Weft, SaysWhatANumberOfTheCommandLineMayBe) {
  const auto error = [](const std::vector<std::string>& args) {
    const Ran ran = Weft(args);
    EXPECT_EQ(ran.status, kBadInput);
    return ran.err;
  };
  EXPECT_EQ(error({"simulate", "x.yaml", "--seeds", "few"}),
            "weft: error: simulate: --seeds: 'few' is no whole number\n");
  EXPECT_EQ(error({"simulate", "x.yaml", "--threads", "0"}),
            "weft: error: simulate: --threads: '0' is no whole number from 1 to 1024\n");
  EXPECT_EQ(error({"simulate", "x.yaml", "--seeds", "99999999999"}),
            "weft: error: simulate: --seeds: '99999999999' is no whole number that fits\n");
  for (const char* gpus : {"0", "-8", "1.5", "x"})
    EXPECT_EQ(error({"collective", "all_reduce", "--gpus", gpus}),
              "weft: error: collective: --gpus: '" + std::string(gpus) +
                  "' is no whole number of 1 or more\n");
  EXPECT_EQ(error({"simulate", "x.yaml", "--seeds"}),
            "weft: error: simulate: --seeds wants a value\n");
  for (const auto& [option, first, second] :
       {std::array{"--gpus", "8", "16"}, {"--seeds", "1", "2"}, {"--seeds", "1", "1"}})
    EXPECT_EQ(error({"collective", "all_reduce", option, first, option, second}),
              "weft: error: collective: " + std::string(option) + " is given twice\n");
  EXPECT_EQ(error({"plan", "x.yaml", "--out", "a", "--out=b"}),
            "weft: error: plan: --out is given twice\n");
  EXPECT_EQ(error({"plan", "x.yaml", "--out", "a", "--out", "b", "--out", "c"}),
            "weft: error: plan: --out is given 3 times\n");
  EXPECT_EQ(error({"new"}),
            "weft: error: new: kind is required (collective, traffic, training, fault or plan)\n");
}

TEST(Weft, MarksTheResultPartialAtTheTimeLimit) {
  const Scenario scenario(kSmall);
  const Ran ran =
      Weft({"simulate", scenario.path(), "--json", "-", "--time-limit", "1ns", "--seeds", "1000"});
  EXPECT_EQ(ran.status, kOk);
  EXPECT_TRUE(nlohmann::ordered_json::parse(ran.out)["partial"]);
}

// A disk that is full: takes nothing.
class FullBuffer : public std::streambuf {
 protected:
  int_type overflow(int_type) override {
    errno = ENOSPC;
    return traits_type::eof();
  }
  int sync() override {
    errno = ENOSPC;
    return -1;
  }
};

TEST(Weft, SaysThatStandardOutputTookNothing) {
  const Scenario scenario(kSmall);
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"presets"},
        {"simulate", scenario.path(), "--seeds", "1"},
        {"topology", "hpn", "--set", "fabric.segments=1", "--json", "-"},
        {"--help"}}) {
    FullBuffer full;
    std::ostream out(&full);
    std::ostringstream err;
    EXPECT_EQ(RunApp(args, out, err), kBadInput) << args[0];
    EXPECT_EQ(err.str(), "weft: error: cannot write to standard output: No space left on device\n");
  }
}

TEST(Weft, SaysBeforeTheRunThatAResultCannotBeWritten) {
  const Scenario scenario(kSmall);
  // Without an answer from the run: were it started, it would stop at once and print that.
  const auto run = [&](const std::string& option, const std::string& value) {
    return Weft({"simulate", scenario.path(), option, value});
  };
  const Ran json = run("--json", "/nonexistent/x.json");
  EXPECT_EQ(json.status, kBadInput);
  EXPECT_EQ(json.out, "");
  EXPECT_EQ(json.err, "weft: error: cannot write /nonexistent/x.json: No such file or directory\n");
  const Ran folder = run("--out", "/proc/x");
  EXPECT_EQ(folder.status, kBadInput);
  EXPECT_EQ(folder.out, "");
  EXPECT_THAT(folder.err, HasSubstr("weft: error: cannot make /proc/x: "));
  EXPECT_THAT(run("--json", testing::TempDir()).err, HasSubstr("Is a directory"));
}

TEST(Weft, KeepsAFileThatStandsThereUntilTheResultIs) {
  const std::string old = TestFile("old.json");
  std::ofstream(old) << "old";
  const Scenario wrong(std::string(kSmall) + "segmnets: 3\n");
  EXPECT_EQ(Weft({"simulate", wrong.path(), "--json", old}).status, kBadInput);
  std::string text;
  std::getline(std::ifstream(old), text);
  EXPECT_EQ(text, "old");
  EXPECT_FALSE(std::filesystem::exists(old + ".partial"));
  std::filesystem::remove(old);
}

// A name that stands for something else is not replaced by a file: a link goes on leading where
// it led.
TEST(Weft, WritesThroughALink) {
  const std::string file = TestFile("file.json");
  const std::string link = TestFile("link.json");
  std::filesystem::remove(link);
  std::filesystem::create_symlink(file, link);
  const Scenario scenario(kSmall);
  EXPECT_EQ(Weft({"simulate", scenario.path(), "--json", link, "--seeds", "1"}).status, kOk);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
  std::filesystem::remove(link);
  std::filesystem::remove(file);
}

TEST(Weft, RefusesATimeLimitThatIsNone) {
  const Scenario scenario(kSmall);
  for (const char* limit : {"--time-limit=-1s", "--time-limit=0s", "--time-limit=9e18s"}) {
    const Ran ran = Weft({"simulate", scenario.path(), limit});
    EXPECT_EQ(ran.status, kBadInput) << limit;
    EXPECT_THAT(ran.err, HasSubstr("want more than 0s, at most 365d")) << limit;
  }
}

// B alone misses its requirement and has a key without effect: both are said, and of whom.
TEST(Weft, ComparesWithTheNotesOfEveryCase) {
  const Scenario scenario(kSmall);
  const Ran ran = Weft({"compare", scenario.path(), "--seeds", "1", "--vary",
                        "require={ makespan: 1s },{ makespan: 1ns }", "--vary",
                        "placement={ gpus: 4 },{ gpus: 4, seed: 2 }"});
  EXPECT_EQ(ran.status, kUnmet);
  EXPECT_THAT(ran.out, HasSubstr("NOT MET: cases C, D: makespan"));
  EXPECT_THAT(ran.err,
              HasSubstr("cases B (require={ makespan: 1s }, placement={ gpus: 4, seed: 2 }), D "
                        "(require={ makespan: 1ns }, placement={ gpus: 4, seed: 2 }): "
                        "'placement.seed' has no effect"));
}

TEST(Weft, PassesItsOwnSelfTest) {
  const Ran ran = Weft({"doctor"});
  EXPECT_EQ(ran.status, kOk) << ran.out;
}

constexpr const char* kPlan =
    "need: { gpus: 64 }\n"
    "parts: { accelerators: [h100], switches: [25.6T], nic_ports: [1], oversubscription: [1, 3] }\n"
    "policy: { min_spines: 1 }\ndecide: { seeds: 4, finalists: 4, draws: 100 }\n"
    "jobs:\n"
    "  - { share: 50%, gpus: 64, training: { model: llama-7b, parallel: { tensor: 4, pipeline: 2 "
    "}, "
    "global_batch: 64, sequence: 2048 } }\n"
    "  - { share: 50%, gpus: 32, collective: { op: all_to_all, bytes: 1MiB, repeat: 8 } }\n";

std::string TextOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A plan is the same bytes whether it ran at once, went on after kills, or ran from its own JSON.
TEST(WeftPlan, ComesToTheSameBytesAfterKillsAndFromItsJson) {
  const Scenario plan(kPlan);
  const std::string at = TestFile("plan");
  const auto run = [&](const std::string& file, const std::string& folder, bool resume) {
    std::vector<std::string> args{"plan", file, "--out", at + folder, "--jobs", "1"};
    if (resume) args.emplace_back("--resume");
    return Weft(args);
  };
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_NE(run(plan.path(), "/once", false).status, kBadInput);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin);
  const std::uint64_t seed = 1;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  for (int kill_number = 0; kill_number < 6; ++kill_number) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      run(plan.path(), "/killed", true);
      _exit(0);
    }
    usleep(static_cast<useconds_t>(random.Below(static_cast<std::uint32_t>(took.count()))));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  ASSERT_NE(run(plan.path(), "/killed", true).status, kBadInput);
  ASSERT_NE(run(at + "/once/plan.json", "/again", false).status, kBadInput);
  for (const char* file :
       {"/plan.json", "/plan.txt", "/candidates.csv", "/bom.csv", "/links.csv"}) {
    const std::string once = TextOf(at + "/once" + file);
    EXPECT_FALSE(once.empty()) << file;
    EXPECT_EQ(once, TextOf(at + "/killed" + file)) << file;
    EXPECT_EQ(once, TextOf(at + "/again" + file)) << file;
  }
  std::filesystem::remove_all(at);
}

}  // namespace
}  // namespace weft::cli
