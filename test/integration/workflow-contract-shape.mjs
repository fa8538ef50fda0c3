// workflow-contract-shape.mjs: what a script looks like: meta, the body, the second form, and what
// is told of a text that is none.
import assert from "node:assert/strict";

import { fails, gives, refuses } from "./workflow-contract.mjs";
import { META, whole } from "./workflows.mjs";

const started = ({ events }) => events[0].data;

// --- Meta ----------------------------------------------------------------------------------------

const RICH = String.raw`// What it is for
/* and for whom:
   export const meta = { name: 'not this one' } */
export const meta = {
  'name': "flock",
  description: 'counts\u0020sheep \'n lambs',
}`;

const PHASES = "[{ title: 'Look', detail: 'at all' }, { title: 'Tell', model: 'small' }]";

const meta = [
  { name: "comments may stand before meta, and its semicolon may be left out",
    script: `${RICH}\nreturn 'so it is'`, result: "so it is",
    check: (outcome) => assert.equal(started(outcome).description, "counts sheep 'n lambs") },
  { name: "meta and body may share one minified line",
    script: "export const meta={name:'m',description:'d'};const e=2,f=e*3;return e?f:0",
    result: 6 },
  { name: "meta names the workflow, its description and its phases",
    script: `export const meta = { name: 'm', description: 'd', phases: ${PHASES} };\nreturn 1`,
    result: 1,
    check(outcome) {
      const { name, description, phases } = started(outcome);
      assert.deepEqual([name, description], ["m", "d"]);
      assert.deepEqual(phases.map(({ title }) => title), ["Look", "Tell"]);
    } },
  { name: "meta may hold numbers, null, arrays, trailing commas and keys that nobody knows",
    script: "export const meta = { name: 'm', description: 'd', whenToUse: 'often', " +
      "size: -1.5e3, tags: ['a', null, true, [],], 7: { deep: { er: 0x10 } }, };\nreturn 1",
    result: 1 },
  { name: "meta may hold a template without a hole",
    script: "export const meta = { name: `m`, description: `two\nlines` };\nreturn 1", result: 1,
    check: (outcome) => assert.equal(started(outcome).description, "two\nlines") },
  { name: "meta is parsed, and braces or semicolons in its texts do not end it",
    script: "export const meta = { name: 'm', description: '}; return 2; //' };\nreturn 1",
    result: 1 },
];

/** What stands as the value of a key, and is no literal: at line 1, column 35. */
const NO_LITERALS = [
  ["a variable", "name"],
  ["a call", "String(1)"],
  ["a template with a hole", "`a${1}`"],
  ["a sum", "'a' + 'b'"],
  ["a function", "() => 'x'"],
  ["something new", "new Date(0)"],
  ["a pattern", "/a/"],
  ["a condition", "1 ? 'a' : 'b'"],
];

const KEYS = [
  ["spreads", "{ ...{}, name: 'm', description: 'd' }", 23],
  ["a computed key", "{ ['name']: 'm', description: 'd' }", 23],
  ["a method", "{ name() {}, description: 'd' }", 23],
  ["a getter", "{ get name() { return 'm' }, description: 'd' }", 23],
  ["a shorthand", "{ name, description: 'd' }", 23],
];

const NOT_NAMED = [
  ["no name", "{ description: 'd' }", /meta\.name must be a non-empty string/],
  ["an empty name", "{ name: '', description: 'd' }", /meta\.name must be a non-empty string/],
  ["a number as its name", "{ name: 5, description: 'd' }", /meta\.name must be a non-empty/],
  ["no description", "{ name: 'm' }", /meta\.description must be a non-empty string/],
  ["an empty description", "{ name: 'm', description: '' }", /meta\.description must be a non-/],
  ["a name that it only inherits", "{ __proto__: { name: 'm' }, description: 'd' }", /meta/],
  ["phases that are no list", "{ name: 'm', description: 'd', phases: 'a' }", /meta\.phases/],
  ["a phase without a title", "{ name: 'm', description: 'd', phases: [{}] }", /title/],
  ["whenToUse that is no text", "{ name: 'm', description: 'd', whenToUse: 1 }", /whenToUse/],
];

const badMeta = [
  ...NO_LITERALS.map(([what, text]) => {
    const script = `export const meta = { name: 'm', x: ${text}, description: 'd' };\nreturn 1`;
    return refuses(`${what} in meta is refused where it stands`, script, /^1:(3|4)\d: /);
  }),
  ...KEYS.map(([what, text, column]) => {
    const script = `export const meta = ${text};\nreturn 1`;
    return refuses(`meta with ${what} is refused where that stands`, script,
      new RegExp(`^1:${column}: |^1:${column + 4}: `));
  }),
  ...NOT_NAMED.map(([what, text, message]) => {
    return refuses(`meta with ${what} is refused`, `export const meta = ${text};`, message);
  }),
  refuses("a script without meta is told so", "return 1", /^1:1: .*meta/),
  refuses("meta comes before everything else", `const a = 1;\n${META}\nreturn a`,
    /^[12]:\d+: .*meta/),
  refuses("meta is a const", "export let meta = { name: 'm', description: 'd' };\nreturn 1",
    /^1:\d+: .*meta/),
  refuses("meta that never closes is told at its place",
    "export const meta = {\n  name: 'm',\n  description: 'd'\n", /^\d+:\d+: /),
];

// --- The body ------------------------------------------------------------------------------------

const body = [
  gives("what the body returns is the result", "return { sheep: [1, 2, 3] }",
    { sheep: [1, 2, 3] }, { agents: {} }),
  gives("a body that returns nothing gives null", "const a = 1;", null),
  gives("await and return stand at the top level", `
const two = await Promise.resolve(2);
if (two > 1) { return two }
return 'never'`, 2),
  gives("blocks, labels and functions stand at the top level", `
{ const here = 1; }
outer: for (const a of [1, 2]) { for (const b of [1, 2]) if (a * b === 2) { break outer } }
function count(n) { return n === 0 ? 0 : 1 + count(n - 1) }
return (() => count(3))()`, 3),
  gives("a promise that is returned is waited for", "return Promise.resolve([1])", [1]),
  gives("the body is strict", `
try { undeclared = 1 } catch (error) {
  return [error.name, (function () { return this === undefined })()]
}`, ["ReferenceError", true]),
  gives("what scripts in the wild use is there", `
const words = ['a b', 'c'].flatMap((line) => line.split(' '));
const pairs = Object.fromEntries(words.map((word, i) => [word, i]));
let seen; try { null.x } catch { seen = true }
const more = { ...pairs, d: pairs?.d ?? 'none', e: pairs.x?.y?.() };
const found = /(?<first>\\w)-(\\w)/u.exec('x-y').groups.first;
const map = new Map(Object.entries(more)); const set = new Set([1, 1, 2]);
return [more, seen, found, map.size, [...set], \`\${words.length} words\`, 1_000, 2 ** 10]`,
  [{ a: 0, b: 1, c: 2, d: "none" }, true, "x", 5, [1, 2], "3 words", 1000, 1024]),
  gives("minified code that lives on commas and sequences runs", `
var a=1,b=(a++,a*2),c=[],d;for(var e=0,f=3;e<f;e++,c.push(e));d=b>3?(c.pop(),c.length):0;
return(()=>{if(d)return[a,b,c,d];else throw 0})()`, [2, 4, [1, 2], 2]),
];

const TYPED = [
  ["an annotation", "const sheep: number = 1;", /^2:(7|12): /],
  ["an interface", "interface Sheep { age: number }", /^2:\d+: /],
  ["a generic call", "const a = new Map<string, number>();", /^2:\d+: /],
  ["a cast", "const a = 1 as number;", /^2:\d+: /],
  ["an enum", "enum Sheep { White, Black }", /^2:\d+: /],
];

const badBody = [
  ...TYPED.map(([what, text, message]) => {
    return refuses(`${what} of TypeScript is refused where it stands`, whole(text), message);
  }),
  refuses("an import is refused before anything runs",
    whole("log('here');\nimport fs from 'fs';\nreturn 1"), /^3:1: .*import/),
  refuses("import() is refused before anything runs",
    whole("log('here');\nconst fs = await import('fs');\nreturn 1"), /^3:\d+: .*import/),
  refuses("import.meta is refused before anything runs", whole("return import.meta.url"),
    /^2:\d+: .*import/),
  refuses("a syntax error is told with line and column",
    whole("const a = 1;\nconst b = a +;\nreturn b"), /^3:14: /),
  refuses("a block that never closes is told", whole("if (true) {\nreturn 1\n"), /^\d+:\d+: /),
  refuses("with() is not for strict code", whole("with ({}) {}\nreturn 1"), /^2:\d+: /),
  refuses("octal numbers are not for strict code", whole("return 017"), /^2:\d+: /),
  refuses("a const that is declared twice is refused", whole("const a = 1;\nconst a = 2;"),
    /^3:\d+: /),
  refuses("a bracket that closes the body is no way out of it", whole("return 1 }); (() => {"),
    /^2:\d+: /),
];

// --- The second form -----------------------------------------------------------------------------

const AT_END = "export const meta = { name: 'late', description: 'at the end' };";
const said = (word) => `await agent('say: ${word}', { label: '${word}' })`;

const second = [
  { name: "export default async function main(args) is a workflow",
    script: `${META}\nexport default async function main(args) {\n` +
      `  return [args.n, ${said("baa")}];\n}`,
    more: { args: { n: 1 } }, result: [1, "baa"], told: ["begin baa", "end baa"] },
  { name: "main need not have a name, and may be an arrow",
    script: `${META}\nexport default async (given) => given * 2`, more: { args: 4 }, result: 8 },
  { name: "main need not be async", result: "flat",
    script: `${META}\nexport default function () { return 'flat' }` },
  { name: "args is in scope beside main's parameter, also outside of it",
    script: `${META}\nconst outside = args.n;\n` +
      "export default async function main({ n, m = 5 }) { return [outside, n, m, args.n] }",
    more: { args: { n: 1 } }, result: [1, 1, 5, 1] },
  { name: "main may use functions that stand behind it",
    script: "export default async function main() { return twice(4) }\n" +
      `const two = 2;\nfunction twice(n) { return n * two }\n${AT_END}`,
    result: 8, check: (outcome) => assert.equal(started(outcome).name, "late") },
  { name: "meta may stand behind main", result: 1,
    script: `export default async function main() { return 1 }\n${AT_END}`,
    check: (outcome) => assert.equal(started(outcome).name, "late") },
  { name: "without meta the file's stem is the name", result: 2,
    more: (flows) => {
      const text = "export default async function main(args) { return args.n + 1 }";
      return { scriptPath: flows.write("herd.js", text), args: { n: 1 } };
    },
    check: (outcome) => assert.equal(started(outcome).name, "herd") },
  { name: "module.exports may be main", result: [3],
    script: "module.exports = async function (args) { return [args] }", more: { args: 3 } },
  { name: "module.exports may hold meta and default", result: 4,
    script: "const meta = { name: 'old', description: 'd' };\n" +
      "async function main(args) { return args + 1 }\nmodule.exports = { meta, default: main };",
    more: { args: 3 } },
  { name: "module.exports may hold them literally",
    script: "module.exports = {\n  meta: { name: 'old', description: 'd' },\n" +
      "  default: async function (args) { return args + 1 },\n};",
    more: { args: 3 }, result: 4, check: (outcome) => assert.equal(started(outcome).name, "old") },
  { name: "console is the log", result: null, logs: ["one", "two", "three", "four"],
    script: `${META}\nexport default async function main() {\n  console.log('one');\n` +
      "  console.info('two'); console.warn('three'); console.error('four');\n}" },
  { name: "agent() gives no wrapper here either", result: ["string", 1],
    script: `${META}\nexport default async function main() {\n` +
      "  const schema = { type: 'object', properties: { n: { type: 'integer' } } };\n" +
      "  const made = await agent('say: {\"n\":1}', { schema });\n" +
      "  return [typeof (await agent('say: x')), made.n];\n}" },
  { name: "what main throws has the line of the file", state: "failed",
    script: `${META}\nexport default async function main() {\n  throw new RangeError('far');\n}`,
    error: { name: "RangeError", message: "far", line: 3 } },
  { name: "setTimeout throws in main with its line", state: "failed",
    script: `${META}\nexport default async function main() {\n  const pause = 5;\n` +
      "  await new Promise((go) => setTimeout(go, pause));\n}",
    error: { name: "ReferenceError", message: /setTimeout/, line: 4 } },
  { name: "a guarded module.exports makes no second form", result: [1, "flock"],
    script: `${META}\nconst run = () => 1;\nif (typeof module !== "undefined")\n` +
      "  module.exports = { run };\nreturn [run(), meta.name];" },
  refuses("exports without a main are listed",
    "export const helper = 1;\nexport function count() {}\n", /(?=.*helper)(?=.*count)/),
  refuses("module.exports without a main is told", "module.exports = { helper: 1 };",
    /helper|main/),
  refuses("meta of the second form is held to the same rules",
    "export default async function main() {}\nexport const meta = { name: '', description: 'd' };",
    /meta\.name must be a non-empty string/),
  refuses("a syntax error of the second form is told with line and column",
    `${META}\nexport default async function main() {\n  return 1 +;\n}`, /^3:13: /),
  refuses("an import of the second form is refused",
    `import fs from 'fs';\nexport default async function main() {}`, /^1:1: .*import/),
];

// --- What it throws ------------------------------------------------------------------------------

const thrown = [
  fails("an error has its name, message, line and column",
    "const a = 1;\n  throw new TypeError('no sheep');",
    { name: "TypeError", message: "no sheep", line: 3, column: /^(9|13)$/ }),
  fails("an error of the engine has its line", "const a = null;\nreturn a.x;",
    { name: "TypeError", line: 3 }),
  fails("what JSON.parse refuses has the line of the script, not of the text",
    "const a = 'An answer';\nreturn JSON.parse(a);", { name: "SyntaxError", line: 3 }),
  fails("an error within functions has the line that threw",
    "function deep() {\n  throw new Error('deep');\n}\nreturn [1].map(() => deep());",
    { message: "deep", line: 3 }),
  fails("a rejection that is awaited is an error", "await Promise.reject(new Error('later'));",
    { name: "Error", message: "later", line: 2 }),
  fails("an error behind an await has its line",
    "await agent('say: a');\n\nundefinedName();", { name: "ReferenceError", line: 4 },
    { agents: { succeeded: 1 } }),
  fails("an error of one's own class has its name",
    "class Wolf extends Error { get name() { return 'Wolf' } }\nthrow new Wolf('here');",
    { name: "Wolf", message: "here" }),
  fails("a text that is thrown is the message", "throw 'only words';", { message: /only words/ }),
  fails("undefined that is thrown is told", "throw undefined;", { message: /undefined/ }),
  fails("an object that is thrown is told", "throw { code: 5, message: 'five' };",
    { message: /five/ }),
];

export default [...meta, ...badMeta, ...body, ...badBody, ...second, ...thrown];
