// Steps that CUDA and NCCL run. One process calls these for one group of steps.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "validate/probe/plan.h"
#include "validate/probe/statistics.h"

namespace weft::probe {

// A step that this machine cannot do (no peer access, no cuBLAS, no GPU memory): what and why.
struct Cannot : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What CUDA and NCCL say of themselves and of GPU 0; gpus 0 and `why` where there is no GPU.
struct DeviceFacts {
  int gpus = 0;
  std::string why;
  std::string gpu, compute_capability, driver, runtime, nccl;
  long long memory_bytes = 0;
};
DeviceFacts ReadDeviceFacts();

// The ranks of the job: all GPUs of this process, or one GPU a process with MPI.
struct World {
  int rank = 0, ranks = 1, hosts = 1;
  int local_gpu = 0;
  bool mpi = false;
};
World JoinWorld(int* argc, char*** argv);
void LeaveWorld(const World& world);
// What rank 0 holds goes to every process; nothing happens without MPI.
void ShareBytes(const World& world, void* bytes, std::size_t count);

// launch, gemm and copy. JSON members of what was measured. Throws Cannot.
std::string RunDeviceStep(const Step& step);

// nccl_call and collective, over communicators that are made once for each number of ranks.
class Communicators {
 public:
  explicit Communicators(const World& world);
  ~Communicators();
  Communicators(const Communicators&) = delete;
  Communicators& operator=(const Communicators&) = delete;
  std::string Run(const Step& step);

 private:
  struct Group;
  Group& ForRanks(int ranks);
  World world_;
  std::map<int, Group*> groups_;
};

}  // namespace weft::probe
