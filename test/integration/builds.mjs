// builds.mjs: another build of drover, as an upgrade brings one.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { bin } from "./lib.mjs";

const MAGIC = Buffer.from("\x7fELF\x02\x01\x01", "latin1");
const PADDING = 15; // A byte of an ELF header that means nothing.
const PROGRAM_MAX = 8 << 20;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

/** Where the size of the program at `at` stands: behind it, before its hash (scripts/image.sh). */
function sizeOf(bytes, at) {
  for (let end = at + 8 - (at % 8); end < at + PROGRAM_MAX; end += 8) {
    const gap = end - at - Number(bytes.readBigUInt64LE(end));
    if (gap >= 0 && gap < 8) return end;
  }
  return assert.fail(`the end of the program at ${at}`);
}

/** Changes the program that is carried there, and its hash with it. */
function change(bytes, at) {
  const size = sizeOf(bytes, at);
  const program = bytes.subarray(at, at + Number(bytes.readBigUInt64LE(size)));
  const hash = bytes.subarray(size + 8, size + 40);
  assert.deepEqual(sha256(program), Buffer.from(hash), "a program and its hash");
  program[PADDING] ^= 1;
  sha256(program).copy(hash);
  return size;
}

/** A copy whose embedded programs are others by their hashes, and do the same. */
export function otherBuild(folder) {
  const bytes = Buffer.from(readFileSync(bin));
  let found = 0;
  for (let at = bytes.indexOf(MAGIC, 1); at > 0; at = bytes.indexOf(MAGIC, change(bytes, at))) {
    found++;
  }
  assert.ok(found > 0, "embedded programs are found in the daemon");
  const program = path.join(folder, "drover-other");
  writeFileSync(program, bytes);
  chmodSync(program, 0o755);
  return program;
}
