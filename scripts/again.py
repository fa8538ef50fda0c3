"""again.py: the second run of files that failed, and the verdict: flaky or failed.

A file that failed runs once more, alone, when everything else has ended. A file that passes then is
flaky: reported by name, with both outputs kept in build/log/again, and counted as passed. More than
FLAKY_MAX of them fail the run, because a run that needs many second tries proves little. What a
sanitizer reported is a fault of the product and never flaky: no file of a stage with a report runs
again, since nobody can say which of them caused it. So is a crash: a failed file whose output has
the words of one has failed, and does not run again.
"""
import dataclasses
import glob
import os
import re

from counts import Counts, FileResult
from runner import LOGS, slug

FLAKY_MAX = 2
# With more failed files than this the build is broken, and second runs would only repeat that.
SECOND_RUNS_MAX = 10
SLOWEST = 10

# Valgrind's words about system calls that it passes on unknown: landlock's and seccomp's.
UNKNOWN_CALL = re.compile(
    r"(?:^--\d+-- WARNING: unhandled \S+ syscall: \d+\n"
    r"^--\d+-- You may .*\n^--\d+-- Read .*\n^--\d+-- Nevertheless .*\n^--\d+-- it at .*\n)+",
    re.MULTILINE,
)

# The leak sanitizer's words where a test kills a process that is just looking for leaks at its end.
# Nothing was found then: a leak is told by other lines.
KILLED_AT_ITS_END = re.compile(
    r"^==\d+==Unable to get registers from thread \d+\.\n(?:\n|\Z)", re.MULTILINE)

# A crash of ours, in the words of the C library about an assert that does not hold, of lib.mjs
# about a daemon, or of cmocka about a test.
CRASH = re.compile(
    r"^.*(?:\.[ch]:\d+: \w+: Assertion `.*' failed|drover serve was ended by SIG[A-Z]+"
    r"|Test failed with exception: ).*$",
    re.MULTILINE,
)


def without_noise(text):
    """A report without the lines that tell of no fault."""
    return KILLED_AT_ITS_END.sub("", UNKNOWN_CALL.sub("", text))


def findings(prefix):
    """The reports whose path begins with this, as [(path, text)]; empty ones are left out."""
    found = []
    for path in sorted(glob.glob(glob.escape(prefix) + "*")):
        with open(path, encoding="utf-8", errors="replace") as report:
            text = without_noise(report.read())
        if text.strip():
            found.append((path, text))
    return found


@dataclasses.dataclass
class Failed:
    """A file that failed in its first run, or a whole stage without files."""
    stage: object
    first: FileResult

    @property
    def crash(self):
        """The line of its first output that tells of a crash, or nothing."""
        found = CRASH.search(self.first.output)
        return found.group().strip() if found else ""

    @property
    def title(self):
        name = self.first.name
        return name if name == self.stage.name else f"{name} ({self.stage.name})"

    def keep(self, result, which):
        """Writes the output of a run; gives its path."""
        folder = os.path.join(LOGS, "again", slug(self.stage.name))
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{slug(result.name)}.{which}.log")
        with open(path, "w", encoding="utf-8") as log:
            log.write(result.output)
        return path


def failed_files(stage, counts, output):
    """Which files of a stage that has run are to run once more, as [Failed]. Empty where a second
    run can't change the verdict."""
    if not counts.failed or findings(stage.reports()):
        return []
    if stage.files:
        return [Failed(stage, result) for result in stage.results if result.counts.failed]
    if stage.second_run:
        return [Failed(stage, FileResult(stage.name, counts, 0, output, stage.log))]
    return []


def run_again(failed, print_line):
    """The second run of each [Failed]. Gives the Counts by which the total changes: a file's first
    counts are taken back, and those that stand are added."""
    change = Counts()
    if len(failed) > SECOND_RUNS_MAX:
        print_line(f"       {len(failed)} files failed, over {SECOND_RUNS_MAX}: none runs again")
        for one in failed:
            print_log(one.first.log, print_line)
        return change
    flaky = 0
    for one in failed:
        first = one.keep(one.first, "first")
        if one.crash:
            print_line(f"FAILED {one.title}, by a crash: {first}: {one.crash}")
            print_log(one.first.log, print_line)
            continue
        second = second_result(one)
        path = one.keep(second, "second")
        subtract(change, one.first.counts)
        change.add(second.counts)
        if second.counts.failed:
            print_line(f"FAILED {one.title}, twice: {first}, {path}")
            print_log(second.log, print_line)
        else:
            flaky += 1
            print_line(f"flaky: {one.title}: failed, then passed alone: {first}, {path}")
    if flaky > FLAKY_MAX:
        print_line(f"FAILED {flaky} flaky files, over {FLAKY_MAX}")
        change.failed += 1
    return change


def second_result(one):
    stage = one.stage
    counts, output, _ = stage.execute([one.first.name] if stage.files else [])
    if findings(stage.reports()):
        counts.failed = max(counts.failed, 1)
        stage.log += "a sanitizer reported something in the second run\n"
    return FileResult(one.first.name, counts, 0, output, stage.log)


def subtract(counts, other):
    counts.passed -= other.passed
    counts.failed -= other.failed
    counts.skipped -= other.skipped


def print_log(log, print_line):
    for line in log.rstrip().splitlines()[-200:]:
        print_line("       | " + line)


def print_slowest(stages, print_line):
    timed = [(result.seconds, result.cpu_s, result.name, stage.name)
             for stage in stages for result in stage.results]
    for seconds, cpu_s, name, stage in sorted(timed, reverse=True)[:SLOWEST]:
        cpu = f", {cpu_s:.1f} s of CPU" if cpu_s else ""
        print_line(f"slow   {seconds:5.1f} s  {name} ({stage}{cpu})")
