// Bytes that no well-behaved client sends. Each is answered with the status that the table says (or
// ends the connection), exactly once, and leaves the store as it was.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { bodyTable, tokenTable } from "./raw-http-bodies.mjs";
import { framingTable } from "./raw-http-framing.mjs";
import { exchange } from "./raw-http-lib.mjs";
import { scaled } from "./scale.mjs";

const SLOW_MS = scaled(14_000); // A head or the next part of a body must come within 10 s.

/** Everything that a request could have changed. */
async function contents(daemon) {
  const { status, json } = await daemon.request("GET", "/api/v1/streams?limit=200&total=1", {
    local: true,
  });
  assert.equal(status, 200);
  assert.equal(json.next, null);
  return json;
}

/** One status, or one of several, for each answer; or (alternatives) one of several sequences. */
function matches(expected, answers, alternatives) {
  if (alternatives) return expected.some((sequence) => matches(sequence, answers));
  const each = Array.isArray(expected) ? expected : [expected];
  return (
    each.length === answers.length &&
    each.every((status, i) => [status].flat().includes(answers[i].status))
  );
}

function checkProblem(answer, { code, allow }) {
  assert.equal(answer.headers["content-type"], "application/problem+json");
  const problem = JSON.parse(answer.body);
  assert.equal(problem.status, answer.status);
  for (const member of ["type", "title", "code"]) assert.equal(typeof problem[member], "string");
  if (code instanceof RegExp) assert.match(problem.code, code);
  else if (code !== undefined) assert.equal(problem.code, code);
  if (allow) assert.match(answer.headers.allow, /^[A-Z]+(, [A-Z]+)*$/);
  if (answer.status === 401) assert.match(answer.headers["www-authenticate"], /^Bearer/);
}

async function checkRow(daemon, untouched, [, pieces, expected, more = {}]) {
  const list = [pieces].flat();
  const want = more.alternatives ? Infinity : [expected].flat(more.alternatives ? 0 : 1).length;
  const options = { want: want === 0 ? Infinity : want, heads: more.heads };
  const { answers, rest, ended } = await exchange(
    daemon.port, more.fin ? [...list, "FIN"] : list, options,
  );
  const got = answers.map(({ status, body }) => `${status} ${body}`).join("\n") || "nothing";
  const fits = matches(expected, answers, more.alternatives);
  assert.ok(fits, `expected ${JSON.stringify(expected)}, got ${got}`);
  assert.equal(rest.length, 0, `more bytes than answers: ${rest}`);
  const refused = answers.filter(({ status }) => status >= 400);
  refused.forEach((answer) => checkProblem(answer, more));
  const last = answers.at(-1);
  if (!more.either && !more.fin && last) {
    assert.equal(ended, !more.open, `the connection ${more.open ? "stays open" : "ends"}`);
  }
  assert.deepEqual(await contents(daemon), untouched, "the store is as it was");
}

async function startFilled(args) {
  const daemon = new Daemon({ data: scratch({ after }), args });
  await daemon.start();
  for (const [stream, count] of [["kept", 3], ["other", 1]]) {
    for (let i = 0; i < count; i++) {
      const { status } = await daemon.request("POST", `/api/v1/streams/${stream}/events`, {
        body: { type: "note", data: i }, local: true,
      });
      assert.equal(status, 201);
    }
  }
  return daemon;
}

const open = await startFilled(["--insecure-loopback"]);
const guarded = await startFilled([]);
const untouched = await contents(open);
after(async () => {
  const ends = await Promise.all([open.stop(), guarded.stop()]);
  for (const { code } of ends) assert.equal(code, 0);
});
before(() => assert.equal(untouched.total, 2));

for (const row of [...framingTable(open.port), ...bodyTable(open.port)]) {
  test(row[0], () => checkRow(open, untouched, row));
}
for (const row of tokenTable(guarded.port)) {
  test(row[0], async () => checkRow(guarded, await contents(guarded), row));
}

/** `piece` again and again until the server has enough of it. */
async function drip(port, head, piece) {
  const pieces = [head];
  for (let waited = 0; waited < SLOW_MS; waited += 500) pieces.push(500, piece);
  const begin = Date.now();
  const { answers, ended } = await exchange(port, pieces);
  assert.ok(ended, "the connection ends");
  assert.ok(Date.now() - begin < SLOW_MS, "before we would have");
  assert.deepEqual(answers.map(({ status }) => status), [408]);
  checkProblem(answers[0], { code: "request_timeout" });
}

test("clients that are slow on purpose are sent away", { timeout: scaled(60_000) }, async () => {
  const host = `Host: localhost:${open.port}\r\n`;
  const json = "Content-Type: application/json\r\n";
  const post = `POST /api/v1/streams/kept/events HTTP/1.1\r\n${host}${json}`;
  await Promise.all([
    drip(open.port, "GET /health", "z"),
    drip(open.port, `GET /healthz HTTP/1.1\r\n${host}`, "X: 1\r\n"),
    drip(open.port, `GET /healthz HTTP/1.1\r\n${host}X: `, "a"),
    drip(open.port, `${post}Content-Length: 5000\r\n\r\n`, " "),
    drip(open.port, `${post}Transfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n"),
  ]);
  assert.deepEqual(await contents(open), untouched);
});
