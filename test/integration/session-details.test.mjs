// session-details.test.mjs: what sessions, their messages and their runs show is true and whole.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Turns } from "./turns.mjs";

test("a POST that takes no fields takes {} and refuses fields by name", async (t) => {
  const turns = await Turns.open(t);
  const session = await turns.session();
  const target = `/sessions/${session}/clear`;
  assert.equal((await turns.ask("POST", target, {})).status, 200);
  assert.equal((await turns.ask("POST", target)).status, 200);
  const field = await turns.ask("POST", target, { keep: 1 });
  assert.deepEqual([field.status, field.json.code], [400, "unknown_field"]);
  assert.match(field.json.detail, /^keep: /);
  const list = await turns.ask("POST", target, []);
  assert.deepEqual([list.status, list.json.code], [400, "bad_field"]);
  const large = await turns.ask("POST", target, { text: "x".repeat(2000) });
  assert.deepEqual([large.status, large.json.code], [413, "body_too_large"]);
});
