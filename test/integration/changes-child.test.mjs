// The program that looks at folders, which is the daemon's own by another name.
// runs-with: release, san
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, scratch } from "./lib.mjs";

/** The answer to one order, and the bytes after it. */
function perform(order) {
  const child = spawnSync(bin, [], {
    argv0: "drover-changes",
    env: { PATH: "/nowhere" },
    input: JSON.stringify({ git: "/usr/bin/git", ...order }),
  });
  assert.equal(child.status, 0, String(child.stderr));
  const end = child.stdout.indexOf("\n");
  const body = String(child.stdout.subarray(end + 1));
  return { ...JSON.parse(child.stdout.subarray(0, end)), body };
}

test("the daemon's program takes points and compares them under its other name", (t) => {
  const folder = scratch(t);
  const root = path.join(folder, "root");
  const shadow = path.join(folder, "data", "changes", "repo.git");
  mkdirSync(root);
  mkdirSync(path.join(folder, "data"));
  const point = () => perform({ do: "point", shadow, index: "wld_1", root, kind: "plain" });

  writeFileSync(path.join(root, "a"), "one\n");
  const before = point();
  assert.equal(before.files, 1);
  writeFileSync(path.join(root, "a"), "two\n");
  const after = point();
  assert.equal(after.taken, "new");

  const trees = { shadow, from: before.tree, to: after.tree };
  const { files } = perform({ do: "list", ...trees, steps: [{ tree: after.tree, by: 3 }] });
  assert.deepEqual(
    files.map(({ path: name, operation, by }) => ({ name, operation, by })),
    [{ name: "a", operation: "edit", by: [3] }],
  );
  const { bytes, body } = perform({ do: "diff", ...trees });
  assert.equal(body.length, bytes);
  assert.match(body, /^-one$\n^\+two$/m);
});

test("an order that fails has an answer, and the program ends well", () => {
  const { error } = perform({ do: "check", git: "/nowhere/git" });
  assert.equal(error.code, "git_missing");
  assert.match(error.detail, /git/);
});
