// flow-itself.test.mjs: a thousand flows below one run, which cost a minute of a core.
//
// runs-with: release, seldom
import assert from "node:assert/strict";
import { test } from "node:test";

import { started, written } from "./flow-kit.mjs";
import { scaled } from "./scale.mjs";
import { Turns } from "./turns.mjs";

const LIMIT = { timeout: scaled(600_000) };

test("a flow that begins itself many times comes to an end", LIMIT, async (t) => {
  const turns = await Turns.open(t);
  written(turns, "self", `export default { fail_fast: false, steps: Array.from({ length: 16 },
    (_, i) => ({ id: "s" + i, kind: "flow", flow: "self", run: () => ({}) })) };`);
  const run = await started(turns, "self", "x");
  while ((await turns.get(`/runs/${run}`)).state !== "failed") {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.equal((await turns.get("/runs?live=1")).items.length, 0);
});
