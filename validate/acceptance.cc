#include "validate/acceptance.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/version.h"
#include "validate/tables_internal.h"

namespace weft {
namespace {

constexpr const char* kOps[] = {"all_reduce", "all_gather", "reduce_scatter", "all_to_all"};
constexpr const char* kHeader =
    "op\tranks\thosts\truns\tsize_bytes\texpected_GBps\tleast_GBps\tslower";
constexpr const char* kOldHeader = "op\tranks\thosts\tsize_bytes\texpected_GBps\tleast_GBps";
constexpr std::int64_t kFirst = std::int64_t{1} << 20, kFactor = 4, kLast = std::int64_t{1} << 32;

struct Shape {
  int gpus = 0, per_host = 0;
};

// One host alone first: what fails there need not be sought in the network.
std::vector<Shape> ShapesOf(const AcceptanceQuestion& question) {
  std::vector<Shape> out;
  if (question.gpus_per_host > 1) out.push_back({question.gpus_per_host, question.gpus_per_host});
  if (question.gpus > question.gpus_per_host)
    out.push_back({question.gpus, question.gpus_per_host});
  return out;
}

std::string ProgramOf(const std::string& op) {
  if (op == "all_to_all") return "alltoall_perf";
  return op + "_perf";
}

// Operating-system hosts, which mpirun and a log count: an NVL72 is 18 of them.
int ServersOf(const HostPart& host, const Shape& shape) {
  const int each = std::min(shape.per_host, std::max(1, host.gpus_per_tray));
  const bool trays = host.gpus_per_tray > 1 && shape.per_host % each == 0;
  return trays ? shape.gpus / each : shape.gpus / shape.per_host;
}

constexpr int kFewHosts = 4;  // that mpirun is told by name

// Where the command runs: hosts' names are the buyer's to put in.
std::string PlacesOf(int ranks, int hosts) {
  if (hosts > kFewHosts) return "--hostfile HOSTS";
  std::string out = "-H ";
  for (int host = 1; host <= hosts; ++host)
    out += fmt::format("{}host{}:{}", host == 1 ? "" : ",", host, ranks / hosts);
  return out;
}

std::string CommandOf(const AcceptanceLine& line) {
  const std::string sizes = "-b 1M -e 4G -f 4 -n 50 -w 10";
  const std::string program = ProgramOf(line.op);
  if (line.hosts == 1) return fmt::format("./build/{} {} -g {}", program, sizes, line.ranks);
  return fmt::format("mpirun -np {} {} --map-by ppr:{}:node ./build/{} {} -g 1", line.ranks,
                     PlacesOf(line.ranks, line.hosts), line.ranks / line.hosts, program, sizes);
}

// The commands of lines of as many ranks and hosts, and who is to run them.
std::string CommandsText(const std::vector<AcceptanceLine>& lines, int ranks, int hosts) {
  std::string out;
  const AcceptanceLine* last = nullptr;
  for (const AcceptanceLine& line : lines) {
    if (line.ranks != ranks || line.hosts != hosts) continue;
    if (!last && line.runs > 1)
      out += fmt::format("On each of {} {}, by itself, and keep all that is printed:\n", line.runs,
                         hosts == 1 ? "hosts" : "NVLink domains");
    else if (!last)
      out += hosts == 1 ? "On the host:\n" : fmt::format("On all {} hosts together:\n", hosts);
    if (!last || last->op != line.op) out += "  " + CommandOf(line) + "\n";
    last = &line;
  }
  if (hosts > kFewHosts)
    out += fmt::format("HOSTS is a file with a line a host: NAME slots={}\n", ranks / hosts);
  else if (hosts > 1)
    out += "host1 ... are your hosts' names.\n";
  return out;
}

// Trays of one NVLink domain are one host of weft's.
AcceptanceQuestion OfDomains(AcceptanceQuestion question) {
  const HostPart& host = question.host;
  if (host.gpus_per_tray > 1 && host.gpus_per_tray < host.gpus &&
      question.gpus_per_host == host.gpus_per_tray)
    question.gpus_per_host = std::min(question.gpus, host.gpus);
  return question;
}

// Whether `table`, of a log that counts trays or NVLink domains, is of as many servers as a line.
bool IsOfServers(const MeasuredTable& table, const std::optional<HostPart>& host, int servers) {
  if (table.hosts == 0 && table.hosts_unclear) return false;
  const int hosts = host ? DomainsOf(table, *host) : std::max(1, table.hosts);
  if (!host || table.ranks % hosts != 0) return hosts == servers;
  return ServersOf(*host, {table.ranks, table.ranks / hosts}) == servers;
}

}  // namespace

Result<std::vector<AcceptanceLine>> MakeAcceptanceLines(const AcceptanceQuestion& question,
                                                        const Calibration& calibration) {
  std::vector<AcceptanceLine> out;
  for (const Shape& shape : ShapesOf(OfDomains(question))) {
    const int hosts = shape.gpus / shape.per_host;
    for (const char* const op : kOps) {
      CollectiveQuestion asked;
      asked.op = op;
      asked.host = question.host;
      asked.gpus = shape.gpus;
      asked.gpus_per_host = shape.per_host;
      asked.nccl = question.nccl;
      WEFT_TRY(const CollectiveModel model, CollectiveModel::Build(asked));
      for (std::int64_t asked_bytes = kFirst; asked_bytes <= kLast; asked_bytes *= kFactor) {
        const Bytes size = TestedSize(op, shape.gpus, Bytes(asked_bytes));
        const StatedError error =
            StatedErrorOf(calibration, question.host, {op, size, shape.gpus, hosts});
        if (!error.band)
          return Fail(ErrorCode::kInconsistent, {"--accept", 0, 0},
                      fmt::format("the calibration states no error for {}",
                                  NameOf(ClassOf(question.host, hosts))),
                      "name one that was fitted to such hosts: a promise wants a band");
        const double us = model.Time(size, calibration.constants).us;
        out.push_back({op, shape.gpus, ServersOf(question.host, shape), size,
                       BusbwGBps(op, shape.gpus, size, us),
                       BusbwGBps(op, shape.gpus, size, us * std::max(1.0, error.band->high)),
                       error.in_range, std::max(1, question.gpus / shape.gpus)});
      }
    }
  }
  return out;
}

std::string AcceptanceNotes(const AcceptanceQuestion& question,
                            const std::vector<AcceptanceLine>& lines,
                            const Calibration& calibration) {
  std::string out = fmt::format(
      "Acceptance of {} GPUs, {} a host: {}\n"
      "Written by weft {}, NCCL {}, calibration {}. Run each command with\n"
      "nccl-tests, keep what it prints, then: weft validate TABLE... --accept THIS\n\n",
      question.gpus, question.gpus_per_host, question.host_text, kWeftVersion, question.nccl,
      calibration.name);
  const auto outside = std::count_if(lines.begin(), lines.end(),
                                     [](const AcceptanceLine& line) { return !line.covered; });
  if (outside > 0)
    out += fmt::format(
        "{} of the {} lines are outside of what {} was fitted to (hosts, network,\n"
        "ranks, sizes): their bands are those of the nearest class, and promise less\n"
        "than they say.\n\n",
        outside, lines.size(), calibration.name);
  if (!lines.empty()) {
    const auto [least, most] = std::minmax_element(
        lines.begin(), lines.end(),
        [](const AcceptanceLine& a, const AcceptanceLine& b) { return a.slower() < b.slower(); });
    out += fmt::format(
        "A machine that is slower than expected still passes, by {:.0f} to {:.0f} % (column\n"
        "slower): so far apart are healthy machines of others. A calibration fitted to\n"
        "tables of machines like these (weft calibrate) promises more.\n\n",
        least->slower() * 100, most->slower() * 100);
  }
  const AcceptanceLine* last = nullptr;
  for (const AcceptanceLine& line : lines) {
    if (!last || last->ranks != line.ranks || last->hosts != line.hosts)
      out += CommandsText(lines, line.ranks, line.hosts);
    last = &line;
  }
  return out;
}

std::string FormatAcceptanceSheet(const AcceptanceQuestion& question,
                                  const std::vector<AcceptanceLine>& lines,
                                  const Calibration& calibration) {
  std::string out;
  const std::string notes = AcceptanceNotes(question, lines, calibration);
  for (std::size_t at = 0; at < notes.size();) {
    const std::size_t end = notes.find('\n', at);
    out += (end == at ? "#" : "# ") + notes.substr(at, end - at) + "\n";
    at = end + 1;
  }
  out += fmt::format("#\n{}\n", kHeader);
  for (const AcceptanceLine& line : lines)
    out += fmt::format("{}\t{}\t{}\t{}\t{}\t{:.2f}\t{:.2f}\t{:.0f}%\n", line.op, line.ranks,
                       line.hosts, line.runs, line.size.count(), line.expected_GBps,
                       line.least_GBps, line.slower() * 100);
  return out;
}

namespace {

// A line of the sheet, of columns with runs and slower or without; none where it is none.
std::optional<AcceptanceLine> ParseSheetLine(std::string_view line, bool old) {
  const std::vector<Word> words = WordsOf(line);
  AcceptanceLine out;
  const auto read = [&](std::size_t i, auto& value) {
    using Value = std::remove_reference_t<decltype(value)>;
    const auto got = i < words.size() ? WholeNumber<Value>(words[i].text) : std::nullopt;
    if (got) value = *got;
    return got.has_value();
  };
  std::int64_t bytes = 0;
  const std::size_t size = old ? 3 : 4;
  if (words.size() != (old ? 6u : 8u) || OperationNamed(words[0].text) != words[0].text ||
      !read(1, out.ranks) || !read(2, out.hosts) || (!old && !read(3, out.runs)) ||
      !read(size, bytes) || !read(size + 1, out.expected_GBps) || !read(size + 2, out.least_GBps))
    return std::nullopt;
  out.op = words[0].text;
  out.size = Bytes(bytes);
  return out;
}

}  // namespace

Result<std::vector<AcceptanceLine>> ParseAcceptanceSheet(std::string_view text,
                                                         const std::string& file) {
  std::vector<AcceptanceLine> out;
  bool header = false, old = false;
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (!header) {
      old = line == kOldHeader;
      if (line != kHeader && !old)
        return Fail(
            ErrorCode::kSyntax, {file, number, 1}, "this is no acceptance sheet",
            fmt::format("want the header '{}'; --accept without a table writes one", kHeader));
      header = true;
      continue;
    }
    const auto one = ParseSheetLine(line, old);
    if (!one)
      return Fail(ErrorCode::kSyntax, {file, number, 1}, "this is no line of an acceptance sheet",
                  fmt::format("want {}", old ? kOldHeader : kHeader));
    out.push_back(*one);
  }
  if (out.empty())
    return Fail(ErrorCode::kSyntax, {file, 1, 1}, "the acceptance sheet has no line", {});
  return out;
}

namespace {

// Hosts as the entries say them; none where one is not said, or wrong.
std::vector<std::optional<HostPart>> HostsOf(const std::vector<TableEntry>& entries) {
  std::vector<std::optional<HostPart>> out;
  for (const TableEntry& entry : entries) {
    const auto host = ReadHostText(entry.host, entry.pos);
    out.push_back(host ? std::optional(*host) : std::nullopt);
  }
  return out;
}

bool IsOfLine(const MeasuredTable& table, const std::optional<HostPart>& host,
              const AcceptanceLine& line) {
  return table.op == line.op && table.ranks == line.ranks && IsFloatingType(table.type) &&
         IsOfServers(table, host, line.hosts);
}

// Why no line has a point of `table`; empty where one does.
std::string WhyUnused(const MeasuredTable& table, const std::optional<HostPart>& host,
                      const std::vector<AcceptanceLine>& lines) {
  if (table.op.empty())
    return "nobody says the operation: a file's name may, such as x_all_reduce.log";
  if (table.ranks == 0) return "nobody says how many ranks: --gpus may";
  if (!IsFloatingType(table.type))
    return fmt::format("it is of {}: the sheet is of floating point", table.type);
  std::set<int> ranks, hosts;  // of the lines that are as the table but for these
  bool any_op = false, any_line = false;
  for (const AcceptanceLine& line : lines) {
    if (line.op != table.op) continue;
    any_op = true;
    ranks.insert(line.ranks);
    if (line.ranks != table.ranks) continue;
    hosts.insert(line.hosts);
    if (!IsOfLine(table, host, line)) continue;
    any_line = true;
    for (const MeasuredPoint& point : table.points)
      if (point.size == line.size) return {};
  }
  if (!any_op) return fmt::format("no line is of {}", table.op);
  if (hosts.empty())
    return fmt::format("it is of {} ranks, lines of {} are of {}", table.ranks, table.op,
                       fmt::join(ranks, ", "));
  if (any_line) return "it has no size that a line is of";
  if (table.hosts == 0) return "nobody says how many hosts: --gpus-per-host may";
  return fmt::format("it is on {} host{}, lines of {} ranks are on {}", table.hosts,
                     table.hosts == 1 ? "" : "s", table.ranks, fmt::join(hosts, ", "));
}

}  // namespace

std::vector<AcceptanceVerdict> JudgeAcceptance(const std::vector<AcceptanceLine>& lines,
                                               const std::vector<TableEntry>& entries) {
  std::vector<AcceptanceVerdict> out;
  const std::vector<std::optional<HostPart>> hosts = HostsOf(entries);
  for (const AcceptanceLine& line : lines) {
    AcceptanceVerdict& verdict = out.emplace_back();
    verdict.line = line;
    std::set<std::string> runs;
    for (std::size_t e = 0; e < entries.size(); ++e) {
      for (const MeasuredTable& table : entries[e].tables) {
        if (!IsOfLine(table, hosts[e], line)) continue;
        for (const MeasuredPoint& point : table.points) {
          if (point.size != line.size) continue;
          const double rate =
              BusbwGBps(line.op, line.ranks, point.size, ToSeconds(point.time) * 1e6);
          verdict.measured_GBps = std::min(verdict.measured_GBps.value_or(rate), rate);
          runs.insert(table.host_names.empty()
                          ? fmt::format("file {}", entries[e].file)
                          : fmt::format("{}", fmt::join(table.host_names, " ")));
        }
      }
    }
    verdict.runs = static_cast<int>(runs.size());
  }
  return out;
}

std::vector<TableNote> UnusedTables(const std::vector<AcceptanceLine>& lines,
                                    const std::vector<TableEntry>& entries) {
  std::vector<TableNote> out;
  const std::vector<std::optional<HostPart>> hosts = HostsOf(entries);
  for (std::size_t e = 0; e < entries.size(); ++e)
    for (const MeasuredTable& table : entries[e].tables)
      if (std::string why = WhyUnused(table, hosts[e], lines); !why.empty())
        out.push_back({entries[e].name, table.line, std::move(why)});
  return out;
}

std::vector<TableNote> AssumedTables(const std::vector<AcceptanceLine>& lines,
                                     const std::vector<TableEntry>& entries) {
  std::vector<TableNote> out;
  const std::vector<std::optional<HostPart>> hosts = HostsOf(entries);
  for (std::size_t e = 0; e < entries.size(); ++e)
    for (const MeasuredTable& table : entries[e].tables)
      if (table.hosts_assumed && WhyUnused(table, hosts[e], lines).empty())
        out.push_back({entries[e].name, table.line,
                       fmt::format("nobody says on how many hosts its {} ranks are, {} {} assumed: "
                                   "--gpus-per-host may",
                                   table.ranks, table.hosts, table.hosts == 1 ? "is" : "are")});
  return out;
}

}  // namespace weft
