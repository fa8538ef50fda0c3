// types.mjs: shapes of answers of the daemon, as TypeScript, of its own description of the API
// (GET /api/v1/openapi.json). `make types` writes src/api/types.ts by it, and a test of the
// description fails while that file is another (test/integration/openapi.test.mjs).

/** Each shape: its name, and where it stands: a route, then members on the way. Of a list its items
 *  are meant. */
const SHAPES = {
  Overview: "GET /overview",
  Waiting: "GET /waiting",
  Wait: "GET /waiting items",
  Ended: "GET /overview unseen ended",
  UnseenSession: "GET /overview unseen sessions",
  Today: "GET /overview today",
  Progress: "GET /runs items progress",
  Run: "GET /runs items",
  WholeRun: "GET /runs/{id}",
  Work: "GET /sessions/{id}/background items",
  SpanRow: "GET /runs/{id}/spans items",
  RunAgent: "GET /runs/{id}/agents items",
  Limit: "GET /runs/{id}/limits items",
  ScriptFile: "GET /runs/{id}/script",
  Fault: "GET /workflows workflows error",
  Note: "GET /workflows/{name} notes",
  Workflow: "GET /workflows workflows",
  FlowRun: "GET /runs/{id}/flow",
  FlowStep: "GET /runs/{id}/flow steps",
  FlowVerdict: "POST /flows/check",
  Outcome: "POST /runs/bulk items",
  LogMatches: "GET /jobs/{id}/logs/search",
  Usage: "GET /sessions items usage",
  Session: "GET /sessions items",
  Rewound: "POST /sessions/{id}/rewind",
  Tree: "GET /worktrees items",
  TreeAlone: "GET /worktrees/{id}",
  TreeApplied: "POST /worktrees/{id}/apply",
  TreesPruned: "POST /worktrees/prune",
  SessionFiles: "GET /sessions/{id}/files",
  TimelineTurn: "GET /sessions/{id}/timeline items",
  Message: "GET /messages/{id}",
  Part: "GET /messages/{id} parts",
  Changes: "GET /sessions/{id}/changes",
  ChangedFile: "GET /sessions/{id}/changes files",
  Author: "GET /sessions/{id}/changes files by",
  TextRange: "GET /messages/{id}/parts/{number}",
  Ask: "GET /approvals items",
  Task: "GET /projects/{project}/tasks items",
  TaskAlone: "GET /projects/{project}/tasks/{task}",
  Output: "POST /projects/{project}/tasks/{task}/outputs",
  Comment: "POST /projects/{project}/tasks/{task}/comments",
  Project: "GET /projects items",
  Folders: "GET /folders",
  Agent: "GET /agents items",
  AgentStart: "GET /agents/{name}/start",
  Mail: "GET /mail items",
  Memory: "GET /memory items",
  Topic: "GET /memory/topics items",
  Day: "GET /memory/daily items",
  Delivery: "GET /inbox items",
  Budget: "GET /budgets items",
  Connection: "GET /providers items",
  Tested: "POST /providers/{name}/test",
  Model: "GET /models items",
  Settings: "GET /settings",
  Version: "GET /version",
  Ready: "GET /readyz",
  Hold: "GET /system/hold",
  Damage: "GET /damage items",
  Host: "GET /hosts items",
  LogEnd: "GET /system/log",
  Backup: "GET /system/backup last",
  Backups: "GET /system/backup",
  NamedTerminal: "GET /terminals items",
  Token: "GET /tokens items",
  Me: "GET /login",
};

/** Each value: its name, and where it stands: a route, a member of its body or a parameter of its
 *  query (?q), then what the schema has there. */
const VALUES = {
  PROGRAMS: "POST /agents program enum",
  MUST_KINDS: "POST /projects/{project}/tasks must_haves items propertyNames enum",
  PRIORITY: "POST /projects/{project}/tasks priority default",
  ATTEMPTS_MAX: "POST /projects/{project}/tasks max_attempts default",
  PROJECT_NAME_MAX: "POST /projects name maxLength",
  IMAGES_MAX: "POST /sessions/{id}/messages attachments maxItems",
  SUBAGENT_LABEL_MAX: "POST /sessions/{id}/subagents label maxLength",
  SEARCH_MAX: "GET /sessions/{id}/messages ?q maxLength",
  BULK_MAX: "POST /runs/bulk ids maxItems",
};

const BEFORE = `/** Shapes of what the daemon answers, and words and limits of what it takes.
 *  Written by \`make types\` (web/types.mjs). */

`;

const itemOf = (schema) => (schema.items?.properties ? schema.items : schema);

/** The schema at a place such as "GET /runs/{id}/flow steps". */
function schemaAt({ paths }, place) {
  const [method, route, ...members] = place.split(" ");
  const of = (paths[`/api/v1${route}`] ?? paths[route])?.[method.toLowerCase()];
  const [answer] = Object.values(of?.responses ?? {});
  const found = members.reduce((above, name) => itemOf(above?.properties?.[name] ?? {}),
    answer?.content?.["application/json"]?.schema);
  if (found?.properties === undefined) throw new Error(`web/types.mjs: no shape at ${place}`);
  return found;
}

function valueAt({ paths }, place) {
  const [method, route, name, ...members] = place.split(" ");
  const of = paths[`/api/v1${route}`]?.[method.toLowerCase()];
  const schema = name.startsWith("?")
    ? of?.parameters?.find((one) => `?${one.name}` === name)?.schema
    : of?.requestBody?.content["application/json"].schema.properties[name];
  const found = members.reduce((above, member) => above?.[member], schema);
  if (found === undefined) throw new Error(`web/types.mjs: no value at ${place}`);
  return found;
}

const valuesOf = (document) => Object.entries(VALUES).map(([name, place]) => {
  const value = valueAt(document, place);
  const text = Array.isArray(value)
    ? `[${value.map((one) => JSON.stringify(one)).join(", ")}] as const` : JSON.stringify(value);
  return `export const ${name} =${text.length > 60 ? "\n " : ""} ${text};\n`;
}).join("");

const isName = /^[A-Za-z_]\w*$/;

/** Words in lines of at most 100 columns. */
function linesOf(words, indent) {
  const lines = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 100) lines.push(`${lines.pop()} ${word}`);
    else lines.push(indent + word);
  }
  return lines;
}

/** A member that is too long for a line goes on below, deeper. */
const bodyOf = (members) => linesOf(members, "  ").flatMap((line) => {
  const [first, ...more] = line.length <= 100 ? [line] : linesOf(line.trim().split(" "), "    ");
  return [`  ${first.trim()}`, ...more];
}).map((line) => `${line}\n`).join("");

/** Pure: the file of all shapes. */
export function typesOf(document) {
  const names = new Map(), shapes = [];

  function typeOf(schema) {
    if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
    return [schema.type].flat().map((type) => oneOf(type, schema)).join(" | ");
  }

  function oneOf(type, schema) {
    if (type === "object") return objectOf(schema);
    if (type !== "array") return type === "integer" ? "number" : type ?? "unknown";
    const item = typeOf(schema.items ?? {});
    return item.includes(" | ") && !item.endsWith("}") ? `(${item})[]` : `${item}[]`;
  }

  function objectOf(schema) {
    if (schema.properties) {
      return names.get(JSON.stringify(schema)) ?? `{ ${membersOf(schema).join(" ").slice(0, -1)} }`;
    }
    const { additionalProperties: values } = schema;
    return `Record<string, ${typeof values === "object" ? typeOf(values) : "unknown"}>`;
  }

  const membersOf = ({ properties, required = [] }) =>
    Object.entries(properties).map(([name, schema]) =>
      `${isName.test(name) ? name : JSON.stringify(name)}${required.includes(name) ? "" : "?"}: ` +
      `${typeOf(schema)};`);

  for (const [name, place] of Object.entries(SHAPES)) {
    const schema = schemaAt(document, place);
    names.set(JSON.stringify(schema), name);
    shapes.push({ name, schema });
  }
  for (const shape of shapes) shape.members = membersOf(shape.schema);

  /** The largest shape before whose members it has, all of them. */
  const aboveOf = ({ members }, before) => before
    .filter((one) => one.members.length >= 4 && one.members.every((text) => members.includes(text)))
    .sort((a, b) => b.members.length - a.members.length)[0];

  const { items, ...others } = schemaAt(document, "GET /runs").properties;
  const page = ["items: T[];", ...membersOf({ properties: others, required: ["next"] })];
  return `${BEFORE}${valuesOf(document)}
export interface Page<T> {\n${bodyOf(page)}}\n` + shapes.map((shape, at) => {
    const above = aboveOf(shape, shapes.slice(0, at));
    const own = shape.members.filter((text) => !above?.members.includes(text));
    const head = `export interface ${shape.name}${above ? ` extends ${above.name}` : ""}`;
    return `${head} {\n${bodyOf(own)}}\n`;
  }).join("");
}
