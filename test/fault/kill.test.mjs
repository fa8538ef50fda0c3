// The daemon is killed with SIGKILL again and again while 64 writers append and three readers
// follow. Afterwards every acknowledged event is there once, in order, at the seq that was
// promised; an unacknowledged one is there once or not at all; and each reader, resumed after every
// kill over SSE, WebSocket or long-poll, holds exactly what the store holds, without a gap or a
// repeat.
//
// Every second writer sends an Idempotency-Key, and asks again after the restart until it is
// answered: of those each event is there exactly once.
//
// runs-with: release, postgres, each
//
// DROVER_KILLS       how many kills (200); DROVER_KILL_SECONDS  stop after that long (45)
// DROVER_SEED        repeats a run's kill points
// DROVER_DATABASE    postgres://… to run the daemon on; the schema is made anew
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import net from "node:net";
import { test } from "node:test";

import { Daemon, Random, scratch } from "../integration/lib.mjs";
import { followPoll, followSse, followWebSocket, readAll } from "../integration/follow.mjs";
import { scaled } from "../integration/scale.mjs";

const WRITERS = 64;
const STREAM = "kill-test";
const kills = Number(process.env.DROVER_KILLS ?? 200);
const seconds = Number(process.env.DROVER_KILL_SECONDS ?? 45);
const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));

// One keep-alive connection that has at most one request under way. A request whose answer did not
// arrive is `unknown`: without a key it is never sent again, so the store may hold it once or not
// at all.
class Writer {
  constructor(index, ledger) {
    this.index = index;
    this.ledger = ledger;
    this.next = 0;
    this.keyed = index % 2 === 1;
  }

  async run(daemon, life) {
    const socket = net.connect(daemon.port, "127.0.0.1");
    socket.setNoDelay(true);
    socket.on("error", () => {});
    try {
      await life.race(new Promise((resolve) => socket.once("connect", resolve)));
      while (!life.over) {
        await this.append(daemon, socket, life);
      }
    } catch (error) {
      if (error !== life.ended) life.fail(error);
    } finally {
      socket.destroy();
    }
  }

  async append(daemon, socket, life) {
    const n = this.next;
    const name = `${this.index}/${n}`;
    if (!this.keyed) this.next++;
    const body = JSON.stringify({ type: "note", data: { w: this.index, n } });
    this.ledger.sent.add(name);
    const answer = life.race(readAnswer(socket));
    socket.write(
      `POST /api/v1/streams/${STREAM}/events HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\n` +
        (this.keyed ? `Idempotency-Key: ${name}\r\n` : "") +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    const { status, text } = await answer;
    assert.equal(status, 201, text);
    this.ledger.acked.set(name, JSON.parse(text).seq);
    this.next = n + 1;
    life.acknowledged();
  }
}

function readAnswer(socket) {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (chunk) => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? NaN);
      if (Number.isNaN(length)) return reject(new Error(`no length in: ${text}`));
      if (text.length < end + 4 + length) return;
      socket.off("data", onData);
      resolve({ status: Number(text.slice(9, 12)), text: text.slice(end + 4) });
    };
    socket.on("data", onData);
  });
}

// One life of the daemon, from ready to kill, which comes after `killAfter` acknowledgements.
// `race` ends whatever waits when the life ends; a daemon that ends by itself, or a wrong answer,
// fails it.
class Life {
  constructor(daemon, killAfter) {
    this.over = false;
    this.left = killAfter;
    this.ended = new Error("the daemon was killed");
    this.death = new Promise((_, reject) => (this.die = reject));
    this.death.catch(() => {});
    this.killTime = new Promise((resolve, reject) => ([this.kill, this.fail] = [resolve, reject]));
    this.killTime.catch(() => {});
    if (killAfter === 0) this.kill();
    daemon.exited.then((end) =>
      this.fail(new Error(`the daemon ended by itself: ${JSON.stringify(end)}\n${daemon.log}`)),
    );
  }
  acknowledged() {
    if (--this.left === 0) this.kill();
  }
  end() {
    this.over = true;
    this.die(this.ended);
  }
  race(promise) {
    return Promise.race([promise, this.death]);
  }
}

async function killOften(daemon, writers, random) {
  const stopAt = Date.now() + seconds * 1000;
  let killed = 0;
  while (killed < kills && Date.now() < stopAt) {
    // Now and then the daemon dies while it starts; otherwise after so many acknowledgements.
    if (random.below(8) === 0) {
      await daemon.startAndKillWithin(random.below(12));
      killed++;
    }
    await daemon.start();
    const life = new Life(daemon, random.below(300));
    const work = writers.map((writer) => writer.run(daemon, life));
    try {
      await life.killTime;
    } finally {
      await daemon.kill();
      life.end();
      await Promise.all(work);
    }
    killed++;
  }
  return killed;
}

/** Those with a key ask once more for what was not answered. */
async function askAgain(daemon, writers) {
  const life = new Life(daemon, Infinity);
  const work = writers
    .filter((writer) => writer.keyed)
    .map(async (writer) => {
      const socket = net.connect(daemon.port, "127.0.0.1");
      await writer.append(daemon, socket, life);
      socket.destroy();
    });
  await Promise.race([Promise.all(work), life.killTime]);
}

function checkStored(ledger, events, head) {
  assert.deepEqual(
    events.map((event) => event.seq),
    Array.from({ length: head }, (_, i) => i + 1),
    "seq runs from 1 to head",
  );
  const stored = new Map();
  const last = new Map();
  for (const { seq, data } of events) {
    const name = `${data.w}/${data.n}`;
    assert.ok(ledger.sent.has(name), `${name} was sent`);
    assert.ok(!stored.has(name), `${name} is stored once`);
    assert.ok((last.get(data.w) ?? -1) < data.n, `${name} keeps its writer's order`);
    stored.set(name, seq);
    last.set(data.w, data.n);
  }
  for (const [name, seq] of ledger.acked) {
    assert.equal(stored.get(name), seq, `acknowledged ${name} is stored at its seq`);
  }
  for (const name of ledger.sent) {
    if (Number(name.split("/")[0]) % 2 === 1) assert.ok(stored.has(name), `${name} is stored`);
  }
}

const title = `${kills} kills under ${WRITERS} writers lose nothing (seed ${seed})`;
test(title, { timeout: scaled(600_000) }, async (t) => {
  const random = new Random(seed);
  const ledger = { sent: new Set(), acked: new Map() };
  const writers = Array.from({ length: WRITERS }, (_, i) => new Writer(i, ledger));
  const daemon = new Daemon({ data: scratch(t), args: ["--insecure-loopback"] });
  const readers = [followSse, followWebSocket, followPoll].map((follow) => follow(daemon, STREAM));
  t.after(async () => {
    readers.forEach((reader) => reader.stop());
    await daemon.kill();
  });
  const killed = await killOften(daemon, writers, random);
  await daemon.start();
  await askAgain(daemon, writers);

  const { events, head, floor } = await readAll(daemon, STREAM);
  assert.equal(floor, 0);
  checkStored(ledger, events, head);
  const truth = events.map(({ seq, type, data }) => ({ seq, type, data }));
  for (const reader of readers) {
    const copy = await reader.until(head);
    assert.deepEqual(copy, truth, `the ${reader.name} reader holds what the store holds`);
  }
  const connected = readers.map((reader) => `${reader.name} ${reader.connected}`).join(", ");
  t.diagnostic(
    `seed ${seed}: ${killed} kills, ${ledger.acked.size} acknowledged, ` +
      `${ledger.sent.size - ledger.acked.size} unanswered, ${head} stored, ` +
      `readers connected ${connected} times`,
  );
  assert.ok(ledger.acked.size > killed);
});
