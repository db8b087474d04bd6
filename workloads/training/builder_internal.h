// The rows of an iteration: passes and sends stage by stage (emit_passes.cc), exchanges within a
// pass (emit_exchanges.cc), rings of gradients and parameters (emit_reductions.cc), and what puts
// them in order (build_training.cc).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "workloads/training/build_training.h"
#include "workloads/training/pipeline.h"
#include "workloads/training/ranks_internal.h"

namespace weft {

class TrainingBuilder {
 public:
  TrainingBuilder(const Fabric& fabric, const Placement& placement, const BuildOptions& options,
                  TrainingProgram& out, Program& program)
      : options_(&options),
        fabric_(&fabric),
        out_(&out),
        program_(&program),
        training_(out.training),
        ranks_(out.training.parallel, fabric, placement) {}

  // Returns false where options.stop() said so.
  bool Build(const std::set<HostId>& slow, double slower);

 private:
  using Kind = TrainingRow::Kind;
  using Task = PipelineTask;
  static constexpr std::uint32_t kNone = 0xffffffff;

  // Where a pass of a micro-batch through a chunk stands: the first of its replicas' rows, with
  // exchanges that of the joins behind them.
  struct Place {
    std::uint32_t compute = kNone, send = kNone;
  };

  // One direction of one chunk on one stage.
  struct PassKey {
    int stage = 0, chunk = 0;
    bool forward = true;
  };

  const Parallel& parallel() const { return training_.parallel; }
  int stages() const { return parallel().pipeline; }
  int replicas() const { return parallel().data; }
  bool dualpipe() const { return parallel().schedule == Parallel::Schedule::kDualpipe; }
  int chunks() const { return dualpipe() ? 2 : parallel().virtual_stages; }
  bool reduces() const { return parallel().data * parallel().context > 1; }
  std::uint32_t ComputeStream(int d, int s) const {
    return static_cast<std::uint32_t>(d * stages() + s);
  }
  std::uint32_t SendStream(int d, int s, bool forward) const {
    const int pairs = replicas() * stages();
    return static_cast<std::uint32_t>(pairs + 2 * (d * stages() + s) + (forward ? 0 : 1));
  }
  // Rings of different tensor ranks run beside each other, and of different expert ranks.
  std::uint32_t DataStream(int s, int tensor, int expert, bool gather) const {
    const int ring = (s * parallel().tensor + tensor) * parallel().expert + expert;
    return static_cast<std::uint32_t>(3 * replicas() * stages() + 2 * ring + (gather ? 1 : 0));
  }
  const ChunkCost& CostOf(int s, int chunk) const {
    const int row = dualpipe() ? (chunk == 0 ? s : stages() - 1 - s) : chunk * stages() + s;
    return out_->cost.chunks[static_cast<std::size_t>(row)];
  }
  std::size_t Row(PassKey key) const {
    return (static_cast<std::size_t>(key.stage) * static_cast<std::size_t>(chunks()) +
            static_cast<std::size_t>(key.chunk)) *
               2 +
           (key.forward ? 0 : 1);
  }
  Place& At(PassKey key, std::int64_t micro) {
    return places_[Row(key)][static_cast<std::size_t>(micro)];
  }

  std::optional<PassKey> Before(PassKey key) const;
  std::optional<PassKey> After(PassKey key) const;

  // Rows.
  std::uint32_t next_row() const { return static_cast<std::uint32_t>(program_->ops.size()); }
  Op& Add(Op::Kind kind, TrainingRow row, std::int64_t amount,
          const std::vector<std::uint32_t>& streams);
  void Need(std::uint32_t row, std::uint16_t back = 0);

  // Tasks.
  void MarkBlocks();
  bool Ready(int s, const Task& task) const;
  bool HasInput(PassKey key, std::int64_t micro) const;
  void NeedInput(PassKey key, std::int64_t micro, int d, bool in_block);
  bool EmitRegion(const std::vector<std::size_t>& first, const std::vector<std::size_t>& end,
                  bool in_block);
  void Emit(int s, std::size_t index, const Task& task, bool in_block);
  void AppendSends(int replica, int from, int to, Pattern& pattern) const;
  void EmitSend(PassKey key, const Task& task);
  double Seconds(int s, const Task& task, double factor) const;

  // Exchanges: tensor, context and expert collectives that leave their hosts.
  struct Group {  // replicas that an operation joins
    int first = 0, count = 0;
    std::uint32_t pattern = kNone;
    double latency_s = 0;  // that an engine charges for steps
    double amount = 1;     // bytes of the operation for one that a rank sends over the network
  };
  struct Parts {  // of the passes of a task
    double exposed_s = 0, cover_s = 0;
    double capped_s = 0;  // of cover_s that of exchanges which do not outlast it
    double whole_s = 0;   // those that do: alone
    double cut_s = 0;     // and, cut in two, behind their work
    std::vector<std::pair<const PassCost*, bool>> passes;  // whether forward
  };
  using Rows = std::vector<std::vector<std::uint32_t>>;  // [replicas]
  bool RunsWhole(int s, const Task& task, const Parts& parts) const;
  Parts PartsOf(int s, const Task& task) const;
  double BesideSeconds(int s, const Task& task, const Parts& parts, double factor) const;
  std::uint32_t EmitExchanges(int s, const Task& task, const Parts& parts, std::uint32_t first,
                              bool beside);
  void EmitBeside(int s, const Task& task, const Parts& parts, bool keep_whole, std::uint32_t first,
                  Rows gate, Rows& after, Rows& done);
  void EmitExchange(Kind kind, int s, int chunk, bool forward, const Exchange& exchange,
                    double share, double span_s, const Rows& gate, Rows& done);
  const std::vector<Group>& Groups(Kind kind, int s, double bytes, double span_s);
  std::uint32_t AddRing(const Communicator& ring);
  std::uint32_t AddDispatch(int s, int first, int replicas);
  std::uint32_t TuningOf(std::uint16_t channels, SimDuration launch);

  // Reductions.
  std::uint32_t Ring(int stage, int tensor, int first, int apart, CollectiveSpec::Op op);
  void EmitRings(int stage, Kind kind, CollectiveSpec::Op op, double bytes, double expert_bytes,
                 std::uint16_t chunk, const std::vector<std::uint32_t>& needs);
  std::vector<std::uint32_t> StageStreams(int s) const;
  std::vector<std::uint32_t> AllComputeStreams() const;
  std::vector<std::uint32_t> RowsOf(std::uint32_t first) const;
  void EmitLoading();
  void EmitGathersAhead();
  void EmitShardGather(int s, std::size_t index, const Task& task);
  void EmitReductions();
  void EmitEmbeddings();
  void EmitEnd();

  const BuildOptions* options_;
  const Fabric* fabric_;
  TrainingProgram* out_;
  Program* program_;
  const Training& training_;
  TrainingRanks ranks_;
  PipelineOrder order_;
  std::vector<std::vector<Place>> places_;       // [Row(key)][micro]
  std::vector<std::vector<std::int64_t>> base_;  // [Row(key)][micro mod step] in the block
  std::vector<double> factor_;                   // [d·p + s] of compute
  // Dependencies on rows of a repeat that stand further down: row of deps, key, micro, replica.
  std::vector<std::tuple<std::uint32_t, PassKey, std::int64_t, int>> later_;
  std::map<std::tuple<int, int, int>, std::uint32_t> sends_;                  // replica, from, to
  std::map<std::tuple<int, int, int, int, int>, std::uint32_t> rings_;        // as Ring()'s
  std::map<std::tuple<Kind, int, std::int64_t>, std::vector<Group>> groups_;  // as Groups()'s
  std::map<std::tuple<Kind, int, bool, std::size_t>, std::uint32_t> exchange_streams_;
  std::vector<std::vector<std::uint32_t>> gathers_;    // [Row(key)] rows ahead of the first pass
  std::vector<std::vector<std::uint32_t>> task_rows_;  // [p][tasks of the region] first compute row
  std::vector<std::uint32_t> last_rows_;               // [p] first compute row of the last task
  std::vector<std::uint32_t> reduce_rows_;
};

}  // namespace weft
