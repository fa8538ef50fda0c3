// runs-rules.test.mjs: the rules below the list of runs: filters and the address, rows of events,
// where a row leads, several at once.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = await compiled("runs/rules.ts");
const { applied, refreshed } = await compiled("state/page.ts");
const NOW = Date.parse("2026-11-27T12:00:00Z");
const filterOf = (text) => rules.filterOf(new URLSearchParams(text));
const pathOf = (text) => rules.pathOf(filterOf(text), NOW);

test("the address is the list of the API; what means nothing in it counts as absent", () => {
  assert.equal(pathOf(""), "/runs?top=1&limit=100");
  assert.equal(pathOf("kind=workflow&state=live&project=a%26b&q=x+y&since=24h&inside=1"),
    `/runs?kind=workflow&live=1&project=a%26b&q=x+y&since=${NOW - 86_400_000}&limit=100`);
  assert.equal(pathOf("state=failed&since=2026-11-20"),
    `/runs?state=failed%2Ctimed_out%2Clost&since=${Date.parse("2026-11-20")}&top=1&limit=100`);
  assert.equal(pathOf("kind=agent"), "/runs?kind=agent&limit=100"); // All are inside others.
  assert.deepEqual(filterOf("kind=x&state=constructor&since=2026-13-40&inside=2"), rules.NONE);
  assert.deepEqual([rules.isFiltered(filterOf("")), rules.isFiltered(filterOf("q=a"))],
    [false, true]);
});

test("a row of an event belongs to the list, or leaves it", () => {
  const row = { id: "run_1", kind: "job", state: "failed", label: "Nightly", project: "web" };
  const is = (text, more) => rules.fits({ ...row, ...more }, filterOf(text), NOW);
  assert.deepEqual(["", "state=failed&q=night", "project=web", "q=RUN_1"].map((one) => is(one)),
    [true, true, true, true]);
  assert.deepEqual(["kind=turn", "state=live", "project=docs", "q=x"].map((one) => is(one)),
    [false, false, false, false]);
  const list = [{ id: "b" }, { id: "a" }];
  assert.deepEqual(applied(list, { id: "b", removed: true }, () => true), [{ id: "a" }]);
});

test("a run that changes stands by its age, and not at all where its page was not read", () => {
  const rows = [9, 7, 5].map((made_ms) => ({ id: `run_${made_ms}`, made_ms }));
  const put = (made_ms, more) => applied(rows, { id: `run_${made_ms}`, made_ms }, () => true,
    { by: (row) => row.made_ms, more }).map((row) => row.made_ms).join(" ");
  assert.deepEqual([put(10, true), put(8, true), put(7, true), put(1, true), put(1, false)],
    ["10 9 7 5", "9 8 7 5", "9 7 5", "9 7 5", "9 7 5 1"]);
  const made = (hours) => rules.fits({ id: "run_1", kind: "job", state: "failed",
    made_ms: NOW - hours * 3600_000 }, filterOf("since=24h"), NOW);
  assert.deepEqual([made(23), made(25)], [true, false]);
});

test("the first page read again keeps what stands below it, and drops what left it", () => {
  const ids = (list) => list.map(({ id, n }) => (n === undefined ? id : `${id}${n}`)).join(" ");
  const items = ["e", "d", "c", "b", "a"].map((id) => ({ id, more: 1 }));
  const page = [{ id: "f" }, { id: "e", n: 2 }, { id: "c" }];
  assert.equal(ids(refreshed(items, { items: page, next: "9" })), "f e2 c b a");
  assert.equal(refreshed(items, { items: page, next: "9" })[1].more, 1);
  assert.equal(ids(refreshed(items, { items: page, next: null })), "f e2 c");
  assert.equal(ids(refreshed(items, { items: [{ id: "z" }], next: "9" })), "z e d c b a");
});

test("a row leads to its run, its job, its session, or into the run above it", () => {
  const at = (row) => rules.placeOf({ id: "run_1", session: null, ...row });
  assert.equal(at({ kind: "workflow" }), "/r/run_1");
  assert.equal(at({ kind: "agent", parent: "run_0" }), "/r/run_0?agent=run_1");
  assert.equal(at({ kind: "agent", parent: null }), null);
  assert.equal(at({ kind: "job" }), "/j/run_1");
  assert.equal(at({ kind: "turn", stream: "session:ses_2" }), "/s/ses_2");
  assert.equal(at({ kind: "turn", session: "ses_3" }), "/s/ses_3");
  assert.equal(at({ kind: "turn", stream: "run:run_1" }), null);
});

test("several at once: who fits an action, requests of at most 100, what is held back", () => {
  const rows = ["running", "waiting", "failed", "succeeded"].map((state) => ({ id: state, state }));
  const fit = (action) => rules.fitting(rows, action).map(({ id }) => id).join();
  assert.deepEqual(rules.ACTIONS.map(fit),
    ["running,waiting", "failed,succeeded", "failed,succeeded"]);
  const ids = Array.from({ length: 201 }, (_, at) => String(at));
  assert.deepEqual(rules.batches(ids).map(({ length }) => length), [100, 100, 1]);
  assert.deepEqual(rules.batches(ids).flat(), ids);
  assert.deepEqual(rules.batches([]), []);
  const held = (...stood) => rules.heldBack(rows, new Set(stood));
  assert.deepEqual([rules.heldBack(rows, null), held("running"), held("failed"), held("x"),
    held("running", "failed")].map(({ fresh }) => fresh), [0, 0, 2, 0, 1]);
  assert.deepEqual(held("running", "failed").shown.map(({ id }) => id),
    ["running", "failed", "succeeded"]); // The last one is of a page that was asked for.
});
