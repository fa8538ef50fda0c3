// sessions.mjs: what tests of sessions share: making them, filling them, reading them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { promisify } from "node:util";

import { bin, root, scratch, Daemon } from "./lib.mjs";

const run = promisify(execFile);

/** What fills a session of a stopped daemon: beside the binary under test, or of another build. */
function seeder() {
  const folders = [path.dirname(bin), "build/release", "build/san"];
  const places = folders.map((folder) => path.resolve(root, folder, "test/unit/session-seed"));
  const found = places.find((place) => existsSync(place));
  assert.ok(found, `no session-seed in ${places.join(", ")}: build with -Dtests=enabled`);
  return found;
}

/** A daemon of a test's own, and the words in which it speaks of sessions. */
export class Sessions {
  static async begin(t, args = ["--insecure-loopback"]) {
    const sessions = new Sessions();
    sessions.folder = scratch(t);
    sessions.daemon = new Daemon({ data: path.join(sessions.folder, "d"), args });
    await sessions.daemon.start();
    t.after(() => sessions.daemon.kill());
    return sessions;
  }

  request(...all) {
    return this.daemon.request(...all);
  }

  async ok(method, target, body, headers) {
    const answer = await this.request(method, target, { body, headers });
    assert.ok(answer.status < 300, `${method} ${target}: ${answer.text}`);
    return answer.json;
  }

  /** The refusal's code. */
  async refused(method, target, body, headers) {
    const answer = await this.request(method, target, { body, headers });
    assert.ok(answer.status >= 400, `${method} ${target}: ${answer.text}`);
    return `${answer.status} ${answer.json.code}`;
  }

  make(body, headers) {
    return this.ok("POST", "/api/v1/sessions", body, headers);
  }

  show(id) {
    return this.ok("GET", `/api/v1/sessions/${id}`);
  }

  patch(id, body, headers) {
    return this.ok("PATCH", `/api/v1/sessions/${id}`, body, headers);
  }

  /** All rows of a list, page by page; pages: how many there were. */
  async all(target, limit = 200) {
    const items = [];
    let pages = 0;
    for (let after = ""; after !== null; pages++) {
      const next = after && `&after=${after}`;
      const page = await this.ok(
        "GET",
        `${target}${target.includes("?") ? "&" : "?"}limit=${limit}${next}`,
      );
      items.push(...page.items);
      after = page.next;
    }
    return { items, pages };
  }

  messages(id, query = "order=oldest", limit = 200) {
    return this.all(`/api/v1/sessions/${id}/messages?${query}`, limit);
  }

  async events(stream) {
    const { events } = await this.ok("GET", `/api/v1/streams/${stream}/events?limit=1000`);
    return events;
  }

  /** Sends bytes as they are; {status, json}. */
  upload(id, bytes, { type = "image/png", headers = {} } = {}) {
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          host: "127.0.0.1",
          port: this.daemon.port,
          method: "POST",
          path: `/api/v1/sessions/${id}/attachments`,
          agent: false,
          headers: { "content-type": type, "content-length": bytes.length, ...headers },
        },
        (answer) => {
          const chunks = [];
          answer.on("data", (chunk) => chunks.push(chunk));
          answer.on("end", () =>
            resolve({ status: answer.statusCode, json: JSON.parse(Buffer.concat(chunks)) }),
          );
        },
      );
      request.on("error", reject);
      request.end(bytes);
    });
  }

  /** {status, headers, bytes} */
  download(id, headers = {}) {
    return new Promise((resolve, reject) => {
      const target = { host: "127.0.0.1", port: this.daemon.port, agent: false, headers };
      http
        .get({ ...target, path: `/api/v1/attachments/${id}` }, (answer) => {
          const chunks = [];
          answer.on("data", (chunk) => chunks.push(chunk));
          answer.on("end", () =>
            resolve({
              status: answer.statusCode,
              headers: answer.headers,
              bytes: Buffer.concat(chunks),
            }),
          );
        })
        .on("error", reject);
    });
  }

  get blobs() {
    return readdirSync(path.join(this.daemon.data, "blobs")).sort();
  }

  /** Stops the daemon, adds `count` questions and answers, and starts it again. */
  async seed(id, count, bytes = 10) {
    await this.daemon.stop();
    const where = this.daemon.env.DROVER_DATABASE ?? this.daemon.data;
    await run(seeder(), [where, id, String(count), String(bytes)]);
    await this.daemon.start();
  }
}

export const textOf = (message) =>
  message.parts
    .filter((part) => part.kind === "text")
    .map((part) => part.text)
    .join("");
