// coverage.test.mjs: nothing that users see is left out of the goldens.
//
// runs-with: release
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { run } from "../integration/lib.mjs";
import { expectedFolder, Golden } from "./golden.mjs";
import { Names } from "./names.mjs";
import { operations } from "./refusals.mjs";

/** The records by their names. */
const records = new Map(
  readdirSync(expectedFolder)
    .filter((name) => name.endsWith(".txt"))
    .map((name) => [name, readFileSync(path.join(expectedFolder, name), "utf8")]),
);

async function documentOf(t) {
  const daemon = await new Golden(t).daemon();
  return (await daemon.request("GET", "/api/v1/openapi.json")).json;
}

/** The requests that are recorded: [{method, target, status}]. */
function requests() {
  const entry = /^### ([A-Z]+) (\S+)\n(?:> .*\n)*< (\d+)/gm;
  return [...records.values()].flatMap((text) =>
    [...text.matchAll(entry)].map(([, method, target, status]) => ({
      method,
      path: target.split("?")[0],
      status: Number(status),
    })),
  );
}

/** What no golden can show, and why. */
const WITHOUT_SUCCESS = {
  "GET /api/v1/ws": "it answers 101; what is said then is in websocket.txt",
  "DELETE /api/v1/hosts": "it takes a second host on PostgreSQL",
  "POST /api/v1/jobs/{id}/abandon": "it takes a second host on PostgreSQL",
  "GET /api/v1/system/backup": "PostgreSQL answers otherwise: integration/system has both",
  "POST /api/v1/system/backup": "only SQLite makes one",
};

test("each route of the description has an answer that is a success", async (t) => {
  const all = operations(await documentOf(t));
  const patterns = all.map(({ method, target }) => ({
    name: `${method} ${target}`,
    method,
    pattern: new RegExp(`^${target.replaceAll(".", "\\.").replace(/\{\w+\}/g, "[^/]+")}$`),
    literal: !target.includes("{"),
  }));
  const seen = new Set();
  for (const { method, path: asked, status } of requests()) {
    if (status >= 300) continue;
    const fits = patterns.filter((one) => one.method === method && one.pattern.test(asked));
    const [route] = [...fits.filter((one) => one.literal), ...fits];
    if (route) seen.add(route.name);
  }
  const missing = patterns.map(({ name }) => name).filter((name) => !seen.has(name));
  assert.deepEqual(missing.sort(), Object.keys(WITHOUT_SUCCESS).sort());
});

const EVENTS = {
  sessions: `session_created session_renamed session_changed message_added message_edited
    message_removed queue_changed cleared deleted`,
  turns: `turn_started output_started delta thinking_delta output_discarded usage tool_started
    span_started span_finished tool_finished tool_reviewed approval_asked approval_answered
    question_asked question_answered turn_waiting turn_resumed turn_finished context_compacted
    root_granted root_removed`,
  lists: "run_changed changes_changed",
  runs: "run_queued run_started run_retrying run_stopping run_finished",
  workflows: `workflow_started phase log agent_started agent_waiting agent_answered agent_retrying
    agent_resumed agent_restarted agent_finished timer_started timer_finished workflow_paused
    workflow_resumed workflow_finished`,
  flows: "flow_run_started flow_run_step_updated",
};
const eventTypes = Object.values(EVENTS).flatMap((words) => words.split(/\s+/));

test("each event is told in some stream, and no other one", () => {
  const find = (pattern) =>
    new Set([...records.values()].flatMap((text) => [...text.matchAll(pattern)].map((m) => m[1])));
  const told = find(/^event:? (\w+)$/gm);
  assert.deepEqual(eventTypes.filter((type) => !told.has(type)), [], "not told");
  const listed = find(/^event (\w+)$/gm);
  assert.deepEqual([...listed].filter((type) => !eventTypes.includes(type)), [], "not known here");
});

/** Commands that are not run to a success here, or not with --json, and why. */
const NOT_RUN = {
  serve: "it stays; every daemon here is one",
  demo: "it plays by the clock: integration/demo.test.mjs",
  "service install": "a stand-in for systemctl plays its part: integration/install.test.mjs",
  "service rm": "the same",
  "service status": "the same",
  "host rm": "it takes a second host on PostgreSQL",
  "job abandon": "it takes a second host on PostgreSQL",
};
const WITHOUT_JSON = {
  chat: "the split of its deltas varies: integration/chat.test.mjs",
  completion: "it prints a script",
  help: "it prints the help",
  restore: "its output is the one of backup",
};

test("each command has its help, a success for people and one as JSON", async () => {
  const { stdout } = await run(["help"]);
  const names = [...stdout.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2,}\S/gm)].map(([, name]) => name);
  const helps = new Set(
    [...records.get("help.txt").matchAll(/^\$ drover (.*) --help$/gm)].map(([, name]) => name),
  );
  assert.deepEqual(names.filter((name) => !helps.has(name)), []);
  const plain = new Set();
  const json = new Set();
  for (const text of records.values()) {
    for (const entry of text.split("\n\n")) {
      const [, line] = /^\$ drover (.*)$/m.exec(entry) ?? [];
      if (line === undefined || /^exit /m.test(entry)) continue;
      if (/ --help$/.test(line)) continue;
      const name = names.find((one) => line === one || line.startsWith(`${one} `));
      (line.includes("--json") ? json : plain).add(name);
    }
  }
  const missing = (seen, but) =>
    names.filter((name) => !seen.has(name) && !(name in NOT_RUN) && !(name in but));
  assert.deepEqual(missing(plain, {}), [], "for people");
  assert.deepEqual(missing(json, WITHOUT_JSON), [], "with --json");
});

test("an id that ends like the version or the host is an id", () => {
  const names = new Names("0.1.0");
  names.add("vm:", "<host>:");
  assert.equal(names.text(`run_${"a".repeat(25)}0.1.0`), "<run1>.1.0");
  assert.equal(names.text(`run_${"a".repeat(24)}vm: at vm: ended`), "<run2>: at <host>: ended");
});
