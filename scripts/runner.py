"""runner.py: a stage of the test run, and how its command is run.

A stage is one command with a log of its own in build/log. The command of most stages ends with the
names of files (test files of Node, tests of meson) and records how each file ended, so that the
same command with fewer names runs only these.

A command is ended when it has made no progress for a time, however long it has run: on a machine
that is busy everything takes longer, and what goes on is not what hangs.
"""
import dataclasses
import glob
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

import host

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build/log")
# Each report of a sanitizer goes to a file of its own, because nobody reads a daemon's stderr.
REPORTS = os.path.join(LOGS, "sanitizer")


def scale():
    """By how much time limits are multiplied on this machine (host.py); 1 where nobody measured."""
    return float(os.environ.get("DROVER_TEST_SCALE", 1))


class Patience:
    """For how long something may be silent. The machine may be busier than it was when its scale
    was measured, so that is measured again before anything is ended."""

    def __init__(self, limit_s):
        self.limit_s, self.scale = limit_s, scale()

    def is_over(self, silent_s):
        if silent_s <= self.limit_s * self.scale:
            return False
        self.scale = max(self.scale, host.measure_scale(tempfile.gettempdir())[0])
        return silent_s > self.limit_s * self.scale


def progresses(wait, progress, limit_s):
    """Calls wait(seconds) until it gives true. False: progress() has been the same for limit_s,
    which is scaled."""
    patience, seen, since = Patience(limit_s), None, 0
    while not wait(min(1, limit_s / 10)):
        now, at = progress(), time.monotonic()
        if now != seen:
            seen, since = now, at
        elif patience.is_over(at - since):
            return False
    return True


def slug(name):
    """The name as part of a file's name."""
    return re.sub(r"\W+", "-", name).strip("-")


@dataclasses.dataclass
class Stage:
    name: str
    command: list
    count: object  # Takes the stage, its output and exit code; gives Counts.
    env: dict = dataclasses.field(default_factory=dict)
    silence_s: int = 900  # Without any progress for so long it hangs.
    before: object = None
    files: list = dataclasses.field(default_factory=list)  # Last words of its command.
    makes: str = ""  # The path that it builds.
    computes: bool = False  # It mostly computes; the others mostly wait.
    needs: list = dataclasses.field(default_factory=list)  # Such paths; it begins after those.
    records: str = ""  # Where its command records how each file ended.
    diary: str = ""  # A file in which its command writes as it goes on, for progress alone.
    second_run: bool = False  # A stage without files runs again as a whole when it failed.
    slow: str = ""  # Where its daemons note turns of the loop that took long.
    log: str = ""
    files_run: list = dataclasses.field(default_factory=list)
    # A FileResult for each of files_run that has a record; the others.
    results: list = dataclasses.field(default_factory=list)
    not_run: list = dataclasses.field(default_factory=list)

    def execute(self, files):
        """Runs these of its files (or the whole command), gives (Counts, output, CPU seconds)."""
        if self.records and os.path.exists(self.records):
            os.remove(self.records)
        self.log, self.results, self.files_run, self.not_run = "", [], files, []
        output, code, cpu_s = run_measured(self.command + files, self.env, self.silence_s,
                                           [self.records, self.diary])
        return self.count(self, output, code), output, cpu_s

    def reports(self):
        """Where its sanitizers write: a path that each report continues with a dot."""
        return f"{REPORTS}-{slug(self.name)}."


children = set()
leaving = []  # Functions to call when the run is given up, after the end of its children.
lock = threading.Lock()


def run(command, env, silence_s, check=False):
    """Gives (output, exit code). The command is a process group of its own, ended as a whole."""
    output, code, _ = run_measured(command, env, silence_s)
    if check and code != 0:
        raise RuntimeError(output)
    return output, code


def sizes(paths):
    """Of these files, and of those beside them that begin with their names."""
    found = {}
    for file in [file for path in paths if path for file in glob.glob(glob.escape(path) + "*")]:
        try:
            found[file] = os.path.getsize(file)
        except FileNotFoundError:
            pass  # The output of a file that has just ended.
    return found


def run_measured(command, env, silence_s, paths=()):
    """The same, and the seconds of CPU of all that it has waited for. What it prints is progress,
    and so is what it writes to these paths."""
    child = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )
    output, late, closed = bytearray(), [], threading.Event()

    def watch():
        if not progresses(closed.wait, lambda: (len(output), sizes(paths)), silence_s):
            late.append(True)
            end(child)

    watcher = threading.Thread(target=watch, daemon=True)
    with lock:
        children.add(child)
    watcher.start()
    try:
        while piece := os.read(child.stdout.fileno(), 1 << 16):
            output += piece
        _, status, usage = os.wait4(child.pid, 0)
    finally:
        closed.set()
        watcher.join()
        child.stdout.close()
        with lock:
            children.discard(child)
    child.returncode = os.waitstatus_to_exitcode(status)
    text = output.decode("utf-8", "replace")
    if late:
        return f"{text}\nended: it made no progress for {silence_s:g} s (scaled)\n", 124, 0
    return text, child.returncode, usage.ru_utime + usage.ru_stime


def end(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def give_up(number, _frame):
    for child in list(children):
        end(child)
    for act in leaving:
        act()
    os._exit(128 + number)


