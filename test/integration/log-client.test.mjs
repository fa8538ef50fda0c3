// log-client.test.mjs: the client of web/src/stream has each byte of a log once, and types each
// piece once, whatever happens to its connection and to the daemon.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";

import { Page, Proxy, liar } from "./stream-client.mjs";
import { Turns } from "./turns.mjs";

async function start(t) {
  const args = ["--insecure-loopback", "--allow-host", "127.0.0.1"]; // With the port of the proxy.
  const turns = await Turns.open(t, { args });
  const proxy = await Proxy.open(t, turns.daemon.port);
  const page = new Page(t, proxy.port);
  await page.opened();
  return { turns, proxy, page };
}

async function job(turns, body) {
  const answer = await turns.ask("POST", "/jobs", body);
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

const stored = (turns, id) => new Promise((resolve, reject) => {
  const target = `/api/v1/jobs/${id}/logs?limit=1000000`;
  http.get({ host: "127.0.0.1", port: turns.daemon.port, path: target }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => resolve(Buffer.concat(chunks)));
  }).on("error", reject);
});

async function cut(page, proxy) {
  proxy.cut();
  await page.until(() => page.link.phase === "waiting");
  await page.reconnected();
}

test("three cuts, one of them silent, and a kill -9 leave the bytes whole", async (t) => {
  const { turns, proxy, page } = await start(t);
  const line = "i=0; while read word; do i=$((i+1)); printf '%s %06000d\\377é\\n' $word $i; done";
  const id = await job(turns, { shell: line, stdin_open: true });
  const heard = page.followLog(id);
  const { log } = heard;
  const say = async (word) => {
    assert.equal(await log.input(`${word}\n`), null);
    await heard.until(`${word} `);
  };
  await page.until(() => log.state().phase === "live");
  await say("one");
  proxy.cut();
  await page.until(() => page.link.phase === "waiting");
  const typed = log.input("two\n"); // It waits for the link.
  await page.reconnected();
  assert.equal(await typed, null);
  await say("three");
  proxy.drop();
  const lost = log.input("four\n"); // It is under way in the link that is dead.
  for (let i = 0; page.link.phase === "open" && i < 60; i++) {
    page.clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await page.reconnected();
  assert.equal(await lost, null);
  await turns.daemon.kill();
  await page.until(() => page.link.phase === "waiting");
  await turns.daemon.start();
  proxy.target = turns.daemon.port;
  await page.reconnected();
  await say("five");
  await cut(page, proxy);
  await say("six");
  assert.equal((await turns.ask("POST", `/jobs/${id}/input`, { end: true })).status, 200);
  await page.until(() => log.state().phase === "done", "the end of the log");
  const bytes = await stored(turns, id);
  assert.ok(heard.bytes().equals(bytes));
  const words = bytes.toString("latin1").split("\n").map((text) => text.split(" ")[0]);
  assert.deepEqual(words, ["one", "two", "three", "four", "five", "six", ""]);
  const { gaps, repeats, end, cursor, from } = log.state();
  assert.deepEqual({ gaps, repeats, cursor, from },
    { gaps: 0, repeats: 0, cursor: end.size, from: 0 });
  assert.equal(end.state, "succeeded");
  assert.equal(page.link.cuts, 4);
  assert.equal(page.link.silent_cuts, 1);
});

test("what was not taken is not acknowledged: the daemon stops, and a cut changes that not",
  async (t) => {
    const { turns, proxy, page } = await start(t);
    const id = await job(turns, { shell: "head -c 3000000 /dev/zero | tr '\\0' x" });
    const waiting = [];
    let size = 0;
    const { log } = page.followLog(id, {
      onPiece: ({ bytes }, taken) => {
        size += bytes.length;
        waiting.push(taken);
      },
    });
    const settled = async () => {
      const before = page.link.clock;
      page.client.wake(); // Its pong comes after what was sent before it.
      await page.until(() => page.frames > 0 && page.link.clock !== before || size > 250_000);
    };
    await page.until(() => size >= 176 << 10, "the window");
    await settled();
    assert.ok(size <= 256 << 10, `${size} bytes were sent`);
    assert.equal(log.state().taken, 0);
    await cut(page, proxy);
    while (log.state().phase !== "done") {
      await page.until(() => waiting.length > 0 || log.state().phase === "done");
      waiting.splice(0).forEach((taken) => taken());
    }
    assert.equal(size, 3_000_000);
    assert.equal(log.state().taken, size);
  });

test("a terminal is typed into and resized; each refusal is of its own request", async (t) => {
  const { turns, page } = await start(t);
  const id = await job(turns, { argv: ["sh", "-c", "stty -echo; echo go; read a; stty size; cat"],
                                pty: true });
  const heard = page.followLog(id);
  await heard.until("go");
  const answers = await Promise.all([heard.log.resize(70, 17), heard.log.resize(71, 0),
    heard.log.resize(72, 18), heard.log.input("x\n"), heard.log.input("y\n")]);
  assert.deepEqual(answers.map((problem) => problem?.code ?? null), [null, null, null, null, null],
    "the size that was replaced while it waited was never sent");
  await heard.until("18 72");
  await heard.until("y\r\n");
  const elsewhere = await turns.ask("POST", `/jobs/${id}/input`, { text: "other\n" });
  assert.equal(elsewhere.status, 200, elsewhere.text);
  assert.equal(await heard.log.input("z\n"), null, "somebody else typed meanwhile");
  await heard.until("z\r\n");
  assert.equal((await heard.log.resize(0, 0)).code, "bad_field");
  assert.equal((await heard.log.input("x".repeat(70_000))).code, "too_many");
  assert.equal((await turns.ask("POST", `/runs/${id}/stop`, { grace_ms: 0 })).status, 200);
  await page.until(() => heard.log.state().phase === "done");
  assert.equal((await heard.log.input("late")).code, "input_closed");
  assert.equal((await heard.log.resize(80, 24)).code, "conflict");
  heard.log.end();
  const again = page.followLog(id, { attempt: 1, offset: 0 });
  await page.until(() => again.log.state().phase === "done");
  assert.ok(again.bytes().equals(heard.bytes()));
  again.log.end();
  const none = page.followLog(id, { attempt: 2 });
  await page.until(() => none.log.state().phase === "refused");
  assert.equal(none.log.state().error.code, "not_found");
});

test("bytes that were skipped are asked for again, and repeats are left out", async (t) => {
  const asked = [];
  const name = "log:run_x";
  const output = (offset, text) =>
    ({ stream: name, output: { offset, next: offset + text.length, text, attempt: 1 } });
  const port = await liar(t, (said, tell) => {
    if (said.unsubscribe) return tell({ unsubscribed: name });
    if (said.input) return undefined; // Never answered.
    if (!said.subscribe) return undefined;
    asked.push(said);
    tell({ subscribed: name, log: { stream: "out", attempt: 1, from: said.offset ?? 0 } });
    if (asked.length > 1) return tell(output(said.offset, "ef"));
    tell(output(0, "ab"));
    tell(output(0, "ab"));
    tell(output(2, "cd"));
    return tell(output(6, "gh"));
  });
  const page = new Page(t, port);
  await page.opened();
  const heard = page.followLog("run_x");
  await page.until(() => heard.log.state().gaps === 1);
  page.clock.advance(1_000);
  await page.until(() => heard.bytes().toString() === "abcdef");
  assert.deepEqual(asked[1], { subscribe: name, stream: "out", attempt: 1, offset: 4 });
  assert.equal(heard.log.state().repeats, 1);
  const first = heard.log.input("a"); // Without a known offset.
  const second = heard.log.input("b");
  page.client.close();
  assert.equal((await first).code, "closed");
  assert.equal((await second).code, "closed");
});
