// workflow-contract.test.mjs: the contract of workflow scripts, rule by rule: a small script for
// each, with its result, its events and the words of its errors. The rules stand in tables beside
// this file; all of their scripts run on one daemon, many at a time.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import agents from "./workflow-contract-agents.mjs";
import flow from "./workflow-contract-flow.mjs";
import rules from "./workflow-contract-rules.mjs";
import shape from "./workflow-contract-shape.mjs";
import starts from "./workflow-contract-starts.mjs";
import { holdRow } from "./workflow-contract.mjs";
import { Workflows } from "./workflows.mjs";

const AT_ONCE = 16;
const TABLES = {
  "what a script looks like": shape,
  "agents": agents,
  "what runs beside and behind one another": flow,
  "what a script finds in its world": rules,
  "how a workflow starts": starts,
};

let flows;
const ends = [];
before(async () => {
  flows = await Workflows.open({ after: (end) => ends.push(end) });
});
after(async () => {
  for (const end of ends) await end();
});

it("the tables hold a script for each rule, and no rule twice", () => {
  const names = Object.values(TABLES).flat().map(({ name }) => name);
  assert.ok(names.length >= 150, `${names.length} rules`);
  assert.equal(new Set(names).size, names.length);
});

for (const [title, rows] of Object.entries(TABLES)) {
  describe(title, { concurrency: AT_ONCE }, () => {
    for (const row of rows) it(row.name, () => row.hold?.(flows) ?? holdRow(row, flows));
  });
}
