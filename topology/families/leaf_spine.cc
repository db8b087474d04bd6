#include <fmt/format.h>

#include "topology/families/family.h"

namespace weft {
namespace {

void CheckPorts(const LeafSpineSpec& spec, const HostPart& host, const FamilyInput& input,
                Errors& errors) {
  if (!spec.check_ports()) return;
  const BitRate link = BitRate::BitsPerSecond(spec.link());
  const std::int64_t pair = spec.links_per_pair();
  const std::vector<PortUse> leaf = {
      {static_cast<std::int64_t>(spec.hosts_per_leaf()) * host.nics * host.nic_ports, host.nic_port,
       "down"},
      {spec.spines() * pair, link, "up"}};
  const std::vector<PortUse> spine = {{spec.leaves() * pair, link, "down"}};
  if (!PortsFit(input.chip, leaf))
    AddError(input, "hosts_per_leaf", "a leaf has too few ports: " + FormatPortSum(leaf),
             "fewer hosts_per_leaf or spines, another switch:, or check_ports: false", errors);
  if (!PortsFit(input.chip, spine))
    AddError(input, "leaves", "a spine has too few ports: " + FormatPortSum(spine),
             "fewer leaves, another switch:, or check_ports: false", errors);
}

}  // namespace

Result<Fabric> BuildLeafSpine(const FabricSpec& fabric, const FamilyInput& input) {
  const LeafSpineSpec& spec = fabric.leaf_spine();
  const BitRate link = BitRate::BitsPerSecond(spec.link());
  const SimDuration latency(spec.latency());
  const HostPart host = HostOrBare(link, 1, 1, input);
  const auto leaves = static_cast<std::uint32_t>(spec.leaves());
  const auto spines = static_cast<std::uint32_t>(spec.spines());
  const std::int64_t hosts = static_cast<std::int64_t>(spec.leaves()) * spec.hosts_per_leaf();
  Errors errors;
  CheckPorts(spec, host, input, errors);
  CheckSize(hosts, host, spec.leaves() + spec.spines(),
            static_cast<std::int64_t>(leaves) * spines * spec.links_per_pair(), input, errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));

  FabricBuilder builder(1);
  std::vector<VertexId> leaf(leaves), spine(spines);
  for (std::uint32_t l = 0; l < leaves; ++l)
    for (std::int32_t h = 0; h < spec.hosts_per_leaf(); ++h)
      builder.AddHost(ShapeOf(host), 0, static_cast<std::uint16_t>(l));
  for (std::uint32_t l = 0; l < leaves; ++l)
    leaf[l] = builder.AddSwitch(
        {VertexKind::kSwitch, 1, 0, 0, static_cast<std::uint16_t>(l), l, kNoHost});
  for (std::uint32_t s = 0; s < spines; ++s)
    spine[s] = builder.AddSwitch({VertexKind::kSwitch, 2, 0, 0, 0, s, kNoHost});

  for (std::uint32_t h = 0; h < static_cast<std::uint32_t>(hosts); ++h)
    for (int n = 0; n < host.nics; ++n)
      for (int p = 0; p < host.nic_ports; ++p)
        builder.AddCable(builder.nic(HostId{h}, static_cast<std::uint16_t>(n)),
                         leaf[h / static_cast<std::uint32_t>(spec.hosts_per_leaf())], host.nic_port,
                         latency, static_cast<std::uint8_t>(p));
  for (std::uint32_t l = 0; l < leaves; ++l)
    for (std::uint32_t s = 0; s < spines; ++s)
      for (int k = 0; k < spec.links_per_pair(); ++k)
        builder.AddCable(leaf[l], spine[s], link, latency, static_cast<std::uint8_t>(k));
  builder.SetNaming({{"leaf", false, false, false}, {"spine", false, false, false}});
  builder.SetPower(PowerOf(hosts, host, leaves + spines, input.chip));
  return builder.Build();
}

}  // namespace weft
