"""flakes.py: runs test files again and again on a machine that is busy, and lists what failed.

A test that passes alone on an idle machine may still rely on a clock. Here each file runs TIMES
times beside two loops that compute and a writer that syncs. The files, their runners and their
limits are those of scripts/test (suite.py); the scale is measured beside the noise.

Several lanes run files at once, each lane with results of its own. A lane takes the next file that
has not begun; when none is left, it takes runs of a file of Node that has most runs to go, so that
the last files run beside themselves and every lane is busy to the end. All runs of a C test are one
call of meson, because meson takes longer to start than most of these tests.

The record is a text file with a line for each file: verdict, runs that passed, runs, seconds of CPU
and of time a run, the digest of the file, its name. With --continue the files that passed before
are left out, unless their text (or program) changed, and the cheapest ones run first.
"""
import argparse
import hashlib
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
from counts import FileResult
from runner import LOGS, ROOT, give_up, lock, slug

TIMES = 20
# A file computes for a fifth of its time or less: this many keep two cores busy beside the noise.
LANES = 8
JOIN_S = 0.5
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

    def __init__(self, make, file, times):
        self.make = make  # Takes the number of a lane, gives the stage for it.
        self.file = file
        self.left = times  # Runs that no lane has taken.
        self.running = 0  # Lanes that run the file.
        self.failed = []  # [(number of the run, path of its output)]
        self.seconds = []  # Of each run.
        self.cpu_s = 0

    def keep(self, stage, output):
        """Writes the output of the last run, which failed."""
        folder = os.path.join(LOGS, "flakes")
        os.makedirs(folder, exist_ok=True)
        number = len(self.seconds)
        path = os.path.join(folder, f"{slug(stage.name)}-{slug(self.file)}.{number}.log")
        with open(path, "w", encoding="utf-8") as log:
            log.write(output + "\n" + stage.log)
        self.failed.append((number, path))

    def print(self):
        times = len(self.seconds)
        word = f"FAILED {len(self.failed)} of {times}" if self.failed else f"ok {times} of {times}"
        print(f"{word}  {self.file}  ({sum(self.seconds) / times:.1f} s a run,"
              f" {max(self.seconds):.1f} s the longest, {self.cpu_s / times:.1f} s of CPU)",
              flush=True)
        for number, path in self.failed:
            print(f"       run {number}: {path}", flush=True)


def run_part(stage, tried, times):
    """Runs the file of `tried` so many times, or until it fails. Gives the number of runs."""
    stage.silence_s *= times
    if times > 1:
        stage.command = stage.command + ["--repeat", str(times)]
    counts, output, cpu_s = stage.execute([tried.file])
    results = stage.results or [FileResult(tried.file, counts, 0, output, stage.log)]
    failed = [result.counts.failed > 0 for result in results]
    # The runner itself may fail after a file that did not.
    failed[-1] = failed[-1] or (counts.failed > 0 and not any(failed))
    with lock:
        tried.cpu_s += cpu_s
        for result, has_failed in zip(results, failed):
            tried.seconds.append(result.seconds)
            if has_failed:
                tried.keep(stage, result.output if times > 1 else output)
    return len(results)


def take_part(waiting):
    """The next (Tried, number of runs) for a lane, or None. Call with the lock held."""
    fresh = [tried for tried in waiting if tried.left > 0 and not tried.running]
    shared = [tried for tried in waiting if tried.left > 0 and tried.file.endswith(".mjs")]
    if not fresh and not shared:
        return None
    tried = fresh[0] if fresh else max(shared, key=lambda one: one.left)
    times = 1 if tried.file.endswith(".mjs") else tried.left
    tried.left -= times
    tried.running += 1
    return tried, times


def try_all(stages, times, lanes=1, on_tried=Tried.print):
    """Gives how many files ran, and how many of them failed at least once."""
    waiting = [Tried(make, file, times) for make, files in stages for file in files]
    everyone = list(waiting)

    def work(lane):
        while True:
            with lock:
                part = take_part(waiting)
            if part is None:
                return
            tried, taken = part
            done = run_part(tried.make(lane), tried, taken)
            with lock:
                tried.running -= 1
                tried.left += taken - done
                if not tried.left and not tried.running:
                    waiting.remove(tried)
                    on_tried(tried)

    workers = [threading.Thread(target=work, args=(lane,)) for lane in range(1, lanes + 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        # Handlers of signals run in this thread, and a wait without a limit may never call them:
        # the kernel gives a signal to any thread.
        while worker.is_alive():
            worker.join(JOIN_S)
    return len(everyone), sum(bool(tried.failed) for tried in everyone)


class Record:
    """What each file came to when it was run last, in a text file that outlives this program."""

    def __init__(self, path):
        self.path = path
        self.last = {}  # {file: (verdict, times, cpu_s of a run, digest)}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                for line in lines:
                    verdict, _, times, cpu_s, _, digest, file = line.split()
                    self.last[file] = (verdict, int(times), float(cpu_s), digest)

    def has_passed(self, file, times, digest):
        verdict, before, _, digest_before = self.last.get(file, ("", 0, 0, ""))
        return verdict == "ok" and before >= times and digest_before == digest

    def cpu_s(self, file):
        return self.last[file][2] if file in self.last else 0

    def note(self, tried, digest):
        times = len(tried.seconds)
        verdict, passed = "FAILED" if tried.failed else "ok", times - len(tried.failed)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as lines:
            lines.write(f"{verdict:6} {passed:3} {times:3} {tried.cpu_s / times:8.2f}"
                        f" {sum(tried.seconds) / times:8.2f} {digest} {tried.file}\n")


def digests_of(files, build):
    """{file: digest} of the text of a test file of Node, or of the program of a C test."""
    commands = {test["name"]: test["cmd"] for test in suite.tests_of(build)}
    digests = {}
    for file in files:
        digest = hashlib.sha256()
        # A word is a path of the source tree, of the build directory, or none.
        words = [os.path.join(build, word) for word in commands.get(file, [])] or [file]
        for path in [os.path.join(ROOT, word) for word in words]:
            if os.path.isfile(path):
                with open(path, "rb") as content:
                    digest.update(content.read())
        digests[file] = digest.hexdigest()[:12]
    return digests


def run_stages(stages, options):
    """Runs what the record does not already show, and adds it. Gives the counts of try_all."""
    name = "record-postgres.txt" if options.postgres else "record.txt"
    record = Record(os.path.join(LOGS, "flakes", name))
    digests = digests_of([file for _, files in stages for file in files], options.build)
    if options.resume:
        stages = [(make, sorted((file for file in files if not record.has_passed(
            file, options.times, digests[file])), key=record.cpu_s)) for make, files in stages]

    def on_tried(tried):
        tried.print()
        record.note(tried, digests[tried.file])

    return try_all(stages, options.times, options.lanes, on_tried)


def stages_of(options):
    """[(stage of a lane, files)] of what is to run: tests of meson, and files of Node on one
    database. A stage is made for each lane, since it records how its files ended."""
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
        (lambda lane: suite.meson_tests(f"flakes {lane}", options.build, tests=lambda _: tests,
                                        processes=1),
         [name for name in wanted if name in tests]),
        (on_nodes("SQLite", "release"), [file for file in node if file not in server]),
        (on_nodes("PostgreSQL", "postgres"), server),
    ]


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
    parser.add_argument("--continue", dest="resume", action="store_true",
                        help="only files that have not passed, by the record in build/log/flakes")
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
        ran, failed = run_stages(stages_of(options), options)
    print(f"{ran} files, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
