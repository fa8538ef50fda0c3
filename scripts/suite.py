"""suite.py: the stages of scripts/test: builds, then tests, counted over all their runners.

A stage is one command with a log of its own in build/log. Builds run one at a time on all cores.
Tests run beside them, as soon as what they need is built, a few stages at once, since most of them
wait rather than compute. A stage that counted no test has failed: a run of nothing proves nothing.
A file that failed runs once more at the end: again.py. docs/testing.md tells how to read what is
printed.

All of it has to fit into twelve minutes of two cores: shares.py says what runs when.
"""
import argparse
import concurrent.futures
import functools
import glob
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import again
import decoy
import host
import leftovers
import shares
import units
from counts import Counts, count_exit, count_lint, count_meson, count_node, count_python
from runner import LOGS, REPORTS, ROOT, Stage, give_up, leaving, lock, run, scale, slug

WITH_SERVER = "test/postgres/with-server"
FRESH = {"DROVER_TEST_POSTGRES_FRESH": os.path.join(LOGS, "cluster")}
# Programs of the release build that tests in other languages run.
PROGRAMS = ["drover", "test/fault/drover-faulty", "test/fault/holder-faulty",
            "test/fault/custody-worker", "test/worker/alone", "test/unit/session-seed",
            "test/unit/sql_plans.so",
            "test/sim/sim"]
# Folders of build/, by compiler.
SANITIZED = {"gcc": "san", "clang": "clang"}
# Stages at once: so many that wait (False) and that compute, and more while the cores have been
# idle for more than this share of the last seconds. The first ones listed begin first.
LANES, LANES_MAX = {False: 2, True: 1}, 7
IDLE_SHARE, IDLE_S = 0.07, 5
# How often a daemon whose loop seemed slow is asked again before that is believed, and of how
# many of a stage: what makes more of them slow makes the slowest ones slow.
SLOW_RUNS = 3
SLOW_MAX = 6
SLOW_US = 2000
HOST_BREATH_S = 0.1
# A test file of Node that prints nothing for longer hangs.
FILE_S = 300
# Tests that kill at random do it for a shorter time then.
SHORT = {"DROVER_KILL_SECONDS": "10"}
# Seeds of the simulator: from 1 on, with one host, with two and with three, of which each of eight
# commits takes an eighth; fresh ones, from --seed on; then some under the sanitizers.
SEEDS_FIXED, SEEDS_HOSTS, SEEDS_FRESH, SEEDS_SANITIZED = 300, 60, 100, 40
# Of the world of flows: 10,000 random flows, of which each of eight commits judges an eighth.
SEEDS_FLOWS, FLOWS_A_SEED = 400, 24
# Of the world of changes, likewise.
SEEDS_CHANGES = 200


# --- The stages ----------------------------------------------------------------------------------


def build(name, *, compiler="gcc", sanitize="", kind="debugoptimized", targets=lambda folder: []):
    """A build directory build/NAME. `targets` is asked once it is configured."""
    folder = f"build/{name}"
    options = [f"-Dbuildtype={kind}", "-Dtests=enabled", "-Db_colorout=never"]
    if sanitize:
        # The optimiser takes longer than it saves; a report still has its lines.
        options += ["-Doptimization=0", "-Dc_args=-g1"]
        # As for tests (test/meson.build).
        options += ["-Dc_link_args=-fuse-ld=gold"]
        # gcc warns of what its sanitizers inserted; the release build has its opinion of ours.
        options += ["-Dwerror=false"] if compiler == "gcc" else []
        options += [f"-Db_sanitize={sanitize}", "-Db_lundef=false"]

    def configure(stage):
        marker = os.path.join(ROOT, folder, "suite-options")
        wanted = repr((compiler, options))
        if not os.path.exists(marker) or open(marker, encoding="utf-8").read() != wanted:
            fresh = not os.path.exists(os.path.join(ROOT, folder, "build.ninja"))
            command = ["meson", "setup"] + ([] if fresh else ["--reconfigure"]) + [folder]
            run(command + options, {"CC": compiler}, 300, check=True)
            with open(marker, "w", encoding="utf-8") as out:
                out.write(wanted)
        # A test that was added since is a target only after meson has read of it.
        look_again = units.is_stale(os.path.join(ROOT, folder))
        run(["meson", "setup", "--reconfigure", folder] if look_again
            else ["ninja", "-C", folder, "build.ninja"], {}, 300, check=True)
        stage.command = ["ninja", "-C", folder, "--quiet"] + sorted(set(targets(folder)))

    diary = os.path.join(ROOT, folder, ".ninja_log")
    return Stage(f"build {name}", [], count_exit, before=configure, diary=diary, makes=folder,
                 computes=True)


def strip_stage():
    return Stage("strip build/drover", ["./scripts/build"], count_exit, makes="build/drover")


def introspected(folder, what):
    return json.loads(subprocess.check_output(["meson", "introspect", what, folder], cwd=ROOT))


def tests_of(folder):
    return introspected(folder, "--tests")


def chosen(share, suites, every):
    """All tests of these suites, or those of them that are in the share."""
    def tests(folder):
        found = [(test["name"], test["suite"][0].split(":")[-1]) for test in tests_of(folder)]
        names = [name for name, _ in found] if every else share(found)
        return [name for name, suite in found if suite in suites and name in names]

    return tests


def programs_of(tests, *others):
    """What these tests need to be built, beside the others: paths in the build directory."""
    def targets(folder):
        names = set(tests(folder))
        needed = {one for test in tests_of(folder) if test["name"] in names
                  for one in test["depends"]}
        files = [target["filename"][0] for target in introspected(folder, "--targets")
                 if target["id"] in needed]
        return [*others, *(os.path.relpath(file, os.path.join(ROOT, folder)) for file in files)]

    return targets


def threaded_tests(folder, share):
    """What the thread sanitizer is for, as far as it is in the share: {name: program}."""
    found = {}
    for test in tests_of(folder):
        # The program may stand behind a wrapper, which is a source file.
        paths = [os.path.relpath(os.path.join(ROOT, folder, word), os.path.join(ROOT, folder))
                 for word in test["cmd"]]
        programs = [path for path in paths if not path.startswith("..")]
        if "drover:threads" in test["suite"] and programs:
            found[test["name"]] = programs[0]
    return {name: found[name] for name in share(found)}


def sanitized(stage):
    shared = f"log_path={stage.reports().removesuffix('.')}:"
    return {
        "ASAN_OPTIONS": shared + "detect_leaks=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": shared + "print_stacktrace=1:halt_on_error=1",
        "TSAN_OPTIONS": shared + "halt_on_error=1:second_deadlock_stack=1",
        "ASAN_SYMBOLIZER_PATH": shutil.which("llvm-symbolizer") or "",
    }


def needs(folder):
    """What tests of this folder begin after. Of the release build, none begin just before those
    that take longest, which wait for the binary without symbols."""
    return ["build/drover" if folder == "build/release" else folder]


def meson_tests(name, folder, *, tests, processes=2, every_point=False, share=""):
    """Unit tests, fault tests in C and corpus replays of one build directory."""
    logs = os.path.join(ROOT, folder, "meson-logs")
    log = "suite-" + slug(name)
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--logbase", log]
    command += ["--num-processes", str(processes)]
    command += ["-t", f"{(60 if every_point else 3) * scale():g}"]
    stage = Stage(name, command, count_meson, records=os.path.join(logs, log + ".json"),
                  needs=needs(folder), computes=True)
    stage.env = {**sanitized(stage), **FRESH} | ({"DROVER_SHARE": share} if share else {})
    if every_point:
        stage.env["DROVER_TEST_ALL"] = "1"
        stage.silence_s = 6 * 3600

    def prepare(stage):
        stage.files = sorted(tests(folder))

    stage.before = prepare
    return stage


def tmux_setup(stage):
    run(["./scripts/setup", "screens"], {}, 600, check=True)


@functools.cache
def wants(path):
    with open(path, encoding="utf-8") as source:
        match = re.search(r"^// runs-with: (.*)$", source.read(4000), re.MULTILINE)
    return match.group(1).split(", ") if match else ["release", "san"]


def opted_in(word, rooms, every, turn):
    """The files whose second comment line onwards says `// runs-with: ... word`."""
    found = []
    for path in sorted(glob.glob(os.path.join(ROOT, f"test/{rooms}/*.test.mjs"))):
        wanted = wants(path)
        name = os.path.relpath(path, ROOT)
        changed = name in shares.recent(ROOT)
        if word in wanted if every else shares.takes(word, wanted, name, turn, changed):
            found.append(name)
    return found


def node_choices(seed):
    """What a test file of Node chooses by chance, and every run of a file chooses it again. By
    chance of its own, the second run of a failed file would leave out what failed."""
    number = seed // shares.SEED_STEP
    return {"DROVER_SEED": str(number), "DROVER_FAULT_OFFSET": f"{number % 9973 / 9973:.4f}"}


def size_of(name):
    """Long files take long: halves of a list in this order take about the same time, and what
    takes long begins first."""
    return os.path.getsize(os.path.join(ROOT, name))


def node_tests(name, word, binary, *, every, rooms="*", turn=0, choices=None, brisk=False, env=None,
               before=None, part=slice(None)):
    records = os.path.join(LOGS, slug(name) + ".records")
    limit_s = 6 * 3600 if every else FILE_S
    command = [sys.executable, "scripts/files.py", records, str(limit_s)]
    if word == "postgres":
        server = [WITH_SERVER, "sh", "-c", 'DROVER_DATABASE=$DROVER_TEST_POSTGRES exec "$@"', "sh"]
        command = server + command
    # A file may also run programs of PROGRAMS, which are built before build/drover.
    stage = Stage(name, command, count_node, before=before, records=records,
                  needs=["build/drover", os.path.dirname(binary)])
    stage.files = sorted(opted_in(word, rooms, every, turn), key=size_of, reverse=True)[part]
    stage.silence_s = 6 * 3600 if every else stage.silence_s
    stage.env = {"DROVER_BIN": binary, **sanitized(stage), **FRESH}
    stage.env |= (choices or {}) | (env or {})
    if brisk:
        stage.slow = os.path.join(LOGS, slug(name) + ".slow")
        stage.env["DROVER_BRISK"] = stage.slow
    return stage if stage.files else None


def halves(name, *words, **options):
    """Two stages with half of the files each."""
    return [node_tests(f"{name}, {which} half", *words, **options, part=slice(start, None, 2))
            for start, which in enumerate(["first", "second"])]


def simulator(kind, folder, count, first, *options):
    """Seeds of the simulator. None of these stages runs again: a seed does the same each time, so
    that a failure is one. The report has the command that replays it."""
    program = f"{folder}/test/sim/sim"
    stage = Stage(f"simulator, {kind} seeds",
                  [program, "--seeds", str(count), "--from", str(first), *options],
                  count_exit, needs=needs(folder), computes=True)
    # To stderr, which the simulator reports with the seed; it clears the environment of the rest.
    symbols = shutil.which("llvm-symbolizer") or ""
    reports = f"external_symbolizer_path={symbols}:halt_on_error=1:print_stacktrace=1"
    stage.env = {"ASAN_OPTIONS": f"{reports}:detect_leaks=0", "UBSAN_OPTIONS": reports}
    return stage


def seeds_of(count, every, turn):
    """Of the seeds from 1 to count the first that is taken, and the first one behind those."""
    at = turn % shares.PARTS
    return (1, count + 1) if every else (1 + at * count // shares.PARTS,
                                         1 + (at + 1) * count // shares.PARTS)


def fixed_seeds(kind, count, every, turn, *options):
    first, end = seeds_of(count, every, turn)
    return simulator(kind, "build/release", end - first, first, *options)


def flow_seeds(every, turn):
    """Fails, too, when fewer flows were judged than there should be."""
    first, end = seeds_of(SEEDS_FLOWS, every, turn)
    return fixed_seeds("fixed flows", SEEDS_FLOWS, every, turn, "--world", "flows", "--judged",
                       str((end - first) * FLOWS_A_SEED))


def valgrind_program(stage):
    """A program that runs the release build under valgrind, leaving a report per process."""
    path = os.path.join(ROOT, "build/drover-valgrind")
    with open(path, "w", encoding="utf-8") as program:
        program.write(
            "#!/bin/sh\nexec valgrind -q --error-exitcode=99 --leak-check=full "
            f"--show-leak-kinds=definite --log-file={stage.reports()}%p "
            f'{ROOT}/build/release/drover "$@"\n'
        )
    os.chmod(path, 0o755)


def all_stages(every_kill, turn, seed):
    crash = {"DROVER_KILL_SECONDS": "100000", "DROVER_TEST_ALL": "1"} if every_kill else {}
    # The database server commits more slowly and starts more slowly: a fifth of the kills.
    crash_postgres = crash or {"DROVER_KILLS": "40"}
    released = chosen(lambda tests: shares.released(tests, turn), {"unit"}, every_kill)
    checked = chosen(lambda tests: shares.sanitized(tests, turn), {"unit", "fuzz", "postgres"},
                     every_kill)
    compilers = shares.compilers(turn, every_kill)
    share = lambda sanitized: "" if every_kill else shares.cases(turn, sanitized)
    # Tests for which the sanitizers of one compiler are enough.
    san = f"build/{SANITIZED[compilers[0]]}"
    threads = lambda folder: threaded_tests(
        folder, lambda names: names if every_kill else shares.threaded(names, turn))
    both = "address,undefined"
    taken = {"every": every_kill, "turn": turn, "choices": node_choices(seed)}
    builds = [
        build("release", kind="release", targets=programs_of(released, *PROGRAMS)),
        strip_stage(),
        *[build(SANITIZED[compiler], compiler=compiler, sanitize=both,
                targets=programs_of(checked, "drover", "test/sim/sim")) for compiler in compilers],
        build("tsan", sanitize="thread", targets=lambda folder: threads(folder).values()),
    ]
    for before, after in zip(builds, builds[1:]):
        after.needs = [before.makes]
    tests = [
        # Those first that wait most: they take one file after the other, while builds, unit tests
        # and the database server compute.
        *halves("web pages in Chromium", "web", "build/drover", **taken, rooms="web"),
        *halves("integration on SQLite", "release", "build/drover", **taken, rooms="[!f]*",
                brisk=not every_kill),
        node_tests("faults on SQLite", "release", "build/drover", **taken, rooms="fault",
                   brisk=not every_kill, env=crash),
        *halves("integration, sanitized", "san", f"{san}/drover", **taken),
        *halves("integration on PostgreSQL", "postgres", "build/drover", **taken,
                brisk=not every_kill, env=crash_postgres),
        meson_tests("unit and faults, release build", "build/release", tests=released,
                    every_point=every_kill, share=share(False)),
        *[meson_tests(f"unit and corpora, {compiler} ASan UBSan", f"build/{SANITIZED[compiler]}",
                      tests=checked, share=share(True)) for compiler in compilers],
        meson_tests("unit of threads, TSan", "build/tsan", tests=threads),
        node_tests("integration, valgrind", "valgrind", "build/drover-valgrind", **taken,
                   before=valgrind_program),
        # The width of a screen must not depend on the length of TMPDIR.
        node_tests("screens on tmux", "screens", "build/drover", **taken, rooms="screens",
                   before=tmux_setup, env={"TMPDIR": "/tmp"}) if every_kill else None,
        # A root of its own, in which packages are installed; typed at a terminal.
        node_tests("newcomer in a bare root", "bare", "build/drover", **taken, rooms="newcomer",
                   before=tmux_setup) if every_kill else None,
        simulator("sanitized", san, SEEDS_SANITIZED, seed + SEEDS_FRESH),
        simulator("fresh", "build/release", SEEDS_FRESH, seed),
        fixed_seeds("fixed", SEEDS_FIXED, every_kill, turn),
        *[fixed_seeds(f"fixed {word}-host", SEEDS_HOSTS, every_kill, turn, "--hosts", hosts)
          for word, hosts in (("two", "2"), ("three", "3"))],
        flow_seeds(every_kill, turn),
        fixed_seeds("fixed changes", SEEDS_CHANGES, every_kill, turn, "--world", "changes"),
        Stage("lint", [sys.executable, "scripts/lint"], count_lint, computes=True),
        Stage("scripts and lint refuse what they must",
              [sys.executable, "-m", "unittest", "discover", "-s", "test/scripts"], count_python,
              second_run=True, computes=True),
        Stage("demo", ["./scripts/demo"], count_exit, silence_s=120, second_run=True,
              needs=["build/drover"]),
        # It makes a root of its own and installs packages there.
        Stage("package in a bare root", ["./test/package/run"], count_exit, needs=["build/drover"])
        if every_kill else None,
    ]
    return builds, [stage for stage in tests if stage is not None]


# --- Running -------------------------------------------------------------------------------------

def perform(stage):
    """Gives (Counts, [Failed], its seconds of CPU): the files that run once more."""
    start = time.monotonic()
    output, cpu_s, failed = "", 0, []
    try:
        if stage.before is not None:
            stage.before(stage)
        counts, output, cpu_s = stage.execute(stage.files)
        failed = again.failed_files(stage, counts, output)
    except (RuntimeError, OSError, ValueError, subprocess.CalledProcessError) as error:
        stage.log = f"{output}\n{error}"
        counts = Counts(failed=1)
    with open(os.path.join(LOGS, slug(stage.name) + ".log"), "w", encoding="utf-8") as log:
        log.write(output + "\n" + stage.log)
    report(stage, counts, time.monotonic() - start, cpu_s, failed)
    return counts, failed, cpu_s


def report(stage, counts, seconds, cpu_s=0, failed=()):
    word = "FAILED" if stage.not_run else "again" if failed else "FAILED" if counts.failed else "ok"
    skipped = f", {counts.skipped} skipped" if counts.skipped else ""
    with lock:
        print(f"{word:6} {stage.name:40} {counts.passed:5} ok{skipped}  {seconds:5.0f} s "
              f"({cpu_s:.0f} s of CPU)")
        for one in failed:
            what = "failed by a crash" if one.crash else "failed, and runs again at the end"
            print(f"       {what}: {one.first.name}")
        if stage.not_run:
            print(f"       not run: {', '.join(stage.not_run)}")
        if counts.failed and not failed:
            again.print_log(stage.log, print)
        sys.stdout.flush()


def collect_reports():
    """What sanitizers and valgrind wrote aside: each file that says something is a failure."""
    counts = Counts()
    for path, text in again.findings(REPORTS + "-"):
        counts.failed += 1
        print(f"FAILED {os.path.relpath(path, ROOT)}\n{text[:6000]}", flush=True)
    return counts


def slow_daemons(path):
    """Which daemons noted turns of the loop that took long: {(file, number): us of the longest}."""
    try:
        with open(path, encoding="utf-8") as lines:
            notes = [json.loads(line) for line in lines]
    except FileNotFoundError:
        return {}
    slow = {}
    for note in notes:
        key = (note["file"], note["daemon"])
        turns_us = [json.loads(line)["cpu_us"] for line in note["slow"]]
        slow[key] = max(slow.get(key, 0), *turns_us)
    return slow


def cases_of(suspects):
    """The tests that suspects belong to, by file: a daemon is called TEST: NUMBER (lib.mjs). A
    file with a suspect that more than one test had is asked as a whole."""
    cases = {}
    for file, daemon in suspects:
        cases.setdefault(file, set()).add(str(daemon).rpartition(": ")[0])
    return {file: sorted(names) for file, names in cases.items() if "" not in names}


def ask_again(tested, first_us):
    """The daemons of a stage that are slow in every run, as lines of a log: at first over
    `first_us`, and later over what is allowed on this host at that time."""
    found = sorted(slow_daemons(tested.slow).items(), key=lambda one: one[1], reverse=True)
    suspects = {key: [us] for key, us in found[:SLOW_MAX] if us > first_us}
    for _ in range(SLOW_RUNS):
        if not suspects:
            break
        os.remove(tested.slow)
        files = sorted({file for file, _ in suspects})
        print(f"       asked again for slow turns: {', '.join(files)}", flush=True)
        with host.Host() as here:
            only = {"DROVER_CASES": json.dumps(cases_of(suspects))}
            run(tested.command + files, {**tested.env, **SHORT, **only}, tested.silence_s)
        again = slow_daemons(tested.slow)
        suspects = {key: [*us, again[key]] for key, us in suspects.items()
                    if again.get(key, 0) > here.allowed_us(SLOW_US)}
    return "".join(f"{tested.name}: {file}, daemon {number}, in every run; us: {us}\n"
                   for (file, number), us in suspects.items())


def judge_turns(stages, first_us):
    """No turn of a release build's loop may take over 2 ms of CPU: `first_us` on this machine while
    the stages ran. A host that lends its cores to others charges their time to whoever runs, so a
    daemon that was slow is asked again, with a core for each stage that is left, and held against
    what a piece of fixed work takes beside it: what is slow by itself is slow each time, what the
    host took is gone. One check over all stages."""
    start = time.monotonic()
    stage = Stage("no turn of the loop takes long", [], None)
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        stage.log = "".join(pool.map(ask_again, stages, itertools.repeat(first_us)))
    counts = Counts(failed=1) if stage.log else Counts(passed=1)
    report(stage, counts, time.monotonic() - start)
    return counts


def judge_decoy(provider):
    """Every test ran in the environment of a user with keys, a default model and local servers."""
    stage = Stage("no test asked the user's provider", [], None)
    stage.log = "".join(f"{request}\n" for request in provider.asked)
    counts = Counts(failed=1) if stage.log else Counts(passed=1)
    report(stage, counts, 0)
    return counts


def judge_leftovers(left):
    stage = Stage("no test left a file behind", [], None)
    stage.log = "".join(f"{path}\n" for path in left.found())
    counts = Counts(failed=1) if stage.log else Counts(passed=1)
    report(stage, counts, 0)
    return counts


class Cores:
    """Whether they idled since somebody began to work, and for IDLE_S at least."""

    def __init__(self):
        self.begin()

    def begin(self):
        self.since, self.before = time.monotonic(), host.core_ticks()

    def idled(self):
        if time.monotonic() - self.since < IDLE_S:
            return False
        idle, ticks = (now - then for now, then in zip(host.core_ticks(), self.before))
        self.begin()
        return idle > IDLE_SHARE * ticks


class Lanes:
    """Runs stages, a few at once: each lane takes the first stage of which all is there that it
    needs. After a build that failed no stage begins: its tests would only repeat that."""

    def __init__(self, stages):
        self.waiting, self.pending = list(stages), {stage.makes for stage in stages if stage.makes}
        self.changed, self.cores = threading.Condition(), Cores()
        self.running = dict.fromkeys(LANES, 0)
        self.total, self.failed, self.busy_s, self.cpu_s = Counts(), [], 0, 0

    def is_ready(self, stage):
        """Nothing else computes before the last build has begun: tests wait for builds."""
        builds = any(one.makes for one in self.waiting)
        return (not self.pending.intersection(stage.needs) and
                (bool(stage.makes) or not stage.computes or not builds))

    def next_stage(self):
        """The stage that a lane begins with; None when nothing is left to begin."""
        with self.changed:
            while self.waiting:
                ready = [one for one in self.waiting if self.is_ready(one)]
                free = [one for one in ready if self.running[one.computes] < LANES[one.computes]]
                stage = (free or ready)[0] if free or ready and self.cores.idled() else None
                if stage is not None:
                    self.waiting.remove(stage)
                    self.running[stage.computes] += 1
                    self.cores.begin()
                    return stage
                self.changed.wait(timeout=1)
        return None

    def lane(self):
        while stage := self.next_stage():
            start = time.monotonic()
            counts, failed, cpu_s = perform(stage)
            with self.changed:
                self.running[stage.computes] -= 1
                self.total.add(counts)
                self.failed += failed
                self.busy_s += time.monotonic() - start
                self.cpu_s += cpu_s
                self.pending.discard(stage.makes)
                if stage.makes and counts.failed:
                    self.waiting.clear()
                self.changed.notify_all()

    def run(self):
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(max_workers=LANES_MAX) as pool:
            for lane in [pool.submit(self.lane) for _ in range(LANES_MAX)]:
                lane.result()
        took_s = time.monotonic() - start
        print(f"lanes  {took_s:.0f} s: {self.busy_s:.0f} s of stages, {self.cpu_s:.0f} s of CPU "
              f"on {os.cpu_count()} cores", flush=True)


def run_tests(stages):
    """All of them, a few at once; then, alone, what has to run again. Gives the sum."""
    print_line = functools.partial(print, flush=True)
    lanes = Lanes(stages)
    with host.Host(HOST_BREATH_S) as here:
        lanes.run()
    total, failed = lanes.total, lanes.failed
    again.print_slowest(stages, print_line)
    brisk = [stage for stage in stages if stage.slow]
    if brisk:
        total.add(judge_turns(brisk, here.typical_us_of(SLOW_US)))
    if failed:
        set_scale(print_line)  # The machine may be busier than it was.
    total.add(again.run_again(failed, print_line))
    total.add(collect_reports())
    return total


def set_scale(print_line):
    """Measures it, and tells all runners; it never falls during a test run."""
    factor, words = host.measure_scale(tempfile.gettempdir())
    os.environ["DROVER_TEST_SCALE"] = str(max(factor, scale()))
    print_line(words)


def main():
    parser = argparse.ArgumentParser(prog="scripts/test")
    parser.add_argument("--all", action="store_true", help="take every kill point")
    parser.add_argument("--seed", type=int, default=shares.fresh_seed(ROOT, SEEDS_FIXED + 1),
                        help="the first of the simulator's fresh seeds, not the commit's")
    parser.add_argument("--turn", type=int, choices=range(shares.TURNS), default=shares.turn(ROOT),
                        help="the share of this turn (shares.py), not the commit's")
    parser.add_argument("--list", action="store_true", help="name the stages")
    parser.add_argument("name", nargs="*", help="only stages with this in their name")
    options = parser.parse_args()
    if not options.list:
        os.environ.pop("DROVER_TEST_SCALE", None)
        set_scale(functools.partial(print, flush=True))
    builds, tests = all_stages(options.all, options.turn, options.seed)
    if options.list:
        print("\n".join(stage.name for stage in builds + tests))
        return 0
    if options.name:
        stages = [stage.name for stage in builds + tests]
        unknown = [name for name in options.name if not any(name in stage for stage in stages)]
        if unknown:
            print(f"scripts/test: no stage has this in its name (see --list): {', '.join(unknown)}")
            return 1
        wanted = lambda stage: any(name in stage.name for name in options.name)
        builds = [stage for stage in builds if wanted(stage)]
        tests = [stage for stage in tests if wanted(stage)]
    shutil.rmtree(LOGS, ignore_errors=True)
    os.makedirs(LOGS)
    total = Counts()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, give_up)
    print(f"turn {options.turn} of {shares.TURNS}" if not options.all else "all", flush=True)
    print(f"fresh seeds of the simulator: from {options.seed}", flush=True)
    with leftovers.Leftovers() as left, decoy.Decoy() as provider:
        leaving.append(left.remove)
        os.environ.update(provider.env)
        # As lib.mjs of the integration tests: nothing above the folders of tests is their project.
        os.environ["GIT_CEILING_DIRECTORIES"] = f"{os.path.realpath(left.folder)}:/tmp"
        total.add(run_tests([*builds, *tests]))
        total.add(judge_decoy(provider))
        total.add(judge_leftovers(left))
    if total == Counts():
        total.failed = 1
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{skipped}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
