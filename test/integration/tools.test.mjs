// tools.test.mjs: what models may call, as a client lists it.
//
// runs-with: release
import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";

test("each tool has its words, a schema of its arguments, and whether it asks first", async (t) => {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  const { items, next } = (await daemon.request("GET", "/api/v1/tools", { local: true })).json;
  const by = new Map(items.map((item) => [item.name, item]));
  assert.equal(next, null);
  assert.deepEqual([...by.keys()], [...by.keys()].sort());
  for (const { about, schema } of items) {
    assert.ok(about.length > 10);
    assert.equal(schema.type, "object");
  }
  const asks = ({ asks_first: first, repeatable }) => [first, repeatable];
  assert.deepEqual(asks(by.get("write_file")), [true, false]);
  assert.deepEqual(asks(by.get("read_file")), [false, true]);
  assert.deepEqual(by.get("read_file").schema.required, ["path"]);
});
