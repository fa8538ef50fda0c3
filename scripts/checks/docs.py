"""docs.py: the documents say what is there; four of them are written from the sources."""
import json
import os
import re

from checks import changelog
from checks.tree import Fault, line_of

ERRORS = "docs/errors.md"
ERR_H = "base/err.h"  # Layer and name: the file may be in any folder of its layer.
CONFIGURATION = "docs/configuration.md"
SERVE_C = "cli/command_serve.c"
COMMANDS = "docs/commands.md"
HELP = "test/golden/expected/help.txt"  # Output of the tables of commands, as a test compares it.
LICENCES = "docs/licences.md"
WEB_LOCK = "web/package-lock.json"
ENGINE_LOCK = "src/script/engine/package-lock.json"
USUAL = ("--data", "--url", "--no-start", "--json", "--help")  # Flags that are described once.


def source_of(tree, name):
    return name if name in tree.files else tree.named(name)


def source_text(tree, name):
    path = source_of(tree, name)
    return (tree.text(path) or "") if path else ""


def remedies(tree):
    """What the page tells a user to do, by code: written by hand, kept when it is made anew."""
    text = (tree.text(ERRORS) if ERRORS in tree.files else "") or ""
    return dict(re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\|[^|]*\| (.*?) \|$", text, re.M))


def render_errors(tree):
    """docs/errors.md, from the table in err.h."""
    told, source = remedies(tree), tree.named(ERR_H)
    text = re.sub(r"\\\n\s*", " ", source_text(tree, ERR_H))
    rows = re.findall(r'X\((\w+),\s*"(\w+)",\s*(\d+),\s*(\d+),\s*"([^"]*)"\)', text)
    page = [
        "# Errors",
        "",
        f"*Written by `make docs` from the table in `{source}`; the last column is kept. A",
        "released `code` keeps its meaning for ever.*",
        "",
        "An answer that is not 2xx has the media type `application/problem+json` and the members",
        "`type`, `title`, `status`, `detail` (what was wrong, and where) and `code`. A command of",
        "the CLI that fails prints the same in one sentence on stderr and ends with the exit code.",
        "",
        "| code | HTTP status | exit code | meaning | what to do |",
        "|---|---|---|---|---|",
    ]
    for _, name, status, code, title in rows:
        page.append(f"| `{name}` | {status} | {code} | {title} | {told.get(name, '')} |")
    return "\n".join(page) + "\n"


def flag_rows(text):
    """The flags of `serve`: a dict of the members of each row."""
    table = re.search(r"serve_flags\[\] = \{(.*?)\n\};", text, re.DOTALL)
    string = r'"((?:[^"\\]|\\.)*)"'
    rows = re.sub(r'"\s*\n\s*"', "", table.group(1) if table else "")
    row = r"(?:SETTING|OPTION)_(\w+)\((.*?)\)(?=,\s*(?:[A-Z]|$))"
    for kind, row in re.findall(row, rows, re.DOTALL):
        words, _, members = re.sub(r"\s+", " ", row).partition(", .")
        words = re.findall(string, words)
        members = {"name": words[0], "about": words[-1],
                   **dict(re.findall(r"(\w+) = " + string, members))}
        members.setdefault("env", "DROVER_" + words[1])
        if kind == "SIZE":
            members["value"] = "SIZE"
        elif kind != "SWITCH":
            members["value"] = words[-2] if kind == "TEXT" else words[2]
        if kind in ("INT", "SIZE"):
            members["absent"] = words[-2]
        yield members


def render_configuration(tree):
    """docs/configuration.md, from the flags of `drover serve`."""
    page = [
        "# Configuration",
        "",
        f"*Written by `make docs` from the table in `{tree.named(SERVE_C)}`.*",
        "",
        "A setting of `drover serve` is taken from its flag, else from the environment, else from",
        "the configuration file, else from the default. The file is `config.json` in the data",
        "directory, or the one named by `--config`: one JSON object, whose keys are the flags'",
        "names with `_` for `-`:",
        "",
        "```json",
        '{"listen": "127.0.0.1:7433", "insecure_loopback": true, "heartbeat": 5}',
        "```",
        "",
        "A key that is not in the table is refused by name and position, and so is a value that",
        "does not fit. `drover serve --help` prints the same.",
        "",
        "An environment variable `DROVER_…` that no command reads is no reason not to start:",
        "others may have chosen that beginning too. `drover serve` warns of it by name when it is",
        "ready, with the nearest name that is read. `DROVER_TEST_…` is left to tests.",
        "",
        "A data directory into which everybody may write is refused: others could put a database",
        "or settings of their own into it. `drover doctor` warns where it belongs to another",
        "user, or where a group may enter or write.",
        "",
        "| flag | environment | default | what it says |",
        "|---|---|---|---|",
    ]
    for row in flag_rows(source_text(tree, SERVE_C)):
        value = f" {row['value']}" if row.get("value") else ""
        choices = row.get("choices", "").replace("|", ", ")
        about = row["about"] + (f" One of {choices}." if choices else "")
        page.append(
            f"| `--{row['name']}{value}` | `{row.get('env', '')}` | {row.get('absent', '')} "
            f"| {about} |".replace("``", "")
        )
    return "\n".join(page) + "\n"


def flags_of(block):
    """The flags of a command's help: name and lines of each."""
    starts = list(re.finditer(r"^ {2}(?:-\w, | {4})(--[\w-]+)", block, re.M))
    ends = [start.start() for start in starts[1:]] + [len(block)]
    return [(start.group(1), block[start.start():end].rstrip("\n"))
            for start, end in zip(starts, ends)]


HELP_OF_A_COMMAND = re.compile(
    r"(?P<summary>.*?)\n\nUsage: (?P<usage>.*?)\n\nFlags:\n(?P<flags>.*?)"
    r"(?:\n\n(?P<about>.*?))??(?:\n\nExamples:\n(?P<examples>.*))?", re.DOTALL)


def help_of(records, name):
    """The parts of what `drover NAME --help` prints."""
    parts = HELP_OF_A_COMMAND.fullmatch(records[f"{name} --help"])
    return {part: text or "" for part, text in parts.groupdict().items()}


def command_chapter(name, parts, usual):
    summary, flags = parts["summary"], flags_of(parts["flags"])
    own = "\n".join(lines for flag, lines in flags if (flag, lines) not in usual)
    if name == "serve":
        summary += " Its flags are the settings of [configuration.md](configuration.md)."
        own = ""
    blocks = [parts["usage"], own, parts["about"]]
    return [f"### drover {name}", "", summary, "", "```text",
            "\n\n".join(block for block in blocks if block), "```", "",
            "```console", re.sub(r"^ {2}", "", parts["examples"], flags=re.M), "```", ""]


def render_commands(tree):
    """docs/commands.md, from the help of all commands."""
    records = dict(re.findall(r"^\$ drover (.*?)\n(.*?)\n*(?=\n\$ |\Z)",
                              source_text(tree, HELP), re.M | re.DOTALL))
    usual = [flag for flag in flags_of(help_of(records, "ps")["flags"]) if flag[0] in USUAL]
    page = [
        "# Commands",
        "",
        f"*Written by `make docs` from the help of all commands, as `{HELP}` records it.*",
        "",
        "Where a command asks for a run, a session or another object, give its id, the beginning",
        "of its id, its label, or `last` (the newest). A time is a number with `ms`, `s`, `m`, `h`",
        "or `d` after it (none: seconds), a size one with `K`, `M`, `G` or `T`. Text in",
        "`[…]` at the end of a flag's description is its default, in `(…)` the environment",
        "variable that is read in its place. [Exit codes](running.md#exit-codes) are the same for",
        "all commands.",
        "",
        "Every command takes `--json` and `--help`; `completion`, `help` and",
        "`service install --print` print the same with `--json`. Commands that talk to the daemon",
        "take all of these:",
        "",
        "```text",
        *[lines for _, lines in usual],
        "```",
    ]
    chapters = []
    for line in records["help"].split("\n"):
        row = re.match(r"  ([a-z]+(?: [a-z]+)?)  +(\S.*)", line)
        if row is None:
            title = line
        else:
            name, summary = row.groups()
            if title:
                page += ["", f"**{title}**", "", "| | |", "|---|---|"]
                chapters += [f"## {title}", ""]
                title = ""
            page.append(f"| [`{name}`](#drover-{name.replace(' ', '-')}) | {summary} |")
            chapters += command_chapter(name, help_of(records, name), usual)
    return "\n".join(page + [""] + chapters)


# Page: what it is made from, and how.
def modules_file(tree, path, pattern):
    """A file of a package that npm has placed, by the beginning of its name; "" without one."""
    folder = tree.at(path)
    found = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for one in found:
        if re.match(pattern, one, re.IGNORECASE):
            with open(os.path.join(folder, one), encoding="utf-8") as file:
                return file.read()
    return ""


def render_licences(tree):
    """docs/licences.md, of the packages in the binary: those that are not only of its build."""
    page = [
        "# Licences of what the binary holds",
        "",
        f"*Written by `make docs` from `{WEB_LOCK}`, `{ENGINE_LOCK}` and the packages that they"
        " name.*",
    ]
    for lock in WEB_LOCK, ENGINE_LOCK:
        for path, about in sorted(json.loads(source_text(tree, lock))["packages"].items()):
            name = path.removeprefix("node_modules/")
            # Nothing of the types is in the pages.
            if path == "" or about.get("dev") or about.get("peer") or name.startswith("@types/"):
                continue
            place = os.path.join(os.path.dirname(lock), path)
            text = modules_file(tree, place, r"LICEN[CS]E").strip()
            page += ["", f"## {name} {about['version']} ({about['license']})", "", "```text"]
            page += [line.rstrip() for line in text.splitlines()] + ["```"]
    return "\n".join(page) + "\n"


WRITTEN = {ERRORS: (ERR_H, render_errors), CONFIGURATION: (SERVE_C, render_configuration),
           COMMANDS: (HELP, render_commands), LICENCES: (WEB_LOCK, render_licences)}


def check_written_pages(tree):
    for page, (name, render) in WRITTEN.items():
        source = source_of(tree, name)
        if source and (page not in tree.files or tree.text(page) != render(tree)):
            yield Fault(page, 1, f"differs from {source}: make docs")
    for name, told in remedies(tree).items():
        if not told.strip() and tree.named(ERR_H):
            yield Fault(ERRORS, 1, f"does not say what to do about {name}")


def check_api_page(tree):
    """The table of docs/api.md has a row for each route of the tables in api/ and http/."""
    page = tree.text("docs/api.md") if "docs/api.md" in tree.files else ""
    cells = " ".join(re.findall(r"^\| (`[^|]*)\|", page, re.M))
    listed = set(re.findall(r"`(\w+ [^`?]*)", cells))
    for path in tree.under(("src/api/", "src/http/"), ".c"):
        text = tree.text(path)
        for match in re.finditer(
                r'(?:\.method = |ROUTE\()"(\w+)",\s*(?:\.path = )?"([^"]+)"', text):
            route = f"{match.group(1)} {match.group(2)}"
            if route not in listed:
                told = f"the table of docs/api.md lacks {route}"
                yield Fault(path, line_of(text, match.start()), told)


def check_links(tree):
    """A link to a file of ours leads somewhere."""
    entries = changelog.fragments(tree)
    for path in tree.under("", ".md"):
        text = tree.text(path) or ""
        for match in re.finditer(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            target = match.group(1)
            if re.match(r"[a-z]+:", target):
                continue
            # An entry of the changelog is read where it will stand.
            folder = "" if path in entries else os.path.dirname(path)
            if not os.path.exists(os.path.join(tree.root, folder, target)):
                yield Fault(path, line_of(text, match.start()), f"no such file: {target}")


def check_architecture(tree):
    """ARCHITECTURE.md names every room that exists, and stays short."""
    name = "ARCHITECTURE.md"
    if name not in tree.files:
        return
    text = tree.text(name)
    if text.count("\n") >= 300:
        yield Fault(name, 300, "300 lines or more")
    rooms = {path.split("/")[1] for path in tree.under("src/", ".c") if path.count("/") > 1}
    for room in sorted(rooms):
        if f"`{room}" not in text:
            yield Fault(name, 1, f"does not name the room {room}")


# Names of tests, and the folders in which scripts/suite.py and scripts/units.py find them.
FOUND = {r"test_\w+\.c": "test/(unit|postgres)", r"fuzz_\w+\.c": "test/fuzz",
         r".+\.test\.mjs": r"test/\w+", r"test_\w+\.py": "test/scripts"}


def check_names_of_tests(tree):
    """Tests are found by their names: each stands where its runner looks for it."""
    for path in tree.under("test/", (".c", ".test.mjs", ".py")):
        folder, name = os.path.split(path)
        kind = next((kind for kind in FOUND if re.match(kind, name)), None)
        if kind and not re.fullmatch(FOUND[kind], folder) and "/fixtures/" not in path:
            yield Fault(path, 1, "stands in a folder in which nobody looks for tests")
