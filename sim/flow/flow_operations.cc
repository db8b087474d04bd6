// Operations, channels and edges: from ready to done.
#include <algorithm>

#include "base/check.h"
#include "sim/flow/flow_simulation.h"
#include "sim/startup.h"

namespace weft {

double FlowSimulation::EdgeBits(std::uint32_t row, std::uint32_t edge) const {
  return EdgeWireBytes(schedule_.program(row), schedule_.op(row), SubjectOf(row), edge) * 8;
}

FlowSimulation::Running& FlowSimulation::TakeSlot(std::uint32_t row) {
  auto slot = static_cast<std::uint32_t>(slots_.size());
  if (free_slots_.empty()) {
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slot_of_row_[row] = slot;
  Running& run = slots_[slot];
  run.row = row;
  run.serial = ++serial_;
  run.live = true;
  run.tight = false;
  run.send = schedule_.op(row).kind == Op::Kind::kSend;
  run.start = now_;
  run.open_channels = 1;
  run.bottleneck = kNoLink;
  run.followers.clear();
  ++at_work_;
  return run;
}

void FlowSimulation::FreeSlot(std::uint32_t row) {
  slots_[slot_of_row_[row]].live = false;
  free_slots_.push_back(slot_of_row_[row]);
  slot_of_row_[row] = kNoSlot;
  --at_work_;
}

void FlowSimulation::StartRow(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  Running& run = TakeSlot(row);
  if (op.kind == Op::Kind::kSend || op.kind == Op::Kind::kPattern) {
    run.subject = paths_.subject_row(schedule_.program_index(row), op);
    if (!routes_->undisturbed()) CountWithoutPath(run, false);
  }
  switch (op.kind) {
    case Op::Kind::kCompute:
      return AddTimer(now_ + ComputeTime(schedule_.program(row), op, row, schedule_.pass(row)),
                      Timer::Kind::kEnd, run, 0);
    case Op::Kind::kDelay:
      return AddTimer(now_ + op.duration(), Timer::Kind::kEnd, run, 0);
    case Op::Kind::kSend: {
      const std::uint32_t edge = SubjectOf(run).first_edge;
      const SimDuration startup = input_.physics.launch + paths_.edges()[edge].latency;
      if (startup == SimDuration{}) return StartEdge(row, edge, 0);
      return AddTimer(now_ + startup, Timer::Kind::kFlow, run, 0);
    }
    case Op::Kind::kPattern:
      return StartPattern(row);
  }
}

void FlowSimulation::StartPattern(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  const SimDuration launch = schedule_.program(row).tunings[op.tuning].launch;
  const PathTable::Subject& subject = SubjectOf(row);
  Running& run = RunOf(row);
  const bool pipelined = subject.pattern->advance == Pattern::Advance::kPipelined;
  run.tight = Tight(row);
  run.open_channels = 0;
  if (slots_.size() > parts_.size()) parts_.resize(slots_.size());
  Parts& parts = PartsOf(run);
  parts.open_edges.assign(subject.channels, 0);
  parts.edge_done.assign(subject.edge_count, 0);
  for (std::uint16_t c = 0; c < subject.channels; ++c) {
    parts.open_edges[c] = paths_.channel_edges(subject, c).count;
    if (parts.open_edges[c] > 0) ++run.open_channels;
  }
  if (run.open_channels == 0) return AddTimer(now_ + launch, Timer::Kind::kEnd, row, 0);

  if (pipelined) {
    const std::vector<SimDuration>& startup = StartupOf(row);
    for (std::uint16_t c = 0; c < subject.channels; ++c)
      if (parts.open_edges[c] > 0) AddTimer(now_ + launch + startup[c], Timer::Kind::kFlow, row, c);
  } else if (subject.pattern->advance == Pattern::Advance::kIndependent) {
    for (std::uint32_t e = 0; e < subject.edge_count; ++e)
      AddTimer(now_ + launch + paths_.edges()[subject.first_edge + e].latency, Timer::Kind::kFlow,
               row, e);
  } else {
    const Rounds& rounds = RoundsOf(run.subject);
    const std::size_t senders = rounds.first_round.size() - 1;
    parts.round_open.resize(rounds.first_edge.size() - 1);
    for (std::size_t r = 0; r < parts.round_open.size(); ++r)
      parts.round_open[r] = rounds.first_edge[r + 1] - rounds.first_edge[r];
    parts.sender_round.assign(rounds.first_round.begin(), rounds.first_round.end() - 1);
    for (std::size_t s = 0; s < senders; ++s)
      for (std::uint32_t r = rounds.first_round[s];
           r < std::min(rounds.first_round[s + 1], rounds.first_round[s] + subject.pattern->window);
           ++r)
        StartRound(run, r, launch);
  }
}

void FlowSimulation::StartRound(const Running& run, std::uint32_t round, SimDuration launch) {
  const PathTable::Subject& subject = SubjectOf(run);
  const Rounds& rounds = rounds_[run.subject];
  for (std::uint32_t i = rounds.first_edge[round]; i < rounds.first_edge[round + 1]; ++i)
    AddTimer(now_ + launch + paths_.edges()[subject.first_edge + rounds.edge[i]].latency,
             Timer::Kind::kFlow, run, rounds.edge[i]);
}

bool FlowSimulation::Tight(std::uint32_t row) const {
  const PathTable::Subject& subject = SubjectOf(row);
  if (subject.pattern == nullptr || subject.pattern->advance != Pattern::Advance::kPipelined)
    return false;
  const Coupling coupling = input_.physics.coupling;
  return coupling == Coupling::kTight || (coupling == Coupling::kAuto && tight_[row] != 0);
}

const std::vector<SimDuration>& FlowSimulation::StartupOf(std::uint32_t row) {
  const Program& program = schedule_.program(row);
  const Op& op = schedule_.op(row);
  const std::uint32_t s = paths_.subject_row(schedule_.program_index(row), op);
  // Of classes, the start-up is that of the whole pattern.
  const PathTable& paths = quotient_ == nullptr ? paths_ : whole_->paths_;
  const PathTable::Subject& subject =
      paths.subjects()[quotient_ == nullptr ? s : quotient_->whole_subject[s]];
  const bool chunks = StartsByChunks(*subject.pattern);
  std::vector<SimDuration>& startup = chunks ? startup_scratch_ : startup_[s];
  if (chunks || startup.empty()) startup = SubjectStartup(paths, subject, program, op);
  return startup;
}

const FlowSimulation::Rounds& FlowSimulation::RoundsOf(std::uint32_t subject) {
  if (subject >= rounds_.size()) rounds_.resize(subject + std::size_t{1});
  Rounds& rounds = rounds_[subject];
  if (!rounds.first_round.empty()) return rounds;
  const std::vector<Edge>& edges = paths_.subjects()[subject].pattern->edges;
  for (std::uint32_t e = 0; e < edges.size(); ++e) rounds.edge.push_back(e);
  std::stable_sort(rounds.edge.begin(), rounds.edge.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (edges[a].from != edges[b].from) return edges[a].from < edges[b].from;
    return edges[a].round < edges[b].round;
  });
  rounds.round_of_edge.resize(edges.size());
  for (std::uint32_t i = 0; i < rounds.edge.size(); ++i) {
    const Edge& edge = edges[rounds.edge[i]];
    const Edge* before = i == 0 ? nullptr : &edges[rounds.edge[i - 1]];
    const bool other_sender = before == nullptr || before->from != edge.from;
    if (other_sender)
      rounds.first_round.push_back(static_cast<std::uint32_t>(rounds.first_edge.size()));
    if (other_sender || before->round != edge.round) {
      rounds.sender_of_round.push_back(static_cast<std::uint32_t>(rounds.first_round.size()) - 1);
      rounds.first_edge.push_back(i);
    }
    rounds.round_of_edge[rounds.edge[i]] = static_cast<std::uint32_t>(rounds.first_edge.size()) - 1;
  }
  rounds.first_round.push_back(static_cast<std::uint32_t>(rounds.first_edge.size()));
  rounds.first_edge.push_back(static_cast<std::uint32_t>(rounds.edge.size()));
  return rounds;
}

void FlowSimulation::StartChannel(std::uint32_t row, std::uint16_t channel) {
  const PathTable::Range edges = paths_.channel_edges(SubjectOf(row), channel);
  if (!RunOf(row).tight) {
    const std::uint32_t serial = RunOf(row).serial;
    for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) {
      StartEdge(row, e, channel);
      if (!AtWork(row) || RunOf(row).serial != serial) return;
    }
    return;
  }
  double weight = 0;
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e)
    weight = std::max(weight, static_cast<double>(paths_.edges()[e].qps));
  Flow flow;
  flow.tight = true;
  flow.channel = channel;
  flow.row = row;
  flow.edges = edges;
  StartFlow(flow, ReferenceBits(row, edges), weight);
}

void FlowSimulation::StartEdge(std::uint32_t row, std::uint32_t edge, std::uint16_t channel) {
  Flow flow;
  flow.channel = channel;
  flow.row = row;
  flow.edges = {edge, 1};
  StartFlow(flow, EdgeBits(row, edge), static_cast<double>(paths_.edges()[edge].qps));
}

void FlowSimulation::StartFlow(Flow flow, double bits, double weight) {
  const auto done = [&] {
    if (flow.tight)
      FinishChannel(flow.row, flow.channel);
    else
      EdgeDone(flow.row, flow.edges.first, flow.channel, kNoLink);
  };
  if (bits == 0) return done();
  flow.live = true;
  flow.left_bits = bits;
  const bool has_path = HasPath(flow.edges);
  if (has_path) flow.terms = TermsOf(flow);
  const double cap_bps = CapOf(flow);
  // Nothing between its ends to share, and no cap: it is there at once.
  if (has_path && cap_bps == 0 && system_->terms(flow.terms).empty()) return done();
  const std::uint32_t id =
      has_path ? system_->Add(flow.terms, weight, cap_bps) : system_->AddPaused(weight);
  if (id >= flows_.size()) flows_.resize(id + 1);
  flows_[id] = flow;
  if (!has_path) Stall(id);
}

// Its clock has let go of it.
void FlowSimulation::FinishFlow(std::uint32_t id) {
  Flow& flow = flows_[id];
  if (!flow.live) return;  // dropped by another completion of this instant
  Credit(flow, 0);
  const LinkId bottleneck = system_->bottleneck(id);
  system_->Remove(id);
  flow.live = false;
  const Flow done = flow;
  if (done.tight) {
    RunOf(done.row).bottleneck = bottleneck;
    FinishChannel(done.row, done.channel);
  } else {
    EdgeDone(done.row, done.edges.first, done.channel, bottleneck);
  }
}

void FlowSimulation::EdgeDone(std::uint32_t row, std::uint32_t edge, std::uint16_t channel,
                              LinkId bottleneck) {
  Running& run = RunOf(row);
  if (bottleneck != kNoLink) run.bottleneck = bottleneck;
  if (run.send) return FinishChannel(row, channel);
  const PathTable::Subject& subject = SubjectOf(run);
  Parts& parts = PartsOf(run);
  parts.edge_done[edge - subject.first_edge] = 1;
  if (subject.pattern->advance == Pattern::Advance::kRounds)
    RoundDone(run, subject, edge - subject.first_edge);
  if (--parts.open_edges[channel] == 0) FinishChannel(row, channel);
}

void FlowSimulation::RoundDone(const Running& run, const PathTable::Subject& subject,
                               std::uint32_t edge) {
  const Rounds& rounds = rounds_[run.subject];
  const std::uint32_t round = rounds.round_of_edge[edge];
  const std::uint32_t sender = rounds.sender_of_round[round];
  Parts& parts = PartsOf(run);
  --parts.round_open[round];
  const std::uint32_t end = rounds.first_round[sender + 1];
  while (parts.sender_round[sender] < end && parts.round_open[parts.sender_round[sender]] == 0) {
    const std::uint32_t next = parts.sender_round[sender]++ + subject.pattern->window;
    if (next < end) StartRound(run, next, SimDuration{});
  }
}

void FlowSimulation::FinishChannel(std::uint32_t row, std::uint16_t channel) {
  Running& run = RunOf(row);
  if (!run.send) channel_ends_.push_back({RowId{row}, schedule_.pass(row), channel, now_});
  for (const std::uint32_t follower : run.followers)
    channel_ends_.push_back({RowId{follower}, schedule_.pass(follower), channel, now_});
  if (run.tight) {
    const PathTable::Subject& subject = SubjectOf(row);
    const PathTable::Range edges = paths_.channel_edges(subject, channel);
    for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e)
      PartsOf(run).edge_done[e - subject.first_edge] = 1;
  }
  if (--run.open_channels == 0) EndRow(row, Completion::Status::kDone, run.bottleneck);
}

// Also for rows that never began, where they are cancelled.
void FlowSimulation::EndRow(std::uint32_t row, Completion::Status status, LinkId bottleneck) {
  SimTime start = now_;
  std::uint32_t slot = slot_of_row_[row];
  if (slot != kNoSlot) {
    start = slots_[slot].start;
    if (recording_ == row && status == Completion::Status::kDone) Record(row, bottleneck);
    if (status != Completion::Status::kDone) DropFlows(row);
    if (slots_[slot].followers.empty()) {
      FreeSlot(row);
      slot = kNoSlot;
    }
  }
  completions_.push_back({RowId{row}, schedule_.pass(row), start, now_, status, bottleneck});
  if (status == Completion::Status::kDone)
    schedule_.Complete(row);
  else if (status == Completion::Status::kFailed)
    schedule_.Stop(row);
  else
    schedule_.Drop(row);
  if (slot != kNoSlot) EndFollowers(row, status, bottleneck);
}

void FlowSimulation::DropFlows(std::uint32_t row) {
  for (std::uint32_t id = 0; id < flows_.size(); ++id) {
    Flow& flow = flows_[id];
    if (!flow.live || flow.row != row) continue;
    Credit(flow, LeftBits(id));
    system_->Remove(id);
    clocks_->Remove(id);
    flow.live = false;
  }
}

}  // namespace weft
