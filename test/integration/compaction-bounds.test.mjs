// compaction-bounds.test.mjs: no prompt exceeds its model's window, whatever makes it long: many
// turns, many results of tools in one turn, a window that is smaller than anybody said.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Provider } from "./providers.mjs";
import { sql } from "./sql.mjs";
import { call, Listener, say, script, textOf, toolsOf, Turns } from "./turns.mjs";

const SUMMARIES = '[{"user":'; // A transcript begins like this.

/** A daemon whose prompts may have that many tokens, and whose scripted model answers each
 *  transcript with `steps`, and other prompts as `more` says. */
async function open(t, window, steps = [say("SUMMARY: much was done")], more = []) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "script.json");
  const turns = [{ when: SUMMARIES, steps: [steps] }, ...more];
  writeFileSync(file, JSON.stringify({ models: { demo: { turns } } }));
  const opened = await Turns.open(t, { env: { DROVER_SCRIPT: file } });
  await setWindow(opened, window);
  return opened;
}

async function setWindow(turns, window) {
  const answer = await turns.ask("PATCH", "/settings", { window });
  assert.equal(answer.status, 200, answer.text);
}

/** Statements that add so many short messages, of both sides, to the end of that session. */
function manyMessages(session, count) {
  const n = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
  const role = "CASE WHEN i % 2 = 1 THEN 'user' ELSE 'assistant' END";
  return [
    "CREATE TABLE many AS SELECT max(id) AS last FROM messages",
    `${n} INSERT INTO messages (id, message, session, role, status, run, reply_to, variant, active,
     made_ms, changed_ms, client_id, client_digest, cause, error, metadata)
     SELECT last + i, 'msg_' || substr('${"0".repeat(26)}', length(CAST(i AS TEXT)) + 1) || i,
     s.id, ${role}, 'completed', 0, 0, 1, 1, 1, 1, '', '', '', '', '{}'
     FROM n, many, sessions s WHERE s.session = '${session}'`,
    `INSERT INTO parts (message, number, step, kind, state, name, call, run, bytes, data_bytes,
     data, text, cause) SELECT m.id, 1, 0, 'text', '', '', '', 0, 2, 0, '', 'ok', ''
     FROM messages m, many WHERE m.id > last`,
    "DROP TABLE many",
  ];
}

const events = (listener, type) => listener.heard.events.filter((event) => event.type === type);
const summaries = (listener) => events(listener, "context_compacted").map(({ data }) => data);
const words = (count) => "All work and no play. ".repeat(Math.ceil(count / 22)).slice(0, count);
const isNote = (message) => message.role === "system";

const lastStep = (message) => message.parts.at(-1).step;

/** Tokens of each prompt of that run, as it was estimated: calls of its model and summaries. */
async function promptsOf(turns, run) {
  const { items } = await turns.get(`/runs/${run}/spans?limit=200`);
  return items.filter(({ kind, tokens }) => kind !== "tool" && tokens !== null)
    .map(({ tokens }) => tokens.fresh + tokens.cache_read + tokens.cache_write);
}

test("forty results of 30 kB in one turn fit into a window of 32k", async (t) => {
  const window = 32768, count = 40;
  const turns = await open(t, window);
  const listener = await turns.listen({ root: turns.root });
  const reads = Array.from({ length: count }, (_, i) => {
    writeFileSync(path.join(turns.root, `file${i}`), `${i}: ${words(60)}\n`.repeat(30_000 / 66));
    return [call("read_file", { path: `file${i}`, lines: 2000 }), "step:"];
  });
  const { run, end, message } = await turns.turn(listener, script(...reads.flat(), say("read")));
  assert.deepEqual([end.state, end.calls], ["succeeded", count + 1]);
  assert.equal(listener.heard.of(message).get(`${message.id} ${lastStep(message)}`).delta, "read");
  const tools = toolsOf(message);
  const good = tools.filter((tool) => tool.state === "succeeded");
  assert.deepEqual([tools.length, good.length], [count, count]);
  assert.ok(tools[0].text.length > 29_000, "each of 30 kB");
  const read = await promptsOf(turns, run);
  assert.ok(Math.max(...read) <= window, `${Math.max(...read)} of ${window}`);
  const compacted = summaries(listener);
  assert.ok(compacted.length > 0 && compacted.every((one) => one.run === run));
  assert.ok(compacted.every((one) => one.tokens_after < one.tokens_before));
  const { end: next } = await turns.turn(listener, say("and the next message"));
  assert.equal(next.state, "succeeded");
});

test("eight results of 30 kB at once fit into a window of 16k", async (t) => {
  const window = 16384, count = 8;
  const turns = await open(t, window);
  const listener = await turns.listen({ root: turns.root });
  const reads = Array.from({ length: count }, (_, i) => {
    writeFileSync(path.join(turns.root, `file${i}`), `${i}: ${words(60)}\n`.repeat(30_000 / 66));
    return call("read_file", { path: `file${i}`, lines: 2000 });
  });
  const { run, end, message } = await turns.turn(listener, script(...reads, "step:", say("read")));
  assert.deepEqual([end.state, textOf(message)], ["succeeded", "read"]);
  const read = await promptsOf(turns, run);
  assert.ok(Math.max(...read) <= window, `${Math.max(...read)} of ${window}`);
});

test("200 turns at a window of 8k cost at most one summary for five turns", async (t) => {
  const window = 8192, count = 200;
  const turns = await open(t, window);
  const listener = await turns.listen();
  const runs = [];
  for (let i = 0; i < count; i++) {
    const { run, end } = await turns.turn(listener, script(words(200), say(`${i}: ${words(100)}`)));
    assert.equal(end.state, "succeeded");
    runs.push(run);
  }
  const compacted = summaries(listener);
  assert.ok(compacted.length > 0 && compacted.length <= count / 5, `${compacted.length} summaries`);
  for (const run of runs) {
    const read = await promptsOf(turns, run);
    assert.ok(Math.max(...read) <= window, `${Math.max(...read)} of ${window}`);
  }
});

test("a short first message before a long one is summarised with it", async (t) => {
  const turns = await open(t, 100_000);
  const listener = await turns.listen();
  await turns.turn(listener, say("hi"));
  for (let i = 0; i < 3; i++) await turns.turn(listener, script(words(60_000), say("long")));
  await setWindow(turns, 8192);
  for (let i = 0; i < 3; i++) {
    const { end, run } = await turns.turn(listener, say("short"));
    assert.equal(end.state, "succeeded");
    const read = await promptsOf(turns, run);
    assert.ok(Math.max(...read) <= 8192, `${Math.max(...read)}`);
  }
  assert.equal(summaries(listener).length, 1);
});

test("one summary is told of a history that took many rounds, with the sums of all", async (t) => {
  const turns = await open(t, 400_000);
  const listener = await turns.listen();
  let bytes = 0;
  for (let i = 0; i < 22; i++) {
    const text = script(words(20_000), say("done"));
    bytes += text.length;
    await turns.turn(listener, text);
  }
  await setWindow(turns, 8192);
  const answer = await turns.ask("POST", `/sessions/${listener.session}/compact`);
  const end = await listener.ended(answer.json.id);
  assert.deepEqual([end.state, end.cause], ["succeeded", "completed"]);
  const compacted = summaries(listener);
  assert.equal(compacted.length, 1);
  assert.ok(compacted[0].tokens_before >= bytes / 4, `${compacted[0].tokens_before}`);
  const note = (await turns.messages(listener.session)).find(isNote);
  const [, before, after] = /about (\d+) tokens became (\d+)/.exec(textOf(note)).map(Number);
  assert.deepEqual([before, after], [compacted[0].tokens_before, compacted[0].tokens_after]);
  assert.equal(note.error ?? null, null); // It went well.
  const { items } = await turns.get("/usage?by=category");
  const calls = items.find((row) => row.category === "compaction").usage.calls;
  assert.ok(calls >= 3, `${calls} rounds`);
});

test("20,000 short messages become a summary before no request has room for them", async (t) => {
  const turns = await open(t, 900_000);
  const listener = await turns.listen();
  await turns.turn(listener, say("first"));
  await turns.daemon.stop();
  sql(turns.daemon, ...manyMessages(listener.session, 20_100));
  await turns.daemon.start();
  await listener.open();
  const { end } = await turns.turn(listener, say("well"));
  assert.deepEqual([end.state, end.note], ["succeeded", ""]);
  assert.equal(summaries(listener).length, 1);
  assert.equal((await turns.turn(listener, say("and again"))).end.state, "succeeded");
  assert.equal(summaries(listener).length, 1);
});

test("what is thought in a turn is folded with its steps", async (t) => {
  const window = 16384, count = 12;
  const ponder = Array.from({ length: count }, (_, i) =>
    [`think: ${i}: ${words(8000)}`, call("read_file", { path: "file", line: i + 1 })]);
  const more = [{ when: "ponder", steps: [...ponder, [say("thought")]] }];
  const turns = await open(t, window, undefined, more);
  const listener = await turns.listen({ root: turns.root });
  writeFileSync(path.join(turns.root, "file"), "short\n".repeat(count));
  const { end } = await turns.turn(listener, "ponder");
  assert.deepEqual([end.state, end.calls, end.note], ["succeeded", count + 1, ""]);
  assert.ok(summaries(listener).length > 0);
  assert.equal((await turns.turn(listener, say("well"))).end.state, "succeeded");
});

test("what is kept shrinks to what a long history leaves room for", async (t) => {
  const turns = await open(t, 400_000);
  const listener = await turns.listen();
  for (let i = 0; i < 30; i++) await turns.turn(listener, script(words(8000), say("done")));
  await setWindow(turns, 60_000);
  const { run } = await turns.turn(listener, say("short"));
  const read = await promptsOf(turns, run);
  assert.ok(read.at(-1) <= 30_000, `${read.at(-1)} is more than half of the window`);
});

test("a history that nobody can summarise is cut to excerpts before it exceeds it", async (t) => {
  const window = 20_000;
  const turns = await open(t, window, ["fail: auth"]);
  const listener = await turns.listen();
  for (let i = 0; i < 12; i++) {
    const { end, run } = await turns.turn(listener, script(words(10_000), say(`answer ${i}`)));
    assert.equal(end.state, "succeeded");
    const read = await promptsOf(turns, run);
    assert.ok(Math.max(...read) <= window, `${Math.max(...read)} of ${window}`);
  }
  const compacted = summaries(listener);
  assert.ok(compacted.length > 0 && compacted.every((one) => one.method === "excerpt"));
  const note = (await turns.messages(listener.session)).find(isNote);
  assert.match(textOf(note), /could not be summarised.*excerpts.*about \d+ tokens became \d+/);
});

test("a message longer than the window fails with a cause, and the next works", async (t) => {
  const turns = await open(t, 8192);
  const listener = await turns.listen();
  const { end } = await turns.turn(listener, script(words(80_000), say("never")));
  assert.deepEqual([end.state, end.cause], ["failed", "compaction_failed"]);
  assert.match(end.note, /window/);
  assert.equal((await turns.turn(listener, say("well"))).end.state, "succeeded");
});

test("an edit, a rollback and a fork of what was folded within a turn", async (t) => {
  const turns = await open(t, 16384);
  const listener = await turns.listen({ root: turns.root });
  const reads = Array.from({ length: 6 }, (_, i) => {
    writeFileSync(path.join(turns.root, `file${i}`), `${i}: ${words(60)}\n`.repeat(300));
    return [call("read_file", { path: `file${i}`, lines: 2000 }), "step:"];
  });
  const { run } = await turns.turn(listener, script("REQUEST", ...reads.flat(), say("read")));
  const [folded] = summaries(listener);
  const answer = await turns.answer(listener.session, run);
  assert.deepEqual([folded.covers, typeof folded.covers_step], [answer.id, "number"]);
  const fork = await turns.ask("POST", `/sessions/${listener.session}/fork`, {});
  const copy = await new Listener(turns, fork.json.id).open();
  const forked = await turns.turn(copy, say("in the fork"));
  assert.equal(summaries(copy).length, 0, "the summary went along");
  assert.ok((await promptsOf(turns, forked.run)).at(-1) < 12_000);
  const begun = await turns.send(listener.session, script(...reads.flat(), "delay: 600s"));
  await listener.until("context_compacted", (data) => data.run === begun.run);
  const next = await turns.send(listener.session, say("instead"), { policy: "rollback" });
  await listener.ended(next.run);
  assert.ok((await promptsOf(turns, next.run)).at(-1) <= 16384);
});

// --- A window that is smaller than anybody said --------------------------------------------------

const SMALL = 6000; // Tokens that it takes.

/** A provider that refuses prompts of more than `limit` tokens, and the next `refuseNext` prompts
 *  whatever their length; it counts what it refused. */
class Small extends Provider {
  refused = 0;
  refuseNext = 0;
  limit = SMALL;
  models = [{ id: "m" }];

  answer(request, body, answer) {
    const asks = request.method === "POST";
    if (asks && (this.refuseNext > 0 || Buffer.byteLength(body) / 4 > this.limit)) {
      this.refuseNext = Math.max(0, this.refuseNext - 1);
      this.refused++;
      answer.writeHead(400, { "content-type": "application/json" });
      answer.end(JSON.stringify({ error: { code: "context_length_exceeded", message: "long" } }));
      return;
    }
    super.answer(request, body, answer);
  }
}

const SAID = 32768; // Tokens, as its connection says.

async function openSmall(t, limit) {
  const provider = await new Small().start(t);
  provider.limit = limit;
  const turns = await Turns.open(t);
  const body = { name: "small", kind: "openai", base_url: provider.url, window: SAID };
  assert.equal((await turns.ask("POST", "/providers", body)).status, 201);
  return { provider, turns };
}

async function shownWindow(turns) {
  const { items } = await turns.get("/models");
  const { window, window_from } = items.find(({ id }) => id === "small/m");
  return [window, window_from];
}

test("a refusal far below a length that was taken is not believed", async (t) => {
  const { provider, turns } = await openSmall(t, Infinity);
  const long = await turns.listen({ model: "small/m" });
  assert.equal((await turns.turn(long, words(60_000))).end.state, "succeeded");
  const listener = await turns.listen({ model: "small/m" });
  provider.refuseNext = 1;
  assert.equal((await turns.turn(listener, words(8000))).end.state, "succeeded");
  assert.equal(provider.refused, 1);
  assert.equal(summaries(listener).length, 0);
  assert.deepEqual(await shownWindow(turns), [SAID, "connection"]);
  provider.refuseNext = 2;
  const { end } = await turns.turn(listener, words(800));
  assert.deepEqual([end.state, end.cause, provider.refused], ["failed", "context_overflow", 3]);
  assert.match(end.note, /took a prompt of about \d+ tokens/);
  assert.deepEqual(await shownWindow(turns), [SAID, "connection"]);
  assert.equal((await turns.turn(listener, words(800))).end.state, "succeeded");
  assert.equal(provider.refused, 3, "the next message is asked once");
  // It was refused twice, so a smaller window is believed from now on.
  provider.limit = 2800;
  for (let i = 0; i < 3; i++) {
    assert.equal((await turns.turn(listener, words(4000))).end.state, "succeeded");
  }
  const [window, from] = await shownWindow(turns);
  assert.equal(from, "learned");
  assert.ok(window < 2 * provider.limit, `${window}`);
});

test("a learned window has room for the instructions", async (t) => {
  const { provider, turns } = await openSmall(t, Infinity);
  const instructions = words(24_000); // 6,000 tokens.
  const listener = await turns.listen({ model: "small/m", instructions });
  for (let i = 0; i < 4; i++) await turns.turn(listener, words(4000));
  provider.refuseNext = 1;
  assert.equal((await turns.turn(listener, words(4000))).end.state, "succeeded");
  const [window, from] = await shownWindow(turns);
  assert.equal(from, "learned");
  assert.ok(window > 12_000 && window < SAID, `${window}`);
});

test("a longer prompt that is taken raises a learned window; a person forgets it", async (t) => {
  const { provider, turns } = await openSmall(t, SMALL);
  const listener = await turns.listen({ model: "small/m" });
  const learn = async () => {
    const refused = provider.refused;
    for (let i = 0; provider.refused === refused; i++) {
      assert.ok(i < 20, "it refuses sooner");
      assert.equal((await turns.turn(listener, words(4000))).end.state, "succeeded");
    }
  };
  await learn();
  assert.equal((await shownWindow(turns))[1], "learned");
  const shown = await turns.daemon.cli(["models"]);
  assert.match(shown.stdout, /small\/m +\d+ +learned/);
  provider.limit = Infinity;
  const long = await turns.listen({ model: "small/m" });
  assert.equal((await turns.turn(long, words(40_000))).end.state, "succeeded");
  const [raised] = await shownWindow(turns);
  assert.ok(raised > 10_000, `${raised}`);
  long.close();
  listener.close();
  await turns.daemon.kill();
  await turns.daemon.start();
  assert.deepEqual(await shownWindow(turns), [raised, "learned"]);
  const forgot = await turns.daemon.cli(["provider", "forget", "small"]);
  assert.equal(forgot.code, 0, forgot.stderr);
  assert.deepEqual(await shownWindow(turns), [SAID, "connection"]);
  await turns.daemon.kill();
  await turns.daemon.start();
  assert.deepEqual(await shownWindow(turns), [SAID, "connection"]);
  const none = await turns.ask("DELETE", "/providers/nobody/windows");
  assert.deepEqual([none.status, none.json.code], [404, "not_found"]);
});

test("a window that is smaller than was said is learned, and kept over a restart", async (t) => {
  const { provider, turns } = await openSmall(t, SMALL);
  const listener = await turns.listen({ model: "small/m" });
  for (let i = 0; provider.refused === 0; i++) {
    assert.ok(i < 20, "it refuses sooner");
    const { end, message } = await turns.turn(listener, words(4000));
    assert.deepEqual([end.state, textOf(message)], ["succeeded", "ok"]);
  }
  assert.equal(summaries(listener).length, 1);
  const [window, from] = await shownWindow(turns);
  assert.equal(from, "learned");
  assert.ok(window < SMALL, `${window}`);
  for (let i = 0; i < 4; i++) {
    assert.equal((await turns.turn(listener, words(4000))).end.state, "succeeded");
  }
  assert.equal(provider.refused, 1, "it isn't asked too much again");
  await turns.daemon.kill();
  await turns.daemon.start();
  await listener.open();
  for (let i = 0; i < 4; i++) {
    assert.equal((await turns.turn(listener, words(4000))).end.state, "succeeded");
  }
  assert.equal(provider.refused, 1, "nor after a restart");
});

/** Refuses to summarise, once it is let. */
class Unwilling extends Provider {
  models = [{ id: "m" }];
  asks = promise();
  let = promise();

  answer(request, body, answer) {
    if (request.method !== "POST" || JSON.parse(body).tools !== undefined) {
      super.answer(request, body, answer);
      return;
    }
    this.asks.resolve();
    this.let.promise.then(() => {
      answer.writeHead(400, { "content-type": "application/json" });
      answer.end(JSON.stringify({ error: { message: "not that" } }));
    });
  }
}

function promise() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}

test("a window that is set while a summary fails is kept by an excerpt", async (t) => {
  const provider = await new Unwilling().start(t);
  const turns = await Turns.open(t);
  const body = { name: "small", kind: "openai", base_url: provider.url };
  assert.equal((await turns.ask("POST", "/providers", body)).status, 201);
  const listener = await turns.listen({ model: "small/m" });
  await turns.turn(listener, words(40_000));
  await turns.turn(listener, words(40_000));
  const last = turns.turn(listener, words(20_000));
  await provider.asks.promise; // A guessed window: the prompt could go as it is.
  const set = await turns.ask("PATCH", "/providers/small", { window: 20_000 });
  assert.equal(set.status, 200, set.text);
  provider.let.resolve();
  const { end } = await last;
  assert.equal(end.state, "succeeded", end.note);
  assert.deepEqual(summaries(listener).map(({ method }) => method), ["excerpt"]);
});
