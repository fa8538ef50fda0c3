// run-export.test.mjs: a run as one document: its script, args, events, agents and steps.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Workflows } from "./workflows.mjs";

const INNER = `export const meta = { name: "inner", description: "Inside." };
return await agent("say: inside", { label: "inner" });`;
const SCRIPT = `export const meta = { name: "outer", description: "Outside." };
await workflow("inner");
await parallel(Array.from({ length: args.n }, (_, i) => () =>
  agent(\`say: \${i}\`, { label: \`a\${i}\`, tools: [] })));
return args.n;`;

const rowsOf = async (flows, target) => {
  const rows = [];
  for (let after = "", page; after !== null; after = page.next) {
    const more = `${target.includes("?") ? "&" : "?"}limit=200${after ? `&after=${after}` : ""}`;
    page = await flows.get(`${target}${more}`);
    rows.push(...page.items);
  }
  return rows;
};

test("an export has all rows of a run, in the words of their lists", async (t) => {
  const flows = await Workflows.open(t);
  const inner = flows.write(".drover/workflows/inner.js", INNER);
  const { run, events } = await flows.run({ script: SCRIPT, args: { n: 150 }, title: "outer.js" });
  const answer = await flows.ask("GET", `/runs/${run}/export`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers["content-disposition"], new RegExp(`filename="${run}.json"`));
  const { drover, ...document } = JSON.parse(answer.text);
  assert.match(drover, /^\d+\.\d+/);
  assert.deepEqual(document.run, await flows.get(`/runs/${run}`));
  assert.deepEqual(document.script, { file: "outer.js", source: SCRIPT });
  assert.deepEqual(document.args, { n: 150 });
  assert.deepEqual(document.scripts.map(({ file, source }) => [file, source]), [[inner, INNER]]);
  assert.deepEqual(document.events, events);
  assert.deepEqual(document.agents, await rowsOf(flows, `/runs/${run}/agents?whole=1`));
  assert.deepEqual(document.spans, await rowsOf(flows, `/runs/${run}/spans?below=1`));
  assert.deepEqual([document.agents.length, document.agents[0].result], [151, "inside"]);

  const cli = (...words) => flows.daemon.cli(["export", ...words]);
  assert.equal((await cli(run)).stdout, answer.text);
  const file = path.join(flows.folder, "run.json");
  const written = await cli("last", file);
  assert.equal(written.code, 0, written.stderr);
  assert.equal(readFileSync(file, "utf8"), answer.text);
  const again = await cli("last", file);
  assert.deepEqual([again.code, /is there already/.test(again.stderr)], [5, true]);
});

test("pages end by their bytes, too, and no agent is left out between them", async (t) => {
  const flows = await Workflows.open(t);
  const script = "export const meta = { name: 'long', description: 'Long results.' };\n" +
    "await parallel(Array.from({ length: 20 }, (_, i) => () => agent('say: ' + i + " +
    "'x'.repeat(60000))));";
  const { run } = await flows.run({ script });
  const { agents } = await flows.get(`/runs/${run}/export`);
  assert.deepEqual(agents.map(({ result }) => result.length > 60_000), Array(20).fill(true));
});

test("a job is exported without a script, and no run of another owner", async (t) => {
  const flows = await Workflows.open(t);
  const { id } = (await flows.ask("POST", "/jobs",
    { argv: ["true"], cwd: flows.root, env: { TOKEN: "s3cret" } })).json;
  await flows.daemon.cli(["job", "wait", id]);
  const { run, script, args, scripts, agents, spans } = await flows.get(`/runs/${id}/export`);
  assert.deepEqual([run.spec.argv, run.spec.env], [["true"], { TOKEN: null }]);
  assert.deepEqual([script, args, scripts, agents], [null, null, [], []]);
  assert.deepEqual(spans.map(({ kind }) => kind), ["job", "process"]);
  const none = await flows.ask("GET", `/runs/run_${"0".repeat(26)}/export`);
  assert.deepEqual([none.status, none.json.code], [404, "not_found"]);
  const other = await flows.token("other", "read");
  assert.equal((await flows.ask("GET", `/runs/${id}/export`, undefined, other)).status, 404);
});

test("a page holds the same document, and no text of it ends the element around it", async (t) => {
  const flows = await Workflows.open(t);
  const { run } = await flows.run({ script: SCRIPT.replace("say: ", "say: </script><b>"),
    args: { n: 2 } });
  const { text: json } = await flows.ask("GET", `/runs/${run}/export`);
  const answer = await flows.ask("GET", `/runs/${run}/export?format=html`);
  assert.equal(answer.headers["content-type"], "text/html; charset=utf-8");
  assert.match(answer.headers["content-disposition"], new RegExp(`filename="${run}.html"`));
  const [, held] = /<script type="application\/json" id="run">([^<]*)<\/script>/.exec(answer.text);
  assert.match(json, /<\/script>/);
  assert.deepEqual(JSON.parse(held), JSON.parse(json));
  const file = path.join(flows.folder, "run.html");
  assert.equal((await flows.daemon.cli(["export", "--html", run, file])).code, 0);
  assert.equal(readFileSync(file, "utf8"), answer.text);
  const none = await flows.ask("GET", `/runs/${run}/export?format=pdf`);
  assert.deepEqual([none.status, none.json.code], [400, "bad_query"]);
});
