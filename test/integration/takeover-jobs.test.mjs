// takeover-jobs.test.mjs: the leader ends in each way under jobs of all kinds.
//
// runs-with: postgres
// DROVER_TEST_ALL  thirty rounds of sixty jobs; else each way once, with fewer.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { Host, replace, schemaUrl, sql } from "./hosts.mjs";
import { bin, scratch, sideBySide } from "./lib.mjs";
import { processesOf } from "./processes.mjs";
import { scaled } from "./scale.mjs";

const test = sideBySide(4);
const skip = process.env.DROVER_DATABASE ? false : "needs DROVER_DATABASE";
const all = process.env.DROVER_TEST_ALL !== undefined;
const ROUNDS = all ? 30 : 4;
const OF_EACH = all ? 10 : 3;

/** How the daemon that leads loses its place, and what is done with it afterwards. */
const WAYS = {
  SIGTERM: async (from, to) => {
    assert.equal((await from.stop()).code, 0);
    await to.leads();
    await from.standsBy();
  },
  SIGKILL: async (from, to) => {
    await from.kill();
    await to.leads();
    await from.standsBy();
  },
  SIGSTOP: async (from, to) => {
    from.child.kill("SIGSTOP");
    await to.leads();
    from.child.kill("SIGCONT");
    await from.says(/standing by/);
  },
  "a cut connection": async (from, to, url) => {
    await replace(url, from, to);
    await from.says(/standing by/);
  },
};

/** A program that starts drover on a machine of another name; nothing where that is forbidden. */
function elsewhere(t) {
  const folder = scratch(t);
  const [id, program] = ["id", "drover"].map((name) => path.join(folder, name));
  const flags = process.getuid() === 0 ? "-m" : "-rm";
  const mount = `mount --bind ${id} /etc/machine-id`;
  writeFileSync(id, `${"f".repeat(32)}\n`);
  try {
    execFileSync("unshare", [flags, "sh", "-c", mount], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  const line = `exec unshare ${flags} sh -c '${mount}; exec ${bin} "$@"' sh "$@"`;
  writeFileSync(program, `#!/bin/sh\n${line}\n`);
  chmodSync(program, 0o755);
  return program;
}

/** The jobs of a round, and what each has left behind. */
class Work {
  constructor(t, url) {
    this.url = url;
    this.folder = scratch(t);
    this.jobs = [];
  }

  file(name) {
    return path.join(this.folder, name);
  }

  /** Each says that it began, and waits for its gate. */
  async start(host, kind, gate, end, more = {}) {
    const name = `${kind}${this.jobs.length}`;
    const wait = `while [ ! -e ${this.file(gate)} ]; do sleep 0.05; done`;
    const { before = ":", ...body } = more;
    const shell = `${before}; echo x >> ${this.file(name)}; ${wait}; ${end}`;
    const answer = await host.request("POST", "/api/v1/jobs", { body: { shell, ...body } });
    assert.equal(answer.status, 201, answer.text);
    this.jobs.push({ id: answer.json.id, kind, name });
  }

  /** One kind after the other; of each, half end while the leader changes, half later. */
  async startAll(host) {
    const alone = this.file("alone");
    const broken = this.file("broken");
    const before = `mkdir ${alone} 2>/dev/null || touch ${broken}`;
    const leave = `rmdir ${alone} || touch ${broken}`;
    for (let i = 0; i < OF_EACH; i++) {
      const gate = i % 2 === 0 ? "during" : "after";
      await this.start(host, "plain", gate, "exit 0");
      await this.start(host, "failing", gate, "exit 7");
      await this.start(host, "once", gate, "exit 0", { once: true });
      await this.start(host, "retried", gate, "exit 0", { retry: { max: 3, on: ["lost"] } });
      await this.start(host, "keyed", gate, leave, { before, key: "one", key_max: 1 });
      await this.start(host, "stopped", "never", "exit 0");
    }
  }

  open(gate) {
    writeFileSync(this.file(gate), "");
  }

  of(kind) {
    return this.jobs.filter((job) => job.kind === kind);
  }

  begun(job) {
    const file = this.file(job.name);
    return existsSync(file) ? readFileSync(file, "utf8").length / "x\n".length : 0;
  }

  /** [{run, state, cause, attempt, ends}] by the rows. */
  rows() {
    const text = sql(
      this.url,
      "SELECT json_agg(json_build_object('run', r.run, 'state', r.state, 'cause', r.cause," +
        " 'attempt', r.attempt, 'ends', (SELECT count(*) FROM events e JOIN streams s" +
        " ON s.id = e.stream WHERE s.name = 'run:' || r.run AND e.type = 'run_finished')))" +
        " FROM runs r",
    );
    return new Map(JSON.parse(text).map((row) => [row.run, row]));
  }

  async settled() {
    const deadline = Date.now() + scaled(60_000);
    for (;;) {
      const rows = [...this.rows().values()];
      const open = rows.filter(({ ends }) => ends === 0);
      if (open.length === 0) return;
      assert.ok(Date.now() < deadline, `never ended: ${JSON.stringify(open)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async begunAll() {
    const wanted = () => this.jobs.filter((job) => job.kind !== "keyed" && this.begun(job) === 0);
    const deadline = Date.now() + scaled(30_000);
    while (wanted().length > 0) {
      assert.ok(Date.now() < deadline, `never began: ${JSON.stringify(wanted())}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** All commands begin once, and at the first attempt. A keyed job that waited for its key may
   * have been admitted by a leader that ended before the start: that attempt is void. */
  judge() {
    const WANTED = {
      plain: ["succeeded", "completed"],
      failing: ["failed", "exit_code"],
      once: ["succeeded", "completed"],
      retried: ["succeeded", "completed"],
      keyed: ["succeeded", "completed"],
      stopped: ["cancelled", "stopped"],
    };
    const rows = this.rows();
    for (const job of this.jobs) {
      const { state, cause, attempt, ends } = rows.get(job.id);
      const found = { state, cause, attempt, ends, begun: this.begun(job) };
      const [wantedState, wantedCause] = WANTED[job.kind];
      const first = job.kind === "keyed" && attempt === 2 ? 2 : 1;
      const wanted = { state: wantedState, cause: wantedCause, attempt: first, ends: 1, begun: 1 };
      assert.deepEqual({ job: job.name, ...found }, { job: job.name, ...wanted });
    }
    assert.ok(!existsSync(this.file("broken")), "two jobs of one key ran at once");
  }
}

async function stop(host, job) {
  const answer = await host.request("POST", `/api/v1/runs/${job.id}/stop`, {
    body: { grace_ms: 100 },
  });
  assert.ok(answer.status < 300, answer.text);
}

async function round(t, url, way, program) {
  const first = await new Host(t, url).start();
  const second = await new Host(t, url, program ? { program } : {}).standsBy();
  const work = new Work(t, url);
  await work.startAll(first);
  await work.begunAll();
  const [early, ...late] = work.of("stopped");
  await stop(first, early);
  work.open("during");
  await WAYS[way](first, second, url);
  await Promise.all(late.map((job) => stop(second, job)));
  work.open("after");
  await work.settled();
  work.judge();
  assert.deepEqual(processesOf(first.data, second.data), [], "nothing lives on");
  assert.equal(sql(url, "SELECT count(*) FROM host_reports"), "0");
  await second.stop();
  await first.leads(way === "SIGTERM" || way === "SIGKILL" ? 1 : 2);
  work.judge(); // Whoever leads now finds nothing to add.
  await first.stop();
}

for (let i = 0; i < ROUNDS; i++) {
  const way = Object.keys(WAYS)[i % Object.keys(WAYS).length];
  const far = Math.floor(i / (all ? 4 : 2)) % 2 === 1;
  const where = far ? "another machine" : "this machine";
  test(`round ${i + 1}: ${way}, the standby on ${where}`, { skip }, async (t) => {
    const program = far ? elsewhere(t) : undefined;
    if (far && !program) return t.skip("no mount namespaces here");
    await round(t, schemaUrl(), way, program);
  });
}
