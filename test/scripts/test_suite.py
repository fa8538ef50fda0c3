"""scripts/suite.py counts what the runners say, and nothing counts as nothing."""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

import again  # noqa: E402
import counts  # noqa: E402
import host  # noqa: E402
import leftovers  # noqa: E402
import runner  # noqa: E402
import shares  # noqa: E402
import suite  # noqa: E402

CMOCKA = "[==========] 4 test(s) run.\n[  PASSED  ] 3 test(s).\n[  FAILED  ] 1 test(s), listed\n"


class Counting(unittest.TestCase):
    def one(self, result, stdout="", stderr=""):
        record = {"name": "x", "result": result, "stdout": stdout, "stderr": stderr}
        one = counts.count_one_binary(record)
        return one.passed, one.failed

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

    def node_file(self, result, stdout):
        record = {"name": "x", "result": result, "duration": 1, "stdout": stdout}
        return counts.result_of_node_file(record).counts

    def test_a_file_of_node_is_counted_by_its_summary(self):
        output = "# tests 7\n# pass 4\n# fail 1\n# cancelled 1\n# skipped 1\n"
        self.assertEqual(self.node_file("FAIL", output), counts.Counts(4, 2, 1))

    def test_python_is_counted_by_its_summary(self):
        output = "Ran 9 tests in 0.1s\n\nFAILED (failures=2, errors=1, skipped=1)\n"
        self.assertEqual(counts.count_python(self.stage(), output, 1), counts.Counts(5, 3, 1))

    def test_lint_is_counted_by_its_rules(self):
        output = "lint: 16 held, 1 broken\n"
        self.assertEqual(counts.count_lint(self.stage(), output, 1), counts.Counts(16, 1))

    def test_a_runner_that_counted_nothing_has_failed(self):
        for count in (counts.count_node, counts.count_python, counts.count_lint):
            self.assertEqual(count(self.stage(), "", 0), counts.Counts(0, 1))

    def test_a_file_that_passed_all_and_then_failed_has_failed(self):
        self.assertEqual(self.node_file("FAIL", "# pass 3\n"), counts.Counts(3, 1))

    def test_a_file_that_tests_nothing_has_failed(self):
        self.assertEqual(self.node_file("OK", ""), counts.Counts(0, 1))

    def test_a_runner_that_failed_after_its_files_passed_has_failed(self):
        with tempfile.NamedTemporaryFile("w", suffix=".records") as records:
            records.write('{"name": "x", "result": "OK", "duration": 1, "stdout": "# pass 3"}\n')
            records.flush()
            stage = suite.Stage("x", [], None, records=records.name)
            self.assertEqual(counts.count_node(stage, "why", 1), counts.Counts(3, 1))
            self.assertEqual(stage.log, "why")


class Progress(unittest.TestCase):
    """What goes on is never ended, however long it takes; what is silent is."""

    def ended_at(self, *, grows_until_s, ends_at_s, scale_now=1):
        """When a command of 900 s of patience ended, and whether it did so by itself."""
        clock = [0]

        def wait(seconds):
            clock[0] += seconds
            return clock[0] >= ends_at_s

        with unittest.mock.patch.dict(os.environ, {"DROVER_TEST_SCALE": "1"}), \
                unittest.mock.patch("runner.time.monotonic", lambda: clock[0]), \
                unittest.mock.patch("host.measure_scale", lambda folder: (scale_now, "")):
            by_itself = runner.progresses(wait, lambda: min(clock[0], grows_until_s), 900)
        return by_itself, clock[0]

    def test_what_goes_on_may_take_any_time(self):
        self.assertEqual(self.ended_at(grows_until_s=9000, ends_at_s=9100), (True, 9100))

    def test_what_is_silent_is_ended(self):
        by_itself, at = self.ended_at(grows_until_s=5000, ends_at_s=9000)
        self.assertEqual((by_itself, at // 10), (False, 590))

    def test_on_a_machine_that_became_slower_it_is_waited_for(self):
        slower = self.ended_at(grows_until_s=100, ends_at_s=2500, scale_now=3)
        self.assertEqual(slower, (True, 2500))
        by_itself, at = self.ended_at(grows_until_s=100, ends_at_s=9000, scale_now=3)
        self.assertEqual((by_itself, at // 10), (False, 280))

    def test_output_and_records_are_progress(self):
        with tempfile.TemporaryDirectory() as folder:
            records = os.path.join(folder, "x.records")
            nothing = runner.sizes([records])
            for name in (records, records + ".output"):
                with open(name, "w", encoding="utf-8") as out:
                    out.write("x")
                self.assertNotEqual(runner.sizes([records]), nothing)
                nothing = runner.sizes([records])
        output, code = runner.run(["sh", "-c", "echo begun; exec sleep 1000"], {}, 0.2)
        self.assertEqual((output.splitlines()[0], code), ("begun", 124))
        self.assertIn("ended: it made no progress for 0.2 s", output)

    def test_what_never_began_is_named_in_one_failure(self):
        with tempfile.NamedTemporaryFile("w", suffix=".records") as records:
            records.write('{"name": "a", "result": "OK", "duration": 1, "stdout": "# pass 3"}\n')
            records.flush()
            stage = suite.Stage("x", [], None, records=records.name, files_run=["a", "b", "c"])
            self.assertEqual(counts.count_node(stage, "ended", 124), counts.Counts(3, 1))
        self.assertEqual((stage.not_run, len(stage.results)), (["b", "c"], 1))
        self.assertIn("not run: b, c", stage.log)


class Left(unittest.TestCase):
    def test_what_a_test_leaves_behind_fails_the_run(self):
        with tempfile.TemporaryDirectory() as outside, contextlib.redirect_stdout(io.StringIO()), \
                unittest.mock.patch.dict(os.environ), \
                unittest.mock.patch.object(tempfile, "tempdir", outside):
            os.mkdir(os.path.join(outside, ".git"))  # Before the run: somebody else's.
            with leftovers.Leftovers() as left:
                self.assertEqual(suite.judge_leftovers(left), counts.Counts(passed=1))
                for path in (tempfile.mkdtemp(), os.path.join(outside, ".drover")):
                    os.makedirs(path, exist_ok=True)
                    self.assertEqual(left.found(), [path])
                    self.assertEqual(suite.judge_leftovers(left), counts.Counts(failed=1))
                    os.rmdir(path)
            self.assertEqual((os.listdir(outside), os.environ["TMPDIR"]), ([".git"], outside))


class Turns(unittest.TestCase):
    """A daemon whose loop was slow is asked again, and believed when it is slow each time."""

    def judged(self, again, allowed_us=2000, first_us=2000):
        line = json.dumps({"what": "a turn of the loop took long", "cpu_us": 3000})
        note = json.dumps({"file": "a.test.mjs", "daemon": 2, "slow": [line]}) + "\n"
        here = unittest.mock.MagicMock()
        here.return_value.__enter__.return_value.allowed_us = lambda limit_us: allowed_us
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), \
                unittest.mock.patch("host.Host", here):
            stage = suite.Stage("x", ["sh", "-c", again, "sh", "a.test.mjs"], None)
            stage.slow = os.path.join(folder, "slow")
            stage.env = {"NOTE": note, "SLOW": stage.slow}
            with open(stage.slow, "w", encoding="utf-8") as out:
                out.write(note)
            return suite.judge_turns([stage], first_us)

    def test_what_is_slow_each_time_has_failed(self):
        self.assertEqual(self.judged('printf %s "$NOTE" >"$SLOW"'), counts.Counts(failed=1))

    def test_what_the_machine_takes_for_such_work_is_not_asked_again(self):
        slow = 'printf %s "$NOTE" >"$SLOW"'
        self.assertEqual(self.judged(slow, first_us=3000), counts.Counts(passed=1))
        self.assertEqual(self.judged(slow, first_us=2999), counts.Counts(failed=1))

    def test_what_was_slow_once_is_forgiven(self):
        self.assertEqual(self.judged("true"), counts.Counts(passed=1))

    def test_of_a_file_only_the_tests_that_were_slow_are_asked_again(self):
        suspects = {("a.test.mjs", "one: 1.1"): [3000], ("a.test.mjs", "it: two: 2.1"): [3000],
                    ("b.test.mjs", "one: 1.1"): [3000], ("b.test.mjs", "2.1"): [3000],
                    ("c.test.mjs", "4.1"): [3000]}
        self.assertEqual(suite.cases_of(suspects), {"a.test.mjs": ["it: two", "one"]})

    def test_a_file_runs_the_tests_that_are_named_and_all_where_none_has_such_a_name(self):
        with tempfile.TemporaryDirectory() as folder:
            file, records = os.path.join(folder, "a.mjs"), os.path.join(folder, "records")
            with open(file, "w", encoding="utf-8") as out:
                out.write('import { test } from "node:test";\n'
                          'for (const name of ["a (1)", "b", "c"]) test(name, () => {});\n')
            for names, passed in ((["a (1)", "c"], 2), (["within another"], 3)):
                command = [sys.executable, "scripts/files.py", records, "60", file]
                output, _ = runner.run(command, {"DROVER_CASES": json.dumps({file: names})}, 60)
                self.assertIn(f"# pass {passed}\n", output)

    def test_what_is_no_slower_than_its_host_is_forgiven(self):
        slow = 'printf %s "$NOTE" >"$SLOW"'
        self.assertEqual(self.judged(slow, allowed_us=3500), counts.Counts(passed=1))
        self.assertEqual(self.judged(slow, allowed_us=2900), counts.Counts(failed=1))


class TheHost(unittest.TestCase):
    def test_a_slow_host_allows_as_much_more(self):
        here = host.Host()
        self.assertEqual(here.allowed_us(2000), 2000)
        here.typical_us, here.worst_us = 2 * host.PIECE_US, 2 * host.PIECE_US + 700
        self.assertEqual(here.allowed_us(2000), 4700)
        self.assertEqual(here.typical_us_of(2000), 4000)
        here.typical_us = here.worst_us = host.PIECE_US / 2
        self.assertEqual(here.allowed_us(2000), 2000)

    def test_what_it_measures_is_some_work(self):
        with host.Host() as here:
            pass
        self.assertGreater(here.typical_us, 0)
        self.assertNotEqual(here.typical_us, host.PIECE_US)


class TheScale(unittest.TestCase):
    def test_a_machine_of_the_usual_kind_leaves_limits_alone(self):
        self.assertEqual(host.scale_of(host.SPAWN_MS, host.SYNC_MS, host.PIECES_A_SECOND), 1)
        self.assertEqual(host.scale_of(0.1, 0.1, 10 * host.PIECES_A_SECOND), 1)

    def test_whatever_is_slowest_counts(self):
        self.assertEqual(host.scale_of(host.SPAWN_MS * 3, 0.1, 9999), 3)
        self.assertEqual(host.scale_of(0.1, host.SYNC_MS * 2.5, 9999), 2.5)
        self.assertEqual(host.scale_of(0.1, 0.1, host.PIECES_A_SECOND / 4), 4)

    def test_there_is_a_bound(self):
        self.assertEqual(host.scale_of(1000, 1000, 1), host.SCALE_MAX)

    def test_a_machine_can_be_measured(self):
        scale, words = host.measure_scale(tempfile.gettempdir())
        self.assertGreaterEqual(scale, 1)
        self.assertIn(f"scale {scale}: a spawn takes", words)

    def test_every_limit_is_multiplied(self):
        with unittest.mock.patch.dict(os.environ, {"DROVER_TEST_SCALE": "2.5"}):
            stage = suite.meson_tests("x", "f", tests=lambda folder: [])
            self.assertEqual(stage.command[-2:], ["-t", "7.5"])
            self.assertFalse(runner.Patience(900).is_over(2249))
            program = ("import('./test/integration/scale.mjs').then((scale) => "
                       "console.log(scale.scaled(1000)))")
            self.assertEqual(runner.run(["node", "-e", program], {}, 60)[0].strip(), "2500")


class Named(unittest.TestCase):
    def test_a_name_that_no_stage_has_fails_the_run(self):
        words = ["scripts/test", "demo", "no stage is called so"]
        with contextlib.redirect_stdout(io.StringIO()) as said, \
                tempfile.TemporaryDirectory() as logs, \
                unittest.mock.patch.object(suite, "LOGS", logs), \
                unittest.mock.patch.object(suite, "perform") as perform, \
                unittest.mock.patch.object(host, "measure_scale", return_value=(1, "scale")), \
                unittest.mock.patch.dict(os.environ), \
                unittest.mock.patch.object(sys, "argv", words):
            perform.return_value = (counts.Counts(passed=1), [], 0)
            self.assertEqual(suite.main(), 1)
        self.assertIn("no stage is called so", said.getvalue())


class Halves(unittest.TestCase):
    def test_each_file_is_in_one_half_and_they_are_equal(self):
        _, tests = suite.all_stages(False, 0, 5000)
        for where, word, rooms in (("on SQLite", "release", "[!f]*"),
                                   ("on PostgreSQL", "postgres", "*"),
                                   ("sanitized", "san", "*")):
            halves = [stage.files for stage in tests
                      if where in stage.name and stage.name.endswith(" half")]
            self.assertEqual(sorted(sum(halves, [])), suite.opted_in(word, rooms, False, 0))
            self.assertLessEqual(len(halves[0]) - len(halves[1]), 1)


class Order(unittest.TestCase):
    def order(self, *stages, failing=()):
        """The names of the stages that began, and what they counted; on one lane."""
        begun = []

        def perform(stage):
            begun.append(stage.name)
            failed = stage.name in failing
            return counts.Counts(passed=not failed, failed=failed), [], 1

        with unittest.mock.patch.object(suite, "perform", perform), \
                unittest.mock.patch.object(suite, "LANES", {False: 1, True: 1}), \
                unittest.mock.patch.object(suite.Cores, "idled", lambda cores: False), \
                contextlib.redirect_stdout(io.StringIO()):
            lanes = suite.Lanes(stages)
            lanes.run()
        return begun, lanes.total

    def stages(self):
        stage = lambda name, **other: suite.Stage(name, [], None, **other)
        return [stage("tests", needs=["b", "other"]), stage("b", makes="b", needs=["a"]),
                stage("a", makes="a"), stage("lint")]

    def test_a_stage_begins_when_what_it_needs_is_built(self):
        begun, total = self.order(*self.stages())
        self.assertEqual((begun, total.passed), (["a", "b", "tests", "lint"], 4))

    def test_after_a_build_that_failed_nothing_begins(self):
        begun, total = self.order(*self.stages(), failing=["a"])
        self.assertEqual((begun, total.failed), (["a"], 1))

    def test_while_the_cores_idle_more_stages_begin_than_usual(self):
        lanes = suite.Lanes(self.stages()[2:])
        with unittest.mock.patch.object(lanes.changed, "wait", lambda timeout: None), \
                unittest.mock.patch.object(lanes.cores, "idled") as idled:
            idled.side_effect = [False, False, True]
            begun = [lanes.next_stage().name]
            self.assertEqual((begun, idled.call_count), (["a"], 0))
            lanes.running = dict(suite.LANES)
            begun.append(lanes.next_stage().name)
            self.assertEqual((begun, idled.call_count), (["a", "lint"], 3))

    def test_beside_those_that_wait_one_begins_that_computes(self):
        stage = lambda name, computes: suite.Stage(name, [], None, computes=computes)
        lanes = suite.Lanes([stage("a", True), stage("b", True), stage("c", False)])
        with unittest.mock.patch.object(lanes.cores, "idled", lambda: False):
            self.assertEqual([lanes.next_stage().name for _ in range(2)], ["a", "c"])

    def test_what_computes_begins_after_the_builds(self):
        lanes = suite.Lanes([suite.Stage("lint", [], None, computes=True), *self.stages()[1:3]])
        built = lambda timeout: lanes.pending.clear()
        with unittest.mock.patch.object(lanes.changed, "wait", built), \
                unittest.mock.patch.object(lanes.cores, "idled", lambda: True):
            self.assertEqual([lanes.next_stage().name for _ in range(3)], ["a", "b", "lint"])

    def test_cores_have_idled_when_they_did_for_some_time(self):
        clock, ticks = [100], [0, 0]
        with unittest.mock.patch("suite.time.monotonic", lambda: clock[0]), \
                unittest.mock.patch("host.core_ticks", lambda: tuple(ticks)):
            cores = suite.Cores()
            for idle, after_s, idled in ((50, 1, False), (50, 9, True), (1, 9, False)):
                clock[0] += after_s
                ticks[:] = ticks[0] + idle, ticks[1] + 100
                self.assertEqual(cores.idled(), idled)
        idle, every = host.core_ticks()
        self.assertTrue(0 < idle < every)

    def test_tests_wait_for_the_builds_that_they_run(self):
        builds, tests = suite.all_stages(False, 0, 5000)
        made = [stage.makes for stage in builds]
        needed = {stage.name: [one for one in stage.needs if one in made] for stage in tests}
        first = needed["integration, sanitized, first half"]
        self.assertEqual(first, ["build/drover", "build/san"])
        self.assertEqual(needed["faults on SQLite"], ["build/drover"])
        self.assertEqual(needed["simulator, fresh seeds"], ["build/drover"])
        self.assertEqual([name for name in needed if not needed[name]],
                         ["lint", "scripts and lint refuse what they must"])
        self.assertEqual([stage.needs for stage in builds[1:]], [[path] for path in made[:-1]])


class Seeds(unittest.TestCase):
    def stages(self, seed):
        _, tests = suite.all_stages(False, 0, seed)
        return {stage.name: stage for stage in tests if stage.name.startswith("simulator")}

    def test_seeds_of_the_simulator_are_fixed_fresh_sanitized_and_of_several_hosts(self):
        stages = self.stages(5000)
        self.assertEqual(
            {name: stage.command for name, stage in stages.items()},
            {"simulator, fixed seeds":
                 ["build/release/test/sim/sim", "--seeds", "37", "--from", "1"],
             "simulator, fresh seeds":
                 ["build/release/test/sim/sim", "--seeds", "100", "--from", "5000"],
             "simulator, fixed two-host seeds":
                 ["build/release/test/sim/sim", "--seeds", "7", "--from", "1", "--hosts", "2"],
             "simulator, fixed three-host seeds":
                 ["build/release/test/sim/sim", "--seeds", "7", "--from", "1", "--hosts", "3"],
             "simulator, fixed flows seeds":
                 ["build/release/test/sim/sim", "--seeds", "50", "--from", "1", "--world", "flows",
                  "--judged", "1200"],
             "simulator, fixed changes seeds":
                 ["build/release/test/sim/sim", "--seeds", "25", "--from", "1", "--world",
                  "changes"],
             "simulator, sanitized seeds":
                 ["build/san/test/sim/sim", "--seeds", "40", "--from", "5100"]})

    def test_eight_commits_take_all_fixed_seeds(self):
        def fixed(every, turn):
            commands = [stage.command for stage in suite.all_stages(every, turn, 5000)[1]
                        if stage.name.startswith("simulator, fixed")]
            return [(command[5:8], seed) for command in commands
                    for seed in range(int(command[4]), int(command[4]) + int(command[2]))]

        flows = ["--world", "flows", "--judged"]
        taken = sorted(sum((fixed(False, turn) for turn in range(shares.PARTS)), []))
        self.assertEqual(taken, sorted(fixed(True, 0)))
        wanted = [([], suite.SEEDS_FIXED), (["--hosts", "2"], suite.SEEDS_HOSTS),
                  (["--hosts", "3"], suite.SEEDS_HOSTS),
                  (["--world", "changes"], suite.SEEDS_CHANGES), (flows, suite.SEEDS_FLOWS)]
        self.assertEqual(taken, [(hosts, seed) for hosts, count in wanted
                                 for seed in range(1, count + 1)])

    def test_a_seed_that_failed_is_never_flaky(self):
        for stage in self.stages(5000).values():
            self.assertEqual(again.failed_files(stage, counts.Counts(failed=1), "FAILED seed"), [])

    def test_files_of_node_choose_the_same_in_their_second_run_and_others_at_another_commit(self):
        def choices(seed):
            _, tests = suite.all_stages(False, 0, seed)
            found = {(stage.env["DROVER_SEED"], stage.env["DROVER_FAULT_OFFSET"])
                     for stage in tests if "DROVER_BIN" in stage.env}
            self.assertEqual(len(found), 1)
            return found

        step = shares.SEED_STEP
        self.assertNotEqual(choices(5 * step), choices(6 * step))

    def test_the_number_of_a_fresh_seed_is_printed(self):
        with contextlib.redirect_stdout(io.StringIO()) as said, \
                tempfile.TemporaryDirectory() as logs, \
                unittest.mock.patch.object(suite, "LOGS", logs), \
                unittest.mock.patch.object(suite, "perform") as perform, \
                unittest.mock.patch.object(host, "measure_scale", return_value=(1, "scale")), \
                unittest.mock.patch.dict(os.environ), \
                unittest.mock.patch.object(sys, "argv", [
                    "scripts/test", "--seed", "77000", "simulator, fresh"]):
            perform.return_value = (counts.Counts(passed=1), [], 0)
            suite.main()
        self.assertIn("77000", said.getvalue())


class FreshSeeds(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.git("init", "--quiet")
        self.commit("one")

    def git(self, *words):
        subprocess.run(["git", "-C", self.root, "-c", "user.name=a", "-c", "user.email=a@b",
                        *words], check=True, capture_output=True)

    def write(self, text):
        with open(os.path.join(self.root, "file"), "w", encoding="utf-8") as file:
            file.write(text)

    def commit(self, text):
        self.write(text)
        self.git("add", "file")
        self.git("commit", "--quiet", "-m", text)

    def test_a_commit_has_the_same_ones_at_each_run(self):
        self.assertEqual(shares.fresh_seed(self.root, 301), shares.fresh_seed(self.root, 301))

    def test_another_commit_has_others(self):
        before = shares.fresh_seed(self.root, 301)
        self.commit("two")
        self.assertNotEqual(shares.fresh_seed(self.root, 301), before)

    def test_files_that_are_not_committed_have_others_at_each_run(self):
        self.write("changed")
        self.assertNotEqual(shares.fresh_seed(self.root, 301), shares.fresh_seed(self.root, 301))

    def test_they_are_no_fixed_ones(self):
        self.assertGreaterEqual(shares.fresh_seed(self.root, 301), 301)


class WhatPassedIsLeftOut(unittest.TestCase):
    def test_a_failed_program_is_told_without_its_tests_that_passed(self):
        passed = "[ RUN      ] a\n[       OK ] a\n"
        failed = "[ RUN      ] b\n0x1 != 0x2\n[  FAILED  ] b\n"
        self.assertEqual(counts.without_passed(passed + failed + passed), failed)


class Valgrind(unittest.TestCase):
    NOTICE = (
        "--7-- WARNING: unhandled amd64-linux syscall: 444\n"
        "--7-- You may be able to write your own handler.\n"
        "--7-- Read the file README_MISSING_SYSCALL_OR_IOCTL.\n"
        "--7-- Nevertheless we consider this a bug.  Please report\n"
        "--7-- it at http://valgrind.org/support/bug_reports.html.\n"
    )

    def test_a_call_that_it_does_not_know_is_no_finding(self):
        self.assertEqual(again.UNKNOWN_CALL.sub("", self.NOTICE + self.NOTICE), "")

    def test_a_finding_beside_one_stays(self):
        leak = "==7== 5 bytes in 1 blocks are definitely lost\n"
        self.assertEqual(again.UNKNOWN_CALL.sub("", leak + self.NOTICE + leak), leak + leak)


class LeakSanitizer(unittest.TestCase):
    KILLED = "==730==Unable to get registers from thread 723.\n\n"

    def test_a_process_that_was_killed_while_it_looked_is_no_finding(self):
        self.assertEqual(again.without_noise(self.KILLED), "")
        self.assertEqual(again.without_noise(self.KILLED.rstrip("\n") + "\n"), "")

    def test_a_leak_beside_it_stays(self):
        leak = "==723==ERROR: LeakSanitizer: detected memory leaks\n"
        self.assertEqual(again.without_noise(self.KILLED + leak), leak)


TURNS = range(shares.TURNS)
EIGHT = range(shares.PARTS)


class Chosen(unittest.TestCase):
    UNITS = [*shares.LONG, *"abcdefgh"]
    TESTS = [(name, "unit") for name in UNITS] + [
        (name, "postgres") for name in ("postgres_a", "postgres_b", "postgres_only")]

    def chosen(self, turn):
        return set(shares.sanitized(self.TESTS, turn))

    def test_a_unit_runs_once_each_time_and_by_both_compilers_in_turn(self):
        for name in "abcdefgh":
            compilers = []
            for turn in TURNS:
                released = name in shares.released(self.TESTS, turn)
                self.assertNotEqual(released, name in self.chosen(turn))
                compilers += [] if released else shares.compilers(turn, False)
            self.assertEqual(sorted(compilers), ["clang", "gcc"])

    def test_a_unit_runs_released_at_seven_commits_in_eight(self):
        for name in self.UNITS:
            times = [name in shares.released(self.TESTS, turn) for turn in EIGHT].count(True)
            self.assertEqual(times, 7)

    def test_a_long_one_is_sanitized_when_it_is_not_released(self):
        for name in shares.LONG:
            for turn in TURNS:
                self.assertEqual(name in self.chosen(turn),
                                 name not in shares.released(self.TESTS, turn))

    def test_all_cases_of_a_unit_are_taken_in_sixteen_commits_released_and_sanitized(self):
        def cases(turns, are_sanitized):
            taken = []
            for turn in turns:
                first, step = map(int, shares.cases(turn, are_sanitized).split("/"))
                taken += range(first, 8, step)
            return sorted(taken)

        for turn in EIGHT:
            released = [one for one in TURNS if one % shares.PARTS != turn]
            self.assertEqual({*cases(released, False)}, {*range(8)})
            self.assertEqual(cases([turn, turn + shares.PARTS], True), [*range(8)])

    def test_what_has_threads_is_under_their_sanitizer_at_every_other_commit(self):
        for turn in TURNS:
            both = [*shares.threaded("abcdefgh", turn), *shares.threaded("abcdefgh", turn + 1)]
            self.assertEqual(sorted(both), [*"abcdefgh"])

    def test_what_runs_on_SQLite_as_well_is_on_the_server_at_one_commit_in_eight(self):
        for name in ("postgres_a", "postgres_b"):
            self.assertEqual([name in self.chosen(turn) for turn in EIGHT].count(True), 1)

    def test_what_needs_the_server_runs_each_time(self):
        self.assertTrue(all("postgres_only" in self.chosen(turn) for turn in TURNS))

    def taken(self, wanted, file="a", changed=False):
        """With which words a file runs at eight commits, sorted."""
        words = ("release", "web", "san", "postgres", "valgrind")
        return sorted([word for word in words if shares.takes(word, wanted, file, turn, changed)]
                      for turn in EIGHT)

    def test_a_file_runs_at_every_other_commit_once_sanitized_and_once_on_the_server(self):
        wanted = ["release", "san", "postgres"]
        for file in "abcd":
            self.assertEqual(self.taken(wanted, file),
                             [*[[]] * 4, ["postgres"], *[["release"]] * 2, ["san"]])
            runs = [any(shares.takes(word, wanted, file, turn) for word in wanted)
                    for turn in (0, 1, 2)]
            self.assertIn(runs, [[True, False, True], [False, True, False]])

    def test_a_file_that_changed_runs_at_each_commit(self):
        self.assertEqual(self.taken(["release", "san", "postgres"], changed=True),
                         [["postgres"], *[["release"]] * 6, ["san"]])
        self.assertEqual(self.taken(["web"], changed=True), [["web"]] * 8)

    def test_what_wants_fewer_has_the_release_at_every_other_commit(self):
        for file in "abcd":
            for other in ("postgres", "san"):
                self.assertEqual(self.taken(["release", other], file),
                                 [*[[]] * 4, *sorted([[other], *[["release"]] * 3])])
            for word in ("release", "web"):
                self.assertEqual(self.taken([word], file), [*[[]] * 4, *[[word]] * 4])

    def test_what_wants_no_release_has_it_each_time(self):
        for word in ("postgres", "valgrind"):
            self.assertEqual(self.taken([word]), [[word]] * 8)

    def test_what_wants_each_time_or_seldom_has_it(self):
        self.assertEqual(self.taken(["release", "postgres", "each"]),
                         [["release", "postgres"]] * 8)
        for changed in (False, True):  # A long one would be in the way of sixteen commits.
            self.assertEqual(self.taken(["release", "seldom"], changed=changed),
                             [*[[]] * 7, ["release"]])
        self.assertEqual(self.taken(["release", "postgres", "seldom"]),
                         [*[[]] * 6, ["postgres"], ["release"]])

    def test_what_changed_is_known_by_the_commits(self):
        with tempfile.TemporaryDirectory() as root:
            def git(*words):
                subprocess.run(["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@b",
                                *words], check=True, capture_output=True)

            def write(name, text=""):
                path = os.path.join(root, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)

            git("init")
            for number in range(shares.TURNS + 2):
                write(f"test/{number}")
                write(f"src/{number}")
                git("add", ".")
                git("commit", "-m", "x")
            recent = shares.recent(root)
            self.assertEqual(recent, {f"test/{number}" for number in range(2, shares.TURNS + 2)})
            write("test/new")
            write("test/1", "again")
            shares.recent.cache_clear()
            self.assertEqual(shares.recent(root) - recent, {"test/new", "test/1"})

    def test_the_holder_has_one_build(self):
        tests = [*self.TESTS, ("holder_program_x", "unit")]
        for turn in TURNS:
            self.assertIn("holder_program_x", shares.released(tests, turn))
            self.assertNotIn("holder_program_x", shares.sanitized(tests, turn))

    def test_all_means_all(self):
        named = [{"name": name, "suite": [f"drover:{suite}"]} for name, suite in self.TESTS]
        self.assertEqual(shares.compilers(0, True), ("gcc", "clang"))
        with unittest.mock.patch.object(suite, "tests_of", lambda folder: named):
            every = suite.chosen(lambda tests: [], {"unit"}, True)("folder")
        self.assertEqual(every, self.UNITS)

    def test_what_a_test_needs_is_built_and_nothing_else(self):
        tests = [{"name": name, "depends": ["1@holder", f"2@{name}"]} for name in "ab"]
        ids = {"1@holder": "src/holder", "2@a": "test/a", "2@b": "test/b"}
        targets = [{"id": id, "filename": [f"{suite.ROOT}/f/{file}"]} for id, file in ids.items()]
        told = {"--tests": tests, "--targets": targets}
        with unittest.mock.patch.object(suite, "introspected", lambda _, what: told[what]):
            built = suite.programs_of(lambda folder: ["b"], "drover")("f")
        self.assertEqual(built, ["drover", "src/holder", "test/b"])


if __name__ == "__main__":
    unittest.main()
