// Against tables that NCCL's own code computed, where they lie beside the checkout: choices_*.csv
// and graphs_*.csv, whose comments say how they were made. WEFT_NCCL_TABLES names another folder.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/workloads/nccl_host.h"
#include "workloads/collectives/nccl/choice.h"
#include "workloads/collectives/nccl/shape.h"

namespace weft {
namespace {

using Row = std::map<std::string, std::string>;

std::filesystem::path Tables() {
  const char* folder = std::getenv("WEFT_NCCL_TABLES");
  return folder != nullptr ? folder
                           : std::filesystem::path(WEFT_SOURCE_DIR) / "../shared/data/nccl";
}

std::vector<Row> ReadRows(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> names;
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells;
    std::istringstream text(line);
    for (std::string cell; std::getline(text, cell, ',');) cells.push_back(cell);
    if (names.empty()) {
      names = cells;
      continue;
    }
    Row row;
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = i < cells.size() ? cells[i] : "";
    rows.push_back(row);
  }
  return rows;
}

// The systems that the tables name, as weft's hosts.
const std::map<std::string, std::string> kHosts = {
    {"dgx_a100", "dgx-a100"}, {"dgx_h100", "hgx-h100"},  {"hgx_h800", "hgx-h800"},
    {"dgx_b200", "hgx-b200"}, {"dgx1_v100", "dgx-v100"}, {"gb200_nvl72", "gb200-nvl72"}};

const NcclComm& CommOf(const Row& row) {
  static std::map<std::string, NcclComm> comms;
  const std::string system = row.at("system").substr(0, row.at("system").find("_ppn"));
  const std::string key =
      system + ' ' + row.at("nodes") + ' ' + row.at("ppn") + ' ' + row.at("nccl_version");
  const auto found = comms.find(key);
  if (found != comms.end()) return found->second;
  return comms[key] =
             BuildNcclComm(NcclHost(kHosts.at(system)), std::stoi(row.at("nodes")),
                           std::stoi(row.at("ppn")), *FindNcclRules(row.at("nccl_version"))->rules);
}

bool Known(const Row& row) {
  return kHosts.contains(row.at("system").substr(0, row.at("system").find("_ppn")));
}

const std::map<std::string, NcclOp> kOps = {{"all_reduce", NcclOp::kAllReduce},
                                            {"all_gather", NcclOp::kAllGather},
                                            {"reduce_scatter", NcclOp::kReduceScatter},
                                            {"broadcast", NcclOp::kBroadcast},
                                            {"reduce", NcclOp::kReduce}};

std::vector<std::filesystem::path> Files(const std::string& prefix) {
  std::vector<std::filesystem::path> out;
  if (std::filesystem::is_directory(Tables()))
    for (const auto& entry : std::filesystem::directory_iterator(Tables()))
      if (entry.path().filename().string().starts_with(prefix)) out.push_back(entry.path());
  return out;
}

TEST(NcclTables, ChoicesAreTheSame) {
  const auto files = Files("choices_");
  if (files.empty()) GTEST_SKIP() << "no choices_*.csv in " << Tables();
  int rows = 0, same = 0, near = 0, channels = 0;
  for (const auto& file : files)
    for (const Row& row : ReadRows(file)) {
      if (!Known(row)) continue;
      const auto choice =
          ChooseNccl(CommOf(row), kOps.at(row.at("op")), Bytes(std::stoll(row.at("bytes"))));
      ASSERT_TRUE(choice);
      const double predicted = std::stod(row.at("predicted_us"));
      ++rows;
      same += NcclName(choice->algorithm) == row.at("algorithm") &&
              NcclName(choice->protocol) == row.at("protocol");
      near += std::abs(choice->predicted_us - predicted) <= 0.02 * predicted;
      channels += choice->channels == std::stoi(row.at("channels"));
    }
  RecordProperty("rows", rows);
  EXPECT_GE(same, 0.98 * rows);
  EXPECT_GE(near, 0.95 * rows);
  EXPECT_GE(channels, 0.90 * rows);
}

std::string Joined(const std::vector<int>& values, char mark) {
  std::string out;
  for (const int value : values)
    out += (out.empty() ? "" : std::string(1, mark)) + std::to_string(value);
  return out.empty() ? "-" : out;
}

TEST(NcclTables, RingsAndTreesAreTheSame) {
  const auto files = Files("graphs_");
  if (files.empty()) GTEST_SKIP() << "no graphs_*.csv in " << Tables();
  std::map<const NcclComm*, NcclShapes> shapes;
  for (const auto& file : files)
    for (const Row& row : ReadRows(file)) {
      if (!Known(row)) continue;
      const std::string& record = row.at("record");
      if (record != "ring" && !record.starts_with("tree_")) continue;
      const NcclComm& comm = CommOf(row);
      auto found = shapes.find(&comm);
      if (found == shapes.end()) found = shapes.emplace(&comm, BuildNcclShapes(comm)).first;
      const auto channel = std::stoul(row.at("channel"));
      SCOPED_TRACE(row.at("system") + ' ' + row.at("nodes") + ' ' + record + ' ' +
                   row.at("channel"));
      ASSERT_LT(channel, found->second.rings.size());
      const NcclTree& tree = found->second.trees[channel];
      if (record == "ring") {
        EXPECT_EQ(Joined(found->second.rings[channel], ' '), row.at("value"));
      } else if (record == "tree_parent") {
        EXPECT_EQ(Joined(tree.parent, ' '), row.at("value"));
      } else {
        std::string children;
        for (const std::vector<int>& own : tree.children)
          children += (children.empty() ? "" : " ") + Joined(own, '/');
        EXPECT_EQ(children, row.at("value"));
      }
    }
}

}  // namespace
}  // namespace weft
