// completion.test.mjs: what shells offer, by the scripts that drover prints.
//
// runs-with: release
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, plainEnv, run, scratch } from "./lib.mjs";
import { Jobs } from "./jobs.mjs";

const jobs = new Jobs();

/** What bash offers at the end of `line`. */
async function offers(t, line, data = jobs.daemon.data) {
  const folder = scratch(t);
  symlinkSync(bin, path.join(folder, "drover"));
  const script = `source <(drover completion bash)
COMP_LINE=$1 COMP_POINT=\${#1}
_drover && printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...plainEnv, PATH: `${folder}:${plainEnv.PATH}`, DROVER_DATA: data };
  return new Promise((resolve, reject) => {
    execFile("bash", ["-c", script, "bash", line], { env }, (error, stdout, stderr) => {
      if (error || stderr) reject(error ?? new Error(stderr));
      else resolve(stdout.split("\n").filter(Boolean));
    });
  });
}

test("bash completes commands, flags, choices and help", async (t) => {
  assert.ok((await offers(t, "drover ")).includes("chat"));
  assert.deepEqual(await offers(t, "drover jo"), ["job"]);
  assert.deepEqual(await offers(t, "drover job lo"), ["logs"]);
  assert.deepEqual(await offers(t, "drover help job lo"), ["logs"]);
  assert.deepEqual(await offers(t, "drover help cha"), ["changes", "chat"]);
  assert.deepEqual(await offers(t, "drover job logs --str"), ["--stream"]);
  assert.deepEqual(await offers(t, "drover job logs --stream "), ["out", "err", "pty"]);
  assert.deepEqual(await offers(t, "drover job run -- ls --al"), []);
  assert.ok(!(await offers(t, "drover __")).includes("__complete"));
});

test("bash completes ids, labels, last, sessions, workflows and models", async (t) => {
  const id = await jobs.shell("true", { label: "completed" });
  const { stdout } = await jobs.daemon.cli(["session", "new", "--title", "t"]);
  assert.deepEqual((await offers(t, "drover show ")).sort(), ["last", id].sort());
  assert.deepEqual(await offers(t, `drover show ${id.slice(0, 12)}`), [id]);
  assert.deepEqual(await offers(t, `drover job logs ${id.slice(4, 12)}`), [id.slice(4)]);
  assert.deepEqual(await offers(t, "drover job stop comp"), ["completed"]);
  assert.deepEqual(await offers(t, "drover ask --session ses_"), [stdout.trim()]);
  assert.ok((await offers(t, "drover run ")).includes("review-code"));
  const body = { name: "mine", kind: "openai", base_url: "http://127.0.0.1:9/v1", models: ["big"] };
  await jobs.request("POST", "/api/v1/providers", { body });
  assert.deepEqual(await offers(t, "drover ask --model m"), ["mine/big"]);
  assert.deepEqual(await offers(t, "drover provider test m"), ["mine"]);
});

test("without a daemon there are no candidates and no words, and none is started", async (t) => {
  const none = path.join(scratch(t), "none");
  assert.deepEqual(await offers(t, "drover show ", none), []);
  const env = { ...plainEnv, DROVER_DATA: none };
  const answer = await run(["__complete", "--", "show", ""], { env });
  assert.deepEqual([answer.code, answer.stdout, answer.stderr], [0, "", ""]);
});

test("the scripts for zsh and fish are valid, where these are installed", async (t) => {
  const folder = scratch(t);
  for (const shell of ["bash", "zsh", "fish"]) {
    const file = path.join(folder, shell);
    writeFileSync(file, (await run(["completion", shell])).stdout);
    const checked = spawnSync(shell, ["-n", file], { encoding: "utf8" });
    if (checked.error?.code === "ENOENT") t.diagnostic(`${shell} is not installed`);
    else assert.deepEqual([checked.status, checked.stderr], [0, ""], shell);
  }
});
