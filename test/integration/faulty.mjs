// faulty.mjs: a provider for tests that speaks the three interfaces and breaks where it is told to.
//
// One server for a kind serves many cases at once: the model's name is the case. What a case is
// played is a list, one play for each request; behind the last, the provider is well.
//
//   {answer}                        is said whole
//   {answer, at, how}               breaks at that place (PLACES) in that way (BREAKS)
//   {answer, at, inject}            says these bytes there, and goes on
//   {answer, shape}                 is whole, but its bytes look otherwise
//   {status, headers, body}         another answer than a stream
//   more: {headers} of a stream
//
// or a function that gives one of these.
import { once } from "node:events";
import net from "node:net";

import { framesOf } from "./wires.mjs";

/** Before anything; within the headers; within an event; behind text; within a call's arguments. */
export const PLACES = ["silent", "headers", "event", "text", "call"];

/** Ends a stream of which so much was said; `framed`: in chunks of HTTP, so that a close alone is
 *  no end, and where there is one, the connection stays for the next request. */
export const BREAKS = {
  stall: { end: () => {} },
  reset: { end: (socket) => socket.resetAndDestroy() },
  close: { end: (socket) => socket.end() },
  ended: { framed: true, end: (socket) => socket.write("0\r\n\r\n") },
  unended: { framed: true, end: (socket) => socket.end("1000\r\nda") },
};

const comments = ": hello\n\nid: 7\nretry: 10\n\n";
const SHAPES = {
  crlf: (body) => body.replaceAll("\n", "\r\n"),
  comments: (body) => `\ufeff${comments}${body.replaceAll("\n\n", "\n\n: keep-alive\n\n")}`,
  bytewise: (body) => body,
};
export const shapes = Object.keys(SHAPES);

const headOf = (status, headers) => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join("")}\r\n`;
};

/** The bytes of a body up to the place, and behind it. */
function split(kind, { answer, at }) {
  const frames = framesOf(kind, answer);
  const mark = at === "event" ? "text" : at;
  const found = frames.findIndex((frame) => frame.mark === mark);
  const whole = frames.map(({ bytes }) => bytes);
  if (found < 0) return at === undefined ? [whole.join(""), ""] : ["", whole.join("")];
  const before = whole.slice(0, at === "event" ? found : found + 1).join("");
  const rest = whole.join("").slice(before.length);
  const cut = at === "event" ? whole[found].length >> 1 : 0;
  return [before + rest.slice(0, cut), rest.slice(cut)];
}

export class Faulty {
  plays = new Map(); // Case → plays to come.
  asked = new Map(); // Case → bodies that came.

  constructor(kind) {
    this.kind = kind;
  }

  async start(t) {
    this.sockets = new Set();
    this.server = net.createServer((socket) => this.serve(socket));
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    t.after(() => this.stop());
    const { port } = this.server.address();
    this.url = `http://127.0.0.1:${port}${this.kind === "anthropic" ? "" : "/v1"}`;
    return this;
  }

  stop() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  serve(socket) {
    let bytes = Buffer.alloc(0);
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => {}); // The daemon may go first.
    socket.on("data", (piece) => {
      bytes = Buffer.concat([bytes, piece]);
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = bytes.subarray(0, end).toString();
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (bytes.length < end + 4 + length) return;
      const body = bytes.subarray(end + 4, end + 4 + length).toString();
      bytes = Buffer.alloc(0);
      if (head.startsWith("GET")) this.list(socket);
      else this.answer(socket, body);
    });
  }

  list(socket, models = []) {
    const body = JSON.stringify({ data: models });
    socket.end(headOf(200, { "content-type": "application/json" }) + body);
  }

  answer(socket, body) {
    const name = JSON.parse(body).model;
    this.asked.set(name, [...(this.asked.get(name) ?? []), body]);
    const next = this.plays.get(name)?.shift() ?? { answer: { text: "well" } };
    const play = typeof next === "function" ? next() : next;
    if (play.status) {
      socket.end(headOf(play.status, play.headers ?? {}) + (play.body ?? ""));
    } else if (play.how) {
      this.breakOff(socket, play);
    } else {
      void this.say(socket, play);
    }
  }

  head(play, framed) {
    const more = framed ? { "transfer-encoding": "chunked" } : { connection: "close" };
    return headOf(200, { "content-type": "text/event-stream", ...more, ...play.headers });
  }

  breakOff(socket, play) {
    const { framed, end } = BREAKS[play.how];
    const head = this.head(play, framed);
    const [said] = split(this.kind, play);
    const size = Buffer.byteLength(said).toString(16);
    const body = framed ? `${size}\r\n${said}\r\n` : said;
    const heard = { silent: "", headers: head.slice(0, head.length >> 1) }[play.at] ?? head + body;
    if (heard === "") end(socket);
    else socket.write(heard, () => end(socket));
  }

  async say(socket, play) {
    const [before, behind] = split(this.kind, play);
    const body = before + (play.inject ?? "") + behind;
    socket.write(this.head(play));
    const bytes = Buffer.from(SHAPES[play.shape]?.(body) ?? body);
    const step = play.shape === "bytewise" ? 1 : bytes.length;
    for (let at = 0; at < bytes.length && !socket.destroyed; at += step) {
      socket.write(bytes.subarray(at, at + step));
      if (step === 1) await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
  }
}
