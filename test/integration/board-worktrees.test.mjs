// board-worktrees.test.mjs: tasks of a board in git working trees of their own.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { open } from "./agents.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, judge, say, script, textOf, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };
const BOARD = { agents: [{ name: "smith", slots: 2 }], worktrees: true };
const ME = ["-c", "user.name=me", "-c", "user.email=me@localhost"];
const status = (to) => call("task_status", { status: to });
const write = (file, content) => call("write_file", { path: file, content });
const sh = (line) => call("run_command", { command: "sh", args: ["-c", line] });
const output = call("task_output", { type: "code", title: "it", content: "x", summary: "made" });
/** Each call in an answer of its own, up to the review. */
const work = (...lines) =>
  script(...[status("working"), ...lines, output, status("review")]
    .flatMap((line) => [line, "step:"]), say("so it is"));

/** A daemon with a board whose project is a repository with one commit, unless `bare`. */
class Trees {
  static async open(t, { bare = false, by = Turns.open, board = BOARD } = {}) {
    const trees = new Trees();
    trees.turns = await by(t);
    trees.root = realpathSync(trees.turns.root);
    if (!bare) trees.init();
    const made = await trees.turns.ask("POST", "/projects", { name: "shop", root: trees.root,
      model: "scripted/demo", board, settings: { permissions: [{ permission: "allow" }] } });
    assert.equal(made.status, 201, made.text);
    return trees;
  }

  git(...words) {
    const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
    return execFileSync("git", ["-C", this.root, ...words], { encoding: "utf8", env }).trim();
  }

  init() {
    this.git("init", "-q", "-b", "main");
    writeFileSync(path.join(this.root, "file"), "one\n");
    this.git("add", ".");
    this.git(...ME, "commit", "-q", "-m", "first");
  }

  async post(target, body) {
    const answer = await this.turns.ask("POST", `/projects/shop/tasks${target}`, body);
    assert.ok(answer.status < 300, answer.text);
  }

  async judge(name, accept, ...reasons) {
    const answer = await judge(this.turns, `/projects/shop/tasks/${name}`, accept, ...reasons);
    assert.equal(answer.status, 200, answer.text);
  }

  add = (title, description, more = {}) => this.post("", { title, description, ...more });
  change = (name, body) => this.turns.ask("PATCH", `/projects/shop/tasks/${name}`, body);
  show = (name) => this.turns.get(`/projects/shop/tasks/${name}?expand=all`);

  async until(name, wanted) {
    let task;
    await until(`${name} is ${wanted}`, async () => {
      task = await this.show(name);
      return task.status === wanted && task.attempts[0].ended_ms !== null;
    });
    return task;
  }

  /** The prompts of a task, attempt by attempt. */
  prompts = async ({ session }) => (await this.turns.messages(session))
    .filter(({ role }) => role === "user").map(textOf);
}

const read = (...names) => readFileSync(path.join(...names), "utf8");
/** The paths that a working tree's row names. */
const places = (trees, task) => {
  const tree = path.join(trees.root, ".drover/worktrees", task.id);
  const { path: at, root, base, branch } = task.worktree;
  assert.deepEqual([at, root, base, branch], [tree, tree, trees.git("rev-parse", "main"),
    `drover/${task.name}-${task.id.slice(-6)}`]);
  return tree;
};

test("two tasks work side by side, and neither sees the files of the other", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  for (const name of ["a", "b"]) {
    await trees.add(name, work(write(`${name}.txt`, name), sh(`echo ${name} > file`),
      call("task_output", { type: "data", title: "file", content_path: `${name}.txt` })),
      { must_haves: [{ file: `${name}.txt` }, { command: `grep ${name} file` }] });
  }
  const tasks = [await trees.until("T-1", "review"), await trees.until("T-2", "review")];
  const [a, b] = tasks.map((task) => places(trees, task));
  assert.deepEqual(tasks.map(({ outputs }) => outputs.map(({ content }) => content).sort()),
    [["a", "x"], ["b", "x"]]);
  assert.deepEqual([read(a, "a.txt"), read(a, "file"), read(b, "b.txt"), read(b, "file")],
    ["a", "a\n", "b", "b\n"]);
  assert.ok(!existsSync(path.join(a, "b.txt")) && !existsSync(path.join(b, "a.txt")));
  assert.equal(trees.git("status", "--porcelain"), "", "the project itself is as it was");
  const shown = await trees.turns.daemon.cli(["task", "show", "T-1", "--project", "shop"]);
  assert.match(shown.stdout, new RegExp(`worktree.*${a}`, "i"));
  await trees.turns.ask("PATCH", "/projects/shop", { board: { ...BOARD, reviewer: "judge" } });
  await until("both are judged, each in its tree", async () => {
    const { items } = await trees.turns.get("/sessions?agent=judge");
    return items.map(({ root }) => root).sort().join() === [a, b].sort().join();
  });
});

test("a result that was sent back: the next attempt is shown its changes, and goes on in the tree",
  LIMIT, async (t) => {
    const trees = await Trees.open(t);
    await trees.add("Change", work(write("new.txt", "new"), sh("echo two >> file")));
    const tree = places(trees, await trees.until("T-1", "review"));
    await trees.change("T-1", { description: work(sh("cat new.txt >> file")) });
    await trees.judge("T-1", false, "say three");
    await until("it is at its second review", async () => {
      const { status: now, attempt_count: count } = await trees.show("T-1");
      return now === "review" && count === 2;
    });
    const task = await trees.show("T-1");
    assert.equal(places(trees, task), tree);
    assert.equal(read(tree, "file"), "one\ntwo\nnew");
    const [first, second] = await trees.prompts(task);
    assert.doesNotMatch(first, /changes since commit/);
    const changes = "New, and unknown to git: new.txt\ndiff --git a/file b/file\n" +
      "[^]*\n one\n\\+two\ndiff --git a/new.txt b/new.txt\n[^]*\n\\+new\n[^]*";
    assert.match(second, new RegExp(
      `say three[^]*changes since commit ${task.worktree.base}.\n\n~~~\n${changes}\n~~~`));
  });

test("a tree that was being made when the daemon was killed is made once", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  const at = path.join(trees.root, ".git/waits"), go = path.join(trees.turns.folder, "go");
  writeFileSync(path.join(trees.root, ".git/info/attributes"), "file filter=slow\n");
  trees.git("config", "filter.slow.smudge",
    `echo $PPID >> ${at}; until [ -e ${go} ]; do sleep 0.02; done; cat`);
  await trees.add("Slow", work(sh("cat file > copy")));
  await until("git writes files", () => existsSync(at));
  const { status: now, worktree: { path: tree, base }, run } = await trees.show("T-1");
  assert.deepEqual([now, base, run], ["claimed", trees.git("rev-parse", "main"), null]);
  await trees.turns.daemon.kill();
  await trees.turns.daemon.start();
  writeFileSync(go, "");
  const task = await trees.until("T-1", "review");
  assert.deepEqual([task.attempt_count, places(trees, task), read(tree, "copy")],
    [1, tree, "one\n"]);
  assert.equal(read(at).trim().split("\n").length, 1);
});

test("without a tree the task waits for a person, and nothing is done in the project",
  LIMIT, async (t) => {
    const trees = await Trees.open(t, { bare: true });
    await trees.add("Write", work(write("new.txt", "new")));
    const blocked = await trees.until("T-1", "blocked");
    assert.match(blocked.question, /got no working tree .*is not in a git repository.*"worktrees"/);
    assert.deepEqual([blocked.reason, blocked.worktree, blocked.run, blocked.attempts[0].outcome],
      ["not_started", null, null, "spawn_failed"]);
    trees.git("init", "-q", "-b", "main");
    await trees.post("/T-1/status", { status: "pending" });
    await until("it is blocked again", async () =>
      /has no commit/.test((await trees.show("T-1")).question));
    assert.ok(!existsSync(path.join(trees.root, "new.txt")));
    rmSync(path.join(trees.root, ".git"), { recursive: true });
    trees.init();
    await trees.post("/T-1/status", { status: "pending" });
    const task = await trees.until("T-1", "review");
    assert.equal(read(places(trees, task), "new.txt"), "new");
  });

test("when a task is over, its tree stays if anything has changed in it", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  await trees.add("Read", work(sh("cat file")));
  await trees.add("Write", work(write("new.txt", "new")));
  const [a, b] = [places(trees, await trees.until("T-1", "review")),
    places(trees, await trees.until("T-2", "review"))];
  for (const name of ["T-1", "T-2"]) await trees.judge(name, true);
  await trees.turns.daemon.kill();
  await trees.turns.daemon.start();
  await until("one is gone", async () => (await trees.show("T-1")).worktree === null);
  await until("one is kept", async () => (await trees.show("T-2")).worktree.kept === true);
  assert.deepEqual([existsSync(a), read(b, "new.txt")], [false, "new"]);
  assert.match(trees.git("branch", "--list", "drover/*"), /^[+ ]*drover\/T-2-\w{6}$/);
  await trees.change("T-1", { description: work(write("again.txt", "again")) });
  for (const name of ["T-1", "T-2"]) await trees.post(`/${name}/status`, { status: "pending" });
  await until("both work again", async () => {
    const tasks = [await trees.show("T-1"), await trees.show("T-2")];
    return tasks.every((task) => task.status === "review" && task.attempts.length === 2);
  });
  assert.equal(read(places(trees, await trees.show("T-1")), "again.txt"), "again");
  assert.equal(places(trees, await trees.show("T-2")), b);
});

test("commits outlive their tree on its branch, and the next attempt goes on from it", LIMIT,
  async (t) => {
    const trees = await Trees.open(t);
    const commit = sh("git add -A && git -c user.name=a -c user.email=a@b commit -qm mine");
    await trees.add("Commit", work(write("new.txt", "new"), commit));
    const first = await trees.until("T-1", "review");
    const tree = places(trees, first), { branch, base } = first.worktree;
    const mine = trees.git("rev-parse", branch);
    assert.notEqual(mine, base);
    rmSync(tree, { recursive: true });
    writeFileSync(path.join(trees.root, "file"), "elsewhere\n");
    trees.git(...ME, "commit", "-qam", "second");
    await trees.change("T-1", { description: work(sh("cat new.txt > copy")) });
    await trees.judge("T-1", false, "copy it");
    await until("it is at its second review", async () => {
      const { status: now, attempt_count: count } = await trees.show("T-1");
      return now === "review" && count === 2;
    });
    const second = await trees.show("T-1");
    assert.deepEqual([second.worktree.base, trees.git("rev-parse", branch), read(tree, "copy"),
      read(tree, "file")], [base, mine, "new", "one\n"]);
    assert.match((await trees.prompts(second)).at(-1), /\+\+\+ b\/new\.txt/);
    rmSync(tree, { recursive: true });
    await trees.judge("T-1", true);
    await until("it is looked at", async () => (await trees.show("T-1")).worktree.kept === true);
    assert.equal(trees.git("rev-parse", branch), mine);
    // A branch that somebody has deleted is made again where the project is now.
    trees.git("worktree", "prune");
    trees.git("branch", "-qD", branch);
    await trees.change("T-1", { description: work(sh("cat file > copy")) });
    await trees.post("/T-1/status", { status: "pending" });
    await until("it is at its third review", async () => {
      const { status: now, attempt_count: count } = await trees.show("T-1");
      return now === "review" && count === 1;
    });
    places(trees, await trees.show("T-1"));
    assert.equal(read(tree, "copy"), "elsewhere\n");
  });

test("while git makes a tree, other tasks of the board begin", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  await trees.add("First", work(sh("cat file > copy")));
  const first = await trees.until("T-1", "review");
  const at = path.join(trees.root, ".git/waits"), go = path.join(trees.turns.folder, "go");
  writeFileSync(path.join(trees.root, ".git/info/attributes"), "file filter=slow\n");
  trees.git("config", "filter.slow.smudge",
    `echo x >> ${at}; until [ -e ${go} ]; do sleep 0.02; done; cat`);
  await trees.add("Slow", work(sh("cat file > copy")));
  await until("git writes files", () => existsSync(at));
  assert.equal((await trees.show("T-2")).status, "claimed");
  await trees.turns.ask("PATCH", "/projects/shop", { board: { ...BOARD, worktrees: false } });
  await trees.add("Quick", work(sh("pwd")));
  await until("the third is done", async () => (await trees.show("T-3")).status === "review");
  assert.equal((await trees.show("T-2")).status, "claimed");
  await trees.turns.daemon.kill();
  await trees.turns.daemon.start();
  await trees.add("Quicker", work(sh("pwd")));
  await until("the fourth is done", async () => (await trees.show("T-4")).status === "review");
  assert.deepEqual([(await trees.show("T-2")).status, (await trees.show("T-2")).attempt_count],
    ["claimed", 1]);
  // A task that is cancelled meanwhile begins nothing, and its tree goes.
  await trees.post("/T-2/status", { status: "cancelled" });
  writeFileSync(go, "");
  await until("its tree is gone", async () => (await trees.show("T-2")).worktree === null);
  assert.ok(!existsSync(path.join(trees.root, ".drover/worktrees", (await trees.show("T-2")).id)));
  assert.equal(trees.git("branch", "--list", "drover/*").split("\n").length, 1);
  assert.ok(existsSync(first.worktree.path));
});

/** A command of the stand-in for a program: a call, as its prompt shows it. */
const curl = (what, body) => `RUN curl -s --unix-socket "$DROVER_DATA/drover.sock" ` +
  `-H 'content-type: application/json' -d '${JSON.stringify({ agent: "claude", ...body })}' ` +
  `http://drover/api/projects/_/tasks/_/${what}`;

test("a program works in the tree, too, and goes on in its session there", LIMIT, async (t) => {
  const trees = await Trees.open(t, { by: open,
    board: { agents: [{ name: "claude" }], worktrees: true } });
  await trees.add("Look", ["RUN pwd >> here",
    curl("outputs", { type: "code", title: "it", content: "x" }),
    curl("status", { status: "review" })].join("\n"));
  const tree = places(trees, await trees.until("T-1", "review"));
  await trees.judge("T-1", false, "a second time");
  await until("it is at its second review", async () => {
    const { status: now, attempt_count: count } = await trees.show("T-1");
    return now === "review" && count === 2;
  });
  const { attempts } = await trees.show("T-1");
  assert.deepEqual([read(tree, "here"), attempts[0].session],
    [`${tree}\n${tree}\n`, attempts[1].session]);
});
