// workflow-contract-rules.mjs: what a script finds in its world and what it does not, what is the
// same each time, and which results there are.
import assert from "node:assert/strict";

import { fails, gives, refuses, throws } from "./workflow-contract.mjs";
import { whole } from "./workflows.mjs";

// --- What is there -------------------------------------------------------------------------------

const OURS = ["agent", "parallel", "pipeline", "phase", "log", "workflow"];
const BUILT_IN = [
  "Array", "ArrayBuffer", "BigInt", "Boolean", "DataView", "Date", "Error", "Float64Array",
  "Function", "Int8Array", "JSON", "Map", "Math", "Number", "Object", "Promise", "Proxy",
  "RangeError", "Reflect", "RegExp", "Set", "String", "Symbol", "SyntaxError", "TypeError",
  "Uint8Array", "WeakMap", "WeakSet", "decodeURIComponent", "encodeURIComponent", "globalThis",
  "isFinite", "isNaN", "parseFloat", "parseInt", "queueMicrotask",
];
const NOT_THERE = [
  "process", "require", "fetch", "Buffer", "Deno", "XMLHttpRequest", "WebSocket", "Worker",
  "window", "self", "global", "os", "std", "bjson", "print", "scriptArgs", "navigator", "crypto",
  "performance", "WeakRef", "FinalizationRegistry", "SharedArrayBuffer", "Atomics", "WebAssembly",
];

const world = [
  gives("the functions of workflows are there", `
return [${OURS.map((name) => `typeof ${name}`)}, typeof budget, typeof console.log]`,
    [...OURS.map(() => "function"), "object", "function"]),
  gives("the language's own objects are there",
    `return ${JSON.stringify(BUILT_IN)}.filter((name) => !(name in globalThis))`, []),
  gives("nothing of a system, a browser or another engine is there",
    `return ${JSON.stringify(NOT_THERE)}.filter((name) => typeof globalThis[name] !== 'undefined')`,
    []),
  gives("names of a module's world are not there",
    "return [typeof require, typeof process, typeof fetch, typeof __dirname, typeof Buffer]",
    Array(5).fill("undefined")),
  gives("timers are not there, and a test by typeof says so", `
const nap = async (ms) => "function"==typeof setTimeout?new Promise((r)=>setTimeout(r,ms)):"none";
return [typeof setTimeout, typeof setInterval, typeof setImmediate, await nap(5)]`,
  ["undefined", "undefined", "undefined", "none"]),
  ...["setTimeout", "setInterval", "setImmediate", "require", "fetch"].map((name) =>
    fails(`${name} without a test throws at its line`, `log('before');\n${name}('x', 1);`,
      { name: "ReferenceError", message: new RegExp(name), line: 3 }, { logs: ["before"] })),
  ...["eval('1 + 1')", "new Function('return 1')()", "Function('return 1')()",
    "(async () => {}).constructor('return 1')()", "(function* () {}).constructor('yield 1')()",
    "agent.constructor('return 1')()"].map((text) =>
    throws(`${text} makes no code`, `return ${text}`, /^EvalError: |^TypeError: /)),
  gives("microtasks run in their order", `
const seen = [];
queueMicrotask(() => seen.push(1)); Promise.resolve().then(() => seen.push(2));
await null; await null; return seen`, [1, 2]),
  gives("generators, classes and async iteration work", `
class Herd { #sheep = [3, 1, 2]; async *[Symbol.asyncIterator]() { yield* this.#sheep }
  static { this.kind = 'herd' } }
const seen = []; for await (const one of new Herd()) { seen.push(one) }
return [Herd.kind, seen.sort((a, b) => a - b)]`, ["herd", [1, 2, 3]]),
];

// --- What is the same each time ------------------------------------------------------------------

const CLOCKS = [
  ["Date.now()", /Date\.now/],
  ["new Date()", /Date/],
  ["Date()", /Date/],
  ["Math.random()", /Math\.random/],
  ["(() => { const D = Date; return D.now() })()", /Date\.now/],
  ["(new Date(0)).constructor.now()", /Date\.now/],
  ["new (Object.getPrototypeOf(new Date(0)).constructor)()", /Date/],
  ["Reflect.construct(Date, [])", /Date/],
  ["new (class extends Date {})()", /Date/],
  ["globalThis['Da' + 'te']['no' + 'w']()", /Date\.now/],
  ["new Date(...[])", /Date/],
  ["Date.call(null)", /Date/],
  ["Reflect.apply(Math.random, Math, [])", /Math\.random/],
];

const clocks = [
  ...CLOCKS.map(([text, message]) => fails(`${text} throws`, `const a = 1;\nreturn ${text};`,
    { message, line: 3 })),
  gives("a guard's error is caught like any other", `
const seen = [];
for (const call of [Date.now, Math.random, () => new Date()]) {
  try { seen.push(typeof call()) } catch (error) { seen.push(error instanceof Error) }
}
return seen`, [true, true, true]),
  gives("words in texts, comments and patterns are only words", `
// Date.now() and Math.random() and new Date() and import('fs') and setTimeout()
/* eval('1'); new Function('x') */
const text = "Date.now() " + 'Math.random() ' + \`new Date() import('x') \${1}\`;
return [text, /Date\\.now\\(\\)/.test(text), { 'Math.random()': 1 }]`,
    ["Date.now() Math.random() new Date() import('x') 1", true, { "Math.random()": 1 }]),
  gives("prompts may speak of what scripts may not do",
    "return await agent('say: call Date.now() and Math.random()')",
    "call Date.now() and Math.random()"),
  gives("names like theirs are free", `
const clock = { now: () => 5, random: () => 6 };
const Math2 = { random: 7 };
return [clock.now(), clock.random(), Math2.random]`, [5, 6, 7]),
  gives("a date that is told is a date", `
const date = new Date('2024-02-29T12:00:00Z');
return [date.toISOString(), new Date(0).getTime(), Date.UTC(2000, 0, 1), Date.parse('1970-01-01'),
  new Date(date).getTime() === date.getTime(), date instanceof Date, new Date(NaN).getTime()]`,
    ["2024-02-29T12:00:00.000Z", 0, 946684800000, 0, true, true, null]),
  gives("time is told in UTC",
    "const d = new Date(2000, 0, 1); return [d.toISOString(), d.getTimezoneOffset(), d.getHours()]",
    ["2000-01-01T00:00:00.000Z", 0, 0]),
  gives("the rest of Math is there",
    "return [Math.max(1, 2), Math.floor(1.5), Math.hypot(3, 4), Math.PI > 3]", [2, 1, 5, true]),
];

// --- Results -------------------------------------------------------------------------------------

const RESULTS = [
  ["undefined", "undefined", null],
  ["a function", "() => 1", null],
  ["a symbol", "Symbol('a')", null],
  ["no number", "NaN", null],
  ["infinity", "[Infinity, -Infinity]", [null, null]],
  ["minus zero", "-0", 0],
  ["members that are undefined", "{ a: undefined, b: [undefined], c: () => 1 }", { b: [null] }],
  ["a date", "new Date(0)", "1970-01-01T00:00:00.000Z"],
  ["a map and a set", "[new Map([[1, 2]]), new Set([1])]", [{}, {}]],
  ["what has a form of its own", "{ toJSON: () => ({ own: 1 }) }", { own: 1 }],
  ["what is computed", "{ get a() { return 1 } }", { a: 1 }],
  ["a class's object", "new (class { a = 1; #b = 2 })()", { a: 1 }],
  ["a text with all kinds of characters", "'\\u0000\\u001f\\\\\"ü🐑\\u2028'",
    "\0\u001f\\\"ü🐑\u2028"],
  ["an object that inherits nothing", "Object.assign(Object.create(null), { a: 1 })", { a: 1 }],
  ["an array with a hole", "[1, , 3]", [1, null, 3]],
  ["a number that is barely one", "[5e-324, -1e308, 0.1]", [5e-324, -1e308, 0.1]],
  ["an error", "Object.keys(new Error('a'))", []],
];

const results = [
  ...RESULTS.map(([what, text, result]) => {
    return gives(`${what} as a result is what JSON makes of it`, `return ${text}`, result);
  }),
  fails("a result that holds itself is told", "const a = {}; a.me = [a];\nreturn a",
    { code: "result_not_json" }),
  gives("whole numbers beyond 64 bits are results like others",
    "return [2 ** 63, -(2 ** 64), 2 ** 63 - 1024, 123456789012345678901, Number.MAX_VALUE]",
    [2 ** 63, -(2 ** 64), 2 ** 63 - 1024, 123456789012345678901, Number.MAX_VALUE]),
  fails("a result with a BigInt is told", "return { n: 10n }", { code: "result_not_json" }),
  fails("a result whose getter throws is told",
    "return { get a() { throw new Error('not mine') } }", { code: /result_not_json|script_error/ }),
  fails("a result over 1 MB is told", "return 'x'.repeat(1 << 20)", { code: "output_too_large" }),
  gives("a result just below 1 MB is kept whole, and its event refers to it",
    "return 'x'.repeat(1000000)", undefined, { check({ end, record }) {
      assert.equal(end.result_cut, true);
      assert.equal(record.result.result.length, 1_000_000);
    } }),
  gives("a result of 100 kB stands in the event", "return 'x'.repeat(100000)", /^x{100000}$/),
];

// --- What never comes ----------------------------------------------------------------------------

const stuck = [
  fails("a script that waits for what cannot come is told", "await new Promise(() => {})",
    { code: "never_settles" }),
  fails("so is one that waits behind an agent",
    "await agent('say: a'); await new Promise(() => {})", { code: "never_settles" },
    { agents: { succeeded: 1 } }),
  fails("and one whose thenable never says anything",
    "await { then() {} }; return 1", { code: "never_settles" }),
  gives("an unhandled rejection of what nobody waits for harms nothing",
    "Promise.reject(new Error('nobody looks')); agent(''); return await agent('say: a')", "a"),
  gives("Promise.race gives who was first", `
const slow = agent('delay: 600s', { label: 'slow' });
return await Promise.race([slow, agent('say: fast', { label: 'fast' })])`, "fast"),
  gives("Promise.any and Promise.allSettled work on agents", `
const bad = agent('', {}).catch((error) => { throw error });
const any = await Promise.any([bad, agent('say: a')]);
const all = await Promise.allSettled([bad, agent('say: b')]);
return [any, all.map((one) => one.status)]`, ["a", ["rejected", "fulfilled"]]),
];

export default [...world, ...clocks, ...results, ...stuck];
