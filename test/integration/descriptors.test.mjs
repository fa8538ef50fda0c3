// descriptors.test.mjs: a low limit of open files delays commands and refuses connections; no job
// that was accepted fails for it.
//
// runs-with: release
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { Counting } from "./counting.mjs";
import { Daemon, bin, plainEnv, run as cli, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";
import { call, script } from "./turns.mjs";
import { Workflows } from "./workflows.mjs";

/** A daemon whose soft and hard limit of open files are `files`. */
function limitedDaemon(t, files, args = []) {
  const folder = scratch(t);
  const program = path.join(folder, "drover");
  const script = `#!/bin/sh\nulimit -n ${files} || exit 99\nexec ${bin} "$@"\n`;
  writeFileSync(program, script, { mode: 0o755 });
  const data = path.join(folder, "d");
  const daemon = new Daemon({ data, program, args: ["--insecure-loopback", ...args] });
  t.after(() => daemon.kill());
  return { daemon, folder };
}

const show = async (daemon, id) => (await daemon.request("GET", `/api/v1/runs/${id}`)).json;

/** A client that connects, asks once and stays. `end` is what it got: "served", "refused" with a
 *  503, or "closed" without an answer. `told` is "ended" once a followed stream had its last event,
 *  and "closed" where the connection ended before. */
function client(daemon, target) {
  const socket = net.connect(daemon.port, "127.0.0.1");
  const accept = target.includes("/streams/") ? "Accept: text/event-stream\r\n" : "";
  const head = `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\n${accept}\r\n`;
  let text = "";
  const end = new Promise((resolve, reject) => {
    socket.on("connect", () => socket.write(head));
    socket.on("data", (chunk) => {
      text += chunk;
      if (!text.includes("\r\n\r\n")) return;
      if (text.startsWith("HTTP/1.1 200 ")) resolve("served");
      else if (text.startsWith("HTTP/1.1 503 ")) resolve("refused");
      else reject(new Error(text));
    });
    socket.on("close", () => resolve("closed"));
  });
  const told = new Promise((resolve) => {
    socket.on("data", () => text.includes("event: run_finished") && resolve("ended"));
    socket.on("error", () => undefined); // "close" follows.
    socket.on("close", () => resolve("closed"));
  });
  return { socket, end, told };
}

/** A third of the clients follow their job, a third list jobs, and a third ask for the health. */
const target = (i, id) =>
  [`/api/v1/streams/run:${id}/events`, "/api/v1/jobs?limit=50", "/healthz"][i % 3];

/** Sends requests over one connection that stays open: `ask(method, path, body)`. */
function kept(t, daemon) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  return (method, path, body) => new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const options = { host: "127.0.0.1", port: daemon.port, path, method, headers, agent };
    const request = http.request(options, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode, text }));
    });
    request.on("error", reject);
    request.end(body === undefined ? "" : JSON.stringify(body));
  });
}

async function submit(ask, body) {
  const answer = await ask("POST", "/api/v1/jobs", body);
  assert.equal(answer.status, 201, answer.text);
  return JSON.parse(answer.text).id;
}

/** The limit of open files of a daemon that runs. With 3, nothing more can be opened. */
function limitSet(daemon, files) {
  execFileSync("prlimit", ["--pid", String(daemon.child.pid), `--nofile=${files}:512`]);
}

/** A limit that leaves two free: fewer than a start needs, and enough for a client. */
function limitTight(daemon) {
  const open = new Set(readdirSync(`/proc/${daemon.child.pid}/fd`).map(Number));
  let limit = 0;
  for (let free = 0; free < 2; limit++) free += !open.has(limit);
  limitSet(daemon, limit);
}

const SHORT = "no file descriptor is free";
const AGAIN = "file descriptors are free again";
const times = (daemon, words) => daemon.log.split(words).length - 1;

async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const cases = [[64, 60], [128, 120], [256, 400]];
for (const [files, count] of cases) {
  const name = `all of ${count} jobs end as they should beside connections, with ${files} files`;
  test(name, async (t) => {
    const { daemon, folder } = limitedDaemon(t, files);
    await daemon.start();
    const fitted = daemon.log.split("\n").find((line) => line.includes('"max_jobs"'));
    assert.ok(fitted, daemon.log);
    const { open_files, max_jobs, max_connections } = JSON.parse(fitted);
    assert.equal(open_files, files);
    const { json } = await daemon.request("GET", "/api/v1/version");
    assert.deepEqual([json.jobs_max, json.connections_max], [max_jobs, max_connections]);
    assert.ok(max_jobs >= 4 && max_connections >= 4 && max_jobs + max_connections < files, fitted);

    const go = path.join(folder, "go");
    const done = (i) => path.join(folder, `done-${i}`);
    const ask = kept(t, daemon);
    const ids = [];
    const clients = [];
    for (let i = 0; i < count; i++) {
      const shell = `while [ ! -e ${go} ]; do sleep 0.1; done; : > ${done(i)}; exit ${i % 3}`;
      ids.push(await submit(ask, { shell }));
      clients.push(client(daemon, target(i, ids[i])));
    }
    const ends = await Promise.all(clients.map(({ end }) => end)); // Nobody is left without one.
    const served = ends.filter((end) => end === "served").length;
    assert.ok(served > 0 && served <= max_connections, `${served} of ${max_connections}`);
    assert.ok(ends.includes("refused"), ends.join());
    writeFileSync(go, "");
    await until(() => ids.every((_, i) => existsSync(done(i))));
    const followers = clients.filter((_, i) => i % 3 === 0 && ends[i] === "served");
    for (const { told } of followers) assert.equal(await told, "ended");
    for (const { socket } of clients) socket.destroy();

    const metrics = () => daemon.request("GET", "/metrics", { local: true });
    const text = () => metrics().then((answer) => answer.text, () => "");
    while (!/^drover_http_connections [0-2]$/m.test(await text())); // This one, and that of ask.
    for (let i = 0; i < count; i++) {
      let run = await show(daemon, ids[i]);
      while (run.ended_ms === null) run = await show(daemon, ids[i]);
      assert.deepEqual(
        [run.state, run.exit_code, run.cause],
        i % 3 === 0 ? ["succeeded", 0, "completed"] : ["failed", i % 3, "exit_code"],
        JSON.stringify(run),
      );
    }
    assert.equal((await daemon.request("GET", "/readyz")).status, 200);
  });
}

test("a start that finds no descriptor waits, and is tried again", async (t) => {
  const { daemon } = limitedDaemon(t, 512);
  await daemon.start();
  const ask = kept(t, daemon);
  const first = await submit(ask, { shell: "true" }); // Now nursery and its spare are there, too.
  const folder = path.join(daemon.data, "spool", `${first}.1`);
  await until(() => existsSync(path.join(folder, "exit.json")));

  limitSet(daemon, 3);
  const id = await submit(ask, { shell: "exit 7", once: true });
  await until(() => daemon.log.includes(SHORT));
  limitSet(daemon, 512);
  const stream = await openSse(daemon, `/api/v1/streams/run:${id}/events`);
  const seen = [];
  for (let frame; (frame = await stream.next()); ) {
    seen.push([frame.event, JSON.parse(frame.data)]);
    if (frame.event === "run_finished") break;
  }
  stream.close();
  const run = await show(daemon, id);
  assert.deepEqual([run.state, run.cause, run.exit_code], ["failed", "exit_code", 7]);
  const retrying = seen.filter(([event]) => event === "run_retrying");
  const retried = retrying.map(([, event]) => event.data ?? event);
  assert.ok(retried.length > 0, JSON.stringify(seen));
  assert.ok(retried.every((data) => data.cause === "no_descriptors"), JSON.stringify(retried));
});

test("models, tools, scripts and webhooks wait for a descriptor, and go on", async (t) => {
  const provider = await new Counting().start(t);
  const flows = await Workflows.open(t, { args: ["--webhook-allow", "127.0.0.1"] });
  const { daemon } = flows;
  const model = await flows.connect(provider);
  const told = [];
  const receiver = http.createServer((request, answer) => {
    request.resume().on("end", () => {
      told.push(request.headers);
      answer.writeHead(204, { connection: "close" }).end();
    });
  });
  await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  t.after(() => (receiver.closeAllConnections(), receiver.close()));
  const webhook = `http://127.0.0.1:${receiver.address().port}/`;
  flows.write("a.txt", "words of a file\n");

  const ask = kept(t, daemon);
  const session = async (body) => {
    const answer = await ask("POST", "/api/v1/sessions", { root: flows.root, title: "A", ...body });
    assert.equal(answer.status, 201, answer.text);
    return JSON.parse(answer.text).id;
  };
  const say = async (id, text) => {
    const answer = await ask("POST", `/api/v1/sessions/${id}/messages`, { text });
    assert.equal(answer.status, 201, answer.text);
    return JSON.parse(answer.text).run;
  };
  const asks = await session({ model });
  const reads = await session({ model: "scripted/demo" });
  const go = path.join(flows.folder, "go");
  const job = await submit(ask, {
    shell: `echo words; while [ ! -e ${go} ]; do sleep 0.1; done`, notify: [{ webhook }],
  });
  await until(() => existsSync(path.join(daemon.data, "spool", `${job}.1`, "claim")));

  const launch = kept(t, daemon); // Its answer comes when the script was read.
  await launch("GET", "/healthz");

  limitSet(daemon, 3);
  const runs = [await say(asks, "a question")];
  runs.push(await say(reads, script(call("read_file", { path: "a.txt" }), "step:", "say: done")));
  const meta = "export const meta = { name: 'short', description: 'd' };\n";
  const started = launch("POST", "/api/v1/workflows", {
    root: flows.root, script: `${meta}return await agent('short');`, model,
  });
  writeFileSync(go, "");
  await until(() => daemon.log.includes(SHORT));
  const ready = JSON.parse((await ask("GET", "/readyz")).text);
  assert.ok(ready.descriptors.waiting_since_ms > 0, JSON.stringify(ready));
  assert.equal(ready.descriptors.limit, 3);
  const { text } = await ask("GET", "/metrics");
  assert.match(text, /^drover_descriptor_shortage 1$/m);
  assert.match(text, /^drover_descriptor_shortages_total 1$/m);
  limitTight(daemon);
  const env = { ...plainEnv, DROVER_DATA: daemon.data };
  const descriptors = async () => {
    const { stdout } = await cli(["doctor", "--json"], { env });
    const rows = stdout.trim().split("\n").map((line) => JSON.parse(line));
    return rows.find(({ check }) => check === "descriptors");
  };
  let row = await descriptors();
  while (row === undefined) row = await descriptors(); // It may find no descriptor either.
  assert.equal(row.verdict, "warn");
  assert.match(row.detail, /^nothing begins since \d+ s: no file descriptor is free, \d+ of \d+ /);
  limitSet(daemon, 3);
  const logs = await ask("GET", `/api/v1/jobs/${job}/logs`);
  assert.equal(logs.status, 503, logs.text);
  for (const run of runs) {
    const row = JSON.parse((await ask("GET", `/api/v1/runs/${run}`)).text);
    assert.equal(row.ended_ms, null, JSON.stringify(row));
  }
  assert.deepEqual([provider.asked.length, told.length], [0, 0]);

  limitSet(daemon, 512);
  const answer = await started;
  assert.equal(answer.status, 201, answer.text);
  runs.push(JSON.parse(answer.text).runId);
  for (const run of [...runs, job]) {
    let row = await show(daemon, run);
    while (row.ended_ms === null) row = await show(daemon, run);
    assert.deepEqual([row.state, row.cause], ["succeeded", "completed"], JSON.stringify(row));
  }
  const spans = await flows.get(`/runs/${runs[1]}/spans`);
  const tools = spans.items.filter(({ kind }) => kind === "tool");
  assert.deepEqual(tools.map(({ state }) => state), ["succeeded"]);
  await until(() => told.length > 0);
  await until(() => daemon.log.includes(AGAIN));
  assert.equal(told.length, 1);
  assert.deepEqual([times(daemon, SHORT), times(daemon, AGAIN)], [1, 1], daemon.log);
});

test("more calls of models than descriptors wait for each other", async (t) => {
  const provider = new Counting();
  let most = 0, now = 0;
  provider.say = async (prompt) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 50)); // So that calls meet.
    now--;
    return { text: `heard ${prompt}` };
  };
  await provider.start(t);
  const { daemon, folder } = limitedDaemon(t, 64);
  await daemon.start();
  const flows = Object.assign(new Workflows(), { daemon, root: folder });
  const model = await flows.connect(provider);
  const ask = kept(t, daemon);
  const runs = [];
  for (let i = 0; i < 30; i++) {
    const made = await ask("POST", "/api/v1/sessions", { title: "A talk", model });
    const at = `/api/v1/sessions/${JSON.parse(made.text).id}/messages`;
    runs.push(JSON.parse((await ask("POST", at, { text: `call ${i}` })).text).run);
  }
  for (const run of runs) {
    let row = await show(daemon, run);
    while (row.ended_ms === null) row = await show(daemon, run);
    assert.deepEqual([row.state, row.cause], ["succeeded", "completed"], JSON.stringify(row));
  }
  assert.equal(provider.prompts.length, runs.length);
  assert.ok(most <= 4, `${most} calls at once`);
  assert.equal(times(daemon, SHORT), 0, daemon.log);
});

test("a daemon that stops during a shortage ends in order, and the next one goes on", async (t) => {
  const provider = await new Counting().start(t);
  const flows = await Workflows.open(t);
  const { daemon } = flows;
  const model = await flows.connect(provider);
  const ask = kept(t, daemon);
  const made = await ask("POST", "/api/v1/sessions", { root: flows.root, title: "A", model });
  const at = `/api/v1/sessions/${JSON.parse(made.text).id}/messages`;
  await submit(ask, { shell: "true" });
  limitSet(daemon, 3);
  const turn = JSON.parse((await ask("POST", at, { text: "a question" })).text).run;
  const job = await submit(ask, { shell: "true", once: true });
  await until(() => daemon.log.includes(SHORT));
  const end = await daemon.stop();
  assert.equal(end.code, 0, daemon.log);
  assert.equal(provider.prompts.length, 0);
  await daemon.start();
  for (const run of [turn, job]) {
    let row = await show(daemon, run);
    while (row.ended_ms === null) row = await show(daemon, run);
    assert.deepEqual([row.state, row.cause], ["succeeded", "completed"], JSON.stringify(row));
  }
});

test("a follower of a log goes on after a shortage of descriptors", async (t) => {
  const { daemon, folder } = limitedDaemon(t, 512);
  await daemon.start();
  const ask = kept(t, daemon);
  const go = path.join(folder, "go");
  const id = await submit(ask, {
    shell: `echo begun; while [ ! -e ${go} ]; do sleep 0.1; done; echo grown; sleep 300`,
  });
  const stream = await openSse(daemon, `/api/v1/jobs/${id}/logs`);
  const first = await stream.next();
  assert.match(first.data, /begun/);
  const spool = path.join(daemon.data, "spool", `${id}.1`);
  const written = () => readdirSync(spool)
    .filter((name) => name.startsWith("out."))
    .some((name) => readFileSync(path.join(spool, name), "latin1").includes("grown"));

  limitSet(daemon, 3);
  writeFileSync(go, "");
  await until(written);
  for (let i = 0; i < 20; i++) { // Each goes through the pool, behind the follower's try.
    assert.equal((await ask("GET", `/api/v1/jobs/${id}/logs`)).status, 503);
  }
  limitSet(daemon, 512);
  const frame = await stream.next();
  assert.match(frame.data, /grown/, JSON.stringify(frame));
  stream.close();
  assert.equal((await ask("POST", `/api/v1/runs/${id}/stop`, { grace_ms: 0 })).status < 300, true);
  while ((await show(daemon, id)).ended_ms === null);
});

test("a limit that is too low for anything is refused at the start, with what to do", async (t) => {
  const { daemon } = limitedDaemon(t, 40);
  daemon.spawn();
  const end = await daemon.ended();
  assert.equal(end.code, 2, daemon.log);
  assert.match(daemon.log, /open files is 40.*ulimit -n/);
  assert.ok(!existsSync(path.join(daemon.data, "drover.db")));
});
