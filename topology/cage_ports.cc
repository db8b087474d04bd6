// Which cage and lanes every port takes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "topology/cabling_internal.h"

namespace weft {
namespace {

// One end of a cable at its device, in the order in which ports are put into cages.
struct Port {
  std::uint32_t cable = 0;
  bool is_b = false;
  std::uint8_t lanes = 1;
  std::uint8_t towards = 0;  // 0: to a lower tier, 1: its own, 2: a higher one
  BitRate rate;
};

std::uint8_t LanesFor(BitRate rate, BitRate lane) {
  const double lanes = std::ceil(rate / lane - 1e-9);
  return static_cast<std::uint8_t>(std::clamp(lanes, 1.0, 255.0));
}

std::string Rate(BitRate rate) { return FormatQuantity(rate.bits_per_second(), Unit::BIT_RATE); }

// Ports of one kind, and how many share a cage.
struct Kind {
  std::uint8_t lanes = 1;
  BitRate rate;
  int split = 1;
};

class Packer {
 public:
  Packer(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan, Errors& errors)
      : fabric_(fabric), parts_(parts), plan_(plan), errors_(errors) {}

  void Run() {
    cable_of_link_.resize(fabric_.link_count());
    plan_.cables.reserve(fabric_.link_count() / 2);
    const std::uint32_t first_switch = FirstSwitch(fabric_);
    SetLanes(first_switch);
    for (const Host& host : fabric_.hosts()) {
      for (std::uint16_t n = 0; n < host.nics; ++n) Gather(VertexId{Index(host.first_nic) + n});
      const auto before = [&](const Port& x, const Port& y) { return NicPort(x) < NicPort(y); };
      if (!std::is_sorted(ports_.begin(), ports_.end(), before))
        std::stable_sort(ports_.begin(), ports_.end(), before);
      Close();
    }
    for (std::uint32_t v = first_switch; v < fabric_.vertex_count(); ++v) {
      Gather(VertexId{v});
      Close();
    }
    plan_.first_cage.push_back(static_cast<std::uint32_t>(plan_.cages.size()));
  }

 private:
  // A NIC's ports in the order of their numbers, NIC by NIC.
  std::uint64_t NicPort(const Port& port) const {
    const Link& link = fabric_.link(plan_.cables[port.cable].link);
    return (std::uint64_t{Index(link.from)} << 8) | link.number;
  }

  void SetLanes(std::uint32_t first_switch) {
    const auto lane = [&](std::uint32_t device) {
      return plan_.cages_of[parts_.kind_of[device]].part.lane;
    };
    lane_of_.resize(fabric_.vertex_count());
    for (std::uint32_t h = 0; h < fabric_.host_count(); ++h) {
      const Host& host = fabric_.host(HostId{h});
      std::fill_n(lane_of_.begin() + Index(host.first_nic), host.nics, lane(h));
    }
    for (std::uint32_t v = first_switch; v < fabric_.vertex_count(); ++v)
      lane_of_[v] = lane(fabric_.host_count() + v - first_switch);
  }

  // Neighbours are mostly alike.
  std::uint8_t LanesOf(BitRate rate, BitRate lane) {
    if (rate != asked_rate_ || lane != asked_lane_) {
      asked_rate_ = rate;
      asked_lane_ = lane;
      lanes_ = LanesFor(rate, lane);
    }
    return lanes_;
  }

  void Gather(VertexId vertex) {
    const std::uint32_t first = Index(fabric_.first_link_from(vertex));
    const auto links = fabric_.links_from(vertex);
    for (std::uint32_t i = 0; i < links.size(); ++i) {
      const Link& link = links[i];
      if (link.link_class != LinkClass::kNetwork) continue;
      Port port;
      port.is_b = Index(link.from) > Index(link.to);
      if (port.is_b) {
        port.cable = cable_of_link_[Index(link.reverse)];
      } else {
        port.cable = static_cast<std::uint32_t>(plan_.cables.size());
        cable_of_link_[first + i] = port.cable;
        plan_.cables.emplace_back().link = LinkId{first + i};
      }
      port.rate = link.rate;
      port.lanes =
          LanesOf(link.rate, std::min(lane_of_[Index(link.from)], lane_of_[Index(link.to)]));
      const std::uint8_t here = fabric_.vertex(link.from).tier,
                         there = fabric_.vertex(link.to).tier;
      port.towards = here > there ? 0 : here == there ? 1 : 2;
      ports_.push_back(port);
    }
  }

  // Puts the gathered ports of the next device into its cages.
  void Close() {
    const DeviceId device{static_cast<std::uint32_t>(plan_.first_cage.size())};
    const auto& [part, cages] = plan_.cages_of[parts_.kind_of[Index(device)]];
    plan_.first_cage.push_back(static_cast<std::uint32_t>(plan_.cages.size()));
    std::vector<Kind> kinds;
    for (const Port& port : ports_) {
      const auto same = [&](const Kind& kind) {
        return kind.lanes == port.lanes && kind.rate == port.rate;
      };
      if (std::any_of(kinds.begin(), kinds.end(), same)) continue;
      if (!Carries(part, port, device)) {
        ports_.clear();
        return;
      }
      kinds.push_back({port.lanes, port.rate, std::min(part.lanes / port.lanes, part.ports)});
    }
    std::int64_t apart = 0, together = 0;
    for (const Kind& kind : kinds) {
      std::int64_t towards[3] = {}, all = 0;
      for (const Port& port : ports_)
        if (port.lanes == kind.lanes && port.rate == kind.rate) {
          ++towards[port.towards];
          ++all;
        }
      for (const std::int64_t n : towards) apart += CagesFor(n, kind);
      together += CagesFor(all, kind);
    }
    if (cages > 0 && together > cages) {
      ReportTooFew(kinds, device, together, cages);
    } else {
      for (const Kind& kind : kinds) Pack(kind, device, cages == 0 || apart <= cages);
    }
    ports_.clear();
  }

  static std::int64_t CagesFor(std::int64_t ports, const Kind& kind) {
    return (ports + kind.split - 1) / kind.split;
  }

  void ReportTooFew(const std::vector<Kind>& kinds, DeviceId device, std::int64_t needed, int has) {
    if (reported_) return;
    reported_ = true;
    std::string sum;
    for (const Kind& kind : kinds) {
      const auto all = std::count_if(ports_.begin(), ports_.end(), [&](const Port& port) {
        return port.lanes == kind.lanes && port.rate == kind.rate;
      });
      sum += fmt::format("{}{} x {} in {} of {}", sum.empty() ? "" : " + ", all, Rate(kind.rate),
                         CagesFor(all, kind), kind.split);
    }
    errors_.push_back({ErrorCode::kInconsistent, parts_.sources->At(parts_.kind(device).path).pos,
                       fmt::format("{} has too few cages: {} = {}, and it has {}",
                                   DeviceName(fabric_, device), sum, needed, has),
                       "a switch: with more cages, or fewer links"});
  }

  bool Carries(const CagePart& part, const Port& port, DeviceId device) {
    if (port.lanes <= part.lanes) return true;
    const bool host = Index(device) < fabric_.host_count();
    if (!reported_)
      errors_.push_back(
          {ErrorCode::kInconsistent, parts_.sources->At(parts_.kind(device).path).pos,
           fmt::format("a port of {} needs {} lanes, and a cage of {} has {} of {}",
                       Rate(port.rate), port.lanes, DeviceName(fabric_, device), part.lanes,
                       Rate(part.lane)),
           host ? "nic_cage: with more or faster lanes" : "cage: with more or faster lanes"});
    reported_ = true;
    return false;
  }

  // `apart`: ports to unlike tiers do not share a cage.
  void Pack(const Kind& kind, DeviceId device, bool apart) {
    const std::uint32_t first = plan_.first_cage[Index(device)];
    int towards = -1;
    for (const Port& port : ports_) {
      if (port.lanes != kind.lanes || port.rate != kind.rate) continue;
      const bool full = towards < 0 || plan_.cages.back().ports == kind.split;
      if (full || (apart && towards != port.towards)) {
        Cage cage;
        cage.device = device;
        cage.number = static_cast<std::uint16_t>(plan_.cages.size() - first);
        cage.port_lanes = kind.lanes;
        cage.split = static_cast<std::uint8_t>(kind.split);
        cage.rate = kind.rate;
        plan_.cages.push_back(cage);
      }
      towards = port.towards;
      CableEnd& end = port.is_b ? plan_.cables[port.cable].b : plan_.cables[port.cable].a;
      end.cage = CageId{static_cast<std::uint32_t>(plan_.cages.size() - 1)};
      end.port = plan_.cages.back().ports++;
    }
  }

  const Fabric& fabric_;
  const CablingParts& parts_;
  CablingPlan& plan_;
  Errors& errors_;
  std::vector<std::uint32_t> cable_of_link_;  // [L]
  std::vector<BitRate> lane_of_;              // [V], of cages of NICs and switches
  BitRate asked_rate_, asked_lane_;           // of LanesOf() last
  std::uint8_t lanes_ = 1;
  std::vector<Port> ports_;  // of the device at hand
  bool reported_ = false;    // one such error tells them all
};

}  // namespace

void PutPortsIntoCages(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan,
                       Errors& errors) {
  Packer(fabric, parts, plan, errors).Run();
}

}  // namespace weft
