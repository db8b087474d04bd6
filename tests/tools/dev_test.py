"""./dev asks dpkg what is missing and installs only that: tried with programs that pretend."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ("g++ cmake ninja-build libboost-graph-dev libprotobuf-dev protobuf-compiler "
          "libyaml-cpp-dev libcli11-dev libfmt-dev libexpected-dev libpugixml-dev nlohmann-json3-dev "
          "libsimgrid-dev libsqlite3-dev libceres-dev libssl-dev").split()
TOOLS = "bash cat dirname env expand grep mkdir mktemp nproc rm sed awk".split()

# Each says what it was asked in $LOG; dpkg knows the packages in $INSTALLED, and apt-get adds
# to them what it installs.
FAKES = {
    "id": 'echo "${FAKE_UID:-0}"',
    "dpkg-query": 'shift 3\nfor p in "$@"; do grep -qxF "$p" "$INSTALLED" && '
                  'printf "[%s installed]" "$p"; done\nexit 1',
    "apt-get": 'echo "apt-get $* [$DEBIAN_FRONTEND]" >>"$LOG"\n'
               '[[ $2 != "${APT_FAILS:-}" ]] || { echo "E: no such host"; exit 100; }\n'
               '[[ $2 != install ]] || printf "%s\\n" "${@:4}" >>"$INSTALLED"',
    "ctest": "echo '100% tests passed, 0 tests failed out of 3'",
    "cmake": 'echo "cmake $*" >>"$LOG"\n'
             '[[ $1 != --preset ]] || { echo BUILD_TESTING:BOOL=OFF >build/CMakeCache.txt; '
             '>build/build.ninja; }',
}
SUDO = 'echo "sudo $1" >>"$LOG"\nexec "$@"'


RAN = ("ran with weft\n\n"
       "the program is build/weft; start with: build/weft new collective hpn > my.yaml\n")


class Dev(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.bin = self.root / "bin"
        self.bin.mkdir()
        for tool in TOOLS:
            os.symlink(shutil.which(tool), self.bin / tool)
        for name, body in FAKES.items():
            self.fake(name, body)
        shutil.copy(ROOT / "dev", self.root)
        example = self.root / "examples/01-dual-plane/run.sh"
        example.parent.mkdir(parents=True)
        example.write_text('echo "ran with ${WEFT##*/}"\n')
        self.log, self.installed = self.root / "log", self.root / "installed"
        self.log.touch()
        self.have(NEEDED)

    def fake(self, name, body):
        path = self.bin / name
        path.write_text(f"#!{shutil.which('bash')}\n{body}\n")
        path.chmod(0o755)

    def have(self, packages):
        self.installed.write_text("".join(f"{name}\n" for name in packages))

    def dev(self, *verb, **environment):
        self.log.write_text("")
        done = subprocess.run(
            [self.root / "dev", *verb], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
            env={"PATH": str(self.bin), "LOG": str(self.log),
                 "INSTALLED": str(self.installed), **environment})
        return done, self.log.read_text().splitlines()

    def test_installs_only_what_is_missing_and_nothing_the_second_time(self):
        self.have(set(NEEDED) - {"g++", "libfmt-dev"})
        done, log = self.dev("run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(log[:2], [
            "apt-get -y update [noninteractive]",
            "apt-get -y install --no-install-recommends g++ libfmt-dev [noninteractive]"])
        self.assertIn("dev: installing g++ libfmt-dev\n", done.stderr)
        self.assertEqual(done.stdout, RAN)

        done, log = self.dev("run")
        self.assertEqual([line for line in log if "apt-get" in line or "--preset" in line], [])
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", RAN))

    def test_running_needs_nothing_of_testing(self):
        _, log = self.dev("run")
        self.assertEqual(log[0], "cmake --preset release -DBUILD_TESTING:BOOL=OFF")
        _, log = self.dev("test")
        self.assertIn("apt-get -y install --no-install-recommends "
                      "libgtest-dev libgmock-dev libbenchmark-dev clang-format python3 git "
                      "slurmctld slurm-client "
                      "[noninteractive]", log)
        self.assertIn("cmake --preset release -DBUILD_TESTING:BOOL=ON", log)

    def test_a_user_installs_through_sudo(self):
        self.have(set(NEEDED) - {"cmake"})
        self.fake("sudo", SUDO)
        done, log = self.dev("build", FAKE_UID="1000")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(log[:3], ["sudo env", "apt-get -y update [noninteractive]", "sudo env"])

    def test_without_root_or_sudo_it_says_what_to_install(self):
        self.have(set(NEEDED) - {"cmake", "g++"})
        done, log = self.dev("run", FAKE_UID="1000")
        self.assertEqual((done.returncode, log), (2, []))
        self.assertIn("neither root nor sudo", done.stderr)
        self.assertIn("  apt-get install --no-install-recommends g++ cmake\n", done.stderr)
        self.have(NEEDED)
        self.assertEqual(self.dev("run", FAKE_UID="1000")[0].returncode, 0)

    def test_says_when_the_lists_cannot_be_updated(self):
        self.have(set(NEEDED) - {"cmake"})
        done, log = self.dev("run", APT_FAILS="update")
        self.assertEqual((done.returncode, len(log)), (2, 1))
        self.assertIn("E: no such host", done.stderr)
        self.assertIn("the package lists could not be updated", done.stderr)

    def test_shows_what_failed(self):
        self.fake("cmake", "echo 'CMake Error: no'; exit 1")
        done, _ = self.dev("run")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("CMake Error: no", done.stderr)
        self.assertNotIn("ran with", done.stdout)

    def test_shows_progress_in_a_few_lines_and_what_a_compiler_says(self):
        self.fake("cmake", 'mkdir -p build; >build/build.ninja; [[ $1 == --build ]] || exit 0\n'
                  'for ((i = 1; i <= 80; ++i)); do echo "[$i/80] Building x"; done\n'
                  'echo "FAILED: x.o"; echo "x.cc:1: error: no"; exit 1')
        done, _ = self.dev("build")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.splitlines(), [
            "building weft: 1 of 80", "building weft: 20 of 80", "building weft: 40 of 80",
            "building weft: 60 of 80", "building weft: 80 of 80", "FAILED: x.o",
            "x.cc:1: error: no"])

    def test_refuses_a_verb_it_does_not_have(self):
        for verb in ("setup", "rm", "run.*"):
            done, log = self.dev(verb)
            self.assertEqual((done.returncode, log), (2, []), verb)
        done, _ = self.dev()
        self.assertIn("./dev test ", done.stdout)

    def test_its_last_line_counts_the_tests(self):
        self.fake("ctest", "echo '90% tests passed, 2 tests failed out of 20'; echo more; exit 8")
        self.have([*NEEDED, "libgtest-dev", "libgmock-dev", "libbenchmark-dev", "clang-format",
                   "python3", "git"])
        done, _ = self.dev("test")
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]),
                         (8, "18 passed, 2 failed"))


if __name__ == "__main__":
    unittest.main()
