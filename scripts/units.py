#!/usr/bin/env python3
"""units.py: what each test in C links, read from the test itself, so that a new one needs no list.

usage: units.py BUILD FOLDER PREFIX ROOM...   a line for each FOLDER/PREFIX_NAME.c, for meson:
                                              NAME|ROOM|WORDS|SOURCES|CALLS

ROOM     the highest of ROOM... of which the test includes a header.
WORDS    of a comment `runs-with: sqlite, postgres, threads`.
SOURCES  each x.c of test/ or src/main/ whose header x.h is included.
CALLS    those that the test wraps: it defines __wrap_NAME.

A header that the test includes counts as the test. A comment `links: ROOM, SOURCE...` with patterns
of paths from the root, says what differs: another room, and sources beside those found.

Meson watches files, not folders, and not what stands in tests: scripts/test asks is_stale() of each
build directory, from the answers that are kept there.
"""
import glob
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as source:
        return source.read()


def included(path, name):
    """The file that an include of `name` in `path` means, where it is one of test/ or src/."""
    for folder in (os.path.dirname(path), "src"):
        found = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(os.path.join(ROOT, found)):
            return found
    return None


def closure(path, seen):
    """Adds the test, what it includes of test/ and src/main/, and the sources beside those."""
    seen[path] = text = read(path)
    for name in re.findall(r'^#include "([^"]+)"', text, re.M):
        found = included(path, name)
        for one in (found, found and re.sub(r"\.h$", ".c", found)):
            if one and one not in seen and one.startswith(("test/", "src/main/")) and \
                    os.path.isfile(os.path.join(ROOT, one)):
                closure(one, seen)
    return seen


def noted(text, word):
    """The words of a comment's line `WORD: one, two`."""
    line = re.search(rf"^/\* {word}: (.*) \*/$", text, re.M)
    return line.group(1).split(", ") if line else []


def unit(path, rooms):
    texts = closure(path, {})
    used = {name.split("/")[0] for text in texts.values()
            for name in re.findall(r'^#include "([^"]+)"', text, re.M)}
    room, *more = noted(texts[path], "links") or [None]
    room = room or max(used & set(rooms), key=rooms.index, default=rooms[0])
    sources = {one for one in texts if one.endswith(".c") and one != path}
    for pattern in more:
        found = glob.glob(os.path.join(ROOT, pattern))
        if not found:
            raise SystemExit(f"{path}: links: there is no {pattern}")
        sources |= {os.path.relpath(one, ROOT) for one in found}
    calls = {call for text in texts.values() for call in re.findall(r"\b__wrap_(\w+)", text)}
    words = noted(texts[path], "runs-with")
    return room, words, sorted(sources), sorted(calls)


def units(folder, prefix, *rooms):
    lines = []
    for path in sorted(glob.glob(os.path.join(ROOT, folder, f"{prefix}_*.c"))):
        path = os.path.relpath(path, ROOT)
        room, *lists = unit(path, rooms)
        name = os.path.basename(path)[len(prefix) + 1 : -len(".c")]
        lines.append("|".join([name, room, *(" ".join(words) for words in lists)]))
    return "\n".join(lines)


def kept_in(build, folder):
    return os.path.join(build, folder.replace("/", "-") + ".units")


def is_stale(build):
    """Whether a build directory was configured for other tests than there are."""
    for path in glob.glob(os.path.join(build, "*.units")):
        with open(path, encoding="utf-8") as kept:
            asked, lines = json.load(kept)
        if units(*asked) != lines:
            return True
    return False


def answer(build, *asked):
    lines = units(*asked)
    with open(kept_in(build, asked[0]), "w", encoding="utf-8") as kept:
        json.dump([asked, lines], kept)
    print(lines)


if __name__ == "__main__":
    answer(*sys.argv[1:])
