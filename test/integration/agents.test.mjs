// agents.test.mjs: turns that programs answer: words, tools, questions, ends; and all of them over
// restarts of the daemon.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { until } from "./providers.mjs";
import { Listener, textOf, Turns } from "./turns.mjs";

const STANDIN = fileURLToPath(new URL("../agents/standin.mjs", import.meta.url));
const KINDS = ["claude", "codex", "opencode", "pi"];

/** A daemon that finds the stand-ins under the names of the programs. */
async function open(t) {
  const turns = await Turns.open(t, { env: { DROVER_MODEL: "" } });
  turns.bin = path.join(turns.folder, "bin");
  mkdirSync(turns.bin);
  for (const kind of KINDS) {
    const file = path.join(turns.bin, kind);
    writeFileSync(file, `#!/bin/sh\nexec ${process.execPath} ${STANDIN} ${kind} "$@"\n`);
    chmodSync(file, 0o755);
    define(turns, kind, { program: kind, command: file });
  }
  return turns;
}

function define(turns, name, definition) {
  const folder = path.join(turns.root, ".drover", "agents");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(definition));
}

const session = (turns, agent, more = {}) =>
  turns.listen({ agent, model: "", root: turns.root, title: "A talk", ...more });

/** [name, state, result] of each tool. */
const toolsOf = (message) => message.parts.filter(({ kind }) => kind === "tool")
  .map((part) => [part.name, part.state, part.text]);

const letGo = (turns) => writeFileSync(path.join(turns.root, "go"), "");

test("each program answers, goes on in its own session, and tells what it took", async (t) => {
  const turns = await open(t);
  for (const kind of KINDS) {
    const listener = await session(turns, kind);
    for (const number of [1, 2]) {
      const { end, message } = await turns.turn(listener, "hello");
      assert.deepEqual([kind, end.state, textOf(message)],
        [kind, "succeeded", `turn ${number} of ${kind}`]);
    }
    const { usage, model } = await turns.get(`/sessions/${listener.session}`);
    assert.equal(model, `${kind}/default`);
    assert.deepEqual([usage.fresh, usage.cache_read, usage.output],
      [kind === "claude" ? 200 : 160, 40, 24], kind);
    if (kind === "claude") assert.equal(usage.cost_micros, 25000);
    listener.close();
  }
});

test("a tool of a program is a card, with its arguments and its result", async (t) => {
  const turns = await open(t);
  for (const kind of KINDS) {
    const listener = await session(turns, kind);
    const { message } = await turns.turn(listener, "use a TOOL");
    const [[name, state, result]] = toolsOf(message);
    assert.deepEqual([state, result], ["succeeded", "all green"], `${kind}: ${name}`);
    assert.ok(textOf(message).endsWith(`turn 1 of ${kind}`));
    const types = listener.heard.events.map(({ type }) => type);
    assert.ok(types.indexOf("tool_started") < types.indexOf("tool_finished"));
    listener.close();
  }
});

test("a question is answered by a person, also after the daemon was killed", async (t) => {
  const turns = await open(t);
  for (const [verb, state] of [["allow", "succeeded"], ["deny", "denied"]]) {
    const listener = await session(turns, "claude");
    const sent = await turns.send(listener.session, "ASK me");
    const asked = async () => (await turns.get("/approvals")).items;
    await until("it asks", async () => (await asked()).length === 1);
    const [approval] = await asked();
    assert.deepEqual([approval.tool, approval.arguments], ["Bash", { command: "make test" }]);
    assert.equal((await turns.get(`/runs/${sent.run}`)).state, "waiting");
    listener.close();
    await turns.daemon.kill();
    await turns.daemon.start();
    const again = await new Listener(turns, listener.session).open();
    const answered = await turns.ask("POST", `/approvals/${approval.id}`, { decision: verb });
    assert.equal(answered.status, 200, answered.text);
    await again.ended(sent.run);
    const message = await turns.answer(listener.session, sent.run);
    assert.equal(textOf(message), "turn 1 of claude");
    assert.deepEqual(toolsOf(message).map((tool) => tool[1]), [state]);
    again.close();
  }
});

test("a rule of the session answers first", async (t) => {
  const turns = await open(t);
  const rules = (permission) =>
    ({ settings: { permissions: [{ tool: "Bash", subject: "make *", permission }] } });
  for (const [permission, state] of [["allow", "succeeded"], ["deny", "denied"]]) {
    const listener = await session(turns, "claude", rules(permission));
    const { message } = await turns.turn(listener, "ASK me");
    assert.deepEqual(toolsOf(message).map((tool) => tool[1]), [state]);
    listener.close();
  }
  assert.deepEqual((await turns.get("/approvals?all=1")).items, []);
});

test("a daemon that is killed again and again loses and doubles nothing of what is said",
  async (t) => {
    const turns = await open(t);
    const talks = [];
    for (let i = 0; i < 20; i++) {
      const listener = await session(turns, KINDS[i % KINDS.length]);
      const sent = await turns.send(listener.session, "SLOW and use a TOOL");
      listener.close();
      talks.push({ kind: KINDS[i % KINDS.length], session: listener.session, run: sent.run });
    }
    const live = async () => (await turns.get("/runs?live=1&limit=100")).items;
    const jobs = async () => (await live()).filter(({ kind }) => kind === "job");
    await until("all run",
      async () => (await jobs()).filter(({ state }) => state === "running").length === 20);
    for (let i = 0; i < 20; i++) {
      await turns.daemon.kill();
      await turns.daemon.start();
      assert.equal((await jobs()).length, 20);
    }
    letGo(turns);
    await until("all have ended", async () => (await live()).length === 0);
    for (const { kind, session: id, run } of talks) {
      const message = await turns.answer(id, run);
      assert.equal(textOf(message).replaceAll("\n", ""), `one twoturn 1 of ${kind}`);
      assert.equal(toolsOf(message).length, 1);
    }
  });

test("how a program has ended is reported, and the next message is taken", async (t) => {
  const turns = await open(t);
  for (const kind of KINDS) {
    const listener = await session(turns, kind);
    const refused = await turns.turn(listener, "FAIL401");
    assert.deepEqual([kind, refused.end.state, refused.end.cause], [kind, "failed", "auth_failed"]);
    assert.match(refused.end.note, /run it once in a terminal and log in/);
    assert.equal((await turns.turn(listener, "hello")).end.state, "succeeded");
    listener.close();
  }
  // One that crashed goes on once in its session; without one it is not begun again for ever.
  const listener = await session(turns, "claude");
  const crashed = await turns.turn(listener, "CRASH");
  assert.equal(textOf(crashed.message), "turn 2 of claude");
  const folder = path.join(turns.root, ".standin");
  const prompts = readdirSync(folder).map((file) => readFileSync(path.join(folder, file), "utf8"));
  assert.ok(prompts.some((text) => text.startsWith("CRASH\nYou were interrupted")));
  listener.close();
});

test("a stop ends the program with all that it started, and keeps what it said", async (t) => {
  const turns = await open(t);
  const listener = await session(turns, "claude");
  const sent = await turns.send(listener.session, "LEAVE something, and be SLOW");
  await listener.until("delta", ({ text }) => text.includes("one"));
  assert.equal((await turns.ask("POST", `/runs/${sent.run}/stop`, {})).status, 200);
  assert.equal((await listener.ended(sent.run)).cause, "stopped");
  assert.equal(textOf(await turns.answer(listener.session, sent.run)), "one ");
  await until("its process has ended",
    async () => (await turns.get("/runs?live=1")).items.length === 0);
  const left = execFileSync("sh", ["-c", "ps -eo args | grep -c '[s]leep 300' || true"],
    { encoding: "utf8" });
  assert.equal(Number(left), 0);
  listener.close();
});

test("JSON lines and plain text of any program are agents by a definition", async (t) => {
  const turns = await open(t);
  const script = (name, text) => {
    const file = path.join(turns.bin, name);
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  define(turns, "words", { program: "plain", command: script("words", 'echo "you said $1"') });
  define(turns, "silent", { program: "plain", command: script("silent", "exit 0") });
  define(turns, "lines", {
    program: "json_lines",
    command: script("lines", `echo 'noise'
echo '{"event":{"say":"well, "}}'
echo '{"tool":"look","id":"1","in":{"at":"this"}}'
echo '{"id":"1","out":"seen"}'
echo '{"event":{"say":"done"},"usage":{"in":7,"out":3}}'
echo '{"final":true}'`),
    lines: { text: "event.say", tool: "tool", tool_id: "id", arguments: "in", tool_result: "out",
      result: "final", input_tokens: "usage.in", output_tokens: "usage.out" },
  });
  const ask = async (agent) => {
    const listener = await session(turns, agent);
    const { end, message } = await turns.turn(listener, "hello");
    listener.close();
    return [end.state, end.cause, textOf(message), toolsOf(message)];
  };
  assert.deepEqual(await ask("words"), ["succeeded", "completed", "you said hello\n", []]);
  assert.deepEqual((await ask("silent")).slice(0, 2), ["failed", "no_result"]);
  assert.deepEqual(await ask("lines"),
    ["succeeded", "completed", "well, done", [["look", "succeeded", "seen"]]]);
});

test("agents are listed with what is missing; a broken one breaks no other", async (t) => {
  const turns = await open(t);
  define(turns, "bad", { program: "nothing" });
  define(turns, "away", { program: "plain", command: "no-such-program" });
  const { items } = await turns.get(`/agents?root=${encodeURIComponent(turns.root)}`);
  const states = Object.fromEntries(items.map(({ name, state }) => [name, state]));
  assert.deepEqual(states, { away: "missing", bad: "broken", claude: "ready", codex: "ready",
    opencode: "ready", pi: "ready" });
  const refused = await turns.ask("POST", "/sessions", { agent: "away", root: turns.root });
  assert.deepEqual([refused.status, refused.json.code], [409, "conflict"]);
  assert.match(refused.json.detail, /there is no program 'no-such-program' in the PATH/);
  const unknown = await turns.daemon.cli(["ask", "--agent", "nobody", "hello"]);
  assert.match(unknown.stderr, /there is no agent 'nobody'; 'drover agent ls' lists them/);
  const asked = await turns.daemon.cli(["ask", "--agent", "pi", "--root", turns.root, "hello"]);
  assert.equal(asked.stdout, "turn 1 of pi\n");
  assert.ok(existsSync(path.join(turns.root, ".standin")));
});
