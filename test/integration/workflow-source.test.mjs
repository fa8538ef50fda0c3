// workflow-source.test.mjs: the scripts that a run has, whatever became of their files.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import { Workflows } from "./workflows.mjs";

const INNER = `export const meta = { name: "inner", description: "Inside." };
return args.n;`;
const OUTER = `export const meta = { name: "outer", description: "Outside." };
const seen = [await workflow("inner", { n: 1 }), await workflow("inner", { n: 2 })];
try { await workflow("nowhere"); } catch (error) { seen.push("none"); }
return seen;`;

test("a run shows the scripts that it has, also when their files are gone", async (t) => {
  const flows = await Workflows.open(t);
  const inner = flows.write(".drover/workflows/inner.js", INNER);
  const outer = flows.write(".drover/workflows/outer.js", OUTER);
  const { run, end } = await flows.run({ name: "outer" });
  assert.deepEqual(end.result, [1, 2, "none"]);
  writeFileSync(outer, `${OUTER}\n// Edited.`);
  rmSync(inner);
  const script = await flows.get(`/runs/${run}/script`);
  const [{ hash }] = script.scripts;
  assert.deepEqual(script.scripts, [{ name: "inner", file: inner, hash }], "each once");
  assert.deepEqual([script.name, script.file, script.form, script.source],
    ["outer", outer, "body", OUTER]);
  for (const wanted of [inner, "inner", hash]) {
    const within = await flows.get(`/runs/${run}/script?file=${encodeURIComponent(wanted)}`);
    assert.deepEqual([within.name, within.file, within.hash, within.form, within.source],
      ["inner", inner, hash, "body", INNER]);
  }
  const own = await flows.get(`/runs/${run}/script?file=${encodeURIComponent(outer)}`);
  assert.deepEqual(own, script);

  const cli = async (...words) => flows.daemon.cli(["workflow", "source", ...words]);
  assert.equal((await cli(run)).stdout, OUTER);
  assert.equal((await cli("last", "--file", "inner")).stdout, INNER);
  assert.deepEqual(JSON.parse((await cli(run, "--json")).stdout), script);
  const lost = await cli(run, "--file", "nowhere");
  assert.equal(lost.code, 3);
  assert.match(lost.stderr, /workflow\(\) of this run resolved no script 'nowhere'/);
});

test("what has no script is not found, in words", async (t) => {
  const flows = await Workflows.open(t);
  const job = (await flows.ask("POST", "/jobs", { argv: ["true"], cwd: flows.root })).json.id;
  const refused = async (target) => {
    const { status, json } = await flows.ask("GET", target);
    return [status, json.code, json.detail];
  };
  assert.deepEqual(await refused(`/runs/${job}/script`), [404, "not_found",
    "only workflows have a script, and this run is of kind job"]);
  assert.deepEqual((await refused("/runs/run_00000000000000000000000000/script")).slice(0, 2),
    [404, "not_found"]);
});
