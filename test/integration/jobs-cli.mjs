// jobs-cli.mjs: what the tests of the commands of jobs share.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { bin, Daemon, plainEnv, remove } from "./lib.mjs";

/** A job waits in its shell until the test makes the file. */
export const gate = (file) => `while [ ! -e '${file}' ]; do sleep 0.05; done`;

export async function start(t, options = {}) {
  const data = mkdtempSync(path.join(tmpdir(), "drv-"));
  const daemon = await new Daemon({ data, ...options }).start();
  t.after(async () => {
    // What a failed test left behind must not outlive it.
    if (!daemon.running) await daemon.start();
    for (const { id } of await jsonLines(daemon, "ps"))
      await daemon.cli(["stop", "--grace", "0", id]);
    await daemon.kill();
    await remove(data);
  });
  return daemon;
}

/** A command of the CLI; `seen(word)` waits until its output has that word. With `typed`, its input
 *  stays open for the test to write. */
export function begin(t, daemon, args, options = {}) {
  const { input, env = {}, cwd, words = [bin, ...args], typed = false } = options;
  const child = spawn(words[0], words.slice(1), {
    cwd,
    env: { ...plainEnv, DROVER_DATA: daemon.data, ...env },
  });
  t.after(() => child.kill("SIGKILL"));
  const out = [];
  const err = [];
  const waiting = [];
  const text = () => Buffer.concat(out).toString() + Buffer.concat(err).toString();
  const look = () => waiting.forEach((wait) => wait.fits(text()) && wait.resolve());
  child.stdout.on("data", (chunk) => (out.push(chunk), look()));
  child.stderr.on("data", (chunk) => (err.push(chunk), look()));
  child.stdin.on("error", () => {});
  if (!typed) child.stdin.end(input ?? "");
  const ended = once(child, "close").then(([code, signal]) => ({
    code,
    signal,
    bytes: Buffer.concat(out),
    stdout: Buffer.concat(out).toString(),
    stderr: Buffer.concat(err).toString(),
  }));
  const when = (fits) =>
    Promise.race([
      fits(text()) ? undefined : new Promise((resolve) => waiting.push({ fits, resolve })),
      ended.then((end) => assert.ok(fits(text()), `it ended early: ${JSON.stringify(end)}`)),
    ]);
  return { child, ended, when, seen: (word) => when((all) => all.includes(word)) };
}

export const job = (t, daemon, args, options) =>
  begin(t, daemon, ["job", "run", ...args], options).ended;

export async function detach(daemon, args) {
  const result = await daemon.cli(["job", "run", "--detach", "--json", ...args]);
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout).id;
}

export async function jsonLines(daemon, ...args) {
  const result = await daemon.cli([...args, "--json"]);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

export const show = async (daemon, id) => (await jsonLines(daemon, "show", id))[0];

/** Waits on the run's own stream until an event of that type came. */
export async function event(daemon, id, type) {
  const args = ["stream", "tail", `run:${id}`, "--follow", "--json"];
  const tail = spawn(bin, args, { env: { ...plainEnv, DROVER_DATA: daemon.data } });
  let text = "";
  for await (const chunk of tail.stdout) {
    text += chunk;
    if (text.includes(`"type":"${type}"`)) break;
  }
  tail.kill("SIGKILL");
}

/** What a terminal was sent, without colours and movements of the cursor. A prompt that was drawn
 *  again as it stood counts once. */
export const plain = (text) =>
  text.replaceAll(/\r|\x1b\[[?0-9;]*[A-Za-z]/g, "").replace(/(> [^\n]*?)\1+$/, "$1");

/** Runs a command of the CLI on a terminal of that size; `typed`: its keys come by child.stdin. */
export function onTerminal(t, daemon, line, options = {}) {
  const { rows = 30, columns = 120, env = {}, input, typed } = options;
  const script = `stty rows ${rows} columns ${columns}; exec '${bin}' ${line}`;
  const words = ["script", "-qefc", script, "/dev/null"];
  return begin(t, daemon, [], { words, env: { TERM: "xterm", ...env }, input, typed });
}
