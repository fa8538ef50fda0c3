// turns.mjs: what tests of turns share: sessions, messages, and a listener that puts together what
// it heard the way a client does.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { Daemon, remove } from "./lib.mjs";
import { openSse } from "./sse.mjs";

/** The lines of a script: `call` takes the arguments as an object. */
export const say = (text) => `say: ${text}`;
export const call = (tool, args) => `call: ${tool} ${JSON.stringify(args)}`;
export const script = (...lines) => lines.join("\n");

/** What a client shows of a session: the text of each step of each message, as the events of its
 *  stream build it. A step begins with output_started, and what broke off is taken back. */
export class Heard {
  constructor() {
    this.steps = new Map(); // "message step" → {delta, thinking_delta}
    this.after = 0;
    this.events = [];
    this.discarded = 0;
  }

  /** Begins with a snapshot: what its messages say so far is heard. */
  static from(snapshot, seq) {
    const heard = new Heard();
    heard.after = seq;
    for (const message of snapshot.messages) {
      for (const [key, step] of Heard.stored(message)) heard.steps.set(key, step);
    }
    return heard;
  }

  take(event) {
    const { data, seq, type } = event;
    assert.ok(seq > this.after, `${seq} comes behind ${this.after}`);
    this.after = seq;
    this.events.push(event);
    const key = `${data.message} ${data.step}`;
    if (type === "output_discarded") this.discarded++;
    if (type === "output_started" || type === "output_discarded") this.steps.delete(key);
    if (type !== "delta" && type !== "thinking_delta") return;
    const step = this.steps.get(key) ?? { delta: "", thinking_delta: "" };
    step[type] += data.text;
    this.steps.set(key, step);
  }

  /** The same of a stored message. */
  static stored(message) {
    const steps = new Map();
    const channels = { text: "delta", thinking: "thinking_delta" };
    for (const part of message.parts.filter((one) => one.kind in channels)) {
      const key = `${message.id} ${part.step}`;
      const step = steps.get(key) ?? { delta: "", thinking_delta: "" };
      step[channels[part.kind]] += part.text;
      steps.set(key, step);
    }
    return steps;
  }

  of(message) {
    return new Map([...this.steps].filter(([key]) => key.startsWith(`${message.id} `)));
  }

  agreesWith(message) {
    assert.deepEqual(this.of(message), Heard.stored(message), `what was heard of ${message.id}`);
  }
}

/** A listener of one session's stream. */
export class Listener {
  constructor(turns, session) {
    this.turns = turns;
    this.session = session;
    this.heard = new Heard();
  }

  async open() {
    const target = `/api/v1/streams/session:${this.session}/events?after=${this.heard.after}`;
    this.sse = await openSse(this.turns.daemon, target, this.turns.headers);
    assert.equal(this.sse.status, 200);
    return this;
  }

  /** The next event of that type for which `fits` says yes; a daemon that is gone is looked for
   *  when the test has started it again. */
  async until(type, fits = () => true) {
    for (let frame; (frame = await this.sse.next()); ) {
      if (frame.id === undefined) continue;
      const event = { seq: Number(frame.id), type: frame.event, data: JSON.parse(frame.data) };
      this.heard.take(event);
      if ([type].flat().includes(event.type) && fits(event.data)) return event.data;
    }
    assert.fail(`the stream ended before ${type}`);
  }

  ended(run) {
    return this.until("turn_finished", (data) => data.run === run);
  }

  close() {
    this.sse.close();
  }
}

export class Turns {
  /** A daemon of its own on a folder of its own, with a root to work in. */
  static async open(t, { args = ["--insecure-loopback"], ...more } = {}) {
    const turns = new Turns();
    turns.folder = mkdtempSync(path.join(tmpdir(), "drv-"));
    turns.root = path.join(turns.folder, "root");
    turns.headers = {};
    mkdirSync(turns.root);
    turns.daemon = new Daemon({ data: path.join(turns.folder, "d"), args, ...more });
    t.after(async () => {
      if (turns.daemon.running) await turns.daemon.stop();
      await remove(turns.folder);
    });
    await turns.daemon.start();
    return turns;
  }

  ask(method, target, body) {
    const { headers } = this;
    return this.daemon.request(method, `/api/v1${target}`, { body, headers });
  }

  async get(target) {
    const answer = await this.ask("GET", target);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  /** The end of a job, by its own stream. */
  async jobEnd(run) {
    for (let after = 0; ; ) {
      const page = await this.get(`/streams/run:${run}/events?after=${after}&wait=20`);
      const end = page.events.find(({ type }) => type === "run_finished");
      if (end) return end.data;
      assert.ok(page.events.length > 0, `${run} has not ended`);
      after = page.events.at(-1).seq;
    }
  }

  /** One that a model would name has a title: providers here are asked what tests say, no more. */
  async session(body = {}) {
    const { model = "scripted/demo", title = model.startsWith("scripted/") ? "" : "A talk" } = body;
    const answer = await this.ask("POST", "/sessions", { ...body, model, title });
    assert.equal(answer.status, 201, answer.text);
    return answer.json.id;
  }

  /** A session whose tools work in the root, and somebody who listens to it. */
  async listen(body) {
    const session = await this.session(body);
    return new Listener(this, session).open();
  }

  post(session, body) {
    return this.ask("POST", `/sessions/${session}/messages`, body);
  }

  async send(session, text, more = {}) {
    const answer = await this.post(session, { text, ...more });
    assert.equal(answer.status, 201, answer.text);
    return answer.json;
  }

  async messages(session) {
    const all = [];
    for (let after = "", page; after !== null; after = page.next) {
      const from = after === "" ? "" : `&after=${after}`;
      page = await this.get(`/sessions/${session}/messages?order=oldest&limit=200${from}`);
      all.push(...page.items);
    }
    return all;
  }

  /** The answer of that turn, as it is stored. */
  async answer(session, run) {
    const all = await this.messages(session);
    const found = all.filter((one) => one.role === "assistant" && one.run === run);
    assert.equal(found.length, 1, `${run} has one answer`);
    return found[0];
  }

  /** Says it, and hears it to its end: {run, end, message}. */
  async turn(listener, text, more) {
    const { run } = await this.send(listener.session, text, more);
    const end = await listener.ended(run);
    return { run, end, message: await this.answer(listener.session, run) };
  }

  approve(id, body = { decision: "allow" }) {
    return this.ask("POST", `/approvals/${id}`, body);
  }
}

export const textOf = (message) =>
  message.parts.filter((part) => part.kind === "text").map((part) => part.text).join("");
export const toolsOf = (message) => message.parts.filter((part) => part.kind === "tool");

/** A verdict of a person on the last attempt at a task. `client` asks as Turns does. */
export async function judge(client, at, accept, ...reasons) {
  const { json: { attempt } } = await client.ask("GET", at);
  return client.ask("POST", `${at}/review`, { attempt, accept, reasons });
}
