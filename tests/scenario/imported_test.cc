// SimAI's 64-GPU HPN, imported, is weft's own `hpn` of that size: in counts and in time.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "scenario/run_scenario.h"
#include "topology/formats/format.h"

namespace weft {
namespace {

PreparedScenario Make(const std::string& text) {
  SourceTexts texts;
  FabricCache cache;
  Result<Located<ScenarioSpec>> spec = ParseScenario(text, "s.yaml", {}, &texts);
  EXPECT_TRUE(spec) << spec.error().front();
  Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache);
  EXPECT_TRUE(prepared) << prepared.error().front();
  return *std::move(prepared);
}

// 8 hosts of 8 GPUs, 16 ToRs of two planes, 8 Aggs in each, as SimAI's generator writes it
// [SIMAI cef83f9d gen_Topo_Template.py].
std::string HpnFile() {
  std::string links;
  int count = 0;
  const auto add = [&](int a, int b, const char* rate, const char* latency) {
    links += fmt::format("{} {} {} {} 0\n", a, b, rate, latency);
    ++count;
  };
  for (int g = 0; g < 64; ++g) {
    add(g, 64 + g / 8, "2880Gbps", "0.000025ms");
    for (const int plane : {0, 1}) add(g, 72 + 8 * plane + g % 8, "200Gbps", "0.0005ms");
  }
  for (int tor = 0; tor < 16; ++tor)
    for (int agg = 0; agg < 8; ++agg) add(72 + tor, 88 + tor / 8 * 8 + agg, "400Gbps", "0.0005ms");
  std::string ids;
  for (int i = 64; i < 104; ++i) ids += fmt::format("{} ", i);
  return fmt::format("104 8 8 32 {} H100\n{}\n{}", count, ids, links);
}

void ExpectHpn(const std::string& text) {
  Result<Wiring> wiring = ReadSimai({text, "hpn.txt", {}});
  ASSERT_TRUE(wiring) << wiring.error().front();
  for (const char* group : {"per_rail", "all"}) {
    const std::string workload = fmt::format(
        "routing: {{ seeds: 2 }}\nworkload: {{ collective: {{ op: all_reduce, algorithm: ring, "
        "bytes: "
        "64MiB, group: {} }} }}\n",
        group);
    const PreparedScenario imported = Make(FormatScenario(*wiring) + workload);
    const PreparedScenario own = Make(
        "fabric: { preset: hpn, segments: 1, hosts: 8, reserved_hosts: 0, aggs_per_plane: 8 }\n"
        "host: { preset: hgx-h800, gpu: h100, nvlink: 2880Gbps }\n" +
        workload);
    EXPECT_EQ(imported.fabric->counts(), own.fabric->counts());
    RunControl control;
    control.stop = [] { return false; };
    control.clock_s = [] { return 0.0; };
    EXPECT_EQ(RunScenario(imported, control).makespan_by_seed_s,
              RunScenario(own, control).makespan_by_seed_s)
        << group;
  }
}

TEST(ImportedSimai, IsHpnOfThatSize) { ExpectHpn(HpnFile()); }

// SimAI's generated file itself: $WEFT_SIMAI_HPN, or where a checkout has it beside it.
TEST(ImportedSimai, IsHpnOfThatSizeFromSimaisOwnFile) {
  const char* const given = std::getenv("WEFT_SIMAI_HPN");
  const std::filesystem::path path =
      given != nullptr
          ? std::filesystem::path(given)
          : std::filesystem::path(WEFT_SOURCE_DIR) / "../shared/data/inputs/aliyun__SimAI" /
                "AlibabaHPN_64g_8gps_DualToR_DualPlane_200Gbps_H100.topo.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there: $WEFT_SIMAI_HPN";
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  ASSERT_TRUE(file) << path;
  ExpectHpn(text.str());
}

}  // namespace
}  // namespace weft
