// openapi.test.mjs: the description that is served, held against what is served.
import assert from "node:assert/strict";
import {
  mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { typesOf } from "../../web/types.mjs";
import { Daemon, root } from "./lib.mjs";

const methods = ["get", "post", "put", "patch", "delete"];
let daemon;
let folder;
let document;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  daemon = await new Daemon({
    data: path.join(folder, "d"),
    args: ["--insecure-loopback"],
  }).start();
  document = (await daemon.request("GET", "/api/v1/openapi.json")).json;
});
after(async () => {
  await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Parameters for which any word does not do. */
const ours = "state|status|role|kind|pattern|stream|encoding|path|host|side|from|to";
const valuesOfOurs = new RegExp(`^(owner|through|root|path)|'(${ours})'`);
const fillIn = (target) => target.replaceAll("{id}", "some-id");
const operations = () =>
  Object.entries(document.paths).flatMap(([target, item]) =>
    methods
      .filter((method) => item[method])
      .map((method) => ({ target, method, ...item[method] })),
  );

test("it is an OpenAPI document, and says so", async () => {
  assert.match(document.openapi, /^3\./);
  assert.equal(typeof document.info.version, "string");
  assert.ok(operations().length >= 12);
  for (const operation of operations()) assert.ok(operation.summary, operation.target);
});

const KEYWORDS = new Set(["$ref", "type", "properties", "required", "additionalProperties", "items",
  "enum", "const", "description", "minimum", "maximum", "minLength", "maxLength", "minItems",
  "maxItems", "pattern", "format", "anyOf", "oneOf", "allOf", "default", "propertyNames"]);
const TYPES = ["object", "array", "string", "integer", "number", "boolean", "null"];

/** What is wrong with a schema, with the place of each. */
function faultsOf(schema, place) {
  if (typeof schema === "boolean") return [];
  const faults = [];
  const say = (words) => faults.push(`${place}: ${words}`);
  for (const word of Object.keys(schema)) if (!KEYWORDS.has(word)) say(`unknown word ${word}`);
  for (const type of [schema.type ?? []].flat()) if (!TYPES.includes(type)) say(`type ${type}`);
  if (schema.$ref !== undefined) {
    const found = schema.$ref.slice(2).split("/").reduce((at, name) => at?.[name], document);
    if (!schema.$ref.startsWith("#/") || found === undefined) say(`leads nowhere: ${schema.$ref}`);
  }
  const properties = schema.properties ?? {};
  for (const name of schema.properties ? schema.required ?? [] : []) {
    if (!(name in properties)) say(`requires ${name}, which it does not describe`);
  }
  if (schema.enum && new Set(schema.enum).size !== schema.enum.length) say("a value twice");
  if (schema.enum?.length === 0) say("an enum without values");
  const below = [...Object.entries(properties), ...Object.entries(schema.anyOf ?? {}),
    ...Object.entries(schema.oneOf ?? {}), ...Object.entries(schema.allOf ?? {})];
  for (const name of ["items", "additionalProperties", "propertyNames"]) {
    if (schema[name] !== undefined) below.push([name, schema[name]]);
  }
  return [...faults, ...below.flatMap(([name, one]) => faultsOf(one, `${place}.${name}`))];
}

test("each schema in it is well made", () => {
  const faults = [];
  let count = 0;
  const walk = (value, place) => {
    if (value === null || typeof value !== "object") return;
    for (const [name, one] of Object.entries(value)) {
      if (name === "schema") {
        count++;
        faults.push(...faultsOf(one, place));
      } else {
        walk(one, `${place}/${name}`);
      }
    }
  };
  walk(document.paths, "");
  for (const [name, one] of Object.entries(document.components?.schemas ?? {})) {
    faults.push(...faultsOf(one, name));
  }
  assert.deepEqual(faults, []);
  assert.ok(count > 200, `${count} schemas`);
});

/** The texts of the sources of a layer, of all its features. */
function sourcesOf(layer) {
  const top = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../src", layer);
  const within = (folder) => readdirSync(folder).map((name) => path.join(folder, name));
  return within(top)
    .filter((folder) => statSync(folder).isDirectory())
    .flatMap(within)
    .filter((file) => file.endsWith(".c"))
    .map((file) => readFileSync(file, "utf8"));
}

/** The routes of the descriptors of resources. */
function routesOfResources() {
  const kinds = { LIST: "GET", ADD: "POST", SHOW: "GET", CHANGE: "PATCH", REMOVE: "DELETE" };
  return sourcesOf("rules").flatMap((text) => {
    const base = text.match(/\.path = "([^"]+)"/)?.[1];
    const key = text.match(/\.key = "([^"]+)"/)?.[1];
    return [...text.matchAll(/\[RESOURCE_(\w+)\] = {/g)].map(([, kind]) =>
      `${kinds[kind]} ${base}${["LIST", "ADD"].includes(kind) ? "" : `/{${key}}`}`);
  });
}

test("each route of the sources stands in it, and nothing else of /api", async () => {
  const rows = sourcesOf("api").flatMap((text) =>
    [...text.matchAll(/(?:\.method = |ROUTE\()"([A-Z]+)",\s*(?:\.path = )?"([^"]+)"/g)].map(
      (row) => `${row[1]} ${row[2]}`,
    ),
  ).filter((row) => row.includes("/api/")); // The web pages are no part of the API.
  rows.push(...routesOfResources());
  const told = operations()
    .map((operation) => `${operation.method.toUpperCase()} ${operation.target}`)
    .filter((row) => row.includes("/api/") && !row.endsWith("openapi.json"));
  assert.deepEqual(told.sort(), rows.sort());
});

test("the shapes of the web pages are those of the description", () => {
  const file = path.join(root, "web/src/api/types.ts"), made = typesOf(document);
  if (process.env.TYPES_WRITE === "1") writeFileSync(file, made);
  assert.equal(readFileSync(file, "utf8"), made, "make types");
});

test("each path of it is routed, and other methods answer 405 with Allow", async () => {
  for (const [target, item] of Object.entries(document.paths)) {
    const known = methods.filter((method) => item[method]);
    for (const method of [...methods, "foo"]) {
      if (known.includes(method) || method === "foo") continue;
      const answer = await daemon.request(method.toUpperCase(), fillIn(target));
      assert.equal(answer.status, 405, `${method} ${target}: ${answer.text}`);
      const allowed = answer.headers.allow.split(/, */).map((name) => name.toLowerCase());
      for (const name of known)
        assert.ok(allowed.includes(name), `${target}: ${answer.headers.allow}`);
    }
    const options = await daemon.request("OPTIONS", fillIn(target));
    assert.ok([200, 204].includes(options.status), target);
  }
});

test("parameters agree: each one told is taken, any other is refused", async () => {
  for (const { target, method, parameters = [] } of operations()) {
    const query = parameters.filter((parameter) => parameter.in === "query");
    const inPath = parameters
      .filter((parameter) => parameter.in === "path")
      .map((parameter) => parameter.name);
    assert.deepEqual(
      inPath,
      [...target.matchAll(/{(\w+)}/g)].map((match) => match[1]),
      target,
    );
    const unknown = await daemon.request(method.toUpperCase(), `${fillIn(target)}?no_such=1`, {
      body: method === "get" || method === "delete" ? undefined : {},
    });
    assert.equal(unknown.status, 400, `${method} ${target}: ${unknown.text}`);
    assert.equal(unknown.json.code, "bad_query");
    for (const parameter of query) {
      const value = parameter.schema.type === "integer" ? (parameter.schema.minimum ?? 1) : "x";
      if (parameter.schema.type === "boolean" || parameter.name === "wait") continue;
      const answer = await daemon.request(
        method.toUpperCase(),
        `${fillIn(target)}?${parameter.name}=${value}`,
      );
      assert.ok(
        answer.json?.code !== "bad_query" || valuesOfOurs.test(answer.json.detail ?? ""),
        `${method} ${target} ${parameter.name}: ${answer.text}`,
      );
    }
  }
});

test("what must be given is marked so, has no default, and is missed by name", async () => {
  const needed = operations().flatMap(({ target, method, parameters = [] }) =>
    parameters
      .filter((parameter) => parameter.in === "query" && parameter.required)
      .map((parameter) => ({ target, method, ...parameter })),
  );
  assert.deepEqual(
    needed.map(({ method, target, name }) => `${method} ${target} ${name}`).sort(),
    [
      "delete /api/v1/hosts host",
      "delete /api/v1/sessions/{id}/roots path",
      "delete /api/v1/streams/{id}/events through",
      "get /api/v1/jobs/{id}/logs/search pattern",
      "get /api/v1/names kind",
    ],
  );
  for (const { target, method, name, schema } of needed) {
    assert.equal(schema.default, undefined);
    const answer = await daemon.request(method.toUpperCase(), fillIn(target));
    assert.equal(answer.json.code, "bad_query");
    assert.match(answer.json.detail, new RegExp(`'${name}' is required`));
  }
});

test("an answer that may be a stream is told in both forms", async () => {
  const { content } = document.paths["/api/v1/streams/{id}/events"].get.responses[200];
  assert.deepEqual(Object.keys(content), ["application/json", "text/event-stream"]);
});

test("what needs a body refuses to go without one", async () => {
  for (const { target, method, requestBody } of operations()) {
    if (!requestBody?.required) continue;
    const answer = await daemon.request(method.toUpperCase(), fillIn(target));
    assert.ok([400, 411, 415].includes(answer.status), `${method} ${target}: ${answer.text}`);
  }
});
