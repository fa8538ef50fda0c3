// descriptors.test.mjs: a low limit of open files delays commands and refuses connections; no job
// that was accepted fails for it.
//
// runs-with: release
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { Daemon, bin, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";

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

async function submit(daemon, body) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

const show = async (daemon, id) => (await daemon.request("GET", `/api/v1/runs/${id}`)).json;

/** A client that connects, asks once and stays: "served", or "refused" where it was sent away. */
function client(daemon) {
  return new Promise((resolve) => {
    const socket = net.connect(daemon.port, "127.0.0.1");
    let text = "";
    const host = `127.0.0.1:${daemon.port}`;
    socket.on("connect", () => socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
    socket.on("data", (chunk) => {
      text += chunk;
      if (/^HTTP\/1.1 \d+/.test(text)) {
        resolve({ socket, end: text.startsWith("HTTP/1.1 200") ? "served" : "refused" });
      }
    });
    socket.on("error", () => resolve({ socket, end: "refused" }));
    socket.on("close", () => resolve({ socket, end: "refused" }));
  });
}

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
    const ids = [];
    for (let i = 0; i < count; i++) {
      const shell = `while [ ! -e ${go} ]; do sleep 0.1; done; : > ${done(i)}; exit ${i % 3}`;
      ids.push(await submit(daemon, { shell }));
    }
    const clients = await Promise.all(ids.map(() => client(daemon)));
    const served = clients.filter(({ end }) => end === "served").length;
    assert.ok(served > 0 && served <= max_connections, `${served} of ${max_connections}`);
    writeFileSync(go, "");
    await until(() => ids.every((_, i) => existsSync(done(i))));
    for (const { socket } of clients) socket.destroy();

    const metrics = () => daemon.request("GET", "/metrics", { local: true });
    const text = () => metrics().then((answer) => answer.text, () => "");
    while (!/^drover_http_connections [01]$/m.test(await text()));
    for (let i = 0; i < count; i++) {
      let run = await show(daemon, ids[i]);
      while (run.ended_ms === null) run = await show(daemon, ids[i]);
      assert.deepEqual(
        [run.state, run.exit_code, run.cause],
        i % 3 === 0 ? ["succeeded", 0, "completed"] : ["failed", i % 3, "exit_code"],
        JSON.stringify(run),
      );
    }
  });
}

test("a start that finds no descriptor waits, and is tried again", async (t) => {
  const { daemon } = limitedDaemon(t, 512);
  await daemon.start();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const post = (body) => new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const where = { host: "127.0.0.1", port: daemon.port, path: "/api/v1/jobs" };
    const options = { ...where, method: "POST", headers, agent };
    const request = http.request(options, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode, text }));
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });
  const first = await post({ shell: "true" }); // Now connection, nursery and its spare are there.
  assert.equal(first.status, 201, first.text);
  const folder = path.join(daemon.data, "spool", `${JSON.parse(first.text).id}.1`);
  await until(() => existsSync(path.join(folder, "exit.json")));

  // The lowest free number is the limit: nothing more can be opened.
  const pid = String(daemon.child.pid);
  const limit = (files) => execFileSync("prlimit", ["--pid", pid, `--nofile=${files}:512`]);
  limit(3);
  const id = JSON.parse((await post({ shell: "exit 7", once: true })).text).id;
  await until(() => daemon.log.includes("a command could not be started"));
  limit(512);
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

test("a limit that is too low for anything is refused at the start, with what to do", async (t) => {
  const { daemon } = limitedDaemon(t, 40);
  daemon.spawn();
  const end = await daemon.ended();
  assert.equal(end.code, 2, daemon.log);
  assert.match(daemon.log, /open files is 40.*ulimit -n/);
  assert.ok(!existsSync(path.join(daemon.data, "drover.db")));
});
