// worker.test.mjs: what a workflow script finds, and what its host hears of it, frame by frame.
//
// runs-with: release
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { format } from "node:util";

import { play, Worker } from "./host.mjs";

const sha = (text) => createHash("sha256").update(text).digest("hex");
const value = (v) => ({ o: "value", v });
const failed = async (t, script, options) => {
  const { end } = await play(t, script, options);
  assert.equal(end.ok, false, JSON.stringify(end));
  return end;
};
const result = async (t, script, options) => {
  const { end } = await play(t, script, options);
  assert.equal(end.ok, true, JSON.stringify(end));
  return end.result;
};

// --- Calls ---------------------------------------------------------------------------------------

test("a call says key, occurrence, canonical options, label and phase", async (t) => {
  const { calls } = await play(t, `
    phase("First");
    await agent("p\\u00e9", { schema: { type: "object", b: [1, { z: 1, y: 2 }] }, label: "l",
      model: "m" });
    await agent("p\\u00e9", { phase: "Own", effort: "low" });
    await agent("p\\u00e9", { effort: "low", label: "other" });
    return 1;`);
  const opts = '{"model":"m","schema":{"b":[1,{"y":2,"z":1}],"type":"object"}}';
  assert.deepEqual(calls[0], {
    t: "call", id: 1, k: sha(`agent\n\n${opts}\npé`), n: 1, prompt: "pé", opts: JSON.parse(opts),
    label: "l", phase: "First", line: 3, column: 11,
  });
  const again = sha('agent\n\n{"effort":"low"}\npé');
  assert.deepEqual(calls.slice(1).map((c) => [c.id, c.k, c.n, c.phase]),
    [[2, again, 1, "Own"], [3, again, 2, "First"]], "label and phase are no part of the key");
});

test("half a character is replaced in a prompt, and any other comes whole", async (t) => {
  const { calls } = await play(t,
    'await agent("a\\ud800b\\"\\\\\\n\\u0001😀"); await agent("\\ud7ff");');
  assert.equal(calls[0].prompt, 'a\ufffdb"\\\n\u0001😀');
  assert.equal(calls[1].prompt, "\ud7ff");
});

test("calls made together travel in one frame, in order", async (t) => {
  const worker = new Worker(t);
  worker.start('return parallel([1, 2, 3].map((i) => () => agent("p" + i)));');
  const frame = await worker.frame();
  assert.deepEqual(frame.map((m) => m.t), ["call", "call", "call", "quiet"]);
  assert.deepEqual(frame.at(-1), { t: "quiet", settled: 0 });
  worker.say({ t: "settle", id: 2, ...value("b") }, { t: "settle", id: 1, o: "null" });
  assert.deepEqual(await worker.frame(), [{ t: "quiet", settled: 2 }]);
  worker.say({ t: "settle", id: 3, o: "throw", name: "Error", message: "no" });
  assert.deepEqual(await worker.frame(), [{ t: "end", ok: true, result: [null, "b", null] }]);
  assert.equal(await worker.ended, 0);
});

test("between two outcomes of one frame all jobs run", async (t) => {
  const worker = new Worker(t);
  worker.start(`const order = [];
    const one = async (n) => { await agent(n); order.push(n); await 0; await 0; order.push(n + n);
      };
    await Promise.all([one("a"), one("b")]);
    return order;`);
  await worker.turn();
  worker.say({ t: "settle", id: 1, ...value(1) }, { t: "settle", id: 2, ...value(2) });
  assert.deepEqual((await worker.turn()).at(-1).result, ["a", "aa", "b", "bb"]);
});

test("a throw comes with its name, its message and the line of its call", async (t) => {
  const answer = () => ({ o: "throw", name: "TypeError", message: "missed the schema" });
  const script = `
try { await agent("a"); } catch (e) { log(e.name + (e instanceof TypeError)); }
  await agent("b");`;
  const { end, messages } = await play(t, script, { answer });
  assert.deepEqual([end.code, end.name, end.message, end.line, end.column],
    ["script_error", "TypeError", "missed the schema", 3, 9]);
  assert.equal(messages.find((m) => m.t === "log").text, "TypeErrortrue");
});

const BAD_OPTIONS = {
  "[]": "opts must be an object",
  "{ effort: 'huge' }": "opts.effort must be 'low', 'medium', 'high', 'xhigh' or 'max'",
  "{ effort: {} }": "opts.effort must be",
  "{ isolation: true }": "opts.isolation must be 'worktree'",
  "{ model: 4 }": "opts.model must be a string",
  "{ label: 4 }": "opts.label must be a string",
  "{ schema: { type: 'array' } }": "root has type 'object'",
  "{ schema: { type: 'object', toJSON: () => null } }": "root has type 'object'",
  "{ schema: 'x' }": "opts.schema must be an object",
  "{ tools: 'x' }": "opts.tools must be an array of strings",
  "{ capabilities: [1] }": "opts.capabilities must be an array of strings",
  "{ max_tool_calls: -1 }": "opts.max_tool_calls must be a whole number",
  "{ max_tool_iters: 1.5 }": "opts.max_tool_iters must be a whole number",
  "{ budget: 'x' }": "opts.budget must be output tokens, or an object of limits",
  "{ budget: 0.5 }": "opts.budget must be output tokens, or an object of limits",
  "{ budget: { tokens: -1 } }": "opts.budget.tokens must be a whole number, 0 or more, or null",
  "{ budget: { dollars: 1 } }": 'opts.budget: unknown limit "dollars"',
};
test("options are checked by name, and a bad one makes no call", async (t) => {
  const script = Object.keys(BAD_OPTIONS).map((opts) =>
    `await agent("p", ${opts}).catch((e) => log(e.name + " " + e.message));`).join("\n");
  const { calls, messages } = await play(t, script);
  assert.equal(calls.length, 0);
  const lines = messages.filter((m) => m.t === "log").map((m) => m.text);
  Object.values(BAD_OPTIONS).forEach((text, i) => {
    assert.ok(lines[i].startsWith("TypeError ") && lines[i].includes(text), `${lines[i]}: ${text}`);
  });
});

test("an unknown option is ignored, and one line names each", async (t) => {
  const { calls, messages } = await play(t, `await agent("p", { _predispatch: true, model: null });
    await parallel([1, 2].map(() => () => agent("p", { schema: null, timeout: 5, _predispatch: 1,
      label: null, phase: undefined, retries: undefined })));`);
  assert.deepEqual(calls.map((call) => [call.k, call.n, call.opts, call.label]),
    [1, 2, 3].map((n) => [sha("agent\n\n{}\np"), n, {}, undefined]), "they are no part of the key");
  assert.deepEqual(messages.filter((m) => m.t === "log").map((m) => [m.no, m.text]), [
    [1, 'agent() has no option "_predispatch", and ignores it'],
    [2, 'agent() has no option "timeout", and ignores it'],
  ]);
});

test("a prompt is a text that holds something", async (t) => {
  const lines = await result(t, `const r = [];
    for (const p of ["", 1, null, {}, [], Symbol(), undefined, { toString: () => "x" }]) {
      await agent(p).catch((e) => r.push(e.name + e.message.slice(8)));
    }
    await agent("x".repeat(2 ** 20 + 1)).catch((e) => r.push(e.message));
    return r;`);
  assert.deepEqual(lines, [
    "TypeError the prompt must not be empty", "TypeError the prompt must be a string, not number",
    "TypeError the prompt must be a string, not null",
      "TypeError the prompt must be a string, not object",
    "TypeError the prompt must be a string, not an array",
      "TypeError the prompt must be a string, not symbol",
    "TypeError the prompt must be a string, not undefined",
      "TypeError the prompt must be a string, not object",
    "agent(): the prompt is over 1 MB",
  ]);
});

// --- Many at once --------------------------------------------------------------------------------

test("a pipeline has no barrier: an item goes on while another waits", async (t) => {
  const worker = new Worker(t);
  worker.start(`return pipeline(["a", "b"], (v, item, i) => agent("one " + v + item + i),
    (v, item, i) => { if (v === "X") throw new Error("x"); return agent("two " + v + item + i); },
      (v) => v + "!");`);
  const first = await worker.turn();
  assert.deepEqual(first.slice(0, 2).map((c) => c.prompt), ["one aa0", "one bb1"]);
  worker.say({ t: "settle", id: 2, ...value("B") });
  assert.deepEqual((await worker.turn())[0].prompt, "two Bb1");
  worker.say({ t: "settle", id: 3, ...value("end") });
  await worker.turn();
  worker.say({ t: "settle", id: 1, ...value("X") });
  assert.deepEqual((await worker.turn()).at(-1).result, [null, "end!"]);
});

test("parallel is a barrier in order that turns throws into nulls", async (t) => {
  assert.deepEqual(await result(t, `return parallel([() => 1, () => { throw 2; }, async () => {
    throw 3; },
    () => new Promise((r) => queueMicrotask(() => r(4))), () => undefined, () => agent(""),
      () => null]);`),
  [1, null, null, 4, null, null, null]);
  assert.deepEqual(await result(t,
    "return [await parallel([]), await pipeline([]), await pipeline([1])];"),
    [[], [], [1]]);
});

test("lists that are none are refused", async (t) => {
  assert.deepEqual(await result(t, `const r = [];
    const n = (e) => r.push(e.name + ": " + e.message);
    await parallel([agent("x")]).catch(n); await parallel("ab").catch(n); await pipeline({},
      () => 1).catch(n);
    await pipeline([1], 2).catch(n); await parallel(new Array(11).fill(() => 1)).catch(n);
    await pipeline(new Array(11).fill(1), () => 1).catch(n); return r;`, { limits: {
      items: 10 } }), [
    "TypeError: parallel(): thunk 0 is not a function",
      "TypeError: parallel(): the thunks must be an array",
    "TypeError: pipeline(): the items must be an array",
      "TypeError: pipeline(): stage 0 is not a function",
    "RangeError: parallel(): at most 10 items in one call, not 11",
    "RangeError: pipeline(): at most 10 items in one call, not 11",
  ]);
});

// --- Lines, args, budget -------------------------------------------------------------------------

test("phase and log are numbered together, made to text and cut between characters", async (t) => {
  const { messages } = await play(t, `phase("P"); log(12); console.log("a", { b: 1 }, [2], null);
    log({});
    log("é".repeat(5)); try { log(Symbol()); } catch (e) { log(e.name); }`, { limits: {
      line_bytes: 9 } });
  assert.deepEqual(messages.slice(0, -1).map((m) => [m.no, m.t, m.title ?? m.text]), [
    [1, "phase", "P"], [2, "log", "12"], [3, "log", "a { b: 1 "], [4, "log", "{}"],
    [5, "log", "éééé"], [6, "log", "Symbol()"],
  ]);
});

// Each is the arguments of a call of log(). What console.log() of Node writes is the truth.
const LOGGED = [
  '', '"a"', '"a", 1, "b"', '1, 2', 'undefined', 'null, true, -0, 5n, Symbol("s")', '"", 1',
  '{ a: 1, b: "x" }', '"found", { file: "a.js", lines: [1, 2] }', '[]', '{}', '[[], {}]',
  '[1, 2, 3, 4, 5, 6, 7]', 'Array.from({ length: 120 }, (_, i) => i)', '["a", "bb", , "c"]',
  '["aa", "bbb", "c", "dddd", "eeeee", "f", "g"]', '{ a: { b: { c: { d: 1 } } } }',
  '{ a: { b: { c: {} } } }', '[{ results: [{ a: 1, b: { c: [1, { d: 1 }] } }] }]',
  '{ a: "x".repeat(60), b: "y".repeat(60) }', '{ s: "a line that is long\\n".repeat(5) }',
  'new Map([["a", { b: 1 }]]), new Set([1, "x"])', 'new Date(0), new Date(NaN), /a+/gi',
  '() => {}, async function go() {}, class A {}, class B extends Map {}', '{ f() {}, g: () => 1 }',
  'new (class Foo { a = 1 })()', 'Object.create(null)', '{ "a-b": 1, c: undefined, 3: NaN }',
  '{ get a() { return 1; }, set b(v) {} }', '["it\'s", "\\"", "a\\nb"]', '[new Uint8Array(3)]',
  '(() => { const c = { n: 1 }; c.self = c; return c; })()', 'Object.assign([1], { x: 1 })',
  '"%s is %d", "x", 5', '"%s %s", { a: { b: 1 } }, [1, [2, [3]]]', '"%i %f %j", 5.7, "1.5x", [1]',
  '"100%", 5', '"100%"', '"%d%% of %s"', '"%d%% of %s", 50, "all", "more"', '"%O", { a: { b: 1 } }',
  '"%s", { toString() { return "own"; } }', '"%c red", "color: red"', '[undefined, null, 1n, "b"]',
  'new Array(4e9), [1, , , 4], Object.assign([, 1], { x: 2 })',
  '[{ file: "src/a.js", line: 3, severity: "high" }, { file: "src/b.js", line: 30 }]',
];
test("log writes all that it is given, as console.log does", async (t) => {
  const script = LOGGED.map((list) => `log(${list});`).join("\n");
  const { end, messages } = await play(t, `${script}\nconsole.log("x", { a: [1] });
    log("failed:", new RangeError("too far"), { cause: new Error("x") }); log(agent("p"));
    console.group("g"); console.time("t"); console.table([1]); console.dir({ a: 1 }, { depth: 0 });
    console.assert(true, "no"); console.assert(false, "yes", 1); console.timeEnd("t");
    console.groupEnd();`);
  assert.equal(end.ok, true, JSON.stringify(end));
  const texts = messages.filter((m) => m.t === "log").map((m) => m.text);
  LOGGED.forEach((list, i) => {
    assert.equal(texts[i], format(...new Function(`return [${list}]`)()), list);
  });
  assert.deepEqual(texts.slice(LOGGED.length, LOGGED.length + 7), ["x { a: [ 1 ] }",
    "failed: RangeError: too far { cause: Error: x }", "Promise { <pending> }",
    "g", "[ 1 ]", "{ a: 1 }", "Assertion failed: yes 1"]);
});

test("a line of log is cut at its bound, however large what it is given", async (t) => {
  const { end, messages } = await play(t, `const wide = {};
    for (let i = 0; i < 1e5; i++) wide["k" + i] = i;
    const deep = { wide, list: new Array(1e5).fill(wide), text: "é".repeat(1e6) };
    log(wide); log("a", deep); log(new Map([[deep, deep]]), new Set([deep])); log("%s", deep);`);
  assert.equal(end.ok, true, JSON.stringify(end));
  const sizes = messages.filter((m) => m.t === "log").map((m) => Buffer.byteLength(m.text));
  assert.ok(sizes.every((size) => size <= 4096), String(sizes));
});

test("meta is in scope and frozen, also of a nested workflow", async (t) => {
  const meta = { name: "top", description: "d", phases: [{ title: "One" }] };
  const child = { o: "script", form: "body", file: "child.js", meta: { name: "kid" },
    script: "return [meta, globalThis.meta.name];" };
  const { end } = await play(t, `const tries = [() => { meta.name = 1; },
      () => { meta.phases[0].title = 1; }, () => meta.phases.push(1)];
    const held = tries.filter((f) => { try { f(); } catch (e) { return e instanceof TypeError; } });
    return [meta, held.length, meta === globalThis.meta, await workflow("kid")];`,
  { meta, answer: () => child });
  assert.deepEqual(end.result, [meta, 3, true, [{ name: "kid" }, "top"]]);
  assert.equal(await result(t, 'const meta = "own"; return meta;', { meta }), "own");
});

test("args come as they are, or not at all", async (t) => {
  assert.deepEqual(await result(t, "return [args, globalThis.args === args];", { args: { a: [1,
    null] } }),
    [{ a: [1, null] }, true]);
  assert.equal(await result(t, "return typeof args;"), "undefined");
  assert.deepEqual(await result(t, "const args = 1, log = 2; return [args, log];", { args: 3 }),
    [1, 2]);
});

test("budget tells what the settled outcomes say, and ends agents when it is spent", async (t) => {
  const answer = (call) => ({ ...value(1), spent: call.id * 60 });
  const { end, calls } = await play(t, `const r = [[budget.total, budget.spent(),
    budget.remaining()]];
    await agent("a"); r.push([budget.spent(), budget.remaining()]); await agent("b");
    try { await agent("c"); } catch (e) { r.push(e.message); } return [...r, budget.remaining()];`,
  { total: 100, spent: 5, answer });
  assert.equal(calls.length, 2);
  assert.deepEqual(end.result, [[100, 5, 95], [60, 40],
    "budget exhausted: 120 of 100 tokens are spent", 0]);
  assert.equal(await result(t, "return budget.remaining() === Infinity && budget.total === null;"),
    true);
});

test("the agent cap counts agents", async (t) => {
  const { end, calls } = await play(t, `await workflow("w");
    await parallel([1, 2].map((i) => () => agent("p" + i))); await agent("one more");`,
  { limits: { agents: 2 } });
  assert.equal(calls.length, 3);
  assert.deepEqual([end.message, end.line], ["agent cap reached: at most 2 agents in one run", 2]);
});

// --- Nested --------------------------------------------------------------------------------------

test("a nested workflow runs inline, under its own path and with its own args", async (t) => {
  const child = { o: "script", form: "body", file: "child.js",
    script: `phase("K"); const v = await agent("p");
      try { await workflow("again"); } catch (e) { log(e.message); } return [args, v];` };
  const answer = (call) => (call.t === "workflow" ? child : value("v"));
  const { end, calls, messages } = await play(t, `phase("Top"); const a = await agent("p");
    const r = await workflow({ scriptPath: "./kid.js" }, { b: 1, a: [2] }); await agent("p");
      return [a, r, args];`,
  { answer, args: 7 });
  assert.deepEqual(end.result, ["v", [{ a: [2], b: 1 }, "v"], 7]);
  assert.deepEqual(calls.map((c) => [c.k, c.n, c.phase]), [
    [sha("agent\n\n{}\np"), 1, "Top"],
    [sha('workflow\n\n{"args":{"a":[2],"b":1},"path":"./kid.js"}'), 1, undefined],
    [sha("agent\n./kid.js\n{}\np"), 1, "K"], [sha("agent\n\n{}\np"), 2, "Top"],
  ]);
  assert.deepEqual([calls[1].path, calls[1].args], ["./kid.js", { a: [2], b: 1 }]);
  assert.match(messages.findLast((m) => m.t === "log").text, /one level deep/);
});

test("what a nested workflow throws, and what is wrong with its text, comes out of workflow()",
  async (t) => {
  const child = (script) => ({ o: "script", form: "body", file: "child.js", script });
  const answer = (call) => child(call.name === "bad" ? "return ]" : 'throw new RangeError("r");');
  assert.deepEqual(await result(t, `const r = []; for (const n of ["bad", "good"]) {
    try { await workflow(n); } catch (e) { r.push(e.name); } } return r;`, { answer }),
      ["SyntaxError", "RangeError"]);
  const end = await failed(t, 'await workflow("bad");', { answer });
  assert.deepEqual([end.code, end.stack], ["script_error", "    at child.js:1:8"]);
});

test("a script that is only checked is read, and nothing of it runs", async (t) => {
  const check = async (script) => {
    const worker = new Worker(t);
    worker.say({ t: "check", form: "body", file: "a.js", script });
    const [end] = await worker.frame();
    await worker.ended;
    return end;
  };
  assert.deepEqual(await check('for (;;) {}\nawait agent("p");'), { t: "end", ok: true });
  const end = await check("const a = 1;\nconst b = ];");
  assert.deepEqual([end.ok, end.code, end.line, end.column], [false, "syntax_error", 2, 11]);
  for (const open of ["()=>", "(", "[", "a?", "`${"]) {
    assert.equal((await check(`return ${open.repeat(1e5)}1`)).code, "syntax_error", open);
  }
});

test("the second form calls what the text returns", async (t) => {
  const script = "async function main(given) {\n  return [given, args];\n}\nreturn main;";
  assert.deepEqual(await result(t, script, { form: "main", args: 4 }), [4, 4]);
});

// --- Replay --------------------------------------------------------------------------------------

test("the history is settled in its order, without a call", async (t) => {
  const script = `const order = []; const ask = async (p) => { const v = await agent(p);
    order.push(v); return v; };
    await parallel(["a", "b", "a"].map((p) => () => ask(p))); log(budget.spent());
      await ask("new"); return order;`;
  const [a, b] = ["a", "b"].map((p) => sha(`agent\n\n{}\n${p}`));
  const history = [
    { k: a, n: 2, ...value("a2"), spent: 1 }, { k: b, n: 1, o: "null", spent: 2 }, { k: a, n: 1,
      ...value("a1"), spent: 3 },
  ];
  const worker = new Worker(t);
  worker.start(script, { history });
  const turn = await worker.turn();
  assert.deepEqual(turn.map((m) => [m.t, m.id ?? m.text ?? m.settled]), [["log", "3"], ["call", 4],
    ["quiet", 3]]);
  worker.say({ t: "settle", id: 4, ...value("n") });
  assert.deepEqual((await worker.turn()).at(-1).result, ["a2", null, "a1", "n"]);
});

test("a run goes the same way again whatever it had branched on", async (t) => {
  const script = `let out = []; for (let i = 0; budget.remaining() > 20; i++) {
      const r = await Promise.race(["x", "y"].map((n) => agent(n + i).then((v) => [n, v],
        (e) => [n, e.message])));
      phase("round " + i); out.push(r); if (r[1] === null) out.push(await agent("was null"));
        } return out;`;
  const seen = [];
  const outcomes = [value(1), { o: "null" }, { o: "throw", name: "Error", message: "bad" }];
  const answer = (call) => ({ ...outcomes[call.id % 3], spent: call.id * 10 });
  const record = (call) => {
    const outcome = answer(call);
    seen.push({ k: call.k, n: call.n, ...outcome });
    return outcome;
  };
  const live = await play(t, script, { total: 100, answer: record });
  for (let cut = 0; cut <= seen.length; cut++) {
    const again = await play(t, script, { total: 100, answer, history: seen.slice(0, cut) });
    assert.deepEqual(again.end, live.end);
    const lines = (run) => run.messages.filter((m) => m.t === "phase");
    assert.deepEqual(lines(again), lines(live));
    const prompts = new Set(again.calls.map((c) => c.k + c.n));
    for (const { k, n } of seen.slice(0, cut)) assert.ok(!prompts.has(k + n),
      "a finished call was made again");
  }
});

test("a history whose call is not made is divergence", async (t) => {
  const end = await failed(t, 'await agent("b");', { history: [{ k: sha("x"), n: 1, o: "null",
    spent: 0 }] });
  assert.equal(end.code, "replay_diverged");
});

// --- Ends ----------------------------------------------------------------------------------------

const ENDS = {
  'return 1n;': "result_not_json",
  'const a = {}; a.a = a; return a;': "result_not_json",
  'return { get x() { throw new Error("g"); } };': "result_not_json",
  'return "x".repeat(2 ** 20);': "output_too_large",
  'await new Promise(() => {});': "never_settles",
  'await { then() {} };': "never_settles",
  'for (let i = 0; i < 9000; i++) agent("p" + i); await agent("x");': "too_many_calls",
  'for (;;) log("x");': "too_many_lines",
  'const a = []; for (;;) a.push(new Array(10000).fill(1));': "memory_exceeded",
  'new Uint8Array(2 ** 31 - 1);': "memory_exceeded",
  'let s = "x"; for (;;) s += s + "y";': "script_error",
  'for (;;) {}': "script_stuck",
  'for (;;) await 0;': "script_stuck",
  'const f = () => { Promise.resolve().then(f); }; f(); await agent("x");': "script_stuck",
  '/(a+)+$/.test("a".repeat(50) + "b");': "script_stuck",
  'try { for (;;); } catch {} finally { for (;;); }': "script_stuck",
  'return { toJSON() { for (;;); } };': "script_stuck",
  'throw { get message() { for (;;); } };': "script_stuck",
  'throw null;': "script_error",
  'throw { get message() { throw 1; } };': "script_error",
  'throw new Proxy({}, { get() { throw 1; } });': "script_error",
  'const f = () => f() + 1; f();': "script_error",
  'return eval("1");': "script_error",
  'return Function("return 1")();': "script_error",
  'return (async () => {}).constructor("");': "script_error",
  'return (function* () {}).constructor("");': "script_error",
  'await import("fs");': "script_error",
  'setTimeout(() => {}, 1);': "script_error",
  'const a = ;': "syntax_error",
  'let a; let a;': "syntax_error",
  '})); (function () { (async () => {': "syntax_error",
  'const a: number = 1;': "syntax_error",
  'import x from "y";': "syntax_error",
  'with ({}) {}': "syntax_error",
};
test("each bad end has its cause", { concurrency: 2 }, async (t) => {
  const limits = { cpu_ms: 400, memory_mb: 32, agents: 100000 };
  await Promise.all(Object.entries(ENDS).map(([script, code]) => t.test(script, async (t) => {
    const { end, code: exit } = await play(t, script, { limits });
    assert.deepEqual([end?.code, exit], [code, 0], JSON.stringify(end));
  })));
});

const LINES = {
  "\n\nfor (;;) {}": 3,
  "let i = 0;\nwhile (true) i++;": 2,
  "const s = 'for'; // while\nconst f = () => {\n\n  do {} while (s);\n};\nawait parallel([f]);": 4,
  "await pipeline([1], () => 1,\n  (v) => {\n    for (;;) v++;\n  });": 3,
  "await agent('x');\n\nfor (;;)\n  await 0;": 3,
  "function f() {\n  null.x;\n}\n f();": 2,
  "const a = 1;\n  const b = ;": 2,
  "\nsetTimeout(() => {}, 1);": 2,
  "\n\nDate.now();": 3,
  "Error.stackTraceLimit = 0; Error.prototype.name = 1;\nnull.x;": 2,
};
test("an end says the line of the user's file", async (t) => {
  await Promise.all(Object.entries(LINES).map(([script, line]) => t.test(script, async (t) => {
    assert.equal((await failed(t, script, { limits: { cpu_ms: 100 } })).line, line);
  })));
});

test("what is thrown is told in words, whatever it is", async (t) => {
  const thrown = { 5: "5", "{ code: 5 }": '{"code":5}', "null": "null", "Symbol('s')": "Symbol(s)",
    "undefined": "undefined", "[1]": "[1]",
    "{ toString() { throw 1; } }": "an object that does not tell what it is" };
  for (const [value, words] of Object.entries(thrown)) {
    assert.equal((await failed(t, `throw ${value};`)).message, `thrown: ${words}`);
  }
  assert.equal((await failed(t, 'throw { message: "m", name: "N" };')).name, "N");
});

test("deep recursion can be caught", async (t) => {
  assert.equal(await result(t,
    "const f = () => f() + 1; try { f(); } catch (e) { return e.name; }"), "RangeError");
});

test("a worker ends with its host, at its word, and when it is told nonsense", async (t) => {
  for (const [end, code] of [
    [(w) => w.close(), 0], [(w) => w.say({ t: "stop" }), 0],
    [(w) => w.say({ t: "settle", id: 99, ...value(1) }), 2], [(w) => w.say({ t: "settle", id: 1,
      o: "?" }), 2],
  ]) {
    const worker = new Worker(t);
    worker.start('await agent("x");');
    await worker.turn();
    end(worker);
    assert.equal(await worker.ended, code);
  }
});

// --- A world without time and chance -------------------------------------------------------------

const REFUSED = [
  "Date.now()", "Date()", "new Date()", "Math.random()", "new Date(0).constructor.now()",
  "new (class extends Date {})()", "Reflect.construct(Date, [])", "const D = Date; D.now()",
  "globalThis.Date.now.call()", "Date.prototype.constructor()", "(0, eval)('1')",
  "(() => {}).constructor('')", "Reflect.construct(Function, [''])",
    "new (class extends Function {})('return 1')",
  "(async function* () {}).constructor('')",
    "Object.getPrototypeOf(async () => {}).constructor('')",
];
test("time, chance and code from text are refused by every way to them", async (t) => {
  const script = REFUSED.map((code) => `try { ${code}; log("open"); } catch (e) { log(e.message);
    }`).join("\n");
  const { messages, end } = await play(t, script);
  assert.equal(end.ok, true, JSON.stringify(end));
  messages.slice(0, -1).forEach((m, i) => assert.match(m.text, /is not available: /, REFUSED[i]));
});

test("what is not there is not there, and words are no calls", async (t) => {
  assert.deepEqual(await result(t, `return ["performance", "WeakRef", "FinalizationRegistry",
    "SharedArrayBuffer",
    "Atomics", "WebAssembly", "require", "process", "fetch", "setTimeout", "setInterval",
    "setImmediate", "print"].filter((n) => n in globalThis);`), []);
  assert.deepEqual(await result(t, `return [typeof setTimeout, typeof setInterval, typeof require,
    typeof process, typeof fetch, typeof setImmediate, typeof module];`),
  Array(7).fill("undefined"));
  for (const use of ["setTimeout(log, 1)", "require('fs')", "process.env", "await fetch('x')"]) {
    const end = await failed(t, `log(typeof setTimeout);\n  ${use};`);
    const name = /\w+(?=[(.])/.exec(use)[0];
    assert.deepEqual([end.code, end.name, end.line], ["script_error", "ReferenceError", 2]);
    assert.match(end.message, new RegExp(`\\b${name}\\b.* is not defined`));
  }
  assert.deepEqual(await result(t, `// Date.now()
    return ["Math.random()", new Date(5).getTime(), new Date(2020, 0).getTimezoneOffset(),
      Date.UTC(1970, 0), Date.name,
      Date.length, new Date(0) instanceof Date, (() => {}) instanceof Function,
        agent.toString().includes("askAgent")];`),
  ["Math.random()", 5, 0, 0, "Date", 7, true, true, false]);
});

test("a script that spoils every prototype spoils nothing of ours", async (t) => {
  const script = `
    const { ownKeys, defineProperty, getOwnPropertyDescriptor } = Reflect;
    const spy = () => { throw "spoiled"; };
    const trap = { __proto__: null, get: spy, set: spy, configurable: true };
    const quiet = { __proto__: null, get() {}, set: spy, configurable: true };
    const kinds = [Array, String, Number, Promise, Map, Set, RegExp, Date, Error, Function];
    const spoiled = [JSON, Math, Object, Promise, Array, Reflect];
    for (let i = 0; i < kinds.length; i++) spoiled[6 + i] = kinds[i].prototype;
    const base = Object.prototype, map = new Map([[{}, [1]]]);
    const names = { __proto__: null, t: 1, o: 1, v: 1, id: 1, spent: 1, toJSON: 1, then: 1, get: 1,
      set: 1, value: 1, label: 1, text: 1, prompt: 1, 0: 1, 1: 1 };
    for (let i = 0; i < spoiled.length; i++) {
      const keys = ownKeys(spoiled[i]);
      for (let j = 0; j < keys.length; j++) {
        const about = getOwnPropertyDescriptor(spoiled[i], keys[j]);
        if (about.configurable && keys[j] !== "constructor") defineProperty(spoiled[i], keys[j],
          trap);
      }
    }
    for (const k in names) defineProperty(base, k, quiet);
    phase("p"); log("l");
    log("%s %j", { a: [1, 2], b: null }, 1, /x/, map, "x");
    const r = await parallel([() => agent("a", { label: "x", schema: { type: "object" } }),
      () => agent("b")]);
    const q = await pipeline([1], () => agent("c"));
    const w = await workflow("w", 1);
    return { a: r, b: q, c: w, n: budget.remaining() };`;
  const { end, calls, messages } = await play(t, script, { total: 50,
    answer: (c) => ({ ...value("v" + c.id),
    spent: c.id }) });
  assert.deepEqual(end, { t: "end", ok: true, result: { a: ["v1", "v2"], b: ["v3"], c: "v4",
    n: 46 } });
  assert.deepEqual(calls.map((c) => c.opts), [{ schema: { type: "object" } }, {}, {}, undefined]);
  assert.match(messages.filter((m) => m.t === "log")[1].text, / 1 \[RegExp\] Map\(1\) .* x$/s);
});
