// workflow-scripts.test.mjs: scripts in the styles of public ones, each with its census. A script
// is planned, which plays it with stand-ins for its agents; most also run, on the scripted model.
//
// runs-with: release
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { SCRIPTS } from "./workflow-scripts.mjs";
import { logs, Workflows } from "./workflows.mjs";

const folder = fileURLToPath(new URL("scripts", import.meta.url));
const LABELS_MAX = 4;

/** The text of a script. Minified ones have lines here, and none for drover. */
function sourceOf(file) {
  const text = readFileSync(path.join(folder, file), "utf8");
  return file.endsWith(".min.js") ? text.replaceAll("\n", "") : text;
}

/** "Find/leaks, Fix/*×9, tell #×2": agents by phase and label, in the order of their first calls.
 *  A number in a name is "#"; "*" stands for many labels of a phase. A plan lists 200 kinds. */
function censusOf(steps) {
  const plain = (text) => text?.trim().replace(/\d+/g, "#");
  const named = steps.map(({ phase, label, agents }) =>
    ({ phase: plain(phase), label: plain(label) ?? "-", agents }));
  const kinds = new Map();
  for (const { phase, label, agents } of named) {
    const labels = new Set(named.filter((one) => one.phase === phase).map((one) => one.label));
    const name = labels.size > LABELS_MAX ? "*" : label;
    const kind = phase === undefined ? name : `${phase}/${name}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + agents);
  }
  return [...kinds].map(([kind, n]) => (n === 1 ? kind : `${kind}×${n}`)).join(", ");
}

/** "timer:7 host!:3": codes and lines, with a sign for errors. */
const warningsOf = (notes) => notes.map(({ code, severity, line }) =>
  `${code}${severity === "error" ? "!" : ""}:${line}`).join(" ");

test("each script of the corpus is in the table, and the table has no other", () => {
  const found = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".js"));
  assert.deepEqual(SCRIPTS.map(([file]) => file).sort(), found.sort());
  assert.ok(found.length >= 60);
});

test("scripts of other hosts run as they are", { concurrency: 4 }, async (t) => {
  const flows = await Workflows.open(t);
  mkdirSync(path.join(flows.root, "shapes"));
  flows.write("shapes/nested-child.js", sourceOf("shapes/nested-child.js"));
  await Promise.all(SCRIPTS.map((row) => t.test(row[0], async () => {
    const [file, agents, census, warnings, result, { args, fails, log } = {}] = row;
    const body = { script: sourceOf(file), title: path.basename(file), root: flows.root, args };
    const plan = await flows.ask("POST", "/scripts/plan", body);
    assert.equal(plan.status, 200, plan.text);
    if (agents === null) {
      assert.match(plan.json.error, fails);
      assert.match((await flows.launch(body)).error, fails);
      return;
    }
    const { rehearsal, notes } = plan.json;
    assert.equal(rehearsal.ended, fails ? "failed" : "finished", rehearsal.fault);
    assert.equal(warningsOf(notes), warnings);
    assert.deepEqual([rehearsal.agents, censusOf(rehearsal.steps)], [agents, census]);
    if (result === undefined) return;
    const { end, events } = await flows.run(body);
    assert.deepEqual(end.result, result);
    if (log) assert.deepEqual(logs(events), log);
    if (fails) {
      const { name, message, line } = end.error;
      assert.match(`${name}: ${message}, line ${line}`, fails);
    } else {
      assert.equal(end.error, null);
    }
  })));
});
