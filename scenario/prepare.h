// From a scenario's text to what an engine needs: every check that can fail is here.
//
// ReadScenario() turns a file into a message whose every value has a position;
// Prepare() builds fabric, router, placement, program and events from it, and
// reports what the builders find wrong at those positions. After that the engines trust.
//
// Errors   all that are independent, sorted by position.
// Cost     building the fabric dominates; a FabricCache shares equal ones.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "hardware/parts.h"
#include "scenario/calibration.h"
#include "scenario/scenario.pb.h"
#include "sim/engines.h"
#include "sim/physics.h"
#include "sim/program.h"
#include "topology/fabric.h"
#include "topology/placement.h"
#include "topology/router.h"
#include "workloads/build_program.h"

namespace weft {

// Every preset compiled into weft: parts, hosts, fabrics.
PresetTable AllPresets();

// The fabric families, as `family:` names them.
std::vector<std::string> FabricFamilies();

// Reads `path`, with `sets` ("path=value") laid over it. `texts` is filled with
// every file read, for drawing carets, also where reading fails. `set_by`: as ReadOptions has it.
Result<Located<ScenarioSpec>> ReadScenario(const std::string& path,
                                           const std::vector<std::string>& sets, SourceTexts* texts,
                                           const std::map<std::string, std::string>& set_by = {});

// The same for text that is already there; `file_name` is what errors call it.
Result<Located<ScenarioSpec>> ParseScenario(std::string_view text, const std::string& file_name,
                                            const std::vector<std::string>& sets,
                                            SourceTexts* texts);

struct PreparedScenario;

// One of several jobs on a fabric.
struct PreparedJob {
  std::string name;
  std::int64_t repeat = 1;  // passes of its workload, at least
  SimDuration start{};
  std::shared_ptr<const PreparedScenario> alone;  // its placement and workload
};

struct PreparedScenario {
  std::string label;    // what tells it apart in a comparison
  std::string variant;  // "rdma.qps=4": the values laid over its file; empty: none
  Located<ScenarioSpec> spec;
  std::shared_ptr<const Fabric> fabric;
  std::shared_ptr<const Router> router;
  Placement placement;
  std::shared_ptr<const Workload> workload;  // null where there are jobs
  std::vector<PreparedJob> jobs;             // empty: one workload
  // What the calibration says, of nothing where it times nothing: [workload items]; of training
  // [CommunicationKind].
  std::vector<StatedError> errors;
  Physics physics;
  SimOptions options;
  FaultPolicy fault_policy;
  std::vector<Event> events;
  std::vector<std::uint32_t> fault_of_event;  // [events] row of spec's faults
  EngineKind engine{};
  std::uint64_t first_seed = 0;
  std::int64_t seeds = 1;
  std::vector<Error> warnings;             // keys without effect
  std::vector<std::string> missing_terms;  // what the model lacks here
  bool stopped = false;  // the caller did not wait for the building: nothing below fabric is there
};

// Whether any NIC has more ports than one.
bool AnyNicHasPorts(const Fabric& fabric);

// Whether anything of the routing follows from the seed.
bool RoutingDraws(const PreparedScenario& scenario);

// What every host is: the scenario's own `host`, else the fabric's; of a custom fabric's kinds the
// first.
const HostSpec& HostOf(const ScenarioSpec& spec);

// The hosts that ranks are on, as NCCL tells them apart.
struct RankHosts {
  std::uint32_t kind = 0;          // of rank 0's host: a row of a custom fabric's hosts
  std::size_t hosts = 0;           // that ranks are on
  std::optional<HostPart> part;    // rank 0's; none: nobody says all that NCCL reads
  std::vector<std::string> kinds;  // where they differ: what each is called
  std::uint32_t other = 0;         // where they differ: the first row unlike `kind`
};
// `kinds` as people say them: "dgx-a100 and hgx-h100".
std::string SeveralKinds(const std::vector<std::string>& kinds);

// Fabrics and routers that were built, by the text of their specs, and NCCL's searches: equal ones
// are shared.
struct FabricCache {
  std::map<std::string, std::shared_ptr<const Fabric>> fabrics;
  std::map<std::string, std::shared_ptr<const Router>> routers;
  NcclComms comms;
};

Result<std::shared_ptr<const Fabric>> PrepareFabric(const Located<ScenarioSpec>& spec,
                                                    FabricCache& cache);
// Of the ranks that `spec` places on its fabric; `per_host` as in Prepare.
Result<RankHosts> HostsOfRanks(const Located<ScenarioSpec>& spec, FabricCache& cache,
                               std::optional<int> per_host);
// What every host of that kind is.
const HostSpec& HostOf(const ScenarioSpec& spec, const RankHosts& hosts);
// `stop`: true where the caller waits no longer; then the result is `stopped`. Empty: never.
// `per_host`: ranks take that many GPUs of each host, its first; none: all.
Result<PreparedScenario> Prepare(Located<ScenarioSpec> spec, FabricCache& cache,
                                 const std::function<bool()>& stop = {},
                                 std::optional<int> per_host = {});

}  // namespace weft
