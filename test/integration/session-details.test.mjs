// session-details.test.mjs: what sessions, their messages and their runs show is true and whole.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { say, Turns } from "./turns.mjs";

test("a POST that takes no fields takes {} and refuses fields by name", async (t) => {
  const turns = await Turns.open(t);
  const session = await turns.session();
  const target = `/sessions/${session}/clear`;
  assert.equal((await turns.ask("POST", target, {})).status, 200);
  assert.equal((await turns.ask("POST", target)).status, 200);
  const field = await turns.ask("POST", target, { keep: 1 });
  assert.deepEqual([field.status, field.json.code], [400, "unknown_field"]);
  assert.match(field.json.detail, /^keep: /);
  const list = await turns.ask("POST", target, []);
  assert.deepEqual([list.status, list.json.code], [400, "bad_field"]);
  const large = await turns.ask("POST", target, { text: "x".repeat(2000) });
  assert.deepEqual([large.status, large.json.code], [413, "body_too_large"]);
});

test("an answer shows its model, and what its turn took", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { run } = await turns.turn(listener, say("hello"));
  const [question, answer] = await turns.messages(listener.session);
  assert.deepEqual([question.model, question.usage], [undefined, undefined]);
  assert.equal(answer.model, "scripted/demo");
  assert.equal(answer.usage.calls, 1);
  assert.ok(answer.usage.output > 0, JSON.stringify(answer.usage));
  const session = await turns.get(`/sessions/${listener.session}`);
  assert.deepEqual(answer.usage, session.usage);
  const one = await turns.get(`/messages/${answer.id}`);
  assert.deepEqual([one.model, one.usage, one.run], [answer.model, answer.usage, run]);
  const exported = await turns.get(`/sessions/${listener.session}/export`);
  assert.deepEqual(exported.messages[1].usage, answer.usage);
});
