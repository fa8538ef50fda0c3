"""host.py: what this machine charges for a piece of work that is always the same.

`with Host() as host:` does such pieces beside whatever runs meanwhile, in a process of their own
that takes a tenth of a core, or less with longer breaths; then `host.allowed_us(2000)` is what 2
ms of CPU on a machine that does a piece in PIECE_US and keeps its cores to itself may take here:
slower by as much as a typical piece was, and longer by what the slowest piece took beyond that. A
host that lends its cores to others lets their time pass as that of whoever runs.
`host.typical_us_of(2000)` is without the second part: what is slower than that may be the work's
fault.

`measure_scale(folder)` says by how much the time limits of tests are multiplied here: it measures a
spawn, a sync to the folder and a second of arithmetic. scripts/test does so when it begins, and
tells all runners in DROVER_TEST_SCALE.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

# A piece on the machine of docs/benchmarks.md.
PIECE_US = 150
TEXT = bytes((at * at * 7 + at // 3) % 251 for at in range(3000)) * 15
BREATH_S = 0.002


def piece_us():
    begin = time.thread_time_ns()
    zlib.compress(TEXT, 6)
    return (time.thread_time_ns() - begin) / 1000


class Host:
    def __init__(self, breath_s=BREATH_S):
        self.breath_s = breath_s
        self.typical_us = self.worst_us = PIECE_US

    def __enter__(self):
        command = [sys.executable, __file__, str(self.breath_s)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)
        return self

    def __exit__(self, *_error):
        said, _ = self._child.communicate()
        if said:
            self.typical_us, self.worst_us = json.loads(said)

    def typical_us_of(self, limit_us):
        return limit_us * max(1, self.typical_us / PIECE_US)

    def allowed_us(self, limit_us):
        return self.typical_us_of(limit_us) + self.worst_us - self.typical_us


# The time limits of tests were written for a machine of this kind, with three other stages at work.
SPAWN_MS, SYNC_MS, PIECES_A_SECOND = 2.0, 2.0, 3500
# Beyond this a limit would hide what hangs.
SCALE_MAX = 10
TRIES = 20


def spawn_ms():
    begin = time.monotonic()
    for _ in range(TRIES):
        subprocess.run(["true"], check=True)
    return (time.monotonic() - begin) * 1000 / TRIES


def sync_ms(folder):
    with tempfile.TemporaryFile(dir=folder) as file:
        begin = time.monotonic()
        for _ in range(TRIES):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return (time.monotonic() - begin) * 1000 / TRIES


def pieces_a_second():
    begin, count = time.monotonic(), 0
    while time.monotonic() - begin < 1:
        zlib.compress(TEXT, 6)
        count += 1
    return count / (time.monotonic() - begin)


def scale_of(spawn, sync, pieces):
    """By how much every time limit of a test is multiplied: 1 to SCALE_MAX. The slowest of the
    three counts, since a test waits for all of them."""
    slowest = max(spawn / SPAWN_MS, sync / SYNC_MS, PIECES_A_SECOND / pieces)
    return round(min(SCALE_MAX, max(1, slowest)), 1)


def measure_scale(folder):
    """Gives (scale, words). Takes about a second."""
    spawn, sync, pieces = spawn_ms(), sync_ms(folder), pieces_a_second()
    scale = scale_of(spawn, sync, pieces)
    return scale, (f"scale {scale}: a spawn takes {spawn:.1f} ms, a sync {sync:.1f} ms, "
                   f"{pieces:.0f} pieces of arithmetic a second")


def core_ticks():
    """Of all cores together since the system's start: those that idled, and all."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def main():
    """Works until its input ends."""
    import select
    pieces, breath_s = [piece_us()], float(sys.argv[1])
    while not select.select([sys.stdin], [], [], breath_s)[0]:
        pieces.append(piece_us())
    print(json.dumps([statistics.median(pieces), max(pieces)]))


if __name__ == "__main__":
    main()
