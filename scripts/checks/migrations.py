"""migrations.py: the schema of a database that somebody has is history.

A migration that landed never changes: databases have been through it. LANDED lists each file with
its digest, and the version that databases had when it landed; several may land together. What is
not listed has not landed: `scripts/lint --land` adds it, once, and changes no line.

From FIRST_CHECKED on a migration only adds, so that it is short however large the tables are. What
has to rewrite rows is a chore of the daemon, after the start.
"""
import hashlib
import re

from checks.tree import Fault, line_of

FOLDER, LANDED = "src/store/migrations/", "scripts/checks/migrations.txt"
DATABASES = "test/upgrade/databases/"
FIRST_CHECKED = 4
ADDS = re.compile(
    r"CREATE TABLE \w+ \(.*\) @strict@"
    r"|CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?\w+ ON .*"
    r"|DROP INDEX (?:IF EXISTS )?\w+"
    r"|ALTER TABLE \w+ ADD COLUMN \w+ .*"
    r"|UPDATE (?:nodes|schema) SET .*", re.S)


def digest(tree, path):
    return hashlib.sha256((tree.text(path) or "").encode()).hexdigest()


def number(path):
    return int(re.sub(r"\D.*", "", path.rsplit("/", 1)[-1]) or 0)


def files(tree):
    return tree.under(FOLDER, (".sql",))


def landed(tree):
    """(version, name, digest) of each line that is no comment, with the line's number."""
    lines = (tree.text(LANDED) or "").split("\n") if LANDED in tree.files else []
    return [(at, *line.split()) for at, line in enumerate(lines, 1)
            if line and not line.startswith("#")]


def check_landed(tree):
    found = {path.rsplit("/", 1)[-1]: path for path in files(tree)}
    known = landed(tree)
    for at, _, name, wanted in known:
        if name not in found:
            yield Fault(LANDED, at, f"{name} landed, and is gone: databases have been through it")
        elif digest(tree, found[name]) != wanted:
            yield Fault(found[name], 1, "landed, and never changes: databases have been through "
                                        "it; write another migration behind it")
    for name in sorted(found.keys() - {name for _, _, name, _ in known}):
        yield Fault(found[name], 1, "has not landed yet: 'scripts/lint --land' records its digest, "
                                    "then 'test/upgrade/make.sh' stores databases of its version")


def check_databases(tree):
    """Each version that databases had is opened by test/upgrade/."""
    for version in sorted({int(version) for _, version, _, _ in landed(tree)}):
        for name in (f"{version}.sqlite.tar.gz", f"{version}.postgres.tar.gz"):
            if DATABASES + name not in tree.files:
                yield Fault(LANDED, 1, f"{DATABASES}{name} is missing: 'test/upgrade/make.sh' "
                                       "writes it, by a build of that version")


def check_additions(tree):
    for path in files(tree):
        if number(path) < FIRST_CHECKED:
            continue
        code = re.sub(r"--[^\n]*", lambda found: " " * len(found.group()), tree.text(path) or "")
        start = 0
        for part in code.split(";"):
            statement, at = part.strip(), start + len(part) - len(part.lstrip())
            start += len(part) + 1
            if statement and not ADDS.fullmatch(statement):
                yield Fault(path, line_of(code, at),
                            "a migration only adds: CREATE TABLE or INDEX, DROP INDEX, ALTER TABLE "
                            "… ADD COLUMN, UPDATE of nodes; rows are rewritten by a chore")


def land(tree):
    """Adds what has not landed; answers the names."""
    text = tree.text(LANDED) or ""
    names = {name for _, _, name, _ in landed(tree)}
    added = [path for path in files(tree) if path.rsplit("/", 1)[-1] not in names]
    version = max((number(path) for path in files(tree)), default=0)
    with open(tree.at(LANDED), "w", encoding="utf-8") as page:
        page.write(text + "".join(f"{version} {path.rsplit('/', 1)[-1]} {digest(tree, path)}\n"
                                  for path in added))
    return [path.rsplit("/", 1)[-1] for path in added]
