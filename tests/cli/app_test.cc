#include "cli/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

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
      : path_(testing::TempDir() + "weft_app_test_" +
              testing::UnitTest::GetInstance()->current_test_info()->name() + ".yaml") {
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

TEST(Weft, ExitsWithTwoOnBadInputAndDrawsACaret) {
  const Scenario scenario(std::string(kSmall) + "segmnets: 3\n");
  const Ran ran = Weft({"simulate", scenario.path()});
  EXPECT_EQ(ran.status, kBadInput);
  EXPECT_THAT(ran.err, HasSubstr(".yaml:3:1: error: unknown key 'segmnets'"));
  EXPECT_THAT(ran.err, HasSubstr("| ^"));
  EXPECT_EQ(ran.out, "");
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
}

TEST(Weft, MarksTheResultPartialAtTheTimeLimit) {
  const Scenario scenario(kSmall);
  const Ran ran =
      Weft({"simulate", scenario.path(), "--json", "-", "--time-limit", "1ns", "--seeds", "1000"});
  EXPECT_EQ(ran.status, kOk);
  EXPECT_TRUE(nlohmann::ordered_json::parse(ran.out)["partial"]);
}

TEST(Weft, PassesItsOwnSelfTest) { EXPECT_EQ(Weft({"doctor"}).status, kOk); }

}  // namespace
}  // namespace weft::cli
