"""suite.py: the stages of scripts/test: builds, then tests, counted over all their runners.

A stage is one command with a log of its own in build/log. Builds come first, one at a time on all
cores; tests follow, a few stages at once, since most of them wait rather than compute. A stage that
counted no test has failed: a run of nothing proves nothing.
"""
import argparse
import concurrent.futures
import dataclasses
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build/log")
WITH_SERVER = "test/postgres/with-server"
# Each report of a sanitizer goes to a file of its own, because nobody reads a daemon's stderr.
REPORTS = os.path.join(LOGS, "sanitizer")
# Tests of what runs in several threads; the others of these rooms are one thread each.
THREADED = re.compile(
    r"^(loop|store|store_traps|journal|hub|hub_threads|pruner|libpq|serve)$"
    r"|^postgres_(lost|silent|storm|suite|traps|hub_threads)$"
)
# Stages of tests at once; the first ones listed begin first, so that the long ones don't end last.
LANES = 3
# How often a daemon whose loop seemed slow is asked again before that is believed.
SLOW_RUNS = 3
# Long tests of what no compiler is known to see differently: the release build and the sanitizers
# of one compiler are enough. Most go to clang, whose stage has no database server to wait for.
LONG = {
    "store_power": "gcc",
    "folder": "clang",
    "model_wires": "clang",
    "runs_sim": "clang",
    "runs_stop": "clang",
}


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


@dataclasses.dataclass
class Stage:
    name: str
    command: list
    count: object  # Takes the stage, its output and exit code; gives Counts.
    env: dict = dataclasses.field(default_factory=dict)
    timeout_s: int = 600
    before: object = None
    slow: str = ""  # Where its daemons note turns of the loop that took long.
    log: str = ""


# --- What a runner's output says -----------------------------------------------------------------


def numbers(pattern, text):
    return sum(int(number) for number in re.findall(pattern, text, re.MULTILINE))


def count_cmocka(text):
    return Counts(
        numbers(r"^\[  PASSED  \] (\d+) test", text),
        numbers(r"^\[  FAILED  \] (\d+) test", text),
        numbers(r"^\[  SKIPPED \] (\d+) test", text),
    )


def without_passed(text):
    """A failed program's words without those of its tests that passed, which hide the one."""
    return re.sub(r"^\[ RUN      \] (.*)\n\[       OK \] \1\n", "", text, flags=re.MULTILINE)


def count_one_binary(record):
    """One line of meson's testlog.json: a cmocka program, a corpus replay, or one plain check."""
    text = record.get("stdout", "") + "\n" + record.get("stderr", "")
    counts = count_cmocka(text)
    if counts == Counts():
        counts.passed = numbers(r"^replayed: (\d+)", text) or int(record["result"] == "OK")
    if record["name"].startswith("drover:postgres "):
        counts.skipped = 0  # What only SQLite can show; its own run has shown it.
    if record["result"] != "OK" and counts.failed == 0:
        counts.failed = 1  # It crashed, timed out or leaked after its last test.
    return counts


def count_meson(stage, output, code):
    counts = Counts()
    path = os.path.join(stage.env["DROVER_SUITE_LOGS"], stage.env["DROVER_SUITE_LOG"] + ".json")
    try:
        with open(path, encoding="utf-8") as log:
            for line in log:
                record = json.loads(line)
                counts.add(count_one_binary(record))
                if record["result"] != "OK":
                    stage.log += f"--- {record['name']}: {record['result']}\n"
                    stage.log += without_passed(record.get("stdout", "")) + record.get("stderr", "")
    except FileNotFoundError:
        stage.log = output
    return at_least_one(counts, code)


def count_node(stage, output, code):
    counts = Counts(
        numbers(r"^# pass (\d+)", output),
        numbers(r"^# fail (\d+)", output) + numbers(r"^# cancelled (\d+)", output),
        numbers(r"^# (?:skipped|todo) (\d+)", output),
    )
    broken = re.findall(r"^ *not ok .*?\n +\.\.\.$", output, re.MULTILINE | re.DOTALL)
    stage.log = "\n".join(broken) or output
    return at_least_one(counts, code)


def count_python(stage, output, code):
    run = numbers(r"^Ran (\d+) tests?", output)
    failed = sum(numbers(rf"{word}=(\d+)", output) for word in ("failures", "errors"))
    skipped = numbers(r"skipped=(\d+)", output)
    stage.log = output
    passed = max(run - failed - skipped, 0)  # A test may have failed in several of its cases.
    return at_least_one(Counts(passed, failed, skipped), code)


def count_lint(stage, output, code):
    stage.log = output
    return at_least_one(
        Counts(numbers(r"^lint: (\d+) held", output), numbers(r", (\d+) broken", output)), code
    )


def count_exit(stage, output, code):
    """A build or a whole program: it worked or not."""
    stage.log = output
    return Counts(int(code == 0), int(code != 0))


def at_least_one(counts, code):
    if counts.failed == 0 and (code != 0 or counts.passed == 0):
        counts.failed = 1
    return counts


# --- The stages ----------------------------------------------------------------------------------


def build(name, *, compiler="gcc", sanitize="", kind="debugoptimized", targets=lambda folder: []):
    """A build directory build/NAME. `targets` is asked once it is configured."""
    folder = f"build/{name}"
    options = [f"-Dbuildtype={kind}", "-Dtests=enabled", "-Db_colorout=never"]
    if sanitize:
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
        run(["ninja", "-C", folder, "build.ninja"], {}, 300, check=True)
        stage.command = ["ninja", "-C", folder, "--quiet"] + sorted(set(targets(folder)))

    return Stage(f"build {name}", [], count_exit, before=configure, timeout_s=900)


def tests_of(folder):
    return json.loads(
        subprocess.check_output(["meson", "introspect", "--tests", folder], cwd=ROOT)
    )


def sanitized_tests(compiler, suites):
    """What that compiler's sanitizers are for, without the long ones of the other: their names."""
    def tests(folder):
        return [
            test["name"]
            for test in tests_of(folder)
            if LONG.get(test["name"], compiler) == compiler
            and test["suite"][0].split(":")[-1] in suites
        ]

    return tests


def threaded_tests(folder):
    """What the thread sanitizer is for: {name: program}."""
    found = {}
    for test in tests_of(folder):
        # The program may stand behind a wrapper, which is a source file.
        paths = [os.path.relpath(os.path.join(ROOT, folder, word), os.path.join(ROOT, folder))
                 for word in test["cmd"]]
        programs = [path for path in paths if not path.startswith("..")]
        if THREADED.match(test["name"]) and programs:
            found[test["name"]] = programs[0]
    return found


def sanitized():
    shared = f"log_path={REPORTS}:"
    return {
        "ASAN_OPTIONS": shared + "detect_leaks=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": shared + "print_stacktrace=1:halt_on_error=1",
        "TSAN_OPTIONS": shared + "halt_on_error=1:second_deadlock_stack=1",
        "ASAN_SYMBOLIZER_PATH": shutil.which("llvm-symbolizer") or "",
    }


def meson_tests(name, folder, *, suites=(), tests=None, processes=2,
                every_point=False):
    """Unit tests, fault tests in C and corpus replays of one build directory."""
    logs = os.path.join(ROOT, folder, "meson-logs")
    log = "suite-" + re.sub(r"\W+", "-", name)
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--logbase", log]
    command += ["--num-processes", str(processes)]
    command += ["-t", "60" if every_point else "3"]
    for suite in suites:
        command += ["--suite", suite]
    stage = Stage(name, command, count_meson)
    stage.env = {**sanitized(), "DROVER_SUITE_LOGS": logs, "DROVER_SUITE_LOG": log}
    if every_point:
        stage.env["DROVER_TEST_ALL"] = "1"
        stage.timeout_s = 6 * 3600

    def prepare(stage):
        path = os.path.join(logs, log + ".json")
        if os.path.exists(path):
            os.remove(path)
        if tests is not None:
            stage.command += sorted(tests(folder))

    stage.before = prepare
    return stage


def opted_in(word):
    """The files whose second comment line onwards says `// runs-with: ... word`."""
    found = []
    for path in sorted(glob.glob(os.path.join(ROOT, "test/*/*.test.mjs"))):
        with open(path, encoding="utf-8") as source:
            head = source.read(4000)
        match = re.search(r"^// runs-with: (.*)$", head, re.MULTILINE)
        wanted = match.group(1).split(", ") if match else ["release", "san"]
        if word in wanted:
            found.append(os.path.relpath(path, ROOT))
    return found


def node_tests(name, word, binary, *, postgres=False, brisk=False, env=None, before=None,
               timeout_s=600):
    files = opted_in(word)
    command = ["node", "--test", "--test-reporter=tap", *files]
    if postgres:
        command = [WITH_SERVER, "sh", "-c", 'DROVER_DATABASE=$DROVER_TEST_POSTGRES exec "$@"', "sh"]
        command += ["node", "--test", "--test-reporter=tap", *files]
    stage = Stage(name, command, count_node, before=before, timeout_s=timeout_s)
    stage.env = {"DROVER_BIN": binary, **sanitized(), **(env or {})}
    if brisk:
        stage.slow = os.path.join(LOGS, re.sub(r"\W+", "-", name) + ".slow")
        stage.env["DROVER_BRISK"] = stage.slow
    return stage if files else None


def valgrind_program(_stage):
    """A program that runs the release build under valgrind, leaving a report per process."""
    path = os.path.join(ROOT, "build/drover-valgrind")
    with open(path, "w", encoding="utf-8") as program:
        program.write(
            "#!/bin/sh\nexec valgrind -q --error-exitcode=99 --leak-check=full "
            f"--show-leak-kinds=definite --log-file={LOGS}/valgrind.%p "
            f'{ROOT}/build/release/drover "$@"\n'
        )
    os.chmod(path, 0o755)


def all_stages(every_kill):
    timeout_s = 6 * 3600 if every_kill else 600
    crash = {"DROVER_KILL_SECONDS": "100000", "DROVER_TEST_ALL": "1"} if every_kill else {}
    # The database server commits more slowly and starts more slowly: a fifth of the kills.
    crash_postgres = crash or {"DROVER_KILLS": "40"}
    builds = [
        build("release", kind="release"),
        Stage("strip build/drover", ["./scripts/build"], count_exit),
        build("san", sanitize="address,undefined"),
        build("clang", compiler="clang", sanitize="address,undefined"),
        build("tsan", sanitize="thread", targets=lambda folder: threaded_tests(folder).values()),
    ]
    tests = [
        meson_tests("unit and corpora, gcc ASan UBSan", "build/san",
                    tests=sanitized_tests("gcc", {"unit", "fuzz", "postgres"})),
        node_tests(
            "integration on SQLite", "release", "build/drover", brisk=not every_kill, env=crash,
            timeout_s=timeout_s,
        ),
        node_tests(
            "integration on PostgreSQL", "postgres", "build/drover", postgres=True,
            brisk=not every_kill, env=crash_postgres, timeout_s=timeout_s,
        ),
        node_tests("integration, sanitized", "san", "build/san/drover"),
        meson_tests("unit and faults, release build", "build/release", suites=["unit"],
                    every_point=every_kill),
        meson_tests("unit and corpora, clang ASan UBSan", "build/clang",
                    tests=sanitized_tests("clang", {"unit", "fuzz"})),
        meson_tests("unit of threads, TSan", "build/tsan", tests=threaded_tests),
        node_tests(
            "integration, valgrind", "valgrind", "build/drover-valgrind", before=valgrind_program
        ),
        Stage("lint", [sys.executable, "scripts/lint"], count_lint),
        Stage("scripts and lint refuse what they must",
              [sys.executable, "-m", "unittest", "discover", "-s", "test/scripts"], count_python),
        Stage("demo", ["./scripts/demo"], count_exit, timeout_s=120),
    ]
    return builds, [stage for stage in tests if stage is not None]


# --- Running -------------------------------------------------------------------------------------

children = set()
lock = threading.Lock()


def run(command, env, timeout_s, check=False):
    """Gives (output, exit code). The command is a process group of its own, ended as a whole."""
    child = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )
    with lock:
        children.add(child)
    try:
        output, _ = child.communicate(timeout=timeout_s)
        code = child.returncode
    except subprocess.TimeoutExpired:
        end(child)
        output, _ = child.communicate()
        output += f"\nended: it took over {timeout_s} s\n".encode()
        code = 124
    finally:
        with lock:
            children.discard(child)
    text = output.decode("utf-8", "replace")
    if check and code != 0:
        raise RuntimeError(text)
    return text, code


def end(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def give_up(number, _frame):
    for child in list(children):
        end(child)
    os._exit(128 + number)


def perform(stage):
    start = time.monotonic()
    output, code = "", 1
    try:
        if stage.before is not None:
            stage.before(stage)
        output, code = run(stage.command, stage.env, stage.timeout_s)
        counts = stage.count(stage, output, code)
    except (RuntimeError, OSError, ValueError, subprocess.CalledProcessError) as error:
        stage.log = f"{output}\n{error}"
        counts = Counts(failed=1)
    name = re.sub(r"\W+", "-", stage.name)
    with open(os.path.join(LOGS, name + ".log"), "w", encoding="utf-8") as log:
        log.write(output + "\n" + stage.log)
    report(stage, counts, time.monotonic() - start)
    return counts


def report(stage, counts, seconds):
    word = "FAILED" if counts.failed else "ok"
    skipped = f", {counts.skipped} skipped" if counts.skipped else ""
    with lock:
        print(f"{word:6} {stage.name:40} {counts.passed:5} ok{skipped}  {seconds:5.0f} s")
        if counts.failed:
            for line in stage.log.rstrip().splitlines()[-200:]:
                print("       | " + line)
        sys.stdout.flush()


# Valgrind's words about system calls that it passes on unknown: landlock's and seccomp's.
UNKNOWN_CALL = re.compile(
    r"(?:^--\d+-- WARNING: unhandled \S+ syscall: \d+\n"
    r"^--\d+-- You may .*\n^--\d+-- Read .*\n^--\d+-- Nevertheless .*\n^--\d+-- it at .*\n)+",
    re.MULTILINE,
)


def collect_reports():
    """What sanitizers and valgrind wrote aside: each file that says something is a failure."""
    counts = Counts()
    for path in sorted(glob.glob(REPORTS + ".*") + glob.glob(os.path.join(LOGS, "valgrind.*"))):
        with open(path, encoding="utf-8", errors="replace") as report_file:
            text = UNKNOWN_CALL.sub("", report_file.read())
        if text.strip():
            counts.failed += 1
            print(f"FAILED {os.path.relpath(path, ROOT)}\n{text[:6000]}", flush=True)
    return counts


def slow_daemons(path):
    """Which daemons noted a turn of the loop that took long: {(file, number): a line of theirs}."""
    try:
        with open(path, encoding="utf-8") as lines:
            notes = [json.loads(line) for line in lines]
    except FileNotFoundError:
        return {}
    return {(note["file"], note["daemon"]): note["slow"][0] for note in notes}


def judge_turns(stages):
    """No turn of a release build's loop may take over 2 ms of CPU. A host that lends its cores to
    others charges their time to whoever runs, so a daemon that was slow is asked again, alone: what
    is slow by itself is slow each time, what the host took is gone. One check over all stages."""
    start = time.monotonic()
    counts, stage = Counts(passed=1), Stage("no turn of the loop takes long", [], None)
    for tested in stages:
        suspects = slow_daemons(tested.slow)
        for _ in range(SLOW_RUNS):
            if not suspects:
                break
            os.remove(tested.slow)
            files = sorted({file for file, _ in suspects})
            print(f"       asked again for slow turns: {', '.join(files)}", flush=True)
            command = [word for word in tested.command if not word.endswith(".test.mjs")] + files
            run(command, tested.env, tested.timeout_s)
            again = slow_daemons(tested.slow)
            suspects = {key: line for key, line in suspects.items() if key in again}
        for (file, number), line in suspects.items():
            counts = Counts(failed=1)
            stage.log += f"{tested.name}: {file}, daemon {number}, in every run: {line}\n"
    report(stage, counts, time.monotonic() - start)
    return counts


def main():
    parser = argparse.ArgumentParser(prog="scripts/test")
    parser.add_argument("--all", action="store_true", help="take every kill point")
    parser.add_argument("--list", action="store_true", help="name the stages")
    parser.add_argument("name", nargs="*", help="only stages with this in their name")
    options = parser.parse_args()
    builds, tests = all_stages(options.all)
    if options.list:
        print("\n".join(stage.name for stage in builds + tests))
        return 0
    if options.name:
        wanted = lambda stage: any(name in stage.name for name in options.name)
        builds = [stage for stage in builds if wanted(stage)]
        tests = [stage for stage in tests if wanted(stage)]
    os.makedirs(LOGS, exist_ok=True)
    for path in glob.glob(os.path.join(LOGS, "*")):
        os.remove(path)
    total = Counts()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, give_up)
    for stage in builds:
        total.add(perform(stage))
    if total.failed:
        tests = []  # Tests of a build that is not there would only repeat that.
    with concurrent.futures.ThreadPoolExecutor(max_workers=LANES) as pool:
        for counts in pool.map(perform, tests):
            total.add(counts)
    brisk = [stage for stage in tests if stage.slow]
    if brisk:
        total.add(judge_turns(brisk))
    total.add(collect_reports())
    if total == Counts():
        total.failed = 1
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{skipped}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
