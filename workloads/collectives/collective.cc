#include "workloads/collectives/collective.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "workloads/collectives/moe.h"
#include "workloads/collectives/ring.h"
#include "workloads/collectives/send_recv.h"

namespace weft {
namespace {

constexpr std::array<CollectiveAlgorithm, 4> kAlgorithms{{
    {"ring", "Ring", RingDoes, RingChannels, BuildRing},
    {"direct", "Direct", SendRecvDoes, SendRecvChannels, BuildSendRecv},
    {"hierarchical", "Hierarchical", MoeDoes, MoeChannels, BuildMoeHierarchical},
    {"every_expert", "EveryExpert", MoeDoes, MoeChannels, BuildMoeEveryExpert},
}};

}  // namespace

std::span<const CollectiveAlgorithm> CollectiveAlgorithms() { return kAlgorithms; }

std::string_view OpName(CollectiveSpec::Op op) {
  switch (op) {
    case CollectiveSpec::ALL_GATHER:
      return "all_gather";
    case CollectiveSpec::REDUCE_SCATTER:
      return "reduce_scatter";
    case CollectiveSpec::SEND_RECV:
      return "send_recv";
    case CollectiveSpec::ALL_TO_ALL:
      return "all_to_all";
    case CollectiveSpec::BROADCAST:
      return "broadcast";
    case CollectiveSpec::REDUCE:
      return "reduce";
    case CollectiveSpec::MOE_DISPATCH:
      return "moe_dispatch";
    case CollectiveSpec::MOE_COMBINE:
      return "moe_combine";
    case CollectiveSpec::ALL_TO_ALL_V:
      return "all_to_all_v";
    case CollectiveSpec::GATHER:
      return "gather";
    case CollectiveSpec::SCATTER:
      return "scatter";
    default:
      return "all_reduce";
  }
}

double BusbwFactor(CollectiveSpec::Op op, std::size_t ranks) {
  const auto n = static_cast<double>(ranks);
  switch (op) {
    case CollectiveSpec::ALL_GATHER:
    case CollectiveSpec::REDUCE_SCATTER:
    case CollectiveSpec::ALL_TO_ALL:
    case CollectiveSpec::ALL_TO_ALL_V:
    case CollectiveSpec::GATHER:
    case CollectiveSpec::SCATTER:
      return (n - 1) / n;
    case CollectiveSpec::SEND_RECV:
    case CollectiveSpec::BROADCAST:
    case CollectiveSpec::REDUCE:
    case CollectiveSpec::MOE_DISPATCH:
    case CollectiveSpec::MOE_COMBINE:
      return 1;
    default:
      return 2 * (n - 1) / n;
  }
}

bool SendsByMatrix(CollectiveSpec::Op op) {
  return op == CollectiveSpec::ALL_TO_ALL_V || op == CollectiveSpec::GATHER ||
         op == CollectiveSpec::SCATTER;
}

Result<SendMatrix> MakeSendMatrix(CollectiveSpec::Op op, const SendMatrixSpec& spec,
                                  std::uint32_t ranks, const SourcePos& given) {
  WEFT_CHECK(SendsByMatrix(op) && ranks >= 1);
  if (const std::uint64_t cells = std::uint64_t{ranks} * ranks; cells > kMostCells)
    return Fail(ErrorCode::kOutOfRange, given, fmt::format("{} ranks have {} pairs", ranks, cells),
                fmt::format("a matrix has at most {}: fewer ranks", kMostCells));
  if (op != CollectiveSpec::ALL_TO_ALL_V) return RootMatrix(ranks, op == CollectiveSpec::GATHER);
  if (spec.has_skew()) return SkewedMatrix(ranks, spec.skew(), spec.seed());
  if (!spec.has_file()) return SpreadMatrix(ranks, spec.has_spread() ? spec.spread() : 1);
  const std::filesystem::path path = std::filesystem::path(given.file).parent_path() / spec.file();
  WEFT_TRY(SendMatrix matrix, ReadSendMatrix(path.string(), given));
  if (matrix.ranks != ranks)
    return Fail(ErrorCode::kInconsistent, given,
                fmt::format("the matrix is of {} ranks, and there are {}", matrix.ranks, ranks),
                "a row and a column a rank");
  if (BusiestRank(matrix) == Bytes())
    return Fail(ErrorCode::kInconsistent, given, "the matrix sends nothing", "a cell above 0");
  return matrix;
}

WireRatio ReducedRatio(std::uint64_t num, std::uint64_t den) {
  WEFT_CHECK(den >= 1);
  const std::uint64_t divisor = std::gcd(num, den);
  num /= divisor;
  den /= divisor;
  WEFT_CHECK(num <= std::numeric_limits<std::uint32_t>::max());
  WEFT_CHECK(den <= std::numeric_limits<std::uint32_t>::max());
  return {static_cast<std::uint32_t>(num), static_cast<std::uint32_t>(den)};
}

void ConnectEdge(const Fabric& fabric, VertexId from, VertexId to, std::uint8_t qps, Edge& edge) {
  const HostId host = fabric.vertex(from).host;
  const bool nvlink = host == fabric.vertex(to).host && fabric.host(host).nvswitch != kNoVertex;
  edge.from = from;
  edge.to = to;
  edge.edge_class = nvlink ? 0 : 1;
  edge.qps = nvlink ? 1 : qps;
}

}  // namespace weft
