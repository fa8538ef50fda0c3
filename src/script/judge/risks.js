// risks.js: what will throw, or may, when a run comes there: time, chance, locales, and what
// agent(), parallel(), pipeline() and their kin will not take.
import { notePromise } from "./results.js";
import { handSchema } from "./schemas.js";
import { nearest } from "./suggest.js";
import { isFunction, isNamed, plainMember, textOf } from "./tree.js";

const ITEMS_MAX = 4096, MODEL_MAX = 200, WORD_MAX = 60, KEY_MAX = 63;
const OURS = ["agent", "parallel", "pipeline", "phase", "workflow"];
const OPTIONS = ["label", "phase", "schema", "model", "effort", "isolation", "agentType",
  "capabilities", "max_tool_calls", "max_tool_iters", "tools", "budget"];
const EFFORTS = new Set(["low", "medium", "high", "xhigh", "max"]);
const WRITES = new Set(["toLocaleString", "toLocaleDateString", "toLocaleTimeString"]);

// --- Time, chance, locales -------------------------------------------------------------------

const noteDate = (judge, use) => {
  const code = "not_deterministic", { up } = use;
  const isCalled = up.type === "CallExpression" && up.callee === use;
  if (plainMember(up) === "now" && up.up.type === "CallExpression" && up.up.callee === up) {
    judge.warn(use, code, "Date.now() throws in a workflow: pass the time in args");
  } else if (up.type === "NewExpression" && up.callee === use && up.arguments.length === 0) {
    judge.warn(up, code, "new Date() without a time throws in a workflow: pass the time in args");
  } else if (isCalled) {
    judge.warn(use, code, "Date() throws in a workflow: pass the time in args");
  }
};

const noteChance = (judge, use) => {
  const { up } = use;
  if (plainMember(up) === "random" && up.object === use && up.up.type === "CallExpression" &&
    up.up.callee === up) {
    judge.warn(use, "not_deterministic",
      "Math.random() throws in a workflow: vary by index instead");
  }
};

/** a.toLocaleString("en"), a.localeCompare(b, "en"): other engines write and sort by the locale. */
const noteLocale = (judge, { callee, arguments: given }) => {
  const name = plainMember(callee);
  if ((WRITES.has(name) && given.length > 0) || (name === "localeCompare" && given.length > 1)) {
    judge.noteOnce(callee.property, "locale",
      `${name}() ignores locales and options: this engine has none`);
  }
};

// --- Options of agent() ----------------------------------------------------------------------

const makePlain = (text) => text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, "?");

/** The value of an option, or an argument, where it is a text that stands there, made plain. */
const plainText = (value, most = MODEL_MAX) => {
  const text = value?.type === "Literal" ? textOf(value)?.toWellFormed() : undefined;
  return text && text.length <= most && !text.includes("\0") ? makePlain(text) : undefined;
};

/** Scripts of other hosts name models by words of theirs, and leave the choice to us with them. */
const noteModel = (judge, value, hasType) => {
  const name = plainText(value);
  if (textOf(value) === "" || name === "inherit") return;
  if (name === undefined || name.includes("/")) {
    judge.namesModel = true;
    const connection = name?.slice(0, name.indexOf("/"));
    if (connection !== undefined && !hasType) { // A program has names of its own.
      judge.noteOnce(value, "unknown_connection",
        `there is no provider "${connection}": an agent with this model fails`, false,
        { about: "connection", name: connection });
    }
    return;
  }
  judge.noteOnce(value, "foreign_model",
    `"${name}" is no CONNECTION/MODEL: the setting model_aliases says which model is asked, else ` +
    "it is that of the run", false, { about: "model", name });
};

/** As in prelude.js, which throws on a level that it does not know. */
const noteEffort = (judge, value) => {
  const level = plainText(value, WORD_MAX);
  if (level === undefined || EFFORTS.has(level)) return;
  judge.noteOnce(value, "effort", level === "minimal"
    ? 'there is no effort "minimal": the model is asked with "low"'
    : `there is no effort "${level}": agent() throws on all but low, medium, high, xhigh and max`);
};

/** As in prelude.js, which throws on all but one. */
const noteIsolation = (judge, value) => {
  const kind = plainText(value, WORD_MAX);
  if (kind === undefined || kind === "worktree") return;
  const why = kind === "remote" ? ", since agents work on this machine" : "";
  judge.noteOnce(value, "isolation",
    `there is no isolation "${kind}"${why}: agent() throws on all but "worktree"`, true);
};

const noteAgentType = (judge, value) => {
  const name = plainText(value);
  if (name !== undefined) {
    judge.noteOnce(value, "unknown_agent_type", `there is no agent type "${name.slice(0, 100)}"`,
      false, { about: "agent_type", name });
  }
};

const noteUnknownOption = (judge, at, key) => {
  const typed = makePlain(key), best = nearest(typed, OPTIONS);
  if (typed.length > KEY_MAX || OPTIONS.includes(typed)) return;
  judge.noteOnce(at, "unknown_option", `agent() has no option "${typed}", and ignores it` +
    (best === undefined ? "" : `; did you mean "${best}"?`));
};

const noteOptions = (judge, { properties }) => {
  const keyOf = ({ computed, key }) =>
    (computed || !key ? undefined : key.type === "Identifier" ? key.name : textOf(key));
  const hasType = properties.some((property) => keyOf(property) === "agentType");
  judge.namesModel ||= hasType;
  for (const property of properties) {
    const key = keyOf(property), { value } = property;
    if (!key) judge.namesModel = true; // It may be one.
    else if (key === "model") noteModel(judge, value, hasType);
    else if (key === "effort") noteEffort(judge, value);
    else if (key === "agentType") noteAgentType(judge, value);
    else if (key === "isolation") noteIsolation(judge, value);
    else if (key === "schema") handSchema(judge, value);
    else noteUnknownOption(judge, property.key, key);
  }
};

// --- Calls -----------------------------------------------------------------------------------

const noteAgent = (judge, call) => {
  const [prompt, options] = call.arguments;
  judge.agents++;
  if (options?.type === "ObjectExpression") noteOptions(judge, options);
  else if (options || prompt?.type === "SpreadElement") judge.namesModel = true;
};

/** parallel([…]), pipeline([…]): the number of items, and whether they are promises already. */
const noteItems = (judge, call, at) => {
  const [list] = call.arguments;
  const items = list?.type === "ArrayExpression" ? list.elements : undefined;
  const [first] = items ?? [];
  if (at.name === "parallel" && first?.type === "CallExpression" &&
    isNamed(first.callee, "agent")) {
    judge.error(first, "not_a_function", "parallel() takes functions: write `() => agent(…)`");
  }
  if (items?.length > ITEMS_MAX) {
    judge.error(at, "too_many_items",
      `${items.length} items: at most ${ITEMS_MAX} are taken by one call`);
  }
};

/** phase(title, …), parallel(list, f): another host's, where the call does the work. */
const noteSecond = (judge, call, at) => {
  const second = call.arguments[1], works = isFunction(second);
  if (at.name === "parallel" && works) {
    judge.error(at, "not_a_function", "parallel() takes a list of functions alone: " +
      "pipeline(items, f) calls a function for each item");
  } else if (at.name === "phase" && (works || second?.type === "ArrayExpression")) {
    judge.error(at, "phase", "phase() opens a heading alone: it calls no function and waits for " +
      "no agents, so do so after it");
  }
};

/** workflow("PLUGIN:NAME"); any other name of a workflow may be there when it is asked for. */
const noteWorkflow = (judge, call) => {
  const name = plainText(call.arguments[0]);
  if (name?.includes(":")) {
    judge.noteOnce(call.arguments[0], "unknown_workflow",
      `there is no workflow "${name.slice(0, 100)}"`, false, { about: "workflow", name });
  }
};

const noteCall = (judge, call, at) => {
  if (judge.form === "flow") { // It has none of the functions of workflow scripts.
    judge.noteOnce(at, "not_in_flow", `${at.name}() throws in a flow: its steps are what runs, ` +
      "and run() of a code step starts agents by ctx.dispatch(agent, task)", true);
    return;
  }
  if (at.name !== "phase") notePromise(judge, call, at);
  if (at.name === "agent") noteAgent(judge, call);
  if (at.name === "parallel" || at.name === "phase") noteSecond(judge, call, at);
  if (at.name === "parallel" || at.name === "pipeline") noteItems(judge, call, at);
  if (at.name === "workflow") noteWorkflow(judge, call);
};

export const noteRisks = (judge, context) => {
  const { tree } = judge;
  const isOwn = (name) => tree.declares(name), found = [];
  const offer = (node, note) => found.push({ start: node.start, note });
  judge.agents = 0;
  judge.namesModel = context.taken; // Functions that are passed on may be called anywhere.
  for (const call of tree.calls) {
    const { callee } = call, of = context.taken && context.has(callee);
    const at = of ? callee.property : callee;
    if (callee.type === "MemberExpression" && !of) {
      if (!callee.computed) offer(callee.property, () => noteLocale(judge, call));
    } else if (at.type === "Identifier" && OURS.includes(at.name) &&
      (context.taken || !isOwn(at.name))) {
      offer(at, () => noteCall(judge, call, at));
    }
  }
  for (const [name, note] of [["Date", noteDate], ["Math", noteChance]]) {
    const uses = isOwn(name) ? [] : tree.names.get(name)?.uses ?? [];
    for (const use of uses) offer(use, () => note(judge, use));
  }
  const agents = isOwn("agent") ? [] : tree.names.get("agent")?.uses ?? [];
  judge.namesModel ||= agents.some((use) => use.up.type !== "CallExpression" ||
    use.up.callee !== use); // A value that is called elsewhere.
  found.sort((a, b) => a.start - b.start);
  for (const { note } of found) note();
};
