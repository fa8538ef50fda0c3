// cli-lists.test.mjs: the commands that print lists: their filters, and how a list ends.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";

async function start(t) {
  const daemon = await new Daemon({ data: scratch(t), args: ["--insecure-loopback"] }).start();
  t.after(() => daemon.kill());
  return daemon;
}

/** Each command, and the list of the API that it prints. */
const lists = {
  ps: "/runs",
  "job ls": "/jobs",
  "session ls": "/sessions",
  "session search": "/sessions",
  "budget ls": "/budgets",
  "inbox ls": "/inbox",
  "memory ls": "/memory",
  "provider ls": "/providers",
  models: "/models",
  "stream ls": "/streams",
  "term ls": "/terminals",
  "token ls": "/tokens",
  "host ls": "/hosts",
  "agent ls": "/agents",
  "task ls": "/projects/{project}/tasks",
};
/** Flags that are called otherwise; what an operand or the command itself says has none. */
const flagOf = { q: "search", runs: "all", fork_of: "fork-of" };
const without = { ps: ["live"], "session search": ["q"], "memory ls": ["q"] };

test("a command offers every filter of the list that it prints", async (t) => {
  const daemon = await start(t);
  const { paths } = (await daemon.request("GET", "/api/v1/openapi.json")).json;
  for (const [command, target] of Object.entries(lists)) {
    const help = (await daemon.cli([...command.split(" "), "--help"])).stdout;
    const line = ["__complete", "--", ...command.split(" "), "--"];
    const words = (await daemon.cli(line)).stdout.split("\n").map((row) => row.split("\t")[0]);
    for (const { name } of paths[`/api/v1${target}`].get.parameters) {
      if (["after", "owner", ...(without[command] ?? [])].includes(name)) continue;
      const flag = `--${flagOf[name] ?? name}`;
      assert.match(help, new RegExp(`${flag}\\b`), `${command} ${flag}`);
      assert.ok(words.includes(flag), `${command}: completion of ${flag}`);
    }
  }
});

async function endedJobs(daemon) {
  for (const [label, command] of [["one", "true"], ["is-two", "true"], ["three", "false"]])
    await daemon.cli(["job", "run", "--label", label, "--", command]);
}

/** Rows that a command prints as JSON. */
const rows = async (daemon, ...args) => {
  const { stdout, stderr, code } = await daemon.cli([...args, "--json"]);
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
};
const labels = async (...args) => (await rows(...args)).map((row) => row.label);

test("filters of runs narrow ps and job ls, several states in one flag or in two", async (t) => {
  const daemon = await start(t);
  await endedJobs(daemon);
  for (const command of [["ps"], ["job", "ls"]]) {
    const list = (...args) => labels(daemon, ...command, ...args);
    assert.deepEqual(await list("--state", "failed"), ["three"]);
    const all = ["three", "is-two", "one"];
    assert.deepEqual(await list("--state", "failed,succeeded"), all);
    assert.deepEqual(await list("--state", "failed", "--state=succeeded"), all);
    assert.deepEqual(await list("--state=succeeded", "--search", "S-TW"), ["is-two"]);
    assert.deepEqual(await list("--state=succeeded", "--since", "1h", "-n1"), ["is-two"]);
    assert.deepEqual(await list("--state=succeeded", "--project", "web"), []);
    assert.deepEqual(await list("--state=succeeded", "--since", "1ms"), []);
  }
  assert.deepEqual(await labels(daemon, "ps", "--all", "--kind", "turn"), []);
  const [run] = (await daemon.request("GET", "/api/v1/jobs?limit=1")).json.items;
  assert.deepEqual(await labels(daemon, "ps", "--all", "--parent", run.id), []);
  assert.equal((await labels(daemon, "ps", "--all", "--top")).length, 3);
  const unknown = await daemon.cli(["ps", "--state", "failed,asleep"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /--state: 'failed,asleep' is not one of queued\|running/);
  for (const flag of ["--limit=3", "--total"])
    assert.equal((await daemon.cli(["ps", "--watch", flag])).code, 2);
});

test("a list that was cut says so, and counts all where that is asked", async (t) => {
  const daemon = await start(t);
  await endedJobs(daemon);
  const cut = await daemon.cli(["job", "ls", "-n", "2"]);
  assert.equal(cut.stdout.trim().split("\n").length, 3);
  assert.match(cut.stderr, /^more: 2 rows are shown; --limit N/);
  assert.equal((await daemon.cli(["job", "ls", "-n", "3"])).stderr, "");
  const counted = await daemon.cli(["job", "ls", "-n", "2", "--total"]);
  assert.match(counted.stdout, /\n2 of 3\n$/);
  assert.equal(counted.stderr, "");
  const json = await daemon.cli(["ps", "-a", "-n2", "--total", "--json", "--state=succeeded"]);
  const lines = json.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.at(-1), { shown: 2, total: 2, more: false });
  assert.equal(lines.length, 3);
});

test("the other lists take their filters", async (t) => {
  const daemon = await start(t);
  for (const name of ["apples", "pears"]) {
    await daemon.append(name, { type: "made" });
    await daemon.request("POST", "/api/v1/sessions", { body: { title: name, project: "fruit" } });
    await daemon.cli(["budget", "set", `project:${name}`, "--tokens", "10"]);
  }
  const list = (...args) => rows(daemon, ...args);
  const [stream] = await list("stream", "ls", "--search", "PEAR");
  assert.equal(stream.stream, "pears");
  assert.equal((await list("stream", "ls", "--since", "1h", "--limit", "1")).length, 1);
  const sessions = await list("session", "ls", "--state", "idle,running", "--search", "apple");
  assert.deepEqual(sessions.map((one) => one.title), ["apples"]);
  assert.equal((await list("session", "search", "pears", "--project=fruit", "--total")).length, 2);
  assert.equal((await list("budget", "ls", "--search", "apples")).length, 1);
  assert.deepEqual(await list("inbox", "ls", "--state", "pending,held", "--since", "1m"), []);
  assert.deepEqual(await list("memory", "ls", "--since", "1m"), []);
  assert.deepEqual(await list("token", "ls", "--search", "nobody"), []);
  assert.deepEqual(await list("models", "--search", "nobody"), []);
  assert.deepEqual(await list("provider", "ls", "--search", "nobody"), []);
  assert.equal((await daemon.cli(["host", "ls", "--role", "nobody"])).code, 2);
});
