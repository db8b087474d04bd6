#include "topology/formats/format.h"

#include <algorithm>

namespace weft {
namespace {

constexpr FabricFormat kFormats[] = {
    {"simai", "SimAI's topology file", ReadSimai, nullptr, LooksLikeSimai},
    {"ns3", "topology file of HPCC's ns-3, as in ASTRA-sim", ReadNs3, nullptr, LooksLikeNs3},
    {"htsim", "htsim's .topo file of a fat tree", ReadHtsim, nullptr, LooksLikeHtsim},
    {"ibnetdiscover", "what ibnetdiscover prints", ReadIbnetdiscover, nullptr,
     LooksLikeIbnetdiscover},
    {"nccl", "NCCL's XML topology of a host", ReadNcclTopology, nullptr, LooksLikeNcclTopology},
    {"cabling", "cabling plan, as weft topology --export cabling writes it", ReadCabling, nullptr,
     LooksLikeCabling},
    {"csv", "cabling list, a row a cable", ReadCsv, WriteCsv, LooksLikeCsv},
    {"graphml", "GraphML", ReadGraphml, WriteGraphml, LooksLikeGraphml},
    {"json", "a scenario file in JSON, family: custom", nullptr, FormatScenarioJson, nullptr},
    {"yaml", "a scenario file, family: custom", nullptr, FormatScenario, nullptr},
    {"dot", "Graphviz", nullptr, WriteDot, nullptr},
    {"slurm", "topology.conf of Slurm's tree plugin", nullptr, WriteSlurm, nullptr},
};

}  // namespace

std::span<const FabricFormat> FabricFormats() { return kFormats; }

const FabricFormat* FindFormat(std::string_view name) {
  const auto found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                  [&](const FabricFormat& one) { return one.name == name; });
  return found == std::end(kFormats) ? nullptr : found;
}

const FabricFormat* RecognizeFormat(std::string_view text) {
  const FabricFormat* found = nullptr;
  for (const FabricFormat& one : kFormats) {
    if (one.looks_like == nullptr || !one.looks_like(text)) continue;
    if (found != nullptr) return nullptr;
    found = &one;
  }
  return found;
}

}  // namespace weft
