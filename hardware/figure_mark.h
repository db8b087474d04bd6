// How sure a figure is, from the schema's word.
#pragma once

#include "hardware/catalogue.h"
#include "hardware/catalogue.pb.h"

namespace weft {

inline Mark MarkOf(FigureMark::Mark mark) {
  switch (mark) {
    case FigureMark::READ:
      return Mark::kRead;
    case FigureMark::SECONDARY:
      return Mark::kSecondary;
    case FigureMark::FIGURE:
      return Mark::kFigure;
    case FigureMark::DERIVED:
      return Mark::kDerived;
    case FigureMark::QUOTE:
      return Mark::kQuote;
    default:
      return Mark::kUnverified;
  }
}

}  // namespace weft
