// output-gone.test.mjs: spool folders that somebody removed.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { gate } from "./jobs-cli.mjs";
import { processesOf } from "./processes.mjs";
import { until } from "./providers.mjs";
import { Turns } from "./turns.mjs";

/** A job that writes a line, waits for a file and ends with 3; begun when it is given back. */
async function begin(turns, more = {}) {
  const file = path.join(turns.folder, `go-${Math.random()}`), begun = `${file}.begun`;
  const shell = `echo line; : > '${begun}'; ${gate(file)}; exit 3`;
  const answer = await turns.ask("POST", "/jobs", { argv: ["sh", "-c", shell], ...more });
  assert.equal(answer.status, 201, answer.text);
  const { id } = answer.json;
  // The program may be faster than the commit that says so.
  await until("it runs", async () => existsSync(begun) &&
    (await turns.get(`/jobs/${id}`)).state === "running");
  const folder = path.join(turns.daemon.data, "spool", `${id}.1`);
  return { id, folder, begun, go: () => writeFileSync(file, "") };
}

const remove = ({ folder }) => rmSync(folder, { recursive: true });
const shown = async (turns, { id }) => {
  const { state, cause, exit_code: code, attempts } = await turns.get(`/jobs/${id}`);
  return { state, cause, code, attempts };
};
const logs = (turns, { id }) => turns.ask("GET", `/jobs/${id}/logs`);

async function isGone(turns, job) {
  const follow = { accept: "text/event-stream" };
  for (const [query, headers] of [["", {}], ["", follow], ["?attempt=1", {}]]) {
    const target = `/api/v1/jobs/${job.id}/logs${query}`;
    const answer = await turns.daemon.request("GET", target, { headers });
    assert.deepEqual([answer.status, answer.json?.code], [410, "output_gone"], query);
    assert.match(answer.json.detail, new RegExp(`spool/${job.id}\\.1`));
  }
  const search = await turns.ask("GET", `/jobs/${job.id}/logs/search?pattern=line`);
  assert.deepEqual([search.status, search.json?.code], [410, "output_gone"]);
  const cli = await turns.daemon.cli(["job", "logs", job.id]);
  assert.equal(cli.code, 3);
  assert.match(cli.stderr, /the folder spool\/run_.*was removed/);
}

test("a job whose folder is removed ends as its command does; the output is told as gone",
  async (t) => {
    const turns = await Turns.open(t);
    for (const once of [false, true]) {
      const job = await begin(turns, { once });
      // The holder may read the line after the program went on.
      await until("its line", async () => (await logs(turns, job)).text === "line\n");
      remove(job);
      assert.equal((await shown(turns, job)).state, "running");
      job.go();
      await turns.jobEnd(job.id);
      const wanted = { state: "failed", cause: "exit_code", code: 3, attempts: 1 };
      assert.deepEqual(await shown(turns, job), wanted);
      await isGone(turns, job);
    }
    const kept = await begin(turns);
    kept.go();
    await turns.jobEnd(kept.id);
    assert.equal((await logs(turns, kept)).text, "line\n");
    remove(kept);
    await isGone(turns, kept);
  });

test("after a restart it is ended, not begun a second time", async (t) => {
  const turns = await Turns.open(t);
  const job = await begin(turns, { retry: { max: 0 } });
  const once = await begin(turns, { once: true });
  [job, once].forEach(remove);
  await turns.daemon.kill();
  await turns.daemon.start();
  for (const one of [job, once]) await turns.jobEnd(one.id);
  const wanted = { state: "lost", cause: "output_gone", code: null, attempts: 1 };
  assert.deepEqual(await shown(turns, job), wanted);
  assert.deepEqual(await shown(turns, once), { ...wanted, cause: "outcome_unknown" });
  await isGone(turns, job);
  const ours = ({ run }) => [job, once].some(({ id }) => run?.startsWith(`${id}.`));
  assert.deepEqual(processesOf(turns.daemon.data).filter(ours), []);
});
