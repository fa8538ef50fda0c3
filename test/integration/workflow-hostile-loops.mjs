// workflow-hostile-loops.mjs: scripts that take all the time, all the stack or all the memory there
// is, wherever code of theirs is called from.
//
// A row is [what it does, its body from line 2 on, how it may end, more]. The end is one of the
// codes, or "ok" where the script may come to its own end; more: {line} of the error, {result}.

const STUCK = "script_stuck";
const MEMORY = "memory_exceeded";
/** Where the engine says no by itself, a script may catch it, or end by it. */
const REFUSED = "script_error";
const BOMB = `${MEMORY}|${REFUSED}|${STUCK}`;

const loops = [
  ["for (;;) {}", "const a = 1;\nfor (;;) {}", STUCK, { line: 3 }],
  ["while (true) counts", "let n = 0;\nlet m = 0;\nwhile (true) { n++; m += n }", STUCK,
    { line: 4 }],
  ["do while, within a function", "function spin() {\n  do { } while (true);\n}\nspin();", STUCK,
    { line: 3 }],
  ["a loop that tries to catch its end", "try { for (;;) {} } catch { } finally { for (;;) {} }",
    STUCK],
  ["a loop in a finally of a loop", "for (;;) { try { continue } finally { for (;;) {} } }", STUCK],
  ["a loop behind an agent", "await agent('say: a');\nfor (;;) {}", STUCK, { line: 3 }],
  ["a loop while an agent is at work", "agent('delay: 600s');\nfor (;;) {}", STUCK, { line: 3 }],
  ["awaits without end", "for (;;) await null;", STUCK],
  ["microtasks that make microtasks", `
const again = () => Promise.resolve().then(again);
await again()`, STUCK],
  ["queueMicrotask without end", `
const again = () => queueMicrotask(again);
again(); await new Promise(() => {})`, STUCK],
  ["two promises that call each other", `
const ping = async () => { await null; return pong() };
const pong = async () => { await null; return ping() };
await ping()`, `${STUCK}|${MEMORY}`],
  ["a thenable that gives itself", "const me = { then(go) { go(me) } };\nawait me", STUCK],
  ["an async generator that never ends", `
async function* all() { for (;;) yield 1 }
for await (const one of all()) { }`, STUCK],
  ["a generator that never ends",
    "function* all() { for (;;) yield 1 }\nfor (const a of all()) { }", STUCK],
  ["a spread that never ends", "function* all() { for (;;) yield 1 }\nreturn [...all()].length",
    BOMB],
  ["caught guards without end", "for (;;) { try { Date.now() } catch { } }", STUCK],
  ["caught options without end", "for (;;) { try { await agent('') } catch { } }", STUCK],
  ["a loop in a thunk", "await parallel([() => { for (;;) {} }])", STUCK],
  ["a loop in a stage", "await pipeline([1], () => { for (;;) {} })", STUCK],
  ["a loop in a second stage, behind an agent",
    "await pipeline(['say: a'], (text) => agent(text), () => { for (;;) {} })", STUCK],
  ["a loop in a getter of the options", "await agent('say: a', { get label() { for (;;) {} } })",
    STUCK],
  ["a loop in a trap of the options",
    "await agent('say: a', new Proxy({}, { ownKeys() { for (;;) {} } }))", STUCK],
  ["a loop in a getter of a schema",
    "await agent('say: a', { schema: { type: 'object', get properties() { for (;;) {} } } })",
    STUCK],
  ["a loop in toString of a line", "log('%s', { toString() { for (;;) {} } })", STUCK],
  ["a loop in a trap of a line", "log(new Proxy({}, { ownKeys() { for (;;) {} } }))", STUCK],
  ["a loop in toPrimitive of a phase", "phase({ [Symbol.toPrimitive]() { for (;;) {} } })", STUCK],
  ["a loop in toJSON of the result", "return { toJSON() { for (;;) {} } }", STUCK],
  ["a loop in a getter of the result", "return { get a() { for (;;) {} } }", STUCK],
  ["a loop in a trap of the result", "return new Proxy({}, { ownKeys() { for (;;) {} } })", STUCK],
  ["a loop in toJSON of a workflow's args",
    "await workflow('none', { toJSON() { for (;;) {} } })", STUCK],
  ["a loop in then of the result", "return { get then() { for (;;) {} } }", STUCK],
  ["a loop in the message of what is thrown", "throw { get message() { for (;;) {} } }", STUCK],
  ["a loop in toString of what is thrown", "throw { toString() { for (;;) {} } }",
    `${STUCK}|script_error`],
  ["a loop in the name of an error", `
const error = new Error('a');
Object.defineProperty(error, 'name', { get() { for (;;) {} } });
throw error`, STUCK],
  ["a loop in a comparator", "[3, 1, 2].sort(() => { for (;;) {} })", STUCK],
  ["a comparator that never agrees",
    "for (;;) Array.from({ length: 1000 }, (_, i) => i).sort(() => 1)", STUCK],
  ["a loop in a callback of an array", "[1].forEach(() => { for (;;) {} })", STUCK],
  ["a loop in a replacer", "JSON.stringify([1], () => { for (;;) {} })", STUCK],
  ["a loop in a promise's executor", "new Promise(() => { for (;;) {} })", STUCK],
  ["a loop in a class's static block", "class A { static { for (;;) {} } }", STUCK],
  ["a loop in a default value", "((a = (() => { for (;;) {} })()) => a)()", STUCK],
  ["a loop in a tag of a template", "((parts) => { for (;;) {} })`a`", STUCK],
  ["a loop in hasInstance", "1 instanceof { [Symbol.hasInstance]() { for (;;) {} } }", STUCK],
  ["a loop in a valueOf", "return 1 + { valueOf() { for (;;) {} } }", STUCK],
  ["a pattern that goes through all ways", "return /^(a+)+$/.test('a'.repeat(50) + '!')",
    `${STUCK}|${REFUSED}`],
  ["a pattern with a reference behind",
    "return /^(.*)(.*)(.*)(.*)\\4\\3\\2\\1x$/.test('a'.repeat(900))",
    `${STUCK}|${REFUSED}`],
  ["a pattern that looks behind", "return /(?<=^(a|aa)+)!/.test('a'.repeat(60) + '?!')",
    `${STUCK}|${REFUSED}|ok`],
  ["a replace over a pattern that goes through all ways",
    "return 'a'.repeat(60).concat('!').replace(/(a|a)*$/g, '').length", `${STUCK}|${REFUSED}|ok`],
  ["a sort of four billion holes", "return Array(2 ** 32 - 1).sort().length", `${BOMB}|ok`],
  ["a search in four billion holes", "return Array(2 ** 32 - 1).indexOf(1)", `${STUCK}|ok`],
  ["a join of four billion holes", "return Array(2 ** 32 - 1).join('').length", `${BOMB}|ok`],
  ["a reverse of a long nothing", "return Array.prototype.reverse.call({ length: 2 ** 53 - 1 })",
    BOMB],
  ["a number with millions of digits", "return String(3n ** 30000000n).length", BOMB],
  ["a number that is squared for ever", "let n = 3n; for (;;) n *= n", BOMB],
];

const stacks = [
  ["a function that calls itself", "function down() { return 1 + down() }\nreturn down()", REFUSED,
    { line: 2 }],
  ["a function that calls itself, caught again and again", `
function down() { try { return down() } catch { return down() } }
return down()`, `${STUCK}|${REFUSED}|ok`],
  ["an arrow that calls itself through call()", "const f = () => f.call();\nf()", REFUSED],
  ["an async function that calls itself", "const f = async () => 1 + await f();\nawait f()",
    `${REFUSED}|${MEMORY}|${STUCK}`],
  ["a getter that reads itself", "const a = { get b() { return this.b } };\nreturn a.b", REFUSED],
  ["a proxy of proxies",
    "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {});\nreturn p.a",
    `${REFUSED}|${BOMB}|ok`],
  ["bound functions of bound functions",
    "let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null);\nreturn f()",
    `${REFUSED}|${BOMB}|ok`],
  ["toString that calls itself", "const a = { toString() { return `${this}` } };\nlog('%s', a)",
    REFUSED],
  ["an array that holds itself, joined", "const a = []; a.push(a, [a]);\nlog(a); return 1",
    `ok|${REFUSED}`],
  ["a comparator that sorts", "const f = () => [2, 1].sort(f);\nreturn f()", REFUSED],
  ["a stage that calls pipeline()", "const f = () => pipeline([1], f);\nawait f()",
    `ok|${BOMB}`],
  ["a thunk that calls parallel()", "const f = () => parallel([f]);\nawait f()",
    `ok|${BOMB}`],
  ["100,000 arrays within one another as the result",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a];\nreturn a",
    `result_not_json|output_too_large|${REFUSED}|${STUCK}`],
  ["5,000 objects within one another as the result",
    "let a = {}; for (let i = 0; i < 5000; i++) a = { a };\nreturn a",
    `result_not_json|output_too_large|${REFUSED}|ok`],
  ["100,000 arrays within one another as args of a workflow",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a];\nawait workflow('none', a)",
    `${REFUSED}|${STUCK}`],
  ["100,000 arrays within one another as a schema", `
let properties = {};
for (let i = 0; i < 1e5; i++) properties = { a: { type: 'object', properties } };
await agent('say: a', { schema: { type: 'object', properties } })`, `${REFUSED}|${STUCK}`],
  ["100,000 brackets that are parsed", "return JSON.parse('['.repeat(1e5))", REFUSED],
  ["a pattern of 100,000 groups", "return new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('a')",
    `${REFUSED}|ok`],
  ["a million promises in a row", `
let last = Promise.resolve(0);
for (let i = 0; i < 1e6; i++) last = last.then((n) => n + 1);
return await last`, `${MEMORY}|${STUCK}|${REFUSED}|ok`],
  ["errors that are causes of errors", `
let error = new Error('first');
for (let i = 0; i < 1e5; i++) error = new Error('next', { cause: error });
throw error`, `${REFUSED}|${BOMB}`],
];

const memory = [
  ["a text that doubles", "let s = 'x'; for (;;) s += s", BOMB],
  ["a text of half a gigabyte", "return 'x'.repeat(2 ** 29).length", BOMB],
  ["a text that is padded", "return 'x'.padEnd(2 ** 30, 'ab').length", BOMB],
  ["texts that are kept", "const all = []; for (let i = 0; ; i++) all.push('x'.repeat(1e5) + i)",
    BOMB],
  ["an array that grows", "const all = []; for (;;) all.push([1, 2, 3])", BOMB],
  ["an array that doubles", "let all = [1]; for (;;) all = all.concat(all)", BOMB],
  ["a list that grows", "let all; for (;;) all = { all }", BOMB],
  ["a map that grows", "const all = new Map(); for (let i = 0; ; i++) all.set(i, { i })", BOMB],
  ["a set of symbols that grows", "const all = new Set(); for (;;) all.add(Symbol('x'.repeat(99)))",
    BOMB],
  ["an object whose keys grow", "const all = {}; for (let i = 0; ; i++) all[`key ${i}`] = i", BOMB],
  ["closures that grow",
    "let f = () => 1; const all = []; for (;;) { const g = f; all.push(f = () => g) }", BOMB],
  ["a buffer of a gigabyte", "return new ArrayBuffer(2 ** 30).byteLength", BOMB],
  ["buffers that are kept", "const all = []; for (;;) all.push(new Uint8Array(1 << 20))", BOMB],
  ["a buffer that may grow",
    "const b = new ArrayBuffer(1, { maxByteLength: 2 ** 31 }); b.resize(2 ** 31)",
    `${BOMB}|ok`],
  ["an array that is filled", "return Array(2 ** 28).fill('x').length", BOMB],
  ["Array.from of a long nothing", "return Array.from({ length: 2 ** 31 }).length", BOMB],
  ["a text that is split", "return 'x'.repeat(2 ** 24).split('').map((a) => a + a).length", BOMB],
  ["matches without end", "return [...'x'.repeat(2 ** 23).matchAll(/x/g)].length", BOMB],
  ["memory that is asked for again after each no", `
for (;;) { try { const all = []; for (;;) all.push('x'.repeat(1e6) + all.length) } catch { } }`,
    BOMB],
  ["memory in a thunk, whose failure is null", `
return await parallel([() => { const all = []; for (;;) all.push([1]) }])`, `${BOMB}|ok`],
  ["promises that are kept", "const all = []; for (;;) all.push(new Promise(() => {}))", BOMB],
  ["errors that are kept", "const all = []; for (;;) all.push(new Error('x'.repeat(1000)))", BOMB],
  ["a JSON text that doubles", "let s = '[1]'; for (;;) s = JSON.stringify([s, s])", BOMB],
  ["a proxy's keys without end", `
const ownKeys = () => Array.from({ length: 1e7 }, (_, i) => String(i));
return Object.keys(new Proxy({}, { ownKeys }))`, BOMB],
];

const rows = (kind, list) => list.map(([what, ...rest]) => [`${kind}: ${what}`, ...rest]);

export default [
  ...rows("time", loops),
  ...rows("stack", stacks),
  ...rows("memory", memory),
];
