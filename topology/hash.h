// The hashes by which switches choose among next hops.
//
// The key is a RoCEv2 packet's 5-tuple in network byte order, 13 bytes: source
// and destination address, source port, destination port, protocol; with
// extended ECMP the destination QP's 3 bytes after it.
//
//   crc16     CRC-16/IBM-3740 ("CCITT"): x^16+x^12+x^5+1, 0x1021, preset 0xffff, not reflected
//   crc32     CRC-32/ISO-HDLC (Ethernet): 0x04c11db7, preset and final XOR 0xffffffff, reflected
//   crc32c    CRC-32/ISCSI (Castagnoli): 0x1edc6f41, the same
//             each as [CRC-RevEng] names and checks it, by Boost.CRC
//   xor       the XOR of the key's 16-bit words, the last padded with zeros
//   toeplitz  receive side scaling's, with Microsoft's key, over addresses and ports
//             (and QP) without the protocol [MS-RSS]
//   mix       SplitMix64's mixer, no linear function: what a designer would wish for
//
// A switch has a seed and an offset: it XORs the hash with the seed and rotates
// it right by the offset [SAI inc/saiswitch.h ECMP_DEFAULT_HASH_OFFSET], then
// takes it mod the number of next hops. For a CRC and keys of one length a seed
// that presets the register is the same as one that is XORed to the result.
// But for `mix`, all are linear over XOR, so that two switches whose offsets agree
// choose alike whatever their seeds where the next hops are a power of two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weft {

enum class HashKind : std::uint8_t { kMix, kCrc16, kCrc32, kCrc32c, kXor, kToeplitz };

inline constexpr std::uint16_t kRocePort = 4791;  // [IBTA-RoCEv2]
inline constexpr std::uint8_t kUdp = 17;

struct FiveTuple {
  std::uint32_t src_ip = 0, dst_ip = 0;
  std::uint16_t src_port = 0, dst_port = kRocePort;
  std::uint8_t protocol = kUdp;
};

std::uint16_t Crc16(std::span<const std::uint8_t> bytes);
std::uint32_t Crc32(std::span<const std::uint8_t> bytes);
std::uint32_t Crc32c(std::span<const std::uint8_t> bytes);
std::uint16_t XorFold(std::span<const std::uint8_t> bytes);
// Requires: at most 36 bytes, what the key of 40 is long enough for.
std::uint32_t Toeplitz(std::span<const std::uint8_t> bytes);

// Of the tuple; with the destination QP (24 bits) where `with_qp`.
// Requires: kind is not kMix, which hashes ids, not bytes.
std::uint32_t HashTuple(HashKind kind, const FiveTuple& tuple, bool with_qp, std::uint32_t qp);

// The choice of the switch whose seed and offset follow from `switch_seed`, of `count`.
std::size_t ChooseByHash(HashKind kind, std::uint64_t hash, std::uint64_t switch_seed,
                         std::size_t count);

}  // namespace weft
