// refusals.mjs: requests that must be refused, made from the description that the daemon serves:
// each query parameter and each member of a body with values that it does not take.
//
// What the description says, the answer must say, too: a value of another type, or outside of its
// bounds, gets the sentence that follows from the schema (expected.mjs), and one within them is
// taken. Only what says something else is recorded: rules that no schema has.

import assert from "node:assert/strict";

import { expectedOfBody, expectedOfQuery } from "./expected.mjs";

/** What is made where it is not there, or is gone where it should be. */
const MADE = {
  "POST /api/v1/streams/{id}/events": "the first append makes a stream",
  "PUT /api/v1/agents/{name}": "the first one stores an agent",
  "POST /api/v1/projects/{project}/tasks": "the first task makes the project",
  "DELETE /api/v1/projects/{project}/texts": "the project may be gone before its texts",
};
const METHODS = ["get", "post", "put", "patch", "delete"];
const LONG = 70_000;
const HUGE = Number.MAX_SAFE_INTEGER;

export const operations = (document) =>
  Object.entries(document.paths).flatMap(([target, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      target,
      method: method.toUpperCase(),
      parameters: (item[method].parameters ?? []).filter((one) => one.in === "query"),
      body: item[method].requestBody,
      schema: item[method].requestBody?.content["application/json"]?.schema,
    })),
  );

/** Values that a query parameter of this kind does not take. */
function wrongWords({ type, maximum, minimum, maxLength, ...schema }) {
  if (type === "string") return maxLength < 8000 ? ["!", "x".repeat(maxLength + 1)] : ["!"];
  const words = ["x", ""];
  if (schema.enum) words.push(String(Math.max(...schema.enum) + 1));
  if (minimum !== undefined) words.push(String(minimum - 1));
  // A maximum of 64 bits is not exact here.
  if (maximum !== undefined) words.push(maximum > HUGE ? "9223372036854775808" : `${maximum}0`);
  return words;
}

const typesOf = ({ type, oneOf, enum: words }) => {
  if (oneOf) return oneOf.flatMap(typesOf);
  if (words) return ["enum", ...(words.includes(null) ? ["null"] : [])];
  return type === undefined ? ["any"] : [type].flat();
};

/** Values of every type, and of each type some that few fields take. */
const SAMPLES = {
  null: [null],
  boolean: [true],
  integer: [0, -1, HUGE, 1.5],
  string: ["", "no such", "x".repeat(LONG), "a\u0001b"],
  array: [[], [7], ["no such"], Array.from({ length: 300 }, (_, i) => `n${i}`)],
  object: [{}, { no_such: 1 }, { "": "" }],
};

/** Values for a member of a body: one of each type that is not its own, all samples of its own. */
function wrongValues(schema) {
  const types = typesOf(schema);
  if (types.includes("any")) return [];
  const own = types.includes("enum") ? ["string"] : types;
  return Object.entries(SAMPLES).flatMap(([type, samples]) =>
    own.includes(type) ? samples : samples.slice(0, 1),
  );
}

const membersOf = ({ properties, oneOf = [] }) =>
  Object.entries(properties ?? oneOf.find((one) => one.properties)?.properties ?? {});

/** The same for the members of an object that is a member. */
function* wrongMembers(name, schema) {
  for (const [inner, one] of membersOf(schema)) {
    for (const value of wrongValues(one)) yield { [name]: { [inner]: value } };
  }
}

/** Bodies that a request must not have, beside one that it may have. */
function* wrongBodies({ schema, body }, good) {
  if (!schema) return;
  if (body.required) yield undefined;
  yield* ["", "{", "[]", "7", '{"a":1,"a":2}'];
  yield { ...good, no_such: 1 };
  for (const name of schema.required ?? []) {
    const rest = { ...good };
    delete rest[name];
    yield rest;
  }
  for (const [name, one] of Object.entries(schema.properties)) {
    for (const value of wrongValues(one)) yield { ...good, [name]: value };
    for (const wrong of wrongMembers(name, one)) yield { ...good, ...wrong };
  }
}

/** Queries that a request must not have. */
function* wrongQueries({ parameters }) {
  yield "no_such=1";
  const needed = parameters.filter((one) => one.required);
  for (const { name } of needed) {
    yield needed.filter((one) => one.name !== name).map((one) => `${one.name}=1`).join("&");
  }
  const others = (name) => needed.filter((one) => one.name !== name).map((o) => `&${o.name}=1`);
  for (const { name, schema } of parameters) {
    for (const word of wrongWords(schema)) {
      yield `${name}=${encodeURIComponent(word)}${others(name).join("")}`;
    }
  }
}

/** A body as it is recorded: what is in it beside `good`. */
function bodyWords(body, good) {
  if (body === undefined) return "(no body)";
  if (typeof body === "string") return body;
  const added = Object.keys(body).filter((name) => body[name] !== good[name]);
  const left = Object.keys(good).filter((name) => !(name in body));
  if (left.length > 0) return `(no ${left.join(", ")})`;
  return JSON.stringify(Object.fromEntries(added.map((name) => [name, body[name]])));
}

/** Neighbours with one answer are one line. */
function together(lines) {
  const groups = [];
  for (const [shown, said] of lines) {
    if (groups.at(-1)?.said === said) groups.at(-1).shown.push(shown);
    else groups.push({ shown: [shown], said });
  }
  return groups.map(({ shown, said }) => `${shown.join(" | ")} -> ${said}`);
}

/** Every answer but a success: its status and code, and the sentence. */
export class Refusals {
  constructor(record, daemon) {
    this.record = record;
    this.daemon = daemon;
    this.codes = new Map();
    this.foreseen = 0;
  }

  /** What was sent, and its answer; nothing where that is the one that was expected. */
  line(what, answer, expected) {
    const shown = this.record.names.text(what);
    const { json } = answer;
    this.met.push(`${shown} -> ${answer.status} ${json?.code}: `);
    const said = answer.status < 300 ? "taken" : `${answer.status} ${json?.code}: ${json?.detail}`;
    if (said === expected) {
      this.foreseen++;
      return [];
    }
    if (answer.status < 300) return [[shown, `${answer.status}`]];
    const whole = Object.keys(json ?? {}).join();
    if (whole !== "type,title,status,detail,code" || json.status !== answer.status) {
      return [[shown, `${answer.status} ${this.record.names.text(answer.text)}`]];
    }
    this.codes.set(json.code, `${json.status} ${json.type} ${json.title}`);
    const detail = this.record.names.text(json.detail);
    return [[shown, `${answer.status} ${json.code}: ${detail}`]];
  }

  send(method, target, body, headers) {
    return this.daemon.request(method, target, { body, headers });
  }

  /** `place`: the target with ids that are there; `strange`: with ones that are not. */
  async operation(one, { place, strange, good }) {
    const { method } = one;
    const lines = [];
    this.met = [];
    const needed = one.parameters.filter(({ required }) => required).map((p) => `${p.name}=1`);
    const query = needed.length > 0 ? `?${needed.join("&")}` : "";
    for (const target of strange) {
      const image = one.body && !one.schema ? { "content-type": "image/png" } : undefined;
      const answer = await this.send(method, target + query, image ? "x" : good, image);
      lines.push(...this.line(decodeURIComponent(target), answer));
    }
    for (const wrong of wrongQueries(one)) {
      const answer = await this.send(method, `${place}?${wrong}`, good);
      const expected = expectedOfQuery(one, new URLSearchParams(wrong));
      lines.push(...this.line(`?${decodeURIComponent(wrong)}`, answer, expected));
    }
    for (const wrong of wrongBodies(one, good)) {
      const answer = await this.send(method, place + query, wrong);
      lines.push(...this.line(bodyWords(wrong, good), answer, expectedOfBody(one, wrong)));
    }
    if (one.body) {
      const other = { "content-type": "text/plain" };
      const answer = await this.send(method, place + query, "x", other);
      lines.push(...this.line("(text/plain)", answer, expectedOfBody(one, undefined)));
    }
    this.judge(one);
    const taken = good && lines.length > 0 ? [`beside ${this.record.names.short(good)}:`] : [];
    if (lines.length > 0) {
      this.record.add(`### ${method} ${one.target}`, ...taken, ...together(lines));
    }
  }

  /** Each parameter, member and id has a value that was refused. */
  judge({ method, target, parameters, schema }) {
    const refused = (start, statuses) =>
      assert.ok(
        this.met.some((line) => line.startsWith(start) && statuses.test(line)),
        `${method} ${target}: no refusal of ${start}`,
      );
    refused("?no_such=1", / -> 400 bad_query: /);
    if (target.includes("{") && !(`${method} ${target}` in MADE)) refused("", / -> 404 /);
    for (const { name, schema: value } of parameters) {
      if (value.type !== "string") refused(`?${name}=`, / -> 400 bad_query: /);
    }
    if (!schema) return;
    refused('{"no_such":1}', / -> 400 unknown_field: /);
    for (const name of schema.required ?? []) refused(`(no ${name})`, / -> 400 missing_field: /);
    for (const [name, value] of Object.entries(schema.properties)) {
      if (Object.keys(value).length > 0) refused(`{"${name}":`, / -> 400 \w+: /);
    }
  }

  /** What each code that was met says besides. */
  finish() {
    const lines = [...this.codes].sort().map(([code, words]) => `${code}: ${words}`);
    this.record.add("### codes", ...lines);
  }
}
