// folders.test.mjs: whose the folders are that requests name: who may read one.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
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
