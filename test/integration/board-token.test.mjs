// board-token.test.mjs: agents that reach no socket: a token of their run, over the port.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { define, letGo, open, prompts, script, STANDIN } from "./agents.mjs";
import { bin, Daemon, scratch } from "./lib.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";

const LIMIT = { timeout: scaled(90_000) };
const AT = "/projects/shop/tasks";

/** A command of the stand-in: a call, as its prompt shows it for a port. */
const call = (what, body, task = "_") => `RUN curl -s -H "Authorization: Bearer $DROVER_TOKEN" ` +
  `-H 'content-type: application/json' -d '${JSON.stringify(body)}' ` +
  `"$DROVER_URL"/api/projects/_/tasks/${task}/${what}`;
const status = (to) => call("status", { status: to, agent: "claude" });
const output = (content) =>
  call("outputs", { agent: "claude", type: "code", title: "it", content, summary: "made" });
const KEEP = `RUN printf %s "$DROVER_TOKEN" >token; printf %s "$DROVER_DATA" >data`;

/** A board whose agent claude reaches the port, and codex the socket. */
async function board(t) {
  const turns = await open(t, ["claude", "codex"]);
  define(turns, "claude", { program: "claude", command: path.join(turns.bin, "claude"),
    reach: "port" });
  await turns.ask("POST", "/projects", { name: "shop", root: turns.root,
    board: { agents: [{ name: "claude" }, { name: "codex" }] } });
  turns.file = (name) => readFileSync(path.join(turns.root, name), "utf8");
  turns.task = (name) => turns.get(`${AT}/${name}?expand=all`);
  turns.add = (title, description, more = {}) =>
    turns.ask("POST", AT, { title, description, ...more });
  turns.until = async (name, wanted) => {
    let task;
    await until(`${name} is ${wanted}`, async () => {
      task = await turns.task(name);
      return task.status === wanted;
    });
    return task;
  };
  /** By the token that the agent wrote down. */
  turns.with = (method, target, body, more = {}) => turns.daemon.request(method, target, { body,
    headers: { authorization: `Bearer ${turns.file("token")}` }, ...more });
  return turns;
}

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const one = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* files(one);
    else if (entry.isFile()) yield one;
  }
}

test("an agent without the socket works its task to the review over the port", LIMIT,
  async (t) => {
    const turns = await board(t);
    const mail = `RUN curl -s -o mailed -H "Authorization: Bearer $DROVER_TOKEN" -H ` +
      `'content-type: application/json' -d '{"to":"local","title":"Hi","text":"x"}' ` +
      `"$DROVER_URL"/api/mail`;
    await turns.add("Say hello", [KEEP, status("working"),
      `RUN echo "by the command" | ${bin} task comment`, `RUN ${bin} task show >shown`,
      `RUN ${bin} task output --type code --title hello <shown`, mail, output("hello"),
      status("review")].join("\n"), { assignee: "claude" });
    const done = await turns.until("T-1", "review");
    assert.deepEqual([done.agent, done.outputs.length, done.outputs[0].content,
      done.comments[0].body.trim(), done.comments[0].author],
    ["claude", 2, "hello", "by the command", "claude"]);
    assert.equal(turns.file("data"), "", "the data directory is not named");
    assert.match(turns.file("shown"), /Say hello/);
    assert.match(JSON.parse(turns.file("mailed")).from, /^claude/);
    const [prompt] = prompts(turns)[0];
    assert.match(prompt, /"\$DROVER_URL"\/api\/projects\/shop\/tasks\/T-1\/status/);
    assert.match(prompt, /Authorization: Bearer \$DROVER_TOKEN/);
    assert.doesNotMatch(prompt, /drr_|drover\.sock|content_path/);
    // Neither a row nor a file of the daemon has it.
    const token = turns.file("token");
    assert.match(token, /^drr_run_/);
    assert.doesNotMatch(turns.daemon.log, /drr_/);
    const secret = token.slice(-64);
    for (const file of files(turns.daemon.data)) {
      assert.ok(!readFileSync(file).includes(secret), `${file} holds it`);
    }
    assert.equal(statSync(path.join(turns.daemon.data, "run.key")).mode & 0o777, 0o600);
    const session = done.attempts[0].session;
    for (const target of [`/streams/session:${session}/events?limit=500`,
      "/streams/project:shop/events?limit=500", `/runs/${done.attempts[0].run}/spans`]) {
      assert.doesNotMatch((await turns.ask("GET", target)).text, /drr_/, target);
    }
  });

test("a token serves its own task and its mail alone, over a restart, and ends with its run", LIMIT,
  async (t) => {
    const turns = await board(t);
    const { daemon } = turns;
    await turns.add("Other", "", { assignee: "nobody" });
    const mine = await turns.add("Mine", [KEEP, status("working"), "SLOW"].join("\n"),
      { assignee: "claude" });
    assert.equal(mine.status, 201, mine.text);
    await until("it has begun", async () => existsSync(path.join(turns.root, "data")));
    await turns.until("T-2", "working");
    const { session } = (await turns.task("T-2")).attempts[0];
    const before = JSON.stringify([await turns.task("T-1"), await turns.get("/tokens")]);
    const refused = async (code, method, target, body, more) => {
      const answer = await turns.with(method, target, body, more);
      assert.equal(answer.json?.code, code, `${method} ${target}: ${answer.status} ${answer.text}`);
    };
    for (const [code, method, target, body] of [
      ["task_edge", "POST", "/api/v1/projects/shop/tasks/T-1/status", { status: "working" }],
      ["not_your_task", "POST", "/api/projects/shop/tasks/T-1/comments", { body: "x" }],
      ["not_your_task", "POST", "/api/projects/shop/tasks/T-1/outputs",
        { type: "code", title: "x", content: "x" }],
      ["not_your_task", "GET", "/api/v1/projects/shop/tasks/T-1"],
      ["not_your_task", "POST", "/api/projects/_/tasks/_/status",
        { status: "review", agent: "codex" }],
      ["bad_field", "POST", "/api/projects/_/tasks/_/outputs",
        { type: "code", title: "x", content_path: path.join(turns.root, "data") }],
      ["inside_run", "GET", "/api/v1/projects/shop/tasks"],
      ["inside_run", "POST", "/api/v1/projects/shop/tasks", { title: "x" }],
      ["inside_run", "POST", "/api/v1/projects/shop/tasks/T-1/claim", {}],
      ["inside_run", "POST", "/api/projects/shop/tasks/T-2/status", { status: "claimed" }],
      ["inside_run", "POST", "/api/v1/projects/shop/tasks/T-2/review",
        { attempt: "try_01arz3ndektsv4rrffq69g5fav", accept: true }],
      ["inside_run", "GET", "/api/v1/sessions"],
      ["inside_run", "GET", `/api/v1/sessions/${session}/messages`],
      ["inside_run", "GET", `/api/v1/streams/session:${session}/events`],
      ["inside_run", "GET", "/api/v1/runs"],
      ["inside_run", "GET", "/api/v1/mail"],
      ["inside_run", "POST", "/api/v1/jobs", { shell: "true" }],
      ["inside_run", "GET", "/api/v1/worktrees"],
      ["inside_run", "DELETE", "/api/v1/worktrees/tre_01arz3ndektsv4rrffq69g5fav?force=1"],
      ["inside_run", "POST", "/api/v1/worktrees/prune", {}],
      ["inside_run", "POST", "/api/v1/worktrees/tre_01arz3ndektsv4rrffq69g5fav/apply", {}],
      ["inside_run", "GET", "/api/v1/approvals"],
      ["inside_run", "POST", "/api/v1/approvals/apr_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        { decision: "allow" }],
      ["inside_run", "POST", "/api/v1/tokens", { label: "x", scopes: ["admin"] }],
      ["inside_run", "GET", "/metrics"],
    ]) {
      await refused(code, method, target, body);
    }
    await refused("forbidden", "GET", "/api/v1/projects/_/tasks/_?owner=other");
    // On the socket a person who sends it has no more.
    await refused("inside_run", "GET", "/api/v1/sessions", undefined, { local: true });
    assert.equal((await turns.with("GET", "/api/v1/projects/_/tasks/_")).json.name, "T-2");
    for (const bad of [turns.file("token").replace(/.$/, (end) => (end === "0" ? "1" : "0")),
      turns.file("token").replace(".local.", ".other."), "drr_"]) {
      const headers = { authorization: `Bearer ${bad}` };
      assert.equal((await daemon.request("GET", "/api/v1/projects/_/tasks/_", { headers })).status,
        401, bad);
    }
    assert.equal(JSON.stringify([await turns.task("T-1"), await turns.get("/tokens")]), before);

    await daemon.kill();
    await daemon.start();
    const said = await turns.with("POST", "/api/projects/_/tasks/_/comments", { body: "still" });
    assert.equal(said.status, 201, said.text);
    letGo(turns);
    await until("its attempt ends", async () =>
      (await turns.task("T-2")).attempts[0].ended_ms !== null);
    for (const [method, target, body] of [
      ["POST", "/api/projects/shop/tasks/T-2/comments", { body: "late" }],
      ["GET", "/api/v1/projects/shop/tasks/T-2"],
      ["POST", "/api/mail", { to: "local", title: "late", text: "late" }],
    ]) {
      const late = await turns.with(method, target, body);
      assert.deepEqual([late.status, late.json.code], [401, "unauthorized"], late.text);
      assert.match(late.json.detail, /ended with it/);
    }
  });

test("a run on the socket that sends the token of another one is refused", LIMIT, async (t) => {
  const turns = await board(t);
  await turns.add("Has it", [KEEP, status("working"), "SLOW"].join("\n"), { assignee: "claude" });
  await until("it has begun", async () => existsSync(path.join(turns.root, "data")));
  const by = (headers, name, what, body) => `RUN curl -s -o ${name} --unix-socket ` +
    `"$DROVER_DATA/drover.sock" ${headers} -H 'content-type: application/json' ` +
    `-d '${JSON.stringify(body)}' http://drover/api/projects/shop/tasks/${what}`;
  const token = `-H "Authorization: Bearer $(cat token)"`;
  await turns.add("Borrows it", [
    by(token, "borrowed", "T-1/comments", { body: "as the other" }),
    by(token, "own", "_/comments", { body: "as itself, by the other" }),
    by("", "plain", "T-2/comments", { body: "as itself" })].join("\n"), { assignee: "codex" });
  await until("it has tried", async () => existsSync(path.join(turns.root, "plain")));
  assert.deepEqual(["borrowed", "own"].map((name) => JSON.parse(turns.file(name)).code),
    ["inside_run", "inside_run"]);
  assert.equal(JSON.parse(turns.file("plain")).author, "codex");
  assert.deepEqual((await turns.task("T-1")).comments, []);
  letGo(turns);
});

test("mail to an agent without the socket shows it the port", LIMIT, async (t) => {
  const turns = await board(t);
  const sent = await turns.ask("POST", "/mail", { to: "claude", project: "shop", title: "Look",
    text: `RUN curl -s -H "Authorization: Bearer $DROVER_TOKEN" -H 'content-type: ` +
      `application/json' -d '{"to":"local","title":"Done","text":"so it is"}' ` +
      `"$DROVER_URL"/api/mail` });
  assert.equal(sent.status, 201, sent.text);
  await until("it answers", async () => {
    const { items } = await turns.get("/mail?q=Done");
    return items.some(({ from, to }) => from.startsWith("claude") && to === "local");
  });
  const [prompt] = prompts(turns)[0];
  assert.match(prompt, /Bearer \$DROVER_TOKEN" -H 'content-type: application\/json' -d @- /);
  assert.match(prompt, /"\$DROVER_URL"\/api\/mail <</);
  assert.doesNotMatch(prompt, /drover\.sock/);
});

test("a daemon without a port says that the agent needs one", LIMIT, async (t) => {
  const folder = scratch(t), home = scratch(t);
  const daemon = new Daemon({ data: path.join(folder, "d"),
    listen: `unix:${path.join(folder, "s")}`, env: { DROVER_MODEL: "", HOME: home } });
  t.after(() => daemon.stop());
  await daemon.start();
  const turns = { bin: folder, home };
  const command = script(turns, "claude", `exec ${process.execPath} ${STANDIN} claude "$@"`);
  define(turns, "claude", { program: "claude", command, reach: "port" });
  const ask = async (method, target, body) =>
    (await daemon.request(method, `/api/v1${target}`, { body, local: true })).json;
  await ask("POST", "/projects", { name: "shop", root: folder,
    board: { agents: [{ name: "claude" }] } });
  await ask("POST", AT, { title: "x" });
  let task;
  await until("it is blocked", async () => {
    task = await ask("GET", `${AT}/T-1?expand=all`);
    return task.status === "blocked";
  });
  assert.deepEqual([task.reason, task.attempts[0].outcome], ["not_started", "spawn_failed"]);
  assert.match(task.attempts[0].note, /reaches drover by a port.*has none.*--listen/);
  const session = await ask("POST", "/sessions", { agent: "claude", root: folder, title: "x" });
  const { run } = await ask("POST", `/sessions/${session.id}/messages`, { text: "hello" });
  await until("the turn fails", async () => (await ask("GET", `/runs/${run}`)).state === "failed");
  assert.match(JSON.stringify(await ask("GET", `/runs/${run}`)), /reaches drover by a port/);
});
