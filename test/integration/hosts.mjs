// hosts.mjs: daemons that share a schema, each with a data directory of its own.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";

import { Daemon, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";

/** The server's URL with a schema of its own. */
export function schemaUrl() {
  const url = new URL(process.env.DROVER_DATABASE);
  url.searchParams.set("options", `-csearch_path=t${randomBytes(6).toString("hex")}`);
  return url.toString().replaceAll("+", "%20");
}

export function sql(url, text) {
  return execFileSync("psql", ["-qAtX", "-d", url, "-c", text], { encoding: "utf8" }).trim();
}

/* Other tests use the same server: only the lock of the URL's schema. */
export const lockOfSchema =
  "FROM pg_locks WHERE locktype = 'advisory' AND granted" +
  " AND objid = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())";

/** Ends the session that has the lock, as an administrator or a failing network does. */
export const cutLeader = (url) =>
  sql(url, `SELECT count(pg_terminate_backend(pid)) ${lockOfSchema}`);

/** `to`, which stands by, leads from now on; `from` is not asked, and finds out when it goes on. */
export async function replace(url, from, to, count = 1) {
  from.child.kill("SIGSTOP"); // Or it might be quicker to take the lock again.
  assert.equal(cutLeader(url), "1");
  await to.leads(count);
  from.child.kill("SIGCONT");
}

/** A daemon that may lead, stand by, be replaced, and lead again, in one process. */
export class Host extends Daemon {
  constructor(t, url, { args = [], env = {}, ...more } = {}) {
    super({
      data: scratch(t),
      args: ["--insecure-loopback", ...args],
      env: { DROVER_DATABASE: url, ...env },
      ...more,
    });
    t.after(() => this.kill());
  }

  spawn() {
    super.spawn();
    this.out = "";
    this.child.stdout.on("data", (chunk) => (this.out += chunk));
  }

  /** Resolves when `look` gives something; the daemon's end before that is a failure. */
  #sees(stream, look, what) {
    let timer;
    const seen = new Promise((resolve, reject) => {
      const again = () => {
        const found = look();
        if (found) resolve(found);
      };
      this.child[stream].on("data", again);
      const late = () => reject(new Error(`never: ${what}\n${this.log}`));
      timer = setTimeout(late, scaled(90_000));
      again();
    });
    const ended = this.exited.then((end) => {
      throw new Error(`ended early: ${JSON.stringify(end)}\n${this.log}`);
    });
    return Promise.race([seen, ended]).finally(() => clearTimeout(timer));
  }

  /** The log has so many lines that match. */
  says(what, count = 1) {
    const look = () => this.log.split("\n").filter((line) => what.test(line)).length >= count;
    return this.#sees("stderr", look, `${count} ${what}`);
  }

  /** It leads for the `count`th time of this process. */
  async leads(count = 1) {
    const look = () => {
      const lines = this.out.split("\n").slice(0, -1);
      return lines.filter((line) => line.startsWith("drover ready at "))[count - 1];
    };
    const line = await this.#sees("stdout", look, `ready ${count}`);
    this.url = line.slice("drover ready at ".length);
    this.port = Number(new URL(this.url).port);
    return this;
  }

  /** Started, and it waits for the leader. */
  async standsBy() {
    this.spawn();
    await this.says(/standing by/);
    return this;
  }
}

/** Leads by hand: has the lock, and does with the rows what a test asks for. Whoever leads now goes
 *  on as a standby. */
export class Lead {
  constructor(t, url) {
    this.url = url;
    this.psql = spawn("psql", ["-qAtX", "-d", url], { stdio: ["pipe", "pipe", "ignore"] });
    this.ended = new Promise((resolve) => this.psql.once("exit", resolve));
    t.after(() => {
      clearInterval(this.pulse);
      this.psql.kill();
    });
  }

  #ask(text) {
    return new Promise((resolve) => {
      let out = "";
      const hear = (chunk) => {
        out += chunk;
        if (!out.endsWith("done\n")) return;
        this.psql.stdout.off("data", hear);
        resolve();
      };
      this.psql.stdout.on("data", hear);
      this.psql.stdin.write(`${text};\n\\echo done\n`);
    });
  }

  async takeFrom(host) {
    const count = host.log.split("\n").filter((line) => /standing by/.test(line)).length;
    host.child.kill("SIGSTOP");
    cutLeader(this.url);
    const key = "(1685221238::bigint << 32) | current_schema()::regnamespace::oid::bigint";
    await this.#ask(`SELECT pg_advisory_lock(${key})`);
    await this.#ask("UPDATE nodes SET epoch = epoch + 1");
    // One that leads gives signs of life, or it is ousted.
    this.pulse = setInterval(() => this.#ask("UPDATE nodes SET batch = batch + 1"), 1000);
    host.child.kill("SIGCONT");
    await host.says(/standing by/, count + 1);
  }

  async end() {
    clearInterval(this.pulse);
    this.psql.stdin.end();
    await this.ended;
  }
}
