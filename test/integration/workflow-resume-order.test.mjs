// workflow-resume-order.test.mjs: a run that is resumed by another gives its script the results of
// that run in their old order, those of workflow() too. Equal calls are told apart by the order in
// which the script makes them, and that order follows from what it was given before.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";

import { ByWord } from "./by-word.mjs";
import { kill, workersOf } from "./processes.mjs";
import { META, whole } from "./workflows.mjs";

const MANY = 12;

let flows;
let model;
const byWord = new ByWord();
before(async () => ({ flows, model } = await byWord.open()));
after(() => byWord.close());

const backwards = (count) => Array.from({ length: count }, (_, i) => count - 1 - i);

/** A test's own word: all of its prompts begin with it, and its nested workflows are named so. Each
 *  prompt is answered by how often it was asked, so that no two answers to equal prompts are equal;
 *  `patience` may keep an answer back. */
function scene(patience = () => undefined) {
  const word = byWord.word(async (prompt, times) => {
    await patience(prompt, times);
    return { text: `${times + 1}` };
  });
  const run = (body, more = {}) =>
    flows.run({ script: whole(body), model, concurrency: 16, ...more });
  return {
    word,
    run,
    same: `agent('${word} same')`,
    asked: () => byWord.asked(word).length,
    resume: (outcome, body, more = {}) => run(body, { resumeFromRunId: outcome.run, ...more }),
    /** The file of a nested workflow of that name. */
    child: (name, body) =>
      flows.write(
        `.claude/workflows/${word}-${name}.js`,
        `${META.replace("flock", `${word}-${name}`)}\n${body}`,
      ),
  };
}

/** The results of branches: where args is true they run one after the other, in this order; else
 *  side by side, as they stand. */
const branches = (order, ...list) => `
const branches = [${list.map((one) => `async () => { ${one} }`).join(", ")}];
const results = args ? [] : await parallel(branches);
for (const i of args ? ${JSON.stringify(order)} : []) results[i] = await branches[i]();`;
const only = (...branched) => `${branches(...branched)}\nreturn results`;
const apart = { args: true };
const together = { args: false };

/** The body of a branch that asks for a chain of agents before it ends in `last`. */
const chain = (word, last) => `
for (let i = 0; i < ${MANY}; i++) await agent('${word} link ' + i);
return ${last};`;

describe("a resumed run gives workflow() its old place", { concurrency: 4 }, () => {
  it("before an agent that ended later", async () => {
    let told;
    const heard = new Promise((resolve) => (told = resolve));
    const { word, run, resume, same, asked, child } = scene(async (prompt) => {
      if (prompt.endsWith("same")) told();
      if (prompt.endsWith("first")) await heard; // What waits for the workflow asks before it ends.
    });
    child("c", "return 'c'");
    const body = `return await parallel([
  async () => [await workflow('${word}-c'), await ${same}],
  async () => { await agent('${word} first'); return await ${same}; },
])`;
    const first = await run(body);
    assert.deepEqual(first.end.result, [["c", "1"], "2"]);
    const second = await resume(first, body);
    assert.deepEqual([second.end.result, asked()], [first.end.result, 3]);
  });

  it("behind agents that ended earlier", async () => {
    const { word, run, resume, same, asked, child } = scene();
    child("c", "return 'c'");
    const body = only(
      [1, 0],
      `return [await workflow('${word}-c'), await ${same}]`,
      chain(word, `await ${same}`),
    );
    const first = await run(body, apart);
    assert.deepEqual(first.end.result, [["c", "2"], "1"]);
    const second = await resume(first, body, together);
    assert.deepEqual([second.end.result, asked()], [first.end.result, MANY + 2]);
    const third = await resume(second, body, together);
    assert.deepEqual([third.end.result, asked()], [first.end.result, MANY + 2]);
  });

  it("among others, whose agents ask for the same", async () => {
    const { word, run, resume, same, asked, child } = scene();
    child("c", `return [args, await ${same}]`);
    const order = backwards(MANY);
    const list = order.map((_, i) => `return await workflow('${word}-c', ${i})`);
    const body = only(order, ...list);
    const first = await run(body, apart);
    assert.deepEqual(first.end.result, order.map((n, i) => [i, `${n + 1}`]));
    const second = await resume(first, body, together);
    assert.deepEqual([second.end.result, asked()], [first.end.result, MANY]);
  });

  it("although its file was edited", async () => {
    const { word, run, resume, same, asked, child } = scene();
    child("c", "return 'old'");
    const body = only(
      [1, 0],
      `return [await workflow('${word}-c'), await ${same}]`,
      chain(word, `await ${same}`),
    );
    const first = await run(body, apart);
    assert.deepEqual(first.end.result, [["old", "2"], "1"]);
    child("c", "return 'new'");
    const second = await resume(first, body, together);
    assert.deepEqual([second.end.result, asked()], [[["new", "2"], "1"], MANY + 2]);
  });

  it("although it threw, then or now", async () => {
    const { word, run, resume, same, asked, child } = scene();
    const body = only(
      [1, 0],
      `return [await workflow('${word}-c').catch(() => 'none'), await ${same}]`,
      chain(word, `await ${same}`),
    );
    const first = await run(body, apart);
    assert.deepEqual(first.end.result, [["none", "2"], "1"]);
    const second = await resume(first, body, together);
    assert.deepEqual([second.end.result, asked()], [first.end.result, MANY + 2]);
    const file = child("c", "return 'there'");
    const third = await resume(second, body, together);
    assert.deepEqual([third.end.result, asked()], [[["there", "2"], "1"], MANY + 2]);
    rmSync(file);
    const fourth = await resume(third, body, together);
    assert.deepEqual([fourth.end.result, asked()], [first.end.result, MANY + 2]);
  });

  it("and one that is new goes behind all that is not", async () => {
    const { word, run, resume, same, asked, child } = scene();
    child("c", "return 'c'");
    const body = (news) => `
const news = ${news};
const more = [];
for (let i = 0; i < news; i++) {
  more.push(workflow('${word}-c', i).then(async () => await ${same}));
}
const known = parallel([
  async () => { ${chain(word, `await ${same}`)} },
]);
return [await known, (await Promise.all(more)).sort()]`;
    const first = await run(body(0));
    assert.deepEqual(first.end.result, [["1"], []]);
    const second = await resume(first, body(3));
    assert.deepEqual([second.end.result, asked()], [[["1"], ["2", "3", "4"]], MANY + 4]);
  });
});

// --- What is new ---------------------------------------------------------------------------------

describe("a resumed run delivers what is new", { concurrency: 2 }, () => {
  it("one by one, each with all that was known to follow from it", async () => {
    const { word, run, resume, same, asked } = scene();
    const nobody = (n) => `await agent('${word} nobody ${n}', { capabilities: ['x'] });`;
    const body = only(
      [0, 1],
      `${nobody(0)} ${chain(word, `await ${same}`)}`,
      `${nobody(1)} return await ${same};`,
    );
    const first = await run(body, apart);
    assert.deepEqual(first.end.result, ["1", "2"]);
    const second = await resume(first, body, together); // Both are null, and again at once.
    assert.deepEqual([second.end.result, asked()], [first.end.result, MANY + 2]);
  });
});

// --- Budgets -------------------------------------------------------------------------------------

describe("a resumed run whose budget is used up", () => {
  it("refuses what is new after all that is known", async () => {
    const { word, run, resume, same, asked } = scene();
    const body = only(
      [0, 1],
      chain(word, `await ${same}`),
      `
const refusal = await agent('${word} item ' + args, { tools: [] }).catch((error) => error.message);
return [refusal, await ${same}];`,
    );
    const first = await run(body, apart);
    assert.deepEqual(first.end.result, ["1", ["1", "2"]]);
    const second = await resume(first, body, { ...together, budget: { agents: 0 } });
    const [known, [message, fresh]] = second.end.result;
    assert.match(message, /budget is used up/);
    assert.deepEqual([known, fresh, asked()], ["1", "2", MANY + 3]);
  });
});

// --- Crashes -------------------------------------------------------------------------------------

/** A run of many branches is resumed, and disturbed behind each of three outcomes. */
async function disturb(disturbance) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const { word, run, same, asked, child } = scene(async (prompt) => {
    if (prompt.endsWith("fresh")) await released; // The resumed run lives until then.
  });
  child("c", `return [args, await ${same}]`);
  const order = backwards(4 * MANY);
  const list = order.map((_, i) => `return await workflow('${word}-c', ${i})`);
  const body = `
const fresh = args ? undefined : agent('${word} fresh');
${branches(order, ...list)}
await fresh;
return results;`;
  const first = await run(body, apart);
  const more = { model, concurrency: 16, resumeFromRunId: first.run, ...together };
  const resumed = await flows.start({ script: whole(body), ...more });
  for (let after = 0, i = 0; i < 3; i++) {
    const events = await flows.until(resumed, ({ data }) => data.cached === true, after);
    after = events.at(-1).seq;
    await disturbance();
  }
  release();
  const second = await flows.outcome(resumed);
  assert.deepEqual(second.end.result, first.end.result);
  assert.ok(asked() <= order.length + 4, "only what is new is asked, anew in each life");
}

describe("a resumed run keeps to the old order", () => {
  it("when the daemon is killed", () =>
    disturb(async () => {
      await flows.daemon.kill();
      await flows.daemon.start();
    }));

  it("when its worker is killed", () =>
    disturb(() => {
      for (const pid of workersOf(flows.daemon)) kill(pid);
    }));
});
