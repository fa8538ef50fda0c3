"""scripts/flakes.py lists the files that failed in any of their runs, beside noise that ends."""
import contextlib
import io
import os
import sys
import tempfile
import unittest
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

import counts  # noqa: E402
import flakes  # noqa: E402
import runner  # noqa: E402

# Fails in every third run of a file whose name begins with f.
TOY = """
import json, os, sys
records, name = sys.argv[1:]
runs = records + name
with open(runs, "a") as out:
    out.write("x")
bad = name[0] == "f" and os.path.getsize(runs) % 3 == 0
with open(records, "a") as out:
    out.write(json.dumps({"name": name, "result": "FAIL" if bad else "OK", "duration": 1,
                          "stdout": "# pass 1" if not bad else "# fail 1"}))
print("said by", name)
sys.exit(bad)
"""


class Flakes(unittest.TestCase):
    def tried(self, *files, times):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as \
                said, unittest.mock.patch.object(flakes, "LOGS", folder):
            records = os.path.join(folder, "records")
            command = [sys.executable, "-c", TOY, records]
            stage = runner.Stage("toy", command, counts.count_node, records=records)
            totals = flakes.try_all([(stage, list(files))], times)
            kept = {}
            for name in os.listdir(os.path.join(folder, "flakes")):
                with open(os.path.join(folder, "flakes", name), encoding="utf-8") as log:
                    kept[name] = log.read()
        return totals, said.getvalue(), kept

    def test_a_file_that_fails_now_and_then_is_listed_with_each_output(self):
        totals, said, kept = self.tried("good", "fickle", times=7)
        self.assertEqual(totals, (2, 1))
        self.assertIn("ok 7 of 7  good\n", said)
        self.assertIn("FAILED 2 of 7  fickle\n", said)
        self.assertEqual(sorted(kept), ["toy-fickle.3.log", "toy-fickle.6.log"])
        self.assertIn("said by fickle", kept["toy-fickle.3.log"])

    def test_the_noise_runs_and_ends(self):
        with flakes.Noise() as noise:
            self.assertEqual([child.poll() for child in noise.children], [None] * 3)
        self.assertTrue(all(child.returncode is not None for child in noise.children))

    def test_a_file_that_is_none_is_refused(self):
        options = unittest.mock.Mock(build="build/release", postgres=False, file=["none.mjs"])
        with unittest.mock.patch.object(flakes.suite, "tests_of", lambda folder: []):
            with self.assertRaisesRegex(SystemExit, "no test file is called none.mjs"):
                flakes.stages_of(options)


if __name__ == "__main__":
    unittest.main()
