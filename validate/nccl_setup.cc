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
    AddVariable(FirstWord(*said), word);
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
  const bool zero = value == "0", set = WholeNumber<int>(value).value_or(0) != 0;
  if (name == "NCCL_NET" && value == "Socket") rdma_.forbidden = true;
  if (name == "NCCL_P2P_DISABLE" && set) p2p_.forbidden = true;
  if (name == "NCCL_P2P_LEVEL" && (value == "LOC" || zero)) p2p_.forbidden = true;
  if (name == "NCCL_NET_GDR_LEVEL" && (value == "LOC" || zero)) gdr_.forbidden = true;
  if (name == "NCCL_NVLS_ENABLE" && zero) nvls_.forbidden = true;
  if (name == "NCCL_PXN_DISABLE" && set) pxn_.forbidden = true;
  if (name == "NCCL_ALGO") Algorithms(value);
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

// NCCL_ALGO=^NVLS, quoted or not; none where it is no such word.
std::optional<NcclVariable> AssignmentIn(std::string_view word) {
  constexpr std::string_view kQuotes = "\"'";
  while (!word.empty() && kQuotes.find(word.front()) != kQuotes.npos) word.remove_prefix(1);
  const std::size_t sign = word.find('=');
  if (!word.starts_with("NCCL_") || sign == word.npos) return std::nullopt;
  for (const char c : word.substr(0, sign))
    if (c != '_' && !std::isupper(static_cast<unsigned char>(c)) &&
        !std::isdigit(static_cast<unsigned char>(c)))
      return std::nullopt;
  std::string_view value = word.substr(sign + 1);
  while (!value.empty() && kQuotes.find(value.front()) != kQuotes.npos) value.remove_prefix(1);
  while (!value.empty() && (kQuotes.find(value.back()) != kQuotes.npos || value.back() == ';'))
    value.remove_suffix(1);
  return NcclVariable{std::string(word.substr(0, sign)), std::string(value)};
}

// Names a test's program: ./build/all_reduce_perf.
bool IsTest(std::string_view word) {
  return word.ends_with("_perf") || word.ends_with("_perf_mpi");
}

}  // namespace

std::vector<NcclVariable> NcclVariablesIn(std::string_view line) {
  std::vector<NcclVariable> out;
  if (line.find("NCCL_") == line.npos || line.find("NCCL INFO ") != line.npos) return out;
  std::vector<std::string_view> words;
  for (const Word& word : WordsOf(line)) words.push_back(word.text);
  if (words.size() > 1 && words.back() == "\\") words.pop_back();  // the command goes on
  const bool command = std::any_of(words.begin(), words.end(), IsTest);
  bool alone = true, exported = false;  // nothing but variables so far; behind `export`
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view before = i > 0 ? words[i - 1] : std::string_view();
    if (auto one = AssignmentIn(words[i])) {
      one->exported = exported;
      if (command || exported || IsOneOf(before, {"-x", "-e", "--env", "env"}) ||
          (alone && i + 1 == words.size()))
        out.push_back(*std::move(one));
      continue;
    }
    exported = words[i] == "export";
    alone = alone && IsOneOf(words[i], {"$", "+", ">"});
  }
  return out;
}

}  // namespace weft
