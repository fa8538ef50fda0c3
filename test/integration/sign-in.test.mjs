// sign-in.test.mjs: web pages sign in by a link, and what their keys may do, where and how long.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { keptPort } from "./ports.mjs";
import { until } from "./providers.mjs";
import { change } from "./sql.mjs";
import { openSse } from "./sse.mjs";
import { User } from "./user.mjs";
import WebSocket from "./ws.mjs";

async function start(t, options = {}) {
  const daemon = await new Daemon({ data: scratch(t), ...options }).start();
  t.after(() => daemon.kill());
  return daemon;
}

const bearer = (key, more = {}) => ({ authorization: `Bearer ${key}`, ...more });

/** A request as a page of `origin` sends it, to the port of that origin. */
function ask(origin, method, target, { headers = {}, body } = {}) {
  const { host, port } = new URL(origin);
  const daemon = { port };
  const of = { host, origin, "sec-fetch-site": "same-origin", ...headers };
  const sent = Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined));
  return Daemon.prototype.request.call(daemon, method, target, { headers: sent, body });
}

async function link(daemon, body) {
  const made = await daemon.request("POST", "/api/v1/login/links", { local: true, body });
  assert.equal(made.status, 201, made.text);
  const [, secret] = /^http.*\/#link=([0-9a-f]{64})$/.exec(made.json.url);
  return { ...made.json, secret };
}

async function signIn(daemon, body) {
  const { origin, secret } = await link(daemon, body);
  const { status, json, text } = await ask(origin, "POST", "/api/v1/login", {
    body: { link: secret },
  });
  assert.equal(status, 201, text);
  return { ...json, origin };
}

const version = "/api/v1/version";
const append = (origin, key, event) =>
  ask(origin, "POST", "/api/v1/streams/s/events", { headers: bearer(key), body: event });

test("a link signs one page in, once, and its key is a token that is listed", async (t) => {
  const daemon = await start(t);
  const { origin, secret, valid_ms } = await link(daemon);
  assert.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(valid_ms, 60_000);
  const exchange = () => ask(origin, "POST", "/api/v1/login", { body: { link: secret } });
  const { status, json } = await exchange();
  assert.equal(status, 201);
  assert.match(json.key, /^drv_[0-9a-f]{64}$/);
  assert.deepEqual([json.owner, json.origin], ["local", origin]);
  assert.deepEqual(json.scopes, ["read", "run", "approve", "admin"]);
  const who = await ask(origin, "GET", "/api/v1/login", { headers: bearer(json.key) });
  assert.deepEqual(who.json, { owner: "local", scopes: json.scopes });
  const again = await exchange();
  assert.deepEqual([again.status, again.json.code], [401, "unauthorized"]);
  assert.match(again.json.detail, /drover open/);

  const { items } = (await daemon.request("GET", "/api/v1/tokens", { local: true })).json;
  const [{ id, kind, used_ms }] = items;
  assert.deepEqual([items.length, id, kind, items[0].origin], [1, json.id, "page", origin]);
  assert.ok(used_ms > 0);
  assert.match((await daemon.cli(["token", "ls"])).stdout, new RegExp(`${id}.*page`));
  assert.equal((await ask(origin, "GET", version, { headers: bearer(json.key) })).status, 200);
  assert.equal((await ask(origin, "GET", `${version}?token=${json.key}`)).status, 401);
  assert.equal((await ask(origin, "GET", `${version}?token=${json.key}`, {
    headers: bearer(json.key) })).json.code, "bad_query");
});

test("links need the admin's rights, have read, and wrong ones keep no right out", async (t) => {
  const daemon = await start(t);
  const refused = await daemon.request("POST", "/api/v1/login/links", { local: true,
    body: { scopes: ["run"] } });
  assert.deepEqual([refused.status, refused.json.code], [400, "bad_field"]);
  const reader = await signIn(daemon, { scopes: ["read"] });
  const links = await ask(reader.origin, "POST", "/api/v1/login/links", {
    headers: bearer(reader.key) });
  assert.deepEqual([links.status, links.json.code], [403, "forbidden"]);
  const write = await append(reader.origin, reader.key, { type: "t" });
  assert.deepEqual([write.status, write.json.code], [403, "forbidden"]);
  const none = await daemon.request("POST", "/api/v1/login/links");
  assert.equal(none.status, 401);

  const { origin, secret } = await link(daemon);
  for (let i = 0; i < 15; i++) await link(daemon);
  const full = await daemon.request("POST", "/api/v1/login/links", { local: true });
  assert.deepEqual([full.status, full.json.code], [429, "too_many"]);
  const guess = () => ask(daemon.url, "POST", "/api/v1/login", { body: { link: "f".repeat(64) } });
  for (let i = 0; i < 40; i++) await guess();
  const right = await ask(origin, "POST", "/api/v1/login", { body: { link: secret } });
  assert.equal(right.status, 201, right.text);
  assert.equal((await guess()).status, 401);
});

test("link and key are useless from anywhere but their page", async (t) => {
  const daemon = await start(t);
  const { origin, secret } = await link(daemon);
  const { port } = new URL(origin);
  const key = await signIn(daemon);
  const other = await keptPort();
  const wrong = [
    [{ host: `localhost:${port}`, origin: `http://localhost:${port}` }, 403, "key_origin"],
    [{ host: `localhost:${port}`, origin: undefined }, 403, "key_origin"],
    [{ host: `rebound.example:${port}`, origin: undefined }, 421, "bad_host"],
    [{ host: `127.0.0.1:${other}`, origin: undefined }, 421, "bad_host"],
    [{ origin: `http://127.0.0.1:${other}` }, 403, "bad_origin"],
    [{ origin: "http://evil.example" }, 403, "bad_origin"],
    [{ origin: `https://127.0.0.1:${port}` }, 403, "bad_origin"],
    [{ origin: "null" }, 403, "bad_origin"],
    ...["cross-site", "same-site", "none"].map((site) =>
      [{ "sec-fetch-site": site }, 403, "key_origin"]),
  ];
  for (const [headers, status, code] of wrong) {
    const said = JSON.stringify(headers);
    const login = await ask(origin, "POST", "/api/v1/login", { headers, body: { link: secret } });
    assert.deepEqual([login.status, login.json.code], [status, code], said);
    const asked = await ask(origin, "GET", version, { headers: bearer(key.key, headers) });
    assert.deepEqual([asked.status, asked.json.code], [status, code], said);
    assert.deepEqual(Object.keys(asked.headers).filter((name) => /^access-control/.test(name)), []);
  }
  const absolute = await ask(origin, "GET", `http://localhost:${port}${version}`, {
    headers: bearer(key.key) });
  assert.equal(absolute.json.code, "key_origin");
  const local = await daemon.request("GET", version, { local: true, headers: bearer(key.key) });
  assert.equal(local.json.code, "key_origin");
  // None of them has used the link up. Without Origin and Sec-Fetch-Site it is no browser's.
  const bare = { origin: undefined, "sec-fetch-site": undefined };
  const login = await ask(origin, "POST", "/api/v1/login", {
    headers: bare, body: { link: secret } });
  assert.equal(login.status, 201);
  const plain = await ask(origin, "GET", version, { headers: bearer(login.json.key, bare) });
  assert.equal(plain.status, 200);
});

test("another server on this machine gets neither key nor answer", async (t) => {
  const daemon = await start(t);
  const { key, origin } = await signIn(daemon);
  // A page of that server has no key; what it sends on a stolen one has its own origin.
  const server = http.createServer((_, answer) => answer.end()).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const from = `http://127.0.0.1:${server.address().port}`;
  const asked = await ask(origin, "POST", "/api/v1/streams/s/events", {
    headers: bearer(key, { origin: from, "sec-fetch-site": "same-site" }), body: { type: "t" } });
  assert.deepEqual([asked.status, asked.json.code], [403, "bad_origin"]);
  const asks = await ask(origin, "OPTIONS", "/api/v1/streams/s/events", {
    headers: { origin: from } });
  assert.equal(asks.status, 403);
  const socket = new WebSocket(`${origin.replace("http", "ws")}/api/v1/ws`, { origin: from });
  const [, answer] = await once(socket, "unexpected-response");
  assert.equal(answer.statusCode, 403);
  socket.on("error", () => {});
  socket.terminate();
});

/** Node 18 may find `localhost` on IPv6 only, where the daemon does not listen. */
const openSocket = (origin) =>
  new WebSocket(`${origin.replace("http", "ws")}/api/v1/ws`, { origin, family: 4 });
const closing = (socket) =>
  new Promise((resolve) => socket.on("close", (code, why) => resolve([code, `${why}`])));

test("a socket signs in by its first message, and gets nothing before", async (t) => {
  const daemon = await start(t);
  const { key, origin } = await signIn(daemon, { scopes: ["read", "run"] });
  await append(origin, key, { type: "t", data: 7 });
  const socket = openSocket(origin);
  const heard = [];
  socket.on("message", (bytes) => heard.push(JSON.parse(bytes)));
  await once(socket, "open");
  socket.send(JSON.stringify({ key }));
  socket.send(JSON.stringify({ subscribe: "s", after: 0 }));
  await until("the event came", () => heard.length === 3);
  assert.deepEqual(heard.slice(0, 2), [{ signed_in: "local" }, { subscribed: "s" }]);
  assert.equal(heard[2].data, 7);
  socket.send(JSON.stringify({ subscribe: "system:admin" }));
  await until("it was refused", () => heard.length === 4);
  assert.equal(heard[3].error.code, "forbidden");
  socket.terminate();

  for (const [message, code] of [
    [{ subscribe: "s" }, "unknown_field"], [{ key: "x" }, "unauthorized"], [{}, "missing_field"],
    [{ key: `drv_${"0".repeat(64)}` }, "unauthorized"],
  ]) {
    const refused = openSocket(origin), ended = closing(refused);
    refused.on("message", (bytes) => heard.push(JSON.parse(bytes)));
    await once(refused, "open");
    refused.send(JSON.stringify(message));
    assert.deepEqual(await ended, [1008, code]);
  }
  assert.equal(heard.length, 4);
  const { port } = new URL(origin);
  const elsewhere = openSocket(`http://localhost:${port}`), ended = closing(elsewhere);
  await once(elsewhere, "open");
  elsewhere.send(JSON.stringify({ key }));
  assert.deepEqual(await ended, [1008, "key_origin"]);
  const bare = new WebSocket(`ws://127.0.0.1:${port}/api/v1/ws`); // No browser.
  const [, answer] = await once(bare, "unexpected-response");
  assert.equal(answer.statusCode, 401);
  bare.on("error", () => {});
  bare.terminate();
});

test("silent sockets keep no page out, and each waits for five seconds", async (t) => {
  const daemon = await start(t);
  const { key, origin } = await signIn(daemon);
  const begin = Date.now();
  const sockets = Array.from({ length: 32 }, () => openSocket(origin));
  const ends = sockets.map(closing);
  await Promise.all(sockets.map((socket) => once(socket, "open")));
  const page = openSocket(origin);
  await once(page, "open");
  assert.deepEqual(await Promise.race(ends), [1008, "request_timeout"]); // The oldest's.
  page.send(JSON.stringify({ key })); // It counts no more, and stays.
  assert.deepEqual(JSON.parse((await once(page, "message"))[0]), { signed_in: "local" });
  const next = openSocket(origin), ended = closing(next);
  await once(next, "open");
  for (const end of [...ends, ended]) assert.deepEqual(await end, [1008, "request_timeout"]);
  assert.ok(Date.now() - begin >= 4_900);
  assert.equal(page.readyState, WebSocket.OPEN);
  page.terminate();
});

test("sign-out and revocation end a key, its sockets and its streams", async (t) => {
  const daemon = await start(t);
  for (const way of ["sign-out", "revoke"]) {
    const { key, id, origin } = await signIn(daemon);
    const kept = await signIn(daemon);
    await append(origin, key, { type: "t" });
    const socket = openSocket(origin), ended = closing(socket);
    await once(socket, "open");
    socket.send(JSON.stringify({ key }));
    await once(socket, "message");
    const { port } = new URL(origin);
    const sse = await openSse({ port }, "/api/v1/streams/s/events?after=-1", bearer(key));
    assert.equal(sse.status, 200);
    if (way === "revoke") {
      assert.equal((await daemon.cli(["token", "revoke", id])).code, 0);
    } else {
      const out = await ask(origin, "DELETE", "/api/v1/login", { headers: bearer(key) });
      assert.deepEqual([out.status, out.json.id], [200, id]);
    }
    assert.equal((await ended)[0], 1008);
    assert.match((await sse.next()).data, /unauthorized/);
    assert.equal((await ask(origin, "GET", version, { headers: bearer(key) })).status, 401);
    assert.equal((await ask(origin, "GET", version, { headers: bearer(kept.key) })).status, 200);
  }
  const none = await daemon.request("DELETE", "/api/v1/login", { local: true });
  assert.deepEqual([none.status, none.json.code], [409, "conflict"]);
});

test("a key ends after thirty days without use, and its use is stored once an hour", async (t) => {
  const daemon = await start(t);
  const { key, id, origin } = await signIn(daemon);
  const old = await signIn(daemon);
  const HOUR = 3_600_000, now = Date.now();
  await change({ daemon },
    `UPDATE tokens SET used_ms = ${now - 2 * HOUR} WHERE token = '${id}'`,
    `UPDATE tokens SET used_ms = ${now - 30 * 24 * HOUR} WHERE token = '${old.id}'`);
  const list = async () =>
    (await daemon.request("GET", "/api/v1/tokens", { local: true })).json.items;
  const use = (secret) => ask(origin, "GET", version, { headers: bearer(secret) });
  assert.equal((await use(old.key)).status, 401);
  await until("it is removed", async () => (await list()).length === 1);
  for (let i = 0; i < 5; i++) assert.equal((await use(key)).status, 200);
  await until("its use is stored", async () => (await list())[0].used_ms >= now);
  const target = "/api/v1/streams/system:admin/events?after=0";
  const { events } = (await daemon.request("GET", target, { local: true })).json;
  const changes = events.map(({ data }) => [data.id, data.removed === true]);
  assert.deepEqual(changes, // What is removed leaves no words in earlier events either.
    [[id, false], [old.id, true], [old.id, true], [id, false]]);
});

test("a page stays signed in over ten restarts of a daemon that commands start", async (t) => {
  const user = new User(t);
  const { url, origin } = JSON.parse(await user.ok("open", "--json"));
  const secret = url.split("#link=")[1];
  const { json } = await ask(origin, "POST", "/api/v1/login", { body: { link: secret } });
  assert.equal(statSync(path.join(user.data, "page-port")).mode & 0o777, 0o600);
  for (let i = 0; i < 10; i++) {
    process.kill(user.pid, "SIGKILL");
    await user.ok("ps");
    const asked = await ask(origin, "GET", version, { headers: bearer(json.key) });
    assert.equal(asked.status, 200, user.log);
    assert.equal(JSON.parse(await user.ok("open", "--json")).origin, origin);
  }
  assert.match(await user.ok("status"), new RegExp(`pages +${origin}`));
  // Without such a key nobody needs the port.
  await user.ok("token", "revoke", json.id);
  process.kill(user.pid, "SIGKILL");
  await user.ok("ps");
  await assert.rejects(ask(origin, "GET", version, { headers: bearer(json.key) }));
});

test("a daemon with an open page does not end for idleness", async (t) => {
  const user = new User(t, { env: { DROVER_IDLE_EXIT: "1" } });
  const { url, origin } = JSON.parse(await user.ok("open", "--json"));
  const { json } = await ask(origin, "POST", "/api/v1/login", {
    body: { link: url.split("#link=")[1] } });
  const { pid } = user;
  const socket = openSocket(origin);
  await once(socket, "open");
  socket.send(JSON.stringify({ key: json.key }));
  await once(socket, "message");
  const ended = closing(socket);
  // Another one, without a page, shows when it would have ended.
  const other = new User(t, { env: { DROVER_IDLE_EXIT: "1" } });
  await other.ok("ps");
  await until("the other one ends", () => other.pid === undefined);
  assert.equal(user.pid, pid);
  socket.close();
  await ended;
  await until("it ends", () => user.pid === undefined);
});

test("a port that another program has is named, and no other one is taken", async (t) => {
  const user = new User(t);
  const { url, origin } = JSON.parse(await user.ok("open", "--json"));
  const secret = url.split("#link=")[1];
  const { json } = await ask(origin, "POST", "/api/v1/login", { body: { link: secret } });
  process.kill(user.pid, "SIGKILL");
  await until("it is gone", () => user.pid === undefined);
  const { port } = new URL(origin);
  let server;
  const listens = () => new Promise((resolve) => {
    server = net.createServer().once("error", () => resolve(false));
    server.listen(Number(port), "127.0.0.1", () => resolve(true));
  });
  await until("its port is free", listens); // A process that was killed has it until it is gone.
  const refused = await user.cli("open");
  assert.equal(refused.code, 5, refused.stderr);
  assert.match(refused.stderr, new RegExp(`port ${port} of 127\\.0\\.0\\.1.*taken`));
  assert.match(user.log, new RegExp(`web pages of this daemon cannot reach it.*${port}`));
  assert.match(await user.ok("status"), new RegExp(`pages +port ${port} is taken`));
  const { stdout } = await user.cli("doctor");
  assert.match(stdout, new RegExp(`warn +pages +port ${port} .*node \\(pid ${process.pid}\\)`));
  server.close();
  await once(server, "close");
  await user.ok("open");
  const asked = await ask(origin, "GET", version, { headers: bearer(json.key) });
  assert.equal(asked.status, 200);
});

test("an address that --listen names is the one of pages", async (t) => {
  const data = scratch(t), port = await keptPort();
  const daemon = await start(t, { data, listen: `localhost:${port}` });
  assert.equal((await link(daemon)).origin, `http://127.0.0.1:${port}`);
  assert.ok(!existsSync(path.join(data, "page-port")));
  const socket = path.join(scratch(t), "sock");
  const alone = await start(t, { listen: `unix:${socket}` });
  const refused = await alone.request("POST", "/api/v1/login/links", { local: true });
  assert.deepEqual([refused.status, refused.json.code], [409, "conflict"]);
  assert.match(refused.json.detail, /no browser reaches/);
});

test("public_url is the origin of pages behind a proxy", async (t) => {
  const daemon = await start(t);
  const patch = (public_url) =>
    daemon.request("PATCH", "/api/v1/settings", { local: true, body: { public_url } });
  const missing = await daemon.request("POST", "/api/v1/login/links", {
    local: true, body: { public: true } });
  assert.deepEqual([missing.status, missing.json.code], [409, "conflict"]);
  for (const wrong of [
    "drover.example", "ftp://drover.example", "https://drover.example/x", "https://",
    "https://drover.example?x", "https://drover.example#x", "https://user@drover.example", 7,
  ]) {
    assert.equal((await patch(wrong)).json.code, "bad_field", `${wrong}`);
  }
  const host = "drover.example", headers = { host, origin: "https://drover.example" };
  const asked = (key, more) => ask(daemon.url, "GET", version, {
    headers: bearer(key, { ...headers, ...more }) });
  assert.equal((await asked("x")).status, 421);
  const set = await daemon.cli(["config", "set", "public_url", "HTTPS://Drover.example:443/"]);
  assert.equal(set.code, 0, set.stderr);
  const got = await daemon.cli(["config", "get", "public_url"]);
  assert.equal(got.stdout, "https://drover.example\n");
  const { stdout } = await daemon.cli(["open", "--public"]);
  const [, secret] = /^https:\/\/drover\.example\/#link=(\w{64})\n$/.exec(stdout);
  const { json, status } = await ask(daemon.url, "POST", "/api/v1/login", {
    headers, body: { link: secret } });
  assert.equal(status, 201);
  assert.equal((await asked(json.key)).status, 200);
  const elsewhere = await asked(json.key, { host: new URL(daemon.url).host, origin: undefined });
  assert.equal(elsewhere.json.code, "key_origin");
  assert.equal((await asked(json.key, { origin: "http://drover.example" })).status, 403);
  await patch(null);
  assert.equal((await asked(json.key)).status, 421);
});

test("a proxy's clients need a key where the machine's own need none", async (t) => {
  const args = ["--insecure-loopback", "--allow-host", "drover.example"];
  const daemon = await start(t, { args });
  const set = await daemon.cli(["config", "set", "public_url", "https://drover.example"]);
  assert.equal(set.code, 0, set.stderr);
  const by = (host, target = "/api/v1/runs") =>
    ask(daemon.url, "GET", target, { headers: { host, origin: undefined } });
  const { host } = new URL(daemon.url);
  assert.equal((await by(host)).status, 200);
  assert.equal((await by(host, `http://${host}/api/v1/runs`)).status, 200);
  for (const refused of [
    await by("drover.example"), await by("Drover.example:443"),
    await by("drover.example", `http://${host}/api/v1/runs`),
    await by(host, "http://drover.example:443/api/v1/runs"),
  ]) {
    assert.deepEqual([refused.status, refused.json.code], [401, "unauthorized"]);
  }
  // An address of this machine is no proxy's, whatever `public_url` says.
  assert.equal((await daemon.cli(["config", "set", "public_url", daemon.url])).code, 0);
  assert.equal((await by(host)).status, 200);
});

test("open starts a browser without telling its secret to other users", async (t) => {
  const user = new User(t);
  const bin = path.join(user.folder, "bin"), told = path.join(user.folder, "told");
  mkdirSync(bin);
  writeFileSync(path.join(bin, "xdg-open"), `#!/bin/sh\necho "$*" >'${told}.new'\n` +
    `mv '${told}.new' '${told}'\n`);
  chmodSync(path.join(bin, "xdg-open"), 0o755);
  Object.assign(user.env, { PATH: `${bin}:${user.env.PATH}`, DISPLAY: ":9" });
  await user.ok("open", "--print");
  assert.ok(!existsSync(path.join(user.data, "open.html")));
  const url = (await user.ok("open", "--scope", "read")).trim();
  await until("it was started", () => existsSync(told));
  const page = readFileSync(told, "utf8").trim();
  assert.equal(page, path.join(user.data, "open.html"));
  assert.ok(readFileSync(page, "utf8").includes(url));
  assert.equal(statSync(page).mode & 0o777, 0o600);
  const wrong = await user.cli("open", "--scope", "root");
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
});
