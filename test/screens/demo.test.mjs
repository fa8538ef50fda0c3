// demo.test.mjs: drover demo and scripts/demo on terminals of 40, 80 and 200 columns: what they
// show before the kill, after it and at the end; and no line that is too long.
//
// runs-with: screens
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";

import { AtTerminal } from "../../scripts/terminal.mjs";
import { bin, Daemon, plainEnv, root, scratch } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { golden } from "./tmux.mjs";

const LIMIT = { timeout: scaled(180_000) };
const WIDTHS = [40, 80, 200];
/** As the terminal breaks it. */
const LINK = /^http:\/\/127\.0\.0\.1:\d+\/#link=(?:\n?\w){64}$/m;

/** Plays it to its end. Resolves to the screen, and to what it showed when it first fitted each of
 *  `moments`. The daemon is killed, as the screen asks for it, when that first fits `kill`. Where
 *  the screen shows a link, a page signs in by it, and Enter is pressed. */
async function play(t, words, columns, moments, kill) {
  const seen = {};
  let killed = false, signed;
  const env = { ...plainEnv, TMPDIR: scratch(t), LC_ALL: "C.UTF-8" };
  const demo = new AtTerminal(words, {
    columns, rows: 60, env,
    changed: (screen) => {
      const text = screen.text.join("\n");
      for (const [name, pattern] of Object.entries(moments)) {
        if (seen[name] === undefined && pattern.test(text)) seen[name] = text;
      }
      const pid = kill?.test(text) && /kill -9 (\d+)\s*$/.exec(text)?.[1];
      if (pid && !killed) killed = process.kill(Number(pid), "SIGKILL");
      if (signed !== undefined || !/Press\s+Enter to end/.test(text)) return;
      const [origin, link] = LINK.exec(text)[0].replaceAll("\n", "").split("/#link=");
      const { port } = new URL(origin);
      const request = { headers: { origin }, body: { link } };
      signed = Daemon.prototype.request.call({ port }, "POST", "/api/v1/login", request);
      void signed.finally(() => demo.type("\r"));
    },
  });
  t.after(() => demo.child.kill("SIGKILL"));
  assert.equal(await demo.ended, 0, demo.screen.text.join("\n"));
  const text = demo.screen.text.join("\n");
  const longest = signed ? LINK.exec(text)[0].replaceAll("\n", "").length : 0;
  if (signed) assert.equal((await signed).status, 201);
  const broken = Math.max(0, Math.ceil(longest / columns) - 1);
  assert.equal(demo.screen.broken, broken, "no line but the link was longer than the terminal");
  return { ...seen, ended: text };
}

/** Sentences with the number of a process. */
const NUMBERED = new RegExp(
  "^(?:(?:Nobody dared|You killed|The next daemon)[^.]*\\.|" +
    "kill - N it now[^]*?N N$)", "gm");

/** Names of folders keep their length, so that lines break where they did. How far a bar is, and
 *  how much anything took or did, differs from run to run; sentences with a number in them are
 *  unfolded, since where they break depends on it. */
const hide = (text) => {
  const named = text.replaceAll(/(?<=drv-|drover-demo\.)(?:\w|\n(?=\w)){6,7}/g,
    (name) => name.replaceAll(/\w/g, "x")).replace(LINK, "LINK");
  const counted = named.replaceAll(/[█░]+/g, (bar) => "=".repeat(bar.length))
    .replaceAll(/(?:\b| +)\d[\d.]*k?(?=\b|m?s\b)/g, " N");
  const unfolded = counted.replaceAll(/\n {5}(?=\S)/g, " ")
    .replaceAll(NUMBERED, (all) => all.replaceAll(/\s+/g, " "))
    .replaceAll(/(?<=serving again \(pid N\)).*/g, "…");
  return `${unfolded.trimEnd()}\n`;
};

for (const columns of WIDTHS) {
  test(`drover demo at ${columns} columns`, LIMIT, async (t) => {
    // Moments with nothing else to change for half a second, and with a whole picture: its last
    // line is there.
    const moments = {
      dared: /Four of them[^]*kill -9 \d+\s*$/,
      again: /You killed[^]*\(again\)[^]*kill -9 \d+\s*$/,
    };
    const shown = await play(t, [bin, "demo"], columns, moments, /What if somebody/);
    assert.deepEqual(Object.keys(shown), ["dared", "again", "ended"]);
    for (const [name, text] of Object.entries(shown)) golden(`demo-${columns}-${name}`, text, hide);
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
