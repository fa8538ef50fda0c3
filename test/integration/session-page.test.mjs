// session-page.test.mjs: what the page of a session reads and does beside its messages: a place in
// a long conversation, the queue, the timeline.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Sessions } from "./sessions.mjs";

// --- Around a message ----------------------------------------------------------------------------

test("a page around a message has it in its middle, and goes on in both directions", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  await sessions.seed(id, 60);
  const all = (await sessions.messages(id)).items.map((one) => one.id); // The oldest first.
  const list = `/api/v1/sessions/${id}/messages`;
  const middle = all[50];
  for (const order of ["newest", "oldest"]) {
    const rows = order === "oldest" ? all : [...all].reverse();
    const at = rows.indexOf(middle);
    const page = await sessions.ok("GET", `${list}?order=${order}&around=${middle}&limit=21`);
    assert.deepEqual(page.items.map((one) => one.id), rows.slice(at - 10, at + 11));
    assert.deepEqual(page.position, { before: at - 10, total: all.length });
    const other = order === "oldest" ? "newest" : "oldest";
    const back = await sessions.all(`${list}?order=${other}&after=${page.previous}`);
    const on = await sessions.all(`${list}?order=${order}&after=${page.next}`);
    assert.deepEqual(back.items.map((one) => one.id).reverse(), rows.slice(0, at - 10));
    assert.deepEqual(on.items.map((one) => one.id), rows.slice(at + 11));
  }
  const first = await sessions.ok("GET", `${list}?around=${all.at(-1)}&limit=1&total=1`);
  assert.deepEqual([first.items.map((one) => one.id), first.previous], [[all.at(-1)], null]);
  assert.deepEqual([first.position, first.total], [{ before: 0, total: 120 }, 120]);
  assert.equal("position" in (await sessions.ok("GET", list)), false);
});

test("long messages before it leave room for the message that was asked for", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  await sessions.seed(id, 30, 150_000);
  const all = (await sessions.messages(id)).items.map((one) => one.id);
  const page = await sessions.ok("GET", `/api/v1/sessions/${id}/messages?around=${all[30]}`);
  const shown = page.items.map((one) => one.id);
  assert.ok(shown.includes(all[30]) && shown.indexOf(all[30]) > 0, `${shown.length} rows`);
  assert.equal(page.position.before, all.length - 1 - all.indexOf(shown[0]));
});

test("a message of another session is not there, and no filter goes with it", async (t) => {
  const sessions = await Sessions.begin(t);
  const [one, two] = [await sessions.make(), await sessions.make()];
  await sessions.seed(two.id, 1);
  const [{ id: message }] = (await sessions.messages(two.id)).items;
  const list = `/api/v1/sessions/${one.id}/messages`;
  const answer = await sessions.request("GET", `${list}?around=${message}`);
  assert.deepEqual([answer.status, answer.json.code, answer.json.detail],
    [404, "message_not_found", `there is no message '${message}'`]);
  for (const more of ["after=1", "status=queued", "role=user", "since=1", "q=a"]) {
    const refused = await sessions.request("GET", `${list}?around=${message}&${more}`);
    assert.equal(refused.json.code, "bad_query");
    assert.match(refused.json.detail, /'around' and '\w+' exclude each other/);
  }
});
