// Operations that follow a replica, or say again what they did before (repeats.h).
#include <algorithm>

#include "base/check.h"
#include "sim/flow/flow_simulation.h"

namespace weft {
namespace {

bool SameTuning(const Tuning& a, const Tuning& b) {
  return a.channels == b.channels && a.chunk == b.chunk && a.slack == b.slack &&
         a.launch == b.launch;
}

}  // namespace

// Starts what is ready: replicas follow one of them, an operation alone may be known.
void FlowSimulation::StartReady() {
  schedule_.TakeReady(ready_);
  const bool alone = ready_.size() == 1 && at_work_ == 0 && timers_.empty();
  starts_ += ready_.size();
  if (alone && input_.options.memoise && Memoisable(ready_.front())) {
    const std::uint32_t row = ready_.front();
    if (Replay(row)) return;
    recording_ = row;
    recorded_channels_ = channel_ends_.size();
    recorded_starts_ = starts_;
    recorded_epoch_ = epoch_;
  }
  if (folding_.folded == 0 || ready_.size() == 1) {
    for (const std::uint32_t row : ready_) StartRow(row);
    return;
  }
  ++batch_;
  for (const std::uint32_t row : ready_)
    if (!Follow(row)) StartRow(row);
}

bool FlowSimulation::Memoisable(std::uint32_t row) const {
  const Op& op = schedule_.op(row);
  const bool sends = op.kind == Op::Kind::kPattern || op.kind == Op::Kind::kSend;
  return sends && op.first_amount == 0;
}

Recording* FlowSimulation::FindRecording(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  const bool pattern = op.kind == Op::Kind::kPattern;
  const Tuning tuning = pattern ? schedule_.program(row).tunings[op.tuning] : Tuning{};
  for (Recording& r : recordings_[paths_.subject_row(schedule_.program_index(row), op)])
    if (SameTuning(r.tuning, tuning) && r.amount == op.amount && r.tight == Tight(row) &&
        r.epoch == epoch_)
      return &r;
  return nullptr;
}

// The operation ends when its recording says, unless something breaks before.
bool FlowSimulation::Replay(std::uint32_t row) {
  Recording* const recording = FindRecording(row);
  if (recording == nullptr) return false;
  if (recording->duration > kForever - now_) return false;  // simulated, it ends with the range
  const SimTime end = now_ + recording->duration;
  if (next_event_ < input_.events.size() && input_.events[next_event_].at <= end) return false;
  TakeSlot(row);
  replaying_ = row;
  AddTimer(end, Timer::Kind::kReplay, row, 0);
  return true;
}

void FlowSimulation::OnReplay(std::uint32_t row) {
  Recording& recording = *FindRecording(row);
  const SimTime start = RunOf(row).start;
  for (const auto& [channel, after] : recording.channel_ends)
    channel_ends_.push_back({RowId{row}, schedule_.pass(row), channel, start + after});
  replaying_ = kNobody;
  ++memoised_;
  CountAgain(row);
  EndRow(row, Completion::Status::kDone, recording.bottleneck);
}

// Keeps what the operation did, where it was alone to the end.
void FlowSimulation::Record(std::uint32_t row, LinkId bottleneck) {
  recording_ = kNobody;
  if (recorded_starts_ != starts_ || recorded_epoch_ != epoch_) return;
  const Op& op = schedule_.op(row);
  const SimTime start = RunOf(row).start;
  Recording recording;
  if (op.kind == Op::Kind::kPattern) recording.tuning = schedule_.program(row).tunings[op.tuning];
  recording.tight = Tight(row);
  recording.amount = op.amount;
  recording.epoch = epoch_;
  recording.duration = now_ - start;
  recording.bottleneck = bottleneck;
  for (std::size_t i = recorded_channels_; i < channel_ends_.size(); ++i)
    recording.channel_ends.emplace_back(channel_ends_[i].channel, channel_ends_[i].end - start);
  auto& kept = recordings_[paths_.subject_row(schedule_.program_index(row), op)];
  std::erase_if(kept, [&](const Recording& r) { return r.epoch != epoch_; });
  kept.push_back(std::move(recording));
}

// Simulates a replay that was begun from its start to now: nothing else happened since.
void FlowSimulation::Materialise() {
  if (replaying_ == kNobody) return;
  const std::uint32_t row = replaying_;
  const SimTime until = now_;
  replaying_ = kNobody;
  now_ = RunOf(row).start;
  FreeSlot(row);  // StartRow takes one; the timer's serial is dead
  StartRow(row);
  Reschedule();
  while (NextTime() <= until) Instant(NextTime());
  now_ = until;
}

// Books the bytes of an operation that did not run itself.
void FlowSimulation::CountAgain(std::uint32_t row) {
  const PathTable::Subject& subject = SubjectOf(row);
  const auto count = [&](std::uint16_t channel, PathTable::Range edges, bool tight) {
    Flow flow;
    flow.row = row;
    flow.channel = channel;
    flow.edges = edges;
    flow.tight = tight;
    const double bits = tight ? ReferenceBits(row, edges) : EdgeBits(row, edges.first);
    if (bits > 0) sent_bits_[Index(TermsOf(flow))] += bits;
  };
  if (subject.pattern == nullptr) return count(0, {subject.first_edge, 1}, false);
  const bool tight = Tight(row);
  for (std::uint16_t c = 0; c < subject.channels; ++c) {
    const PathTable::Range edges = paths_.channel_edges(subject, c);
    if (tight && edges.count > 0) count(c, edges, true);
    for (std::uint32_t e = 0; !tight && e < edges.count; ++e) count(c, {edges.first + e, 1}, false);
  }
}

// Whether a replica of `row` that starts now is simulated in its place.
bool FlowSimulation::Follow(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  if (op.kind != Op::Kind::kPattern || op.first_amount != 0) return false;
  const std::uint32_t subject = paths_.subject_row(schedule_.program_index(row), op);
  Leader& leader = leaders_[folding_.leader[subject]];
  if (leader.batch == batch_) {
    const Op& o = schedule_.op(leader.row);
    const bool same = SameTuning(schedule_.program(leader.row).tunings[o.tuning],
                                 schedule_.program(row).tunings[op.tuning]) &&
                      o.amount == op.amount && o.job == op.job && Tight(leader.row) == Tight(row);
    if (!same) return false;
    TakeSlot(row);
    RunOf(leader.row).followers.push_back(row);
    return true;
  }
  leader = {row, batch_};
  return false;
}

// The link of the follower's paths where the leader's have `link`.
LinkId FlowSimulation::ImageOf(LinkId link, std::uint32_t leader, std::uint32_t follower) const {
  if (link == kNoLink) return kNoLink;
  const PathTable::Subject &a = SubjectOf(leader), &b = SubjectOf(follower);
  for (std::uint32_t e = 0; e < a.edge_count; ++e) {
    const PathTable::Edge& x = paths_.edges()[a.first_edge + e];
    const PathTable::Edge& y = paths_.edges()[b.first_edge + e];
    for (std::uint32_t q = 0; q < x.qps; ++q) {
      const auto hops = paths_.hops(paths_.qps()[x.first_qp + q]);
      const auto found = std::find(hops.begin(), hops.end(), link);
      if (found != hops.end())
        return paths_.hops(
            paths_.qps()[y.first_qp + q])[static_cast<std::size_t>(found - hops.begin())];
    }
  }
  return kNoLink;
}

void FlowSimulation::EndFollowers(std::uint32_t leader, Completion::Status status,
                                  LinkId bottleneck) {
  std::vector<std::uint32_t> followers;
  followers.swap(RunOf(leader).followers);
  FreeSlot(leader);
  if (status == Completion::Status::kCancelled) return;  // each is cancelled for itself
  for (const std::uint32_t row : followers) {
    if (status == Completion::Status::kDone) CountAgain(row);
    EndRow(row, status, ImageOf(bottleneck, leader, row));
  }
}

}  // namespace weft
