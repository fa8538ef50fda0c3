// workflow-cli.test.mjs: workflows from a shell: run, attach, show, stop.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { begin, jsonLines, onTerminal } from "./jobs-cli.mjs";
import { Turns } from "./turns.mjs";

const meta = (name, more = "") =>
  `export const meta = {name: "${name}", description: "x"${more}};\n`;

/** Two phases; the second agent works until somebody ends it, or for as long as it was told. */
const phased = (ms) => `${meta("look", `, phases: [{title: "Find"}, {title: "Tell"}]`)}
phase("Find");
const found = await agent("say: found", {label: "finder"});
log("one was found");
phase("Tell");
return [found, await agent("delay: ${ms}ms\\nsay: told", {label: "teller"})];
`;
const LATE_MS = 29_000; // A stream at rest is silent for 30 s.
const LAST = ["event", "run", "state", "result", "error", "agents"];

class Scene {
  static async open(t, options) {
    const scene = new Scene();
    scene.t = t;
    scene.turns = await Turns.open(t, options);
    scene.daemon = scene.turns.daemon;
    scene.root = scene.turns.root;
    return scene;
  }

  write(name, text) {
    const file = path.join(this.root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** `drover run` in the root, to its end. */
  async run(text, ...words) {
    return this.begin(text, ...words).ended;
  }

  begin(text, ...words) {
    const file = this.write("flow.js", text);
    const patience = ["--retry-for", "60s"]; // A daemon that crashed must not hold the tests up.
    return begin(this.t, this.daemon, ["run", file, ...patience, ...words], { cwd: this.root });
  }

  /** Starts it and leaves; its id. */
  async detach(text) {
    const { stdout, stderr } = await this.run(text, "--detach", "--json");
    assert.match(stdout, /^\{"id": "run_\w+"\}\n$/, stderr);
    return JSON.parse(stdout).id;
  }

  async until(run, type, fits = () => true) {
    for (let after = 0; ; ) {
      const target = `/api/v1/streams/run:${run}/events?wait=20&after=${after}`;
      const { json } = await this.daemon.request("GET", target);
      const event = json.events.find((one) => one.type === type && fits(one.data));
      if (event) return event.data;
      after = json.events.at(-1)?.seq ?? after;
    }
  }

  /** The run of the agent with that label, when it works. */
  async atWork(run, label) {
    return (await this.until(run, "agent_started", (data) => data.label === label)).run;
  }
}

const lines = (text) => text.split("\n").filter((line) => line !== "");
const last = (stdout) => JSON.parse(lines(stdout).at(-1));

test("run prints the result alone on stdout, and a line for each event on stderr", async (t) => {
  const scene = await Scene.open(t);
  const { code, stdout, stderr } = await scene.run(phased(1));
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), ["found", "told"]);
  const told = lines(stderr).map((line) => line.replace(/run_\w+/, "RUN").replace(/\] .*/, "]"));
  assert.deepEqual(told.slice(0, -1), [
    "workflow started: look (RUN), no budget",
    "phase: Find",
    "agent started: finder [Find]",
    "agent succeeded: finder [Find]",
    "log: one was found",
    "phase: Tell",
    "agent started: teller [Tell]",
    "agent succeeded: teller [Tell]",
  ]);
  assert.match(told.at(-1), /^workflow succeeded: 2 agents: 2 succeeded, /);
});

test("a text is printed as it is, and nothing as nothing", async (t) => {
  const scene = await Scene.open(t);
  const text = await scene.run(`${meta("text")}return "a\\u001b[2Jb\\nc";`);
  assert.deepEqual([text.code, text.stdout], [0, "a[2Jb\nc\n"]);
  const none = await scene.run(meta("none"));
  assert.deepEqual([none.code, none.stdout], [0, ""]);
});

test("run --json gives each event, and ends with the line that scripts rely on", async (t) => {
  const scene = await Scene.open(t);
  const { code, stdout, stderr } = await scene.run(phased(1), "--json");
  assert.deepEqual([code, stderr], [0, ""]);
  const events = lines(stdout).map((line) => JSON.parse(line));
  assert.equal(events[0].event, "workflow_started");
  assert.deepEqual(events.slice(0, -1).map(({ seq }) => seq), [...events.keys()].slice(1));
  assert.equal(events.find(({ event }) => event === "log").text, "one was found");
  const end = events.at(-1);
  assert.deepEqual(Object.keys(end), LAST);
  assert.deepEqual([end.event, end.state, end.error], ["workflow_finished", "succeeded", null]);
  assert.deepEqual(end.result, ["found", "told"]);
  assert.deepEqual(end.agents, { succeeded: 2, cached: 0, failed: 0, skipped: 0 });
});

test("args are JSON where they are JSON", async (t) => {
  const scene = await Scene.open(t);
  const text = `${meta("args")}return args;`;
  const words = ["--args", '{"a": 1, "b": 2}', "--arg", "a=x y", "--arg", "c=[true]"];
  const { stdout } = await scene.run(text, ...words);
  assert.deepEqual(JSON.parse(stdout), { a: "x y", b: 2, c: [true] });
});

test("a text is the one required argument, and else the flags are named", async (t) => {
  const scene = await Scene.open(t);
  const one = ', args: {type: "object", required: ["q"], properties: {q: {}, n: {}}}';
  const text = `${meta("echo", one)}return args;`;
  const end = last((await scene.run(text, "how", "now?", "--arg", "n=1", "--json")).stdout);
  assert.deepEqual(end.result, { q: "how now?", n: 1 });
  const after = last((await scene.run(text, "--json", "--", "-x y")).stdout);
  assert.deepEqual(after.result, { q: "-x y" });
  const whole = last((await scene.run(`${meta("echo")}return args;`, "a text", "--json")).stdout);
  assert.equal(whole.result, "a text");
  const { stderr, code } = await scene.daemon.cli(["run", "find-issues", "src"]);
  assert.equal(code, 2);
  assert.match(stderr, /one required argument; this one takes: --arg target=VALUE, --arg maxR/);
});

/** Each built-in workflow, and its one required argument. */
const builtIn = [["deep-research", "How?"], ["review-code", "src"], ["multi-review", "src"],
  ["find-issues"], ["plan-verify", "Move"], ["bounty-hunt", "src"]];

test("without a provider, built-in workflows answer in sentences and say by whom", async (t) => {
  const scene = await Scene.open(t);
  for (const words of builtIn) {
    const { stdout, code, stderr } = await scene.daemon.cli(
      ["run", ...words, "--model", "scripted/demo"], { cwd: scene.root });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /scripted/i, words[0]);
    assert.doesNotMatch(stdout, /"text"|You said|: ""/, words[0]);
  }
  const args = ["run", ...builtIn[0], "--model", "scripted/demo"];
  const { answer, findings } = JSON.parse((await scene.daemon.cli(args)).stdout);
  assert.match(answer, /^Written by drover's scripted model, which asks no provider.*\n\n.*How\?/);
  assert.ok(findings.length > 0);
});

test("a run that is not a success ends with a code other than 0, and says why", async (t) => {
  const scene = await Scene.open(t);
  const fails = [
    [`${meta("a")}await agent("fail: auth", {label: "weak"});\nreturn 1;`, "degraded", 1, /weak/],
    [`${meta("a")}\n  throw new TypeError("no");`, "failed", 1, /script_error at 3:\d+: TypeError/],
    [`${meta("a")}return 1n;`, "failed", 1, /result_not_json/],
  ];
  for (const [text, state, expected, why] of fails) {
    const { code, stdout, stderr } = await scene.run(text);
    assert.equal(code, expected, stderr);
    assert.equal(stdout, state === "degraded" ? "1\n" : "");
    assert.match(stderr, why);
    assert.equal(last((await scene.run(text, "--json")).stdout).state, state);
  }
  const late = await scene.run(phased(60_000), "--timeout", "300ms", "--json");
  assert.deepEqual([late.code, last(late.stdout).state], [124, "timed_out"]);
});

test("a script that is none is refused with its place, and nothing runs", async (t) => {
  const scene = await Scene.open(t);
  const text = `${meta("a")}\nreturn (;`;
  const { code, stdout, stderr } = await scene.run(text);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /flow\.js:3:\d+: /);
  const end = last((await scene.run(text, "--json")).stdout);
  assert.deepEqual(Object.keys(end), LAST);
  assert.deepEqual([end.run, end.state, end.error.code], [null, "failed", "syntax_error"]);
  assert.equal(end.error.line, 3);
  assert.deepEqual(await jsonLines(scene.daemon, "ps", "--all"), []);
});

test("what cannot be run is refused before anything is", async (t) => {
  const scene = await Scene.open(t);
  const refused = [
    [["run"], 2, /name a workflow/],
    [["run", "./absent.js"], 3, /absent\.js cannot be read/],
    [["run", "no-such-workflow"], 3, /no-such-workflow/],
    [["run", "x", "--arg", "a"], 2, /NAME=VALUE/],
    [["run", "--resume", `run_${"0".repeat(26)}`], 3, /./],
  ];
  for (const [words, code, why] of refused) {
    const result = await scene.daemon.cli(words);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, why);
  }
});

test("a name is looked for from the project's folder", async (t) => {
  const scene = await Scene.open(t);
  scene.write(".drover/workflows/here.js", `${meta("here")}return "it is here";`);
  const cwd = path.join(scene.root, "deep", "er");
  mkdirSync(cwd, { recursive: true });
  const found = await begin(t, scene.daemon, ["run", "here"], { cwd }).ended;
  assert.deepEqual([found.code, found.stdout], [0, "it is here\n"], found.stderr);
  const words = ["run", "here", "--root", scene.root];
  assert.equal((await begin(t, scene.daemon, words, { cwd: "/" }).ended).code, 0);
  assert.equal((await begin(t, scene.daemon, ["run", "here"], { cwd: "/" }).ended).code, 3);
});

test("who detached comes back to all of it", async (t) => {
  const scene = await Scene.open(t);
  const run = await scene.detach(phased(1500));
  await scene.atWork(run, "teller");
  const attached = await scene.daemon.cli(["attach", run, "--json"]);
  assert.equal(attached.code, 0, attached.stderr);
  const events = lines(attached.stdout).map((line) => JSON.parse(line));
  assert.deepEqual([events[0].event, events[0].seq], ["workflow_started", 1]);
  assert.deepEqual(last(attached.stdout).result, ["found", "told"]);
  const again = await scene.daemon.cli(["attach", run]);
  assert.deepEqual(JSON.parse(again.stdout), ["found", "told"]);
});

test("Ctrl-C leaves, says how to come back, and the run goes on", async (t) => {
  const scene = await Scene.open(t);
  const running = scene.begin(phased(60_000));
  await running.seen("agent started: teller");
  running.child.kill("SIGINT");
  const { code, stderr } = await running.ended;
  assert.equal(code, 130, stderr);
  const run = /drover attach (run_\w+)/.exec(stderr)[1];
  const [row] = await jsonLines(scene.daemon, "show", run);
  assert.equal(row.state, "running");
  assert.equal((await scene.daemon.cli(["stop", run])).code, 0);
  const { code: end, stderr: why } = await scene.daemon.cli(["attach", run]);
  assert.equal(end, 125, why);
  assert.match(why, /cancelled: stopped/);
});

test("a daemon that is killed in the middle only delays a run that is looked at", async (t) => {
  const scene = await Scene.open(t);
  for (const more of [[], ["--json"]]) {
    const running = scene.begin(phased(1500), ...more);
    await running.seen("teller");
    await scene.daemon.kill();
    await running.seen("trying again");
    await scene.daemon.start();
    const { code, stdout, stderr } = await running.ended;
    assert.equal(code, 0, stderr);
    if (more.length === 0) {
      assert.deepEqual(JSON.parse(stdout), ["found", "told"]);
      assert.equal(stderr.split("agent succeeded: finder").length, 2, stderr);
      assert.equal(stderr.split("log: one was found").length, 2, stderr);
    } else {
      const seqs = lines(stdout).slice(0, -1).map((line) => JSON.parse(line).seq);
      assert.deepEqual(seqs, seqs.map((_, i) => i + 1));
      assert.deepEqual(last(stdout).result, ["found", "told"]);
    }
  }
});

test("one agent is stopped, and the script goes on without its answer", async (t) => {
  const scene = await Scene.open(t);
  const running = scene.begin(phased(60_000), "--json");
  await running.seen("agent_started");
  const [{ id: run }] = await jsonLines(scene.daemon, "ps", "--kind", "workflow");
  const agent = await scene.atWork(run, "teller");
  const stopped = await scene.daemon.cli(["stop", agent]);
  assert.equal(stopped.code, 0, stopped.stderr);
  const end = last((await running.ended).stdout);
  assert.deepEqual(end.result, ["found", null]);
  assert.deepEqual(end.agents, { succeeded: 1, cached: 0, failed: 0, skipped: 1 });
});

test("what is resumed takes the results of before, but of who is to run again", async (t) => {
  const scene = await Scene.open(t);
  const text = phased(1);
  const first = last((await scene.run(text, "--json")).stdout).run;
  const second = last((await scene.run(text, "--json", "--resume", first)).stdout);
  assert.deepEqual(second.agents, { succeeded: 0, cached: 2, failed: 0, skipped: 0 });
  const rows = (await scene.daemon.request("GET", `/api/v1/runs/${first}/agents`)).json.items;
  const { id } = rows.find(({ label }) => label === "teller");
  const words = ["--json", "--resume", first, "--rerun", id.slice(4, 20)];
  const third = last((await scene.run(text, ...words)).stdout);
  assert.deepEqual(third.agents, { succeeded: 1, cached: 1, failed: 0, skipped: 0 });
  const plain = await scene.daemon.cli(["run", "--resume", first]);
  assert.equal(plain.code, 0, plain.stderr);
  assert.match(plain.stderr, /agent cached: finder \[Find\] from run_\w+\n/);
});

test("a model of another host is told to be none, in a run once", async (t) => {
  const scene = await Scene.open(t);
  const text = `${meta("other")}
const ask = (words, model) => agent(\`say: \${words}\`, { model });
await agent("say: x", { model: "opus" });
for (const model of ["opus", "inherit", "haiku", "opus"]) await ask(model, model);
return 1;`;
  const plain = await scene.run(text);
  assert.equal(plain.code, 0, plain.stderr);
  const notes = plain.stderr.split("\n").filter((line) => line.startsWith("note: "));
  assert.deepEqual(notes, ["opus", "haiku"].map((name) => "note: an agent asks for the model " +
    `"${name}", which is no CONNECTION/MODEL: scripted/demo is asked instead ` +
    "('drover config set model_aliases' names one)"));
  const lines = (await scene.run(text, "--json")).stdout.trim().split("\n").map(JSON.parse);
  const begun = lines.filter(({ event }) => event === "agent_started");
  assert.deepEqual(begun.map((one) => one.model_asked),
    ["opus", "opus", undefined, "haiku", "opus"]);
  const file = scene.write("other.js", text);
  for (const word of ["check", "plan"]) {
    const { stdout, stderr } = await scene.daemon.cli(["workflow", word, file]);
    assert.match(stdout + stderr, /"opus" is no CONNECTION\/MODEL/);
  }
});

test("show lists a workflow's agents with their ids, and what one was asked", async (t) => {
  const scene = await Scene.open(t);
  const end = last((await scene.run(phased(1), "--json")).stdout);
  const { stdout } = await scene.daemon.cli(["show", end.run]);
  assert.match(stdout, /^kind +workflow\nstate +succeeded/m);
  assert.match(stdout, /^ {2}✓ Find {2}1\/1/m);
  const [, agent] = /^ {4}✓ teller {2}(run_\w+)/m.exec(stdout);
  assert.match(stdout, /\nresult:\n\[\n {2}"found",\n/);
  const one = await scene.daemon.cli(["show", agent]);
  assert.match(one.stdout, /^kind +agent\n/m);
  assert.match(one.stdout, /\nprompt:\ndelay: 1ms\nsay: told\n\nresult:\ntold\n/);
  const [row] = await jsonLines(scene.daemon, "show", end.run);
  assert.deepEqual(row.agents.map(({ label }) => label), ["finder", "teller"]);
  const { stderr, code } = await scene.daemon.cli(["attach", agent]);
  assert.equal(code, 5);
  assert.match(stderr, new RegExp(`drover attach ${end.run.slice(0, 16)}'`));
});

/** What stands on the terminal in the end: pictures are drawn over each other. */
function screenOf(stdout) {
  const rows = [""];
  let row = 0;
  const words = stdout.replaceAll("\r", "").matchAll(/\x1b\[(\d*)([a-zA-Z])|[^\x1b]/g);
  for (const [word, number, letter] of words) {
    if (letter === "A") row -= Number(number);
    if (letter === "J") rows.length = row + 1;
    if (word === "\n") row++;
    if (word === "\n" || letter === "A" || letter === "J") rows[row] = "";
    else if (letter === undefined) rows[row] += word;
  }
  return rows.map((text) => text.trimEnd());
}

test("on a terminal a picture is drawn in place, and what is logged stays above", async (t) => {
  const scene = await Scene.open(t);
  const file = scene.write("flow.js", phased(1200));
  const { code, stdout } = await onTerminal(t, scene.daemon, `run ${file}`, { rows: 12 }).ended;
  assert.equal(code, 0, stdout);
  const rows = screenOf(stdout);
  assert.equal(rows[0], "log: one was found");
  assert.match(rows[1], /^✓ look {2}succeeded, 2 agents: 2 succeeded/);
  assert.match(rows[2], /^ {2}✓ Find {2}1\/1/);
  assert.match(rows[3], /^ {4}✓ finder/);
  assert.match(rows[4], /^ {2}✓ Tell {2}1\/1/);
  assert.match(rows[5], /^ {4}✓ teller/);
  assert.deepEqual(rows.slice(6, 8), ["- found", "- told"]);
  assert.match(stdout, /● teller|●\x1b\[0m teller/);
  const env = { NO_COLOR: "1" };
  const plain = await onTerminal(t, scene.daemon, `run ${file}`, { rows: 12, env }).ended;
  assert.doesNotMatch(plain.stdout, /\x1b\[\d*m/);
});

test("with --json, too, it is told who waits for an answer, and when there was one", async (t) => {
  const scene = await Scene.open(t);
  const calls = `call: run_command {"command": "true"}\\nsay: written`;
  const text = `${meta("ask")}return agent(\`${calls}\`, {label: "writer"});`;
  const running = scene.begin(text, "--json");
  const late = pause(LATE_MS, "late", { ref: false });
  const heard = await Promise.race([running.seen("approval_requested"), late]);
  assert.notEqual(heard, "late", "no event need come behind it");
  const [row] = await jsonLines(scene.daemon, "approve");
  assert.equal((await scene.daemon.cli(["approve", row.id])).code, 0);
  const { code, stdout, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const [asked, answered] = lines.filter(({ event }) => event.startsWith("approval_"));
  const { agent, run } = asked;
  const same = { run, agent, label: "writer", kind: "leave", tool: "run_command",
    approval: row.id };
  assert.deepEqual(asked, { event: "approval_requested", ...same, arguments: { command: "true" },
    shown: "true", answer: `drover approve ${row.id}` });
  assert.deepEqual(answered, { event: "approval_answered", ...same, state: "allowed" });
  assert.equal(lines.find(({ event }) => event === "agent_started").run, agent);
  assert.equal(lines.at(-1).event, "workflow_finished");
  assert.equal(lines.at(-1).run, run);
});

test("who must answer something is told so, and how", async (t) => {
  const scene = await Scene.open(t);
  const calls = `call: run_command {"command": "true"}\\nsay: written`;
  const opts = '{label: "writer", tools: ["run_command"]}';
  const text = `${meta("ask")}return agent(\`${calls}\`, ${opts});`;
  const running = scene.begin(text);
  await running.seen("drover approve apr_");
  const [row] = await jsonLines(scene.daemon, "approve");
  assert.equal(row.tool, "run_command");
  const rows = await jsonLines(scene.daemon, "ps");
  const { id } = rows.find(({ kind }) => kind === "workflow");
  const shown = (await scene.daemon.cli(["show", id])).stdout;
  const approve = `drover approve ${row.id.slice(0, 16)}`;
  assert.match(shown, new RegExp(`writer asks: run_command: true\n  ${approve}\n`));
  const picture = onTerminal(t, scene.daemon, `attach ${id} --new`);
  await picture.seen(approve); // What was asked before it came, too.
  assert.equal((await scene.daemon.cli(["approve", row.id])).code, 0);
  assert.equal((await picture.ended).code, 0);
  const { code, stdout, stderr } = await running.ended;
  assert.deepEqual([code, stdout], [0, "written\n"], stderr);
  const told = `^agent asks: writer \\(run_command: true\\): ${approve}$`;
  assert.match(stderr, new RegExp(told, "m"));
  const yes = await scene.run(text, "--yes");
  assert.deepEqual([yes.code, yes.stdout], [0, "written\n"], yes.stderr);
});

test("questions are answered in place, and go away when others answer them", async (t) => {
  const scene = await Scene.open(t);
  const ask = (command) => `agent(\`call: run_command {"command": "${command}"}\\nsay: done\`,
    {label: "${command}"})`;
  const names = ["touch one", "touch two", "touch three"];
  const file = scene.write("flow.js", `${meta("ask")}return parallel([
    ${names.map((name) => `() => ${ask(name)}`).join(",\n")}], {});`);
  const running = onTerminal(t, scene.daemon, `run ${file} --root ${scene.root}`,
    { columns: 80, typed: true });
  const asked = (name, count) => running.when((all) => all.split("\x1b[J").at(-2)
    ?.includes(`? ${name} asks${count}: run_command: '${name}'`));
  await asked(names[0], " (1 of 3)");
  running.child.stdin.write("maybe\n");
  await running.seen("answer y, n, or n and a reason");
  running.child.stdin.write("n not \u65e5now");
  await running.seen("> n not \u65e5now");
  running.child.stdin.write("\n");
  await asked(names[1], " (1 of 2)");
  running.child.stdin.write("y\n");
  await asked(names[2], "");
  const [row] = await jsonLines(scene.daemon, "approve");
  assert.equal(row.arguments.command, names[2]);
  assert.equal((await scene.daemon.cli(["approve", row.id])).code, 0);
  const { code, stdout } = await running.ended;
  assert.equal(code, 0, stdout);
  const final = screenOf(stdout);
  assert.ok(!final.some((line) => line.includes("asks")), final.join("\n"));
  const { json } = await scene.daemon.request("GET", "/api/v1/approvals?all=1");
  const state = (name) => json.items.find((one) => one.arguments.command === name);
  assert.equal(state(names[0]).state, "denied");
  assert.match(JSON.stringify(state(names[0]).answer), /not \u65e5now/);
  assert.equal(state(names[1]).state, "allowed");
});
