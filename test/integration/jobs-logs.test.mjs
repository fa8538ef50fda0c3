// jobs-logs.test.mjs: a job's output: ranges of it, following it, searching it.
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";

import { Jobs } from "./jobs.mjs";

const jobs = new Jobs();

// --- Ranges of a log ----------------------------------------------------------------------------

test("a range says where it is and what follows", async () => {
  const id = await jobs.ran("printf 0123456789; printf oops >&2");
  const whole = await jobs.logs(id);
  assert.equal(whole.status, 200);
  assert.equal(whole.headers["content-type"], "application/octet-stream");
  assert.equal(whole.bytes.toString(), "0123456789");
  assert.equal(whole.headers["drover-offset"], "0");
  assert.equal(whole.headers["drover-next"], "10");
  assert.equal(whole.headers["drover-size"], "10");
  assert.equal(whole.headers["drover-ended"], "true");
  assert.equal(whole.headers["drover-dropped"], undefined);
  const middle = await jobs.logs(id, "?offset=3&limit=4");
  assert.equal(middle.bytes.toString(), "3456");
  assert.equal(middle.headers["drover-next"], "7");
  const tail = await jobs.logs(id, "?offset=-4");
  assert.equal(tail.bytes.toString(), "6789");
  assert.equal(tail.headers["drover-offset"], "6");
  assert.equal((await jobs.logs(id, "?offset=-4000")).bytes.toString(), "0123456789");
  const end = await jobs.logs(id, "?offset=10");
  assert.equal(end.bytes.length, 0);
  assert.equal(end.headers["drover-size"], "10");
  const behind = await jobs.logs(id, "?offset=11");
  assert.equal(behind.status, 400);
  assert.equal(JSON.parse(behind.bytes).code, "cursor_ahead");
  assert.equal((await jobs.logs(id, "?stream=err")).bytes.toString(), "oops");
  assert.equal((await jobs.logs(id, "?stream=pty")).bytes.length, 0);
  assert.equal((await jobs.logs(id, "?stream=all")).status, 400);
  assert.equal((await jobs.logs(id, "?attempt=2")).status, 404);
  assert.equal((await jobs.logs(id, "?limit=1048577")).status, 400);
});

test("bytes come as they were written, NUL and invalid UTF-8 included", async () => {
  const id = await jobs.ran("printf 'a\\000b\\377\\376\\n'");
  const want = Buffer.from([0x61, 0, 0x62, 0xff, 0xfe, 0x0a]);
  assert.deepEqual((await jobs.logs(id)).bytes, want);
  assert.deepEqual((await jobs.follow(id)).bytes, want);
});

test("what was dropped is told in both ways", async () => {
  const id = await jobs.shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end", {
    limits: { output: 1 << 20 },
  });
  await jobs.ended(id);
  const size = 3000005;
  const parts = [];
  let dropped;
  for (let offset = 0; offset < size; ) {
    const part = await jobs.logs(id, `?offset=${offset}&limit=1000000`);
    assert.equal(part.status, 200);
    const hole = part.headers["drover-dropped"];
    if (hole !== undefined) {
      assert.equal(dropped, undefined, "one hole");
      dropped = hole.split("-").map(Number);
      assert.equal(Number(part.headers["drover-offset"]), dropped[1]);
    }
    assert.ok(Number(part.headers["drover-next"]) > offset);
    offset = Number(part.headers["drover-next"]);
    parts.push(part.bytes);
  }
  assert.ok(dropped, "there is a hole");
  const kept = Buffer.concat(parts);
  assert.equal(kept.length + dropped[1] - dropped[0], size);
  assert.ok(kept.toString().endsWith("x\nend\n"));
  const { bytes, frames, last } = await jobs.follow(id);
  assert.deepEqual(bytes, kept);
  const hole = frames.filter((frame) => frame.event === "dropped");
  assert.deepEqual(
    hole.map((frame) => frame.data),
    [{ from: dropped[0], to: dropped[1] }],
  );
  assert.equal(last.event, "done");
  assert.equal(last.data.size, size);
  const found = await jobs.search(id, { pattern: "end$" });
  assert.equal(found.json.total, 1);
  assert.deepEqual(found.json.dropped, { from: dropped[0], to: dropped[1] });
});

// --- Following ----------------------------------------------------------------------------------

test("a follower sees output as it comes, and the end", async () => {
  const gate = jobs.gate("gate");
  const id = await jobs.shell(`echo one; ${gate.wait}; echo two; exit 4`);
  const stream = await jobs.openLogs(id);
  const first = await stream.next();
  assert.equal(first.event, "output");
  assert.equal(first.id, "1.4");
  assert.equal(stream.headers["drover-attempt"], "1");
  assert.deepEqual(JSON.parse(first.data), { offset: 0, next: 4, text: "one\n" });
  await gate.open();
  const second = await stream.next();
  assert.deepEqual(JSON.parse(second.data), { offset: 4, next: 8, text: "two\n" });
  const done = await stream.next();
  assert.equal(done.event, "done");
  assert.deepEqual(JSON.parse(done.data), {
    state: "failed",
    cause: "exit_code",
    exit_code: 4,
    attempt: 1,
    size: 8,
  });
  assert.equal(await stream.next(), undefined);
});

test("a follower goes on from any byte", async () => {
  const id = await jobs.ran("printf 0123456789");
  assert.equal((await jobs.follow(id, "?offset=4")).bytes.toString(), "456789");
  assert.equal((await jobs.follow(id, "?offset=-3")).bytes.toString(), "789");
  const resumed = await jobs.follow(id, "?offset=0", { "last-event-id": "8" });
  assert.equal(resumed.bytes.toString(), "89");
  const nothing = await jobs.follow(id, "", { "last-event-id": "10" });
  assert.deepEqual(
    nothing.frames.map((frame) => frame.event),
    ["done"],
  );
  const bad = await jobs.request("GET", `/api/v1/jobs/${id}/logs`, {
    headers: { accept: "text/event-stream", "last-event-id": "x" },
  });
  assert.equal(bad.json.code, "bad_cursor");
});

test("a piece never splits a character, and base64 is there for all else", async () => {
  // Two writes cut the sign in the middle; the follower waits for the rest of it.
  const gate = jobs.gate("half");
  const id = await jobs.shell(
    `printf 'a\\342\\202'; ${gate.wait}; printf '\\254b'`,
  );
  const stream = await jobs.openLogs(id);
  assert.equal(JSON.parse((await stream.next()).data).text, "a");
  await gate.open();
  assert.equal(JSON.parse((await stream.next()).data).text, "\u20acb");
  assert.equal((await stream.next()).event, "done");
  const cut = await jobs.shell("printf 'x\\342\\202'");
  await jobs.ended(cut);
  const rest = await jobs.follow(cut);
  assert.deepEqual(rest.bytes, Buffer.from([0x78, 0xe2, 0x82]));
  const forced = await jobs.follow(id, "?encoding=base64");
  assert.ok(forced.frames.every((frame) => frame.event === "done" || "base64" in frame.data));
  assert.equal(forced.bytes.toString(), "a\u20acb");
});

test("ten megabytes arrive once and in order", async () => {
  const id = await jobs.shell("seq -f '%09.0f' 0 1048575");
  const { bytes, last } = await jobs.follow(id);
  assert.equal(last.data.state, "succeeded");
  assert.equal(bytes.length, 10 << 20);
  for (let i = 0; i < 1048576; i += 997)
    assert.equal(bytes.toString("latin1", 10 * i, 10 * i + 9), String(i).padStart(9, "0"));
});

test("a job that waits for its key is followed from its first byte", async () => {
  const gate = jobs.gate("key");
  const first = await jobs.shell(`${gate.wait}`, { key: "k", key_max: 1 });
  const second = await jobs.shell("echo at last", { key: "k", key_max: 1 });
  assert.equal((await jobs.show(second)).state, "queued");
  const following = jobs.follow(second);
  await gate.open();
  await jobs.ended(first);
  const { bytes, last } = await following;
  assert.equal(bytes.toString(), "at last\n");
  assert.equal(last.data.state, "succeeded");
});

test("a job that is cancelled before it began is followed to that end", async () => {
  const first = await jobs.shell("sleep 600", { key: "c", key_max: 1 });
  const second = await jobs.shell("echo never", { key: "c", key_max: 1 });
  const following = jobs.follow(second);
  await jobs.request("POST", `/api/v1/runs/${second}/stop`);
  const { bytes, last } = await following;
  assert.equal(bytes.length, 0);
  assert.equal(last.event, "done");
  assert.equal(last.data.state, "cancelled");
  assert.equal(last.data.exit_code, null);
  await jobs.request("POST", `/api/v1/runs/${first}/stop`, { body: { grace_ms: 0 } });
  await jobs.ended(first);
});

test("each attempt has its own output; the latest is meant where none is named", async () => {
  const id = await jobs.ran('echo "attempt $DROVER_ATTEMPT"; [ "$DROVER_ATTEMPT" = 2 ]', {
    retry: { max: 2, backoff: 0 },
  });
  assert.equal((await jobs.show(id)).attempts, 2);
  const latest = await jobs.logs(id);
  assert.equal(latest.bytes.toString(), "attempt 2\n");
  assert.equal(latest.headers["drover-attempt"], "2");
  assert.equal((await jobs.logs(id, "?attempt=1")).bytes.toString(), "attempt 1\n");
  const first = await jobs.follow(id, "?attempt=1");
  assert.equal(first.bytes.toString(), "attempt 1\n");
  assert.equal(first.last.data.attempt, 1);
  const second = await jobs.follow(id);
  assert.equal(second.bytes.toString(), "attempt 2\n");
  assert.equal(second.last.data.state, "succeeded");
});

test("who follows an attempt that is tried again is told that it ended", async () => {
  const gate = jobs.gate("again");
  const id = await jobs.shell(
    `echo "attempt $DROVER_ATTEMPT"; [ $DROVER_ATTEMPT = 2 ] && { ${gate.wait}; exit 0; }; exit 1`,
    { retry: { max: 1, backoff: 0 } },
  );
  const { bytes, last } = await jobs.follow(id, "?attempt=1");
  assert.equal(bytes.toString(), "attempt 1\n");
  assert.equal(last.event, "done");
  assert.ok(["queued", "running"].includes(last.data.state), last.data.state);
  await gate.open();
  await jobs.ended(id);
});

test("a silent attempt is passed over by who named none", async () => {
  const gate = jobs.gate("silent");
  const id = await jobs.shell(
    `[ "$DROVER_ATTEMPT" = 2 ] && { echo heard; exit 0; }; ${gate.wait}; exit 1`,
    { retry: { max: 1, backoff: 0 } },
  );
  const following = jobs.follow(id);
  await gate.open();
  const { bytes, last } = await following;
  assert.equal(bytes.toString(), "heard\n");
  assert.equal(last.data.attempt, 2);
  assert.equal(last.data.state, "succeeded");
});

test("a HEAD request gets the head alone", async () => {
  const id = await jobs.ran("echo x");
  const answer = await jobs.request("HEAD", `/api/v1/jobs/${id}/logs`, {
    headers: { accept: "text/event-stream" },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.text, "");
});

// --- A terminal ---------------------------------------------------------------------------------

test("a terminal is one stream, can be resized, and is searched without its colours", async () => {
  const gate = jobs.gate("tty");
  const id = await jobs.shell(
    `stty size; ${gate.wait}; stty size; printf '\\033[31mred\\033[0m end\\n'`,
    { pty: { rows: 10, columns: 20 } },
  );
  const stream = await jobs.openLogs(id);
  assert.equal(stream.headers["drover-stream"], "pty");
  assert.match(JSON.parse((await stream.next()).data).text, /10 20/);
  const sized = await jobs.request("POST", `/api/v1/jobs/${id}/resize`, {
    body: { rows: 33, columns: 44 },
  });
  assert.equal(sized.status, 200, sized.text);
  await gate.open();
  const run = await jobs.ended(id);
  assert.equal(run.state, "succeeded");
  stream.close();
  assert.match((await jobs.logs(id)).bytes.toString(), /33 44/);
  const found = await jobs.search(id, { pattern: "^red end$" });
  assert.equal(found.json.total, 1, found.text);
  const late = await jobs.request("POST", `/api/v1/jobs/${id}/resize`, {
    body: { rows: 1, columns: 1 },
  });
  assert.equal(late.status, 409);
  const bad = await jobs.request("POST", `/api/v1/jobs/${id}/resize`, { body: { rows: 1 } });
  assert.equal(bad.json.code, "missing_field");
});

// --- Search -------------------------------------------------------------------------------------

test("a search tells lines, their neighbours, and how many there are", async () => {
  const id = await jobs.ran("seq 1 1000");
  const found = await jobs.search(id, { pattern: "^5.$", context: 1, limit: 2 });
  assert.equal(found.status, 200, found.text);
  assert.deepEqual(found.json, {
    matches: [
      { line: 50, text: "50", before: ["49"], after: ["51"] },
      { line: 51, text: "51", before: ["50"], after: ["52"] },
    ],
    total: 10,
    truncated: true,
  });
  const none = await jobs.search(id, { pattern: "x" });
  assert.deepEqual(none.json, { matches: [], total: 0, truncated: false });
});

test("a search refuses what it cannot do, each with its own code", async () => {
  const id = await jobs.ran("head -c 5000 /dev/zero | tr '\\0' a");
  const broken = await jobs.search(id, { pattern: "a(b" });
  assert.equal(broken.status, 400);
  assert.equal(broken.json.code, "bad_pattern");
  assert.match(broken.json.detail, /position 3/);
  const expensive = await jobs.search(id, { pattern: "(a+)+$|(a|aa)+b" });
  assert.ok([200, 422].includes(expensive.status));
  const explosive = await jobs.search(id, { pattern: "(a|aa)+[b-z]" });
  assert.equal(explosive.status, 422, explosive.text);
  assert.equal(explosive.json.code, "too_expensive");
  for (const query of [
    {},
    { pattern: "" },
    { pattern: "x".repeat(201) },
    { pattern: "x", limit: 501 },
    { pattern: "x", context: 51 },
  ]) {
    assert.equal((await jobs.search(id, query)).json.code, "bad_query", JSON.stringify(query));
  }
  assert.equal((await jobs.search(id, { pattern: "\u20ac".repeat(200) })).status, 200);
});

test("two searches at once are all, and one that nobody waits for ends", async () => {
  // Lines on which each start looks at the rest: slow, but never out of steps.
  const line = "head -c 60000 /dev/zero | tr '\\0' a; echo b";
  const id = await jobs.ran(`for i in $(seq 200); do ${line}; done`);
  const target = `/api/v1/jobs/${id}/logs/search?pattern=${encodeURIComponent("a+[^a]b")}`;
  const open = () =>
    new Promise((resolve) => {
      const where = { host: "127.0.0.1", port: jobs.daemon.port, path: target, agent: false };
      const request = http.get(where);
      request.on("error", () => {});
      request.on("socket", (socket) => socket.on("connect", () => resolve(request)));
    });
  const slow = [await open(), await open()];
  const refused = async () => (await jobs.search(id, { pattern: "b$" })).json.code === "too_many";
  while (!(await refused())); // Their requests are on the way.
  for (const request of slow) request.destroy();
  while (await refused()); // Long before ten seconds are over, or the suite would notice.
});

// --- The daemon's end ---------------------------------------------------------------------------

test("a drain ends followers with their cursor, and they go on after it", async () => {
  const gate = jobs.gate("drain");
  const id = await jobs.shell(`printf before; ${gate.wait}; printf after`);
  const stream = await jobs.openLogs(id);
  assert.equal(JSON.parse((await stream.next()).data).text, "before");
  const stopped = jobs.daemon.stop();
  const closing = await stream.next();
  assert.equal(closing.event, "closing");
  assert.deepEqual(JSON.parse(closing.data), { after: 6, attempt: 1 });
  assert.equal((await stopped).code, 0);
  await jobs.daemon.start();
  const following = jobs.follow(id, "", { "last-event-id": "6" });
  await gate.open();
  const { bytes, last } = await following;
  assert.equal(bytes.toString(), "after");
  assert.equal(last.data.state, "succeeded");
});

test("who follows when the daemon is killed goes on where it was", async () => {
  const gate = jobs.gate("kill");
  const id = await jobs.shell(`printf one; ${gate.wait}; printf two`);
  const stream = await jobs.openLogs(id);
  const { next } = JSON.parse((await stream.next()).data);
  await jobs.daemon.kill();
  await jobs.daemon.start();
  const following = jobs.follow(id, `?offset=${next}`);
  await gate.open();
  const { bytes, last } = await following;
  assert.equal(bytes.toString(), "two");
  assert.equal(last.data.state, "succeeded");
});

