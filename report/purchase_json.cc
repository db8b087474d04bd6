#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>

#include "base/digest.h"
#include "base/version.h"
#include "report/json_internal.h"
#include "report/numbers.h"
#include "report/purchase.h"
#include "report/table.h"

namespace weft {
namespace {

Json RangeJson(double low, double mid, double high) {
  return {{"low", low}, {"mid", mid}, {"high", high}};
}

Json ToJson(const PlanSizing& row) {
  return {{"accelerator", row.accelerator},
          {"basis", row.basis},
          {"rate_ops", OrNull(row.rate)},
          {"rate_assumed", row.assumed},
          {"accelerators", OrNull(row.accelerators)},
          {"hosts", OrNull(row.hosts)},
          {"server_w", OrNull(row.server_w)},
          {"site_w", OrNull(row.site_w)},
          {"network", OrNull(row.network)},
          {"note", OrNull(row.note)}};
}

Json ToJson(const std::optional<PlanEttr>& one) {
  if (!one) return nullptr;
  return {{"stops_per_month", one->stops_per_month},
          {"interval_s", one->interval_s},
          {"ettr", one->ettr},
          {"ettr_exact", one->exact}};
}

Json ToJson(const PlanJobRow& job) {
  Json time = nullptr;
  if (job.median_s) time = {{"median", *job.median_s}, {"p5", *job.p5_s}, {"p95", *job.p95_s}};
  return {{"job", job.name},
          {"share", job.share},
          {"exposed", job.exposed},
          {"mfu", OrNull(job.mfu)},
          {"bound_s", job.bound_s},
          {"time_s", time},
          {"speed", OrNull(job.speed)},
          {"goodput", OrNull(job.goodput)},
          {"checkpoints", ToJson(job.ettr)}};
}

Json ToJson(const PlanFailures& all) {
  Json rows = Json::array();
  for (const PlanFailureRow& row : all.rows)
    rows.push_back({{"name", row.name},
                    {"scope", row.scope},
                    {"effect", row.effect},
                    {"flap", row.flap},
                    {"elements", row.elements},
                    {"monthly", RangeJson(row.low, row.mid, row.high)}});
  return {{"stops", all.stops},
          {"degradations", all.degradations},
          {"masked", all.masked},
          {"rows", rows},
          {"job_on_all", ToJson(all.all)}};
}

Json ToJson(const PlanRow& row) {
  Json out = {
      {"id", row.id},
      {"family", row.family},
      {"roles", row.roles},
      {"parameters", row.parameters},
      {"feasible", row.feasible},
      {"binding", row.feasible ? Json(nullptr) : Json{{"rule", row.rule}, {"said", row.binding}}}};
  out["accelerators"] = row.accelerators;
  out["hosts"] = row.hosts;
  out["switches"] = {{"leaf", row.leaves}, {"spine", row.spines}, {"core", row.cores}};
  out["cables"] = row.cables;
  out["racks"] = row.racks;
  out["capex_usd"] = RangeJson(row.capex_low, row.capex_mid, row.capex_high);
  out["network_usd"] = row.network_usd;
  out["power_w"] = row.power_w;
  out["site_w"] = row.site_w;
  out["gpu_rate_bps"] = row.gpu_rate_bps;
  out["oversubscription"] = row.oversubscription;
  out["reach_gpus"] = row.reach_gpus;
  out["worst_part"] = {{"name", row.worst_part}, {"stops_share", row.stopped_share}};
  out["jobs"] = Json::array();
  for (const PlanJobRow& job : row.jobs) out["jobs"].push_back(ToJson(job));
  out["time_s"] = row.jobs.empty() ? Json(nullptr) : out["jobs"][0]["time_s"];
  out["simulated"] = row.simulated;
  out["exact_bill"] = row.exact;
  // Of one that cannot be bought, or that a stopped run did not come to, there are none.
  const bool figures = row.feasible && row.metric > 0;
  out["speed"] = figures ? Json(row.speed) : Json(nullptr);
  out["goodput"] = figures ? Json(row.goodput) : Json(nullptr);
  out["stops_per_month"] = figures ? Json(row.stops_per_month) : Json(nullptr);
  out["failures"] = row.failures ? ToJson(*row.failures) : Json(nullptr);
  out["usd_per_useful_pflop_day"] =
      figures ? RangeJson(row.metric_p5, row.metric, row.metric_p95) : Json(nullptr);
  out["p_first"] = row.ranked ? Json(row.p_first) : Json(nullptr);
  out["regret_usd"] = row.ranked ? Json(row.regret_usd) : Json(nullptr);
  return out;
}

Json ToJson(const PlanInput& input) {
  Json files = Json::array();
  for (const auto& [file, digest] : input.files)
    files.push_back({{"file", file}, {"digest", digest}});
  return {{"file", input.file},
          {"text", input.text},
          {"sets", input.sets},
          {"screen_only", input.screen_only},
          {"files", files}};
}

// The fabrics of one accelerator.
Json ToJson(const PlanRanking& one) {
  return {{"accelerator", one.accelerator},
          {"best", one.best},
          {"clear", one.clear},
          {"p_first", one.p_first},
          {"regret_usd", one.regret_usd},
          {"tie", one.tie},
          {"measure", OrNull(one.measure)},
          {"p_accelerator", one.p_accelerator},
          {"accelerator_regret_usd", one.accelerator_regret_usd}};
}

// The accelerator of the best plan among the others.
Json AcceleratorJson(const PlanReport& report) {
  if (report.rankings.empty()) return nullptr;
  return {{"name", report.rankings[0].accelerator},
          {"clear", report.accelerator_clear},
          {"p_first", report.rankings[0].p_accelerator},
          {"regret_usd", report.rankings[0].accelerator_regret_usd},
          {"tie", report.accelerator_tie},
          {"measure", OrNull(report.accelerator_measure)}};
}

Json ToJson(const PlanBomRow& row) {
  return {{"part", row.part},
          {"use", row.use},
          {"quantity", row.quantity},
          {"spare", row.spare},
          {"unit_usd",
           row.usd_mid ? RangeJson(*row.usd_low, *row.usd_mid, *row.usd_high) : Json(nullptr)},
          {"watts", OrNull(row.watts)},
          {"source", OrNull(row.source)},
          {"date", OrNull(row.date)},
          {"mark", OrNull(row.mark)}};
}

Json ToJson(const std::vector<PlanFlip>& flips) {
  Json out = Json::array();
  for (const PlanFlip& flip : flips)
    out.push_back({{"input", flip.input},
                   {"now", flip.now},
                   {"value", flip.value},
                   {"from", OrNull(flip.from)},
                   {"unit", flip.unit},
                   {"then", flip.then},
                   {"source", flip.source}});
  return out;
}

Json ToJson(const PlanBeside& one) {
  Json jobs = Json::array();
  for (const PlanBesideJob& job : one.jobs)
    jobs.push_back({{"job", job.job},
                    {"slowdown", {{"p5", job.p5}, {"median", job.slowdown}, {"p95", job.p95}}}});
  return {{"plan", one.plan}, {"jobs", jobs}, {"usd_per_useful_pflop_day", one.metric}};
}

Json ToJson(const PlanTarget& target) {
  Json counts = Json::array();
  for (const PlanTarget::Count& count : target.counts)
    counts.push_back({{"accelerator", count.accelerator},
                      {"basis", count.basis},
                      {"accelerators", OrNull(count.accelerators)}});
  return {{"name", target.name},
          {"compute", target.compute},
          {"said", OrNull(target.said)},
          {"counts", counts}};
}

// As people read it: a list's values with room to break the line between them.
std::string DifferText(const Json& one) {
  if (one.is_null() || (one.is_array() && one.empty())) return "none";
  if (one.is_string()) return one.get<std::string>();
  if (one.is_boolean()) return one.get<bool>() ? "yes" : "no";
  if (one.is_number()) return FormatFigure(one.get<double>(), 6);
  if (!one.is_array()) return one.dump();
  std::string out;
  for (const Json& item : one) out += (out.empty() ? "" : ", ") + DifferText(item);
  return out;
}

// What a key of the JSON is called, and in which unit its value is shown.
struct Called {
  const char *key, *name, *unit = "";
  double scale = 1;
};

constexpr Called kParameters[] = {{"nic_ports", "ports of a NIC"},
                                  {"nic", "rate of a NIC"},
                                  {"uplink", "rate between switches"},
                                  {"oversubscription", "oversubscription of leaves"},
                                  {"spine_oversubscription", "oversubscription of spines"},
                                  {"p", "endpoints of a router"},
                                  {"a", "routers of a group"},
                                  {"h", "global cables of a router"},
                                  {"q", "q of the Slim Fly"}};

constexpr Called kFigures[] = {{"network_usd", "price of the network", " USD"},
                               {"site_w", "power of the site", " MW", 1e-6},
                               {"speed", "speed"},
                               {"goodput", "share of the time that is useful", " %", 100},
                               {"stops_per_month", "stops a month"}};

// One line of a difference: where, and the two values.
void Differ(const Called& what, const Json& a, const Json& b, std::string& out, int width) {
  if (a == b) return;
  const auto text = [&](const Json& one) {
    if (!one.is_number()) return DifferText(one);
    return DifferText(one.get<double>() * what.scale) + what.unit;
  };
  std::string line = fmt::format("{}: {} -> {}", what.name, text(a), text(b));
  if (a.is_number() && b.is_number() && what.unit == std::string_view(" %"))
    line += fmt::format(" ({:+.2f} points)", (b.get<double>() - a.get<double>()) * what.scale);
  else if (a.is_number() && b.is_number() && a.get<double>() != 0)
    line += fmt::format(" ({:+.2f} %)", (b.get<double>() / a.get<double>() - 1) * 100);
  out += Wrap(line, width, 2) + '\n';
}
void Differ(const std::string& what, const Json& a, const Json& b, std::string& out, int width) {
  Differ(Called{"", what.c_str()}, a, b, out, width);
}

Json At(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  for (const char* key : path) {
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &(*at)[key];
  }
  return *at;
}

// The row of the best plan.
Json BestRow(const Json& plan) {
  const Json best = At(plan, {"answer", "best"});
  for (const Json& row : plan["candidates"])
    if (row["id"] == best) return row;
  return nullptr;
}

// Rows of a bill by part and use; of several alike, at other prices, the second is "#2".
std::map<std::string, Json> ByUse(const Json& bill) {
  std::map<std::string, Json> out;
  for (const Json& one : bill) {
    const std::string name =
        fmt::format("{} ({})", one["part"].get<std::string>(), one["use"].get<std::string>());
    std::string key = name;
    for (int n = 2; out.count(key) > 0; ++n) key = fmt::format("{} #{}", name, n);
    out[key] = one;
  }
  return out;
}

// Key by key, in words where there are some; `after` each.
void DifferKeys(const Json& a, const Json& b, const std::string& after, std::string& out,
                int width) {
  std::set<std::string> keys;
  for (const Json* one : {&a, &b})
    if (one->is_object())
      for (const auto& [key, value] : one->items()) keys.insert(key);
  for (const std::string& key : keys) {
    const auto* const called =
        std::find_if(std::begin(kParameters), std::end(kParameters),
                     [&](const Called& one) { return after.empty() && one.key == key; });
    Differ((called == std::end(kParameters) ? key : called->name) + after, At(a, {key.c_str()}),
           At(b, {key.c_str()}), out, width);
  }
}

// What of a list, or of a text line by line, the other lacks.
std::vector<std::string> LinesOf(const Json& json) {
  std::vector<std::string> out;
  if (json.is_array()) {
    for (const Json& one : json)
      out.push_back(one.is_string() ? one.get<std::string>() : one.dump());
  } else if (json.is_string()) {
    std::string line;
    for (const char c : json.get<std::string>() + '\n') {
      if (c != '\n') {
        line += c;
        continue;
      }
      line.erase(line.find_last_not_of(" \r\t") + 1);
      if (!line.empty()) out.push_back(line);
      line.clear();
    }
  }
  return out;
}

void DifferLines(const std::string& what, const Json& a, const Json& b, std::string& out,
                 int width) {
  const std::vector<std::string> of[] = {LinesOf(a), LinesOf(b)};
  for (const int side : {0, 1}) {
    std::vector<std::string> others = of[1 - side];
    for (const std::string& line : of[side]) {
      const auto same = std::find(others.begin(), others.end(), line);
      if (same == others.end())
        out +=
            Wrap(fmt::format("{}, {}: {}", what, side == 0 ? "before" : "after", line), width, 2) +
            '\n';
      else
        others.erase(same);
    }
  }
}

// By the work that the plans' costs are of; earlier versions' do not say which of the two.
std::string CostName(const Json& a, const Json& b) {
  const auto work = [](const Json& plan) {
    const Json said = At(plan, {"answer", "usd_per_useful"});
    return said.is_string() ? said.get<std::string>() : std::string("PFLOP-day or POP-day");
  };
  const std::string before = work(a), after = work(b);
  return fmt::format("USD a useful {}{}", before, before == after ? "" : ", after: a " + after);
}

// The next of the same accelerator.
Json RunnerUp(const Json& plan) {
  for (const Json& row : plan["candidates"]) {
    const Json roles = At(row, {"roles"});
    if (roles.is_array() && std::find(roles.begin(), roles.end(), Json("runner-up")) != roles.end())
      return row["id"];
  }
  return nullptr;
}

}  // namespace

std::string PlanJson(const PlanReport& report) {
  Json out;
  out["schema"] = "weft.plan/1";
  out["weft"] = kWeftVersion;
  out["plan"] = report.name;
  out["digest"] = "";
  out["need"] = report.need;
  out["question"] = ToJson(report.input);
  out["partial"] = report.partial;
  out["answer"] = {{"best", OrNull(report.best)},
                   {"sentence", report.sentence},
                   {"usd_per_useful", report.integer ? "POP-day" : "PFLOP-day"},
                   {"clear", report.clear},
                   {"p_first", report.p_first},
                   {"regret_usd", report.regret_usd},
                   {"tie", report.tie},
                   {"measure", OrNull(report.measure)},
                   {"accelerator", AcceleratorJson(report)}};
  out["rankings"] = Json::array();
  for (const PlanRanking& one : report.rankings) out["rankings"].push_back(ToJson(one));
  out["pairs"] = Json::array();
  for (const PlanPair& pair : report.pairs)
    out["pairs"].push_back(
        {{"a", pair.a},
         {"b", pair.b},
         {"p_a", pair.p_a},
         {"b_over_a", {{"p5", pair.ratio_p5}, {"median", pair.ratio}, {"p95", pair.ratio_p95}}}});
  out["first_line"] = OrNull(report.first_line);
  out["sizing"] = Json::array();
  for (const PlanSizing& row : report.sizing) out["sizing"].push_back(ToJson(row));
  out["targets"] = Json::array();
  for (const PlanTarget& target : report.targets) out["targets"].push_back(ToJson(target));
  out["searched"] = {{"candidates", report.candidates},
                     {"feasible", report.feasible},
                     {"simulated", report.simulated},
                     {"could_still_win", report.could_still_win},
                     {"not_searched", report.not_searched}};
  out["searched"]["families"] = Json::array();
  for (const PlanFamily& one : report.families)
    out["searched"]["families"].push_back(
        {{"family", one.name}, {"candidates", one.candidates}, {"feasible", one.feasible}});
  out["candidates"] = Json::array();
  for (const PlanRow& row : report.rows) out["candidates"].push_back(ToJson(row));
  out["flips"] = ToJson(report.flips);
  out["accelerator_flips"] = ToJson(report.accelerator_flips);
  out["beside"] = Json::array();
  for (const PlanBeside& one : report.beside) out["beside"].push_back(ToJson(one));
  out["bom"] = Json::array();
  for (const PlanBomRow& row : report.bom) out["bom"].push_back(ToJson(row));
  out["rules"] = Json::array();
  for (const PlanRule& rule : report.rules)
    out["rules"].push_back({{"rule", rule.rule}, {"ok", rule.ok}, {"said", rule.said}});
  out["unverified_share"] = report.unverified_share;
  out["unpriced"] = report.unpriced;
  if (report.communication > 1)
    out["communication_error"] = {{"low", 1 / report.communication - 1},
                                  {"high", report.communication - 1},
                                  {"basis", report.communication_held_out ? "held-out" : "none"}};
  out["notes"] = report.notes;
  out["overrides"] = report.overrides;
  out["missing"] = report.not_modelled;
  out["digest"] = Digest(out.dump());
  return out.dump(2) + '\n';
}

bool IsPlanJson(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  const auto rows = [&](const char* key, std::initializer_list<const char*> texts) {
    if (!json.contains(key) || !json[key].is_array()) return false;
    return std::all_of(json[key].begin(), json[key].end(), [&](const Json& row) {
      return std::all_of(texts.begin(), texts.end(), [&](const char* word) {
        return row.is_object() && row.contains(word) && row[word].is_string();
      });
    });
  };
  return json.is_object() && json.contains("schema") && json["schema"] == "weft.plan/1" &&
         json.contains("answer") && json["answer"].is_object() && rows("candidates", {"id"}) &&
         rows("bom", {"part", "use"});
}

PlanInput PlanInputOf(const std::string& text) {
  const Json json = Json::parse(text);
  PlanInput out;
  const Json question = At(json, {"question"});
  const auto text_of = [](const Json& from, const char* key) {
    const Json value = At(from, {key});
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  out.file = text_of(question, "file");
  out.text = text_of(question, "text");
  out.screen_only = At(question, {"screen_only"}) == true;
  for (const Json& one : At(question, {"sets"}))
    if (one.is_string()) out.sets.push_back(one.get<std::string>());
  for (const Json& one : At(question, {"files"}))
    out.files.emplace_back(text_of(one, "file"), text_of(one, "digest"));
  return out;
}

std::string PlanDifference(const std::string& a_text, const std::string& b_text, int width) {
  const Json a = Json::parse(a_text), b = Json::parse(b_text);
  std::string decisions, figures, bill, inputs, notes;
  Differ("best", At(a, {"answer", "best"}), At(b, {"answer", "best"}), decisions, width);
  Differ("clear", At(a, {"answer", "clear"}), At(b, {"answer", "clear"}), decisions, width);
  Differ("tie", At(a, {"answer", "tie"}), At(b, {"answer", "tie"}), decisions, width);
  const Json best_a = BestRow(a), best_b = BestRow(b);
  for (const char* key : {"accelerators", "hosts"})
    Differ(key, At(best_a, {key}), At(best_b, {key}), decisions, width);
  DifferKeys(At(best_a, {"switches"}), At(best_b, {"switches"}), " switches", decisions, width);
  DifferKeys(At(best_a, {"parameters"}), At(best_b, {"parameters"}), "", decisions, width);
  Differ("accelerator", At(a, {"answer", "accelerator", "name"}),
         At(b, {"answer", "accelerator", "name"}), decisions, width);
  Differ("runner-up", RunnerUp(a), RunnerUp(b), decisions, width);
  Differ({"", "P(first)", " %", 100}, At(a, {"answer", "p_first"}), At(b, {"answer", "p_first"}),
         figures, width);
  Differ({"", "price", " USD"}, At(best_a, {"capex_usd", "mid"}), At(best_b, {"capex_usd", "mid"}),
         figures, width);
  for (const Called& one : kFigures)
    Differ(one, At(best_a, {one.key}), At(best_b, {one.key}), figures, width);
  Differ(CostName(a, b), At(best_a, {"usd_per_useful_pflop_day", "mid"}),
         At(best_b, {"usd_per_useful_pflop_day", "mid"}), figures, width);
  const auto rows_a = ByUse(a["bom"]), rows_b = ByUse(b["bom"]);
  std::set<std::string> parts;
  for (const auto& [part, row] : rows_a) parts.insert(part);
  for (const auto& [part, row] : rows_b) parts.insert(part);
  const auto row_of = [](const std::map<std::string, Json>& rows, const std::string& part) {
    return rows.count(part) > 0 ? rows.at(part) : Json(nullptr);
  };
  for (const std::string& part : parts) {
    const Json row_a = row_of(rows_a, part), row_b = row_of(rows_b, part);
    Differ(part + ", quantity", At(row_a, {"quantity"}), At(row_b, {"quantity"}), bill, width);
    Differ(part + ", USD each", At(row_a, {"unit_usd", "mid"}), At(row_b, {"unit_usd", "mid"}),
           bill, width);
    Differ(part + ", W each", At(row_a, {"watts"}), At(row_b, {"watts"}), bill, width);
  }
  Differ("need", At(a, {"need"}), At(b, {"need"}), inputs, width);
  for (const char* key : {"text", "sets"})
    DifferLines("question", At(a, {"question", key}), At(b, {"question", key}), inputs, width);
  Differ("screen only", At(a, {"question", "screen_only"}), At(b, {"question", "screen_only"}),
         inputs, width);
  for (const auto& [key, name] :
       {std::pair{"overrides", "overridden"}, {"missing", "not in the plan"}})
    DifferLines(name, At(a, {key}), At(b, {key}), inputs, width);
  DifferLines("notes", At(a, {"notes"}), At(b, {"notes"}), notes, width);
  std::string out;
  for (const auto& [title, text] : {std::pair{"decisions", decisions},
                                    {"figures of the best", figures},
                                    {"bill", bill},
                                    {"inputs", inputs},
                                    {"notes", notes}})
    if (!text.empty()) out += fmt::format("{}{}\n{}", out.empty() ? "" : "\n", title, text);
  return out;
}

}  // namespace weft
