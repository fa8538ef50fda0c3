"""scripts/decoy.py shows each request to the user's provider; scripts/pinned.sh prevents them."""
import contextlib
import io
import os
import subprocess
import sys
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

import decoy  # noqa: E402
import suite  # noqa: E402


class TheDecoy(unittest.TestCase):
    def judged(self, provider):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            return suite.judge_decoy(provider), said.getvalue()

    def test_a_decoy_that_nobody_asked_is_one_check_that_passed(self):
        with decoy.Decoy() as provider:
            self.assertEqual(self.judged(provider)[0], suite.Counts(passed=1))

    def test_a_request_to_it_is_a_failure_that_shows_the_request(self):
        with decoy.Decoy() as provider:
            url = provider.env["OPENAI_BASE_URL"] + "/chat/completions"
            with urllib.request.urlopen(url, b'{"model":"x"}') as answer:
                self.assertIn(b"[DONE]", answer.read())
            counts, said = self.judged(provider)
        self.assertEqual(counts, suite.Counts(failed=1))
        self.assertIn('POST /v1/chat/completions {"model":"x"}', said)

    def test_every_way_to_a_provider_leads_there(self):
        with decoy.Decoy() as provider:
            env = provider.env
        for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_HOST", "LLAMACPP_HOST"):
            self.assertIn("127.0.0.1:", env[name])
        self.assertTrue(env["DROVER_MODEL"].startswith("openai/"))


class Pinned(unittest.TestCase):
    def test_nothing_of_the_user_is_left(self):
        with decoy.Decoy() as provider:
            env = {"PATH": os.environ["PATH"], "DROVER_URL": "http://x", **provider.env}
            said = subprocess.check_output(["sh", "-euc", ". scripts/pinned.sh; env"], cwd=ROOT,
                                           env=env, text=True)
        self.assertEqual(sorted(line for line in said.splitlines() if line[:3] != "PWD"),
                         sorted(["DROVER_MODEL=scripted/demo", "LLAMACPP_HOST=127.0.0.1:9",
                                 "OLLAMA_HOST=127.0.0.1:9", f"PATH={env['PATH']}"]))


if __name__ == "__main__":
    unittest.main()
