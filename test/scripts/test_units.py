"""scripts/units.py reads from a test in C what it links."""
import os
import sys
import tempfile
import unittest
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

import units  # noqa: E402

ROOMS = ["base", "store", "engine"]
KIT = {"test/unit/kit.h": "", "test/unit/kit.c": '#include "kit.h"\n#include "engine/e.h"\n'}


class UnitsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        here = unittest.mock.patch.object(units, "ROOT", self.root)
        here.start()
        self.addCleanup(here.stop)

    def write(self, files):
        for path, text in files.items():
            where = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(where), exist_ok=True)
            with open(where, "w", encoding="utf-8") as out:
                out.write(text)

    def line(self, text, files=()):
        self.write({"test/unit/test_x.c": text, **dict(files)})
        return units.units("test/unit", "test", *ROOMS)

    def test_a_test_links_the_highest_room_that_it_includes(self):
        self.assertEqual(self.line('#include "store/s.h"\n#include "base/b.h"\n'), "x|store|||")
        self.assertEqual(self.line("#include <stdio.h>\n"), "x|base|||")

    def test_the_source_beside_a_header_of_tests_is_linked_with_what_that_includes(self):
        self.assertEqual(self.line('#include "kit.h"\n#include "base/b.h"\n', KIT),
                         "x|engine||test/unit/kit.c|")
        parts = {"src/main/parts.h": "", "src/main/parts.c": "", "src/base/b.h": "",
                 "src/base/b.c": ""}
        self.assertEqual(self.line('#include "main/parts.h"\n#include "base/b.h"\n', parts),
                         "x|base||src/main/parts.c|")

    def test_calls_that_it_defines_anew_are_wrapped(self):
        text = "int __wrap_poll(void);\nint __wrap_poll(void) {\n    return __real_poll();\n}\n"
        self.assertEqual(self.line(text), "x|base|||poll")

    def test_a_comment_says_what_does_not_follow(self):
        text = "/* X. */\n/* runs-with: sqlite, threads */\n/* links: base, src/s/*.c */\n"
        files = {**KIT, "src/s/a.c": "", "src/s/b.c": ""}
        self.assertEqual(self.line(text + '#include "kit.h"\n', files),
                         "x|base|sqlite threads|src/s/a.c src/s/b.c test/unit/kit.c|")
        with self.assertRaisesRegex(SystemExit, "test_x.c: links: there is no src/t.c"):
            self.line("/* links: base, src/t.c */\n")

    def test_a_build_directory_is_stale_when_a_test_came_or_links_something_else(self):
        build = os.path.join(self.root, "build")
        os.makedirs(build)
        self.write({"test/unit/test_x.c": '#include "base/b.h"\n'})
        with unittest.mock.patch("builtins.print"):
            units.answer(build, "test/unit", "test", *ROOMS)
        self.assertFalse(units.is_stale(build))
        self.write({"test/unit/test_y.c": ""})
        self.assertTrue(units.is_stale(build))
        os.remove(os.path.join(self.root, "test/unit/test_y.c"))
        self.assertFalse(units.is_stale(build))
        self.write({"test/unit/test_x.c": '#include "store/s.h"\n'})
        self.assertTrue(units.is_stale(build))


if __name__ == "__main__":
    unittest.main()
