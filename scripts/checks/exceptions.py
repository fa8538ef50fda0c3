"""exceptions.py: the list of what may be larger than the rules say; it may only shrink.

One entry a line: KIND NAME NUMBER REASON. An entry that is no longer needed, or that allows more
than there is, is a fault: so the list tells the truth, and nothing grows back.
"""
from checks.tree import Fault

PATH = "scripts/checks/exceptions.txt"
KINDS = ("file", "function", "complexity", "global")


class Exceptions:
    def __init__(self, tree):
        self.entries = {}
        self.faults = []
        text = tree.text(PATH) if PATH in tree.files else ""
        for number, line in enumerate(text.split("\n"), 1):
            if not line or line.startswith("#"):
                continue
            parts = line.split(None, 3)
            if len(parts) < 4 or parts[0] not in KINDS or not parts[2].isdigit():
                self.fault(number, "write: KIND NAME NUMBER REASON")
                continue
            self.entries[parts[0], parts[1]] = (int(parts[2]), number)
        self.left = set(self.entries)

    def fault(self, number, text):
        self.faults.append(Fault(PATH, number, text))

    def limit(self, kind, name, rule, actual):
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
