// context.js: the main function, and the object of functions that main functions of other hosts get
// as their first argument (reader/context_object.h): parameters and members that are not there.
import { isFunction, isNamed, plainKey, plainMember } from "./tree.js";

const NAME_SHOWN_MAX = 60, KEYS_MAX = 64;
const FUNCTIONS = new Set(["agent", "parallel", "pipeline", "phase", "log", "workflow"]);
const VALUES = new Set(["args", "budget", "console", "meta"]);

// --- The main function -----------------------------------------------------------------------

const isMember = (node, object, name) =>
  plainMember(node) === name && isNamed(node.object, object);

/** The value that a statement exports. */
const exportedBy = (statement) => {
  if (statement.type === "ExportDefaultDeclaration") return statement.declaration;
  if (statement.type === "ExportNamedDeclaration") {
    return statement.specifiers.find(({ exported }) => isNamed(exported, "default"))?.local;
  }
  const { type, left, right } = statement.expression ?? {};
  if (type !== "AssignmentExpression") return undefined;
  if (isMember(left, "module", "exports")) {
    return right.type === "ObjectExpression"
      ? right.properties.find((property) => plainKey(property) === "default")?.value : right;
  }
  const isDefault = isMember(left, "exports", "default") ||
    (plainMember(left) === "default" && isMember(left.object, "module", "exports"));
  return isDefault ? right : undefined;
};

const declaredAs = (tree, name) => {
  const { up } = tree.names.get(name)?.all.find(({ binds }) => binds) ?? {};
  return up?.type === "VariableDeclarator" ? up.init : up;
};

const mainOf = (tree) => {
  let found;
  for (const statement of tree.program.body) found = exportedBy(statement) ?? found;
  if (found?.type === "Identifier") found = declaredAs(tree, found.name);
  return isFunction(found) ? found : undefined;
};

/** A target without its default value. */
const plainOf = (target) => (target.type === "AssignmentPattern" ? target.left : target);

// --- What it takes ---------------------------------------------------------------------------

export class Context {
  constructor(tree, form) {
    this.tree = tree;
    this.main = form === "main" ? mainOf(tree) : undefined;
    this.taken = false;
    const [first] = this.main?.params ?? [];
    if (!first) return;
    const plain = plainOf(first);
    this.object = plain.type === "Identifier" ? plain.name : undefined;
    const { start, end } = this.main.body;
    const inBody = (node) => node.start >= start && node.end <= end;
    this.called = new Set(tree.calls.filter(inBody).map(({ callee }) => callee.name));
    this.patterns = tree.nodes.filter((node) => inBody(node) && this.#parts(node))
      .map((node) => node.id ?? node.left);
    if (plain.type === "ObjectPattern") this.patterns.unshift(plain);
    this.members = tree.nodes.filter((node) => inBody(node) && this.has(node));
    this.taken = this.members.some((member) => FUNCTIONS.has(plainMember(member)) &&
        member.up.type === "CallExpression" && member.up.callee === member) ||
      this.patterns.some((pattern) => pattern.properties.slice(0, KEYS_MAX).some((property) =>
        FUNCTIONS.has(plainKey(property)) && this.called.has(plainOf(property.value).name)));
  }

  /** ctx.NAME, of the first parameter. */
  has(node) {
    return this.object !== undefined && plainMember(node) !== undefined &&
      isNamed(node.object, this.object);
  }

  /** The object is taken apart: const { agent } = ctx; */
  #parts(node) {
    const pattern = node.id ?? node.left, value = node.init ?? node.right;
    return this.object !== undefined && pattern?.type === "ObjectPattern" &&
      isNamed(value, this.object);
  }
}

// --- Notes -----------------------------------------------------------------------------------

const noteMember = (judge, { name }, at, isCalled) => {
  if (FUNCTIONS.has(name) || VALUES.has(name) || name.length > NAME_SHOWN_MAX) return;
  const words = `the main function gets no "${name}": there are agent, parallel, pipeline, ` +
    "phase, log, workflow, args, budget, console and meta";
  judge.noteOnce(at, "main_member", words, isCalled);
};

const isTested = (member) => {
  const { up } = member;
  return (up.type === "MemberExpression" && up.object === member && up.optional) ||
    (up.type === "CallExpression" && up.callee === member && up.optional) ||
    (up.type === "LogicalExpression" && up.left === member && up.operator === "??") ||
    (up.type === "AssignmentExpression" && up.left === member && up.operator === "=") ||
    (up.type === "UnaryExpression" && up.operator === "typeof");
};

export const noteContext = (judge, context) => {
  const { main } = context;
  if (!context.taken) {
    const second = main?.params[1];
    if (second && second.type !== "AssignmentPattern" && second.type !== "RestElement") {
      judge.warn(second, "main_parameter",
        "the main function gets the args alone: this parameter is undefined");
    }
    return;
  }
  for (const pattern of context.patterns) {
    for (const property of pattern.properties.slice(0, KEYS_MAX)) {
      if (plainKey(property) && property.value.type !== "AssignmentPattern") {
        noteMember(judge, property.key, property.key, context.called.has(property.value.name));
      }
    }
  }
  for (const member of context.members) {
    const { up } = member;
    if (!isTested(member)) {
      noteMember(judge, member.property, member.property,
        up.type === "CallExpression" && up.callee === member);
    }
  }
};
