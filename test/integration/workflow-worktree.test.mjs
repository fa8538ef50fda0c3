// workflow-worktree.test.mjs: agents in working trees of their own: what they change stays apart,
// what they leave unchanged is gone, and no crash loses or doubles one.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { call, say, script } from "./turns.mjs";
import { whole, Workflows } from "./workflows.mjs";

const ALLOWED = { permissions: [{ permission: "allow" }] };
const ME = ["-c", "user.name=me", "-c", "user.email=me@localhost"];
const sh = (line) => call("run_command", { command: "sh", args: ["-c", line] });
const write = (file, content) => call("write_file", { path: file, content });
const edit = (content) =>
  script(call("read_file", { path: "file" }), write("file", content), say("done"));
const apart = (label) => JSON.stringify({ label, isolation: "worktree" });
const agent = (label, prompt) => `agent(${JSON.stringify(prompt)}, ${apart(label)})`;
const ends = (events) => Object.fromEntries(events
  .filter(({ type }) => type === "agent_finished").map(({ data }) => [data.label, data]));

/** A daemon whose workflows work in a repository with one commit. */
class Trees extends Workflows {
  static async open(t, more = {}) {
    const flows = await Workflows.open(t, { guarded: true, ...more });
    Object.setPrototypeOf(flows, Trees.prototype);
    flows.root = realpathSync(flows.root);
    return flows;
  }

  git(...words) {
    const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
    return execFileSync("git", ["-C", this.root, ...words], { encoding: "utf8", env }).trim();
  }

  init() {
    this.git("init", "-q", "-b", "main");
    this.write("file", "one\n");
    this.write("sub/inner", "two\n");
    this.write(".gitignore", "*.o\n");
    this.git("add", ".");
    this.git(...ME, "commit", "-q", "-m", "first");
    return this;
  }

  /** What git knows of, beside the project itself.
   *  Not while one is being made: git reads what is half written, and fails. */
  trees() {
    return this.git("worktree", "list", "--porcelain").split("\n")
      .filter((line) => line.startsWith("worktree ")).map((line) => line.slice(9)).slice(1).sort();
  }

  /** What is there, made or half made: the folder itself may be. */
  places() {
    const folder = path.join(this.root, ".drover/worktrees");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    return names.filter((name) => name !== ".gitignore").map((name) => path.join(folder, name));
  }

  /** What stands there, in a folder that git does not see. */
  folders() {
    assert.ok(existsSync(path.join(this.root, ".drover/worktrees/.gitignore")));
    return this.places().map((place) => path.basename(place)).sort();
  }

  /** Neither trees nor anything else of ours is seen in the project. */
  checkClean() {
    assert.equal(this.git("status", "--porcelain"), "");
    assert.equal(readFileSync(path.join(this.root, "file"), "utf8"), "one\n");
  }

  begin(body, more = {}) {
    return this.start({ script: whole(body), settings: ALLOWED, ...more });
  }

  async done(body, more) {
    const outcome = await this.outcome(await this.begin(body, more));
    return { ...outcome, of: ends(outcome.events), result: outcome.end.result };
  }
}

const open = async (t, more) => (await Trees.open(t, more)).init();
const read = (...names) => readFileSync(path.join(...names), "utf8");

test("two agents change one file side by side, each in a tree of its own", async (t) => {
  const flows = await open(t);
  const body = `return await parallel([() => ${agent("a", edit("from a"))},
    () => ${agent("b", edit("from b"))}])`;
  const { run, of, end, result } = await flows.done(body);
  assert.deepEqual([end.state, result], ["succeeded", ["done", "done"]], JSON.stringify(of));
  flows.checkClean();
  const files = [of.a, of.b].map(({ worktree }) => read(worktree, "file"));
  assert.deepEqual(files, ["from a", "from b"]);
  assert.deepEqual(flows.trees(), [of.a.worktree, of.b.worktree].sort());
  assert.equal(of.a.worktree, path.join(flows.root, ".drover/worktrees", of.a.run));
  const listed = await flows.agents(run);
  assert.deepEqual(listed.map((one) => one.worktree).sort(), flows.trees());
  const row = await flows.get(`/runs/${of.a.run}`);
  assert.equal(row.spec.worktree.path, of.a.worktree);
  assert.equal(row.spec.worktree.base, flows.git("rev-parse", "HEAD"));
  const shown = await flows.daemon.cli(["show", of.a.run]);
  assert.match(shown.stdout, new RegExp(`worktree +${of.a.worktree}\n`));
  assert.match((await flows.daemon.cli(["show", run])).stdout, /kept: \.drover\/worktrees\/run_/);
  assert.equal((await flows.ask("DELETE", `/runs/${run}`)).status, 200);
  assert.deepEqual(flows.trees(), [of.a.worktree, of.b.worktree].sort(), "they are the user's");
});

test("who looks on is told which tree is kept", async (t) => {
  const flows = await open(t);
  const file = path.join(flows.home, "one.js");
  writeFileSync(file, whole(`return await ${agent("a", edit("from a"))}`));
  const ran = await flows.daemon.cli(["run", file, "--root", flows.root, "--yes"]);
  assert.equal(ran.code, 0, ran.stderr);
  const [tree] = flows.trees();
  const said = ran.stdout + ran.stderr;
  assert.match(said, new RegExp(`agent succeeded: a .*kept: ${tree}\n`));
});

test("what an agent leaves unchanged is removed, what it commits is kept", async (t) => {
  const flows = await open(t);
  const hook = flows.write(".git/hooks/post-checkout", `#!/bin/sh\ntouch ${flows.root}/hooked\n`);
  chmodSync(hook, 0o755);
  const me = ME.join(" ");
  const body = `return await parallel([
    () => ${agent("reads", script(call("read_file", { path: "file" }), say("one")))},
    () => ${agent("builds", script(sh("echo x > a.o"), say("two")))},
    () => ${agent("adds", script(write("new", "x"), say("three")))},
    () => ${agent("commits", script(sh(`echo c > file && git ${me} commit -qam c`), say("four")))},
  ])`;
  const { of, result } = await flows.done(body);
  assert.deepEqual(result, ["one", "two", "three", "four"]);
  const kept = Object.keys(of).filter((label) => of[label].worktree !== undefined).sort();
  assert.deepEqual(kept, ["adds", "commits"]);
  assert.deepEqual(flows.trees(), [of.adds.worktree, of.commits.worktree].sort());
  assert.deepEqual(flows.folders(), [of.adds.run, of.commits.run].sort());
  const log = flows.git("-C", of.commits.worktree, "log", "--format=%s");
  assert.equal(log, "c\nfirst", "its commits are in the repository, whatever holds its commands");
  assert.equal((await flows.get(`/runs/${of.reads.run}`)).spec.worktree, undefined);
  flows.checkClean();
});

test("trees of agents are listed, and a prune takes those whose work is elsewhere", async (t) => {
  const flows = await open(t);
  const commit = (label) => agent(label, script(sh(`echo ${label} > ${label} && git add . && git ` +
    `${ME.join(" ")} commit -qm ${label}`), "step:", say("done")));
  const { of } = await flows.done(
    `return await parallel([() => ${commit("kept")}, () => ${commit("merged")}])`);
  const { items } = await flows.get("/worktrees?look=true");
  assert.deepEqual(items.map(({ kind, holder, look }) => [kind, holder, look.commits]).sort(),
    [["agent", of.kept.run, 1], ["agent", of.merged.run, 1]].sort());
  const branch = (label) => items.find(({ holder }) => holder === of[label].run).branch;
  flows.git(...ME, "merge", "-q", "--no-edit", branch("merged"));
  const pruned = (await flows.ask("POST", "/worktrees/prune", {})).json;
  assert.deepEqual([pruned.removed.length, pruned.kept.length], [1, 1]);
  assert.match(pruned.kept[0].why, /holds 1 commit that is on no other branch/);
  assert.deepEqual(flows.trees(), [of.kept.worktree]);
  assert.equal(flows.git("branch", "--list", "--format=%(refname:short)", "drover/*"),
    branch("kept"));
});

test("a command in a tree writes no hook and no setting of the repository", async (t) => {
  const flows = await open(t);
  const doctor = (await flows.daemon.cli(["doctor", "--json"])).stdout;
  const held = JSON.parse(doctor.split("\n").find((line) => line.includes('"sandbox"')));
  if (held.verdict !== "ok") return t.skip(`no sandbox here: ${held.detail}`);
  const before = read(flows.root, ".git/config");
  const lines = [`echo x > ${flows.root}/.git/hooks/post-checkout`, "git config a.b c",
    `echo x > ${flows.root}/file`].map(sh);
  const { result } = await flows.done(`return await ${agent("a", script(...lines, say("no")))}`);
  assert.equal(result, "no");
  assert.equal(read(flows.root, ".git/config"), before);
  assert.ok(!existsSync(path.join(flows.root, ".git/hooks/post-checkout")));
  flows.checkClean();
});

/** Has git take settings from a folder in the tree: a filter that leaves `ran` wherever it may. */
const turned = (flows) => sh([
  "mkdir own", "printf 'file filter=own\\n' > .gitattributes",
  `cp -r ${flows.root}/.git/refs own/`, `ln -s ${flows.root}/.git/objects own/objects`,
  `git config -f own/config filter.own.clean "cd ${flows.root}; touch .git/hooks/ran; ` +
    'touch .git/worktrees/ran .drover/worktrees/ran; cat"',
  'printf %s "$(pwd)/own" > "$(git rev-parse --git-dir)/commondir"',
  "touch -d 2001-01-01 file",
].join(" && "));

test("what an agent leaves behind in its tree has our git run nothing", async (t) => {
  const flows = await open(t);
  const { of } = await flows.done(`return await ${agent("a", script(turned(flows), say("so")))}`);
  assert.equal(read(of.a.worktree, ".gitattributes"), "file filter=own\n", "it is kept");
  assert.match(read(flows.root, ".git/worktrees", of.a.run, "commondir"), /own$/);
  const ran = [".git/hooks/ran", ".git/worktrees/ran", ".drover/worktrees/ran"]
    .filter((name) => existsSync(path.join(flows.root, name)));
  assert.deepEqual(ran, []);
});

test("an agent works in the folder of the tree that its run works in", async (t) => {
  const flows = await open(t);
  const look = sh("pwd > here && cat inner >> here && git add here && " +
    `git ${ME.join(" ")} commit -qm in`);
  const prompt = script(look, write("inner", "changed"), say("so"));
  const root = path.join(flows.root, "sub");
  const { of, result } = await flows.done(`return await ${agent("a", prompt)}`, { root });
  assert.equal(result, "so");
  const tree = of.a.worktree;
  assert.equal(tree, path.join(flows.root, ".drover/worktrees", of.a.run));
  assert.equal(read(tree, "sub/here"), `${tree}/sub\ntwo\n`);
  assert.equal(read(tree, "sub/inner"), "changed");
  assert.equal(execFileSync("git", ["-C", tree, "rev-list", "--count", "HEAD"]).toString(), "2\n");
  flows.checkClean();
});

test("the trees of a run that works in a second one stand beside the first", async (t) => {
  const flows = await open(t);
  const second = path.join(flows.folder, "home/second");
  flows.git("worktree", "add", "-q", "-b", "other", second);
  writeFileSync(path.join(second, "file"), "other\n");
  flows.git("-C", second, ...ME, "commit", "-qam", "other");
  const prompt = script(call("read_file", { path: "file" }), write("x", "y"), say("so"));
  const { of } = await flows.done(`return await ${agent("a", prompt)}`, { root: second });
  assert.equal(of.a.worktree, path.join(flows.root, ".drover/worktrees", of.a.run), of.a.note);
  assert.equal(read(of.a.worktree, "file"), "other\n", "it begins where its run's root is");
});

test("where there can be no tree, the agent is null and nobody works in the root", async (t) => {
  const flows = await Trees.open(t);
  const one = `return await ${agent("a", script(write("new", "x"), say("never")))}`;
  const refused = async (note) => {
    const { of, end, result } = await flows.done(one);
    assert.equal(result, null);
    assert.deepEqual([of.a.state, of.a.cause, of.a.worktree], ["failed", "no_worktree", undefined]);
    assert.match(of.a.note, note);
    assert.deepEqual([end.state, end.agents.failed], ["degraded", 1]);
    assert.ok(!existsSync(path.join(flows.root, "new")));
  };
  await refused(/is not in a git repository/);
  flows.git("init", "-q", "-b", "main");
  await refused(/^its git repository has no commit, which a working tree needs$/);
  assert.deepEqual(flows.folders(), []);
  flows.init();
  execFileSync("rm", ["-rf", path.join(flows.root, ".drover")]);
  const away = path.join(flows.home, "away");
  mkdirSync(away);
  symlinkSync(away, path.join(flows.root, ".drover"));
  await refused(/it is a link/);
  assert.deepEqual(readdirSync(away), []);
});

test("without git an agent is told what is missing", async (t) => {
  const flows = await Trees.open(t, { env: { PATH: "/nowhere" } });
  flows.init();
  const { of } = await flows.done(`return await ${agent("a", script(say("never")))}`);
  assert.deepEqual([of.a.cause, of.a.note],
    ["no_worktree", "git: it cannot be started; is it installed?"]);
});

test("an agent without tools has no use of a tree", async (t) => {
  const flows = await open(t);
  const body = `return [await agent("say: a", { isolation: "worktree", tools: [] }),
    await agent("say: b", { isolation: "worktree", max_tool_calls: 0 })]`;
  assert.deepEqual((await flows.done(body)).result, ["a", "b"]);
  assert.ok(!existsSync(path.join(flows.root, ".drover")));
});

/** Runs until there is a file that a person makes. */
const waits = (flows) => sh(`until [ -e ${flows.home}/go ]; do sleep 0.02; done`);
const go = (flows) => writeFileSync(path.join(flows.home, "go"), "");

test("agents go on in the same trees when the daemon was killed", async (t) => {
  const flows = await open(t, { args: ["--agents", "3"] });
  const prompt = (name) => script(write("file", `${name} 1`), waits(flows),
    sh(`echo ${name} 2 >> more`), say(name));
  const body = `return await parallel([() => ${agent("a", prompt("a"))},
    () => ${agent("b", prompt("b"))}, () => ${agent("c", script(waits(flows), say("c")))}])`;
  const run = await flows.begin(body);
  const wrote = (tree) => existsSync(`${tree}/file`) && / 1$/.test(read(tree, "file"));
  await until("all are at work", async () => flows.places().filter(wrote).length === 2 &&
    (await flows.get("/sessions?archived=1")).items.length === 3);
  const before = flows.trees();
  await flows.daemon.kill();
  go(flows);
  await flows.daemon.start();
  const { events, end } = await flows.outcome(run);
  assert.deepEqual(end.result, ["a", "b", "c"]);
  const of = ends(events);
  assert.deepEqual(flows.trees(), before.filter((tree) => !tree.endsWith(of.c.run)));
  for (const name of ["a", "b"]) {
    assert.equal(read(of[name].worktree, "file"), `${name} 1`);
    assert.equal(read(of[name].worktree, "more"), `${name} 2\n`);
  }
  assert.equal(of.c.worktree, undefined);
  flows.checkClean();
});

/** Git writes no file before there is `go`; *pids*: of what waits. */
function slow(flows) {
  const pids = path.join(flows.root, ".git/waits");
  flows.write(".git/info/attributes", "file filter=slow\n");
  flows.git("config", "filter.slow.smudge",
    `echo $PPID >> ${pids}; until [ -e ${flows.home}/go ]; do sleep 0.02; done; cat`);
  return async () => {
    await until("git is at work", () => existsSync(pids) && read(pids).endsWith("\n"));
    return read(pids).trim().split("\n").map(Number);
  };
}

test("a tree that was being made when the daemon was killed is made once", async (t) => {
  const flows = await open(t);
  const made = slow(flows);
  const run = await flows.begin(`return await ${agent("a", edit("from a"))}`);
  await made();
  await flows.daemon.kill();
  await flows.daemon.start();
  for (let i = 0; i < 3; i++) await flows.done("return await agent('say: meanwhile')");
  go(flows);
  const { events, end } = await flows.outcome(run);
  assert.equal(end.result, "done", JSON.stringify(ends(events)));
  assert.equal((await made()).length, 1);
  assert.deepEqual(flows.trees(), [ends(events).a.worktree]);
  assert.equal(read(flows.trees()[0], "file"), "from a");
});

/** The parent of a process. */
const above = (pid) => Number(read(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ")[1]);

test("half a tree, left by a git that was killed, is wiped away and made anew", async (t) => {
  const flows = await open(t);
  const made = slow(flows);
  const run = await flows.begin(`return await ${agent("a", edit("from a"))}`);
  let [pid] = await made();
  const line = [];
  for (; pid > 1 && /^git/.test(read(`/proc/${pid}/comm`)); pid = above(pid)) line.unshift(pid);
  assert.ok(line.length >= 2, "one that adds, and one that writes files");
  for (const one of line) process.kill(one, "SIGKILL");
  go(flows);
  const { events, end } = await flows.outcome(run);
  assert.equal(end.result, "done", JSON.stringify(ends(events)));
  assert.deepEqual(flows.trees(), [ends(events).a.worktree]);
  assert.ok(existsSync(path.join(flows.trees()[0], "sub/inner")), "all of it is there");
});

/** Starts a run of one agent that changes nothing which counts, until it works. */
async function idle(flows, label) {
  const prompt = script(sh("echo > begun.o"), waits(flows), say("never"));
  const run = await flows.begin(`return await ${agent(label, prompt)}`);
  await until("it works", () => flows.places().some((tree) => existsSync(`${tree}/begun.o`)));
  const [{ id }] = await flows.agents(run);
  return { run, id };
}

/** Behind the end of its run, each tree is removed by a job. */
async function gone(flows) {
  const jobs = () => flows.get("/runs?kind=job&live=1");
  await until("all is gone", async () =>
    flows.folders().length === 0 && (await jobs()).items.length === 0);
  assert.deepEqual(flows.trees(), []);
}

const told = async (flows, run) => ends((await flows.outcome(run)).events);

test("one that is skipped, or whose time is over, leaves no tree without a change", async (t) => {
  const flows = await open(t);
  const { run, id } = await idle(flows, "a");
  assert.equal((await flows.ask("POST", `/runs/${id}/skip`)).status, 200);
  const { a } = await told(flows, run);
  assert.deepEqual([a.state, a.cause, a.worktree], ["cancelled", "stopped", undefined]);
  assert.deepEqual(flows.trees(), []);
  const late = script(write("new", "x"), waits(flows));
  const { of } = await flows.done(`return await agent(${JSON.stringify(late)},
    { label: "b", isolation: "worktree", budget: { wall_ms: 700 } })`);
  assert.equal(of.b.cause, "agent_budget");
  assert.deepEqual(flows.trees(), [of.b.worktree].filter((tree) => tree !== undefined));
});

test("a run that is stopped as a whole leaves no tree without a change", async (t) => {
  const flows = await open(t);
  const { run, id } = await idle(flows, "a");
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`)).status, 200);
  const { a } = await told(flows, run);
  assert.equal(a.worktree, path.join(flows.root, ".drover/worktrees", id));
  await gone(flows);
});

test("a run that is stopped before a new daemon has asked its agents leaves none", async (t) => {
  const flows = await open(t);
  const { run } = await idle(flows, "a");
  await flows.daemon.kill();
  await flows.daemon.start();
  assert.equal((await flows.ask("POST", `/runs/${run}/stop`)).status, 200);
  await flows.outcome(run);
  await gone(flows);
});

test("one that is skipped while its tree is being made leaves none", async (t) => {
  const flows = await open(t);
  const made = slow(flows);
  const run = await flows.begin(`return await ${agent("a", edit("from a"))}`);
  await made();
  const [{ id }] = await flows.agents(run);
  assert.equal((await flows.ask("POST", `/runs/${id}/skip`)).status, 200);
  const { a } = await told(flows, run);
  assert.deepEqual([a.state, a.worktree], ["cancelled", undefined], "it waits for nothing");
  go(flows);
  await gone(flows);
});

test("one that is restarted while its tree is being made begins once that is there", async (t) => {
  const flows = await open(t);
  const made = slow(flows);
  const run = await flows.begin(`return await ${agent("a", edit("from a"))}`);
  await made();
  const [{ id }] = await flows.agents(run);
  assert.equal((await flows.ask("POST", `/runs/${id}/restart`)).status, 200);
  go(flows);
  const { a } = await told(flows, run);
  assert.deepEqual([a.cause, read(a.worktree, "file")], [null, "from a"]);
  assert.equal((await made()).length, 1);
});

test("an agent that is restarted works in the tree that it had", async (t) => {
  const flows = await open(t);
  const prompt = script(sh("echo again >> again"), waits(flows), say("done"));
  const run = await flows.begin(`return await ${agent("a", prompt)}`);
  const lines = () => flows.places().map((tree) => path.join(tree, "again"))
    .filter((file) => existsSync(file)).map((file) => read(file));
  await until("it works", () => lines()[0] === "again\n");
  const [{ id }] = await flows.agents(run);
  assert.equal((await flows.ask("POST", `/runs/${id}/restart`)).status, 200);
  await until("it works again", () => lines()[0] === "again\nagain\n");
  go(flows);
  const { events } = await flows.outcome(run);
  assert.deepEqual([ends(events).a.cause, flows.trees()], [null, [ends(events).a.worktree]]);
  const resumed = await flows.start({ resumeFromRunId: run });
  assert.deepEqual(ends((await flows.outcome(resumed)).events).a.cached, true);
  assert.equal(flows.trees().length, 1, "what was answered before is not done again");
});

test("a tree that an agent was in is never wiped away", async (t) => {
  const flows = await open(t);
  const prompt = script(sh("echo again >> again"), waits(flows), say("done"));
  const run = await flows.begin(`return await ${agent("a", prompt)}`);
  const wrote = () => flows.places().find((tree) => existsSync(`${tree}/again`));
  await until("it works", wrote);
  const tree = wrote();
  flows.git("worktree", "lock", tree); // As one is that is being made.
  const [{ id }] = await flows.agents(run);
  assert.equal((await flows.ask("POST", `/runs/${id}/restart`)).status, 200);
  const { events, end } = await flows.outcome(run);
  const { cause, note, worktree } = ends(events).a;
  assert.deepEqual([end.result, cause, worktree], [null, "no_worktree", tree], note);
  assert.equal(read(tree, "again"), "again\n");
});

test("a search in the project does not look into trees of agents", async (t) => {
  const flows = await open(t);
  await flows.done(`return await ${agent("a", script(write("needle", "hay needle"), say("so")))}`);
  assert.equal(flows.trees().length, 1);
  const made = await flows.ask("POST", "/sessions", { root: flows.root, settings: ALLOWED });
  const text = script(call("search_files", { pattern: "needle" }), say("done"));
  const target = `/sessions/${made.json.id}/messages`;
  assert.equal((await flows.ask("POST", `${target}?wait=30`, { text })).json.state, "succeeded");
  const { items } = await flows.get(target);
  const [card] = items[0].parts.filter((part) => part.kind === "tool");
  assert.equal(card.state, "succeeded");
  assert.ok(!card.text.includes(".drover"), card.text);
});
