// nccl-tests' JSON (-J) [NCT src/util.cu] and the records of weft-probe (validate/probe/README.md).
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "validate/tables_internal.h"

namespace weft {
namespace {

using nlohmann::json;

SourcePos PosAt(std::string_view text, const std::string& file, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const std::size_t line_start = before.rfind('\n');
  return {file, 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')),
          static_cast<int>(before.size() - (line_start == before.npos ? 0 : line_start + 1)) + 1};
}

// Null where `value` is no object or has no such key.
const json* At(const json& value, const char* key) {
  if (!value.is_object()) return nullptr;
  const auto found = value.find(key);
  return found == value.end() ? nullptr : &*found;
}

std::string TextAt(const json& value, const char* key) {
  const json* const found = At(value, key);
  return found && found->is_string() ? found->get<std::string>() : std::string();
}

double NumberAt(const json& value, const char* key) {
  const json* const found = At(value, key);
  return found && found->is_number() ? found->get<double>() : 0;
}

// A whole number above 0; 0 where there is none, or one beyond all counts and sizes.
std::int64_t CountAt(const json& value, const char* key) {
  const double number = NumberAt(value, key);
  return number >= 1 && number < 1e18 ? static_cast<std::int64_t>(number) : 0;
}

int SmallCountAt(const json& value, const char* key) {
  return static_cast<int>(std::min<std::int64_t>(CountAt(value, key), 1'000'000));
}

// "2.28.9", from that or from 22809.
std::string VersionOf(const json& value, const char* key) {
  const json* const found = At(value, key);
  if (!found) return {};
  if (found->is_string()) {
    const std::string text = found->get<std::string>();
    return text.substr(0, text.find_first_not_of("0123456789."));
  }
  const auto code = found->is_number_integer() ? found->get<std::int64_t>() : 0;
  if (code < 20000) return {};
  return fmt::format("{}.{}.{}", code / 10000, code / 100 % 100, code % 100);
}

// The time of a half of nccl-tests' row: `time`, or `cpu_time` where it measured that.
std::optional<SimDuration> HalfTime(const json& row, const char* half) {
  const json* const found = At(row, half);
  if (!found) return std::nullopt;
  double us = NumberAt(*found, "time");
  if (us <= 0) us = NumberAt(*found, "cpu_time");
  return FromMicroseconds(us);
}

// The result's number stands for a line: JSON of one line is common.
void AddNcclTestsRow(const json& row, int number, MeasuredTable& table) {
  const auto size = CountAt(row, "size");
  const auto out = HalfTime(row, "out_of_place"), in = HalfTime(row, "in_place");
  const json* const half = At(row, out ? "out_of_place" : "in_place");
  std::string why;
  if (size <= 0) why = "its size is no number above 0";
  if (why.empty() && !out && !in) why = "it has no time";
  if (why.empty() && NumberAt(*half, "alg_bw") > 0) {
    const double rate = NumberAt(*half, "alg_bw");
    const double want = static_cast<double>(size) / (ToSeconds(out ? *out : *in) * 1e9);
    if (std::abs(rate - want) > 0.02 * want + 0.01)
      why = fmt::format("alg_bw is {}, but size / time is {:.2f} GB/s", rate, want);
  }
  if (!why.empty())
    table.rejected.push_back({number, std::move(why)});
  else
    table.points.push_back({Bytes(size), out ? *out : *in, out && in ? in : std::nullopt, number});
}

std::vector<MeasuredTable> NcclTests(const json& root, const std::string& file,
                                     const TableHints& hints) {
  MeasuredTable about;
  about.file = file;
  about.nccl = VersionOf(root, "nccl_version");
  std::set<std::string> hosts;
  // Of each process the first device alone is listed, below `config` [NCT src/util.cu
  // writeDeviceReport].
  const json* const config = At(root, "config") ? At(root, "config") : &root;
  const json* const devices = At(*config, "devices") ? At(*config, "devices") : At(root, "devices");
  if (devices && devices->is_array() && !devices->empty()) {
    const int each = std::max(1, SmallCountAt(*config, "nthreads")) *
                     std::max(1, SmallCountAt(*config, "ngpus"));
    // Of communicators side by side (NCCL_TESTS_SPLIT) the first process's is written.
    std::set<std::pair<std::string, int>> processes;
    int listed = 0;
    for (const json& device : *devices) {
      if (SmallCountAt(device, "group") != SmallCountAt(devices->front(), "group")) continue;
      ++listed;
      processes.emplace(TextAt(device, "hostname"), SmallCountAt(device, "pid"));
      if (const std::string host = TextAt(device, "hostname"); !host.empty()) hosts.insert(host);
      about.gpu = TextAt(device, "device_info");
    }
    const bool every_device = listed == each * static_cast<int>(processes.size());
    about.ranks = every_device ? listed : listed * each;
  }
  about.hosts = hosts.empty() ? hints.hosts : static_cast<int>(hosts.size());
  about.host_names.assign(hosts.begin(), hosts.end());
  if (about.ranks == 0) about.ranks = hints.ranks;
  if (about.gpu.empty()) about.gpu = hints.gpu;
  bool other = false;
  if (const json* const args = At(root, "args"); args && args->is_array() && !args->empty()) {
    const std::string program = args->front().is_string() ? args->front().get<std::string>() : "";
    const std::string name = program.substr(program.find_last_of('/') + 1);
    about.op = OperationNamed(name);
    other = NamesOtherTest(name);
  }
  if (const json* const env = At(root, "env"); env && env->is_object())
    for (const auto& [name, value] : env->items())
      if (value.is_string()) about.setup.AddVariable(name, value.get<std::string>());
  if (about.op.empty()) about.op = hints.op;
  if (about.op.empty() && !other)
    about.op = OperationInName(file.substr(file.find_last_of('/') + 1));
  std::vector<MeasuredTable> out;
  int number = 0;
  for (const json& row : *At(root, "results")) {
    ++number;
    const std::string type = TextAt(row, "type");
    if (out.empty() || out.back().type != type) {
      out.push_back(about);
      out.back().type = type;
      out.back().line = number;
    }
    AddNcclTestsRow(row, number, out.back());
  }
  return out;
}

std::vector<MeasuredTable> ProbeRecord(const json& root, const std::string& file) {
  std::map<std::tuple<std::string, std::string, int, std::string, std::string>, std::size_t> row_of;
  std::vector<MeasuredTable> out;
  const json empty = json::object();
  const json* const provenance = At(root, "provenance") ? At(root, "provenance") : &empty;
  int number = 0;
  for (const json& row : *At(root, "results")) {
    ++number;
    if (TextAt(row, "kind") != "collective") continue;
    const std::string op = OperationNamed(TextAt(row, "op"));
    const int ranks = SmallCountAt(row, "ranks");
    const auto [at, fresh] = row_of.try_emplace(
        {op, TextAt(row, "type"), ranks, TextAt(row, "algorithm"), TextAt(row, "protocol")},
        out.size());
    if (fresh) {
      MeasuredTable table;
      table.file = file;
      table.line = number;
      table.op = op;
      table.type = TextAt(row, "type");
      table.gpu = TextAt(*provenance, "gpu");
      table.nccl = VersionOf(*provenance, "nccl");
      table.ranks = ranks;
      table.hosts = SmallCountAt(*provenance, "hosts");
      for (auto [text, key] :
           {std::pair(&table.algorithm, "algorithm"), {&table.protocol, "protocol"}})
        if (TextAt(row, key) != "auto") *text = TextAt(row, key);
      out.push_back(std::move(table));
    }
    const auto size = CountAt(row, "bytes");
    const auto time = FromMicroseconds(NumberAt(row, "median_us"));
    if (size > 0 && time)
      out[at->second].points.push_back({Bytes(size), *time, std::nullopt, number});
    else if (const std::string why = TextAt(row, "failed"); !why.empty())
      out[at->second].rejected.push_back({number, "the step failed: " + why});
    else
      out[at->second].rejected.push_back({number, "its bytes or median_us is not above 0"});
  }
  return out;
}

// rccl-tests' -Z json [RCT src/common.cu]: a row for out of place, then one for in place.
std::vector<MeasuredTable> RcclTests(const json& rows, const std::string& file,
                                     const TableHints& hints) {
  std::map<std::tuple<std::string, std::string, int, int>, std::size_t> row_of;
  std::vector<MeasuredTable> out;
  int number = 0;
  for (const json& row : rows) {
    ++number;
    const std::string op = OperationNamed(TextAt(row, "name")), type = TextAt(row, "type");
    const int each = std::clamp(SmallCountAt(row, "gpusPerRank"), 1, 1000);
    const int processes = SmallCountAt(row, "ranks");
    const int ranks = processes > 0 ? processes * each : SmallCountAt(row, "gpus");
    const int hosts = std::max(1, SmallCountAt(row, "nodes"));
    const auto [at, fresh] = row_of.try_emplace({op, type, ranks, hosts}, out.size());
    if (fresh) {
      MeasuredTable table;
      table.file = file;
      table.line = number;
      table.op = op.empty() && !NamesOtherTest(TextAt(row, "name")) ? hints.op : op;
      table.type = type;
      table.gpu = hints.gpu;
      table.ranks = ranks > 0 ? ranks : hints.ranks;
      table.hosts = hosts;
      out.push_back(std::move(table));
    }
    MeasuredTable& table = out[at->second];
    const Bytes size(CountAt(row, "size"));
    const auto time = FromMicroseconds(NumberAt(row, "time"));
    if (size.count() <= 0 || !time)
      table.rejected.push_back({number, "its size or time is not above 0"});
    else if (NumberAt(row, "inPlace") > 0 && !table.points.empty() &&
             table.points.back().size == size && !table.points.back().in_place)
      table.points.back().in_place = time;
    else
      table.points.push_back({size, *time, std::nullopt, number});
  }
  return out;
}

// Objects a line, as one list: what early versions of rccl-tests write.
std::string AsList(std::string_view text) {
  std::string out = "[";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.find_first_not_of(" \t\r") != line.npos) {
      if (out.size() > 1) out += ',';
      out += line;
    }
    at = end + 1;
  }
  return out + "]";
}

}  // namespace

Result<std::vector<MeasuredTable>> ParseJsonTables(std::string_view text, const std::string& file,
                                                   const TableHints& hints) {
  json root;
  try {
    root = json::parse(text);
  } catch (const json::parse_error& e) {
    root = json::parse(AsList(text), nullptr, false);
    if (root.is_discarded())
      return Fail(ErrorCode::kSyntax, PosAt(text, file, e.byte == 0 ? 0 : e.byte - 1),
                  "this is no JSON from here on", "is the file cut off?");
  } catch (const json::exception&) {
    return Fail(ErrorCode::kSyntax, {file, 1, 1}, "the JSON has a number that is too large", {});
  }
  if (root.is_array() && !root.empty() && At(root.front(), "inPlace"))
    return RcclTests(root, file, hints);
  const json* const results = At(root, "results");
  if (!results || !results->is_array())
    return Fail(ErrorCode::kSyntax, {file, 1, 1}, "the JSON has no list 'results'",
                "want nccl-tests' -J, rccl-tests' -Z json, or a record of weft-probe");
  constexpr std::string_view kRecord = "weft.probe/", kVersion = "weft.probe/1";
  const std::string schema = TextAt(root, "schema");
  if (schema.starts_with(kRecord) && schema != kVersion)
    return Fail(ErrorCode::kSyntax, {file, 1, 1},
                fmt::format("the record is of schema '{}' (want {})", schema, kVersion),
                "measure with the weft-probe of this weft's version");
  std::vector<MeasuredTable> out =
      schema == kVersion ? ProbeRecord(root, file) : NcclTests(root, file, hints);
  if (out.empty() && schema == kVersion)
    return Fail(ErrorCode::kSyntax, {file, 1, 1},
                "the record has no collective, and there is nothing else to compare",
                "leave it out, or measure with weft-probe on two GPUs or more");
  if (out.empty())
    return Fail(ErrorCode::kSyntax, {file, 1, 1}, "the JSON has no result of a collective", {});
  return out;
}

}  // namespace weft
