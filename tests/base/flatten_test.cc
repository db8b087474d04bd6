#include "base/schema/flatten.h"

#include "base/schema/reader.h"
#include "tests/base/error_list.h"
#include "tests/base/test.pb.h"

namespace weft {
namespace {

constexpr const char* kText =
    "fabric: { family: clos, leaves: 4, host: {} }\n"
    "workload: { collective: { bytes: [1MiB, 2MB] } }\n"
    "faults: [{ at: 1.5s, rate: 25% }]\n";

TEST(Flatten, WritesEveryValueUnderItsPath) {
  const auto spec = ParseText<test::Spec>(kText, "f.yaml", {});
  ASSERT_TRUE(spec.has_value()) << ErrorLines(spec.error());
  const std::map<std::string, std::string> want{{"fabric.family", "clos"},
                                                {"fabric.leaves", "4"},
                                                {"fabric.spines", "2"},
                                                {"fabric.link", "400Gbps"},
                                                {"fabric.latency", "1us"},
                                                {"fabric.host.gpus", "8"},
                                                {"fabric.host.power", "750W"},
                                                {"fabric.host.price", "0USD"},
                                                {"routing.host_port", "hash"},
                                                {"routing.seed", "1"},
                                                {"routing.seeds[0]", "1"},
                                                {"routing.seeds[1]", "2"},
                                                {"routing.seeds[2]", "3"},
                                                {"routing.spray", "false"},
                                                {"factor", "0"},
                                                {"faults[0].at", "1.5s"},
                                                {"faults[0].rate", "25%"},
                                                {"workload.collective.bytes[0]", "1MiB"},
                                                {"workload.collective.bytes[1]", "2MB"}};
  EXPECT_EQ(Flatten(spec->message), want);
}

// Each line of Flatten is a --set that says what is so already.
TEST(Flatten, IsWhatSetReads) {
  const auto spec = ParseText<test::Spec>(kText, "f.yaml", {});
  ASSERT_TRUE(spec.has_value());
  ReadOptions options;
  for (const auto& [path, text] : Flatten(spec->message))
    if (!path.starts_with("routing.seeds")) options.sets.push_back(path + "=" + text);
  const auto again = ParseText<test::Spec>(kText, "f.yaml", options);
  ASSERT_TRUE(again.has_value()) << ErrorLines(again.error());
  EXPECT_EQ(again->message.SerializeAsString(), spec->message.SerializeAsString());
}

}  // namespace
}  // namespace weft
