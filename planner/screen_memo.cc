#include "planner/screen_memo.h"

#include <algorithm>

namespace weft {

ScreenMemo::ScreenMemo(const Question& question, const CableMarket& market)
    : question_(question), market_(market) {
  for (const OpticPart& one : market.optics) reaches_.push_back(one.reach);
  for (const CablePart& one : market.cables) reaches_.push_back(one.reach);
  std::sort(reaches_.begin(), reaches_.end());
}

const ScreenMemo::Chassis& ScreenMemo::ChassisOf(std::uint32_t accelerator, BitRate nic) {
  const auto [at, is_new] = chassis_.try_emplace({accelerator, nic.bits_per_second()});
  if (!is_new) return at->second;
  const HostPart& part = question_.accelerators[accelerator].part;
  const HostContents own = ContentsOf(part);
  HostContents fitted = own;
  fitted.nic = nic;
  AddHosts(question_.catalogue, part.part, "host", 1, own, fitted, part.power, at->second.bom);
  at->second.draws = SumBom(at->second.bom).power.mid;
  return at->second;
}

const std::optional<LinkKit>& ScreenMemo::KitOf(const LinkEnd& a, const LinkEnd& b, Metres length) {
  // A part reaches `length` or does not: of lengths between two reaches it is the same parts.
  const auto shorter = std::lower_bound(reaches_.begin(), reaches_.end(), length);
  std::array<double, 13> key{static_cast<double>(shorter - reaches_.begin())};
  std::size_t at = 0;
  for (const LinkEnd* end : {&a, &b})
    for (const double one :
         {static_cast<double>(end->cage.form), static_cast<double>(end->cage.lanes),
          end->cage.lane.bits_per_second(), static_cast<double>(end->cage.ports),
          end->cage.power ? end->cage.power->count() : -1, end->rate.bits_per_second()})
      key[++at] = one;
  const auto [kit, is_new] = kits_.try_emplace(key);
  if (is_new) kit->second = FindLinkKit(market_, a, b, length);
  return kit->second;
}

}  // namespace weft
