"""Runs a command whose output is read in small pieces, and prints the output and a last line: the
most memory in kB (VmHWM) that it had before it wrote its last piece. Its parent cannot be asked:
what getrusage says of a child begins with what the parent had when it forked."""

import fcntl
import os
import re
import subprocess
import sys

PIECE = 4096
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, bufsize=0)
fcntl.fcntl(child.stdout, 1031, PIECE)  # F_SETPIPE_SZ: it waits until what it wrote is read.
peak = "0"
while piece := child.stdout.read(PIECE):
    sys.stdout.buffer.write(piece)
    with open(f"/proc/{child.pid}/status", encoding="utf-8") as status:
        found = re.search(r"VmHWM:\s+(\d+)", status.read())  # None, once it has ended.
    peak = found.group(1) if found else peak
sys.stdout.buffer.write(f"{peak}\n".encode())
sys.exit(child.wait())
