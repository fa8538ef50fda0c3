// results.js: mistakes with the promise of agent() and its kin, and with its result: a promise that
// nothing can await, and `.ok`, `.output`, `.error` and `.cached`, which results of another host
// have, and those of a script whose meta asks for them.
//
// A variable counts if its name is declared once in the file, and is no parameter of anything: then
// each use of the name is one of the variable. The same holds for an item of parallel() or
// pipeline() within the function or the loop that names it. A list counts if each item is the
// answer of an agent(), and if nothing changes the list or is given it.
import { isNamed, plainKey, plainMember, upOf } from "./tree.js";

const PATTERN_NAMES_MAX = 16;
const FOREIGN = new Set(["ok", "output", "error", "cached"]);
const WITH_ITEMS = new Set(
  ["map", "filter", "forEach", "some", "every", "find", "findIndex", "flatMap"]);
const GIVE_ITEM = new Set(["find", "at"]), GIVE_PART = new Set(["filter", "slice"]);
const CHANGES = new Set(["push", "unshift", "splice", "fill"]);

const isArrow = (node) => node?.type === "ArrowFunctionExpression";
const isCallOf = (node) => node.type === "CallExpression" || node.type === "NewExpression";
/** The member access that is made of a value: `value.x`, `value?.x`, `value[x]`. */
const accessOf = (node) => {
  const up = upOf(node);
  return up.type === "MemberExpression" && up.object === node ? up : undefined;
};

// --- Members ---------------------------------------------------------------------------------

/** The name of such a member that is read of a value, and not called. */
const foreignOf = (node) => {
  const access = accessOf(node);
  const isCalled = access?.up.type === "CallExpression" && access.up.callee === access;
  return FOREIGN.has(plainMember(access)) && !isCalled ? access.property : undefined;
};

const foreignKey = (pattern) => pattern.properties.find((property) =>
  property.type === "Property" && FOREIGN.has(plainKey(property)))?.key;

/** `r.output ?? r`: right on either host. */
const hasFallback = (member, name) => {
  const up = upOf(member.up);
  return up.type === "LogicalExpression" && up.operator !== "&&" && isNamed(up.right, name);
};

/** The first such member of a variable that is read between two places. */
const memberOf = (tree, id, from, to) => {
  const uses = tree.usesOf(id, from, to);
  const found = uses?.map(foreignOf).find(Boolean);
  return found && !hasFallback(found, id.name) ? found : undefined;
};

// --- Items of a list -------------------------------------------------------------------------

/** What is read of the item that a pattern or a name stands for, in the code that has it. */
const itemOf = (tree, item, { start, end }) => {
  if (item?.type === "ObjectPattern") return foreignKey(item);
  return item?.type === "Identifier" ? memberOf(tree, item, start, end) : undefined;
};

/** The same of what follows a list: `[0].ok`, `.map((r) => r.ok)`, `.filter(Boolean).map(…)`. */
const chainOf = (tree, list) => {
  for (let node = list; ;) {
    const access = accessOf(node);
    if (!access) return undefined;
    if (access.computed) return foreignOf(access);
    const method = plainMember(access), call = access.up;
    if (access.optional || call.type !== "CallExpression" || call.callee !== access) {
      return undefined;
    }
    const [given] = call.arguments;
    const found = WITH_ITEMS.has(method) && isArrow(given)
      ? itemOf(tree, given.params[0], given.body) : undefined;
    if (found) return found;
    const member = GIVE_ITEM.has(method) ? foreignOf(call) : undefined;
    if (member || !GIVE_PART.has(method)) return member;
    node = call;
  }
};

/** The same of `for (const r of rs)`. */
const loopOf = (tree, use) => {
  const { up } = use;
  return up.type === "ForOfStatement" && up.right === use && up.left.type === "VariableDeclaration"
    ? itemOf(tree, up.left.declarations[0].id, up.body) : undefined;
};

/** This use of a list changes it, or gives it to a function that may. */
const mayChange = (use) => {
  const { up } = use, access = accessOf(use);
  if (isCallOf(up) && up.callee !== use) return plainMember(up.callee) !== "stringify";
  return access !== undefined && (access.computed
    ? access.up.type === "AssignmentExpression" && access.up.left === access
    : CHANGES.has(plainMember(access)));
};

const itemMemberOf = (tree, id) => {
  const uses = tree.usesOf(id);
  if (!uses || uses.some(mayChange)) return undefined;
  for (const use of uses) {
    const found = chainOf(tree, use) ?? loopOf(tree, use);
    if (found) return found;
  }
  return undefined;
};

// --- Answers ---------------------------------------------------------------------------------

/** The call has no schema, as far as its arguments are there: the result is a text. */
const givesText = ({ arguments: [prompt, options, ...more] }) =>
  prompt?.type !== "SpreadElement" && (options === undefined || (more.length === 0 &&
    options.type === "ObjectExpression" && options.properties.every((property) =>
    property.type === "Property" && !property.computed &&
      property.key.name !== "schema" && property.key.value !== "schema")));

/** `() => agent(…)`, which gives a text. `who` calls it: of a member its object has the same
 *  agent(). */
const arrowGivesText = (node, who) => {
  if (!isArrow(node)) return false;
  const call = node.body.type === "AwaitExpression" ? node.body.argument : node.body;
  if (call.type !== "CallExpression") return false;
  const { callee } = call;
  const isAgent = who.type === "MemberExpression"
    ? plainMember(callee) === "agent" && isNamed(callee.object, who.object.name)
    : isNamed(callee, "agent");
  return isAgent && givesText(call);
};

/** Each item of this call of parallel() or pipeline() is a text. */
const itemsAreTexts = (call, name) => {
  const { arguments: given, callee } = call;
  if (name === "pipeline") { // The last stage counts.
    return given.length > 1 && arrowGivesText(given.at(-1), callee);
  }
  const [list] = given;
  if (given.length !== 1) return false;
  if (list.type === "ArrayExpression") {
    return list.elements.length > 0 && list.elements.every((item) => arrowGivesText(item, callee));
  }
  return list.type === "CallExpression" && plainMember(list.callee) === "map" &&
    list.arguments.length === 1 && isArrow(list.arguments[0]) &&
    arrowGivesText(list.arguments[0].body, callee);
};

// --- Notes -----------------------------------------------------------------------------------

/** A result of workflow() is the other script's business, and may have any member; but a script
 *  that reads both `ok` and what goes with it means the result of another host. */
const noteNested = (judge, result) => {
  const id = judge.tree.variableOf(result);
  const found = (id && judge.tree.usesOf(id))?.map(foreignOf).filter(Boolean) ?? [];
  const ok = found.find(({ name }) => name === "ok");
  if (ok && found.some(({ name }) => name !== "ok") &&
    !found.some((member) => hasFallback(member, id.name))) {
    judge.warn(ok, "result_member",
      'workflow() resolves to what the other script returns, which has a member "ok" only if ' +
      'that script gives it one; meta.results: "object" gives {ok, output, error}');
  }
};

/** Such a member of the result of this call: a text, or a list of texts. */
const resultMemberOf = (tree, result, isList) => {
  const { up } = result;
  const id = up.type === "VariableDeclarator" && up.init === result ? up.id : undefined;
  if (id?.type === "Identifier") {
    return isList ? itemMemberOf(tree, id) : memberOf(tree, id, 0, tree.end);
  }
  if (id?.type === "ArrayPattern" && isList) {
    for (const item of id.elements.slice(0, PATTERN_NAMES_MAX)) {
      const found = item?.type === "Identifier" && memberOf(tree, item, 0, tree.end);
      if (found) return found;
    }
  }
  if (id?.type === "ObjectPattern" && !isList) return foreignKey(id);
  return id ? undefined : isList ? chainOf(tree, result) : foreignOf(result);
};

const noteResult = (judge, call, name) => {
  const { tree } = judge, isList = name === "parallel" || name === "pipeline";
  if (judge.objects) return;
  if (name === "workflow") {
    noteNested(judge, call.up);
    return;
  }
  if (isList ? !itemsAreTexts(call, name) : !givesText(call)) return;
  const member = resultMemberOf(tree, call.up, isList);
  const isOwn = isList && call.callee.type === "Identifier" && tree.declares("agent");
  if (member && !isOwn) {
    judge.warn(member, "result_member",
      "agent() resolves to the answer itself, a text, or null: it has no member " +
      `"${member.name}", and this is undefined; meta.results: "object" gives {ok, output, error}`);
  }
};

/** The script only reads members of the variable, or puts it into a template: it is taken for the
 *  result. */
const isReadAsResult = (tree, id) => {
  const uses = tree.usesOf(id) ?? [];
  return uses.length > 0 && uses.every((use) => {
    const member = plainMember(accessOf(use));
    return use.up.type === "TemplateLiteral" || (member !== undefined && member !== "then" &&
      member !== "catch" && member !== "finally");
  });
};

/** `[CALL, …]` whose first item the call is, or `list.map((x) => CALL)`. */
const listOf = (call) => {
  const { up } = call;
  if (up.type === "ArrayExpression") return up.elements[0] === call ? up : undefined;
  const map = isArrow(up) && up.body === call ? up.up : undefined;
  const isMap = map?.type === "CallExpression" && map.arguments[0] === up &&
    plainMember(map.callee) === "map" && !map.callee.optional && map.arguments.length === 1;
  const of = isMap ? map.callee.object.type : "";
  return of === "ArrayExpression" || of === "Identifier" ? map : undefined;
};

/** No use of the list can await its promises: each reads its length, or joins it. */
const isNeverAwaited = (tree, id) => tree.usesOf(id)?.every((use) => {
  const member = plainMember(accessOf(use));
  return member === "length" || member === "join";
}) ?? false;

const isStatement = (node) => node.up.type === "ExpressionStatement";

/** A call of agent(), parallel(), pipeline() or workflow(): uses of its promise. `at`: the name. */
export const notePromise = (judge, call, at) => {
  const { tree } = judge, { name } = at;
  if (call.up.type === "AwaitExpression") {
    noteResult(judge, call, name);
    return;
  }
  if (isStatement(call)) {
    judge.warn(at, "not_awaited",
      `nothing awaits this ${name}(): write "await ${name}(…)"`);
    return;
  }
  const id = tree.variableOf(call), list = id ? undefined : listOf(call);
  if (id && isReadAsResult(tree, id)) {
    judge.warn(at, "not_awaited", `"${id.name.slice(0, 60)}" is a promise, and is read as its ` +
      `result: write "await ${name}(…)"`);
  } else if (list) {
    const all = tree.variableOf(list);
    if (isStatement(list) || (all && isNeverAwaited(tree, all))) {
      judge.warn(at, "not_awaited",
        'nothing awaits this list of promises: write "await Promise.all(…)"');
    }
  }
};
