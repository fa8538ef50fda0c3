// board-whole.test.mjs: a board of thirty tasks that agents of three kinds work to its end, while
// the daemon is killed: in the end it is what a model of it says.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { define, open, script as command } from "./agents.mjs";
import { scaled } from "./scale.mjs";
import { call, say, script } from "./turns.mjs";

const LIMIT = { timeout: scaled(240_000) };
const TASKS = 30, KILLS = [4, 11, 18, 25]; // The daemon is killed when that many have ended.
const SLOTS = { claude: 2, hand: 2, smith: 1 }, KINDS = Object.keys(SLOTS);
const OVER = ["done", "failed", "cancelled"];
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// --- What agents do ---------------------------------------------------------------------------

/** A call that is made again until a daemon has answered it. */
const curl = (agent, what, body, more = "") => "curl -s --retry 60 --retry-delay 1 " +
  `--retry-all-errors --unix-socket "$DROVER_DATA/drover.sock" ${more}` +
  `-H 'content-type: application/json' -d '${JSON.stringify({ agent, ...body })}' ` +
  `http://drover/api/projects/_/tasks/_/${what}`;

/** What an agent that is a program does, by lines of its task. */
const byProgram = (agent, name) => {
  const status = (to, more = {}) => curl(agent, "status", { status: to, ...more });
  const work = [status("working"), curl(agent, "outputs",
    { type: "code", title: "it", content: name },
    `-H "idempotency-key: ${name}-$(date +%s%N)" `), status("review")];
  const lines = (words, ...commands) =>
    [words, ...commands.flat().map((line) => `RUN ${line}`)].join("\n");
  const atFirst = (...all) => `test -e ${name}.at || { touch ${name}.at; ${all.join("; ")}; }`;
  const later = (line) => `test ! -e ${name}.at || { ${line}; }`;
  return {
    works: (verdict) => lines(verdict, work),
    crashes: lines("VERDICT(accept)", atFirst("kill -9 $PPID"), work),
    asks: lines("VERDICT(accept)", work.map(later),
      atFirst(status("working"), status("blocked", { question: "Which one?" }))),
    fails: lines("", status("working"), status("failed", { detail: "it cannot be done" })),
    is_limited: lines("VERDICT(accept) FAIL429 NAMES(1)", work),
    is_silent: "Nothing.",
    is_endless: lines("GATE(never)", status("working")),
  };
};
const byModel = (name) => {
  const status = (to, more = {}) => call("task_status", { status: to, ...more });
  const steps = (...all) => script(...all.flatMap((line) => [line, "step:"]), say("so it is"));
  return {
    works: (verdict) => `${verdict}\n${steps(status("working"),
      call("task_output", { type: "code", title: "it", content: name, summary: "made" }),
      status("review"))}`,
    fails: steps(status("working"), status("failed", { detail: "it cannot be done" })),
  };
};

// --- The model -----------------------------------------------------------------------------------

const DONE = { status: "done", attempts: 1, rejections: 0 };
/** A behaviour, who can show it, and how its task ends. */
const BEHAVIOURS = [
  ["works", KINDS, (does) => does.works("VERDICT(accept)"), DONE],
  ["is sent back", KINDS, (does) => does.works("VERDICT(1: louder)"),
    { ...DONE, attempts: 2, rejections: 1 }],
  ["crashes", ["claude", "hand"], (does) => does.crashes, DONE],
  ["is sent back twice", KINDS, (does) => does.works("VERDICT(2: louder)"),
    { ...DONE, attempts: 3, rejections: 2 }],
  ["asks", ["claude", "hand"], (does) => does.asks, { ...DONE, attempts: 2 }],
  ["is limited", ["claude"], (does) => does.is_limited, DONE],
  ["fails", KINDS, (does) => does.fails, { ...DONE, status: "failed" }],
  ["is sent back by all", KINDS, (does) => does.works("VERDICT(9: louder)"),
    { ...DONE, attempts: 4, rejections: 3 }],
  ["is silent", ["claude"], (does) => does.is_silent, { ...DONE, status: "failed", attempts: 3 }],
  ["is stopped", ["claude"], (does) => does.is_endless, { ...DONE, status: "cancelled" }],
];

/** Thirty tasks; each after up to two earlier ones, some of one lane. */
function tasksMake() {
  const tasks = [];
  for (let n = 1; n <= TASKS; n++) {
    const name = `T-${n}`;
    const [title, kinds, describe, end] = BEHAVIOURS[(n * 7) % BEHAVIOURS.length];
    const agent = kinds[Math.floor(n / 2) % kinds.length];
    const before = [n - 1 - (n * 5) % 4, 1 + (n * 11) % (n - 1)].map((one) => `T-${one}`);
    const needs = n <= 4 ? [] : [...new Set(before)];
    // A program without sessions gets its task as a new attempt.
    const attempts = end.attempts + (title === "crashes" && agent === "hand" ? 1 : 0);
    tasks.push({ name, title: `${title} (${agent})`,
      description: describe(agent === "smith" ? byModel(name) : byProgram(agent, name)),
      capability: agent, priority: n % 10, depends_on: needs, lane: n % 6 === 0 ? "db" : "",
      end: { ...end, attempts, agent } });
  }
  const dead = new Set(tasks.filter(({ end }) => end.status !== "done").map(({ name }) => name));
  for (const { end, depends_on: needs } of tasks) {
    end.waived = needs.filter((need) => dead.has(need)).sort();
  }
  return tasks;
}

// --- The person ----------------------------------------------------------------------------------

class Person {
  constructor(turns, tasks) {
    Object.assign(this, { turns, tasks, kills: [...KILLS], waived: new Set() });
  }

  /** Once the daemon has answered. */
  async ask(method, target, body) {
    for (;;) {
      try {
        const answer = await this.turns.ask(method, `/projects/shop/tasks${target}`, body);
        if (answer.status < 500) return answer;
      } catch { /* It was killed. */ }
      await wait(20);
    }
  }

  move = (name, status, more = {}) => this.ask("POST", `/${name}/status`, { status, ...more });

  /** What a person does about the tasks as they are. */
  async tend(now) {
    const of = new Map(now.map((task) => [task.name, task]));
    for (const task of now) {
      const { name, title, status, not_before_ms: due, depends_on, rejections, attempt } = task;
      const dead = depends_on.filter((need) => !this.waived.has(`${name} ${need}`) &&
        ["failed", "cancelled"].includes(of.get(need).status));
      if (status === "blocked") await this.move(name, "pending", { answer: "The blue one." });
      else if (status === "review" && rejections === 3) {
        await this.ask("POST", `/${name}/review`, { attempt, accept: true });
      } else if (status === "working" && title.startsWith("is stopped")) {
        await this.move(name, "cancelled");
      } else if (status === "pending" && due > 0) {
        await this.ask("PATCH", `/${name}`, { not_before_ms: 0 }); // Nobody wants to wait.
      }
      for (const needs of status === "pending" ? dead : []) {
        await this.ask("POST", `/${name}/waive`, { needs, because: "it will do" });
        this.waived.add(`${name} ${needs}`);
      }
    }
  }

  async work() {
    for (;;) {
      const now = (await this.ask("GET", "?limit=200")).json.items;
      const over = now.filter(({ status }) => OVER.includes(status)).length;
      if (over === TASKS) return;
      if (over >= this.kills[0]) {
        this.kills.shift();
        await this.turns.daemon.kill();
        await this.turns.daemon.start();
      }
      await this.tend(now);
      await wait(50);
    }
  }
}

// --- What was done -------------------------------------------------------------------------------

/** From each claim to the end of what was claimed. */
function spansOf({ name, agent, lane, events }) {
  const spans = [];
  for (const { type, made_ms: at } of [...events].reverse()) {
    if (type === "claimed") spans.push({ name, agent, lane, from: at, to: Infinity });
    else if (["review", "failed", "blocked", "cancelled", "pending"].includes(type) &&
      spans.at(-1)?.to === Infinity) spans.at(-1).to = at;
  }
  return spans;
}

/** No more of them at once than that. */
function atOnceAtMost(spans, most, whose) {
  for (const { from } of spans) {
    const held = spans.filter((span) => span.from <= from && from < span.to);
    assert.ok(held.length <= most, `${whose}: ${held.map(({ name }) => name).join()} at once`);
  }
}

test("thirty tasks are worked to their end by agents of three kinds, while the daemon is killed",
  LIMIT, async (t) => {
    const turns = await open(t, ["claude", "codex"]);
    define(turns, "hand", { program: "plain", command: command(turns, "hand",
      'for prompt; do :; done; printf "%s" "$prompt" | sed -n "s/^RUN //p" >"hand.$$"; ' +
      'while IFS= read -r line; do sh -c "$line"; done <"hand.$$"') });
    const agents = KINDS.map((name) => ({ name, slots: SLOTS[name], capabilities: [name] }));
    const made = await turns.ask("POST", "/projects", { name: "shop", root: turns.root,
      model: "scripted/demo", board: { agents, reviewer: "codex" } });
    assert.equal(made.status, 201, made.text);
    const tasks = tasksMake(), person = new Person(turns, tasks);
    for (const { name: _, end: __, ...task } of tasks) {
      const added = await person.ask("POST", "", task);
      assert.equal(added.status, 201, added.text);
    }
    await person.work();

    const shown = [];
    for (const { name } of tasks) shown.push((await person.ask("GET", `/${name}?expand=all`)).json);
    const ends = shown.map(({ name, status, attempts, rejections, agent, events }) => [name,
      { status, attempts: attempts.length, rejections, agent,
        waived: events.filter(({ type }) => type === "waived").map(({ detail }) => detail.needs)
          .sort() }]);
    assert.deepEqual(ends, tasks.map(({ name, end }) => [name, end]));
    const endOf = new Map(shown.map(({ name, completed_ms: at }) => [name, at]));
    const spans = shown.flatMap(spansOf);
    for (const { name, depends_on: needs } of shown) {
      const [{ from }] = spans.filter((span) => span.name === name);
      for (const need of needs) assert.ok(endOf.get(need) <= from, `${name} waited for ${need}`);
    }
    for (const kind of KINDS) {
      atOnceAtMost(spans.filter(({ agent }) => agent === kind), SLOTS[kind], kind);
    }
    atOnceAtMost(spans.filter(({ lane }) => lane === "db"), 1, "the lane");
    assert.deepEqual(person.kills, [], "the daemon was killed as often as it was to be");
  });
