// The field of q elements, for q a power of a prime: what Slim Fly's graphs are made of.
//
// An element is a number below q: the digits of a polynomial in base p, lowest first.
// Products go by powers of a primitive element xi, which is the root of a primitive
// polynomial found by trying them in order.
//
// Cost     O(q · n) for each polynomial tried.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace weft {

class GaloisField {
 public:
  // None where q is no power of a prime: then there is no such field.
  static std::optional<GaloisField> Make(std::uint32_t q);

  std::uint32_t size() const { return q_; }
  std::uint32_t Add(std::uint32_t a, std::uint32_t b) const;
  std::uint32_t Multiply(std::uint32_t a, std::uint32_t b) const;
  // xi to the power `exponent`; xi^0 … xi^(q-2) are all elements but 0.
  std::uint32_t Power(std::uint32_t exponent) const { return power_[exponent % (q_ - 1)]; }

 private:
  GaloisField(std::uint32_t p, std::uint32_t n, std::uint32_t q) : p_(p), n_(n), q_(q) {}
  // Fills the tables from x^n = -(the digits of `polynomial`); false where x is not primitive.
  bool TryPolynomial(std::uint32_t polynomial);

  std::uint32_t p_, n_, q_;
  std::vector<std::uint32_t> power_;  // [q-1]
  std::vector<std::uint32_t> log_;    // [q]; of 0 unused
};

}  // namespace weft
