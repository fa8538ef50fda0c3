// retention.test.mjs: what has ended goes after its time, with all that was told of it.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { Daemon, run, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";
import { change } from "./sql.mjs";

async function hookFor(t) {
  const server = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => response.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}/hook`;
}

async function daemonFor(t, args) {
  const daemon = new Daemon({ data: scratch(t), args: ["--webhook-allow", "127.0.0.1", ...args] });
  t.after(() => daemon.kill());
  return daemon.start();
}

async function get(daemon, target) {
  const answer = await daemon.request("GET", `/api/v1${target}`, { local: true });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

async function job(daemon, webhook) {
  const body = { argv: ["echo", "what it said"], notify: [{ webhook }] };
  const answer = await daemon.request("POST", "/api/v1/jobs", { body, local: true });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

const runs = async (daemon) => (await get(daemon, "/runs?limit=100")).items;
const told = async (daemon) => (await get(daemon, "/inbox?all=1&limit=100")).items;

/** Asks until it is so; the test's own timeout is the bound. */
async function until(look) {
  while (!(await look())) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("with many ends the number alone brings the next round, and notices go with their runs", {
  timeout: scaled(50_000), // The first round by the clock comes after 60 s, the next an hour later.
}, async (t) => {
  const daemon = await daemonFor(t, ["--keep-runs", "2"]);
  const webhook = await hookFor(t);
  for (const count of [30, 20]) {
    for (let i = 0; i < count; i++) await job(daemon, webhook);
    await until(async () => (await get(daemon, "/runs?live=1")).items.length === 0);
    await until(async () => (await runs(daemon)).length === 2);
    await until(async () => (await told(daemon)).length === 2);
    const left = (await runs(daemon)).map((one) => one.id).sort();
    assert.deepEqual((await told(daemon)).map((row) => row.run).sort(), left);
  }
});

test("job rm takes what was told of the job, too", async (t) => {
  const daemon = await daemonFor(t, []);
  const webhook = await hookFor(t);
  const [gone, kept] = [await job(daemon, webhook), await job(daemon, webhook)];
  const settled = (row) => row.settled_ms !== null;
  await until(async () => (await told(daemon)).filter(settled).length === 2);
  const answer = await run(["job", "rm", gone, "--data", daemon.data]);
  assert.equal(answer.code, 0, answer.stderr);
  assert.deepEqual((await told(daemon)).map((row) => row.run), [kept]);
});

test("retention takes damaged rows, and believes neither their ids nor their numbers", {
  timeout: scaled(50_000),
}, async (t) => {
  const daemon = await daemonFor(t, ["--keep-runs", "2"]);
  const webhook = await hookFor(t);
  const ended = async () => (await get(daemon, "/runs?live=1")).items.length === 0;
  const old = [await job(daemon, webhook), await job(daemon, webhook)];
  await until(ended);
  await change(
    { daemon },
    `UPDATE runs SET kind = 'nonesuch', attempt = 9000000000000000000 WHERE run = '${old[0]}'`,
    `UPDATE runs SET run = '../${old[1].slice(3)}' WHERE run = '${old[1]}'`,
  );
  for (let i = 0; i < 20; i++) await job(daemon, webhook);
  await until(ended);
  await until(async () => (await runs(daemon)).length === 2);
  assert.deepEqual((await runs(daemon)).map(({ state }) => state), ["succeeded", "succeeded"]);
  await until(() => !existsSync(path.join(daemon.data, "spool", `${old[0]}.1`)));
});

test("a folder that cannot be removed keeps no other from going", async (t) => {
  const daemon = await daemonFor(t, []);
  const body = { argv: ["false"], retry: { max: 2, backoff: 1 } };
  const { json } = await daemon.request("POST", "/api/v1/jobs", { body, local: true });
  await until(async () => (await get(daemon, `/runs/${json.id}`)).state === "failed");
  const folder = (attempt) => path.join(daemon.data, "spool", `${json.id}.${attempt}`);
  const lock = path.join(folder(1), "lock");
  const holder = spawn("flock", [lock, "sh", "-c", "echo held; cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => holder.kill());
  await once(holder.stdout, "data");
  const answer = await daemon.request("DELETE", `/api/v1/runs/${json.id}`, { local: true });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual([1, 2, 3].map((attempt) => existsSync(folder(attempt))), [true, false, false]);
  holder.stdin.end();
});
