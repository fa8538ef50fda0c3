// Heartbeats of a WebSocket, as a script in a page sees them.
// runs-with: release, san
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { start } from "./jobs-cli.mjs";
import WebSocket from "./ws.mjs";

test("a silent socket has heartbeats that scripts see, and answers a ping", async (t) => {
  const daemon = await start(t, { args: ["--insecure-loopback", "--heartbeat", "1"] });
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`);
  t.after(() => socket.terminate());
  const before = Date.now();
  for (let beat = 0; beat < 2; beat++) {
    const [text] = await once(socket, "message");
    const { heartbeat } = JSON.parse(text);
    assert.ok(heartbeat.at_ms >= before && heartbeat.at_ms <= Date.now(), String(text));
  }
  const pong = new Promise((resolve) =>
    socket.on("message", (text) => "pong" in JSON.parse(text) && resolve(JSON.parse(text))),
  );
  socket.send('{"ping":12}');
  const { pong: number, at_ms: at } = await pong;
  assert.equal(number, 12);
  assert.ok(at >= before && at <= Date.now());
});
