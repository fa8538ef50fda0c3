// approvals-subjects.test.mjs: a program of a job asks a person about a step of its run. The answer
// fits the question, is given once, and is read by asking the same again, also after a kill
// between the answer and what the program does with it.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { detach, gate } from "./jobs-cli.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(60_000) };
const SCHEMA = {
  type: "object",
  properties: { port: { type: "integer", minimum: 1 } },
  required: ["port"],
  additionalProperties: false,
};

/** A job that asks inside of itself, and asks again when the file is there. */
async function asker(turns, body) {
  const go = path.join(turns.folder, "go");
  const url = "http://x/api/v1/approvals";
  const socket = path.join(turns.daemon.data, "drover.sock");
  const ask = `curl -s --unix-socket '${socket}' -H 'content-type: application/json'` +
    ` -d '${JSON.stringify(body)}' ${url}`;
  const run = await detach(turns.daemon, ["--", "sh", "-c", `${ask}; ${gate(go)}; echo; ${ask}`]);
  const stream = (type) => firstEvent(turns, run, type);
  return { run, stream, go: () => writeFileSync(go, "") };
}

async function firstEvent(turns, run, type) {
  for (let after = 0; ; ) {
    const page = await turns.get(`/streams/run:${run}/events?after=${after}&wait=20`);
    const found = page.events.find((event) => event.type === type);
    if (found) return found.data;
    assert.ok(page.events.length > 0, `no ${type}`);
    after = page.events.at(-1).seq;
  }
}

/** Both rows that the job printed. */
async function printed(turns, run) {
  assert.equal((await turns.jobEnd(run)).state, "succeeded");
  const { stdout } = await turns.daemon.cli(["logs", run]);
  return stdout.trim().split("\n").map((line) => JSON.parse(line));
}

test("a choice survives a kill between the answer and its effect", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const options = ["blue", "green"];
  const job = await asker(turns, { step: "deploy", question: "Which colour?", options });
  const asked = await job.stream("question_asked");
  const subject = ({ run, step, session, message, part, tool }) =>
    [run, step, session, message, part, tool];
  assert.deepEqual(subject(asked), [job.run, "deploy", null, null, null, ""]);
  assert.deepEqual([asked.kind, asked.shown], ["choice", "Which colour?\n  1) blue\n  2) green"]);
  for (const wrong of [{ choice: "red" }, { decision: "allow" }, { answer: "blue" }])
    assert.equal((await turns.approve(asked.id, wrong)).json.code, "bad_field");
  assert.equal((await turns.approve(asked.id, { choice: "green" })).status, 200);
  await turns.daemon.kill();
  await turns.daemon.start();
  const same = await turns.approve(asked.id, { choice: "green" });
  assert.deepEqual([same.status, same.json.state], [200, "answered"]);
  for (const other of [{ choice: "blue" }, { decision: "deny" }]) {
    const late = await turns.approve(asked.id, other);
    assert.deepEqual([late.status, late.json.code], [409, "conflict"]);
  }
  job.go();
  const rows = await printed(turns, job.run);
  assert.deepEqual(rows.map(({ id, state }) => [id, state]),
    [[asked.id, "open"], [asked.id, "answered"]]);
  assert.deepEqual(JSON.parse(rows[1].answer), { choice: "green" });
  const page = await turns.get(`/streams/run:${job.run}/events`);
  const count = (type) => page.events.filter((event) => event.type === type).length;
  assert.deepEqual([count("question_asked"), count("question_answered")], [1, 1]);
  const target = `/api/v1/runs/${job.run}`;
  assert.equal((await turns.daemon.request("DELETE", target, { local: true })).status, 200);
  const { events } = await turns.get("/streams/owner:local/events?limit=1000");
  assert.deepEqual(events.slice(-2).map(({ type, data }) => [type, data]), [
    ["approval_changed", { id: asked.id, removed: true }],
    ["run_changed", { id: job.run, removed: true }],
  ]);
});

test("so does an allowed call of a turn, which runs once", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const append = call("run_command", { command: "sh", args: ["-c", "echo x >> file; cat file"] });
  const { run } = await turns.send(listener.session, script(append, "step:", say("so")));
  const asked = await listener.until("approval_asked");
  assert.deepEqual([asked.run, asked.step, asked.part], [run, "run_command", 1]);
  assert.equal((await turns.approve(asked.id)).status, 200);
  await turns.daemon.kill();
  await turns.daemon.start();
  assert.equal((await turns.approve(asked.id)).status, 200);
  await listener.open();
  assert.equal((await listener.ended(run)).state, "succeeded");
  assert.equal(readFileSync(path.join(turns.root, "file"), "utf8"), "x\n");
});

test("a form takes fields that fit its schema", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const job = await asker(turns, { step: "port", question: "Which port?", schema: SCHEMA });
  const asked = await job.stream("question_asked");
  assert.equal(asked.kind, "form");
  const { code, detail } = (await turns.approve(asked.id, { fields: { port: 0 } })).json;
  assert.deepEqual([code, detail], ["bad_field", "fields: /port: must be at least 1, not 0"]);
  const words = ["approve", asked.id, "--answer"];
  assert.match((await turns.daemon.cli([...words, "8080"])).stderr, /as a JSON object/);
  assert.equal((await turns.daemon.cli([...words, '{"port":8080}'])).code, 0);
  job.go();
  const [, answered] = await printed(turns, job.run);
  assert.deepEqual(JSON.parse(answered.answer), { fields: { port: 8080 } });
});

test("a question ends with its run, or by another one about the step", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const job = await asker(turns, { step: "plan", question: "Is it fine?" });
  const first = await job.stream("question_asked");
  assert.equal(first.kind, "confirm");
  const ask = (body) => turns.ask("POST", "/approvals", { run: job.run, ...body });
  const again = await ask({ step: "plan", question: "Is it fine?" });
  assert.equal(again.json.id, first.id);
  const { json: second } = await ask({ step: "plan", question: "Is it fine now?" });
  const { json: other } = await ask({ step: "cost", question: "Is it cheap?" });
  assert.equal((await turns.get(`/approvals/${first.id}`)).state, "cancelled");
  assert.equal((await turns.approve(second.id, { decision: "deny", reason: "no" })).status, 200);
  const { waiting } = await turns.get("/overview");
  assert.deepEqual(waiting.items.map(({ id, run, name }) => [id, run, name]),
    [[other.id, job.run, "cost"]]);
  const { stdout } = await turns.daemon.cli(["show", job.run]);
  assert.match(stdout, /asks {8}Is it cheap\?\n {12}drover approve apr_/);
  await turns.daemon.cli(["stop", job.run]);
  assert.equal((await turns.jobEnd(job.run)).state, "cancelled");
  assert.equal((await turns.get(`/approvals/${other.id}`)).state, "cancelled");
  const late = await ask({ step: "late", question: "Still there?" });
  assert.deepEqual([late.status, late.json.code], [409, "run_ended"]);
});

test("what cannot be asked is refused", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const job = await asker(turns, { step: "plan", question: "Is it fine?" });
  const rows = [
    [{ options: ["a"] }, 400, "bad_field"],
    [{ options: ["a", "a"] }, 400, "bad_field"],
    [{ options: ["a", "b"], schema: SCHEMA }, 400, "bad_field"],
    [{ schema: { type: "string" } }, 400, "bad_field"],
    [{ schema: { type: "object", required: 1 } }, 400, "bad_field"],
    [{ run: "run_none" }, 404, "not_found"],
    [{ run: undefined }, 400, "missing_field"],
  ];
  for (const [more, status, code] of rows) {
    const body = { run: job.run, step: "s", question: "q", ...more };
    const answer = await turns.ask("POST", "/approvals", body);
    assert.deepEqual([answer.status, answer.json.code], [status, code], JSON.stringify(more));
  }
});
