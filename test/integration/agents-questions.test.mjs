// agents-questions.test.mjs: a program asks whether it may change a file. What somebody allowed is
// one change to the file as it was at the question.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync }
  from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { letGo, open, session } from "./agents.mjs";
import { Listener, textOf, toolsOf } from "./turns.mjs";

const hash = (text) => createHash("sha256").update(text).digest("hex");
const read = (file) => existsSync(file) ? readFileSync(file, "utf8") : null;

/** A program that asks whether it may write "a.txt", or the path that is named. */
async function asks(t, { text = "old\n", name = "a.txt", link } = {}) {
  const turns = await open(t);
  const file = path.join(turns.root, "a.txt");
  if (link) symlinkSync(link, file);
  if (text !== null) writeFileSync(file, text);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, `ASK to EDIT(${name})`);
  const asked = await listener.until("approval_asked", (data) => data.run === run);
  return { turns, file, listener, run, asked };
}

async function allow({ turns, listener, run, asked }) {
  assert.equal((await turns.approve(asked.id)).status, 200);
  assert.equal((await listener.ended(run)).state, "succeeded");
  const message = await turns.answer(listener.session, run);
  assert.equal(textOf(message), "turn 1 of claude");
  listener.close();
  return toolsOf(message);
}

test("a question about a file has its path and hash, and an allowed change is made", async (t) => {
  for (const text of ["old\n", null]) {
    const all = await asks(t, { text });
    const { turns, file, asked } = all;
    const about = { subjects: [file], match: "path", before: text === null ? "" : hash(text) };
    assert.deepEqual([asked.tool, asked.about], ["Write", about]);
    const becomes = text === null ? "new file" : "replaces the whole file";
    assert.equal(asked.shown, `${file} (${becomes})\n+by claude`);
    const input = { file_path: file, content: "by claude\n" };
    const row = await turns.get(`/approvals/${asked.id}`);
    assert.deepEqual([row.about, row.arguments], [about, input]);
    const [tool] = await allow(all);
    assert.deepEqual([tool.state, tool.data.about, tool.data.arguments],
      ["succeeded", about, input]);
    assert.equal(read(file), "by claude\n");
  }
});

const changes = {
  "has other bytes": [{}, (file) => writeFileSync(file, "somebody else's\n")],
  "is gone": [{}, (file) => rmSync(file)],
  "is there now": [{ text: null }, (file) => writeFileSync(file, "somebody else's\n")],
  "is a folder now": [{}, (file) => rmSync(file) ?? mkdirSync(file)],
  "has other bytes, and was named by a relative path": [{ name: "./a.txt" },
    (file) => writeFileSync(file, "somebody else's\n")],
};
for (const [what, [options, change]] of Object.entries(changes)) {
  test(`an allowed change is denied to a program where the file ${what}`, async (t) => {
    const all = await asks(t, options);
    change(all.file);
    const [tool] = await allow(all);
    assert.deepEqual([tool.state, tool.cause], ["failed", "conflict"]);
    assert.match(tool.text, /^The file has changed since .* Read it again\.$/);
    assert.ok(what === "is a folder now" || read(all.file) !== "by claude\n");
  });
}

test("a file that changed while the daemon was down is not written either", async (t) => {
  for (const changed of [true, false]) {
    const all = await asks(t);
    all.listener.close();
    await all.turns.daemon.kill();
    if (changed) writeFileSync(all.file, "somebody else's\n");
    await all.turns.daemon.start();
    all.listener = await new Listener(all.turns, all.listener.session).open();
    const [tool] = await allow(all);
    assert.equal(tool.state, changed ? "failed" : "succeeded");
    assert.equal(read(all.file), changed ? "somebody else's\n" : "by claude\n");
  }
});

test("of what is no plain file, or too large, no hash is taken, and nothing waits for it",
  async (t) => {
    const kinds = {
      pipe: (file) => execFileSync("mkfifo", [file]),
      folder: (file) => mkdirSync(file),
      large: (file) => writeFileSync(file, "") ?? truncateSync(file, (64 << 20) + 1),
      device: (file) => symlinkSync("/dev/zero", file),
      loop: (file) => symlinkSync("loop", file),
    };
    const turns = await open(t);
    for (const [name, make] of Object.entries(kinds)) {
      const file = path.join(turns.root, name);
      make(file);
      const listener = await session(turns);
      const { run } = await turns.send(listener.session, `ASK to EDIT(${name})`);
      const asked = await listener.until("approval_asked", (data) => data.run === run);
      assert.deepEqual(asked.about, { subjects: [file], match: "path", before: null }, name);
      rmSync(file, { recursive: true });
      const tools = await allow({ turns, listener, run, asked });
      assert.deepEqual(tools.map(({ state }) => state), ["failed"], name);
      assert.equal(read(file), null);
    }
  });

test("a file is followed through a link, also out of the project", async (t) => {
  const all = await asks(t, { link: "../beside" });
  assert.equal(all.asked.about.before, hash("old\n"));
  writeFileSync(path.join(all.turns.root, "../beside"), "somebody else's\n");
  assert.equal((await allow(all))[0].state, "failed");
});

test("a command has its subject, and no hash", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "ASK me");
  const asked = await listener.until("approval_asked", (data) => data.run === run);
  assert.deepEqual(asked.about, { subjects: ["make test"], match: "shell" });
  assert.deepEqual((await allow({ turns, listener, run, asked })).map(({ state }) => state),
    ["succeeded"]);
});

test("what a rule allows at once is not compared", async (t) => {
  const turns = await open(t, "claude", { permissions: [{ tool: "Write", permission: "allow" }] });
  const listener = await session(turns);
  const { message } = await turns.turn(listener, `ASK to EDIT(a.txt)`);
  const [tool] = toolsOf(message);
  assert.deepEqual([tool.state, tool.data.about], ["succeeded", undefined]);
  assert.equal(read(path.join(turns.root, "a.txt")), "by claude\n");
  listener.close();
});

test("a permission mode that a program was not started in is reported", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const noteOf = async (prompt) => {
    const { run } = await turns.send(listener.session, prompt);
    assert.equal((await listener.ended(run)).state, "succeeded");
    return (await turns.get(`/runs/${run}`)).note;
  };
  assert.equal(await noteOf("hello"), null);
  assert.match(await noteOf("MODE(acceptEdits)"),
    /^claude worked in the permission mode 'acceptEdits', not in 'default', .* without asking$/);
  listener.close();
  const said = await turns.daemon.cli(["agent", "test", "claude", "--root", turns.root,
    "--prompt", "MODE(auto)"]);
  assert.match(said.stdout, /^note {6}claude worked in the permission mode 'auto'/m);
});

test("a question that its program withdraws is closed, and its turn goes on", async (t) => {
  const turns = await open(t);
  const listener = await session(turns);
  const { run } = await turns.send(listener.session, "ASK me, and WITHDRAW it");
  const { id } = await listener.until("approval_asked", (data) => data.run === run);
  letGo(turns);
  const closed = await listener.until("approval_answered", (data) => data.id === id);
  assert.equal(closed.state, "cancelled");
  const late = await turns.approve(id);
  assert.deepEqual([late.status, late.json.detail], [409,
    "the program has withdrawn this question: it needs no answer any more"]);
  assert.equal((await listener.ended(run)).state, "succeeded");
  const message = await turns.answer(listener.session, run);
  assert.deepEqual(toolsOf(message).map(({ state }) => state), ["succeeded"]);
  assert.equal((await turns.get(`/approvals/${id}`)).state, "cancelled");
  listener.close();
});

test("a question that its program withdraws after a crash of the daemon is closed, too",
  async (t) => {
    for (const down of [false, true]) {
      const turns = await open(t);
      const before = await session(turns);
      const { run } = await turns.send(before.session, "ASK me, and WITHDRAW it");
      const { id } = await before.until("approval_asked", (data) => data.run === run);
      before.close();
      await turns.daemon.kill();
      if (down) letGo(turns);
      await turns.daemon.start();
      const listener = await new Listener(turns, before.session).open();
      if (!down) letGo(turns);
      assert.equal((await listener.ended(run)).state, "succeeded");
      assert.equal((await turns.get(`/approvals/${id}`)).state, "cancelled");
      assert.equal(textOf(await turns.answer(listener.session, run)), "turn 1 of claude");
      listener.close();
    }
  });
