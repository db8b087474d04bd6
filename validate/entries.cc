#include "validate/entries.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/schema/wording.h"
#include "base/text_file.h"
#include "scenario/prepare.h"
#include "validate/tables_internal.h"

namespace weft {
namespace {

using Row = std::map<std::string, std::string>;

std::vector<std::string_view> Split(std::string_view text, char mark) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(mark, at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// Every whole number in `text`: "2,4,8", "32 trays".
std::vector<int> NumbersIn(std::string_view text) {
  std::vector<int> out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
    if (end > at)
      if (const auto value = WholeNumber<int>(text.substr(at, end - at))) out.push_back(*value);
    at = std::max(end, at + 1);
  }
  return out;
}

std::string VersionIn(std::string_view text) {
  const std::string_view word = text.substr(0, text.find_first_not_of("0123456789."));
  return word.find('.') == word.npos ? std::string() : std::string(word);
}

std::string Sha256Of(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  WEFT_CHECK(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

template <typename Word>
Result<Word> WordOf(const std::string& text,
                    std::initializer_list<std::pair<const char*, Word>> all, const char* column,
                    const SourcePos& pos) {
  std::vector<std::string> names;
  for (const auto& [name, word] : all) {
    if (text == name) return word;
    if (*name) names.push_back(name);
  }
  return Fail(ErrorCode::kOutOfRange, pos, fmt::format("{} is '{}'", column, text), JoinOr(names));
}

// Of what the file holds, the tables that the entry means.
void KeepOwn(TableEntry& entry, const std::vector<int>& ranks) {
  std::vector<MeasuredTable>& tables = entry.tables;
  std::set<std::string> gpus;
  for (const MeasuredTable& table : tables) gpus.insert(table.gpu);
  std::set<int> counts(ranks.begin(), ranks.end());
  bool any = false;
  for (const MeasuredTable& table : tables) any |= counts.count(table.ranks) > 0;
  std::set<std::tuple<int, int, std::string, std::string>> seen;
  std::erase_if(tables, [&](const MeasuredTable& table) {
    if (!entry.op.empty() && table.op != entry.op) return true;
    if (gpus.size() > 1 && !entry.gpu.empty() && table.gpu != entry.gpu) return true;
    if (any && counts.count(table.ranks) == 0) return true;
    // Further columns of the same ranks are other settings; the first is the machine as it is.
    return !table.variant.empty() &&
           !seen.insert({table.ranks, table.hosts, table.type, table.gpu}).second;
  });
}

// Nobody says on how many hosts the ranks are: on as few as have so many GPUs, all of them used.
// Not where the log names more.
void AssumeFewHosts(const TableEntry& entry, MeasuredTable& table) {
  if (entry.host.empty()) return;
  const Result<HostPart> host = ReadHostText(entry.host, entry.pos);  // a wrong one is said later
  if (!host || (table.ranks > host->gpus && table.ranks % host->gpus != 0)) return;
  const int hosts = std::max(1, table.ranks / host->gpus);
  if (static_cast<int>(table.host_names.size()) > hosts) return;
  table.hosts_assumed = hosts > 1 || table.hosts_unclear;  // else it is one by what the text says
  if (table.hosts_assumed) table.hosts = hosts;
}

Result<TableEntry> EntryOf(TableEntry entry, const std::vector<int>& ranks,
                           const EntryOptions& options) {
  WEFT_TRY(const std::string text, ReadTextFile(entry.file, entry.pos));
  entry.sha256 = Sha256Of(text);
  TableHints hints{entry.op, entry.gpu, options.gpus, entry.nodes};
  if (!ranks.empty()) hints.ranks = *std::max_element(ranks.begin(), ranks.end());
  WEFT_TRY(entry.tables, ParseTables(text, entry.file, hints));
  KeepOwn(entry, ranks);
  if (entry.op.empty() && !entry.tables.empty()) entry.op = entry.tables.front().op;
  if (entry.gpu.empty() && !entry.tables.empty()) entry.gpu = entry.tables.front().gpu;
  if (entry.host.empty()) entry.host = options.host;
  for (MeasuredTable& table : entry.tables) {
    if (table.nccl.empty()) table.nccl = !entry.nccl.empty() ? entry.nccl : options.nccl;
    if (table.hosts == 0 && options.gpus_per_host > 0 && table.ranks > 0)
      table.hosts = std::max(1, table.ranks / options.gpus_per_host);
    if (table.hosts == 0 && table.ranks > 0) AssumeFewHosts(entry, table);
    entry.nodes = std::max(entry.nodes, table.hosts);
  }
  return entry;
}

Result<TableEntry> EntryOfRow(const Row& row, const SourcePos& pos, const std::string& folder,
                              const EntryOptions& options) {
  const auto at = [&](const char* key) {
    const auto found = row.find(key);
    return found == row.end() || found->second == "-" ? std::string() : found->second;
  };
  TableEntry entry;
  entry.pos = pos;
  entry.name = at("file");
  entry.file = entry.name.starts_with('/') ? entry.name : folder + entry.name;
  if (entry.name.empty()) return Fail(ErrorCode::kSyntax, pos, "the line names no file", {});
  const std::string op = at("op");
  entry.op = OperationNamed(op);
  if (!op.empty() && entry.op.empty())
    return Fail(ErrorCode::kOutOfRange, pos, fmt::format("no operation '{}'", op),
                "such as all_reduce");
  entry.gpu = at("gpu");
  entry.fabric = at("fabric");
  entry.nccl = VersionIn(at("nccl_version"));
  entry.cause = at("cause");
  entry.source = at("source");
  entry.host = at("host");
  WEFT_TRY(entry.label, WordOf<TableLabel>(at("label"),
                                           {{"", TableLabel::kUnknown},
                                            {"healthy", TableLabel::kHealthy},
                                            {"degraded", TableLabel::kDegraded},
                                            {"unclear", TableLabel::kUnclear}},
                                           "label", pos));
  WEFT_TRY(entry.use,
           WordOf<TableUse>(
               at("use"),
               {{"", TableUse::kUnknown}, {"fit", TableUse::kFit}, {"check", TableUse::kCheck}},
               "use", pos));
  const std::vector<int> nodes = NumbersIn(at("nodes"));
  if (!nodes.empty()) entry.nodes = std::max(1, nodes.front());
  return EntryOf(std::move(entry), NumbersIn(at("ranks")), options);
}

// A log or record of several operations is an entry of each, in the order they come, and so is what
// ran on one host and what ran on several: they are of different classes of error.
std::vector<TableEntry> ByOperation(TableEntry entry) {
  std::vector<TableEntry> out;
  std::vector<MeasuredTable> tables = std::move(entry.tables);
  entry.tables.clear();
  for (MeasuredTable& table : tables) {
    auto own = std::find_if(out.begin(), out.end(), [&](const TableEntry& one) {
      return one.op == table.op && (one.tables.front().hosts > 1) == (table.hosts > 1);
    });
    if (own == out.end()) {
      entry.op = table.op;
      own = out.insert(out.end(), entry);
    }
    own->tables.push_back(std::move(table));
  }
  if (out.empty()) out.push_back(std::move(entry));
  for (TableEntry& one : out) {
    int most = 0;
    for (const MeasuredTable& table : one.tables) most = std::max(most, table.hosts);
    if (most > 0) one.nodes = most;
  }
  return out;
}

void ReadList(const std::string& path, const std::string& text, const EntryOptions& options,
              std::vector<TableEntry>& out, Errors& errors) {
  const std::size_t slash = path.find_last_of('/');
  const std::string folder = slash == path.npos ? "" : path.substr(0, slash + 1);
  std::vector<std::string_view> names;
  int number = 0;
  for (std::string_view line : Split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const std::vector<std::string_view> cells = Split(line, '\t');
    if (names.empty()) {
      names = cells;
      continue;
    }
    const SourcePos pos{path, number, 1};
    if (cells.size() != names.size()) {
      errors.push_back(
          {ErrorCode::kSyntax, pos,
           fmt::format("{} columns where the header has {}", cells.size(), names.size()),
           "columns are set apart by tabs"});
      continue;
    }
    Row row;
    for (std::size_t i = 0; i < cells.size(); ++i) row[std::string(names[i])] = cells[i];
    Result<TableEntry> entry = EntryOfRow(row, pos, folder, options);
    if (entry)
      std::ranges::move(ByOperation(*std::move(entry)), std::back_inserter(out));
    else
      errors.insert(errors.end(), entry.error().begin(), entry.error().end());
  }
}

}  // namespace

const char* NameOf(TableLabel label) {
  constexpr const char* kNames[] = {"unknown", "healthy", "degraded", "unclear"};
  return kNames[static_cast<std::size_t>(label)];
}

const char* NameOf(TableUse use) {
  constexpr const char* kNames[] = {"", "fit", "check"};
  return kNames[static_cast<std::size_t>(use)];
}

int TableEntry::rejected() const {
  std::size_t count = 0;
  for (const MeasuredTable& table : tables) count += table.rejected.size();
  return static_cast<int>(count);
}

Result<std::vector<TableEntry>> ReadEntries(const std::vector<std::string>& paths,
                                            const EntryOptions& options, SourceTexts* texts) {
  std::vector<TableEntry> out;
  Errors errors;
  if (!options.host.empty()) {
    if (texts) texts->Add("--host", options.host);
    WEFT_TRY([[maybe_unused]] const HostPart host, ReadHostText(options.host, {"--host", 0, 0}));
  }
  for (const std::string& path : paths) {
    const Result<std::string> text = ReadTextFile(path, {path, 0, 0});
    if (!text) {
      errors.insert(errors.end(), text.error().begin(), text.error().end());
      continue;
    }
    if (texts) texts->Add(path, *text);
    if (text->starts_with("file\t")) {
      ReadList(path, *text, options, out, errors);
      continue;
    }
    TableEntry bare;
    bare.file = path;
    bare.name = path.substr(path.find_last_of('/') + 1);
    bare.pos = {path, 1, 1};
    Result<TableEntry> entry = EntryOf(std::move(bare), {}, options);
    if (!entry) {
      errors.insert(errors.end(), entry.error().begin(), entry.error().end());
      continue;
    }
    for (TableEntry& one : ByOperation(*std::move(entry))) {
      if (!one.tables.empty()) one.pos.line = one.tables.front().line;
      out.push_back(std::move(one));
    }
  }
  if (errors.empty()) return out;
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

std::string ProjectOf(const TableEntry& entry) {
  if (entry.source.empty()) return entry.name;
  const std::size_t first = entry.source.find('/');
  if (first == std::string::npos) return entry.source;
  const std::size_t second = entry.source.find_first_of("/ @#", first + 1);
  return entry.source.substr(0, second);
}

namespace {

// In capitals: NVIDIA, H100, 80GB, HBM3.
std::set<std::string> WordsOfGpu(std::string_view text) {
  std::set<std::string> out;
  std::string word;
  for (const char c : std::string(text) + ' ') {
    if (std::isalnum(static_cast<unsigned char>(c)))
      word += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    else if (!word.empty())
      out.insert(std::exchange(word, {}));
  }
  return out;
}

// Without what says that it is a card.
std::set<std::string> ModelOfGpu(std::string_view name) {
  std::set<std::string> out = WordsOfGpu(name);
  out.erase("PCIE");
  return out;
}

bool Includes(const std::set<std::string>& all, const std::set<std::string>& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

// Whether a driver's name for a GPU is that of a preset, or of AMD's Instincts, of which there is
// none: MI300X.
bool IsKnownGpu(const std::set<std::string>& device) {
  const std::vector<std::string> names = AllPresets().Names("gpu");
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return Includes(device, ModelOfGpu(name)); }) ||
         std::any_of(device.begin(), device.end(), [](const std::string& word) {
           return word.size() > 2 && word.starts_with("MI") &&
                  std::isdigit(static_cast<unsigned char>(word[2]));
         });
}

}  // namespace

std::vector<std::string> HostsOfGpu(std::string_view device, int gpus) {
  const std::set<std::string> of_device = WordsOfGpu(device);
  const bool card = of_device.count("PCIE") + of_device.count("NVL") > 0;
  std::vector<std::string> exact, larger;
  for (const std::string& name : AllPresets().Names("host")) {
    const auto host = FindHost(name);
    if (!host || host->gpu_name.empty() || host->gpus < gpus) continue;
    const bool host_card = WordsOfGpu(host->gpu_name).contains("PCIE");
    if (host_card == card && Includes(of_device, ModelOfGpu(host->gpu_name)))
      (host->gpus == gpus ? exact : larger).push_back(name);
  }
  exact.insert(exact.end(), larger.begin(), larger.end());
  return exact;
}

std::vector<Error> WarningsOfGpus(const std::vector<TableEntry>& entries) {
  constexpr std::size_t kMost = 20;
  std::vector<Error> out;
  std::map<std::string, std::string> of_host;  // its GPUs' name, by its text
  for (const TableEntry& entry : entries) {
    if (entry.host.empty() || out.size() >= kMost) continue;
    const auto [at, fresh] = of_host.try_emplace(entry.host);
    if (fresh)
      if (const auto host = ReadHostText(entry.host, entry.pos)) at->second = host->gpu_name;
    if (at->second.empty()) continue;
    for (const MeasuredTable& table : entry.tables) {
      const std::set<std::string> device = WordsOfGpu(table.gpu);
      if (Includes(device, ModelOfGpu(at->second)) || !IsKnownGpu(device)) continue;
      out.push_back({ErrorCode::kInconsistent,
                     {table.file, table.line, 1},
                     fmt::format("the table is of GPUs called '{}', its host is said to have {}",
                                 table.gpu, at->second),
                     "what is simulated is that host; --host or the list's column says another"});
      break;
    }
  }
  return out;
}

Result<HostPart> ReadHostText(const std::string& text, const SourcePos& pos) {
  const PresetTable presets = AllPresets();
  const ReadOptions options{&presets, {}, nullptr};
  Result<Located<HostSpec>> spec = [&] {
    if (text.find('{') != text.npos || text.find(": ") != text.npos)
      return ParseText<HostSpec>(text, pos.file, options);
    if (IsFile(text)) return ReadFile<HostSpec>(text, options);
    return ParseText<HostSpec>(fmt::format("preset: {}", text), pos.file, options);
  }();
  if (!spec) {
    // A host in a list stands inside a line of its own file.
    for (Error& error : spec.error())
      if (pos.line > 0 && error.pos.file == pos.file) error.pos = pos;
    return tl::make_unexpected(std::move(spec.error()));
  }
  return MakeHostPart(spec->message, spec->sources, "");
}

}  // namespace weft
