// approvals-inbox.test.mjs: what an inbox shows of a question without a further read, in the list
// and for followers; and an answer that is bound to the question as it was shown.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { begin } from "./jobs-cli.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(60_000) };
const MAKE = call("run_command", { command: "make", args: [] });

/** The last approval_changed of each id. */
async function told(turns) {
  const { events } = await turns.get("/streams/owner:local/events?limit=1000");
  const changed = events.filter(({ type }) => type === "approval_changed");
  return Object.fromEntries(changed.map(({ data }) => [data.id, data]));
}

const place = ({ title, project, root_run, agent, phase, root, depth }) =>
  ({ title, project, root_run, agent, phase, root, depth });

test("the row of a question says where it comes from, and followers have the row", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const root = turns.root;
    const listener = await turns.listen({ root, project: "web", title: "Fix the build" });
    const { run } = await turns.send(listener.session, script(MAKE, say("so")));
    const asked = await listener.until("approval_asked");
    const file = path.join(root, "asks.js");
    writeFileSync(file, `export const meta = { name: "asks", description: "x",
  phases: [{ title: "Fix" }] };
phase("Fix");
return await agent(${JSON.stringify(script(MAKE, say("ran")))}, { label: "fix 4" });`);
    const args = ["run", file, "--model", "scripted/demo", "--root", root, "--project", "flows"];
    const piped = begin(t, turns.daemon, args);
    await piped.when((all) => all.includes("drover approve apr_"));
    const { items, total } = await turns.get("/approvals?total=1");
    assert.equal(total, 2);
    const [agents, own] = items;
    assert.deepEqual(place(own), { title: "Fix the build", project: "web", root_run: run,
      agent: null, phase: null, root, depth: 0 });
    const top = (await turns.get("/runs?kind=workflow")).items[0];
    assert.deepEqual(place(agents), { title: top.label ?? top.command, project: "flows",
      root_run: top.id, agent: "fix 4", phase: "Fix", root, depth: 2 });
    assert.deepEqual(place(asked), place(own));
    assert.deepEqual(await told(turns), { [own.id]: own, [agents.id]: agents });
    assert.deepEqual((await turns.get("/overview")).waiting.kinds, { ask: 2 });
    for (const { id } of items) await turns.approve(id, { decision: "deny", reason: "no" });
    await piped.ended;
    const rows = (await turns.get("/approvals?all=1")).items;
    assert.deepEqual(rows.map(({ state, by }) => [state, by]), Array(2).fill(["denied", "local"]));
    assert.deepEqual(await told(turns), Object.fromEntries(rows.map((row) => [row.id, row])));
    assert.deepEqual((await turns.get("/overview")).waiting.kinds, {});
  });

test("what is asked about a session is not about that session", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const permissions = [{ tool: "read_session", permission: "ask" }];
  const read = await turns.listen({ root: turns.root });
  const { session } = read;
  await turns.ask("POST", "/seen", { session, seq: 1 });
  const listener = await turns.listen({ root: turns.root, settings: { permissions } });
  await turns.send(listener.session, script(call("read_session", { session }), say("so")));
  const asked = await listener.until("approval_asked");
  assert.equal(asked.arguments.session, session);
  assert.equal((await turns.ask("DELETE", `/sessions/${session}`)).status, 200);
  let gone;
  for (let after = 0; gone === undefined;) {
    const page = await turns.get(`/streams/owner:local/events?after=${after}&wait=20`);
    gone = page.events.find(({ data }) => data.id === session && data.removed);
    after = page.head;
  }
  assert.equal((await told(turns))[asked.id].id, asked.id);
  assert.equal((await told(turns))[asked.id].removed, undefined);
});

test("an answer to another question than the one that was shown is refused", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    const listener = await turns.listen({ root: turns.root });
    const { run } = await turns.send(listener.session, script(MAKE, say("so")));
    const asked = await listener.until("approval_asked");
    const stale = { decision: "allow", digest: "0".repeat(64) };
    const refused = await turns.approve(asked.id, stale);
    assert.deepEqual([refused.status, refused.json.code], [409, "other_question"]);
    assert.deepEqual(await turns.get(`/approvals/${asked.id}`), asked);
    const same = { decision: "deny", digest: asked.digest };
    assert.equal((await turns.approve(asked.id, same)).json.state, "denied");
    assert.equal((await turns.approve(asked.id, same)).status, 200);
    assert.equal((await turns.approve(asked.id, { ...same, digest: "x" })).json.code,
      "other_question");
    await listener.ended(run);
  });
