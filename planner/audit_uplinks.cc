// A leaf's uplinks: how many its ports allow, how many its endpoints ask for, how many are cabled,
// and what they take above.
#include "planner/auditor.h"

namespace weft {

double Auditor::MostUp(const SwitchRow& leaf, double over) const {
  const double by_rate = leaf.chip_bps / (1 + over) / ask_.up_bps;
  const double down_an_up = over * ask_.up_bps / ask_.rate_bps;
  const double by_ports = static_cast<double>(leaf.most_ports) / (1 + down_an_up);
  return leaf.most_ports > 0 ? std::min(by_rate, by_ports) : by_rate;
}

std::int64_t Auditor::LeafDown(const SwitchRow& leaf) const {
  if (down_ > 0) return down_;
  return Down(MostUp(leaf) * ask_.over * ask_.up_bps / ask_.rate_bps);
}

std::int64_t Auditor::LeafUp() const { return up_ > 0 ? up_ : Down(MostUp(*leaf_)); }

std::int64_t Auditor::UplinksOf(std::int64_t endpoints, double over) const {
  return Up(static_cast<double>(endpoints) * ask_.rate_bps / over / ask_.up_bps);
}

void Auditor::DeriveUplinks() {
  const int tiers = Tiers();
  const std::int64_t leaves = Count(SwitchRole::kLeaf), cabled = Links(CableRow::End::kSwitch);
  uplinks_.nonblocking = UplinksOf(ask_.endpoints, 1);
  uplinks_.least = UplinksOf(ask_.endpoints, ask_.over);
  uplinks_.asked = ask_.over_said ? uplinks_.least : uplinks_.nonblocking;
  // The cables say what is meant, unless they are too few for the ratio that is said, digits that
  // it lacks aside.
  const bool few = static_cast<double>(cabled) * 1.01 < static_cast<double>(uplinks_.least);
  const bool by_cables = tiers == 2 && cabled > 0 && !(ask_.over_said && few);
  uplinks_.all = by_cables ? cabled : uplinks_.least;
  if (tiers == 3) DeriveAbove(cabled);
  if (tiers != 2 || leaves == 0) return;
  // Without cables a leaf is taken to use all the uplinks that its ports leave it.
  uplinks_.spread = cabled > 0 ? uplinks_.all : std::max(uplinks_.all, leaves * LeafUp());
  const bool whole = uplinks_.spread % leaves == 0 && uplinks_.spread >= leaves;
  uplinks_.each = whole ? uplinks_.spread / leaves : LeafUp();
}

// Of three tiers no more leaves the spines than enters them, at the ratio that is said.
void Auditor::DeriveAbove(std::int64_t cabled) {
  std::int64_t& above = uplinks_.above;
  if (ask_.upper > 0) above = UplinksOf(ask_.endpoints, std::max(ask_.upper, ask_.over));
  uplinks_.above_meant = above;
  if (cabled == 0) return;
  // Of cables the leaves take what they have ports for: the last one may be half full.
  above = std::max<std::int64_t>(0, cabled - MostUplinks());
  const std::int64_t least = uplinks_.least;
  if (bill_.spine_oversubscription)
    above = std::max(above, Down(static_cast<double>(least) / bill_.spine_oversubscription->value));
  uplinks_.above_meant = above;
  // Cabled for 1:1 in every tier, and nobody says that the spines are not: ports that spare leaves
  // have free carry nothing. Where no ratio is said a tenth less is no fault.
  const bool throughout = ask_.over <= 1 && !bill_.spine_oversubscription &&
                          static_cast<double>(cabled) * 1.01 >= 2 * static_cast<double>(least);
  if (!throughout) return;
  const std::int64_t asked = ask_.over_said ? least : Up(static_cast<double>(least) / 1.1);
  above = std::max(above, std::min(cabled - least, asked));
  uplinks_.above_meant = std::max(above, least);
}

// Cables upwards that the leaves have ports for: at the ratio that is said, or beside the
// endpoints.
std::int64_t Auditor::MostUplinks() const {
  const std::int64_t leaves = Count(SwitchRole::kLeaf);
  if (leaves == 0) return uplinks_.least;
  if (ask_.over_said && Uniform(SwitchRole::kLeaf))
    return std::max(uplinks_.least, leaves * LeafUp());
  double chips_bps = 0;
  for (const SwitchRow& one : bill_.switches)
    if (one.role == SwitchRole::kLeaf) chips_bps += static_cast<double>(one.count) * one.chip_bps;
  const double left_bps = chips_bps - static_cast<double>(ask_.endpoints) * ask_.rate_bps;
  return std::max(uplinks_.least, Down(left_bps / ask_.up_bps));
}

// By the cables between switches, as if all were leaves' uplinks.
double Auditor::CabledRatio() const {
  return static_cast<double>(ask_.endpoints) * ask_.rate_bps /
         (static_cast<double>(Links(CableRow::End::kSwitch)) * ask_.up_bps);
}

// Whether fewer cables lie between switches than their ratio asks for. Where none is said a tenth
// is what a leaf keeps free: 15:16 of HPN's ToRs is no fault. Then every tier is asked to be 1:1,
// or what is said of spines; a ratio is the leaves' alone.
bool Auditor::FewCables() const {
  const std::int64_t between = Links(CableRow::End::kSwitch);
  if (bill_.routers || between == 0 || Links(CableRow::End::kAny) > 0 || Tiers() == 1) return false;
  if (ask_.over_said) return between < uplinks_.asked && CabledRatio() > ask_.over * 1.01;
  const double each = CablesOfUplink();
  return between < Up(static_cast<double>(uplinks_.asked) * each) && CabledRatio() * each > 1.1;
}

// Uplinks of a leaf at 1:1, as DeriveUplinks has them at the bill's own ratio.
std::int64_t Auditor::EachNonblocking() const {
  const std::int64_t leaves = Count(SwitchRole::kLeaf);
  if (uplinks_.nonblocking % leaves == 0) return uplinks_.nonblocking / leaves;
  return up_ > 0 ? up_ : Down(MostUp(*leaf_, 1));
}

// Of two tiers, the leaves and spines that the bill lacks for 1:1: "", ", 32 leaves and 16 spines".
std::string Auditor::BesideNonblocking() const {
  if (Tiers() != 2) return "";
  std::vector<std::string> lacking;
  const auto add = [&](SwitchRole role, std::int64_t of_one, std::int64_t links, const char* noun) {
    const std::int64_t least = CeilDiv(links, std::max<std::int64_t>(1, of_one));
    if (Uniform(role) && Count(role) > 0 && Count(role) < least)
      lacking.push_back(Counted(least, noun));
  };
  add(SwitchRole::kLeaf, Down(MostUp(*leaf_, 1)), uplinks_.nonblocking, "leaf");
  add(SwitchRole::kSpine, Ports(*spine_, ask_.up_bps), uplinks_.nonblocking, "spine");
  return lacking.empty() ? "" : ", with " + fmt::format("{}", fmt::join(lacking, " and "));
}

// Of cables between leaves and spines those that carry a link: legs of split ones that lie unused,
// a few, are none, and every leaf has equally many of the rest.
std::int64_t Auditor::LeafLinks(std::int64_t cabled) const {
  const std::int64_t leaves = Count(SwitchRole::kLeaf);
  if (leaves == 0 || cabled <= leaves) return cabled;
  const std::int64_t unused = cabled % leaves;
  return unused * 50 < cabled ? cabled - unused : cabled;
}

// A leaf's ports down beside so many uplinks: they may leave fewer than its ratio allows.
std::int64_t Auditor::DownBeside(std::int64_t up) const {
  const double left_bps = leaf_->chip_bps - static_cast<double>(up) * ask_.up_bps;
  std::int64_t left = Down(left_bps / ask_.rate_bps);
  if (leaf_->most_ports > 0) left = std::min(left, leaf_->most_ports - up);
  return left > 0 ? std::min(LeafDown(), left) : LeafDown();
}

// Of two tiers, of so many now: leaves are filled first, so that the last one counts but once. They
// come `step` at a time.
std::int64_t Auditor::GrownUplinks(std::int64_t now, std::int64_t step) const {
  const std::int64_t leaves = Count(SwitchRole::kLeaf);
  if (!bill_.growth || leaves == 0 || LeafDown() <= 0) return Grown(now);
  now = LeafLinks(now);
  const std::int64_t each = CeilDiv(now, leaves);
  const std::int64_t of_plane =
      CeilDiv(CeilDiv(Grown(ask_.endpoints), ask_.planes), DownBeside(each));
  const std::int64_t grown = ask_.planes * CeilDiv(of_plane, step) * step;
  return std::min(Grown(now), std::max(now, grown * each));
}

}  // namespace weft
