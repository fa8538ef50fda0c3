// workflow-hostile.test.mjs: scripts that do what they can to harm: each ends, with a cause that
// says what it did, while honest workflows beside them in the same daemon notice nothing.
//
// Every fourth of them, from a random one on; all with DROVER_TEST_ALL.
//   DROVER_SEED            repeats the choice of a run
// runs-with: release, seldom
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, describe, it } from "node:test";

import loops from "./workflow-hostile-loops.mjs";
import tricks, { TEXTS } from "./workflow-hostile-tricks.mjs";
import { Workflows, whole } from "./workflows.mjs";

const AT_ONCE = 8;
const STRIDE = process.env.DROVER_TEST_ALL ? 1 : 4;
const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));
const LIMITS = ["--script-cpu", "100", "--script-memory", "64M"];
const GOOD = ["succeeded", "degraded"];

let flows;
const ends = [];
const honest = { over: false, runs: 0 };

/** Adds up its own numbers, asks three agents, one after the other, and says so. */
const HONEST = whole(`
let sum = 0;
for (let i = 0; i < 1e5; i++) sum += i;
const texts = await parallel([1, 2].map((n) => () => agent(\`delay: 5ms\\nsay: \${n}\`)));
const last = await agent(\`say: \${texts.join('')}3\`);
log(last);
return [sum, last, args]`);

/** Honest workflows, one after the other, as long as others are hostile. */
async function beHonest() {
  while (!honest.over) {
    const number = honest.runs++;
    const { end } = await flows.run({ script: HONEST, args: number });
    assert.equal(end.state, "succeeded", JSON.stringify(end));
    assert.deepEqual(end.result, [4999950000, "123", number]);
  }
}

before(async () => {
  flows = await Workflows.open({ after: (end) => ends.push(end) }, { args: LIMITS });
  honest.all = Promise.all([beHonest(), beHonest()]);
  honest.all.catch(() => {}); // Told by the last test.
});
after(async () => {
  honest.over = true;
  for (const end of ends) await end();
});

/** Ends in one of the ways that are given, and says so in words and with its place. */
async function endsClearly(body, wanted, more = {}) {
  const { end } = await flows.run({ script: whole(body) });
  const how = GOOD.includes(end.state) ? "ok" : end.cause;
  assert.ok(wanted.split("|").includes(how), `${wanted}, but: ${JSON.stringify(end)}`);
  if (how !== "ok") {
    assert.equal(end.state, "failed");
    assert.equal(end.error.code, how);
    assert.equal(typeof end.error.message, "string");
    assert.notEqual(end.error.message, "");
    assert.ok(JSON.stringify(end.error).length < 20_000, "an error has an end");
  }
  if (more.line) assert.equal(end.error.line, more.line, JSON.stringify(end.error));
  if (how === "ok" && "result" in more) assert.deepEqual(end.result, more.result);
}

/** A text that is no workflow is told so, and nothing of it runs. */
async function isRefused(script) {
  const answer = await flows.ask("POST", "/workflows", { script });
  if (answer.status >= 400 && answer.status < 500) {
    assert.notEqual(answer.json.detail, "");
    return;
  }
  assert.equal(answer.status, 201, answer.text);
  assert.match(answer.json.error, /^(\d+:\d+: )?\S/);
  assert.ok(answer.json.error.length < 2000);
  assert.equal(answer.json.runId, undefined);
}

const CASES = [
  ...[...loops, ...tricks].map(([name, ...how]) => [name, () => endsClearly(...how)]),
  ...TEXTS.map(([what, text]) => [`text: ${what}`, () => isRefused(text)]),
];

describe(`hostile scripts (seed ${seed})`, { concurrency: AT_ONCE }, () => {
  for (const [name, run] of CASES.filter((_, n) => n % STRIDE === seed % STRIDE)) it(name, run);
});

it("honest workflows beside them were not disturbed, and the daemon lives", async (t) => {
  honest.over = true;
  await honest.all;
  assert.ok(honest.runs > 5, `${honest.runs} honest runs`);
  assert.ok(flows.daemon.running);
  const { items } = await flows.get("/runs?kind=workflow&live=1&limit=200");
  assert.deepEqual(items, [], "nothing goes on");
  t.diagnostic(`${honest.runs} honest runs`);
});
