"""runner.py: a stage of the test run, and how its command is run.

A stage is one command with a log of its own in build/log. The command of most stages ends with the
names of files (test files of Node, tests of meson) and records how each file ended, so that the
same command with fewer names runs only these.
"""
import dataclasses
import os
import re
import signal
import subprocess
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build/log")
# Each report of a sanitizer goes to a file of its own, because nobody reads a daemon's stderr.
REPORTS = os.path.join(LOGS, "sanitizer")


def scale():
    """By how much time limits are multiplied on this machine (host.py); 1 where nobody measured."""
    return float(os.environ.get("DROVER_TEST_SCALE", 1))


def slug(name):
    """The name as part of a file's name."""
    return re.sub(r"\W+", "-", name).strip("-")


@dataclasses.dataclass
class Stage:
    name: str
    command: list
    count: object  # Takes the stage, its output and exit code; gives Counts.
    env: dict = dataclasses.field(default_factory=dict)
    timeout_s: int = 900
    before: object = None
    files: list = dataclasses.field(default_factory=list)  # Last words of its command.
    records: str = ""  # Where its command records how each file ended.
    second_run: bool = False  # A stage without files runs again as a whole when it failed.
    slow: str = ""  # Where its daemons note turns of the loop that took long.
    log: str = ""
    files_run: list = dataclasses.field(default_factory=list)
    results: list = dataclasses.field(default_factory=list)  # A FileResult for each of files_run.

    def execute(self, files):
        """Runs these of its files (or the whole command), gives (Counts, output, CPU seconds)."""
        if self.records and os.path.exists(self.records):
            os.remove(self.records)
        self.log, self.results, self.files_run = "", [], files
        output, code, cpu_s = run_measured(self.command + files, self.env, self.timeout_s)
        return self.count(self, output, code), output, cpu_s

    def reports(self):
        """Where its sanitizers write: a path that each report continues with a dot."""
        return f"{REPORTS}-{slug(self.name)}."


children = set()
lock = threading.Lock()


def run(command, env, timeout_s, check=False):
    """Gives (output, exit code). The command is a process group of its own, ended as a whole."""
    output, code, _ = run_measured(command, env, timeout_s)
    if check and code != 0:
        raise RuntimeError(output)
    return output, code


def run_measured(command, env, timeout_s):
    """The same, and the seconds of CPU of all that it has waited for. The time limit is scaled."""
    timeout_s *= scale()
    child = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )
    late = []
    timer = threading.Timer(timeout_s, lambda: (late.append(True), end(child)))
    with lock:
        children.add(child)
    timer.start()
    try:
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
    finally:
        timer.cancel()
        child.stdout.close()
        with lock:
            children.discard(child)
    child.returncode = os.waitstatus_to_exitcode(status)
    text = output.decode("utf-8", "replace")
    if late:
        return f"{text}\nended: it took over {timeout_s:g} s\n", 124, 0
    return text, child.returncode, usage.ru_utime + usage.ru_stime


def end(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def give_up(number, _frame):
    for child in list(children):
        end(child)
    os._exit(128 + number)


