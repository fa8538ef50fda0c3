"""layers.py: arrows point down only."""
import re

from checks.tree import Fault

# Each step may include what stands before it; the rooms of one step do not know each other.
STEPS = [
    ["base"], ["loop"], ["store", "proc"], ["journal"], ["rules"], ["engine"],
    ["model", "script", "tool"], ["dispatch"], ["http"], ["api", "cli"], ["main"],
]
STEP = {room: step for step, rooms in enumerate(STEPS) for room in rooms}
ONLY = {"rules": {"base", "rules"}}

# A library behind a room of ours is included there and nowhere else.
BEHIND = {
    "sqlite3.h": {"store"}, "libpq-fe.h": {"store"}, "jansson.h": {"base"}, "sha2.h": {"base"},
    "curl/curl.h": {"loop"}, "pcre2.h": {"base"},
    "uv.h": {"loop", "proc", "script", "store", "http"}, "wslay/wslay.h": {"http", "cli"},
    "quickjs.h": {"script"},
    "llhttp.h": {"http", "cli"},  # cli: the other end of the wire.
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def room_of(path):
    parts = path.split("/")
    return "main" if parts[1:] == ["main.c"] else parts[1]


def check_arrows(tree):
    for path in tree.under("src/", (".c", ".h")):
        room = room_of(path)
        text = tree.text(path) or ""
        if room not in STEP:
            yield Fault(path, 1, f"{room} has no place in the order: scripts/checks/layers.py")
            continue
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            problem = judge(room, match.group(1), match.group(2))
            if problem:
                yield Fault(path, line, problem)


def judge(room, quote, name):
    if quote == "<":
        if name in BEHIND and room not in BEHIND[name]:
            return f"<{name}> is included only in {' and '.join(sorted(BEHIND[name]))}"
        return None
    other = name.split("/")[0]
    if "/" not in name or other not in STEP:
        return f'"{name}" does not say its room: write "room/file.h"'
    if other == room:
        return None
    if room in ONLY and other not in ONLY[room]:
        return f"{room} includes base and nothing else"
    if STEP[other] == STEP[room]:
        return f"{room} and {other} stand side by side and do not know each other"
    if STEP[other] > STEP[room]:
        return f"arrow upward: {other} stands above {room}"
    return None
