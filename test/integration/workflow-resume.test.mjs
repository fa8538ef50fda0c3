// workflow-resume.test.mjs: a run that is resumed by another asks only for what is new: each prompt
// is counted at a provider of the test's own.
//
// runs-with: release, postgres
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { ByWord } from "./by-word.mjs";
import { until } from "./providers.mjs";
import { logs, META, told, whole } from "./workflows.mjs";

const ITEMS = 40;
const NONE = { succeeded: 0, cached: 0, failed: 0, skipped: 0 };

let flows;
let model;
const byWord = new ByWord();
before(async () => ({ flows, model } = await byWord.open()));
after(() => byWord.close());

/** A test's own word, with which all of its prompts begin, and what was asked with it. */
function wordOf(say) {
  const word = byWord.word(say);
  let seen = 0;
  const mine = () => byWord.asked(word);
  return { word, asked: () => mine().slice(seen), forget: () => (seen = mine().length) };
}

const run = (script, more = {}) => flows.run({ script, model, concurrency: 16, ...more });
const resume = (outcome, script, more = {}) =>
  run(script, { resumeFromRunId: outcome.run, ...more });
const refusal = async (body) => {
  const answer = await flows.ask("POST", "/workflows", { model, ...body });
  return [answer.status, answer.json.code];
};
const state = (outcome) => [outcome.end.state, { ...NONE, ...outcome.end.agents }];

// --- One of forty --------------------------------------------------------------------------------

/** Forty prompts, and one that holds all of their answers. `extra` goes into that of the 18th. */
const forty = (word, extra = "") => whole(`
const asked = Array.from({ length: ${ITEMS} }, (_, i) =>
  () => agent(\`${word} item \${i}\${i === 17 ? '${extra}' : ''}\`, { label: \`item \${i}\` }));
const texts = await parallel(asked);
return await agent(\`${word} sum of \${texts.length}: \${texts.join('; ')}\`, { label: 'sum' })`);

/** Forty items through two stages, the second of which holds what the first gave. */
const piped = (word, extra = "") => whole(`
const items = Array.from({ length: ${ITEMS} }, (_, i) => i);
return await pipeline(items,
  (i) => agent(\`${word} look at \${i}\${i === 17 ? '${extra}' : ''}\`),
  (text, i) => agent(\`${word} judge \${text}\`))`);

describe("a run that is resumed", { concurrency: 8 }, () => {
  it("the same script asks for nothing again, and ends with the same result", async () => {
    const { word, asked, forget } = wordOf();
    const first = await run(forty(word));
    assert.equal(asked().length, ITEMS + 1);
    forget();
    const second = await resume(first, forty(word));
    assert.deepEqual(asked(), []);
    assert.equal(second.end.result, first.end.result);
    assert.deepEqual(state(second), ["succeeded", { ...NONE, cached: ITEMS + 1 }]);
    assert.equal(second.events[0].data.resumed_from, first.run);
    assert.equal(first.events[0].data.resumed_from, null);
  });

  it("of 40 prompts the one that changed is asked again, and what holds its answer", async () => {
    const { word, asked, forget } = wordOf();
    const first = await run(forty(word));
    forget();
    const second = await resume(first, forty(word, " again"));
    assert.equal(asked().length, 2);
    assert.equal(asked()[0], `${word} item 17 again`);
    assert.ok(asked()[1].startsWith(`${word} sum of 40`));
    assert.ok(asked()[1].includes(`heard ${word} item 17 again`));
    assert.deepEqual(state(second), ["succeeded", { ...NONE, succeeded: 2, cached: ITEMS - 1 }]);
    const cached = told(second.events).filter((line) => line.endsWith("(cached)"));
    assert.equal(cached.length, ITEMS - 1);
    assert.ok(told(second.events).includes("end item 17"));
  });

  it("of 40 items of a pipeline the one that changed goes its way again, alone", async () => {
    const { word, asked, forget } = wordOf();
    const first = await run(piped(word));
    assert.equal(asked().length, 2 * ITEMS);
    forget();
    const second = await resume(first, piped(word, " again"));
    assert.deepEqual(asked(), [
      `${word} look at 17 again`,
      `${word} judge heard ${word} look at 17 again`,
    ]);
    const result = [...first.end.result];
    result[17] = result[17].replace("look at 17", "look at 17 again");
    assert.deepEqual(second.end.result, result);
  });

  it("an answer that did not change costs nothing of what holds it", async () => {
    const { word, asked, forget } = wordOf((prompt) => ({ text: prompt.replace(" again", "") }));
    const first = await run(forty(word));
    forget();
    const second = await resume(first, forty(word, " again"));
    assert.deepEqual(asked(), [`${word} item 17 again`]);
    assert.equal(second.end.result, first.end.result);
  });

  it("a call that comes in front, or goes, costs only itself", async () => {
    const { word, asked, forget } = wordOf();
    const calls = (...names) =>
      whole(`return [${names.map((name) => `await agent('${word} ${name}')`).join(", ")}]`);
    const first = await run(calls("a", "b", "c", "d"));
    forget();
    const second = await resume(first, calls("new", "d", "b", "a"));
    assert.deepEqual(asked(), [`${word} new`]);
    const heard = ["new", "d", "b", "a"].map((one) => `heard ${word} ${one}`);
    assert.deepEqual(second.end.result, heard);
  });

  it("new args cost what holds them", async () => {
    const { word, asked, forget } = wordOf();
    const script = whole(`return [await agent('${word} fixed'),
  await parallel(args.map((one) => () => agent(\`${word} \${one}\`)))]`);
    const first = await run(script, { args: ["a", "b", "c"] });
    forget();
    const second = await resume(first, script, { args: ["c", "x", "a"] });
    assert.deepEqual(asked(), [`${word} x`]);
    assert.deepEqual(second.end.result[1], ["c", "x", "a"].map((one) => `heard ${word} ${one}`));
    forget();
    const third = await resume(second, script); // Whoever resumes and says nothing, means the same.
    assert.deepEqual(asked(), []);
    assert.deepEqual(third.end.result, second.end.result);
  });

  it("a resumed run may be resumed, and so on", async () => {
    const { word, asked, forget } = wordOf();
    let outcome = await run(forty(word));
    for (const extra of [" x", " xy", " xyz"]) {
      forget();
      outcome = await resume(outcome, forty(word, extra));
      assert.equal(asked().length, 2, `with ${extra}`);
    }
    forget();
    outcome = await resume(outcome, forty(word));
    assert.equal(asked().length, 2, "what a resumed run did not ask for is not in it");
  });
});

// --- Equal calls, failures, order ----------------------------------------------------------------

const NUMBERED = (prompt, times) => ({ text: `${times + 1}` });

describe("what a resumed run answers from", { concurrency: 8 }, () => {
  it("three identical calls keep three results, each its own", async () => {
    const { word, asked, forget } = wordOf(NUMBERED);
    const calls = (n) => whole(`return await parallel(Array.from({ length: ${n} }, () =>
  () => agent('${word} judge this')))`);
    const first = await run(calls(3));
    assert.deepEqual([...first.end.result].sort(), ["1", "2", "3"]);
    forget();
    const second = await resume(first, calls(3));
    assert.deepEqual([second.end.result, asked()], [first.end.result, []]);
    const third = await resume(first, calls(4));
    assert.deepEqual(third.end.result, [...first.end.result, "4"]);
    assert.equal(asked().length, 1, "a fourth is asked for");
    const fourth = await resume(first, calls(2));
    assert.deepEqual(fourth.end.result, first.end.result.slice(0, 2));
  });

  it("a sibling that failed costs no other one, wherever it stood", async () => {
    const say = (prompt, times) =>
      prompt.endsWith("bad") && times === 0 ? { status: 400 } : { text: `${prompt} ${times}` };
    const { word, asked, forget } = wordOf(say);
    const script = whole(`return await parallel(['bad', 'b', 'c'].map((one) =>
  () => agent(\`${word} \${one}\`)))`);
    const first = await run(script);
    assert.deepEqual([first.end.state, first.end.result[0]], ["degraded", null]);
    forget();
    const second = await resume(first, script);
    assert.deepEqual(asked(), [`${word} bad`]);
    assert.deepEqual(second.end.result, [`${word} bad 1`, `${word} b 0`, `${word} c 0`]);
    assert.deepEqual(state(second), ["succeeded", { ...NONE, succeeded: 1, cached: 2 }]);
  });

  it("equal prompts in several items keep to the item that they were asked for", async () => {
    const delays = [40, 5, 25, 1, 15, 30];
    const say = (prompt, times) => {
      const [, what, item] = prompt.split(" ");
      if (what === "rate") return { text: `r${times}`, ms: delays[times % delays.length] };
      return { text: `${what} ${item}`, ms: delays[(Number(item) * 5) % delays.length] };
    };
    const { word, asked, forget } = wordOf(say);
    const script = whole(`return await pipeline([0, 1, 2, 3, 4, 5],
  (i) => agent(\`${word} look \${i}\`),
  () => agent('${word} rate this'),
  (rate, i) => agent(\`${word} finish \${i} \${rate}\`).then((text) => [text, rate]))`);
    const first = await run(script);
    assert.equal(new Set(first.end.result.map(([, rate]) => rate)).size, 6);
    forget();
    const second = await resume(first, script);
    assert.deepEqual(asked(), []);
    assert.deepEqual(second.end.result, first.end.result);
  });

  it("who came first in a race comes first again", async () => {
    const say = (prompt) => ({ text: prompt, ms: prompt.endsWith("slow") ? 500 : 1 });
    const { word, asked, forget } = wordOf(say);
    const script = whole(`
const both = ['slow', 'fast'].map((one) => agent(\`${word} \${one}\`));
const first = await Promise.race(both);
log(first);
await Promise.all(both);
return first`);
    const first = await run(script);
    assert.equal(first.end.result, `${word} fast`);
    byWord.say(word, (prompt) => ({ text: prompt, ms: prompt.endsWith("slow") ? 1 : 500 }));
    forget();
    const second = await resume(first, script);
    assert.deepEqual([second.end.result, asked()], [`${word} fast`, []]);
    assert.deepEqual(logs(second.events), [`${word} fast`]);
  });

  it("a label or a phase costs nothing; what an agent is told does", async () => {
    const { word, asked, forget } = wordOf();
    const call = (options) => whole(`return await agent('${word} a', ${options})`);
    const first = await run(call("{ label: 'one', phase: 'p' }"));
    forget();
    const second = await resume(first, call("{ phase: 'other' }"));
    assert.deepEqual(asked(), []);
    const third = await resume(second, call("{ effort: 'high' }"));
    assert.deepEqual(asked(), [`${word} a`]);
    forget();
    await resume(third, call("{ effort: 'high', label: 'x' }"));
    assert.deepEqual(asked(), []);
  });

  it("objects of a schema are answered as objects", async () => {
    const { word, asked, forget } = wordOf(() => ({ text: '{"n":[1,{"m":null}]}' }));
    const script = whole(`const schema = { type: 'object', required: ['n'] };
const made = await agent('${word} a', { schema });
return [made.n[0] + 1, made.n[1].m]`);
    const first = await run(script);
    forget();
    const second = await resume(first, script);
    assert.deepEqual([second.end.result, asked()], [[2, null], []]);
  });

  it("calls within workflow() are answered, too", async () => {
    const { word, asked, forget } = wordOf();
    const inner = META.replace("flock", `inner-${word}`);
    const text = `${inner}\nreturn agent(\`${word} \${args}\`)`;
    flows.write(`.claude/workflows/inner-${word}.js`, text);
    const script = (last) => whole(`return [await workflow('inner-${word}', 'a'),
  await workflow('inner-${word}', '${last}'), await agent('${word} a')]`);
    const first = await run(script("b"));
    assert.equal(asked().length, 3, "a call of the child is another one than its parent's");
    forget();
    const second = await resume(first, script("b"));
    assert.deepEqual([second.end.result, asked()], [first.end.result, []]);
    await resume(first, script("c"));
    assert.deepEqual(asked(), [`${word} c`]);
  });

  it("a run that was stopped is resumed with what it had", async () => {
    const say = (prompt, times) =>
      prompt.endsWith("late") && times === 0 ? { ms: 600_000 } : { text: `${prompt} ${times}` };
    const { word, asked, forget } = wordOf(say);
    const script = whole(`return [await agent('${word} a'), await agent('${word} late')]`);
    const stopped = await flows.start({ script, model });
    await until("it is asked", () => asked().includes(`${word} late`));
    await flows.ask("POST", `/runs/${stopped}/stop`, {});
    assert.equal((await flows.ended(stopped)).at(-1).data.state, "cancelled");
    forget();
    const second = await resume({ run: stopped }, script);
    assert.deepEqual(asked(), [`${word} late`]);
    assert.deepEqual(second.end.result, [`${word} a 0`, `${word} late 1`]);
  });

  it("an agent that is named runs again, and what holds its answer", async () => {
    const { word, asked, forget } = wordOf(NUMBERED);
    const script = whole(`
const [a, b] = await parallel(['a', 'b'].map((one) =>
  () => agent(\`${word} \${one}\`, { label: one })));
return [a, b, await agent(\`${word} sum \${a}\`), await agent(\`${word} sum \${b}\`)]`);
    const first = await run(script);
    const { data } = first.events.find((event) => event.data.label === "a");
    forget();
    const second = await resume(first, script, { rerun: [data.run] });
    assert.deepEqual(asked(), [`${word} a`, `${word} sum 2`]);
    assert.equal(second.end.result[0], "2");
  });

  it("a script that failed is mended, and what it had is kept", async () => {
    const { word, asked, forget } = wordOf();
    const script = (rest) => whole(`const text = await agent('${word} a'); ${rest}`);
    const failed = await run(script("throw new Error('no')"));
    assert.equal(failed.end.state, "failed");
    forget();
    const second = await resume(failed, script("return text"));
    assert.deepEqual([second.end.result, asked()], [`heard ${word} a`, []]);
  });
});

// --- What is refused -----------------------------------------------------------------------------

describe("a resume is refused", () => {
  it("while the run lives", async () => {
    const { word } = wordOf((prompt) => ({ text: prompt, ms: 600_000 }));
    const script = whole(`return await agent('${word} a')`);
    const alive = await flows.start({ script, model });
    await flows.until(alive, ({ type }) => type === "agent_started");
    const body = { script, resumeFromRunId: alive };
    assert.deepEqual(await refusal(body), [409, "run_alive"]);
    await flows.ask("POST", `/runs/${alive}/stop`, {});
    await flows.ended(alive);
    const again = await flows.start({ ...body, model });
    await flows.ask("POST", `/runs/${again}/stop`, {});
    await flows.ended(again);
  });

  it("of a run that nobody knows, and of one that is no workflow", async () => {
    const script = whole("return 1");
    const unknown = { script, resumeFromRunId: "run_00000000000000000000000000" };
    assert.equal((await refusal(unknown))[0], 404);
    const job = await flows.ask("POST", "/jobs", { argv: ["true"] });
    assert.equal(job.status, 201, job.text);
    const [status] = await refusal({ script, resumeFromRunId: job.json.id });
    assert.ok([404, 409].includes(status), `${status}`);
  });

  it("where an agent is named that is none of the run's", async () => {
    const { word } = wordOf();
    const script = whole(`return await agent('${word} a')`);
    const first = await run(script);
    const body = { script, resumeFromRunId: first.run, rerun: ["run_00000000000000000000000000"] };
    const [status] = await refusal(body);
    assert.ok([400, 404, 409].includes(status), `${status}`);
  });
});
