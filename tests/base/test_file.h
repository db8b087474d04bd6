// Files of tests, where no other run of the same tests finds them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace weft {

// A folder made for this process, gone when it ends.
class TestFolder {
 public:
  TestFolder() : path_(testing::TempDir() + "weft_XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TestFolder() {
    std::error_code ignored;
    if (getpid() == owner_) std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  pid_t owner_ = getpid();  // children that a test forks leave it alone
};

// Where a test of this process has its file or folder of that name.
inline std::string TestFile(const std::string& name) {
  static const TestFolder folder;
  return folder.path() + "/" + name;
}

}  // namespace weft
