// bundle.test.mjs: how many bytes the pages take on the wire.
//
// runs-with: web
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { serving } from "./browser.mjs";

const FIRST_VIEW_MAX = 60_000, ALL_MAX = 280_000;
/** Most bytes of a file, by the name that it has without its hash. A file that is not named here
 *  fails: it gets a row. `chunk` is what several files share. */
const FILES_MAX = {
  main: 60_000, look: 14_000, icon: 1_000, chunk: 60_000, worker: 50_000,
  patch: 8_000, // Diffs.
  session: 40_000, sessions: 6_000, inbox: 12_000, settings: 10_000, welcome: 8_000,
  palette: 6_000, help: 4_000, more: 4_000,
  jobs: 8_000, job: 16_000, terminals: 6_000,
  screen: 110_000, // The terminal.
};

const sizeOf = (url) => new Promise((resolve, reject) => {
  http.get(url, { agent: false }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => {
      const bytes = Buffer.concat(chunks);
      const packed = answer.headers["content-encoding"] === "gzip";
      resolve({ size: bytes.length, text: (packed ? gunzipSync(bytes) : bytes).toString() });
    });
  }).on("error", reject);
});

/** All files of the pages, and those of them that the first view loads. */
async function filesOf(daemon) {
  const page = await sizeOf(daemon.url);
  const files = new Map([["index.html", page.size]]);
  const first = new Set(["index.html"]);
  const addressed = (pattern, text) => [...text.matchAll(pattern)].map((found) => found[1]);
  async function add(name, isFirst) {
    if (isFirst) first.add(name);
    if (files.has(name)) return;
    files.set(name, 0); // Files may name each other.
    const { size, text } = await sizeOf(`${daemon.url}/assets/${name}`);
    files.set(name, size);
    if (!name.endsWith(".js")) return;
    const loaded = addressed(/(?:from|import)\s*"\.\/([\w-]+\.js)"/g, text);
    for (const one of loaded) await add(one, first.has(name));
    for (const one of addressed(/import\("\.\/([\w-]+\.js)"\)/g, text)) await add(one, false);
  }
  // Files that `content` names are workers: they are loaded later.
  for (const [, how, name] of page.text.matchAll(/(href|src|content)="\/assets\/([^"]+)"/g)) {
    await add(name, how !== "content");
  }
  return { files, first };
}

const sumOf = (sizes) => sizes.reduce((sum, size) => sum + size, 0);

test("what the first view loads fits into 60 kB, all into 280, and each file into its limit",
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
