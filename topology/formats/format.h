// The file formats that weft reads fabrics from and writes them to.
//
// To add one: a file here with its Read… or Write… function, its declaration below, one line
// in the table of format.cc.
//
// Errors   of readers: what is wrong in the file, at file:line:col, all that are independent;
//          nothing is guessed: what a file does not say is weft's default and in the notes,
//          or an error that names the option that says it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "topology/formats/wiring.h"

namespace weft {

struct FormatInput {
  std::string_view text;
  std::string file;            // what errors call it
  std::optional<BitRate> nic;  // of NICs whose rate the file does not say
};

struct FabricFormat {
  std::string_view name, doc;
  Result<Wiring> (*read)(const FormatInput& input);  // null: cannot be read
  std::string (*write)(const Wiring& wiring);        // null: cannot be written
  bool (*looks_like)(std::string_view text);         // whether a file is of this format; or null
};

std::span<const FabricFormat> FabricFormats();
// Null where there is none.
const FabricFormat* FindFormat(std::string_view name);
// The format that `text` looks like; null where none, or it could be several.
const FabricFormat* RecognizeFormat(std::string_view text);

Result<Wiring> ReadSimai(const FormatInput& input);          // [SIMAI] ns-3 topology
Result<Wiring> ReadNs3(const FormatInput& input);            // [ASTRA-NS3], HPCC's own
Result<Wiring> ReadIbnetdiscover(const FormatInput& input);  // [IBDIAGS]
Result<Wiring> ReadNcclTopology(const FormatInput& input);   // [NCCL] NCCL_TOPO_FILE
Result<Wiring> ReadHtsim(const FormatInput& input);          // [HTSIM] .topo
Result<Wiring> ReadCsv(const FormatInput& input);
Result<Wiring> ReadCabling(const FormatInput& input);  // what CablingCsv writes
Result<Wiring> ReadGraphml(const FormatInput& input);

std::string WriteCsv(const Wiring& wiring);
std::string WriteGraphml(const Wiring& wiring);
std::string WriteDot(const Wiring& wiring);
std::string WriteSlurm(const Wiring& wiring);

bool LooksLikeSimai(std::string_view text);
bool LooksLikeNs3(std::string_view text);
bool LooksLikeIbnetdiscover(std::string_view text);
bool LooksLikeNcclTopology(std::string_view text);
bool LooksLikeHtsim(std::string_view text);
bool LooksLikeCsv(std::string_view text);
bool LooksLikeCabling(std::string_view text);
bool LooksLikeGraphml(std::string_view text);

}  // namespace weft
