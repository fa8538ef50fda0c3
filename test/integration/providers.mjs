// providers.mjs: a provider of models for tests, and what they ask the daemon about connections.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import path from "node:path";

import { Daemon, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";

export const base = "/api/v1/providers";

/** A provider that speaks OpenAI's words: lists two models, says ok, and notes who asked. */
export class Provider {
  asked = [];
  status = 200;
  delayMs = 0;
  models = [{ id: "small" }, { id: "gpt-5-mini-x", context_length: 5000 }];

  async start(t) {
    this.server = http.createServer((request, answer) => {
      let body = "";
      request.on("data", (piece) => (body += piece));
      request.on("end", () => {
        const reply = () => this.answer(request, body, answer);
        if (this.delayMs > 0) setTimeout(reply, this.delayMs).unref();
        else reply(); // At once: who counts must not miss one.
      });
    });
    await this.listen(0);
    t.after(() => this.stop());
    this.url = `http://127.0.0.1:${this.server.address().port}/v1`;
    return this;
  }

  async listen(port) {
    this.server.listen(port, "127.0.0.1");
    await once(this.server, "listening");
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  answer(request, body, answer) {
    this.asked.push({ url: request.url, headers: request.headers, body });
    if (this.status !== 200) {
      answer.writeHead(this.status, { "content-type": "application/json" });
      // A rude one: it says the key back.
      answer.end(JSON.stringify({ error: { message: `no: ${request.headers.authorization}` } }));
      return;
    }
    if (request.method === "GET") {
      answer.writeHead(200, { "content-type": "application/json" });
      answer.end(JSON.stringify({ data: this.models }));
      return;
    }
    answer.writeHead(200, { "content-type": "text/event-stream" });
    const chunk = (delta, finish = null) =>
      `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
    answer.end(`${chunk({ content: "ok" })}${chunk({}, "stop")}data: [DONE]\n\n`);
  }

  get last() {
    return this.asked.at(-1);
  }
}

export async function start(t, options = {}) {
  const data = options.data ?? scratch(t);
  const daemon = await new Daemon({ data, ...options }).start();
  t.after(() => daemon.kill());
  return daemon;
}

export const api = (daemon, method, target, body) =>
  daemon.request(method, target, { body, local: true });

export async function add(daemon, body) {
  const answer = await api(daemon, "POST", base, body);
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

export const keyFolder = (daemon) => path.join(daemon.data, "provider-keys");
export const keyFiles = (daemon) => {
  try {
    return readdirSync(keyFolder(daemon));
  } catch {
    return [];
  }
};

/** Every file of the data directory but those of keys, and what the daemon has said. */
export function assertNowhere(daemon, secret) {
  const look = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const name = path.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (name !== keyFolder(daemon)) look(name);
      } else if (entry.isFile()) {
        assert.equal(readFileSync(name).indexOf(secret), -1, name);
      }
    }
  };
  look(daemon.data);
  assert.ok(!daemon.log.includes(secret), "the log");
}

export async function until(what, holds) {
  const deadline = Date.now() + scaled(20_000);
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const names = (list) => list.json.items.map((item) => item.name);
