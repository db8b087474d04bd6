// A short name for a text: equal texts have equal digests, whatever the machine.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

// FNV-1a, 64 bits, in hexadecimal [FNV]. Against mistakes, not against malice.
inline std::string Digest(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return fmt::format("{:016x}", hash);
}

}  // namespace weft
