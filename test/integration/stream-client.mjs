// stream-client.mjs: the client of web/src/stream in a test: a clock that stands still until it is
// moved, a proxy that cuts, stalls and drops, and a server that breaks the promises of the daemon.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";

import { root } from "./lib.mjs";
import { scaled } from "./scale.mjs";
import WebSocket from "./ws.mjs";

/** The client, compiled as the build of the pages compiles it. */
async function compiled() {
  const esbuild = createRequire(path.join(root, "web/package.json"))("esbuild");
  const built = await esbuild.build({
    entryPoints: [path.join(root, "web/src/stream/index.ts")],
    bundle: true, write: false, format: "esm", target: "es2022", logLevel: "warning",
  });
  return import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents)
    .toString("base64")}`);
}
const { open } = await compiled();

export class Clock {
  constructor() {
    this.time = Date.now();
    this.timers = new Set();
  }
  after(ms, call) {
    const timer = { due: this.time + ms, call };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }
  /** Timers run at their times, in order; those that they start, too. */
  advance(ms) {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter((timer) => timer.due <= end);
      if (due.length === 0) break;
      const first = due.reduce((a, b) => (b.due < a.due ? b : a));
      this.timers.delete(first);
      this.time = Math.max(this.time, first.due);
      first.call();
    }
    this.time = end;
  }
}

/** A client, and what its callbacks heard. */
export class Page {
  constructor(t, port, more = {}) {
    const page = this;
    this.clock = new Clock();
    this.errors = [];
    this.phases = [];
    this.frames = 0; // Texts that came from the daemon.
    this.waiting = new Set();
    class Counting extends WebSocket {
      constructor(url) {
        super(url);
        t.after(() => this.terminate());
        this.on("message", () => {
          page.frames++;
          setImmediate(() => page.check());
        });
      }
    }
    this.client = open({
      url: `ws://127.0.0.1:${port}/api/v1/ws`,
      WebSocket: Counting,
      now: () => this.clock.time,
      random: () => 0.5,
      after: (ms, call) => this.clock.after(ms, call),
      frame: (call) => setImmediate(call),
      onState: ({ phase }) => {
        if (this.phases.at(-1) !== phase) this.phases.push(phase);
        this.check();
      },
      onError: (error) => this.errors.push(error),
      ...more,
    });
    t.after(() => this.client.close());
    this.clock.advance(0);
  }
  get link() {
    return this.client.report().link;
  }
  of(name) {
    return this.client.report().streams[name];
  }
  check() {
    for (const one of this.waiting) if (one.isTrue()) one.resolve();
  }
  /** Waits until it is true; looked at after each thing that the client hears or says. */
  async until(isTrue, what = isTrue.toString()) {
    if (isTrue()) return;
    const one = { isTrue };
    const reached = new Promise((resolve) => (one.resolve = resolve));
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not reached: ${what}; ${
        JSON.stringify(this.client.report())}`)), scaled(30_000));
    });
    this.waiting.add(one);
    try {
      await Promise.race([reached, late]);
    } finally {
      clearTimeout(timer);
      this.waiting.delete(one);
    }
  }
  /** Follows, and keeps the events and snapshots that came. */
  follow(name, wish) {
    const heard = { events: [], snapshots: [], notices: [], batches: 0 };
    this.client.subscribe(name, {
      ...wish,
      onEvents: (events) => {
        heard.batches++;
        heard.events.push(...events);
        wish.onEvents?.(events);
      },
      onSnapshot: (data, seq) => {
        heard.snapshots.push({ data, seq });
        wish.onSnapshot?.(data, seq);
      },
      onNotices: (notices) => heard.notices.push(...notices),
      onState: () => this.check(),
    });
    return heard;
  }
  /** Follows the log of a job, and keeps its bytes. */
  followLog(run, wish = {}) {
    const heard = { pieces: [], dropped: [] };
    heard.log = this.client.log(run, {
      onPiece: (piece, taken) => {
        heard.pieces.push(piece);
        taken();
      },
      onDropped: (from, to) => heard.dropped.push([from, to]),
      onState: () => this.check(),
      ...wish,
    });
    heard.bytes = () => Buffer.concat(heard.pieces.map(({ bytes }) => bytes));
    heard.until = (text) => this.until(() => heard.bytes().includes(text), text);
    return heard;
  }
  opened() {
    return this.until(() => this.link.phase === "open", "an open link");
  }
  /** The connection ended: time passes up to each next attempt, until one succeeds. */
  async reconnected() {
    for (let tries = 0; tries < 100; tries++) {
      await this.until(() => this.link.phase !== "connecting", "the end of an attempt");
      if (this.link.phase === "open") return;
      assert.equal(this.link.phase, "waiting");
      this.clock.advance(this.link.retry_at_ms - this.clock.time);
    }
    assert.fail("100 attempts");
  }
}

/** Passes bytes on to `target`, a port that may change. */
export class Proxy {
  static async open(t, target) {
    const proxy = new Proxy();
    proxy.target = target;
    proxy.pairs = new Set();
    proxy.server = net.createServer((client) => proxy.take(client));
    await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.port = proxy.server.address().port;
    t.after(() => {
      proxy.cut();
      proxy.server.close();
    });
    return proxy;
  }
  take(client) {
    const upstream = net.connect(this.target, "127.0.0.1");
    const pair = { client, upstream, dropped: false };
    this.pairs.add(pair);
    client.on("error", () => {});
    upstream.on("error", () => {});
    client.on("data", (bytes) => pair.dropped || upstream.write(bytes));
    upstream.on("data", (bytes) => pair.dropped || client.write(bytes));
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => pair.dropped || client.destroy());
  }
  cut() {
    for (const { client, upstream } of this.pairs) {
      client.destroy();
      upstream.destroy();
    }
    this.pairs.clear();
  }
  /** As a router that forgets: nothing passes any more, and neither side is notified. */
  drop() {
    for (const pair of this.pairs) pair.dropped = true;
  }
  stall() {
    for (const { upstream } of this.pairs) upstream.pause();
  }
  flow() {
    for (const { upstream } of this.pairs) upstream.resume();
  }
}

/** A server of WebSockets whose answers are those of the test: `answer(said, socket)`. */
export async function liar(t, answer) {
  const server = new WebSocket.Server({ port: 0, host: "127.0.0.1" });
  await new Promise((resolve) => server.once("listening", resolve));
  server.on("connection", (socket) => {
    const tell = (frame) => socket.send(JSON.stringify(frame));
    socket.on("message", (text) => answer(JSON.parse(text), tell, socket));
  });
  t.after(() => {
    server.clients.forEach((socket) => socket.terminate());
    server.close();
  });
  return server.address().port;
}
