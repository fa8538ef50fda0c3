// record.mjs: runs real agents against provider.mjs and writes what they print to recordings/.
//
//   AGENT_COMMAND=…/agent-command node record.mjs FOLDER_OF_BINARIES OUT [PROGRAM[:CASE] …]
//
// They are started as drover would start them: agent-command says how.
//
// A recording is NAME.jsonl, the output as it was, but for what differs from run to run: the home,
// ids and times are replaced by fixed ones, and long lists by their beginning. index.json has its
// exit code, signal, and the end of its stderr.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { hasBegun, programs } from "./programs.mjs";
import { Provider } from "./provider.mjs";

const [, , binaries, out, ...only] = process.argv;
const limitMs = 40_000, graceMs = 10_000;
const uuid = "11111111-2222-4333-8444-555555555555";
// A message whose uuid its session has seen already is echoed, and never answered.
const messageUuids = [
  "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "aaaaaaaa-bbbb-4ccc-8ddd-ffffffffffff",
];
const prompts = ["say hello", "and again"];

// A further message comes after the result (followed), while a tool is asked about (steered), or
// while the only answer is written (overlapped).
const cases = ["turn", "resumed", "tool", "denied", "followed", "steered", "overlapped",
               "fallback", "401", "429", "500", "truncated", "refused", "killed", "terminated"];
const ofClaude = ["denied", "followed", "steered", "overlapped", "fallback"];
const linesMax = 100;
const linesEndless = 40; // Of one that the limit ended; slow machines reach this, too.

function commandOf(name, at, native) {
  const said = execFileSync(process.env.AGENT_COMMAND,
    [name, prompts[at], messageUuids[at], uuid, native]);
  return JSON.parse(said);
}

/** Output of the program, until it has ended or is too late. */
function run(program, { command, env, cwd, onLine, onStart }) {
  const child = spawn(path.join(binaries, program), command.argv.slice(1),
    { env, cwd, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  let stdout = "", stderr = "", rest = "", late = false;
  const end = (signal) => {
    try { process.kill(-child.pid, signal); } catch { /* It has ended. */ }
  };
  const timer = setTimeout(() => { late = true; end("SIGKILL"); }, limitMs);
  child.stdout.once("data", () => timer.refresh()); // A slow start is not counted.
  child.stdin.on("error", () => {});
  child.stdin.write(command.input);
  if (!command.input_open) child.stdin.end();
  onStart?.({ child, end });
  child.stdout.on("data", (piece) => {
    stdout += piece;
    rest += piece;
    for (let at; (at = rest.indexOf("\n")) >= 0; rest = rest.slice(at + 1))
      onLine?.(rest.slice(0, at), child);
  });
  child.stderr.on("data", (piece) => (stderr += piece));
  return new Promise((resolve) => child.on("close", (code, signal) => {
    clearTimeout(timer);
    resolve({ stdout, stderr, code, signal, late });
  }));
}

/** A line of input. */
const line = (object) => `${JSON.stringify(object)}\n`;

async function record(name, what) {
  const program = programs[name];
  const home = mkdtempSync(path.join(os.tmpdir(), "agent-"));
  const cwd = path.join(home, "work");
  mkdirSync(cwd);
  const provider = await new Provider().start();
  const port = what === "refused" ? 1 : provider.port;
  program.prepare(home, port);
  const env = { PATH: process.env.PATH, HOME: home, TMPDIR: home, TERM: "dumb", LANG: "C.UTF-8",
                XDG_CONFIG_HOME: path.join(home, ".config"),
                XDG_DATA_HOME: path.join(home, ".local/share"), ...program.env(port) };
  const once = (at, native, extra = {}) => {
    let results = 0;
    const more = (child) => child.stdin.write(commandOf(name, 1, "").input);
    const onLine = (text, child) => {
      let read;
      try { read = JSON.parse(text); } catch { return; }
      if (read.type === "result" && name === "claude") {
        results++;
        if (results === 1 && what === "followed") more(child);
        else if (results === 2 || what !== "overlapped") child.stdin.end();
      }
      if (read.type === "stream_event" && what === "overlapped" && provider.held.length > 0) {
        provider.case = "turn";
        more(child);
        provider.release();
      }
      if (read.type === "control_request") {
        const { request_id, request } = read;
        if (what === "steered") more(child);
        const response = what === "denied"
          ? { behavior: "deny", message: "not now" }
          : { behavior: "allow", updatedInput: request.input };
        child.stdin.write(line({ type: "control_response",
          response: { subtype: "success", request_id, response } }));
      }
    };
    return run(name, { command: commandOf(name, at, native), env, cwd, onLine, ...extra });
  };
  let result;
  try {
    if (what === "resumed") {
      const first = await once(0, "");
      result = await once(1, sessionOf(name, first.stdout));
    } else if (what === "killed" || what === "terminated") {
      provider.case = "hang";
      const signal = what === "killed" ? "SIGKILL" : "SIGTERM";
      result = await once(0, "", { onStart: ({ child, end }) => {
        const begun = new Promise((resolve) => (provider.begun = resolve));
        let said = "";
        const printed = new Promise((resolve) => child.stdout.on("data", (piece) => {
          if (hasBegun(name, said += piece)) resolve();
        }));
        Promise.all([begun, printed]).then(() => {
          end(signal);
          // A stop does the same: some programs end by SIGTERM only sometimes.
          const lives = () => child.exitCode === null && child.signalCode === null;
          setTimeout(() => lives() && end("SIGKILL"), graceMs).unref();
        });
      } });
    } else {
      const plays = { denied: "tool", steered: "tool", overlapped: "held" };
      provider.case = plays[what] ?? what;
      result = await once(0, "");
    }
  } finally {
    await provider.stop();
    rmSync(home, { recursive: true, force: true });
  }
  return { ...result, requests: provider.requests, home };
}

function sessionOf(name, stdout) {
  if (name === "claude") return uuid;
  for (const text of stdout.split("\n").filter(Boolean)) {
    const read = JSON.parse(text);
    if (name === "codex" && read.thread_id) return read.thread_id;
    if (name === "opencode" && read.sessionID) return read.sessionID;
    if (name === "pi" && read.type === "session") return read.id;
  }
  throw new Error(`${name} told no session`);
}

/** Without what differs from run to run. Equal things stay equal. */
function stable(text, home) {
  const numbers = new Map();
  const numbered = (prefix, id) => {
    if (!numbers.has(id)) numbers.set(id, numbers.size + 1);
    return `${prefix}${String(numbers.get(id)).padStart(4, "0")}`;
  };
  return text
    .replaceAll(home, "/u")
    .replaceAll(path.resolve(binaries, "../.."), "/programs")
    .replaceAll(home.replaceAll("/", "-"), "-u")
    .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:8080")
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) =>
      id === uuid || messageUuids.includes(id)
        ? id : `${numbered("", id).padStart(8, "0")}-0000-4000-8000-000000000000`)
    .replace(/\b(ses|msg|prt)_[0-9a-zA-Z]{16,}/g, (id, kind) => numbered(`${kind}_`, id))
    .replace(/\b2\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?/g, "2026-01-01T00:00:00Z")
    .replace(/\b\w{3}, \d\d \w{3} 2\d{3} \d\d:\d\d:\d\d GMT/g, "Thu, 01 Jan 2026 00:00:00 GMT")
    .replace(/"(timestamp|created|completed|start|end|time)":1[5-9]\d{11}/g, '"$1":1750000000000')
    .replace(/"retry_delay_ms":1[0-2]\d\d\b/g, '"retry_delay_ms":1000') // By chance, of 1 s.
    .replace(/"(duration\w*|ttft\w*|time_to_request)_ms":\d+/g, '"$1_ms":1');
}

/** Lists of tools, commands and models, and prompts, are long, and no adapter reads them. */
function small(text, count) {
  const shorten = (value) => {
    if (!value || typeof value !== "object") return value;
    for (const [key, member] of Object.entries(value)) {
      if (["tools", "slash_commands", "agents", "skills", "plugins"].includes(key) &&
          Array.isArray(member)) value[key] = member.slice(0, 1);
      else if (key === "sections") value[key] = {}; // Of a system prompt.
      else shorten(member);
    }
    return value;
  };
  return text.split("\n").slice(0, count).map((one) => {
    try { return one ? JSON.stringify(shorten(JSON.parse(one))) : one; } catch { return one; }
  }).join("\n").replace(/[^\n]$/, "$&\n");
}

const indexFile = path.join(out, "index.json");
mkdirSync(out, { recursive: true });
const index = existsSync(indexFile) ? JSON.parse(readFileSync(indexFile, "utf8")) : [];
const wanted = (name, what) =>
  only.length === 0 || only.includes(name) || only.includes(`${name}:${what}`);
// Kilo prints OpenCode's lines: its turns under drover show the same (drover.mjs).
for (const name of Object.keys(programs).filter((one) => one !== "kilo")) {
  for (const what of cases) {
    if (!wanted(name, what) || ofClaude.includes(what) && name !== "claude")
      continue;
    const asked = spawnSync(path.join(binaries, name), ["--version"], { encoding: "utf8" });
    const version = `${asked.stdout}${asked.stderr}`.match(/\d+\.\d+\.\d+/)?.[0];
    let recorded;
    try {
      recorded = await record(name, what);
    } catch (error) { // The others are recorded all the same.
      console.log(`failed: ${name} ${what}: ${error.message}`);
      process.exitCode = 1;
      continue;
    }
    const { stdout, stderr, code, signal, late, requests, home } = recorded;
    writeFileSync(path.join(out, `${name}-${what}.jsonl`),
      small(stable(stdout, home), late ? linesEndless : linesMax));
    const row = { program: name, case: what, version, exit_code: code, signal, late, requests,
                  stderr: stable(stderr, home).slice(-600) };
    const at = index.findIndex((one) => one.program === name && one.case === what);
    if (at >= 0) index[at] = row;
    else index.push(row);
    writeFileSync(indexFile, `${JSON.stringify(index, null, 1)}\n`);
    console.log(name, what, code, signal, late ? "late" : "", requests, stdout.length);
  }
}
