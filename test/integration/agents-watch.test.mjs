// agents-watch.test.mjs: programs are supervised while they run: silence, processes that are gone,
// summaries that never end, and limits.
//
// Windows are short here. Where a program must not be ended they are longer, since a machine that
// is busy may let a program begin late, and is compared with one that falls silent later.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { define, letGo, open, prompts, script, session, STANDIN } from "./agents.mjs";
import { kill, processesOf } from "./processes.mjs";
import { until } from "./providers.mjs";
import { Listener, textOf } from "./turns.mjs";

const WINDOW = { no_progress_ms: 400 };
const LONGER = { no_progress_ms: 1000 };

const begins = async (turns, listener, words) => {
  const { run } = await turns.send(listener.session, words);
  await listener.until("delta", ({ text }) => text.includes("one"));
  return run;
};
const gone = (turns) => until("all has ended",
  async () => (await turns.get("/runs?live=1")).items.length === 0);
const jobs = async (turns) =>
  (await turns.get("/runs")).items.filter(({ kind }) => kind === "job");

/** Its program ends, and the holder of the program doesn't notice. */
function vanish(turns) {
  const found = processesOf(turns.daemon.data);
  const holders = found.filter(({ holder }) => holder);
  const programs = found.filter(({ holder }) => !holder);
  assert.deepEqual([holders.length, programs.length], [1, 1]);
  kill(holders[0].pid, "SIGSTOP");
  kill(programs[0].pid);
}

describe("supervision", { concurrency: 3 }, () => {
  test("a silent program is ended, and the note says for how long it was silent", async (t) => {
    const turns = await open(t, ["claude", "codex", "opencode", "pi"], WINDOW);
    await Promise.all(["claude", "codex", "opencode", "pi"].map(async (agent) => {
      const listener = await session(turns, { agent });
      const { end } = await turns.turn(listener, "HANG");
      assert.deepEqual([agent, end.state, end.cause], [agent, "timed_out", "deadline"]);
      assert.ok(end.note.startsWith(`${agent} wrote nothing and used no processor for 1200 ms (`));
      assert.match(end.note, /process.*raise no_progress_ms/);
      listener.close();
    }));
    await gone(turns);
    const ended = (await jobs(turns)).filter(({ cause }) => cause === "timed_out");
    assert.equal(ended.length, 4); // The job keeps why it was ended.
  });

  test("a program that computes, or asks a person, is not silent", async (t) => {
    const turns = await open(t, "claude", LONGER);
    const [busy, asks, silent] = [await session(turns), await session(turns), await session(turns)];
    const first = await begins(turns, busy, "BUSY");
    const second = await turns.send(asks.session, "ASK me");
    await until("it asks", async () => (await turns.get("/approvals")).items.length === 1);
    assert.equal((await turns.turn(silent, "HANG")).end.state, "timed_out");
    assert.equal((await turns.get(`/runs/${first}`)).state, "running");
    letGo(turns);
    assert.equal((await busy.ended(first)).state, "succeeded");
    const [question] = (await turns.get("/approvals")).items;
    const allowed = await turns.ask("POST", `/approvals/${question.id}`, { decision: "allow" });
    assert.equal(allowed.status, 200);
    assert.equal((await asks.ended(second.run)).state, "succeeded");
    for (const listener of [busy, asks, silent]) listener.close();
  });

  test("a restart of the daemon begins a new window", async (t) => {
    const turns = await open(t, "claude", LONGER);
    const listener = await session(turns);
    const run = await begins(turns, listener, "HANG");
    listener.close();
    await turns.daemon.kill();
    await turns.daemon.start();
    const again = await new Listener(turns, listener.session).open();
    const end = await again.ended(run);
    assert.deepEqual([end.state, end.cause], ["timed_out", "deadline"]);
    assert.equal(prompts(turns)[0].length, 1);
    again.close();
  });

  test("a program whose processes are gone goes on in its session", async (t) => {
    const turns = await open(t, "claude", LONGER);
    const listener = await session(turns);
    const run = await begins(turns, listener, "SLOW");
    vanish(turns);
    assert.equal((await listener.ended(run)).state, "succeeded");
    assert.match(prompts(turns)[0][1], /^You were interrupted.*interruption 1 of at most 1/);
    assert.equal(textOf(await turns.answer(listener.session, run)), "one turn 2 of claude");
    await gone(turns);
    listener.close();
  });

  test("a second time in a row it is stuck, also over a restart of the daemon", async (t) => {
    const turns = await open(t, "claude", LONGER);
    const listener = await session(turns);
    const run = await begins(turns, listener, "HANG");
    vanish(turns);
    await until("it goes on", () => prompts(turns)[0].length === 2);
    listener.close();
    await turns.daemon.kill();
    vanish(turns);
    await turns.daemon.start();
    const again = await new Listener(turns, listener.session).open();
    const end = await again.ended(run);
    assert.deepEqual([end.state, end.cause], ["failed", "stuck"]);
    assert.match(end.note, /^the processes of claude were gone before it had ended/);
    assert.equal(prompts(turns)[0].length, 2);
    await gone(turns);
    again.close();
  });

  test("one that is gone and cannot go on fails as such", async (t) => {
    const turns = await open(t, [], LONGER);
    const command = script(turns, "lines", `exec ${process.execPath} ${STANDIN} lines "$@"`);
    define(turns, "lines", { program: "json_lines", command, ...LONGER,
      lines: { text: "say", result: "done" } });
    const listener = await session(turns, { agent: "lines" });
    const run = await begins(turns, listener, "HANG");
    vanish(turns);
    const end = await listener.ended(run);
    assert.deepEqual([end.state, end.cause], ["failed", "revive_failed"]);
    assert.match(end.note, /^the processes of lines were gone before it had ended/);
    const { items } = await turns.get(`/runs/${run}/spans`);
    assert.equal(items.findLast(({ kind }) => kind === "model").cause, "stuck");
    await gone(turns);
    listener.close();
  });

  test("a summary is waited for longer than silence, and not for ever", async (t) => {
    const turns = await open(t, ["claude", "pi"], LONGER);
    await Promise.all(["claude", "pi"].map(async (agent) => {
      const listener = await session(turns, { agent });
      const { end } = await turns.turn(listener, "COMPACT");
      assert.deepEqual([end.state, end.cause], ["failed", "compaction_hanging"]);
      assert.match(end.note, /did not finish the summary of .* in 4000 ms .1 process/);
      listener.close();
    }));
    await gone(turns);
  });

  test("a program that passes a limit is ended, and the note names the limit", async (t) => {
    const rows = [
      ["claude", { requests: 20 }, "LOOP", "too_many_requests", /of 20 requests.*raise requests/],
      ["opencode", { requests: 20 }, "LOOP", "too_many_requests", /of 20 requests.*raise requests/],
      ["codex", { requests: 20 }, "LOOP", "too_many_requests", /of 20 requests.*raise requests/],
      ["codex", { processes: 1 }, "LEAVE and HANG", "too_many_processes",
        /of 1 processes.*raise processes/],
      ["pi", { memory: 192 << 20 }, "EAT", "memory_exceeded", /of 192 MB.*raise memory/],
    ];
    await Promise.all(rows.map(async ([agent, limits, words, cause, note]) => {
      const turns = await open(t, agent, limits);
      const listener = await session(turns);
      const { end } = await turns.turn(listener, words);
      assert.deepEqual([agent, end.state, end.cause], [agent, "failed", cause]);
      assert.match(end.note, note);
      await gone(turns);
      assert.deepEqual(processesOf(turns.daemon.data).filter(({ holder }) => !holder), []);
      assert.equal((await turns.turn(listener, "hello")).end.state, "succeeded");
      listener.close();
    }));
  });
});
