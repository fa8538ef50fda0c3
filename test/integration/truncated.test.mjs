// truncated.test.mjs: answers that their longest length cut off are not called complete.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { say, script, textOf, toolsOf, Turns } from "./turns.mjs";
import { Wires, kinds } from "./wires.mjs";
import { logs, whole, Workflows } from "./workflows.mjs";

const FREE = { permissions: [{ tool: "*", permission: "allow" }] };
const HALF = { id: "c1", name: "write_file", raw: '{"path":"a.txt","content":"hal' };
const half = (more = {}) => ({ call: { ...HALF, ...more }, cut: true });
const ended = ({ state, cause }) => [state, cause];

async function open(t, kind) {
  const turns = await Turns.open(t);
  const provider = await new Wires(kind).start(t);
  const model = await provider.connect(turns);
  const listener = await turns.listen({ model, root: turns.root, settings: FREE });
  return { turns, provider, model, listener };
}

/** The longest answer that a request allows, however its provider calls that. */
const limitOf = (body) => {
  const { max_tokens, max_completion_tokens, max_output_tokens } = JSON.parse(body);
  return max_tokens ?? max_completion_tokens ?? max_output_tokens ?? 0;
};

const AGENTS = `
const text = await agent("tell", { label: "teller" });
const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
const object = await agent("count", { label: "counter", schema });
return { text, object };`;

for (const kind of kinds) {
  test(`${kind}: words that were cut off are kept, and the turn is degraded`, async (t) => {
    const { turns, provider, listener } = await open(t, kind);
    provider.answers.push({ text: "half a sen", cut: true });
    const { end, message } = await turns.turn(listener, "tell me");
    assert.deepEqual(ended(end), ["degraded", "truncated"]);
    assert.deepEqual([message.status, message.cause], ["completed", "truncated"]);
    assert.equal(textOf(message), "half a sen");
    const errors = message.parts.filter((part) => part.kind === "error");
    assert.deepEqual(errors.map((part) => part.data.cause), ["truncated"]);
    assert.equal(provider.bodies.length, 1);
    const next = await turns.turn(listener, "and now?");
    assert.deepEqual([...ended(next.end), textOf(next.message)], ["succeeded", "completed", "ok"]);
  });

  test(`${kind}: a call that was cut off is not performed, and the model goes on`, async (t) => {
    const { turns, provider, listener } = await open(t, kind);
    provider.answers.push({ text: "I write.", ...half() }, { text: "shorter" });
    const { run, end, message } = await turns.turn(listener, "write it");
    assert.deepEqual(ended(end), ["succeeded", "completed"]);
    const [card] = toolsOf(message);
    assert.deepEqual(ended(card), ["failed", "truncated"]);
    assert.equal(card.data.arguments_text, HALF.raw);
    assert.match(card.text, /was cut off.*was not made/);
    assert.ok(!existsSync(path.join(turns.root, "a.txt")));
    assert.equal(provider.bodies.length, 2);
    assert.match(provider.bodies[1], /was cut off/);
    const [before, after] = provider.bodies.map(limitOf);
    assert.ok(after > before, `${after} is more than ${before}`);
    const { items } = await turns.get(`/runs/${run}/spans`);
    const [span] = items.filter((one) => one.kind === "tool");
    assert.deepEqual(ended(span), ["failed", "truncated"]);
    assert.equal((await turns.turn(listener, "and now?")).end.state, "succeeded");
  });

  test(`${kind}: two such calls in a row end the turn`, async (t) => {
    const { turns, provider, listener } = await open(t, kind);
    const read = { call: { id: "c0", name: "list_files", args: {} } };
    provider.answers.push(half(), read, half({ id: "c2" }), half({ id: "c3", raw: "" }));
    const { end, message } = await turns.turn(listener, "write it");
    assert.deepEqual(ended(end), ["degraded", "truncated"]);
    const cut = ["failed", "truncated"];
    assert.deepEqual(toolsOf(message).map(ended), [cut, ["succeeded", null], cut, cut]);
    assert.equal(provider.bodies.length, 4);
    assert.equal((await turns.turn(listener, "and now?")).end.state, "succeeded");
  });

  test(`${kind}: such calls end a turn that owes an object, which says why`, async (t) => {
    const { turns, provider, listener } = await open(t, kind);
    const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    provider.answers.push(half(), half({ id: "c2" }));
    const { run, message } = await turns.send(listener.session, "count", { schema });
    assert.deepEqual(ended(await listener.ended(run)), ["failed", "schema_mismatch"]);
    assert.equal(provider.bodies.length, 2);
    const { items } = await turns.get(`/sessions/${listener.session}/messages`);
    const answer = items.find((one) => one.reply_to === message);
    assert.match(answer.error, /^Two answers in a row were cut off at their longest length/);
    assert.equal((await turns.turn(listener, "and now?")).end.state, "succeeded");
  });

  test(`${kind}: half an object is asked for again, with a larger limit`, async (t) => {
    const { turns, provider, listener } = await open(t, kind);
    const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    provider.answers.push({ text: '{"n": 1', cut: true }, { text: '{"n": 12}' });
    const { run } = await turns.send(listener.session, "count", { schema });
    assert.deepEqual(ended(await listener.ended(run)), ["succeeded", "completed"]);
    const [before, after] = provider.bodies.map(limitOf);
    assert.ok(after > before, `${after} is more than ${before}`);
    provider.answers.push({ text: '{"n": 3}', cut: true });
    const fits = await turns.send(listener.session, "count", { schema });
    assert.deepEqual(ended(await listener.ended(fits.run)), ["succeeded", "completed"]);
  });

  test(`${kind}: agents of a workflow tell of it, or are asked again`, async (t) => {
    const flows = await Workflows.open(t);
    const provider = await new Wires(kind).start(t);
    const model = await provider.connect(flows);
    provider.answers.push({ text: "half a sen", cut: true });
    provider.answers.push({ text: '{"n": 1', cut: true }, { text: '{"n": 12}' });
    const { events, end } = await flows.run({ script: whole(AGENTS), model, root: undefined });
    assert.deepEqual(ended(end), ["degraded", "truncated"]);
    assert.deepEqual(end.result, { text: "half a sen", object: { n: 12 } });
    const line = 'the answer of agent "teller" was cut off at its longest length';
    assert.deepEqual(logs(events), [line]);
    const ends = events.filter(({ type }) => type === "agent_finished");
    const expected = [["degraded", "truncated"], ["succeeded", null]];
    assert.deepEqual(ends.map(({ data }) => ended(data)), expected);
    const limits = provider.bodies.slice(-2).map(limitOf);
    assert.ok(limits[1] > limits[0], `${limits}`);
  });
}

test("ask says so, and exits with 1", async (t) => {
  const turns = await Turns.open(t);
  const text = script(say("half a sen"), "stop: length");
  const { code, stdout, stderr } = await turns.daemon.cli(["ask", "-m", "scripted/demo", text]);
  assert.deepEqual([code, stdout.trim()], [1, "half a sen"], stderr);
  assert.match(stderr, /is incomplete: it was cut off at its longest length \(truncated\)/);
});
