// ledger.mjs: what was asked of a daemon and what it answered, and whether its store agrees.
//
// A request that was answered with success is there exactly once; a refused one is not there; one
// without an answer is there once or not at all, and exactly once when it is sent again with its
// key.
import assert from "node:assert/strict";

import { readAll } from "../integration/follow.mjs";

export const STREAMS = ["followed", "pruned"];

export class Ledger {
  constructor(from) {
    this.sent = new Map(from?.sent); // name → {stream, keyed}
    this.acked = new Map(from?.acked); // name → seq
    this.refused = new Set(from?.refused);
    this.tokens = new Map(from?.tokens); // label → {id, state}
    this.keep = { ...(from?.keep ?? { known: true, value: undefined, tried: [] }) };
    this.floor = from?.floor ?? 0; // Acknowledged.
    this.floorTried = from?.floorTried ?? 0;
    this.next = from?.next ?? 0;
  }

  name() {
    return `e${this.next++}`;
  }

  unanswered() {
    return [...this.sent.keys()].filter((name) => !this.acked.has(name) && !this.refused.has(name));
  }

  /** Holds the store against the ledger. `seen`: copies that readers made of STREAMS[0]. */
  async check(daemon, seen = []) {
    for (const [name, { stream, keyed, body }] of this.sent) {
      if (!keyed || this.acked.has(name) || this.refused.has(name)) continue;
      const { status, json } = await daemon.append(stream, body, { "idempotency-key": name });
      assert.equal(status, 201, `${name}, asked again with its key: ${JSON.stringify(json)}`);
      this.acked.set(name, json.seq);
    }
    const stored = new Map();
    for (const stream of STREAMS) {
      const events = await this.checkStream(daemon, stream, stored);
      if (stream === STREAMS[0]) checkCopies(seen, events);
    }
    this.checkEvents(stored);
    await this.checkTokens(daemon);
    await this.checkKeep(daemon);
  }

  async checkStream(daemon, stream, stored) {
    const start = await daemon.request("GET", `/api/v1/streams/${stream}`);
    if (start.status === 404) return [];
    const { floor } = start.json;
    const { events, head } = await readAll(daemon, stream, floor);
    assert.deepEqual(
      events.map((event) => event.seq),
      Array.from({ length: head - floor }, (_, i) => floor + 1 + i),
      `${stream}: seq runs from ${floor + 1} to ${head}`,
    );
    if (stream === "pruned") {
      assert.ok(
        floor === this.floor || floor === this.floorTried,
        `floor ${floor} is what was answered (${this.floor}) or tried (${this.floorTried})`,
      );
    }
    for (const { seq, data } of events) {
      assert.ok(!stored.has(data.name), `${data.name} is stored once`);
      assert.equal(this.sent.get(data.name)?.stream, stream, `${data.name} was sent to ${stream}`);
      stored.set(data.name, seq);
    }
    return events;
  }

  checkEvents(stored) {
    for (const [name, seq] of this.acked) {
      const pruned = this.sent.get(name).stream === "pruned" && seq <= this.floorTried;
      if (!pruned || stored.has(name)) {
        assert.equal(stored.get(name), seq, `acknowledged ${name} is stored at its seq`);
      }
    }
    for (const name of this.refused) assert.ok(!stored.has(name), `refused ${name} is not there`);
  }

  async checkTokens(daemon) {
    const { status, json } = await daemon.request("GET", "/api/v1/tokens?limit=200");
    assert.equal(status, 200, JSON.stringify(json));
    const listed = json.items.map((token) => token.label);
    for (const [label, { state }] of this.tokens) {
      const count = listed.filter((other) => other === label).length;
      if (state === "made") assert.equal(count, 1, `token ${label} is there`);
      if (state === "gone" || state === "refused") assert.equal(count, 0, `no token ${label}`);
      assert.ok(count <= 1, `token ${label} is there once`);
    }
  }

  async checkKeep(daemon) {
    const { json } = await daemon.request("GET", `/api/v1/streams/followed`);
    const { tried, value } = this.keep;
    const found = json.keep_events || undefined;
    const known = found === value || tried.includes(found);
    assert.ok(known, `keep_events is ${found}: ${value} or one of ${tried}`);
  }
}

function checkCopies(copies, events) {
  const truth = events.map(({ seq, type, data }) => ({ seq, type, data }));
  for (const { name, copy, failure } of copies) {
    assert.equal(failure, undefined);
    assert.deepEqual(copy, truth.slice(0, copy.length), `what ${name} saw is what is stored`);
  }
}
