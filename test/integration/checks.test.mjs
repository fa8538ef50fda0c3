// checks.test.mjs: what a step wrote is checked, and the model is told what broke.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { call, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const FILES = { tool: "*_file", permission: "allow" };

/** Each run of it leaves a line in runs.txt; it fails while the project holds `broken`. */
const TEST = "test ! -e broken || { echo it is broken; exit 3; }";
const CHECK = ["sh", "-c", `echo ran >> runs.txt; ${TEST}`];

function checked(turns, check = CHECK, permissions = [FILES]) {
  return turns.listen({ root: turns.root, settings: { permissions, check } });
}

const write = (file, content = "x\n") => call("write_file", { path: file, content });
const steps = (...lines) => lines.join("\nstep:\n");
const runs = (turns) => {
  const file = path.join(turns.root, "runs.txt");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
};
const notes = (message) => message.parts.filter((part) => part.kind === "notice");

test("a check that fails is told before the model's next call, and ends no turn", async (t) => {
  const turns = await Turns.open(t);
  const listener = await checked(turns);
  const text = steps(write("broken"), call("delete_file", { path: "broken" }), say("whole"));
  const { end, message } = await turns.turn(listener, text);
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "whole"]);
  assert.equal(runs(turns), 2);
  const [note, ...others] = notes(message);
  assert.equal(others.length, 0);
  assert.match(note.text, /sh -c .* failed with exit code 3/);
  assert.match(note.text, /it is broken/);
  // It stands behind the card that broke it, and before the one that follows.
  const kinds = message.parts.map((part) => part.kind);
  assert.deepEqual(kinds, ["tool", "notice", "tool", "text"]);
});

test("a step of several writes is checked once, one that only reads is not", async (t) => {
  const turns = await Turns.open(t);
  const listener = await checked(turns);
  const text = steps(
    script(write("a"), write("b")),
    call("read_file", { path: "a" }),
    call("edit_file", { path: "a", old_text: "nothing like it", new_text: "y" }),
    say("done"),
  );
  const { end, message } = await turns.turn(listener, text);
  assert.equal(end.state, "succeeded");
  assert.equal(toolsOf(message).length, 4);
  assert.equal(runs(turns), 1);
});

test("three failures are told in a turn, and then nothing is checked any more", async (t) => {
  const turns = await Turns.open(t);
  const listener = await checked(turns);
  const writes = [1, 2, 3, 4, 5].map((n) => write("broken", `${n}\n`));
  const { end, message } = await turns.turn(listener, steps(...writes, say("done")));
  assert.equal(end.state, "succeeded");
  assert.equal(runs(turns), 3);
  assert.equal(notes(message).length, 3);
  const next = await turns.turn(listener, steps(write("c"), say("done")));
  assert.equal(notes(next.message).length, 1);
});

test("8,000 characters of the output's end are told, of both streams", async (t) => {
  const turns = await Turns.open(t);
  const line = "echo ünïcode $i; echo other $i >&2";
  const noisy = `i=0; while [ $i -lt 4000 ]; do ${line}; i=$((i+1)); done; exit 1`;
  const listener = await checked(turns, ["sh", "-c", noisy]);
  const { message } = await turns.turn(listener, steps(write("a"), say("done")));
  const output = notes(message)[0].text.split("output:]\n")[1];
  assert.match(output, /ünïcode 3999\n/);
  assert.match(output, /other 3999\n$/);
  assert.doesNotMatch(output, /ünïcode 1\n/);
  const length = [...output.replaceAll("[…]", "")].length;
  assert.ok(length > 7900 && length <= 8000, `${length} characters`);
});

test("a program that is not there is no check", async (t) => {
  const turns = await Turns.open(t);
  const listener = await checked(turns, ["/nowhere/to/be/found"]);
  const { end, message } = await turns.turn(listener, steps(write("a"), say("done")));
  assert.deepEqual([end.state, notes(message).length], ["succeeded", 0]);
});

// --- Found ---------------------------------------------------------------------------------------

/** Managers of packages that only say how they were called. */
function managers(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-bin-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["npm", "yarn", "pnpm"]) {
    const program = `#!/bin/sh\necho ${name} "$@" >> runs.txt\nexit 1\n`;
    writeFileSync(path.join(folder, name), program, { mode: 0o755 });
  }
  return `${folder}:${process.env.PATH}`;
}

const npm = (line) => ({ tool: "run_command", subject: line, permission: "allow" });

async function found(t, { lock, scripts, permissions }) {
  const turns = await Turns.open(t, { env: { PATH: managers(t) } });
  writeFileSync(path.join(turns.root, "package.json"), JSON.stringify({ scripts }));
  if (lock) writeFileSync(path.join(turns.root, lock), "");
  const settings = { permissions: [FILES, ...permissions] };
  const listener = await turns.listen({ root: turns.root, settings });
  const { end, message } = await turns.turn(listener, steps(write("a"), say("done")));
  assert.equal(end.state, "succeeded");
  const file = path.join(turns.root, "runs.txt");
  return { ran: existsSync(file) ? readFileSync(file, "utf8").trim() : "", message };
}

test("a script of package.json is the check where the rules allow its command", async (t) => {
  const scripts = { typecheck: "x", compile: "x", test: "x" };
  const { ran, message } = await found(t, {
    lock: "pnpm-lock.yaml",
    scripts,
    permissions: [npm("pnpm run compile")],
  });
  assert.equal(ran, "pnpm run compile");
  assert.match(notes(message)[0].text, /pnpm run compile, failed with exit code 1/);
});

test("without a lock file npm runs it, and build comes first", async (t) => {
  const scripts = { typecheck: "x", build: "x" };
  const { ran } = await found(t, { scripts, permissions: [npm("npm run *")] });
  assert.equal(ran, "npm run build");
});

for (const permission of ["ask", "deny", "review"]) {
  test(`a script that was found does not run where the rules say ${permission}`, async (t) => {
    const { ran, message } = await found(t, {
      lock: "yarn.lock",
      scripts: { build: "x" },
      permissions: [npm("npm run *"), { tool: "run_command", subject: "yarn *", permission }],
    });
    assert.deepEqual([ran, notes(message).length], ["", 0]);
  });
}

for (const [project, rules] of [["plain", []], ["shop", [{ ...FILES, subject: "it's" }]]]) {
  test(`one that no rule allows is said once, with the command: ${project}`, async (t) => {
    const turns = await Turns.open(t, { env: { PATH: managers(t) } });
    writeFileSync(path.join(turns.root, "package.json"), '{"scripts": {"build": "x"}}');
    if (rules.length > 0) {
      const body = { name: project, settings: { permissions: rules } };
      assert.equal((await turns.daemon.request("POST", "/api/v1/projects", { body })).status, 201);
    }
    const settings = { permissions: [FILES] };
    const listen = () => turns.listen({ root: turns.root, project, settings });
    const listener = await listen();
    const wrote = async (file, who = listener) => {
      const { message } = await turns.turn(who, steps(write(file), say("done")));
      return notes(message).map(({ text }) => text);
    };
    const [said, ...more] = await wrote("a");
    assert.equal(more.length, 0);
    assert.match(said, /this project has a check, npm run build, which did not run/);
    assert.deepEqual(await wrote("b"), []);
    assert.equal(existsSync(path.join(turns.root, "runs.txt")), false);
    const [, command] = /The user allows it by: drover (.*)\n/.exec(said);
    const words = execFileSync("sh", ["-c", `printf '%s\\0' ${command}`], { encoding: "utf8" });
    const set = await turns.daemon.cli(words.split("\0").slice(0, -1));
    assert.equal(set.code, 0, set.stderr);
    const { json } = await turns.daemon.request("GET", `/api/v1/projects/${project}`, {});
    assert.deepEqual(json.settings.permissions, [...rules, npm("npm run build")]);
    assert.match((await wrote("c"))[0], /npm run build, failed with exit code 1/);
    assert.match((await wrote("d", await listen()))[0], /npm run build, failed with exit code 1/);
  });
}

test("without a project that takes rules, the session is where a check is allowed", async (t) => {
  const turns = await Turns.open(t, { env: { PATH: managers(t) } });
  writeFileSync(path.join(turns.root, "package.json"), '{"scripts": {"build": "x"}}');
  const listener = await turns.listen({ root: turns.root, settings: { permissions: [FILES] } });
  const { message } = await turns.turn(listener, steps(write("a"), say("done")));
  assert.match(notes(message)[0].text, /by a rule in the settings of the session: \{"tool"/);
});

test("what the settings declare wins, false is none, and nonsense is refused", async (t) => {
  const turns = await Turns.open(t);
  writeFileSync(path.join(turns.root, "package.json"), '{"scripts": {"build": "x"}}');
  const all = [FILES, npm("*")];
  const listener = await checked(turns, false, all);
  const { message } = await turns.turn(listener, steps(write("a"), say("done")));
  assert.equal(notes(message).length, 0);
  const children = (await turns.get("/jobs")).items;
  assert.deepEqual(children, []);
  for (const check of [true, [], "make", [""], ["a", 1], { argv: ["make"] }]) {
    const refused = await turns.ask("POST", "/sessions", { settings: { check } });
    const { status, json } = refused;
    assert.deepEqual([status, json.code], [400, "bad_field"], JSON.stringify(check));
  }
});

// --- Crashes -------------------------------------------------------------------------------------

test("a check that a crash meets goes on, and is told once", async (t) => {
  const turns = await Turns.open(t);
  const gate = path.join(turns.root, "gate");
  const wait = "echo ran >> runs.txt; echo > begun; while test ! -e gate; do sleep 0.05; done";
  const listener = await checked(turns, ["sh", "-c", `${wait}; exit 4`]);
  const { run } = await turns.send(listener.session, steps(write("a"), say("done")));
  await listener.until("tool_finished", (data) => data.run === run);
  await until("it began", () => existsSync(path.join(turns.root, "begun")));
  await turns.daemon.kill();
  await turns.daemon.start();
  writeFileSync(gate, "");
  await listener.open();
  const end = await listener.ended(run);
  assert.equal(end.state, "succeeded");
  const message = await turns.answer(listener.session, run);
  assert.equal(runs(turns), 1);
  assert.deepEqual(notes(message).map((note) => /exit code 4/.test(note.text)), [true]);
});

test("a stop ends the check with its turn", async (t) => {
  const turns = await Turns.open(t);
  const listener = await checked(turns, ["sh", "-c", "echo > begun; exec sleep 600"]);
  const { run } = await turns.send(listener.session, steps(write("a"), say("done")));
  await listener.until("tool_finished", (data) => data.run === run);
  await until("it began", () => existsSync(path.join(turns.root, "begun")));
  await turns.ask("POST", `/sessions/${listener.session}/stop`);
  assert.equal((await listener.ended(run)).state, "cancelled");
  const jobs = async () => (await turns.get("/jobs")).items;
  assert.deepEqual((await jobs()).map((job) => job.parent), [run]);
  await until("it ended", async () => (await jobs())[0].state === "cancelled");
});
