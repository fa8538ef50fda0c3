// side-rules.test.mjs: the rules of what stands beside a conversation.
//
// runs-with: web
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";

import { root } from "../integration/lib.mjs";

async function compiled(name) {
  const esbuild = createRequire(path.join(root, "web/package.json"))("esbuild");
  const built = await esbuild.build({
    entryPoints: [path.join(root, "web/src/session/side", name)],
    bundle: true, write: false, format: "esm", target: "es2022", logLevel: "warning",
  });
  return import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents)
    .toString("base64")}`);
}
const { concerns, longer, renewed } = await compiled("fold.ts");
const { duration, pieces } = await compiled("text.ts");

const idOf = (id) => id;
const known = (items, next) => ({ items, next, ready: true, problem: null });
const shown = ({ items, next }) => [items.join(""), next];

test("a page from the beginning keeps what was known behind it, and leaves no gap", () => {
  const rows = [
    ["ba", null, "cb", "b", "cba", null], // One is new.
    ["dcba", null, "dc", "c", "dcba", null], // The same.
    ["ba", "a", "cba", "x", "cba", "x"], // All that was known, and no more.
    ["ba", null, "hg", "g", "hg", "g"], // What lies between is not known.
    ["dcba", null, "a", null, "a", null], // The rest was removed.
    ["", null, "", null, "", null],
  ];
  for (const [before, next, page, after, items, then] of rows) {
    const got = renewed(known([...before], next), { items: [...page], next: after }, idOf);
    assert.deepEqual(shown(got), [items, then], `${before} and ${page}`);
  }
  const got = longer(known([..."dcb"], "b"), { items: [..."ba"], next: null }, idOf);
  assert.deepEqual(shown(got), ["dcba", null]); // One had come meanwhile: none is there twice.
});

test("an event concerns a session, what belongs to it, and the rows that are known", () => {
  const ids = new Set(["run_2"]);
  const of = (data) => concerns("ses_1", ids, { seq: 1, type: "run_changed", data });
  assert.ok([{ id: "ses_1" }, { id: "run_1", session: "ses_1" }, { id: "ses_2", parent: "ses_1" },
    { id: "dlv_1", address: "ses_1" }, { id: "run_2", session: "ses_2" }].every(of));
  assert.ok(![{ id: "ses_2", parent: null }, { id: "run_3", session: "ses_2" }, {}].some(of));
});

test("durations and hits are written as people read them", () => {
  const told = [[null, "—"], [0, "0ms"], [340, "340ms"], [999, "999ms"], [12_900, "12s"],
    [125_000, "2m 5s"], [3_720_000, "1h 2m"]];
  for (const [ms, text] of told) assert.equal(duration(ms), text);
  const marked = (text, wanted) =>
    pieces(text, wanted).map((one) => (one.hit ? `[${one.text}]` : one.text)).join("");
  assert.equal(marked("Needle, neeDLE", "needle"), "[Needle], [neeDLE]");
  assert.equal(marked("ÄÖ İx x", "x"), "ÄÖ İ[x] [x]"); // No other letter changes its length.
  assert.equal(marked("aaa", "aa"), "[aa]a");
  assert.equal(marked("all", ""), "all");
});
