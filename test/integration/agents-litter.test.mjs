// agents-litter.test.mjs: of what a program started nothing is left: not in a session of its own,
// not of a parent that has ended, not a tool that runs; however its turn ends.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { define, letGo, open, script, session } from "./agents.mjs";
import { kill, processesOf } from "./processes.mjs";
import { until } from "./providers.mjs";
import { Listener } from "./turns.mjs";

const KINDS = ["claude", "codex", "opencode", "pi"];

/** The processes that the stand-in in this folder has left, and wrote down. */
const pidsIn = (folder) => readFileSync(path.join(folder, "left"), "utf8").trim().split("\n")
  .map(Number);
const lives = (pid) => existsSync(`/proc/${pid}`);

/** A program that has left three processes, and goes on. */
async function littering(t, agents) {
  const turns = await open(t, agents);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "LITTER, and be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  const pids = pidsIn(turns.root);
  t.after(() => pids.filter(lives).forEach((pid) => kill(pid))); // Of a test that fails.
  assert.deepEqual(pids.map(lives), [true, true, true]);
  return { turns, listener, run, pids };
}
const gone = (pids) => until("what it left has ended", () => !pids.some(lives));

for (const kind of KINDS) {
  test(`nothing is left of ${kind} when its turn has ended`, async (t) => {
    const { turns, listener, run, pids } = await littering(t, kind);
    letGo(turns);
    assert.equal((await listener.ended(run)).state, "succeeded");
    await gone(pids);
    listener.close();
  });
}

test("nothing is left of a program that was stopped", async (t) => {
  const { turns, listener, run, pids } = await littering(t);
  const { code, stderr } = await turns.daemon.cli(["stop", run]);
  assert.equal(code, 0, stderr);
  assert.equal((await listener.ended(run)).cause, "stopped");
  await gone(pids);
  listener.close();
});

test("nothing is left of a program that was killed", async (t) => {
  const { turns, listener, run, pids } = await littering(t, "opencode");
  const [program, ...others] = processesOf(turns.daemon.data)
    .filter(({ pid, holder }) => !holder && !pids.includes(pid));
  assert.deepEqual(others, []);
  kill(program.pid);
  letGo(turns);
  assert.equal((await listener.ended(run)).state, "succeeded"); // It went on in its session.
  await gone(pids);
  listener.close();
});

test("a stop by the next daemon ends all that the program started", async (t) => {
  const { turns, listener, run, pids } = await littering(t, "codex");
  listener.close();
  await turns.daemon.kill();
  await turns.daemon.start();
  assert.deepEqual(pids.map(lives), [true, true, true]);
  const again = await new Listener(turns, listener.session).open();
  assert.equal((await turns.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  assert.equal((await again.ended(run)).cause, "stopped");
  await gone(pids);
  again.close();
});

test("drover shutdown --stop-all ends programs with all that they started", async (t) => {
  const { turns, listener, run, pids } = await littering(t, "pi");
  listener.close();
  const { code, stdout, stderr } = await turns.daemon.cli(["shutdown", "--stop-all"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`${run} cancelled`));
  await turns.daemon.ended();
  await gone(pids);
});

test("each process has a folder for temporary files, which goes with it", async (t) => {
  const turns = await open(t, "opencode");
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "SPILL");
  const spilt = path.join(turns.root, "spilt");
  await until("it has spilt", () => existsSync(spilt) && readFileSync(spilt, "utf8").endsWith("]"));
  const [folder, ...same] = JSON.parse(readFileSync(spilt, "utf8"));
  assert.deepEqual(same, [folder, folder]);
  assert.ok(folder.startsWith(path.join(turns.daemon.data, "spool", "run_")), folder);
  assert.ok(existsSync(path.join(folder, "lib.so")));
  letGo(turns);
  assert.equal((await listener.ended(run)).state, "succeeded");
  await until("the folder is gone", () => !existsSync(folder));
  assert.ok(existsSync(path.join(path.dirname(folder), "exit.json"))); // Retention takes the rest.
  listener.close();
});

test("of the output of a program 64 MB of each stream are kept, as of a job", async (t) => {
  const turns = await open(t);
  const command = script(turns, "loud", "head -c 80000000 /dev/zero >&2; echo done");
  define(turns, "loud", { program: "plain", command });
  const listener = await session(turns, { agent: "loud" });
  const { end } = await turns.turn(listener, "hello");
  assert.equal(end.state, "succeeded", end.note);
  const spool = path.join(turns.daemon.data, "spool");
  const [folder] = readdirSync(spool).filter((name) => name.startsWith("run_"));
  const kept = readdirSync(path.join(spool, folder)).filter((name) => name.startsWith("err."))
    .reduce((sum, name) => sum + statSync(path.join(spool, folder, name)).size, 0);
  assert.ok(kept > 32 << 20 && kept <= 64 << 20, `${kept}`);
  listener.close();
});
