#include "validate/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/schema/wording.h"
#include "scenario/run_report.h"

namespace weft {
namespace {

struct Key {
  std::string op, host, nccl, algorithm, protocol;
  int ranks = 0, per_host = 0;
  auto Fields() const { return std::tie(op, host, nccl, algorithm, protocol, ranks, per_host); }
  bool operator<(const Key& other) const { return Fields() < other.Fields(); }
};

// A set of points that one model answers for.
struct Wanted {
  Key key;
  CollectiveQuestion question;
  std::size_t entry = 0;
  const MeasuredTable* table = nullptr;
};

// Why the points of `table` cannot be simulated; empty where they can.
std::string WhyNotSimulated(const MeasuredTable& table, const HostPart& host) {
  if (table.op.empty())
    return "nobody says the operation: a file's name may, such as x_all_reduce.log";
  if (table.ranks < 2)
    return table.ranks == 1 ? "one rank alone" : "nobody says how many ranks: --gpus may";
  if (table.hosts == 0 && (table.hosts_unclear || table.ranks > host.gpus))
    return "nobody says how many hosts: --gpus-per-host may";
  const int hosts = DomainsOf(table, host);
  if (table.ranks % hosts != 0) return "the ranks do not divide over the hosts";
  if (table.ranks / hosts > host.gpus)
    return fmt::format("{} ranks a host, which has {} GPUs", table.ranks / hosts, host.gpus);
  if (!IsFloatingType(table.type)) return "NCCL's choice is known for floating point only";
  return {};
}

Wanted WantedOf(const MeasuredTable& table, const TableEntry& entry, const HostPart& host) {
  Wanted out;
  const int per_host = table.ranks / DomainsOf(table, host);
  out.question.op = table.op;
  out.question.host = host;
  out.question.gpus = table.ranks;
  out.question.gpus_per_host = per_host;
  if (!table.nccl.empty()) out.question.nccl = table.nccl;
  if (!table.algorithm.empty()) out.question.forced.algorithm = ParseNcclAlgorithm(table.algorithm);
  if (!table.protocol.empty()) out.question.forced.protocol = ParseNcclProtocol(table.protocol);
  out.key = {table.op,       entry.host,  out.question.nccl, table.algorithm,
             table.protocol, table.ranks, per_host};
  out.table = &table;
  return out;
}

// The host presets whose GPUs are those that the entry's log lists.
std::string WhyNoHost(const TableEntry& entry) {
  int each = 0;
  for (const MeasuredTable& table : entry.tables)
    if (table.ranks > 0 && !(table.hosts == 0 && table.hosts_unclear))
      each = std::max(each, table.ranks / std::max(1, table.hosts));
  const std::vector<std::string> fit = HostsOfGpu(entry.gpu, each);
  if (fit.empty()) return "its host is not known: --host may say it";
  const std::string gpus = each > 0 ? fmt::format("{} x {}", each, entry.gpu) : entry.gpu;
  return fmt::format("its host is not known: --host may say it; '{}' fits {}, but for NICs", gpus,
                     JoinOr(fit));
}

// Every table that can be simulated, and for each entry that has none, why.
std::vector<Wanted> Plan(MeasuredCases& cases, Errors& errors) {
  std::vector<Wanted> out;
  std::map<std::string, Result<HostPart>> hosts;
  for (std::size_t i = 0; i < cases.entries.size(); ++i) {
    const TableEntry& entry = cases.entries[i];
    CasesOfEntry& mine = cases.tables.emplace_back();
    mine.entry = i;
    if (entry.host.empty()) {
      mine.why_not = WhyNoHost(entry);
      continue;
    }
    auto found = hosts.find(entry.host);
    if (found == hosts.end())
      found = hosts.emplace(entry.host, ReadHostText(entry.host, entry.pos)).first;
    if (!found->second) {
      if (errors.size() < 50)
        errors.insert(errors.end(), found->second.error().begin(), found->second.error().end());
      continue;
    }
    mine.host = *found->second;
    std::string why = "it has no point";
    const std::size_t before = out.size();
    for (const MeasuredTable& table : entry.tables) {
      if (const std::string one = WhyNotSimulated(table, mine.host); !one.empty()) {
        why = one;
        mine.left_out.push_back({table.line, one});
        continue;
      }
      out.push_back(WantedOf(table, entry, mine.host));
      out.back().entry = i;
      mine.error_class = ClassOf(mine.host, DomainsOf(table, mine.host));
    }
    if (out.size() == before) mine.why_not = why;
  }
  return out;
}

// One model a key; searches run beside each other, results stand in the order of the keys.
std::vector<std::optional<Result<CollectiveModel>>> BuildModels(
    const std::vector<const Wanted*>& questions) {
  std::vector<std::optional<Result<CollectiveModel>>> out(questions.size());
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < questions.size(); ++i)
    out[i] = CollectiveModel::Build(questions[i]->question);
  return out;
}

}  // namespace

int DomainsOf(const MeasuredTable& table, const HostPart& host) {
  const int hosts = std::max(1, table.hosts), tray = std::max(1, host.gpus_per_tray);
  const bool trays = tray > 1 && tray < host.gpus && hosts > 1 && table.ranks <= hosts * tray;
  if (!trays) return hosts;
  const int each = host.gpus / tray;
  int domains = (hosts + each - 1) / each;
  while (domains < hosts && table.ranks % domains != 0) ++domains;  // alike, and not all filled
  return domains;
}

std::vector<Bytes> SizeBands() { return {KiB(64), MiB(1), MiB(64)}; }

Result<MeasuredCases> PrepareCases(std::vector<TableEntry> entries, Bytes least) {
  MeasuredCases cases;
  cases.entries = std::move(entries);
  Errors errors;
  const std::vector<Wanted> wanted = Plan(cases, errors);
  if (!errors.empty()) {
    SortByPosition(errors);
    return tl::make_unexpected(std::move(errors));
  }
  std::map<Key, std::size_t> row_of;
  std::vector<const Wanted*> questions;
  for (const Wanted& one : wanted)
    if (row_of.try_emplace(one.key, questions.size()).second) questions.push_back(&one);
  auto built = BuildModels(questions);
  std::vector<std::size_t> model_of(built.size(), built.size());
  for (std::size_t i = 0; i < built.size(); ++i) {
    if (!*built[i]) continue;
    model_of[i] = cases.models.size();
    cases.models.push_back(**std::move(built[i]));
    cases.questions.push_back(questions[i]->question);
  }
  for (const Wanted& one : wanted) {
    const std::size_t row = row_of.at(one.key);
    CasesOfEntry& mine = cases.tables[one.entry];
    if (model_of[row] == built.size()) {
      mine.why_not = built[row]->error().front().message;
      mine.left_out.push_back({one.table->line, mine.why_not});
      continue;
    }
    const CollectiveModel& model = cases.models[model_of[row]];
    const auto at = static_cast<std::size_t>(one.table - cases.entries[one.entry].tables.data());
    for (const MeasuredPoint& point : one.table->points)
      if (point.size >= least)
        mine.points.push_back({model_of[row], model.Case(point.size), point.size,
                               ToSeconds(point.time) * 1e6, point.line, at, one.table->file});
  }
  for (CasesOfEntry& mine : cases.tables)
    if (mine.points.empty() && mine.why_not.empty()) mine.why_not = "it has no point in range";
  for (CasesOfEntry& mine : cases.tables) {
    if (!mine.points.empty()) mine.why_not.clear();
    if (!mine.why_not.empty()) mine.left_out.clear();  // all of it is
  }
  return cases;
}

ErrorFigures FiguresOf(const std::vector<ComparedPoint>& points, Bytes from) {
  std::vector<double> sizes, signs;
  for (const ComparedPoint& point : points) {
    if (point.size < from) continue;
    sizes.push_back(std::abs(point.error()));
    signs.push_back(point.error());
  }
  ErrorFigures out;
  out.points = sizes.size();
  if (sizes.empty()) return out;
  std::sort(sizes.begin(), sizes.end());
  std::sort(signs.begin(), signs.end());
  out.median = PercentileOf(sizes, 0.5);
  out.p95 = PercentileOf(sizes, 0.95);
  out.bias = PercentileOf(signs, 0.5);
  return out;
}

namespace {

ClassFigures FiguresOfClass(const std::vector<const ComparedTable*>& tables,
                            std::optional<ErrorClass> which, Bytes from) {
  ClassFigures out;
  out.error_class = which;
  out.from = from;
  std::vector<double> medians, biases, every;
  std::size_t inside = 0, stated = 0;
  for (const ComparedTable* table : tables) {
    const ErrorFigures figures = FiguresOf(table->points, from);
    if (figures.points == 0) continue;
    medians.push_back(figures.median);
    biases.push_back(figures.bias);
    for (const ComparedPoint& point : table->points) {
      if (point.size < from) continue;
      every.push_back(std::abs(point.error()));
      if (!point.band) continue;
      ++stated;
      const double ratio = point.measured_us / point.simulated_us;
      inside += ratio >= point.band->low && ratio <= point.band->high;
    }
  }
  out.tables = medians.size();
  out.points = every.size();
  if (every.empty()) return out;
  for (std::vector<double>* one : {&medians, &biases, &every}) std::sort(one->begin(), one->end());
  out.median = PercentileOf(medians, 0.5);
  out.bias = PercentileOf(biases, 0.5);
  out.p95 = PercentileOf(every, 0.95);
  if (stated > 0) out.in_band = static_cast<double>(inside) / static_cast<double>(stated);
  return out;
}

// What a list calls healthy counts whatever diagnosis says: else weft would judge itself by the
// tables that it likes.
bool Counts(const ComparedTable& table, TableLabel label) {
  return !table.points.empty() &&
         (label == TableLabel::kHealthy || (label == TableLabel::kUnknown && !table.degraded));
}

void AddFigures(const std::vector<const ComparedTable*>& tables, std::optional<ErrorClass> which,
                std::vector<ClassFigures>& out) {
  std::vector<const ComparedTable*> mine;
  for (const ComparedTable* table : tables)
    if (!which || table->error_class == *which) mine.push_back(table);
  for (const Bytes from : SizeBands()) {
    const ClassFigures figures = FiguresOfClass(mine, which, from);
    if (figures.points > 0) out.push_back(figures);
  }
}

std::vector<ClassFigures> AllFigures(const std::vector<const ComparedTable*>& tables) {
  std::vector<ClassFigures> out;
  for (std::size_t c = 0; c < kErrorClasses; ++c)
    AddFigures(tables, static_cast<ErrorClass>(c), out);
  return out;
}

}  // namespace

std::vector<ClassFigures> FiguresByClass(const std::vector<TableEntry>& entries,
                                         const std::vector<ComparedTable>& tables) {
  std::vector<const ComparedTable*> counted;
  for (const ComparedTable& table : tables)
    if (Counts(table, entries[table.entry].label)) counted.push_back(&table);
  return AllFigures(counted);
}

std::vector<ClassFigures> FiguresOfHeldOut(const std::vector<TableEntry>& entries,
                                           const std::vector<ComparedTable>& tables) {
  std::vector<const ComparedTable*> held_out;
  std::size_t counted = 0;
  for (const ComparedTable& table : tables) {
    const TableEntry& entry = entries[table.entry];
    if (!Counts(table, entry.label)) continue;
    ++counted;
    if (entry.use == TableUse::kCheck) held_out.push_back(&table);
  }
  if (held_out.empty() || held_out.size() == counted) return {};
  std::vector<ClassFigures> out = AllFigures(held_out);
  AddFigures(held_out, std::nullopt, out);
  return out;
}

MeasuredComparison Compare(const MeasuredCases& cases, const Calibration& calibration) {
  MeasuredComparison out;
  out.entries = cases.entries;
  out.calibration = calibration;
  for (const CasesOfEntry& mine : cases.tables) {
    ComparedTable& table = out.tables.emplace_back();
    table.entry = mine.entry;
    table.error_class = mine.error_class;
    table.why_not = mine.why_not;
    table.left_out = mine.left_out;
    for (const MeasuredCase& one : mine.points) {
      const double us = cases.models[one.model].Time(one.which, calibration.constants).us;
      table.points.push_back({one.size, one.which.ranks, one.which.nodes, one.line, one.measured_us,
                              us,
                              BandOf(calibration, ClassOf(mine.host, one.which.nodes), one.size,
                                     calibration.KnowsHardware(mine.host, one.which.nodes))});
    }
    table.all = FiguresOf(table.points, Bytes(0));
  }
  out.classes = FiguresByClass(out.entries, out.tables);
  out.held_out = FiguresOfHeldOut(out.entries, out.tables);
  return out;
}

}  // namespace weft
