// Questions of the planner's tests, and their candidates.
#pragma once

#include <gmock/gmock.h>

#include <sstream>
#include <string>
#include <vector>

#include "planner/candidate.h"
#include "planner/question.h"
#include "planner/sizing.h"

namespace weft {

using testing::HasSubstr;

inline Question Ask(const std::string& text) {
  auto question = ParseQuestion(text, "plan.yaml", {}, nullptr);
  EXPECT_TRUE(question) << (question ? Error{} : question.error()[0]);
  return question ? *std::move(question) : Question{};
}

inline std::string WrongWith(const std::string& text) {
  const auto question = ParseQuestion(text, "plan.yaml", {}, nullptr);
  if (question) return "nothing";
  std::ostringstream out;
  for (const Error& error : question.error()) out << error << '\n';
  return out.str();
}

inline constexpr char kSmall[] =
    "need: { gpus: 256 }\nparts: { accelerators: [h100], switches: [25.6T], nic_ports: [1, 2] }\n"
    "policy: { min_spines: 2, spines: both }\n";

inline std::vector<Candidate> Screened(const Question& question) {
  std::vector<Candidate> out = EnumerateCandidates(question, SizeAccelerators(question));
  const CableMarket market = AllCables(question.catalogue);
  for (Candidate& one : out) ScreenCandidate(question, market, one);
  return out;
}

}  // namespace weft
