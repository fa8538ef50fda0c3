// flow-cli.test.mjs: flows from a shell: run, attach, show, plan, check, stop.
//
// runs-with: release, postgres/4
import assert from "node:assert/strict";
import { test } from "node:test";

import { written } from "./flow-kit.mjs";
import { begin } from "./jobs-cli.mjs";
import { Workflows } from "./workflows.mjs";

const ASKS = `export default {
  name: "asks", description: "Asks once.",
  steps: [
    { id: "first", kind: "code", run: (ctx) => "first " + ctx.input.question },
    { id: "not", kind: "code", when: () => false, run: () => "x" },
    { id: "ok", kind: "approval", prompt: "Well?", deps: ["first"] },
  ],
  render: (ctx) => "# Report\\n\\n" + ctx.results.first,
};
`;

const scene = async (t) => {
  const flows = await Workflows.open(t, { guarded: true });
  const drover = (...words) => begin(t, flows.daemon, words, { cwd: flows.root });
  written(flows, "asks", ASKS);
  return { flows, drover };
};
const linesOf = (text) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
const last = async (drover, kind) =>
  linesOf((await drover("ps", "--all", "--kind", kind, "--json").ended).stdout)[0];

test("run tells each change of a step and prints the report; Ctrl-C leaves, attach returns",
  async (t) => {
    const { flows, drover } = await scene(t);
    const run = drover("flow", "run", "asks", "of", "two");
    await run.seen("drover approve apr_");
    run.child.kill("SIGINT");
    const left = await run.ended;
    assert.equal(left.code, 130, left.stderr);
    assert.match(left.stderr, /detached; run_\w+ goes on\. 'drover attach run_\w+' follows it/);
    const { id } = await last(drover, "flow");
    const shown = await drover("show", id).ended;
    assert.match(shown.stdout, /^ {2}first {2}code {2}completed/m);
    assert.match(shown.stdout, /^ {2}not {2}code {2}excluded \(when\)/m);
    assert.match(shown.stdout, /^ {2}ok {2}approval {2}blocked/m);
    assert.match(shown.stdout, /^asks +Well\?/m);
    const attached = drover("attach", id);
    await attached.seen("asks: Well");
    const answered = await drover("approve", "last").ended;
    assert.equal(answered.code, 0, answered.stderr);
    const end = await attached.ended;
    assert.equal(end.code, 0, end.stderr);
    assert.equal(end.stdout, "# Report\n\nfirst of two\n");
    assert.deepEqual(end.stderr.split("\n").filter((line) => !line.startsWith("asks:")), [
      "first  running", "first  completed", "ok  blocked", "ok  completed", ""]);
    assert.equal((await flows.get(`/runs/${id}`)).state, "succeeded");
  });

test("a failure names its step; --json has each event and the end", async (t) => {
  const { flows, drover } = await scene(t);
  const file = flows.write("bad.js", `export default { steps: [
    { id: "bad", kind: "command", command: "echo why it failed; exit 3" }],
    render: () => "none" };`);
  const failed = await drover("flow", "run", file).ended;
  assert.equal(failed.code, 1);
  assert.equal(failed.stdout, "none\n");
  const words = /^bad {2}failed \(child_failed\): exit_code 3; '(drover logs run_\w+)' has what/m;
  const [, command] = words.exec(failed.stderr) ?? assert.fail(failed.stderr);
  assert.match((await drover(...command.split(" ").slice(1)).ended).stdout, /^why it failed$/m);
  assert.match(failed.stderr,
    /^drover: run_\w+ failed: A step of it failed. step 'bad' failed: exit_code 3; 'drover/m);
  const lines = linesOf((await drover("flow", "run", file, "--json").ended).stdout);
  assert.equal(lines[0].event, "flow_run_started");
  const { run, ...end } = lines.at(-1);
  assert.match(run, /^run_/);
  assert.match(end.note, /^step 'bad' /);
  assert.deepEqual({ ...end, note: "" },
    { event: "flow_finished", state: "failed", cause: "step_failed", note: "", report: "none",
      artifact: null });
  const detached = await drover("flow", "run", "asks", "--detach", "--json").ended;
  const { id } = JSON.parse(detached.stdout);
  assert.equal((await drover("stop", id).ended).code, 0);
  const stopped = await drover("attach", id).ended;
  assert.equal(stopped.code, 125, stopped.stderr);
});


test("show has each step with its run, the question of its agent, and a report of any length",
  async (t) => {
    const { flows, drover } = await scene(t);
    written(flows, "long", `export default { steps: [
      { id: "one", kind: "command", command: "echo 1" },
      { id: "two", kind: "agent", deps: ["one"], agent: "general-purpose",
        run: () => 'call: run_command {"command": "true"}\\nsay: two' }],
      output: () => "long.md", render: () => "r".repeat(500000) };\n`);
    const run = drover("flow", "run", "long");
    await run.seen("drover approve apr_");
    const { id } = await last(drover, "flow");
    const shown = await drover("show", id).ended;
    assert.match(shown.stdout, /^ {2}one {2}command {2}completed {2}run_\w+$/m);
    assert.match(shown.stdout, /^ {2}two {2}agent {2}blocked, began .* run_\w+$/m);
    assert.equal((await drover("approve", "last").ended).code, 0);
    const end = await run.ended;
    assert.equal(end.stdout, `${"r".repeat(500000)}\n`);
    assert.match(end.stderr, /^two {2}blocked: drover approve apr_\w+$/m);
    const after = await drover("show", id).ended;
    assert.match(after.stdout, /^artifact: long\.md$/m);
    assert.match(after.stdout, /^report:\nr+ …$/m);
    assert.equal((await drover("flow", "run", "--resume", id).ended).code, 0);
    const again = await drover("show", (await last(drover, "flow")).id).ended;
    assert.match(again.stdout, new RegExp(`^steps, resumed from ${id}:$`, "m"));
    assert.match(again.stdout, new RegExp(`^  two  agent  completed, cached from ${id}$`, "m"));
  });

test("what a flow cannot do is said in a sentence", async (t) => {
  const { drover } = await scene(t);
  const begun = await drover("flow", "run", "asks", "--detach", "--json").ended;
  const { id } = JSON.parse(begun.stdout);
  const paused = await drover("pause", id).ended;
  assert.equal(paused.code, 5);
  assert.match(paused.stderr,
    /only workflows can be paused, and this run is of kind flow; 'drover stop' ends it/);
  const both = await drover("flow", "plan", "asks", "a text", "--input", "{}").ended;
  assert.match(both.stderr, /--input and a text after the flow exclude each other/);
  const absent = await drover("flow", "run", "nobody").ended;
  assert.deepEqual([absent.code, absent.stdout], [3, ""]);
  assert.match(absent.stderr, /there is no flow 'nobody'.*\(flow_not_found\)/);
  const gone = await drover("flow", "check", "./nobody.js").ended;
  assert.match(gone.stderr, /\.\/nobody\.js cannot be read: No such file/);
});
