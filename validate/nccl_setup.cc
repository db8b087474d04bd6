#include "validate/nccl_setup.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "validate/tables_internal.h"

namespace weft {
namespace {

// What stands behind `mark`; none where it is not there.
std::optional<std::string_view> Behind(std::string_view line, std::string_view mark) {
  const std::size_t at = line.find(mark);
  if (at == line.npos) return std::nullopt;
  return line.substr(at + mark.size());
}

std::string_view FirstWord(std::string_view text) {
  const std::size_t start = std::min(text.find_first_not_of(' '), text.size());
  return text.substr(start, text.find_first_of(" \t\r", start) - start);
}

// The last number before `mark`: "24 coll channels".
std::optional<int> NumberBefore(std::string_view line, std::string_view mark) {
  const std::size_t end = line.find(mark);
  if (end == line.npos) return std::nullopt;
  std::size_t start = end;
  while (start > 0 && std::isdigit(static_cast<unsigned char>(line[start - 1]))) --start;
  return WholeNumber<int>(line.substr(start, end - start));
}

// "/0(5)": a NIC that is reached over GPU 5.
bool IsRelayed(std::string_view via) {
  const auto is_digit = [&](std::size_t at) {
    return at < via.size() && std::isdigit(static_cast<unsigned char>(via[at]));
  };
  for (std::size_t at = 0; (at = via.find('(', at)) != via.npos; ++at) {
    std::size_t start = at;
    while (start > 0 && is_digit(start - 1)) --start;
    if (start < at && start > 0 && via[start - 1] == '/' && is_digit(at + 1)) return true;
  }
  return false;
}

// " [0]mlx5_0:1/IB [1]mlx5_1:1/IB [RO]; OOB eth0:…": a device has a number in brackets.
int DevicesIn(std::string_view list) {
  list = list.substr(0, list.find(';'));
  int count = 0;
  for (std::size_t at = 0; (at = list.find('[', at)) != list.npos; ++at)
    count += at + 1 < list.size() && std::isdigit(static_cast<unsigned char>(list[at + 1]));
  return count;
}

// node-0:588:612 [3] NCCL INFO …: the host's name.
std::string HostOf(std::string_view line) {
  const std::string_view before = line.substr(0, line.rfind(" ["));
  const std::size_t word = before.find_last_of(" \t>") + 1;
  return std::string(before.substr(word, before.find(':', word) - word));
}

}  // namespace

void NcclSetup::AddLine(std::string_view line) {
  const auto said = Behind(line, "NCCL INFO ");
  if (!said) return;
  if (const auto network = Behind(*said, "Using network ")) {
    (FirstWord(*network).starts_with("Socket") ? rdma_.unused : rdma_.used) = true;
  } else if (const auto via = Behind(*said, " via ")) {
    Connection(*via);
  } else if (const auto channels = NumberBefore(*said, " nvls channels")) {
    (*channels > 0 ? nvls_.used : nvls_.unused) = true;
  } else if (const auto list = Behind(*said, "NET/IB : Using")) {
    const int count = DevicesIn(*list);
    if (count > 0) devices_ = devices_ > 0 ? std::min(devices_, count) : count;
    if (count > 0) hosts_.insert(HostOf(line.substr(0, line.find("NCCL INFO "))));
  } else if (const auto value = Behind(*said, " set by environment to ")) {
    std::string_view word = FirstWord(*value);
    while (word.ends_with('.')) word.remove_suffix(1);
    own_.insert_or_assign(std::string(FirstWord(*said)), std::string(word));
    Interpret();
  }
}

void NcclSetup::Connection(std::string_view via) {
  if (via.starts_with("P2P/")) p2p_.used = true;
  if (via.starts_with("SHM/")) p2p_.unused = true;
  if (!via.starts_with("NET/")) return;
  if (via.starts_with("NET/Socket")) {
    rdma_.unused = true;
    return;
  }
  via = via.substr(0, via.find(" comm "));  // a network's name may hold blanks: AWS Libfabric
  rdma_.used = true;
  (via.find("/GDRDMA") != via.npos ? gdr_.used : gdr_.unused) = true;
  if (IsRelayed(via)) pxn_.used = true;
}

void NcclSetup::AddVariable(std::string_view name, std::string_view value) {
  typed_.insert_or_assign(std::string(name), std::string(value));
  Interpret();
}

void NcclSetup::RemoveVariable(std::string_view name) {
  if (const auto at = typed_.find(name); at != typed_.end()) typed_.erase(at);
  Interpret();
}

NcclSetup NcclSetup::OwnLines() const {
  NcclSetup out = *this;
  out.typed_.clear();
  out.Interpret();
  return out;
}

void NcclSetup::Interpret() {
  for (Feature* const one : {&rdma_, &gdr_, &p2p_, &nvls_, &pxn_})
    one->own_forbids = one->typed_forbids = false;
  no_nvls_ = no_nvls_tree_ = false;
  Variables all = own_;
  all.insert(typed_.begin(), typed_.end());  // where NCCL says nothing of them
  for (const auto& [name, value] : all) {
    bool Feature::*const forbids =
        own_.contains(name) ? &Feature::own_forbids : &Feature::typed_forbids;
    const bool zero = value == "0", set = WholeNumber<int>(value).value_or(0) != 0;
    if (name == "NCCL_NET" && value == "Socket") rdma_.*forbids = true;
    if (name == "NCCL_P2P_DISABLE" && set) p2p_.*forbids = true;
    if (name == "NCCL_P2P_LEVEL" && (value == "LOC" || zero)) p2p_.*forbids = true;
    if (name == "NCCL_NET_GDR_LEVEL" && (value == "LOC" || zero)) gdr_.*forbids = true;
    if (name == "NCCL_NVLS_ENABLE" && zero) nvls_.*forbids = true;
    if (name == "NCCL_PXN_DISABLE" && set) pxn_.*forbids = true;
    if (name == "NCCL_ALGO") Algorithms(value);
  }
}

// Ring,Tree: these alone; ^NVLS: all but these. Of one operation or another (allreduce:ring)
// nothing is taken.
void NcclSetup::Algorithms(std::string_view list) {
  if (list.empty() || list.find(':') != list.npos) return;
  std::string lower(list);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool all_but = lower.starts_with('^');
  const std::string names = "," + lower.substr(all_but ? 1 : 0) + ",";
  const bool nvls = names.find(",nvls,") != names.npos;
  const bool tree = names.find(",nvlstree,") != names.npos;
  no_nvls_ = all_but == nvls;
  // NVLS asked for over several hosts is what switches that reduce are for.
  no_nvls_tree_ = all_but == tree && (all_but || !nvls);
}

namespace {

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> all) {
  return std::find(all.begin(), all.end(), word) != all.end();
}

constexpr std::string_view kQuotes = "\"'";

std::string_view Unquoted(std::string_view word) {
  while (!word.empty() && kQuotes.find(word.front()) != kQuotes.npos) word.remove_prefix(1);
  while (!word.empty() && (kQuotes.find(word.back()) != kQuotes.npos || word.back() == ';'))
    word.remove_suffix(1);
  return word;
}

bool IsName(std::string_view word) {
  return !word.empty() && !std::isdigit(static_cast<unsigned char>(word.front())) &&
         std::all_of(word.begin(), word.end(),
                     [](unsigned char c) { return c == '_' || std::isalnum(c); });
}

// NAME=VALUE of any program.
bool IsAssignment(std::string_view word) {
  const std::size_t sign = word.find('=');
  return sign != word.npos && IsName(word.substr(0, sign));
}

// NCCL_ALGO=^NVLS, quoted or not; none where it is no such word.
std::optional<NcclVariable> AssignmentIn(std::string_view word) {
  word = Unquoted(word);
  if (!word.starts_with("NCCL_") || !IsAssignment(word)) return std::nullopt;
  const std::size_t sign = word.find('=');
  return NcclVariable{std::string(word.substr(0, sign)),
                      std::string(Unquoted(word.substr(sign + 1)))};
}

// Names a test's program: ./build/all_reduce_perf.
bool IsTest(std::string_view word) {
  return word.ends_with("_perf") || word.ends_with("_perf_mpi");
}

// Ends what a shell prints before a command: $, user@host:~$, root@host:/#; + and > stand alone.
bool IsPromptsEnd(std::string_view word, std::string_view before) {
  if (IsOneOf(word, {"+", "++", ">"})) return before.empty() || before.ends_with(':');
  return word.ends_with('$') ||
         (word.find('@') != word.npos && (word.ends_with('#') || word.ends_with('%')));
}

using Command = std::vector<std::string_view>;

// The commands of a line, split at `;` and `&&`: without a prompt, a comment and the sign that the
// line goes on. #SBATCH is no comment: its options count.
std::vector<Command> CommandsOf(std::string_view line) {
  constexpr std::size_t kLongestPrompt = 4;
  std::vector<Command> out(1);
  for (const Word& word : WordsOf(line)) {
    Command& last = out.back();
    if (word.text.starts_with('#') && word.text != "#SBATCH") break;
    if (out.size() == 1 && last.size() < kLongestPrompt &&
        IsPromptsEnd(word.text, last.empty() ? std::string_view() : last.back())) {
      last.clear();
      continue;
    }
    if (!IsOneOf(word.text, {"&&", ";", "\\"})) last.push_back(word.text);
    if (word.text == "&&" || word.text.ends_with(';')) out.emplace_back();
  }
  return out;
}

// ALL,NCCL_ALGO=Ring,NCCL_NET=Socket, as srun and sbatch have it.
void TakeList(std::string_view list, std::vector<NcclVariable>& out) {
  list = Unquoted(list);
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (auto one = AssignmentIn(list.substr(at, end - at))) out.push_back(*std::move(one));
    at = end + 1;
  }
}

bool IsExport(const Command& words) {
  return !words.empty() && IsOneOf(words.front(), {"export", "unset"});
}

// Behind `export` or `unset`.
void TakeExport(const Command& words, std::vector<NcclVariable>& out) {
  const bool unset = words.front() == "unset";
  for (const std::string_view word : words) {
    const std::string_view name = Unquoted(word);
    if (auto one = AssignmentIn(word); one && !unset) {
      one->exported = true;
      out.push_back(*std::move(one));
    } else if (unset && name.starts_with("NCCL_") && IsName(name)) {
      out.push_back({std::string(name), {}, true, true});
    }
  }
}

// Of a launcher, of a test's program, or assignments alone; those that a command begins with where
// it goes on in the next line, or behind `env`.
void TakeCommand(const Command& words, bool goes_on, std::vector<NcclVariable>& out) {
  const auto test = std::find_if(words.begin(), words.end(), IsTest);
  const auto env = std::find(words.begin(), words.end(), "env");
  const auto first = env == words.end() ? words.begin() : env + 1;
  const auto led = std::find_if_not(first, words.end(), IsAssignment);
  const bool leads = led == words.end() || goes_on || env != words.end();
  for (auto word = words.begin(); word != words.end(); ++word) {
    const std::string_view before = word == words.begin() ? std::string_view() : word[-1];
    for (const std::string_view option : {"--export=", "--env="})
      if (word->starts_with(option)) TakeList(word->substr(option.size()), out);
    if (before == "--export") TakeList(*word, out);
    if (before == "-u" && word->starts_with("NCCL_") && IsName(*word))
      out.push_back({std::string(*word), {}, false, true});
    const bool sets =
        (word < test && test != words.end()) || (leads && first <= word && word < led);
    if (auto one = AssignmentIn(*word); one && (sets || IsOneOf(before, {"-x", "-e", "--env"})))
      out.push_back(*std::move(one));
  }
}

}  // namespace

std::vector<NcclVariable> NcclVariablesIn(std::string_view line) {
  std::vector<NcclVariable> out;
  if (line.find("NCCL_") == line.npos || line.find("NCCL INFO ") != line.npos) return out;
  const std::size_t last = line.find_last_not_of(" \t\r");
  const bool goes_on = line[last] == '\\';
  bool start = true;  // of the line: nothing yet but what sets variables, which prose does not do
  for (const Command& words : CommandsOf(line)) {
    if (start && IsExport(words))
      TakeExport(words, out);
    else
      TakeCommand(words, goes_on, out);
    start = start && (IsExport(words) || std::all_of(words.begin(), words.end(), IsAssignment));
  }
  return out;
}

}  // namespace weft
