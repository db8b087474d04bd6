#include "sim/simgrid/solver_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "base/check.h"

namespace weft {
namespace {

static_assert(std::is_trivially_copyable_v<OperationRecord>);

// What travels: the sizes tell a stray write from a record.
struct Packet {
  std::uint32_t magic = 0x77656674, size = sizeof(OperationRecord);
  OperationRecord record;
};

class PacketWriter {
 public:
  PacketWriter(int pipe, pid_t parent) : pipe_(pipe), parent_(parent) {}

  void Write(const OperationRecord& record) {
    if (getppid() != parent_) _exit(1);
    packets_.emplace_back().record = record;
    if (packets_.size() == kMost || record.kind == OperationRecord::Kind::kFinished) Flush();
  }

 private:
  static constexpr std::size_t kMost = 64;

  void Flush() {
    const char* at = reinterpret_cast<const char*>(packets_.data());
    std::size_t left = packets_.size() * sizeof(Packet);
    while (left > 0) {
      const ssize_t written = write(pipe_, at, left);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) _exit(1);  // nobody reads any more
      at += written;
      left -= static_cast<std::size_t>(written);
    }
    packets_.clear();
  }

  int pipe_;
  pid_t parent_;
  std::vector<Packet> packets_;
};

}  // namespace

SolverProcess::SolverProcess(const std::function<void(const Record&)>& work) {
  int ends[2];
  WEFT_CHECK(pipe2(ends, O_CLOEXEC) == 0);
  pipe_ = ends[0];
  log_ = memfd_create("weft-simgrid", MFD_CLOEXEC);
  WEFT_CHECK(log_ >= 0);
  const pid_t parent = getpid();
  pid_ = fork();
  WEFT_CHECK(pid_ >= 0);
  if (pid_ == 0) Work(work, ends[1], parent);
  close(ends[1]);
}

void SolverProcess::Work(const std::function<void(const Record&)>& work, int pipe,
                         pid_t parent) const {
  pipe = fcntl(pipe, F_DUPFD, STDERR_FILENO + 1);  // in case weft began without these three
  dup2(log_, STDOUT_FILENO);
  dup2(log_, STDERR_FILENO);
  // The pipes of other solvers, inherited, would hide from their parents that they ended.
  if (pipe > 3) close_range(3, static_cast<unsigned>(pipe) - 1, 0);
  close_range(static_cast<unsigned>(pipe) + 1, UINT_MAX, 0);
  signal(SIGTERM, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  PacketWriter writer(pipe, parent);
  work([&](const OperationRecord& record) { writer.Write(record); });
  _exit(0);
}

SolverProcess::~SolverProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  close(pipe_);
  close(log_);
}

void SolverProcess::Read(std::vector<OperationRecord>& records,
                         std::chrono::milliseconds patience) {
  if (finished_) return;
  pollfd waiting{pipe_, POLLIN, 0};
  if (poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) return;  // or interrupted
  char block[1 << 16];
  const ssize_t got = read(pipe_, block, sizeof block);
  if (got < 0 && errno == EINTR) return;
  if (got <= 0) Fail();
  bytes_.insert(bytes_.end(), block, block + got);
  Unpack(records);
  if (!finished_) return;
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  pid_ = -1;
}

void SolverProcess::Unpack(std::vector<OperationRecord>& records) {
  std::size_t at = 0;
  for (; bytes_.size() - at >= sizeof(Packet); at += sizeof(Packet)) {
    Packet packet;
    std::memcpy(&packet, bytes_.data() + at, sizeof packet);
    const Packet expected;
    if (packet.magic != expected.magic || packet.size != expected.size) Fail();
    finished_ = packet.record.kind == OperationRecord::Kind::kFinished;
    records.push_back(packet.record);
  }
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at));
}

void SolverProcess::Fail() {
  int status = 0;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  char text[2000];
  const ssize_t length = pread(log_, text, sizeof text - 1, 0);
  text[length > 0 ? length : 0] = '\0';
  std::fprintf(stderr, "weft: the SimGrid process ended early (%s %d)%s%s\n",
               WIFSIGNALED(status) ? "signal" : "exit status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
               length > 0 ? ":\n" : "", text);
  const bool simgrid_reached_the_end = false;
  WEFT_CHECK(simgrid_reached_the_end);
  std::abort();
}

}  // namespace weft
