#include "planner/sizing.h"

#include <fmt/format.h>

#include <cmath>

namespace weft {

std::string_view NameOf(Basis basis) { return basis == Basis::kSparse ? "sparse" : "dense"; }

std::int64_t AcceleratorsFor(double need, double rate, int unit) {
  // 5,000 / 1,000 is five, though decimal text may make it a little more.
  const auto whole = static_cast<std::int64_t>(std::ceil(need / rate * (1 - 1e-12)));
  return (whole + unit - 1) / unit * unit;
}

std::vector<SizingRow> SizeAccelerators(const Question& question) {
  std::vector<SizingRow> out;
  for (std::size_t a = 0; a < question.accelerators.size(); ++a) {
    const AcceleratorChoice& choice = question.accelerators[a];
    for (const Basis basis : question.bases) {
      SizingRow row;
      row.accelerator = static_cast<std::uint32_t>(a);
      row.name = choice.name;
      row.basis = basis;
      if (const std::optional<Peak> peak = choice.gpu.PeakOf(question.type, basis)) {
        row.rate = peak->per_second;
        row.rate_assumed = peak->assumed;
        if (peak->assumed) row.note = "its rate is an assumption";
      } else {
        row.note = fmt::format("no {} rate is published for it", NameOf(basis));
      }
      if (question.ops && row.rate)
        row.accelerators = AcceleratorsFor(*question.ops, *row.rate, choice.unit);
      if (!question.ops && row.rate)
        row.accelerators = (question.gpus + choice.unit - 1) / choice.unit * choice.unit;
      if (row.accelerators) {
        row.hosts = *row.accelerators / choice.part.gpus;
        const CatalogueRow* host = question.catalogue.Find(choice.part.part);
        std::optional<Watts> watts = choice.part.power;
        if (host != nullptr && host->power) watts = host->power->range.mid;
        if (watts) row.server_w = watts->count() * static_cast<double>(*row.hosts);
      }
      out.push_back(std::move(row));
    }
  }
  return out;
}

}  // namespace weft
