// The disk is full, or cannot be written: whoever asks for more is told so, nothing half-written is
// left, reading goes on, and the service resumes by itself when there is space again.
//
// The disk is a small file system of its own where this may be mounted (as root); otherwise a limit
// on the size of the daemon's files stands for the full disk, and permissions for the one that
// cannot be written. Which of them it was is told.
//
// runs-with: release
//
// DROVER_NO_MOUNT=1  takes the second way in any case
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync, chownSync, closeSync, existsSync, fstatSync, ftruncateSync, mkdirSync, mkdtempSync,
  openSync, readdirSync, rmSync, writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { followSse, readAll } from "../integration/follow.mjs";
import { bin, binForAll, Daemon, run, scratch } from "../integration/lib.mjs";

const STREAM = "disk";
const NOBODY = 65534;
const asRoot = process.getuid() === 0;

/** A folder on a disk of its own, if that may be had. */
function smallDisk(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-disk-"));
  const words = ["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", folder];
  const mounted =
    asRoot && !process.env.DROVER_NO_MOUNT && spawnSync("mount", words).status === 0;
  t.after(() => {
    if (mounted) execFileSync("umount", ["--lazy", folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, mounted };
}

/** Fills the disk but for `left` bytes. */
function fillDisk(folder, left) {
  const file = path.join(folder, "filler");
  const fd = openSync(file, "w");
  const block = Buffer.alloc(4096);
  try {
    for (;;) writeSync(fd, block);
  } catch (error) {
    assert.equal(error.code, "ENOSPC");
  } finally {
    ftruncateSync(fd, Math.max(0, fstatSync(fd).size - left));
    closeSync(fd);
  }
  return () => rmSync(file);
}

/** A daemon whose files may not grow beyond a limit, which is lifted from outside. */
class LimitedDaemon extends Daemon {
  spawn() {
    const words = [this.program, ...this.args];
    this.program = "sh";
    // A file at its limit is an error of write(2) only where the signal for it is ignored.
    this.args = ["-c", 'trap "" XFSZ; exec "$@"', "sh", ...words];
    super.spawn();
    [this.program, ...this.args] = words;
  }
}

function limitFiles(daemon, size) {
  execFileSync("prlimit", ["--pid", String(daemon.child.pid), `--fsize=${size}:unlimited`]);
}

/** Appends until it is refused; gives what was acknowledged. */
async function appendUntilFull(daemon, ledger) {
  for (let n = 0; n < 4000; n++) {
    const name = `${ledger.names++}`;
    const { status, headers, json } = await daemon.append(STREAM, {
      type: "note",
      data: { name, pad: "x".repeat(3000) },
    });
    if (status === 201) {
      ledger.acked.set(name, json.seq);
      continue;
    }
    ledger.refused.add(name);
    ledger.failures++;
    assert.equal(status, 507, JSON.stringify(json));
    assert.equal(headers["content-type"], "application/problem+json");
    assert.equal(json.code, "disk_full");
    return;
  }
  assert.fail("the disk does not fill");
}

async function checkStored(daemon, ledger) {
  const { events, head } = await readAll(daemon, STREAM);
  assert.equal(events.length, head);
  const stored = new Map(events.map(({ seq, data }) => [data.name, seq]));
  assert.equal(stored.size, events.length, "nothing is there twice");
  assert.deepEqual(stored, ledger.acked, "what was acknowledged, and nothing that was refused");
}

async function isRefused(daemon, ledger) {
  const name = `${ledger.names++}`;
  const body = { type: "note", data: { name, pad: "x".repeat(100_000) } };
  const { json } = await daemon.append(STREAM, body);
  ledger.failures++;
  assert.equal(json.code, "disk_full");
}

async function appendOne(daemon, ledger) {
  const name = `${ledger.names++}`;
  const { status, json } = await daemon.append(STREAM, { type: "note", data: { name } });
  assert.equal(status, 201, `it serves: ${JSON.stringify(json)}`);
  ledger.acked.set(name, json.seq);
}

/** A full disk has at most one line a second in the log; the lines count no failure twice. */
function checkLog(daemon, ledger) {
  const lines = daemon.log
    .split("\n")
    .filter((line) => line.includes('"a request failed"') && line.includes('"disk_full"'))
    .map((line) => JSON.parse(line));
  const told = lines.reduce((sum, line) => sum + 1 + line.omitted, 0);
  assert.ok(lines.length > 0 && told <= ledger.failures, `${told} of ${ledger.failures} failures`);
  const at = lines.map((line) => Date.parse(line.at));
  for (let i = 1; i < at.length; i++) {
    assert.ok(at[i] - at[i - 1] >= 990, `${lines[i - 1].at} and ${lines[i].at}`);
  }
}

async function tryFullDisk(t, { daemon, fill, what }) {
  const ledger = { names: 0, failures: 0, acked: new Map(), refused: new Set() };
  t.after(() => daemon.kill());
  await daemon.start();
  await appendOne(daemon, ledger);
  const reader = followSse(daemon, STREAM);
  t.after(() => reader.stop());
  for (let round = 0; round < 3; round++) {
    const free = await fill(daemon);
    await appendUntilFull(daemon, ledger);
    for (let i = 0; i < 5; i++) await isRefused(daemon, ledger);
    const burst = await Promise.all(Array.from({ length: 16 }, () => isRefused(daemon, ledger)));
    assert.equal(burst.length, 16);
    await checkStored(daemon, ledger); // Reading goes on.
    assert.equal((await daemon.request("GET", "/healthz")).status, 200);
    await free(daemon);
    await appendOne(daemon, ledger);
  }
  await reader.until(ledger.acked.size);
  assert.equal(reader.connected, 1, "no follower lost its connection");
  await checkStored(daemon, ledger);
  checkLog(daemon, ledger);
  await daemon.kill();
  await daemon.start();
  await checkStored(daemon, ledger);
  const { stdout } = await run(["doctor", "--data", daemon.data]);
  assert.match(stdout, /^ok\s+integrity/m);
  await daemon.kill();
  t.diagnostic(`${ledger.acked.size} acknowledged, ${ledger.refused.size} refused on ${what}`);
}

test("a full disk refuses what it cannot hold, and serves again when there is space", async (t) => {
  const { folder, mounted } = smallDisk(t);
  const options = { data: path.join(folder, "data"), args: ["--insecure-loopback"] };
  if (mounted) {
    const fill = () => fillDisk(folder, 256 << 10);
    await tryFullDisk(t, { daemon: new Daemon(options), fill, what: "a small tmpfs" });
    return;
  }
  let limit = 0;
  const fill = async (daemon) => {
    limitFiles(daemon, (limit += 1 << 19));
    return () => limitFiles(daemon, "unlimited");
  };
  const daemon = new LimitedDaemon(options);
  await tryFullDisk(t, { daemon, fill, what: "files of limited size (no mount)" });
});

test("a full disk is told at the start, and with space the daemon starts", async (t) => {
  const { folder, mounted } = smallDisk(t);
  const data = path.join(folder, "data");
  mkdirSync(data, { mode: 0o700 });
  const free = mounted ? fillDisk(folder, 16 << 10) : () => {};
  t.diagnostic(mounted ? "on a small tmpfs" : "with files of limited size (no mount)");
  const serve = ["serve", "--data", data, "--listen", "127.0.0.1:0"];
  const { code, stderr } = mounted ? await run(serve) : await runLimited(serve);
  assert.equal(code, 7, stderr);
  assert.match(stderr, /^drover: .*\(disk_full\)\n$/);
  free();
  const again = new Daemon({ data, args: ["--insecure-loopback"] });
  t.after(() => again.kill());
  await again.start();
  assert.equal((await again.append(STREAM, { type: "note", data: 1 })).status, 201);
});

function runLimited(args) {
  return run(["-c", 'trap "" XFSZ; ulimit -f 8; exec "$@"', "sh", bin, ...args], { program: "sh" });
}

test("a backup that finds no space leaves nothing, and the daemon goes on", async (t) => {
  const { folder: small, mounted } = smallDisk(t);
  const daemon = new Daemon({ data: path.join(scratch(t), "data"), args: ["--insecure-loopback"] });
  t.after(() => daemon.kill());
  await daemon.start();
  for (let i = 0; i < 30; i++) {
    const { status } = await daemon.append(STREAM, { type: "note", data: "x".repeat(200_000) });
    assert.equal(status, 201);
  }
  t.diagnostic(mounted ? "onto a small tmpfs" : "with files of limited size (no mount)");
  const args = ["backup", "--data", daemon.data, path.join(small, "copy")];
  const { code, stderr } = mounted ? await run(args) : await runLimited(args);
  assert.equal(code, 7, stderr);
  assert.match(stderr, /^drover: .*\(disk_full\)\n$/);
  assert.deepEqual(readdirSync(small), []);
  assert.equal((await daemon.append(STREAM, { type: "note", data: 1 })).status, 201);
});

/** Runs as somebody to whom the permissions apply. */
function runUnprivileged(t, args) {
  if (!asRoot) return run(args);
  const who = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const words = [...who, binForAll(t), ...args];
  return run(words, { program: "setpriv" });
}

test("a data directory that cannot be written is refused, and unharmed", async (t) => {
  const { folder, mounted } = smallDisk(t);
  const data = path.join(folder, "data");
  mkdirSync(data, { mode: 0o700 });
  const daemon = new Daemon({ data, args: ["--insecure-loopback"] });
  t.after(() => daemon.kill());
  await daemon.start();
  assert.equal((await daemon.append(STREAM, { type: "note", data: 1 })).status, 201);
  await daemon.kill();
  t.diagnostic(mounted ? "on a tmpfs that is mounted read-only" : "by permissions (no mount)");
  const serve = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--insecure-loopback"];
  if (mounted) {
    execFileSync("mount", ["-o", "remount,ro", folder]);
    const { code, stderr } = await run(serve);
    assert.equal(code, 7, stderr);
    assert.match(stderr, /^drover: .*\(storage_read_only\)\n$/);
    execFileSync("mount", ["-o", "remount,rw", folder]);
  } else {
    const names = ["", ...readdirSync(data)].map((name) => path.join(data, name));
    if (asRoot) [folder, ...names].forEach((name) => chownSync(name, NOBODY, NOBODY));
    names.reverse().forEach((name) => chmodSync(name, name === data ? 0o500 : 0o400));
    const { code, stderr } = await runUnprivileged(t, serve);
    assert.ok([4, 7].includes(code), stderr);
    assert.match(stderr, /^drover: .*\((storage_read_only|no_permission|store_io)\)\n$/);
    names.reverse().forEach((name) => chmodSync(name, name === data ? 0o700 : 0o600));
    if (asRoot) names.forEach((name) => chownSync(name, 0, 0));
  }
  assert.ok(existsSync(path.join(data, "drover.db")));
  await daemon.start();
  const { events } = await readAll(daemon, STREAM);
  assert.equal(events.length, 1);
  assert.equal((await daemon.append(STREAM, { type: "note", data: 2 })).status, 201);
});
