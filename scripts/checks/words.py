"""words.py: calls, constructs and words that we do without."""
import collections
import re

from checks.tree import Fault, blank, line_of

# Call: what to use instead. `free` and the allocators stand in base/memory.c alone, and so on.
CALLS = {
    "strcpy strcat strncpy strncat stpcpy sprintf vsprintf asprintf vasprintf gets":
        "build text with struct text",
    "strtol strtoul strtoll strtoull strtoimax strtoumax atoi atol atoll atof sscanf":
        "parse with bounds (base)",
    "strtok strtok_r strsep": "walk over bytes",
    "malloc calloc realloc reallocarray free strdup strndup alloca": "use mem_… (base/memory.h)",
    "system popen vfork fork": "processes are started by the world",
    "time gettimeofday clock_gettime clock localtime gmtime localtime_r":
        "ask the world for the time",
    "rand srand random srandom rand_r drand48 getrandom getentropy arc4random":
        "ask the world for randomness",
    "sleep usleep nanosleep": "nothing sleeps: wait for an event, or use a timer",
    "setjmp longjmp signal atexit setenv putenv unsetenv tmpnam mktemp exit _exit abort":
        "not in library code",
}
# Where such a call is the point: layer and name of a file, or its whole path below src/ where the
# layer has two of that name.
AT_HOME = {
    "base/memory.c": "malloc calloc realloc free abort",
    "base/memory_must.c": "malloc calloc realloc free abort",
    "base/arena.c": "malloc free",
    "loop/local_day.c": "localtime_r",  # It asks for the time zone, and is given the time.
    "loop/loop.c": "clock_gettime",  # The watchdog reads the CPU time of its thread.
    "loop/world.c": "time gettimeofday clock_gettime getrandom",
    "proc/child.c": "vfork _exit",  # Between the two stands only exec.
    "proc/holder/main.c": "fork",  # One thread and no heap: the child may do anything.
    "proc/small.c": "clock_gettime",
    "tool/changes/git_run.c": "fork _exit",  # A program of one thread: the child may do anything.
    "script/worker.c": "clock_gettime",  # The CPU time of others.
    "script/main.c": "fork _exit",  # One thread: the child may do anything.
    # A program of its own, whose every end is this one; but the end of a script after which another
    # one comes leads back out of the engine, whose frames hold nothing.
    "script/worker/worker.c": "_exit setjmp longjmp",
    "script/frames.c": "_exit",
    "script/vm.c": "clock_gettime _exit",  # And how much a script has computed.
    "http/server.c": "signal",  # SIGPIPE, which libuv does not keep away.
    "main.c": "exit signal",
    "main/standby.c": "_exit",  # Nothing was promised yet.
    "main/restart.c": "unsetenv",  # Before there is a second thread.
    "main/daemon.c": "_exit",  # A commit of unknown outcome, or a second signal.
}
CONSTRUCTS = [
    (r"\bgoto\b", "no goto: AUTO(...) releases on every path"),
    (r"\btypedef\s+(?:struct|union|enum)\b(?![^;{]*\()", "no typedef of a struct, union or enum"),
    (r"#\s*pragma\s+once", "use an include guard"),
    (r"\bsetlocale\b", "no locale: text is bytes"),
]
# Tables of the kinds of runs; the first has their enum. Files that are a kind's own, where that is
# not the folder of its name.
KIND_TABLES = ["rules/run.h", "rules/kinds.c", "engine/run_kinds.c", "main/work.c"]
KIND_HOMES = {"AGENT": "/workflow/", "TITLE": "/titles."}
WORDS = re.compile("\\b(?:TO" + "DO|FIX" + "ME|X" + "XX|HA" + "CK)\\b")
HOMES = re.compile(r"(?<![\w.$}])/(?:ho" + "me|ro" + r"ot|Users|work)/[\w.-]+")
SQL = [
    (r"\bINSERT\s+OR\b|\bREPLACE\s+INTO\b", "ON CONFLICT is the portable form"),
    (r"\bIFNULL\s*\(", "COALESCE is the portable form"),
    (r"\bPRAGMA\b|\bGLOB\b|\bROWID\b|\bAUTOINCREMENT\b", "SQLite alone knows this"),
    (r"::(?:text|int|bigint)|\bILIKE\b|\bnow\(\)|\bSERIAL\b", "PostgreSQL alone knows this"),
    (r"\bOFFSET\b", "lists page by keyset, never by offset"),
    (r"=\s*\?|,\s*\?\s*[,)]", "parameters are $1, $2, …"),
]


def check_calls(tree):
    forbidden = {name: instead for names, instead in CALLS.items() for name in names.split()}
    home = {tree.named(name): set(words.split()) for name, words in AT_HOME.items()}
    for path in tree.under("src/", (".c", ".h")):
        code = tree.code(path)
        for match in re.finditer(r"\b([a-z_]\w*)\s*\(", code):
            name = match.group(1)
            if name not in forbidden or name in home.get(path, ()):
                continue
            if code[match.start() - 1] not in ".>":
                yield Fault(path, line_of(code, match.start()), f"{name}(): {forbidden[name]}")


def check_constructs(tree):
    for path in tree.under(("src/", "test/"), (".c", ".h")):
        code = tree.code(path)
        for pattern, instead in CONSTRUCTS:
            for match in re.finditer(pattern, code):
                yield Fault(path, line_of(code, match.start()), instead)
        for function in tree.functions(path):
            for match in re.finditer(r"^[ \t]*#[ \t]*if", function.body, re.MULTILINE):
                line = function.body_first + function.body.count("\n", 0, match.start())
                yield Fault(path, line, "no #if inside a function: write two files")


def check_globals(tree, exceptions):
    """State of a module lives in an object that somebody opened, never in the module."""
    for path in tree.under("src/", (".c", ".h")):
        code = tree.code(path)
        for match in re.finditer(
            r"^(?:static |_Thread_local |volatile |_Atomic )*"
            r"(?:(?:struct|enum|union) )?\w+ [*\s]*\w+(?:\[[^\]]*\])*(?: =[^;]*)?;$",
            code, re.MULTILINE,
        ):
            head = match.group().split("=")[0]
            if re.search(r"\bconst\b|^(?:extern|typedef)\b|^(?:struct|enum|union) \w+;", head):
                continue
            name = re.search(r"(\w+)(?:\[[^=]*)?;?\s*$", head).group(1)
            if exceptions.limit("global", f"{path}:{name}", 0, 1) < 1:
                yield Fault(path, line_of(code, match.start()), "a mutable global")


def check_words(tree):
    for path in tree.files:
        text = tree.text(path)
        if text is None or "/corpus/" in path or path.startswith("test/scripts/fixtures/"):
            continue
        found = [(match, "do it, or file an issue") for match in WORDS.finditer(text)]
        found += [(match, "a path of one machine") for match in HOMES.finditer(text)]
        if path.endswith(("package-lock.json", ".npmrc")):
            addresses = re.finditer(r'"resolved"|https?://', text)
            found += [(match, "a lock file has hashes, no addresses") for match in addresses]
        for match, problem in found:
            yield Fault(path, line_of(text, match.start()), f"{match.group()}: {problem}")


def check_sql(tree):
    """The one dialect; only the drivers themselves speak to their own database."""
    drivers = re.compile(r"^src/store/(?:.*/)?(?:sqlite|postgres|libpq)")
    for path in tree.under("src/", (".c", ".sql")):
        if drivers.match(path):
            continue
        code = blank(tree.text(path) or "", keep_strings=True)
        texts = [(0, code)] if path.endswith(".sql") else strings(code)
        for position, text in texts:
            if not re.search(r"\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE|VALUES|WHERE)\b", text):
                continue
            for pattern, instead in SQL:
                if re.search(pattern, text):
                    yield Fault(path, line_of(code, position), f"SQL: {instead}")


def check_ids(tree):
    """Rows of tables whose ids are given once are deleted only where the highest id was kept."""
    header = tree.named("engine/ids.h")
    kept = re.search(r"enum ids_table \{([^}]*)\}", tree.code(header) if header else "")
    names = re.findall(r"IDS_(\w+)", kept.group(1)) if kept else []
    deletion = re.compile(rf"\bDELETE FROM ({'|'.join(names).lower()})\b")
    for path in tree.under("src/", (".c",)) if names else []:
        code = blank(tree.text(path) or "", keep_strings=True)
        functions = tree.functions(path)
        for match in deletion.finditer(code):
            line, table = line_of(code, match.start()), match.group(1)
            bodies = [one.body for one in functions if one.first <= line <= one.last]
            if not any(f"ids__keep(tx, IDS_{table.upper()})" in body for body in bodies):
                yield Fault(path, line, f"deletes {table} without ids__keep in the same function")


def written_tables(tree):
    """Of each source the tables that it writes, with the line of each place: by a statement, or by
    a descriptor of any source."""
    codes = {path: blank(tree.text(path) or "", keep_strings=True)
             for path in tree.under("src/", (".c",))}
    described = {name: table for code in codes.values() for name, table in re.findall(
        r"\bstruct resource (\w+) = \{[^;]*?\.table = \"(\w+)\"", code)}
    for path, code in codes.items():
        for position, text in strings(code):
            text = re.sub(r'"\s*"', "", text)
            for table in re.findall(r"\b(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", text):
                yield path, line_of(code, position), table
        for match in re.finditer(r"\btx_row_(?:insert|update)\([^;]*?&(\w+)", code):
            if match.group(1) in described:
                yield path, line_of(code, match.start()), described[match.group(1)]


def check_resources(tree, exceptions):
    """Rows of a resource are written with an event, by the one file that does both. A descriptor
    whose fields have no group is only read by it; one without a plural is of rows whose feature has
    events of its own. Exceptions are named FILE:TABLE."""
    tables = {table for path in tree.under("src/rules/", (".c",))
              if re.search(r"\b(?:FIELD_(?:INSERTED|SET)|ROW_(?:ONCE|EACH))\b", tree.code(path))
              for table in re.findall(r'\.plural = [^;]*?\.table = "(\w+)"', tree.text(path))}
    places = collections.defaultdict(list)
    for path, line, table in written_tables(tree):
        if table in tables and path != tree.named("engine/base/resource.c"):
            places[path, table].append(line)
    for (path, table), lines in places.items():
        allowed = exceptions.limit("write", f"{path}:{table}", 0, len(lines))
        for line in lines[allowed:]:
            yield Fault(path, line, f"writes {table} without its event: use engine/base/resource.h")


def check_tables(tree, exceptions):
    """What a user can see of a table follows from its descriptor; and the search for damage knows
    each table. Exceptions are named by the table: `table` has no descriptor, `unsearched` only
    numbers, or rows that are checked elsewhere."""
    described = {table for room in ("src/rules/", "src/engine/")
                 for path in tree.under(room, (".c",))
                 for table in re.findall(r'\.table = "(\w+)"', tree.text(path) or "")}
    where = tree.named("engine/system/damage.c")
    damage = tree.text(where) if where else ""
    searched = set(re.findall(r'\bBY_\w+\("(\w+)"', damage))
    rules = (("table", described, "has no descriptor (base/resource/resource.h)"),
             ("unsearched", searched, "is not searched for damage (engine/system/damage.c)"))
    for path in tree.under("src/store/migrations/", (".sql",)):
        text = tree.text(path) or ""
        for match in re.finditer(r"^CREATE TABLE (\w+)", text, re.M):
            for kind, known, words in rules:
                missing = int(match.group(1) not in known)
                if missing > exceptions.limit(kind, match.group(1), 0, missing):
                    yield Fault(path, line_of(text, match.start()), f"{match.group(1)} {words}")


def check_kinds(tree, exceptions):
    """A kind of run is named by its tables, and by the files of its own feature: whoever else asks
    for a kind would be wrong about the next one. The same for SQL that compares with its name."""
    tables = [tree.named(name) for name in KIND_TABLES]
    enum = re.search(r"enum run_kind \{([^}]*)\}", tree.code(tables[0]) if tables[0] else "")
    names = re.findall(r"\bKIND_(\w+)", enum.group(1)) if enum else []
    found = re.compile(rf"\bKIND_({'|'.join(names)})\b")
    sql = re.compile(rf"\bkind (?:=|<>|IN \() ?'({'|'.join(names).lower()})'")
    for path in tree.under("src/", (".c", ".h")) if names else []:
        if path in tables:
            continue
        code = tree.code(path)
        places = [(match.start(), match.group(1)) for match in found.finditer(code)]
        code = blank(tree.text(path) or "", keep_strings=True)
        places += [(match.start(), match.group(1).upper()) for match in sql.finditer(code)]
        places = sorted(place for place in places
                        if KIND_HOMES.get(place[1], f"/{place[1].lower()}/") not in path)
        allowed = exceptions.limit("kind", path, 0, len(places))
        for position, name in places[allowed:]:
            yield Fault(path, line_of(code, position),
                        f"asks for the kind {name}: make it a trait or an operation of kinds "
                        "(rules/run/kinds.c, engine/system/run_kinds.c)")


def strings(code):
    """Literals, those that follow one another as one."""
    for match in re.finditer(r'"(?:\\.|[^"\\\n])*"(?:\s*"(?:\\.|[^"\\\n])*")*', code):
        yield match.start(), match.group()
