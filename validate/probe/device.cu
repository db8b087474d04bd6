#include <cuda_runtime.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>

#if __has_include(<cublas_v2.h>)
#include <cublas_v2.h>
#define WEFT_PROBE_HAS_CUBLAS 1
#endif

#include "validate/probe/cuda_check.h"

namespace weft::probe {
namespace {

__global__ void Nothing() {}

// What a product of training has: with zeros in place of numbers a GPU draws less power and clocks
// higher: an H100's large products come out a fifth to a third too fast in a burst. Uniform in [-1,
// 1) by a hash of the place; the sign, the exponent and the mantissa's upper half are those of
// bfloat16, half or float alike.
template <typename Word>
__global__ void FillUniform(Word* words, std::size_t count, int mantissa, int bias) {
  const std::size_t stride = std::size_t{blockDim.x} * gridDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) {
    std::uint64_t h = (i + 1) * 0x9e3779b97f4a7c15ull;  // splitmix64
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
    h ^= h >> 31;
    // |x| in [2^-e, 2^(1-e)) with probability 2^-e: as uniform numbers have their exponents.
    const int e = 1 + min(__clzll(static_cast<long long>(h | 1)), 12);
    const std::uint64_t bits = h * 0xd6e8feb86659fd93ull;
    const Word fraction = static_cast<Word>(bits >> 40) & ((Word{1} << mantissa) - 1);
    const Word sign = static_cast<Word>(static_cast<Word>(bits & 1) << (8 * sizeof(Word) - 1));
    words[i] = static_cast<Word>(sign | (static_cast<Word>(bias - e) << mantissa) | fraction);
  }
}

std::string Version(int code) {
  return std::to_string(code / 1000) + "." + std::to_string(code % 1000 / 10);
}

double ElapsedUs(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - since)
      .count();
}

// Microseconds between two events on `stream` around `run`.
double TimeOn(cudaStream_t stream, const std::function<void()>& run) {
  cudaEvent_t start = nullptr, stop = nullptr;
  PROBE_CHECK(cudaEventCreate(&start));
  PROBE_CHECK(cudaEventCreate(&stop));
  PROBE_CHECK(cudaEventRecord(start, stream));
  run();
  PROBE_CHECK(cudaEventRecord(stop, stream));
  PROBE_CHECK(cudaEventSynchronize(stop));
  float ms = 0;
  PROBE_CHECK(cudaEventElapsedTime(&ms, start, stop));
  PROBE_CHECK(cudaEventDestroy(start));
  PROBE_CHECK(cudaEventDestroy(stop));
  return 1e3 * ms;
}

// median_us: from a launch to its end seen by the host, one at a time; queued_us: each of many
// launched back to back; call_us: what the call itself holds the CPU.
std::string RunLaunch() {
  Stream stream;
  const Summary alone = Measure([&](int calls) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) {
      Nothing<<<1, 1, 0, stream.get()>>>();
      PROBE_CHECK(cudaStreamSynchronize(stream.get()));
    }
    return ElapsedUs(start);
  });
  const Summary queued = Measure([&](int calls) {
    return TimeOn(stream.get(), [&] {
      for (int i = 0; i < calls; ++i) Nothing<<<1, 1, 0, stream.get()>>>();
    });
  });
  const Summary call = Measure(
      [&](int calls) {
        PROBE_CHECK(cudaStreamSynchronize(stream.get()));
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < calls; ++i) Nothing<<<1, 1, 0, stream.get()>>>();
        return ElapsedUs(start);
      },
      {200, 5, 25, 0.01, 2e6, 100});  // short enough that the launch queue never fills
  PROBE_CHECK(cudaStreamSynchronize(stream.get()));
  char more[96];
  std::snprintf(more, sizeof more, ", \"queued_us\": %.3f, \"call_us\": %.3f", queued.median_us,
                call.median_us);
  return alone.Fields() + more;
}

// What the driver says of the GPU at work, by NVML, found when it runs; empty where it is not.
std::string AtWork() {
  static void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
  if (!library) return {};
  using Device = void*;  // nvmlDevice_t
  const auto find = [&](const char* name) { return dlsym(library, name); };
  const auto init = reinterpret_cast<int (*)()>(find("nvmlInit_v2"));
  const auto by_bus =
      reinterpret_cast<int (*)(const char*, Device*)>(find("nvmlDeviceGetHandleByPciBusId_v2"));
  const auto clock =
      reinterpret_cast<int (*)(Device, int, unsigned*)>(find("nvmlDeviceGetClockInfo"));
  const auto power = reinterpret_cast<int (*)(Device, unsigned*)>(find("nvmlDeviceGetPowerUsage"));
  char bus[32] = {};
  int at = 0;
  static const bool ready = init && init() == 0;
  if (!ready || !by_bus || !clock || !power || cudaGetDevice(&at) != cudaSuccess ||
      cudaDeviceGetPCIBusId(bus, sizeof bus, at) != cudaSuccess)
    return {};
  constexpr int kSmClock = 1;  // NVML_CLOCK_SM
  Device device = nullptr;
  unsigned mhz = 0, milliwatts = 0;
  if (by_bus(bus, &device) != 0 || clock(device, kSmClock, &mhz) != 0 ||
      power(device, &milliwatts) != 0)
    return {};
  char text[64];
  std::snprintf(text, sizeof text, ", \"sm_MHz\": %u, \"power_W\": %.0f", mhz, milliwatts / 1e3);
  return text;
}

#ifdef WEFT_PROBE_HAS_CUBLAS
// cuBLAS, found when it runs: nothing need be linked.
struct Blas {
  decltype(&cublasCreate_v2) create;
  decltype(&cublasSetStream_v2) set_stream;
  // cublasGemmEx itself is overloaded in the header.
  cublasStatus_t (*gemm)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,
                         const void*, const void*, cudaDataType_t, int, const void*, cudaDataType_t,
                         int, const void*, void*, cudaDataType_t, int, cublasComputeType_t,
                         cublasGemmAlgo_t);
  cublasHandle_t handle = nullptr;

  static const Blas& Get() {
    static const Blas blas = [] {
      void* library = nullptr;
      for (const int major : {CUBLAS_VER_MAJOR, CUBLAS_VER_MAJOR - 1})
        if (!library) library = dlopen(("libcublas.so." + std::to_string(major)).c_str(), RTLD_NOW);
      if (!library) library = dlopen("libcublas.so", RTLD_NOW);
      if (!library) throw Cannot("GEMM is skipped: no libcublas here");
      Blas out;
      out.create = reinterpret_cast<decltype(out.create)>(dlsym(library, "cublasCreate_v2"));
      out.set_stream =
          reinterpret_cast<decltype(out.set_stream)>(dlsym(library, "cublasSetStream_v2"));
      out.gemm = reinterpret_cast<decltype(out.gemm)>(dlsym(library, "cublasGemmEx"));
      if (!out.create || !out.set_stream || !out.gemm)
        throw Cannot("GEMM is skipped: this libcublas lacks cublasGemmEx");
      if (out.create(&out.handle) != CUBLAS_STATUS_SUCCESS)
        throw Cannot("GEMM is skipped: cublasCreate failed");
      return out;
    }();
    return blas;
  }
};

std::string RunGemm(const Step& step) {
  const Blas& blas = Blas::Get();
  const bool wide = step.type == "tf32";
  const cudaDataType_t type = wide ? CUDA_R_32F : step.type == "half" ? CUDA_R_16F : CUDA_R_16BF;
  const cublasComputeType_t compute = wide ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const std::size_t each = wide ? 4 : 2;
  const auto m = static_cast<std::size_t>(step.m), n = static_cast<std::size_t>(step.n),
             k = static_cast<std::size_t>(step.k);
  DeviceMemory a(m * k * each), b(k * n * each), c(m * n * each);
  Stream stream;
  const auto fill = [&](void* at, std::size_t count) {
    if (wide)
      FillUniform<<<1024, 256, 0, stream.get()>>>(static_cast<std::uint32_t*>(at), count, 23, 127);
    else if (step.type == "half")
      FillUniform<<<1024, 256, 0, stream.get()>>>(static_cast<std::uint16_t*>(at), count, 10, 15);
    else
      FillUniform<<<1024, 256, 0, stream.get()>>>(static_cast<std::uint16_t*>(at), count, 7, 127);
    PROBE_CHECK(cudaGetLastError());
  };
  fill(a.get(), m * k);
  fill(b.get(), k * n);
  const float one = 1, zero = 0;
  if (blas.set_stream(blas.handle, stream.get()) != CUBLAS_STATUS_SUCCESS)
    throw Cannot("cublasSetStream failed");
  constexpr double kHeavy = 1e10;  // operations of a product that can bring a GPU to its limit
  Effort effort;
  if (2.0 * step.m * step.n * step.k >= kHeavy) effort.warm_us = 1e6;
  const auto queue = [&](int calls) {
    for (int i = 0; i < calls; ++i)
      if (blas.gemm(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, step.m, step.n, step.k, &one, a.get(),
                    type, step.m, b.get(), type, step.k, &zero, c.get(), type, step.m, compute,
                    CUBLAS_GEMM_DEFAULT) != CUBLAS_STATUS_SUCCESS)
        throw Cannot("cublasGemmEx does not do this type or shape");
  };
  const Summary summary =
      Measure([&](int calls) { return TimeOn(stream.get(), [&] { queue(calls); }); }, effort);
  std::string at_work;
  if (effort.warm_us > 0) {  // read half way through a queue of its own: a reading takes its time
    (void)AtWork();          // the first reading starts NVML
    queue(1 + static_cast<int>(2e5 / summary.median_us));
    // A driver holds some 1,024 launches, and the call waits until it can hold the rest.
    std::this_thread::sleep_for(
        std::chrono::microseconds(static_cast<long long>(std::min(1e5, 400 * summary.median_us))));
    at_work = AtWork();
    PROBE_CHECK(cudaStreamSynchronize(stream.get()));
  }
  char more[64];
  std::snprintf(more, sizeof more, ", \"tflops\": %.3f",
                2.0 * step.m * step.n * step.k / summary.median_us / 1e6);
  return summary.Fields() + more + at_work;
}
#else
std::string RunGemm(const Step&) { throw Cannot("GEMM is skipped: built without cublas_v2.h"); }
#endif

// Bytes copied a second: memory moves twice that in a copy inside a GPU.
std::string RunCopy(const Step& step) {
  const auto bytes = static_cast<std::size_t>(step.bytes);
  if (step.op == "peer") {
    int can = 0;
    PROBE_CHECK(cudaDeviceCanAccessPeer(&can, step.from, step.to));
    if (!can)
      throw Cannot("GPU " + std::to_string(step.from) + " cannot reach the memory of GPU " +
                   std::to_string(step.to));
  }
  PROBE_CHECK(cudaSetDevice(step.to));
  std::unique_ptr<DeviceMemory> to(new DeviceMemory(bytes));
  PROBE_CHECK(cudaSetDevice(step.from));
  if (step.op == "peer") {
    const cudaError_t enabled = cudaDeviceEnablePeerAccess(step.to, 0);
    if (enabled != cudaErrorPeerAccessAlreadyEnabled) PROBE_CHECK(enabled);
    (void)cudaGetLastError();
  }
  std::unique_ptr<DeviceMemory> from(new DeviceMemory(bytes));
  void* host = nullptr;
  PROBE_CHECK(cudaHostAlloc(&host, bytes, cudaHostAllocDefault));
  const std::unique_ptr<void, cudaError_t (*)(void*)> pinned(host, cudaFreeHost);
  void* const target = step.op == "device_to_host" ? host : to->get();
  const void* const source = step.op == "host_to_device" ? host : from->get();
  Stream stream;
  const Summary summary = Measure([&](int calls) {
    return TimeOn(stream.get(), [&] {
      for (int i = 0; i < calls; ++i)
        PROBE_CHECK(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDefault, stream.get()));
    });
  });
  char more[64];
  std::snprintf(more, sizeof more, ", \"GBps\": %.3f", step.bytes / summary.median_us / 1e3);
  return summary.Fields() + more;
}

}  // namespace

DeviceFacts ReadDeviceFacts() {
  DeviceFacts out;
  int code = 0;
  if (ncclGetVersion(&code) == ncclSuccess)
    out.nccl = std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." +
               std::to_string(code % 100);
  if (cudaRuntimeGetVersion(&code) == cudaSuccess) out.runtime = Version(code);
  if (cudaDriverGetVersion(&code) == cudaSuccess && code > 0) out.driver = Version(code);
  const cudaError_t counted = cudaGetDeviceCount(&out.gpus);
  if (counted != cudaSuccess || out.gpus == 0) {
    out.gpus = 0;
    out.why = counted == cudaSuccess ? "CUDA counts no GPU" : cudaGetErrorString(counted);
    return out;
  }
  cudaDeviceProp properties{};
  PROBE_CHECK(cudaGetDeviceProperties(&properties, 0));
  out.gpu = properties.name;
  out.compute_capability =
      std::to_string(properties.major) + "." + std::to_string(properties.minor);
  out.memory_bytes = static_cast<long long>(properties.totalGlobalMem);
  return out;
}

std::string RunDeviceStep(const Step& step) {
  PROBE_CHECK(cudaSetDevice(step.from));
  if (step.kind == "launch") return RunLaunch();
  if (step.kind == "gemm") return RunGemm(step);
  return RunCopy(step);
}

}  // namespace weft::probe
