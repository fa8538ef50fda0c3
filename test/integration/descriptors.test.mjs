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

/** Sends requests over one connection that stays open. */
function kept(t, daemon) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  return (body) => new Promise((resolve, reject) => {
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
    const post = kept(t, daemon);
    const ids = [];
    const clients = [];
    for (let i = 0; i < count; i++) {
      const shell = `while [ ! -e ${go} ]; do sleep 0.1; done; : > ${done(i)}; exit ${i % 3}`;
      const answer = await post({ shell });
      assert.equal(answer.status, 201, answer.text);
      ids.push(JSON.parse(answer.text).id);
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
    while (!/^drover_http_connections [0-2]$/m.test(await text())); // This one, and that of post.
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
  const post = kept(t, daemon);
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
