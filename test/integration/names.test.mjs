// names.test.mjs: objects by the beginning of an id, by a label, and by "last".
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Jobs } from "./jobs.mjs";

const jobs = new Jobs();
const cli = (...args) => jobs.daemon.cli(args);
const names = (query) => jobs.request("GET", `/api/v1/names?${query}`);

/** The characters of an id after its prefix. */
const rest = (id) => id.slice(id.indexOf("_") + 1);

/** The shortest beginning that only `id` has, at least 4 characters long. */
function beginning(id, others) {
  let length = 4;
  while (others.some((other) => rest(other).startsWith(rest(id).slice(0, length)))) length++;
  return rest(id).slice(0, length);
}

async function two() {
  const first = await jobs.shell("echo one", { label: "names-one" });
  const second = await jobs.shell("echo two", { label: "names-two" });
  return [first, second];
}

const shown = async (...args) => JSON.parse((await cli("show", ...args, "--json")).stdout).id;

test("a beginning, a label and last name a run", async () => {
  const [first, second] = await two();
  const short = beginning(first, [second]);
  assert.equal(await shown(short), first);
  assert.equal(await shown(`run_${short}`), first);
  assert.equal(await shown("names-one"), first);
  assert.equal(await shown("last"), second);
  assert.equal((await cli("job", "wait", "last")).code, 0);
  assert.equal((await cli("job", "logs", "names-two")).stdout, "two\n");
});

test("a label of several runs is the unfinished one, else the newest", async () => {
  const label = "names-again";
  const first = await jobs.shell("cat", { label, stdin_open: true });
  const middle = await jobs.shell("true", { label });
  const newest = await jobs.shell("true", { label });
  assert.equal((await cli("job", "wait", middle, newest)).code, 0);
  const live = await cli("job", "stop", label);
  assert.equal(live.code, 0, live.stderr);
  const which = (words) => new RegExp(`3 runs are named '${label}'; this is the ${words}`);
  assert.match(live.stderr, which(`unfinished one, ${first.slice(0, 16)}\n`));
  await cli("job", "wait", first);
  const ended = await cli("show", label);
  assert.match(ended.stderr, which(`newest, ${newest.slice(0, 16)}\n`));
  assert.equal(await shown(label), newest);
});

test("a command that deletes chooses none of several runs with a label", async () => {
  const label = "names-deleted";
  const first = await jobs.shell("true", { label });
  const second = await jobs.shell("true", { label });
  assert.equal((await cli("job", "wait", first, second)).code, 0);
  const ended = await cli("job", "rm", label);
  assert.deepEqual([ended.code, ended.stdout], [2, ""], ended.stderr);
  assert.match(ended.stderr, /'names-deleted' fits more than one job; .* \(ambiguous\)\n/);
  for (const id of [first, second]) assert.ok(ended.stderr.includes(`  ${id}  job `));
  const live = await jobs.shell("cat", { label, stdin_open: true });
  assert.match((await cli("job", "rm", label)).stderr, /\(ambiguous\)/);
  assert.equal((await cli("stop", live)).code, 0);
  assert.equal((await cli("job", "rm", first, second)).code, 0);
  assert.equal((await cli("job", "rm", label)).stdout, `${live} is removed\n`);
});

test("a label names what stands in no other run, and an agent where one is asked for", async () => {
  const label = "names-inside";
  const job = await jobs.shell("true", { label });
  const script = path.join(jobs.folder, "inside.js");
  writeFileSync(script, `export const meta = { name: "names-inside-of", description: "one agent" };
return await agent("say: yes", { label: "${label}" });
`);
  const ran = await cli("run", script, "--model", "scripted/demo", "--json");
  assert.equal(ran.code, 0, ran.stderr);
  const agent = (await names("kind=agent&limit=1")).json.items[0];
  assert.equal(agent.label, label);
  const found = async (kind) =>
    (await names(`kind=${kind}&q=${label}`)).json.items.map(({ id }) => id);
  assert.deepEqual(await found("run"), [job]);
  assert.deepEqual(await found("agent"), [agent.id]);
  const shown = await cli("show", label);
  assert.equal(shown.stderr, "");
  assert.match(shown.stdout, new RegExp(job));
});

test("an ambiguous name is refused with its candidates", async () => {
  const made = [];
  // One runs, and the others are queued for its key.
  const more = { label: "names-many", key: "names-many", stdin_open: true };
  for (let i = 0; i < 7; i++) made.push(await jobs.shell("cat", more));
  const { code, stderr, stdout } = await cli("job", "stop", "names-many");
  assert.deepEqual([code, stdout], [2, ""]);
  const lines = stderr.trimEnd().split("\n");
  assert.match(lines[0], /^drover: 'names-many' fits more than one job; .* \(ambiguous\)$/);
  assert.equal(lines.length, 7);
  for (const [at, line] of lines.slice(1, 6).entries()) {
    assert.match(line, new RegExp(`^ {2}${made[6 - at]} {2}job +\\d+s ago {2}names-many$`));
  }
  assert.equal(lines[6], "  and more");
  const common = rest(made[0]).slice(0, 4); // Of the days around now.
  assert.equal((await cli("show", common)).code, 2);
  const json = JSON.parse((await cli("show", "names-many", "--json")).stderr);
  assert.equal(json.error.code, "ambiguous");
  assert.equal(json.error.candidates.length, 6);
  assert.equal((await cli("stop", ...made)).code, 0);
});

test("a name that nothing has says what to do, with the nearest label", async () => {
  await jobs.shell("true", { label: "names-nightly" });
  const near = await cli("show", "names-nigthly");
  assert.deepEqual([near.code, near.stdout], [3, ""]);
  assert.equal(
    near.stderr,
    "drover: there is no run 'names-nigthly'; did you mean 'names-nightly'? (not_found)\n",
  );
  const far = await cli("session", "show", "zzzz");
  assert.equal(far.code, 3);
  assert.match(far.stderr, /there is no session 'zzzz'; 'drover session ls' lists them/);
  assert.match((await cli("approve", "last")).stderr, /'drover approve' lists them \(not_found\)/);
});

test("the kind that a command asks for decides", async () => {
  const session = (await cli("session", "new", "--title", "names: a talk")).stdout.trim();
  const job = await jobs.shell("true", { label: "names-kind" });
  assert.equal(await shown("last"), job);
  const last = await cli("session", "show", "last", "--json");
  assert.equal(JSON.parse(last.stdout).id, session);
  const titled = await cli("session", "rename", "names: a talk", "names: another");
  assert.equal(titled.code, 0, titled.stderr);
  const listed = await cli("ps", "--all", "--session", rest(session), "--json");
  assert.deepEqual([listed.code, listed.stdout], [0, ""]);
  const wrong = await cli("ps", "--parent", "names: another");
  assert.equal(wrong.code, 3);
  assert.match((await cli("resume", "names-kind")).stderr, /there is no workflow 'names-kind'/);
});

test("messages and memories have short names, and memories their titles", async () => {
  const body = { title: "names: a habit", content: "Sheep sleep.", topic: "names" };
  const memory = (await jobs.request("POST", "/api/v1/memory", { body })).json.id;
  const titled = await cli("memory", "show", "names: a habit", "--json");
  assert.equal(JSON.parse(titled.stdout).id, memory, titled.stderr);
  const session = (await cli("session", "new", "--title", "names: a fork")).stdout.trim();
  const said = await cli("ask", "--session", session, "--model", "scripted/demo", "say: yes");
  assert.equal(said.code, 0, said.stderr);
  const list = await jobs.request("GET", `/api/v1/sessions/${session}/messages?order=oldest`);
  const [question] = list.json.items;
  const forked = await cli("session", "fork", session, "--at", rest(question.id).slice(0, 16));
  assert.equal(forked.code, 0, forked.stderr);
  const copy = `/api/v1/sessions/${forked.stdout.trim()}/messages`;
  assert.equal((await jobs.request("GET", copy)).json.items.length, 1);
  const newest = (await names("kind=message&limit=1")).json.items[0];
  assert.deepEqual([newest.kind, newest.label], ["message", "user"]);
});

test("a whole id costs no further request", async () => {
  const id = await jobs.shell("true");
  assert.equal((await cli("job", "wait", id)).code, 0); // The same is shown each time.
  const asked = async () => {
    const { text } = await jobs.request("GET", "/metrics");
    return Number(text.match(/^drover_http_requests_total (\d+)$/m)[1]);
  };
  const cost = async (name) => {
    const before = await asked();
    assert.equal((await cli("show", name)).code, 0);
    return (await asked()) - before;
  };
  assert.equal((await cost("last")) - (await cost(id)), 1);
});

test("the objects of others do not exist, and tokens are shown to admins only", async () => {
  const [first] = await two();
  const token = async (owner, ...scopes) =>
    (await jobs.request("POST", "/api/v1/tokens", { body: { owner, scopes, label: owner } })).json;
  const other = await token("names-other", "read");
  const headers = { authorization: `Bearer ${other.token}` };
  const as = (query) => jobs.request("GET", `/api/v1/names?${query}`, { headers });
  for (const query of [`q=${rest(first)}`, `q=${rest(first).slice(0, 6)}`, "q=names-one", ""]) {
    assert.deepEqual((await as(`kind=run&${query}`)).json, { items: [], more: false }, query);
  }
  assert.equal((await as("kind=token")).status, 403);
  assert.equal((await as("kind=run&owner=local")).status, 403);
  const found = await names("kind=token&q=names-other");
  assert.deepEqual(found.json.items.map(({ id }) => id), [other.id]);
  assert.equal((await names("kind=run&owner=names-other")).json.items.length, 0);
  assert.equal((await cli("token", "revoke", "names-other")).code, 0);
});

test("wrong questions are refused", async () => {
  for (const query of ["", "kind=thing", "kind=run&limit=101", "kind=run&q=a%00b"]) {
    assert.equal((await names(query)).status, 400, query);
  }
});

test("a word that can be no name gets a sentence about itself", async () => {
  for (const command of [["show"], ["attach"], ["job", "logs"], ["stop"]]) {
    const { code, stderr } = await cli(...command, "x".repeat(3000));
    assert.deepEqual([code, /'x{60}' is no name: .* at most 400 bytes/.test(stderr)], [2, true]);
  }
  for (const word of ["../x", "", "a/b"]) {
    const { code, stderr } = await cli("budget", "show", word);
    assert.deepEqual([code, stderr], [3, `drover: there is nothing named '${word}' (not_found)\n`]);
  }
});
