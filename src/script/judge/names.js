// names.js: names that nothing in the file declares and that no global has. A run that reaches such
// a name throws a ReferenceError, perhaps an hour and many agents after its start.
//
// A name counts as declared in the whole file if it is declared anywhere in it, or assigned, or
// asked for by `typeof`, or the name of a method.
import { nearest } from "./suggest.js";
import { plainKey } from "./tree.js";

const NAME_SHOWN_MAX = 60, SUGGESTED_MAX = 2000, NOTED_MAX = 20;

/** The globals of a script's engine, and our own (script/worker/); and what guards.js knows more
 *  about. */
const GLOBALS = (
  "agent parallel pipeline phase log args budget workflow console meta exports module " +
  "require setTimeout setInterval setImmediate process fetch arguments undefined NaN " +
  "Infinity globalThis eval Object Function Array String Number Boolean Symbol BigInt " +
  "Date Math JSON RegExp Reflect Proxy Map Set WeakMap WeakSet Promise Iterator Error " +
  "AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError " +
  "InternalError SuppressedError DisposableStack AsyncDisposableStack ArrayBuffer " +
  "DataView Uint8ClampedArray Int8Array Uint8Array Int16Array Uint16Array Int32Array " +
  "Uint32Array BigInt64Array BigUint64Array Float16Array Float32Array Float64Array " +
  "parseInt parseFloat isNaN isFinite queueMicrotask decodeURI decodeURIComponent " +
  "encodeURI encodeURIComponent escape unescape").split(" ");

export const noteNames = (judge) => {
  const { tree } = judge;
  if (tree.mentionsGlobal) return; // The script may add globals there.
  const declared = new Set(), known = new Set(GLOBALS), unknown = [];
  for (const [name, { isBound, isAsked }] of tree.names) if (isBound || isAsked) declared.add(name);
  for (const node of tree.nodes) {
    const isMethod = node.type === "MethodDefinition" || node.method ||
      node.kind === "get" || node.kind === "set" ||
      (node.type === "PropertyDefinition" && node.value);
    if (isMethod && plainKey(node)) declared.add(plainKey(node));
  }
  if (judge.timers) known.add("clearTimeout").add("sleep");
  for (const [name, { uses }] of tree.names) {
    if (uses.length > 0 && name.length <= NAME_SHOWN_MAX && !declared.has(name) &&
      !known.has(name)) {
      unknown.push(uses[0]);
    }
  }
  unknown.sort((a, b) => a.start - b.start);
  const offered = [...GLOBALS, ...[...declared].sort().slice(0, SUGGESTED_MAX)];
  for (const use of unknown.slice(0, NOTED_MAX)) {
    const best = nearest(use.name, offered);
    judge.warn(use, "undefined_name", best === undefined
      ? `"${use.name}" is not defined: neither this script nor its engine has it`
      : `"${use.name}" is not defined; did you mean "${best}"?`);
  }
};
