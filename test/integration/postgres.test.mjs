// postgres.test.mjs: two daemons and one schema.
//
// runs-with: postgres
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import net from "node:net";

import { Host, lockOfSchema, replace, schemaUrl, sql } from "./hosts.mjs";
import { Daemon, scratch, sideBySide } from "./lib.mjs";
import { keptPort } from "./ports.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { sql as change } from "./sql.mjs";
import { openSse } from "./sse.mjs";
import { say, textOf, Turns } from "./turns.mjs";
import { Silent } from "./wires.mjs";

const test = sideBySide(4);
const skip = process.env.DROVER_DATABASE ? false : "needs DROVER_DATABASE";

const daemonOn = (t, url) => new Host(t, url);
const says = (daemon, what) => daemon.says(what);

for (const signal of ["SIGTERM", "SIGINT"]) {
  test(`${signal} ends a daemon that stands by, in order`, { skip }, async (t) => {
    const url = schemaUrl();
    const first = await daemonOn(t, url).start();
    const second = daemonOn(t, url);
    second.spawn();
    await says(second, /standing by/);
    second.child.kill(signal);
    assert.deepEqual(await second.exited, { code: 0, signal: null });
    await second.closed;
    assert.equal(second.log.trim().split("\n").length, 2, second.log);
    assert.match(second.log, /stopped while standing by/);
    assert.ok(!existsSync(second.socket));
    assert.equal((await first.append("s", { type: "t" })).status, 201);
    assert.equal((await first.stop()).code, 0);
  });
}

test("a daemon that took over after it stood by stops as any other", { skip }, async (t) => {
  const url = schemaUrl();
  const first = await daemonOn(t, url).start();
  const second = daemonOn(t, url);
  const started = second.start();
  await says(second, /standing by/);
  assert.equal((await first.stop()).code, 0);
  await started;
  assert.equal((await second.append("s", { type: "t" })).status, 201);
  assert.deepEqual(await second.stop(), { code: 0, signal: null });
});

test("an idle daemon that was replaced finds out, and stands by", { skip }, async (t) => {
  const url = schemaUrl();
  const first = await new Host(t, url).start();
  const { pid } = first.child;
  assert.equal((await first.append("s", { type: "t" })).status, 201);
  const follower = await openSse(first, "/api/v1/streams/s/events");
  assert.equal((await follower.next()).id, "1");
  const second = await new Host(t, url).standsBy();
  await replace(url, first, second);
  await first.says(/standing by/); // Nobody writes, and still it does not stay.
  assert.match(first.log, /replaced/);
  assert.ok(!existsSync(first.socket));
  assert.equal(await follower.next(), undefined);
  assert.equal((await second.append("s", { type: "t" })).json.seq, 2);
  assert.deepEqual([first.running, first.child.pid], [true, pid]);
  // It leads again when the other one ends, and has forgotten what it knew.
  assert.equal((await second.stop()).code, 0);
  await first.leads(2);
  assert.equal((await first.append("s", { type: "t" })).json.seq, 3);
  assert.deepEqual(await first.stop(), { code: 0, signal: null });
});

test("a daemon that is replaced over and over ends with exit code 8", { skip }, async (t) => {
  const url = schemaUrl();
  const env = { DROVER_RESTARTS: "5" }; // So often, and it never led for a minute.
  const first = await new Host(t, url, { env }).start();
  const second = await new Host(t, url).standsBy();
  await replace(url, first, second);
  assert.deepEqual(await first.exited, { code: 8, signal: null });
  assert.match(first.log, /too many in a row/);
  assert.doesNotMatch(first.log, /DROVER_RESTARTS/);
});

test("an idle daemon outlives the end of its session, if unopposed", { skip }, async (t) => {
  const url = schemaUrl();
  const daemon = await daemonOn(t, url).start();
  const holder = () => sql(url, `SELECT pid ${lockOfSchema}`);
  const old = holder();
  assert.match(old, /^\d+$/);
  sql(url, `SELECT pg_terminate_backend(pid) ${lockOfSchema}`);
  // It takes its place again within a pulse, unasked.
  const until = Date.now() + scaled(30_000);
  while ([old, ""].includes(holder())) assert.ok(Date.now() < until, daemon.log);
  assert.ok(daemon.running);
  assert.equal((await daemon.append("s", { type: "t" })).json.seq, 1);
});

/** The server's "ready for query", outside of a transaction. */
const IDLE = Buffer.from("Z\0\0\0\x05I");

/** A line to the server that can be cut, and kept while nothing passes. */
class Relay {
  constructor(t) {
    const at = new URL(process.env.DROVER_DATABASE);
    this.server = `${decodeURIComponent(at.hostname)}/.s.PGSQL.${at.port || 5432}`;
    this.sockets = new Set();
    this.busy = new Set(); // Those in a transaction.
    this.muting = this.muted = false;
    t.after(() => this.down());
  }

  async up(port) {
    this.listener = net.createServer((client) => this.join(client));
    await new Promise((resolve) => this.listener.listen(port, "127.0.0.1", resolve));
    this.port = this.listener.address().port;
    return this;
  }

  join(client) {
    const server = net.connect(this.server);
    for (const [from, to] of [[client, server], [server, client]]) {
      this.sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
      from.on("data", (bytes) => {
        if (this.muted) return;
        to.write(bytes);
        if (from === client) this.busy.add(client);
        else if (bytes.subarray(-6).equals(IDLE)) this.busy.delete(client);
        this.settle();
      });
    }
  }

  /** From a moment on in which no transaction is on its way nothing passes. */
  mute() {
    this.muting = true;
    this.settle();
  }

  settle() {
    this.muted = this.muting && this.busy.size === 0;
  }

  down() {
    this.busy.clear();
    this.listener.close();
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  get url() {
    const url = new URL(schemaUrl());
    url.hostname = "127.0.0.1";
    url.port = this.port;
    url.searchParams.set("sslmode", "disable");
    return url.toString().replaceAll("+", "%20");
  }
}

async function readyIs(daemon, status) {
  const until = Date.now() + scaled(60_000);
  for (;;) {
    const answer = await daemon.request("GET", "/readyz");
    if (answer.status === status) return answer;
    assert.ok(Date.now() < until, `/readyz stays ${answer.status}\n${daemon.log}`);
  }
}

/* More often than a step is tried that nothing excuses: 9 times.
 * A sequence counts what was refused, since a transaction that is taken back leaves it as it is. */
const REFUSES = `
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('refusals_' || lower(NEW.text)) <= 12 THEN
      RAISE EXCEPTION 'refused' USING ERRCODE = NEW.text;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON parts FOR EACH ROW
  WHEN (NEW.text IN ('40001', '40P01', '57014', '53200', '53400')) EXECUTE FUNCTION refuse()`;

test("what the server refuses for a while ends no turn", { skip }, async (t) => {
  const turns = await Turns.open(t);
  await turns.daemon.stop();
  const states = ["40001", "40P01", "57014", "53200", "53400"];
  const counters = states.map((state) => `CREATE SEQUENCE refusals_${state}`);
  change(turns.daemon, ...counters, REFUSES);
  await turns.daemon.start();
  await Promise.all(
    states.map(async (state) => {
      const listener = await turns.listen();
      const { end, message } = await turns.turn(listener, say(state));
      const refused = sql(
        turns.daemon.env.DROVER_DATABASE,
        `SELECT last_value FROM refusals_${state}`,
      );
      assert.deepEqual([end.state, textOf(message)], ["succeeded", state]);
      assert.ok(Number(refused) > 12, refused);
    }),
  );
});

test("/readyz says when the server is away, and when it is back", { skip }, async (t) => {
  const relay = await new Relay(t).up(await keptPort());
  const daemon = await daemonOn(t, relay.url).start();
  assert.equal((await daemon.request("GET", "/readyz")).status, 200);
  relay.down();
  const { headers, json } = await readyIs(daemon, 503); // Nobody writes: it finds out by itself.
  assert.match(headers["content-type"], /^application\/problem\+json/);
  assert.equal(json.code, "store_down");
  assert.match(json.detail, /PostgreSQL does not answer/);
  assert.doesNotMatch(daemon.log, /readyz/); // Anybody may ask, as often as he likes.
  assert.equal((await daemon.request("GET", "/healthz")).status, 200);
  await relay.up(relay.port);
  assert.equal((await readyIs(daemon, 200)).json.status, "ready");
  assert.equal((await daemon.append("s", { type: "t" })).status, 201);
  assert.equal((await daemon.stop()).code, 0);
});

test("SIGTERM ends a daemon whose server has gone silent", { skip }, async (t) => {
  const relay = await new Relay(t).up(await keptPort());
  const url = relay.url;
  const env = { DROVER_DATABASE: url, DROVER_DRAIN: "1" };
  const daemon = new Daemon({ data: scratch(t), args: ["--insecure-loopback"], env });
  t.after(() => daemon.kill());
  await daemon.start();
  assert.equal((await daemon.append("s", { type: "t" })).status, 201);
  relay.mute(); // A commit on its way would have an outcome that nobody knows: another end.
  await until("nothing is on its way", () => relay.muted);
  const answers = [1, 2].map(() => daemon.append("s", { type: "t" }).catch((error) => error));
  const page = daemon.request("GET", "/api/v1/streams/s/events").catch((error) => error);
  const began = Date.now();
  const watchdog = setTimeout(() => daemon.child.kill("SIGKILL"), scaled(50_000));
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.log);
  clearTimeout(watchdog);
  // Its drain, the silence it bears, and a busy machine.
  assert.ok(Date.now() - began < scaled(40_000));
  await Promise.all([...answers, page]);
  relay.down();
  await relay.up(relay.port);
  relay.muting = relay.muted = false;
  const next = await daemonOn(t, url).start();
  assert.equal((await next.append("s", { type: "t" })).json.seq, 2); // Nobody was told of more.
});

/* Its last write, the mark of its orderly stop, is no commit of which nobody knows the outcome. */
for (const [goes, how] of [["silent", "mute"], ["away", "down"]]) {
  test(`SIGTERM ends a daemon with a turn whose server has gone ${goes}`, { skip }, async (t) => {
    const relay = await new Relay(t).up(await keptPort());
    const env = { DROVER_DATABASE: relay.url, DROVER_DRAIN: "1" };
    const turns = await Turns.open(t, { env });
    const provider = await new Silent("for ever").start(t);
    const { session } = await turns.listen({ model: await provider.connect(turns) });
    await turns.send(session, "think for ever");
    await until("its call is out", () => provider.unanswered === 1);
    relay[how]();
    const watchdog = setTimeout(() => turns.daemon.child.kill("SIGKILL"), scaled(40_000));
    assert.deepEqual(await turns.daemon.stop(), { code: 0, signal: null }, turns.daemon.log);
    clearTimeout(watchdog);
  });
}
