// Reads a YAML or JSON file into a protobuf message whose every value has a position.
//
// The schema is the message's descriptor with the options of field.proto: units,
// ranges, defaults, variants, presets. Layers, lowest first, are merged as mappings
// (a list or a scalar replaces):
//
//   default of the schema < preset's preset < preset < include: < the file < --set
//
//   preset: NAME      in a message with a preset_kind; a mapping that names a preset hides
//                     what lower layers said about the same mapping
//   include: FILE     in any mapping, or a list of files (a later one wins), relative to
//                     the file that says it
//   --set path=value  path as in fabric.segments or faults[0].at, value in YAML
//
// In text, a key is the field's name; an enum's value is its name in lower_snake without
// the enum's own prefix; a repeated field takes a list or one value; `oneof` fields are
// keys of which one may be there, unless (weft.variant) names a tag: then the tag's value
// names the member and the member's keys stand flat beside the tag.
//
// Errors   all that are independent, sorted by position; every one has a line >= 1.
//          Limits that are errors too: 16 MiB a file, nesting 64, a million values,
//          256 files, includes and presets 16 deep.
// Repeats  reads only the files named; the same input gives the same message and errors.
#pragma once

#include <google/protobuf/message.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/schema/node.h"
#include "base/schema/source_text.h"

namespace weft {

// A mapping in YAML that a message with the same preset_kind can start from.
struct Preset {
  std::string kind, name;
  std::string file;       // what error positions call it
  std::string_view text;  // must outlive every table that holds it
};

class PresetTable {
 public:
  // Requires: no two presets of one kind have one name.
  explicit PresetTable(std::vector<Preset> presets);

  // Null where there is none.
  const Preset* Find(std::string_view kind, std::string_view name) const;
  std::vector<std::string> Names(std::string_view kind) const;  // sorted
  const std::vector<Preset>& list() const { return presets_; }

 private:
  std::vector<Preset> presets_;
};

// The origin of every value, by path: `fabric.segments`, `faults[0].at`; the root is "".
// The keys of a variant stand flat, as in the file. A repeated field that was written as
// one value has that value at [0].
class SourceMap {
 public:
  // Of `path` or, where that was never written, of the nearest path that encloses it.
  Origin At(std::string_view path) const;

  // Whether the user wrote `path`, in a file or with --set.
  bool Given(std::string_view path) const;

  // By path, sorted.
  const std::map<std::string, Origin, std::less<>>& entries() const { return entries_; }

  void Add(std::string path, Origin origin) { entries_[std::move(path)] = std::move(origin); }

 private:
  std::map<std::string, Origin, std::less<>> entries_;
};

template <class M>
struct Located {
  M message;
  SourceMap sources;

  SourcePos At(std::string_view path) const { return sources.At(path).pos; }
};

struct ReadOptions {
  const PresetTable* presets = nullptr;  // none: `preset:` is refused
  std::vector<std::string> sets;         // "path=value"; a later one wins
  SourceTexts* texts = nullptr;          // filled with all that is read, also on failure
  // By path, the option that set it, as errors call it: "--set" where nothing stands here.
  std::map<std::string, std::string> set_by = {};
};

// Reads `path`, or `text` under the name `file_name`, into `message`, which is
// cleared first and unspecified after an error.
Result<SourceMap> ReadFileInto(google::protobuf::Message& message, const std::string& path,
                               const ReadOptions& options);
Result<SourceMap> ParseTextInto(google::protobuf::Message& message, std::string_view text,
                                const std::string& file_name, const ReadOptions& options);

// The same with the message made here:
//
//   WEFT_TRY(const Located<ScenarioSpec> spec, ReadFile<ScenarioSpec>("hpn.yaml", {}));
template <class M>
Result<Located<M>> ReadFile(const std::string& path, const ReadOptions& options) {
  Located<M> out;
  WEFT_TRY(out.sources, ReadFileInto(out.message, path, options));
  return out;
}

template <class M>
Result<Located<M>> ParseText(std::string_view text, const std::string& file_name,
                             const ReadOptions& options) {
  Located<M> out;
  WEFT_TRY(out.sources, ParseTextInto(out.message, text, file_name, options));
  return out;
}

}  // namespace weft
