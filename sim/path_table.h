// The paths of every QP of the programs appended: what engines read, bound once.
//
// A pattern or a send is a subject, bound once however many operations run it.
// Its edges, their QPs and the QPs' hops are rows of flat tables. QPs are
// numbered by source NIC over its connections, in the order patterns (edge by
// edge), then sends; the router's QpKey takes that number.
//
// Under a policy that splits, a QP's hops are the links of all its paths, each
// once, with the share of the QP's bytes that crosses it. Sprayed, QP q has paths
// q·n to q·n + n - 1 of its NIC, an even part of its bytes on each that exists;
// adaptive, Router::Split of its key. Elsewhere all of a QP crosses every hop.
//
// Shapes   S subjects, E edges, Q QPs, P hops.
// Errors   a QP without a path has no hops and is not `bound`.
// Cost     Append O(Q) calls of Router::Path, as many again as paths that are sprayed or tried
//          (disjoint); 32 bytes a QP, 4 a hop, 8 more where QPs split.
// Repeats  same programs in the same order, same seed: same paths.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/table.h"
#include "sim/physics.h"
#include "sim/program.h"
#include "sim/simulation.h"
#include "topology/port_search.h"
#include "topology/router.h"

namespace weft {

// What carries a QP.
struct QpRoute {
  std::vector<LinkId> links;   // a path, or the links of all paths, each once
  std::vector<double> shares;  // of the QP's bytes, by link; empty: all of them on each
  SimDuration latency{};       // of the slowest path, store-and-forward included
};

// Where whoever goes through edges, or rows, asks whether the caller still waits.
constexpr bool LookAt(std::uint32_t row) { return row > 0 && row % 4096 == 0; }

class PathTable {
 public:
  struct Edge {
    VertexId from = kNoVertex, to = kNoVertex;
    std::uint32_t first_qp = 0, qps = 1;
    std::uint32_t channel_row = 0;  // of all subjects' channels
    SimDuration latency{};          // path, step, store-and-forward: the slowest QP's
    double cap_bps = 0;             // 0: none
    double path_bps = 0;            // the narrowest link's capacity; 0: no links
    std::uint16_t lane = 0;         // as in weft::Edge
  };
  struct Qp {
    std::uint32_t first_hop = 0, hop_count = 0;
    std::uint32_t number = 0;  // among its NIC's
    std::uint16_t entropy = 0;
    std::uint8_t host_port = 0, traffic_class = 0;
    bool bound = false;
    VertexId nic = kNoVertex;  // kNoVertex: inside a host
    std::uint32_t edge = 0;
  };
  struct Subject {
    const Pattern* pattern = nullptr;  // null: a send
    std::uint32_t first_edge = 0, edge_count = 0;
    std::uint32_t first_channel = 0;  // rows of channel_edges()
    std::uint16_t channels = 1;
    std::uint8_t traffic_class = 0;
    RowId first_row = kNoRow;  // that runs it
  };
  struct Range {
    std::uint32_t first = 0, count = 0;  // edges
  };

  // An edge that stands for several, with the links that it is on in their place.
  struct MergedEdge {
    struct Hop {
      LinkId link;
      double share = 1;  // of one QP's bytes; may be above 1
    };
    std::uint32_t of = 0;  // of the table it is made from
    std::vector<Hop> hops;
  };
  struct MergedSubject {
    std::uint32_t of = 0;  // likewise
    std::uint32_t first_edge = 0, edge_count = 0;
  };

  PathTable(const Fabric& fabric, const Router& router, const Physics& physics, HashSeed seed);

  // Of `program`, whose subjects are `subjects`, each like one of `whole` with some of its edges
  // (sim/flow/quotient.h). Requires: the program outlives it.
  PathTable(const PathTable& whole, const Program& program, std::span<const MergedSubject> subjects,
            std::span<const MergedEdge> edges);

  // Binds the subjects of `program`, whose first row is `first_row`. False where `stop`, asked
  // now and then, said so: nothing but destruction may follow.
  bool Append(const Program& program, std::uint32_t first_row,
              const std::function<bool()>& stop = {});
  // Binds all anew under another seed.
  void Rebind(HashSeed seed);

  const Subject& subject(std::uint32_t program, const Op& op) const {
    return subjects_[subject_row(program, op)];
  }
  std::uint32_t subject_row(std::uint32_t program, const Op& op) const {
    const ProgramRows& rows = programs_[program];
    return (op.kind == Op::Kind::kPattern ? rows.first_pattern : rows.first_send) + op.subject;
  }
  std::span<const Subject> subjects() const { return subjects_; }
  std::span<const Edge> edges() const { return edges_; }
  bool any_cap() const { return any_cap_; }  // of an edge
  std::span<const Qp> qps() const { return qps_; }
  std::uint32_t channel_row_count() const { return static_cast<std::uint32_t>(channels_.size()); }
  // The edges of channel `c` of a subject.
  Range channel_edges(const Subject& subject, std::uint16_t c) const {
    return channels_[subject.first_channel + c];
  }
  std::span<const LinkId> hops(const Qp& qp) const {
    return std::span(hops_).subspan(qp.first_hop, qp.hop_count);
  }
  // By hop, the share of the QP's bytes; empty: all of them on every hop.
  std::span<const double> shares(const Qp& qp) const {
    return shares_.empty() ? std::span<const double>()
                           : std::span(shares_).subspan(qp.first_hop, qp.hop_count);
  }
  // visit(link, share of the edge's bytes): a hop of a QP at a time.
  template <typename Visit>
  void ForEachHop(std::uint32_t edge, const Visit& visit) const {
    const Edge& e = edges_[edge];
    for (std::uint32_t q = e.first_qp; q < e.first_qp + e.qps; ++q) {
      const auto links = hops(qps_[q]);
      const auto parts = shares(qps_[q]);
      for (std::size_t h = 0; h < links.size(); ++h)
        visit(links[h], (parts.empty() ? 1 : parts[h]) / e.qps);
    }
  }
  HashSeed seed() const { return seed_; }
  const RoutingPolicy& policy() const { return router_->policy(); }
  const SearchWork& search_work() const { return search_.work(); }

  // What carries `qp` out of `host_port` under `state`; false where nothing does. Sprayed QPs
  // leave by all ports.
  bool Route(const Qp& qp, std::uint8_t host_port, const LinkState& state, QpRoute& route) const;

  // As Simulation::UsersOf and QpsByLink say.
  std::vector<LinkUser> UsersOf(LinkId link) const;
  std::vector<std::uint32_t> QpsByLink() const;

 private:
  struct ProgramRows {
    std::uint32_t first_pattern = 0, first_send = 0;  // in subjects_
  };

  void Reserve(const Program& program);
  void AddPattern(const Pattern& pattern);
  void Merge(const MergedEdge& merged, const PathTable& whole, std::uint32_t edge);
  void AddSend(const Send& send);
  bool BindSubject(std::uint32_t row, const std::function<bool()>& stop = {});
  void BindQp(Qp& qp);
  bool Search(Qp& qp);
  bool Spray(const Qp& qp, const LinkState& state, QpRoute& route) const;
  SimDuration LatencyOf(LinkId link, bool last) const;
  SimDuration LatencyOf(std::span<const LinkId> path) const;
  SimDuration LatencyOfSplit(std::span<const LinkId> links) const;

  const Fabric* fabric_;
  const Router* router_;
  Physics physics_;
  HashSeed seed_;
  LinkState all_up_;
  std::vector<ProgramRows> programs_;
  Table<Subject> subjects_;
  Table<Edge> edges_;
  bool any_cap_ = false;
  std::vector<SimDuration> step_;  // [E]
  std::vector<Range> channels_;
  Table<Qp> qps_;
  Table<LinkId> hops_;
  std::vector<double> shares_;             // [P], where the policy splits
  std::vector<std::uint32_t> qps_of_nic_;  // [V]
  PortSearch search_;
  QpRoute scratch_;
};

}  // namespace weft
