// From a question to a plan: size, enumerate, screen, simulate the finalists, decide.
//
//   question ─> sizing ─> candidates ─> feasible ─> by bound ─> simulated ─> ranked
//                             │ rejected: each with the rule that binds
//
// Finalists are simulated in the order of their bound, the metric at the closed-form bound of
// every job's time, until the next bound is no better than the best that was simulated. A cap
// (decide.finalists) is a limit: the report says how many could still be better. Fabrics are
// ranked within one accelerator, where what nobody knows about its compute cancels; accelerators
// against each other with it, by the best fabric of each. The two rankings never mix: a plan is
// clear where both are.
//
// Without jobs nothing says what bandwidth is worth: then the first is the cheapest plan among
// those with the most bandwidth of an accelerator, and the report says so.
//
// Errors   MakePlan: nothing but what simulations find wrong; a question without a feasible plan
//          is a report without a best one.
// Cost     screening some 30 us a candidate; a simulation what RunScenario costs.
// Repeats  same question, same report, whatever the threads and whatever the store held.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "hardware/catalogue.h"

namespace weft {

class ResultStore;
struct Question;

// A job's checkpoints: how often, and the share of time that is useful, to first order and exactly
// (reliability/reliability.h).
struct PlanEttr {
  double stops_per_month = 0, interval_s = 0, ettr = 1, exact = 1;
};

// Events a month of a plan's fabric as built.
struct PlanFailureRow {
  std::string name, scope, effect;  // effect: "stops", "degrades", "masked"
  bool flap = false;
  std::int64_t elements = 0;
  double low = 0, mid = 0, high = 0;
};
struct PlanFailures {
  double stops = 0, degradations = 0, masked = 0;
  std::vector<PlanFailureRow> rows;
  std::optional<PlanEttr> all;  // of a job on all of its GPUs; none: nothing stops it
};

struct PlanJobRow {
  std::string name;
  double share = 1, exposed = 0;                // exposed: of training as simulated
  std::optional<double> mfu;                    // of training, at the median
  std::optional<double> median_s, p5_s, p95_s;  // none: not simulated
  double bound_s = 0;
  // Of one that page one shows or that was ranked, and can be bought.
  std::optional<double> speed = {}, goodput = {};
  std::optional<PlanEttr> ettr = {};
};

struct PlanRow {
  std::string id, family;
  std::vector<std::string> roles;  // "best", "runner-up", "cheapest", "non-blocking", …
  std::map<std::string, std::string> parameters;
  bool feasible = true;
  std::string rule, binding;  // of an infeasible one
  std::int64_t accelerators = 0, hosts = 0, leaves = 0, spines = 0, cores = 0, racks = 0,
               cables = 0;
  double capex_low = 0, capex_mid = 0, capex_high = 0, network_usd = 0;
  double power_w = 0, site_w = 0, gpu_rate_bps = 0, oversubscription = 1;
  std::vector<PlanJobRow> jobs;
  bool ranked = false, simulated = false, exact = false;  // ranked: among the finalists
  double speed = 1, goodput = 1, stops_per_month = 0, stopped_share = 0;
  std::int64_t reach_gpus = 0;
  std::string worst_part;
  std::optional<PlanFailures> failures;  // likewise
  double metric = 0, metric_p5 = 0, metric_p95 = 0;
  double p_first = 0, regret_usd = 0;  // among the fabrics of its accelerator
};

// The fabrics of one accelerator, and that accelerator among the others.
struct PlanRanking {
  std::string accelerator, best;  // best: id
  bool clear = false;
  double p_first = 0, regret_usd = 0;  // of its best among its fabrics
  std::vector<std::string> tie;        // ids, the best first
  std::string measure;                 // what would split them
  double p_accelerator = 0, accelerator_regret_usd = 0;
};

// Two plans that the question names: how often a costs less for the same work, and what b costs
// over what a does.
struct PlanPair {
  std::string a, b;
  double p_a = 0, ratio_p5 = 1, ratio = 1, ratio_p95 = 1;
};

struct PlanSizing {
  std::string accelerator, basis, note, network;
  std::optional<double> rate;
  bool assumed = false;
  std::optional<std::int64_t> accelerators, hosts;
  std::optional<double> server_w, site_w;
};

// A further need: how many of each accelerator, by the basis.
struct PlanTarget {
  std::string name, compute, said;
  bool integer = false;
  struct Count {
    std::string accelerator, basis;
    std::optional<std::int64_t> accelerators;  // none: no such rate
  };
  std::vector<Count> counts;
};

// A family that was searched, and how many of its candidates break no rule.
struct PlanFamily {
  std::string name;
  std::int64_t candidates = 0, feasible = 0;
};

// One of each job at once on a plan's fabric, each packed behind the one before.
struct PlanBesideJob {
  std::string job;
  double slowdown = 1, p5 = 1, p95 = 1;  // its time over that alone, over the hash seeds
};
struct PlanBeside {
  std::string plan;  // id
  std::vector<PlanBesideJob> jobs;
  double metric = 0;  // with these times, which the ranking does not take
};

struct PlanFlip {
  std::string input, unit, then, source;
  double now = 0, value = 0;
  // `then` is first at `value`, and may be from here on: the search ended early.
  std::optional<double> from = {};
};

struct PlanBomRow {
  std::string part, use, source, date, mark;
  std::int64_t quantity = 0;
  bool spare = false;
  std::optional<double> usd_low, usd_mid, usd_high, watts;
};

struct PlanRule {
  std::string rule, said;
  bool ok = true;
};

struct PlanRejected {
  std::string id, rule, said;
};

// What a report was made of, so that it can be made again.
struct PlanInput {
  std::string file, text;  // the question, as it was read
  std::vector<std::string> sets;
  std::vector<std::pair<std::string, std::string>> files;  // others that it names, each's digest
  bool screen_only = false;
};

struct PlanReport {
  PlanInput input;  // filled by who read the question
  std::string name;
  std::string need;        // "5000 PFLOPS of bf16", "2,048 GPUs"
  std::string first_line;  // the trap of the need, where it has one
  std::string sentence;
  std::optional<std::string> best;  // id
  // clear: best is first among its accelerator's fabrics, and that accelerator among the others.
  // trains: every job does, so that the speed of each row is an MFU.
  bool clear = false, integer = false, screen_only = false, partial = false, trains = false;
  double p_first = 0, regret_usd = 0, confidence = 0.8;  // among its accelerator's fabrics
  std::vector<std::string> tie;                          // ids
  std::string measure;                                   // what would split it
  std::vector<PlanRanking> rankings;                     // accelerators, the best first
  bool accelerator_clear = false;
  std::vector<std::string> accelerator_tie;  // names
  std::string accelerator_measure;
  std::vector<PlanPair> pairs;
  std::vector<PlanRow> screened;               // feasible, and neither shown nor ranked
  std::vector<PlanFamily> families = {};       // that were searched
  std::vector<std::string> not_searched = {};  // families, each with the reason
  std::vector<PlanSizing> sizing;
  std::vector<PlanTarget> targets;
  std::vector<PlanRow> rows;  // shown first, in the order of their roles; then by metric
  std::size_t shown = 0;
  std::vector<PlanFlip> flips;              // between the fabrics of the best's accelerator
  std::vector<PlanFlip> accelerator_flips;  // where another accelerator is first
  std::vector<PlanBomRow> bom;              // of the best
  std::vector<PlanRule> rules;              // of the best
  std::vector<PlanRejected> rejected;
  std::int64_t candidates = 0, feasible = 0, simulated = 0, could_still_win = 0;
  double unverified_share = 0;
  std::vector<std::string> unpriced;
  // How far communication time may be off, 5-95 %: a ratio either way, of a calibration's held-out
  // tables or assumed.
  double communication = 1;
  bool communication_held_out = false;
  std::vector<PlanBeside> beside;  // of the best and the next; empty: see beside_note
  std::string beside_note;         // why not, where there are several jobs
  std::string workload_note;       // of the flips for which jobs were simulated again
  std::vector<std::string> notes;  // what the ranking rests on
  std::vector<std::string> not_modelled;
  std::vector<std::string> overrides;  // of the catalogue
  std::string bom_csv, links_csv, ports_csv, racks_csv;
};

struct PlanControl {
  int jobs = 1;
  bool screen_only = false, explain = false, files = false;  // files: `screened` too
  ResultStore* store = nullptr;
  std::function<bool()> stop;                                // true: end with what there is
  std::function<void(const std::string&, double)> progress;  // what is done, share in [0, 1]
};

Result<PlanReport> MakePlan(const Question& question, const PlanControl& control);

}  // namespace weft
