// docs.mjs: runs the commands of a page of documentation, in order, as a reader would type them.
//
// A block ```sh is run. A block ```text directly after it is what its commands print: each of its
// lines must appear in the output, in this order; "…" stands for any text. A block ```console is
// not run, since it needs root, systemd, the network, a real model, minutes or a person: its
// commands are only read, by `faultsOf`.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync, cpSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, symlinkSync,
} from "node:fs";
import path from "node:path";

import { bin, plainEnv, root, scratch } from "./lib.mjs";
import { kill, processesIn } from "./processes.mjs";

/** The pages whose commands are run: tasks, then reference. */
export const TYPED = [
  "README.md", "docs/nightly.md", "docs/local-models.md", "docs/five-agents.md", "docs/backup.md",
  "docs/remote.md", "docs/troubleshooting.md", "docs/api.md", "docs/running.md",
  "docs/workflows.md", "docs/chat.md", "docs/jobs.md", "docs/budgets.md", "docs/board.md",
  "docs/flows.md", "docs/changes.md", "docs/worktrees.md",
];

/** All pages of the documentation. */
export const PAGES = ["", "docs", "decisions", "examples", "changelog"].flatMap((folder) =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.join(folder, name)),
);

/** The folder from which a page's links lead: those of an entry of the changelog are the page's. */
const folderOf = (name) => /^changelog\/(?!README)/.test(name) ? "" : path.dirname(name);
/** In a list a block is indented. */
const FENCE = /^ *```([^\n]*)\n(.*?)^ *```$/gms;
/** The kinds of blocks. */
const KINDS = [
  "sh", "console", "text", "json", "js", "python", "yaml", "markdown", "caddy",
];
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
 *  killed when the test ends. `here` has a folder for the output and words that start a shell.
 *  Gives of each block its first line, its output and its time. */
export async function runPage(t, name, here = machine(t)) {
  const blocks = blocksOf(readFileSync(path.join(root, name), "utf8"));
  assert.ok(blocks.length > 0, `${name} has commands`);
  const mark = (i) => `echo "=== block ${i} at $(date +%s%3N) ==="`;
  const script = blocks.map(({ commands }, i) => `${mark(i)}\n${commands}`);
  script.push(mark(blocks.length));
  // Readers of a page about one matter have a model; the README begins without one, and names it.
  if (name !== "README.md") script.unshift("export DROVER_MODEL=scripted/demo");
  // The braces make the shell read all of it first: no command takes the rest as its input.
  const { code, output } = await type(`{\n${script.join("\n")}\n} </dev/null\n`, here);
  const [, ...marked] = output.split(/^=== block \d+ at (\d+) ===$/m);
  const times = marked.filter((_, i) => i % 2 === 0);
  const pieces = marked.filter((_, i) => i % 2 === 1);
  assert.equal(code, 0, `${name}, block ${pieces.length} ended with ${code}:\n${pieces.at(-1)}`);
  blocks.forEach(({ printed }, i) => {
    if (printed !== null) compare(printed, pieces[i], `${name}, block ${i + 1}`);
  });
  return blocks.map(({ commands }, i) => ({
    first: commands.split("\n")[0], output: pieces[i], ms: times[i + 1] - times[i],
  }));
}

// What is not run is read. The shell checks the syntax; words are split here, as it does.

const WORD = /(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"|;&<>#\\]|(?<=[^\s|;&<>])#)+/y;
/** Words before the command: variables, times of cron, and who runs it. */
const BEFORE = /^([\d*]+|\w+=.*|sudo|export)$/s;

/** The commands of a script, each as its words; what they read from and write to is left out. */
export function commandsOf(script) {
  const commands = [[]];
  let redirected = false;
  for (let at = 0; at < script.length; ) {
    WORD.lastIndex = at;
    const [word] = WORD.exec(script) ?? [];
    const rest = script.slice(at);
    if (word !== undefined && !rest.startsWith("\\\n")) {
      const plain = word.replaceAll(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/gs, "$1$2$3");
      if (!redirected) commands.at(-1).push(plain);
      redirected = false;
      at += word.length;
    } else if (rest[0] === "#") {
      at += rest.search(/$/m);
    } else {
      if (/^[|;&\n]/.test(rest)) commands.push([]);
      redirected ||= /^[<>]/.test(rest);
      at += rest.startsWith("\\\n") ? 2 : 1;
    }
  }
  return commands
    .map((words) => words.slice(words.findIndex((word) => !BEFORE.test(word))))
    .filter((words) => words.length > 0);
}

/** What `drover` says of words that it does not take. The flag comes before all that may be taken
 *  as it stands, and nothing is done. */
function refusal(words) {
  const names = words[2] === undefined || words[2].startsWith("-") ? 2 : 3;
  const asked = [...words.slice(1, names), "--help", ...words.slice(names)];
  const { status, stderr } = spawnSync(bin, asked, { env: plainEnv, encoding: "utf8" });
  return status === 0 ? [] : [stderr.trim()];
}

const OURS = /^(\.\/)?(scripts|test|src|examples|docs|packaging|workflows)\//;
function exists(file) {
  const pattern = new RegExp(`^${path.basename(file).split("*").map(quoted).join(".*")}$`);
  const folder = path.join(root, path.dirname(file));
  return existsSync(folder) && readdirSync(folder).some((name) => pattern.test(name));
}

function missing(words) {
  const makefile = readFileSync(path.join(root, "Makefile"), "utf8");
  const targets = words[0] === "make" ? words.slice(1).filter((word) => /^[a-z]/.test(word)) : [];
  return [
    ...words.filter((word) => words[0] !== "ninja" && OURS.test(word) && !exists(word)),
    ...targets.filter((name) => !new RegExp(`^([\\w-]+ )*${name}( [\\w-]+)*:`, "m").test(makefile)),
  ].map((name) => `there is no ${name}`);
}

/** What is wrong with the blocks of a page that are not run. */
export function faultsOf(page) {
  return [...page.matchAll(FENCE)].flatMap(([, kind, text]) => {
    if (!KINDS.includes(kind)) return [`\`\`\`${kind} is no kind of block`];
    if (kind !== "console") return [];
    const { status, stderr } = spawnSync("sh", ["-n"], { input: text, encoding: "utf8" });
    const faults = status === 0 ? [] : [stderr.trim()];
    for (const words of commandsOf(text)) {
      faults.push(...missing(words), ...(words[0] === "drover" ? refusal(words) : []));
    }
    return faults;
  });
}

/** The commands of drover in the sentences of a page that do not exist, or have a flag that does
 *  not. Their values may be placeholders, and parts of them optional. */
export function wrongIn(page) {
  const spans = page.replace(FENCE, "").matchAll(/`(drover [^`]+)`/g);
  const commands = new Set([...spans].map(([, text]) => text.replaceAll(/[[\]\s]+/g, " ")));
  return [...commands].flatMap((text) =>
    refusal(commandsOf(text)[0]).filter((said) => /no flag|not a command/.test(said)),
  );
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
    const target = file === "" ? path.join(root, name) : path.join(root, folderOf(name), file);
    const exists = existsSync(target);
    if (!exists || (anchor && !anchorsOf(readFileSync(target, "utf8")).includes(anchor))) {
      broken.push(link);
    }
  }
  return broken;
}
