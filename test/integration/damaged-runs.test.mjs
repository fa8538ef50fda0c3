// damaged-runs.test.mjs: runs whose own rows are damaged. Each is stopped, ended and removed as any
// other, and whoever waits for its end hears of it.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { change, sql } from "./sql.mjs";
import { Turns } from "./turns.mjs";
import { Silent } from "./wires.mjs";
import { whole, Workflows } from "./workflows.mjs";

/** Notices to this machine are owed: nothing listens on port 9. */
const ALLOWED = { env: { DROVER_WEBHOOK_ALLOW: "127.0.0.1" } };

test("a live run with a damaged kind or too long a text ends, and is heard to end", async (t) => {
  const turns = await Turns.open(t, ALLOWED);
  const notify = [{ webhook: "http://127.0.0.1:9/" }];
  const submit = async (argv, more) => {
    const made = await turns.ask("POST", "/jobs", { argv, notify, ...more });
    assert.equal(made.status, 201, made.text);
    return made.json.id;
  };
  const long = process.env.DROVER_DATABASE
    ? "repeat('x', 13000000)"
    : "replace(hex(zeroblob(6500000)), '00', 'xx')";
  const damages = ["kind = 'nonesuch'", `label = ${long}`];
  const runs = [];
  for (const [i, damage] of damages.entries()) {
    const key = `k${i}`;
    runs.push([await submit(["sleep", "600"], { key }), damage]);
    runs.push([await submit(["true"], { key }), damage]);
  }
  await change(
    turns,
    ...runs.map(([run, damage]) => `UPDATE runs SET ${damage} WHERE run = '${run}'`),
  );
  for (const [run, damage] of runs) {
    const end = await turns.jobEnd(run);
    assert.deepEqual([end.state, end.cause], ["failed", "history_unreadable"], damage);
  }
  const owed = (await turns.get("/inbox")).items.map(({ run }) => run).sort();
  assert.deepEqual(owed, runs.map(([run]) => run).sort());
});

/** The id of a job that was accepted. */
async function submitted(turns, job) {
  const made = await turns.ask("POST", "/jobs", job);
  assert.equal(made.status, 201, made.text);
  return made.json.id;
}

test("a run that the database refuses to begin fails with a cause, alone", async (t) => {
  const turns = await Turns.open(t, ALLOWED);
  const submit = (argv, more) => submitted(turns, { argv, ...more });
  const notify = [{ webhook: "http://127.0.0.1:9/" }];
  const retry = { max: 3, backoff: 60000 };
  await submit(["sleep", "600"], { label: "twice" });
  const refused = await submit(["false"], { label: "twice", key: "k", retry, notify });
  for (let after = 0, type = ""; type !== "run_retrying"; ) {
    const page = await turns.get(`/streams/run:${refused}/events?after=${after}&wait=20`);
    after = page.events.at(-1).seq;
    type = page.events.at(-1).type;
  }
  const next = await submit(["true"], { key: "k" });
  assert.equal((await turns.jobEnd(next)).state, "succeeded");
  await change(
    turns,
    `UPDATE runs SET not_before_ms = 1 WHERE run = '${refused}'`,
    "CREATE UNIQUE INDEX once ON runs (label) WHERE label = 'twice' AND gate <> 'time'"
      + " AND ended_ms IS NULL",
  );
  const end = await turns.jobEnd(refused);
  assert.deepEqual([end.state, end.cause], ["failed", "not_stored"]);
  assert.match(end.note, /could not be stored/);
  assert.deepEqual((await turns.get("/inbox")).items.map(({ run }) => run), [refused]);
  assert.equal((await turns.jobEnd(await submit(["true"], { key: "k" }))).state, "succeeded");
});

test("a run that the database refuses to begin keeps no other from its end", async (t) => {
  const turns = await Turns.open(t, ALLOWED);
  const submit = (argv, more) => submitted(turns, { argv, ...more });
  const notify = [{ webhook: "http://127.0.0.1:9/" }];
  await submit(["sleep", "600"], { label: "twice" });
  const first = await submit(["sleep", "600"], { key: "k" });
  const refused = await submit(["true"], { key: "k", label: "twice", notify });
  const next = await submit(["true"], { key: "k" });
  await change(
    turns,
    "CREATE UNIQUE INDEX once ON runs (label) WHERE label = 'twice' AND gate = ''"
      + " AND ended_ms IS NULL",
  );
  assert.equal((await turns.ask("POST", `/runs/${first}/stop`, {})).status, 200);
  assert.equal((await turns.jobEnd(first)).state, "cancelled");
  const end = await turns.jobEnd(refused);
  assert.deepEqual([end.state, end.cause], ["failed", "not_stored"]);
  assert.equal((await turns.jobEnd(next)).state, "succeeded");
  assert.deepEqual((await turns.get("/inbox")).items.map(({ run }) => run), [refused]);
});

test("an ended run with a damaged row is refused a stop, and deleted, as any other", async (t) => {
  const flows = await Workflows.open(t);
  const turns = new Turns();
  Object.assign(turns, { daemon: flows.daemon, root: flows.root, headers: {} });
  const words = ["state", "kind", "gate", "cause", "stop", "spec", "label", "note", "result"];
  const jobs = [];
  for (const label of ["healthy", ...words]) {
    const made = await turns.ask("POST", "/jobs", { argv: ["true"], label, budget: { agents: 3 } });
    assert.equal(made.status, 201, made.text);
    jobs.push(made.json.id);
  }
  for (const run of jobs) await turns.jobEnd(run);
  const { run: flow } = await flows.run({ script: whole('return await agent("tokens: 3");') });
  const long = process.env.DROVER_DATABASE
    ? "repeat('x', 300000)"
    : "replace(hex(zeroblob(150000)), '00', 'xx')";
  const bad = (word) => (["label", "note", "result"].includes(word) ? long : `'{"a": ['`);
  await change(
    turns,
    ...words.map((word, i) =>
      `UPDATE runs SET ${word} = ${bad(word)} WHERE run = '${jobs[i + 1]}'`),
    `UPDATE runs SET kind = 'nonesuch' WHERE run = '${flow}'`,
  );
  for (const run of [...jobs, flow]) {
    const stop = await turns.ask("POST", `/runs/${run}/stop`, {});
    assert.deepEqual([stop.status, stop.json.code], [409, "conflict"], stop.text);
    assert.match(stop.json.detail, /has ended/);
    const gone = await turns.ask("DELETE", `/runs/${run}`);
    assert.deepEqual([gone.status, gone.json.id], [200, run], gone.text);
    assert.equal((await turns.ask("GET", `/runs/${run}`)).status, 404);
  }
  assert.deepEqual((await turns.get("/runs")).items, []);
  await turns.daemon.stop();
  const doctor = await turns.daemon.cli(["doctor", "--json"]);
  assert.doesNotMatch(doctor.stdout, /"check":"row"/);
});

test("a turn whose row says queued ends by a stop, also while its summary is out", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Silent("You summarise the beginning").start(t);
  const listener = await turns.listen({ model: await provider.connect(turns) });
  await turns.turn(listener, "All work and no play makes a long line. ".repeat(250));
  await turns.turn(listener, "short");
  const { json } = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  await until("its summary is out", () => provider.unanswered === 1);
  sql(turns.daemon, `UPDATE runs SET state = 'queued', gate = 'key' WHERE run = '${json.id}'`);
  const stop = await turns.ask("POST", `/runs/${json.id}/stop`, {});
  assert.equal(stop.status, 200, stop.text);
  assert.equal((await turns.get(`/runs/${json.id}`)).state, "cancelled");
  assert.equal((await turns.turn(listener, "goes on")).end.state, "succeeded");
  assert.equal((await turns.daemon.stop()).code, 0);
});
