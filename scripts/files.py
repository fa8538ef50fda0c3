"""files.py: runs test files of Node, each as a process of its own, and records how each ended.

    files.py RECORDS LIMIT_S FILE...

Each file adds one line of JSON to RECORDS: name, result (OK, FAIL or TIMEOUT), duration in seconds
and stdout; meson's testlog.json has the same members. `cpu` are the seconds of CPU of the file and
of all that it waited for. `node --test` starts a process for each file,
too, but mixes their output, so that nobody can say which file failed and how long each one took.

DROVER_CASES names, of some files, the tests to run: {FILE: [NAME, ...]}.

A file that has printed nothing for LIMIT_S, which is scaled, is ended: SIGTERM first, because the
files' helpers end their daemons and jobs then. While a file runs, its output is beside RECORDS,
where runner.py sees that it grows. Exit code 1 when a file failed.
"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

from runner import progresses

# Time between SIGTERM and SIGKILL.
GRACE_S = 10
POLL_S = 0.02
lock = threading.Lock()


def patterns(names):
    """Words for Node that leave out other tests; its suites need a pattern, too (lib.mjs)."""
    names = ["side by side", *names] if names else []
    return [f"--test-name-pattern=^{re.escape(name)}$" for name in names]


def run_file(file, limit_s, path, names):
    """Gives the record. The output goes to a file: a pipe would stay open for as long as a process
    that the test left behind."""
    start = time.monotonic()
    folder, name = os.path.split(path)
    with tempfile.NamedTemporaryFile(dir=folder or ".", prefix=name + ".") as output:
        child = subprocess.Popen(["node", "--test-reporter=tap", *patterns(names), file],
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        late = ""
        if not progresses(lambda seconds: ends_within(child, seconds),
                          lambda: os.fstat(output.fileno()).st_size, limit_s):
            late = f"\nended: the file printed nothing for {limit_s:g} s (scaled)\n"
            end_child(child)
        output.seek(0)
        text = output.read().decode("utf-8", "replace") + late
    result = "TIMEOUT" if late else "OK" if child.returncode == 0 else "FAIL"
    return {"name": file, "result": result, "duration": time.monotonic() - start,
            "cpu": child.cpu_s, "stdout": text}


def ends_within(child, seconds):
    """As child.wait(), which would not tell what CPU it took: child.cpu_s."""
    end = time.monotonic() + seconds
    while child.returncode is None:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            child.cpu_s = usage.ru_utime + usage.ru_stime
        elif time.monotonic() >= end:
            return False
        else:
            time.sleep(POLL_S)
    return True


def end_child(child):
    child.terminate()
    if not ends_within(child, GRACE_S):
        child.kill()
        ends_within(child, float("inf"))


def record(path, entry):
    with lock:
        with open(path, "a", encoding="utf-8") as records:
            records.write(json.dumps(entry) + "\n")
        print(f"# {entry['result']} {entry['name']}: {entry['duration']:.1f} s\n{entry['stdout']}",
              flush=True)


def main():
    path, limit_s, files = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    failed, cases = [], json.loads(os.environ.get("DROVER_CASES", "{}"))

    def perform(file):
        entry = run_file(file, limit_s, path, cases.get(file))
        if file in cases and re.search(r"^# pass 0\n# fail 0$", entry["stdout"], re.MULTILINE):
            entry = run_file(file, limit_s, path, None)  # Those tests are within others.
        record(path, entry)
        if entry["result"] != "OK":
            failed.append(file)

    # One core is left to what the tests start, as `node --test` does.
    workers = max(1, len(os.sched_getaffinity(0)) - 1)
    with concurrent.futures.ThreadPoolExecutor(max_workers=workers) as pool:
        list(pool.map(perform, files))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
