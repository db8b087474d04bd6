#include "scenario/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
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

// A fault begins or ends.
struct Change {
  SimTime at;
  bool begins = true;
  bool mended_later = false;  // by its own `until`: other faults may hold its element beside it
  std::uint32_t row = 0;
  ElementId element;
  ElementState state;
};

void AddChanges(const FaultSpec& fault, std::uint32_t row, ElementId element,
                std::vector<Change>& changes) {
  const ElementState state = StateOf(fault);
  for (std::int32_t i = 0; i < fault.times(); ++i) {
    const std::int64_t later = fault.has_every() ? i * fault.every() : 0;
    changes.push_back(
        {SimTime(SimDuration(fault.at() + later)), true, fault.has_until(), row, element, state});
    if (fault.has_until())
      changes.push_back(
          {SimTime(SimDuration(fault.until() + later)), false, true, row, element, state});
  }
}

// What holds one direction of an element: it is down while one of them says so, and else as slow as
// the slowest. A fault without an end takes the place of one before it; a repair ends all.
class Held {
 public:
  void Apply(const Change& change) {
    if (!change.begins) {
      const auto mine = std::find_if(faults_.begin(), faults_.end(),
                                     [&](const Change& one) { return one.row == change.row; });
      if (mine != faults_.end()) faults_.erase(mine);
      return;
    }
    const bool heals = change.state.up && change.state.rate_share == 1;
    std::erase_if(faults_, [&](const Change& one) {
      return heals || !(one.mended_later || change.mended_later);
    });
    if (!heals) faults_.push_back(change);
  }
  std::pair<bool, double> State() const {  // up, share of the rate
    std::pair<bool, double> out = {true, 1};
    for (const Change& one : faults_)
      out = {out.first && one.state.up, std::min(out.second, one.state.rate_share)};
    return out;
  }

 private:
  std::vector<Change> faults_;
};

// Requires: `changes` is sorted.
std::vector<std::pair<Event, std::uint32_t>> EventsOf(const Fabric& fabric,
                                                      const std::vector<Change>& changes) {
  std::vector<std::pair<Event, std::uint32_t>> events;
  std::map<std::pair<ElementId::Kind, std::uint32_t>, std::array<Held, 2>> held;
  for (const Change& change : changes) {
    // A cable is named from either end: what is forward for one is backward for the other.
    std::uint32_t id = change.element.id;
    if (change.element.kind == ElementId::Kind::kCable)
      id = std::min(id, static_cast<std::uint32_t>(Index(fabric.link(LinkId{id}).reverse)));
    const bool turned = id != change.element.id;
    std::array<Held, 2>& both = held[{change.element.kind, id}];
    struct Turn {
      bool changed = false;
      std::pair<bool, double> state;
    };
    std::array<Turn, 2> turns;  // forward, backward, as the change names its element
    for (std::size_t d = 0; d < turns.size(); ++d) {
      if (change.state.direction == (d == 0 ? Direction::kBackward : Direction::kForward)) continue;
      Held& one = both[turned ? 1 - d : d];
      const auto before = one.State();
      one.Apply(change);
      turns[d] = {change.begins || one.State() != before, one.State()};
    }
    const auto add = [&](Direction direction, const std::pair<bool, double>& state) {
      ElementState now;
      now.direction = direction;
      now.up = state.first;
      now.rate_share = state.second;
      events.push_back({{change.at, change.element, now}, change.row});
    };
    if (turns[0].changed && turns[1].changed && turns[0].state == turns[1].state)
      add(Direction::kBoth, turns[0].state);
    else
      for (std::size_t d = 0; d < turns.size(); ++d)
        if (turns[d].changed)
          add(d == 0 ? Direction::kForward : Direction::kBackward, turns[d].state);
  }
  return events;
}

}  // namespace

std::string FaultElement(const FaultSpec& fault) {
  const std::vector<NamedElement> named = NamedElements(fault);
  return named.empty() ? std::string() : named.front().name;
}

Result<std::vector<std::pair<Event, std::uint32_t>>> BindFaults(const Located<ScenarioSpec>& spec,
                                                                const Fabric& fabric) {
  std::vector<Change> changes;
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
    AddChanges(fault, static_cast<std::uint32_t>(i), *fabric.FindElement(FaultElement(fault)),
               changes);
  }
  // What begins goes before what ends, so that between two faults that meet nothing is whole.
  std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    return std::pair(a.at, !a.begins) < std::pair(b.at, !b.begins);
  });
  return EventsOf(fabric, changes);
}

}  // namespace weft
