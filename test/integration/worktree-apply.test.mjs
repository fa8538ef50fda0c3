// worktree-apply.test.mjs: what a working tree has changed is merged onto the project's folder: all
// of it or nothing, and never over what others did there.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync,
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
const lines = (count) => Array.from({ length: count }, (_, n) => `line ${n + 1}\n`).join("");

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
  static async open(t, files) {
    const forest = new Forest();
    forest.turns = await Turns.open(t);
    forest.root = realpathSync(forest.turns.root);
    forest.git("init", "-q", "-b", "main");
    for (const [name, content] of Object.entries(files)) forest.write(name, content);
    symlinkSync("a.txt", path.join(forest.root, "link"));
    forest.git("add", ".");
    forest.git(...ME, "commit", "-q", "-m", "first");
    forest.one = await forest.turns.listen(
      { root: forest.root, worktree: { name: "one" }, ...ALLOWED });
    forest.id = (await forest.turns.get(`/sessions/${forest.one.session}`)).worktree.id;
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

  read = (name) => readFileSync(path.join(this.root, name), "utf8");
  tree = (...rest) => path.join(this.root, ".drover/worktrees/one", ...rest);

  /** While files are exchanged, a name may be gone before it is read: nothing is known then. */
  now() {
    try {
      return contents(this.root);
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      return null;
    }
  }


  async play(...calls) {
    const { end } = await this.turns.turn(this.one, work(...calls));
    assert.equal(end.state, "succeeded", JSON.stringify(end));
  }

  ask = (body = {}) => this.turns.ask("POST", `/worktrees/${this.id}/apply`, body);
  async apply(body) {
    const answer = await this.ask(body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  async refused(body, status, code) {
    const before = this.now();
    const answer = await this.ask(body);
    assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.text);
    assert.deepEqual(this.now(), before);
    return answer.json.detail;
  }
}

const FILES = { "a.txt": lines(20), "gone.txt": "g\n", "old name.txt": lines(10), "run.sh": "#\n",
  "bin": "\0a", "no-end": "one" };
const CHANGES = [
  sh("sed -i s/^line.3$/three/ a.txt; git rm -q gone.txt; git mv 'old name.txt' 'new name.txt'"),
  sh("chmod +x run.sh; printf '\\0b' > bin; printf two > no-end; mkdir -p d/e; echo n > d/e/n"),
  sh("ln -sf run.sh link; git add -A; git -c user.name=a -c user.email=a@b commit -qm half"),
  sh("echo last >> a.txt; echo u > 'un\"tracked'"),
];

test("all changes of a tree are in the folder, and what stood there otherwise stays", LIMIT,
  async (t) => {
    const forest = await Forest.open(t, FILES);
    await forest.play(...CHANGES);
    const wanted = contents(forest.tree());
    // The folder has changes of its own: staged, not staged, new, in the same file.
    forest.write("mine.txt", "mine\n");
    forest.git("add", "mine.txt");
    forest.write("a.txt", forest.read("a.txt").replace("line 12\n", "twelve\n"));
    const head = forest.git("rev-parse", "HEAD"), index = forest.git("diff", "--cached");
    const before = forest.now();
    const preview = await forest.apply({ preview: true });
    assert.deepEqual([preview.state, preview.id, preview.root], ["preview", null, forest.root]);
    assert.deepEqual(preview.files.map(({ path: name }) => name).sort(), ["a.txt", "bin", "d/e/n",
      "gone.txt", "link", "new name.txt", "no-end", "old name.txt", "run.sh", "un\"tracked"]);
    assert.deepEqual(forest.now(), before, "a preview leaves all as it was");
    const done = await forest.apply();
    assert.equal(done.state, "applied");
    assert.deepEqual(done.files, preview.files);
    const merged = wanted.map(([name, mode, content]) =>
      [name, mode, name === "a.txt" ? content.replace("line 12\n", "twelve\n") : content]);
    assert.deepEqual(forest.now(), [...merged, ["mine.txt", false, "mine\n"]]
      .sort(([a], [b]) => (a < b ? -1 : 1)));
    assert.deepEqual([forest.git("rev-parse", "HEAD"), forest.git("diff", "--cached")],
      [head, index], "the repository is as it was");
    // Another time there is nothing to do; a change that comes later is applied alone.
    assert.deepEqual((await forest.apply()).files, []);
    await forest.play(sh("echo later > later.txt"));
    assert.deepEqual((await forest.apply()).files.map(({ path: name }) => name), ["later.txt"]);
  });

test("where both changed the same lines nothing happens, unless it is forced", LIMIT,
  async (t) => {
    const forest = await Forest.open(t, FILES);
    await forest.play(...CHANGES);
    forest.write("a.txt", forest.read("a.txt").replace("line 3\n", "drei\n"));
    rmSync(path.join(forest.root, "run.sh"));
    const { refused, files } = await forest.apply({ preview: true });
    assert.deepEqual(refused.map(({ path: name, why }) => [name, why]).sort(),
      [["a.txt", "changed"], ["run.sh", "changed"]]);
    assert.equal(files.some(({ path: name }) => name === "a.txt"), false);
    assert.match(await forest.refused({}, 409, "changed_since"),
      /^2 files were changed in the project's folder in the same place, too: a.txt and more;/);
    await forest.apply({ paths: ["bin", "d/e/n"] });
    assert.equal(forest.read("d/e/n"), "n\n");
    assert.equal(existsSync(path.join(forest.root, "gone.txt")), true);
    await forest.apply({ force: ["a.txt", "run.sh"] });
    assert.deepEqual(forest.now(), contents(forest.tree()));
  });

test("what cannot be applied is refused in words", LIMIT, async (t) => {
  const forest = await Forest.open(t, FILES);
  assert.match(await forest.refused({}, 409, "conflict"), /nobody has written in the working tree/);
  await forest.play(sh("echo x > x"));
  await forest.refused({ paths: [7] }, 400, "bad_field");
  await forest.refused({ path: "x" }, 400, "unknown_field");
  const other = await forest.turns.ask("POST", "/worktrees/tre_01aaaaaaaaaaaaaaaaaaaaaaaa/apply",
    {});
  assert.deepEqual([other.status, other.json.code], [404, "not_found"], other.text);
  // Some file is in the way of a folder.
  await forest.play(sh("mkdir way; echo w > way/w"));
  forest.write("way", "a file\n");
  assert.match(await forest.refused({ paths: ["way/w"] }, 409, "changed_since"), /way\/w/);
});

test("a program inside a run applies nothing, also of its own tree", LIMIT, async (t) => {
  const forest = await Forest.open(t, FILES);
  await forest.play(sh("echo x > x"));
  const before = forest.now();
  const { socket } = forest.turns.daemon;
  await forest.play(sh(`curl -s --unix-socket ${socket} -d '{}' ` +
    `-H 'content-type: application/json' http://x/api/v1/worktrees/${forest.id}/apply >said`));
  assert.equal(JSON.parse(readFileSync(forest.tree("said"), "utf8")).code, "inside_run");
  assert.deepEqual(forest.now(), before);
  // A person can: the file is no part of the refusal.
  assert.deepEqual((await forest.apply({ paths: ["x"] })).files.map(({ path: name }) => name),
    ["x"]);
});

test("a daemon that is killed while files are changed finishes it", LIMIT, async (t) => {
  const forest = await Forest.open(t, FILES);
  await forest.play(...CHANGES);
  const wanted = contents(forest.tree());
  // It is killed while the siblings of files stand there, if that can be met, else after it.
  const asked = forest.ask().catch(() => null);
  await until("the folder changes", async () => forest.read("a.txt").endsWith("last\n") ||
    readdirSync(forest.root).some((name) => name.startsWith(".drover-")));
  await forest.turns.daemon.kill();
  await asked;
  await forest.turns.daemon.start();
  await until("all is there", async () =>
    JSON.stringify(forest.now()) === JSON.stringify(wanted));
});


test("the changes of the session stay those of its tree", LIMIT, async (t) => {
  const forest = await Forest.open(t, FILES);
  await forest.play(sh("echo x > x"));
  const changes = () => forest.turns.get(`/sessions/${forest.one.session}/changes`);
  await forest.apply();
  await until("the point after it is there", async () => {
    const { items } = await forest.turns.get("/worktrees");
    return items.length === 1;
  });
  const { world, files } = await changes();
  assert.equal(world.path, forest.tree().replace(/\/$/, ""));
  assert.deepEqual(files.map((file) => file.path), ["x"]);
});
