"""scripts/setup: quick when all is there, one sentence when it cannot be."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Setup(unittest.TestCase):
    def setup(self, *arguments, programs=None, only=None):
        """Runs it, with `programs` (name: shell text) before the system's, or with `only` some."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (programs or {}).items():
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as program:
                    program.write(f"#!/bin/sh\n{text}\n")
                os.chmod(path, 0o755)
            for name in only or ():
                os.symlink(shutil.which(name), os.path.join(folder, name))
            path = folder if only else f"{folder}:{os.environ['PATH']}"
            env = {**os.environ, "PATH": path, "TMPDIR": folder}  # Its `rm` may be one of ours.
            return subprocess.run(
                [shutil.which("sh"), os.path.join(ROOT, "scripts/setup"), *arguments],
                env=env, capture_output=True, text=True, check=False,
            )

    def test_it_takes_under_a_second_when_all_is_in_place(self):
        start = time.monotonic()
        result = self.setup("test")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertLess(time.monotonic() - start, 1)

    def test_an_unknown_level_is_wrong_use(self):
        self.assertEqual(self.setup("everything").returncode, 2)

    def test_on_another_system_one_sentence_names_what_is_needed(self):
        result = self.setup("build", only=["tr"])
        self.assertEqual(result.returncode, 1)
        self.assertRegex(
            result.stderr, r"^setup: this is not Debian 12 .*missing: gcc libc6-dev musl-dev .*\n$"
        )

    def test_without_network_one_sentence_names_what_is_missing(self):
        programs = {
            "dpkg-query": "exit 1",
            "id": "echo 0",
            "apt-get": "echo 'E: Could not resolve host'; exit 100",
            "tee": "cat >/dev/null", "mkdir": "exit 0", "rm": "exit 0",
        }
        result = self.setup("build", programs=programs)
        self.assertEqual(result.returncode, 1)
        last = result.stderr.strip().split("\n")[-1]
        self.assertIn("is there a network?; E: Could not resolve host", last)
        self.assertIn("missing: gcc libc6-dev musl-dev meson", last)

    def test_without_root_one_sentence_names_what_is_missing(self):
        programs = {
            "dpkg-query": "echo 'installed gcc'",
            "id": "echo 1000",
            "sudo": "exit 127",
        }
        result = self.setup("build", programs=programs)
        self.assertEqual(result.returncode, 1)
        last = result.stderr.strip().split("\n")[-1]
        self.assertNotIn(" gcc ", last)
        self.assertIn("missing: libc6-dev musl-dev meson", last)


if __name__ == "__main__":
    unittest.main()
