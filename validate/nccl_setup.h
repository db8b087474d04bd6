// How NCCL says that it talks: its own lines in a log, as NCCL_DEBUG=INFO prints them.
//
//   NCCL INFO Using network Socket                      which network; No device found: none
//   … [send] via NET/IB/0/GDRDMA                        GPUs' data by RDMA; staged without the word
//   … [send] via NET/IB/0(5)/GDRDMA                     over the GPU beside the NIC: PXN
//   … via P2P/CUMEM, via SHM/direct/direct              GPUs of a host: directly, through memory
//   24 coll channels, … 16 nvls channels, …             none: the NVSwitches do not sum
//   NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB …      the NICs' ports that it found
//   NCCL_P2P_DISABLE set by environment to 1.           what was switched off
//   mpirun -x NCCL_P2P_DISABLE=1 … all_reduce_perf -b 8 the same, typed in a command
//
// [NCCL 2.28.9 src/init.cc, src/misc/param.cc, src/graph/paths.cc, src/transport/net.cc, p2p.cc,
// shm.cc, nvls.cc, net_ib/init.cc]
//
// What some lines say and others deny is not said: a host's far NICs are staged in health too.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

enum class SetupState : std::uint8_t { kUnsaid, kOn, kOff };

class NcclSetup {
 public:
  // A line of a log, with what launchers put before it. Lines of others' say nothing.
  void AddLine(std::string_view line);
  // A variable of the environment.
  void AddVariable(std::string_view name, std::string_view value);

  SetupState rdma() const { return rdma_.State(); }
  SetupState gdr() const { return gdr_.State(); }
  SetupState p2p() const { return p2p_.State(); }
  // Switched off; false: at most NCCL did not find a way, as between sockets on PCIe.
  bool p2p_forbidden() const { return p2p_.forbidden; }
  // On so many hosts: NVLS on one, NVLSTree on several; what forbids one need not forbid the other.
  SetupState nvls(int hosts) const {
    return (hosts > 1 ? no_nvls_tree_ : no_nvls_) ? SetupState::kOff : nvls_.State();
  }
  SetupState pxn() const { return pxn_.State(); }
  int devices() const { return devices_; }  // the fewest that a process found; 0: not said
  int listing_hosts() const { return static_cast<int>(hosts_.size()); }  // that said it

 private:
  struct Feature {
    bool used = false, unused = false, forbidden = false;
    SetupState State() const {
      if (forbidden) return SetupState::kOff;
      return used == unused ? SetupState::kUnsaid : used ? SetupState::kOn : SetupState::kOff;
    }
  };

  void Connection(std::string_view via);
  void Algorithms(std::string_view list);

  Feature rdma_, gdr_, p2p_, nvls_, pxn_;
  bool no_nvls_ = false, no_nvls_tree_ = false;  // by NCCL_ALGO
  int devices_ = 0;
  std::set<std::string> hosts_;
};

// The variables of NCCL that a line of a shell or of a launcher sets: NAME=VALUE before a test's
// program, behind -x, -e, --env or export, or alone. Prose that names some sets none. `exported`:
// for all commands that follow.
struct NcclVariable {
  std::string name, value;
  bool exported = false;
};
std::vector<NcclVariable> NcclVariablesIn(std::string_view line);

}  // namespace weft
