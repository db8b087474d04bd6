// What makes an engine fast without changing its answer.
//
// Each technique can be switched off, in code and in a scenario (`sim: { options: … }`);
// tests/sim/flow_options_test.cc holds every run against the one without it, and
// docs/flow-engine.md says what each brings.
#pragma once

namespace weft {

struct SimOptions {
  bool implicit_rates = true;  // flows keep time by their bottleneck's clock
  bool work_list = true;       // solve again only what a change can reach
  bool batch = true;           // what ends in one instant is one change
  bool replace = true;         // a flow replaced by one on its path changes nothing
  bool silent_links = true;    // links that hold back nothing that another does not are not solved
  // The next two need all programs before the first Run().
  bool fold = false;     // of replicas one is simulated
  bool memoise = false;  // an operation alone that was simulated before is not again
};

class SimOptionsSpec;
SimOptions MakeSimOptions(const SimOptionsSpec& spec);

}  // namespace weft
