#include "report/json.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/schema/quantity.h"
#include "base/version.h"
#include "report/json_internal.h"
#include "report/numbers.h"
#include "report/published_runs.h"

namespace weft {
namespace {

// FNV-1a, 64 bits: a fingerprint to compare runs by, not a defence.

Json ToJson(const Interval<double>& values, double scale = 1) {
  return {
      {"median", values.median * scale}, {"p5", values.p5 * scale}, {"p95", values.p95 * scale}};
}

template <typename T>
Json ToJson(const std::optional<Interval<T>>& values, double scale = 1) {
  return values ? ToJson(*values, scale) : Json(nullptr);
}

Json Place(const SourcePos& pos) {
  return pos.line > 0 ? Json(fmt::format("{}:{}:{}", pos.file, pos.line, pos.column))
                      : Json(nullptr);
}

// To a hundredth of a percent: a band has no more to say.
Json ToJson(const ErrorBand& error) {
  const auto rounded = [](const std::optional<double>& value) {
    return value ? Json(std::round(*value * 1e4) / 1e4) : Json(nullptr);
  };
  return {{"low", rounded(error.low)}, {"high", rounded(error.high)}, {"basis", error.basis}};
}

Json ToJson(const CommunicationError& error) {
  return {{"exposed", ToJson(error.exposed)},
          {"time", ToJson(error.time)},
          {"in_range", OrNull(error.in_range)}};
}

Json ToJson(const CollectiveReport& c) {
  // No time where it did not end: a reader must not take 0 s for one.
  const auto figure = [&](const Interval<double>& values, double scale = 1) {
    return c.done() ? ToJson(values, scale) : Json(nullptr);
  };
  return {{"op", c.op},
          {"algorithm", c.algorithm},
          {"protocol", OrNull(c.protocol)},
          {"channels", c.channels},
          {"ranks", c.ranks},
          {"fewest_ranks", c.fewest_ranks},
          {"groups", c.groups},
          {"bytes", c.bytes.count()},
          {"repeats", c.repeats},
          {"time_s", figure(c.time_s)},
          {"worst_repeat_s", figure(c.worst_repeat_s)},
          {"time_mean_rail_s", ToJson(c.time_mean_rail_s)},
          {"startup_s", OrNull(c.startup_s)},
          {"algbw_GBps", c.done() ? Json(c.algbw_bytes_per_s.median / 1e9) : Json(nullptr)},
          {"busbw_GBps", figure(c.busbw_bytes_per_s, 1e-9)},
          {"busbw_mean_rail_GBps", ToJson(c.busbw_mean_rail_bytes_per_s, 1e-9)},
          {"bottleneck", OrNull(c.bottleneck)},
          {"error", ToJson(c.error)},
          {"in_range", OrNull(c.in_range)},
          {"status", c.status},
          {"at", Place(c.pos)}};
}

Json ToJson(const TrafficReport& t) {
  const auto figure = [&](const Interval<double>& values, double scale = 1) {
    return t.completed > 0 ? ToJson(values, scale) : Json(nullptr);
  };
  return {{"pattern", t.pattern},
          {"flows", t.flows},
          {"completed", t.completed},
          {"bytes", t.bytes.count()},
          {"flow_time_median_s", figure(t.flow_time_s_median)},
          {"flow_time_p99_s", figure(t.flow_time_s_p99)},
          {"goodput_GBps", figure(t.goodput_bytes_per_s, 1e-9)},
          {"status", t.status}};
}

Json ToJson(const IterationReport& i) {
  Json bytes = Json::array(), path = Json::array(), published = Json::array();
  for (const PublishedRuns& one : kPublishedRuns)
    published.push_back({{"kind", one.kind},
                         {"runs", one.runs},
                         {"published_over_weft_low", one.low},
                         {"published_over_weft_high", one.high}});
  for (const GroupBytes& one : i.bytes)
    bytes.push_back({{"group", one.group},
                     {"nvlink", one.nvlink},
                     {"network", one.network},
                     {"between_segments", OrNull(one.between_segments)},
                     {"simulated", one.simulated}});
  return {{"time_s", ToJson(i.time_s)},
          {"split_of_s", i.split_of_s},
          {"compute_s", i.compute_s},
          {"bubble_s", i.bubble_s},
          {"fixed_s", i.fixed_s},
          {"exposed_comm_s",
           {{"tp", i.tensor_s},
            {"pp", i.pipeline_s},
            {"dp", i.data_s},
            {"cp", i.context_s},
            {"ep", i.expert_s}}},
          {"communication_error", ToJson(i.error)},
          {"published_runs", published},
          {"overlap_efficiency", OrNull(i.overlap_efficiency)},
          {"tokens_per_s", i.tokens_per_s.median},
          {"samples_per_s", i.samples_per_s},
          {"mfu", i.mfu.median},
          {"mfu_causal", i.mfu_causal},
          {"flops_per_token", i.flops_per_token},
          {"gpus", i.gpus},
          {"micro_batches", i.micro_batches},
          {"slow_hosts", i.slow_hosts},
          {"repeats_simulated", i.repeats},
          {"repeats_counted", i.repeats_skipped},
          {"counted_s", i.skipped_s},
          {"parameters", std::llround(i.parameters)},
          {"active_parameters", std::llround(i.active_parameters)},
          {"memory_bytes", i.memory_bytes},
          {"memory",
           {{"stage", i.memory.stage},
            {"parameters_bytes", i.memory.parameters},
            {"gradients_bytes", i.memory.gradients},
            {"optimiser_bytes", i.memory.optimiser},
            {"activations_bytes", i.memory.activations},
            {"logits_bytes", i.memory.logits}}},
          {"estimate_s", i.estimate_s},
          {"bytes", bytes},
          {"conservation", i.conservation}};
}

Json ToJson(const TimeSplit& split) {
  return {{"compute_s", split.compute_s},
          {"bubble_s", split.bubble_s},
          {"fixed_s", split.fixed_s},
          {"exposed_comm_s",
           {{"tp", split.tensor_s},
            {"pp", split.pipeline_s},
            {"dp", split.data_s},
            {"cp", split.context_s},
            {"ep", split.expert_s}}}};
}

Json ToJson(const JobReport& job) {
  Json iteration = nullptr;
  if (job.iteration) {
    iteration = {{"tokens_per_s", job.iteration->tokens_per_s}, {"mfu", job.iteration->mfu}};
    iteration.update(ToJson(job.iteration->split));
    iteration["alone"] = ToJson(job.iteration->alone);
    iteration["communication_error"] = ToJson(job.iteration->error);
  }
  return {{"name", job.name},
          {"work", job.work},
          {"gpus", job.gpus},
          {"hosts", job.hosts},
          {"repeat", job.repeat},
          {"passes", job.passes},
          {"time_s", ToJson(job.time_s)},
          {"alone_s", ToJson(job.alone_s)},
          {"slowdown", ToJson(job.slowdown)},
          {"error", ToJson(job.error)},
          {"in_range", OrNull(job.in_range)},
          {"iteration", iteration}};
}

Json CriticalPath(const IterationReport& iteration) {
  Json out = Json::array();
  for (const CriticalStep& step : iteration.critical_path)
    out.push_back({{"what", step.what},
                   {"rows", step.rows},
                   {"start_s", step.start_s},
                   {"end_s", step.end_s}});
  return out;
}

Json WhatIf(const IterationReport& iteration) {
  Json out = Json::array();
  for (const auto& [change, time_s] : iteration.what_if)
    out.push_back({{"change", change}, {"time_s", time_s}});
  return out;
}

Json ToJson(const LinksReport& links) {
  Json hottest = Json::array();
  for (const LinkReport& link : links.hottest)
    hottest.push_back({{"from", link.from},
                       {"to", link.to},
                       {"utilisation", link.utilisation},
                       {"bytes", link.bytes.count()},
                       {"why", OrNull(link.why)},
                       {"user_count", link.user_count},
                       {"users", link.users}});
  Json margin = nullptr;
  if (links.margin)
    margin = {{"busier", links.margin->busier},
              {"busier_utilisation", links.margin->busier_utilisation},
              {"other", links.margin->other},
              {"other_utilisation", links.margin->other_utilisation},
              {"nvlink_efficiency", links.margin->nvlink_efficiency},
              {"nvlink_efficiency_at_tie", OrNull(links.margin->nvlink_efficiency_at_tie)}};
  Json ports = nullptr;
  if (links.ports)
    ports = {{"hot_share", ToJson(links.ports->hot_share)},
             {"share_3to1", ToJson(links.ports->share_3to1)}};
  return {{"seed", links.seed},
          {"hottest", hottest},
          {"margin", margin},
          {"ports", ports},
          {"pfc_risk", links.pfc_risk}};
}

Json ToJson(const PublishedRow& row) {
  return {{"figure", row.figure},     {"job", OrNull(row.job)},
          {"source", row.source},     {"published", row.published},
          {"ours", ToJson(row.ours)}, {"deviation", OrNull(row.deviation)},
          {"note", OrNull(row.note)}};
}

Json ToJson(const RunStats& run) {
  return {{"wall_s", run.wall_s},
          {"sim_s", run.sim_s},
          {"events", run.events},
          {"threads", run.threads},
          {"peak_rss_bytes", run.peak_rss_bytes},
          {"folded", run.folded},
          {"memoised", run.memoised},
          {"not_folded", run.not_folded.empty() ? Json(nullptr) : Json(run.not_folded)}};
}

Json Warnings(const std::vector<Error>& warnings) {
  Json out = Json::array();
  for (const Error& warning : warnings)
    out.push_back({{"at", Place(warning.pos)}, {"message", warning.message}});
  return out;
}

Json Faults(const std::vector<FaultReport>& faults) {
  Json out = Json::array();
  for (const FaultReport& fault : faults)
    out.push_back({{"element", fault.element},
                   {"state", fault.state},
                   {"at_s", fault.at_s},
                   {"crossing", fault.crossing},
                   {"rerouted", fault.rerouted},
                   {"moved", fault.moved},
                   {"stalled", fault.stalled},
                   {"failed", fault.failed}});
  return out;
}

// Everything but digest and run, in the order of the contract.
Json Body(const RunReport& report) {
  Json out;
  out["scenario"] = report.scenario;
  out["engine"] = report.engine;
  out["seeds"] = report.seeds;
  out["digest"] = "";
  out["partial"] = report.partial;
  out["incomplete"] = report.incomplete;
  out["makespan_s"] = report.incomplete.empty() ? ToJson(report.makespan_s) : Json(nullptr);
  out["collectives"] = Json::array();
  for (const auto& collective : report.collectives)
    out["collectives"].push_back(ToJson(collective));
  out["traffic"] = Json::array();
  for (const auto& traffic : report.traffic) out["traffic"].push_back(ToJson(traffic));
  if (!report.jobs.empty()) {
    out["jobs"] = Json::array();
    for (const JobReport& job : report.jobs) out["jobs"].push_back(ToJson(job));
  }
  if (report.iteration) {
    out["iteration"] = ToJson(*report.iteration);
    out["critical_path"] = CriticalPath(*report.iteration);
    out["what_if"] = WhatIf(*report.iteration);
  }
  if (report.coupling)
    out["coupling"] = {{"loose_s", ToJson(report.coupling->loose_s)},
                       {"tight_s", ToJson(report.coupling->tight_s)}};
  if (report.path_search)
    out["path_search"] = {{"qps", report.path_search->qps},
                          {"tried", report.path_search->tried},
                          {"shared", report.path_search->shared}};
  if (report.loose)
    out["loose"] = {{"operations", report.loose->operations},
                    {"time_low", 0.0},
                    {"time_high", report.loose->time_up_to},
                    {"basis", "docs/validation.md"}};
  out["links"] = ToJson(report.links);
  out["error"] = ToJson(report.error);
  out["calibration"] = nullptr;
  if (!report.calibration.name.empty())
    out["calibration"] = {{"file", report.calibration.name},
                          {"hash", report.calibration.digest},
                          {"in_range", OrNull(report.calibration.in_range)}};
  out["published"] = Json::array();
  for (const auto& row : report.published) out["published"].push_back(ToJson(row));
  out["missing"] = report.missing_terms;
  out["faults"] = Faults(report.faults);
  out["unmet"] = report.unmet;
  out["warnings"] = Warnings(report.warnings);
  return out;
}

Json Head(const char* schema) {
  Json out;
  out["schema"] = schema;
  out["weft"] = kWeftVersion;
  return out;
}

Json ReportJson(const RunReport& report) {
  Json out = Head("weft.run/1");
  out.update(Body(report));
  out["digest"] = Digest(out.dump());
  out["run"] = ToJson(report.run);
  return out;
}

Json Inputs(const Comparison& comparison) {
  Json out = Json::array();
  for (const InputDifference& input : comparison.inputs)
    out.push_back({{"key", input.key}, {"values", input.values}, {"ratio", nullptr}});
  for (const PairedDifference& paired : comparison.differences)
    out.push_back({{"key", paired.key},
                   {"case", paired.case_index},
                   {"values", {paired.base, paired.value}},
                   {"ratio", ToJson(paired.ratio)}});
  return out;
}

Json Curves(const Comparison& comparison) {
  Json out = Json::array();
  for (const LossCurve& curve : comparison.curves) {
    Json points = Json::array();
    for (const auto& [exposed, loss] : curve.points)
      points.push_back({{"exposed", exposed}, {"loss", loss}});
    out.push_back({{"case", curve.case_index},
                   {"slowdown", curve.slowdown},
                   {"points", points},
                   {"published_loss", curve.published_loss},
                   {"published_at_exposed", OrNull(curve.published_at)},
                   {"source", curve.source}});
  }
  return out;
}

Json ToJson(const FabricCounts& counts) {
  Json tiers = Json::array();
  for (const TierCount& tier : counts.tiers)
    tiers.push_back({{"name", tier.name},
                     {"switches", tier.switches},
                     {"links_down", tier.links_down},
                     {"links_up", tier.links_up},
                     {"oversubscription", OrNull(tier.oversubscription)}});
  return {{"gpus", counts.gpus}, {"hosts", counts.hosts},
          {"nics", counts.nics}, {"planes", counts.planes},
          {"tiers", tiers},      {"lateral_links", counts.lateral_links}};
}

}  // namespace

std::string TraceJson(const RunReport& report) {
  // The format of Chrome's tracing, which Perfetto reads: complete events in microseconds. Slices
  // of one thread may not cross (Perfetto drops those that do), so a track on which rings run at
  // once has a thread each, and times are rounded to nanoseconds at both ends alike.
  struct Thread {
    int id = 0;
    std::int64_t end_ns = 0;
  };
  Json events = Json::array();
  std::map<std::string, std::vector<Thread>> tracks;
  int threads = 0;
  const auto ns = [](double s) { return static_cast<std::int64_t>(std::llround(s * 1e9)); };
  std::vector<TraceEvent> sorted;
  if (report.iteration) sorted = report.iteration->trace;
  if (!sorted.empty() && report.iteration->repeats_skipped > 0) {
    const IterationReport& i = *report.iteration;
    sorted.push_back(
        {fmt::format("{} of {}: {} more repeats of the steady state, {} in all, are "
                     "counted as the last ones and not drawn",
                     FormatSeconds(i.split_of_s - i.skipped_s), FormatSeconds(i.split_of_s),
                     FormatCount(i.repeats_skipped), FormatSeconds(i.skipped_s)),
         "iteration", 0, i.split_of_s - i.skipped_s});
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const TraceEvent& a, const TraceEvent& b) { return a.start_s < b.start_s; });
  for (const TraceEvent& event : sorted) {
    const std::int64_t start = ns(event.start_s), end = ns(event.start_s + event.duration_s);
    std::vector<Thread>& track = tracks[event.track];
    auto thread = std::find_if(track.begin(), track.end(),
                               [&](const Thread& one) { return one.end_ns <= start; });
    if (thread == track.end()) {
      track.push_back({++threads, 0});
      thread = std::prev(track.end());
      const std::string more = track.size() == 1 ? "" : fmt::format(" ({})", track.size());
      events.push_back({{"name", "thread_name"},
                        {"ph", "M"},
                        {"pid", 1},
                        {"tid", thread->id},
                        {"args", {{"name", event.track + more}}}});
    }
    thread->end_ns = end;
    events.push_back({{"name", event.name},
                      {"ph", "X"},
                      {"pid", 1},
                      {"tid", thread->id},
                      {"ts", static_cast<double>(start) / 1e3},
                      {"dur", static_cast<double>(end - start) / 1e3}});
  }
  return Json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump() + '\n';
}

std::string RunReportJson(const RunReport& report) { return ReportJson(report).dump(2) + '\n'; }

std::string ComparisonJson(const Comparison& comparison) {
  Json out = Head("weft.compare/1");
  out["digest"] = "";
  out["partial"] = comparison.partial;
  out["base"] = comparison.labels.empty() ? Json(nullptr) : Json(comparison.labels[0]);
  out["cases"] = Json::array();
  for (std::size_t i = 0; i < comparison.cases.size(); ++i) {
    Json one;
    one["label"] = comparison.labels[i];
    one.update(Body(comparison.cases[i]));
    one.erase("digest");
    out["cases"].push_back(one);
  }
  out["differences"] = Inputs(comparison);
  out["published"] = Json::array();
  for (const auto& [index, row] : comparison.published) {
    Json one = ToJson(row);
    one["case"] = index;
    out["published"].push_back(one);
  }
  out["curves"] = Curves(comparison);
  out["digest"] = Digest(out.dump());
  RunStats run;
  for (const RunReport& report : comparison.cases) {
    run.wall_s += report.run.wall_s;
    run.sim_s += report.run.sim_s;
    run.events += report.run.events;
    run.folded += report.run.folded;
    run.memoised += report.run.memoised;
    if (run.not_folded.empty()) run.not_folded = report.run.not_folded;
    run.threads = std::max(run.threads, report.run.threads);
    run.peak_rss_bytes = std::max(run.peak_rss_bytes, report.run.peak_rss_bytes);
  }
  out["run"] = ToJson(run);
  return out.dump(2) + '\n';
}

namespace {

Json ToJson(const CableCount& one) {
  return {{"medium", std::string(NameOf(one.medium))},
          {"part", OrNull(one.part)},
          {"rate", FormatQuantity(one.rate.bits_per_second(), Unit::BIT_RATE)},
          {"rate_bps", one.rate.bits_per_second()},
          {"count", one.count},
          {"breakout", one.breakout},
          {"pieces", one.pieces},
          {"length_m",
           {{"shortest", one.shortest.count()},
            {"longest", one.longest.count()},
            {"total", one.total.count()}}}};
}

Json ToJson(const CablingSummary& cabling) {
  // To the milliwatt: sums of thousands of plugs carry no more.
  const auto watts = [](const std::optional<Watts>& power) {
    return power ? Json(std::round(power->count() * 1e3) / 1e3) : Json(nullptr);
  };
  Json out;
  out["cables"] = Json::array();
  for (const CableCount& one : cabling.cables) out["cables"].push_back(ToJson(one));
  out["optics"] = Json::array();
  for (const OpticCount& one : cabling.optics)
    out["optics"].push_back(
        {{"part", one.part}, {"count", one.count}, {"power_w", watts(one.draws)}});
  out["cages"] = Json::array();
  for (const CageCount& one : cabling.cages)
    out["cages"].push_back({{"of", one.device},
                            {"form", std::string(NameOf(one.form))},
                            {"all", one.all},
                            {"used", one.used},
                            {"reserved", one.reserved}});
  out["racks"] = {{"count", cabling.racks},
                  {"units", cabling.rack.units},
                  {"most_units", cabling.most_units},
                  {"power_limit_w", cabling.rack.power.count()},
                  {"most_power_w", watts(cabling.most_power)}};
  out["reserved"] = {{"hosts", cabling.reserved_hosts},
                     {"host_cables", cabling.reserved_host_cables},
                     {"switch_cables", cabling.reserved_switch_cables}};
  out["optics_power_w"] = watts(cabling.optics_draw);
  out["cables_power_w"] = watts(cabling.cables_draw);
  out["notes"] = cabling.notes;
  return out;
}

// To a thousandth: sums of thousands of parts carry no more.
double Milli(double value) { return std::round(value * 1e3) / 1e3; }

template <class Quantity>
Json RangeJson(const std::optional<Range<Quantity>>& range, const char* unit,
               const std::vector<std::string>& missing) {
  Json out;
  const auto put = [&](const char* which, Quantity value) {
    out[fmt::format("{}_{}", which, unit)] = range ? Json(Milli(value.count())) : Json(nullptr);
  };
  const Range<Quantity> all = range.value_or(Range<Quantity>{});
  put("low", all.low);
  put("mid", all.mid);
  put("high", all.high);
  out["missing"] = missing;
  return out;
}

}  // namespace

std::string TopologyJson(const std::string& name, const Fabric& fabric,
                         const TopologyFigures& figures) {
  Json out = Head("weft.topology/1");
  out["fabric"] = name;
  out.update(ToJson(fabric.counts()));
  const auto number = [](const auto& figure, auto get) {
    return figure ? Json(get(*figure)) : Json(nullptr);
  };
  out["limits"] = {{"tier1_gpus", OrNull(fabric.limits().tier1_gpus)},
                   {"tier2_gpus", OrNull(fabric.limits().tier2_gpus)}};
  const auto rule = [](const std::optional<SwitchRule>& one) {
    return one ? Json{{"minimum", one->minimum}, {"even", one->even}, {"policy", one->policy}}
               : Json(nullptr);
  };
  out["spines"] = rule(fabric.spine_rule());
  out["cores"] = rule(fabric.core_rule());
  out["constructible"] = fabric.constructible();
  out["bisection_bps"] =
      number(figures.bisection, [](BitRate rate) { return rate.bits_per_second(); });
  out["bisection_cut"] = OrNull(figures.bisection_cut);
  // A sum that lacks a part is no figure of the fabric; what is known of it stands in the range.
  const bool powered = figures.power && figures.unpowered.empty(),
             priced = figures.price && figures.unpriced.empty();
  out["power_w"] = powered ? Json(Milli(figures.power->mid.count())) : Json(nullptr);
  out["price_usd"] = priced ? Json(Milli(figures.price->mid.count())) : Json(nullptr);
  out["power"] = RangeJson(figures.power, "w", figures.unpowered);
  out["price"] = RangeJson(figures.price, "usd", figures.unpriced);
  if (figures.price) out["price"]["unverified_share"] = Milli(figures.unverified_share);
  if (fabric.provisioned() != fabric.counts()) out["provisioned"] = ToJson(fabric.provisioned());
  out["cabling"] = figures.cabling ? ToJson(*figures.cabling) : Json(nullptr);
  if (!figures.cabling) out["no_cabling"] = OrNull(figures.no_cabling);
  out["names"] = NameRanges(fabric);
  out["notes"] = fabric.notes();
  return out.dump(2) + '\n';
}

}  // namespace weft
