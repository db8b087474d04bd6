// Reads a bill's rows: audit_read.cc its lines and keys, audit_parts.cc what its parts' names say.
// Included by these alone.
#pragma once

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/schema/quantity.h"
#include "base/schema/reader.h"
#include "planner/audit_internal.h"
#include "topology/formats/text_lines.h"

namespace weft {

inline std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// What a row says: by the names of the first row, else the first three cells.
struct BillColumns {
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t part = 0, quantity = 1, role = 2, use = kNone;  // use: as bom.csv of a plan has it
};

// What a point between digits does, by the numbers of a bill.
enum class Points : std::uint8_t { kUnsaid, kGroup, kDecimal };

class BillReader {
 public:
  explicit BillReader(const std::string& file) : file_(file), presets_(HardwarePresets()) {}

  Result<AuditBill> Read(std::string_view text);

 private:
  void Complain(ErrorCode code, int column, std::string message, std::string hint);
  void Unknown(const char* what, const CsvCell& part, const std::vector<std::string>& names,
               const char* generic);
  void ReadPoints(const std::vector<TextLine>& lines);
  void ReadLine(std::string_view line, int number);
  static CsvCell CellAt(const std::vector<CsvCell>& cells, std::size_t column);
  void ReadRow(const CsvCell& part, const CsvCell& quantity, const CsvCell& role,
               const std::vector<CsvCell>& cells);
  std::optional<std::int64_t> ReadQuantity(const CsvCell& quantity);
  void ReadKey(const std::string& key, const CsvCell& said);
  void ReadNeed(const CsvCell& value);
  void SetRatio(std::optional<Key<double>>& key, const CsvCell& value);
  template <class T>
  void SetNamed(std::optional<Key<T>>& key, const CsvCell& value, const char* what,
                const std::map<std::string, T>& names);
  void SetPower(std::optional<Key<Watts>>& key, const CsvCell& value);
  template <class T>
  void SetWhole(std::optional<Key<T>>& key, const CsvCell& value, std::int64_t most);
  std::string RoleOf(const std::string& part) const;
  void ReadPart(const std::string& role, const CsvCell& part, std::int64_t count);
  void ReadAccelerator(const CsvCell& part, std::int64_t count);
  HostPart ReadHostPreset(const Preset& preset) const;
  const Preset* HostOf(const std::string& gpu) const;
  std::string GpuName(const std::string& text) const;
  void ReadHost(const CsvCell& part, std::int64_t count, bool counts);
  bool ReadGenericHost(const std::string& text, HostRow& out);
  void ReadRack(const CsvCell& part, std::int64_t count);
  void ReadNic(const CsvCell& part, std::int64_t count);
  void ReadSwitch(const std::string& role, const CsvCell& part, std::int64_t count);
  static bool ReadGenericSwitch(const std::string& text, SwitchRow& out);
  void ReadPorts(const CsvCell& part, std::int64_t count, bool up);
  const Preset* FindOptic(const std::string& text) const;
  static bool IsTwin(const OpticRow& optic, bool eight_lanes);
  void ReadOptic(const CsvCell& part, std::int64_t count);
  void ReadCable(const std::string& role, const CsvCell& part, std::int64_t count);
  void ReadUseOfCable(CableRow& out) const;
  const Preset* FindPreset(std::string_view kind, const std::string& name) const {
    return presets_.Find(kind, name);
  }

  const std::string file_;
  const PresetTable presets_;
  AuditBill bill_;
  Errors errors_;
  std::map<std::string, int> key_lines_;
  BillColumns columns_;
  bool named_ = false;  // the columns were
  Points points_ = Points::kUnsaid;
  char separator_ = 0;  // of cells, as the first row has it; 0: not seen
  std::string use_;     // of the row that is read, in lower case
  int line_ = 0, rows_ = 0;
};

}  // namespace weft
