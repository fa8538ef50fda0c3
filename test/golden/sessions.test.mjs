// sessions.test.mjs: sessions and their messages: made, changed, searched, forked, exported.
//
// runs-with: release, san, postgres
import { writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";
import { eventSource, following } from "./sources.mjs";
import { script, Talk, USAGE } from "./talk.mjs";

/** One pixel. */
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk" +
  "Jggg==";

golden("sessions", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  await ask("GET", "sessions");
  const keyed = { headers: { "idempotency-key": "one" } };
  const all = {
    title: "Fix the build", project: "web", model: "scripted/demo", agent: "plain",
    root: record.root, instructions: "Be short.", settings: { max_tool_calls: 3 },
    metadata: { from: "a test" },
  };
  const { id } = (await ask("POST", "sessions", all, keyed)).json;
  await ask("POST", "sessions", all, keyed);
  await ask("POST", "sessions", { ...all, title: "Other" }, keyed);
  await ask("POST", "sessions", { parent: id });
  await ask("POST", "sessions", { parent: "none" });
  await ask("GET", `sessions/${id}`);
  await ask("GET", "sessions");
  await ask("GET", "sessions?project=web&limit=1&total=1");
  await ask("GET", "sessions?q=BUILD");
  await ask("GET", "sessions?q=nothing");
  await ask("GET", `sessions?parent=${id}`);
  await ask("PATCH", `sessions/${id}`, { title: "Mend it", version: 1 });
  await ask("PATCH", `sessions/${id}`, { title: "Mend it", version: 1 });
  await ask("PATCH", `sessions/${id}`, { archived: true }, { headers: { "if-match": '"1"' } });
  await ask("PATCH", `sessions/${id}`, { metadata: { a: 1 } }, { headers: { "if-match": '"2"' } });
  await ask("PATCH", `sessions/${id}`, { archived: true, settings: {}, instructions: "" });
  await ask("GET", "sessions?archived=1");
  await ask("GET", `folders?path=${encodeURIComponent(record.root)}`);
  await ask("GET", "sessions?state=running,waiting");
  await record.events(daemon, `session:${id}`);
  await record.events(daemon, "project:web");
  await ask("POST", "seen", { session: id, seq: 1 });
  await ask("GET", "overview");
  await ask("GET", "waiting");
  const talk = new Talk(record, daemon, id);
  await talk.turn(script("say: Hello.", USAGE));
  await talk.until("usage");
  await record.until(daemon, "project:web", "session_changed", ({ state }) => state === "idle");
  await record.events(daemon, "project:web");
  const page = await daemon.request("GET", `/api/v1/streams/session:${id}/events?limit=1000`);
  const followed = `streams/session:${id}/events?after=${page.json.head}`;
  const opened = following(daemon, followed);
  await opened.begun;
  await ask("DELETE", `sessions/${id}`);
  record.answer("GET", `/api/v1/${followed}`.replace(/\d+$/, "<n>"), await opened.ended);
  await ask("GET", `sessions/${id}`);
  // The key goes with the session, which is removed in the background.
  const target = "/api/v1/sessions";
  const repeat = () => daemon.request("POST", target, { body: all, ...keyed });
  while ((await repeat()).status !== 410);
  await ask("POST", "sessions", all, keyed);
  await record.events(daemon, "project:web");
});

golden("messages", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon, { title: "" });
  const { session } = talk;
  const ask = (...request) => talk.ask(...request);
  await ask("GET", `sessions/${session}/messages`);
  const said = { text: script("think: I see.", "say: Hello.", USAGE), client_id: "a" };
  const sent = (await ask("POST", `sessions/${session}/messages?wait=60`, said)).json;
  await ask("POST", `sessions/${session}/messages`, said);
  await ask("POST", `sessions/${session}/messages`, { ...said, text: "say: other" });
  await talk.until("session_renamed");
  await ask("GET", `streams/session:${session}/events?limit=3`);
  await talk.events();
  await ask("GET", `streams/session:${session}/events?snapshot=1&limit=1`);
  await ask("GET", `runs/${sent.run}`);
  await ask("GET", `runs/${sent.run}/spans`);
  await ask("GET", `sessions/${session}/spans?turn=1`);
  await ask("GET", `sessions/${session}`);
  await ask("GET", `sessions/${session}/messages?limit=1`);
  await ask("GET", `sessions/${session}/messages?order=oldest&role=user&q=HELLO&total=1`);
  await ask("GET", `messages/${sent.message}`);
  await ask("GET", `messages/${sent.message}/parts/1?offset=7&limit=4`);
  await ask("GET", `messages/${sent.message}/parts/9`);
  await ask("PATCH", `messages/${sent.message}`, { text: "say: edited" });
  const list = await daemon.request("GET", `/api/v1/sessions/${session}/messages`);
  const answer = list.json.items[0].id;
  await ask("PATCH", `messages/${answer}`, { text: "x" });
  await ask("DELETE", `messages/${sent.message}`);
  await ask("GET", `sessions/${session}/usage`);
  await ask("GET", `sessions/${session}/export`);
  await ask("GET", `sessions/${session}/export?format=markdown`);
  await ask("GET", `sessions/${session}/export?format=pdf`);
  const fork = (await ask("POST", `sessions/${session}/fork`, { title: "A fork" })).json;
  await ask("GET", `sessions/${fork.id}/messages?order=oldest`);
  await ask("POST", `sessions/${session}/fork`, { message: "none" });
  const again = (await ask("POST", `messages/${answer}/regenerate`)).json;
  await talk.ended(again.run);
  await ask("POST", `messages/${answer}/choose`);
  await ask("POST", `messages/${sent.message}/choose`);
  await ask("POST", `messages/${answer}/resend`, {});
  const resent = (await ask("POST", `messages/${sent.message}/resend`, { text: "say: new" })).json;
  await talk.ended(resent.run);
  await talk.events();
  await ask("POST", `sessions/${session}/stop`);
  await ask("POST", `sessions/${session}/clear`);
  await ask("GET", `sessions/${session}/messages`);
  const compact = (await ask("POST", `sessions/${session}/compact`)).json;
  await talk.ended(compact.id);
  await ask("GET", `runs/${compact.id}`);
  // An event may arrive in several pieces, and ends with an empty line.
  const enough = (text) => text.includes("event: snapshot") && text.endsWith("\n\n");
  await eventSource(record, daemon, `streams/session:${session}/events?snapshot=1`, { enough });
}, { whole: ["turn"] });

golden("attachments", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon);
  const { session } = talk;
  const image = Buffer.from(PNG, "base64");
  const upload = async (bytes, type) => {
    const target = `/api/v1/sessions/${session}/attachments`;
    const answer = await fetch(`${daemon.url}${target}`, {
      method: "POST", headers: { "content-type": type, connection: "close" }, body: bytes,
    });
    const text = await answer.text();
    const headers = Object.fromEntries(answer.headers);
    record.answer("POST", target, { status: answer.status, headers, text }, {
      headers: { "content-type": type },
    });
    return JSON.parse(text).id;
  };
  const id = await upload(image, "image/png");
  await upload(image, "image/png");
  await upload("no image", "image/png");
  await upload(image, "text/plain");
  const { status, headers } = await daemon.request("GET", `/api/v1/attachments/${id}`);
  record.answer("GET", `/api/v1/attachments/${id}`, { status, headers, text: "" });
  const words = { text: script("say: I see it.", USAGE), attachments: [id] };
  const { run, message } = (await talk.ask("POST", `sessions/${session}/messages`, words)).json;
  await talk.ended(run);
  await talk.ask("GET", `messages/${message}`);
  await talk.ask("POST", `sessions/${session}/messages`, { ...words, attachments: ["none"] });
  await talk.ask("GET", "attachments/none");
});

golden("files", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon);
  const root = path.join(record.folder, "home");
  writeFileSync(path.join(root, "walk.c"), "x");
  const { id } = (await talk.ask("POST", "sessions", { root })).json;
  await talk.ask("GET", `sessions/${id}/files?q=wc&limit=1`);
  await talk.ask("GET", `sessions/${talk.session}/files?q=wc`);
  await talk.ask("GET", `sessions/${id}/files?limit=51`);
});

golden("roots", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon);
  const { session } = talk;
  const more = path.join(record.folder, "home");
  await talk.ask("GET", `sessions/${session}/roots`);
  await talk.ask("POST", `sessions/${session}/roots`, { path: more });
  await talk.ask("POST", `sessions/${session}/roots`, { path: more, access: "write" });
  await talk.ask("POST", `sessions/${session}/roots`, { path: "/proc" });
  await talk.ask("POST", `sessions/${session}/roots`, { path: "relative" });
  await talk.ask("POST", `sessions/${session}/roots`, { path: path.join(more, "none") });
  await talk.ask("POST", `sessions/${session}/roots`, { path: daemon.data });
  await talk.ask("GET", `sessions/${session}/roots`);
  await talk.ask("DELETE", `sessions/${session}/roots?path=${encodeURIComponent(more)}`);
  await talk.ask("DELETE", `sessions/${session}/roots?path=${encodeURIComponent(more)}`);
  await talk.events();
});
