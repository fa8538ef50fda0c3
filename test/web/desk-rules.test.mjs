// desk-rules.test.mjs: the order of what waits for a person, and which of it stands together.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const { arranged, isHeaded } = await compiled("state/desk.ts");
const { headlineOf, placeOfWait } = await compiled("parts/waits.ts");
const { lastLinesOf } = await compiled("parts/lastlines.ts");
const { ruleOf } = await compiled("ask/text.ts");

const wait = (id, project, since_ms, kind = "review") =>
  ({ id, project, since_ms, ask: null, wait: { id, kind, project, since_ms }, over: false });
const call = { tool: "run_command", step: "run_command", shown: "make all", state: "open" };
const ask = (id, project, since_ms) =>
  ({ id, project, since_ms, ask: call, wait: null, over: false });
const ids = (rows) => rows.map(({ id, over }) => (over ? `(${id})` : id)).join(" ");

test("at first by project, the longest wait first; then nothing moves what stands", () => {
  const first = arranged([], [wait("c", "web", 3), ask("a", "shop", 2), wait("b", "web", 1)]);
  assert.equal(ids(first), "b c a");
  const more = arranged(first, [wait("a2", "web", 0), ...first]);
  assert.equal(ids(more), "b c a a2", "what comes stands last, also in its project");
  assert.deepEqual(more.map((_, at) => isHeaded(more, at)), [true, false, true, true]);
  const less = arranged(more, [first[0]]);
  assert.equal(ids(less), "b (c) (a2)", "what left stays");
  assert.equal(ids(arranged(less, [first[0], wait("c", "web", 9)])), "b c (a2)");
  const asked = arranged([ask("q", "shop", 1), wait("r", "shop", 2)], [wait("r", "shop", 2)]);
  assert.equal(ids(asked), "r", "a question that is gone leaves no row");
});

test("what is over is forgotten at last", () => {
  const many = Array.from({ length: 203 }, (_, at) => wait(`w${at}`, null, at));
  const left = arranged(arranged([], many), []);
  assert.deepEqual([left.length, left[0].id], [200, "w3"]);
  assert.equal(isHeaded(left, 0), false, "no project, no heading");
});

test("each kind says what it is, and leads to where it is decided", () => {
  const said = (kind, more) =>
    headlineOf({ kind, name: "T-1", text: "Sign it", about: null, ...more });
  assert.equal(said("question", { about: "Which key?" }), "Which key?");
  assert.equal(said("plan"), "Plan to approve: Sign it");
  assert.equal(said("review"), "Result to review: Sign it");
  assert.equal(said("budget", { name: "project:shop", runs: 14 }),
    "The budget project:shop is used up: 14 runs wait");
  assert.deepEqual(["review", "mail", "agent", "delivery"].map((kind) =>
    placeOfWait({ kind, id: "x y" })), ["/t/x y", "/inbox/mail/x y", "/agents?agent=x%20y", null]);
});

test("a rule is said in the daemon's words, or as it is narrowed", () => {
  const known = { ...call, about: { rule: "run_command make all" } };
  assert.equal(ruleOf(known, ""), "run_command make all");
  assert.equal(ruleOf(known, "make *"), "run_command make *");
  assert.equal(ruleOf({ ...call, about: null }, ""), "such calls of run_command");
});

test("a failure shows the last ten lines, as a terminal would have left them", () => {
  const many = Array.from({ length: 20 }, (_, at) => `line ${at}`).join("\n");
  assert.equal(lastLinesOf(`${many}\n\n`, false).split("\n")[0], "line 10");
  assert.equal(lastLinesOf("rest of a line\nwhole\n", true), "whole");
  assert.equal(lastLinesOf("one long line", true), "one long line");
  assert.equal(lastLinesOf("\u001b[31mFAIL\u001b[0m a\r\n1 %\r2 %\n", false), "FAIL a\n2 %");
  assert.equal(lastLinesOf("\n \n", false), "");
});
