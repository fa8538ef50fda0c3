// worktree-setup.test.mjs: what a new working tree begins with: its base, ignored files, setup,
// ports; and teardown.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync,
  realpathSync, rmSync, symlinkSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };
const ALLOWED = { settings: { permissions: [{ permission: "allow" }] } };
const ME = ["-c", "user.name=me", "-c", "user.email=me@localhost"];
const sh = (line) => call("run_command", { command: "sh", args: ["-c", line] });
const work = (...calls) => script(...calls.flatMap((line) => [line, "step:"]), say("done"));

/** Names, modes and contents of a folder. */
function contents(folder, below = "") {
  return readdirSync(path.join(folder, below)).sort().flatMap((entry) => {
    const name = path.join(below, entry), whole = path.join(folder, name);
    const of = lstatSync(whole);
    if (entry === ".git" || entry === ".drover") return [];
    if (of.isDirectory()) return contents(folder, name);
    if (of.isSymbolicLink()) return [[name, "link", readlinkSync(whole)]];
    return [[name, (of.mode & 0o111) !== 0, readFileSync(whole, "latin1")]];
  });
}

class Forest {
  static async open(t, worktree, files = { "a.txt": "one\n" }) {
    const forest = new Forest();
    forest.turns = await Turns.open(t);
    forest.root = realpathSync(forest.turns.root);
    forest.git("init", "-q", "-b", "main");
    for (const [name, content] of Object.entries(files)) forest.write(name, content);
    forest.git("add", ".");
    forest.git(...ME, "commit", "-q", "-m", "first");
    const made = await forest.turns.ask("POST", "/projects",
      { name: "shop", root: forest.root, settings: { worktree } });
    assert.equal(made.status, 201, made.text);
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
  read = (...names) => readFileSync(this.tree(...names), "utf8");
  listen = (worktree, more = {}) =>
    this.turns.listen({ root: this.root, project: "shop", worktree, ...ALLOWED, ...more });
  row = async (listener) => {
    const { worktree } = await this.turns.get(`/sessions/${listener.session}`);
    return this.turns.get(`/worktrees/${worktree.id}`);
  };

  /** A turn, and its end. */
  play = async (listener, ...calls) => (await this.turns.turn(listener, work(...calls))).end;
  async plays(listener, ...calls) {
    const end = await this.play(listener, ...calls);
    assert.equal(end.state, "succeeded", JSON.stringify(end));
  }
}

test("ignored files that .worktreeinclude names are in a new tree, and no others", LIMIT,
  async (t) => {
    const forest = await Forest.open(t, {}, { "a.txt": "one\n", ".gitignore": "*.env\nbig/\nout/\n",
      ".worktreeinclude": "*.env\n/big/\n/plain.txt\n" });
    forest.write("local.env", "KEY=1\n");
    forest.write("sub/a b\nc.env", "odd\n");
    forest.write("big/one", "1\n");
    forest.write("out/two", "2\n");
    forest.write("plain.txt", "not ignored\n");
    symlinkSync("../local.env", path.join(forest.root, "big/link.env"));
    const before = contents(forest.root);
    const one = await forest.listen({ name: "one" });
    await forest.plays(one, sh("true"));
    assert.deepEqual(contents(forest.tree("one")).map(([name]) => name), [".gitignore",
      ".worktreeinclude", "a.txt", "big/link.env", "big/one", "local.env", "sub/a b\nc.env"]);
    assert.equal(readlinkSync(forest.tree("one", "big/link.env")), "../local.env");
    assert.deepEqual(contents(forest.root), before);
    // What was copied is in the log of the job.
    const jobs = await forest.turns.get("/runs?kind=job");
    const job = jobs.items.find(({ label }) => label.startsWith("copy of ignored files"));
    const log = await forest.turns.ask("GET", `/jobs/${job.id}/logs`);
    assert.match(log.text, /big\/one/);
    assert.doesNotMatch(log.text, /out\/two/);
  });

test("a tree begins at a branch, at another tree's branch, or as the folder stands", LIMIT,
  async (t) => {
    const forest = await Forest.open(t, {},
      { "a.txt": "one\n", "b.txt": "b\n", "c.sh": "c\n", "gone.txt": "g\n", "bin": "\0\u0001x" });
    forest.git("branch", "old");
    forest.write("a.txt", "two\n");
    forest.git(...ME, "commit", "-qam", "second");
    const old = await forest.listen({ name: "from-old", base: "old" });
    await forest.plays(old, sh("cat a.txt > seen; git add seen; git -c user.name=a -c " +
      "user.email=a@localhost commit -qm seen"));
    assert.equal(forest.read("from-old", "seen"), "one\n");
    const other = await forest.listen({ name: "from-tree", base: "drover/from-old" });
    await forest.plays(other, sh("true"));
    assert.equal(forest.read("from-tree", "seen"), "one\n");
    assert.equal((await forest.row(other)).begin_at, "drover/from-old");
    // As it stands: staged, changed, new, deleted, another mode, bytes.
    forest.write("a.txt", "staged\n");
    forest.git("add", "a.txt");
    forest.write("b.txt", "changed, without an end");
    forest.write("new folder/n.txt", "new\n");
    forest.write("bin", "\0\u0002y");
    rmSync(path.join(forest.root, "gone.txt"));
    chmodSync(path.join(forest.root, "c.sh"), 0o755);
    const before = contents(forest.root), status = forest.git("status", "--porcelain");
    const now = await forest.listen({ name: "as-it-stands", base: "now" });
    await forest.plays(now, sh("true"));
    assert.deepEqual(contents(forest.tree("as-it-stands")), before);
    assert.deepEqual(contents(forest.root), before);
    assert.equal(forest.git("status", "--porcelain"), status);
  });

test("the project's setup runs before the first turn, and its failure is one of the turn", LIMIT,
  async (t) => {
    const line = "echo setting up; [ -e ../../../ready ] || exit 3; echo $DROVER_PORTS > set-up";
    const forest = await Forest.open(t, { setup: line, ports: 10 });
    const one = await forest.listen({ name: "one" });
    const failed = await forest.play(one, sh("pwd > ran"));
    assert.deepEqual([failed.state, failed.cause], ["failed", "no_worktree"]);
    assert.match(failed.note, /^its setup 'echo setting up;.* failed \(.*\): drover logs run_/);
    assert.equal(existsSync(forest.tree("one", "ran")), false);
    const { setup_run: run, state } = await forest.row(one);
    assert.equal(state, "failed");
    const log = await forest.turns.ask("GET", `/jobs/${run}/logs`);
    assert.match(log.text, /setting up/);
    writeFileSync(path.join(forest.root, "ready"), "");
    await forest.plays(one, sh("pwd > ran"));
    assert.equal(forest.read("one", "set-up"), "20000-20009\n");
    await forest.plays(one, sh("rm set-up"));
    assert.equal(existsSync(forest.tree("one", "set-up")), false, "a second turn sets nothing up");
    // One that is made again is set up again.
    rmSync(forest.tree("one"), { recursive: true });
    await forest.plays(one, sh("true"));
    assert.equal(forest.read("one", "set-up"), "20000-20009\n");
  });

test("each tree has a block of ports, in its commands", LIMIT, async (t) => {
  const forest = await Forest.open(t, { ports: 3, max: 4 });
  const trees = [];
  for (let i = 0; i < 4; i += 1) trees.push(await forest.listen({ name: `t${i}` }));
  const full = await forest.turns.ask("POST", "/sessions", { model: "scripted/demo",
    root: forest.root, project: "shop", worktree: true });
  assert.deepEqual([full.status, full.json.code], [429, "too_many"], full.text);
  assert.match(full.json.detail, /has 4 working trees already/);
  await forest.plays(trees[2], sh("echo $DROVER_PORT $DROVER_PORTS > ports"));
  assert.equal(forest.read("t2", "ports"), "20006 20006-20008\n");
  const rows = await Promise.all(trees.map(forest.row));
  assert.deepEqual(rows.map(({ ports }) => ports),
    ["20000-20002", "20003-20005", "20006-20008", "20009-20011"]);
});

test("a daemon that is killed during the setup waits for it", LIMIT, async (t) => {
  const forest = await Forest.open(t, { setup: "echo x >> ../../../runs; " +
    "while [ ! -e ../../../go ]; do sleep 0.05; done; echo done > set-up" });
  const one = await forest.listen({ name: "one" });
  const { run } = await forest.turns.send(one.session, work(sh("cat set-up > seen")));
  await until("the setup runs", async () => existsSync(path.join(forest.root, "runs")));
  await forest.turns.daemon.kill();
  await forest.turns.daemon.start();
  writeFileSync(path.join(forest.root, "go"), "");
  await until("the turn has ended", async () =>
    (await forest.turns.get(`/runs/${run}`)).state === "succeeded");
  assert.equal(forest.read("one", "seen"), "done\n");
  assert.equal(readFileSync(path.join(forest.root, "runs"), "utf8"), "x\n");
});

test("settings of trees that make no sense are refused", LIMIT, async (t) => {
  const forest = await Forest.open(t, {});
  for (const worktree of [{ ports: 101 }, { ports: -1 }, { max: 0 }, { setup: 1 }, { stup: "x" },
    [], { setup: "x".repeat(4097) }]) {
    const answer = await forest.turns.ask("PATCH", "/projects/shop", { settings: { worktree } });
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.json.detail, /"settings": "worktree": /);
  }
});
