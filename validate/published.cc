#include "validate/published.h"

#include <fmt/format.h>

#include <tuple>

#include "base/check.h"
#include "scenario/collective_times.h"
#include "scenario/prepare.h"
#include "validate/entries.h"
#include "validate/published_internal.h"
#include "validate/tables.h"

namespace weft {
namespace {

struct BusQuestion {
  const char *op, *host;
  int gpus, per_host;
  const char* nccl;
  std::optional<NcclAlgorithm> algorithm;
  Bytes bytes;
};

// busbw in GB/s under the priors.
double Bus(const BusQuestion& asked) {
  CollectiveQuestion question;
  question.op = asked.op;
  const Result<HostPart> host = ReadHostText(asked.host, {"published", 0, 0});
  WEFT_CHECK(host.has_value());
  question.host = *host;
  question.gpus = asked.gpus;
  question.gpus_per_host = asked.per_host;
  question.nccl = asked.nccl;
  question.forced.algorithm = asked.algorithm;
  const Result<CollectiveModel> model = CollectiveModel::Build(question);
  WEFT_CHECK(model.has_value());
  const double us = model->Time(asked.bytes, CollectiveConstants()).us;
  return BusbwGBps(asked.op, asked.gpus, asked.bytes, us);
}

// What is counted of a fabric.
enum class Counted : std::uint8_t {
  kGpus,
  kSwitches,
  kAllSwitches,
  kLinksDown,
  kLinksUp,
  kOversubscription,
  kTier1Gpus,
  kTier2Gpus
};

// A published count; `tier` from 1, of all else 0.
struct CountRow {
  const char* fabric;
  const char* claim;
  const char* source;
  Counted counted;
  int tier;
  double expected;
};

constexpr const char* kHpnLadder = "{ preset: hpn, segments: 1, tors: ";
constexpr CountRow kCounts[] = {
    {"{ preset: hpn }", "an HPN pod has 15,360 GPUs", "[QXC+24 §5.1]", Counted::kGpus, 0, 15360},
    {"{ preset: hpn }", "240 ToRs, 16 in each of 15 segments", "[QXC+24 §5.2 Fig. 7]",
     Counted::kSwitches, 1, 240},
    {"{ preset: hpn }", "120 Aggs, 60 a plane", "[QXC+24 §6.1 Fig. 7]", Counted::kSwitches, 2, 120},
    {"{ preset: hpn, segments: 1 }", "a segment of HPN has 1,024 GPUs", "[QXC+24 §5.1]",
     Counted::kGpus, 0, 1024},
    {"{ preset: hpn, segments: 1 }", "a ToR of HPN has 1.067 times as much down as up",
     "[QXC+24 §5.1]", Counted::kOversubscription, 1, 1.067},
    {"single, planes: 1, rail_optimized: false, core_oversubscription: 1 }",
     "a 51.2T Clos joins 64 GPUs in tier 1", "[QXC+24 Table 2]", Counted::kTier1Gpus, 0, 64},
    {"dual, planes: 1, rail_optimized: false, core_oversubscription: 1 }", "with dual ToRs 128",
     "[QXC+24 Table 2]", Counted::kTier1Gpus, 0, 128},
    {"dual, planes: 1, core_oversubscription: 1 }", "with rails 1,024", "[QXC+24 Table 2]",
     Counted::kTier1Gpus, 0, 1024},
    {"dual, planes: 1, core_oversubscription: 1 }", "and 4,096 in tier 2", "[QXC+24 Table 2]",
     Counted::kTier2Gpus, 0, 4096},
    {"dual, planes: 2, core_oversubscription: 1 }", "with dual planes 8,192 in tier 2",
     "[QXC+24 Table 2]", Counted::kTier2Gpus, 0, 8192},
    {"{ preset: hpn, segments: 1 }", "with 15:1 above 15,360 in tier 2", "[QXC+24 Table 2]",
     Counted::kTier2Gpus, 0, 15360},
    {"{ preset: dcn_plus }", "a DCN+ pod has 512 GPUs", "[QXC+24 App. C]", Counted::kGpus, 0, 512},
    {"{ preset: dcn_plus }", "under 8 ToRs", "[QXC+24 App. C]", Counted::kSwitches, 1, 8},
    {"{ preset: dcn_plus }", "with 8 Aggs", "[QXC+24 App. C]", Counted::kSwitches, 2, 8},
    {"{ preset: superpod_ndr, units: 4 }", "4 units of a SuperPOD with NDR: 32 leaves",
     "[NV-SPB200]", Counted::kSwitches, 1, 32},
    {"{ preset: superpod_ndr, units: 4 }", "16 spines", "[NV-SPB200]", Counted::kSwitches, 2, 16},
    {"{ preset: superpod_ndr, units: 16 }", "16 units: 128 spines", "[NV-SPB200]",
     Counted::kSwitches, 2, 128},
    {"{ preset: superpod_ndr, units: 16 }", "64 cores", "[NV-SPB200]", Counted::kSwitches, 3, 64},
    {"{ preset: superpod_ndr, units: 16 }", "4,096 cables of spines to cores", "[NV-SPB200]",
     Counted::kLinksUp, 2, 4096},
    {"{ preset: superpod_ndr_asbuilt, units: 3 }", "3 units as built: 760 GPUs",
     "[NV-SPH100 Table 4]", Counted::kGpus, 0, 760},
    {"{ preset: superpod_ndr_asbuilt, units: 3 }", "16 spines, not 12", "[NV-SPH100 Table 4]",
     Counted::kSwitches, 2, 16},
    {"{ preset: superpod_b300_ethernet, units: 4 }", "4 units of B300 on Ethernet: 64 leaves",
     "[NV-SPB300E Table 3]", Counted::kSwitches, 1, 64},
    {"{ preset: superpod_b300_ethernet, units: 4 }", "32 spines", "[NV-SPB300E Table 3]",
     Counted::kSwitches, 2, 32},
    {"{ preset: superpod_b300_xdr, units: 4 }", "4 units of B300 with XDR: 2,304 GPUs",
     "[NV-SPB300X Table 3]", Counted::kGpus, 0, 2304},
    {"{ preset: superpod_b300_xdr, units: 4 }", "18 spines, not 16", "[NV-SPB300X Table 3]",
     Counted::kSwitches, 2, 18},
    {"{ preset: superpod_gb200, units: 4 }", "4 units of GB200: 128 leaves", "[NV-SPGB200]",
     Counted::kSwitches, 1, 128},
    {"{ preset: superpod_gb200, units: 4 }", "96 spines", "[NV-SPGB200]", Counted::kSwitches, 2,
     96},
    {"{ preset: superpod_gb200, units: 4 }", "36 cores", "[NV-SPGB200]", Counted::kSwitches, 3, 36},
    {"{ preset: deepseek_mpft }", "a multi-plane fat tree has 768 switches", "[ZDR+25 Table 3]",
     Counted::kAllSwitches, 0, 768},
    {"{ preset: deepseek_mpft }", "and 16,384 cables between them", "[ZDR+25 Table 3]",
     Counted::kLinksUp, 1, 16384},
    {"{ preset: fire_flyer2 }", "Fire-Flyer 2: 40 leaves in each of two zones", "[ABC+24]",
     Counted::kSwitches, 1, 80},
    {"{ preset: fire_flyer2 }", "20 spines in each", "[ABC+24]", Counted::kSwitches, 2, 40},
    {"{ preset: meta_24k }", "Meta's cluster of 24,576 GPUs has 1,536 racks", "[META-24K]",
     Counted::kSwitches, 1, 1536},
};

double CountOf(const Fabric& fabric, const CountRow& row) {
  const FabricCounts counts = fabric.counts();
  const auto tier = static_cast<std::size_t>(row.tier - 1);
  double all = 0;
  for (const TierCount& one : counts.tiers) all += static_cast<double>(one.switches);
  switch (row.counted) {
    case Counted::kGpus:
      return static_cast<double>(counts.gpus);
    case Counted::kSwitches:
      return static_cast<double>(counts.tiers.at(tier).switches);
    case Counted::kAllSwitches:
      return all;
    case Counted::kLinksDown:
      return static_cast<double>(counts.tiers.at(tier).links_down);
    case Counted::kLinksUp:
      return static_cast<double>(counts.tiers.at(tier).links_up);
    case Counted::kOversubscription:
      return counts.tiers.at(tier).oversubscription.value_or(0);
    case Counted::kTier1Gpus:
      return static_cast<double>(fabric.limits().tier1_gpus.value_or(0));
    case Counted::kTier2Gpus:
      return static_cast<double>(fabric.limits().tier2_gpus.value_or(0));
  }
  return 0;
}

const char* UnitOf(Counted counted) {
  constexpr const char* kUnits[] = {"GPUs",   "switches", "switches", "cables",
                                    "cables", ": 1",      "GPUs",     "GPUs"};
  return kUnits[static_cast<std::size_t>(counted)];
}

void AddCounts(std::vector<PublishedClaim>& out) {
  FabricCache cache;
  for (const CountRow& row : kCounts) {
    const bool ladder = row.fabric[0] != '{';  // a rung: the rest of what all rungs say
    const auto spec = ParseScenario(
        std::string("fabric: ") + (ladder ? kHpnLadder : "") + row.fabric +
            "\nworkload: { collective: { op: all_reduce, bytes: 1MiB, algorithm: ring } }\n",
        "published", {}, nullptr);
    WEFT_CHECK(spec.has_value());
    const auto built = PrepareFabric(*spec, cache);
    WEFT_CHECK(built.has_value());
    const bool exact = row.counted != Counted::kOversubscription;
    out.push_back({row.claim, row.source, "of the built fabric", row.expected, UnitOf(row.counted),
                   exact ? 0 : 0.001, exact ? "a count" : "the paper gives four digits",
                   CountOf(**built, row)});
  }
}

constexpr Bytes kGiB16 = Bytes(std::int64_t{16} << 30);

void AddOneHost(std::vector<PublishedClaim>& out) {
  out.push_back({"all-reduce with NVLS on eight H100 peaks at 480 GB/s busbw",
                 "[NCCL-ISSUES nccl-tests#212]", "16 GiB, NCCL 2.28, its own choice", 480, "GB/s",
                 0.06, "one class of hosts differs by 2 to 6 % over sites at large sizes",
                 Bus({"all_reduce", "hgx-h100", 8, 8, "2.28", {}, kGiB16})});
  out.push_back({"ring all-reduce on eight H100: 370 of 450 GB/s are usable",
                 "[NCCL-ISSUES nccl-tests#212]", "16 GiB, ring forced", 370, "GB/s", 0.06,
                 "one class of hosts differs by 2 to 6 % over sites at large sizes",
                 Bus({"all_reduce", "hgx-h100", 8, 8, "2.28", NcclAlgorithm::kRing, kGiB16})});
}

// Three trays of an NVLink domain each, 16 GiB: which NCCL 2.27.3 chose and which was faster.
void AddTrays(std::vector<PublishedClaim>& out) {
  for (const auto& [algorithm, name, expected] :
       {std::tuple(NcclAlgorithm::kRing, "ring", 196.7), {NcclAlgorithm::kTree, "tree", 234.4}})
    out.push_back({std::string("three GB200 hosts of four GPUs: a ") + name + " reaches " +
                       (algorithm == NcclAlgorithm::kRing ? "196.7" : "234.4") + " GB/s",
                   "[NCCL-ISSUES nccl#1801]",
                   std::string("16 GiB all-reduce over 12 ranks, ") + name + " forced, NCCL 2.27",
                   expected, "GB/s", 0.06,
                   "one class of hosts differs by 2 to 6 % over sites at large sizes",
                   Bus({"all_reduce", "gb200-nvl72", 12, 4, "2.27", algorithm, kGiB16})});
}

void AddSeveralHosts(std::vector<PublishedClaim>& out) {
  out.push_back({"three A100 hosts with four 200G NICs: 24 GB/s a NIC, 96 in all",
                 "[NCCL-ISSUES nccl-tests#119]", "128 MiB all-reduce over 24 ranks, NCCL 2.18", 96,
                 "GB/s", 0.05, "measured rows spread over 2 %, the version is not stated",
                 Bus({"all_reduce",
                      "{ preset: dgx-a100, nics: 4, nic: 200Gbps, transport: ib }",
                      24,
                      8,
                      "2.18",
                      {},
                      MiB(128)})});
  out.push_back({"five H100 hosts with four 400G NICs: a ring reaches 190 GB/s",
                 "[NCCL-ISSUES nccl#1368]", "16 GiB all-reduce over 40 ranks, ring forced", 190,
                 "GB/s", 0.05, "the thread gives two digits",
                 Bus({"all_reduce", "{ preset: hgx-h100, nics: 4, nic: 400Gbps, transport: ib }",
                      40, 8, "2.23", NcclAlgorithm::kRing, kGiB16})});
  out.push_back({"an NDR NIC carries 46 to 48 GB/s", "[NCCL-ISSUES nccl-tests#290]",
                 "16 GiB ring all-reduce over ten hosts of one GPU and one NIC, by its wire share",
                 47, "GB/s", 0.05, "the range that is given is 2 % to either side",
                 Bus({"all_reduce",
                      "{ preset: hgx-h100, gpus: 1, nics: 1, nic: 400Gbps, "
                      "transport: ib }",
                      10, 1, "2.23", NcclAlgorithm::kRing, kGiB16})});
  out.push_back(
      {"all-gather over 448 H800 reaches 147 GB/s on HPN", "[QXC+24 Fig. 17b]",
       fmt::format("4 GB over 56 hosts on a network that does not block; NCCL 2.18 is "
                   "assumed, for the paper says none: under 2.28 weft says {:.0f}",
                   Bus({"all_gather", "hgx-h800", 448, 8, "2.28", {}, Bytes(4'000'000'000)})),
       147, "GB/s", 0.06, "read off the figure (3 %), and hosts of a class differ by 2 to 6 %",
       Bus({"all_gather", "hgx-h800", 448, 8, "2.18", {}, Bytes(4'000'000'000)})});
  AddTrays(out);
}

}  // namespace

std::vector<PublishedClaim> CheckPublished(bool quick) {
  std::vector<PublishedClaim> out;
  AddOneHost(out);
  AddSeveralHosts(out);
  AddCounts(out);
  AddTraining(quick, out);
  return out;
}

}  // namespace weft
