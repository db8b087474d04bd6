#include "validate/acceptance.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/version.h"
#include "validate/tables_internal.h"

namespace weft {
namespace {

constexpr const char* kOps[] = {"all_reduce", "all_gather", "reduce_scatter", "all_to_all"};
constexpr const char* kHeader = "op\tranks\thosts\tsize_bytes\texpected_GBps\tleast_GBps";
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

std::string CommandOf(const std::string& op, int ranks, int hosts) {
  const std::string sizes = "-b 1M -e 4G -f 4 -n 50 -w 10";
  if (hosts == 1) return fmt::format("./build/{} {} -g {}", ProgramOf(op), sizes, ranks);
  return fmt::format("mpirun -np {} --map-by ppr:{}:node ./build/{} {} -g 1", ranks, ranks / hosts,
                     ProgramOf(op), sizes);
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
                       error.in_range});
      }
    }
  }
  return out;
}

std::string FormatAcceptanceSheet(const AcceptanceQuestion& question,
                                  const std::vector<AcceptanceLine>& lines,
                                  const Calibration& calibration) {
  std::string out = fmt::format(
      "# Acceptance of {} GPUs, {} a host: {}\n"
      "# Written by weft {}, NCCL {}, calibration {}. Run each command with nccl-tests, keep what\n"
      "# it prints, then: weft validate TABLE... --accept THIS\n#\n",
      question.gpus, question.gpus_per_host, question.host_text, kWeftVersion, question.nccl,
      calibration.name);
  const auto outside = std::count_if(lines.begin(), lines.end(),
                                     [](const AcceptanceLine& line) { return !line.covered; });
  if (outside > 0)
    out += fmt::format(
        "# {} of the {} lines are outside of what {} was fitted to (hosts, network, ranks, "
        "sizes):\n"
        "# their bands are those of the nearest class, and promise less than they say.\n#\n",
        outside, lines.size(), calibration.name);
  const AcceptanceLine* last = nullptr;
  for (const AcceptanceLine& line : lines) {
    if (!last || last->op != line.op || last->ranks != line.ranks)
      out += "#   " + CommandOf(line.op, line.ranks, line.hosts) + "\n";
    last = &line;
  }
  out += fmt::format("#\n{}\n", kHeader);
  for (const AcceptanceLine& line : lines)
    out += fmt::format("{}\t{}\t{}\t{}\t{:.2f}\t{:.2f}\n", line.op, line.ranks, line.hosts,
                       line.size.count(), line.expected_GBps, line.least_GBps);
  return out;
}

Result<std::vector<AcceptanceLine>> ParseAcceptanceSheet(std::string_view text,
                                                         const std::string& file) {
  std::vector<AcceptanceLine> out;
  bool header = false;
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (!header) {
      if (line != kHeader)
        return Fail(
            ErrorCode::kSyntax, {file, number, 1}, "this is no acceptance sheet",
            fmt::format("want the header '{}'; --accept without a table writes one", kHeader));
      header = true;
      continue;
    }
    const std::vector<Word> words = WordsOf(line);
    AcceptanceLine one;
    const auto read = [&](std::size_t i, auto& value) {
      using Value = std::remove_reference_t<decltype(value)>;
      const auto got = i < words.size() ? WholeNumber<Value>(words[i].text) : std::nullopt;
      if (got) value = *got;
      return got.has_value();
    };
    std::int64_t bytes = 0;
    if (words.size() != 6 || OperationNamed(words[0].text) != words[0].text ||
        !read(1, one.ranks) || !read(2, one.hosts) || !read(3, bytes) ||
        !read(4, one.expected_GBps) || !read(5, one.least_GBps))
      return Fail(ErrorCode::kSyntax, {file, number, 1}, "this is no line of an acceptance sheet",
                  fmt::format("want {}", kHeader));
    one.op = words[0].text;
    one.size = Bytes(bytes);
    out.push_back(std::move(one));
  }
  if (out.empty())
    return Fail(ErrorCode::kSyntax, {file, 1, 1}, "the acceptance sheet has no line", {});
  return out;
}

std::vector<AcceptanceVerdict> JudgeAcceptance(const std::vector<AcceptanceLine>& lines,
                                               const std::vector<TableEntry>& entries) {
  std::vector<AcceptanceVerdict> out;
  std::vector<std::optional<HostPart>> hosts;  // of the entries
  for (const TableEntry& entry : entries) {
    const auto host = ReadHostText(entry.host, entry.pos);
    hosts.push_back(host ? std::optional(*host) : std::nullopt);
  }
  for (const AcceptanceLine& line : lines) {
    AcceptanceVerdict& verdict = out.emplace_back();
    verdict.line = line;
    for (std::size_t e = 0; e < entries.size(); ++e) {
      for (const MeasuredTable& table : entries[e].tables) {
        if (table.op != line.op || table.ranks != line.ranks ||
            !IsOfServers(table, hosts[e], line.hosts) || !IsFloatingType(table.type))
          continue;
        for (const MeasuredPoint& point : table.points) {
          if (point.size != line.size) continue;
          const double rate =
              BusbwGBps(line.op, line.ranks, point.size, ToSeconds(point.time) * 1e6);
          verdict.measured_GBps = std::min(verdict.measured_GBps.value_or(rate), rate);
        }
      }
    }
  }
  return out;
}

}  // namespace weft
