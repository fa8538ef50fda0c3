"""sizes.py: how large a folder, a file, a function and a line may be, and how tangled."""
import collections
import os
import re

from checks.ratchets import Found, Ratchet
from checks.tree import Fault

# Ceilings, with no floor and no usual size: an idea decides where a file or a function ends.
FILE_LINES, FUNCTION_LINES, COMPLEXITY, LINE_COLUMNS = 1000, 100, 20, 100
FOLDER_FILES = 40
CODE = (".c", ".h", ".mjs", ".js", ".ts", ".tsx", ".css", ".py", ".sh", ".sql")


def check_sizes(tree, exceptions):
    """`exceptions` answers what a ratchet allows, and notes that it was asked."""
    for path in code_files(tree):
        lines = (tree.text(path) or "").count("\n")
        allowed = exceptions.limit("file", path, FILE_LINES, lines)
        if lines > allowed:
            yield Fault(path, 1, f"{lines} lines; {allowed} are allowed")
    for path in tree.under(("src/", "test/"), (".c", ".h")):
        for function in tree.functions(path):
            name = f"{path}:{function.name}"
            allowed = exceptions.limit("function", name, FUNCTION_LINES, function.lines)
            if function.lines > allowed:
                text = f"{function.name} has {function.lines} lines; {allowed} are allowed"
                yield Fault(path, function.first, text)
            allowed = exceptions.limit("complexity", name, COMPLEXITY, function.complexity)
            if function.complexity > allowed:
                text = f"{function.name} has complexity {function.complexity}; {allowed} is allowed"
                yield Fault(path, function.first, text)


def check_folders(tree, exceptions):
    """Sources and headers that stand directly in a folder."""
    folders = collections.Counter(map(os.path.dirname, tree.under("src/", (".c", ".h"))))
    for folder, files in sorted(folders.items()):
        allowed = exceptions.limit("folder", folder, FOLDER_FILES, files)
        if files > allowed:
            yield Fault(folder, 1, f"{files} files; {allowed} are allowed")


def check_lines(tree):
    for path in code_files(tree):
        text = tree.text(path) or ""
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > LINE_COLUMNS:
                yield Fault(path, number, f"{len(line)} columns; {LINE_COLUMNS} are allowed")
            elif line != line.rstrip() or ("\t" in line and not path.endswith(".h")):
                yield Fault(path, number, "a tab, or blanks at the end")
        if text and not text.endswith("\n"):
            yield Fault(path, text.count("\n") + 1, "the last line has no end")


def code_files(tree):
    """Sources, and scripts without an ending; not the fixtures and inputs of tests."""
    for path in tree.files:
        if re.search(r"(^|/)(corpus|fixtures)/", path):
            continue
        text = tree.text(path) or ""
        if path.endswith(CODE) or ("." not in path.split("/")[-1] and text.startswith("#!")):
            yield path


def measure_layers(tree):
    """Code lines of a layer, and of the pages, in hundreds: what every reader has to carry. A
    feature asks for the lines that it needs, in the commit that brings it."""
    counts = collections.Counter()
    for path in tree.under(("src/", "web/src/"), CODE):
        layer = "web" if path.startswith("web/") else path.split("/")[1]
        counts[layer] += sum(1 for line in tree.code(path).split("\n")
                             if line.strip() and not line.lstrip().startswith("--"))
    return {layer: Found(-(-lines // 100), f"src/{layer}", [(1, f"{lines} in all")])
            for layer, lines in counts.items()}


LAYERS = Ratchet("lines", "hundreds of code lines", measure_layers)
