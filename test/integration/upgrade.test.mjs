// upgrade.test.mjs: a database of each schema that landed is opened, read, and goes on.
//
// test/upgrade/make.mjs wrote them, each by a build of its version, as a kill of the daemon left
// them.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { unpack, value, version, versions } from "../upgrade/world.mjs";
import { Daemon, run, scratch } from "./lib.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";
import { sql } from "./sql.mjs";

const LIMIT = { timeout: scaled(120_000) };
const postgres = Boolean(process.env.DROVER_DATABASE);

class World {
  constructor(t, number) {
    const args = ["--insecure-loopback", "--webhook-allow", "127.0.0.1:9"];
    this.daemon = new Daemon({ data: path.join(scratch(t), "d"), args });
    t.after(() => this.daemon.kill());
    if (number !== undefined) unpack(this.daemon, number);
  }

  ask = async (method, target, body) => {
    const answer = await this.daemon.request(method, `/api/v1${target}`, { body });
    assert.ok(answer.status < 300, `${method} ${target}: ${answer.text}`);
    return answer.json;
  };

  get = (target) => this.ask("GET", target);

  list = async (target) => (await this.get(target)).items;

  run = async (label) =>
    (await this.list("/runs?limit=200")).find((one) => [one.label, one.title].includes(label));

  ends = async (find, wanted) => {
    await until(`${find} is ${wanted}`, async () => (await this.run(find)).state === wanted);
  };

  question = async (kind) =>
    (await this.list("/approvals")).find(({ run }) => run === kind);
}

/** Statements that move all times by as much: the daemon was killed a moment ago, so that neither
 *  deadlines nor retention depend on the day of the test. */
function timesMoved(daemon) {
  const columns = value(daemon, postgres
    ? "SELECT string_agg(table_name || '.' || column_name, ' ') FROM information_schema.columns" +
      " WHERE table_schema = current_schema() AND column_name LIKE '%_ms'"
    : "SELECT group_concat(m.name || '.' || c.name, ' ') FROM sqlite_schema m," +
      " pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name LIKE '%_ms'");
  const by = Date.now() - Number(value(daemon, "SELECT max(at_ms) FROM events"));
  return columns.split(" ").map((column) => column.split(".")).map(([table, name]) =>
    `UPDATE ${table} SET ${name} = CASE WHEN ${name} > 0 THEN ${name} + ${by}` +
    ` ELSE ${name} - ${by} END WHERE abs(${name}) > 1000000000000`);
}

/** Nor do they depend on the machine: it has not started again since, or what ran would, too. */
function bootMoved(daemon) {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  const spool = path.join(daemon.data, "spool");
  for (const claim of readdirSync(spool).map((name) => path.join(spool, name, "claim"))) {
    writeFileSync(claim, readFileSync(claim, "latin1").replace(/\w{8}(-\w{4}){3}-\w{12}/, boot));
  }
}

/** A data directory keeps the engine of a workflow that lives; it is too large to be stored here,
 *  so this build's stands for it. */
async function madeRecent(t, world) {
  const { daemon } = new World(t);
  await daemon.start();
  const libexec = path.join(daemon.data, "libexec");
  const now = readdirSync(libexec).find((name) => existsSync(path.join(libexec, name, "worker")));
  await daemon.stop();
  const spec = value(world.daemon, "SELECT spec FROM runs WHERE kind = 'workflow'");
  bootMoved(world.daemon);
  const [, old] = /"engine":"(\w{64})"/.exec(spec);
  sql(world.daemon, ...timesMoved(world.daemon),
    `UPDATE runs SET spec = replace(spec, '${old}', '${now}')`);
  if (postgres) return;
  const { code, stderr } = await run(["restore", "--rewrite-sums", "--data", world.daemon.data]);
  assert.equal(code, 0, stderr);
}

const KNOWN = versions();
assert.ok(KNOWN.length > 0, "databases are stored");

for (const number of KNOWN) {
  test(`a database of schema ${number} is read as it was, and everything in it goes on`, LIMIT,
    async (t) => {
      const world = new World(t, number);
      assert.equal(version(world.daemon), number);
      await madeRecent(t, world);
      await world.daemon.start();
      await reads(world);
      await jobsGoOn(world);
      await questionIsAnswered(world);
      await boardGoesOn(world);
      await halvesGoOn(world);
      const doctor = await world.daemon.cli(["doctor", "--deep"]);
      assert.match(doctor.stdout, /^ok\s+schema\s+series 22, version (\d+) of \1,/m);
      assert.match(doctor.stdout, /^ok\s+rows\b/m);
    });
}

async function reads(world) {
  const talk = (await world.list("/sessions")).find(({ title }) => title === "A finished talk");
  const messages = JSON.stringify(await world.list(`/sessions/${talk.id}/messages`));
  assert.match(messages, /Twelve sheep\./);
  const more = await world.ask("POST", `/sessions/${talk.id}/messages`, { text: "say: Thirteen." });
  await until("an old session answers", async () =>
    (await world.get(`/runs/${more.run}`)).state === "succeeded");
  const { text } = await world.daemon.request("GET",
    `/api/v1/jobs/${(await world.run("finished")).id}/logs`);
  assert.match(text, /finished/);
  assert.equal((await world.list("/mail"))[0].title, "Hello");
  assert.equal((await world.list("/memory"))[0].title, "dogs");
  assert.equal((await world.get("/budgets/project:shop")).limits.cost_micros, 2500000);
  const notes = await world.get("/streams/notes/events");
  assert.equal(notes.events[0].data.text, "kept");
  assert.equal((await world.list("/inbox"))[0].address, "http://127.0.0.1:9/hook");
}

async function jobsGoOn(world) {
  await world.ends("survivor", "succeeded"); // By the end that its holder left.
  await world.ends("lost", "lost");
  await world.ends("queued", "succeeded"); // Its key is free.
}

async function questionIsAnswered(world) {
  const turn = (await world.list("/approvals")).find(({ tool }) => tool === "run_command");
  await world.ask("POST", `/approvals/${turn.id}`, { decision: "allow" });
  await until("the turn goes on", async () =>
    (await world.get(`/runs/${turn.run}`)).state === "succeeded");
}

async function boardGoesOn(world) {
  const at = "/projects/shop/tasks";
  const status = async (task) => (await world.get(`${at}/${task}`)).status;
  assert.deepEqual([await status("T-1"), await status("T-2"), await status("T-3")],
    ["done", "review", "pending"]);
  const { attempt } = await world.ask("GET", `${at}/T-2`);
  await world.ask("POST", `${at}/T-2/review`, { attempt, accept: true });
  await world.ask("POST", `${at}/T-3/claim`, { agent: "ann" });
  assert.deepEqual([await status("T-2"), await status("T-3")], ["done", "claimed"]);
}

async function halvesGoOn(world) {
  const flow = (await world.list("/runs?kind=flow"))[0];
  const [asked] = (await world.list("/approvals")).filter(({ run }) => run === flow.id);
  await world.ask("POST", `/approvals/${asked.id}`, { decision: "allow" });
  await until("the flow has ended", async () =>
    (await world.get(`/runs/${flow.id}`)).state === "succeeded");
  assert.equal((await world.get(`/runs/${flow.id}/flow`)).report, "count sheep, good");
  const script = await world.run("half");
  await world.ends("half", "succeeded");
  assert.match(JSON.stringify(await world.get(`/streams/run:${script.id}/events?limit=200`)),
    /one and two/);
  const [first] = await world.list(`/runs/${script.id}/agents`);
  assert.equal(first.attempt ?? 1, 1, "the first agent was not asked again");
}

test("a fresh database has the same schema as each that was upgraded", LIMIT, async (t) => {
  const columns = postgres
    ? "SELECT string_agg(t, ' ') FROM (SELECT table_name || '.' || column_name || ':'" +
      " || data_type || coalesce(column_default, '') AS t FROM information_schema.columns" +
      " WHERE table_schema = current_schema() ORDER BY 1) x"
    : "SELECT group_concat(t, ' ') FROM (SELECT m.name || '.' || c.name || ':' || c.type ||" +
      " coalesce(c.dflt_value, '') AS t FROM sqlite_schema m, pragma_table_info(m.name) c" +
      " WHERE m.type IN ('table', 'index') ORDER BY 1)";
  const seen = [];
  for (const number of [undefined, ...KNOWN]) {
    const world = new World(t, number);
    await world.daemon.start();
    await world.daemon.stop();
    seen.push(value(world.daemon, columns).replaceAll(/t[0-9a-f]{12}\./g, ""));
  }
  for (const schema of seen.slice(1)) assert.equal(schema, seen[0]);
});

test("a database is copied before its upgrade, and the copy is named to an older drover", LIMIT,
  async (t) => {
    if (postgres) return t.skip("its own tools copy it");
    const [oldest] = KNOWN;
    const world = new World(t, oldest);
    const backups = path.join(world.daemon.data, "backups");
    await world.daemon.start();
    await world.daemon.stop();
    const known = version(world.daemon);
    if (known === oldest) {
      assert.ok(!existsSync(backups), "nothing is copied where nothing changes");
      return;
    }
    assert.match(world.daemon.log, /the database was upgraded/);
    const [name, ...others] = readdirSync(backups);
    assert.deepEqual([name.startsWith(`before-upgrade-${oldest}.`), others], [true, []]);
    const data = path.join(scratch(t), "d");
    const restored = await run(["restore", path.join(backups, name), "--data", data]);
    assert.equal(restored.code, 0, restored.stderr);
  });
