// run-end.test.mjs: the stream of a run ends with it, and each transport says so.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";
import WebSocket from "./ws.mjs";

async function setUp(t) {
  const folder = scratch(t);
  const daemon = new Daemon({ data: path.join(folder, "d"), args: ["--insecure-loopback"] });
  t.after(() => daemon.kill());
  await daemon.start();
  return { daemon, go: path.join(folder, "go") };
}

async function job(daemon, shell) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { body: { shell } });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

/** A job that ends when `go` is there. */
const waiting = (daemon, go) => job(daemon, `while [ ! -e ${go} ]; do sleep 0.02; done`);

async function metric(daemon, name) {
  const { text } = await daemon.request("GET", "/metrics", { local: true });
  return Number(new RegExp(`^drover_${name} (\\d+)$`, "m").exec(text)[1]);
}

/** The readers: each gives what came behind `after`, to the stream's own end: [types, cursor of
 * the end]. */
const readers = {
  async sse(daemon, stream, after) {
    const events = await openSse(daemon, `/api/v1/streams/${stream}/events?after=${after}`);
    const types = [];
    for (let frame; (frame = await events.next()); ) {
      if (frame.event === "done") {
        assert.equal(frame.id, undefined);
        assert.equal(await events.next(), undefined, "the answer ends behind it");
        return [types, JSON.parse(frame.data).after];
      }
      types.push(frame.event);
    }
    return assert.fail("no done");
  },

  async webSocket(daemon, stream, after) {
    const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`);
    const types = [];
    const end = await new Promise((resolve, reject) => {
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("closed")));
      socket.on("open", () => socket.send(JSON.stringify({ subscribe: stream, after })));
      socket.on("message", (text) => {
        const message = JSON.parse(text);
        if (message.type) types.push(message.type);
        if (message.done) resolve(message);
      });
    });
    assert.equal(end.stream, stream);
    // The socket goes on, and the subscription is over: the name is free again.
    const again = new Promise((resolve) => socket.once("message", resolve));
    socket.send(JSON.stringify({ subscribe: stream, after: end.done.after }));
    assert.deepEqual(JSON.parse(await again), { subscribed: stream });
    socket.removeAllListeners("close");
    socket.terminate();
    return [types, end.done.after];
  },

  async longPoll(daemon, stream, after) {
    const types = [];
    let cursor = after;
    for (let pages = 0; pages < 20; pages++) {
      const target = `/api/v1/streams/${stream}/events?after=${cursor}&wait=30`;
      const { status, json, text } = await daemon.request("GET", target);
      assert.equal(status, 200, text);
      for (const event of json.events) types.push(event.type);
      cursor = json.events.at(-1)?.seq ?? cursor;
      if (json.done) return [types, cursor];
    }
    return assert.fail("no done");
  },
};

const tail = (via) => async (daemon, stream, after) => {
  const args = ["stream", "tail", "--json", "--via", via, "--after", String(after), stream];
  const { code, stdout, stderr } = await daemon.cli(args);
  assert.equal(code, 0, stderr);
  const events = stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return [events.map((event) => event.type), events.at(-1)?.seq ?? after];
};
for (const via of ["sse", "ws", "poll"]) readers[`tail --via ${via}`] = tail(via);

for (const [name, read] of Object.entries(readers)) {
  test(`${name}: a follower is told of the end, and so is whoever comes later`, async (t) => {
    const { daemon, go } = await setUp(t);
    const id = await waiting(daemon, go);
    const stream = `run:${id}`;
    const follower = read(daemon, stream, 0);
    const other = await job(daemon, "exec sleep 600"); // It is another stream, and goes on.
    writeFileSync(go, "");
    const all = ["run_started", "run_finished"];
    assert.deepEqual(await follower, [all, 2]);
    for (const after of [0, 1, 2]) {
      assert.deepEqual(await read(daemon, stream, after), [all.slice(after), 2]);
    }
    assert.equal(
      (await daemon.request("GET", `/api/v1/streams/run:${other}/events`)).json.done,
      false,
    );
    await daemon.kill();
    await daemon.start();
    for (const after of [0, 2]) {
      assert.deepEqual(await read(daemon, stream, after), [all.slice(after), 2]);
    }
    assert.ok(existsSync(go));
  });
}

test("who follows over a restart is told of the end, too", async (t) => {
  const { daemon, go } = await setUp(t);
  const id = await waiting(daemon, go);
  const followers = ["sse", "ws"].map((via) =>
    daemon.cli(["stream", "tail", "--json", "--via", via, `run:${id}`]),
  );
  while ((await metric(daemon, "http_sse_streams")) < 1);
  while ((await metric(daemon, "http_websockets")) < 1);
  await daemon.kill();
  writeFileSync(go, "");
  await daemon.start();
  for (const { code, stdout, stderr } of await Promise.all(followers)) {
    assert.equal(code, 0, stderr);
    assert.match(stdout, /run_finished/);
  }
});

test("a plain stream never ends", async (t) => {
  const { daemon } = await setUp(t);
  await daemon.append("notes", { type: "note", data: {} });
  const page = await daemon.request("GET", "/api/v1/streams/notes/events");
  assert.equal(page.json.done, false);
});
