// The file of a flow's report: the daemon is killed at each call that makes it, and after the last
// one before the end of the run is stored. The next daemon ends the run, once, and the file is
// whole.
//
// runs-with: release
//
// DROVER_FAULTY   the daemon with a fault in it (test/fault/faulty.h)
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { ended, started, written } from "../integration/flow-kit.mjs";
import { bin, root } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { Turns } from "../integration/turns.mjs";
import { until } from "../integration/providers.mjs";

const faulty = process.env.DROVER_FAULTY ??
  path.resolve(root, "build/release/test/fault/drover-faulty");
const REPORT = `${"a line of a report\n".repeat(20_000)}the end\n`;
const FLOW = `export default { name: "named", description: "",
  steps: [{ id: "a", kind: "code", run: () => "" }],
  render: () => "a line of a report\\n".repeat(20000) + "the end\\n",
  output: () => "out/R.md" };\n`;
const FAULTS = ["open-done", "write-kill", "write-torn", "sync-kill", "sync-done", "rename-kill",
  "rename-done"];

test("killed at each call that makes its file, a flow ends once, and the file is whole",
  { timeout: scaled(120_000) }, async (t) => {
    const turns = await Turns.open(t);
    const out = path.join(turns.root, "out");
    const file = path.join(out, "R.md");
    mkdirSync(out);
    const clean = turns.daemon.env;
    written(turns, "named", FLOW);
    for (const fault of FAULTS) {
      writeFileSync(file, "the old one\n");
      await turns.daemon.stop();
      turns.daemon.program = faulty;
      turns.daemon.env = { ...clean, DROVER_FAULT: `${fault}:1`, DROVER_FAULT_UNDER: out };
      await turns.daemon.start();
      await started(turns, "named", "x").catch(() => null); // It may be dead before it answers.
      await until(`${fault} kills the daemon`, () => !turns.daemon.running);
      const left = readFileSync(file, "utf8");
      assert.ok(left === REPORT || left === "the old one\n", `${fault} left half a file`);
      assert.equal(left === REPORT, fault === "rename-done", fault);
      turns.daemon.program = bin;
      turns.daemon.env = clean;
      await turns.daemon.start();
      const run = (await turns.get("/runs?kind=flow&limit=1")).items[0].id;
      const flow = await ended(turns, run);
      assert.deepEqual([flow.state, flow.artifact],
        ["succeeded", { path: "out/R.md", error: null }], fault);
      assert.equal(readFileSync(file, "utf8"), REPORT, fault);
      const { events } = await turns.get(`/streams/run:${run}/events`);
      assert.equal(events.filter(({ data }) => data.run_status !== undefined).length, 1, fault);
    }
  });
