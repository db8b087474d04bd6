#include "hardware/parts.h"

#include <map>

#include "hardware/catalogue.pb.h"
#include "tests/base/error_list.h"

namespace weft {
namespace {

template <typename Spec>
Result<Located<Spec>> Read(const std::string& text) {
  const PresetTable presets(HardwarePresets());
  return ParseText<Spec>(text, "part.yaml", {&presets, {}, nullptr});
}

HostPart Host(const std::string& name) {
  const auto spec = Read<HostSpec>("preset: " + name);
  EXPECT_TRUE(spec) << ErrorLines(spec.error());
  const auto part = MakeHostPart(spec->message, spec->sources, "");
  EXPECT_TRUE(part) << ErrorLines(part.error());
  return *part;
}

TEST(HardwarePresets, AreAllReadableUnderTheirKind) {
  std::map<std::string, int> count;
  for (const Preset& preset : HardwarePresets()) {
    SCOPED_TRACE(preset.file);
    ++count[preset.kind];
    const std::string text = "preset: " + preset.name;
    Errors errors;
    const auto keep = [&](const auto& read) {
      if (!read) errors = read.error();
    };
    if (preset.kind == "gpu") keep(Read<GpuSpec>(text));
    if (preset.kind == "host") keep(Read<HostSpec>(text));
    if (preset.kind == "switch") keep(Read<SwitchSpec>(text));
    if (preset.kind == "nic") keep(Read<NicSpec>(text));
    if (preset.kind == "optic") keep(Read<OpticSpec>(text));
    if (preset.kind == "cable") keep(Read<CableSpec>(text));
    if (preset.kind == "rack") keep(Read<RackSpec>(text));
    if (preset.kind == "cooler") keep(Read<CoolerSpec>(text));
    if (preset.kind == "catalogue") keep(Read<CatalogueSpec>(text));
    if (preset.kind == "failures") keep(Read<FailureSetSpec>(text));
    EXPECT_EQ(ErrorLines(errors), "");
  }
  EXPECT_EQ(count, (std::map<std::string, int>{{"gpu", 15},
                                               {"cooler", 3},
                                               {"catalogue", 7},
                                               {"failures", 5},
                                               {"host", 16},
                                               {"nic", 4},
                                               {"switch", 9},
                                               {"optic", 16},
                                               {"cable", 6},
                                               {"rack", 3}}));
}

// [NV-A100], [NV-H100], [QXC+24 §9]: 600, 900 and 400 GB/s, both directions together.
TEST(FindGpu, CountsNvlinkInOneDirection) {
  EXPECT_EQ(FindGpu("a100")->nvlink, GigabitsPerSecond(8 * 300));
  EXPECT_EQ(FindGpu("h100")->nvlink, GigabitsPerSecond(8 * 450));
  EXPECT_EQ(FindGpu("h800")->nvlink, GigabitsPerSecond(8 * 200));
  EXPECT_EQ(FindGpu("a100")->bf16_flops, 312e12);
  EXPECT_EQ(FindGpu("h800")->compute_capability, 90);
  EXPECT_EQ(FindGpu("h100")->power, Watts(700));
  EXPECT_EQ(FindGpu("a100")->nvlinks, 12);
  EXPECT_EQ(FindGpu("l40s")->nvlinks, 0);
  EXPECT_FALSE(FindGpu("h900"));
}

// Dense and sparse peaks that a plan is sized by: 10^12 operations a second; -1: none.
TEST(FindGpu, HasDenseAndSparsePeaksByType) {
  const auto tera = [](const char* name, NumberType type, Basis basis) {
    const std::optional<Peak> peak = NeedGpu(name, {})->PeakOf(type, basis);
    return peak ? peak->per_second / 1e12 : -1;
  };
  const auto row = [&](const char* name) {
    return std::vector<double>{tera(name, NumberType::kBf16, Basis::kDense),
                               tera(name, NumberType::kBf16, Basis::kSparse),
                               tera(name, NumberType::kInt8, Basis::kDense)};
  };
  EXPECT_EQ(row("h800"), (std::vector<double>{989, 1979, 1979}));
  EXPECT_EQ(row("h20"), (std::vector<double>{148, 296, 296}));
  EXPECT_EQ(row("ascend-910b2"), (std::vector<double>{376, -1, 752}));
  EXPECT_EQ(row("ascend-910b3"), (std::vector<double>{313, -1, 626}));
  EXPECT_EQ(row("ascend-910c"), (std::vector<double>{752, -1, 1504}));
  EXPECT_EQ(row("v100"), (std::vector<double>{-1, -1, -1}));
  EXPECT_TRUE(NeedGpu("ascend-910c", {})->int8->assumed);
  EXPECT_FALSE(NeedGpu("h20", {})->int8->assumed);
}

TEST(NeedGpu, NamesTheNearest) {
  EXPECT_EQ(ErrorLines(NeedGpu("h8000", {"plan.yaml", 2, 3}).error()),
            "plan.yaml:2:3: error: there is no accelerator 'h8000' (did you mean 'h800'?)\n");
  EXPECT_EQ(ErrorLines(NeedGpu("tpu", {"plan.yaml", 2, 3}).error()).substr(0, 59),
            "plan.yaml:2:3: error: there is no accelerator 'tpu' (a100, ");
}

TEST(MakeHostPart, SharesTheNicsRateOverItsPorts) {
  const HostPart host = Host("hgx-h800");
  EXPECT_EQ(host.nic_ports, 2);
  EXPECT_EQ(host.nic_port, GigabitsPerSecond(200));
  EXPECT_EQ(host.nic(), GigabitsPerSecond(400));
  EXPECT_EQ(host.nvlink, GigabitsPerSecond(1600));
  EXPECT_EQ(host.transport, HostSpec::ROCE);
  EXPECT_EQ(host.power, Watts(10200));
  EXPECT_EQ(host.part, "hgx-h800");
  EXPECT_FALSE(Host("one-gpu").power);
  EXPECT_EQ(Host("cm384").gpus, 384);
  EXPECT_EQ(Host("dgx-a100").power, Watts(6500));
  EXPECT_EQ(Host("dgx-a100").nic(), GigabitsPerSecond(200));
  EXPECT_EQ(Host("one-gpu").nvlink, BitRate());
}

// A gen5 x16 slot carries 32 GT/s x 16 x 128/130 = 504.1 Gb/s, gen4 half of it.
TEST(MakeHostPart, KnowsPcieAfterLineEncoding) {
  EXPECT_NEAR(Host("hgx-h100").pcie.bits_per_second(), 32e9 * 16 * 128 / 130, 0.5e9);
  EXPECT_NEAR(Host("dgx-a100").pcie.bits_per_second(), 16e9 * 16 * 128 / 130, 0.5e9);
}

TEST(MakeHostPart, TakesNvlinkFromTheGpuWhereTheHostSaysNothing) {
  const auto spec = Read<HostSpec>("{ gpu: a100, gpus: 4, nics: 2 }");
  ASSERT_TRUE(spec) << ErrorLines(spec.error());
  const auto part = MakeHostPart(spec->message, spec->sources, "");
  ASSERT_TRUE(part) << ErrorLines(part.error());
  EXPECT_EQ(part->nvlink, GigabitsPerSecond(2400));
  EXPECT_EQ(part->nic_port, GigabitsPerSecond(400));
}

// A host keeps whole links of its GPU: 200 of 450 GB/s are 8 of 18.
TEST(MakeHostPart, CountsTheLinksThatItsNvlinkRateTakes) {
  EXPECT_EQ(Host("hgx-h100").nvlinks, 18);
  const auto spec = Read<HostSpec>("{ preset: hgx-h100, nvlink: 200GBps }");
  EXPECT_EQ(MakeHostPart(spec->message, spec->sources, "")->nvlinks, 8);
  EXPECT_EQ(Host("pcie-a100").nvlinks, 0);
  EXPECT_EQ(Host("dgx-v100").nvlink_shape, HostSpec::NVLINK_SHAPE_CUBE_MESH);
  EXPECT_EQ(Host("gb200-nvl72").gpus_per_tray, 4);
  EXPECT_EQ(Host("hgx-h100").gpus_per_tray, 8);
}

TEST(MakeHostPart, RefusesACubeMeshOfMoreThanEight) {
  const auto spec = Read<HostSpec>("{ preset: dgx-v100, gpus: 16 }");
  const auto part = MakeHostPart(spec->message, spec->sources, "");
  ASSERT_FALSE(part);
  EXPECT_NE(ErrorLines(part.error()).find("a cube mesh of 16 GPUs (it joins up to 8)"),
            std::string::npos)
      << ErrorLines(part.error());
}

TEST(MakeHostPart, RefusesAnUnknownGpu) {
  auto spec = Read<HostSpec>("{ gpus: 4, gpu: h900 }");
  ASSERT_TRUE(spec) << ErrorLines(spec.error());
  SourceMap sources;
  sources.Add("host.gpu", spec->sources.At("gpu"));
  const auto part = MakeHostPart(spec->message, sources, "host");
  ASSERT_FALSE(part);
  EXPECT_EQ(ErrorLines(part.error()),
            "part.yaml:1:17: error: there is no gpu preset 'h900' (a100, a100-pcie, ascend-910b2, "
            "ascend-910b3, ascend-910c, b200, b300, gb200, gh200, h100, h20, h200, h800, l40s, "
            "v100)\n");
}

Result<SwitchPart> Switch(const std::string& text) {
  const auto spec = Read<SwitchSpec>(text);
  EXPECT_TRUE(spec) << ErrorLines(spec.error());
  SourceMap sources;
  for (const auto& [path, origin] : spec->sources.entries()) sources.Add("switch." + path, origin);
  return MakeSwitchPart(spec->message, sources, "switch");
}

TEST(MakeSwitchPart, KeepsChipAndBoxApart) {
  const auto part = Switch("preset: switch-51t2");
  ASSERT_TRUE(part) << ErrorLines(part.error());
  EXPECT_EQ(part->rate, GigabitsPerSecond(51200));
  EXPECT_EQ(part->chip_power, Watts(750));
  EXPECT_EQ(part->power, Watts(913));
}

// [QXC+24 §5.1, Fig. 9b]: of three coolers only the last holds a 51.2T chip.
TEST(MakeSwitchPart, RefusesACoolerThatAllowsLessThanTheChipDraws) {
  const auto said = [](const std::string& text) {
    const auto part = Switch(text);
    return part ? "" : ErrorLines(part.error());
  };
  EXPECT_EQ(said("{ preset: switch-51t2, cooler: heat_pipe }"),
            "part.yaml:1:32: error: the chip draws 750 W, and its cooler, heat_pipe, allows 660 W "
            "(another cooler, or a chip that draws less)\n");
  EXPECT_EQ(said("{ preset: switch-51t2, cooler: vapor_chamber }"),
            "part.yaml:1:32: error: the chip draws 750 W, and its cooler, vapor_chamber, allows "
            "735 W (another cooler, or a chip that draws less)\n");
  EXPECT_EQ(said("{ preset: switch-51t2, cooler: optimized_vapor_chamber }"), "");
  EXPECT_EQ(said("{ preset: switch-25t6, cooler: heat_pipe }"), "");  // 515 W
  EXPECT_EQ(said("{ preset: switch-51t2, chip_power: 811W }"),
            "part.yaml:1:36: error: the chip draws 811 W, and its cooler, "
            "optimized_vapor_chamber, allows 810 W (another cooler, or a chip that draws less)\n");
  EXPECT_EQ(said("{ cooler: heat_pipe }"),
            "part.yaml:1:11: error: 'cooler' is heat_pipe, and the chip has no figure to hold it "
            "against (chip_power: 750W)\n");
  EXPECT_EQ(said("{ cooler: ice, chip_power: 1W }"),
            "part.yaml:1:11: error: there is no cooler preset 'ice' (heat_pipe, "
            "optimized_vapor_chamber, vapor_chamber)\n");
}

}  // namespace
}  // namespace weft
