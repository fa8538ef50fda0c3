// jobs.test.mjs: jobs and runs over HTTP, from their start to their removal.
//
// runs-with: release, san, postgres
import { writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";
import { eventSource } from "./sources.mjs";

/** A file that a command waits for, so that it is at work for as long as a test wants. */
const waitFor = (file) => `while [ ! -e ${file} ]; do sleep 0.02; done`;

golden("jobs", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const start = async (body, headers) => (await ask("POST", "jobs", body, { headers })).json.id;
  const ended = (run) => record.until(daemon, `run:${run}`, "run_finished");
  await ask("GET", "jobs");
  await ask("GET", "runs?total=1");
  const first = await start({ argv: ["printf", "one\\ntwo\\n"], label: "first", project: "web" });
  await ended(first);
  await ask("GET", `runs/${first}`);
  await ask("GET", `jobs/${first}`);
  await ask("GET", `runs/${first}/spans`);
  await ask("GET", `streams/run:${first}/events`);
  await record.events(daemon, `run:${first}`);
  await ask("GET", `jobs/${first}/logs`);
  await ask("GET", `jobs/${first}/logs?offset=4&limit=2`);
  await ask("GET", `jobs/${first}/logs?offset=-4`);
  await ask("GET", `jobs/${first}/logs?stream=err`);
  await ask("GET", `jobs/${first}/logs?stream=pty`);
  await ask("GET", `jobs/${first}/logs?offset=99`);
  await ask("GET", `jobs/${first}/logs?attempt=2`);
  await eventSource(record, daemon, `jobs/${first}/logs`);
  await eventSource(record, daemon, `jobs/${first}/logs?encoding=base64`);
  await eventSource(record, daemon, `streams/run:${first}/events`);
  await ask("GET", `jobs/${first}/logs/search?pattern=T.o&context=1`);
  await ask("GET", `jobs/${first}/logs/search?pattern=(?i)T.o&context=1`);
  await ask("GET", `jobs/${first}/logs/search?pattern=(`);
  await ask("POST", `runs/${first}/stop`);
  await ask("POST", `jobs/${first}/input`, { text: "x" });
  await ask("POST", `jobs/${first}/resize`, { rows: 20, columns: 80 });
  await ask("POST", `jobs/${first}/abandon`);
  record.say("how commands end");
  for (const body of [
    { shell: "echo bad >&2; exit 3", label: "fails" },
    { shell: "kill -9 $$", label: "killed" },
    { argv: [path.join(record.folder, "no-such-program")] },
    { argv: ["true"], cwd: path.join(record.folder, "none") },
    { shell: "sleep 600", timeout_ms: 50 },
    { shell: "exit 1", retry: { max: 1, on: ["failed"], backoff: 1 } },
    { shell: "exit 1", once: true, priority: 5, key: "build", key_max: 2 },
  ]) {
    const run = await start(body);
    await ended(run);
    await ask("GET", `runs/${run}`);
    await record.events(daemon, `run:${run}`);
  }
  record.say("lists");
  await ask("GET", "jobs?limit=2");
  await ask("GET", "runs?limit=1&state=succeeded&total=1");
  await ask("GET", "jobs?state=failed,timed_out&limit=1");
  await ask("GET", "jobs?q=FAILS");
  await ask("GET", "jobs?project=web&kind=job");
  await ask("GET", "runs?project=web&kind=job");
  await ask("GET", "runs?live=1");
  await ask("GET", "runs?parent=none");
  await ask("GET", "runs?after=nonsense");
  await ask("POST", `runs/${first}/retry`);
  const { items } = (await daemon.request("GET", "/api/v1/jobs?q=fails")).json;
  const { json: again } = await ask("POST", `runs/${items[0].id}/retry`);
  await ended(again.id);
  const some = [first, `run_${"0".repeat(26)}`];
  await ask("POST", "runs/bulk", { action: "seen", ids: some });
  await ask("POST", "runs/bulk", { action: "stop", ids: some });
  await ask("DELETE", `runs/${first}`);
  await ask("GET", `runs/${first}`);
  await ask("DELETE", `runs/${first}`);
}, { whole: ["job"] });

golden("terminals", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const cli = (...args) => record.cli(daemon, ["term", ...args]);
  const ended = ({ json }) => record.until(daemon, `run:${json.run}`, "run_finished");
  await cli("ls");
  const first = await ask("POST", "terminals", { command: "read line; exit $line", cwd: "/" });
  const one = `terminals/${first.json.id}`;
  await ask("POST", `${one}/restart`);
  await record.ok(daemon, "POST", `jobs/${first.json.run}/input`, { text: "3\n" });
  await ended(first);
  await ask("GET", one);
  await ask("PATCH", one, { name: "three" });
  const again = await ask("POST", `${one}/restart`);
  await ask("GET", "terminals?q=three&total=1");
  await record.ok(daemon, "POST", `jobs/${again.json.run}/input`, { text: "0\n" });
  await ended(again);
  await ask("DELETE", one);
  await ask("DELETE", one);
  for (const json of [[], ["--json"]]) {
    await cli("new", "build", "--command", "echo up", "--cwd", "/", ...json);
    await cli("attach", "build", ...json);
    await cli("rename", "build", "tests", ...json);
    await cli("ls", ...json);
    await cli("restart", "tests", ...json);
    await cli("close", "tests", ...json);
  }
  await cli("attach", "tests");
  await cli("new", "--command", "a\nb", "--cwd", "/");
});

// Refusals of a program inside a run; and a start, which is allowed.
golden("inside", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const start = async (body) => (await ask("POST", "jobs", body)).json.id;
  const inside = async (label, shell) => {
    const run = await start({ label, shell: shell.replace("API", "http://x/api/v1") });
    await record.until(daemon, `run:${run}`, "run_finished");
    await ask("GET", `jobs/${run}/logs`);
  };
  const other = await start({ argv: ["sleep", "600"], label: "other" });
  const curl = `curl -s --unix-socket ${daemon.socket}`;
  const none = `apr_${"0".repeat(26)}`;
  await inside("never", `${curl} -X POST API/approvals/${none}`);
  await inside("not below", `${curl} -X POST API/runs/${other}/stop`);
  const body = `-H 'content-type: application/json' -d '{"argv":["true"]}' -o /dev/null`;
  await inside("begins", `${curl} -w '%{http_code}' ${body} API/jobs`);
  await ask("POST", `runs/${other}/stop`);
});

// Questions of a program about a step of its job, and the answers of a person.
golden("questions", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const { json: { id: run } } = await ask("POST", "jobs", { argv: ["sleep", "600"], label: "l" });
  const asked = async (body) => (await ask("POST", "approvals", { run, ...body })).json.id;
  const plan = await asked({ step: "plan", question: "Is it fine?\nIt costs 3 $." });
  const colour = await asked({ step: "colour", question: "Which?", options: ["red", "blue"] });
  const schema = { type: "object", required: ["port"], properties: { port: { type: "integer" } } };
  const form = await asked({ step: "port", question: "Which port?", schema });
  await record.cli(daemon, ["approve"]);
  await record.cli(daemon, ["ps"]);
  await record.cli(daemon, ["approve", plan]);
  await record.cli(daemon, ["approve", colour]);
  await record.cli(daemon, ["approve", colour, "--answer", "2"]);
  await ask("POST", `approvals/${form}`, { fields: { port: "no" } });
  await ask("POST", `approvals/${form}`, { fields: { port: 80 } });
  await ask("POST", `approvals/${form}`, { fields: { port: 80 } });
  await ask("POST", `approvals/${form}`, { fields: { port: 81 } });
  await asked({ step: "port", question: "Which port?", schema });
  await asked({ step: "plan", question: "Still?" });
  await ask("POST", `runs/${run}/stop`);
  await record.until(daemon, `run:${run}`, "run_finished");
  await asked({ step: "late", question: "Still?" });
  await record.events(daemon, `run:${run}`);
});

golden("jobs-live", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const start = async (body, headers) => (await ask("POST", "jobs", body, { headers })).json.id;
  const ended = (run) => record.until(daemon, `run:${run}`, "run_finished");
  const keyed = { headers: { "idempotency-key": "one" } };
  const body = { shell: waitFor(path.join(record.folder, "go")), key: "k", label: "live" };
  const { json: live } = await ask("POST", "jobs", body, keyed);
  await ask("POST", "jobs", body, keyed);
  await ask("POST", "jobs", { ...body, label: "another" }, keyed);
  const queued = await start({ shell: "true", key: "k", label: "queued" });
  await ask("GET", `runs/${queued}`);
  await ask("DELETE", `runs/${live.id}`);
  await ask("GET", "runs?live=1&total=1");
  await ask("POST", `runs/${queued}/stop`);
  await ended(queued);
  await record.events(daemon, `run:${queued}`);
  await ask("POST", `runs/${live.id}/stop`, { grace_ms: 60_000 });
  await ended(live.id);
  await ask("GET", `runs/${live.id}`);
  await record.events(daemon, `run:${live.id}`);
  record.say("input");
  const done = path.join(record.folder, "done");
  const reads = { shell: `cat; ${waitFor(done)}`, stdin: "first\n", stdin_open: true };
  const cat = await start(reads);
  await ask("POST", `jobs/${cat}/input`, { text: "more\n" });
  const once = { headers: { "idempotency-key": "input" } };
  await ask("POST", `jobs/${cat}/input`, { base64: "YWJj" }, once);
  await ask("POST", `jobs/${cat}/input`, { base64: "YWJj" }, once);
  await ask("POST", `jobs/${cat}/input`, { base64: "!" });
  await ask("POST", `jobs/${cat}/input`, { text: "a", base64: "YWJj" });
  await ask("POST", `jobs/${cat}/input`, { text: "x".repeat(70_000) });
  await ask("POST", `jobs/${cat}/input`, {});
  await ask("POST", `jobs/${cat}/resize`, { rows: 20, columns: 80 });
  await ask("POST", `jobs/${cat}/abandon`);
  await ask("POST", `jobs/${cat}/input`, { end: true });
  await ask("POST", `jobs/${cat}/input`, { text: "x" });
  writeFileSync(done, "");
  await ended(cat);
  await ask("GET", `jobs/${cat}/logs`);
  record.say("a terminal");
  const pty = await start({ shell: "read line; stty size", pty: { rows: 30, columns: 90 } });
  await ask("POST", `jobs/${pty}/resize`, { rows: 20, columns: 80 });
  await ask("POST", `jobs/${pty}/input`, { text: "go\n" });
  await ended(pty);
  await ask("GET", `jobs/${pty}/logs`);
  record.say("limits, environment and everything that can be asked for");
  const all = await start({
    argv: ["sh", "-c", "echo $A"], cwd: record.root, env: { A: "b" }, stdin: "in",
    timeout_ms: 60000, limits: { memory: 1 << 30, output: 1 << 20, processes: 50 }, key: "all",
    key_max: 3, priority: -7, once: false, label: "all", retry: { max: 2, on: ["lost", "failed"] },
    notify: [], project: "web", budget: { wall_ms: 60000, agents: null }, sandbox: "off",
  });
  await ended(all);
  await ask("GET", `runs/${all}`);
  // A command that took less than a millisecond foretells nothing.
  const budget = await daemon.request("GET", `/api/v1/budgets/run:${all}`);
  const text = budget.text.replace(/"forecast":(null|\{[^}]*\})/, '"forecast":null');
  record.answer("GET", `/api/v1/budgets/run:${all}`, { ...budget, text });
});
