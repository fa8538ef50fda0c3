// flows.test.mjs: flows over HTTP and by commands: found, checked, planned, run.
//
// runs-with: release, san, postgres
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";

const FLOCK = `export default {
  name: "flock",
  description: "counts sheep",
  steps: [
    { id: "count", kind: "code", run: (ctx) => "7 " + (ctx.input.question ?? "sheep") },
    {
      id: "many", kind: "switch", deps: ["count"], defaultBranch: ["few"],
      cases: [{ label: "many", condition: (ctx) => ctx.results.count.startsWith("7"),
        stepIds: ["dog"] }],
    },
    { id: "dog", kind: "command", command: "echo woof", batch: "loud" },
    { id: "few", kind: "code", run: () => "none" },
    { id: "wolf", kind: "code", when: (ctx) => ctx.input.wolf === true, run: () => "grr" },
    { id: "tell", kind: "agent", deps: ["batch:loud", "wolf"], model: "scripted/demo",
      run: (ctx) => "say: " + ctx.results.dog },
  ],
  render: (ctx) => "# Sheep\\n\\n" + ctx.results.count + ", " + ctx.results.tell + "\\n",
};
`;
const BROKEN =
  'export default { steps: [{ id: "a", kind: "code", deps: ["b"], run: () => 1 }] };\n';

golden("flows", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const folder = path.join(record.root, ".drover/flows");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "flock.js"), FLOCK);
  writeFileSync(path.join(folder, "broken.js"), BROKEN);
  writeFileSync(path.join(folder, "none.js"), "export const a = 1;\n");
  const { root } = record;
  const at = `root=${encodeURIComponent(root)}`;
  await ask("GET", "flows");
  await ask("GET", `flows?${at}`);
  await ask("GET", `flows/flock?${at}`);
  await ask("GET", `flows/flok?${at}`);
  await ask("POST", "flows/check", { name: "flock", root });
  await ask("POST", "flows/check", { name: "broken", root });
  await ask("POST", "flows/check", { name: "none", root });
  await ask("POST", "flows", { name: "broken", root });
  await ask("POST", "flows", { name: "flock", path: "flock.js", root });
  const body = { name: "flock", root, input: "cows", label: "a label" };
  const keyed = { headers: { "idempotency-key": "one" } };
  const { json: { id } } = await ask("POST", "flows", body, keyed);
  await record.until(daemon, `run:${id}`, "flow_run_step_updated", ({ run_status: one }) => one);
  await ask("POST", "flows", body, keyed);
  await ask("GET", `runs/${id}/flow`);
  await ask("GET", `runs/${id}/flow?step=dog`);
  await record.events(daemon, `run:${id}`);
  const { json: again } = await ask("POST", "flows", { resumeFromRunId: id, rerun: ["tell"] });
  await record.until(daemon, `run:${again.id}`, "flow_run_step_updated",
    ({ run_status: one }) => one);
  await record.events(daemon, `run:${again.id}`);
  await ask("POST", "flows", { name: "flock", root, resumeFromRunId: id, rerun_from: ["tel"] });
  await ask("POST", "flows", { resumeFromRunId: id, rerun: ["many"] });
  await ask("POST", "flows", { resumeFromRunId: id, input: "x", rerun: ["tell"] });
  await ask("POST", "flows", { name: "flock", root, rerun: ["tell"] });
  await ask("POST", "flows", { resumeFromRunId: "run_none" });
  await ask("POST", `runs/${id}/retry`);
  await ask("POST", "flows/flok/runs", { root });
  await ask("POST", "flows/flock/runs", { root, name: "flock" });
  const named = await ask("POST", "flows/flock/runs", { root });
  await record.until(daemon, `run:${named.json.id}`, "flow_run_step_updated",
    ({ run_status: one }) => one);
  await ask("POST", "flows", { root, script: BROKEN, title: "text.js" });
  const script = `export default { steps: [
    { id: "ok", kind: "approval", prompt: "Well?", approvers: ["ana"] }], render: () => "" };`;
  const text = await ask("POST", "flows", { root, script });
  const question = await record.until(daemon, `run:${text.json.id}`, "question_asked");
  await ask("POST", `approvals/${question.id}`, { decision: "allow" });
  await ask("POST", `approvals/${question.id}`, { decision: "deny" });
});

golden("flow-commands", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  const folder = path.join(record.root, ".drover/flows");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "flock.js"), FLOCK);
  const broken = path.join(record.root, "broken.js");
  writeFileSync(broken, BROKEN);
  const at = ["--root", record.root];
  for (const more of [[], ["--json"]]) {
    await cli("flow", "ls", ...at, ...more);
    await cli("flow", "show", "flock", ...at, ...more);
    await cli("flow", "check", "flock", ...at, ...more);
    await cli("flow", "check", broken, ...at, ...more);
    await cli("flow", "plan", "flock", ...at, ...more);
    await cli("flow", "run", "flock", ...at, "--input", "goats", ...more);
    await cli("flow", "run", "flok", ...at, ...more);
    await cli("show", "last", ...more);
    await cli("attach", "last", ...more);
    await cli("retry", "last", ...more);
    await cli("pause", "last", ...more);
  }
  await cli("flow", "show", "flock", ...at, "--source");
  await cli("flow", "run", "--resume", "last", "--rerun-from", "count", ...at);
  await cli("flow", "run", "flock", "--resume", "last", ...at);
  await cli("flow", "run", "flock", "--rerun", "count", ...at);
  await cli("flow", "run", ...at);
  await cli("flow", "run", "no/such.js", ...at);
});
