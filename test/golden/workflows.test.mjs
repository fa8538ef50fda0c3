// workflows.test.mjs: workflows over HTTP: found, checked, planned, run, paused, resumed, removed.
//
// runs-with: release, san, postgres
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";
import { call, script, USAGE } from "./talk.mjs";

const meta = (name, more = "") =>
  `export const meta = { name: "${name}", description: "counts sheep"${more} };\n`;
const agent = (lines, options) => `await agent(${JSON.stringify(lines)}, ${options})`;
const say = (text) => script(`say: ${text}`, USAGE);

const PHASED = `${meta("flock", ', phases: [{ title: "Find" }, { title: "Tell" }]')}
phase("Find");
const found = ${agent(say("sheep"), '{ label: "finder" }')};
log("one was found");
phase("Tell");
const schema = { type: "object", properties: { count: { type: "integer" } } };
const told = ${agent(say('{"count": 7}'), '{ label: "teller", schema }')};
return { found, told, args };
`;
const held = (name) => `${meta(name)}return ${agent("delay: 600s", '{ label: "slow" }')};\n`;

/** What must be at work before the rest of a scenario happens. */
class Flow {
  constructor(record, daemon) {
    Object.assign(this, { record, daemon });
  }

  ask(...request) {
    return this.record.ask(this.daemon, ...request);
  }

  /** Starts it; its run. */
  async start(body, options) {
    return (await this.ask("POST", "workflows", body, options)).json.runId;
  }

  until(run, type, fits) {
    return this.record.until(this.daemon, `run:${run}`, type, fits);
  }

  ended(run) {
    return this.until(run, "workflow_finished");
  }

  events(run) {
    return this.record.events(this.daemon, `run:${run}`);
  }
}

golden("workflow-catalog", async (record) => {
  const daemon = await record.daemon();
  const flow = new Flow(record, daemon);
  const folder = path.join(record.root, ".drover/workflows");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "flock.js"), PHASED);
  writeFileSync(path.join(folder, "broken.js"), `${meta("broken")}return (;\n`);
  const root = encodeURIComponent(record.root);
  await flow.ask("GET", "workflows");
  const { json } = await flow.ask("GET", `workflows?root=${root}`);
  const { json: { hash } } = await flow.ask("GET", `workflows/flock?root=${root}`);
  await flow.ask("PUT", `workflows/flock?root=${root}`, { source: `${PHASED}\n`, hash });
  await flow.ask("PUT", `workflows/flock?root=${root}`, { source: PHASED, hash });
  await flow.ask("GET", `workflows/flok?root=${root}`);
  await flow.ask("GET", `workflows/broken?root=${root}`);
  await flow.ask("GET", "workflows?root=relative");
  record.say(`${json.workflows.length} workflows`);
  await flow.ask("POST", "scripts/check", { script: PHASED, file: "flock.js" });
  await flow.ask("POST", "scripts/check", { script: "return (;" });
  await flow.ask("POST", "scripts/check", { script: `${meta("a")}Date.now();\nagent();\n` });
  const input = ', args: { type: "object", required: ["n"], properties: { n: {} } }';
  const wants = `${meta("wants", input)}return args.n;\n`;
  await flow.ask("POST", "scripts/plan", { script: PHASED });
  await flow.ask("POST", "scripts/plan", { script: "return (;" });
  await flow.ask("POST", "scripts/plan", { script: wants, args: { m: 1 } });
  const limits = { timeout_ms: 60000, agent_timeout_ms: 1000, concurrency: 2, total: 500 };
  const rest = { ...limits, budget: { agents: 3 }, root: record.root, model: "scripted/other" };
  await flow.ask("POST", "scripts/plan", { name: "flock", ...rest });
  await flow.ask("POST", "scripts/plan", { scriptPath: "none.js", root: record.root });
});

golden("workflows", async (record) => {
  const daemon = await record.daemon();
  const flow = new Flow(record, daemon);
  const keyed = { headers: { "idempotency-key": "one" } };
  const body = { script: PHASED, args: { n: [1, 2] }, project: "web", label: "a label" };
  const run = await flow.start(body, keyed);
  await flow.ended(run);
  await flow.ask("POST", "workflows", body, keyed);
  await flow.ask("POST", "workflows", { ...body, label: "another" }, keyed);
  await flow.ask("GET", `runs/${run}`);
  await flow.events(run);
  await flow.ask("GET", `runs/${run}/agents`);
  await flow.ask("GET", `runs/${run}/agents?whole=1&limit=1&total=1`);
  await flow.ask("GET", `runs/${run}/agents?q=TELL&state=succeeded`);
  await flow.ask("GET", `runs/${run}/spans`);
  await flow.ask("GET", `runs/${run}/spans?below=1`);
  await flow.ask("GET", `runs/${run}/limits`);
  await flow.ask("GET", `runs/${run}/script`);
  await flow.ask("GET", `runs/${run}/export`);
  await flow.ask("GET", `runs/${run}/script?file=none`);
  await flow.ask("GET", `runs?parent=${run}`);
  await flow.ask("GET", "runs?kind=workflow&project=web");
  const { json } = await daemon.request("GET", `/api/v1/runs/${run}/agents`);
  const [first] = json.items;
  await flow.ask("GET", `runs/${first.id}`);
  await flow.ask("GET", `runs/${first.id}/spans`);
  await flow.ask("GET", `runs/${first.id}/spans/1.1?side=input`);
  for (const what of ["pause", "resume"]) await flow.ask("POST", `runs/${run}/${what}`);
  for (const what of ["skip", "restart"]) await flow.ask("POST", `runs/${first.id}/${what}`);
  record.say("resumed");
  const rest = { resumeFromRunId: run, rerun: [first.id], timeout_ms: 60000, total: 5000 };
  const again = await flow.start({ ...rest, budget: { agents: 9 } });
  await flow.ended(again);
  await flow.ask("GET", `runs/${again}`);
  await flow.events(again);
  record.say("from an event");
  const half = { resumeFromRunId: run, from_seq: 6 };
  await flow.ask("POST", "scripts/plan", half);
  await flow.ended(await flow.start(half));
  await flow.ask("POST", "workflows", { ...half, from_seq: 9999 });
  await flow.ask("POST", "workflows", { script: PHASED, from_seq: 6 });
  await flow.ask("POST", "workflows", { resumeFromRunId: run, reuse_ms: 60000 });
  record.say("refused, broken, thrown");
  await flow.ask("POST", "workflows", {});
  await flow.ask("POST", "workflows", { script: "return (;" });
  await flow.ask("POST", "workflows", { name: "none" });
  await flow.ask("POST", "workflows", { resumeFromRunId: "none" });
  await flow.ask("POST", "workflows/none/runs", {});
  const thrown = await flow.start({ script: `${meta("thrower")}\nthrow new Error("no sheep");\n` });
  await flow.ended(thrown);
  await flow.ask("GET", `runs/${thrown}`);
  const failing = `${meta("failing")}return ${agent("fail: 400", '{ label: "bad" }')};\n`;
  const failed = await flow.start({ script: failing });
  await flow.ended(failed);
  await flow.ask("GET", `runs/${failed}`);
  await flow.events(failed);
  await flow.ask("DELETE", `runs/${first.id}`);
  await flow.ask("DELETE", `runs/${again}`);
  await flow.ask("DELETE", `runs/${run}`);
}, { whole: ["workflow", "agent"] });

golden("workflow-control", async (record) => {
  const daemon = await record.daemon();
  record.names.estimates = true;
  const flow = new Flow(record, daemon);
  const folder = path.join(record.root, ".drover/workflows");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "slow.js"), held("slow"));
  const slow = { root: record.root, model: "scripted/other" };
  const stopped = (await flow.ask("POST", "workflows/slow/runs", slow)).json.runId;
  const run = await flow.start({ script: held("held") });
  const { run: asked } = await flow.until(run, "agent_started");
  await flow.until(stopped, "agent_started");
  await record.calling(daemon, 2);
  await flow.ask("GET", `runs/${run}`);
  await flow.ask("GET", `runs/${asked}`);
  await flow.ask("DELETE", `runs/${run}`);
  await flow.ask("POST", `runs/${asked}/pause`);
  await flow.ask("POST", `runs/${run}/skip`);
  await flow.ask("POST", `runs/${run}/pause`);
  await flow.ask("POST", `runs/${run}/pause`);
  await flow.ask("GET", `runs/${run}`);
  await flow.ask("POST", `runs/${run}/resume`);
  await record.calling(daemon, 2);
  await flow.ask("POST", `runs/${asked}/restart`);
  await record.calling(daemon, 2);
  await flow.ask("POST", `runs/${asked}/skip`);
  await flow.ended(run);
  await flow.events(run);
  await flow.ask("GET", `runs/${asked}`);
  await flow.ask("POST", `runs/${stopped}/stop`);
  await flow.ended(stopped);
  await flow.ask("GET", `runs/${stopped}`);
});

const TIMED = `export const meta = { name: "waits", description: "waits", timers: true };
clearTimeout(setTimeout(log, 20000));
await sleep(100);
setTimeout(log, 20000);
`;

golden("workflow-timers", async (record) => {
  const daemon = await record.daemon();
  const flow = new Flow(record, daemon);
  const run = await flow.start({ script: TIMED });
  await flow.ended(run);
  await flow.events(run);
  await flow.ask("GET", `runs/${run}/timers`);
  await flow.ask("GET", `runs/${run}/timers?state=fired,cleared&limit=1&total=1`);
  await flow.ask("GET", `runs/${run}/spans?below=1&kind=timer`);
});

golden("workflow-agents", async (record) => {
  const daemon = await record.daemon();
  const flow = new Flow(record, daemon);
  const lines = script(call("run_command", { command: "true" }), USAGE, "say: done", USAGE);
  const tools = `${meta("tools")}return ${agent(lines, '{ label: "worker" }')};\n`;
  const run = await flow.start({ script: tools, root: record.root });
  const { approval } = await flow.until(run, "agent_waiting");
  await flow.ask("GET", `approvals?run=${run}`);
  await flow.ask("POST", `approvals/${approval}`, { decision: "allow" });
  await flow.ended(run);
  await flow.events(run);
  await flow.ask("GET", `runs/${run}/agents?whole=1`);
  await flow.ask("GET", `runs?root=${run}&kind=turn`);
  const retried = script("say: half", "fail: cut x1", "say: whole", USAGE);
  const asks = `${agent(retried, '{ label: "cut", model: "no-such" }')}`;
  const waits = await flow.start({ script: `${meta("waits")}return ${asks};\n` });
  await flow.ended(waits);
  await flow.events(waits);
});
