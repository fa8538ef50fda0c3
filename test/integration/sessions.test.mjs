// sessions.test.mjs: sessions and messages, as clients of the shipped binary see them.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { until } from "./providers.mjs";
import { Sessions, textOf } from "./sessions.mjs";
import { openSse } from "./sse.mjs";
import { User } from "./user.mjs";
import WebSocket from "./ws.mjs";

const api = "/api/v1/sessions";

test("a session is made once for a key, shown, and changed only as it was read", async (t) => {
  const sessions = await Sessions.begin(t);
  const body = { title: "One", project: "alpha", metadata: { a: [1, "ü"] }, root: "/srv" };
  const made = await sessions.make(body, { "idempotency-key": "k" });
  const again = await sessions.request("POST", api, { body, headers: { "idempotency-key": "k" } });
  assert.deepEqual(again.json, made);
  assert.equal(again.headers["idempotent-replay"], "true");
  assert.equal(
    await sessions.refused("POST", api, { title: "Two" }, { "idempotency-key": "k" }),
    "422 idempotency_mismatch",
  );
  assert.deepEqual(await sessions.show(made.id), made);
  assert.equal(made.project, "alpha");
  assert.deepEqual(made.metadata, { a: [1, "ü"] });

  const changed = await sessions.patch(made.id, { title: "Two", metadata: { b: 2 }, version: 1 });
  assert.equal(changed.version, 2);
  assert.deepEqual(changed.metadata, { b: 2 });
  assert.equal(changed.root, "/srv");
  const late = { "if-match": '"1"' };
  assert.equal(
    await sessions.refused("PATCH", `${api}/${made.id}`, { title: "X" }, late),
    "409 conflict",
  );
  assert.equal((await sessions.patch(made.id, { title: "Y" }, { "if-match": '"2"' })).version, 3);
  assert.equal((await sessions.show(made.id)).title, "Y");
  assert.deepEqual(
    (await sessions.events(`session:${made.id}`)).map((event) => event.type),
    ["session_created", "session_renamed", "session_changed", "session_renamed"],
  );
  assert.deepEqual(
    (await sessions.events("project:alpha")).map(({ type, data }) => `${type} ${data.title}`),
    ["session_changed One", "session_changed Two", "session_changed Y"],
  );
});

test("what cannot be right is refused by name, and changes nothing", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  const bad = [
    [{ title: "x".repeat(201) }, "400 bad_field"],
    [{ title: "a\u001b[2J" }, "400 bad_field"],
    [{ title: 7 }, "400 bad_field"],
    [{ root: "relative" }, "400 bad_field"],
    [{ metadata: [] }, "400 bad_field"],
    [{ metadata: { a: "x".repeat(16 << 10) } }, "400 bad_field"],
    [{ instructions: "x".repeat((64 << 10) + 1) }, "400 bad_field"],
    [{ nonsense: 1 }, "400 unknown_field"],
  ];
  for (const [body, code] of bad) {
    assert.equal(await sessions.refused("POST", api, body), code);
    assert.equal(await sessions.refused("PATCH", `${api}/${id}`, body), code);
  }
  for (const body of [{ project: "Upper" }, { project: "" }, { parent: "x" }]) {
    assert.equal(await sessions.refused("POST", api, body), "400 bad_field");
  }
  assert.equal(
    await sessions.refused("POST", api, { parent: `ses_${"0".repeat(26)}` }),
    "404 not_found",
  );
  assert.equal(await sessions.refused("GET", `${api}?after=x`), "400 bad_cursor");
  assert.equal(await sessions.refused("GET", `${api}/nonsense`), "404 not_found");
  assert.equal(
    await sessions.refused("PATCH", `${api}/${id}`, {}, { "if-match": "7" }),
    "400 bad_request",
  );
  assert.equal(await sessions.refused("GET", `${api}/${id}/messages?order=up`), "400 bad_query");
  assert.equal(await sessions.refused("GET", `${api}/${id}/export?format=pdf`), "400 bad_query");
  assert.equal(
    await sessions.refused("GET", `/api/v1/messages/msg_${"0".repeat(26)}`),
    "404 message_not_found",
  );
  assert.equal((await sessions.show(id)).version, 1);
  assert.equal((await sessions.all(api)).items.length, 1);
});

test("another owner's session does not exist, for any route", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make({ title: "Mine" });
  await sessions.seed(id, 1);
  const [message] = (await sessions.messages(id)).items;
  const token = await sessions.ok("POST", "/api/v1/tokens", {
    owner: "bob",
    scopes: ["read", "run"],
  });
  const headers = { authorization: `Bearer ${token.token}` };
  const routes = [
    ["GET", `${api}/${id}`],
    ["PATCH", `${api}/${id}`, { title: "Theirs" }],
    ["DELETE", `${api}/${id}`],
    ["POST", `${api}/${id}/fork`, {}],
    ["GET", `${api}/${id}/export`],
    ["GET", `${api}/${id}/messages`],
    ["GET", `/api/v1/messages/${message.id}`],
    ["PATCH", `/api/v1/messages/${message.id}`, { text: "theirs" }],
    ["DELETE", `/api/v1/messages/${message.id}`],
    ["GET", `/api/v1/messages/${message.id}/parts/1`],
    ["GET", `/api/v1/streams/session:${id}/events`],
  ];
  for (const [method, target, body] of routes) {
    const code = await sessions.refused(method, target, body, headers);
    assert.match(code, /^404 /, `${method} ${target}`);
  }
  const list = await sessions.ok("GET", api, undefined, headers);
  assert.deepEqual(list, { items: [], next: null });
  assert.equal((await sessions.show(id)).title, "Mine");
});

test("lists are paged, filtered and searched", async (t) => {
  const sessions = await Sessions.begin(t);
  const ids = [];
  for (let i = 0; i < 12; i++) {
    ids.push((await sessions.make({ title: `Number ${i}`, project: i % 3 ? "a" : "b" })).id);
  }
  const { items, pages } = await sessions.all(api, 5);
  assert.equal(pages, 3);
  assert.equal(new Set(items.map((row) => row.id)).size, 12);
  const { items: ofB } = await sessions.all(`${api}?project=b`, 3);
  assert.equal(ofB.length, 4);
  await sessions.patch(ids[3], { archived: true });
  assert.equal((await sessions.all(api)).items.length, 11);
  assert.deepEqual((await sessions.all(`${api}?archived=1`)).items.map((row) => row.id), [ids[3]]);
  const child = await sessions.make({ parent: ids[0], title: "Below" });
  assert.equal(child.depth, 1);
  assert.equal(child.parent, ids[0]);
  assert.equal((await sessions.all(api)).items.length, 11);
  const below = await sessions.all(`${api}?parent=${ids[0]}`);
  assert.deepEqual(below.items.map((row) => row.title), ["Below"]);
  await sessions.seed(ids[7], 30, 1000);
  const hits = (await sessions.all(`${api}?q=${encodeURIComponent("QUESTION 17")}`, 1)).items;
  assert.equal(hits.length, 1);
  assert.equal(hits[0].id, ids[7]);
  assert.equal(hits[0].match.text, "question 17");
  const { items: found } = await sessions.messages(ids[7]);
  assert.equal(found.find((row) => row.id === hits[0].match.message).parts[0].text, "question 17");
  const titles = (await sessions.all(`${api}?q=number%201`)).items.map((row) => row.title);
  assert.deepEqual(titles.sort(), ["Number 1", "Number 10", "Number 11"]);
});

test("messages are paged by number and by bytes, and read whole by ranges", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  await sessions.seed(id, 20, 300 << 10);
  const oldest = await sessions.messages(id);
  assert.equal(oldest.items.length, 40);
  assert.ok(oldest.pages > 2, `${oldest.pages} pages`); // 5 MB are more than a page.
  assert.equal(oldest.items[0].parts[0].text, "question 1");
  const newest = await sessions.messages(id, "order=newest", 7);
  assert.deepEqual(newest.items.map((row) => row.id), oldest.items.map((row) => row.id).reverse());
  const answer = oldest.items[1];
  assert.equal(answer.reply_to, oldest.items[0].id);
  assert.deepEqual(answer.parts.map((part) => part.kind), ["thinking", "tool", "text"]);
  assert.deepEqual(answer.parts[1].data, { arguments: { path: "a.txt" } });
  const cut = answer.parts[2];
  assert.equal(cut.cut, true);
  assert.equal(cut.bytes, 300 << 10);
  assert.ok(cut.text.length < cut.bytes);
  const whole = await sessions.ok("GET", `/api/v1/messages/${answer.id}`);
  assert.equal(whole.parts[2].text.length, 300 << 10);
  let text = "";
  for (let next = 0; next < cut.bytes; ) {
    const target = `/api/v1/messages/${answer.id}/parts/3?offset=${next}&limit=100000`;
    const range = await sessions.ok("GET", target);
    assert.equal(range.offset, next);
    text += range.text;
    next = range.next;
  }
  assert.equal(text, whole.parts[2].text);
  assert.equal(
    await sessions.refused("GET", `/api/v1/messages/${answer.id}/parts/4`),
    "404 not_found",
  );
});

test("an edit saves a user's text; what is running keeps its history", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  await sessions.seed(id, -2);
  const { items } = await sessions.messages(id);
  const [question, answer, , running, queued] = items;
  assert.equal(running.status, "running");
  const edited = await sessions.ok("PATCH", `/api/v1/messages/${question.id}`, { text: "ünd?" });
  assert.equal(textOf(edited), "ünd?");
  assert.equal((await sessions.messages(id)).items.length, items.length);
  const answerUrl = `/api/v1/messages/${answer.id}`;
  assert.equal(await sessions.refused("PATCH", answerUrl, { text: "x" }), "400 not_a_user_message");
  assert.equal(await sessions.refused("PATCH", answerUrl, { text: "" }), "400 bad_field");
  await sessions.ok("PATCH", `/api/v1/messages/${queued.id}`, { text: "later" });
  assert.equal(await sessions.refused("DELETE", `/api/v1/messages/${question.id}`), "409 conflict");
  await sessions.ok("DELETE", `/api/v1/messages/${queued.id}`);
  assert.equal(
    await sessions.refused("GET", `/api/v1/messages/${queued.id}`),
    "404 message_not_found",
  );
  const types = (await sessions.events(`session:${id}`)).map((event) => event.type);
  assert.deepEqual(types.slice(-4), [
    "message_edited",
    "message_edited",
    "message_removed",
    "queue_changed",
  ]);
});

test("a fork is a session of its own, and a large one comes whole", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make({ title: "Old", metadata: { a: 1 } });
  await sessions.seed(id, 400);
  const { items } = await sessions.messages(id);
  const at = items[699];
  const fork = await sessions.ok("POST", `${api}/${id}/fork`, { message: at.id, title: "New" });
  assert.equal(fork.title, "New");
  assert.equal(fork.forked_from, at.id);
  assert.equal(fork.fork_of, id);
  assert.deepEqual(fork.metadata, { a: 1 });
  const { items: copies } = await sessions.messages(fork.id);
  assert.equal(copies.length, 700);
  const plain = (row) => [row.role, row.status, row.parts];
  assert.deepEqual(copies.map(plain), items.slice(0, 700).map(plain));
  assert.equal(copies[699].reply_to, copies[698].id);
  assert.equal(new Set([...items, ...copies].map((row) => row.id)).size, 1500);
  assert.equal(
    await sessions.refused("POST", `${api}/${fork.id}/fork`, { message: at.id }),
    "404 message_not_found",
  );
  await sessions.ok("DELETE", `${api}/${id}`);
  assert.equal((await sessions.messages(fork.id)).items.length, 700);
});

test("a session that is idle moves to another project, and lists say its last line", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make({ title: "Kept", project: "shop", model: "scripted/demo" });
  const names = async (project) =>
    (await sessions.ok("GET", `${api}?project=${project}`)).items.map(({ title }) => title);
  await sessions.request("POST", `${api}/${id}/messages`, { body: { text: "delay: 60s" } });
  assert.equal(await sessions.refused("PATCH", `${api}/${id}`, { project: "engine" }),
    "409 turn_in_progress");
  await sessions.ok("POST", `${api}/${id}/stop`);
  await until("idle", async () => (await sessions.show(id)).state === "idle");
  assert.equal(await sessions.refused("PATCH", `${api}/${id}`, { project: "No!" }),
    "400 bad_field");
  assert.equal((await sessions.patch(id, { project: "engine" })).project, "engine");
  assert.deepEqual([await names("shop"), await names("engine")], [[], ["Kept"]]);
  await sessions.request("POST", `${api}/${id}/messages`, { body: { text: "say: - **Done**" } });
  await until("answered", async () => (await sessions.show(id)).last === "Done**");
  assert.equal((await sessions.ok("GET", api)).items[0].last, "Done**");
});

test("forks are listed, and know their session until that is deleted", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  await sessions.seed(id, 1);
  const fork = (title, of = id) => sessions.ok("POST", `${api}/${of}/fork`, { title });
  const [one, two] = [await fork("one"), await fork("two")];
  const below = await fork("below", one.id);
  const titles = async (query) => {
    const { items } = await sessions.ok("GET", `${api}?${query}`);
    return items.map(({ title, fork_of: of }) => `${title} of ${of}`).sort();
  };
  assert.deepEqual(await titles(`fork_of=${id}`), [`one of ${id}`, `two of ${id}`]);
  assert.deepEqual(await titles(`fork_of=${one.id}`), [`below of ${one.id}`]);
  assert.deepEqual(await titles(`fork_of=${id}&project=other`), []);
  await sessions.ok("PATCH", `${api}/${two.id}`, { archived: true });
  assert.deepEqual(await titles(`fork_of=${id}`), [`one of ${id}`]);
  assert.deepEqual(await titles(`fork_of=${id}&archived=1`), [`two of ${id}`]);
  assert.deepEqual(await titles(`fork_of=${id}&q=ON`), [`one of ${id}`]);
  assert.deepEqual(await titles(`fork_of=${id}&parent=${id}`), []);
  await sessions.ok("DELETE", `${api}/${one.id}`);
  assert.equal(await sessions.refused("GET", `${api}?fork_of=${one.id}`), "404 not_found");
  assert.equal((await sessions.ok("GET", `${api}/${below.id}`)).fork_of, null);
});

test("a deleted session is gone at once, and its stream ends", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make({ title: "Old" });
  const child = await sessions.make({ parent: id });
  await sessions.seed(id, 300);
  const stream = await openSse(sessions.daemon, `/api/v1/streams/session:${id}/events?after=-1`);
  await sessions.ok("DELETE", `${api}/${id}`);
  const frames = [];
  for (let frame; (frame = await stream.next()); ) frames.push(frame.event);
  assert.deepEqual(frames.filter(Boolean), ["deleted", "done"]);
  for (const gone of [id, child.id]) {
    assert.equal(await sessions.refused("GET", `${api}/${gone}`), "404 not_found");
    assert.equal(await sessions.refused("DELETE", `${api}/${gone}`), "404 not_found");
  }
  await sessions.daemon.kill();
  await sessions.daemon.start();
  assert.deepEqual((await sessions.all(api)).items, []);
});

test("an export has all of it, as JSON and for people", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make({ title: "Whole" });
  await sessions.seed(id, 60, 50 << 10);
  const json = await sessions.request("GET", `${api}/${id}/export`);
  assert.match(json.headers["content-disposition"], new RegExp(`filename="${id}.json"`));
  assert.equal(json.json.session.title, "Whole");
  assert.equal(json.json.messages.length, 120);
  assert.ok(json.json.messages.every((row) => row.parts.every((part) => !part.cut)));
  assert.equal(textOf(json.json.messages[119]).length, 50 << 10);
  const markdown = await sessions.request("GET", `${api}/${id}/export?format=markdown`);
  assert.match(markdown.headers["content-type"], /^text\/markdown/);
  assert.match(markdown.text, /^# Whole\n\n## User\n\nquestion 1\n\n## Assistant\n/);
  assert.match(markdown.text, /### read_file \(succeeded\)\n\n```json\n.*\n```\n\n````\n```\n/);
  assert.equal(markdown.text.match(/^## User$/gm).length, 60);
  const head = await sessions.request("HEAD", `${api}/${id}/export`);
  assert.equal(head.status, 200);
  const none = `${api}/ses_${"0".repeat(26)}/export`;
  assert.equal(await sessions.refused("GET", none), "404 not_found");
});

test("a client that just came gets the state, and then what happened since", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make({ title: "Live" });
  await sessions.seed(id, -60);
  const target = `/api/v1/streams/session:${id}/events`;
  const stream = await openSse(sessions.daemon, `${target}?snapshot=1`);
  const frame = await stream.next();
  assert.equal(frame.event, "snapshot");
  const state = JSON.parse(frame.data);
  const { head } = await sessions.ok("GET", `${target}?limit=1`);
  assert.equal(Number(frame.id), head);
  assert.equal(state.session.title, "Live");
  assert.equal(state.messages.length, 50);
  assert.equal(state.messages[0].status, "queued");
  assert.equal(state.messages[1].status, "running");
  assert.equal(state.streaming, "text");
  assert.deepEqual(state.queue, [state.messages[0].id]);
  assert.equal(state.tools[0].message, state.messages[1].id);
  assert.equal(state.tools[0].state, "pending");
  const older = await sessions.ok("GET", `${api}/${id}/messages?after=${state.next}&limit=1`);
  const { items } = await sessions.messages(id, "order=newest");
  assert.deepEqual(older.items[0], items[50]);

  await sessions.patch(id, { title: "Later" });
  const next = await stream.next();
  assert.equal(next.event, "session_renamed");
  assert.equal(Number(next.id), head + 1);
  stream.close();

  const page = await sessions.ok("GET", `${target}?snapshot=1`);
  assert.equal(page.snapshot.session.title, "Later");
  assert.equal(page.snapshot_seq, head + 1);
  assert.deepEqual(page.events, []);

  const socket = new WebSocket(`ws://127.0.0.1:${sessions.daemon.port}/api/v1/ws`);
  await once(socket, "open");
  const received = [];
  const arrived = new Promise((resolve) => {
    socket.on("message", (data) => {
      received.push(JSON.parse(data));
      if (received.at(-1).type === "snapshot") resolve(received.at(-1));
    });
  });
  socket.send(JSON.stringify({ subscribe: `session:${id}`, snapshot: true }));
  const message = await arrived;
  assert.equal(message.seq, head + 1);
  assert.equal(message.data.session.title, "Later");
  socket.close();
});

test("the command line makes, finds, shows, exports and removes sessions", async (t) => {
  const sessions = await Sessions.begin(t);
  const cli = async (...args) => {
    const done = await sessions.daemon.cli(["session", ...args]);
    assert.equal(done.code, 0, done.stderr);
    return done.stdout;
  };
  const id = (await cli("new", "--title", "From afar", "--model", "scripted/demo")).trim();
  assert.match(id, /^ses_/);
  await sessions.seed(id, 2);
  assert.match(await cli("ls"), new RegExp(`${id} +idle .* From afar`));
  assert.match(await cli("search", "question 2"), /msg_\S+ {2}question 2/);
  assert.match(await cli("show", id), /model +scripted\/demo/);
  assert.match(await cli("show", "-m", id), /user\nquestion 1\n[^]*\[read_file succeeded\]\n/);
  assert.equal(await cli("rename", id, "Nearer"), `${id} is renamed\n`);
  assert.equal(await cli("archive", id), `${id} is archived\n`);
  assert.doesNotMatch(await cli("ls"), /Nearer/);
  assert.match(await cli("ls", "--archived"), /Nearer/);
  assert.equal(await cli("archive", "--undo", id), `${id} is no longer archived\n`);
  await sessions.patch(id, { deleted: true });
  assert.doesNotMatch(await cli("ls", "--archived"), /Nearer/);
  assert.match(await cli("ls", "--deleted"), /Nearer/);
  assert.equal(await cli("archive", "--undo", id), `${id} is no longer archived\n`);
  assert.equal(await cli("move", id, "shop"), `${id} is in shop\n`);
  assert.match(await cli("ls", "--project", "shop"), /Nearer/);
  assert.match(await cli("export", id), /^# Nearer\n/);
  assert.equal(JSON.parse(await cli("export", "--format", "json", id)).messages.length, 4);
  const fork = (await cli("fork", "--title", "Copy", id)).trim();
  assert.equal(JSON.parse(await cli("show", "--json", fork)).title, "Copy");
  assert.equal(await cli("rm", id), `${id} is removed\n`);
  const gone = await sessions.daemon.cli(["session", "show", id]);
  assert.equal(gone.code, 3);
});

test("a session is deleted at a terminal only when somebody says so", async (t) => {
  const user = new User(t);
  const id = (await user.ok("session", "new", "--title", "Precious")).trim();
  const kept = await user.terminal(`session rm ${id}`, {}, "n\n");
  assert.match(kept.shown, new RegExp(`Delete ${id} \\(Precious\\) with its messages, runs`));
  assert.match(kept.shown, /Nothing was deleted\./);
  await user.ok("session", "show", id);
  const gone = await user.terminal(`session rm ${id}`, {}, "y\n");
  assert.match(gone.shown, new RegExp(`${id} is removed`));
  assert.equal((await user.cli("session", "show", id)).code, 3);
});
