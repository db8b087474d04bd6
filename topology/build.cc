#include "topology/build.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "topology/embedded.h"
#include "topology/families/family.h"

namespace weft {
namespace {

// A preset's value that does not go with what is set over the preset is blamed where the preset
// stands: the hint names what was set.
void NameWhatIsSet(const SourceMap& sources, Errors& errors) {
  std::string sets;
  std::vector<SourcePos> places;
  for (const auto& [path, origin] : sources.entries()) {
    if (origin.kind != Origin::Kind::kSet ||
        !(path.starts_with("fabric.") || path.starts_with("host.")))
      continue;
    sets += (sets.empty() ? "" : ", ") + path;
    places.push_back(origin.pos);
  }
  if (sets.empty() || sources.At("fabric").kind == Origin::Kind::kSet) return;
  for (Error& error : errors)
    if (std::none_of(places.begin(), places.end(),
                     [&](const SourcePos& place) { return place.file == error.pos.file; }))
      error.hint += fmt::format("{}--set gives {}", error.hint.empty() ? "" : "; ", sets);
}

}  // namespace

Result<Fabric> BuildFabric(const FabricSpec& spec, const HostSpec* host, const SourceMap& sources) {
  FamilyInput input;
  input.sources = &sources;
  WEFT_TRY(input.chip, MakeSwitchPart(spec.switch_(), sources, "fabric.switch"));
  WEFT_CHECK(input.chip.rate > BitRate() && input.chip.ports > 0);  // the schema's defaults
  if (host == nullptr && spec.has_host()) host = &spec.host();
  if (host != nullptr) {
    input.host_path = host == &spec.host() ? "fabric.host" : "host";
    WEFT_TRY(input.host, MakeHostPart(*host, sources, input.host_path));
  }
  Result<Fabric> fabric = BuildFamily(spec, input);
  if (fabric) {
    for (const std::string& note : spec.notes()) FabricBuilder::AddNote(*fabric, note);
    return fabric;
  }
  NameWhatIsSet(sources, fabric.error());
  SortByPosition(fabric.error());
  return fabric;
}

RoutingPolicy MakeRoutingPolicy(const RoutingSpec& spec, const Fabric& fabric) {
  RoutingPolicy policy;
  policy.seed_scope = spec.seed_scope() == RoutingSpec::TIER   ? SeedScope::kTier
                      : spec.seed_scope() == RoutingSpec::SAME ? SeedScope::kSame
                                                               : SeedScope::kSwitch;
  policy.host_port =
      spec.host_port() == RoutingSpec::HASH ? HostPortRule::kHash : HostPortRule::kByQp;
  policy.udp_port = spec.udp_port() == RoutingSpec::SEQUENTIAL ? UdpPortRule::kSequential
                    : spec.udp_port() == RoutingSpec::PER_PAIR ? UdpPortRule::kPerPair
                                                               : UdpPortRule::kRandom;
  // The schema's values stand in the order of ours.
  policy.policy = static_cast<PathPolicy>(spec.policy());
  policy.hash = static_cast<HashKind>(spec.hash());
  const bool by_port = spec.has_core_hash() ? spec.core_hash() == RoutingSpec::PER_PORT
                                            : fabric.cores_hash_by_port();
  policy.core_hash = by_port ? CoreHash::kPerPort : CoreHash::kFiveTuple;
  policy.spray_paths = static_cast<std::uint32_t>(spec.spray_paths());
  return policy;
}

static_assert(static_cast<int>(PathPolicy::kEecmp) == RoutingSpec::EECMP &&
              static_cast<int>(PathPolicy::kDisjoint) == RoutingSpec::DISJOINT &&
              static_cast<int>(PathPolicy::kSpray) == RoutingSpec::SPRAY &&
              static_cast<int>(PathPolicy::kAdaptive) == RoutingSpec::ADAPTIVE &&
              static_cast<int>(PathPolicy::kStatic) == RoutingSpec::STATIC);
static_assert(static_cast<int>(HashKind::kCrc16) == RoutingSpec::CRC16 &&
              static_cast<int>(HashKind::kCrc32) == RoutingSpec::CRC32 &&
              static_cast<int>(HashKind::kCrc32c) == RoutingSpec::CRC32C &&
              static_cast<int>(HashKind::kXor) == RoutingSpec::XOR &&
              static_cast<int>(HashKind::kToeplitz) == RoutingSpec::TOEPLITZ);

std::vector<Preset> TopologyPresets() {
  std::vector<Preset> out;
  for (const EmbeddedFile& file : EmbeddedTopologyFiles()) {
    const std::size_t slash = file.path.rfind('/'), dot = file.path.rfind('.');
    out.push_back({"fabric", std::string(file.path.substr(slash + 1, dot - slash - 1)),
                   std::string(file.path), file.text});
  }
  return out;
}

}  // namespace weft
