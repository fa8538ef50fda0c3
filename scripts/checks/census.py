"""census.py: the size and the shape of src/ in numbers. scripts/census prints them."""
import collections
import os
import re
import sqlite3

from checks.layers import CIRCLES, feature_of, includes, room_of
from checks.plain import OPENINGS, WORDS
from checks.shapes import STATES
from checks.tree import TOKEN, blank

# The words of a migration that differ between the databases (store/driver.h).
DIALECT = {"@id@": "INTEGER PRIMARY KEY AUTOINCREMENT", "@int@": "INTEGER", "@strict@": "STRICT"}
# A literal that holds the name of a member of JSON, as C writes it: \"name\":
MEMBER = re.compile(r'\\"[\w.-]+\\":')


def sources(tree):
    return tree.under("src/", (".c", ".h"))


def count_lines(tree):
    """Code lines hold something besides comments and blanks; comment lines hold no code."""
    lines = code = filled = 0
    for path in sources(tree):
        text = tree.text(path) or ""
        lines += text.count("\n")
        code += sum(1 for line in tree.code(path).split("\n") if line.strip())
        filled += sum(1 for line in text.split("\n") if line.strip())
    return {"files": len(sources(tree)), "lines": lines, "code lines": code,
            "comment lines": filled - code}


def functions_by_name(tree):
    """Name: list of (path, Function) of each definition, static or not."""
    named = collections.defaultdict(list)
    for path in sources(tree):
        for function in tree.functions(path):
            named[function.name].append((path, function))
    return named


def count_functions(tree):
    """One caller: called from one place, and the address is not taken. One use: either of both."""
    named = functions_by_name(tree)
    uses = Uses(tree)
    static_one, all_one, all_used, static = 0, 0, 0, 0
    for name, definitions in named.items():
        for path, function in definitions:
            local = function.static and path.endswith(".c")
            if not local and len(definitions) > 1:
                continue
            calls, others = uses.of(name, path if local else None, function)
            static_one += local and (calls, others) == (1, 0)
            all_one += (calls, others) == (1, 0)
            all_used += calls + others == 1
        static += sum(function.static for _, function in definitions)
    most = max(named, key=lambda name: (len(named[name]), name), default="")
    return {
        "functions": sum(map(len, named.values())),
        "static functions": static,
        "static functions with one caller": static_one,
        "functions with one caller": all_one,
        "functions with one use": all_used,
        "function names": len(named),
        "names defined more than once": sum(len(found) > 1 for found in named.values()),
        "names defined more than five times": sum(len(found) > 5 for found in named.values()),
        "definitions under those names": sum(len(one) for one in named.values() if len(one) > 5),
        "definitions of the most frequent name": len(named[most]) if most else 0,
    }


class Uses:
    """Where the name of a function is called, and where it is used otherwise: its address is taken.

    A declaration is no use, nor is a call of the function by itself, nor a member of a struct that
    has the same name. What a macro's text calls counts as one call.
    """
    NAME = re.compile(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)(\s*\()?")

    def __init__(self, tree):
        self.by_path = {path: self.read(tree, path) for path in sources(tree)}
        self.everywhere = (collections.Counter(), collections.Counter())
        for calls, others in self.by_path.values():
            self.everywhere[0].update(calls)
            self.everywhere[1].update(others)

    def read(self, tree, path):
        calls, others = collections.Counter(), collections.Counter()
        lines = tree.code(path).split("\n")
        for function in tree.functions(path):
            for name, bracket in self.NAME.findall(function.body):
                (calls if bracket else others)[name] += 1
            lines[function.first - 1 : function.last] = [""] * function.lines
        outside = re.sub(r"\\\n", " ", "\n".join(lines))
        for line in outside.split("\n"):
            macro = line.startswith("#")
            for name, bracket in self.NAME.findall(line):
                if macro or not bracket:
                    (calls if bracket else others)[name] += 1
        return calls, others

    def of(self, name, path, function):
        calls, others = self.by_path[path] if path else self.everywhere
        own = len(re.findall(rf"(?<![\w.>]){name}\s*\(", function.body))
        return calls[name] - own, others[name]


def circles(edges):
    """The strongly connected parts of a graph that have more than one node (Tarjan)."""
    index, low, stack, on, parts = {}, {}, [], set(), []
    for root in edges:
        walk = [(root, iter(edges[root]))] if root not in index else []
        if walk:
            index[root] = low[root] = len(index)
            stack.append(root)
            on.add(root)
        while walk:
            node, rest = walk[-1]
            step = next((one for one in rest if one not in index or one in on), None)
            if step is None:
                walk.pop()
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    part, stack[at:] = stack[at:], []
                    on.difference_update(part)
                    if len(part) > 1:
                        parts.append(sorted(part))
            elif step in index:
                low[node] = min(low[node], index[step])
            else:
                index[step] = low[step] = len(index)
                stack.append(step)
                on.add(step)
                walk.append((step, iter(edges.get(step, ()))))
    return sorted(parts, key=lambda part: (-len(part), part))


def stem(path):
    """Without src/ and ending: x.c and x.h are one."""
    return os.path.splitext(path.removeprefix("src/"))[0]


def edges_of_uses(tree):
    """Which file uses functions that which other defines, whatever header declares them."""
    home = {name: stem(found[0][0]) for name, found in functions_by_name(tree).items()
            if len(found) == 1 and not found[0][1].static}
    edges = collections.defaultdict(set)
    for path, (calls, others) in Uses(tree).by_path.items():
        own = {function.name for function in tree.functions(path)}
        used = {home[name] for name in [*calls, *others] if name in home and name not in own}
        edges[stem(path)] |= used - {stem(path)}
    return dict(edges)


def count_circles(tree):
    """Circles of includes: between pairs x.c and x.h, and between the folders LAYER/FEATURE.
    Circles of uses: between the same pairs, by the functions that one uses of the other. Those
    are larger where a header declares what several files define."""
    files, folders = collections.defaultdict(set), collections.defaultdict(set)
    for path, _, quote, name in includes(tree):
        if quote == "<" or "/" not in name:
            continue
        below = path[len("src/"):]
        here, there = stem(path), stem(name)
        if here != there:
            files[here].add(there)
        here = (room_of(path), feature_of(below))
        there = (name.split("/")[0], feature_of(name))
        if here != there:
            folders[here].add(there)
    of_files, of_folders = circles(dict(files)), circles(dict(folders))
    of_uses = circles(edges_of_uses(tree))
    return {
        "circles of files by includes": len(of_files),
        "files in circles by includes": sum(map(len, of_files)),
        "sizes of circles by includes": [len(part) for part in of_files],
        "circles of files by uses": len(of_uses),
        "files in circles by uses": sum(map(len, of_uses)),
        "sizes of circles by uses": [len(part) for part in of_uses],
        "circles of folders": len(of_folders),
        "sizes of circles of folders": [len(part) for part in of_folders],
    }


def literals(text):
    """Literals, those that follow one another as one."""
    end, found = None, []
    for match in TOKEN.finditer(text):
        if match.group("comment"):
            continue
        if match.group()[0] == '"':
            if end is not None and not blank(text[end : match.start()], True).strip():
                found[-1] += match.group()[1:-1]
            else:
                found.append(match.group()[1:-1])
            end = match.end()
    return found


def count_texts(tree):
    """A hand-written writer of JSON is a call of text_add… whose own literal names a member:
    text_add_str(text, ",\\"state\\":"). Members counts those names, in whatever call or table the
    literal is. A statement of SQL is a literal that begins with its verb."""
    writers = members = statements = 0
    for path in sources(tree):
        code = blank(tree.text(path) or "", keep_strings=True)
        members += len(MEMBER.findall(code))
        for match in re.finditer(r"\btext_add\w*\(", code):
            writers += bool(MEMBER.search(code, match.end(), max(match.end(),
                                          code.find(";\n", match.end()))))
        statements += sum(bool(re.match(r"\s*(?:SELECT|INSERT|UPDATE|DELETE)\b", literal))
                          for literal in literals(tree.text(path) or ""))
    return {"hand-written JSON writers": writers, "JSON members in literals": members,
            "SQL statements": statements}


def count_ratchets(tree):
    """What the lists of scripts/lint are made of, here and in trees that have no lists yet."""
    def total(ratchet):
        return sum(one.count for path, one in ratchet.measure(tree).items()
                   if path.startswith("src/"))

    return {"old words": total(WORDS), "comments that open with a pronoun": total(OPENINGS),
            "structs with a state and more than three bools": len(STATES.measure(tree)),
            "bools in those structs": total(STATES),
            "includes against the order of features": total(CIRCLES)}


def count_schema(tree):
    """What the migrations make, one after another, of an empty database."""
    database = sqlite3.connect(":memory:")
    paths = tree.under("src/store/", ".sql")
    for path in sorted(paths, key=os.path.basename):
        text = tree.text(path)
        for word, meaning in DIALECT.items():
            text = text.replace(word, meaning)
        database.executescript(text)
    rows = database.execute(
        "SELECT m.name, count(*) FROM sqlite_schema m, pragma_table_info(m.name) "
        "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' GROUP BY m.name").fetchall()
    database.close()
    columns = dict(rows)
    return {"migrations": len(paths), "tables": len(columns),
            "columns": sum(columns.values()), "columns of runs": columns.get("runs", 0)}


def count_folders(tree):
    """Sources and headers directly in each folder."""
    folders = collections.Counter(map(os.path.dirname, sources(tree)))
    return {"folders": len(folders),
            "folders above 40 files": sum(files > 40 for files in folders.values()),
            "files by folder": dict(sorted(folders.items()))}


def census(tree):
    counts = {}
    for count in (count_lines, count_functions, count_circles, count_texts, count_schema,
                  count_ratchets, count_folders):
        counts.update(count(tree))
    return counts


def mentions(name, tree, own):
    """What in a line of code says that it is about the resource: a name that its headers declare, a
    header of it, its table in SQL, its routes."""
    declared = set()
    for path in own:
        if path.endswith(".h"):
            code = tree.code(path)
            declared |= set(re.findall(r"^(?:[\w*]+ )+\**(\w+)(?=[(;\[])", code, re.M))
            declared |= set(re.findall(r"^(?:struct|enum) (\w+) \{", code, re.M))
            declared |= set(re.findall(r"^#define (\w+)", code, re.M))
    declared = sorted(one for one in declared if name in one.lower().split("_")
                      or f"{name}s" in one.lower().split("_"))
    # A name of one word is that of a struct: "token" is a word of many comments and members.
    declared = [one if "_" in one else f"(?:struct|enum) {one}" for one in declared]
    words = rf"\b(?:{'|'.join(declared)})\b|" if declared else ""
    return re.compile(rf'{words}#include "[\w/]*\b{name}/|/api/v1/{name}s?\b|'
                      rf"\b(?:FROM|INTO|UPDATE|JOIN) {name}s?\b")


def feature_of_resource(tree, name):
    """A task is of the feature board: src/rules/board/ has its descriptor."""
    for path in tree.under("src/rules/", (".c",)):
        if f"struct resource {name}_resource = {{" in (tree.text(path) or ""):
            return path.split("/")[2]
    return name


def of_resource(tree, name):
    """What a resource costs. Own files stand in a folder LAYER/FEATURE, where FEATURE has its
    descriptor, or its name; files touched are the others of src/ that mention it."""
    feature = feature_of_resource(tree, name)
    own = [path for path in sources(tree) if re.match(rf"src/\w+/{feature}/", path)]
    lines = lambda path: [line for line in blank(tree.text(path) or "", keep_strings=True)
                          .split("\n") if line.strip()]
    about = mentions(name, tree, own)
    touched = {path: sum(bool(about.search(line)) for line in lines(path))
               for path in sources(tree) if path not in own}
    touched = {path: count for path, count in touched.items() if count > 0}
    return {"own files": len(own), "code lines in own files": sum(len(lines(path)) for path in own),
            "files touched": len(touched), "lines about it in files touched": sum(touched.values()),
            "by own file": {path: len(lines(path)) for path in own},
            "by file touched": touched}
