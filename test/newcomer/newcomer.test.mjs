// newcomer.test.mjs: the README on a bare Debian 12 and 13: a clone of this commit, the two
// commands, and every block in order, with a last line and a time of each.
//
// What is typed stands in the README, which is read here: a command that it no longer has fails.
// Blocks with a chat, and those around them, are typed at a terminal: there the time of a person is
// what the machine took and the typing, at KEYS_PER_S. `./scripts/test` may take any time, as long
// as it makes progress.
//
// runs-with: bare
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";

import { runPage } from "../integration/docs.mjs";
import { root, scratch } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { Tmux } from "../screens/tmux.mjs";
import { machine, placeRepository, REPOSITORY } from "./machine.mjs";

const KEYS_PER_S = 4;
const LIMIT_S = scaled(300_000) / 1000;
/** Without any output for so long, a command hangs. */
const SILENCE_MS = scaled(900_000);
/** As the README says. */
const WALK_END = /12 of 12 stages/;
/** Root's, as on a rented machine: closed to others. */
const HOME = "/root";

const readme = readFileSync(path.join(root, "README.md"), "utf8");
const withoutComment = (line) => line.replace(/ +# .*$/, "");
/** The line of the README that begins so, without its comment. */
function lineOf(start) {
  const line = readme.split("\n").find((each) => each.startsWith(start));
  assert.ok(line, `the README has: ${start}`);
  return withoutComment(line);
}
/** The lines of the block that installs. */
function installLines() {
  const [, block] = /^## Install$[^]*?^```console\n([^]*?)^```$/m.exec(readme);
  return block.trim().split("\n").map(withoutComment);
}

/** Sizes of what the test run there writes, whose stages print nothing before they end. */
function written(folder) {
  const build = path.join(folder, HOME, "drover/build");
  const sizeOf = (file) => {
    try {
      return statSync(file).size;
    } catch {
      return 0; // Not yet, not any more, or below something that is no folder.
    }
  };
  const names = (...words) => {
    const place = path.join(build, ...words);
    try {
      return readdirSync(place).map((name) => path.join(place, name));
    } catch {
      return []; // Not yet, or not any more.
    }
  };
  const files = names().flatMap((place) => [
    path.join(place, ".ninja_log"), ...names(path.basename(place), "meson-logs"),
  ]);
  return [...names("log"), ...files].map(sizeOf).join(" ");
}

/** Runs a script there; what it prints is shown at once. Gives { last, seconds }. */
function type({ folder, join }, script) {
  const begun = Date.now();
  let text = "", seen, since = begun;
  const words = ["env", `HOME=${HOME}`, "DEBIAN_FRONTEND=noninteractive", "sh", "-euc", script];
  const child = spawn(join[0], [...join.slice(1), ...words], { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      text += `${line}\n`;
      process.stderr.write(`| ${line}\n`);
    });
  return new Promise((resolve, reject) => {
    const watch = setInterval(() => {
      const now = `${text.length} ${written(folder)}`;
      if (now !== seen) [seen, since] = [now, Date.now()];
      else if (Date.now() - since > SILENCE_MS) {
        child.kill("SIGKILL");
        reject(new Error(`${script}: no progress for ${SILENCE_MS / 1000} s:\n${text}`));
      }
    }, 1000);
    child.once("close", (code) => {
      clearInterval(watch);
      const last = text.trimEnd().split("\n").at(-1);
      if (code === 0) resolve({ last, seconds: (Date.now() - begun) / 1000 });
      else reject(new Error(`${script}: exit code ${code}:\n${text.slice(-20_000)}`));
    });
  });
}

/** A terminal of the user; keys and time are added up in `sum`. */
class Terminal {
  constructor(t, join, sum) {
    this.sum = sum;
    // A terminal of that system, as a log-in gives one.
    const shell = `cd ${HOME}/drover; exec bash`;
    const words = [...join, "script", "-qefc", shell, "/dev/null"];
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
    return this.when(/[#$]$/m);
  }
}

/** The first five minutes, at a terminal of a user with a home of its own, which is /srv there. */
async function fiveMinutes(t, bare) {
  const { folder, join } = bare;
  const lock = path.join(folder, "srv/.local/state/drover/drover.lock");
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
  assert.ok(seconds < LIMIT_S, `${seconds} s are more than five minutes (scaled)`);
  return { last: `${sum.keys} keystrokes, ${seconds.toFixed(0)} s of a person`, seconds };
}

/** The names of Debian 12 and 13. */
for (const release of ["bookworm", "trixie"]) describe(`the README on a bare ${release}`, () => {
  const table = [];
  let bare;
  let end = () => {};
  before(async () => {
    bare = await machine((given) => (end = given), release);
    await placeRepository(bare);
  }, { timeout: scaled(300_000) });
  after(async () => {
    await end();
    process.stderr.write(`${table.join("\n")}\n`);
  });
  const done = (t, name, { last, seconds }) => {
    table.push(`${seconds.toFixed(1).padStart(8)} s  ${name}: ${last.slice(0, 100)}`);
    t.diagnostic(table.at(-1));
  };

  for (const line of installLines()) {
    it(line, async (t) => {
      const place = `cd; [ ! -d drover ] || cd drover; `;
      done(t, line, await type(bare, place + line.replace("REPOSITORY", REPOSITORY)));
    });
  }

  it("./scripts/test", async (t) => {
    done(t, "./scripts/test", await type(bare, "cd ~/drover; ./scripts/test"));
  });

  it("what a person types, in five minutes", { timeout: scaled(480_000) }, async (t) => {
    done(t, "the first five minutes", await fiveMinutes(t, bare));
  });

  it("the blocks of commands, in order", { timeout: scaled(300_000) }, async (t) => {
    const shell = `cd ${HOME}/drover; exec sh -eu`;
    const words = [...bare.join, "env", `HOME=${HOME}`, "sh", "-c", shell];
    const blocks = await runPage(t, "README.md", { folder: scratch(t), words });
    for (const { first, output, ms } of blocks) {
      const last = output.trimEnd().split("\n").at(-1);
      done(t, withoutComment(first), { last, seconds: ms / 1000 });
    }
  });
});
