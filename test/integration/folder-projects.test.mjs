// folder-projects.test.mjs: a session that names no project is of the project of its folder, so
// that a yes for a project frees no other folder; `default` takes no rules.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";
import { change } from "./sql.mjs";
import { call, say, script, toolsOf, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(60_000) };
const TOUCH = call("run_command", { command: "touch", args: ["it"] });
const RULES = { permissions: [{ tool: "run_command", permission: "allow" }] };

/** Turns whose folders are not below the temporary one. */
async function open(t, ...folders) {
  const turns = await Turns.open(t, { env: { TMPDIR: scratch(t) } });
  for (const folder of folders) mkdirSync(path.join(turns.folder, folder), { recursive: true });
  turns.at = (folder) => path.join(turns.folder, folder);
  turns.projectOf = async (body) =>
    (await turns.get(`/sessions/${await turns.session(body)}`)).project;
  return turns;
}

async function asking(turns, listener) {
  const { run } = await turns.send(listener.session, script(TOUCH, "step:", say("so")));
  return { run, asked: await listener.until("approval_asked", (data) => data.run === run) };
}

test("a yes for the project frees the calls in its folder, and in no other", LIMIT, async (t) => {
  const turns = await open(t, "a/.git", "a/sub", "b");
  const first = await turns.listen({ root: turns.at("a/sub") });
  const { run, asked } = await asking(turns, first);
  assert.equal(asked.project, "a");
  const { status } = await turns.approve(asked.id, { decision: "allow", scope: "project" });
  assert.equal(status, 200);
  await first.ended(run);
  const { root, settings } = await turns.get("/projects/a");
  assert.deepEqual([root, settings.permissions.length], [turns.at("a"), 1]);
  const same = await turns.listen({ root: turns.at("a") });
  const { message } = await turns.turn(same, script(TOUCH, "step:", say("so")));
  assert.equal(toolsOf(message)[0].state, "succeeded");
  const other = await turns.listen({ root: turns.at("b") });
  const question = await asking(turns, other);
  assert.equal(question.asked.project, "b");
  await turns.approve(question.asked.id, { decision: "deny" });
  await other.ended(question.run);
});

test("the project of a folder is made once, by a name that is free", LIMIT, async (t) => {
  const turns = await open(t, "x/web/.git", "x/web/deep/er", "y/web", "z/Web", "z/default",
    "w/named");
  symlinkSync(turns.at("x/web"), turns.at("link"));
  const of = (folder, more) => turns.projectOf({ root: turns.at(folder), ...more });
  assert.equal(await of("x/web/deep/er"), "web");
  assert.equal(await of("x/web"), "web");
  assert.equal(await of("link"), "web");
  assert.equal(await of("y/web"), "y-web");
  assert.equal(await of("z/Web"), "z-web");
  assert.equal(await of("z/default"), "z-default");
  assert.equal(await of("y/web", { project: "mine" }), "mine");
  await turns.ask("POST", "/projects", { name: "own", root: turns.at("w/named") });
  assert.equal(await of("w/named"), "own"); // Somebody gave the folder a project before.
  assert.equal(await turns.projectOf({}), "default");
  assert.equal(await of("absent"), "default");
  const { items } = await turns.get("/projects?limit=100");
  assert.deepEqual(items.map(({ name, root }) => [name, root]), [
    ["default", null], ["mine", null], ["own", turns.at("w/named")], ["web", turns.at("x/web")],
    ["y-web", turns.at("y/web")], ["z-default", turns.at("z/default")],
    ["z-web", turns.at("z/Web")]]);
  const temporary = await Turns.open(t);
  const below = await temporary.session({ root: temporary.root });
  assert.equal((await temporary.get(`/sessions/${below}`)).project, "default");
});

test("the default project takes no rules, and none that it has had apply", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root }); // Below the temporary folder.
  const { run, asked } = await asking(turns, listener);
  assert.equal(asked.project, null); // Nobody offers it.
  const refused = await turns.approve(asked.id, { decision: "allow", scope: "project" });
  assert.deepEqual([refused.status, refused.json.code], [400, "bad_field"]);
  assert.match(refused.json.detail, /'default' takes no rules.*allow it for the session/);
  assert.equal((await turns.get(`/approvals/${asked.id}`)).state, "open");
  await turns.approve(asked.id, { decision: "deny" });
  await listener.ended(run);
  const set = (settings) => turns.ask("PATCH", "/projects/default", { settings });
  const { status, json } = await set(RULES);
  assert.deepEqual([status, json.code], [400, "bad_field"]);
  assert.match(json.detail, /'default' takes no rules/);

  // As a daemon has left them that still took them.
  await change(turns, `UPDATE projects SET settings = '${JSON.stringify(RULES)}'` +
    " WHERE name = 'default'");
  await listener.open();
  const again = await asking(turns, listener);
  await turns.approve(again.asked.id, { decision: "deny" });
  await listener.ended(again.run);
  assert.deepEqual((await turns.get("/projects/default")).settings, RULES);
  const doctor = await turns.daemon.cli(["doctor"]);
  assert.match(doctor.stdout, /rules +those of the project 'default'.* apply to no session any/);
  assert.equal((await set({})).status, 200);
  assert.doesNotMatch((await turns.daemon.cli(["doctor"])).stdout, /project 'default'/);
});
