"""exceptions.py: the list of what may be larger than the rules say; it may only shrink.

One entry a line: KIND NAME NUMBER REASON. An entry that is no longer needed, or that allows more
than there is, is a fault: so the list tells the truth, and nothing grows back. `scripts/lint
--tighten` lowers and removes entries, and moves those of a file that moved (ratchets.py).
"""
from checks.ratchets import changes, lines_of, tightened
from checks.tree import Fault

PATH = "scripts/checks/exceptions.txt"
KINDS = ("file", "folder", "function", "complexity", "global", "write", "kind", "table",
         "unsearched")


class Exceptions:
    """Serves one tree, whose rules ask limit() for all that they measured before check()."""

    def __init__(self, tree):
        self.tree = tree
        self.entries = {}
        self.asked = {}  # Numbers above their rule, by kind and name.
        self.faults = []
        for number, line in enumerate(lines_of(tree, PATH), 1):
            parts = line.split(None, 3)
            if not line or line.startswith("#"):
                continue
            if len(parts) < 4 or parts[0] not in KINDS or not parts[2].isdigit():
                self.fault(number, "write: KIND NAME NUMBER REASON")
                continue
            key, allowed = (parts[0], parts[1]), int(parts[2])
            if key in self.entries:  # After a merge of two branches.
                self.fault(number, f"{parts[0]} {parts[1]} stands here twice")
                allowed = max(allowed, self.entries[key][0])
            self.entries[key] = (allowed, number)
        self.left = set(self.entries)

    def fault(self, number, text):
        self.faults.append(Fault(PATH, number, text))

    def limit(self, kind, name, rule, actual):
        if actual > rule:
            self.asked[f"{kind} {name}"] = actual
        entry = self.entries.get((kind, name))
        if entry is None:
            return rule
        allowed, number = entry
        self.left.discard((kind, name))
        if actual <= rule:
            self.fault(number, f"{kind} {name} needs no exception any more")
        elif actual < allowed:
            self.fault(number, f"{kind} {name} has shrunk: lower it to {actual}")
        return allowed

    def check(self, _tree):
        """After the sizes were asked for."""
        yield from self.faults
        for kind, name in sorted(self.left):
            yield Fault(PATH, self.entries[kind, name][1], f"there is no {kind} {name}")

    def tighten(self, renames):
        """Writes the list, after the sizes were asked for; answers how many entries changed."""
        entries = {" ".join(key): number for key, (number, _) in self.entries.items()}
        kept = tightened(entries, self.asked, self.tree, renames)
        lines, done = [], set()
        for line in lines_of(self.tree, PATH):
            parts = line.split(None, 3)
            key = " ".join(parts[:2])
            if key not in entries or line.startswith("#"):
                lines.append(line)
            elif key in kept and key not in done:
                number = min(self.asked[kept[key]], entries[key])
                lines.append(f"{kept[key]} {number} {parts[3]}")
            done.add(key)
        text = "".join(line + "\n" for line in lines)
        if text != "".join(line + "\n" for line in lines_of(self.tree, PATH)):
            with open(self.tree.at(PATH), "w", encoding="utf-8") as out:
                out.write(text)
        return changes(entries, self.asked, kept)
