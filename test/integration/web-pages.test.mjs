// web-pages.test.mjs: the pages as a server sends them: headers, names, codings, and no way out.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { Daemon, run, scratch } from "./lib.mjs";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
  "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types drover";

async function serving(t, options = {}) {
  const daemon = await new Daemon({ data: scratch(t), ...options }).start();
  t.after(() => daemon.kill());
  return daemon;
}

/** The bytes of a file, which lib.mjs would read as text. */
function bytesOf(daemon, target, headers = {}) {
  return new Promise((resolve, reject) => {
    http.get({ host: "127.0.0.1", port: daemon.port, path: target, headers, agent: false },
      (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => resolve({ answer, bytes: Buffer.concat(chunks) }));
      }).on("error", reject);
  });
}

const assetsOf = (html) => [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map((found) => found[1]);

test("every path outside of the API is the page, with its policy and no token", async (t) => {
  const daemon = await serving(t);
  const paths = ["/", "/inbox", "/s/ses_1?turn=3", "/runs?kind=job&q=a%20b", "/r/x/trace"];
  const pages = [];
  for (const target of paths) pages.push(await daemon.request("GET", target));
  for (const page of pages) {
    assert.equal(page.status, 200);
    assert.equal(page.text, pages[0].text);
    assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
    assert.equal(page.headers["cache-control"], "no-store");
    assert.equal(page.headers["content-security-policy"], POLICY);
    assert.equal(page.headers["x-content-type-options"], "nosniff");
    assert.equal(page.headers["referrer-policy"], "no-referrer");
    assert.equal(page.headers["cross-origin-opener-policy"], "same-origin");
  }
  const head = await daemon.request("HEAD", "/inbox");
  assert.deepEqual([head.status, head.text], [200, ""]);
  assert.equal(Number(head.headers["content-length"]), Buffer.byteLength(pages[0].text));
  const posted = await daemon.request("POST", "/inbox");
  assert.deepEqual([posted.status, posted.headers.allow], [405, "GET, HEAD, OPTIONS"]);
});

test("what is missing in the API is no page", async (t) => {
  const daemon = await serving(t);
  for (const target of ["/api", "/api/v1/nothing", "/healthz/", "/metrics/x", "/readyz/"]) {
    const answer = await daemon.request("GET", target);
    assert.deepEqual([target, answer.status, answer.json.code], [target, 404, "not_found"]);
  }
  const openapi = await daemon.request("GET", "/api/v1/openapi.json");
  assert.deepEqual(Object.keys(openapi.json.paths).filter((one) => one === "/"), []);
});

test("files have the hash of their content in their names, and come by gzip", async (t) => {
  const daemon = await serving(t);
  const page = await daemon.request("GET", "/");
  const assets = assetsOf(page.text);
  assert.ok(assets.length >= 3, page.text);
  for (const asset of assets) {
    assert.match(asset, /^\/assets\/\w+-[A-Z0-9]{8}\.(js|css|svg)$/);
    const { answer, bytes } = await bytesOf(daemon, asset, { "accept-encoding": "br, gzip" });
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers["content-encoding"], "gzip");
    assert.equal(answer.headers["cache-control"], "public, max-age=31536000, immutable");
    assert.equal(answer.headers.vary, "Accept-Encoding");
    assert.ok(gunzipSync(bytes).length > 0);
    assert.deepEqual((await bytesOf(daemon, asset)).bytes, bytes); // Without the header.
    for (const refused of ["identity", "br", "gzip;q=0"]) {
      const other = await daemon.request("GET", asset, { headers: { "accept-encoding": refused } });
      assert.deepEqual([other.status, other.json.code], [406, "not_acceptable"]);
    }
    const head = await daemon.request("HEAD", asset);
    assert.equal(Number(head.headers["content-length"]), bytes.length);
    assert.equal((await daemon.request("DELETE", asset)).status, 405);
  }
  for (const target of ["/assets", "/assets/", "/assets/main-00000000.js", "/assets/index.html",
    "/assets/a/b", `${assets[0]}.map`]) {
    const answer = await daemon.request("GET", target);
    assert.deepEqual([target, answer.status, answer.json.code], [target, 404, "not_found"]);
    assert.equal(answer.headers["cache-control"], "no-store");
  }
});

test("a page of another host's name is refused", async (t) => {
  const daemon = await serving(t);
  const answer = await daemon.request("GET", "/", { headers: { host: "evil.example" } });
  assert.deepEqual([answer.status, answer.json.code], [421, "bad_host"]);
});

test("--web-dir serves a folder, and nothing outside of it", async (t) => {
  const folder = scratch(t), secret = path.join(scratch(t), "secret.js");
  mkdirSync(path.join(folder, "assets"));
  writeFileSync(path.join(folder, "index.html"), "<p>mine");
  writeFileSync(path.join(folder, "assets/a.js"), "1;");
  writeFileSync(path.join(folder, "beside.js"), "2;");
  writeFileSync(secret, "3;");
  symlinkSync(secret, path.join(folder, "assets/out.js"));
  symlinkSync("../beside.js", path.join(folder, "assets/within.js"));
  const daemon = await serving(t, { args: ["--web-dir", folder] });
  const page = await daemon.request("GET", "/runs?q=1");
  assert.deepEqual([page.status, page.text], [200, "<p>mine"]);
  assert.equal(page.headers["content-security-policy"], POLICY);
  const script = await daemon.request("GET", "/assets/a.js");
  assert.deepEqual([script.status, script.text], [200, "1;"]);
  assert.equal(script.headers["content-type"], "text/javascript; charset=utf-8");
  assert.equal(script.headers["cache-control"], "no-store");
  assert.equal((await daemon.request("GET", "/assets/within.js")).text, "2;");
  writeFileSync(path.join(folder, "assets/a.js"), "4;");
  assert.equal((await daemon.request("GET", "/assets/a.js")).text, "4;");
  for (const [target, status] of [["/assets/out.js", 404], ["/assets/", 404], ["/assets/none", 404],
    ["/assets/../beside.js", 400], ["/assets/%2e%2e/beside.js", 400],
    ["/assets/..%2fbeside.js", 400], ["/assets//a.js", 400], [`/assets/${"a".repeat(300)}`, 404]]) {
    assert.deepEqual([target, (await daemon.request("GET", target)).status], [target, status]);
  }
});

test("--web-dir that is no folder ends the start with a sentence", async (t) => {
  const data = scratch(t);
  const words = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--web-dir", `${data}/no`];
  const answer = await run(words);
  assert.equal(answer.code, 2);
  assert.match(answer.stderr, /web-dir: .*\/no: No such file or directory/);
  assert.deepEqual(readdirSync(data), []); // Nothing was opened that would have to be closed.
});
