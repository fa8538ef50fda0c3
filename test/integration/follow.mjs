// follow.mjs: three ways to follow a stream, each resumed at its own cursor after every disconnect.
// A follower keeps a copy of all it got and refuses a gap or a repeat at once.
import assert from "node:assert/strict";
import http from "node:http";

import { scaled } from "./scale.mjs";
import WebSocket from "./ws.mjs";

const pathOf = (stream) => `/api/v1/streams/${encodeURIComponent(stream)}/events`;

class Follower {
  constructor(name, daemon, stream) {
    this.name = name;
    this.daemon = daemon;
    this.stream = stream;
    this.copy = [];
    this.waiting = [];
    this.failure = undefined;
    this.connected = 0;
  }
  get cursor() {
    return this.copy.length;
  }
  take({ seq, type, data }) {
    if (seq !== this.cursor + 1 && !this.failure) {
      this.failure = new Error(`${this.name}: got seq ${seq} after ${this.cursor}`);
      this.waiting.forEach(({ resolve }) => resolve());
    }
    if (this.failure) return;
    this.copy.push({ seq, type, data });
    this.waiting = this.waiting.filter(({ head, resolve }) => this.cursor < head || resolve());
  }
  stop() {
    this.stopped = true;
    this.close?.();
  }
  /** The copy, once it reaches `head`; no reader that is served needs `seconds` for that. */
  async until(head, seconds = 30) {
    let timer;
    const reached = new Promise((resolve) => this.waiting.push({ head, resolve }));
    const late = new Promise((resolve) => (timer = setTimeout(resolve, scaled(seconds * 1000))));
    if (this.cursor < head && !this.failure) await Promise.race([reached, late]);
    clearTimeout(timer);
    this.stop();
    if (this.failure) throw this.failure;
    assert.ok(this.cursor >= head, `${this.name}: at ${this.cursor} of ${head}; ${this.trouble}`);
    return this.copy;
  }
  /** Connects again for ever; `once` is one connection's life. */
  async loop(once) {
    while (!this.stopped) {
      try {
        if (this.daemon.running && this.daemon.port) await once();
      } catch (error) {
        // The daemon died or is not up yet: the next round tries again.
        this.trouble = error;
      }
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.daemon.running) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  path() {
    return pathOf(this.stream);
  }
}

export function followSse(daemon, stream) {
  const follower = new Follower("SSE", daemon, stream);
  follower.loop(
    () =>
      new Promise((resolve, reject) => {
        const request = http.get(
          {
            host: "127.0.0.1",
            port: daemon.port,
            path: follower.path(),
            agent: false,
            headers: { accept: "text/event-stream", "last-event-id": String(follower.cursor) },
          },
          (answer) => {
            answer.on("error", reject);
            answer.on("close", resolve);
            if (answer.statusCode !== 200) {
              answer.resume();
              reject(new Error(`status ${answer.statusCode}`));
              return;
            }
            follower.connected++;
            let text = "";
            answer.setEncoding("utf8");
            answer.on("data", (chunk) => {
              text += chunk;
              for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
                takeSseFrame(follower, text.slice(0, end));
              }
            });
          },
        );
        follower.close = () => request.destroy();
        request.on("error", reject);
      }),
  );
  return follower;
}

function takeSseFrame(follower, frame) {
  const fields = Object.fromEntries(
    frame
      .split("\n")
      .filter((line) => line && !line.startsWith(":"))
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
  );
  if (!fields.event || ["closing", "done", "snapshot"].includes(fields.event)) return;
  const data = JSON.parse(fields.data);
  follower.take({ seq: Number(fields.id), type: fields.event, data });
}

export function followWebSocket(daemon, stream) {
  const follower = new Follower("WebSocket", daemon, stream);
  follower.loop(
    () =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`);
        follower.close = () => socket.terminate();
        socket.on("open", () => {
          follower.connected++;
          socket.send(JSON.stringify({ subscribe: stream, after: follower.cursor }));
        });
        socket.on("message", (text) => {
          const frame = JSON.parse(text);
          if (frame.error) {
            follower.trouble = frame.error;
            socket.terminate();
          }
          if (frame.seq !== undefined && frame.stream === stream && frame.type !== "closing") {
            follower.take(frame);
          }
        });
        socket.on("error", reject);
        socket.on("close", resolve);
      }),
  );
  return follower;
}

export function followPoll(daemon, stream) {
  const follower = new Follower("long-poll", daemon, stream);
  follower.loop(async () => {
    const { status, json } = await daemon.request(
      "GET",
      `${follower.path()}?after=${follower.cursor}&limit=1000&wait=5`,
    );
    assert.equal(status, 200);
    follower.connected++;
    json.events.forEach((event) => follower.take(event));
  });
  return follower;
}

/** Everything that the store holds of a stream above `start`, page by page. */
export async function readAll(daemon, stream, start = 0) {
  const events = [];
  for (;;) {
    const { status, json } = await daemon.request(
      "GET",
      `${pathOf(stream)}?after=${start + events.length}&limit=1000`,
    );
    assert.equal(status, 200, JSON.stringify(json));
    events.push(...json.events);
    if (start + events.length >= json.head) return { events, head: json.head, floor: json.floor };
    assert.ok(json.events.length > 0, "a page before the head is not empty");
  }
}
