// streams.test.mjs: streams of clients: appended, read in pages, followed by SSE and WebSocket.
//
// runs-with: release, san, postgres
import { once } from "node:events";

import WebSocket from "../integration/ws.mjs";
import { golden } from "./golden.mjs";
import { eventSource } from "./sources.mjs";

golden("streams", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  await ask("GET", "streams");
  await ask("GET", "streams/notes");
  await ask("GET", "streams/notes/events");
  const append = (body, headers = {}) =>
    ask("POST", "streams/notes/events", body, { headers });
  await append({ type: "note", data: { text: "hello" } });
  await append({ type: "note", data: { text: "hello" } }, { "idempotency-key": "one" });
  await append({ type: "note", data: { text: "hello" } }, { "idempotency-key": "one" });
  await append({ type: "note", data: { text: "other" } }, { "idempotency-key": "one" });
  await append({ type: "note" }, { "idempotency-key": "x".repeat(300) });
  await append('{"type": "numbers", "data": [9223372036854775807, 0.1, 1e3, -0.0, "\\u00e4\\n"]}');
  await append('{"type": "numbers", "data": 9223372036854775808}');
  await append('{"type": "numbers", "data": 1e999}');
  await append({ type: "done" });
  await append({ type: "Note" });
  await append({ type: "note", data: "x".repeat(300_000) });
  for (const name of ["system", "run:x", "session:x", "project:x", "no/such", "x".repeat(201)]) {
    await ask("POST", `streams/${encodeURIComponent(name)}/events`, { type: "note" });
  }
  await ask("GET", "streams/notes/events");
  await ask("GET", "streams/notes/events?after=1&limit=1");
  await ask("GET", "streams/notes/events?after=-1");
  await ask("GET", "streams/notes/events?after=9");
  await ask("GET", "streams/notes/events?snapshot=1");
  await ask("GET", "streams/notes");
  await ask("PATCH", "streams/notes", { keep_events: 100, keep_ms: 60000 });
  await ask("PATCH", "streams/none", { keep_events: 100 });
  await ask("DELETE", "streams/notes/events?through=1");
  await ask("DELETE", "streams/notes/events?through=9");
  await ask("GET", "streams/notes/events");
  await ask("POST", "streams/other/events", { type: "note" });
  await ask("GET", "streams");
  await ask("GET", "streams?limit=1");
  await ask("GET", "streams?q=OTH&total=1");
  await ask("GET", "streams?q=nothing&total=1");
  const enough = (text) => text.includes("id: 3\n") && text.endsWith("\n\n");
  const follow = (query, headers) =>
    eventSource(record, daemon, `streams/notes/events${query}`, { headers, enough });
  await follow("");
  await follow("?after=2");
  await follow("", { "last-event-id": "2" });
  await follow("?after=9");
});

golden("websocket", async (record) => {
  const daemon = await record.daemon();
  for (const type of ["a", "b"]) await daemon.append("notes", { type, data: { text: "x" } });
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`);
  const got = [];
  socket.on("message", (text) => {
    got.push(String(text));
    socket.emit("got");
  });
  await once(socket, "open");
  const say = async (sent, answers) => {
    socket.send(typeof sent === "string" ? sent : JSON.stringify(sent));
    while (got.length < answers) await once(socket, "got");
    const lines = got.splice(0).map((text) => `< ${record.names.json(text)}`);
    record.add(`ws> ${record.names.short(sent)}`, ...lines);
  };
  await say({ subscribe: "notes", after: 0 }, 3);
  await say({ subscribe: "notes", after: 0 }, 1);
  await say({ unsubscribe: "notes" }, 1);
  await say({ unsubscribe: "notes" }, 1);
  await say({ subscribe: "notes", after: 9 }, 1);
  await say({ subscribe: "notes", after: 1, snapshot: true }, 4);
  await say({ unsubscribe: "notes" }, 1);
  await say({ subscribe: "no such name" }, 1);
  await say({ subscribe: "notes", no_such: 1 }, 1);
  await say({ subscribe: "notes", after: "x" }, 1);
  await say({ subscribe: "run:none", after: 0 }, 1);
  await say("nonsense", 1);
  await say({ subscribe: "notes", after: 2 }, 1);
  const closed = once(socket, "close");
  await daemon.stop();
  const [code, reason] = await closed;
  record.say("the daemon stops");
  record.add(...got.map((text) => `< ${record.names.json(text)}`), `closed: ${code} ${reason}`);
});

golden("stream-commands", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  await cli("stream", "ls");
  await cli("stream", "ls", "--json");
  await cli("stream", "append", "notes", "--type", "hello", "--data", '{"a":1}');
  await cli("stream", "append", "notes", "--type=none", "--json");
  await record.cli(daemon, ["stream", "append", "notes", "--type", "in", "--data", "-"], {
    input: "[1, 2]\n",
  });
  await record.cli(daemon, ["stream", "append", "notes", "--lines"], {
    input: '{"type":"a"}\n\n{"type":"b","data":1}\n{"type":"BAD"}\n',
  });
  for (const via of ["sse", "ws", "poll"]) {
    await cli("stream", "tail", "notes", "--via", via, "--follow", "--count", "2");
  }
  await cli("stream", "tail", "notes");
  await cli("stream", "tail", "notes", "--after", "4", "--json");
  await cli("stream", "show", "notes");
  await cli("stream", "show", "notes", "--json");
  await cli("stream", "prune", "notes", "--through", "1");
  await cli("stream", "prune", "notes", "--through", "2", "--json");
  await cli("stream", "keep", "notes", "--events", "5", "--seconds", "9");
  await cli("stream", "keep", "notes", "--events", "6", "--json");
  await cli("stream", "tail", "notes");
  await cli("stream", "ls");
  await cli("stream", "ls", "--json");
  await cli("stream", "ls", "--limit", "1", "--total");
  record.say("refusals");
  await cli("stream", "show", "absent");
  await cli("stream", "show", "absent", "--json");
  await cli("stream", "tail", "absent");
  await cli("stream", "append", "system", "--type", "t");
  await cli("stream", "append", "s", "--type", "T");
  await cli("stream", "append", "s", "--type", "t", "--data", "{");
  await cli("stream", "append", "s");
  await cli("stream", "prune", "s");
  await cli("stream", "prune", "s", "--through", "x");
  await cli("stream", "keep", "s");
  await cli("stream", "tail", "notes", "--via", "pigeon");
  await cli("stream", "ls", "--since", "soon");
  await cli("stream", "ls", "--limit", "0");
  await cli("stream", "ls", "--url", "ftp://x");
  await cli("stream", "append", "notes", "--type", "t", "--key", "k");
  await cli("stream", "append", "notes", "--type", "u", "--key", "k");
});
