// golden.mjs: records what a user sees in a scenario, and compares it with what was seen before.
//
//   node --test test/golden/*.test.mjs                 any difference fails
//   GOLDEN_WRITE=1 node --test test/golden/*.test.mjs  writes what is seen into expected/
//
// A scenario drives the shipped binary. Its record is text: an entry for each request with the
// answer's status, headers and body, for each command with its output and exit code, for each
// stream with its events. names.mjs says what is replaced in it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { bin, Daemon, run } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { parse, print } from "./json.mjs";
import { Names } from "./names.mjs";

export const expectedFolder = path.join(path.dirname(fileURLToPath(import.meta.url)), "expected");
const onPostgres = Boolean(process.env.DROVER_DATABASE);
const REWRITE = "GOLDEN_WRITE=1 node --test test/golden/*.test.mjs";
const DIFF_LINES = 200;
assert.ok(existsSync(bin), `there is no ${bin}; DROVER_BIN names the binary under test`);
const version = spawnSync(bin, ["--version"]).stdout.toString().trim().split(" ").at(-1);
const LIMIT_MS = scaled(120_000);

/** Headers that every answer has; one is recorded where it is missing or says something else. */
const USUAL = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "drover-version": version,
};
const UNRECORDED = new Set(
  ["date", "content-length", "content-type", "connection", "drover-epoch"]);

/** The file that a record is compared with: PostgreSQL has one of its own where it differs. */
function fileOf(name) {
  const own = path.join(expectedFolder, "postgres", `${name}.txt`);
  return onPostgres && existsSync(own) ? own : path.join(expectedFolder, `${name}.txt`);
}

function write(name, text) {
  const common = path.join(expectedFolder, `${name}.txt`);
  if (!onPostgres) {
    writeFileSync(common, text);
    return;
  }
  const own = path.join(expectedFolder, "postgres", `${name}.txt`);
  const same = existsSync(common) && readFileSync(common, "utf8") === text;
  if (same) {
    rmSync(own, { force: true });
  } else {
    mkdirSync(path.dirname(own), { recursive: true });
    writeFileSync(own, text);
  }
}

function compare(name, text) {
  if (process.env.GOLDEN_WRITE) {
    write(name, text);
    return;
  }
  const file = fileOf(name);
  const expected = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (expected === text) return;
  const labels = ["--label", `expected/${path.basename(file)}`, "--label", "now"];
  const compared = spawnSync("diff", ["-U4", ...labels, "--", file, "-"], { input: text });
  const lines = (compared.stdout?.toString() ?? "").split("\n");
  const more = lines.length - DIFF_LINES;
  const shown = lines.slice(0, DIFF_LINES).join("\n") + (more > 0 ? `\n(${more} lines more)` : "");
  assert.fail(
    `what users see has changed (${name}):\n${shown}\nIf it was meant to change, write it anew ` +
      `with '${REWRITE}', and read the difference with git diff.`,
  );
}

/** Of the members that every run has, from id to stream, those that most records are about. */
const ABOUT_RUNS = new Set([
  "id", "kind", "state", "gate", "resume_at_ms", "cause", "note", "exit_code", "stop", "attempt",
  "parent", "label", "key", "command",
]);
const isUsual = (name, text) => text === "null" || (name === "attempt" && text === "1");
const keyOf = (member) => member.key.slice(1, -1);
const isRun = (members) => members[1]?.node.scalar !== undefined && // Else it is a schema.
  /^id,kind,state,gate,.*\bstream\b/.test(members.map(keyOf).join());

export class Golden {
  #entries = [];
  /** Kinds of runs whose rows are still to be recorded whole. */
  #whole;

  /** whole: kinds of runs of which one row is recorded with all of its members, and one of those
   *  that have more behind them. Of others a few members are: a new one changes few records. */
  constructor(t, whole = []) {
    this.t = t;
    this.#whole = new Set(whole.flatMap((kind) => [`"${kind}"`, `"${kind}" and more`]));
    this.names = new Names(version);
    // Not below TMPDIR: the length of a path must not depend on the machine.
    this.folder = mkdtempSync("/tmp/drg-");
    this.names.add(this.folder, "<folder>");
    this.names.add(`${hostname()}:`, "<host>:");
    this.names.add(process.env.PATH, "<path>");
    for (const name of ["home", "root"]) {
      this[name] = path.join(this.folder, name);
      mkdirSync(this[name]);
      this.names.add(this[name], `<${name}>`);
    }
    // A command that outlived its daemon may still write there.
    t.after(() => rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 }));
  }

  /** A daemon of its own, whose data directory, home and projects stand in the folder. */
  async daemon({ args = ["--insecure-loopback"], env = {}, name = "data" } = {}) {
    // The folder is below the temporary one, wherever that of the tests is.
    const more = { HOME: this.home, TMPDIR: "/tmp", TZ: "UTC", LANG: "C.UTF-8", ...env };
    const daemon = new Daemon({ data: path.join(this.folder, name), args, env: more });
    this.t.after(async () => {
      if (daemon.running) await daemon.stop();
    });
    await daemon.start();
    this.know(daemon);
    return daemon;
  }

  /** What differs between two daemons. */
  know(daemon) {
    this.names.add(daemon.url, "<url>");
    this.names.add(`127.0.0.1:${daemon.port}`, "<address>");
  }

  add(...lines) {
    this.#entries.push(lines.join("\n"));
  }

  /** A line for whoever reads the record. */
  say(text) {
    this.add(`--- ${text}`);
  }

  get record() {
    return `${this.#entries.join("\n\n")}\n`;
  }

  #json(text) {
    return print(this.#brief(this.names.node(parse(text))));
  }

  #brief(node) {
    if (node.items) return { items: node.items.map((one) => this.#brief(one)) };
    if (!node.members) return node;
    let { members } = node;
    const names = members.map(keyOf);
    const end = names.indexOf("stream");
    if (isRun(members)) {
      const kind = members[1].node.scalar;
      if (!this.#whole.delete(end + 1 < members.length ? `${kind} and more` : kind)) {
        members = members.filter(({ node: one }, i) =>
          i > end || (ABOUT_RUNS.has(names[i]) && !isUsual(names[i], one.scalar)));
      }
    }
    return { members: members.map(({ key, node: one }) => ({ key, node: this.#brief(one) })) };
  }

  #headersOf(headers) {
    const lines = [];
    for (const [name, value] of Object.entries(headers)) {
      if (!UNRECORDED.has(name) && USUAL[name] !== value) lines.push(`${name}: ${value}`);
    }
    for (const name of Object.keys(USUAL)) if (!(name in headers)) lines.push(`no ${name}`);
    return lines.map((line) => this.names.text(line));
  }

  #bodyOf(answer) {
    if (answer.text === "") return [];
    const type = answer.headers["content-type"] ?? "";
    return [/json/.test(type) ? this.#json(answer.text) : this.names.text(answer.text)];
  }

  /** Records an answer to a request that somebody has made. */
  answer(method, target, answer, { body, headers = {} } = {}) {
    const sent = Object.entries(headers).map(([name, value]) => `> ${name}: ${value}`);
    if (body !== undefined) sent.push(`> ${this.names.short(body)}`);
    const type = answer.headers["content-type"] ?? "no content type";
    this.add(
      `### ${method} ${this.names.text(decodeURIComponent(target))}`,
      ...sent.map((line) => this.names.text(line)),
      `< ${answer.status} ${type}`,
      ...this.#headersOf(answer.headers).map((line) => `< ${line}`),
      ...this.#bodyOf(answer),
    );
  }

  /** One request, recorded; gives its answer. */
  async ask(daemon, method, target, body, { headers = {}, local = false } = {}) {
    const full = target.startsWith("/") ? target : `/api/v1/${target}`;
    const answer = await daemon.request(method, full, { body, headers, local });
    this.answer(method, full, answer, { body, headers });
    return answer;
  }

  /** The same for a request that must succeed; gives its JSON. */
  async ok(...request) {
    const answer = await this.ask(...request);
    assert.ok(answer.status < 300, `${request.slice(1).join(" ")}: ${answer.text}`);
    return answer.json;
  }

  /** One command in the root, recorded; gives {code, stdout, stderr}. `shown` changes its standard
   *  output before. */
  async cli(daemon, args, { input, env, shown = (text) => text } = {}) {
    const whole = { ...daemon.env, DROVER_DATA: daemon.data, ...env };
    const result = await run([...args], { input, env: whole, cwd: this.root });
    this.command(args, { ...result, stdout: shown(result.stdout) });
    return result;
  }

  /** Records a command that somebody has run. */
  command(args, { code, stdout, stderr }) {
    const plain = /^[\w@%+=:,./-]+$/;
    const words = args.map((word) => (plain.test(word) ? word : JSON.stringify(word)));
    const lines = [`$ drover ${words.join(" ")}`];
    if (stdout !== "") lines.push(this.#output(args, stdout));
    const said = this.names.output(stderr.trimEnd());
    if (stderr !== "") lines.push(...said.split("\n").map((line) => `! ${line}`));
    if (code !== 0) lines.push(`exit ${code}`);
    this.add(...lines.map((line) => this.names.text(line)));
  }

  /** With --json each line is a value; what `export` writes is one value. */
  #output(args, stdout) {
    const text = stdout.endsWith("\n") ? stdout.slice(0, -1) : `${stdout}\n(no newline at its end)`;
    if (args.includes("--help")) return text;
    const isExport = args[0] === "export" && text.startsWith("{");
    if (!args.includes("--json") && !isExport) return this.names.output(text);
    try {
      const values = isExport ? [text] : text.split("\n");
      return values.map((one) => this.#json(one)).join("\n");
    } catch {
      return text;
    }
  }

  /** The events of a stream, each with its type and data. Their numbers and times are those of a
   *  page, which has an entry of its own: how many pieces a text comes in is up to time, so pieces
   *  that follow one another are joined, and the usage of a call that goes on is left out. So are
   *  points of folders, which are taken beside the turn. */
  async events(daemon, stream, query = "limit=1000") {
    const target = `/api/v1/streams/${encodeURIComponent(stream)}/events?${query}`;
    const answer = await daemon.request("GET", target);
    assert.equal(answer.status, 200, answer.text);
    const page = parse(answer.text).members.find(({ key }) => key === '"events"').node;
    const lines = joined(answer.json.events, page.items).map(({ type, node }) => {
      const shown = this.#brief(this.names.node(node));
      return `event ${type}\n  ${print(shown, "  ")}`;
    });
    this.add(`=== ${this.names.text(stream)}`, ...lines);
    return answer.json.events;
  }

  /** Waits until that number of models is asked: an agent has begun before its call. */
  async calling(daemon, count = 1) {
    for (const end = Date.now() + scaled(30_000); ; ) {
      const { text } = await daemon.request("GET", "/metrics", { local: true });
      const now = Number(/^drover_model_calls_running (\d+)$/m.exec(text)?.[1]);
      if (now === count) return;
      assert.ok(Date.now() < end, `${now} models are asked, and not ${count}`);
    }
  }

  /** The data of the first event of that type for which `fits` says yes, once it is there; fails
   *  when `run` has ended before. Records nothing. */
  async until(daemon, stream, type, fits = () => true, run = "") {
    const target = `/api/v1/streams/${encodeURIComponent(stream)}/events?limit=1000&wait=30`;
    for (let after = 0; ; ) {
      const page = (await daemon.request("GET", `${target}&after=${after}`)).json;
      const found = page.events.find((one) => one.type === type && fits(one.data));
      if (found) return found.data;
      const ends = ({ type: word, data }) => word === "turn_finished" && data.run === run;
      assert.ok(!page.events.some(ends), `no ${type}: ${JSON.stringify(page.events.slice(-3))}`);
      assert.ok(!page.done, `${stream} ended without ${type}`);
      after = page.events.at(-1)?.seq ?? after;
    }
  }

  compare(name) {
    compare(name, this.record);
  }
}

const dataOf = (item) => item.members.find(({ key }) => key === '"data"').node;

function joined(events, items) {
  const shown = [];
  let last;
  for (const [i, { type, data }] of events.entries()) {
    if (type === "changes_changed" || (type === "usage" && data.so_far)) continue;
    const piece = type === "delta" || type === "thinking_delta";
    const place = `${type} ${data?.message} ${data?.step}`;
    const node = dataOf(items[i]);
    if (piece && last?.place === place) {
      last.text += data.text;
      const text = last.node.members.find(({ key }) => key === '"text"').node;
      text.scalar = JSON.stringify(last.text);
      continue;
    }
    last = piece ? { place, node, text: data.text } : undefined;
    shown.push({ type, node });
  }
  return shown;
}

/** What a scenario has to clean up, the last thing first. */
class Scene {
  #hooks = [];

  after(hook) {
    this.#hooks.unshift(hook);
  }

  async end() {
    for (const hook of this.#hooks.splice(0)) await hook();
  }
}

async function play({ scenario, whole }) {
  const scene = new Scene();
  const record = new Golden(scene, whole);
  try {
    await scenario(record, scene);
  } finally {
    await scene.end();
  }
  return record;
}

/** The scenarios of this file: [{scenario, whole, played}]. They wait more than they compute, so
 *  each one begins beside those before it. */
const scenarios = [];
const AT_ONCE = 3;

function begin(index) {
  const one = scenarios[index];
  if (one === undefined || one.played) return;
  one.played = play(one);
  one.played.catch(() => {}); // Its own test fails, when its turn comes.
}

/** A test that plays `scenario` and compares its record with expected/NAME.txt. */
export function golden(name, scenario, { whole = [] } = {}) {
  const index = scenarios.push({ scenario, whole }) - 1;
  test(`users see what they saw before: ${name}`, { timeout: LIMIT_MS }, async () => {
    for (let i = 0; i < AT_ONCE; i++) begin(index + i);
    const record = await scenarios[index].played;
    record.compare(name);
  });
}

/** Runs a command without a daemon, and records it. */
export async function alone(record, args, options) {
  const result = await run(args, options);
  record.command(args, result);
  return result;
}
