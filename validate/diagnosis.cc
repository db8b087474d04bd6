#include "validate/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

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
constexpr double kAlike = 2;           // "not worth more than a bare mention" [KR95 §3.2]

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

// Whether it leaves NICs a rate that NCCL may know of, or not: a cable that came up at half its
// rate, or one that loses packets.
bool MayBeKnown(Signature signature) {
  return signature == Signature::kTcp || signature == Signature::kHalfPorts ||
         signature == Signature::kSlowNic;
}

// The share of a NIC's rate that is left.
double ShareOf(Signature signature, const HostPart& host, double value) {
  if (signature == Signature::kHalfPorts) return 0.5;
  return signature == Signature::kTcp ? value / std::max(1e-9, Gigabytes(host.nic())) : value;
}

// The share that NCCL's search is made for, of all that are near: its choice hardly changes between
// them, and the rate itself goes into the time.
double SearchedShare(Signature signature, const HostPart& host, double value) {
  constexpr double kTypicalTcp = 2.2;  // GB/s a NIC [ALCF-NCCL, setup 1]
  if (signature == Signature::kTcp) return ShareOf(signature, host, kTypicalTcp);
  if (signature == Signature::kHalfPorts || value > 0.35) return value > 0.62 ? 0.75 : 0.5;
  return 0.25;
}

// The questions that NCCL would answer with `signature`, and with NICs at a share of their rate; it
// takes what it believes is the best of them.
std::vector<CollectiveQuestion> QuestionsWith(const CollectiveQuestion& healthy,
                                              Signature signature, double share) {
  std::vector<CollectiveQuestion> out = {healthy};
  switch (signature) {
    case Signature::kTcp:
    case Signature::kHalfPorts:
    case Signature::kSlowNic:
      out[0].host.nic_port = out[0].host.nic_port * share;
      return out;
    case Signature::kNoNvls:
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

// The points of a table that tell of causes, and how far off they may be in health.
struct Evidence {
  PointList points;
  std::vector<double> healthy;  // us that each takes
  std::vector<double> shared;   // deviation of each point's log by what the table shares
};

// -2 log of the likelihood of the residuals, logs of measured over simulated, but for what all
// signatures share: each with a noise of its own, all with one error, each as much of it as the
// band at its size is wide: a covariance of noise² I + shared sharedᵀ, inverted by Sherman and
// Morrison.
double Unlikelihood(const std::vector<double>& residuals, const std::vector<double>& shared) {
  double squares = 0, along = 0, length = 0;
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    squares += residuals[i] * residuals[i];
    along += residuals[i] * shared[i];
    length += shared[i] * shared[i];
  }
  const double noise = kNoise * kNoise;
  return (squares - along * along / (noise + length)) / noise;
}

// The deviation that a band leaves for what a table's points share.
double SharedError(const std::optional<RatioBand>& band) {
  constexpr double k90 = 1.6448536269514722;
  if (!band) return std::log(kNoBand) / k90;
  const double all = std::log(band->high / std::max(1e-9, band->low)) / (2 * k90);
  return std::sqrt(std::max(0.0, all * all - kNoise * kNoise));
}

Evidence EvidenceOf(const MeasuredCases& cases, const HostPart& host, const PointList& all,
                    const Calibration& calibration) {
  constexpr int kDown = 1024;
  Evidence out;
  out.points = LargePoints(all, kDown);
  for (const MeasuredCase* point : out.points) {
    const int hosts = point->which.nodes;
    out.healthy.push_back(cases.models[point->model].Time(point->which, calibration.constants).us);
    out.shared.push_back(SharedError(BandOf(calibration, ClassOf(host, hosts), point->size,
                                            calibration.KnowsHardware(host, hosts))));
  }
  return out;
}

double UnlikelihoodOfHealth(const std::vector<Evidence>& evidence) {
  double out = 0;
  for (const Evidence& one : evidence) {
    std::vector<double> residuals;
    for (std::size_t i = 0; i < one.points.size(); ++i)
      residuals.push_back(std::log(one.points[i]->measured_us / one.healthy[i]));
    out += Unlikelihood(residuals, one.shared);
  }
  return out;
}

// Whether `a` goes before `b`: what fits explains how slow a table is, whatever curve is likelier;
// of what fits, what NCCL's lines say is so.
bool IsLikelier(const SignatureFit& a, const SignatureFit& b) {
  if (a.fits != b.fits) return a.fits;
  return a.stated != b.stated ? a.stated : a.score < b.score;
}

bool IsNvls(const MeasuredCase& point) {
  return point.which.kind == NcclTimeCase::Kind::kNvls ||
         point.which.kind == NcclTimeCase::Kind::kNvlsTree;
}

SetupState Opposite(SetupState works) {
  return works == SetupState::kUnsaid ? works
         : works == SetupState::kOn   ? SetupState::kOff
                                      : SetupState::kOn;
}

// What the NICs that NCCL listed say of a cause: kOn that it is so, kOff that it is not. A list is
// of an operating system's host, which has not all NICs of a rack of trays.
SetupState SaidOfNics(Signature signature, const NcclSetup& setup, const HostPart& host,
                      int hosts) {
  const int found = setup.devices(), ports = std::max(1, host.nic_ports);
  if (found == 0 || (host.gpus_per_tray > 1 && host.gpus_per_tray < host.gpus))
    return SetupState::kUnsaid;
  const bool of_all = setup.listing_hosts() >= hosts;  // another host may have fewer
  const auto nics = [&](int count) { return found == count || found == count * ports; };
  switch (signature) {
    case Signature::kOneNic:
      if (host.nics <= 2) return SetupState::kUnsaid;
      if (found > ports) return of_all ? SetupState::kOff : SetupState::kUnsaid;
      return found == 1 ? SetupState::kOn : SetupState::kUnsaid;
    case Signature::kMissingRail:
      if (host.nics < 2 || nics(host.nics) == nics(host.nics - 1)) return SetupState::kUnsaid;
      if (nics(host.nics - 1)) return SetupState::kOn;
      return of_all ? SetupState::kOff : SetupState::kUnsaid;
    case Signature::kHalfPorts:
      return ports == 1 && host.nics > 2 && found * 2 == host.nics ? SetupState::kOn
                                                                   : SetupState::kUnsaid;
    default:
      return SetupState::kUnsaid;
  }
}

// What NCCL's lines say of a cause of such points: kOn that it is so, kOff that it is not. Nothing
// of NVLS where it would not be taken in health, nor of the network where there is one host.
SetupState SaidOf(Signature signature, const NcclSetup& setup, const HostPart& host,
                  const PointList& points) {
  const int hosts = points.front()->which.nodes;
  if (signature == Signature::kNoP2p)  // without NVLink NCCL itself may prefer memory
    return host.nvlink == BitRate() && !setup.p2p_forbidden() ? SetupState::kUnsaid
                                                              : Opposite(setup.p2p());
  if (signature == Signature::kNoNvls) {
    const bool taken = std::any_of(points.begin(), points.end(),
                                   [](const MeasuredCase* point) { return IsNvls(*point); });
    return taken ? Opposite(setup.nvls(hosts)) : SetupState::kUnsaid;
  }
  if (hosts < 2) return SetupState::kUnsaid;
  switch (signature) {
    case Signature::kTcp:
      return Opposite(setup.rdma());
    case Signature::kNoGdr:
      return Opposite(setup.gdr());
    case Signature::kNoPxn:
      return Opposite(setup.pxn());
    default:
      return SaidOfNics(signature, setup, host, hosts);
  }
}

// The same of points that may be of several tables of a file: what they agree on. `own`: by NCCL's
// own lines alone, not by what was typed.
SetupState SaidOf(Signature signature, const MeasuredCases& cases, const CasesOfEntry& mine,
                  const PointList& points, bool own = false) {
  SetupState out = SetupState::kUnsaid;
  std::set<std::size_t> tables;
  for (const MeasuredCase* point : points) tables.insert(point->table);
  for (const std::size_t table : tables) {
    const NcclSetup& setup = cases.entries[mine.entry].tables[table].setup;
    const SetupState one = SaidOf(signature, own ? setup.OwnLines() : setup, mine.host, points);
    if (one == SetupState::kUnsaid) continue;
    if (out != SetupState::kUnsaid && out != one) return SetupState::kUnsaid;
    out = one;
  }
  return out;
}

// Marks what the likeliest, which fits, is told from no better than by chance. A cause with a
// number that is less likely by its price alone is; what NCCL's lines say is not a matter of
// likelihood.
void MarkAlike(std::vector<SignatureFit>& ranked) {
  if (ranked.empty() || !ranked.front().fits || ranked.front().stated) return;
  for (std::size_t i = 1; i < ranked.size(); ++i)
    ranked[i].alike = ranked[i].fits && ranked[i].misfit <= ranked.front().misfit + kAlike;
  std::stable_partition(ranked.begin() + 1, ranked.end(),
                        [](const SignatureFit& one) { return one.alike; });
}

// The likeliest value of a signature by all evidence; none where it changes nothing of the first,
// which is the table that is diagnosed.
std::optional<SignatureFit> FitOf(const std::vector<Evidence>& evidence, const HostPart& host,
                                  Signature signature, BrokenTimes& broken) {
  std::optional<SignatureFit> best;
  const std::vector<double> values = ValuesOf(signature);
  for (std::size_t v = 0; v < values.size() * (MayBeKnown(signature) ? 2 : 1); ++v) {
    const double value = values[v % values.size()];
    const bool known = v >= values.size();
    SignatureFit fit;
    fit.signature = signature;
    if (values.size() > 1) fit.value = value;
    bool changes = false;
    for (std::size_t e = 0; e < evidence.size(); ++e) {
      const Evidence& one = evidence[e];
      std::vector<double> residuals, ratios;
      for (std::size_t i = 0; i < one.points.size(); ++i) {
        const double us =
            broken.Time(*one.points[i], host, signature, value, known).value_or(one.healthy[i]);
        changes |= e == 0 && us > one.healthy[i] * (1 + kLeastChange);
        ratios.push_back(one.points[i]->measured_us / us);
        residuals.push_back(std::log(ratios.back()));
      }
      if (e == 0) fit.ratio = MedianOf(ratios);
      fit.misfit += Unlikelihood(residuals, one.shared);
    }
    if (!changes) continue;
    fit.fits = std::abs(std::log(fit.ratio)) <= kFits;
    fit.score = fit.misfit + (values.size() > 1 ? kPrice : 0);
    if (!best || IsLikelier(fit, *best)) best = fit;
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

const std::vector<CollectiveModel>& BrokenTimes::Models(std::size_t row, Signature signature,
                                                        double share) {
  const auto [at, added] = models_.try_emplace({row, signature, share});
  if (added)
    for (const CollectiveQuestion& question :
         QuestionsWith(cases_.questions[row], signature, share))
      if (Result<CollectiveModel> model = CollectiveModel::Build(question))
        at->second.push_back(*std::move(model));
  return at->second;
}

std::optional<double> BrokenTimes::Time(const MeasuredCase& point, const HostPart& host,
                                        Signature signature, double value, bool known) {
  if (known) return TimeAsKnown(point, host, signature, value);
  if (!NeedsSearch(signature)) {
    const auto broken = CaseWith(point.which, signature, host, value);
    if (!broken) return std::nullopt;
    return cases_.models[point.model].Time(*broken, constants_).us;
  }
  if (signature == Signature::kNoNvls ? !IsNvls(point) : point.which.nodes < 2) return std::nullopt;
  std::optional<double> us;
  double believed = INFINITY;  // by NCCL
  for (const CollectiveModel& model : Models(point.model, signature)) {
    const NcclTimeCase one = model.Case(point.size);
    const double predicted = one.choice ? one.choice->predicted_us : 0;
    if (predicted >= believed) continue;
    believed = predicted;
    us = model.Time(one, constants_).us;
  }
  return us;
}

std::optional<double> BrokenTimes::TimeAsKnown(const MeasuredCase& point, const HostPart& host,
                                               Signature signature, double value) {
  WEFT_CHECK(MayBeKnown(signature));
  const double share = ShareOf(signature, host, value);
  const double searched = SearchedShare(signature, host, value);
  if (point.which.net_bytes <= 0 || share >= 1) return std::nullopt;
  const std::vector<CollectiveModel>& models = Models(point.model, signature, searched);
  if (models.empty()) return std::nullopt;
  NcclTimeCase broken = models.front().Case(point.size);
  broken.net_rate *= share / searched;
  if (signature == Signature::kTcp) broken.flushes = 0;
  return models.front().Time(broken, constants_).us;
}

Diagnosis Diagnose(const MeasuredCases& cases, std::size_t table, const Calibration& calibration) {
  BrokenTimes broken(cases, calibration.constants);
  return Diagnose(cases, table, calibration, broken);
}

namespace {

const NcclSetup& SetupOf(const MeasuredCases& cases, std::size_t table, const MeasuredCase& point) {
  return cases.entries[cases.tables[table].entry].tables[point.table].setup;
}

// Whether what NCCL says of one run is the opposite of what it says of the other.
bool Contradict(const NcclSetup& a, const NcclSetup& b, int hosts) {
  const auto differ = [](SetupState one, SetupState other) {
    return one != SetupState::kUnsaid && other == Opposite(one);
  };
  return differ(a.rdma(), b.rdma()) || differ(a.gdr(), b.gdr()) || differ(a.p2p(), b.p2p()) ||
         differ(a.nvls(hosts), b.nvls(hosts)) || differ(a.pxn(), b.pxn());
}

// The points of a table, and of those of the same file that are of the same host, ranks and hosts:
// other operations of one run, which the same cause has to explain. Where NCCL's lines say the
// opposite of this one's it was another run: before the repair, say.
std::vector<Evidence> EvidenceOfRun(const MeasuredCases& cases, std::size_t table,
                                    const PointList& all, const Calibration& calibration) {
  const HostPart& host = cases.tables[table].host;
  const TableEntry& entry = cases.entries[cases.tables[table].entry];
  const NcclTimeCase& which = all.front()->which;
  std::vector<Evidence> out = {EvidenceOf(cases, host, all, calibration)};
  for (std::size_t t = 0; t < cases.tables.size(); ++t) {
    const TableEntry& other = cases.entries[cases.tables[t].entry];
    if (t == table || other.file != entry.file || other.host != entry.host) continue;
    for (PointList& points : PointsByShape(cases.tables[t])) {
      if (points.front()->which.ranks != which.ranks || points.front()->which.nodes != which.nodes)
        continue;
      std::erase_if(points, [&](const MeasuredCase* point) {
        return std::any_of(all.begin(), all.end(), [&](const MeasuredCase* mine) {
          return Contradict(SetupOf(cases, table, *mine), SetupOf(cases, t, *point), which.nodes);
        });
      });
      if (!points.empty()) out.push_back(EvidenceOf(cases, host, points, calibration));
    }
  }
  return out;
}

bool Contains(const std::vector<Signature>& list, Signature one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

// Every signature that changes something and that NCCL's lines do not rule out, the likeliest
// first.
std::vector<SignatureFit> Causes(const Diagnosis& said, const HostPart& host,
                                 const std::vector<Evidence>& evidence, BrokenTimes& broken) {
  std::vector<SignatureFit> out;
  for (std::size_t s = 0; s < kSignatures; ++s) {
    const auto signature = static_cast<Signature>(s);
    if (Contains(said.ruled_out, signature)) continue;
    auto fit = FitOf(evidence, host, signature, broken);
    if (!fit) continue;
    fit->stated = Contains(said.stated, signature);
    out.push_back(*std::move(fit));
  }
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
  for (std::size_t s = 0; s < kSignatures; ++s) {
    const auto signature = static_cast<Signature>(s);
    const SetupState said = SaidOf(signature, cases, mine, all);
    if (said == SetupState::kUnsaid) continue;
    (said == SetupState::kOn ? out.stated : out.ruled_out).push_back(signature);
    if (said == SetupState::kOn && SaidOf(signature, cases, mine, all, true) != said)
      out.by_command.push_back(signature);
  }
  out.nics = mine.host.nics;
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
    const std::vector<Evidence> evidence = EvidenceOfRun(cases, table, all, calibration);
    const double of_health = UnlikelihoodOfHealth(evidence);
    out.signatures = Causes(out, mine.host, evidence, broken);
    out.degraded = out.slowdown > out.expected * kMargin ||
                   std::any_of(out.signatures.begin(), out.signatures.end(),
                               [of_health](const SignatureFit& one) {
                                 return one.fits && one.score + kDecisive < of_health;
                               });
    if (!out.degraded)
      std::erase_if(out.signatures, [of_health](const SignatureFit& one) {
        return !one.fits || one.score >= of_health;
      });
    MarkAlike(out.signatures);
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
  out.warnings = WarningsOfGpus(cases.entries);
  BrokenTimes broken(cases, calibration.constants);
  for (std::size_t t = 0; t < cases.tables.size(); ++t) {
    out.diagnoses.push_back(Diagnose(cases, t, calibration, broken));
    out.comparison.tables[t].degraded = out.diagnoses.back().degraded;
  }
  out.comparison.classes = FiguresByClass(out.comparison.entries, out.comparison.tables);
  out.comparison.held_out = FiguresOfHeldOut(out.comparison.entries, out.comparison.tables);
  return out;
}

}  // namespace weft
