#include "sim/flow/quotient.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "sim/flow/coupling.h"
#include "sim/startup.h"

namespace weft {
namespace {

constexpr std::uint32_t kNoClass = 0xffffffff;

// Of a round's cost, hops and rows, to that of a flow in the engine, some microseconds.
constexpr double kRoundsPerFlow = 8;
constexpr int kLeastRounds = 8;

// 128 bits; sums of colours do not depend on the order.
struct Colour {
  std::uint64_t a = 0, b = 0;
  bool operator==(const Colour&) const = default;
  Colour& operator+=(const Colour& other) {
    a += other.a;
    b += other.b;
    return *this;
  }
};

inline Colour Mixed(const Colour& c, std::uint64_t with) {
  return {Mix64(c.a + 0x9e3779b97f4a7c15ULL * (with + 1)),
          Mix64((c.b ^ 0xd1b54a32d192ed03ULL) + 0x8cb92ba72f3d8dd7ULL * (with + 1))};
}
Colour Mixed(const Colour& c, const Colour& with) { return Mixed(Mixed(c, with.a), with.b); }
// Sums of shares of colours, modulo 2^61 - 1: no part of a colour is lost.
constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;
std::uint64_t Reduced(std::uint64_t x) {
  x = (x & kPrime) + (x >> 61);
  return x >= kPrime ? x - kPrime : x;
}
std::uint64_t MulAdd(std::uint64_t sum, std::uint64_t x, std::uint64_t share) {
  const unsigned __int128 product = static_cast<unsigned __int128>(Reduced(x)) * share + sum;
  return Reduced((static_cast<std::uint64_t>(product) & kPrime) +
                 Reduced(static_cast<std::uint64_t>(product >> 61)));
}
void AddShare(Colour& sum, const Colour& one, std::uint64_t share) {
  sum = {MulAdd(sum.a, one.a, share), MulAdd(sum.b, one.b, share)};
}
std::uint64_t Bits(double x) { return std::bit_cast<std::uint64_t>(x); }

// Dense numbers for colours, in the order in which they are first seen.
class Numbers {
 public:
  std::uint32_t Of(const Colour& colour) {
    if (2 * (keys_.size() + 1) > slots_.size()) Grow();
    std::size_t at = colour.a & (slots_.size() - 1);
    while (slots_[at] != kNoClass && keys_[slots_[at]] != colour)
      at = (at + 1) & (slots_.size() - 1);
    if (slots_[at] == kNoClass) {
      slots_[at] = static_cast<std::uint32_t>(keys_.size());
      keys_.push_back(colour);
    }
    return slots_[at];
  }
  std::uint32_t count() const { return static_cast<std::uint32_t>(keys_.size()); }

 private:
  void Grow() {
    slots_.assign(std::max<std::size_t>(64, 2 * slots_.size()), kNoClass);
    for (std::uint32_t key = 0; key < keys_.size(); ++key) {
      std::size_t at = keys_[key].a & (slots_.size() - 1);
      while (slots_[at] != kNoClass) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = key;
    }
  }

  std::vector<Colour> keys_;
  std::vector<std::uint32_t> slots_;  // a power of two, half empty
};

std::uint32_t DistinctOf(const std::vector<Colour>& colours,
                         const std::vector<std::uint8_t>& used) {
  Numbers numbers;
  for (std::size_t i = 0; i < colours.size(); ++i)
    if (used[i] != 0) numbers.Of(colours[i]);
  return numbers.count();
}

// The colours of everything, finer round by round.
class Refinement {
 public:
  Refinement(const QuotientInput& input, Telling how)
      : input_(input),
        how_(how),
        paths_(*input.paths),
        program_(input.schedule->program(0)),
        row_(program_.ops.size()),
        subject_(paths_.subjects().size()),
        edge_(paths_.edges().size()),
        link_((how == Telling::kApart ? 2 : 1) * std::size_t{input.fabric->link_count()}),
        runs_(paths_.subjects().size(), 0.0),
        edge_used_(edge_.size(), 0),
        link_used_(link_.size(), 0),
        kept_(link_.size(), 0) {}

  // Why the program cannot be folded; empty: it may, if it pays.
  std::string Begin();
  // Not of one communicator's operations alone, which memoising makes cheaper still.
  bool may_pay() const { return may_pay_; }
  // False where the classes are too fine to pay.
  bool Refine();

  const std::vector<Colour>& rows() const { return row_; }
  const std::vector<Colour>& subjects() const { return subject_; }
  const std::vector<Colour>& edges() const { return edge_; }
  const std::vector<Colour>& links() const { return link_; }
  // Of rings, where they are told apart; else all are of group 0.
  std::uint8_t group(std::uint32_t subject) const {
    const Pattern* const pattern = paths_.subjects()[subject].pattern;
    const bool ring = pattern != nullptr && pattern->advance == Pattern::Advance::kPipelined;
    return how_ == Telling::kApart && ring ? 1 : 0;
  }
  // The row of a link for what is of `group`.
  std::uint32_t LinkRow(std::uint8_t group, LinkId link) const {
    return group * input_.fabric->link_count() + Index(link);
  }
  LinkId LinkOfRow(std::uint32_t row) const { return LinkId{row % input_.fabric->link_count()}; }
  bool kept(std::uint32_t link_row) const { return kept_[link_row] != 0; }
  bool apart() const { return how_ == Telling::kApart; }
  bool watched(LinkId link) const {
    if (apart()) return kept(LinkRow(0, link)) && kept(LinkRow(1, link));
    return link_used_[Index(link)] != 0 && !kept(Index(link)) && input_.silent[Index(link)] == 0;
  }

 private:
  std::uint32_t SubjectOf(const Op& op) const { return paths_.subject_row(0, op); }
  bool Sends(const Op& op) const {
    return op.kind == Op::Kind::kPattern || op.kind == Op::Kind::kSend;
  }
  std::string BeginSubject(std::uint32_t s);
  void BeginRows();
  bool OneAfterTheOther() const;
  void FindBlockEnds();
  std::string KeepLinks();
  std::string KeepHops();
  void ColourRows();
  void ColourSubjects();
  void ColourEdges();
  void ColourLinks();
  double FlowsOfClasses() const;

  // What an edge puts on each link, in whole parts of 2^-40.
  template <typename Visit>
  void ForEachHop(std::uint32_t edge, const Visit& visit) const {
    paths_.ForEachHop(edge, [&](LinkId link, double share) {
      visit(link, static_cast<std::uint64_t>(share * 0x1p40 + 0.5));
    });
  }

  const QuotientInput& input_;
  Telling how_;
  const PathTable& paths_;
  const Program& program_;
  std::vector<Colour> row_, subject_, edge_, link_;
  std::vector<Colour> row_before_;  // the round, where any_back_
  bool any_back_ = false;           // a row waits for a pass before
  std::vector<double> runs_;        // [subjects] how often one runs
  double flows_ = 0;
  bool may_pay_ = false;
  std::size_t edges_used_ = 0, hops_used_ = 0;
  std::vector<std::uint8_t> edge_used_, link_used_;
  std::vector<std::uint8_t> kept_;  // [link rows] used, and may hold a flow back
  struct Hop {
    std::uint32_t link_row = 0;
    std::uint64_t share = 0;  // in parts of 2^-40
  };
  std::vector<std::uint32_t> first_hop_;  // [E + 1] into hops_: on links that are kept
  std::vector<Hop> hops_;
  // [streams] for a block's first row there, its last: the row it waits for a pass later.
  std::vector<std::uint32_t> block_end_;
  std::vector<std::uint32_t> last_;  // [stream ids] scratch
};

std::string Refinement::BeginSubject(std::uint32_t s) {
  const PathTable::Subject& subject = paths_.subjects()[s];
  const Pattern* pattern = subject.pattern;
  Colour colour = Mixed(Colour{}, subject.channels);
  if (pattern != nullptr) {
    if (pattern->advance == Pattern::Advance::kRounds)
      return "sends in rounds keep an order of their own";
    colour = Mixed(Mixed(colour, static_cast<std::uint64_t>(pattern->advance)), pattern->window);
  }
  const bool pipelined = pattern != nullptr && pattern->advance == Pattern::Advance::kPipelined;
  const bool chunks = pipelined && StartsByChunks(*pattern);
  for (std::uint32_t i = 0; i < subject.edge_count; ++i) {
    const std::uint32_t e = subject.first_edge + i;
    const PathTable::Edge& edge = paths_.edges()[e];
    Colour own = Mixed(Colour{}, Bits(edge.cap_bps));
    own = Mixed(Mixed(own, edge.qps), edge.channel_row - subject.first_channel);
    // A pipelined pattern's latencies are in its start-up.
    if (!pipelined || chunks) own = Mixed(own, static_cast<std::uint64_t>(edge.latency.count()));
    if (pattern != nullptr)
      own = Mixed(Mixed(own, pattern->edges[i].wire_num), pattern->edges[i].wire_den);
    edge_[e] = own;
    edge_used_[e] = 1;
    for (std::uint32_t q = 0; q < edge.qps; ++q)
      if (!paths_.qps()[edge.first_qp + q].bound) return "a QP has no path";
    ForEachHop(e, [&](LinkId link, std::uint64_t) {
      link_used_[LinkRow(group(s), link)] = 1;
      ++hops_used_;
    });
    if (!chunks) continue;
    // The start-up hangs on who feeds whom, and when.
    const Edge& shape = pattern->edges[i];
    colour = Mixed(Mixed(Mixed(colour, own), Bits(edge.path_bps)), shape.steps);
    for (std::uint32_t f = 0; f < shape.feed_count; ++f) {
      const Feed& feed = pattern->feeds[shape.first_feed + f];
      colour = Mixed(Mixed(colour, feed.edge), static_cast<std::uint64_t>(feed.lag));
    }
  }
  if (pipelined && !chunks) {
    const Op& op = program_.ops[Index(subject.first_row)];
    for (const SimDuration startup : SubjectStartup(paths_, subject, program_, op))
      colour = Mixed(colour, static_cast<std::uint64_t>(startup.count()));
  }
  subject_[s] = colour;
  return {};
}

void Refinement::BeginRows() {
  // Rows of one subject are never of one class: at the same time they are two flows on its edges.
  std::vector<std::uint32_t> nth(subject_.size(), 0);
  for (std::uint32_t row = 0; row < row_.size(); ++row) {
    const Op& op = program_.ops[row];
    Colour colour = Mixed(Colour{}, static_cast<std::uint64_t>(op.kind));
    colour = Mixed(Mixed(colour, static_cast<std::uint64_t>(op.amount)), Index(op.job));
    colour = Mixed(Mixed(colour, input_.schedule->block(row)), input_.tight[row]);
    if (op.kind == Op::Kind::kPattern) {
      const Tuning& t = program_.tunings[op.tuning];
      colour = Mixed(Mixed(colour, t.channels), static_cast<std::uint64_t>(t.chunk.count()));
      colour = Mixed(Mixed(colour, static_cast<std::uint64_t>(t.slack.count())),
                     static_cast<std::uint64_t>(t.launch.count()));
    }
    row_[row] = colour;
    if (!Sends(op)) continue;
    row_[row] = Mixed(colour, nth[SubjectOf(op)]++);
    runs_[SubjectOf(op)] += input_.schedule->times(row);
    flows_ += static_cast<double>(input_.schedule->times(row)) *
              paths_.subjects()[SubjectOf(op)].edge_count;
  }
}

// Whether all rows that send stand in one stream.
bool Refinement::OneAfterTheOther() const {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < program_.ops.size(); ++row)
    if (Sends(program_.ops[row])) rows.push_back(row);
  return !CommonStreams(*input_.schedule, rows).empty();
}

void Refinement::FindBlockEnds() {
  block_end_.assign(program_.streams.size(), kNoClass);
  last_.assign(program_.stream_count, kNoClass);
  for (const Block& block : program_.blocks) {
    const auto visit = [&](const auto& each) {
      for (std::uint32_t row = block.first_row; row < block.first_row + block.rows; ++row)
        for (std::uint32_t i = 0; i < program_.ops[row].stream_count; ++i)
          each(row, program_.ops[row].first_stream + i);
    };
    visit([&](std::uint32_t row, std::uint32_t at) { last_[program_.streams[at]] = row; });
    visit([&](std::uint32_t, std::uint32_t at) {
      block_end_[at] = std::exchange(last_[program_.streams[at]], kNoClass);
    });
  }
}

std::string Refinement::Begin() {
  BeginRows();
  for (std::uint32_t s = 0; s < subject_.size(); ++s)
    if (runs_[s] > 0) edges_used_ += paths_.subjects()[s].edge_count;
  may_pay_ = flows_ >= 2 * kLeastFolding * static_cast<double>(edges_used_) &&
             !(input_.memoise && OneAfterTheOther());
  if (!may_pay_) return {};
  if (program_.jitter.sigma > 0) return "jitter makes replicas unlike";
  for (const Op& op : program_.ops)
    if (op.first_amount != 0) return "edges carry unequal amounts";
  for (std::uint32_t s = 0; s < subject_.size(); ++s) {
    if (runs_[s] == 0) continue;
    if (std::string why = BeginSubject(s); !why.empty()) return why;
  }
  any_back_ = std::any_of(program_.deps.begin(), program_.deps.end(),
                          [](const Dep& dep) { return dep.back > 0; });
  FindBlockEnds();
  return KeepLinks();
}

std::string Refinement::KeepLinks() {
  const Fabric& fabric = *input_.fabric;
  for (std::uint32_t row = 0; row < link_.size(); ++row) {
    const LinkId l = LinkOfRow(row);
    if (link_used_[row] == 0 || input_.silent[Index(l)] != 0 ||
        (how_ == Telling::kWatched && BetweenSwitches(fabric, l)))
      continue;
    kept_[row] = 1;
    link_[row] = Mixed(Colour{}, Bits(Capacity(fabric.link(l), input_.physics).bits_per_second()));
  }
  return KeepHops();
}

std::string Refinement::KeepHops() {
  first_hop_.assign(1, 0);
  hops_.reserve(hops_used_);
  for (std::uint32_t s = 0; s < subject_.size(); ++s) {
    const PathTable::Subject& subject = paths_.subjects()[s];
    WEFT_CHECK(subject.first_edge + std::size_t{1} == first_hop_.size());
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e) {
      bool crosses = false;
      if (edge_used_[e] != 0)
        ForEachHop(e, [&](LinkId link, std::uint64_t share) {
          const std::uint32_t row = LinkRow(group(s), link);
          if (kept(row)) hops_.push_back({row, share});
          crosses = crosses || input_.silent[Index(link)] == 0;
        });
      if (crosses && hops_.size() == first_hop_.back()) return kNoEnds;
      first_hop_.push_back(static_cast<std::uint32_t>(hops_.size()));
    }
  }
  return {};
}

// In row order, so that one round carries a colour down a whole chain of rows; but of a pass before
// as it was before the round: where rows wait for each other in a ring, none comes first.
void Refinement::ColourRows() {
  if (any_back_) row_before_ = row_;
  std::fill(last_.begin(), last_.end(), kNoClass);
  for (std::uint32_t row = 0; row < row_.size(); ++row) {
    const Op& op = program_.ops[row];
    Colour waits;
    for (std::uint32_t i = 0; i < op.stream_count; ++i) {
      std::uint32_t& last = last_[program_.streams[op.first_stream + i]];
      waits += last == kNoClass ? Mixed(Colour{}, 1) : Mixed(row_[last], 2);
      const std::uint32_t end = block_end_[op.first_stream + i];
      if (end != kNoClass && end != row) waits += Mixed(row_[end], 3);
      last = row;
    }
    for (std::uint32_t i = 0; i < op.dep_count; ++i) {
      const Dep& dep = program_.deps[op.first_dep + i];
      waits +=
          Mixed(dep.back == 0 ? row_[dep.row] : row_before_[dep.row], 4 + std::uint64_t{dep.back});
    }
    Colour& colour = row_[row];
    colour = Mixed(colour, waits);
    if (Sends(op)) colour = Mixed(colour, subject_[SubjectOf(op)]);
  }
}

void Refinement::ColourSubjects() {
  std::vector<Colour> sum(subject_.size());
  for (std::uint32_t row = 0; row < row_.size(); ++row)
    if (Sends(program_.ops[row])) sum[SubjectOf(program_.ops[row])] += Mixed(row_[row], 5);
  for (std::uint32_t s = 0; s < subject_.size(); ++s) {
    if (runs_[s] == 0) continue;
    const PathTable::Subject& subject = paths_.subjects()[s];
    for (std::uint32_t i = 0; i < subject.edge_count; ++i)
      sum[s] += Mixed(edge_[subject.first_edge + i], 6);
    subject_[s] = Mixed(subject_[s], sum[s]);
  }
}

void Refinement::ColourEdges() {
  for (std::uint32_t s = 0; s < subject_.size(); ++s) {
    if (runs_[s] == 0) continue;
    const PathTable::Subject& subject = paths_.subjects()[s];
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e) {
      Colour on;
      for (std::uint32_t h = first_hop_[e]; h < first_hop_[e + 1]; ++h)
        on += Mixed(link_[hops_[h].link_row], hops_[h].share);
      edge_[e] = Mixed(Mixed(edge_[e], subject_[s]), on);
    }
  }
}

void Refinement::ColourLinks() {
  // A link carries sums of shares by class of edges, so that two halves are a whole.
  std::vector<Colour> sum(link_.size());
  for (std::uint32_t e = 0; e < edge_.size(); ++e) {
    if (edge_used_[e] == 0) continue;
    const Colour one = Mixed(edge_[e], 7);
    for (std::uint32_t h = first_hop_[e]; h < first_hop_[e + 1]; ++h)
      AddShare(sum[hops_[h].link_row], one, hops_[h].share);
  }
  for (std::uint32_t l = 0; l < link_.size(); ++l)
    if (kept_[l] != 0) link_[l] = Mixed(link_[l], sum[l]);
}

// Flows that the classes start.
double Refinement::FlowsOfClasses() const {
  Numbers subjects, edges;
  double flows = 0;
  for (std::uint32_t s = 0; s < subject_.size(); ++s) {
    if (runs_[s] == 0) continue;
    const std::uint32_t before = subjects.count();
    if (subjects.Of(subject_[s]) < before) continue;
    const PathTable::Subject& subject = paths_.subjects()[s];
    const std::uint32_t known = edges.count();
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
      edges.Of(edge_[e]);
    flows += runs_[s] * (edges.count() - known);
  }
  return flows;
}

// What is unlike spreads along a ring a hop a round: rounds end where they would cost a good part
// of what a run of the whole does.
bool Refinement::Refine() {
  const std::vector<std::uint8_t> every_row(row_.size(), 1);
  const double round_cost = static_cast<double>(hops_used_ + row_.size());
  const auto rounds = static_cast<int>(kRoundsPerFlow * flows_ / round_cost);
  std::uint32_t before = 0, rows_before = 0;
  for (int round = 0; round < std::max(rounds, kLeastRounds); ++round) {
    ColourRows();
    ColourSubjects();
    ColourEdges();
    ColourLinks();
    if (FlowsOfClasses() * kLeastFolding > flows_) return false;
    // What a link carries is as many classes as there are edges: links follow from them.
    const std::uint32_t now = DistinctOf(edge_, edge_used_);
    if (std::exchange(before, now) != now) continue;
    // A row's class is in its pattern's, and that in its edges'.
    const std::uint32_t rows_now = DistinctOf(row_, every_row);
    if (std::exchange(rows_before, rows_now) == rows_now) return true;
  }
  return false;
}

// The Program of the classes, and its paths.
class QuotientBuilder {
 public:
  QuotientBuilder(const QuotientInput& input, const Refinement& classes)
      : input_(input),
        whole_(input.schedule->program(0)),
        paths_(*input.paths),
        classes_(classes),
        out_(std::make_unique<Quotient>()) {}

  std::unique_ptr<Quotient> Build() {
    NumberRows();
    if (!NumberLinks()) return nullptr;
    AddSubjects();
    AddRows();
    AddBlocks();
    AddPaths();
    AddWatched();
    return std::move(out_);
  }

 private:
  void NumberRows();
  bool NumberLinks();
  void AddSubjects();
  void AddRows();
  void AddBlocks();
  void AddPaths();
  void AddWatched();
  // visit(class of edges, link, share of an edge's bytes): every hop of every edge that is run.
  template <typename Visit>
  void ForEachHop(const Visit& visit) const {
    for (std::uint32_t e = 0; e < out_->edge_of.size(); ++e)
      if (out_->edge_of[e] != kNoClass)
        paths_.ForEachHop(e,
                          [&](LinkId link, double share) { visit(out_->edge_of[e], link, share); });
  }
  std::vector<std::vector<std::uint32_t>> StreamsByClass();
  std::uint32_t Representative(std::uint32_t row) const {
    return out_->members[out_->first_member[row]];
  }

  const QuotientInput& input_;
  const Program& whole_;
  const PathTable& paths_;
  const Refinement& classes_;
  std::unique_ptr<Quotient> out_;
  std::vector<std::uint32_t> subject_class_;  // [subjects of the whole] kNoClass: never run
  std::vector<PathTable::MergedEdge> merged_;
  std::vector<std::uint8_t> group_;  // [merged_]
  std::vector<PathTable::MergedSubject> subjects_;
};

void QuotientBuilder::NumberRows() {
  Numbers numbers;
  Quotient& q = *out_;
  for (const Colour& colour : classes_.rows()) q.class_of_row.push_back(numbers.Of(colour));
  q.first_member.assign(numbers.count() + std::size_t{1}, 0);
  for (const std::uint32_t c : q.class_of_row) ++q.first_member[c + std::size_t{1}];
  for (std::size_t c = 1; c < q.first_member.size(); ++c)
    q.first_member[c] += q.first_member[c - 1];
  q.members.resize(q.class_of_row.size());
  std::vector<std::uint32_t> next(q.first_member.begin(), q.first_member.end() - 1);
  for (std::uint32_t row = 0; row < q.class_of_row.size(); ++row)
    q.members[next[q.class_of_row[row]]++] = row;
}

// A link of each class stands for it; where links are rows of both groups, for one of them, and one
// of no class or of another's that it has no need of for the other. False where there are too few.
bool QuotientBuilder::NumberLinks() {
  Numbers numbers;
  std::vector<std::vector<std::uint32_t>> members;  // rows, by class
  std::vector<std::uint32_t> number(classes_.links().size(), kNoClass);
  for (std::uint32_t row = 0; row < number.size(); ++row) {
    if (!classes_.kept(row)) continue;
    number[row] = numbers.Of(classes_.links()[row]);
    if (number[row] == members.size()) members.emplace_back();
    members[number[row]].push_back(row);
  }
  std::vector<std::uint32_t> order(members.size());
  for (std::uint32_t c = 0; c < order.size(); ++c) order[c] = c;
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return members[a].size() < members[b].size();
  });
  std::vector<std::uint8_t> taken(input_.fabric->link_count(), 0);
  std::vector<LinkId> stands(members.size(), kNoLink);
  for (const std::uint32_t c : order)
    for (const std::uint32_t row : members[c]) {
      const LinkId link = classes_.LinkOfRow(row);
      if (std::exchange(taken[Index(link)], 1) != 0) continue;
      stands[c] = link;
      break;
    }
  // All of a class are taken: any other of their rate does, for only rates and names are asked of.
  const auto rate = [&](LinkId link) {
    return Capacity(input_.fabric->link(link), input_.physics);
  };
  std::map<double, std::uint32_t> next;  // link to look at, by rate: of those before none is free
  for (std::uint32_t c = 0; c < stands.size(); ++c) {
    if (stands[c] != kNoLink) continue;
    const BitRate of_class = rate(classes_.LinkOfRow(members[c].front()));
    std::uint32_t& l = next[of_class.bits_per_second()];
    while (l < taken.size() && (taken[l] != 0 || rate(LinkId{l}) != of_class)) ++l;
    if (l == taken.size()) return false;
    stands[c] = LinkId{l};
    taken[l] = 1;
  }
  out_->link_of.assign(number.size(), kNoLink);
  for (std::uint32_t row = 0; row < number.size(); ++row)
    if (number[row] != kNoClass) out_->link_of[row] = stands[number[row]];
  return true;
}

// One subject a class, with one edge a class.
void QuotientBuilder::AddSubjects() {
  Numbers subjects, edges;
  subject_class_.assign(paths_.subjects().size(), kNoClass);
  out_->edge_of.assign(paths_.edges().size(), kNoClass);
  for (std::uint32_t s = 0; s < paths_.subjects().size(); ++s)
    out_->group_of.push_back(classes_.group(s));
  std::vector<std::uint32_t> patterns, sends;  // subjects of the whole, first of their class
  std::vector<std::uint32_t> number(paths_.subjects().size(), kNoClass);
  for (std::uint32_t s = 0; s < number.size(); ++s) {
    if (paths_.subjects()[s].first_row == kNoRow) continue;
    const std::uint32_t before = subjects.count();
    number[s] = subjects.Of(classes_.subjects()[s]);
    if (number[s] == before)
      (paths_.subjects()[s].pattern != nullptr ? patterns : sends).push_back(s);
  }
  out_->whole_subject = patterns;
  out_->whole_subject.insert(out_->whole_subject.end(), sends.begin(), sends.end());
  std::vector<std::uint32_t> row_of(subjects.count());
  for (std::uint32_t row = 0; row < out_->whole_subject.size(); ++row) {
    const std::uint32_t s = out_->whole_subject[row];
    row_of[number[s]] = row;
    const PathTable::Subject& subject = paths_.subjects()[s];
    PathTable::MergedSubject merged{s, static_cast<std::uint32_t>(merged_.size()), 0};
    Pattern pattern;
    if (subject.pattern != nullptr) {
      pattern.classes = subject.pattern->classes;
      pattern.channels = subject.pattern->channels;
      pattern.advance = subject.pattern->advance;
      pattern.window = subject.pattern->window;
    }
    for (std::uint32_t i = 0; i < subject.edge_count; ++i) {
      const std::uint32_t known = edges.count();
      if (edges.Of(classes_.edges()[subject.first_edge + i]) < known) continue;
      merged_.push_back({subject.first_edge + i, {}});
      if (subject.pattern == nullptr) continue;
      Edge edge = subject.pattern->edges[i];
      edge.first_feed = edge.feed_count = 0;
      pattern.edges.push_back(edge);
    }
    merged.edge_count = static_cast<std::uint32_t>(merged_.size()) - merged.first_edge;
    group_.resize(merged_.size(), classes_.group(s));
    subjects_.push_back(merged);
    if (subject.pattern != nullptr)
      out_->program.patterns.push_back(std::move(pattern));
    else
      out_->program.sends.push_back(whole_.sends[s - whole_.patterns.size()]);
  }
  for (std::uint32_t s = 0; s < number.size(); ++s) {
    if (number[s] == kNoClass) continue;
    subject_class_[s] = row_of[number[s]];
    const PathTable::Subject& subject = paths_.subjects()[s];
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
      out_->edge_of[e] = edges.Of(classes_.edges()[e]);
  }
  WEFT_CHECK(edges.count() == merged_.size());
}

// Streams in which the same classes follow each other are one. [classes]
std::vector<std::vector<std::uint32_t>> QuotientBuilder::StreamsByClass() {
  std::vector<Colour> sequence(whole_.stream_count);
  for (std::uint32_t row = 0; row < whole_.ops.size(); ++row)
    for (std::uint32_t i = 0; i < whole_.ops[row].stream_count; ++i) {
      Colour& one = sequence[whole_.streams[whole_.ops[row].first_stream + i]];
      one = Mixed(one, out_->class_of_row[row]);
    }
  Numbers numbers;
  std::vector<std::uint32_t> stream(sequence.size());
  for (std::size_t s = 0; s < stream.size(); ++s) stream[s] = numbers.Of(sequence[s]);
  std::vector<std::vector<std::uint32_t>> streams(out_->first_member.size() - 1);
  for (std::uint32_t row = 0; row < whole_.ops.size(); ++row) {
    std::vector<std::uint32_t>& mine = streams[out_->class_of_row[row]];
    for (std::uint32_t i = 0; i < whole_.ops[row].stream_count; ++i) {
      const std::uint32_t id = stream[whole_.streams[whole_.ops[row].first_stream + i]];
      if (mine.empty() || mine.back() != id) mine.push_back(id);
    }
    // Rows in thousands of streams, which are few classes.
    if (mine.size() < 64) continue;
    std::sort(mine.begin(), mine.end());
    mine.erase(std::unique(mine.begin(), mine.end()), mine.end());
  }
  for (std::vector<std::uint32_t>& mine : streams) {
    std::sort(mine.begin(), mine.end());
    mine.erase(std::unique(mine.begin(), mine.end()), mine.end());
  }
  out_->program.stream_count = numbers.count();
  return streams;
}

void QuotientBuilder::AddRows() {
  Program& program = out_->program;
  program.tunings = whole_.tunings;
  program.amounts = whole_.amounts;
  program.host_of_stream.clear();
  const std::vector<std::vector<std::uint32_t>> streams = StreamsByClass();
  std::vector<std::pair<std::uint32_t, std::uint16_t>> deps;
  for (std::uint32_t row = 0; row < streams.size(); ++row) {
    Op op = whole_.ops[Representative(row)];
    deps.clear();
    for (std::uint32_t i = 0; i < op.dep_count; ++i) {
      const Dep& dep = whole_.deps[op.first_dep + i];
      const std::pair on(out_->class_of_row[dep.row], dep.back);
      if (deps.empty() || deps.back() != on) deps.push_back(on);
    }
    if (op.kind == Op::Kind::kPattern || op.kind == Op::Kind::kSend) {
      const std::uint32_t subject = subject_class_[paths_.subject_row(0, op)];
      const auto patterns = static_cast<std::uint32_t>(program.patterns.size());
      op.subject = op.kind == Op::Kind::kPattern ? subject : subject - patterns;
    }
    op.first_stream = static_cast<std::uint32_t>(program.streams.size());
    op.stream_count = static_cast<std::uint32_t>(streams[row].size());
    program.streams.insert(program.streams.end(), streams[row].begin(), streams[row].end());
    op.first_dep = static_cast<std::uint32_t>(program.deps.size());
    op.dep_count = static_cast<std::uint32_t>(deps.size());
    for (const auto& [on, back] : deps) program.deps.push_back({on, back});
    program.ops.push_back(op);
    out_->tight.push_back(input_.tight[Representative(row)]);
  }
}

// Rows of a block stand together, as their classes' first members do.
void QuotientBuilder::AddBlocks() {
  for (const Block& block : whole_.blocks) {
    Block own{0, 0, block.times};
    for (std::uint32_t row = 0; row < out_->program.ops.size(); ++row) {
      const std::uint32_t of = Representative(row);
      if (of < block.first_row || of >= block.first_row + block.rows) continue;
      if (own.rows++ == 0) own.first_row = row;
      WEFT_CHECK(row == own.first_row + own.rows - 1);
    }
    if (own.rows > 0) out_->program.blocks.push_back(own);
  }
}

void QuotientBuilder::AddPaths() {
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> load;  // edge, link
  ForEachHop([&](std::uint32_t edge, LinkId link, double share) {
    const std::uint32_t qps = paths_.edges()[merged_[edge].of].qps;
    if (out_->link_of[classes_.LinkRow(group_[edge], link)] == link)
      load[{edge, Index(link)}] += share * qps;
  });
  for (const auto& [at, share] : load) merged_[at.first].hops.push_back({LinkId{at.second}, share});
  out_->paths = std::make_unique<PathTable>(paths_, out_->program, subjects_, merged_);
}

// Links that carry the same classes are one to watch.
void QuotientBuilder::AddWatched() {
  const std::uint32_t links = input_.fabric->link_count();
  std::vector<Colour> sum(links);
  std::vector<std::vector<Quotient::WatchedTerm>> terms;
  const auto for_each_hop = [&](const auto& visit) {
    ForEachHop([&](std::uint32_t edge, LinkId link, double share) {
      if (classes_.watched(link)) visit(edge, link, share);
    });
  };
  for_each_hop([&](std::uint32_t edge, LinkId link, double share) {
    const auto parts = static_cast<std::uint64_t>(share * 0x1p40 + 0.5);
    AddShare(sum[Index(link)], Mixed(Colour{}, edge), parts);
  });
  Numbers numbers;
  std::vector<std::uint32_t> row_of(links, kNoClass);  // of watched, for one link a row
  for (std::uint32_t l = 0; l < links; ++l) {
    if (!classes_.watched(LinkId{l})) continue;
    const Link& link = input_.fabric->link(LinkId{l});
    const double bps = classes_.apart() ? 0 : Capacity(link, input_.physics).bits_per_second();
    const std::uint32_t known = numbers.count();
    if (numbers.Of(Mixed(sum[l], Bits(bps))) < known) continue;
    row_of[l] = known;
    out_->watched.push_back({bps, 0, 0, LinkId{l}});
  }
  terms.resize(out_->watched.size());
  for_each_hop([&](std::uint32_t edge, LinkId link, double share) {
    if (row_of[Index(link)] == kNoClass) return;
    std::vector<Quotient::WatchedTerm>& mine = terms[row_of[Index(link)]];
    const auto at = std::find_if(mine.begin(), mine.end(),
                                 [&](const Quotient::WatchedTerm& t) { return t.edge == edge; });
    if (at != mine.end())
      at->coefficient += share;
    else
      mine.push_back({edge, share, group_[edge]});
  });
  for (std::size_t w = 0; w < terms.size(); ++w) {
    out_->watched[w].first_term = static_cast<std::uint32_t>(out_->watched_terms.size());
    out_->watched[w].term_count = static_cast<std::uint32_t>(terms[w].size());
    out_->watched_terms.insert(out_->watched_terms.end(), terms[w].begin(), terms[w].end());
  }
}

}  // namespace

Telling FirstTelling(const QuotientInput& input) {
  const PathTable& paths = *input.paths;
  const auto for_each_hop = [&](const auto& visit) {
    for (const PathTable::Subject& subject : paths.subjects()) {
      if (subject.first_row == kNoRow || subject.pattern == nullptr ||
          subject.pattern->advance != Pattern::Advance::kPipelined)
        continue;
      for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
        paths.ForEachHop(e, [&](LinkId link, double share) { visit(e, link, share); });
    }
  };
  const auto capacity = [&](LinkId link) {
    return Capacity(input.fabric->link(link), input.physics).bits_per_second();
  };
  std::vector<double> shares(input.fabric->link_count(), 0.0), bps(shares.size(), 0.0);
  for_each_hop([&](std::uint32_t, LinkId link, double share) { shares[Index(link)] += share; });
  std::vector<double> rate(paths.edges().size(), 0.0);
  for (std::uint32_t e = 0; e < rate.size(); ++e) {
    const PathTable::Edge& edge = paths.edges()[e];
    rate[e] = edge.cap_bps > 0 ? std::min(edge.cap_bps, edge.path_bps) : edge.path_bps;
  }
  for_each_hop([&](std::uint32_t e, LinkId link, double) {
    if (!BetweenSwitches(*input.fabric, link))
      rate[e] = std::min(rate[e], capacity(link) / shares[Index(link)]);
  });
  for_each_hop([&](std::uint32_t e, LinkId link, double share) {
    if (BetweenSwitches(*input.fabric, link)) bps[Index(link)] += share * rate[e];
  });
  for (std::uint32_t l = 0; l < bps.size(); ++l)
    if (bps[l] > 0 && bps[l] > capacity(LinkId{l}) * (1 + 1e-9)) return Telling::kApart;
  return Telling::kWatched;
}

std::unique_ptr<Quotient> MakeQuotient(const QuotientInput& input, Telling how,
                                       std::string& refused) {
  Refinement classes(input, how);
  refused = classes.Begin();
  if (!refused.empty() || !classes.may_pay()) return nullptr;
  if (!classes.Refine()) {
    refused = "too few operations and paths are alike";
    return nullptr;
  }
  std::unique_ptr<Quotient> quotient = QuotientBuilder(input, classes).Build();
  if (quotient == nullptr) refused = kNoLinkEach;
  return quotient;
}

}  // namespace weft
