// What the report says in words: of the need, of the jobs, of what the ranking rests on.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/format_count.h"
#include "planner/bill.h"
#include "planner/planning_internal.h"

namespace weft {

// What, once known, would make the first surest: a quote first, then a calibration, then months.
// `row`: of a contender among its fabrics, else of an accelerator among the others.
std::string Planning::MeasureOf(const Decision& decision, bool fabrics, std::size_t row) {
  struct Source {
    const char *name, *words;
  };
  constexpr Source kSources[] = {
      {"prices", "quotes for the parts that differ (catalogue: [quotes.yaml])"},
      {"compute", "one model's iteration on one host of each accelerator"},
      {"communication", "a table of nccl-tests on each family, held against weft"},
      {"failures", "failure logs of such parts over months"}};
  double most = 0;
  std::string out;
  for (const Source& source : kSources) {
    // What is common to all of them splits nothing.
    if (fabrics && std::string_view(source.name) == "compute") continue;
    const auto [known, is_new] = known_.try_emplace(source.name);
    if (is_new) known->second = decision.Draw(source.name);
    const Decision::Odds& odds = known->second;
    const double p = fabrics ? odds.p_first[row] : odds.p_accelerator[row];
    const bool splits = p >= out_.confidence;
    if (splits || p > most) {
      out = fmt::format("{}: P(first) {:.0f} % if known{}", source.words, p * 100,
                        splits ? "" : ", which does not split them alone");
      most = p;
    }
    if (splits) break;
  }
  return out;
}

// What the bills are, of what is shown and of what is not.
void Planning::SayBuilt() {
  if (built_ > 0)
    out_.notes.push_back(fmt::format(
        "Plans are picked by a screened bill, and shown and ranked by that of their fabric built "
        "and cabled: of {} built, the screened price was {:+.2f} % to {:+.2f} % off.",
        FormatCount(built_), screened_below_ * 100, screened_above_ * 100));
  std::set<std::uint32_t> seen;
  for (const std::size_t i : order_) {
    const Candidate& it = candidates_[i];
    const AcceleratorChoice& choice = question_.accelerators[it.accelerator];
    if (choice.part.gpus != choice.gpus_of_host && seen.insert(it.accelerator).second)
      out_.notes.push_back(fmt::format(
          "{} comes in supernodes of {}: its network is that of its servers of {}{}", choice.name,
          choice.part.gpus, choice.gpus_of_host,
          simulates() ? ", and jobs were simulated with no scale-up network beyond a server" : ""));
  }
}

// Accelerators that were sized and are in no ranking.
void Planning::SayUnranked() {
  std::set<std::uint32_t> ranked;
  for (const std::size_t i : order_) ranked.insert(candidates_[i].accelerator);
  for (const SizingRow& row : sizing_) {
    if (row.basis != question_.bases[0] || ranked.count(row.accelerator) > 0) continue;
    if (!row.accelerators) {
      out_.notes.push_back(fmt::format("{} is not planned nor ranked: {}", row.name, row.note));
      continue;
    }
    const auto of = [&](const Candidate& one) { return one.accelerator == row.accelerator; };
    const auto plans = std::count_if(candidates_.begin(), candidates_.end(), of);
    const bool some = std::any_of(candidates_.begin(), candidates_.end(),
                                  [&](const Candidate& one) { return of(one) && one.feasible(); });
    const std::size_t near = NearestMiss(row.accelerator);
    if (some)
      out_.notes.push_back(
          fmt::format("{} is not ranked: stopped before a plan of it was", row.name));
    else if (near == kNoCandidate)
      out_.notes.push_back(fmt::format("{} is not ranked: it has no plan to try", row.name));
    else
      out_.notes.push_back(
          fmt::format("{} is not ranked: none of its {} plans is feasible; nearest: {} ({}: {})",
                      row.name, FormatCount(plans), candidates_[near].id,
                      candidates_[near].broken[0].rule, candidates_[near].broken[0].said));
  }
}

// What breaks in the best plan, what that leaves of the time, and which stops hang on how many
// flaps a job does not outlast.
void Planning::SayFailures() {
  if (order_.empty() || out_.rows.empty() || !out_.rows[0].failures) return;
  const PlanFailures& all = *out_.rows[0].failures;
  std::string note = fmt::format(
      "Of the best plan's parts a month: {} stops, {} degradations, {} masked",
      FormatFigure(all.stops, 3), FormatFigure(all.degradations, 3), FormatFigure(all.masked, 3));
  std::string whose = "a job on all of it";
  std::optional<PlanEttr> ettr = all.all;
  for (const PlanJobRow& job : out_.rows[0].jobs)
    if (job.ettr && (!ettr || &job == &out_.rows[0].jobs[0] || job.ettr->ettr < ettr->ettr)) {
      ettr = job.ettr;
      whose = job.name;
    }
  if (ettr)
    note += fmt::format(
        "; {}, with a checkpoint every {} min, is at work {:.1f} % of the time "
        "by the first-order formula, {:.1f} % by the exact one",
        whose, FormatFigure(ettr->interval_s / 60, 3), ettr->ettr * 100, ettr->exact * 100);
  out_.notes.push_back(std::move(note));
  double flaps = 0;
  for (const PlanFailureRow& row : all.rows)
    if (row.flap && row.effect == "stops") flaps += row.mid;
  if (flaps <= 0) return;
  const bool given = question_.located->sources.Given("reliability.stopping_flaps");
  out_.notes.push_back(fmt::format(
      "{:.0f} % of the best plan's stops are flaps of a NIC's only link, of which {:.3g} % stop "
      "their job ({})",
      flaps / all.stops * 100, question_.rates.stopping_flaps * 100,
      given ? "the question" : "reliability.stopping_flaps, derived from reports of others"));
}

void Planning::SayNeed() {
  const NeedSpec& need = question_.spec().need();
  std::string type = NeedSpec::Dtype_Name(need.dtype());
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  out_.integer = question_.integer();
  if (!question_.ops) {
    out_.need =
        FormatCount(question_.gpus) + (question_.gpus == 1 ? " accelerator" : " accelerators");
    return;
  }
  out_.need = fmt::format("{} of {}", ComputeText(*question_.ops, question_.integer()), type);
  if (question_.basis_given) {
    out_.need += fmt::format(", {}", NameOf(question_.bases[0]));
    return;
  }
  std::string both;
  for (const AcceleratorChoice& choice : question_.accelerators) {
    const auto dense = choice.gpu.PeakOf(question_.type, Basis::kDense);
    const auto sparse = choice.gpu.PeakOf(question_.type, Basis::kSparse);
    if (!dense || !sparse || !both.empty()) continue;
    both = fmt::format(
        ": {} {} dense, or {} sparse",
        FormatCount(AcceleratorsFor(*question_.ops, dense->per_second, choice.unit)), choice.name,
        FormatCount(AcceleratorsFor(*question_.ops, sparse->per_second, choice.unit)));
  }
  out_.first_line = fmt::format(
      "{} does not say dense or sparse{}. The plan is for dense; peak is not what a job gets.",
      ComputeText(*question_.ops, question_.integer()), both);
}

namespace {

// How packets were routed in what was simulated, where a switch is InfiniBand.
std::string RoutingNote(const Question& question) {
  std::string names;
  bool ethernet = false;
  for (const SwitchChoice& one : question.switches)
    if (one.infiniband)
      names += (names.empty() ? "" : ", ") + one.preset;
    else
      ethernet = true;
  if (names.empty()) return names;
  const bool routers =
      std::any_of(question.families.begin(), question.families.end(), JoinsRouters);
  std::string out =
      "InfiniBand (" + names +
      ") is routed adaptively, as by default, and at its best: an even split over the shortest "
      "paths of trees";
  if (routers) out += "; dragonfly and slim_fly by ECMP";
  if (ethernet) out += "; Ethernet by ECMP, so part of what parts the two is routing";
  return out + '.';
}

}  // namespace

// What is said of the jobs.
void Planning::FillJobNotes() {
  if (question_.jobs.empty()) {
    out_.notes.push_back(
        "No job is given, so nothing says what bandwidth is worth: the first is the cheapest of "
        "the plans with the most bandwidth between any two accelerators, and 'cheapest' may have "
        "less.");
    return;
  }
  if (control_.screen_only)
    out_.notes.push_back("Screened only: times are closed forms, nothing was simulated.");
  if (const std::string note = RoutingNote(question_); simulates() && !note.empty())
    out_.notes.push_back(note);
  SayBeside();
  const bool all_train = std::all_of(question_.jobs.begin(), question_.jobs.end(),
                                     [](const JobChoice& job) { return job.trains(); });
  if (!all_train)
    out_.notes.push_back(
        fmt::format("Jobs without FLOPs count by their speed relative to the non-blocking plan{}.",
                    question_.trains() ? ", at the training jobs' MFU there" : ""));
  const NeedSpec& need = question_.spec().need();
  if (question_.trains() && (need.dtype() != NeedSpec::BF16 || question_.bases[0] != Basis::kDense))
    out_.notes.push_back("Training counts its own FLOPs, a share of the dense bf16 peak.");
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    const JobChoice& job = question_.jobs[j];
    std::string note = fmt::format("{:.0f} % {}", job.share * 100, job.name);
    if (!job.trains())
      note += fmt::format(": {:.0f} % of its time waits for communication on the non-blocking plan",
                          job.exposed * 100);
    else if (!order_.empty())
      note += fmt::format(": MFU {:.1f} %, {:.1f} % of its time waits for communication",
                          *figures_.at(order_[0]).jobs[j].mfu * 100,
                          figures_.at(order_[0]).jobs[j].exposed * 100);
    if (!control_.screen_only && RepeatsOf(job) > 1)
      note += fmt::format("; its {} repeats are one simulated, counted as often",
                          FormatCount(RepeatsOf(job)));
    out_.notes.push_back(note);
    for (const AcceleratorChoice& accelerator : question_.accelerators)
      if (!control_.screen_only && IsAllPairs(accelerator, job))
        out_.notes.push_back(fmt::format(
            "{} of {}: single flows between all pairs at once, for NCCL's rounds are not its",
            job.name, accelerator.name));
  }
  out_.communication = question_.communication;
  out_.communication_held_out = question_.communication_held_out;
  if (!question_.calibration.empty() && !question_.communication_held_out)
    out_.notes.push_back("'calibration' says nothing of these jobs on these hosts");
  out_.notes.push_back(
      fmt::format("Communication time: a factor of {:.3g} either way in 9 of 10, by {}{}",
                  question_.communication, question_.communication_source,
                  question_.calibration.empty() ? ", for no calibration is named" : ""));
}

// Which families were searched, and why the others were not.
void Planning::FillFamilies() {
  for (const DesignFamily family : kDesignFamilies) {
    PlanFamily row{std::string(NameOf(family)), 0, 0};
    for (const Candidate& one : candidates_) {
      if (one.design.family != family) continue;
      ++row.candidates;
      row.feasible += one.feasible() ? 1 : 0;
    }
    const auto& asked = question_.families;
    if (std::find(asked.begin(), asked.end(), family) != asked.end())
      out_.families.push_back(std::move(row));
    else
      out_.not_searched.push_back(row.name + ": parts.families does not name it");
  }
  for (const UnsearchedFamily& family : kUnsearched)
    out_.not_searched.push_back(fmt::format("{}: {}", family.name, family.why));
}

void Planning::FillNotes() {
  const PlanSpec& spec = question_.spec();
  SayUnranked();
  FillJobNotes();
  if (out_.could_still_win > 0)
    out_.notes.push_back(
        FormatCount(out_.could_still_win) +
        (simulates()
             ? " more plans have a bound below the best simulated figure and were not "
               "simulated (decide.finalists)"
             : " more plans could be below the best by the least bill of their design and were "
               "not built (decide.finalists)"));
  if (!out_.workload_note.empty()) out_.notes.push_back(out_.workload_note);
  SayBuilt();
  SayFailures();
  FillFamilies();
  if (std::any_of(candidates_.begin(), candidates_.end(),
                  [](const Candidate& one) { return one.assumed_nic_cage; }))
    out_.notes.push_back(
        "NICs whose own cages have slower lanes than the switches' are taken to have QSFP112.");
  const auto absent = [&](PlanNetworkSpec::Side side, const char* name) {
    if (side == PlanNetworkSpec::ABSENT) out_.not_modelled.push_back(name);
  };
  absent(spec.network().frontend(), "the frontend network");
  absent(spec.network().storage(), "the storage network");
  absent(spec.network().oob(), "the out-of-band network");
  if (out_.beside.empty()) out_.not_modelled.push_back("jobs beside each other on one fabric");
  for (const char* what :
       {"buildings, cooling and people", "supply and export rules", "prices over time"})
    out_.not_modelled.push_back(what);
  for (const Override& one : question_.catalogue.overrides) {
    const std::string lacks =
        order_.empty() ? "" : LacksEffect(question_, candidates_[order_[0]], one);
    out_.overrides.push_back(fmt::format("{} {}: {} was {}{}{}", one.part, one.what, one.now,
                                         one.was, lacks.empty() ? "" : ", ", lacks));
  }
}

}  // namespace weft
