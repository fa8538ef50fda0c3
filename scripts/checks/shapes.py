"""shapes.py: names that say too little or too much, and states that nobody drew."""
import re

from checks.ratchets import Found, Ratchet
from checks.tree import Fault, line_of

DEFINED_OFTEN = 5
BOOLS = 3
STRUCT = re.compile(r"^(?:static |const )*struct (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
# A member of an enum whose type or whose own name says that it is a state.
STATE = re.compile(
    r"\benum (?:\w*(?:state|phase|stage)\w* \w+|\w+ \w*(?:state|phase|stage)\w*)\b[^;(]*;")
CLASS = re.compile(r"\.[\w-]+")
BOOL = re.compile(r"\bbool (\w[^;()*]*);")


def measure_names(tree):
    """Functions of one name, static or not."""
    named = {}
    for path in tree.under("src/", (".c", ".h")):
        for function in tree.functions(path):
            named.setdefault(function.name, []).append((path, function.first))
    return {name: Found(len(places), places[0][0],
                        [(places[0][1], ", ".join(path for path, _ in places))])
            for name, places in named.items() if len(places) > DEFINED_OFTEN}


def check_twins(tree):
    """The linker takes the first of two global functions of one name in two libraries, and says
    nothing: which one a caller gets depends on the order of the libraries."""
    defined = {}
    for path in tree.under("src/", ".c"):
        for function in tree.functions(path):
            if function.static or function.name == "main":
                continue
            first = defined.setdefault(function.name, path)
            if first != path:
                yield Fault(path, function.first,
                            f"{function.name} is a global function of {first}, too")


def check_styles(tree):
    """A class that two stylesheets give a look gets both, as soon as both are loaded: the one that
    was written last wins, on whichever page that is."""
    owners = {}
    for path in tree.under("web/src/", ".css"):
        text = re.sub(r"/\*.*?\*/", lambda comment: re.sub(r"[^\n]", " ", comment[0]),
                      tree.text(path) or "", flags=re.DOTALL)
        for rule in re.finditer(r"(?<=[{}])\s*([^{}@;]+)\{", "}" + text):
            for selector in rule[1].split(","):
                name = selector.strip()
                if CLASS.fullmatch(name) and owners.setdefault(name, path) != path:
                    yield Fault(path, line_of(text, rule.start(1) - 1),
                                f"{name} has its look in {owners[name]}, too")


def measure_bools(tree):
    """Structs that have a state, and bools beside it: each of those is a state that nobody drew."""
    found = {}
    for path in tree.under("src/", (".c", ".h")):
        code = tree.code(path)
        for match in STRUCT.finditer(code):
            name, body = match.groups()
            bools = [word.strip() for one in BOOL.findall(body) for word in one.split(",")]
            if len(bools) > BOOLS and STATE.search(body):
                places = [(line_of(code, match.start()), ", ".join(bools))]
                found[f"{path}:{name}"] = Found(len(bools), path, places)
    return found


NAMES = Ratchet("names", "functions of one name", measure_names)
STATES = Ratchet("states", "bools beside a state field", measure_bools)
