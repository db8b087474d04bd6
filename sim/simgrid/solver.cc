// The one file that knows SimGrid.
#include "sim/simgrid/solver.h"

#include <fmt/format.h>
#include <signal.h>
#include <simgrid/engine.h>  // version.h leans on it
#include <simgrid/version.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <simgrid/kernel/Timer.hpp>
#include <simgrid/s4u.hpp>

#include "base/check.h"

namespace weft {
namespace {

namespace s4u = simgrid::s4u;
using Seconds = std::chrono::duration<double>;

constexpr double kUnitsPerByte = 1 << 20;
// Beyond it a double's last bit is more than the 1 ps within which SimGrid takes
// two instants for one.
constexpr double kLongestSeconds = 4096;

class Solver {
 public:
  Solver(Operations& operations, const Ways& ways, const std::vector<double>& capacity_bps,
         const std::function<void(const OperationRecord&)>& record)
      : operations_(operations), ways_(ways), record_(record) {
    BuildPlatform(capacity_bps);
  }

  void Run() {
    s4u::Activity::on_completion_cb([this](const s4u::Activity& activity) { OnEnd(activity); });
    s4u::Engine::on_time_advance_cb([this](double delta) { instants_ += delta > 0 ? 1 : 0; });
    simgrid::kernel::timer::Timer::set(0.0, [this] {
      operations_.Begin();
      Follow();
    });
    engine_->run();
  }

  std::uint64_t instants() const { return instants_; }

 private:
  struct Flow {
    Operations::Transfer transfer;
    s4u::CommPtr comm;
    std::uint32_t row = 0;  // of flows_
  };

  void BuildPlatform(const std::vector<double>& capacity_bps);
  s4u::Link* LinkOf(std::uint32_t link, double bps);
  s4u::Host* From(std::size_t way) const { return hosts_[way / (hosts_.size() - 1)]; }
  s4u::Host* To(std::size_t way) const {  // another than From(way)
    const std::size_t from = way / (hosts_.size() - 1), to = way % (hosts_.size() - 1);
    return hosts_[to < from ? to : to + 1];
  }
  void OnEnd(const s4u::Activity& activity);
  void Follow();
  void SetTimer(const Operations::Timer& timer);
  void Start(const Operations::Transfer& transfer);
  static SimTime Now() {
    const double now_s = s4u::Engine::get_clock();
    WEFT_CHECK(now_s < kLongestSeconds);
    return SimTime(SimDuration(std::llround(now_s * 1e12)));
  }

  Operations& operations_;
  const Ways& ways_;
  const std::function<void(const OperationRecord&)>& record_;
  std::unique_ptr<s4u::Engine> engine_;
  std::vector<s4u::Host*> hosts_;
  std::vector<s4u::Link*> links_;  // [L], null where no way leads
  std::deque<Flow> flows_;         // stable: SimGrid keeps pointers
  std::vector<std::uint32_t> free_;
  s4u::CommPtr ended_;  // SimGrid still holds what it has just called about
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

// One zone; way w is the route between two of its hosts, which stand for nothing.
void Solver::BuildPlatform(const std::vector<double>& capacity_bps) {
  s4u::NetZone* zone = MakeEngine(engine_);
  std::size_t hosts = 2;
  while (hosts * (hosts - 1) < ways_.all().size()) ++hosts;
  for (std::size_t h = 0; h < hosts; ++h)
    hosts_.push_back(zone->create_host(fmt::format("h{}", h), 1.0));
  const auto add_link = [&](const std::string& name, double bps) {
    return zone->create_link(name, bps / 8 * kUnitsPerByte);
  };
  links_.resize(capacity_bps.size(), nullptr);
  std::vector<s4u::LinkInRoute> route;
  for (std::size_t w = 0; w < ways_.all().size(); ++w) {
    const Way& way = ways_.all()[w];
    if (!way.bound || (way.link_count == 0 && way.cap_bps == 0)) continue;
    route.clear();
    for (const LinkId id : ways_.links(way)) {
      s4u::Link*& link = links_[Index(id)];
      if (link == nullptr) link = add_link(fmt::format("l{}", Index(id)), capacity_bps[Index(id)]);
      route.emplace_back(link);
    }
    if (way.cap_bps > 0) {  // a link whose capacity each flow has to itself
      s4u::Link* cap = add_link(fmt::format("w{}", w), way.cap_bps);
      route.emplace_back(cap->set_sharing_policy(s4u::Link::SharingPolicy::FATPIPE));
    }
    zone->add_route(From(w)->get_netpoint(), To(w)->get_netpoint(), nullptr, nullptr, route, false);
  }
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
  const std::uint32_t row = ways_.RowOf(transfer);
  const Way& way = ways_.all()[row];
  if (!way.bound) return;  // it waits for ever
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(flows_.size()));
    flows_.emplace_back().row = free_.back();
  }
  Flow& flow = flows_[free_.back()];
  free_.pop_back();
  flow.transfer = transfer;
  flow.comm = s4u::Comm::sendto_init(From(row), To(row));
  const double units = std::max(1.0, std::round(ways_.Bytes(transfer) * kUnitsPerByte));
  flow.comm->set_payload_size(static_cast<std::uint64_t>(units));
  flow.comm->set_data(&flow);
  flow.comm->start();
}

void Solver::OnEnd(const s4u::Activity& activity) {
  Flow& flow = *activity.get_data<Flow>();
  WEFT_CHECK(activity.get_state() == s4u::Activity::State::FINISHED);
  ended_ = std::move(flow.comm);
  const Operations::Transfer transfer = flow.transfer;
  free_.push_back(flow.row);
  operations_.OnTransferEnd(transfer, Now());
  Follow();
}

// What is due at once is done at once: a timer of SimGrid's at a date that differs
// by the rounding to a picosecond would cost a solution of its own.
void Solver::Follow() {
  const SimTime now = Now();
  do {
    std::swap(taken_, operations_.following());
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
    taken_.timers.clear();
    taken_.transfers.clear();
  } while (!operations_.following().Empty());
}

}  // namespace

void RunOnSimgrid(Operations& operations, const Ways& ways, const std::vector<double>& capacity_bps,
                  const std::function<void(const OperationRecord&)>& record) {
  try {
    const auto begin = std::chrono::steady_clock::now();
    Solver solver(operations, ways, capacity_bps, record);
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

std::string SimgridVersion() {
  return fmt::format("{}.{}", SIMGRID_VERSION_MAJOR, SIMGRID_VERSION_MINOR);
}

}  // namespace weft
