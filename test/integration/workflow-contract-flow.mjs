// workflow-contract-flow.mjs: parallel(), pipeline(), phase(), log(), args, budget, workflow(), and
// how many of anything there may be.
import assert from "node:assert/strict";

import { fails, gives, throws } from "./workflow-contract.mjs";
import { crowd, logs, META, told, whole } from "./workflows.mjs";

const before = (lines, one, two) => {
  assert.ok(lines.includes(one) && lines.includes(two), lines.join(", "));
  assert.ok(lines.indexOf(one) < lines.indexOf(two), `${one} before ${two}: ${lines.join(", ")}`);
};
/** An agent that takes its time. */
const slow = (ms, word) => `agent('delay: ${ms}ms\\nsay: ${word}', { label: '${word}' })`;

const UNANSWERED = "of agent() or workflow() had no answer when the script returned, and " +
  "will have none: is an await missing?";

// --- parallel() ----------------------------------------------------------------------------------

const parallel = [
  gives("parallel() keeps the order of its thunks, whatever comes first",
    `let open;
const gate = new Promise((resolve) => { open = resolve });
return await parallel([
  async () => { await gate; return ${slow(1, "a")} },
  async () => { const said = await ${slow(1, "b")}; open(); return said }])`, ["a", "b"],
    { check: ({ events }) => before(told(events), "end b", "begin a") }),
  gives("parallel() has all of them at work at once",
    `return await parallel([() => ${slow(60, "a")}, () => ${slow(60, "b")}])`, ["a", "b"],
    { check: ({ events }) => assert.equal(crowd(events), 2) }),
  gives("parallel() is a barrier", `
await parallel([() => ${slow(400, "a")}, () => ${slow(1, "b")}]);
log('all are there');
return 1`, 1, { check: ({ events }) => before(told(events), "end a", "log all are there") }),
  gives("a thunk that throws is null", "return await parallel([() => { throw 1 }, () => 2])",
    [null, 2]),
  gives("a thunk that rejects is null",
    "return await parallel([async () => { throw new Error('no') }, async () => 2])", [null, 2]),
  gives("parallel() never rejects, also when everything fails", `
return await parallel([() => agent('fail: auth'), () => { null.x }, () => Promise.reject()])`,
    [null, null, null], { state: "degraded", agents: { failed: 1 } }),
  gives("a thunk that calls agent() wrongly is null",
    "return await parallel([() => agent(''), () => agent('x', { effort: 1 })])", [null, null],
    { state: "degraded", agents: {} }),
  gives("thunks may return anything, and thenables are waited for", `
const thenable = { then: (go) => go('later') };
return await parallel([() => 1, () => undefined, () => [2], () => thenable])`,
    [1, null, [2], "later"]),
  gives("parallel() of nothing is an empty list", "return await parallel([])", []),
  gives("parallel() within parallel() keeps both orders", `
return await parallel(['a', 'b'].map((one) => () =>
  parallel([1, 2].map((two) => () => agent(\`say: \${one}\${two}\`)))))`,
    [["a1", "a2"], ["b1", "b2"]], { agents: { succeeded: 4 } }),
  throws("parallel() of promises says that it takes functions",
    "await parallel([agent('say: a')])", /^TypeError: .*function/),
  throws("parallel() of something else is told", "await parallel('ab')", /^TypeError: .*array/),
  throws("parallel() of a list with holes is told", "await parallel([, () => 1])", /^TypeError: /),
];

// --- pipeline() ----------------------------------------------------------------------------------

const pipeline = [
  gives("a stage gets what came before, the item and its index", `
return await pipeline(['a', 'b'], (...all) => all, (...all) => all)`, [
    [["a", "a", 0], "a", 0],
    [["b", "b", 1], "b", 1],
  ]),
  gives("no item waits for another between stages", `
let open;
const gate = new Promise((resolve) => { open = resolve });
return await pipeline([1, 2],
  async (n) => {
    if (n === 2) { await gate }
    return agent(\`say: \${n}\`, { label: \`first \${n}\` })
  },
  async (text) => {
    const said = await agent(\`say: \${text}!\`, { label: \`second \${text}\` });
    open();
    return said
  })`, ["1!", "2!"],
    { check: ({ events }) => before(told(events), "end second 1", "begin first 2") }),
  gives("pipeline() keeps the order of its items",
    "return await pipeline([90, 1, 40], (ms) => agent(`delay: ${ms}ms\\nsay: ${ms}`))",
    ["90", "1", "40"]),
  gives("a stage that throws makes its item null and leaves out its later stages", `
return await pipeline([1, 2, 3],
  (n) => { if (n === 2) { throw new Error('no') } return n },
  (n) => { log(n); return n * 10 })`, [10, null, 30],
    { logs: ["1", "3", "error in pipeline(): Error: no at script.js:4:37"] }),
  gives("a stage that rejects does so, too",
    "return await pipeline([1, 2], async (n) => n === 1 ? Promise.reject() : n, (n) => -n)",
    [null, -2]),
  gives("an agent that gives null is no throw: the next stage gets it", `
return await pipeline(['fail: auth', 'say: a'], (prompt) => agent(prompt),
  (text, item, i) => \`\${i} \${text}\`)`, ["0 null", "1 a"], { state: "degraded" }),
  gives("stages need not be async, and items may be anything", `
return await pipeline([null, { n: 1 }, [2]], (one) => one, async (one) => one)`,
    [null, { n: 1 }, [2]]),
  gives("pipeline() without stages gives the items", "return await pipeline([1, 'b'])", [1, "b"]),
  gives("pipeline() of nothing is an empty list", "return await pipeline([], (a) => a)", []),
  gives("pipeline() never rejects", "return await pipeline([1], () => { throw undefined })",
    [null], { state: "degraded" }),
  throws("items that are no list are told", "await pipeline({ length: 1 }, (a) => a)",
    /^TypeError: .*array/),
  throws("a stage that is no function is told", "await pipeline([1], (a) => a, 'x')",
    /^TypeError: .*(stage|function)/),
];

// --- phase() and log() ---------------------------------------------------------------------------

const KILO = 1024;

const narrated = [
  gives("phases and lines of the log are told in their order", `
phase('Look'); log('one');
await agent('say: a', { label: 'a', phase: 'Look' });
log('two'); phase('Tell');
return 1`, 1, { told: ["phase Look", "log one", "begin a", "end a", "log two", "phase Tell"] }),
  gives("phase() and log() return nothing", "return [typeof phase('a'), typeof log('b')]",
    ["undefined", "undefined"]),
  gives("what is no text becomes one",
    "log(5); log(null); log({}); log([1, 2]); phase(7); return 1", 1,
    { logs: ["5", "null", "{}", "[ 1, 2 ]"], phases: ["7"] }),
  gives("log writes all that it is given, as console.log does",
    "log('found', { a: 1, b: ['x'] }, null); console.log('%s: %d', 'n', 5, [1])", null,
    { logs: ["found { a: 1, b: [ 'x' ] } null", "n: 5 [ 1 ]"] }),
  gives("a symbol is no title", "try { phase(Symbol('b')) } catch (error) { return error.name }",
    "TypeError", { told: [] }),
  gives("a line of the log keeps its lines and characters",
    "log('a\\n\\tü 🐑 \\u0001'); return 1", 1,
    { logs: ["a\n\tü 🐑 \u0001"] }),
  gives("a line of the log ends after 4 kB, between two characters",
    "log('ü'.repeat(5000)); return 1", 1, { check({ events }) {
      const [text] = logs(events);
      assert.ok(Buffer.byteLength(text) <= 4 * KILO + 3, `${Buffer.byteLength(text)} bytes`);
      assert.match(text, /^ü{2000,}…?$/);
    } }),
  gives("a phase that meta does not list is a phase", "phase('nowhere'); return 1", 1,
    { phases: ["nowhere"] }),
  gives("console.log is log()",
    "console.log('a'); console.warn('b'); console.error('c'); console.info('d'); return 1", 1,
    { logs: ["a", "b", "c", "d"] }),
  gives("calls that nobody waited for are counted in a last line",
    "agent('say: a'); agent('delay: 600s'); return 1", 1, { logs: ["2 calls " + UNANSWERED] }),
  gives("so is one beside others that were answered", `
await agent('say: a'); agent('delay: 600s'); log('x'); return 1`, 1,
    { logs: ["x", "1 call " + UNANSWERED] }),
  gives("what is told from within agents at work stands in the order of their ends", `
const after = (ms) => agent(\`delay: \${ms}ms\\nsay: \${ms}\`);
await parallel([400, 1].map((ms) => async () => log(await after(ms))));
return 1`, 1, { logs: ["1", "400"] }),
];

// --- args ----------------------------------------------------------------------------------------

const given = (what, args) =>
  gives(`args may be ${what}, and is given as it is`, "return [args, typeof args]",
    [args, typeof args], { more: { args } });

const args = [
  given("an object", { z: 1, a: { b: [1, null, "x"] }, "ü 🐑": true, "": 0, constructor: 1 }),
  given("a list", [1, [2, []], {}]),
  given("a text", '{"looks": "like JSON"}'),
  given("a number", 0.1),
  given("a large number", 9007199254740991),
  given("false", false),
  given("null", null),
  given("an empty text", ""),
  gives("args is undefined where nothing was given", "return [typeof args, args === undefined]",
    ["undefined", true]),
  gives("args keeps the order of its keys", "return Object.keys(args).join()", "z,a,m",
    { more: { args: { z: 1, a: 2, m: 3 } } }),
];

// --- budget --------------------------------------------------------------------------------------

const spend = (n, label) => `agent('usage: output=${n}\\nsay: x', { label: '${label}' })`;

const budget = [
  gives("without a total there is no end of it",
    "return [budget.total, budget.spent(), budget.remaining() === Infinity]", [null, 0, true]),
  gives("a total is what there is at first",
    "return [budget.total, budget.spent(), budget.remaining()]", [500, 0, 500],
    { more: { total: 500 } }),
  gives("what agents say is spent", `
const seen = [];
await ${spend(7, "a")}; seen.push(budget.spent(), budget.remaining());
await ${spend(5, "b")}; seen.push(budget.spent(), budget.remaining());
return seen`, [7, 93, 12, 88], { more: { total: 100 } }),
  gives("what was spent is counted without a total, too", `await ${spend(7, "a")};
return budget.spent()`, 7),
  gives("what remains is never below 0", `await ${spend(70, "a")};
return [budget.spent(), budget.remaining()]`, [70, 0], { more: { total: 50 } }),
  gives("when all is spent agent() throws, and asks nobody", `await ${spend(50, "a")};
try { await ${spend(1, "b")} } catch (error) { return [error instanceof Error, error.message] }`,
    undefined, {
      more: { total: 50 }, agents: { succeeded: 1 }, told: ["begin a", "end a"],
      check: ({ end }) => assert.match(end.result.join(), /^true,.*budget/),
    }),
  fails("a budget that is spent ends a run that does not catch it, at its line",
    `await ${spend(50, "a")};\n\nawait ${spend(1, "b")};`, { message: /budget/, line: 4 },
    { more: { total: 50 } }),
  gives("a budget that is spent is null within parallel()", `await ${spend(50, "a")};
return await parallel([() => ${spend(1, "b")}, () => 'free'])`, [null, "free"],
    { more: { total: 50 }, agents: { succeeded: 1 } }),
  gives("a loop may run while something remains", `
let rounds = 0;
while (budget.remaining() > 0) { rounds++; await agent('usage: output=30\\nsay: x') }
return rounds`, 4, { more: { total: 100 }, agents: { succeeded: 4 } }),
  gives("budget is what it is", `
const tried = [];
for (const change of [() => { budget.total = 9 }, () => { budget.spent = () => 0 },
  () => { delete budget.remaining }, () => { budget.more = 1 }]) {
  try { change(); tried.push('done') } catch (error) { tried.push(error.name) }
}
return [tried, budget.total]`, [Array(4).fill("TypeError"), 10], { more: { total: 10 } }),
  gives("an agent that failed has spent, too", `
await agent('usage: output=9\\nsay: x\\nfail: refused');
return budget.spent() >= 0`, true, { state: "degraded" }),
];

// --- workflow() ----------------------------------------------------------------------------------

const child = (body) => `${META.replace("flock", "child")}\n${body}`;
/** `body` beside a saved workflow of that name, which is whole by itself. */
const nests = (name, text, body, result, more = {}) =>
  gives(name, body, result, {
    ...more,
    more: (flows) => {
      const [file] = /c-[\w-]+/.exec(body);
      flows.write(`.claude/workflows/${file}.js`, text.replaceAll("NAME", file));
      return more.more ?? {};
    },
  });
const named = (body) => whole(body).replace("flock", "NAME");

const NEEDS = `export const meta = { name: 'NAME', description: 'd', args: { type: 'object',
  required: ['query'], additionalProperties: false,
  properties: { query: { type: 'string' } } } };\n`;

const nested = [
  nests("workflow() runs a saved workflow by its name, and gives what it returns",
    named("return ['from', args]"), "return await workflow('c-name', { n: 1 })",
    ["from", { n: 1 }]),
  nests("its args are undefined where none are given", named("return typeof args"),
    "return [await workflow('c-none'), typeof args]", ["undefined", "object"],
    { more: { args: {} } }),
  nests("the second form is run, too", "export const meta = { name: 'NAME', description: 'd' };\n" +
    "export default async function main(args) { return args * 2 }",
    "return await workflow('c-second', 4)", 8),
  nests("its agents, phases and lines are told with ours",
    named("phase('inner'); log('in'); return await agent('say: i', { label: 'i' })"),
    "log('a'); const text = await workflow('c-told'); log('z'); return text", "i",
    { told: ["log a", "phase inner", "log in", "begin i", "end i", "log z"],
      agents: { succeeded: 1 } }),
  nests("its agents spend what is ours", named("await agent('usage: output=9\\nsay: x')"),
    "await workflow('c-spends'); return budget.spent()", 9),
  nests("what it throws is thrown", named("throw new RangeError('from below')"),
    "try { await workflow('c-throws') } catch (error) { return [error.name, error.message] }",
    ["RangeError", "from below"]),
  nests("its variables are its own",
    named("var mine = 1; try { return [typeof outer, mine] } finally { mine = 2 }"),
    "const outer = 1; const seen = await workflow('c-own'); return [...seen, typeof mine]",
    ["undefined", 1, "undefined"]),
  nests("several of them run at once", named("return await agent(`say: ${args}`)"),
    "return await parallel([1, 2, 3].map((n) => () => workflow('c-many', n)))", ["1", "2", "3"],
    { agents: { succeeded: 3 } }),
  nests("args that its meta does not take throw what a start of it is told",
    `${NEEDS}return args`, `const said = [];
for (const args of [{}, { query: 5, more: 1 }, undefined, { query: 'q' }]) {
  try { said.push(await workflow('c-picky', args)) } catch (error) { said.push(error.message) }
}
return said`, [
      'workflow: "args" are not what c-picky asks for: the field "query" is missing',
      'workflow: "args" are not what c-picky asks for: the field "more" is unknown; known ' +
        'fields: "query"; /query: must be of type string, not an integer',
      'workflow: "args" are not what c-picky asks for: the field "query" is missing',
      { query: "q" },
    ]),
  nests("there is one level, and no second", named("return await workflow('c-deep')"),
    "try { await workflow('c-deep') } catch (error) { return error.message }", /level/),
  nests("a saved workflow with a fault throws it, with its place", named("return 1 +;"),
    "try { await workflow('c-broken') } catch (error) { return error.message }", /2:\d+/),
  gives("a workflow is run by its path",
    "return await workflow({ scriptPath: args.file }, [5])", [5],
    { more: (flows) => ({ args: { file: flows.write("aside/p.js", child("return args")) } }) }),
  throws("a workflow that nobody knows throws its name", "await workflow('c-nowhere')",
    /c-nowhere/),
  throws("a path that leads nowhere throws it",
    "await workflow({ scriptPath: '/nowhere/at-all.js' })", /at-all\.js/),
  throws("what names no workflow is told", "await workflow(5)", /^TypeError: /),
];

// --- How many ------------------------------------------------------------------------------------

const AT_ONCE = 16;
const six = "return (await parallel([1, 2, 3, 4, 5, 6].map((n) => () => " +
  "agent(`delay: 60ms\\nsay: ${n}`)))).join('')";
const twenty = "return (await parallel(Array.from({ length: 20 }, (_, n) => () => " +
  "agent(`delay: 60ms\\nsay: ${n % 10}`)))).join('')";

const caps = [
  gives("sixteen agents run at once, whatever the processors", twenty, "01234567890123456789", {
    check: ({ events }) => assert.equal(crowd(events), AT_ONCE),
  }),
  gives("how many are at work at once may be said", six, "123456",
    { more: { concurrency: 3 }, check: ({ events }) => assert.equal(crowd(events), 3) }),
  gives("after 1,000 agents another one throws", `
const texts = await parallel(Array.from({ length: 1001 }, (_, i) => () => agent(\`say: \${i}\`)));
const message = await agent('say: more').catch((error) => error.message);
return [texts.filter((text, i) => text === String(i)).length, texts[1000], message]`, undefined, {
    more: { concurrency: 250 }, agents: { succeeded: 1000 },
    check({ end }) {
      assert.deepEqual(end.result.slice(0, 2), [1000, null]);
      assert.match(end.result[2], /1,?000|cap/);
    },
  }),
  gives("parallel() and pipeline() take 4,096 items", `
const many = Array.from({ length: 4096 }, (_, i) => i);
const [one, two] = [await parallel(many.map((n) => () => n)), await pipeline(many, (n) => -n)];
return [one.length, one[4095], two.length, two[4095]]`, [4096, 4095, 4096, -4095]),
  throws("parallel() does not take 4,097", "await parallel(Array(4097).fill(() => 1))",
    /4,?096/),
  throws("pipeline() does not take 4,097", "await pipeline(Array(4097).fill(1), (n) => n)",
    /4,?096/),
  fails("more than 10,000 lines end the run",
    "for (let i = 0; i < 10001; i++) { log(i) }\nreturn 1", { code: "too_many_lines" },
    { check: ({ events }) => assert.ok(logs(events).length <= 10_000) }),
];

export default [
  ...parallel, ...pipeline, ...narrated, ...args, ...budget, ...nested, ...caps,
];
