// chat-restart.test.mjs: a chat goes on when its daemon is killed, with one that it starts itself.
//
// runs-with: release
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { begin, onTerminal, plain } from "./jobs-cli.mjs";
import { bin } from "./lib.mjs";
import { kill } from "./processes.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script } from "./turns.mjs";
import { User } from "./user.mjs";

const LIMIT = { timeout: scaled(60_000) };
const CTRL_D = "\x04";

/** A chat whose daemon is the user's: {type, seen, leave}; `seen` gives the screen. */
async function chatOf(t, user) {
  const root = path.join(user.folder, "root");
  mkdirSync(root);
  const options = { env: user.env, typed: true };
  const chat = onTerminal(t, user, `chat --root ${root}`, options);
  const one = {
    type: (keys) => chat.child.stdin.write(keys.replaceAll("\n", "\x1b\r")),
    /** Fails with what the screen shows, before the time limit of the test ends it silently. */
    seen(pattern) {
      let screen = "";
      const found = chat.when((all) => pattern.test((screen = plain(all))));
      return new Promise((resolve, reject) => {
        const late = () => reject(new Error(`not seen: ${pattern} in ${JSON.stringify(screen)}`));
        const timer = setTimeout(late, scaled(50_000));
        found.then(() => resolve(screen), reject).finally(() => clearTimeout(timer));
      });
    },
    async leave() {
      one.type(`\x15${CTRL_D}`);
      const { code, stdout } = await chat.ended;
      assert.equal(code, 0, stdout);
      return plain(stdout);
    },
  };
  await one.seen(/session +ses_\w+[^]*\n> /);
  return one;
}

/** Kills the daemon. The chat notices it, and starts the next one. */
async function killUnder(user, chat) {
  const { pid } = user;
  assert.ok(pid > 0, "a daemon lives");
  kill(pid);
  await chat.seen(/the daemon is away/);
  return pid;
}

/** A model of the user's daemons that answers with these steps, and stands still in the first one
 *  where it says WAIT until goOn(): the daemon that starts next does not wait. */
const WAIT = "delay: 600s";
function waitingModel(user, ...steps) {
  user.env.DROVER_SCRIPT = path.join(user.folder, "script.json");
  const write = (lines) =>
    writeFileSync(user.env.DROVER_SCRIPT, JSON.stringify({ models: { demo: { turns: [
      { steps: lines },
    ] } } }));
  write(steps);
  return { goOn: () => write(steps.map((lines) => lines.filter((line) => line !== WAIT))) };
}

const count = (text, piece) => text.split(piece).length - 1;

test("at an idle prompt the daemon's death keeps the line being typed", LIMIT, async (t) => {
  const user = new User(t);
  const chat = await chatOf(t, user);
  chat.type("say: half ");
  await chat.seen(/> say: half /);
  const first = await killUnder(user, chat);
  chat.type("and whole\r");
  // Sent into the daemon's last moment it is reset, and stays to be sent again.
  const answered = /half and whole\n[^]*half and whole\n\n> /;
  const kept = /connection broke[^]*\(the daemon restarted\)\n> say: half and whole$/;
  if (kept.test(await chat.seen(new RegExp(`${answered.source}|${kept.source}`)))) {
    chat.type("\r");
  }
  await chat.seen(answered);
  await chat.seen(/\(the daemon restarted\)/);
  assert.notEqual(user.pid, first);
  await chat.leave();
});

test("an answer that broke off goes on where it did, and stands there once", LIMIT, async (t) => {
  const user = new User(t);
  const model = waitingModel(user, [say("the first line\\nhal"), WAIT, say("f a line")]);
  const chat = await chatOf(t, user);
  chat.type("Tell me.\r");
  await chat.seen(/the first line\nhal\nanswering; Ctrl-C stops it/);
  chat.type("typed meanwhile");
  await chat.seen(/> typed meanwhile/);
  model.goOn();
  const first = await killUnder(user, chat);
  await chat.seen(/the daemon is away[^]*half a line\n\n> typed meanwhile$/);
  assert.notEqual(user.pid, first);
  const shown = await chat.leave();
  assert.equal(count(shown, "the first line\n"), 1);
  assert.doesNotMatch(shown, /broke off/);
});

test("a question that is open can be answered afterwards", LIMIT, async (t) => {
  const user = new User(t);
  const chat = await chatOf(t, user);
  chat.type(`${script(call("write_file", { path: "b", content: "x" }), say("done"))}\r`);
  await chat.seen(/May it call write_file\?[^]*a \(always\)> /);
  const first = await killUnder(user, chat);
  await chat.seen(/away[^]*a \(always\)> $/);
  chat.type("y\r");
  await chat.seen(/done\n/);
  assert.notEqual(user.pid, first);
  const shown = await chat.leave();
  assert.equal(count(shown, "May it call write_file"), 1);
});

test("an answer of ask goes on, and the question behind it is answered there", LIMIT, async (t) => {
  const user = new User(t);
  const question = call("ask_user", { question: "Which?", options: ["red", "blue"] });
  const model = waitingModel(
    user, [say("**hal**"), WAIT, say("f\\n"), question], [say("so be it")],
  );
  const ask = onTerminal(t, user, "ask 'Tell me.'", { env: user.env, typed: true });
  const seen = (pattern) => ask.when((all) => pattern.test(plain(all)));
  await seen(/^hal\nanswering; Ctrl-C detaches/m);
  model.goOn();
  kill(user.pid);
  await seen(/the daemon is away[^]*half\n[^]*1\) red\n {2}2\) blue\n[^]*number or text> $/);
  ask.child.stdin.write("2\r");
  const { code, stdout } = await ask.ended;
  assert.equal(code, 0, stdout);
  assert.match(plain(stdout), /✓ answered: blue\n[^]*so be it\n$/);
  assert.doesNotMatch(plain(stdout), /\*\*|broke off/);
});

test("a chat that is ended by SIGHUP gives the terminal back", LIMIT, async (t) => {
  const user = new User(t);
  const inner = `echo "PID $$."; exec "$0" chat --no-root`;
  const outer = path.join(user.folder, "outer");
  writeFileSync(outer, `sh -c '${inner}' '${bin}'\necho "CODE $?."; stty -a\n`);
  const words = ["script", "-qefc", `sh ${outer}`, "/dev/null"];
  const options = { words, env: { ...user.env, TERM: "xterm" }, typed: true };
  const chat = begin(t, user, [], options);
  let text = "";
  await chat.when((all) => /\x1b\[\?2004h[^]*> /.test((text = all)));
  process.kill(Number(/PID (\d+)\./.exec(text)[1]), "SIGHUP");
  const { stdout } = await chat.ended;
  assert.match(stdout, /\x1b\[\?2004l[^]*CODE 129\.[^]* icanon [^]* echo /);
});
