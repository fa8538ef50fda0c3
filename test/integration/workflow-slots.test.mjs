// workflow-slots.test.mjs: how many agents of a workflow run at once, and which limit the others
// wait for.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Held } from "./held.mjs";
import { begin } from "./jobs-cli.mjs";
import { until } from "./providers.mjs";
import { whole, Workflows } from "./workflows.mjs";

const fan = (count, prompt, opts = "{}") =>
  whole(`return (await parallel(Array.from({ length: ${count} }, (_, n) => () =>
    agent(${prompt}, ${opts})))).filter((text) => text !== null).length;`);
const limitsOf = async (flows, run) => (await flows.get(`/runs/${run}/limits`)).items;

test("sixteen of 24 agents are asked, and the others wait for the limit of the run", async (t) => {
  const provider = await new Held((prompt) => ({ prompt, text: prompt })).start(t);
  const flows = await Workflows.open(t);
  const model = await flows.connect(provider, "wide");
  const script = fan(24, "'held'");
  const run = await flows.start({ script, model, root: undefined });
  await provider.untilAsked("held", 16);
  const limits = await limitsOf(flows, run);
  const of = { name: null, at_once: 16, most: 16 };
  assert.deepEqual(limits[0], { limit: "run", ...of, running: 16, waiting: 8 });
  assert.deepEqual(limits[1],
    { limit: "connection", name: "wide", at_once: 200, most: 200, running: 16, waiting: 0 });
  const commands = Math.max(2, 2 * (os.availableParallelism?.() ?? os.cpus().length));
  assert.deepEqual(limits[2], { limit: "commands", name: null, at_once: commands, most: commands,
    running: 0, waiting: 0 });
  const { stdout } = await begin(t, flows.daemon, ["show", run]).ended;
  assert.match(stdout, /^waits +8 agents for the limit of the run: 16 at once$/m);
  assert.equal(provider.count("held"), 16);
  provider.free("held");
  assert.equal((await flows.outcome(run)).end.result, 24);
  assert.deepEqual(await limitsOf(flows, run), []);

  const file = flows.write("fan.js", script);
  const plan = await begin(t, flows.daemon, ["workflow", "plan", "--model", model, file]).ended;
  assert.match(plan.stdout, /more would wait for the limit of the run/);
  assert.match(plan.stdout, /the connection wide makes at most 200 calls at once/);
});

/** Refuses the first calls, as many as `refusals` says. The next one is answered at once, so that
 *  the provider is known to answer again; of the others it counts those that it has. */
class Busy extends Held {
  now = 0;
  most = 0;
  refused = 0;
  answered = false;

  constructor(refusals) {
    super((prompt) => ({ prompt, text: prompt }));
    this.refusals = refusals;
  }

  async speak(answer, said) {
    if (this.refused < this.refusals) {
      this.refused++;
      answer.writeHead(429, { "content-type": "application/json", "retry-after-ms": "50" });
      answer.end(JSON.stringify({ error: { message: "slow down" } }));
      return;
    }
    if (!this.answered) {
      this.answered = true;
      await super.speak(answer, { ...said, prompt: "at once" });
      return;
    }
    this.most = Math.max(this.most, ++this.now);
    answer.on("close", () => this.now--);
    await super.speak(answer, said);
  }
}

test("a provider that answers 429 is asked half as much at once from then on", async (t) => {
  const provider = await new Busy(4).start(t);
  const flows = await Workflows.open(t);
  const body = { name: "busy", kind: "openai", base_url: provider.url };
  assert.equal((await flows.ask("POST", "/providers", body)).status, 201);
  const run = await flows.start({ script: fan(16, "'held'"), model: "busy/m", root: undefined });
  await until("eight are asked", () => provider.now === 8);
  const waiting = async () => (await limitsOf(flows, run))[1].waiting;
  await until("the others stand in line", async () => (await waiting()) === 7);
  assert.deepEqual((await limitsOf(flows, run))[1],
    { limit: "connection", name: "busy", at_once: 8, most: 16, running: 8, waiting: 7 });
  const { stdout } = await begin(t, flows.daemon, ["show", run]).ended;
  assert.match(stdout,
    /^waits +7 agents for the limit of the connection busy: 8 at once, lowered from 16/m);
  provider.free("held");
  assert.equal((await flows.outcome(run)).end.result, 16);
  assert.equal(provider.most, 8);
});

test("commands of agents share one limit, by the processors", async (t) => {
  const flows = await Workflows.open(t);
  const commands = Math.max(2, 2 * (os.availableParallelism?.() ?? os.cpus().length));
  const wait = { command: "sh", args: ["-c", "until [ -e go ]; do sleep 0.05; done"] };
  const prompt = JSON.stringify(`call: run_command ${JSON.stringify(wait)}\nsay: done`);
  const settings = { permissions: [{ tool: "run_command", subject: "*", permission: "allow" }] };
  const script = fan(commands + 1, prompt, "{tools: ['run_command']}");
  const run = await flows.start({ script, settings, concurrency: commands + 1 });
  const last = async () => (await limitsOf(flows, run)).at(-1);
  await until("all slots are taken", async () => (await last()).waiting === 1);
  assert.equal((await last()).running, commands);
  const { items } = await flows.get(`/runs?kind=job&root=${run}&state=queued`);
  assert.deepEqual(items.map(({ gate, key }) => [gate, key]), [["key", "drover/agent-commands"]]);
  const { stdout } = await begin(t, flows.daemon, ["show", run]).ended;
  assert.match(stdout, /^waits +1 command for the limit of agents' commands: \d+ at once$/m);
  writeFileSync(path.join(flows.root, "go"), "");
  assert.equal((await flows.outcome(run)).end.result, commands + 1);
});
