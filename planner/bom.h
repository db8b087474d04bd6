// The bill of materials: what to buy, how many, what it costs and draws, and who says so.
//
// Every dollar and every watt of a plan comes from a row here, and every row from a row of the
// catalogue (hardware/catalogue.h) or a figure of the file; the totals are the sums over the rows
// and nothing else. What has no figure is named in the totals, never counted as zero in silence.
//
//   hosts (NICs of their own, less those they come with, where these differ) + switches (by tier)
//   + optics, cables with plugs, fibre (of the cabling) + racks + spares, each a share of its row
//   rounded up
//
// A host's price and watts are with its accelerators and NICs. Where a fabric has other NICs, or
// a reader's file prices its NICs or accelerators anew, these are rows of their own, and those of
// weft's figures come off; a reader's price of the whole host holds as it is.
//
// Units    of one piece. A cable with plugs is priced by the lane: `unit_price` is already that
//          of the piece, lanes times the catalogue's.
// Errors   none: a part that the catalogue lacks is a row without a price.
// Cost     O(cages + cables) with a cabling, else O(hosts + switches).
// Repeats  same input, same rows in the same order: hosts, their NICs, switches tier by tier,
//          optics, cables, fibre, racks, spares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hardware/catalogue.h"
#include "topology/cabling.h"
#include "topology/fabric.h"

namespace weft {

// kNic, kAccelerator: what a host has in place of what it usually comes with.
enum class BomRole : std::uint8_t {
  kHost,
  kSwitch,
  kHostCable,
  kSwitchCable,
  kOptic,
  kRack,
  kNic,
  kAccelerator
};

struct BomRow {
  std::string part;  // a row of the catalogue; "(none)" where the file names no part
  PartKind kind = PartKind::kHost;
  BomRole role = BomRole::kHost;
  std::string use;            // "leaf", "spare", "leaf to spine, 400 Gb/s, split 2x": for people
  std::int64_t quantity = 0;  // below 0: what comes off a host's price and watts
  // Of cables the links that they carry, of optics the ends that they serve; `ports`: of one optic,
  // the most ends.
  std::int64_t links = 0;
  int ports = 0;
  bool spare = false;    // in store: it draws nothing
  bool counted = false;  // beside the fabric that is built: a network of its own, not cabled
  std::optional<Figure<Dollars>> unit_price;
  std::optional<Figure<Watts>> unit_power;  // none too where such a part draws nothing: fibre, rack
};

struct BomTotals {
  Range<Dollars> price;
  Range<Watts> power;
  std::vector<std::string> unpriced, unpowered;  // parts that have no figure: the sums lack them
  double unverified_share = 0;                   // of price.mid: what rests on unverified figures
  bool priced() const { return unpriced.empty(); }
  bool powered() const { return unpowered.empty(); }
};

struct Bom {
  std::vector<BomRow> rows;
};

struct BomOptions {
  double spares = 0;       // a share of every row but the hosts and racks, rounded up
  double spare_hosts = 0;  // likewise of the hosts
  // FindHost() of its `part`, where the caller has it: a preset need not be read once more.
  std::optional<HostPart> usual = {};
};

// Which rows a sum is over.
enum class BomScope : std::uint8_t { kAll, kNetwork, kHosts };  // network: no hosts, no racks

// The row of `part` in `catalogue`, with its figures; `power`: of a figure that the file gives.
BomRow MakeBomRow(const Catalogue& catalogue, PartKind kind, BomRole role, const std::string& part,
                  std::string use, std::int64_t quantity, std::optional<Watts> power = {});

// `hosts` of `part`, a row of the catalogue: the row of them, and those of what stands in them and
// is not what they come with. `power`: as of MakeBomRow.
void AddHosts(const Catalogue& catalogue, const std::string& part, std::string use,
              std::int64_t hosts, const HostContents& own, const HostContents& fitted,
              std::optional<Watts> power, Bom& bom);

// Of what is populated. `plan` null: hosts and switches alone.
Bom MakeBom(const Fabric& fabric, const CablingParts& parts, const CablingPlan* plan,
            const Catalogue& catalogue, const BomOptions& options = {});

BomTotals SumBom(const Bom& bom, BomScope scope = BomScope::kAll);

// What a bill says beside its parts: a row of a key that `weft audit` knows and its value.
struct BomKey {
  std::string key;
  double value = 0;
};

// part,kind,role,use,quantity,usd_low,usd_mid,usd_high,usd_source,usd_date,usd_mark,w_low,w_mid,
// w_high,w_source,w_mark; RFC 4180. Of `keys` the part is the key, the kind `key` and the quantity
// its value.
std::string BomCsv(const Bom& bom, const std::vector<BomKey>& keys = {});

}  // namespace weft
