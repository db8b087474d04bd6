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
// Of a variable the last value counts, and what NCCL itself says goes before what was typed.
//
// [NCCL 2.28.9 src/init.cc, src/misc/param.cc, src/graph/paths.cc, src/transport/net.cc, p2p.cc,
// shm.cc, nvls.cc, net_ib/init.cc]
//
// What some lines say and others deny is not said: a host's far NICs are staged in health too.
#pragma once

#include <cstdint>
#include <map>
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
  // A variable of the environment, as a command or a test's record of it says.
  void AddVariable(std::string_view name, std::string_view value);
  // Nothing typed before sets it any longer.
  void RemoveVariable(std::string_view name);
  // The same without what was typed: what NCCL's own lines say.
  NcclSetup OwnLines() const;

  SetupState rdma() const { return rdma_.State(); }
  SetupState gdr() const { return gdr_.State(); }
  SetupState p2p() const { return p2p_.State(); }
  // Switched off; false: at most NCCL did not find a way, as between sockets on PCIe.
  bool p2p_forbidden() const { return p2p_.Forbidden(); }
  // On so many hosts: NVLS on one, NVLSTree on several; what forbids one need not forbid the other.
  SetupState nvls(int hosts) const {
    return (hosts > 1 ? no_nvls_tree_ : no_nvls_) ? SetupState::kOff : nvls_.State();
  }
  SetupState pxn() const { return pxn_.State(); }
  int devices() const { return devices_; }  // the fewest that a process found; 0: not said
  int listing_hosts() const { return static_cast<int>(hosts_.size()); }  // that said it

 private:
  using Variables = std::map<std::string, std::string, std::less<>>;  // by name

  struct Feature {
    bool used = false, unused = false;  // by NCCL's own lines
    bool own_forbids = false, typed_forbids = false;
    bool Forbidden() const { return own_forbids || (typed_forbids && used == unused); }
    SetupState State() const {
      if (Forbidden()) return SetupState::kOff;
      return used == unused ? SetupState::kUnsaid : used ? SetupState::kOn : SetupState::kOff;
    }
  };

  void Connection(std::string_view via);
  void Interpret();  // the variables anew, each by its one value
  void Algorithms(std::string_view list);

  Variables own_, typed_;
  Feature rdma_, gdr_, p2p_, nvls_, pxn_;
  bool no_nvls_ = false, no_nvls_tree_ = false;  // by NCCL_ALGO
  int devices_ = 0;
  std::set<std::string> hosts_;
};

// The variables of NCCL that a line of a shell or of a launcher sets: NAME=VALUE before a test's
// program, behind -x, -e or --env, in --export=…, on a line of assignments alone, or of `export` or
// `unset` at the start of a line, behind a prompt. Comments, and prose that names some, set none.
struct NcclVariable {
  std::string name, value;
  bool exported = false;  // for all commands that follow
  bool unset = false;     // from here on it has no value
};
std::vector<NcclVariable> NcclVariablesIn(std::string_view line);

}  // namespace weft
