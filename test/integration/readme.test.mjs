// readme.test.mjs: the README's quick start does what the README says, typed as it stands there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, Daemon, root, scratch } from "./lib.mjs";

const readme = readFileSync(path.join(root, "README.md"), "utf8");

/** The shell blocks below the heading, in order. */
function blocks(heading) {
  const section = readme.split(`\n## ${heading}\n`)[1].split("\n## ")[0];
  return [...section.matchAll(/```sh\n(.*?)```/gs)].map((match) => match[1]);
}

/** Runs what a user would type, one shell for all; what waits or follows ends after a second. */
function type(daemon, text) {
  const script = text
    .replaceAll(/ +# .*$/gm, "")
    .replaceAll("wait=30", "wait=1")
    .replaceAll("http://127.0.0.1:7433", daemon.url)
    .replaceAll("./data", daemon.data)
    .replaceAll("build/drover", bin)
    .replaceAll(/curl -sN ((?:.*\\\n)*.*)$/gm, "timeout 1 curl -sN $1 || [ $? = 124 ]");
  return new Promise((resolve) =>
    execFile("sh", ["-euc", script], { env: daemon.env }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    ),
  );
}

test("the quick start works as it is written", { timeout: 60_000 }, async (t) => {
  const [serve, curl, cli, token] = blocks("Quick start");
  assert.match(serve, /build\/drover serve --data \.\/data --listen 127\.0\.0\.1:7433/);
  const daemon = new Daemon({ data: scratch(t), args: ["--insecure-loopback"] });
  t.after(() => daemon.kill());
  await daemon.start();

  const first = await type(daemon, curl);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^\{"stream":"notes","seq":1,"at_ms":\d+\}/);
  assert.match(first.stdout, /"events":\[\{"seq":1,.*"data":\{"text":"hello"\}\}\],"head":1/);
  assert.match(first.stdout, /id: 1\nevent: note\ndata: \{"text":"hello"\}/);

  const second = await type(daemon, cli);
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stdout, /hello again/);

  const third = await type(daemon, `export DROVER_DATA=./data\n${token}`);
  assert.equal(third.code, 0, third.stderr);
  assert.match(third.stdout, /\S{20,}/);
});
