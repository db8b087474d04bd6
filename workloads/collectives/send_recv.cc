#include "workloads/collectives/send_recv.h"

#include "base/check.h"

namespace weft {

bool SendRecvDoes(CollectiveSpec::Op op) { return op == CollectiveSpec::SEND_RECV; }

std::uint16_t SendRecvChannels(const Communicator&) { return 1; }

Pattern BuildSendRecv(const Fabric& fabric, const Communicator& communicator, CollectiveSpec::Op op,
                      std::uint16_t channels, const BuildOptions& options) {
  const auto n = static_cast<std::uint32_t>(communicator.sequence.size());
  WEFT_CHECK(n >= 2 && channels >= 1 && SendRecvDoes(op));
  Pattern pattern;
  pattern.ranks = communicator.gpu;
  pattern.classes = {options.nvlink, options.network};
  pattern.slices = n;
  pattern.channels = channels;
  pattern.advance = Pattern::Advance::kIndependent;
  Edge edge;
  edge.wire_den = channels;
  for (std::uint16_t c = 0; c < channels; ++c) {
    edge.channel = c;
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t from = communicator.sequence[i], to = communicator.sequence[(i + 1) % n];
      ConnectEdge(fabric, communicator.gpu[from], communicator.gpu[to], options.qps, edge);
      edge.first_slice = from;
      pattern.edges.push_back(edge);
    }
    for (std::uint32_t rank = 0; rank < n; ++rank) pattern.slice_owner.push_back(rank);
  }
  return pattern;
}

}  // namespace weft
