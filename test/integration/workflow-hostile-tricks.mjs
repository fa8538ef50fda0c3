// workflow-hostile-tricks.mjs: scripts that lie, reach for what is not theirs, change the language
// under our feet, or send too much of everything. The rows are those of workflow-hostile-loops.mjs.
import { META } from "./workflows.mjs";

const ERROR = "script_error";

// --- Changes of the language ---------------------------------------------------------------------

/** What is used after each change: all that is ours, so that a part which relies on the language as
 *  the script left it shows. */
const USE = `
const ours = async () => {
  const texts = await parallel([() => agent('say: a', { label: 'x' }), () => { throw 1 }]);
  const piped = await pipeline(['say: b'], (prompt) => agent(prompt), (text, item, i) => text + i);
  const made = await agent('say: {"n":[1,2]}',
    { schema: { type: 'object', properties: { n: { type: 'array' } } } });
  phase('p'); log('l');
  return texts[0] + texts[1] + piped[0] + made.n[1] + (budget.spent() > 0) + budget.remaining();
};`;
const WHOLE = "anullb02trueInfinity";

const changed = (what, body) => [`language: ${what}`, `${USE}\n${body}\nreturn await ours()`, "ok",
  { result: WHOLE }];
/** The script itself is hit, too, and may fail by it; but no lie comes out of it. */
const broken = (what, body) => [`language: ${what}`, `${USE}\n${body}\nreturn await ours()`,
  `ok|${ERROR}|never_settles|script_stuck|result_not_json`];

const changes = [
  changed("the methods of arrays are gone", `
for (const name of Object.getOwnPropertyNames(Array.prototype)) {
  const kept = name === 'constructor' || name === 'length';
  if (!kept) Array.prototype[name] = () => { throw 'gone' };
}`),
  changed("arrays iterate otherwise", `
Array.prototype[Symbol.iterator] = function* () { for (;;) yield 'other' };`),
  changed("the methods of texts are gone", `
for (const name of Object.getOwnPropertyNames(String.prototype)) {
  const kept = name === 'constructor' || name === 'length';
  if (!kept) String.prototype[name] = () => { throw 'gone' };
}`),
  changed("Object has no functions", `
for (const name of Object.getOwnPropertyNames(Object)) { try { delete Object[name] } catch { } }`),
  changed("Reflect is gone", "delete globalThis.Reflect; globalThis.Proxy = null;"),
  changed("JSON lies", "JSON.stringify = () => '\"lie\"'; JSON.parse = () => 'lie';"),
  changed("call, apply and bind are gone", `
for (const name of ['call', 'apply', 'bind', 'toString']) {
  Function.prototype[name] = () => { throw 'gone' };
}`),
  changed("Map, Set and Symbol are gone",
    "for (const name of ['Map', 'Set', 'WeakMap', 'WeakSet', 'Symbol']) delete globalThis[name];"),
  changed("the methods of maps and sets are gone", `
for (const type of [Map, Set, WeakMap, WeakSet]) {
  for (const name of ['get', 'set', 'has', 'add', 'delete']) type.prototype[name] = () => 'lie';
}`),
  changed("Promise is another", `
const Real = Promise; globalThis.Promise = class { constructor() { throw 'gone' } };`),
  changed("the functions of Promise lie", `
for (const name of ['all', 'allSettled', 'race', 'any', 'resolve', 'reject']) {
  Promise[name] = () => 'lie';
}`),
  changed("errors are others", `
globalThis.Error = globalThis.TypeError = globalThis.RangeError = () => 'lie';`),
  changed("String, Number and Boolean lie", `
globalThis.String = globalThis.Number = globalThis.Boolean = () => 'lie';`),
  changed("numbers and booleans print otherwise", `
Number.prototype.toString = Boolean.prototype.toString = () => 'lie';`),
  changed("all objects have options", `
for (const name of ['label', 'schema', 'model', 'effort', 'isolation', 'tools', 'capabilities']) {
  Object.prototype[name] = 'inherited';
}`),
  changed("Math and isNaN lie", `
for (const name of Object.getOwnPropertyNames(Math)) { try { Math[name] = () => 7 } catch { } }
globalThis.isNaN = () => true; globalThis.parseInt = () => 9;`),
  changed("the prototype of functions is another", `
Object.setPrototypeOf(agent, null); Object.setPrototypeOf(parallel, null);`),
  changed("patterns match otherwise", `
RegExp.prototype.exec = () => null; RegExp.prototype.test = () => true;
RegExp.prototype[Symbol.replace] = () => 'lie';`),
  broken("promises never tell", "Promise.prototype.then = function () { return this };"),
  broken("promises throw", "Promise.prototype.then = () => { throw new Error('no') };"),
  broken("promises are constructed by another", `
Object.defineProperty(Promise.prototype, 'constructor', { get() { throw new Error('no') } });`),
  broken("all objects are thenables", "Object.prototype.then = function (go) { go('lie') };"),
  broken("all objects are thenables that say nothing", "Object.prototype.then = () => {};"),
  broken("all objects have a form of their own", "Object.prototype.toJSON = () => 'lie';"),
  broken("all objects are accessors", `
Object.prototype.get = () => 'lie'; Object.prototype.set = () => {};`),
  broken("all objects have a value that throws", `
Object.defineProperty(Object.prototype, 'value', { get() { throw new Error('no') } });`),
  broken("the places of arrays are setters", `
const set = () => { throw new Error('no') };
Object.defineProperty(Array.prototype, '0', { set, get: () => 0 });`),
  broken("arrays make others", `
Object.defineProperty(Array, Symbol.species, { get() { throw new Error('no') } });`),
  broken("the global object has a prototype that loops", `
const spin = () => { for (;;) {} };
Object.setPrototypeOf(globalThis, new Proxy({}, { has: spin, get: spin }));`),
  broken("stacks of errors are prepared", `
Error.prepareStackTrace = () => { throw new Error('no') }; Error.stackTraceLimit = -5;`),
];

const globals = [
  ["agent is another", "globalThis.agent = () => 'mine'; return agent('say: a')", `ok|${ERROR}`],
  ["agent is assigned", "agent = 5; return typeof agent", `ok|${ERROR}`],
  ["a local is called agent", "const agent = () => 'mine'; return agent()", "ok",
    { result: "mine" }],
  ["all of ours is deleted", `
for (const name of ['agent', 'parallel', 'pipeline', 'log', 'phase', 'budget', 'workflow']) {
  try { delete globalThis[name] } catch { }
}
return 1`, "ok", { result: 1 }],
  ["clock and chance are replaced by the script's own", `
try { Date.now = () => 5 } catch { }
try { Math.random = () => 0.5 } catch { }
const seen = []; for (const f of [() => Date.now(), () => Math.random()]) {
  try { seen.push(f()) } catch { seen.push('refused') }
}
return seen.every((one) => [5, 0.5, 'refused'].includes(one))`, "ok", { result: true }],
  ["everything global is frozen", `
for (const name of Object.getOwnPropertyNames(globalThis)) {
  try { Object.freeze(globalThis[name]) } catch { }
}
Object.freeze(globalThis); Object.freeze(Object.prototype); Object.freeze(Promise.prototype);
return await agent('say: a')`, "ok", { result: "a" }],
  ["everything global is deleted", `
const ask = agent;
for (const name of Object.getOwnPropertyNames(globalThis)) {
  try { delete globalThis[name] } catch { }
}
return await ask('say: a')`, "ok", { result: "a" }],
  ["names of the engine's own are looked for", `
const names = Object.getOwnPropertyNames(globalThis);
return names.filter((name) => /drover|host|__|native/i.test(name))`, "ok", { result: [] }],
];

// --- What is not theirs --------------------------------------------------------------------------

const reach = (what, text) => [`reach: ${what}`, `
let got; try { got = ${text} } catch (error) { return 'refused' }
return got === undefined ? 'refused' : 'got it'`, "ok", { result: "refused" }];

const reaches = [
  reach("eval", "eval('1')"),
  reach("eval by another name", "(0, eval)('1')"),
  reach("Function", "new Function('return 1')()"),
  reach("Function by way of an array", "[].constructor.constructor('return 1')()"),
  reach("Function by way of ours", "agent.constructor('return 1')()"),
  reach("Function by way of the log", "console.log.constructor('return 1')()"),
  reach("Function by way of the global object", "globalThis.constructor.constructor('return 1')()"),
  reach("Function by Reflect", "Reflect.construct(Function, ['return 1'])()"),
  reach("Function in a subclass", "new (class extends Function {})('return 1')()"),
  reach("the constructor of generators", "(function* () {}).constructor('yield 1')().next().value"),
  reach("the constructor of async functions", "await (async () => {}).constructor('return 1')()"),
  reach("the constructor of async generators",
    "(await (async function* () {}).constructor('yield 1')().next()).value"),
  reach("Function by way of an error of ours",
    "await agent('').catch((error) => error.constructor.constructor('return 1')())"),
  reach("Function by way of a promise of ours",
    "agent('say: a').constructor.constructor('return 1')()"),
  reach("WebAssembly", "WebAssembly.Module"),
  reach("who called", "(function f() { return f.caller })()"),
  reach("who was called", "(function () { return arguments.callee })()"),
  reach("a shared buffer", "new SharedArrayBuffer(1)"),
  reach("a process", "process.exit(1)"),
  reach("a module", "globalThis['req' + 'uire']('fs')"),
  reach("a file of the engine", "std.open('/etc/passwd', 'r')"),
  ["reach: the source of ours tells nothing of the host",
    "return Function.prototype.toString.call(agent).length < 200", "ok", { result: true }],
];

// --- What it lies about --------------------------------------------------------------------------

const lies = [
  ["options whose getter throws",
    "await agent('say: a', { get label() { throw new Error('evil') } })", ERROR],
  ["options whose keys throw", `
await agent('say: a', new Proxy({}, { ownKeys() { throw new Error('evil') } }))`, ERROR],
  ["options that say another thing each time", `
let n = 0;
return await agent('say: a', { get label() { return n++ === 0 ? 'x' : 5 } })`, `ok|${ERROR}`],
  ["a prompt that is an object of a text", "await agent(new String('say: a'))", ERROR],
  ["a prompt that is a symbol", "await agent(Symbol('say: a'))", ERROR],
  ["a prompt that turns into a text", "await agent({ toString: () => 'say: a' })", ERROR],
  ["a list of thunks that grows while it is read", `
const thunks = [];
for (let i = 0; i < 3; i++) thunks.push(() => { thunks.push(() => 1); return i });
return (await parallel(thunks)).length`, "ok", { result: 3 }],
  ["a list that is a proxy", `
const get = (list, key) => (key === 'length' ? 1e9 : list[key]);
return await parallel(new Proxy([() => 1], { get }))`,
    `ok|${ERROR}`],
  ["a list whose places throw", `
const list = [1]; Object.defineProperty(list, 0, { get() { throw new Error('evil') } });
await parallel(list)`, ERROR],
  ["a thenable that never settles", "await { then() {} }", "never_settles"],
  ["a thenable that settles twice", "return await { then(go, no) { go(1); go(2); no(3) } }", "ok",
    { result: 1 }],
  ["a thenable that throws after it settled",
    "return await { then(go) { go(1); throw new Error('late') } }", "ok", { result: 1 }],
  ["a thenable that never settles, in parallel()", "await parallel([() => ({ then() {} })])",
    "never_settles"],
  ["a thenable that never settles, in pipeline()", "await pipeline([1], () => ({ then() {} }))",
    "never_settles"],
  ["a then that throws", "return { get then() { throw new Error('evil') } }", ERROR],
  ["a promise that waits for itself",
    "const p = (async () => { await null; return p })();\nawait p", ERROR],
  ["a race of nobody", "await Promise.race([])", "never_settles"],
  ["an iterator that never says anything", `
const next = () => new Promise(() => {});
for await (const a of { [Symbol.asyncIterator]: () => ({ next }) }) { }`, "never_settles"],
  ["a subclass of Promise", `
class Mine extends Promise { then(...all) { return super.then(...all) } }
return await new Mine((go) => go(agent('say: a')))`, "ok", { result: "a" }],
  ["a subclass whose promises are no promises", `
class Mine extends Promise { static get [Symbol.species]() { return Object } }
return await Mine.resolve(1).then(() => 2)`, `ok|${ERROR}`],
  ["undefined that is thrown", "throw undefined", ERROR],
  ["null that is thrown", "throw null", ERROR],
  ["a symbol that is thrown", "throw Symbol('x')", ERROR],
  ["a function that is thrown", "throw () => 1", ERROR],
  ["an object that inherits nothing is thrown", "throw Object.create(null)", ERROR],
  ["an error that lies about all of itself", `
throw new Proxy(new Error('a'), { get() { throw new Error('evil') }, has() { throw 1 },
  getPrototypeOf() { throw 2 }, getOwnPropertyDescriptor() { throw 3 } })`, ERROR],
  ["a proxy that was revoked is thrown",
    "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy", ERROR],
  ["a proxy that was revoked is the result",
    "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy",
    `${ERROR}|result_not_json`],
  ["an error whose message is 10 MB", "throw new Error('x'.repeat(1e7))",
    `${ERROR}|memory_exceeded`],
  ["an error whose stack is a lie", `
const error = new Error('a');
error.stack = 'at x (other.js:1000000000000:-5)';
throw error`, ERROR],
  ["an error whose name is an object", `
const error = new Error('a'); error.name = { toString() { throw 1 } }; throw error`, ERROR],
  ["100,000 rejections that nobody looks at", `
for (let i = 0; i < 1e5; i++) Promise.reject(new Error('nobody'));
return 1`, "ok|memory_exceeded|script_stuck"],
  ["a rejection behind the end", `
Promise.resolve().then(() => {}).then(() => { throw new Error('late') });
return 1`, "ok", { result: 1 }],
];

const results = [
  ["a result that is a BigInt", "return 2n ** 63n", "result_not_json"],
  ["a result that holds itself", "const a = []; a.push({ a });\nreturn a", "result_not_json"],
  ["a result of 2^63", "return [2 ** 63]", "ok|result_not_json"],
  ["a result of numbers that barely fit", "return [-(2 ** 62), 2 ** 53, 1e308]", "ok",
    { result: [-(2 ** 62), 2 ** 53, 1e308] }],
  ["a result with NUL and half characters", "return ['\\0', '\\ud800', 'a\\udc00b']", "ok"],
  ["a result with a key like a prototype",
    "return JSON.parse('{\"__proto__\":1,\"constructor\":2}')", "ok"],
  ["a result with an empty key and a key of NUL", "return { '': 1, '\\0': 2 }",
    "ok|result_not_json"],
  ["a result that is a proxy", `
return new Proxy({}, { ownKeys: () => ['a', 'b'], get: () => 1,
  getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }) })`,
    "ok", { result: { a: 1, b: 1 } }],
  ["a result whose form is a lie", "return { toJSON: () => ({ toJSON: 5, n: 10n }) }",
    "result_not_json"],
  ["a result of two million places", "return Array(2e6).fill(0)",
    "output_too_large|memory_exceeded"],
  ["a result of a million bytes that are numbers", "return new Uint8Array(1e6)",
    "output_too_large|memory_exceeded"],
  ["a result whose length is a lie", `
const a = []; a.length = 2 ** 32 - 1; return a`,
    "output_too_large|memory_exceeded|script_stuck|script_error|result_not_json"],
];

// --- Too much of everything ----------------------------------------------------------------------

const floods = [
  ["a prompt of 2 MB", "await agent('x'.repeat(2 << 20))", ERROR],
  ["a label of 10 MB", "return await agent('say: a', { label: 'x'.repeat(1e7) })", `ok|${ERROR}`],
  ["a phase of 10 MB", "phase('x'.repeat(1e7)); return 1", "ok", { result: 1 }],
  ["a line of 10 MB", "log('x'.repeat(1e7)); return 1", "ok", { result: 1 }],
  ["a schema of 1 MB", `
await agent('say: {}', { schema: { type: 'object', description: 'x'.repeat(1 << 20) } })`, ERROR],
  ["a prompt with NUL", "return await agent('say: a\\0b')", "ok"],
  ["a model's name with much behind a NUL",
    "return await agent('say: a', { model: 'a\\0' + 'y'.repeat(255980) })", "ok"],
  ["a prompt with half characters", "return typeof await agent('say: a\\ud800b\\udfff')", "ok",
    { result: "string" }],
  ["a label with half characters and controls",
    "return await agent('say: a', { label: '\\ud800\\u0000\\u001b[31m\\u202e' })", "ok",
    { result: "a" }],
  ["a phase with half characters", "phase('\\udfff'); log('\\ud800 \\0'); return 1", "ok",
    { result: 1 }],
  ["a million agents that nobody waits for", `
for (let i = 0; i < 1e6; i++) agent('delay: 600s');
return 1`, "ok|memory_exceeded|script_stuck|too_many_calls"],
  ["a million agents that are waited for", `
const all = []; for (let i = 0; i < 1e6; i++) all.push(agent('delay: 600s').catch(() => 0));
await Promise.all(all)`, "memory_exceeded|script_stuck|too_many_calls"],
  ["100,000 workflows at once", `
for (let i = 0; i < 1e5; i++) workflow('none', i).catch(() => 0);
await new Promise(() => {})`, "too_many_calls|memory_exceeded|script_stuck"],
  ["a workflow's args of 20 MB", "await workflow('none', 'x'.repeat(2e7))",
    `${ERROR}|memory_exceeded|output_too_large`],
  ["phases without end", "for (let i = 0; ; i++) phase(String(i))", "too_many_lines"],
  ["lines without end", "for (;;) log('x'.repeat(4000))", "too_many_lines|script_stuck"],
  ["lines without end, slowly", "for (;;) { log('x'); await null }", "too_many_lines|script_stuck"],
  ["lines without end of the console", "for (;;) console.log('x')", "too_many_lines"],
  ["lines whose failure is caught", "for (;;) { try { log('x') } catch { } }", "too_many_lines"],
  ["4,096 thunks of 4,096 thunks", `
const many = Array(4096).fill(() => 1);
return (await parallel(many.map(() => () => parallel(many)))).length`,
    "ok|memory_exceeded|script_stuck"],
];

// --- Texts that pretend --------------------------------------------------------------------------

/** Rows of whole texts that are refused: [what, text]. */
const head = "export const meta = ";
export const TEXTS = [
  ["meta within a comment", `/* ${META} */\nreturn 1`],
  ["meta within a text", `"${META.replaceAll("'", "")}";\nreturn 1`],
  ["meta within a template", `\`\n${META}\n\`;\nreturn 1`],
  ["meta that calls", `${head}(() => { for (;;) {} })();`],
  ["meta that is computed from itself", `${head}{ name: meta.name, description: 'd' };`],
  ["meta with a getter that loops", `${head}{ get name() { for (;;) {} }, description: 'd' };`],
  ["meta with a tagged template", `${head}{ name: String.raw\`m\`, description: 'd' };`],
  ["meta of 100,000 arrays within one another",
    `${head}{ name: 'm', description: 'd', x: ${"[".repeat(1e5)}${"]".repeat(1e5)} };`],
  ["meta of 100,000 brackets that never close", head + "{ a: ".repeat(1e5)],
  ["meta with a name of a megabyte", `${head}{ name: '${"x".repeat(9e5)}', description: 'd' };`],
  ["a body of 100,000 brackets", `${META}\nreturn ${"(".repeat(1e5)}1${")".repeat(1e5)}`],
  ["a body of 100,000 functions", `${META}\nreturn ${"()=>".repeat(1e5)}1 +`],
  ["a text of 2 MB", `${META}\n// ${"x".repeat(2 << 20)}`],
  ["a body that closes itself", `${META}\nreturn 1 })(); (async () => {`],
  ["a body that closes itself by a line's end", `${META}\n}\nglobalThis.out = 1;\n{`],
  ["a comment that never ends", `${META}\n/* return 1`],
  ["a template that never ends", `${META}\nreturn \`a \${1`],
  ["a pattern that never ends", `${META}\nreturn /a`],
  ["a text that never ends", `${META}\nreturn 'a`],
  ["nothing but blanks", "\n\n  \n"],
  ["bytes that are no script", "\u0000\u0001\u0002"],
];

const rows = (kind, list) => list.map(([what, ...rest]) => [`${kind}: ${what}`, ...rest]);

export default [
  ...changes,
  ...rows("globals", globals),
  ...reaches,
  ...rows("lie", lies),
  ...rows("result", results),
  ...rows("flood", floods),
];
