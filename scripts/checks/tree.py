"""tree.py: the files of a checkout, and C code as the rules want to see it.

The C reader is no parser. It relies on the format that clang-format gives our code: a function's
head begins in column 1, and the brace that closes it stands alone there.
"""
import dataclasses
import functools
import os
import re
import subprocess

SKIPPED = {".git", "build", "node_modules", "__pycache__"}


@dataclasses.dataclass(frozen=True)
class Fault:
    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Function:
    name: str
    first: int  # Line numbers, from 1, of the head and of the closing brace.
    last: int
    body_first: int
    body: str  # Code without comments and literals.
    static: bool = False

    @property
    def lines(self):
        return self.last - self.first + 1

    @property
    def complexity(self):
        return 1 + len(re.findall(r"\b(?:if|for|while|case)\b|&&|\|\||\?", self.body))


class Tree:
    def __init__(self, root):
        self.root = root

    @functools.cached_property
    def files(self):
        """Every file that is or could be committed, by its path from the root."""
        listed = subprocess.run(
            ["git", "-C", self.root, "ls-files", "-co", "--exclude-standard", "-z"],
            capture_output=True,
            check=False,
        )
        if listed.returncode == 0 and os.path.exists(os.path.join(self.root, ".git")):
            names = {name for name in listed.stdout.decode().split("\0") if name}
            return sorted(name for name in names if os.path.isfile(self.at(name)))
        return sorted(self.walk())

    def walk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in SKIPPED]
            for name in names:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def at(self, path):
        return os.path.join(self.root, path)

    def under(self, prefixes, endings):
        return [path for path in self.files if path.startswith(prefixes) and path.endswith(endings)]

    @functools.lru_cache(maxsize=None)
    def named(self, name):
        """The path of LAYER/FILE below src/, in whichever folder of its layer the file is. None
        where no file has the name, or several have it and none of them the whole path."""
        if f"src/{name}" in self.files:
            return f"src/{name}"
        layer, file = name.split("/")[0], name.split("/")[-1]
        found = [path for path in self.under(f"src/{layer}/", f"/{file}")]
        return found[0] if len(found) == 1 else None

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        """None where the file is not text."""
        with open(self.at(path), "rb") as source:
            content = source.read()
        try:
            return None if b"\0" in content else content.decode("utf-8")
        except UnicodeDecodeError:
            return None

    @functools.lru_cache(maxsize=None)
    def code(self, path):
        return blank(self.text(path) or "", keep_strings=False)

    @functools.lru_cache(maxsize=None)
    def functions(self, path):
        return list(read_functions(self.code(path)))


TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE,
)


def blank(text, keep_strings):
    """The same lines with comments (and literals) emptied, so that line numbers stay."""

    def replace(match):
        if match.group("comment"):
            return re.sub(r"[^\n]", " ", match.group())
        if keep_strings:
            return match.group()
        return match.group()[0] + " " * (len(match.group()) - 2) + match.group()[0]

    return TOKEN.sub(replace, text)


def read_functions(code):
    lines = code.split("\n")
    start = None  # Where the head began that may turn out to be a function's.
    at = 0
    while at < len(lines):
        line = lines[at]
        if re.match(r"[A-Za-z_]", line) and not line.startswith(("typedef", "struct {", "enum {")):
            start = at
        if start is not None and line.rstrip().endswith("{") and not line.startswith(" {"):
            head = " ".join(lines[start : at + 1])
            name = re.match(r"[^={]*?\b([A-Za-z_]\w*)\s*\(", head)
            if name and re.search(r"\)\s*\{\s*$", head):
                last = next((i for i in range(at, len(lines)) if lines[i] == "}"), len(lines) - 1)
                body = "\n".join(lines[at : last + 1])
                yield Function(called(name.group(1), head), start + 1, last + 1, at + 1, body,
                               static=head.startswith("static "))
                at = last
            start = None
        elif line.rstrip().endswith((";", "}")):
            start = None
        at += 1


def called(first, head):
    """The name, also behind an attribute macro such as AUTO(x) or PRINTF_LIKE(1, 2), and where a
    macro writes the head: JUDGE(judge_type) {"""
    names = [name for name in re.findall(r"\b([A-Za-z_]\w*)\s*\(", head) if not name.isupper()]
    argument = re.search(r"\((\w+)\)\s*\{\s*$", head)
    return names[0] if names else argument.group(1) if argument else first


def line_of(text, position):
    return text.count("\n", 0, position) + 1
