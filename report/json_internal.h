// JSON in the order in which it is written, and null for what is absent.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace weft {

using Json = nlohmann::ordered_json;

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
inline Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace weft
