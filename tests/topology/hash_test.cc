#include "topology/hash.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string_view>

#include "base/random.h"

namespace weft {
namespace {

constexpr HashKind kByteHashes[] = {HashKind::kCrc16, HashKind::kCrc32, HashKind::kCrc32c,
                                    HashKind::kXor, HashKind::kToeplitz};

std::span<const std::uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The catalogue's check: the value over the nine digits [CRC-RevEng].
TEST(Crc, HasTheCataloguesCheckValues) {
  EXPECT_EQ(Crc16(BytesOf("123456789")), 0x29b1);
  EXPECT_EQ(Crc32(BytesOf("123456789")), 0xcbf43926u);
  EXPECT_EQ(Crc32c(BytesOf("123456789")), 0xe3069283u);
}

TEST(XorFold, AddsWordsAsByHand) {
  const std::array<std::uint8_t, 5> bytes{0x12, 0x34, 0x0f, 0xf0, 0x80};
  EXPECT_EQ(XorFold(bytes), 0x1234 ^ 0x0ff0 ^ 0x8000);
}

struct RssVector {
  std::array<std::uint8_t, 4> src, dst;
  std::uint16_t src_port, dst_port;
  std::uint32_t with_ports, addresses;
};

// [MS-RSS "Verifying the RSS Hash Calculation"], IPv4.
constexpr RssVector kRssVectors[] = {
    {{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766, 0x51ccc178, 0x323e8fc2},
    {{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739, 0xc626b0ea, 0xd718262a},
    {{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024, 0x5c2b394a, 0xd2d0a5de},
    {{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217, 0xafc7327f, 0x82989176},
    {{153, 39, 163, 191}, {202, 188, 127, 2}, 44251, 1303, 0x10e828a2, 0x5d1809c5}};

TEST(Toeplitz, HasMicrosoftsVerificationVectors) {
  for (const RssVector& v : kRssVectors) {
    std::vector<std::uint8_t> bytes(v.src.begin(), v.src.end());
    bytes.insert(bytes.end(), v.dst.begin(), v.dst.end());
    EXPECT_EQ(Toeplitz(bytes), v.addresses);
    for (const std::uint16_t port : {v.src_port, v.dst_port}) {
      bytes.push_back(static_cast<std::uint8_t>(port >> 8));
      bytes.push_back(static_cast<std::uint8_t>(port & 0xff));
    }
    EXPECT_EQ(Toeplitz(bytes), v.with_ports);
    const auto ip = [](const std::array<std::uint8_t, 4>& a) {
      return std::uint32_t{a[0]} << 24 | std::uint32_t{a[1]} << 16 | std::uint32_t{a[2]} << 8 |
             a[3];
    };
    EXPECT_EQ(
        HashTuple(HashKind::kToeplitz, {ip(v.src), ip(v.dst), v.src_port, v.dst_port}, false, 0),
        v.with_ports);
  }
}

// The key's bytes, in order: 10.0.0.1 -> 10.0.0.2, UDP 49152 -> 4791, QP 0x010203.
TEST(HashTuple, HashesTheBytesOfThePacket) {
  const FiveTuple tuple{0x0a000001, 0x0a000002, 49152};
  const std::array<std::uint8_t, 16> bytes{10,   0, 0,    1,    10, 0, 0, 2,
                                           0xc0, 0, 0x12, 0xb7, 17, 1, 2, 3};
  const auto without = std::span(bytes).first(13);
  EXPECT_EQ(HashTuple(HashKind::kCrc16, tuple, false, 0x010203), Crc16(without));
  EXPECT_EQ(HashTuple(HashKind::kCrc32, tuple, true, 0x010203), Crc32(bytes));
  EXPECT_EQ(HashTuple(HashKind::kCrc32c, tuple, false, 0x010203), Crc32c(without));
  EXPECT_EQ(HashTuple(HashKind::kXor, tuple, true, 0x010203), XorFold(bytes));
}

// h(a) ^ h(b) depends on a ^ b alone: what lets a host steer, and what polarises.
TEST(HashTuple, IsLinearButForAConstant) {
  Random random(3);
  for (const HashKind kind : kByteHashes)
    for (int i = 0; i < 100; ++i) {
      const FiveTuple a{random.Below(~0u), random.Below(~0u),
                        static_cast<std::uint16_t>(random.Below(65536))};
      FiveTuple b = a, c = a, d = a;
      const auto x = static_cast<std::uint16_t>(random.Below(65536));
      b.src_port ^= x;
      c.dst_ip ^= 0x1234;
      d.src_port ^= x;
      d.dst_ip ^= 0x1234;
      const auto h = [&](const FiveTuple& t) { return HashTuple(kind, t, true, 77); };
      EXPECT_EQ(h(a) ^ h(b), h(c) ^ h(d)) << "seed 3";
    }
}

TEST(ChooseByHash, RotatesWhatIsSeeded) {
  const std::uint64_t seed = std::uint64_t{4} << 32 | 0x00ff;               // offset 4
  EXPECT_EQ(ChooseByHash(HashKind::kCrc16, 0x1234, seed, 65536), 0xb12cu);  // 12cb, right by 4
  EXPECT_EQ(ChooseByHash(HashKind::kCrc32, 0x1234, seed, std::size_t{1} << 32), 0xb000012cu);
  EXPECT_EQ(ChooseByHash(HashKind::kCrc32, 0x1234, 0x00ff, 10), 0x12cbu % 10);  // offset 0
}

// All choices come up, about evenly: 8 of 64 in 8,192 flows within five deviations.
TEST(ChooseByHash, UsesEveryNextHop) {
  for (const HashKind kind : kByteHashes)
    for (const std::size_t count : {2u, 3u, 60u, 64u}) {
      std::vector<int> taken(count, 0);
      for (std::uint32_t port = 0; port < 16384; ++port) {
        const FiveTuple tuple{0x0a000001, 0x0a000002, static_cast<std::uint16_t>(49152 + port)};
        ++taken[ChooseByHash(kind, HashTuple(kind, tuple, false, 0), StreamSeed(5, {9}), count)];
      }
      const double mean = 16384.0 / static_cast<double>(count);
      for (const int n : taken) EXPECT_NEAR(n, mean, 5 * std::sqrt(mean)) << "seed 5";
    }
}

}  // namespace
}  // namespace weft
