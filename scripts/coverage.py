"""coverage.py: adds up what gcov says of each file of src/ in a build directory.

usage: coverage.py BUILD_DIRECTORY
"""
import collections
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def counts_of(folder):
    """Hits per line, over all programs that a file went into: {path: {line: hits}}."""
    files = collections.defaultdict(lambda: collections.defaultdict(int))
    for where, _, names in os.walk(folder):
        data = [os.path.join(where, name) for name in names if name.endswith(".gcda")]
        if not data:
            continue
        output = subprocess.check_output(
            ["gcov", "--json-format", "--stdout", *map(os.path.abspath, data)], cwd=folder
        )
        for line in output.decode().splitlines():
            for file in json.loads(line)["files"]:
                at = os.path.normpath(os.path.join(os.path.abspath(folder), file["file"]))
                path = os.path.relpath(at, ROOT)
                if path.startswith("src/"):
                    for row in file["lines"]:
                        files[path][row["line_number"]] += row["count"]
    return files


def main():
    rooms = collections.defaultdict(lambda: [0, 0])
    for path, lines in sorted(counts_of(sys.argv[1]).items()):
        hit = sum(count > 0 for count in lines.values())
        missed = [str(line) for line, count in sorted(lines.items()) if count == 0]
        print(f"{100 * hit / len(lines):5.1f} %  {path}  {' '.join(missed[:12])}")
        for room in ("all", "/".join(path.split("/")[:2])):
            rooms[room][0] += hit
            rooms[room][1] += len(lines)
    for room, (hit, total) in sorted(rooms.items()):
        print(f"{100 * hit / total:5.1f} %  of {room}: {hit} of {total} lines")


if __name__ == "__main__":
    main()
