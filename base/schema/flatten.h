// A message as lines of `path` and text, the way a user would write them.
#pragma once

#include <google/protobuf/message.h>

#include <map>
#include <string>

namespace weft {

// Every scalar that is set or has no presence, by its path in a file: fabric.segments ->
// "15", routing.host_port -> "by_qp". A variant shows its tag and its keys flat; an
// empty text, an empty list and an absent message do not appear.
std::map<std::string, std::string> Flatten(const google::protobuf::Message& message);

}  // namespace weft
