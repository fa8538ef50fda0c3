// guards.js: names of other hosts that no workflow has: timers, `require`, `process` and `fetch`. A
// use of one throws a ReferenceError, so scripts that run on several hosts test it with `typeof`
// before. A use after such a test is noted as a warning, any other as an error.
//
// A use is guarded if
//   - a test stands before it in its statement, or in the head of one around it;
//   - a function around it has a test anywhere, which covers an early return;
//   - an earlier `if` of a block around it has a test and leaves: `if (typeof N …) return;`;
//   - a `try` with a `catch` is around it, which gets the ReferenceError.
// A test is `typeof N`, or the name of a variable or function that has one in its value.
// In doubt a use counts as guarded: a missed error is found by the run, with its line, and a wrong
// one would have a good script refused by `workflow check`.
import { isAnyWithin, isFunction, isNamed, textOf } from "./tree.js";

const USES_MAX = 64, ALIASES_MAX = 16;

const ABSENT = [
  { name: "require", code: "import", text:
    "require: a workflow script is one file, and what needs a module is work for an agent" },
  { name: "setTimeout", code: "timer", text:
    "setTimeout: this script has no timers; `timers: true` in its meta gives it setTimeout, " +
    "clearTimeout and sleep" },
  { name: "setInterval", code: "timer", text:
    "setInterval: no workflow script has it: use sleep() in a loop, in a script with `timers: " +
    "true` in its meta" },
  { name: "setImmediate", code: "timer", text:
    "setImmediate: a workflow script has no timers, since a replay could not repeat them" },
  { name: "process", code: "host", text:
    "process: a workflow script has no process around it: pass what it needs in args" },
  { name: "fetch", code: "host", text:
    "fetch: a workflow script has no network, and what needs it is work for an agent" },
];

// --- Tests -----------------------------------------------------------------------------------

/** The variable that a test is a value of, or the function that it is in: const ready = typeof N
 *  === "function"; function ready() { return typeof N === "function"; } */
const aliasOf = (test) => {
  let inFunction = false;
  for (let node = test, { up } = node; up; node = up, up = up.up) {
    if (up.type === "VariableDeclarator") return up.init === node ? up.id : undefined;
    if (up.type === "AssignmentExpression") return up.left;
    if (isFunction(up)) {
      if (up.id) return up.id;
      inFunction = true;
    } else if (inFunction || up.type === "Program" || up.type === "ClassBody" ||
      (up.type === "BlockStatement" && !isFunction(up.up))) {
      return undefined;
    }
  }
  return undefined;
};

/** All places that test the name, in their order. */
const testsOf = (tree, uses) => {
  const tests = uses.filter((use) => use.isAsked), aliases = new Set();
  for (const test of tests.slice(0, USES_MAX)) {
    const alias = aliasOf(test);
    if (alias?.type === "Identifier" && aliases.size < ALIASES_MAX) aliases.add(alias.name);
  }
  for (const alias of aliases) tests.push(...tree.names.get(alias)?.all ?? []);
  return tests.sort((a, b) => a.start - b.start);
};

// --- Guards ----------------------------------------------------------------------------------

/** The statements, or members of a class, among which a node stands. */
const siblingsOf = (node) => {
  const { up } = node;
  if (up.type === "SwitchCase") return up.test === node ? undefined : up.consequent;
  return Array.isArray(up.body) ? up.body : undefined;
};

const isGuarded = (use, tests, leavings) => {
  let at = use.start; // The use, or what opens the block that holds it.
  for (let node = use, { up } = node; up; node = up, up = up.up) {
    const siblings = siblingsOf(node);
    if (siblings) {
      if (isAnyWithin(tests, node.start, at)) return true;
      at = up.start;
    }
    for (const before of siblings ?? []) {
      if (before === node) break;
      const { start, end } = before;
      if (before.type === "IfStatement" && isAnyWithin(tests, start, end) &&
        isAnyWithin(leavings, start, end)) {
        return true;
      }
    }
    if (up.type === "TryStatement" && up.block === node && up.handler) return true;
    if (isFunction(up) && up.body === node && isAnyWithin(tests, node.start, node.end)) return true;
  }
  return false;
};

// --- Definitions in the global object ----------------------------------------------------------

const isGlobal = (node) => isNamed(node, "globalThis");
const defines = (node) => node.type === "AssignmentExpression" &&
  (node.operator === "=" || node.operator === "??=" || node.operator === "||=");
const keyName = (node, key) =>
  (!node.computed && key.type === "Identifier" ? key.name : textOf(key));

/** `root.N = …`, `root["N"] ??= …` in a script that has `globalThis`, by this or another name; or
 *  `Object.assign(globalThis, …)`, `globalThis[name] = …` in one that has N as a key, a method or a
 *  text: which object or text that is, nobody follows. */
const isInstalled = (tree, name) => {
  let isGiven = false, isAssigned = false, isKeyed = false;
  for (const node of tree.nodes) {
    if (defines(node) && node.left.type === "MemberExpression") {
      isAssigned ||= keyName(node.left, node.left.property) === name;
      isGiven ||= node.left.computed && isGlobal(node.left.object);
    } else if (node.type === "CallExpression") {
      isGiven ||= node.arguments.length > 1 && isGlobal(node.arguments[0]);
    } else if (node.type === "Property" || node.type === "MethodDefinition") {
      isKeyed ||= !node.shorthand && keyName(node, node.key) === name;
    } else {
      isKeyed ||= textOf(node) === name;
    }
  }
  return tree.names.has("globalThis") && (isAssigned || (isGiven && isKeyed));
};

export const noteAbsent = (judge) => {
  const { tree } = judge;
  let leavings;
  for (const { name, code, text } of ABSENT) {
    const all = tree.names.get(name)?.uses ?? [];
    const uses = all.filter((use) => !use.isAsked).slice(0, USES_MAX);
    const isOurs = name === "setTimeout" && judge.timers;
    if (uses.length === 0 || isOurs || tree.declares(name) || isInstalled(tree, name)) continue;
    leavings ??= tree.nodes.filter(({ type }) => type === "ReturnStatement" ||
      type === "ThrowStatement" || type === "ContinueStatement" || type === "BreakStatement");
    const tests = testsOf(tree, all);
    const bare = uses.find((use) => !isGuarded(use, tests, leavings));
    if (bare) {
      judge.error(bare, code, `${text}; without a test by typeof this throws a ReferenceError`);
    } else {
      judge.warn(uses[0], code,
        `${text}; typeof says "undefined", so what this test guards does not run`);
    }
  }
};
