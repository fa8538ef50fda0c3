// arguments.test.mjs: arguments of tool calls that are no JSON object. On each of the three wires
// the call fails with a cause, its text is kept, the model is told, and the session goes on.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import test from "node:test";

import { textOf, toolsOf, Turns } from "./turns.mjs";
import { kinds, Wires } from "./wires.mjs";

const deep = (levels) => `{"path":${"[".repeat(levels)}${"]".repeat(levels)}}`;
/** What is no JSON object, however it is read: name → the text of the arguments. */
const BAD = {
  "cut off": '{"path": "a',
  "without quotes": '{path: "a"}',
  "in single quotes": "{'path': 'a'}",
  "with a raw line break": '{"path": "a\nb"}',
  "with a raw control character": '{"path": "a\u0001"}',
  "with the same key twice": '{"path": "a", "path": "b"}',
  "with an integer over 64 bits": '{"path": 18446744073709551616}',
  "with a number over all bounds": '{"path": 1e999}',
  "with 3,000 brackets": deep(3000),
  "of bare words": "the file a",
  "with a NUL": '{"path": "\u0000',
  "with many control characters": `{"path": "${"\u0001".repeat(300000)}`,
};
/** JSON that the tool has no use for is kept as JSON. */
const GOOD = {
  "a key too many": '{"path": "a", "nonsense": {"at": 0.30000000000000004}}',
  "64 levels": deep(63),
  "in several lines": JSON.stringify({ path: "a", nonsense: [1, 2] }, null, 2),
};
const KEPT_MAX = 32 * 1024;

/** The whole of what is served of a session is JSON. */
async function readAll(turns, session) {
  await turns.get(`/sessions/${session}/messages`);
  await turns.get(`/sessions/${session}/spans`);
  const events = await turns.get(`/streams/session:${session}/events?after=0&limit=1000`);
  assert.ok(events.events.length > 0);
  const snapshot = await turns.get(`/streams/session:${session}/events?after=0&snapshot=1&limit=1`);
  assert.ok(snapshot.snapshot);
  const exported = await turns.ask("GET", `/sessions/${session}/export?format=json`);
  assert.equal(exported.status, 200, exported.text);
  JSON.parse(exported.text);
}

async function open(t, kind) {
  const turns = await Turns.open(t);
  const provider = await new Wires(kind).start(t);
  const model = await provider.connect(turns);
  return { turns, provider, model };
}

for (const kind of kinds) {
  test(`${kind}: arguments that do not parse fail their call and nothing else`, async (t) => {
    const { turns, provider, model } = await open(t, kind);
    for (const [name, raw] of Object.entries(BAD)) {
      const listener = await turns.listen({ model, root: turns.root });
      provider.answers.push({ call: { id: "c1", name: "read_file", raw } }, { text: "I see" });
      const asked = provider.bodies.length;
      const { end, message } = await turns.turn(listener, "read it");
      assert.equal(end.state, "succeeded", `${name}: ${JSON.stringify(end)}`);
      const [part] = toolsOf(message);
      assert.equal(part.state, "failed", name);
      assert.equal(part.cause, "bad_arguments", name);
      assert.equal(part.data.arguments, null, name);
      assert.equal(part.data.arguments_text, raw.slice(0, KEPT_MAX), name);
      assert.match(part.text, /arguments are not (valid JSON|right)/, name);
      // The model reads why, beside its own words; and what it is sent is JSON, to the last level.
      const [, second] = provider.bodies.slice(asked);
      assert.ok(JSON.stringify(JSON.parse(second)).includes("invalid_arguments"), name);
      assert.match(second, /arguments are not (valid JSON|right)/, name);
      await readAll(turns, listener.session);
      const next = await turns.turn(listener, "and now?");
      assert.equal(next.end.state, "succeeded", name);
      assert.equal(textOf(next.message), "ok", name);
      listener.close();
    }
  });

  test(`${kind}: arguments that parse are kept as JSON, whatever they hold`, async (t) => {
    const { turns, provider, model } = await open(t, kind);
    for (const [name, raw] of Object.entries(GOOD)) {
      const listener = await turns.listen({ model, root: turns.root });
      provider.answers.push({ call: { id: "c1", name: "read_file", raw } }, { text: "I see" });
      const { end, message } = await turns.turn(listener, "read it");
      assert.equal(end.state, "succeeded", `${name}: ${JSON.stringify(end)}`);
      const [part] = toolsOf(message);
      assert.deepEqual(part.data.arguments, JSON.parse(raw), name);
      assert.equal(part.data.arguments_text, undefined, name);
      await readAll(turns, listener.session);
      listener.close();
    }
  });

  test(`${kind}: names and ids of calls may hold any text`, async (t) => {
    const { turns, provider, model } = await open(t, kind);
    for (const word of ["no\u0000such", 'a"b\\c', "a\nb\u0001", "\ud83d"]) {
      const listener = await turns.listen({ model, root: turns.root });
      const call = { id: `c${word}`, name: word, args: { path: "a" } };
      provider.answers.push({ call }, { text: "I see" });
      const { end, message } = await turns.turn(listener, "call it");
      assert.equal(end.state, "succeeded", `${JSON.stringify(word)}: ${JSON.stringify(end)}`);
      assert.equal(toolsOf(message).length, 1);
      await readAll(turns, listener.session);
      listener.close();
    }
  });
}

test("a call without repair survives a kill between its answer and its result", async (t) => {
  const { turns, provider, model } = await open(t, "openai");
  const listener = await turns.listen({ model, root: turns.root });
  provider.answers.push({ call: { id: "c1", name: "read_file", raw: BAD["cut off"] } });
  const { end } = await turns.turn(listener, "read it");
  assert.equal(end.state, "succeeded");
  listener.close();
  await turns.daemon.kill();
  await turns.daemon.start();
  await readAll(turns, listener.session);
  const { run } = await turns.send(listener.session, "and now?");
  const heard = await listener.open();
  assert.equal((await heard.ended(run)).state, "succeeded");
  heard.close();
});
