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

# Fails in every third run of a file whose name begins with f; ends with that, as meson does.
TOY = """
import json, os, sys
records, name = sys.argv[1], sys.argv[-1]
times = int(sys.argv[3]) if sys.argv[2] == "--repeat" else 1
bad = False
while times > 0 and not bad:
    times -= 1
    with open(os.path.join(os.path.dirname(records), "runs-" + name), "a") as out:
        out.write("x")
        out.flush()
        bad = name[0] == "f" and out.tell() % 3 == 0
    with open(records, "a") as out:
        entry = {"name": name, "result": "FAIL" if bad else "OK", "duration": 1,
                 "stdout": "# fail 1" if bad else "# pass 1"}
        out.write(json.dumps(entry) + chr(10))
print("said by", name)
sys.exit(bad)
"""


class Flakes(unittest.TestCase):
    def tried(self, *files, times, lanes=1):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as \
                said, unittest.mock.patch.object(flakes, "LOGS", folder):
            def toy(lane):
                records = os.path.join(folder, f"records{lane}")
                command = [sys.executable, "-c", TOY, records]
                return runner.Stage(f"toy {lane}", command, counts.count_node, records=records)

            totals = flakes.try_all([(toy, list(files))], times, lanes)
            for file in files:  # No file runs more often than told.
                self.assertEqual(os.path.getsize(os.path.join(folder, "runs-" + file)), times)
            kept = {}
            for name in os.listdir(os.path.join(folder, "flakes")):
                with open(os.path.join(folder, "flakes", name), encoding="utf-8") as log:
                    kept[name] = log.read()
        return totals, said.getvalue(), kept

    def test_a_file_that_fails_now_and_then_is_listed_with_each_output(self):
        totals, said, kept = self.tried("good.mjs", "fickle.mjs", times=7)
        self.assertEqual(totals, (2, 1))
        self.assertIn("ok 7 of 7  good.mjs ", said)
        self.assertIn("FAILED 2 of 7  fickle.mjs ", said)
        self.assertEqual(sorted(kept), ["toy-1-fickle-mjs.3.log", "toy-1-fickle-mjs.6.log"])
        self.assertIn("said by fickle", kept["toy-1-fickle-mjs.3.log"])

    def test_a_test_of_meson_goes_on_after_the_run_that_failed(self):
        totals, said, kept = self.tried("good", "fickle", times=7, lanes=2)
        self.assertEqual(totals, (2, 1))
        self.assertIn("ok 7 of 7  good ", said)
        self.assertIn("FAILED 2 of 7  fickle ", said)
        self.assertEqual(len(kept), 2)

    def test_lanes_share_the_runs_and_each_file_runs_as_often_as_told(self):
        files = [f"good{number}.mjs" for number in range(9)] + ["fickle.mjs"]
        totals, said, kept = self.tried(*files, times=3, lanes=4)
        self.assertEqual(totals, (10, 1))
        self.assertEqual(said.count("ok 3 of 3"), 9)
        self.assertEqual(len(kept), 1)

    def test_lanes_without_a_file_help_with_one_of_node_and_with_no_other(self):
        node, meson = flakes.Tried(None, "a.mjs", 3), flakes.Tried(None, "a", 3)
        waiting = [meson, node]
        taken = [flakes.take_part(waiting) for _ in range(5)]
        self.assertEqual(taken, [(meson, 3), (node, 1), (node, 1), (node, 1), None])

    def test_what_has_passed_by_the_record_is_left_out_until_it_changes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "record.txt")
            passed, failed = flakes.Tried(None, "good", 0), flakes.Tried(None, "fickle", 0)
            passed.seconds, passed.cpu_s = [1, 2], 5
            failed.seconds, failed.failed = [1, 2], [(1, "path")]
            for one in (passed, failed):
                flakes.Record(path).note(one, "0123456789ab")
            record = flakes.Record(path)
        self.assertTrue(record.has_passed("good", 2, "0123456789ab"))
        self.assertFalse(record.has_passed("good", 3, "0123456789ab"))
        self.assertFalse(record.has_passed("good", 2, "ba9876543210"))
        self.assertFalse(record.has_passed("fickle", 2, "0123456789ab"))
        self.assertFalse(record.has_passed("new", 1, "0123456789ab"))
        self.assertEqual([record.cpu_s("good"), record.cpu_s("new")], [2.5, 0])

    def test_shares_are_disjoint_and_cover_everything(self):
        self.assertEqual(flakes.share_of("2/4"), (2, 4))
        for text in ("0/4", "5/4", "2", "a/b", "1/0"):
            with self.assertRaises(flakes.argparse.ArgumentTypeError):
                flakes.share_of(text)
        taken = []
        for number in (1, 2, 3):
            options = unittest.mock.Mock(build="build/release", postgres=False, file=[],
                                         share=(number, 3))
            with unittest.mock.patch.object(
                    flakes.suite, "tests_of", lambda folder: [{"name": "one"}, {"name": "two"}]):
                taken += [file for _, files in flakes.stages_of(options) for file in files]
        self.assertEqual(len(taken), len(set(taken)))
        self.assertIn("one", taken)
        self.assertIn("test/integration/turns.test.mjs", taken)

    def test_the_noise_runs_and_ends(self):
        with flakes.Noise() as noise:
            self.assertEqual([child.poll() for child in noise.children], [None] * 3)
        self.assertTrue(all(child.returncode is not None for child in noise.children))

    def test_a_file_that_is_none_is_refused(self):
        options = unittest.mock.Mock(build="build/release", postgres=False, file=["none.mjs"],
                                     share=(1, 1))
        with unittest.mock.patch.object(flakes.suite, "tests_of", lambda folder: []):
            with self.assertRaisesRegex(SystemExit, "no test file is called none.mjs"):
                flakes.stages_of(options)


if __name__ == "__main__":
    unittest.main()
