// workflows.mjs: what tests of workflows share: a daemon with a folder to work in, scripts that
// run on it, and what their streams told.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { Daemon, remove } from "./lib.mjs";
import { scaled } from "./scale.mjs";

/** The first line of a script whose name does not matter; what stands behind begins at line 2. */
export const META = "export const meta = { name: 'flock', description: 'counts sheep' };";
export const whole = (body) => `${META}\n${body}`;

/** How long a run of a test may take, also where sanitizers watch. */
const PATIENCE_MS = scaled(60_000);

const shorten = (value) => {
  const text = JSON.stringify(value, null, 1) ?? "nothing";
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
};

/** What a stream told, a short line each:
 *
 *    phase TITLE           log TEXT             begin LABEL
 *    end LABEL             an agent that succeeded
 *    end LABEL (CAUSE)     another one; "cached" where an older run had answered it */
export function told(events) {
  const lines = [];
  for (const { type, data } of events) {
    if (type === "phase") lines.push(`phase ${data.title}`);
    if (type === "log") lines.push(`log ${data.text}`);
    if (type === "agent_started") lines.push(`begin ${data.label}`);
    if (type !== "agent_finished") continue;
    const why = data.cached ? "cached" : data.cause;
    lines.push(`end ${data.label}${why === null ? "" : ` (${why})`}`);
  }
  return lines;
}

const only = (word) => (events) =>
  told(events).filter((line) => line.startsWith(`${word} `)).map((l) => l.slice(word.length + 1));
export const logs = only("log");
export const phases = only("phase");

/** How many agents were at work at the same time. */
export function crowd(events) {
  let now = 0;
  let most = 0;
  for (const { type } of events) {
    if (type === "agent_started") most = Math.max(most, ++now);
    if (type === "agent_finished") now--;
  }
  return most;
}

/** Holds for every run that has ended, whatever its script was. */
function checkStream(events) {
  const types = events.map(({ type }) => type);
  const end = events.at(-1).data;
  assert.equal(types[0], "workflow_started", shorten(events));
  assert.equal(types.indexOf("workflow_finished"), types.length - 1, "the end is last, and once");
  const census = { succeeded: 0, cached: 0, failed: 0, skipped: 0 };
  const open = new Set();
  for (const { type, data } of events) {
    if (type === "agent_started") {
      assert.ok(!open.has(data.run), `${data.run} begins once`);
      open.add(data.run);
    }
    if (type !== "agent_finished") continue;
    open.delete(data.run);
    const good = data.state === "succeeded";
    assert.equal(data.cause === null, good, `who fails says why: ${shorten(data)}`);
    if (data.cached) census.cached++;
    else if (good || data.state === "degraded") census.succeeded++;
    else if (data.state === "cancelled") census.skipped++;
    else census.failed++;
  }
  assert.equal(open.size, 0, "no agent is left behind");
  if (end.state !== "cancelled") assert.deepEqual(end.agents, census);
  for (const type of ["phase", "log"]) {
    const numbers = events.filter((event) => event.type === type).map(({ data }) => data.no);
    assert.ok(numbers.every((no, i) => i === 0 || no > numbers[i - 1]), `${type}: ${numbers}`);
  }
}

export class Workflows {
  /** A daemon of its own, and `root`, a folder in which its workflows work. `guarded`: it is asked
   *  over its socket, and keeps commands in a sandbox where the system has one. */
  static async open(t, { args = [], folder, guarded = false, ...more } = {}) {
    const flows = new Workflows();
    flows.guarded = guarded;
    flows.folder = folder ?? mkdtempSync(path.join(tmpdir(), "drv-"));
    flows.root = path.join(flows.folder, "root");
    flows.home = path.join(flows.folder, "home");
    mkdirSync(flows.root, { recursive: true });
    mkdirSync(flows.home, { recursive: true });
    const env = { HOME: flows.home, ...more.env }; // Workflows of a home, too, are found.
    const data = path.join(flows.folder, "d");
    const open = guarded ? [] : ["--insecure-loopback"];
    flows.daemon = new Daemon({ ...more, data, env, args: [...open, ...args] });
    t.after(async () => {
      if (flows.daemon.running) await flows.daemon.stop();
      if (!folder) await remove(flows.folder);
    });
    await flows.daemon.start();
    return flows;
  }

  /** Puts a file into the folder in which workflows work; its path. */
  write(name, text) {
    const file = path.join(this.root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** The headers of another owner. */
  async token(owner, ...scopes) {
    const options = { body: { owner, scopes, label: owner }, local: true };
    const made = await this.daemon.request("POST", "/api/v1/tokens", options);
    assert.equal(made.status, 201, made.text);
    return { authorization: `Bearer ${made.json.token}` };
  }

  ask(method, target, body, headers = this.headers) {
    const local = this.guarded;
    return this.daemon.request(method, `/api/v1${target}`, { body, headers, local });
  }

  async get(target) {
    const answer = await this.ask("GET", target);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  /** What a start answers: of a script that was taken, and of one that was not. */
  async launch(body, headers) {
    const answer = await this.ask("POST", "/workflows", { root: this.root, ...body }, headers);
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.json.status, "async_launched");
    return answer.json;
  }

  /** The run that a start has made. */
  async start(body, headers) {
    const launched = await this.launch(body, headers);
    assert.equal(launched.error, undefined, launched.error);
    assert.match(launched.runId, /^run_/);
    return launched.runId;
  }

  /** What the stream of a run tells, from `after` on until `fits` says yes. */
  async until(run, fits, after = 0) {
    const events = [];
    const target = `/streams/run:${run}/events?limit=1000&wait=20`;
    for (let stopAt = Date.now() + PATIENCE_MS; ; ) {
      const page = await this.get(`${target}&after=${events.at(-1)?.seq ?? after}`);
      events.push(...page.events);
      if (page.events.length > 0) stopAt = Date.now() + PATIENCE_MS; // A slow run does not hang.
      if (page.events.some(fits)) return events;
      const over = page.events.at(-1)?.type === "workflow_finished"; // Nothing follows it.
      assert.ok(!over, `the run ended before that: ${shorten(events.slice(-5))}`);
      assert.ok(Date.now() < stopAt, `waited too long: ${shorten(events.slice(-5))}`);
    }
  }

  /** Everything that its stream told, once it has ended. */
  async ended(run) {
    const events = await this.until(run, ({ type }) => type === "workflow_finished");
    checkStream(events);
    return events;
  }

  /** {run, events, end, record}: runs it to its end, which the stream and the row tell alike. */
  async run(body) {
    return this.outcome(await this.start(body));
  }

  async outcome(run) {
    const events = await this.ended(run);
    const end = events.at(-1).data;
    const record = await this.get(`/runs/${run}`);
    assert.equal(record.kind, "workflow");
    assert.deepEqual([record.state, record.cause], [end.state, end.cause]);
    if (!end.result_cut) assert.deepEqual(record.result.result, end.result);
    assert.deepEqual(record.result.error, end.error);
    assert.deepEqual(record.result.agents, end.agents);
    return { run, events, end, record };
  }

  /** A connection to a provider of this test, and the name of a model there. */
  async connect(provider, name = "counting") {
    const body = { name, kind: "openai", base_url: provider.url, max_concurrent: 200 };
    const answer = await this.ask("POST", "/providers", body);
    assert.equal(answer.status, 201, answer.text);
    return `${name}/small`;
  }

  async agents(run, more = "") {
    const page = await this.get(`/runs/${run}/agents?limit=200${more}`);
    return page.items;
  }
}
