// A value of an input file as a tree, every part with its place and its origin.
//
// The tree is what a file says, before anything is known about its meaning: scalars
// keep the text as it was written (`010` stays `010`), mappings keep their order.
//
// Cost     a hundred bytes a node; the name of the file is shared.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weft {

// Where a value comes from: the user's file, a preset, --set, or the schema's default.
struct Origin {
  enum class Kind { kFile, kPreset, kSet, kDefault };

  SourcePos pos;  // of a default: the mapping that lacks the key
  Kind kind = Kind::kFile;
  std::string preset;  // its name, where kind is kPreset
};

// What all nodes of one text have in common.
struct NodeSource {
  std::string file;
  Origin::Kind kind = Origin::Kind::kFile;
  std::string preset;
};

// One place in one text.
struct NodePlace {
  std::shared_ptr<const NodeSource> source = {};
  int line = 1;
  int column = 1;

  SourcePos pos() const { return {source->file, line, column}; }
  Origin origin() const { return {pos(), source->kind, source->preset}; }
};

struct Node {
  // kPatch exists only while --set is being laid over a tree: items by index, for a
  // list that another layer brings.
  enum class Kind { kNull, kScalar, kList, kMap, kPatch };
  struct Entry;

  Kind kind = Kind::kNull;
  bool quoted = false;   // a scalar in quotes: text, never a number
  bool partial = false;  // a mapping of which a layer could not be read
  NodePlace place = {};
  std::string text = {};            // kScalar, as written
  std::vector<Node> items = {};     // kList
  std::vector<Entry> entries = {};  // kMap, in the order written; kPatch, keyed by index

  const Entry* Find(std::string_view key) const;
  Entry* Find(std::string_view key);
};

struct Node::Entry {
  std::string key;
  NodePlace place;  // of the key
  Node value;
};

inline const Node::Entry* Node::Find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

inline Node::Entry* Node::Find(std::string_view key) {
  return const_cast<Entry*>(std::as_const(*this).Find(key));
}

}  // namespace weft
