#include <cuda_runtime.h>
#include <nccl.h>
#include <unistd.h>
#ifdef WEFT_PROBE_MPI
#include <mpi.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "validate/probe/cuda_check.h"

namespace weft::probe {

World JoinWorld(int* argc, char*** argv) {
  World world;
#ifdef WEFT_PROBE_MPI
  MPI_Init(argc, argv);
  world.mpi = true;
  MPI_Comm_rank(MPI_COMM_WORLD, &world.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world.ranks);
  constexpr int kName = 64;
  std::vector<char> names(static_cast<std::size_t>(world.ranks) * kName);
  char own[kName] = {};
  (void)gethostname(own, kName - 1);
  MPI_Allgather(own, kName, MPI_CHAR, names.data(), kName, MPI_CHAR, MPI_COMM_WORLD);
  std::set<std::string> hosts;
  for (int rank = 0; rank < world.ranks; ++rank) {
    const std::string name = &names[static_cast<std::size_t>(rank) * kName];
    if (rank < world.rank && name == own) ++world.local_gpu;
    hosts.insert(name);
  }
  world.hosts = static_cast<int>(hosts.size());
  int visible = 0;  // a launcher may show each process a GPU of its own, and that is number 0
  if (cudaGetDeviceCount(&visible) == cudaSuccess && visible > 0) world.local_gpu %= visible;
#else
  (void)argc;
  (void)argv;
#endif
  return world;
}

void LeaveWorld(const World& world) {
#ifdef WEFT_PROBE_MPI
  if (world.mpi) MPI_Finalize();
#else
  (void)world;
#endif
}

void ShareBytes(const World& world, void* bytes, std::size_t count) {
#ifdef WEFT_PROBE_MPI
  if (world.mpi) MPI_Bcast(bytes, static_cast<int>(count), MPI_BYTE, 0, MPI_COMM_WORLD);
#else
  (void)world;
  (void)bytes;
  (void)count;
#endif
}

namespace {

double ElapsedUs(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - since)
      .count();
}

// All processes take the same decisions from the same figure: the mean, as nccl-tests reports.
double MeanOverProcesses(const World& world, double us) {
#ifdef WEFT_PROBE_MPI
  if (world.mpi) {
    double sum = 0;
    MPI_Allreduce(&us, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return sum / world.ranks;
  }
#else
  (void)world;
#endif
  return us;
}

}  // namespace

struct Communicators::Group {
  int ranks = 0, first_rank = 0;
  std::vector<int> gpus;
  std::vector<ncclComm_t> comms;
  std::vector<cudaStream_t> streams;
  std::vector<void*> send, receive;
  std::size_t capacity = 0;

  void Reserve(std::size_t bytes) {
    if (bytes <= capacity) return;
    Free();
    send.assign(gpus.size(), nullptr);
    receive.assign(gpus.size(), nullptr);
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      PROBE_CHECK(cudaSetDevice(gpus[i]));
      PROBE_CHECK(cudaMalloc(&send[i], bytes));
      PROBE_CHECK(cudaMalloc(&receive[i], bytes));
      PROBE_CHECK(cudaMemset(send[i], 0, bytes));
    }
    capacity = bytes;
  }

  void Free() {
    for (std::vector<void*>* buffers : {&send, &receive}) {
      for (void* buffer : *buffers) (void)cudaFree(buffer);
      buffers->clear();
    }
    capacity = 0;
  }

  void Wait() {
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      PROBE_CHECK(cudaSetDevice(gpus[i]));
      PROBE_CHECK(cudaStreamSynchronize(streams[i]));
    }
  }

  // One call on every GPU of this process. `bytes` are counted as nccl-tests does.
  void Call(const std::string& op, std::size_t bytes) {
    const auto all = static_cast<std::size_t>(ranks);
    const std::size_t count = bytes / sizeof(float), share = count / all;
    PROBE_CHECK(ncclGroupStart());
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      PROBE_CHECK(cudaSetDevice(gpus[i]));
      One(op, i, count, share);
    }
    PROBE_CHECK(ncclGroupEnd());
  }

  void One(const std::string& op, std::size_t i, std::size_t count, std::size_t share) {
    const int rank = first_rank + static_cast<int>(i);
    void *const from = send[i], *const to = receive[i];
    ncclComm_t comm = comms[i];
    cudaStream_t stream = streams[i];
    if (op == "all_reduce") {
      PROBE_CHECK(ncclAllReduce(from, to, count, ncclFloat, ncclSum, comm, stream));
    } else if (op == "all_gather") {
      PROBE_CHECK(ncclAllGather(from, to, share, ncclFloat, comm, stream));
    } else if (op == "reduce_scatter") {
      PROBE_CHECK(ncclReduceScatter(from, to, share, ncclFloat, ncclSum, comm, stream));
    } else if (op == "broadcast") {
      PROBE_CHECK(ncclBroadcast(from, to, count, ncclFloat, 0, comm, stream));
    } else if (op == "reduce") {
      PROBE_CHECK(ncclReduce(from, to, count, ncclFloat, ncclSum, 0, comm, stream));
    } else if (op == "send_recv") {
      PROBE_CHECK(ncclSend(from, count, ncclFloat, (rank + 1) % ranks, comm, stream));
      PROBE_CHECK(ncclRecv(to, count, ncclFloat, (rank + ranks - 1) % ranks, comm, stream));
    } else if (op == "all_to_all") {
      for (int peer = 0; peer < ranks; ++peer) {
        const std::size_t at = static_cast<std::size_t>(peer) * share;
        PROBE_CHECK(ncclSend(static_cast<float*>(from) + at, share, ncclFloat, peer, comm, stream));
        PROBE_CHECK(ncclRecv(static_cast<float*>(to) + at, share, ncclFloat, peer, comm, stream));
      }
    } else {
      throw Cannot("no operation " + op);
    }
  }
};

Communicators::Communicators(const World& world) : world_(world) {}

Communicators::~Communicators() {
  for (auto& [ranks, group] : groups_) {
    if (!group) continue;  // its making failed
    group->Free();
    for (std::size_t i = 0; i < group->gpus.size(); ++i) {
      (void)cudaSetDevice(group->gpus[i]);
      (void)cudaStreamDestroy(group->streams[i]);
      (void)ncclCommDestroy(group->comms[i]);
    }
    delete group;
  }
}

Communicators::Group& Communicators::ForRanks(int ranks) {
  if (Group* const known = groups_[ranks]) {
    for (auto& [other, group] : groups_)
      if (group && other != ranks) group->Free();
    return *known;
  }
  for (auto& [other, group] : groups_)
    if (group) group->Free();
  auto made = std::make_unique<Group>();
  made->ranks = ranks;
  if (world_.mpi) {
    made->gpus = {world_.local_gpu};
    made->first_rank = world_.rank;
    ncclUniqueId id{};
    if (world_.rank == 0) PROBE_CHECK(ncclGetUniqueId(&id));
    ShareBytes(world_, &id, sizeof id);
    made->comms.resize(1);
    PROBE_CHECK(cudaSetDevice(world_.local_gpu));
    PROBE_CHECK(ncclCommInitRank(made->comms.data(), ranks, id, world_.rank));
  } else {
    for (int gpu = 0; gpu < ranks; ++gpu) made->gpus.push_back(gpu);
    made->comms.resize(made->gpus.size());
    PROBE_CHECK(ncclCommInitAll(made->comms.data(), ranks, made->gpus.data()));
  }
  made->streams.resize(made->gpus.size());
  for (std::size_t i = 0; i < made->gpus.size(); ++i) {
    PROBE_CHECK(cudaSetDevice(made->gpus[i]));
    PROBE_CHECK(cudaStreamCreateWithFlags(&made->streams[i], cudaStreamNonBlocking));
  }
  groups_[ranks] = made.release();
  return *groups_[ranks];
}

// Host clock from the first call to the end of the last, as nccl-tests: launches overlap.
std::string Communicators::Run(const Step& step) {
  Group& group = ForRanks(step.ranks);
  const bool call_only = step.kind == "nccl_call";
  const std::string op = call_only ? "all_reduce" : step.op;
  const std::size_t bytes = call_only ? 8 : static_cast<std::size_t>(step.bytes);
  group.Reserve(bytes);
  double call_us = 0;
  const Summary summary = Measure([&](int calls) {
    group.Wait();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) group.Call(op, bytes);
    call_us = ElapsedUs(start) / calls;
    group.Wait();
    return MeanOverProcesses(world_, ElapsedUs(start));
  });
  char more[64];
  if (call_only)
    std::snprintf(more, sizeof more, ", \"call_us\": %.3f", call_us);
  else
    std::snprintf(more, sizeof more, ", \"algbw_GBps\": %.3f",
                  step.bytes / summary.median_us / 1e3);
  return summary.Fields() + more;
}

}  // namespace weft::probe
