// Hosts and switches as one text, "tier=1 plane=0 called=tor", for formats whose devices have
// nothing but attributes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "topology/formats/wiring.h"

namespace weft {

std::string FormatPart(const Wiring::Host& host);
std::string FormatPart(const Wiring& wiring, const Wiring::Switch& one);

// The host that `text` says; its name is `name`. Errors stand at `pos`.
Result<Wiring::Host> ParseHostPart(std::string_view text, std::string name, const SourcePos& pos);

// The same of a switch; a tier's name goes to `wiring`.
Result<Wiring::Switch> ParseSwitchPart(std::string_view text, std::string name,
                                       const SourcePos& pos, Wiring& wiring);

// "nic5/port1" of a host; an error at `pos` for anything else.
Result<Wiring::End> ParseHostPort(std::string_view text, std::uint32_t row, const SourcePos& pos);

// Orders hosts and switches by their `order`, else by name with numbers by value, switches tier
// by tier, and lets the cables follow: for formats that list cables alone.
void SortDevices(Wiring& wiring);

// Sets every `order` to the row where SortDevices would change the rows; none where it would not.
void NoteOrder(Wiring& wiring);

}  // namespace weft
