// memory-rules.test.mjs: the rules below the list of memories: the address, events, the form.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = await compiled("memory/rules.ts");
const filterOf = (text) => rules.filterOf(new URLSearchParams(text));

test("the address is the list of the API, its days and its topics", () => {
  assert.deepEqual(filterOf(""), { q: "", topic: "", project: null });
  assert.equal(rules.listPath(filterOf("")), "/memory?limit=50");
  const filter = filterOf("q=+a%26b+&topic=build&project=");
  assert.equal(rules.listPath(filter), "/memory?limit=50&q=a%26b&topic=build&project=");
  assert.equal(rules.daysPath(filter), "/memory/daily?limit=14&topic=build&project=");
  assert.equal(rules.topicsPath(filter), "/memory/topics?limit=200&project=");
  assert.deepEqual([filterOf(""), filter, filterOf("project=")].map(rules.isFiltered),
    [false, true, true]);
});

test("a row of an event belongs to the list, or leaves it; without texts it is read", () => {
  const row = { topic: "build", project: "web" };
  const is = (text, more) => rules.fits({ ...row, ...more }, filterOf(text));
  assert.deepEqual([is(""), is("topic=build"), is("topic=x"), is("project=web"), is("project=x"),
    is("project="), is("project=x", { project: undefined })],
  [true, true, false, true, false, false, true]);
  assert.deepEqual([rules.isWhole({ id: "mem_1" }), rules.isWhole({ title: "" })], [false, true]);
});

test("a form is a body; a sentence of the daemon belongs to one of its fields", () => {
  assert.deepEqual(rules.bodyOf({ topic: "t", tags: " a, b ,,", title: "x" }),
    { topic: "t", title: "x", tags: ["a", "b"] });
  assert.deepEqual(rules.bodyOf({ topic: "t", tags: "," }), { topic: "t" });
  assert.deepEqual(['"tags"[0] must be', 'member "content" must', '"other"', "no"]
    .map(rules.fieldOf), ["tags", "content", null, null]);
  assert.deepEqual(rules.namesOf(["b", "a"], [null, undefined, "", "b"]), ["a", "b"]);
});
