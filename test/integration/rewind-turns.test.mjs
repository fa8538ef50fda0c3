// rewind-turns.test.mjs: a program changes a folder in 50 turns, by its own hands and by shells;
// then its session is rewound to each of them, and the folder is what it was, byte by byte.
//
// runs-with: release
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, readFileSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { define, open, script } from "./agents.mjs";
import { Random } from "./lib.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";

const TURNS = 50;

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

const pick = (random, list) => list[random.below(list.length)];

/** A line of sh that changes something. */
function change(random, turn) {
  const name = () => `${pick(random, ["a", "b b", "d/c", "d/e/f", "ü"])}.${random.below(3)}`;
  const [one, two] = [name(), name()];
  return pick(random, [
    `mkdir -p d/e; seq ${1 + random.below(40)} >'${one}'`,
    `mkdir -p d/e; echo line ${turn} >>'${one}'`,
    `[ ! -f '${one}' ] || sed -i 's/${random.below(9)}/<${turn}>/' '${one}'`,
    `rm -rf '${one}'`,
    `mkdir -p d/e; [ ! -e '${one}' ] || mv -f '${one}' '${two}'`,
    `[ ! -f '${one}' ] || chmod ${pick(random, ["+x", "-x"])} '${one}'`,
    `mkdir -p d/e; rm -f '${one}'; ln -s 'to ${turn}' '${one}'`,
    `mkdir -p d/e; rm -f '${one}'; printf '\\0\\377${turn}' >'${one}'`,
    `mkdir -p d/e; rm -f '${one}'; printf 'no end ${turn}' >'${one}'`,
    "rm -rf d",
  ]);
}

test("rewound to each of 50 turns of a program, the folder is what it was", {
  timeout: scaled(170_000),
}, async (t) => {
  const random = new Random(66);
  const turns = await open(t, []);
  const root = realpathSync(turns.root);
  execFileSync("git", ["-C", root, "init", "-q"]);
  // Its prompt is what it does.
  define(turns, "hand", { program: "plain", args: ["{prompt}"],
    command: script(turns, "hand", 'sh -c "$1" && echo done') });
  const one = await turns.listen({ agent: "hand", model: "", root, title: "Fifty" });
  const pages = () => turns.get(`/sessions/${one.session}/changes`);
  const before = [], messages = [];
  let seen = null;
  for (let turn = 1; turn <= TURNS; turn += 1) {
    before.push(contents(root));
    const lines = Array.from({ length: 1 + random.below(3) }, () => change(random, turn));
    const { run, message } = await turns.send(one.session, lines.join("; "));
    messages.push(message);
    const end = await one.ended(run);
    assert.equal(end.state, "succeeded", JSON.stringify(end));
    await until(`turn ${turn} has its last point`, async () => {
      const { to } = await pages();
      const isNew = to?.phase === "end" && to.id !== seen;
      if (isNew) seen = to.id;
      return isNew;
    });
  }
  for (let turn = TURNS; turn >= 1; turn -= 1) {
    const answer = await turns.ask("POST", `/sessions/${one.session}/rewind`,
      { to: messages[turn - 1], files: true });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(contents(root), before[turn - 1], `before turn ${turn}`);
  }
});
