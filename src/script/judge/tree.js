// tree.js: a script as a tree that knows its parents, and what each name in it is. Scopes are not
// told apart: a name that is bound twice in a file leaves a doubt, and a doubt notes nothing.
import { parse } from "acorn";

export const isFunction = (node) =>
  node?.type === "ArrowFunctionExpression" || node?.type === "FunctionExpression" ||
  node?.type === "FunctionDeclaration";
export const isNamed = (node, name) => node?.type === "Identifier" && node.name === name;
/** The name of a key or a member that is written as a name; undefined: it is none. */
export const plainKey = (node) =>
  !node.computed && node.key?.type === "Identifier" ? node.key.name : undefined;
export const plainMember = (node) =>
  node?.type === "MemberExpression" && !node.computed ? node.property.name : undefined;
export const textOf = (node) =>
  node?.type === "Literal" && typeof node.value === "string" ? node.value
    : node?.type === "TemplateLiteral" && node.quasis.length === 1 ? node.quasis[0].value.cooked
      : undefined;
/** What an expression stands in; `a?.b` is wrapped where its chain ends. */
export const upOf = (node) => (node.up.type === "ChainExpression" ? node.up.up : node.up);

/** The identifiers that a pattern binds or writes. */
const targetsOf = (pattern) => {
  const found = [], left = [pattern];
  while (left.length > 0) {
    const node = left.pop();
    if (node?.type === "Identifier") found.push(node);
    else if (node?.type === "ObjectPattern") left.push(...node.properties);
    else if (node?.type === "ArrayPattern") left.push(...node.elements);
    else if (node?.type === "Property") left.push(node.value);
    else if (node?.type === "AssignmentPattern") left.push(node.left);
    else if (node?.type === "RestElement") left.push(node.argument);
  }
  return found;
};

/** What a node says of identifiers below it: it binds them, or writes to them. */
const NONE = [];
const functionBinds = ({ id, params }) => (id ? [id, ...params] : params);
const classBinds = ({ id }) => (id ? [id] : NONE);
const loopWrites = ({ left }) => [left];
const BINDS = {
  __proto__: null,
  ArrowFunctionExpression: functionBinds,
  FunctionDeclaration: functionBinds,
  FunctionExpression: functionBinds,
  ClassDeclaration: classBinds,
  ClassExpression: classBinds,
  VariableDeclarator: classBinds,
  CatchClause: ({ param }) => (param ? [param] : NONE),
};
const WRITES = {
  __proto__: null,
  AssignmentExpression: loopWrites,
  ForInStatement: loopWrites,
  ForOfStatement: loopWrites,
  UpdateExpression: ({ argument }) => [argument],
};

/** It stands for a variable, not for a key, a member or a label. */
const isVariable = (node) => {
  const { up } = node;
  const isKey = (up.type === "Property" || up.type === "MethodDefinition" ||
    up.type === "PropertyDefinition") && up.key === node && !up.computed;
  const isMember = up.type === "MemberExpression" && up.property === node && !up.computed;
  return !isKey && !isMember && up.type !== "LabeledStatement" && up.type !== "MetaProperty" &&
    up.type !== "BreakStatement" && up.type !== "ContinueStatement" &&
    !(up.type === "ExportSpecifier" && up.exported === node && up.local !== node);
};

/** `top` and all below it, in the order of the text; each gets `up`. */
const walk = (top, visit) => {
  const left = [top];
  const add = (child, up) => {
    child.up = up;
    left.push(child);
  };
  while (left.length > 0) {
    const node = left.pop(), from = left.length;
    visit(node);
    for (const key in node) {
      const value = node[key];
      if (value === null || typeof value !== "object" || key === "up" ||
        (key === "key" && node.shorthand)) {
        continue;
      }
      if (Array.isArray(value)) for (const child of value) child?.type && add(child, node);
      else if (typeof value.type === "string") add(value, node);
    }
    // The last one is taken first.
    if (left.length > from + 1) {
      left.push(...left.splice(from).sort((a, b) => b.start - a.start));
    }
  }
};

/** The first of a sorted list that is not before `at`. */
const lowerBound = (list, at) => {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].start < at) low = middle + 1;
    else high = middle;
  }
  return low;
};
export const isAnyWithin = (list, from, to) => {
  const at = lowerBound(list, from);
  return at < list.length && list[at].start < to;
};

export class Tree {
  /** Throws on what is no script. */
  constructor(text) {
    this.text = text;
    this.program = parse(text, {
      ecmaVersion: "latest", sourceType: "module", allowReturnOutsideFunction: true,
    });
    this.names = new Map();
    this.calls = [];
    this.nodes = []; // All of them.
    this.mentionsGlobal = false; // globalThis, as a name of anything.
    walk(this.program, (node) => this.#take(node));
    this.end = text.length;
  }

  #take(node) {
    this.nodes.push(node);
    for (const pattern of BINDS[node.type]?.(node) ?? NONE) {
      for (const target of targetsOf(pattern)) target.binds = true;
    }
    for (const pattern of WRITES[node.type]?.(node) ?? NONE) {
      for (const target of targetsOf(pattern)) {
        target.writes = true;
        target.assigns = node.operator === undefined || node.operator === "=";
      }
    }
    if (node.type === "CallExpression") this.calls.push(node);
    if (node.type !== "Identifier") return;
    this.mentionsGlobal ||= node.name === "globalThis";
    if (!isVariable(node)) return;
    const known = this.nameOf(node.name);
    known.all.push(node);
    node.isAsked = node.up.type === "UnaryExpression" && node.up.operator === "typeof";
    if (node.binds || node.writes || node.isAsked) known.marks.push(node);
    if (!node.binds) known.uses.push(node);
    known.isBound ||= node.binds || node.assigns || false;
    known.isAsked ||= node.isAsked;
  }

  /** What is known of a name: `marks` bind it, write it, or ask for its type. */
  nameOf(name) {
    let known = this.names.get(name);
    if (!known) {
      known = { all: [], uses: [], marks: [], isBound: false, isAsked: false };
      this.names.set(name, known);
    }
    return known;
  }

  declares(name) {
    return this.names.get(name)?.isBound ?? false;
  }

  /** The uses of the variable that `id` binds, between two places; undefined: the name may be that
   *  of something else there, too, or the script asks what it is. */
  usesOf(id, from = 0, to = this.end) {
    const { uses, marks } = this.names.get(id.name);
    for (let i = lowerBound(marks, from); i < marks.length && marks[i].start < to; i++) {
      if (marks[i] !== id) return undefined;
    }
    return uses.slice(lowerBound(uses, from), lowerBound(uses, to));
  }

  /** `const NAME = node`: the identifier. */
  variableOf(node) {
    const { up } = node;
    return up.type === "VariableDeclarator" && up.init === node && up.id.type === "Identifier"
      ? up.id : undefined;
  }
}
