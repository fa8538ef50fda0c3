// board-claims.test.mjs: many agents with tokens claim tasks at once, while the daemon is killed.
//
// runs-with: release, postgres
// DROVER_TEST_ALL   50 agents, 2,000 tasks, 20 kills; else fewer
import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";

const ALL = process.env.DROVER_TEST_ALL === "1";
const AGENTS = ALL ? 50 : 12, TASKS = ALL ? 2_000 : 120, KILLS = ALL ? 20 : 3;
const TASKS_PATH = "/api/v1/projects/shop/tasks";
const LIMIT = { timeout: scaled(ALL ? 1_200_000 : 120_000) };
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Until the daemon has answered: what was lost is asked again, as it was. */
class Client {
  constructor(daemon, headers = {}) {
    Object.assign(this, { daemon, headers });
  }

  async ask(method, target, body, more = {}) {
    while (!this.daemon.given) {
      try {
        const local = this.headers.authorization == null;
        const answer = await this.daemon.request(method, target,
          { body, headers: { ...this.headers, ...more }, local });
        if (answer.status < 500) return answer;
      } catch { /* It was killed. */ }
      await wait(10);
    }
    throw new Error("given up");
  }
}

async function agent(daemon, number, done) {
  const made = await new Client(daemon).ask("POST", "/api/v1/tokens",
    { label: `agent-${number}`, scopes: ["read", "run"] });
  const client = new Client(daemon, { authorization: `Bearer ${made.json.token}` });
  const name = `agent-${number}`, seen = { claims: 0, refusals: new Map() };
  while (done.size < TASKS) {
    const { json, text } = await client.ask("GET", `${TASKS_PATH}?ready=1&limit=30`);
    assert.ok(json.items, text);
    const one = json.items[Math.floor(Math.random() * json.items.length)];
    if (one === undefined) {
      await wait(20);
      continue;
    }
    const at = `${TASKS_PATH}/${one.name}`;
    const claim = await client.ask("POST", `${at}/claim`, { agent: name });
    if (claim.status !== 200) {
      seen.refusals.set(claim.json.code, (seen.refusals.get(claim.json.code) ?? 0) + 1);
      continue;
    }
    seen.claims++;
    const by = { agent: name };
    const working = await client.ask("POST", `${at}/status`, { ...by, status: "working" });
    assert.equal(working.status, 200, working.text);
    const output = await client.ask("POST", `${at}/outputs`,
      { ...by, type: "code", title: "it", content: name },
      { "idempotency-key": `${name}-${one.name}` });
    assert.equal(output.status, 201, output.text);
    const review = await client.ask("POST", `${at}/status`, { ...by, status: "review" });
    // Where the answer was lost, it is in review already, or accepted even.
    assert.ok([200, 409].includes(review.status), review.text);
  }
  return seen;
}

/** A person who accepts what comes. */
async function person(daemon, done) {
  const client = new Client(daemon);
  while (done.size < TASKS) {
    const { json } = await client.ask("GET", `${TASKS_PATH}?status=review&limit=200`);
    for (const { name, attempt } of json.items) {
      const answer = await client.ask("POST", `${TASKS_PATH}/${name}/review`,
        { attempt, accept: true });
      if (answer.status === 200 || answer.json.code === "conflict") done.add(name);
    }
    if (json.items.length === 0) await wait(20);
  }
}

async function killer(daemon, done) {
  for (let count = 0; count < KILLS; count++) {
    const mark = (TASKS * (count + 1)) / (KILLS + 1);
    while (done.size < mark && !daemon.given) await wait(5);
    await daemon.kill();
    await daemon.start();
  }
}

test("no task is done twice, however many claim, and whenever the daemon is killed", LIMIT,
  async (t) => {
    const daemon = await new Daemon({ data: scratch(t) }).start();
    t.after(() => daemon.kill());
    const client = new Client(daemon);
    for (let n = 1; n <= TASKS; n++) {
      const after = n > 20 && n % 3 === 0 ? [`T-${n - 20}`, `T-${n - 7}`] : [];
      const answer = await client.ask("POST", TASKS_PATH,
        { title: `task ${n}`, depends_on: after, priority: n % 10 });
      assert.equal(answer.status, 201, answer.text);
    }
    const done = new Set();
    const [seen] = await Promise.all([
      Promise.all(Array.from({ length: AGENTS }, (_, n) => agent(daemon, n, done))),
      person(daemon, done), killer(daemon, done)]).catch((error) => {
        daemon.given = true; // The others end, too.
        throw error;
      });
    assert.equal(seen.reduce((sum, { claims }) => sum + claims, 0), TASKS);
    const ends = new Map(), begins = new Map(), waits = new Map();
    for (let n = 1; n <= TASKS; n++) {
      const { json: task } = await client.ask("GET", `${TASKS_PATH}/T-${n}?expand=all`);
      const types = task.events.map(({ type }) => type).reverse();
      assert.deepEqual(types, ["added", "claimed", "working", "review", "done"], task.name);
      assert.deepEqual([task.attempts.length, task.outputs.length, task.reviews.length],
        [1, 1, 1], task.name);
      assert.equal(task.outputs[0].content, task.agent);
      begins.set(task.name, task.events.at(-2).made_ms);
      ends.set(task.name, task.events[0].made_ms);
      waits.set(task.name, task.depends_on);
    }
    for (const [name, needs] of waits) {
      for (const need of needs) assert.ok(ends.get(need) <= begins.get(name), `${name} ${need}`);
    }
    for (const { refusals } of seen) {
      for (const code of refusals.keys()) {
        assert.ok(["task_held", "task_waits", "task_edge"].includes(code), code);
      }
    }
  });
