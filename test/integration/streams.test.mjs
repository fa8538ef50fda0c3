// streams.test.mjs: the resource `streams` as a client sees it, each endpoint and its refusals.
//
// runs-with: release, san, postgres, valgrind
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { Daemon } from "./lib.mjs";
import { openSse } from "./sse.mjs";
import WebSocket from "./ws.mjs";

let daemon;
let folder;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  daemon = await new Daemon({
    data: path.join(folder, "d"),
    args: ["--insecure-loopback"],
  }).start();
});
after(async () => {
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
  rmSync(folder, { recursive: true, force: true });
});

const get = (target, headers) => daemon.request("GET", target, { headers });
const events = (stream, query = "") => get(`/api/v1/streams/${stream}/events${query}`);

async function fill(stream, count) {
  for (let i = 1; i <= count; i++) {
    const answer = await daemon.append(stream, { type: "n", data: i });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.json.seq, i);
  }
}

test("an append answers 201 with stream, seq and time, and the event can be read", async () => {
  const begin = Date.now();
  const data = { text: "hëllo \u{1f600} \u0000", n: [1, -2.5, 1e300, true, null], "": {} };
  const { status, json, headers } = await daemon.append("first", { type: "note.v1", data });
  assert.equal(status, 201);
  assert.match(headers["content-type"], /^application\/json/);
  assert.deepEqual(Object.keys(json), ["stream", "seq", "at_ms"]);
  assert.equal(json.stream, "first");
  assert.equal(json.seq, 1);
  assert.ok(json.at_ms >= begin - 1 && json.at_ms <= Date.now() + 1);
  const page = await events("first");
  assert.equal(page.status, 200);
  assert.deepEqual(page.json, {
    events: [{ seq: 1, at_ms: json.at_ms, type: "note.v1", data }],
    head: 1,
    floor: 0,
    done: false,
  });
});

/** The bodies of `count` answers to `bytes`, all sent at once on one connection. */
function pipeline(bytes, count) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(daemon.port, "127.0.0.1", () => socket.write(bytes));
    let got = "";
    socket.setEncoding("utf8");
    socket.on("error", reject);
    socket.on("end", () => reject(new Error(`ended early: ${got}`)));
    socket.on("data", (chunk) => {
      got += chunk;
      const bodies = got.match(/^\{.*\}/gm) ?? [];
      if (bodies.length < count) return;
      socket.destroy();
      resolve(bodies.map((body) => JSON.parse(body)));
    });
  });
}

test("appends of one connection are stored in its order, however large each is", async () => {
  const sizes = [200_000, 1, 30_000, 9000, 1, 100_000, 20_000, 1, 1, 240_000, 9000, 1];
  const stream = "ordered";
  const requests = sizes.map((size, at) => {
    const body = JSON.stringify({ type: "n", data: { at, list: Array(size >> 1).fill(0) } });
    const head = `POST /api/v1/streams/${stream}/events HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}`;
    const key = at % 2 ? `\r\nIdempotency-Key: k${at}` : "";
    const fields = `Content-Type: application/json\r\nContent-Length: ${body.length}`;
    return `${head}${key}\r\n${fields}\r\n\r\n${body}`;
  });
  const answers = await pipeline(requests.join(""), sizes.length);
  assert.deepEqual(
    answers.map((answer) => answer.seq),
    sizes.map((_, at) => at + 1),
  );
  const page = await events(stream);
  assert.deepEqual(
    page.json.events.map((event) => event.data.at),
    sizes.map((_, at) => at),
  );
});

test("data may be anything or nothing", async () => {
  const values = [
    null,
    0,
    -1,
    9007199254740991,
    "",
    "x",
    true,
    [],
    {},
    [[[]]],
    { a: { b: [1] } },
  ];
  for (const data of values)
    assert.equal((await daemon.append("any", { type: "t", data })).status, 201);
  assert.equal((await daemon.append("any", { type: "t" })).status, 201);
  const { json } = await events("any");
  assert.deepEqual(
    json.events.map((event) => event.data),
    [...values, null],
  );
});

test("integers are exact and key order stays", async () => {
  const body = '{"data":{"z":9223372036854775807,"a":-9223372036854775808},"type":"t"}';
  assert.equal((await daemon.append("exact", body)).status, 201);
  const { text } = await events("exact");
  assert.ok(text.includes('"data":{"z":9223372036854775807,"a":-9223372036854775808}'), text);
});

test("each refusal of an append names its reason and appends nothing", async () => {
  const cases = [
    ["{", 400, "bad_json"],
    ["", 400, undefined],
    ["[]", 400, undefined],
    ['"x"', 400, undefined],
    ["{}", 400, "missing_field"],
    ['{"type":"t","data":1,"typ":2}', 400, "unknown_field", /typ/],
    ['{"type":"t","type":"u"}', 400, "bad_json"],
    ['{"type":7}', 400, "bad_field", /type/],
    ['{"type":null}', 400, "bad_field", /type/],
    ['{"type":""}', 400, "bad_field"],
    ['{"type":"T"}', 400, "bad_field"],
    ['{"type":"1t"}', 400, "bad_field"],
    ['{"type":"a b"}', 400, "bad_field"],
    [`{"type":"${"a".repeat(65)}"}`, 400, "bad_field"],
    ['{"type":"snapshot"}', 400, "bad_field"],
    ['{"type":"done"}', 400, "bad_field"],
    ['{"type":"closing"}', 400, "bad_field"],
    ['{"type":"t","data":18446744073709551616}', 400, "bad_json"],
    [`{"type":"t","data":${"[".repeat(200)}${"]".repeat(200)}}`, 400, "bad_json"],
    [`{"type":"t","data":"${"x".repeat(256 << 10)}"}`, 413, "body_too_large"],
  ];
  for (const [body, status, code, detail] of cases) {
    const answer = await daemon.append("refused", body);
    const what = `${body.slice(0, 60)} → ${answer.text}`;
    assert.equal(answer.status, status, what);
    assert.match(answer.headers["content-type"], /^application\/problem\+json/);
    assert.equal(answer.json.status, status);
    if (code) assert.equal(answer.json.code, code, what);
    if (detail) assert.match(answer.json.detail, detail);
  }
  assert.equal((await events("refused")).status, 404);
});

test("an event of the largest size is taken, parsed off the loop, and read again", async () => {
  const data = "x".repeat((256 << 10) - 2);
  const answer = await daemon.append("large", { type: "t", data });
  assert.equal(answer.status, 201, answer.text);
  const { json } = await events("large");
  assert.equal(json.events[0].data, data);
});

test("names are checked, and reserved ones are ours", async () => {
  for (const name of ["a/b", "a b", "ä", "..", ".", "x".repeat(201), "a\u0001"]) {
    const answer = await daemon.append(name, { type: "t" });
    assert.ok([400, 404].includes(answer.status), `${name}: ${answer.text}`);
  }
  for (const name of ["session:1", "run:x", "project:y", "system"]) {
    const answer = await daemon.append(name, { type: "t" });
    assert.equal(answer.status, 403);
    assert.equal(answer.json.code, "stream_reserved");
    for (const [method, target, body] of [
      ["PATCH", `/api/v1/streams/${name}`, { keep_events: 1 }],
      ["DELETE", `/api/v1/streams/${name}/events?through=1`],
    ]) {
      assert.equal((await daemon.request(method, target, { body })).json.code, "stream_reserved");
    }
  }
  assert.equal((await daemon.append("x".repeat(200), { type: "t" })).status, 201);
});

test("pages go from cursor to cursor", async () => {
  await fill("paged", 25);
  const seen = [];
  for (let cursor = 0; ;) {
    const { json } = await events("paged", `?after=${cursor}&limit=10`);
    assert.equal(json.head, 25);
    if (json.events.length === 0) break;
    seen.push(...json.events.map((event) => event.seq));
    cursor = seen.at(-1);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 25 }, (_, i) => i + 1),
  );
  assert.equal((await events("paged", "?after=25")).json.events.length, 0);
});

test("a page holds up to a thousand events", async () => {
  const all = [];
  for (let i = 0; i < 1100; i++) all.push(daemon.append("thousand", { type: "n", data: i }));
  await Promise.all(all);
  const { json } = await events("thousand", "?limit=1000");
  assert.equal(json.events.length, 1000);
  assert.equal(json.events.at(-1).seq, 1000);
  assert.equal((await events("thousand", "?after=1000&limit=1000")).json.events.length, 100);
});

test("bad queries are refused by name", async () => {
  await fill("queried", 1);
  for (const [query, code] of [
    ["?after=x", "bad_query"],
    ["?after=-2", "bad_query"],
    ["?after=01", "bad_query"],
    ["?limit=0", "bad_query"],
    ["?limit=1001", "bad_query"],
    ["?wait=61", "bad_query"],
    ["?after=0&after=0", "bad_query"],
    ["?aftr=0", "bad_query"],
    ["?after=2", "cursor_ahead"],
    ["?after=2&wait=5", "cursor_ahead"],
    ["?after=9223372036854775807", "cursor_ahead"],
  ]) {
    const answer = await events("queried", query);
    assert.equal(answer.status, 400, `${query}: ${answer.text}`);
    assert.equal(answer.json.code, code, query);
  }
});

test("a stream that does not exist is 404 now, and can be waited for", async () => {
  assert.equal((await events("later")).json.code, "not_found");
  const empty = await events("later", "?wait=1");
  assert.deepEqual(empty.json, { events: [], head: 0, floor: 0, done: false });
  assert.equal((await events("later", "?after=3&wait=1")).json.code, "cursor_ahead");
  const waiting = events("later", "?wait=30");
  await fill("later", 1);
  assert.deepEqual(
    (await waiting).json.events.map((event) => event.seq),
    [1],
  );
});

test("a long-poll answers as soon as there is an event, at once where there is one", async () => {
  await fill("polled", 1);
  assert.equal((await events("polled", "?wait=30")).json.events.length, 1);
  const waits = Array.from({ length: 20 }, () => events("polled", "?after=1&wait=30"));
  const latest = events("polled", "?after=-1&wait=30");
  // The appended event may come before some of the requests; each must get it all the same.
  const appended = await daemon.append("polled", { type: "late" });
  for (const answer of await Promise.all(waits)) {
    assert.deepEqual(
      answer.json.events.map((event) => event.seq),
      [2],
    );
    assert.equal(answer.json.events[0].at_ms, appended.json.at_ms);
  }
  await daemon.append("polled", { type: "later" });
  assert.ok((await latest).json.events.length > 0);
});

test("SSE sends what is there, then what comes, and resumes by Last-Event-ID", async () => {
  await fill("sse", 3);
  const one = await openSse(daemon, "/api/v1/streams/sse/events?after=1");
  assert.equal(one.status, 200);
  assert.match(one.headers["content-type"], /^text\/event-stream/);
  assert.deepEqual(await one.next(), { id: "2", event: "n", data: "2" });
  assert.deepEqual(await one.next(), { id: "3", event: "n", data: "3" });
  await daemon.append("sse", { type: "live", data: { a: [1] } });
  assert.deepEqual(await one.next(), { id: "4", event: "live", data: '{"a":[1]}' });
  one.close();
  // The header is newer than the URL that a browser repeats.
  const two = await openSse(daemon, "/api/v1/streams/sse/events?after=1", {
    "last-event-id": "3",
  });
  assert.equal((await two.next()).id, "4");
  two.close();
});

test("SSE refuses bad cursors before the stream begins", async () => {
  await fill("sse2", 1);
  const accept = { accept: "text/event-stream" };
  const ahead = await get("/api/v1/streams/sse2/events?after=9", accept);
  if (ahead.status === 400) assert.equal(ahead.json.code, "cursor_ahead");
  else assert.match(ahead.text, /cursor_ahead/);
  for (const id of ["x", "-1", "1.5", "99999999999999999999"]) {
    const answer = await get("/api/v1/streams/sse2/events", { ...accept, "last-event-id": id });
    assert.equal(answer.json.code, "bad_cursor", id);
  }
});

test("one WebSocket follows many streams", async () => {
  await fill("ws1", 2);
  await fill("ws2", 1);
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`);
  const frames = [];
  const wanted = (count) =>
    new Promise((resolve) => {
      const look = () => frames.filter((frame) => frame.seq).length >= count && resolve();
      socket.on("message", look);
      look();
    });
  socket.on("message", (text) => frames.push(JSON.parse(text)));
  await new Promise((resolve) => socket.on("open", resolve));
  socket.send(JSON.stringify({ subscribe: "ws1", after: 0 }));
  socket.send(JSON.stringify({ subscribe: "ws2", after: 0 }));
  socket.send(JSON.stringify({ subscribe: "ws2x", after: 0 }));
  await wanted(3);
  await daemon.append("ws2x", { type: "new" });
  await daemon.append("ws1", { type: "live" });
  await wanted(5);
  const of = (name) =>
    frames.filter((frame) => frame.stream === name && frame.seq).map((frame) => frame.seq);
  assert.deepEqual([of("ws1"), of("ws2"), of("ws2x")], [[1, 2, 3], [1], [1]]);
  socket.close();
  await new Promise((resolve) => socket.on("close", resolve));
});

test("a stream is shown, pruned and kept short", async () => {
  await fill("kept", 12);
  const prune = (through) =>
    daemon.request(
      "DELETE",
      `/api/v1/streams/kept/events${through === undefined ? "" : `?through=${through}`}`,
    );
  assert.equal((await prune()).json.code, "bad_query");
  assert.equal((await prune(13)).json.code, "cursor_ahead");
  assert.deepEqual((await prune(5)).json, { stream: "kept", head: 12, floor: 5 });
  assert.deepEqual((await prune(3)).json, { stream: "kept", head: 12, floor: 5 });
  const page = (await events("kept", "?after=2")).json;
  assert.deepEqual(page.snapshot, { floor: 5, head: 12 });
  assert.deepEqual(Object.keys(page)[0], "snapshot");
  assert.deepEqual(
    page.events.map((event) => event.seq),
    [6, 7, 8, 9, 10, 11, 12],
  );
  assert.equal((await events("kept", "?after=5")).json.snapshot, undefined);
  assert.deepEqual((await events("kept", "?after=12&snapshot=1")).json.snapshot, {
    floor: 5,
    head: 12,
  });
  const sse = await openSse(daemon, "/api/v1/streams/kept/events?after=2");
  const first = await sse.next();
  assert.deepEqual(first, { id: "5", event: "snapshot", data: '{"floor":5,"head":12}' });
  assert.equal((await sse.next()).id, "6");
  sse.close();
  const show = async () => (await get("/api/v1/streams/kept")).json;
  assert.equal((await show()).keep_events, 0);
  const patch = (body) => daemon.request("PATCH", "/api/v1/streams/kept", { body });
  assert.equal((await patch({ keep_events: 4 })).json.keep_events, 4);
  assert.equal((await patch({ keep_ms: 60000 })).json.keep_events, 4);
  assert.equal((await show()).keep_ms, 60000);
  assert.equal((await patch({ keep_events: 0, keep_ms: 0 })).json.keep_ms, 0);
  assert.equal((await patch({ keep: 1 })).json.code, "unknown_field");
  assert.equal((await patch({ keep_events: -1 })).json.code, "bad_field");
  assert.equal(
    (await daemon.request("PATCH", "/api/v1/streams/absent", { body: {} })).status,
    404,
  );
  assert.equal((await get("/api/v1/streams/absent")).status, 404);
  assert.equal(
    (await daemon.request("DELETE", "/api/v1/streams/absent/events?through=1")).status,
    404,
  );
});

test("a snapshot is followed by all that is left, in every transport", async () => {
  await fill("snap", 6);
  await daemon.request("DELETE", "/api/v1/streams/snap/events?through=2");
  const wanted = { snapshot: { floor: 2, head: 6 }, seqs: [3, 4, 5, 6] };
  for (const after of [0, 4, 6]) {
    const { json } = await events("snap", `?snapshot=1&after=${after}`);
    const seqs = json.events.map((event) => event.seq);
    assert.deepEqual({ snapshot: json.snapshot, seqs }, wanted, `JSON after ${after}`);

    const sse = await openSse(daemon, `/api/v1/streams/snap/events?snapshot=1&after=${after}`);
    const first = await sse.next();
    assert.deepEqual([first.id, first.event], ["2", "snapshot"]);
    const ids = [];
    while (ids.length < 4) ids.push(Number((await sse.next()).id));
    assert.deepEqual({ snapshot: JSON.parse(first.data), seqs: ids }, wanted, `SSE after ${after}`);
    sse.close();

    const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`);
    const got = [];
    const done = new Promise((resolve) =>
      socket.on("message", (bytes) => {
        const message = JSON.parse(bytes);
        if (message.seq !== undefined && got.push(message) === 5) resolve();
      }),
    );
    const subscribe = JSON.stringify({ subscribe: "snap", after, snapshot: true });
    socket.on("open", () => socket.send(subscribe));
    await done;
    assert.equal(got[0].type, "snapshot");
    assert.equal(got[0].seq, 2);
    assert.deepEqual(
      { snapshot: got[0].data, seqs: got.slice(1).map((event) => event.seq) },
      wanted,
      `WebSocket after ${after}`,
    );
    socket.close();
  }
});

test("a long-poll from below the floor of an emptied stream is answered at once", async () => {
  await fill("emptied", 3);
  await daemon.request("DELETE", "/api/v1/streams/emptied/events?through=3");
  const begin = Date.now();
  const { json } = await events("emptied", "?after=1&wait=30");
  assert.deepEqual(json, {
    snapshot: { floor: 3, head: 3 },
    snapshot_seq: 3,
    events: [],
    head: 3,
    floor: 3,
    done: false,
  });
  assert.ok(Date.now() - begin < 29_000, "it waited for an event instead");
});

test("streams are listed page by page, light, with a total when asked", async (t) => {
  const own = await new Daemon({
    data: path.join(folder, "list"),
    args: ["--insecure-loopback"],
  }).start();
  t.after(() => own.stop());
  const list = async (query) => (await own.request("GET", `/api/v1/streams${query}`)).json;
  assert.deepEqual(await list(""), { items: [], next: null });
  const names = Array.from({ length: 60 }, (_, i) => `s${String(i).padStart(2, "0")}`);
  await Promise.all(names.map((name) => own.append(name, { type: "t" })));
  const page = await list("?total=1");
  assert.equal(page.items.length, 50);
  assert.equal(page.total, 60);
  assert.deepEqual(Object.keys(page.items[0]), ["stream", "head", "floor", "made_ms"]);
  const seen = [];
  for (let query = "?limit=7"; ;) {
    const { items, next, total } = await list(query);
    assert.equal(total, undefined);
    seen.push(...items.map((item) => item.stream));
    if (next === null) break;
    query = `?limit=7&after=${encodeURIComponent(next)}`;
  }
  assert.deepEqual(seen, names);
  for (const query of ["?limit=0", "?limit=201", "?after=a%20b", "?x=1"]) {
    assert.equal((await own.request("GET", `/api/v1/streams${query}`)).status, 400, query);
  }
});
