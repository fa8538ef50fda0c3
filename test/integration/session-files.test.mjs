// session-files.test.mjs: files of a session's root, found by letters of their paths.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Sessions } from "./sessions.mjs";

const api = "/api/v1/sessions";

/** A session with these files below its root, and how its files are asked for. */
async function rooted(t, files) {
  const sessions = await Sessions.begin(t);
  const root = path.join(sessions.folder, "root");
  mkdirSync(root);
  for (const name of files) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), "x");
  }
  const { id } = await sessions.make({ root });
  const find = (query, headers) =>
    sessions.ok("GET", `${api}/${id}/files?${new URLSearchParams(query)}`, undefined, headers);
  return { sessions, root, id, find };
}

test("files are found by letters in their order, the best ones first", async (t) => {
  const { find } = await rooted(t, ["README.md", "src/walk.c", "src/walk.h", "src/budget_walk.c",
    "walk/other.txt", "docs/sidewalk.md", ".git/walk", ".drover/worktrees/a/walk.c", "with blank.c",
    "ü.txt"]);
  assert.deepEqual(await find({ q: "walk" }), { whole: true, files: ["src/walk.c", "src/walk.h",
    "src/budget_walk.c", "docs/sidewalk.md", "walk/other.txt"] });
  assert.deepEqual((await find({ q: "swc" })).files[0], "src/walk.c");
  assert.deepEqual((await find({ q: "WALK", limit: 1 })).files, ["src/walk.c"]);
  assert.deepEqual((await find({ q: "with b" })).files, ["with blank.c"]);
  assert.deepEqual((await find({ q: "ü" })).files, ["ü.txt"]);
  assert.deepEqual(await find({ q: "nothing like it" }), { files: [], whole: true });
  const all = await find({});
  assert.equal(all.files.length, 8);
  assert.equal(all.files[0], "ü.txt");
});

test("links are not followed, and what is no plain file is not offered", async (t) => {
  const { sessions, root, find } = await rooted(t, ["in/secret.txt"]);
  const outside = path.join(sessions.folder, "outside");
  mkdirSync(outside);
  writeFileSync(path.join(outside, "secret.txt"), "x");
  symlinkSync(outside, path.join(root, "out"));
  symlinkSync(path.join(outside, "secret.txt"), path.join(root, "secret.txt"));
  symlinkSync("..", path.join(root, "in", "again"));
  mkdirSync(path.join(root, "secret.d"));
  writeFileSync(path.join(root, "secret\n.txt"), "x");
  writeFileSync(Buffer.concat([Buffer.from(`${root}/secret`), Buffer.from([0xff])]), "x");
  assert.deepEqual(await find({ q: "secret" }), { files: ["in/secret.txt"], whole: true });
});

test("what the root's .gitignore names is left out", async (t) => {
  const { root, find } = await rooted(t, ["node_modules/a/x.ts", "src/node_modules/x.ts", "x.ts",
    "build/x.ts", "src/build/x.ts", "src/out/x.ts", "a/out/x.ts", "x.log", "keep.log", "#x.ts",
    "src/deep/er/x.tmp", "src/.gitignore"]);
  const all = async () => (await find({ limit: 50 })).files.sort();
  assert.equal((await all()).length, 12);
  writeFileSync(path.join(root, "src/.gitignore"), "*\n");
  writeFileSync(path.join(root, ".gitignore"), "# a comment\n\nnode_modules/\n/build\nsrc/out\n" +
    "*.log  \r\n!keep.log\n\\#x.ts\n**/er/*.tmp\nx.ts/\n");
  assert.deepEqual(await all(), [".gitignore", "a/out/x.ts", "keep.log", "src/.gitignore",
    "src/build/x.ts", "x.ts"]);
  writeFileSync(path.join(root, ".gitignore"), `*\n${"#".repeat(64 << 10)}`);
  assert.equal((await all()).length, 13, "a file that is too large leaves out nothing");
});

test("more than a walk takes is said to be cut", async (t) => {
  const deep = [...Array(40)].map((_, n) => `d${n}`);
  const { find } = await rooted(t, ["a.txt", path.join(...deep.slice(0, 20), "b.txt"),
    path.join(...deep, "c.txt")]);
  const { files, whole } = await find({ q: "txt" });
  assert.deepEqual(files.map((one) => path.basename(one)), ["a.txt", "b.txt"]);
  assert.equal(whole, false);
});

test("without a root there are no files, and a root that is gone is said", async (t) => {
  const { sessions, root, id, find } = await rooted(t, ["a.txt"]);
  const bare = await sessions.make({});
  assert.deepEqual(await sessions.ok("GET", `${api}/${bare.id}/files?q=a`),
    { files: [], whole: true });
  rmSync(root, { recursive: true });
  const answer = await sessions.request("GET", `${api}/${id}/files?q=a`);
  assert.equal(answer.status, 409, answer.text);
  assert.equal(answer.json.code, "conflict");
  assert.ok(answer.json.detail.includes(root), answer.text);
  mkdirSync(root);
  assert.deepEqual(await find({ q: "a" }), { files: [], whole: true });
});

test("bounds are kept, and sessions of others do not exist", async (t) => {
  const { sessions, id, find } = await rooted(t,
    [...Array(60)].map((_, n) => `folder/${n}.txt`));
  assert.equal((await find({ q: "txt" })).files.length, 20);
  assert.equal((await find({ q: "txt", limit: 50 })).files.length, 50);
  for (const query of ["limit=0", "limit=51", `q=${"x".repeat(101)}`, "nonsense=1"]) {
    assert.match(await sessions.refused("GET", `${api}/${id}/files?${query}`), /^400 /, query);
  }
  const { token } = await sessions.ok("POST", "/api/v1/tokens", { owner: "bob", scopes: ["read"] });
  const headers = { authorization: `Bearer ${token}` };
  const theirs = await sessions.refused("GET", `${api}/${id}/files?q=a`, undefined, headers);
  assert.match(theirs, /^404 /);
  assert.match(await sessions.refused("GET", `${api}/ses_${"0".repeat(26)}/files`), /^404 /);
});
