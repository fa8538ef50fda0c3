"""layers.py: arrows point down only, between layers and between the features of a layer."""
import re

from checks.ratchets import Found, Ratchet
from checks.tree import Fault

# Each step may include what stands before it; the rooms of one step do not know each other.
STEPS = [
    ["base"], ["loop"], ["store", "proc"], ["journal"], ["rules"], ["engine"],
    ["model", "agent", "script", "tool"], ["dispatch"], ["http"], ["api", "cli"], ["main"],
]
STEP = {room: step for step, rooms in enumerate(STEPS) for room in rooms}
ONLY = {"rules": {"base", "rules"}, "agent": {"base", "proc", "rules", "agent"}}

# The order of the folders src/LAYER/FEATURE/: each step may include what stands before it, the
# folders of one step do not know each other. Files directly in src/LAYER/ are the first step of
# their own, unless "." gives them another one. A layer that is not listed here may have folders, in
# no order; one whose files all stand directly in it has no order to keep.
FEATURES = {
    "rules": [
        ["token", "memory", "approval", "budget", "provider", "host", "changes", "tree"],
        ["run"],
        ["job", "inbox", "session", "trace"], ["turn", "project"], ["workflow", "agent"], ["board"],
        ["mail"], ["flow"], ["."],
    ],
    "engine": [
        ["base"], ["token", "memory", "project", "trace", "tree"], ["inbox"], ["run"], ["job"],
        ["host"], ["session"],
        ["budget"], ["approval", "provider", "agent", "changes"], ["turn"], ["workflow"], ["board"],
        ["mail"], ["flow"], ["system"],
    ],
    "dispatch": [
        ["base"], ["provider", "changes"], ["job"], ["host", "run", "tree"], ["inbox"], ["session"],
        ["board"], ["turn"], ["workflow"], ["mail"], ["flow"],
    ],
    "api": [
        ["base"], ["run", "stream", "token", "provider", "memory", "project", "agent"],
        ["system", "host", "trace", "budget", "inbox"], ["job"], ["session"],
        ["turn", "changes"], ["tree"],
        ["approval"], ["workflow"], ["board"], ["mail"], ["flow"],
    ],
    "cli": [
        ["terminal"], ["base"], ["stream"], ["run"],
        ["trace", "host", "token", "provider", "memory", "agent", "budget", "inbox",
         "project"], ["system"],
        ["job"], ["session"], ["turn", "changes"], ["tree"], ["workflow"], ["board"], ["mail"],
        ["flow"], ["demo"],
    ],
    "base": [["json", "process", "markdown"], ["fields"], ["resource"]],
    "http": [["stream"]],
    "model": [["scripted", "wire"], ["calls"]],
    "script": [["reader"], ["."], ["judge", "worker"]],
    "store": [["sqlite", "postgres"]],
    "tool": [["file", "web", "changes"]],
    "proc": [["small"], ["spool"], ["."], ["sandbox"], ["holder"]],
    "main": [["report", "rooms"], ["."]],
}

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


def feature_of(path):
    """LAYER/FEATURE/… below src/: the feature, or nothing for a file directly in its layer."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else ""


def includes(tree):
    """Path, line, quote and name of each include below src/."""
    for path in tree.under("src/", (".c", ".h")):
        text = tree.text(path) or ""
        for match in INCLUDE.finditer(text):
            yield path, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_arrows(tree):
    for path in tree.under("src/", (".c", ".h")):
        room = room_of(path)
        if room not in STEP:
            yield Fault(path, 1, f"{room} has no place in the order: scripts/checks/layers.py")
    for path, line, quote, name in includes(tree):
        problem = judge(room_of(path), quote, name)
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
    if other == room or room not in STEP:
        return None
    if room in ONLY and other not in ONLY[room]:
        return f"{room} includes base and nothing else"
    if STEP[other] == STEP[room]:
        return f"{room} and {other} stand side by side and do not know each other"
    if STEP[other] > STEP[room]:
        return f"arrow upward: {other} stands above {room}"
    return None


def steps_of(layer):
    steps = {feature: step for step, names in enumerate(FEATURES.get(layer, []), 1)
             for feature in names}
    return {"": steps.pop(".", 0), **steps}


def check_features(tree):
    """Every folder of a layer that has an order is in it."""
    folders = {}
    for path in tree.under("src/", (".c", ".h")):
        folders.setdefault((room_of(path), feature_of(path[len("src/"):])), path)
    for (layer, feature), path in sorted(folders.items()):
        if layer in FEATURES and feature not in steps_of(layer):
            order = "the order of features: scripts/checks/layers.py"
            yield Fault(path, 1, f"{layer}/{feature} has no place in {order}")


def measure_circles(tree):
    """Includes against the order of features, which circles are made of."""
    found = {}
    for path, line, quote, name in includes(tree):
        layer = room_of(path)
        if quote == "<" or layer not in FEATURES or name.split("/")[0] != layer:
            continue
        steps, here, there = steps_of(layer), feature_of(path[len("src/"):]), feature_of(name)
        if here != there and steps.get(there, 0) >= steps.get(here, len(steps)):
            found[f"{path} -> {name}"] = Found(1, path, [(line, name)])
    return found


CIRCLES = Ratchet("circles", "an include against the order of features", measure_circles,
                  counted=False)
