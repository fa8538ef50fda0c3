#!/usr/bin/env python3
"""clustered.py: costs of appends and reads of events where the table is clustered by (stream, seq),
beside the table as it is. For decisions/052; in memory, so that the processor and the pages of the
log are what is compared.

usage: test/bench/clustered.py [FOLDER]     default: /dev/shm
"""
import os
import random
import sqlite3
import sys
import time

COLUMNS = ("stream INT NOT NULL, seq INT NOT NULL, at_ms INT NOT NULL, type TEXT NOT NULL, "
           "data TEXT NOT NULL")
AS_IS = [f"CREATE TABLE events ({COLUMNS}) STRICT", "CREATE UNIQUE INDEX i ON events (stream, seq)"]
CLUSTERED = [f"CREATE TABLE events ({COLUMNS}, PRIMARY KEY (stream, seq)) STRICT, WITHOUT ROWID"]
FRAME, ROWS = 4096 + 24, 60000


def measure(path, tables, size, batch, streams):
    """Seconds of the processor for the appends, pages of the log per commit, seconds for reads."""
    for ending in ("", "-wal", "-shm"):
        if os.path.exists(path + ending):
            os.remove(path + ending)
    database = sqlite3.connect(path, isolation_level=None)
    for line in ("page_size=4096", "journal_mode=wal", "wal_autocheckpoint=0", "synchronous=off"):
        database.execute(f"PRAGMA {line}")
    for table in tables:
        database.execute(table)
    heads, data, chosen = [0] * streams, "x" * size, random.Random(1)
    began = time.process_time()
    for _ in range(ROWS // batch):
        database.execute("BEGIN")
        for _ in range(batch):
            stream = chosen.randrange(streams)
            heads[stream] += 1
            row = (stream, heads[stream], 1700000000000, "delta", data)
            database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)
        database.execute("COMMIT")
    written = time.process_time() - began
    pages = os.path.getsize(path + "-wal") / FRAME / (ROWS // batch)
    began = time.process_time()
    read = "SELECT seq, at_ms, type, data FROM events WHERE stream = ? AND seq > 0 ORDER BY seq"
    for stream in range(streams):
        for _ in database.execute(read, (stream,)):
            pass
    took = time.process_time() - began
    database.close()
    return written, pages, took


def main():
    path = os.path.join(sys.argv[1] if len(sys.argv) > 1 else "/dev/shm", "clustered.db")
    print("| bytes of an event | in a commit | streams | appends | pages of the log | reads |")
    print("|---|---|---|---|---|---|")
    for size in (120, 600, 1500, 4000):
        for batch, streams in ((1, 1), (1, 200), (64, 64)):
            before = measure(path, AS_IS, size, batch, streams)
            after = measure(path, CLUSTERED, size, batch, streams)
            print(f"| {size} | {batch} | {streams} | {after[0] / before[0]:.2f} | "
                  f"{before[1]:.1f} → {after[1]:.1f} | {after[2] / before[2]:.2f} |")
    for ending in ("", "-wal", "-shm"):
        if os.path.exists(path + ending):
            os.remove(path + ending)


if __name__ == "__main__":
    main()
