// custody.mjs: what tests of custody share: a daemon whose every process can be found from outside,
// and the words in which its jobs are spoken of.
//
// Whatever a test starts is gone at its end, also when it fails.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { Daemon, root } from "../integration/lib.mjs";
import { kill, killLeft, processesOf, read } from "../integration/processes.mjs";
import { scaled } from "../integration/scale.mjs";

export { kill, processesOf };

export const WAIT_MS = scaled(60_000);
export const worker = path.resolve(
  root,
  process.env.DROVER_WORKER ?? "build/release/test/fault/custody-worker",
);

// --- Processes, as the kernel shows them ---------------------------------------------------------

/** Is it there, and not only waiting to be collected? */
export function lives(pid) {
  const stat = read(`/proc/${pid}/stat`);
  return stat !== "" && !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(")") + 1));
}

export function startTime(pid) {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/** The kernel tells nobody of a stranger's end, so it is asked again and again. */
export async function until(what, look, ms = WAIT_MS) {
  for (const stopAt = Date.now() + ms; ; await pause(10)) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < stopAt, `waited too long: ${what}`);
  }
}

/** In the middle of execve a process shows nothing of itself: one look at them is not enough. */
async function stays(what, holds, waitMs) {
  let times = 0;
  await until(what, async () => {
    times = await holds() ? times + 1 : 0;
    return times === 3;
  }, waitMs);
}

// --- A daemon and its jobs -----------------------------------------------------------------------

export class Custody {
  /** `folder`: where everything goes (one of its own); more: what a Daemon takes. */
  constructor(t, { folder, ...more } = {}) {
    this.folder = folder ?? mkdtempSync(path.join(tmpdir(), "drv-"));
    this.data = path.join(this.folder, "d");
    this.daemon = new Daemon({ data: this.data, listen: `unix:${this.folder}/s`, ...more });
    t.after(async () => {
      await this.daemon.kill();
      await this.endAll();
      if (!folder) rmSync(this.folder, { recursive: true, force: true });
    });
  }

  /** Ends whatever is left of any job. */
  async endAll() {
    await stays("all jobs can be killed", () => killLeft(this.data));
  }

  async nobodyIsLeft() {
    await stays("nobody is left", () => processesOf(this.data).length === 0, 20_000);
  }

  ask(method, target, options) {
    return this.daemon.request(method, target, { ...options, local: true });
  }

  /** The id of a job that was accepted. */
  async start(body, headers) {
    const answer = await this.ask("POST", "/api/v1/jobs", { body, headers });
    assert.equal(answer.status, 201, answer.text);
    return answer.json.id;
  }

  shell(line, more = {}) {
    return this.start({ shell: line, ...more });
  }

  async show(id) {
    const answer = await this.ask("GET", `/api/v1/runs/${id}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  stop(id, grace_ms) {
    return this.ask("POST", `/api/v1/runs/${id}/stop`, { body: { grace_ms } });
  }

  /** The run, once its stream has an event of that type. */
  async event(id, type) {
    const stream = `/api/v1/streams/${encodeURIComponent(`run:${id}`)}/events`;
    for (let after = 0, stopAt = Date.now() + WAIT_MS; ; ) {
      const { json } = await this.ask("GET", `${stream}?after=${after}&wait=10`);
      if (json.events.some((event) => event.type === type)) return this.show(id);
      after = json.events.at(-1)?.seq ?? after;
      assert.ok(Date.now() < stopAt, `no ${type}: ${JSON.stringify(await this.show(id))}`);
    }
  }

  ended(id) {
    return this.event(id, "run_finished");
  }

  /** What the job wrote, whole: {bytes, dropped, size}; of its terminal or stdout if no stream is
   *  named. */
  async output(id, stream) {
    let which = stream ? `&stream=${stream}` : "";
    const pieces = [];
    const dropped = [];
    for (let offset = 0; ; ) {
      const target = `/api/v1/jobs/${id}/logs?offset=${offset}&limit=1048576${which}`;
      const { status, headers, bytes } = await this.bytes(target);
      assert.equal(status, 200, bytes.toString());
      if (offset === 0) which += `&attempt=${headers["drover-attempt"]}`;
      if (headers["drover-dropped"]) dropped.push(headers["drover-dropped"]);
      pieces.push(bytes);
      const next = Number(headers["drover-next"]);
      if (next === offset) {
        return { bytes: Buffer.concat(pieces), dropped, size: Number(headers["drover-size"]) };
      }
      offset = next;
    }
  }

  async text(id, stream) {
    return (await this.output(id, stream)).bytes.toString();
  }

  bytes(target) {
    return new Promise((resolve, reject) => {
      const where = { socketPath: this.daemon.socket, path: target, agent: false };
      const request = http.get(where, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () => {
          const { statusCode: status, headers } = answer;
          resolve({ status, headers, bytes: Buffer.concat(chunks) });
        });
      });
      request.on("error", reject);
    });
  }

  /** Waits until the job has written `text`. */
  wrote(id, text) {
    return until(`${id} writes ${text}`, async () => (await this.text(id)).includes(text));
  }

  spool(name) {
    return path.join(this.data, "spool", name);
  }

  /** Who claimed an attempt: {pid, startTime, line}, or undefined. */
  claim(name) {
    const line = read(path.join(this.spool(name), "claim"));
    const [word, pid, startTime] = line.split(" ");
    return word === "go" ? { pid: Number(pid), startTime, line } : undefined;
  }

  /** Which attempts of that run were claimed by a holder. */
  attempts(id) {
    const names = readdirSync(path.join(this.data, "spool")).filter((name) => name.startsWith(id));
    return names.filter((name) => this.claim(name)).map((name) => Number(name.split(".")[1]));
  }
}
