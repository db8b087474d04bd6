#include "hardware/catalogue.h"

#include "base/schema/reader.h"
#include "hardware/catalogue.pb.h"
#include "hardware/parts.h"
#include "tests/base/error_list.h"

namespace weft {
namespace {

Catalogue Own() {
  const auto read = ReadCatalogue({}, nullptr);
  EXPECT_TRUE(read) << ErrorLines(read.error());
  return *read;
}

// Every figure is a range in rising order; what claims to be verified says by whom.
TEST(ReadCatalogue, HasASourceForEveryFigureOrCallsItUnverified) {
  const auto check = [](const auto& figure, auto count) {
    if (!figure) return;
    EXPECT_LE(count(figure->range.low), count(figure->range.mid));
    EXPECT_LE(count(figure->range.mid), count(figure->range.high));
    EXPECT_NE(figure->source.empty(), figure->verified());
    EXPECT_FALSE(figure->date.empty());
    if (figure->verified()) return;
    EXPECT_LE(count(figure->range.low), count(figure->range.mid) * kUnverifiedLow);
    EXPECT_GE(count(figure->range.high), count(figure->range.mid) * kUnverifiedHigh);
  };
  const Catalogue own = Own();
  EXPECT_TRUE(own.overrides.empty());
  for (const CatalogueRow& row : own.rows) {
    SCOPED_TRACE(row.part);
    check(row.price, [](Dollars x) { return x.count(); });
    check(row.power, [](Watts x) { return x.count(); });
    check(row.failures, [](double x) { return x; });
  }
}

// Every part that a plan can choose has a row: presets by their name, optics and cables by what
// a bill of materials calls them.
TEST(ReadCatalogue, HasARowForEveryPart) {
  const Catalogue own = Own();
  const auto has = [&](PartKind kind, const std::string& part) {
    EXPECT_TRUE(NeedRow(own, kind, part, {})) << NameOf(kind) << ' ' << part;
  };
  for (const Preset& preset : HardwarePresets()) {
    if (preset.kind == "gpu") has(PartKind::kAccelerator, preset.name);
    if (preset.kind == "switch") has(PartKind::kSwitch, preset.name);
    if (preset.kind == "nic") has(PartKind::kNic, preset.name);
  }
  for (const OpticPart& optic : PresetOptics()) has(PartKind::kOptic, optic.part);
  for (const CablePart& cable : PresetCables()) has(PartKind::kCable, cable.part);
}

// The watts that racks are filled by are the middle of the catalogue's.
TEST(ReadCatalogue, AgreesWithThePowerOfThePresets) {
  const Catalogue own = Own();
  const PresetTable presets(HardwarePresets());
  int checked = 0;
  const auto check = [&](const Preset& preset, const auto& read) {
    ASSERT_TRUE(read) << ErrorLines(read.error());
    if (!read->message.has_power()) return;
    EXPECT_EQ(read->message.part(), preset.name);
    ASSERT_NE(own.Find(preset.name), nullptr) << preset.name;
    EXPECT_EQ(own.Find(preset.name)->power->range.mid, Watts(read->message.power())) << preset.name;
    ++checked;
  };
  for (const Preset& preset : presets.list()) {
    if (preset.kind == "host")
      check(preset, ParseText<HostSpec>(preset.text, preset.file, {&presets, {}, nullptr}));
    if (preset.kind == "switch")
      check(preset, ParseText<SwitchSpec>(preset.text, preset.file, {&presets, {}, nullptr}));
  }
  EXPECT_GT(checked, 15);
}

TEST(ParseCatalogue, LaysQuotesOverWeftsOwnAndListsThem) {
  const auto read = ParseCatalogue(
      "rows:\n"
      "  - { part: qm9700, price: { mid: 41kUSD } }\n"
      "  - { part: our-box, kind: switch, power: { low: 1kW, mid: 1.1kW, high: 2kW, source: meter "
      "} }\n",
      "quotes.yaml", nullptr);
  ASSERT_TRUE(read) << ErrorLines(read.error());
  const CatalogueRow& quoted = *read->Find("qm9700");
  EXPECT_EQ(quoted.price->range, (Range<Dollars>{Dollars(41e3), Dollars(41e3), Dollars(41e3)}));
  EXPECT_EQ(quoted.price->source, "quotes.yaml:2");
  EXPECT_EQ(quoted.price->mark, Mark::kQuote);
  EXPECT_EQ(quoted.power->range, Own().Find("qm9700")->power->range);  // not quoted
  EXPECT_EQ(read->Find("our-box")->power->range.high, Watts(2000));
  ASSERT_EQ(read->overrides.size(), 2u);
  EXPECT_EQ(read->overrides[0].was, "36kUSD");
  EXPECT_EQ(read->overrides[0].now, "41kUSD");
  EXPECT_EQ(read->overrides[1].part, "our-box");
  EXPECT_EQ(read->overrides[1].was, "none");
}

TEST(ParseCatalogue, RefusesWhatItCannotUse) {
  const auto said = [](const std::string& text) {
    const auto read = ParseCatalogue(text, "q.yaml", nullptr);
    return read ? std::string() : ErrorLines(read.error());
  };
  EXPECT_EQ(said("rows: [{ part: qm970, price: { mid: 1kUSD } }]"),
            "q.yaml:1:16: error: the catalogue has no part 'qm970' (did you mean 'qm9700'? a part "
            "of your own says its kind: switch)\n");
  EXPECT_EQ(said("rows: [{ part: qm9700, price: { low: 2kUSD, mid: 1kUSD } }]"),
            "q.yaml:1:31: error: low, mid and high are 2000, 1000 and 1000 (in rising order)\n");
  EXPECT_EQ(said("rows: [{ part: qm9700 }, { part: qm9700 }]"),
            "q.yaml:1:34: error: 'qm9700' has two rows (put its figures into one)\n");
  EXPECT_EQ(said("rows: [{ part: qm9700, kind: optic }]"),
            "q.yaml:1:30: error: 'qm9700' is a part of kind switch (leave kind out, or give the "
            "part another name)\n");
  EXPECT_NE(said("rows: [{ part: qm9700, price: { mid: 1 } }]").find("unit"), std::string::npos)
      << said("rows: [{ part: qm9700, price: { mid: 1 } }]");
}

TEST(NeedRow, NamesTheNearestOfItsKind) {
  EXPECT_EQ(ErrorLines(NeedRow(Own(), PartKind::kSwitch, "sn560", {"p.yaml", 3, 4}).error()),
            "p.yaml:3:4: error: the catalogue has no switch 'sn560' (did you mean 'sn5600'?)\n");
}

}  // namespace
}  // namespace weft
