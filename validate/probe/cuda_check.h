// Errors of CUDA and NCCL as exceptions of the probe: caught a step, written into the record.
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include <string>

#include "validate/probe/device.h"

namespace weft::probe {

inline void Check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();  // or the next call reports it again
  throw Cannot(std::string(what) + ": " + cudaGetErrorString(error));
}
inline void Check(ncclResult_t result, const char* what) {
  if (result == ncclSuccess) return;
  const char* const more = ncclGetLastError(nullptr);
  throw Cannot(std::string(what) + ": " + ncclGetErrorString(result) +
               (more && *more ? std::string(" (") + more + ")" : ""));
}
#define PROBE_CHECK(call) ::weft::probe::Check((call), #call)

// Memory of the current GPU, given back at the end.
class DeviceMemory {
 public:
  explicit DeviceMemory(std::size_t bytes) {
    Check(cudaMalloc(&data_, bytes), "cudaMalloc");
    Check(cudaMemset(data_, 0, bytes), "cudaMemset");
  }
  ~DeviceMemory() { (void)cudaFree(data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* get() const { return data_; }

 private:
  void* data_ = nullptr;
};

class Stream {
 public:
  Stream() {
    Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  }
  ~Stream() { (void)cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace weft::probe
