"""counts.py: what the output of a test runner says, as numbers; nothing counts as a failure.

Each count_* takes the stage (of runner.py), its output and its exit code, and leaves in stage.log
what a reader of a failure needs, and in stage.results how each file of the stage ended.
"""
import dataclasses
import json
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


@dataclasses.dataclass
class FileResult:
    """How one file of a stage ended: a test file of Node, or a test of meson."""
    name: str
    counts: Counts
    seconds: float
    output: str
    log: str  # Those parts of the output that say what failed.
    cpu_s: float = 0  # 0 where nobody measured.


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
    if re.match(r"drover:postgres\b", record["name"]):
        counts.skipped = 0  # Skipped tests need SQLite, and run there.
    if record["result"] != "OK" and counts.failed == 0:
        counts.failed = 1  # It crashed, timed out or leaked after its last test.
    return counts


def result_of_binary(record):
    output = record.get("stdout", "") + record.get("stderr", "")
    log = without_passed(record.get("stdout", "")) + record.get("stderr", "")
    # Meson writes "drover:unit / text", and wants to be asked for "text".
    name = record["name"].split(" / ")[-1]
    log = f"--- {record['name']}: {record['result']}\n{log}"
    return FileResult(name, count_one_binary(record), record.get("duration", 0), output, log)


def count_one_node_file(record):
    text = record["stdout"]
    counts = Counts(
        numbers(r"^# pass (\d+)", text),
        numbers(r"^# fail (\d+)", text) + numbers(r"^# cancelled (\d+)", text),
        numbers(r"^# (?:skipped|todo) (\d+)", text),
    )
    if counts.failed == 0 and (record["result"] != "OK" or counts == Counts()):
        counts.failed = 1  # It ended before its last test, or has none; or a daemon of it crashed.
    return counts


def result_of_node_file(record):
    text, counts = record["stdout"], count_one_node_file(record)
    broken = re.findall(r"^ *not ok .*?\n +\.\.\.$", text, re.MULTILINE | re.DOTALL)
    log = f"--- {record['name']}: {record['result']}\n" + ("\n".join(broken) or text) + "\n"
    return FileResult(record["name"], counts, record["duration"], text, log, record.get("cpu", 0))


def count_records(stage, output, code, result_of):
    """The sum over the records of a stage. Files without a record, whose runner ended before they
    did, are one failure of the stage: nothing is known of their tests."""
    counts = Counts()
    try:
        with open(stage.records, encoding="utf-8") as records:
            stage.results = [result_of(json.loads(line)) for line in records]
    except FileNotFoundError:
        pass  # Then no file has a result.
    recorded = {result.name for result in stage.results}
    stage.not_run = [name for name in stage.files_run if name not in recorded]
    if stage.not_run:
        counts.failed += 1
        last = "\n".join(output.splitlines()[-20:])
        stage.log += f"{last}\n--- not run: {', '.join(stage.not_run)}\n"
    for result in stage.results:
        counts.add(result.counts)
        stage.log += result.log if result.counts.failed else ""
    if code != 0 and counts.failed == 0:
        stage.log = output  # The runner itself failed.
    return at_least_one(counts, code)


def count_meson(stage, output, code):
    return count_records(stage, output, code, result_of_binary)


def count_node(stage, output, code):
    return count_records(stage, output, code, result_of_node_file)


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
