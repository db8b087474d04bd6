// A vector whose first row begins a cache line of 64 bytes, so that rows whose size divides a line,
// or chunks of them, never lie on two.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace weft {

template <typename T>
class LineAllocator {
 public:
  using value_type = T;

  LineAllocator() = default;
  template <typename Other>
  explicit LineAllocator(const LineAllocator<Other>&) {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kLine));
  }
  void deallocate(T* rows, std::size_t count) {
    ::operator delete(rows, count * sizeof(T), kLine);
  }

  bool operator==(const LineAllocator&) const = default;

 private:
  static constexpr std::align_val_t kLine{64};
};

template <typename T>
using AlignedVector = std::vector<T, LineAllocator<T>>;

}  // namespace weft
