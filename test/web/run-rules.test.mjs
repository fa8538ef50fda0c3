// run-rules.test.mjs: the rules of a run's view, without a browser: its fold, its plan, its rows,
// its axis, and why it does not move.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { CHECKPOINT, headOf, historyAdd, historyBegin, historyNew, stateAt } =
  await compiled("run/fold.ts");
const { fit, ghostSpan, panned, pinsOf, rowsOf, spanOf, sumsOf, ticksOf, windowOf, zoomed } =
  await compiled("run/layout.ts");
const { historyRead } = await compiled("run/history.ts");
const { filled, isRehearsable, planned } = await compiled("run/plan.ts");
const { failuresOf } = await compiled("run/alike.ts");
const { marksOf } = await compiled("run/marks.ts");
const { culprit, pulse, sentence } = await compiled("run/why.ts");
const { ROWS_MAX, rowsNear } = await compiled("parts/rows.tsx");

/** Events with numbers and times: each begins a second after the one before. */
const stream = (...list) => list.map(([type, data = {}], at) =>
  ({ seq: at + 1, at_ms: 1000 * (at + 1), type, data }));
const folded = (...list) => {
  const history = historyNew();
  historyAdd(history, stream(["workflow_started", { name: "flock" }], ...list));
  return history.last;
};
const one = (state, id = "a.1") => state.agents.get(id);
const begin = (key, more) =>
  ["agent_started", { key, run: `run_${key}`, label: key, phase: "P", ...more }];
const end = (key, state = "succeeded", more) =>
  ["agent_finished", { key, run: `run_${key}`, state, cached: false, ...more }];
const bars = (agent) => agent.bars.map(({ kind, from_ms, to_ms, attempt }) =>
  [kind, from_ms / 1000, to_ms === null ? null : to_ms / 1000, attempt]);

/** Numbers that look like chance, and are the same each time. */
function chance(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

/** A run of many agents, in which all that may happen does. */
function longRun(count, random) {
  const list = [["workflow_started", { name: "flock", phases: [{ title: "P" }] }]];
  const live = [];
  for (let n = 0; list.length < count; n++) {
    const key = `k${n}.1`;
    const agent = { key, run: `run_${n}`, label: `agent ${n}`, phase: `P${n % 7}` };
    if (random(3) === 0) list.push(["agent_queued", { ...agent, run: null, gate: "slot" }]);
    list.push(["agent_started", agent]);
    live.push(agent);
    for (let more = random(4); more > 0 && live.length > 0; more--) {
      const at = random(live.length), other = live[at], apr = `apr_${list.length}`;
      const said = [
        [["agent_waiting", { approval: apr, tool: "run_command", state: "open" }],
          ["agent_answered", { approval: apr, state: "allowed" }]],
        [["agent_retrying", { gate: "provider", resume_at_ms: 5 }], ["agent_resumed", {}]],
        [["agent_restarted", { attempt: 2 }]],
        [["agent_finished", { state: ["succeeded", "failed", "cancelled"][random(3)], tokens: 7 }]],
        [["log", { no: list.length, text: "x" }]],
        [["something_new", {}]],
      ][random(6)];
      for (const [type, data] of said) list.push([type, { ...other, ...data }]);
      if (said[0][0] === "agent_finished") live.splice(at, 1);
    }
  }
  return stream(...list);
}

test("the state at each of many moments is the fold of the events up to it", () => {
  const random = chance(7), events = longRun(5000, random), history = historyNew();
  for (let at = 0; at < events.length;) { // As they come, in pieces that overlap.
    const length = 1 + random(300);
    historyAdd(history, events.slice(Math.max(0, at - random(20)), at + length));
    at += length;
  }
  assert.equal(headOf(history), events.length);
  assert.equal(history.events.length, events.length, "none is taken twice");
  assert.equal(history.kept.length, 1 + Math.floor(events.length / CHECKPOINT));
  const plain = ({ agents, keys: _, ...rest }) => ({ ...rest, agents: [...agents] });
  for (let n = 0; n < 50; n++) {
    const seq = n === 0 ? 1 : 1 + random(events.length);
    const fresh = historyNew();
    historyAdd(fresh, events.slice(0, seq));
    assert.deepEqual(plain(stateAt(history, seq)), plain(fresh.last), `at ${seq}`);
  }
  assert.ok(history.last.skipped > 0, "what is not known is skipped");
});

/** A daemon that has these events: its pages end at `cut` events. */
const pagesOf = (events, { cut = 1000, fails = () => false } = {}) => ({
  asked: [],
  ask(after, limit) {
    this.asked.push(after);
    const page = events.filter(({ seq }) => seq > after).slice(0, Math.min(cut, limit));
    return Promise.resolve(fails(after) ? { ok: false, problem: {} }
      : { ok: true, value: { events: page, head: events.at(-1).seq, floor: 0 } });
  },
});

test("the history is read in pages, whole and in order, also where they end early", async () => {
  const events = longRun(5500, chance(9));
  for (const cut of [1000, 300]) {
    const history = historyNew(), daemon = pagesOf(events, { cut });
    let firsts = 0;
    const left = await historyRead(history,
      { ask: (...all) => daemon.ask(...all), onFirst: () => void firsts++ });
    assert.deepEqual([left, firsts, headOf(history)], [null, 1, events.length]);
    assert.deepEqual(history.events.map(({ seq }) => seq), events.map(({ seq }) => seq));
    assert.equal(new Set(daemon.asked).size, daemon.asked.length, "nothing is asked for twice");
  }
});

test("after a page that fails nothing is taken; a second reading goes on there", async () => {
  const events = longRun(5500, chance(11)), history = historyNew();
  let isBroken = true;
  const daemon = pagesOf(events, { fails: (after) => isBroken && after === 2000 });
  const wish = { ask: (...all) => daemon.ask(...all) };
  await historyRead(history, wish);
  assert.equal(headOf(history), 2000);
  assert.equal((await historyRead(history, wish)).ok, false, "it says what failed");
  isBroken = false;
  assert.equal(await historyRead(history, wish), null);
  assert.deepEqual(history.events.map(({ seq }) => seq), events.map(({ seq }) => seq));
});

test("a page with a snapshot is handed back, and a number that does not exist ends nothing",
  async () => {
    const history = historyNew(), value = { events: [], head: 9, snapshot: {}, snapshot_seq: 9 };
    const left = await historyRead(history, { ask: () => Promise.resolve({ ok: true, value }) });
    assert.deepEqual([left.value, headOf(history)], [value, 0]);
    const events = longRun(2500, chance(13)).filter(({ seq }) => seq !== 1000 && seq !== 2001);
    const daemon = pagesOf(events);
    await historyRead(history, { ask: (...all) => daemon.ask(...all) });
    assert.deepEqual(history.events.map(({ seq }) => seq), events.map(({ seq }) => seq));
  });

test("events that come twice at once are taken once", () => {
  const history = historyNew(), events = longRun(40, chance(15));
  historyAdd(history, [...events.slice(0, 30), ...events.slice(20)]);
  assert.deepEqual(history.events.map(({ seq }) => seq), events.map(({ seq }) => seq));
});

test("a state that somebody has does not change when events come", () => {
  const history = historyNew();
  historyAdd(history, stream(["workflow_started", {}], begin("a.1")));
  const before = history.last, agent = one(before);
  historyAdd(history, stream(["workflow_started", {}], begin("a.1"), end("a.1")));
  assert.equal(one(before), agent);
  assert.equal(agent.state, "running");
  assert.equal(one(history.last).state, "succeeded");
  assert.equal(historyAdd(history, []), false);
});

test("bars of an agent: queue, work, question, provider, attempts", () => {
  const queued = ["agent_queued",
    { key: "a.1", label: "a", phase: "P", gate: "slot", limit: "run" }];
  const waits = (approval) => ["agent_waiting", { key: "a.1", approval, tool: "t", state: "open" }];
  const answered = (approval) => ["agent_answered", { key: "a.1", approval, state: "allowed" }];
  const state = folded(queued, queued, begin("a.1", { session: "ses_1", line: 7 }), queued,
    waits("apr_1"), waits("apr_2"), answered("apr_1"), answered("apr_2"),
    ["agent_retrying", { key: "a.1", gate: "provider", cause: "rate_limited", resume_at_ms: 9 }],
    ["agent_resumed", { key: "a.1" }], ["agent_restarted", { run: "run_a.1", attempt: 2 }],
    end("a.1", "failed", { cause: "x", note: "why" }), begin("a.1"));
  assert.deepEqual(bars(one(state)), [["queued", 2, 4, 1], ["run", 4, 6, 1], ["wait", 6, 9, 1],
    ["run", 9, 10, 1], ["retry", 10, 11, 1], ["run", 11, 12, 1], ["run", 12, 13, 2]]);
  const { state: name, note, attempt, session, line, asks } = one(state);
  assert.deepEqual([name, note, attempt, session, line, asks],
    ["failed", "why", 2, "ses_1", 7, []]);
  assert.equal(state.agents.size, 1, "the run and the key are the same agent");
});

test("a cached agent has a bar of its own; one that never began ends with the run", () => {
  const state = folded(begin("a.1"), end("a.1", "succeeded", { cached: true }),
    ["agent_queued", { key: "b.1", gate: "slot" }],
    ["workflow_finished", { state: "cancelled", cause: "stopped" }]);
  assert.deepEqual(bars(one(state)), [["cached", 3, 3, 1]]);
  assert.deepEqual([one(state, "b.1").state, one(state, "b.1").ended_ms], ["cancelled", 5000]);
  assert.equal(state.end.state, "cancelled");
});

test("without keys agents are known by their runs", () => {
  const state = folded(["agent_started", { run: "run_1", label: "a", phase: null }],
    ["agent_finished", { run: "run_1", state: "succeeded", tokens: 3 }]);
  assert.deepEqual([...state.agents.keys()], ["run_1"]);
  assert.deepEqual([one(state, "run_1").phase, one(state, "run_1").tokens], ["", 3]);
});

test("where a prefix is gone, the state begins with the snapshot", () => {
  const agent = { id: "run_1", key: "a.1", label: "a", phase: "P", state: "running",
    started_ms: 500, ended_ms: null, attempts: 2,
    waiting: { for: "approval", since_ms: 700, approval: "apr_1", tool: "t" } };
  const history = historyBegin({ floor: 40, run: { started_ms: 400 }, workflow: { name: "flock" },
    agents: [agent], agents_more: true, lines: [{ seq: 12, type: "phase", no: 1, title: "P" },
      { seq: 31, type: "log", no: 3, text: "later" },
      { seq: 30, type: "log", no: 2, text: "sooner" }] }, 42);
  assert.deepEqual(history.last.lines.map(({ no, seq, at_ms }) => [no, seq, at_ms]),
    [[1, 12, 0], [2, 30, 0], [3, 31, 0]], "in their order, of an unknown time");
  assert.equal(history.last.cut, true, "not all agents had room");
  historyAdd(history, [{ seq: 42, at_ms: 900, type: "log", data: {} },
    { seq: 43, at_ms: 1000, type: "agent_answered", data: { run: "run_1", approval: "apr_1" } }]);
  assert.deepEqual([history.floor, headOf(history)], [42, 43]);
  assert.equal(one(stateAt(history, 42)).state, "waiting");
  assert.equal(one(stateAt(history, 1)).state, "waiting", "there is nothing before it");
  assert.equal(one(stateAt(history, 43)).state, "running");
  assert.equal(history.last.begun.name, "flock");
});

/* --- The plan --- */

const step = (label, agents = 1, more) =>
  ({ wave: 1, phase: "P", label, model: null, cached: false, agents, ...more });
const plan = (...steps) => ({ ended: "finished", cached: 0, steps, unlisted: 0,
  agents: steps.reduce((sum, { agents }) => sum + agents, 0), price: { micros: 0, unpriced: 0 } });

test("agents fill the places that were foreseen; what nobody foresaw is marked", () => {
  const foreseen = plan(step("a"), step("b", 3), step("c"));
  const started = (key, label) => begin(key, { label });
  const state = folded(started("1", "b"), started("2", "b"), started("3", "x"), started("4", "a"),
    started("5", "a"));
  const { ghosts, unplanned } = filled(foreseen, state);
  assert.deepEqual(ghosts.map(({ label, agents }) => [label, agents]), [["b", 1], ["c", 1]]);
  assert.deepEqual([...unplanned], ["3", "5"]);
  assert.equal(planned(ghosts) + state.agents.size - unplanned.size, foreseen.agents);
  assert.equal(planned(filled(foreseen, folded()).ghosts), foreseen.agents, "before it begins");
  const over = folded(started("1", "b"), ["workflow_finished", { state: "succeeded" }]);
  assert.deepEqual(filled(foreseen, over).ghosts, [], "nothing fills them any more");
  assert.equal(filled({ ...foreseen, unlisted: 2 }, state).unplanned.size, 0,
    "of places that are not listed nobody knows");
  assert.equal(filled(null, state).unplanned.size, 0);
});

test("no rehearsal of what is over and has more kinds of agents than one lists", () => {
  const many = (count) => Array.from({ length: count }, (_, n) => begin(String(n)));
  const over = ["workflow_finished", { state: "succeeded" }];
  assert.equal(isRehearsable(folded(...many(201))), true, "ghosts are known while it lives");
  assert.equal(isRehearsable(folded(...many(201), over)), false);
  assert.equal(isRehearsable(folded(...many(200), over)), true);
});

/* --- Rows --- */

test("failures and questions stand at the top of their phase, ghosts at its end", () => {
  const state = folded(["phase", { no: 1, title: "P" }], begin("a"), begin("b"), begin("c"),
    begin("d"), end("a"), end("b", "failed"), begin("z", { phase: null }),
    ["agent_waiting", { key: "d", approval: "apr_1", tool: "t", state: "open" }]);
  const fill = filled(plan(step("later")), state);
  const rows = rowsOf(state, fill, { closed: new Set() });
  const names = rows.map((row) => (row.kind === "phase" ? `[${row.title}]`
    : row.kind === "agent" ? row.id : `(${row.ghost.label})`));
  assert.deepEqual(names, ["[P]", "b", "d", "a", "c", "(later)", "[]", "z"]);
  const { sums, state: shape } = rows[0];
  assert.deepEqual([sums.total, sums.done, sums.waits, sums.failed, sums.running, shape],
    [5, 2, 1, 1, 1, "waiting"]);
  const frozen = rowsOf(state, fill, { closed: new Set(), pins: new Set() });
  assert.deepEqual(frozen.slice(1, 5).map(({ id }) => id), ["a", "b", "c", "d"],
    "a row below the pointer does not move");
  assert.deepEqual(rowsOf(state, fill, { closed: new Set(["P"]) }).map(({ id }) => id),
    ["phase-P", "phase-", "z"]);
  assert.deepEqual([...pinsOf(state)], ["b", "d"]);
  assert.equal(sumsOf(state.agents.values(), []).total, 5);
});

test("phases of meta stand in its order, before they begin and after", () => {
  const history = historyNew();
  historyAdd(history, stream(["workflow_started", { phases: [{ title: "A" }, { title: "B" }] }],
    begin("x", { phase: "C" }), begin("y", { phase: "A" })));
  const titles = (state) => rowsOf(state, filled(null, state), { closed: new Set() })
    .filter(({ kind }) => kind === "phase").map(({ title, after }) => [title, after]);
  assert.deepEqual(titles(history.last), [["A", null], ["B", "A"], ["C", null]]);
});

test("at most 60 rows are drawn, wherever a list of any height stands", () => {
  const random = chance(3);
  for (let n = 0; n < 500; n++) {
    const height = 10 + random(60), count = random(20_000), view = random(3000);
    const top = random(Math.max(1, count * height));
    const [from, to] = rowsNear({ top, view, height, count });
    assert.ok(from >= 0 && to <= count && to - from <= ROWS_MAX, JSON.stringify({ from, to }));
    const last = Math.min(count, Math.floor(Math.min(top, count * height - view) / height) + 1);
    if (view < height * 50) assert.ok(to >= last, "what is in the view is drawn");
  }
  assert.deepEqual(rowsNear({ top: 0, view: 280, height: 28, count: 3 }), [0, 3]);
});

/* --- The axis --- */

const times = { began_ms: 1000, now_ms: 101_000, ghosts: false, live: true };

test("the axis follows the time, can be zoomed around a place and moved, and comes back", () => {
  assert.deepEqual(windowOf(fit, { ...times, live: false }), { from_ms: 1000, to_ms: 101_000 });
  assert.ok(windowOf(fit, { ...times, ghosts: true }).to_ms > 110_000, "there is room for ghosts");
  const all = windowOf(fit, times);
  const half = zoomed(fit, times, { factor: 0.5, at: 0.25 });
  const { from_ms, to_ms } = windowOf(half, times);
  assert.ok(Math.abs(to_ms - from_ms - (all.to_ms - all.from_ms) / 2) < 1);
  const place = all.from_ms + (all.to_ms - all.from_ms) / 4;
  assert.ok(Math.abs(from_ms + (to_ms - from_ms) / 4 - place) < 1, "the place stays where it is");
  assert.deepEqual(zoomed(half, times, { factor: 9, at: 0.5 }), fit);
  const later = panned(half, times, 10);
  assert.equal(later.end_ms, null, "at the end it follows the time");
  assert.ok(windowOf(later, { ...times, now_ms: 201_000 }).to_ms > 201_000);
  assert.equal(windowOf(panned(half, times, -10), times).from_ms, all.from_ms);
  const least = zoomed(half, times, { factor: 1e-9, at: 0.5 });
  assert.ok(least.span_ms > 0);
});

test("bars outside of what is shown are none, others are cut; marks are few and even", () => {
  const window = { from_ms: 1000, to_ms: 2000 };
  assert.deepEqual(spanOf(window, 0, 1500), { left: 0, width: 50 });
  assert.deepEqual(spanOf(window, 1250, 9000), { left: 25, width: 75 });
  assert.equal(spanOf(window, 0, 999), null);
  assert.deepEqual(ticksOf({ from_ms: 1000, to_ms: 61_000 }, 1000, 8).slice(0, 3),
    [0, 10_000, 20_000]);
  for (const span of [30, 1e3, 1e5, 1e7, 1e10]) {
    assert.ok(ticksOf({ from_ms: 0, to_ms: span }, 0, 8).length <= 9, String(span));
  }
  const ghost = { wave: 4 };
  const { left, width } = ghostSpan(ghost, [3, 4], { from_ms: 0, to_ms: 100 }, 80);
  assert.ok(left > 90 && left + width < 100, "the second wave after the first");
});

test("marks: as many as fit, with failures and questions", () => {
  const events = longRun(3000, chance(5)), marks = marksOf(events, 120);
  assert.ok(marks.length <= 120);
  assert.deepEqual([marks[0].from, marks.at(-1).to], [1, events.length]);
  assert.ok(marks.every(({ height }) => height >= 0 && height <= 1));
  assert.ok(marks.some(({ kind }) => kind === "failure"));
  const few = marksOf(stream(["workflow_started", {}], begin("a"),
    ["agent_waiting", { key: "a", state: "open" }], end("a", "failed")), 120);
  assert.deepEqual(few.map(({ kind }) => kind), [null, null, "ask", "failure"]);
  const timer = (state) => ["timer_finished", { timer: 1, state }];
  assert.deepEqual(marksOf(stream(timer("fired"), timer("cleared")), 9).map(({ kind }) => kind),
    [null, null], "no failure");
});

/* --- Why it does not move --- */

const facts = (state, more = {}, id = "a") =>
  ({ agent: one(state, id), stuck_ms: 180_000, ...more });
const heard = (silent_ms, more) =>
  ({ progress: { run: "run_a", silent_ms, at_ms: 3000, tokens: 5, tokens_s: 0, tool: null,
    ...more } });

test("one sentence from facts: question, provider, slot, budget, silence, tool, work", () => {
  const queued = (gate, more) => folded(["agent_queued", { key: "a", gate, ...more }]);
  const limits = [{ limit: "run", name: null, at_once: 4, running: 4, waiting: 2 }];
  const waiting = (more) => ({ known: { waiting: { since_ms: 5000, ...more } } });
  const run = folded(begin("a"));
  const cases = [
    [facts(folded(begin("a"), ["agent_waiting", { key: "a", approval: "x", tool: "run_command" }])),
      63_000, "ask", "waits for you: run_command, 1:00"],
    [facts(folded(begin("a"), ["agent_retrying",
      { key: "a", cause: "rate_limited", resume_at_ms: 12_000 }])), 5000, "provider",
    "its provider: rate limited, next try in 7 s"],
    [facts(queued("slot", { limit: "run" }), { limits }), 5000, "slot",
      "waits for a slot of this run: 4 of 4 are taken"],
    [facts(queued("slot", { limit: "connection", name: "codex" })), 5000, "slot",
      "waits for a slot of codex"],
    [facts(queued("budget")), 5000, "budget", "waits for room in a budget"],
    [facts(run, waiting({ for: "budget", note: "The budget global is used up" })), 6000, "budget",
      "The budget global is used up"],
    [facts(run, waiting({ for: "slot", limit: "commands" })), 6000, "slot",
      "waits until another command has ended"],
    [facts(run, heard(1000)), 43_000, "silent", "silent 41 s, restarts at 180 s"],
    [facts(run, { ...heard(1000), stuck_ms: null }), 43_000, "silent", "silent 41 s"],
    [facts(run, heard(1000, { tool: "make", tool_ms: 2000 })), 43_000, "tool", "make, 41 s"],
    [facts(run, heard(null)), 43_000, "works", "busy"], // Neither model nor tool is awaited.
    [facts(run, heard(0, { limit: "connection", name: "codex" })), 4000, "slot",
      "waits for a slot of codex"],
    [facts(run, heard(0, { tokens_s: 31.6 })), 4000, "works", "writes, 32 tokens/s"],
    [facts(run, heard(0, { arguments_streaming: true })), 4000, "works", "writes a call"],
    [facts(run), 90_000, "works", "busy"], // Nothing says when it was heard of.
  ];
  for (const [given, now_ms, kind, text] of cases) {
    const { kind: found, text: said } = sentence(given, now_ms);
    assert.deepEqual([found, said], [kind, text]);
  }
  assert.equal(sentence(facts(folded(begin("a"), end("a"))), 9000), null, "it is over");
  assert.equal(pulse(facts(run, heard(1000)), 9000), 7000);
});

test("what was read before the last event says nothing of now", () => {
  const run = folded(begin("a"), ["agent_waiting", { key: "a", approval: "x", tool: "t" }],
    ["agent_answered", { key: "a", approval: "x" }]);
  const known = { waiting: { for: "approval", since_ms: 3000, tool: "t" } };
  assert.equal(sentence(facts(run, { known }), 5000).kind, "works");
});

test("the run names what holds it up most, and says nothing is wrong where it moves", () => {
  const factsOf = (agent) => ({ agent, stuck_ms: null });
  const ask = ["agent_waiting", { key: "b", approval: "x", tool: "t" }];
  const queue = ["agent_queued", { key: "q", gate: "slot", limit: "run" }];
  const told = (...list) => {
    const found = culprit(folded(...list), factsOf, 60_000);
    return [found.agent?.id ?? null, found.sentence.kind, found.busy];
  };
  assert.deepEqual(told(begin("a"), begin("b"), ask, queue), ["b", "ask", 1]);
  assert.deepEqual(told(begin("a"), queue), [null, "works", 1], "a queue is no trouble then");
  assert.deepEqual(told(queue), ["q", "slot", 0]);
  assert.deepEqual(told(begin("a"), ["workflow_paused"]), [null, "slot", 1]);
  assert.deepEqual(told(begin("b"), ask, ["workflow_paused"]), ["b", "ask", 0]);
  assert.deepEqual(told(), [null, "works", 0]);
  assert.equal(culprit(folded(["workflow_finished", { state: "succeeded" }]), factsOf, 1), null);
  const timer = (no, due_ms) => ["timer_started", { timer: no, name: "sleep", due_ms }];
  const sleeps = folded(timer(1, 90_000_000), timer(2, 600_000), timer(3, 60_000),
    ["timer_finished", { timer: 3, state: "fired" }]);
  const { kind, text } = culprit(sleeps, factsOf, 5_000).sentence;
  assert.equal(kind, "slot", "nothing moves");
  assert.match(text, /^waits for its timer, until \d\d:\d\d$/, "the first of them");
  assert.equal(sleeps.skipped, 0);
});

test("equal failures are one, the most frequent first; what failed alone is none of them", () => {
  const agent = (id, state, cause, note) => ({ id, state, cause, note });
  const agents = [agent("a", "failed", "schema", "no object"), agent("b", "succeeded", null, null),
    agent("c", "failed", "budget", "$0.02 of $0.10 are left"),
    agent("d", "failed", "schema", "no object"), agent("e", "timed_out", "deadline", null),
    agent("f", "failed", "budget", "$0.01 of $0.10 are left"), agent("g", "lost", "budget", "")];
  assert.deepEqual(failuresOf(agents).map(({ cause, note, count, first }) =>
    [cause, note, count, first.id]),
  [["budget", "$0.02 of $0.10 are left", 3, "c"], ["schema", "no object", 2, "a"]]);
  assert.deepEqual(failuresOf([]), []);
});
