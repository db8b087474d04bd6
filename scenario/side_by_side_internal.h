// Many independent pieces of work on a few threads, with progress.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace weft {

// Calls work(i) for every i below `count`, in order of i as threads come free, and
// `progress`, if any, with the share that is done, from one thread at a time.
template <typename Work>
void SideBySide(std::size_t count, int threads, const std::function<void(double)>& progress,
                Work work) {
  const auto end = static_cast<std::int64_t>(count);
  const int used =
      static_cast<int>(std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(end, 1)));
  std::size_t done = 0;
#pragma omp parallel for schedule(dynamic, 1) num_threads(used)
  for (std::int64_t i = 0; i < end; ++i) {
    work(static_cast<std::size_t>(i));
#pragma omp critical
    {
      ++done;
      if (progress) progress(static_cast<double>(done) / static_cast<double>(count));
    }
  }
}

}  // namespace weft
