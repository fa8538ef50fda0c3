// system-rules.test.mjs: what is wrong, of what the daemon says; lines of its log.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = await compiled("system/rules.ts");
const NOW = Date.parse("2026-11-27T12:00:00Z");
const READY = {
  failed_starts: 0, last_runs: [], damaged: 0, missing: 0, mark_errors: 0, unknown_folders: 0,
  descriptors: { used: 21, limit: 1024, waiting_since_ms: null },
  disk: { level: "ok", bytes: 5 << 20, limit: 0, free_bytes: 3 * 2 ** 30 },
  pages: { port: 7777, taken: false },
};
const KNOWN = { ready: READY, stuck: null, version: { held: false }, agents: [],
  otherBuild: false };
const found = (more) => rules.findingsOf({ ...KNOWN, ...more }, NOW);
const wrong = (more) => found(more).filter(({ verdict }) => verdict !== "ok")
  .map(({ verdict, what }) => `${verdict} ${what}`);

test("a healthy daemon has only checks that are fine, an older or silent one fewer", () => {
  assert.deepEqual(found().map(({ verdict, what }) => [verdict, what]),
    ["Progress", "Database", "Open files", "Data directory"].map((what) => ["ok", what]));
  assert.equal(found().at(-1).text, "5 MB; 3 GB free.");
  assert.deepEqual(found({ ready: {} }).map(({ what }) => what), ["Progress", "Database"]);
  assert.deepEqual(found({ ready: null, version: null }), []);
});

test("each fault is a finding with what to do, failures first", () => {
  const ready = { ...READY, failed_starts: 3, last_runs: ["run_1"], damaged: 1, missing: 2,
    mark_errors: 1, unknown_folders: 2, pages: { port: 7777, taken: true },
    descriptors: { used: 1024, limit: 1024, waiting_since_ms: NOW - 5000 },
    disk: { level: "full", bytes: 2 ** 30, limit: 2 ** 30, free_bytes: 2 ** 20 } };
  const agents = [{ name: "a", state: "broken", why: "no file" }, { name: "b", state: "ready" },
    { name: "c", state: "not_logged_in", why: null }, { name: "d", state: "constructor" }];
  const all = { ready, agents, version: { held: true }, otherBuild: true };
  assert.deepEqual(wrong(all), [
    "fail Database", "fail Commits", "fail Output of runs", "fail Data directory",
    "warn Starts", "warn Mark of commits", "warn Web pages", "warn Open files", "warn Hold",
    "warn Version", "warn Agent", "warn Agent"]);
  const of = (what) => found(all).find((one) => one.what === what);
  assert.equal(of("Starts").run, "run_1");
  assert.equal(of("Open files").text,
    "Nothing begins since 5 s: no file descriptor is free. 1024 of 1,024 in use.");
  assert.equal(of("Data directory").text, "No new run is taken: 1 GB of 1 GB; 1 MB free.");
  assert.equal(of("Agent").text, "a is broken: no file");
  for (const one of found(all).filter(({ what }) => !["Agent", "Version"].includes(what))) {
    assert.ok(one.verdict === "ok" || one.todo !== undefined, one.what);
  }
  assert.deepEqual(wrong({ ready: null, stuck: "a step of run_1 stands still" }),
    ["fail Progress"]);
  assert.deepEqual(wrong({ ready: { ...READY, disk: { ...READY.disk, level: "warning" } } }),
    ["warn Data directory"]);
});

test("a line of the log is an event, or stands as it is", () => {
  assert.deepEqual(rules.lineOf('{"at":"T","level":"warn","what":"slow","ms":4,"run":"r","o":[1]}'),
    { at: "T", level: "warn", text: "slow ms=4 run=r o=[1]" });
  for (const line of ["Assertion failed", "{", "[1]", '{"at":1}', "null", ""]) {
    assert.deepEqual(rules.lineOf(line), { at: "", level: "", text: line });
  }
  const levels = ["info", "debug", "warn", "error", ""];
  assert.deepEqual(levels.map((level) => rules.isProblem({ level })),
    [false, false, true, true, true]);
});

test("sizes are for people", () => {
  assert.deepEqual([0, 1023, 1536, 20 << 10, 5.5 * 2 ** 20, 2 ** 40].map(rules.sizeText),
    ["0 bytes", "1,023 bytes", "1.5 kB", "20 kB", "5.5 MB", "1,024 GB"]);
});

test("the data directory stands in a command as a shell reads it", () => {
  assert.deepEqual(["/var/lib/drover/backups", "/a b/it's/backups"].map(rules.dataOf),
    ["/var/lib/drover", "'/a b/it'\\''s'"]);
});
