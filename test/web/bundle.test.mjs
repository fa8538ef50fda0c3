// bundle.test.mjs: how many bytes the pages take on the wire.
//
// runs-with: web
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";

import { serving } from "./browser.mjs";

const FIRST_VIEW_MAX = 60_000;

const sizeOf = (url) => new Promise((resolve, reject) => {
  http.get(url, { agent: false }, (answer) => {
    let text = "", size = 0;
    answer.on("data", (chunk) => {
      size += chunk.length;
      text += chunk;
    });
    answer.on("end", () => resolve({ size, text }));
  }).on("error", reject);
});

test("what the first view loads fits into 60 kB", async (t) => {
  const { daemon } = await serving(t);
  const page = await sizeOf(daemon.url);
  const assets = [...page.text.matchAll(/(?:href|src)="([^"]+)"/g)].map((found) => found[1]);
  let sum = page.size;
  for (const asset of assets) sum += (await sizeOf(daemon.url + asset)).size;
  t.diagnostic(`${sum} bytes`);
  assert.ok(sum <= FIRST_VIEW_MAX, `${sum} bytes`);
});
