#include "hardware/parts.h"
#include "scenario/embedded.h"
#include "scenario/prepare.h"
#include "topology/build.h"
#include "workloads/training/model.h"

namespace weft {
namespace {

// What no option of a field can say: checks between keys of the file.
Errors CheckScenario(const Located<ScenarioSpec>& spec) {
  Errors errors;
  const auto add = [&](ErrorCode code, const std::string& path, std::string message,
                       std::string hint) {
    errors.push_back({code, spec.At(path), std::move(message), std::move(hint)});
  };
  for (int i = 0; i < spec.message.published_size(); ++i) {
    const PublishedSpec& published = spec.message.published(i);
    const std::string path = "published[" + std::to_string(i) + "]";
    const bool rate = published.figure() == PublishedSpec::BUSBW;
    const bool time = published.figure() == PublishedSpec::JOB_ALONE ||
                      published.figure() == PublishedSpec::JOB_BESIDE;
    const bool of_job = time || published.figure() == PublishedSpec::SLOWDOWN;
    if (of_job && spec.message.jobs().empty())
      add(ErrorCode::kInconsistent, path + ".figure", "this figure is of a job, and there are none",
          "jobs: [{ name: gpt, workload: ... }]");
    if (time && !published.has_time())
      add(ErrorCode::kInconsistent, path, "a published time of a job has no 'time'", "time: 1.53s");
    if (rate && !published.has_rate())
      add(ErrorCode::kInconsistent, path, "a published busbw has no 'rate'", "rate: 147GBps");
    if (!rate && !time && !published.has_share())
      add(ErrorCode::kInconsistent, path, "this published figure has no 'share'", "share: 71.6%");
    if (published.has_rate() && published.rate() <= 0)
      add(ErrorCode::kOutOfRange, path + ".rate", "'rate' is 0", "a positive rate");
    if (published.has_share() && published.share() <= 0)
      add(ErrorCode::kOutOfRange, path + ".share", "'share' is 0", "a positive share");
    if (published.figure() == PublishedSpec::ITERATION_LOSS && published.share() >= 1)
      add(ErrorCode::kOutOfRange, path + ".share", "a loss of 100 % or more", "a loss below 100%");
  }
  return errors;
}

Result<Located<ScenarioSpec>> Checked(Result<Located<ScenarioSpec>> spec) {
  if (!spec) return spec;
  Errors errors = CheckScenario(*spec);
  if (errors.empty()) return spec;
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

}  // namespace

PresetTable AllPresets() {
  std::vector<Preset> presets = HardwarePresets();
  for (Preset& preset : TopologyPresets()) presets.push_back(std::move(preset));
  for (Preset& preset : WorkloadPresets()) presets.push_back(std::move(preset));
  // scenario/presets/KIND/NAME.yaml
  for (const EmbeddedFile& file : EmbeddedScenarioFiles()) {
    const std::size_t slash = file.path.rfind('/'), dot = file.path.rfind('.');
    const std::size_t above = file.path.rfind('/', slash - 1);
    presets.push_back({std::string(file.path.substr(above + 1, slash - above - 1)),
                       std::string(file.path.substr(slash + 1, dot - slash - 1)),
                       std::string(file.path), file.text});
  }
  return PresetTable(std::move(presets));
}

std::vector<std::string> FabricFamilies() {
  const auto& families = *FabricSpec::descriptor()->FindOneofByName("family");
  std::vector<std::string> names;
  for (int i = 0; i < families.field_count(); ++i) names.push_back(families.field(i)->name());
  return names;
}

Result<Located<ScenarioSpec>> ReadScenario(const std::string& path,
                                           const std::vector<std::string>& sets, SourceTexts* texts,
                                           const std::map<std::string, std::string>& set_by) {
  const PresetTable presets = AllPresets();
  return Checked(ReadFile<ScenarioSpec>(path, ReadOptions{&presets, sets, texts, set_by}));
}

Result<Located<ScenarioSpec>> ParseScenario(std::string_view text, const std::string& file_name,
                                            const std::vector<std::string>& sets,
                                            SourceTexts* texts) {
  const PresetTable presets = AllPresets();
  return Checked(ParseText<ScenarioSpec>(text, file_name, ReadOptions{&presets, sets, texts}));
}

}  // namespace weft
