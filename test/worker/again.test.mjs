// again.test.mjs: one process runs several scripts, and nothing of one is there for the next.
//
// runs-with: release
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { test } from "node:test";

import { Worker } from "./host.mjs";

const again = { again: true };
const settle = (id, v) => ({ t: "settle", id, o: "value", v, spent: 0 });

/** Where the engine's memory is, and how much is there. */
const AT = 0x1000000000;
function sizeOf(pid) {
  let end = AT;
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const [from, to] = line.split(" ")[0].split("-").map((hex) => parseInt(hex, 16));
    if (from === end) end = to;
  }
  return end - AT;
}

function memoryOf(pid) {
  const bytes = Buffer.alloc(sizeOf(pid));
  const fd = openSync(`/proc/${pid}/mem`, "r");
  readSync(fd, bytes, 0, bytes.length, AT);
  closeSync(fd);
  return bytes;
}

/** The worker waits for its host: what it had to do is done. */
async function rests(pid) {
  while (readFileSync(`/proc/${pid}/stat`, "latin1").split(" ")[2] !== "S") {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("the next script finds the engine as the first one did", async (t) => {
  const worker = new Worker(t);
  const script = `
    const secret = "tell nobody " + args;
    const found = [typeof globalThis.mine, Object.keys(globalThis).length,
      Symbol.keyFor(Symbol.for("mine")), /(.*)/.exec("x").length, budget.spent()];
    globalThis.mine = secret;
    log(secret);
    await agent("ask " + args);
    return found;`;
  let first;
  for (let i = 0; i < 5; i++) {
    worker.start(script, { ...again, args: i });
    const turn = await worker.turn();
    assert.deepEqual(turn.map((m) => [m.t, m.id ?? m.no ?? m.settled]),
      [["log", 1], ["call", 1], ["quiet", 0]], "numbers begin again");
    assert.equal(turn[1].prompt, `ask ${i}`);
    const [end] = await worker.ask(settle(1, "well"));
    assert.deepEqual([end.ok, end.again], [true, true]);
    first ??= end.result;
    assert.deepEqual(end.result, first);
  }
});

test("what was said to a script that had ended reaches nobody", async (t) => {
  const worker = new Worker(t);
  worker.start('await Promise.race([agent("a"), agent("b")]); return 1;', again);
  await worker.turn();
  worker.say(settle(1, "first"), settle(2, "late"));
  worker.say(settle(2, "later"));
  worker.start('return await agent("c");', again);
  assert.deepEqual((await worker.turn()).at(-1), { t: "end", ok: true, result: 1, again: true });
  assert.deepEqual((await worker.turn()).map((m) => [m.t, m.prompt]),
    [["call", "c"], ["quiet", undefined]]);
  assert.deepEqual(await worker.ask(settle(1, "it")),
    [{ t: "end", ok: true, result: "it", again: true }]);
});

test("who was asked for nothing more, or was out of the ordinary, ends", async (t) => {
  const ends = {
    "return 1;": {},
    "throw new Error('no');": again,
    "return new Uint8Array(9 << 20).length;": again,
  };
  for (const [script, more] of Object.entries(ends)) {
    const worker = new Worker(t);
    worker.start(script, more);
    const [end] = await worker.turn();
    assert.equal(end.again, undefined, script);
    assert.equal(await worker.ended, 0);
  }
});

test("one process runs a hundred scripts, and no more", async (t) => {
  const worker = new Worker(t);
  const said = [];
  for (let i = 0; i < 100; i++) {
    worker.start("return args;", { ...again, args: i });
    said.push(...(await worker.turn()));
  }
  assert.deepEqual(said.map((end) => end.result), [...Array(100).keys()]);
  assert.deepEqual(said.map((end) => end.again === true).lastIndexOf(true), 98);
  assert.equal(await worker.ended, 0);
});

/** Things that scripts do, each of which leaves other traces. */
const HABITS = [
  "const a = []; for (let i = 0; i < N; i++) a.push({ i, text: 'secret' + i }); keep.push(a);",
  "const m = new Map(); for (let i = 0; i < N; i++) m.set('key' + i, [i]); keep.push(m);",
  "keep.push('secret'.repeat(N).split('c').join('x').replace(/e(x)/g, '$1$1').length);",
  "keep.push(new Uint8Array(N * 50).fill(7).reduce((sum, byte) => sum + byte, 0));",
  "keep.push(JSON.stringify(JSON.parse('[' + '{\"a\":[1,2]},'.repeat(N) + '0]')).length);",
  "const dive = (n) => n > 0 ? 1 + dive(n - 1) : 0; keep.push(dive(N % 300));",
  "try { const dive = () => dive() + 1; dive(); } catch (error) { keep.push(error.name); }",
  "function* count() { for (let i = 0; i < N; i++) yield i; } keep.push([...count()].length);",
  "for (let i = 0; i < N; i++) Symbol.for('secret' + i); keep.push(N);",
  "globalThis['secret' + N] = keep; keep.push(Object.keys(globalThis).length);",
  "keep.push(BigInt(N) ** 200n > 3n); keep.push([N, 3, 2].toSorted().join());",
  "await Promise.all(Array.from({ length: N % 50 }, async (_, i) => { await null; return i; }));",
  "log('secret ' + N); phase('p' + N); keep.push(budget.spent());",
  "keep.push((await parallel([() => agent('p' + N), () => agent('q')])).length);",
  "class Own extends Array { get secret() { return N; } } keep.push(Own.from([N]).secret);",
  "eval; new Proxy({}, { get: () => N }).x; new WeakMap().set({}, N); keep.push(N);",
];

/** Pseudo-random numbers from a seed, which a failure names. */
function dice(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("the memory is as it was at boot, byte for byte, whatever a script does", async (t) => {
  const worker = new Worker(t);
  await rests(worker.pid);
  const boot = memoryOf(worker.pid);
  assert.ok(boot.length > 1 << 20 && boot.includes("console"), "it is the engine's");
  const seed = Number(process.env.DROVER_AGAIN_SEED ?? Date.now() % 2 ** 32);
  const roll = dice(seed);
  for (let i = 0; i < 90; i++) {
    const lines = Array.from({ length: 1 + roll(6) }, () =>
      `{ const N = ${1 + roll(2000)}; ${HABITS[roll(HABITS.length)]} }`);
    worker.start(`const keep = [];\n${lines.join("\n")}\nreturn keep.length;`, again);
    let turn = await worker.turn();
    while (turn.at(-1).t !== "end") {
      const calls = turn.filter((message) => message.t === "call");
      turn = await worker.ask(...calls.map(({ id }) => settle(id, "secret")));
    }
    const { ok, again: more } = turn.at(-1);
    assert.deepEqual([ok, more], [true, true], `seed ${seed}: ${JSON.stringify(turn.at(-1))}`);
    await rests(worker.pid);
    assert.ok(memoryOf(worker.pid).equals(boot), `seed ${seed}, script ${i}`);
  }
});
