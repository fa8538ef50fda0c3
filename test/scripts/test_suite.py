"""scripts/suite.py counts what the runners say, and nothing counts as nothing."""
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

import suite  # noqa: E402

CMOCKA = "[==========] 4 test(s) run.\n[  PASSED  ] 3 test(s).\n[  FAILED  ] 1 test(s), listed\n"


class Counting(unittest.TestCase):
    def one(self, result, stdout="", stderr=""):
        record = {"name": "x", "result": result, "stdout": stdout, "stderr": stderr}
        counts = suite.count_one_binary(record)
        return counts.passed, counts.failed

    def test_cmocka_is_counted_by_its_tests(self):
        self.assertEqual(self.one("FAIL", stderr=CMOCKA), (3, 1))

    def test_a_program_that_crashed_after_its_last_test_has_failed(self):
        self.assertEqual(self.one("FAIL", stderr="[  PASSED  ] 3 test(s).\n"), (3, 1))

    def test_a_timeout_has_failed(self):
        self.assertEqual(self.one("TIMEOUT"), (0, 1))

    def test_a_replay_is_counted_by_its_inputs(self):
        self.assertEqual(self.one("OK", stdout="replayed: 12, failed: 0\n"), (12, 0))

    def test_a_plain_check_counts_once(self):
        self.assertEqual(self.one("OK"), (1, 0))

    def stage(self):
        return suite.Stage("x", [], None)

    def test_node_is_counted_by_its_summary(self):
        output = "# tests 7\n# pass 4\n# fail 1\n# cancelled 1\n# skipped 1\n"
        self.assertEqual(suite.count_node(self.stage(), output, 1), suite.Counts(4, 2, 1))

    def test_python_is_counted_by_its_summary(self):
        output = "Ran 9 tests in 0.1s\n\nFAILED (failures=2, errors=1, skipped=1)\n"
        self.assertEqual(suite.count_python(self.stage(), output, 1), suite.Counts(5, 3, 1))

    def test_lint_is_counted_by_its_rules(self):
        output = "lint: 16 held, 1 broken\n"
        self.assertEqual(suite.count_lint(self.stage(), output, 1), suite.Counts(16, 1))

    def test_a_runner_that_counted_nothing_has_failed(self):
        for count in (suite.count_node, suite.count_python, suite.count_lint):
            self.assertEqual(count(self.stage(), "", 0), suite.Counts(0, 1))

    def test_a_runner_that_passed_all_and_then_failed_has_failed(self):
        self.assertEqual(suite.count_node(self.stage(), "# pass 3\n", 1), suite.Counts(3, 1))


class Turns(unittest.TestCase):
    """A daemon whose loop was slow is asked again, and believed when it is slow each time."""

    def judged(self, again):
        note = json.dumps({"file": "a.test.mjs", "daemon": 2, "slow": ["took long"]}) + "\n"
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            stage = suite.Stage("x", ["sh", "-c", again, "sh", "a.test.mjs"], None)
            stage.slow = os.path.join(folder, "slow")
            stage.env = {"NOTE": note, "SLOW": stage.slow}
            with open(stage.slow, "w", encoding="utf-8") as out:
                out.write(note)
            return suite.judge_turns([stage])

    def test_what_is_slow_each_time_has_failed(self):
        self.assertEqual(self.judged('printf %s "$NOTE" >"$SLOW"'), suite.Counts(failed=1))

    def test_what_was_slow_once_is_forgiven(self):
        self.assertEqual(self.judged("true"), suite.Counts(passed=1))


class WhatPassedIsLeftOut(unittest.TestCase):
    def test_a_failed_program_is_told_without_its_tests_that_passed(self):
        passed = "[ RUN      ] a\n[       OK ] a\n"
        failed = "[ RUN      ] b\n0x1 != 0x2\n[  FAILED  ] b\n"
        self.assertEqual(suite.without_passed(passed + failed + passed), failed)


class Valgrind(unittest.TestCase):
    NOTICE = (
        "--7-- WARNING: unhandled amd64-linux syscall: 444\n"
        "--7-- You may be able to write your own handler.\n"
        "--7-- Read the file README_MISSING_SYSCALL_OR_IOCTL.\n"
        "--7-- Nevertheless we consider this a bug.  Please report\n"
        "--7-- it at http://valgrind.org/support/bug_reports.html.\n"
    )

    def test_a_call_that_it_does_not_know_is_no_finding(self):
        self.assertEqual(suite.UNKNOWN_CALL.sub("", self.NOTICE + self.NOTICE), "")

    def test_a_finding_beside_one_stays(self):
        leak = "==7== 5 bytes in 1 blocks are definitely lost\n"
        self.assertEqual(suite.UNKNOWN_CALL.sub("", leak + self.NOTICE + leak), leak + leak)


class Chosen(unittest.TestCase):
    def test_each_long_test_runs_under_one_sanitizer_and_all_others_under_both(self):
        named = [{"name": name, "suite": ["drover:unit"]} for name in (*suite.LONG, "short")]
        named.append({"name": "there", "suite": ["drover:postgres"]})
        with unittest.mock.patch.object(suite, "tests_of", lambda folder: named):
            gcc = suite.sanitized_tests("gcc", {"unit", "postgres"})("folder")
            clang = suite.sanitized_tests("clang", {"unit"})("folder")
        self.assertEqual(sorted(gcc + clang), sorted([*suite.LONG, "short", "short", "there"]))
        self.assertEqual(set(gcc) & set(clang), {"short"})
        self.assertIn("there", gcc)


if __name__ == "__main__":
    unittest.main()
