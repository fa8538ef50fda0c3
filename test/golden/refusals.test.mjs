// refusals.test.mjs: what each request says to values that it does not take, and to names of what
// is not there.
import assert from "node:assert/strict";

import { golden } from "./golden.mjs";
import { operations, Refusals } from "./refusals.mjs";

const SCRIPT = "export const meta = { name: 'flock', description: 'counts sheep' };\nreturn 1;";
const NO_ID = "0".repeat(26);

/** Objects of each kind, for whose sake a wrong request is not refused. */
async function objects(daemon, root) {
  const make = async (method, target, body) => {
    const answer = await daemon.request(method, `/api/v1/${target}`, { body });
    assert.ok(answer.status < 300, `${method} ${target}: ${answer.text}`);
    return answer.json;
  };
  const session = (await make("POST", "sessions", { title: "A talk", root })).id;
  const text = 'call: write_file {"path": "a", "content": "b"}';
  const { message } = await make("POST", `sessions/${session}/messages`, { text });
  const events = `streams/session:${session}/events`;
  let approval;
  for (let after = 0; approval === undefined; ) {
    const page = await make("GET", `${events}?after=${after}&wait=30`);
    approval = page.events.find(({ type }) => type === "approval_asked")?.data.id;
    after = page.events.at(-1)?.seq ?? after;
  }
  const job = (await make("POST", "jobs", { shell: "cat", stdin_open: true })).id;
  const memory = { topic: "build", title: "How", content: "Run it." };
  const letter = { to: "local", title: "t", text: "t" };
  const provider = { name: "mine", kind: "scripted" };
  await make("POST", "streams/notes/events", { type: "note" });
  await make("PATCH", "budgets/project:web", { tokens: 5 });
  const project = (await make("POST", "projects", { name: "mine" })).name;
  const { name: task } = await make("POST", `projects/${project}/tasks`,
    { title: "t", assignee: "nobody" });
  const { id: output } = await make("POST", `projects/${project}/tasks/${task}/outputs`,
    { type: "code", title: "t", content: "t" });
  return {
    task, output,
    sessions: session, messages: message, approvals: approval, jobs: job, runs: job,
    memory: (await make("POST", "memory", memory)).id,
    providers: (await make("POST", "providers", provider)).name,
    terminals: (await make("POST", "terminals", { command: "cat" })).id,
    projects: project,
    agents: (await make("POST", "agents", { name: "mine", program: "pi" })).name,
    tokens: (await make("POST", "tokens", { scopes: ["read"] })).id,
    streams: "notes", budgets: "project:web", attachments: `att_${NO_ID}`,
    mail: (await make("POST", "mail", letter)).id, inbox: `dlv_${NO_ID}`, workflows: "none",
    flows: "none", worktrees: `tre_${NO_ID}`,
  };
}

/** Bodies that are taken; where none is named, an empty one is. The one approval stays open, so
 *  that its turn goes on waiting. */
const good = (root) => ({
  "POST /api/v1/jobs": { shell: "true" },
  "POST /api/v1/approvals": { run: `run_${NO_ID}`, step: "s", question: "q" },
  "POST /api/v1/memory": { topic: "t", title: "t", content: "t" },
  "POST /api/v1/mail": { to: "local", title: "t", text: "t" },
  "POST /api/mail": { to: "local", title: "t", text: "t" },
  "POST /api/v1/terminals": { command: "true" },
  "POST /api/v1/projects": { name: "other" },
  "POST /api/v1/providers": { name: "other", kind: "scripted" },
  "POST /api/v1/agents": { name: "other", program: "claude" },
  "PUT /api/v1/agents/{name}": { program: "claude" },
  "POST /api/v1/login": { link: "none" },
  "POST /api/v1/tokens": { scopes: ["read"] },
  "POST /api/v1/runs/bulk": { action: "seen", ids: [`run_${NO_ID}`] },
  "POST /api/v1/seen": { session: `ses_${NO_ID}`, seq: 1 },
  "POST /api/v1/scripts/check": { script: SCRIPT },
  "PUT /api/v1/workflows/{name}": { source: SCRIPT, hash: "0".repeat(64) },
  // One that is not there: what is not refused for its fields begins nothing.
  "POST /api/v1/scripts/plan": { name: "none", root },
  "POST /api/v1/workflows": { name: "none", root },
  "POST /api/v1/flows": { name: "none", root },
  "POST /api/v1/flows/check": { name: "none", root },
  "PATCH /api/v1/messages/{id}": { text: "t" },
  "POST /api/v1/jobs/{id}/resize": { rows: 20, columns: 80 },
  "POST /api/v1/sessions/{id}/messages": { text: "say: x" },
  "POST /api/v1/sessions/{id}/subagents": { input: "say: x" },
  "POST /api/v1/sessions/{id}/rewind": { to: `msg_${NO_ID}`, files: true },
  "POST /api/v1/sessions/{id}/roots": { path: root },
  "POST /api/v1/streams/{id}/events": { type: "note" },
  ...Object.fromEntries(["/api/projects/{project}/tasks/{task}",
    "/api/v1/projects/{project}/tasks/{task}"].flatMap((target) => [
    [`POST ${target}/status`, { status: "done" }],
    [`POST ${target}/outputs`, { type: "code", title: "t", content: "t" }],
    [`POST ${target}/comments`, { body: "b" }]])),
  "POST /api/v1/projects/{project}/tasks": { title: "t" },
  "POST /api/v1/projects/{project}/tasks/{task}/review":
    { accept: true, attempt: "try_01arz3ndektsv4rrffq69g5fav" },
  "PUT /api/v1/sessions/{id}/viewed": { path: "a", viewed: true },
  "PUT /api/v1/runs/{id}/viewed": { path: "a", viewed: true },
  "POST /api/v1/projects/{project}/tasks/{task}/waive": { needs: "T-9", because: "b" },
});

const PREFIXES = {
  sessions: "ses", messages: "msg", approvals: "apr", jobs: "run", runs: "run", memory: "mem",
  terminals: "trm", tokens: "tok", attachments: "att", inbox: "dlv", mail: "mail",
  worktrees: "tre",
};

/** The command has read the end of its input, so that what comes next finds it ended. */
async function untilEnded(daemon, run) {
  for (let after = 0, ended = false; !ended; ) {
    const target = `/api/v1/streams/run:${run}/events?after=${after}&wait=30`;
    const { events } = (await daemon.request("GET", target)).json;
    ended = events.some(({ type }) => type === "run_finished");
    after = events.at(-1)?.seq ?? after;
  }
}

golden("refusals", async (record) => {
  const daemon = await record.daemon();
  const { root } = record;
  const there = await objects(daemon, root);
  const document = (await daemon.request("GET", "/api/v1/openapi.json")).json;
  const refusals = new Refusals(record, daemon);
  for (const one of operations(document)) {
    const kind = one.target.split("/")[3];
    // Of a task the project is there; the last name of the path is the one in question.
    const last = /\{(\w+)\}(?!.*\{)/.exec(one.target)?.[1];
    const filled = (id) => one.target.replace(/\{(id|name|scope)\}/, id).replace("{number}", "1")
      .replace(`{${last}}`, id).replace("{project}", there.projects).replace("{task}", there.task);
    // A stream is made by what is appended to it, so each method asks for another one.
    const none = `none-${one.method}`.toLowerCase();
    const strange = /\{/.test(one.target) ? ["no such", none] : [];
    if (kind in PREFIXES && strange.length > 0) strange.push(`${PREFIXES[kind]}_${NO_ID}`);
    await refusals.operation(one, {
      place: filled(there[last] ?? there[kind] ?? there.projects),
      strange: strange.map((id) => filled(encodeURIComponent(id))),
      good: one.schema && (good(root)[`${one.method} ${one.target}`] ?? {}),
    });
    if (one.target === "/api/v1/jobs/{id}/input") await untilEnded(daemon, there.jobs);
  }
  refusals.finish();
  assert.ok(refusals.foreseen > 2000, `${refusals.foreseen} answers were as described`);
});
