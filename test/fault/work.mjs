// work.mjs: a small piece of everything that a daemon does, for a daemon that may fail in it.
//
// Each step is one request. An answer that is an error must be one of those allowed; the step is
// then asked again, since the next request works. A connection that ends without an answer is
// allowed when the daemon is gone, and where the fault took the memory for the answer.
import assert from "node:assert/strict";

import { scaled } from "../integration/scale.mjs";
import { STREAMS } from "./ledger.mjs";

const ANSWER_MS = scaled(20_000);

export class Died extends Error {}

export class Work {
  /** allowed: problem codes; silent: an answer may be missing though the daemon lives; tries: most
   *  errors that one step may meet. */
  constructor(daemon, ledger, { allowed = [], silent = false, tries = 1 } = {}) {
    Object.assign(this, { daemon, ledger, allowed, silent, tries });
    this.errors = [];
    this.dropped = 0;
  }

  /** One request; undefined: there was no answer. */
  async once(method, target, options) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${method} ${target} hangs`)), ANSWER_MS);
    });
    const answer = this.daemon.request(method, target, options).catch(() => undefined);
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async noAnswer(what) {
    let timer;
    const lives = new Promise((resolve) => (timer = setTimeout(resolve, scaled(5000), "lives")));
    const end = await Promise.race([this.daemon.exited, lives]);
    clearTimeout(timer);
    if (end !== "lives") throw new Died(what);
    this.dropped++;
    assert.ok(this.silent, `${what}: no answer from a daemon that lives`);
  }

  /** Asks until it is done. `told` hears each answer, or undefined where there was none. */
  async step(method, target, { good, told = () => {}, ...options }) {
    const what = `${method} ${target}`;
    for (let attempt = 0; attempt <= this.tries; attempt++) {
      const answer = await this.once(method, target, options);
      told(answer);
      if (answer === undefined) {
        await this.noAnswer(what);
        continue;
      }
      if (answer.status === good) return answer;
      this.problem(what, answer);
    }
    throw new Error(`${what}: no success after ${this.tries + 1} tries: ${this.errors.join()}`);
  }

  problem(what, { status, headers, text, json }) {
    assert.equal(headers["content-type"], "application/problem+json", `${what}: ${status} ${text}`);
    assert.equal(json.status, status, what);
    assert.ok(this.allowed.includes(json.code), `${what}: ${text}`);
    this.errors.push(json.code);
  }

  /** The same daemon for who wants to look: asks again where the fault was hit. */
  asker() {
    const ask = async (method, target, options = {}) => {
      for (let attempt = 0; ; attempt++) {
        const answer = await this.once(method, target, options);
        if (answer === undefined) {
          await this.noAnswer(`${method} ${target}`);
        } else if (answer.status < 500) {
          return answer;
        } else {
          this.problem(`${method} ${target}`, answer);
        }
        assert.ok(attempt < this.tries, `${method} ${target}: ${this.errors.join()}`);
      }
    };
    const append = (stream, body, headers) =>
      ask("POST", `/api/v1/streams/${stream}/events`, { body, headers });
    return { request: ask, append };
  }

  /** A refused event is given a new name: that it was refused means that it is nowhere. */
  async append(stream, { keyed = false, size = 0 } = {}) {
    for (let attempt = 0; attempt <= this.tries; attempt++) {
      const name = this.ledger.name();
      const body = { type: "note", data: { name, pad: "x".repeat(size) } };
      const headers = keyed ? { "idempotency-key": name } : {};
      this.ledger.sent.set(name, { stream, keyed, body });
      const answer = await this.once("POST", `/api/v1/streams/${stream}/events`, { body, headers });
      if (answer?.status === 201) {
        this.ledger.acked.set(name, answer.json.seq);
        return { body, headers, seq: answer.json.seq };
      }
      if (answer === undefined) {
        await this.noAnswer("append");
      } else {
        this.ledger.refused.add(name);
        this.problem("append", answer);
      }
    }
    throw new Error(`append: no success after ${this.tries + 1} tries: ${this.errors.join()}`);
  }

  async appendTwice(stream) {
    const { body, headers, seq } = await this.append(stream, { keyed: true });
    const target = `/api/v1/streams/${stream}/events`;
    const again = await this.step("POST", target, { good: 201, body, headers });
    assert.equal(again.json.seq, seq, "the same key gives the same event");
  }

  /** All at once: one group, or few, whose members may meet one fault together. */
  async burst(size = 0) {
    const tasks = [];
    for (let i = 0; i < 8; i++) {
      tasks.push(this.append(STREAMS[i % 2], { keyed: i % 3 === 0, size }));
    }
    const ends = await Promise.allSettled(tasks);
    const bad = ends.filter((end) => end.status === "rejected").map((end) => end.reason);
    if (bad.length > 0) throw bad.find((reason) => !(reason instanceof Died)) ?? bad[0];
  }

  async tokens(label) {
    const { tokens } = this.ledger;
    let made;
    for (let attempt = 0; made === undefined; attempt++) {
      assert.ok(attempt <= this.tries, `tokens: ${this.errors.join()}`);
      const name = `${label}.${attempt}`;
      const body = { scopes: ["read"], label: name };
      tokens.set(name, { state: "unknown" });
      const answer = await this.once("POST", "/api/v1/tokens", { body });
      if (answer === undefined) {
        await this.noAnswer("token");
      } else if (answer.status === 201) {
        made = { name, id: answer.json.id };
        tokens.set(name, { id: made.id, state: "made" });
      } else {
        tokens.set(name, { state: "refused" });
        this.problem("token", answer);
      }
    }
    return made;
  }

  async revoke({ name, id }) {
    const { tokens } = this.ledger;
    let unknown = false;
    for (let attempt = 0; ; attempt++) {
      assert.ok(attempt <= this.tries, `revoke: ${this.errors.join()}`);
      const answer = await this.once("DELETE", `/api/v1/tokens/${id}`);
      if (answer === undefined) {
        unknown = true;
        tokens.set(name, { id, state: "unknown" });
        await this.noAnswer("revoke");
      } else if (answer.status < 300 || (unknown && answer.status === 404)) {
        tokens.set(name, { id, state: "gone" });
        return;
      } else {
        this.problem("revoke", answer);
      }
    }
  }

  async keep(value) {
    const { keep } = this.ledger;
    keep.tried = [...keep.tried, value];
    const body = { keep_events: value };
    await this.step("PATCH", "/api/v1/streams/followed", { good: 200, body });
    keep.value = value;
    keep.tried = [];
  }

  async prune(through) {
    this.ledger.floorTried = through;
    const target = `/api/v1/streams/pruned/events?through=${through}`;
    await this.step("DELETE", target, { good: 200 });
    this.ledger.floor = through;
  }

  async wait() {
    const target = "/api/v1/streams/followed";
    const { head } = (await this.step("GET", target, { good: 200 })).json;
    const page = this.step("GET", `${target}/events?after=${head}&wait=10`, { good: 200 });
    page.catch(() => {});
    await this.append("followed");
    const { json } = await page;
    assert.equal(json.events[0].seq, head + 1);
  }

  /** Everything, in order. `aside` is called in the middle. */
  async all(label, aside) {
    await this.append("followed");
    await this.append("pruned");
    await this.appendTwice("followed");
    await this.burst();
    await this.step("GET", "/api/v1/streams?total=1", { good: 200 });
    await this.wait();
    const token = await this.tokens(label);
    await this.step("GET", "/api/v1/tokens", { good: 200 });
    await aside?.();
    await this.burst(70_000);
    await this.keep(1_000_000 + this.ledger.next);
    await this.prune(this.ledger.floor + 2);
    await this.revoke(token);
    await this.step("GET", "/api/v1/streams/pruned/events?limit=1000", { good: 200 });
    await this.step("GET", "/api/v1/openapi.json", { good: 200 });
    await this.append("followed");
  }
}
