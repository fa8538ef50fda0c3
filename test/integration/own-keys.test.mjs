// own-keys.test.mjs: a key that a request names is never one of the engine's own, however it is
// written: a job holds up no session and no agent of its owner. A run that waits for a key is shown
// with the run that holds it.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { open, session } from "./agents.mjs";
import { until } from "./providers.mjs";

test("jobs that name the keys of a session and of an agent hold up neither", async (t) => {
  const turns = await open(t, "pi", { at_once: 1 });
  turns.daemon.args.push("--max-jobs", "8");
  await turns.daemon.stop();
  await turns.daemon.start();
  const listener = await session(turns);
  const go = path.join(turns.folder, "go");
  const begin = async (key) => {
    const made = await turns.ask("POST", "/jobs",
      { shell: `while [ ! -e ${go} ]; do sleep 0.02; done`, key });
    assert.equal(made.status, 201, made.text);
    return made.json.id;
  };
  const names = [`session:${listener.session}`, "drover/agent/pi", "drover/agent-commands"];
  const jobs = [];
  for (const name of names) jobs.push(await begin(name));
  const { run } = await turns.send(listener.session, "hello");
  let turn;
  await until("the turn ends while jobs hold keys that are written like its own",
    async () => (turn = await turns.get(`/runs/${run}`)).ended_ms);
  assert.equal(turn.state, "succeeded");
  assert.ok(!existsSync(go));
  for (const id of jobs) assert.equal((await turns.get(`/runs/${id}`)).state, "running");

  // The next one of such a key waits, and says for whom.
  const next = await begin(names[0]);
  const { state, gate, key, waits_for } = await turns.get(`/runs/${next}`);
  assert.deepEqual([state, gate, key, waits_for], ["queued", "key", names[0], jobs[0]]);
  const shown = async (...words) => (await turns.daemon.cli(words)).stdout;
  const held = `waits for +another run with the same key: ${jobs[0]}$`;
  assert.match(await shown("show", next), new RegExp(`^${held}`, "m"));
  assert.match(await shown("ps"), new RegExp(`^${next}  job +queued +0 .*  ${held}`, "m"));
  writeFileSync(go, "");
  for (const id of [...jobs, next]) assert.equal((await turns.jobEnd(id)).state, "succeeded");
  listener.close();
});
