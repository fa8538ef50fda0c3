// budgets.test.mjs: what may be spent: the API, the commands, and jobs that meet a limit.
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";

import { Jobs } from "./jobs.mjs";
import { Daemon, midnightIn, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";

const jobs = new Jobs();

const budget = (method, scope, body) =>
  jobs.request(method, `/api/v1/budgets/${scope}`, { body });
const shown = async (scope) => (await budget("GET", scope)).json;

async function set(scope, limits) {
  const answer = await budget("PATCH", scope, limits);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

// --- The resource -------------------------------------------------------------------------------

test("a budget is made by its first limits, changed one by one, and removed", async () => {
  assert.equal((await budget("GET", "project:one")).status, 404);
  const made = await set("project:one", { wall_ms: 60000, cost_micros: 2500000 });
  assert.equal(made.scope, "project:one");
  assert.equal(made.owner, "local");
  assert.deepEqual(made.limits, {
    output_tokens: null, tokens: null, cost_micros: 2500000, agents: null, wall_ms: 60000,
  });
  assert.deepEqual(Object.values(made.spent), [0, 0, 0, 0, 0, 0]);
  const changed = await set("project:one", { wall_ms: null, agents: 0 });
  assert.deepEqual([changed.limits.wall_ms, changed.limits.agents], [null, 0]);
  assert.equal(changed.limits.cost_micros, 2500000);
  assert.deepEqual(await shown("project:one"), changed);
  const removed = await budget("DELETE", "project:one");
  assert.deepEqual([removed.status, removed.json.scope], [200, "project:one"]);
  assert.equal((await budget("GET", "project:one")).status, 404);
  assert.equal((await budget("DELETE", "project:one")).status, 404);
});

test("what is no budget is refused by name, and changes nothing", async () => {
  const cases = [
    ["project:bad", { wall_ms: -1 }, 400, "bad_field", /"wall_ms" must be a whole number from 0/],
    ["project:bad", { wall_ms: 1.5 }, 400, "bad_field", /"wall_ms"/],
    ["project:bad", { wall_ms: "5m" }, 400, "bad_field", /"wall_ms"/],
    ["project:bad", { time: 5 }, 400, "unknown_field", /'time' is not one of output_tokens,/],
    ["project:bad", { per: "week" }, 400, "bad_field", /"per" must be "day", or null/],
    ["project:bad", [], 400, "bad_field", /limits are an object/],
    ["project:UPPER", { wall_ms: 1 }, 404, "not_found", /project:NAME, session:ID or run:ID/],
    ["nothing", { wall_ms: 1 }, 404, "not_found", /project:NAME, session:ID or run:ID/],
    ["run:run_01234567890123456789012345", { wall_ms: 1 }, 404, "not_found", /budget of its own/],
    ["session:ses_01234567890123456789012345", { wall_ms: 1 }, 404, "not_found", /no such session/],
  ];
  for (const [scope, body, status, code, detail] of cases) {
    const answer = await budget("PATCH", scope, body);
    assert.deepEqual([answer.status, answer.json.code], [status, code], JSON.stringify(body));
    assert.match(answer.json.detail, detail);
  }
  assert.equal((await budget("GET", "project:bad")).status, 404);
});

test("budgets are listed, those of single runs only when asked for", async () => {
  await set("project:listed", { agents: 3 });
  const id = await jobs.start({ argv: ["true"], budget: { wall_ms: 5000 } });
  await jobs.ended(id);
  const scopes = async (query) => {
    const found = [];
    for (let after = ""; after !== null; ) {
      const { json } = await jobs.request("GET", `/api/v1/budgets?limit=1${query}${after}`);
      found.push(...json.items.map((item) => item.scope));
      after = json.next === null ? null : `&after=${json.next}`;
    }
    return found;
  };
  assert.ok((await scopes("")).includes("project:listed"));
  assert.ok(!(await scopes("")).some((scope) => scope.startsWith("run:")));
  assert.ok((await scopes("&runs=1")).includes(`run:${id}`));
  await budget("DELETE", "project:listed");
});

test("only an admin may change the global budget, and everybody may see it", async () => {
  await set("global", { agents: 100 });
  const made = await jobs.request("POST", "/api/v1/tokens", {
    body: { owner: "eve", scopes: ["read", "run"] },
  });
  const headers = { authorization: `Bearer ${made.json.token}` };
  const ask = (method, scope, body) =>
    jobs.request(method, `/api/v1/budgets/${scope}`, { body, headers });
  assert.equal((await ask("PATCH", "global", { agents: 1 })).json.code, "forbidden");
  assert.equal((await ask("DELETE", "global")).json.code, "forbidden");
  assert.equal((await ask("GET", "global")).json.limits.agents, 100);
  assert.equal((await ask("PATCH", "project:hers", { agents: 1 })).json.owner, "eve");
  assert.equal((await budget("GET", "project:hers")).status, 404); // Another owner's.
  assert.equal((await budget("GET", "project:hers?owner=eve")).status, 200);
  await budget("DELETE", "global");
});

// --- Jobs that meet them ------------------------------------------------------------------------

test("a job's time is charged to each budget above it", async () => {
  await set("project:time", { wall_ms: 10 ** 9 });
  const id = await jobs.start({ shell: "sleep 0.2", project: "time", budget: { wall_ms: 90000 } });
  const run = await jobs.ended(id);
  const own = await shown(`run:${id}`);
  assert.equal(own.spent.wall_ms, run.result.duration_ms);
  assert.ok(own.spent.wall_ms >= 200);
  assert.equal((await shown("project:time")).spent.wall_ms, run.result.duration_ms);
  assert.deepEqual([own.reserved.wall_ms, own.limits.wall_ms], [0, 90000]);
});

test("a job waits for what others have reserved, and begins when it is given back", async () => {
  await set("project:shared", { wall_ms: 1000 });
  const gate = jobs.gate("shared");
  const first = await jobs.shell(gate.wait, { project: "shared" });
  const second = await jobs.start({ argv: ["true"], project: "shared" });
  const waits = await jobs.show(second);
  assert.deepEqual([waits.state, waits.gate], ["queued", "budget"]);
  assert.match(waits.note,
    /^It waits for the budget project:shared \(wall time: 0\.000s of 1\.000s spent, /);
  const { reserved, waiting } = await shown("project:shared");
  assert.deepEqual([reserved.wall_ms, waiting], [1000, 1]);
  const { text } = await jobs.request("GET", "/metrics", { local: true });
  assert.match(text, /^drover_runs_waiting_for_budget \d+$/m);
  await set("project:shared", { wall_ms: 10 ** 6 }); // Somebody has more to give.
  await jobs.ended(second);
  await gate.open();
  await jobs.ended(first);
});

test("a job under a budget that is used up fails and says which and how much", async () => {
  await set("project:spent", { wall_ms: 50 });
  await jobs.ran("sleep 0.2", { project: "spent" });
  const answer = await jobs.submit({ argv: ["true"], project: "spent" });
  assert.equal(answer.status, 201); // It is a run that failed: whoever waits for it is told.
  const run = await jobs.show(answer.json.id);
  assert.deepEqual([run.state, run.cause, run.attempts], ["failed", "budget", 0]);
  assert.match(run.note,
    /^The budget project:spent is used up \(wall time: \d\.\d{3}s of 0\.050s spent\)$/);
  await budget("DELETE", "project:spent");
  await jobs.ran("true", { project: "spent" });
});

test("a job names its project and budget in the right form or is refused", async () => {
  const cases = [
    [{ project: "No Spaces" }, "bad_field", /"project": 'No Spaces' is not a name/],
    [{ budget: { wall: 5 } }, "unknown_field", /"budget": 'wall' is not one of/],
    [{ budget: { wall_ms: -5 } }, "bad_field", /"budget": "wall_ms" must be a whole number/],
    [{ budget: 5 }, "bad_field", /"budget": limits are an object/],
  ];
  for (const [more, code, detail] of cases) {
    const answer = await jobs.submit({ argv: ["true"], ...more });
    assert.deepEqual([answer.status, answer.json.code], [400, code], JSON.stringify(more));
    assert.match(answer.json.detail, detail);
  }
});

test("a forecast says when the average so far reaches a limit", async () => {
  const scope = "project:pace";
  assert.equal((await set(scope, { wall_ms: 20_000, agents: 9 })).forecast, null);
  await jobs.ran("sleep 0.05", { project: "pace" });
  const { forecast, spent } = await shown(scope);
  assert.equal(forecast.limit, "wall_ms");
  assert.ok(forecast.at_ms > Date.now(), JSON.stringify({ forecast, spent }));
  const list = (await jobs.request("GET", "/api/v1/budgets?q=pace")).json.items;
  assert.equal(list[0].forecast.limit, "wall_ms");
  const { stdout } = await jobs.daemon.cli(["budget", "show", scope]);
  assert.match(stdout, /^at this rate the limit of wall time is reached in \d+ /m);
  assert.equal((await set(scope, { agents: 0 })).forecast, null); // It is reached.
});

// --- Days ---------------------------------------------------------------------------------------

test("a day that is used up is waited for to end, also over a restart", async (t) => {
  const env = { TZ: midnightIn(scaled(4000)) };
  const data = path.join(scratch(t), "d");
  const daemon = await new Daemon({ data, env, args: ["--insecure-loopback"] }).start();
  const here = Object.assign(Object.create(Jobs.prototype), { daemon });
  const global = async () => (await here.request("GET", "/api/v1/budgets/global")).json;
  const set = await daemon.cli(["budget", "set", "global", "--per", "day", "--wall", "50ms"]);
  assert.match(set.stdout, /^spent is counted today, and resets in \d+ /m);
  const { per, resets_ms } = await global();
  assert.equal(per, "day");
  await here.ran("sleep 0.1");
  const second = await here.start({ argv: ["true"] });
  const waits = await here.show(second);
  assert.deepEqual([waits.state, waits.gate], ["queued", "budget"]);
  assert.match(waits.note, /^It waits for midnight: the budget global is used up for today \(/);
  const { stdout } = await daemon.cli(["budget", "ls"]);
  assert.match(stdout, / of 0\.050s today, resets in \d+ (h|min|s)/);
  await daemon.kill();
  await daemon.start();
  const run = await here.ended(second);
  assert.equal(run.state, "succeeded");
  assert.ok(run.started_ms >= resets_ms);
  const next = await global();
  assert.equal(next.resets_ms, resets_ms + 24 * 3600 * 1000);
  assert.equal(next.spent.wall_ms, run.result.duration_ms);
  await daemon.stop();
});

// --- The commands -------------------------------------------------------------------------------

test("the commands set, list, show and remove budgets", async () => {
  const cli = (...words) => jobs.daemon.cli(["budget", ...words]);
  const made = await cli("set", "project:cli", "--wall", "90m", "--cost", "2.50");
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^budget {4}project:cli$/m);
  assert.match(made.stdout, /^wall time +0\.000s +0\.000s +1h 30m$/m);
  assert.match(made.stdout, /^cost +\$0\.0000 +\$0\.0000 +\$2\.5000$/m);
  const listed = await cli("ls");
  assert.match(listed.stdout, /^project:cli +0 {2}wall time 0\.000s of 1h 30m, cost /m);
  const lines = (await cli("ls", "--json")).stdout.trim().split("\n").map(JSON.parse);
  assert.equal(lines.find((line) => line.scope === "project:cli").limits.wall_ms, 5400000);
  assert.equal((await cli("set", "project:cli", "--wall", "none")).code, 0);
  const json = JSON.parse((await cli("show", "--json", "project:cli")).stdout);
  assert.deepEqual([json.limits.wall_ms, json.limits.cost_micros], [null, 2500000]);
  assert.equal((await cli("rm", "project:cli")).stdout, "project:cli is removed\n");
  assert.equal((await cli("show", "project:cli")).code, 3);
});

test("the commands refuse what they cannot mean", async () => {
  const cli = (...words) => jobs.daemon.cli(["budget", ...words]);
  const none = await cli("set", "global");
  assert.equal(none.code, 2);
  assert.match(none.stderr, /name a limit: --wall, --agents/);
  const wrong = await cli("set", "global", "--cost", "2,50");
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /cost: '2,50' is not an amount of dollars like 2.50, nor 'none'/);
  assert.equal((await budget("GET", "global")).status, 404);
});

test("job run takes a project and a budget of its own", async () => {
  const words = ["job", "run", "--detach", "--json", "--project", "cli", "--budget", "wall=1m"];
  const started = await jobs.daemon.cli([...words, "--budget", "agents=2", "--", "true"]);
  assert.equal(started.code, 0, started.stderr);
  const { id } = JSON.parse(started.stdout);
  const run = await jobs.ended(id);
  assert.deepEqual(run.spec.budget, { wall_ms: 60000, agents: 2 });
  assert.equal(run.spec.project, "cli");
  assert.equal((await shown(`run:${id}`)).spent.wall_ms, run.result.duration_ms);
  const wrong = await jobs.daemon.cli(["job", "run", "--budget", "wall", "true"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /'wall': a limit is written NAME=VALUE, like wall=30m/);
});
