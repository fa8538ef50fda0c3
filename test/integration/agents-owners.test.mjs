// agents-owners.test.mjs: a turn of a program waits while somebody else uses the session that it
// goes on in, and begins nothing meanwhile.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { open, prompts, session } from "./agents.mjs";
import { kill, read } from "./processes.mjs";
import { Listener, textOf } from "./turns.mjs";

const ID = "7f3c2b1a-0d4e-4f5a-8b6c-9d0e1f2a3b4c";

const startOf = (pid) => read(`/proc/${pid}/stat`).split(") ")[1].split(" ")[19];

/** A process of a person: not of the daemon, and gone with the test. */
function person(t, command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => child.kill("SIGKILL"));
  child.leave = async () => {
    const end = once(child, "exit");
    child.kill("SIGKILL");
    await end;
  };
  return child;
}

/** What Claude Code writes of a process; `of`: what it says of itself. */
function register(turns, pid, of = {}) {
  const folder = path.join(turns.home, ".claude/sessions");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${pid}.json`), JSON.stringify({ pid, cwd: turns.root,
    procStart: startOf(pid), version: "2.1.197", kind: "interactive", status: "idle", ...of }));
}

/** A person who has the session of Claude Code open in a terminal. */
function openClaude(t, turns, sessionId) {
  const child = person(t, "sleep", ["1000"]);
  register(turns, child.pid, { sessionId });
  return child;
}

/** A person who has the thread of Codex open: its lock is held. */
async function openCodex(t, turns, thread) {
  const folder = path.join(turns.home, ".codex/thread-writer-locks");
  mkdirSync(folder, { recursive: true });
  const child = person(t, "flock", ["-o", path.join(folder, `${thread}.lock`), "sh", "-c",
    "echo locked; exec sleep 1000"]);
  t.after(() => kill(child.inner));
  await once(child.stdout, "data");
  child.inner = Number(read(`/proc/${child.pid}/task/${child.pid}/children`).trim());
  assert.ok(child.inner > 0);
  return child;
}

const jobs = async (turns) => (await turns.get("/runs?kind=job")).items;
const nativeOf = (turns) => readdirSync(path.join(turns.root, ".standin"))[0];

/** A session in which one turn has ended, and the name of the program's own session. */
async function talk(t, agent = "claude") {
  const turns = await open(t, agent);
  const listener = await session(turns);
  await turns.turn(listener, "one");
  return { turns, listener, native: nativeOf(turns) };
}

/** Sends a message whose turn waits; asserts how that is shown, and that nothing was begun. */
async function waits({ turns, listener }, pid, agent = "claude") {
  const before = (await jobs(turns)).length;
  const { run } = await turns.send(listener.session, "two");
  const told = await listener.until("turn_waiting");
  const note = `another process (pid ${pid}) uses this session of ${agent}`;
  assert.deepEqual([told.run, told.gate, told.cause, told.note],
    [run, "provider", "session_busy", note]);
  assert.ok(told.resume_at_ms > 0);
  const row = await turns.get(`/runs/${run}`);
  assert.deepEqual([row.state, row.gate, row.note], ["waiting", "provider", note]);
  assert.equal((await jobs(turns)).length, before);
  return { run, before, note };
}

async function goesOn({ turns, listener }, { run, before }) {
  assert.equal((await listener.ended(run)).state, "succeeded");
  assert.equal((await jobs(turns)).length, before + 1);
  assert.deepEqual(prompts(turns), [["one", "two"]]);
  const row = await turns.get(`/runs/${run}`);
  assert.deepEqual([row.gate, row.note, row.attempts], [null, null, 1]);
  const { items } = await turns.get(`/runs/${run}/spans`);
  assert.deepEqual(items.filter(({ cause }) => cause !== "completed"), []);
}

test("a turn waits while a person has its session of Claude Code open, and says so", async (t) => {
  const at = await talk(t);
  const { turns, listener, native } = at;
  const owner = openClaude(t, turns, native);
  const wait = await waits(at, owner.pid);
  const shown = await turns.daemon.cli(["show", wait.run]);
  assert.match(shown.stdout, /state +waiting \(session in use\)/);
  assert.ok(shown.stdout.includes(`its session: ${wait.note}`), shown.stdout);
  assert.ok((await turns.daemon.cli(["ps"])).stdout.includes("waiting"));
  register(turns, owner.pid, { sessionId: ID }); // As by /clear or /resume in there.
  await listener.until("turn_resumed");
  await goesOn(at, wait);
  await owner.leave();
  listener.close();
});

test("a turn waits while a person has its thread of Codex open", async (t) => {
  const at = await talk(t, "codex");
  const owner = await openCodex(t, at.turns, at.native);
  const wait = await waits(at, owner.pid, "codex");
  await owner.leave(); // The lock is left, and nobody holds it.
  await goesOn(at, wait);
  at.listener.close();
});

test("a kill of the daemon ends no wait, and the end of the person does", async (t) => {
  const at = await talk(t);
  const { turns, listener, native } = at;
  const owner = openClaude(t, turns, native);
  const wait = await waits(at, owner.pid);
  listener.close();
  await turns.daemon.kill();
  await turns.daemon.start();
  const again = await new Listener(turns, listener.session).open();
  await again.until("turn_resumed");
  const { note } = await again.until("turn_waiting");
  assert.equal(note, wait.note);
  assert.equal((await jobs(turns)).length, wait.before);
  await owner.leave();
  assert.equal((await again.ended(wait.run)).state, "succeeded");
  assert.equal((await jobs(turns)).length, wait.before + 1);
  assert.deepEqual(prompts(turns), [["one", "two"]]);
  again.close();
});

test("a stop ends the wait, and nothing was begun", async (t) => {
  const at = await talk(t);
  const { turns, listener, native } = at;
  const owner = openClaude(t, turns, native);
  const { run, before } = await waits(at, owner.pid);
  assert.equal((await turns.ask("POST", `/runs/${run}/stop`, {})).status, 200);
  const end = await listener.ended(run);
  assert.deepEqual([end.state, end.cause], ["cancelled", "stopped"]);
  assert.equal((await turns.get(`/runs/${run}`)).note, null);
  assert.equal((await jobs(turns)).length, before);
  await owner.leave();
  assert.equal(textOf((await turns.turn(listener, "three")).message), "turn 2 of claude");
  listener.close();
});

test("nobody waits for a process that has ended, is another one, or is elsewhere", async (t) => {
  const { turns, listener, native } = await talk(t);
  const owner = person(t, "sleep", ["1000"]);
  register(turns, owner.pid, { sessionId: native, procStart: `${Number(startOf(owner.pid)) - 1}` });
  const gone = person(t, "sleep", ["1000"]);
  register(turns, gone.pid, { sessionId: native });
  await gone.leave();
  const other = openClaude(t, turns, ID);
  const folder = path.join(turns.home, ".claude/sessions");
  for (const [name, text] of [["1.json", "{"], ["2.json", "[]"], ["x", ""]])
    writeFileSync(path.join(folder, name), text);
  mkdirSync(path.join(folder, "3.json"));
  assert.equal(textOf((await turns.turn(listener, "two")).message), "turn 2 of claude");
  const { events } = await turns.get(`/streams/session:${listener.session}/events?limit=1000`);
  assert.ok(!events.some(({ type }) => type === "turn_waiting"));
  await owner.leave();
  await other.leave();
  listener.close();
});

test("an adopted session whose file ends within a turn is waited for", async (t) => {
  const turns = await open(t);
  const folder = path.join(turns.home, ".claude/projects",
    turns.root.replaceAll(/[^a-zA-Z0-9]/g, "-"));
  const file = path.join(folder, `${ID}.jsonl`);
  const line = (type, content, more = {}) => `${JSON.stringify({ type, cwd: turns.root,
    sessionId: ID, timestamp: new Date().toISOString(), message: { role: type, content, ...more },
  })}\n`;
  mkdirSync(folder, { recursive: true });
  mkdirSync(path.join(turns.root, ".standin"));
  writeFileSync(path.join(turns.root, ".standin", ID), "");
  writeFileSync(file, line("user", "which colour?"));
  const made = await turns.ask("POST", "/sessions",
    { agent: "claude", native: ID, root: turns.root, title: "A talk" });
  assert.equal(made.status, 201, made.text);
  const listener = await new Listener(turns, made.json.id).open();
  const { run } = await turns.send(listener.session, "and now?");
  const { note } = await listener.until("turn_waiting");
  assert.equal(note, "another process works in this session of claude");
  assert.deepEqual(await jobs(turns), []);
  appendFileSync(file, line("assistant", [{ type: "text", text: "Blue." }],
    { stop_reason: "end_turn" }));
  assert.equal((await listener.ended(run)).state, "succeeded");
  listener.close();
});
