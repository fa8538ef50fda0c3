// mail-rules.test.mjs: the rules below mail: threads out of a list, states, forms.
//
// runs-with: web
import assert from "node:assert/strict";
import { test } from "node:test";

import { compiled } from "./parts.mjs";

const rules = await compiled("mail/rules.ts");
/** Mail of an agent to the person, which asks for nothing. */
const mail = (id, more = {}) => ({ id, project: "shop", from: "coder", to: "local", type: "inform",
  status: "done", cause: null, in_reply_to: null, about: null, session: null,
  from_session: "ses_1", turn: null, attempts: 0, made_ms: Number(id), changed_ms: 0,
  title: `Title ${id}`, ...more });
/** A request of the person. */
const own = (id, more = {}) => mail(id, { from: "local", to: "coder", type: "request",
  session: "ses_1", from_session: null, status: "pending", ...more });
const idsOf = (threads) => threads.map(({ id, mails }) => `${id}: ${mails.map((one) => one.id)}`);

test("mail that hangs together is one thread, whatever order it comes in", () => {
  const list = [mail("1"), own("2", { in_reply_to: "1" }), mail("4", { in_reply_to: "2" }),
    mail("3", { in_reply_to: "1" }), mail("5")];
  const wanted = ["5: 5", "1: 1,2,3,4"];
  assert.deepEqual(idsOf(rules.threadsOf(list)), wanted);
  assert.deepEqual(idsOf(rules.threadsOf([...list].reverse())), wanted);
  // What it answers stands on a page that was not read; two of those are two threads until then.
  assert.deepEqual(idsOf(rules.threadsOf(list.slice(1))), ["5: 5", "2: 2,4", "3: 3"]);
  // A list that lies ends, too.
  const circle = [mail("1", { in_reply_to: "2" }), mail("2", { in_reply_to: "1" })];
  assert.equal(rules.threadsOf(circle).flatMap(({ mails }) => mails).length, 2);
  assert.deepEqual(rules.threadsOf([]), []);
});

test("what waits for the person stands first, then the newest; a title says Re: once", () => {
  const waits = mail("1", { type: "request", status: "pending", title: "Re: Which?" });
  const threads = rules.threadsOf([mail("9"), waits, mail("8"), own("7")]);
  assert.deepEqual(threads.map(({ id }) => id), ["1", "9", "8", "7"]);
  assert.deepEqual([threads[0].waits, threads[0].title, threads[3].waits], [true, "Which?", false]);
  assert.equal(rules.spoken(rules.threadOf([waits, mail("2")])).id, "1");
  assert.equal(rules.spoken(rules.threadOf([own("1"), mail("2", { from: "drover" })])).id, "1");
  const taken = own("2", { status: "retracted" });
  assert.equal(rules.spoken(rules.threadOf([mail("1"), taken])).id, "1");
  assert.equal(rules.spoken(rules.threadOf([mail("2", { from: "drover" })])).id, "2");
});

test("a state says who has read it, and whether it was answered", () => {
  const state = (one, ...others) => rules.stateOf(one, [one, ...others]);
  const answer = mail("2", { in_reply_to: "1" }), done = own("1", { status: "done" });
  assert.deepEqual([
    state(mail("1")), state(mail("1", { type: "request", status: "pending" })), state(own("1")),
    state(own("1", { status: "working" })), state(done), state(done, answer),
    state(done, mail("2", { in_reply_to: "1", from: "drover" })),
    state(done, own("2", { in_reply_to: "1" })), // The person added something.
    state(done, mail("2", { in_reply_to: "1", status: "retracted" })),
    state(own("1", { status: "failed" })), state(own("1", { status: "retracted" })),
  ], ["arrived", "waits", "unread", "reading", "read", "answered", "read", "read", "read", "failed",
    "retracted"]);
});

test("an answer is to what waits, else to the newest of others, and never to drover", () => {
  const target = (...mails) => rules.answeredBy(rules.threadOf(mails), "local")?.id ?? null;
  const waits = mail("2", { type: "request", status: "pending" });
  assert.equal(target(mail("1"), waits, mail("3")), "2");
  assert.equal(target(mail("1"), own("2"), mail("3", { from: "drover" })), "1");
  assert.equal(target(own("1"), own("2")), "2"); // To be added to.
  assert.equal(target(own("1", { status: "retracted" })), null);
  assert.equal(target(mail("1", { from: "drover" })), null);
  assert.equal(target(own("1", { session: null, to: "local", status: "done" })), null);
  assert.deepEqual(rules.answerOf(waits, "local", "so"), { in_reply_to: "2", text: "so" });
  assert.deepEqual(rules.answerOf(own("1"), "local", "so"),
    { in_reply_to: "1", text: "so", to: "coder", project: "shop" });
  assert.deepEqual([own("1"), own("1", { status: "working" }), own("1", { from: "coder" }),
    own("1", { from_session: "ses_2" })].map((one) => rules.isUnread(one, "local")),
  [true, false, false, false]);
});

test("a task of the project can be closed; other words are about none", () => {
  const task = (about, project = "shop") => rules.taskOf(mail("1", { about, project }));
  assert.deepEqual([task("T-31"), task(null), task("T-31", null), task("../x"), task("T-")],
    ["shop/T-31", null, null, null, null]);
  assert.deepEqual(["done", "failed", "cancelled", "review", undefined].map(rules.isClosed),
    [true, true, true, false, false]);
});

test("an address is the list of the API; a form is a body; a sentence belongs to a field", () => {
  assert.equal(rules.listPath(""), "/mail?limit=50");
  assert.equal(rules.listPath("a&b"), "/mail?limit=50&q=a%26b");
  assert.deepEqual(["title 1", "COD", "local", "x"].map((q) => rules.fits(mail("1"), q)),
    [true, true, true, false]);
  const given = { to: "coder@shop", title: "t", text: "x", type: "inform", urgent: "on" };
  assert.deepEqual(rules.bodyOf(given, null),
    { type: "inform", to: "coder@shop", title: "t", text: "x", urgent: true });
  assert.deepEqual(rules.bodyOf({ to: "a", title: "t", text: "x" }, own("1", { in_reply_to: "0" })),
    { type: "request", to: "a", title: "t", text: "x", supersedes: "1", in_reply_to: "0" });
  assert.deepEqual(['"to": an agent', 'member "title" must', '"session" is', "no"]
    .map(rules.fieldOf), ["to", "title", null, null]);
  assert.deepEqual(rules.addressesOf([
    { name: "web", root: "/w", agent: "claude", board: { agents: [{ name: "coder" }],
      reviewer: "claude" } },
    { name: "docs", root: null, agent: "claude", board: null },
    { name: "a", root: "/a", board: { agents: [{ name: "z" }] } }]),
  ["claude@web", "coder@web", "z@a"]);
});
