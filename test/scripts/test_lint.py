"""Each rule of scripts/lint refuses what it must, and lets pass what it may not touch."""
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

from checks import changelog, docs, layers, migrations, node18, shapes  # noqa: E402
from checks import sizes, tools, words  # noqa: E402
from checks.exceptions import PATH, Exceptions  # noqa: E402
from checks.tree import Tree  # noqa: E402


class LintTest(unittest.TestCase):
    def faults(self, rule, files, modes=None):
        """What `rule` says of a tree of these files: a list of lines."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                where = os.path.join(root, path)
                os.makedirs(os.path.dirname(where), exist_ok=True)
                with open(where, "w", encoding="utf-8") as out:
                    out.write(text)
                os.chmod(where, (modes or {}).get(path, 0o644))
            return [str(fault) for fault in rule(Tree(root))]

    def refused(self, rule, files, words_of_fault, **more):
        faults = self.faults(rule, files, **more)
        self.assertTrue(any(words_of_fault in fault for fault in faults), faults)

    def accepted(self, rule, files, **more):
        self.assertEqual(self.faults(rule, files, **more), [])


class Styles(LintTest):
    def two(self, second):
        return {"web/src/job/job.css": "/* .a { } */\n.picks { gap: 8px; }\n",
                "web/src/parts/fields.css": second}

    def test_a_class_that_two_stylesheets_give_a_look_is_refused(self):
        said = "web/src/parts/fields.css:2: .picks has its look in web/src/job/job.css, too"
        for second in (".a { }\n.picks { left: 0; }", ".a { }\n.b, .picks { left: 0; }",
                       "@media print {\n  .picks { left: 0; }\n}"):
            self.refused(shapes.check_styles, self.two(second), said)

    def test_a_look_within_another_or_in_a_state_is_no_second_one(self):
        self.accepted(shapes.check_styles, self.two(".dock .picks { left: 0; } .picks:empty { }"))


class Twins(LintTest):
    def two(self, head):
        text = f"{head} {{\n    return;\n}}\n"
        return {"src/base/x.c": text, "src/http/y.c": text}

    def test_two_global_functions_of_one_name_are_refused(self):
        self.refused(shapes.check_twins, self.two("void find(void)"),
                     "src/http/y.c:1: find is a global function of src/base/x.c, too")

    def test_static_functions_and_the_mains_of_programs_may_share_a_name(self):
        self.accepted(shapes.check_twins, self.two("static void find(void)"))
        self.accepted(shapes.check_twins, self.two("int main(void)"))


class Migrations(LintTest):
    ONE = "src/store/migrations/001_one.sql"

    def landed(self, text, more=None):
        """A tree whose first migration landed as `text`."""
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, os.path.dirname(self.ONE)))
            os.makedirs(os.path.join(root, os.path.dirname(migrations.LANDED)))
            for path, content in ((self.ONE, text), (migrations.LANDED, "# digests\n")):
                with open(os.path.join(root, path), "w", encoding="utf-8") as out:
                    out.write(content)
            self.assertEqual(migrations.land(Tree(root)), ["001_one.sql"])
            self.assertEqual(migrations.land(Tree(root)), [])
            with open(os.path.join(root, migrations.LANDED), encoding="utf-8") as page:
                return {self.ONE: text, migrations.LANDED: page.read(), **(more or {})}

    def test_a_migration_that_landed_is_refused_when_it_changes_or_goes(self):
        files = self.landed("CREATE TABLE a (b @int@);\n")
        self.accepted(migrations.check_landed, files)
        changed = {**files, self.ONE: "CREATE TABLE a (c @int@);\n"}
        self.refused(migrations.check_landed, changed, f"{self.ONE}:1: landed, and never changes")
        del changed[self.ONE]
        self.refused(migrations.check_landed, changed, "001_one.sql landed, and is gone")

    def test_one_that_is_not_recorded_is_refused(self):
        more = {"src/store/migrations/002_two.sql": "DROP INDEX x;\n"}
        self.refused(migrations.check_landed, self.landed("x", more), "has not landed yet")

    def test_each_version_that_landed_wants_a_stored_database(self):
        self.refused(migrations.check_databases, self.landed("x"),
                     "test/upgrade/databases/1.sqlite.tar.gz is missing")
        stored = {f"test/upgrade/databases/1.{kind}.tar.gz": "" for kind in ("sqlite", "postgres")}
        self.accepted(migrations.check_databases, self.landed("x", stored))

    def test_a_migration_only_adds(self):
        path = "src/store/migrations/004_x.sql"
        for good in ("-- why; how\nALTER TABLE runs ADD COLUMN x @int@ NOT NULL DEFAULT 0;\n",
                     "CREATE TABLE a (\n    b @int@\n) @strict@;\nCREATE INDEX c ON a (b);\n",
                     "DROP INDEX IF EXISTS c;\nUPDATE nodes SET disk = 0;\n"):
            self.accepted(migrations.check_additions, {path: good})
        for bad in ("UPDATE runs SET x = 1;\n", "ALTER TABLE runs DROP COLUMN x;\n",
                    "DROP TABLE runs;\n", "INSERT INTO a SELECT b FROM c;\n"):
            self.refused(migrations.check_additions, {path: f"DROP INDEX c;\n{bad}"},
                         f"{path}:2: a migration only adds")


class Node18(LintTest):
    def test_what_node_18_lacks_is_refused_in_tests(self):
        for words_of_newer in ("import.meta." + "filename", "Promise.with" + "Resolvers()",
                               "[].to" + "Sorted()", "server.close()" + ".closeAllConnections()"):
            for path in ("test/integration/x.mjs", "test/scripts/test_x.py"):
                with self.subTest((path, words_of_newer)):
                    files = {path: f"// one\nconst x = {words_of_newer};\n"}
                    self.refused(node18.check_node_18, files, f"{path}:2: Node 18 lacks")

    def test_what_node_18_has_and_what_another_engine_runs_is_accepted(self):
        good = "const x = fileURLToPath(import.meta.url); server.close();\n"
        self.accepted(node18.check_node_18, {"test/integration/x.mjs": good})
        newer = "return [2, 1].to" + "Sorted();\n"
        self.accepted(node18.check_node_18, {"test/integration/scripts/x.mjs": newer})


class Layers(LintTest):
    def include(self, path, line):
        return {path: line + "\n"}

    def test_an_arrow_upward_is_refused(self):
        bad = self.include("src/base/x.c", '#include "store/store.h"')
        self.refused(layers.check_arrows, bad, "src/base/x.c:1: arrow upward")

    def test_an_arrow_downward_is_accepted(self):
        good = self.include("src/http/x.c", '#include "store/store.h"')
        self.accepted(layers.check_arrows, good)

    def test_a_room_includes_itself(self):
        self.accepted(layers.check_arrows, self.include("src/api/x.c", '#include "api/api.h"'))

    def test_rooms_side_by_side_do_not_know_each_other(self):
        bad = self.include("src/cli/x.c", '#include "api/api.h"')
        self.refused(layers.check_arrows, bad, "side by side")

    def test_rules_include_base_alone(self):
        bad = self.include("src/rules/x.c", '#include "journal/journal.h"')
        self.refused(layers.check_arrows, bad, "base and nothing else")

    def test_an_unknown_room_is_refused(self):
        bad = self.include("src/attic/x.c", "")
        self.refused(layers.check_arrows, bad, "no place in the order")

    def test_an_include_without_its_room_is_refused(self):
        bad = self.include("src/base/x.c", '#include "err.h"')
        self.refused(layers.check_arrows, bad, "does not say its room")

    def test_a_library_stays_behind_its_room(self):
        bad = self.include("src/http/x.c", "#include <sqlite3.h>")
        self.refused(layers.check_arrows, bad, "only in store")

    def test_main_includes_everything(self):
        self.accepted(layers.check_arrows, self.include("src/main.c", '#include "cli/base/cli.h"'))


class Features(LintTest):
    def setUp(self):
        old, layers.FEATURES = layers.FEATURES, {"engine": [["stream", "token"], ["run"], ["job"]]}
        self.addCleanup(setattr, layers, "FEATURES", old)

    def circles(self, path, name, listed=""):
        files = {path: f'#include "{name}"\n', layers.CIRCLES.path: listed}
        return self.faults(layers.CIRCLES.check, files)

    def test_an_include_against_the_order_is_refused(self):
        for path, name in (("src/engine/run/x.c", "engine/job/y.h"),
                           ("src/engine/token/x.c", "engine/stream/y.h"),
                           ("src/engine/x.c", "engine/stream/y.h")):
            with self.subTest(path):
                fault = f"{path}:1: an include against the order of features: {path} -> {name}"
                self.assertEqual(self.circles(path, name), [fault])

    def test_an_include_down_the_order_is_accepted(self):
        for path, name in (("src/engine/job/x.c", "engine/run/y.h"),
                           ("src/engine/run/x.c", "engine/run/y.h"),
                           ("src/engine/run/x.c", "engine/y.h"),
                           ("src/engine/x.c", "engine/y.h"),
                           ("src/engine/run/x.c", "base/text/y.h"),
                           ("src/store/sqlite/x.c", "store/group/y.h")):
            with self.subTest(path):
                self.assertEqual(self.circles(path, name), [])

    def test_an_arrow_that_is_listed_is_accepted_until_it_is_gone(self):
        listed = "src/engine/run/x.c -> engine/job/y.h\n"
        self.assertEqual(self.circles("src/engine/run/x.c", "engine/job/y.h", listed), [])
        faults = self.circles("src/engine/run/x.c", "engine/run/y.h", listed)
        self.assertEqual(len(faults), 1)
        self.assertIn("circles.txt:1: ", faults[0])
        self.assertIn("is not needed any more", faults[0])

    def test_a_feature_without_a_place_is_refused(self):
        bad = {"src/engine/attic/x.c": "", "src/engine/run/x.c": "", "src/engine/x.c": ""}
        self.refused(layers.check_features, bad, "engine/attic has no place in the order")
        del bad["src/engine/attic/x.c"]
        self.accepted(layers.check_features, {**bad, "src/store/sqlite/x.c": ""})

    def test_layers_hold_for_deeper_folders(self):
        bad = {"src/engine/run/x.c": '#include "dispatch/run/y.h"\n#include <sqlite3.h>\n'}
        self.refused(layers.check_arrows, bad, "x.c:1: arrow upward")
        self.refused(layers.check_arrows, bad, "x.c:2: <sqlite3.h> is included only in store")


def function(lines=1, name="work", condition="x"):
    body = "".join(f"    {name}_{i}();\n" for i in range(lines))
    head = f"static int {name}(int x) {{\n    if ({condition}) {{\n        return 1;\n    }}\n"
    return head + body + "}\n"


class Sizes(LintTest):
    def check(self, tree):
        exceptions = Exceptions(tree)
        yield from sizes.check_sizes(tree, exceptions)
        yield from exceptions.check(tree)

    def test_a_long_file_is_refused(self):
        self.refused(self.check, {"src/base/x.c": "int x;\n" * 1001}, "1001 lines; 1000 are")

    def test_an_exception_allows_a_long_file_up_to_its_number(self):
        files = {"src/base/x.c": "\n" * 1100, PATH: "file src/base/x.c 1100 One table.\n"}
        self.accepted(self.check, files)
        files["src/base/x.c"] += "\n"
        self.refused(self.check, files, "1101 lines; 1100 are allowed")

    def test_an_exception_that_allows_too_much_is_refused(self):
        files = {"src/base/x.c": "\n" * 1100, PATH: "file src/base/x.c 1200 One table.\n"}
        self.refused(self.check, files, "lower it to 1100")

    def test_an_exception_that_is_not_needed_is_refused(self):
        files = {"src/base/x.c": "\n", PATH: "file src/base/x.c 1100 One table.\n"}
        self.refused(self.check, files, "needs no exception any more")

    def test_an_exception_that_stands_twice_is_refused(self):
        line = "file src/base/x.c 1100 One table.\n"
        self.refused(self.check, {"src/base/x.c": "\n" * 1100, PATH: line * 2}, "twice")

    def test_an_exception_for_nothing_is_refused(self):
        self.refused(self.check, {PATH: "file src/base/x.c 600 Gone.\n"}, "there is no file")

    def test_an_exception_without_a_reason_is_refused(self):
        self.refused(self.check, {PATH: "file src/base/x.c 600\n"}, "REASON")

    def test_a_long_function_is_refused_by_name(self):
        files = {"src/base/x.c": function(lines=100)}
        self.refused(self.check, files, "work has 105 lines; 100 are allowed")

    def test_a_long_head_counts(self):
        head = "static int work(int a,\n                int b) {\n"
        files = {"src/base/x.c": head + "    x();\n" * 98 + "}\n"}
        self.refused(self.check, files, "x.c:1: work has 101 lines")

    def test_a_function_at_the_limit_is_accepted(self):
        self.accepted(self.check, {"src/base/x.c": function(lines=95)})

    def test_a_tangled_function_is_refused(self):
        files = {"src/base/x.c": function(condition=" && ".join("x" * 21))}
        self.refused(self.check, files, "complexity 22; 20 is allowed")

    def test_comments_and_literals_do_not_tangle(self):
        condition = 'strcmp(x, "a ? b' + " && c" * 20 + '") /*' + " || d" * 20 + " */"
        self.accepted(self.check, {"src/base/x.c": function(condition=condition)})

    def test_tables_and_structs_are_no_functions(self):
        table = "static const struct row rows[] = {\n" + "    {1, f(2)},\n" * 100 + "};\n"
        self.accepted(self.check, {"src/base/x.c": table})

    def test_the_function_after_a_struct_is_seen(self):
        files = {"src/base/x.c": "struct x {\n    int a;\n};\n" + function(lines=100)}
        self.refused(self.check, files, "work has 105 lines")

    def test_a_long_line_is_refused(self):
        files = {"src/base/x.c": "/* " + "x" * 98 + "\n"}
        self.refused(sizes.check_lines, files, "101 columns")

    def test_trailing_blanks_are_refused(self):
        self.refused(sizes.check_lines, {"src/base/x.c": "int x; \n"}, "blanks at the end")

    def test_a_last_line_without_its_end_is_refused(self):
        self.refused(sizes.check_lines, {"src/base/x.c": "int x;"}, "has no end")


    def check_folders(self, tree):
        exceptions = Exceptions(tree)
        yield from sizes.check_folders(tree, exceptions)
        yield from exceptions.check(tree)

    def test_a_full_folder_is_refused(self):
        files = {f"src/base/{i}.{end}": "" for i in range(20) for end in "ch"}
        self.accepted(self.check_folders, {**files, "src/base/more/x.c": "", "src/base/x.sql": ""})
        files["src/base/x.c"] = ""
        self.refused(self.check_folders, files, "src/base:1: 41 files; 40 are allowed")
        self.accepted(self.check_folders, {**files, PATH: "folder src/base 41 Flat.\n"})
        self.refused(self.check_folders, {**files, PATH: "folder src/base 50 Flat.\n"}, "to 41")


class Words(LintTest):
    def code(self, line, path="src/base/x.c"):
        return {path: f"static void work(void) {{\n    {line}\n}}\n"}

    def check_globals(self, tree):
        exceptions = Exceptions(tree)
        yield from words.check_globals(tree, exceptions)
        yield from exceptions.check(tree)

    def test_each_banned_call_is_refused(self):
        for names in words.CALLS:
            for name in names.split():
                with self.subTest(name):
                    self.refused(words.check_calls, self.code(f"{name}(x);"), f":2: {name}():")

    def test_names_that_only_contain_one_are_accepted(self):
        for line in ("mem_free(x);", "world->random(x);", "ops.time(x);", "strtok_own(x);"):
            with self.subTest(line):
                self.accepted(words.check_calls, self.code(line))

    def test_a_call_in_a_comment_or_literal_is_accepted(self):
        self.accepted(words.check_calls, self.code('say("free(x)"); /* strcpy(x) */'))

    def test_a_call_at_home_is_accepted(self):
        self.accepted(words.check_calls, self.code("free(x);", "src/base/memory.c"))

    def test_a_home_may_be_in_any_folder_of_its_layer(self):
        deeper = self.code("free(x);", "src/base/heap/memory.c")
        self.accepted(words.check_calls, deeper)
        self.refused(words.check_calls, self.code("free(x);", "src/loop/memory.c"), "free():")
        two = {**deeper, **self.code("free(x);", "src/base/other/memory.c")}
        self.refused(words.check_calls, two, "src/base/heap/memory.c:2: free():")
        whole = {**self.code("free(x);", "src/base/memory.c"), "src/base/other/memory.c": ""}
        self.accepted(words.check_calls, whole)

    def test_goto_is_refused(self):
        self.refused(words.check_constructs, self.code("goto out;"), "no goto")

    def test_typedef_struct_is_refused(self):
        for text in ("typedef struct x {\n    int a;\n} y;\n", "typedef struct x y;\n"):
            self.refused(words.check_constructs, {"src/base/x.h": text}, "no typedef")

    def test_a_function_type_is_accepted(self):
        text = "typedef struct err (*store_fn)(struct tx *tx, void *ctx);\n"
        self.accepted(words.check_constructs, {"src/base/x.h": text})

    def test_a_conditional_inside_a_function_is_refused(self):
        text = "static void work(void) {\n#ifdef LINUX\n    x();\n#endif\n}\n"
        self.refused(words.check_constructs, {"src/base/x.c": text}, "x.c:2: no #if inside")

    def test_a_conditional_outside_is_accepted(self):
        text = "#ifndef X\n#define X\nstatic void work(void) {\n    x();\n}\n#endif\n"
        self.accepted(words.check_constructs, {"src/base/x.c": text})

    def test_mutable_globals_are_refused(self):
        for line in ("static int count;", "int count = 3;", "static struct x *first;",
                     "static _Thread_local bool failed;", "static char buffer[64];"):
            with self.subTest(line):
                self.refused(self.check_globals, {"src/base/x.c": line + "\n"}, "mutable global")

    def test_constant_tables_and_declarations_are_accepted(self):
        for line in ("static const int count = 3;", "struct x;", "extern const char text[];",
                     "static int work(void);", "static const char *const names[] = {\n    0,\n};"):
            with self.subTest(line):
                self.accepted(self.check_globals, {"src/base/x.c": line + "\n"})

    def test_a_global_with_a_reason_is_accepted(self):
        files = {"src/base/x.c": "static int count;\n", PATH: "global src/base/x.c:count 1 Why.\n"}
        self.accepted(self.check_globals, files)

    def test_rows_of_a_resource_are_written_by_the_mechanism_alone(self):
        def rule(tree):
            exceptions = Exceptions(tree)
            yield from words.check_resources(tree, exceptions)
            yield from exceptions.check(tree)

        fields = "static const struct field rows[] = {{.group = FIELD_SET}};\n"
        table = 'const struct resource pet = {.plural = "pets", .table = "pets"};\n'
        pets = {"src/rules/pet/resource.c": fields + table}
        where = "src/engine/pet/pet.c"
        for sql in ("INSERT INTO pets (pet) VALUES ($1)", "UPDATE pets SET fed = 1",
                    'DELETE FROM"\n          " pets WHERE pet = $1'):
            text = f'static void feed(void) {{\n    tx_do(tx, "{sql}", 0);\n}}\n'
            self.refused(rule, {**pets, where: text}, f"{where}:2: writes pets without its event")
            self.accepted(rule, {where: text})
            self.accepted(rule, {**pets, "src/rules/pet/resource.c": table, where: text})
            own = fields + 'const struct resource pet = {.table = "pets"};\n'
            self.accepted(rule, {"src/rules/pet/resource.c": own, where: text})
            self.accepted(rule, {**pets, "src/engine/base/resource.c": text})
            allowed = f"write {where}:pets 1 Old ones are pruned, which is no change.\n"
            self.accepted(rule, {**pets, where: text, PATH: allowed})
        for reading in ("SELECT fed FROM pets FOR UPDATE", "UPDATE petshops SET fed = 1",
                        "SELECT count(*) FROM pets"):
            self.accepted(rule, {**pets, where: f'const char *sql = "{reading}";\n'})
        quiet = "static void feed(void) {\n    tx_row_insert(tx, &pet, 0, row);\n}\n"
        self.refused(rule, {**pets, where: quiet}, f"{where}:2: writes pets")
        self.refused(rule, {**pets, PATH: f"write {where}:pets 1 Why.\n"}, "there is no write")

    def test_tables_have_a_descriptor_and_are_searched_for_damage(self):
        def rule(tree):
            exceptions = Exceptions(tree)
            yield from words.check_tables(tree, exceptions)
            yield from exceptions.check(tree)

        sql = {"src/store/migrations/001_pets.sql": "-- Pets.\nCREATE TABLE pets (id @id@);\n"}
        described = {"src/rules/pet/pet.c": 'const struct resource pet = {.table = "pets"};\n'}
        searched = {"src/engine/system/damage.c": '    {BY_NUMBER("pets", "id")},\n'}
        self.refused(rule, {**sql, **searched}, "001_pets.sql:2: pets has no descriptor")
        self.refused(rule, {**sql, **described}, "001_pets.sql:2: pets is not searched")
        self.accepted(rule, {**sql, **described, **searched})
        self.accepted(rule, {**sql, PATH: "table pets 1 Why.\nunsearched pets 1 Why.\n"})
        self.refused(rule, {**sql, **described, **searched, PATH: "table pets 1 Why.\n"},
                     "needs no exception")

    def test_kinds_of_runs_are_named_by_their_tables_and_their_own_files(self):
        def rule(tree):
            exceptions = Exceptions(tree)
            yield from words.check_kinds(tree, exceptions)
            yield from exceptions.check(tree)

        kinds = {"src/rules/run/run.h": "enum run_kind { KIND_JOB, KIND_TITLE, RUN_KIND_COUNT };\n"}
        where = "src/engine/pet/pet.c"
        for text in ("static int x = KIND_JOB;\n",
                     'const char *sql = "SELECT 1 FROM runs WHERE kind = \'job\'";\n'):
            self.refused(rule, {**kinds, where: text}, f"{where}:1: asks for the kind JOB")
            self.accepted(rule, {**kinds, "src/engine/job/pet.c": text})
            self.accepted(rule, {**kinds, "src/rules/run/kinds.c": text})
            self.accepted(rule, {**kinds, where: text, PATH: f"kind {where} 1 It begins one.\n"})
            self.accepted(rule, {where: text})
        title = "static int x = KIND_TITLE;\n"
        self.refused(rule, {**kinds, "src/engine/turn/pet.c": title}, "the kind TITLE")
        self.accepted(rule, {**kinds, "src/engine/turn/titles.c": title})
        self.accepted(rule, {**kinds, where: "enum { KIND_WIDTH = 8 };\n"})

    def test_words_of_unfinished_work_are_refused(self):
        self.refused(words.check_words, {"a.md": "One\n" + "TO" + "DO later\n"}, "a.md:2:")

    def test_a_path_of_one_machine_is_refused(self):
        self.refused(words.check_words, {"a.md": "See /ho" + "me/me/notes\n"}, "one machine")

    def test_an_address_in_a_lock_file_is_refused(self):
        text = '{"resolved": "https://registry.example/x.tgz"}\n'
        self.refused(words.check_words, {"web/package-lock.json": text}, "no addresses")

    def test_sql_of_one_database_is_refused(self):
        for text in ("INSERT OR IGNORE INTO t VALUES ($1)", "SELECT a FROM t WHERE b = ?",
                     "SELECT a FROM t LIMIT 5 OFFSET 5", "SELECT a::text FROM t"):
            with self.subTest(text):
                self.refused(words.check_sql, self.code(f'query("{text}");'), "SQL: ")

    def test_sql_of_a_driver_is_its_own(self):
        files = self.code('query("PRAGMA user_version; SELECT 1");', "src/store/sqlite_open.c")
        self.accepted(words.check_sql, files)

    def test_sql_of_a_driver_is_its_own_in_any_folder(self):
        for path in ("src/store/sqlite/open.c", "src/store/driver/postgres_open.c"):
            self.accepted(words.check_sql, self.code('query("PRAGMA x; SELECT 1");', path))
        other = self.code('query("PRAGMA x; SELECT 1");', "src/store/page/sums.c")
        self.refused(words.check_sql, other, "SQLite alone")

    def test_portable_sql_is_accepted(self):
        text = '"INSERT INTO t (a) VALUES ($1) "\n    "ON CONFLICT (a) DO NOTHING RETURNING id"'
        self.accepted(words.check_sql, self.code(f"query({text});"))


class Ids(LintTest):
    header = {"src/engine/base/ids.h": "enum ids_table { IDS_RUNS, IDS_BUDGETS };\n"}

    def function(self, *lines):
        return {**self.header, "src/engine/x.c": "\n".join(["void f(void) {", *lines, "}\n"])}

    def test_a_deletion_that_keeps_no_id_is_refused(self):
        for text in ('"DELETE FROM runs WHERE id = $1"', '"DELETE FROM budgets"'):
            for keep in ("", "ids__keep(tx, IDS_OTHER);"):
                bad = self.function(keep, f"query({text});")
                self.refused(words.check_ids, bad, "src/engine/x.c:3: deletes ")

    def test_a_deletion_is_refused_outside_of_any_function(self):
        bad = {**self.header, "src/engine/x.c": 'static const char sql[] = "DELETE FROM runs";\n'}
        self.refused(words.check_ids, bad, "deletes runs")

    def test_a_deletion_behind_a_kept_id_is_accepted(self):
        keep = "ids__keep(tx, IDS_RUNS);"
        self.accepted(words.check_ids, self.function(keep, 'query("DELETE FROM runs");'))

    def test_the_header_may_be_in_any_folder_of_its_layer(self):
        bad = self.function('query("DELETE FROM runs");')
        bad["src/engine/run/ids.h"] = bad.pop("src/engine/base/ids.h")
        self.refused(words.check_ids, bad, "src/engine/x.c:2: deletes runs")

    def test_other_tables_keep_none(self):
        self.accepted(words.check_ids, self.function('query("DELETE FROM run_input");'))


class Tools(LintTest):
    @unittest.skipUnless(tools.format_version() == tools.FORMAT_VERSION, "another clang-format")
    def test_unformatted_code_is_refused(self):
        style = Tree(ROOT).text(".clang-format")
        files = {".clang-format": style, "src/base/x.c": "int  x ;\n"}
        self.refused(tools.check_format, files, "src/base/x.c:1: not as clang-format")

    def test_a_header_that_needs_another_is_refused(self):
        self.refused(tools.check_headers, {"src/base/x.h": "size_t x(void);\n"}, "compile alone")

    def test_a_header_that_brings_what_it_needs_is_accepted(self):
        text = "#include <stddef.h>\nsize_t x(void);\n"
        self.accepted(tools.check_headers, {"src/base/x.h": text})

    def test_shell_beyond_posix_is_refused(self):
        text = "#!/bin/sh\nset -eu\nif [[ -n $1 ]]; then echo; fi\n"
        self.refused(tools.check_shell, {"a": text}, "SC3010", modes={"a": 0o755})

    def test_a_shell_script_that_ignores_errors_is_refused(self):
        self.refused(tools.check_shell, {"a": "#!/bin/sh\ntrue\n"}, "set -eu", modes={"a": 0o755})

    def test_broken_javascript_is_refused(self):
        self.refused(tools.check_spelling_of_scripts, {"a.mjs": "let = ;\n"}, "SyntaxError")


class Docs(LintTest):
    def test_a_page_of_errors_that_differs_from_the_table_is_refused(self):
        table = '#define T(X) \\\n    X(NONE, "ok", 200, 0, "Success")\n'
        for path in ("src/base/err.h", "src/base/deep/err.h"):
            files = {path: table, docs.ERRORS: "# Errors\n"}
            self.refused(docs.check_written_pages, files, f"differs from {path}: make docs")

    def test_the_table_becomes_rows(self):
        table = '#define T(X) \\\n    X(NO, "no", 404, 3, \\\n      "Not here")\n'
        rule = lambda tree: docs.render_errors(tree).split("\n")
        files = {"src/base/err.h": table, docs.ERRORS: "| `no` | 1 | 2 | Old words | Go home. |\n"}
        self.assertIn("| `no` | 404 | 3 | Not here | Go home. |", self.faults(rule, files))

    def test_an_error_without_a_remedy_is_refused(self):
        table = '#define T(X) \\\n    X(NO, "no", 404, 3, "Not here")\n'
        files = {"src/base/err.h": table, docs.ERRORS: "| `no` | 404 | 3 | Not here |  |\n"}
        self.refused(docs.check_written_pages, files, "what to do about no")

    def test_the_flags_become_rows(self):
        row = 'OPTION_TEXT("log-level", 0, "L", "Told "\n "here.", .env = "D_LOG"),'
        files = {"src/cli/system/command_serve.c":
                 f"static const struct flag serve_flags[] = {{\n{row}\n}};\n"}
        rule = lambda tree: docs.render_configuration(tree).split("\n")
        page = self.faults(rule, files)
        self.assertIn("| `--log-level L` | `D_LOG` |  | Told here. |", page)
        self.assertTrue(any("`src/cli/system/command_serve.c`" in line for line in page), page)

    def test_the_help_of_each_command_becomes_a_chapter(self):
        usual = "      --json                  Print JSON.\n  -h, --help          Show this.\n"
        help_of = lambda name, flags: (
            f"$ drover {name} --help\nDo {name}.\n\nUsage: drover {name} [FLAGS]\n\n"
            f"Flags:\n{flags}{usual}\nMore words.\n\nExamples:\n  drover {name}\n")
        flag = "  -a, --all                   Show\n                              all.\n"
        listed = "$ drover help\nUsage: drover COMMAND\n\nSee\n  ps    Do ps.\n  job ls  Do jobs.\n"
        record = "\n".join([listed, help_of("ps", flag), help_of("job ls", "")])
        rule = lambda tree: docs.render_commands(tree).split("\n")
        page = "\n".join(self.faults(rule, {docs.HELP: record}))
        self.assertIn("## See\n\n### drover ps\n\nDo ps.\n\n```text\ndrover ps [FLAGS]\n\n"
                      f"{flag}\nMore words.\n```\n\n```console\ndrover ps\n```\n", page)
        self.assertIn("```text\ndrover job ls [FLAGS]\n\nMore words.\n```\n", page)
        self.assertIn("| [`job ls`](#drover-job-ls) | Do jobs. |", page)
        self.assertEqual(page.count("--json "), 1)
        files = {docs.HELP: record, docs.COMMANDS: "# Commands\n"}
        self.refused(docs.check_written_pages, files, f"differs from {docs.HELP}: make docs")

    def test_a_route_that_no_page_names_is_refused(self):
        route = '{ROUTE("GET",\n "/x", 0, "X")},\n'
        lacks = "x.c:1: the table of docs/api.md lacks GET /x"
        self.refused(docs.check_api_page, {"src/api/x.c": route}, lacks)
        for page in ("`GET /x`\n", "| `GET /x/{id}` | read | one |\n"):
            self.refused(docs.check_api_page, {"src/api/x.c": route, "docs/api.md": page}, lacks)
        for row in ("`GET /x`", "`GET /x?through=N`", "`GET /y`, `GET /x`"):
            page = f"| {row} | read | list |\n"
            self.accepted(docs.check_api_page, {"src/api/x.c": route, "docs/api.md": page})

    def test_a_link_to_nowhere_is_refused(self):
        self.refused(docs.check_links, {"a.md": "[b](b.md)\n"}, "no such file: b.md")

    def test_a_link_of_an_entry_of_the_changelog_is_one_of_the_page(self):
        files = {"docs/b.md": "", "changelog/b.added.md": "- [b](docs/b.md)\n"}
        self.accepted(docs.check_links, files)
        self.refused(docs.check_links, {**files, "changelog/b.added.md": "- [b](b.added.md)\n"},
                     "no such file: b.added.md")

    def test_a_room_that_the_architecture_does_not_name_is_refused(self):
        files = {"ARCHITECTURE.md": "`base/`\n", "src/base/x.c": "", "src/loop/x.c": ""}
        self.refused(docs.check_architecture, files, "the room loop")

    def test_a_test_that_no_runner_finds_is_refused(self):
        for path in ("test/unit/test_x.c", "test/fuzz/fuzz_x.c", "test/fault/x.test.mjs",
                     "test/scripts/test_x.py", "test/unit/deep/kit.c"):
            self.accepted(docs.check_names_of_tests, {path: ""})
        for path in ("test/unit/deep/test_x.c", "test/fault/deep/x.test.mjs", "test/test_x.py"):
            self.refused(docs.check_names_of_tests, {path: ""}, "nobody looks")


class Changelog(LintTest):
    PAGE = ("# Changelog\n\n## Unreleased\n\n### Added\n\n- Old.\n\n### Fixed\n\n- Mended.\n\n"
            "## 0.1\n\n### Added\n\n- First.\n")
    ENTRIES = {"changelog/a.added.md": "- A,\n  in two lines.\n", "changelog/b.added.md": "- B.\n",
               "changelog/c.changed.md": "- C.\n", "changelog/d.security.md": "- D.\n",
               "changelog/README.md": "# How\n"}

    def test_entries_are_folded_into_their_sections_of_what_is_unreleased(self):
        page = "\n".join(self.faults(
            lambda tree: changelog.folded(tree).split("\n"),
            {"CHANGELOG.md": self.PAGE, **self.ENTRIES}))
        self.assertEqual(page, (
            "# Changelog\n\n## Unreleased\n\n### Added\n\n- A,\n  in two lines.\n- B.\n- Old.\n\n"
            "### Changed\n\n- C.\n\n### Fixed\n\n- Mended.\n\n### Security\n\n- D.\n\n"
            "## 0.1\n\n### Added\n\n- First.\n"))

    def test_the_files_of_entries_that_were_folded_are_gone(self):
        def left(tree):
            yield changelog.fold(tree)
            yield from sorted(os.listdir(tree.at("changelog")))
        self.assertEqual(self.faults(left, {"CHANGELOG.md": self.PAGE, **self.ENTRIES}),
                         ["4", "README.md"])

    def test_an_entry_that_could_not_be_folded_is_refused(self):
        self.accepted(changelog.check_fragments, self.ENTRIES)
        for name in ("x.md", "x.news.md", "X.added.md", "x.added.txt", "deep/x.added.md"):
            self.refused(changelog.check_fragments, {"changelog/" + name: "- A.\n"}, "call it")
        for text in ("", "A.\n", "- A.", "- A\nb.\n", "- A.\n\n- B.\n", "### Added\n- A.\n", "-\n"):
            with self.subTest(text):
                self.refused(changelog.check_fragments, {"changelog/x.added.md": text},
                             "an entry is a line")


if __name__ == "__main__":
    unittest.main()
