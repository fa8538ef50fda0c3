// The disk is full while a job writes, and while it ends: the command is only slowed down, its
// exit code is the true one, no byte and no state is lost, and all goes on by itself when there is
// space. The same when the daemon is killed meanwhile.
//
// The disk is a small file system where this may be mounted (as root); otherwise a limit on the
// size of the holder's files stands for it, and then the database has space all the time.
//
// runs-with: release
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Custody, processesOf, until } from "./custody.mjs";

const MEGABYTES = 6;
const DISK = "12m";

/** Where the data directory goes, and whether it is a disk of its own. */
function smallDisk(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-disk-"));
  const words = ["-t", "tmpfs", "-o", `size=${DISK},mode=0700`, "tmpfs", folder];
  const asRoot = process.getuid() === 0 && !process.env.DROVER_NO_MOUNT;
  const mounted = asRoot && spawnSync("mount", words).status === 0;
  t.diagnostic(mounted ? "on a small tmpfs" : "with files of limited size (no mount)");
  const leave = () => {
    if (mounted) execFileSync("umount", ["--lazy", folder]);
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, mounted, leave };
}

/** Takes all space but `left` bytes; the answer gives it back. */
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

/** The holder's files may not grow beyond `left` bytes each. (Its result has its room already, and
 * a full disk would let it be written; so does this.) */
function limitHolder(custody, left) {
  const [holder] = processesOf(custody.data).filter((one) => one.holder);
  const limit = (size) => {
    return spawnSync("prlimit", ["--pid", String(holder.pid), `--fsize=${size}:unlimited`]).status;
  };
  assert.equal(limit(Math.max(left, 4096)), 0);
  return () => void limit("unlimited"); // It may have ended meanwhile.
}

class Disk {
  constructor(t) {
    const { folder, mounted, leave } = smallDisk(t);
    this.mounted = mounted;
    this.custody = new Custody(t, { folder });
    t.after(leave); // After the daemon's own end, which was asked for before.
    // The file that a job waits for must not be on the disk that is full.
    this.gates = mkdtempSync(path.join(tmpdir(), "drv-"));
    t.after(() => rmSync(this.gates, { recursive: true, force: true }));
  }

  fill(left) {
    return this.mounted ? fillDisk(this.custody.folder, left) : limitHolder(this.custody, left);
  }

  gate(name) {
    const file = path.join(this.gates, name);
    const wait = `while [ ! -e ${file} ]; do sleep 0.02; done`;
    return { wait, open: () => writeFileSync(file, "") };
  }

  /** Until the daemon hears that this many jobs can't write. */
  isFull(jobs) {
    return until(`${jobs} jobs wait for space`, async () => {
      const { text } = await this.custody.ask("GET", "/metrics");
      const found = /^drover_\w*disk_full\w* (\d+)$/m.exec(text);
      assert.ok(found, `the metrics tell of full disks: ${text}`);
      return Number(found[1]) === jobs;
    });
  }
}

// `cat` ends with the bytes that are in the pipe; so the exit code comes from what is behind it.
const writeMuch = `head -c ${MEGABYTES}M /dev/zero | tr '\\0' x; echo end; exit 7`;

async function checkWhole(custody, id) {
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause, run.exit_code], ["failed", "exit_code", 7]);
  const { bytes, size, dropped } = await custody.output(id);
  assert.deepEqual(dropped, []);
  assert.equal(size, (MEGABYTES << 20) + 4);
  assert.ok(bytes.equals(Buffer.from("x".repeat(MEGABYTES << 20) + "end\n")), "every byte, once");
  await custody.nobodyIsLeft();
}

for (const killed of [false, true]) {
  const how = killed ? ", and the daemon is killed meanwhile" : "";

  test(`a disk that is full while a job writes loses nothing${how}`, async (t) => {
    const disk = new Disk(t);
    const { custody } = disk;
    await custody.daemon.start();
    const gate = disk.gate("write");
    const id = await custody.shell(`echo -n; ${gate.wait}; ${writeMuch}`);
    await custody.event(id, "run_started");
    await until("its holder is there", () => processesOf(custody.data).some((one) => one.holder));
    const free = disk.fill(1 << 20);
    gate.open();
    await disk.isFull(1);
    assert.equal((await custody.show(id)).state, "running");
    if (killed) await custody.daemon.kill();
    free();
    if (killed) await custody.daemon.start();
    await checkWhole(custody, id);
  });

  test(`a disk that is full while a job ends keeps its exit code${how}`, async (t) => {
    const disk = new Disk(t);
    const { custody } = disk;
    await custody.daemon.start();
    const gate = disk.gate("end");
    const id = await custody.shell(`echo before; ${gate.wait}; exit 7`);
    await custody.wrote(id, "before\n");
    const free = disk.fill(0);
    gate.open();
    await until("command and holder have ended", () => processesOf(custody.data).length === 0);
    if (killed) await custody.daemon.kill();
    free();
    if (killed) await custody.daemon.start();
    const run = await custody.ended(id);
    assert.deepEqual([run.state, run.cause, run.exit_code], ["failed", "exit_code", 7]);
    assert.equal(await custody.text(id), "before\n");
  });
}

test("a stop of a job that waits for space does not wait for it", async (t) => {
  const disk = new Disk(t);
  const { custody } = disk;
  await custody.daemon.start();
  const gate = disk.gate("write");
  const id = await custody.shell(`echo -n; ${gate.wait}; ${writeMuch}`);
  await custody.event(id, "run_started");
  await until("its holder is there", () => processesOf(custody.data).some((one) => one.holder));
  const free = disk.fill(1 << 20);
  gate.open();
  await disk.isFull(1);
  free();
  const freed = disk.fill(disk.mounted ? 64 << 10 : 1 << 20); // Some for the stop itself.
  await custody.stop(id, 100);
  await until("nobody is left", () => processesOf(custody.data).length === 0, 20_000);
  freed();
  const run = await custody.ended(id);
  assert.deepEqual([run.state, run.cause], ["cancelled", "stopped"]);
});
