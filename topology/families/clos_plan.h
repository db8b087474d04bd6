// What a ClosRequest comes to: how many of everything, before anything is cabled.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/families/clos.h"

namespace weft {

struct ClosPod {
  std::int64_t segments = 0;
  std::int64_t spines = 0;             // of each spine group
  std::int64_t uplinks = 0;            // of each spine
  std::int64_t minimum = 0, even = 0;  // spines by either rule
};

struct ClosPlan {
  ClosRequest in;
  int tiers = 2;
  bool too_large = false;                           // for so many tiers
  std::int64_t ports = 1;                           // of a NIC
  std::int64_t nics_of_rail = 1;                    // of one host
  std::int64_t networks = 1;                        // planes
  std::int64_t groups = 1;                          // spine groups of a pod in one network
  std::int64_t leaves_of_group = 1;                 // of a segment, in one spine group
  std::int64_t slots = 0, filled = 0, uplinks = 0;  // of a leaf
  std::vector<ClosPod> pods;                        // one, or zones, with two tiers
  std::int64_t cores = 0, cores_minimum = 0, cores_even = 0;  // of a network's core group

  std::int64_t leaves_of_segment() const { return in.rails * ports; }
  std::int64_t leaves_of_network() const { return leaves_of_group * groups; }  // of a segment
  std::int64_t segments() const;
  std::int64_t leaves() const { return segments() * leaves_of_segment(); }
  std::int64_t spines() const;
  std::int64_t all_cores() const { return cores * in.core_groups * networks; }
  std::int64_t spine_links_up() const;
  // Where leaf (rail, port) of a segment stands.
  std::int64_t NetworkOf(std::int64_t rail, std::int64_t port) const {
    return (in.rails_isolated ? rail : 0) * (in.planes_by_port ? ports : 1) +
           (in.planes_by_port ? port : 0);
  }
  std::int64_t GroupOf(std::int64_t rail) const { return groups > 1 ? rail : 0; }
  // Which of its core group's, or core group, spine `s` of `of` belongs to.
  std::int64_t CoreGroupOf(std::int64_t s, std::int64_t of) const {
    return s * in.core_groups / of;
  }
};

// Adds what does not fit to `errors`; the plan is then unspecified.
ClosPlan PlanClos(const ClosRequest& request, const FamilyInput& input, Errors& errors);

}  // namespace weft
