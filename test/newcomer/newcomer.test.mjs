// newcomer.test.mjs: the first five minutes of a new user at a terminal of a bare Debian 12.
//
// What is typed stands in the README, which is read here: a command that it no longer has fails.
// The time of a person is what the machine took and the typing, at KEYS_PER_S.
//
// runs-with: bare
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { root } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { Tmux } from "../screens/tmux.mjs";
import { machine } from "./machine.mjs";

const KEYS_PER_S = 4;
const LIMIT_S = 300;
/** As the README says. */
const WALK_END = /12 of 12 stages/;

const readme = readFileSync(path.join(root, "README.md"), "utf8");
/** The line of the README that begins so, without its comment. */
function lineOf(start) {
  const line = readme.split("\n").find((each) => each.startsWith(start));
  assert.ok(line, `the README has: ${start}`);
  return line.replace(/ +# .*$/, "");
}

/** A terminal of the user; keys and time are added up in `sum`. */
class Terminal {
  constructor(t, join, sum) {
    this.sum = sum;
    // A terminal of that system, as a log-in gives one.
    const words = [...join, "script", "-qefc", "su - alice", "/dev/null"];
    this.tmux = new Tmux(t, words.map((word) => `'${word}'`).join(" "), { columns: 100 });
  }

  enter(line) {
    this.sum.keys += [...line].length + 1;
    this.tmux.type(line);
    this.tmux.keys("Enter");
  }

  key(name) {
    this.sum.keys++;
    this.tmux.keys(name);
  }

  when(fits) {
    return this.tmux.when((all) => fits.test(all), scaled(60_000));
  }

  prompt() {
    return this.when(/\$$/m);
  }
}

const LIMIT = { timeout: scaled(480_000) };

test("from the README alone, all of it in five minutes", LIMIT, async (t) => {
  const { folder, join, person } = await machine((end) => t.after(end));
  await person("alice");
  const lock = path.join(folder, "home/alice/.local/state/drover/drover.lock");
  const daemon = () => readFileSync(lock, "utf8");
  const sum = { keys: 0 };
  const [one, two] = [new Terminal(t, join, sum), new Terminal(t, join, sum)];
  await one.prompt();
  await two.prompt();
  const begun = Date.now();
  let seconds = 0;
  const reached = (what) => {
    const machine_s = (Date.now() - begun) / 1000;
    seconds = machine_s + sum.keys / KEYS_PER_S;
    t.diagnostic(`${what}: ${(seconds / 60).toFixed(1)} min, ${sum.keys} keystrokes ` +
      `(the machine took ${machine_s.toFixed(0)} s of it)`);
  };

  one.enter(lineOf("export DROVER_MODEL="));
  one.enter(lineOf("drover ask "));
  await one.when(/You said: What can you do\?/);
  reached("the first answer");
  await one.prompt();
  one.enter("clear");
  one.enter(lineOf("drover status"));
  await one.when(/^daemon +pid \d+.*started by drover ask/m);

  one.enter("clear");
  one.enter(lineOf("drover chat"));
  await one.when(/^>$/m);
  for (const line of ["say: It has begun.", "delay: 10s", "say: It has ended."])
    one.enter(lineOf(line));
  await one.when(/^(?!.*say:).*It has begun\./m);
  const kill = lineOf("kill -9 ");
  two.enter(kill);
  await one.when(/the daemon is away/);
  await one.when(/^(?!.*say:).*It has ended\.[^]*^>$/m);
  one.enter(lineOf("And now?"));
  await one.when(/You said: And now\?/);
  reached("a chat killed in an answer, and continued");
  one.key("C-d");
  await one.prompt();

  one.enter("clear");
  one.enter(lineOf("drover run examples/kill-and-resume.js"));
  await one.when(/^run_\w+$/m);
  one.enter(lineOf("sleep 3"));
  await one.prompt();
  one.enter(kill);
  one.enter("clear");
  const killed = daemon();
  one.enter(lineOf("drover attach walk"));
  await one.when(WALK_END);
  assert.notEqual(daemon(), killed, "another daemon ended it");
  reached("a workflow killed, and resumed");
  await one.prompt();
  one.enter("clear");
  one.enter("drover shutdown");
  await one.when(/has ended/);
  reached("all of it");
  assert.ok(seconds < LIMIT_S, `${seconds} s are more than five minutes`);
});
