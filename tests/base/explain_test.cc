#include "base/schema/explain.h"

#include "tests/base/error_list.h"
#include "tests/base/test.pb.h"

namespace weft {
namespace {

std::string Explained(std::string_view key) {
  const Result<std::string> text = ExplainKey(*test::Spec::descriptor(), key);
  return text ? *text : ErrorLines(text.error());
}

TEST(ExplainKey, SaysAllThatTheSchemaKnows) {
  EXPECT_EQ(Explained("fabric.spines"),
            "fabric.spines  (family: clos)\n"
            "            spine switches\n"
            "  type      whole number\n"
            "  range     at least 1\n"
            "  default   2\n"
            "  source    assumption\n");
  EXPECT_EQ(Explained("bytes"),
            "workload.collective.bytes\n"
            "            sizes\n"
            "  type      list of: size (64MiB)\n"
            "  range     at least 1B\n"
            "  required  yes\n"
            "  example   bytes: 64MiB\n");
}

TEST(ExplainKey, ListsTheValuesOfAnEnumAndOfATag) {
  EXPECT_THAT(Explained("host_port"), testing::HasSubstr("by_qp        the QP's number chooses\n"));
  EXPECT_THAT(Explained("family"), testing::HasSubstr("type      one of clos or pod\n"));
  EXPECT_THAT(Explained("fabric"), testing::HasSubstr("later     torus, mesh\n"));
}

TEST(ExplainKey, KnowsTheKeysOfTheReaderItself) {
  EXPECT_THAT(Explained("include"), testing::HasSubstr("laid under this mapping's own"));
  EXPECT_THAT(Explained("fabric.preset"), testing::HasSubstr("weft presets"));
}

TEST(ExplainKey, TakesPathsWithIndicesAndPartsOfPaths) {
  EXPECT_EQ(Explained("faults[3].at"), Explained("faults.at"));
  EXPECT_EQ(Explained("collective.bytes"), Explained("bytes"));
}

TEST(ExplainKey, ExplainsABareNameEverywhere) {
  EXPECT_THAT(Explained("host"), testing::StartsWith("fabric.host\n"));
  EXPECT_THAT(Explained("rate"), testing::StartsWith("faults.rate\n"));
}

TEST(ExplainKey, NamesTheNearestKey) {
  EXPECT_EQ(Explained("segmnets"),
            "explain: error: there is no key 'segmnets' (did you mean 'segments'?)\n");
  EXPECT_EQ(Explained("fabric.segmnets"),
            "explain: error: there is no key 'fabric.segmnets' (did you mean "
            "'fabric.segments'?)\n");
  EXPECT_EQ(Explained("xyzzyxyzzy"),
            "explain: error: there is no key 'xyzzyxyzzy' (docs/formats/ lists all keys)\n");
}

TEST(FormatReference, HasASectionForEveryMessageAndVariant) {
  const std::string reference = FormatReference(*test::Spec::descriptor());
  std::string headings;
  for (std::size_t at = 0; (at = reference.find("## ", at)) != std::string::npos;) {
    const std::size_t end = reference.find('\n', at);
    headings += reference.substr(at, end + 1 - at);
    at = end;
  }
  EXPECT_EQ(headings,
            "## The top level\n## `fabric`\n## `fabric.host`\n## `fabric` with `family: clos`\n"
            "## `fabric` with `family: pod`\n## `routing`\n## `workload`\n"
            "## `workload.collective`\n## `workload.traffic`\n## `faults`\n");
  EXPECT_THAT(reference, testing::HasSubstr(
                             "| `link` | rate (400Gbps) | 1Gbps..1.6Tbps | `400Gbps` | rate of a "
                             "link |\n"));
  EXPECT_THAT(reference, testing::HasSubstr("| `spines` | whole number | at least 1 | `2` "
                                            "assumption | spine switches |\n"));
}

}  // namespace
}  // namespace weft
