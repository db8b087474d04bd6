#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "topology/formats/format.h"
#include "topology/formats/text_lines.h"

// htsim's .topo file of a two- or three-tier fat tree, read and cabled as htsim does [HTSIM
// f661b2f fat_tree_topology.cpp]: ToRs by podsize over radix_down, Aggs by what the ToRs' uplinks
// need, Agg i of a pod to cores i, i + Aggs a pod, …

namespace weft {
namespace {

struct TierKeys {
  std::int64_t gbps = 0, radix_up = 0, radix_down = 0, oversubscribed = 1, bundle = 1;
  std::int64_t switch_ns = 0, link_ns = 0;
  bool given = false;
};

class HtsimReader {
 public:
  explicit HtsimReader(const FormatInput& input) : input_(input) {}

  Result<Wiring> Read();

 private:
  void Report(int line, int column, std::string message, std::string hint) {
    errors_.push_back(
        {ErrorCode::kSyntax, {input_.file, line, column}, std::move(message), std::move(hint)});
  }
  void ReadLine(const TextLine& line);
  std::int64_t* KeyOf(const std::string& key, const TextLine& line);
  // a / b, an error where that is not whole.
  std::int64_t Divide(std::int64_t a, std::int64_t b, const char* what);
  void CheckKeys();
  void Build();
  void AddCables(std::uint32_t a, std::uint32_t b, int tier);
  SimDuration Latency(int tier) const;

  const FormatInput& input_;
  Errors errors_;
  std::int64_t nodes_ = 0, tiers_ = 0, podsize_ = 0;
  std::array<TierKeys, 3> tier_;
  int current_ = -1;
  std::int64_t ignored_ = 0;  // the file's queue sizes
  bool has_queues_ = false;
  bool is_matrix_ = false;  // no fabric: nothing more is said of it
  Wiring out_;
};

std::int64_t* HtsimReader::KeyOf(const std::string& key, const TextLine& line) {
  if (key == "nodes") return &nodes_;
  if (key == "tiers") return &tiers_;
  if (key == "podsize") return &podsize_;
  if (current_ < 0) {
    Report(line.number, line.words[0].column,
           fmt::format("'{}' stands before any tier", line.words[0].text),
           "Nodes, Tiers and Podsize come first, then Tier 0");
    return nullptr;
  }
  TierKeys& tier = tier_[static_cast<std::size_t>(current_)];
  const std::map<std::string_view, std::int64_t*> keys = {{"downlink_speed_gbps", &tier.gbps},
                                                          {"radix_up", &tier.radix_up},
                                                          {"radix_down", &tier.radix_down},
                                                          {"oversubscribed", &tier.oversubscribed},
                                                          {"bundle", &tier.bundle},
                                                          {"switch_latency_ns", &tier.switch_ns},
                                                          {"downlink_latency_ns", &tier.link_ns},
                                                          {"queue_up", &ignored_},
                                                          {"queue_down", &ignored_}};
  const auto found = keys.find(key);
  if (found == keys.end()) {
    Report(line.number, line.words[0].column, fmt::format("unknown key '{}'", line.words[0].text),
           "Downlink_speed_Gbps, Radix_Down, Radix_Up, Oversubscribed, Bundle, "
           "Switch_Latency_ns, Downlink_Latency_ns, Queue_Up, Queue_Down");
    return nullptr;
  }
  return found->second;
}

void HtsimReader::ReadLine(const TextLine& line) {
  std::string key(line.words[0].text);
  std::transform(key.begin(), key.end(), key.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const auto value =
      line.words.size() == 2 ? WholeNumber(line.words[1].text, 1'000'000) : std::nullopt;
  if (!value)
    return Report(line.number, line.words.size() > 1 ? line.words[1].column : 1,
                  fmt::format("'{}' wants one whole number", line.words[0].text),
                  fmt::format("{} 8", line.words[0].text));
  if (key == "connections") {
    is_matrix_ = true;
    return Report(line.number, line.words[0].column,
                  "this is a connection matrix (.cm): who sends to whom, not what the fabric is",
                  "the .topo file that htsim ran it on; what is sent is `workload:` of a scenario");
  }
  if (key == "tier") {
    if (*value > 2)
      return Report(line.number, line.words[1].column, fmt::format("tier {}", *value),
                    "0 is the ToRs, 1 the Aggs, 2 the cores");
    current_ = static_cast<int>(*value);
    tier_[static_cast<std::size_t>(current_)].given = true;
    return;
  }
  std::int64_t* into = KeyOf(key, line);
  if (into == nullptr) return;
  has_queues_ = has_queues_ || into == &ignored_;
  *into = *value;
}

void HtsimReader::CheckKeys() {
  const auto need = [&](bool there, const std::string& what) {
    if (!there) Report(1, 1, what + " is missing", "see htsim's README");
  };
  need(nodes_ > 0, "Nodes");
  need(tiers_ == 2 || tiers_ == 3, "Tiers, 2 or 3,");
  need(podsize_ > 0, "Podsize");
  if (!errors_.empty()) return;
  for (std::int64_t t = 0; t < tiers_; ++t) {
    const TierKeys& tier = tier_[static_cast<std::size_t>(t)];
    need(tier.given, fmt::format("Tier {}", t));
    if (!tier.given) continue;
    need(tier.gbps > 0, fmt::format("Downlink_speed_Gbps of tier {}", t));
    need(tier.radix_down > 0, fmt::format("Radix_Down of tier {}", t));
    need(t + 1 == tiers_ || tier.radix_up > 0, fmt::format("Radix_Up of tier {}", t));
    need(tier.bundle > 0 && tier.oversubscribed > 0,
         fmt::format("a Bundle and Oversubscribed above 0 of tier {}", t));
  }
  if (errors_.empty() && tier_[0].bundle != 1)
    Report(1, 1, "Bundle of tier 0 is not 1", "a host has one port, in htsim too");
}

std::int64_t HtsimReader::Divide(std::int64_t a, std::int64_t b, const char* what) {
  if (b > 0 && a % b == 0 && a > 0) return a / b;
  if (errors_.empty())
    Report(1, 1, fmt::format("{} would be {} / {}, which is not whole", what, a, b),
           "keys that fit each other, as htsim wants them");
  return 1;
}

// A cable's own, and half of the switch at each end: so that the sum along any way up and down
// counts every switch on it once, as htsim does.
SimDuration HtsimReader::Latency(int tier) const {
  const auto row = static_cast<std::size_t>(tier);
  const std::int64_t below = tier > 0 ? tier_[row - 1].switch_ns : 0;
  return SimDuration(tier_[row].link_ns * 1000 + (tier_[row].switch_ns + below) * 500);
}

void HtsimReader::AddCables(std::uint32_t a, std::uint32_t b, int tier) {
  const TierKeys& keys = tier_[static_cast<std::size_t>(tier)];
  for (std::int64_t i = 0; i < keys.bundle; ++i)
    out_.cables.push_back({{false, a, 0, 0},
                           {false, b, 0, 0},
                           GigabitsPerSecond(static_cast<double>(keys.gbps)),
                           Latency(tier)});
}

void HtsimReader::Build() {
  const auto& [tor, agg, core] = tier_;
  const std::int64_t pods = Divide(nodes_, podsize_, "the number of pods");
  const std::int64_t tors = pods * Divide(podsize_, tor.radix_down, "a pod's ToRs");
  const std::int64_t tor_uplinks =
      Divide(nodes_ * tor.gbps, agg.gbps * tor.oversubscribed, "the ToRs' uplinks");
  const std::int64_t pod_aggs = Divide(tor_uplinks, pods * agg.radix_down, "a pod's Aggs");
  if (errors_.empty() && pod_aggs * agg.bundle != tor.radix_up)
    Report(1, 1,
           fmt::format("a ToR has Radix_Up {}, and {} Aggs with {} cables each", tor.radix_up,
                       pod_aggs, agg.bundle),
           "as many uplinks as cables to the pod's Aggs");
  const std::int64_t agg_uplinks =
      tiers_ == 3
          ? Divide(tor_uplinks * agg.gbps, core.gbps * agg.oversubscribed, "the Aggs' uplinks")
          : 0;
  const std::int64_t cores = tiers_ == 3 ? Divide(agg_uplinks, core.radix_down, "the cores") : 0;
  const std::int64_t ups = tiers_ == 3 ? Divide(agg.radix_up, core.bundle, "an Agg's cores") : 0;
  if (errors_.empty() && tiers_ == 3 && ups * pod_aggs != cores)
    Report(1, 1,
           fmt::format("{} Aggs of a pod with {} cores each, and {} cores", pod_aggs, ups, cores),
           "every core joins one Agg of each pod");
  if (!errors_.empty()) return;

  HostSpec spec = DefaultHostSpec();
  spec.set_nics(1);
  spec.set_nic(static_cast<double>(tor.gbps) * 1e9);
  spec.set_pcie(spec.nic() * 2);
  spec.set_pcie_latency(0);
  for (std::int64_t h = 0; h < nodes_; ++h)
    out_.hosts.push_back({fmt::format("host{}", h), spec, {}, {}});
  const std::array<std::pair<const char*, std::int64_t>, 3> kinds = {
      std::pair("tor", tors), std::pair("agg", pods * pod_aggs), std::pair("core", cores)};
  for (int t = 0; t < tiers_; ++t) {
    const auto& [name, count] = kinds[static_cast<std::size_t>(t)];
    out_.tiers.emplace_back(name);
    for (std::int64_t i = 0; i < count; ++i)
      out_.switches.push_back({fmt::format("{}{}", name, i), t + 1, {}, {}, {}});
  }
  const auto row = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
  for (std::int64_t h = 0; h < nodes_; ++h)
    out_.cables.push_back({{true, row(h), 0, 0},
                           {false, row(h / tor.radix_down), 0, 0},
                           GigabitsPerSecond(static_cast<double>(tor.gbps)),
                           Latency(0)});
  for (std::int64_t t = 0; t < tors; ++t)
    for (std::int64_t a = 0; a < pod_aggs; ++a)
      AddCables(row(t), row(tors + t / (tors / pods) * pod_aggs + a), 1);
  for (std::int64_t a = 0; a < pods * pod_aggs; ++a)
    for (std::int64_t l = 0; l < ups; ++l)
      AddCables(row(tors + a), row(tors + pods * pod_aggs + a % pod_aggs + pod_aggs * l), 2);
}

Result<Wiring> HtsimReader::Read() {
  for (TextLine& line : SplitLines(input_.text)) {
    if (is_matrix_) break;
    const auto comment = std::find_if(line.words.begin(), line.words.end(),
                                      [](const TextWord& word) { return word.text[0] == '#'; });
    line.words.erase(comment, line.words.end());
    if (!line.words.empty()) ReadLine(line);
  }
  if (errors_.empty()) CheckKeys();
  if (errors_.empty()) Build();
  if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
  out_.notes.push_back(
      "every node is taken for a host of one GPU and one NIC, without PCIe's time");
  out_.notes.push_back("a switch's latency is shared by the cables at its two ends");
  if (has_queues_) out_.notes.push_back("queue sizes are left out: weft's switches have none yet");
  return std::move(out_);
}

}  // namespace

Result<Wiring> ReadHtsim(const FormatInput& input) { return HtsimReader(input).Read(); }

bool LooksLikeHtsim(std::string_view text) {
  for (const TextLine& line : SplitLines(text.substr(0, 4096))) {
    if (line.words.empty() || line.words[0].text[0] == '#') continue;
    std::string key(line.words[0].text);
    for (char& c : key) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return key == "nodes" || key == "tiers" || key == "podsize";
  }
  return false;
}

}  // namespace weft
