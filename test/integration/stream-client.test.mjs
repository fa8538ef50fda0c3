// stream-client.test.mjs: the client of web/src/stream keeps each stream whole, whatever happens to
// its connection and to the daemon.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Page, Proxy, liar } from "./stream-client.mjs";
import { Heard, Turns } from "./turns.mjs";

/** A daemon, a proxy before it, and a client behind that. */
async function start(t, more) {
  const args = ["--insecure-loopback", "--allow-host", "127.0.0.1"]; // With the port of the proxy.
  const turns = await Turns.open(t, { args });
  const proxy = await Proxy.open(t, turns.daemon.port);
  const page = new Page(t, proxy.port, more);
  await page.opened();
  return { turns, proxy, page };
}

async function append(turns, stream, count) {
  for (let i = 0; i < count; i++) {
    const answer = await turns.daemon.append(stream, { type: "note", data: { i } });
    assert.equal(answer.status, 201, answer.text);
  }
}

/** Lets the silent link die, and returns how long that took by the client's clock. */
async function silence(page) {
  const since = page.clock.time;
  while (page.link.phase === "open") {
    page.clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(page.clock.time - since < 60_000, "still open");
  }
  return page.clock.time - since;
}

test("three cuts, one of them silent, and a kill -9 in a turn leave the text whole", async (t) => {
  const { turns, proxy, page } = await start(t);
  const session = await turns.session();
  const name = `session:${session}`;
  let heard;
  let pieces = 0;
  page.follow(name, {
    snapshot: true,
    onSnapshot: (data, seq) => (heard = Heard.from(data, seq)),
    onEvents: (events) => events.forEach((event) => {
      heard.take(event);
      if (event.type === "delta") pieces++;
    }),
  });
  const more = async () => {
    const before = pieces;
    await page.until(() => pieces >= before + 3, "more text");
  };
  await page.until(() => heard !== undefined);
  const { run } = await turns.send(session, "tokens: 150 at 50/s");

  await more();
  proxy.cut();
  await page.until(() => page.link.phase === "waiting");
  await page.reconnected();
  await more();
  proxy.drop();
  const found = await silence(page);
  assert.ok(found <= 37_000, `found after ${found} ms`);
  await page.reconnected();
  await more();
  await turns.daemon.kill();
  await page.until(() => page.link.phase === "waiting");
  await turns.daemon.start();
  proxy.target = turns.daemon.port;
  await page.reconnected();
  await more();
  proxy.cut();
  await page.until(() => page.link.phase === "waiting");
  await page.reconnected();

  const isEnd = ({ type, data }) => type === "turn_finished" && data.run === run;
  await page.until(() => heard.events.some(isEnd), "the end of the turn");
  assert.equal(heard.events.find(isEnd).data.state, "succeeded");
  assert.ok(heard.discarded > 0, "the kill came in the middle of an answer");
  heard.agreesWith(await turns.answer(session, run));
  const { head } = await turns.get(`/streams/${name}`);
  await page.until(() => page.of(name).whole === head, "the head");
  const { gaps, missing, repeats, snapshots, rereads, below_floor } = page.of(name);
  assert.deepEqual({ gaps, missing, repeats, snapshots, rereads, below_floor },
    { gaps: 0, missing: 0, repeats: 0, snapshots: 1, rereads: 0, below_floor: 0 });
  assert.equal(page.link.cuts, 4);
  assert.equal(page.link.silent_cuts, 1);
  assert.deepEqual(page.errors, []);
});

test("a silent link is asked, stays when it answers, and is dead after 3 s when not", async (t) => {
  const { proxy, page } = await start(t);
  await page.until(() => page.frames > 0);
  const before = page.frames;
  page.clock.advance(17_000);
  await page.until(() => page.frames > before, "an answer to the ping");
  page.clock.advance(10_000);
  assert.equal(page.link.phase, "open");
  proxy.drop();
  page.client.wake();
  page.clock.advance(2_999);
  assert.equal(page.link.phase, "open");
  page.clock.advance(1);
  assert.equal(page.link.phase, "waiting");
  assert.equal(page.link.silent_cuts, 1);
  page.client.wake(); // No wait for the second that is left.
  await page.opened();
});

test("a link that stalls for a moment is not cut, and nothing is lost", async (t) => {
  const { turns, proxy, page } = await start(t);
  const heard = page.follow("notes", { after: 0 });
  await page.until(() => page.of("notes").phase === "live");
  proxy.stall();
  await append(turns, "notes", 5);
  page.client.wake();
  page.clock.advance(2_000);
  proxy.flow();
  await page.until(() => page.of("notes").whole === 5);
  page.clock.advance(5_000);
  assert.equal(page.link.cuts, 0);
  assert.deepEqual(heard.events.map(({ seq }) => seq), [1, 2, 3, 4, 5]);
});

test("after a cut it says from where it went on, and with how many events", async (t) => {
  const { turns, proxy, page } = await start(t);
  const heard = page.follow("notes", { after: 0, types: new Set(["other"]) });
  await append(turns, "notes", 2);
  await page.until(() => page.of("notes").whole === 2);
  proxy.cut();
  await page.until(() => page.link.phase === "waiting");
  await append(turns, "notes", 7);
  await page.reconnected();
  await page.until(() => page.of("notes").whole === 9);
  const { resumed, unknown } = page.of("notes");
  assert.deepEqual(resumed, { seq: 2, events: 7 });
  assert.equal(unknown, 9); // Of a type that was not asked for.
  assert.equal(heard.batches, 0);
  assert.ok(page.link.clock.within_ms >= 0);
});

test("a daemon that stops ends the link, and the next one goes on", async (t) => {
  const { turns, proxy, page } = await start(t);
  const heard = page.follow("notes", { after: 0 });
  await append(turns, "notes", 1);
  await page.until(() => page.of("notes").whole === 1);
  await turns.daemon.stop();
  await page.until(() => page.link.phase === "waiting");
  const delays = [];
  for (let i = 0; i < 7; i++) { // Nobody is there.
    delays.push(page.link.retry_at_ms - page.clock.time);
    page.clock.advance(delays.at(-1));
    await page.until(() => page.link.phase === "waiting");
  }
  assert.deepEqual(delays, [750, 1500, 3000, 6000, 12000, 22500, 22500]);
  await turns.daemon.start();
  proxy.target = turns.daemon.port;
  await append(turns, "notes", 1);
  await page.reconnected();
  await page.until(() => page.of("notes").whole === 2);
  assert.deepEqual(heard.events.map(({ seq }) => seq), [1, 2]);
});

test("a client below the floor, or ahead of the stream, begins again", async (t) => {
  const { turns, proxy, page } = await start(t);
  await append(turns, "notes", 3);
  const heard = page.follow("notes", { after: 0 });
  await page.until(() => page.of("notes").whole === 3);
  proxy.cut();
  await page.until(() => page.link.phase === "waiting");
  await append(turns, "notes", 5);
  const gone = await turns.ask("DELETE", "/streams/notes/events?through=6");
  assert.equal(gone.status, 200, gone.text);
  await page.reconnected();
  await page.until(() => page.of("notes").whole === 8);
  assert.deepEqual(heard.snapshots.map(({ seq }) => seq), [6]);
  assert.deepEqual(heard.events.map(({ seq }) => seq), [1, 2, 3, 7, 8]);
  const { below_floor, gaps, rereads } = page.of("notes");
  assert.deepEqual({ below_floor, gaps, rereads }, { below_floor: 1, gaps: 0, rereads: 0 });

  page.client.unsubscribe("notes");
  const ahead = page.follow("notes", { after: 99 });
  await page.until(() => page.of("notes").whole === 8 && page.of("notes").phase === "live");
  assert.equal(page.of("notes").rereads, 1);
  assert.deepEqual(ahead.events.map(({ seq }) => seq), [7, 8]);
});

test("a stream that ends is done, and one with an impossible name is refused", async (t) => {
  const { turns, page } = await start(t);
  const job = await turns.ask("POST", "/jobs", { argv: ["true"] });
  assert.equal(job.status, 201, job.text);
  const name = `run:${job.json.id}`;
  const heard = page.follow(name, { after: 0 });
  page.follow("a b", { after: 0 });
  await page.until(() => page.of(name).phase === "done");
  await page.until(() => page.of("a b").phase === "refused");
  assert.equal(heard.events.at(-1).type, "run_finished");
  assert.equal(page.of(name).whole, heard.events.length);
  assert.equal(page.of("a b").error.code, "bad_field");
  assert.throws(() => page.follow(name, { after: 0 }), /already/);
  assert.throws(() => page.follow("other", { after: -1 }), /after/);
});

test("a name that is left and followed again at once hears each event once", async (t) => {
  const { turns, page } = await start(t);
  await append(turns, "notes", 20);
  for (let i = 0; i < 5; i++) {
    page.follow("notes", { after: 0 });
    page.client.unsubscribe("notes");
  }
  const heard = page.follow("notes", { after: 0 });
  await page.until(() => page.of("notes").whole === 20);
  assert.deepEqual(heard.events.map(({ seq }) => seq), Array.from({ length: 20 }, (_, i) => i + 1));
  assert.equal(page.of("notes").repeats, 0);
});

test("a callback that throws stops neither its stream nor another", async (t) => {
  const { turns, page } = await start(t);
  const bad = page.follow("bad", { after: 0, onEvents: () => { throw new Error("of the page"); } });
  const good = page.follow("good", { after: 0 });
  await append(turns, "bad", 1);
  await append(turns, "good", 1);
  await page.until(() => page.of("good").whole === 1 && page.of("bad").whole === 1);
  assert.deepEqual([bad.events.length, good.events.length], [1, 1]);
  assert.deepEqual(page.errors.map(({ message }) => message), ["of the page"]);
});

const event = (seq) => ({ stream: "notes", seq, at_ms: 1, type: "note", data: { seq } });

test("frames after a gap are held back, until the daemon has nothing else", async (t) => {
  const asked = [];
  const port = await liar(t, (said, tell) => {
    if (said.unsubscribe) {
      tell(event(5)); // It was on its way.
      return tell({ unsubscribed: "notes" });
    }
    if (!said.subscribe) return undefined;
    asked.push(said);
    tell({ subscribed: "notes" });
    if (said.snapshot) tell({ ...event(2), type: "snapshot", data: { floor: 2, head: 5 } });
    else [event(1), event(2)].filter(({ seq }) => seq > said.after).forEach(tell);
    tell(event(4));
    return tell(event(5));
  });
  const page = new Page(t, port);
  await page.opened();
  const heard = page.follow("notes", { after: 0 });
  await page.until(() => asked.length === 2 && page.frames >= 9);
  assert.deepEqual(heard.events.map(({ seq }) => seq), [1, 2]);
  assert.equal(page.of("notes").whole, 2);
  page.clock.advance(5_000);
  await page.until(() => page.of("notes").whole === 5);
  assert.deepEqual(asked.map(({ after, snapshot }) => after ?? snapshot), [0, 2, true]);
  assert.deepEqual(heard.events.map(({ seq }) => seq), [1, 2, 4, 5]);
  const { gaps, missing, rereads, repeats } = page.of("notes");
  assert.deepEqual({ gaps, missing, rereads, repeats },
    { gaps: 1, missing: 1, rereads: 1, repeats: 0 });
});

test("frames that were on their way to a name that was left belong to nobody", async (t) => {
  let asked = 0;
  const port = await liar(t, (said, tell) => {
    if (said.unsubscribe && asked === 1) tell({ unsubscribed: "notes" });
    else if (said.unsubscribe) tell({ stream: "notes", error: { code: "not_found", status: 404 } });
    if (!said.subscribe) return;
    asked++;
    tell({ subscribed: "notes" });
    tell(event(1));
  });
  const page = new Page(t, port);
  await page.opened();
  for (let i = 0; i < 2; i++) {
    page.follow("notes", { after: 0 });
    page.client.unsubscribe("notes");
  }
  const heard = page.follow("notes", { after: 0 });
  await page.until(() => asked === 3 && page.frames >= 8);
  await page.until(() => page.of("notes").whole === 1);
  const { phase, repeats } = page.of("notes");
  assert.deepEqual({ phase, repeats }, { phase: "live", repeats: 0 });
  assert.equal(heard.events.length, 1);
});

test("a flood is one delivery a picture, and a full batch waits for none", async (t) => {
  const port = await liar(t, (said, tell) => {
    if (!said.subscribe) return;
    tell({ subscribed: "notes" });
    tell({ unheard: "of" });
    tell({ stream: "notes", type: "run_progress", data: {} });
    for (let seq = 1; seq <= 2_500; seq++) tell(event(seq));
    tell(event(2_500));
  });
  const pictures = [];
  const page = new Page(t, port, { frame: (call) => pictures.push(call) });
  await page.opened();
  const heard = page.follow("notes", { after: 0 });
  await page.until(() => page.frames >= 2_504);
  assert.ok(heard.events.length >= 1_999 && heard.events.length < 2_500, `${heard.events.length}`);
  assert.ok(heard.batches <= 2);
  pictures.forEach((call) => call());
  assert.equal(heard.events.length, 2_500);
  assert.equal(heard.notices.length, 1);
  const { whole, repeats } = page.of("notes");
  assert.deepEqual({ whole, repeats }, { whole: 2_500, repeats: 1 });
  assert.equal(page.client.report().unknown_frames, 1);
});

test("a key is the first message, and a refused one ends the attempts", async (t) => {
  const said = [];
  const port = await liar(t, (one, tell, socket) => {
    said.push(one);
    if (said.length === 1) socket.close(1008, "unauthorized");
  });
  const page = new Page(t, port, { key: "drv_of_yesterday" });
  await page.until(() => page.link.phase === "signed_out");
  assert.deepEqual(said[0], { key: "drv_of_yesterday" });
  assert.equal(page.link.refusal, "unauthorized");
  page.client.wake();
  page.clock.advance(60_000);
  assert.deepEqual(page.phases, ["connecting", "open", "signed_out"]);
});

test("text that is no frame ends the connection, and not the client", async (t) => {
  let connections = 0;
  const port = await liar(t, (said, tell, socket) => {
    if (said.ping === undefined) return;
    if (++connections === 1) socket.send("[");
    else tell({ pong: said.ping, at_ms: 1 });
  });
  const page = new Page(t, port);
  await page.until(() => page.link.phase === "waiting");
  await page.reconnected();
  assert.equal(page.client.report().broken_frames, 1);
});
