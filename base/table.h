// A vector for tables of many small rows that are read in no order.
//
// Its first row begins a cache line, so that rows whose size divides 64 bytes never lie on two; and
// where it is large it lies on large pages: a simulation of thousands of hosts reads dozens of rows
// a flow, each on a page of its own, and with pages of 4 KiB waits for where the page lies as well.
// Where the system has no large pages to give, it lies on small ones.
//
// Cost     what is left after whole pages of 2 MiB lies on small ones: nothing is wasted, but of
//          room that is reserved and not used.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <vector>

namespace weft {

template <typename T>
class TableAllocator {
 public:
  using value_type = T;

  TableAllocator() = default;
  template <typename Other>
  explicit TableAllocator(const TableAllocator<Other>&) {}

  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes < kLargePage) return static_cast<T*>(::operator new(bytes, kLine));
    void* const memory = ::operator new (bytes, std::align_val_t{kLargePage});
    madvise(memory, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);  // refused: as it was
    return static_cast<T*>(memory);
  }

  void deallocate(T* rows, std::size_t count) {
    const bool small = count * sizeof(T) < kLargePage;
    ::operator delete (rows, small ? kLine : std::align_val_t{kLargePage});
  }

  bool operator==(const TableAllocator&) const = default;

 private:
  static constexpr std::align_val_t kLine{64};
  static_assert(alignof(T) <= 64);
  static constexpr std::size_t kLargePage = std::size_t{1} << 21;
};

template <typename T>
using Table = std::vector<T, TableAllocator<T>>;

}  // namespace weft
