// A database that was copied or restored begins nothing by itself: what it calls running runs
// elsewhere, or ended long ago.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { Daemon, run, scratch } from "./lib.mjs";

const args = ["--insecure-loopback"];

async function ended(daemon, id) {
  let after = 0;
  for (;;) {
    const target = `/api/v1/streams/run:${id}/events?after=${after}&wait=30`;
    const page = (await daemon.request("GET", target)).json;
    const last = page.events.find((event) => event.type === "run_finished");
    if (last) return last.data;
    after = page.events.at(-1)?.seq ?? after;
  }
}

async function submit(daemon, body) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

test("a copy of a living directory holds until it is released, and ends nothing", async (t) => {
  const folder = scratch(t);
  const first = await new Daemon({ data: path.join(folder, "a"), args }).start();
  const living = await submit(first, { argv: ["sleep", "1000"] });
  const retry = { max: 1, on: ["lost"], backoff: 1 };
  const twice = await submit(first, { argv: ["sleep", "1001"], retry });
  const end = (daemon, { id }) =>
    daemon.request("POST", `/api/v1/runs/${id}/stop`, { body: { grace_ms: 100 } });
  t.after(async () => {
    if (!first.running) return;
    for (const job of [living, twice]) await end(first, job);
    await first.kill();
  });
  cpSync(path.join(folder, "a"), path.join(folder, "b"), {
    recursive: true,
    filter: (file) => !file.endsWith("sock"),
  });
  const copy = await new Daemon({ data: path.join(folder, "b"), args }).start();
  const hold = await copy.request("GET", "/api/v1/system/hold");
  assert.equal(hold.json.held, true, hold.text);
  const { running, lost, again: twofold, again_runs: shown } = hold.json.would_start;
  assert.deepEqual([running, lost, twofold], [0, 2, 1]);
  assert.deepEqual(shown.map((job) => job.id), [twice.id]);
  const said = await run(["release", "--data", copy.data]);
  assert.match(said.stdout, /^2 runs that began elsewhere will be lost,.*, 1 of them begins/m);
  assert.match(said.stdout, /sleep 1001/);
  assert.doesNotMatch(said.stdout, /sleep 1000/);
  const seen = await copy.request("GET", `/api/v1/runs/${living.id}`);
  assert.deepEqual([seen.json.state, seen.json.gate], ["waiting", "hold"]);
  const listed = (await copy.request("GET", "/api/v1/jobs?live=1")).json.items;
  const same = listed.find((job) => job.id === living.id);
  assert.deepEqual([same.state, same.gate], ["waiting", "hold"]);
  assert.match((await copy.cli(["ps"])).stdout, /waiting .* waits for the daemon, which holds: /);
  const later = await submit(copy, { argv: ["true"] });
  assert.equal(later.state, "queued");

  assert.equal((await copy.request("POST", "/api/v1/system/release")).status, 200);
  assert.equal((await ended(copy, later.id)).state, "succeeded");
  const gone = await ended(copy, living.id);
  assert.deepEqual([gone.state, gone.cause], ["lost", "host_gone"]);
  while ((await copy.request("GET", `/api/v1/runs/${twice.id}`)).json.attempts !== 2);
  await end(copy, twice);
  assert.equal((await ended(copy, twice.id)).state, "cancelled");
  assert.equal((await first.request("GET", `/api/v1/runs/${living.id}`)).json.state, "running");

  await copy.stop();
  await copy.start();
  const again = await copy.request("GET", "/api/v1/system/hold");
  assert.equal(again.json.held, false, "what was released is at home");
  await copy.stop();
  for (const job of [living, twice]) {
    await end(first, job);
    assert.equal((await ended(first, job.id)).state, "cancelled");
  }
  await first.stop();
});

async function backup(daemon) {
  const file = path.join(path.dirname(daemon.data), "backup.db");
  assert.equal((await run(["backup", file, "--data", daemon.data])).code, 0);
  return file;
}

/** The daemon, started again with what the backup has, in the same folder. */
async function restored(daemon, file) {
  const { data } = daemon;
  await daemon.stop();
  for (const ending of ["", "-wal", "-shm"]) rmSync(`${data}/drover.db${ending}`, { force: true });
  assert.equal((await run(["restore", file, "--data", data])).code, 0);
  await daemon.start();
}

test("a restored backup holds, also in its old directory", async (t) => {
  const folder = scratch(t);
  const data = path.join(folder, "a");
  const daemon = await new Daemon({ data, args }).start();
  const file = await backup(daemon);
  await restored(daemon, file);
  assert.equal((await daemon.request("GET", "/api/v1/system/hold")).json.held, true);
  assert.equal((await daemon.request("POST", "/api/v1/system/release")).status, 200);
  const job = await submit(daemon, { argv: ["true"] });
  assert.equal((await ended(daemon, job.id)).state, "succeeded");
  await daemon.stop();
});

/** A job that leaves a line in its file each time it runs, and ends when it is let go. */
function waiting(folder, name, more) {
  const log = path.join(folder, name);
  const shell = `echo ran >> ${log}; while [ ! -e ${folder}/go ]; do sleep 0.02; done`;
  return {
    body: { shell, ...more },
    lines: () => (existsSync(log) ? readFileSync(log, "utf8").split("\n").length - 1 : 0),
  };
}

const until = async (look) => {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 10));
};

for (const moment of ["after a stop", "after a crash while it holds"]) {
  test(`what ended and went after the backup is not begun again, ${moment}`, async (t) => {
    const folder = scratch(t);
    const daemon = await new Daemon({ data: path.join(folder, "a"), args }).start();
    t.after(() => daemon.kill());
    const retry = { max: 1, on: ["lost"], backoff: 1 };
    const jobs = [
      waiting(folder, "once", { once: true }),
      waiting(folder, "plain", {}),
      waiting(folder, "again", { retry }),
    ];
    for (const job of jobs) job.id = (await submit(daemon, job.body)).id;
    await until(() => jobs.every((job) => job.lines() === 1));
    const file = await backup(daemon);
    writeFileSync(path.join(folder, "go"), "");
    for (const { id } of jobs) {
      assert.equal((await ended(daemon, id)).state, "succeeded");
      const gone = await daemon.request("DELETE", `/api/v1/runs/${id}`);
      assert.equal(gone.status, 200, gone.text);
      // A holder that is still leaving keeps its folder until the daily round removes it.
      rmSync(path.join(daemon.data, "spool", `${id}.1`), { recursive: true, force: true });
    }
    await restored(daemon, file);
    if (moment !== "after a stop") await daemon.kill();
    if (!daemon.running) await daemon.start();
    assert.equal((await daemon.request("POST", "/api/v1/system/release")).status, 200);
    const ends = [];
    for (const { id } of jobs) ends.push(await ended(daemon, id));
    assert.deepEqual(ends.map(({ state, cause }) => [state, cause]), [
      ["lost", "outcome_unknown"],
      ["lost", "host_gone"],
      ["succeeded", "completed"],
    ]);
    assert.deepEqual(jobs.map((job) => job.lines()), [1, 1, 2]);
    await daemon.stop();
  });
}

test("what ended after a backup has its end in another place, by the copied spool", async (t) => {
  const folder = scratch(t);
  const daemon = await new Daemon({ data: path.join(folder, "a"), args }).start();
  t.after(() => daemon.kill());
  const job = waiting(folder, "log", {});
  job.body.shell += "; exit 3";
  const { id } = await submit(daemon, job.body);
  await until(() => job.lines() === 1);
  const file = await backup(daemon);
  writeFileSync(path.join(folder, "go"), "");
  await ended(daemon, id);
  await daemon.stop();
  const data = path.join(folder, "b");
  assert.equal((await run(["restore", file, "--data", data])).code, 0);
  const plain = (name) => !name.endsWith("sock");
  cpSync(`${folder}/a/spool`, `${data}/spool`, { recursive: true, filter: plain });
  const copy = await new Daemon({ data, args }).start();
  t.after(() => copy.kill());
  assert.equal((await copy.request("POST", "/api/v1/system/release")).status, 200);
  const { state, cause } = await ended(copy, id);
  assert.deepEqual([state, cause], ["failed", "exit_code"]);
  assert.equal((await copy.request("GET", `/api/v1/runs/${id}`)).json.exit_code, 3);
  await copy.stop();
});

test("what was queued at a backup and ran after it is settled, or can be dropped", async (t) => {
  const folder = scratch(t);
  const daemon = await new Daemon({ data: path.join(folder, "a"), args }).start();
  t.after(() => daemon.kill());
  const first = waiting(folder, "first", { key: "one" });
  const [kept, dropped, twice] = ["kept", "dropped", "twice"].map((name) =>
    waiting(folder, name, { key: "one", once: true }));
  for (const job of [first, kept, dropped, twice]) job.id = (await submit(daemon, job.body)).id;
  await until(() => first.lines() === 1);
  const file = await backup(daemon);
  writeFileSync(path.join(folder, "go"), "");
  for (const job of [kept, dropped, twice]) {
    assert.equal((await ended(daemon, job.id)).state, "succeeded");
  }
  for (const job of [dropped, twice]) {
    assert.equal((await daemon.request("DELETE", `/api/v1/runs/${job.id}`)).status, 200);
    rmSync(path.join(daemon.data, "spool", `${job.id}.1`), { recursive: true, force: true });
  }
  await restored(daemon, file);
  const { restored: told, would_start: would } = (
    await daemon.request("GET", "/api/v1/system/hold")
  ).json;
  assert.deepEqual([told, would.queued], [true, 3]);
  const said = await run(["release", "--data", daemon.data]);
  for (const job of [kept, dropped, twice]) assert.ok(said.stdout.includes(job.id), said.stdout);
  assert.match(said.stdout, /may have run since.*\n.*'drover stop RUN' drops it/);
  assert.equal((await run(["stop", dropped.id, "--data", daemon.data])).code, 0);
  assert.equal((await daemon.request("POST", "/api/v1/system/release")).status, 200);
  const ends = [];
  for (const job of [first, kept, dropped, twice]) ends.push(await ended(daemon, job.id));
  assert.deepEqual(
    ends.map((run) => [run.state, run.attempts]),
    [["succeeded", 1], ["succeeded", 1], ["cancelled", 0], ["succeeded", 1]],
  );
  assert.deepEqual([first, kept, dropped, twice].map((job) => job.lines()), [1, 1, 1, 2]);
  await daemon.stop();
});

test("an end that is settled again after a restore has the delivery id that it had", async (t) => {
  const folder = scratch(t);
  const requests = [];
  const server = http.createServer((request, response) => {
    requests.push(request.headers["drover-delivery"]);
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const webhook = `http://127.0.0.1:${server.address().port}/`;
  const daemon = await new Daemon({
    data: path.join(folder, "a"),
    args: [...args, "--webhook-allow", "127.0.0.1"],
  }).start();
  t.after(() => daemon.kill());
  const job = waiting(folder, "log", { notify: [{ webhook }, { webhook }] });
  const { id } = await submit(daemon, job.body);
  await until(() => job.lines() === 1);
  const file = await backup(daemon);
  writeFileSync(path.join(folder, "go"), "");
  await ended(daemon, id);
  await until(() => requests.length === 2);
  await restored(daemon, file);
  assert.equal((await daemon.request("POST", "/api/v1/system/release")).status, 200);
  await until(() => requests.length === 4);
  assert.equal(new Set(requests).size, 2, requests.join());
  assert.equal(job.lines(), 1);
  await daemon.stop();
});
