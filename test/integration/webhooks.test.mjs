// webhooks.test.mjs: notices reach their webhooks, whatever happens to either side.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { keptPort } from "./ports.mjs";
import { scaled } from "./scale.mjs";

const quick = ["--webhook-wait", "5", "--webhook-wait-max", "20", "--webhook-wait-stalled", "20"];
const loopback = ["--webhook-allow", "127.0.0.1"];

function daemonFor(t, args) {
  const daemon = new Daemon({ data: scratch(t), args });
  t.after(() => daemon.kill());
  return daemon;
}

/** Ports are used again: a daemon of another test may still look for a receiver at this one. */
const way = `/hook-${randomUUID()}`;

/** A receiver that keeps every request; `answer(response, count)` says what it gets. */
async function receiver(t, answer, port = 0) {
  const requests = [];
  const waiting = [];
  const server = http.createServer((request, response) => {
    if (!request.url.startsWith(way)) return void say(404)(response);
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const { headers, url, method } = request;
      requests.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      answer(response, requests.length);
      for (const look of waiting.splice(0)) look();
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const until = async (count) => {
    while (requests.length < count) await new Promise((resolve) => waiting.push(resolve));
  };
  const url = `http://127.0.0.1:${server.address().port}${way}`;
  return { server, requests, until, url, port: server.address().port };
}

const say = (status) => (response) => {
  response.statusCode = status;
  response.end();
};

async function submit(daemon, webhook, argv = ["/bin/echo", "hello"]) {
  const answer = await daemon.request("POST", "/api/v1/jobs", {
    body: { argv, notify: [{ webhook }] },
    local: true,
  });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

/** Every delivery, settled ones too. */
async function inbox(daemon) {
  const answer = await daemon.request("GET", "/api/v1/inbox?all=1", { local: true });
  assert.equal(answer.status, 200, answer.text);
  return answer.json.items;
}

/** The only delivery, once it is as `wanted` says. */
async function delivery(daemon, wanted) {
  const deadline = Date.now() + scaled(60_000);
  for (;;) {
    const [row] = await inbox(daemon);
    if (row !== undefined && wanted(row)) return row;
    assert.ok(Date.now() < deadline, `never as wanted: ${JSON.stringify(row)}`);
  }
}

const settled = (state) => (row) => row.state === state;
const ids = (requests) => [...new Set(requests.map((one) => one.headers["drover-delivery"]))];

function verify(daemon, { headers, body }) {
  const file = path.join(daemon.data, "webhook.key");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const secret = readFileSync(file, "utf8").trim();
  const signed = `${headers["drover-timestamp"]}.${headers["drover-delivery"]}.${body}`;
  const good = createHmac("sha256", secret).update(signed).digest("hex");
  assert.equal(headers["drover-signature"], `v1=${good}`);
}

test("a receiver that answers 500 forty times and then 200 gets it", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const hook = await receiver(t, (response, count) => say(count <= 40 ? 500 : 200)(response));
  const run = await submit(daemon, hook.url);
  await hook.until(30);
  const stalled = await delivery(daemon, settled("stalled"));
  assert.equal(stalled.cause, "the receiver answered 500");
  await hook.until(41);
  const done = await delivery(daemon, settled("acknowledged"));
  assert.equal(hook.requests.length, 41);
  assert.deepEqual(ids(hook.requests), [done.id]);
  const target = "/api/v1/streams/owner:local/events?after=0&limit=1000";
  const { events } = (await daemon.request("GET", target, { local: true })).json;
  const changes = events.filter(({ type }) => type === "delivery_changed");
  assert.deepEqual(
    changes.map(({ data }) => data.failures),
    [...Array(41).keys(), 40], // Made, each failure, and the end.
  );
  assert.deepEqual(changes.at(-1).data, done);
  hook.requests.forEach((request, at) => {
    assert.equal(request.method, "POST");
    assert.equal(request.headers["content-type"], "application/json");
    assert.equal(request.headers["drover-attempt"], String(at + 1));
    verify(daemon, request);
  });
  const notice = JSON.parse(hook.requests[40].body);
  assert.deepEqual(
    [notice.run, notice.kind, notice.state, notice.exit_code],
    [run, "job", "succeeded", 0],
  );
  assert.match(notice.output, /hello/);
});

/** A job, started; `body` is all of it but whom it notifies. */
async function job(daemon, webhook, body) {
  const answer = await daemon.request("POST", "/api/v1/jobs", {
    body: { ...body, notify: [{ webhook }] },
    local: true,
  });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

/** Its holder, once it has begun. */
async function holderOf(daemon, id) {
  const file = path.join(daemon.data, "spool", `${id}.1`, "claim");
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
  return Number(readFileSync(file, "utf8").split(" ")[1]);
}

test("every end is told once, whatever it was", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const hook = await receiver(t, say(200));
  const stop = (id) => daemon.request("POST", `/api/v1/runs/${id}/stop`, { local: true });
  const sleep = { argv: ["sleep", "600"] };
  const want = {};
  const expect = async (body, ...end) => {
    const id = await job(daemon, hook.url, body);
    want[id] = end;
    return id;
  };
  await expect({ argv: ["true"] }, "succeeded", "completed", 0);
  await expect({ shell: "exit 3" }, "failed", "exit_code", 3);
  await expect({ shell: "kill -9 $$" }, "failed", "signal", null);
  await expect({ argv: ["/no/such/program"] }, "failed", "not_started", null);
  const tried = await expect(
    { shell: "exit 2", retry: { max: 2, backoff: 10 } },
    ...["failed", "exit_code", 2],
  );
  await expect({ ...sleep, timeout_ms: 50 }, "timed_out", "deadline", null);
  const running = await expect(sleep, "cancelled", "stopped", null);
  const killed = await expect(sleep, "lost", "holder_killed", null);
  const once = await expect({ ...sleep, once: true }, "lost", "outcome_unknown", null);
  const first = await expect({ ...sleep, key: "k", key_max: 1 }, "cancelled", "stopped", null);
  const waiting = await expect({ ...sleep, key: "k", key_max: 1 }, "cancelled", "stopped", null);
  // Of a start that the daemon had not seen yet, the next one makes another attempt.
  const ended = (id) => daemon.request("GET", `/api/v1/runs/${id}`, { local: true });
  while ((await ended(tried)).json.state !== "failed");
  for (const id of [killed, once]) process.kill(await holderOf(daemon, id), "SIGKILL");
  for (const id of [waiting, running]) assert.equal((await stop(id)).status, 200);
  await daemon.kill();
  await daemon.start();
  assert.equal((await stop(first)).status, 200);
  const all = Object.keys(want).length;
  while ((await inbox(daemon)).filter((row) => row.state === "acknowledged").length < all);
  assert.equal((await inbox(daemon)).length, all);
  assert.equal(ids(hook.requests).length, all);
  for (const { body } of hook.requests) {
    const { run, state, cause, exit_code: code, ...notice } = JSON.parse(body);
    assert.deepEqual([state, cause, code], want[run], run);
    assert.equal(notice.attempt, run === tried ? 3 : undefined, run);
    const { made_ms: made, started_ms: started, ended_ms: ended } = notice;
    assert.equal(notice.duration_ms, started === null ? 0 : ended - started, body);
    assert.ok(made > 0 && ended >= made && (started === null) === (run === waiting), body);
    if (run === tried) assert.equal(notice.total_ms, ended - made, body);
    if (run === tried) assert.ok(notice.total_ms >= notice.duration_ms + 10, body);
  }
});

test("one that is stopped while it waits for its retry has no exit code of its own", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const hook = await receiver(t, say(200));
  const id = await job(daemon, hook.url, { argv: ["false"], retry: { max: 5, backoff: 60_000 } });
  const ask = () => daemon.request("GET", `/api/v1/runs/${id}`, { local: true });
  const show = async () => (await ask()).json;
  let run;
  do run = await show();
  while (run.gate !== "time");
  assert.equal(run.exit_code, 1, "what it waits for has one");
  const stop = await daemon.request("POST", `/api/v1/runs/${id}/stop`, { local: true });
  assert.equal(stop.status, 200, stop.text);
  run = await show();
  assert.deepEqual([run.state, run.cause, run.exit_code], ["cancelled", "stopped", null]);
  await hook.until(1);
  const notice = JSON.parse(hook.requests[0].body);
  assert.deepEqual([notice.state, notice.exit_code], ["cancelled", null]);
});

test("a receiver that is down through three restarts gets it", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const before = await receiver(t, say(200), await keptPort());
  before.server.close();
  await once(before.server, "close");
  await submit(daemon, before.url);
  for (const end of ["kill", "stop", "kill"]) {
    const row = await delivery(daemon, ({ failures }) => failures > 0);
    assert.match(row.cause, /^no connection/);
    await daemon[end]();
    await daemon.start();
  }
  const hook = await receiver(t, say(200), before.port);
  await hook.until(1);
  const row = await delivery(daemon, settled("acknowledged"));
  assert.deepEqual(ids(hook.requests), [row.id]);
  verify(daemon, hook.requests[0]); /* The key is still the same. */
});

for (const moment of ["before it answers", "right after its 200"]) {
  test(`a daemon killed by its receiver ${moment} sends the same delivery again`, async (t) => {
    const daemon = await daemonFor(t, [...quick, ...loopback]).start();
    let killed;
    const hook = await receiver(t, (response, count) => {
      if (count > 1) {
        say(200)(response);
      } else if (moment === "before it answers") {
        killed = daemon.kill();
      } else {
        response.on("finish", () => (killed = daemon.kill()));
        say(200)(response);
      }
    });
    await submit(daemon, hook.url);
    await hook.until(1);
    await daemon.exited;
    await killed;
    await daemon.start();
    const row = await delivery(daemon, settled("acknowledged"));
    // Right after its 200, the commit may have been faster: then once is enough.
    assert.ok(hook.requests.length >= (moment === "before it answers" ? 2 : 1));
    assert.deepEqual(ids(hook.requests), [row.id]);
  });
}

test("a stop in the middle of a delivery loses nothing", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const hook = await receiver(t, (response, count) => {
    if (count > 1) say(200)(response);
  });
  await submit(daemon, hook.url);
  await hook.until(1);
  assert.equal((await daemon.stop()).code, 0);
  await daemon.start();
  await hook.until(2);
  const row = await delivery(daemon, settled("acknowledged"));
  assert.deepEqual(ids(hook.requests), [row.id]);
});

test("a private address is refused unless it is listed", async (t) => {
  const daemon = await daemonFor(t, quick).start();
  let ready = false;
  const hook = await receiver(t, (response) => say(ready ? 200 : 503)(response));
  const local = `127.0.0.1:${hook.port}`;
  // What the URL says is refused at once, by all who take one.
  for (const target of ["jobs", "workflows"]) {
    for (const host of [local, `localhost:${hook.port}`, "10.1.2.3", "[::1]:99"]) {
      const body = { notify: [{ webhook: `http://${host}/hook` }] };
      const more = target === "jobs" ? { argv: ["true"] } : { script: "return 1" };
      const answer = await daemon.request("POST", `/api/v1/${target}`, {
        body: { ...more, ...body },
        local: true,
      });
      assert.deepEqual([answer.status, answer.json.code], [400, "bad_field"], host);
      assert.match(answer.json.detail, /^notify\[0\]: .* --webhook-allow \S+ to allow that$/);
    }
  }
  const words = ["job", "run", "--notify", `http://${local}/`, "true"];
  const told = await daemon.cli(words);
  assert.deepEqual([told.code, told.stdout], [2, ""]);
  assert.match(told.stderr, new RegExp(`with --webhook-allow ${local} to allow that`));
  assert.equal(hook.requests.length, 0);
  const restart = async (...more) => {
    await daemon.stop();
    daemon.args = [...plain, ...more];
    await daemon.start();
  };
  const plain = daemon.args;
  await restart("--webhook-allow", `10.0.0.0/8,${local}`);
  await submit(daemon, hook.url);
  await delivery(daemon, ({ failures }) => failures > 0);
  // Of a daemon that does not allow the address, the socket refuses what was accepted before.
  await daemon.stop();
  const asked = hook.requests.length;
  await restart();
  const refused = await delivery(daemon, ({ cause }) => /not allowed/.test(cause ?? ""));
  assert.equal(refused.cause, "the address is not allowed: 127.0.0.1 is a loopback address");
  assert.equal(hook.requests.length, asked);
  ready = true;
  await restart("--webhook-allow", `10.0.0.0/8,${local}`);
  await delivery(daemon, settled("acknowledged"));
});

test("410 settles it as gone, a redirect is a failure that is not followed", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const hook = await receiver(t, (response, count) => {
    response.setHeader("location", `${way}/else`);
    say(count < 3 ? 307 : 410)(response);
  });
  await submit(daemon, hook.url);
  const row = await delivery(daemon, settled("gone"));
  assert.equal(row.cause, "the receiver answered 410");
  assert.deepEqual(hook.requests.map(({ url }) => url), [way, way, way]);
});

test("nobody waits for a receiver that is silent", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const silent = await receiver(t, () => {});
  const hook = await receiver(t, say(200));
  await submit(daemon, silent.url);
  await silent.until(1);
  for (let i = 0; i < 5; i++) await submit(daemon, hook.url);
  await hook.until(5);
  assert.equal(silent.requests.length, 1);
  const metrics = await daemon.request("GET", "/metrics", { local: true });
  assert.match(metrics.text, /^drover_deliveries_in_flight 1$/m);
});

test("a retry on demand does not wait for its time", async (t) => {
  const hour = ["--webhook-wait", "3600000", "--webhook-wait-max", "3600000"];
  const daemon = await daemonFor(t, [...hour, ...loopback]).start();
  const hook = await receiver(t, (response, count) => say(count === 1 ? 503 : 200)(response));
  await submit(daemon, hook.url);
  const row = await delivery(daemon, ({ failures }) => failures === 1);
  const answer = await daemon.request("POST", `/api/v1/inbox/${row.id}/retry`, { local: true });
  assert.equal(answer.status, 200, answer.text);
  await hook.until(2);
  await delivery(daemon, settled("acknowledged"));
});

test("wrong settings are refused before anything starts", async (t) => {
  const wrong = [
    [["--webhook-allow", "10.0.0.0/33"], /10\.0\.0\.0\/33/],
    [["--webhook-secret", "/nowhere/secret"], /\/nowhere\/secret/],
    [["--webhook-wait", "0"], /webhook-wait/],
  ];
  for (const [args, said] of wrong) {
    const daemon = daemonFor(t, args);
    daemon.spawn();
    const { code } = await daemon.ended();
    assert.ok(code > 0, `${args}: ${code}`);
    assert.match(daemon.log, said);
  }
});

async function api(daemon, method, target, body) {
  const answer = await daemon.request(method, `/api/v1/${target}`, { body, local: true });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
}

/** A turn that asks, and its open question. */
async function ask(daemon, question) {
  const { id } = await api(daemon, "POST", "sessions", { title: "Shoes" });
  const text = `call: ask_user ${JSON.stringify({ question })}\nsay: So.`;
  const { run } = await api(daemon, "POST", `sessions/${id}/messages`, { text });
  for (;;) {
    const { items } = await api(daemon, "GET", "approvals");
    const open = items.find((one) => one.run === run);
    if (open !== undefined) return { session: id, run, approval: open.id };
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a question is owed to notify_webhook in its commit, once, over a kill", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback, "--notify-after", "86400"]).start();
  const port = await keptPort(t);
  const settings = {
    notify_webhook: `http://127.0.0.1:${port}${way}`,
    public_url: "https://my.host",
  };
  await api(daemon, "PATCH", "settings", settings);
  const first = await ask(daemon, `Which one? ${"x".repeat(3000)}`);
  const gone = await ask(daemon, "Never mind?");
  await api(daemon, "POST", `approvals/${gone.approval}`, { answer: "no" });
  const rows = await inbox(daemon);
  assert.deepEqual(
    rows.map(({ run, event, state }) => [run, event, state === "gone"]),
    [[gone.run, "asked", true], [first.run, "asked", false]],
  );
  await daemon.kill(); // The receiver was never there.
  const hook = await receiver(t, say(200), port);
  await daemon.start();
  await hook.until(1);
  for (;;) {
    const items = await inbox(daemon);
    if (items.every(({ settled_ms: settled }) => settled !== null)) break;
  }
  assert.equal(hook.requests.length, 1);
  verify(daemon, hook.requests[0]);
  const notice = JSON.parse(hook.requests[0].body);
  const { question, delivery: _, ...rest } = notice;
  assert.match(question, /^Which one\? x+ …$/);
  assert.ok(question.length < 1100);
  assert.deepEqual(rest, {
    event: "asked",
    title: "Shoes",
    project: "default",
    session: first.session,
    link: `https://my.host/inbox/${first.approval}`,
    run: first.run,
    kind: "turn",
    approval: first.approval,
    asks: "answer",
    step: "ask_user",
  });
  await api(daemon, "POST", `approvals/${first.approval}`, { answer: "this" });
  assert.equal((await inbox(daemon)).length, 2); // A short turn that succeeded has no notice.
});

test("a question below a run is owed to the webhooks of that run; notify_on leaves it out",
  async (t) => {
    const daemon = await daemonFor(t, [...quick, ...loopback]).start();
    const hook = await receiver(t, say(200));
    const run = await job(daemon, hook.url, { argv: ["sleep", "600"] });
    const question = { run, step: "one", question: "Go on?" };
    const first = await api(daemon, "POST", "approvals", question);
    await api(daemon, "POST", "approvals", question); // A repetition.
    await hook.until(1);
    await api(daemon, "PATCH", "settings", { notify_on: ["failed", "ended"] });
    await api(daemon, "POST", "approvals", { ...question, step: "two" });
    await api(daemon, "POST", `runs/${run}/stop`);
    await hook.until(2);
    const [asked, ended] = hook.requests.map(({ body }) => JSON.parse(body));
    assert.deepEqual([asked.event, asked.approval, asked.run], ["asked", first.id, run]);
    assert.equal(asked.link, `${daemon.url}/inbox/${first.id}`);
    assert.deepEqual([ended.event, ended.state, ended.run], ["ended", "cancelled", run]);
    assert.equal((await inbox(daemon)).length, 2);
  });

test("links lead to the port of pages, from when there is one", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const hook = await receiver(t, say(200));
  const run = await job(daemon, hook.url, { argv: ["sleep", "600"] });
  let count = 0;
  const linkOf = async () => {
    const body = { run, step: `step ${count}`, question: "Go on?" };
    const { id } = await api(daemon, "POST", "approvals", body);
    await hook.until(++count);
    const { link } = JSON.parse(hook.requests.at(-1).body);
    assert.ok(link.endsWith(`/inbox/${id}`), link);
    return new URL(link).origin;
  };
  assert.equal(await linkOf(), daemon.url);
  const { origin, url } = await api(daemon, "POST", "login/links");
  assert.notEqual(origin, daemon.url);
  assert.equal(await linkOf(), origin);
  const { port, host } = new URL(origin);
  const [, link] = url.split("#link=");
  const sent = { headers: { host, origin }, body: { link } };
  await Daemon.prototype.request.call({ port }, "POST", "/api/v1/login", sent);
  await daemon.kill();
  await daemon.start();
  assert.equal(await linkOf(), origin);
});

test("notify_webhook hears of failures, and of notices that are stalled", async (t) => {
  const daemon = await daemonFor(t, [...quick, ...loopback]).start();
  const [hook, broken] = await Promise.all([receiver(t, say(200)), receiver(t, say(500))]);
  await api(daemon, "PATCH", "settings", { notify_webhook: hook.url });
  const run = await submit(daemon, broken.url, ["/bin/false"]);
  await hook.until(2);
  const [failed, stalled] = hook.requests.map(({ body }) => JSON.parse(body));
  assert.deepEqual([failed.event, failed.run, failed.state], ["failed", run, "failed"]);
  assert.deepEqual([stalled.event, stalled.run, stalled.failures], ["stalled", run, 20]);
  assert.equal(stalled.address, broken.url);
  assert.match(stalled.link, new RegExp(`/inbox/${stalled.stalled}$`));
});

test("settings of notices are refused with what to do, and stay as they were", async (t) => {
  const daemon = await daemonFor(t, quick).start();
  const before = await api(daemon, "GET", "settings");
  for (const [body, words] of [
    [{ notify_webhook: "http://127.0.0.1:9/x" }, /--webhook-allow 127\.0\.0\.1/],
    [{ notify_webhook: "ftp://a" }, /begins with http/],
    [{ notify_webhook: "http://a:b@c/" }, /without a user and password/],
    [{ public_url: "https://my.host/path" }, /without a path/],
    [{ public_url: "my.host" }, /an http or https URL without a path/],
    [{ notify_on: [] }, /asked, stalled, failed and ended/],
    [{ notify_on: ["asked", "asked"] }, /each once/],
    [{ notify_on: ["told"] }, /asked, stalled, failed and ended/],
    [{ notify_on: "asked" }, /an array/],
  ]) {
    const answer = await daemon.request("PATCH", "/api/v1/settings", { body, local: true });
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.json.detail, words);
  }
  assert.deepEqual(await api(daemon, "GET", "settings"), before);
});
