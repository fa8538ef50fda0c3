// docs.mjs: runs the commands of a page of documentation, in order, as a reader would type them.
//
// A block ```sh is run. A block ```text directly after it is what its commands print: each of its
// lines must appear in the output, in this order; "…" stands for any text. A block of another kind
// is not run: it needs root, systemd, the network, a real model or a person.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  closeSync, cpSync, existsSync, mkdirSync, openSync, readFileSync, symlinkSync,
} from "node:fs";
import path from "node:path";

import { bin, plainEnv, root, scratch } from "./lib.mjs";
import { kill, processesIn } from "./processes.mjs";

/** The pages whose commands are run. */
export const TASKS = [
  "README.md", "docs/nightly.md", "docs/local-models.md", "docs/five-agents.md", "docs/backup.md",
  "docs/remote.md", "docs/troubleshooting.md",
];

const FENCE = /^```([^\n]*)\n(.*?)^```$/gms;
/** A process that was forked while the list was read is in the next one. */
const PASSES_MAX = 100;

/** The blocks of a page: commands, and what they print (null: the page does not say). */
export function blocksOf(text) {
  const blocks = [];
  let end = 0;
  for (const found of text.matchAll(FENCE)) {
    const between = text.slice(end, found.index).trim();
    end = found.index + found[0].length;
    if (found[1] === "sh") {
      blocks.push({ commands: found[2], printed: null });
    } else if (found[1] === "text" && between === "" && blocks.length > 0) {
      blocks.at(-1).printed = found[2];
    }
  }
  return blocks;
}

const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const linesOf = (text) => text.split("\n").map((line) => line.trim());

/** Asserts that the lines of `printed` appear in `output`, in their order. */
export function compare(printed, output, place) {
  const lines = linesOf(output);
  let at = 0;
  for (const wanted of linesOf(printed).filter(Boolean)) {
    const pattern = new RegExp(`^${wanted.split("…").map(quoted).join(".*")}$`);
    const found = lines.findIndex((line, i) => i >= at && pattern.test(line));
    assert.ok(found >= 0, `${place}: no line\n  ${wanted}\nin the output:\n${output}`);
    at = found + 1;
  }
}

/** The machine of a reader: a home, a folder with the examples, `drover` on the PATH. */
function machine(t) {
  const folder = scratch(t);
  t.after(() => {
    for (let pass = 0; pass < PASSES_MAX && processesIn(folder).length > 0; pass++) {
      for (const pid of processesIn(folder)) kill(pid);
    }
  });
  for (const name of ["home", "bin", "work"]) mkdirSync(path.join(folder, name));
  symlinkSync(bin, path.join(folder, "bin/drover"));
  cpSync(path.join(root, "examples"), path.join(folder, "work/examples"), { recursive: true });
  const env = {
    ...plainEnv, DROVER_NO_START: "", HOME: path.join(folder, "home"),
    PATH: `${folder}/bin:${process.env.PATH}`, LANG: "C.UTF-8",
  };
  delete env.XDG_STATE_HOME;
  delete env.XDG_CONFIG_HOME;
  return { folder, words: ["sh", "-eu"], cwd: path.join(folder, "work"), env };
}

/** Types the script into a shell that ends at the first command that fails. Resolves to its exit
 *  code and its output, which is a file, because the daemon may outlive the shell. */
async function type(script, { folder, words, ...options }) {
  const file = path.join(folder, "output");
  const output = openSync(file, "a");
  const shell = spawn(words[0], words.slice(1), { ...options, stdio: ["pipe", output, output] });
  const ended = new Promise((resolve) => shell.once("exit", resolve));
  shell.stdin.end(script);
  const code = await ended;
  closeSync(output);
  return { code, output: readFileSync(file, "utf8") };
}

/** Runs all blocks of the page in one shell: that of `here`, else of a machine whose processes are
 *  killed when the test ends. `here` has a folder for the output and words that start a shell. */
export async function runPage(t, name, here = machine(t)) {
  const blocks = blocksOf(readFileSync(path.join(root, name), "utf8"));
  assert.ok(blocks.length > 0, `${name} has commands`);
  const script = blocks.map(({ commands }, i) => `echo '=== block ${i} ==='\n${commands}`);
  // The braces make the shell read all of it first: no command takes the rest as its input.
  const { code, output } = await type(`{\n${script.join("\n")}\n} </dev/null\n`, here);
  const pieces = output.split(/^=== block \d+ ===$/m).slice(1);
  assert.equal(code, 0, `${name}, block ${pieces.length} ended with ${code}:\n${pieces.at(-1)}`);
  blocks.forEach(({ printed }, i) => {
    if (printed !== null) compare(printed, pieces[i], `${name}, block ${i + 1}`);
  });
}

const LINK = /\]\(([^)\s]+)\)/g;
/** The anchor that a heading gets on the usual hosts. */
const anchorOf = (heading) =>
  heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");

function anchorsOf(text) {
  const plain = text.replace(FENCE, "");
  return [...plain.matchAll(/^#+ (.+)$/gm)].map((found) => anchorOf(found[1]));
}

/** The links of the page that lead nowhere: to a file or a heading that does not exist. */
export function brokenLinks(name) {
  const text = readFileSync(path.join(root, name), "utf8");
  const broken = [];
  for (const [, link] of text.replace(FENCE, "").matchAll(LINK)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [file, anchor] = link.split("#");
    const target = file === "" ? path.join(root, name) : path.join(root, path.dirname(name), file);
    const exists = existsSync(target);
    if (!exists || (anchor && !anchorsOf(readFileSync(target, "utf8")).includes(anchor))) {
      broken.push(link);
    }
  }
  return broken;
}
