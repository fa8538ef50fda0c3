"""Each defect of test/sim/mutants can still be put back."""
import glob
import os
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Mutants(unittest.TestCase):
    def test_each_patch_applies_to_the_tree(self):
        patches = sorted(glob.glob(os.path.join(ROOT, "test/sim/mutants/*.patch")))
        self.assertTrue(patches)
        for patch in patches:
            with self.subTest(os.path.basename(patch)):
                result = subprocess.run(["git", "apply", "--check", patch], cwd=ROOT,
                                        capture_output=True, text=True, check=False)
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_each_patch_says_what_it_breaks_and_why_no_seed_catches_it(self):
        for patch in sorted(glob.glob(os.path.join(ROOT, "test/sim/mutants/*.patch"))):
            with self.subTest(os.path.basename(patch)), open(patch, encoding="utf-8") as file:
                head = file.read().split("\ndiff --git")[0].split("\n")
                self.assertRegex(head[0], r"^[a-z]")
                if any(line.startswith("test: ") for line in head):
                    self.assertRegex(head[1], r"^\(.*\)$")


if __name__ == "__main__":
    unittest.main()
