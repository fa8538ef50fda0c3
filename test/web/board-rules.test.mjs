// board-rules.test.mjs: the rules below a board: columns and their order, the moves of a person,
// requests and forms.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = await compiled("board/rules.ts");
const fields = await compiled("board/fields.ts");
const STATUSES = ["pending", "claimed", "working", "review", "done", "failed", "blocked",
  "cancelled"];

/** As the daemon sends it for a person who has no task. */
const MAY = {
  pending: { claimed: null, cancelled: null }, claimed: { cancelled: null },
  working: { blocked: "question", cancelled: null },
  review: { pending: "reasons", done: null, cancelled: null },
  blocked: { pending: "answer", cancelled: null },
  done: { pending: null }, failed: { pending: null }, cancelled: { pending: null },
};

let places = 0;
const task = (status, more = {}) => {
  const name = `T-${++places}`;
  return { id: `tsk_${name}`, project: "p q", name, title: "Fix it", type: "bug", priority: 5,
    status, may: MAY[status], agent: null, assignee: null, capability: null, lane: null, epic: null,
    session: null, run: null, depends_on: [], must_haves: [], completed_ms: null, ...more };
};
const names = (tasks) => tasks.map(({ title }) => title).join("");

test("each status has a column; what is urgent and old stands first, of what is over the newest",
  () => {
    const tasks = STATUSES.map((status) => task(status));
    const columns = rules.columnsOf(tasks, "");
    assert.deepEqual(rules.COLUMNS.map((name) => columns[name].map(({ status }) => status)),
      [["pending"], ["claimed", "working"], ["review"], ["blocked"], ["done"],
        ["failed", "cancelled"]]);
    const pending = [["a", 5], ["b", 9], ["c", 5], ["d", 0]].map(([title, priority]) =>
      task("pending", { title, priority }));
    assert.equal(names(rules.columnsOf([...pending].reverse(), "").pending), "bacd");
    const done = [["a", 1], ["b", 3], ["c", 2]].map(([title, completed_ms]) =>
      task("done", { title, completed_ms, priority: completed_ms === 1 ? 9 : 5 }));
    assert.equal(names(rules.columnsOf(done, "").done), "bca");
  });

test("each word of the filter is in a text of the card", () => {
  const one = task("pending", { title: "Take the Lock", agent: "codex", lane: "db" });
  assert.deepEqual(["", "lock", "LOCK codex", one.name, "db bug", "lock pi"].map((q) =>
    rules.fits(one, q)), [true, true, true, true, true, false]);
  assert.deepEqual(rules.filterOf(new URLSearchParams("q=+a+&archived=1")),
    { q: "a", archived: true });
});

test("arrows lead to the next row, and to the nearest one of the next column that has any", () => {
  const columns = [["a", "b", "c"], [], ["d"], ["e", "f"]].map((ids) => ids.map((id) => ({ id })));
  const to = (id, ...by) => rules.neighbour(columns, id, by);
  assert.deepEqual([to("a", 0, 1), to("a", 0, -1), to("c", 0, 1), to("c", 1, 0), to("d", 1, 0),
    to("f", -1, 0), to("f", 1, 0), to(null, 0, 1), to("gone", 1, 0)],
  ["b", "a", "c", "d", "e", "d", "f", "a", "a"]);
  assert.equal(rules.neighbour([[], []], null, [0, 1]), null);
});

test("the moves that are offered are those that the daemon says, in an order of their own", () => {
  assert.deepEqual(rules.edgesOf(task("review")), [{ to: "done", words: null },
    { to: "pending", words: "reasons" }, { to: "cancelled", words: null }]);
  assert.deepEqual(rules.edgesOf(task("working", { may: {} })), []);
  assert.equal(rules.edgeOf(task("working"), "review"), null);
  assert.deepEqual(rules.edgeOf(task("working", { may: { failed: "detail" } }), "failed"),
    { to: "failed", words: "detail" });
});

test("a column is a status; what must be said, or ends somebody's work, is asked first", () => {
  const is = (status, column) => rules.statusIn(column, task(status));
  assert.deepEqual([is("pending", "working"), is("claimed", "working"), is("failed", "ended"),
    is("review", "done")], ["claimed", "working", "cancelled", "done"]);
  const asks = (status, to) => rules.asksFirst(task(status), to);
  assert.deepEqual([asks("review", "done"), asks("review", "pending"), asks("blocked", "pending"),
    asks("working", "blocked"), asks("pending", "cancelled"), asks("working", "cancelled"),
    asks("failed", "pending"), asks("done", "review")],
  [false, true, true, true, false, true, false, false]);
  const may = (column, ...statuses) =>
    rules.mayDrop(statuses.map((status) => task(status)), column);
  assert.deepEqual([may("done", "review"), may("done", "review", "pending"),
    may("pending", "done", "pending"), may("ended", "failed", "pending"), may("review", "done")],
  [true, false, true, true, false]);
  assert.deepEqual(rules.choicesOf([task("done"), task("review")]).map(({ to, words }) =>
    [to, words]), [["pending", "reasons"], ["done", null], ["cancelled", null]]);
});

test("a move is a request", () => {
  const one = (status) => ({ ...task(status), name: "T-3", attempt: "try_1" });
  const move = (status, to, said = "") => rules.moveOf(one(status), to, said);
  const planned = { ...one("blocked"), reason: "plan" };
  assert.deepEqual(rules.moveOf(planned, "done", "").body, { attempt: "try_1",
    status: "blocked", accept: true });
  assert.deepEqual(rules.moveOf(planned, "pending", "no").body,
    { attempt: "try_1", status: "blocked", accept: false, reasons: ["no"] });
  const at = "/projects/p%20q/tasks/T-3";
  assert.deepEqual(move("pending", "claimed"), { path: `${at}/claim`, body: {} });
  assert.deepEqual(move("review", "done"),
    { path: `${at}/review`, body: { attempt: "try_1", status: "review", accept: true } });
  assert.deepEqual(move("review", "pending", " no tests \n\n wrong name"),
    { path: `${at}/review`,
      body: { attempt: "try_1", status: "review", accept: false,
        reasons: ["no tests", "wrong name"] } });
  assert.deepEqual(move("working", "blocked", "which?"),
    { path: `${at}/status`, body: { status: "blocked", question: "which?" } });
  assert.deepEqual([move("blocked", "pending").body, move("blocked", "pending", "this").body,
    move("done", "pending", "unheard").body],
  [{ status: "pending" }, { status: "pending", answer: "this" }, { status: "pending" }]);
  assert.deepEqual(move("done", "review"), { path: `${at}/status`, body: { status: "review" } });
});

test("what a card says: what it waits for, bars, its age", () => {
  const known = new Map([["T-1", task("done")], ["T-2", task("working")]]);
  assert.deepEqual(rules.unmetOf(task("pending", { depends_on: ["T-1", "T-2", "T-9"] }), known),
    ["T-2"]);
  assert.deepEqual([0, 1, 5, 9].map(rules.barsOf), [0, 1, 2, 3]);
  assert.deepEqual([-5, 59_999, 60_000, 7_200_000, 200_000_000].map(rules.ageText),
    ["now", "now", "1 min", "2 h", "2 d"]);
  assert.equal(rules.sentenceOf("no agent is there: 'drover project set'"), "no agent is there");
});

test("a form is a body, and a change only what is another", () => {
  const list = [{ command: "make test" }, { output: "code" }, "Note: it is read", "Plain"];
  const text = list.map(fields.mustHaveText).join("\n");
  assert.deepEqual(fields.mustHavesOf(`${text}\n\n`), list);
  const body = fields.bodyOf({ title: "x", priority: "8", depends_on: "T-1, T-2", must_haves: text,
    not_before: "no time" });
  assert.deepEqual([body.title, body.type, body.plan, body.lane, body.priority, body.depends_on,
    body.max_attempts, body.not_before_ms], ["x", "general", "none", "", 8, ["T-1", "T-2"], 5, 0]);
  const before = { ...task("pending"), description: "", type: "general", plan: "none",
    max_attempts: 5, not_before_ms: 0, title: "x", priority: 8 };
  assert.deepEqual(fields.changeOf(before, body),
    { must_haves: list, depends_on: ["T-1", "T-2"] });
  assert.deepEqual(fields.changeOf({ ...before, lane: "db" }, { ...body, must_haves: [],
    depends_on: [] }), { lane: "" });
  assert.deepEqual(['"depends_on"[0] must name', 'member "title" must', '"detail": x', "no"]
    .map(fields.fieldOf), ["depends_on", "title", null, null]);
  const at = Date.parse("2026-11-28T12:30:00Z");
  assert.equal(Date.parse(fields.localTime(at)), at);
  assert.equal(fields.localTime(0), "");
});

test("what must be true is seen in the outputs, or is not known", () => {
  const outputs = [{ type: "code", content: "int main" }];
  assert.deepEqual([{ output: "code" }, { output: "data" }, { text: "main" }, { text: "none" },
    { command: "make" }, "a sentence"].map((one) => rules.isMet(one, outputs)),
  [true, false, true, false, null, null]);
  assert.equal(rules.isMet({ text: "none" }, [{ ...outputs[0], cut: true }]), null);
});
