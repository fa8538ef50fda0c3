// jobs-attempts.test.mjs: output that is followed, or read in pages, over the end of an attempt.
//
// Each attempt has a log of its own, which counts from 0. Who comes back with a place in one of
// them must get the rest of that one, or a clear no: never the next one from the same number on.
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { begin, jsonLines } from "./jobs-cli.mjs";
import { Jobs } from "./jobs.mjs";
import { scratch } from "./lib.mjs";

const jobs = new Jobs();

/** A job of two attempts, each of which says one line, waits for its file, says another, and is
 *  over. `open(n)` works without the daemon, and returns when that attempt is; `both` is all that
 *  they say. */
async function twice(t) {
  const folder = scratch(t);
  const at = (name) => path.join(folder, name);
  const n = "$DROVER_ATTEMPT";
  const id = await jobs.shell(
    `trap "touch ${at(`over${n}`)}" EXIT; echo attempt ${n} begins; ` +
      `while [ ! -e ${at(`go${n}`)} ]; do sleep 0.02; done; echo attempt ${n} ends; [ ${n} = 2 ]`,
    { retry: { max: 1, backoff: 0 } },
  );
  const open = async (attempt) => {
    writeFileSync(at(`go${attempt}`), "");
    while (!existsSync(at(`over${attempt}`))) await new Promise((r) => setTimeout(r, 5));
  };
  const said = (attempt) => `attempt ${attempt} begins\nattempt ${attempt} ends\n`;
  return { id, open, said, both: said(1) + said(2) };
}

/** The second attempt runs, and has said its first line. */
async function secondBegun(id) {
  const stream = await jobs.openLogs(id, "?attempt=1");
  while (await stream.next()); // It ends when that attempt has, which is stored then.
  const next = await jobs.openLogs(id);
  for (let frame; (frame = await next.next()); ) {
    if (frame.event !== "output") continue;
    assert.match(JSON.parse(frame.data).text, /attempt 2/);
    return next.close();
  }
  return assert.fail("no output");
}

/** The attempt's end falls into the daemon's absence. */
async function killedAcross(open) {
  await jobs.daemon.kill();
  await open(1);
  await jobs.daemon.start();
}

/** Everything of a request that is refused, however it asks. */
async function refused(id, query, headers = {}) {
  return (await jobs.request("GET", `/api/v1/jobs/${id}/logs${query}`, { headers })).json;
}

const sse = { accept: "text/event-stream" };

test("an id brings the rest of its attempt, though the next has begun", async (t) => {
  const { id, open, said } = await twice(t);
  const stream = await jobs.openLogs(id);
  assert.equal(stream.headers["drover-attempt"], "1");
  const first = await stream.next();
  assert.equal(first.id, "1.17");
  await killedAcross(open);
  await secondBegun(id);

  const rest = await jobs.follow(id, "", { "last-event-id": first.id });
  assert.equal(JSON.parse(first.data).text + rest.bytes, said(1));
  assert.equal(rest.last.event, "done");
  assert.equal(rest.last.data.attempt, 1);
  assert.equal(rest.last.data.size, said(1).length);
  const after = await jobs.follow(id, `?after=${first.id}`);
  assert.deepEqual(after.bytes, rest.bytes);
  const range = await jobs.logs(id, `?after=${first.id}`);
  assert.deepEqual(range.bytes, rest.bytes);
  assert.equal(range.headers["drover-attempt"], "1");

  // With the attempt in the URL, as in that of a browser that sends it again, the offset is enough.
  const named = await jobs.follow(id, "?attempt=1");
  assert.equal(named.frames[0].id, String(named.frames[0].data.next));
  const again = await jobs.follow(id, "?attempt=1", { "last-event-id": "17" });
  assert.deepEqual(again.bytes, rest.bytes);
  await open(2);
  await jobs.ended(id);
  assert.equal((await jobs.follow(id)).frames[0].id, `2.${said(2).length}`);
});

test("an offset that could be of any of several attempts is refused", async (t) => {
  const { id, open, said } = await twice(t);
  await open(1);
  await secondBegun(id);
  for (const [query, headers] of [
    ["", { ...sse, "last-event-id": "17" }],
    ["?after=17", sse],
    ["?offset=17", sse],
    ["?offset=17", {}],
    ["?after=17", {}],
    ["?attempt=2", { ...sse, "last-event-id": "1.17" }],
  ]) {
    const told = await refused(id, query, headers);
    assert.equal(told.code, "bad_cursor", JSON.stringify([query, headers, told]));
    assert.match(told.detail, /attempt/);
  }
  assert.equal((await refused(id, "?after=3.0", sse)).code, "not_found");
  // What says where it begins without counting in an attempt is as good as before.
  assert.match((await jobs.logs(id, "?offset=-7")).bytes.toString(), /begins\n$/);
  assert.match((await jobs.logs(id, "?offset=0")).bytes.toString(), /^attempt 2/);
  assert.equal((await jobs.logs(id, "?offset=17&attempt=1")).bytes.toString(), said(1).slice(17));
  await open(2);
});

test("who follows from behind the end is refused, whether the job runs or not", async (t) => {
  const { id, open, said } = await twice(t);
  const stream = await jobs.openLogs(id);
  assert.equal((await stream.next()).id, "1.17");
  for (const query of ["?offset=18", "?after=1.18", "?attempt=1&offset=99999"]) {
    const told = await refused(id, query, sse);
    assert.equal(told.code, "cursor_ahead", query);
    assert.match(told.detail, /attempt 1, which has 17 bytes/);
  }
  await open(1);
  await open(2);
  await jobs.ended(id);
  const { length } = said(2);
  assert.equal((await refused(id, `?after=2.${length + 1}`, sse)).code, "cursor_ahead");
  const { frames } = await jobs.follow(id, `?after=2.${length}`);
  assert.deepEqual(frames.map(({ event, data }) => [event, data.size]), [["done", length]]);
});

test("job logs --follow loses nothing over a kill across an attempt's end", async (t) => {
  const { id, open, both } = await twice(t);
  const following = begin(t, jobs.daemon, ["job", "logs", "-f", id]);
  const asJson = begin(t, jobs.daemon, ["job", "logs", "-f", "--json", id]);
  const one = begin(t, jobs.daemon, ["job", "logs", "-f", "--attempt", "1", id]);
  for (const each of [following, asJson, one]) await each.seen("attempt 1 begins");
  await killedAcross(open);
  await secondBegun(id);
  assert.equal((await one.ended).stdout, "attempt 1 begins\nattempt 1 ends\n");
  await open(2);
  const end = await following.ended;
  assert.deepEqual([end.code, end.stdout], [0, both]);
  assert.match(end.stderr, /^--- attempt 2 ---$/m);
  const pieces = (await asJson.ended).stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(pieces.map((piece) => piece.text).join(""), both);
  for (const piece of pieces) assert.match(piece.text, new RegExp(`^attempt ${piece.attempt} `));
});

test("job logs prints pages of one attempt, though the next begins in between", async (t) => {
  // A page is a megabyte. The proxy of a slow reader: the second page is asked for when the second
  // attempt has begun.
  const folder = scratch(t);
  const go = path.join(folder, "go");
  const line = "head -c 1500000 /dev/zero | tr '\\0' $DROVER_ATTEMPT";
  const id = await jobs.shell(
    `${line}; touch ${go}.said; while [ ! -e ${go} ]; do sleep 0.02; done; [ $DROVER_ATTEMPT = 2 ]`,
    { retry: { max: 1, backoff: 0 } },
  );
  while (!existsSync(`${go}.said`)) await new Promise((r) => setTimeout(r, 5));
  let pages = 0;
  const proxy = http.createServer(async (request, answer) => {
    if (request.url.includes("/logs") && ++pages === 2) {
      writeFileSync(go, "");
      await jobs.ended(id);
    }
    const { port } = jobs.daemon;
    const { method, url: target } = request;
    http
      .request({ host: "127.0.0.1", port, method, path: target }, (from) => {
        answer.writeHead(from.statusCode, from.headers);
        from.pipe(answer);
      })
      .end();
  });
  t.after(() => proxy.close());
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${proxy.address().port}`;
  const reading = begin(t, jobs.daemon, ["job", "logs", "--url", url, "--stream", "out", id]);
  const { code, stdout, stderr } = await reading.ended;
  assert.equal(code, 0, stderr);
  assert.equal(pages, 2);
  assert.equal(stdout.length, 1500000);
  assert.match(stdout, /^1+$/);
  const [run] = await jsonLines(jobs.daemon, "show", id);
  assert.equal(run.attempts, 2);
});
