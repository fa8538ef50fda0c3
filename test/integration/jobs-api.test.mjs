// jobs-api.test.mjs: jobs, the list of runs, inbox and hold, as an HTTP client sees them.
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Jobs } from "./jobs.mjs";

const jobs = new Jobs();

// --- Submitting ---------------------------------------------------------------------------------

test("a job is accepted, runs, and says how it ended", async () => {
  const answer = await jobs.submit({ argv: ["sh", "-c", "echo hello; exit 3"], label: "greet" });
  assert.equal(answer.status, 201);
  assert.match(answer.json.id, /^run_/);
  assert.equal(answer.json.kind, "job");
  assert.ok(["queued", "running"].includes(answer.json.state));
  const run = await jobs.ended(answer.json.id);
  assert.equal(run.state, "failed");
  assert.equal(run.cause, "exit_code");
  assert.equal(run.exit_code, 3);
  assert.equal(run.attempts, 1);
  assert.deepEqual(run.spec.argv, ["sh", "-c", "echo hello; exit 3"]);
});

test("a list shows the command of a job without a label, cut between characters", async () => {
  const args = ["é".repeat(60), "é".repeat(60)]; // The words before make the cut an odd one.
  const id = await jobs.start({ argv: ["pwd", ...args] });
  const named = await jobs.start({ argv: ["pwd", ...args], label: "named" });
  const line = await jobs.shell("exit 0 # by the shell");
  await Promise.all([id, named, line].map((one) => jobs.ended(one)));
  const rows = (await jobs.request("GET", "/api/v1/jobs?limit=3")).json.items;
  const row = (one) => rows.find((each) => each.id === one);
  assert.equal(row(id).command, `pwd ${args.join(" ")}`.slice(0, 4 + 61 + 37));
  assert.equal(Buffer.byteLength(row(id).command), 199);
  assert.equal(row(named).command, undefined);
  assert.equal(row(line).command, "exit 0 # by the shell");
});

test("a list shows the fields of a job that it need not read the spec for", async () => {
  const limited = await jobs.start({ argv: ["true"], timeout_ms: 4321 });
  const free = await jobs.start({ argv: ["true"] });
  await Promise.all([limited, free].map((one) => jobs.ended(one)));
  for (const list of ["/api/v1/jobs?limit=2", "/api/v1/runs?limit=2"]) {
    const rows = (await jobs.request("GET", list)).json.items;
    const row = (one) => rows.find((each) => each.id === one);
    assert.equal(row(limited).timeout_ms, 4321, list);
    assert.equal(row(free).timeout_ms, undefined, list);
  }
  assert.equal((await jobs.request("GET", `/api/v1/jobs/${limited}`)).json.timeout_ms, 4321);
});

test("the same Idempotency-Key starts one job", async () => {
  const headers = { "idempotency-key": "job-1" };
  const first = await jobs.submit({ argv: ["true"] }, headers);
  const second = await jobs.submit({ argv: ["true"] }, headers);
  assert.equal(second.status, 201);
  assert.equal(second.json.id, first.json.id);
  assert.equal(second.headers["idempotent-replay"], "true");
  const other = await jobs.submit({ argv: ["false"] }, headers);
  assert.equal(other.status, 422);
  assert.equal(other.json.code, "idempotency_mismatch");
});

test("what is wrong with a job is said by name, and starts nothing", async () => {
  const before = (await jobs.request("GET", "/api/v1/jobs")).json.items.length;
  for (const [body, code, word] of [
    [{}, "missing_field", /argv|shell/],
    [{ argv: [] }, "bad_field", /argv/],
    [{ argv: ["true"], shel: "x" }, "unknown_field", /shel/],
    [{ argv: ["true"], timeout_ms: -1 }, "bad_field", /timeout_ms/],
    [{ argv: ["true"], notify: [{ webhook: 7 }] }, "bad_field", /notify/],
  ]) {
    const answer = await jobs.submit(body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.json.code, code, answer.text);
    assert.match(answer.json.detail, word);
  }
  assert.equal((await jobs.request("GET", "/api/v1/jobs")).json.items.length, before);
});

test("ten thousand variables travel", async () => {
  const rows = Array.from({ length: 10000 }, (_, i) => [`VAR_${i}`, `value ${i}`]);
  const env = Object.fromEntries(rows);
  const id = await jobs.start({ argv: ["sh", "-c", 'echo "$VAR_0 $VAR_9999"'], env });
  assert.equal((await jobs.ended(id)).state, "succeeded");
  assert.equal((await jobs.logs(id)).bytes.toString(), "value 0 value 9999\n");
});

test("a command that does not exist ends as not started", async () => {
  const run = await jobs.ended(await jobs.start({ argv: ["/no/such/program"] }));
  assert.equal(run.state, "failed");
  assert.equal(run.cause, "not_started");
});

// --- Lists --------------------------------------------------------------------------------------

test("lists page without gap or repeat, newest first, and can be filtered", async () => {
  const ids = [];
  for (let i = 0; i < 5; i++) ids.push(await jobs.start({ argv: ["true"], label: `page ${i}` }));
  for (const id of ids) await jobs.ended(id);
  const seen = [];
  for (let after = ""; ; ) {
    const page = await jobs.request("GET", `/api/v1/runs?limit=2${after}`);
    assert.equal(page.status, 200);
    seen.push(...page.json.items.map((run) => run.id));
    if (page.json.next === null) break;
    assert.equal(page.json.items.length, 2);
    after = `&after=${page.json.next}`;
  }
  assert.deepEqual(seen.slice(0, 5), [...ids].reverse());
  assert.equal(new Set(seen).size, seen.length);
  const failed = await jobs.request("GET", "/api/v1/jobs?state=failed");
  assert.ok(failed.json.items.length > 0);
  assert.ok(failed.json.items.every((run) => run.state === "failed" && run.kind === "job"));
  assert.deepEqual((await jobs.request("GET", "/api/v1/runs?kind=workflow")).json.items, []);
  const some = await jobs.request("GET", "/api/v1/jobs?state=failed,succeeded&total=1&limit=1");
  const both = (await jobs.request("GET", "/api/v1/jobs?limit=200")).json.items;
  const ended = both.filter((run) => ["failed", "succeeded"].includes(run.state));
  assert.equal(some.json.total, ended.length);
  assert.equal(some.json.more, undefined);
  for (const [query, code] of [
    ["state=broken", "bad_query"],
    ["state=failed,", "bad_query"],
    ["parent=run_00000000000000000000000000", "not_found"],
    ["since=-1", "bad_query"],
    ["kind=thing", "bad_query"],
    ["after=x", "bad_cursor"],
    ["limit=0", "bad_query"],
  ]) {
    const answer = await jobs.request("GET", `/api/v1/runs?${query}`);
    assert.equal(answer.json.code, code, query);
  }
});

test("lists are narrowed by project, root, parent, time and text", async () => {
  const id = await jobs.start({ argv: ["true"], label: "Sift 100%_", project: "sifted" });
  const other = await jobs.start({ argv: ["true"], label: "sift 100x1", project: "other" });
  const { made_ms } = await jobs.ended(id);
  await jobs.ended(other);
  const ids = async (query) => {
    const page = await jobs.request("GET", `/api/v1/jobs?total=1&${query}`);
    assert.equal(page.status, 200, query);
    assert.equal(page.json.total, page.json.items.length, query);
    return page.json.items.map((run) => run.id);
  };
  assert.deepEqual(await ids("project=sifted"), [id]);
  assert.deepEqual(await ids("project=sifted&state=failed"), []);
  assert.deepEqual(await ids("q=SIFT%20100%25_"), [id]);
  assert.deepEqual(await ids(`since=${made_ms}&project=sifted`), [id]);
  assert.deepEqual(await ids(`since=${made_ms + 3600000}`), []);
  assert.deepEqual(await ids(`parent=${id}`), []);
  assert.deepEqual(await ids(`root=${id}&live=1`), []);
  assert.deepEqual(await ids("session=ses_nobody"), []);
});

test("only live runs are listed where that is asked", async () => {
  const id = await jobs.shell("sleep 600");
  const live = await jobs.request("GET", "/api/v1/runs?live=1");
  assert.ok(live.json.items.some((run) => run.id === id));
  await jobs.request("POST", `/api/v1/runs/${id}/stop`, { body: { grace_ms: 100 } });
  await jobs.ended(id);
  const after = await jobs.request("GET", "/api/v1/runs?live=1");
  assert.ok(!after.json.items.some((run) => run.id === id));
});

test("what is not there is 404, whatever is asked of it", async () => {
  const id = "run_00000000000000000000000000";
  for (const [method, target] of [
    ["GET", `/api/v1/runs/${id}`],
    ["GET", "/api/v1/runs/nonsense"],
    ["DELETE", `/api/v1/runs/${id}`],
    ["POST", `/api/v1/runs/${id}/stop`],
    ["GET", `/api/v1/jobs/${id}`],
    ["GET", `/api/v1/jobs/${id}/logs`],
    ["GET", `/api/v1/jobs/${id}/logs/search?pattern=x`],
    ["GET", "/api/v1/inbox/dlv_00000000000000000000000000"],
    ["POST", "/api/v1/inbox/dlv_00000000000000000000000000/retry"],
  ]) {
    const answer = await jobs.request(method, target);
    assert.equal(answer.status, 404, `${method} ${target}: ${answer.text}`);
    assert.equal(answer.json.code, "not_found");
  }
  const stream = await jobs.openLogs(id);
  assert.equal(stream.status, 404);
  stream.close();
});

// --- Stop, remove -------------------------------------------------------------------------------

test("a run is stopped once; a second time says in which state it is", async () => {
  const id = await jobs.shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done");
  await jobs.event(id, "run_started");
  const early = await jobs.request("DELETE", `/api/v1/runs/${id}`);
  assert.equal(early.status, 409, early.text);
  const stop = await jobs.request("POST", `/api/v1/runs/${id}/stop`);
  assert.equal(stop.status, 200, stop.text);
  assert.equal(stop.json.id, id);
  const run = await jobs.ended(id);
  assert.equal(run.state, "cancelled");
  assert.equal(run.cause, "stopped");
  const again = await jobs.request("POST", `/api/v1/runs/${id}/stop`, { body: {} });
  assert.equal(again.status, 409);
  assert.match(again.json.detail, /cancelled/);
  const bad = await jobs.request("POST", `/api/v1/runs/${id}/stop`, { body: { grace: 1 } });
  assert.equal(bad.json.code, "unknown_field");
});

test("a removed run is gone with its log", async () => {
  const id = await jobs.ran("echo gone");
  const answer = await jobs.request("DELETE", `/api/v1/runs/${id}`);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.id, id);
  assert.equal((await jobs.request("GET", `/api/v1/runs/${id}`)).status, 404);
  assert.equal((await jobs.logs(id)).status, 404);
  assert.equal((await jobs.request("DELETE", `/api/v1/runs/${id}`)).status, 404);
});

test("another owner's runs do not exist, but for an admin who names him", async () => {
  const token = async (owner, scopes) =>
    (await jobs.request("POST", "/api/v1/tokens", { body: { owner, scopes } })).json.token;
  const as = (secret) => ({ headers: { authorization: `Bearer ${secret}` } });
  const ann = await token("ann", ["read", "run"]);
  const reader = await token("ann", ["read"]);
  const made = await jobs.submit({ argv: ["echo", "hers"] }, as(ann).headers);
  assert.equal(made.status, 201, made.text);
  const { id } = made.json;
  const job = `/api/v1/jobs/${id}`;
  for (const target of [`/api/v1/runs/${id}`, job, `${job}/logs`, `${job}/logs/search?pattern=x`])
    assert.equal((await jobs.request("GET", target)).status, 404, target);
  assert.equal((await jobs.request("POST", `/api/v1/runs/${id}/stop`)).status, 404);
  assert.equal((await jobs.request("GET", `/api/v1/runs/${id}?owner=ann`)).status, 200);
  const hers = await jobs.request("GET", "/api/v1/runs", as(ann));
  assert.deepEqual(
    hers.json.items.map((run) => run.id),
    [id],
  );
  assert.equal((await jobs.request("GET", "/api/v1/runs?owner=local", as(ann))).status, 403);
  assert.equal((await jobs.submit({ argv: ["true"] }, as(reader).headers)).status, 403);
  assert.equal((await jobs.request("POST", "/api/v1/system/release", as(ann))).status, 403);
});

test("no hold is no hold, and nothing waits for it", async () => {
  const hold = await jobs.request("GET", "/api/v1/system/hold");
  assert.equal(hold.status, 200, hold.text);
  assert.equal(hold.json.held, false);
  assert.deepEqual(Object.keys(hold.json.would_start).sort(), [
    "again",
    "again_runs",
    "deliveries",
    "lost",
    "queued",
    "running",
    "runs",
  ]);
  const release = await jobs.request("POST", "/api/v1/system/release");
  assert.equal(release.status, 200);
  assert.equal(release.json.held, false);
});

test("a daemon that holds says what would start, and starts it when it is released", async () => {
  await jobs.daemon.stop();
  jobs.daemon.args.push("--hold");
  await jobs.daemon.start();
  const id = await jobs.shell("echo free");
  const job = await jobs.show(id);
  assert.equal(job.state, "queued");
  assert.equal(job.gate, "hold");
  const hold = await jobs.request("GET", "/api/v1/system/hold");
  assert.equal(hold.json.held, true);
  assert.equal(hold.json.would_start.queued, 1);
  assert.deepEqual(
    hold.json.would_start.runs.map((run) => run.id),
    [id],
  );
  const release = await jobs.request("POST", "/api/v1/system/release");
  assert.equal(release.json.held, false);
  // A run of another test may have ended meanwhile: `running` is no part of what is promised here.
  const starts = ({ queued, runs }) => ({ queued, runs });
  assert.deepEqual(starts(release.json.would_start), starts(hold.json.would_start));
  assert.equal((await jobs.ended(id)).state, "succeeded");
  assert.equal((await jobs.request("GET", "/api/v1/system/hold")).json.held, false);
});

test("the inbox lists what is owed", async () => {
  const inbox = await jobs.request("GET", "/api/v1/inbox?all=1&limit=5");
  assert.equal(inbox.status, 200, inbox.text);
  assert.ok(Array.isArray(inbox.json.items));
  assert.equal((await jobs.request("GET", "/api/v1/inbox?after=x")).json.code, "bad_cursor");
});
