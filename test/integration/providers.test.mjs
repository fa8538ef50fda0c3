// providers.test.mjs: connections are data, changed while the daemon runs.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { scratch } from "./lib.mjs";
import {
  Provider,
  add,
  api,
  assertNowhere,
  base,
  keyFiles,
  keyFolder,
  names,
  start,
  until,
} from "./providers.mjs";

test("a test without a model says why the provider did not list its models", async (t) => {
  const provider = await new Provider().start(t);
  const daemon = await start(t);
  const ask = async (name) => (await api(daemon, "POST", `${base}/${name}/test`, {})).json.cause;
  for (const status of [401, 403]) {
    provider.status = status;
    await add(daemon, { name: `p${status}`, kind: "openai", base_url: provider.url, key: "k" });
    assert.equal(await ask(`p${status}`), "auth_failed");
  }
  await add(daemon, { name: "gone", kind: "openai", base_url: "http://127.0.0.1:9/v1" });
  assert.equal(await ask("gone"), "provider_unreachable");
  provider.status = 404; // Some servers have no list; their models are called all the same.
  await add(daemon, { name: "mute", kind: "openai", base_url: provider.url });
  assert.equal(await ask("mute"), "model_unknown");
});

test("a connection is set, seen, changed and removed, and each change holds at once", async (t) => {
  const [one, two] = [await new Provider().start(t), await new Provider().start(t)];
  const daemon = await start(t);
  const made = await add(daemon, { name: "here", kind: "openai", base_url: one.url });
  assert.deepEqual(
    { ...made, made_ms: undefined, changed_ms: undefined },
    {
      name: "here",
      kind: "openai",
      base_url: one.url,
      key_header: null,
      key_set: false,
      key_from: null,
      headers: {},
      models: [],
      window: null,
      max_concurrent: 16,
      origin: "set",
      cause: null,
      detail: null,
      resume_at_ms: null,
      made_ms: undefined,
      changed_ms: undefined,
    },
  );
  assert.deepEqual((await api(daemon, "GET", `${base}/here`)).json, made);
  assert.deepEqual(names(await api(daemon, "GET", base)), ["here", "scripted"]);

  const ask = async () => (await api(daemon, "POST", `${base}/here/test`, {})).json;
  assert.equal((await ask()).ok, true);
  assert.equal(JSON.parse(one.last.body).model, "gpt-5-mini-x", "one that is known to answer");
  assert.equal(one.last.headers.authorization, undefined);

  const changed = await api(daemon, "PATCH", `${base}/here`, {
    base_url: two.url,
    headers: { "X-Title": "drover" },
    models: ["mine", "other"],
    window: 9000,
    max_concurrent: 3,
  });
  assert.equal(changed.status, 200, changed.text);
  assert.deepEqual(changed.json.models, ["mine", "other"]);
  assert.equal(changed.json.made_ms, made.made_ms);
  assert.equal((await ask()).ok, true);
  assert.equal(JSON.parse(two.last.body).model, "mine");
  assert.equal(two.last.headers["x-title"], "drover");

  await daemon.kill();
  await daemon.start();
  assert.deepEqual((await api(daemon, "GET", `${base}/here`)).json, changed.json);
  assert.equal((await ask()).ok, true);
  assert.equal(two.last.headers["x-title"], "drover");

  const reset = { window: null, max_concurrent: null, headers: {}, models: [] };
  const plain = (await api(daemon, "PATCH", `${base}/here`, reset)).json;
  assert.deepEqual([plain.window, plain.max_concurrent, plain.headers], [null, 16, {}]);

  // An event has what the row has, and nothing of the key.
  const events = async () =>
    (await api(daemon, "GET", "/api/v1/streams/system/events")).json.events;
  const { key_set, key_from, origin, cause, detail, resume_at_ms, ...row } = plain;
  assert.deepEqual((await events()).at(-1).data, row);
  assert.equal((await api(daemon, "DELETE", `${base}/here`)).status, 200);
  assert.deepEqual(names(await api(daemon, "GET", base)), ["scripted"]);
  for (const [method, target] of [
    ["GET", `${base}/here`],
    ["PATCH", `${base}/here`],
    ["DELETE", `${base}/here`],
    ["POST", `${base}/here/test`],
    ["GET", `${base}/NO`],
  ]) {
    const gone = await api(daemon, method, target, /^P/.test(method) ? {} : undefined);
    assert.equal(gone.status, 404, `${method} ${target}: ${gone.text}`);
    assert.match(gone.json.detail, /^there is no provider '(here|NO)'$/);
  }
  for (const { type, data } of await events()) {
    assert.deepEqual([type, data], ["provider_changed", { name: "here", removed: true }]);
  }
});

test("a key reaches its provider and nothing else, whatever becomes of it", async (t) => {
  const provider = await new Provider().start(t);
  const daemon = await start(t);
  const secrets = ["first", "second", "third"].map((word) => `sk-${word}-0123456789abcdef`);
  const texts = [];
  const call = async (method, target, body) => {
    const answer = await api(daemon, method, target, body);
    texts.push(answer.text);
    return answer;
  };
  const ask = () => call("POST", `${base}/p/test`, {});

  const body = { name: "p", kind: "openai", base_url: provider.url, key: secrets[0] };
  assert.equal((await call("POST", base, body)).json.key_set, true);
  assert.equal((await ask()).json.ok, true);
  assert.equal(provider.last.headers.authorization, `Bearer ${secrets[0]}`);
  assert.equal(statSync(keyFolder(daemon)).mode & 0o777, 0o700);
  assert.deepEqual(
    keyFiles(daemon).map((file) => statSync(path.join(keyFolder(daemon), file)).mode & 0o777),
    [0o600],
  );

  // What is refused leaves the key that is there, and no other.
  assert.equal((await call("POST", base, { ...body, key: secrets[1] })).status, 409);
  for (const bad of [
    { key: secrets[1], base_url: "ftp://x" },
    { key: `${secrets[1]} ` },
    { key: [secrets[1]] },
    { key: secrets[1], kind: "scripted" },
    { key: secrets[1], nonsense: secrets[2] },
    { headers: { Authorization: `Bearer ${secrets[1]}` } },
  ]) {
    assert.equal((await call("PATCH", `${base}/p`, bad)).status, 400, JSON.stringify(bad));
  }
  await call("PATCH", `${base}/p`, `{"key": "${secrets[1]}`);
  await until("one file is left", () => keyFiles(daemon).length === 1);
  await ask();
  assert.equal(provider.last.headers.authorization, `Bearer ${secrets[0]}`);

  // Another change keeps it; another key takes its place.
  await call("PATCH", `${base}/p`, { models: ["m"] });
  await ask();
  assert.equal(provider.last.headers.authorization, `Bearer ${secrets[0]}`);
  await call("PATCH", `${base}/p`, { key: secrets[1] });
  await ask();
  assert.equal(provider.last.headers.authorization, `Bearer ${secrets[1]}`);
  await until("the old file is gone", () => keyFiles(daemon).length === 1);

  // A provider that says the key back.
  provider.status = 401;
  const refused = await ask();
  assert.deepEqual(
    [refused.json.ok, refused.json.cause, refused.json.status],
    [false, "auth_failed", 401],
  );
  provider.status = 200;

  for (const target of [base, `${base}/p`, "/api/v1/models", "/api/v1/settings", "/metrics",
    "/api/v1/streams/system/events"]) {
    await call("GET", target);
  }
  const backup = path.join(scratch(t), "backup.db");
  if (!daemon.env.DROVER_DATABASE) {
    assert.equal((await daemon.cli(["backup", backup])).code, 0);
    for (const secret of secrets) assert.equal(readFileSync(backup).indexOf(secret), -1);
  }
  await daemon.kill();
  for (const secret of secrets) {
    assertNowhere(daemon, secret);
    for (const text of texts) assert.ok(!text.includes(secret), text);
  }
  await daemon.start();
  await ask();
  assert.equal(provider.last.headers.authorization, `Bearer ${secrets[1]}`);

  assert.equal((await call("PATCH", `${base}/p`, { key: null })).json.key_set, false);
  await ask();
  assert.equal(provider.last.headers.authorization, undefined);
  await until("no file is left", () => keyFiles(daemon).length === 0);
  await call("PATCH", `${base}/p`, { key: secrets[2] });
  await call("DELETE", `${base}/p`);
  await until("no file is left", () => keyFiles(daemon).length === 0);
  await daemon.stop();
  for (const secret of secrets) assertNowhere(daemon, secret);
});

test("a start removes keys that no row names, and says which rows miss theirs", async (t) => {
  const provider = await new Provider().start(t);
  const daemon = await start(t);
  const key = "sk-lost-and-found-0123456789";
  for (const name of ["a", "b", "c"]) {
    await add(daemon, { name, kind: "openai", base_url: provider.url, key });
  }
  await daemon.kill();
  writeFileSync(path.join(keyFolder(daemon), "a.key_left_behind"), key);
  const files = Object.fromEntries(keyFiles(daemon).map((file) => [file[0], file]));
  rmSync(path.join(keyFolder(daemon), files.b));
  chmodSync(path.join(keyFolder(daemon), files.c), 0o644);
  await daemon.start();
  assert.deepEqual(keyFiles(daemon).length, 2);
  const told = async (name) => (await api(daemon, "GET", `${base}/${name}`)).json.key_set;
  assert.deepEqual([await told("a"), await told("b"), await told("c")], [true, false, false]);
  assert.match(daemon.log, /cannot be used as it was set.*"b"/);
  assert.match(daemon.log, /chmod 600/);
  assertNowhere(daemon, key);
  await api(daemon, "POST", `${base}/b/test`, {});
  assert.equal(provider.last.headers.authorization, undefined);
  assert.equal((await api(daemon, "PATCH", `${base}/b`, { key })).json.key_set, true);
  await api(daemon, "POST", `${base}/b/test`, {});
  assert.equal(provider.last.headers.authorization, `Bearer ${key}`);
});

test("what was found is listed, hidden by what is set, and there again after it", async (t) => {
  const [found, set] = [await new Provider().start(t), await new Provider().start(t)];
  const key = "sk-environment-0123456789";
  const env = { OPENAI_API_KEY: key, OPENAI_BASE_URL: found.url };
  const daemon = await start(t, { env });
  const before = (await api(daemon, "GET", `${base}/openai`)).json;
  assert.deepEqual(
    [before.origin, before.key_set, before.base_url, before.made_ms],
    ["OPENAI_API_KEY", true, found.url, null],
  );
  for (const [method, body] of [["PATCH", {}], ["DELETE"]]) {
    const refused = await api(daemon, method, `${base}/openai`, body);
    assert.equal(refused.status, 409, refused.text);
    assert.match(refused.json.detail, /OPENAI_API_KEY/);
  }
  await add(daemon, { name: "openai", kind: "openai", base_url: set.url });
  const list = await api(daemon, "GET", base);
  assert.deepEqual(names(list), ["openai", "scripted"]);
  assert.deepEqual([list.json.items[0].origin, list.json.items[0].key_set], ["set", false]);
  await api(daemon, "POST", `${base}/openai/test`, {});
  assert.equal(set.last.headers.authorization, undefined, "the environment's key went elsewhere");
  await daemon.kill();
  await daemon.start();
  await api(daemon, "POST", `${base}/openai/test`, {});
  assert.equal(set.last.headers.authorization, undefined, "the environment's key went elsewhere");
  assert.equal(found.asked.filter((ask) => ask.url.includes("chat")).length, 0);
  assert.equal((await api(daemon, "DELETE", `${base}/openai`)).status, 200);
  assert.deepEqual((await api(daemon, "GET", `${base}/openai`)).json, before);
  await api(daemon, "POST", `${base}/openai/test`, {});
  assert.equal(found.last.headers.authorization, `Bearer ${key}`);
  await daemon.stop();
  assertNowhere(daemon, key);
});

test("each refusal says what is wrong, and changes nothing", async (t) => {
  const daemon = await start(t);
  const good = { name: "p", kind: "openai", base_url: "http://127.0.0.1:9/v1" };
  await add(daemon, good);
  const before = (await api(daemon, "GET", base)).text;
  const cases = [
    [{}, 400, "missing_field", /"kind"|"name"/],
    [{ ...good, name: "Bad Name" }, 400, "bad_field", /a connection's name has 1 to 64/],
    [{ ...good, name: "scripted" }, 400, "bad_field", /built in/],
    [{ ...good, name: "q", kind: "telepathy" }, 400, "bad_field", /openai, responses, anthropic/],
    [{ name: "q", kind: "openai" }, 400, "bad_field", /needs a "base_url"/],
    [{ ...good, name: "q", base_url: "127.0.0.1" }, 400, "bad_field", /begin with http/],
    [{ ...good, name: "q", base_url: "http://a b/" }, 400, "bad_field", /no valid URL/],
    [{ ...good, name: "q", base_url: "http://[::1/" }, 400, "bad_field", /no host/],
    [{ ...good, name: "q", base_url: "http://me:pw@h/v1" }, 400, "bad_field", /name or password/],
    [{ ...good, name: "q", base_url: 7 }, 400, "bad_field", /"base_url" must be a string/],
    [{ ...good, name: "q", key: "" }, 400, "bad_field", /"key" is empty/],
    [{ ...good, name: "q", key: 7 }, 400, "bad_field", /"key" must be a string/],
    [{ ...good, name: "q", headers: [] }, 400, "bad_field", /"headers" must be an object/],
    [{ ...good, name: "q", headers: { a: 1 } }, 400, "bad_field", /value of "a"/],
    [{ ...good, name: "q", headers: { "x-api-key": "s" } }, 400, "bad_field", /as "key"/],
    [{ ...good, name: "q", headers: { Host: "s" } }, 400, "bad_field", /cannot be set/],
    [{ ...good, name: "q", headers: { a: "b\r\nc: d" } }, 400, "bad_field", /control character/],
    [{ ...good, name: "q", models: ["a b"] }, 400, "bad_field", /model's name/],
    [{ ...good, name: "q", models: "a" }, 400, "bad_field", /array of strings/],
    [{ ...good, name: "q", models: Array(1001).fill("m") }, 400, "bad_field", /"models"/],
    [{ ...good, name: "q", window: 0 }, 400, "bad_field", /"window" must be an integer/],
    [{ ...good, name: "q", max_concurrent: 5000 }, 400, "bad_field", /1 to 4096/],
    [{ ...good, name: "q", origin: "me" }, 400, "unknown_field", /"origin" is unknown/],
    [{ name: "q", kind: "scripted", key: "k" }, 400, "bad_field", /asks nobody/],
    [good, 409, "conflict", /there is a provider 'p' already/],
  ];
  for (const [body, status, code, detail] of cases) {
    const answer = await api(daemon, "POST", base, body);
    assert.deepEqual([answer.status, answer.json.code], [status, code], JSON.stringify(body));
    assert.match(answer.json.detail, detail);
  }
  const renamed = await api(daemon, "PATCH", `${base}/p`, { name: "r" });
  assert.deepEqual([renamed.status, renamed.json.code], [400, "unknown_field"]);
  assert.equal((await api(daemon, "GET", base)).text, before);
  // The file of a refused key goes behind the answer.
  for (let asked = 0; keyFiles(daemon).length > 0 && asked < 1000; asked++) {
    await api(daemon, "GET", base);
  }
  assert.deepEqual(keyFiles(daemon), []);
});

test("a key that cannot be stored leaves no row behind", async (t) => {
  const daemon = await start(t);
  writeFileSync(keyFolder(daemon), "in the way");
  const body = { name: "p", kind: "openai", base_url: "http://127.0.0.1:9/v1", key: "sk-nowhere" };
  const refused = await api(daemon, "POST", base, body);
  assert.equal(refused.status, 500);
  assert.match(refused.json.detail, /key could not be stored/);
  assert.equal((await api(daemon, "GET", `${base}/p`)).status, 404);
  await daemon.kill();
  assertNowhere(daemon, "sk-nowhere");
});

test("200 connections are listed by pages, and one more is refused", async (t) => {
  const daemon = await start(t);
  const name = (n) => `p${String(n).padStart(3, "0")}`;
  for (let from = 0; from < 200; from += 20) {
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => add(daemon, { name: name(from + n), kind: "scripted" })),
    );
  }
  const more = await api(daemon, "POST", base, { name: "more", kind: "scripted" });
  assert.deepEqual([more.status, more.json.code], [429, "too_many"]);
  const listed = [];
  for (let after = ""; after !== null; ) {
    const query = after ? `?limit=7&after=${after}` : "?limit=7";
    const page = await api(daemon, "GET", `${base}${query}`);
    assert.ok(page.json.items.length <= 7);
    listed.push(...names(page));
    after = page.json.next;
  }
  assert.deepEqual(listed, [...Array.from({ length: 200 }, (_, n) => name(n)), "scripted"]);
  await daemon.kill();
  await daemon.start();
  assert.equal((await api(daemon, "POST", `${base}/p199/test`, {})).json.ok, true);
});

test("reading is for whoever may read, changing for admins", async (t) => {
  const daemon = await start(t);
  const token = async (scopes) => {
    const made = await api(daemon, "POST", "/api/v1/tokens", { scopes, owner: "bob" });
    return { authorization: `Bearer ${made.json.token}` };
  };
  const reader = await token(["read"]);
  const runner = await token(["run"]);
  const admin = await token(["admin"]);
  const ask = (method, target, headers, body) =>
    daemon.request(method, target, { headers, body: method === "GET" ? undefined : (body ?? {}) });
  for (const target of [base, `${base}/scripted`, "/api/v1/models", "/api/v1/settings"]) {
    assert.equal((await ask("GET", target, reader)).status, 200, target);
    assert.equal((await ask("GET", target, {})).status, 401, target);
  }
  const body = { name: "p", kind: "scripted" };
  for (const headers of [reader, runner]) {
    assert.equal((await ask("POST", base, headers, body)).status, 403);
    assert.equal((await ask("PATCH", `${base}/p`, headers)).status, 403);
    assert.equal((await ask("DELETE", `${base}/p`, headers)).status, 403);
    assert.equal((await ask("PATCH", "/api/v1/settings", headers)).status, 403);
  }
  assert.equal((await ask("POST", base, admin, body)).status, 201);
  assert.equal((await ask("POST", `${base}/p/test`, reader)).status, 403);
  assert.equal((await ask("POST", `${base}/p/test`, runner)).json.ok, true);
});

test("a test tells how long it took, or one typed cause, without trying for long", async (t) => {
  const provider = await new Provider().start(t);
  const daemon = await start(t);
  await add(daemon, { name: "p", kind: "openai", base_url: provider.url, models: ["m"] });
  const closed = { name: "closed", kind: "openai", base_url: "http://127.0.0.1:9", models: ["m"] };
  await add(daemon, closed);
  const ask = async (name, body = {}) =>
    (await api(daemon, "POST", `${base}/${name}/test`, body)).json;
  const good = await ask("p", { model: "named" });
  assert.deepEqual([good.ok, good.model, good.cause], [true, "named", null]);
  assert.ok(good.latency_ms >= 0);
  assert.equal(JSON.parse(provider.last.body).model, "named");
  const before = provider.asked.length;
  for (const [status, cause] of [
    [401, "auth_failed"],
    [429, "rate_limited"],
    [500, "provider_error"],
    [503, "provider_error"],
  ]) {
    provider.status = status;
    const bad = await ask("p");
    assert.deepEqual([bad.ok, bad.cause, bad.status], [false, cause, status]);
  }
  assert.equal(provider.asked.length, before + 4, "each was asked once");
  const dead = await ask("closed");
  assert.deepEqual([dead.cause, dead.status, dead.latency_ms],
    ["provider_unreachable", null, null]);
  assert.match((await daemon.cli(["provider", "test", "closed"])).stdout,
    /\(provider_unreachable, m\)\n$/);
  for (const body of [{ model: "" }, { model: 7 }, { other: 1 }, []]) {
    assert.equal((await api(daemon, "POST", `${base}/p/test`, body)).status, 400);
  }
  // A stop does not wait for a provider that does not answer.
  provider.status = 200;
  provider.delayMs = 60000;
  const asked = provider.asked.length;
  const hanging = api(daemon, "POST", `${base}/p/test`, {}).catch((error) => error);
  await until("it is asked", async () => {
    const { text } = await api(daemon, "GET", "/metrics");
    return /http_requests_in_flight 2\b/.test(text);
  });
  const begun = Date.now();
  assert.equal((await daemon.stop()).code, 0);
  assert.ok(Date.now() - begun < 59_000, "the stop waited for the provider");
  assert.equal((await hanging).status, 503);
  assert.equal(provider.asked.length, asked);
});
