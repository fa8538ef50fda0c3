// flow-kit.mjs: flows of tests: their files, their starts, and how they stand.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { until } from "./providers.mjs";

export function written(turns, name, source) {
  const folder = path.join(turns.root, ".drover/flows");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.js`), source);
}

export async function started(turns, name, input, more = {}) {
  const answer = await turns.ask("POST", "/flows",
    { name, root: turns.root, input, model: "scripted/demo", ...more });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

export const flowOf = (turns, run) => turns.get(`/runs/${run}/flow`);

export async function ended(turns, run) {
  let flow;
  await until(`${run} has ended`, async () => {
    flow = await flowOf(turns, run);
    return flow.stage === "over";
  });
  return flow;
}

export async function asked(turns, run) {
  let found;
  await until(`${run} asks`, async () => {
    found = (await turns.get("/approvals")).items.find((one) => one.run === run);
    return found !== undefined;
  });
  return found;
}

export const stepOf = (flow, id) => flow.steps.find((step) => step.step_id === id);
