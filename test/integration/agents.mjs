// agents.mjs: what tests of programs as agents share: a daemon with the stand-in as an agent.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync,
  writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { kill, processesOf } from "./processes.mjs";
import { Turns } from "./turns.mjs";

export const STANDIN = fileURLToPath(new URL("../agents/standin.mjs", import.meta.url));

/** A daemon with a home of its own, and the stand-in as the agents of those names. */
export async function open(t, agents = "claude", more = {}, env = {}, args = []) {
  const home = mkdtempSync(path.join(tmpdir(), "drv-home-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const turns = await Turns.open(t, { args: ["--insecure-loopback", ...args],
    env: { DROVER_MODEL: "", HOME: home, ...env } });
  turns.home = home;
  turns.bin = path.join(turns.folder, "bin");
  mkdirSync(turns.bin);
  for (const agent of [agents].flat()) {
    turns.agent ??= agent;
    const command = script(turns, agent, `exec ${process.execPath} ${STANDIN} ${agent} "$@"`);
    define(turns, agent, { program: agent, command, ...more });
  }
  return turns;
}

/** The path of a script of that name. */
export function script(turns, name, text) {
  const file = path.join(turns.bin, name);
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Defines an agent of the user, or of the folder that is named. */
export function define(turns, name, definition, folder = turns.home) {
  const agents = path.join(folder, ".drover", "agents");
  mkdirSync(agents, { recursive: true });
  writeFileSync(path.join(agents, `${name}.json`), JSON.stringify(definition));
}

export const session = (turns, more = {}) =>
  turns.listen({ agent: turns.agent, model: "", root: turns.root, title: "A talk", ...more });

/** Prompts of each session of the stand-in, sorted. */
export function prompts(turns) {
  const folder = path.join(turns.root, ".standin");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((file) => readFileSync(path.join(folder, file), "utf8").trim())
    .filter((text) => text !== "").map((text) => text.split("\n")).sort();
}

export const letGo = (turns) => writeFileSync(path.join(turns.root, "go"), "");

/** Kills the process that a program is, or, with `holder`, the one that holds it. */
export function killProgram(turns, { holder: wanted = false } = {}) {
  const found = processesOf(turns.daemon.data).filter(({ holder }) => holder === wanted);
  for (const { pid } of found) kill(pid);
  return found.length;
}
