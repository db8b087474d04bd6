#include "hardware/cabling_parts.h"

#include <cmath>
#include <map>
#include <set>

#include "hardware/parts.h"
#include "tests/base/error_list.h"

namespace weft {
namespace {

SwitchPart PartOf(const std::string& text) {
  const PresetTable presets(HardwarePresets());
  const auto spec = ParseText<SwitchSpec>(text, "part.yaml", {&presets, {}, nullptr});
  EXPECT_TRUE(spec) << ErrorLines(spec.error());
  const Result<SwitchPart> part = MakeSwitchPart(spec->message, spec->sources, "");
  EXPECT_TRUE(part) << ErrorLines(part.error());
  return part.value_or(SwitchPart{});
}

// The cages of a box carry exactly its rate: 128 x 4 lanes, 64 x 8 lanes of 100 Gb/s.
TEST(MakeSwitchPart, HasCagesForItsRate) {
  for (const std::string& name : PresetTable(HardwarePresets()).Names("switch")) {
    SCOPED_TRACE(name);
    const SwitchPart part = PartOf("preset: " + name);
    EXPECT_DOUBLE_EQ((part.cage.lane * (part.cage.lanes * part.cages)) / part.rate, 1);
  }
}

TEST(MakeSwitchPart, DerivesCagesThatNobodyNamed) {
  const SwitchPart plain = PartOf("{ rate: 12.8Tbps, ports: 256 }");  // lanes of 50 Gb/s
  EXPECT_EQ(plain.cage.form, CageSpec::QSFP56);
  EXPECT_EQ(plain.cage.lanes, 4);
  EXPECT_EQ(plain.cage.ports, 4);
  EXPECT_EQ(plain.cages, 64);
  EXPECT_EQ(PartOf("{ ports: 256 }").cage.form, CageSpec::OSFP1600);  // 200 Gb/s
  EXPECT_EQ(PartOf("{ ports: 256 }").cages, 32);
}

// An OSFP1600 of which four lanes of 200 Gb/s are wired: 800 Gb/s in one port of four lanes, or in
// two of four lanes of 100 on its eight contacts. One whose lanes are all there are stays as it is.
TEST(CageOfNic, GivesSeveralPortsTheContactsThatOneLeavesIdle) {
  CagePart cage;
  cage.form = CageSpec::OSFP1600;
  cage.lanes = 4;
  cage.lane = GigabitsPerSecond(200);
  cage.ports = 2;
  const CagePart one = CageOfNic(cage, 1), two = CageOfNic(cage, 2), four = CageOfNic(cage, 4);
  EXPECT_EQ(one.lanes, 4);
  EXPECT_EQ(one.lane, GigabitsPerSecond(200));
  EXPECT_EQ(one.ports, 1);  // the cage is the NIC's own
  EXPECT_EQ(two.lanes, 8);
  EXPECT_EQ(two.lane, GigabitsPerSecond(100));
  EXPECT_EQ(two.ports, 2);
  EXPECT_EQ(four, two);  // no more than it splits into
  CagePart whole;
  whole.form = CageSpec::OSFP;
  whole.lanes = 8;
  whole.ports = 2;  // of two NICs
  EXPECT_EQ(CageOfNic(whole, 1), whole);
  CagePart single = cage;
  single.ports = 1;
  EXPECT_EQ(CageOfNic(single, 2), single);  // a cage a port
}

TEST(CageOfPort, TakesTheSmallestThatCarriesThePort) {
  EXPECT_EQ(CageOfPort(GigabitsPerSecond(200)).form, CageSpec::QSFP112);
  EXPECT_EQ(CageOfPort(GigabitsPerSecond(400)).form, CageSpec::QSFP112);
  EXPECT_EQ(CageOfPort(GigabitsPerSecond(800)).form, CageSpec::OSFP);
  EXPECT_EQ(CageOfPort(GigabitsPerSecond(1600)).form, CageSpec::OSFP1600);
}

TEST(PresetOptics, HaveAPartnerOfTheirStandardAndSplitIntoWholeLanes) {
  std::map<std::pair<std::string, double>, int> of_standard;
  std::set<std::string> names;
  for (const OpticPart& optic : PresetOptics()) {
    SCOPED_TRACE(optic.part);
    EXPECT_TRUE(names.insert(optic.part).second);
    EXPECT_EQ(optic.lanes % optic.ports, 0);
    EXPECT_LE(optic.half_power, optic.power);
    EXPECT_FALSE(optic.forms.empty());
    ++of_standard[{optic.standard, optic.lane.bits_per_second()}];
    // A standard means one kind of fibre.
    EXPECT_EQ(optic.fibre == Medium::kMultimode, optic.standard == "sr");
  }
  EXPECT_EQ((of_standard[{"sr", 100e9}]), 3);
  EXPECT_EQ((of_standard[{"dr", 100e9}]), 4);
}

// [NV-LINKX MMA1Z00-NS400-T]: 9 W, 5 W over two of its four lanes.
TEST(OpticPart, DrawsLessOnHalfItsLanes) {
  for (const OpticPart& optic : PresetOptics()) {
    if (optic.part != "400G SR4 QSFP112") continue;
    EXPECT_EQ(optic.Draws(4), Watts(9));
    EXPECT_EQ(optic.Draws(3), Watts(9));
    EXPECT_EQ(optic.Draws(2), Watts(5));
    return;
  }
  ADD_FAILURE() << "no such optic";
}

TEST(MakeOptics, RefusesPortsThatDoNotDivideTheLanes) {
  google::protobuf::RepeatedPtrField<OpticSpec> specs;
  OpticSpec& spec = *specs.Add();
  spec.set_lanes(4);
  spec.set_ports(3);
  SourceMap sources;
  sources.Add("cabling.optics[0].ports", {SourcePos{"a.yaml", 3, 7}, Origin::Kind::kFile, {}});
  const auto got = MakeOptics(specs, sources, "cabling.optics");
  ASSERT_FALSE(got);
  EXPECT_EQ(ErrorLines(got.error()),
            "a.yaml:3:7: error: 4 lanes do not split into 3 equal ports (ports: a divisor of "
            "lanes)\n");
}

TEST(MakeOptics, RefusesMorePowerOnHalfTheLanes) {
  google::protobuf::RepeatedPtrField<OpticSpec> specs;
  OpticSpec& spec = *specs.Add();
  spec.set_lanes(4);
  spec.set_ports(4);
  spec.set_power(5);
  spec.set_half_power(6);
  const auto got = MakeOptics(specs, {}, "cabling.optics");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().front().message,
            "an optic draws more with half of its lanes than with all");
}

TEST(MakeCables, RefusesFibreWithoutPlugs) {
  google::protobuf::RepeatedPtrField<CableSpec> specs;
  specs.Add()->set_medium(CableSpec::SINGLE_MODE);
  const auto got = MakeCables(specs, {}, "cabling.cables");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().front().message, "a cable with plugs is not bare fibre");
}

}  // namespace
}  // namespace weft
