#include "planner/decide.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "base/random.h"
#include "planner/evaluate.h"

namespace weft {
namespace {

// 5-95 % of ±15 % and ±5 %, as deviations of a normal.
constexpr double kNinety = 1.6448536269514722;
constexpr double kCompute = 0.15 / kNinety, kFamily = 0.05 / kNinety;
constexpr double kHoursOfYear = 8760, kDaysOfYear = 365;

// Between the three of a range by a number in [0, 1): half of the draws below the middle.
double Between(double low, double mid, double high, double u) {
  const double from = u < 0.5 ? low : mid, to = u < 0.5 ? mid : high;
  const double part = u < 0.5 ? 2 * u : 2 * u - 1;
  if (from <= 0) return from + (to - from) * part;
  return from * std::pow(to / from, part);
}

std::uint64_t HashOf(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

void InsertSorted(std::vector<std::string>& names, const std::string& name) {
  const auto at = std::lower_bound(names.begin(), names.end(), name);
  if (at == names.end() || *at != name) names.insert(at, name);
}

std::uint32_t RowOf(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::uint32_t>(std::lower_bound(names.begin(), names.end(), name) -
                                    names.begin());
}

// Of the seeds the lower median, or where a draw in [0, 1) says which, that one.
double SecondsOf(const std::vector<double>& seconds, double draw) {
  if (draw >= 0)
    return seconds[static_cast<std::size_t>(draw * static_cast<double>(seconds.size()))];
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  return sorted[(sorted.size() - 1) / 2];
}

// Metrics are sums over the rows of a bill, in the order of its rows.
constexpr double kSame = 1e-12;

// Of `metric`s the least, and which cost the same but for the order of a sum.
struct Firsts {
  double least = INFINITY;
  std::vector<std::size_t> all;
};
void AddMetric(Firsts& firsts, std::size_t one, double metric) {
  if (metric < firsts.least * (1 - kSame)) firsts.all.clear();
  if (firsts.all.empty() || metric <= firsts.least * (1 + kSame)) firsts.all.push_back(one);
  firsts.least = std::min(firsts.least, metric);
}

// A draw: what cost the same shares it.
void Credit(const std::vector<std::size_t>& firsts, std::vector<double>& count) {
  for (const std::size_t one : firsts) count[one] += 1.0 / static_cast<double>(firsts.size());
}

}  // namespace

// One draw of everything that is not known.
struct Decision::Factors {
  std::vector<double> price;            // [price_figures_] USD
  std::vector<double> rate;             // [rate_figures_] events a month
  std::vector<double> compute, family;  // factors
  double communication = 1;
  double seed = 0;  // in [0, 1); below 0: the median
};

Decision::Decision(const Question& question, std::vector<Contender> contenders,
                   std::vector<std::vector<double>> reference_s)
    : Decision(NoDraws{}, question, std::move(contenders), std::move(reference_s)) {
  for (const Contender& one : contenders_) {
    for (const BomRow& row : one.candidate->bom.rows) InsertSorted(parts_, row.part);
    for (const MonthlyFailures& of_job : one.failures)
      for (const FailureRow& row : of_job.rows) InsertSorted(classes_, row.name);
  }
  FindRates();
  FindFigures();
}

Decision::Decision(NoDraws, const Question& question, std::vector<Contender> contenders,
                   std::vector<std::vector<double>> reference_s)
    : question_(question),
      contenders_(std::move(contenders)),
      reference_s_(std::move(reference_s)),
      table_(question_) {}

Figures Decision::AtMiddle(const Question& question, Contender contender,
                           const std::vector<std::vector<double>>& reference_s) {
  std::vector<Contender> one;
  one.push_back(std::move(contender));
  return Decision(NoDraws{}, question, std::move(one), reference_s).At(0, Inputs{});
}

void Decision::FindRates() {
  std::map<std::array<double, 4>, std::uint32_t> found;  // by class and range
  for (const Contender& one : contenders_) {
    rate_of_row_.emplace_back();
    for (const MonthlyFailures& of_job : one.failures) {
      rate_of_row_.back().emplace_back();
      for (const FailureRow& row : of_job.rows) {
        rate_of_row_.back().back().push_back(kNoFigure);
        if (row.effect == FailureEffect::kMasked) continue;  // it costs nothing
        const std::uint32_t of = RowOf(classes_, row.name);
        const auto [at, is_new] = found.try_emplace(
            {static_cast<double>(of), row.monthly.low, row.monthly.mid, row.monthly.high},
            static_cast<std::uint32_t>(rate_figures_.size()));
        if (is_new) rate_figures_.push_back({of, row.monthly});
        rate_of_row_.back().back().back() = at->second;
      }
    }
  }
}

void Decision::FindFigures() {
  std::map<std::array<double, 4>, std::uint32_t> found;  // by part and range
  for (const Contender& one : contenders_) {
    figure_of_row_.emplace_back();
    for (const BomRow& row : one.candidate->bom.rows) {
      figure_of_row_.back().push_back(kNoFigure);
      if (!row.unit_price) continue;
      const Range<Dollars>& range = row.unit_price->range;
      const std::uint32_t part = RowOf(parts_, row.part);
      const auto [at, is_new] = found.try_emplace(
          {static_cast<double>(part), range.low.count(), range.mid.count(), range.high.count()},
          static_cast<std::uint32_t>(price_figures_.size()));
      if (is_new) price_figures_.push_back({part, range});
      figure_of_row_.back().back() = at->second;
    }
  }
}

double Decision::PriceOf(const Contender& contender, const Inputs& inputs,
                         const Factors* draw) const {
  const auto& rows = contender.candidate->bom.rows;
  const auto row = static_cast<std::size_t>(&contender - contenders_.data());
  double usd = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (!rows[r].unit_price) continue;
    double unit = draw != nullptr ? draw->price[figure_of_row_[row][r]]
                                  : rows[r].unit_price->range.mid.count();
    if (!inputs.price_of.empty() && rows[r].part == inputs.price_of) unit *= inputs.price;
    usd += unit * static_cast<double>(rows[r].quantity);
  }
  return usd;
}

double Decision::Goodput(const Contender& contender, std::size_t job, double exposed,
                         const Inputs& inputs, const Factors* draw) const {
  const double flaps = question_.rates.stopping_flaps;
  const bool scaled = inputs.stopping_flaps != 1 && flaps > 0;
  WEFT_CHECK(!scaled || draw == nullptr);  // what is drawn is drawn of the rows as they are
  MonthlyFailures other;
  if (scaled)
    other = contender.failures[job].WithStoppingFlaps(flaps * inputs.stopping_flaps, flaps);
  const MonthlyFailures& failures = scaled ? other : contender.failures[job];
  const auto contender_row = static_cast<std::size_t>(&contender - contenders_.data());
  const PlanReliabilitySpec& spec = question_.spec().reliability();
  double stops = 0, degraded = 0;
  for (std::size_t r = 0; r < failures.rows.size(); ++r) {
    const FailureRow& row = failures.rows[r];
    if (row.effect == FailureEffect::kMasked) continue;
    const double drawn =
        draw != nullptr ? draw->rate[rate_of_row_[contender_row][job][r]] : row.monthly.mid;
    const double monthly = drawn * inputs.failures;
    if (row.effect == FailureEffect::kStops) stops += monthly;
    if (row.effect == FailureEffect::kDegrades) degraded += monthly;
  }
  double goodput = 1;
  const Seconds checkpoint = FromPicoseconds(spec.checkpoint()),
                restart = FromPicoseconds(spec.restart());
  if (stops > 0) {
    const Seconds between = kMonth / stops;
    const Seconds interval = std::max(YoungInterval(checkpoint, between), Seconds(1e-3));
    goodput = Ettr(checkpoint, restart, between, interval);
  }
  // While a port is down its NIC sends at the rate of the others.
  const double share = std::min(1.0, degraded * (FromPicoseconds(spec.repair()) / kMonth));
  const int ports = contender.candidate->design.nic_ports;
  const double slowed =
      ports > 1 ? 1 - 1 / (1 - exposed + exposed * ports / (ports - 1.0)) : exposed;
  return std::max(goodput * (1 - share * slowed), 1e-6);
}

double Decision::WeightOf(std::size_t job, const Inputs& inputs) const {
  const double share = question_.jobs[job].share;
  if (inputs.share_of < 0) return share;
  const double of = question_.jobs[static_cast<std::size_t>(inputs.share_of)].share;
  const double now = std::min(of * inputs.share, 1.0);
  if (static_cast<int>(job) == inputs.share_of) return now;
  return of < 1 ? share * (1 - now) / (1 - of) : 0;
}

// Of the training jobs on the reference, by their shares; 1: there are none.
double Decision::MeanMfu(std::uint32_t accelerator, const ChangedJob* changed) const {
  double sum = 0, shares = 0;
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    const JobChoice& job = question_.jobs[j];
    const double reference = reference_s_[accelerator][j];
    if (!job.trains() || reference <= 0) continue;
    const double times =
        changed != nullptr && changed->job == j ? changed->flops / changed->reference : 1;
    sum += job.share * times * MfuOf(job, accelerator, reference);
    shares += job.share;
  }
  return shares > 0 ? sum / shares : 1;
}

// Of one accelerator; of another type or basis than the need's where MFU is a share of it.
double Decision::PeakOf(std::uint32_t accelerator) const {
  const AcceleratorChoice& choice = question_.accelerators[accelerator];
  if (question_.trains()) return choice.gpu.bf16_flops;
  const std::optional<Peak> peak = choice.gpu.PeakOf(question_.type, question_.bases[0]);
  WEFT_CHECK(peak.has_value());  // one without is not planned
  return peak->per_second;
}

Figures Decision::Evaluate(const Contender& contender, const Inputs& inputs, const Factors* draw,
                           std::vector<JobFigures>* jobs) const {
  const Candidate& candidate = *contender.candidate;
  const std::uint32_t accelerator = candidate.accelerator;
  const PlanDecideSpec& decide = question_.spec().decide();
  const double years = decide.horizon() * inputs.horizon;
  Figures out;
  const double capex = PriceOf(contender, inputs, draw);
  const double energy =
      candidate.site_watts / 1e3 * kHoursOfYear * years * decide.energy() * inputs.energy;
  out.usd = capex * (1 + decide.support() * inputs.support * years) + energy;
  double useful = PeakOf(accelerator) / 1e15 * static_cast<double>(candidate.accelerators) *
                  kDaysOfYear * years;
  if (inputs.compute_of == static_cast<int>(accelerator)) useful *= inputs.compute;
  double communication = inputs.communication;
  if (draw != nullptr) {
    useful *= draw->compute[accelerator];
    communication *=
        draw->communication * draw->family[static_cast<std::size_t>(candidate.design.family)];
  }
  const double others = MeanMfu(accelerator, inputs.changed);
  double sum = question_.jobs.empty() ? 1 : 0, speeds = sum, goodputs = 0;
  if (question_.jobs.empty()) {
    goodputs = Goodput(contender, 0, 0, inputs, draw);
    out.stops_per_month = contender.failures[0].stops.mid;
    sum = goodputs;
  }
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    const JobChoice& job = question_.jobs[j];
    double t = SecondsOf(contender.seconds[j], draw != nullptr ? draw->seed : -1);
    double exposed = job.trains() ? contender.exposed[j] : job.exposed;
    double flops = 1, reference = reference_s_[accelerator][j];
    if (inputs.changed != nullptr && inputs.changed->job == j) {
      const auto row = static_cast<std::size_t>(&contender - contenders_.data());
      t *= inputs.changed->time[row];
      exposed = inputs.changed->exposed[row];
      flops = inputs.changed->flops;
      reference *= inputs.changed->reference;
    }
    if (!job.trains() && inputs.exposed_of == static_cast<int>(j))
      exposed = std::min(exposed * inputs.exposed, 1.0);
    const double speed =
        job.trains() ? flops * MfuOf(job, accelerator, t * (1 - exposed + exposed * communication))
                     : others / (1 - exposed +
                                 exposed * communication * (reference > 0 ? t / reference : 1));
    const double weight = WeightOf(j, inputs);
    const double goodput = Goodput(contender, j, exposed, inputs, draw);
    if (jobs != nullptr) jobs->push_back({speed, goodput});
    sum += weight * speed * goodput;
    speeds += weight * speed;
    goodputs += weight * goodput;
    const auto gpus = static_cast<double>(job.gpus.value_or(candidate.accelerators));
    out.stops_per_month += weight * contender.failures[j].stops.mid *
                           static_cast<double>(candidate.accelerators) / gpus;
  }
  out.speed = speeds;
  out.goodput = goodputs;
  out.useful_pflop_days = useful * sum;
  out.metric = out.usd / out.useful_pflop_days;
  return out;
}

Figures Decision::At(std::size_t contender, const Inputs& inputs) const {
  return Evaluate(contenders_[contender], inputs, nullptr);
}

std::vector<JobFigures> Decision::JobsAt(std::size_t contender) const {
  std::vector<JobFigures> out;
  Evaluate(contenders_[contender], Inputs{}, nullptr, &out);
  return out;
}

std::size_t Decision::Best(std::uint32_t accelerator, const Inputs& inputs) const {
  std::size_t best = contenders_.size();
  double least = 0;
  for (std::size_t i = 0; i < contenders_.size(); ++i) {
    if (contenders_[i].candidate->accelerator != accelerator) continue;
    const double metric = At(i, inputs).metric;
    if (best == contenders_.size() || metric < least) {
      best = i;
      least = metric;
    }
  }
  return best;
}

const std::vector<double>& DrawTable::Between(const std::string& what, const std::string& name,
                                              const std::array<double, 3>& range) {
  std::vector<double>& out = values_[{{what, name}, range}];
  if (!out.empty()) return out;
  for (const double number : Of(what, name, false))
    out.push_back(weft::Between(range[0], range[1], range[2], number));
  return out;
}

const std::vector<double>& DrawTable::Of(const std::string& what, const std::string& name,
                                         bool normal) {
  std::vector<double>& out = numbers_[{what, name}];
  if (!out.empty()) return out;
  const std::uint64_t seed = question_.spec().decide().seed(), hash = HashOf(what),
                      id = name.empty() ? 0 : HashOf(name);
  for (int draw = 0; draw < question_.spec().decide().draws(); ++draw) {
    Random random(StreamSeed(seed, {static_cast<std::uint64_t>(draw), hash, id}));
    out.push_back(normal ? random.Normal() : random.Unit());
  }
  return out;
}

// What the draws of everything that is not known are made of.
struct Decision::Streams {
  using Numbers = const std::vector<double>*;         // [draws]
  std::vector<Numbers> price, rate, compute, family;  // price, rate: of each figure
  Numbers communication = nullptr, seed = nullptr;
};

Decision::Streams Decision::FindStreams() const {
  Streams out;
  for (const PriceFigure& one : price_figures_)
    out.price.push_back(
        &table_.Between("price", parts_[one.part],
                        {one.range.low.count(), one.range.mid.count(), one.range.high.count()}));
  for (const RateFigure& one : rate_figures_)
    out.rate.push_back(&table_.Between("rate", classes_[one.of_class],
                                       {one.monthly.low, one.monthly.mid, one.monthly.high}));
  for (const AcceleratorChoice& choice : question_.accelerators)
    out.compute.push_back(&table_.Of("compute", choice.name, true));
  for (const DesignFamily family : kDesignFamilies)
    out.family.push_back(&table_.Of("family", std::string(NameOf(family)), true));
  out.communication = &table_.Of("communication", "", true);
  out.seed = &table_.Of("seed", "", false);
  return out;
}

// `known`: what is taken as it is.
Decision::Factors Decision::DrawFactors(const Streams& streams, std::size_t draw,
                                        const std::string& known) const {
  Factors out;
  const bool prices = known == "prices", failures = known == "failures",
             compute = known == "compute", measured = known == "communication";
  out.price.reserve(price_figures_.size());
  out.rate.reserve(rate_figures_.size());
  for (std::size_t f = 0; f < price_figures_.size(); ++f)
    out.price.push_back(prices ? price_figures_[f].range.mid.count() : (*streams.price[f])[draw]);
  for (std::size_t f = 0; f < rate_figures_.size(); ++f)
    out.rate.push_back(failures ? rate_figures_[f].monthly.mid : (*streams.rate[f])[draw]);
  for (const Streams::Numbers numbers : streams.compute)
    out.compute.push_back(compute ? 1 : std::exp(kCompute * (*numbers)[draw]));
  for (const Streams::Numbers numbers : streams.family)
    out.family.push_back(measured ? 1 : std::exp(kFamily * (*numbers)[draw]));
  out.communication =
      measured
          ? 1
          : std::exp(std::log(question_.communication) / kNinety * (*streams.communication)[draw]);
  out.seed = known == "seeds" ? 0.5 : (*streams.seed)[draw];
  return out;
}

Decision::Odds Decision::Draw(const std::string& known) const {
  const PlanDecideSpec& decide = question_.spec().decide();
  const std::size_t n = contenders_.size(), accelerators = question_.accelerators.size();
  Odds out;
  out.p_first.assign(n, 0);
  out.regret_usd.assign(n, 0);
  out.p_accelerator.assign(accelerators, 0);
  out.accelerator_regret_usd.assign(accelerators, 0);
  out.drawn.resize(n);
  std::vector<std::size_t> champion;  // [accelerators]; n: none
  for (std::uint32_t a = 0; a < accelerators; ++a) champion.push_back(Best(a, Inputs{}));
  const int draws = known.empty() ? decide.draws() : std::max(decide.draws() / 4, 1);
  const double share = 1.0 / draws;
  const Streams streams = FindStreams();
  for (int d = 0; d < draws; ++d) {
    const Factors draw = DrawFactors(streams, static_cast<std::size_t>(d), known);
    std::vector<double> metric(n), useful(n);
    std::vector<Firsts> first_of(accelerators);
    for (std::size_t i = 0; i < n; ++i) {
      const Figures figures = Evaluate(contenders_[i], Inputs{}, &draw);
      metric[i] = figures.metric;
      useful[i] = figures.useful_pflop_days;
      out.drawn[i].push_back(metric[i]);
      AddMetric(first_of[contenders_[i].candidate->accelerator], i, metric[i]);
    }
    for (std::size_t i = 0; i < n; ++i)
      out.regret_usd[i] +=
          share * useful[i] * (metric[i] - first_of[contenders_[i].candidate->accelerator].least);
    Firsts first;
    for (std::size_t a = 0; a < accelerators; ++a)
      if (champion[a] < n) AddMetric(first, a, metric[champion[a]]);
    for (const Firsts& of : first_of) Credit(of.all, out.p_first);
    Credit(first.all, out.p_accelerator);
    for (std::size_t a = 0; a < accelerators; ++a)
      if (champion[a] < n)
        out.accelerator_regret_usd[a] +=
            share * useful[champion[a]] * (metric[champion[a]] - first.least);
  }
  for (double& p : out.p_first) p /= draws;
  for (double& p : out.p_accelerator) p /= draws;
  for (std::vector<double> values : out.drawn) {
    std::sort(values.begin(), values.end());
    const auto at = [&](double p) {
      return values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1))];
    };
    out.metric.push_back({at(0.05), at(0.5), at(0.95)});
  }
  return out;
}

bool Decision::Odds::CostTheSame(std::size_t a, std::size_t b) const {
  return std::equal(drawn[a].begin(), drawn[a].end(), drawn[b].begin(), SameMetric);
}

bool SameMetric(double a, double b) { return std::abs(a - b) <= kSame * std::max(a, b); }

std::size_t Decision::First(const Inputs& inputs) const {
  std::size_t first = contenders_.size();
  double least = 0;
  for (std::size_t i = 0; i < contenders_.size(); ++i) {
    const double metric = At(i, inputs).metric;
    if (first < contenders_.size() && metric >= least) continue;
    first = i;
    least = metric;
  }
  return first;
}

void Decision::TryInput(Among among, Flip flip, double Inputs::*factor, Inputs base, double largest,
                        std::vector<Flip>& out) const {
  const auto first = [&](const Inputs& inputs) {
    return among ? Best(*among, inputs) : First(inputs);
  };
  const std::size_t now = first(Inputs{});
  const auto same = [&](std::size_t one) {
    return among
               ? one == now
               : contenders_[one].candidate->accelerator == contenders_[now].candidate->accelerator;
  };
  constexpr double kStep = 0.25, kMost = 2.772588722239781;  // ln 16
  std::optional<Flip> nearest;
  for (const double sign : {1.0, -1.0}) {
    const auto winner = [&](double distance) {
      Inputs inputs = base;
      inputs.*factor = std::exp(sign * distance);
      const std::size_t one = first(inputs);
      return SameMetric(At(one, inputs).metric, At(now, inputs).metric) ? now : one;
    };
    double far = kStep;
    while (far <= kMost && same(winner(far))) far += kStep;
    if (far > kMost || (sign > 0 && std::exp(far - kStep) >= largest)) continue;
    double low = far - kStep, high = far;
    while (high - low > 1e-3) {
      const double middle = (low + high) / 2;
      (same(winner(middle)) ? low : high) = middle;
    }
    if ((sign > 0 && std::exp(high) > largest) || (nearest && nearest->distance <= high)) continue;
    flip.value = flip.now * std::exp(sign * high);
    flip.then = contenders_[winner(high)].candidate->id;
    flip.distance = high;
    nearest = flip;
  }
  if (nearest) out.push_back(*nearest);
}

// What the question says once for all plans.
void Decision::TryRates(Among among, std::vector<Flip>& out) const {
  const PlanDecideSpec& decide = question_.spec().decide();
  const auto given = [&](const char* key) {
    return question_.located->sources.Given(key) ? std::string("the question") : "an assumption";
  };
  TryInput(among, {"energy", decide.energy(), 0, "USD/kWh", "", given("decide.energy"), 0},
           &Inputs::energy, {}, 1e9, out);
  TryInput(among, {"support", decide.support(), 0, "a year", "", given("decide.support"), 0},
           &Inputs::support, {}, 1e9, out);
  TryInput(among, {"horizon", decide.horizon(), 0, "y", "", given("decide.horizon"), 0},
           &Inputs::horizon, {}, 1e9, out);
  TryInput(among, {"failure rates", 1, 0, "x", "", "the catalogue", 0}, &Inputs::failures, {}, 1e9,
           out);
  if (const double flaps = question_.rates.stopping_flaps; flaps > 0)
    TryInput(
        among,
        {"flaps that stop a job", flaps, 0, "of them", "", given("reliability.stopping_flaps"), 0},
        &Inputs::stopping_flaps, {}, 1 / flaps, out);
  if (!question_.jobs.empty())
    TryInput(among,
             {"communication time", 1, 0, "x as simulated", "", question_.communication_source, 0},
             &Inputs::communication, {}, 1e9, out);
}

void Decision::TryPrices(Among among, std::vector<Flip>& out) const {
  for (const std::string& part : parts_) {
    Inputs base;
    base.price_of = part;
    Flip flip{"price of " + part, 0, 0, "USD", "", "", 0};
    for (const Contender& one : contenders_)
      for (const BomRow& row : one.candidate->bom.rows)
        if (row.part == part && row.unit_price && flip.now == 0) {
          flip.now = row.unit_price->range.mid.count();
          flip.source =
              fmt::format("{}{}{}",
                          row.unit_price->source.empty() ? std::string(NameOf(row.unit_price->mark))
                                                         : row.unit_price->source,
                          row.unit_price->date.empty() ? "" : ", ", row.unit_price->date);
        }
    const CatalogueRow* row = question_.catalogue.Find(part);
    const bool cable = row != nullptr && row->kind == PartKind::kCable && row->price.has_value();
    if (cable) {
      flip.now = row->price->range.mid.count();
      flip.unit = "USD a lane";
    }
    // Dearer, another cable, plug or medium is bought in its place (link_kit.h): no flip of this
    // bill.
    const bool replaced =
        cable ||
        (row != nullptr && (row->kind == PartKind::kOptic || row->kind == PartKind::kFibre));
    if (flip.now > 0) TryInput(among, flip, &Inputs::price, base, replaced ? 1 : 1e9, out);
  }
}

void Decision::TryJobs(Among among, std::vector<Flip>& out) const {
  const auto given = [&](const std::string& key) {
    return question_.located->sources.Given(key) ? std::string("the question") : "an assumption";
  };
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    const JobChoice& job = question_.jobs[j];
    const std::string path = fmt::format("jobs[{}]", j);
    Inputs base;
    base.exposed_of = static_cast<int>(j);
    if (job.exposed > 0 && !job.trains())
      TryInput(among,
               {"exposed communication of " + job.name, job.exposed, 0, "of its time", "",
                given(path + ".exposed"), 0},
               &Inputs::exposed, base, 1 / job.exposed, out);
    Inputs shares;
    shares.share_of = static_cast<int>(j);
    if (question_.jobs.size() > 1 && job.share > 0)
      TryInput(
          among,
          {"share of " + job.name, job.share, 0, "of GPU-hours", "", given(path + ".share"), 0},
          &Inputs::share, shares, 1 / job.share, out);
  }
}

// What an accelerator does of what the plan takes it to do: common to its fabrics.
void Decision::TryCompute(std::vector<Flip>& out) const {
  for (std::size_t a = 0; a < question_.accelerators.size(); ++a) {
    Inputs base;
    base.compute_of = static_cast<int>(a);
    TryInput({},
             {"compute of " + question_.accelerators[a].name, 1, 0, "x as planned", "",
              "its data sheet and presets", 0},
             &Inputs::compute, base, 1e9, out);
  }
}

std::vector<Decision::Flip> Decision::FindAll(Among among) const {
  std::vector<Flip> out;
  TryRates(among, out);
  TryPrices(among, out);
  TryJobs(among, out);
  if (!among) TryCompute(out);
  std::stable_sort(out.begin(), out.end(),
                   [](const Flip& a, const Flip& b) { return a.distance < b.distance; });
  return out;
}

std::vector<Decision::Flip> Decision::FindFlips(std::uint32_t accelerator) const {
  return FindAll(accelerator);
}

std::vector<Decision::Flip> Decision::FindAcceleratorFlips() const {
  if (contenders_.empty()) return {};
  return FindAll({});
}

}  // namespace weft
