// agents-mixed.test.mjs: one workflow of twelve agents, of a model and of three kinds of programs,
// with schemas, working trees and budgets: killed at random moments, it ends as it does without.
//
// DROVER_SEED   the seed of the moments
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { define, open } from "./agents.mjs";
import { Counting } from "./counting.mjs";
import { Random } from "./lib.mjs";
import { processesOf, zygotesOf } from "./processes.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { whole, Workflows } from "./workflows.mjs";

const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));
const KILLS = 50;
/** An agent whose call was cut off by ten kills in a row fails: one life in four, each of which may
 *  have been two kills, lasts until the model has answered. */
const LIVES_IN_A_ROW = 4;

/** Agents of one kind in each stage: four lanes, and in each a different kind at each stage. */
const KINDS = ["native", "claude", "codex", "lines"];
const PROGRAMS = KINDS.slice(1);
const LABELS = [0, 1, 2].flatMap((stage) => KINDS.map((kind) => `${kind}-${stage}`));

const gateOf = (prompt) => /GATE\((.+?)\)/.exec(prompt)?.[1];
const labelOf = (prompt) => prompt.split(" ")[0];

/** Stage 0 has budgets, stage 1 schemas, which some miss first, and stage 2 working trees. The
 *  budget of one agent is used up by an answer that misses the schema. */
const SCRIPT = whole(`
const kinds = ${JSON.stringify(KINDS)};
const schema = { type: "object", required: ["turn", "by"],
  properties: { turn: { type: "integer" }, by: { type: "string" } } };
const words = [() => "use a TOOL",
  (kind) => kind === "native" ? "count" : kind === "lines" ? "count well" : "MISS first",
  (kind) => kind === "codex" ? "look" : "WRITE"];
const options = [() => ({ budget: { tokens: 100000, cost_micros: 1000000 } }),
  (kind) => ({ schema, ...(kind === "codex" ? { budget: 5 } : {}) }),
  () => ({ isolation: "worktree" })];
const stage = (number) => (before, lane) => {
  const kind = kinds[(lane + number) % kinds.length];
  const label = kind + "-" + number;
  const type = kind === "native" ? {} : { agentType: kind };
  return agent(label + " GATE(" + label + args + "): " + words[number](kind) + " after " +
    JSON.stringify(number === 0 ? null : before), { label, ...type, ...options[number](kind) });
};
return await pipeline([0, 1, 2, 3], stage(0), (before, lane) => stage(1)(before, lane),
  (before, lane) => stage(2)(before, lane));`);

const LINES = { text: "say", tool: "tool", tool_id: "id", arguments: "in", tool_result: "out",
  result: "done", input_tokens: "usage.in", output_tokens: "usage.out" };

class Mixed {
  asks = []; // What the model is asked: the number of the life, and the agent.
  lives = []; // When each life of the daemon began.

  static async open(t, random) {
    const mixed = new Mixed();
    mixed.random = random;
    mixed.provider = await new Counting((prompt) => mixed.say(prompt)).start(t);
    const { turns } = Object.assign(mixed, { turns: await open(t, PROGRAMS) });
    mixed.flows = Object.assign(new Workflows(), { daemon: turns.daemon, root: turns.root });
    mixed.model = await mixed.flows.connect(mixed.provider);
    mixed.gates = turns.folder;
    mixed.sessions = path.join(turns.folder, "sessions");
    for (const kind of PROGRAMS) {
      define(turns, kind, { program: kind === "lines" ? "json_lines" : kind,
        command: path.join(turns.bin, kind), env: { STANDIN_SESSIONS: mixed.sessions },
        ...(kind === "lines" ? { lines: LINES } : {}) });
    }
    mixed.git("init", "-q", "-b", "main");
    mixed.git("-c", "user.name=me", "-c", "user.email=me@localhost",
      "commit", "-q", "--allow-empty", "-m", "first");
    return mixed;
  }

  git(...words) {
    const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
    return execFileSync("git", ["-C", this.turns.root, ...words], { encoding: "utf8", env });
  }

  /** The model takes its time, so that some of its answers are cut off. */
  say(prompt) {
    this.asks.push({ life: this.kills, label: labelOf(prompt) });
    const text = prompt.includes("count") ? '{"turn": 1, "by": "native"}' : "turn 1 of native";
    return { text, tokens: 12, ms: this.random.below(250) };
  }

  start(name) {
    const { root } = this.turns;
    const budget = { tokens: 1000000 };
    return this.flows.start({ script: SCRIPT, root, model: this.model, args: name, budget });
  }

  beginCounting() {
    this.asks = [];
    this.lives = [0];
  }

  /** How often the daemon was killed since. */
  get kills() {
    return this.lives.length - 1;
  }

  openGate(label, name) {
    writeFileSync(path.join(this.gates, `${label}${name}`), "");
  }

  async kill() {
    const { daemon } = this.turns;
    if (daemon.running) await daemon.kill();
    await this.provider.heardTheDead(); // What the dead one asked belongs to its life.
    this.lives.push(Date.now());
  }

  /** The daemon is killed at a random moment, now and then while it starts. */
  async killAtRandom() {
    const { daemon } = this.turns;
    await pause(this.random.below(150));
    await this.kill();
    if (this.random.below(4) === 0) {
      await daemon.startAndKillWithin(this.random.below(60));
      await this.kill();
    }
    await daemon.start();
  }

  async modelAnswered(run) {
    const asked = ({ label, state }) => label.startsWith("native") && state === "running";
    await until("the model has answered",
      async () => !(await this.flows.agents(run)).some(asked));
  }

  /** The outcome of a run, in the parts that must not depend on kills. */
  async outcome(run, name) {
    const { end } = await this.flows.outcome(run);
    const agents = await this.flows.agents(run);
    const rows = agents.map(({ label, state, cause, tokens, cost_micros: cost }) =>
      [label, state, cause, ...(label.startsWith("native") ? [] : [tokens, cost])]);
    const prompts = readdirSync(this.sessions)
      .map((file) => readFileSync(path.join(this.sessions, file), "utf8").trim().split("\n"))
      .filter(([first]) => gateOf(first).endsWith(name))
      .map((all) => all.map((one) => one.replaceAll(name, "")));
    const made = agents.filter(({ worktree }) => worktree)
      .map(({ label, worktree }) => [label, readFileSync(path.join(worktree, "made"), "utf8")]);
    const { spent } = await this.turns.get(`/budgets/run:${run}`);
    return { agents, spent, same: { state: end.state, result: end.result, agents: end.agents,
      rows: rows.sort(), prompts: prompts.sort(), made: made.sort() } };
  }
}

/** Opens the gates one after the other, while the daemon is killed. */
async function torment(mixed, run, name) {
  const { random } = mixed;
  const order = LABELS.map((label) => [Number(label.at(-1)) + random.next() / 2, label]).sort();
  const gates = order.map(([, label]) => label);
  for (let turn = 1; mixed.kills < KILLS; turn++) {
    const opened = Math.floor((mixed.kills + 1) * LABELS.length / KILLS);
    for (const label of gates.splice(0, opened - (LABELS.length - gates.length))) {
      mixed.openGate(label, name);
    }
    await mixed.killAtRandom();
    if (turn % LIVES_IN_A_ROW === 0) await mixed.modelAnswered(run);
  }
  for (const label of gates) mixed.openGate(label, name);
}

test(`killed ${KILLS} times, a workflow ends as without, and asks nobody again (seed ${seed})`,
  { timeout: scaled(120_000) }, async (t) => {
    const mixed = await Mixed.open(t, new Random(seed));
    for (const label of LABELS) mixed.openGate(label, "-plain");
    const plain = await mixed.outcome(await mixed.start("-plain"), "-plain");
    assert.deepEqual([plain.same.agents.succeeded, plain.same.agents.failed], [11, 1]);
    const run = await mixed.start("-killed");
    mixed.beginCounting();
    await torment(mixed, run, "-killed");
    const killed = await mixed.outcome(run, "-killed");
    assert.deepEqual(killed.same, plain.same);
    // The model is asked again only where its answer was cut off.
    const endedMs = new Map(killed.agents.map((one) => [one.label, one.ended_ms]));
    for (const { life, label } of mixed.asks) {
      assert.ok(endedMs.get(label) >= mixed.lives[life], `life ${life} asked ${label} again`);
    }
    // Calls of the model that were cut off are paid by the run: what they had reserved.
    assert.equal(killed.spent.agents, plain.spent.agents);
    for (const amount of ["tokens", "cost_micros"]) {
      assert.ok(killed.spent[amount] >= plain.spent[amount], amount);
    }
    // What they changed stays in their trees; other trees are gone, and so are all processes.
    const trees = () => mixed.git("worktree", "list", "--porcelain").match(/^worktree .*run_.*$/gm);
    await until("only their trees are left", () => trees().length === plain.same.made.length * 2);
    const { daemon } = mixed.turns;
    const left = () =>
      processesOf(daemon.data).filter(({ pid }) => !zygotesOf(daemon).includes(pid));
    await until("no process is left", () => left().length === 0);
    t.diagnostic(`${mixed.lives.length - 1} kills, the model was asked ${mixed.asks.length} times`);
  });
