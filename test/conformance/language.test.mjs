// language.test.mjs: the language that scripts are written in, held against Node's.
//
// runs-with: release
import assert from "node:assert/strict";
import { test } from "node:test";

import { play } from "../worker/host.mjs";
import * as groups from "./language.mjs";

const AT_ONCE = 4;
const AsyncFunction = (async () => {}).constructor;

// What a snippet comes to, as JSON has it; a throw by its name.
async function here(snippet) {
  try {
    const result = await new AsyncFunction(`"use strict";\n${snippet}`)();
    return { result: JSON.parse(JSON.stringify(result ?? null)) };
  } catch (error) {
    return { thrown: error.name };
  }
}

async function there(t, snippet) {
  const { end } = await play(t, snippet, { file: "snippet.js" });
  if (end.ok) return { result: end.result ?? null };
  return { thrown: end.name, code: end.code, message: end.message, line: end.line };
}

for (const [group, snippets] of Object.entries(groups)) {
  test(`${group}: the same as in Node`, { concurrency: AT_ONCE }, async (t) => {
    await Promise.all(Object.entries(snippets).map(([name, snippet]) =>
      t.test(name, async (t) => {
        assert.deepEqual(await there(t, snippet), await here(snippet), snippet);
      })));
  });
}
