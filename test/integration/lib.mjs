// lib.mjs: a real daemon on a private data directory, and plain ways to talk to it.
//
// DROVER_BIN       the binary under test (build/drover)
// DROVER_DATABASE  postgres://… : daemons run on that server, each in a schema of its own
// DROVER_BRISK     a file that lists daemons of a release build whose loop was held too long
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync, chmodSync, copyFileSync, mkdtempSync, realpathSync, rmSync,
} from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeEach, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { killLeft } from "./processes.mjs";
import { scaled } from "./scale.mjs";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
/** Nothing above the folders of the tests is part of their projects: neither a repository that the
 *  temporary folder lies in, nor what other programs left there. */
process.env.GIT_CEILING_DIRECTORIES = `${realpathSync(tmpdir())}:/tmp`;
/** Nothing listens there: a server of models on this machine is never found. */
const NO_LOCAL_MODELS = { OLLAMA_HOST: "127.0.0.1:9", LLAMACPP_HOST: "127.0.0.1:9" };
const OF_THE_USER = /^((DROVER|OPENAI|ANTHROPIC|DEEPSEEK|OLLAMA|LLAMACPP)_|CLAUDE_CONFIG_DIR$)/;
/** The environment without the settings of drover and of providers: what the user of this machine
 *  has set there is not under test, and his keys and servers are not asked. */
export const plainEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_THE_USER.test(name))),
  ...NO_LOCAL_MODELS,
  DROVER_NO_START: "1", // A command without a daemon fails, and starts none that nobody ends.
};
export const bin = path.resolve(root, process.env.DROVER_BIN ?? "build/drover");

/** With all that is in it. A process that was killed just now may still make a file there. */
export async function remove(folder) {
  for (let tries = 0; ; tries++) {
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (tries === 50 || error.code !== "ENOTEMPTY") throw error;
      await pause(100);
    }
  }
}

/** A folder that is removed when the test ends. */
export function scratch(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  t.after(() => remove(folder));
  return folder;
}

/** A copy of the binary that every user can start: the checkout may be in a folder that is closed
 *  to others, such as the home of root. */
export function binForAll(t) {
  const folder = scratch(t), copy = path.join(folder, "drover");
  chmodSync(folder, 0o755);
  copyFileSync(bin, copy);
  return copy;
}

/** The server's URL with a schema of its own, or nothing where SQLite is tested. */
function privateDatabase() {
  if (!process.env.DROVER_DATABASE) return undefined;
  const url = new URL(process.env.DROVER_DATABASE);
  url.searchParams.set("options", `-csearch_path=t${randomBytes(6).toString("hex")}`);
  return url.toString().replaceAll("+", "%20");
}

/** Of one case of sideBySide: one that hangs is named then; its file would only fall silent. */
const CASE_MS = scaled(150_000);

/** A `test` for a file whose cases wait rather than compute: they run side by side, at most
 *  `concurrency` at a time. */
export function sideBySide(concurrency) {
  const cases = [];
  const runAll = () => cases.forEach(([name, options, play]) =>
    it(name, { timeout: CASE_MS, ...options },
      (t) => caseOf.run({ name, daemons: 0 }, () => play(t))));
  // When the whole file was read, so that one suite has all of them.
  queueMicrotask(() => describe("side by side", { concurrency }, runAll));
  return (name, ...rest) => cases.push([name, rest.length > 1 ? rest[0] : {}, rest.at(-1)]);
}
const caseOf = new AsyncLocalStorage();
/** The test that began last, where they come one after the other. */
let lastTest;
if (process.env.DROVER_BRISK) beforeEach(({ name }) => (lastTest = { name, daemons: 0 }));

/** The daemons of this file, from the first on. */
const daemons = [];
/** Signals by which a program ends itself; no test sends them. */
const CRASHES = ["SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"];

/** Jobs outlive their daemon and its folder by design. Without this they would outlive the tests,
 *  too: those that failed, and those that were interrupted. */
function endAll() {
  const PASSES_MAX = 100; // What was killed just now may still be seen.
  for (const daemon of daemons) if (daemon.running) daemon.child.kill("SIGKILL");
  const directories = daemons.map(({ data }) => path.resolve(data));
  if (directories.length === 0) return;
  for (let pass = 0; pass < PASSES_MAX && !killLeft(...directories); pass++);
}

process.on("exit", endAll);
for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15]]) {
  process.once(signal, () => process.exit(128 + number));
}

export class Daemon {
  /** args: more words for `serve`; env: more environment; program: another binary. */
  constructor({ data, args = [], env = {}, listen = "127.0.0.1:0", program = bin }) {
    const database = privateDatabase();
    this.number = daemons.push(this);
    this.case = caseOf.getStore();
    this.test = this.case ?? lastTest;
    if (this.test) this.numberInTest = ++this.test.daemons;
    this.lives = 0;
    this.program = program;
    this.data = data;
    this.args = ["serve", "--data", data, "--listen", listen, ...args];
    // With a model named, no start looks for servers of models on this machine.
    // Tests that kill a daemon again and again want no hold; those about it set another number.
    const ours = { DROVER_MODEL: "scripted/demo", DROVER_HOLD_AFTER: "0" };
    if (database) ours.DROVER_DATABASE = database;
    this.env = { ...plainEnv, ...ours, ...env };
    this.socket = path.join(data, "drover.sock");
    this.log = "";
  }

  get running() {
    const { child } = this;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  spawn() {
    assert.ok(!this.running, "the daemon runs already");
    this.lives++;
    const stdio = ["ignore", "pipe", "pipe"];
    this.child = spawn(this.program, this.args, { env: this.env, stdio });
    this.exited = new Promise((resolve) =>
      this.child.once("exit", (code, signal) => resolve({ code, signal })),
    );
    this.closed = new Promise((resolve) => this.child.once("close", resolve)); // The log is whole.
    this.child.once("close", (code, signal) => this.tellCrash(signal));
    this.log = "";
    this.child.stderr.on("data", (chunk) => (this.log += chunk));
  }

  /** Starts and waits for the ready line; throws with the log when the daemon ends instead. */
  async start() {
    this.spawn();
    const ready = new Promise((resolve) => {
      let text = "";
      this.child.stdout.on("data", (chunk) => {
        text += chunk;
        if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
      });
    });
    const line = await Promise.race([ready, this.exited]);
    assert.equal(typeof line, "string", `serve ended early: ${JSON.stringify(line)}\n${this.log}`);
    const match = /^drover ready at (\S+)$/.exec(line);
    assert.ok(match, `unexpected first line: ${line}`);
    this.url = match[1];
    this.port = this.url.startsWith("http") ? Number(new URL(this.url).port) : undefined;
    return this;
  }

  /** A file whose daemon crashed has failed, also when its tests passed; scripts/again.py looks for
   *  these words, and never calls it flaky. */
  tellCrash(signal) {
    const asserted = this.log.split("\n").filter((line) => line.includes(": Assertion `"));
    if (CRASHES.includes(signal) || asserted.length > 0) process.exitCode = 1;
    if (CRASHES.includes(signal)) {
      const end = this.log.split("\n").slice(-20).join("\n");
      process.stderr.write(`drover serve was ended by ${signal}\n${end}\n`);
    } else if (asserted.length > 0) { // Of a holder or a worker.
      process.stderr.write(`${asserted.join("\n")}\n`);
    }
  }

  /** TEST: NUMBER, the same in every run of that test; of a daemon that more than one test had its
   *  number within the file. */
  get name() {
    const alone = this.case ?? (this.test === lastTest && this.test?.name !== undefined);
    return alone ? `${this.test.name}: ${this.numberInTest}` : `${this.number}`;
  }

  /** Waits for the end, when the log is whole, and notes turns of the loop that took long. The
   *  suite judges them, since one alone says little: a busy host lets its own time pass as ours.
   *  Sanitizers and valgrind make each turn slow; a binary with faults in it may be made slow. */
  async ended() {
    const end = await this.exited;
    await this.closed;
    const slow = this.log.split("\n").filter((line) => line.includes("loop took long"));
    if (slow.length > 0 && process.env.DROVER_BRISK && this.program === bin) {
      const file = path.relative(root, process.argv[1]);
      // One that is killed a hundred times would be slow in some life of every run.
      const daemon = `${this.name}.${this.lives}`;
      const note = { file, daemon, args: this.args.slice(3), slow };
      appendFileSync(process.env.DROVER_BRISK, `${JSON.stringify(note)}\n`);
    }
    return end;
  }

  async kill() {
    if (!this.running) return;
    this.child.kill("SIGKILL");
    await this.ended();
  }

  /** Kills at some point of the start: after `ms` or at the ready line, whichever is first. */
  async startAndKillWithin(ms) {
    this.spawn();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.child.stdout.once("data", () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.child.kill("SIGKILL");
    const end = await this.ended();
    assert.equal(end.signal, "SIGKILL", `serve ended early: ${JSON.stringify(end)}\n${this.log}`);
  }

  /** SIGTERM, and the end it leads to. */
  async stop() {
    this.child.kill("SIGTERM");
    return this.ended();
  }

  /** One request over TCP, or over the Unix socket with `local`. */
  request(method, target, { body, headers = {}, local = false } = {}) {
    const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const where = local ? { socketPath: this.socket } : { host: "127.0.0.1", port: this.port };
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          ...where,
          method,
          path: target,
          agent: false,
          headers: {
            ...(payload === undefined
              ? {}
              : {
                  "content-type": "application/json",
                  "content-length": Buffer.byteLength(payload),
                }),
            ...headers,
          },
        },
        (answer) => {
          const chunks = [];
          answer.on("data", (chunk) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            const isJson = /json/.test(answer.headers["content-type"] ?? "") && text;
            const json = isJson ? JSON.parse(text) : undefined;
            resolve({ status: answer.statusCode, headers: answer.headers, text, json });
          });
        },
      );
      request.on("error", reject);
      request.end(payload);
    });
  }

  append(stream, event, headers) {
    return this.request("POST", `/api/v1/streams/${encodeURIComponent(stream)}/events`, {
      body: event,
      headers,
    });
  }

  /** Runs a command of the CLI against this daemon. */
  cli(args, { input = "", env = {}, cwd } = {}) {
    return run([...args], { input, cwd, env: { ...this.env, DROVER_DATA: this.data, ...env } });
  }
}

/** Runs the binary with `args` to its end. */
export function run(args, { input = "", env = plainEnv, program = bin, cwd } = {}) {
  return new Promise((resolve) => {
    const options = { env, cwd, maxBuffer: 64 << 20 };
    const child = execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr }),
    );
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** A time zone whose midnight comes after so long. */
export function midnightIn(ms) {
  const left = Math.ceil((86400000 - ((Date.now() + ms) % 86400000)) / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const clock = [left / 3600, (left / 60) % 60, left % 60].map((n) => two(Math.floor(n)));
  return `DAY-${clock.join(":")}`;
}

/** A small repeatable generator (mulberry32), so that a seed repeats a run. */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n) {
    return Math.floor(this.next() * n);
  }
}
