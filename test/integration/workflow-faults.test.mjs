// workflow-faults.test.mjs: workflows whose worker, agents and steps meet what they should not.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { test } from "node:test";

import { workersOf, zygotesOf } from "./processes.mjs";
import { scaled } from "./scale.mjs";
import { Turns } from "./turns.mjs";
import { whole, Workflows } from "./workflows.mjs";

const META = 'export const meta = {name: "faults", description: "x"};\n';

class Flows {
  static async open(t, options) {
    const flows = new Flows();
    flows.turns = await Turns.open(t, options);
    flows.daemon = flows.turns.daemon;
    return flows;
  }

  async start(body, more = {}) {
    const script = META + body;
    const { status, json, text } = await this.turns.ask("POST", "/workflows", { script, ...more });
    assert.equal(status, 201, text);
    assert.equal(json.error, undefined);
    return json.runId;
  }

  async end(run) {
    const event = await this.until(run, (one) => one.type === "workflow_finished");
    return event.data;
  }

  async result(run) {
    const { state, cause, result, error } = await this.end(run);
    assert.equal(state, "succeeded", `${cause}: ${JSON.stringify(error)}`);
    return result;
  }

  /** The first event that fits; a daemon that stands still fails the test, and does not hold it. */
  async until(run, fits) {
    const late = Date.now() + scaled(20_000);
    for (let after = 0; Date.now() < late; ) {
      const page = await this.turns.get(`/streams/run:${run}/events?wait=2&after=${after}`);
      const event = page.events.find(fits);
      if (event !== undefined) return event;
      after = page.events.at(-1)?.seq ?? after;
    }
    const seen = await this.turns.get(`/streams/run:${run}/events?after=0`);
    return assert.fail(`it waits for ever behind ${JSON.stringify(seen.events.slice(-3))}`);
  }

  /** The row of the agent of that label, when it has begun. */
  async atWork(run, label) {
    const begun = (one) => one.type === "agent_started" && one.data.label === label;
    return (await this.until(run, begun)).data.run;
  }

  agents(run) {
    return this.turns.get(`/runs/${run}/agents?whole=1`).then((page) => page.items);
  }

  /** Kills every worker: children of the process that they are forked from. */
  killWorkers() {
    const workers = workersOf(this.daemon);
    for (const pid of workers) process.kill(pid, "SIGKILL");
    return workers.length;
  }

  killZygote() {
    for (const pid of zygotesOf(this.daemon)) process.kill(pid, "SIGKILL");
  }
}

const BAD = '{type: "object", properties: {a: {type: "none"}}}';

test("an agent with a schema that is none does not hold a worker's successor up", async (t) => {
  const flows = await Flows.open(t);
  const run = await flows.start(`
    try { await agent("x", {schema: ${BAD}}); } catch (error) { log("thrown"); }
    const slow = agent("delay: ${scaled(700)}ms\\nsay: slow", {label: "slow"});
    return [await slow, await agent("say: behind")];`);
  await flows.atWork(run, "slow");
  assert.equal(flows.killWorkers(), 1);
  const { state, result } = await flows.end(run);
  assert.equal(state, "degraded");
  assert.deepEqual(result, ["slow", "behind"]);
});

test("an agent that waits for its place behind a restart can be skipped", async (t) => {
  const flows = await Flows.open(t, { args: ["--insecure-loopback", "--agents", "3"] });
  const run = await flows.start(`
    return parallel([1, 2, 3, 4].map((n) => () =>
      agent("delay: ${scaled(1200)}ms\\nsay: " + n, {label: "a" + n})));`);
  const skipped = await flows.atWork(run, "a2");
  await flows.atWork(run, "a3");
  await flows.daemon.kill();
  flows.daemon.args[flows.daemon.args.indexOf("--agents") + 1] = "1";
  await flows.daemon.start();
  await flows.until(run, (one) => one.type === "agent_started" && one.data.label === "a3");
  const { status } = await flows.turns.ask("POST", `/runs/${skipped}/skip`);
  assert.equal(status, 200);
  assert.deepEqual(await flows.result(run), ["1", null, "3", "4"]);
});

test("a resumed run goes on when its worker dies among results taken over", async (t) => {
  const flows = await Flows.open(t);
  const body = (tail) => `
    const all = await parallel([1, 2, 3].map((n) => () => agent("say: " + n)));
    const slow = agent("delay: ${scaled(800)}ms\\nsay: slow", {label: "slow"});
    const last = agent("say: last");
    ${tail}
    return [...all, await slow, await last];`;
  const first = await flows.start(body(""));
  await flows.result(first);
  const rerun = (await flows.agents(first)).filter((one) => one.label === "slow");
  const more = { resumeFromRunId: first, rerun: rerun.map((one) => one.id) };
  const run = await flows.start(body("const more = agent('say: more'); await more;"), more);
  await flows.atWork(run, "slow");
  flows.killWorkers();
  assert.deepEqual(await flows.result(run), ["1", "2", "3", "slow", "last"]);
});

test("scripts that workflow() names are told once, however often the worker dies", async (t) => {
  const flows = await Flows.open(t);
  const run = await flows.start(`
    const slow = agent("delay: ${scaled(1500)}ms\\nsay: slow", {label: "slow"});
    const names = [];
    for (let n = 0; n < 40; n++) names.push(workflow("none-" + n).catch(() => n));
    return [(await Promise.all(names)).length, await slow];`);
  await flows.atWork(run, "slow");
  flows.killWorkers();
  assert.deepEqual(await flows.result(run), [40, "slow"]);
});

const ends = {
  "an error of 400 kB": ["throw new Error('x'.repeat(400000));", "script_error"],
  "an error whose words are cut": ["throw new Error('a' + 'é'.repeat(1000));", "script_error"],
  "a result that is nested deeply": [
    "let x = 1; for (let i = 0; i < 500; i++) x = [x]; return x;", "result_not_json"],
  "a result of very many values": [
    "return Array.from({length: 300000}, (_, n) => n % 10);", "result_not_json"],
  "a key that holds NUL": ["return {['a' + String.fromCharCode(0)]: 1};", "result_not_json"],
};
for (const [name, [body, cause]] of Object.entries(ends)) {
  test(`${name} ends its run, and is no crash`, async (t) => {
    const flows = await Flows.open(t);
    const end = await flows.end(await flows.start(body));
    assert.deepEqual([end.state, end.cause], ["failed", cause], JSON.stringify(end.error));
  });
}

test("numbers and texts that are odd reach the script's caller", async (t) => {
  const flows = await Flows.open(t);
  const run = await flows.start(
    "log('cut \\ud83d'); const a = await agent('say: cut \\ud83d', {label: 'a\\u0000b'});" +
      "return [2 ** 53, 1e308, -0, 'a\\u0000b', '\\ud83d', a.length > 0];");
  const result = await flows.result(run);
  assert.equal(result.length, 6);
  assert.equal(result[3], "a\u0000b");
});

test("agents wait for a budget, are let go one after the other, and none is lost", async (t) => {
  const flows = await Flows.open(t);
  const run = await flows.start(
    `return (await parallel(Array.from({length: 60}, (_, n) => () =>
       agent("usage: fresh=1 output=10\\nsay: " + n)))).length;`,
    { concurrency: 60, budget: { output_tokens: 2500 } },
  );
  assert.equal(await flows.result(run), 60);
  const { agents } = await flows.end(run);
  assert.deepEqual(agents, { succeeded: 60, cached: 0, failed: 0, skipped: 0 });
});

test("the process that workers are forked from may die as often as it likes", async (t) => {
  const flows = await Flows.open(t);
  const run = await flows.start(
    `const all = []; for (let n = 0; n < 6; n++) {
      all.push(await agent("delay: ${scaled(150)}ms\\nsay: " + n, {label: "a" + n}));
    }
    return all;`);
  for (let n = 0; n < 6; n++) {
    await flows.atWork(run, `a${n}`);
    flows.killZygote();
  }
  assert.deepEqual(await flows.result(run), ["0", "1", "2", "3", "4", "5"]);
});

test("an agent gets no tool that waits for a person, whatever it asks for", async (t) => {
  const flows = await Flows.open(t);
  const run = await flows.start(
    `return await agent('call: ask_user {"question": "who?"}\\nsay: none', {tools: ["ask_user"]});`,
    { root: flows.turns.root });
  assert.equal(await flows.result(run), "none");
});

test("settings that no session takes start nothing", async (t) => {
  const flows = await Flows.open(t);
  const ask = (settings) =>
    flows.turns.ask("POST", "/workflows", { script: `${META}return 1;`, settings });
  for (const settings of [{ a: "x".repeat(20000) }, { check: 7 }]) {
    const { status, json } = await ask(settings);
    assert.deepEqual([status, json.code], [400, "bad_field"]);
  }
});

test("an error within workflow() names the file that threw", async (t) => {
  const flows = await Workflows.open(t);
  const child = flows.write("child.js", whole("\nthrow new Error('lost')"));
  const script = whole(`return await workflow({ scriptPath: ${JSON.stringify(child)} })`);
  const { end, record } = await flows.run({ script });
  assert.deepEqual([end.error.file, end.error.line], [child, 3]);
  assert.ok(record.note.startsWith(`${child}:3: lost`), record.note);
  const own = await flows.run({ script: whole("throw new Error('mine')") });
  assert.deepEqual([own.end.error.file, own.end.error.line], [undefined, 2]);
});

test("a call that was never waited for is told once, also behind a crash", async (t) => {
  const flows = await Workflows.open(t);
  const script = whole(`
await agent('say: 1', { label: 'first' });
agent('delay: 600s', { label: 'forgotten' });
return await agent('delay: ${scaled(1000)}ms\\nsay: 2', { label: 'second' })`);
  const run = await flows.start({ script });
  await flows.until(run, ({ type, data }) => type === "agent_started" && data.label === "second");
  await flows.daemon.kill();
  await flows.daemon.start();
  const { end, events } = await flows.outcome(run);
  assert.equal(end.result, "2");
  const told = events.filter(({ type }) => type === "log").map(({ data }) => data.text);
  assert.equal(told.length, 1);
  assert.match(told[0], /^1 call of agent\(\).* is an await missing\?$/);
});
