// flow.test.mjs: how a worker describes the file of a flow and evaluates its functions, frame by
// frame.
//
// runs-with: release
import assert from "node:assert/strict";
import { test } from "node:test";

import { Worker } from "./host.mjs";

const FUNCTION = { function: true };
// A description without the digests of its functions.
const plain = (flow) => JSON.parse(JSON.stringify(flow), (name, value) => {
  if (name !== "digest" || typeof value !== "string") return value;
  assert.match(value, /^[0-9a-f]{32}$/);
  return undefined;
});
const quiet = (settled) => ({ t: "quiet", settled });

// A worker with a flow that was described.
const started = async (t, script, options) => {
  const worker = new Worker(t);
  const [first] = await worker.flow(script, options);
  assert.equal(first.t, "flow", JSON.stringify(first));
  return worker;
};
// The end of a file that is no flow.
const refused = async (t, script, options) => {
  const end = (await new Worker(t).flow(script, options)).at(-1);
  assert.deepEqual([end.t, end.ok], ["end", false], JSON.stringify(end));
  return `${end.name}: ${end.message}`;
};
// The answer to the run() of a code step with this body.
const ran = async (t, body, { know, ...options } = {}) => {
  const worker = await started(t, `return { steps: [{ id: "a", kind: "code", async run(ctx) {
    ${body} } }] };`, options);
  const frame = await worker.ask({ t: "know", results: {}, ...know },
    { t: "eval", id: 1, what: "run", step: "a" });
  return frame[0];
};

// --- The description -----------------------------------------------------------------------------

test("a flow is described as JSON, its functions as what they are", async (t) => {
  const [first, last] = await new Worker(t).flow(`const run = (ctx) => "x";
    return { name: "n", description: "é\\ud800", batchConfig: { maxConcurrent: 2 },
      nothing: undefined, [Symbol()]: 1, steps: [
        { id: "a", kind: "code", when: () => true, run, deps: [] },
        { id: "b", kind: "switch", cases: [{ label: "l", condition() {}, stepIds: ["a"] }],
          loop: { until: async () => 1, max: 3 },
          schema: { type: "object", x: [null, 1.5, true] } },
      ], render: class {}, output() {} };`);
  assert.deepEqual(plain(first), { t: "flow", flow: {
    name: "n", description: "é\ud800", batchConfig: { maxConcurrent: 2 },
    steps: [
      { id: "a", kind: "code", when: FUNCTION, run: FUNCTION, deps: [] },
      { id: "b", kind: "switch", cases: [{ label: "l", condition: FUNCTION, stepIds: ["a"] }],
        loop: { until: FUNCTION, max: 3 }, schema: { type: "object", x: [null, 1.5, true] } },
    ], render: FUNCTION, output: FUNCTION,
  } });
  assert.deepEqual(last, quiet(0));
});

test("two functions differ by their text, whatever the script does", async (t) => {
  const digests = async (run) => {
    const [{ flow }] = await new Worker(t).flow(`Function.prototype.toString = () => "same";
      String.prototype.slice = () => "same";
      return { run: ${run}, other: () => 2 };`);
    return [flow.run.digest, flow.other.digest];
  };
  const [first, other] = await digests("() => 1");
  assert.notEqual(first, other);
  assert.deepEqual(await digests("() => 1"), [first, other]);
  const edited = await digests("() => 1 ");
  assert.deepEqual(edited, [first, other], "blanks around it are none of its text");
  assert.notEqual((await digests("() => 3"))[0], first);
});

test("the file may await, and its lines of log come before its description", async (t) => {
  const frame = await new Worker(t).flow('log("a"); await 0; console.log("b"); return {};');
  assert.deepEqual(frame, [{ t: "log", text: "a", no: 1 }, { t: "log", text: "b", no: 2 },
    { t: "flow", flow: {} }, quiet(0)]);
});

test("the texts that the reader makes of its forms are those of flows", async (t) => {
  const object = "function module(){}function exports(){}return module.exports;";
  for (const script of ["$main=         { name: 'n' }\n;var $main;return $main;",
    `module.exports = { name: 'n' }\n;${object}`]) {
    assert.deepEqual((await new Worker(t).flow(script))[0], { t: "flow", flow: { name: "n" } });
  }
});

const NO_FLOWS = {
  "return 1": "must be a flow, an object with name, description, steps and render; it is number",
  "return null": "it is null",
  "return () => 1": "it is a function",
  "return [1]": "it is a list",
  "return undefined": "it is undefined",
  "return { steps: [{ id: 'a', deps: [Symbol()] }] }": "steps[0].deps[0] is a symbol",
  "return { a: 1n }": "a is a BigInt",
  "return { a: { b: NaN } }": "a.b is NaN",
  "return { a: [-Infinity] }": "a[0] is infinite",
  "return { a: [1, , 2] }": "a[1] is undefined",
  "const a = {}; a.a = a; return a": "a.a.a.a.a.a is nested too deeply, or a part of itself",
  "const a = []; a.push(a, a, a); return { a }": "is nested too deeply, or a part of itself",
  "let a = 1; for (let i = 0; i < 1e5; i++) a = [a]; return { a }": "nested too deeply",
  "return { a: new Array(4e9) }": "a[0] is undefined",
  "return { steps: new Array(501).fill({}) }": "a flow has at most 500 steps",
  "return { steps: new Proxy([], { get: (l, n) => n === 'length' ? 1e9 : l[n] }) }": "at most 500",
  "return { a: new Proxy([], { get: (l, n) => n === 'length' ? 1e9 : 1 }) }": "over 256 kB of JSON",
  "return { a: new Uint8Array(1e6) }": "over 256 kB of JSON",
  "return { a: 'x'.repeat(300000) }": "over 256 kB of JSON, which ends at a",
  "return { a: 'é'.repeat(200000) }": "over 256 kB of JSON",
  "return { ['x'.repeat(300000)]: 1 }": "over 256 kB of JSON",
  "return { get a() { throw new RangeError('mine'); } }": "RangeError: mine",
  "return new Proxy({}, { ownKeys() { throw new Error('trapped'); } })": "Error: trapped",
  "const { proxy: a, revoke } = Proxy.revocable({}, {}); revoke(); return { a }": "revoked proxy",
  "throw new TypeError('early')": "TypeError: early",
  "await new Promise(() => {})": "waits for what cannot come",
  "return agent('x')": "TypeError: agent() is not available in a flow: its steps are what runs, "
    + "and run() of a code step starts agents by ctx.dispatch(agent, task)",
  "return Date.now()": "Date.now() is not available",
  "return Math.random()": "Math.random() is not available",
  "return eval('1')": "eval() is not available",
  "return import('fs')": "import() is not available",
  "return args.x": "TypeError: ",
  "return ]": "SyntaxError: ",
};
test("what is no flow ends the worker with a sentence that names the place", async (t) => {
  for (const [script, words] of Object.entries(NO_FLOWS)) {
    const said = await refused(t, script);
    assert.ok(said.includes(words) && said.length < 400, `${script}: ${said}`);
  }
});

test("an endless getter, and too much memory, are ends that say so", async (t) => {
  const limits = { cpu_ms: 200, memory_mb: 64 };
  for (const [script, code] of [
    ["return { get a() { for (;;); } }", "script_stuck"],
    ["for (;;);", "script_stuck"],
    ["const ownKeys = () => { const l = []; for (;;) l.push('x'.repeat(1e6) + l.length); };" +
      "return new Proxy({}, { ownKeys })", "memory_exceeded"],
  ]) {
    const end = (await new Worker(t).flow(script, { limits })).at(-1);
    assert.deepEqual([end.t, end.code], ["end", code], script);
  }
});

test("each getter is read once, and what the script does to its object later counts for nothing",
  async (t) => {
  const worker = await started(t, `let reads = 0;
    const first = () => "first", second = () => "second";
    const step = { id: "a", kind: "code", get run() { return reads++ ? second : first; } };
    const flow = { steps: [step], render() { return reads + this.steps[0].id; } };
    globalThis.spoil = () => {
      Object.defineProperty(step, "run", { value: second }); flow.render = second;
      step.id = "b"; flow.steps = [step, step];
    };
    flow.output = () => { spoil(); return "spoilt"; };
    return flow;`);
  const ask = async (what, step) => (await worker.ask({ t: "eval", id: 1, what, step }))[0].v;
  assert.equal(await ask("output"), "spoilt");
  assert.equal(await ask("run", "a"), "first");
  assert.equal(await ask("render"), "1b", "only this is the script's own object");
});

test("prototypes that a script replaced change neither descriptions nor answers", async (t) => {
  const worker = new Worker(t);
  const [first] = await worker.flow(`
    Object.prototype.toJSON = Array.prototype.toJSON = () => "no";
    String.prototype.toJSON = () => "no"; Object.prototype.get = Object.prototype.value = 1;
    Object.prototype.t = "stop"; Object.prototype.step = "zz"; Object.prototype.body = () => "no";
    Array.prototype.push = Array.prototype[Symbol.iterator] = null;
    Object.keys = JSON.stringify = Reflect.apply = null; Promise.prototype.then = () => {};
    return { steps: [{ id: "__proto__", kind: "code", run: (ctx) => ctx.dispatch("a", "b") }],
      render: () => "r" };`);
  assert.deepEqual(plain(first.flow.steps[0].run), FUNCTION);
  assert.equal(first.flow.steps[0].id, "__proto__");
  const [call] = await worker.ask({ t: "know", results: { a: "A" } },
    { t: "eval", id: 1, what: "run", step: "__proto__" });
  assert.deepEqual(call, { t: "dispatch", id: 1, call: 1, agent: "a", task: "b" });
  const [value] = await worker.ask({ t: "answer", id: 1, call: 1, o: "value", v: "text" });
  assert.deepEqual(value, { t: "value", id: 1, v: "text" });
  assert.equal((await worker.ask({ t: "eval", id: 2, what: "render" }))[0].v, "r");
});

// --- Evaluations ---------------------------------------------------------------------------------

test("each kind of function is found by its step, with what it is a member of", async (t) => {
  const worker = await started(t, `return {
    word: "w", render(ctx) { return this.word; }, output: async () => "out.md",
    steps: [{ id: "a", kind: "switch", word: "s", when() { return this.word; },
      run() { return { a: [this.word] }; }, cases: [{ label: "x", condition: () => "" },
        { label: "y", word: 0, async condition() { return this.word === 0; } }],
      loop: { max: 2, until: () => null } }],
  };`);
  const frame = await worker.ask(...[
    { what: "when", step: "a" }, { what: "case", step: "a", no: 0 },
    { what: "case", step: "a", no: 1 }, { what: "until", step: "a" }, { what: "run", step: "a" },
    { what: "render" }, { what: "output" },
  ].map((order, i) => ({ t: "eval", id: i + 1, ...order })));
  assert.deepEqual(frame, [true, false, true, false, { a: ["s"] }, "w", "out.md"].map((v, i) =>
    ({ t: "value", id: i + 1, v })).concat(quiet(7)));
});

test("a missing function, and one that throws, fail their evaluation alone", async (t) => {
  const worker = await started(t, `const deep = (n) => { throw new RangeError("over"); };
    return { steps: [{ id: "a", kind: "code",
      run: () => deep(1) },
      { id: "b", kind: "agent", run: async () => { await 0; throw { odd: 1 }; }, cases: "x" }] };`);
  const order = (id, what, step) => ({ t: "eval", id, what, step, no: 0 });
  const frame = await worker.ask(order(1, "run", "a"), order(2, "run", "b"), order(3, "case", "b"),
    order(4, "until", "a"), order(5, "run", "zz"), order(6, "render"));
  assert.deepEqual(frame.slice(0, -1), [
    { id: 1, name: "RangeError", message: "over", line: 1, column: 33 },
    { id: 2, name: "Error", message: 'thrown: {"odd":1}' },
    { id: 3, name: "TypeError", message: 'step "b" has no function condition' },
    { id: 4, name: "TypeError", message: 'step "a" has no function until' },
    { id: 5, name: "TypeError", message: 'step "zz" has no function run' },
    { id: 6, name: "TypeError", message: "the flow has no function render" },
  ].map((failed) => ({ t: "failed", ...failed })));
  assert.equal((await worker.ask(order(7, "run", "a")))[0].message, "over");
});

test("an answer is a text as it is, or JSON that is not too large", async (t) => {
  const value = async (body) => (await ran(t, body)).v;
  assert.equal(await value('return "a\\n\\u0001\\ud83d\\ude00";'), "a\n\u0001😀");
  assert.deepEqual(await value("return [1, { a: null }, new Date(0)];"),
    [1, { a: null }, "1970-01-01T00:00:00.000Z"]);
  assert.equal(await value("return;"), null);
  assert.equal(await value("return null;"), null);
  const failure = async (body) => {
    const said = await ran(t, body);
    assert.equal(said.t, "failed", JSON.stringify(said));
    return `${said.name}: ${said.message}`;
  };
  assert.equal(await failure("return () => 1;"),
    "TypeError: run() must return a text, or JSON, and no function");
  assert.equal(await failure('return "x".repeat(2 ** 20);'),
    "RangeError: run() returned over 1 MB of JSON");
  assert.match(await failure("const a = {}; a.a = a; return a;"), /^TypeError: circular/);
  assert.match(await failure("return 1n;"), /^TypeError: /);
  assert.match(await failure("return { toJSON() { throw new RangeError('mine'); } };"), /: mine$/);
  assert.match(await failure("throw new Error('x'.repeat(1e6));"), /^Error: x{16384}$/);
  assert.match(await failure("const f = () => f() + 1; return f();"), /stack/i);
  assert.match(await failure("throw new Proxy({}, { get() { throw 1; } });"), /does not tell/);
});

test("a function gets a frozen copy of the input, and what is known", async (t) => {
  const input = { question: "q", band: { deep: [1] } };
  const said = await ran(t, `const no = [];
    for (const f of [() => { ctx.input.question = 1; }, () => ctx.input.band.deep.push(2),
      () => { ctx.results.b = 1; }, () => { delete ctx.results.a; }, () => { ctx.model = 1; },
      () => Object.defineProperty(ctx.results, "z", { value: 1 }),
      () => Object.setPrototypeOf(ctx.results, null)]) {
      try { f(); no.push("done"); } catch (e) { no.push(e.name); }
    }
    return [ctx.input, { ...ctx.results }, ctx.model, ctx.rejected, Object.keys(ctx), no];`,
  { input, model: "m/x", know: { results: { a: "A", gone: null }, rejected: "too long" } });
  assert.deepEqual(said.v, [input, { a: "A" }, "m/x", "too long",
    ["input", "results", "model", "rejected", "dispatch"], Array(7).fill("TypeError")]);
  assert.deepEqual((await ran(t, "return [typeof ctx.input, typeof ctx.model, typeof ctx.rejected,"
    + " ctx.results];")).v, ["undefined", "undefined", "undefined", {}]);
});

test("a script cannot keep one evaluation's input and change it for another", async (t) => {
  const worker = await started(t, `let kept;
    return { render: (ctx) => [kept === ctx.input, (kept = ctx.input).a] };`, { input: { a: 1 } });
  for (const id of [1, 2]) {
    assert.deepEqual((await worker.ask({ t: "eval", id, what: "render" }))[0].v, [false, 1]);
  }
});

test("results change between evaluations, and never within one", async (t) => {
  const worker = await started(t, `return { steps: [{ id: "a", kind: "code", async run(ctx) {
    await ctx.dispatch("x", "y"); return { ...ctx.results }; } }],
    render: (ctx) => ({ ...ctx.results, r: ctx.rejected }) };`);
  const render = async (id) => (await worker.ask({ t: "eval", id, what: "render" }))[0].v;
  await worker.ask({ t: "know", results: { a: "1", __proto__x: "p" } },
    { t: "eval", id: 1, what: "run", step: "a" });
  await worker.ask({ t: "know", results: { a: null, b: "2" }, rejected: "no" });
  assert.deepEqual(await render(2), { __proto__x: "p", b: "2", r: "no" });
  await worker.ask({ t: "know", results: { b: "3" } });
  assert.deepEqual(await render(3), { __proto__x: "p", b: "3", r: "no" });
  await worker.ask({ t: "know", rejected: null });
  assert.deepEqual(await render(4), { __proto__x: "p", b: "3" });
  const [value] = await worker.ask({ t: "answer", id: 1, call: 1, o: "value", v: "" });
  assert.deepEqual(value.v, { a: "1", __proto__x: "p" });
});

test("a result of a step that is called __proto__ is one like any other", async (t) => {
  const worker = await started(t, `return { render: (ctx) => [ctx.results["__proto__"],
    Object.keys(ctx.results), Object.getPrototypeOf(ctx.results) === Object.prototype] };`);
  worker.say(JSON.parse('{"t":"know","results":{"__proto__":"mine","a":"A"}}'));
  await worker.turn();
  worker.say({ t: "know", results: { a: null } });
  await worker.turn();
  assert.deepEqual((await worker.ask({ t: "eval", id: 1, what: "render" }))[0].v,
    ["mine", ["__proto__"], true]);
});

const READS = {
  "ctx.results": undefined, "ctx.input": undefined, "({ ...ctx }).results": undefined,
  "ctx.results.a": true, "ctx.results.zz": true, '"a" in ctx.results': true,
  "Object.keys(ctx.results)": true, "JSON.stringify(ctx)": true, "({ ...ctx.results })": true,
  "(() => { for (const x in ctx.results); })()": true, 'Object.hasOwn(ctx.results, "a")': true,
};
test("a value says whether results were read, however that was done", async (t) => {
  for (const [what, read] of Object.entries(READS)) {
    const said = await ran(t, `${what}; return 1;`, { know: { results: { a: "A" } } });
    assert.deepEqual(said, { t: "value", id: 1, v: 1, ...(read && { read }) }, what);
  }
});

test("scripts of workflows have functions that throw here and name dispatch", async (t) => {
  for (const name of ["agent", "parallel", "pipeline", "workflow", "phase"]) {
    const said = await ran(t, `return ${name}([]);`);
    assert.deepEqual([said.t, said.name], ["failed", "TypeError"]);
    assert.ok(said.message.startsWith(`${name}() is not available in a flow`));
    assert.ok(said.message.includes("ctx.dispatch(agent, task)"));
  }
  assert.deepEqual((await ran(t, "return [typeof args, typeof budget, typeof meta];")).v,
    Array(3).fill("undefined"));
});

// --- Dispatch ------------------------------------------------------------------------------------

test("dispatches are numbered in the order made, and answered in any", async (t) => {
  const worker = await started(t, `return { steps: [{ id: "a", kind: "code", async run(ctx) {
    const rest = ["x", "y"].map((task) => ctx.dispatch("reader", task + "é\\n"));
    const last = await rest[1]; return [await rest[0], last, await ctx.dispatch("writer", last)];
  } }] };`);
  const call = (n, agent, task) => ({ t: "dispatch", id: 7, call: n, agent, task });
  assert.deepEqual(await worker.ask({ t: "eval", id: 7, what: "run", step: "a" }),
    [call(1, "reader", "xé\n"), call(2, "reader", "yé\n"), quiet(1)]);
  const answer = (n, v) => worker.ask({ t: "answer", id: 7, call: n, o: "value", v });
  assert.deepEqual(await answer(2, "Y"), [quiet(2)]);
  assert.deepEqual(await answer(1, "X"), [call(3, "writer", "Y"), quiet(3)]);
  assert.deepEqual(await answer(3, "Z"), [{ t: "value", id: 7, v: ["X", "Y", "Z"] }, quiet(4)]);
});

test("a dispatch that failed throws at its call, and can be caught", async (t) => {
  const worker = await started(t, `return { steps: [{ id: "a", kind: "code", async run(ctx) {
    try { await ctx.dispatch("r", "1"); } catch (e) { log(e instanceof TypeError, e.message); }
    await ctx.dispatch("r", "2"); } }] };`);
  const thrown = { o: "throw", name: "TypeError", message: "bad" };
  const no = (call) => ({ t: "answer", id: 1, call, ...thrown });
  await worker.ask({ t: "eval", id: 1, what: "run", step: "a" });
  const frame = await worker.ask(no(1), no(2));
  assert.deepEqual(frame.filter((m) => m.t !== "dispatch"), [
    { t: "log", text: "true bad", no: 1 },
    { t: "failed", id: 1, name: "TypeError", message: "bad", line: 3, column: 15 }, quiet(3)]);
});

test("several evaluations are under way at once, and each has its own calls", async (t) => {
  const worker = await started(t, `return { steps: ["a", "b"].map((id) => ({ id, kind: "code",
    run: async (ctx) => id + await ctx.dispatch("r", id) })) };`);
  const frame = await worker.ask({ t: "eval", id: 1, what: "run", step: "a" },
    { t: "eval", id: 2, what: "run", step: "b" }, { t: "eval", id: 3, what: "run", step: "b" });
  assert.deepEqual(frame.slice(0, 3).map((m) => [m.id, m.call, m.task]),
    [[1, 1, "a"], [2, 1, "b"], [3, 1, "b"]]);
  const answers = await worker.ask({ t: "answer", id: 3, call: 1, o: "value", v: "3" },
    { t: "answer", id: 1, call: 1, o: "value", v: "1" });
  assert.deepEqual(answers.slice(0, 2).map((m) => [m.id, m.v]), [[3, "b3"], [1, "a1"]]);
  assert.deepEqual((await worker.ask({ t: "answer", id: 2, call: 1, o: "value", v: "2" }))[0].v,
    "b2");
});

test("a wait that cannot end fails when no dispatch of any evaluation is open", async (t) => {
  const worker = await started(t, `let shared; return { steps: [
    { id: "a", kind: "code", run: (ctx) => (shared ??= ctx.dispatch("r", "t")) },
    { id: "b", kind: "code", run: () => shared },
    { id: "c", kind: "code", when: () => ({ then() {} }) } ] };`);
  const frame = await worker.ask({ t: "eval", id: 1, what: "run", step: "a" },
    { t: "eval", id: 2, what: "run", step: "b" }, { t: "eval", id: 3, what: "when", step: "c" });
  assert.deepEqual(frame.map((m) => m.t), ["dispatch", "quiet"], "b may wait for that of a");
  const rest = await worker.ask({ t: "answer", id: 1, call: 1, o: "value", v: "v" });
  assert.deepEqual(rest, [{ t: "value", id: 1, v: "v" }, { t: "value", id: 2, v: "v" },
    { t: "failed", id: 3, name: "Error",
      message: "when() waits for what cannot come: no call of dispatch() is under way" },
    quiet(4)]);
});

const BAD_CALLS = {
  "": "TypeError: dispatch(): the agent must be a name",
  '"", "x"': "TypeError: dispatch(): the agent must be a name",
  '{}, "x"': "TypeError: dispatch(): the agent must be a name",
  '"x".repeat(201), "x"': "RangeError: dispatch(): the agent's name is over 200 bytes",
  '"x"': "TypeError: dispatch(): the task must be a text that is not empty",
  '"x", ""': "TypeError: dispatch(): the task must be a text that is not empty",
  '"x", ["y"]': "TypeError: dispatch(): the task must be a text that is not empty",
  '"x", "y".repeat(2 ** 20 + 1)': "RangeError: dispatch(): the task is over 1 MB",
};
test("a bad call of dispatch makes no message", async (t) => {
  const said = await ran(t, `const said = [];
    ${Object.keys(BAD_CALLS).map((args) => `await ctx.dispatch(${args}).catch((e) =>
      said.push(e.name + ": " + e.message));`).join("\n")} return said;`);
  assert.deepEqual(said.v, Object.values(BAD_CALLS));
});

test("a step dispatches a hundred agents, and no more", async (t) => {
  const worker = await started(t, `return { steps: [{ id: "a", kind: "code", async run(ctx) {
    const all = Array.from({ length: 101 }, (_, i) => ctx.dispatch("r", "t" + i));
    return all[100].catch((e) => e.message); } }] };`);
  const frame = await worker.ask({ t: "eval", id: 1, what: "run", step: "a" });
  assert.equal(frame.filter((m) => m.t === "dispatch").length, 100);
  assert.equal(frame.at(-2).v, "dispatch cap reached: at most 100 agents in one step");
  assert.equal(frame.at(-3).text, 'step "a": 100 calls of dispatch() had no answer when run() '
    + "returned, and will have none: is an await missing?");
});

test("dispatch is for the run of a code step alone, and while that lasts", async (t) => {
  const worker = await started(t, `let late; const call = (ctx) => ctx.dispatch("r", "t");
    return { render: call, steps: [
      { id: "a", kind: "code", when: call, cases: [{ condition: call }], loop: { until: call },
        run(ctx) { late = ctx; return "kept"; } }, { id: "b", kind: "agent", run: call },
      { id: "c", kind: "code", run: () => late.dispatch("r", "t") } ] };`);
  const frame = await worker.ask(...[["when", "a"], ["case", "a"], ["until", "a"], ["render"],
    ["run", "b"], ["run", "a"], ["run", "c"]].map(([what, step], i) =>
    ({ t: "eval", id: i + 1, what, step, no: 0 })));
  const only = "dispatch() is for run() of a code step; this is ";
  assert.deepEqual(frame.slice(0, -1).map((m) => m.message ?? m.v), [`${only}when()`,
    `${only}condition()`, `${only}until()`, `${only}render()`,
    `${only}run() of a step of another kind`, "kept",
    "dispatch(): this run() of the step has ended"]);
});

test("a dropped evaluation says nothing more, and what comes late for it is let by", async (t) => {
  const worker = await started(t, `return { steps: [{ id: "a", kind: "code", async run(ctx) {
    await ctx.dispatch("r", "1"); return ctx.dispatch("r", "2"); } }] };`);
  await worker.ask({ t: "eval", id: 1, what: "run", step: "a" });
  assert.deepEqual(await worker.ask({ t: "drop", id: 1 }), [quiet(2)]);
  assert.deepEqual(await worker.ask({ t: "answer", id: 1, call: 1, o: "value", v: "" },
    { t: "drop", id: 1 }, { t: "drop", id: 9 }), [quiet(5)]);
  worker.say({ t: "stop" });
  assert.equal(await worker.ended, 0);
});

test("a loop without an end ends the worker, wherever it stands", async (t) => {
  for (const body of ["for (;;);", "await 0; for (;;);", "return { toJSON() { for (;;); } };",
    "for (;;) await 0;", "try { for (;;); } catch { return 1; }"]) {
    const end = await ran(t, body, { limits: { cpu_ms: 200 } });
    assert.deepEqual([end.t, end.code], ["end", "script_stuck"], body);
    assert.equal(end.line, 2, body);
  }
});

test("too much memory ends the worker", async (t) => {
  const end = await ran(t, "const l = []; for (;;) l.push(new Array(1e5).fill(1));",
    { limits: { memory_mb: 64 } });
  assert.deepEqual([end.t, end.code], ["end", "memory_exceeded"]);
});

test("what is no message of a flow ends the worker", async (t) => {
  for (const message of [{ t: "settle", id: 1, o: "null" }, { t: "eval", what: "render" },
    { t: "eval", id: 1, what: "x", step: "a" }]) {
    const worker = await started(t, 'return { steps: [{ id: "a" }], render: () => 1 };');
    worker.say(message);
    assert.equal(await worker.ended, 2, JSON.stringify(message));
  }
  const worker = await started(t, `return { steps: [{ id: "a", kind: "code",
    run: (ctx) => ctx.dispatch("r", "t") }] };`);
  await worker.ask({ t: "eval", id: 1, what: "run", step: "a" });
  worker.say({ t: "answer", id: 1, call: 2, o: "value", v: "" });
  assert.equal(await worker.ended, 2);
});
