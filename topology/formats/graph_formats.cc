#include <fmt/format.h>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/graphml.hpp>
#include <boost/graph/graphviz.hpp>
#include <map>
#include <sstream>

#include "base/schema/quantity.h"
#include "topology/formats/device_keys.h"
#include "topology/formats/format.h"
#include "topology/formats/xml_internal.h"

// GraphML and DOT: a vertex a host or switch, an edge a cable, by Boost.Graph's writers. Boost's
// reader of GraphML knows no places, so pugixml reads.

namespace weft {
namespace {

struct DeviceVertex {
  std::string name, kind, part;  // kind: host or switch
  int tier = 0;                  // 0: a host
};
struct CableEdge {
  std::string a_port, b_port, rate, latency;
  double gbps = 0;
};
using CableGraph =
    boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, DeviceVertex, CableEdge>;

CableGraph MakeGraph(const Wiring& wiring) {
  CableGraph graph(wiring.hosts.size() + wiring.switches.size());
  for (std::size_t h = 0; h < wiring.hosts.size(); ++h)
    graph[h] = {wiring.hosts[h].name, "host", FormatPart(wiring.hosts[h]), 0};
  for (std::size_t s = 0; s < wiring.switches.size(); ++s)
    graph[wiring.hosts.size() + s] = {wiring.switches[s].name, "switch",
                                      FormatPart(wiring, wiring.switches[s]),
                                      wiring.switches[s].tier};
  const auto vertex = [&](const Wiring::End& end) {
    return end.is_host ? end.row : wiring.hosts.size() + end.row;
  };
  const auto port = [](const Wiring::End& end) {
    return end.is_host ? fmt::format("nic{}/port{}", end.nic, end.port) : std::string();
  };
  for (const Wiring::Cable& cable : wiring.cables)
    boost::add_edge(
        vertex(cable.a), vertex(cable.b),
        CableEdge{port(cable.a), port(cable.b),
                  FormatQuantity(cable.rate.bits_per_second(), BIT_RATE),
                  FormatWhole(cable.latency.count(), DURATION), cable.rate.bits_per_second() / 1e9},
        graph);
  return graph;
}

boost::dynamic_properties PropertiesOf(CableGraph& graph) {
  boost::dynamic_properties out;
  out.property("name", boost::get(&DeviceVertex::name, graph));
  out.property("kind", boost::get(&DeviceVertex::kind, graph));
  out.property("tier", boost::get(&DeviceVertex::tier, graph));
  out.property("part", boost::get(&DeviceVertex::part, graph));
  out.property("a_port", boost::get(&CableEdge::a_port, graph));
  out.property("b_port", boost::get(&CableEdge::b_port, graph));
  out.property("rate", boost::get(&CableEdge::rate, graph));
  out.property("gbps", boost::get(&CableEdge::gbps, graph));
  out.property("latency", boost::get(&CableEdge::latency, graph));
  return out;
}

class GraphmlReader {
 public:
  GraphmlReader(const XmlFile& xml) : xml_(xml) {}

  Result<Wiring> Read();

 private:
  void Report(pugi::xml_node node, std::string message, std::string hint) {
    errors_.push_back({ErrorCode::kSyntax, xml_.At(node), std::move(message), std::move(hint)});
  }
  void Append(const Errors& errors) { errors_.insert(errors_.end(), errors.begin(), errors.end()); }
  // What `node`'s data says under the attribute `name`; empty where it says nothing.
  std::string DataOf(pugi::xml_node node, const std::string& name) const;
  void ReadNode(pugi::xml_node node);
  void ReadEdge(pugi::xml_node edge);
  std::optional<Wiring::End> EndOf(pugi::xml_node edge, const char* attribute, const char* port);

  const XmlFile& xml_;
  Errors errors_;
  Wiring out_;
  std::map<std::string, std::string> key_id_;     // of node: and edge: with the attribute's name
  std::map<std::string, Wiring::End> device_of_;  // by node id
};

std::string GraphmlReader::DataOf(pugi::xml_node node, const std::string& name) const {
  const auto id = key_id_.find(std::string(node.name()) + ':' + name);
  if (id == key_id_.end()) return {};
  for (const pugi::xml_node data : node.children("data"))
    if (id->second == data.attribute("key").value()) return data.child_value();
  return {};
}

void GraphmlReader::ReadNode(pugi::xml_node node) {
  const std::string id = node.attribute("id").value(), kind = DataOf(node, "kind");
  std::string name = DataOf(node, "name");
  if (name.empty()) name = id;
  if (kind != "host" && kind != "switch")
    return Report(
        node,
        fmt::format("node '{}' has {}", id, kind.empty() ? "no kind" : "the kind '" + kind + "'"),
        "an attribute called kind: host or switch");
  Wiring::End end;
  end.is_host = kind == "host";
  if (end.is_host) {
    Result<Wiring::Host> host = ParseHostPart(DataOf(node, "part"), name, xml_.At(node));
    if (!host) return Append(host.error());
    end.row = static_cast<std::uint32_t>(out_.hosts.size());
    out_.hosts.push_back(*std::move(host));
  } else {
    Result<Wiring::Switch> one = ParseSwitchPart(DataOf(node, "part"), name, xml_.At(node), out_);
    if (!one) return Append(one.error());
    end.row = static_cast<std::uint32_t>(out_.switches.size());
    out_.switches.push_back(*std::move(one));
  }
  if (!device_of_.emplace(id, end).second)
    Report(node, fmt::format("two nodes have the id '{}'", id), "an id of its own");
}

std::optional<Wiring::End> GraphmlReader::EndOf(pugi::xml_node edge, const char* attribute,
                                                const char* port) {
  const std::string id = edge.attribute(attribute).value();
  const auto found = device_of_.find(id);
  if (found == device_of_.end()) {
    Report(edge, fmt::format("this edge's {} is '{}', and no node has that id", attribute, id),
           "the id of a node");
    return std::nullopt;
  }
  if (!found->second.is_host) return found->second;
  const Result<Wiring::End> end =
      ParseHostPort(DataOf(edge, port), found->second.row, xml_.At(edge));
  if (!end) return Append(end.error()), std::nullopt;
  return *end;
}

void GraphmlReader::ReadEdge(pugi::xml_node edge) {
  auto a = EndOf(edge, "source", "a_port"), b = EndOf(edge, "target", "b_port");
  const auto rate = ParseQuantity(DataOf(edge, "rate"), BIT_RATE, xml_.At(edge));
  const auto latency = ParseWhole(DataOf(edge, "latency"), DURATION, xml_.At(edge));
  if (!rate) Append(rate.error());
  if (!latency) Append(latency.error());
  if (!a || !b || !rate || !latency) return;
  if (b->is_host) std::swap(a, b);
  if (b->is_host) return Report(edge, "a cable of two hosts", "a host and a switch, or switches");
  out_.cables.push_back({*a, *b, BitRate::BitsPerSecond(*rate), SimDuration(*latency)});
}

Result<Wiring> GraphmlReader::Read() {
  const pugi::xml_node root = xml_.root(), graph = root.child("graph");
  if (std::string_view(root.name()) != "graphml" || !graph)
    Report(root, "no graph is in the file", "<graphml><graph>…");
  for (const pugi::xml_node key : root.children("key"))
    key_id_[std::string(key.attribute("for").value()) + ':' + key.attribute("attr.name").value()] =
        key.attribute("id").value();
  for (const pugi::xml_node node : graph.children("node")) ReadNode(node);
  if (errors_.empty())
    for (const pugi::xml_node edge : graph.children("edge")) ReadEdge(edge);
  if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
  return std::move(out_);
}

}  // namespace

Result<Wiring> ReadGraphml(const FormatInput& input) {
  WEFT_TRY(const XmlFile xml, XmlFile::Parse(input.text, input.file));
  return GraphmlReader(xml).Read();
}

std::string WriteGraphml(const Wiring& wiring) {
  CableGraph graph = MakeGraph(wiring);
  std::ostringstream out;
  boost::write_graphml(out, graph, PropertiesOf(graph), true);
  return out.str();
}

std::string WriteDot(const Wiring& wiring) {
  CableGraph graph = MakeGraph(wiring);
  std::ostringstream out;
  boost::write_graphviz_dp(out, graph, PropertiesOf(graph), "name");
  return out.str();
}

bool LooksLikeGraphml(std::string_view text) {
  return text.substr(0, 4096).find("<graphml") != std::string_view::npos;
}

}  // namespace weft
