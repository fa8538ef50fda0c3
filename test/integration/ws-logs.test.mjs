// ws-logs.test.mjs: logs of jobs over the WebSocket: follow, flow control, input and size.
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { start } from "./jobs-cli.mjs";
import { Jobs } from "./jobs.mjs";
import WebSocket from "./ws.mjs";

const jobs = new Jobs();
const bearer = (secret) => ({ authorization: `Bearer ${secret}` });

async function make(daemon, body) {
  const answer = await daemon.request("POST", "/api/v1/tokens", { body, local: true });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

/** A socket whose frames are taken one after another. */
class Socket {
  constructor(t, daemon, headers = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`, { headers });
    this.frames = [];
    this.socket.on("message", (text) => {
      const frame = JSON.parse(text);
      if (frame.heartbeat) return;
      this.frames.push(frame);
      this.socket.emit("frame");
    });
    this.socket.on("close", () => this.socket.emit("frame"));
    t.after(() => this.socket.terminate());
  }
  async open() {
    await once(this.socket, "open");
    return this;
  }
  send(message) {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }
  async next() {
    while (this.frames.length === 0) await once(this.socket, "frame");
    return this.frames.shift();
  }
  async say(message) {
    this.send(message);
    return this.next();
  }
  /** Everything before a pong: what was sent by now. */
  async settled() {
    this.send({ ping: 1 });
    const frames = [];
    for (let frame; !("pong" in (frame = await this.next())); ) frames.push(frame);
    return frames;
  }
  /** Follows to the end, with acknowledgements; {bytes, frames, done}. `aside` takes frames of
   *  others. */
  async whole(name, aside) {
    const frames = [];
    const pieces = [];
    for (let frame; ; ) {
      frame = await this.next();
      if (aside && frame.stream !== name) {
        aside(frame);
        continue;
      }
      assert.equal(frame.stream, name, JSON.stringify(frame));
      frames.push(frame);
      if (frame.output) pieces.push(bytesOf(frame.output));
      if (frame.done) return { bytes: Buffer.concat(pieces), frames, done: frame.done };
      this.send({ ack: name, offset: frame.output?.next ?? frame.dropped.to });
    }
  }
}

const bytesOf = ({ text, base64 }) =>
  text !== undefined ? Buffer.from(text) : Buffer.from(base64, "base64");
const connect = (t, daemon = jobs.daemon, headers) => new Socket(t, daemon, headers).open();

test("a log is followed as it grows, to its end", async (t) => {
  const gate = jobs.gate("ws");
  const id = await jobs.shell(`printf 'one\\377'; ${gate.wait}; echo two; exit 4`);
  const socket = await connect(t);
  const name = `log:${id}`;
  assert.deepEqual(await socket.say({ subscribe: name }), {
    subscribed: name,
    log: { stream: "out", attempt: 1, from: 0 },
  });
  assert.deepEqual(await socket.next(), {
    stream: name,
    output: { offset: 0, next: 4, base64: "b25l/w==", attempt: 1 },
  });
  await gate.open();
  assert.deepEqual(await socket.next(), {
    stream: name,
    output: { offset: 4, next: 8, text: "two\n", attempt: 1 },
  });
  assert.deepEqual(await socket.next(), {
    stream: name,
    done: { state: "failed", cause: "exit_code", exit_code: 4, attempt: 1, size: 8 },
  });
  assert.equal((await socket.say({ unsubscribe: name })).error.code, "not_found");
  const part = await socket.say({ subscribe: name, stream: "out", attempt: 1, offset: -4 });
  assert.equal(part.log.from, 4);
  assert.equal((await socket.whole(name)).bytes.toString(), "two\n");
});

test("without acknowledgements a log stops at 256 kB, and others go on", async (t) => {
  const size = 3_000_000;
  const id = await jobs.shell(`head -c ${size} /dev/zero | tr '\\0' x; sleep 1000`);
  const socket = await connect(t);
  const name = `log:${id}`;
  const other = await jobs.ran("echo other");
  const log = await jobs.openLogs(id, `?offset=${size - 1}`);
  await log.next(); // All of it is there.
  assert.ok((await socket.say({ subscribe: name })).subscribed);
  const first = [];
  let next = 0;
  while (next <= 176 << 10) {
    const frame = await socket.next();
    next = frame.output.next;
    first.push(frame);
  }
  socket.send({ subscribe: `log:${other}` });
  const late = (frame) => (next = frame.output.next); // It has not reached its limit yet.
  for (let frame; !(frame = await socket.next()).subscribed; ) late(frame);
  assert.equal((await socket.whole(`log:${other}`, late)).bytes.toString(), "other\n");
  for (const frame of await socket.settled()) next = frame.output?.next ?? next;
  assert.ok(next <= 256 << 10, `${next} bytes without an acknowledgement`);
  const ahead = await socket.say({ ack: name, offset: next + 1 });
  assert.equal(ahead.error.code, "cursor_ahead");
  socket.send({ ack: name, offset: 0 }); // Late, and no news.
  assert.deepEqual(await socket.settled(), []);
  while (next < size) {
    socket.send({ ack: name, offset: next });
    const { output } = await socket.next();
    assert.equal(output.offset, next);
    next = output.next;
  }
  assert.deepEqual(await socket.say({ unsubscribe: name }), { unsubscribed: name });
  await jobs.stop(id);
});

test("what was dropped is reported", async (t) => {
  const id = await jobs.shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end", {
    limits: { output: 1 << 20 },
  });
  await jobs.ended(id);
  const socket = await connect(t);
  assert.ok((await socket.say({ subscribe: `log:${id}` })).subscribed);
  const { bytes, frames, done } = await socket.whole(`log:${id}`);
  const [hole] = frames.filter((frame) => frame.dropped);
  assert.equal(bytes.length + hole.dropped.to - hole.dropped.from, done.size);
  assert.deepEqual(bytes, (await jobs.follow(id)).bytes);
});

test("a terminal is typed into and resized on the socket", async (t) => {
  const line = "stty -echo; echo go; read a; stty size; cat";
  const id = await jobs.start({ argv: ["sh", "-c", line], pty: true });
  const socket = await connect(t);
  const name = `log:${id}`;
  assert.equal((await socket.say({ subscribe: name })).log.stream, "pty");
  assert.equal((await socket.next()).output.text, "go\r\n");
  const resized = await socket.say({ resize: name, columns: 71, rows: 17 });
  assert.deepEqual(resized, { resize: name, rows: 17, columns: 71 });
  socket.send({ input: name, text: "x\n" });
  const frames = [await socket.next(), await socket.next()];
  assert.deepEqual(
    frames.find((frame) => frame.input),
    { input: name, offset: 0, next: 2 },
  );
  assert.equal(frames.find((frame) => frame.output).output.text, "17 71\r\n");
  const again = await socket.say({ input: name, text: "x\n", offset: 0 });
  assert.equal(again.error.code, "conflict", "its answer was not lost");
  socket.send({ input: name, base64: Buffer.from("y\n").toString("base64"), offset: 2 });
  socket.send({ input: name, text: "", end: true });
  const { done } = await (async () => {
    for (let frame; ; ) if ((frame = await socket.next()).done) return frame;
  })();
  assert.equal(done.state, "succeeded");
  assert.equal((await socket.say({ input: name, text: "z" })).error.code, "input_closed");
});

test("a terminal without an offset begins where its screen can be drawn", async (t) => {
  const line = "head -c 400000 /dev/zero | tr '\\0' x; printf '\\033[2J\\033[Hnow'";
  const id = await jobs.start({ argv: ["sh", "-c", line], pty: true });
  await jobs.ended(id);
  const socket = await connect(t);
  const { log } = await socket.say({ subscribe: `log:${id}` });
  assert.equal(log.from, 400000);
  const { bytes } = await socket.whole(`log:${id}`);
  assert.equal(bytes.toString(), "\x1b[2J\x1b[Hnow");
  assert.equal((await socket.say({ subscribe: `log:${id}`, offset: 399999 })).log.from, 399999);
});

test("bad messages are refused each by its code, and the socket stays", async (t) => {
  const id = await jobs.ran("echo x");
  const open = await jobs.start({ argv: ["cat"], stdin_open: true });
  const socket = await connect(t);
  const name = `log:${id}`;
  const none = `log:run_${"0".repeat(id.length - 4)}`;
  const wrong = [
    [{ subscribe: none }, "not_found"],
    [{ subscribe: "log:run_x" }, "not_found"],
    [{ subscribe: name, stream: "all" }, "bad_field"],
    [{ subscribe: name, stream: 1 }, "bad_field"],
    [{ subscribe: name, attempt: 0 }, "bad_field"],
    [{ subscribe: name, attempt: 2 }, "not_found"],
    [{ subscribe: name, offset: "1" }, "bad_field"],
    [{ subscribe: name, offset: 9 }, "cursor_ahead"],
    [{ subscribe: name, after: 0 }, "unknown_field"],
    [{ ack: name, offset: -1 }, "bad_field"],
    [{ ack: name, input: name }, "unknown_field"],
    [{ input: 7, text: "x" }, "bad_field"],
    [{ input: none, text: "x" }, "not_found"],
    [{ input: `log:${id}/../x`, text: "x" }, "not_found"],
    [{ input: name, text: "x" }, "input_closed"],
    [{ input: `log:${open}` }, "missing_field"],
    [{ input: `log:${open}`, text: 1 }, "bad_field"],
    [{ input: `log:${open}`, text: "x", base64: "eA==" }, "bad_field"],
    [{ input: `log:${open}`, data: "x" }, "unknown_field"],
    [{ resize: `log:${open}`, columns: 80 }, "missing_field"],
    [{ resize: `log:${open}`, columns: 80, rows: 0 }, "bad_field"],
    [{ resize: name, columns: 80, rows: 24 }, "conflict"],
  ];
  for (const [message, code] of wrong) {
    const { error } = await socket.say(message);
    assert.equal(error?.code, code, JSON.stringify([message, error]));
  }
  socket.send({ ack: name, offset: 1 }); // As after the end.
  assert.deepEqual(await socket.settled(), []);
  assert.ok((await socket.say({ subscribe: "events" })).subscribed);
  assert.equal((await socket.say({ ack: "events", offset: 1 })).error.code, "bad_field");
  const live = `log:${open}`;
  assert.ok((await socket.say({ subscribe: live })).subscribed);
  assert.equal((await socket.say({ subscribe: live })).error.code, "conflict");
  assert.equal((await socket.say({ ack: live })).error.code, "missing_field");
  const more = [];
  for (let i = 0; i < 15; i++) more.push(await jobs.start({ argv: ["sleep", "1000"] }));
  for (const run of more) assert.ok((await socket.say({ subscribe: `log:${run}` })).subscribed);
  assert.equal((await socket.say({ subscribe: name })).error.code, "too_many");
  for (const run of [open, ...more]) await jobs.stop(run);
});

test("a token that only reads follows, and types nothing; others see nothing", async (t) => {
  const daemon = await start(t);
  const tokens = {};
  for (const [key, owner, scopes] of [
    ["bob", "bob", ["read", "run"]],
    ["reader", "bob", ["read"]],
    ["eve", "eve", ["read", "run"]],
  ]) {
    tokens[key] = bearer((await make(daemon, { owner, scopes })).token);
  }
  const made = await daemon.request("POST", "/api/v1/jobs", {
    body: { argv: ["cat"], stdin_open: true },
    headers: tokens.bob,
  });
  const name = `log:${made.json.id}`;
  const reader = await connect(t, daemon, tokens.reader);
  assert.ok((await reader.say({ subscribe: name })).subscribed);
  for (const message of [
    { input: name, text: "x" },
    { resize: name, columns: 80, rows: 24 },
  ]) {
    assert.equal((await reader.say(message)).error.code, "forbidden");
  }
  const eve = await connect(t, daemon, tokens.eve);
  for (const message of [{ subscribe: name }, { input: name, text: "x" }]) {
    assert.equal((await eve.say(message)).error.code, "not_found");
  }
  const bob = await connect(t, daemon, tokens.bob);
  assert.equal((await bob.say({ input: name, text: "hello" })).next, 5);
  assert.equal((await reader.next()).output.text, "hello");
  const closed = once(reader.socket, "close");
  await daemon.stop();
  assert.deepEqual((await reader.next()).closing, { after: 5, attempt: 1 });
  assert.equal((await closed)[0], 1001);
});
