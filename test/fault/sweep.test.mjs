// Everything that can fail below the daemon fails once: each allocation, write, sync, open, read,
// truncation and rename on a durable path, in turn; and the daemon is killed before, in the middle
// of and after each write and sync. The request that was hit gets a documented error, the next one
// works; only a commit of unknown outcome answers nobody and ends the daemon with exit code 8.
// Afterwards a daemon without a fault serves what was acknowledged, once, and nothing of what was
// refused.
//
// runs-with: release
//
// DROVER_FAULTY         the daemon with a fault in it (test/fault/faulty.h)
// DROVER_FAULT_SECONDS  so long for all (DROVER_TEST_ALL=1: every point)
// DROVER_FAULT_OFFSET   0 to 1: where the stride begins, to repeat a run
// DROVER_FAULT_ONLY     KIND:N@SCENE or KIND:N:TIMES@SCENE, as a failure tells it, or KIND@SCENE
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { followPoll, followSse, followWebSocket } from "../integration/follow.mjs";
import { Daemon, plainEnv, root, run, scratch } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { Ledger, STREAMS } from "./ledger.mjs";
import { CLI_KINDS, KINDS, points } from "./points.mjs";
import { Died, Work } from "./work.mjs";

const faulty = path.resolve(
  root,
  process.env.DROVER_FAULTY ?? "build/release/test/fault/drover-faulty",
);
const seconds = Number(process.env.DROVER_FAULT_SECONDS ?? 45);
const TIMEOUT_MS = scaled(4 * 3_600_000); // All points take hours.
const COMMANDS_SHARE = 0.25;
const offset = Number(process.env.DROVER_FAULT_OFFSET ?? Math.random());
const LOST = 8;
// The thread `store-log` copies what is committed long since: it may try again.
const SYNC_OF_COMMIT = /"serving"[^]*^fault: \S+ at \S+-wal in (?!store-log$)/m;
const ONE = /:\d/;
const FAILURES_MAX = 10; // Then it is time to look.
const EXIT_CODES = [1, 2, 4, 7, LOST];

function faultEnv(fault, under) {
  return { DROVER_FAULT: fault, DROVER_FAULT_UNDER: under };
}

function makeDaemon(data, more) {
  mkdirSync(data, { recursive: true });
  return new Daemon({ data, args: ["--insecure-loopback"], ...more });
}

// That a copied data directory is held, and that the machine has no cgroups, is said before
// anything can fail, and explains no end.
const ASIDE = /^fault: |"what":"(?:this database was restored or copied|commands get no cgroups)/;
const messages = (log) => log.split("\n").filter((line) => line && !ASIDE.test(line));
const wasHit = (log) => /^fault: \S+ at /m.test(log);

// --- One point -----------------------------------------------------------------------------------

/** true: it serves. A start that fails says why in one line, with a documented exit code. */
async function begin(daemon, kind) {
  try {
    await daemon.start();
    return true;
  } catch (error) {
    if (daemon.running) throw error;
  }
  await daemon.closed;
  const { code, signal } = await daemon.exited;
  if (kind.kills) {
    assert.equal(signal, "SIGKILL", daemon.log);
  } else {
    assert.ok(EXIT_CODES.includes(code), `start ended with ${code ?? signal}: ${daemon.log}`);
    const said = messages(daemon.log);
    assert.equal(said.length, 1, `one line says why it did not start: ${daemon.log}`);
    // The loop runs already when a start makes its last commits: their loss is told by the log.
    const told = code === LOST && said[0].includes("outcome of a commit");
    if (!told) assert.match(said[0], /^drover: .+ \(\w+\)$/);
  }
  return false;
}

/** The daemon is gone in the middle: killed by the fault, or a commit whose outcome is unknown. */
async function checkDeath(daemon, kind) {
  await daemon.closed;
  const { code, signal } = await daemon.exited;
  if (kind.kills) {
    assert.equal(signal, "SIGKILL", daemon.log);
    return "killed";
  }
  assert.equal(code, LOST, `ended with ${code ?? signal}: ${daemon.log}`);
  assert.ok(kind.lost, `no reason to end: ${daemon.log}`);
  const lost = messages(daemon.log).filter((line) => line.includes("outcome of a commit"));
  assert.equal(lost.length, 1, `one line says why it ended: ${daemon.log}`);
  return "lost";
}

async function workWith(daemon, kind, ledger, scene) {
  const work = new Work(daemon, ledger, kind);
  const readers = [followSse, followWebSocket, followPoll].map((follow) =>
    follow(daemon, STREAMS[0]),
  );
  try {
    await work.all(scene.label, () => backup(daemon.data, path.join(scene.folder, "backup")));
    const { json } = await work.step("GET", `/api/v1/streams/${STREAMS[0]}`, { good: 200 });
    for (const reader of readers) await reader.until(json.head, 10);
    assert.ok(existsSync(path.join(daemon.data, "drover.db-wal")), "it serves in WAL mode");
    await ledger.check(work.asker(), readers);
    return { readers, work, end: "served" };
  } catch (error) {
    if (!(error instanceof Died)) throw error;
    return { readers, work, end: await checkDeath(daemon, kind) };
  } finally {
    readers.forEach((reader) => reader.stop());
  }
}

async function stop(daemon, kind) {
  const { code, signal } = await daemon.stop();
  await daemon.closed;
  if (kind.kills && signal === "SIGKILL") return "killed at its end";
  assert.equal(code, 0, `stop ended with ${code ?? signal}: ${daemon.log}`);
  return "served";
}

async function backup(data, to) {
  const { code, signal, stderr } = await run(["backup", "--data", data, to]);
  assert.equal(code, 0, `backup of a live database: ${signal} ${stderr}`);
}

async function doctor(data) {
  const { code, stdout, stderr } = await run(["doctor", "--data", data]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^ok\s+integrity/m);
}

/** Gives what came of it: {hit, end, errors, dropped}. */
async function tryPoint(t, kind, fault, template, number) {
  const folder = path.join(template.scratch, `p${number}`);
  const data = path.join(folder, "data");
  mkdirSync(data, { recursive: true });
  if (template.data) cpSync(template.data, data, { recursive: true, filter: isPlain });
  const ledger = new Ledger(template.ledger);
  const daemon = makeDaemon(data, { program: faulty, env: faultEnv(fault, folder) });
  t.after(() => daemon.kill());
  let end = "did not start";
  let readers = [];
  let work;
  if (await begin(daemon, kind)) {
    const scene = { folder, label: `t${number}` };
    ({ readers, work, end } = await workWith(daemon, kind, ledger, scene));
    if (end === "served") end = await stop(daemon, kind);
  }
  const { log } = daemon;
  // Nobody may be answered as if nothing had happened: the log was written, but perhaps not to
  // disk.
  if (kind.name === "sync-io" && SYNC_OF_COMMIT.test(log.split('"stopping"')[0])) {
    assert.equal(end, "lost", `a commit whose sync failed ends the daemon: ${log}`);
  }
  await checkAfter(data, ledger, readers);
  rmSync(folder, { recursive: true });
  return { hit: wasHit(log), end, log, errors: work?.errors ?? [], dropped: work?.dropped ?? 0 };
}

const isPlain = (name) => !name.endsWith(".sock");

async function checkAfter(data, ledger, readers) {
  const daemon = makeDaemon(data);
  try {
    await daemon.start();
    await ledger.check(daemon, readers);
    await new Work(daemon, ledger).append(STREAMS[0]);
  } finally {
    await daemon.kill();
  }
  await doctor(data);
}

// --- All points ----------------------------------------------------------------------------------

/** A data directory with work in it whose daemon was killed: there is a log to recover. */
async function makeTemplate(t, folder) {
  const data = path.join(folder, "template");
  const ledger = new Ledger();
  const daemon = makeDaemon(data);
  t.after(() => daemon.kill());
  await daemon.start();
  await new Work(daemon, ledger).all("before");
  await daemon.kill();
  return { scratch: folder, data, ledger };
}

async function countPoints(t, template) {
  const { log } = await tryPoint(t, KINDS.count, "count", template, "count");
  const found = [...log.matchAll(/^fault: (\S+) has (\d+) points$/gm)];
  return new Map(found.map(([, call, count]) => [call, Number(count)]));
}

function report(t, tally) {
  for (const [name, { total, tried, hit, ends, errors, dropped }] of tally) {
    const list = (counts) =>
      Object.entries(counts)
        .map(([word, count]) => `${count} ${word}`)
        .join(", ");
    t.diagnostic(
      `${name}: ${tried} of ${total} points, ${hit} hit; ${list(ends)}` +
        (Object.keys(errors).length > 0 ? `; answers: ${list(errors)}` : "") +
        (dropped > 0 ? `; ${dropped} without an answer` : ""),
    );
  }
}

function count(counts, word) {
  counts[word] = (counts[word] ?? 0) + 1;
}

/** Tries points until the time is over, two at once. `perform` gives what came of one. */
async function sweep(t, list, share, perform) {
  const tally = new Map();
  const next = points(list, offset, seconds * share);
  let number = 0;
  const failed = [];
  const worker = async () => {
    for (let point = next(); point && failed.length < FAILURES_MAX; point = next()) {
      const { name, kind, total, fault } = point;
      const line = tally.get(name) ?? { total, tried: 0, hit: 0, ends: {}, errors: {}, dropped: 0 };
      tally.set(name, line);
      try {
        const came = await perform(point, number++);
        line.tried++;
        line.hit += came.hit ? 1 : 0;
        line.dropped += came.dropped;
        count(line.ends, came.end);
        if (ONE.test(process.env.DROVER_FAULT_ONLY)) t.diagnostic(came.log);
        came.errors.forEach((code) => count(line.errors, code));
        if (!came.hit) assert.equal(came.end, kind.whole, "without a fault everything is done");
      } catch (error) {
        failed.push(`DROVER_FAULT_ONLY=${fault}@${point.scene}`);
        t.diagnostic(`${failed.at(-1)}: ${error.stack}`);
      }
    }
  };
  await Promise.all([worker(), worker()]);
  report(t, tally);
  assert.deepEqual(failed, []);
  return tally;
}

const daemonTitle = `what fails below the daemon harms nothing (offset ${offset})`;
test(daemonTitle, { timeout: TIMEOUT_MS }, async (t) => {
  assert.ok(existsSync(faulty), `${faulty} is built`);
  const folder = realpathSync(scratch(t));
  const kept = await makeTemplate(t, folder);
  const scenes = { fresh: { scratch: folder }, kept };
  const list = [];
  for (const [scene, template] of Object.entries(scenes)) {
    const counts = await countPoints(t, template);
    for (const kind of Object.values(KINDS).filter(({ call }) => counts.get(call) > 0)) {
      list.push({ name: `${kind.name}@${scene}`, scene, kind, total: counts.get(kind.call) });
    }
  }
  const tally = await sweep(t, list, 1 - COMMANDS_SHARE, ({ kind, fault, scene }, number) =>
    tryPoint(t, kind, fault, scenes[scene], number),
  );
  const hit = [...tally.values()].reduce((sum, line) => sum + line.hit, 0);
  assert.ok(hit > 0 || process.env.DROVER_FAULT_ONLY);
});

// --- Commands that work on files -----------------------------------------------------------------

/** Runs `args` with a fault; says why in one line where it fails, and leaves no half file. */
async function tryCommand(args, { kind, fault }, folder, target) {
  const { code, signal, stderr } = await run(args, {
    program: faulty,
    env: { ...plainEnv, ...faultEnv(fault, folder) },
  });
  const hit = wasHit(stderr);
  if (kind.kills && signal === "SIGKILL") return { hit, end: "killed", log: stderr };
  if (code === 0) return { hit, end: "done", log: stderr };
  assert.ok(EXIT_CODES.includes(code), `ended with ${code ?? signal}: ${stderr}`);
  const said = messages(stderr);
  assert.equal(said.length, 1, `one line says why: ${stderr}`);
  assert.match(said[0], /^drover: .+ \(\w+\)$/);
  if (kind.call !== "unlink") {
    const rest = readdirSync(path.dirname(target)).filter((name) => name.includes(".part"));
    assert.deepEqual(rest, [], "nothing half-written is left");
  }
  return { hit, end: `exit ${code}`, log: stderr };
}

async function tryBackup(template, point, number) {
  const folder = path.join(template.scratch, `b${number}`);
  const [data, back, file] = ["data", "back", "file"].map((name) => path.join(folder, name));
  mkdirSync(folder);
  cpSync(template.data, data, { recursive: true, filter: isPlain });
  const came = await tryCommand(["backup", "--data", data, file], point, folder, file);
  if (existsSync(file) && came.end.startsWith("exit")) assert.match(came.log, /is complete, but/);
  if (!existsSync(file)) await backup(data, file);
  // A file that has the name is whole.
  const { code, stderr } = await run(["restore", "--data", back, file]);
  assert.equal(code, 0, stderr);
  await checkAfter(back, new Ledger(template.ledger), []);
  rmSync(folder, { recursive: true });
  return { ...came, errors: [], dropped: 0 };
}

async function tryRestore(template, point, number) {
  const folder = path.join(template.scratch, `r${number}`);
  const data = path.join(folder, "data");
  mkdirSync(folder);
  cpSync(template.file, path.join(folder, "file"));
  const args = ["restore", "--data", data, path.join(folder, "file")];
  const came = await tryCommand(args, point, folder, path.join(data, "x"));
  if (!existsSync(path.join(data, "drover.db"))) {
    const { code, stderr } = await run(args);
    assert.equal(code, 0, stderr);
  }
  await checkAfter(data, new Ledger(template.ledger), []);
  rmSync(folder, { recursive: true });
  return { ...came, errors: [], dropped: 0 };
}

const commandsTitle = `what fails below backup and restore harms nothing (offset ${offset})`;
test(commandsTitle, { timeout: TIMEOUT_MS }, async (t) => {
  const folder = realpathSync(scratch(t));
  const template = await makeTemplate(t, folder);
  template.file = path.join(folder, "template.backup");
  await backup(template.data, template.file);
  const commands = { backup: tryBackup, restore: tryRestore };
  const list = [];
  for (const [scene, perform] of Object.entries(commands)) {
    const { log } = await perform(template, { kind: CLI_KINDS.count, fault: "count" }, "count");
    for (const [, call, total] of log.matchAll(/^fault: (\S+) has (\d+) points$/gm)) {
      for (const kind of Object.values(CLI_KINDS).filter((kind) => kind.call === call)) {
        const name = `${kind.name}@${scene}`;
        if (total > 0) list.push({ name, scene, kind, total: Number(total) });
      }
    }
  }
  await sweep(t, list, COMMANDS_SHARE, (point, number) =>
    commands[point.scene](template, point, number),
  );
});
