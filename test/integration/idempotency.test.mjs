// idempotency.test.mjs: a request with an Idempotency-Key happens once, however often it is sent.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";

async function start(t) {
  const daemon = await new Daemon({ data: scratch(t), args: ["--insecure-loopback"] }).start();
  t.after(() => daemon.kill());
  return daemon;
}

const key = (value) => ({ "idempotency-key": value });

test("the second answer is the first one, marked, also after a crash", async (t) => {
  const daemon = await start(t);
  const first = await daemon.append("s", { type: "t", data: 1 }, key("k"));
  assert.equal(first.status, 201);
  assert.equal(first.headers["idempotent-replay"], undefined);
  const again = await daemon.append("s", { type: "t", data: 1 }, key("k"));
  assert.equal(again.status, 201);
  assert.equal(again.text, first.text);
  assert.equal(again.headers["idempotent-replay"], "true");
  await daemon.kill();
  await daemon.start();
  const later = await daemon.append("s", { type: "t", data: 1 }, key("k"));
  assert.equal(later.text, first.text);
  const { json } = await daemon.request("GET", "/api/v1/streams/s/events");
  assert.equal(json.head, 1);
});

test("another body, path or stream with the same key is refused", async (t) => {
  const daemon = await start(t);
  await daemon.append("s", { type: "t", data: 1 }, key("k"));
  for (const [stream, event] of [
    ["s", { type: "t", data: 2 }],
    ["other", { type: "t", data: 1 }],
  ]) {
    const answer = await daemon.append(stream, event, key("k"));
    assert.equal(answer.status, 422);
    assert.equal(answer.json.code, "idempotency_mismatch");
  }
  assert.equal((await daemon.request("GET", "/api/v1/streams/other")).status, 404);
});

test("a refusal is not kept: the key may try again", async (t) => {
  const daemon = await start(t);
  assert.equal((await daemon.append("s", { type: "BAD" }, key("k"))).status, 400);
  assert.equal((await daemon.append("s", { type: "good" }, key("k"))).status, 201);
});

test("sent a hundred times at once, it happens once", async (t) => {
  const daemon = await start(t);
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => daemon.append("s", { type: "t" }, key("k"))),
  );
  assert.deepEqual([...new Set(answers.map((answer) => answer.text))].length, 1);
  assert.equal(
    answers.filter((answer) => answer.headers["idempotent-replay"] === undefined).length,
    1,
  );
  assert.equal((await daemon.request("GET", "/api/v1/streams/s")).json.head, 1);
});

test("a key that cannot be one is refused", async (t) => {
  const daemon = await start(t);
  for (const value of ["", "x".repeat(256), "caf\u00e9"]) {
    const answer = await daemon.append("s", { type: "t" }, key(value));
    assert.equal(answer.status, 400, JSON.stringify(value));
  }
  assert.equal((await daemon.append("s", { type: "t" }, key("x".repeat(255)))).status, 201);
});

test("nobody gets a stranger's answer", async (t) => {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  const token = async (owner) =>
    (await daemon.cli(["token", "create", "--owner", owner])).stdout.trim();
  const [bob, eve] = [await token("bob"), await token("eve")];
  const as = (secret) => ({ ...key("k"), authorization: `Bearer ${secret}` });
  const first = await daemon.append("s", { type: "t", data: "bob's" }, as(bob));
  const other = await daemon.append("s", { type: "t", data: "eve's" }, as(eve));
  assert.equal(first.status, 201);
  assert.equal(other.status, 201);
  assert.equal(other.headers["idempotent-replay"], undefined);
});
