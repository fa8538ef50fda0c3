"""scripts/setup: quick when all is there, one sentence when it cannot be."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Setup(unittest.TestCase):
    def setup(self, *arguments, programs=None, only=None, release="/etc/os-release"):
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
            env = {**os.environ, "PATH": path, "TMPDIR": folder,  # Its `rm` may be one of ours.
                   "OS_RELEASE": release}
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
            result.stderr, r"^setup: this is no Debian .*missing: gcc libc6-dev musl-dev .*\n$"
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

    def asked_for(self, release):
        """What it would install on that system, and what it says before."""
        programs = {
            "dpkg-query": "exit 1", "id": "echo 0", "apt-get": "exit 100",
            "tee": "cat >/dev/null", "mkdir": "exit 0", "rm": "exit 0",
            "npm": "exit 0",
        }
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
            file.write(release)
            file.flush()
            result = self.setup("build", programs=programs, release=file.name)
        lines = result.stderr.strip().split("\n")
        return lines[-1].rpartition(": ")[2].split(), lines[:-2]

    def test_both_releases_of_debian_are_served_in_silence(self):
        for version, parser in (("12", "node-llhttp"), ("13", "libllhttp-dev")):
            packages, warnings = self.asked_for(f'ID=debian\nVERSION_ID="{version}"\n')
            self.assertIn(parser, packages)
            self.assertEqual(warnings, [])

    def test_another_system_with_apt_is_tried_with_a_warning(self):
        packages, warnings = self.asked_for('ID=other\nPRETTY_NAME="Other 7"\n')
        self.assertIn("libllhttp-dev", packages)
        self.assertEqual(
            warnings, ["setup: drover is tested on Debian 12 and 13; Other 7 is tried"])

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
