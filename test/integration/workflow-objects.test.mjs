// workflow-objects.test.mjs: scripts that expect results as objects {ok, output, error, …}: those
// below .boocode/workflows, and those whose meta says so. Each ends as its author expects.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { ByWord } from "./by-word.mjs";
import { logs, whole } from "./workflows.mjs";

const folder = fileURLToPath(new URL("objects", import.meta.url));
const sourceOf = (name) => readFileSync(path.join(folder, `${name}.js`), "utf8");

let flows;
let model;
const byWord = new ByWord();
before(async () => {
  ({ flows, model } = await byWord.open());
  for (const file of readdirSync(folder)) {
    flows.write(`.boocode/workflows/${file}`, readFileSync(path.join(folder, file), "utf8"));
  }
  flows.write(".drover/workflows/plain.js", `export const meta = {name: "plain", description: "d"};
return await agent(args.word + " plain")`);
});
after(() => byWord.close());

const REFUSED = { status: 400 };
const run = (name, args, more = {}) => flows.run({ name, args, model, concurrency: 16, ...more });
const resultOf = async (...of) => {
  const { end } = await run(...of);
  assert.equal(end.error, null);
  return end.result;
};
const USED = { prompt: 1, completion: 1 };

describe("results that are objects", { concurrency: 8 }, () => {
  it("parallel() gives an object for each agent, also for one that failed", async () => {
    const word = byWord.word((prompt) => (prompt.endsWith("speed") ? REFUSED : undefined));
    const result = await resultOf("fan-out", { word, topics: ["safety", "speed", "style"] });
    assert.deepEqual(result.texts, [`heard ${word} review safety`, `heard ${word} review style`]);
    assert.equal(result.completion, 2);
    assert.equal(result.lost.length, 1);
    assert.match(result.lost[0], /the test says so/);
  });

  it("the stages of a pipeline() get them", async () => {
    const word = byWord.word((prompt) => (prompt.endsWith("draft b") ? REFUSED : undefined));
    const [a, b, c] = await resultOf("stages", { word, files: ["a", "b", "c"] });
    const text = `heard ${word} check 0 heard ${word} draft a`;
    assert.deepEqual(a, { file: "a", ok: true, text });
    assert.deepEqual([b.file, b.ok], ["b", false]);
    assert.match(b.text, /the test says so/);
    assert.equal(c.text, `heard ${word} check 2 heard ${word} draft c`);
  });

  it("no failure throws: of a provider, a type, a size, an ability, a total", async () => {
    const word = byWord.word((prompt) =>
      (prompt.endsWith("refused") ? REFUSED : { text: "well", tokens: 50 }));
    const result = await resultOf("failures", { word }, { total: 50 });
    const { paid, ...failed } = result;
    const token_usage = { prompt: 1, completion: 50 };
    assert.deepEqual(paid, { ok: true, output: "well", token_usage });
    for (const one of Object.values(failed)) assert.deepEqual([one.ok, one.output], [false, ""]);
    assert.match(failed.refused.error, /the test says so/);
    assert.match(failed.unknown.error, /nobody-of-that-name/);
    assert.equal(failed.long.error, "agent(): the prompt is over 1 MB");
    assert.match(failed.incapable.error, /capabilities/);
    assert.equal(failed.broke.error, "budget exhausted: 50 of 50 tokens are spent");
  });

  it("wrong arguments throw all the same", async () => {
    const errors = await resultOf("misuse");
    assert.equal(errors[0], "TypeError: agent(): the prompt must be a string, not number");
    assert.match(errors[1], /^TypeError: agent\(\): opts.effort/);
    assert.match(errors[2], /^TypeError: workflow\(\): the first argument/);
    assert.match(errors[3], /^TypeError: parallel\(\): thunk 0 is not a function/);
  });

  it("with a schema the output is the object, and one that is missed is a failure", async () => {
    const word = byWord.word((prompt) =>
      ({ text: prompt.endsWith("misses") ? "no number" : '{"count": 21}' }));
    const { doubled, fits, misses } = await resultOf("schema", { word });
    assert.equal(doubled, 42);
    assert.deepEqual(fits, { ok: true, output: { count: 21 }, token_usage: USED });
    assert.deepEqual(misses.slice(0, 2), [false, ""]);
    assert.match(misses[2], /5 answers missed the schema/);
  });

  it("workflow() gives them, and each script gets what its own place says", async () => {
    const word = byWord.word();
    const result = await resultOf("nested", { word });
    assert.deepEqual(result, {
      good: { ok: true, output: `heard ${word} inner` },
      bad: { ok: false, output: "", error: "the inner one gives up" },
      deep: {
        ok: true, output: "workflow() is one level deep: a nested workflow cannot start another",
      },
      missing: { ok: false, output: "", error: result.missing.error },
      value: { ok: true, output: `heard ${word} plain` },
    });
    assert.match(result.missing.error, /no-such-workflow/);
  });

  it("a loop tries again until a result is ok", async () => {
    const word = byWord.word((prompt) => (/attempt [12]$/.test(prompt) ? REFUSED : undefined));
    const { end, events } = await run("retry", { word });
    assert.deepEqual(end.result, { attempt: 3, text: `heard ${word} attempt 3` });
    assert.deepEqual(logs(events).map((line) => line.slice(0, 10)), ["attempt 1:", "attempt 2:"]);
  });

  it("results of the run that is resumed are cached, and say so", async () => {
    const word = byWord.word();
    const first = await run("cached", { word, names: ["a", "b"] });
    const again = { resumeFromRunId: first.run };
    const result = await resultOf("cached", { word, names: ["a", "new", "b"] }, again);
    assert.deepEqual(result, [
      [true, `heard ${word} a`, true],
      [true, `heard ${word} new`, false],
      [true, `heard ${word} b`, true],
    ]);
  });

  it("elsewhere a run begins with a warning, and so does check", async () => {
    const word = byWord.word();
    const body = `const r = await agent("${word} a");\nconst { error } = await agent("${word} b");
return r.ok ? r.output : error ?? "the path of failures";`;
    const { end, events } = await flows.run({ script: whole(body), model });
    assert.equal(end.result, "the path of failures");
    const types = events.map(({ type }) => type);
    assert.ok(types.indexOf("log") < types.indexOf("agent_started"));
    assert.deepEqual(logs(events), [
      'warning: line 4: agent() resolves to the answer itself, a text, or null: it ' +
      'has no member "ok", and this is undefined; meta.results: "object" gives ' +
      '{ok, output, error} (and 1 more: drover workflow check)',
    ]);
    const check = (file) => flows.daemon.cli(["workflow", "check", file]);
    const found = await check(flows.write("elsewhere.js", whole(body)));
    assert.match(found.stdout, /elsewhere.js:4:10: .*meta.results: "object"/);
    const placed = await check(path.join(flows.root, ".boocode/workflows/retry.js"));
    assert.equal(placed.stdout.includes("result"), false, placed.stdout);
    const ran = await flows.daemon.cli(["run", "--model", model, "--root", flows.root, "--json",
      path.join(flows.root, ".boocode/workflows/retry.js"), "--arg", `word=${word}`]);
    assert.match(ran.stdout, new RegExp(`"attempt":1,"text":"heard ${word} attempt 1"`));
  });

  it("meta.results decides before the place", async () => {
    const word = byWord.word();
    const meta = (results) =>
      `export const meta = {name: "m", description: "d", results: "${results}"};`;
    const body = `return await agent("${word} it");`;
    const anywhere = await flows.run({ script: meta("object") + body, model });
    const output = `heard ${word} it`;
    assert.deepEqual(anywhere.end.result, { ok: true, output, token_usage: USED });
    flows.write(".boocode/workflows/as-value.js",
      `export const meta = {name: "as-value", description: "d", results: "value"};\n${body}`);
    assert.equal(await resultOf("as-value"), `heard ${word} it`);
    assert.equal((await flows.run({ script: whole(body), model })).end.result, `heard ${word} it`);
    const wrong = await flows.launch({ script: meta("list") + body, model });
    assert.match(wrong.error, /meta.results must be "object" or "value"/);
  });
});

it("a run that is killed in the middle goes on with equal objects", async () => {
  const rest = (prompt) => prompt.slice(prompt.indexOf(" "));
  const say = (prompt) => (/left [13]/.test(prompt) ? REFUSED
    : { text: `heard ${rest(prompt).length}`, tokens: rest(prompt).length });
  const calm = await resultOf("long-way", { word: byWord.word(say) });
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const word = byWord.word((prompt) =>
    (prompt.includes("right 2") ? gate.then(() => say(prompt)) : say(prompt)));
  const id = await flows.start({ name: "long-way", args: { word }, model });
  await byWord.provider.untilAsked(new RegExp(`^${word} right 2`), 1);
  await flows.daemon.kill();
  open();
  await flows.daemon.start();
  const { end } = await flows.outcome(id);
  assert.deepEqual(end.result, calm);
  assert.equal(calm[1][0].ok, false);
  assert.equal(calm[3][1].token_usage.completion > 50, true);
  assert.equal(byWord.asked(word).filter((prompt) => prompt.includes("left 0")).length, 1);
});
