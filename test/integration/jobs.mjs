// jobs.mjs: what tests of jobs share: starting them, waiting for their ends, reading their output.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before } from "node:test";

import { Daemon, remove } from "./lib.mjs";
import { openSse } from "./sse.mjs";

/** A daemon for the whole file, and the words in which its tests speak of jobs. */
export class Jobs {
  constructor() {
    before(async () => {
      this.folder = mkdtempSync(path.join(tmpdir(), "drv-"));
      const args = ["--insecure-loopback"];
      this.daemon = await new Daemon({ data: path.join(this.folder, "d"), args }).start();
    });
    after(async () => {
      if (this.daemon.running) await this.daemon.stop();
      await remove(this.folder);
    });
  }

  request(...all) {
    return this.daemon.request(...all);
  }

  submit(body, headers) {
    return this.request("POST", "/api/v1/jobs", { body, headers });
  }

  /** The id of a job that was accepted. */
  async start(body) {
    const answer = await this.submit(body);
    assert.equal(answer.status, 201, answer.text);
    return answer.json.id;
  }

  shell(line, more = {}) {
    return this.start({ shell: line, ...more });
  }

  /** A file that a job waits for: `wait` is its part of the line, open() lets it go on. */
  gate(name) {
    const file = path.join(this.folder, name);
    return {
      wait: `while [ ! -e ${file} ]; do sleep 0.02; done`,
      open: () => this.shell(`touch ${file}`),
    };
  }

  async show(id) {
    return (await this.request("GET", `/api/v1/runs/${id}`)).json;
  }

  stop(id, body) {
    return this.request("POST", `/api/v1/runs/${id}/stop`, { body });
  }

  /** Follows the run's own stream until `type` was there. */
  async event(id, type) {
    const stream = await openSse(this.daemon, `/api/v1/streams/run:${id}/events`);
    for (let frame; (frame = await stream.next()); ) {
      if (frame.event !== type) continue;
      stream.close();
      return;
    }
    assert.fail(`no ${type}`);
  }

  /** Waits for the end; the run as it stands then. */
  async ended(id) {
    await this.event(id, "run_finished");
    return this.show(id);
  }

  /** Runs a line to its end; the job's id. */
  async ran(line, more) {
    const id = await this.shell(line, more);
    await this.ended(id);
    return id;
  }

  /** A range of a log: {status, headers, bytes}. */
  logs(id, query = "") {
    return new Promise((resolve, reject) => {
      const target = `/api/v1/jobs/${id}/logs${query}`;
      const request = http.get(
        { host: "127.0.0.1", port: this.daemon.port, path: target },
        (answer) => {
          const chunks = [];
          answer.on("data", (chunk) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () => {
            const bytes = Buffer.concat(chunks);
            resolve({ status: answer.statusCode, headers: answer.headers, bytes });
          });
        },
      );
      request.on("error", reject);
    });
  }

  openLogs(id, query = "", headers = {}) {
    return openSse(this.daemon, `/api/v1/jobs/${id}/logs${query}`, headers);
  }

  /** Follows a log to its end: {bytes, frames, last}. */
  async follow(id, query, headers) {
    const stream = await this.openLogs(id, query, headers);
    assert.equal(stream.status, 200);
    const pieces = [];
    const frames = [];
    for (let frame; (frame = await stream.next()); ) {
      const data = JSON.parse(frame.data);
      frames.push({ ...frame, data });
      if (frame.event !== "output") continue;
      pieces.push("text" in data ? Buffer.from(data.text) : Buffer.from(data.base64, "base64"));
    }
    return { bytes: Buffer.concat(pieces), frames, last: frames.at(-1) };
  }

  search(id, query) {
    const words = new URLSearchParams(query);
    return this.request("GET", `/api/v1/jobs/${id}/logs/search?${words}`);
  }
}
