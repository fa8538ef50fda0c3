// rewind.test.mjs: a session takes back what it did: files, conversation, or both; never half, and
// never what others did.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, realpathSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";

import { gate, onTerminal, plain } from "./jobs-cli.mjs";
import { Random } from "./lib.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(90_000) };
const ALLOWED = { settings: { permissions: [{ permission: "allow" }] } };

const sh = (line) => call("run_command", { command: "sh", args: ["-c", line] });
const write = (file, content) => call("write_file", { path: file, content });
const edit = (file, old, fresh) =>
  call("edit_file", { path: file, old_text: old, new_text: fresh });
/** Each call in an answer of its own. */
const work = (...calls) => script(...calls.flatMap((line) => [line, "step:"]), say("done"));
const lines = (count) => Array.from({ length: count }, (_, n) => `line ${n + 1}\n`).join("");

/** Names, modes and contents of all that is in a folder, empty folders left out. */
function contents(folder, below = "") {
  return readdirSync(path.join(folder, below)).sort().flatMap((entry) => {
    const name = path.join(below, entry), whole = path.join(folder, name);
    const of = lstatSync(whole);
    if (entry === ".git") return [];
    if (of.isDirectory()) return contents(folder, name);
    if (of.isSymbolicLink()) return [[name, "link", readlinkSync(whole)]];
    return [[name, (of.mode & 0o111) !== 0, readFileSync(whole, "latin1")]];
  });
}

/** A folder in which sessions work. */
class World {
  static async open(t, { files = {}, repository = true, ...more } = {}) {
    const world = new World();
    world.turns = await Turns.open(t, more);
    world.root = realpathSync(world.turns.root);
    for (const [name, content] of Object.entries(files)) world.write(name, content);
    if (repository) execFileSync("git", ["-C", world.root, "init", "-q"]);
    return world;
  }

  write(name, content) {
    mkdirSync(path.dirname(path.join(this.root, name)), { recursive: true });
    writeFileSync(path.join(this.root, name), content);
  }

  read = (name) => readFileSync(path.join(this.root, name), "utf8");
  now = () => contents(this.root);
  listen = (title) => this.turns.listen({ root: this.root, title, ...ALLOWED });

  /** Plays a turn: the id of its message, and what the folder held before. */
  async play(listener, ...calls) {
    const before = this.now();
    const { run, message } = await this.turns.send(listener.session, work(...calls));
    const end = await listener.ended(run);
    assert.equal(end.state, "succeeded", JSON.stringify(end));
    if (calls.some((line) => line.startsWith("call: "))) await this.settled(listener.session);
    return { message, before };
  }

  /** The turn's own last point is there: what changes from here on is of somebody else. */
  async settled(session) {
    await until(`${session} has its last point`, async () => {
      const { to } = await this.turns.get(`/sessions/${session}/changes`);
      const isNew = to?.phase === "end" && to.id !== this.seen;
      if (isNew) this.seen = to.id;
      return isNew;
    });
  }

  ask = (session, body) =>
    this.turns.ask("POST", `/sessions/${session}/rewind`, { files: true, ...body });

  /** A rewind that succeeds, and its answer. */
  async rewind(session, body) {
    const answer = await this.ask(session, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  /** One that is refused with that code. */
  async refused(session, body, status, code) {
    const answer = await this.ask(session, body);
    assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.text);
    return answer.json;
  }

  async statuses(session) {
    return (await this.turns.messages(session)).map(({ role, status }) => `${role} ${status}`);
  }

  cli = (...words) => this.turns.daemon.cli(words, { cwd: this.root, env: { COLUMNS: "200" } });
}

const fate = ({ path: name, before, after }) =>
  [name, before === null ? "restored" : after === null ? "removed" : "changed"];
const fates = ({ files }) => files.map(fate).sort(([a], [b]) => (a < b ? -1 : 1));
const refusals = ({ refused }) =>
  refused.map(({ path: name, why, by }) => [name, why, by.map((one) => one.name).join(" ")]);

const FILES = {
  "src/edit.txt": lines(20), "src/sed.txt": lines(20), "gone.txt": lines(3),
  "old name.txt": lines(30), "run.sh": "#!/bin/sh\n", "kept.txt": "kept\n", "no-end.txt": "one",
};
/** What the turns of a session do, by tools and by commands. */
const TURNS = [
  [edit("src/edit.txt", "line 7\n", "seven\nand more\n"), write("docs/new file.txt", "new\n")],
  [sh("sed -i s/^line.9$/nine/ src/sed.txt src/edit.txt; chmod +x run.sh"),
    call("delete_file", { path: "gone.txt" })],
  [sh("mv 'old name.txt' 'new näme.txt'; rm docs/*; rmdir docs; ln -s run.sh link"),
    sh("printf 'a\\000b' >bytes.bin; printf 'one\\ntwo' >no-end.txt; : >empty.txt")],
  [edit("src/edit.txt", "nine\n", "9\n"), sh("rm link; echo no link >link; chmod -x run.sh")],
];

async function played(t) {
  const world = await World.open(t, { files: FILES });
  const listener = await world.listen("Release notes");
  const turns = [];
  for (const calls of TURNS) turns.push(await world.play(listener, ...calls));
  return { world, listener, turns, session: listener.session };
}

/* --- Files ------------------------------------------------------------------------------------ */

test("turn by turn, bytes, modes and links are as they were", LIMIT, async (t) => {
  const { world, session, turns } = await played(t);
  for (const { message, before } of turns.reverse()) {
    await world.rewind(session, { to: message });
    assert.deepEqual(world.now(), before, message);
  }
  assert.ok(!existsSync(path.join(world.root, "docs")), "a folder that came goes");
});

describe("a rewind to a turn takes all later ones back", () => {
  TURNS.forEach((_, at) => {
    test(`to turn ${at + 1}, and from there forward again`, LIMIT, async (t) => {
      const { world, session, turns } = await played(t);
      const after = world.now();
      const { point } = await world.rewind(session, { to: turns[at].message });
      assert.deepEqual(world.now(), turns[at].before);
      await world.rewind(session, { to: point });
      assert.deepEqual(world.now(), after);
    });
  });
});

test("a preview is exact, and only looks", LIMIT, async (t) => {
  const { world, session, turns: [, { message }] } = await played(t);
  const after = world.now();
  const preview = await world.rewind(session, { to: message, preview: true });
  assert.deepEqual(world.now(), after);
  assert.deepEqual([preview.id, preview.state], [null, "preview"]);
  assert.deepEqual(fates(preview), [
    ["bytes.bin", "removed"], ["docs/new file.txt", "restored"], ["empty.txt", "removed"],
    ["gone.txt", "restored"], ["link", "removed"], ["new näme.txt", "removed"],
    ["no-end.txt", "changed"], ["old name.txt", "restored"], ["src/edit.txt", "changed"],
    ["src/sed.txt", "changed"],
  ]);
  const { id, state, files, refused } = await world.rewind(session, { to: message });
  assert.match(id, /^rwd_/);
  assert.deepEqual([state, files, refused], ["applied", preview.files, []]);
  assert.deepEqual(fates(await world.rewind(session, { to: message, preview: true })), []);
});

test("what the rewound session does next is based on what is there", LIMIT, async (t) => {
  const { world, listener, session, turns: [, , third] } = await played(t);
  await world.rewind(session, { to: third.message, conversation: true });
  const { message, before } = await world.play(listener, write("kept.txt", "other\n"));
  assert.deepEqual(before, third.before);
  await world.rewind(session, { to: message });
  assert.deepEqual(world.now(), third.before);
});

/* --- Others ----------------------------------------------------------------------------------- */

test("lines of a person in the same file stay", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": lines(30), "mine.txt": "mine\n" } });
  const listener = await world.listen("One");
  const { message } = await world.play(listener, edit("a.txt", "line 3\n", "three\n"));
  world.write("a.txt", world.read("a.txt").replace("line 25\n", "twenty-five\n"));
  world.write("mine.txt", "mine, changed\n");
  const { files } = await world.rewind(listener.session, { to: message });
  assert.deepEqual(files.map((file) => file.path), ["a.txt"]);
  assert.equal(world.read("a.txt"), lines(30).replace("line 25\n", "twenty-five\n"));
  assert.equal(world.read("mine.txt"), "mine, changed\n");
});

test("where a person changed the same lines nothing happens, unless it is forced", LIMIT,
  async (t) => {
    const world = await World.open(t, { files: { "a.txt": lines(9), "b.txt": "b\n" } });
    const listener = await world.listen("One"), { session } = listener;
    const { message, before } = await world.play(listener, edit("a.txt", "line 3\n", "three\n"),
      write("b.txt", "bee\n"), write("c.txt", "c\n"));
    world.write("a.txt", world.read("a.txt").replace("three\n", "drei\n"));
    const after = world.now();
    const preview = await world.rewind(session, { to: message, preview: true });
    assert.deepEqual(refusals(preview), [["a.txt", "changed", ""]]);
    const { detail } = await world.refused(session, { to: message }, 409, "changed_since");
    assert.match(detail, /^1 file was changed by somebody else, too, a\.txt by somebody outside/);
    assert.deepEqual(world.now(), after);
    const { refused } = await world.rewind(session, { to: message, force: ["a.txt"] });
    assert.deepEqual([refused, world.now()], [[], before]);
  });

test("what another session changed is refused with its name", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": lines(9) } });
  const one = await world.listen("One"), other = await world.listen("The other");
  const { message, before } = await world.play(one, edit("a.txt", "line 3\n", "three\n"));
  const next = await world.play(other, edit("a.txt", "three\n", "3\n"), write("b.txt", "b\n"));
  const after = world.now();
  const preview = await world.rewind(one.session, { to: message, preview: true });
  assert.deepEqual(refusals(preview), [["a.txt", "changed", "The other"]]);
  const { detail } =
    await world.refused(one.session, { to: message, conversation: true }, 409, "changed_since");
  assert.match(detail, /a\.txt by The other; nothing was taken back/);
  assert.deepEqual(world.now(), after);
  assert.deepEqual(await world.statuses(one.session), ["user completed", "assistant completed"]);
  await world.rewind(other.session, { to: next.message });
  await world.rewind(one.session, { to: message });
  assert.deepEqual(world.now(), before);
});

/* --- The conversation ------------------------------------------------------------------------- */

test("the conversation goes back with the files, and the session goes on", LIMIT, async (t) => {
  const { world, listener, session, turns: [, second] } = await played(t);
  const { conversation } = await world.rewind(session, { to: second.message, conversation: true });
  assert.equal(conversation, true);
  const event = await listener.until("rewound");
  assert.deepEqual([event.state, event.conversation, event.note], ["applied", true, null]);
  assert.deepEqual(world.now(), second.before);
  const back = ["user rolled_back", "assistant rolled_back"];
  assert.deepEqual(await world.statuses(session),
    ["user completed", "assistant completed", ...back, ...back, ...back]);
  await world.play(listener, write("more.txt", "more\n"));
  await world.refused(session, { to: second.message, conversation: true, files: false }, 200);
});

test("the conversation alone goes back, and no file changes", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const listener = await world.listen("One"), { session } = listener;
  const first = await world.play(listener, write("a.txt", "two\n"));
  await world.play(listener, write("a.txt", "three\n"));
  const body = { to: first.message, files: false, conversation: true };
  const preview = await world.rewind(session, { ...body, preview: true });
  assert.deepEqual([preview.state, preview.files], ["preview", []]);
  assert.ok(!(await world.statuses(session)).includes("user rolled_back"));
  await world.rewind(session, body);
  assert.equal(world.read("a.txt"), "three\n");
  assert.deepEqual(await world.statuses(session), Array(2).fill(
    ["user rolled_back", "assistant rolled_back"]).flat());
});

/* --- Refusals --------------------------------------------------------------------------------- */

test("while a turn runs, and for wrong targets, it is refused", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const listener = await world.listen("One"), { session } = listener;
  const { message } = await world.play(listener, write("a.txt", "two\n"));
  const other = await world.listen("Other");
  const elsewhere = await world.play(other, say("hello"));
  const answer = (await world.turns.messages(session)).find(({ role }) => role === "assistant");
  const rows = [
    [{ to: elsewhere.message }, 404, "message_not_found"],
    [{ to: answer.id }, 400, "not_a_user_message"],
    [{ to: "run_01m8r03s5q6025xd0fgq1gc5hf" }, 400, "bad_field"],
    [{ to: "pnt_01m8r03s5q6025xd0fgq1gc5hf", conversation: true }, 400, "bad_field"],
    [{ to: "pnt_01m8r03s5q6025xd0fgq1gc5hf" }, 410, "gone"],
    [{ to: message, files: false }, 400, "bad_field"],
    [{}, 400, "missing_field"],
  ];
  for (const [body, status, code] of rows) await world.refused(session, body, status, code);
  const go = path.join(world.turns.folder, "go");
  const { run } = await world.turns.send(session, script(sh(gate(go)), say("done")));
  await listener.until("turn_started", (data) => data.run === run);
  for (const more of [{}, { preview: true }, { files: false, conversation: true }]) {
    await world.refused(session, { to: message, ...more }, 409, "turn_in_progress");
  }
  writeFileSync(go, "");
  await listener.ended(run);
  assert.equal(world.read("a.txt"), "two\n");
});

test("a program inside a run takes nothing back", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const one = await world.listen("One"), other = await world.listen("Other");
  const { message } = await world.play(one, write("a.txt", "two\n"));
  const { daemon } = world.turns;
  const body = JSON.stringify({ to: message, files: true });
  await world.play(other, sh(`curl -s --unix-socket ${daemon.socket} -d '${body}' ` +
    `-H 'content-type: application/json' http://x/api/v1/sessions/${one.session}/rewind >said`));
  assert.equal(JSON.parse(world.read("said")).code, "inside_run");
  assert.equal(world.read("a.txt"), "two\n");
});

/* --- Kills ------------------------------------------------------------------------------------ */

/** Files that an interrupted exchange would leave. */
const hidden = (folder) => contents(folder).map(([name]) => name)
  .filter((name) => path.basename(name).startsWith(".drover-"));

test("a daemon that is killed while files are exchanged ends in one of the two", LIMIT,
  async (t) => {
    const COUNT = 300, ROUNDS = 5, random = new Random(7);
    const files = Object.fromEntries(Array.from({ length: COUNT }, (_, n) =>
      [`d${n % 7}/${n}.txt`, `${n}\n`]));
    const world = await World.open(t, { files });
    const { daemon } = world.turns;
    for (let round = 0; round < ROUNDS; round++) {
      const listener = await world.listen(`Round ${round}`), { session } = listener;
      const { message, before } = await world.play(listener,
        sh(`for f in d?/*.txt; do echo ${round} >>$f; done; rm -f d3/*; chmod +x d5/*; ` +
          `for i in $(seq 50); do echo $i >new$i; done`));
      const after = world.now();
      let answer;
      const asked = world.ask(session, { to: message, conversation: true })
        .then((one) => (answer = one), () => {});
      // Some file of those that are removed is gone: the exchange has begun.
      const sign = path.join(world.root, `new${1 + random.below(50)}`);
      while (answer === undefined && existsSync(sign)) await new Promise(setImmediate);
      await daemon.kill();
      await asked;
      await daemon.start();
      const { state } = await (await listener.open()).until("rewound");
      assert.deepEqual(world.now(), state === "applied" ? before : after, `round ${round}`);
      assert.deepEqual(await world.statuses(session), state === "applied"
        ? ["user rolled_back", "assistant rolled_back"]
        : ["user completed", "assistant completed"]);
      assert.deepEqual(hidden(world.root), []);
      t.diagnostic(`round ${round}: ${state}, ${answer === undefined ? "killed" : "answered"}`);
    }
  });

/* --- Commands --------------------------------------------------------------------------------- */

test("drover session rewind shows a preview, and takes the last message back", LIMIT,
  async (t) => {
    const { world, session, turns } = await played(t);
    const last = turns.at(-1), after = world.now();
    const preview = await world.cli("session", "rewind", session, "--preview");
    assert.equal(preview.code, 0, preview.stderr);
    assert.match(preview.stdout, new RegExp(`^To before ${last.message}: call: edit_file .*…\n`));
    assert.match(preview.stdout, / {2}changed back {2}src\/edit\.txt {2}\+1 −1\n/);
    assert.match(preview.stdout, /run\.sh {2}\(100644 → 100755\)\n/);
    assert.deepEqual(world.now(), after);
    const done = await world.cli("session", "rewind", "Release notes", "--conversation", "--yes");
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, / {2}taken back {4}the conversation from that message on\n/);
    const [, undo] = /Took back 3 files and the conversation\.\nTo undo it: drover (.*)\n/
      .exec(done.stdout);
    assert.deepEqual(world.now(), last.before);
    assert.equal((await world.cli(...undo.split(" "))).code, 0);
    assert.deepEqual(world.now(), after);
    const json = await world.cli("session", "rewind", session, "--to", turns[0].message, "--json");
    const { state, conversation } = JSON.parse(json.stdout);
    assert.deepEqual([json.code, state, conversation], [0, "applied", false]);
    assert.deepEqual(world.now(), turns[0].before);
    const none = await world.cli("session", "rewind", session, "--to", turns[0].message);
    assert.match(none.stdout, /The session changed no file since then\.\n$/);
  });

test("the command names who else changed a file, and takes it back by force", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": lines(9) } });
  const one = await world.listen("One"), other = await world.listen("The other");
  const { before } = await world.play(one, edit("a.txt", "line 3\n", "three\n"));
  await world.play(other, edit("a.txt", "three\n", "3\n"));
  const refused = await world.cli("session", "rewind", one.session, "--yes");
  assert.equal(refused.code, 5);
  assert.match(refused.stdout, / {2}refused {7}a\.txt {2}changed by The other, too\n/);
  assert.match(refused.stderr, /1 file was changed by somebody else, too; nothing was taken /);
  const json = await world.cli("session", "rewind", one.session, "--json");
  assert.deepEqual([json.code, JSON.parse(json.stderr).error.code], [5, "changed_since"]);
  const force = ["--force", "a.txt"];
  const forced = await world.cli("session", "rewind", one.session, "--yes", ...force);
  assert.equal(forced.code, 0, forced.stderr);
  assert.deepEqual(world.now(), before);
  for (const words of [["--conversation"], force]) {
    const wrong =
      await world.cli("session", "rewind", one.session, "--conversation-only", ...words);
    assert.equal(wrong.code, 2, wrong.stderr);
  }
});

test("at a terminal the command asks first", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const listener = await world.listen("One"), { session } = listener;
  await world.play(listener, write("a.txt", "two\n"));
  for (const [key, kept] of [["n\n", "two\n"], ["y\n", "one\n"]]) {
    const line = onTerminal(t, world.turns.daemon, `session rewind ${session}`, { typed: true });
    await line.when((all) => plain(all).includes("Take back 1 file? [y/N] "));
    line.child.stdin.write(key);
    const { code, stdout } = await line.ended;
    assert.equal(code, 0, stdout);
    assert.equal(world.read("a.txt"), kept);
  }
});

/* --- Chat ------------------------------------------------------------------------------------- */

/** A chat at a terminal: what was sent to it, and its keys. */
async function chatIn(t, { turns: { daemon } }, args) {
  const chat = onTerminal(t, daemon, `chat ${args}`, { typed: true });
  const one = {
    type: (keys) => chat.child.stdin.write(keys),
    send: (text) => one.type(`${text}\r`),
    seen: (pattern) => chat.when((all) => pattern.test(plain(all))),
    async leave() {
      one.type("\x15\x04");
      assert.equal((await chat.ended).code, 0);
    },
  };
  await one.seen(/session +ses_\w+[^]*\n> /);
  return one;
}

test("/rewind in a chat asks, and the message comes back into the line", LIMIT, async (t) => {
  const world = await World.open(t, { files: { "a.txt": "one\n" } });
  const listener = await world.listen("One"), { session } = listener;
  await world.play(listener, write("a.txt", "two\n"));
  await world.play(listener, write("a.txt", "three\n"), write("b.txt", "b\n"));
  const chat = await chatIn(t, world, `--session ${session}`);
  chat.send("/rewind");
  await chat.seen(/ {2}removed {7}b\.txt[^]*Take back 2 files and the conversation\? \[y\/N\] /);
  chat.send("n");
  await chat.seen(/\[nothing was taken back\]\n[^]*> $/);
  assert.equal(world.read("a.txt"), "three\n");
  chat.send("/rewind 2");
  await chat.seen(/Take back 2 files and the conversation\? \[y\/N\] [^]*Take back 2 files and /);
  chat.send("y");
  await chat.seen(/\[took back 2 files and the conversation\]\n[^]*> call: write_file .*two/);
  assert.equal(world.read("a.txt"), "one\n");
  assert.ok((await world.statuses(session)).every((one) => one.endsWith("rolled_back")));
  await chat.leave();
});

test("/rewind without files: the conversation goes back; Ctrl-C is a no", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ title: "One" });
  for (const text of ["first words", "second words"]) await turns.turn(listener, say(text));
  const chat = await chatIn(t, { turns }, `--session ${listener.session}`);
  chat.send("/rewind x");
  await chat.seen(/\[how many of your messages back\? \/rewind N\]/);
  chat.send("/rewind 3");
  await chat.seen(/the conversation has only 2 messages of a user/);
  chat.send("/rewind");
  await chat.seen(/To before msg_\w+: say: second words\n[^]*conversation\? \[y\/N\] /);
  chat.type("\x03");
  await chat.seen(/\[nothing was taken back\]\n[^]*> $/);
  chat.send("/rewind");
  await chat.seen(/nothing was taken back[^]*Take back the conversation\? \[y\/N\] /);
  chat.send("y");
  await chat.seen(/\[took back the conversation\]\n[^]*> say: second words$/);
  chat.send("");
  await chat.seen(/took back the conversation[^]*answering; [^]*second words\n\n> /);
  const all = (await turns.messages(listener.session)).map(({ status }) => status);
  assert.deepEqual(all, ["completed", "completed", "rolled_back", "rolled_back", "completed",
    "completed"]);
  await chat.leave();
});

test("in a pipe /rewind needs no answer", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const { stdout, code } = await turns.daemon.cli(["chat", "--no-root", "--model", "scripted/demo"],
    { input: "say: One.\n/rewind\nsay: Two.\n" });
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^One\.\nTo before msg_\w+: say: One\.\n/);
  assert.match(stdout, /\[took back the conversation\]\nTwo\.\n$/);
});
