#include "topology/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "base/text_file.h"
#include "topology/formats/text_lines.h"

namespace weft {
namespace {

std::uint32_t SegmentKey(const Host& host) {
  return (static_cast<std::uint32_t>(host.pod) << 16) | host.segment;
}

// Every host of the fabric by segment; families add them so, importers need not.
std::vector<HostId> PackedHosts(const Fabric& fabric) {
  std::vector<HostId> hosts(fabric.host_count());
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) hosts[h] = HostId{h};
  std::stable_sort(hosts.begin(), hosts.end(), [&](HostId a, HostId b) {
    return SegmentKey(fabric.host(a)) < SegmentKey(fabric.host(b));
  });
  return hosts;
}

// The first host of every segment, then the second of every segment ...
std::vector<HostId> SpreadHosts(const Fabric& fabric) {
  std::vector<HostId> hosts = PackedHosts(fabric);
  std::vector<std::uint32_t> turn(hosts.size(), 0);
  for (std::size_t i = 1; i < hosts.size(); ++i)
    if (SegmentKey(fabric.host(hosts[i])) == SegmentKey(fabric.host(hosts[i - 1])))
      turn[i] = turn[i - 1] + 1;
  std::vector<std::size_t> order(hosts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return turn[a] < turn[b]; });
  std::vector<HostId> out;
  for (const std::size_t i : order) out.push_back(hosts[i]);
  return out;
}

// Fisher–Yates, from weft's own stream.
std::vector<HostId> Shuffled(std::vector<HostId> hosts, std::int64_t seed) {
  Random random(StreamSeed(static_cast<std::uint64_t>(seed), {}));
  for (auto left = static_cast<std::uint32_t>(hosts.size()); left > 1; --left)
    std::swap(hosts[left - 1], hosts[random.Below(left)]);
  return hosts;
}

// As many of `hosts` as `gpus` GPUs need, as they stand.
std::vector<HostId> FirstHosts(const Fabric& fabric, std::vector<HostId> hosts, std::size_t gpus) {
  std::size_t count = 0;
  for (std::size_t had = 0; count < hosts.size() && had < gpus; ++count)
    had += fabric.host(hosts[count]).gpus;
  hosts.resize(count);
  return hosts;
}

// As many of `hosts` as `gpus` GPUs need, by segment again: the policy says which
// hosts, and a ring's order is a question of its own (workload.collective.ring_order).
std::vector<HostId> FirstBySegment(const Fabric& fabric, std::vector<HostId> hosts,
                                   std::size_t gpus) {
  hosts = FirstHosts(fabric, std::move(hosts), gpus);
  std::sort(hosts.begin(), hosts.end(), [&](HostId a, HostId b) {
    return std::pair(SegmentKey(fabric.host(a)), a) < std::pair(SegmentKey(fabric.host(b)), b);
  });
  return hosts;
}

Result<std::vector<HostId>> ListedHosts(const PlacementSpec& spec, const SourceMap& sources,
                                        const Fabric& fabric) {
  std::vector<HostId> hosts;
  std::vector<bool> taken(fabric.host_count(), false);
  Errors errors;
  for (int i = 0; i < spec.hosts_size(); ++i) {
    const SourcePos pos = sources.At(fmt::format("placement.hosts[{}]", i)).pos;
    const auto element = fabric.FindElement(spec.hosts(i));
    if (!element || element->kind != ElementId::Kind::kHost) {
      errors.push_back({ErrorCode::kInconsistent, pos,
                        fmt::format("there is no host '{}'", spec.hosts(i)),
                        fmt::format("{} to {}", fabric.HostName(HostId{0}),
                                    fabric.HostName(HostId{fabric.host_count() - 1}))});
    } else if (taken[element->id]) {
      errors.push_back({ErrorCode::kInconsistent, pos,
                        fmt::format("'{}' is listed twice", spec.hosts(i)), "each host once"});
    } else {
      taken[element->id] = true;
      hosts.push_back(HostId{element->id});
    }
  }
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return hosts;
}

Result<std::vector<HostId>> HostsInOrder(const PlacementSpec& spec, const SourceMap& sources,
                                         const Fabric& fabric) {
  if (spec.hosts_size() > 0) return ListedHosts(spec, sources, fabric);
  switch (spec.policy()) {
    case PlacementSpec::SPREAD:
      return SpreadHosts(fabric);
    case PlacementSpec::RANDOM:
      return Shuffled(PackedHosts(fabric), spec.seed());
    default:
      return PackedHosts(fabric);
  }
}

// The ranks of a table, one line after the other.
class PlacementTable {
 public:
  PlacementTable(const Fabric& fabric, std::string file)
      : fabric_(&fabric), file_(std::move(file)), line_of_gpu_(fabric.gpu_count(), 0) {}

  void Add(const TextLine& line) {
    if (IsBlankOrComment(line)) return;
    if (line.text.substr(0, line.text.find('#')).find_first_of("[=") != std::string_view::npos)
      return AddHosts(line);
    const auto cells = SplitCells(line.text.substr(0, line.text.find('#')));
    if (!cells || cells->size() > 2)
      return Refuse(line.number, line.words[0].column, "this is no rank",
                    "'host3,5', or 'host3' for all of its GPUs");
    const CsvCell& name = cells->front();
    if (!std::exchange(begun_, true) && IsHeader(name.text)) return;
    const auto element = fabric_->FindElement(name.text);
    if (!element || element->kind != ElementId::Kind::kHost)
      return Refuse(
          line.number, name.column, fmt::format("there is no host '{}'", name.text),
          fmt::format("{} to {}; a line is 'host3,5' or 'host3'", fabric_->HostName(HostId{0}),
                      fabric_->HostName(HostId{fabric_->host_count() - 1})));
    const Host& host = fabric_->host(HostId{element->id});
    if (cells->size() == 1) {
      for (std::uint16_t g = 0; g < host.gpus; ++g)
        if (!Take(host, g, line.number, name.column)) break;  // one error a line
      return;
    }
    const CsvCell& number = cells->back();
    const std::optional<std::int64_t> gpu = WholeNumber(number.text, host.gpus - 1);
    if (!gpu)
      return Refuse(line.number, number.column,
                    fmt::format("'{}' is no GPU of {}", number.text, name.text),
                    fmt::format("0 to {}, or no comma for all of them", host.gpus - 1));
    Take(host, static_cast<std::uint16_t>(*gpu), line.number, number.column);
  }

  Result<Placement> Finish() {
    if (errors_.empty() && out_.gpu_of_rank.empty())
      return Fail(ErrorCode::kInconsistent, {file_, 1, 1}, "the table has no ranks",
                  "lines such as 'host3,5' or 'host3'");
    if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
    return std::move(out_);
  }

 private:
  // `host[0-3,7] slots=4`, as Slurm lists nodes and Open MPI's hostfiles give slots: the first GPUs
  // of each, all without slots.
  void AddHosts(const TextLine& line) {
    begun_ = true;
    const auto refuse = [&](std::size_t word, std::string what) {
      Refuse(line.number, line.words[word].column, std::move(what),
             "'host3 slots=4', 'host[0-3,7]' or both");
    };
    std::vector<std::string_view> words;
    for (const auto& word : line.words) {
      if (word.text.starts_with('#')) break;
      words.push_back(word.text);
    }
    constexpr std::string_view kSlots = "slots=";
    std::optional<std::int64_t> slots;
    if (words.size() > 1 && words[1].starts_with(kSlots))
      slots =
          WholeNumber(words[1].substr(kSlots.size()), std::numeric_limits<std::uint16_t>::max());
    if (words.size() == 3 &&
        (words[2].starts_with("max_slots=") || words[2].starts_with("max-slots=")))
      words.pop_back();  // Open MPI's bound on ranks beyond the slots
    if (words.size() > 2)
      return refuse(2, fmt::format("'{}' says nothing of a host's ranks", words[2]));
    if (words.size() == 2 && slots.value_or(0) < 1)
      return refuse(1, fmt::format("'{}' is no number of slots", words[1]));
    const std::optional<std::vector<HostId>> hosts = HostsNamed(words[0]);
    if (!hosts) return refuse(0, fmt::format("'{}' are no hosts here", words[0]));
    for (const HostId id : *hosts) {
      const Host& host = fabric_->host(id);
      if (slots.value_or(1) > host.gpus)
        return refuse(1, fmt::format("{} has {} GPUs", fabric_->HostName(id), host.gpus));
      for (std::uint16_t g = 0; g < slots.value_or(host.gpus); ++g)
        if (!Take(host, g, line.number, line.words[0].column)) return;  // one error a line
    }
  }

  // None where one of them is none. Numbers may be padded.
  std::optional<std::vector<HostId>> HostsNamed(std::string_view text) const {
    const std::size_t open = text.find('[');
    std::vector<HostId> out;
    const auto add = [&](const std::string& name) {
      const auto element = fabric_->FindElement(name);
      const bool is_host = element && element->kind == ElementId::Kind::kHost;
      if (is_host) out.push_back(HostId{element->id});
      return is_host;
    };
    if (open == text.npos) return add(std::string(text)) ? std::optional(out) : std::nullopt;
    if (!text.ends_with(']')) return std::nullopt;
    std::string_view list = text.substr(open + 1, text.size() - open - 2);
    for (bool more = true; more;) {
      const std::size_t comma = list.find(',');
      const std::string_view item = list.substr(0, comma);
      more = comma != list.npos;
      if (more) list.remove_prefix(comma + 1);
      const std::size_t dash = item.find('-');
      const auto first = WholeNumber(item.substr(0, dash), fabric_->host_count());
      const auto last =
          dash == item.npos ? first : WholeNumber(item.substr(dash + 1), fabric_->host_count());
      if (!first || !last || *last < *first) return std::nullopt;
      for (std::int64_t n = *first; n <= *last; ++n)
        if (!add(fmt::format("{}{}", text.substr(0, open), n))) return std::nullopt;
    }
    return out;
  }

  void Refuse(int line, int column, std::string what, std::string hint) {
    errors_.push_back(
        {ErrorCode::kInconsistent, {file_, line, column}, std::move(what), std::move(hint)});
  }

  static bool IsHeader(std::string_view name) {
    return std::equal(name.begin(), name.end(), kHeader.begin(), kHeader.end(), [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
    });
  }

  // False where an earlier line has it.
  bool Take(const Host& host, std::uint16_t g, int line, int column) {
    const GpuId gpu{static_cast<std::uint32_t>(host.first_gpu_id) + g};
    int& taken = line_of_gpu_[static_cast<std::size_t>(gpu)];
    if (taken != 0) {
      Refuse(line, column,
             fmt::format("{} is an earlier rank's, of line {}", fabric_->Name(fabric_->gpu(gpu)),
                         taken),
             "each GPU once");
      return false;
    }
    taken = line;
    out_.gpu_of_rank.push_back(gpu);
    return true;
  }

  static constexpr std::string_view kHeader = "host";

  const Fabric* fabric_;
  std::string file_;
  std::vector<int> line_of_gpu_;  // [GPUs] 0: not taken
  bool begun_ = false;            // a line said something
  Placement out_;
  Errors errors_;
};

// `gpus` of them are taken, from the first.
Result<Placement> PlacementFromFile(const PlacementSpec& spec, const SourceMap& sources,
                                    const Fabric& fabric) {
  const Origin origin = sources.At("placement.file");
  if (spec.hosts_size() > 0)
    return Fail(ErrorCode::kInconsistent, origin.pos,
                "both 'file' and 'hosts' say which GPU each rank is", "one of them");
  std::filesystem::path path = spec.file();
  if (path.is_relative() && origin.kind == Origin::Kind::kFile)
    path = std::filesystem::path(origin.pos.file).parent_path() / path;
  WEFT_TRY(const std::string whole,  // lines are views of it
           ReadTextFile(path.string(), origin.pos,
                        "a path from this file's folder; with --set, from where weft was started"));
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  std::string_view all = whole;
  if (all.starts_with(kByteOrderMark)) all.remove_prefix(kByteOrderMark.size());
  PlacementTable table(fabric, path.string());
  for (const TextLine& line : SplitLines(all)) table.Add(line);
  WEFT_TRY(Placement out, table.Finish());
  const std::size_t want =
      spec.has_gpus() ? static_cast<std::size_t>(spec.gpus()) : out.gpu_of_rank.size();
  if (out.gpu_of_rank.size() < want)
    return Fail(ErrorCode::kOutOfRange, sources.At("placement.gpus").pos,
                fmt::format("'gpus' is {}, and {} has {} ranks", want, path.string(),
                            out.gpu_of_rank.size()),
                fmt::format("at most {}", out.gpu_of_rank.size()));
  out.gpu_of_rank.resize(want);
  return out;
}

}  // namespace

Result<Placement> MakePlacement(const PlacementSpec& spec, const SourceMap& sources,
                                const Fabric& fabric) {
  if (!spec.file().empty()) return PlacementFromFile(spec, sources, fabric);
  WEFT_TRY(std::vector<HostId> hosts, HostsInOrder(spec, sources, fabric));
  if (spec.hosts_size() == 0) {
    const auto skipped = std::min(hosts.size(), static_cast<std::size_t>(spec.skip()));
    if (skipped > 0 && skipped == hosts.size())
      return Fail(ErrorCode::kOutOfRange, sources.At("placement.skip").pos,
                  fmt::format("'skip' is {}, and the fabric has {} hosts", spec.skip(), skipped),
                  fmt::format("at most {}", skipped - 1));
    hosts.erase(hosts.begin(), hosts.begin() + static_cast<std::ptrdiff_t>(skipped));
  }
  const std::size_t want = spec.has_gpus() ? static_cast<std::size_t>(spec.gpus())
                                           : std::numeric_limits<std::size_t>::max();
  if (spec.hosts_size() == 0 && spec.policy() == PlacementSpec::SPREAD)
    hosts = FirstBySegment(fabric, std::move(hosts), want);
  if (spec.order() == PlacementSpec::SHUFFLED)
    hosts = Shuffled(FirstHosts(fabric, std::move(hosts), want), spec.seed());
  Placement out;
  for (const HostId id : hosts) {
    const Host& host = fabric.host(id);
    for (std::uint16_t g = 0; g < host.gpus && out.gpu_of_rank.size() < want; ++g)
      out.gpu_of_rank.push_back(GpuId{static_cast<std::uint32_t>(host.first_gpu_id) + g});
  }
  if (spec.has_gpus() && out.gpu_of_rank.size() < want)
    return Fail(ErrorCode::kOutOfRange, sources.At("placement.gpus").pos,
                fmt::format("'gpus' is {}, and {} {}", want,
                            spec.hosts_size() > 0 ? "the hosts listed have"
                            : spec.skip() > 0     ? "the hosts not skipped have"
                                                  : "the fabric has",
                            out.gpu_of_rank.size()),
                fmt::format("at most {}", out.gpu_of_rank.size()));
  return out;
}

}  // namespace weft
