// flow-limits.test.mjs: what bounds a flow: its time, signs of life of its steps, slots, its file.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import {
  existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { asked, ended, flowOf, started, stepOf, written } from "./flow-kit.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(120_000) };

const flow = (name, steps, more = "") =>
  `export default { name: "${name}", description: "", steps: [${steps}], ${more} };\n`;

const eventsOf = async (turns, run) => (await turns.get(`/streams/run:${run}/events`)).events;
const lastOf = async (turns, run) => (await eventsOf(turns, run)).at(-1).data;

const nothingRuns = (turns) => until("nothing runs", async () =>
  (await turns.get("/runs?live=1")).items.length === 0);

test("the time of a run ends it as timed out, with a report of what there is", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "late", flow("late", `
    { id: "fast", kind: "code", run: () => "done" },
    { id: "slow", kind: "command", command: "sleep 600" },
    { id: "person", kind: "approval", prompt: "Go on?" },
    { id: "after", kind: "code", deps: ["slow"], run: () => "" }`,
  `render: (ctx) => "fast was " + ctx.results.fast`));
  const run = await started(turns, "late", "x", { timeout_ms: 1500 });
  const over = await ended(turns, run);
  assert.deepEqual(over.steps.map(({ status }) => status),
    ["completed", "cancelled", "cancelled", "cancelled"]);
  assert.deepEqual([over.state, over.failed_step, over.report, over.timeout_ms],
    ["timed_out", null, "fast was done", 1500]);
  const row = await turns.get(`/runs/${run}`);
  assert.deepEqual([row.state, row.cause], ["timed_out", "deadline"]);
  const last = await lastOf(turns, run);
  assert.deepEqual([last.run_status, last.report], ["timed_out", "fast was done"]);
  await nothingRuns(turns);
  assert.equal((await turns.get("/approvals")).items.length, 0);
});

test("the time of a run passes while no daemon runs; one that ends in time keeps its end", LIMIT,
  async (t) => {
    const turns = await Turns.open(t);
    written(turns, "waits", flow("waits", '{ id: "person", kind: "approval", prompt: "Go on?" }',
      'render: (ctx) => "the end"'));
    const late = await started(turns, "waits", "x", { timeout_ms: 2000 });
    const early = await started(turns, "waits", "x", { timeout_ms: 600_000 });
    const question = await asked(turns, early);
    await turns.daemon.kill();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await turns.daemon.start();
    assert.equal((await ended(turns, late)).state, "timed_out");
    await turns.ask("POST", `/approvals/${question.id}`, { decision: "allow" });
    assert.equal((await ended(turns, early)).state, "succeeded");
  });

// --- The file of its report ----------------------------------------------------------------------

const reports = (name, output) => flow(name, '{ id: "a", kind: "code", run: (ctx) => ctx.input.n }',
  `render: (ctx) => "# Report " + ctx.results.a + "\\n", output: ${output}`);

test("the report becomes the file that output names, below the root", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const file = path.join(turns.root, "out/new/REPORT-1.md");
  written(turns, "named",
    reports("named", '(ctx) => "./out//new/REPORT-" + ctx.results.a + ".md"'));
  for (const round of [1, 2]) { // The second one replaces it.
    const over = await ended(turns, await started(turns, "named", { n: 1 }));
    assert.deepEqual([over.state, over.artifact],
      ["succeeded", { path: "out/new/REPORT-1.md", error: null }], `round ${round}`);
    assert.deepEqual((await lastOf(turns, over.id)).artifact, over.artifact);
    assert.equal(readFileSync(file, "utf8"), "# Report 1\n");
    if (round === 1) writeFileSync(file, "# Of somebody else\n");
  }
  assert.deepEqual(readdirSync(path.dirname(file)), ["REPORT-1.md"]);
  written(turns, "none", reports("none", "() => null"));
  assert.equal((await ended(turns, await started(turns, "none", { n: 1 }))).artifact, null);
});

test("a report of a failure replaces no file", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  writeFileSync(path.join(turns.root, "R.md"), "whole\n");
  written(turns, "fails", flow("fails", '{ id: "a", kind: "command", command: "exit 1" }',
    'render: () => "in part", output: () => "R.md"'));
  const over = await ended(turns, await started(turns, "fails", "x"));
  assert.deepEqual([over.state, over.report, over.artifact], ["failed", "in part", null]);
  assert.equal(readFileSync(path.join(turns.root, "R.md"), "utf8"), "whole\n");
});

test("a name that is refused is said, and the run succeeds", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  const outside = path.join(turns.folder, "outside");
  mkdirSync(outside);
  mkdirSync(path.join(turns.root, ".git/hooks"), { recursive: true });
  symlinkSync(outside, path.join(turns.root, "out"));
  symlinkSync(".git/hooks", path.join(turns.root, "hooks"));
  const project = await turns.ask("POST", "/projects", { name: "web", root: turns.root,
    settings: { permissions: [
      { tool: "write_file", subject: "secret/**", permission: "deny" }] } });
  assert.equal(project.status, 201, project.text);
  const refused = {
    up: ['"../up.md"', "../up.md", /leads out of the folder/],
    absolute: [JSON.stringify(path.join(outside, "a.md")), path.join(outside, "a.md"), /root/],
    link: ['"out/a.md"', "out/a.md", /./],
    hooks: ['".git/hooks/pre-commit"', ".git/hooks/pre-commit", /protected/],
    around: ['"hooks/pre-commit"', "hooks/pre-commit", /protected/],
    rule: ['"secret/a.md"', "secret/a.md", /rule/],
    folder: ['".git"', ".git", /./],
    number: ["5", "", /must return the name of a file/],
    throws: ["ctx.none.member", "", /TypeError/],
  };
  for (const [name, [value, said, why]] of Object.entries(refused)) {
    written(turns, name, reports(name, `(ctx) => ${value}`));
    const over = await ended(turns, await started(turns, name, { n: 1 }, { project: "web" }));
    assert.deepEqual([over.state, over.report, over.artifact?.path],
      ["succeeded", "# Report 1\n", said], name);
    assert.match(over.artifact.error, why, name);
    assert.deepEqual((await lastOf(turns, over.id)).artifact, over.artifact);
  }
  assert.deepEqual(readdirSync(outside), []);
  assert.deepEqual(readdirSync(path.join(turns.root, ".git/hooks")), []);
  assert.equal(existsSync(path.join(turns.folder, "up.md")), false);
});

// --- Signs of life -------------------------------------------------------------------------------

const open = (t, ...args) => Turns.open(t, { args: ["--insecure-loopback", ...args] });

test("a step lives as long as something below it moves, and times out after that", LIMIT,
  async (t) => {
    const turns = await open(t, "--flow-step-timeout", "4");
    const inner = path.join(turns.root, ".drover/flows/inner.js");
    written(turns, "inner", flow("inner", `
      { id: "one", kind: "command", command: "sleep 1.5" },
      { id: "two", kind: "command", command: "sleep 1.5", deps: ["one"] },
      { id: "three", kind: "command", command: "sleep 1.5", deps: ["two"] }`,
    'render: () => "in"'));
    written(turns, "outer", flow("outer", '{ id: "deep", kind: "flow", flow: "inner" }',
      "render: (ctx) => ctx.results.deep"));
    written(turns, "talks", flow("talks", `{ id: "a", kind: "command",
      command: "for i in 1 2 3 4 5 6; do echo $i; sleep 1; done" }`,
    "render: (ctx) => ctx.results.a"));
    written(turns, "still", flow("still",
      '{ id: "a", kind: "command", command: "echo 1; sleep 600" }',
      'render: () => ""'));
    assert.ok(existsSync(inner));
    const runs = await Promise.all(["outer", "talks", "still"].map((name) =>
      started(turns, name, "x")));
    const [outer, talks, still] = await Promise.all(runs.map((run) => ended(turns, run)));
    assert.deepEqual([outer.state, outer.report], ["succeeded", "in"], JSON.stringify(outer.steps));
    assert.deepEqual([talks.state, talks.report], ["succeeded", "1\n2\n3\n4\n5\n6"]);
    assert.deepEqual([still.state, stepOf(still, "a").status], ["failed", "timed_out"]);
    await nothingRuns(turns);
  });

test("a step waits for a place and says so; one that asks a person gives its place back", LIMIT,
  async (t) => {
    const turns = await open(t, "--flow-steps", "1");
    written(turns, "asks", flow("asks", '{ id: "person", kind: "approval", prompt: "Go on?" }',
      'render: () => "yes"'));
    written(turns, "outer", flow("outer", `
      { id: "deep", kind: "flow", flow: "asks" },
      { id: "next", kind: "command", command: "while ! test -e go; do sleep 0.1; done" },
      { id: "last", kind: "command", command: "true" }`,
    'render: () => "done"'));
    const outer = await started(turns, "outer", "x");
    await until("the second step has the place of the first", async () =>
      stepOf(await flowOf(turns, outer), "next").status === "running");
    const last = stepOf(await flowOf(turns, outer), "last");
    assert.deepEqual([last.status, last.note],
      ["blocked", "1 steps of a flow run at once (--flow-steps of the daemon)"]);
    writeFileSync(path.join(turns.root, "go"), "");
    const { items: [question] } = await turns.get("/approvals");
    await turns.ask("POST", `/approvals/${question.id}`, { decision: "allow" });
    assert.equal((await ended(turns, outer)).state, "succeeded");
  });

test("time in which something below waits for a person or a slot is no time of the step", LIMIT,
  async (t) => {
    const turns = await open(t, "--flow-step-timeout", "3", "--max-jobs", "1");
    written(turns, "asks", flow("asks", '{ id: "person", kind: "approval", prompt: "Go on?" }',
      'render: () => "yes"'));
    written(turns, "outer", flow("outer", '{ id: "deep", kind: "flow", flow: "asks" }',
      "render: (ctx) => ctx.results.deep"));
    written(turns, "queued", flow("queued", '{ id: "a", kind: "command", command: "echo ran" }',
      "render: (ctx) => ctx.results.a"));
    const job = await turns.ask("POST", "/jobs", { shell: "sleep 4" });
    assert.equal(job.status, 201, job.text);
    const queued = await started(turns, "queued", "x");
    const outer = await started(turns, "outer", "x");
    await turns.jobEnd(job.json.id);
    assert.equal((await ended(turns, queued)).report, "ran");
    const { items: [question] } = await turns.get("/approvals");
    await turns.ask("POST", `/approvals/${question.id}`, { decision: "allow" });
    assert.deepEqual([(await ended(turns, outer)).report], ["yes"]);
  });

// --- Slots and workers ---------------------------------------------------------------------------

test("flows above the limit wait in line; a flow below a flow needs no slot of its own", LIMIT,
  async (t) => {
    const turns = await open(t, "--workflow-max-runs", "1");
    const held = path.join(turns.root, "go");
    written(turns, "inner", flow("inner", `{ id: "a", kind: "command",
      command: "until test -e ${held}; do sleep 0.05; done; echo in" }`,
    "render: (ctx) => ctx.results.a"));
    written(turns, "outer", flow("outer", '{ id: "deep", kind: "flow", flow: "inner" }',
      "render: (ctx) => ctx.results.deep"));
    const runs = [];
    for (let i = 0; i < 3; i++) runs.push(await started(turns, "outer", "x"));
    await until("the command of the first runs", async () =>
      (await turns.get("/runs?kind=job")).items[0]?.state === "running");
    const states = async () => Promise.all(runs.map(async (run) => {
      const { state, gate } = await turns.get(`/runs/${run}`);
      return gate ? `${state} ${gate}` : state;
    }));
    assert.deepEqual(await states(), ["running", "queued slot", "queued slot"]);
    await turns.daemon.kill();
    await turns.daemon.start();
    await until("it goes on", async () => (await states())[0] === "running");
    assert.deepEqual((await states()).slice(1), ["queued slot", "queued slot"]);
    writeFileSync(held, "");
    for (const run of runs) assert.equal((await ended(turns, run)).report, "in");
  });

test("a flow that is a step of itself fails at its depth", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "self", flow("self", '{ id: "again", kind: "flow", flow: "self" }',
    'render: () => ""'));
  const over = await ended(turns, await started(turns, "self", "x"));
  assert.equal(over.state, "failed");
  const { items } = await turns.get("/runs?kind=flow&limit=100");
  assert.equal(items.length, 10);
  assert.match((await turns.get(`/runs/${items[0].id}`)).note, /nested deeper than 10/);
});

test("a worker that only waits for agents is evicted, and nobody can tell", LIMIT, async (t) => {
  const turns = await open(t, "--workers-max", "1");
  const workers = async () => {
    const { text } = await turns.daemon.request("GET", "/metrics");
    return Number(/^drover_script_workers (\d+)$/m.exec(text)[1]);
  };
  written(turns, "team", flow("team", `{ id: "a", kind: "code", run: async (ctx) => {
      const said = await Promise.all(["left", "right"].map((word, i) =>
        ctx.dispatch("Explore", "delay: " + (i + 1) + "s\\nsay: " + word)));
      return said.join(" ") + " of " + await ctx.dispatch("Explore", "say: " + ctx.input.n);
    } }`, "render: (ctx) => ctx.results.a"));
  const runs = [];
  for (let n = 0; n < 4; n++) {
    const run = await started(turns, "team", { n });
    await until("its agents run", async () =>
      (await turns.get(`/runs?parent=${run}`)).items.length === 2);
    runs.push(run);
  }
  await until("one worker is left", async () => (await workers()) <= 1);
  for (const [n, run] of runs.entries()) {
    assert.equal((await ended(turns, run)).report, `left right of ${n}`);
    assert.equal((await turns.get(`/runs?parent=${run}`)).items.length, 3);
  }
});
