"""scripts/census counts what its rows say, and nothing else."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

from checks import census  # noqa: E402
from checks.tree import Tree  # noqa: E402


class CensusTest(unittest.TestCase):
    def count(self, rule, files):
        with tempfile.TemporaryDirectory() as root:
            self.write(root, files)
            return rule(Tree(root))

    def write(self, root, files):
        for path, text in files.items():
            where = os.path.join(root, path)
            os.makedirs(os.path.dirname(where), exist_ok=True)
            with open(where, "w", encoding="utf-8") as out:
                out.write(text)


class Lines(CensusTest):
    def test_comments_and_blanks_are_no_code(self):
        text = ("/* One\n * two. */\n\nint x; /* Three. */\n"
                'const char *y = "/* four */";\n// Five\n')
        found = self.count(census.count_lines, {"src/a/x.c": text, "test/y.c": "int y;\n",
                                                "src/a/x.sql": "SELECT 1;\n"})
        self.assertEqual(found, {"files": 1, "lines": 6, "code lines": 2,
                                 "comment lines": 3})


class Resource(CensusTest):
    def test_own_files_and_lines_of_others_that_mention_it_are_counted(self):
        files = {
            "src/rules/pet/pet.h": "struct pet {\n    int fed;\n};\nvoid pet_feed(void);\n",
            "src/cli/pet/command_pet.c": "/* Pets. */\nint x;\n",
            "src/api/all.c": '#include "rules/pet/pet.h"\n\nvoid f(void) {\n    pet_feed();\n'
                             '    g("SELECT 1 FROM pets");\n    carpet_feed();\n}\n',
            "src/api/none.c": "int carpet;\n",
        }
        found = self.count(lambda tree: census.of_resource(tree, "pet"), files)
        self.assertEqual(found, {
            "own files": 2, "code lines in own files": 5,
            "files touched": 1, "lines about it in files touched": 3,
            "by own file": {"src/cli/pet/command_pet.c": 1, "src/rules/pet/pet.h": 4},
            "by file touched": {"src/api/all.c": 3}})

    def test_the_files_of_the_feature_that_has_the_descriptor_are_its_own(self):
        files = {"src/rules/zoo/pets.c": "const struct resource pet_resource = {\n};\n",
                 "src/cli/zoo/command_pet.c": "int x;\n", "src/cli/pet/none.c": "int y;\n"}
        found = self.count(lambda tree: census.of_resource(tree, "pet"), files)
        self.assertEqual(found["by own file"],
                         {"src/cli/zoo/command_pet.c": 1, "src/rules/zoo/pets.c": 2})


class Functions(CensusTest):
    def functions(self, *bodies, **files):
        text = "".join(f"{head} {{\n    {body}\n}}\n" for head, body in bodies)
        return self.count(census.count_functions, {"src/a/x.c": text, **files})

    def callers(self, *bodies):
        found = self.functions(*bodies)
        return found["static functions with one caller"]

    def test_a_call_from_one_place_is_one_caller(self):
        work = ("static void work(int x)", "x++;")
        self.assertEqual(self.callers(work, ("void f(void)", "work(1);")), 1)
        self.assertEqual(self.callers(work, ("void f(void)", "work(1), work(2);")), 0)
        self.assertEqual(self.callers(work, ("void f(void)", "take(work);")), 0)
        self.assertEqual(self.callers(work, ("void f(void)", "work(1), take(work);")), 0)

    def test_itself_members_and_literals_are_no_callers(self):
        work = ("static void work(int x)", "work(x - 1);")
        again = ("void f(void)", 'work(1); /* work(2) */ say("work(3)"); x->work(4); x.work(5);')
        self.assertEqual(self.callers(work, again), 1)

    def test_a_declaration_is_no_caller_and_a_table_takes_the_address(self):
        work = ("static void work(int x)", "x++;")
        declared = ("static void work(int x);\nvoid f(void)", "work(1);")
        table = ("static const row rows[] = {work};\nvoid f(void)", "work(1);")
        self.assertEqual(self.callers(declared, work), 1)
        self.assertEqual(self.callers(work, table), 0)

    def test_functions_of_other_files_are_followed(self):
        one = {"src/a/y.c": "void f(void) {\n    work(1);\n}\n"}
        found = self.functions(("void work(int x)", "x++;"), **one)
        self.assertEqual(found["functions with one caller"], 1)
        self.assertEqual(found["static functions with one caller"], 0)
        self.assertEqual(found["functions with one use"], 1)

    def test_a_macro_may_write_the_head(self):
        found = self.functions(("JUDGE(judge_a)", "x();"), ("JUDGE(judge_b)", "x();"))
        self.assertEqual((found["functions"], found["function names"]), (2, 2))

    def test_names_are_counted_over_all_files(self):
        text = "static void begin(void) {\n    x();\n}\n"
        files = {f"src/a/{i}.c": text for i in range(6)}
        found = self.count(census.count_functions, {**files, "src/a/x.c": "int end(void) {\n}\n"})
        self.assertEqual(found["functions"], 7)
        self.assertEqual(found["static functions"], 6)
        self.assertEqual(found["function names"], 2)
        self.assertEqual(found["names defined more than once"], 1)
        self.assertEqual(found["names defined more than five times"], 1)
        self.assertEqual(found["definitions of the most frequent name"], 6)


class Circles(CensusTest):
    def test_strongly_connected_parts_are_found(self):
        edges = {1: [2], 2: [3], 3: [1, 4], 4: [5], 5: [4], 6: [1], 7: [7]}
        self.assertEqual(census.circles(edges), [[1, 2, 3], [4, 5]])
        self.assertEqual(census.circles({}), [])

    def test_a_pair_is_one_file(self):
        found = self.count(census.count_circles, {
            "src/a/x.c": '#include "a/y.h"\n', "src/a/x.h": "", "src/a/y.h": "",
            "src/a/y.c": '#include "a/x.h"\n#include "a/y.h"\n#include "b/z.h"\n'})
        self.assertEqual(found["sizes of circles by includes"], [2])
        self.assertEqual(found["circles of folders"], 0)

    def test_folders_of_features_are_nodes(self):
        found = self.count(census.count_circles, {
            "src/a/run/x.c": '#include "a/job/p.h"\n', "src/a/job/q.c": '#include "a/run/y.h"\n'})
        self.assertEqual(found["sizes of circles of folders"], [2])
        self.assertEqual(found["circles of files by includes"], 0)

    def test_uses_are_followed_through_a_shared_header(self):
        found = self.count(census.count_circles, {
            "src/a/x.c": "void a__x(void) {\n    a__y();\n}\n",
            "src/a/y.c": "void a__y(void) {\n    take(a__x);\n}\n"})
        self.assertEqual(found["sizes of circles by uses"], [2])


class Texts(CensusTest):
    def texts(self, line):
        found = self.count(census.count_texts, {"src/a/x.c": f"void f(void) {{\n    {line}\n}}\n"})
        return tuple(found.values())

    def test_a_writer_of_json_names_a_member(self):
        self.assertEqual(self.texts(r'text_add_str(text, ",\"state\":");'), (1, 1, 0))
        self.assertEqual(self.texts(r'text_addf(&x->y, "{\"a\":%d,\n"' + "\n" + r'"\"b\":1}", 1);'),
                         (1, 2, 0))
        self.assertEqual(self.texts(r'add_number(text, "{\"a\":", 1);'), (0, 1, 0))
        self.assertEqual(self.texts('text_add_str(text, "state:");\n    x("\\"a\\":");'), (0, 1, 0))

    def test_a_statement_begins_with_its_verb(self):
        self.assertEqual(self.texts('query("SELECT a "\n "SELECT b", "DELETE FROM c");'), (0, 0, 2))
        self.assertEqual(self.texts('say("please SELECT"); /* "UPDATE x" */'), (0, 0, 0))
        self.assertEqual(self.texts('query("INSERT INTO t" VALUES "UPDATE x");'), (0, 0, 2))


class Schema(CensusTest):
    def test_the_last_migration_decides(self):
        found = self.count(census.count_schema, {
            "src/store/migrations/001_a.sql":
                "CREATE TABLE runs (id @id@, a @int@, b TEXT) @strict@;\nCREATE TABLE t (x @int@);",
            "src/store/migrations/002_b.sql":
                "ALTER TABLE runs DROP COLUMN b;\nALTER TABLE t ADD COLUMN y TEXT;"})
        self.assertEqual(found, {"migrations": 2, "tables": 2, "columns": 4, "columns of runs": 2})


class Ratchets(CensusTest):
    def test_words_are_counted_in_src_alone(self):
        text = "/* What it does anew. */\n"
        found = self.count(census.count_ratchets, {"src/a/x.c": text, "test/x.c": text})
        self.assertEqual(list(found.values()), [1, 1, 0, 0, 0])


class Program(CensusTest):
    def test_folders_are_counted_and_checkouts_compared(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            self.write(one, {"src/a/x.c": "", "src/a/x.h": ""})
            self.write(two, {"src/a/run/x.c": "int x;\n"})
            command = [sys.executable, os.path.join(ROOT, "scripts/census")]
            printed = subprocess.run([*command, one, two], check=True, capture_output=True,
                                     text=True).stdout
            read = json.loads(subprocess.run([*command, "--json", one], check=True,
                                             capture_output=True, text=True).stdout)
        lines = [line.split() for line in printed.split("\n")]
        self.assertIn(["files", "2", "1"], lines)
        self.assertIn(["src/a", "2"], lines)
        self.assertIn(["src/a/run", "1"], lines)
        self.assertEqual(read["files by folder"], {"src/a": 2})


if __name__ == "__main__":
    unittest.main()
