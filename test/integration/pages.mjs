// pages.mjs: runs the commands of a page of documentation, in their order, as a reader would type them.
//
// A block ```sh is run. A block ```text that follows it is what those commands print: each of its lines
// must appear, in this order, where "…" stands for anything. A block of another kind is not run.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";

import { bin, root, scratch } from "./lib.mjs";

const FENCE = /^```([^\n]*)\n(.*?)^```$/gms;

/** The blocks of a page: commands, and what they print (null: not said). */
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

/** The lines of `printed` appear in `output`, in their order. */
export function compare(printed, output, place) {
  const lines = output.split("\n").map((line) => line.trim());
  let at = 0;
  for (const wanted of printed.split("\n").map((line) => line.trim()).filter(Boolean)) {
    const pattern = new RegExp(`^${wanted.split("…").map(quoted).join(".*")}$`);
    const found = lines.findIndex((line, i) => i >= at && pattern.test(line));
    assert.ok(found >= 0, `${place}: no line\n  ${wanted}\nin what was printed:\n${output}`);
    at = found + 1;
  }
}

/** A person's machine: a home, a project folder with the examples, `drover` on the PATH. */
function machine(t) {
  const folder = scratch(t);
  for (const name of ["home", "bin", "work"]) {
    mkdirSync(path.join(folder, name));
  }
  symlinkSync(bin, path.join(folder, "bin/drover"));
  cpSync(path.join(root, "examples"), path.join(folder, "work/examples"), { recursive: true });
  cpSync(path.join(root, "scripts/receiver.py"), path.join(folder, "work/receiver.py"));
  const env = {
    HOME: path.join(folder, "home"), PATH: `${folder}/bin:${process.env.PATH}`, LANG: "C.UTF-8",
    USER: "reader", OLLAMA_HOST: "127.0.0.1:9", LLAMACPP_HOST: "127.0.0.1:9",
    ...(process.env.DROVER_DATABASE ? { DROVER_DATABASE: process.env.DROVER_DATABASE } : {}),
  };
  return { folder, work: path.join(folder, "work"), env };
}

function type(script, { work, env }) {
  return new Promise((resolve) => {
    const shell = spawn("sh", ["-eu"], { cwd: work, env, stdio: ["pipe", "pipe", "pipe"] });
    const out = [];
    shell.stdout.on("data", (piece) => out.push(piece));
    shell.stderr.on("data", (piece) => out.push(piece));
    shell.on("exit", (code) => resolve({ code, output: () => Buffer.concat(out).toString() }));
    shell.stdin.end(script);
  });
}

/** Runs all blocks of the page in one shell. The page's daemon is ended afterwards. */
export async function runPage(t, name) {
  const place = machine(t);
  const blocks = blocksOf(readFileSync(path.join(root, name), "utf8"));
  assert.ok(blocks.length > 0, `${name} has commands`);
  const mark = (i) => `=== block ${i} ===`;
  const script = blocks
    .map(({ commands }, i) => `echo '${mark(i)}'\n${commands}`)
    .join("\n");
  t.after(async () => {
    await type("drover shutdown --stop-all || :\n", place);
    rmSync(place.folder, { recursive: true, force: true });
  });
  // A command that reads its input must not read the rest of the script.
  const { code, output } = await type(`exec 3<&0\n{\n${script}\n} </dev/null 2>&1\n`, place);
  const pieces = output().split(/^=== block \d+ ===$/m).slice(1);
  assert.equal(code, 0, `${name}: block ${pieces.length} ended with ${code}:\n${pieces.at(-1)}`);
  blocks.forEach(({ printed }, i) => {
    if (printed !== null) {
      compare(printed, pieces[i], `${name}, block ${i + 1}`);
    }
  });
}
