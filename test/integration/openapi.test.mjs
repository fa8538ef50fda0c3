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
const valuesOfOurs =
  /^(owner|through|root)|'(state|status|role|kind|pattern|stream|encoding|path|host|side|from|to)'/;
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
