// Names of a custom fabric's ends, and the patterns that stand for several of them.
//
// An end is a switch, a NIC's port, or a NIC, whose next free port it then is. In a pattern
// * stands for any run without a slash, and [0-3,8] for one of these numbers.
//
// Cost     an end by its name O(log n); a pattern O(n) over switches, hosts and their NICs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

struct CustomEnd {
  bool is_host = false;
  std::uint32_t row = 0;  // of the host or switch
  int nic = 0;            // of a host
  int port = -1;          // of its NIC; below 0: the next free one
  bool operator==(const CustomEnd&) const = default;
};

class CustomNames {
 public:
  struct HostPorts {
    int nics = 0, ports = 0;  // NICs of the host, ports of each
  };

  // False where the name is taken.
  bool AddHost(const std::string& name, HostPorts ports);
  bool AddSwitch(const std::string& name);

  // Every end that `pattern` stands for: hosts in order, each with its NICs and their ports in
  // order, then switches in order. Empty: nothing is called so.
  std::vector<CustomEnd> Find(std::string_view pattern) const;
  // The name nearest to `pattern` that there is, for an error; may be empty.
  std::string NearestTo(std::string_view pattern) const;

  const std::vector<std::string>& hosts() const { return host_names_; }
  const std::vector<std::string>& switches() const { return switch_names_; }

 private:
  void FindInHosts(std::string_view pattern, std::vector<CustomEnd>& out) const;

  std::vector<std::string> host_names_, switch_names_;
  std::vector<HostPorts> ports_;                        // of each host
  std::map<std::string, CustomEnd, std::less<>> rows_;  // hosts and switches by name
};

// Whether `name` is one that `pattern` stands for.
bool MatchesPattern(std::string_view pattern, std::string_view name);

}  // namespace weft
