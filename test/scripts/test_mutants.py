"""Each defect of test/sim/mutants can still be put back."""
import glob
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

from checks import mutants  # noqa: E402
from checks.tree import Tree  # noqa: E402

HEAD = "a pet is never fed\nseed: 1\n"
PET = """\
/* pet.c: pets. */
static void pet_feed(struct pet *pet) {
    if (pet->hungry) {
        pet->meals++;
    }
}

static void cat_feed(struct pet *pet) {
    pet->meals++;
}
"""


class Places(unittest.TestCase):
    def change(self, piece, text=PET, path="src/engine/pet/pet.c"):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, os.path.dirname(path)))
            with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                file.write(text)
            found = mutants.changed(Tree(folder), f"{HEAD}\n{piece}")
        return "\n".join(found[path])

    def test_a_line_is_found_in_its_function_wherever_that_stands(self):
        piece = "@ pet_feed\n-        pet->meals++;\n+        pet->meals--;\n"
        wanted = PET.replace("        pet->meals++;", "        pet->meals--;")
        self.assertEqual(self.change(piece), wanted)
        moved = "int x;\n\n" + PET.replace("    if (", "  if (")
        self.assertIn("meals--;", self.change(piece, moved, "src/rules/zoo/zoo.c"))

    def test_several_changes_and_lines_that_stay(self):
        piece = ("@ pet_feed\n     if (pet->hungry) {\n+        pet->fed = true;\n"
                 "\n@ cat_feed\n-    pet->meals++;\n")
        found = self.change(piece)
        self.assertIn("hungry) {\n        pet->fed = true;\n        pet->meals++;", found)
        self.assertTrue(found.endswith("cat_feed(struct pet *pet) {\n}\n"), found)

    def test_what_is_outside_of_functions_is_found_by_its_file(self):
        piece = "@ src/engine/pet/pet.c\n-/* pet.c: pets. */\n+/* none */\n"
        self.assertTrue(self.change(piece).startswith("/* none */\n"))

    def test_what_is_gone_or_there_twice_has_no_place(self):
        for piece, why in (("@ pet_feed\n-no such line\n", "is not there: no such line"),
                           ("@ dog_feed\n-pet->meals++;\n", "is not there"),
                           ("@ src/engine/pet/pet.c\n-pet->meals++;\n", "is there 2 times")):
            with self.assertRaisesRegex(mutants.Misplaced, why):
                self.change(piece)


class Mutants(unittest.TestCase):
    def setUp(self):
        self.tree, self.texts = Tree(ROOT), {}
        for path in sorted(glob.glob(os.path.join(ROOT, "test/sim/mutants/*"))):
            with open(path, encoding="utf-8") as file:
                self.texts[os.path.basename(path)] = file.read()

    def test_each_finds_its_place_in_the_tree(self):
        self.assertTrue(self.texts)
        for name, text in self.texts.items():
            with self.subTest(name):
                found = mutants.changed(self.tree, text)
                self.assertTrue(any("\n".join(lines) != self.tree.text(path)
                                    for path, lines in found.items()))

    def test_each_says_what_it_breaks_and_why_no_seed_catches_it(self):
        for name, text in self.texts.items():
            head = mutants.head_of(text).split("\n")
            with self.subTest(name):
                self.assertRegex(name, r"\.mutant$")
                self.assertRegex(head[0], r"^[a-z]")
                if any(line.startswith("test: ") for line in head):
                    self.assertRegex(head[1], r"^\(.*\)$")


if __name__ == "__main__":
    unittest.main()
