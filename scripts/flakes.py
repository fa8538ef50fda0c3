"""flakes.py: runs test files again and again on a machine that is busy, and lists what failed.

A test that passes alone on an idle machine may still rely on a clock. Here each file runs TIMES
times beside two loops that compute and a writer that syncs. The files, their runners and their
limits are those of scripts/test (suite.py); the scale is measured beside the noise. Several files
run at once, each in a lane with records of its own; one file never runs beside itself.
"""
import argparse
import collections
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import decoy
import host
import suite
from runner import LOGS, give_up, lock, slug

TIMES = 20
# Most files wait more than they compute.
LANES = 3
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


class Tried:
    """How the runs of one file went."""

    def __init__(self, file):
        self.file = file
        self.failed = []  # [(number of the run, path of its output)]
        self.seconds = []  # Of each run.

    def print(self):
        times = len(self.seconds)
        word = f"FAILED {len(self.failed)} of {times}" if self.failed else f"ok {times} of {times}"
        print(f"{word}  {self.file}  ({sum(self.seconds) / times:.1f} s a run,"
              f" {max(self.seconds):.1f} s the longest)", flush=True)
        for number, path in self.failed:
            print(f"       run {number}: {path}", flush=True)


def try_file(stage, file, times):
    """Runs one file so many times. Gives its Tried."""
    folder = os.path.join(LOGS, "flakes")
    os.makedirs(folder, exist_ok=True)
    tried = Tried(file)
    for number in range(1, times + 1):
        start = time.monotonic()
        counts, output, _ = stage.execute([file])
        tried.seconds.append(time.monotonic() - start)
        if counts.failed:
            path = os.path.join(folder, f"{slug(stage.name)}-{slug(file)}.{number}.log")
            with open(path, "w", encoding="utf-8") as log:
                log.write(output + "\n" + stage.log)
            tried.failed.append((number, path))
    return tried


def stages_of(options):
    """[(stage of a lane, files)] of what is to run: files of Node on one database, and tests of
    meson. A stage is made for each lane, since it records how its files ended."""
    program = "build/drover" if options.build == "build/release" else f"{options.build}/drover"
    share = {"every": False, "turn": 0}  # Its files are not asked for.
    released = set(suite.opted_in("release", "*", True, 0))
    on_server = set(suite.opted_in("postgres", "*", True, 0))
    tests = [test["name"] for test in suite.tests_of(options.build)]
    wanted = options.file or sorted(released | on_server) + tests
    unknown = [file for file in wanted if file not in tests and file not in released | on_server]
    if unknown:
        raise SystemExit(f"flakes: no test file is called {', '.join(unknown)}")
    number, of = options.share
    wanted = wanted[number - 1::of]
    node = [file for file in wanted if file.endswith(".mjs")]
    server = [file for file in node if file in on_server and
              (options.postgres or file not in released)]
    env = {"DROVER_KILL_SECONDS": "10"}

    def on_nodes(name, word):
        return lambda lane: suite.node_tests(f"flakes {name} {lane}", word, program, **share,
                                             env=env)

    return [
        (on_nodes("SQLite", "release"), [file for file in node if file not in server]),
        (on_nodes("PostgreSQL", "postgres"), server),
        (lambda lane: suite.meson_tests(f"flakes {lane}", options.build, tests=lambda _: tests),
         [name for name in wanted if name in tests]),
    ]


def try_all(stages, times, lanes=1):
    """Gives how many files ran, and how many of them failed at least once."""
    waiting = collections.deque((make, file) for make, files in stages for file in files)
    done = []

    def work(lane):
        while waiting:
            try:
                make, file = waiting.popleft()
            except IndexError:  # Another lane took the last one.
                return
            tried = try_file(make(lane), file, times)
            with lock:
                done.append(tried)
                tried.print()

    workers = [threading.Thread(target=work, args=(lane,)) for lane in range(1, lanes + 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(done), sum(bool(tried.failed) for tried in done)


def share_of(text):
    """Reads 2/4, the second of four shares, as (2, 4)."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text} is no share: 2/4 is the second of four")
    return int(match[1]), int(match[2])


def main():
    parser = argparse.ArgumentParser(prog="scripts/flakes")
    parser.add_argument("--times", type=int, default=TIMES, help="runs of each file")
    parser.add_argument("--postgres", action="store_true", help="files of Node on PostgreSQL")
    parser.add_argument("--lanes", type=int, default=LANES, help="files that run at once")
    parser.add_argument("--share", type=share_of, default=(1, 1), metavar="I/N",
                        help="only the I-th of N shares of the files")
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
        ran, failed = try_all(stages_of(options), options.times, options.lanes)
    print(f"{ran} files, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
