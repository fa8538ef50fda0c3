// followed.test.mjs: a follower of owner:NAME ends with the lists that the API gives, through kills
// of the daemon.
//
// DROVER_TEST_ALL   30 kills and 10,000 changes
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";

const ALL = process.env.DROVER_TEST_ALL === "1";
const KILLS = ALL ? 30 : 3;
const CHANGES = ALL ? 10_000 : 150;
const LISTS = { run: "/runs", session: "/sessions", memory: "/memory", budget: "/budgets" };
const keyOf = (row) => row.id ?? row.scope;

/** Rows by kind and key, folded from events; each number comes once, in order. */
class Folded {
  seq = 0;
  rows = Object.fromEntries(Object.keys(LISTS).map((kind) => [kind, new Map()]));
  seen = new Map();

  take({ id, event, data }) {
    assert.equal(Number(id), this.seq + 1, "no number is left out, none comes twice");
    this.seq = Number(id);
    const kind = event.replace("_changed", "");
    if (kind === "seen") this.seen.set(data.run ?? data.session, data.seq);
    else if (data.removed) this.rows[kind]?.delete(keyOf(data));
    else this.rows[kind]?.set(keyOf(data), data);
  }
}

class Client {
  constructor(daemon) {
    this.daemon = daemon;
  }

  async ask(method, path, body) {
    const answer = await this.daemon.request(method, `/api/v1${path}`, { body, local: true });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
    return answer.json;
  }

  async all(path) {
    const items = [];
    for (let after = ""; after !== null;) {
      const page = await this.ask("GET", `${path}?limit=100${after && `&after=${after}`}`);
      items.push(...page.items);
      after = page.next;
    }
    return items;
  }
}

const target = (after) => `/api/v1/streams/owner:local/events?after=${after}`;

/** Follows from the cursor until the stream is cut off. */
async function follow(daemon, folded, until) {
  const stream = await openSse(daemon, target(folded.seq));
  assert.equal(stream.status, 200, stream.rest());
  for (let frame; (frame = await stream.next()) !== undefined;) {
    if (frame.id === undefined || frame.event === "closing") continue;
    folded.take({ ...frame, data: JSON.parse(frame.data) });
    if (until !== undefined && folded.seq >= until) break;
  }
  stream.close();
}

async function change(client, number) {
  const session = await client.ask("POST", "/sessions", { title: `talk ${number}` });
  const about = { topic: "t", title: `${number}`, content: "c" };
  const memory = await client.ask("POST", "/memory", about);
  const { id } = await client.ask("POST", "/jobs", { argv: ["true"], label: `job ${number}` });
  await client.ask("PATCH", "/budgets/project:p", { tokens: 1000 + number });
  await client.ask("PATCH", `/sessions/${session.id}`, { title: `Talk ${number}` });
  if (number % 2 === 0) await client.ask("DELETE", `/memory/${memory.id}`);
  if (number % 3 === 0) await client.ask("DELETE", `/sessions/${session.id}`);
  return id;
}

const head = async (client) => (await client.ask("GET", "/streams/owner:local")).head;

test(`a follower has what lists show after ${KILLS} kills`, { timeout: 600_000 }, async (t) => {
  const daemon = new Daemon({ data: scratch(t), args: ["--insecure-loopback"] });
  const client = new Client(daemon);
  const folded = new Folded();
  t.after(() => daemon.kill());
  for (let life = 0, number = 0; life <= KILLS; life++) {
    await daemon.start();
    const followed = life < KILLS ? follow(daemon, folded) : undefined;
    for (const aim = CHANGES * (life + 1) / (KILLS + 1); number * 8 < aim; number++) {
      await change(client, number);
    }
    if (life < KILLS) await daemon.kill();
    await followed;
  }
  const ended = async () => (await client.all("/runs")).every((row) => row.ended_ms !== null);
  while (!await ended()) await client.ask("GET", "/streams/owner:local/events?after=-1&wait=1");
  // What is removed page by page leaves the events as they are folded.
  await follow(daemon, folded, await head(client));
  for (const [kind, path] of Object.entries(LISTS)) {
    const listed = await client.all(path);
    const rows = folded.rows[kind];
    assert.deepEqual([...rows.keys()].sort(), listed.map(keyOf).sort(), path);
    for (const row of listed) {
      const told = rows.get(keyOf(row));
      const same = Object.keys(told).filter((name) => name in row);
      for (const name of same) assert.deepEqual(told[name], row[name], `${path} ${name}`);
    }
  }
  const [run] = await client.all("/runs");
  const before = await client.ask("GET", "/overview");
  assert.equal(before.unseen.ended[0].id, run.id);
  const seen = { run: run.id, seq: before.unseen.ended[0].seq };
  assert.deepEqual(await client.ask("POST", "/seen", seen), seen);
  const after = await client.ask("GET", "/overview");
  assert.equal(after.unseen.runs.succeeded, before.unseen.runs.succeeded - 1);
  const page = await client.ask("GET", `/streams/owner:local/events?snapshot=1`);
  assert.deepEqual(page.snapshot, after);
  await follow(daemon, folded, page.snapshot_seq);
  assert.equal(folded.seen.get(run.id), seen.seq);
});

test("names of these streams are nobody else's", async (t) => {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  for (const name of ["owner:local", "owner:x", "log:x", "system", "system:admin",
    "project:x", "run:x", "session:x"]) {
    for (const [method, rest, body] of [["POST", "/events", { type: "x" }], ["PATCH", "", {}],
      ["DELETE", "/events?through=1"]]) {
      const target = `/api/v1/streams/${name}${rest}`;
      const answer = await daemon.request(method, target, { body, local: true });
      assert.equal(answer.json.code, "stream_reserved", `${method} ${name}`);
      assert.match(answer.json.detail, /owner: or log:/);
    }
  }
  const refused = await daemon.request("POST", "/api/v1/seen", { body: { seq: 1 }, local: true });
  assert.equal(refused.json.code, "bad_field");
});

test("settings and the hold are followed in system", async (t) => {
  const daemon = await new Daemon({ data: scratch(t), args: ["--hold"] }).start();
  t.after(() => daemon.kill());
  const client = new Client(daemon);
  let head = 0;
  const told = async () => {
    const page = await client.ask("GET", "/streams/system/events");
    head = page.head;
    return page.events.filter(({ type }) => type !== "host_changed")
      .map(({ type, data }) => [type, data]);
  };
  assert.deepEqual(await told(), [["hold_changed", { held: true }]]);
  await client.ask("PATCH", "/settings", { effort: "high", window: 4096 });
  await client.ask("PATCH", "/settings", { effort: "high", window: null });
  await client.ask("POST", "/system/release");
  while ((await told()).length < 5) {
    await client.ask("GET", `/streams/system/events?after=${head}&wait=9`);
  }
  assert.deepEqual((await told()).slice(1), [
    ["setting_changed", { name: "effort", value: "high" }],
    ["setting_changed", { name: "window", removed: true }], // Its value went with it.
    ["setting_changed", { name: "window", removed: true }],
    ["hold_changed", { held: false }],
  ]);
  await daemon.stop();
  daemon.args = daemon.args.filter((word) => word !== "--hold");
  await daemon.start();
  assert.equal((await told()).length, 5); // The start says nothing that is known.
});
