// trace.test.mjs: what a run did, step by step, over HTTP and by `drover trace`.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";
import { call, Listener, say, script, Turns } from "./turns.mjs";

async function daemonFor(t) {
  const data = path.join(scratch(t), "d");
  const daemon = await new Daemon({ data, args: ["--insecure-loopback"] }).start();
  t.after(() => daemon.kill());
  return daemon;
}

async function start(daemon, body) {
  const answer = await daemon.request("POST", "/api/v1/jobs", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

/** Follows the run's stream to where it ends. */
async function ended(daemon, id) {
  const stream = await openSse(daemon, `/api/v1/streams/run:${id}/events`);
  let last;
  for (let frame; (frame = await stream.next()); ) last = frame;
  assert.equal(last.event, "done");
}

async function ran(daemon, body) {
  const id = await start(daemon, body);
  await ended(daemon, id);
  return id;
}

const spans = (daemon, id, query = "") =>
  daemon.request("GET", `/api/v1/runs/${id}/spans${query}`);

test("the number of a turn that was removed is not given to the next one", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const begun = async (text) => {
    const { run } = await turns.turn(listener, say(text));
    const { data } = listener.heard.events.findLast(({ type }) => type === "turn_started");
    return { run, number: data.number };
  };
  const first = await begun("one");
  const second = await begun("two");
  for (const { run } of [second, first]) {
    assert.equal((await turns.ask("DELETE", `/runs/${run}`)).status, 200);
  }
  const third = await begun("three");
  assert.deepEqual([first, second, third].map(({ number }) => number), [1, 2, 3]);
  assert.equal((await turns.ask("DELETE", `/runs/${third.run}`)).status, 200);
  await turns.daemon.stop();
  await turns.daemon.start();
  const again = await new Listener(turns, listener.session).open();
  const { run } = await turns.turn(again, say("four"));
  const { items } = await turns.get(`/sessions/${listener.session}/spans?turn=4`);
  assert.deepEqual(items.map((span) => span.run), [run]);
  again.close();
  listener.close();
});

test("each attempt of a job is a step, with what it used and how it ended", async (t) => {
  const daemon = await daemonFor(t);
  const id = await ran(daemon, {
    shell: "echo out; exit 7",
    retry: { max: 2, backoff: 10 },
    label: "tries hard",
  });
  const answer = await spans(daemon, id);
  assert.equal(answer.status, 200, answer.text);
  const { items, next } = answer.json;
  assert.equal(next, null);
  assert.deepEqual(
    items.map((span) => [span.attempt, span.step, span.kind, span.name, span.state, span.cause]),
    [1, 2, 3].map((attempt) => [attempt, 0, "process", "tries hard", "failed", "exit_code"]),
  );
  for (const span of items) {
    assert.equal(span.exit_code, 7);
    assert.ok(span.ended_ms >= span.started_ms);
    assert.ok(span.cpu_us > 0 && span.memory_kb > 0 && span.disk_bytes > 0, JSON.stringify(span));
    assert.deepEqual([span.tokens, span.cost_micros, span.estimated], [null, null, false]);
  }
});

test("steps come in pages, and a cursor that was made up is refused", async (t) => {
  const daemon = await daemonFor(t);
  const id = await ran(daemon, { shell: "exit 1", retry: { max: 4, backoff: 10 } });
  const all = [];
  let query = "?limit=2";
  for (let pages = 0; query !== null; pages++) {
    assert.ok(pages < 4);
    const { json } = await spans(daemon, id, query);
    all.push(...json.items.map((span) => span.attempt));
    query = json.next === null ? null : `?limit=2&after=${json.next}`;
  }
  assert.deepEqual(all, [1, 2, 3, 4, 5]);
  for (const bad of ["1", "x.y", "1.", ".1", "-1.0", "1.0.0"]) {
    const answer = await spans(daemon, id, `?after=${bad}`);
    assert.deepEqual([answer.status, answer.json.code], [400, "bad_cursor"], bad);
  }
  assert.equal((await spans(daemon, id.replace(/.$/, "_"))).status, 404);
});

test("a crash leaves no step that runs for ever", async (t) => {
  const daemon = await daemonFor(t);
  const id = await start(daemon, { argv: ["sleep", "1000"] });
  assert.equal((await spans(daemon, id)).json.items[0].state, "running");
  await daemon.kill();
  await daemon.start();
  const stop = await daemon.request("POST", `/api/v1/runs/${id}/stop`, { body: {} });
  assert.equal(stop.status, 200, stop.text);
  await ended(daemon, id);
  const { items } = (await spans(daemon, id)).json;
  assert.deepEqual(
    items.map((span) => [span.attempt, span.state, span.cause]),
    [[1, "cancelled", "stopped"]],
  );
});

test("steps go with their run", async (t) => {
  const daemon = await daemonFor(t);
  const id = await ran(daemon, { argv: ["true"] });
  assert.equal((await daemon.request("DELETE", `/api/v1/runs/${id}`)).status, 200);
  assert.equal((await spans(daemon, id)).status, 404);
});

test("a run names the one above it", async (t) => {
  const daemon = await daemonFor(t);
  const id = await ran(daemon, { argv: ["true"] });
  const whole = (await daemon.request("GET", `/api/v1/runs/${id}`)).json;
  const [light] = (await daemon.request("GET", "/api/v1/runs")).json.items;
  assert.deepEqual([whole.parent, light.parent], [null, null]);
  assert.equal("spec" in light, false);
});

test("drover trace prints a line for each step, or its JSON", async (t) => {
  const daemon = await daemonFor(t);
  const id = await ran(daemon, { shell: ": '\u001b[31mred'; exit 3" });
  const table = await daemon.cli(["trace", id]);
  assert.equal(table.code, 0, table.stderr);
  const [head, line, ...rest] = table.stdout.trimEnd().split("\n");
  assert.match(head, /^STEP +KIND +NAME +STARTED +TOOK +TOKENS +COST +OUTCOME$/);
  assert.match(line, /^1\.0 +process +: '\?\[31mred'; exit 3 +.* +failed \(exit code 3\)$/);
  assert.deepEqual(rest, []);
  const json = await daemon.cli(["trace", id, "--json"]);
  const { items } = (await spans(daemon, id)).json;
  assert.deepEqual(json.stdout.trimEnd().split("\n").map(JSON.parse), items);
  const none = await daemon.cli(["trace", "run_00000000000000000000000000"]);
  assert.equal(none.code, 3);
});

test("steps of a session are listed by turn, with what of a prompt was in the cache", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const read = script(call("list_files", { path: "." }), "step:", say("looked"));
  const asked = [
    await turns.turn(listener, script(say("one"), "usage: fresh=60 cache_read=40 output=5")),
    await turns.turn(listener, read),
    await turns.turn(listener, say("three")),
  ];
  const target = `/sessions/${listener.session}/spans`;
  const all = (await turns.get(target)).items;
  assert.deepEqual(all.map((span) => [span.turn, span.kind, span.name, span.run]), [
    [1, "model", "scripted/demo", asked[0].run],
    [2, "model", "scripted/demo", asked[1].run],
    [2, "tool", "list_files", asked[1].run],
    [2, "model", "scripted/demo", asked[1].run],
    [3, "model", "scripted/demo", asked[2].run],
  ]);
  const answers = asked.map((one) => one.message.id);
  assert.deepEqual(all.map((span) => span.message), [0, 1, 1, 1, 2].map((n) => answers[n]));
  const paged = [];
  for (let after = "", page; after !== null; after = page.next) {
    page = await turns.get(`${target}?limit=2${after ? `&after=${after}` : ""}`);
    paged.push(...page.items);
  }
  assert.deepEqual(paged, all);
  assert.deepEqual((await turns.get(`${target}?turn=2`)).items, all.slice(1, 4));
  assert.deepEqual((await turns.get(`${target}?turn=2&limit=1&after=2.1.1`)).items, [all[2]]);
  assert.deepEqual((await turns.get(`${target}?turn=9`)).items, []);

  const { tools, instructions, history } = all[0].prompt;
  const parts = [tools, instructions, history];
  const sum = (name) => parts.reduce((all, part) => all + part[name], 0);
  assert.deepEqual([sum("tokens"), sum("cache_read")], [100, 40]);
  assert.ok(tools.tokens > history.tokens, "many tools, few words");
  assert.equal(tools.cache_read, Math.min(40, tools.tokens), "they stand first in a prompt");
  assert.equal(all[2].prompt, null);

  for (const [query, status] of [["?turn=0", 400], ["?after=1.1", 400], ["?after=x", 400]]) {
    assert.equal((await turns.ask("GET", `${target}${query}`)).status, status, query);
  }
  const none = await turns.ask("GET", `/sessions/ses_${"0".repeat(26)}/spans`);
  assert.deepEqual([none.status, none.json.code], [404, "not_found"]);
  const cli = (...args) => turns.daemon.cli(["trace", ...args]);
  const shown = await cli(listener.session, "--turn", "2");
  const steps = /\n2:1\.1 .*\n2:1\.2 +tool +list_files .*\n2:1\.3 [^]*\n3 steps, /;
  assert.match(shown.stdout, steps);
  assert.equal((await cli(listener.session)).stdout.split("\n").length, 1 + 5 + 3);
  const wrong = await cli(asked[0].run, "--turn", "2");
  assert.deepEqual([wrong.code, /--turn is one of a session/.test(wrong.stderr)], [2, true]);
});

test("a call that was refused is in the trace, and nothing was read", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const paths = ["../../etc/passwd", "/proc/self/root/etc/passwd", "/etc/passwd"];
  const calls = paths.map((path) => call("read_file", { path }));
  const { run, message } = await turns.turn(listener, script(...calls, "step:", say("so")));
  const cards = message.parts.filter((part) => part.kind === "tool");
  assert.ok(cards.every((card) => card.cause === "not_permitted" && !/root:/.test(card.text)));
  const steps = (await spans(turns.daemon, run)).json.items.filter((span) => span.kind === "tool");
  assert.deepEqual(steps.map(({ name, state, cause }) => [name, state, cause]),
    paths.map(() => ["read_file", "failed", "not_permitted"]));
  assert.deepEqual(steps.map((span) => JSON.parse(span.input).path), paths);
});

test("events of a call name its span, its time, its cause and what it changes", async (t) => {
  const turns = await Turns.open(t);
  const permissions = [{ tool: "write_file", subject: "*", permission: "allow" }];
  const settings = { permissions };
  const listener = await turns.listen({ root: turns.root, settings });
  const long = Array.from({ length: 3000 }, (_, n) => `line ${n} of a long file`).join("\n");
  const { run } = await turns.turn(listener, script(
    call("write_file", { path: "a.txt", content: "new\n" }), "step:",
    call("write_file", { path: "b.txt", content: long }), "step:",
    call("read_file", { path: "none" }), "step:", say("so"),
  ));
  const of = (type) => listener.heard.events.filter((one) => one.type === type).map((e) => e.data);
  const items = (await spans(turns.daemon, run, "?kind=tool")).json.items;
  const started = of("tool_started");
  const finished = of("tool_finished");
  assert.deepEqual(items.map(({ id }) => id), items.map(({ step }) => `${run}.1.${step}`));
  for (const events of [started, finished]) {
    assert.deepEqual(events.map(({ span }) => span), items.map(({ id }) => id));
    assert.match(events[0].diff, /^--- [^]*\+new\n$/);
    assert.match(events[1].diff, /\+line 0 of a long file\n/);
    assert.equal("diff" in events[2], false);
  }
  assert.deepEqual(started.map(({ ms }) => ms), [null, null, null]);
  assert.deepEqual(finished.map(({ ms, cause }) => [Number.isInteger(ms), cause]),
    [[true, null], [true, null], [true, "not_found"]]);
  assert.ok(finished[1].diff.length <= 32 << 10);
  assert.deepEqual(finished.map((one) => one.diff_cut), [undefined, true, undefined]);
  listener.close();
});

test("events of calls of models say what their spans say, also after a kill", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen({ root: turns.root });
  const read = call("list_files", { path: "." });
  await turns.turn(listener, script(read, "step:", say("looked"), "usage: fresh=60 output=5"));
  await turns.turn(listener, "fail: bad_request no");
  const { run } = await turns.send(listener.session, "delay: 600s");
  await listener.until("span_started", (data) => data.run === run);
  await turns.daemon.kill();
  listener.close();
  await turns.daemon.start();
  const again = new Listener(turns, listener.session);
  await again.open();
  await again.until("span_started", (data) => data.id === `${run}.1.2`);
  assert.equal((await turns.ask("POST", `/runs/${run}/stop`)).status, 200);
  await again.ended(run);
  again.close();
  const rows = (await turns.get(`/sessions/${listener.session}/spans?kind=model`)).items;
  assert.deepEqual(rows.map(({ state }) => state),
    ["succeeded", "succeeded", "failed", "lost", "cancelled"]);
  const of = (type) => again.heard.events.filter((one) => one.type === type).map((e) => e.data);
  assert.deepEqual(of("span_started").map(({ message, ...data }) => data),
    rows.map(({ id, run, attempt, step, kind, name, started_ms }) =>
      ({ run, id, attempt, step, kind, name, started_ms })));
  assert.deepEqual(of("span_finished").map(({ message, ...data }) => data),
    rows.map(({ id, run, state, cause, tokens, cost_micros, started_ms, ended_ms }) =>
      ({ run, id, state, cause, ms: ended_ms - started_ms, tokens, cost_micros })));

  // A poll for changes gets what began or ended then or later, and nothing else.
  const target = `/sessions/${listener.session}/spans?changed_since=`;
  const all = (await turns.get(`${target}0`)).items;
  for (const { started_ms, ended_ms } of all) {
    for (const since of [started_ms, ended_ms + 1]) {
      const changed = all.filter((span) => span.started_ms >= since || span.ended_ms >= since);
      assert.deepEqual((await turns.get(`${target}${since}`)).items, changed);
    }
  }
});
