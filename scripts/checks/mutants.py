"""mutants.py: a change that is found by what it changes, wherever that stands now.

A mutant of test/sim/mutants has a head, a blank line, and a piece for each change:

    @ NAME          the function of that name, in whichever file it is, or a path of a file
     a line         that stands there, and stays
    -a line         that stands there, and goes
    +a line         that comes

The lines that stay or go are found one after another, and once only; how far they are indented does
not matter.
"""
import re

HEAD_END = re.compile(r"\n\n(?=@ )")


class Misplaced(Exception):
    """The reason why a change has no place."""


def head_of(text):
    return HEAD_END.split(text, maxsplit=1)[0]


def pieces_of(text):
    """(place, lines that are there, lines that come instead) of each change."""
    for piece in re.split(r"^@ ", text[len(head_of(text)):], flags=re.M)[1:]:
        place, *lines = piece.rstrip("\n").split("\n")
        yield (place.strip(), [line[1:] for line in lines if line[:1] in " -"],
               [line[1:] for line in lines if line[:1] in " +"])


def regions_of(tree, place):
    """(path, first line, line behind the last) where a change of `place` may be."""
    if "/" in place:
        if place in tree.files:
            yield place, 0, (tree.text(place) or "").count("\n") + 1
        return
    for path in tree.under("src/", (".c", ".h")):
        if place in (tree.text(path) or ""):
            for function in tree.functions(path):
                if function.name == place:
                    yield path, function.first - 1, function.last


def changed(tree, text):
    """{path: the lines of the file with the changes}."""
    files = {}
    for place, old, new in pieces_of(text):
        wanted = [line.strip() for line in old]
        found = []
        for path, first, end in regions_of(tree, place):
            lines = files.get(path) or (tree.text(path) or "").split("\n")
            end += len(lines) - (tree.text(path) or "").count("\n") - 1  # By earlier changes.
            found += [(path, at) for at in range(first, end - len(wanted) + 1)
                      if [line.strip() for line in lines[at:at + len(wanted)]] == wanted]
        if len(found) != 1:
            what = "is not there" if not found else f"is there {len(found)} times"
            raise Misplaced(f"{place}: {what}: {(wanted or [''])[0]}")
        path, at = found[0]
        lines = files.setdefault(path, (tree.text(path) or "").split("\n"))
        lines[at:at + len(wanted)] = new
    return files
