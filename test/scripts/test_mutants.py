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


if __name__ == "__main__":
    unittest.main()
