"""scripts/again.py: a file that failed runs once more, alone; the verdict is flaky or failed."""
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

import again  # noqa: E402
import counts  # noqa: E402
import runner  # noqa: E402
import suite  # noqa: E402

# A test file of Node that fails in its first run. `before` runs ahead of that verdict.
TOY = """import test from "node:test";
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
const marker = fileURLToPath(import.meta.url) + ".ran";
const again = existsSync(marker);
writeFileSync(marker, "");
test("always passes", () => {});
test("decides", () => { if (%s) throw new Error("as it was told"); });
"""
PASSES, FAILS, FLAKY = "false", "true", "!again"
# What a daemon of drover's may leave in the output of the file that it failed.
CRASHES = (
    "drover: ../../src/engine/turn/end.c:88: turn_close: Assertion `row->call == 0' failed.",
    "drover serve was ended by SIGABRT",
    "[  ERROR   ] --- Test failed with exception: Segmentation fault(11)",
)

# A runner that writes records as meson does: a test whose name begins with f fails, one that
# begins with l fails in its first run, and one that begins with m leaves no record.
MESON = """
import json, os, sys
records, failed = sys.argv[1], False
for name in sys.argv[2:]:
    marker = records + name
    bad = name[0] == "f" or (name[0] == "l" and not os.path.exists(marker))
    open(marker, "w").close()
    failed = failed or bad
    if name[0] != "m":
        with open(records, "a") as out:
            entry = {"name": "drover:unit / " + name, "duration": len(name), "stdout": name}
            out.write(json.dumps({**entry, "result": "FAIL" if bad else "OK"}) + "\\n")
sys.exit(failed)
"""


class ToySuite(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        reports = os.path.join(self.folder, "sanitizer")
        no_measure = lambda print_line: None
        for place, name, value in ((again, "LOGS", self.folder), (suite, "LOGS", self.folder),
                                   (suite, "set_scale", no_measure),
                                   (runner, "REPORTS", reports), (suite, "REPORTS", reports)):
            patch = unittest.mock.patch.object(place, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def node(self, **verdicts):
        """A stage over test files of Node: {name: when its second test fails}."""
        records = os.path.join(self.folder, "node.records")
        command = [sys.executable, os.path.join(ROOT, "scripts/files.py"), records, "60"]
        stage = runner.Stage("toy node", command, counts.count_node, records=records)
        for name, verdict in verdicts.items():
            stage.files.append(os.path.join(self.folder, name + ".test.mjs"))
            with open(stage.files[-1], "w", encoding="utf-8") as source:
                source.write(TOY % verdict)
        return stage

    def meson(self, *names):
        records = os.path.join(self.folder, "meson.records")
        command = [sys.executable, "-c", MESON, records]
        return runner.Stage("toy meson", command, counts.count_meson, records=records,
                            files=list(names))

    def run_tests(self, *stages):
        """Gives ((passed, failed), lines)."""
        with contextlib.redirect_stdout(io.StringIO()) as said:
            total = suite.run_tests(stages)
        return (total.passed, total.failed), said.getvalue().splitlines()

    def kept(self, path):
        with open(os.path.join(self.folder, "again", path), encoding="utf-8") as log:
            return log.read()

    def test_a_file_that_passes_alone_is_flaky_and_counts_as_passed(self):
        total, lines = self.run_tests(self.node(good=PASSES, shy=FLAKY))
        self.assertEqual(total, (4, 0))
        flaky = [line for line in lines if line.startswith("flaky: ")]
        self.assertEqual(len(flaky), 1)
        self.assertIn("shy.test.mjs (toy node)", flaky[0])

    def test_both_outputs_of_a_flaky_file_are_kept(self):
        self.run_tests(self.node(shy=FLAKY))
        names = sorted(os.listdir(os.path.join(self.folder, "again/toy-node")))
        self.assertEqual([name.split(".")[-2] for name in names], ["first", "second"])
        self.assertIn("as it was told", self.kept(f"toy-node/{names[0]}"))
        self.assertIn("# pass 2", self.kept(f"toy-node/{names[1]}"))

    def test_a_file_that_fails_twice_has_failed(self):
        total, lines = self.run_tests(self.node(good=PASSES, bad=FAILS))
        self.assertEqual(total, (3, 1))
        self.assertTrue(any(line.startswith("FAILED") and "bad.test.mjs" in line for line in lines))
        self.assertIn("as it was told", "\n".join(lines))
        self.assertFalse(any(line.startswith("flaky") for line in lines))

    def test_only_what_failed_runs_again(self):
        stage = self.node(good=PASSES, shy=FLAKY)
        self.run_tests(stage)
        self.assertEqual(stage.files_run, stage.files[1:])

    def test_a_test_of_meson_runs_again_by_its_name(self):
        stage = self.meson("good", "late")
        total, lines = self.run_tests(stage)
        self.assertEqual((total, stage.files_run), ((2, 0), ["late"]))
        self.assertIn("flaky: late (toy meson)", "\n".join(lines))

    def test_files_without_a_result_are_one_failure_and_named(self):
        total, lines = self.run_tests(self.meson("good", "missing", "mute", "late"))
        self.assertEqual(total, (2, 1))
        self.assertIn("       not run: missing, mute", lines)
        self.assertTrue(any(line.startswith("FAILED toy meson") for line in lines))
        self.assertTrue(any(line.startswith("flaky: late") for line in lines))

    def test_a_stage_without_files_runs_again_as_a_whole(self):
        marker = os.path.join(self.folder, "marker")
        command = ["sh", "-c", f"test -e {marker} || {{ touch {marker}; exit 1; }}"]
        stage = runner.Stage("toy", command, counts.count_exit, second_run=True)
        total, lines = self.run_tests(stage)
        self.assertEqual(total, (1, 0))
        self.assertTrue(any(line.startswith("flaky: toy:") for line in lines))

    def test_a_stage_that_always_says_the_same_has_one_run(self):
        stage = runner.Stage("toy", ["false"], counts.count_exit)
        total, lines = self.run_tests(stage)
        self.assertEqual(total, (0, 1))
        self.assertTrue(lines[0].startswith("FAILED toy"))

    def test_two_flaky_files_are_borne_and_three_fail_the_run(self):
        self.assertEqual(self.run_tests(self.meson("late", "later"))[0], (2, 0))
        total, lines = self.run_tests(self.meson("l1", "l2", "l3"))
        self.assertEqual(total, (3, 1))
        self.assertIn("FAILED 3 flaky files, over 2", lines)

    def test_of_a_broken_build_nothing_runs_again(self):
        names = [f"f{number}" for number in range(again.SECOND_RUNS_MAX + 1)]
        total, lines = self.run_tests(self.meson(*names))
        self.assertEqual(total, (0, len(names)))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "again")))
        self.assertIn("f10: FAIL", "\n".join(lines))

    def test_what_a_sanitizer_reported_is_never_flaky(self):
        stage = self.meson("good", "late")
        with open(stage.reports() + "7", "w", encoding="utf-8") as report:
            report.write("ERROR: AddressSanitizer: heap-use-after-free\n")
        total, lines = self.run_tests(stage)
        self.assertEqual(total, (1, 2))  # The file, and the report.
        self.assertEqual(stage.files_run, stage.files)
        self.assertFalse(any(line.startswith("flaky") for line in lines))

    def test_a_crash_of_drover_is_never_flaky(self):
        for crash in CRASHES:
            with self.subTest(crash):
                stage = self.node(good=PASSES, shy=f'!again && (console.error("{crash}"), true)')
                total, lines = self.run_tests(stage)
                self.assertEqual(total, (3, 1))
                self.assertEqual(stage.files_run, stage.files)
                said = [line for line in lines if line.startswith("FAILED")]
                self.assertEqual(len(said), 1)
                self.assertIn(crash, said[0])
                self.assertFalse(any(line.startswith("flaky") for line in lines))
                for file in stage.files:
                    os.remove(file + ".ran")

    def test_beside_a_crash_other_files_run_again(self):
        stage = self.node(shy=FLAKY, worse=f'!again && (console.error("{CRASHES[1]}"), true)')
        total, lines = self.run_tests(stage)
        self.assertEqual((total, stage.files_run), ((3, 1), stage.files[:1]))
        self.assertTrue(any(line.startswith("flaky: ") and "shy" in line for line in lines))

    def test_a_report_of_another_stage_changes_nothing_here(self):
        with open(os.path.join(self.folder, "sanitizer-toy-meson-2.7"), "w") as report:
            report.write("ERROR\n")
        self.assertEqual(self.run_tests(self.meson("late"))[0], (1, 1))

    def test_the_slowest_ten_files_are_listed(self):
        stage = self.meson(*["x" * length for length in range(1, 13)])
        lines = [line for line in self.run_tests(stage)[1] if line.startswith("slow ")]
        self.assertEqual(len(lines), 10)
        self.assertRegex(lines[0], r"12\.0 s  x{12} \(toy meson\)")


class Files(unittest.TestCase):
    def test_a_file_that_hangs_is_ended_and_recorded(self):
        with tempfile.TemporaryDirectory() as folder:
            hanging = os.path.join(folder, "hanging.test.mjs")
            with open(hanging, "w", encoding="utf-8") as source:
                source.write('import test from "node:test"; setInterval(() => {}, 60000);'
                             'test("waits", () => new Promise(() => {}));')
            records = os.path.join(folder, "records")
            command = [sys.executable, "scripts/files.py", records, "0.5", hanging]
            _, code = runner.run(command, {}, 60)
            with open(records, encoding="utf-8") as lines:
                record = json.loads(lines.read())
        self.assertEqual((code, record["result"]), (1, "TIMEOUT"))
        self.assertIn("ended: the file printed nothing for 0.5 s", record["stdout"])

    def test_a_file_whose_daemon_crashed_has_failed_though_its_tests_passed(self):
        with tempfile.TemporaryDirectory() as folder:
            program, file, records = [os.path.join(folder, name) for name in ("d", "f.mjs", "r")]
            with open(program, "w", encoding="utf-8") as daemon:
                daemon.write("#!/bin/sh\necho drover ready at unix\nkill -ABRT $$\n")
            os.chmod(program, 0o755)
            with open(file, "w", encoding="utf-8") as source:
                source.write(f"""import {{ test }} from "node:test";
                    import {{ Daemon }} from "{os.path.abspath("test/integration/lib.mjs")}";
                    test("starts", async () => {{
                      const daemon = new Daemon({{ data: "{folder}", program: "{program}" }});
                      await daemon.start();
                      await daemon.ended();
                    }});""")
            command = [sys.executable, "scripts/files.py", records, "60", file]
            _, code = runner.run(command, {}, 60)
            with open(records, encoding="utf-8") as lines:
                record = json.loads(lines.read())
        self.assertIn("# pass 1", record["stdout"])
        self.assertIn("drover serve was ended by SIGABRT", record["stdout"])
        self.assertEqual((code, counts.count_one_node_file(record).failed), (1, 1))


if __name__ == "__main__":
    unittest.main()
