// agents-cools.test.mjs: an agent whose provider refuses cools down, as its row says, also over a
// restart; and what an agent has to do now: numbers, and lists of its runs and sessions.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";

import { define, letGo, open, session } from "./agents.mjs";
import { sideBySide } from "./lib.mjs";
import { until } from "./providers.mjs";
import { Listener } from "./turns.mjs";

const test = sideBySide(4);

const said = async (turns, args) => {
  const { code, stdout, stderr } = await turns.daemon.cli(args, { cwd: turns.root });
  assert.equal(code, 0, stderr);
  return stdout;
};
const now = ({ running, waiting, at_once, cooling_until_ms, cooling_cause }) =>
  ({ running, waiting, at_once, until: cooling_until_ms, cause: cooling_cause });

test("an agent whose provider refuses cools down over a restart, until its end",
  async (t) => {
    const turns = await open(t, ["claude", "codex"]);
    const agent = async (name = "claude") => now(await turns.get(`/agents/${name}`));
    const idle = { running: 0, waiting: 0, at_once: null, until: null, cause: null };
    const first = await session(turns), second = await session(turns);
    assert.deepEqual(await agent(), idle);
    const failed = await turns.send(first.session, "FAIL429 NAMES(8)");
    const { resume_at_ms: resumes } = await first.until("turn_waiting");
    await until("its row is there", async () => (await agent()).until !== null);
    const cools = await agent();
    assert.deepEqual(cools, { ...idle, waiting: 1, until: cools.until, cause: "rate_limited" });
    assert.ok(Math.abs(cools.until - resumes) < 1000, `${cools.until - resumes}`);
    const listed = (await turns.get("/agents?limit=100")).items;
    assert.deepEqual(now(listed.find(({ name }) => name === "claude")), cools);
    assert.deepEqual(await agent("codex"), idle); // It is no provider of the other one.
    assert.match(await said(turns, ["agent", "show", "claude"]),
      /^now +1 waits, cools until [\d:]+Z? \(rate_limited\)$/m);
    first.close();
    second.close();

    await turns.daemon.kill();
    await turns.daemon.start();
    assert.deepEqual(await agent(), cools);
    const again = [await new Listener(turns, first.session).open(),
      await new Listener(turns, second.session).open()];
    const { run } = await turns.send(second.session, "hello");
    const wait = await again[1].until("turn_waiting");
    assert.equal(wait.gate, "provider");
    assert.match(wait.note, /^the provider of claude refuses more for now/);
    assert.equal((await agent()).waiting, 2);
    assert.equal((await again[0].ended(failed.run)).state, "succeeded");
    assert.equal((await again[1].ended(run)).state, "succeeded");
    const begun = (await turns.get("/runs?agent=claude&kind=job")).items
      .filter(({ parent }) => parent === run);
    assert.ok(begun[0].started_ms >= cools.until - 100, `${begun[0].started_ms - cools.until}`);
    await until("it cools no more", async () => (await agent()).until === null);
    for (const listener of again) listener.close();
  });

test("slots of an agent, and its runs and sessions, are counted and listed by its name",
  async (t) => {
    const turns = await open(t, "claude", { at_once: 1 });
    define(turns, "other", { program: "plain", command: "true" });
    const agent = async () => now(await turns.get("/agents/claude"));
    const works = await session(turns), waits = await session(turns);
    const other = await session(turns, { agent: "other" });
    const { run: running } = await turns.send(works.session, "SLOW");
    await until("its process runs", async () => (await agent()).running === 1);
    const { run: waiting } = await turns.send(waits.session, "hello");
    await until("one waits for the slot", async () => (await agent()).waiting === 1);
    assert.deepEqual(await agent(),
      { running: 1, waiting: 1, at_once: 1, until: null, cause: null });
    assert.match(await said(turns, ["agent", "ls"]), /^claude .* 1 of 1 run, 1 waits /m);

    const live = (await turns.get("/runs?agent=claude&live=1")).items;
    const turnsOf = live.filter(({ kind }) => kind === "turn").map(({ id }) => id);
    assert.deepEqual(turnsOf.sort(), [running, waiting].sort());
    assert.ok(live.filter(({ kind }) => kind === "job").every(({ label }) => label === "claude"));
    assert.deepEqual((await turns.get("/runs?agent=other")).items, []);
    const shown = await said(turns, ["ps", "--agent", "claude", "--kind", "turn", "--json"]);
    assert.ok(shown.includes(running) && shown.includes(waiting), shown);
    assert.equal(await said(turns, ["ps", "--agent", "other", "--json"]), "");
    const ids = async (query) => (await turns.get(`/sessions?${query}`)).items.map(({ id }) => id);
    assert.deepEqual(await ids("agent=other"), [other.session]);
    assert.deepEqual((await ids("agent=claude")).sort(), [works.session, waits.session].sort());
    assert.deepEqual(await ids("agent=claude&project=none"), []);
    assert.deepEqual(await ids("agent=claude&archived=1"), []);
    const lines = await said(turns, ["session", "ls", "--agent", "other", "--json"]);
    assert.ok(lines.includes(other.session) && !lines.includes(works.session), lines);

    letGo(turns);
    for (const [listener, run] of [[works, running], [waits, waiting]]) {
      assert.equal((await listener.ended(run)).state, "succeeded");
    }
    await until("nothing is left to do", async () => {
      const { running: slots, waiting: rest } = await agent();
      return slots === 0 && rest === 0;
    });
    for (const listener of [works, waits, other]) listener.close();
  });
