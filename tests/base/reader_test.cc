#include "base/schema/reader.h"

#include <filesystem>
#include <fstream>

#include "tests/base/error_list.h"
#include "tests/base/test.pb.h"
#include "tests/base/test_file.h"

namespace weft {
namespace {

using test::Spec;

PresetTable Presets() {
  return PresetTable({
      {"fabric", "small", "presets/small.yaml", "family: clos\nleaves: 4\nlink: 200Gbps\n"},
      {"fabric", "bigger", "presets/bigger.yaml",
       "preset: small\nleaves: 8\nhost: { preset: dgx, gpus: 4 }\n"},
      {"fabric", "pods", "presets/pods.yaml", "family: pod\n"},
      {"fabric", "loop", "presets/loop.yaml", "preset: pool\n"},
      {"fabric", "pool", "presets/pool.yaml", "preset: loop\n"},
      {"fabric", "broken", "presets/broken.yaml", "family: clos\nleaves: 400\n"},
      {"host", "dgx", "presets/dgx.yaml", "power: 700W\nprice: 300kUSD\n"},
      {"host", "plain", "presets/plain.yaml", "gpus: 1\n"},
  });
}

Result<Located<Spec>> Read(std::string_view text, std::vector<std::string> sets = {}) {
  const PresetTable presets = Presets();
  return ParseText<Spec>(text, "f.yaml", {&presets, std::move(sets), nullptr});
}

std::string ErrorsOf(std::string_view text, std::vector<std::string> sets = {}) {
  const Result<Located<Spec>> spec = Read(text, std::move(sets));
  return spec ? "no error\n" : ErrorLines(spec.error());
}

Spec MessageOf(std::string_view text, std::vector<std::string> sets = {}) {
  const Result<Located<Spec>> spec = Read(text, std::move(sets));
  EXPECT_TRUE(spec.has_value()) << (spec ? "" : ErrorLines(spec.error()));
  return spec ? spec->message : Spec();
}

// One of everything, worked by hand.
TEST(ParseText, ReadsEveryKindOfValue) {
  const Spec spec = MessageOf(R"(
name: 2.28
fabric: { family: clos, leaves: 4, link: 1.6Tbps, latency: 1.5us, host: { price: $99.5 } }
routing: { host_port: by_qp, seed: 7, seeds: [], spray: true }
workload: { collective: { bytes: [1MiB, 2MB], channels: 2 } }
faults: { at: 10s, rate: 50% }
factor: -0.5
)");
  EXPECT_EQ(spec.name(), "2.28");
  EXPECT_EQ(spec.fabric().clos().leaves(), 4);
  EXPECT_EQ(spec.fabric().clos().spines(), 2);  // the default
  EXPECT_EQ(spec.fabric().link(), 1.6e12);
  EXPECT_EQ(spec.fabric().latency(), 1'500'000);
  EXPECT_EQ(spec.fabric().host().gpus(), 8);
  EXPECT_EQ(spec.fabric().host().price(), 99.5);
  EXPECT_EQ(spec.routing().host_port(), test::HOST_PORT_BY_QP);
  EXPECT_EQ(spec.routing().seed(), 7u);
  EXPECT_EQ(spec.routing().seeds_size(), 0);
  EXPECT_TRUE(spec.routing().spray());
  EXPECT_THAT(spec.workload().collective().bytes(), testing::ElementsAre(1 << 20, 2'000'000));
  EXPECT_EQ(spec.workload().collective().channels(), 2);
  ASSERT_EQ(spec.faults_size(), 1);  // one value is a list of one
  EXPECT_EQ(spec.faults(0).at(), 10'000'000'000'000);
  EXPECT_EQ(spec.faults(0).rate(), 0.5);
  EXPECT_FALSE(spec.faults(0).has_until());
  EXPECT_EQ(spec.factor(), -0.5);
}

TEST(ParseText, FillsDefaultsOnlyWhereTheSchemaAsksForThem) {
  const Spec spec = MessageOf("fabric: { family: pod }");
  EXPECT_EQ(spec.fabric().pod().segments(), 15u);
  EXPECT_EQ(spec.fabric().link(), 400e9);
  EXPECT_FALSE(spec.fabric().has_host());
  ASSERT_TRUE(spec.has_routing());
  EXPECT_EQ(spec.routing().host_port(), test::HOST_PORT_HASH);
  EXPECT_THAT(spec.routing().seeds(), testing::ElementsAre(1, 2, 3));
  EXPECT_FALSE(spec.has_workload());
}

TEST(ParseText, ReadsJsonAsWell) {
  const Spec spec = MessageOf(R"({"fabric": {"family": "clos", "leaves": 3, "link": "100Gbps"}})");
  EXPECT_EQ(spec.fabric().clos().leaves(), 3);
  EXPECT_EQ(spec.fabric().link(), 100e9);
}

TEST(ParseText, KnowsWhereEveryValueComesFrom) {
  const auto spec = Read("fabric:\n  preset: bigger\n  leaves: 6\n", {"routing.seed=5"});
  ASSERT_TRUE(spec.has_value());
  const SourceMap& sources = spec->sources;
  EXPECT_EQ(spec->At("fabric.leaves"), (SourcePos{"f.yaml", 3, 11}));
  EXPECT_TRUE(sources.Given("fabric.leaves"));
  EXPECT_EQ(sources.At("fabric.link").kind, Origin::Kind::kPreset);
  EXPECT_EQ(sources.At("fabric.link").preset, "small");
  EXPECT_EQ(spec->At("fabric.link"), (SourcePos{"presets/small.yaml", 3, 7}));
  EXPECT_FALSE(sources.Given("fabric.link"));
  EXPECT_EQ(spec->At("fabric.host.gpus"), (SourcePos{"presets/bigger.yaml", 3, 28}));
  EXPECT_EQ(sources.At("routing.seed").kind, Origin::Kind::kSet);
  EXPECT_TRUE(sources.Given("routing.seed"));
  EXPECT_EQ(spec->At("routing.seed"), (SourcePos{"--set routing.seed", 1, 14}));
  EXPECT_EQ(sources.At("fabric.spines").kind, Origin::Kind::kDefault);
  EXPECT_EQ(spec->At("fabric.spines"), (SourcePos{"f.yaml", 2, 3}));
  EXPECT_EQ(spec->At("fabric.no.such[3].thing"), (SourcePos{"f.yaml", 2, 3}));
  EXPECT_EQ(spec->At("nothing"), (SourcePos{"f.yaml", 1, 1}));
  EXPECT_EQ(sources.At("fabric.family").preset, "small");
}

TEST(ParseText, LaysTheFileOverPresetsThatLieOverPresets) {
  const Spec spec = MessageOf("fabric: { preset: bigger, link: 50Gbps, host: { power: 1kW } }");
  EXPECT_EQ(spec.fabric().clos().leaves(), 8);
  EXPECT_EQ(spec.fabric().link(), 50e9);
  EXPECT_EQ(spec.fabric().host().gpus(), 4);
  EXPECT_EQ(spec.fabric().host().power(), 1000);
  EXPECT_EQ(spec.fabric().host().price(), 300e3);
}

TEST(ParseText, LetsAnotherPresetHideWhatTheLowerLayerSaid) {
  const Spec spec = MessageOf("fabric: { preset: bigger, host: { preset: plain } }");
  EXPECT_EQ(spec.fabric().host().gpus(), 1);
  EXPECT_EQ(spec.fabric().host().price(), 0);
}

TEST(ParseText, LaysSetsOverEverything) {
  const Spec spec =
      MessageOf("fabric: { preset: small, leaves: 5 }\nfaults: [{ at: 1s }, { at: 2s }]\n",
                {"fabric.leaves=6", "fabric.leaves=7", "fabric.spines=3", "faults[1].rate=25%",
                 "workload={collective: {bytes: 1KiB}}", "workload.collective.bytes[0]=2KiB",
                 "fabric.host.preset=dgx", "name=a=b"});
  EXPECT_EQ(spec.fabric().clos().leaves(), 7);
  EXPECT_EQ(spec.fabric().clos().spines(), 3);
  EXPECT_EQ(spec.faults(0).rate(), 0);
  EXPECT_EQ(spec.faults(1).rate(), 0.25);
  EXPECT_EQ(spec.faults(1).at(), 2'000'000'000'000);
  EXPECT_THAT(spec.workload().collective().bytes(), testing::ElementsAre(2048));
  EXPECT_EQ(spec.fabric().host().power(), 700);
  EXPECT_EQ(spec.name(), "a=b");
}

struct Case {
  std::string text, errors;
};

constexpr const char* kFabric = "fabric: { family: clos, leaves: 4 }\n";

TEST(ParseText, ReportsWrongKeys) {
  const Case cases[] = {
      {"fabric: { family: pod, segmnets: 2 }",
       "f.yaml:1:24: error: unknown key 'segmnets' (did you mean 'segments'?)\n"},
      {"fabric: { family: pod, leaves: 2 }",
       "f.yaml:1:24: error: unknown key 'leaves' (it belongs to 'family: clos')\n"},
      {"fabric: { family: pod }\nrouting: { xyzzy: 2 }",
       "f.yaml:2:12: error: unknown key 'xyzzy' (keys here: host_port, seed, seeds or spray)\n"},
      {"fabric: { family: pod, torus: 2 }",
       "f.yaml:1:24: error: 'torus' is not in this version (keys here: family, link, latency, "
       "host, segments or hosts)\n"},
      {"fabric: { family: pod }\nworkload: { training: {}, collective: { bytes: 1B } }",
       "f.yaml:2:13: error: 'training' is not in this version (keys here: collective or "
       "traffic)\n"},
      {"fabric: { family: pod, hosts:2 }",
       "f.yaml:1:24: error: unknown key 'hosts:2' ('hosts: ' with a space after ':')\n"},
      {"fabric: { leaves: 2, zzzzzz: 1 }",
       "f.yaml:1:9: error: 'family' is missing (family: clos or pod; or preset: NAME)\n"
       "f.yaml:1:22: error: unknown key 'zzzzzz' (keys here: family, link, latency or host)\n"},
      {"fabric: { family: clso, leaves: 2 }",
       "f.yaml:1:19: error: 'family' is 'clso' (want clos or pod) (did you mean 'clos'?)\n"},
      {"name: x", "f.yaml:1:1: error: 'fabric' is missing (fabric: { preset: small })\n"},
      {"fabric: { family: clos }", "f.yaml:1:9: error: 'fabric.leaves' is missing (leaves: 4)\n"},
      {"fabric: { family: pod }\nfaults: [{ until: 2s }]",
       "f.yaml:2:10: error: 'faults[0].at' is missing\n"},
      {"fabric: { family: pod }\nworkload: {}",
       "f.yaml:2:11: error: collective or traffic is missing (one of them)\n"},
      {"fabric: { family: pod }\n"
       "workload: { collective: { bytes: 1B }, traffic: { pattern: x } }",
       "f.yaml:2:40: error: 'traffic' beside 'collective' (only one of them)\n"},
      {"fabric: { family: pod }\nworkload: { collective: { bytes: [] } }",
       "f.yaml:2:34: error: 'bytes' is empty (at least one item)\n"},
      {"fabric: { family: pod, family: clos }",
       "f.yaml:1:24: error: key 'family' twice (first at line 1, column 11)\n"},
      {"- a", "f.yaml:1:1: error: the file is no mapping (it should hold keys and values)\n"},
      {"---\n", "f.yaml:1:1: error: the file is empty (it should hold keys and values)\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(ErrorsOf(one.text), one.errors) << one.text;
}

TEST(ParseText, ReportsWrongValues) {
  const Case cases[] = {
      {"fabric: { family: pod, hosts: 200 }", "f.yaml:1:31: error: 'hosts' is 200 (want 1..136)\n"},
      {"fabric: { family: pod, hosts: -1 }", "f.yaml:1:31: error: 'hosts' is -1 (want 1..136)\n"},
      {"fabric: { family: pod, hosts: 1.5 }",
       "f.yaml:1:31: error: 'hosts' is 1.5 (want a whole number)\n"},
      {"fabric: { family: pod, hosts: 010 }",
       "f.yaml:1:31: error: 'hosts' is 010 (want a whole number) (no leading zero: some readers "
       "take 010 for 8)\n"},
      {"fabric: { family: pod, hosts: 0x10 }",
       "f.yaml:1:31: error: 'hosts' is 0x10 (want a whole number)\n"},
      {"fabric: { family: pod, hosts: many }",
       "f.yaml:1:31: error: 'hosts' is 'many' (want a whole number)\n"},
      {"fabric: { family: pod, hosts: \"2\" }",
       "f.yaml:1:31: error: 'hosts' is the text '2' (want a whole number) (write it without "
       "quotes)\n"},
      {"fabric: { family: pod, hosts: [2] }",
       "f.yaml:1:31: error: 'hosts' is a list (want a whole number)\n"},
      {"fabric: { family: pod, hosts: { a: 1 } }",
       "f.yaml:1:31: error: 'hosts' is a mapping (want a whole number)\n"},
      {"fabric: { family: pod, hosts: }", "f.yaml:1:24: error: 'hosts' has no value\n"},
      {"fabric: { family: pod, hosts: ~ }", "f.yaml:1:24: error: 'hosts' has no value\n"},
      {"fabric:", "f.yaml:1:1: error: 'fabric' has no value (fabric: { preset: small })\n"},
      {"fabric: small",
       "f.yaml:1:9: error: 'fabric' is 'small' (want a mapping of keys) ({ preset: small })\n"},
      {"fabric: { family: pod, link: 400 }",
       "f.yaml:1:30: error: 'link' is 400 (want a rate with its unit, such as 400Gbps) (write the "
       "unit: 400Gbps)\n"},
      {"fabric: { family: pod, link: 10Mbps }",
       "f.yaml:1:30: error: 'link' is 10Mbps (want 1Gbps..1.6Tbps)\n"},
      {"fabric: { family: pod, link: nan }",
       "f.yaml:1:30: error: 'link' is 'nan' (want a rate with its unit, such as 400Gbps)\n"},
      {"fabric: { family: pod, latency: -1us }",
       "f.yaml:1:33: error: 'latency' is -1us (want at least 0s)\n"},
      {"fabric: { family: pod, latency: 200d }",
       "f.yaml:1:33: error: 'latency' is 200d (want a number that fits: a time with its unit, such "
       "as 1.5us)\n"},
      {"fabric: { family: pod }\nfactor: 2", "f.yaml:2:9: error: 'factor' is 2 (want -1..1)\n"},
      {"fabric: { family: pod }\nfactor: .inf",
       "f.yaml:2:9: error: 'factor' is .inf (want a number)\n"},
      {"fabric: { family: pod }\nrouting: { host_port: by_pq }",
       "f.yaml:2:23: error: 'host_port' is 'by_pq' (want by_qp or hash) (did you mean 'by_qp'?)\n"},
      {"fabric: { family: pod }\nrouting: { spray: yes }",
       "f.yaml:2:19: error: 'spray' is 'yes' (want true or false)\n"},
      {"fabric: { family: pod }\nworkload: { collective: { bytes: [1MiB, 64Mb] } }",
       "f.yaml:2:41: error: 'bytes[1]' is 64Mb (want a size with its unit, such as 64MiB) (b is a "
       "bit, B a byte, and sizes are in bytes)\n"},
      {"fabric: { family: pod }\nname: [a]", "f.yaml:2:7: error: 'name' is a list (want text)\n"},
      {"fabric: { family: pod }\nname: \"a\\0b\"",
       "f.yaml:2:7: error: 'name' is the text 'a?b' (want text without control characters)\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(ErrorsOf(one.text), one.errors) << one.text;
}

TEST(ParseText, ReportsAllErrorsOfARunInOrder) {
  EXPECT_EQ(ErrorsOf("naem: x\nfabric: { family: pod, hosts: 0, segments: 99 }\nfactor: a\n"),
            "f.yaml:1:1: error: unknown key 'naem' (did you mean 'name'?)\n"
            "f.yaml:2:31: error: 'hosts' is 0 (want 1..136)\n"
            "f.yaml:2:44: error: 'segments' is 99 (want 1..15)\n"
            "f.yaml:3:9: error: 'factor' is 'a' (want a number)\n");
}

TEST(ParseText, ReportsAnErrorUnderAnAliasOnce) {
  EXPECT_EQ(ErrorsOf(std::string(kFabric) + "faults: [&x { at: 1 }, *x]\n"),
            "f.yaml:2:19: error: 'at' is 1 (want a time with its unit, such as 1.5us) (write the "
            "unit: 1s, 1ms or 1us)\n");
}

TEST(ParseText, ReportsWrongPresets) {
  const Case cases[] = {
      {"fabric: { preset: smal }",
       "f.yaml:1:19: error: 'preset' is 'smal' (want bigger, broken, loop, pods, pool or small) "
       "(did you mean 'small'?)\n"},
      {"fabric: { preset: [a] }", "f.yaml:1:19: error: 'preset' is not a name (preset: NAME)\n"},
      {"fabric: { preset: loop }",
       "presets/pool.yaml:1:9: error: preset 'loop' starts from itself\n"},
      {"fabric: { preset: broken }",
       "presets/broken.yaml:2:9: error: 'leaves' is 400 (want 1..64)\n"},
      {"fabric: { family: pod }\nrouting: { preset: x }",
       "f.yaml:2:12: error: unknown key 'preset' (keys here: host_port, seed, seeds or spray)\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(ErrorsOf(one.text), one.errors) << one.text;
  const auto none = ParseText<Spec>("fabric: { preset: small }", "f.yaml", {});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(ErrorLines(none.error()),
            "f.yaml:1:19: error: 'preset' is 'small', and there are no fabric presets\n");
}

TEST(ParseText, ReportsWrongSetsAtTheirOwnText) {
  const std::pair<const char*, const char*> cases[] = {
      {"fabric.leaves=99", "--set fabric.leaves:1:15: error: 'leaves' is 99 (want 1..64)\n"},
      {"fabric.laeves=9",
       "--set fabric.laeves:1:8: error: unknown key 'laeves' (did you mean 'leaves'?)\n"},
      {"faults[2].at=1s",
       "--set faults[2].at:1:8: error: 'faults' has no item [2] (it has no "
       "items)\n"},
      {"fabric", "--set fabric:1:1: error: 'fabric' sets nothing (--set path=value)\n"},
      {"=3", "--set :1:1: error: '=3' sets nothing (--set path=value)\n"},
      {"a..b=3",
       "--set a..b:1:1: error: 'a..b' is no path (a path is fabric.segments or "
       "faults[0].at)\n"},
      {"a[x]=3",
       "--set a[x]:1:1: error: 'a[x]' is no path (a path is fabric.segments or "
       "faults[0].at)\n"},
      {"name=", "--set name:1:6: error: 'name' is set to nothing (--set path=value)\n"},
      {"name=!!x 1",
       "--set name:1:6: error: a tag, '!!x' (write the value without it; the schema "
       "says what it is)\n"},
      {"name.x=1", "--set name.x:1:6: error: 'name' is a mapping (want text)\n"},
  };
  for (const auto& [set, errors] : cases)
    EXPECT_EQ(ErrorsOf(std::string("name: n\n") + kFabric, {set}), errors) << set;
  EXPECT_EQ(ErrorsOf(std::string(kFabric) + "faults: [{ at: 1s }]", {"faults[1].at=2s"}),
            "--set faults[1].at:1:8: error: there is no [1] (the list has 1 items, counted from "
            "0)\n");
}

// A folder of files that is gone afterwards.
class Folder {
 public:
  Folder() : path_(TestFile("reader")) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_ / "sub");
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string Write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
  }
  // Errors without the folder's name.
  std::string ErrorsOf(const std::string& file) const {
    const PresetTable presets = Presets();
    const auto spec = ReadFile<Spec>(file, {&presets, {}, nullptr});
    if (spec) return "no error\n";
    std::string lines = ErrorLines(spec.error());
    const std::string folder = path_.string() + "/";
    for (std::size_t at; (at = lines.find(folder)) != std::string::npos;)
      lines.erase(at, folder.size());
    return lines;
  }

 private:
  std::filesystem::path path_;
};

// Read piece by piece: of one, of some, of an end on a piece's edge.
TEST(ReadFile, ReadsFilesOfAnyLength) {
  const PresetTable presets = Presets();
  const std::string file = TestFile("long.yaml");
  for (const std::size_t length : {100u, 16384u, 16385u, 50000u}) {
    const std::string end = "\nname: the last line\nfabric: { family: clos, leaves: 4 }";
    std::ofstream(file) << '#' << std::string(length - 1 - end.size(), 'x') << end;
    const auto spec = ReadFile<Spec>(file, {&presets, {}, nullptr});
    ASSERT_TRUE(spec) << length << ErrorLines(spec.error());
    EXPECT_EQ(spec->message.name(), "the last line");
  }
}

TEST(ReadFile, LaysTheFileOverWhatItIncludes) {
  const Folder folder;
  folder.Write("sub/base.yaml",
               "fabric: { include: net.yaml, leaves: 5 }\nname: base\nfactor: 1\n");
  folder.Write("sub/net.yaml", "preset: small\nleaves: 3\nspines: 7\n");
  folder.Write("more.yaml", "name: more\nfactor: 0.5\n");
  const std::string top =
      folder.Write("top.yaml", "include: [sub/base.yaml, more.yaml]\nname: top\n");
  const PresetTable presets = Presets();
  SourceTexts texts;

  const auto spec = ReadFile<Spec>(top, {&presets, {}, &texts});

  ASSERT_TRUE(spec.has_value()) << ErrorLines(spec.error());
  EXPECT_EQ(spec->message.name(), "top");
  EXPECT_EQ(spec->message.factor(), 0.5);
  EXPECT_EQ(spec->message.fabric().clos().leaves(), 5);
  EXPECT_EQ(spec->message.fabric().clos().spines(), 7);
  EXPECT_EQ(spec->message.fabric().link(), 200e9);
  EXPECT_THAT(spec->At("fabric.spines").file, testing::EndsWith("sub/net.yaml"));
  EXPECT_NE(texts.Find(spec->At("fabric.spines").file), nullptr);
  EXPECT_NE(texts.Find("presets/small.yaml"), nullptr);
}

TEST(ReadFile, ReportsWrongIncludesWhereTheyStand) {
  const Folder folder;
  folder.Write("a.yaml", "include: b.yaml\nfabric: { family: pod }\n");
  folder.Write("b.yaml", "include: a.yaml\n");
  EXPECT_EQ(folder.ErrorsOf(folder.Write("self.yaml", "fabric: { include: self.yaml }\n")),
            "self.yaml:1:20: error: 'self.yaml' includes itself\n");
  EXPECT_EQ(folder.ErrorsOf(folder.Write("a.yaml", "include: b.yaml\nfabric: { family: pod }\n")),
            "b.yaml:1:10: error: 'a.yaml' includes itself\n");
  EXPECT_EQ(folder.ErrorsOf(folder.Write("c.yaml", "include: gone.yaml\n")),
            "c.yaml:1:10: error: 'gone.yaml' cannot be read: No such file or directory\n");
  EXPECT_EQ(folder.ErrorsOf(folder.Write("d.yaml", "include: { a: 1 }\nfabric: { family: pod }")),
            "d.yaml:1:10: error: 'include' is not the name of a file (include: FILE, or a list of "
            "files)\n");
  folder.Write("bad.yaml", "fabric: {\n");
  EXPECT_THAT(folder.ErrorsOf(folder.Write("e.yaml", "include: bad.yaml\n")),
              testing::StartsWith("bad.yaml:2:1: error: not YAML"));
}

TEST(ReadFile, ReportsAFileThatCannotBeRead) {
  const Folder folder;
  const auto gone = ReadFile<Spec>("no/such.yaml", {});
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(ErrorLines(gone.error()),
            "no/such.yaml: error: cannot be read: No such file or directory\n");
  const auto directory = ReadFile<Spec>(testing::TempDir(), {});
  ASSERT_FALSE(directory.has_value());
  EXPECT_THAT(ErrorLines(directory.error()), testing::HasSubstr("Is a directory"));
}

TEST(ReadFile, KeepsTheTextForTheCaretWhereReadingFails) {
  SourceTexts texts;
  const auto spec = ParseText<Spec>("fabric: { family: pod }\nname: []\n", "f.yaml",
                                    {nullptr, {"fabric.hosts=900"}, &texts});
  ASSERT_FALSE(spec.has_value());
  std::string drawn;
  for (const Error& error : spec.error()) drawn += FormatError(error, texts);
  EXPECT_EQ(drawn,
            "--set fabric.hosts:1:14: error: 'hosts' is 900 (want 1..136)\n"
            "  1 | fabric.hosts=900\n"
            "    |              ^~~\n"
            "f.yaml:2:7: error: 'name' is a list (want text)\n"
            "  2 | name: []\n"
            "    |       ^\n");
}

}  // namespace
}  // namespace weft
