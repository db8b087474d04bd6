#include "validate/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "scenario/run_report.h"

namespace weft {
namespace {

constexpr double kMargin = 1.15;       // beyond the band
constexpr double kNoBand = 1.3;        // where the calibration states none
constexpr double kFits = 0.25;         // of log(measured / simulated with the signature)
constexpr double kNoise = 0.05;        // of a point's log, beside what its table shares
constexpr double kLeastChange = 0.02;  // of a time that a signature must make to be told
constexpr double kDecisive = 10;       // of -2 log likelihood, for a cause over health [KR95 §3.2]
constexpr double kPrice = 4;           // of a fitted number, in -2 log likelihood

using PointList = std::vector<const MeasuredCase*>;

// Sizes at which bytes matter, not latencies: the largest, a factor of `down` down.
PointList LargePoints(const PointList& all, int down) {
  Bytes most;
  for (const MeasuredCase* point : all) most = std::max(most, point->size);
  PointList out;
  for (const MeasuredCase* point : all)
    if (point->size >= MiB(1) && point->size.count() * down >= most.count()) out.push_back(point);
  return out;
}

// A table's points by ranks and hosts.
std::vector<PointList> PointsByShape(const CasesOfEntry& table) {
  std::map<std::pair<int, int>, PointList> shapes;
  for (const MeasuredCase& point : table.points)
    shapes[{point.which.nodes, point.which.ranks}].push_back(&point);
  std::vector<PointList> out;
  for (auto& [shape, points] : shapes) out.push_back(std::move(points));
  return out;
}

double MedianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return PercentileOf(values, 0.5);
}

bool NeedsSearch(Signature signature) {
  return signature == Signature::kNoNvls || signature == Signature::kNoPxn ||
         signature == Signature::kMissingRail;
}

// The questions that NCCL would answer with `signature`; it takes the better of them.
std::vector<CollectiveQuestion> QuestionsWith(const CollectiveQuestion& healthy,
                                              Signature signature) {
  std::vector<CollectiveQuestion> out = {healthy};
  switch (signature) {
    case Signature::kNoNvls:  // by our time of both
      out.push_back(healthy);
      out[0].forced.algorithm = NcclAlgorithm::kRing;
      out[1].forced.algorithm = NcclAlgorithm::kTree;
      return out;
    case Signature::kNoPxn:
      out[0].pxn = false;
      return out;
    case Signature::kMissingRail:
      if (healthy.host.nics < 2) return {};
      --out[0].host.nics;
      return out;
    default:
      return out;
  }
}

// What a case is with `signature` where NCCL's choice stays; none where nothing changes.
std::optional<NcclTimeCase> CaseWith(const NcclTimeCase& healthy, Signature signature,
                                     const HostPart& host, double value) {
  NcclTimeCase out = healthy;
  const double pcie = Gigabytes(host.pcie), nics = std::max(1, host.nics);
  const double nic = std::max(1e-9, Gigabytes(host.nic()));
  if (signature == Signature::kNoP2p) {
    if (healthy.link_bytes <= 0) return std::nullopt;
    out.nvlink = false;
    out.link_rate = std::min(healthy.link_rate, pcie / 2);
    return out;
  }
  if (healthy.net_bytes <= 0 || healthy.net_rate <= 0) return std::nullopt;
  switch (signature) {
    case Signature::kTcp:
      out.net_rate = std::min(healthy.net_rate, value * nics);
      out.flushes = 0;
      break;
    case Signature::kNoGdr:
      out.net_rate = healthy.net_rate * std::min(1.0, pcie / 2 / nic);
      out.flushes = 0;
      break;
    case Signature::kOneNic:
      if (host.nics <= 2) return std::nullopt;  // of two it is the missing rail
      out.net_rate = std::min(healthy.net_rate, nic);
      break;
    case Signature::kHalfPorts:
      out.net_rate = healthy.net_rate / 2;
      break;
    case Signature::kSlowNic:
      out.net_rate = healthy.net_rate * value;
      break;
    default:
      return std::nullopt;
  }
  if (out.net_rate >= healthy.net_rate) return std::nullopt;
  return out;
}

// The values that are tried of a signature that has one.
std::vector<double> ValuesOf(Signature signature) {
  const bool tcp = signature == Signature::kTcp;
  if (!tcp && signature != Signature::kSlowNic) return {0};
  const double first = tcp ? 1.3 : 0.15, last = tcp ? 3.6 : 0.95;
  constexpr int kSteps = 80;
  std::vector<double> out;
  for (int i = 0; i <= kSteps; ++i)
    out.push_back(first * std::pow(last / first, i / (1.0 * kSteps)));
  return out;
}

// -2 log of the likelihood of the residuals, logs of measured over simulated, but for what all
// signatures share: each with a noise of its own, all with one error of deviation `shared`.
double Unlikelihood(const std::vector<double>& residuals, double shared) {
  const auto n = static_cast<double>(residuals.size());
  double mean = 0, squares = 0;
  for (const double one : residuals) mean += one / n;
  for (const double one : residuals) squares += (one - mean) * (one - mean);
  const double noise = kNoise * kNoise;
  return squares / noise + n * mean * mean / (noise + n * shared * shared);
}

// The deviation that the band leaves for what a table's points share.
double SharedError(const std::vector<RatioBand>& bands) {
  constexpr double k90 = 1.6448536269514722;
  std::vector<double> widths;
  for (const RatioBand& one : bands)
    widths.push_back(std::log(one.high / std::max(1e-9, one.low)) / (2 * k90));
  if (widths.empty()) return std::log(kNoBand) / k90;
  const double all = MedianOf(widths);
  return std::sqrt(std::max(0.0, all * all - kNoise * kNoise));
}

// Whether `a` goes before `b`: what fits explains how slow a table is, whatever curve is likelier.
bool IsLikelier(const SignatureFit& a, const SignatureFit& b) {
  return a.fits != b.fits ? a.fits : a.score < b.score;
}

// The likeliest value of a signature; none where it changes nothing.
std::optional<SignatureFit> FitOf(const PointList& points, const HostPart& host,
                                  const std::vector<double>& healthy, Signature signature,
                                  double shared, BrokenTimes& broken) {
  std::optional<SignatureFit> best;
  const std::vector<double> values = ValuesOf(signature);
  for (const double value : values) {
    std::vector<double> residuals, ratios;
    bool changes = false;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double us = broken.Time(*points[i], host, signature, value).value_or(healthy[i]);
      changes |= us > healthy[i] * (1 + kLeastChange);
      ratios.push_back(points[i]->measured_us / us);
      residuals.push_back(std::log(ratios.back()));
    }
    if (!changes) continue;
    const double score = Unlikelihood(residuals, shared) + (values.size() > 1 ? kPrice : 0);
    const double ratio = MedianOf(ratios);
    const SignatureFit one{signature, ratio, std::abs(std::log(ratio)) <= kFits,
                           values.size() > 1 ? std::optional(value) : std::nullopt, score};
    if (!best || IsLikelier(one, *best)) best = one;
  }
  return best;
}

}  // namespace

const char* NameOf(Signature signature) {
  constexpr const char* kNames[] = {"tcp",     "no_gdr",       "no_p2p",     "no_nvls", "no_pxn",
                                    "one_nic", "missing_rail", "half_ports", "slow_nic"};
  return kNames[static_cast<std::size_t>(signature)];
}

const char* NameOf(Verdict verdict) {
  constexpr const char* kNames[kVerdicts] = {"not judged", "healthy", "slow", "degraded"};
  return kNames[static_cast<std::size_t>(verdict)];
}

const char* Explanation(Signature signature) {
  constexpr const char* kTexts[] = {"TCP sockets in place of RDMA",
                                    "GPUDirect RDMA off: staged in host memory",
                                    "peer-to-peer off: GPUs of a host talk through its memory",
                                    "NVLS off: rings or trees in place of the NVSwitches' sums",
                                    "PXN off: far NICs over PCIe, not over the GPU beside them",
                                    "one NIC of a host used",
                                    "a rail is missing: a NIC fewer on a host",
                                    "half of the NICs' ports or planes used",
                                    "a NIC below its rate, for which all channels wait"};
  return kTexts[static_cast<std::size_t>(signature)];
}

BrokenTimes::BrokenTimes(const MeasuredCases& cases, const CollectiveConstants& constants)
    : cases_(cases), constants_(constants) {}

const std::vector<CollectiveModel>& BrokenTimes::Models(std::size_t row, Signature signature) {
  const auto [at, added] = models_.try_emplace({row, signature});
  if (added)
    for (const CollectiveQuestion& question : QuestionsWith(cases_.questions[row], signature))
      if (Result<CollectiveModel> model = CollectiveModel::Build(question))
        at->second.push_back(*std::move(model));
  return at->second;
}

std::optional<double> BrokenTimes::Time(const MeasuredCase& point, const HostPart& host,
                                        Signature signature, double value) {
  if (!NeedsSearch(signature)) {
    const auto broken = CaseWith(point.which, signature, host, value);
    if (!broken) return std::nullopt;
    return cases_.models[point.model].Time(*broken, constants_).us;
  }
  const bool nvls = point.which.kind == NcclTimeCase::Kind::kNvls ||
                    point.which.kind == NcclTimeCase::Kind::kNvlsTree;
  if (signature == Signature::kNoNvls ? !nvls : point.which.nodes < 2) return std::nullopt;
  std::optional<double> best;
  for (const CollectiveModel& model : Models(point.model, signature))
    best = std::min(best.value_or(INFINITY), model.Time(point.size, constants_).us);
  return best;
}

Diagnosis Diagnose(const MeasuredCases& cases, std::size_t table, const Calibration& calibration) {
  BrokenTimes broken(cases, calibration.constants);
  return Diagnose(cases, table, calibration, broken);
}

namespace {

// Every signature that changes something, the likeliest first; and how likely health is.
std::vector<SignatureFit> Causes(const MeasuredCases& cases, const CasesOfEntry& mine,
                                 const PointList& all, const Calibration& calibration,
                                 BrokenTimes& broken, double& of_health) {
  constexpr int kDown = 1024;
  const PointList points = LargePoints(all, kDown);
  std::vector<double> healthy, residuals;
  std::vector<RatioBand> bands;
  for (const MeasuredCase* point : points) {
    healthy.push_back(cases.models[point->model].Time(point->which, calibration.constants).us);
    residuals.push_back(std::log(point->measured_us / healthy.back()));
    if (const auto band = BandOf(calibration, ClassOf(mine.host, point->which.nodes), point->size,
                                 calibration.KnowsHardware(mine.host, point->which.nodes)))
      bands.push_back(*band);
  }
  const double shared = SharedError(bands);
  of_health = Unlikelihood(residuals, shared);
  std::vector<SignatureFit> out;
  for (std::size_t s = 0; s < kSignatures; ++s)
    if (auto fit = FitOf(points, mine.host, healthy, static_cast<Signature>(s), shared, broken))
      out.push_back(*std::move(fit));
  std::stable_sort(out.begin(), out.end(), IsLikelier);
  return out;
}

// What the slowdown says beside the band; `stated`: the calibration states one.
void SetVerdict(Diagnosis& out, bool stated) {
  if (out.degraded) {
    out.verdict = Verdict::kDegraded;
  } else if (!stated) {
    out.why_not = "the calibration states no band for such hosts";
  } else if (out.slowdown * kMargin < out.fastest) {
    out.why_not = fmt::format(
        "it takes {:.2f} times as long as simulated, less than the band's {:.2f}: the host "
        "described has less than the one that was measured",
        out.slowdown, out.fastest);
  } else {
    out.verdict = out.slowdown > out.expected ? Verdict::kSlow : Verdict::kHealthy;
  }
}

// Of the points of one number of ranks and hosts.
Diagnosis DiagnoseShape(const MeasuredCases& cases, std::size_t table, const PointList& all,
                        const Calibration& calibration, BrokenTimes& broken) {
  constexpr int kDown = 64;
  const CasesOfEntry& mine = cases.tables[table];
  Diagnosis out;
  out.table = table;
  const PointList points = LargePoints(all, kDown);
  if (points.empty()) {
    out.why_not = "it has no size from 1 MiB on: below, latency tells little of what is broken";
    return out;
  }
  out.ranks = points.front()->which.ranks;
  out.hosts = points.front()->which.nodes;
  out.from = out.to = points.front()->size;
  std::vector<double> ratios, tops, bottoms;
  for (const MeasuredCase* point : points) {
    const CollectiveModel& model = cases.models[point->model];
    ratios.push_back(point->measured_us / model.Time(point->which, calibration.constants).us);
    const StatedError error =
        StatedErrorOf(calibration, mine.host,
                      {cases.questions[point->model].op, point->size, out.ranks, out.hosts});
    tops.push_back(error.band ? std::max(1.0, error.band->high) : kNoBand);
    bottoms.push_back(error.band ? std::min(1.0, error.band->low) : 0);
    if (error.band)
      out.sources =
          out.sources > 0 ? std::min(out.sources, error.band->sources) : error.band->sources;
    out.in_range = out.in_range && error.in_range;
    out.from = std::min(out.from, point->size);
    out.to = std::max(out.to, point->size);
  }
  out.slowdown = MedianOf(ratios);
  out.expected = MedianOf(tops);
  out.fastest = MedianOf(bottoms);
  if (out.slowdown > out.expected) {
    double of_health = 0;
    out.signatures = Causes(cases, mine, all, calibration, broken, of_health);
    out.degraded = out.slowdown > out.expected * kMargin ||
                   (!out.signatures.empty() && out.signatures.front().fits &&
                    out.signatures.front().score + kDecisive < of_health);
    if (!out.degraded) out.signatures.clear();
  }
  SetVerdict(out, out.fastest > 0);
  return out;
}

}  // namespace

Diagnosis Diagnose(const MeasuredCases& cases, std::size_t table, const Calibration& calibration,
                   BrokenTimes& broken) {
  const CasesOfEntry& mine = cases.tables[table];
  Diagnosis out;
  out.table = table;
  out.why_not = mine.why_not;
  bool first = true;
  std::string not_judged;
  for (const PointList& points : PointsByShape(mine)) {
    Diagnosis one = DiagnoseShape(cases, table, points, calibration, broken);
    if (one.verdict == Verdict::kNotJudged)
      not_judged += fmt::format("; not judged on {} ranks of {} host{}: {}",
                                points.front()->which.ranks, points.front()->which.nodes,
                                points.front()->which.nodes == 1 ? "" : "s", one.why_not);
    const bool worse =
        one.verdict > out.verdict ||
        (one.verdict == out.verdict && one.slowdown * out.expected > out.slowdown * one.expected);
    if (first || worse) out = std::move(one);
    first = false;
  }
  if (out.verdict != Verdict::kNotJudged) out.beside = std::move(not_judged);
  return out;
}

std::size_t JudgedTables::Count(Verdict verdict) const {
  return static_cast<std::size_t>(
      std::count_if(diagnoses.begin(), diagnoses.end(),
                    [verdict](const Diagnosis& one) { return one.verdict == verdict; }));
}

Verdict JudgedTables::Overall() const {
  Verdict out = Verdict::kNotJudged;
  for (const Diagnosis& one : diagnoses) out = std::max(out, one.verdict);
  return out;
}

JudgedTables JudgeTables(const MeasuredCases& cases, const Calibration& calibration) {
  JudgedTables out;
  out.comparison = Compare(cases, calibration);
  for (std::size_t t = 0; t < cases.tables.size(); ++t) {
    out.diagnoses.push_back(Diagnose(cases, t, calibration));
    out.comparison.tables[t].degraded = out.diagnoses.back().degraded;
  }
  out.comparison.classes = FiguresByClass(out.comparison.entries, out.comparison.tables);
  return out;
}

}  // namespace weft
