// hosts.test.mjs: a daemon that leads a database whose jobs run on another host.
//
// runs-with: postgres
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";

import { schemaUrl, sql } from "./hosts.mjs";
import { Daemon, run, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";
import { call, say, script } from "./turns.mjs";
import { whole } from "./workflows.mjs";

const skip = process.env.DROVER_DATABASE ? false : "needs DROVER_DATABASE";

/** Two data directories on one schema: `here` starts the jobs, `there` leads afterwards. */
class Hosts {
  constructor(t, more = []) {
    this.folder = scratch(t);
    this.url = schemaUrl();
    const env = { DROVER_DATABASE: this.url };
    const args = ["--insecure-loopback", ...more];
    const daemons = ["here", "there"].map((name) => {
      const daemon = new Daemon({ data: path.join(this.folder, name), args, env });
      t.after(() => daemon.kill());
      return daemon;
    });
    [this.here, this.there] = daemons;
  }

  /** The other host leads; its predecessor is gone without a word. */
  async moved() {
    await this.here.kill();
    await this.there.start();
    return this.there;
  }
}

async function submit(daemon, body) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

async function show(daemon, id) {
  const answer = await daemon.request("GET", `/api/v1/jobs/${id}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

/** Follows the run's stream until an event of that type; the run as it stands then. */
async function event(daemon, id, type) {
  const stream = await openSse(daemon, `/api/v1/streams/run:${id}/events`);
  for (let frame; (frame = await stream.next()); ) {
    if (frame.event !== type) continue;
    stream.close();
    return show(daemon, id);
  }
  return assert.fail(`no ${type}`);
}

const ended = (daemon, id) => event(daemon, id, "run_finished");

/** What the daemon of `here` puts into the table when it stands by and sees the job's end. */
function report(hosts, id, code) {
  const text = JSON.stringify({ end: "exited", why: "itself", code, result: { exit_code: code } });
  sql(hosts.url, "INSERT INTO host_reports (place, run, attempt, made_ms, report)" +
    ` SELECT host, run, attempt, 1, '${text}' FROM runs WHERE run = '${id}'`);
}

test("a job of another host goes on: it keeps its key, and is no second copy", { skip },
  async (t) => {
    const hosts = new Hosts(t);
    await hosts.here.start();
    const line = "echo ran >> ran; exec sleep 1000";
    const body = { shell: line, cwd: hosts.folder, key: "k", key_max: 1,
      retry: { max: 3, on: ["lost"], backoff: 1 } };
    const id = await submit(hosts.here, body);
    const there = await hosts.moved();
    const away = await show(there, id);
    assert.deepEqual([away.state, away.host_away, away.attempts], ["running", true, 1]);
    const next = await submit(there, { argv: ["true"], key: "k", key_max: 1 });
    assert.equal((await show(there, next)).gate, "key");
    const listed = (await there.request("GET", "/api/v1/jobs?live=1")).json.items;
    assert.equal(listed.find((job) => job.id === id).host_away, true);
    assert.equal(listed.find((job) => job.id === next).host_away, undefined);
    assert.match((await there.cli(["ps"])).stdout, /running .* waits for its host, which is away/);
    assert.match((await there.cli(["show", id])).stdout, /^host +\S*\/\d+\/[0-9a-f]{16}$/m);

    // Its own host leads again: the job is found alive, and does as it is told.
    await there.stop();
    await hosts.here.start();
    const back = await show(hosts.here, id);
    assert.deepEqual([back.state, back.host_away, back.attempts], ["running", undefined, 1]);
    const stop = await hosts.here.request("POST", `/api/v1/runs/${id}/stop`);
    assert.equal(stop.status, 200, stop.text);
    assert.equal((await ended(hosts.here, id)).state, "cancelled");
    assert.equal((await ended(hosts.here, next)).state, "succeeded");
  });

test("what a job of another host cannot be asked is refused by a code that says where it is",
  { skip }, async (t) => {
    const hosts = new Hosts(t);
    await hosts.here.start();
    const id = await submit(hosts.here, { argv: ["cat"], pty: true });
    const there = await hosts.moved();
    const at = `/api/v1/jobs/${id}`;
    const refused = [
      await there.request("POST", `${at}/input`, { body: { text: "x" } }),
      await there.request("POST", `${at}/resize`, { body: { rows: 10, columns: 10 } }),
      await there.request("GET", `${at}/logs`),
      await there.request("GET", `${at}/logs`, { headers: { accept: "text/event-stream" } }),
      await there.request("GET", `${at}/logs/search?pattern=x`),
    ];
    for (const { status, json, text } of refused) {
      assert.deepEqual([status, json?.code], [409, "host_away"], text);
      assert.match(json.detail, /runs on host/);
      assert.match(json.detail, /drover job abandon run_/);
    }
    const stop = await there.request("POST", `/api/v1/runs/${id}/stop`);
    assert.equal(stop.status, 200, stop.text);
    const asked = await show(there, id);
    assert.deepEqual([asked.state, asked.stop, asked.host_away], ["running", "stopped", true]);
    assert.match((await there.cli(["ps"])).stdout, /which is away: .*, asked to stop/);

    await there.stop();
    await hosts.here.start();
    assert.equal((await ended(hosts.here, id)).state, "cancelled");
  });

test("the end that another host reports is stored once, and frees what the job held", { skip },
  async (t) => {
    const hosts = new Hosts(t);
    await hosts.here.start();
    const key = { key: "k", key_max: 1 };
    const id = await submit(hosts.here, { argv: ["sleep", "1000"], ...key });
    const there = await hosts.moved();
    const next = await submit(there, { argv: ["true"], ...key });
    report(hosts, id, 3);
    const end = await ended(there, id);
    assert.deepEqual([end.state, end.exit_code, end.result.exit_code], ["failed", 3, 3]);
    assert.equal((await ended(there, next)).state, "succeeded");
    report(hosts, id, 0);
    const late = async () => (await there.request("GET", "/metrics")).text;
    while (!/^drover_host_reports_late_total 1$/m.test(await late()));
    assert.match(await late(), /^drover_host_reports_total 1$/m);
    assert.equal((await show(there, id)).exit_code, 3);
    assert.equal(sql(hosts.url, "SELECT count(*) FROM host_reports"), "0");
    const logs = await there.request("GET", `/api/v1/jobs/${id}/logs`);
    assert.deepEqual([logs.status, logs.json?.code], [409, "host_away"], logs.text);
    assert.match(logs.json.detail, /keeps its output/);
  });

test("a job is abandoned by a person: lost, unknown with once, again where it says so", { skip },
  async (t) => {
    const hosts = new Hosts(t);
    await hosts.here.start();
    const argv = ["sleep", "1000"];
    const plain = await submit(hosts.here, { argv, key: "k", key_max: 1 });
    const once = await submit(hosts.here, { argv, once: true });
    const again = await submit(hosts.here, { argv, retry: { max: 1, on: ["lost"], backoff: 1 } });
    const asked = await submit(hosts.here, { argv });
    const there = await hosts.moved();
    const next = await submit(there, { argv: ["true"], key: "k", key_max: 1 });
    const abandon = (id) => there.request("POST", `/api/v1/jobs/${id}/abandon?force=1`);
    await there.request("POST", `/api/v1/runs/${asked}/stop`);
    // The host gave a sign of life a moment ago.
    const early = await there.request("POST", `/api/v1/jobs/${plain}/abandon`);
    assert.deepEqual([early.status, early.json.code], [409, "host_alive"], early.text);
    const refused = await there.cli(["job", "abandon", plain]);
    assert.equal(refused.code, 5, refused.stdout);
    assert.match(refused.stderr, /without a heartbeat.*wait, or force it \(--force\)/s);
    assert.equal((await show(there, plain)).state, "running");
    const said = await there.cli(["job", "abandon", plain, "--force"]);
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, /lost \(host gone\)/);
    assert.equal((await ended(there, next)).state, "succeeded");
    const ends = [];
    for (const id of [once, again, asked]) {
      const { status, json, text } = await abandon(id);
      assert.equal(status, 200, text);
      ends.push([json.state, json.cause]);
    }
    assert.deepEqual([ends[0], ends[2]], [["lost", "outcome_unknown"], ["cancelled", "stopped"]]);
    assert.match((await show(there, plain)).note, /taken for gone/);
    // The second attempt runs here, and nobody abandons that.
    while ((await show(there, again)).attempts !== 2);
    const mine = await abandon(again);
    assert.deepEqual([mine.status, mine.json.code], [409, "not_away"], mine.text);
    const gone = await abandon(plain);
    assert.deepEqual([gone.status, gone.json.code], [409, "run_ended"], gone.text);
    assert.equal((await abandon("run_00000000000000000000000000")).status, 404);
    assert.equal((await there.request("POST", `/api/v1/runs/${again}/stop`)).status, 200);
    assert.equal((await ended(there, again)).state, "cancelled");
    // The output of the first is where it ran, that of the second is here.
    const logs = (more) => there.request("GET", `/api/v1/jobs/${again}/logs${more}`);
    assert.equal((await logs("")).status, 200);
    assert.equal((await logs("?attempt=2")).status, 200);
    const first = await logs("?attempt=1");
    assert.deepEqual([first.status, first.json?.code], [409, "host_away"], first.text);
    assert.match(first.json.detail, /attempt 1 ran on host .*\/here, which keeps its output/);
    const searched = await logs("/search?attempt=1&pattern=x");
    assert.deepEqual([searched.status, searched.json?.code], [409, "host_away"], searched.text);
    const place = sql(hosts.url, `SELECT host FROM runs WHERE run = '${plain}'`);
    assert.equal((await there.cli(["host", "rm", place, "--force"])).code, 0);
    for (const answer of [await logs("?attempt=1"), await there.request("GET",
      `/api/v1/jobs/${plain}/logs`)]) {
      assert.deepEqual([answer.status, answer.json?.code], [410, "host_gone"], answer.text);
      assert.match(answer.json.detail, /attempt 1 ran on host .*, which was removed/);
    }
    report(hosts, plain, 0);
    while (sql(hosts.url, "SELECT count(*) FROM host_reports") !== "0");
    assert.equal((await show(there, plain)).state, "lost");
  });

test("hosts are listed; one that is removed loses all of its jobs", { skip }, async (t) => {
  const hosts = new Hosts(t);
  await hosts.here.start();
  const ids = [];
  for (let i = 0; i < 40; i++) ids.push(await submit(hosts.here, { argv: ["sleep", "1000"] }));
  const there = await hosts.moved();
  const list = async () => (await there.request("GET", "/api/v1/hosts")).json.items;
  while ((await list()).length !== 2);
  const [old, own] = await list();
  assert.deepEqual([old.role, old.here, old.runs], ["standby", false, 40]);
  assert.deepEqual([own.role, own.here, own.runs], ["leader", true, 0]);
  assert.match(old.name, new RegExp(`:${hosts.folder}/here$`));
  assert.match((await there.cli(["host", "ls"])).stdout, /standby +40 /);
  while (!/^drover_runs_away 40$/m.test((await there.request("GET", "/metrics")).text));

  const early = await there.cli(["host", "rm", old.place]);
  assert.equal(early.code, 5, early.stdout);
  assert.match(early.stderr, /without a heartbeat.*--force/s);
  const self = await there.cli(["host", "rm", own.place, "--force"]);
  assert.equal(self.code, 5, self.stdout);
  assert.equal((await there.cli(["host", "rm", "nobody"])).code, 3);
  const removed = await there.cli(["host", "rm", old.name, "--force"]);
  assert.match(removed.stdout, /given up: 40$/m, removed.stderr);
  for (const id of ids) assert.equal((await show(there, id)).state, "lost");
  assert.deepEqual((await list()).map((host) => host.here), [true]);
});

const liveJobs = async (daemon) =>
  (await daemon.request("GET", "/api/v1/jobs?live=1")).json.items;

/** A turn of `here` whose command runs: its session and its run. */
async function turnWithCommand(hosts, live = 1) {
  const permissions = [{ tool: "*", permission: "allow" }];
  const session = { root: hosts.folder, settings: { permissions } };
  const made = await hosts.here.request("POST", "/api/v1/sessions", { body: session });
  assert.equal(made.status, 201, made.text);
  const { id } = made.json;
  const text = script(call("run_command", { command: "sh", args: ["-c", "sleep 1000"] }),
    say("done"));
  const sent = await hosts.here.request("POST", `/api/v1/sessions/${id}/messages`, {
    body: { text, model: "scripted/demo" } });
  assert.ok(sent.status < 300, sent.text);
  while ((await liveJobs(hosts.here)).length < live);
  return { id, turn: sent.json.run ?? sent.json.id };
}

test("a turn whose command is on another host waits for it, and is told where its output is",
  { skip }, async (t) => {
    const hosts = new Hosts(t);
    await hosts.here.start();
    const { id, turn } = await turnWithCommand(hosts);
    const there = await hosts.moved();
    const [child] = await liveJobs(there);
    assert.equal(child.host_away, true);
    const shown = await there.request("GET", `/api/v1/runs/${turn}`);
    assert.deepEqual([shown.json.state, shown.json.gate], ["running", "host"], shown.text);
    assert.match((await there.cli(["ps"])).stdout, /running .* waits for a command on another/);
    const stream = `/api/v1/streams/session:${id}/events?snapshot=1&after=0&limit=1`;
    const { snapshot } = (await there.request("GET", stream)).json;
    assert.deepEqual([snapshot.turn.state, snapshot.turn.gate], ["running", "host"]);
    report(hosts, child.id, 0);
    const at = `/api/v1/sessions/${id}/messages`;
    const answer = async () => (await there.request("GET", at)).json.items
      .find((one) => one.role === "assistant");
    while ((await answer()).status === "running");
    const card = (await answer()).parts.find((part) => part.kind === "tool");
    assert.match(JSON.stringify(card), /ran on another host, which keeps its output/);
    assert.equal((await there.request("GET", `/api/v1/runs/${turn}`)).json.state, "succeeded");
  });

test("an agent whose command is on another host says so in each list",
  { skip }, async (t) => {
    const hosts = new Hosts(t);
    await hosts.here.start();
    const prompt = script(call("run_command", { command: "sh", args: ["-c", "sleep 1000"] }),
      say("done"));
    const settings = { permissions: [{ tool: "*", permission: "allow" }] };
    const body = { script: whole(`return agent(${JSON.stringify(prompt)}, { label: "far" });`),
      model: "scripted/demo", root: hosts.folder, settings };
    const started = await hosts.here.request("POST", "/api/v1/workflows", { body });
    const flow = started.json.runId;
    assert.ok(flow, started.text);
    while ((await liveJobs(hosts.here)).length === 0);
    const there = await hosts.moved();
    const far = async (target) => (await there.request("GET", `/api/v1${target}`)).json.items
      .filter(({ label }) => label === "far").map(({ state, gate }) => `${state} ${gate}`)[0];
    while (await far(`/runs/${flow}/agents`) !== "running host");
    assert.equal(await far("/runs?kind=agent"), "running host");
  });

test("a turn that is stopped while its command is on another host says what goes on there",
  { skip }, async (t) => {
    const hosts = new Hosts(t);
    await hosts.here.start();
    const asked = await turnWithCommand(hosts);
    const typed = await turnWithCommand(hosts, 2);
    const there = await hosts.moved();
    const stop = await there.request("POST", `/api/v1/sessions/${asked.id}/stop`);
    assert.deepEqual([stop.status, stop.json.id, stop.json.gate], [200, asked.turn, "host"]);
    const said = await there.cli(["stop", typed.turn]);
    assert.match(said.stdout, /cancelled/);
    const turn = typed.turn.slice(0, 16);
    assert.match(said.stderr, new RegExp(`on another host.*ps --parent ${turn}`));
    // Neither waits for the command, which its host is to end.
    for (const { turn } of [asked, typed]) {
      while ((await there.request("GET", `/api/v1/runs/${turn}`)).json.state !== "cancelled");
      const listed = await there.cli(["ps", "--parent", turn]);
      assert.match(listed.stdout, /run_.*running .* which is away: .*, asked to stop/);
    }
    const [child] = await liveJobs(there);
    const job = await there.cli(["stop", child.id, "--no-wait"]);
    const short = child.id.slice(0, 16);
    assert.match(job.stderr, new RegExp(`on another host.*job abandon ${short}`));
    assert.equal((await there.cli(["job", "abandon", child.id, "--force"])).code, 0);
    assert.equal((await show(there, child.id)).state, "cancelled");
  });

test("a time in which no living host could give a sign of life is refused", async (t) => {
  const words = ["serve", "--data", scratch(t), "--listen", "127.0.0.1:0", "--host-timeout", "29"];
  const answer = await run(words);
  assert.equal(answer.code, 2, answer.stderr);
  assert.match(answer.stderr, /host-timeout: at least 30 seconds/);
});

test("hosts are followed in system: the leader, those that it meets, those that go", { skip },
  async (t) => {
    const hosts = new Hosts(t);
    const told = async (daemon) => {
      const page = "/api/v1/streams/system/events?after=0&wait=9";
      const { events } = (await daemon.request("GET", page)).json;
      return events.filter(({ type }) => type === "host_changed").map(({ data }) => data);
    };
    await hosts.here.start();
    const list = async (daemon) => (await daemon.request("GET", "/api/v1/hosts")).json.items;
    while ((await list(hosts.here)).length === 0); // Its row, before it is gone.
    const there = await hosts.moved();
    let all = [];
    while (all.length < 2) all = await told(there);
    const here = all.find(({ role }) => role === "standby");
    for (const { place, name, role, version, made_ms } of await list(there)) {
      const row = { place, name, role, version, made_ms };
      assert.deepEqual(all.filter((data) => data.place === place).pop(), row);
    }
    const target = `/api/v1/hosts?host=${encodeURIComponent(here.place)}&force=1`;
    assert.equal((await there.request("DELETE", target)).status, 200);
    assert.deepEqual((await told(there)).pop(), { place: here.place, removed: true });
  });
