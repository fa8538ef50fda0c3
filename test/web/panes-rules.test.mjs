// panes-rules.test.mjs: what an address says of panes side by side, and how they are moved.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { addressOf, panesOf, seated } = await compiled("router/panes.ts");
const { waitsAt } = await compiled("shell/panes/waits.ts");
const { evenly, gapOf, indexIn, moved, resized } = await compiled("shell/panes/order.ts");

const isPlace = (path) => /^\/($|jobs$|[sj]\/\w+$|inbox)/.test(path);
const read = (address) => panesOf(address, isPlace);
const beside = (...places) => places.map((one) => `beside=${encodeURIComponent(one)}`).join("&");

test("an address has the first pane's place and those beside it, and nothing else", () => {
  assert.deepEqual(read("/s/a?q=x+y&panel=none#msg_1"),
    { places: ["/s/a?q=x+y&panel=none#msg_1"], wide: null });
  const all = { places: ["/s/a?q=x#msg_1", "/j/b?line=7", "/s/c#msg_2"], wide: [40, 35, 25] };
  assert.deepEqual(read(addressOf(all)), all);
  assert.match(addressOf(all), /^\/s\/a\?q=x&beside=%2Fj%2Fb%3Fline%3D7&.*&wide=.*#msg_1$/);
  assert.equal(addressOf({ places: ["/jobs?q=a+b"], wide: [100] }), "/jobs?q=a+b");

  const foreign = ["https://evil.example/", "//evil.example/s/a", "/\\evil.example", "s/a", "",
    "javascript:alert(1)", "/\t/[", "/\n/jobs", "/nowhere", "/s/a/b", "/api/v1/runs"];
  assert.deepEqual(read(`/?${beside(...foreign)}`).places, ["/"]);
  assert.deepEqual(read(`/?${beside("/jobs", "/nowhere", "/j/a", "/j/b", "/j/c")}`).places,
    ["/", "/jobs", "/j/a", "/j/b"]); // No fifth, and what is left out takes no room.
  const nested = `/s/a?${beside("/s/b")}&panel=none`;
  assert.deepEqual(read(`/?${beside(nested)}`).places, ["/", "/s/a?panel=none"]);
});

test("widths hold for exactly these panes, else all are equal", () => {
  const two = `/?${beside("/jobs")}`;
  assert.deepEqual(read(`${two}&wide=70,30`).wide, [70, 30]);
  for (const wrong of ["50", "50,50,0", "95,5", "60,60", "60.5,39.5", "a,b", "", "-20,120"]) {
    assert.equal(read(`${two}&wide=${wrong}`).wide, null, wrong);
  }
  assert.equal(read("/?wide=100").wide, null);
  assert.deepEqual([2, 3, 4].map(evenly), [[50, 50], [33, 33, 34], [25, 25, 25, 25]]);
  assert.deepEqual(resized([50, 50], 0, 12.4), [62, 38]);
  assert.deepEqual(resized([33, 33, 34], 1, -100), [33, 15, 52]);
  assert.deepEqual(resized([33, 33, 34], 0, 100), [51, 15, 34]);
});

test("after Back each pane goes on where its place is now", () => {
  const goes = (before, after) => seated([...before], [...after]).join();
  assert.equal(goes("ab", "ac"), "0,1"); // The second one went elsewhere.
  assert.equal(goes("ab", "ba"), "1,0");
  assert.equal(goes("abc", "ac"), "0,2");
  assert.equal(goes("ac", "abc"), "0,-1,1");
  assert.equal(goes("aa", "aa"), "0,1");
  assert.equal(goes("a", "b"), "0");
  assert.equal(goes("ab", "cdef"), "0,1,-1,-1");
});

test("a pane that is dragged goes into the gap that is nearest", () => {
  const middles = [100, 300, 500];
  assert.deepEqual([0, 99, 101, 400, 900].map((x) => gapOf(x, middles)), [0, 0, 1, 2, 3]);
  const dragged = (from, gap) => moved([..."abc"], from, indexIn(gap, from)).join("");
  assert.deepEqual([0, 1, 2, 3].map((gap) => dragged(0, gap)), ["abc", "abc", "bac", "bca"]);
  assert.deepEqual([0, 1, 2, 3].map((gap) => dragged(2, gap)), ["cab", "acb", "abc", "abc"]);
});

test("a pane's badge counts what waits there", () => {
  const ask = (session, run, root_run = run) => ({ session, run, root_run });
  const open = [ask("a", "r1"), ask("a", "r2"), ask("b", "r3"), ask(null, "r4", "r5")];
  const counts = ["/s/a", "/s/b", "/s/c", "/j/r4", "/j/r5", "/", "/inbox/r4", "/s"]
    .map((path) => waitsAt(path, open));
  assert.deepEqual(counts, [2, 1, 0, 1, 1, 0, 0, 0]);
});
