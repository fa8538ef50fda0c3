// metrics.test.mjs: /metrics as Prometheus reads it, and who may.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";

async function start(t, args = []) {
  const daemon = await new Daemon({ data: scratch(t), args }).start();
  t.after(() => daemon.kill());
  return daemon;
}

/** {name: {type, help, samples: Map of labels to value}}; fails on what promtool would refuse. */
function parse(text) {
  const families = {};
  let family;
  assert.ok(text.endsWith("\n"));
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    if (help) {
      assert.ok(!(help[1] in families), `${help[1]} comes twice`);
      family = { name: help[1], help: help[2], samples: new Map() };
      families[help[1]] = family;
      continue;
    }
    const type = /^# TYPE (\S+) (counter|gauge)$/.exec(line);
    if (type) {
      assert.equal(type[1], family.name, line);
      assert.equal(family.type, undefined, line);
      family.type = type[2];
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{\w+="[^"\\]*"\})? (\d+)$/.exec(line);
    assert.ok(sample, `not a sample: ${line}`);
    assert.equal(sample[1], family.name, line);
    assert.ok(family.type, `no type before ${line}`);
    assert.ok(!family.samples.has(sample[2]), `twice: ${line}`);
    family.samples.set(sample[2], Number(sample[3]));
  }
  return families;
}

test("each figure has one name, a unit, a type and a sentence", async (t) => {
  const daemon = await start(t);
  const answer = await daemon.request("GET", "/metrics", { local: true });
  assert.equal(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  const families = parse(answer.text);
  for (const [name, { type, help }] of Object.entries(families)) {
    assert.match(name, /^drover_[a-z0-9_]+$/);
    assert.match(help, /^[A-Z].*\.$/, name);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    if (/bytes/.test(name)) assert.match(name, /_bytes(_total)?$/);
  }
  for (const name of [
    "build_info",
    "http_connections",
    "http_responses_total",
    "http_sse_streams",
    "http_websockets",
    "hub_streams",
    "hub_subscribers",
    "hub_ring_bytes",
    "loop_slow_turns_total",
    "store_groups_total",
    "store_functions_total",
    "store_reruns_total",
    "store_errors_total",
    "store_queue_depth",
    "store_wal_bytes",
    "store_checkpoints_total",
    "runs_queued",
    "runs_running",
    "runs_oldest_queued_seconds",
    "runs_kept_bytes",
    "runs_ended_total",
    "jobs_adopted_total",
    "jobs_late_results_total",
    "deliveries_total",
    "deliveries_failed_total",
    "inbox_pending",
    "inbox_stalled",
    "inbox_oldest_seconds",
  ]) {
    assert.ok(`drover_${name}` in families, `no ${name}`);
  }
});

test("figures move with what happens", async (t) => {
  const daemon = await start(t, ["--insecure-loopback"]);
  const figures = async () => {
    const families = parse((await daemon.request("GET", "/metrics")).text);
    return (name, labels) => families[`drover_${name}`].samples.get(labels);
  };
  const before = await figures();
  const sse = await openSse(daemon, "/api/v1/streams/s/events");
  for (let i = 0; i < 3; i++) assert.equal((await daemon.append("s", { type: "t" })).status, 201);
  assert.equal((await daemon.append("s", { type: "T" })).status, 400);
  while ((await sse.next()).id !== "3");
  const after = await figures();
  const moved = (name, labels) => after(name, labels) - before(name, labels);
  assert.ok(moved("store_functions_total") >= 3); // What a start leaves to do counts, too.
  assert.ok(moved("store_groups_total") >= 1);
  assert.equal(moved("http_responses_total", '{class="4xx"}'), 1);
  assert.ok(moved("http_responses_total", '{class="2xx"}') >= 4);
  assert.equal(after("http_sse_streams"), 1);
  assert.equal(after("hub_subscribers"), 1);
  assert.ok(after("hub_ring_bytes") > 0);
  if (!process.env.DROVER_DATABASE) assert.ok(after("store_wal_bytes") > 0);
  sse.close();
});

test("runs are counted by how they ended, and what is kept of them", async (t) => {
  const daemon = await start(t, ["--insecure-loopback"]);
  const figure = async (name, labels) =>
    parse((await daemon.request("GET", "/metrics")).text)[`drover_${name}`].samples.get(labels);
  for (const argv of [["true"], ["false"], ["false"]]) {
    const { json } = await daemon.request("POST", "/api/v1/jobs", { body: { argv } });
    const events = await openSse(daemon, `/api/v1/streams/run:${json.id}/events`);
    while (await events.next());
  }
  assert.equal(await figure("runs_ended_total", '{state="succeeded"}'), 1);
  assert.equal(await figure("runs_ended_total", '{state="failed"}'), 2);
  assert.equal(await figure("runs_ended_total", '{state="lost"}'), 0);
  while ((await figure("runs_kept_bytes", "")) < 3 * 4096); // It is asked for now and then.
});

test("over TCP a token with the scope read is needed", async (t) => {
  const daemon = await start(t);
  const ask = (headers) => daemon.request("GET", "/metrics", { headers });
  assert.equal((await ask({})).status, 401);
  for (const [scope, status] of [
    ["read", 200],
    ["run", 403],
    ["admin", 403],
  ]) {
    const body = { scopes: [scope] };
    const { json } = await daemon.request("POST", "/api/v1/tokens", { body, local: true });
    assert.equal((await ask({ authorization: `Bearer ${json.token}` })).status, status, scope);
  }
});
