#include "scenario/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>

namespace weft {
namespace {

struct NamedElement {
  std::string key, name;
};

// The keys of `fault` that name an element.
std::vector<NamedElement> NamedElements(const FaultSpec& fault) {
  std::vector<NamedElement> out;
  for (const auto& [key, name] :
       {std::pair("link", fault.link()), std::pair("switch", fault.switch_()),
        std::pair("nic", fault.nic()), std::pair("host", fault.host()),
        std::pair("plane", fault.plane())})
    if (!name.empty()) out.push_back({key, name});
  return out;
}

// The key that names elements of this one's kind; none for a GPU.
std::string KeyOf(const Fabric& fabric, ElementId element) {
  switch (element.kind) {
    case ElementId::Kind::kCable:
      return "link";
    case ElementId::Kind::kHost:
      return "host";
    case ElementId::Kind::kPlane:
      return "plane";
    case ElementId::Kind::kVertex:
      break;
  }
  switch (fabric.vertex(VertexId{element.id}).kind) {
    case VertexKind::kNic:
      return "nic";
    case VertexKind::kGpu:
      return {};
    default:
      return "switch";
  }
}

const char* NounOf(const std::string& key) {
  if (key == "link") return "a port or a cable";
  if (key == "switch") return "a switch";
  if (key == "nic") return "a NIC";
  if (key == "host") return "a host";
  return key == "plane" ? "a plane" : "a GPU";
}

// What is wrong with the element that `named` names; none where it is there, and of that kind.
std::optional<Error> CheckElement(const Fabric& fabric, const NamedElement& named) {
  const auto& [key, name] = named;
  const auto error = [](ErrorCode code, std::string message, std::string hint) {
    return Error{code, {}, std::move(message), std::move(hint)};
  };
  const std::optional<ElementId> element = fabric.FindElement(name);
  if (element) {
    const std::string own = KeyOf(fabric, *element);
    if (own == key) return std::nullopt;
    return error(
        ErrorCode::kInconsistent,
        fmt::format("'{}' is {}, and '{}' names {}", name, NounOf(own), key, NounOf(key)),
        own.empty() ? "link: its port, or host: its host" : fmt::format("{}: {}", own, name));
  }
  const std::size_t dash = name.find('-');
  if (dash != std::string::npos && fabric.FindElement(name.substr(0, dash)) &&
      fabric.FindElement(name.substr(dash + 1)))
    return error(
        ErrorCode::kInconsistent,
        fmt::format("no cable joins '{}' and '{}'", name.substr(0, dash), name.substr(dash + 1)),
        "neighbours alone have one: a NIC and its ToR, switches of tiers that meet");
  return error(ErrorCode::kUnknownKey, fmt::format("nothing in this fabric is called '{}'", name),
               fmt::format("there are {}", fmt::join(NameRanges(fabric), ", ")));
}

// What happens again must be over by then, and within the range of time.
void CheckFlapping(const Located<ScenarioSpec>& spec, const std::string& path,
                   const FaultSpec& fault, Errors& errors) {
  constexpr std::int64_t kLatest = 9'000'000'000'000'000'000;  // ps, 104 days
  const auto wrong = [&](const char* key, const char* what, const char* hint) {
    errors.push_back({ErrorCode::kInconsistent, spec.At(path + key), what, hint});
  };
  if (fault.has_every() != (fault.times() > 1))
    return wrong(fault.has_every() ? ".every" : ".times", "'every' and 'times' go together",
                 "every: 2s, times: 5");
  if (!fault.has_every()) return;
  if (!fault.has_until())
    wrong(".every", "what flaps must come back: there is no 'until'", "until: when it is repaired");
  else if (fault.until() - fault.at() >= fault.every())
    wrong(".every", "it is not repaired before it happens again",
          "a longer time than from 'at' to 'until'");
  if (fault.every() > (kLatest - fault.until()) / fault.times())
    wrong(".times", "the last time is more than 104 days away", "fewer times");
}

std::string PlaceText(const SourcePos& pos) {
  return fmt::format("{}:{}:{}", pos.file, pos.line, pos.column);
}

// Of two keys that exclude each other: at the one written later, --set after the file.
Error Exclusive(const Located<ScenarioSpec>& spec, const std::string& path, std::string a,
                std::string b, const std::string& hint) {
  const auto order = [&](const std::string& key) {
    const Origin origin = spec.sources.At(path + '.' + key);
    return std::tuple(origin.kind == Origin::Kind::kSet, origin.pos.line, origin.pos.column);
  };
  if (order(b) < order(a)) std::swap(a, b);
  return {ErrorCode::kInconsistent, spec.At(path + '.' + b),
          fmt::format("'{}' beside '{}', which is at {}", b, a, PlaceText(spec.At(path + '.' + a))),
          hint};
}

// What is wrong with one fault by itself, and with the element it names.
void CheckFault(const Located<ScenarioSpec>& spec, const std::string& path, const FaultSpec& fault,
                const Fabric& fabric, Errors& errors) {
  const std::vector<NamedElement> named = NamedElements(fault);
  if (named.empty())
    errors.push_back({ErrorCode::kInconsistent, spec.At(path), "this fault names no element",
                      "link: host3/nic5/port0, or switch:, nic:, host:, plane:"});
  for (std::size_t i = 1; i < named.size(); ++i)
    errors.push_back(Exclusive(spec, path, named[0].key, named[i].key,
                               "a fault is of one element; replace the whole list to vary it: "
                               "faults=[{ at: 1s, switch: leaf0 }]"));
  if (fault.has_rate() && spec.sources.Given(path + ".state"))
    errors.push_back(Exclusive(spec, path, "rate", "state", "one or the other"));
  if (fault.has_until() && fault.until() <= fault.at())
    errors.push_back({ErrorCode::kInconsistent, spec.At(path + ".until"),
                      "'until' is not after 'at'", "a later time, or leave it out"});
  CheckFlapping(spec, path, fault, errors);
  for (const NamedElement& one : named) {
    std::optional<Error> error = CheckElement(fabric, one);
    if (!error) continue;
    error->pos = spec.At(path + '.' + one.key);
    errors.push_back(*std::move(error));
  }
}

// The state that the fault begins with.
ElementState StateOf(const FaultSpec& fault) {
  ElementState state;
  state.up = fault.has_rate() || fault.state() == FaultSpec::UP;
  if (fault.has_rate()) state.rate_share = fault.rate();
  state.direction = fault.direction() == FaultSpec::FORWARD    ? Direction::kForward
                    : fault.direction() == FaultSpec::BACKWARD ? Direction::kBackward
                                                               : Direction::kBoth;
  return state;
}

void AddEvents(const FaultSpec& fault, std::uint32_t row, ElementId element,
               std::vector<std::pair<Event, std::uint32_t>>& events) {
  const ElementState state = StateOf(fault);
  ElementState healed;
  healed.direction = state.direction;
  for (std::int32_t i = 0; i < fault.times(); ++i) {
    const std::int64_t later = fault.has_every() ? i * fault.every() : 0;
    events.push_back({{SimTime(SimDuration(fault.at() + later)), element, state}, row});
    if (fault.has_until())
      events.push_back({{SimTime(SimDuration(fault.until() + later)), element, healed}, row});
  }
}

}  // namespace

std::string FaultElement(const FaultSpec& fault) {
  const std::vector<NamedElement> named = NamedElements(fault);
  return named.empty() ? std::string() : named.front().name;
}

Result<std::vector<std::pair<Event, std::uint32_t>>> BindFaults(const Located<ScenarioSpec>& spec,
                                                                const Fabric& fabric) {
  std::vector<std::pair<Event, std::uint32_t>> events;
  Errors errors;
  if (spec.message.faults_size() > 0 && spec.message.engine() == ScenarioSpec::ENGINE_ANALYTIC)
    errors.push_back({ErrorCode::kInconsistent, spec.At("engine"),
                      "engine analytic does not model faults: its bound is of a fabric where "
                      "nothing breaks",
                      "engine: flow, or --set faults=[]"});
  for (int i = 0; i < spec.message.faults_size(); ++i)
    CheckFault(spec, fmt::format("faults[{}]", i), spec.message.faults(i), fabric, errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  for (int i = 0; i < spec.message.faults_size(); ++i) {
    const FaultSpec& fault = spec.message.faults(i);
    AddEvents(fault, static_cast<std::uint32_t>(i), *fabric.FindElement(FaultElement(fault)),
              events);
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const auto& a, const auto& b) { return a.first.at < b.first.at; });
  return events;
}

}  // namespace weft
