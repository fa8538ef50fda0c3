// agents-task.test.mjs: `drover agent run` beyond a program in a session of its own: working trees,
// agents of models, and the session that a task goes to.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readdirSync, realpathSync,
  writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { define, letGo, open, prompts } from "./agents.mjs";
import { Counting } from "./counting.mjs";
import { bin } from "./lib.mjs";
import { until } from "./providers.mjs";
import { Workflows } from "./workflows.mjs";

const FIELDS = ["event", "run", "state", "cause", "text", "usage"];
const rows = (text) => text.trim().split("\n").map((line) => JSON.parse(line));
const run = (turns, words, more) =>
  turns.daemon.cli(["agent", "run", ...words, "--root", turns.root], more);
const runs = async (turns, more) => (await turns.get(`/runs?${more}`)).items;

function git(turns, ...words) {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
  return execFileSync("git", ["-C", turns.root, ...words], { encoding: "utf8", env });
}

/** A daemon with the stand-ins, whose folder is a repository with one commit. The stand-ins keep
 *  their sessions beside it, since a working tree is removed. */
async function repository(t, agents) {
  const turns = await open(t, agents, { env: { STANDIN_SESSIONS: "" } });
  turns.root = realpathSync(turns.root);
  turns.trees = path.join(turns.root, ".drover", "worktrees");
  const env = { STANDIN_SESSIONS: path.join(turns.folder, "sessions") };
  for (const agent of [agents].flat()) {
    define(turns, agent, { program: agent, command: path.join(turns.bin, agent), env });
  }
  git(turns, "init", "-q", "-b", "main");
  git(turns, "-c", "user.name=me", "-c", "user.email=me@localhost",
    "commit", "-q", "--allow-empty", "-m", "first");
  return turns;
}

const treesOf = ({ trees }) =>
  existsSync(trees) ? readdirSync(trees).filter((name) => !name.startsWith(".")) : [];

/** A type of agent of the user. */
function type(turns, name, front) {
  const folder = path.join(turns.home, ".claude", "agents");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.md`),
    `---\n${["description: Looks.", ...front].join("\n")}\n---\nYou look.\n`);
}

/** The same with a provider of models, which answers all that it is asked. */
async function models(t, turns) {
  turns.provider = await new Counting((prompt) => ({ text: `heard ${prompt}` })).start(t);
  const flows = Object.assign(new Workflows(), { daemon: turns.daemon, root: turns.root });
  turns.model = await flows.connect(turns.provider);
}

// --- Working trees -------------------------------------------------------------------------------

test("what an agent changes in a tree of its own is kept there, and told", async (t) => {
  const turns = await repository(t, "claude");
  const { code, stdout, stderr } = await run(turns, ["claude", "WRITE it", "--worktree"]);
  const [tree] = treesOf(turns);
  const kept = path.join(turns.trees, tree);
  assert.deepEqual([code, stdout, stderr],
    [0, "turn 1 of claude\n", `drover: what it changed is in ${kept}\n`]);
  assert.equal(readFileSync(path.join(kept, "made"), "utf8"), "by claude\n");
  assert.deepEqual(git(turns, "status", "--porcelain"), ""); // The project is as it was.
  const json = await run(turns, ["claude", "WRITE it, too", "--worktree", "--json"]);
  const lines = rows(json.stdout), last = lines.at(-1);
  assert.deepEqual(Object.keys(last), [...FIELDS, "worktree"]);
  assert.deepEqual([json.code, last.event, last.state, last.cause, last.text],
    [0, "agent_finished", "succeeded", "completed", "turn 1 of claude"]);
  assert.deepEqual([last.usage.fresh, last.usage.output, last.usage.cost_micros],
    [100, 12, 12500]);
  assert.ok(existsSync(path.join(last.worktree, "made")));
  assert.deepEqual(lines.filter(({ event }) => event === "agent_finished"), [last]);
  assert.ok(lines.slice(0, -1).some(({ event, seq }) => event === "agent_started" && seq > 0));
  const shown = await turns.daemon.cli(["show", last.run]);
  assert.match(shown.stdout, /kept: /);
});

test("a tree without a change is removed", async (t) => {
  const turns = await repository(t, "claude");
  const { code, stdout, stderr } = await run(turns, ["claude", "look", "--worktree"]);
  assert.deepEqual([code, stdout, stderr], [0, "turn 1 of claude\n", ""]);
  assert.deepEqual(treesOf(turns), []);
  const last = rows((await run(turns, ["claude", "look", "--worktree", "--json"])).stdout).at(-1);
  assert.deepEqual(Object.keys(last), FIELDS);
});

test("an agent that failed in its tree has not succeeded, and says why", async (t) => {
  const turns = await repository(t, "codex");
  const { code, stdout, stderr } = await run(turns, ["codex", "FAIL401", "--worktree"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^drover: the agent failed \(auth_failed\): /);
  const json = await run(turns, ["codex", "FAIL401", "--worktree", "--json"]);
  const last = rows(json.stdout).at(-1);
  assert.deepEqual([json.code, last.state, last.cause, last.text],
    [1, "failed", "auth_failed", ""]);
  assert.equal((await turns.get(`/runs/${last.run}`)).state, "failed");
});

test("where no working tree can be, a sentence says so, and nothing begins", async (t) => {
  const turns = await open(t, "pi");
  const cases = [[/is not in a git repository, which a working tree needs/, () => {}],
    [/its git repository has no commit, which a working tree needs/,
      () => git(turns, "init", "-q", "-b", "main")]];
  for (const [words, prepare] of cases) {
    prepare();
    const { code, stdout, stderr } = await run(turns, ["pi", "look", "--worktree"]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^drover: the agent failed \(no_worktree\): /);
    assert.match(stderr, words);
  }
  git(turns, "-c", "user.name=me", "-c", "user.email=me@localhost",
    "commit", "-q", "--allow-empty", "-m", "first");
  await turns.daemon.kill();
  turns.daemon.env.PATH = turns.bin; // Without git.
  await turns.daemon.start();
  const { stderr } = await run(turns, ["pi", "look", "--worktree"]);
  assert.match(stderr, /no_worktree\): git: it cannot be started; is it installed\?/);
  assert.deepEqual(prompts(turns), []);
});

test("a repository above a ceiling of git is nobody's project", async (t) => {
  const turns = await open(t, "pi");
  const above = path.dirname(realpathSync(turns.root));
  mkdirSync(path.join(above, ".git"));
  define(turns, "far", { program: "pi", command: path.join(turns.bin, "pi") }, above);
  mkdirSync(path.join(above, ".drover/workflows"), { recursive: true });
  writeFileSync(path.join(above, ".drover/workflows/distant.js"),
    'export const meta = { name: "distant", description: "x" };\n');
  const seen = async () => {
    const from = { cwd: turns.root };
    const list = await turns.daemon.cli(["workflow", "ls", "--json"], from);
    const { stderr } = await run(turns, ["pi", "look", "--worktree"]);
    return [(await run(turns, ["far", "look"])).code, list.stdout.includes("distant"),
      stderr.includes("is not in a git repository")];
  };
  assert.deepEqual((await seen()).slice(1), [true, false]);
  await turns.daemon.kill();
  turns.daemon.env.GIT_CEILING_DIRECTORIES = above;
  await turns.daemon.start();
  assert.deepEqual(await seen(), [3, false, true]);
});

test("a budget holds for an agent in a tree of its own", async (t) => {
  const turns = await repository(t, "claude");
  const { code, stderr } = await run(turns,
    ["claude", "x", "--worktree", "--budget", "cost=0"]);
  assert.equal(code, 1);
  assert.match(stderr, /the agent failed \(budget\)/);
});

test("a model that is named is the one that a program in a tree is started with", async (t) => {
  const turns = await repository(t, "codex");
  const { stdout } = await run(turns, ["codex", "x", "--worktree", "--model", "gpt-9", "--json"]);
  assert.equal(rows(stdout).find(({ event }) => event === "agent_started").model, "codex/gpt-9");
});

test("a run in a tree that is detached is known to ps, show, attach and stop", async (t) => {
  const turns = await repository(t, "claude");
  const { code, stdout } = await run(turns,
    ["claude", "be SLOW", "--worktree", "--detach", "--json"]);
  const [begun, ...more] = rows(stdout);
  assert.deepEqual([code, Object.keys(begun), more], [0, ["run"], []]);
  const cli = async (...words) => (await turns.daemon.cli(words)).stdout;
  await until("it runs", async () => treesOf(turns).length === 1);
  assert.ok(rows(await cli("ps", "--json")).some(({ id }) => id === begun.run));
  await until("it speaks", async () => (await runs(turns, "live=1&kind=job"))
    .some(({ state, label }) => state === "running" && !label.startsWith("git")));
  writeFileSync(path.join(turns.trees, treesOf(turns)[0], "go"), "");
  assert.match(await cli("attach", begun.run), /one twoturn 1 of claude\n$/);
  const second = (await run(turns, ["claude", "be SLOW", "--worktree", "--detach"])).stdout.trim();
  assert.equal((await turns.daemon.cli(["stop", second])).code, 0);
  await until("all has ended", async () => (await runs(turns, "live=1")).length === 0);
  assert.equal((await turns.get(`/runs/${second}`)).state, "cancelled");
});

test("Ctrl-C leaves a run in a tree running", async (t) => {
  const turns = await repository(t, "claude");
  const env = { ...turns.daemon.env, DROVER_DATA: turns.daemon.data };
  const words = ["agent", "run", "claude", "be SLOW", "--worktree", "--json", "--root", turns.root];
  const child = spawn(bin, words, { env, stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  child.stderr.on("data", (piece) => (told += piece));
  for await (const line of createInterface({ input: child.stdout })) {
    if (JSON.parse(line).event !== "agent_started") continue;
    child.kill("SIGINT");
    break;
  }
  const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
  assert.equal(code, 130);
  const [, id] = /detached[^]*drover attach (run_\w+)/.exec(told);
  assert.equal((await turns.daemon.cli(["stop", id])).code, 0);
});

test("a kill of the daemon in mid-run loses and doubles nothing of a tree", async (t) => {
  const turns = await repository(t, "claude");
  const followed = run(turns, ["claude", "SLOW and WRITE", "--worktree", "--json"]);
  await until("it speaks", async () => (await runs(turns, "live=1&kind=job"))
    .some(({ state, label }) => state === "running" && !label.startsWith("git")));
  await turns.daemon.kill();
  await turns.daemon.start();
  writeFileSync(path.join(turns.trees, treesOf(turns)[0], "go"), "");
  const { code, stdout } = await followed;
  const last = rows(stdout).at(-1);
  assert.deepEqual([code, last.event, last.state, last.text],
    [0, "agent_finished", "succeeded", "one twoturn 1 of claude"]);
  assert.deepEqual(treesOf(turns), [path.basename(last.worktree)]);
  const sessions = readdirSync(path.join(turns.folder, "sessions"));
  assert.equal(sessions.length, 1); // It was begun once.
});

test("an agent whose definition asks for a tree gets one, in workflows, too", async (t) => {
  const turns = await repository(t, "claude");
  const env = { STANDIN_SESSIONS: path.join(turns.folder, "sessions") };
  define(turns, "claude",
    { program: "claude", command: path.join(turns.bin, "claude"), env, isolation: "worktree" });
  for (const more of [[], ["--worktree"]]) {
    const { stdout } = await run(turns, ["claude", "WRITE", "--json", ...more]);
    assert.ok(existsSync(path.join(rows(stdout).at(-1).worktree, "made")));
  }
  const flow = 'export const meta = { name: "w", description: "d" };\n' +
    'return await agent("WRITE", { agentType: "claude" });';
  const begun = await turns.ask("POST", "/workflows", { script: flow, root: turns.root });
  await until("it ends", async () => (await turns.get(`/runs/${begun.json.runId}`)).ended_ms);
  assert.equal(treesOf(turns).length, 3);
  const stored = await turns.daemon.cli(["agent", "add", "apart", "--program", "plain",
    "--command", "pwd", "--isolation", "worktree"]);
  assert.equal(stored.code, 0, stored.stderr);
  assert.match((await run(turns, ["apart", "x"])).stdout, /\.drover\/worktrees\/run_/);
});

// --- Agents of models ----------------------------------------------------------------------------

test("an agent of models is given a task, and its words are printed", async (t) => {
  const turns = await repository(t, []);
  await models(t, turns);
  type(turns, "looker", [`model: ${turns.model}`, "tools: Read"]);
  const { code, stdout, stderr } = await run(turns, ["looker", "look"]);
  assert.deepEqual([code, stdout, stderr], [0, "heard look\n", ""]);
  const plain = await run(turns, ["Explore", "look", "--model", turns.model, "--json"]);
  const last = rows(plain.stdout).at(-1);
  assert.deepEqual([last.event, last.state, last.text],
    ["agent_finished", "succeeded", "heard look"]);
  type(turns, "apart", [`model: ${turns.model}`, "isolation: worktree"]);
  const asked = (await run(turns, ["apart", "look", "--json"])).stdout;
  const steps = await turns.get(`/runs/${rows(asked).at(-1).run}/agents`);
  assert.equal(steps.items.length, 1);
  const git = (await runs(turns, "kind=job")).filter(({ label }) => label.startsWith("git"));
  assert.equal(git.length, 4); // Its branch and its tree were made, and removed.
  type(turns, "odd", ["isolation: cloud"]);
  const odd = await run(turns, ["odd", "look"]);
  assert.match(odd.stderr, /'odd' is broken: "isolation" must be worktree or none, or absent/);
});

// --- The session of a task -----------------------------------------------------------------------

test("tasks of the main session share one, also two that begin at once", async (t) => {
  const turns = await open(t, ["pi", "codex"]);
  const main = (...words) => run(turns, [...words, "--session", "main"]);
  const both = await Promise.all([main("pi", "one"), main("pi", "two")]);
  assert.deepEqual(both.map(({ code }) => code), [0, 0]);
  assert.deepEqual(both.map(({ stdout }) => stdout).sort(), ["turn 1 of pi\n", "turn 2 of pi\n"]);
  assert.equal((await main("pi", "three")).stdout, "turn 3 of pi\n");
  assert.equal((await main("codex", "one")).stdout, "turn 1 of codex\n");
  assert.equal((await run(turns, ["pi", "new"])).stdout, "turn 1 of pi\n");
  const { items } = await turns.get("/sessions");
  assert.deepEqual(items.map(({ agent, title }) => `${agent}: ${title}`).sort(),
    ["codex: Main session of codex", "pi: Main session of pi", "pi: new"]);
  const { id } = items.find(({ title }) => title === "Main session of pi");
  assert.equal((await turns.ask("DELETE", `/sessions/${id}`)).status, 200);
  assert.equal((await main("pi", "four")).stdout, "turn 1 of pi\n"); // Another one.
});

test("a second task of the main session waits for the first", async (t) => {
  const turns = await open(t, "claude");
  const words = ["--session", "main", "--detach"];
  const first = (await run(turns, ["claude", "be SLOW", ...words])).stdout.trim();
  await until("it runs", async () =>
    (await runs(turns, "live=1&kind=job"))[0]?.state === "running");
  const second = (await run(turns, ["claude", "more", ...words])).stdout.trim();
  assert.equal((await turns.get(`/runs/${second}`)).state, "queued");
  letGo(turns);
  const ends = await Promise.all([first, second].map((id) => turns.daemon.cli(["attach", id])));
  assert.deepEqual(ends.map(({ stdout }) => stdout),
    ["one twoturn 1 of claude\n", "turn 2 of claude\n"]);
});

test("a task goes on in a session that is named, of the same agent", async (t) => {
  const turns = await open(t, ["pi", "codex"]);
  await run(turns, ["pi", "one"]);
  const [{ id }] = (await turns.get("/sessions")).items;
  assert.equal((await run(turns, ["pi", "two", "--session", id])).stdout, "turn 2 of pi\n");
  assert.equal((await run(turns, ["pi", "three", "-s", "last"])).stdout, "turn 3 of pi\n");
  const refused = [
    [["codex", "x", "--session", id], /is one of the agent 'pi', not of the agent 'codex'/],
    [["pi", "x", "--session", "ses_00000000000000000000000000"], /there is no session/],
    [["pi", "x", "--session", id, "--model", "m"], /--model is for a new session/],
    [["pi", "x", "--session", "main", "--native", "0-1"], /--native and --session exclude/],
    [["pi", "x", "--session", "main", "--worktree"],
      /--session is for a program that works in the folder itself/],
    [["pi", "x", "--native", "0-1", "--worktree"], /--native is for a program/],
    [["Explore", "x", "--session", "main"], /'Explore' is an agent of models/],
  ];
  for (const [words, sentence] of refused) {
    const { code, stdout, stderr } = await run(turns, words);
    assert.notEqual(code, 0);
    assert.equal(stdout, "");
    assert.match(stderr, sentence);
  }
  const elsewhere = await turns.daemon.cli(
    ["agent", "run", "pi", "x", "--session", id, "--root", turns.home]);
  assert.match(elsewhere.stderr, /works in .*; leave out --root, or name that folder/);
  assert.equal((await turns.get("/sessions")).items.length, 1);
  for (const body of [{ main: true }, { main: true, agent: "pi" }]) {
    const { status, json } = await turns.ask("POST", "/sessions", body);
    assert.deepEqual([status, json.code], [400, "bad_field"]);
  }
});
