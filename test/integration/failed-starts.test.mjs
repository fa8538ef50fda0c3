// failed-starts.test.mjs: a daemon that crashes soon after each start opens held in the end, and
// says which run it was at.
//
// runs-with: release, postgres, each
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";

import { Host, schemaUrl } from "./hosts.mjs";
import { begin } from "./jobs-cli.mjs";
import { Daemon, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";

function daemonOf(t, args = []) {
  const folder = scratch(t);
  const env = { DROVER_HOLD_AFTER: "3" };
  const data = path.join(folder, "d");
  const daemon = new Daemon({ data, args: ["--insecure-loopback", ...args], env });
  t.after(() => daemon.kill());
  return daemon;
}

const ask = async (daemon, target) => (await daemon.request("GET", target)).json;

/** A life that ends by SIGKILL, having begun a command that waits for its file. */
async function die(daemon) {
  await daemon.start();
  const { held } = await ask(daemon, "/api/v1/version");
  assert.equal(held, false);
  await daemon.kill();
}

async function submit(daemon, body) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

test("after three crashes the daemon holds, and names the run that it was at", async (t) => {
  const daemon = daemonOf(t);
  await daemon.start();
  const run = await submit(daemon, { shell: "sleep 300" });
  await daemon.kill();
  await die(daemon);
  await die(daemon);

  await daemon.start();
  const ready = await ask(daemon, "/readyz");
  assert.deepEqual([ready.status, ready.failed_starts, ready.last_runs], ["ready", 3, [run]]);
  const { json: version } = await daemon.request("GET", "/api/v1/version");
  assert.equal(version.held, true);
  const hold = await ask(daemon, "/api/v1/system/hold");
  assert.deepEqual([hold.held, hold.failed_starts, hold.last_runs], [true, 3, [run]]);
  const line = daemon.log.split("\n").find((text) => text.includes("crashed soon after"));
  assert.ok(line, daemon.log);
  const { failed_starts, last_runs } = JSON.parse(line);
  assert.deepEqual([failed_starts, last_runs], [3, run]);
  const stream = await openSse(daemon, "/api/v1/streams/system/events");
  const told = new Map();
  for (let i = 0; i < 2; i++) {
    const frame = await stream.next();
    const event = JSON.parse(frame.data);
    told.set(frame.event, event.data ?? event);
  }
  stream.close();
  assert.deepEqual(told.get("daemon_held"), { failed_starts: 3, last_runs: [run] });
  assert.deepEqual(told.get("hold_changed"), { held: true });
  const shown = await daemon.cli(["release"]);
  assert.match(shown.stdout, /3 in a row/);
  assert.ok(shown.stdout.includes(run), shown.stdout);
  const doctor = await daemon.cli(["doctor"]);
  assert.match(doctor.stdout, /warn\s+starts\s.*drover release/);

  const waiting = await submit(daemon, { shell: "true" });
  const { json: queued } = await daemon.request("GET", `/api/v1/runs/${waiting}`);
  assert.deepEqual([queued.state, queued.gate], ["queued", "hold"]);

  await daemon.kill(); // Also from the held life on, until somebody releases it.
  await daemon.start();
  assert.equal((await ask(daemon, "/api/v1/version")).held, true);
  const stopped = await daemon.request("POST", `/api/v1/runs/${run}/stop`, { body: {} });
  assert.equal(stopped.status, 200, stopped.text);
  const released = await daemon.cli(["release", "--yes"]);
  assert.equal(released.code, 0, released.stderr);
  let end = await ask(daemon, `/api/v1/runs/${waiting}`);
  while (end.ended_ms === null) end = await ask(daemon, `/api/v1/runs/${waiting}`);
  assert.equal(end.state, "succeeded");
  assert.deepEqual((await ask(daemon, "/readyz")).last_runs, []);
  await daemon.kill();
  await daemon.start();
  assert.equal((await ask(daemon, "/api/v1/version")).held, false);
});

test("a stop between crashes resets the count", async (t) => {
  const daemon = daemonOf(t);
  for (let i = 0; i < 2; i++) {
    await die(daemon);
    await die(daemon);
    await daemon.start();
    await daemon.stop();
  }
  await die(daemon);
});

test("--hold-after 0 never holds", async (t) => {
  const daemon = daemonOf(t, ["--hold-after", "0"]);
  for (let i = 0; i < 4; i++) await die(daemon);
});

const skip = process.env.DROVER_DATABASE ? false : "needs DROVER_DATABASE";

test("a crash counts from where a daemon leads, on its own host", { skip }, async (t) => {
  const env = { DROVER_HOLD_AFTER: "2" };
  const url = schemaUrl();
  const leader = await new Host(t, url, { env }).start();
  const standby = new Host(t, url, { env });
  for (let i = 0; i < 3; i++) {
    await standby.standsBy();
    await standby.kill();
  }
  for (let i = 0; i < 2; i++) {
    await standby.standsBy();
    await leader.kill();
    await standby.leads();
    assert.equal((await ask(standby, "/api/v1/version")).held, false);
    await leader.standsBy();
    await standby.kill();
    await leader.leads();
    assert.equal((await ask(leader, "/api/v1/version")).held, i === 1);
  }
});

test("a client that comes back to a daemon that holds says so", async (t) => {
  const daemon = daemonOf(t);
  await daemon.start();
  const run = await submit(daemon, { shell: "sleep 300" });
  await daemon.kill();
  await die(daemon);
  await daemon.start();
  const waiting = begin(t, daemon, ["job", "wait", run]);
  await daemon.kill();
  await daemon.start();
  await waiting.seen("the daemon holds: nothing starts before 'drover release'");
  assert.equal((await daemon.cli(["release", "--yes"])).code, 0);
  assert.equal((await daemon.cli(["stop", run])).code, 0);
  await waiting.ended;
});
