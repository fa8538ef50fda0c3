// bundle.test.mjs: how many bytes the pages take on the wire.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { serving } from "./browser.mjs";
import { filesOf } from "./files.mjs";

const FIRST_VIEW_MAX = 60_000, ALL_MAX = 442_000; // Changes 12,500, trees 5,500, a rewind 2,000.
/** Most bytes of a file, by the name that it has without its hash. A file that is not named here
 *  fails: it gets a row. `chunk` is what several files share. */
const FILES_MAX = {
  main: 60_000, look: 8_000, views: 17_000, icon: 1_000, chunk: 60_000, worker: 50_000,
  patch: 8_000, // Diffs.
  changes: 12_000, trees: 5_000,
  agents: 8_000, compare: 6_000, choose: 1_000, // Two runs.
  trace: 14_000, run: 20_000, runs: 8_000, usage: 8_000,
  workflows: 8_000, workflow: 8_000, flow: 4_000,
  steps: 8_000, // A flow's run.
  form: 2_000, // Of a question.
  jobs: 8_000, job: 16_000, terminals: 6_000,
  screen: 110_000, // The terminal.
  several: 4_000, // Panes side by side.
  inbox: 8_000, sessions: 8_000, session: 40_000, outbox: 1_000, composer: 4_000, rewind: 4_000,
  memory: 5_000, system: 7_000, boards: 2_000, board: 6_000, task: 1_000, mail: 8_000,
  palette: 6_000, help: 2_000, more: 2_000, welcome: 8_000, settings: 16_000,
};

const sumOf = (sizes) => sizes.reduce((sum, size) => sum + size, 0);

test("what the first view loads fits into 60 kB, all into 442, and each file into its limit",
  async (t) => {
    const { daemon } = await serving(t);
    const { files, first } = await filesOf(daemon);
    for (const [name, size] of files) {
      t.diagnostic(`${name}: ${size} bytes`);
      const [, stem] = /^([\w-]+?)(?:-[A-Z0-9]{8})?\.\w+$/.exec(name);
      const max = stem === "index" ? FIRST_VIEW_MAX : FILES_MAX[stem];
      assert.ok(size <= max, `${name}: ${size} bytes, at most ${max}`);
    }
    const view = sumOf([...first].map((name) => files.get(name))), all = sumOf([...files.values()]);
    t.diagnostic(`first view: ${view} bytes; all: ${all} bytes`);
    assert.ok(view <= FIRST_VIEW_MAX, `${view} bytes`);
    assert.ok(all <= ALL_MAX, `${all} bytes`);
  });
