// lists.test.mjs: what every list of the API has in common. The lists are those of openapi.json.
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { bin, root, Daemon } from "./lib.mjs";
import { until } from "./providers.mjs";
import { sql } from "./sql.mjs";

const plansLibrary = [path.dirname(bin), "build/release", "build/dev"]
  .map((folder) => path.resolve(root, folder, "test/unit/sql_plans.so"))
  .find((place) => existsSync(place));

let daemon;
let folder;
let plans;
let document;
let ids;

const script = `export const meta = { name: "listed", description: "none" };
await agent("say: hello", { tools: [] });
await agent('call: read_file {"path":"none"}\\nsay: hello');`;

const ask = async (method, target, body) => {
  const answer = await daemon.request(method, `/api/v1${target}`, { body });
  assert.ok(answer.status < 300, `${method} ${target}: ${answer.text}`);
  return answer.json;
};
const get = (target) => ask("GET", target);

/** A session, a job, a workflow and a stream, below which the API has lists. */
async function seed() {
  const session = await ask("POST", "/sessions", { title: "Listed", project: "web" });
  const { message } = await ask("POST", `/sessions/${session.id}/messages`, { text: "say: hello" });
  const job = await ask("POST", "/jobs", { argv: ["true"], label: "Listed" });
  const flow = await ask("POST", "/workflows", { script, root: folder });
  await ask("PATCH", "/budgets/project:web", { tokens: 1000 });
  await ask("POST", "/memory", { topic: "t", title: "Listed", content: "c" });
  await ask("POST", "/terminals", { command: "true" });
  await daemon.append("listed", { type: "made" });
  while ((await get("/runs?live=1")).items.length > 0); // What they write has an end.
  return { session: session.id, message, job: job.id, flow: flow.runId, stream: "listed" };
}

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  plans = path.join(folder, "plans");
  const env = {
    LD_PRELOAD: plansLibrary ?? "",
    SQL_PLANS: plans,
    ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ""}:verify_asan_link_order=0`,
  };
  const data = path.join(folder, "d");
  daemon = await new Daemon({ data, env, args: ["--insecure-loopback"] }).start();
  document = await get("/openapi.json");
  ids = await seed();
});
after(async () => {
  await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Every route that answers pages: {target, names of its parameters}. */
function lists() {
  const found = [];
  for (const [target, { get: operation }] of Object.entries(document.paths)) {
    const schema = operation?.responses["200"]?.content?.["application/json"]?.schema;
    if (!schema?.properties?.items || !schema.properties.next) continue;
    const names = operation.parameters.filter((one) => one.in === "query").map((one) => one.name);
    // The search for damage reads all rows of all tables by design, a slice a page; the folders of
    // a session are one page.
    if (target.endsWith("/damage") || !names.includes("after")) continue;
    found.push({ target: target.replace("/api/v1", ""), names });
  }
  assert.ok(found.length >= 15, `${found.length} lists`);
  return found;
}

const idFor = (target) => {
  if (target.startsWith("/sessions/")) return ids.session;
  if (target.endsWith("/agents")) return ids.flow;
  if (target.startsWith("/projects/")) return "web";
  return target.startsWith("/streams/") ? ids.stream : ids.job;
};
const place = (target) => target.replace(/\{[a-z]+\}/, idFor(target));

/** A value that the filter takes: for words the first one that its refusal names. */
async function valueFor({ target }, name) {
  const fixed = { session: ids.session, parent: ids.job, root: ids.job, project: "web" };
  if (target === "/agents") fixed.root = folder;
  if (target === "/sessions") Object.assign(fixed, { parent: ids.session, fork_of: ids.session });
  if (fixed[name]) return fixed[name];
  for (const value of ["1", "x"]) {
    const answer = await daemon.request("GET", `/api/v1${place(target)}?${name}=${value}`, {});
    const known = /must be (?:one of )?([a-z_]+)/.exec(answer.json.detail ?? "");
    if (answer.status === 200) return value;
    if (known) return known[1];
  }
  return assert.fail(`${target}: no value for ${name}`);
}

/** Without filters, with each, and with all of them. */
async function queries(list) {
  const alone = ["after", "limit", "total", "owner", "around"];
  const names = list.names.filter((name) => !alone.includes(name));
  const pairs = [];
  for (const name of names) pairs.push(`${name}=${await valueFor(list, name)}`);
  const around = list.names.includes("around") ? [`around=${ids.message}`] : [];
  return ["", ...around, ...pairs, pairs.join("&")];
}

test("every list counts all rows of its pages where that is asked", async () => {
  for (const list of lists()) {
    assert.ok(list.names.includes("total"), `${list.target} has no total`);
    for (const query of await queries(list)) {
      const target = `${place(list.target)}?${query}`;
      const { items, total } = await get(`${target}&total=1`);
      assert.equal(total, items.length, target);
      assert.equal("total" in (await get(target)), false, target);
    }
  }
});

/** Members that a schema requires and a value has not. */
function missing({ required = [], properties = {}, items = {} }, value, at) {
  if (Array.isArray(value)) return value.flatMap((one) => missing(items, one, `${at}[]`));
  if (value === null || typeof value !== "object") return [];
  const below = Object.keys(properties).filter((name) => name in value);
  return [...required.filter((name) => !(name in value)).map((name) => `${at}.${name}`),
    ...below.flatMap((name) => missing(properties[name], value[name], `${at}.${name}`))];
}

test("rows have all that their description requires", async () => {
  for (const { target } of lists()) {
    const { responses } = document.paths[`/api/v1${target}`].get;
    const { schema } = responses["200"].content["application/json"];
    assert.deepEqual(missing(schema, await get(place(target)), target), []);
  }
});

test("a search counts what it finds, however few of it a page shows", async () => {
  for (const at of [1, 2, 3]) await ask("POST", "/sessions", { title: `Counted ${at}` });
  const page = await get("/sessions?q=counted&limit=1&total=1");
  assert.deepEqual([page.items.length, page.total, page.more], [1, 3, undefined]);
});

test("a text is found in one session, however much is to be looked at before it", async () => {
  const { id } = await ask("POST", "/sessions", { title: "Long" });
  await ask("POST", `/sessions/${id}/messages`, { text: "say: the Needle% lies here" });
  while ((await get("/runs?live=1")).items.length > 0);
  await daemon.stop();
  const one = `FROM messages m JOIN sessions s ON s.id = m.session WHERE s.session = '${id}'`;
  sql(
    daemon,
    "INSERT INTO messages (id, message, session, role, status, run, reply_to, variant, active," +
      " made_ms, changed_ms, client_id, client_digest, cause, error, metadata)" +
      " WITH RECURSIVE n (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 1000)," +
      ` first (id, session) AS (SELECT max(m.id), max(m.session) ${one})` +
      " SELECT first.id + at, 'msg_long' || at, first.session, 'user', 'completed', 0, 0, 0, 1," +
      " 1, 1, '', '', '', '', '{}' FROM n, first",
    "INSERT INTO parts (message, number, step, kind, state, cause, name, call, run, bytes," +
      " data_bytes, data, text) SELECT id, 1, 0, 'text', 'done', '', '', '', 0, 20000, 0, ''," +
      " replace('1111111111', '1', replace('1111111111', '1', 'a needle is not here ')) ||" +
      " message" +
      " FROM messages WHERE message LIKE 'msg_long%'",
  );
  await daemon.start();
  const target = `/sessions/${id}/messages?q=NEEDLE%25`;
  const { items, next, total, more } = await get(`${target}&limit=1&total=1&order=newest`);
  assert.deepEqual([items.length, next === null], [1, false]);
  // A slow machine counts a part of them, and says so.
  assert.ok(total === 2 || (more && total === 1), `${total}, more: ${more}`);
  assert.match(items[0].match.text, /the Needle% lies here/);
  const rest = await get(`${target}&limit=1&after=${next}`);
  assert.deepEqual([rest.items[0].role, rest.next], ["user", null]);
  assert.deepEqual((await get(`${target}&role=system`)).items, []);
  const nul = await daemon.request("GET", `/api/v1/sessions/${id}/messages?q=a%00`);
  assert.equal(nul.json.code, "bad_query");
  assert.equal((await get(`/sessions/${id}/messages?q=msg_long77`)).items.length, 11);
  const shown = await daemon.cli(["session", "show", "--search", "needle%", id]);
  assert.match(shown.stdout, /\n {4}.*the Needle% lies here\n/);
});

/** Tables whose rows are few by a bound of their own. */
const small = ["agents", "nodes", "settings", "learned_windows", "refused_parameters"];
/** Statements that sort what other bounds keep few: budgets on a path, parts of a run that are not
 *  settled, the texts of 20 messages, ids of the steps of one workflow (1,000 at most), the turns
 *  with which subagents of one session began. */
const sorted = [
  /FROM budgets WHERE owner IN \('', \$1\) AND path IN/,
  /^SELECT p\.message, p\.number, m\.run, p\.state FROM parts p/,
  /ORDER BY id DESC LIMIT \$3\) m LEFT JOIN parts p/,
  /^SELECT COALESCE\(min\(id\), 0\), .* AND parent = \$4 AND step_key <> ''/,
  /WHERE id IN \(SELECT id FROM runs WHERE parent = \$1 AND step_key <> ''/,
  /^SELECT id FROM runs WHERE root = .* WHERE parent = \$1 AND step_key <> ''/,
  /^SELECT id, subagent, kind FROM \(SELECT \* FROM \(SELECT id, 0 AS subagent/,
];
/** The census of what is open, for /metrics: of indexes that hold nothing else. It is asked by a
 *  timer, so a slow test sees it. */
const census = [
  /FROM runs WHERE ended_ms IS NULL AND gate (<> ''$|= '' GROUP BY state)/,
  /^SELECT \(SELECT count\(\*\) FROM budgets\), \(SELECT count/,
  /FROM inbox WHERE settled_ms IS NULL GROUP BY state$/,
  /^SELECT DISTINCT owner, project FROM tasks WHERE status IN/, // Once, at a start,
  /^SELECT id FROM runs WHERE run_key = \$1 AND run_key <> '' AND ended_ms IS NULL/, // as is this.
];
/** Whether the step reads a table from its beginning, or sorts what it has read. A subquery, also
 *  one with a name, may be read so: its own plan stands beside. */
function reads(step, text) {
  if (step === "USE TEMP B-TREE FOR ORDER BY")
    return ![...small, ...sorted].some((one) => text.match(one));
  const [, name] = /^SCAN (\S+)/.exec(step) ?? [];
  const inside = new RegExp(`(\\)|WITH RECURSIVE) ${name}\\b`).test(text);
  return name !== undefined && name !== "CONSTANT" && !inside && !small.includes(name);
}

/** Sums of usage, the texts of an agent's steps, the last run of a script, and reused results. */
async function readsThatAreNoList() {
  const sorts = "day hour model agent session project category tool workflow phase".split(" ");
  for (const by of [...sorts, "workflow,phase", "tool,hour"]) {
    await get(`/usage?by=${by}`);
    await get(`/sessions/${ids.session}/usage?by=${by}`);
  }
  const { items } = await get(`/runs/${ids.flow}/spans?below=1`);
  const steps = items.filter(({ step }) => step !== null);
  assert.deepEqual(steps.map(({ kind }) => kind), ["model", "model", "tool", "model"]);
  for (const { run, attempt, step } of steps) {
    const target = `/runs/${run}/spans/${attempt}.${step}`;
    for (const side of ["input", "output"]) await get(`${target}?side=${side}`);
  }
  const again = await ask("POST", "/workflows", { script, root: folder, resumeFromRunId: "last" });
  assert.equal((await get(`/runs/${again.runId}`)).spec.resumed_from, ids.flow);
  const reuses = await ask("POST", "/workflows", { script, root: folder, reuse_ms: 3600_000 });
  while ((await get("/runs?live=1")).items.length > 0);
  const agents = (await get(`/runs/${reuses.runId}/agents`)).items;
  assert.deepEqual(agents.map(({ cached }) => cached), [true, false]);
}

test("no statement reads a whole table, or sorts, whatever a list is asked", async (t) => {
  if (daemon.env.DROVER_DATABASE) return t.skip("plans are SQLite's");
  assert.ok(plansLibrary, "no sql_plans.so: build with -Dtests=enabled");
  for (const list of lists()) {
    for (const query of await queries(list)) {
      await get(`${place(list.target)}?${query}&total=1`);
      const target = `${place(list.target)}?${query}&limit=1`;
      const { next } = await get(target);
      if (next) await get(`${target}&after=${encodeURIComponent(next)}`);
    }
  }
  await readsThatAreNoList();
  const kinds = "run job turn agent workflow session approval delivery token memory terminal";
  for (const kind of kinds.split(" ")) {
    for (const q of ["", "&q=0123"]) await get(`/names?kind=${kind}${q}`);
  }
  const lines = readFileSync(plans, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const seen = new Map(lines.map((line) => [line.sql, line.steps]));
  assert.ok(seen.size > 40, `${seen.size} statements`);
  const faults = [];
  for (const [text, steps] of seen) {
    if (census.some((one) => one.test(text))) continue;
    for (const step of steps) if (reads(step, text)) faults.push(`${step}: ${text}`);
  }
  assert.deepEqual(faults, []);
});

test("a board looks for its next task among those alone that are ready", async (t) => {
  if (daemon.env.DROVER_DATABASE) return t.skip("plans are SQLite's");
  await ask("POST", "/projects", { name: "shop", board: { agents: [{ name: "nobody" }] } });
  await ask("POST", "/projects/shop/tasks", { title: "First", assignee: "somebody" });
  const wanted = [
    [/^SELECT .* AND waits_for = 0 AND .* ORDER BY priority DESC, id LIMIT 1/,
      "SEARCH tasks USING INDEX tasks_ready (owner=? AND project=?)"],
    [/^SELECT .* AND open_attempt = 1 AND run = '' AND/,
      "SEARCH tasks USING INDEX tasks_held (owner=? AND project=?)"],
    [/^SELECT COALESCE\(min\(not_before_ms\), 0\) FROM tasks/,
      "SEARCH tasks USING INDEX tasks_later (owner=? AND project=? AND not_before_ms>?)"],
  ];
  await until("it has looked", () => {
    const seen = readFileSync(plans, "utf8").trim().split("\n").map((line) => JSON.parse(line));
    const found = wanted.map(([text]) => seen.find((one) => text.test(one.sql)));
    if (found.includes(undefined)) return false;
    assert.deepEqual(found.map(({ steps }) => steps[0]), wanted.map(([, step]) => step));
    return true;
  });
});

/** The items of a list whose filter is `query`. */
const listed = async (target, query) => (await get(`${place(target)}?${query}`)).items;
/** Holds some rows, and then none, against a filter that fits and one that does not. */
const narrows = async (target, fits, fitsNot) => {
  assert.ok((await listed(target, fits)).length > 0, `${target}?${fits}`);
  assert.deepEqual(await listed(target, fitsNot), [], `${target}?${fitsNot}`);
};

test("filters leave out what does not fit, and unknown words are refused by name", async () => {
  const later = Date.now() + 3600_000;
  await narrows("/sessions", "state=idle,running&project=web", "state=waiting");
  await narrows("/sessions", "since=1&project=web", `since=${later}`);
  await narrows("/sessions", "q=lIsTeD&state=idle", "q=listed&project=other");
  await narrows("/sessions/{id}/messages", "role=user", "role=notice");
  await narrows("/sessions/{id}/messages", "status=completed&since=1", `since=${later}`);
  await narrows("/sessions/{id}/spans", "kind=model", "kind=tool");
  await narrows("/runs/{id}/spans", "state=succeeded&kind=process", "q=nobody");
  await narrows("/runs/{id}/spans", "since=1", "min_ms=3600000");
  await narrows("/runs", "top=1&kind=workflow", "top=1&kind=agent");
  await narrows("/streams", "q=LISTED&since=1", "q=nobody");
  await narrows("/budgets", "q=web", `q=web&since=${later}`);
  await narrows("/memory", "since=1", `since=${later}`);
  await narrows("/terminals", "q=true&since=1", "q=nobody");
  await narrows("/providers", "q=scripted", "q=nobody");
  assert.deepEqual(await listed("/models", "q=nobody"), []);
  await ask("POST", "/tokens", { label: "Listed", scopes: ["read"] });
  await narrows("/tokens", "q=liste", "q=nobody");
  for (const target of ["/sessions", "/inbox", "/approvals", "/runs", "/jobs"]) {
    const answer = await daemon.request("GET", `/api/v1${target}?state=queued,asleep`, {});
    assert.equal(answer.status, 400, target);
    assert.match(answer.json.detail, /'state' must be one of .*, or several of them: a,b/);
  }
});

test("a page goes on after rows that a filter has left out", async () => {
  const names = Array.from({ length: 300 }, (_, at) => `row-${String(at).padStart(3, "0")}`);
  for (const name of names) await daemon.append(name, { type: "made" });
  const found = [];
  for (let next = ""; next !== null; ) {
    const page = await get(`/streams?q=7&limit=4${next && `&after=${next}`}`);
    assert.ok(page.items.length <= 4);
    found.push(...page.items.map((one) => one.stream));
    next = page.next;
  }
  const ours = found.filter((name) => name.startsWith("row-"));
  assert.deepEqual(ours, names.filter((name) => name.includes("7")));
});

test("a total stops at ten thousand, and says that there are more", async () => {
  await daemon.stop();
  sql(
    daemon,
    "INSERT INTO streams (owner, name, head, floor, made_ms) WITH RECURSIVE n (at) AS" +
      " (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 10050)" +
      " SELECT 'local', 'many-' || at, 0, 0, 1 FROM n",
  );
  await daemon.start();
  const page = await get("/streams?total=1&limit=2");
  assert.deepEqual([page.total, page.more, page.items.length], [10000, true, 2]);
  const few = await get("/streams?total=1&limit=2&q=MANY-1004");
  assert.deepEqual([few.total, few.more, few.items.length], [11, undefined, 2]);
});
