// A RunReport: everything one scenario's run has to say, for report/ to show.
//
// Values only, no pointers into the run: names instead of ids, quantities instead
// of numbers. The JSON of design and docs/formats/result.md is this struct key by
// key. Figures that depend on a hash or a draw are Intervals over the seeds.
//
// Units    as the types say; rates of collectives are bytes a second (algbw, busbw
//          as nccl-tests defines them [NCT]).
// Errors   none: what went wrong with the input never gets this far.
// Repeats  all but `run` is the same for any number of threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace weft {

// Over seeds: median and the 5th and 95th percentile, linear interpolation
// between ranks. One seed: all three are equal.
template <typename T>
struct Interval {
  T median{}, p5{}, p95{};
  bool operator==(const Interval&) const = default;
};

// Percentiles of `values`, ranks interpolated linearly: p at position p·(n − 1).
// Requires: `values` is not empty.
Interval<double> IntervalOf(std::vector<double> values);
// Requires: `sorted` is ascending and not empty, p in [0, 1].
double PercentileOf(const std::vector<double>& sorted, double p);

// A rate in bytes a second; GB/s in nccl-tests' sense is 1e9 of them.
struct ByteRate {
  double bytes_per_second = 0;
  bool operator==(const ByteRate&) const = default;
};

// How far measured times may be off a simulated one, 90 %, relative to it.
struct ErrorBand {
  std::optional<double> low, high;
  std::string basis = "none";  // held-out | published | none
  bool operator==(const ErrorBand&) const = default;
};

// How far the communication that an iteration waits for may be off, and the iteration with it.
struct CommunicationError {
  ErrorBand exposed;  // of what is exposed, all kinds together
  ErrorBand time;     // of the whole time, by that alone: what compute is off is in no calibration
  std::optional<bool> in_range;  // as of collectives: false wherever a calibration is asked
  bool known_hardware = true;
  bool nothing_waits = false;  // for communication, as priced: then there is no band
};

struct CollectiveReport {
  std::string op, algorithm;
  std::optional<std::string> protocol;  // none: the model does not choose one
  int channels = 0, groups = 1;
  bool choices_differ = false;  // between groups: algorithm, protocol and channels: the largest's
  int ranks = 0, fewest_ranks = 0;  // of the largest rail or group, and of the smallest
  Bytes bytes;
  std::int64_t repeats = 1;
  // Seconds in double: percentiles of whole picoseconds need not be whole.
  Interval<double> time_s;          // its slowest rail or group, mean over repeats
  Interval<double> worst_repeat_s;  // the longest repeat of any rail or group
  // Latencies and launch that pass before bytes flow at full rate, in the seed shown in detail.
  std::optional<double> startup_s;
  std::optional<Interval<double>> time_mean_rail_s;  // mean over rails or groups
  Interval<double> algbw_bytes_per_s, busbw_bytes_per_s;
  // Mean over rails of their own busbw; a rank alone in its rail is left out.
  std::optional<Interval<double>> busbw_mean_rail_bytes_per_s;
  std::string bottleneck;  // a link's name in the seed of the lower-median makespan; empty: none
  ErrorBand error;         // of its time on a network that does not block
  std::optional<bool> in_range;  // of the calibration; none: it does not hang on one
  bool known_hardware = true;    // to the calibration; else the error is of hardware left out whole
  // done | stalled | failed | cancelled | stopped | beyond the range of time; where it is not
  // done, there are no times.
  std::string status = "done";
  SourcePos pos;

  bool done() const { return status == "done"; }
};

struct TrafficReport {
  std::string pattern;
  std::int64_t flows = 0, completed = 0;                 // completed: in the worst seed
  Bytes bytes;                                           // of one flow
  Interval<double> flow_time_s_median, flow_time_s_p99;  // over the flows of a seed
  Interval<double> goodput_bytes_per_s;                  // all bytes over the makespan
  std::string status = "done";                           // or why a flow did not end
};

struct LinkReport {
  std::string from, to;
  double utilisation = 0;  // of the effective capacity, over the makespan
  Bytes bytes;
  std::string why;                 // hash collision, oversubscription, fault, …, in words
  std::vector<std::string> users;  // the QPs by name, the first few
  std::int64_t user_count = 0;
};

struct PortReport {
  // Of NICs with two ports or more that received traffic: share of the bytes on
  // the busiest port, and how many NICs had three times as much on one as on another.
  Interval<double> hot_share, share_3to1;
};

// How near to each other the busiest NVLink and the busiest network link are. Rates scale
// together, so the tie is at the ratio of the utilisations.
struct MarginReport {
  std::string busier;  // "NVLink" or "the network"
  double busier_utilisation = 0;
  std::string other;             // the busiest link of the other kind
  double other_utilisation = 0;  // of its own capacity, as everywhere
  double nvlink_efficiency = 0;  // as simulated
  // Beyond it, or below it, the other is busier; none where no NVLink is like that.
  std::optional<double> nvlink_efficiency_at_tie;
};

struct LinksReport {
  std::uint64_t seed = 0;  // the one with the lower-median makespan
  std::vector<LinkReport> hottest;
  std::optional<PortReport> ports;
  std::int64_t pfc_risk = 0;  // (QP, full network link) pairs: where fairness alone says too little
  std::optional<MarginReport> margin;
};

struct FaultReport {
  std::string element, state;
  double at_s = 0;
  std::int64_t crossing = 0, rerouted = 0, moved = 0, stalled = 0, failed = 0;
  std::uint32_t row = 0;  // of the scenario's faults
  SourcePos pos;
};

// How long everything took, by coupling, when both were asked for.
struct CouplingReport {
  Interval<double> loose_s, tight_s;
};

// Collectives that ran loose, since others may cross their links while they run: a lower
// bound on their time, and what the chunks of a real ring may add to it (docs/validation.md).
struct LooseReport {
  std::int64_t operations = 0;  // of the seed that has most
  double time_up_to = 0;        // of their time
};

// A published figure beside ours; nothing is fitted to it.
struct PublishedRow {
  std::string figure, source, note;
  std::string job;                       // of a job's figures
  double published = 0;                  // busbw in bytes a second, a time in s, else a ratio
  std::optional<Interval<double>> ours;  // none: this run does not yield the figure
  std::optional<double> deviation;       // median over published, less 1
};

// What hosts tried for disjoint paths, all seeds together.
struct PathSearchReport {
  std::uint64_t qps = 0, tried = 0;  // tried: source ports whose path was computed
  std::uint64_t shared = 0;          // QPs that share links more than they need
};

// A stretch of the critical path: rows of one kind, one after the other.
struct CriticalStep {
  std::string what;  // "forward, stage 3, replica 5"
  std::int64_t rows = 1;
  double start_s = 0, end_s = 0;
};

// What the ranks of a parallel group send in an iteration, all together.
struct GroupBytes {
  std::string group;  // tensor | pipeline | data | context | expert
  double nvlink = 0, network = 0;
  bool simulated = true;  // false: in closed form, not in the network
  // Of `network`, what goes to a host of another segment; none where nobody knows.
  std::optional<double> between_segments = 0;
};

struct TraceEvent {
  std::string track, name;
  double start_s = 0, duration_s = 0;
};

// An iteration of training. The split is of the seed shown in detail, and adds up to its time.
struct IterationReport {
  Interval<double> time_s, tokens_per_s, mfu;
  double samples_per_s = 0, mfu_causal = 0, flops_per_token = 0;  // of the median time
  double split_of_s = 0;                                          // the time that is split
  double compute_s = 0, bubble_s = 0, fixed_s = 0;
  double tensor_s = 0, pipeline_s = 0, data_s = 0, context_s = 0, expert_s = 0;  // exposed
  std::optional<double> overlap_efficiency;  // of all communication, the hidden share; none of none
  std::int64_t gpus = 0, micro_batches = 0, slow_hosts = 0;
  std::int64_t repeats = 0, repeats_skipped = 0;  // of the steady state: simulated, counted
  double skipped_s = 0;  // of split_of_s what is counted: in neither critical_path nor trace
  CommunicationError error;
  double parameters = 0, active_parameters = 0;   // of the model; active: that a token meets
  double memory_bytes = 0, gpu_memory_bytes = 0;  // of the GPU that holds most
  struct {                                        // the parts of memory_bytes
    double parameters = 0, gradients = 0, optimiser = 0, activations = 0, logits = 0;
    int stage = 0;
  } memory;
  double estimate_s = 0;  // in closed form
  std::vector<GroupBytes> bytes;
  // Bytes that left NICs over bytes that groups sent over the network, less 1.
  double conservation = 0;
  std::vector<CriticalStep> critical_path;
  std::vector<std::pair<std::string, double>> what_if;  // change, time in seconds
  std::vector<TraceEvent> trace;                        // where it was asked for
};

// Where the time of an iteration went; the parts add up to it.
struct TimeSplit {
  double compute_s = 0, bubble_s = 0, fixed_s = 0;
  double tensor_s = 0, pipeline_s = 0, data_s = 0, context_s = 0, expert_s = 0;  // exposed
};

// What a job that trains makes of its time.
struct JobIteration {
  double tokens_per_s = 0, mfu = 0;  // of the median time beside the others
  TimeSplit split, alone;            // mean over passes, in the seed shown in detail
  CommunicationError error;          // of a pass beside the others
};

// One of several jobs on a fabric. A pass is one run through its workload.
struct JobReport {
  std::string name, work;  // work: "training gpt3-175b", "collective all_reduce"
  std::int64_t gpus = 0, hosts = 0;
  // Asked for; begun when all jobs had started and ended, in the seed shown in detail.
  std::int64_t repeat = 1, passes = 0;
  Interval<double> time_s, alone_s;  // a pass beside the others, and alone; means over passes
  Interval<double> slowdown;         // time over time alone, seed by seed
  std::vector<double> time_by_seed_s, slowdown_by_seed;
  std::optional<JobIteration> iteration;  // none: it does not train
  // Of a pass of collectives that NCCL's constants time, the widest; on a network that is its own.
  ErrorBand error;
  std::optional<bool> in_range;  // none: it hangs on no calibration
};

struct RunStats {
  double wall_s = 0, sim_s = 0;  // sim_s: engine time with paths bound, all seeds
  std::uint64_t events = 0;
  int threads = 1;
  std::int64_t peak_rss_bytes = 0;
  // What the engine did not simulate since it was proved to be like what it did.
  std::int64_t folded = 0, memoised = 0;  // patterns; operations of all seeds
  std::string not_folded;                 // why collectives alike were simulated each; empty: none
};

// Where the constants of NCCL's collectives come from; without a name: nobody asked for any.
struct CalibrationUse {
  std::string name, digest;
  std::optional<bool> in_range;  // all that hangs on it; none: nothing does
  bool known_hardware = true;    // of all that hangs on it
};

struct RunReport {
  std::string scenario, engine;
  std::int64_t seeds = 1;
  bool partial = false;
  std::vector<std::string> incomplete;      // what did not come to its end, and why
  Interval<double> makespan_s;              // meaningless where something is incomplete
  std::vector<std::uint64_t> seed_numbers;  // [seeds] finished, ascending
  std::vector<double> makespan_by_seed_s;   // [seeds], for paired comparison
  std::vector<std::vector<double>> collective_by_seed_s;  // [collectives][seeds]
  // [collectives][seeds], bytes a second: of the slowest rail, and mean over rails.
  std::vector<std::vector<double>> busbw_by_seed, busbw_mean_by_seed;
  std::vector<CollectiveReport> collectives;
  std::vector<TrafficReport> traffic;
  std::optional<IterationReport> iteration;  // none: nothing is trained
  std::vector<JobReport> jobs;               // empty: one workload
  std::optional<CouplingReport> coupling;
  std::optional<LooseReport> loose;             // none: nothing ran loose for others' sake
  std::optional<PathSearchReport> path_search;  // none: policy disjoint alone searches
  LinksReport links;
  ErrorBand error;  // the widest of the collectives', and of nothing else
  CalibrationUse calibration;
  std::vector<FaultReport> faults;
  std::vector<PublishedRow> published;
  std::vector<std::string> missing_terms;  // what the model lacks here: printed, never zero
  std::vector<Error> warnings;
  std::vector<std::string> unmet;  // requirements missed: exit status 1
  std::optional<Error> refused;    // the engine cannot run this to its end: nothing else counts
  RunStats run;
};

}  // namespace weft
