// projects.test.mjs: what uses a project makes it, what is unfinished keeps it, and new sessions
// begin with what it says. (What holds for every resource: resources.test.mjs.)
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";

async function start(t, env = {}) {
  const args = ["--insecure-loopback"];
  const daemon = await new Daemon({ data: scratch(t), args, env }).start();
  t.after(() => daemon.kill());
  const ask = async (method, target, body) => {
    const answer = await daemon.request(method, `/api/v1${target}`, { body, local: true });
    return { ...answer.json, status: answer.status };
  };
  return { daemon, ask };
}

test("the first session, job and budget of a project make it", async (t) => {
  const { ask } = await start(t);
  const names = async () => (await ask("GET", "/projects")).items.map(({ name }) => name);
  assert.deepEqual(await names(), []);
  await ask("POST", "/sessions", { project: "chats" });
  await ask("POST", "/sessions", { project: "chats" });
  await ask("POST", "/jobs", { argv: ["true"], project: "builds" });
  await ask("PATCH", "/budgets/project:money", { cost_micros: 5 });
  assert.deepEqual(await names(), ["builds", "chats", "money"]);
  const { events } = await ask("GET", "/streams/owner:local/events?limit=100");
  const made = events.filter((event) => event.type === "project_changed");
  assert.deepEqual(made.map((event) => event.data.name), ["chats", "builds", "money"]);
});

test("a project is not removed while a run of it has not ended", async (t) => {
  const { daemon, ask } = await start(t);
  const { id } = await ask("POST", "/jobs", { argv: ["sleep", "1000"], project: "night" });
  const refused = await ask("DELETE", "/projects/night");
  assert.equal(refused.status, 409);
  assert.equal(refused.code, "conflict");
  assert.equal(refused.detail, `${id} of project 'night' has not ended`);
  await ask("POST", `/runs/${id}/stop`);
  const stream = await openSse(daemon, `/api/v1/streams/run:${id}/events`);
  for (let frame; (frame = await stream.next()) && frame.event !== "run_finished"; );
  stream.close();
  assert.equal((await ask("DELETE", "/projects/night")).status, 200);
});

test("a session that names no folder and no model has those of its project", async (t) => {
  const { daemon, ask } = await start(t);
  const root = scratch(t);
  await ask("POST", "/projects", { name: "web", root, model: "scripted/demo" });
  const plain = await ask("POST", "/sessions", { project: "web" });
  assert.deepEqual([plain.root, plain.model], [root, "scripted/demo"]);
  const own = await ask("POST", "/sessions", { project: "web", root: daemon.data, model: "x/y" });
  assert.deepEqual([own.root, own.model], [daemon.data, "x/y"]);
  assert.equal((await ask("PATCH", "/projects/web", { model: "nonsense" })).code, "bad_field");
  assert.equal((await ask("PATCH", "/projects/web", { name: "other" })).code, "unknown_field");
  assert.equal((await ask("POST", "/projects", { name: "web" })).code, "conflict");
});

test("a model of the project is enough where the daemon has none", async (t) => {
  const { ask } = await start(t, { DROVER_MODEL: "" });
  await ask("POST", "/projects", { name: "web", model: "scripted/demo" });
  assert.equal((await ask("POST", "/sessions", { project: "bare" })).code, "no_model");
  assert.equal((await ask("GET", "/projects/bare")).status, 404); // Nothing was made.
  const { id, model } = await ask("POST", "/sessions", { project: "web" });
  assert.equal(model, "scripted/demo");
  assert.equal((await ask("POST", `/sessions/${id}/messages`, { text: "say: hi" })).status, 201);
});

test("a root has no control characters", async (t) => {
  const { ask } = await start(t);
  assert.equal((await ask("POST", "/projects", { name: "web", root: "/a\n" })).code, "bad_field");
});
