// chat.test.mjs: drover chat at a terminal: what appears above the line that is being typed.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";

import { begin, gate, onTerminal, plain } from "./jobs-cli.mjs";
import { bin, run, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script, Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(60_000) };

/** A chat in the root of `turns`: {type, seen, leave, session}. */
async function chatIn(t, turns, args = "--model scripted/demo", root = turns.root) {
  const chat = onTerminal(t, turns.daemon, `chat --root ${root} ${args}`, { typed: true });
  const one = {
    type: (keys) => chat.child.stdin.write(keys.replaceAll("\n", "\x1b\r")),
    send: (text) => one.type(`${text}\r`.replaceAll("\n\r", "\r")),
    seen: (pattern) => chat.when((all) => pattern.test(plain(all))),
    ended: () => chat.ended,
    async leave() {
      one.type("\x15\x04");
      const { code, stdout } = await chat.ended;
      assert.equal(code, 0, stdout);
      assert.ok(stdout.includes("\x1b[?2004l"), "pastes are as they were");
      return plain(stdout);
    },
  };
  let text = "";
  await chat.when((all) => ((text = plain(all)), /session +ses_\w+[^]*\n> /.test(text)));
  one.session = /session +(ses_\w+)/.exec(text)[1];
  return one;
}

const open = async (turns) => (await turns.get("/approvals")).items;

test("a follow-up appears above the line that is being typed, which stays", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const chat = await chatIn(t, turns);
  const go = path.join(turns.root, "go");
  const job = call("run_job", { command: "sh", args: ["-c", gate(go)] });
  chat.send(script(job, say("it runs")));
  await chat.seen(/May it run this command\? \(run_job\)[^]*a \(always\)> /);
  chat.send("y");
  await chat.seen(/goes on in the background[^]*it runs\n/);
  chat.type("half a line");
  await chat.seen(/> half a line/);
  writeFileSync(go, "");
  await chat.seen(/ended in the background: sh: succeeded\n[^]*scripted model[^]*> half a line/);
  await chat.leave();
});

test("an answer from elsewhere takes the question away, not the message", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const chat = await chatIn(t, turns);
  const ready = path.join(turns.root, "b");
  chat.send(script("delay: 300ms", call("write_file", { path: "b", content: "x" }), say("done")));
  chat.type("half ");
  await chat.seen(/May it call write_file\?\n {2}b \(new file\)[^]*a \(always\)> /);
  chat.type("y"); // An answer is no part of the message.
  await chat.seen(/a \(always\)> y/);
  const [{ id }] = await open(turns);
  assert.equal((await turns.approve(id)).status, 200);
  await chat.seen(/✓ allowed elsewhere\n[^]*done\n[^]*> half $/);
  assert.ok(existsSync(ready));
  await chat.leave();
});

test("options are numbered, and a number answers; also for approve", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const chat = await chatIn(t, turns);
  const ask = call("ask_user", { question: "Which one?", options: ["the red", "the blue"] });
  chat.send(script(ask, say("thanks")));
  await chat.seen(/Which one\?\n {2}1\) the red\n {2}2\) the blue\n[^]*number or text> /);
  chat.send("2");
  await chat.seen(/✓ answered: the blue\n[^]*thanks\n/);
  chat.send(script(ask, say("again")));
  await chat.seen(/✓ answered: the blue\n[^]*Which one\?\n {2}1\) the red/);
  const [{ id }] = await open(turns);
  const list = (await turns.daemon.cli(["approve"])).stdout;
  assert.match(list, /Which one\?\n {2}1\) the red\n {2}2\) the blue\n/);
  const which = await turns.daemon.cli(["approve", id]);
  assert.equal(which.code, 2);
  assert.match(which.stderr, /1\) the red\n[^]*--answer NUMBER/);
  assert.equal((await turns.daemon.cli(["approve", id, "--answer", "1"])).code, 0);
  await chat.seen(/✓ answered elsewhere: the red\n/);
  await chat.leave();
});

test("'a' writes a rule, no message is taken for a yes, --continue returns", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const chat = await chatIn(t, turns);
  const echo = call("run_command", { command: "echo", args: ["one *"] });
  chat.send(script(echo, say("first")));
  await chat.seen(/May it run this command\?[^]*a \(always\)> /);
  chat.send("yesterday");
  await chat.seen(/y allows it, n and a reason denies it[^]*a \(always\)> $/);
  assert.equal((await open(turns)).length, 1);
  chat.send("a");
  await chat.seen(/→ one \*\n[^]*first\n/);
  const { settings } = await turns.get(`/sessions/${chat.session}`);
  const rule = { tool: "run_command", subject: "echo 'one *'", permission: "allow" };
  assert.deepEqual(settings.permissions, [rule]);
  chat.send(script(echo, say("second")));
  await chat.seen(/→ one \*\n[^]*→ one \*\n[^]*second\n\n> /); // Nobody was asked.
  await chat.leave();
  const other = await turns.listen(); // Newer, and of no folder.
  await turns.turn(other, say("elsewhere"));
  const sub = path.join(turns.root, "sub"); // A folder of the project, where no session works.
  mkdirSync(sub);
  const none = ["chat", "--continue", "--root", sub];
  assert.match((await turns.daemon.cli(none)).stderr, /no session works in .*\/sub;/);
  mkdirSync(path.join(turns.root, ".git"));
  const back = await chatIn(t, turns, "--continue", sub);
  assert.equal(back.session, chat.session);
  await back.seen(/• run_command echo 'one \*'\n {2}→ one \*\nsecond\n/);
  await back.leave();
  const last = await chatIn(t, turns, "--session last");
  assert.equal(last.session, other.session);
  await last.leave();
});

test("what answers nothing leaves the line, and never becomes a message", LIMIT, async (t) => {
  const turns = await Turns.open(t, { env: { TMPDIR: scratch(t) } }); // Its folder has a project.
  const chat = await chatIn(t, turns);
  const remove = call("run_command", { command: "rm", args: ["-rf", "gone"] });
  const prompt = "y allows it, n and a reason denies it, a allows it always, p in all " +
    "sessions of the project root\n.*y, n reason, a \\(always\\), p \\(project root\\)> ";
  chat.send(script(remove, say("ran")));
  await chat.seen(/May it run this command\? \(run_command\)\n {2}rm -rf gone\n[^]*> $/);
  chat.send("?");
  await chat.seen(new RegExp(`${prompt}$`));
  chat.send("whatever");
  await chat.seen(new RegExp(`${prompt}[^]*${prompt}$`));
  chat.send("y");
  await chat.seen(/✓ allowed\n[^]*ran\n\n> $/);
  chat.send(script(remove, say("again")));
  await chat.seen(/✓ allowed\n[^]*May it run this command\?[^]*p \(project root\)> $/);
  chat.send("?");
  await chat.seen(new RegExp(`${prompt}[^]*${prompt}[^]*${prompt}$`));
  chat.type("\x04"); // The line is empty: Ctrl-D leaves.
  assert.equal((await chat.ended()).code, 0);
  const { items } = await turns.get(`/sessions/${chat.session}/messages`);
  assert.equal(items.filter(({ role }) => role === "user").length, 2);
});

test("the header names the model that answers where the session names none", LIMIT, async (t) => {
  const env = { DROVER_MODEL: "" };
  const turns = await Turns.open(t, { env });
  const shown = async (pattern) => {
    const chat = onTerminal(t, turns.daemon, "chat --no-root", { env, typed: true });
    await chat.when((all) => pattern.test(plain(all)) && /\n> /.test(plain(all)));
    chat.child.stdin.write("\x04");
    assert.equal((await chat.ended).code, 0);
  };
  const set = ["config", "set", "default_model", "scripted/other"];
  assert.equal((await turns.daemon.cli(set, { env })).code, 0);
  await shown(/model +scripted\/other\n/);
});

test("--model counts for a session that was there, DROVER_MODEL for new ones", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const { session } = await turns.listen();
  const chat = await chatIn(t, turns, `--session ${session} --model scripted/other`);
  chat.send(say("one"));
  await chat.seen(/one\n\n> $/);
  assert.match(await chat.leave(), /model +scripted\/other\n/);
  const env = { DROVER_MODEL: "scripted/third" };
  const ask = (...words) => turns.daemon.cli(["ask", "-s", session, ...words], { env });
  assert.equal((await ask("-m", "scripted/fourth", say("two"))).code, 0);
  assert.equal((await ask(say("three"))).code, 0);
  const { items } = await turns.get(`/sessions/${session}/messages`);
  const models = items.filter(({ role }) => role === "assistant").map(({ model }) => model);
  assert.deepEqual(models, ["scripted/demo", "scripted/fourth", "scripted/other"]);
});

test("in a folder of a project a chat works on the project", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const sub = path.join(turns.root, "sub");
  mkdirSync(sub);
  mkdirSync(path.join(turns.root, ".drover"));
  const chatAt = async (cwd, args) => {
    const env = { ...turns.daemon.env, DROVER_DATA: turns.daemon.data };
    const end = await run(["chat", "--json", ...args], { cwd, env });
    assert.equal(end.code, 0, end.stderr);
    return JSON.parse(end.stdout.split("\n")[0]).data;
  };
  const made = await chatAt(sub, ["--model", "scripted/demo"]);
  assert.equal(made.root, turns.root);
  for (const cwd of [sub, turns.root])
    assert.equal((await chatAt(cwd, ["--continue"])).id, made.id);
});

/** A data directory whose socket leads to the daemon, but for requests that `pattern` describes: of
 *  these the first ones are lost as `losses` say, "request" or "answer". */
async function lossy(t, turns, pattern, losses) {
  const proxy = createServer((from) => {
    const to = connect(turns.daemon.socket);
    let loss;
    from.on("data", (piece) => {
      if (pattern.test(piece.toString())) loss = losses.shift();
      if (loss === "request") from.destroy();
      else to.write(piece);
    });
    to.on("data", (piece) => (loss === "answer" ? from.destroy() : from.write(piece)));
    for (const [one, other] of [[from, to], [to, from]])
      one.on("error", () => {}).on("close", () => other.destroy());
  });
  const data = path.join(turns.folder, "between");
  mkdirSync(data);
  await once(proxy.listen(path.join(data, "drover.sock")), "listening");
  t.after(() => proxy.close());
  return data;
}

test("a message whose answer was lost is said once, and leaves the line", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const losses = ["answer"];
  const data = await lossy(t, turns, /^POST \S+\/messages /, losses);
  const chat = await chatIn(t, turns, `--model scripted/demo --data ${data}`);
  chat.type(`${say("just once")}\r`);
  await chat.seen(/drover: [^]*just once\n\n> $/); // The line is empty.
  await chat.leave();
  const { items } = await turns.get(`/sessions/${chat.session}/messages`);
  assert.deepEqual(items.map(({ role }) => role), ["assistant", "user"]);
  assert.deepEqual(losses, []);
});

test("an answer to a question stays in the line until the daemon has it", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const losses = ["request", "answer"];
  const data = await lossy(t, turns, /^POST \S+\/approvals\//, losses);
  const chat = await chatIn(t, turns, `--model scripted/demo --data ${data}`);
  chat.send(script(call("ask_user", { question: "Which?", options: ["a", "b"] }), say("so be it")));
  await chat.seen(/number or text> $/);
  chat.send("neither of them");
  await chat.seen(/drover: [^]*number or text> neither of them$/);
  assert.equal((await open(turns)).length, 1);
  chat.send("");
  await chat.seen(/✓ answered: neither of them\n[^]*so be it\n\n> $/); // The line is empty.
  await chat.leave();
  assert.deepEqual(losses, []);
});

test("Ctrl-Z gives the terminal to the shell, and fg takes it back", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const words = ["script", "-qefc", "sh -i", "/dev/null"];
  const env = { TERM: "xterm", ENV: "" };
  const shell = begin(t, turns.daemon, [], { words, env, typed: true });
  const type = (keys) => shell.child.stdin.write(keys);
  const seen = (pattern) => shell.when((all) => pattern.test(plain(all)));
  await seen(/[#$] $/);
  type(`'${bin}' chat --no-root --model scripted/demo\r`);
  await seen(/\n> $/);
  type("half a\x1a");
  await seen(/Stopped[^]*[#$] $/);
  type("stty -a\r");
  await seen(/ icanon [^]* echo [^]*[#$] $/);
  type("fg\r");
  await seen(/chat --no-root[^\n]*\n> half a$/);
  type(" line");
  await seen(/> half a line$/);
  type("\x15\x04");
  await seen(/comes back to it[^]*[#$] $/);
  type("exit\r");
  assert.equal((await shell.ended).code, 0);
});

test("ask asks nothing in the background, and does so in the foreground", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const env = { TERM: "xterm", ENV: "", TEXT: script(call("ask_user", { question: "Which?" }),
    "step:", say("so be it")) };
  const words = ["script", "-qefc", "sh -i", "/dev/null"];
  const shell = begin(t, turns.daemon, [], { words, env, typed: true });
  const type = (keys) => shell.child.stdin.write(keys);
  const seen = (pattern) => shell.when((all) => pattern.test(plain(all)));
  await seen(/[#$] $/);
  const ask = `'${bin}' ask -m scripted/demo "$TEXT"`;
  writeFileSync(path.join(turns.root, "limited"), `timeout 600 ${ask}; echo "CODE $?."\n`);
  type(`sh '${turns.root}/limited'\r`); // Outside of a prompt, timeout makes a group of its own.
  await seen(/Which\?\nit waits for an answer, and takes none in the background: drover approve/);
  let [{ id }] = await open(turns);
  assert.equal((await turns.approve(id, { answer: "red" })).status, 200);
  await seen(/✓ answered elsewhere: red\n[^]*so be it\n[^]*CODE 0\.[^]*[#$] $/);
  type(`${ask} &\r`);
  await seen(/CODE 0\.[^]*Which\?\nit waits for an answer, and takes none in the background/);
  type("fg\r");
  await seen(/fg\n[^]*ask -m[^]*answer> $/);
  type("blue\r");
  await seen(/✓ answered: blue\n[^]*so be it\n[^]*[#$] $/);
  type("exit\r");
  assert.equal((await shell.ended).code, 0);
});

test("run asks nothing in the background, and does so in the foreground", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const file = path.join(turns.root, "asks.js");
  writeFileSync(file, `export const meta = { name: "asks", description: "x" };
const asks = ${JSON.stringify(script(call("run_command", { command: "true" }), say("ran")))};
return [await agent(asks, { label: "first" }), await agent(asks, { label: "second" })].join("+");`);
  const words = ["script", "-qefc", "stty rows 30 columns 100; exec sh -i", "/dev/null"];
  const shell = begin(t, turns.daemon, [], { words, env: { TERM: "xterm", ENV: "" }, typed: true });
  const type = (keys) => shell.child.stdin.write(keys);
  const seen = (pattern) => shell.when((all) => pattern.test(plain(all)));
  await seen(/[#$] $/);
  type(`cd '${turns.root}'; '${bin}' run '${file}' &\r`);
  await seen(/first[^\n]*\n[^\n]*drover approve apr_/);
  const [{ id }] = await open(turns);
  assert.equal((await turns.approve(id)).status, 200);
  await seen(/second[^\n]*\n[^\n]*drover approve apr_/);
  type("fg\r");
  await seen(/fg\n[^]*y, n/);
  type("y\r");
  await seen(/ran\+ran[^]*[#$] $/);
  type("exit\r");
  assert.equal((await shell.ended).code, 0);
});

test("chat --json prints each event, and reads messages as lines", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const args = ["chat", "--json", "--model", "scripted/demo", "--no-root"];
  const input = `${say("one")}\n/title Talk\n${say("two")}\n`;
  const { code, stdout, stderr } = await turns.daemon.cli(args, { input });
  assert.equal(code, 0, stderr);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines[0].type, "session");
  const texts = lines.filter(({ type }) => type === "delta").map(({ data }) => data.text);
  assert.deepEqual(texts, ["one", "two"]);
  assert.equal(lines.filter(({ type }) => type === "turn_finished").length, 2);
  const seqs = lines.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq);
  assert.deepEqual(seqs, seqs.map((_, at) => seqs[0] + at));
});

test("a chat that is ended by SIGTERM gives the terminal back", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const inner = `echo "PID $$."; exec "$0" chat --no-root --model scripted/demo`;
  const outer = path.join(turns.folder, "outer");
  writeFileSync(outer, `sh -c '${inner}' '${bin}'\nstty -a\n`);
  const words = ["script", "-qefc", `sh ${outer}`, "/dev/null"];
  const chat = begin(t, turns.daemon, [], { words, env: { TERM: "xterm" }, typed: true });
  let text = "";
  await chat.when((all) => /\x1b\[\?2004h[^]*> /.test((text = all)));
  process.kill(Number(/PID (\d+)\./.exec(text)[1]), "SIGTERM");
  const { stdout } = await chat.ended;
  assert.match(stdout, /\x1b\[\?2004l[^]* icanon [^]* echo /);
});
