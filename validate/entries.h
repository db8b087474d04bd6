// Measured tables with what is known of the machine they were measured on.
//
// A list of tables is a TSV file: a header line that begins with "file", then a line a table, the
// file relative to the list. Columns are known by name, others are carried along unread:
//
//   file             as ReadTables reads it
//   op               all_reduce … as in nccl-tests
//   nodes, ranks     of the job; ranks may be several ("2,4,8")
//   nccl_version     "2.28.9"
//   label            healthy | degraded | unclear; cause: why
//   use              fit | check: whether a calibration may see it, or it is held out
//   source           where it is from; tables of one project are one source
//   host             as in a scenario, '{ preset: hgx-h100, nics: 8 }'; '-': not known
//   gpu, fabric      names, for people and to tell apart what one file holds
//
// A file that is no list is one entry of its own, with what the text and the options say.
//
// Errors   a host among the options that is none: at --host; a list without a column `file`, a
//          line with too few columns, a value that is none of the words above: at their place. A
//          file that cannot be read: at the line that names it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/source_text.h"
#include "hardware/parts.h"
#include "validate/tables.h"

namespace weft {

enum class TableLabel { kUnknown, kHealthy, kDegraded, kUnclear };
enum class TableUse { kUnknown, kFit, kCheck };

const char* NameOf(TableLabel label);
const char* NameOf(TableUse use);

struct TableEntry {
  std::string file;                                    // as opened
  std::string name;                                    // as the list or the user names it
  std::string op;                                      // weft's word
  std::string gpu, fabric, nccl, cause, source, host;  // host: YAML; empty: not known
  TableLabel label = TableLabel::kUnknown;
  TableUse use = TableUse::kUnknown;
  int nodes = 0;  // 0: not said
  SourcePos pos;  // where the entry is written; the file itself where it is no list's
  std::vector<MeasuredTable> tables;  // of this op; ranks and hosts filled where anything says them
  std::string sha256;                 // of the file's bytes, hexadecimal

  int rejected() const;
};

// What the command line adds where a table does not say it; a list's own words go first.
struct EntryOptions {
  std::string host, nccl;
  int gpus_per_host = 0, gpus = 0;  // ranks, of a host and of all; 0: not said
};

Result<std::vector<TableEntry>> ReadEntries(const std::vector<std::string>& paths,
                                            const EntryOptions& options, SourceTexts* texts);

// The owner and project of a source, "argonne-lcf/alcf-nccl-tests": what is measured by one hand.
std::string ProjectOf(const TableEntry& entry);

// The host presets of a GPU that a driver calls `device` ("NVIDIA H100 80GB HBM3"), which have at
// least `gpus` of them: those with exactly as many first, 0 of any number.
std::vector<std::string> HostsOfGpu(std::string_view device, int gpus);

// Where a log names GPUs that are known and are not those of its host: a warning an entry, at it.
std::vector<Error> WarningsOfGpus(const std::vector<TableEntry>& entries);

// A host as --host and a list write it: a preset's name, a file, or a mapping in YAML.
Result<HostPart> ReadHostText(const std::string& text, const SourcePos& pos);

}  // namespace weft
