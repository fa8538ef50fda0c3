"""The lists of scripts/lint only shrink, tell the truth, and follow files that move."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

from checks import layers, plain, shapes, sizes  # noqa: E402
from checks.exceptions import PATH, Exceptions  # noqa: E402
from checks.ratchets import Found, Ratchet, renames_of  # noqa: E402
from checks.tree import Tree  # noqa: E402


def measure_crosses(tree):
    """Counts the letter x of each source."""
    found = {}
    for path in tree.under("src/", ".c"):
        places = [(number, "") for number, line in enumerate(tree.text(path).split("\n"), 1)
                  for _ in re.findall("x", line)]
        if places:
            found[path] = Found(len(places), path, places)
    return found


CROSSES = Ratchet("crosses", "crosses", measure_crosses)
LIST = CROSSES.path


class TreeTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = place.name

    def write(self, files):
        for path, text in files.items():
            where = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(where), exist_ok=True)
            with open(where, "w", encoding="utf-8") as out:
                out.write(text)

    def remove(self, path):
        os.remove(os.path.join(self.root, path))

    def read(self, path):
        return Tree(self.root).text(path)

    def faults(self, ratchet=CROSSES):
        return [str(fault) for fault in ratchet.check(Tree(self.root))]

    def tighten(self, ratchet=CROSSES):
        tree = Tree(self.root)
        return ratchet.tighten(tree, renames_of(tree))


class Lists(TreeTest):
    def test_what_is_listed_is_accepted(self):
        self.write({"src/a/p.c": "x\nx\n", "src/a/q.c": "", LIST: "src/a/p.c 2\n"})
        self.assertEqual(self.faults(), [])

    def test_what_has_grown_is_refused_with_its_lines(self):
        self.write({"src/a/p.c": "x\n\nxx\n", LIST: "src/a/p.c 2\n"})
        self.assertEqual(self.faults(), ["src/a/p.c:1: 3 crosses, 2 are allowed: 1; 3; 3"])

    def test_what_is_new_is_refused(self):
        self.write({"src/a/p.c": "\nx\n"})
        self.assertEqual(self.faults(), ["src/a/p.c:2: 1 crosses, 0 are allowed: 2"])

    def test_what_has_shrunk_must_be_lowered(self):
        self.write({"src/a/p.c": "x\n", "src/a/q.c": "\n", LIST: "src/a/p.c 2\nsrc/a/q.c 1\n"})
        self.assertEqual(self.faults(), [
            f"{LIST}:1: src/a/p.c: lower it to 1: scripts/lint --tighten",
            f"{LIST}:2: src/a/q.c: is not needed any more: scripts/lint --tighten",
        ])

    def test_a_list_is_sorted_and_has_each_key_once(self):
        self.write({"src/a/p.c": "x\n", "src/a/q.c": "x\n", LIST: "src/a/q.c 1\nsrc/a/p.c 1\n"})
        self.assertIn("not sorted", self.faults()[0])
        self.write({LIST: "src/a/p.c 1\nsrc/a/p.c 1\nsrc/a/q.c 1\n"})
        self.assertIn("not sorted", self.faults()[0])

    def test_a_line_that_is_no_entry_is_refused(self):
        self.write({LIST: "src/a/p.c\n"})
        self.assertEqual(self.faults(), [f"{LIST}:1: write: KEY NUMBER"])


class Tighten(TreeTest):
    def test_entries_are_lowered_and_removed(self):
        self.write({"src/a/p.c": "x\n", "src/a/q.c": "\n",
                    LIST: "src/a/gone.c 4\nsrc/a/p.c 2\nsrc/a/q.c 1\n"})
        self.assertEqual(self.tighten(), {"moved": 0, "lowered": 1, "removed": 2})
        self.assertEqual(self.read(LIST), "src/a/p.c 1\n")
        self.assertEqual(self.faults(), [])

    def test_nothing_is_raised_or_added(self):
        self.write({"src/a/p.c": "xxx\n", "src/a/new.c": "x\n", LIST: "src/a/p.c 2\n"})
        self.tighten()
        self.assertEqual(self.read(LIST), "src/a/p.c 2\n")
        self.assertEqual(len(self.faults()), 2)

    def test_an_entry_follows_its_file_into_another_folder(self):
        self.write({"src/a/f/p.c": "x\n", LIST: "src/a/p.c 2\n"})
        self.assertEqual(self.tighten(), {"moved": 1, "lowered": 1, "removed": 0})
        self.assertEqual(self.read(LIST), "src/a/f/p.c 1\n")

    def test_an_entry_does_not_follow_a_file_that_has_grown(self):
        self.write({"src/a/f/p.c": "xxx\n", LIST: "src/a/p.c 2\n"})
        self.tighten()
        self.assertEqual(self.read(LIST), "")
        self.assertEqual(len(self.faults()), 1)

    def test_an_entry_does_not_leave_a_file_that_stays(self):
        self.write({"src/a/p.c": "\n", "src/a/f/p.c": "x\n", LIST: "src/a/p.c 1\n"})
        self.tighten()
        self.assertEqual(self.read(LIST), "")
        self.assertEqual(len(self.faults()), 1)

    def test_files_of_one_name_move_within_their_layer(self):
        self.write({"src/a/f/p.c": "x\n", "src/b/f/p.c": "xxx\n",
                    LIST: "src/a/p.c 3\nsrc/b/p.c 3\n"})
        self.tighten()
        self.assertEqual(self.read(LIST), "src/a/f/p.c 1\nsrc/b/f/p.c 3\n")

    def test_of_two_files_of_one_name_the_nearest_in_size_gets_the_entry(self):
        self.write({"src/a/f/p.c": "x\n", "src/a/g/p.c": "xx\n", LIST: "src/a/p.c 2\n"})
        self.tighten()
        self.assertEqual(self.read(LIST), "src/a/g/p.c 2\n")
        self.assertEqual(len(self.faults()), 1)

    def test_an_arrow_follows_either_of_its_files(self):
        old, layers.FEATURES = layers.FEATURES, {"engine": [["run"], ["job"]]}
        self.addCleanup(setattr, layers, "FEATURES", old)
        self.write({"src/engine/run/deep/x.c": '#include "engine/job/deep/y.h"\n',
                    "src/engine/job/deep/y.h": "",
                    layers.CIRCLES.path: "src/engine/run/x.c -> engine/job/y.h\n"})
        self.tighten(layers.CIRCLES)
        self.assertEqual(self.read(layers.CIRCLES.path),
                         "src/engine/run/deep/x.c -> engine/job/deep/y.h\n")
        self.assertEqual(self.faults(layers.CIRCLES), [])

    def test_lines_of_two_branches_become_one(self):
        self.write({"src/a/p.c": "x\n", "src/a/q.c": "x\n",
                    LIST: "src/a/p.c 1\nsrc/a/q.c 3\nsrc/a/p.c 2\nsrc/a/q.c 1\n"})
        self.tighten()
        self.assertEqual(self.read(LIST), "src/a/p.c 1\nsrc/a/q.c 1\n")
        self.assertEqual(self.faults(), [])


class Shapes(TreeTest):
    def measured(self, ratchet, files):
        self.write(files)
        return {key: (one.count, one.places) for key, one in ratchet.measure(
            Tree(self.root)).items()}

    def test_names_that_are_defined_more_than_five_times_are_counted(self):
        text = "static void begin(void) {\n    x();\n}\n"
        files = {f"src/a/{i}.c": text for i in range(5)}
        self.assertEqual(self.measured(shapes.NAMES, {**files, "test/x.c": text}), {})
        files["src/b/x.h"] = "\n" + text
        paths = ", ".join(sorted(files))
        self.assertEqual(self.measured(shapes.NAMES, files), {"begin": (6, [(1, paths)])})
        self.assertEqual(self.faults(shapes.NAMES), [
            f"src/a/0.c:1: 6 functions of one name (begin), 0 are allowed: 1: {paths}"])
        self.write({shapes.NAMES.path: "begin 6\n"})
        self.assertEqual(self.faults(shapes.NAMES), [])

    def struct(self, *members):
        body = "".join(f"    {one};\n" for one in members)
        return {"src/a/x.h": f"\nstruct x {{\n{body}}};\n"}

    def test_bools_beside_a_state_are_counted(self):
        bools = ("bool a, b", "bool c : 1", "struct {\n        bool d[2];\n    } inner")
        for state in ("enum run_state now", "enum x state", "enum stage s[3]", "enum x phase_of"):
            with self.subTest(state):
                self.assertEqual(self.measured(shapes.STATES, self.struct(state, *bools)),
                                 {"src/a/x.h:x": (4, [(2, "a, b, c : 1, d[2]")])})
        self.assertIn("x.h:2: 4 bools beside a state field", self.faults(shapes.STATES)[0])

    def test_few_bools_and_bools_without_a_state_are_not(self):
        three = ("bool a", "bool b", "bool c", "bool *d", "bool (*e)(bool f)", "int g")
        for members in (("enum x state", *three), ("enum x kind", *three, "bool h"),
                        ("int state", *three, "bool h")):
            with self.subTest(members):
                self.assertEqual(self.measured(shapes.STATES, self.struct(*members)), {})


class Layers(TreeTest):
    def test_code_lines_of_a_layer_are_counted_in_hundreds(self):
        line = "int x;\n\n/* No code. */\n"
        self.write({"src/a/x/x.c": line * 60, "src/a/y/y.h": line * 41, "src/b/z.sql": "--\nA;\n",
                    "web/src/p.ts": line})
        found = {key: one.count for key, one in sizes.LAYERS.measure(Tree(self.root)).items()}
        self.assertEqual(found, {"a": 2, "b": 1, "web": 1})
        self.write({sizes.LAYERS.path: "a 1\nb 1\nweb 1\n"})
        self.assertEqual(self.faults(sizes.LAYERS), [
            "src/a:1: 2 hundreds of code lines (a), 1 are allowed: 1: 101 in all"])


class Words(TreeTest):
    def words(self, text, path="src/a/x.c"):
        self.write({path: text})
        found = plain.WORDS.measure(Tree(self.root))
        self.remove(path)
        return found[path].places if path in found else []

    def openings(self, text):
        self.write({"src/a/x.c": text})
        found = plain.OPENINGS.measure(Tree(self.root))
        return found["src/a/x.c"].places if found else []

    def test_old_words_are_counted_in_comments_names_and_texts(self):
        for text in ("/* Whoever waits. */\n", "int crowd_add;\n", 'say("so many");\n',
                     "int add_crowd;\n"):
            with self.subTest(text):
                self.assertEqual(len(self.words(text)), 1)
        self.assertEqual(self.words("/* It is\n * told once more,\n * anew. */\n"),
                         [(1, "is told"), (2, "once more"), (3, "anew")])

    def test_words_that_only_contain_one_are_not(self):
        for text in ("int accompanyx, newcrowd, manewer;\n", '#include "a/crowd.h"\n',
                     "/* this told */\n", "/* deafen */\n"):
            with self.subTest(text):
                self.assertEqual(self.words(text), [])

    def test_each_phrase_is_found(self):
        for phrase in plain.PHRASES:
            with self.subTest(phrase):
                self.assertIn((1, phrase), self.words(f"/* {phrase}. */\n"))

    def test_old_words_in_names_of_files_are_counted(self):
        for name in ("behind.c", "flow_said.h", "front_page.c", "test_past_runs.c"):
            with self.subTest(name):
                self.assertEqual(len(self.words("", f"src/a/{name}")), 1)
        for name in ("lookup.c", "frontier.h", "unsaid.c", "retold.c"):
            with self.subTest(name):
                self.assertEqual(self.words("", f"src/a/{name}"), [])

    def test_comments_that_open_with_a_pronoun_are_counted(self):
        for text in ("/* It ends. */", "/* What is told. */", "int x; /* So many of them. */",
                     "/* x.h: what others see. */", "/** Its end. */", "// One for each.",
                     "/* Of those that wait. */", "/*\n * Those of before. */",
                     "/* They\n * wait. */", "/* It's gone. */"):
            with self.subTest(text):
                self.assertEqual(len(self.openings(text + "\n")), 1)
        self.assertEqual(self.openings("int x;\n\n/* Who waits. */\n"), [(3, "Who")])

    def test_other_comments_are_not(self):
        for text in ("/* Items. */", "/* Number of them. */", "/* Ends what it began. */",
                     "/* One-shot timer. */", "/* Whether it ended. */", "/* Official. */",
                     '"/* It */"', "// Ends what was\n// what it was"):
            with self.subTest(text):
                self.assertEqual(self.openings(text + "\n"), [])


class Renames(TreeTest):
    def setUp(self):
        super().setUp()
        # A hook that runs the tests names its own repository; no hook of ours runs in this one.
        patch = unittest.mock.patch.dict(os.environ)
        patch.start()
        self.addCleanup(patch.stop)
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            del os.environ[name]

    def git(self, *words):
        settings = ["user.name=x", "user.email=x@example.org", "core.hooksPath=/dev/null",
                    "commit.gpgSign=false"]
        options = [word for setting in settings for word in ("-c", setting)]
        subprocess.run(["git", "-C", self.root, *options, *words], check=True, capture_output=True)

    def commit(self, files):
        self.git("init", "-q")
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-qm", "x")

    def rename(self, old, new):
        os.makedirs(os.path.dirname(os.path.join(self.root, new)), exist_ok=True)
        self.git("mv", old, new)

    def test_an_entry_follows_a_file_that_got_another_name(self):
        text = "".join(f"line {i}\n" for i in range(30)) + "x\n"
        self.commit({"src/a/said.c": text, LIST: "src/a/said.c 1\n"})
        self.rename("src/a/said.c", "src/a/f/replay.c")
        self.assertEqual(len(self.faults()), 2)
        self.assertEqual(self.tighten(), {"moved": 1, "lowered": 0, "removed": 0})
        self.assertEqual(self.read(LIST), "src/a/f/replay.c 1\n")
        self.assertEqual(self.faults(), [])

    def test_git_is_believed_before_names(self):
        one, two = ("".join(f"{word} {i}\n" for i in range(30)) + "x\n" for word in ("p", "q"))
        self.commit({"src/a/p.c": one, "src/a/q.c": two, LIST: "src/a/p.c 1\nsrc/a/q.c 1\n"})
        self.rename("src/a/p.c", "src/a/g/q.c")
        self.rename("src/a/q.c", "src/a/f/q.c")
        self.assertEqual(renames_of(Tree(self.root))["src/a/p.c"], "src/a/g/q.c")
        self.tighten()
        self.assertEqual(self.read(LIST), "src/a/f/q.c 1\nsrc/a/g/q.c 1\n")

    def test_branches_that_lower_neighbours_merge(self):
        style = "scripts/checks/.gitattributes"
        self.commit({style: Tree(ROOT).text(style), "src/a/p.c": "xx\n", "src/a/q.c": "xx\n",
                     LIST: "src/a/p.c 2\nsrc/a/q.c 2\n"})
        self.git("checkout", "-qb", "other")
        self.write({"src/a/p.c": "x\n"})
        self.tighten()
        self.git("commit", "-qam", "p")
        self.git("checkout", "-q", "-")
        self.write({"src/a/q.c": "x\n"})
        self.tighten()
        self.git("commit", "-qam", "q")
        self.git("cherry-pick", "other")
        self.tighten()
        self.assertEqual(self.read(LIST), "src/a/p.c 1\nsrc/a/q.c 1\n")
        self.assertEqual(self.faults(), [])


class ExceptionsShrink(TreeTest):
    def tighten(self):
        tree = Tree(self.root)
        exceptions = Exceptions(tree)
        list(sizes.check_sizes(tree, exceptions))
        list(sizes.check_folders(tree, exceptions))
        return exceptions.tighten(renames_of(tree))

    def test_exceptions_are_lowered_removed_and_moved(self):
        tangled = "static int work(int x) {\n    return " + " && ".join("x" * 31) + ";\n}\n"
        self.write({"src/a/f/p.c": tangled + "\n" * 1100, "src/a/q.c": "\n" * 1050, PATH: (
            "# The head stays.\n"
            "complexity src/a/p.c:work 31 One decision.\n"
            "file src/a/q.c 1060 One table.\n"
            "file src/a/p.c 1110 One idea.\n"
            "file src/a/gone.c 1200 Was long.\n"
            "function src/a/p.c:gone 120 Was long.\n")})
        self.assertEqual(self.tighten(), {"moved": 2, "lowered": 2, "removed": 2})
        self.assertEqual(self.read(PATH), (
            "# The head stays.\n"
            "complexity src/a/f/p.c:work 31 One decision.\n"
            "file src/a/q.c 1050 One table.\n"
            "file src/a/f/p.c 1103 One idea.\n"))

    def test_no_exception_is_raised_or_added(self):
        text = "file src/a/p.c 1010 One idea.\n"
        self.write({"src/a/p.c": "\n" * 1020, "src/a/q.c": "\n" * 1050, PATH: text})
        self.tighten()
        self.assertEqual(self.read(PATH), text)


if __name__ == "__main__":
    unittest.main()
