#include "sim/options.h"

#include "sim/options.pb.h"

namespace weft {

SimOptions MakeSimOptions(const SimOptionsSpec& spec) {
  SimOptions options;
  options.implicit_rates = spec.implicit_rates();
  options.work_list = spec.work_list();
  options.batch = spec.batch();
  options.replace = spec.replace();
  options.silent_links = spec.silent_links();
  options.fold = spec.fold();
  options.memoise = spec.memoise();
  return options;
}

}  // namespace weft
