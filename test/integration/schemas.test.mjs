// schemas.test.mjs: answers that must be JSON of a certain form.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { call, Listener, say, script, textOf, Turns } from "./turns.mjs";
import { Wires, kinds } from "./wires.mjs";

const SCHEMA = {
  type: "object",
  properties: { sheep: { type: "integer", minimum: 1 } },
  required: ["sheep"],
  additionalProperties: false,
};
const FITS = '{"sheep":3}';

/** The text of the last step: what ?wait= answers. */
async function ask(turns, session, text, more = {}) {
  const target = `/sessions/${session}/messages?wait=60`;
  const answer = await turns.ask("POST", target, { text, schema: SCHEMA, ...more });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

test("an answer that fits is the answer; words are asked for again", async (t) => {
  const turns = await Turns.open(t);
  const { session } = await turns.listen();
  const good = await ask(turns, session, say(FITS));
  assert.deepEqual([good.state, good.text], ["succeeded", FITS]);
  const text = script(say("Three sheep."), "step:", say('{"sheep":0}'), "step:", say(FITS));
  const slow = await ask(turns, session, text);
  assert.deepEqual([slow.state, slow.text], ["succeeded", FITS]);
  const { parts } = (await turns.messages(session)).findLast((one) => one.role === "assistant");
  const notes = parts.filter((part) => part.kind === "notice").map((part) => part.text);
  assert.equal(notes.length, 2);
  assert.match(notes[1], /\/sheep: /);
});

test("a fifth answer that does not fit ends the turn, and the session goes on", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const text = Array(8).fill(say("no JSON")).join("\nstep:\n");
  const { run } = await turns.send(listener.session, text, { schema: SCHEMA });
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.cause, end.calls], ["failed", "schema_mismatch", 5]);
  assert.ok(end.note.length > 0);
  assert.equal((await turns.turn(listener, say("words again"))).end.state, "succeeded");
});

test("tools come first, a crash keeps the schema, and so does another variant", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const text = script(call("ask_user", { question: "how many?" }), "step:", say("3"), "step:",
    say(FITS));
  const { run } = await turns.send(listener.session, text, { schema: SCHEMA });
  await listener.until("turn_waiting");
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  const { items } = await turns.get("/approvals");
  await turns.ask("POST", `/approvals/${items[0].id}`, { answer: "three" });
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.calls], ["succeeded", 3]);
  const answer = await turns.answer(listener.session, run);
  assert.match(textOf(answer), /\{"sheep":3\}$/);
  const again = await turns.ask("POST", `/messages/${answer.id}/regenerate`);
  await listener.until("turn_waiting", (data) => data.run === again.json.run);
  const open = await turns.get("/approvals");
  await turns.ask("POST", `/approvals/${open.items[0].id}`, { answer: "three" });
  assert.equal((await listener.ended(again.json.run)).calls, 3);
});

test("another answer in a fork, whose runs are others', keeps the schema", async (t) => {
  const turns = await Turns.open(t);
  const { session } = await turns.listen();
  const text = script(say("Three sheep."), "step:", say(FITS));
  assert.equal((await ask(turns, session, text)).state, "succeeded");
  const fork = await turns.ask("POST", `/sessions/${session}/fork`, {});
  const copy = await new Listener(turns, fork.json.id).open();
  const answer = (await turns.messages(fork.json.id)).findLast((one) => one.role === "assistant");
  const again = await turns.ask("POST", `/messages/${answer.id}/regenerate`);
  assert.equal((await copy.ended(again.json.run)).state, "succeeded");
  const active = (await turns.messages(fork.json.id)).findLast((one) => one.role === "assistant");
  assert.equal(active.run, again.json.run);
  assert.match(textOf(active), /\{"sheep":3\}$/);
});

for (const kind of kinds) {
  test(`${kind}: the provider is told of the schema`, async (t) => {
    const turns = await Turns.open(t);
    const provider = await new Wires(kind).start(t);
    const { session } = await turns.listen({ model: await provider.connect(turns) });
    provider.answers = [{ text: "three" }, { text: FITS }];
    const { state, text } = await ask(turns, session, "how many?");
    assert.deepEqual([state, text, provider.bodies.length], ["succeeded", FITS, 2]);
    for (const body of provider.bodies) assert.ok(body.includes('"additionalProperties":false'));
  });
}

test("anthropic: words around the answer's call are not the answer", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Wires("anthropic").start(t);
  const listener = await turns.listen({ model: await provider.connect(turns) });
  const call = { id: "a", name: "final_answer", args: JSON.parse(FITS) };
  provider.answers = [{ text: "Here it is:", call }];
  const { state, text, run } = await ask(turns, listener.session, "how many?");
  assert.deepEqual([state, text, provider.bodies.length], ["succeeded", FITS, 1]);
  await listener.ended(run);
  listener.heard.agreesWith(await turns.answer(listener.session, run));
});

test("what is no schema is refused with its place, and nothing is stored", async (t) => {
  const turns = await Turns.open(t);
  const { session } = await turns.listen();
  const none = { allOf: [{ type: "string" }, { type: "integer" }] };
  const bad = [[], "x", { type: "sheep" }, { properties: { a: { minimum: "1" } } }, none];
  for (const schema of bad) {
    const target = `/sessions/${session}/messages`;
    const refused = await turns.ask("POST", target, { text: say("x"), schema });
    assert.deepEqual([refused.status, refused.json.code], [400, "bad_field"]);
    assert.match(refused.json.detail, /^schema: /);
  }
  const more = { text: say("x"), schema: SCHEMA, policy: "steer" };
  const steered = await turns.ask("POST", `/sessions/${session}/messages`, more);
  assert.deepEqual([steered.status, steered.json.code], [400, "bad_field"]);
  assert.equal((await turns.messages(session)).length, 0);
});

test("ask --schema takes a file or the schema itself, and prints the JSON", async (t) => {
  const turns = await Turns.open(t);
  const file = path.join(turns.root, "schema.json");
  writeFileSync(file, JSON.stringify(SCHEMA));
  for (const schema of [file, JSON.stringify(SCHEMA)]) {
    const text = script(say("hm"), "step:", say(FITS));
    const asked = await turns.daemon.cli(["ask", "-m", "scripted/demo", "--schema", schema, text]);
    assert.deepEqual([asked.code, asked.stdout], [0, `${FITS}\n`]);
  }
  for (const [schema, about] of [["/nowhere", /cannot be read/], ["{x", /schema: /]]) {
    const asked = await turns.daemon.cli(["ask", "-m", "scripted/demo", "--schema", schema, "x"]);
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, about);
  }
});
