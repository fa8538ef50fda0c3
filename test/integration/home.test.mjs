// A database that was copied or restored begins nothing by itself: what it calls running runs
// elsewhere, or ended long ago.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
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
  t.after(async () => {
    if (!first.running) return;
    await first.request("POST", `/api/v1/runs/${living.id}/stop`, { body: { grace_ms: 100 } });
    await first.kill();
  });
  cpSync(path.join(folder, "a"), path.join(folder, "b"), {
    recursive: true,
    filter: (file) => !file.endsWith("sock"),
  });
  const copy = await new Daemon({ data: path.join(folder, "b"), args }).start();
  const hold = await copy.request("GET", "/api/v1/system/hold");
  assert.equal(hold.json.held, true, hold.text);
  const seen = await copy.request("GET", `/api/v1/runs/${living.id}`);
  assert.equal(seen.json.state, "running", "it is shown as it was");
  const later = await submit(copy, { argv: ["true"] });
  assert.equal(later.state, "queued");

  assert.equal((await copy.request("POST", "/api/v1/system/release")).status, 200);
  assert.equal((await ended(copy, later.id)).state, "succeeded");
  const gone = await ended(copy, living.id);
  assert.deepEqual([gone.state, gone.cause], ["lost", "host_gone"]);
  assert.equal((await first.request("GET", `/api/v1/runs/${living.id}`)).json.state, "running");

  await copy.stop();
  await copy.start();
  const again = await copy.request("GET", "/api/v1/system/hold");
  assert.equal(again.json.held, false, "what was released is at home");
  await copy.stop();
  await first.request("POST", `/api/v1/runs/${living.id}/stop`, { body: { grace_ms: 100 } });
  assert.equal((await ended(first, living.id)).state, "cancelled");
  await first.stop();
});

test("a restored backup holds, also in its old directory", async (t) => {
  const folder = scratch(t);
  const data = path.join(folder, "a");
  const daemon = await new Daemon({ data, args }).start();
  const file = path.join(folder, "backup.db");
  assert.equal((await run(["backup", file, "--data", data])).code, 0);
  await daemon.stop();
  for (const ending of ["", "-wal", "-shm"]) rmSync(`${data}/drover.db${ending}`, { force: true });
  assert.equal((await run(["restore", file, "--data", data])).code, 0);
  await daemon.start();
  assert.equal((await daemon.request("GET", "/api/v1/system/hold")).json.held, true);
  assert.equal((await daemon.request("POST", "/api/v1/system/release")).status, 200);
  const job = await submit(daemon, { argv: ["true"] });
  assert.equal((await ended(daemon, job.id)).state, "succeeded");
  await daemon.stop();
});
