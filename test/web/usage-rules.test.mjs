// usage-rules.test.mjs: the rules below usage and budgets: days and the address, sums as bars,
// sentences of limits, amounts as people write them.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = await compiled("usage/rules.ts");
const limits = await compiled("usage/limits.ts");
const text = await compiled("parts/text.ts");
const NOW = Date.parse("2026-11-27T12:00:00Z"), HOUR = 3_600_000;
const filterOf = (query) => rules.filterOf(new URLSearchParams(query));

test("days and breakdown of the address are the request", () => {
  const pathOf = (query, by = "model") => rules.pathOf(by, filterOf(query), NOW);
  assert.equal(pathOf(""), "/usage?by=model&days=14");
  assert.equal(pathOf("from=2026-11-01&to=2026-11-03", "day,model"),
    "/usage?by=day,model&from=2026-11-01&to=2026-11-03");
  assert.equal(pathOf("from=2026-11-25"), "/usage?by=model&from=2026-11-25&to=2026-11-27");
  assert.equal(pathOf("to=2026-03-01"), "/usage?by=model&from=2026-02-16&to=2026-03-01");
  assert.deepEqual(filterOf("from=x&to=2026-99-01&by=day&show=all"),
    { from: "", to: "", by: "model", show: null });
  const days = rules.daysOf(filterOf(""), NOW);
  assert.deepEqual([days.length, days[0], days.at(-1)], [14, "2026-11-14", "2026-11-27"]);
  assert.deepEqual(rules.daysOf(filterOf("from=2026-11-05&to=2026-11-01"), NOW), ["2026-11-01"]);
  assert.equal(rules.daysOf(filterOf("from=1990-01-01"), NOW).length, 366);
});

const usage = (more) => ({ ...rules.NOTHING, calls: 1, ...more });
const row = (day, model, more) => ({ day, model, usage: usage(more) });

test("money is never shown without its unknown part", () => {
  const said = [[3_120_000, 4], [3_120_000, 0], [null, 1], [null, 0], [0, 2], [1, 0]]
    .map(([cost, unknown]) => text.spentText(cost, unknown));
  assert.deepEqual(said, ["$3.12 + 4 calls of unknown cost", "$3.12", "1 call of unknown cost",
    "$0.00", "$0.00 + 2 calls of unknown cost", "< $0.01"]);
  const sum = rules.added(usage({ cost_micros: null, cost_unknown: 1 }),
    usage({ cost_micros: 20_000 }));
  assert.deepEqual([sum.cost_micros, sum.cost_unknown, sum.calls], [20_000, 1, 2]);
});

test("sums become stacked bars: the largest below, what is too many together on top", () => {
  const days = ["2026-11-26", "2026-11-27"];
  const rows = [row(days[0], "a", { cost_micros: 1e6 }), row(days[0], "b", { cost_micros: 3e6 }),
    row(days[1], "a", { cost_micros: 1e6 }), row(days[1], "c", { cost_unknown: 1 }),
    row("2026-01-01", "a", { cost_micros: 9e5 })];
  const bars = rules.barsOf(rows, "model", days, "cost");
  assert.deepEqual(bars.series, ["b", "a", "c"]);
  assert.equal(bars.max, 5e6);
  assert.deepEqual(bars.columns.map(({ value }) => value), [4e6, 1e6]);
  assert.deepEqual(bars.columns[0].parts.map(({ series, from, to }) => [series, from, to]),
    [[0, 0, 3e6], [1, 3e6, 4e6]]);
  const said = rules.columnText(bars.columns[1], "cost", (at) => bars.series[at]);
  assert.equal(said, "Nov 27: $1.00 + 1 call of unknown cost; a $1.00, c 1 call of unknown cost");
  const many = Array.from({ length: 9 }, (_, at) => row(days[0], `m${at}`, { fresh: 100 - at }));
  const cut = rules.barsOf(many, "model", days, "tokens");
  assert.deepEqual(cut.series, ["m0", "m1", "m2", "m3", "m4", null]);
  assert.equal(cut.columns[0].parts.at(-1).to, cut.columns[0].value);
  assert.equal(cut.columns[0].parts.at(-1).sums.calls, 4);
  assert.deepEqual([0, 1, 3, 5.1, 99, 1e6].map(rules.roundUp), [1, 1, 5, 10, 100, 1e6]);
  assert.deepEqual(rules.barsOf([], "model", days, "cost").columns.map(({ value }) => value),
    [0, 0]);
  assert.deepEqual([rules.showOf(null, usage({ cost_micros: 0 })), rules.showOf("calls", usage({})),
    rules.showOf(null, usage({ cost_unknown: 1 }))], ["tokens", "calls", "cost"]);
  assert.equal(rules.hitRate(usage({ fresh: 22, cache_read: 45 })), "67 %");
  assert.equal(rules.hitRate(usage({})), null);
});

const none = { cost_micros: null, tokens: null, output_tokens: null, agents: null, wall_ms: null };
const zero = { cost_micros: 0, tokens: 0, output_tokens: 0, agents: 0, wall_ms: 0 };
const budget = (scope, { limits: limit, spent, reserved, ...more }) => ({
  scope, owner: "local", waiting: 0, per: null, resets_ms: null,
  limits: { ...none, ...limit }, spent: { ...zero, cost_unknown: 0, ...spent },
  reserved: { ...zero, ...reserved }, ...more,
});

test("budgets: nearest their limit first, in sentences that leave nothing out", () => {
  const web = budget("project:web", { limits: { cost_micros: 10e6, agents: 10 },
    spent: { cost_micros: 3.12e6, cost_unknown: 4, agents: 9, tokens: 1200 },
    reserved: { cost_micros: 0.4e6 }, waiting: 2,
    forecast: { limit: "cost_micros", at_ms: NOW + 2 * HOUR + 20 * 60_000 } });
  const all = budget("global", { limits: { wall_ms: 60_000 }, spent: { wall_ms: 80_000 },
    per: "day", resets_ms: NOW + 12 * HOUR });
  const idle = budget("project:idle", {}), zeroed = budget("a", { limits: { tokens: 0 } });
  assert.deepEqual(limits.byNearness([idle, web, all, zeroed]).map(({ scope }) => scope),
    ["a", "global", "project:web", "project:idle"]);
  const [agents, cost] = limits.fillsOf(web);
  assert.deepEqual([agents.amount, agents.share, cost.left], ["agents", 0.9, 6_480_000]);
  assert.equal(limits.sentenceOf(cost, web), "$3.12 + 4 calls of unknown cost of $10.00 spent, " +
    "$0.4000 reserved, $6.48 left");
  assert.equal(limits.sentenceOf(limits.fillsOf(all)[0], all),
    "1 min of 1 min spent, nothing left");
  assert.deepEqual(limits.countedOf(web), ["Tokens: 1,200"]);
  assert.deepEqual(limits.countedOf(idle), []);
  const clock = (at) => text.clockTime(at); // The time zone is that of the test.
  assert.deepEqual(limits.outlookOf(web, NOW), [
    `at this rate used up at ${clock(NOW + 2 * HOUR + 20 * 60_000)} (cost)`, "2 runs wait for it"]);
  assert.deepEqual(limits.outlookOf(all, NOW),
    ["used up", `begins again at ${clock(NOW + 12 * HOUR)}`]);
  const gone = { ...web, forecast: { ...web.forecast, at_ms: NOW - 1 }, waiting: 0 };
  assert.deepEqual(limits.outlookOf(gone, NOW), []);
  assert.match(limits.outlookOf({ ...web, waiting: 1, limits: { ...none, cost_micros: 10e6 },
    forecast: { limit: "cost_micros", at_ms: NOW + 72 * HOUR } }, NOW)[0],
  /^at this rate used up at Nov 30 \d\d:\d\d$/);
});

test("amounts are read as people write them, and written as they are read", () => {
  const read = (amount, ...given) => given.map((one) => limits.amountOf(amount, one));
  assert.deepEqual(read("cost_micros", "10", "$2.50", "0.000001", "-1", "ten", "1e9"),
    [10e6, 2.5e6, 1, null, null, null]);
  assert.deepEqual(read("tokens", "500K", "1.5m", "1,000", ""), [5e5, 1.5e6, 1000, null]);
  assert.deepEqual(read("wall_ms", "1h 30m", "90min", "45s", "2d", "90", "1h x"),
    [5_400_000, 5_400_000, 45_000, 172_800_000, null, null]);
  for (const amount of limits.AMOUNTS) {
    for (const value of [0, 1, 999, 61_000, 5_400_000, 93_784_500]) {
      assert.equal(limits.amountOf(amount, limits.writtenOf(amount, value)), value, amount);
    }
    assert.equal(limits.writtenOf(amount, null), "");
  }
});
