"""flakes.py: runs test files again and again on a machine that is busy, and lists what failed.

A test that passes alone on an idle machine may still rely on a clock. Here each file runs TIMES
times beside two loops that compute and a writer that syncs. The files, their runners and their
limits are those of scripts/test (suite.py); the scale is measured beside the noise.
"""
import argparse
import os
import signal
import subprocess
import sys
import tempfile

import decoy
import host
import suite
from runner import LOGS, give_up, slug

TIMES = 20
BUSY = "while True: pass"
# Syncs 64 kB again and again, in a file that does not grow.
WRITER = """
import os, sys, tempfile
with tempfile.TemporaryFile(dir=sys.argv[1]) as file:
    while True:
        os.pwrite(file.fileno(), bytes(65536), 0)
        os.fsync(file.fileno())
"""


class Noise:
    """Two busy loops and a writer, from `with` to its end. They end with this program, too."""

    def __enter__(self):
        words = [[BUSY], [BUSY], [WRITER, tempfile.gettempdir()]]
        dies_with_us = ["setpriv", "--pdeathsig=KILL", sys.executable, "-c"]
        self.children = [subprocess.Popen(dies_with_us + one) for one in words]
        return self

    def __exit__(self, *_error):
        for child in self.children:
            child.kill()
            child.wait()


def try_file(stage, file, times):
    """Runs one file so many times. Gives [(number of the run, path of its output)] of those that
    failed."""
    folder = os.path.join(LOGS, "flakes")
    os.makedirs(folder, exist_ok=True)
    failed = []
    for number in range(1, times + 1):
        counts, output, _ = stage.execute([file])
        if counts.failed:
            path = os.path.join(folder, f"{slug(stage.name)}-{slug(file)}.{number}.log")
            with open(path, "w", encoding="utf-8") as log:
                log.write(output + "\n" + stage.log)
            failed.append((number, path))
    return failed


def stages_of(options):
    """[(stage, files)] of what is to run: files of Node on one database, and tests of meson."""
    program = "build/drover" if options.build == "build/release" else f"{options.build}/drover"
    share = {"every": False, "turn": 0}  # Its files are not asked for.
    released = set(suite.opted_in("release", "*", True, 0))
    on_server = set(suite.opted_in("postgres", "*", True, 0))
    tests = [test["name"] for test in suite.tests_of(options.build)]
    wanted = options.file or sorted(released | on_server) + tests
    node = [file for file in wanted if file.endswith(".mjs")]
    server = [file for file in node if file in on_server and
              (options.postgres or file not in released)]
    unknown = [file for file in wanted if file not in tests and file not in released | on_server]
    if unknown:
        raise SystemExit(f"flakes: no test file is called {', '.join(unknown)}")
    env = {"DROVER_KILL_SECONDS": "10"}
    return [
        (suite.node_tests("flakes SQLite", "release", program, **share, env=env),
         [file for file in node if file not in server]),
        (suite.node_tests("flakes PostgreSQL", "postgres", program, **share, env=env), server),
        (suite.meson_tests("flakes", options.build, tests=lambda folder: tests),
         [name for name in wanted if name in tests]),
    ]


def try_all(stages, times):
    """Gives how many files ran, and how many of them failed at least once."""
    ran = failed = 0
    for stage, files in stages:
        for file in files:
            runs = try_file(stage, file, times)
            ran, failed = ran + 1, failed + bool(runs)
            word = f"FAILED {len(runs)} of {times}" if runs else f"ok {times} of {times}"
            print(f"{word}  {file}", flush=True)
            for number, path in runs:
                print(f"       run {number}: {path}", flush=True)
    return ran, failed


def main():
    parser = argparse.ArgumentParser(prog="scripts/flakes")
    parser.add_argument("--times", type=int, default=TIMES, help="runs of each file")
    parser.add_argument("--postgres", action="store_true", help="files of Node on PostgreSQL")
    parser.add_argument("--build", default="build/release", help="a build directory, as it is")
    parser.add_argument("file", nargs="*", help="a test file of Node, or the name of a C test")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, give_up)
    os.makedirs(LOGS, exist_ok=True)
    if options.build == "build/release":
        every_test = lambda folder: [test["name"] for test in suite.tests_of(folder)]
        targets = suite.programs_of(every_test, *suite.PROGRAMS)
        for stage in (suite.build("release", kind="release", targets=targets), suite.strip_stage()):
            if suite.perform(stage)[0].failed:
                return 1
    with Noise(), decoy.Decoy() as provider:
        scale, words = host.measure_scale(tempfile.gettempdir())
        print(words, flush=True)
        os.environ.update(provider.env, DROVER_TEST_SCALE=str(scale))
        ran, failed = try_all(stages_of(options), options.times)
    print(f"{ran} files, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
