"""host.py: what this machine charges for a piece of work that is always the same.

`with Host() as host:` does such pieces beside whatever runs meanwhile, in a process of their own
that takes a tenth of a core; then `host.allowed_us(2000)` is what 2 ms of CPU on a machine that
does a piece in PIECE_US and keeps its cores to itself may take here: slower by as much as a typical
piece was, and longer by what the slowest piece took beyond that. A host that lends its cores to
others lets their time pass as that of whoever runs.
"""
import json
import statistics
import subprocess
import sys
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
    def __init__(self):
        self.typical_us = self.worst_us = PIECE_US

    def __enter__(self):
        self._child = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_error):
        said, _ = self._child.communicate()
        if said:
            self.typical_us, self.worst_us = json.loads(said)

    def allowed_us(self, limit_us):
        slower = max(1, self.typical_us / PIECE_US)
        return limit_us * slower + self.worst_us - self.typical_us


def main():
    """Works until its input ends."""
    import select
    pieces = [piece_us()]
    while not select.select([sys.stdin], [], [], BREATH_S)[0]:
        pieces.append(piece_us())
    print(json.dumps([statistics.median(pieces), max(pieces)]))


if __name__ == "__main__":
    main()
