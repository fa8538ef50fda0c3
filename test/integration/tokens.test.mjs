// tokens.test.mjs: who may do what, and whose things are seen.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { bin, Daemon, plainEnv, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";
import WebSocket from "./ws.mjs";

async function start(t) {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  return daemon;
}

const bearer = (secret) => ({ authorization: `Bearer ${secret}` });

async function make(daemon, body) {
  const { status, json } = await daemon.request("POST", "/api/v1/tokens", { body, local: true });
  assert.equal(status, 201, JSON.stringify(json));
  return json;
}

test("TCP wants a token, the socket does not", async (t) => {
  const daemon = await start(t);
  const target = "/api/v1/version";
  assert.equal((await daemon.request("GET", target, { local: true })).json.owner, "local");
  for (const headers of [
    {},
    bearer("x"),
    bearer(`drv_${"0".repeat(64)}`),
    { authorization: "Basic eA==" },
  ]) {
    const answer = await daemon.request("GET", target, { headers });
    assert.equal(answer.status, 401);
    assert.equal(answer.json.code, "unauthorized");
    assert.match(answer.headers["www-authenticate"], /^Bearer/);
  }
  const { token } = await make(daemon, { scopes: ["read"], owner: "bob" });
  const answer = await daemon.request("GET", target, { headers: bearer(token) });
  assert.deepEqual([answer.json.owner, answer.json.scopes], ["bob", ["read"]]);
});

test("a secret is shown once and stored nowhere", async (t) => {
  const daemon = await start(t);
  const made = await make(daemon, { label: "laptop", scopes: ["run", "read"] });
  assert.match(made.token, /^drv_[0-9a-f]{64}$/);
  assert.match(made.id, /^tok_[0-9a-z]{26}$/);
  assert.deepEqual([made.label, made.owner, made.scopes], ["laptop", "local", ["read", "run"]]);
  const list = await daemon.request("GET", "/api/v1/tokens?total=1", { local: true });
  assert.equal(list.json.total, 1);
  assert.equal(list.json.items[0].token, undefined);
  assert.ok(!list.text.includes(made.token));
  await daemon.stop();
  for (const name of readdirSync(daemon.data)) {
    if (name.startsWith("drover.db")) {
      assert.equal(
        readFileSync(path.join(daemon.data, name)).indexOf(made.token.slice(4)),
        -1,
        name,
      );
    }
  }
  assert.ok(!daemon.log.includes(made.token.slice(4)));
});

test("a token that is made or revoked is an event for admins, without its secret", async (t) => {
  const daemon = await start(t);
  const { token, ...row } = await make(daemon, { scopes: ["read"], owner: "bob", label: "phone" });
  const target = "/api/v1/streams/system:admin/events?after=0";
  const events = async () => {
    const { text, json } = await daemon.request("GET", target, { local: true });
    assert.ok(!text.includes(token.slice(4)));
    return json.events.map(({ type, data }) => [type, data]);
  };
  assert.deepEqual(await events(), [["token_changed", row]]);
  await daemon.request("DELETE", `/api/v1/tokens/${row.id}`, { local: true });
  const removed = ["token_changed", { id: row.id, removed: true }];
  assert.deepEqual(await events(), [removed, removed]); // Its label is gone, too.
});

test("who may not list tokens reads none of their events", async (t) => {
  const daemon = await start(t);
  const reader = bearer((await make(daemon, { scopes: ["read"] })).token);
  const boss = bearer((await make(daemon, { scopes: ["read", "admin"], owner: "boss" })).token);
  const ask = (target, headers) => daemon.request("GET", `/api/v1/streams/${target}`, { headers });
  for (const part of ["", "/events", "/events?wait=1", "/events?snapshot=1"]) {
    const refused = await ask(`system:admin${part}`, reader);
    assert.deepEqual([refused.status, refused.json.code], [403, "forbidden"], part);
  }
  const sse = { ...reader, accept: "text/event-stream" };
  assert.equal((await ask("system:admin/events", sse)).status, 403);
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`, { headers: reader });
  await once(socket, "open");
  socket.send(JSON.stringify({ subscribe: "system:admin", after: 0 }));
  const [said] = await once(socket, "message");
  assert.equal(JSON.parse(said).error.code, "forbidden");
  socket.terminate();
  assert.ok(!(await ask("system/events", reader)).text.includes("token_changed"));
  assert.equal((await ask("system:admin/events?owner=local", boss)).json.events.length, 2);
});

test("tokens outlive the daemon, and a revoked one is dead from the next request on", async (t) => {
  const daemon = await start(t);
  const { token, id } = await make(daemon, { scopes: ["read"] });
  await daemon.kill();
  await daemon.start();
  const ask = () => daemon.request("GET", "/api/v1/version", { headers: bearer(token) });
  assert.equal((await ask()).status, 200);
  const revoke = () => daemon.request("DELETE", `/api/v1/tokens/${id}`, { local: true });
  assert.equal((await revoke()).status, 200);
  assert.equal((await ask()).status, 401);
  assert.equal((await revoke()).status, 404);
  await daemon.kill();
  await daemon.start();
  assert.equal((await ask()).status, 401);
});

test("what a revoked token has opened ends at once, and can be resumed with another", async (t) => {
  const daemon = await start(t);
  const scopes = ["read", "run"];
  const { token, id } = await make(daemon, { scopes, owner: "bob" });
  const other = bearer((await make(daemon, { scopes, owner: "bob" })).token);
  for (const data of [1, 2]) await daemon.append("s", { type: "t", data }, bearer(token));
  const target = "/api/v1/streams/s/events?after=1";
  const streams = [];
  for (let i = 0; i < 50; i++) streams.push(await openSse(daemon, target, bearer(token)));
  const kept = await openSse(daemon, target, other);
  for (const sse of [...streams, kept]) assert.equal((await sse.next()).id, "2");
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`, {
    headers: bearer(token),
  });
  const messages = [];
  const closed = new Promise((resolve) => socket.on("close", (code) => resolve(code)));
  await new Promise((resolve) => {
    socket.on("open", () => socket.send('{"subscribe":"s","after":1}'));
    socket.on("message", (bytes) => {
      messages.push(JSON.parse(bytes));
      if (messages.length === 2) resolve(); // subscribed, 2
    });
  });
  const poll = daemon.request("GET", "/api/v1/streams/s/events?after=2&wait=60", {
    headers: bearer(token),
  });
  const inFlight = () => daemon.request("GET", "/metrics", { local: true });
  while (!/^drover_http_requests_in_flight 2$/m.test((await inFlight()).text));

  const begin = Date.now();
  const gone = await daemon.request("DELETE", `/api/v1/tokens/${id}`, { local: true });
  assert.equal(gone.status, 200);
  for (const sse of streams) {
    const last = await sse.next();
    assert.deepEqual(last, { event: "closing", data: '{"after":2,"code":"unauthorized"}' });
    assert.equal(await sse.next(), undefined);
  }
  assert.equal(await closed, 1008);
  assert.deepEqual(messages.at(-1), {
    stream: "s",
    closing: { after: 2, code: "unauthorized" },
  });
  const answer = await poll;
  assert.equal(answer.status, 401);
  assert.equal(answer.json.code, "unauthorized");
  assert.match(answer.json.detail, /revoked/);
  assert.ok(Date.now() - begin < 59_000, "they ended, but by a time-out");

  await daemon.append("s", { type: "t", data: 3 }, other);
  assert.equal((await kept.next()).id, "3");
  const resumed = await openSse(daemon, "/api/v1/streams/s/events", {
    ...other,
    "last-event-id": "2",
  });
  assert.equal((await resumed.next()).id, "3");
  kept.close();
  resumed.close();
});

test("a tail ends when its token is revoked", async (t) => {
  const daemon = await start(t);
  const { token, id } = await make(daemon, { scopes: ["read", "run"] });
  for (const via of ["sse", "ws", "poll"]) {
    const made = via === "sse" ? { token, id } : await make(daemon, { scopes: ["read", "run"] });
    await daemon.append("s", { type: "t" }, bearer(made.token));
    const tail = spawn(bin, ["stream", "tail", "s", "--via", via, "--url", daemon.url], {
      env: { ...plainEnv, DROVER_TOKEN: made.token },
    });
    t.after(() => tail.kill("SIGKILL"));
    const ended = once(tail, "close");
    await once(tail.stdout, "data");
    await daemon.request("DELETE", `/api/v1/tokens/${made.id}`, { local: true });
    assert.deepEqual(await ended, [4, null], via);
  }
});

test("a scope allows what it says and nothing else", async (t) => {
  const daemon = await start(t);
  const secrets = {};
  for (const scope of ["read", "run", "approve", "admin"]) {
    secrets[scope] = (await make(daemon, { scopes: [scope], owner: "o" })).token;
  }
  const requests = [
    ["run", "POST", "/api/v1/streams/s/events", { type: "t" }, 201],
    ["read", "GET", "/api/v1/streams/s/events", undefined, 200],
    ["read", "GET", "/api/v1/streams", undefined, 200],
    ["read", "GET", "/api/v1/streams/s", undefined, 200],
    ["run", "PATCH", "/api/v1/streams/s", {}, 200],
    ["run", "DELETE", "/api/v1/streams/s/events?through=1", undefined, 200],
    ["admin", "GET", "/api/v1/tokens", undefined, 200],
  ];
  for (const [needed, method, target, body, status] of requests) {
    for (const [scope, secret] of Object.entries(secrets)) {
      const answer = await daemon.request(method, target, { body, headers: bearer(secret) });
      assert.equal(
        answer.status,
        scope === needed ? status : 403,
        `${scope}: ${method} ${target}`,
      );
      if (scope !== needed) assert.equal(answer.json.code, "forbidden");
    }
  }
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`, {
    headers: bearer(secrets.run),
  });
  socket.on("error", () => {}); // Ended before it was open.
  const refused = await new Promise((resolve) =>
    socket.on("unexpected-response", (_, answer) => resolve(answer)),
  );
  assert.equal(refused.statusCode, 403);
  socket.terminate();
});

test("another owner's things do not exist; an admin names their owner", async (t) => {
  const daemon = await start(t);
  const bob = bearer((await make(daemon, { scopes: ["read", "run"], owner: "bob" })).token);
  const eve = bearer((await make(daemon, { scopes: ["read", "run"], owner: "eve" })).token);
  const boss = bearer((await make(daemon, { scopes: ["read", "admin"], owner: "boss" })).token);
  await daemon.append("secret", { type: "bobs" }, bob);
  const ask = (target, headers) => daemon.request("GET", target, { headers });
  for (const target of ["/api/v1/streams/secret", "/api/v1/streams/secret/events"]) {
    assert.equal((await ask(target, eve)).status, 404);
    assert.equal((await ask(`${target}?owner=bob`, eve)).status, 403);
    assert.equal((await ask(target, boss)).status, 404);
    assert.equal((await ask(`${target}?owner=bob`, boss)).status, 200);
    assert.equal((await ask(`${target}?owner=bob`, bob)).status, 200);
    assert.equal((await ask(`${target}?owner=B%20b`, boss)).status, 400);
  }
  assert.deepEqual((await ask("/api/v1/streams", eve)).json.items, []);
  assert.deepEqual((await ask("/api/v1/streams", boss)).json.items, []);
  assert.equal((await ask("/api/v1/streams?owner=bob", boss)).json.items.length, 1);
  // The same name is another stream for another owner.
  const eves = await daemon.append("secret", { type: "eves" }, eve);
  assert.equal(eves.json.seq, 1);
  assert.equal((await ask("/api/v1/streams/secret/events", bob)).json.events[0].type, "bobs");
  const prune = await daemon.request("DELETE", "/api/v1/streams/secret/events?through=1", {
    headers: eve,
  });
  assert.equal(prune.json.floor, 1);
  assert.equal((await ask("/api/v1/streams/secret", bob)).json.floor, 0);
});

test("what makes no token is refused", async (t) => {
  const daemon = await start(t);
  for (const [body, code] of [
    [{}, "missing_field"],
    [{ scopes: [] }, "bad_field"],
    [{ scopes: ["root"] }, "bad_field"],
    [{ scopes: "read" }, "bad_field"],
    [{ scopes: [1] }, "bad_field"],
    [{ scopes: ["read"], owner: "Not Me" }, "bad_field"],
    [{ scopes: ["read"], label: "x".repeat(201) }, "bad_field"],
    [{ scopes: ["read"], label: "\u001b[2J" }, "bad_field"],
    [{ scopes: ["read"], extra: 1 }, "unknown_field"],
  ]) {
    const answer = await daemon.request("POST", "/api/v1/tokens", { body, local: true });
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.json.code, code, JSON.stringify(body));
  }
  const keyed = await daemon.request("POST", "/api/v1/tokens", {
    body: { scopes: ["read"] },
    headers: { "idempotency-key": "k" },
    local: true,
  });
  assert.equal(keyed.status, 400);
  assert.equal(
    (await daemon.request("DELETE", "/api/v1/tokens/tok_x", { local: true })).status,
    404,
  );
  const none = await daemon.request("GET", "/api/v1/tokens", { local: true });
  assert.deepEqual(none.json.items, []);
});

test("the socket is for its user alone", async (t) => {
  const daemon = await start(t);
  const mode = execFileSync("stat", ["-c", "%a", daemon.socket]).toString().trim();
  assert.equal(mode, "600");
});
