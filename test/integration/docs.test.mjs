// docs.test.mjs: the commands of README and of the pages for tasks do what the pages say, typed as
// they are printed there; and every link of the documentation leads somewhere.
//
// runs-with: release
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";

import { blocksOf, brokenLinks, compare, runPage, TASKS } from "./docs.mjs";
import { root } from "./lib.mjs";
import { scaled } from "./scale.mjs";

describe("the commands of a page run as they are printed", { concurrency: true }, () => {
  for (const name of TASKS) {
    test(name, { timeout: scaled(60_000) }, (t) => runPage(t, name));
  }
});

test("every link of the documentation leads to a file and a heading", () => {
  const pages = ["", "docs", "decisions", "examples"].flatMap((folder) =>
    readdirSync(path.join(root, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => path.join(folder, name)),
  );
  const broken = pages.flatMap((name) => brokenLinks(name).map((link) => `${name}: ${link}`));
  assert.deepEqual(broken, []);
});

test("what a page prints is looked for line by line, and in order", () => {
  const page = "```sh\none\n```\n\n```text\na … c\nd\n```\n\n```console\nno\n```\n";
  const blocks = blocksOf(page);
  assert.deepEqual(blocks, [{ commands: "one\n", printed: "a … c\nd\n" }]);
  compare(blocks[0].printed, "x\na b c\ny\nd\n", "here");
  assert.throws(() => compare(blocks[0].printed, "d\na b c\n", "here"), /no line\n {2}d/);
});
