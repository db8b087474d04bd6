// Routers with endpoints, cabled to one another: what dragonfly and slim_fly share.
//
// Endpoint e, counted over the NICs of all hosts, is at router e / p. A host whose
// NICs straddle routers stands where its first does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "topology/families/family.h"

namespace weft {

struct RouterFabric {
  std::int64_t routers = 0, endpoints = 0;  // endpoints of one router
  std::int64_t group = 0;                   // routers of one group, for placement; 0: no groups
  std::int64_t degree = 0;                  // cables of a router to others
  std::int64_t absent_hosts = 0;            // the last ones, whose endpoints stay empty
  BitRate link;
  SimDuration latency{};      // of an endpoint's cable
  std::string_view size_key;  // the key to blame for too many ports
};

struct RouterCable {
  std::int64_t a = 0, b = 0;
  SimDuration latency{};
  std::uint8_t cost = 1;
};

// What an endpoint's host is; adds an error where its NICs have several ports.
HostPart RouterHost(const RouterFabric& routers, const FamilyInput& input, Errors& errors);

// Whether ports, where the user names a switch, hosts and sizes fit.
void CheckRouters(const RouterFabric& routers, const HostPart& host, std::int64_t cables,
                  const FamilyInput& input, Errors& errors);

// Parallel cables may be given as equal rows. `note` may be empty.
Result<Fabric> BuildRouters(const RouterFabric& routers, const HostPart& host,
                            std::vector<RouterCable> cables, const std::string& note,
                            const FamilyInput& input);

}  // namespace weft
