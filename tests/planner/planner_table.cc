// Prints the table of docs/validation.md on the planner's closed forms: what is known of sizing,
// counts, reliability and cost, and what weft says. `./dev docs` puts it there. Fails where a row
// is outside its tolerance.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "planner/bom.h"
#include "planner/design.h"
#include "planner/question.h"
#include "planner/sizing.h"
#include "reliability/reliability.h"
#include "scenario/prepare.h"
#include "topology/cabling.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

class Rows {
 public:
  Rows() {
    fmt::print(
        "| what | source | how | expected | weft | tolerance | |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n");
  }

  // Of one group, until the next.
  void Group(std::string source, std::string how) {
    source_ = std::move(source);
    how_ = std::move(how);
  }

  void Add(const std::string& what, double expected, double got, double tolerance,
           const std::string& unit, const char* format = "{:.6g}") {
    const auto text = [&](double value) {
      return fmt::format(fmt::runtime(format), value) + (unit.empty() ? "" : " " + unit);
    };
    Print(what, text(expected), text(got),
          tolerance == 0 ? "exact"
                         : fmt::format("± {:.3g}{}", tolerance, unit.empty() ? "" : " " + unit),
          std::abs(got - expected) <= tolerance + 1e-9 * std::abs(expected));
  }
  void Exact(const std::string& what, std::int64_t expected, std::int64_t got) {
    Print(what, fmt::format("{}", expected), fmt::format("{}", got), "exact", expected == got);
  }
  void Print(const std::string& what, const std::string& expected, const std::string& got,
             const std::string& tolerance, bool ok) {
    failed_ = failed_ || !ok;
    fmt::print("| {} | {} | {} | {} | {} | {} | {} |\n", what, source_, how_, expected, got,
               tolerance, ok ? "pass" : "**missed**");
  }

  bool failed() const { return failed_; }

 private:
  std::string source_, how_;
  bool failed_ = false;
};

Question Ask(const std::string& text) {
  auto question = ParseQuestion(text, "plan.yaml", {}, nullptr);
  WEFT_CHECK(question.has_value());
  return *std::move(question);
}

std::string Rate(std::optional<double> tera) {
  return tera ? fmt::format("{:.6g}", *tera) : "none";
}

// Peaks of data sheets, in TFLOPS or TOPS; none: it has no such units.
void AddRates(Rows& rows) {
  struct Want {
    const char* name;
    std::optional<double> bf16, sparse, int8;
  };
  const Want wants[] = {{"h800", 989, 1979, 1979},
                        {"h20", 148, 296, 296},
                        {"ascend-910b2", 376, {}, 752},
                        {"ascend-910b3", 313, {}, 626},
                        {"ascend-910c", 752, {}, 1504}};
  const Question question =
      Ask("need: { gpus: 8 }\n"
          "parts: { accelerators: [h800, h20, ascend-910b2, ascend-910b3, ascend-910c] }\n");
  rows.Group("data sheets (docs/catalogue.md)",
             "TFLOPS bf16 dense, bf16 sparse, TOPS int8 dense (Ascend's assumed twice its bf16)");
  for (const AcceleratorChoice& choice : question.accelerators)
    for (const Want& want : wants) {
      if (want.name != choice.name) continue;
      const auto tera = [&](NumberType type, Basis basis) -> std::optional<double> {
        const std::optional<Peak> peak = choice.gpu.PeakOf(type, basis);
        if (!peak) return std::nullopt;
        return peak->per_second / 1e12;
      };
      const std::optional<double> got[] = {tera(NumberType::kBf16, Basis::kDense),
                                           tera(NumberType::kBf16, Basis::kSparse),
                                           tera(NumberType::kInt8, Basis::kDense)};
      const auto all = [](const auto& of) {
        return fmt::format("{}, {}, {}", Rate(of[0]), Rate(of[1]), Rate(of[2]));
      };
      const std::optional<double> expected[] = {want.bf16, want.sparse, want.int8};
      rows.Print("rates of " + choice.name, all(expected), all(got), "exact",
                 all(expected) == all(got));
    }
}

void AddSizing(Rows& rows) {
  const std::pair<const char*, std::int64_t> dense[] = {{"h800", 5056},
                                                        {"h20", 33784},
                                                        {"ascend-910b2", 13304},
                                                        {"ascend-910b3", 15976},
                                                        {"ascend-910c", 6912}};
  const Question question =
      Ask("need: { compute: 5000PFLOPS }\n"
          "parts: { accelerators: [h800, h20, ascend-910b2, ascend-910b3, ascend-910c] }\n");
  rows.Group("from the rates", "⌈⌈5,000 PFLOPS / rate⌉ / unit⌉ × unit, dense");
  const std::vector<SizingRow> sizes = SizeAccelerators(question);
  for (const auto& [name, count] : dense)
    for (const SizingRow& row : sizes)
      if (row.name == name && row.basis == Basis::kDense)
        rows.Exact(std::string("5,000 PFLOPS of ") + name, count, row.accelerators.value_or(0));
  rows.Group("from the rates", "as before, sparse");
  for (const SizingRow& row : sizes)
    if (row.name == "h800" && row.basis == Basis::kSparse)
      rows.Exact("5,000 PFLOPS of h800", 2528, row.accelerators.value_or(0));
}

Design RailsOf(std::int64_t hosts, double gbps, double chip_gbps, int tiers) {
  Design design;
  design.hosts = hosts;
  design.nic = design.uplink = GigabitsPerSecond(gbps);
  design.chip = GigabitsPerSecond(chip_gbps);
  design.chip_ports = static_cast<int>(chip_gbps / 100);
  design.tiers = tiers;
  return design;
}

void AddCounts(Rows& rows) {
  const auto counts = [](const Design& design) {
    const auto out = CountDesign(design);
    WEFT_CHECK(out.has_value());
    return *out;
  };
  rows.Group("by ports", "rail-optimised, 1:1: leaves, fewest, evenly");
  const auto add = [&](const char* what, const std::string& expected, const std::string& got) {
    rows.Print(what, expected, got, "exact", expected == got);
  };
  const DesignCounts h800 = counts(RailsOf(632, 400, 51'200, 2));
  add("5,056 H800 at 400G on 51.2T, two tiers", "80 + 40, 64",
      fmt::format("{} + {}, {}", h800.leaves, h800.minimum_spines, h800.even_spines));
  const DesignCounts sparse = counts(RailsOf(316, 400, 51'200, 2));
  add("2,528 H800 at 400G on 51.2T, two tiers", "40 + 20, 32",
      fmt::format("{} + {}, {}", sparse.leaves, sparse.minimum_spines, sparse.even_spines));
  const DesignCounts three = counts(RailsOf(632, 400, 25'600, 3));
  add("5,056 H800 at 400G on 25.6T, three tiers: cores", "160 + 160 + 80, 128",
      fmt::format("{} + {} + {}, {}", three.leaves, three.spines, three.minimum_cores,
                  three.even_cores));
  const DesignCounts b2 = counts(RailsOf(1663, 200, 51'200, 2));
  add("13,304 Ascend 910B2 at 200G on 51.2T, two tiers", "104 + 52, 64",
      fmt::format("{} + {}, {}", b2.leaves, b2.minimum_spines, b2.even_spines));
  const DesignCounts b3 = counts(RailsOf(1997, 200, 51'200, 2));
  add("15,976 Ascend 910B3 at 200G on 51.2T, two tiers", "128 + 64, 64",
      fmt::format("{} + {}, {}", b3.leaves, b3.minimum_spines, b3.even_spines));
  const DesignCounts c = counts(RailsOf(864, 200, 51'200, 2));
  add("6,912 Ascend 910C at 200G on 51.2T, their RDMA plane", "56 + 28, 32",
      fmt::format("{} + {}, {}", c.leaves, c.minimum_spines, c.even_spines));
}

FailureRates RatesOf(std::string_view name) {
  const auto read = FindFailureRates(name, {});
  WEFT_CHECK(read.has_value());
  return *read;
}

void AddLinkFailures(Rows& rows) {
  rows.Group("[QXC+24 §2.3]", "0.057 % of links and 0.051 % of ToRs a month");
  ComponentCounts counts;
  counts.single_links = 3072;
  rows.Add("stops of 3,072 NIC links, each its NIC's only one", 1.751,
           ExpectedFailures(counts, RatesOf("alibaba"), 4h).stops.mid, 5e-4, "a month");
  counts.single_tors = 48;
  rows.Add("with their 48 ToRs", 1.776, ExpectedFailures(counts, RatesOf("alibaba"), 4h).stops.mid,
           5e-4, "a month");
  ComponentCounts paired;
  paired.paired_links = 6144;
  paired.pairs = 3072;
  FailureRates links = RatesOf("alibaba");
  std::erase_if(links.classes, [](const FailureClass& one) { return one.name != "nic link"; });
  const MonthlyFailures dual = ExpectedFailures(paired, links, 4h);
  rows.Add("degradations with two links a NIC", 3.50, dual.degradations.mid, 5e-3, "a month");
  rows.Group("[QXC+24 §2.3]", "2 N λ² τ");
  rows.Add("both links of one NIC down within 4 h", 1.09e-5, dual.stops.mid, 0.02 * 1.09e-5,
           "a month", "{:.3g}");
}

void AddEttr(Rows& rows) {
  rows.Group("[GDJ+24 Table 5]", "all 419 events of 54 days on 16,384 GPUs, by scope");
  ComponentCounts counts;
  counts.gpus = counts.nics = 16384;
  counts.hosts = 2048;
  const Seconds between =
      ExpectedFailures(counts, RatesOf("meta-llama3"), 4h).MeanTimeBetweenStops();
  rows.Add("Llama 3's time between stops", 3.093, between / Seconds(3600), 5e-4, "h");
  rows.Group("[You74]", "√(2 C M), C = 30 s");
  rows.Add("interval between its checkpoints", 817.4, YoungInterval(30s, between).count(), 0.05,
           "s");
  struct Want {
    Seconds checkpoint, restart;
    double percent;
  };
  rows.Group("[You74]", "1 − C/τ − (τ/2 + R)/M");
  for (const Want& want : {Want{30s, 10min, 87.3}, Want{30s, 5min, 90.0}, Want{10s, 5min, 93.1}})
    rows.Add(
        fmt::format("its ETTR at C = {:.0f} s, R = {:.0f} min", want.checkpoint.count(),
                    want.restart.count() / 60),
        want.percent,
        100 * Ettr(want.checkpoint, want.restart, between, YoungInterval(want.checkpoint, between)),
        0.1, "%", "{:.2f}");
  rows.Group("[KKH+25]", "6.50 failures of 1,000 node-days");
  for (const auto& [gpus, hours, tolerance] :
       {std::tuple(16384, 1.80, 0.005), std::tuple(131072, 0.225, 0.0005)}) {
    ComponentCounts cluster;
    cluster.hosts = gpus / 8;
    rows.Add(fmt::format("time between stops of {} GPUs at RSC's rate", gpus), hours,
             ExpectedFailures(cluster, RatesOf("rsc-1"), 4h).MeanTimeBetweenStops() / Seconds(3600),
             tolerance, "h", "{:.4g}");
  }
}

// What the network of a fabric costs, built and cabled, at the catalogue's middle prices.
double NetworkUsd(const std::string& fabric, const std::string& cabling = "{}") {
  const auto spec = ParseScenario("fabric: " + fabric + "\ncabling: " + cabling + "\n",
                                  "fabric.yaml", {}, nullptr);
  WEFT_CHECK(spec.has_value());
  FabricCache cache;
  const auto built = PrepareFabric(*spec, cache);
  WEFT_CHECK(built.has_value());
  const auto parts = MakeCablingParts(**built, spec->message.fabric(), nullptr,
                                      spec->message.cabling(), spec->sources);
  WEFT_CHECK(parts.has_value());
  const auto plan = PlanCabling(**built, *parts);
  WEFT_CHECK(plan.has_value());
  const auto catalogue = ReadCatalogue({}, nullptr);
  WEFT_CHECK(catalogue.has_value());
  const BomTotals totals = SumBom(MakeBom(**built, *parts, &*plan, *catalogue), BomScope::kNetwork);
  WEFT_CHECK(totals.priced());
  return totals.price.mid.count();
}

void AddCostRatios(Rows& rows) {
  rows.Group("[QXC+24 §6.2]", "network of the built fabrics, middle prices");
  const double hpn = NetworkUsd("{ preset: hpn }");
  const double clos = NetworkUsd(
      "{ family: fat_tree, endpoints: 15360, tiers: 3, link: 400Gbps, "
      "host: { preset: hgx-h800, nic_ports: 1 }, switch: { preset: switch-51t2 } }");
  rows.Add("an HPN pod against three tiers 1:1 of the same switches", -30, 100 * (hpn / clos - 1),
           10, "%", "{:.1f}");
  const auto endpoint = [](int tiers, int endpoints) {
    return NetworkUsd(fmt::format("{{ family: fat_tree, endpoints: {}, tiers: {}, link: 400Gbps, "
                                  "switch: {{ preset: qm9700 }} }}",
                                  endpoints, tiers),
                      "{ media: [single_mode] }") /
           endpoints;
  };
  rows.Group("[ZDR+25 Table 3]", "network of the built fabrics, middle prices");
  rows.Add("FT2 over FT3, an endpoint", 0.585, endpoint(2, 2048) / endpoint(3, 16384), 0.10, "",
           "{:.3f}");
  const auto fire_flyer = [](const char* rest) {
    return NetworkUsd(
        fmt::format("{{ family: fat_tree, link: 200Gbps, switch: {{ preset: qm8700 }}, {} }}",
                    rest),
        "{ rack: { units: 48, power: 200kW } }");
  };
  const double zones = fire_flyer("endpoints: 1600, tiers: 2, zones: 2");
  rows.Group("[ABC+24 Table III] 350 : 600 : 4,000", "network of the built fabrics, middle prices");
  rows.Add("Fire-Flyer's two zones over three tiers of its hosts", 350.0 / 600,
           zones / fire_flyer("endpoints: 1600, tiers: 3"), 0.10, "", "{:.3f}");
  rows.Add("and over three tiers of a NIC a GPU", 350.0 / 4000,
           zones / fire_flyer("endpoints: 10560, tiers: 3"), 0.10 * 350 / 4000, "", "{:.4f}");
  const auto share = [](const char* fabric, double hosts) {
    constexpr double kHostUsd = 310e3 + 50e3;  // a host and its facility
    const double network = NetworkUsd(fabric, "{ media: [single_mode] }");
    return 100 * network / (network + hosts * kHostUsd);
  };
  rows.Group("[CTO-SHEET]",
             "network of the built fabrics over all, with the sheet's hosts and facility");
  rows.Add("the network's share at 1,024 H100", 8.6,
           share("{ preset: superpod_ndr, units: 4, host: { preset: hgx-h100 } }", 128), 1, "%",
           "{:.2f}");
  rows.Add("at 32,768", 12.8,
           share("{ family: fat_tree, endpoints: 32768, tiers: 3, link: 400Gbps, "
                 "host: { preset: hgx-h100 }, switch: { preset: qm9700 } }",
                 4096),
           1, "%", "{:.2f}");
}

}  // namespace
}  // namespace weft

int main() {
  weft::Rows rows;
  weft::AddRates(rows);
  weft::AddSizing(rows);
  weft::AddCounts(rows);
  weft::AddLinkFailures(rows);
  weft::AddEttr(rows);
  weft::AddCostRatios(rows);
  return rows.failed() ? 1 : 0;
}
