#include "sim/simgrid/operations.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "sim/startup.h"

namespace weft {

Operations::Operations(const Schedule& schedule, const PathTable& paths, const Physics& physics,
                       std::vector<std::uint8_t> tight)
    : schedule_(schedule),
      paths_(&paths),
      physics_(physics),
      tight_(std::move(tight)),
      running_(schedule.row_count()),
      in_flight_(paths.edges().size(), 0) {}

const PathTable::Subject& Operations::SubjectOf(std::uint32_t row) const {
  return paths_->subject(schedule_.program_index(row), schedule_.op(row));
}

bool Operations::Pipelined(std::uint32_t row) const {
  const Pattern* pattern = SubjectOf(row).pattern;
  return pattern != nullptr && pattern->advance == Pattern::Advance::kPipelined;
}

void Operations::Begin() { StartReady(); }

void Operations::StartReady() {
  while (schedule_.has_ready()) {
    schedule_.TakeReady(ready_);
    const std::vector<std::uint32_t> rows = std::exchange(ready_, {});
    for (const std::uint32_t row : rows) StartRow(row);
  }
}

void Operations::SetTimer(SimDuration delay, Timer::Kind kind, std::uint32_t row,
                          std::uint32_t part) {
  following_.timers.push_back({now_ + delay, kind, row, part});
}

void Operations::StartRow(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  Running& run = running_[row];
  run.start = now_;
  switch (op.kind) {
    case Op::Kind::kCompute:
      return SetTimer(ComputeTime(schedule_.program(row), op, row, schedule_.pass(row)),
                      Timer::Kind::kEnd, row, 0);
    case Op::Kind::kDelay:
      return SetTimer(op.duration(), Timer::Kind::kEnd, row, 0);
    case Op::Kind::kSend: {
      run.open_channels = 1;
      run.open_edges.assign(1, 1);
      Open(row, SubjectOf(row));
      const PathTable::Edge& edge = paths_->edges()[SubjectOf(row).first_edge];
      return SetTimer(physics_.launch + edge.latency, Timer::Kind::kFlow, row, 0);
    }
    case Op::Kind::kPattern:
      return StartPattern(row);
  }
}

void Operations::StartPattern(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  const Program& program = schedule_.program(row);
  const SimDuration launch = program.tunings[op.tuning].launch;
  const PathTable::Subject& subject = SubjectOf(row);
  Running& run = running_[row];
  run.open_channels = 0;
  run.open_edges.assign(subject.channels, 0);
  for (std::uint16_t c = 0; c < subject.channels; ++c) {
    run.open_edges[c] = paths_->channel_edges(subject, c).count;
    if (run.open_edges[c] > 0) ++run.open_channels;
  }
  Open(row, subject);
  if (run.open_channels == 0) return SetTimer(launch, Timer::Kind::kEnd, row, 0);

  if (Pipelined(row)) {
    const std::vector<SimDuration> startup = SubjectStartup(*paths_, subject, program, op);
    for (std::uint16_t c = 0; c < subject.channels; ++c)
      if (run.open_edges[c] > 0) SetTimer(launch + startup[c], Timer::Kind::kFlow, row, c);
  } else if (subject.pattern->advance == Pattern::Advance::kIndependent) {
    for (std::uint32_t e = 0; e < subject.edge_count; ++e)
      SetTimer(launch + paths_->edges()[subject.first_edge + e].latency, Timer::Kind::kFlow, row,
               e);
  } else {
    StartWindow(row, launch);
  }
}

void Operations::StartWindow(std::uint32_t row, SimDuration launch) {
  const Rounds& rounds = RoundsOf(row);
  const std::uint32_t window = SubjectOf(row).pattern->window;
  Running& run = running_[row];
  run.open_in_round.clear();
  for (std::size_t r = 0; r + 1 < rounds.first_edge.size(); ++r)
    run.open_in_round.push_back(rounds.first_edge[r + 1] - rounds.first_edge[r]);
  run.oldest_round.assign(rounds.first_round.begin(), rounds.first_round.end() - 1);
  for (std::size_t s = 0; s + 1 < rounds.first_round.size(); ++s) {
    const std::uint32_t first = rounds.first_round[s], end = rounds.first_round[s + 1];
    for (std::uint32_t r = first; r < end && r - first < window; ++r)
      StartRound(row, rounds, r, launch);
  }
}

void Operations::StartRound(std::uint32_t row, const Rounds& rounds, std::uint32_t round,
                            SimDuration launch) {
  const std::uint32_t first = SubjectOf(row).first_edge;
  for (std::uint32_t i = rounds.first_edge[round]; i < rounds.first_edge[round + 1]; ++i)
    SetTimer(launch + paths_->edges()[first + rounds.edge[i]].latency, Timer::Kind::kFlow, row,
             rounds.edge[i]);
}

const Operations::Rounds& Operations::RoundsOf(std::uint32_t row) {
  const std::uint32_t subject =
      paths_->subject_row(schedule_.program_index(row), schedule_.op(row));
  const auto [found, added] = rounds_.try_emplace(subject);
  Rounds& rounds = found->second;
  if (!added) return rounds;
  const std::vector<Edge>& edges = paths_->subjects()[subject].pattern->edges;
  using Key = std::tuple<VertexId, std::uint16_t, std::uint32_t>;  // sender, round, edge
  std::vector<Key> order;
  for (std::uint32_t e = 0; e < edges.size(); ++e)
    order.emplace_back(edges[e].from, edges[e].round, e);
  std::sort(order.begin(), order.end());
  rounds.round_of_edge.resize(edges.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    const auto& [sender, round, e] = order[i];
    const bool next_sender = i == 0 || std::get<0>(order[i - 1]) != sender;
    if (next_sender)
      rounds.first_round.push_back(static_cast<std::uint32_t>(rounds.first_edge.size()));
    if (next_sender || std::get<1>(order[i - 1]) != round) {
      rounds.sender_of_round.push_back(static_cast<std::uint32_t>(rounds.first_round.size() - 1));
      rounds.first_edge.push_back(i);
    }
    rounds.round_of_edge[e] = static_cast<std::uint32_t>(rounds.first_edge.size() - 1);
    rounds.edge.push_back(e);
  }
  rounds.first_round.push_back(static_cast<std::uint32_t>(rounds.first_edge.size()));
  rounds.first_edge.push_back(static_cast<std::uint32_t>(order.size()));
  return rounds;
}

void Operations::Open(std::uint32_t row, const PathTable::Subject& subject) {
  following_.begun.push_back(row);
  running_[row].edge_open.assign(subject.edge_count, 1);
  for (std::uint32_t e = 0; e < subject.edge_count; ++e) ++in_flight_[subject.first_edge + e];
}

void Operations::Close(std::uint32_t row, std::uint32_t edge) {
  std::uint8_t& open = running_[row].edge_open[edge - SubjectOf(row).first_edge];
  in_flight_[edge] -= open;
  open = 0;
}

void Operations::Fail(std::uint32_t row, SimTime now) {
  now_ = now;
  Running& run = running_[row];
  const PathTable::Subject& subject = SubjectOf(row);
  for (std::uint32_t e = 0; e < subject.edge_count; ++e) Close(row, subject.first_edge + e);
  run.failed = true;
  OperationRecord record;
  record.kind = OperationRecord::Kind::kFailure;
  record.row = row;
  record.pass = schedule_.pass(row);
  record.start = run.start;
  record.end = now;
  following_.records.push_back(record);
  schedule_.Stop(row);
  StartReady();
}

void Operations::OnTimer(const Timer& timer, SimTime now) {
  now_ = now;
  if (running_[timer.row].failed) return;
  if (timer.kind == Timer::Kind::kEnd) {
    RowDone(timer.row);
    return StartReady();
  }
  const PathTable::Subject& subject = SubjectOf(timer.row);
  if (!Pipelined(timer.row)) {
    const std::uint32_t edge = subject.first_edge + timer.part;
    const std::uint16_t channel =
        subject.pattern == nullptr ? std::uint16_t{0} : subject.pattern->edges[timer.part].channel;
    StartTransfer({timer.row, channel, false, {edge, 1}});
    return StartReady();
  }
  const auto channel = static_cast<std::uint16_t>(timer.part);
  const PathTable::Range edges = paths_->channel_edges(subject, channel);
  if (tight_[timer.row] != 0) {
    StartTransfer({timer.row, channel, true, edges});
  } else {
    for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e)
      StartTransfer({timer.row, channel, false, {e, 1}});
  }
  StartReady();
}

// What has no bytes, or no link and no cap between its ends, is there at once.
void Operations::StartTransfer(const Transfer& transfer) {
  bool empty = true, nothing_between = true;
  for (std::uint32_t e = transfer.edges.first; e < transfer.edges.first + transfer.edges.count;
       ++e) {
    const PathTable::Edge& edge = paths_->edges()[e];
    const bool bytes = EdgeWireBytes(schedule_.program(transfer.row), schedule_.op(transfer.row),
                                     SubjectOf(transfer.row), e) > 0;
    empty = empty && !bytes;
    if (bytes && edge.cap_bps > 0) nothing_between = false;
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q) {
      const PathTable::Qp& qp = paths_->qps()[q];
      if (!qp.bound || (bytes && qp.hop_count > 0)) nothing_between = false;
    }
  }
  if (!empty && !nothing_between) return following_.transfers.push_back(transfer);
  transfer.tight ? ChannelDone(transfer.row, transfer.channel)
                 : EdgeDone(transfer.row, transfer.edges.first, transfer.channel);
}

void Operations::OnTransferEnd(const Transfer& transfer, SimTime now) {
  now_ = now;
  transfer.tight ? ChannelDone(transfer.row, transfer.channel)
                 : EdgeDone(transfer.row, transfer.edges.first, transfer.channel);
  StartReady();
}

void Operations::EdgeDone(std::uint32_t row, std::uint32_t edge, std::uint16_t channel) {
  Running& run = running_[row];
  Close(row, edge);
  const PathTable::Subject& subject = SubjectOf(row);
  if (subject.pattern != nullptr && subject.pattern->advance == Pattern::Advance::kRounds) {
    const Rounds& rounds = RoundsOf(row);
    const std::uint32_t round = rounds.round_of_edge[edge - subject.first_edge];
    const std::uint32_t sender = rounds.sender_of_round[round];
    const std::uint32_t end = rounds.first_round[sender + 1];
    std::uint32_t& oldest = run.oldest_round[sender];
    --run.open_in_round[round];
    for (; oldest < end && run.open_in_round[oldest] == 0; ++oldest)
      if (end - oldest > subject.pattern->window)
        StartRound(row, rounds, oldest + subject.pattern->window, SimDuration{});
  }
  if (--run.open_edges[channel] == 0) ChannelDone(row, channel);
}

void Operations::ChannelDone(std::uint32_t row, std::uint16_t channel) {
  if (schedule_.op(row).kind == Op::Kind::kPattern) {
    const PathTable::Range edges = paths_->channel_edges(SubjectOf(row), channel);
    for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) Close(row, e);
    OperationRecord record;
    record.kind = OperationRecord::Kind::kChannelEnd;
    record.row = row;
    record.pass = schedule_.pass(row);
    record.channel = channel;
    record.start = record.end = now_;
    following_.records.push_back(record);
  }
  if (--running_[row].open_channels == 0) RowDone(row);
}

void Operations::RowDone(std::uint32_t row) {
  OperationRecord record;
  record.row = row;
  record.pass = schedule_.pass(row);
  record.start = running_[row].start;
  record.end = now_;
  following_.records.push_back(record);
  schedule_.Complete(row);
}

}  // namespace weft
