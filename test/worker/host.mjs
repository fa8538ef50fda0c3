// host.mjs: the other end of a worker's socket, for tests: frames in, frames out.
import { spawn } from "node:child_process";
import path from "node:path";

const folder = path.dirname(process.env.DROVER_BIN ?? "build/drover");
// build/drover is build/release/drover without its symbols; the programs of tests are beside that.
const built = path.basename(folder) === "build" ? path.join(folder, "release") : folder;
const PROGRAM = process.env.DROVER_WORKER ?? path.join(built, "test/worker/alone");

const LIMITS = {
  concurrency: 4, agents: 1000, items: 4096, lines: 10000, line_bytes: 4096, cpu_ms: 2000,
  unanswered: 8192, memory_mb: 256,
};

const framed = (messages) => {
  const body = Buffer.from(JSON.stringify(messages));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
};

export class Worker {
  #child;
  #bytes = Buffer.alloc(0);
  #frames = [];
  #waiting = [];
  #code;

  constructor(t) {
    this.#child = spawn(PROGRAM, [], { stdio: ["ignore", "inherit", "inherit", "pipe"] });
    this.#child.stdio[3].on("data", (bytes) => this.#got(bytes)).on("error", () => {});
    this.ended = new Promise((resolve) => this.#child.on("close", (code, signal) => {
      this.#code = code ?? signal;
      for (const wake of this.#waiting.splice(0)) wake(null);
      resolve(this.#code);
    }));
    t?.after(() => this.#child.kill("SIGKILL"));
  }

  get pid() {
    return this.#child.pid;
  }

  #got(bytes) {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readUInt32LE()) {
      const end = 4 + this.#bytes.readUInt32LE();
      const frame = JSON.parse(this.#bytes.subarray(4, end).toString());
      this.#bytes = this.#bytes.subarray(end);
      const wake = this.#waiting.shift();
      if (wake) wake(frame);
      else this.#frames.push(frame);
    }
  }

  // The next frame; null when the worker has ended.
  frame() {
    if (this.#frames.length > 0) return Promise.resolve(this.#frames.shift());
    if (this.#code !== undefined) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  say(...messages) {
    this.#child.stdio[3].write(framed(messages));
  }

  close() {
    this.#child.stdio[3].end();
  }

  start(script, { limits, ...more } = {}) {
    this.say({
      t: "start", script, form: "body", file: "flow.js", total: null, spent: 0, history: [],
      ...more, limits: { ...LIMITS, ...limits },
    });
  }

  // The module's text as the reader prepares it; resolves to the frame of its description.
  flow(script, { limits, ...more } = {}) {
    this.say({
      t: "flow", script, form: "flow", file: "flow.js", ...more, limits: { ...LIMITS, ...limits },
    });
    return this.turn();
  }

  // Says so, and resolves to all up to the next quiet or the end.
  ask(...messages) {
    this.say(...messages);
    return this.turn();
  }

  // All messages up to the next quiet or the end, in order.
  async turn() {
    const messages = [];
    for (;;) {
      const frame = await this.frame();
      if (frame === null) return messages;
      messages.push(...frame);
      const last = messages.at(-1);
      if (last.t === "quiet" || last.t === "end") return messages;
    }
  }
}

const isCall = (message) => message.t === "call" || message.t === "workflow";
const echo = (call) => ({ o: "value", v: call.prompt });

// Runs a script to its end: `answer(call)` gives the outcome of each call. They are answered in the
// order they came, those of one turn in one frame.
export async function play(t, script, { answer = echo, ...options } = {}) {
  const worker = new Worker(t);
  worker.start(script, options);
  const messages = [];
  let spent = options.spent ?? 0;
  for (;;) {
    const turn = await worker.turn();
    messages.push(...turn);
    const last = turn.at(-1);
    if (last === undefined || last.t === "end") {
      return { end: last, messages, calls: messages.filter(isCall), code: await worker.ended };
    }
    worker.say(...turn.filter(isCall).map((call) => {
      const outcome = answer(call, messages);
      spent = outcome.spent ?? spent;
      return { t: "settle", id: call.id, spent, ...outcome };
    }));
  }
}
