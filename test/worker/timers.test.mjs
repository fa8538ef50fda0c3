// timers.test.mjs: setTimeout(), clearTimeout() and sleep() of a script's world, frame by frame.
//
// runs-with: release
import assert from "node:assert/strict";
import { test } from "node:test";

import { Worker } from "./host.mjs";

const TIMERS = { timers: true };
// The frame that a script with timers sends first.
const begun = async (t, script, options) => {
  const worker = new Worker(t);
  worker.start(script, { ...TIMERS, ...options });
  return [worker, await worker.frame()];
};
const ended = (frame) => {
  const end = frame.at(-1);
  assert.deepEqual([end.t, end.ok], ["end", true], JSON.stringify(end));
  return end.result;
};
const over = (id) => ({ t: "settle", id, o: "value", v: null, spent: 0 });

test("sleep asks the host for a timer and goes on when that is over", async (t) => {
  const [worker, [timer, quiet]] = await begun(t, "log('a'); await 0;\n" +
    "const x = await sleep(1500.9); return [x === undefined, typeof sleep];", { form: "body" })
    .then(([worker, frame]) => [worker, frame.slice(1)]);
  assert.deepEqual({ ...timer, k: "" },
    { t: "timer", id: 1, k: "", n: 1, ms: 1500, kind: "sleep", line: 2, column: timer.column });
  assert.deepEqual(quiet, { t: "quiet", settled: 0 });
  worker.say(over(1));
  assert.deepEqual(ended(await worker.frame()), [true, "function"]);
});

test("a callback gets its arguments, and timers fire in the order of their outcomes", async (t) => {
  const [worker, frame] = await begun(t, `const all = [];
    setTimeout((...v) => all.push(v), 20, "a", 1);
    setTimeout((...v) => all.push(v), 10, "b");
    await sleep(5); await sleep(5); return all;`);
  assert.deepEqual(frame.filter((m) => m.t === "timer").map((m) => [m.id, m.ms, m.kind, m.n]),
    [[1, 20, "timeout", 1], [2, 10, "timeout", 1], [3, 5, "sleep", 1]]);
  worker.say(over(2), over(3), over(1));
  const more = await worker.frame();
  assert.deepEqual([more[0].id, more[0].n], [4, 2], "equal timers are counted");
  worker.say(over(4));
  assert.deepEqual(ended(await worker.frame()), [["b"], ["a", 1]]);
});

test("what a callback throws fails the run at its line", async (t) => {
  const [worker] = await begun(t, "setTimeout(() => {\nthrow new TypeError('no');\n}, 1);" +
    "await sleep(100);");
  worker.say(over(1));
  const end = (await worker.frame()).at(-1);
  assert.deepEqual([end.ok, end.code, end.name, end.message, end.line],
    [false, "script_error", "TypeError", "no", 2]);
});

test("a cleared timer is reported, and its outcome does nothing", async (t) => {
  const [worker, frame] = await begun(t, `let fired = 0;
    const id = setTimeout(() => fired++, 10); clearTimeout(id); clearTimeout(id);
    clearTimeout(undefined); clearTimeout({}); clearTimeout(77);
    await sleep(50); return fired;`);
  assert.deepEqual(frame.map((m) => m.t), ["timer", "clear", "timer", "quiet"]);
  assert.deepEqual(frame[1], { t: "clear", k: frame[0].k, n: 1 });
  worker.say(over(1), over(2));
  assert.equal(ended(await worker.frame()), 0);
});

test("a timer that fired and is cleared before its outcome comes stays silent", async (t) => {
  const script = `let fired = 0; const id = setTimeout(() => fired++, 10);
    await agent("a"); clearTimeout(id); await agent("b"); return fired;`;
  const [worker, [timer, first]] = await begun(t, script);
  worker.say({ t: "settle", id: 2, o: "value", v: "x", spent: 0 }, over(1));
  const [clear, second] = await worker.frame();
  assert.equal(clear.t, "clear");
  worker.say({ t: "settle", id: 3, o: "value", v: "y", spent: 0 });
  assert.equal(ended(await worker.frame()), 0);
  // The same from the history: no word to the host.
  const recorded = ({ k, n }, v) => ({ k, n, o: "value", v, spent: 0 });
  const [, frame] = await begun(t, script,
    { history: [recorded(first, "x"), recorded(timer, null), recorded(second, "y")] });
  assert.equal(ended(frame), 0);
  assert.deepEqual(frame.map((m) => m.t), ["end"]);
});

test("a script ends with timers pending, and waits for none that were cleared", async (t) => {
  const [, frame] = await begun(t, "setTimeout(() => {}, 1000); sleep(5); return 1;");
  assert.equal(ended(frame), 1);
  const types = frame.map((m) => m.t);
  assert.deepEqual(types, ["timer", "timer", "end"], "no line about a missing await");
  const [worker] = await begun(t,
    "clearTimeout(setTimeout(() => {}, 9)); await new Promise(() => {})");
  worker.say(over(1));
  assert.equal((await worker.frame()).at(-1).code, "never_settles");
});

test("a negative delay and one that is no number are 0", async (t) => {
  const [, frame] = await begun(t,
    "for (const ms of [-5, NaN, undefined, 'x', '7', 0.4, null]) sleep(ms); return 1");
  assert.deepEqual(frame.filter((m) => m.t === "timer").map((m) => m.ms), [0, 0, 0, 0, 7, 0, 0]);
});

test("a delay of over 30 days is refused in the script", async (t) => {
  const day = 24 * 3600 * 1000;
  const [, frame] = await begun(t, `const all = [];
    try { setTimeout(() => {}, ${30 * day} + 1); } catch (error) { all.push(String(error)); }
    try { await sleep(Infinity); } catch (error) { all.push(String(error)); }
    try { setTimeout("x", 1); } catch (error) { all.push(String(error)); }
    setTimeout(() => {}, ${30 * day}); return all;`);
  assert.deepEqual(ended(frame), [
    "RangeError: setTimeout(): at most 30 days (2592000000 ms), not 2592000001",
    "RangeError: sleep(): at most 30 days (2592000000 ms), not Infinity",
    "TypeError: setTimeout(): the first argument must be a function"]);
});

test("timers that wait are limited, and so are those of a run", async (t) => {
  const [worker] = await begun(t, `const all = [];
    const ids = [1, 2, 3].map(() => setTimeout(() => {}, 5));
    try { setTimeout(() => {}, 5); } catch (error) { all.push(error.message); }
    clearTimeout(ids[0]); await sleep(1);
    try { await sleep(1); } catch (error) { all.push(error.message); }
    return all;`, { limits: { timers_open: 3, timers: 4 } });
  worker.say(over(4));
  assert.deepEqual(ended(await worker.frame()), [
    "setTimeout(): at most 3 timers of one run wait at once",
    "sleep(): at most 4 timers in one run"]);
});

test("setInterval says what to use instead", async (t) => {
  const [, frame] = await begun(t,
    "try { setInterval(() => {}, 5) } catch (e) { return e.message }");
  assert.match(ended(frame), /^setInterval\(\) is not available: use sleep\(\) in a loop/);
});

test("a script without timers finds none, and may have its own", async (t) => {
  const names = "[typeof setTimeout, typeof clearTimeout, typeof sleep, typeof setInterval]";
  const none = Array(4).fill("undefined");
  const [, plain] = await begun(t, `return ${names}`, { timers: undefined });
  assert.deepEqual(ended(plain), none);
  const [, own] = await begun(t, `globalThis.setTimeout = () => 7; return setTimeout();`,
    { timers: undefined });
  assert.equal(ended(own), 7);
  const [, declared] = await begun(t, "const sleep = (ms) => ms + 1; return sleep(1);");
  assert.equal(ended(declared), 2);
  for (const [outer, inner] of [[true, false], [false, true]]) {
    const [worker] = await begun(t, `return [${names}, await workflow("x")].flat()`,
      { timers: outer || undefined });
    worker.say({ t: "settle", id: 1, o: "script", script: `return ${names}`, form: "body",
      file: "child.js", spent: 0, ...(inner ? TIMERS : {}) });
    const all = Array(4).fill("function");
    assert.deepEqual(ended(await worker.frame()),
      [...(outer ? all : none), ...(inner ? all : none)]);
  }
});
