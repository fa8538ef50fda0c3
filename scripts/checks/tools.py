"""tools.py: what other programs check for us: clang-format, the compiler, the shell."""
import concurrent.futures
import json
import os
import re
import shlex
import subprocess

from checks.tree import Fault

PACKAGES = ["libuv", "sqlite3", "jansson", "libmd", "libpq", "libcurl"]


def run(command, cwd):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


FORMAT_VERSION = "14"  # Others break lines otherwise.


def format_version():
    return run(["clang-format", "--version"], None).stdout.partition("version ")[2].split(".")[0]


def check_format(tree):
    if format_version() != FORMAT_VERSION:
        print(f"lint: the format is not checked: that takes clang-format {FORMAT_VERSION}, and"
              f" this is {format_version() or 'none'}")
        return
    paths = tree.under(("src/", "test/"), (".c", ".h"))
    paths = [path for path in paths if "/fixtures/" not in path]
    parts = [paths[start : start + 25] for start in range(0, len(paths), 25)]

    def compare(part):
        return run(["clang-format", "--dry-run", "-Werror", *part], tree.root).stderr

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for output in pool.map(compare, parts):
            places = re.findall(r"^(\S+?):(\d+):\d+: error: code should be clang-", output, re.M)
            for path, line in dict.fromkeys(places):
                yield Fault(path, int(line), "not as clang-format writes it: make fmt")


def check_headers(tree):
    """A header compiles alone, in a file that includes nothing else. Where the source beside it
    includes it first, each build shows that."""
    flags = shlex.split(run(["pkg-config", "--cflags", *PACKAGES], tree.root).stdout)
    command = ["gcc", "-fsyntax-only", "-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
    command += ["-Wno-unused-parameter", "-Isrc", "-I/usr/share/include/llhttp", *flags]
    first = re.compile(r'^#include "(.*)"$|^#include <', re.M)

    def is_first(path):
        source = path.removesuffix(".h") + ".c"
        found = first.search(tree.text(source)) if source in tree.files else None
        return found is not None and found.group(1) == path.removeprefix("src/")

    headers = [path for path in tree.under("src/", ".h") if not is_first(path)]

    def compile_alone(path):
        source = f'#include "{path[len("src/"):]}"\n'
        return subprocess.run(
            command + ["-x", "c", "-"], cwd=tree.root, input=source, capture_output=True,
            text=True, check=False,
        )

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, result in zip(headers, pool.map(compile_alone, headers)):
            if result.returncode != 0:
                reason = next((l for l in result.stderr.split("\n") if "error" in l), result.stderr)
                yield Fault(path, 1, f"does not compile alone: {reason.strip()}")


def check_shell(tree):
    scripts = [
        path for path in tree.files
        if (tree.text(path) or "").startswith("#!/bin/sh") and "/fixtures/" not in path
    ]
    for path in scripts:
        if not re.search(r"^set -eu$", tree.text(path), re.MULTILINE):
            yield Fault(path, 1, "does not say set -eu")
        if not os.access(tree.at(path), os.X_OK):
            yield Fault(path, 1, "is not executable")
        checked = run(["dash", "-n", path], tree.root)
        if checked.returncode != 0:
            yield Fault(path, 1, checked.stderr.strip())
    if scripts:
        # SC2317: a function that only a trap calls looks unreachable to it.
        options = ["-s", "sh", "-x", "-f", "gcc", "-e", "SC2317"]
        output = run(["shellcheck", *options, *scripts], tree.root).stdout
        for match in re.finditer(r"^([^:\n]+):(\d+):\d+: (.*)$", output, re.MULTILINE):
            yield Fault(match.group(1), int(match.group(2)), match.group(3))


# All of them in one process: one for each took ten seconds.
SPELL = """
const { readFileSync } = require("node:fs");
const { SourceTextModule } = require("node:vm");
for (const path of process.argv.slice(1)) {
  try {
    new SourceTextModule(readFileSync(path, "utf8"));
  } catch (error) {
    console.log(JSON.stringify([path, `${error.name}: ${error.message}`]));
  }
}
"""


def check_spelling_of_scripts(tree):
    """Programs of other languages are at least whole."""
    scripts = tree.under("", ".mjs")
    command = ["node", "--no-warnings", "--experimental-vm-modules", "-e", SPELL, "--", *scripts]
    checked = run(command, tree.root)
    if checked.returncode != 0:
        yield Fault("", 1, checked.stderr.strip())
    for line in checked.stdout.splitlines():
        path, reason = json.loads(line)
        yield Fault(path, 1, reason)


def check_types(tree):
    """The web pages' sources, as strict TypeScript."""
    if not tree.under("web/src/", (".ts", ".tsx")):
        return
    compiler = "web/node_modules/typescript/bin/tsc"
    if not os.path.exists(tree.at(compiler)):
        yield Fault("web/package.json", 1, "TypeScript is not there: scripts/setup build")
        return
    checked = run(["node", compiler, "--project", "web"], tree.root)
    for match in re.finditer(r"^(\S+?)\((\d+),\d+\): error (.*)$", checked.stdout, re.M):
        yield Fault(match.group(1), int(match.group(2)), match.group(3))
    if checked.returncode != 0 and "error" not in checked.stdout:
        yield Fault("web/tsconfig.json", 1, checked.stderr.strip())
