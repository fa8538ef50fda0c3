// folders.test.mjs: whose the folders are that requests name: who may read one, and who may look
// for one in it.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";

const at = (folder) => `root=${encodeURIComponent(folder)}`;

/** A daemon, and a folder of each name with a workflow, a flow and an agent that hold a secret. */
async function start(t, ...names) {
  const top = scratch(t);
  const env = { HOME: path.join(top, "home") };
  mkdirSync(env.HOME);
  const folders = names.map((name) => path.join(top, name));
  const files = {
    ".drover/workflows/plan.js":
      'export const meta = { name: "plan", description: "hush" };\nreturn "hush";\n',
    ".drover/flows/way.js":
      'export const meta = { name: "way", description: "hush" };\nexport const steps = [];\n',
    ".drover/agents/helper.json":
      JSON.stringify({ name: "helper", program: "plain", command: "/bin/echo", args: ["hush"] }),
  };
  for (const folder of folders) {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
  }
  const daemon = await new Daemon({ data: path.join(top, "d"), env }).start();
  t.after(() => daemon.kill());
  const token = async (owner, ...scopes) => {
    const made = await daemon.request("POST", "/api/v1/tokens", {
      body: { scopes, owner }, local: true });
    assert.equal(made.status, 201, made.text);
    return { authorization: `Bearer ${made.json.token}` };
  };
  return { daemon, folders, token };
}

/** Every read that takes a folder. */
const reads = (folder) => [
  ["GET", `/api/v1/workflows?${at(folder)}`],
  ["GET", `/api/v1/workflows/plan?${at(folder)}`],
  ["GET", `/api/v1/flows?${at(folder)}`],
  ["GET", `/api/v1/flows/way?${at(folder)}`],
  ["GET", `/api/v1/agents?${at(folder)}`],
  ["GET", `/api/v1/agents/helper?${at(folder)}`],
  ["GET", `/api/v1/agents/helper/start?${at(folder)}`],
  ["POST", "/api/v1/scripts/check", { root: folder,
    script: 'export const meta = { name: "x", description: "x" };\n' +
      'return agent("x", { agentType: "helper" });\n' }],
];

test("a token that only reads gets the folders of its owner alone", async (t) => {
  const { daemon, folders: [theirs, own, project], token } = await start(t, "a", "b", "c");
  const [reader, runner] = [await token("bob", "read"), await token("bob", "run", "read")];
  const boss = await token("boss", "read", "admin");
  const self = await token("local", "read");
  for (const [target, body] of [
    ["/api/v1/sessions", { root: own }],
    ["/api/v1/projects", { name: "site", root: project }],
  ]) {
    const made = await daemon.request("POST", target, { body, headers: runner });
    assert.equal(made.status, 201, made.text);
  }
  const refused = [theirs, `${own}/../a`, `${own}/.drover`, path.join(theirs, "absent"), "/"];
  for (const folder of refused) {
    for (const [method, target, body] of reads(folder)) {
      const { status, json, text } = await daemon.request(method, target, {
        body, headers: reader });
      assert.deepEqual([status, json.code], [403, "forbidden"], `${target}: ${text}`);
      assert.ok(json.detail.startsWith("root: no session and no project of 'bob' has the folder"));
      assert.ok(!text.includes("hush"), text);
    }
  }
  for (const [headers, folder] of
    [[reader, own], [reader, `${own}/`], [reader, project], [runner, theirs], [boss, theirs],
      [self, theirs]]) {
    for (const [method, target, body] of reads(folder)) {
      const { status, text } = await daemon.request(method, target, { body, headers });
      assert.equal(status, 200, `${method} ${target}: ${text}`);
    }
  }
  for (const target of ["/api/v1/workflows", "/api/v1/flows", "/api/v1/agents"]) {
    assert.equal((await daemon.request("GET", target, { headers: reader })).status, 200, target);
  }
});

const listing = (folder, more = "") =>
  `/api/v1/folders?path=${encodeURIComponent(folder)}${more}`;
const namesOf = ({ json }) => json.items.map(({ name }) => name);

/** Folders below the first one: b and C, a hidden one, a file, and a link to the second one. */
async function tree(t) {
  const made = await start(t, "mine", "other");
  const [mine, other] = made.folders;
  for (const name of ["b/inner", "C", ".hidden"]) {
    mkdirSync(path.join(mine, name), { recursive: true });
  }
  writeFileSync(path.join(mine, "a.txt"), "");
  symlinkSync(other, path.join(mine, "link"));
  return { ...made, mine, other };
}

test("the folders below one are listed by name, without files, links and hidden", async (t) => {
  const { daemon, mine } = await tree(t);
  const ask = (target) => daemon.request("GET", target, { local: true });
  const { status, json } = await ask(listing(`${mine}/`));
  assert.equal(status, 200);
  assert.deepEqual(json, { path: mine, parent: path.dirname(mine), whole: true,
    items: ["b", "C"].map((name) => ({ name, path: path.join(mine, name) })) });
  assert.deepEqual(namesOf(await ask(listing(mine, "&hidden=1"))),
    [".drover", ".hidden", "b", "C"]);
  const cut = await ask(listing(mine, "&limit=1"));
  assert.deepEqual([namesOf(cut), cut.json.whole], [["b"], false]);
  assert.equal((await ask(listing("/"))).json.parent, null);
});

test("a path that names no folder is refused with a reason", async (t) => {
  const { daemon, mine } = await tree(t);
  for (const [folder, more, status, code, detail] of [
    ["b", "", 400, "bad_query", /^path: must be an absolute path/],
    [`${mine}/../other`, "", 400, "bad_query", /without '.', '..'/],
    [`${mine}//b`, "", 400, "bad_query", /and '\/\/'/],
    [`${mine}/\n`, "", 400, "bad_query", /as plain text/],
    [mine, "&limit=501", 400, "bad_query", /limit/],
    [`${mine}/a.txt`, "", 400, "bad_query", /is not a folder$/],
    [`${mine}/absent`, "", 404, "not_found", /^path: there is no folder/],
    [daemon.data, "", 403, "forbidden", /belongs to drover itself$/],
  ]) {
    const { json, ...answer } = await daemon.request("GET", listing(folder, more), { local: true });
    assert.deepEqual([answer.status, json.code], [status, code], `${folder}: ${answer.text}`);
    assert.match(json.detail, detail);
  }
});

test("a token that only reads looks below its owner's folders, and through no link", async (t) => {
  const { daemon, mine, other, token } = await tree(t);
  const [reader, runner] = [await token("bob", "read"), await token("bob", "run", "read")];
  const ask = (target) => daemon.request("GET", target, { headers: reader });
  assert.deepEqual((await ask("/api/v1/folders")).json.items, []);
  assert.equal((await ask(listing(mine))).status, 403);
  const made = await daemon.request("POST", "/api/v1/sessions", {
    body: { root: mine }, headers: runner });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual((await ask("/api/v1/folders")).json,
    { path: null, parent: null, items: [{ name: mine, path: mine }], whole: true });
  const top = await ask(listing(mine));
  assert.deepEqual([namesOf(top), top.json.parent], [["b", "C"], null]);
  const below = await ask(listing(path.join(mine, "b")));
  assert.deepEqual([namesOf(below), below.json.parent], [["inner"], mine]);
  for (const folder of [other, path.dirname(mine), `${mine}2`, path.join(mine, "link"), "/"]) {
    const { status, json, text } = await ask(listing(folder));
    assert.deepEqual([status, json.code], [403, "forbidden"], `${folder}: ${text}`);
  }
  for (const folder of [path.dirname(mine), other, path.join(mine, "link")]) {
    const { status } = await daemon.request("GET", listing(folder), { headers: runner });
    assert.equal(status, 200, folder);
  }
});

test("the folders that are known begin with the one that was used last", async (t) => {
  const { daemon, mine, other } = await tree(t);
  for (const root of [other, mine]) { // Also right within one millisecond.
    const { status, text } = await daemon.request("POST", "/api/v1/sessions", {
      body: { root }, local: true });
    assert.equal(status, 201, text);
  }
  const { json } = await daemon.request("GET", "/api/v1/folders", { local: true });
  assert.deepEqual(json.items.map((one) => one.path),
    [mine, other, path.join(path.dirname(mine), "home")]);
});
