// The one file that knows SimGrid.
#include "sim/simgrid/solver.h"

#include <fmt/format.h>
#include <signal.h>
#include <simgrid/engine.h>  // version.h leans on it
#include <simgrid/version.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <simgrid/kernel/Timer.hpp>
#include <simgrid/s4u.hpp>

#include "base/check.h"

namespace weft {
namespace {

namespace s4u = simgrid::s4u;
using Seconds = std::chrono::duration<double>;

// Payloads are std::uint64_t; a power of two, so that it rounds nothing.
double UnitsPerByte(double largest_bytes) {
  constexpr int kBits = 62, kMost = 20;
  int exponent = 0;
  std::frexp(largest_bytes, &exponent);  // below 2^exponent
  return std::ldexp(1.0, std::min(kMost, kBits - exponent));
}

class Solver {
 public:
  Solver(Operations& operations, const SolverInput& input,
         const std::function<void(const OperationRecord&)>& record)
      : operations_(operations),
        input_(input),
        record_(record),
        units_per_byte_(UnitsPerByte(input.largest_bytes)) {
    NumberRoutes();
    BuildPlatform();
  }

  void Run() {
    s4u::Activity::on_completion_cb([this](const s4u::Activity& activity) { OnEnd(activity); });
    s4u::Engine::on_time_advance_cb([this](double delta) { instants_ += delta > 0 ? 1 : 0; });
    SolverTimer::set(0.0, [this] {
      TakeStepsDue();
      operations_.Begin();
      Follow();
    });
    for (std::size_t s = 1; s < input_.steps.size(); ++s)
      SetFaultTimer(ToSeconds(input_.steps[s].at.time_since_epoch()), [this] { TakeStepsDue(); });
    engine_->run();
    if (cut_off_ && operations_.schedule().open_count() > 0) EndClock();
  }

  std::uint64_t instants() const { return instants_; }

 private:
  using SolverTimer = simgrid::kernel::timer::Timer;
  struct Flow {
    Operations::Transfer transfer;
    s4u::CommPtr comm;      // null: held, without a way
    std::uint32_t row = 0;  // of flows_
    bool live = false;
    double left = 0;               // units, when the comm began or the flow was held
    SolverTimer* retry = nullptr;  // while it is held
  };
  // A way as one step has it; route r is between two hosts.
  struct Route {
    const Ways* ways = nullptr;
    std::uint32_t way = 0;
  };

  void NumberRoutes();
  void BuildPlatform();
  void AddRoute(std::uint32_t route, s4u::NetZone& zone);
  s4u::Host* From(std::size_t way) const { return hosts_[way / (hosts_.size() - 1)]; }
  s4u::Host* To(std::size_t way) const {  // another than From(way)
    const std::size_t from = way / (hosts_.size() - 1), to = way % (hosts_.size() - 1);
    return hosts_[to < from ? to : to + 1];
  }
  void OnEnd(const s4u::Activity& activity);
  void Follow();
  void SetTimer(const Operations::Timer& timer);
  // None beyond the clock's end: what is over by then is right without it.
  SolverTimer* SetFaultTimer(double date_s, std::function<void()> then) {
    if (date_s < kSimgridSeconds) return SolverTimer::set(date_s, std::move(then));
    cut_off_ = true;
    return nullptr;
  }
  void Start(const Operations::Transfer& transfer);
  void Move(Flow& flow);
  void Hold(Flow& flow);
  void Cancel(Flow& flow);
  void Release(Flow& flow);
  bool CrossesChanged(const Flow& flow, std::size_t step) const;
  void TakeStepsDue();
  void TakeStep(std::size_t step);
  void OnRetry(Flow& flow);
  void StopWaiting(Flow& flow);
  void CountFates(const RouteStep& step);
  void GiveUp(Flow& flow);
  void CountBegun(std::uint32_t row);
  void RecordFault(std::uint32_t event, const FaultEffect& effect);
  void Credit(const Flow& flow, double moved);
  bool HasFaults() const { return input_.steps.size() > 1; }
  std::uint32_t RouteOf(const Flow& flow) const {
    return route_of_[step_][ways().RowOf(flow.transfer)];
  }
  const Ways& ways() const { return *input_.steps[step_].ways; }
  SimTime Now() const {
    const double now_s = s4u::Engine::get_clock();
    if (now_s >= kSimgridSeconds) EndClock();
    return SimTime(SimDuration(std::llround(now_s * 1e12)));
  }

  // Ends the process: an exception would not pass SimGrid, which is what calls.
  [[noreturn]] void EndClock() const {
    OperationRecord last;
    last.kind = OperationRecord::Kind::kFinished;
    last.instants = instants_;
    last.beyond_clock = true;
    record_(last);
    _exit(0);
  }

  Operations& operations_;
  const SolverInput& input_;
  const std::function<void(const OperationRecord&)>& record_;
  double units_per_byte_;
  std::unique_ptr<s4u::Engine> engine_;
  std::vector<Route> routes_;
  std::vector<std::vector<std::uint32_t>> route_of_;  // [steps][W]
  std::size_t step_ = 0, next_step_ = 1;
  SolverTimer* firing_ = nullptr;  // of a retry; SimGrid deletes it afterwards
  std::vector<s4u::Host*> hosts_;
  std::vector<s4u::Link*> links_;  // [L], null where no way leads
  std::deque<Flow> flows_;         // stable: SimGrid keeps pointers
  std::vector<std::uint32_t> free_;
  s4u::CommPtr ended_;                   // SimGrid still holds what it has just called about
  std::vector<s4u::CommPtr> cancelled_;  // which SimGrid is not done with before time moves on
  double cancelled_at_s_ = 0;
  bool cut_off_ = false;
  std::uint64_t instants_ = 0;
  Operations::Following taken_;
};

s4u::NetZone* MakeEngine(std::unique_ptr<s4u::Engine>& engine) {
  std::array<std::string, 10> words{"weft",
                                    "--log=root.threshold:critical",
                                    "--cfg=network/model:CM02",
                                    "--cfg=network/bandwidth-factor:1",
                                    "--cfg=network/latency-factor:1",
                                    "--cfg=network/weight-S:0",
                                    "--cfg=network/crosstraffic:0",
                                    "--cfg=network/optim:Lazy",
                                    "--cfg=maxmin/precision:1e-12",
                                    "--cfg=surf/precision:1e-12"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  int count = static_cast<int>(arguments.size());
  engine = std::make_unique<s4u::Engine>(&count, arguments.data());
  signal(SIGINT, SIG_IGN);  // Ctrl-C is the parent's, who then ends this process
  return s4u::create_full_zone("weft");
}

// Ways of a step that are as they were before it share a route.
void Solver::NumberRoutes() {
  for (std::size_t s = 0; s < input_.steps.size(); ++s) {
    const Ways& now = *input_.steps[s].ways;
    if (s > 0 && &now == input_.steps[s - 1].ways.get()) {
      route_of_.push_back(route_of_.back());
      continue;
    }
    std::vector<std::uint32_t> of;
    for (std::uint32_t w = 0; w < now.all().size(); ++w) {
      if (s > 0) {
        const std::uint32_t old = route_of_.back()[w];
        const Way &a = routes_[old].ways->all()[w], &b = now.all()[w];
        if (a.bound == b.bound && std::ranges::equal(routes_[old].ways->links(a), now.links(b))) {
          of.push_back(old);
          continue;
        }
      }
      of.push_back(static_cast<std::uint32_t>(routes_.size()));
      routes_.push_back({&now, w});
    }
    route_of_.push_back(std::move(of));
  }
}

void Solver::AddRoute(std::uint32_t route, s4u::NetZone& zone) {
  const Ways& ways = *routes_[route].ways;
  const Way& way = ways.all()[routes_[route].way];
  if (!way.bound || (way.link_count == 0 && way.cap_bps == 0)) return;
  const auto add_link = [&](const std::string& name, double bps) {
    return zone.create_link(name, bps / 8 * units_per_byte_);
  };
  std::vector<s4u::LinkInRoute> links;
  for (const LinkId id : ways.links(way)) {
    s4u::Link*& link = links_[Index(id)];
    if (link == nullptr)
      link = add_link(fmt::format("l{}", Index(id)), input_.capacity_bps[Index(id)]);
    links.emplace_back(link);
  }
  if (way.cap_bps > 0) {  // a link whose capacity each flow has to itself
    s4u::Link* cap = add_link(fmt::format("w{}", route), way.cap_bps);
    links.emplace_back(cap->set_sharing_policy(s4u::Link::SharingPolicy::FATPIPE));
  }
  zone.add_route(From(route)->get_netpoint(), To(route)->get_netpoint(), nullptr, nullptr, links,
                 false);
}

// One zone; route r is between two of its hosts, which stand for nothing.
void Solver::BuildPlatform() {
  s4u::NetZone* zone = MakeEngine(engine_);
  std::size_t hosts = 2;
  while (hosts * (hosts - 1) < routes_.size()) ++hosts;
  for (std::size_t h = 0; h < hosts; ++h)
    hosts_.push_back(zone->create_host(fmt::format("h{}", h), 1.0));
  links_.resize(input_.capacity_bps.size(), nullptr);
  for (std::uint32_t r = 0; r < routes_.size(); ++r) AddRoute(r, *zone);
  zone->seal();
}

void Solver::SetTimer(const Operations::Timer& timer) {
  const double date = ToSeconds(timer.at.time_since_epoch());
  simgrid::kernel::timer::Timer::set(date, [this, timer] {
    operations_.OnTimer(timer, timer.at);
    Follow();
  });
}

void Solver::Start(const Operations::Transfer& transfer) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(flows_.size()));
    flows_.emplace_back().row = free_.back();
  }
  Flow& flow = flows_[free_.back()];
  free_.pop_back();
  flow.transfer = transfer;
  flow.live = true;
  flow.left = std::max(1.0, std::round(ways().Bytes(transfer) * units_per_byte_));
  Move(flow);
}

// Along its way of now, or nowhere.
void Solver::Move(Flow& flow) {
  const std::uint32_t route = RouteOf(flow);
  if (!ways().all()[routes_[route].way].bound) return Hold(flow);
  flow.comm = s4u::Comm::sendto_init(From(route), To(route));
  flow.comm->set_payload_size(static_cast<std::uint64_t>(std::max(1.0, std::round(flow.left))));
  flow.comm->set_data(&flow);
  flow.comm->start();
}

void Solver::Hold(Flow& flow) {
  if (flow.retry != nullptr || input_.retry_timeout == SimDuration{}) return;
  const SimTime at = Now() + input_.retry_timeout;
  flow.retry = SetFaultTimer(ToSeconds(at.time_since_epoch()), [this, &flow] { OnRetry(flow); });
}

void Solver::StopWaiting(Flow& flow) {
  if (flow.retry != nullptr && flow.retry != firing_) flow.retry->remove();
  flow.retry = nullptr;
}

// SimGrid fires timers of one date in no stated order: what gives paths in this instant first.
void Solver::OnRetry(Flow& flow) {
  firing_ = flow.retry;
  TakeStepsDue();
  const bool held = flow.retry == firing_;
  firing_ = nullptr;
  if (!held) return;
  flow.retry = nullptr;
  GiveUp(flow);
}

void Solver::Release(Flow& flow) {
  StopWaiting(flow);
  flow.live = false;
  free_.push_back(flow.row);
}

// Bytes of the flow have crossed its way since it was put there.
void Solver::Credit(const Flow& flow, double moved) {
  if (!HasFaults() || moved <= 0) return;
  std::map<LinkId, double> crossed;
  const Route& route = routes_[RouteOf(flow)];
  for (const LinkId link : route.ways->links(route.ways->all()[route.way]))
    crossed[link] += moved / units_per_byte_;
  for (const auto& [link, bytes] : crossed) {
    OperationRecord record;
    record.kind = OperationRecord::Kind::kCredit;
    record.row = Index(link);
    record.bytes = bytes;
    record.start = record.end = Now();
    record.instants = instants_;
    record_(record);
  }
}

// Counted before anything moves: QPs of edges that have bytes left.
void Solver::CountFates(const RouteStep& step) {
  std::map<std::uint32_t, FaultEffect> effects;
  for (const RouteStep::Fate& fate : step.fates)
    if (operations_.InFlight(input_.paths->qps()[fate.qp].edge))
      ++(effects[fate.event].*fate.field);
  for (const auto& [event, effect] : effects) RecordFault(event, effect);
}

void Solver::RecordFault(std::uint32_t event, const FaultEffect& effect) {
  OperationRecord record;
  record.kind = OperationRecord::Kind::kFault;
  record.row = event;
  record.effect = effect;
  record.start = record.end = Now();
  record.instants = instants_;
  record_(record);
}

// It was not in flight when its QPs lost their paths.
void Solver::CountBegun(std::uint32_t row) {
  std::map<std::uint32_t, FaultEffect> effects;
  const PathTable::Range edges = operations_.EdgesOf(row);
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) {
    const PathTable::Edge& edge = input_.paths->edges()[e];
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q) {
      const RouteStep::Broken& broken = (*input_.steps[step_].broken)[q];
      if (broken.by == Routes::kNoEvent) continue;
      ++effects[broken.by].crossing;
      effects[broken.by].stalled += broken.stalled ? 1u : 0u;
    }
  }
  for (const auto& [event, effect] : effects) RecordFault(event, effect);
}

// SimGrid bounds a flow for good by what its links gave when it began: one whose link changes is
// begun anew.
bool Solver::CrossesChanged(const Flow& flow, std::size_t step) const {
  const auto& changed = input_.steps[step].capacity_bps;
  if (changed.empty()) return false;
  const Ways& now = ways();
  return std::ranges::any_of(now.links(now.all()[now.RowOf(flow.transfer)]), [&](LinkId link) {
    return std::ranges::any_of(changed, [&](const auto& one) { return one.first == link; });
  });
}

// Stops it where it is; what is left is in `left`.
void Solver::Cancel(Flow& flow) {
  const double now_s = s4u::Engine::get_clock();
  if (now_s > cancelled_at_s_) cancelled_.clear();
  cancelled_at_s_ = now_s;
  const double left = flow.comm->get_remaining();
  Credit(flow, flow.left - left);
  flow.left = left;
  flow.comm->set_data(nullptr);  // so that its end means nothing
  cancelled_.push_back(std::move(flow.comm));
  flow.comm = nullptr;
  cancelled_.back()->cancel();
}

void Solver::TakeStepsDue() {
  const SimTime now = Now();
  while (next_step_ < input_.steps.size() && input_.steps[next_step_].at <= now)
    TakeStep(next_step_++);
}

void Solver::TakeStep(std::size_t step) {
  if (operations_.schedule().open_count() == 0) return;
  CountFates(input_.steps[step]);
  for (const auto& [id, bps] : input_.steps[step].capacity_bps)
    if (links_[Index(id)] != nullptr) links_[Index(id)]->set_bandwidth(bps / 8 * units_per_byte_);
  std::vector<Flow*> moved;
  for (Flow& flow : flows_) {
    if (!flow.live) continue;
    const std::uint32_t way = ways().RowOf(flow.transfer);
    if (route_of_[step][way] == route_of_[step_][way] && !CrossesChanged(flow, step)) continue;
    moved.push_back(&flow);
    if (flow.comm != nullptr) Cancel(flow);
  }
  step_ = step;
  for (Flow* flow : moved) {
    if (ways().all()[ways().RowOf(flow->transfer)].bound) StopWaiting(*flow);
    Move(*flow);
  }
  Follow();
}

// Held for as long as a sender retries: its operation fails, with all that it had under way.
void Solver::GiveUp(Flow& given_up) {
  const std::uint32_t row = given_up.transfer.row;
  std::map<std::uint32_t, FaultEffect> effects;
  const PathTable::Range edges = operations_.EdgesOf(row);
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) {
    if (!operations_.HasBytes(row, e)) continue;
    const PathTable::Edge& edge = input_.paths->edges()[e];
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q)
      ++effects[(*input_.steps[step_].broken)[q].by].failed;
  }
  effects.erase(Routes::kNoEvent);
  for (const auto& [event, effect] : effects) RecordFault(event, effect);
  for (Flow& flow : flows_) {
    if (!flow.live || flow.transfer.row != row) continue;
    if (flow.comm != nullptr) Cancel(flow);
    Release(flow);
  }
  operations_.Fail(row, Now());
  Follow();
}

void Solver::OnEnd(const s4u::Activity& activity) {
  Flow* const ended = activity.get_data<Flow>();
  if (ended == nullptr) return;  // it goes on along another way
  Flow& flow = *ended;
  WEFT_CHECK(activity.get_state() == s4u::Activity::State::FINISHED);
  Credit(flow, flow.left);
  ended_ = std::move(flow.comm);
  flow.comm = nullptr;
  const Operations::Transfer transfer = flow.transfer;
  Release(flow);
  operations_.OnTransferEnd(transfer, Now());
  Follow();
}

// What is due at once is done at once: a timer of SimGrid's at a date that differs
// by the rounding to a picosecond would cost a solution of its own.
void Solver::Follow() {
  const SimTime now = Now();
  do {
    std::swap(taken_, operations_.following());
    if (HasFaults())
      for (const std::uint32_t row : taken_.begun) CountBegun(row);
    for (OperationRecord& over : taken_.records) {
      over.instants = instants_;
      record_(over);
    }
    for (const Operations::Transfer& transfer : taken_.transfers) Start(transfer);
    for (const Operations::Timer& timer : taken_.timers) {
      if (timer.at <= now)
        operations_.OnTimer(timer, now);
      else
        SetTimer(timer);
    }
    taken_.records.clear();
    taken_.begun.clear();
    taken_.timers.clear();
    taken_.transfers.clear();
  } while (!operations_.following().Empty());
}

}  // namespace

void WeftRunOnSimgrid(Operations& operations, const SolverInput& input,
                      const std::function<void(const OperationRecord&)>& record) {
  try {
    const auto begin = std::chrono::steady_clock::now();
    Solver solver(operations, input, record);
    const auto built = std::chrono::steady_clock::now();
    solver.Run();
    OperationRecord finished;
    finished.kind = OperationRecord::Kind::kFinished;
    finished.instants = solver.instants();
    finished.setup_s = Seconds(built - begin).count();
    finished.solve_s = Seconds(std::chrono::steady_clock::now() - built).count();
    record(finished);
    std::fflush(nullptr);
    _exit(0);  // not by way of SimGrid's destructors, which nobody needs
  } catch (const std::exception& thrown) {
    std::fprintf(stderr, "SimGrid: %s\n", thrown.what());
    std::abort();
  }
}

int WeftSimgridVersion() { return SIMGRID_VERSION_MAJOR * 1000 + SIMGRID_VERSION_MINOR; }

}  // namespace weft
