// worktrees.test.mjs: sessions in git working trees of their own, and what happens where a tree is
// removed under them.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };
const ALLOWED = { settings: { permissions: [{ permission: "allow" }] } };
const ME = ["-c", "user.name=me", "-c", "user.email=me@localhost"];
const write = (file, content) => call("write_file", { path: file, content });
const sh = (line) => call("run_command", { command: "sh", args: ["-c", line] });
const work = (...calls) => script(...calls.flatMap((line) => [line, "step:"]), say("done"));

/** A daemon, and a repository with one commit. */
class Forest {
  static async open(t, more = {}) {
    const forest = new Forest();
    forest.turns = await Turns.open(t, more);
    forest.root = realpathSync(forest.turns.root);
    forest.git("init", "-q", "-b", "main");
    forest.write("src/file", "one\n");
    forest.git("add", ".");
    forest.git(...ME, "commit", "-q", "-m", "first");
    return forest;
  }

  git(...words) {
    const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
    return execFileSync("git", ["-C", this.root, ...words], { encoding: "utf8", env }).trim();
  }

  write(name, content) {
    mkdirSync(path.dirname(path.join(this.root, name)), { recursive: true });
    writeFileSync(path.join(this.root, name), content);
  }

  tree = (name, ...rest) => path.join(this.root, ".drover/worktrees", name, ...rest);
  listen = (worktree, more = {}) =>
    this.turns.listen({ root: this.root, worktree, ...ALLOWED, ...more });

  /** A turn that succeeds. */
  async play(listener, ...calls) {
    const { end } = await this.turns.turn(listener, work(...calls));
    assert.equal(end.state, "succeeded", JSON.stringify(end));
  }

  /** Everything in the folder of the project but its trees. */
  rootNow() {
    const below = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const whole = path.join(folder, entry.name);
      if (entry.name === ".git" || entry.name === ".drover") return [];
      return entry.isDirectory() ? below(whole) : [[whole, readFileSync(whole, "utf8")]];
    });
    return below(this.root);
  }

  session = (listener) => this.turns.get(`/sessions/${listener.session}`);
  async refused(body, status, code) {
    const answer = await this.turns.ask("POST", "/sessions",
      { model: "scripted/demo", root: this.root, ...body });
    assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.text);
    return answer.json.detail;
  }
}

test("a session works in a tree of its own, and not in the project's folder", LIMIT, async (t) => {
  const forest = await Forest.open(t);
  const before = forest.rootNow();
  const one = await forest.listen({ name: "fix-login" }, { root: path.join(forest.root, "src") });
  const two = await forest.listen(true);
  const made = await forest.session(one);
  assert.deepEqual(made.worktree, { id: made.id.replace("ses_", "tre_"), name: "fix-login",
    branch: "drover/fix-login", state: "planned" });
  assert.equal(made.root, forest.tree("fix-login", "src"));
  assert.equal(existsSync(forest.tree("fix-login")), false, "git makes it for the first turn");
  await forest.play(one, write("file", "two\n"),
    sh("pwd > where; git branch --show-current >> where"));
  await forest.play(two, sh("pwd > here"));
  assert.equal(readFileSync(forest.tree("fix-login", "src/file"), "utf8"), "two\n");
  assert.equal(readFileSync(forest.tree("fix-login", "src/where"), "utf8"),
    `${forest.tree("fix-login", "src")}\ndrover/fix-login\n`);
  const { worktree, project } = await forest.session(two);
  assert.match(worktree.name, /^s-[0-9a-z]{6}$/);
  assert.equal(readFileSync(forest.tree(worktree.name, "here"), "utf8"),
    `${forest.tree(worktree.name)}\n`);
  assert.deepEqual(forest.rootNow(), before);
  const { items } = await forest.turns.get(`/worktrees?project=${project}`);
  assert.deepEqual(items.map(({ name, kind, holder, state, base }) =>
    [name, kind, holder, state, base === forest.git("rev-parse", "main")]), [
    [worktree.name, "session", two.session, "ready", true],
    ["fix-login", "session", one.session, "ready", true]]);
});

test("what cannot be a tree is refused, and nothing is made", LIMIT, async (t) => {
  const forest = await Forest.open(t);
  await forest.listen({ name: "taken" });
  assert.match(await forest.refused({ worktree: { name: "taken" } }, 409, "conflict"),
    /the name taken is that of the working tree of ses_/);
  for (const name of ["Big", "run_x", "a..b", "x.lock", "-x", "a/b", "", "x".repeat(41)]) {
    await forest.refused({ worktree: { name } }, 400, "bad_field");
  }
  await forest.refused({ worktree: { base: "-x" } }, 400, "bad_field");
  await forest.refused({ worktree: { nmae: "x" } }, 400, "unknown_field");
  await forest.refused({ worktree: 7 }, 400, "bad_field");
  await forest.refused({ worktree: true, root: undefined }, 400, "bad_field");
  const plain = path.join(forest.turns.folder, "plain");
  mkdirSync(plain);
  assert.match(await forest.refused({ worktree: true, root: plain }, 404, "not_found"),
    /not in a git repository/);
  const { items } = await forest.turns.get("/worktrees");
  assert.deepEqual(items.map(({ name }) => name), ["taken"]);
});

test("a tree that is removed under its session is made again from its branch", LIMIT, async (t) => {
  const forest = await Forest.open(t);
  const one = await forest.listen({ name: "work" });
  await forest.play(one, write("made", "by me\n"), sh("git add . && git -c user.name=a -c " +
    "user.email=a@localhost commit -q -m second"));
  const before = forest.rootNow();
  rmSync(forest.tree("work"), { recursive: true });
  await forest.play(one, sh("cat made > again"));
  assert.equal(readFileSync(forest.tree("work", "again"), "utf8"), "by me\n");
  forest.git("worktree", "remove", "--force", forest.tree("work"));
  await forest.play(one, sh("cat made > third"));
  assert.equal(readFileSync(forest.tree("work", "third"), "utf8"), "by me\n");
  forest.git("worktree", "remove", "--force", forest.tree("work"));
  forest.git("branch", "-D", "drover/work");
  await forest.play(one, sh("ls > list"));
  assert.equal(readFileSync(forest.tree("work", "list"), "utf8"), "list\nsrc\n");
  assert.deepEqual(forest.rootNow(), before, "nothing ran in the project's folder");
});

test("where its tree cannot be made, a turn fails, and runs nowhere else", LIMIT, async (t) => {
  const forest = await Forest.open(t);
  const one = await forest.listen({ name: "work" });
  const lost = await forest.listen({ name: "lost", base: "no-such-branch" });
  const before = forest.rootNow();
  await forest.play(one, sh("true"));
  rmSync(forest.tree("work"), { recursive: true });
  writeFileSync(forest.tree("work"), "a file\n");
  const { end } = await forest.turns.turn(one, work(write("made", "x\n"), sh("pwd > where")));
  assert.deepEqual([end.state, end.cause], ["failed", "no_worktree"], JSON.stringify(end));
  assert.match(end.note, /something else stands where its working tree would be/);
  const { worktree } = await forest.session(one);
  assert.equal(worktree.state, "failed");
  assert.match((await forest.turns.get(`/worktrees/${worktree.id}`)).detail, /something else/);
  rmSync(forest.tree("work"));
  await forest.play(one, write("made", "x\n"));
  assert.equal(readFileSync(forest.tree("work", "made"), "utf8"), "x\n");
  assert.equal((await forest.session(one)).worktree.state, "ready");
  const failed = await forest.turns.turn(lost, work(sh("pwd > where")));
  assert.deepEqual([failed.end.state, failed.end.cause], ["failed", "no_worktree"]);
  assert.match(failed.end.note, /no-such-branch|Needed a single revision|fatal/);
  assert.deepEqual(forest.rootNow(), before);
});

test("a daemon that is killed while git makes the tree goes on with it", LIMIT, async (t) => {
  const forest = await Forest.open(t);
  // A filter that waits: git is still writing when the daemon ends.
  forest.git("config", "filter.slow.smudge", "sh -c 'while [ ! -e " +
    `${forest.turns.folder}/go ]; do sleep 0.05; done; cat'`);
  forest.write(".gitattributes", "* filter=slow\n");
  forest.git("add", ".");
  forest.git(...ME, "commit", "-q", "-m", "slow");
  const one = await forest.listen({ name: "slow" });
  const { run } = await forest.turns.send(one.session, work(write("made", "x\n")));
  await until("git is at it", async () => existsSync(forest.tree("slow", ".git")));
  const { worktree } = await forest.session(one);
  assert.equal(worktree.state, "planned", "the page of the session answers meanwhile");
  await forest.turns.daemon.kill();
  await forest.turns.daemon.start();
  writeFileSync(path.join(forest.turns.folder, "go"), "");
  await until("the turn has ended", async () =>
    (await forest.turns.get(`/runs/${run}`)).state === "succeeded");
  assert.equal(readFileSync(forest.tree("slow", "made"), "utf8"), "x\n");
});

test("a turn is stopped while its tree is made", LIMIT, async (t) => {
  const forest = await Forest.open(t);
  forest.git("config", "filter.slow.smudge", "sh -c 'while [ ! -e " +
    `${forest.turns.folder}/go ]; do sleep 0.05; done; cat'`);
  forest.write(".gitattributes", "* filter=slow\n");
  forest.git("add", ".");
  forest.git(...ME, "commit", "-q", "-m", "slow");
  const one = await forest.listen({ name: "slow" });
  const { run } = await forest.turns.send(one.session, work(write("made", "x\n")));
  await until("git is at it", async () => existsSync(forest.tree("slow", ".git")));
  const stopped = await forest.turns.ask("POST", `/runs/${run}/stop`, {});
  assert.equal(stopped.status, 200, stopped.text);
  assert.equal((await one.ended(run)).state, "cancelled");
  writeFileSync(path.join(forest.turns.folder, "go"), "");
  await forest.play(one, write("made", "y\n"));
  assert.equal(readFileSync(forest.tree("slow", "made"), "utf8"), "y\n");
});
