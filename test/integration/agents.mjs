// agents.mjs: what tests of programs as agents share: a daemon with the stand-in as an agent.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync }
  from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { kill, processesOf } from "./processes.mjs";
import { Turns } from "./turns.mjs";

const STANDIN = fileURLToPath(new URL("../agents/standin.mjs", import.meta.url));

/** A daemon, and the stand-in as the agent of that name. */
export async function open(t, agent = "claude", more = {}) {
  const turns = await Turns.open(t, { env: { DROVER_MODEL: "" } });
  const bin = path.join(turns.folder, "bin"), file = path.join(bin, agent);
  const folder = path.join(turns.root, ".drover", "agents");
  mkdirSync(bin);
  writeFileSync(file, `#!/bin/sh\nexec ${process.execPath} ${STANDIN} ${agent} "$@"\n`);
  chmodSync(file, 0o755);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${agent}.json`),
    JSON.stringify({ program: agent, command: file, ...more }));
  turns.agent = agent;
  return turns;
}

export const session = (turns, more = {}) =>
  turns.listen({ agent: turns.agent, model: "", root: turns.root, title: "A talk", ...more });

/** Prompts of each session of the stand-in, sorted. */
export function prompts(turns) {
  const folder = path.join(turns.root, ".standin");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((file) => readFileSync(path.join(folder, file), "utf8").trim().split("\n")).sort();
}

export const letGo = (turns) => writeFileSync(path.join(turns.root, "go"), "");

/** Kills the process that a program is, or, with `holder`, the one that holds it. */
export function killProgram(turns, { holder: wanted = false } = {}) {
  const found = processesOf(turns.daemon.data).filter(({ holder }) => holder === wanted);
  for (const { pid } of found) kill(pid);
  return found.length;
}
