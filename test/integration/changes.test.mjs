// changes.test.mjs: the files that agents changed, and who did it: lists, diffs, marks.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync,
  statSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { onTerminal } from "./jobs-cli.mjs";
import { plainEnv, run } from "./lib.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, toolsOf, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };
const ALLOWED = { settings: { permissions: [{ permission: "allow" }] } };
const NO_SETTINGS = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
const ME = ["-c", "user.name=me", "-c", "user.email=me@localhost"];
const git = (folder, words, options = {}) => execFileSync("git", ["-C", folder, ...words],
  { encoding: "utf8", env: { ...process.env, ...NO_SETTINGS }, stdio: "pipe", ...options });

const sh = (line) => call("run_command", { command: "sh", args: ["-c", line] });
const write = (file, content) => call("write_file", { path: file, content });
const edit = (file, old, fresh) =>
  call("edit_file", { path: file, old_text: old, new_text: fresh });
/** Each call in an answer of its own. */
const work = (...lines) => script(...lines.flatMap((line) => [line, "step:"]), say("done"));
const lines = (count) => Array.from({ length: count }, (_, n) => `line ${n + 1}\n`).join("");

/** A folder in which sessions work, and what it was at the begin. */
class World {
  static async open(t, { files = {}, repository = true, ...more } = {}) {
    const world = new World();
    world.turns = await Turns.open(t, more);
    world.root = realpathSync(world.turns.root);
    for (const [name, content] of Object.entries(files)) world.write(name, content);
    if (repository) {
      git(world.root, ["init", "-q", "-b", "main"]);
      git(world.root, ["add", "."]);
      git(world.root, [...ME, "commit", "-q", "--allow-empty", "-m", "first"]);
    }
    return world;
  }

  write(name, content) {
    mkdirSync(path.dirname(path.join(this.root, name)), { recursive: true });
    writeFileSync(path.join(this.root, name), content);
  }

  /** A copy of the folder as it is now. */
  copy(name) {
    const copy = path.join(this.turns.folder, name);
    cpSync(this.root, copy, { recursive: true });
    return copy;
  }

  /** A pipe that a command of a test waits for. */
  pipe() {
    const pipe = path.join(this.turns.folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    return pipe;
  }

  listen = (title) => this.turns.listen({ root: this.root, title, ...ALLOWED });

  /** The list of changes when the turn's own last point is there. */
  async settled(of, query = "") {
    let list;
    await until(`${of} has its last point`, async () => {
      list = await this.turns.get(`/${of}/changes${query}`);
      return list.to?.phase === "end" && list.to.id !== this.seen;
    });
    this.seen = list.to.id;
    return list;
  }

  /** Plays a turn, and lists the changes of its session. */
  async play(listener, ...calls) {
    const { end } = await this.turns.turn(listener, work(...calls));
    assert.equal(end.state, "succeeded", JSON.stringify(end));
    return this.settled(`sessions/${listener.session}`);
  }

  diff = async (of, query = "") =>
    (await this.turns.ask("GET", `/${of}/diff${query}`)).text;

  cli = (...words) => this.turns.daemon.cli(words, { cwd: this.root, env: { COLUMNS: "200" } });
}

/** What a row says: its operation and path, who wrote it, and how sure that is. */
const row = ({ operation, path: name, old_path: old, added, removed, status, by }) =>
  [operation, old ? `${old} → ${name}` : name, added, removed, status,
    by.map((author) => author.session ?? author.run ?? author.name).join(" ")];
const rows = ({ files }) => files.map(row);
const authors = ({ files }) =>
  Object.fromEntries(files.map((file) => [file.path, row(file).slice(4).join(" ")]));

/** Names, modes and contents of all files outside of .git. */
function contents(folder, below = "") {
  return readdirSync(path.join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(below, entry.name);
    if (entry.name === ".git") return [];
    if (entry.isDirectory()) return contents(folder, name);
    const whole = path.join(folder, name);
    return [[name, statSync(whole).mode & 0o111, readFileSync(whole, "latin1")]];
  }).sort(([a], [b]) => (a < b ? -1 : 1));
}

const FILES = {
  "src/edit.txt": lines(20), "src/sed.txt": lines(20), "gone.txt": lines(3),
  "old name.txt": lines(30), "run.sh": "#!/bin/sh\n", "kept.txt": "kept\n", "no-end.txt": "one",
};
const CALLS = [
  edit("src/edit.txt", "line 7\n", "seven\nand more\n"),
  sh("sed -i s/^line.9$/nine/ src/sed.txt"),
  write("docs/new file.txt", "new\n"),
  call("delete_file", { path: "gone.txt" }),
  sh("mv 'old name.txt' 'new näme.txt'; chmod +x run.sh; : >empty.txt"),
  sh("printf 'one\\ntwo' >no-end.txt; printf 'a\\000b' >bytes.bin"),
];

test("a session's changes are listed with their author, and the diff makes them again", LIMIT,
  async (t) => {
    const world = await World.open(t, { files: FILES });
    const before = world.copy("before"), applied = world.copy("applied");
    const listener = await world.listen("Release notes");
    const { session } = listener;
    const list = await world.play(listener, ...CALLS);
    assert.deepEqual(rows(list), [
      ["create", "bytes.bin", 0, 0, "exact", session],
      ["create", "docs/new file.txt", 1, 0, "exact", session],
      ["create", "empty.txt", 0, 0, "exact", session],
      ["delete", "gone.txt", 0, 3, "exact", session],
      ["rename", "old name.txt → new näme.txt", 0, 0, "exact", session],
      ["edit", "no-end.txt", 2, 1, "exact", session],
      ["mode", "run.sh", 0, 0, "exact", session],
      ["edit", "src/edit.txt", 2, 1, "exact", session],
      ["edit", "src/sed.txt", 1, 1, "exact", session],
    ].sort(([, a], [, b]) => (a.split(" → ").at(-1) < b.split(" → ").at(-1) ? -1 : 1)));
    assert.deepEqual(list.totals, { files: 9, added: 6, removed: 6 });
    assert.deepEqual([list.world.path, list.world.kind, list.world.state],
      [world.root, "git", "ready"]);
    assert.deepEqual([list.from.phase, list.next, list.left_out], ["begin", null, []]);
    const mode = list.files.find((file) => file.path === "run.sh");
    assert.deepEqual([mode.mode_before, mode.mode_after], ["100644", "100755"]);
    assert.deepEqual(list.files.filter((file) => file.binary).map((file) => file.path),
      ["bytes.bin"]);

    const diff = await world.turns.ask("GET", `/sessions/${session}/diff`);
    assert.equal(diff.headers["content-type"], "text/x-diff; charset=utf-8");
    git(before, ["apply", "--check"], { input: diff.text });
    git(before, ["apply"], { input: diff.text });
    assert.deepEqual(contents(before), contents(world.root));

    // The command prints the same, byte by byte, and says whose it is.
    const printed = await world.cli("diff");
    assert.equal(printed.stdout, diff.text);
    assert.match(printed.stderr, /^drover: changes of the session ses_\w+ \(Release notes\)\n$/);
    git(applied, ["apply"], { input: printed.stdout });
    assert.deepEqual(contents(applied), contents(world.root));
    const one = await world.cli("diff", session, "src/sed.txt");
    assert.match(one.stdout, /^diff --git a\/src\/sed.txt b\/src\/sed.txt\n/);
    assert.equal(one.stdout.match(/^diff /gm).length, 1);
    assert.equal((await world.cli("diff", "src/sed.txt")).stdout, one.stdout);

    const table = await world.cli("changes");
    const cells = table.stdout.split("\n").map((text) => text.trim().split(/ {2,}/));
    assert.deepEqual(cells.slice(0, 6), [
      ["OP", "PATH", "ADDED", "REMOVED", "BY", "VIEWED"],
      ["create", "bytes.bin", "-", "-", "Release notes", "no"],
      ["create", "docs/new file.txt", "+1", "−0", "Release notes", "no"],
      ["create", "empty.txt", "+0", "−0", "Release notes", "no"],
      ["delete", "gone.txt", "+0", "−3", "Release notes", "no"],
      ["rename", "old name.txt → new näme.txt", "+0", "−0", "Release notes", "no"],
    ]);
    assert.match(table.stdout, /\nmode +run\.sh \(100644 → 100755\) +\+0 +−0 /);
    assert.match(table.stdout, /\n9 files, \+6 −6\n$/);
    const json = JSON.parse((await world.cli("changes", "--json")).stdout);
    assert.deepEqual(json.files.map((file) => file.path), list.files.map((file) => file.path));
  });

test("pages have all files once, and the command prints them all with --all", LIMIT, async (t) => {
  const world = await World.open(t);
  const listener = await world.listen("Many");
  const list = await world.play(listener,
    sh("for n in $(seq 1000 1600); do echo $n >f$n; done"));
  assert.deepEqual([list.files.length, list.next], [500, "f1499"]);
  assert.deepEqual(list.totals, { files: 601, added: 601, removed: 0 });
  const paths = [];
  for (let after = ""; after !== null;) {
    const page = await world.turns.get(
      `/sessions/${listener.session}/changes?limit=250&after=${after}`);
    paths.push(...page.files.map((file) => file.path));
    after = page.next;
  }
  assert.deepEqual(paths, Array.from({ length: 601 }, (_, n) => `f${1000 + n}`));
  const cut = await world.cli("changes");
  assert.match(cut.stderr, /the first 500 files; --all prints the others/);
  assert.equal(cut.stdout.match(/^create /gm).length, 500);
  const whole = await world.cli("changes", "--all");
  assert.equal(whole.stdout.match(/^create /gm).length, 601);
  assert.ok(!whole.stderr.includes("--all"));
  const { stdout } = await world.cli("changes", "--json");
  assert.deepEqual(JSON.parse(stdout).files.map((file) => file.path), paths);
});

test("a person's edit between two turns is of nobody that is known", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n", "b.txt": "one\n" } });
  const listener = await world.listen("Mine");
  const { session } = listener;
  await world.play(listener, edit("a.txt", "one\n", "two\n"));
  world.write("b.txt", "by hand\n");
  world.write("both.txt", "by hand\n");
  const list = await world.play(listener, sh("echo agent >>both.txt"));
  assert.deepEqual(authors(list),
    { "a.txt": `exact ${session}`, "b.txt": "unknown ", "both.txt": `unknown ${session}` });
  const { stdout } = await world.cli("changes", session);
  assert.match(stdout, /\nedit +b\.txt +\+1 +−1 +unknown /);
  assert.match(stdout, /\ncreate +both\.txt +\+2 +−0 +Mine, unknown /);

  // From the second turn on, also after a restart: the work of the hand came before its begin.
  const second = [["edit", "both.txt", 1, 0, "exact", session]];
  assert.deepEqual(rows(await world.turns.get(`/sessions/${session}/changes?base=turn:2`)), second);
  await world.turns.daemon.stop();
  await world.turns.daemon.start();
  assert.deepEqual(rows(await world.turns.get(`/sessions/${session}/changes?base=turn:2`)), second);
  assert.deepEqual(authors(await world.turns.get(`/sessions/${session}/changes`)), authors(list));
  const point = await world.turns.get(`/sessions/${session}/changes?base=point:${list.from.id}`);
  assert.deepEqual(rows(point), rows(list));
  const diff = await world.diff(`sessions/${session}`, "?base=turn:2");
  assert.equal((await world.cli("diff", session, "--base", "turn:2")).stdout, diff);
  assert.match(diff, /^\+agent$/m);
  assert.ok(!/^\+by hand$/m.test(diff));
});

test("two sessions in one folder: an edit is its session's, the rest is the open shell's", LIMIT,
  async (t) => {
    const world = await World.open(t, { files: { "b.txt": "one\n" } });
    const shell = await world.listen("Shell"), editor = await world.listen("Editor");
    const pipe = world.pipe(), seen = path.join(world.turns.folder, "seen");
    const { run: turn } = await world.turns.send(shell.session,
      work(sh(`echo 1 >s1.txt; : >${seen}; read line <${pipe}; echo 2 >s2.txt`)));
    await until("the shell is open", () => readdirSync(world.turns.folder).includes("seen"));
    await world.play(editor, edit("b.txt", "one\n", "two\n"));
    writeFileSync(pipe, "go on\n");
    await shell.ended(turn);
    const list = await world.settled(`sessions/${shell.session}`);
    assert.deepEqual(authors(list), {
      "b.txt": `exact ${editor.session}`,
      "s1.txt": `exact ${shell.session}`,
      "s2.txt": `exact ${shell.session}`,
    });
  });

test("what several open shells may have written is shared, with all their names", LIMIT,
  async (t) => {
    const world = await World.open(t, { files: { "a.txt": "one\n" } });
    const one = await world.listen("One"), two = await world.listen("Two");
    const pipe = world.pipe(), seen = path.join(world.turns.folder, "seen");
    const { run: turn } = await world.turns.send(one.session,
      work(sh(`: >${seen}; read line <${pipe}`)));
    await until("the shell is open", () => readdirSync(world.turns.folder).includes("seen"));
    await world.play(two, sh("echo two >a.txt"));
    writeFileSync(pipe, "go on\n");
    await one.ended(turn);
    const list = await world.settled(`sessions/${one.session}`);
    const [file] = list.files;
    assert.deepEqual([list.files.length, file.status], [1, "shared"]);
    assert.deepEqual(file.by.map((author) => author.session).sort(),
      [one.session, two.session].sort());
    const { stdout } = await world.cli("changes", one.session);
    assert.match(stdout, /(One, Two|Two, One) \(shared\)/);
  });

test("a mark counts while the content is the one that was viewed", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n", "b.txt": "one\n" } });
  const listener = await world.listen("Marks");
  const of = `sessions/${listener.session}`;
  const { files } = await world.play(listener, sh("echo two >a.txt; rm b.txt"));
  const mark = (name, viewed) => world.turns.ask("PUT", `/${of}/viewed`,
    { path: name, viewed, after: files.find((file) => file.path === name).after ?? "" });
  const viewed = async (query = "") => Object.fromEntries((await world.turns.get(
    `/${of}/changes${query}`)).files.map((file) => [file.path, file.viewed]));
  assert.deepEqual(await viewed(), { "a.txt": "no", "b.txt": "no" });
  assert.deepEqual((await mark("a.txt", true)).json, { path: "a.txt", viewed: true });
  await mark("b.txt", true);
  assert.deepEqual(await viewed(), { "a.txt": "yes", "b.txt": "yes" });
  assert.deepEqual(await viewed("?since=viewed"), {});
  assert.match((await world.cli("changes", "--since", "viewed")).stdout, /^0 files not viewed/);
  await world.turns.daemon.stop();
  await world.turns.daemon.start();
  const again = await world.turns.listen({ root: world.root, ...ALLOWED });
  await world.play(again, sh("echo three >a.txt"));
  const both = await world.turns.get(`/sessions/${again.session}/changes`);
  assert.equal(both.files[0].viewed, "changed", "marks are of the folder, not of the session");
  await world.turns.ask("PUT", `/${of}/viewed`, { path: "b.txt", viewed: false });
  assert.deepEqual(await viewed(), { "a.txt": "yes", "b.txt": "no" });
});

test("the diff since a file was viewed has what came after that", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": lines(9), "b.txt": "one\n" } });
  const listener = await world.listen("Looks");
  const of = `sessions/${listener.session}`;
  const view = async (name) => {
    const { files } = await world.turns.get(`/${of}/changes`);
    const { after } = files.find((file) => file.path === name);
    await world.turns.ask("PUT", `/${of}/viewed`, { path: name, viewed: true, after: after ?? "" });
  };
  const since = (name) => world.diff(of, `?path=${name}&since=viewed`);
  const signed = (diff) => diff.split("\n").filter((line) => /^[-+]/.test(line));
  await world.play(listener, sh("sed -i s/^line.2$/two/ a.txt; rm b.txt; echo new >c.txt"));
  assert.equal(await since("a.txt"), await world.diff(of, "?path=a.txt"), "it was not viewed");
  for (const name of ["a.txt", "b.txt", "c.txt"]) await view(name);
  assert.equal(await since("a.txt"), "", "nothing came after");
  const before = world.copy("before");
  await world.play(listener, sh("sed -i s/^line.8$/eight/ a.txt; echo back >b.txt; rm c.txt"));
  const a = await since("a.txt"), b = await since("b.txt"), c = await since("c.txt");
  assert.deepEqual(signed(a), ["--- a/a.txt", "+++ b/a.txt", "-line 8", "+eight"]);
  assert.deepEqual(signed(b), ["--- /dev/null", "+++ b/b.txt", "+back"]);
  assert.deepEqual(signed(c), ["--- a/c.txt", "+++ /dev/null", "-new"]);
  git(before, ["apply", "-"], { input: a + b + c });
  assert.deepEqual(contents(before), contents(world.root));
  const [line] = signed(await world.diff(of, "?path=a.txt")).slice(2);
  assert.equal(line, "-line 2", "without since, the diff is whole");
});

test("ignored and secret files are recorded where somebody says so", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n",
    ".gitignore": "*.env\nout/\nlocal/\n", ".worktreeinclude": "local/\n" } });
  const made = await world.turns.ask("POST", "/projects", { name: "held", root: world.root,
    settings: { capture: ["*.env", "out/kept/*"] } });
  assert.equal(made.status, 201, made.text);
  const one = await world.turns.listen(
    { root: world.root, title: "One", project: "held", ...ALLOWED });
  const list = await world.play(one, sh("echo KEY=1 >a.env; mkdir -p out/kept local; " +
    "echo k >out/kept/k; echo n >out/no; echo l >local/l; echo t >my.pem"));
  assert.deepEqual(list.files.map((file) => file.path).sort(),
    ["a.env", "local/l", "out/kept/k"]);
  assert.deepEqual(list.left_out.map((row) => [row.path, row.why]), [["my.pem", "secret"]]);
  const id = one.session;
  assert.match(await world.diff(`sessions/${id}`, "?path=a.env"), /^\+KEY=1$/m);
  for (const capture of ["x", [""], ["/x"], [7], ["x".repeat(201)], Array(65).fill("x")]) {
    const { status, json } = await world.turns.ask("PATCH", "/projects/held",
      { settings: { capture } });
    assert.deepEqual([status, json.code], [400, "bad_field"]);
    assert.match(json.detail, /"settings": "capture" must be a list of at most 64 patterns/);
  }
});

test("the stream of a session says how much each point differs by", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": lines(4) } });
  const one = await world.listen("One");
  await world.play(one, edit("a.txt", "line 2\n", "2\nand more\n"),
    sh("echo new >new.txt; rm a.txt"));
  const { events } = await world.turns.get(`/streams/session:${one.session}/events?after=0`);
  assert.deepEqual(events.filter(({ type }) => type === "changes_changed")
    .map(({ data: { files, added, removed } }) => [files, added, removed]),
  [[1, 2, 1], [2, 1, 5]]);
});

test("each line of a file has its author, or nobody", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": lines(4) } });
  const one = await world.listen("One"), two = await world.listen("Two");
  const blame = (of, name) => world.turns.get(`/${of}/blame?path=${encodeURIComponent(name)}`);
  await world.play(one, edit("a.txt", "line 2\n", "second\n"));
  await world.play(two, sh("sed -i s/^line.4$/fourth/ a.txt && mv a.txt 'b b.txt'"));
  world.write("b b.txt", readFileSync(path.join(world.root, "b b.txt"), "utf8") + "by hand\n");
  const list = await world.play(one, sh("echo last >>'b b.txt'"));
  const answer = await blame(`sessions/${one.session}`, "b b.txt");
  assert.deepEqual([answer.path, answer.binary], ["b b.txt", false]);
  assert.deepEqual(answer.lines.map(({ by }) => by?.name ?? null),
    [null, "One", null, "Two", null, "One"]);
  assert.deepEqual(answer.lines.map(({ text }) => text),
    ["line 1", "second", "line 3", "fourth", "by hand", "last"]);
  const { stdout } = await world.turns.daemon.cli(["blame", one.session, "b b.txt"]);
  assert.deepEqual(stdout.trimEnd().split("\n").map((line) => line.replace(/ +/g, " ")
    .replace(/(now|\d+ s ago) /, "").trim()), ["1 line 1", "One 2 second", "3 line 3",
    "Two 4 fourth", "5 by hand", "One 6 last"]);
  const turns = answer.lines.map((line) => line.run);
  assert.equal(new Set(turns).size, 4, "each turn is a run of its own, also of one session");
  assert.equal(turns[1], answer.lines[1].by.run);
  for (const { by, run: turn, at_ms: at } of answer.lines) {
    assert.equal(turn === null, by === null);
    assert.ok(at === null ? by === null : at > list.from.at_ms && at <= list.to.at_ms);
  }
  assert.deepEqual(answer.lines.map((line) => line.at_ms !== null),
    [false, true, false, true, true, true], "a line by hand has a time, and no author");
  const second = await blame(`runs/${turns[3]}`, "b b.txt");
  assert.deepEqual(second.lines.map((line) => line.run), [null, null, null, turns[3]]);
});

test("a deleted session takes the contents with it that nothing else holds", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const gone = await world.listen("Gone"), stays = await world.listen("Stays");
  await world.play(gone, edit("a.txt", "one\n", "only here\n"),
    edit("a.txt", "only here\n", "two\n"));
  await world.play(stays, edit("a.txt", "two\n", "three\n"));
  const folder = path.join(world.turns.daemon.data, "changes");
  const [shadow] = readdirSync(folder).map((name) => path.join(folder, name))
    .filter((name) => existsSync(path.join(name, "objects")));
  const hash = git(world.root, ["hash-object", "--stdin"], { input: "only here\n" }).trim();
  const holds = () =>
    spawnSync("git", ["--git-dir", shadow, "cat-file", "-e", hash]).status === 0;
  const diff = await world.diff(`sessions/${stays.session}`);
  assert.match(diff, /three/);
  assert.ok(holds());
  const { status } = await world.turns.ask("DELETE", `/sessions/${gone.session}`);
  assert.ok(status < 300, `${status}`);
  await until("the content is deleted", () => !holds());
  assert.equal(await world.diff(`sessions/${stays.session}`), diff);
});

test("a folder without a repository has changes, too, and ignored files have none", LIMIT,
  async (t) => {
    const world = await World.open(t, { repository: false,
      files: { "a.txt": "one\n", ".gitignore": "out/\n" } });
    const listener = await world.listen("Plain");
    const list = await world.play(listener, edit("a.txt", "one\n", "two\n"),
      sh("mkdir out; echo x >out/x; echo KEY=1 >.env; mkdir sub; git init -q sub; echo y >sub/y"));
    assert.deepEqual(rows(list), [["edit", "a.txt", 1, 1, "exact", listener.session]]);
    assert.equal(list.world.kind, "plain");
    assert.deepEqual(list.left_out,
      [{ path: ".env", why: "secret" }, { path: "sub", why: "nested" }]);
    const { stderr } = await world.cli("changes");
    assert.match(stderr, /left out: \.env: may hold a secret/);
    assert.match(stderr, /left out: sub: a repository of its own/);
    assert.ok(!(await world.diff(`sessions/${listener.session}`)).includes("KEY"));
  });

test("a home folder without a repository has no points", LIMIT, async (t) => {
  const world = await World.open(t, { repository: false, files: { "a.txt": "one\n" } });
  const { daemon } = world.turns;
  await daemon.kill();
  daemon.env = { ...daemon.env, HOME: world.root };
  await daemon.start();
  const listener = await world.listen("Home");
  await world.turns.turn(listener, work(edit("a.txt", "one\n", "two\n")));
  const list = await world.turns.get(`/sessions/${listener.session}/changes`);
  assert.deepEqual([list.world, list.files], [null, []]);
});

test("a run has the changes of its turn alone, and a task those of its attempt", LIMIT,
  async (t) => {
    const world = await World.open(t, { files: { "a.txt": "one\n" } });
    const listener = await world.listen("Turns");
    await world.play(listener, sh("echo two >a.txt"));
    const { run: second } = await world.turns.turn(listener, work(write("b.txt", "b\n")));
    const list = await world.settled(`runs/${second}`);
    assert.deepEqual(rows(list), [["create", "b.txt", 1, 0, "exact", listener.session]]);
    const named = await world.cli("changes", second);
    assert.match(named.stdout, /\ncreate +b\.txt +\+1 +−0 +Turns +no\n1 file, \+1 −0\n$/);
    const unknown = await world.turns.ask("GET", `/runs/${second}/changes?base=turn:1`);
    assert.equal(unknown.status, 404);

    const made = await world.turns.ask("POST", "/projects", { name: "shop", root: world.root,
      model: "scripted/demo", board: { agents: [{ name: "smith" }] }, ...ALLOWED });
    assert.equal(made.status, 201, made.text);
    const status = (to) => call("task_status", { status: to });
    const output = call("task_output", { type: "document", title: "t", content: "c" });
    await world.turns.ask("POST", "/projects/shop/tasks", { title: "Write c",
      description: work(status("working"), write("c.txt", "c\n"), output, status("review")) });
    let task;
    await until("the task is in review", async () =>
      (task = await world.turns.get("/projects/shop/tasks/T-1")).status === "review");
    const at = "projects/shop/tasks/T-1";
    assert.deepEqual(rows(await world.settled(at)),
      [["create", "c.txt", 1, 0, "exact", task.session]]);
    assert.match(await world.diff(at), /^diff --git a\/c\.txt b\/c\.txt\nnew file/);
    const { stdout, stderr } = await world.cli("changes", task.id);
    assert.match(stdout, /\ncreate +c\.txt +\+1 +−0 /, stderr);
    assert.equal((await world.cli("diff", task.id)).stdout, await world.diff(at));
    const outside = await world.turns.ask("GET", `/${at}/diff?path=../x`);
    assert.equal(outside.status, 400, outside.text);
  });

test("a workflow's changes are those of its agents", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const agent = JSON.stringify(work(edit("a.txt", "one\n", "two\n"), write("b.txt", "b\n")));
  world.write(".drover/workflows/two.js",
    `export const meta = {name: "two", description: "two files"};\n` +
    `return await agent(${agent});\n`);
  const started = await world.cli("run", "two", "--model", "scripted/demo", "--json");
  assert.equal(started.code, 0, started.stderr);
  const { items: [top] } = await world.turns.get("/runs?top=1");
  const list = await world.settled(`runs/${top.id}`);
  assert.deepEqual(list.files.map((file) => [file.operation, file.path, file.status]),
    [["edit", "a.txt", "exact"], ["create", "b.txt", "exact"]]);
  // No session works in the folder: the newest run there is meant.
  const { stdout, stderr } = await world.cli("changes");
  assert.match(stderr, new RegExp(`^drover: changes of the run ${top.id.slice(0, 16)}`));
  assert.match(stdout, /\n2 files, \+2 −1\n$/);
  assert.equal((await world.cli("diff")).stdout, await world.diff(`runs/${top.id}`));
});

test("a job in the folder is the author of what it writes", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const listener = await world.listen("Talk");
  await world.play(listener, edit("a.txt", "one\n", "two\n"));
  const pipe = world.pipe();
  const made = await world.turns.ask("POST", "/jobs", { cwd: world.root, label: "nightly",
    argv: ["sh", "-c", `read line <${pipe}; echo j >j.txt`] });
  assert.equal(made.status, 201, made.text);
  const { id } = made.json;
  let list;
  const reached = (phase) => until(`the job has its point ${phase}`, async () => {
    list = await world.turns.get(`/runs/${id}/changes`);
    return list.to?.phase === phase;
  });
  await reached("before");
  writeFileSync(pipe, "go on\n");
  await world.turns.jobEnd(id);
  await reached("after");
  assert.deepEqual(rows(list), [["create", "j.txt", 1, 0, "exact", id]]);
});

test("what was written by hand before a job is not the job's", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const listener = await world.listen("Talk");
  const { session } = listener;
  await world.play(listener, sh("echo two >a.txt"));
  world.write("hand.txt", "by hand\n");
  const made = await world.turns.ask("POST", "/jobs", { cwd: world.root, argv: ["true"] });
  await world.turns.jobEnd(made.json.id);
  await until("the job has its last point", async () =>
    (await world.turns.get(`/runs/${made.json.id}/changes`)).to?.phase === "after");
  const { "a.txt": shell, "hand.txt": hand } = authors(await world.play(listener, sh("true")));
  assert.equal(shell, `exact ${session}`);
  assert.match(hand, /^unknown /);
});

test("a job that a session has in the background is its session's", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const listener = await world.listen("Talk");
  const pipe = world.pipe();
  const { message } = await world.turns.turn(listener, work(edit("a.txt", "one\n", "two\n"),
    call("run_job", { command: "sh", args: ["-c", `read line <${pipe}; echo j >j.txt`] })));
  const { run: job } = toolsOf(message).find((part) => part.run);
  await until("the job has its first point", async () =>
    (await world.turns.get(`/runs/${job}/changes`)).to?.phase === "before");
  const before = await world.turns.get(`/sessions/${listener.session}/changes`);
  assert.deepEqual(authors(before), { "a.txt": `exact ${listener.session}` });
  writeFileSync(pipe, "go on\n");
  await world.turns.jobEnd(job);
  let list;
  await until("the job has its last point", async () => {
    list = await world.turns.get(`/sessions/${listener.session}/changes`);
    return list.files.length === 2;
  });
  assert.deepEqual(authors(list),
    { "a.txt": `exact ${listener.session}`, "j.txt": `exact ${listener.session}` });
});

test("bad questions are refused in words", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const listener = await world.listen("Asked");
  const of = `sessions/${listener.session}`;
  const refused = async (target, code, method = "GET", body = undefined) => {
    const answer = await world.turns.ask(method, target, body);
    assert.equal(`${answer.status} ${answer.json?.code}`, code, `${target}: ${answer.text}`);
    return answer.json.detail;
  };
  // Before anything was recorded.
  const none = await world.turns.get(`/${of}/changes`);
  assert.deepEqual([none.world, none.files, none.next, none.recorded], [null, [], null, true]);
  assert.equal(await world.diff(of), "");
  const empty = await world.cli("diff", listener.session);
  assert.deepEqual([empty.code, empty.stdout], [0, ""]);
  assert.match(empty.stderr, /nothing is recorded/);
  const mark = { path: "a.txt", viewed: true };
  assert.match(await refused(`/${of}/viewed`, "404 not_found", "PUT", mark), /nothing/);
  assert.match(await refused(`/${of}/blame?path=a.txt`, "404 not_found"), /nothing/);

  await world.play(listener, edit("a.txt", "one\n", "two\n"));
  for (const base of ["yesterday", "turn:0", "turn:x", "point:ses_1", "HEAD"]) {
    assert.match(await refused(`/${of}/changes?base=${base}`, "400 bad_query"), /turn:N/);
    assert.match(await refused(`/${of}/diff?base=${base}`, "400 bad_query"), /turn:N/);
  }
  assert.match(await refused(`/${of}/changes?base=turn:9`, "404 not_found"), /no turn 9/);
  const gone = `point:pnt_${listener.session.slice(4)}`;
  assert.match(await refused(`/${of}/changes?base=${gone}`, "410 gone"), /pnt_/);
  await refused(`/${of}/changes?limit=501`, "400 bad_query");
  await refused(`/${of}/viewed`, "400 missing_field", "PUT", { path: "a.txt" });
  await refused(`/${of}/viewed`, "400 bad_field", "PUT", { path: "", viewed: true });
  const other = listener.session.slice(0, -1) + (listener.session.endsWith("0") ? "1" : "0");
  for (const target of ["changes", "diff", "blame?path=a.txt"]) {
    await refused(`/sessions/${other}/${target}`, "404 not_found");
    await refused(`/runs/${listener.session}/${target}`, "404 not_found");
  }
  for (const bad of ["../../etc/passwd", "/etc/passwd", ".git/config", "a//b", '"a', "./a"]) {
    const words = encodeURIComponent(bad);
    await refused(`/${of}/diff?path=${words}`, "400 bad_query");
    await refused(`/${of}/changes?after=${words}`, "400 bad_query");
    await refused(`/${of}/blame?path=${words}`, "400 bad_query");
  }
  await refused(`/${of}/blame`, "400 bad_query");
  assert.match(await refused(`/${of}/blame?path=missing.txt`, "404 not_found"), /no such file/);
  await refused(`/${of}/diff?since=viewed`, "400 bad_query");
  await refused(`/${of}/diff?path=a.txt&since=never`, "400 bad_query");
  await refused(`/${of}/changes?since=never`, "400 bad_query");
  assert.equal(await world.diff(of, "?path=missing.txt"), "");

  const base = await world.cli("changes", "--base", "yesterday");
  assert.equal(base.code, 2, base.stderr);
  assert.match(base.stderr, /base must be start, turn:N/);
  const whose = await world.cli("diff", "nobody");
  assert.equal(whose.code, 3, whose.stderr);
  const path404 = await world.cli("diff", "./missing.txt");
  assert.deepEqual([path404.code, path404.stdout], [0, ""]);
  assert.match(path404.stderr, /missing\.txt has not changed/);
  const elsewhere = await world.turns.daemon.cli(["changes"], { cwd: world.turns.folder });
  assert.equal(elsewhere.code, 3, elsewhere.stderr);
  assert.match(elsewhere.stderr, /name a session or a run/);

  // Another owner sees neither.
  const { json: { token } } =
    await world.turns.ask("POST", "/tokens", { owner: "eve", scopes: ["read", "run"] });
  world.turns.headers = { authorization: `Bearer ${token}` };
  await refused(`/${of}/changes`, "404 not_found");
  await refused(`/${of}/diff`, "404 not_found");
  await refused(`/${of}/blame?path=a.txt`, "404 not_found");
  await refused(`/${of}/viewed`, "404 not_found", "PUT", mark);
});

test("without git, both commands say that nothing is recorded", LIMIT, async (t) => {
  const folder = path.join(t.name.length > 0 ? "/" : "", "nonexistent");
  const world = await World.open(t, { repository: false, env: { PATH: folder } });
  const session = await world.turns.session({ root: world.root });
  const { recorded } = await world.turns.get(`/sessions/${session}/changes`);
  assert.equal(recorded, false);
  for (const command of ["changes", "diff"]) {
    const { code, stderr } = await world.cli(command, session);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /git is not installed where the daemon runs/);
  }
});

test("names that are no text, and control characters, reach no terminal", LIMIT, async (t) => {
  const world = await World.open(t);
  const listener = await world.listen("Odd");
  const list = await world.play(listener,
    sh("echo 1 >\"$(printf 'a\\377b')\"; echo 2 >\"$(printf 'c\\033d')\"; echo 3 >'e\"f'"));
  assert.deepEqual(list.files.map((file) => file.path), ['"a\\377b"', '"c\\033d"', 'e"f']);
  const { stdout } = await world.cli("changes");
  assert.ok(!stdout.includes("\x1b") && stdout.includes('"a\\377b"'), stdout);
  const diff = await world.cli("diff", listener.session, './"a\\377b"');
  assert.match(diff.stdout, /^\+1$/m, diff.stderr);
  const copy = world.turns.folder;
  mkdirSync(path.join(copy, "copy"));
  git(path.join(copy, "copy"), ["init", "-q"]);
  const whole = await run(["diff", listener.session],
    { env: { ...plainEnv, DROVER_DATA: world.turns.daemon.data } });
  git(path.join(copy, "copy"), ["apply"], { input: whole.stdout });
  assert.equal(readdirSync(path.join(copy, "copy"), { encoding: "buffer" }).length, 4);
});

test("at a terminal the diff has colours, and the file's own control characters have not", LIMIT,
  async (t) => {
    const world = await World.open(t, { files: { "a.txt": "one\n-- two\n" } });
    const listener = await world.listen("Colours");
    await world.play(listener, sh("printf 'one\\n\\033[31mred\\n' >a.txt"));
    const shown = async (env) => {
      const { ended } = onTerminal(t, world.turns.daemon, `diff ${listener.session}`, { env });
      return (await ended).stdout.replaceAll("\r", "");
    };
    const painted = await shown({});
    assert.match(painted, /^\x1b\[1mdiff --git a\/a\.txt b\/a\.txt\x1b\[0m$/m);
    assert.match(painted, /^\x1b\[90m@@ -1,2 \+1,2 @@\x1b\[0m\n one$/m);
    // A removed line that looks like the head of a file is one of the hunk.
    assert.match(painted, /^\x1b\[31m--- two\x1b\[0m$/m);
    assert.match(painted, /^\x1b\[32m\+\?\[31mred\x1b\[0m$/m);
    const plain = await shown({ NO_COLOR: "1" });
    assert.ok(!plain.includes("\x1b") && plain.includes("+?[31mred"), plain);
  });
