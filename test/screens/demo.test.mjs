// demo.test.mjs: drover demo and scripts/demo on terminals of 40, 80 and 200 columns: what they
// show at the end, scripts/demo after the kill, too; and no line that is too long.
//
// runs-with: screens
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";

import { AtTerminal } from "../../scripts/terminal.mjs";
import { bin, plainEnv, root, scratch } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { golden } from "./tmux.mjs";

const LIMIT = { timeout: scaled(180_000) };
const WIDTHS = [40, 80, 200];

/** Plays it to its end. Resolves to the screen, and to what it showed when it first fitted each of
 *  `moments`. */
async function play(t, words, columns, moments) {
  const seen = {};
  const env = { ...plainEnv, TMPDIR: scratch(t), LC_ALL: "C.UTF-8" };
  const demo = new AtTerminal(words, {
    columns, rows: 60, env,
    changed: (screen) => {
      for (const [name, pattern] of Object.entries(moments)) {
        if (seen[name] === undefined && pattern.test(screen.text.join("\n"))) {
          seen[name] = screen.text.join("\n");
        }
      }
    },
  });
  t.after(() => demo.child.kill("SIGKILL"));
  assert.equal(await demo.ended, 0, demo.screen.text.join("\n"));
  assert.equal(demo.screen.broken, 0, "no line was longer than the terminal");
  return { ...seen, ended: demo.screen.text.join("\n") };
}

/** Names of folders keep their length, so that lines break where they did. How far a bar is, and
 *  how much anything took or did, differs from run to run; sentences with a number in them are
 *  unfolded, since where they break depends on it. */
const hide = (text) => {
  const named = text.replaceAll(/(?<=drv-|drover-demo\.)(?:\w|\n(?=\w)){6,7}/g,
    (name) => name.replaceAll(/\w/g, "x"));
  const counted = named.replaceAll(/[█░]+/g, (bar) => "=".repeat(bar.length))
    .replaceAll(/(?:\b| +)\d[\d.]*k?(?=\b|m?s\b)/g, " N");
  const unfolded = counted.replaceAll(/\n {5}(?=\S)/g, " ")
    .replaceAll(/^(?:Nobody dared|The next daemon)[^.]*\./gm,
      (all) => all.replaceAll(/\s+/g, " "))
    .replaceAll(/(?<=serving again \(pid N\)).*/g, "…");
  return `${unfolded.trimEnd()}\n`;
};

for (const columns of WIDTHS) {
  test(`drover demo at ${columns} columns`, LIMIT, async (t) => {
    // Its picture changes too often for another moment to be the same each time.
    const { ended } = await play(t, [bin, "demo"], columns, {});
    golden(`demo-${columns}-ended`, ended, hide);
  });
}

for (const columns of WIDTHS) {
  test(`scripts/demo at ${columns} columns`, LIMIT, async (t) => {
    const words = [path.join(root, "scripts/demo")];
    const shown = await play(t, words, columns, { killed: /killed with SIGKILL/ });
    for (const [name, text] of Object.entries(shown)) {
      golden(`scripts-demo-${columns}-${name}`, text, hide);
    }
  });
}
