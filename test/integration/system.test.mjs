// system.test.mjs: the daemon's own log and the backup of its database, over the API.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, Daemon, plainEnv, run, scratch } from "./lib.mjs";
import { until } from "./providers.mjs";

const start = async (t, more) => {
  const daemon = await new Daemon({ data: scratch(t), ...more }).start();
  t.after(() => daemon.kill());
  return daemon;
};
const ask = (daemon, method, target) =>
  daemon.request(method, `/api/v1/system/${target}`, { local: true });

/** A daemon whose stderr is the log of its data directory, as that of one that a command starts. */
async function logging(t) {
  const data = scratch(t), program = path.join(scratch(t), "drover");
  writeFileSync(program, `#!/bin/sh\nexec "${bin}" "$@" 2>>"${data}/log"\n`);
  chmodSync(program, 0o700);
  return start(t, { data, program });
}

test("the end of the log is shown, as many lines as were asked for", async (t) => {
  const daemon = await logging(t);
  // The second line comes when the recovery is over, which a busy machine may take a while for.
  let whole;
  await until("two lines are there", async () => {
    whole = (await ask(daemon, "GET", "log")).json;
    return whole.lines.length > 1;
  });
  assert.equal(whole.file, path.join(daemon.data, "log"));
  for (const line of whole.lines) assert.equal(typeof JSON.parse(line).what, "string");
  const last = (await ask(daemon, "GET", "log?lines=1")).json.lines;
  assert.equal(last.length, 1);
  assert.equal(typeof JSON.parse(last[0]).what, "string");
  for (const lines of [0, 1001]) {
    assert.equal((await ask(daemon, "GET", `log?lines=${lines}`)).status, 400);
  }
});

test("a log that is not this daemon's is not shown", async (t) => {
  const data = scratch(t);
  writeFileSync(path.join(data, "log"), "of another time\n");
  const daemon = await start(t, { data });
  assert.deepEqual((await ask(daemon, "GET", "log")).json, { file: null, lines: [] });
});

test("a backup is a file of the data directory that can be restored", async (t) => {
  const daemon = await start(t), folder = path.join(daemon.data, "backups");
  const before = (await ask(daemon, "GET", "backup")).json;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "drover-2026-01-01-000000.db.part-aBcDeF"), "of one killed");
  const made = await ask(daemon, "POST", "backup");
  if (daemon.env.DROVER_DATABASE) {
    assert.deepEqual(before, { can: false, folder, last: null });
    assert.ok(made.status >= 400, made.text);
    assert.match(made.json.detail, /pg_dump/);
    return;
  }
  assert.deepEqual(before, { can: true, folder, last: null });
  assert.equal(made.status, 201, made.text);
  assert.match(path.relative(folder, made.json.file), /^drover-\d{4}-\d\d-\d\d-\d{6}\.db$/);
  assert.deepEqual(readdirSync(folder), [path.basename(made.json.file)]);
  mkdirSync(path.join(folder, "newer.db")); // Neither a folder nor a file of another kind counts.
  writeFileSync(path.join(folder, "notes.txt"), "x");
  assert.deepEqual((await ask(daemon, "GET", "backup")).json.last, made.json);
  const data = path.join(scratch(t), "restored");
  const restored = await run(["restore", made.json.file, "--data", data], { env: plainEnv });
  assert.equal(restored.code, 0, restored.stderr);
  assert.ok(existsSync(path.join(data, "drover.db")));
});

test("log and backup need the scope admin", async (t) => {
  const daemon = await start(t);
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
  const headers = { authorization: `Bearer ${stdout.trim().split("\n")[0]}` };
  for (const [method, target] of [["GET", "log"], ["GET", "backup"], ["POST", "backup"]]) {
    const answer = await daemon.request(method, `/api/v1/system/${target}`, { headers });
    assert.equal(answer.status, 403, answer.text);
  }
});
