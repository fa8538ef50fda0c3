// agents-run.test.mjs: programs that are given one task: `drover agent run` by a person, and
// spawn_subagent {agent} by a model.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { onTerminal, plain } from "./jobs-cli.mjs";
import { define, letGo, open, prompts, script as programScript } from "./agents.mjs";
import { bin } from "./lib.mjs";
import { until } from "./providers.mjs";
import { call, Listener, say, script, textOf, toolsOf } from "./turns.mjs";

const FIELDS = ["event", "run", "state", "cause", "text", "usage"];
const rows = (text) => text.trim().split("\n").map((line) => JSON.parse(line));
const run = (turns, words, more) =>
  turns.daemon.cli(["agent", "run", ...words, "--root", turns.root], more);
const jobs = async (turns) => (await turns.get("/runs?live=1")).items
  .filter(({ kind }) => kind === "job");

test("a workflow that a model starts begins no program unasked", async (t) => {
  const turns = await open(t, "pi");
  const flow = 'export const meta = { name: "w", description: "d" };\n' +
    'return await agent("hello", { agentType: "pi" }).catch((error) => error.message);';
  const listener = await turns.listen({ root: turns.root });
  const { run: turn } = await turns.send(listener.session,
    script(call("run_workflow", { script: flow }), "step:", say("started")));
  await listener.ended(turn);
  const [{ id }] = (await turns.get("/runs?kind=workflow")).items;
  await until("it ends", async () => (await turns.get(`/runs/${id}`)).ended_ms !== null);
  const events = (await turns.get(`/streams/run:${id}/events`)).events;
  assert.match(JSON.stringify(events), /a workflow that a model started may not use one/);
  assert.deepEqual(prompts(turns), []);
  listener.close();
});

// --- drover agent run ----------------------------------------------------------------------------

test("a task is given to a program, and its words are printed", async (t) => {
  const turns = await open(t, "pi");
  const { code, stdout, stderr } = await run(turns, ["pi", "Mend the build"]);
  assert.deepEqual([code, stdout, stderr], [0, "turn 1 of pi\n", ""]);
  const [{ id, title, agent, root }] = (await turns.get("/sessions")).items;
  assert.deepEqual([title, agent, root], ["Mend the build", "pi", turns.root]);
  for (const words of [["pi"], ["pi", "-"]]) {
    const piped = await run(turns, words, { input: "from a pipe\n" });
    assert.deepEqual([piped.code, piped.stdout], [0, "turn 1 of pi\n"]);
  }
  assert.deepEqual(prompts(turns).flat().sort(), ["Mend the build", "from a pipe", "from a pipe"]);
  // It is a session as any other, and goes on.
  const again = await turns.daemon.cli(["ask", "--session", id, "and more"]);
  assert.deepEqual([again.code, again.stdout], [0, "turn 2 of pi\n"]);
});

test("an answer is printed although a command of the program still runs at its end", async (t) => {
  const turns = await open(t, "codex");
  for (const [command, more] of [[["agent", "run", "codex", "SERVE it"], {}],
    [["ask", "--agent", "codex", "SERVE it"], {}],
    [["chat", "--agent", "codex"], { input: "SERVE it\n" }]]) {
    const { code, stdout } = await turns.daemon.cli([...command, "--root", turns.root], more);
    assert.equal(code, 0);
    assert.match(stdout, /turn 1 of codex\n/, command.join(" "));
  }
});

test("a chat sends claude its own slash commands, and no other program", async (t) => {
  const turns = await open(t, ["claude", "pi"]);
  const input = "/wool:review the fence\n/title Wool\n/\n";
  const chat = (agent) => turns.daemon.cli(["chat", "--agent", agent, "--root", turns.root],
    { input });
  const { code, stdout, stderr } = await chat("claude");
  assert.deepEqual([code, stdout],
    [0, "turn 1 of claude\n[there is no /; /help lists the commands]\n"], stderr);
  assert.deepEqual(prompts(turns), [["/wool:review the fence"]]);
  assert.match((await chat("pi")).stdout, /^\[there is no \/wool:review; /);
  assert.deepEqual(prompts(turns), [["/wool:review the fence"]]);
});

test("a last line that has an end gets no second one", async (t) => {
  const turns = await open(t, []);
  const command = programScript(turns, "lines", "echo one; echo two");
  define(turns, "lines", { program: "plain", command });
  assert.equal((await run(turns, ["lines", "x"])).stdout, "one\ntwo\n");
});

test("with --json each event is a line, and the last one says how it ended", async (t) => {
  const turns = await open(t, "claude");
  const { code, stdout } = await run(turns, ["claude", "use a TOOL", "--json"]);
  const lines = rows(stdout), last = lines.at(-1), events = lines.slice(0, -1);
  assert.equal(code, 0);
  assert.deepEqual(Object.keys(last), FIELDS);
  assert.deepEqual([last.event, last.state, last.cause, last.text],
    ["agent_finished", "succeeded", "completed", "turn 1 of claude"]);
  assert.deepEqual([last.usage.fresh, last.usage.output, last.usage.cost_micros],
    [100, 12, 12500]);
  assert.ok(events.every((one) => one.run === last.run));
  const numbers = events.map(({ seq }) => seq);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  const types = events.map(({ event }) => event);
  for (const type of ["turn_started", "tool_started", "tool_finished", "delta", "turn_finished"]) {
    assert.ok(types.includes(type), type);
  }
  const told = events.filter(({ event }) => event === "delta").map(({ text }) => text).join("");
  assert.equal(told, last.text);
});

test("it exits with 0 only when the run succeeded", async (t) => {
  const turns = await open(t, "codex");
  const failed = await run(turns, ["codex", "FAIL401", "--json"]);
  assert.equal(failed.code, 1);
  const last = rows(failed.stdout).at(-1);
  assert.deepEqual([last.event, last.state, last.cause],
    ["agent_finished", "failed", "auth_failed"]);
  const plain = await run(turns, ["codex", "FAIL401"]);
  assert.deepEqual([plain.code, plain.stdout], [1, ""]);
  assert.match(plain.stderr, /the turn failed \(auth_failed\)/);
});

// --- drover agent test ---------------------------------------------------------------------------

test("the folder is that of the terminal, or a relative one that is named", async (t) => {
  const turns = await open(t, "codex");
  define(turns, "local", { program: "codex", command: path.join(turns.bin, "codex") }, turns.root);
  define(turns, "gone", { program: "codex", command: "/no/codex" }, turns.root);
  const above = path.dirname(turns.root);
  const cases = [[turns.root], [above, "--root", path.basename(turns.root)]];
  for (const [cwd, ...root] of cases) {
    const cli = (...words) => turns.daemon.cli(["agent", ...words, ...root], { cwd });
    assert.match((await cli("ls")).stdout, /^local +cli +not_logged_in /m);
    assert.match((await cli("show", "local")).stdout, /^state +not_logged_in$/m);
    assert.match((await cli("show", "gone")).stdout, /^why +there is no program at \/no\/codex, /m);
    assert.match((await cli("test", "local", "--dry-run")).stdout, /^argv +\S+\/codex\n/);
    assert.match((await cli("test", "local")).stdout, /^outcome +succeeded/m);
  }
  const none = await turns.daemon.cli(["agent", "ls", "--root", "nowhere"], { cwd: above });
  assert.deepEqual([none.code, none.stderr.includes("there is no folder nowhere")], [2, true]);
  assert.doesNotMatch((await turns.daemon.cli(["agent", "ls"], { cwd: above })).stdout, /^local /m);
});

test("the test of an agent tells how it ended, why, what to do, and what it used", async (t) => {
  const turns = await open(t, ["claude", "codex"]);
  const check = (name, ...more) => turns.daemon.cli(
    ["agent", "test", name, "--root", turns.root, ...more]);
  const well = await check("claude");
  assert.deepEqual([well.code, well.stderr], [0, ""]);
  assert.match(well.stdout, /^turn 1 of claude\nagent {5}claude\nprogram {3}\S+\/claude\n/);
  assert.match(well.stdout, /\noutcome {3}succeeded \(completed\)\nusage {5}120 tokens read, /);
  assert.match(well.stdout, / 12 written, \$0\.0125\nrun {7}run_\w+\n$/);

  const refused = await check("codex", "--prompt", "FAIL401");
  assert.deepEqual([refused.code, refused.stderr], [1, ""]);
  assert.match(refused.stdout, /\noutcome {3}failed \(auth_failed\)\nwhy {7}codex has no /);
  assert.match(refused.stdout, /run it once in a terminal and log in, .*\nusage {5}0 tokens read,/);

  for (const [words, code, state, cause, why] of [
    ["hello", 0, "succeeded", "completed", ""],
    ["FAIL403", 1, "failed", "auth_failed", "log in"],
    ["DIE", 1, "failed", "signal", "see what ended it"]]) {
    const { code: exit, stdout } = await check("codex", "--prompt", words, "--json");
    const [verdict, ...more] = rows(stdout);
    assert.deepEqual([exit, more], [code, []]);
    assert.deepEqual(Object.keys(verdict), ["agent", "command", "version", "session", "run",
      "state", "cause", "why", "note", "text", "usage"]);
    assert.deepEqual([verdict.agent, verdict.state, verdict.cause], ["codex", state, cause]);
    assert.ok(why === "" ? verdict.why === "" : verdict.why.includes(why), verdict.why);
  }
  await turns.ask("PUT", "/agents/gone", { program: "plain", command: "/nonexistent/program" });
  for (const [name, code, words] of [["nobody", 3, /no agent 'nobody'/],
    ["Explore", 2, /one of models/], ["gone", 5, /missing/]]) {
    for (const more of [[], ["--dry-run"]]) {
      const { code: exit, stdout, stderr } = await check(name, ...more);
      assert.deepEqual([exit, stdout], [code, ""], stderr);
      assert.match(stderr, words);
    }
  }
});

test("at a terminal a start says what the program does without asking", async (t) => {
  const turns = await open(t, "pi");
  const may = "may do what its user may, and does not ask";
  const at = (words) => onTerminal(t, turns.daemon, `${words} --root ${turns.root}`,
    { typed: true });
  for (const words of ["agent run pi hello", "ask --agent pi hello", "agent test pi"]) {
    const { stdout } = await at(words).ended;
    assert.match(plain(stdout), new RegExp(`drover: pi: ${may}`), words);
  }
  const chat = at("chat --agent pi");
  let text = "";
  await chat.when((all) => /session +ses_\w+[^]*\n> /.test((text = plain(all))));
  assert.ok(text.includes(`permissions  ${may}`), text);
  chat.child.stdin.write("\x04");
  await chat.ended;
});

test("a program keeps the model and the folder that it began with", async (t) => {
  const turns = await open(t, ["pi", "codex"]);
  const listener = await turns.listen({ agent: "pi", model: "", root: turns.root, title: "x" });
  const target = `/sessions/${listener.session}`;
  const before = await turns.get(target);
  for (const [field, value] of [["model", "openai/gpt"], ["root", "/tmp"]]) {
    const { status, json } = await turns.ask("PATCH", target, { [field]: value });
    assert.deepEqual([status, json.code], [400, "bad_field"], field);
    assert.match(json.detail, new RegExp(`^${field}: a program answers in this session`));
  }
  const said = await turns.ask("POST", `${target}/messages`, { text: "x", model: "openai/gpt" });
  assert.equal(said.json.code, "bad_field");
  assert.deepEqual(await turns.get(target), before);
  assert.equal((await turns.ask("PATCH", target,
    { title: "Mine", agent: "pi", root: turns.root, model: before.model })).status, 200);
  const ask = (...words) => turns.daemon.cli(["ask", "--session", listener.session, ...words, "x"]);
  for (const words of [["--agent", "codex"], ["--agent", "pi", "--model", "other"]]) {
    assert.equal((await ask(...words)).code, 2, `${words}`);
  }
  assert.equal((await ask("--model", "other")).code, 2);
  assert.equal((await ask("--agent", "pi")).stdout, "turn 1 of pi\n");
  const chat = (words, input) => turns.daemon.cli(["chat", ...words], { input });
  assert.equal((await chat(["--session", listener.session, "--agent", "codex"])).code, 2);
  // So does a chat: its next session is one of the program, too.
  const { stdout } = await chat(["--session", listener.session], "/model other\n/new\nhello\n");
  assert.match(stdout, /the program keeps the model/);
  assert.match(stdout, /turn 1 of pi/);
  const sessions = (await turns.get("/sessions")).items;
  assert.deepEqual(sessions.map(({ agent, root }) => [agent, root]),
    [["pi", turns.root], ["pi", turns.root]]);
  listener.close();
});

test("the agent of a session can be another from the next turn on", async (t) => {
  const turns = await open(t, ["pi", "codex"]);
  const listener = await turns.listen({ root: turns.root, title: "x", instructions: "Be brief.",
    settings: { permissions: [{ permission: "allow" }] } });
  const target = `/sessions/${listener.session}`;
  const change = async (body) => {
    const { status, json } = await turns.ask("PATCH", target, body);
    return status === 200 ? [json.agent, json.model] : [status, json.code];
  };
  const answer = async (text) => textOf((await turns.turn(listener, text)).message);
  const began = await turns.get(target);
  assert.equal(await answer("say: A model says this."), "A model says this.");
  assert.deepEqual(await change({ agent: "pi", model: "-x" }), [400, "bad_field"]);
  assert.deepEqual(await change({ agent: "pi" }), ["pi", "pi/default"]);
  assert.equal(await answer("first"), "turn 1 of pi");
  assert.equal(await answer("second"), "turn 2 of pi");
  // A name that is misspelt ends no program, and no turn gets another agent on the way.
  assert.deepEqual(await change({ agent: "kodex" }), [400, "bad_field"]);
  const { json: slow } = await turns.ask("POST", `${target}/messages`, { text: "SLOW" });
  assert.deepEqual(await change({ agent: "codex" }), [409, "turn_in_progress"]);
  letGo(turns);
  await listener.ended(slow.run);
  assert.deepEqual(await change({ agent: "codex", model: "o9" }), ["codex", "codex/o9"]);
  assert.equal(await answer("third"), "turn 1 of codex");
  const heard = prompts(turns).flat().find((text) => text.includes("third"));
  for (const words of ["A model says this.", "second"]) assert.ok(heard.includes(words), heard);
  assert.deepEqual(await change({ agent: "", model: began.model }), [null, began.model]);
  assert.equal(await answer("say: A model again."), "A model again.");
  const now = await turns.get(target);
  for (const name of ["instructions", "settings", "root", "title"]) {
    assert.deepEqual(now[name], began[name], name);
  }
  // Back to the first: its own session has not heard what was said since.
  const { stdout } = await turns.daemon.cli(["chat", "--session", listener.session],
    { input: "/agent pi\nfourth\n/agent\n" });
  assert.match(stdout, /from now on pi answers; [^]*turn 1 of pi[^]*from now on .* answers\]/);
  assert.equal((await turns.get(target)).agent, null);
  listener.close();
});

test("a main session keeps its agent", async (t) => {
  const turns = await open(t, ["pi", "codex"]);
  const { json } = await turns.ask("POST", "/sessions",
    { agent: "pi", root: turns.root, main: true });
  const refused = await turns.ask("PATCH", `/sessions/${json.id}`, { agent: "codex" });
  assert.deepEqual([refused.status, refused.json.code], [409, "conflict"]);
});

test("a chat in a session without a folder begins another one without", async (t) => {
  const turns = await open(t, "pi");
  const { json } = await turns.ask("POST", "/sessions", { agent: "pi", title: "x" });
  const { code, stderr } = await turns.daemon.cli(["chat", "--session", json.id],
    { input: "/new\n" });
  assert.equal(code, 0, stderr);
  assert.deepEqual((await turns.get("/sessions")).items.map(({ agent, root }) => [agent, root]),
    [["pi", null], ["pi", null]]);
});

test("a run that nobody follows is known to ps, show, attach, trace, usage and stop", async (t) => {
  const turns = await open(t, "claude");
  const { code, stdout, stderr } = await run(turns, ["claude", "be SLOW", "--detach", "--json"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const [begun, ...more] = rows(stdout);
  assert.deepEqual([Object.keys(begun), more], [["run"], []]);
  const cli = async (...words) => (await turns.daemon.cli(words)).stdout;
  await until("it runs", async () => (await jobs(turns))[0]?.state === "running");
  const live = rows(await cli("ps", "--json"));
  assert.ok(live.some(({ id, kind }) => id === begun.run && kind === "turn"));
  assert.match(await cli("show", begun.run), /^asked +be SLOW$/m);
  const followed = turns.daemon.cli(["attach", begun.run]);
  letGo(turns);
  assert.deepEqual([(await followed).code, (await followed).stdout],
    [0, "one twoturn 1 of claude\n"]);
  assert.match(await cli("trace", begun.run), /claude\/default .*succeeded/);
  const used = await cli("usage", "--by", "model");
  assert.match(used, /^claude\/default +1 +120 /m);
  const second = await run(turns, ["claude", "be SLOW, too", "--detach"]);
  assert.match(second.stdout, /^run_\w+\n$/);
  const stopped = await turns.daemon.cli(["stop", second.stdout.trim()]);
  assert.deepEqual([stopped.code, stopped.stderr], [0, ""]);
  await until("its process has ended", async () => (await jobs(turns)).length === 0);
});

test("a run that is stopped as it begins ends as stopped", async (t) => {
  const turns = await open(t, "pi");
  for (let i = 0; i < 20; i++) {
    const listener = await turns.listen({ agent: "pi", model: "", root: turns.root });
    const sent = await turns.send(listener.session, "be SLOW");
    if (i % 2 === 1) await listener.until("turn_started");
    const stop = await turns.ask("POST", `/runs/${sent.run}/stop`);
    assert.equal(stop.status, 200, stop.text);
    assert.equal((await listener.ended(sent.run)).state, "cancelled");
    listener.close();
  }
  await until("no process is left", async () => (await jobs(turns)).length === 0);
});

test("Ctrl-C leaves it running, with the exit code of ask", async (t) => {
  const turns = await open(t, "claude");
  const env = { ...turns.daemon.env, DROVER_DATA: turns.daemon.data };
  const words = ["agent", "run", "claude", "be SLOW", "--json", "--root", turns.root];
  const child = spawnProcess(bin, words, { env, stdio: ["ignore", "pipe", "pipe"] });
  let told = "", id = null;
  child.stderr.on("data", (piece) => (told += piece));
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event !== "delta") continue;
    id = event.run;
    child.kill("SIGINT");
    break;
  }
  const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
  assert.equal(code, 130);
  assert.match(told, new RegExp(`detached.*drover attach ${id.slice(0, 16)}'`));
  letGo(turns);
  const ended = await turns.daemon.cli(["attach", id]);
  assert.deepEqual([ended.code, ended.stdout], [0, "one twoturn 1 of claude\n"]);
});

test("an agent of the project is found in the folder that is named, by ask, too", async (t) => {
  const turns = await open(t, []);
  define(turns, "ours", { program: "plain", command: "echo", args: ["ours says"] }, turns.root);
  assert.deepEqual((await run(turns, ["ours", "hello"])).stdout, "ours says hello\n");
  const asked = await turns.daemon.cli(["ask", "--agent", "ours", "--root", turns.root, "hello"]);
  assert.deepEqual([asked.code, asked.stdout], [0, "ours says hello\n"]);
});

test("an agent that cannot be started is refused, and leaves nothing", async (t) => {
  const turns = await open(t, []);
  define(turns, "gone", { program: "plain", command: "/nowhere/gone" });
  define(turns, "bad", { program: "of tomorrow" });
  const cases = [["nobody", /there is no agent 'nobody'; 'drover agent ls' lists them/],
    ["gone", /'gone' is missing: /], ["bad", /'bad' is broken: .*"program"/]];
  for (const [name, words] of cases) {
    for (const more of [[], ["--worktree"]]) {
      const { code, stdout, stderr } = await run(turns, [name, "hello", "--json", ...more]);
      assert.notEqual(code, 0);
      assert.equal(stdout, "");
      assert.match(stderr.replaceAll("\\\"", "\""), words);
    }
  }
  const asked = await turns.daemon.cli(["ask", "--agent", "Explore", "hello"]);
  assert.match(asked.stderr, /'Explore' is one of models, for 'drover agent run' and agentType/);
  const empty = await run(turns, ["claude"], { input: " \n" });
  assert.match(empty.stderr, /nothing was asked; give the task in quotes/);
  const budget = await run(turns, ["claude", "x", "--budget", "sugar=3"]);
  assert.notEqual(budget.code, 0);
  assert.deepEqual((await turns.get("/sessions")).items, []);
  assert.deepEqual((await turns.get("/runs")).items, []);
});

test("a budget is there before its program, and holds for what follows", async (t) => {
  const turns = await open(t, "claude");
  const none = await run(turns, ["claude", "x", "--budget", "cost=0"]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /budget session:ses_\w+ is used up/);
  assert.deepEqual(prompts(turns), []); // It was not begun.
  const some = await run(turns, ["claude", "x", "--budget", "cost=0.01"]);
  assert.deepEqual([some.code, some.stdout], [0, "turn 1 of claude\n"]);
  const [{ id }] = (await turns.get("/sessions")).items;
  const { spent, limits } = await turns.get(`/budgets/session:${id}`);
  assert.deepEqual([spent.cost_micros, limits.cost_micros], [12500, 10000]);
  const more = await turns.daemon.cli(["ask", "--session", id, "more"]);
  assert.equal(more.code, 1);
  assert.match(more.stderr, /is used up/);
});

test("tokens of a program have the price of its definition, and count in budgets", async (t) => {
  const turns = await open(t, "codex", { price: { input: 1e6, cache_read: 1e5, output: 1e7 } });
  const stored = await turns.daemon.cli(["agent", "add", "second", "--program", "codex",
    "--command", programScript(turns, "second", 'exec "$(dirname "$0")/codex" "$@"'),
    "--price", "input=1000000", "--price", "output=0"]);
  assert.equal(stored.code, 0, stored.stderr);
  const begun = await run(turns, ["second", "hello", "--budget", "cost=1"]);
  assert.equal(begun.code, 0, begun.stderr);
  const [{ id: other }] = (await turns.get("/sessions")).items;
  assert.equal((await turns.get(`/budgets/session:${other}`)).spent.cost_micros, 100);

  const { code } = await run(turns, ["codex", "x", "--budget", "cost=0.0002"]);
  assert.equal(code, 0);
  const [{ id }] = (await turns.get("/sessions")).items;
  const { spent, limits } = await turns.get(`/budgets/session:${id}`);
  assert.deepEqual([spent.cost_micros, limits.cost_micros], [202, 200]);
  const more = await turns.daemon.cli(["ask", "--session", id, "more"]);
  assert.equal(more.code, 1);
  assert.match(more.stderr, /is used up/);
  const bad = await turns.daemon.cli(["agent", "add", "bad", "--program", "codex",
    "--price", "input=1.25"]);
  assert.deepEqual([bad.code, bad.stderr.includes("micro-dollars per million tokens")], [2, true]);
});

test("a process that a budget does not admit has not begun, and its turn says so", async (t) => {
  const turns = await open(t, "claude");
  // All of it is reserved by the turn.
  const { code, stderr } = await run(turns, ["claude", "x", "--budget", "wall=1s"]);
  assert.equal(code, 1);
  assert.match(stderr, /\(budget\): claude could not be started: The budget .* of 1\.000s spent,/);
  assert.deepEqual(prompts(turns), []);
});

// --- spawn_subagent {agent} ----------------------------------------------------------------------

const ALLOW = { permissions: [{ tool: "spawn_subagent", permission: "allow" }], check: false };
const spawn = (input, agent, more = {}) => call("spawn_subagent", { input, agent, ...more });
const parent = (turns, settings = ALLOW) =>
  turns.listen({ model: "scripted/demo", root: turns.root, title: "A parent", settings });
const cards = (message) => toolsOf(message).map((card) => [card.state, JSON.parse(card.text)]);

/** The result of a turn with that call. */
async function spawnOne(turns, listener, ...words) {
  const { run, message } = await turns.turn(listener, script(spawn(...words), say("I wait")));
  const [[state, child]] = cards(message);
  return { run, state, child };
}

/** The text of the notice that wakes the parent. */
async function notice(turns, listener, besides) {
  const { run } = await listener.until("turn_finished", (data) => data.run !== besides);
  const all = await turns.messages(listener.session);
  return textOf(all.find((one) => one.role === "notice" && one.run === run));
}

test("a model gives a task to a program, whose words come back to it", async (t) => {
  const turns = await open(t, ["pi", "codex"]);
  for (const [agent, more, model] of [["pi", {}, "pi/default"],
    ["codex", { model: "gpt-9", label: "sums" }, "codex/gpt-9"]]) {
    const listener = await parent(turns);
    const { run, state, child } = await spawnOne(turns, listener, "count", agent, more);
    assert.equal(state, "succeeded", JSON.stringify(child));
    const told = await notice(turns, listener, run);
    assert.match(told, new RegExp(`turn 1 of ${agent}`));
    assert.ok(told.includes(child.id));
    const session = await turns.get(`/sessions/${child.session}`);
    assert.deepEqual([session.parent, session.agent, session.model, session.root],
      [listener.session, agent, model, turns.root]);
    const fetched = await turns.turn(listener,
      script(call("subagent_result", { id: child.id }), say("read")));
    const [[, result]] = cards(fetched.message);
    assert.deepEqual([result.status, result.output, result.usage.output],
      ["succeeded", `turn 1 of ${agent}`, 12]);
    listener.close();
  }
  assert.deepEqual(prompts(turns), [["count"], ["count"]]);
});

test("a model that a program would take for an option is refused", async (t) => {
  const turns = await open(t, "pi");
  const listener = await parent(turns);
  const { message } = await turns.turn(listener,
    script(spawn("count", "pi", { model: "--x" }), say("I see")));
  const [card] = toolsOf(message);
  assert.deepEqual([card.state, card.cause], ["failed", "bad_arguments"]);
  assert.match(card.text, /'--x' begins with a dash/);
  assert.deepEqual(prompts(turns), []);
  listener.close();
});

test("somebody is asked before a model starts a program, and a rule answers first", async (t) => {
  const turns = await open(t, "pi");
  const asked = async () => (await turns.get("/approvals")).items;
  const listener = await parent(turns, { check: false });
  const sent = await turns.send(listener.session, script(spawn("count", "pi"), say("I wait")));
  await until("it asks", async () => (await asked()).length === 1);
  const [approval] = await asked();
  assert.deepEqual([approval.tool, approval.arguments],
    ["spawn_subagent", { agent: "pi", input: "count" }]);
  assert.deepEqual(prompts(turns), []);
  assert.equal((await turns.approve(approval.id)).status, 200);
  await listener.ended(sent.run);
  assert.match(await notice(turns, listener, sent.run), /turn 1 of pi/);
  listener.close();
  const verdicts = [["pi", "allow", "succeeded"], ["p*", "deny", "denied"]];
  for (const [subject, permission, state] of verdicts) {
    const rules = { permissions: [{ tool: "spawn_subagent", subject, permission }], check: false };
    const other = await parent(turns, rules);
    const { message } = await turns.turn(other, script(spawn("count", "pi"), say("I see")));
    assert.equal(toolsOf(message)[0].state, state);
    other.close();
  }
  // A model needs no permission that its parent has not.
  const model = await parent(turns, { check: false });
  const { message } = await turns.turn(model,
    script(call("spawn_subagent", { input: say("one") }), say("I wait")));
  assert.equal(cards(message)[0][0], "succeeded");
  model.close();
});

test("a program that cannot be a subagent is refused with a sentence", async (t) => {
  const turns = await open(t, "pi");
  define(turns, "gone", { program: "plain", command: "/nowhere/gone" });
  define(turns, "bad", { program: "of tomorrow" });
  const listener = await parent(turns, { check: false }); // And nobody is asked about it.
  const cases = [["nobody", {}, "not_found", /no program 'nobody'.* there are .*pi.*Without/],
    ["gone", {}, "refused", /'gone' is missing: /], ["bad", {}, "refused", /'bad' is broken: /],
    ["pi", { tools: ["read_file"] }, "bad_arguments", /^tools: /]];
  for (const [agent, more, error, words] of cases) {
    const { message } = await turns.turn(listener, script(spawn("x", agent, more), say("I see")));
    const [card] = toolsOf(message);
    assert.deepEqual([card.state, card.cause], ["failed", error], JSON.stringify(card));
    assert.match(card.text, words);
  }
  // One that goes while somebody is asked.
  const sent = await turns.send(listener.session, script(spawn("x", "pi"), say("I see")));
  const asked = async () => (await turns.get("/approvals")).items;
  await until("it asks", async () => (await asked()).length === 1);
  rmSync(path.join(turns.bin, "pi"));
  assert.equal((await turns.approve((await asked())[0].id)).status, 200);
  await listener.ended(sent.run);
  const [[state, late]] = cards(await turns.answer(listener.session, sent.run));
  assert.deepEqual([state, late.error], ["failed", "refused"]);
  assert.match(late.message, /'pi' is missing: /);
  assert.deepEqual((await turns.get(`/sessions?parent=${listener.session}`)).items, []);
  listener.close();
});

test("a program of the project's folder is found, and a stored one", async (t) => {
  const turns = await open(t, []);
  define(turns, "ours", { program: "plain", command: "echo", args: ["ours says"] }, turns.root);
  const stored = { name: "kept", program: "plain", command: "echo", args: ["kept says"] };
  assert.equal((await turns.ask("POST", "/agents", stored)).status, 201);
  for (const agent of ["ours", "kept"]) {
    const listener = await parent(turns);
    const { run } = await spawnOne(turns, listener, "hello", agent);
    assert.match(await notice(turns, listener, run), new RegExp(`${agent} says hello`));
    listener.close();
  }
});

test("a program that is a subagent ends once, also without a daemon", async (t) => {
  const turns = await open(t, "claude");
  const listener = await parent(turns);
  const { run, child } = await spawnOne(turns, listener, "be SLOW", "claude");
  const below = await new Listener(turns, child.session).open();
  await below.until("delta", ({ text }) => text.includes("one"));
  below.close();
  listener.close();
  await turns.daemon.kill();
  letGo(turns);
  await turns.daemon.start();
  const again = await new Listener(turns, listener.session).open();
  await again.ended(run); // From the beginning of its stream.
  assert.match(await notice(turns, again, run), /one twoturn 1 of claude/);
  const all = await turns.messages(listener.session);
  assert.equal(all.filter(({ role }) => role === "notice").length, 1);
  assert.deepEqual(prompts(turns), [["be SLOW"]]);
  again.close();
});

test("a question of such a program is an approval, and a cancel ends it", async (t) => {
  const turns = await open(t, "claude");
  const listener = await parent(turns);
  const { run, child } = await spawnOne(turns, listener, "ASK me", "claude");
  const asked = async () => (await turns.get("/approvals")).items;
  await until("it asks", async () => (await asked()).length === 1);
  const [approval] = await asked();
  assert.deepEqual([approval.tool, approval.session], ["Bash", child.session]);
  assert.equal((await turns.approve(approval.id)).status, 200);
  assert.match(await notice(turns, listener, run), /turn 1 of claude/);
  listener.close();
  const other = await parent(turns);
  const second = await spawnOne(turns, other, "be SLOW", "claude");
  await until("it runs", async () => (await jobs(turns))[0]?.state === "running");
  await turns.turn(other, script(call("subagent_cancel", { id: second.child.id }), say("enough")));
  await until("its process has ended", async () => (await jobs(turns)).length === 0);
  const { state, cause } = await turns.get(`/runs/${second.child.id}`);
  assert.deepEqual([state, cause], ["cancelled", "called_off"]);
  other.close();
});

test("the budget of such a program is its session's, below that of its parent", async (t) => {
  const turns = await open(t, "claude");
  const listener = await parent(turns);
  const { run, child } = await spawnOne(turns, listener, "x", "claude", { budget: 0 });
  assert.match(await notice(turns, listener, run), /budget/);
  assert.equal((await turns.get(`/runs/${child.id}`)).cause, "budget");
  const paid = await spawnOne(turns, listener, "x", "claude", { budget: 20000 });
  await notice(turns, listener, paid.run);
  const { spent } = await turns.get(`/budgets/session:${paid.child.session}`);
  assert.equal(spent.cost_micros, 12500);
  listener.close();
});
