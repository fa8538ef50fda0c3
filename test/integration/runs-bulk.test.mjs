// runs-bulk.test.mjs: one request stops, removes or marks several runs, and tells of each of them.
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Jobs } from "./jobs.mjs";

const jobs = new Jobs();
const absent = "run_00000000000000000000000000";

const bulk = (action, ids, headers) =>
  jobs.request("POST", "/api/v1/runs/bulk", { body: { action, ids }, headers });

/** [ok, status, code] of each row. */
const told = (answer) => {
  assert.equal(answer.status, 200, answer.text);
  return answer.json.items.map((row) => [row.ok, row.status, row.code]);
};

test("several runs are stopped, and one that cannot be stops no other", async () => {
  const live = [await jobs.shell("sleep 600"), await jobs.shell("sleep 600")];
  const ended = await jobs.ran("true");
  const ids = [live[0], ended, absent, "no id", live[1], live[0]];
  const answer = await bulk("stop", ids);
  assert.deepEqual(told(answer), [
    [true, 200, undefined],
    [false, 409, "conflict"],
    [false, 404, "not_found"],
    [false, 404, "not_found"],
    [true, 200, undefined],
  ]);
  assert.deepEqual(answer.json.items.map((row) => row.id), ids.slice(0, 5));
  for (const id of live) assert.equal((await jobs.ended(id)).cause, "stopped");
  // As the routes for one run say it.
  const [, conflict, gone] = answer.json.items;
  assert.equal(conflict.detail, (await jobs.stop(ended)).json.detail);
  assert.equal(gone.detail, (await jobs.stop(absent)).json.detail);
});

test("several runs are removed with their folders, those that have not ended stay", async () => {
  const ended = [await jobs.ran("echo 1"), await jobs.ran("echo 2")];
  const live = await jobs.shell("sleep 600");
  const folder = (id) => path.join(jobs.folder, "d", "spool", `${id}.1`);
  assert.ok(ended.every((id) => existsSync(folder(id))), folder(ended[0]));
  const answer = await bulk("remove", [ended[0], live, ended[1]]);
  assert.deepEqual(told(answer), [
    [true, 200, undefined],
    [false, 409, "conflict"],
    [true, 200, undefined],
  ]);
  const alone = await jobs.request("DELETE", `/api/v1/runs/${live}`);
  assert.equal(answer.json.items[1].detail, alone.json.detail);
  for (const id of ended) {
    assert.equal((await jobs.request("GET", `/api/v1/runs/${id}`)).status, 404);
    assert.ok(!existsSync(folder(id)), folder(id));
  }
  assert.deepEqual(told(await bulk("stop", [live])), [[true, 200, undefined]]);
  await jobs.ended(live);
});

test("several runs are marked as seen", async () => {
  const ids = [await jobs.ran("true"), await jobs.ran("false")];
  const unseen = async () => {
    const { json } = await jobs.request("GET", "/api/v1/overview");
    return json.unseen.ended.map((row) => row.id).filter((id) => ids.includes(id));
  };
  assert.deepEqual(await unseen(), [ids[1], ids[0]]);
  assert.deepEqual(told(await bulk("seen", [...ids, absent])), [
    [true, 200, undefined],
    [true, 200, undefined],
    [false, 404, "not_found"],
  ]);
  assert.deepEqual(await unseen(), []);
});

test("the same Idempotency-Key gets the same rows, and does nothing again", async () => {
  const id = await jobs.shell("sleep 600");
  const headers = { "idempotency-key": "bulk-1" };
  const first = await bulk("stop", [id], headers);
  await jobs.ended(id);
  const second = await bulk("stop", [id], headers);
  assert.equal(second.headers["idempotent-replay"], "true");
  assert.deepEqual(second.json, first.json);
  assert.deepEqual(told(second), [[true, 200, undefined]]);
  const other = await bulk("remove", [id], headers);
  assert.equal(other.json.code, "idempotency_mismatch");
  assert.equal((await jobs.request("GET", `/api/v1/runs/${id}`)).status, 200);
});

test("a wrong request is refused by name", async () => {
  for (const [body, word] of [
    [{ action: "stop", ids: [] }, /ids/],
    [{ action: "stop", ids: Array(101).fill(absent) }, /ids/],
    [{ action: "stop", ids: [7] }, /ids/],
    [{ action: "end", ids: [absent] }, /action/],
    [{ action: "stop" }, /ids/],
  ]) {
    const answer = await jobs.request("POST", "/api/v1/runs/bulk", { body });
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.match(answer.json.detail, word);
  }
});

test("runs of another owner do not exist", async () => {
  const made = await jobs.request("POST", "/api/v1/tokens", {
    body: { owner: "alice", scopes: ["read", "run"] },
  });
  const headers = { authorization: `Bearer ${made.json.token}` };
  const id = await jobs.ran("true");
  for (const action of ["stop", "remove", "seen"]) {
    assert.deepEqual(told(await bulk(action, [id], headers)), [[false, 404, "not_found"]]);
  }
  assert.equal((await jobs.request("GET", `/api/v1/runs/${id}`)).status, 200);
});
