// cli-cut.test.mjs: commands that follow a stream, and answers that are cut off at any byte.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";

import { Daemon, run, scratch } from "./lib.mjs";
import { stay } from "./stay.mjs";

/** Whole answer of `via` for a stream of two events. `key` is the request's WebSocket key. */
function answerOf(via, key) {
  const event = (seq) => `{"seq":${seq},"type":"t","data":${seq}}`;
  if (via === "poll") {
    const page = `{"events":[${event(1)},${event(2)}],"head":2}`;
    return Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${page.length}\r\n\r\n${page}`);
  }
  if (via === "sse") {
    const frames = [1, 2].map((seq) => `id: ${seq}\nevent: t\ndata: ${seq}\n\n`);
    const chunks = frames.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`);
    const head = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked";
    return Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${chunks.join("")}`);
  }
  const accept = createHash("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  const head = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}`;
  const frames = [1, 2].map((seq) => {
    const text = Buffer.from(event(seq));
    return Buffer.concat([Buffer.from([0x81, text.length]), text]);
  });
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\n\r\n`),
    ...frames,
  ]);
}

/** A server that gives its n-th connection what cut(whole, n) makes of the whole answer, and then
 *  closes it with `close(socket)`. `requests` are the first lines it got. */
async function cuttingServer(t, via, cut, close) {
  const requests = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (request) => {
      const text = request.toString("latin1");
      requests.push(text.split("\r\n")[0]);
      const key = /sec-websocket-key: (\S+)/i.exec(text)?.[1];
      socket.write(cut(answerOf(via, key), requests.length), () => close(socket));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

const both = ['{"seq":1,"type":"t","data":1}', '{"seq":2,"type":"t","data":2}'];
const closes = { end: (socket) => socket.end(), reset: (socket) => socket.resetAndDestroy() };
for (const via of ["sse", "ws", "poll"]) {
  for (const [how, close] of Object.entries(closes)) {
    test(`tail over ${via} goes on when its first answer stops (${how}) anywhere`, async (t) => {
      const size = answerOf(via, "A".repeat(22) + "==").length;
      // Each part of the answer is cut: nothing, the status line, headers, body, the second event.
      const places = Array.from({ length: 12 }, (_, i) => Math.floor((i * size) / 12));
      const goOn = async (place) => {
        const server = await cuttingServer(
          t,
          via,
          (whole, n) => (n === 1 ? whole.subarray(0, place) : whole),
          (socket) => (server.requests.length === 1 ? close(socket) : undefined),
        );
        const words = ["stream", "tail", "s", "--via", via, "-n", "2", "--json"];
        const tail = stay(t, { data: "" }, [...words, "--url", server.url]);
        await tail.endsWith(0);
        assert.deepEqual(await tail.lines(2), both);
        assert.match(tail.errors, /trying again/);
      };
      await Promise.all(places.map(goOn));
    });
  }

  test(`tail over ${via} goes on after the answers of a daemon or proxy that stops`, async (t) => {
    const answers = [
      'HTTP/1.1 503 No\r\nContent-Length: 18\r\n\r\n{"code":"closing"}',
      "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno",
      "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 2\r\n\r\nno",
      'HTTP/1.1 503 No\r\nContent-Length: 29\r\n\r\n{"code":"ServiceUnavailable"}',
    ];
    const server = await cuttingServer(
      t,
      via,
      (whole, n) => answers[n - 1] ?? whole,
      (socket) => (server.requests.length <= answers.length ? socket.end() : undefined),
    );
    const words = ["stream", "tail", "s", "--via", via, "-n", "2", "--json", "--url", server.url];
    const tail = stay(t, { data: "" }, words);
    await tail.endsWith(0);
    assert.deepEqual(await tail.lines(2), both);
    assert.equal(server.requests.length, answers.length + 1);
  });

  test(`tail over ${via} is not retried for ever where each answer is a refusal`, async (t) => {
    const refusal = '{"code":"store_down","detail":"no disk"}';
    const http = `HTTP/1.1 503 No\r\nContent-Length: ${refusal.length}\r\n\r\n${refusal}`;
    const frame = `{"error":${refusal}}`;
    const refuse = (whole) => {
      if (via !== "ws") return http;
      const head = whole.subarray(0, whole.indexOf("\r\n\r\n") + 4);
      return Buffer.concat([head, Buffer.from([0x81, frame.length]), Buffer.from(frame)]);
    };
    const server = await cuttingServer(t, via, refuse, () => {});
    const words = ["stream", "tail", "s", "--via", via, "--retry-for", "1", "--url", server.url];
    const tail = stay(t, { data: "" }, [...words, "-f"]);
    await tail.endsWith(7);
    assert.match(tail.errors, /no disk/);
    assert.ok(server.requests.length > 1);
  });

  test(`tail over ${via} is not retried for ever where only heads come`, async (t) => {
    const server = await cuttingServer(
      t,
      via,
      (whole) => whole.subarray(0, whole.indexOf("\r\n\r\n") + 4),
      closes.end,
    );
    const words = ["stream", "tail", "s", "--via", via, "--retry-for", "1", "--url", server.url];
    const tail = stay(t, { data: "" }, [...words, "-f"]);
    await tail.endsWith(1);
    assert.ok(server.requests.length > 1);
  });

  test(`tail over ${via} ends at once where no HTTP is spoken`, async (t) => {
    const ssh = () => "SSH-2.0-OpenSSH_9.6\r\n";
    const server = await cuttingServer(t, via, ssh, closes.end);
    const tail = stay(t, { data: "" }, ["stream", "tail", "s", "--via", via, "--url", server.url]);
    await tail.endsWith(1);
    assert.match(tail.errors, /not HTTP/);
    assert.equal(server.requests.length, 1);
  });
}

test("tail --new goes on when the answer about the head of the stream is cut off", async (t) => {
  const head = '{"head":0}';
  const row = `HTTP/1.1 200 OK\r\nContent-Length: ${head.length}\r\n\r\n${head}`;
  const server = await cuttingServer(
    t,
    "sse",
    (whole, n) => [row.slice(0, 12), row.slice(0, -1), row][n - 1] ?? whole,
    (socket) => (server.requests.length <= 3 ? socket.end() : undefined),
  );
  const words = ["stream", "tail", "s", "--new", "-n", "2", "--json", "--url", server.url];
  const tail = stay(t, { data: "" }, words);
  await tail.endsWith(0);
  assert.deepEqual(await tail.lines(2), both);
  assert.match(server.requests.at(-1), /^GET \/api\/v1\/streams\/s\/events\?after=0 /);
});

test("a tail that a daemon had accepted goes on while none listens", async (t) => {
  const folder = scratch(t);
  const broken = createServer((socket) => {
    socket.on("error", () => {});
    broken.close(); // Nobody listens before the connection breaks.
    socket.once("data", () => socket.destroy());
  });
  await new Promise((resolve) => broken.listen(path.join(folder, "drover.sock"), resolve));
  const tail = stay(t, { data: folder }, ["stream", "tail", "s", "-n", "1", "--json", "-f"]);
  await Promise.race([once(tail.stderr, "data"), tail.ended]);
  const next = await new Daemon({ data: folder }).start();
  t.after(() => next.kill());
  assert.equal((await next.cli(["stream", "append", "s", "-t", "t", "-d", "1"])).code, 0);
  await tail.endsWith(0);
  assert.deepEqual(await tail.lines(1), both.slice(0, 1));
});

test("requests that a restart cut are sent again, under their key", async (t) => {
  for (const [words, answer, said] of [
    [["session", "new"], '{"id":"ses_one"}', "ses_one\n"],
    [["memory", "ls"], '{"items":[],"more":false}', ""],
  ]) {
    const keys = [];
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (request) => {
        keys.push(/idempotency-key: (\S+)/i.exec(request.toString("latin1"))?.[1]);
        if (keys.length === 1) return socket.resetAndDestroy();
        const head = `Content-Type: application/json\r\nContent-Length: ${answer.length}`;
        return socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${answer}`);
      });
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const url = `http://127.0.0.1:${server.address().port}`;
    const end = await run([...words, "--url", url]);
    assert.equal(end.code, 0, end.stderr);
    assert.ok(end.stdout.startsWith(said), end.stdout);
    assert.equal(keys.length, 2);
    assert.ok(keys[0] !== undefined && keys[0] === keys[1], keys.join(" "));
  }
});
