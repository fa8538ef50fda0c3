// A stop ends the whole tree within its grace and a second, whoever is in it: who left twice, who
// was halted, who is deaf to everything but SIGKILL, who forks without an end.
//
// The time is taken from the holder's own word; three seconds more are for a busy machine. No tree
// here has more than 300 processes, whatever fails.
//
// runs-with: release
import assert from "node:assert/strict";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";

import { sideBySide } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { Custody, lives, processesOf, until } from "./custody.mjs";

const test = sideBySide(4);
const GRACE_MS = 500;
const BUSY_MS = scaled(5000);

async function open(t) {
  const custody = new Custody(t);
  await custody.daemon.start();
  return custody;
}

/** Starts the line, stops it once it says `up`, and gives the run when nothing of it is left. */
async function stopped(custody, line, more = {}) {
  const id = await custody.shell(line, more);
  await custody.wrote(id, "up\n");
  const asked_ms = Date.now();
  const answer = await custody.stop(id, GRACE_MS);
  assert.equal(answer.status, 200, answer.text);
  const run = await custody.ended(id);
  const left = processesOf(custody.data).filter((one) => one.run?.startsWith(id));
  assert.deepEqual(left, [], "at its end nothing is left");
  const took_ms = run.result.ended_ms - asked_ms;
  assert.ok(took_ms <= GRACE_MS + 1000 + BUSY_MS, `${line}: ${took_ms} ms`);
  assert.deepEqual([run.state, run.cause], ["cancelled", "stopped"]);
  assert.equal(run.result.processes_left, 0);
  return { id, run, took_ms };
}

const deaf = "trap '' HUP INT QUIT TERM USR1 USR2 PIPE";

const TREES = {
  "a grandchild that forked twice and has a session of its own":
    "setsid sh -c '(setsid sh -c \"echo up; exec sleep 600\" &)' & sleep 600",
  "one whose whole line of descent is gone and deaf":
    `${deaf}; (setsid sh -c "(setsid sleep 600 &); echo up; sleep 600" &); sleep 600`,
  "one that was halted": "sh -c 'kill -STOP $$' & echo up; wait",
  "a main process that was halted": "echo up; kill -STOP $$",
  "one that is deaf to everything but SIGKILL":
    `${deaf}; sh -c "echo up; while :; do sleep 600; done"`,
  "one that forks again and again":
    `${deaf}; echo up; while :; do sleep 1 & sleep 0.05; done`,
  "a chain in which each starts the next and leaves":
    `${deaf}; echo up; f() { sleep 0.05; (f &); }; (f &); sleep 600`,
};

for (const [what, line] of Object.entries(TREES)) {
  test(`a stop ends ${what}`, async (t) => {
    const custody = await open(t);
    const { took_ms } = await stopped(custody, line, { limits: { processes: 200 } });
    t.diagnostic(`${took_ms} ms after the stop`);
  });
}

test("who hears the stop has the grace to end well", async (t) => {
  const custody = await open(t);
  const line = "trap 'echo heard; exit 3' TERM; echo up; while :; do sleep 0.05; done";
  const { id, run } = await stopped(custody, line);
  assert.equal(await custody.text(id), "up\nheard\n");
  assert.equal(run.exit_code, 3);
});

test("a fork bomb is ended by its limit of processes", async (t) => {
  const custody = await open(t);
  // It would come to 254 processes, and then to an end of its own.
  const bomb = "f() { [ $1 -le 0 ] || { f $(($1 - 1)) & f $(($1 - 1)) & }; sleep 20; }; f 6";
  const run = await custody.ended(await custody.shell(bomb, { limits: { processes: 30 } }));
  assert.deepEqual([run.state, run.cause], ["failed", "too_many_processes"]);
  assert.ok(run.result.processes > 30);
  assert.ok(run.result.duration_ms < 20_000 + BUSY_MS);
  await custody.nobodyIsLeft();
});

test("a second stop may shorten the grace", async (t) => {
  const custody = await open(t);
  const id = await custody.shell(`${deaf}; echo up; while :; do sleep 600; done`);
  await custody.wrote(id, "up\n");
  await custody.stop(id, 600_000);
  await custody.stop(id, 0);
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause], ["cancelled", "stopped"]);
  await custody.nobodyIsLeft();
});

test("a stop while the daemon is away is carried out by the next one", async (t) => {
  const custody = await open(t);
  const id = await custody.shell(`${deaf}; echo up; while :; do sleep 600; done`);
  await custody.wrote(id, "up\n");
  await custody.stop(id, 60_000);
  await custody.daemon.kill();
  await custody.daemon.start();
  await custody.stop(id, 0);
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause], ["cancelled", "stopped"]);
  await custody.nobodyIsLeft();
});

// --- Deadlines -----------------------------------------------------------------------------------

// Stops everybody above it, up to the daemon: its holder, and who forks the holders of others.
const ANCESTRY =
  "p=$PPID; while [ $p -gt 1 ] && [ \"$(cat /proc/$p/comm)\" != drover ]; do kill -STOP $p; " +
  "p=$(sed 's/.*) . //; s/ .*//' /proc/$p/stat); done";

/** A line that does that and goes on for ever. Its holder takes no output then: a file tells. */
function halting(custody, what) {
  const file = path.join(custody.folder, "halted");
  return {
    line: `${what}; touch ${file}; while :; do sleep 60; done`,
    done: () => until("they stand still", () => existsSync(file)),
  };
}

/** The holder's program, where it holds nothing. */
function nurseriesOf(custody) {
  const program = (pid) => {
    try {
      return readlinkSync(`/proc/${pid}/exe`);
    } catch {
      return ""; // It has just ended, or is somebody else's.
    }
  };
  const held = processesOf(custody.data).map((one) => String(one.pid));
  return readdirSync("/proc").filter((name) => {
    const ours = /^\d+$/.test(name) && program(name).startsWith(`${custody.data}/libexec/`);
    return ours && !held.includes(name);
  });
}

async function checkOverdue(custody, id) {
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause], ["timed_out", "deadline"], JSON.stringify(run));
  await custody.nobodyIsLeft();
}

test("a command that stops everybody above it is ended by its deadline", async (t) => {
  const custody = await open(t);
  const { line, done } = halting(custody, `${deaf}; (setsid sleep 600 &); ${ANCESTRY}`);
  const id = await custody.shell(line, { timeout_ms: scaled(2000) });
  await done();
  for (let i = 0; i < 3; i++) {
    const other = await custody.ended(await custody.shell("exit 0"));
    assert.equal(other.state, "succeeded", "others begin meanwhile");
  }
  await checkOverdue(custody, id);
});

test("whoever was stopped does not outlive the daemon", async (t) => {
  const custody = await open(t);
  const { line, done } = halting(custody, ANCESTRY);
  const id = await custody.shell(line);
  await done();
  await custody.daemon.kill();
  await until("nobody waits for orders", () => nurseriesOf(custody).length === 0);
  assert.ok(lives(custody.claim(`${id}.1`).pid), "the holder does outlive it");
});

test("the next daemon ends one that stopped its holder", async (t) => {
  const custody = await open(t);
  const { line, done } = halting(custody, "kill -STOP $PPID");
  const id = await custody.shell(line, { timeout_ms: scaled(2000) });
  await done();
  await custody.daemon.kill();
  await custody.daemon.start();
  await checkOverdue(custody, id);
});
