// Built once as it is, which must succeed, and once with each WEFT_MISTAKE, which must not.
#include "base/units.h"

namespace weft {

bool Use() {
  const Bytes size = MiB(8);
  const BitRate rate = GigabitsPerSecond(400);
#if WEFT_MISTAKE == 1
  const auto sum = size + rate;  // a size and a rate
#elif WEFT_MISTAKE == 2
  const Bytes bare = 64;  // a bare number
#elif WEFT_MISTAKE == 3
  const std::int64_t number = size;  // out without naming the unit
#elif WEFT_MISTAKE == 4
  const auto time = TransferTime(rate, size);  // in the wrong order
#elif WEFT_MISTAKE == 5
  const SimDuration lossy = std::chrono::duration<double>(1.5);  // would round
#elif WEFT_MISTAKE == 6
  const auto product = size * rate;  // no such quantity
#elif WEFT_MISTAKE == 7
  const Watts power = Dollars(3);  // both are doubles
#endif
  return TransferTime(size, rate) > SimDuration(0);
}

}  // namespace weft
