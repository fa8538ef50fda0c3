// kept.test.mjs: a session's messages stay, what was told of them does not.
//
// runs-with: release, san, postgres
//
// DROVER_TEST_ALL=1    1,000 turns, and what they take on the disk
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { scaled } from "./scale.mjs";
import { Heard, script, textOf, Turns } from "./turns.mjs";

const whole = Boolean(process.env.DROVER_TEST_ALL);
const onDisk = !process.env.DROVER_DATABASE;
const KEPT = 1000;

/** Bytes of the database's files. */
const sizeOf = (folder) =>
  readdirSync(folder).filter((name) => name.startsWith("drover.db"))
    .reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);

test("events of long ago go, those of a turn that runs stay", {
  timeout: scaled(300_000),
}, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const { session } = listener;
  const stream = `/streams/session:${session}/events`;
  const ends = () => turns.get(`${stream}?limit=1&snapshot=1`);
  const says = "tokens: 400 at 20000/s";
  const newest = async (count) =>
    (await turns.get(`/sessions/${session}/messages?limit=${count}`)).items;
  for (let n = 0, head = 0; whole ? n < 1000 : head < KEPT + 300; n++) {
    await listener.ended((await turns.send(session, says)).run);
    ({ head } = await ends());
  }
  const { head, floor } = await ends();
  assert.ok(floor > 0 && head - floor <= KEPT + 1, `${floor} to ${head}`);

  // What was heard by who listened all the time is what is stored, though much of it is gone.
  for (const message of await newest(200)) {
    if (message.role === "assistant") listener.heard.agreesWith(message);
  }

  const goesOn = script("tokens: 200 at 20000/s", "delay: 600s");
  const { run } = await turns.send(session, goesOn);
  await listener.until("delta", (data) => data.run === run);

  // Who comes from far behind begins with all that is there, what is being said too.
  const late = await turns.get(`${stream}?after=1&limit=1`);
  assert.deepEqual(late.snapshot.turn.run, run);
  const heard = Heard.from(late.snapshot, late.snapshot_seq);
  await turns.ask("POST", `/sessions/${session}/stop`);
  await listener.ended(run);
  const rest = await turns.get(`${stream}?after=${heard.after}&limit=1000`);
  rest.events.forEach((event) => heard.take(event));
  const [answer] = await newest(1);
  assert.ok(textOf(answer).length > 0);
  heard.agreesWith(answer);

  if (!whole || !onDisk) return;
  const all = await turns.ask("GET", `/sessions/${session}/export`);
  assert.equal((await turns.daemon.stop()).code, 0);
  const ratio = sizeOf(turns.daemon.data) / all.text.length;
  t.diagnostic(`the database is ${ratio.toFixed(2)} times its messages`);
  assert.ok(ratio <= 3, `${ratio}`);
});

test("an answer says which model wrote it when its turn is removed, and in a fork", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ model: "scripted/one" });
  const { session } = listener;
  const { run } = await turns.turn(listener, "say: hello", { model: "scripted/two" });
  const modelsOf = async (id) => (await turns.messages(id))
    .filter(({ role }) => role === "assistant").map(({ model }) => model);
  const fork = async (id) => (await turns.ask("POST", `/sessions/${id}/fork`, {})).json.id;
  assert.deepEqual(await modelsOf(session), ["scripted/two"]);
  const early = await fork(session);
  assert.equal((await turns.ask("DELETE", `/runs/${run}`)).status, 200);
  for (const id of [session, early, await fork(session), await fork(early)]) {
    assert.deepEqual(await modelsOf(id), ["scripted/two"]);
  }
});
