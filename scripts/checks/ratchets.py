"""ratchets.py: lists of what is still wrong, and may only shrink.

scripts/checks/ratchets/RULE.txt has one entry a line, sorted: KEY COUNT, or KEY alone where nothing
is counted. A key begins with the path of a file, or is the name of a function. A fault is

    a key that is measured and not listed, or measured above its number: it has grown;
    a key that is listed and not measured, or measured below its number: the list must say so.

`scripts/lint --tighten` mends the second kind: it lowers and removes entries and moves them to the
new path of a file that moved. No option raises or adds one. `scripts/lint --list RULE` prints the
list as it would have to be today, for those who have a reason to write it anew.
"""
import dataclasses
import os
import re
import subprocess

from checks.tree import Fault

FOLDER = "scripts/checks/ratchets"
PATHS = re.compile(r"[\w.-]+(?:/[\w.-]+)+")


@dataclasses.dataclass
class Found:
    """What was measured for one key."""
    count: int
    path: str
    places: list  # Of (line, text): what was counted, or where it stands.


class Ratchet:
    def __init__(self, name, about, measure, counted=True):
        """`measure` gives a dict of Found by key for a tree; `about` says what is counted."""
        self.name, self.about, self.counted = name, about, counted
        self.path = f"{FOLDER}/{name}.txt"
        self.measure = measure

    def check(self, tree):
        entries, faults = self.read(tree)
        yield from faults
        found = self.measure(tree)
        for key, one in sorted(found.items()):
            allowed = entries[key][0] if key in entries else 0
            if one.count > allowed:
                yield Fault(one.path, one.places[0][0], self.grown(key, one, allowed))
        for key, (allowed, number) in entries.items():
            count = found[key].count if key in found else 0
            if count < allowed:
                cure = f"lower it to {count}" if count else "is not needed any more"
                yield Fault(self.path, number, f"{key}: {cure}: scripts/lint --tighten")

    def grown(self, key, one, allowed):
        if not self.counted:
            return f"{self.about}: {key}"
        places = "; ".join(f"{line}: {text}" if text else f"{line}" for line, text in one.places)
        of = "" if key == one.path else f" ({key})"
        return f"{one.count} {self.about}{of}, {allowed} are allowed: {places}"

    def read(self, tree):
        """Key: number and line, and the faults of the list itself."""
        entries, faults, before = {}, [], ""
        for number, line in enumerate(lines_of(tree, self.path), 1):
            match = re.fullmatch(r"(\S.*?) (\d+)" if self.counted else r"(\S.*)()", line)
            if not match:
                faults.append(Fault(self.path, number, "write: KEY NUMBER"))
                continue
            key = match.group(1)
            if key <= before:
                faults.append(Fault(self.path, number, "not sorted: scripts/lint --tighten"))
            before = key
            # Twice after a merge of two branches: the larger number, which --tighten lowers.
            count = max(int(match.group(2) or 1), entries[key][0] if key in entries else 0)
            entries[key] = (count, number)
        return entries, faults

    def render(self, counts):
        return "".join(f"{key} {counts[key]}\n" if self.counted else f"{key}\n"
                       for key in sorted(counts))

    def today(self, tree):
        return self.render({key: one.count for key, one in self.measure(tree).items()})

    def tighten(self, tree, renames):
        """Writes the list; answers how many entries changed."""
        entries = {key: count for key, (count, _) in self.read(tree)[0].items()}
        found = {key: one.count for key, one in self.measure(tree).items()}
        kept = tightened(entries, found, tree, renames)
        text = self.render({new: min(found[new], entries[old]) for old, new in kept.items()})
        if text != "".join(line + "\n" for line in lines_of(tree, self.path)):
            with open(tree.at(self.path), "w", encoding="utf-8") as out:
                out.write(text)
        return changes(entries, found, kept)


def lines_of(tree, path):
    text = (tree.text(path) or "") if path in tree.files else ""
    return text.split("\n")[:-1]


def changes(entries, found, kept):
    moved = sum(old != new for old, new in kept.items())
    lowered = sum(found[new] < entries[old] for old, new in kept.items())
    return {"moved": moved, "lowered": lowered, "removed": len(entries) - len(kept)}


def tightened(entries, found, tree, renames):
    """Old key: new key, for each entry that is still needed. An entry never allows more than it
    did, and what was not listed stays a fault: a key without an entry gets one only from a file of
    the same name that is gone, and where it has not grown."""
    kept = {key: key for key in entries if 0 < found.get(key, 0) <= entries[key]}
    # An entry that has grown keeps its number, so that the fault says which one was allowed.
    kept.update({key: key for key in entries if found.get(key, 0) > entries[key]})
    free = {}
    for key in found:
        if key not in entries:
            free.setdefault(bare(key), []).append(key)
    gone = [key for key in sorted(entries) if key not in found and is_gone(key, tree)]
    for by_name in (False, True):
        for key in gone:
            new = successor(key, free, entries[key], found, renames, by_name)
            if key not in kept and new and new not in kept.values():
                kept[key] = new
    return kept


def successor(key, free, allowed, found, renames, by_name):
    """The key of the same thing in its new place: as git tells, else by the name of the file."""
    renamed = PATHS.sub(lambda match: renames.get(match.group(), match.group()), key)
    fits = [one for one in free.get(bare(renamed), []) if found[one] <= allowed]
    if not by_name:
        return renamed if renamed != key and renamed in fits else None
    # The nearest in size, of the same layer if there is one.
    fits.sort(key=lambda one: (layers(one) != layers(key), -found[one], one))
    return fits[0] if fits else None


def bare(key):
    """The key with the names of files in place of their paths."""
    return PATHS.sub(lambda match: os.path.basename(match.group()), key)


def layers(key):
    return [path.split("/")[path.startswith("src/")] for path in PATHS.findall(key)]


def is_gone(key, tree):
    """Whether a file is gone that the key names, either from the root or as an include does."""
    return any(path not in tree.files and f"src/{path}" not in tree.files
               for path in PATHS.findall(key))


def renames_of(tree):
    """Old path: new path, of what was moved since the last commit, in both forms of a path."""
    command = ["git", "-C", tree.root, "diff", "HEAD", "-M40%", "-l0", "--diff-filter=R",
               "--name-status", "-z"]
    if not os.path.exists(tree.at(".git")):
        return {}
    parts = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\0")
    moved = dict(zip(parts[1::3], parts[2::3]))
    return {**moved, **{old.removeprefix("src/"): new.removeprefix("src/")
                        for old, new in moved.items() if new.startswith("src/")}}
