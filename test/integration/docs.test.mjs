// docs.test.mjs: the commands of the documentation do what its pages say, typed as they are printed
// there; those that cannot be typed here are read; and every link leads somewhere.
//
// runs-with: release
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";

import {
  blocksOf, brokenLinks, compare, faultsOf, PAGES, runPage, TYPED, wrongIn,
} from "./docs.mjs";
import { root } from "./lib.mjs";
import { scaled } from "./scale.mjs";

describe("the commands of a page run as they are printed", { concurrency: true }, () => {
  for (const name of TYPED) {
    test(name, { timeout: scaled(60_000) }, (t) => runPage(t, name));
  }
});

const read = (name) => readFileSync(path.join(root, name), "utf8");

test("each page with commands to type is in the list of those that are typed", () => {
  const typed = PAGES.filter((name) => blocksOf(read(name)).length > 0);
  assert.deepEqual(typed.sort(), [...TYPED].sort());
});

test("commands that are not typed parse, and name files that exist", () => {
  const faults = PAGES.flatMap((name) => faultsOf(read(name)).map((fault) => `${name}: ${fault}`));
  assert.deepEqual(faults, []);
});

test("commands of drover in sentences exist, and have the flags that are named", () => {
  // Decisions and the changelog are about the past.
  const today = PAGES.filter((name) => !/^(CHANGELOG|changelog|decisions)/.test(name));
  const wrong = today.flatMap((name) => wrongIn(read(name)).map((said) => `${name}: ${said}`));
  assert.deepEqual(wrong, []);
});

test("what is wrong with commands that are not typed is found", () => {
  const page =
    "```console\nsudo X=1 drover ps --nosuch >out # ok\ndrover stop \\\n  'a b' # --no\n" +
    "make nosuch; ./scripts/nosuch\nif\n```\n\n```\ndrover\n```\n";
  const faults = faultsOf(page);
  assert.match(faults[0], /syntax error/i);
  assert.deepEqual(faults.slice(1), [
    "drover: there is no flag '--nosuch' (usage)", "there is no nosuch",
    "there is no ./scripts/nosuch", "``` is no kind of block",
  ]);
  const sentence = "`drover ps [--all]`, `drover ps\n--al`, `drover logs -n N`";
  assert.deepEqual(wrongIn(sentence), [
    "drover: there is no flag '--al'; did you mean '--all'? (usage)",
  ]);
});

test("every link of the documentation leads to a file and a heading", () => {
  const broken = PAGES.flatMap((name) => brokenLinks(name).map((link) => `${name}: ${link}`));
  assert.deepEqual(broken, []);
});

test("what a page prints is looked for line by line, and in order", () => {
  const page = "```sh\none\n```\n\n```text\na … c\nd\n```\n\n```console\nno\n```\n";
  const blocks = blocksOf(page);
  assert.deepEqual(blocks, [{ commands: "one\n", printed: "a … c\nd\n" }]);
  compare(blocks[0].printed, "x\na b c\ny\nd\n", "here");
  assert.throws(() => compare(blocks[0].printed, "d\na b c\n", "here"), /no line\n {2}d/);
});
