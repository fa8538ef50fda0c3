"""shares.py: which tests a run takes, where all of them would take longer than anybody waits.

Each unit runs once: sanitized at one commit in eight, and with the release build at the others;
what tests a program that is never sanitized always runs with the release. Sanitizers are those of
gcc at eight commits, and those of clang at the next eight. A test file runs at every other commit:
of eight, sanitized at one, on PostgreSQL at one, where it may, and with the release at the others;
and at each commit, once it has changed within the last sixteen. What says `each` runs with all its
words each time, and what says `seldom` is left out where it would be with the release only. What
needs several threads is under their sanitizer at every other commit. --all takes everything, with
both compilers.
"""
import functools
import subprocess
import time
import zlib

COMPILERS = ("gcc", "clang")
# Long ones: at which of eight commits they are sanitized. Chance would not share out their weight.
LONG = {
    "budget_walk": 1,
    "deliver": 2,
    "folder": 3,
    "hub_random": 7,
    "json_schema": 5,
    "messages": 6,
    "model_wires": 5,
    "runs_sim": 3,
    "runs_stop": 7,
    "store_power": 0,
    "store_sweep": 2,
    "tool_diff": 1,
    "turns_long": 6,
    "usage_walk": 4,
}
# Long files, the same: at which commit they are on PostgreSQL.
LONG_FILES = {
    "test/integration/poison.test.mjs": 1,
}
# This test runs the holder's own program.
BARE = "holder_program"
# Of so many commits each takes a part; the compiler changes after so many.
PARTS = 8
TURNS = PARTS * len(COMPILERS)
# Seeds between the first ones of two commits.
SEED_STEP = 1000


def side(name, sides=PARTS):
    return zlib.crc32(name.encode()) % sides


def compilers(this_turn, every):
    """Whose sanitizers are built."""
    return COMPILERS if every else (COMPILERS[this_turn // PARTS],)


def turn(root):
    """A number below TURNS, by the commit; without a history always the same."""
    log = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=root, check=False,
                         capture_output=True, text=True)
    return int(log.stdout) % TURNS if log.returncode == 0 else 0


def fresh_seed(root, above):
    """Where the fresh seeds of the simulator begin. A commit has its own, by what is in it, so
    that its run can be repeated; files that are not committed have others at each run."""
    def git(*words):
        return subprocess.run(["git", "-C", root, *words], check=False, capture_output=True,
                              text=True)

    tree = git("rev-parse", "HEAD^{tree}")
    committed = tree.returncode == 0 and git("status", "--porcelain").stdout == ""
    number = int(tree.stdout[:12], 16) if committed else time.time_ns()
    return above + number % 10**9 * SEED_STEP


@functools.cache
def recent(root):
    """Files of tests that changed within so many commits as there are turns, or since."""
    changed = subprocess.run(["git", "diff", "--name-only", f"HEAD~{TURNS}", "--", "test"],
                             cwd=root, check=False, capture_output=True, text=True)
    new = subprocess.run(["git", "ls-files", "--others", "--exclude-standard", "test"],
                         cwd=root, check=False, capture_output=True, text=True)
    return frozenset(changed.stdout.split() + new.stdout.split())


def every_other(name, this_turn):
    return (side(name, 2) + this_turn) % 2 == 0


def one_in_eight(name, this_turn):
    return (side(name) + this_turn) % PARTS == 0


def is_sanitized(name, this_turn):
    """Whether a unit is; else it runs with the release build."""
    if name in LONG:
        return LONG[name] == this_turn % PARTS
    return one_in_eight(name, this_turn) and not name.startswith(BARE)


def sanitized(tests, this_turn):
    """Of [(name, suite)] the names that the sanitizers take."""
    units = {name for name, suite in tests if suite != "postgres"}

    def taken(name, suite):
        if suite == "postgres":
            # A unit test of SQLite as well runs there each time.
            shared = name.removeprefix("postgres_") in units
            return not shared or one_in_eight(name, this_turn)
        return suite == "fuzz" or is_sanitized(name, this_turn)

    return [name for name, suite in tests if taken(name, suite)]


def released(tests, this_turn):
    """Of [(name, suite)] the units that run with the release build."""
    return [name for name, suite in tests if suite == "unit" and not is_sanitized(name, this_turn)]


def cases(this_turn, are_sanitized):
    """Of a unit with many cases those that it takes, for test/unit/share.h: an eighth with the
    release build, and half with the sanitizers of one compiler. When it is sanitized, an eighth is
    left out, so the next eight commits leave out another one."""
    if are_sanitized:
        return f"{this_turn // PARTS}/{len(COMPILERS)}"
    return f"{(this_turn + this_turn // PARTS) % PARTS}/{PARTS}"


def threaded(names, this_turn):
    """Of what needs several threads what is under their sanitizer."""
    return [name for name in names if every_other(name, this_turn)]


def takes(word, wanted, file, this_turn, changed=False):
    """Whether a file that wants to run with these words runs with this one."""
    usual = next((one for one in ("release", "web") if one in wanted), None)
    if word not in ("release", "web", "san", "postgres") or usual is None or "each" in wanted:
        return word in wanted
    at = (this_turn - LONG_FILES.get(file, -side(file))) % PARTS
    if at == 0 and "postgres" in wanted:
        return word == "postgres"
    if at == PARTS // 2:
        return word == ("san" if "san" in wanted else usual)
    return word == usual and "seldom" not in wanted and (changed or at % 2 == 0)
