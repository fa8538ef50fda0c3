// approvals-shown.test.mjs: a question shows all of the call that a yes allows, in each client.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { begin, plain } from "./jobs-cli.mjs";
import { bin } from "./lib.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(60_000) };
const DIRTY = call("run_command", { command: "rm", args: ["-rf", "/srv/\u202eatad"] });
const LINES = call("run_command", { command: "sh", args: ["-c", "echo hi\nrm -rf /srv/data"] });
const SHOWN = "rm -rf '/srv/\\u202eatad'";

/** What a person sees of a command at a terminal of 80 columns. */
async function screen(t, turns, line) {
  const words = ["script", "-qefc", `stty columns 80 rows 40; '${bin}' ${line}`, "/dev/null"];
  const { stdout } = await begin(t, turns.daemon, [], { words, env: { TERM: "xterm" } }).ended;
  return plain(stdout);
}

test("the whole call stands in the row, the events and each list", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const { run } = await turns.send(listener.session, script(DIRTY, "step:", LINES, say("so")));
  const asked = await listener.until("approval_asked");
  assert.equal(asked.shown, SHOWN);
  const [row] = (await turns.get("/approvals")).items;
  assert.equal(row.shown, SHOWN);
  for (const line of ["ps", "status", `show ${run}`, "approve"]) {
    const text = await screen(t, turns, line);
    assert.ok(text.includes(SHOWN), `${line}: ${text}`);
    assert.ok(!text.includes("\u202e"), line);
  }
  assert.equal((await turns.approve(row.id, { decision: "deny" })).json.shown, SHOWN);
  await until("the second call is asked about", async () =>
    (await turns.get("/approvals")).items[0]?.id !== undefined);
  const two = "sh -c 'echo hi\n> rm -rf /srv/data'";
  assert.equal((await turns.get("/approvals")).items[0].shown, two);
  assert.match(await screen(t, turns, "ps"), /\? run_command: sh -c 'echo hi …\n/);
  const list = await screen(t, turns, "approve");
  assert.ok(list.includes("\n  sh -c 'echo hi\n  > rm -rf /srv/data'\n"), list);
  const show = await screen(t, turns, `show ${run}`);
  const indent = " ".repeat(12);
  const lines = ["run_command: sh -c 'echo hi", "> rm -rf /srv/data'", "drover approve apr_"];
  assert.ok(show.includes(`asks        ${lines.join(`\n${indent}`)}`), show);
});

test("so it does where the agent of a workflow asks", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const file = path.join(turns.root, "asks.js");
  writeFileSync(file, `export const meta = { name: "asks", description: "x" };
return await agent(${JSON.stringify(script(DIRTY, say("ran")))}, { label: "cleaner" });`);
  const args = ["run", file, "--model", "scripted/demo", "--root", turns.root];
  const piped = begin(t, turns.daemon, args);
  await piped.when((all) => all.includes(`agent asks: cleaner (run_command: ${SHOWN}): drover`));
  const [{ run: turn }] = (await turns.get("/approvals")).items;
  const agent = (await turns.get(`/runs/${turn}`)).parent;
  const { parent: run } = await turns.get(`/runs/${agent}`);
  for (const line of ["ps", "status", `show ${run}`, `show ${agent}`]) {
    const text = await screen(t, turns, line);
    assert.ok(text.includes(SHOWN), `${line}: ${text}`);
  }
  const words = ["script", "-qefc", `stty columns 80 rows 24; '${bin}' attach ${run}`, "/dev/null"];
  const attached = begin(t, turns.daemon, [], { words, env: { TERM: "xterm" }, typed: true });
  await attached.when((all) => plain(all).includes(`? cleaner asks: run_command: ${SHOWN}`));
  attached.child.stdin.write("n\r");
  await Promise.all([piped.ended, attached.ended]);
});
