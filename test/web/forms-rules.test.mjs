// forms-rules.test.mjs: what a field that searches offers; no browser.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { choicesOf, folderChoices, matching, modelChoices, placeOf } =
  await compiled("parts/choices.ts");
const textsOf = (choices) => choices.map(({ text }) => text);

test("each word that is typed occurs in what is found, in any case, also in its group", () => {
  const cat = { value: "c", text: "cat", group: "Bird house" };
  const all = [...choicesOf(["Big Bird", "bird"]), cat];
  assert.deepEqual(textsOf(matching(all, "BIRD")), ["Big Bird", "bird", "cat"]);
  assert.deepEqual(textsOf(matching(all, " bird big ")), ["Big Bird"]);
  assert.deepEqual(textsOf(matching(all, "")), ["Big Bird", "bird", "cat"]);
});

test("models stand by their connection, with a mark at the default", () => {
  const all = modelChoices(["b/x", "a/y", "b/z", "bare"], "b/z", "default");
  assert.deepEqual(all.map(({ value, group, about }) => [value, group, about]),
    [["b/x", "b", undefined], ["b/z", "b", "default"], ["a/y", "a", undefined],
      ["bare", "", undefined]]);
});

test("a path that is typed lists its folder, by the beginning of the last name", () => {
  assert.deepEqual(["", "so", "/", "/a", "/a/", "/a/.b"].map(placeOf), [
    { at: "", part: "" }, { at: "", part: "so" }, { at: "/", part: "" }, { at: "/", part: "a" },
    { at: "/a", part: "" }, { at: "/a", part: ".b" }]);
});

test("the way up comes first, and leads to the known folders where there is none", () => {
  const up = { known: "known", to: (path) => `up ${path}` };
  const items = ["One", "two"].map((name) => ({ name, path: `/a/${name}` }));
  const of = (part, parent) => folderChoices({ path: "/a", parent, items, whole: true }, part, up);
  assert.deepEqual(of("", "/").map(({ value, text }) => [value, text]),
    [["/", "up /"], ["/a/One", "One"], ["/a/two", "two"]]);
  assert.deepEqual([of("", null)[0].value, of("", null)[0].text], ["", "known"]);
  assert.deepEqual(textsOf(of("o", "/")), ["One"]);
});
