#include "topology/hash.h"

#include <array>
#include <bit>
#include <boost/crc.hpp>

#include "base/check.h"
#include "base/random.h"

namespace weft {
namespace {

// [MS-RSS "Verifying the RSS Hash Calculation"]
constexpr std::array<std::uint8_t, 40> kRssKey = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

// What each byte adds to the hash, by its place: for every set bit of the input, the 32 bits of
// the key from that bit on.
using ToeplitzTable = std::array<std::array<std::uint32_t, 256>, kRssKey.size() - 4>;
constexpr ToeplitzTable MakeToeplitz() {
  ToeplitzTable table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    std::uint64_t window = 0;  // the key's 40 bits from byte i on
    for (std::size_t k = 0; k < 5; ++k)
      window = window << 8 | (i + k < kRssKey.size() ? kRssKey[i + k] : 0u);
    for (std::size_t byte = 1; byte < 256; ++byte) {
      const std::size_t rest = byte & (byte - 1);
      const auto low = static_cast<unsigned>(std::countr_zero(byte));  // bit 7 - low from the top
      table[i][byte] = table[i][rest] ^ static_cast<std::uint32_t>(window >> (low + 1));
    }
  }
  return table;
}
constexpr ToeplitzTable kToeplitz = MakeToeplitz();

template <typename Crc>
auto Checksum(std::span<const std::uint8_t> bytes) {
  Crc crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

class Key {
 public:
  void Add(std::uint32_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
      bytes_[size_++] = static_cast<std::uint8_t>(value >> shift);
  }
  std::span<const std::uint8_t> bytes() const { return std::span(bytes_).first(size_); }

 private:
  std::array<std::uint8_t, 16> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace

std::uint16_t Crc16(std::span<const std::uint8_t> bytes) {
  return Checksum<boost::crc_optimal<16, 0x1021, 0xffff, 0, false, false>>(bytes);
}

std::uint32_t Crc32(std::span<const std::uint8_t> bytes) {
  return static_cast<std::uint32_t>(Checksum<boost::crc_32_type>(bytes));
}

std::uint32_t Crc32c(std::span<const std::uint8_t> bytes) {
  using Castagnoli = boost::crc_optimal<32, 0x1edc6f41, 0xffffffff, 0xffffffff, true, true>;
  return static_cast<std::uint32_t>(Checksum<Castagnoli>(bytes));
}

std::uint16_t XorFold(std::span<const std::uint8_t> bytes) {
  std::uint32_t fold = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    fold ^= i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  return static_cast<std::uint16_t>(fold);
}

std::uint32_t Toeplitz(std::span<const std::uint8_t> bytes) {
  WEFT_CHECK(bytes.size() <= kToeplitz.size());
  std::uint32_t hash = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) hash ^= kToeplitz[i][bytes[i]];
  return hash;
}

std::uint32_t HashTuple(HashKind kind, const FiveTuple& tuple, bool with_qp, std::uint32_t qp) {
  Key key;
  key.Add(tuple.src_ip, 4);
  key.Add(tuple.dst_ip, 4);
  key.Add(tuple.src_port, 2);
  key.Add(tuple.dst_port, 2);
  if (kind != HashKind::kToeplitz) key.Add(tuple.protocol, 1);
  if (with_qp) key.Add(qp, 3);
  switch (kind) {
    case HashKind::kCrc16:
      return Crc16(key.bytes());
    case HashKind::kCrc32:
      return Crc32(key.bytes());
    case HashKind::kCrc32c:
      return Crc32c(key.bytes());
    case HashKind::kXor:
      return XorFold(key.bytes());
    case HashKind::kToeplitz:
      return Toeplitz(key.bytes());
    case HashKind::kMix:
      break;
  }
  WEFT_CHECK(false);
  return 0;
}

std::size_t ChooseByHash(HashKind kind, std::uint64_t hash, std::uint64_t switch_seed,
                         std::size_t count) {
  if (kind == HashKind::kMix) return static_cast<std::size_t>(Mix64(hash ^ switch_seed) % count);
  const bool narrow = kind == HashKind::kCrc16 || kind == HashKind::kXor;
  const unsigned width = narrow ? 16 : 32;
  const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
  const std::uint64_t seeded = (hash ^ switch_seed) & mask;
  const auto offset = static_cast<unsigned>((switch_seed >> 32) & (width - 1));
  const std::uint64_t rotated = (seeded >> offset | seeded << (width - offset)) & mask;
  if (count > mask) return static_cast<std::size_t>(rotated);
  // 32 bits: a division of 64 takes twice as long.
  return static_cast<std::uint32_t>(rotated) % static_cast<std::uint32_t>(count);
}

}  // namespace weft
