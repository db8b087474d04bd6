#include "validate/diagnosis.h"

#include <algorithm>
#include <cmath>

#include "scenario/run_report.h"

namespace weft {
namespace {

constexpr double kMargin = 1.15;    // beyond the band
constexpr double kNoBand = 1.3;     // where the calibration states none
constexpr double kFits = 0.25;      // of log(measured / simulated with the signature)
constexpr double kTcpPerNic = 2.2;  // GB/s of line rate [ALCF-NCCL results of setup 1]

double Gigabytes(BitRate rate) { return rate.bits_per_second() / 8e9; }

// Sizes at which bytes matter, not latencies: the table's largest, a factor of 64 down.
std::vector<const MeasuredCase*> LargePoints(const CasesOfEntry& table) {
  Bytes most;
  for (const MeasuredCase& point : table.points) most = std::max(most, point.size);
  std::vector<const MeasuredCase*> out;
  for (const MeasuredCase& point : table.points)
    if (point.size >= MiB(1) && point.size.count() * 64 >= most.count()) out.push_back(&point);
  return out;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return PercentileOf(values, 0.5);
}

// Without NVLS NCCL takes the better of rings and trees, by our time of both.
std::optional<double> TimeWithoutNvls(const CollectiveQuestion& question, Bytes size,
                                      const CollectiveConstants& constants,
                                      std::vector<std::optional<CollectiveModel>>& models) {
  if (models.empty()) {
    for (const NcclAlgorithm algorithm : {NcclAlgorithm::kRing, NcclAlgorithm::kTree}) {
      CollectiveQuestion forced = question;
      forced.forced.algorithm = algorithm;
      Result<CollectiveModel> model = CollectiveModel::Build(forced);
      models.push_back(model ? std::optional(*std::move(model)) : std::nullopt);
    }
  }
  std::optional<double> best;
  for (const auto& model : models)
    if (model) best = std::min(best.value_or(INFINITY), model->Time(size, constants).us);
  return best;
}

// Measured over simulated with the signature, at every large point; empty where it changes nothing.
std::vector<double> RatiosWith(const MeasuredCases& cases, const CasesOfEntry& table,
                               const std::vector<const MeasuredCase*>& points, Signature signature,
                               const CollectiveConstants& constants) {
  std::vector<double> out;
  bool changes = false;
  std::vector<std::optional<CollectiveModel>> without;
  std::size_t of = cases.models.size();
  for (const MeasuredCase* point : points) {
    const CollectiveModel& model = cases.models[point->model];
    const bool nvls = point->which.kind == NcclTimeCase::Kind::kNvls ||
                      point->which.kind == NcclTimeCase::Kind::kNvlsTree;
    std::optional<double> us;
    if (signature == Signature::kNoNvls) {
      if (of != point->model) without.clear();
      of = point->model;
      if (nvls)
        us = TimeWithoutNvls(cases.questions[point->model], point->size, constants, without);
    } else if (const auto broken = WithSignature(point->which, signature, table.host)) {
      us = model.Time(*broken, constants).us;
    }
    changes |= us.has_value();
    out.push_back(point->measured_us / us.value_or(model.Time(point->which, constants).us));
  }
  return changes ? out : std::vector<double>();
}

}  // namespace

const char* NameOf(Signature signature) {
  constexpr const char* kNames[] = {"tcp", "no_gdr", "no_p2p", "no_nvls", "one_nic", "half_ports"};
  return kNames[static_cast<std::size_t>(signature)];
}

const char* Explanation(Signature signature) {
  constexpr const char* kTexts[] = {"TCP sockets in place of RDMA",
                                    "GPUDirect RDMA off: staged in host memory",
                                    "peer-to-peer off: GPUs of a host talk through its memory",
                                    "NVLS off: rings or trees in place of the NVSwitches' sums",
                                    "one NIC of a host used",
                                    "half of the NICs' ports or planes used"};
  return kTexts[static_cast<std::size_t>(signature)];
}

std::optional<NcclTimeCase> WithSignature(const NcclTimeCase& healthy, Signature signature,
                                          const HostPart& host) {
  NcclTimeCase out = healthy;
  const bool network = healthy.net_bytes > 0 && healthy.net_rate > 0;
  const double pcie = Gigabytes(host.pcie), nics = std::max(1, host.nics);
  switch (signature) {
    case Signature::kTcp:
      out.net_rate = std::min(healthy.net_rate, kTcpPerNic * nics);
      break;
    case Signature::kNoGdr:
      out.net_rate =
          healthy.net_rate * std::min(1.0, pcie / 2 / std::max(1e-9, Gigabytes(host.nic())));
      break;
    case Signature::kOneNic:
      out.net_rate = std::min(healthy.net_rate, Gigabytes(host.nic()));
      break;
    case Signature::kHalfPorts:
      out.net_rate = healthy.net_rate / 2;
      break;
    case Signature::kNoP2p:
      if (healthy.link_bytes <= 0) return std::nullopt;
      out.nvlink = false;
      out.link_rate = std::min(healthy.link_rate, pcie / 2);
      return out;
    case Signature::kNoNvls:
      return std::nullopt;
  }
  if (!network || out.net_rate >= healthy.net_rate) return std::nullopt;
  return out;
}

Diagnosis Diagnose(const MeasuredCases& cases, std::size_t table, const Calibration& calibration) {
  const CasesOfEntry& mine = cases.tables[table];
  Diagnosis out;
  out.table = table;
  const std::vector<const MeasuredCase*> points = LargePoints(mine);
  if (points.empty()) return out;
  std::vector<double> ratios, tops;
  for (const MeasuredCase* point : points) {
    const CollectiveModel& model = cases.models[point->model];
    ratios.push_back(point->measured_us / model.Time(point->which, calibration.constants).us);
    const auto band = BandOf(calibration, mine.error_class, point->size);
    tops.push_back(band ? std::max(1.0, band->high) : kNoBand);
  }
  out.slowdown = Median(ratios);
  out.expected = Median(tops);
  out.degraded = out.slowdown > out.expected * kMargin;
  if (!out.degraded) return out;
  for (std::size_t s = 0; s < kSignatures; ++s) {
    const auto signature = static_cast<Signature>(s);
    std::vector<double> with = RatiosWith(cases, mine, points, signature, calibration.constants);
    if (with.empty()) continue;
    const double ratio = Median(with);
    out.signatures.push_back({signature, ratio, std::abs(std::log(ratio)) <= kFits});
  }
  std::stable_sort(out.signatures.begin(), out.signatures.end(),
                   [](const SignatureFit& a, const SignatureFit& b) {
                     return std::abs(std::log(a.ratio)) < std::abs(std::log(b.ratio));
                   });
  return out;
}

}  // namespace weft
