// idle.mjs: the share of a processor that a real agent uses while its provider takes a request and
// answers nothing. The limit of supervision rests on it (docs/agents.md, "Supervision").
//
//   AGENT_COMMAND=…/agent-command node idle.mjs FOLDER_OF_BINARIES PROGRAM [SECONDS]
//
// Prints the share of each ten seconds, of each minute, and of all the time, in per cent.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

import { programs } from "./programs.mjs";

const [binaries, name, seconds = "650"] = process.argv.slice(2);
const TICKS_S = 100, STEP_MS = 10_000;

/** CPU time of a process and of all that descend from it, in seconds. */
function cpuOf(pid) {
  const processes = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)).flatMap((entry) => {
    try {
      const words = readFileSync(`/proc/${entry}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
      return [{ pid: Number(entry), parent: Number(words[1]),
                ticks: Number(words[11]) + Number(words[12]) }];
    } catch { return []; /* It has ended. */ }
  });
  const tree = new Set([pid]);
  for (let size = 0; size !== tree.size; ) {
    size = tree.size;
    for (const { pid, parent } of processes) if (tree.has(parent)) tree.add(pid);
  }
  return processes.filter(({ pid }) => tree.has(pid))
    .reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_S;
}

const silent = http.createServer(() => {}).listen(0, "127.0.0.1");
silent.requestTimeout = 0;
await once(silent, "listening");
const { port } = silent.address();
const home = mkdtempSync(path.join(tmpdir(), "agent-")), cwd = path.join(home, "work");
mkdirSync(cwd);
programs[name].prepare(home, port);
const env = { PATH: process.env.PATH, HOME: home, TERM: "dumb", LANG: "C.UTF-8",
              XDG_CONFIG_HOME: path.join(home, ".config"),
              XDG_DATA_HOME: path.join(home, ".local/share"), ...programs[name].env(port) };
const uuid = "11111111-2222-4333-8444-555555555555";
const command = JSON.parse(execFileSync(process.env.AGENT_COMMAND,
  [name, "say hello", uuid, uuid, ""]));
const child = spawn(path.join(binaries, name), command.argv.slice(1),
  { env, cwd, detached: true, stdio: ["pipe", "ignore", "ignore"] });
child.stdin.write(command.input);
if (!command.input_open) child.stdin.end();
await once(silent, "request");

const samples = [{ at: performance.now(), cpu: cpuOf(child.pid) }];
const share = (from, to) =>
  ((to.cpu - from.cpu) / (to.at - from.at) * 100_000).toFixed(2);
for (let left = Number(seconds) * 1000; left > 0 && child.exitCode === null; left -= STEP_MS) {
  await wait(STEP_MS);
  samples.push({ at: performance.now(), cpu: cpuOf(child.pid) });
}
for (const [words, step] of [["10 s", 1], ["60 s", 6], ["all", samples.length - 1]])
  console.log(name, `${words}:`, ...samples.slice(step)
    .flatMap((to, i) => i % step === 0 ? [share(samples[i], to)] : []));
try { process.kill(-child.pid, "SIGKILL"); } catch { /* It has ended. */ }
silent.closeAllConnections();
silent.close();
rmSync(home, { recursive: true, force: true });
