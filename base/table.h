// A vector whose memory, where it is large, lies on large pages.
//
// A simulation of thousands of hosts reads dozens of rows a flow, each on a page of its own, and
// with pages of 4 KiB waits for where the page lies as well. Where the system has no large pages to
// give, it is a vector.
//
// Cost     what is left after whole pages of 2 MiB lies on small ones: nothing is wasted, but of
//          room that is reserved and not used.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace weft {

template <typename T>
class LargePages {
 public:
  using value_type = T;

  LargePages() = default;
  template <typename Other>
  explicit LargePages(const LargePages<Other>&) {}

  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes < kPage) return std::allocator<T>().allocate(count);
    void* const memory = std::aligned_alloc(kPage, bytes);
    if (memory == nullptr) throw std::bad_alloc();          // as every vector does
    madvise(memory, bytes / kPage * kPage, MADV_HUGEPAGE);  // refused, it is as it was
    return static_cast<T*>(memory);
  }

  void deallocate(T* memory, std::size_t count) {
    if (count * sizeof(T) < kPage) return std::allocator<T>().deallocate(memory, count);
    std::free(memory);
  }

  bool operator==(const LargePages&) const = default;

 private:
  static constexpr std::size_t kPage = std::size_t{1} << 21;
};

template <typename T>
using Table = std::vector<T, LargePages<T>>;

}  // namespace weft
