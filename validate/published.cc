#include "validate/published.h"

#include "base/check.h"
#include "scenario/collective_times.h"
#include "scenario/prepare.h"
#include "validate/entries.h"
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

FabricCounts CountsOf(const char* fabric) {
  const auto spec = ParseScenario(
      std::string("fabric: ") + fabric +
          "\nworkload: { collective: { op: all_reduce, bytes: 1MiB, algorithm: ring } }\n",
      "published", {}, nullptr);
  WEFT_CHECK(spec.has_value());
  FabricCache cache;
  const auto built = PrepareFabric(*spec, cache);
  WEFT_CHECK(built.has_value());
  return (*built)->counts();
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
}

}  // namespace

std::vector<PublishedClaim> CheckPublished() {
  std::vector<PublishedClaim> out;
  AddOneHost(out);
  AddSeveralHosts(out);
  const FabricCounts pod = CountsOf("{ preset: hpn }");
  const FabricCounts segment = CountsOf("{ preset: hpn, segments: 1 }");
  out.push_back({"an HPN pod has 15,360 GPUs", "[QXC+24 §5.1]", "GPUs of the built fabric", 15360,
                 "GPUs", 0, "a count", static_cast<double>(pod.gpus)});
  out.push_back({"a segment of HPN has 1,024 GPUs", "[QXC+24 §5.1]", "GPUs of the built fabric",
                 1024, "GPUs", 0, "a count", static_cast<double>(segment.gpus)});
  return out;
}

}  // namespace weft
