// takeover.test.mjs: the commands of a host whose daemon does not lead.
//
// runs-with: postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { Host, Lead, replace, schemaUrl, sql } from "./hosts.mjs";
import { bin, scratch, sideBySide } from "./lib.mjs";
import { processesOf, read } from "./processes.mjs";
import { until } from "./providers.mjs";

const test = sideBySide(8);
const skip = process.env.DROVER_DATABASE ? false : "needs DROVER_DATABASE";

async function job(host, body) {
  const answer = await host.request("POST", "/api/v1/jobs", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

const shown = async (host, id) => (await host.request("GET", `/api/v1/runs/${id}`)).json;
const lives = (host, id) => processesOf(host.data).some(({ run }) => run?.startsWith(`${id}.`));

/** The states of its children. */
function childrenOf({ child }) {
  const pids = read(`/proc/${child.pid}/task/${child.pid}/children`).trim().split(" ");
  return pids.filter(Boolean).map((pid) => read(`/proc/${pid}/stat`).split(") ")[1]?.[0]);
}

/** A line that goes on until a file is there, and says when it has begun. */
function gated(t, more = "") {
  const folder = scratch(t);
  const began = path.join(folder, "began");
  const gate = path.join(folder, "gate");
  return {
    shell: `echo x >> ${began}; while [ ! -e ${gate} ]; do sleep 0.05; done; ${more}`,
    began: () => until("it began", () => existsSync(began)),
    open: () => writeFileSync(gate, ""),
  };
}

test("a standby looks after the commands of its host by the leader's rows", { skip }, async (t) => {
  const url = schemaUrl();
  const host = await new Host(t, url).start();
  const lines = Object.fromEntries(
    ["ends", "stopped", "abandoned", "unknown", "goes"].map((name) => [name, gated(t, "exit 3")]),
  );
  const ids = {};
  for (const [name, line] of Object.entries(lines)) {
    ids[name] = await job(host, { shell: line.shell });
    await line.began();
  }
  const lead = new Lead(t, url);
  await lead.takeFrom(host);
  const reported = (name) =>
    sql(url, `SELECT report FROM host_reports WHERE run = '${ids[name]}' AND attempt = 1`);

  // An end is reported, once.
  lines.ends.open();
  await until("the end is reported", () => reported("ends") !== "");
  const report = JSON.parse(reported("ends"));
  assert.deepEqual([report.end, report.code], ["exited", 3]);

  // What the leader asks to stop is stopped.
  const stop = "stop = 'stopped', stop_grace_ms = 100";
  sql(url, `UPDATE runs SET ${stop} WHERE run = '${ids.stopped}'`);
  await until("it was stopped", () => !lives(host, ids.stopped));
  await until("the stop is reported", () => reported("stopped") !== "");

  // What the leader has given up is ended; where it says nothing, nobody is.
  sql(url, `UPDATE runs SET state = 'lost', ended_ms = 1 WHERE run = '${ids.abandoned}'`);
  sql(url, `DELETE FROM runs WHERE run = '${ids.unknown}'`);
  await until("it was ended", () => !lives(host, ids.abandoned));
  assert.ok(lives(host, ids.unknown));
  assert.ok(lives(host, ids.goes));

  // And when it leads again, it finds what it has.
  await lead.end();
  await host.leads(2);
  await until("its end is stored", async () => (await shown(host, ids.ends)).state === "failed");
  assert.equal((await shown(host, ids.ends)).result.exit_code, 3);
  const goes = async () => (await shown(host, ids.goes)).state;
  assert.equal(await goes(), "running");
  lines.goes.open();
  await until("it ended", async () => (await goes()) === "failed");
  lines.unknown.open();
  assert.equal((await host.stop()).code, 0);
});

test("a standby that can't look after its commands tries again", { skip }, async (t) => {
  const url = schemaUrl();
  const host = await new Host(t, url).start();
  const line = gated(t);
  const id = await job(host, { shell: line.shell });
  await line.began();
  await host.kill();
  await new Host(t, url).start();
  const spool = path.join(host.data, "spool");
  renameSync(spool, `${spool}.away`);
  writeFileSync(spool, "");
  await host.standsBy();
  await host.says(/not looked after/);
  rmSync(spool);
  renameSync(`${spool}.away`, spool);
  sql(url, `UPDATE runs SET stop = 'stopped', stop_grace_ms = 100 WHERE run = '${id}'`);
  await until("it was stopped", () => !lives(host, id));
  assert.equal((await host.stop()).code, 0);
});

test("a daemon that stands still is replaced, and stands by later", { skip }, async (t) => {
  const url = schemaUrl();
  const first = await new Host(t, url).start();
  const line = gated(t, "exit 3");
  const id = await job(first, { shell: line.shell });
  await line.began();
  const second = await new Host(t, url).standsBy();
  first.child.kill("SIGSTOP");
  await second.leads();
  assert.match(second.log, /stood still/);
  assert.equal((await shown(second, id)).host_away, true);
  first.child.kill("SIGCONT");
  await first.says(/standing by/);
  assert.equal(read(`/proc/${first.child.pid}/comm`).trim(), "drover");
  // Those that died with what it was before are collected.
  await until("no child of it is dead", () => childrenOf(first).every((state) => state !== "Z"));
  line.open();
  await until("the end is stored", async () => (await shown(second, id)).state === "failed");
  assert.deepEqual([first.running, (await shown(second, id)).result.exit_code], [true, 3]);
});

test("a standby that can't take over for want of connections tries again", { skip }, async (t) => {
  const url = schemaUrl();
  const first = await new Host(t, url).start();
  // Enough to stand by: for the lock, and two for what goes on here.
  const role = `few${process.pid}`;
  sql(url, `CREATE ROLE ${role} LOGIN CONNECTION LIMIT 3; GRANT CURRENT_USER TO ${role};`
    .replace("GRANT CURRENT_USER", `GRANT ${sql(url, "SELECT current_user")}`));
  const poor = new URL(url);
  poor.searchParams.set("user", role);
  const second = await new Host(t, poor.toString().replaceAll("+", "%20")).standsBy();
  await until("its guest has its connections", () =>
    sql(url, `SELECT count(*) FROM pg_stat_activity WHERE usename = '${role}'`) === "3");
  await first.kill();
  await second.says(/could not be taken over/);
  assert.ok(second.running);
  sql(url, `ALTER ROLE ${role} CONNECTION LIMIT -1`);
  await second.leads();
  assert.equal((await second.stop()).code, 0);
});

test("a standby that can't take over since the server's disk is full tries again", { skip },
  async (t) => {
    const url = schemaUrl();
    const first = await new Host(t, url).start();
    const second = await new Host(t, url).standsBy();
    sql(url, "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS" +
      " $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$;" +
      " CREATE TRIGGER full_disk BEFORE UPDATE ON nodes FOR EACH ROW" +
      " WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION full_disk()");
    await first.kill();
    await second.says(/could not be taken over.*disk_full/);
    sql(url, "DROP TRIGGER full_disk ON nodes");
    await second.leads();
  });

test("a standby of another schema says that its jobs are not looked after", { skip }, async (t) => {
  const url = schemaUrl();
  await new Host(t, url).start();
  const host = await new Host(t, url).standsBy();
  sql(url, "UPDATE schema SET version = version + 1");
  await host.says(/jobs of this host are not stopped.*schema is of another version/);
});

for (const role of ["standby", "leader"]) {
  const what = `what was given up while its host was away is ended by its next ${role}`;
  test(what, { skip }, async (t) => {
    const url = schemaUrl();
    const host = await new Host(t, url).start();
    const lines = [gated(t), gated(t)];
    const [abandoned, unknown] = await Promise.all(lines.map(({ shell }) => job(host, { shell })));
    for (const line of lines) await line.began();
    await host.kill();
    const other = role === "standby" ? await new Host(t, url).start() : undefined;
    sql(url, `UPDATE runs SET state = 'lost', ended_ms = 1 WHERE run = '${abandoned}'`);
    sql(url, `DELETE FROM runs WHERE run = '${unknown}'`);
    await (other ? host.standsBy() : host.start());
    await until("it was ended", () => !lives(host, abandoned));
    assert.ok(lives(host, unknown));
    for (const line of lines) line.open();
  });
}

test("a command whose folder was removed while its host was away is not begun again", { skip },
  async (t) => {
    const url = schemaUrl();
    const host = await new Host(t, url).start();
    const line = gated(t);
    const id = await job(host, { shell: line.shell });
    await line.began();
    await host.kill();
    rmSync(path.join(host.data, "spool", `${id}.1`), { recursive: true });
    const other = await new Host(t, url).start();
    await host.standsBy();
    await until("its end is stored", async () => (await shown(other, id)).state !== "running");
    const { state, cause, attempt } = await shown(other, id);
    assert.deepEqual([state, cause, attempt], ["lost", "output_gone", 1]);
    await until("it was ended", () => !lives(host, id));
  });

test("a host that was removed ends what lives there of runs that are gone", { skip }, async (t) => {
  const url = schemaUrl();
  const host = await new Host(t, url).start();
  const line = gated(t);
  const id = await job(host, { shell: line.shell });
  await line.began();
  const place = sql(url, `SELECT host FROM runs WHERE run = '${id}'`);
  await host.kill();
  const other = await new Host(t, url).start();
  assert.equal((await other.cli(["host", "rm", place, "--force"])).code, 0);
  const answer = await other.request("DELETE", `/api/v1/runs/${id}`);
  assert.equal(answer.status, 200, answer.text);
  assert.ok(lives(host, id));
  await host.standsBy();
  await until("it was ended", () => !lives(host, id));
  await until("its folder is gone", () => !existsSync(path.join(host.data, "spool", `${id}.1`)));
  await until("nothing is left to be removed", () =>
    sql(url, "SELECT count(*) FROM folder_removals WHERE place <> ''") === "0");
});

test("a host removes what it has of a run that the leader removed", { skip }, async (t) => {
  const url = schemaUrl();
  const host = await new Host(t, url).start();
  const line = gated(t);
  line.open();
  const id = await job(host, { shell: line.shell });
  await until("it ended", async () => (await shown(host, id)).state === "succeeded");
  const other = await new Host(t, url).standsBy();
  await replace(url, host, other);
  await host.says(/standing by/);
  const folder = path.join(host.data, "spool", `${id}.1`);
  assert.ok(existsSync(folder));
  const answer = await other.request("DELETE", `/api/v1/runs/${id}`);
  assert.equal(answer.status, 200, answer.text);
  await until("its folder is gone", () => !existsSync(folder));
  await until("nothing is left to be removed", () =>
    sql(url, "SELECT count(*) FROM folder_removals WHERE place <> ''") === "0");
});

/** A program that starts drover on a volume of its own, whose inodes are those of each other one;
 *  nothing where that is forbidden. */
function onVolume(t) {
  const flags = process.getuid() === 0 ? "-m" : "-rm";
  const mount = 'mount -t tmpfs -o mode=0700 tmpfs "$0"';
  try {
    execFileSync("unshare", [flags, "sh", "-c", mount, scratch(t)], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  const program = path.join(scratch(t), "drover");
  const line = `for word; do [ "$last" = --data ] && data=$word; last=$word; done`;
  const start = `exec unshare ${flags} sh -c '${mount}; exec ${bin} "$@"' "$data" "$@"`;
  writeFileSync(program, `#!/bin/sh\n${line}\n${start}\n`);
  chmodSync(program, 0o755);
  return program;
}

test("two machines of one image are two hosts", { skip }, async (t) => {
  const program = onVolume(t);
  if (!program) return t.skip("no mount namespaces here");
  const url = schemaUrl();
  const first = await new Host(t, url, { program }).start();
  const line = gated(t, "exit 3");
  const id = await job(first, { shell: line.shell });
  await line.began();
  const second = await new Host(t, url, { program }).standsBy();
  const signs = () => sql(url, "SELECT count(*) FROM hosts");
  await until("both are known", () => signs() === "2");
  const names = sql(url, "SELECT count(DISTINCT regexp_replace(place, '/[^/]*$', '')) FROM hosts");
  assert.equal(names, "1", "machine and inode are the same");
  await first.kill();
  await second.leads();
  const away = await shown(second, id);
  assert.deepEqual([away.state, away.host_away], ["running", true]);
  line.open();
});

test("jobs that an older version began are looked after by the host of then", { skip },
  async (t) => {
    const url = schemaUrl();
    const host = await new Host(t, url).start();
    const line = gated(t, "exit 3");
    const id = await job(host, { shell: line.shell });
    await line.began();
    await host.kill();
    sql(url, "UPDATE runs SET host = regexp_replace(host, '/[^/]*$', '');" +
      " UPDATE hosts SET place = regexp_replace(place, '/[^/]*$', '')");
    const other = await new Host(t, url).start();
    assert.equal((await shown(other, id)).host_away, true);
    await host.standsBy();
    line.open();
    await until("the end is stored", async () => (await shown(other, id)).state === "failed");
    assert.equal((await shown(other, id)).result.exit_code, 3);
    assert.equal(sql(url, "SELECT count(*) FROM hosts WHERE place !~ '/.*/'"), "0");
  });
