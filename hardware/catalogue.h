// The catalogue: what parts cost, draw and how often they fail, as ranges with their sources.
//
// Weft's own rows are hardware/presets/catalogue/*.yaml; a reader's files of the same form are
// laid over them, figure by figure, and what they replaced is listed. No figure is a truth: a
// price is low, middle and high, from a source of a date, with a mark that says how sure it is.
// A figure without a source is `unverified`: its range is widened to at least a third below and
// half above the middle (kUnverifiedLow, kUnverifiedHigh; an assumption), and reports count it.
//
// Units    Dollars and Watts of one part; failures a part and year (365 d), as a plain number.
//          The price of a cable with plugs is one lane's.
// Errors   ReadCatalogue: what the schema refuses; low > mid or mid > high; a part twice in one
//          file; a part that the catalogue does not have and that says no kind.
//          NeedRow, NeedGpu: no such part, with the nearest names.
// Cost     ReadCatalogue parses some 15 KB of YAML: milliseconds. Read it once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/source_text.h"
#include "base/units.h"
#include "hardware/parts.h"

namespace weft {

// Three values of one quantity. Sums and multiples are of each: that of a sum is as wide as if
// all its parts were high at once, which a bill of unlike parts is not; a sampler draws each.
template <class Quantity>
struct Range {
  Quantity low{}, mid{}, high{};

  bool operator==(const Range&) const = default;
  friend Range operator+(const Range& a, const Range& b) {
    return {a.low + b.low, a.mid + b.mid, a.high + b.high};
  }
  friend Range operator*(const Range& a, double k) { return {a.low * k, a.mid * k, a.high * k}; }
};

enum class Mark : std::uint8_t { kRead, kSecondary, kFigure, kDerived, kUnverified, kQuote };
std::string_view NameOf(Mark mark);  // "read", "unverified"

template <class Quantity>
struct Figure {
  Range<Quantity> range;
  std::string source;  // never empty but of what is unverified
  std::string date;    // "2024-08"; may be empty
  Mark mark = Mark::kUnverified;
  bool given = false;  // by a reader's file

  bool verified() const { return mark != Mark::kUnverified; }
};

inline constexpr double kUnverifiedLow = 2.0 / 3, kUnverifiedHigh = 1.5;

enum class PartKind : std::uint8_t {
  kAccelerator,
  kHost,
  kNic,
  kSwitch,
  kOptic,
  kCable,
  kFibre,
  kRack
};
std::string_view NameOf(PartKind kind);  // "switch"

struct CatalogueRow {
  std::string part;
  PartKind kind = PartKind::kSwitch;
  std::optional<Figure<Dollars>> price;
  std::optional<Figure<Watts>> power;
  std::optional<Figure<double>> failures;  // a year
  // Weft's own, where a reader's file replaced it.
  std::optional<Figure<Dollars>> own_price;
  std::optional<Figure<Watts>> own_power;
};

// A figure of weft's own that a reader's file replaced, in words for a report.
struct Override {
  std::string part, what;  // "qm9700", "price"
  std::string was, now;    // "36,000 USD"; was: "none"
  SourcePos pos;
};

struct Catalogue {
  std::vector<CatalogueRow> rows;  // sorted by part
  std::vector<NicPart> nics;       // whose rates are known
  std::vector<Override> overrides;

  // Null where there is no such part.
  const CatalogueRow* Find(std::string_view part) const;
  std::vector<std::string> Parts(PartKind kind) const;  // sorted
  // The NIC with the least rate that is enough, of several the cheapest by weft's own
  // price; null: none is.
  const CatalogueRow* NicOf(BitRate rate) const;
};

// Weft's rows with `files` laid over them, a later file over an earlier one. `texts` as of
// ReadFile; may be null.
Result<Catalogue> ReadCatalogue(const std::vector<std::string>& files, SourceTexts* texts);
// The same of one text, for tests and inline YAML.
Result<Catalogue> ParseCatalogue(std::string_view text, const std::string& file_name,
                                 SourceTexts* texts);

// The row of `part`; an error at `pos` with the nearest names of that kind.
Result<CatalogueRow> NeedRow(const Catalogue& catalogue, PartKind kind, std::string_view part,
                             const SourcePos& pos);

}  // namespace weft
