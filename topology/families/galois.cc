#include "topology/families/galois.h"

namespace weft {

std::optional<GaloisField> GaloisField::Make(std::uint32_t q) {
  if (q < 2) return std::nullopt;
  std::uint32_t p = 2, n = 0;
  while (p * p <= q && q % p != 0) ++p;
  if (q % p != 0) p = q;
  std::uint32_t rest = q;
  for (; rest % p == 0; rest /= p) ++n;
  if (rest != 1) return std::nullopt;
  GaloisField field(p, n, q);
  // A primitive polynomial of every degree exists over every prime field.
  for (std::uint32_t polynomial = 1; polynomial < q; ++polynomial)
    if (field.TryPolynomial(polynomial)) return field;
  return std::nullopt;
}

std::uint32_t GaloisField::Add(std::uint32_t a, std::uint32_t b) const {
  std::uint32_t out = 0;
  for (std::uint32_t place = 1; place < q_; place *= p_)
    out += (a / place % p_ + b / place % p_) % p_ * place;
  return out;
}

std::uint32_t GaloisField::Multiply(std::uint32_t a, std::uint32_t b) const {
  return a == 0 || b == 0 ? 0 : Power(log_[a] + log_[b]);
}

bool GaloisField::TryPolynomial(std::uint32_t polynomial) {
  power_.clear();
  log_.assign(q_, 0);
  std::uint32_t at = 1;
  for (std::uint32_t e = 0; e + 1 < q_; ++e) {
    if (e > 0 && at == 1) return false;  // x has a smaller order
    power_.push_back(at);
    log_[at] = e;
    // Times x: shift the digits; the highest becomes that many times x^n.
    const std::uint32_t high = at / (q_ / p_);
    at = at % (q_ / p_) * p_;
    for (std::uint32_t place = 1; place < q_; place *= p_) {
      const std::uint32_t digit =
          (at / place % p_ + high * ((p_ - polynomial / place % p_) % p_)) % p_;
      at += digit * place - at / place % p_ * place;
    }
    if (at == 0) return false;
  }
  return at == 1;
}

}  // namespace weft
