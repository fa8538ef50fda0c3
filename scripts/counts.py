"""counts.py: what the output of a test runner says, as numbers; nothing counts as a failure.

Each count_* takes the stage (of suite.py), its output and its exit code, and leaves in stage.log
what a reader of a failure needs.
"""
import dataclasses
import json
import os
import re


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


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
