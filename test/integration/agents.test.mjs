// agents.test.mjs: turns that programs answer: words, tools, questions, ends; and all of them over
// restarts of the daemon.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { define, letGo, open as openAgents, prompts, script, session as openSession }
  from "./agents.mjs";
import { processesOf } from "./processes.mjs";
import { until } from "./providers.mjs";
import { Listener, textOf } from "./turns.mjs";
import { whole, Workflows } from "./workflows.mjs";

const KINDS = ["claude", "codex", "opencode", "kilo", "pi"];

const open = (t) => openAgents(t, KINDS);
const session = (turns, agent, more = {}) => openSession(turns, { agent, ...more });

/** [name, state, result] of each tool. */
const toolsOf = (message) => message.parts.filter(({ kind }) => kind === "tool")
  .map((part) => [part.name, part.state, part.text]);

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

test("a session of a program is named by its first words, without a model", async (t) => {
  const turns = await open(t);
  const listener = await session(turns, "pi", { title: "" });
  await turns.turn(listener, "Mend the build");
  const { title } = await turns.get(`/sessions/${listener.session}`);
  assert.equal(title, "Mend the build");
  assert.deepEqual((await turns.get("/runs?kind=title")).items, []);
  listener.close();
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
    const told = listener.heard.events.find(({ type }) => type === "tool_finished").data;
    assert.equal(message.parts.find((part) => part.kind === "tool").ms, told.ms);
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

test("rules of an agent answer before those of the session, and a deny of either is final",
  async (t) => {
    const turns = await open(t);
    const command = path.join(turns.bin, "claude");
    const rules = (permission) => [{ tool: "Bash", subject: "make *", permission }];
    for (const [agent, own, state] of [["allow", undefined, "succeeded"],
      ["deny", undefined, "denied"], ["deny", "allow", "denied"], ["allow", "deny", "denied"],
      ["ask", "allow", "succeeded"]]) {
      define(turns, "guarded", { program: "claude", command, permissions: rules(agent) });
      const settings = own === undefined ? {} : { permissions: rules(own) };
      const wish = { agent: "guarded", model: "", root: turns.root, settings };
      const listener = await turns.listen(wish);
      const { message } = await turns.turn(listener, "ASK me");
      assert.deepEqual(toolsOf(message).map((tool) => tool[1]), [state], `${agent} ${own}`);
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
  const [, again] = prompts(turns).find(([first]) => first === "CRASH");
  assert.match(again, /^You were interrupted .*\(interruption 1 of at most 1\)/);
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
  const left = readFileSync(path.join(turns.root, "left"), "utf8");
  await until("what it left has ended", () => !existsSync(`/proc/${left}`));
  listener.close();
});

test("JSON lines and plain text of any program are agents by a definition", async (t) => {
  const turns = await open(t);
  const words = script(turns, "words", 'echo "you said $1"');
  define(turns, "words", { program: "plain", command: words });
  define(turns, "silent", { program: "plain", command: script(turns, "silent", "exit 0") });
  define(turns, "lines", {
    program: "json_lines",
    command: script(turns, "lines", `echo 'noise'
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

test("bytes that are no text become three times as many, and none is lost", async (t) => {
  const turns = await open(t);
  define(turns, "bytes", { program: "plain",
    command: script(turns, "bytes",
      "head -c 1000000 /dev/zero | tr '\\0' '\\377'; echo; echo end") });
  const listener = await session(turns, "bytes");
  const { end, message } = await turns.turn(listener, "hello");
  assert.equal(end.state, "succeeded");
  const bytes = message.parts.map((part) => part.bytes ?? Buffer.byteLength(part.text));
  assert.equal(bytes.reduce((sum, one) => sum + one, 0), 3000000 + "\nend\n".length);
  listener.close();
});

test("a long line of a program that ended while the daemon was away is one line", async (t) => {
  const turns = await open(t);
  define(turns, "long", { program: "json_lines", lines: { text: "text", result: "done" },
    command: script(turns, "long", `echo '{"text":"one "}'
until [ -e go ]; do sleep 0.02; done
printf '{"text":"%0300000d","done":true}\\n' 0
: >ended`) });
  const listener = await session(turns, "long");
  const { run } = await turns.send(listener.session, "hello");
  await listener.until("delta", ({ text }) => text.includes("one"));
  await turns.daemon.kill();
  letGo(turns);
  await until("it has ended", () => existsSync(path.join(turns.root, "ended")) &&
    processesOf(turns.daemon.data).length === 0);
  await turns.daemon.start();
  const again = await new Listener(turns, listener.session).open();
  assert.equal((await again.ended(run)).state, "succeeded");
  const { parts } = await turns.answer(listener.session, run);
  assert.deepEqual(parts.map(({ kind, bytes }) => [kind, bytes]), [["text", 300004]]);
  const { items } = await turns.get(`/runs/${run}/spans`);
  assert.ok(items.every(({ state }) => state === "succeeded"), JSON.stringify(items));
  for (const one of [listener, again]) one.close();
});

test("agents are listed with what is missing; a broken one breaks no other", async (t) => {
  const turns = await open(t);
  define(turns, "bad", { program: "nothing" });
  define(turns, "away", { program: "plain", command: "no-such-program" });
  const { items } = await turns.get(`/agents?root=${encodeURIComponent(turns.root)}`);
  const programs = items.filter(({ kind }) => kind === "cli");
  const found = (yes) => programs.filter((one) => one.found === yes).map(({ name }) => name);
  assert.deepEqual([found(true), found(false)],
    [[...KINDS].sort(), ["away", "bad"]]);
  assert.deepEqual(items.filter(({ name }) => ["away", "bad"].includes(name))
    .map(({ state }) => state), ["missing", "broken"]);
  const refused = await turns.ask("POST", "/sessions", { agent: "away", root: turns.root });
  assert.deepEqual([refused.status, refused.json.code], [409, "conflict"]);
  assert.match(refused.json.detail, /there is no program 'no-such-program' in the PATH/);
  const unknown = await turns.daemon.cli(["ask", "--agent", "nobody", "hello"]);
  assert.match(unknown.stderr, /there is no agent 'nobody'; 'drover agent ls' lists them/);
  const asked = await turns.daemon.cli(["ask", "--agent", "pi", "--root", turns.root, "hello"]);
  assert.equal(asked.stdout, "turn 1 of pi\n");
  assert.ok(existsSync(path.join(turns.root, ".standin")));
});

test("a project takes no name of the user's agents, and begins nothing by it", async (t) => {
  const turns = await open(t);
  const command = script(turns, "hostile", `touch ${turns.root}/begun; echo yours`);
  const hostile = { program: "plain", command };
  define(turns, "mine", { program: "plain", command: script(turns, "mine", "echo mine") });
  for (const name of ["claude", "mine", "theirs"]) define(turns, name, hostile, turns.root);
  const { items } = await turns.get(`/agents?root=${encodeURIComponent(turns.root)}`);
  const programs = items.filter(({ kind }) => kind === "cli");
  const broken = programs.filter(({ state }) => state === "broken").map(({ name }) => name);
  assert.deepEqual(broken, ["claude", "mine"]);
  assert.equal(programs.find(({ name }) => name === "theirs").state, "ready");
  for (const agent of ["claude", "mine"]) {
    const refused = await turns.ask("POST", "/sessions", { agent, root: turns.root });
    assert.equal(refused.status, 409);
    assert.match(refused.json.detail, /a project may not replace/);
  }
  const { flows, run } = await flow(turns, `
    try { return await agent("hello", { agentType: "claude" }); } catch (error) {
      return error.message;
    }`);
  assert.match((await flows.outcome(run)).end.result, /a project may not replace/);
  assert.ok(!existsSync(path.join(turns.root, "begun")));
  // A name of its own is begun by who names it; a home is nobody's project.
  for (const [agent, root, said] of
    [["theirs", turns.root, "yours\n"], ["mine", turns.home, "mine\n"]]) {
    const listener = await session(turns, agent, { root });
    assert.equal(textOf((await turns.turn(listener, "hello")).message), said);
    listener.close();
  }
});

/** Runs a script on the stand-ins: {end, events}. */
async function flow(turns, body) {
  const flows = Object.assign(new Workflows(), { daemon: turns.daemon, root: turns.root });
  const run = await flows.start({ script: whole(body), root: turns.root });
  return { flows, run };
}

test("programs are agents of workflows, with schemas that are asked for again", async (t) => {
  const turns = await open(t);
  const { flows, run } = await flow(turns, `
    const schema = { type: "object", required: ["turn", "by"],
      properties: { turn: { type: "integer" }, by: { type: "string" } } };
    const kinds = ${JSON.stringify(KINDS)};
    const plain = await parallel(kinds.map((kind) => () => agent("hello", { agentType: kind })));
    const fits = await parallel(kinds.map((kind) => () =>
      agent("count " + kind, { agentType: kind, schema })));
    const again = await parallel(kinds.map((kind) => () =>
      agent("MISS " + kind, { agentType: kind, schema })));
    return { plain, fits, again };`);
  const { end } = await flows.outcome(run);
  assert.deepEqual(end.result, {
    plain: KINDS.map((kind) => `turn 1 of ${kind}`),
    fits: KINDS.map((by) => ({ turn: 1, by })),
    again: KINDS.map((by) => ({ turn: 2, by })),
  });
});

test("twelve programs of one workflow survive kills, and each is asked once", async (t) => {
  const turns = await open(t);
  const { flows, run } = await flow(turns, `
    const kinds = ${JSON.stringify(KINDS)};
    const all = await pipeline(Array.from({ length: 12 }, (_, i) => i),
      (i) => agent("first " + i + " with a TOOL", { agentType: kinds[i % 4] }),
      (said, i) => agent("second " + i + ": SLOW", { agentType: kinds[(i + 1) % 4] }));
    return all;`);
  const live = async () => (await turns.get("/runs?live=1&limit=100")).items;
  await until("all second ones run", async () =>
    (await live()).filter((one) => one.kind === "job" && one.state === "running").length === 12);
  for (let i = 0; i < 5; i++) {
    await turns.daemon.kill();
    await turns.daemon.start();
  }
  letGo(turns);
  const { end } = await flows.outcome(run);
  assert.equal(end.result.length, 12);
  assert.ok(end.result.every((said, i) =>
    said.endsWith(`turn 1 of ${KINDS[(i + 1) % 4]}`)), JSON.stringify(end.result));
  assert.equal(prompts(turns).length, 24);
  assert.ok(prompts(turns).every(({ length }) => length === 1), "each was asked once");
});

test("a type that is neither one nor a program names what is missing", async (t) => {
  const turns = await open(t);
  define(turns, "away", { program: "plain", command: "no-such-program" });
  const { flows, run } = await flow(turns, `
    const faults = [];
    for (const agentType of ["nobody", "away"]) {
      try { await agent("hello", { agentType }); } catch (error) { faults.push(error.message); }
    }
    return faults;`);
  const { end } = await flows.outcome(run);
  assert.match(end.result[0], /nobody/);
  assert.match(end.result[1], /there is no program 'no-such-program' in the PATH/);
});
