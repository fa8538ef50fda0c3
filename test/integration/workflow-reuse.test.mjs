// workflow-reuse.test.mjs: a run that reuses results names no other run: it takes the newest
// success of the same call, of the same owner, project, root and model. Each prompt is counted at a
// provider of the test's own.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { ByWord } from "./by-word.mjs";
import { whole } from "./workflows.mjs";

const HOUR_MS = 3_600_000;
let flows;
let model;
const byWord = new ByWord();
before(async () => ({ flows, model } = await byWord.open()));
after(() => byWord.close());

const numbered = () => {
  let times = 0;
  return () => ({ text: `answer ${++times}` });
};
const ask = (word, ...names) => {
  const calls = names.map((name) => `await agent('${word} ${name}', {tools: []})`);
  return whole(`return [${calls.join(", ")}]`);
};
const run = (script, more = {}) => flows.run({ script, model, ...more });
const reuse = (script, more = {}) => run(script, { reuse_ms: HOUR_MS, ...more });
const asked = (word) => byWord.asked(word).length;

describe("a run that reuses results", { concurrency: 8 }, () => {
  it("takes the newest success of each call, and says whose it is", async () => {
    const word = byWord.word(numbered());
    const first = await run(ask(word, "a", "b"));
    const second = await run(ask(word, "a"));
    assert.deepEqual(first.end.result, ["answer 1", "answer 2"]);
    assert.deepEqual(second.end.result, ["answer 3"]);
    const third = await reuse(ask(word, "b", "new", "a"));
    assert.deepEqual(third.end.result, ["answer 2", "answer 4", "answer 3"]);
    assert.deepEqual(third.end.agents, { succeeded: 1, cached: 2, failed: 0, skipped: 0 });
    const rows = await flows.agents(third.run);
    const source = async ({ run }, at) => (await flows.agents(run))[at].id;
    const from = [await source(first, 1), null, await source(second, 0)];
    assert.deepEqual(rows.map((row) => row.cached_from), from);
    assert.deepEqual(rows.map((row) => row.cached), [true, false, true]);
    const ends = third.events.filter(({ type }) => type === "agent_finished");
    assert.deepEqual(ends.map(({ data }) => data.cached_from ?? null), from);
    // What is taken over is no source: it would never age.
    const fourth = await reuse(ask(word, "b"));
    assert.equal((await flows.agents(fourth.run))[0].cached_from, from[0]);
    const shown = await flows.daemon.cli(["show", third.run]);
    assert.ok(shown.stdout.includes(from[0]), shown.stdout);
  });

  it("keeps the answers of equal calls apart", async () => {
    const word = byWord.word(numbered());
    const script = whole(`const judge = () => agent('${word} judge', {tools: []});
return await parallel([judge, judge, judge])`);
    const first = await run(script);
    assert.equal(new Set(first.end.result).size, 3);
    const second = await reuse(script);
    assert.deepEqual([second.end.result, asked(word)], [first.end.result, 3]);
  });

  it("takes none of another owner, project, root, model or prompt, none that failed, none too old",
    async () => {
      const word = byWord.word();
      const script = ask(word, "a");
      const elsewhere = path.join(flows.folder, "elsewhere");
      mkdirSync(elsewhere, { recursive: true });
      const other = model.replace("small", "large");
      await run(script);
      let count = asked(word);
      const asksAgain = async (more) => {
        const { end } = await reuse(script, more);
        assert.equal(end.agents.cached, 0, JSON.stringify(more));
        assert.equal(asked(word), ++count);
      };
      await asksAgain({ root: elsewhere });
      await asksAgain({ project: "other" });
      await asksAgain({ model: other });
      await asksAgain({ reuse_ms: 1 });
      await asksAgain({ reuse_ms: undefined });
      assert.equal((await reuse(script)).end.agents.cached, 1);
      const failing = byWord.word(() => ({ status: 400 }));
      await run(ask(failing, "a"));
      await reuse(ask(failing, "a"));
      assert.equal(asked(failing), 2);
    });

  it("asks agents again that may write or run commands, and not those that read", async () => {
    const word = byWord.word();
    const script = whole(`return [
  await agent('${word} all'),
  await agent('${word} writes', {tools: ['Read', 'Edit']}),
  await agent('${word} runs', {tools: ['Bash']}),
  await agent('${word} reads', {tools: ['Read', 'Grep']}),
]`);
    await run(script);
    const second = await reuse(script);
    const rows = await flows.agents(second.run);
    assert.deepEqual(rows.map(({ cached }) => cached), [false, false, false, true]);
    assert.equal(asked(word), 7);
  });

  it("resumes no other run besides, and takes no age of 0", async () => {
    const word = byWord.word();
    const { run: id } = await run(ask(word, "a"));
    const refusal = async (body) => {
      const script = ask(word, "a");
      const answer = await flows.ask("POST", "/workflows", { script, model, ...body });
      return [answer.status, answer.json.code, answer.json.detail];
    };
    const both = await refusal({ reuse_ms: 1, resumeFromRunId: id });
    assert.deepEqual(both.slice(0, 2), [400, "bad_field"]);
    assert.match(both[2], /give one of the two/);
    assert.deepEqual((await refusal({ reuse_ms: 0 })).slice(0, 2), [400, "bad_field"]);
  });

  it("from a terminal, for half an hour or for as long as is said", async () => {
    const word = byWord.word();
    const file = flows.write("again.js", ask(word, "a"));
    const cli = (...flags) =>
      flows.daemon.cli(["run", file, "--model", model, "--root", flows.root, ...flags]);
    for (const flags of [[], ["--reuse"], ["--reuse=2h"]]) {
      const { code, stdout, stderr } = await cli(...flags);
      assert.deepEqual([code, stdout.includes(`heard ${word} a`)], [0, true], stderr);
    }
    assert.equal(asked(word), 1);
    assert.match((await cli("--reuse=soon")).stderr, /--reuse: 'soon' is not a time/);
  });
});

it("a run that is killed while it reuses results keeps those that it took", async () => {
  const word = byWord.word(numbered());
  const names = Array.from({ length: 6 }, (_, i) => `item${i}`);
  await run(ask(word, ...names));
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const mine = numbered();
  const script = whole(`const first = [];
for (const name of ${JSON.stringify(names)})
  first.push(await agent('${word} ' + name, {tools: []}));
first.push(await agent('${word} waits ' + first.join(), {tools: []}));
return first`);
  const waits = (prompt) => prompt.includes("waits");
  byWord.say(word, (prompt) =>
    (waits(prompt) ? gate.then(() => ({ text: "open" })) : mine()));
  const id = await flows.start({ script, model, reuse_ms: HOUR_MS });
  await byWord.provider.untilAsked(new RegExp(`^${word} waits`), 1);
  await flows.daemon.kill();
  open();
  await flows.daemon.start();
  const { end } = await flows.outcome(id);
  assert.deepEqual(end.result, [...names.map((_, i) => `answer ${i + 1}`), "open"]);
  assert.equal(byWord.asked(word).filter((prompt) => !waits(prompt)).length, names.length);
  assert.equal(end.agents.cached, names.length);
});
