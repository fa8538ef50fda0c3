// flocks.mjs: what crash tests of workflows share: the scripts, a provider that counts, a daemon
// that is killed and comes back, and what must hold afterwards.
//
// Each script keeps a list of what it saw and returns it; the same words go into its log, once
// each. So a run that came another way after a crash than before is seen: its log is of both ways.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import { Counting } from "../integration/counting.mjs";
import { scaled } from "../integration/scale.mjs";
import { logs, phases, Workflows } from "../integration/workflows.mjs";
import { until } from "./custody.mjs";

export const AGENTS = 60;
const META = "export const meta = { name: 'flock', description: 'is killed' };";
const SEES = "const seen = []; const see = (word) => { seen.push(String(word)); log(word) };";
const whole = (body) => `${META}\n${SEES}\n${body}`;

/** A small number that a prompt always gives. */
function digest(text) {
  let sum = 7;
  for (const char of text) sum = (sum * 31 + char.codePointAt(0)) % 99991;
  return sum;
}
const plain = (prompt) => ({ text: `${digest(prompt)}` });

/** {script, say, agents}: what runs, what a provider says to it, and how many agents it has. */
export const SHAPES = {
  pipeline: {
    agents: AGENTS, say: plain, script: whole(`
phase('flow');
const items = Array.from({ length: 20 }, (_, i) => i);
const ends = await pipeline(items,
  (i) => agent(\`look \${i}\`),
  (text, i) => agent(\`check \${i}: \${text}\`),
  (text, i) => agent(\`tell \${i}: \${text}\`));
see(ends.length);
return { ends, seen }`),
  },
  parallel: {
    agents: AGENTS, say: plain, script: whole(`
phase('wide');
const groups = await parallel([0, 1, 2, 3, 4, 5].map((g) => () =>
  parallel(Array.from({ length: 10 }, (_, i) => () => agent(\`ask \${g}.\${i}\`)))));
see(groups.flat().length);
return { groups, seen }`),
  },
  loop: {
    agents: AGENTS,
    say: (prompt) => ({ text: prompt === "round 11 of 3" ? "done" : `${digest(prompt)}` }),
    script: whole(`
let known = [];
for (let round = 0, done = false; !done; round++) {
  phase(\`round \${round}\`);
  const found = await parallel([0, 1, 2, 3].map((i) => () => agent(\`round \${round} of \${i}\`)));
  known.push(await agent(\`round \${round}, known \${known.length}: \${found.join()}\`));
  see(\`\${round}: \${found[3]}\`);
  done = found[3] === 'done';
}
return { known, seen }`),
  },
};

/** The shape that breaks a naive replay: equal prompts, whose answers are embedded later, and which
 *  come back in any order. The answers are all different. */
export const SWAPS = {
  items: 12,
  agents: 36,
  say(random) {
    let rates = 0;
    return (prompt) => ({
      text: prompt === "rate this" ? `r${rates++}` : `heard ${prompt}`, ms: random.below(20),
    });
  },
  script: whole(`
const items = Array.from({ length: 12 }, (_, i) => i);
return await pipeline(items,
  (i) => agent(\`look \${i}\`),
  () => agent('rate this'),
  async (rate, i) => [i, rate, await agent(\`finish \${i} with \${rate}\`)])`),
};

/** Scripts that go one way or the other by what they saw. Each `say` may give another answer each
 *  time it is asked: what counts is what was stored. */
export const BRANCHES = {
  "what remains of its budget": {
    more: { total: 400 },
    say: (random) => (prompt) => ({
      text: prompt, tokens: 10 + random.below(30), ms: random.below(8),
    }),
    script: whole(`
for (let round = 0; budget.remaining() > 60; round++) {
  see(\`\${round}: \${budget.remaining()} of \${budget.total}\`);
  if (budget.remaining() % 2 === 0) { await agent(\`even \${round}\`); continue }
  phase(\`odd \${round}\`);
  await parallel([0, 1].map((i) => () => agent(\`odd \${round}.\${i}\`)));
}
return { seen, spent: budget.spent() }`),
  },
  "a null": {
    say: (random) => (prompt) => {
      const fails = prompt.startsWith("try") && random.below(2) === 0;
      return { text: prompt, status: fails ? 400 : 200, ms: random.below(8) };
    },
    script: whole(`
for (let i = 0; i < 14; i++) {
  const text = await agent(\`try \${i}\`);
  see(\`\${i}: \${text}\`);
  if (text === null) { phase(\`mend \${i}\`); see(await agent(\`mend \${i}\`)) }
}
return { seen }`),
  },
  "a throw that it caught": {
    say: (random) => (prompt) => ({
      text: random.below(2) === 0 ? '{"n":1}' : "no JSON", ms: random.below(5),
    }),
    script: whole(`
const schema = { type: 'object', required: ['n'] };
for (let i = 0; i < 8; i++) {
  try {
    const made = await agent(\`make \${i}\`, i % 2 === 0 ? { schema } : { effort: i });
    see(\`\${i}: \${made.n}\`);
  } catch (error) { see(\`\${i}: \${error.message}\`); await agent(\`sorry \${i}\`) }
}
return { seen }`),
  },
  "the order of a race": {
    say: (random) => (prompt) => ({ text: prompt, ms: random.below(25) }),
    script: whole(`
for (let i = 0; i < 8; i++) {
  const all = ['a', 'b', 'c'].map((one) => agent(\`race \${i} \${one}\`));
  const first = await Promise.race(all);
  see(first);
  phase(\`behind \${first}\`);
  see(await agent(\`on \${i} with \${first}\`));
  const rest = []; await Promise.all(all.map(async (one) => rest.push(await one)));
  see(rest.join());
}
return { seen }`),
  },
};

// --- A daemon that is killed ---------------------------------------------------------------------

const FINISHED = "workflow_finished";

export class Flocks {
  lives = []; // When each life began, and how many calls there had been.

  /** `say`: of the provider; more: what a Daemon takes. */
  static async open(t, say, more = {}) {
    const flocks = new Flocks();
    flocks.provider = await new Counting(say).start(t);
    flocks.lives.push({ at_ms: Date.now(), calls: 0 });
    flocks.flows = await Workflows.open(t, more);
    flocks.model = await flocks.flows.connect(flocks.provider);
    return flocks;
  }

  get daemon() {
    return this.flows.daemon;
  }

  /** Asks until it is answered: the daemon may die meanwhile, and is back soon. */
  async insist(method, target, body, headers) {
    const PATIENCE_MS = scaled(60_000);
    for (const stopAt = Date.now() + PATIENCE_MS; ; await pause(3)) {
      assert.ok(Date.now() < stopAt, `waited too long: ${method} ${target}`);
      const answer = this.daemon.running
        ? await this.flows.ask(method, target, body, headers).catch(() => null)
        : null;
      if (answer !== null && answer.status !== 503) return answer;
    }
  }

  /** The run of that script; asked for twice, it is the same. */
  async start({ script, more = {} }, key = "flock") {
    const { root } = this.flows;
    const body = { script, root, model: this.model, concurrency: 6, ...more };
    const answer = await this.insist("POST", "/workflows", body, { "idempotency-key": key });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.json.error, undefined);
    return answer.json.runId;
  }

  async revive() {
    await this.provider.heardTheDead(); // Requests of the dead one belong to its life.
    this.lives.push({ at_ms: Date.now(), calls: this.provider.prompts.length });
    await this.daemon.start();
  }

  async killAndRevive() {
    await this.daemon.kill();
    await this.revive();
  }

  async events(run) {
    const events = [];
    const target = `/streams/run:${run}/events?limit=1000`;
    for (;;) {
      const { json } = await this.insist("GET", `${target}&after=${events.length}`);
      events.push(...json.events);
      if (events.length >= json.head) return events;
    }
  }

  /** Everything its stream told, once it has ended. */
  async ended(run) {
    const target = `/streams/run:${run}/events?limit=1000&wait=10`;
    for (let after = 0; ; ) {
      const { json } = await this.insist("GET", `${target}&after=${after}`);
      if (json.events.some(({ type }) => type === FINISHED)) return this.events(run);
      after = json.events.at(-1)?.seq ?? after;
    }
  }

  /** Waits until the provider was asked so often more, or the run has ended; whether it has. */
  async asked(run, more) {
    const wanted = this.provider.prompts.length + more;
    for (let looks = 0; this.provider.prompts.length < wanted; looks++) {
      if (looks % 20 === 19 && (await this.events(run)).at(-1).type === FINISHED) return true;
      await pause(2);
    }
    return false;
  }

  /** Returns when each agent that is open now has finished. */
  async openFinished(run) {
    const of = (events, kind) =>
      events.filter(({ type }) => type === kind).map(({ data }) => data.run);
    const begun = of(await this.events(run), "agent_started");
    await until("the agents that were open have finished", async () => {
      const finished = new Set(of(await this.events(run), "agent_finished"));
      return begun.every((one) => finished.has(one));
    });
  }

  /** No agent that a life found finished was asked for in it. */
  checkCounts(events) {
    const promptOf = new Map();
    const runs = new Map(); // Prompt → how many agents have it.
    const finished = [];
    for (const { type, data, at_ms } of events) {
      if (type === "agent_started") {
        promptOf.set(data.run, data.prompt);
        runs.set(data.prompt, (runs.get(data.prompt) ?? 0) + 1);
      }
      if (type === "agent_finished") finished.push({ prompt: promptOf.get(data.run), at_ms });
    }
    this.lives.forEach((begin, life) => {
      const asks = new Map();
      const to = this.lives[life + 1]?.calls;
      for (const prompt of this.provider.prompts.slice(begin.calls, to)) {
        asks.set(prompt, (asks.get(prompt) ?? 0) + 1);
      }
      for (const [prompt, count] of asks) {
        const before = (one) => one.prompt === prompt && one.at_ms <= begin.at_ms;
        const done = finished.filter(before).length;
        const open = runs.get(prompt) - done;
        assert.ok(count <= open, `life ${life} asked ${count} times for "${prompt}", ${open} open`);
      }
    });
  }

  /** Every agent began once and ended once, phases and lines stand once, and what was told is what
   *  the script says that it saw. */
  checkStory(events) {
    const { result } = events.at(-1).data;
    assert.equal(events.filter(({ type }) => type === FINISHED).length, 1);
    assert.equal(events.filter(({ type }) => type === "workflow_started").length, 1);
    const of = (kind) => events.filter(({ type }) => type === kind).map(({ data }) => data);
    const begun = of("agent_started").map(({ run }) => run);
    const cached = of("agent_finished").filter((one) => one.cached).map(({ run }) => run);
    const ended = of("agent_finished").filter((one) => !one.cached).map(({ run }) => run);
    assert.equal(new Set(begun).size, begun.length, "each agent begins once");
    assert.equal(new Set(cached).size, cached.length, "what is known is told once");
    assert.deepEqual(ended.sort(), begun.sort(), "each agent ends once");
    assert.deepEqual(logs(events), result.seen ?? [], "the log is what the script saw");
    const titles = phases(events);
    assert.equal(new Set(titles).size, titles.length, `phases stand once: ${titles}`);
    const numbers = events.filter(({ type }) => type === "phase" || type === "log");
    assert.deepEqual(numbers.map(({ data }) => data.no), numbers.map((_, i) => i + 1));
  }

  check(events) {
    this.checkStory(events);
    this.checkCounts(events);
  }
}
