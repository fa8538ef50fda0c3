// worktree-command.test.mjs: `drover worktree`: looks at working trees, and removes them, but never
// work that is nowhere else without being told to.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { change } from "./sql.mjs";
import { call, judge, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(120_000) };
const BOARD = { agents: [{ name: "smith", slots: 8 }], worktrees: true };
const ME = ["-c", "user.name=me", "-c", "user.email=me@localhost"];
const COMMIT = `git ${ME.join(" ")} commit -qm`;
const status = (to) => call("task_status", { status: to });
const sh = (line) => call("run_command", { command: "sh", args: ["-c", line] });
const output = call("task_output", { type: "code", title: "it", content: "x", summary: "made" });
/** Each call in an answer of its own, up to the review. */
const work = (...lines) =>
  script(...[status("working"), ...lines, output, status("review")]
    .flatMap((line) => [line, "step:"]), say("so it is"));

/** A daemon with a board whose tasks have working trees of one repository. */
class Trees {
  static async open(t, options) {
    const trees = new Trees();
    trees.turns = await Turns.open(t, options);
    trees.root = realpathSync(trees.turns.root);
    trees.git("init", "-q", "-b", "main");
    writeFileSync(path.join(trees.root, "file"), "one\n");
    writeFileSync(path.join(trees.root, ".gitignore"), "*.o\n");
    trees.git("add", ".");
    trees.git(...ME, "commit", "-q", "-m", "first");
    await trees.ask("POST", "/projects", { name: "shop", root: trees.root, model: "scripted/demo",
      board: BOARD, settings: { permissions: [{ permission: "allow" }] } });
    return trees;
  }

  git(...words) {
    const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
    return execFileSync("git", ["-C", this.root, ...words], { encoding: "utf8", env }).trim();
  }

  async ask(method, target, body) {
    const answer = await this.turns.ask(method, target, body);
    assert.ok(answer.status < 300, answer.text);
    return answer.json;
  }

  /** A command of drover, which succeeds, or ends with this code and a part of stderr. */
  async run(words, code = 0, error = /^/) {
    const done = await this.turns.daemon.cli(["worktree", ...words]);
    assert.equal(done.code, code, `${words.join(" ")}: ${done.stdout}${done.stderr}`);
    assert.match(done.stderr, error);
    return done.stdout;
  }

  show = (task) => this.turns.get(`/projects/shop/tasks/${task}?expand=all`);
  list = async (query = "") => (await this.turns.get(`/worktrees?look=true${query}`)).items;

  /** Tasks that were worked on as the scripts say, and are in review: their trees. */
  async review(...scripts) {
    const names = [];
    for (const lines of scripts) {
      const { name } = await this.ask("POST", "/projects/shop/tasks",
        { title: "A task", description: work(...[lines].flat()) });
      names.push(name);
    }
    const trees = [];
    for (const name of names) {
      await until(`${name} is in review`, async () => {
        const task = await this.show(name);
        return task.status === "review" && task.attempts[0].ended_ms !== null;
      });
      const { id, worktree } = await this.show(name);
      const [tree] = (await this.list(`&holder=${id}`));
      trees.push({ ...tree, task: name, branch: worktree.branch });
    }
    return trees;
  }

  /** Their tasks are over. */
  async accept(...trees) {
    for (const { task } of trees) await judge(this.turns, `/projects/shop/tasks/${task}`, true);
    for (const { task } of trees) {
      await until(`${task} is over`, async () => {
        const { status: now, worktree } = await this.show(task);
        return now === "done" && (worktree === null || worktree.kept === true);
      });
    }
  }
}

test("the list and one tree show what it holds, and the diff makes another tree the same", LIMIT,
  async (t) => {
    const trees = await Trees.open(t);
    const [tree, idle] = await trees.review(
      [sh(`echo two >> file && ${COMMIT} mine -a`), sh("echo new > 'a b' && : > built.o")],
      sh("ls"));
    const { look } = tree;
    assert.deepEqual([tree.kind, tree.state, tree.branch, tree.path, tree.root, tree.project],
      ["task", "ready", tree.branch, path.join(trees.root, ".drover/worktrees", tree.holder),
        tree.path, "shop"]);
    assert.deepEqual([look.state, look.files, look.added, look.removed, look.uncommitted,
      look.commits, look.detail], ["whole", 2, 2, 0, 1, 1, null]);
    assert.ok(look.bytes > 0 && look.newest_ms > tree.made_ms - 60_000);
    assert.deepEqual([idle.look.files, idle.look.uncommitted, idle.look.commits], [0, 0, 0]);
    const whole = await trees.turns.get(`/worktrees/${tree.id}`);
    assert.deepEqual(whole.look, (await trees.list(`&q=${tree.name}`))[0].look);
    assert.deepEqual(whole.lost, { files: ["a b"],
      commits: [{ commit: trees.git("rev-parse", tree.branch), subject: "mine" }] });
    assert.equal((await trees.turns.get("/worktrees")).items[0].look, null, "nobody asked");
    const table = await trees.run(["ls"]);
    assert.match(table, new RegExp(`${tree.name} .*2 files \\+2 −0, 1 commit`));
    assert.match(table, new RegExp(`${idle.name} .* -\\n`));
    const shown = await trees.run(["show", tree.name]);
    assert.match(shown, /A removal would lose:\nUncommitted:\n {2}a b\n/);
    assert.match(shown, /Commits that are on no other branch:\n {2}\w{12} {2}mine\n/);
    assert.equal(await trees.run(["open", tree.id, "--print"]), `${tree.root}\n`);
    const diff = await trees.run(["diff", tree.name]);
    execFileSync("git", ["-C", trees.root, "apply", "-"], { input: diff });
    assert.deepEqual([readFileSync(path.join(trees.root, "file"), "utf8"),
      readFileSync(path.join(trees.root, "a b"), "utf8")], ["one\ntwo\n", "new\n"]);
    assert.doesNotMatch(await trees.run(["diff", tree.name, "a b"]), /two/);
    await trees.run(["diff", idle.name], 0, /nothing has changed/);
  });

test("a tree is removed with its branch, and work only by force", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  const [clean, dirty, ahead, merged] = await trees.review(sh("ls"), sh("echo two >> file"),
    sh(`echo 2 > two && git add two && ${COMMIT} mine`),
    sh(`echo 3 > three && git add three && ${COMMIT} theirs`));
  trees.git(...ME, "merge", "-q", "--no-edit", merged.branch);
  await trees.run(["rm", clean.name]);
  await trees.run(["rm", merged.name]);
  const told = await trees.run(["rm", dirty.name], 5,
    /holds 1 file with uncommitted changes: .*--force/s);
  assert.match(told, /Uncommitted:\n {2}file\n/);
  await trees.run(["rm", ahead.name], 5, /1 commit that is on no other branch/);
  const refused = await trees.turns.ask("DELETE", `/worktrees/${dirty.id}`);
  assert.deepEqual([refused.status, refused.json.code], [409, "worktree_has_work"]);
  const branches = () => trees.git("branch", "--list", "--format=%(refname:short)", "drover/*");
  assert.deepEqual(branches().split("\n").sort(), [dirty.branch, ahead.branch].sort());
  assert.ok(existsSync(dirty.path) && existsSync(ahead.path));
  writeFileSync(path.join(dirty.path, "built.o"), "");
  const gone = await trees.run(["rm", dirty.name, ahead.id, "--force", "--yes"]);
  assert.match(gone, new RegExp(`${dirty.name} is removed, with its branch ${dirty.branch}`));
  assert.equal(branches(), "");
  for (const tree of [clean, dirty, ahead, merged]) {
    assert.ok(!existsSync(tree.path), tree.name);
  }
  assert.deepEqual(await trees.list(), []);
  const states = (await trees.list("&state=gone")).map(({ state }) => state);
  assert.deepEqual(states, Array(4).fill("gone"));
  await trees.run(["rm", clean.id], 3, /there is no working tree/);
  // A task whose tree is gone gets it again.
  await trees.ask("PATCH", `/projects/shop/tasks/${clean.task}`, { description: work(sh("ls")) });
  await judge(trees.turns, `/projects/shop/tasks/${clean.task}`, false, "again");
  await until("it is in review again", async () => {
    const { status: now, attempt_count: count } = await trees.show(clean.task);
    return now === "review" && count === 2;
  });
  assert.ok(existsSync(clean.path));
  assert.deepEqual((await trees.list()).map(({ id, state }) => [id, state]), [[clean.id, "ready"]]);
});

test("a tree in which an agent works is not removed, not even by force", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  const go = path.join(trees.turns.folder, "go");
  await trees.ask("POST", "/projects/shop/tasks", { title: "Slow",
    description: work(sh(`touch here; until [ -e ${go} ]; do sleep 0.02; done`)) });
  const at = path.join(trees.root, ".drover/worktrees");
  await until("it works", () =>
    existsSync(at) && readdirSync(at).some((name) => existsSync(path.join(at, name, "here"))));
  const [tree] = await trees.list();
  for (const query of ["", "?force=true"]) {
    const { status: code, json } = await trees.turns.ask("DELETE", `/worktrees/${tree.id}${query}`);
    assert.deepEqual([code, json.code], [409, "in_use"]);
    assert.match(json.detail, /is working in it/);
  }
  assert.deepEqual((await trees.ask("POST", "/worktrees/prune", {})).removed, []);
  assert.ok(existsSync(path.join(tree.path, "here")));
  writeFileSync(go, "");
});

test("of 30 trees whose tasks are over, the 18 without work go, and 12 with work stay", LIMIT,
  async (t) => {
    const trees = await Trees.open(t);
    const add = (n, line) => Array.from({ length: n }, (_, i) => sh(line.replaceAll("N", `${i}`)));
    const all = await trees.review(
      ...add(4, "echo two >> file"), // Uncommitted,
      ...add(4, "echo N > new"), // new,
      ...add(4, `echo N > mineN && git add . && ${COMMIT} mine`), // and committed.
      ...add(9, `echo N > outN && git add . && ${COMMIT} merged`), // On another branch later;
      ...add(9, "echo N > brief")); // taken back later.
    const [kept, merged, cleared] = [all.slice(0, 12), all.slice(12, 21), all.slice(21)];
    await trees.accept(...all);
    trees.git("branch", "elsewhere", "main");
    for (const { branch } of merged) {
      trees.git("update-ref", `refs/remotes/origin/${branch}`, branch);
    }
    for (const tree of cleared) rmSync(path.join(tree.path, "brief"));
    const ids = (rows) => rows.map(({ id, tree }) => tree ?? id).sort();
    const preview = await trees.ask("POST", "/worktrees/prune", { project: "shop", preview: true });
    assert.deepEqual(ids(preview.removed), ids([...merged, ...cleared]));
    assert.equal((await trees.list("&limit=100")).length, 30, "a preview removes nothing");
    assert.match(await trees.run(["prune", "--dry-run"]), /18 working trees would be removed/);
    const printed = await trees.run(["prune", "--project", "shop"]);
    assert.match(printed, /18 working trees were removed, .* freed/);
    assert.equal(printed.match(/^kept .*(uncommitted changes|no other branch)/gm).length, 12);
    assert.deepEqual(ids(await trees.list("&limit=100")), ids(kept));
    for (const tree of kept) assert.ok(existsSync(tree.path), tree.name);
    for (const tree of [...merged, ...cleared]) assert.ok(!existsSync(tree.path), tree.name);
    const left = trees.git("branch", "--list", "--format=%(refname:short)", "drover/*");
    assert.deepEqual(left.split("\n").sort(), kept.map(({ branch }) => branch).sort());
    assert.match(await trees.run(["prune"]), /0 working trees were removed/);
  });

test("unchanged trees go an hour after the end of their holders, others stay", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  const brief = sh("echo 1 > brief");
  const [task, session, fresh, dirty, open] =
    await trees.review(brief, brief, brief, sh("echo two >> file"), sh("ls"));
  await trees.accept(task, session, fresh, dirty);
  for (const tree of [task, session, fresh]) rmSync(path.join(tree.path, "brief"));
  const old = `changed_ms = changed_ms - ${2 * 60 * 60 * 1000}`;
  await change(trees.turns, "UPDATE trees SET kept = 0",
    `UPDATE tasks SET ${old} WHERE task IN ('${task.holder}', '${dirty.holder}', '${open.holder}')`,
    // The holder of this one was deleted.
    `UPDATE trees SET kind = 'session', holder = 'ses_01arz3ndektsv4rrffq69g5fav', ${old}` +
      ` WHERE tree = '${session.id}'`);
  await until("two are gone", async () => (await trees.list("&state=gone")).length === 2);
  assert.deepEqual((await trees.list("&state=gone")).map(({ id }) => id).sort(),
    [task.id, session.id].sort());
  for (const tree of [task, session]) assert.ok(!existsSync(tree.path), tree.task);
  for (const tree of [fresh, dirty, open]) assert.ok(existsSync(tree.path), tree.task);
  assert.equal(trees.git("branch", "--list", "drover/*").split("\n").length, 3);
  // A holder that ends again has its tree looked at again.
  trees.git("-C", dirty.path, "checkout", "-q", ".");
  await change(trees.turns,
    `UPDATE trees SET changed_ms = changed_ms - ${4 * 60 * 60 * 1000} WHERE tree = '${dirty.id}'`);
  await until("it is gone", async () => (await trees.list("&state=gone")).length === 3);
  assert.ok(!existsSync(dirty.path));
  const du = JSON.parse((await trees.turns.daemon.cli(["du", "--json"])).stdout);
  const bytes = (await trees.list()).reduce((sum, { look }) => sum + look.bytes, 0);
  assert.deepEqual(du.worktrees, { count: 2, bytes, freed_by: "drover worktree prune" });
});

test("a session whose tree was removed gets it again, with ports that no other tree has", LIMIT,
  async (t) => {
    const trees = await Trees.open(t);
    const settings = { permissions: [{ permission: "allow" }] };
    await trees.ask("PATCH", "/projects/shop",
      { settings: { ...settings, worktree: { ports: 10, teardown: "echo gone >> ../torn" } } });
    const listen = (name) => trees.turns.listen(
      { root: trees.root, project: "shop", worktree: { name }, settings });
    const play = async (listener, line) => {
      const { end } = await trees.turns.turn(listener, script(sh(line), "step:", say("done")));
      assert.equal(end.state, "succeeded", JSON.stringify(end));
    };
    const where = path.join(trees.root, ".drover/worktrees");
    const ports = async () => Object.fromEntries(
      (await trees.list()).map((tree) => [tree.name, tree.ports]));
    const one = await listen("one");
    await play(one, "echo 1 > new.o");
    assert.deepEqual(await ports(), { one: "20000-20009" });
    await trees.run(["rm", "one"]);
    assert.ok(!existsSync(path.join(where, "one")), "ignored files are no work");
    assert.equal(readFileSync(path.join(where, "torn"), "utf8"), "gone\n");
    const two = await listen("two");
    await play(two, "ls");
    await play(one, 'echo "$DROVER_PORTS" > here');
    assert.deepEqual(await ports(), { one: "20010-20019", two: "20000-20009" });
    assert.equal(readFileSync(path.join(where, "one/here"), "utf8"), "20010-20019\n");
    const { stdout } = await trees.turns.daemon.cli(["worktree", "open", "one"],
      { env: { SHELL: "/usr/bin/env", DROVER_PORT: "1" } });
    const set = stdout.split("\n").filter((line) => /^DROVER_(PORT|WORKTREE)/.test(line));
    assert.deepEqual(set.sort(),
      ["DROVER_PORT=20010", "DROVER_PORTS=20010-20019", "DROVER_WORKTREE=one"]);
    // Open sessions keep their trees in a prune; archived ones, those with work alone.
    assert.deepEqual((await trees.ask("POST", "/worktrees/prune", {})).removed, []);
    for (const { session } of [one, two]) {
      await trees.ask("PATCH", `/sessions/${session}`, { archived: true });
    }
    const pruned = await trees.ask("POST", "/worktrees/prune", {});
    assert.deepEqual([pruned.removed, pruned.kept].map((rows) => rows.map(({ name }) => name)),
      [["two"], ["one"]]);
    assert.match(pruned.kept[0].why, /^one holds 1 file with uncommitted changes/);
    await trees.run(["rm", "one", "--force"]);
    assert.deepEqual(readdirSync(where).filter((name) => name !== ".gitignore"), ["torn"]);
    assert.equal(readFileSync(path.join(where, "torn"), "utf8"), "gone\n".repeat(3));
  });

for (const end of ["stop", "kill"]) {
  test(`a removal that the daemon's end cut off (${end}) is done by the next one`, LIMIT,
    async (t) => {
      const trees = await Trees.open(t, { args: ["--insecure-loopback", "--drain", "1"] });
      const [at, go] = ["at", "go"].map((name) => path.join(trees.turns.folder, name));
      const settings = { permissions: [{ permission: "allow" }] };
      await trees.ask("PATCH", "/projects/shop", { settings: { ...settings,
        worktree: { teardown: `touch ${at}; until [ -e ${go} ]; do sleep 0.02; done` } } });
      const listener = await trees.turns.listen(
        { root: trees.root, project: "shop", worktree: { name: "one" }, settings });
      await trees.turns.turn(listener, script(sh("ls"), "step:", say("done")));
      const [tree] = await trees.list();
      const cut = trees.turns.ask("DELETE", `/worktrees/${tree.id}`).catch(() => null);
      await until("it is torn down", () => existsSync(at));
      await trees.turns.daemon[end]();
      const answer = await cut;
      assert.ok(answer === null || answer.status === 503, JSON.stringify(answer));
      await trees.turns.daemon.start();
      assert.deepEqual((await trees.list()).map(({ id, state }) => [id, state]),
        [[tree.id, "ready"]]);
      writeFileSync(go, "");
      await trees.run(["rm", "one"]);
      assert.ok(!existsSync(tree.path));
      assert.deepEqual(await trees.list(), []);
    });
}

test("a bad tree spoils no list, and is removed by force alone", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  const [damaged, file, absent, fine] = await trees.review(sh("ls"), sh("ls"), sh("ls"), sh("ls"));
  writeFileSync(path.join(trees.root, ".git/worktrees", damaged.holder, "index"), "damage");
  rmSync(file.path, { recursive: true });
  writeFileSync(file.path, "not a folder");
  rmSync(absent.path, { recursive: true });
  const states = Object.fromEntries((await trees.list()).map(({ id, look }) => [id, look.state]));
  assert.deepEqual([damaged, file, absent, fine].map(({ id }) => states[id]),
    ["strange", "strange", "none", "whole"]);
  await trees.run(["rm", damaged.name], 5, /nobody knows what .* holds/);
  await trees.run(["rm", absent.name]);
  await trees.run(["rm", damaged.name, "--force"]);
  await trees.run(["rm", file.name, "--force"], 5, /something else stands/);
  assert.equal(readFileSync(file.path, "utf8"), "not a folder");
  assert.deepEqual((await trees.list()).map(({ id }) => id).sort(), [file.id, fine.id].sort());
});

test("bad requests, and tokens of other owners", LIMIT, async (t) => {
  const trees = await Trees.open(t);
  const [tree] = await trees.review(sh("ls"));
  const bad = [["GET", "/worktrees/tre_x", 404, "not_found"],
    ["GET", "/worktrees?state=lost", 400, "bad_query"],
    ["GET", "/worktrees/tre_00000000000000000000000000", 404, "not_found"],
    ["DELETE", "/worktrees/tre_00000000000000000000000000", 404, "not_found"],
    ["DELETE", `/worktrees/${tree.id}?force=maybe`, 400, "bad_query"],
    ["POST", "/worktrees/prune", 400, "unknown_field", { all: true }],
    ["POST", "/worktrees/prune", 400, "bad_field", { project: 7 }],
    ["GET", `/worktrees/${tree.id}/diff?path=../x`, 400, "bad_query"]];
  for (const [method, target, code, name, body] of bad) {
    const answer = await trees.turns.ask(method, target, body);
    assert.deepEqual([answer.status, answer.json.code], [code, name], `${method} ${target}`);
    assert.ok(answer.json.detail.length > 10, answer.text);
  }
  await trees.run(["show", "nothing"], 3, /there is no worktree|no .*'nothing'/);
  await trees.run(["rm"], 2);
  const tokens = [["read", "local", 403], ["read,run,approve", "other", 404]];
  for (const [scopes, owner, code] of tokens) {
    const made = JSON.parse((await trees.turns.daemon.cli(
      ["token", "create", "--scope", scopes, "--owner", owner, "--json"])).stdout);
    const headers = { authorization: `Bearer ${made.secret ?? made.token}` };
    const removal = await trees.turns.daemon.request("DELETE", `/api/v1/worktrees/${tree.id}`,
      { headers });
    assert.equal(removal.status, code, removal.text);
    const list = await trees.turns.daemon.request("GET", "/api/v1/worktrees", { headers });
    assert.equal(JSON.parse(list.text).items.length, owner === "local" ? 1 : 0);
  }
  assert.ok(existsSync(tree.path));
});
